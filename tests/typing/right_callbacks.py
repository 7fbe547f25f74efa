# pyright: strict
"""A right program: callbacks, and the types of what their events carry."""

from typing import Optional, Union

from typing_extensions import assert_type

from handlers import MessagingHandler, Reject, Release, TransactionalClientHandler
from reactor import (
    Condition,
    Connection,
    Container,
    Delivery,
    DispositionType,
    Event,
    Link,
    Message,
    Receiver,
    Sender,
    Session,
    Task,
    Terminus,
    Transaction,
    Transport,
)


class Client(MessagingHandler):
    def __init__(self, url: str, total: int = 10) -> None:
        super().__init__(prefetch=100, auto_accept=False)
        self.url = url
        self.total = total
        self.sent = 0
        self.sender: Optional[Sender] = None
        self.outcomes: dict[str, str] = {}

    def on_start(self, event: Event) -> None:
        assert_type(event.container, Container)
        connection = event.container.connect(self.url, user="guest", password="guest", heartbeat=10)
        assert_type(connection, Connection)
        self.sender = event.container.create_sender(connection, "jobs")
        receiver = event.container.create_receiver(self.sender.session, None, dynamic=True)
        assert_type(receiver, Receiver)
        assert_type(event.container.schedule(0.5, self), Task)

    def on_sendable(self, event: Event) -> None:
        assert_type(event.sender, Sender)
        while event.sender.credit and self.sent < self.total:
            delivery = event.sender.send(Message({"number": self.sent}, id=self.sent, subject="job"))
            assert_type(delivery, Delivery)
            self.outcomes[delivery.tag] = "unknown"
            self.sent += 1
        assert_type(event.sender.stream(b"data"), int)
        assert_type(event.sender.send(b"data"), int)
        assert_type(event.sender.target, Terminus)
        assert_type(event.sender.target.address, Optional[str])

    def on_accepted(self, event: Event) -> None:
        assert_type(event.delivery, Delivery)
        assert_type(event.delivery.link, Link)
        assert_type(event.delivery.remote_state, Union[DispositionType, int])
        self.outcomes[event.delivery.tag] = str(event.delivery.remote_state)

    def on_rejected(self, event: Event) -> None:
        condition = event.delivery.remote.condition
        assert_type(condition, Optional[Condition])
        if condition is not None:
            print(condition.name, condition.description)

    def on_message(self, event: Event) -> None:
        assert_type(event.message, Message)
        assert_type(event.receiver, Receiver)
        assert_type(event.message.reply_to, Optional[str])
        if event.message.body == "bad":
            raise Reject("it is bad")
        if event.message.body == "later":
            raise Release()
        self.accept(event.delivery)
        assert_type(event.receiver.queued, int)
        event.receiver.flow(1)

    def on_link_opened(self, event: Event) -> None:
        assert_type(event.link, Link)
        assert_type(event.link.session, Session)
        assert_type(event.link.session.connection, Connection)
        assert_type(event.link.connection.transport, Optional[Transport])
        if isinstance(event.link, Sender):
            event.link.offered(1)

    def on_transport_error(self, event: Event) -> None:
        assert_type(event.transport, Transport)
        assert_type(event.transport.condition, Optional[Condition])
        super().on_transport_error(event)

    def on_timer_task(self, event: Event) -> None:
        for connection in event.container.connections():
            connection.close()


class Untyped(MessagingHandler):
    """Who annotates nothing is left in peace."""

    def on_unhandled(self, method: str, *args: object) -> None:
        print(method, args)


class Both(MessagingHandler):
    def on_unhandled(self, method: str, event: Event) -> None:
        print(method, event.type)


def main() -> None:
    container = Container(Client("amqp://localhost"), Untyped(), container_id="client")
    container.run()
    assert_type(container.ended_by, Optional[BaseException])


class InTransactions(TransactionalClientHandler):
    def on_link_opened(self, event: Event) -> None:
        transaction = event.container.declare_transaction(event.connection, self, settle_before_discharge=True)
        assert_type(transaction, Transaction)

    def on_transaction_declared(self, event: Event) -> None:
        assert_type(event.transaction, Transaction)
        assert_type(event.transaction.id, Optional[bytes])
        assert_type(event.transaction.send(event.sender, Message("a")), Delivery)
        event.transaction.commit()

    def on_message(self, event: Event) -> None:
        self.accept(event.delivery, event.transaction)

    def on_transaction_commit_failed(self, event: Event) -> None:
        assert_type(event.transaction.condition, Optional[Condition])
