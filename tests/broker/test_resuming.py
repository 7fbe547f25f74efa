"""Exactly once through the broker: everything is cut after each frame, and at each commit."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import UnsettledFile, UnsettledMemory
from reactor.simulation import World
from tests.support.exact import Giver, Taker
from tests.support.stores import Fatal

URL = "amqp://broker:5672"


@pytest.fixture(autouse=True)
def quiet_logs() -> Any:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def start(world: World, store: Any, count: int = 3, stores: Any = None) -> tuple[Any, Any, Any]:
    giving, taking = stores or (UnsettledMemory(), UnsettledMemory())
    broker = world.start(Broker, URL, store=store, name="broker")
    giver = world.start(Giver, URL, count, store=giving, name="giver", options={"container_id": "giver"})
    taker = world.start(Taker, URL, store=taking, name="taker", options={"container_id": "taker"})
    return broker, giver, taker


def cut(world: World, what: str, broker: Any, giver: Any, taker: Any) -> None:
    if what == "the wires":
        world.cut()
        return
    program = {"the broker": broker, "the giver": giver, "the taker": taker}[what]
    program.crash()
    world.after(0.2, program.restart)


def check(broker: Any, giver: Any, taker: Any, count: int = 3) -> None:
    assert giver.handler.told == taker.handler.told == []
    assert taker.handler.counts(count) == [1] * count
    assert giver.handler.note("accepted") == count
    assert broker.handler.internal_errors == 0
    assert giver.handler.store.links() == taker.handler.store.links() == []
    assert broker.handler.statistics("jobs").depth == 0


def test_nothing_is_cut() -> None:
    with World(seed=1) as world:
        programs = start(world, None)
        world.run_for(5.0)
        check(*programs)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["the wires", "the broker", "the giver", "the taker"])
@pytest.mark.parametrize("kept", [False, True])
def test_P3_each_message_comes_once_whatever_frame_was_the_last(what: str, kept: bool, every: int) -> None:
    if what == "the broker" and not kept:
        pytest.skip("it forgets")
    frames = 0
    while True:
        with World(seed=1, latency=0.001) as world:
            programs = start(world, MemoryStore() if kept else None)
            for _ in range(frames):
                world.step_frame()
            done = programs[1].handler.note("accepted") == 3 and sum(programs[2].handler.counts(3)) == 3
            cut(world, what, *programs)
            world.run_for(5.0)
            try:
                check(*programs)
            except AssertionError:
                print("after frame", frames)
                raise
        if done:
            break
        frames += every
    assert frames > 20


# -- crashes at each commit ----------------------------------------------------------------------------------


class EndsAt(Fatal):
    """A store of a broker that crashes when so many groups are written."""

    def __init__(self, world: World, at: int) -> None:
        self.at = at
        super().__init__(world)

    def _draw(self) -> int:
        at, self.at = self.at, 10**9
        return at


class Mortal(UnsettledMemory):
    """A store of a client that crashes in its commit of this number: before anything is written, or after that."""

    def __init__(self, world: World, at: int, written: bool) -> None:
        super().__init__()
        self.world = world
        self.at = at
        self.written = written
        self.program: Any = None
        self.ended = self.died = False

    def roll_back(self) -> None:
        super().roll_back()
        self.ended = False

    def commit(self) -> None:
        if self.ended:
            super().roll_back()  # in the rest of its last turn
        elif self._pending and self.at == 0:
            self.at = -1
            if self.written:
                super().commit()
            super().roll_back()
            self.ended = self.died = True
            self.program.crash()
            self.world.after(0.2, self.program.restart)
        else:
            self.at -= bool(self._pending)
            super().commit()


def test_P3_each_message_comes_once_whatever_commit_of_the_broker_was_the_last() -> None:
    at, deaths = 0, 1
    while deaths:
        with World(seed=1, latency=0.001) as world:
            store = EndsAt(world, at)
            programs = start(world, store)
            store.broker = programs[0]
            world.run_for(90.0)
            check(*programs)
            deaths = store.deaths
        at += 1
    assert at > 10


@pytest.mark.parametrize("who", [1, 2])
@pytest.mark.parametrize("written", [False, True])
def test_P3_each_message_comes_once_whatever_commit_of_a_client_was_the_last(who: int, written: bool) -> None:
    at, died = 0, True
    while died:
        with World(seed=1, latency=0.001) as world:
            stores = [UnsettledMemory(), UnsettledMemory()]
            mortal = stores[who - 1] = Mortal(world, at, written)
            programs = start(world, MemoryStore(), stores=stores)
            mortal.program = programs[who]
            world.run_for(5.0)
            check(*programs)
            died = mortal.died
        at += 1
    assert at > 3


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 40))])
def test_P3_each_message_comes_once_in_a_storm(seed: int) -> None:
    with World(seed=seed) as world:
        programs = start(world, MemoryStore(), 100)
        world.storm(20.0, every=0.7, crashing=programs)
        world.run_for(90.0)
        check(*programs, 100)


def test_the_same_with_files(tmp_path: Any) -> None:
    """Each program opens its file again when it is started again."""
    opened: list[Any] = []

    def fresh(kind: Any, base: Any, *args: Any) -> Any:
        """A program with a store of its own, at each start."""

        def make() -> Any:
            store = kind(tmp_path / base.__name__)
            opened.append(store)
            return base(URL, *args, store=store)

        return make

    with World(seed=5, latency=0.001) as world:
        broker = world.start(fresh(SqliteStore, Broker), name="broker")
        giver = world.start(fresh(UnsettledFile, Giver, 20), name="giver", options={"container_id": "giver"})
        taker = world.start(fresh(UnsettledFile, Taker), name="taker", options={"container_id": "taker"})
        for number, program in enumerate([broker, giver, taker, broker, taker, giver, broker]):
            for _ in range(15 + number):
                world.step_frame()
            program.crash()
            store = program.handler.durability.store if program is broker else program.handler.store
            if program is not broker:
                store.roll_back()
            store.close()
            world.after(0.2, program.restart)
            world.run_for(0.3)
        world.run_for(5.0)
        check(broker, giver, taker, 20)
    for store in opened:
        store.close()


# -- the broker's part -----------------------------------------------------------------------------------------


def test_a_message_is_held_for_its_consumer_and_goes_to_no_other() -> None:
    with World(seed=1, latency=0.001) as world:
        broker, _, taker = start(world, None, 1)
        world.when("disposition", sender="taker").drop()
        world.run_until(lambda: sum(taker.handler.counts(1)) == 1, limit=5)
        taker.crash()
        world.run_for(1.0)
        other = world.start(Taker, URL, store=UnsettledMemory(), name="other", options={"container_id": "other"})
        world.run_for(5.0)
        queue = broker.handler.statistics("jobs")
        assert (queue.depth, queue.waiting, other.handler.counts(1)) == (1, 0, [0])
        taker.restart()
        world.run_for(5.0)
        assert broker.handler.statistics("jobs").depth == 0
        assert (taker.handler.counts(1), other.handler.counts(1)) == ([1], [0])


@pytest.mark.parametrize("how", ["it closes the link", "it begins anew", "its time is over", "its queue is deleted"])
def test_a_link_that_stays_no_longer_gives_its_messages_back(how: str) -> None:
    class Waiting(Taker):
        """Gives no outcome."""

        def on_message(self, event: Any) -> None:
            pass

        timeout = 2 if how == "its time is over" else None

    with World(seed=1, latency=0.001) as world:
        broker = world.start(Broker, URL, name="broker")
        world.start(Giver, URL, 1, store=UnsettledMemory(), name="giver", options={"container_id": "giver"})
        options = {"container_id": "taker"}
        taker = world.start(Waiting, URL, store=UnsettledMemory(), auto_accept=False, name="taker", options=options)
        world.run_for(1.0)
        assert taker.handler.told == []
        assert broker.handler.statistics("jobs").depth == 1
        if how == "it closes the link":
            taker.handler.receiver.close()
            world.run_for(0.5)
        taker.crash()
        world.run_for(1.0)
        if how == "it begins anew":
            taker = world.start(Plain, URL, name="plain", options=options)
            world.run_for(1.0)
            assert taker.handler.bodies == [0]
            return
        if how == "its queue is deleted":
            broker.handler.directory.delete(broker.handler.directory.records["jobs"])
            world.run_for(1.0)
            assert broker.handler.resuming.count == 1, "that of the giver"
            return
        if how == "its time is over":
            assert (broker.handler.resuming.count, broker.handler.statistics("jobs").waiting) == (2, 0)
        world.run_for(3.0)
        assert broker.handler.resuming.count == 1
        assert broker.handler.statistics("jobs").waiting == 1


class Plain(MessagingHandler):
    """A receiver of the same name that asks for nothing."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.bodies: list[Any] = []

    def on_start(self, event: Any) -> None:
        event.container.create_receiver(event.container.connect(self.url), "jobs", name="taker")

    def on_message(self, event: Any) -> None:
        self.bodies.append(event.message.body)
