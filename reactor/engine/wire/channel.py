"""Ledger: what a session counts on one wire: ids, windows, handles, and what is unsettled.

All ids are serial numbers of 32 bits that wrap round [2.8.10]. What is to be written is noted here (`touch`,
`tell_flow`) and written by outgoing_window.py at the end of the turn. It knows no frame.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Optional

from reactor.codec.frames import TRANSFER_OVERHEAD
from reactor.engine.endpoints.delivery import Delivery
from reactor.engine.endpoints.endpoint import REMOTE_UNINIT
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.receiver import Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.events import Event
from reactor.errors import MESSAGE_SIZE_EXCEEDED, RESOURCE_LIMIT_EXCEEDED, RemoteProtocolError

if TYPE_CHECKING:
    from reactor.engine.wire.channels import Channels
    from reactor.engine.wire.handshakes import Handshakes

MASK = 0xFFFFFFFF
HALF = 0x80000000

#: No frame carries more than this, however large the peer's frames may be, so that links take turns.
LARGEST_PAYLOAD = 256 * 1024


#: What a piece of a message costs beside its bytes. Counted, so that a flood of empty ones is bounded, too.
PIECE_COST = 64


#: How often a delivery may be spoken of before it is settled, on average: a disposition of thirty bytes can speak of
#: all that there are. One that speaks of fewer than FEW costs no more than any other frame, and is not counted.
MENTIONS, FEW = 8, 256


class Pieces(list[Any]):
    """What has come of a delivery that takes several frames, behind its first piece. cost: what that counts for."""

    __slots__ = ("cost",)

    def __init__(self) -> None:
        super().__init__()
        self.cost = 0


def free_number(taken: dict[int, Any]) -> int:
    """A handle or channel that is not taken: the next one where all are in use, else one from a gap."""
    size = len(taken)
    return size if size not in taken else next(number for number in range(size) if number not in taken)


def serial_difference(a: int, b: int) -> int:
    """How far `a` is ahead of `b`, negative when it is behind, for serial numbers of 32 bits [RFC 1982]."""
    difference = (a - b) & MASK
    return difference - 0x100000000 if difference >= HALF else difference


class Ledger:
    """What a session counts on one wire."""

    __slots__ = (
        "session",
        "transport",
        "events",
        "channel",
        "remote_channel",
        "handles_out",
        "handles_in",
        "remote_handle_max",
        "begin_sent",
        "end_sent",
        "dirty",
        "next_outgoing_id",
        "next_delivery_id",
        "remote_incoming_window",
        "outgoing_window",
        "next_incoming_id",
        "incoming_window",
        "incoming_limit",
        "renew_at",
        "counts_every_frame",
        "unread_frames",
        "hungry",
        "starved",
        "most_unsettled",
        "held_back",
        "choked",
        "buffered",
        "unsettled_out",
        "unsettled_in",
        "outgoing",
        "acks",
        "flows",
        "flow_due",
        "deaf",
        "late",
        "patience",
        "shares",
        "parted",
    )

    def __init__(self, session: Handshakes, transport: Channels, channel: int) -> None:
        self.session = session
        self.transport = transport
        self.events = session.connection.event_queue()
        self.channel = channel
        self.remote_channel: Optional[int] = None
        self.handles_out: dict[int, Link] = {}
        self.handles_in: dict[int, Link] = {}
        self.remote_handle_max = MASK
        self.begin_sent = False
        self.end_sent = False
        self.dirty = False
        # Sending. The first ids are the session's to choose, so that a test can start before the wrap.
        self.next_outgoing_id = session.first_outgoing_id
        self.next_delivery_id = session.first_outgoing_id
        self.remote_incoming_window = 0
        self.outgoing_window = session.outgoing_window
        # Receiving. The window is counted in frames, and holds back while the application does not read.
        self.next_incoming_id = 0
        self.unread_frames = 0
        self.hungry: dict[Receiver, None] = {}  # those whose credit could not be filled, for what was not read
        self.starved = False  # somebody waits until the application has read
        self.buffered = 0  # what has come of deliveries that are not complete, as it is counted
        self.measure()
        # As many may be unsettled each way. Beyond that no credit is given, and nothing is sent.
        self.most_unsettled = transport.limits.max_unsettled
        self.held_back: dict[Receiver, None] = {}  # those whose credit could not be filled, for what is not settled
        self.choked = False  # something is not sent, for what is not settled
        self.unsettled_out: dict[int, Delivery] = {}
        self.unsettled_in: dict[int, Delivery] = {}
        self.outgoing: deque[Delivery] = deque()
        self.acks: list[Delivery] = []
        self.flows: dict[Link, None] = {}  # links to tell of, each once, in order
        self.flow_due = False
        self.late = 0  # transfers that came all the same
        self.patience = MENTIONS * self.most_unsettled  # how many deliveries may be spoken of without being settled
        self.shares: dict[bool, tuple[int, dict[Link, list[Delivery]]]] = {}  # see `unsettled_of`
        self.parted: Optional[dict[Link, list[Delivery]]] = None  # the queue by link, while all of them go
        self.deaf = False  # what still comes in is passed over: the session has ended here, or was refused

    def measure(self) -> None:
        """Take the incoming window's size from what the session wants, as long as the peer has not been told."""
        self.resize()
        self.incoming_window = self.incoming_limit

    def resize(self) -> None:
        """Take the size of the incoming window anew. What the peer was told stands: a smaller one is told when what
        was told before is used up, a larger one now."""
        self.incoming_limit = self.session.incoming_frames(self.transport)
        self.renew_at = self.incoming_limit // 2
        # Without a capacity of the application's a message in many frames counts as one: whoever waits for all of
        # it must not stop the rest of it from coming.
        self.counts_every_frame = self.session.incoming_capacity > 0
        if self.begin_sent and self.incoming_limit - self.unread_frames > self.incoming_window:
            if not self.session.state & REMOTE_UNINIT:  # not before it is known from what the peer counts [2.7.4]
                self.touch_flow()

    def largest_payload(self) -> int:
        """How many bytes of a message one frame can carry to the peer; its delivery's state is among them."""
        return min(self.transport.remote_max_frame_size - TRANSFER_OVERHEAD, LARGEST_PAYLOAD)

    # -- what the transport is asked to come back for ----------------------------------------------------

    def touch(self) -> None:
        """Something is to be written: have the transport call `flush`."""
        if not self.dirty:
            guard = self.session.connection.guard
            if guard is not None:
                guard()
            self.dirty = True
            self.transport.dirty_windows.append(self)
            self.transport.wake()

    def touch_flow(self) -> None:
        """Have the windows told to the peer."""
        self.touch()
        self.flow_due = True

    def make_room(self, link: Receiver) -> None:
        """The application has read, and somebody waits for that: the window, or the link's credit."""
        if self.incoming_window <= self.renew_at:
            self.touch_flow()
        if link in self.hungry and link.wire_credit + len(link.incoming) <= link.refill_at:
            del self.hungry[link]
            self.tell_flow(link)

    def tell_flow(self, link: Link) -> None:
        """Have the credit, or the use that was made of it, told to the peer.

        A receiver's is told once the peer has attached the link, and not in doubt: only then is it known from where
        deliveries are counted, and what the peer counts transfers from [2.7.4]. A drain of the peer's may come before
        our attach has left.
        """
        if link.is_sender or (link.handle_out is not None and link.handle_in is not None and not link.doubtful):
            self.touch()
            self.flows[link] = None

    def unchoke(self) -> None:
        """Some of what was sent is settled, and more may be."""
        if len(self.unsettled_out) >= self.most_unsettled:
            return
        self.choked = False
        if self.outgoing:
            self.touch()
        for link in self.handles_out.values():
            if isinstance(link, Sender) and link.wire_credit > link.queued:
                self.events.append((Event.LINK_FLOW, link))

    def hold(self, delivery: Delivery, size: int) -> None:
        """Another `size` bytes have come of a delivery that takes several frames. RemoteProtocolError when that is
        too much: of the link, the session or the connection."""
        if delivery.chunks is None:
            delivery.chunks = Pieces()
        cost = size + PIECE_COST
        transport = self.transport
        limits = transport.limits
        delivery.chunks.cost += cost
        self.buffered += cost
        transport.buffered += cost
        link = delivery.link
        if 0 < limits.max_buffered_delivery_bytes < delivery.chunks.cost:
            self.let_go(delivery.chunks)
            delivery.take()
            text = "a message of more than %d bytes on %s" % (limits.max_buffered_delivery_bytes, link.label())
            raise RemoteProtocolError(MESSAGE_SIZE_EXCEEDED, text, "link", endpoint=link)
        if 0 < limits.max_buffered_session_bytes < self.buffered:
            text = "more than %d bytes of messages that are not complete" % limits.max_buffered_session_bytes
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text, "session")
        if 0 < limits.max_buffered_connection_bytes < transport.buffered:
            text = "more than %d bytes of messages that are not complete" % limits.max_buffered_connection_bytes
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text)

    def spoken_of(self, number: int, settled: int) -> None:
        """The peer has spoken of so many deliveries in one frame, and settled some. RemoteProtocolError when it goes
        on and on about them."""
        self.patience = min(self.patience - number + MENTIONS * settled, MENTIONS * self.most_unsettled)
        if self.patience < 0:
            text = "dispositions without end: the same deliveries are spoken of again and again, and not settled"
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text, "session")

    def unsettled_of(self, link: Link) -> list[Delivery]:
        """What is not settled of a link. Many may go at once: all are looked through once for all of them, until
        others come or the turn ends."""
        incoming = link.is_receiver
        unsettled = self.unsettled_in if incoming else self.unsettled_out
        latest = self.next_incoming_id if incoming else self.next_delivery_id
        known = self.shares.get(incoming)
        if known is None or known[0] != latest:
            known = self.shares[incoming] = (latest, {})
            for delivery in unsettled.values():
                known[1].setdefault(delivery.link, []).append(delivery)
        return [one for one in known[1].pop(link, ()) if unsettled.get(one.id or 0) is one]

    def part(self) -> None:
        """All links go, one after the other: share the queue out among them, in one look for all. The caller sets
        `parted` to None when they are gone."""
        self.parted = {}
        for delivery in self.outgoing:
            self.parted.setdefault(delivery.link, []).append(delivery)
        self.outgoing.clear()

    def take_queued(self, link: Link) -> list[Delivery]:
        """What is in the queue of a link that goes; it is taken out."""
        if self.parted is not None:
            return self.parted.pop(link, [])
        queued = [delivery for delivery in self.outgoing if delivery.link is link]
        if queued:
            self.outgoing = deque(delivery for delivery in self.outgoing if delivery.link is not link)
        return queued

    def let_go(self, pieces: Pieces) -> None:
        """What has come of a delivery is complete, was read, or is dropped. Harmless when repeated."""
        self.buffered -= pieces.cost
        self.transport.buffered -= pieces.cost
        pieces.cost = 0

    def release(self, link: Sender) -> None:
        """Put what waited back into the queue, in its old order."""
        waiting = link.waiting
        for delivery in waiting:
            delivery.window = self
        self.outgoing.extendleft(reversed(waiting))
        waiting.clear()
        self.touch()

    def renew(self) -> None:
        """Open the incoming window again, as far as the application has read."""
        self.flow_due = False
        room = self.incoming_limit - self.unread_frames
        if room > self.incoming_window:
            self.incoming_window = room
        self.starved = self.incoming_window <= self.renew_at or bool(self.hungry)
