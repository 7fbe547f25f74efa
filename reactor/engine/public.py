"""The engine's classes as applications know them: one name for each, complete for type checkers.

A connection leads to its sessions, a session to its links, a link to its deliveries; and each of them back to its owner
and to the transport. Types that form a ring need modules that import one another in a ring, if only for type checkers
(TYPE_CHECKING), and imports are a tree here. A Protocol for each owner would break the ring, and give users a type that
is not the class they know: no isinstance, and no argument for a function of theirs that takes a Session. So the
modules below declare the types that lead downwards, and this room, which knows all of them, adds those that lead
upwards: for a type checker each class here is a subclass that redeclares a few attributes, and at run time it is the
class itself.

`dir()` and `help()` of these classes show the names for applications (listing.py): the lists stand at the end. A new
name that applications are to use is added there.

The container and everything above it import these names from here. The event, which leads to the container too, is
completed in the same way in reactor/event.py.
"""

from __future__ import annotations

from reactor import errors
from reactor.engine.endpoints import connection, delivery, endpoint, link, receiver, sender, session
from reactor.engine.events import Event, EventBase
from reactor.engine.wire import transport
from reactor.lazily import TYPE_CHECKING
from reactor.listing import listed

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator
    from typing import Optional, Union, overload

    from reactor.codec.message import Message
    from reactor.engine.endpoints.disposition import DispositionType

    class Connection(connection.Connection):
        transport: Optional[Transport]

        @property
        def connection(self) -> Connection: ...
        def session(self) -> Session: ...
        def sessions(self, mask: int) -> Iterator[Session]: ...
        def session_head(self, mask: int) -> Optional[Session]: ...
        def links(self, mask: int) -> Iterator[Link]: ...
        def link_head(self, mask: int) -> Optional[Link]: ...

    class Session(session.Session):
        connection: Connection

        @property
        def transport(self) -> Optional[Transport]: ...
        def sender(self, name: str) -> Sender: ...
        def receiver(self, name: str) -> Receiver: ...
        def links(self) -> Iterator[Link]: ...
        def next(self, mask: int) -> Optional[Session]: ...

    class Link(link.Link):
        session: Session

        @property
        def connection(self) -> Connection: ...
        @property
        def transport(self) -> Optional[Transport]: ...
        @property
        def current(self) -> Optional[Delivery]: ...
        @property
        def unsettled_deliveries(self) -> Iterator[Delivery]: ...
        @property
        def unsettled_head(self) -> Optional[Delivery]: ...
        def delivery(self, tag: Union[str, bytes]) -> Delivery: ...
        def next(self, mask: int) -> Optional[Link]: ...

    class Sender(Link, sender.Sender):
        watch: Optional[Callable[[Delivery], None]]  # type: ignore[assignment]  # takes a delivery of this room

        @overload
        def send(self, obj: Message, tag: Union[str, bytes, None] = None) -> Delivery: ...
        @overload
        def send(self, obj: Union[bytes, bytearray, memoryview], tag: Union[str, bytes, None] = None) -> int: ...
        def send(
            self, obj: Union[Message, bytes, bytearray, memoryview], tag: Union[str, bytes, None] = None
        ) -> Union[Delivery, int]: ...

    class Receiver(Link, receiver.Receiver):
        incoming: deque[Delivery]  # type: ignore[assignment]  # to a checker a deque of other deliveries

    class Delivery(delivery.Delivery):
        link: Link

        @property
        def session(self) -> Session: ...
        @property
        def connection(self) -> Connection: ...
        @property
        def transport(self) -> Optional[Transport]: ...
        @property
        def unsettled_next(self) -> Optional[Delivery]: ...

    class Transport(transport.Transport):
        connection: Optional[Connection]
        tracer: Optional[Callable[[Transport, str], None]]  # type: ignore[assignment]  # takes a transport of this room

    class ConnectionClosed(errors.ConnectionClosed):
        connection: Connection

        def __init__(self, connection: Connection) -> None: ...

    class LinkDetached(errors.LinkDetached):
        link: Link

        def __init__(self, link: Link) -> None: ...

    class SendException(errors.SendException):
        state: Union[DispositionType, int]

        def __init__(
            self, state: Union[DispositionType, int], condition: Optional[str] = None, reason: Optional[str] = None
        ) -> None: ...


if not TYPE_CHECKING:
    Connection = connection.Connection
    Session = session.Session
    Link = link.Link
    Sender = sender.Sender
    Receiver = receiver.Receiver
    Delivery = delivery.Delivery
    Transport = transport.Transport
    ConnectionClosed = errors.ConnectionClosed
    LinkDetached = errors.LinkDetached
    SendException = errors.SendException

# -- the names for applications ------------------------------------------------------------------------------

_OF_ENDPOINTS = listed(
    endpoint.Endpoint,
    "LOCAL_UNINIT LOCAL_ACTIVE LOCAL_CLOSED REMOTE_UNINIT REMOTE_ACTIVE REMOTE_CLOSED",
    "state condition remote_condition handler",
)
_OF_PEERS = """
    properties offered_capabilities desired_capabilities
    remote_properties remote_offered_capabilities remote_desired_capabilities
"""
listed(
    connection.Connection,
    *_OF_ENDPOINTS,
    _OF_PEERS,
    "container hostname user password authorization remote_container remote_hostname",
    "connection transport connected_address error context lasting guard comes_back resend",
    "collect open close free session sessions session_head links link_head describe",
)
listed(
    session.Session,
    *_OF_ENDPOINTS,
    _OF_PEERS,
    "connection transport context incoming_capacity incoming_bytes outgoing_window outgoing_bytes",
    "handle_max first_outgoing_id open close free sender receiver links next acknowledge acknowledge_mode",
    "prefetch max_unsettled",
)
_OF_LINKS = listed(
    link.Link,
    *_OF_ENDPOINTS,
    _OF_PEERS,
    "SND_UNSETTLED SND_SETTLED SND_MIXED RCV_FIRST RCV_SECOND is_sender is_receiver",
    "name session connection transport source target remote_source remote_target context",
    "snd_settle_mode rcv_settle_mode remote_snd_settle_mode remote_rcv_settle_mode",
    "max_message_size remote_max_message_size attach_timeout close_timeout",
    "available credit queued drain_mode flow_properties unsettled current unsettled_deliveries unsettled_head",
    "keep remote_unsettled",
    "open close detach free next delivery advance describe send_flow_properties ask_for_flow",
)
listed(
    sender.Sender,
    *_OF_LINKS,
    "send stream transmit offered drained delivery_tag tag_generator send_timeout resend watch",
)
listed(
    receiver.Receiver,
    *_OF_LINKS,
    "flow drain draining drained recv pause is_paused prefetch max_unsettled auto_accept acknowledge_mode",
)
listed(
    delivery.Delivery,
    "ACCEPTED REJECTED RELEASED MODIFIED RECEIVED link session connection transport tag tag_bytes context",
    "local local_state remote remote_state settled partial aborted message_format readable writable pending updated",
    "fate changes doubt has_left unsettled_next update settle settle_with abort clear take",
    "accept reject release modify acknowledge",
)
listed(
    transport.Transport,
    "CLIENT SERVER TRACE_OFF TRACE_RAW TRACE_FRM TRACE_DRV mode connection",
    "condition user closed authenticated encrypted",
    "max_frame_size channel_max limits max_buffered_delivery_bytes idle_timeout open_timeout write_timeout",
    "remote_max_frame_size remote_channel_max remote_idle_timeout frames_input frames_output",
    "sasl ssl tls require_auth require_encryption bind bind_nothrow unbind fail",
    "push capacity close_tail receive peek pop pending output close_head tick",
    "recorder tracer trace log",
)
_OF_EVENTS = listed(EventBase, "type container reactor dispatch")
listed(
    Event,
    *_OF_EVENTS,
    *(name for name in vars(Event) if name.isupper()),
    "context message clazz handler transport connection session link sender receiver delivery transaction",
)
