"""The order in which the messages of a queue are delivered, where it is not that of their arrival: by priority.

A Queue has such an index where its policy says so. The list of the queue stays in the order of arrival, for
browsers and to drop the oldest; the index has the order of delivery, in heaps by `key`.
"""

from __future__ import annotations

from collections import deque
from heapq import heappush
from typing import Any

from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.index import Index

HIGHEST = 9
"""There are ten priorities, as in JMS; what is above counts as this one [3.2.1]."""

_PLACES = 60  # bits for the place of an entry


def by_priority(entry: Entry) -> int:
    """Its key: higher priorities first, and each in the order of arrival."""
    priority: int = entry.envelope.priority
    return (HIGHEST - min(priority, HIGHEST)) << _PLACES | entry.place


class Door(deque[Any]):
    """The place of new entries in an index that sorts them: always empty. add: takes them in."""

    def __init__(self, index: Any) -> None:
        super().__init__()
        self._index = index

    def append(self, entry: Any) -> None:
        """`entry` waits."""
        self._index.add(entry)


class RankedIndex(Index):
    """An index by priority."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(by_priority)
        self.fresh = Door(self)

    def add(self, entry: Entry) -> None:
        """A new entry waits."""
        heappush(self.returned, (self.key(entry), entry))
