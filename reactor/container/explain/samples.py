"""Samples: since when a link stands as it stands.

The engine keeps no times, because that would cost something with each message. So a look at all links is kept, with its
time; a later look that finds the same numbers knows that nothing has moved since. Two `explain()` make two looks, and
a container that listens for questions makes one each second. It knows links by their counters.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary, ref

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Optional


class Samples:
    """The last looks at the links of a container."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Any, tuple[tuple[Any, ...], float]] = WeakKeyDictionary()

    def take(self, links: Iterable[Any], now: float) -> None:
        """Look at these links; those that are not among them are forgotten."""
        before, self._seen = self._seen, WeakKeyDictionary()
        for link in links:
            state = _state_of(link)
            known = before.get(link)
            self._seen[link] = known if known is not None and known[0] == state else (state, now)

    def since(self, link: Any) -> Optional[float]:
        """The time of the first look that has found the link as it is now; None: there was none."""
        known = self._seen.get(link)
        return None if known is None or known[0] != _state_of(link) else known[1]


def _state_of(link: Any) -> tuple[Any, ...]:
    """Numbers that change with all that moves over a link, and with its wire."""
    oldest = next(iter(link.unsettled_deliveries), None) if link.unsettled else None
    wire = None if link.transport is None else ref(link.transport)
    first = None if oldest is None else (oldest.id, oldest.tag_bytes)
    return wire, link.state, link.delivery_count, link.wire_credit, link.unsettled, link.queued, first
