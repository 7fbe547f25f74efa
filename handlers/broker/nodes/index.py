"""The waiting entries of a queue, by the ways in which they came to wait, and the oldest of them.

    fresh      never delivered: a deque, its head is the oldest
    returned   come back: a heap by place
    picky      come back from a consumer that must not get them again (picky.py)

A queue owns one. The order is that of arrival, or of another key (ranking.py). An entry that is gone, or with a view,
stays in `fresh` and `returned` until it comes to the front, or until `sweep`.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any, Callable, Optional

from handlers.broker.nodes.consumer import Consumer
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.picky import Picky

by_place: Callable[[Entry], int] = attrgetter("place")
"""The key of an entry where messages are delivered in the order of their arrival."""


class Index:
    """See the module. key: of an entry: the lowest is delivered first. stale: entries in `fresh` and `returned` that do
    not wait. views: those of the queue, by the text of their selection."""

    grouped = False  # whether a message may be for one consumer alone
    calls: dict[Consumer, None] = {}  # consumers for which such messages wait
    __slots__ = ("fresh", "key", "picky", "returned", "stale", "views")

    def __init__(self, key: Callable[[Entry], int] = by_place) -> None:
        self.key = key
        self.fresh: deque[Entry] = deque()
        self.returned: list[tuple[int, Entry]] = []
        self.picky = Picky(key)
        self.stale = 0
        self.views: dict[str, Any] = {}

    def give_back(self, entry: Entry, refuser: Optional[Consumer] = None) -> None:
        """`entry` waits again. refuser: the consumer that has just refused it."""
        if entry.refused or entry.bar:
            # A consumer that selects asks its view, and the view has a book of its own.
            self.picky.add(entry, refuser if refuser is not None and refuser.view is None else None)
        elif entry.aside:
            entry.aside = False  # it has never left its index
            self.stale -= 1
        else:
            self.put_back(entry)
        for view in self.views.values():
            view.returned(entry, refuser)

    def put_back(self, entry: Entry) -> None:
        """`entry` waits again, for any consumer."""
        heappush(self.returned, (self.key(entry), entry))

    def left(self, consumer: Consumer) -> None:
        """`consumer` is gone."""

    def lose(self, entry: Entry) -> None:
        """`entry` waited, and is gone."""
        if entry.refused or entry.bar:
            self.unpick(entry)
        else:
            self.stale += 1

    def set_aside(self, entry: Entry) -> None:
        """A view takes `entry`, from wherever it stands."""
        if entry.refused or entry.bar:
            self.unpick(entry)
        else:
            entry.aside = True
            self.stale += 1

    def take(self, consumer: Consumer) -> Optional[Entry]:
        """Remove the oldest entry that `consumer` may have, and return it."""
        fresh, returned = self.fresh, self.returned
        while fresh and (fresh[0].state or fresh[0].aside):
            fresh.popleft().aside = False
            self.stale -= 1
        while returned and (returned[0][1].state or returned[0][1].aside):
            heappop(returned)[1].aside = False
            self.stale -= 1
        if self.picky:
            entry: Optional[Entry] = self.picky.oldest_for(consumer)
            if entry is not None:
                place = self.key(entry)
                if not (returned and returned[0][0] < place) and not (fresh and fresh[0].place < place):
                    self.unpick(entry)
                    return entry
        if returned and not (fresh and fresh[0].place < returned[0][0]):
            return heappop(returned)[1]
        return fresh.popleft() if fresh else None

    def sweep(self) -> None:
        """Forget the entries that do not wait, where they are the most."""
        if self.stale <= len(self.fresh) + len(self.returned) - self.stale:
            return
        fresh, returned = self.fresh, self.returned
        if fresh:
            self.fresh = deque(entry for entry in fresh if not entry.state and not entry.aside)
        self.returned = [row for row in returned if not row[1].state and not row[1].aside]
        heapify(self.returned)
        for entry in (*fresh, *(row[1] for row in returned)):
            entry.aside = False
        self.stale = 0

    def unpick(self, entry: Entry) -> None:
        """`entry`, which some consumers must not get again, does not wait any more."""
        self.picky.remove(entry)
        for view in self.views.values():
            view.taken(entry)
