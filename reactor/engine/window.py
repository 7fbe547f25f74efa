"""Window: a session on one wire. Transfers leave and arrive here, and outcomes with them.

It holds what dies with the wire: channel and handles, transfer and delivery ids, both flow-control windows, and
the maps of unsettled deliveries. All ids are serial numbers of 32 bits that wrap round [2.8.10]. What the
application does in a turn is collected, and written once by `flush`: transfers in the order of the calls, one
disposition per run of equal outcomes, one flow per link. This is the hot path; the handshakes are in session.py.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Deque, Optional

from reactor.codec.frames import (
    TRANSFER_OVERHEAD,
    transfer_writer,
    write_disposition,
    write_flow,
    write_session_flow,
    write_transfer,
)
from reactor.engine.delivery import (
    LOST,
    OPEN,
    PRE_SETTLED,
    SETTLED_BY_PEER,
    SETTLED_NOW,
    STATE_CHANGED,
    Delivery,
)
from reactor.engine.disposition import EMPTY, read_state, state_bytes
from reactor.engine.endpoint import LOCAL_ACTIVE
from reactor.engine.events import Event
from reactor.engine.link import Link, Receiver, Sender
from reactor.errors import (
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    TRANSFER_LIMIT_EXCEEDED,
    UNATTACHED_HANDLE,
    WINDOW_VIOLATION,
    RemoteProtocolError,
)

if TYPE_CHECKING:
    from reactor.engine.session import Session
    from reactor.engine.transport import Transport

MASK = 0xFFFFFFFF
HALF = 0x80000000

#: While so many bytes wait to be sent no more transfers are written: they stay where they can be given up.
OUTPUT_LIMIT = 256 * 1024
#: No frame carries more than this, however large the peer's frames may be, so that links take turns.
LARGEST_PAYLOAD = 256 * 1024

_DELIVERY = Event.DELIVERY


def serial_difference(a: int, b: int) -> int:
    """How far `a` is ahead of `b`, negative when it is behind, for serial numbers of 32 bits [RFC 1982]."""
    difference = (a - b) & MASK
    return difference - 0x100000000 if difference >= HALF else difference


class Window:
    """A session's state on one wire; `session.window` while it is there."""

    __slots__ = (
        "session",
        "transport",
        "events",
        "channel",
        "remote_channel",
        "handles_out",
        "handles_in",
        "handle_max",
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
        "unread",
        "starved",
        "unsettled_out",
        "unsettled_in",
        "outgoing",
        "acks",
        "flows",
        "flow_due",
        "deaf",
    )

    def __init__(self, session: Session, transport: Transport, channel: int) -> None:
        self.session = session
        self.transport = transport
        self.events = session.connection.event_queue()
        self.channel = channel
        self.remote_channel: Optional[int] = None
        self.handles_out: dict[int, Link] = {}
        self.handles_in: dict[int, Link] = {}
        self.handle_max = session.handle_max
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
        self.incoming_limit = session.incoming_frames()
        self.incoming_window = self.incoming_limit
        self.renew_at = self.incoming_limit // 2
        self.unread = 0
        self.starved = False
        self.unsettled_out: dict[int, Delivery] = {}
        self.unsettled_in: dict[int, Delivery] = {}
        self.outgoing: Deque[Delivery] = deque()
        self.acks: list[Delivery] = []
        self.flows: dict[Link, None] = {}  # links to tell of, each once, in order
        self.flow_due = False
        self.deaf = False  # what still comes in is passed over: the session has ended here, or was refused

    # -- what the transport is asked to come back for -------------------------------------------------------

    def touch(self) -> None:
        """Something is to be written: have the transport call `flush`."""
        if not self.dirty:
            self.dirty = True
            self.transport.dirty_windows.append(self)
            self.transport.wake()

    def touch_flow(self) -> None:
        """The application has read: the incoming window may be opened again."""
        self.flow_due = True
        self.touch()

    def tell_flow(self, link: Link) -> None:
        """Have the credit, or the use that was made of it, told to the peer."""
        if link.handle_out is not None:
            self.flows[link] = None
            self.touch()

    # -- bytes in -------------------------------------------------------------------------------------------

    def recv_transfer(
        self,
        payload: bytes,
        handle: int,
        delivery_id: Optional[int] = None,
        tag: Optional[bytes] = None,
        message_format: Optional[int] = None,
        settled: Optional[bool] = None,
        more: Optional[bool] = False,
        rcv_settle_mode: Optional[int] = None,
        state: Any = None,
        resume: Optional[bool] = False,
        aborted: Optional[bool] = False,
        batchable: Optional[bool] = False,
    ) -> None:
        """A transfer has come [2.7.5]."""
        link: Any = self.handles_in.get(handle)
        if link is None:
            raise RemoteProtocolError(
                UNATTACHED_HANDLE, "transfer on handle %d, which is not attached" % handle, "session"
            )
        incoming_window = self.incoming_window - 1
        if incoming_window < 0:
            raise RemoteProtocolError(WINDOW_VIOLATION, "transfer without room in the incoming window", "session")
        self.incoming_window = incoming_window
        self.next_incoming_id = (self.next_incoming_id + 1) & MASK
        if incoming_window == self.renew_at:
            self.touch_flow()
        if link.deaf:
            return  # in flight while we detached; the peer learns from the detach [2.6.5]
        if link.is_sender:
            raise RemoteProtocolError(NOT_ALLOWED, "transfer to %r, which is a sender" % (link,), "link", endpoint=link)
        delivery = link.transfer_in_progress
        if delivery is None:
            if delivery_id is None or tag is None or not 0 <= delivery_id <= MASK:
                raise RemoteProtocolError(INVALID_FIELD, "the first transfer of a delivery lacks its id or tag", "session")
            credit = link.wire_credit - 1
            if credit < 0:
                raise RemoteProtocolError(
                    TRANSFER_LIMIT_EXCEEDED, "transfer on %r without credit" % (link,), "link", endpoint=link
                )
            if delivery_id in self.unsettled_in:
                raise RemoteProtocolError(
                    INVALID_FIELD, "delivery-id %d is in use by an unsettled delivery" % delivery_id, "session"
                )
            link.wire_credit = credit
            link.delivery_count = (link.delivery_count + 1) & MASK
            if credit == link.refill_at:
                self.tell_flow(link)
            delivery = Delivery(link, self, tag, delivery_id, payload)
            self.unread += 1
            link.incoming.append(delivery)
            if settled:
                delivery.settled = True
                delivery.fate = PRE_SETTLED
            else:
                self.unsettled_in[delivery_id] = delivery
                link.unsettled += 1
            if more or aborted or state is not None or link.max_message_size:
                self._recv_more(link, delivery, payload, more, state, aborted)
            self.events.append((_DELIVERY, delivery))
            return
        if delivery_id is not None and delivery_id != delivery.id:
            raise RemoteProtocolError(
                INVALID_FIELD, "delivery %d begins before %d is complete" % (delivery_id, delivery.id or 0), "session"
            )
        self.unread += 1
        delivery.frames += 1
        if delivery.payload is not None and delivery.fate in (OPEN, PRE_SETTLED) and not delivery.queued:
            if delivery.chunks is None:
                delivery.chunks = [payload]
            else:
                delivery.chunks.append(payload)
        if settled and not delivery.fate:
            self._finish_by_peer(delivery, self.unsettled_in)
        self._recv_more(link, delivery, payload, more, state, aborted)
        events = self.events
        if not events or events[-1][1] is not delivery:
            events.append((_DELIVERY, delivery))

    def _recv_more(
        self, link: Receiver, delivery: Delivery, payload: bytes, more: Any, state: Any, aborted: Any
    ) -> None:
        """What most transfers do not have: parts to come, parts before, a state, a limit of size."""
        link.received += len(payload)
        if state is not None:
            delivery.remote_state, delivery._remote = read_state(state)
        if aborted:
            # What came of it is dropped, and it counts as settled [2.7.5].
            delivery.aborted = True
            delivery.chunks = None
            delivery.payload = b""
            self._finish_by_peer(delivery, self.unsettled_in)
            more = False
        if 0 < link.max_message_size < link.received:
            size, link.received = link.received, 0
            raise RemoteProtocolError(
                MESSAGE_SIZE_EXCEEDED,
                "%d bytes or more on %r, which takes %d" % (size, link, link.max_message_size),
                "link",
                endpoint=link,
            )
        delivery.partial = bool(more)
        link.transfer_in_progress = delivery if more else None
        if not more:
            link.received = 0
            if delivery.fate not in (OPEN, PRE_SETTLED) and delivery.payload is not None:
                if delivery in link.incoming:
                    delivery.take()  # settled while it was still coming in: nobody will read it

    def recv_disposition(
        self,
        receiver: bool,
        first: int,
        last: Optional[int] = None,
        settled: Optional[bool] = False,
        state: Any = None,
        batchable: Optional[bool] = False,
    ) -> None:
        """The peer says what became of the deliveries first..last [2.7.6]."""
        unsettled = self.unsettled_out if receiver else self.unsettled_in
        outcome, content = read_state(state) if state is not None else (EMPTY, None)
        change = (STATE_CHANGED if state is not None else 0) | (SETTLED_NOW if settled else 0)
        if last is None or last == first:
            ids: Any = (first,)
        else:
            span = ((last - first) & MASK) + 1
            if span <= len(unsettled):
                ids = [(first + offset) & MASK for offset in range(span)]
            else:
                # A range may promise four billion; only what is there is looked at.
                ids = [number for number in unsettled if (number - first) & MASK < span]
        events = self.events
        for number in ids:
            delivery = unsettled.get(number)
            if delivery is None:
                continue  # settled here before the peer's word came: nobody waits for it
            if state is not None:
                if outcome == delivery.remote_state and not settled and content is None:
                    continue
                delivery.remote_state = outcome
                delivery._remote = content
            delivery.changes |= change
            if settled:
                delivery.settled = True
                del unsettled[number]
                if not delivery.fate:
                    delivery.fate = SETTLED_BY_PEER
                    link = delivery.link
                    link.unsettled -= 1
                    if link.is_receiver and link.max_unsettled is not None:
                        self.tell_flow(link)
            events.append((_DELIVERY, delivery))

    def _finish_by_peer(self, delivery: Delivery, unsettled: dict[int, Delivery]) -> None:
        delivery.settled = True
        delivery.changes |= SETTLED_NOW
        if not delivery.fate:
            delivery.fate = SETTLED_BY_PEER
            delivery.link.unsettled -= 1
            if delivery.id is not None:
                unsettled.pop(delivery.id, None)

    def recv_flow(
        self,
        next_incoming_id: Optional[int],
        incoming_window: int,
        next_outgoing_id: int,
        outgoing_window: int,
        handle: Optional[int] = None,
        delivery_count: Optional[int] = None,
        link_credit: Optional[int] = None,
        available: Optional[int] = None,
        drain: Optional[bool] = False,
        echo: Optional[bool] = False,
        properties: Optional[dict[Any, Any]] = None,
    ) -> None:
        """The peer tells its windows, and the credit or the use of it on one link [2.7.4]."""
        # What has left since the peer wrote this is not in its window any more [2.5.6].
        base = self.session.first_outgoing_id if next_incoming_id is None else next_incoming_id
        self.remote_incoming_window = incoming_window - serial_difference(self.next_outgoing_id, base)
        if self.outgoing:
            self.touch()
        if handle is None:
            if echo:
                self.touch_flow()
            return
        link = self.handles_in.get(handle)
        if link is None:
            raise RemoteProtocolError(UNATTACHED_HANDLE, "flow on handle %d, which is not attached" % handle, "session")
        if link.deaf:
            return
        if isinstance(link, Sender):
            self._recv_credit(link, delivery_count, link_credit, bool(drain))
        elif isinstance(link, Receiver):
            if delivery_count is not None:
                used = serial_difference(delivery_count, link.delivery_count)
                if used > 0:  # credit was given back, by a drain
                    used = min(used, link.wire_credit)
                    link.wire_credit -= used
                    link._drained += used
                    link.delivery_count = delivery_count & MASK
            if available is not None:
                link.available = available
            if link.drain_mode and link.wire_credit == 0 and link.prefetch:
                link.drain_mode = False
                self.tell_flow(link)
        if echo:
            self.tell_flow(link)
        self.session.connection.emit(Event.LINK_FLOW, link)

    def _recv_credit(self, link: Sender, count: Optional[int], credit: Optional[int], drain: bool) -> None:
        link.drain_mode = drain
        if credit is None:
            return
        # The receiver counts from where it has seen us; what is on its way to it has used up credit already.
        # Without a count it has seen nothing yet [2.6.7].
        seen = link.first_delivery_count if count is None else count
        link.wire_credit = credit - serial_difference(link.delivery_count, seen)
        if link.waiting and link.wire_credit > 0 and link.transfer_in_progress is None:
            self.release(link)

    def release(self, link: Sender) -> None:
        """Put what waited back into the queue, in its old order."""
        waiting = link.waiting
        for delivery in waiting:
            delivery.window = self
        self.outgoing.extendleft(reversed(waiting))
        waiting.clear()
        self.touch()

    # -- bytes out ------------------------------------------------------------------------------------------

    def flush(self, out: bytearray) -> bool:
        """Write all that the turn collected; returns whether something must wait until `out` was sent."""
        self.dirty = False
        if self.outgoing:
            self._write_transfers(out)
        if self.acks:
            self._write_dispositions(out)
        if self.flows:
            flows, self.flows = self.flows, {}
            for link in flows:
                if link.handle_out is not None and not link.detach_sent:
                    self._write_flow(link, out)
        if self.flow_due:
            self._renew()
            write_session_flow(
                out, self.channel, self.next_incoming_id, self.incoming_window, self.next_outgoing_id, self.outgoing_window
            )
        return len(out) >= OUTPUT_LIMIT and bool(self.outgoing) and self.remote_incoming_window > 0

    def _write_transfers(self, out: bytearray) -> None:
        """Send what is queued as far as window, credit and the output's limit allow. Most deliveries are complete
        and fit a frame: those are written here, the others one frame at a time by `_write_slowly`."""
        outgoing = self.outgoing
        popleft = outgoing.popleft
        unsettled = self.unsettled_out
        channel = self.channel
        largest = self._largest_payload()
        next_id = self.next_delivery_id
        window = self.remote_incoming_window
        sent = 0
        served: Any = None
        senders: list[Sender] = []
        while outgoing and window > 0 and len(out) < OUTPUT_LIMIT:
            delivery = popleft()
            link: Any = delivery.link
            payload = delivery.payload
            if link is not served:
                served = link
                if link not in senders:
                    senders.append(link)
            if (
                link.wire_credit <= 0
                or link.waiting
                or link.transfer_in_progress is not None
                or delivery.partial
                or delivery.aborted
                or delivery.chunks is not None
                or delivery.local_state is not EMPTY
                or len(payload) > largest
                or delivery.fate == LOST
            ):
                self.next_delivery_id = next_id
                self.next_outgoing_id = (self.next_outgoing_id + sent) & MASK
                self.remote_incoming_window = window
                sent = 0
                self._write_slowly(delivery, link, out, largest)
                next_id = self.next_delivery_id
                window = self.remote_incoming_window
                continue
            tag = delivery.tag_bytes
            key = len(tag) if delivery.fate == OPEN else -2 - len(tag)
            if key != link.writer_key:
                link.writer_key = key
                link.writer = transfer_writer(channel, link.handle_out, len(tag), delivery.fate != OPEN)
            pack, head, tag_field, tail, size = link.writer
            out += pack(size + len(payload), head, next_id, tag_field, tag, tail)
            out += payload
            delivery.payload = None
            delivery.id = next_id
            if delivery.fate == OPEN:
                unsettled[next_id] = delivery
            next_id = (next_id + 1) & MASK
            link.wire_credit -= 1
            link._queued -= 1
            link.delivery_count = (link.delivery_count + 1) & MASK
            window -= 1
            sent += 1
        self.next_delivery_id = next_id
        self.next_outgoing_id = (self.next_outgoing_id + sent) & MASK
        self.remote_incoming_window = window
        for sender in senders:
            # The application may go on: its messages have left. It is called as by a flow of the peer.
            if sender.wire_credit > sender._queued and sender.state & LOCAL_ACTIVE:
                self.session.connection.emit(Event.LINK_FLOW, sender)

    def _largest_payload(self) -> int:
        return min(self.transport.remote_max_frame_size - TRANSFER_OVERHEAD, LARGEST_PAYLOAD)

    def _write_slowly(self, delivery: Delivery, link: Sender, out: bytearray, largest: int) -> None:
        """One delivery that is not of the simple kind: it waits, or one frame of it is written."""
        if delivery.fate == LOST:
            return
        current = link.transfer_in_progress
        if current is not delivery and (current is not None or link.waiting or link.wire_credit <= 0):
            # No credit, or another delivery of the link is under way: frames of one link never mix [2.6.14].
            link.waiting.append(delivery)
            return
        data = delivery.payload
        if delivery.chunks is not None:
            data = b"".join([data, *delivery.chunks])
            delivery.chunks = None
        state = b"\x40"
        if delivery.local_state is not EMPTY:
            state = state_bytes(delivery.local_state, delivery._local)
        largest -= len(state)
        piece, rest = data, b""
        if len(data) > largest:
            view = memoryview(data)
            piece, rest = view[:largest], view[largest:]
        more = len(rest) > 0 or delivery.partial
        if not piece and more and not delivery.aborted:
            delivery.payload = b""
            if current is not delivery:  # nothing of it yet; its next byte queues it again
                delivery.queued = False
                link._queued -= 1
            return
        first = current is not delivery
        if first:
            delivery.id = self.next_delivery_id
            self.next_delivery_id = (delivery.id + 1) & MASK
            link.wire_credit -= 1
            link.delivery_count = (link.delivery_count + 1) & MASK
            if delivery.fate == OPEN:
                self.unsettled_out[delivery.id] = delivery
        write_transfer(
            out,
            self.channel,
            link.handle_out or 0,
            piece,
            delivery.id if first else None,
            delivery.tag_bytes,
            settled=delivery.fate != OPEN or delivery.aborted,
            more=more and not delivery.aborted,
            state=state,
            aborted=delivery.aborted,
        )
        self.next_outgoing_id = (self.next_outgoing_id + 1) & MASK
        self.remote_incoming_window -= 1
        delivery.payload = rest
        if more and not delivery.aborted:
            link.transfer_in_progress = delivery
            if len(rest):
                self.outgoing.append(delivery)  # the others have their turn first
            return
        link.transfer_in_progress = None
        link._queued -= 1
        delivery.payload = None
        delivery.queued = False
        if delivery.aborted and delivery.fate == OPEN:
            delivery.fate = LOST
            link.unsettled -= 1
            self.unsettled_out.pop(delivery.id or 0, None)
        if link.waiting and link.wire_credit > 0:
            self.release(link)

    def _write_dispositions(self, out: bytearray) -> None:
        """One frame for each run of consecutive deliveries that ended alike."""
        acks, self.acks = self.acks, []
        unsettled_in = self.unsettled_in
        run: Any = None  # what its deliveries have in common: direction, settled, state
        first = following = 0
        state = b""
        for delivery in acks:
            delivery.queued = False
            number: Any = delivery.id
            link: Any = delivery.link
            incoming = link.is_receiver
            settled = delivery.fate != OPEN
            if settled:
                if (unsettled_in if incoming else self.unsettled_out).pop(number, None) is None:
                    continue  # the peer settled first
                if incoming and link._max_unsettled is not None:
                    self.flows[link] = None
            kind = (incoming, settled, delivery.local_state)
            content = delivery._local
            if kind == run and number == following and content is None:
                following = (number + 1) & MASK
                continue
            if run is not None:
                write_disposition(out, self.channel, run[0], first, (following - 1) & MASK, run[1], state)
            run = kind
            first = number
            following = (number + 1) & MASK
            state = state_bytes(delivery.local_state, content)
            if content is not None:  # nobody else's state has the same content
                following = -1
                write_disposition(out, self.channel, incoming, first, first, settled, state)
                run = None
        if run is not None:
            write_disposition(out, self.channel, run[0], first, (following - 1) & MASK, run[1], state)

    def _write_flow(self, link: Link, out: bytearray) -> None:
        if isinstance(link, Receiver):
            link.grant()
            available = 0
        else:
            available = max(link.available, link.queued)
        self._renew()
        write_flow(
            out,
            self.channel,
            self.next_incoming_id,
            self.incoming_window,
            self.next_outgoing_id,
            self.outgoing_window,
            link.handle_out or 0,
            link.delivery_count,
            max(0, link.wire_credit),
            available,
            link.drain_mode,
            False,
        )

    def _renew(self) -> None:
        """Open the incoming window again, as far as the application has read."""
        self.flow_due = False
        room = self.incoming_limit - self.unread
        if room > self.incoming_window:
            self.incoming_window = room
        self.starved = self.incoming_window <= self.renew_at

    # -- the end ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """The wire is gone, or the session on it: deliveries are lost or in doubt, links have no handles."""
        links = list(dict.fromkeys([*self.handles_out.values(), *self.handles_in.values()]))
        for link in links:
            link.leave_wire()
        self.handles_out.clear()
        self.handles_in.clear()
        self.outgoing.clear()
        self.acks.clear()
        self.flows.clear()
        self.session.window = None
