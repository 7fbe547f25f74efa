"""Busy polling: to look again for a moment, with the processor left to others, before going to sleep.

The network enters. To sleep and to be woken is most of a round trip, and where the peer answers at once it is for
nothing. It knows a poller, the time and one call of the system.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING
from reactor.system import HERE

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from reactor.loop.interface import Watcher
    from reactor.loop.poller import Poller

#: Seconds to look again, by default: within these the answer of a peer on this machine comes, or on a fast network.
BUSY_POLL = 0.0001

give_way: Optional[Callable[[], object]] = HERE.give_way

#: A look lasts so many times that long, at most: a peer that sleeps itself answers later than one that does not.
_LONGEST = 2.0
#: How often that time can be saved up: so many answers may be late in a row.
_SAVINGS = 10.0
#: How often that time can be owed: a program that was stopped in the middle of a look does not pay for hours.
_DEBT = 40.0
#: What a short wait without a look earns, in seconds.
_WAGE = 0.000001


class BusyPoller:
    """A poller that looks again, for at most twice `seconds`, where the wait before was short.

    It keeps an account of the time. A look costs what it takes, the time that others had the processor for included,
    and one that finds something earns `seconds`. It looks while the balance is not negative; a short wait without one
    earns a microsecond. So looking in vain costs next to nothing, and one late answer among many changes nothing.
    """

    __slots__ = (
        "_balance", "_longest", "_now", "_poller", "_seconds", "_short", "_yield",
        "fileno", "unwatch", "watch", "watched",
    )  # fmt: skip

    def __init__(
        self, poller: Poller, seconds: float, now: Callable[[], float], give_way: Callable[[], object]
    ) -> None:
        self._poller = poller
        self._seconds = seconds
        self._longest = _LONGEST * seconds
        self._now = now
        self._yield = give_way
        self._short = False  # the wait before
        self._balance = 0.0  # seconds
        self.watch, self.unwatch, self.watched = poller.watch, poller.unwatch, poller.watched
        self.fileno = poller.fileno

    def wait(self, timeout: float) -> list[tuple[Watcher, int]]:
        wait = self._poller.wait
        if timeout <= 0:
            return wait(timeout)
        began = now = self._now()
        looks = self._short and self._balance >= 0.0
        if looks:
            until = began + min(timeout, self._longest)
            while True:
                ready = wait(0)
                if ready or now >= until:
                    break
                self._yield()
                now = self._now()
            self._balance = max(self._balance - (now - began), -_DEBT * self._seconds)
            if ready:
                self._balance = min(self._balance + self._seconds, _SAVINGS * self._seconds)
                return ready
            timeout = max(0.0, timeout - (now - began))
        ready = wait(timeout)
        self._short = self._now() - began <= self._longest
        if self._short and not looks:
            self._balance += _WAGE
        return ready

    def close(self) -> None:
        self._poller.close()


def busily(poller: Poller, seconds: float, now: Callable[[], float]) -> Any:
    """The poller, with `seconds` of looking again; as it is for 0 seconds, and where the system has no such call."""
    return BusyPoller(poller, seconds, now, give_way) if seconds and give_way is not None else poller
