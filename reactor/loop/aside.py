"""Calls that may take long, away from the loop's thread: the look-up of a name, a token from a provider.

`dial` enters with its look-ups, and the network with the calls of those above. This is the one place of this library
that starts threads beside those of the blocking API: nothing else lets a program wait for what the system, or a
library of others, does while it blocks.
"""

from __future__ import annotations

import threading
from collections import deque

from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import asyncio
    from typing import Any, Callable, Optional
else:
    asyncio = Lazily("asyncio")

if TYPE_CHECKING:
    #: The value of a call, or the exception that it raised.
    Outcome = tuple[Any, Optional[BaseException]]


class Aside:
    """Makes calls in daemon threads, a few at a time; no thread outlives its work.

    name: of the threads. limit: their number; calls beyond it wait in line, so that one that never returns holds up
    itself and seldom others.
    """

    __slots__ = ("_limit", "_lock", "_name", "_running", "_waiting")

    def __init__(self, name: str, limit: int = 8) -> None:
        self._name = name
        self._limit = limit
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[tuple[Callable[[], Any], Callable[[Outcome], None]]] = deque()

    def call(self, function: Callable[[], Any], done: Callable[[Outcome], None]) -> None:
        """Call `function`; `done` is called with its outcome, in a thread of this one, or here when there is
        no thread to be had."""
        with self._lock:
            self._waiting.append((function, done))
        self._begin()

    def close(self) -> None:
        """Forget the calls that no thread has begun yet."""
        with self._lock:
            self._waiting.clear()

    def _begin(self) -> None:
        """Have one thread more, where there is work and room for it."""
        with self._lock:
            if not self._waiting or self._running >= self._limit:
                return
            self._running += 1
        try:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except (RuntimeError, MemoryError) as error:  # no thread to be had, or the interpreter is about to end
            with self._lock:
                self._running -= 1
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """There is no thread, and the calls that wait fail; unless another thread is there to take them."""
        with self._lock:
            if self._running or not self._waiting:
                return
            _, done = self._waiting.popleft()
        try:
            done((None, error))
        finally:
            self._fail(error)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                function, done = self._waiting.popleft()
            try:
                done(outcome_of(function))
            except BaseException:  # it ends this thread, and is reported as that of any thread is
                with self._lock:
                    self._running -= 1
                self._begin()  # for those behind it
                raise


def outcome_of(function: Callable[[], Any]) -> Outcome:
    """The outcome of a call. A coroutine that it returns is run to its end, in an event loop of its own."""
    try:
        value = function()
        if hasattr(value, "__await__"):
            value = asyncio.run(_awaited(value))
    except KeyboardInterrupt:
        raise  # only where the call is made in the main thread, as in a simulation: that is to end
    except BaseException as error:  # SystemExit, too: it goes to the one that has asked, and ends no thread of these
        return None, error
    return value, None


async def _awaited(value: Any) -> Any:
    return await value
