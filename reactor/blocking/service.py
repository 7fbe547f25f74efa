"""Service: a container that runs on a thread of its own, for programs that wait instead of handling events.

A blocking connection owns one. Other threads hand it functions, and wait for what these change; everything else in the
engine belongs to the service's thread. So heartbeats go on while the program computes, and several threads may
use one connection. A thread that waits is woken by the end of the service, and once for all changes of a round of
events: to cross threads is what costs. It looks at what handlers have recorded, and never at the engine, which has
read more by then than was dispatched.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable, Optional, TypeVar

from reactor.container.container import Container
from reactor.container.sources.injector import EventInjector
from reactor.container.threads import PostedCall
from reactor.errors import ConnectionException, ReactorException, Timeout
from reactor.loop.timers import Timer

Result = TypeVar("Result")

SLICE = 0.5
"""Seconds of one uninterrupted wait. On Windows a signal is seen between two of them: Ctrl-C ends every wait."""

MOMENT = 0.002
"""Seconds that what may wait waits at most, after the last of it."""


class Service:
    """A container, its thread, and the threads that wait for it.

    container: not running yet, and no other's. It belongs to the service until that has stopped.
    """

    def __init__(self, container: Container) -> None:
        self.container = container
        self._changed = threading.Condition()
        self._waiting = 0  # threads
        self._changes = 0  # that were notified
        self._ended = False
        self._failure: Optional[BaseException] = None
        self._posted: deque[Callable[[], None]] = deque()
        self._asked = False
        self._unhurried = False  # something was posted by post_soon()
        self._looks_soon = False  # the service's thread looks again by itself
        self._due = False  # a notice of changes is posted
        self._stay = EventInjector()  # the container goes on without a connection, too
        container.selectable(self._stay)
        self._ident: Optional[int] = None  # of the thread
        self._thread = threading.Thread(target=self._run, name="amqp-reactor", daemon=True)
        try:
            self._thread.start()
        except BaseException:  # RuntimeError: the system has no more threads
            self._stay.close()
            container.close()
            raise

    def now(self) -> float:
        """The time, in seconds of the container's clock."""
        return self.container.mark()

    def check_caller(self, name: str) -> None:
        """ReactorException for a blocking call on the service's own thread: in a handler, it would wait for itself."""
        if threading.get_ident() == self._ident:
            raise ReactorException(
                "%s in a handler would wait for ever: the connection is served by this thread; "
                "use the objects of the event, or a thread of your own" % name
            )

    def post(self, function: Callable[[], None]) -> None:
        """Have `function` called on the service's thread, in the order of the posts. It raises nothing."""
        self._posted.append(function)
        if not self._asked:  # else a call of `_take` is on its way, and behind this function
            self._asked = True
            self.container.call_soon_threadsafe(self._take)

    def post_soon(self, function: Callable[[], None]) -> None:
        """As `post`, of what may wait for a moment: to wake the service's thread for each message is what costs."""
        self._posted.append(function)
        self._unhurried = True
        if not self._asked and not self._looks_soon:
            self._asked = True
            self.container.call_soon_threadsafe(self._take)

    def give_way(self, function: Callable[[], None]) -> None:
        """As `post`, and wait for a moment at most until it has been called. A thread that goes on computing keeps the
        interpreter for 5 ms from the service's thread, which is awake; the peer would be idle meanwhile."""
        called = threading.Lock()
        called.acquire()

        def call() -> None:
            try:
                function()
            finally:
                called.release()

        self.post(call)
        if threading.get_ident() != self._ident:
            called.acquire(timeout=MOMENT)

    def later(self, delay: float, function: Callable[[], None]) -> Timer:
        """On the service's thread: have `function` called there in `delay` seconds, unless the Timer is cancelled."""
        return self.container.loop.schedule(delay, function)

    def call(self, function: Callable[[], Result], name: str) -> Result:
        """Call `function` on the service's thread, and return its result, or raise its exception."""
        self.check_caller(name)
        results: list[Result] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(function())
            except Exception as error:
                errors.append(error)
            self.notify()

        self.post(run)
        self.wait(lambda: bool(results or errors), None, name)
        if errors:
            raise errors[0]
        return results[0]

    def wait(self, ready: Callable[[], bool], deadline: Optional[float], name: str) -> None:
        """Wait until `ready()` is true. It is asked on the calling thread, again after each change.

        deadline: by `now()`; None for no end. Raises Timeout with `name` when it has passed, ConnectionException when
        the service has ended, and whatever `ready` raises.
        """
        if ready():
            return
        with self._changed:
            self._waiting += 1  # before the next look: a later change is notified
        try:
            while True:
                seen = self._changes
                if ready():  # without the lock: it may take others
                    return
                if self._ended:
                    raise ConnectionException("%s: the connection is closed" % name) from self._failure
                left = SLICE if deadline is None else deadline - self.now()
                if left <= 0:
                    raise Timeout("%s timed out" % name)
                with self._changed:
                    if self._changes == seen and not self._ended:
                        self._changed.wait(min(left, SLICE))
        finally:
            with self._changed:
                self._waiting -= 1

    def notify(self) -> None:
        """Something has changed for which a thread may wait. From any thread: the service's own goes on with its round
        of events, and wakes the others at the end of it."""
        if threading.get_ident() != self._ident:
            self.wake()
        elif not self._due and self._waiting:  # a thread that waits from now on looks first
            self._due = True
            self.at_end_of_round(self._end_of_round)

    def at_end_of_round(self, function: Callable[[], None]) -> None:
        """On the service's thread: have `function` called when the events of this round have been handled."""
        self.container.post(PostedCall(function, ()))

    def _end_of_round(self) -> None:
        self._due = False
        self.wake()

    def wake(self) -> None:
        """Wake the threads that wait, now: as `notify`, at the end of a round."""
        if self._waiting:
            with self._changed:
                self._changes += 1
                self._changed.notify_all()

    def stop(self) -> None:
        """Stop the container, and wait for the thread. Harmless when repeated."""
        self.check_caller("close()")
        self._stay.close()
        self.container.stop()
        self._thread.join()

    @property
    def ended(self) -> bool:
        """Whether the thread serves nothing any more."""
        return self._ended

    # -- on the service's thread -------------------------------------------------------------------------

    def _take(self) -> None:
        self._asked = False  # before the look: a function that comes later asks again
        posted = self._posted
        while posted:
            posted.popleft()()
        if self._unhurried:
            self._unhurried = False
            if not self._looks_soon:
                self._looks_soon = True
                self.later(MOMENT, self._take_soon)

    def _take_soon(self) -> None:
        self._looks_soon = False  # before the look, as above
        if self._posted:
            self._take()

    def _run(self) -> None:
        self._ident = threading.get_ident()
        try:
            self.container.run()
        except BaseException as error:
            self._failure = error  # the cause of the exceptions that waiting threads get
        finally:
            self._stay.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()
