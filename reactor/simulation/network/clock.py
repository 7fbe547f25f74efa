"""Time that passes only when a test moves it.

The simulated network and tests enter. It knows nothing.
"""

from __future__ import annotations

EPOCH = 1e9
"""The date at the reading 0, in seconds since 1970."""


class VirtualClock:
    """A clock for tests: seconds that stand still until they are moved.

    start: the first reading. It is not 0, because a deadline of 0 means "none" in the engine.
    """

    __slots__ = ("_now",)

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start

    def now(self) -> float:
        """The seconds of the simulation."""
        return self._now

    def today(self) -> float:
        """The date of the simulation, as seconds since 1970: some day in 2001."""
        return EPOCH + self._now

    def advance(self, seconds: float) -> None:
        """Let time pass. ValueError when it would go back."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self._now += seconds

    def advance_to(self, moment: float) -> None:
        """Let time pass until `moment`, exactly; nothing happens when that is in the past."""
        self._now = max(self._now, moment)

    def __repr__(self) -> str:
        return f"<VirtualClock {self._now:.6f}>"
