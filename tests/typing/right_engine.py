# pyright: strict
"""A right program: a transport that the program drives by itself, and deliveries by hand."""

from typing import Optional

from typing_extensions import assert_type

from reactor import (
    ACCEPTED,
    REJECTED,
    SASL,
    Collector,
    Condition,
    Connection,
    Delivery,
    Endpoint,
    Event,
    Message,
    ModifiedDisposition,
    RejectedDisposition,
    Session,
    Transport,
)


def trace(transport: Transport, text: str) -> None:
    print(transport.connection, text)


def record(direction: str, data: bytes) -> None:
    print(direction, len(data))


def watch(delivery: Delivery) -> None:
    print(delivery.link.name)


collector = Collector()
connection = Connection()
connection.collect(collector)
transport = Transport(Transport.CLIENT)
assert_type(transport.sasl(), SASL)
transport.sasl().allowed_mechs("ANONYMOUS")
transport.bind(connection)
transport.tracer = trace
transport.recorder = record
connection.container = "me"
connection.open()
session = connection.session()
assert_type(session, Session)
session.open()
sender = session.sender("sender")
sender.watch = watch
sender.open()
receiver = session.receiver("receiver")
receiver.flow(10)
receiver.open()
delivery = sender.delivery("tag")
assert_type(delivery, Delivery)
sender.stream(Message("text").encode())
assert_type(sender.advance(), bool)
transport.push(b"AMQP\0\1\0\0")
assert_type(transport.peek(1024), Optional[bytes])
assert_type(transport.pending(), int)
event = collector.peek()
assert_type(event, Optional[Event])
if event is not None and event.type is Event.DELIVERY:
    current = receiver.current
    if current is not None and current.readable and not current.partial:
        message = Message()
        assert_type(message.recv(receiver), Optional[Delivery])
        current.update(ACCEPTED)
        current.update(RejectedDisposition(Condition("amqp:not-found", "not here", {"a": 1})))
        current.update(ModifiedDisposition(failed=True, annotations={"a": 1}))
        current.local.condition = Condition("amqp:not-allowed")
        current.update(REJECTED)
        current.settle()
    collector.pop()
assert_type(Message("text").send(sender), Delivery)
for link in connection.links(Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE):
    print(link.name, link.unsettled, link.next(0))
connection.condition = Condition("amqp:connection:forced", "on purpose")
connection.close()
