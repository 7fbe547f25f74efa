"""The events of connections, sessions and links, for calls that wait for these: opened, ended, failed, lost.

Blocking connections and those of asyncio have them as handlers. Each tells its owner, and closes what the peer has
closed. It knows events and endpoints, and no thread.
"""

from __future__ import annotations

from typing import Any, Callable, Protocol

from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.handler import Handler
from reactor.errors import NOT_FOUND, ConnectionClosed, ConnectionException, LinkDetached, NotFound, SessionException


class ConnectionOwner(Protocol):
    """A connection with calls that wait. away: set when its wire is lost and there will be another."""

    away: bool

    @property
    def closed(self) -> bool: ...
    def opened(self) -> None: ...
    def lost(self) -> None: ...
    def ended(self) -> None: ...
    def fail(self, reason: Callable[[], Exception]) -> None: ...


class SessionOwner(Protocol):
    """A session of such a one."""

    def begun(self) -> None: ...
    def lost(self) -> None: ...
    def ended(self) -> None: ...
    def fail(self, reason: Callable[[], Exception]) -> None: ...


class LinkOwner(Protocol):
    """A link of such a one. closing: whether it was closed by a call."""

    @property
    def closing(self) -> bool: ...
    def attached(self) -> None: ...
    def ended(self) -> None: ...
    def fail(self, reason: Callable[[], Exception]) -> None: ...


class ConnectionEvents:
    """The handler of the connection: its end is the owner's."""

    def __init__(self, owner: ConnectionOwner) -> None:
        self.owner = owner
        self._reason: Any = None

    def on_connection_remote_open(self, event: Any) -> None:
        self.owner.opened()

    def on_connection_remote_close(self, event: Any) -> None:
        connection = event.connection
        if event.container.will_reconnect(connection):
            return
        failed_here = connection.remote_condition is not None and not self.owner.closed
        if connection.state & Endpoint.LOCAL_ACTIVE or failed_here:
            self.owner.fail(lambda: ConnectionClosed(connection))
            connection.close()
        self.owner.ended()

    def on_transport_error(self, event: Any) -> None:
        self._reason = event.transport.condition

    def on_transport_closed(self, event: Any) -> None:
        self.owner.lost()
        connection = event.connection
        if connection is None or event.container.will_reconnect(connection):
            self.owner.away = True
            return
        if connection.state & Endpoint.LOCAL_ACTIVE:
            reason = "" if self._reason is None else ": %s" % self._reason.text
            text = "Connection %s disconnected%s" % (connection.describe(), reason)
        else:
            text = "Connection %s is closed" % connection.describe()
        self.owner.fail(lambda: ConnectionException(text))


class SessionEvents:
    """The handler of the session."""

    def __init__(self, owner: SessionOwner) -> None:
        self.owner = owner

    def on_session_remote_open(self, event: Any) -> None:
        self.owner.begun()

    def on_session_remote_close(self, event: Any) -> None:
        session = event.session
        if event.container.will_retry(session):
            self.owner.lost()
            return
        if session.state & Endpoint.LOCAL_ACTIVE:
            condition = session.remote_condition
            why = "by the peer" if condition is None else "because of " + condition.text
            self.owner.fail(lambda: SessionException("session of %s ended %s" % (session.connection.describe(), why)))
            session.close()
        self.owner.ended()


class LinkEvents(Handler):
    """The handler of the link."""

    def __init__(self, owner: LinkOwner) -> None:
        self.owner = owner

    def on_link_remote_open(self, event: Any) -> None:
        # Of a link that the peer refuses, by attaching and detaching it at once [2.6.3], this event does not come.
        self.owner.attached()

    def on_link_remote_close(self, event: Any) -> None:
        self._ended(event, closed=True)

    def on_link_remote_detach(self, event: Any) -> None:
        self._ended(event, closed=False)

    def _ended(self, event: Any, closed: bool) -> None:
        link, container = event.link, event.container
        if container.will_redirect(link) or container.will_retry(link):
            return
        if link.state & Endpoint.LOCAL_ACTIVE:
            self.owner.fail(lambda: _detached(link))
            if closed:
                link.close()
            else:
                link.detach()
        elif not self.owner.closing and link.remote_condition is not None:  # by strict=True
            self.owner.fail(lambda: _detached(link))
        self.owner.ended()


def _detached(link: Any) -> LinkDetached:
    condition = link.remote_condition
    return (NotFound if condition is not None and condition.name == NOT_FOUND else LinkDetached)(link)
