"""Coroutines: the methods of handlers that are some, run by a few tasks.

A task for each would cost more than the message that it is for. So there are workers, each with a task, and most of
them idle. A coroutine takes its first step at once, where its method was called, in the name of the first idle worker:
its task is the current one (`asyncio.timeout`, a task group and a cancellation need one). A coroutine that is at its
end then has cost no more than this. One that waits is handed to the worker, and goes on in the same task.

Where no worker is idle, coroutines wait in a queue. A worker takes one after the other from there, and as soon as there
is more to do than its own it has another worker called, which finds the rest if the first one waits.

Coroutines begin in the order of their events, each in a context (contextvars) of its own.

An AsyncContainer owns one. It knows events and their deliveries, and no connection.
"""

from __future__ import annotations

import asyncio
import types
from asyncio import current_task
from asyncio.tasks import _enter_task, _leave_task  # documented: docs.python.org/3/library/asyncio-extending.html
from collections import deque
from collections.abc import Awaitable, Generator
from contextvars import copy_context
from typing import Any, Callable, Optional

from reactor.aio.interface import CoroutineHost
from reactor.engine.endpoints.disposition import RELEASED

Finished = Optional[Callable[[Any, Optional[BaseException]], None]]
_Job = tuple[Callable[..., Any], Any, Any, Finished]  # `run` of its context, coroutine, event, finished

_IDLE = 16  # workers that are kept
_NOTHING = object()  # what a coroutine waits for that is at its end
_AWAITED = "_asyncio_future_blocking"  # True from the `await` of a future until a task has taken it


class _Worker:
    """A task that runs coroutines. parked: the future that it waits for while it is idle. handed: a coroutine that has
    taken its first step in the name of this task, with the future that it waits for."""

    __slots__ = ("handed", "parked", "task")

    def __init__(self) -> None:
        self.task: Any = None
        self.parked: Any = None
        self.handed: Any = None  # (_Job, awaited future)


class Coroutines:
    """Those that run. container: that of their handlers."""

    def __init__(self, container: CoroutineHost) -> None:
        self._container = container
        self._loop = container.event_loop
        self._queue: deque[_Job] = deque()
        self._workers: dict[asyncio.Task[None], _Worker] = {}
        self._idle: list[_Worker] = []
        self._called: Optional[_Worker] = None  # that which is on its way to the queue
        self._running = 0
        self._closing = False

    def __bool__(self) -> bool:
        """Whether any runs, or waits for its turn."""
        return self._running > 0 or bool(self._queue)

    def start(self, coroutine: Any, event: Any, finished: Finished) -> bool:
        """Run one. event: that its method was called with. finished: called with it, and with None or the exception
        that left the coroutine; it raises those that end the container.

        Returns whether the coroutine goes on. Where it has returned, or is left by an exception, before it waits for
        anything, that happens here, and `finished` is not called."""
        if finished is not None:
            link = event.context.link
            if link.most_unsettled is None and link.prefetch:
                link.max_unsettled = link.prefetch  # else nothing would bound how many run
        if self._closing:
            _drop(coroutine, event, finished)
            return True
        if coroutine.__class__ is not types.CoroutineType:
            coroutine = _awaiting(coroutine)
        run = copy_context().run  # the variables of one coroutine are not those of the next
        loop, idle = self._loop, self._idle
        while idle and idle[-1].parked.done():
            idle.pop()  # it was cancelled from outside
        if self._queue or not idle or current_task(loop) is not None:
            self._queue.append((run, coroutine, event, finished))
            if self._called is None:
                self._call()
            return True
        worker = idle.pop()  # its task is in use: this step may have another coroutine started
        waits_for: Any = _NOTHING
        _enter_task(loop, worker.task)
        try:
            waits_for = run(coroutine.send, None)
        except StopIteration:
            return False
        except asyncio.CancelledError:
            if finished is not None:
                event.context.settle_with(RELEASED)
            return True
        finally:
            _leave_task(loop, worker.task)
            if waits_for is _NOTHING:
                idle.append(worker)
        if getattr(waits_for, _AWAITED, False):
            setattr(waits_for, _AWAITED, False)  # as a task does: others await it, too
        self._running += 1
        worker.handed = (run, coroutine, event, finished), waits_for
        if not worker.parked.done():  # else the coroutine has cancelled its own task
            worker.parked.set_result(None)
        return True

    def _call(self) -> None:
        """Have a worker look at the queue."""
        while self._idle:
            worker = self._idle.pop()
            if not worker.parked.done():
                self._called = worker
                worker.parked.set_result(None)
                return
        self._called = worker = _Worker()
        worker.task = self._loop.create_task(self._work(worker))
        self._workers[worker.task] = worker
        worker.task.add_done_callback(self._gone)

    async def _work(self, worker: _Worker) -> None:
        worker.task = current_task()  # that which is made for it, where a task factory begins at once
        cancelled: Optional[asyncio.CancelledError] = None
        while True:
            if worker.handed is not None:
                (job, waits_for), worker.handed = worker.handed, None
                await self._finish(job, waits_for, cancelled)
            else:
                await self._look(worker)
            if not self:
                self._container.coroutines_ended()
            if self._closing or len(self._idle) >= _IDLE or _is_cancelled(worker.task):
                return
            worker.parked = self._loop.create_future()
            self._idle.append(worker)
            cancelled = None
            try:
                await worker.parked
            except asyncio.CancelledError as error:
                if worker.handed is None:
                    raise
                cancelled = error  # meant for the coroutine

    async def _look(self, worker: _Worker) -> None:
        """Empty the queue."""
        queue = self._queue
        if self._called is worker:
            self._called = None
        while queue and not _is_cancelled(worker.task):
            job = queue.popleft()
            if queue and self._called is None:
                self._call()  # it finds the rest if this one waits
            run, coroutine, event, finished = job
            self._running += 1
            try:
                waits_for = run(coroutine.send, None)
            except StopIteration:
                self._over(None, event, finished)
            except BaseException as error:
                self._over(error, event, finished)
            else:
                await self._finish(job, waits_for, None)

    async def _finish(self, job: _Job, waits_for: Any, cancelled: Optional[BaseException]) -> None:
        """Run the rest of a coroutine. cancelled: by this, before its worker got it."""
        run, coroutine, event, finished = job
        self._over(await _rest(run, coroutine, waits_for, cancelled), event, finished)

    def _over(self, error: Optional[BaseException], event: Any, finished: Finished) -> None:
        """A coroutine has returned, or was left by `error`."""
        self._running -= 1
        if isinstance(error, asyncio.CancelledError):
            if finished is not None:
                event.context.settle_with(RELEASED)
            return
        try:
            if finished is not None:
                finished(event, error)
            elif error is not None:
                raise error
        except BaseException as failure:
            self._container.coroutine_failed(failure, event)

    def _gone(self, task: asyncio.Task[None]) -> None:
        worker = self._workers.pop(task)
        if not task.cancelled():
            task.exception()  # it has gone to the container
        if self._called is worker:
            self._called = None
        if self._queue and self._called is None and not self._closing:
            self._call()  # it was cancelled from outside, and the rest was not

    async def cancel(self) -> None:
        """Cancel all, and wait until they have ended. Messages of theirs go back."""
        self._closing = True
        while self._queue:
            _, coroutine, event, finished = self._queue.popleft()
            _drop(coroutine, event, finished)
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
def _rest(
    run: Callable[..., Any], coroutine: Any, waits_for: Any, cancelled: Optional[BaseException]
) -> Generator[Any, Any, Optional[BaseException]]:
    """The rest of a coroutine that waits for this. Returns the exception that left it; raises GeneratorExit where the
    task itself is closed."""
    closed = False
    try:
        if cancelled is not None and not (hasattr(waits_for, "cancel") and waits_for.cancel(*cancelled.args)):
            waits_for = run(coroutine.throw, cancelled)  # else it comes from the cancelled future, as in any task
        if getattr(waits_for, _AWAITED, None) is not None:
            setattr(waits_for, _AWAITED, True)  # again: see `start`
        while True:
            try:
                value = yield waits_for
            except BaseException as error:
                closed = isinstance(error, GeneratorExit)
                waits_for = run(coroutine.throw, error)
            else:
                waits_for = run(coroutine.send, value)
    except StopIteration:
        return None
    except BaseException as failure:
        if closed:
            raise
        return failure


def _is_cancelled(task: Any) -> bool:
    """Whether its cancellation was asked for, and has not come yet, or was not taken back."""
    if hasattr(task, "cancelling"):  # Python 3.11
        return bool(task.cancelling())
    return bool(getattr(task, "_must_cancel", False))  # before that this is the only sign of it


async def _awaiting(awaitable: Awaitable[Any]) -> None:
    await awaitable
