"""The bounds of links that stay: maps that do not fit a frame, unsettled deliveries, links."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from handlers.broker.store.memory import MemoryStore
from reactor import Limits, Message, UnsettledMemory
from reactor.simulation import World, composite
from tests.support.exact import Giver, Taker

URL = "amqp://broker:5672"
WINDOWS = {"next_incoming_id": 0, "incoming_window": 5000, "next_outgoing_id": 0, "outgoing_window": 5000}


def giver(world: World, count: int, **options: Any) -> Any:
    return world.start(Giver, URL, count, store=UnsettledMemory(), name="giver",
                       options={"container_id": "giver"}, **options)  # fmt: skip


def taker(world: World, kind: Any = Taker, **options: Any) -> Any:
    return world.start(kind, URL, store=UnsettledMemory(), name="taker",
                       options={"container_id": "taker"}, **options)  # fmt: skip


def producer(peer: Any, unsettled: Any, handle: int = 0) -> Any:
    """A scripted producer attaches a link that stays."""
    target = composite("target", address="jobs", expiry_policy="never")
    return peer.say("attach", name="link", handle=handle, role=False, rcv_settle_mode=1, snd_settle_mode=0,
                    source=composite("source"), target=target, unsettled=unsettled,
                    initial_delivery_count=0)  # fmt: skip


def consumer(peer: Any, unsettled: Any, incomplete: bool = False) -> Any:
    """A scripted consumer attaches a link that stays."""
    source = composite("source", address="jobs", expiry_policy="never")
    return peer.say("attach", name="link", handle=0, role=True, rcv_settle_mode=1, source=source,
                    target=composite("target"), unsettled=unsettled,
                    incomplete_unsettled=incomplete)  # fmt: skip


def connected(world: World, **fields: Any) -> Any:
    """A scripted client with a session."""
    peer = world.peer("broker:5672", connect=True).ignore("flow")
    peer.say("open", container_id="client", **fields).expect("open")
    return peer.say("begin", next_outgoing_id=0, incoming_window=5000, outgoing_window=5000).expect("begin")


# -- maps that do not fit a frame [2.7.3 incomplete-unsettled] ---------------------------------------------------


def test_a_producer_with_a_map_that_does_not_fit_goes_on_and_each_message_comes_once() -> None:
    """The broker takes frames of 512 bytes."""
    count = 300
    with World(seed=1, latency=0.001) as world:
        broker = world.start(Broker, URL, name="broker", limits=Limits(max_frame_size=512))
        maps: list[Any] = []
        seen = {"incomplete_unsettled": lambda value: maps.append(value) or False}
        world.when("attach", count=None, sender="giver", **seen).drop()
        lost = world.when("disposition", count=None, sender="broker").drop()
        sending = giver(world, count)
        world.run_until(lambda: broker.handler.statistics("jobs").enqueued >= 100, limit=10)
        world.run_for(0.1)
        lost.cancel()
        world.cut()
        world.run_for(10.0)
        taking = taker(world)
        world.run_for(10.0)
        assert maps[0] is not True and maps[-1] is True, maps
        assert sending.handler.told == taking.handler.told == []
        assert sending.handler.note("accepted") == count and taking.handler.counts(count) == [1] * count
        assert broker.handler.internal_errors == 0


def test_a_consumer_with_an_incomplete_map_is_refused_and_its_messages_stay_its_own() -> None:
    """A message that is not in its map may have its outcome there: it must not be sent as a new one [2.7.3]."""
    with World(seed=1, latency=0.001) as world:
        broker = world.start(Broker, URL, name="broker")
        giver(world, 3)
        world.run_for(1.0)
        peer = consumer(connected(world), {}).expect("attach", unsettled=None)
        peer.say("flow", handle=0, link_credit=10, **WINDOWS).expect("transfer").expect("transfer").expect("transfer")
        peer.cut()
        world.run_for(1.0)
        assert broker.handler.statistics("jobs").waiting == 0
        again = consumer(connected(world), {b"1": None}, incomplete=True)
        error = composite("error", condition="amqp:not-implemented")
        again.expect("attach", source=None).expect("detach", closed=True, error=error)
        world.run_until(lambda: again.done, limit=5)
        world.run_for(1.0)
        queue = broker.handler.statistics("jobs")
        assert (queue.depth, queue.waiting, broker.handler.resuming.count) == (3, 0, 2)
        assert not [frame for frame in again.heard if frame.performative == "transfer"]
        assert broker.handler.internal_errors == 0


def test_a_new_message_from_a_producer_that_was_shown_an_incomplete_map_ends_its_link() -> None:
    """The producer takes frames of 512 bytes: it may only resume [2.7.3]. It comes again when some are settled."""
    payload = Message("x").encode()
    with World(seed=1, latency=0.001) as world:
        broker = world.start(Broker, URL, name="broker")
        first = producer(connected(world).ignore("disposition"), None).expect("attach")
        for number in range(200):
            first.say("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, payload=payload)
        world.run_until(lambda: broker.handler.statistics("jobs").enqueued == 200, limit=10)
        first.cut()
        world.run_for(1.0)
        tags = {b"%d" % number: None for number in range(200)}
        again = producer(connected(world, max_frame_size=512).ignore("disposition"), tags)
        again.expect("attach", incomplete_unsettled=True)
        again.say("transfer", handle=0, delivery_id=0, delivery_tag=b"0", resume=True, settled=True)
        again.say("transfer", handle=0, delivery_id=1, delivery_tag=b"199", resume=True, payload=payload)
        again.say("transfer", handle=0, delivery_id=2, delivery_tag=b"new", payload=payload)
        again.expect("detach", closed=True, error=composite("error", condition="amqp:not-allowed"))
        world.run_until(lambda: again.done, limit=10)
        world.run_for(1.0)
        [stay] = broker.handler.resuming._stays.values()
        assert broker.handler.statistics("jobs").enqueued == 200, "none was put in, or twice"
        assert set(stay.ledger.deliveries) == set(tags) - {b"0"}
        assert broker.handler.internal_errors == 0


# -- how many ----------------------------------------------------------------------------------------------------


def test_a_producer_that_has_not_settled_1000_messages_waits_until_it_has() -> None:
    """A scripted one: it settles late."""
    payload = Message("x").encode()
    with World(seed=1, latency=0.001) as world:
        broker = world.start(Broker, URL, name="broker")
        peer = producer(connected(world).ignore("disposition"), None).expect("attach")
        for number in range(1000):
            peer.say("transfer", handle=0, delivery_id=number, delivery_tag=b"%d" % number, payload=payload)
        world.run_until(lambda: broker.handler.statistics("jobs").enqueued == 1000, limit=10)
        world.settle()
        credits = [frame for frame in peer.heard if frame.performative == "flow"]
        assert credits[-1].delivery_count + credits[-1].link_credit == 1000
        assert all(one.delivery_count + one.link_credit <= 1000 for one in credits)
        peer.say("disposition", role=False, first=0, last=2, settled=True)
        world.run_until(lambda: peer.done, limit=10)
        world.settle()
        last = [frame for frame in peer.heard if frame.performative == "flow"][-1]
        assert last.delivery_count + last.link_credit == 1003
        assert broker.handler.internal_errors == 0


@pytest.mark.parametrize("kept", [False, True])
def test_as_many_links_stay_as_max_nodes_allows(kept: bool) -> None:
    """One more is refused, and those that are there come back."""
    with World(seed=1, latency=0.001) as world:
        broker = world.start(Broker, URL, name="broker", max_nodes=1, store=MemoryStore() if kept else None)
        sending = giver(world, 3)
        world.run_for(1.0)
        assert sending.handler.note("accepted") == 3 and broker.handler.resuming.count == 1
        refusals: list[str] = []
        world.when("detach", receiver="taker", error=lambda error: refusals.append(str(error)) or False).drop()
        taking = taker(world)  # its connection lasts: the link is asked for again, with a warning
        world.run_for(1.0)
        assert refusals and "no link more can stay here while it is not attached" in refusals[0]
        if kept:
            broker.crash()
            broker.restart()
        world.cut()
        world.run_for(1.0)
        assert sending.handler.told == [] and broker.handler.resuming.count == 1
        if not kept:
            plain = world.start(Plain, URL, name="plain")
            world.run_for(1.0)
            assert plain.handler.bodies == [0, 1, 2], "a link that does not stay is let in"
        assert taking.handler.counts(3) == [0, 0, 0]
        sending.handler.sender.close()
        world.run_for(1.0)
        assert broker.handler.resuming.count == 1 and taking.handler.told == []
        assert taking.handler.counts(3) == ([1, 1, 1] if kept else [0, 0, 0])
        assert broker.handler.internal_errors == 0


def test_messages_of_a_link_that_never_comes_back_are_held_until_somebody_attaches_it_without_resuming() -> None:
    """What the chapter tells the operator to do."""
    with World(seed=1, latency=0.001) as world:
        broker = world.start(Broker, URL, name="broker")
        world.start(Fleeting, URL, name="fleeting")
        giver(world, 2)
        taking = taker(world, Waiting, auto_accept=False)
        world.run_until(lambda: taking.handler.receiver.unsettled == 3, limit=1)
        taking.crash()
        world.run_for(3600.0)
        queue = broker.handler.statistics("jobs")
        assert (queue.depth, queue.acquired, queue.waiting, queue.expired) == (3, 3, 0, 0)
        plain = world.start(Plain, URL, "taker", name="plain", options={"container_id": "taker"})
        world.run_for(1.0)
        assert sorted(plain.handler.bodies) == [0, 1], "the third one has expired in the meantime"
        assert broker.handler.statistics("jobs").depth == broker.handler.internal_errors == 0


class Fleeting(MessagingHandler):
    """Sends a message that is of no use after 60 seconds."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def on_start(self, event: Any) -> None:
        sender = event.container.create_sender(event.container.connect(self.url), "jobs")
        sender.send(Message("news", ttl=60))


class Waiting(Taker):
    """Gives no outcome."""

    def on_message(self, event: Any) -> None:
        pass


class Plain(MessagingHandler):
    """A receiver that asks for nothing. name: of its link."""

    def __init__(self, url: str, name: Any = None) -> None:
        super().__init__()
        self.url = url
        self.name = name
        self.bodies: list[Any] = []

    def on_start(self, event: Any) -> None:
        event.container.create_receiver(event.container.connect(self.url), "jobs", name=self.name)

    def on_message(self, event: Any) -> None:
        self.bodies.append(event.message.body)
