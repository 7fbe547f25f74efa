"""Selectables: descriptors of the application's own in the container's loop.

An application that has a socket, a pipe or a serial line of its own registers it by `Container.selectable`
and gets events when it can be read or written, on the container's thread. It knows the loop and
events; of AMQP it knows nothing.
"""

from __future__ import annotations

from reactor.engine.events import Event, EventType
from reactor.lazily import TYPE_CHECKING
from reactor.loop.wires import READ, WRITE

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.container.interface import SourceHost
    from reactor.loop.timers import Timer


class Selectable:
    """A descriptor that the container watches.

    Set `reading`, `writing` and `deadline`, then call `update()`: it takes effect with that.

    handler: sees the events, each with this object as its `context`: `on_selectable_init` at the start (the
        place to set the three), `on_selectable_readable`, `on_selectable_writable`, `on_selectable_expired`
        when the deadline has passed, `on_selectable_updated`, and `on_selectable_final` at the end.
    reading, writing: whether to get events when it is ready to be read or written (False).
    deadline: when to get `on_selectable_expired`, in the seconds of `container.now`; 0 for never (the default).

    Attributes that it does not have are those of the object with the descriptor.
    """

    def __init__(self, delegate: Any, container: SourceHost, handler: Any = None) -> None:
        self._delegate = delegate
        self._timer: Optional[Timer] = None
        self._terminated = False
        self.container = container
        self.handler = handler
        self.reading = False
        self.writing = False
        self.deadline = 0.0
        container.loop.watchers.add(self)
        self._tell(Event.SELECTABLE_INIT)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__.get("_delegate"), name)

    def fileno(self) -> int:
        """The descriptor; -1 while there is none."""
        if hasattr(self._delegate, "fileno"):
            return int(self._delegate.fileno())
        return -1

    @property
    def is_terminal(self) -> bool:
        """Whether it was given up."""
        return self._terminated

    def update(self) -> None:
        """Let the three attributes take effect."""
        self.container.owner.check()
        if self not in self.container.loop.watchers:
            return
        if self._terminated:
            self.close()
            self._tell(Event.SELECTABLE_FINAL)
            return
        if self.fileno() >= 0:
            interest = (READ if self.reading else 0) | (WRITE if self.writing else 0)
            self.container.loop.watch(self, interest, self)
        self._forget_deadline()
        if self.deadline:
            self._timer = self.container.loop.timers.schedule(self.deadline, self._expired)
        self._tell(Event.SELECTABLE_UPDATED)

    def terminate(self) -> None:
        """Give it up, with the next `update()`. The descriptor itself stays open: it is the application's."""
        self.container.owner.check()
        self._terminated = True

    def close(self) -> None:
        """Watch it no more, at once and without an event. The descriptor itself stays open."""
        self.container.owner.check()
        self._terminated = True
        self._forget_deadline()
        self.container.loop.watchers.discard(self)
        self.container.loop.unwatch(self)

    release = close

    def ready(self, mask: int) -> None:
        """The loop's call: it can be read or written."""
        if mask & READ and self.reading:
            self._tell(Event.SELECTABLE_READABLE)
        if mask & WRITE and self.writing:
            self._tell(Event.SELECTABLE_WRITABLE)

    def _expired(self) -> None:
        self._timer = None
        self.deadline = 0.0
        self._tell(Event.SELECTABLE_EXPIRED)

    def _forget_deadline(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, etype: EventType) -> None:
        self.container.post(Event(etype, self), self.handler)

    def __repr__(self) -> str:
        return "<Selectable %d%s>" % (self.fileno(), ", terminated" if self._terminated else "")
