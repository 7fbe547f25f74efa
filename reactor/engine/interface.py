"""Interface: the view that rooms of the engine have of one another where each needs the other.

Endpoints are below the wire that carries them, and a link is below its session, a session below its connection. Arrows
of imports go one way, from the upper to the lower. Where the lower calls the upper, it sees one of these protocols, and
not the class: each lists the members that the lower may use. They are for readers and type
checkers: no class inherits them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Optional, Protocol

from reactor.engine.endpoints.condition import Condition
from reactor.engine.events import EventType
from reactor.engine.handler import PlanTable
from reactor.engine.limits import Limits


class ParentInterface(Protocol):
    """An endpoint, for the endpoints in it."""

    plans: Optional[PlanTable]

    def check(self) -> None:
        """Call the connection's guard, which raises when the application must not change the endpoint now."""


class EndpointInterface(ParentInterface, Protocol):
    """A connection or a session, for the endpoints in it."""

    remote_condition: Optional[Condition]

    @property
    def state(self) -> int:
        """LOCAL_* and REMOTE_* bits."""


class ConnectionInterface(EndpointInterface, Protocol):
    """A connection, for its sessions and links."""

    lasting: bool
    guard: Optional[Callable[[], None]]
    admission: Optional[Callable[[Any], bool]]
    conceal: Optional[Callable[[str], str]]
    hooks: Optional[HooksInterface]
    original_ways: bool

    def prepare(self) -> bool:
        """Frames of links are about to be written; returns whether that is to be called each time."""

    @property
    def transport(self) -> Optional[TransportInterface]:
        """The transport that it is bound to, or None."""

    @property
    def work(self) -> dict[Any, None]:
        """Endpoints that may have a handshake to write, in order."""

    def emit(self, etype: EventType, context: Any) -> None:
        """Queue an event, if any are collected."""

    def read_error(self, error: Any) -> Any:
        """The Condition of an error that the peer has sent, or None."""

    def event_queue(self) -> deque[tuple[EventType, Any]]:
        """The queue to which the hot path appends events itself."""

    def work_on(self, endpoint: Any) -> None:
        """An endpoint has changed: have the transport write the change."""

    def changed(self, endpoint: Any) -> None:
        """The application has changed an endpoint."""

    def part(self, endpoint: Any) -> None:
        """An endpoint is closed on both sides, and leaves the wire."""

    def take_out(self, session: Any) -> bool:
        """Take a session out without an event; whether it was there."""

    def release(self, endpoint: Any) -> bool:
        """Whether an endpoint that is freed has left without the event of its end."""

    def forget(self, session: Any) -> None:
        """Take a session out, and its links."""

    def sessions(self, mask: int) -> Iterator[Any]:
        """The sessions with a state that agrees with `mask`, oldest first; 0 for all."""

    def links(self, mask: int) -> Iterator[Any]:
        """The links of all sessions, with a state that agrees with `mask`, oldest first; 0 for all."""

    def count_link(self) -> int:
        """The number of another link."""

    def admit_link(self, limits: Limits, size: int, another: bool) -> None:
        """RemoteProtocolError when the peer attaches more links than the limits allow."""

    def is_between_wires(self) -> bool:
        """Whether there is no wire, and another one will come."""


class HooksInterface(Protocol):
    """What a connection with observers calls, for its senders and channels."""

    @property
    def sent(self) -> Optional[Callable[[Any], None]]:
        """Called with each delivery that was handed to a sender."""

    def flows(self, channel: Any) -> Any:
        """The flows of a new channel."""

    def outcomes(self, channel: Any) -> Any:
        """The outcomes of a new channel."""


class SessionInterface(EndpointInterface, Protocol):
    """A session, for its links and for the parts of its channel."""

    @property
    def max_unsettled(self) -> Optional[int]:
        """The bound that its receivers have in common, or None."""

    def links(self) -> Iterator[Any]:
        """Its links, oldest first."""

    def share_out(self) -> None:
        """A receiver was opened or closed: give each its part of that bound."""

    def acknowledge(self, delivery: Any, outcome: Any) -> int:
        """Settle the delivery, or all that were taken (None), with the outcome."""

    @property
    def connection(self) -> ConnectionInterface:
        """The connection that it is in."""

    @property
    def channel(self) -> Optional[ChannelInterface]:
        """The channel that carries it, or None."""

    @property
    def is_given_up(self) -> bool:
        """Whether the peer has ended it because of an error of ours."""

    @property
    def first_outgoing_id(self) -> int:
        """The first transfer and delivery id."""

    def named(self, name: str) -> list[Any]:
        """The links of this name, oldest first."""

    def add(self, link: Any) -> None:
        """Count a link among those of this session."""

    def take_out(self, link: Any) -> bool:
        """Take a link out, without an event; returns whether it was there."""

    def forget(self, link: Any) -> None:
        """Take a link out."""

    def refuse(self, endpoint: Any, condition: Condition) -> None:
        """The session, or a link of it, cannot be opened on this wire."""

    def bury_link(self, link: Any) -> bool:
        """Without a wire: forget the link if the next wire has no use for it."""


class SenderInterface(Protocol):
    """A sender, for its tags. counted: the last number that was given as a tag; drawn: the last one that
    `delivery_tag()` has given, until it is used."""

    counted: int
    drawn: int
    unsettled: int

    @property
    def unsettled_deliveries(self) -> Iterator[Any]:
        """The deliveries that are not settled here, oldest first."""


class AcknowledgerInterface(Protocol):
    """What acknowledges messages of a receiver that `on_message` has left without an outcome, and that are not accepted
    at once."""

    def processed(self, delivery: Any) -> None:
        """`on_message` has returned."""

    def flush(self) -> None:
        """Give the outcomes now that were put off: the receiver closes, or gives no more credit."""


# -- the wire, for endpoints and for the parts of a channel ---------------------------------------------------


class TransportInterface(Protocol):
    """A transport, for its connection."""

    @property
    def limits(self) -> Limits:
        """The bounds on the peer."""

    def wake(self) -> None:
        """There is something to write."""


class WireInterface(Protocol):
    """The wire, for the channels on it; see wire/channels.py."""

    buffered: int
    frames_output: int
    frame_size: int
    waits: bool
    woken: bool
    reading: bool
    remote_max_frame_size: int
    largest_payload: int

    @property
    def plain(self) -> bytearray:
        """The buffer that frames are written to."""

    @property
    def dirty(self) -> list[Any]:
        """The channels that have something to write."""

    @property
    def notice(self) -> tuple[EventType, Any]:
        """The event that reports `dirty` to the driver."""

    @property
    def limits(self) -> Limits:
        """The bounds on the peer."""

    @property
    def max_frame_size(self) -> int:
        """Bytes of the largest frame that is taken; 0 for no limit."""

    @property
    def opened(self) -> bool:
        """Whether the peer's open has come."""

    def wake(self) -> None:
        """There is something to write."""

    def doubt(self, link: Any) -> None:
        """The peer has attached the link in a way that looks like a refusal."""

    def has_channel(self) -> bool:
        """Whether another session may begin already."""

    def make_channel(self, session: Any) -> ChannelInterface:
        """A channel for a session. LocalProtocolError when none is left."""

    def release_input(self, channel: Any) -> None:
        """The peer has ended the session: its channel may be used again."""

    def release_output(self, channel: Any) -> None:
        """Both sides have ended the session: our channel may be used again."""


class AttachmentsInterface(Protocol):
    """Attachments, for links and the other parts of a channel."""

    @property
    def handles_in(self) -> dict[int, Any]:
        """The links by the peer's handles."""

    @property
    def handles_out(self) -> dict[int, Any]:
        """The links by our handles."""

    def send_attach(self, link: Any, out: bytearray) -> None:
        """Write the link's attach if it is time."""

    def send_detach(self, link: Any, out: bytearray) -> bool:
        """Write the link's detach if it is time; returns whether the link has nothing more to write."""

    def leave_tombstone(self, link: Any) -> None:
        """`link` goes on without its attachment on this wire: a tombstone ends that."""

    def detach_now(self, link: Any) -> None:
        """As `leave_tombstone`, and the detach is written at once."""


class IncomingWindowInterface(Protocol):
    """An incoming window, for receivers, deliveries and the other parts of a channel."""

    next_incoming_id: int
    incoming_window: int
    unread_frames: int
    most_unsettled: int
    window_waits_for_reads: bool

    @property
    def unsettled(self) -> dict[int, Any]:
        """Deliveries by delivery-id."""

    @property
    def credit_waits_for_reads(self) -> dict[Any, None]:
        """Receivers with credit below `prefetch` because deliveries are not read."""

    @property
    def credit_waits_for_settlement(self) -> dict[Any, None]:
        """Receivers with credit below `prefetch` because deliveries are not settled."""

    def await_reads(self, link: Any) -> None:
        """Have the receiver's credit filled when deliveries were read."""

    def await_settlement(self, link: Any) -> None:
        """Have the receiver's credit filled when deliveries were settled."""

    def resize(self) -> None:
        """Compute the size of the window anew."""

    def renew(self) -> None:
        """Open the window again, as far as the application has read."""

    def make_room(self, link: Any) -> None:
        """The application has read, and the window or the link's credit has waited for that."""

    def let_go(self, pieces: Any) -> None:
        """The pieces of a delivery are complete, read or dropped."""


class OutgoingWindowInterface(Protocol):
    """An outgoing window, for senders, deliveries and the other parts of a channel."""

    next_outgoing_id: int
    outgoing_window: int
    remote_incoming_window: int
    most_unsettled: int
    send_blocked: bool
    shares: Any

    @property
    def queue(self) -> deque[Any]:
        """Deliveries to be sent, in the order of the calls."""

    @property
    def unsettled(self) -> dict[int, Any]:
        """Deliveries that have left, by delivery-id."""

    def unblock(self) -> None:
        """Deliveries were settled, and others may be sent."""

    def release(self, link: Any) -> None:
        """Put the deliveries that waited at the link into the queue."""

    def share_out(self) -> None:
        """All links go, one after the other: share the queue out among them."""

    def take_queued(self, link: Any) -> list[Any]:
        """Take the deliveries of a link that goes out of the queue."""


class OutcomesInterface(Protocol):
    """Outcomes, for deliveries."""

    in_transaction: bool

    @property
    def due(self) -> list[Any]:
        """Deliveries with a state or settlement to be written."""


class FlowsInterface(Protocol):
    """Flows, for links and the other parts of a channel."""

    @property
    def links(self) -> dict[Any, None]:
        """Links with a flow to be written."""

    def carry(self, link: Any, properties: dict[Any, Any]) -> None:
        """Have the next flow of a link carry these properties."""

    def ask(self, link: Any) -> None:
        """Have a flow of the link written that asks for one of the peer."""

    def announce(self, link: Any) -> None:
        """Have a flow of the link written."""

    def announce_window(self) -> None:
        """Have a flow with the windows written."""


class ChannelInterface(Protocol):
    """A channel, for the endpoints that it carries and for its parts."""

    @property
    def number(self) -> int:
        """The channel that we send on."""

    @property
    def remote_number(self) -> Optional[int]:
        """The channel that the peer sends on; None before its begin."""

    @property
    def session(self) -> SessionInterface:
        """The session that it carries."""

    @property
    def wire(self) -> WireInterface:
        """The wire that it is on."""

    @property
    def events(self) -> deque[tuple[EventType, Any]]:
        """The queue to which the hot path appends events."""

    @property
    def dirty(self) -> bool:
        """Whether the transport is asked to call `flush`."""

    @property
    def begin_sent(self) -> bool:
        """Whether our begin was written."""

    @property
    def end_sent(self) -> bool:
        """Whether our end was written."""

    @property
    def attachments(self) -> AttachmentsInterface:
        """Its links and their handles."""

    @property
    def incoming(self) -> IncomingWindowInterface:
        """The transfers that come in."""

    @property
    def outgoing(self) -> OutgoingWindowInterface:
        """The transfers that go out."""

    @property
    def outcomes(self) -> OutcomesInterface:
        """The dispositions."""

    @property
    def flows(self) -> FlowsInterface:
        """The flows."""

    def touch(self) -> None:
        """Something is to be written."""

    def report_to(self, events: deque[tuple[EventType, Any]]) -> None:
        """Append events to this queue from now on."""

    def unsettled_of(self, link: Any) -> list[Any]:
        """The deliveries of a link that are not settled."""

    def send_begin(self, out: bytearray) -> None:
        """Write our begin, if it was not written yet."""

    def send_end(self, out: bytearray) -> bool:
        """Write our end if it is time; returns whether the session has nothing more to write."""

    def answer_end(self) -> None:
        """The peer has ended the session on this wire: end it here as well."""

    def close(self, lasting: bool = False) -> None:
        """The wire is gone, or the session on it."""


# -- layers ----------------------------------------------------------------------------------------------


class SASLCarrier(Protocol):
    """The carrier of SASL: a Transport."""

    def sasl(self) -> Any:
        """The SASL layer, which is put in by the first call."""


class TLSCarrier(Protocol):
    """The carrier of TLS: a Transport."""

    SERVER: int
    mode: int

    @property
    def tls(self) -> Any:
        """The SSL that was put in, or None."""

    def secure(self, layer: Any) -> None:
        """Have this SSL between the transport and the wire. SSLException when it is too late."""
