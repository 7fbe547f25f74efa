"""IncomingMessageHandler by itself; what it does about acknowledgement is in test_acknowledgement.py."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import EndpointStateHandler, FlowController, IncomingMessageHandler, MessagingHandler
from reactor import ACCEPTED, REJECTED, Described, Handler, Message, Release, symbol
from reactor.engine.handler import Dispatcher
from reactor.simulation import World
from tests.support.frames import Peer, source
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


@pytest.mark.parametrize("how", ["with its first part", "half-way"])
def test_what_its_sender_settles_before_it_is_complete_is_read_all_the_same(how: str) -> None:
    witness = Witness(prefetch=0)
    peer = Peer.client()
    peer.receiver(credit=1)
    dispatcher = Dispatcher(peer.collector, None, witness)
    payload = Message("body").encode()
    peer.transfer(payload[:4], 0, more=True, settled=how == "with its first part")
    dispatcher.run()
    if how == "half-way":
        peer.say("disposition", role=False, first=0, settled=True)
        dispatcher.run()
    peer.transfer(payload[4:], None)
    dispatcher.run()
    assert witness.last("on_message").message.body == "body"


@pytest.mark.parametrize("settled", [False, True])
def test_a_message_of_a_transaction_is_refused_until_there_are_transactions(settled: bool) -> None:
    """It must not be taken for one that is not: its sender may roll it back [4.4.4]."""
    witness = Witness(prefetch=0)
    peer = Peer.client()
    link = peer.receiver(credit=1)
    dispatcher = Dispatcher(peer.collector, None, witness)
    state = Described(0x34, [b"txn"])
    peer.transfer(Message("body").encode(), 0, state=state, settled=settled)
    dispatcher.run()
    assert witness.count("on_message") == 0 and link.current is None
    heard = peer.heard()
    if settled:  # nothing can be said about it alone
        assert [(one.name, one.error) for one in heard] == [("detach", "amqp:not-implemented")]
    else:
        [said] = heard
        assert said.settled and said.state.descriptor == REJECTED
        assert said.state.value[0].value[0] == "amqp:not-implemented"


@pytest.mark.parametrize("default", [None, "modified"])
def test_a_message_that_fails_is_given_back_after_a_while_where_its_failures_are_not_counted(default: Any) -> None:
    """A broker that knows no MODIFIED sends what is RELEASED again at once, for ever. A default outcome is known,
    whatever the list says (Broker-J)."""
    said: list[tuple[float, int]] = []

    class Receiving(MessagingHandler):
        def on_start(self, event: Any) -> None:
            event.container.create_receiver("amqp://peer:5672/q")

        def on_message(self, event: Any) -> None:
            said.append((event.container.now, 0))
            raise Release

    world = World(1, latency=0.01, pieces=0, bandwidth=float("inf"))
    names = [symbol("amqp:accepted:list"), symbol("amqp:released:list")]
    asked = source("q", *[None] * 7, Described(0x27, [True]) if default else None, names)
    peer = world.peer("peer:5672").open().begin().attach(source=asked).expect("flow").ignore("flow")
    for number in range(3):
        peer.say(
            "transfer", payload=Message("x").encode(), handle=0, delivery_id=number, delivery_tag=b"t", message_format=0
        )
        peer.expect("disposition", settled=True, state=Described(0x27, [True]) if default else Described(0x26, []))
    world.start(Receiving)
    world.run_for(6.0)
    assert len(said) == 3 and peer.done
    waits = [later - earlier for (earlier, _), (later, _) in zip(said, said[1:])]
    assert all(wait < 0.5 if default else 1.0 <= wait < 1.5 for wait in waits), waits
