"""Life: the beginning and the end of a connection, session or link, for coroutines that wait for them.

Each of these owns one. A failure of an outer thing is one of all that is in it. It knows futures, and no AMQP.
"""

from __future__ import annotations

import asyncio
from typing import Callable, Optional

from reactor.errors import ReactorException, Timeout


class Life:
    """opened: by the peer. closing: by a call. over: no more is heard of it.

    noun: such as "the link". closed: the exception for a call after the close. outer: that of what it is in.
    """

    __slots__ = (
        "_closed", "_failure", "_inner", "_loop", "_noun", "_outer", "_waiters", "closing", "forget", "opened", "over"
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        noun: str,
        closed: type[ReactorException],
        outer: Optional[Life] = None,
    ) -> None:
        self.opened = self.closing = self.over = False
        self._loop = loop
        self.forget: Callable[[], object] = _nothing  # called when the outer one forgets it
        self._noun = noun
        self._closed = closed
        self._outer = outer
        self._failure: Optional[Callable[[], Exception]] = None
        self._waiters: dict[asyncio.Future[None], None] = {}
        self._inner: dict[Life, None] = {}
        if outer is not None:
            outer._inner[self] = None

    @property
    def failure(self) -> Optional[Exception]:
        """Why it has ended, other than by a call; None while it has not."""
        return None if self._failure is None else self._failure()

    def check(self, name: str) -> None:
        """Raise the reason why it cannot be used for `name`, if there is one."""
        if self._failure is not None:
            raise self._failure()  # a new one each time: an exception collects the places that it passes
        if self._outer is not None:
            self._outer.check(name)
        if self.closing:
            raise self._closed("%s: %s is closed" % (name, self._noun))

    @property
    def usable(self) -> bool:
        """Whether `check` would raise nothing."""
        usable = self._failure is None and not self.closing
        return usable and (self._outer is None or self._outer.usable)

    @property
    def outer_usable(self) -> bool:
        """Whether the outer one is usable."""
        return self._outer is None or self._outer.usable

    @property
    def closed_here(self) -> bool:
        """Whether it, or the outer one, was closed by a call, and nothing of these has failed."""
        if self._failure is not None:
            return False
        return self.closing or (self._outer is not None and self._outer.closed_here)

    def fail(self, reason: Callable[[], Exception]) -> None:
        """It has ended. reason: makes the exception for each call."""
        if self._failure is None:
            self._failure = reason
        self.changed()

    def changed(self) -> None:
        """Have those that wait look again, here and in all that is in it."""
        for future in self._waiters:
            if not future.done():
                future.set_result(None)
        for life in list(self._inner):
            life.changed()

    def end(self) -> None:
        """It has been closed: the outer one forgets it."""
        if self._outer is not None:
            self._outer._inner.pop(self, None)
        self.forget()
        self.changed()

    async def until(self, ready: Callable[[], bool], name: str, timeout: Optional[float] = None) -> None:
        """Wait until `ready()`, which is asked after each change. Raises Timeout after so many seconds."""
        deadline = None if timeout is None else self._loop.time() + timeout
        while not ready():
            if deadline is not None and self._loop.time() >= deadline:
                raise Timeout("%s timed out" % name)
            await self.change(deadline)

    async def until_usable(self, ready: Callable[[], bool], name: str, timeout: Optional[float] = None) -> None:
        """The same; raises the reason why that will never be, as `check` does."""

        def look() -> bool:
            if ready():
                return True
            self.check(name)
            return False

        await self.until(look, name, timeout)

    async def change(self, deadline: Optional[float]) -> None:
        """Wait for the next change, or until then, by the loop's clock."""
        future = self._loop.create_future()
        self._waiters[future] = None
        alarm = None if deadline is None else self._loop.call_at(deadline, _ring, future)
        try:
            await future
        finally:
            self._waiters.pop(future, None)
            if alarm is not None:
                alarm.cancel()


def _nothing() -> None:
    pass


def _ring(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def expire(future: asyncio.Future[None]) -> None:
    """The time of a call that waits for it is over."""
    if not future.done():
        future.set_exception(Timeout("time is over"))


def check_timeout(timeout: Optional[float]) -> Optional[float]:
    """`timeout`: seconds, or None for as long as it takes. TypeError or ValueError for what is none."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError("timeout is a number of seconds, or None for as long as it takes, not %r" % (timeout,))
    if not timeout >= 0:
        raise ValueError("timeout is a number of seconds from 0 on, not %r" % (timeout,))
    return None if timeout == float("inf") else timeout
