"""IncomingMessageHandler by itself; what it does about acknowledgement is in test_acknowledgement.py."""

from __future__ import annotations

from typing import Any

from handlers import EndpointStateHandler, FlowController, IncomingMessageHandler
from reactor import ACCEPTED, REJECTED, Handler, Message
from tests.support.stage import Stage, Witness


class Parts(Handler):
    """A handler put together by hand."""

    def __init__(self, *parts: Any) -> None:
        self.handlers = [FlowController(10), EndpointStateHandler(), *parts]


def send(handler: Any, *bodies: Any, chunk: Any = None) -> list[Any]:
    """Send messages to a server with this handler; returns the deliveries as the sender sees them."""
    stage = Stage(handler, chunk=chunk)
    container, connection = stage.connect()
    sender = container.create_sender(connection, "q")
    deliveries = [sender.send(Message(body)) for body in bodies]
    stage.run()
    return deliveries


def test_a_subclass_without_a_delegate_is_called_itself() -> None:
    class Own(IncomingMessageHandler):
        def __init__(self) -> None:
            super().__init__()
            self.bodies: list[Any] = []

        def on_message(self, event: Any) -> None:
            self.bodies.append(event.message.body)
            if event.message.body == 2:
                self.reject(event.delivery)

    own = Own()
    deliveries = send(Parts(own), 1, 2)
    assert own.bodies == [1, 2]
    assert [sent.remote_state for sent in deliveries] == [ACCEPTED, REJECTED]


def test_a_delegate_is_called_instead() -> None:
    class Delegate:
        def __init__(self) -> None:
            self.bodies: list[Any] = []

        def on_message(self, event: Any) -> None:
            self.bodies.append(event.message.body)

    delegate = Delegate()
    send(Parts(IncomingMessageHandler(delegate=delegate)), "x")
    assert delegate.bodies == ["x"]


def test_a_delegate_without_on_message_has_its_on_unhandled_called() -> None:
    class Delegate:
        def __init__(self) -> None:
            self.told: list[str] = []

        def on_unhandled(self, method: str, event: Any) -> None:
            self.told.append(method)

    delegate = Delegate()
    (sent,) = send(Parts(IncomingMessageHandler(delegate=delegate)), "x")
    assert delegate.told == ["on_message"]
    assert sent.remote_state == ACCEPTED


def test_a_message_of_many_frames_is_told_once_and_whole() -> None:
    server = Witness()
    body = bytes(range(256)) * 2000
    (sent,) = send(server, body, chunk=1000)
    assert server.count("on_message") == 1
    assert server.last("on_message").message.body == body
    assert sent.remote_state == ACCEPTED


def test_the_delivery_in_on_message_is_not_settled_and_has_no_outcome() -> None:
    seen: list[Any] = []

    def look(event: Any) -> None:
        delivery = event.delivery
        seen.append((delivery.tag, delivery.settled, delivery.local_state, delivery.partial, delivery.aborted))

    send(Witness(on_message=look), "x")
    assert seen == [("1", False, 0, False, False)]


def test_an_aborted_message_is_told_as_such_and_leaves_nothing_behind() -> None:
    server = Witness()
    stage = Stage(server)
    container, connection = stage.connect()
    sender = container.create_sender(connection, "q")
    stage.run()
    delivery = sender.delivery("t")
    sender.stream(b"x" * 200000)
    stage.run()
    delivery.abort()
    stage.run()
    assert server.count("on_aborted") == 1
    assert server.last("on_aborted").delivery.aborted
    assert server.count("on_message") == 0
    assert server.last("on_link_opened").link.unsettled == 0
    sender.send(Message("next"))
    stage.run()
    assert server.count("on_message") == 1
