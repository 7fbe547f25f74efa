"""AsyncContainer: a container on the event loop of asyncio that runs. Methods of handlers may be coroutines.

    async with AsyncContainer(handler) as container:
        await container.wait()

A turn of the container is one callback of the loop: when the loop finds a wire ready, when a timer is due, and after
the application has touched anything outside of a turn. There is no thread; all of it belongs to the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional, TypeVar

from reactor.aio.coroutines import Coroutines
from reactor.aio.interface import LoopNetwork
from reactor.aio.readers import ReaderNetwork
from reactor.aio.receiver import CONFIRMATION
from reactor.aio.streams import StreamNetwork
from reactor.container.container import Container
from reactor.container.threads import LoopThread
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.endpoints.receiver import Receiver
from reactor.loop.clock import MonotonicClock
from reactor.loop.driver import Driver, ListenerDriver
from reactor.loop.interface import Clock

if TYPE_CHECKING:
    from reactor.container.settings.proxy import ProxyOption

Self = TypeVar("Self", bound="AsyncContainer")

CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED | Endpoint.REMOTE_UNINIT

PARTING = 10.0
"""Seconds that peers have to answer when the connections are closed."""


class AsyncContainer(Container):
    """A Container that an event loop runs. Made where one runs, in a coroutine; all else as for `Container`.

    handlers: any handlers, as of a Container; their methods may be coroutines. One of `on_message` that has returned
        accepts its message (with `auto_accept`), one that was left by an exception rejects or releases it, as plain
        methods do; `max_unsettled` of the receiver bounds how many run, by default its `prefetch`. Other coroutines run
        beside the turns; an exception of any ends the container as one of a plain method ends `run()`.

    ``async with`` runs it: at its end the coroutines that still run are cancelled, their messages go back (RELEASED),
    and the connections are closed. An exception of a handler cancels the block, and leaves it. `wait()` in it returns
    when the container has nothing left to do, as `Container.run()` does; `stop(drain)` brings that about.

    Use from another event loop, or from another thread, raises RuntimeError; other threads may use
    `call_soon_threadsafe`, `stop` and `wakeup`, and trigger an EventInjector.
    """

    runs_coroutines = True

    def __init__(
        self,
        *handlers: object,
        container_id: Optional[str] = None,
        raise_errors: bool = False, resend: bool = False, proxy: ProxyOption = None,
        observers: Iterable[object] = (), **unknown: NoReturn,
    ) -> None:
        self._left = self._entered = self._parting = False
        try:
            self.event_loop = asyncio.get_running_loop()
        except RuntimeError:
            text = "AsyncContainer() is made in a coroutine: no event loop runs here"
            raise RuntimeError(text) from None
        clock, self._network, random = _world_of(self.event_loop, self)
        super().__init__(
            *handlers, container_id=container_id, clock=clock, network=self._network, random=random,
            raise_errors=raise_errors, resend=resend, proxy=proxy, observers=observers, **unknown,
        )
        self.coroutines = Coroutines(self)
        self.run_coroutine = self.coroutines.start  # for `reactor.engine.events.run_later`
        self._context = copy_context()
        self._steps: Optional[Iterator[None]] = None  # the run that goes on; None: there is nothing to do
        self._soon: Optional[asyncio.Handle] = None  # a turn is planned, at once
        self._alarm: Optional[asyncio.TimerHandle] = None  # or at a deadline
        self._alarm_at = 0.0
        self._error: Optional[BaseException] = None  # that which has ended it
        self._waiters: list[asyncio.Future[None]] = []
        self._block: Optional[asyncio.Task[Any]] = None  # that of the `async with`
        self._block_cancelled = self._block_waits = False
        self.ended: Optional[Callable[[BaseException], None]] = None  # called with the exception that has ended it
        assert isinstance(self.owner, LoopThread)
        self.owner.touched = self._touched

    # -- the block ---------------------------------------------------------------------------------------

    async def __aenter__(self: Self) -> Self:
        self._block = asyncio.current_task()
        self.begin()
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> bool:
        block, self._block = self._block, None
        await self.finish()
        own = self._error
        if own is None:
            return False
        if isinstance(error, asyncio.CancelledError) and self._block_cancelled:
            uncancel = getattr(block, "uncancel", None)  # Python 3.11
            if uncancel is not None and uncancel() > 0:
                return False  # others have cancelled the block, too
        elif error is not None:
            return False
        raise own

    def begin(self) -> None:
        """Run from now on; ``async with`` does it."""
        if self._entered:
            raise RuntimeError("%r runs, or has run: make another one" % (self,))
        self._check_loop()
        self._entered = True
        self._network.attach(self.event_loop, self._turn)
        self._touched()

    async def finish(self) -> None:
        """Cancel the coroutines that run, close everything, let go of the loop. ``async with`` does it."""
        if self._left:
            return
        try:
            if self.coroutines and self._error is None:
                await self._pause()
            await self.coroutines.cancel()
            if self._error is None:
                await self._part()
        finally:
            self.let_go()

    async def _pause(self) -> None:
        """Take the credit back, for a peer that has some would send here again what is released."""
        receivers = [link for one in self.connections() for link in one.links(0) if isinstance(link, Receiver)]
        for receiver in receivers:
            receiver.pause()
        await self._until(lambda: all(one.is_paused or one.state & CLOSED for one in receivers), CONFIRMATION)

    async def _until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for the end of a turn in which this has become true, or so long."""
        self._parting = True
        alarm = self.event_loop.call_later(seconds, self._end_parting)
        try:
            while self._parting and self._error is None and not ready():
                await self._change()
        finally:
            alarm.cancel()
            self._parting = False

    async def _part(self) -> None:
        """Close all connections, and wait for their peers for a while: a wire that is closed with something unread is
        reset, and the peer loses the last words."""
        for watcher in list(self.loop.watchers):
            if isinstance(watcher, ListenerDriver):
                watcher.close()
        for connection in self.connections():
            connection.close()
        await self._until(lambda: not any(isinstance(one, Driver) for one in self.loop.watchers), PARTING)

    def _end_parting(self) -> None:
        self._parting = False
        self._wake()

    async def _change(self) -> None:
        future = self.event_loop.create_future()
        self._waiters.append(future)
        try:
            await future
        finally:
            self._waiters.remove(future)

    def let_go(self) -> None:
        """Close everything at once; the sockets alone, where the event loop is closed. Harmless when repeated."""
        if self._left:
            return
        if self.event_loop.is_closed():
            self.abandon()
            return
        try:
            if self._error is None:
                self.close()
                for _ in range(3):  # handlers may act on the end, and are heard
                    if self._steps is not None:
                        self._turn()
        finally:
            self.abandon()
            self._cancel_plans()
            self._wake()

    def abandon(self) -> None:
        """Let go of the network, whatever is unsent: its loop runs no more, for one."""
        self._left = True
        self._network.detach()
        self._network.close()

    def __del__(self) -> None:
        """Its descriptors go with it, as those of every container. The collector may run in any thread, and an event
        loop belongs to its own; but one that has begun is held by its loop, which watches its descriptors and has its
        turns, and so lives until that loop is closed. Here then nothing of the loop is touched."""
        if not self._left and hasattr(self, "_network"):
            self.abandon()

    async def wait(self) -> None:
        """Wait until nothing is left to do: no connection, no listener, no timer, nothing that is watched, no coroutine
        of a handler; or until `stop()`. Raises the exception of a handler, and with `raise_errors` that of `ended_by`,
        as `Container.run()` does."""
        self._check_loop()
        if not self._entered:
            raise RuntimeError("wait(): the container does not run; `async with` runs it")
        mine = self._block is None or asyncio.current_task() is self._block
        self._block_waits = self._block_waits or mine
        try:
            while self._error is None and not self._left and (self._steps is not None or self.coroutines):
                await self._change()
        finally:
            self._block_waits = self._block_waits and not mine
        if self._error is not None:
            error = self._error
            if mine:
                self._error = None
            raise error
        if self.raise_errors and self.ended_by is not None:
            raise self.ended_by

    def __enter__(self: Self) -> Self:
        raise TypeError("an AsyncContainer is for `async with`")

    def run(self, signals: bool = False, drain: float = 10.0, notify: bool = False) -> None:
        """RuntimeError: the event loop runs it; see `wait`."""
        raise RuntimeError("the event loop runs an AsyncContainer: `async with` it, and await container.wait()")

    # -- turns -------------------------------------------------------------------------------------------

    def _touched(self) -> None:
        """Something was touched outside of a turn: it takes effect in one."""
        if self._soon is None:
            self._check_loop()
            if self._left:
                raise RuntimeError("%r has come to its end: nothing of it can be used any more" % (self,))
            if self._entered and self._error is None:
                if self._steps is None:
                    self._steps = self.running.steps(self.process)
                self._soon = self.event_loop.call_soon(self._turn)

    def _check_loop(self) -> None:
        try:
            running: Optional[asyncio.AbstractEventLoop] = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self.event_loop:
            remedy = "; other threads hand work over by call_soon_threadsafe()"
            if self.event_loop.is_closed():
                remedy = ", which is closed: connections are closed before; close() frees their sockets still"
            raise RuntimeError("%r belongs to another event loop%s" % (self, remedy))

    def _turn(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._left or self._error is not None:
            return
        if self._steps is None:
            self._steps = self.running.steps(self.process)
        try:
            self._context.run(next, self._steps)  # not in that of whatever has called for the turn
        except StopIteration:
            self._steps = None
            self._cancel_plans()
            self._wake()
        except BaseException as error:
            self._steps = None
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._plan()
            if self._parting:
                self._wake()

    def _plan(self) -> None:
        """See to the next turn."""
        if not self.quiesced:
            self._soon = self.event_loop.call_soon(self._turn)
            return
        deadline = self.loop.timers.deadline()
        other = self._network.deadline()
        if other is not None and (deadline is None or other < deadline):
            deadline = other
        alarm = self._alarm
        if deadline is None or (alarm is not None and self._alarm_at <= deadline):
            return  # an alarm that comes too early finds nothing, and the next one is planned then
        if alarm is not None:
            alarm.cancel()
        self._alarm_at = deadline
        left = deadline - self.loop.clock.now()
        self._alarm = self.event_loop.call_later(left if left > 0.0 else 0.0, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._turn()

    def _cancel_plans(self) -> None:
        for handle in (self._soon, self._alarm):
            if handle is not None:
                handle.cancel()
        self._soon = self._alarm = None

    # -- its end -----------------------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        """An exception of a handler: `steps` has closed the connections."""
        self._error = error
        self._cancel_plans()
        self._network.detach()
        if self.ended is not None:
            self.ended(error)
        self._wake()
        block = self._block
        if block is not None and not self._block_waits and block is not asyncio.current_task():
            self._block_cancelled = True
            block.cancel()

    def _wake(self) -> None:
        for future in self._waiters:
            if not future.done():
                future.set_result(None)

    # -- coroutines of handlers --------------------------------------------------------------------------

    def coroutine_failed(self, error: BaseException, event: Any) -> None:
        """For `coroutines`: an exception has left a method. It leaves the container as that of a plain method does,
        once: `asyncio.run` does not end its tasks where a KeyboardInterrupt stops the loop twice."""
        if isinstance(error, Exception) and self.rescue is not None and self.rescue(error, event):
            return
        if self._left or self._error is not None:
            if not isinstance(error, Exception):
                raise error
            context = {"message": "a handler has failed after its container", "exception": error}
            self.event_loop.call_exception_handler(context)
        else:
            self.call_soon_threadsafe(_raise, error)

    def coroutines_ended(self) -> None:
        """For `coroutines`: none runs any more."""
        self._wake()


def _raise(error: BaseException) -> NoReturn:
    raise error


def _world_of(
    loop: asyncio.AbstractEventLoop, container: AsyncContainer
) -> tuple[Clock, LoopNetwork, Optional[Random]]:
    """The clock, the network and the chances of a container on this loop."""
    world: Any = getattr(loop, "amqp_world", None)
    if world is not None:
        return world(container)  # type: ignore[no-any-return]  # interface.LoopWorld
    clock = MonotonicClock()
    readers = ReaderNetwork(clock)
    if readers.works_on(loop):
        return clock, readers, None
    readers.close()
    return clock, StreamNetwork(loop, clock), None
