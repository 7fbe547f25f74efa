"""Observers of a container: checked once, and called at the places where something happens.

Each place has one function, or None where no observer has the method: the rest of the container asks for that and for
nothing more. What observers may define is in reactor/tracing/observer.py.
"""

from __future__ import annotations

from types import BuiltinMethodType

from reactor.codec.long_payload import LongPayload
from reactor.container.methods import Calls
from reactor.container.slow_handlers import describe
from reactor.engine.endpoints.delivery import SETTLED_NOW, STATE_CHANGED
from reactor.engine.endpoints.disposition import TERMINAL, TRANSACTIONAL_STATE
from reactor.engine.events import Event, EventBase, EventType, defined
from reactor.engine.handler import INCOMING, OUTGOING, Direction
from reactor.engine.observing import Hooks
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import logger
from reactor.tracing.observer import METHODS

log = logger(__name__)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable, Optional, Union

    from reactor.engine.events import Call
    from reactor.loop.interface import Clock

    Tell = Callable[..., None]

#: Seconds for which handlers may hold the loop before observers hear of it.
HELD_LIMIT = 0.1

#: Methods that are called for each message, with one argument.
OF_MESSAGES = ("sent", "received", "settled", "credit")


class Observing:
    """The observers of one container, as functions.

    Each attribute that is named as a method of `reactor.tracing.observer.Observer` calls that method of all observers
    that have it, or is None where none has.
    hooks: for connections; None: nothing is to be called there. held_limit: seconds; None: no observer asks.
    """

    def __init__(self, observers: Iterable[Any], container: Any, clock: Clock) -> None:
        self._clock = clock
        self._calls: dict[str, list[tuple[Any, Callable[..., Any]]]] = {}
        self._gone: list[Any] = []  # observers that have failed
        self._up: dict[Any, None] = {}  # the connections that are open
        limits: list[float] = []
        for given in observers:
            found = {name for name in METHODS if defined(given, name) is not None}
            check_observer(given, found)
            observer = given
            if "observer" in found:
                observer = given.observer(container)
                found = {name for name in METHODS if defined(observer, name) is not None}
            if "held" in found:
                limits.append(getattr(observer, "held_limit", HELD_LIMIT))
            for name in sorted(found - {"observer"}):
                self._calls.setdefault(name, []).append((observer, getattr(observer, name)))
        self.sent, self.received = self._all("sent"), self._all("received")
        self.settled, self.credit = self._all("settled"), self._all("credit")
        self.connected, self.closed = self._all("connected"), self._all("closed")
        self.lost, self.failed, self.retry = self._all("lost"), self._all("failed"), self._all("retry")
        self.called, self.timer, self.held = self._all("called"), self._all("timer"), self._all("held")
        self.turned, self.ended = self._all("turned"), self._all("ended")
        self.held_limit: Optional[float] = min(limits, default=None)
        self.hooks: Optional[Hooks] = None
        if self.sent or self.settled or self.credit:
            self.hooks = Hooks(self.sent, self.settled, self.credit)

    def _all(self, name: str) -> Optional[Tell]:
        """A function that calls the method of all that have it."""
        calls = self._calls.get(name)
        if calls is None:
            return None
        if len(calls) == 1 and name in OF_MESSAGES:
            only = calls[0][1]
            if isinstance(only, BuiltinMethodType) and only.__name__ == "append":
                return only  # of a list or deque: it does not fail, and a call for each message is saved

        def tell(*arguments: Any) -> None:
            if name == "sent" and type(arguments[0].payload) is LongPayload:
                arguments[0].payload = bytes(arguments[0].payload)
            for observer, call in calls:
                try:
                    call(*arguments)
                except Exception as error:
                    self._give_up(observer, name, error)

        return tell

    def _give_up(self, observer: Any, name: str, error: Exception) -> None:
        """An observer has failed: the run goes on without it."""
        log.error("%r has failed in %s(), and looks on no more: %r", observer, name, error, exc_info=error)
        self._gone.append(observer)
        for calls in self._calls.values():
            for at, (other, _) in enumerate(calls):
                if other is observer:
                    calls[at] = (observer, _nothing)  # in its place: the list may just be walked through

    # -- handlers ------------------------------------------------------------------------------------------

    def extend(self, kind: Union[EventType, Direction], plan: tuple[Call, ...]) -> tuple[Call, ...]:
        """A plan of the dispatcher, with the calls of the observers."""
        if self.called is not None:
            etype = Event.DELIVERY if isinstance(kind, Direction) else kind
            plan = tuple(self._timed(call, etype, self.called) for call in plan)
        if kind is INCOMING and (self.received is not None or self.settled is not None):
            plan = (_incoming(self.received or _nothing, self.settled or _nothing), *plan)
        elif kind is OUTGOING and self.settled is not None:
            plan = (_outgoing(self.settled), *plan)
        elif kind is Event.DELIVERY_IN_DOUBT and self.settled is not None:
            plan = (self._in_doubt, *plan)
        return plan

    def _timed(self, call: Call, etype: EventType, called: Tell) -> Call:
        """`call`, with its time taken."""
        calls, clock = Calls(call, etype), self._clock.now
        handler = calls.handler
        if handler is None:
            return call

        def timed(event: Any) -> None:
            name = calls.name(event.context)
            if name is None:
                call(event)
                return
            before = clock()
            try:
                call(event)
            finally:
                called(handler, name, event, clock() - before)

        return timed

    def _in_doubt(self, event: Any) -> None:
        if self.settled is not None:
            self.settled(event.context)

    def around(self, event: EventBase, handler: Any) -> None:
        """Dispatch an event that is not of the engine: a timer's, a call's of another thread, the application's."""
        if event.type is Event.TIMER_TASK and self.timer is not None:
            self.timer(getattr(event, "context", None))
        if self.called is None:
            event.dispatch(handler)
            return
        clock = self._clock.now
        before = clock()
        try:
            event.dispatch(handler)
        finally:
            name = describe(handler, event.type, event)
            self.called(handler, name.rpartition(".")[2], event, clock() - before)

    # -- wires -----------------------------------------------------------------------------------------------

    def wire(self, transport: Any, wire: Any, is_server: bool) -> None:
        """A transport gets a wire: have the observers that want them see its bytes."""
        for observer, call in self._calls.get("wire", ()):
            try:
                tap = call(transport, wire, is_server)
            except Exception as error:
                self._give_up(observer, "wire", error)
                continue
            if tap is not None:
                transport.taps.add(self._guarded(observer, tap))

    def _guarded(self, observer: Any, tap: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
        gone = self._gone

        def overheard(direction: str, data: bytes) -> None:
            if gone and observer in gone:
                return
            try:
                tap(direction, data)
            except Exception as error:
                self._give_up(observer, "the function of wire", error)

        return overheard

    # -- events of connections: its methods are a handler's, called before all others -----------------------

    def on_connection_remote_open(self, event: Any) -> None:
        """The peer has opened the connection."""
        self._up[event.connection] = None
        if self.connected is not None:
            self.connected(event.connection)

    def on_transport_closed(self, event: Any) -> None:
        """A wire has ended."""
        transport, connection = event.context, event.context.connection or event.context.parted
        if connection is None:
            return
        condition = transport.condition or connection.remote_condition
        if connection not in self._up:
            if self.failed is not None:
                self.failed(connection, condition)
            return
        del self._up[connection]
        if condition is None:
            if self.closed is not None:
                self.closed(connection)
        elif self.lost is not None:
            self.lost(connection, condition)


def _incoming(received: Tell, settled: Tell) -> Call:
    """The call in front of a plan for received deliveries."""

    def incoming(event: Any) -> None:
        delivery = event.context
        if delivery.payload is not None and not delivery.partial and not delivery.aborted:
            if not getattr(delivery, "observed", False):  # there are other events of one that is not read yet
                delivery.observed = True
                received(delivery)
        if delivery.changes and delivery.changes & SETTLED_NOW and delivery.local_state not in TERMINAL:
            settled(delivery)

    return incoming


def _outgoing(settled: Tell) -> Call:
    """The call in front of a plan for sent deliveries."""

    def outgoing(event: Any) -> None:
        delivery = event.context
        changes = delivery.changes
        if changes:
            state = delivery.remote_state
            if state in TERMINAL or state is TRANSACTIONAL_STATE:
                if changes & STATE_CHANGED:
                    settled(delivery)
            elif changes & SETTLED_NOW:
                settled(delivery)  # without an outcome

    return outgoing


def check_observer(observer: Any, found: set[str]) -> None:
    """TypeError for an object that is no observer. found: the methods of one that it has."""
    if isinstance(observer, type):
        raise TypeError("observers are objects: %s(), and not the class" % observer.__name__)
    if not found or isinstance(observer, (str, bytes)):
        names = ", ".join(METHODS)
        raise TypeError("an observer has some of these methods: %s; %r has none of them" % (names, observer))
    for name in sorted(found):
        if not callable(getattr(observer, name)):
            raise TypeError("%s of the observer %r is no method" % (name, observer))


def _nothing(*arguments: Any) -> None:
    """Stands where an observer has failed."""
