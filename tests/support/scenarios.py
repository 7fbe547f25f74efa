"""Scenarios for simulated worlds: brokers, their clients (clients.py), and a storm; and what must be true afterwards.

    explore(nothing_is_lost, range(1000))

`SCENARIOS` lists them all; the suite runs each over some hundred seeds, and `python -m tests.soak` over as many as
there is time for.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from handlers.broker.store.interface import StoreError
from handlers.broker.store.memory import MemoryStore
from reactor.simulation import World
from reactor.simulation.wiretap import properties
from tests.support.clients import (
    Bystander,
    Consumer,
    Hearer,
    ImpatientProducer,
    Outbox,
    Porter,
    Producer,
    Shouter,
    SteadyConsumer,
    SteadyProducer,
    SteadyShouter,
)

URL = "amqp://broker:5672"


def start_clients(world: World, steady: bool = False) -> tuple[list[Any], list[Any]]:
    """One or two producers, one or two consumers. steady: whether their containers connect again for them."""
    choose = world.random
    producer: Any = Producer
    if steady:
        producer = partial(SteadyProducer, resend=choose.random() < 0.5)
    consumer = SteadyConsumer if steady else Consumer
    producers, consumers = [], []
    for name in ("p0", "p1")[: choose.randint(1, 2)]:
        outbox = Outbox(name, choose.randint(1, 15), choose.choice([1, 100, 3000]))
        producers.append(world.start(producer, URL, store=outbox, name=name))
    for name in ("c0", "c1")[: choose.randint(1, 2)]:
        prefetch = choose.choice([1, 2, 10])
        consumers.append(world.start(consumer, URL, world.source(name), prefetch, name=name))
    return producers, consumers


def stop_clients(world: World, clients: list[Any]) -> None:
    """Every client says good-bye and is gone."""
    for client in clients:
        client.handler.stop()
    world.run_until(lambda: not any(client.running for client in clients), limit=600)
    world.settle()  # the broker hears of the last of them, too


def raise_storm(world: World, crashing: list[Any]) -> None:
    """Some seconds in which everything may go wrong."""
    choose = world.random
    storm = world.storm(choose.choice([2.0, 5.0, 10.0]), every=choose.choice([0.3, 1.0, 3.0]), crashing=crashing)
    world.run_until(lambda: storm.over)


def nothing_is_lost(world: World, steady: bool = False) -> None:
    """All but the broker may crash; afterwards all that it accepted has been consumed, and nobody was told twice."""
    lost = properties.NothingLost("broker")
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), lost)
    broker = world.start(Bystander, URL, world.random.choice([0, 3000, 100_000]), name="broker")
    producers, consumers = start_clients(world, steady)
    raise_storm(world, [*producers, *consumers])
    for consumer in consumers:
        consumer.handler.rest()

    def all_done() -> bool:
        return not any(one.store.todo for one in producers) and not broker.handler.statistics("jobs").depth

    world.run_until(all_done, limit=600)
    stop_clients(world, [*producers, *consumers])
    for producer in producers:
        assert producer.store.accepted <= set(lost.accepted)


def reconnected(world: World) -> None:
    """The same, where containers connect again, open everything anew and perhaps send again what is in doubt."""
    nothing_is_lost(world, steady=True)


def broker_crashes(world: World) -> None:
    """The broker crashes too, and keeps nothing: what it had accepted may be lost, but everybody is told."""
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce())
    broker = world.start(Bystander, URL, name="broker")
    producers, consumers = start_clients(world, steady=world.seed % 2 == 1)
    raise_storm(world, [broker, *producers])
    for consumer in consumers:
        consumer.handler.rest()
    world.run_until(lambda: not any(one.store.todo for one in producers), limit=600)
    stop_clients(world, [*producers, *consumers])


class Unsteady(MemoryStore):
    """A store that fails now and then, in some groups of a commit or in all."""

    def __init__(self, random: Any) -> None:
        super().__init__()
        self.random = random
        self.steady = False

    def commit(self, groups: Any) -> Any:
        """As MemoryStore.commit, of the groups that are written."""
        if self.steady or self.random.random() < 0.8:
            return super().commit(groups)
        written = [self.random.random() < 0.5 for _ in groups]
        super().commit([group for group, kept in zip(groups, written) if kept])
        return [None if kept else StoreError("no luck", self.random.random() < 0.5) for kept in written]


def durable(world: World) -> None:
    """The broker crashes, and its store fails now and then: what it had accepted is there when it comes back."""
    lost = properties.NothingLost("broker")
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), lost)
    unsteady = world.random.random() < 0.5
    store = Unsteady(world.source("store")) if unsteady else MemoryStore()
    broker = world.start(Bystander, URL, world.random.choice([0, 3000]), store=store, name="broker")
    producers, consumers = start_clients(world, steady=world.seed % 2 == 1)
    raise_storm(world, [broker, *producers, *consumers])
    if isinstance(store, Unsteady):
        store.steady = True
    for consumer in consumers:
        consumer.handler.rest()

    def all_done() -> bool:
        return not any(one.store.todo for one in producers) and not list(store.messages())

    world.run_until(all_done, limit=600)
    stop_clients(world, [*producers, *consumers])
    world.run_for(5.0)
    assert not broker.handler.statistics("jobs").depth
    for producer in producers:
        assert producer.store.accepted <= set(lost.accepted)


def at_most_once(world: World) -> None:
    """What is sent settled comes once or not at all."""
    once = properties.AtMostOnce()
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), once)
    world.start(Bystander, URL, name="broker")
    choose = world.random
    shouters = [
        world.start(kind, URL, name, choose.randint(5, 40), name=name)
        for name, kind in (("s0", Shouter), ("s1", SteadyShouter))
    ]
    hearers = [world.start(Hearer, URL, name=name) for name in ("h0", "h1")]
    raise_storm(world, [])
    world.run_until(lambda: not any(shouter.handler.waiting for shouter in shouters), limit=600)
    world.run_for(30.0)
    stop_clients(world, [*shouters, *hearers])
    seen = [name for hearer in hearers for name in hearer.handler.seen]
    assert len(seen) == len(set(seen))


def failover(world: World) -> None:
    """Two brokers, each with a consumer of its own, and a porter who sends to one of them: producers go where they
    find somebody, and what a broker has accepted is consumed there."""
    names = ["b0", "b1"]
    lost = [properties.NothingLost(name) for name in names]
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), *lost)
    choose = world.random
    brokers = [world.start(Bystander, f"amqp://{name}:5672", name=name) for name in names]
    world.start(Porter, "amqp://porter:5672", world.source("porter"), names, name="porter")
    consumers = [
        world.start(SteadyConsumer, f"amqp://{name}:5672", world.source(f"c-{name}"), 5, name=f"c-{name}")
        for name in names
    ]
    producers = []
    for name in ("p0", "p1"):
        hosts = choose.choice([["b0", "b1"], ["b1", "b0"], ["porter"], ["porter", "b1"], ["nobody", "b0", "porter"]])
        urls = ",".join(f"amqp://{host}:5672" for host in hosts)
        outbox = Outbox(name, choose.randint(1, 15), choose.choice([1, 100, 3000]))
        producers.append(world.start(SteadyProducer, urls, outbox, choose.random() < 0.5, name=name))
    raise_storm(world, consumers)
    for consumer in consumers:
        consumer.handler.rest()

    def all_done() -> bool:
        depths = [broker.handler.statistics("jobs").depth for broker in brokers]
        return not any(one.handler.store.todo for one in producers) and not any(depths)

    world.run_until(all_done, limit=600)
    stop_clients(world, [*producers, *consumers])
    for producer in producers:
        assert producer.handler.store.accepted <= {key for one in lost for key in one.accepted}


def impatient(world: World) -> None:
    """Producers that wait for nothing very long: what has no outcome in time is in doubt, and told nothing more."""
    lost = properties.NothingLost("broker")
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), lost)
    choose = world.random
    broker = world.start(Bystander, URL, choose.choice([0, 3000]), name="broker")
    producers = []
    for name in ("p0", "p1"):
        outbox = Outbox(name, choose.randint(1, 15), choose.choice([1, 100, 3000]))
        options = choose.random() < 0.5, choose.choice([3.0, 10.0])
        producers.append(world.start(ImpatientProducer, URL, outbox, *options, name=name))
    consumer = world.start(SteadyConsumer, URL, world.source("c0"), 5, name="c0")
    raise_storm(world, [consumer])
    consumer.handler.rest()

    def all_done() -> bool:
        return not any(one.handler.store.todo for one in producers) and not broker.handler.statistics("jobs").depth

    world.run_until(all_done, limit=600)
    stop_clients(world, [*producers, consumer])


def drained(world: World) -> None:
    """Everybody but the broker is told to stop at some moment, with some seconds to finish what is in flight; another
    one goes on with what was left."""
    lost = properties.NothingLost("broker")
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), lost)
    choose = world.random
    broker = world.start(Bystander, URL, name="broker")
    producers, consumers = start_clients(world, steady=True)
    clients = [*producers, *consumers]
    lefts: list[Any] = []

    def stop(client: Any) -> None:
        if client.running:
            client.handler.stopping = True
            lefts.append(client.container.stop(drain=choose.choice([0.0, 0.5, 3.0, 10.0])))

    for client in clients:
        world.after(choose.choice([0.05, 0.5, 2.0, 8.0]), partial(stop, client))
    raise_storm(world, [])
    world.run_until(lambda: len(lefts) == len(clients) and not any(client.running for client in clients), limit=120)
    assert all(left.done for left in lefts)
    for client in clients:
        client.restart()
    for consumer in consumers:
        consumer.handler.rest()

    def all_done() -> bool:
        return not any(one.store.todo for one in producers) and not broker.handler.statistics("jobs").depth

    world.run_until(all_done, limit=600)
    stop_clients(world, clients)


#: All of them, by name.
SCENARIOS: dict[str, Callable[[World], None]] = {
    scenario.__name__: scenario
    for scenario in (nothing_is_lost, reconnected, broker_crashes, durable, at_most_once, failover, impatient, drained)
}
