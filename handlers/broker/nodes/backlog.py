"""The backlog of a queue: the newest messages of a long one, as rows of plain values without entries of their own.

A Queue enters, and owns one. An entry costs several times as much as a short message, and the garbage collector visits
each of them; messages that are far from their turn need none. So behind the first FRONT messages that wait in a queue
new ones are folded into rows, and unfolded, some at a time, when the entries before them have run out: for consumers,
or for a reader of the queue. A view with hungry consumers, or a browser with credit, has unfolded them all, and the
queue folds no more until it is long again.

A message with a deadline has its entry at once, since a heap has to know it; it stands in a row, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from handlers.broker.nodes.browsing import LOOKS, Spot, move, settled, spot_before
from handlers.broker.nodes.consumer import Browser
from handlers.broker.nodes.entry import GONE, WAITING, Entry
from handlers.broker.nodes.index import Index
from handlers.broker.nodes.policy import DROP_OLDEST, Policy

FRONT = 1000
"""Messages that wait in a queue before it folds the others."""

UNFOLDED = 250
"""Messages that are unfolded at once."""

NEW = -1
"""Stands for the number of failed deliveries in the row of a message that was never delivered."""

_ENTRY = -2  # the same, in the row of an entry

_WIDTH = 4  # values of a row: envelope, body, number, failures; or an entry, None, 0, _ENTRY


def front_of(policy: Policy) -> float:
    """How many messages wait in a queue of this policy before it folds the others: infinity, if its rules need all."""
    return float("inf") if policy.overflow == DROP_OLDEST or policy.priority or policy.last_value else FRONT


class Backlog:
    """See the module. root: that of the queue's list, which it prolongs; index: of those that wait.

    growing: whether new messages are folded. rows: the values of one message after those of the other: envelope, body,
    number, failures (NEW for none).
    """

    __slots__ = ("growing", "rows", "_dead", "_index", "_place", "_root")

    def __init__(self, root: Entry, index: Index) -> None:
        self._root = root
        self._index = index
        self.growing = False
        self.rows: deque[Any] = deque()
        self._dead = 0  # rows whose entry is gone
        self._place = 0  # of the last entry before the rows

    def __len__(self) -> int:
        return len(self.rows) // _WIDTH

    def begin(self, place: int) -> None:
        """New messages are folded from now on; the last one before them has this place."""
        self.growing = True
        self._place = place

    def clear(self) -> None:
        """All messages are gone."""
        self.growing = False
        self.rows.clear()
        self._dead = 0

    def add_entry(self, entry: Entry) -> None:
        """A message with a deadline. Until it is unfolded its entry has itself for neighbours."""
        entry.before = entry.after = entry
        self.rows.extend((entry, None, 0, _ENTRY))

    def lose(self, entry: Entry) -> None:
        """`entry`, which stands in a row, is gone. Many of them are not kept until their turn comes."""
        self._dead += 1
        if self._dead > len(self) // 2 + UNFOLDED:
            rows, self.rows, self._dead = self.rows, deque(), 0
            for row in zip(*[iter(rows)] * _WIDTH):
                if row[3] != _ENTRY or row[0].state != GONE:
                    self.rows.extend(row)

    # -- reading the queue

    def stands(self, spot: Spot) -> Entry:
        """The entry that those at `spot` are to see next; the root at the end of the queue."""
        entry: Entry = settled(spot).entry
        if entry is self._root and self.growing and self.unfold():
            entry = settled(spot).entry
        return entry

    def after(self, entry: Entry) -> Entry:
        """The entry that follows `entry`, or the root with the first one; the root at the end of the queue."""
        if entry.after is self._root and self.growing:
            self.unfold()
        return entry.after

    def show(self, browser: Browser) -> bool:
        """Deliver to `browser` from its spot on, as far as its credit goes. Returns whether there is more."""
        spot, root, selection, looks = browser.spot, self._root, browser.selection, LOOKS
        entry = root if spot is None else self.stands(spot)
        while entry is not root and browser.credit > 0 and looks:
            following = self.after(entry)
            if entry.state == WAITING:
                looks -= 1
                if selection is None or selection.selects(entry):
                    browser.credit -= 1
                    browser.deliver(entry)
            entry = following
        browser.spot = spot_before(entry)
        return entry is not root

    def entries(self) -> Iterator[Entry]:
        """Each entry of the queue, in order. To be left before the queue is changed."""
        entry = self.after(self._root)
        while entry is not self._root:
            yield entry
            entry = self.after(entry)

    def unfold(self) -> bool:
        """Append entries for the next messages to the list, and to those that wait. False: there are none, the end of
        the list is that of the queue, and nothing is folded any more."""
        root, fresh = self._root, self._index.fresh
        before, place = root.before, self._place
        take = self.rows.popleft
        left = min(UNFOLDED, len(self) - self._dead)
        while left:
            envelope, body, number, failures = take(), take(), take(), take()
            if failures == _ENTRY:
                entry = envelope
                if entry.state == GONE:
                    self._dead -= 1
                    continue
            else:
                entry = Entry(0, envelope, body, 0.0, number)
                if failures != NEW:
                    entry.again(failures)
            left -= 1
            entry.place = place = place + 1
            last = entry.before = root.before
            entry.after = root
            last.after = root.before = entry
            if root.spot is not None:
                move(root.spot, entry)
            fresh.append(entry)
        self._place = place
        if len(self) == self._dead:
            self.clear()
        return root.before is not before
