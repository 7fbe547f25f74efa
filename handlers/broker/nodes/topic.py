"""Topics as plain data: each of their subscriptions is a queue of its own (node.py)."""

from __future__ import annotations

from typing import Any, Optional

from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.gate import TopicGate
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import PLAIN, REJECT, Policy
from handlers.broker.nodes.pool import Pool, Producer


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
        self.subscriptions: list[Queue] = []
        self.selections: dict[Queue, Any] = {}  # of the subscriptions that do not want everything
        self.gate = TopicGate(self) if policy.overflow == REJECT else None

    def __repr__(self) -> str:
        return f"<topic {self.name!r}: {len(self.subscriptions)} subscriptions>"

    @property
    def full(self) -> bool:
        return any(subscription.full for subscription in self.subscriptions)

    def put(self, envelope: Any, body: bytes, expires: float = 0.0) -> bool:
        """As `Queue.put`, for every subscription."""
        self.enqueued += 1
        if not self.subscriptions:
            self.dropped += 1
        room = True
        for subscription in self.wanting(envelope, body, expires) if self.selections else self.subscriptions:
            if not subscription.put(envelope, body, expires):
                room = False
        return room

    def wanting(self, envelope: Any, body: bytes, expires: float = 0.0) -> list[Queue]:
        """The subscriptions that are to get a message."""
        selections = self.selections
        entry = Entry(0, envelope, body, expires)
        return [one for one in self.subscriptions if one not in selections or selections[one].selects(entry)]

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

    def subscribe(self, name: str, selection: Any = None) -> Queue:
        """A new subscription: a queue of its own that gets the messages from now on.

        selection: which messages, by `selects(entry)`; None for all.
        """
        subscription = Queue(name, self.capacity, self.pool, self.policy)
        self.subscriptions.append(subscription)
        if selection is not None:
            self.selections[subscription] = selection
        return subscription

    def unsubscribe(self, subscription: Queue) -> None:
        """End `subscription`; its messages are gone with it."""
        self.subscriptions.remove(subscription)
        self.selections.pop(subscription, None)
        subscription.close()

    def close(self) -> None:
        """The topic is deleted, its subscriptions with it."""
        for subscription in self.subscriptions[:]:
            self.unsubscribe(subscription)
