"""EventInjector: how other threads speak to the handlers of a container.

Everything in this package belongs to the thread that runs the container. Another thread
hands over an ApplicationEvent: the injector takes it from any thread, wakes the container, and the container
calls the handler's method for it on its own thread. Nothing here is shared but one deque: its appends are
atomic.
"""

from __future__ import annotations

from collections import deque

from reactor.engine.events import EventBase, EventType
from reactor.errors import ReactorException
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar, Optional

    from reactor.codec.types import AnyValue
    from reactor.container.interface import SourceHost
    from reactor.engine.public import Connection, Delivery, Link, Session, Transport


class ApplicationEvent(EventBase):
    """An event of the application's own: it calls `on_<typename>` on handlers.

    typename: the name of the event, such as ``"job_done"`` for `on_job_done`.
    connection, session, link, delivery: its subject, if any; each is derived from the one behind
        it when not given. The event goes to the handler of the link, else the session's, else the
        connection's, else the container's.
    subject: anything else that the handler shall have.
    """

    TYPES: ClassVar[dict[str, EventType]] = {}

    def __init__(
        self,
        typename: str,
        connection: Optional[Connection] = None,
        session: Optional[Session] = None,
        link: Optional[Link] = None,
        delivery: Optional[Delivery] = None,
        subject: AnyValue = None,
    ) -> None:
        if not isinstance(typename, str):
            raise TypeError("the type of an ApplicationEvent is a name such as 'job_done', not %r" % (typename,))
        etype = self.TYPES.get(typename)
        if etype is None:
            etype = self.TYPES[typename] = EventType(typename)
        super().__init__(etype)
        self.container = None
        self.delivery = delivery
        if link is None and delivery is not None:
            link = delivery.link
        if session is None and link is not None:
            session = link.session
        if connection is None and session is not None:
            connection = session.connection
        self.link = link
        self.session = session
        self.connection = connection
        self.subject = subject
        self.message = None

    @property
    def context(self) -> ApplicationEvent:
        """The event itself."""
        return self

    @property
    def handler(self) -> Optional[object]:
        """The handler of its link, session or connection; None leaves it to the container's."""
        for endpoint in (self.link, self.session, self.connection):
            if endpoint is not None and endpoint.handler is not None:
                return endpoint.handler
        return None

    @property
    def transport(self) -> Optional[Transport]:
        """The transport of the connection that it is about, or None."""
        return None if self.connection is None else self.connection.transport

    def __repr__(self) -> str:
        names = ("connection", "session", "link", "delivery", "subject")
        about = ["%s=%r" % (name, getattr(self, name)) for name in names if getattr(self, name) is not None]
        return "%s(%s)" % (self.type, ", ".join(about))


class EventInjector:
    """Takes ApplicationEvents from any thread. Register it: `container.selectable(injector)`.

    While it is registered and not closed, `container.run()` goes on.
    """

    def __init__(self) -> None:
        self._events: deque[ApplicationEvent] = deque()
        self._container: Optional[SourceHost] = None
        self.closed = False

    def trigger(self, event: ApplicationEvent) -> None:
        """Have the container dispatch `event` on its own thread, in the order of these calls. From any
        thread.

        Before the injector is registered, events wait. Raises ReactorException once it is closed, and TypeError
        for any other object.
        """
        if not isinstance(event, ApplicationEvent):
            raise TypeError("an injector takes an ApplicationEvent, not %r" % (event,))
        if self.closed:
            raise ReactorException("the injector is closed; %r would never be dispatched" % (event,))
        self._events.append(event)
        self._wake()

    def close(self) -> None:
        """No more events: those that were triggered before are dispatched, then the container forgets it.
        From any thread."""
        self.closed = True
        self._wake()

    def fileno(self) -> int:
        """-1: it has no descriptor, and needs none to wake the container."""
        return -1

    # -- the container's side ----------------------------------------------------------------------------

    def attach(self, container: SourceHost) -> None:
        """The container has registered it."""
        self._container = container
        self._wake()

    def take(self) -> Optional[ApplicationEvent]:
        """The next event that was triggered, or None."""
        return self._events.popleft() if self._events else None

    def _wake(self) -> None:
        container = self._container
        if container is not None:
            container.wakeup()
