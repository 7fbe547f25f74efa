"""Message groups: those of one group-id go to one consumer, while it lives.

A Queue enters, by its index, where its policy says so. A group has its own heap of waiting messages. Those without an
owner stand in one heap by their first message, those with one in a heap for each consumer; so a message costs the
logarithm of what waits, and a consumer that goes the same for each of its groups. Messages without a group-id are free.

A message that its owner must not get again has left its group, and goes to another (picky.py). Consumers that select
do not own groups: they get what they select.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import Callable, Optional

from handlers.broker.nodes.consumer import Consumer
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.envelope import group_of
from handlers.broker.nodes.index import Index
from handlers.broker.nodes.ranking import Door

MOST_GROUPS = 100_000
"""Groups without a waiting message that keep their owner: beyond that, those that were first known are forgotten."""

_serials = count()


class Group:
    """The waiting messages of one group-id. owner: the consumer that gets them. row: the key under which it stands in a
    heap of groups, None if it stands in none."""

    __slots__ = ("name", "waiting", "owner", "row", "serial")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[tuple[int, Entry]] = []
        self.owner: Optional[Consumer] = None
        self.row: Optional[int] = None
        self.serial = next(_serials)


_Rows = list[tuple[int, int, Group]]


class GroupIndex(Index):
    """An index by groups, and in each by `key`. `returned` has the free messages."""

    __slots__ = ("calls", "groups", "_heads", "_idle", "_owned", "_rows")
    grouped = True

    def __init__(self, key: Callable[[Entry], int]) -> None:
        super().__init__(key)
        self.fresh = Door(self)
        self.groups: dict[str, Group] = {}
        self._heads: _Rows = []  # of groups without an owner
        self._owned: dict[Consumer, tuple[dict[Group, None], _Rows]] = {}
        self._idle: dict[Group, None] = {}  # with an owner, and nothing that waits
        self.calls = {}
        self._rows = 0  # entries in all heaps

    # -- messages come

    def add(self, entry: Entry) -> None:
        """A new entry waits."""
        self.put_back(entry)

    def put_back(self, entry: Entry) -> None:
        """`entry` waits, for the owner of its group or for any consumer."""
        name = group_of(entry.body)
        self._rows += 1
        if name is None:
            heappush(self.returned, (self.key(entry), entry))
            return
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(name)
        heappush(group.waiting, (self.key(entry), entry))
        self._idle.pop(group, None)
        self._stand(group)
        if group.owner is not None:
            self.calls[group.owner] = None

    def give_back(self, entry: Entry, refuser: Optional[Consumer] = None) -> None:
        """As Index.give_back."""
        aside = entry.aside
        super().give_back(entry, refuser)
        name = group_of(entry.body) if aside else None  # it was not put back: it has never left its heap
        group = self.groups.get(name) if name is not None else None
        if group is not None and group.owner is not None:
            self.calls[group.owner] = None

    # -- messages go

    def take(self, consumer: Consumer) -> Optional[Entry]:
        """As Index.take: of its own groups, of those without an owner, or a free one."""
        self._clean(self.returned)
        best, key = None, float("inf")
        rows = None if consumer not in self._owned else self._owned[consumer][1]
        for heap in (rows, self._heads):
            if heap and self._settled(heap) and heap[0][0] < key:
                best, key = heap, heap[0][0]
        if self.picky:
            refused: Optional[Entry] = self.picky.oldest_for(consumer)
            if refused is not None and self.key(refused) < key:
                if not (self.returned and self.returned[0][0] < self.key(refused)):
                    self.unpick(refused)
                    return refused
        if self.returned and self.returned[0][0] < key:
            self._rows -= 1
            return heappop(self.returned)[1]
        return None if best is None else self._first_of(best, consumer)

    def left(self, consumer: Consumer) -> None:
        """`consumer` is gone: its groups are for others."""
        groups, _ = self._owned.pop(consumer, ({}, []))
        self.calls.pop(consumer, None)
        for group in groups:
            group.owner = group.row = None
            self._idle.pop(group, None)
            self._clean(group.waiting)
            if group.waiting:
                self._stand(group)
            else:
                self.groups.pop(group.name, None)

    def sweep(self) -> None:
        """As Index.sweep."""
        if self.stale <= max(self._rows - self.stale, 100):
            return
        for heap in (self.returned, *(group.waiting for group in self.groups.values())):
            kept = [row for row in heap if not row[1].state and not row[1].aside]
            for _, entry in heap:
                entry.aside = False
            heap[:] = kept
            heapify(heap)
        self._rows -= self.stale
        self.stale = 0
        for group in list(self.groups.values()):
            if not group.waiting and group.owner is None:
                group.row = None
                del self.groups[group.name]
        self._heads = [row for row in self._heads if row[2].row == row[0]]
        heapify(self._heads)

    # -- inside

    def _stand(self, group: Group) -> None:
        """Have the group in its heap, by its first message. An older row of it there is passed over."""
        first = group.waiting[0][0]
        if group.row is None or first < group.row:
            group.row = first
            heap = self._heads if group.owner is None else self._owned[group.owner][1]
            heappush(heap, (first, group.serial, group))

    def _settled(self, heap: _Rows) -> bool:
        """Have the first row of a heap of groups be true. False: it is empty."""
        mine = heap is not self._heads
        while heap:
            key, _, group = heap[0]
            if group.row != key or (group.owner is not None) != mine:
                heappop(heap)
                continue
            self._clean(group.waiting)
            if not group.waiting:
                heappop(heap)
                group.row = None
                self._rest(group)
                continue
            first = group.waiting[0][0]
            if first == key:
                return True
            group.row = first
            heapreplace(heap, (first, group.serial, group))
        return False

    def _first_of(self, heap: _Rows, consumer: Consumer) -> Entry:
        group = heappop(heap)[2]
        entry = heappop(group.waiting)[1]
        self._rows -= 1
        group.row = None
        if group.owner is None:
            group.owner = consumer
            self._owned.setdefault(consumer, ({}, []))[0][group] = None
        if group.waiting:
            self._stand(group)
            self.calls[consumer] = None  # there is more for it alone
        else:
            self._rest(group)
        return entry

    def _rest(self, group: Group) -> None:
        """Nothing of the group waits."""
        if group.owner is None:
            self.groups.pop(group.name, None)
            return
        self._idle[group] = None
        if len(self._idle) > MOST_GROUPS:
            oldest = next(iter(self._idle))
            del self._idle[oldest], self.groups[oldest.name]
            if oldest.owner is not None:
                del self._owned[oldest.owner][0][oldest]

    def _clean(self, heap: list[tuple[int, Entry]]) -> None:
        """Have the first row of a heap of entries be one that waits."""
        while heap and (heap[0][1].state or heap[0][1].aside):
            heappop(heap)[1].aside = False
            self.stale -= 1
            self._rows -= 1
