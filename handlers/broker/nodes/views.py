"""Views: the messages of a queue for consumers that select.

A Queue enters, and owns them. All consumers with the same selection share one view, so a message is looked at once for
each selection and not once for each consumer. A view reads the queue as a browser does, from its head on to its end,
and then each newcomer; messages that come back behind its place are looked at again and kept in their order. Nothing
is read before a consumer with credit waits for it.

To read a long queue in vain takes time that others wait for, so a view rests after LOOKS of them: a consumer is asked
to wake it (`Consumer.rest`).
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Any, Optional, Protocol

from handlers.broker.nodes.backlog import Backlog
from handlers.broker.nodes.browsing import LOOKS, Spot, settled, spot_before
from handlers.broker.nodes.consumer import Consumer
from handlers.broker.nodes.entry import MOST_REFUSERS, Entry
from handlers.broker.nodes.index import Index, by_place
from handlers.broker.nodes.picky import Picky
from handlers.broker.nodes.turns import tiers_of


class Readable(Protocol):
    """A queue, as a view needs it. root: before the first entry and behind the last one. backlog: the rest."""

    index: Index
    root: Entry
    @property
    def waiting(self) -> int: ...
    backlog: Backlog

    def pick(self, entry: Entry) -> None:
        """`entry` is taken."""


class View:
    """The messages of one queue that one selection selects.

    ring: its consumers with credit, the next in turn first. members: all of them. resting: whether it has stopped
    before the end of the queue.
    """

    __slots__ = (
        "queue", "selection", "members", "ring", "resting", "_key", "_spot", "_places", "_back", "_picky", "_looks",
    )  # fmt: skip

    def __init__(self, queue: Readable, selection: Any) -> None:
        self.queue = queue
        self.selection = selection
        self.members = 0
        self.ring: Any = deque()  # or Tiers, where consumers have priorities
        self._key = queue.index.key
        self.resting = False
        self._spot: Spot = spot_before(queue.root.after)
        self._places: list[int] = []  # a heap: selected messages that came back, by key ...
        self._back: dict[int, Entry] = {}  # ... and these
        self._picky = Picky(self._key)  # of these, those that some consumers must not get again
        self._looks = 0

    def returned(self, entry: Entry, refuser: Optional[Consumer] = None) -> None:
        """`entry` waits again. It may stand where the view has been."""
        stands = settled(self._spot).entry
        if stands is not self.queue.root and entry.place >= stands.place:
            return  # the view will come to it
        if self.selection.selects(entry):
            self._keep(entry, refuser if refuser is not None and refuser.view is self else None)

    def taken(self, entry: Entry) -> None:
        """`entry`, which some consumers must not get again, waits no more."""
        if entry in self._picky:
            self._picky.remove(entry)

    def pump(self) -> None:
        """Serve the consumers in turn until credit or messages have run out, or it is time to rest."""
        self._looks = LOOKS
        self._serve()
        rested, self.resting = self.resting, bool(self.ring) and not self._looks
        if self.resting:
            self.ring[0].rest()
        elif rested:
            for consumer in list(self.ring):
                consumer.idle()

    def _serve(self) -> None:
        for tier in tiers_of(self.ring):
            self._serve_tier(tier)

    def _serve_tier(self, ring: deque[Consumer]) -> None:
        unlucky, most = 0, min(len(ring), MOST_REFUSERS + 1)  # as of the queue's own
        while ring and unlucky < most:
            consumer = ring[0]
            entry = self._oldest_for(consumer)
            if entry is None:
                if not self._looks or not self._picky:
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
            self.queue.pick(entry)
            consumer.deliver(entry)

    def _oldest_for(self, consumer: Consumer) -> Optional[Entry]:
        """The oldest waiting entry that is selected and that `consumer` may have; None also when it is time to rest."""
        places, back = self._places, self._back
        ahead = self._key is not by_place
        if ahead and self._read_on(None) is None and not self._looks:
            return None  # the first in order may be the last in the queue
        while places and not back[places[0]].plainly_waits:  # another has it, or it is gone, or has become picky
            del back[heappop(places)]
        picked: Optional[Entry] = self._picky.oldest_for(consumer) if self._picky else None
        if places and (picked is None or places[0] < self._key(picked)):
            return back.pop(heappop(places))
        if picked is not None:
            return picked
        return None if ahead else self._read_on(consumer)

    def _read_on(self, consumer: Optional[Consumer]) -> Optional[Entry]:
        """The next entry in the queue that is selected and that `consumer` may have. None: all are kept for later."""
        root, backlog, selects = self.queue.root, self.queue.backlog, self.selection.selects
        entry = backlog.stands(self._spot)
        found = None
        while entry is not root and found is None and self._looks:
            here, entry = entry, entry.after
            if entry is root and backlog.growing and backlog.unfold():
                entry = here.after
            if here.state:
                continue
            self._looks -= 1
            if not selects(here):
                continue
            if consumer is not None and here.may_go_to(consumer.serial):
                found = here
            else:
                self._keep(here, None)
        self._spot = spot_before(entry)
        if root is entry:
            self._looks = max(self._looks, 1)  # there is no more: nothing to come back for
        return found

    def _keep(self, entry: Entry, refuser: Optional[Consumer]) -> None:
        if entry.refused or entry.bar:
            self._picky.add(entry, refuser)
            return
        key = self._key(entry)
        if key not in self._back:
            self._back[key] = entry
            heappush(self._places, key)
            if len(self._places) > 2 * self.queue.waiting + LOOKS:  # most are with other consumers, or gone
                self._back = {key: entry for key, entry in self._back.items() if entry.plainly_waits}
                self._places = sorted(self._back)
