"""The bridge from the threads of the web page to the broker's thread.

Here, beside embedded.py and the command line, the broker meets threads. A thread of the web page calls no method of the
broker but those that say that any thread may; for all else it hands a function over, which the broker's container calls
in one of its turns, and waits for the result.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional

PATIENCE = 10.0
"""Seconds to wait for an answer. A broker that needs longer for a turn has other troubles."""


class Unanswered(Exception):
    """The broker has stopped, or has not answered in time."""


class _Answer:
    """A result that is expected. ready: it is there, or will not come."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.result: Any = None
        self.error: Optional[BaseException] = None

    def give(self, result: Any) -> None:
        """From the broker's thread."""
        self.result = result
        self.ready.set()

    def fail(self, error: BaseException) -> None:
        """From any thread."""
        self.error = error
        self.ready.set()


class Bridge:
    """Questions to the thread of `container`; `ask` and `begin` are for other threads."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self._lock = threading.Lock()
        self._open: Optional[set[_Answer]] = set()  # None: closed

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of `function(*arguments)`, called in the broker's thread. Raises what it raises, or Unanswered."""
        return self.begin(lambda done: done(function(*arguments)))

    def begin(self, start: Callable[[Callable[[Any], None]], object], patience: float = PATIENCE) -> Any:
        """Call `start(done)` in the broker's thread, and wait for the result, which the broker gives to `done` then or
        in a later turn. Raises what `start` raises; Unanswered after so many seconds, while the broker goes on."""
        answer = _Answer()
        with self._lock:
            if self._open is None:
                raise Unanswered("the broker has stopped")
            self._open.add(answer)
        try:
            self._container.call_soon_threadsafe(self._carry_out, start, answer)
            if not answer.ready.wait(patience):
                raise Unanswered(f"no answer of the broker within {patience:.0f} s")
        finally:
            with self._lock:
                if self._open is not None:
                    self._open.discard(answer)
        if answer.error is not None:
            raise answer.error
        return answer.result

    def close(self) -> None:
        """No more answers: threads that wait for one go on with Unanswered. From any thread; harmless when repeated."""
        with self._lock:
            waiting, self._open = self._open, None
        for answer in waiting or ():
            answer.fail(Unanswered("the broker has stopped"))

    # -- in the broker's thread

    def _carry_out(self, start: Callable[[Callable[[Any], None]], object], answer: _Answer) -> None:
        try:
            start(answer.give)
        except Exception as error:  # raised where it was asked for
            answer.fail(error)
