"""Taps: the functions that overhear one wire: the application's `recorder`, the trace, those of observers.

The transport owns one, and calls `all` where bytes pass. It knows nothing of the bytes.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    Tap = Callable[[str, bytes], None]


class Taps:
    """Functions that are called with ("in" or "out", bytes).

    all: calls all of them; None: there is none. recorder: the one that `transport.recorder` has set.
    """

    __slots__ = ("all", "recorder", "_others", "_trace")

    def __init__(self) -> None:
        self.all: Optional[Tap] = None
        self.recorder: Optional[Tap] = None
        self._trace: Optional[Tap] = None
        self._others: tuple[Tap, ...] = ()

    def set_recorder(self, recorder: Optional[Tap]) -> None:
        """Another recorder; None for none."""
        self.recorder = recorder
        self._join()

    def add(self, tap: Tap) -> None:
        """One beside all others, for good."""
        self._others += (tap,)
        self._join()

    def trace(self, wanted: bool, maker: Optional[Callable[[Any], Tap]], transport: object) -> None:
        """Have a trace as the recorder, made by `maker`, where there is no other recorder; or have it no more."""
        if not wanted:
            if self.recorder is self._trace:
                self.set_recorder(None)
        elif self.recorder is None and maker is not None:
            self._trace = maker(transport)
            self.set_recorder(self._trace)

    def _join(self) -> None:
        taps = self._others if self.recorder is None else (*self._others, self.recorder)

        def each(direction: str, data: bytes) -> None:
            for tap in taps:
                tap(direction, data)

        self.all = (each if len(taps) > 1 else taps[0]) if taps else None
