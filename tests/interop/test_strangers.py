"""Clients of other projects, unmodified, at our broker: cli-proton-python, rhea, amqp10, azure-servicebus; and
WebSocket as others speak it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker, EmbeddedBroker
from reactor import Container, Message
from tests.support.peers import Listening, Peer
from tests.support.processes import Script, run
from tests.support.service_bus import ServiceBus
from tests.support.strangers import folder, missing, programs

HERE = Path(__file__).parent / "strangers"


def need(name: str) -> None:
    reason = missing(name)
    if reason:
        pytest.skip(f"{name}: {reason}")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(store=tmp_path / "strangers.store") as broker:
        yield broker


def said(command: list[str], place: Path) -> list[str]:
    """The lines that a program prints."""
    status, out, err = run(command, place)
    assert status == 0, out + err
    return out.splitlines()


# -- cli-proton-python


def cli(what: str, broker: EmbeddedBroker, place: Path, *options: str, address: str = "jobs") -> list[str]:
    command = [str(programs() / f"cli-proton-python-{what}"), "--broker-url", f"127.0.0.1:{broker.port}/{address}"]
    return said([*command, "--log-msgs", "dict", "--timeout", "20", *options], place)


def test_cli_proton_python_sends_selects_browses_and_receives(broker: EmbeddedBroker, tmp_path: Path) -> None:
    need("cli-proton-python")
    durable = ("--msg-durable", "yes", "--msg-content")
    cli("sender", broker, tmp_path, "--count", "2", "--msg-property", "colour=red", *durable, "red %d")
    cli("sender", broker, tmp_path, "--count", "1", "--msg-property", "colour=blue", *durable, "blue %d")
    jobs = broker.queue("jobs")
    assert (jobs.depth, jobs.enqueued) == (3, 3)
    seen = cli("receiver", broker, tmp_path, "--recv-browse", "--count", "3")
    assert ["blue 0" in line for line in seen] == [False, False, True] and broker.queue("jobs").depth == 3
    (blue,) = cli("receiver", broker, tmp_path, "--recv-selector", "colour = 'blue'", "--count", "1")
    assert "'content': 'blue 0'" in blue and "'durable': True" in blue
    assert cli("receiver", broker, tmp_path, "--action", "release", "--count", "1")[0].count("red 0") == 1
    rest = cli("receiver", broker, tmp_path, "--count", "2")
    assert ["red 0" in line for line in rest] == [True, False] and broker.queue("jobs").depth == 0


# -- rhea and amqp10


def node(name: str, broker: EmbeddedBroker, place: Path) -> list[str]:
    need(name)
    return said(["node", str(HERE / f"{name}.js"), str(folder() / "node_modules" / name), str(broker.port)], place)


def test_rhea_works_through_a_queue(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """With one message at a time: rhea 3.0.5 gives other messages of a turn the outcome of its first one, where that is
    MODIFIED (write_dispositions in its session.js)."""
    browsed, worked, answer = [], [], ""
    for line in node("rhea", broker, tmp_path):
        who, _, what = line.partition(": ")
        (browsed if who == "browser" else worked).append(what)
    answer = worked.pop()
    assert browsed == ["job 1 0", "job 3 0"]
    assert sorted(worked) == ["job 0 0", "job 0 1", "job 1 0", "job 2 0", "job 3 0"]
    assert answer == "to myself"
    jobs = broker.queue("jobs")
    assert (jobs.depth, jobs.acknowledged, jobs.rejected) == (0, 3, 1)


def test_amqp10_sends_and_receives(broker: EmbeddedBroker, tmp_path: Path) -> None:
    *outcomes, received = node("amqp10", broker, tmp_path)
    assert outcomes == ["accepted"] * 3 and broker.queue("jobs").acknowledged == 3
    assert received == '["text",{"a":[1,2]},42]'


# -- azure-servicebus: with a node that takes any token, and otherwise a plain queue


class Tokens(MessagingHandler):
    """Answers each put-token of claims-based security over the links of one connection."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[Any, Any] = {}
        self.taken: list[Any] = []

    def on_message(self, event: Any) -> None:
        self.taken.append(event.message.properties["operation"])
        status = {"status-code": 202, "status-description": "Accepted"}
        reply = Message(None, correlation_id=event.message.id, properties=status)
        self.replies[event.connection].send(reply)

    def on_in_doubt(self, event: Any) -> None:
        """A client that has its token closes the link without an outcome for the reply."""


class Bus(Broker, Listening):
    """A broker with a `$cbs` node. It ends with its second connection: that of the receiver."""

    def __init__(self) -> None:
        Listening.__init__(self)
        Broker.__init__(self, "amqp://127.0.0.1:0", on_listening=self.listens)
        self.tokens = Tokens()
        self.gone = 0

    def on_start(self, event: Any) -> None:
        Broker.on_start(self, event)

    def listens(self, url: str, acceptor: Any) -> None:
        self.url = acceptor.url
        self.listening.set()

    def on_link_opening(self, event: Any) -> None:
        link = event.link
        if (link.remote_source if link.is_sender else link.remote_target).address != "$cbs":
            super().on_link_opening(event)
            return
        link.source.address, link.target.address = link.remote_source.address, link.remote_target.address
        link.handler = self.tokens
        link.open()
        if link.is_sender:
            self.tokens.replies[link.connection] = link
        else:
            link.flow(10)

    def on_connection_closed(self, event: Any) -> None:
        """As the broker's."""

    def on_disconnected(self, event: Any) -> None:
        """As the broker's."""

    def on_transport_closed(self, event: Any) -> None:
        super().on_transport_closed(event)
        self.gone += 1
        if self.gone == 2:
            self.shut_down()
            event.container.stop()


def test_azure_servicebus_sends_completes_abandons_and_dead_letters(tmp_path: Path) -> None:
    need("azure-servicebus")
    bus = Bus()
    with Peer(bus) as url:
        program = [str(programs() / "python"), str(HERE / "servicebus.py"), url.partition("://")[2]]
        first, second = said(program, tmp_path)
    assert first == "one two three {b'colour': b'red'}"
    assert second == "two 1"
    jobs = bus.statistics("jobs")
    assert (jobs.depth, jobs.acknowledged, jobs.rejected) == (0, 2, 1) and bus.internal_errors == 0
    assert bus.tokens.taken == ["put-token"] * 2
    assert sys.modules.keys().isdisjoint({"azure.servicebus"}), "it ran in a process of its own"


class Namespace(ServiceBus):
    """The stand-in of Azure Service Bus, for a program of others."""

    def __init__(self) -> None:
        super().__init__("amqp://127.0.0.1:0")
        self.keys["key"] = "c2VjcmV0"
        self.listening = threading.Event()

    def on_start(self, event: Any) -> None:
        super().on_start(event)
        self.url = self.acceptor.url
        self.listening.set()


def test_azure_servicebus_finds_in_the_stand_in_what_it_knows_of_service_bus(tmp_path: Path) -> None:
    """The habits of the stand-in are read by those that know the original: it would not be one otherwise."""
    need("azure-servicebus")
    bus = Namespace()
    with Peer(bus) as url:  # type: ignore[arg-type]  # it listens as one
        try:
            program = [str(programs() / "python"), str(HERE / "servicebus_more.py"), url.partition("://")[2]]
            lines = said(program, tmp_path)
        finally:
            bus.container.stop()
    assert lines == [
        "scheduled [4]",
        "peeked batch 0 batch 1 batch 2",
        "received batch 0 batch 1 batch 2",
        "renewed True",
        "deferred batch 1",
        "session t b True",
        "session s a True",
        "deleted gone",
    ]
    states = {address: [one.state for one in entity.messages.values()] for address, entity in bus.entities.items()}
    assert states == {"jobs": ["gone"] * 4, "talks": ["gone"] * 2, "events": ["gone"]}
    host = url.partition("://")[2]
    assert {taken[:2] for taken in bus.tokens.taken} == {
        (f"sb://{host}/{address}", "jwt") for address in ("jobs", "talks", "events")
    }


# -- WebSocket: the packages ws, below rhea, and websockets, in a relay


def test_rhea_comes_in_by_websocket(tmp_path: Path) -> None:
    need("rhea")
    need("ws")
    with EmbeddedBroker("amqpws://127.0.0.1:0/amqp") as broker:
        url = f"ws://127.0.0.1:{broker.port}/amqp"
        program = ["node", str(HERE / "rhea_websocket.js"), str(folder() / "node_modules"), "connect", url]
        assert said(program, tmp_path) == ["message: 100000", "closed in good order"]
        assert broker.queue("jobs").depth == 0 and broker.queue("jobs").enqueued == 1


class Once(MessagingHandler):
    """Sends one message to a peer, takes one, and closes."""

    def __init__(self, url: str, body: Any) -> None:
        super().__init__()
        self.url = url
        self.body = body
        self.taken: list[Any] = []
        self.settled = False

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(connection, "jobs")
        event.container.create_sender(connection, "jobs").send(Message(self.body))

    def on_message(self, event: Any) -> None:
        self.taken.append(event.message.body)
        self.end(event)

    def on_settled(self, event: Any) -> None:
        self.settled = True
        self.end(event)

    def end(self, event: Any) -> None:
        if self.taken and self.settled:
            event.connection.close()


def test_rhea_is_reached_by_websocket(tmp_path: Path) -> None:
    need("rhea")
    need("ws")
    program = ["node", str(HERE / "rhea_websocket.js"), str(folder() / "node_modules"), "listen"]
    with Script(program, tmp_path) as rhea:
        port = next(rhea.lines())
        client = Once(f"amqpws://127.0.0.1:{port}", "y" * 70000)
        Container(client, raise_errors=True).run()
        assert client.taken == ["from rhea"]
        status, out, err = rhea.finish()
    assert (status, out.split("\n")[:2], err) == (0, ["message: 70000", "closed in good order"], "")


@pytest.mark.parametrize("how", ["serve", "connect"])
def test_websockets_carries_messages_of_any_size(how: str, tmp_path: Path) -> None:
    need("websockets")
    with EmbeddedBroker("amqp://127.0.0.1:0" if how == "serve" else "amqpws://127.0.0.1:0") as broker:
        where = str(broker.port) if how == "serve" else f"ws://127.0.0.1:{broker.port}/"
        program = [str(programs() / "python"), str(HERE / "relay.py"), how, where]
        with Script(program, tmp_path, stdin=subprocess.PIPE) as relay:
            url = ("amqpws" if how == "serve" else "amqp") + "://127.0.0.1:" + next(relay.lines())
            for size in (0, 1, 5000, 1000000):
                client = Once(url, b"z" * size)
                Container(client, raise_errors=True).run()
                assert [len(body) for body in client.taken] == [size]
            status, _, err = relay.finish()
            assert (status, err) == (0, "")
        assert broker.queue("jobs").depth == 0
