"""The real clock. Any object with `now()` and `today()` can stand in for it.

Enter from floor 4 upwards. It knows nothing.
"""

from __future__ import annotations

import time


class MonotonicClock:
    """The system's clock that is never set back, in seconds; and the date, which may be set."""

    __slots__ = ()

    now = staticmethod(time.monotonic)  # the C function itself: it is asked on every turn
    today = staticmethod(time.time)
