"""The loop: one turn waits for the network and the clock, and calls the watchers that are ready.

The container enters, and drivers. It knows a clock, a network and timers, and no engine: it never looks into
the bytes. Nothing here runs a handler; a watcher or a timer puts an event into a queue and returns.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING
from reactor.loop.clock import MonotonicClock
from reactor.loop.sockets import SocketNetwork
from reactor.loop.timers import Timer, Timers

if TYPE_CHECKING:
    from typing import Callable, Protocol

    from reactor.loop.interface import Clock, Network, Watchable, Watcher

    class Closable(Watcher, Protocol):
        """A watcher that the loop closes with itself."""

        def close(self) -> None: ...


class Watchers(dict["Closable", None]):
    """A set that keeps the order in which watchers came, so that a run can be repeated."""

    __slots__ = ()

    def add(self, watcher: Closable) -> None:
        """It is at work."""
        self[watcher] = None

    def discard(self, watcher: Closable) -> None:
        """It has finished. Harmless when repeated."""
        self.pop(watcher, None)


class Loop:
    """Turns, timers, and the watchers that are still at work.

    clock: the monotonic clock of the system by default.
    network: the sockets of the system by default.
    busy_poll: of these; see `busy_poll.BusyPoller`.
    now: the time of this turn, read once when `wait` returned; for the exact time ask `clock`.
    watchers: the drivers, of wires and of listeners, that have not finished; they add and discard themselves.
    """

    __slots__ = ("clock", "network", "timers", "now", "watchers")

    def __init__(
        self, clock: Clock | None = None, network: Network | None = None, busy_poll: float = 0.0
    ) -> None:
        self.clock: Clock = MonotonicClock() if clock is None else clock
        self.network: Network = SocketNetwork(self.clock, busy_poll=busy_poll) if network is None else network
        self.timers = Timers()
        self.now = self.clock.now()
        self.watchers = Watchers()

    @property
    def busy(self) -> bool:
        """Whether anything is left that can ever happen by itself: a watcher at work, or a timer."""
        return True if self.watchers else len(self.timers) > 0

    def schedule(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` called by a later turn, `delay` seconds from now (0: by the next turn)."""
        return self.timers.schedule(self.clock.now() + max(0.0, delay), callback)

    def watch(self, thing: Watchable, interest: int, watcher: Watcher) -> None:
        """Network.watch, said shortly."""
        self.network.watch(thing, interest, watcher)

    def unwatch(self, thing: Watchable) -> None:
        """Network.unwatch, said shortly."""
        self.network.unwatch(thing)

    def turn(self, timeout: float | None = None) -> bool:
        """One turn: wait, call the watchers that are ready, run the timers that are due.

        timeout: seconds to wait for at most, 0 to look only, None until something happens; a timer that is due
        earlier ends the wait. Returns whether anything was called. An exception of a watcher or a timer leaves the
        turn at once; watchers that were not called are called by the next one.
        """
        timers = self.timers
        planned = bool(timers.heap)
        if planned and timeout != 0:
            deadline = timers.deadline()
            if deadline is not None:
                left = deadline - self.clock.now()
                if left < 0.0:
                    left = 0.0
                if timeout is None or left < timeout:
                    timeout = left
        ready = self.network.wait(timeout)
        self.now = now = self.clock.now()
        for watcher, mask in ready:
            watcher.ready(mask)
        ran = timers.run(now) if planned else 0
        return True if ready else ran > 0

    def wake(self) -> None:
        """End the wait of this turn, or of the next one. From any thread, and from a signal handler."""
        self.network.wake()

    def close(self) -> None:
        """Close every watcher at once, cancel every timer, close the network. Nothing more happens."""
        for watcher in list(self.watchers):
            watcher.close()
        self.timers.clear()
        self.network.close()
