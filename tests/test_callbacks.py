"""The table of callbacks in reactor/README.md, held against runs: when one is called, and with which event.

Two programs of a simulated world do to each other all that calls a callback; each call is recorded with the attributes
that its event has.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import Condition, Container, Message
from reactor.simulation import World
from tests.support.chapters import CHAPTERS, in_code

TABLE = {row[0].strip("`"): set(in_code(row[2])) for row in CHAPTERS["reactor/README.md"].table("callbacks")}
ATTRIBUTES = ("connection", "session", "link", "delivery", "message", "transport")

#: Called for events of any kind, which is not to be had beside methods for all of them.
NOT_RECORDED = {"on_unhandled"}

Calls = dict[str, list[set[str]]]


class Recorder(MessagingHandler):
    """Listens, and notes each call with what its event has. It does what the first body that comes says."""

    def __init__(self, calls: Calls, url: str) -> None:
        super().__init__()
        self.calls = calls
        self.url = url

    def on_start(self, event: Any) -> None:
        event.container.listen(self.url)
        event.container.schedule(0.5, self)

    def on_message(self, event: Any) -> None:
        word = event.message.body
        if word == "reject":
            self.reject(event.delivery)
        elif word == "release":
            self.release(event.delivery, delivered=False)


def note(name: str) -> Any:
    default = getattr(Recorder, name)

    def call(self: Recorder, event: Any) -> None:
        seen = {one for one in ATTRIBUTES if getattr(event, one) is not None}
        assert event.container is not None
        assert (event.sender is not None or event.receiver is not None) == (event.link is not None)
        self.calls[name].append(seen)
        if not name.endswith("_error"):  # whose defaults close the connection
            default(self, event)

    return call


for _name in TABLE.keys() - NOT_RECORDED:
    setattr(Recorder, _name, note(_name))


def record() -> Calls:
    calls: Calls = defaultdict(list)
    with World(3) as world:
        world.start(Recorder, calls, "amqp://here", name="here")
        incoming(world, world.container(name="there"))
        outgoing(world, world.container(Recorder(calls, "amqp://other"), name="other"))
    return calls


def incoming(world: World, there: Container) -> None:
    """All that a peer can do to a listener."""
    connection = there.connect("amqp://here", reconnect=False)
    sender = there.create_sender(connection, "q")
    there.create_receiver(connection, "q")
    world.settle()
    sender.delivery("1")
    sender.stream(b"no AMQP")
    sender.advance()
    world.settle()
    delivery = sender.delivery("2")
    sender.stream(b"a part")
    world.settle()
    delivery.abort()
    world.settle()
    sender.detach()
    for end in (lambda link: None, lambda link: setattr(link, "condition", Condition("a:link"))):
        link = there.create_sender(connection, "q")
        world.settle()
        end(link)
        link.close()
        world.settle()
    for condition in (None, Condition("a:session")):
        session = there.create_session(connection)
        world.settle()
        session.condition = condition
        session.close()
        world.settle()
    for condition in (None, Condition("a:connection")):
        other = there.connect("amqp://here", reconnect=False)
        world.settle()
        other.condition = condition
        other.close()
        world.settle()


def outgoing(world: World, other: Container) -> None:
    """All that becomes of messages that are sent, and of a connection that is lost."""
    broker = world.start(Broker, "amqp://broker", name="broker")
    connection = other.connect("amqp://broker")
    sender = other.create_sender(connection, "q")
    world.settle()
    sender.send(Message("in doubt"))
    broker.crash()
    world.run_for(1)
    broker.restart()
    world.run_for(20)
    direct = other.create_sender("amqp://here/direct")
    for word in ("accept", "reject", "release"):
        direct.send(Message(word))
    world.run_for(2)


@pytest.fixture(scope="module")
def calls() -> Calls:
    return record()


@pytest.mark.parametrize("name", [name for name in TABLE if name not in NOT_RECORDED])
def test_a_callback_is_called_with_what_the_table_says(name: str, calls: Calls) -> None:
    assert calls[name], "not called in this run"
    for seen in calls[name]:
        assert seen - {"transport"} == TABLE[name] - {"transport"}
        assert "transport" in seen or "transport" not in TABLE[name]
