"""The clients of the scenarios of simulated worlds (scenarios.py).

They do what an application would: they connect again, send again what was refused or is in doubt, keep in a store
what must outlive a crash, and consume with all the outcomes that there are.
"""

from __future__ import annotations

from typing import Any

from handlers import MessagingHandler
from handlers.broker import Broker
from reactor import ACCEPTED, MODIFIED, RELEASED, AtMostOnce, Condition, Endpoint, Message, symbol
from reactor.errors import CONNECTION_REDIRECT, LINK_REDIRECT


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
        self.waits = False  # to connect anew: a link and its connection may both have failed
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
        if not self.stopping and not self.waits:
            self.waits = True
            self.losses += 1
            self.container.schedule(0.1 * min(self.losses, 20), self)

    def on_timer_task(self, event: Any) -> None:
        self.waits = False
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
        if not self.stopping and not event.connection.state & Endpoint.LOCAL_CLOSED:
            self.on_sendable(event)  # where credit is left over, and nothing leaves any more, nobody else calls it

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


class ImpatientProducer(SteadyProducer):
    """The same, and waits for nothing very long."""

    def __init__(self, url: str, store: Outbox, resend: bool, patience: float) -> None:
        super().__init__(url, store, resend)
        self.patience = patience

    def on_start(self, event: Any) -> None:
        for name in ("connect", "open", "attach", "send", "close"):
            setattr(event.container, f"{name}_timeout", self.patience)
        super().on_start(event)


class OneAfterTheOther(Producer):
    """Sends what is in its outbox in its order, at most `window` at a time; after each loss of its connection from the
    first that has not been accepted on."""

    def __init__(self, url: str, window: int, store: Outbox) -> None:
        super().__init__(url, store)
        self.window = window

    def attach(self) -> None:
        super().attach()
        self.waiting = list(self.store.todo)
        self.under_way.clear()

    def on_sendable(self, event: Any) -> None:
        sender = event.sender
        while sender.credit > 0 and self.waiting and sender is self.sender and len(self.under_way) < self.window:
            name = self.waiting.pop(0)
            self.under_way[sender.send(Message(self.store.todo[name], id=name, durable=True))] = name

    def on_accepted(self, event: Any) -> None:
        if event.delivery in self.under_way:
            super().on_accepted(event)
            self.on_sendable(event)

    def again(self, event: Any) -> None:
        if event.delivery in self.under_way:
            self.waiting.insert(0, self.under_way.pop(event.delivery))
            if not self.stopping and not event.connection.state & Endpoint.LOCAL_CLOSED:
                self.on_sendable(event)

    on_rejected = on_released = on_in_doubt = again


class Journal:
    """What a consumer has received, each message once, in order; it outlives the consumer."""

    def __init__(self) -> None:
        self.first: list[Any] = []


class InOrder(Client):
    """Accepts all, and notes the order in its journal."""

    def __init__(self, url: str, prefetch: int, store: Journal) -> None:
        super().__init__(url, prefetch=prefetch)
        self.store = store

    def attach(self) -> None:
        self.container.create_receiver(self.connection, "jobs")

    def on_message(self, event: Any) -> None:
        if event.message.id not in self.store.first:
            self.store.first.append(event.message.id)

    def rest(self) -> None:
        """It never does anything else."""


class Porter(MessagingHandler):
    """Lets nobody stay, or no link, and says where to go instead."""

    def __init__(self, url: str, random: Any, places: list[str]) -> None:
        super().__init__()
        self.url = url
        self.random = random
        self.places = places
        self.links_only = random.random() < 0.5

    def on_start(self, event: Any) -> None:
        event.container.listen(self.url)

    def on_connection_opened(self, event: Any) -> None:
        if not self.links_only:
            self.send_away(event.connection, CONNECTION_REDIRECT)

    def on_link_opening(self, event: Any) -> None:
        self.send_away(event.link, LINK_REDIRECT)

    def send_away(self, endpoint: Any, name: str) -> None:
        info = {symbol("network-host"): self.random.choice(self.places), symbol("port"): 5672}
        endpoint.condition = Condition(name, "not here", info)
        endpoint.close()

    def on_transport_error(self, event: Any) -> None:
        """Whoever comes may go as he likes."""


class Shouter(Client):
    """Sends settled messages, each once, when there is credit for it."""

    def __init__(self, url: str, name: str, count: int, durable: bool = False) -> None:
        super().__init__(url)
        self.waiting = [f"{name}/{number}" for number in range(count)]
        self.durable = durable

    def attach(self) -> None:
        self.sender = self.container.create_sender(self.connection, "jobs", options=AtMostOnce())

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit > 0 and self.waiting and event.sender is self.sender:
            event.sender.send(Message("now", id=self.waiting.pop(0), durable=self.durable))


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

    def __init__(self, url: str, capacity: int = 0, **options: Any) -> None:
        super().__init__(url, idle_timeout=10.0, max_queue_bytes=capacity, **options)
