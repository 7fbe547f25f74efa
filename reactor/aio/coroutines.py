"""Coroutines: the methods of handlers that are some, run by a few tasks.

A task for each would cost more than the message that it is for. So there are workers: one takes a coroutine after the
other, and as soon as there is more to do than its own it has another worker called, which finds the rest if the first
one waits. Coroutines begin in the order of their events, each in a context (contextvars) of its own.

An AsyncContainer owns one. It knows events and their deliveries, and no connection.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Generator
from contextvars import copy_context
from typing import Any, Callable, Optional

from reactor.aio.interface import CoroutineHost
from reactor.engine.endpoints.disposition import RELEASED

Finished = Optional[Callable[[Any, Optional[BaseException]], None]]

_IDLE = 16  # workers that are kept


class Coroutines:
    """Those that run. container: that of their handlers."""

    def __init__(self, container: CoroutineHost) -> None:
        self._container = container
        self._loop = container.event_loop
        self._queue: deque[tuple[Any, Any, Finished]] = deque()
        self._workers: dict[asyncio.Task[None], None] = {}
        self._idle: list[asyncio.Future[None]] = []
        self._called = False  # a worker is on its way to the queue
        self._running = 0
        self._closing = False

    def __bool__(self) -> bool:
        """Whether any runs, or waits for its turn."""
        return self._running > 0 or bool(self._queue)

    def start(self, coroutine: Awaitable[Any], event: Any, finished: Finished) -> None:
        """Run one. event: that its method was called with. finished: called with it, and with None or the exception
        that left the coroutine; it raises those that end the container."""
        if finished is not None:
            link = event.context.link
            if link.most_unsettled is None and link.prefetch:
                link.max_unsettled = link.prefetch  # else nothing would bound how many run
        if self._closing:
            _drop(coroutine, event, finished)
            return
        if coroutine.__class__ is not types.CoroutineType:
            coroutine = _awaiting(coroutine)
        self._queue.append((coroutine, event, finished))
        if not self._called:
            self._call()

    def _call(self) -> None:
        """Have a worker look at the queue."""
        self._called = True
        while self._idle:
            future = self._idle.pop()
            if not future.done():
                future.set_result(None)
                return
        worker = self._loop.create_task(self._work())
        self._workers[worker] = None
        worker.add_done_callback(self._gone)

    async def _work(self) -> None:
        queue = self._queue
        while True:
            self._called = False
            while queue:
                coroutine, event, finished = queue.popleft()
                if queue and not self._called:
                    self._call()  # it finds the rest if this one waits
                self._running += 1
                error: Optional[BaseException] = None
                run = copy_context().run  # what one coroutine sets, the next one of the worker does not see
                try:
                    yielded = run(coroutine.send, None)  # most do not wait, and cost no more than this
                except StopIteration:
                    pass
                except BaseException as failure:
                    error = failure
                else:
                    error = await _end_of(run, coroutine, yielded)
                self._running -= 1
                self._over(error, event, finished)
            if not self._running:
                self._container.coroutines_ended()
            if self._closing or len(self._idle) >= _IDLE:
                return
            future = self._loop.create_future()
            self._idle.append(future)
            await future

    def _over(self, error: Optional[BaseException], event: Any, finished: Finished) -> None:
        """A coroutine has returned, or was left by `error`."""
        if isinstance(error, asyncio.CancelledError):
            if finished is not None:
                event.context.settle_with(RELEASED)
            if self._closing:
                raise error
            worker: Any = asyncio.current_task()
            if hasattr(worker, "uncancel"):  # Python 3.11: the next coroutine is not the one that was meant
                worker.uncancel()
            return
        try:
            if finished is not None:
                finished(event, error)
            elif error is not None:
                raise error
        except BaseException as failure:
            self._container.coroutine_failed(failure, event)
            if not isinstance(failure, Exception):
                raise

    def _gone(self, worker: asyncio.Task[None]) -> None:
        self._workers.pop(worker, None)
        if not worker.cancelled():
            worker.exception()  # it has gone to the container

    async def cancel(self) -> None:
        """Cancel all, and wait until they have ended. Messages of theirs go back."""
        self._closing = True
        while self._queue:
            _drop(*self._queue.popleft())
        while self._workers:
            for worker in list(self._workers):
                worker.cancel()
            await asyncio.wait(list(self._workers))


def _drop(coroutine: Any, event: Any, finished: Finished) -> None:
    """It does not begin, and its message goes back."""
    if hasattr(coroutine, "close"):
        coroutine.close()
    if finished is not None:
        event.context.settle_with(RELEASED)


@types.coroutine
def _rest(run: Callable[..., Any], coroutine: Any, yielded: Any) -> Generator[Any, Any, None]:
    """The rest of a coroutine that waits for `yielded`."""
    try:
        while True:
            try:
                value = yield yielded
            except BaseException as error:
                yielded = run(coroutine.throw, error)
            else:
                yielded = run(coroutine.send, value)
    except StopIteration:
        return


async def _end_of(run: Callable[..., Any], coroutine: Any, yielded: Any) -> Optional[BaseException]:
    """Await the rest of a coroutine. Returns the exception that left it."""
    try:
        await _rest(run, coroutine, yielded)
    except GeneratorExit:
        raise
    except BaseException as error:
        return error
    return None


async def _awaiting(awaitable: Awaitable[Any]) -> None:
    await awaitable
