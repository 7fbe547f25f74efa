"""The messages of a queue that not every consumer may have: those that some gave back for others to try [3.4.5].

A Queue enters. Its cost is linear in the outcomes of the peers, for any number of consumers and messages: a consumer
without a turn costs nothing, and one that has one finds the oldest message that it may have without looking again at
those that it has refused. It knows entries and consumers by their numbers, and nothing of turns.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush
from itertools import count
from typing import Any, Callable, Optional


class Picky:
    """Waiting entries that a consumer has refused, the oldest first.

    key: of an entry: the lowest is the oldest. An entry has `refused`, the serials of those that must not get it,
    and `bar`: none up to that serial may.
    """

    def __init__(self, key: Callable[[Any], int]) -> None:
        self._key = key
        self._rows: list[tuple[int, Any]] = []  # those without a bar, by place
        self.barred: list[tuple[int, int, int, Any]] = []  # a heap by bar; some of them are gone, or have another bar
        self._members: set[Any] = set()
        self._serial = count()  # entries have no order
        # A consumer remembers the place below which it has refused all entries. Later entries lower that: here are
        # the changes that no later one has fallen below, by number, their places rising.
        self._falls: list[tuple[int, int]] = []
        self._change = 0
        self._forgotten = 0

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, entry: Any) -> bool:
        return entry in self._members

    def add(self, entry: Any, refuser: Any = None) -> None:
        """`entry` waits. refuser: the consumer that has just refused it; the entry waits for others."""
        place = self._key(entry)
        self._members.add(entry)
        if entry.bar:
            heappush(self.barred, (entry.bar, place, next(self._serial), entry))
            return
        if refuser is not None:
            self._catch_up(refuser)
        insort(self._rows, (place, entry))
        falls = self._falls
        self._change += 1
        while falls and falls[-1][1] >= place:
            falls.pop()
        falls.append((self._change, place))
        if len(falls) > 2 * len(self._rows) + 100:
            falls.clear()
            self._forgotten = self._change
        if refuser is not None:
            refuser.caught_up = self._change

    def oldest_for(self, consumer: Any) -> Optional[Any]:
        """The oldest entry that `consumer` may have; of those with a bar, one that has waited for newcomers long."""
        rows, serial = self._rows, consumer.serial
        found = None
        if rows:
            self._catch_up(consumer)
            at = bisect_left(rows, (consumer.refuses_below,))
            while at < len(rows) and serial in rows[at][1].refused:
                at += 1
            if at < len(rows):
                consumer.refuses_below, found = rows[at]
            else:
                consumer.refuses_below = rows[-1][0] + 1
        barred = self.barred
        while barred and not self._stands(*barred[0]):
            heappop(barred)
        if barred and barred[0][0] < serial and (found is None or barred[0][1] < self._key(found)):
            found = barred[0][3]
        return found

    def remove(self, entry: Any) -> None:
        """`entry` does not wait any more."""
        self._members.remove(entry)
        if entry.bar:
            if self.barred[0][3] is entry:
                heappop(self.barred)
        else:
            del self._rows[bisect_left(self._rows, (self._key(entry),))]

    def _stands(self, bar: int, place: int, serial: int, entry: Any) -> bool:
        return entry in self._members and entry.bar == bar

    def _catch_up(self, consumer: Any) -> None:
        if consumer.caught_up == self._change:
            return
        if consumer.caught_up < self._forgotten:
            consumer.refuses_below = 0
        else:
            at = bisect_left(self._falls, (consumer.caught_up + 1,))
            if at < len(self._falls):
                consumer.refuses_below = min(consumer.refuses_below, self._falls[at][1])
        consumer.caught_up = self._change
