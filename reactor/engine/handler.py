"""Handlers: how events reach the methods of the application, with the tree flattened beforehand.

A handler is any object; for an event of type X the method `on_x` is called if it is there, then the children
in `handler.handlers`, in order. To walk that tree for each event would be slow, so it is compiled
once per event type into a tuple of bound methods (a plan). Plans are forgotten when a `handlers` list changes.
This module knows events and the order of endpoints; it knows no frame and no container.
"""

from __future__ import annotations

import warnings
import weakref
from math import inf

from reactor.engine.events import (
    COROUTINE,
    DELIVERY_SCOPE,
    LINK_SCOPE,
    NOTHING,
    TRANSPORT_SCOPE,
    Collector,
    Event,
    EventBase,
    EventType,
    compile_plan,
)
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable, Optional, TypeVar, Union

    from reactor.engine.events import Call

    Method = TypeVar("Method", bound=Callable[..., Any])

_new = object.__new__
_TRANSPORT, _DELIVERY, _LINK_FLOW = Event.TRANSPORT, Event.DELIVERY, Event.LINK_FLOW

# Counts the changes of all `handlers` lists: one number to compare instead of a walk through every tree.
_generation = [0]
#: Counts these, and the handlers that endpoints are given: what was heard by no method may be heard from now on.
changes = [0]


def _changed_tree() -> None:
    _generation[0] += 1
    changes[0] += 1


def check_handler(handler: Any, coroutines: bool = False) -> Any:
    """`handler`, if it can be one: any object, or None for none. TypeError for a class where an object of it was
    meant, and for values of Python's own, which have no `on_...` methods.

    coroutines: whether its methods may be coroutines; else these are a TypeError, too.
    """
    if isinstance(handler, type) and issubclass(handler, Handler):
        raise TypeError("handlers are objects: %s(), and not the class" % handler.__name__)
    if handler is None or type(handler) is object:
        return handler
    if type(handler).__module__ != "builtins":
        if type(handler) not in _checked and not _check_methods(handler, coroutines):
            _checked.add(type(handler))
        return handler
    if any(name.startswith("on_") for name in dir(handler)):  # a module, for one
        _check_methods(handler, coroutines)
        return handler
    hint = ""
    if isinstance(handler, (list, tuple)):
        hint = "; did you mean each as an argument?"
    elif callable(handler):
        hint = "; did you mean the object that it is a method of?"
    raise TypeError("handlers are objects with on_... methods, not %r%s" % (handler, hint))


#: The methods that the parts of MessagingHandler call, and no event by itself.
DERIVED = frozenset(
    """
    on_start on_message on_sendable on_accepted on_rejected on_released on_settled on_delivery_updated on_aborted
    on_decode_error on_in_doubt on_disconnected
    on_connection_opening on_connection_opened on_connection_closing on_connection_closed on_connection_error
    on_session_opening on_session_opened on_session_closing on_session_closed on_session_error
    on_link_opening on_link_opened on_link_closing on_link_closed on_link_error
    """.split()
)

_checked: weakref.WeakSet[type] = weakref.WeakSet()  # the classes of handlers that were looked at

# A call of such a function runs nothing of it: coroutines, generators, and asynchronous generators.
_RUNS_LATER = {
    COROUTINE: "a coroutine (async def)",
    0x20: "a generator (it has a yield)",
    0x200: "an asynchronous generator",
}


def _check_methods(handler: Any, coroutines: bool) -> bool:
    """TypeError for a method that a call would not run; a warning for methods that no event reaches. Returns whether
    it has coroutines, which not every container runs."""
    has_coroutines = False
    unreached = []
    for name in dir(type(handler) if type(handler).__module__ != "builtins" else handler):
        if not name.startswith("on_"):
            continue
        flags = getattr(getattr(getattr(handler, name, None), "__code__", None), "co_flags", 0)
        for flag, what in _RUNS_LATER.items():
            if not flags & flag:
                continue
            if flag == COROUTINE and coroutines:
                has_coroutines = True
                continue
            text = "%s.%s is %s: a call would run nothing of it; make it a plain def"
            if flag == COROUTINE:
                text += ", or use reactor.aio.AsyncContainer"
            raise TypeError(text % (_name_of(handler), name, what))
        if name in DERIVED:
            unreached.append(name)
    if unreached and not isinstance(handler, Handler) and not hasattr(handler, "handlers"):
        warnings.warn(
            "%s has %s, which no event calls by itself: derive the class from MessagingHandler"
            % (_name_of(handler), ", ".join(unreached)),
            stacklevel=4,
        )
    return has_coroutines


def _name_of(handler: Any) -> str:
    return str(getattr(handler, "__name__", type(handler).__name__))


class HandlerList(list["Any"]):
    """A list of handlers that makes the plans forget when it changes."""

    __slots__ = ()

    def _changed(name: str) -> Callable[..., Any]:  # type: ignore[misc]  # builds the methods below
        method = getattr(list, name)

        def change(self: list[Any], *args: Any, **kwargs: Any) -> Any:
            _changed_tree()
            return method(self, *args, **kwargs)

        change.__name__ = name
        change.__doc__ = method.__doc__
        return change

    append = _changed("append")
    extend = _changed("extend")
    insert = _changed("insert")
    remove = _changed("remove")
    pop = _changed("pop")
    clear = _changed("clear")
    reverse = _changed("reverse")
    sort = _changed("sort")
    __setitem__ = _changed("__setitem__")
    __delitem__ = _changed("__delitem__")
    __iadd__ = _changed("__iadd__")
    del _changed


class Handler:
    """A base for handlers that have children. Subclass it and define the `on_...` methods that you need."""

    _handlers = None  # type: Optional[HandlerList]  # a hint here would be one of each handler of applications

    @property
    def handlers(self) -> list[object]:
        """The children; each sees an event after this handler did, in the order of the list."""
        children = self._handlers
        if children is None:
            children = self._handlers = HandlerList()
        return children

    @handlers.setter
    def handlers(self, children: Iterable[object]) -> None:
        _changed_tree()
        self._handlers = HandlerList(children)

    def add(self, handler: object, on_error: Optional[Callable[..., None]] = None) -> None:
        """Append `handler` to the children. `on_error` is accepted and not used, as in the original."""
        self.handlers.append(handler)

    if TYPE_CHECKING:  # overridden with (method, event) as often as with (method, *args): each is right

        def on_unhandled(self, method: str, *args: Any, **kwargs: Any) -> None: ...

    else:

        def on_unhandled(self, method: str, *args: Event) -> None:
            """Called with the method's name and the event where `method` is not defined; does nothing."""

        on_unhandled.does_nothing = True  # so that plans leave it out


class Direction:
    """Deliveries of one direction: the mark of an `on_delivery` that deals with no other ones.

    method: the method that is called for them.
    """

    __slots__ = ("method",)

    def __init__(self) -> None:
        self.method = Event.DELIVERY.method

    def __call__(self, method: Method) -> Method:
        """Mark `method`: it is left out of the plans of the other direction."""
        method.direction = self  # type: ignore[attr-defined]  # functions take attributes
        return method


INCOMING, OUTGOING = Direction(), Direction()


if TYPE_CHECKING:
    Extend = Callable[[Union[EventType, Direction], tuple[Call, ...]], tuple[Call, ...]]


class PlanTable(dict["Union[EventType, Direction]", "tuple[Call, ...]"]):
    """The plans of one handler, compiled at first use.

    generation: of the trees that they were compiled for; the first one of a table is none, so that its first event
    gives it the `extend` of its dispatcher. extend: called with each plan, returns the plan with the calls of
    observers; None: there are none.
    """

    __slots__ = ("handler", "generation", "extend")

    def __init__(self, handler: Any) -> None:
        super().__init__()
        self.handler = handler
        self.generation = -1
        self.extend: Optional[Extend] = None

    def __missing__(self, kind: Union[EventType, Direction]) -> tuple[Call, ...]:
        plan = compile_plan(self.handler, kind.method)
        if isinstance(kind, Direction):
            plan = tuple(call for call in plan if getattr(call, "direction", kind) is kind)
        if self.extend is not None:
            plan = self.extend(kind, plan)
        self[kind] = plan
        return plan


class Dispatcher:
    """Takes events out of a collector and gives each to its handlers.

    collector: the queue of the engine's events.
    container: the value of `event.container`.
    handler: the root: it sees the events for which no link, session or connection has a handler of its own.
    observer: sees every event after the handlers did; the container's own part lives there. Or None.

    extend, around: of observers: the plans with their calls (see PlanTable), and a function that dispatches an event
        that is not of the engine, to a handler. None (default): there are no observers.

    clock, limit, slow: when `clock` is not None, `slow` is called as soon as the handlers have taken longer than
        `limit` in one run, with the handler, the event's type and context, and how long they took. It returns the time
        after which it is called again; None for not in this run.

    After a turn, `modified` holds the transports that have something to write; after an exception of a handler,
    `failed` the event that it was called for, until the driver takes it.
    """

    __slots__ = (
        "collector",
        "container",
        "root",
        "observer",
        "modified",
        "failed",
        "clock",
        "limit",
        "slow",
        "_began",
        "_due",
        "extend",
        "around",
    )

    def __init__(self, collector: Collector, container: Any, handler: Any, observer: Any = None) -> None:
        self.collector = collector
        self.container = container
        self.root = PlanTable(handler)
        self.observer = PlanTable(observer)
        self.modified: list[Any] = []
        self.failed: Optional[EventBase] = None
        self.clock: Optional[Callable[[], float]] = None
        self.limit = 0.0
        self._began = self._due = 0.0  # of the run whose handlers were slow
        self.slow: Callable[[Any, EventType, Any, float], Optional[float]] = _pass_over
        self.extend: Optional[Extend] = None
        self.around: Optional[Callable[[EventBase, Any], None]] = None

    def replace(self, handler: Any) -> None:
        """Another root, from the next event on."""
        _changed_tree()
        self.root.handler = handler

    def table_for(self, etype: EventType, context: Any) -> PlanTable:
        """The plans of the first handler among link, session, connection; else of the root. It replaces them."""
        scope = etype.scope
        if scope == DELIVERY_SCOPE:
            context = context.link
        elif scope == TRANSPORT_SCOPE:
            context = context.connection
        elif scope == NOTHING:
            context = None
        while context is not None:
            table: Optional[PlanTable] = context.plans
            if table is not None:
                return table
            context = context.parent
        return self.root

    def _renew(self, table: PlanTable) -> None:
        """The plans of a table, and of the observer, are compiled anew: trees have changed, or it is new."""
        table.clear()
        table.extend = self.extend
        table.generation = _generation[0]
        if self.observer.generation != _generation[0]:
            self.observer.clear()
            self.observer.generation = _generation[0]

    def run(self) -> None:
        """Dispatch until the queue is empty, or until a peer waits for what is to be written: it has used up its
        credit, and some of what it has sent was handled. An event is taken out before it is dispatched, so it is not
        delivered twice when a handler raises; the exception leaves this method and `run` may be called again."""
        queue = self.collector.events
        popleft = queue.popleft
        container = self.container
        observer = self.observer
        root = self.root
        etype: Any = _TRANSPORT
        kind: Any
        context: Any = None
        plan: Any = observer[etype]  # as after an event: an observer of the queue may raise before the first one
        # The link of the delivery before: most have the same one, and so the same plan while nothing changes.
        served: Any = None
        known = 0
        clock = self.clock
        due = clock() + self.limit if clock is not None else 0.0
        try:
            while queue:
                etype, context = popleft()
                if served is not None and etype is _DELIVERY and context.link is served and changes[0] == known:
                    context.noted = False
                else:
                    scope = etype.scope
                    if scope >= LINK_SCOPE:  # the events of every message find their handler without a call
                        if scope == LINK_SCOPE:
                            link, served, kind = context, None, etype
                        else:
                            context.noted = False
                            link = context.link
                            if etype is _DELIVERY:
                                served, known = link, changes[0]
                                kind = OUTGOING if link.is_sender else INCOMING
                            else:
                                served, kind = None, etype
                        table = link.plans
                        if table is None:
                            session = link.session
                            table = session.plans
                            if table is None:
                                table = session.connection.plans
                                if table is None:
                                    table = root
                    else:
                        if etype is _TRANSPORT:
                            self.modified.append(context)
                            connection = context.connection
                            if not root[etype] and (connection is None or connection.plans is None):
                                if queue and context.channels.peer_waits():
                                    return
                                continue  # one for all that is written; few handlers listen
                        served, kind = None, etype
                        table = self.table_for(etype, context)
                    if table.generation != _generation[0]:
                        self._renew(table)
                    plan = table[kind]
                    watch = observer[etype]
                if plan:
                    event = _new(Event)  # and filled here: a call of its __init__ would come with every message
                    event.type = etype
                    event.context = context
                    event.container = container
                    event.message = None
                    for call in plan:
                        call(event)
                if watch:
                    plan, served = watch, None
                    event = _new(Event)
                    event.type, event.context, event.container, event.message = etype, context, container, None
                    for call in plan:
                        call(event)
                elif not plan and etype is _LINK_FLOW and context.is_sender:
                    context.unheard = changes[0]
                if clock is not None and clock() > due:
                    due = self._held(due, clock(), table.handler, etype, context)
        except BaseException:
            self._note_failure(etype, context, plan)
            raise

    def _note_failure(self, etype: EventType, context: Any, plan: Any) -> None:
        """A call of `plan` has failed: that must not keep the container from its own part in the same event."""
        if etype is _LINK_FLOW and context.may_go_on():
            # The credit is there as before, and no other event would report it.
            self.collector.events.append((etype, context))
        self.failed = event = Event(etype, context)
        event.container = self.container
        watch = self.observer[etype]
        if plan is not watch:
            for call in watch:
                call(event)

    def _held(self, due: float, now: float, handler: Any, etype: EventType, context: Any) -> float:
        """The handlers of this run have taken until after `due`: report it. Returns when the next report is due."""
        if due != self._due:  # else it is not the first one of the run
            self._began = due - self.limit
        again = self.slow(handler, etype, context, now - self._began)
        self._due = inf if again is None else self._began + again
        return self._due

    def dispatch(self, event: EventBase, handler: Any = None) -> None:
        """Dispatch one event that is not of the engine (a timer's, a selectable's, the application's) now."""
        event.container = self.container
        handler = self.root.handler if handler is None else handler
        clock = self.clock
        before = 0.0 if clock is None else clock()
        try:
            if self.around is None:
                event.dispatch(handler)
            else:
                self.around(event, handler)
        except BaseException:
            self.failed = event
            raise
        if clock is None:
            return
        seconds = clock() - before
        if seconds > self.limit:
            self.slow(handler, event.type, event, seconds)


def _pass_over(handler: Any, etype: EventType, context: Any, seconds: float) -> None:
    """The default of `slow`: slow handlers are not reported."""
