"""The life of connections, sessions and links, in the words of an application.

The engine reports what one side did: remote open, local close. EndpointStateHandler turns those into
`opening` (the peer asks), `opened` (both are open), `closing` (the peer ends it), `closed` (both ended it)
and `error` (the peer ended it with a condition), and answers: it opens the endpoints that the peer opened, and
closes those that the peer closed. It knows endpoints and events; of messages it knows nothing.
"""

from __future__ import annotations

import weakref

from reactor import Connection, Container, Endpoint, Event, Handler, Link, Session
from reactor.engine.events import defined, run_later
from reactor.errors import CONNECTION_FORCED
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import log_fields, logger
from reactor.shown import quoted

if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Union

log = logger(__name__)


def call(delegate: Any, method: str, event: Event) -> None:
    """Call `delegate.method(event)`, or its `on_unhandled` where there is no such method."""
    found = defined(delegate, method)
    if found is not None:
        tell(found, event)
    elif delegate is not None:
        unhandled = getattr(delegate, "on_unhandled", None)
        if unhandled is not None:
            unhandled(method, event)


def tell(method: Callable[[Any], object], event: Event) -> None:
    """Call `method(event)`; if it is a coroutine, the container runs it, or refuses that."""
    result = method(event)
    if result is not None:
        run_later(result, event)


def container_of(event: Event) -> Optional[Container]:
    """The container that dispatches `event`; None where a program drives a transport by itself."""
    return event.container


def connection_of(event: Event) -> Optional[Connection]:
    """The connection that `event` is about; None for a transport that is bound to none."""
    return event.connection


def condition_text(condition: Any) -> str:
    """A condition for people: its name, and its description if it has one."""
    return str(condition.text)


def link_text(link: Any) -> str:
    """A link for people: where it goes, and its name, by which a peer's log knows it."""
    return "%s (link %s)" % (link.describe(), quoted(link.name))


class EndpointStateHandler(Handler):
    """Makes `on_{connection,session,link}_{opening,opened,closing,closed,error}` out of the engine's events.

    peer_close_is_error: a peer that closes something first, without giving a reason, is reported by
        `on_..._error` instead of `on_..._closing` (False).
    delegate: the object with those methods; without one they are looked for on this object: override them in a
        subclass.

    A peer that closes the *connection* with ``amqp:connection:forced`` is going away, as brokers do before
    they
    restart: that is no error of the connection but the loss of it, reported by `on_disconnected`.
    """

    def __init__(self, peer_close_is_error: bool = False, delegate: object = None) -> None:
        self.delegate = delegate
        self.peer_close_is_error = peer_close_is_error
        # Endpoints that were reported as closed: a local close dispatched behind the remote one is no news.
        self._over: weakref.WeakSet[Any] = weakref.WeakSet()

    # -- questions about a state -------------------------------------------------------------------------

    @staticmethod
    def is_local_open(endpoint: Endpoint) -> bool:
        """Whether this side has opened it and not yet closed it."""
        return bool(endpoint.state & Endpoint.LOCAL_ACTIVE)

    @staticmethod
    def is_local_uninitialised(endpoint: Endpoint) -> bool:
        """Whether this side has done nothing with it yet."""
        return bool(endpoint.state & Endpoint.LOCAL_UNINIT)

    @staticmethod
    def is_local_closed(endpoint: Endpoint) -> bool:
        """Whether this side has closed it."""
        return bool(endpoint.state & Endpoint.LOCAL_CLOSED)

    @staticmethod
    def is_remote_open(endpoint: Endpoint) -> bool:
        """Whether the peer has opened it and not yet closed it."""
        return bool(endpoint.state & Endpoint.REMOTE_ACTIVE)

    @staticmethod
    def is_remote_closed(endpoint: Endpoint) -> bool:
        """Whether the peer has closed it."""
        return bool(endpoint.state & Endpoint.REMOTE_CLOSED)

    @staticmethod
    def print_error(endpoint: Union[Connection, Session, Link], endpoint_type: str) -> None:
        """Log the reason for which the peer closed `endpoint`; or the close, when it had no reason."""
        subject = "%s: %s" % (endpoint.connection.describe(), endpoint_type)
        if endpoint_type == "link":
            subject = "%s: %s" % (endpoint.connection.describe(), link_text(endpoint))
        condition = endpoint.remote_condition
        if condition is not None:
            fields = log_fields(endpoint, condition)
            log.error("%s closed by the peer: %s", subject, condition_text(condition), extra=fields)
        elif EndpointStateHandler.is_local_open(endpoint) and EndpointStateHandler.is_remote_closed(endpoint):
            log.error("%s closed by the peer, without a reason", subject, extra=log_fields(endpoint))

    # -- the engine's events -----------------------------------------------------------------------------

    def on_connection_local_open(self, event: Event) -> None:
        self._local_open(event, event.connection, "connection")

    def on_connection_remote_open(self, event: Event) -> None:
        self._remote_open(event, event.connection, "connection")

    def on_connection_local_close(self, event: Event) -> None:
        self._local_close(event, event.connection, "connection")

    def on_connection_remote_close(self, event: Event) -> None:
        condition = event.connection.remote_condition
        if self._will_reconnect(event):
            return  # its end is reported when its transport ends
        if condition is not None and condition.name == CONNECTION_FORCED:
            try:
                tell(self.on_disconnected, event)
            finally:
                self._finish(event, event.connection, "connection")
        else:
            self._remote_close(event, event.connection, "connection")

    def on_session_local_open(self, event: Event) -> None:
        self._local_open(event, event.session, "session")

    def on_session_remote_open(self, event: Event) -> None:
        self._remote_open(event, event.session, "session")

    def on_session_local_close(self, event: Event) -> None:
        self._local_close(event, event.session, "session")

    def on_session_remote_close(self, event: Event) -> None:
        if not self._will_retry(event):
            self._remote_close(event, event.session, "session")

    def on_link_local_open(self, event: Event) -> None:
        self._local_open(event, event.link, "link")

    def on_link_remote_open(self, event: Event) -> None:
        self._remote_open(event, event.link, "link")

    def on_link_local_close(self, event: Event) -> None:
        self._local_close(event, event.link, "link")

    def on_link_remote_close(self, event: Event) -> None:
        if not self._will_redirect(event) and not self._will_retry(event):
            self._remote_close(event, event.link, "link")

    def on_link_remote_detach(self, event: Event) -> None:
        """A detach that does not close: it is answered in kind, and no method is called, as with the original. With a
        condition the link has come to its end all the same [2.6.4]: that is an error, and then it is closed."""
        link = event.link
        if self._will_redirect(event) or self._will_retry(event):
            return
        failed = link.remote_condition is not None
        try:
            if failed:
                tell(self.on_link_error, event)
        finally:
            if self.is_local_open(link):
                link.detach()
        if failed:
            self._tell_closed(event, link, "link")

    def on_transport_closed(self, event: Event) -> None:
        """Nothing goes in or out any more. A connection that was in use has been lost: that is reported once, and
        not for every attempt to make it again. One that never was in use is reported when it is given up."""
        connection = connection_of(event)
        if connection is None or not self.is_local_open(connection):
            return
        never = connection.remote_container is None
        in_use = connection.doubtful is None and not connection.state & Endpoint.REMOTE_UNINIT
        if in_use or (never and not self._will_reconnect(event)):
            tell(self.on_disconnected, event)

    @staticmethod
    def _will_reconnect(event: Event) -> bool:
        """Whether the container will make the connection again."""
        container = container_of(event)
        return container is not None and container.will_reconnect(event.connection)

    @staticmethod
    def _will_redirect(event: Event) -> bool:
        """Whether the container will attach the link where the peer sends it: its being opened reports that."""
        container = container_of(event)
        return container is not None and container.will_redirect(event.link)

    @staticmethod
    def _will_retry(event: Event) -> bool:
        """Whether the container will ask again for an endpoint that the peer has ended: its opening reports that."""
        container = container_of(event)
        return container is not None and container.will_retry(event.context)

    # -- their meanings ----------------------------------------------------------------------------------

    def _local_open(self, event: Event, endpoint: Any, kind: str) -> None:
        if self.is_remote_open(endpoint) and not self._within_ended(endpoint):
            self._tell(kind, "opened", event)

    def _remote_open(self, event: Event, endpoint: Any, kind: str) -> None:
        if self.is_local_open(endpoint):
            self._tell(kind, "opened", event)
        elif self.is_local_uninitialised(endpoint) and not self._within_closed(endpoint):
            self._tell(kind, "opening", event)
            # The method may have opened it itself, or refused it by closing it.
            if self.is_local_uninitialised(endpoint):
                endpoint.open()

    def _within_closed(self, endpoint: Any) -> bool:
        """Whether this side has closed its parent: a peer may open it before it has heard of that."""
        parent = endpoint.parent
        return parent is not None and (self.is_local_closed(parent) or self._within_closed(parent))

    def _within_ended(self, endpoint: Any) -> bool:
        """Whether the peer has ended its parent: that has been reported, and after it nothing opens there."""
        parent = endpoint.parent
        return parent is not None and (self.is_remote_closed(parent) or self._within_ended(parent))

    def _local_close(self, event: Event, endpoint: Any, kind: str) -> None:
        if self.is_remote_closed(endpoint):
            self._tell_closed(event, endpoint, kind)

    def _remote_close(self, event: Event, endpoint: Any, kind: str) -> None:
        unasked = self.is_local_open(endpoint)
        try:
            if endpoint.remote_condition is not None or (unasked and self.peer_close_is_error):
                self._tell(kind, "error", event)
            elif unasked:
                self._tell(kind, "closing", event)
        finally:
            self._finish(event, endpoint, kind)  # the peer waits for it, whatever the method raised

    def _finish(self, event: Event, endpoint: Any, kind: str) -> None:
        if self.is_local_closed(endpoint):
            self._tell_closed(event, endpoint, kind)
        else:
            endpoint.close()  # its own event then reports that it is closed

    def _tell_closed(self, event: Event, endpoint: Any, kind: str) -> None:
        if endpoint not in self._over:
            self._over.add(endpoint)
            self._tell(kind, "closed", event)

    def _tell(self, kind: str, change: str, event: Event) -> None:
        tell(getattr(self, "on_%s_%s" % (kind, change)), event)

    # -- the application's methods: the delegate's, unless a subclass overrides them ---------------------

    def on_connection_opening(self, event: Event) -> None:
        """The peer opened the connection; it is opened here when this returns, unless it was closed."""
        call(self.delegate, "on_connection_opening", event)

    def on_connection_opened(self, event: Event) -> None:
        """Both sides have opened the connection."""
        call(self.delegate, "on_connection_opened", event)

    def on_connection_closing(self, event: Event) -> None:
        """The peer closed the connection first; it is closed here when this returns."""
        call(self.delegate, "on_connection_closing", event)

    def on_connection_closed(self, event: Event) -> None:
        """Both sides have closed the connection."""
        call(self.delegate, "on_connection_closed", event)

    def on_connection_error(self, event: Event) -> None:
        """The peer closed the connection and said why: `event.connection.remote_condition`."""
        if self.delegate is None:
            self.print_error(event.connection, "connection")
        else:
            call(self.delegate, "on_connection_error", event)

    def on_session_opening(self, event: Event) -> None:
        """The peer began a session; it is opened here when this returns, unless it was closed."""
        call(self.delegate, "on_session_opening", event)

    def on_session_opened(self, event: Event) -> None:
        """Both sides have opened the session."""
        call(self.delegate, "on_session_opened", event)

    def on_session_closing(self, event: Event) -> None:
        """The peer ended the session first; it is closed here when this returns."""
        call(self.delegate, "on_session_closing", event)

    def on_session_closed(self, event: Event) -> None:
        """Both sides have closed the session."""
        call(self.delegate, "on_session_closed", event)

    def on_session_error(self, event: Event) -> None:
        """The peer ended the session and said why: `event.session.remote_condition`."""
        if self.delegate is None:
            self.print_error(event.session, "session")
        else:
            call(self.delegate, "on_session_error", event)

    def on_link_opening(self, event: Event) -> None:
        """The peer attached a link: the place to set its source and target, or to refuse it by closing it
        with a condition. It is opened here when this returns, unless it was closed."""
        call(self.delegate, "on_link_opening", event)

    def on_link_opened(self, event: Event) -> None:
        """Both sides have attached the link."""
        call(self.delegate, "on_link_opened", event)

    def on_link_closing(self, event: Event) -> None:
        """The peer closed the link first; it is closed here when this returns."""
        call(self.delegate, "on_link_closing", event)

    def on_link_closed(self, event: Event) -> None:
        """Both sides have closed the link."""
        call(self.delegate, "on_link_closed", event)

    def on_link_error(self, event: Event) -> None:
        """The peer closed or detached the link and said why: `event.link.remote_condition`."""
        if self.delegate is None:
            self.print_error(event.link, "link")
        else:
            call(self.delegate, "on_link_error", event)

    def on_disconnected(self, event: Event) -> None:
        """The connection was lost, or the peer is about to let it go, or it could not be had at all; nothing came to
        a regular end."""
        call(self.delegate, "on_disconnected", event)
