"""Connections: those of a container, with the supervisors of the outgoing ones.

The container owns one, the system handler calls it when something has happened, and supervisors make wires through it
(`interface.ConnectionHost`). A connection that came in has no supervisor: it ends with its wire. It knows links by
name alone.
"""

from __future__ import annotations

from functools import partial

from reactor.container.deadlines import Deadlines
from reactor.container.reconnect.supervisor import ConnectionSupervisor
from reactor.container.slow_handlers import SlowHandlerWatch
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Transport
from reactor.engine.sasl.exchange import NONCE_SIZE
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random
    from typing import Any, Callable, Optional

    from reactor.container.interface import Family, TransactionsView
    from reactor.container.settings.connect import ConnectSettings
    from reactor.container.turns import Turns
    from reactor.engine.sasl.exchange import Nonce
    from reactor.loop.driver import Driver
    from reactor.loop.interface import Wire


class Connections:
    """The connections of one container.

    deadlines: of their links. slow_handlers: watches for handlers that take longer than their peers wait.
    nonce: random bytes for the mechanisms of SASL. transactions: those of the container. explainer: of its connections.
    failure: why the last connection of `connect` was given up, since the application has connected last.
    """

    def __init__(self, turns: Turns, random: Random) -> None:
        self.loop = turns.loop
        self.random = random
        self.nonce: Nonce = partial(random.randbytes, NONCE_SIZE)
        self.deadlines = Deadlines(turns.loop)
        self.slow_handlers = SlowHandlerWatch(turns.dispatcher, turns.loop.clock)
        self.transactions: TransactionsView
        self.explainer: Any = None
        self.failure: Optional[BaseException] = None
        self._turns = turns
        self._guard = turns.owner.check  # one for all: there may be thousands of connections
        self._supervisors: dict[Connection, ConnectionSupervisor] = {}
        self._looked_at = -1  # the turn in which `supervise` has looked for those that fail

    def all(self) -> list[Connection]:
        """Those that have a wire, or will have one."""
        bound = (transport.connection for transport in self._turns.drivers)
        return list(dict.fromkeys((*(one for one in bound if one is not None), *self._supervisors)))

    # -- their beginning and their end -------------------------------------------------------------------

    def connection(self, handler: Any = None) -> Connection:
        """A new Connection, with its events for `handler`, or to the container's own handlers."""
        connection = Connection()
        connection.handler = handler
        connection.collect(self._turns.collector)
        connection.guard = self._guard
        connection.explainer = self.explainer
        observing = self._turns.observing
        connection.hooks = None if observing is None else observing.hooks
        return connection

    def connect(self, settings: ConnectSettings, container_id: str) -> Connection:
        """A new Connection to a peer, as it was asked for. container_id: its name unless the settings have one."""
        connection = self.connection(settings.handler)
        connection.container = settings.container_id or container_id
        connection.hostname = settings.virtual_host or None
        connection.offered_capabilities = settings.offered_capabilities
        connection.desired_capabilities = settings.desired_capabilities
        connection.properties = settings.properties
        connection.resend = settings.resend
        self.supervise(connection, settings)
        return connection

    def supervise(self, connection: Connection, settings: ConnectSettings, family: Optional[Family] = None) -> None:
        """Open `connection` and keep it until `forget`. An application that connects anew has dealt with the failures
        before: they are over."""
        supervisor = ConnectionSupervisor(connection, settings, self, family)
        connection.open()
        self.failure = None
        if self._looked_at != self._turns.count:  # a failure is known when a turn begins: one look for all it connects
            self._looked_at = self._turns.count
            for other in self._supervisors.values():
                other.replaced = other.replaced or other.is_failing
        self._supervisors[connection] = supervisor

    def forget(self, connection: Connection) -> None:
        """The connection has ended: nothing more is done for it."""
        supervisor = self._supervisors.pop(connection, None)
        if supervisor is not None:
            supervisor.forgotten()

    def call_aside(self, function: Callable[[], Any], done: Callable[[Any, Any], None]) -> None:
        """Call `function`, which may take long, away from the container's thread; `done` is called in that, with its
        result and None, or None and the exception."""
        self.loop.network.call_aside(function, lambda outcome: self._turns.call_soon(done, outcome))

    def drive(self, transport: Transport, wire: Wire) -> Driver:
        """Have `transport` exchange its bytes over `wire`."""
        return self._turns.drive(transport, wire)

    def will_try(self, connection: Connection, attempt: int, delay: float) -> None:
        """The connection is tried again in `delay` seconds; so many attempts have failed."""
        observing = self._turns.observing
        if observing is not None and observing.retry is not None:
            observing.retry(connection, attempt, delay)

    def drop(self, transport: Transport, politely: bool = False) -> None:
        """Close the wire of `transport`, if it has one, at once. politely: with the bytes that can be written."""
        driver = self._turns.drivers.get(transport)
        if driver is not None:
            if politely:
                driver.flush()
            driver.close()

    def drop_all(self) -> None:
        """Close every wire, with the bytes that can be written at once; handlers get the events. No connection is made
        again."""
        self.stop()
        self._turns.drop_wires()

    def stop(self) -> None:
        """Make no connection again."""
        for supervisor in list(self._supervisors.values()):
            supervisor.stop()

    def close(self) -> None:
        """Close connections and listeners, as politely as can be done at once."""
        self.stop()
        self.deadlines.clear()
        self.slow_handlers.clear()
        self._turns.close_wires()
        self._supervisors.clear()
        self._turns.look_after(None)

    # -- their wires end ---------------------------------------------------------------------------------

    def ended(self, transport: Transport, connection: Optional[Connection]) -> None:
        """The transport is closed, and its handlers have been called: the supervisor decides about another one.
        Without a supervisor there is none."""
        self._turns.let_go(transport)
        if connection is not None:
            self.transactions.lost(connection, not self.will_reconnect(connection))
        supervisor = self.supervisor_of(connection)
        if supervisor is not None:
            supervisor.ended(transport)
        elif connection is not None:
            transport.unbind()
            if connection.state & Endpoint.LOCAL_ACTIVE:
                connection.close()  # sends over it would wait for ever

    def parted(self, transport: Transport, connection: Connection) -> None:
        """The application has let go of a wire by `transport.unbind()`: for its connection that is a loss as any other;
        unless it has another wire already."""
        self.slow_handlers.end(transport)
        self.ended(transport, connection if connection.transport is None else None)
        self.deadlines.disconnected(connection)

    def sent_away(self, connection: Connection) -> None:
        """The peer has closed the connection: if it is made again, there is nothing to wait for."""
        transport = connection.transport
        driver = None if transport is None else self._turns.drivers.get(transport)
        if transport is not None and driver is not None and self.will_reconnect(connection):
            transport.answer_close()
            driver.flush()
            driver.close()

    def note_failure(self, connection: Any, error: BaseException) -> None:
        """`connection` has ended because of `error`, and no handler has been called that could have gone on. A failure
        of a connection that came in is none of this container."""
        supervisor = self._supervisors.get(connection)
        if supervisor is not None and not supervisor.replaced:
            self.failure = error

    # -- their supervisors are asked ---------------------------------------------------------------------

    def supervisor_of(self, connection: Any) -> Optional[ConnectionSupervisor]:
        """The supervisor of `connection`; None: it came in, or has ended."""
        return self._supervisors.get(connection)

    def will_reconnect(self, connection: Any) -> bool:
        """Whether another attempt is made when the present wire of `connection` has ended, as things stand."""
        supervisor = self._supervisors.get(connection)
        return supervisor is not None and supervisor.will_reconnect()

    def will_redirect(self, link: Any) -> bool:
        """Whether a link that the peer has detached is attached where the peer sends it."""
        supervisor = self._supervisors.get(link.connection)
        return supervisor is not None and supervisor.redirects.will_redirect(link)

    def will_retry(self, endpoint: Any) -> bool:
        """Whether a session or link that the peer has ended is asked for again: the peer's reason passes."""
        supervisor = self._supervisors.get(endpoint.connection)
        return supervisor is not None and supervisor.comeback.will_retry(endpoint)

    def next_attempt(self, connection: Any) -> Optional[float]:
        """In how many seconds `connection` is tried again after its wire has failed; None when it is not."""
        supervisor = self._supervisors.get(connection)
        if supervisor is None or not supervisor.will_reconnect() or supervisor.attempts.upcoming is None:
            return None
        return supervisor.attempts.upcoming.delay

    def found_no_peer(self, connection: Any) -> bool:
        """Whether the address of `connection` has refused the present wire, or has not answered in time."""
        supervisor = self._supervisors.get(connection)
        return supervisor is not None and supervisor.found_no_peer

    def failures(self, connection: Any) -> int:
        """How many attempts and wires of `connection` in a row have failed before this time; 0 while it is open."""
        supervisor = self._supervisors.get(connection)
        return 0 if supervisor is None else supervisor.failures
