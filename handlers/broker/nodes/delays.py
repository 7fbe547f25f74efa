"""The messages of a queue that wait for their time: those that come with a delay, and those that came back and are to
be tried again later.

A Queue enters, and owns one. Those that came back stay in their place, in the state DELAYED. The others are outside the
queue's list, and come in as new ones when it is time. Both count in its depth. A delay that begins now is noted without
a time, which the next `begin` brings.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any, Optional

from handlers.broker.nodes.browsing import move
from handlers.broker.nodes.entry import DELAYED, EXPIRED, REPLACED, WAITING, Entry

AT_ONCE = 1000
"""Messages that come in at once when they are due: others wait meanwhile."""


class Delays:
    """See the module."""

    __slots__ = ("_due", "_fresh", "_rows", "_serials")

    def __init__(self) -> None:
        self._due: dict[Entry, float] = {}
        self._fresh: dict[Entry, float] = {}  # seconds
        self._rows: list[tuple[float, int, Entry]] = []
        self._serials = count()

    def __len__(self) -> int:
        return len(self._due) + len(self._fresh)

    @property
    def next(self) -> Optional[float]:
        """When the next one is due, or begins to wait; None if there is none."""
        if self._fresh:
            return 0.0
        rows = self._rows
        while rows and self._due.get(rows[0][2]) != rows[0][0]:
            heappop(rows)
        return rows[0][0] if rows else None

    def wait(self, entry: Entry, seconds: float) -> None:
        """`entry` waits from now on."""
        self._fresh[entry] = seconds

    def hold(self, entry: Entry, due: float) -> None:
        """`entry` waits until then."""
        self._due[entry] = due
        heappush(self._rows, (due, next(self._serials), entry))

    def lose(self, entry: Entry) -> None:
        """`entry` does not wait any more."""
        self._fresh.pop(entry, None)
        self._due.pop(entry, None)

    def begin(self, now: float) -> Iterator[tuple[Entry, float]]:
        """The entries that began to wait since the last time, and until when they do."""
        fresh, self._fresh = self._fresh, {}
        for entry, seconds in fresh.items():
            self.hold(entry, now + seconds)
            yield entry, now + seconds

    def passed(self, now: float) -> Iterator[Entry]:
        """The entries that have waited long enough, AT_ONCE of them at most, which are forgotten here."""
        for _ in range(AT_ONCE):
            due = self.next
            if due is None or due > now:
                return
            entry = heappop(self._rows)[2]
            del self._due[entry]
            yield entry


def park(queue: Any, entry: Entry, due: float) -> None:
    """`entry` is outside the list of `queue` until it is due, or has expired."""
    entry.state = DELAYED
    _count(queue, entry, 1)
    queue.delays.hold(entry, min(due, entry.expires or due))
    if queue.host is not None:
        queue.host.attend(queue)


def end_delays(queue: Any, now: float) -> tuple[int, bool]:
    """The messages of `queue` that are due are to be had. Returns the number of those that have expired meanwhile, and
    whether some are back in their place, so that consumers are to be served."""
    for entry, due in queue.delays.begin(now):
        if entry.number and queue.keeper is not None:
            queue.keeper.delayed(entry, due)
    late, back = 0, False
    for entry in queue.delays.passed(now):
        if not entry.place:
            if 0 != entry.expires <= now:
                entry.before = entry.after = entry  # it leaves without having come in
                queue.discard(entry, EXPIRED)
                late += 1
                continue
            if queue.backlog.growing or not entry.redelivered:
                _come_in(queue, entry)
                continue
            _append(queue, entry)
        if queue.latest is not None and queue.latest.is_old(entry):
            queue.settle(entry, REPLACED)
            continue
        entry.state = WAITING
        queue.index.give_back(entry)
        if 0 != entry.expires <= now:
            queue.discard(entry, EXPIRED)
            late += 1
        else:
            back = True
    return late, back


def _come_in(queue: Any, entry: Entry) -> None:
    """As a new message. One that was here before a restart joins a backlog as it is, which no consumer waits for."""
    _count(queue, entry, -1)
    if entry.redelivered:
        queue.restore(entry.envelope, entry.body, entry.expires, entry.number, entry.delivery_count)
    else:
        queue.put(entry.envelope, entry.body, entry.expires, entry.number)


def _append(queue: Any, entry: Entry) -> None:
    """`entry` comes in behind all others, which are in the list, and is given to no consumer yet."""
    queue.enqueued = entry.place = queue.enqueued + 1
    root = queue.root
    last = entry.before = root.before
    entry.after = root
    last.after = root.before = entry
    if root.spot is not None:
        move(root.spot, entry)
    if entry.expires:
        queue.deadlines.watch(entry, queue.depth)


def _count(queue: Any, entry: Entry, sign: int) -> None:
    queue.depth += sign
    queue.bytes += sign * entry.size
    queue.pool.bytes += sign * entry.size
