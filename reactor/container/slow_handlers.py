"""SlowHandlerWatch: how long handlers may hold a container's loop before a peer believes that its connection is dead.

A peer with an idle time-out has to hear of us within that time [2.4.5], and while a handler runs it hears nothing. The
dispatcher is given a limit while there is such a peer, and calls when a run goes beyond it; the log then names the
handler. Without such a peer no clock is read. It knows handlers by their names alone.
"""

from __future__ import annotations

from reactor.container.threads import PostedCall
from reactor.engine.events import Event, EventType
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import log_fields, logger

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from reactor.engine.handler import Dispatcher
    from reactor.engine.public import Transport
    from reactor.loop.interface import Clock

log = logger(__name__)

_METHODS = {Event.LINK_FLOW: "on_sendable", Event.TIMER_TASK: "on_timer_task"}


class SlowHandlerWatch:
    """Keeps the dispatcher's limit: half of the shortest time-out of a peer, or that of an observer."""

    __slots__ = ("_clock", "_dispatcher", "_held", "_held_limit", "_peers", "_times")

    def __init__(self, dispatcher: Dispatcher, clock: Clock) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._held: Optional[Callable[[str, float], None]] = None
        self._held_limit = 0.0
        self._peers: dict[Transport, float] = {}
        self._times: dict[float, int] = {}  # time-out -> how many peers have it

    def begin(self, transport: Optional[Transport]) -> None:
        """A peer has opened its connection."""
        seconds = 0.0 if transport is None else transport.remote_idle_timeout
        if transport is not None and seconds and transport not in self._peers:
            self._peers[transport] = seconds
            self._times[seconds] = self._times.get(seconds, 0) + 1
            self._limit()

    def end(self, transport: Transport) -> None:
        """Its transport is closed."""
        seconds = self._peers.pop(transport, None)
        if seconds is not None:
            self._times[seconds] -= 1
            if not self._times[seconds]:
                del self._times[seconds]
                self._limit()

    def clear(self) -> None:
        """All transports are gone."""
        for transport in list(self._peers):
            self.end(transport)

    def _limit(self) -> None:
        dispatcher = self._dispatcher
        limits = [min(self._times) / 2] if self._times else []
        if self._held is not None:
            limits.append(self._held_limit)
        dispatcher.limit = min(limits, default=0.0)
        dispatcher.clock = self._clock.now if limits else None
        dispatcher.slow = self.slow

    def observe(self, held: Callable[[str, float], None], limit: float) -> None:
        """Have `held` called with the handler and the seconds, too, where that is more than `limit`."""
        self._held, self._held_limit = held, limit
        self._limit()

    def slow(self, handler: Any, etype: EventType, context: Any, seconds: float) -> Optional[float]:
        """The handlers have held the loop for so long when this one, for this event, returned. Returns the time after
        which this is to be called again; None: not in this run."""
        text = describe(handler, etype, context)
        if self._held is not None and seconds > self._held_limit:
            self._held(text, seconds)
        silence = min(self._times, default=0.0)
        if silence and seconds > silence / 2:
            log.warning(
                "%s held the loop for %.3g s, and nothing was sent meanwhile: a peer gives us up after %g s of silence",
                text,
                seconds,
                silence,
                extra=log_fields(seconds=seconds),
            )
        limits = (self._held_limit if self._held is not None else 0.0, silence / 2)
        return min((limit for limit in limits if limit >= seconds), default=None)


def describe(handler: Any, etype: EventType, context: Any) -> str:
    """The handler and its method that an event called, as an application knows them."""
    if isinstance(context, PostedCall):
        return getattr(context.function, "__qualname__", None) or repr(context.function)
    names = [handler]
    if type(handler).__module__.startswith("reactor."):  # the container's list of handlers
        names = getattr(handler, "handlers", None) or [handler]
    method = _METHODS.get(etype, etype.method)
    if etype is Event.DELIVERY:
        method = "on_message" if context.link.is_receiver else "on_accepted, or another for an outcome,"
    elif etype.number < EventType.OWN and etype.method.endswith("_remote_open"):
        method = etype.method.replace("_remote_open", "_opened")
    return "%s.%s" % (" and ".join(type(one).__name__ for one in names), method)
