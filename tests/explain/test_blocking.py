"""Blocking objects and worlds explain themselves."""

from __future__ import annotations

from typing import Any

import pytest

import reactor
from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import Message
from reactor.simulation import World
from reactor.utils import BlockingConnection, SyncRequestResponse

DEADLINE = 60


@pytest.fixture
def connection() -> Any:
    with EmbeddedBroker() as broker:
        connection = BlockingConnection(broker.url)
        yield connection
        connection.close()


def kinds(thing: Any) -> set[str]:
    return reactor.explain(thing, patience=DEADLINE).kinds


def test_a_blocking_receiver(connection: Any) -> None:
    receiver = connection.create_receiver("jobs", credit=2)
    assert kinds(receiver) == {"may receive", "well"}
    sender = connection.create_sender("jobs")
    for _ in range(3):
        sender.send(Message("x"))
    connection.wait(lambda: receiver.available() == 2)
    told = reactor.explain(receiver, patience=DEADLINE)
    assert told[0].startswith("<BlockingReceiver from 'jobs', 2 available>: 2 messages have come, the first ")
    assert "and no receive() has taken them" in told[0]
    message = receiver.receive()
    assert "has no outcome of this side" in str(reactor.explain(message.delivery, patience=DEADLINE))


def test_a_blocking_receiver_that_asks_for_nothing(connection: Any) -> None:
    told = reactor.explain(connection.create_receiver("jobs"), patience=DEADLINE)
    assert "receive() of a blocking receiver, asks for some" in str(told)


def test_a_blocking_sender_at_its_capacity(connection: Any) -> None:
    sender = connection.create_sender("jobs")
    assert kinds(sender) == kinds(connection) == kinds(sender.session) == {"may send", "well"}
    sender.capacity = 1
    assert sender.explain(DEADLINE).kinds == {"may send", "well"}


def test_requests(connection: Any) -> None:
    requests = SyncRequestResponse(connection, "jobs")
    assert kinds(requests) == {"may send", "may receive", "well"}


def test_a_blocking_connection_that_is_closed() -> None:
    with EmbeddedBroker() as broker:
        connection = BlockingConnection(broker.url)
        connection.close()
        assert reactor.explain(connection).kinds & {"ended", "closing"}


class Server(MessagingHandler):
    def on_start(self, event: Any) -> None:
        event.container.listen("amqp://server:5672")


class Client(MessagingHandler):
    def on_start(self, event: Any) -> None:
        event.container.create_receiver(event.container.connect("amqp://server:5672"), "jobs", prefetch=0)


def test_a_world_and_its_programs() -> None:
    world = World(latency=0, pieces=0)
    world.start(Server)
    client = world.start(Client)
    world.settle()
    told = reactor.explain(world)
    assert "\nclient: server:5672: receiver from jobs has no credit: prefetch is 0" in str(told)
    assert told[0].startswith("server: ") and "sender to jobs has no credit and nothing waits" in told[0]
    assert reactor.explain(client).kinds == {"nothing asked"}
    client.crash()
    assert str(reactor.explain(client)) == "the program does not run: it has crashed, or has come to its end"
