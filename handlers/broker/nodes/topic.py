"""Topics as plain data: each of their subscriptions is a queue of its own (node.py)."""

from __future__ import annotations

from collections import Counter
from typing import Any, Optional

from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.gate import TopicGate, has_gate
from handlers.broker.nodes.host import Host
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import PLAIN, Policy
from handlers.broker.nodes.pool import Pool, Producer
from handlers.broker.nodes.tally import tally


class Topic:
    """Gives a copy of each message to each of its subscriptions. Without any it vanishes, and is counted.

    capacity: that of each subscription. The slowest subscription holds back the producers: nothing is lost.
    pool: the room that the subscriptions share with other queues. policy: the settings of each subscription.
    """

    kind = "topic"

    def __init__(self, name: str, capacity: int = 0, pool: Optional[Pool] = None, policy: Policy = PLAIN) -> None:
        self.name = name
        self.policy = policy
        self.pool = pool
        self.capacity = capacity
        self.enqueued = 0
        self.dropped = 0  # put while there were no subscriptions
        self.past: Counter[str] = Counter()  # counters of the subscriptions that have ended
        self.subscriptions: list[Queue] = []
        self.selections: dict[Queue, Any] = {}  # of the subscriptions that do not want everything
        self.host: Optional[Host] = None
        self.gate = TopicGate(self) if has_gate(policy) else None
        self.strangers: dict[Queue, str] = {}  # the containers from which a subscription wants nothing
        self.asks_origin = False  # whether there are any
        self.origin: Optional[str] = None  # if so, the container of the message to be put
        self.deleted = self.ends_empty = False

    def __repr__(self) -> str:
        return f"<topic {self.name!r}: {len(self.subscriptions)} subscriptions>"

    @property
    def depth(self) -> int:
        """Messages in all subscriptions."""
        return sum(subscription.depth for subscription in self.subscriptions)

    @property
    def is_kept(self) -> bool:
        """Whether it is needed though no link uses it: it has subscriptions."""
        return bool(self.subscriptions)

    @property
    def is_stored(self) -> bool:
        """Whether a store keeps one of its subscriptions."""
        return any(one.keeper is not None for one in self.subscriptions)

    @property
    def full(self) -> bool:
        return any(subscription.full for subscription in self.subscriptions)

    def put(self, envelope: Any, body: bytes, expires: float = 0.0) -> bool:
        """As `Queue.put`, for every subscription."""
        room = True
        for subscription in self.targets(envelope, body, expires):
            if not subscription.put(envelope, body, expires):
                room = False
        return room

    def put_later(self, due: float, envelope: Any, body: bytes, expires: float = 0.0) -> bool:
        """As `Queue.put_later`, for every subscription that is there now."""
        rooms = [one.put_later(due, envelope, body, expires) for one in self.targets(envelope, body, expires)]
        return all(rooms)

    def targets(self, envelope: Any, body: bytes, expires: float = 0.0) -> list[Queue]:
        """The subscriptions that are to get this message, which counts as having come."""
        self.enqueued += 1
        if not self.subscriptions:
            self.dropped += 1
        if self.selections or self.strangers:
            return self.wanting(envelope, body, expires)
        return self.subscriptions

    def expiry(self, queue: Queue, expires: float) -> float:
        """The time from which on no consumer of this subscription shall get a message that expires so."""
        return expires

    def wanting(self, envelope: Any, body: bytes, expires: float = 0.0) -> list[Queue]:
        """The subscriptions that are to get a message."""
        subscriptions = self.subscriptions
        if self.strangers:
            strangers, origin = self.strangers, self.origin
            subscriptions = [one for one in subscriptions if origin is None or strangers.get(one) != origin]
        if self.selections:
            selections, entry = self.selections, Entry(0, envelope, body, expires)
            subscriptions = [one for one in subscriptions if one not in selections or selections[one].selects(entry)]
        return subscriptions

    def block(self, producer: Producer) -> None:
        """As `Queue.block`: on the first subscription that is full; `resume` has to look again for others."""
        for subscription in self.subscriptions:
            if subscription.full:
                subscription.block(producer)
                return
        producer.resume()

    def forget(self, producer: Producer) -> None:
        """As `Queue.forget`."""
        for subscription in self.subscriptions:
            subscription.forget(producer)

    def subscribe(self, name: str, selection: Any = None, stranger: Optional[str] = None) -> Queue:
        """A new subscription: a queue of its own that gets the messages from now on.

        selection: which messages, by `selects(entry)`; None for all. stranger: the container from which it gets
        none; None to get those of all.
        """
        subscription = Queue(name, self.capacity, self.pool, self.policy)
        subscription.topic = self.name
        subscription.host = self.host
        subscription.ends_empty = self.ends_empty
        self.subscriptions.append(subscription)
        if selection is not None:
            self.selections[subscription] = selection
        if stranger is not None:
            self.strangers[subscription] = stranger
            self.asks_origin = True
        return subscription

    def unsubscribe(self, subscription: Queue) -> None:
        """End `subscription`; its messages are gone with it."""
        self.subscriptions.remove(subscription)
        self.selections.pop(subscription, None)
        self.strangers.pop(subscription, None)
        self.asks_origin = bool(self.strangers)
        self.past.update(tally(subscription))
        subscription.close()

    def close(self) -> None:
        """The topic is deleted, its subscriptions with it."""
        self.deleted = True
        for subscription in self.subscriptions[:]:
            self.unsubscribe(subscription)
