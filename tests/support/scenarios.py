"""Scenarios for simulated worlds: a broker, its clients, and a storm; and what must be true afterwards.

    explore(nothing_is_lost, range(1000))

The clients do what an application would: they connect again, send again what was refused or is in doubt, keep in a
store what must outlive a crash, and consume with all the outcomes that there are. `SCENARIOS` lists them all; the
suite runs each over some hundred seeds, and `python -m tests.soak` over as many as there is time for.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import ACCEPTED, MODIFIED, RELEASED, AtMostOnce, Message
from reactor.simulation import World, properties

URL = "amqp://broker:5672"


class Client(MessagingHandler):
    """Connects, and connects again when the connection is lost, a little later each time.

    reconnect: whether to leave that to the container.
    """

    reconnect = False

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(**options)
        self.url = url
        self.connection: Any = None
        self.losses = 0
        self.stopping = False

    def on_start(self, event: Any) -> None:
        self.container = event.container
        self.connect()

    def connect(self) -> None:
        self.connection = self.container.connect(self.url, reconnect=self.reconnect, heartbeat=10.0)
        self.attach()

    def attach(self) -> None:
        """Make the links."""

    def on_transport_error(self, event: Any) -> None:
        """`on_disconnected` follows."""

    def on_connection_error(self, event: Any) -> None:
        self.begin_anew()

    def on_link_error(self, event: Any) -> None:
        event.connection.close()
        self.begin_anew()

    def on_disconnected(self, event: Any) -> None:
        if not self.reconnect:
            self.begin_anew()

    def begin_anew(self) -> None:
        if not self.stopping:
            self.losses += 1
            self.container.schedule(0.1 * min(self.losses, 20), self)

    def on_timer_task(self, event: Any) -> None:
        if not self.stopping:
            self.connect()

    def stop(self) -> None:
        self.stopping = True
        self.connection.close()


class Outbox:
    """What a producer has to send; it outlives the producer."""

    def __init__(self, name: str, count: int, size: int = 10) -> None:
        self.todo = {f"{name}/{number}": "x" * size for number in range(count)}
        self.accepted: set[str] = set()


class Producer(Client):
    """Sends what is in its outbox until each message was accepted."""

    def __init__(self, url: str, store: Outbox) -> None:
        super().__init__(url)
        self.store = store
        self.waiting = list(store.todo)
        self.under_way: dict[Any, str] = {}

    def attach(self) -> None:
        self.sender = self.container.create_sender(self.connection, "jobs")

    def on_sendable(self, event: Any) -> None:
        sender = event.sender
        while sender.credit > 0 and self.waiting and sender is self.sender:
            name = self.waiting.pop(0)
            delivery = sender.send(Message(self.store.todo[name], id=name, durable=True))
            self.under_way[delivery] = name

    def on_accepted(self, event: Any) -> None:
        name = self.under_way.pop(event.delivery)
        self.store.accepted.add(name)
        self.store.todo.pop(name, None)

    def again(self, event: Any) -> None:
        self.waiting.append(self.under_way.pop(event.delivery))

    on_rejected = on_released = on_in_doubt = again


class Consumer(Client):
    """Consumes, with all the outcomes that there are."""

    def __init__(self, url: str, random: Any, prefetch: int = 10) -> None:
        super().__init__(url, prefetch=prefetch, auto_accept=False)
        self.random = random
        self.seen: list[Any] = []
        self.held: list[Any] = []
        self.tired = False

    def attach(self) -> None:
        self.container.create_receiver(self.connection, "jobs")

    def on_message(self, event: Any) -> None:
        self.seen.append(event.message.id)
        delivery = event.delivery
        chance = self.random.random()
        if chance < 0.7 or self.tired:
            self.accept(delivery)
        elif chance < 0.8:
            self.settle(delivery, self.random.choice([RELEASED, MODIFIED]))
        elif chance < 0.9:
            delivery.update(ACCEPTED)  # the broker settles it, and then so do we
        else:
            self.held.append(delivery)
            if len(self.held) > 3:
                self.let_go()

    def let_go(self) -> None:
        for held in self.held:
            self.accept(held)
        self.held.clear()

    def rest(self) -> None:
        """From now on everything is accepted at once."""
        self.tired = True
        self.let_go()


class SteadyProducer(Producer):
    """The same, with a container that connects again, and perhaps sends again what has no outcome."""

    reconnect = True

    def __init__(self, url: str, store: Outbox, resend: bool) -> None:
        super().__init__(url, store)
        self.resend = resend

    def attach(self) -> None:
        self.sender = self.container.create_sender(self.connection, "jobs", resend=self.resend)


class SteadyConsumer(Consumer):
    """The same, with a container that connects again."""

    reconnect = True


class Shouter(Client):
    """Sends settled messages, each once, when there is credit for it."""

    def __init__(self, url: str, name: str, count: int) -> None:
        super().__init__(url)
        self.waiting = [f"{name}/{number}" for number in range(count)]

    def attach(self) -> None:
        self.sender = self.container.create_sender(self.connection, "jobs", options=AtMostOnce())

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit > 0 and self.waiting and event.sender is self.sender:
            event.sender.send(Message("now", id=self.waiting.pop(0)))


class SteadyShouter(Shouter):
    """The same, with a container that connects again."""

    reconnect = True


class Hearer(Client):
    """Receives settled messages."""

    def __init__(self, url: str) -> None:
        super().__init__(url, prefetch=5)
        self.seen: list[Any] = []

    def attach(self) -> None:
        self.container.create_receiver(self.connection, "jobs", options=AtMostOnce())

    def on_message(self, event: Any) -> None:
        self.seen.append(event.message.id)


class Bystander(Broker):
    """A broker whose clients come and go: what they do wrong is theirs."""

    def __init__(self, url: str, capacity: int = 0) -> None:
        super().__init__(url, idle_timeout=10.0, max_queue_bytes=capacity)


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


#: All of them, by name.
SCENARIOS: dict[str, Callable[[World], None]] = {
    scenario.__name__: scenario for scenario in (nothing_is_lost, reconnected, broker_crashes, at_most_once)
}
