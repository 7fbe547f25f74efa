"""Tokens over sockets: a provider that blocks, and blocking calls."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Container, Message
from reactor.azure import Batch, BlockingManagement, ManagementError, cancel_scheduled, messages_of, peek, schedule
from reactor.errors import ConnectionException
from reactor.tokens import Bearer, Claims, SharedAccessKey
from reactor.utils import BlockingConnection
from tests.support.peers import Peer
from tests.support.processes import DEADLINE
from tests.support.service_bus import ServiceBus

KEY = "c2VjcmV0IGtleSBvZiB0aGUgYnVz"


class Gate:
    """A provider that blocks until it is opened."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.opened = threading.Event()
        self.thread: Any = None

    def get_token(self, *scopes: str) -> Any:
        self.thread = threading.current_thread()
        self.asked.set()
        assert self.opened.wait(DEADLINE)
        return SimpleNamespace(token="good", expires_on=2e10)


class Client(MessagingHandler):
    """Opens the gate from a timer, which comes only where the loop goes on; ends when a link or connection is open."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate
        self.turns = 0

    def on_timer_task(self, event: Any) -> None:
        self.turns += 1
        if self.gate.asked.is_set():
            self.gate.opened.set()
        else:
            event.container.schedule(0.001, self)

    def on_link_opened(self, event: Any) -> None:
        event.container.stop()


def test_a_provider_that_blocks_does_not_hold_the_loop() -> None:
    gate = Gate()
    bus = ServiceBus("amqp://127.0.0.1:0")
    bus.jwts["good"] = 2e10
    client = Client(gate)
    container = Container(bus, raise_errors=True)
    container.start()
    container.process()
    connection = container.connect(bus.acceptor.url, handler=client, tokens=Claims(gate))
    container.create_sender(connection, "jobs")
    container.schedule(0.001, client)
    container.run()
    assert client.turns and gate.thread is not threading.current_thread()
    assert [taken[1] for taken in bus.tokens.taken] == ["jwt"]


def test_a_log_in_whose_provider_blocks_does_not_hold_the_loop() -> None:
    gate = Gate()
    client = Client(gate)
    users: list[Any] = []

    class Server(MessagingHandler):
        def on_connection_opened(self, event: Any) -> None:
            users.append(event.transport.user)
            event.container.stop()

    container = Container(raise_errors=True)
    acceptor = container.listen(
        "amqp://127.0.0.1:0", handler=Server(), token_owner=lambda mechanism, token: "ann" if token == "good" else None
    )
    container.connect(acceptor.url, handler=client, tokens=Bearer(gate), user="ann")
    container.schedule(0.001, client)
    container.run()
    assert client.turns and users == ["ann"]


# -- blocking calls ------------------------------------------------------------------------------------------


class Bus(ServiceBus):
    """A stand-in in a thread of its own."""

    def __init__(self) -> None:
        super().__init__("amqp://127.0.0.1:0")
        self.keys["all"] = KEY
        self.listening = threading.Event()

    def on_start(self, event: Any) -> None:
        super().on_start(event)
        self.url = self.acceptor.url
        self.listening.set()


@pytest.fixture
def bus():
    bus: Any = Bus()
    with Peer(bus):
        yield bus
        bus.container.stop()


def test_blocking_calls_wait_for_their_token(bus: Any) -> None:
    connection = BlockingConnection(bus.url, tokens=Claims(SharedAccessKey("all", KEY)))
    sender = connection.create_sender("jobs")
    sender.send(Message("one"))
    receiver = connection.create_receiver("jobs")
    assert receiver.receive().body == "one"
    receiver.accept()
    connection.close()
    host = bus.url.partition("://")[2].partition(":")[0]
    assert [taken[0] for taken in bus.tokens.taken] == [f"sb://{host}/jobs"]


def test_a_blocking_call_without_its_token_says_why(bus: Any) -> None:
    connection = BlockingConnection(bus.url, tokens=Claims(SharedAccessKey("all", "another key")))
    with pytest.raises(ConnectionException, match=r"the peer has refused the token for 'sb://.*/jobs': 401 InvalidSig"):
        connection.create_sender("jobs")
    connection.close()


def test_management_that_waits(bus: Any) -> None:
    connection = BlockingConnection(bus.url, tokens=Claims(SharedAccessKey("all", KEY)))
    management = BlockingManagement(connection, "jobs")
    assert management.ask(peek()) == []
    (number,) = management.ask(schedule([Message("later", id="1")], 2e9))
    assert [message.body for message in management.ask(peek())] == ["later"]
    management.ask(cancel_scheduled(number))
    with pytest.raises(ManagementError, match="message-not-found"):
        management.ask(cancel_scheduled(number))
    management.close()
    with pytest.raises(ManagementError, match="the links were closed here"):
        management.ask(peek())
    connection.close()


def test_a_batch_that_a_blocking_receiver_takes() -> None:
    """From a peer that leaves it whole."""

    class Whole(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.listening = threading.Event()

        def on_start(self, event: Any) -> None:
            self.container = event.container
            self.acceptor = event.container.listen("amqp://127.0.0.1:0")
            self.url = self.acceptor.url
            self.listening.set()

        def on_sendable(self, event: Any) -> None:
            if event.link.unsettled == 0:
                event.link.send(Batch([Message("one"), Message("two")]))

        def on_disconnected(self, event: Any) -> None:
            """The client has gone."""

        def on_connection_closed(self, event: Any) -> None:
            self.acceptor.close()

    peer: Any = Whole()
    with Peer(peer) as url:
        connection = BlockingConnection(url)
        message = connection.create_receiver("hub").receive()
        assert [one.body for one in messages_of(message)] == ["one", "two"]
        connection.close()
