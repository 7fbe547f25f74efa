"""The messages of a queue that have an end to their time, the earliest first.

A Queue enters, and owns one. A message that goes before its time stays here until then, or until such are the most.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Optional

from handlers.broker.nodes.entry import GONE, Entry


class Deadlines:
    """See the module."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: list[tuple[float, int, Entry]] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def next(self) -> Optional[float]:
        """The earliest of them; None if there are none."""
        return self._rows[0][0] if self._rows else None

    def watch(self, entry: Entry, depth: int) -> None:
        """`entry` has a deadline. depth: messages in its queue."""
        rows = self._rows
        heappush(rows, (entry.expires, entry.place, entry))
        if len(rows) > 2 * depth + 1000:  # most were consumed in time: do not keep them until then
            self._rows = [row for row in rows if row[2].state != GONE]
            heapify(self._rows)

    def passed(self, now: float) -> Iterator[Entry]:
        """The entries beyond their time, which are forgotten here."""
        while self._rows and self._rows[0][0] <= now:
            yield heappop(self._rows)[2]
