"""Runner: what runs a container: its loop, its queue of events, and what hangs on them.

A turn goes: dispatch what happened, write what came of it, wait, and dispatch and write again. All that an
application writes within one turn leaves together, and no handler runs while bytes are read. Timers, foreign
descriptors and injected events are here; connections and links are the container's business (container.py),
which is a Runner. It knows the engine's transports from outside, and no frame.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections import deque
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar

from reactor.container.settings.keywords import check_delay
from reactor.container.sources.injector import EventInjector
from reactor.container.sources.selectable import Selectable
from reactor.container.threads import OwningThread, PostedCall
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.events import Collector, Event, EventBase, EventType
from reactor.engine.handler import Dispatcher, Handler, check_handler
from reactor.engine.public import Connection, Transport
from reactor.loop.driver import Driver, ListenerDriver
from reactor.loop.interface import Clock, Network, Wire
from reactor.loop.loop import Loop
from reactor.loop.timers import Timer
from reactor.tracing.text import TextTrace, is_wanted

#: Tells the connections of a process apart in its trace, whichever container they belong to.
_traced = count(1)

#: How often a turn goes on with what its own writing brought about, before it looks at the network again.
_ROUNDS = 16
#: Nor for longer than so many seconds, as soon as it has done so a few times: a peer that takes all that it is sent
#: could keep a turn going, and many of them would keep everybody else waiting.
_ENOUGH, _FEW = 0.05, 3

#: Seconds for a peer to finish after us, at most: for as long, too, as it may take to take our last words.
LINGER = 10.0


Self = TypeVar("Self", bound="Runner")

#: See Container, `rescue`.
Rescue = Callable[[Exception, Optional[EventBase]], bool]


class Task:
    """Something that `Container.schedule` will do: call `on_timer_task` of `handler` with an event whose
    context is this object."""

    __slots__ = ("container", "handler", "timer", "cancelled", "__weakref__")

    def __init__(self, container: Runner, handler: Any) -> None:
        self.container = container
        self.handler = handler
        self.timer: Optional[Timer] = None
        self.cancelled = False

    def cancel(self) -> None:
        """It will not happen. Harmless when it has happened, or was cancelled before."""
        self.container.owner.check()
        self.cancelled = True
        if self.timer is not None:
            self.timer.cancel()

    def __repr__(self) -> str:
        return "<Task of %r%s>" % (self.handler, ", cancelled" if self.cancelled else "")


class Runner:
    """Turns, timers, descriptors and events; see Container, which is what applications use.

    handlers: see what happens to everything that has no handler of its own, in this order.
    clock, network: the world; None for the real one.
    housekeeper: sees every event after the handlers did.
    """

    def __init__(
        self, handlers: tuple[Any, ...], clock: Optional[Clock], network: Optional[Network], housekeeper: Any
    ) -> None:
        self.timeout: Optional[float] = None
        self.loop = Loop(clock, network)
        if network is None:
            # Nobody has to close a container: what it holds of the system goes with it.
            weakref.finalize(self, self.loop.network.close)
        root = Handler()
        for handler in handlers:
            if isinstance(handler, str):
                hint = "did you mean container_id=%r?" % handler
                raise TypeError("handlers are objects with on_... methods, not %r; %s" % (handler, hint))
            check_handler(handler)
        root.handlers = list(handlers)
        self.collector = Collector()
        self._dispatcher = Dispatcher(self.collector, self, root, housekeeper)
        self._posted: deque[tuple[EventBase, Any]] = deque()
        self._injectors: list[EventInjector] = []
        self._drivers: dict[Transport, Driver] = {}
        self._trace = is_wanted(os.environ.get("PN_TRACE_FRM"))
        self._started = False
        self._stopping = False
        self.owner = OwningThread()
        self.rescue: Optional[Rescue] = None
        self.ended_by: Optional[BaseException] = None
        self.raise_errors = False
        self.turns = 0  # how many there were
        self.tasks: weakref.WeakSet[Task] = weakref.WeakSet()  # what `schedule` has returned and is not forgotten
        self.after_turn: Optional[Callable[[], None]] = None  # called when all that a turn brought has been dispatched

    @property
    def handler(self) -> Any:
        """The handler of everything that has none of its own; the container's handlers are its children. Another one
        takes its place, and theirs, from the next event on. TypeError for what is no handler."""
        return self._dispatcher.root.handler

    @handler.setter
    def handler(self, handler: Any) -> None:
        self.owner.check()
        if handler is None:
            raise TypeError("a container needs a handler, and None is none")
        check_handler(handler)
        self._dispatcher.replace(handler)

    @property
    def global_handler(self) -> Any:
        """Not there: AttributeError. In the original it does the reading and writing, which is no handler's work here;
        what is to see every event is given to the container as another handler."""
        raise AttributeError("a container reads and writes by itself: there is no global_handler")

    @global_handler.setter
    def global_handler(self, handler: Any) -> None:
        raise AttributeError(
            "a container reads and writes by itself: there is no global_handler; what is to see what happens is given "
            "as another handler, Container(one, other), or added by container.handler.add(other)"
        )

    # -- timers, descriptors and events of the application's own -----------------------------------------

    def schedule(self, delay: float, handler: Any) -> Task:
        """Call `on_timer_task` of `handler` (of the container's own handlers when None) in `delay` seconds; at once,
        in its turn, when that is not above 0. ValueError for a delay that is no number, TypeError for what is no
        handler."""
        self.owner.check()
        check_delay(delay)
        check_handler(handler)
        task = Task(self, handler)
        self.tasks.add(task)
        task.timer = self.loop.schedule(delay, lambda: self.post(Event(Event.TIMER_TASK, task), handler))
        return task

    def selectable(self, handler: Any = None, delegate: Any = None) -> Any:
        """Watch a descriptor of the application's own, or take in an EventInjector.

        handler: sees the events, see Selectable; it has the descriptor (`fileno()`) unless `delegate` has it.
        Returns the Selectable, or the injector.
        """
        self.owner.check()
        if isinstance(handler, EventInjector):
            self._injectors.append(handler)
            handler.attach(self)
            return handler
        return Selectable(handler if delegate is None else delegate, self, handler)

    def update(self, selectable: Selectable) -> None:
        """`selectable.update()`, under its older name."""
        selectable.update()

    def post(self, event: EventBase, handler: Any = None) -> None:
        """Dispatch `event` in this turn or the next: to `handler`, or to the container's own handlers."""
        self.owner.check()
        self._posted.append((event, handler))

    def call_soon_threadsafe(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have the container call `function(*arguments)` on its own thread, in this turn or the next. From any thread.

        Calls are made in the order in which they were handed over; what one raises leaves `run()`. They wait for a
        container that does not run yet, and are forgotten by one that is stopped. They do not keep it running: while
        one is to come there has to be something else that does, such as a connection.
        """
        if not callable(function):
            raise TypeError("call_soon_threadsafe() takes a function, not %r" % (function,))
        self._posted.append((PostedCall(function, arguments), None))
        self.loop.wake()

    # -- running -----------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The time of this turn, in seconds of the container's clock."""
        return self.loop.now

    def mark(self) -> float:
        """The time now, in seconds of the container's clock."""
        return self.loop.clock.now()

    def run(self) -> None:
        """Run until nothing is left to do: no connection, no listener, no timer, nothing that is watched;
        or until `stop()`. It may be called again.

        An exception of a handler leaves it, with all written that was to be written. Connections and listeners are
        closed on its way out, so that nothing is received which nobody would process; timers stay, for another
        `run()`. Ctrl-C gives everything up, after it has printed what the container was waiting for.

        `ended_by` says afterwards why it returned; with `raise_errors` that is raised.

        Until it returns the container belongs to the thread that called it.
        """
        self.owner.enter()
        self.ended_by = None
        try:
            while self.process():
                pass
            self._dispatch_own(Event.REACTOR_FINAL)
            self._advance()
            self.finished()
        except BaseException as error:
            self.ended_by = error
            if isinstance(error, KeyboardInterrupt):
                self.interrupted()
                self.close_all()
            else:
                self.close_connections()
            raise
        finally:
            self.owner.leave()
        if self.raise_errors and self.ended_by is not None:
            raise self.ended_by

    def close(self) -> None:
        """Close every connection politely, and give up listeners, timers and descriptors, at once: nothing is received
        any more. Harmless when repeated; in a handler it is `stop()`. ``with Container(...) as container:`` does it at
        the end of the block, however that is left."""
        self.owner.check()
        if self.owner.busy:
            self.end()
        else:
            self.close_all()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def start(self) -> None:
        """Tell the handlers that the container begins to run. Once; `run` and `process` see to it."""
        if not self._started:
            self._started = True
            self._dispatch_own(Event.REACTOR_INIT)

    def process(self) -> bool:
        """One turn: dispatch, write, wait, and dispatch and write again. Returns whether anything is left
        to do.

        The container belongs to the thread that did this last.
        """
        owner = self.owner
        busy = owner.enter()
        try:
            return self._turn()
        except Exception as error:
            failed, self._dispatcher.failed = self._dispatcher.failed, None
            if self.rescue is None or not self.rescue(error, failed):
                raise
            return True
        finally:
            owner.busy = busy

    def _turn(self) -> bool:
        self.turns += 1
        if not self._started:
            self.start()
        events, posted = self.collector.events, self._posted
        happened = self._advance() if events or posted or self._injectors else False
        if self._stopping:
            self._stopping = False
            self.close_all()
            return False
        if not happened:
            if not self.loop.watchers and not self._busy:  # most turns have a watcher, and ask no further
                return False
            if self._dispatcher.root[Event.REACTOR_QUIESCED]:
                self._dispatch_own(Event.REACTOR_QUIESCED)
                self._advance()  # what it caused is written; to be told that all is quiet is no reason not to wait
        self.loop.turn(0 if happened or events or posted else self.timeout)
        self._advance()
        if self.after_turn is not None:
            self.after_turn()
        return bool(self.loop.watchers) or self._busy or self._stopping

    def do_work(self, timeout: Optional[float] = None) -> bool:
        """One turn, as `process()`, that waits for at most `timeout` seconds; None leaves that to
        `self.timeout`."""
        before = self.timeout
        if timeout is not None:
            self.timeout = timeout
        try:
            return self.process()
        finally:
            self.timeout = before

    def end(self) -> None:
        """End `run()` after this turn, whatever is in flight. From any thread."""
        self._stopping = True
        self.loop.wake()

    def wakeup(self) -> None:
        """End the wait of the container, if it waits. From any thread."""
        self.loop.wake()

    @property
    def quiesced(self) -> bool:
        """Whether nothing waits to be dispatched."""
        return not self._waiting

    # -- one turn ----------------------------------------------------------------------------------------

    @property
    def _waiting(self) -> bool:
        return bool(self.collector.events or self._posted)

    @property
    def _busy(self) -> bool:
        return self.loop.busy or self._waiting or bool(self._injectors)

    def _advance(self) -> bool:
        """Dispatch what happened and write what came of it. Returns whether anything was dispatched."""
        if self._injectors:
            self._take_injected()
        events, posted = self.collector.events, self._posted
        happened = bool(events or posted)
        try:
            # What is written may let the application go on at once (its messages have left): that is cheaper
            # than another look at the network, but it must not keep the network waiting for ever.
            for number in range(_ROUNDS):
                if posted:
                    self._dispatch_posted()
                self._dispatcher.run()
                if self._dispatcher.modified:
                    self._flush()
                if not (events or posted):
                    break
                if number >= _FEW and self.loop.clock.now() - self.loop.now > _ENOUGH:
                    break
        except BaseException:
            # What was done before the handler failed, and that it failed, is still told to the peers.
            for driver in list(self._drivers.values()):
                driver.flush()
            raise
        return happened

    def _dispatch_posted(self) -> None:
        posted = self._posted
        for _ in range(len(posted)):
            event, handler = posted.popleft()
            task = getattr(event, "context", None)
            if not (isinstance(task, Task) and task.cancelled):
                self._dispatcher.dispatch(event, handler)

    def _dispatch_own(self, etype: EventType) -> None:
        self.collector.put(self, etype)

    def _take_injected(self) -> None:
        for injector in list(self._injectors):
            closed = injector.closed  # asked before: what is triggered until then is taken
            event = injector.take()
            while event is not None:
                self.post(event, event.handler)
                event = injector.take()
            if closed:
                self._injectors.remove(injector)

    def _flush(self) -> None:
        dispatcher = self._dispatcher
        modified, dispatcher.modified = dispatcher.modified, []
        for transport in modified:
            driver = self._drivers.get(transport)
            if driver is not None and transport.connection is None and transport.parted is not None:
                driver.close()
                self.parted(transport, transport.parted)
            elif driver is not None:
                driver.flush()

    # -- transports --------------------------------------------------------------------------------------

    @property
    def watched(self) -> list[Any]:
        """The application's own descriptors and injectors."""
        return [*(watcher for watcher in self.loop.watchers if isinstance(watcher, Selectable)), *self._injectors]

    def drive(self, transport: Transport, wire: Wire) -> Driver:
        """Have `transport` exchange its bytes over `wire`. Connectors and acceptors call it."""
        transport.trace_maker = partial(_trace, weakref.ref(transport))
        if self._trace or transport.trace_flags:
            transport.trace(transport.trace_flags or transport.TRACE_FRM)
        linger = LINGER if transport.write_timeout is None else min(LINGER, transport.write_timeout)
        driver = self._drivers[transport] = Driver(self.loop, transport, wire, linger)
        return driver

    def ended(self, transport: Transport, connection: Optional[Connection]) -> None:
        """The transport is closed, and its handlers know. Nobody makes another for its connection."""
        self.let_go(transport)
        if connection is not None:
            transport.unbind()
            if connection.state & Endpoint.LOCAL_ACTIVE:
                connection.close()  # what would be sent over it would wait for ever

    def parted(self, transport: Transport, connection: Connection) -> None:
        """The application has let go of a wire by `transport.unbind()`: for its connection that is a loss as any other;
        unless it has another wire already."""
        self.ended(transport, connection if connection.transport is None else None)

    def let_go(self, transport: Transport) -> None:
        """The transport is closed. If a handler closed it, its driver does not know yet."""
        driver = self._drivers.pop(transport, None)
        if driver is not None:
            driver.flush()

    def interrupted(self) -> None:
        """Somebody has pressed Ctrl-C (system_handler.py)."""

    def finished(self) -> None:
        """Nothing is left to do: whoever waits for the end of `run()` may know."""

    def close_all(self) -> None:
        """Close politely what can be closed at once, then let go of everything."""
        self.close_connections()
        for watcher in list(self.loop.watchers):
            watcher.close()
        self.loop.timers.clear()
        self._injectors.clear()
        self._posted.clear()

    def close_connections(self) -> None:
        """Close connections and listeners, as politely as can be done at once. What has come over them and was not told
        is forgotten."""
        for transport, driver in list(self._drivers.items()):
            connection = transport.connection
            if connection is not None:
                connection.close()
            driver.flush()
            driver.close()
        for watcher in list(self.loop.watchers):
            if isinstance(watcher, ListenerDriver):
                watcher.close()
        self._drivers.clear()
        self.collector.release()


def _trace(ref: Callable[[], Optional[Transport]]) -> TextTrace:
    """What writes down the frames of one transport."""

    def write(line: str) -> None:
        transport = ref()
        if transport is None or transport.tracer is None:
            _print(line)
        else:
            transport.log(line)

    return TextTrace(write, "0x%x" % next(_traced))


def _print(line: str) -> None:
    """One line of the trace, in one write: containers in other threads trace too."""
    sys.stderr.write(line + "\n")
