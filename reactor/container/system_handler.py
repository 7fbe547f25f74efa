"""SystemHandler: the container's own part in each event, after the handlers.

It sees every event, and calls the parts that deal with it: the connections and the supervisor of the one that the event
is about, the deadlines, the watch for slow handlers. It keeps nothing, and decides nothing but their order.
"""

from __future__ import annotations

from reactor.container import acknowledging
from reactor.container.agreement import look_at
from reactor.errors import ConnectionClosed
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from reactor.container.connections import Connections
    from reactor.container.interface import ExplainerView


class SystemHandler:
    """The observer of a container's dispatcher. connections: those of the container."""

    def __init__(self, connections: Connections, explainer: ExplainerView) -> None:
        self.connections = connections
        self._explainer = explainer
        self._deadlines = connections.deadlines
        self._slow_handlers = connections.slow_handlers

    def _supervisor(self, event: Any) -> Any:
        return self.connections.supervisor_of(event.connection) or _NO_SUPERVISOR

    def on_connection_local_open(self, event: Any) -> None:
        self._supervisor(event).begin()

    def on_connection_remote_open(self, event: Any) -> None:
        self._supervisor(event).opened()
        self._deadlines.connected(event.connection)
        self._slow_handlers.begin(event.transport)

    def on_connection_local_close(self, event: Any) -> None:
        self._supervisor(event).closed()

    def on_connection_remote_close(self, event: Any) -> None:
        connection, connections = event.connection, self.connections
        connections.sent_away(connection)
        if connection.remote_condition is not None and not connections.will_reconnect(connection):
            connections.note_failure(connection, ConnectionClosed(connection))

    def on_transport_error(self, event: Any) -> None:
        self._supervisor(event).failed()

    def on_transport_closed(self, event: Any) -> None:
        connection = event.connection
        self._slow_handlers.end(event.context)
        self.connections.ended(event.context, connection)
        self._deadlines.disconnected(connection)

    def on_session_remote_open(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self._supervisor(event).comeback.opened(event.context)

    def on_session_remote_close(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self.connections.transactions.ended(event.context)
        self._supervisor(event).comeback.ended(event.context)

    def on_session_local_close(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self.connections.transactions.ended(event.context)
        self._supervisor(event).comeback.closed_here(event.context)

    def on_link_local_open(self, event: Any) -> None:
        self._deadlines.opened_here(event.context)
        acknowledging.opened_here(event.context, self.connections.loop, self.connections.transactions)

    def on_link_remote_open(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self._supervisor(event).comeback.opened(event.context)
        self._deadlines.answered(event.context)
        event.context.attached_at = self.connections.loop.now
        look_at(event.context)

    def on_link_remote_close(self, event: Any) -> None:
        link = event.context
        self._supervisor(event).answered(link)
        self._deadlines.answered(link)
        if self.connections.will_redirect(link):
            self._supervisor(event).redirects.redirect(link)
        else:
            self._explainer.refused(link)
            self._supervisor(event).comeback.ended(link)

    on_link_remote_detach = on_link_remote_close

    def on_link_local_close(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self._supervisor(event).comeback.closed_here(event.context)
        self._deadlines.closed_here(event.context)

    on_link_local_detach = on_link_local_close

    def on_delivery_left(self, event: Any) -> None:
        self.connections.transactions.left(event.context)

    on_delivery_in_doubt = on_delivery_left

    def on_link_final(self, event: Any) -> None:
        self._deadlines.over(event.context)


class _NoComeback:
    """Stands where a connection has no supervisor: sessions and links that its peer ends stay ended."""

    def opened(self, endpoint: Any) -> None: ...
    def ended(self, endpoint: Any) -> None: ...
    def closed_here(self, endpoint: Any) -> None: ...


class _NoSupervisor:
    """Stands where a connection has no supervisor."""

    comeback = _NoComeback()

    def begin(self) -> None: ...
    def opened(self) -> None: ...
    def closed(self) -> None: ...
    def failed(self) -> None: ...
    def answered(self, endpoint: Any) -> None: ...


_NO_SUPERVISOR = _NoSupervisor()
