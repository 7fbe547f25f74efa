"""Duplicates: a mix-in for handlers whose `on_message` is to see each message once.

Delivery at least once means that a message may come twice: after a loss the sender sends it again, or the broker does.
The mix-in remembers the ids of messages that were accepted, for a time. It knows deliveries by their outcomes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from reactor import ACCEPTED, Event, Handler
from reactor.engine.endpoints.delivery import OPEN, PRE_SETTLED
from reactor.engine.endpoints.receiver import check_count

from .messaging import MessagingHandler

if TYPE_CHECKING:
    from reactor.codec.types import AnyValue


class DuplicateFilter(Handler):
    """Mix-in: ``class Orders(DuplicateFilter, MessagingHandler)``. `on_message` is not called for a message with the id
    of one that the same receiver has taken a while ago: it is accepted, and `on_duplicate` is called instead.

    A message that was rejected, released or modified, or was lost with its connection before it had an outcome, comes
    again to `on_message`. A second copy of one that has no outcome yet is accepted as well: the first one comes again
    if it is given back. A message without an id always comes.

    duplicate_count: the most ids that are remembered for each receiver (10,000). ValueError for what is no number from
        1 on, when the handler is made or its receiver.
    duplicate_seconds: for how long (600). ValueError for what is no time.
    duplicates: how many messages were kept away.
    """

    duplicate_count: int = 10_000
    duplicate_seconds: float = 600.0
    duplicates: int = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        order = [base for base in cls.__mro__ if base in (DuplicateFilter, MessagingHandler)]
        if order[-1] is DuplicateFilter and len(order) > 1:
            text = "%s: DuplicateFilter stands before the handler that it filters for: class %s(DuplicateFilter, ...)"
            raise TypeError(text % (cls.__name__, cls.__name__))

    def __init__(self, *args: AnyValue, **kwargs: AnyValue) -> None:
        super().__init__(*args, **kwargs)
        _check(self)
        self.handlers.insert(0, _Installer(self))

    def on_duplicate(self, event: Event) -> None:
        """A message came again (`event.message`), and was accepted."""


class _Installer(Handler):
    """Gives each receiver a memory of its own."""

    def __init__(self, owner: DuplicateFilter) -> None:
        self.owner = owner

    def on_link_local_open(self, event: Event) -> None:
        link: Any = event.link
        if link.is_receiver:
            memory = Memory(self.owner)
            before = link.screen
            link.screen = memory.admits if before is None else lambda event: before(event) and memory.admits(event)


class Memory:
    """The ids of one receiver's messages, with their deliveries: the oldest first."""

    def __init__(self, owner: DuplicateFilter) -> None:
        _check(owner)  # what a subclass has set since it was made
        self.owner = owner
        self._seen: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def admits(self, event: Any) -> bool:
        """Whether `on_message` is called with the event."""
        identity = event.message.id
        if identity is None:
            return True
        now = event.container.now
        self._forget(now - self.owner.duplicate_seconds)
        before = self._seen.get(identity)
        delivery = event.delivery
        if before is None or not _stands(before[1]):
            self._seen[identity] = (now, delivery)
            self._seen.move_to_end(identity)
            if len(self._seen) > self.owner.duplicate_count:
                self._seen.popitem(last=False)
            return True
        self.owner.duplicates += 1
        if not delivery.fate and delivery.link.acknowledger is None:
            delivery.accept()  # else in its transaction, or together with others
        self.owner.on_duplicate(event)
        return False

    def _forget(self, moment: float) -> None:
        """Those that came before `moment`."""
        seen = self._seen
        while seen and next(iter(seen.values()))[0] < moment:
            seen.popitem(last=False)


def _check(owner: DuplicateFilter) -> None:
    if check_count("duplicate_count", owner.duplicate_count) == 0:
        raise ValueError("duplicate_count is 0: no duplicate would be found")
    seconds: Any = owner.duplicate_seconds
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValueError("duplicate_seconds is a number of seconds above 0, not %r" % (seconds,))


def _stands(delivery: Any) -> bool:
    """Whether a delivery was accepted, or may still be: it has no outcome yet. If that turns out to be another one, it
    comes again by itself: a second copy of it need not wait."""
    return delivery.local_state is ACCEPTED or delivery.fate in (OPEN, PRE_SETTLED)
