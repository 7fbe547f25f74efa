"""MessagingHandler: the class that applications subclass.

It is put together from the parts beside it, one per concern, and has the defaults of all methods. Subclass it
and define the `on_...` methods that you need; each receives an event: its `container`, `connection`, `session`,
`link`, `sender`, `receiver`, `delivery`, `message` and `transport` are the subjects.
"""

from __future__ import annotations

import warnings

from reactor import SASL, Endpoint, Event, EventType, Handler
from reactor.errors import UNAUTHORIZED_ACCESS, ConnectionException, LinkDetached, SessionException
from reactor.hosts import is_loopback
from reactor.lazily import TYPE_CHECKING, Lazily, pattern
from reactor.loop.loggers import log_fields, logger

from .endpoint import EndpointStateHandler, condition_text, connection_of, container_of, tell
from .flow import FlowController
from .incoming import Acking, IncomingMessageHandler
from .outgoing import OutgoingMessageHandler

if TYPE_CHECKING:
    import difflib
    import logging
    from collections.abc import Awaitable
    from typing import Any, Callable, TypeVar, Union
else:
    difflib = Lazily("difflib")
    logging = Lazily("logging")

log = logger(__name__)

_PLACE = pattern(r"\[?(?P<host>.+?)\]?(:(?P<port>[0-9]+))?")

if TYPE_CHECKING:
    Answer = Union[None, Awaitable[None]]
    """What methods return: nothing, or a coroutine (`async def`), which an AsyncContainer runs."""

    Method = TypeVar("Method", bound=Callable[..., object])


def does_nothing(method: Method) -> Method:
    """Marks a default that needs no call."""
    method.does_nothing = True  # type: ignore[attr-defined]  # functions take attributes
    return method


def _hint(connection: Any) -> str:
    """How to start a broker, if the address that did not answer is one of this machine."""
    if not (connection.connected_address or "").startswith("amqp://"):
        return ""
    place = connection.describe()  # without a user and a path
    found = _PLACE.fullmatch(place)
    if found is None or not is_loopback(found["host"]):
        return ""
    default = found["host"] in ("127.0.0.1", "localhost") and found["port"] in (None, "5672")
    return ". Start a broker with: python -m handlers.broker" + ("" if default else " --listen amqp://" + place)


def note_failure(event: Event, error: Exception) -> None:
    """Hand the container the reason for which it may come to its end: no other part handles it."""
    container = container_of(event)
    if container is not None:
        container.note_failure(event.connection, error)


def declared(method: Method) -> Method:
    """Marks a method that stands here for its documentation and its type alone: to handlers it is not defined, so
    `on_unhandled` is called for it, and another base class may define it."""
    method.declared_only = True  # type: ignore[attr-defined]  # functions take attributes
    return method


class MessagingHandler(Handler, Acking):
    """Sends and receives messages, by events.

    prefetch: how many messages each receiver may have on their way ahead of `on_message`; 0: none, until the
        application calls `receiver.flow(n)` (10).
    auto_accept: a message is ACCEPTED and settled when `on_message` returns, unless the application said or
        settled something itself (True).
    auto_settle: a delivery that the peer settled is settled here too, when the methods for it returned (True).
    peer_close_is_error: a peer that closes something first, without a reason, is reported by `on_..._error`
        and not by `on_..._closing` (False).

    The first two are defaults: a receiver's own `prefetch` and `auto_accept` come before them.
    fatal_conditions: names of the transport conditions after which a connection is given up.

    `on_unhandled(method, event)` sees every event that has no method. A subclass with a method name that begins with
    `on_` and is nearly, but not quite, that of an event gets a UserWarning when the class is defined.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        library = [base for base in cls.__mro__ if base.__module__.startswith(__package__ + ".")]
        known = {name for base in library for name in dir(base) if name.startswith("on_")}
        known |= {etype.method for etype in EventType.TYPES.values()}
        short = {name.replace("_remote_", "_"): name for name in known if "_remote_" in name}  # on_link_detach
        for base in cls.__mro__:
            inherited = any(issubclass(parent, base) and issubclass(parent, Handler) for parent in cls.__bases__)
            if base is not cls and (base is object or inherited):
                continue  # the library's, or looked at before
            for name in vars(base):
                if name.startswith("on_") and name not in known:
                    near = difflib.get_close_matches(name, known, 1, 0.85)
                    near = near or [short[found] for found in difflib.get_close_matches(name, short, 1, 0.85)]
                    if near:
                        text = "%s.%s is called for no event; did you mean %s?" % (base.__name__, name, near[0])
                        warnings.warn(text, stacklevel=2)

    def __init__(
        self,
        prefetch: int = 10,
        auto_accept: bool = True,
        auto_settle: bool = True,
        peer_close_is_error: bool = False,
    ) -> None:
        if prefetch:
            self.handlers.append(FlowController(prefetch))
        self.handlers.append(EndpointStateHandler(peer_close_is_error, self))
        self.handlers.append(IncomingMessageHandler(auto_accept, self))
        self.handlers.append(OutgoingMessageHandler(auto_settle, self))
        self.fatal_conditions = [UNAUTHORIZED_ACCESS]

    # -- the container -----------------------------------------------------------------------------------

    def on_reactor_init(self, event: Event) -> None:
        """The container begins to run; calls `on_start`."""
        if "fatal_conditions" not in self.__dict__:
            # Without the parts that __init__ puts together nothing would ever happen, without a word.
            raise TypeError("%s.__init__ has to call super().__init__()" % type(self).__name__)
        tell(self.on_start, event)

    @does_nothing
    def on_start(self, event: Event) -> Answer:
        """The container begins to run: the place to connect, to listen and to create links."""

    # -- connections -------------------------------------------------------------------------------------

    def on_transport_error(self, event: Event) -> Answer:
        """The connection failed: `event.transport.condition` has the reason.

        Logs it: as an error, but while attempts to make the connection go on failing only the first time, and
        for debugging later. Where no program listens on this machine, and no attempt follows, the text shows how to
        start a broker. After a condition in `fatal_conditions` the connection is closed, so that no attempt follows.
        """
        transport, connection, container = event.transport, connection_of(event), container_of(event)
        condition = transport.condition
        again = container is not None and connection is not None and container.failures(connection) > 0
        level = logging.DEBUG if again else logging.ERROR
        if condition is None:
            log.log(level, "unspecified transport error")
            return None
        text = condition_text(condition)
        where = "" if connection is None else connection.describe()
        delay = None if connection is None or container is None else container.next_attempt(connection)
        then = ""
        if delay is not None:
            then = "; it is tried again in %.3g s, and so on" % delay
        elif connection is not None and container is not None and container.found_no_peer(connection):
            then = _hint(connection)
        line = text if where in text else "%s: %s" % (where, text)
        log.log(level, "%s%s", line, then, extra=log_fields(connection, condition, delay=delay))
        if condition.name in self.fatal_conditions and connection is not None:
            sasl = transport.layers.sasl
            if sasl is None or sasl.outcome not in (SASL.SYS, SASL.TEMP):  # else the server had troubles of its own
                lost = "no connection to %s: %s" if connection.state & Endpoint.REMOTE_UNINIT else "%s lost: %s"
                text = lost % (connection.connected_address, condition_text(condition))
                note_failure(event, ConnectionException(text))
                connection.close()
        return None

    @declared
    def on_connection_opening(self, event: Event) -> Answer:
        """The peer opened the connection; it is opened here when this returns, unless it was closed."""

    @declared
    def on_connection_opened(self, event: Event) -> Answer:
        """Both sides have opened the connection."""

    def on_connection_error(self, event: Event) -> Answer:
        """The peer closed the connection and said why: `event.connection.remote_condition`. Logs it."""
        EndpointStateHandler.print_error(event.connection, "connection")
        return None

    @does_nothing
    def on_connection_closing(self, event: Event) -> Answer:
        """The peer closed the connection first; it is closed here when this returns."""

    @does_nothing
    def on_connection_closed(self, event: Event) -> Answer:
        """Both sides have closed the connection."""

    def on_disconnected(self, event: Event) -> Answer:
        """The connection was lost, or it could not be had and no attempt follows; `on_transport_error` came
        before. Once for each loss, however many attempts it takes to make the connection again.

        A peer that closes the connection for a reason that passes (``amqp:connection:forced``, and others) leaves no
        transport error: that is logged here, as a warning.
        """
        connection = event.connection
        condition = connection.remote_condition
        if condition is not None and connection.state & Endpoint.REMOTE_CLOSED:
            text, fields = condition_text(condition), log_fields(connection, condition)
            log.warning("%s: lost; the peer closed it: %s", connection.describe(), text, extra=fields)
        return None

    @does_nothing
    def on_connection_reconnected(self, event: Event) -> Answer:
        """The connection that was lost is open again, and so are its sessions and links, as far as the peer let
        them: `on_connection_opened`, `on_session_opened` and `on_link_opened` came before."""

    # -- sessions ----------------------------------------------------------------------------------------

    @declared
    def on_session_opening(self, event: Event) -> Answer:
        """The peer began a session; it is opened here when this returns, unless it was closed."""

    @declared
    def on_session_opened(self, event: Event) -> Answer:
        """Both sides have opened the session."""

    def on_session_error(self, event: Event) -> Answer:
        """The peer ended the session and said why: `event.session.remote_condition`. Logs it and closes the
        connection."""
        EndpointStateHandler.print_error(event.session, "session")
        condition = event.session.remote_condition
        why = "by the peer" if condition is None else "because of " + condition_text(condition)
        note_failure(event, SessionException("session of %r ended %s" % (event.connection, why)))
        event.connection.close()
        return None

    @does_nothing
    def on_session_closing(self, event: Event) -> Answer:
        """The peer ended the session first; it is closed here when this returns."""

    @does_nothing
    def on_session_closed(self, event: Event) -> Answer:
        """Both sides have closed the session."""

    # -- links -------------------------------------------------------------------------------------------

    @declared
    def on_link_opening(self, event: Event) -> Answer:
        """The peer attached a link: the place to set its source and target, or to refuse it by closing it with a
        condition. It is opened here when this returns, unless it was closed."""

    @declared
    def on_link_opened(self, event: Event) -> Answer:
        """Both sides have attached the link: its remote source and target are known."""

    def on_link_error(self, event: Event) -> Answer:
        """The peer closed or detached the link and said why: `event.link.remote_condition`. Logs it and
        closes the connection."""
        EndpointStateHandler.print_error(event.link, "link")
        note_failure(event, LinkDetached(event.link))
        event.connection.close()
        return None

    @does_nothing
    def on_link_closing(self, event: Event) -> Answer:
        """The peer closed the link first; it is closed here when this returns."""

    @does_nothing
    def on_link_closed(self, event: Event) -> Answer:
        """Both sides have closed the link."""

    # -- messages ----------------------------------------------------------------------------------------

    @does_nothing
    def on_message(self, event: Event) -> Answer:
        """A message came: `event.message`. Acknowledge it by `event.delivery`, or by accept(), reject() and
        release(), or leave that to `auto_accept`."""

    @declared
    def on_aborted(self, event: Event) -> Answer:
        """The sender gave up a message of which a part had come (`event.delivery`): there is nothing to acknowledge."""

    @declared
    def on_decode_error(self, event: Event) -> Answer:
        """A message could not be decoded and was rejected: `event.delivery.local.condition` has the reason. It is
        logged where no subclass defines this."""

    @does_nothing
    def on_sendable(self, event: Event) -> Answer:
        """A sender has credit: at least one message can go out now, by `event.sender.send()`."""

    @does_nothing
    def on_delivery_updated(self, event: Event) -> Answer:
        """The peer changed the state of a delivery that was sent; the methods for outcomes come after it."""

    @does_nothing
    def on_accepted(self, event: Event) -> Answer:
        """The peer accepted a message that was sent."""

    @does_nothing
    def on_rejected(self, event: Event) -> Answer:
        """The peer rejected a message that was sent; `event.delivery.remote.condition` may have the reason."""

    @does_nothing
    def on_released(self, event: Event) -> Answer:
        """The peer gave a message back. `event.delivery.remote_state` is RELEASED (never tried) or
        MODIFIED."""

    @does_nothing
    def on_settled(self, event: Event) -> Answer:
        """The peer settled a delivery: it has forgotten it, and no update follows."""

    @does_nothing
    def on_in_doubt(self, event: Event) -> Answer:
        """The outcome of a message that was sent (`event.delivery`) will never be known: the connection,
        or the link, went away first. It may or may not have been processed; sending it again may do so
        twice."""

    # -- the engine's own events, where they are needed --------------------------------------------------

    @declared
    def on_delivery(self, event: Event) -> Answer:
        """Bytes of a delivery came, or the peer changed or settled one; before the methods above are called."""

    @declared
    def on_link_flow(self, event: Event) -> Answer:
        """The peer granted credit, or reported its use of ours; `on_sendable` comes after it."""

    @declared
    def on_link_remote_detach(self, event: Event) -> Answer:
        """The peer detached the link without closing it."""

    @declared
    def on_timer_task(self, event: Event) -> Answer:
        """The time of a task has come that `event.container.schedule(delay, self)` made."""

    @declared
    def on_transport_tail_closed(self, event: Event) -> Answer:
        """Nothing will come from the peer any more."""

    @declared
    def on_transport_head_closed(self, event: Event) -> Answer:
        """Nothing can be sent to the peer any more."""

    @declared
    def on_transport_closed(self, event: Event) -> Answer:
        """Nothing goes in or out any more: the end of a connection on this wire, in good order or not."""
