"""Signals: SIGTERM and Ctrl-C end a container in good order, a second one ends it at once.

A signal may come in the midst of anything, another signal's handler included, and an exception would be raised there:
so a signal is counted and handed to the container, which stops when it gets to it. The third one ends the program.
"""

from __future__ import annotations

import threading

from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.loop.loggers import logger
from reactor.system import HERE

if TYPE_CHECKING:
    import signal
    from types import FrameType, TracebackType
    from typing import Any, Callable, Optional
else:
    signal = Lazily("signal")

log = logger(__name__)

STATUS_OF_SIGNALS = 128
"""The exit status of a program that a signal has ended is this much and the signal's number, as a shell has it."""


class Signals:
    """The signals of one run. As a context manager it has the handlers of SIGINT and SIGTERM, and SIGBREAK where that
    is, and puts the former ones back.

    stop: stops the container, within so many seconds, or at once (None). From any thread, and at any time.
    later: has a function called, with these arguments, by the container's thread. From any thread, and at any time.
    descriptor: a byte that is written to it ends the wait of the container; -1: none.
    drain: seconds that deliveries in flight may take to their end.

    RuntimeError in another thread than the main one, where Python takes no handler.
    """

    def __init__(
        self,
        stop: Callable[[Optional[float]], Any],
        later: Callable[[Callable[..., Any], tuple[Any, ...]], None],
        descriptor: int,
        drain: float,
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "run(signals=True) is for the main thread, the only one that gets signals; in another one, "
                "have a handler of your own call container.stop(drain=10)"
            )
        self.count = 0
        self.number = 0  # of the first signal
        self._stop = stop
        self._later = later
        self._descriptor = descriptor
        self._drain = drain
        self._former: dict[int, Any] = {}
        self._former_descriptor = -1

    def __enter__(self) -> Signals:
        for number in HERE.ending_signals:
            self._former[number] = signal.signal(number, self._came)
        # Else a signal that comes in the moment before a wait, or to another thread, is noticed after the wait.
        self._former_descriptor = signal.set_wakeup_fd(self._descriptor, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        signal.set_wakeup_fd(self._former_descriptor)
        for number, former in self._former.items():
            # None: it was not installed from Python, and cannot be put back; a program that has ended needs none.
            signal.signal(number, signal.SIG_DFL if former is None else former)

    def _came(self, number: int, frame: Optional[FrameType]) -> None:
        self.count += 1
        if self.count == 1:
            self.number = number
            self._later(log.info, ("%s: ending, within %g seconds", signal.Signals(number).name, self._drain))
            self._stop(self._drain)
        elif self.count == 2:
            self._later(log.warning, ("%s: ending at once", signal.Signals(number).name))
            self._stop(None)
        else:
            raise KeyboardInterrupt

    def status(self, unfinished: bool) -> int:
        """The exit status for a run that has ended. unfinished: whether work was left undone."""
        return STATUS_OF_SIGNALS + self.number if self.count > 1 or (self.count and unfinished) else 0
