"""The real clock, and the real randomness. Any object with `now()` and `today()` can stand in for the one, and any
`random.Random` for the other.

Enter from floor 4 upwards. It knows nothing.
"""

from __future__ import annotations

import time
from os import urandom

from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import random
    from typing import Any
else:
    random = Lazily("random")


class MonotonicClock:
    """The system's clock that is never set back, in seconds; and the date, which may be set."""

    __slots__ = ()

    now = staticmethod(time.monotonic)  # the C function itself: it is asked on every turn
    today = staticmethod(time.time)


class _SystemRandom:
    """Stands for a `random.SystemRandom`."""

    __slots__ = ()

    randbytes = staticmethod(urandom)

    def getrandbits(self, count: int) -> int:
        """A number of so many bits."""
        size = (count + 7) // 8
        return int.from_bytes(urandom(size), "big") >> (size * 8 - count)

    def random(self) -> float:
        """A number from 0 up to 1, which it never is."""
        return (int.from_bytes(urandom(7), "big") >> 3) * 2.0**-53

    def __getattr__(self, name: str) -> Any:
        return getattr(random.SystemRandom(), name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return random.SystemRandom


def system_random() -> random.Random:
    """A `random.SystemRandom`. The module is imported when more is asked of it than bytes, bits and `random()`: it
    takes as long as ten of ours, and most programs need no more."""
    return _SystemRandom()  # type: ignore[return-value]
