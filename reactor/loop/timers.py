"""Calls in the future: a heap of timers.

The loop enters, and through it every room that schedules. It knows no clock: it is given the time.
"""

from __future__ import annotations

import heapq

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable


class Timer:
    """One call in the future.

    at: when, in seconds of the clock.
    """

    __slots__ = ("at", "_callback", "_timers")

    def __init__(self, at: float, callback: Callable[[], object], timers: Timers) -> None:
        self.at = at
        self._callback: Callable[[], object] | None = callback
        self._timers = timers

    @property
    def pending(self) -> bool:
        """Whether it will still happen: neither done nor cancelled."""
        return self._callback is not None

    def cancel(self) -> None:
        """It will not happen. Harmless when it has happened, or was cancelled before."""
        if self._callback is not None:
            self._callback = None
            self._timers.forget()

    def run(self) -> None:
        """Make it happen now, once."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def __repr__(self) -> str:
        return f"<Timer at {self.at:.3f}{'' if self.pending else ', over'}>"


class Timers:
    """The timers that are due at some time, the earliest first; those due at the same time in the order in
    which they were scheduled. `len()` counts those that are pending.

    heap: of them all, and of cancelled ones: when it is empty there is no deadline to ask for.
    """

    __slots__ = ("heap", "_made", "_cancelled")

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Timer]] = []  # compared in C; no two numbers are equal
        self._made = 0
        self._cancelled = 0  # of those in the heap

    def __len__(self) -> int:
        return len(self.heap) - self._cancelled

    def schedule(self, at: float, callback: Callable[[], object]) -> Timer:
        """Have `callback` called at `at`, in seconds of the clock."""
        timer = Timer(at, callback, self)
        self._made += 1
        heapq.heappush(self.heap, (at, self._made, timer))
        return timer

    def deadline(self) -> float | None:
        """When the next timer is due; None: nothing is planned."""
        heap = self.heap
        while heap:
            at, _, timer = heap[0]
            if timer.pending:
                return at
            heapq.heappop(heap)
            self._cancelled -= 1
        return None

    def run(self, now: float) -> int:
        """Call the timers that are due at `now`, and count them.

        A timer that is scheduled meanwhile waits for the next time even if due: one that schedules itself at once
        must not starve the network. When a timer raises, those behind it stay and are due the next time.
        """
        heap = self.heap
        last = self._made
        count = 0
        while heap and heap[0][0] <= now and heap[0][1] <= last:
            timer = heapq.heappop(heap)[2]
            if timer.pending:
                count += 1
                timer.run()
            else:
                self._cancelled -= 1
        return count

    def forget(self) -> None:
        """A timer in the heap was cancelled. Time-outs are nearly all cancelled long before they are due: once
        those are the greater part they are swept out, at a constant cost for each."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self.heap):
            self.heap[:] = [entry for entry in self.heap if entry[2].pending]
            heapq.heapify(self.heap)
            self._cancelled = 0

    def clear(self) -> None:
        """Cancel everything."""
        for _, _, timer in list(self.heap):
            timer.cancel()
