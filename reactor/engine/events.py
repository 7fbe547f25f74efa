"""Events: changes of endpoints, deliveries and transports, in the order in which they happened.

The engine puts pairs of (EventType, context) into a Collector and calls no handler. The driver of the
engine takes them out: a program that polls uses `peek` and `pop`, the container's Dispatcher takes the pairs
themselves and builds an Event only where a handler listens. Nothing here knows a handler, a frame or a socket.
"""

from __future__ import annotations

from collections import deque
from types import CoroutineType

from reactor.lazily import TYPE_CHECKING
from reactor.listing import Listed

if TYPE_CHECKING:
    from typing import Any, Callable, ClassVar, Optional

    from reactor.codec.types import AnyValue

# The kind of an event's context: it decides which handlers see the event (handler.py).
NOTHING, TRANSPORT_SCOPE, CONNECTION_SCOPE, SESSION_SCOPE, LINK_SCOPE, DELIVERY_SCOPE = range(6)

_CLASS_NAMES = ("pn_void", "pn_transport", "pn_connection", "pn_session", "pn_link", "pn_delivery")


class EventType:
    """One kind of event.

    name: its name, such as ``"on_message"`` or ``"pn_delivery"``; shown by repr.
    number: its number; those from 10000 up are the application's own; None: the next of those.
    method: the name of the method it calls on handlers, such as ``"on_delivery"``.
    """

    __slots__ = ("name", "number", "method", "scope")

    TYPES: ClassVar[dict[int, EventType]] = {}
    OWN: ClassVar[int] = 10000
    _next: ClassVar[int] = OWN

    def __init__(
        self,
        name: Optional[str] = None,
        number: Optional[int] = None,
        method: Optional[str] = None,
        scope: int = NOTHING,
    ) -> None:
        if name is None and number is None:
            raise TypeError("an EventType needs a name or a number")
        if number is None:
            number = EventType._next
            EventType._next += 1
        self.name = name or "event_%d" % number
        self.number = number
        self.method = method or "on_%s" % self.name
        self.scope = scope
        self.TYPES[number] = self

    def __repr__(self) -> str:
        return self.name


class EventBase(Listed):
    """The common part of all events: a type, and the container that dispatched it (None outside a container)."""

    __slots__ = ("type", "container", "__dict__")

    def __init__(self, type: EventType) -> None:
        self.type = type
        self.container: Any = None

    @property
    def reactor(self) -> Any:
        """The container under its older name."""
        return self.container

    def dispatch(self, handler: object, type: Optional[EventType] = None) -> None:
        """Call `handler`'s method for this event, then those of its children, in order."""
        method = (type or self.type).method
        for call in compile_plan(handler, method):
            call(self)


class Event(EventBase):
    """An event about `context`.

    The attributes connection, session, link, sender, receiver, delivery and transport lead to the object of the event
    and to its owners; those without relevance are None. `message` is the message in `on_message` and None
    elsewhere. `container` is set while a container dispatches the event.
    """

    __slots__ = ("context", "message")

    def __init__(self, type: EventType, context: AnyValue = None) -> None:
        self.type = type
        self.context = context
        self.container = None
        self.message: Any = None

    @property
    def clazz(self) -> str:
        """The name of the context's class in the original, such as ``"pn_delivery"``."""
        return _CLASS_NAMES[self.type.scope]

    @property
    def handler(self) -> Any:
        """The handler that the application set nearest to the context: link, session or connection; or None."""
        context = self.delivery or self.context
        while context is not None:
            handler = getattr(context, "handler", None)
            if handler is not None:
                return handler
            context = getattr(context, "parent", None)
        return None

    @property
    def transport(self) -> Any:
        """The transport that carries the context, or None when there is none (any more)."""
        if self.type.scope == TRANSPORT_SCOPE:
            return self.context
        return None if self.type.scope == NOTHING else self.context.transport

    @property
    def connection(self) -> Any:
        """The connection that the context belongs to, or None."""
        return None if self.type.scope == NOTHING else self.context.connection

    @property
    def session(self) -> Any:
        """The session that the context belongs to, or None."""
        scope = self.type.scope
        if scope >= LINK_SCOPE:
            return self.context.session
        return self.context if scope == SESSION_SCOPE else None

    @property
    def link(self) -> Any:
        """The link that the context is or belongs to, or None."""
        scope = self.type.scope
        if scope == DELIVERY_SCOPE:
            return self.context.link
        return self.context if scope == LINK_SCOPE else None

    @property
    def sender(self) -> Any:
        """The link if it is a sender, else None."""
        scope = self.type.scope
        if scope < LINK_SCOPE:
            return None
        link = self.context if scope == LINK_SCOPE else self.context.link
        return link if link.is_sender else None

    @property
    def receiver(self) -> Any:
        """The link if it is a receiver, else None."""
        scope = self.type.scope
        if scope < LINK_SCOPE:
            return None
        link = self.context if scope == LINK_SCOPE else self.context.link
        return None if link.is_sender else link

    @property
    def delivery(self) -> Any:
        """The delivery that the event is about, or None."""
        return self.context if self.type.scope == DELIVERY_SCOPE else None

    @property
    def transaction(self) -> Any:
        """The transaction that the event is about, or None."""
        return self.__dict__.get("transaction")

    if not TYPE_CHECKING:  # which would let every misspelt name pass

        def __getattr__(self, name: str) -> Any:
            """The attribute of the context, as in the original. AttributeError when it has none of this name."""
            if not name.startswith("_"):
                try:
                    return getattr(self.context, name)
                except AttributeError:
                    pass
            raise AttributeError("neither the event %s nor its context has %r" % (self.type.name, name))

    def __repr__(self) -> str:
        return "%s(%r)" % (self.type.name, self.context)

    # The catalogue. The numbers are ours; programs compare the types themselves.
    REACTOR_INIT: ClassVar[EventType]
    REACTOR_QUIESCED: ClassVar[EventType]
    REACTOR_FINAL: ClassVar[EventType]
    TIMER_TASK: ClassVar[EventType]
    CONNECTION_INIT: ClassVar[EventType]
    CONNECTION_BOUND: ClassVar[EventType]
    CONNECTION_UNBOUND: ClassVar[EventType]
    CONNECTION_LOCAL_OPEN: ClassVar[EventType]
    CONNECTION_REMOTE_OPEN: ClassVar[EventType]
    CONNECTION_LOCAL_CLOSE: ClassVar[EventType]
    CONNECTION_REMOTE_CLOSE: ClassVar[EventType]
    CONNECTION_FINAL: ClassVar[EventType]
    CONNECTION_RECONNECTED: ClassVar[EventType]
    SESSION_INIT: ClassVar[EventType]
    SESSION_LOCAL_OPEN: ClassVar[EventType]
    SESSION_REMOTE_OPEN: ClassVar[EventType]
    SESSION_LOCAL_CLOSE: ClassVar[EventType]
    SESSION_REMOTE_CLOSE: ClassVar[EventType]
    SESSION_FINAL: ClassVar[EventType]
    LINK_INIT: ClassVar[EventType]
    LINK_LOCAL_OPEN: ClassVar[EventType]
    LINK_REMOTE_OPEN: ClassVar[EventType]
    LINK_LOCAL_CLOSE: ClassVar[EventType]
    LINK_REMOTE_CLOSE: ClassVar[EventType]
    LINK_LOCAL_DETACH: ClassVar[EventType]
    LINK_REMOTE_DETACH: ClassVar[EventType]
    LINK_FLOW: ClassVar[EventType]
    LINK_FINAL: ClassVar[EventType]
    DELIVERY: ClassVar[EventType]
    DELIVERY_IN_DOUBT: ClassVar[EventType]
    DELIVERY_LEFT: ClassVar[EventType]
    TRANSPORT: ClassVar[EventType]
    TRANSPORT_ERROR: ClassVar[EventType]
    TRANSPORT_HEAD_CLOSED: ClassVar[EventType]
    TRANSPORT_TAIL_CLOSED: ClassVar[EventType]
    TRANSPORT_CLOSED: ClassVar[EventType]
    SELECTABLE_INIT: ClassVar[EventType]
    SELECTABLE_UPDATED: ClassVar[EventType]
    SELECTABLE_READABLE: ClassVar[EventType]
    SELECTABLE_WRITABLE: ClassVar[EventType]
    SELECTABLE_ERROR: ClassVar[EventType]
    SELECTABLE_EXPIRED: ClassVar[EventType]
    SELECTABLE_FINAL: ClassVar[EventType]


def _scope_of(name: str) -> int:
    first = name.partition("_")[0]
    return {
        "TRANSPORT": TRANSPORT_SCOPE,
        "CONNECTION": CONNECTION_SCOPE,
        "SESSION": SESSION_SCOPE,
        "LINK": LINK_SCOPE,
        "DELIVERY": DELIVERY_SCOPE,
    }.get(first, NOTHING)


for _number, _name in enumerate(Event.__annotations__, 1):
    setattr(Event, _name, EventType("pn_" + _name.lower(), _number, "on_" + _name.lower(), _scope_of(_name)))


class Collector:
    """The queue of events. One collector may serve any number of connections."""

    __slots__ = ("events", "_head", "__dict__")

    def __init__(self) -> None:
        self.events: deque[tuple[EventType, AnyValue]] = deque()
        self._head: Optional[Event] = None

    def put(self, obj: object, etype: EventType) -> None:
        """Append an event of type `etype` about `obj`, unless the newest one is the same."""
        events = self.events
        if events:
            last = events[-1]
            if last[0] is etype and last[1] is obj:
                return
        events.append((etype, obj))

    def peek(self) -> Optional[Event]:
        """The oldest event, which stays in the queue; None when there is none."""
        if not self.events:
            return None
        if self._head is None:
            self._head = Event(*self.events[0])
        return self._head

    def pop(self) -> None:
        """Drop the oldest event; nothing happens when there is none."""
        self._head = None
        if self.events:
            _let_go(self.events.popleft())

    def more(self) -> bool:
        """Whether there is an event behind the oldest one."""
        return len(self.events) > 1

    def release(self) -> None:
        """Drop all that is queued."""
        self._head = None
        while self.events:
            _let_go(self.events.popleft())


def _let_go(pair: tuple[EventType, Any]) -> None:
    """An event is out of the queue: its delivery may have another one."""
    if pair[0].scope == DELIVERY_SCOPE:
        pair[1].noted = False


if TYPE_CHECKING:
    Call = Callable[[Any], Any]

    #: Called with an event, and with the exception that has left the coroutine for it, or None.
    Finished = Callable[[Any, Optional[BaseException]], None]

#: A flag of the code of coroutines (inspect.CO_COROUTINE).
COROUTINE = 0x80


def defined(handler: Any, method: str) -> Optional[Call]:
    """`handler.method`, or None where the handler defines none.

    A method with a true attribute `declared_only` stands in a class for its documentation and its type. It counts
    as none, and a class behind it in the method resolution order may define the method.
    """
    call: Any = getattr(handler, method, None)
    if getattr(call, "declared_only", False):
        for cls in type(handler).__mro__:
            function = cls.__dict__.get(method)
            if function is not None and not getattr(function, "declared_only", False):
                return function.__get__(handler, type(handler))  # type: ignore[no-any-return]  # a bound method
        return None
    return call  # type: ignore[no-any-return]  # any value that the application put there


def run_later(result: Any, event: Any, finished: Optional[Finished] = None) -> bool:
    """A method of a handler has returned something: a coroutine is run by the container of `event`, beside its turns;
    other results mean nothing. Returns whether it goes on: one that waits for nothing has returned already, or is left
    by its exception here. finished: called with the event when a coroutine that went on has returned, and with None or
    the exception that left it. TypeError where the container runs none."""
    if result.__class__ is not CoroutineType and not hasattr(result, "__await__"):
        return False
    container = event.container
    if container is None or not container.runs_coroutines:
        close = getattr(result, "close", None)
        if close is not None:
            close()
        text = "the method for %s is a coroutine, which this container would not run: use reactor.aio.AsyncContainer"
        raise TypeError(text % event.type.method)
    return bool(container.run_coroutine(result, event, finished))


def is_coroutine(method: Any) -> bool:
    """Whether it was defined by `async def`."""
    return bool(getattr(getattr(method, "__code__", None), "co_flags", 0) & COROUTINE)


def heard(method: Call) -> Call:
    """`method`, to be called with an event; of one that is a coroutine, a function that has it run."""
    return (lambda event: run_later(method(event), event)) if is_coroutine(method) else method


def compile_plan(handler: Any, method: str) -> tuple[Call, ...]:
    """The calls of an event of `method` to `handler`'s tree: its own method, then its children's, in order.

    A handler without the method has `on_unhandled(method, event)` called instead, if it has one of its own. A method
    with a function `needed`, which is asked about the handler, is left out where that says so.
    """
    calls: list[Call] = []
    _collect(handler, method, calls, 0)
    return tuple(calls)


def _collect(handler: Any, method: str, calls: list[Call], depth: int) -> None:
    if depth > 32:
        raise ValueError("the handlers of %r contain themselves" % (handler,))
    call = defined(handler, method)
    if call is not None:
        needed = getattr(call, "needed", None)
        if needed is None or needed(handler):
            calls.append(heard(call))
    else:
        unhandled = getattr(handler, "on_unhandled", None)
        if unhandled is not None and not getattr(unhandled, "does_nothing", False):
            calls.append(lambda event: unhandled(method, event))
    for child in getattr(handler, "handlers", ()):
        _collect(child, method, calls, depth + 1)
