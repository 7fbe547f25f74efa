"""A message in a queue, as plain data."""

from __future__ import annotations

from itertools import count
from typing import Any, Optional

from handlers.broker.nodes.browsing import Spot

WAITING, ACQUIRED, GONE, DELAYED = range(4)
"""States of an entry: to be had, in the hands of a consumer, no longer in the queue, to be had later."""

ACKNOWLEDGED, REJECTED, EXPIRED, REMOVED, DISPLACED, EXHAUSTED, REPLACED = range(7)
"""Why an entry left its queue: accepted, rejected, beyond its time, removed by an administrator, dropped to make room,
failed too often, followed by a newer one of its value. Indexes into `Queue.outcomes`."""

ENTRY_COST = 600
"""Bytes that an entry costs beside its body, with a header of its own. Counted, so that a flood of empty messages is
bounded too."""


MOST_REFUSERS = 32
"""How many consumers a message remembers. Where more of those that are there have refused it, it waits for new ones."""

serials = count(1)
"""Numbers of consumers, and of the bars that messages have for all that were there before."""


class Entry:
    """One message in one queue. A topic's copies share envelope and body, so a copy costs only this."""

    __slots__ = (
        "place", "envelope", "body", "expires", "size", "before", "after",
        "state", "delivery_count", "redelivered", "overdue", "refused", "bar", "grown", "spot", "aside", "number",
    )  # fmt: skip

    before: Entry
    after: Entry

    def __init__(self, place: int, envelope: Any, body: bytes, expires: float, number: int = 0) -> None:
        self.place = place
        self.envelope = envelope
        self.body = body
        self.expires = expires
        self.size = len(body) + ENTRY_COST
        self.number = number  # in the store; 0: in memory alone
        self.state = WAITING
        self.delivery_count = 0
        self.redelivered = False  # it was acquired before: no longer first-acquirer [3.2.1]
        self.grown = 0  # bytes that outcomes have added
        self.overdue = False  # its time ran out while a consumer held it
        self.refused: Optional[set[int]] = None  # serials of the consumers that must not get it again
        self.bar = 0  # nor may those of this serial and below
        self.spot: Optional[Spot] = None  # of the browsers that are to see it next
        self.aside = False  # taken by a view, while an index of the queue still has it, which has to pass it over

    def again(self, failures: int) -> None:
        """It may have been delivered before a restart, and failed so often: it is no first delivery."""
        self.redelivered = True
        self.delivery_count = failures

    def refuse(self, serial: int, present: set[int]) -> None:
        """The consumer of this number must not get it again. present: the numbers of all that are there."""
        if self.bar:
            self.bar = next(serials)
            return
        if self.refused is None:
            self.refused = set()
        self.refused.add(serial)
        if len(self.refused) > MOST_REFUSERS:
            self.refused &= present
            if len(self.refused) > MOST_REFUSERS:
                self.bar = next(serials)
                self.refused = None

    @property
    def plainly_waits(self) -> bool:
        """Whether every consumer may have it."""
        return self.state == WAITING and not self.refused and not self.bar

    def may_go_to(self, serial: int) -> bool:
        """Whether the consumer of this number has not refused it."""
        return not (self.refused and serial in self.refused) and self.bar < serial
