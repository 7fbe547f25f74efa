"""The nodes of a broker as plain data: queues, topics, and the turns that consumers take.

Nothing here knows of connections, links, frames or clocks: a message is an opaque envelope and body, a
consumer is something with credit and a `deliver` method, time is a number that the caller brings. That is
why every rule of delivery can be tested in memory, and why a store can be put underneath later without
the links above noticing.

Costs: every operation is O(1), or O(log n) in the messages that came back or carry a deadline. The messages
of a queue form one linked list in the order of their arrival, whether they are waiting or being worked on;
that list is what "in its original place" means. Beside it stand three indexes into it, cleaned lazily:

    fresh      never given to anybody: a deque, its head is the oldest
    returned   given and come back: a heap by place
    also       one heap a consumer, for messages that some *other* consumer may not get again (rare)

Priorities are carried but not acted upon: a queue is first in, first out.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Optional, Protocol

WAITING, ACQUIRED, GONE = range(3)
"""States of an entry: to be had, in the hands of a consumer, no longer in the queue."""

ACKNOWLEDGED, REJECTED, EXPIRED = range(3)
"""Why an entry left its queue: indexes into `Queue.outcomes`."""

ENTRY_COST = 300
"""Bytes that an entry costs beside its body. Counted, so that a flood of empty messages is bounded too."""

_serials = count(1)


class Producer(Protocol):
    """What a node asks of the one who fills it."""

    def resume(self) -> None:
        """There is room again: called once for each `block()`."""


class Consumer:
    """Takes messages from a queue while it has credit. The link above derives from this.

    credit: how many more messages it takes now; the queue counts it down.
    held: what it acquired and has not settled, in order of delivery, under whatever key `deliver` chose.
    """

    browsing = False

    def __init__(self) -> None:
        self.credit = 0
        self.held: dict[Any, Entry] = {}
        self.serial = next(_serials)
        self.hungry = False
        self.also: list[tuple[int, Entry]] = []

    def deliver(self, entry: Entry) -> None:
        """Take `entry`: either keep it in `held` until its outcome is known, or settle it at once."""
        raise NotImplementedError

    def was_tried(self, key: Any) -> bool:
        """Whether what is held under `key` may have reached somebody: then its loss is a failed attempt."""
        return True


class Browser(Consumer):
    """Looks at the waiting messages of a queue, each once, and takes none.

    What another consumer held while the browser went past is not shown to it later.
    """

    browsing = True

    def __init__(self) -> None:
        super().__init__()
        self.cursor: Optional[Entry] = None


class Entry:
    """One message in one queue. A topic's copies share envelope and body, so a copy costs only this."""

    __slots__ = (
        "queue", "place", "envelope", "body", "expires", "size", "before", "after",
        "state", "delivery_count", "redelivered", "overdue", "refused", "grown",
    )  # fmt: skip

    before: Entry
    after: Entry

    def __init__(self, queue: Queue, place: int, envelope: Any, body: bytes, expires: float) -> None:
        self.queue = queue
        self.place = place
        self.envelope = envelope
        self.body = body
        self.expires = expires
        self.size = len(body) + ENTRY_COST
        self.state = WAITING
        self.delivery_count = 0
        self.redelivered = False  # somebody held it before: no longer first-acquirer [3.2.1]
        self.grown = 0  # bytes that outcomes have added
        self.overdue = False  # its time ran out while somebody held it
        self.refused: Optional[set[int]] = None  # serials of the consumers that must not get it again


class Queue:
    """Messages in order, competing consumers in turn.

    name: what reports call it. capacity: bytes that it holds before its producers have to wait, 0 for no
    bound; they may go on when it is half empty again.

    `put` reports whether there is room for more. It never refuses: what was already under way when the
    bound was reached is kept, so it is the credit of the producers that bounds a queue, not their loss.
    """

    kind = "queue"

    def __init__(self, name: str, capacity: int = 0) -> None:
        self.name = name
        self.capacity = capacity or float("inf")
        self.resume_at = self.capacity / 2
        self.depth = 0  # waiting and acquired
        self.acquired = 0
        self.bytes = 0
        self.enqueued = 0
        self.requeued = 0
        self.outcomes = [0, 0, 0]
        self.consumers: set[Consumer] = set()
        # The list is a ring: the first entry follows the root, the last one precedes it.
        self.root = Entry(self, 0, None, b"", 0.0)
        self.root.before = self.root.after = self.root
        self._fresh: deque[Entry] = deque()
        self._returned: list[tuple[int, Entry]] = []
        self._deadlines: list[tuple[float, int, Entry]] = []
        self._stale = 0  # entries in _fresh and _returned that are gone
        self._picky = 0  # waiting entries that not every consumer may have
        self._ring: deque[Consumer] = deque()  # consumers with credit, the next in turn first
        self._browsers: list[Browser] = []
        self._blocked: list[Producer] = []

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r}: {self.waiting} waiting, {self.acquired} acquired>"

    @property
    def waiting(self) -> int:
        """Messages that nobody holds."""
        return self.depth - self.acquired

    @property
    def full(self) -> bool:
        """Whether producers have to wait."""
        return self.bytes >= self.capacity

    @property
    def deadline(self) -> Optional[float]:
        """When `expire` has something to do; None if nothing here expires."""
        return self._deadlines[0][0] if self._deadlines else None

    # -- messages come

    def put(self, envelope: Any, body: bytes, expires: float = 0.0) -> bool:
        """Append a message and give it to the consumer whose turn it is. False: enough for now, `block`.

        expires: the time from which on nobody shall get it, 0 for never.
        """
        self.enqueued = place = self.enqueued + 1
        entry = Entry(self, place, envelope, body, expires)
        root = self.root
        last = entry.before = root.before
        entry.after = root
        last.after = root.before = entry
        self.depth += 1
        self.bytes += entry.size
        if expires:
            self._watch(entry)
        ring = self._ring
        if ring:
            # Hungry consumers mean that nothing is waiting which they could have had: this one is next.
            consumer = ring[0]
            if consumer.credit == 1:
                ring.popleft()
                consumer.hungry = False
            elif len(ring) > 1:
                ring.rotate(-1)
            consumer.credit -= 1
            entry.state = ACQUIRED
            self.acquired += 1
            consumer.deliver(entry)
        else:
            self._fresh.append(entry)
        if self._browsers and entry.state != GONE:
            self._show_browsers(entry)
        return self.bytes < self.capacity

    def block(self, producer: Producer) -> None:
        """`producer` gives no credit until its `resume()` is called, which happens at half the capacity."""
        self._blocked.append(producer)

    # -- consumers come and go

    def join(self, consumer: Consumer) -> None:
        """`consumer` takes part from now on; it gets nothing before it is granted credit."""
        self.consumers.add(consumer)
        if isinstance(consumer, Browser):
            consumer.cursor = self.root.after
            self._browsers.append(consumer)
        elif self._picky:
            entry = self.root.after
            while entry is not self.root:
                if entry.refused and entry.state == WAITING:
                    consumer.also.append((entry.place, entry))  # in order: already a heap
                entry = entry.after

    def leave(self, consumer: Consumer) -> None:
        """`consumer` is gone: what it held waits again, each in its place, the attempt counted as failed."""
        if consumer not in self.consumers:
            return
        self.consumers.remove(consumer)
        if isinstance(consumer, Browser):
            self._browsers.remove(consumer)
            return
        if consumer.hungry:
            self._ring.remove(consumer)
            consumer.hungry = False
        consumer.credit = 0
        consumer.also = []
        held, consumer.held = consumer.held, {}
        for key, entry in held.items():
            self._put_back(entry, consumer.was_tried(key))
        self._pump()

    def grant(self, consumer: Consumer, credit: int) -> None:
        """`consumer` takes `credit` messages from now on (not: more), and gets at once what is there."""
        consumer.credit = credit
        if isinstance(consumer, Browser):
            self._browse(consumer)
        elif credit > 0:
            if not consumer.hungry:
                consumer.hungry = True
                self._ring.append(consumer)
            self._pump()
        elif consumer.hungry:
            consumer.hungry = False
            self._ring.remove(consumer)

    # -- messages go, or come back

    def settle(self, entry: Entry, outcome: int = ACKNOWLEDGED) -> None:
        """`entry` leaves the queue for good. Doing so twice is harmless."""
        if entry.state == GONE:
            return
        if entry.state == ACQUIRED:
            self.acquired -= 1
        elif entry.refused:
            self._picky -= 1
        else:
            self._stale += 1
        entry.state = GONE
        before, after = entry.before, entry.after
        before.after = after
        after.before = before
        if self._browsers:
            for browser in self._browsers:
                if browser.cursor is entry:
                    browser.cursor = after
        del entry.before, entry.after  # no cycles: its memory goes with the last reference to it
        self.outcomes[outcome] += 1
        self.depth -= 1
        self.bytes -= entry.size
        if self._blocked and self.bytes <= self.resume_at:
            self._resume()

    def release(self, entry: Entry, failed: bool = False, refused_by: Optional[Consumer] = None) -> None:
        """`entry` waits again, in its place. failed: the attempt counts. refused_by: who must not get it."""
        if refused_by is not None and entry.state == ACQUIRED:
            entry.refused = (entry.refused or set()) | {refused_by.serial}
        self._put_back(entry, failed)
        self._pump()

    def rewrite(self, entry: Entry, body: bytes) -> None:
        """`entry` goes on with another body."""
        if entry.state != GONE:
            self.bytes += len(body) - len(entry.body)
            entry.size += len(body) - len(entry.body)
            entry.body = body

    def expire(self, now: float) -> int:
        """Drop what is waiting beyond its time; what somebody holds is dropped if it comes back. How many?"""
        dropped = 0
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            entry = heappop(deadlines)[2]
            if entry.state == WAITING:
                self.settle(entry, EXPIRED)
                dropped += 1
            elif entry.state == ACQUIRED:
                entry.overdue = True
        if self._stale > len(self._fresh) + len(self._returned) - self._stale:
            self._sweep()
        return dropped

    def close(self) -> None:
        """The queue is deleted: nobody is served any more, and nobody is kept waiting for room."""
        self._ring.clear()
        self._browsers.clear()
        self.consumers.clear()
        self._resume()

    # -- inside

    def _put_back(self, entry: Entry, failed: bool) -> None:
        if entry.state != ACQUIRED:
            return
        entry.redelivered = True  # acquired it was, whether it counts or not
        if failed:
            entry.delivery_count += 1
        if entry.overdue:
            self.settle(entry, EXPIRED)
            return
        entry.state = WAITING
        self.acquired -= 1
        self.requeued += 1
        if entry.refused:
            self._picky += 1
            for consumer in self.consumers:
                if consumer.serial not in entry.refused and not consumer.browsing:
                    if len(consumer.also) > 2 * self._picky + 100:
                        consumer.also = sorted({row for row in consumer.also if row[1].state == WAITING})
                    heappush(consumer.also, (entry.place, entry))
        else:
            heappush(self._returned, (entry.place, entry))

    def _pump(self) -> None:
        """Serve the consumers in turn until credit or messages have run out."""
        ring = self._ring
        unlucky = 0  # consumers in a row for whom there was nothing
        while unlucky < len(ring):
            consumer = ring[0]
            entry = self._take(consumer)
            if entry is None:
                if not self._picky:
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
            self.acquired += 1
            consumer.deliver(entry)

    def _take(self, consumer: Consumer) -> Optional[Entry]:
        """Remove from the indexes the oldest waiting entry that `consumer` may have."""
        fresh, returned, also = self._fresh, self._returned, consumer.also
        while fresh and fresh[0].state == GONE:
            fresh.popleft()
            self._stale -= 1
        while returned and returned[0][1].state == GONE:
            heappop(returned)
            self._stale -= 1
        # An entry stands in several of these heaps, and may have been taken or refused since.
        while also and (also[0][1].state != WAITING or consumer.serial in (also[0][1].refused or ())):
            heappop(also)
        if also:
            place = also[0][0]
            if not (returned and returned[0][0] < place) and not (fresh and fresh[0].place < place):
                self._picky -= 1
                return heappop(also)[1]
        if returned and not (fresh and fresh[0].place < returned[0][0]):
            return heappop(returned)[1]
        return fresh.popleft() if fresh else None

    def _show_browsers(self, entry: Entry) -> None:
        for browser in self._browsers:
            if browser.cursor is self.root:
                browser.cursor = entry
            if browser.credit > 0:
                self._browse(browser)

    def _browse(self, browser: Browser) -> None:
        entry = browser.cursor
        while entry is not None and entry is not self.root and browser.credit > 0:
            browser.cursor = following = entry.after
            if entry.state == WAITING:
                browser.credit -= 1
                browser.deliver(entry)
            entry = following

    def _watch(self, entry: Entry) -> None:
        deadlines = self._deadlines
        heappush(deadlines, (entry.expires, entry.place, entry))
        if len(deadlines) > 2 * self.depth + 1000:  # most were consumed in time: do not keep them until then
            self._deadlines = [row for row in deadlines if row[2].state != GONE]
            heapify(self._deadlines)

    def _sweep(self) -> None:
        self._fresh = deque(entry for entry in self._fresh if entry.state != GONE)
        self._returned = [row for row in self._returned if row[1].state != GONE]
        heapify(self._returned)
        self._stale = 0

    def _resume(self) -> None:
        blocked, self._blocked = self._blocked, []
        for producer in blocked:
            producer.resume()


class Topic:
    """Gives a copy of each message to each of its subscriptions. Without any it vanishes, and is counted.

    capacity: that of each subscription. The slowest subscription holds back the producers: nothing is lost.
    """

    kind = "topic"

    def __init__(self, name: str, capacity: int = 0) -> None:
        self.name = name
        self.capacity = capacity
        self.enqueued = 0
        self.dropped = 0  # put while nobody had subscribed
        self.subscriptions: list[Queue] = []

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
        for subscription in self.subscriptions:
            if not subscription.put(envelope, body, expires):
                room = False
        return room

    def block(self, producer: Producer) -> None:
        """As `Queue.block`: on the first subscription that is full; `resume` has to look again for others."""
        for subscription in self.subscriptions:
            if subscription.full:
                subscription.block(producer)
                return
        producer.resume()

    def subscribe(self, name: str) -> Queue:
        """A new subscription: a queue of its own that gets what is published from now on."""
        subscription = Queue(name, self.capacity)
        self.subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Queue) -> None:
        """End `subscription`; what it still held is gone with it."""
        self.subscriptions.remove(subscription)
        subscription.close()

    def close(self) -> None:
        """The topic is deleted, its subscriptions with it."""
        for subscription in self.subscriptions[:]:
            self.unsubscribe(subscription)
