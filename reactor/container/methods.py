"""Which method of the application an event calls, by the name under which the application has defined it.

The engine's events reach applications through parts: the object that turns a delivery into `on_message` has the
application's handler as its `delegate`. Observers are given the application's names. It knows the parts by these
conventions alone, and no class of them.
"""

from __future__ import annotations

from reactor.engine.endpoints.delivery import SETTLED_NOW, STATE_CHANGED
from reactor.engine.endpoints.disposition import ACCEPTED, MODIFIED, REJECTED, RELEASED
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.events import Event, EventType, defined
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

_OUTCOMES: dict[Any, str] = {
    ACCEPTED: "on_accepted",
    REJECTED: "on_rejected",
    RELEASED: "on_released",
    MODIFIED: "on_released",
}

#: The methods of events of the engine that have another name for applications.
_OTHERS = {
    "on_reactor_init": ("on_start",),
    "on_delivery_in_doubt": ("on_in_doubt",),
    "on_transport_closed": ("on_disconnected",),
    "on_link_flow": ("on_sendable",),
}


class Calls:
    """The calls of one method of a plan, as the application knows them.

    handler: the application's object; None: the method is a part of the library's own, and no news.
    """

    __slots__ = ("_delivers", "_is_part", "_method", "_names", "handler")

    def __init__(self, call: Any, etype: EventType) -> None:
        owner = getattr(call, "__self__", None)
        module = str(getattr(call, "__module__", ""))
        library = module.startswith("handlers.") and not module.startswith("handlers.broker.")
        delegate = getattr(owner, "delegate", None) if library else None
        self._is_part = library
        self._method = etype.method
        self._delivers = etype is Event.DELIVERY
        self._names: dict[tuple[str, ...], Optional[str]] = {}
        self.handler: Any = owner if delegate is None else delegate
        if owner is None or (library and delegate is None and not _is_own(owner)):
            self.handler = None

    def name(self, context: Any) -> Optional[str]:
        """The method that an event about `context` is going to call; None: none that the application has defined."""
        if not self._is_part:
            return self._method
        names = self._delivery(context) if self._delivers else self._candidates(context)
        if names not in self._names:
            found = [name for name in names if _is_defined(self.handler, name)]
            self._names[names] = found[0] if found else None
        return self._names[names]

    def _delivery(self, delivery: Any) -> tuple[str, ...]:
        changes = delivery.changes
        if not delivery.link.is_sender:
            if delivery.aborted:
                return ("on_aborted",)
            if delivery.payload is not None and not delivery.partial:
                return ("on_message",)
            return ("on_settled",) if changes & SETTLED_NOW else ()
        names: tuple[str, ...] = ()
        if changes & STATE_CHANGED:
            names = ("on_delivery_updated",)
            state = delivery.remote_state
            if state in _OUTCOMES:
                names = (_OUTCOMES[state], "on_delivery_updated")
        return names + ("on_settled",) if changes & SETTLED_NOW else names

    def _candidates(self, context: Any) -> tuple[str, ...]:
        method = self._method
        if method in _OTHERS:
            if method == "on_link_flow" and not (context.is_sender and context.credit > 0):
                return ()
            if method == "on_transport_closed" and context.condition is None:
                return ()
            return _OTHERS[method]
        for ending, name in _ENDINGS.items():
            if method.endswith(ending):
                return name(method[: -len(ending)], context)
        return (method,)


def _opened(stem: str, endpoint: Any) -> tuple[str, ...]:
    return (stem + ("_opening" if endpoint.state & Endpoint.LOCAL_UNINIT else "_opened"),)


def _opened_here(stem: str, endpoint: Any) -> tuple[str, ...]:
    return (stem + "_opened",) if endpoint.state & Endpoint.REMOTE_ACTIVE else ()


def _ended(stem: str, endpoint: Any) -> tuple[str, ...]:
    if endpoint.remote_condition is not None:
        return (stem + "_error",)
    return (stem + ("_closed" if endpoint.state & Endpoint.LOCAL_CLOSED else "_closing"),)


def _ended_here(stem: str, endpoint: Any) -> tuple[str, ...]:
    return (stem + "_closed",) if endpoint.state & Endpoint.REMOTE_CLOSED else ()


_ENDINGS = {
    "_remote_open": _opened,
    "_local_open": _opened_here,
    "_remote_close": _ended,
    "_remote_detach": _ended,
    "_local_close": _ended_here,
    "_local_detach": _ended_here,
}


def _is_own(owner: Any) -> bool:
    """Whether an application has made the class of this object."""
    module = type(owner).__module__
    return not module.startswith("handlers.") or module.startswith("handlers.broker.")


def _is_defined(handler: Any, name: str) -> bool:
    method = defined(handler, name)
    return method is not None and not getattr(method, "does_nothing", False)
