"""A wrong program: messages, outcomes and endpoints that are given something else."""

from reactor import (
    SASL,
    SSL,
    Array,
    Condition,
    Connection,
    CustomDisposition,
    Delivery,
    Message,
    RejectedDisposition,
    Transport,
    symbol,
    ulong,
)

message = Message()
message.durable = "yes"  # error: assignment reportAttributeAccessIssue
message.priority = "high"  # error: assignment reportAttributeAccessIssue
message.subject = 5  # error: assignment reportAttributeAccessIssue
message.id = 5.0  # error: assignment reportAttributeAccessIssue
message.properties = 5  # error: assignment reportAttributeAccessIssue
message.properties = {5: "a"}  # error: dict-item reportArgumentType,reportAttributeAccessIssue
message.annotations = "a"  # error: assignment reportAttributeAccessIssue
message.data_sections = ["text"]  # error: list-item reportArgumentType,reportAttributeAccessIssue
message.adress = "queue"  # error: attr-defined reportAttributeAccessIssue
message.decode("text")  # error: arg-type reportArgumentType
text: str = message.encode()  # error: assignment reportAssignmentType
message.send(5)  # error: arg-type reportArgumentType
message.recv(5)  # error: arg-type reportArgumentType


def outcomes(delivery: Delivery) -> None:
    delivery.update("accepted")  # error: arg-type reportArgumentType
    delivery.update(Condition("amqp:not-found"))  # error: arg-type reportArgumentType
    delivery.local = 5  # error: assignment reportAttributeAccessIssue
    delivery.local.condition = "amqp:not-found"  # error: assignment reportAttributeAccessIssue
    RejectedDisposition("amqp:not-found")  # error: arg-type reportArgumentType
    CustomDisposition("type")  # error: arg-type reportArgumentType
    delivery.remote_state = 5.0  # error: assignment reportAttributeAccessIssue


Condition(5)  # error: arg-type reportArgumentType
Condition("name", 5)  # error: arg-type reportArgumentType
Condition("name", info=5)  # error: arg-type reportArgumentType
Array("descriptor")  # error: call-arg reportCallIssue
ulong("x", 5)  # error: call-arg reportCallIssue
symbol(5, 6)  # error: call-overload,arg-type reportCallIssue,reportArgumentType

connection = Connection()
connection.container = 5  # error: assignment reportAttributeAccessIssue
connection.hostname = 5  # error: assignment reportAttributeAccessIssue
connection.properties = 5  # error: assignment reportAttributeAccessIssue
connection.condition = 5  # error: assignment reportAttributeAccessIssue
connection.offered_capabilities = 5  # error: assignment reportAttributeAccessIssue
connection.open(5)  # error: call-arg reportCallIssue
connection.session().sender(5)  # error: arg-type reportArgumentType
connection.session().sender("name").delivery(5)  # error: arg-type reportArgumentType
connection.session().receiver("name").send(message)  # error: attr-defined reportAttributeAccessIssue

transport = Transport("client")  # error: arg-type reportArgumentType
transport.bind("connection")  # error: arg-type reportArgumentType
transport.max_frame_size = "5"  # error: assignment reportAttributeAccessIssue
transport.push("text")  # error: arg-type reportArgumentType
transport.condition = 5  # error: assignment reportAttributeAccessIssue
SSL(transport, 5)  # error: arg-type reportArgumentType
SSL(5)  # error: arg-type reportArgumentType
SASL(5)  # error: arg-type reportArgumentType
transport.ssl(5)  # error: arg-type reportArgumentType
