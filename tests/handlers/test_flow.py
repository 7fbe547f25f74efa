"""FlowController: a window of credit for receivers that have none of their own."""

from __future__ import annotations

from typing import Any

from handlers import EndpointStateHandler, FlowController, IncomingMessageHandler
from reactor import Handler, Message
from tests.support.stage import Stage, Witness


def feed(count: int) -> tuple[Witness, list[Any]]:
    """A server that sends `count` messages as soon as it may, and what it has sent."""
    sent: list[Any] = []

    def send(event: Any) -> None:
        while event.sender.credit > 0 and len(sent) < count:
            sent.append(event.sender.send(Message(len(sent))))

    return Witness(on_sendable=send), sent


def test_it_keeps_the_window_open() -> None:
    server, sent = feed(100)
    stage = Stage(server)
    root = Handler()
    root.handlers = [FlowController(7), EndpointStateHandler(), IncomingMessageHandler()]
    container, connection = stage.connect(root)
    receiver = container.create_receiver(connection, "q")
    stage.run()
    assert len(sent) == 100
    assert receiver.credit in range(4, 8)


def test_it_gives_credit_to_what_the_peer_attaches_too() -> None:
    stage = Stage(Witness(prefetch=7))
    container, connection = stage.connect()
    sender = container.create_sender(connection, "q")
    stage.run()
    assert sender.credit == 7


def test_it_leaves_a_receiver_alone_that_has_its_own_prefetch() -> None:
    stage = Stage()
    container, connection = stage.connect(Witness(prefetch=7))
    receivers = [container.create_receiver(connection, "q", prefetch=window) for window in (0, 3, None)]
    stage.run()
    assert [receiver.credit for receiver in receivers] == [0, 3, 7]


def test_without_it_credit_is_what_the_application_grants() -> None:
    server, sent = feed(100)
    stage = Stage(server)
    client = Witness(prefetch=0)
    container, connection = stage.connect(client)
    receiver = container.create_receiver(connection, "q")
    stage.run()
    assert sent == []
    receiver.flow(5)
    stage.run()
    assert len(sent) == client.count("on_message") == 5


def test_a_drain_is_answered_from_on_sendable() -> None:
    sent: list[Any] = []

    def send_and_give_up(event: Any) -> None:
        while len(sent) < 3:
            sent.append(event.sender.send(Message("x")))
        if event.sender.drain_mode:
            event.sender.drained()

    stage = Stage(Witness(on_sendable=send_and_give_up))
    client = Witness(prefetch=0)
    container, connection = stage.connect(client)
    receiver = container.create_receiver(connection, "q")
    receiver.drain(10)
    stage.run()
    assert client.count("on_message") == 3
    assert not receiver.draining() and receiver.credit == 0 and receiver.drained() == 7
