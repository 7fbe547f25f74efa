"""Busy polling: to look again for a moment, with the processor left to others, before going to sleep.

The network enters. To sleep and to be woken is most of a round trip, and where the peer answers at once it is for
nothing. It knows a poller, the time and one call of the system.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from reactor.loop.interface import Watcher
from reactor.loop.poller import Poller
from reactor.system import HERE

#: Seconds to look again, by default: within these the answer of a peer on this machine comes, or on a fast network.
BUSY_POLL = 0.0001

give_way: Optional[Callable[[], object]] = HERE.give_way

#: A wait is short when it took at most so many times as long as one looks: then the next may be shorter.
_SHORT = 2.0
#: How many waits may have to be short, after failures in a row, before one looks again.
_MOST_NEEDED = 64
#: The same once others had the processor for longer than one looks: getting it back may take some milliseconds.
_OTHERS_NEEDED = 4096


class BusyPoller:
    """A poller that looks again, for at most `seconds`, where the wait before was short.

    When nothing comes in that time it sleeps, as any other does, and looks again after a short wait, after two, four,
    up to 64 with each failure, and after half as many with each success: who is never in time costs next to nothing.
    Where others have the processor for longer than that time, it is needed elsewhere: 4,096.
    """

    __slots__ = ("_needed", "_now", "_poller", "_seconds", "_short", "_yield", "fileno", "unwatch", "watch", "watched")

    def __init__(
        self, poller: Poller, seconds: float, now: Callable[[], float], give_way: Callable[[], object]
    ) -> None:
        self._poller = poller
        self._seconds = seconds
        self._now = now
        self._yield = give_way
        self._short = 0  # waits in a row that were short, since one looked in vain
        self._needed = 1  # so many, before one looks again
        self.watch, self.unwatch, self.watched = poller.watch, poller.unwatch, poller.watched
        self.fileno = poller.fileno

    def wait(self, timeout: float) -> list[tuple[Watcher, int]]:
        wait = self._poller.wait
        if timeout <= 0:
            return wait(timeout)
        began = self._now()
        if self._short >= self._needed:
            now = began
            until = began + min(timeout, self._seconds)
            while True:
                ready = wait(0)
                if ready:
                    self._needed = max(1, self._needed // 2)
                    return ready
                before = now
                self._yield()
                now = self._now()
                if now >= until:
                    break
            self._short = 0
            if now - before >= self._seconds:
                self._needed = _OTHERS_NEEDED
            else:
                self._needed = max(self._needed, min(2 * self._needed, _MOST_NEEDED))
            timeout = max(0.0, timeout - (now - began))
        ready = wait(timeout)
        if self._now() - began <= _SHORT * self._seconds:
            self._short += 1
        else:
            self._short = 0
        return ready

    def close(self) -> None:
        self._poller.close()


def busily(poller: Poller, seconds: float, now: Callable[[], float]) -> Any:
    """The poller, with `seconds` of looking again; as it is for 0 seconds, and where the system has no such call."""
    return BusyPoller(poller, seconds, now, give_way) if seconds and give_way is not None else poller
