"""The turns of a queue's consumers: all alike, or those of a higher priority first, or one that gets all.

A Queue enters, and owns one of these. Consumers of one priority take turns in a deque; the first with another priority
has it replaced by Tiers, with the methods of a deque that are needed here. Where the policy is one active consumer,
the credit of the others is remembered until it is their turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional, Protocol, Union

from handlers.broker.nodes.backlog import Backlog
from handlers.broker.nodes.consumer import Consumer
from handlers.broker.nodes.entry import ACQUIRED, MOST_REFUSERS
from handlers.broker.nodes.index import Index


class Tiers:
    """Consumers with credit by priority: the first is the next in turn of the highest priority there is."""

    __slots__ = ("_tiers",)

    def __init__(self, consumers: Iterable[Consumer] = ()) -> None:
        self._tiers: dict[int, deque[Consumer]] = {}  # the highest priority first; some may be empty
        for consumer in consumers:
            self.append(consumer)

    def __len__(self) -> int:
        return sum(map(len, self._tiers.values()))

    def __bool__(self) -> bool:
        return any(self._tiers.values())

    def __iter__(self) -> Iterator[Consumer]:
        for tier in self._tiers.values():
            yield from tier

    def __getitem__(self, index: int) -> Consumer:
        return self._first()[index]

    def append(self, consumer: Consumer) -> None:
        """`consumer` is the last of its priority."""
        tier = self._tiers.get(consumer.priority)
        if tier is None:
            kept = {priority: tier for priority, tier in self._tiers.items() if tier}
            kept[consumer.priority] = tier = deque()
            self._tiers = {priority: kept[priority] for priority in sorted(kept, reverse=True)}
        tier.append(consumer)

    def popleft(self) -> Consumer:
        """Remove the first."""
        return self._first().popleft()

    def remove(self, consumer: Consumer) -> None:
        """Remove `consumer`."""
        self._tiers[consumer.priority].remove(consumer)

    def rotate(self, steps: int) -> None:
        """The first has had its turn: it is the last of its priority."""
        self._first().rotate(steps)

    def clear(self) -> None:
        """There are none."""
        self._tiers.clear()

    def tiers(self) -> list[deque[Consumer]]:
        """Those of each priority, the highest first."""
        return list(self._tiers.values())

    def _first(self) -> deque[Consumer]:
        return next(tier for tier in self._tiers.values() if tier)


def tiers_of(ring: Union[Tiers, deque[Consumer]]) -> Sequence[deque[Consumer]]:
    """The consumers of each priority, of all there are or of these."""
    return ring.tiers() if isinstance(ring, Tiers) else (ring,)


class SingleActive:
    """Which of a queue's consumers gets messages: the first to come, until it goes; then the one of the highest
    priority that came first."""

    __slots__ = ("consumer", "_others")

    def __init__(self) -> None:
        self.consumer: Optional[Consumer] = None
        self._others: dict[Consumer, None] = {}

    def join(self, consumer: Consumer) -> None:
        """`consumer` takes part."""
        if self.consumer is None:
            self.consumer = consumer
        else:
            self._others[consumer] = None

    def leave(self, consumer: Consumer) -> Optional[Consumer]:
        """`consumer` is gone. Returns the one that follows it."""
        self._others.pop(consumer, None)
        if consumer is not self.consumer:
            return None
        self.consumer = max(self._others, key=lambda other: other.priority, default=None)
        if self.consumer is not None:
            del self._others[self.consumer]
        return self.consumer


class Served(Protocol):
    """A queue, as the turns of its consumers need it."""

    index: Index
    backlog: Backlog
    acquired: int


class Turns:
    """The consumers of one queue that have credit. ring: those that select nothing, the next in turn first: a deque, or
    Tiers."""

    __slots__ = ("ring", "_queue")

    def __init__(self, queue: Served) -> None:
        self.ring: Any = deque()
        self._queue = queue

    def rank(self, consumer: Consumer) -> None:
        """`consumer`, which takes part from now on, has a priority."""
        holder = self if consumer.view is None else consumer.view
        holder.ring = Tiers(holder.ring)

    def grant(self, consumer: Consumer) -> None:
        """The credit of `consumer` has changed: it gets the waiting messages at once."""
        hungry = consumer.credit > 0
        if consumer.view is not None:
            ring = consumer.view.ring
            if hungry and not consumer.hungry:
                consumer.hungry = True
                ring.append(consumer)
                consumer.view.pump()
            elif consumer.hungry and not hungry:
                consumer.hungry = False
                ring.remove(consumer)
        elif hungry:
            # Those that are hungry already have found nothing that they could have: the waiting ones are for this one.
            if not consumer.hungry:
                if self._serve(consumer):
                    consumer.hungry = True
                    self.ring.append(consumer)
            elif self._queue.index.picky.barred and not self._serve(consumer):  # `pump` may not have come to it
                self._leave(consumer)
        elif consumer.hungry:
            self._leave(consumer)

    def pump(self) -> None:
        """Serve the consumers in turn until credit or messages have run out."""
        index = self._queue.index
        for view in list(index.views.values()):
            if view.ring:
                view.pump()
        self._answer(index)
        for tier in tiers_of(self.ring):
            self._serve_tier(tier)
        self._answer(index)

    def _answer(self, index: Index) -> None:
        """Serve those for which something waits that others may not have. They take the rest of what comes with it."""
        while index.calls:
            consumer, _ = index.calls.popitem()
            if consumer.hungry and not self._serve(consumer):
                self._leave(consumer)

    def _leave(self, consumer: Consumer) -> None:
        consumer.hungry = False
        self.ring.remove(consumer)

    def _serve_tier(self, ring: deque[Consumer]) -> None:
        queue = self._queue
        index, backlog = queue.index, queue.backlog
        # Consumers in a row that found nothing. No message remembers more of them than so many; one that waits
        # for newcomers may wait for the next of them that asks, rather than have all the others asked each time.
        unlucky, most = 0, min(len(ring), MOST_REFUSERS + 1)
        while unlucky < most and ring:
            consumer = ring[0]
            entry = index.take(consumer)
            if entry is None:
                if backlog.growing and backlog.unfold():
                    continue  # in case: a hungry consumer has had all of it unfolded
                if not index.picky:
                    return  # nothing for this one is nothing for anyone
                unlucky += 1
                ring.rotate(-1)
                continue
            unlucky = 0
            consumer.credit -= 1
            if consumer.credit > 0:
                ring.rotate(-1)
            else:
                ring.popleft()
                consumer.hungry = False
            entry.state = ACQUIRED
            queue.acquired += 1
            consumer.deliver(entry)

    def _serve(self, consumer: Consumer) -> bool:
        """Give `consumer` the waiting entries, as far as its credit goes. Returns whether it has some left."""
        queue = self._queue
        while consumer.credit > 0:
            entry = queue.index.take(consumer)
            if entry is None:
                if queue.backlog.growing and queue.backlog.unfold():
                    continue
                return True
            consumer.credit -= 1
            entry.state = ACQUIRED
            queue.acquired += 1
            consumer.deliver(entry)
        return False
