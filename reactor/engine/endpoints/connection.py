"""Connection: the application's end of a connection: identity, properties, sessions [2.4].

It survives the wire. Its transport writes and reads the frames. The connection holds the fields of open and close,
and the list of endpoints with a frame to write. It knows no bytes.
"""

from __future__ import annotations

from collections import deque
from weakref import WeakKeyDictionary

from reactor.codec.definitions import OPEN
from reactor.codec.dicts import SymbolList, of_symbols
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSE,
    LOCAL_CLOSED,
    LOCAL_OPEN,
    REMOTE_CLOSE,
    REMOTE_CLOSED,
    REMOTE_GONE,
    REMOTE_OPEN,
    WIRE_LOST,
    Endpoint,
)
from reactor.engine.endpoints.fields import symbol_keys, symbol_list
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.session import Session
from reactor.engine.events import Collector, Event, EventType
from reactor.errors import RESOURCE_LIMIT_EXCEEDED, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.shown import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Optional, Union

    from reactor.codec.types import AnyValue
    from reactor.engine.endpoints.fields import Names
    from reactor.engine.interface import HooksInterface, TransportInterface
    from reactor.engine.limits import Limits

#: In the properties of a peer's open: the open is a refusal, and the close that follows has its reason. ActiveMQ's
#: brokers send it, and the clients of JMS wait for that close.
ESTABLISHMENT_FAILED = "amqp:connection-establishment-failed"


class Connection(Endpoint):
    """An AMQP connection as the application sees it.

    container: the container-id of our open; str.
    hostname: the hostname of our open; None for none.
    user, password: for SASL, on the client's side; the password cannot be read again. authorization: the SASL
        authorization identity; None for the user.
    properties: a dict with symbol keys, or None. offered_capabilities, desired_capabilities: names or lists of
        them, or None.
    transport: the transport it is bound to, or None.
    lasting: whether another wire will come when this one is lost: unsent deliveries wait for it. False (default): they
        are in doubt then. The maker of the wires sets it.
    guard: called before a call of the application changes anything. It raises when the call must not be made now, such
        as in another thread. None (default) lets every call pass.
    resend: the `resend` of senders that a container makes on it, where they have none of their own (False).
    comes_back: whether the connection, closed by the peer, is made again, and its links attached again. None
        (default): it is not. The maker of the wires sets it.
    """

    __slots__ = (
        "container",
        "hostname",
        "user",
        "secret",
        "authorization",
        "properties",
        "offered_capabilities",
        "desired_capabilities",
        "remote_container",
        "remote_hostname",
        "remote_properties",
        "remote_offered_capabilities",
        "remote_desired_capabilities",
        "transport",
        "collector",
        "connected_address",
        "error",
        "work",
        "_sessions",
        "context",
        "lasting",
        "doubtful",
        "guard",
        "admission",
        "conceal",
        "comes_back",
        "resend",
        "before_writing",
        "explainer",
        "hooks",
        "_links_made",
        "_leftover",
        "_freed",
        "original_ways",
    )

    def __init__(self) -> None:
        super().__init__(None)
        self.container = ""
        self.hostname: Optional[str] = None
        self.user: Optional[str] = None
        self.secret: Optional[str] = None
        self.authorization: Optional[str] = None
        self.properties: Optional[dict[AnyValue, AnyValue]] = None
        self.offered_capabilities: Names = None
        self.desired_capabilities: Names = None
        self.remote_container: Optional[str] = None
        self.remote_hostname: Optional[str] = None
        self.remote_properties: Optional[dict[AnyValue, AnyValue]] = None
        self.remote_offered_capabilities: Optional[SymbolList] = None
        self.remote_desired_capabilities: Optional[SymbolList] = None
        self.transport: Optional[TransportInterface] = None
        self.collector: Optional[Collector] = None
        self.connected_address: Optional[str] = None
        self.error: Optional[Condition] = None
        self.work: dict[Endpoint, None] = {}  # endpoints that may have a handshake to write, in order
        self._sessions: dict[Any, None] = {}
        self.context: AnyValue = None
        self.lasting = False
        self.doubtful: Optional[str] = None  # the peer's container-id, when its open announces a close
        self.guard: Optional[Callable[[], None]] = None
        # Asked before each attach of ours: False, and the link waits until it is asked again, after `transport.wake()`.
        self.admission: Optional[Callable[[Any], bool]] = None
        self.conceal: Optional[Callable[[str], str]] = None  # a text of the peer without the secrets that it may quote
        self.comes_back: Optional[Callable[[], bool]] = None
        self.resend = False
        self.explainer: Any = None  # of its container: why nothing moves (`reactor.explain`)
        # Called before the frames of a turn are written, which may need it. One that raises ends
        # the wire, and nothing is written.
        self.before_writing: tuple[Callable[[], None], ...] = ()
        self.hooks: Optional[HooksInterface] = None  # the calls of senders and channels to observers
        self._links_made = 0
        self._leftover: Optional[WeakKeyDictionary[Union[Session, Link], None]] = None
        self._freed = False
        # Whether it does as python-qpid-proton does where this library has its own way: for programs that drive the
        # engine by hand, by a class of reactor.as_proton.
        self.original_ways = False

    @property
    def connection(self) -> Connection:
        """The connection itself."""
        return self

    @property
    def password(self) -> Optional[str]:
        """To be set; to read it gives None, as in the original."""
        return None

    @password.setter
    def password(self, password: Optional[str]) -> None:
        self.secret = password

    def collect(self, collector: Collector) -> None:
        """Put the events of this connection into `collector`, beginning with one for each endpoint that there is."""
        self.collector = collector
        self.emit(Event.CONNECTION_INIT, self)
        for session in self.sessions(0):
            self.emit(Event.SESSION_INIT, session)
            if session.channel is not None:
                session.channel.report_to(collector.events)
            for link in session.links():
                self.emit(Event.LINK_INIT, link)

    def emit(self, etype: EventType, context: Any) -> None:
        """Queue an event, if there is a collector."""
        if self.collector is not None:
            self.collector.put(context, etype)

    def read_error(self, error: Any) -> Optional[Condition]:
        """The condition of an error that the peer has sent, without the secrets that are known to be quoted in it."""
        condition = Condition.from_wire(error)
        return condition if condition is None or self.conceal is None else condition.without(self.conceal)

    def event_queue(self) -> deque[tuple[EventType, Any]]:
        """The queue to which the hot path appends events itself; without a collector they are dropped."""
        return deque(maxlen=1) if self.collector is None else self.collector.events

    def check(self) -> None:
        """Ask the guard whether the application may make a call now; the guard raises if not."""
        if self.guard is not None:
            self.guard()

    def work_on(self, endpoint: Endpoint) -> None:
        """Wake the transport for an endpoint that has changed."""
        self.work[endpoint] = None
        if self.transport is not None:
            self.transport.wake()

    def changed(self, endpoint: Endpoint) -> None:
        """The application has changed an endpoint: wake the transport. By hand there is an event for each change, as
        the original has it."""
        self.work_on(endpoint)
        if self.guard is None and self.transport is not None:
            self.emit(Event.TRANSPORT, self.transport)

    # -- life --------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the connection. Raises DataException, with the name of the field, when a value cannot be written, and
        LocalProtocolError when it was closed before."""
        encode_composite(OPEN, self.open_fields(0, 0, 0))  # for its error, at the call that caused it
        if self.change(LOCAL_OPEN):
            self.emit(Event.CONNECTION_LOCAL_OPEN, self)
            self.changed(self)

    def close(self) -> None:
        """Close the connection, with its sessions and links. Sent deliveries leave first; without a wire they are in
        doubt."""
        if self.condition is not None:
            self.condition.check()
        if self.change(LOCAL_CLOSE):
            for link in self.links(0):
                link.cut_short()
            if self.transport is None:
                self.give_up()
            self.emit(Event.CONNECTION_LOCAL_CLOSE, self)
            self.changed(self)

    def fail(self, condition: Condition) -> None:
        """The connection is beyond recovery: it is closed here, and the application sees it as if the peer had closed
        it with `condition`."""
        self.change(REMOTE_GONE)
        self.remote_condition = condition
        self.emit(Event.CONNECTION_REMOTE_CLOSE, self)
        self.close()

    def end(self) -> None:
        """It was closed here, and the peer that would answer is gone: the application sees it closed."""
        if self.state & LOCAL_CLOSED and not self.state & REMOTE_CLOSED:
            self.change(REMOTE_GONE)
            self.emit(Event.CONNECTION_REMOTE_CLOSE, self)

    def free(self) -> None:
        """Forget the sessions and links; CONNECTION_FINAL is its last event, which waits for a transport to be
        unbound."""
        self.check()
        for session in self.sessions(0):
            session.free()
        for endpoint in sorted(self._leftover or (), key=lambda one: isinstance(one, Session)):
            endpoint.free()
        self._freed = self.transport is not None
        if not self._freed:
            self.emit(Event.CONNECTION_FINAL, self)

    def unbound(self) -> bool:
        """The transport has let go of it. Returns whether it was freed before."""
        self.emit(Event.CONNECTION_UNBOUND, self)
        freed, self._freed = self._freed, False
        if freed:
            self.emit(Event.CONNECTION_FINAL, self)
        return freed

    def part(self, endpoint: Union[Session, Link]) -> None:
        """An endpoint is closed on both sides and leaves the wire. In a container that is its end. A program that
        drives the engine by hand frees it itself, and gets the event of its end then."""
        if self.guard is not None:
            self.emit(Event.LINK_FINAL if isinstance(endpoint, Link) else Event.SESSION_FINAL, endpoint)
        else:
            if self._leftover is None:
                self._leftover = WeakKeyDictionary()  # of those alone that the program holds
            self._leftover[endpoint] = None

    def release(self, endpoint: Union[Session, Link]) -> bool:
        """Whether the endpoint, which is freed, has left before without the event of its end."""
        return self._leftover is not None and self._leftover.pop(endpoint, self) is None

    def session(self) -> Session:
        """A new session, to be opened."""
        self.check()
        session = Session(self)
        self._sessions[session] = None
        self.emit(Event.SESSION_INIT, session)
        return session

    def count_link(self) -> int:
        """The number of another link: they are attached again in the order in which they were made."""
        self._links_made += 1
        return self._links_made

    def forget(self, session: Session) -> None:
        """A session has ended, and its links with it: take them out."""
        if self.take_out(session):
            for link in session.links():
                session.forget(link)
            self.part(session)

    def take_out(self, session: Session) -> bool:
        """Take a session out without an event; returns whether it was there."""
        return self._sessions.pop(session, self) is None

    @property
    def link_count(self) -> int:
        """The number of links, in all sessions."""
        return sum(session.link_count for session in self._sessions)

    @property
    def weight(self) -> int:
        """Bytes of the peer's begins and attaches for the present sessions and links."""
        return sum(session.weight for session in self._sessions)

    def admit_session(self, limits: Limits, size: int) -> None:
        """The peer begins another session, by a frame of `size` bytes. RemoteProtocolError, which closes the
        connection, beyond the limit of bytes. The channels bound the number of sessions."""
        self._weigh(limits, size, "connection")

    def admit_link(self, limits: Limits, size: int, another: bool) -> None:
        """The peer attaches a link, by a frame of `size` bytes. another: the link is a new one.
        RemoteProtocolError, which ends the session, beyond the limits of links and of bytes."""
        if another and self.link_count >= limits.max_links:
            text = "more than %d links, counting those that wait for our answer" % limits.max_links
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text, "session")
        self._weigh(limits, size, "session")

    def _weigh(self, limits: Limits, size: int, scope: str) -> None:
        most = limits.max_endpoint_bytes
        if most and self.weight + size > most:
            text = "the begins and attaches of sessions and links take more than %d bytes" % most
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text, scope)

    def sessions(self, mask: int) -> Iterator[Session]:
        """The sessions in a state of `mask`, oldest first; 0 for all."""
        there = list(self._sessions)
        return iter(there) if not mask else (session for session in there if session.matches(mask))

    def session_head(self, mask: int) -> Optional[Session]:
        """The oldest session in a state of `mask`, or None."""
        return next(iter(self.sessions(mask)), None)

    def links(self, mask: int) -> Iterator[Link]:
        """The links of all sessions, in a state of `mask`, oldest first; 0 for all."""
        return (link for session in list(self._sessions) for link in session.links() if link.matches(mask))

    def link_head(self, mask: int) -> Optional[Link]:
        """The oldest link in a state of `mask`, or None."""
        return next(iter(self.links(mask)), None)

    def describe(self) -> str:
        """The peer, for a person: ``host:port``; of an accepted connection, the container-id or hostname."""
        place = self.connected_address or ""
        place = (place.partition("://")[2] or place).partition("/")[0].rpartition("@")[2]
        if place:
            return shown(place, 100)
        return quoted(self.hostname or self.remote_container or self.remote_hostname or "nobody")

    def __repr__(self) -> str:
        where = self.connected_address or self.hostname or self.remote_container
        return "<Connection%s>" % (" to " + shown(where) if where else "")

    # -- the wire ----------------------------------------------------------------------------------------

    def open_fields(self, max_frame_size: int, channel_max: int, idle_timeout: float) -> list[Any]:
        """The fields of our open [2.7.1]; the arguments are the transport's."""
        return [
            self.container,
            self.hostname,
            max_frame_size or None,
            channel_max,
            int(idle_timeout * 1000) or None,
            None,
            None,
            symbol_list("offered_capabilities", self.offered_capabilities),
            symbol_list("desired_capabilities", self.desired_capabilities),
            symbol_keys("properties", self.properties),
        ]

    def recv_open(
        self, container: str, hostname: Optional[str], offered: Any, desired: Any, properties: Optional[dict[Any, Any]]
    ) -> None:
        """The peer opens the connection; the transport has kept the fields of the wire alone [2.7.1]."""
        self.remote_hostname = hostname
        self.remote_offered_capabilities = of_symbols(offered)
        self.remote_desired_capabilities = of_symbols(desired)
        self.remote_properties = properties
        if isinstance(properties, dict) and properties.get(ESTABLISHMENT_FAILED):
            self.doubtful = container
        else:
            self.believe(container)

    def believe(self, container: str) -> None:
        """The peer has opened the connection, and its open is no refusal."""
        self.doubtful = None
        self.remote_container = container
        self.change(REMOTE_OPEN)
        self.emit(Event.CONNECTION_REMOTE_OPEN, self)

    def recv_close(self, error: Any = None) -> None:
        """The peer closes the connection [2.7.9]."""
        if self.doubtful is not None:
            self.change(REMOTE_OPEN)  # no event has reported it
        self.change(REMOTE_CLOSE)
        self.remote_condition = self.read_error(error)
        self.leave_wire()
        if self.state & LOCAL_ACTIVE and not (self.comes_back is not None and self.comes_back()):
            self._end_attaching()
        self.emit(Event.CONNECTION_REMOTE_CLOSE, self)

    def _end_attaching(self) -> None:
        """End the links with an attach that has no answer and will have none, as when a session ends."""
        for link in self.links(0):
            if link.is_attaching() and not (link.state | link.session.state) & REMOTE_CLOSED:
                if not link.session.state & LOCAL_CLOSED:
                    link.remote_condition = self.remote_condition
                    link.end_unanswered()

    def prepare(self) -> bool:
        """Frames of links are about to be written; returns whether that is to be called each time."""
        for prepare in self.before_writing:
            prepare()
        return bool(self.before_writing)

    def leave_wire(self) -> None:
        """No outcome will come over this wire any more: sends without one are in doubt, or leave again."""
        for session in self.sessions(0):
            channel = session.channel
            if channel is not None:
                channel.outgoing.share_out()
            for link in session.links():
                link.abandon(self.lasting)
            if channel is not None:
                channel.outgoing.shares = None

    def give_up(self) -> None:
        """No wire will come any more: deliveries that wait for one are in doubt."""
        self.lasting = False
        self.leave_wire()

    def reset(self) -> None:
        """Return to the state before the peer's open: every endpoint keeps the wishes of the application."""
        self.change(WIRE_LOST)
        self.remote_condition = None
        self.doubtful = None
        for session in self.sessions(0):
            session.reset(self.lasting)
        self.work.clear()

    def is_between_wires(self) -> bool:
        """Whether there is no wire, and another one will come."""
        return self.transport is None and self.lasting

    def holds_back(self) -> bool:
        """Whether a sent delivery has not left, and could."""
        return any(session.holds_back() for session in self._sessions if not session.state & REMOTE_CLOSED)
