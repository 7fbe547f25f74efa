"""Queues of deliveries that most links and channels never use: a deque takes 760 bytes, and there may be thousands of
connections.

Links and channels begin with a queue that all of them share, and that stays empty. A delivery that is put into it makes
a deque of its owner's own. It knows how the queues are called, and nothing else of their owners.
"""

from __future__ import annotations

from collections import deque

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable


class Unused(deque["Any"]):
    """A queue that nothing was put into. begin: called with the first delivery and the deque that its owner gets."""

    __slots__ = ("begin",)

    def __init__(self, begin: Callable[[Any, deque[Any]], None]) -> None:
        super().__init__()
        self.begin = begin

    def append(self, delivery: Any) -> None:
        """The owner's queue begins with `delivery`."""
        self.begin(delivery, deque((delivery,)))

    def extend(self, deliveries: Iterable[Any]) -> None:
        """The owner's queue begins with `deliveries`, if there are any."""
        made = deque(deliveries)
        if made:
            self.begin(made[0], made)

    def extendleft(self, deliveries: Iterable[Any]) -> None:
        """As `extend`, the last one first."""
        self.extend(reversed(tuple(deliveries)))


def _begin_pending(delivery: Any, queue: deque[Any]) -> None:
    delivery.link.pending = queue


def _begin_waiting(delivery: Any, queue: deque[Any]) -> None:
    delivery.link.waiting = queue


def _begin_incoming(delivery: Any, queue: deque[Any]) -> None:
    delivery.link.incoming = queue


def _begin_outgoing(delivery: Any, queue: deque[Any]) -> None:
    delivery.link.channel.outgoing.queue = queue


class _Nothing(dict["Any", "Any"]):
    """In place of a dict that most never need: it is replaced before something is put in."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("this dict stays empty: it is that of all")


#: For owners that do `self.those = self.those or {}` before they put anything in.
NOTHING = _Nothing()

#: Of senders: `pending` and `waiting`. Of receivers: `incoming`. Of the outgoing windows of channels: `queue`.
NONE_PENDING, NONE_WAITING, NONE_INCOMING, NONE_OUTGOING = map(
    Unused, (_begin_pending, _begin_waiting, _begin_incoming, _begin_outgoing)
)
