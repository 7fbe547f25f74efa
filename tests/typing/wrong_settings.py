"""A wrong program: keywords that do not exist, and values of another kind."""

from handlers import MessagingHandler
from reactor import (
    Backoff,
    Connection,
    Container,
    Copy,
    Limits,
    Message,
    Prefetch,
    Selector,
    Sender,
    SenderOption,
    Url,
)

container = Container(MessagingHandler())
Container(MessagingHandler(), container_ident="me")  # error: arg-type reportArgumentType
Container(MessagingHandler(), container_id=5)  # error: arg-type reportArgumentType
Container(raise_errors="yes")  # error: arg-type reportArgumentType

container.connect("amqp://host", alowed_mechs="PLAIN")  # error: arg-type reportArgumentType
container.connect("amqp://host", offered_capabilities=5)  # error: arg-type reportArgumentType
container.connect("amqp://host", allowed_mechs=5)  # error: arg-type reportArgumentType
container.connect("amqp://host", heartbeat="10")  # error: arg-type reportArgumentType
container.connect("amqp://host", reconnect="always")  # error: arg-type reportArgumentType
container.connect("amqp://host", limits=5)  # error: arg-type reportArgumentType
container.connect("amqp://host", properties=5)  # error: arg-type reportArgumentType
container.connect(5)  # error: arg-type reportArgumentType
container.connect("amqp://host", sasl_enabled="no")  # error: arg-type reportArgumentType

container.listen("amqp://host", hanlder=MessagingHandler())  # error: call-arg reportCallIssue
container.listen("amqp://host", authenticator=lambda name: True)  # error: arg-type,misc reportArgumentType
container.listen(5)  # error: arg-type reportArgumentType
container.listen()  # error: call-arg reportCallIssue

connection: Connection = container.connect("amqp://host")
sender: Sender = container.create_receiver(connection, "queue")  # error: assignment reportAssignmentType
container.create_sender(connection, "queue", prefetch=5)  # error: arg-type reportArgumentType
container.create_sender(connection, "queue", options=5)  # error: arg-type reportArgumentType
container.create_sender(connection, "queue", options=[5])  # error: list-item reportArgumentType
container.create_sender(connection, "queue", options=Copy)  # error: arg-type reportArgumentType
container.create_receiver(connection, "queue", prefetsh=5)  # error: arg-type reportArgumentType
container.create_sender(connection, 5)  # error: arg-type reportArgumentType
container.create_sender(connection, "queue", tags="abc")  # error: arg-type reportArgumentType
container.create_sender(connection, "queue", resend="yes")  # error: arg-type reportArgumentType
container.create_sender(container, "queue")  # error: arg-type reportArgumentType
container.create_receiver(connection, "queue", prefetch="5")  # error: arg-type reportArgumentType
container.create_receiver(connection, "queue", dynamic="yes")  # error: arg-type reportArgumentType

Prefetch("5")  # error: arg-type reportArgumentType
Prefetch()  # error: call-arg reportCallIssue
Selector(5)  # error: arg-type reportArgumentType
Backoff(initial="1")  # error: arg-type reportArgumentType
Backoff(initialy=1)  # error: call-arg reportCallIssue
Limits(max_lniks=5)  # error: call-arg reportCallIssue
Limits().replace(max_lniks=5)  # error: call-arg reportCallIssue
Limits(max_links="5")  # error: arg-type reportArgumentType
Url("amqp://host", prot=5)  # error: call-arg reportCallIssue
Url(5)  # error: arg-type reportArgumentType
Message("text", adress="queue")  # error: call-arg reportCallIssue
Message("text", ttl="5")  # error: arg-type reportArgumentType
container.schedule("1", MessagingHandler())  # error: arg-type reportArgumentType
container.stop(drain="5")  # error: arg-type reportArgumentType


class Option(SenderOption):
    def apply(self, sender: str) -> None:  # error: override reportIncompatibleMethodOverride
        print(sender)
