"""A container within the loop of another library, as the original's examples for tornado have it.

The handler that takes the place of the container's global one gets one Selectable, which stands for all that the
container reads, writes and waits for. It has the other loop watch its descriptor and its deadline, and calls
`container.process()` when either is due. IOHandler and PythonIO are what such a handler passes the other events on to.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor import Event, Handler
from reactor.loop.loop import Loop

#: Seconds between two looks where the system has no descriptor for all: Windows.
GLANCE = 0.02


class IOHandler(Handler):
    """The handler of the original that reads, writes and waits. A container does all of that itself: to pass events on
    to this one does no harm."""

    def on_reactor_quiesced(self, event: Event) -> None:
        """The container waits when no handler has called its `yield_()`; the other methods do nothing, either."""

    on_connection_bound = on_connection_local_open = on_transport = on_transport_closed = on_reactor_quiesced
    on_selectable_init = on_selectable_updated = on_selectable_final = on_selectable_error = on_reactor_quiesced
    on_selectable_readable = on_selectable_writable = on_selectable_expired = on_reactor_quiesced


class PythonIO(IOHandler):
    """The older one of them."""


class LoopSelectable:
    """All that a container waits for, for another loop.

    reading, writing: whether its descriptor is to be watched for that: True and False.
    deadline: when `process()` has to be called without that, in seconds since 1970-01-01 UTC; None for never.
    """

    reading = True
    writing = False

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._fileno = int(getattr(loop.network, "fileno", lambda: -1)())
        self.is_terminal = False

    @property
    def selectable(self) -> LoopSelectable:
        """Itself: `event.selectable`."""
        return self

    def fileno(self) -> int:
        """The descriptor; -1 where the system has none: the deadline stands for it."""
        return self._fileno

    @property
    def due(self) -> Optional[float]:
        """The deadline in seconds of the loop's clock."""
        deadline = getattr(self._loop.network, "deadline", lambda: None)
        found = [at for at in (self._loop.timers.deadline(), deadline()) if at is not None]
        if self._fileno < 0:
            found.append(self._loop.clock.now() + GLANCE)
        return min(found, default=None)

    @property
    def deadline(self) -> Optional[float]:
        """See the class."""
        due = self.due
        clock = self._loop.clock
        return None if due is None else clock.today() + max(0.0, due - clock.now())

    def readable(self) -> None:
        """It can be read: the next `process()` does the rest."""

    def writable(self) -> None:
        """It is never asked for."""

    def expired(self) -> None:
        """The deadline has passed: the next `process()` does the rest."""

    def terminate(self) -> None:
        """It is watched no more."""
        self.is_terminal = True

    def update(self) -> None:
        """The container tells of changes itself."""

    def close(self) -> None:
        """The descriptor is the container's own."""

    release = close

    def __repr__(self) -> str:
        return "<LoopSelectable %d>" % self._fileno


class Foreign:
    """What the handler in place of a container's global one has been told.

    handler: that handler.
    """

    def __init__(self, container: Any, handler: Any) -> None:
        self.handler = handler
        self._container = container
        self._selectable: Optional[LoopSelectable] = None
        self._due: Optional[float] = None

    def begin(self) -> None:
        """The container begins to run: there is something to watch."""
        if self._selectable is None:
            self._selectable = LoopSelectable(self._container.loop)
            self._due = self._selectable.due
            self._tell(Event.SELECTABLE_INIT)

    def look(self) -> None:
        """A turn has ended, and the container goes on."""
        selectable = self._selectable
        if selectable is not None and selectable.due != self._due:
            self._due = selectable.due
            self._tell(Event.SELECTABLE_UPDATED)

    def end(self) -> None:
        """Nothing is left to do."""
        selectable = self._selectable
        if selectable is not None:
            selectable.terminate()
            self._tell(Event.SELECTABLE_FINAL)
            self._selectable = None

    def _tell(self, etype: Any) -> None:
        event = Event(etype, self._selectable)
        event.container = self._container
        event.dispatch(self.handler)
