"""Turns: the loop of a container, its queue of events, and the wires that they read and write.

A turn goes: dispatch the events, write their effects, wait, and dispatch and write again. All that an application
writes within one turn leaves together, unless its handlers take long or a peer waits for credit, and no handler runs
while bytes are read. The container owns one; timers, foreign descriptors and injected events come in here. It knows the
engine's transports from outside, and no frame; it decides nothing about connections.
"""

from __future__ import annotations

import os
from collections import deque

from reactor import container as rooms
from reactor.container.sources.task import Task
from reactor.container.threads import OwningThread, PostedCall
from reactor.engine.blocks import blocks
from reactor.engine.events import Collector, Event, EventBase, EventType
from reactor.engine.handler import Dispatcher, Handler, PlanTable, check_handler
from reactor.lazily import TYPE_CHECKING
from reactor.loop.driver import Driver, ListenerDriver
from reactor.system import HERE

if TYPE_CHECKING:
    from collections.abc import Sized
    from typing import Any, Callable, Optional

    from reactor.container.interface import Injected, TurnHost
    from reactor.container.observing import Observing
    from reactor.engine.public import Connection, Transport
    from reactor.loop.interface import Wire
    from reactor.loop.loop import Loop

_QUIESCED = Event.REACTOR_QUIESCED

#: How often a turn goes on with the effects of its own writing, before it looks at the network again.
_ROUNDS = 16
#: Nor for longer than so many seconds, as soon as it has done so a few times: a peer that takes all that it is sent
#: could keep a turn going, and many of them would keep all others waiting.
_ENOUGH, _FEW = 0.05, 3
#: The bytes of a round wait for those of the next one as long as all handlers of the turn have taken less than so many
#: seconds: one write for each message of a handler that sends one in each `on_sendable` costs more than the message.
_BRIEF = 0.001

#: Seconds for a peer to finish after us, at most: for as long, too, as it may take to take our last words.
LINGER = 10.0

#: The error for a name that a container of the original has.
NO_GLOBAL_HANDLER = (
    "a container reads and writes by itself, and no handler takes the place of that: one that is to see every "
    "event is added, container.global_handler.add(handler)"
)


class Turns:
    """Turns, posted events and drivers.

    container: the `container` of events, and the context of its own ones.
    handlers: the container's own.

    drivers: of the transports that have a wire.
    injectors: the EventInjectors that are registered.
    everything: sees every event, after the handlers; the container's own part is its first child.
    count: how many turns there were.
    after_turn: called when all that a turn brought has been dispatched (`look_after`); None: nothing is.
    looking: the function of `look_after`. observing: the container's observers; None: it has none.
    """

    def __init__(self, container: TurnHost, loop: Loop, owner: OwningThread, handlers: tuple[Any, ...]) -> None:
        for handler in handlers:
            if isinstance(handler, str):
                hint = "did you mean container_id=%r?" % handler
                raise TypeError("handlers are objects with on_... methods, not %r; %s" % (handler, hint))
            check_handler(handler, container.runs_coroutines)
        root = Handler()
        root.handlers = list(handlers)
        self.everything = Handler()
        blocks.gathered_from = HERE.gathered_from
        self.loop = loop
        self.owner = owner
        self.collector = Collector()
        self.dispatcher = Dispatcher(self.collector, container, root)
        self.drivers: dict[Transport, Driver] = {}
        self.injectors: list[Injected] = []
        self.count = 0
        self.after_turn: Optional[Callable[[], None]] = None
        self.observing: Optional[Observing] = None
        self.looking: Optional[Callable[[], None]] = None
        self._turned: Optional[Callable[[], None]] = None  # of observers
        self._container = container
        self._posted: deque[tuple[EventBase, Any]] = deque()
        self._kept: dict[Driver, None] = {}  # each has output of this turn that is not written yet
        self._traces = wanted_trace(os.environ.get("PN_TRACE_FRM"))
        self._started = False
        self._stopping = False

    def obey(
        self, observer: Any, parted: Callable[[Transport, Connection], None], close_all: Callable[[], None]
    ) -> None:
        """Get the rest of the container.

        observer: sees every event after the handlers did. parted: called when the application has let go of a wire by
        `transport.unbind()`. close_all: called when the container stops.
        """
        self.everything.handlers = [observer]
        self.dispatcher.observer = PlanTable(self.everything)
        self._parted = parted
        self._close_all = close_all

    def observe(self, observing: Observing) -> None:
        """Have the container's observers look on. Once, before anything happens."""
        self.observing = observing
        self.dispatcher.extend, self.dispatcher.around = observing.extend, observing.around
        self.everything.handlers.insert(0, observing)
        self._turned = self.after_turn = observing.turned

    @property
    def handler(self) -> Any:
        """The handler of all events that have none of their own."""
        return self.dispatcher.root.handler

    @handler.setter
    def handler(self, handler: Any) -> None:
        if handler is None:
            raise TypeError("a container needs a handler, and None is none")
        check_handler(handler, self._container.runs_coroutines)
        self.dispatcher.replace(handler)

    # -- the queues --------------------------------------------------------------------------------------

    def post(self, event: EventBase, handler: Any = None) -> None:
        """Dispatch `event` in this turn or the next: to `handler`, or to the container's own handlers."""
        self._posted.append((event, handler))

    def call_soon(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Call `function` in this turn or the next. From any thread."""
        self._posted.append((PostedCall(function, arguments), None))
        self.loop.wake()

    def announce(self, etype: EventType) -> None:
        """Queue an event of the container's own."""
        self.collector.put(self._container, etype)

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits to be dispatched."""
        return bool(self.collector.events or self._posted)

    # -- one turn ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Announce, once, that the container begins to run."""
        if not self._started:
            self._started = True
            self.announce(Event.REACTOR_INIT)

    def process(self) -> bool:
        """One turn, which waits for at most `container.timeout` seconds. Returns whether anything is left to do."""
        owner = self.owner
        busy = owner.enter()
        try:
            return self._turn()
        except Exception as error:
            failed, self.dispatcher.failed = self.dispatcher.failed, None
            rescue = self._container.rescue  # the handlers of this turn may have set it
            if rescue is None or not rescue(error, failed):
                raise
            return True
        finally:
            owner.busy = busy

    def _turn(self) -> bool:
        self.count += 1
        if not self._started:
            self.start()
        events, posted = self.collector.events, self._posted
        happened = self.advance() if events or posted or self.injectors else False
        if self._stopping:
            self._stopping = False
            self._close_all()
            return False
        loop = self.loop
        if not happened:
            if not loop.watchers and not self._busy:  # most turns have a watcher, and ask no further
                return False
            if self.dispatcher.root[_QUIESCED]:
                self.announce(_QUIESCED)
                self.advance()  # its effects are written; that all is quiet is no reason not to wait
        loop.turn(0 if happened or events or posted else self._container.timeout)
        self.advance()
        if self.after_turn is not None:
            self.after_turn()
        return True if loop.watchers else self._busy or self._stopping

    def look_after(self, look: Optional[Callable[[], None]]) -> None:
        """Have `look` called when all that a turn brought has been dispatched; None: nothing, but observers."""
        turned = self._turned
        self.looking = look

        def both() -> None:
            assert look is not None and turned is not None
            look()
            turned()

        self.after_turn = both if look is not None and turned is not None else look or turned

    def end(self) -> None:
        """Stop with this turn, or with the next one. From any thread."""
        self._stopping = True
        self.loop.wake()

    @property
    def _busy(self) -> bool:
        return self.loop.busy or self.is_waiting or bool(self.injectors)

    def advance(self) -> bool:
        """Dispatch the events and write their effects. Returns whether anything was dispatched."""
        if self.injectors:
            self._take_injected()
        events, posted, dispatcher = self.collector.events, self._posted, self.dispatcher
        if not (events or posted or dispatcher.modified):
            return False
        try:
            # Writing may let the application go on at once (its messages have left): that is cheaper
            # than another look at the network, but it must not keep the network waiting for ever.
            for number in range(_ROUNDS):
                if posted:
                    self._dispatch_posted()
                dispatcher.run()
                modified = dispatcher.modified
                if modified:
                    dispatcher.modified = []
                    self._flush(modified, events)
                if not (events or posted):
                    break
                spent = self.loop.clock.now() - self.loop.now
                if self._kept and spent > _BRIEF:
                    self._write_kept()
                if number >= _FEW and spent > _ENOUGH:
                    break
            if self._kept:
                self._write_kept()
        except BaseException:
            # The effects of handlers before the one that failed, and of its failure, still go to the peers.
            self._kept.clear()
            for driver in list(self.drivers.values()):
                driver.flush()
            raise
        return True

    def _dispatch_posted(self) -> None:
        posted = self._posted
        for _ in range(len(posted)):
            event, handler = posted.popleft()
            task = getattr(event, "context", None)
            if not (isinstance(task, Task) and task.cancelled):
                self.dispatcher.dispatch(event, handler)

    def _take_injected(self) -> None:
        for injector in list(self.injectors):
            closed = injector.closed  # asked before: an event that is triggered until then is taken
            event = injector.take()
            while event is not None:
                self.post(event, event.handler)
                event = injector.take()
            if closed:
                self.injectors.remove(injector)

    def _flush(self, modified: list[Any], events: Sized) -> None:
        """Write what these transports have. Where that brings `events` it may wait for their effects; but not where
        there are some already: a peer waits."""
        if events:
            events = ()
        for transport in modified:
            driver = self.drivers.get(transport)
            if driver is None:
                continue
            if transport.connection is not None or transport.parted is None:
                if driver.flush(events):
                    self._kept[driver] = None
            else:
                if driver in self._kept:
                    driver.flush()  # it was written before the application let go
                driver.close()
                self._parted(transport, transport.parted)

    def _write_kept(self) -> None:
        kept, self._kept = self._kept, {}
        for driver in kept:
            driver.flush()

    # -- wires -------------------------------------------------------------------------------------------

    def drive(self, transport: Transport, wire: Wire, is_server: bool = False) -> Driver:
        """Have `transport` exchange its bytes over `wire`. is_server: the wire came in."""
        if self.observing is not None:
            self.observing.wire(transport, wire, is_server)
        transport.trace_maker = _trace_words if self._traces == "words" else _trace_frames
        if self._traces or transport.trace_flags:
            transport.trace(transport.trace_flags or transport.TRACE_FRM)
        linger = LINGER if transport.write_timeout is None else min(LINGER, transport.write_timeout)
        driver = self.drivers[transport] = Driver(self.loop, transport, wire, linger)
        return driver

    def let_go(self, transport: Transport) -> None:
        """The transport is closed. If a handler closed it, its driver does not know yet."""
        driver = self.drivers.pop(transport, None)
        if driver is not None:
            driver.flush()

    def drop_wires(self) -> None:
        """Close every wire, with the bytes that can be written at once; handlers get the events."""
        for driver in list(self.drivers.values()):
            driver.flush()
            driver.close()

    def close_listeners(self) -> None:
        """Let no wire in any more."""
        for watcher in list(self.loop.watchers):
            if isinstance(watcher, ListenerDriver):
                watcher.close()

    def close_wires(self) -> None:
        """Close wires and listeners, connections as politely as can be done at once. Events that are not dispatched
        yet are forgotten."""
        for transport, driver in list(self.drivers.items()):
            connection = transport.connection
            if connection is not None:
                connection.close()
            driver.flush()
            driver.close()
        self.close_listeners()
        self.drivers.clear()
        self.collector.release()

    def clear(self) -> None:
        """Close every watcher, forget timers, injectors and posted events."""
        for watcher in list(self.loop.watchers):
            watcher.close()
        self.loop.timers.clear()
        self.injectors.clear()
        self._posted.clear()


def wanted_trace(wanted: Optional[str]) -> str:
    """The trace that the value of the environment variable ``PN_TRACE_FRM`` asks for: "frames", "words" or ""."""
    word = (wanted or "").strip().lower()
    return word if word == "words" else "frames" if word in ("1", "true", "yes", "on") else ""


def _trace_frames(transport: Transport) -> Callable[[str, bytes], None]:
    return rooms.trace_frames(transport)


def _trace_words(transport: Transport) -> Callable[[str, bytes], None]:
    return rooms.trace_words(transport)
