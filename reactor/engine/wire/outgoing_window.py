"""Outgoing: what a session sends, written once per turn.

Transfers leave in the order of the calls, as far as the peer's window and credit go; outcomes as one disposition
per run of equal ones; flow once per link. This is the hot path of sending. It decides nothing of what is sent.
"""

from __future__ import annotations

from typing import Any

from reactor.codec.frames import (
    transfer_writer,
    write_disposition,
    write_flow,
    write_session_flow,
    write_transfer,
)
from reactor.engine.endpoints.delivery import LOST, OPEN, Delivery
from reactor.engine.endpoints.disposition import EMPTY, TERMINAL, state_bytes
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.receiver import PAUSED, Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.events import Event
from reactor.engine.wire.channel import MASK, Ledger

#: While so many bytes wait to be sent no more transfers are written: they stay where they can be given up.
OUTPUT_LIMIT = 256 * 1024

_LINK_FLOW = Event.LINK_FLOW


class Outgoing(Ledger):
    """The half of a window that writes."""

    __slots__ = ()

    def flush(self, out: bytearray) -> bool:
        """Write all that the turn collected; returns whether something must wait until `out` was sent."""
        self.dirty = False
        if self.shares:
            self.shares.clear()
        frames = -self.next_outgoing_id
        if self.outgoing:
            self._write_transfers(out)
        frames = (frames + self.next_outgoing_id) & MASK
        if self.acks:
            frames += self._write_dispositions(out)
            if self.choked:
                self.unchoke()
        if self.held_back and len(self.unsettled_in) < self.most_unsettled:
            self.flows.update(dict.fromkeys(self.held_back))
            self.held_back.clear()
        if self.flows:
            flows, self.flows = self.flows, {}
            for link in flows:
                if link.handle_out is None:
                    if link.window is self and link.is_sender:
                        self.flows[link] = None  # when our attach has left
                elif not link.detach_sent and link.handle_in is not None:
                    self._write_flow(link, out)
                    frames += 1
        if self.flow_due:
            self.renew()
            frames += 1
            write_session_flow(
                out,
                self.channel,
                self.next_incoming_id,
                self.incoming_window,
                self.next_outgoing_id,
                self.outgoing_window,
            )
        self.transport.frames_output += frames
        if not self.outgoing or self.remote_incoming_window <= 0:
            return False
        return len(out) >= OUTPUT_LIMIT or (self.choked and len(self.unsettled_out) < self.most_unsettled)

    def _write_transfers(self, out: bytearray) -> None:
        """Send what is queued as far as window, credit and the output's limit allow.

        Most deliveries are complete and fit a frame: those are written here, without a call for each. The
        others are written one frame at a time by `_write_slowly`."""
        outgoing = self.outgoing
        popleft = outgoing.popleft
        unsettled = self.unsettled_out
        channel = self.channel
        largest = self.largest_payload()
        next_id = self.next_delivery_id
        # The peer's window, and what may be unsettled, `shut` being the part of the former that the latter shuts.
        room = self.most_unsettled - len(unsettled)
        shut = max(0, self.remote_incoming_window - room)
        window = self.remote_incoming_window - shut
        sent = 0
        served: Any = None
        resend = False
        senders: list[Sender] = []
        while outgoing and window > 0 and len(out) < OUTPUT_LIMIT:
            delivery = popleft()
            link: Any = delivery.link
            payload = delivery.payload
            if link is not served:
                served = link
                resend = link.resend
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
                self.remote_incoming_window = window + shut
                sent = 0
                self._write_slowly(delivery, link, out, largest)
                next_id = self.next_delivery_id
                window = self.remote_incoming_window - shut
                continue
            tag = delivery.tag_bytes
            key = len(tag) if delivery.fate == OPEN else -2 - len(tag)
            if key != link.writer_key:
                if link.handle_out is None:
                    link.waiting.append(delivery)  # for our attach: credit can come before it has left
                    continue
                link.writer_key = key
                link.writer = transfer_writer(channel, link.handle_out, len(tag), delivery.fate != OPEN)
            pack, head, tag_field, tail, size = link.writer
            out += pack(size + len(payload), head, next_id, tag_field, tag, tail)
            out += payload
            if not resend:
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
        self.remote_incoming_window = window + shut
        if shut and window <= 0:
            self.choked = True
        for sender in senders:
            if sender._drain_mode and sender.wire_credit <= 0 and sender.transfer_in_progress is None:
                self.flows[sender] = None  # the drain's answer: all credit is used up [2.6.7]
            # The application may go on: its messages have left. It is called as by a flow of the peer.
            if sender.wire_credit > sender._queued and sender.state & LOCAL_ACTIVE:
                self.events.append((_LINK_FLOW, sender))

    def _write_slowly(self, delivery: Delivery, link: Sender, out: bytearray, largest: int) -> None:
        """One delivery that is not of the simple kind: it waits, or one frame of it is written."""
        if delivery.fate == LOST:
            return
        current = link.transfer_in_progress
        unready = link.handle_out is None or link.wire_credit <= 0
        if current is not delivery and (current is not None or link.waiting or unready):
            # Our attach has not left, there is no credit, or another delivery is under way: frames of one link never
            # mix [2.6.14].
            link.waiting.append(delivery)
            return
        data: Any = delivery.payload
        if delivery.chunks is not None:
            data = b"".join([data, *delivery.chunks])
            delivery.chunks = None
            if current is delivery:
                delivery.frames = 0  # what of it has left is not here any more
        state = b"\x40"
        if delivery.local_state is not EMPTY:
            state = state_bytes(delivery.local_state, delivery._local)
        largest -= len(state)
        piece: Any = data
        rest: Any = b""
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
        if link.resend:
            delivery.payload = data.obj if isinstance(data, memoryview) else data
        delivery.queued = False
        if delivery.aborted and delivery.fate == OPEN:
            delivery.fate = LOST
            link.unsettled -= 1
        if delivery.fate != OPEN:  # settled on the way: its frames have said so
            self.unsettled_out.pop(delivery.id or 0, None)
        if link.waiting and link.wire_credit > 0:
            self.release(link)

    def _write_dispositions(self, out: bytearray) -> int:
        """One frame for each run of consecutive deliveries that ended alike; returns how many that were."""
        acks, self.acks = self.acks, []
        unsettled_in = self.unsettled_in
        run: Any = None  # what its deliveries have in common: direction, settled, state
        first = following = 0
        state = b""
        frames = 0
        for delivery in acks:
            delivery.queued = False
            number: Any = delivery.id
            link: Any = delivery.link
            incoming = link.is_receiver
            settled = delivery.fate != OPEN
            if settled:
                unsettled = unsettled_in if incoming else self.unsettled_out
                if number not in unsettled:
                    continue  # the peer settled first
                if incoming and link.rcv_settle_mode and delivery.local_state in TERMINAL and link.settles_second():
                    settled = False  # it is said, and kept until the sender has settled
                else:
                    del unsettled[number]
                if incoming and link._max_unsettled is not None:
                    self.flows[link] = None
            kind = (incoming, settled, delivery.local_state or link)
            content = delivery._local
            if kind == run and number == following and content is None:
                following = (number + 1) & MASK
                continue
            if run is not None:
                write_disposition(out, self.channel, run[0], first, (following - 1) & MASK, run[1], state)
                frames += 1
            run = kind
            first = number
            following = (number + 1) & MASK
            state = state_bytes(delivery.local_state, content)
            if incoming and settled and not delivery.local_state:
                state = link.default_state()
            if content is not None:  # nobody else's state has the same content
                following = -1
                write_disposition(out, self.channel, incoming, first, first, settled, state)
                frames += 1
                run = None
        if run is not None:
            write_disposition(out, self.channel, run[0], first, (following - 1) & MASK, run[1], state)
            frames += 1
        return frames

    def _write_flow(self, link: Link, out: bytearray) -> None:
        credit = link.wire_credit
        echo = False
        if isinstance(link, Receiver):
            link.grant()
            available = link.available  # the last that we know [2.6.7]
            credit = link.wire_credit
            link.overdraft, link.told = max(link.overdraft, link.told), credit
            if link.paused:  # it is counted on: what is on its way to us was sent with it
                credit = 0
                echo = link.paused == PAUSED
        elif isinstance(link, Sender):
            link.count_given_back()
            available = max(link.available, link.queued)
        self.renew()
        write_flow(
            out,
            self.channel,
            self.next_incoming_id,
            self.incoming_window,
            self.next_outgoing_id,
            self.outgoing_window,
            link.handle_out or 0,
            link.delivery_count,
            max(0, credit),
            available,
            link._drain_mode,
            echo,
        )
