"""Scenarios for simulated worlds: brokers, their clients (clients.py), and a storm; and what must be true afterwards.

    explore(nothing_is_lost, range(1000))

`SCENARIOS` lists them all; the suite runs each over some hundred seeds, and `python -m tests.soak` over as many as
there is time for.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from handlers.broker.store.memory import MemoryStore
from reactor.simulation import World
from reactor.simulation.wiretap import properties
from tests.support import movers
from tests.support.clients import (
    Bystander,
    Consumer,
    Hearer,
    ImpatientProducer,
    InOrder,
    Journal,
    OneAfterTheOther,
    Outbox,
    Porter,
    Producer,
    Shouter,
    SteadyConsumer,
    SteadyProducer,
    SteadyShouter,
)
from tests.support.stores import FailsAt, Fatal, Unsteady

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


def nothing_is_lost_by_its_numbers(world: World, url: str) -> None:
    """Clients crash and wires break; afterwards all that was accepted has been consumed, by the broker's own numbers.
    For wires on which there is more than AMQP: the taps of the others see none there. url: where the broker listens."""
    broker = world.start(Bystander, url, 3000, name="broker")
    producers, consumers = start_clients(world)
    raise_storm(world, [*producers, *consumers])
    for consumer in consumers:
        consumer.handler.rest()
    jobs = lambda: broker.handler.statistics("jobs")  # noqa: E731
    world.run_until(lambda: not any(one.store.todo for one in producers) and not jobs().depth, limit=600)
    stop_clients(world, [*producers, *consumers])
    accepted = sum(len(one.store.accepted) for one in producers)
    assert 0 < accepted <= jobs().enqueued == jobs().acknowledged


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
    consume_all(world, broker, store, lost, (producers, consumers))


def consume_all(world: World, broker: Any, store: MemoryStore, lost: Any, clients: tuple[list[Any], list[Any]]) -> None:
    """After the storm: all that is to be sent is accepted, all that was accepted is consumed, the store is empty."""
    producers, consumers = clients
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


class Guillotine(properties.Observer):
    """Crashes a program after a turn of its own, drawn anew each time, and starts it again some time later. program:
    None before it is known."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.program: Any = None
        self.random = world.source("guillotine")
        self.blunt = False
        self._left = self._draw()

    def _draw(self) -> int:
        return int(self.random.choice([2, 10, 40]) * (0.5 + self.random.random()))

    def turned(self, program: str, container: Any) -> None:
        if self.blunt or self.program is None or program != self.program.name or not self.program.running:
            return
        self._left -= 1
        if self._left <= 0:
            self._left = self._draw()
            self.program.crash(silent=self.random.random() < 0.3)
            self.world.after(self.random.choice([0.0, 0.2, 3.0]), self.program.restart)


def crashes_at_any_turn(world: World) -> None:
    """The broker crashes after any turn of its own, or in the middle of any commit, again and again; the clients crash,
    too. What it had accepted is there when it comes back."""
    lost = properties.NothingLost("broker")
    blade = Guillotine(world)
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), lost, blade)
    in_commits = world.random.random() < 0.5
    store = Fatal(world) if in_commits else MemoryStore()
    broker = world.start(Bystander, URL, world.random.choice([0, 3000]), store=store, name="broker")
    if isinstance(store, Fatal):
        store.broker = broker
    else:
        blade.program = broker
    producers, consumers = start_clients(world, steady=world.seed % 2 == 1)
    raise_storm(world, [*producers, *consumers])
    blade.blunt = True
    if isinstance(store, Fatal):
        store.steady = True
    world.run_until(lambda: broker.running, limit=10)
    consume_all(world, broker, store, lost, (producers, consumers))


def store_fails(world: World) -> None:
    """The store fails at some groups, whatever is in them, or at many in a row; the broker and its clients crash as
    well. What was accepted is consumed, what could not be written was refused."""
    lost = properties.NothingLost("broker")
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), lost)
    choose = world.random
    row = range(choose.choice([1, 1, 3, 20]))
    fails = {number + more for number in choose.sample(range(60), choose.randint(1, 5)) for more in row}
    store = FailsAt(fails, choose.random() < 0.5)
    broker = world.start(Bystander, URL, choose.choice([0, 3000]), store=store, name="broker")
    producers, consumers = start_clients(world, steady=world.seed % 2 == 1)
    raise_storm(world, [broker, *producers, *consumers])
    store.numbers = set()
    consume_all(world, broker, store, lost, (producers, consumers))


def in_order(world: World) -> None:
    """One producer, one consumer: whatever crashes, each message comes for the first time after those before it."""
    lost = properties.NothingLost("broker")
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce(), lost)
    choose = world.random
    failing = choose.random() < 0.3
    window = 1 if failing else choose.choice([1, 5, 100])
    store = Unsteady(world.source("store")) if failing else MemoryStore()
    broker = world.start(Bystander, URL, choose.choice([0, 3000]), store=store, name="broker")
    outbox = Outbox("p", choose.randint(5, 40), choose.choice([1, 100, 3000]))
    producer = world.start(OneAfterTheOther, URL, window, store=outbox, name="p")
    journal = Journal()
    options = {"container_id": "c"}  # it takes over the link of its last life
    consumer = world.start(InOrder, URL, choose.choice([1, 2, 10]), store=journal, name="c", options=options)
    raise_storm(world, [broker, producer, consumer])
    if isinstance(store, Unsteady):
        store.steady = True
    consume_all(world, broker, store, lost, ([producer], [consumer]))
    assert journal.first == [f"p/{number}" for number in range(len(journal.first))], journal.first
    assert len(journal.first) == len(outbox.accepted)


def at_most_once(world: World) -> None:
    """What is sent settled comes once or not at all; also durable, where the broker crashes and comes back."""
    once = properties.AtMostOnce()
    blade = Guillotine(world)
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), once, blade)
    choose = world.random
    durable = choose.random() < 0.5
    broker = world.start(Bystander, URL, store=MemoryStore() if durable else None, name="broker")
    if durable:
        blade.program = broker
    shouters = [
        world.start(kind, URL, name, choose.randint(5, 40), durable, name=name)
        for name, kind in (("s0", Shouter), ("s1", SteadyShouter))
    ]
    hearers = [world.start(Hearer, URL, name=name) for name in ("h0", "h1")]
    raise_storm(world, [])
    blade.blunt = True
    world.run_until(lambda: broker.running, limit=10)
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


def transactions(world: World) -> None:
    """Messages are moved from one queue to another in transactions, while the broker and its clients crash, also in the
    middle of a commit, and the store fails: each message is in one of the queues, no transaction is halved, and none is
    there that was rolled back."""
    world.watch(properties.CreditNeverNegative(), properties.SettledOnce(), properties.EverySendEndsOnce())
    choose = world.random
    kind, ledger, bodies = choose.randrange(3), movers.Ledger(), choose.randint(3, 20)
    fails = set(choose.sample(range(5, 60), 8))
    store = (MemoryStore, lambda: Fatal(world), lambda: FailsAt(fails, choose.random() < 0.5))[kind]()
    steady: Any = store
    if kind == 1:
        steady.steady = True
    elif kind == 2:
        steady.numbers = set()
    movers.fill(store, bodies)
    broker = world.start(Bystander, URL, store=store, transaction_timeout=5.0, name="broker")
    if kind == 1:
        steady.broker, steady.steady = broker, False
    elif kind == 2:
        steady.numbers = fails
    clients = [
        world.start(movers.Mover, URL, world.source(name), ledger, name=name)
        for name in ("m0", "m1")[: choose.randint(1, 2)]
    ]
    raise_storm(world, [*clients, *([broker] if kind != 1 else [])])
    if kind == 1:
        steady.steady = True
    elif kind == 2:
        steady.numbers = set()
    world.run_until(lambda: broker.running, limit=10)
    world.run_for(3.0)
    for client in clients:
        client.handler.rest()
    world.run_for(10.0)
    stop_clients(world, clients)
    assert not len(broker.handler.transactions)
    movers.check(store, ledger, bodies)
    if not world.faults:
        assert ledger.committed


#: All of them, by name.
SCENARIOS: dict[str, Callable[[World], None]] = {
    scenario.__name__: scenario
    for scenario in (
        nothing_is_lost, reconnected, broker_crashes, durable, crashes_at_any_turn, store_fails, in_order, at_most_once,
        failover, impatient, drained, transactions,
    )
}  # fmt: skip
