"""Keeping: what a container does about its connections when something happens to them.

The Housekeeper sees every event after the handlers did and asks the supervisor of the connection (supervisor.py) to
act; connections that came in have none. Container, which is a Keeping, makes the supervisors. It knows no link but by
name.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any, Optional

from reactor.container.agreement import look_at
from reactor.container.deadlines import Deadlines
from reactor.container.draining import Drain, Leftover
from reactor.container.reconnect.supervisor import ConnectionSupervisor
from reactor.container.settings.keywords import check_seconds
from reactor.container.slow_handlers import SlowHandlerWatch
from reactor.container.turns import Runner
from reactor.container.waiting import sentences
from reactor.engine.public import Connection, Transport
from reactor.errors import ConnectionClosed
from reactor.loop.interface import Clock, Network


class Keeping(Runner):
    """The part of a container that keeps connections; see Container."""

    def __init__(self, handlers: tuple[Any, ...], clock: Optional[Clock], network: Optional[Network]) -> None:
        super().__init__(handlers, clock, network, Housekeeper(self))
        self._supervisors: dict[Connection, ConnectionSupervisor] = {}
        self._looked_at = -1  # the turn in which `keep` has looked for what fails
        self.deadlines = Deadlines(self.loop)
        self.slow_handlers = SlowHandlerWatch(self._dispatcher, self.loop.clock)
        self._leftover = Leftover()  # of the next stop

    def keep(self, supervisor: ConnectionSupervisor) -> None:
        """Have a connection kept, from now until `forget`. Who connects anew has dealt with what went wrong before."""
        self.ended_by = None
        if self._looked_at != self.turns:  # what fails is known when a turn begins: one look for all it connects
            self._looked_at = self.turns
            for other in self._supervisors.values():
                other.replaced = other.replaced or other.is_failing
        self._supervisors[supervisor.connection] = supervisor

    def supervisor_of(self, connection: Any) -> Optional[ConnectionSupervisor]:
        """Who keeps `connection`, or None: it came in, or has ended."""
        return self._supervisors.get(connection)

    def forget(self, connection: Connection) -> None:
        """The connection is closed: nothing more is done for it."""
        self._supervisors.pop(connection, None)

    def will_reconnect(self, connection: Connection) -> bool:
        """Whether another attempt is made when the present wire of `connection` has ended, as things stand."""
        supervisor = self._supervisors.get(connection)
        return supervisor is not None and supervisor.will_reconnect()

    def will_redirect(self, link: Any) -> bool:
        """Whether a link that the peer has detached is attached where the peer sends it."""
        supervisor = self._supervisors.get(link.connection)
        return supervisor is not None and supervisor.will_redirect(link)

    def will_retry(self, endpoint: Any) -> bool:
        """Whether a session or link that the peer has ended is asked for again: the peer's reason passes."""
        supervisor = self._supervisors.get(endpoint.connection)
        return supervisor is not None and supervisor.comeback.will_retry(endpoint)

    def next_attempt(self, connection: Connection) -> Optional[float]:
        """In how many seconds `connection`, whose wire has failed, is tried again; None when it is not."""
        supervisor = self._supervisors.get(connection)
        if supervisor is None or not supervisor.will_reconnect() or supervisor.attempts.upcoming is None:
            return None
        return supervisor.attempts.upcoming.delay

    def waiting_for(self) -> list[str]:
        """What the container waits for, in sentences for a person: connections that are tried again, and when, peers
        that owe an answer, senders without credit, outcomes that have not come, receivers with credit or without,
        listeners, timers. Empty when there is nothing left to wait for. Ctrl-C prints it."""
        self.owner.check()
        return sentences(self)

    def interrupted(self) -> None:
        waits = self.waiting_for()
        if waits:
            sys.stderr.write("\n  ".join(["interrupted; the container was waiting for:", *waits]) + "\n")

    def note_failure(self, connection: Any, error: BaseException) -> None:
        """`connection` ends because of `error`, and nobody was told who could have gone on without it: that is what
        `run()` ended by. What happens to connections that came in is no failure of this container."""
        supervisor = self._supervisors.get(connection)
        if supervisor is not None and not supervisor.replaced:
            self.ended_by = error

    def failures(self, connection: Connection) -> int:
        """How often in a row `connection` could not be had, or was lost, before this time; 0 while it is open."""
        supervisor = self._supervisors.get(connection)
        return 0 if supervisor is None else supervisor.failures

    def ended(self, transport: Transport, connection: Optional[Connection]) -> None:
        supervisor = None if connection is None else self._supervisors.get(connection)
        if supervisor is None:
            super().ended(transport, connection)
        else:
            self.let_go(transport)
            supervisor.ended(transport)

    def parted(self, transport: Transport, connection: Connection) -> None:
        self.slow_handlers.end(transport)
        super().parted(transport, connection)
        self.deadlines.disconnected(connection)

    def drop(self, transport: Transport) -> None:
        """Let go of the wire of `transport`, if it has one, at once."""
        driver = self._drivers.get(transport)
        if driver is not None:
            driver.close()

    def sent_away(self, connection: Connection) -> None:
        """The peer has closed the connection: if it is to be made again, there is nothing to wait for."""
        transport = connection.transport
        driver = None if transport is None else self._drivers.get(transport)
        if transport is not None and driver is not None and self.will_reconnect(connection):
            transport.answer_close()
            driver.flush()
            driver.close()

    def stop(self, drain: Optional[float] = None) -> Leftover:
        """End `run()`: after this turn, or when what is in flight is done. From any thread.

        drain: None, the default: connections are closed, listeners, timers and descriptors given up, at once. A number
            of seconds: nobody is let in any more, receivers take back the credit they have given, and what is in
            flight goes on to its end: messages that came until they are settled, messages that were sent until they
            have an outcome. Then the connections are closed; when they are, or when so many seconds have passed, it
            stops as without `drain`.

        Returns what was left undone, which is known when `run()` has returned.
        """
        check_seconds(drain=drain)
        left = self._leftover  # the container's own thread may have stopped, and have another one, when we return
        if drain is None:
            self.end()
        else:
            self.call_soon_threadsafe(Drain(self, left, drain).begin)
        return left

    def connections(self) -> list[Connection]:
        """Those that have a wire, or will have one."""
        bound = (transport.connection for transport in self._drivers)
        return list(dict.fromkeys((*(one for one in bound if one is not None), *self._supervisors)))

    def drop_all(self) -> None:
        """Let go of every wire, with what can be written at once, and tell the handlers how that went."""
        for supervisor in list(self._supervisors.values()):
            supervisor.stop()
        for driver in list(self._drivers.values()):
            driver.flush()
            driver.close()

    def close_all(self) -> None:
        for supervisor in list(self._supervisors.values()):
            supervisor.stop()
        for connection in self.connections():
            self._leftover.add(connection)
        super().close_all()
        self.finished()

    def close_connections(self) -> None:
        for supervisor in list(self._supervisors.values()):
            supervisor.stop()
        self.deadlines.clear()
        self.slow_handlers.clear()
        super().close_connections()
        self._supervisors.clear()
        self.after_turn = None

    def finished(self) -> None:
        left, self._leftover = self._leftover, Leftover()
        left.finish()


class Housekeeper:
    """The container's own part in what happens, after the handlers."""

    def __init__(self, container: Keeping) -> None:
        self._container: Keeping = weakref.proxy(container)

    @property
    def _deadlines(self) -> Deadlines:
        return self._container.deadlines

    def _supervisor(self, event: Any) -> Any:
        return self._container.supervisor_of(event.connection) or _NOBODY

    def on_connection_local_open(self, event: Any) -> None:
        self._supervisor(event).begin()

    def on_connection_remote_open(self, event: Any) -> None:
        self._supervisor(event).opened()
        self._deadlines.connected(event.connection)
        self._container.slow_handlers.begin(event.transport)

    def on_connection_local_close(self, event: Any) -> None:
        self._supervisor(event).closed()

    def on_connection_remote_close(self, event: Any) -> None:
        connection, container = event.connection, self._container
        container.sent_away(connection)
        if connection.remote_condition is not None and not container.will_reconnect(connection):
            container.note_failure(connection, ConnectionClosed(connection))

    def on_transport_error(self, event: Any) -> None:
        self._supervisor(event).failed()

    def on_transport_closed(self, event: Any) -> None:
        connection = event.connection
        self._container.slow_handlers.end(event.context)
        self._container.ended(event.context, connection)
        self._deadlines.disconnected(connection)

    def on_session_remote_open(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)

        self._supervisor(event).comeback.opened(event.context)

    def on_session_remote_close(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self._supervisor(event).comeback.ended(event.context)

    def on_session_local_close(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self._supervisor(event).comeback.closed_here(event.context)

    def on_link_local_open(self, event: Any) -> None:
        self._deadlines.opened_here(event.context)

    def on_link_remote_open(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self._supervisor(event).comeback.opened(event.context)
        self._deadlines.answered(event.context)
        look_at(event.context)

    def on_link_remote_close(self, event: Any) -> None:
        link = event.context
        self._supervisor(event).answered(link)
        self._deadlines.answered(link)
        if self._container.will_redirect(link):
            self._supervisor(event).redirect_link(link)
        else:
            self._supervisor(event).comeback.ended(link)

    on_link_remote_detach = on_link_remote_close

    def on_link_local_close(self, event: Any) -> None:
        self._supervisor(event).answered(event.context)
        self._supervisor(event).comeback.closed_here(event.context)
        self._deadlines.closed_here(event.context)

    on_link_local_detach = on_link_local_close

    def on_link_final(self, event: Any) -> None:
        self._deadlines.over(event.context)


class _NothingReturns:
    """Stands where a connection has no supervisor: what its peer ends, stays ended."""

    def opened(self, endpoint: Any) -> None: ...
    def ended(self, endpoint: Any) -> None: ...
    def closed_here(self, endpoint: Any) -> None: ...


class _Nobody:
    """Stands where a connection has no supervisor."""

    comeback = _NothingReturns()

    def begin(self) -> None: ...
    def opened(self) -> None: ...
    def closed(self) -> None: ...
    def failed(self) -> None: ...
    def answered(self, endpoint: Any) -> None: ...


_NOBODY = _Nobody()
