"""OutgoingWindow: the transfers that a session sends, written once per turn: ids, window, queue and unsettled
deliveries.

They leave in the order of the calls, within the peer's window, the credit of their links, and the bound on unsettled
deliveries. This is the hot path of sending.
"""

from __future__ import annotations

from collections import deque

from reactor.codec.frames import transfer_writer, write_transfer
from reactor.codec.long_payload import LongPayload
from reactor.engine.blocks import blocks
from reactor.engine.endpoints.delivery import LOST, OPEN, Delivery
from reactor.engine.endpoints.disposition import EMPTY, TRANSACTIONAL_STATE, FirstOfTransaction, state_bytes
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE
from reactor.engine.endpoints.queues import NONE_OUTGOING
from reactor.engine.endpoints.sender import NONE_RELEASED, Sender
from reactor.engine.events import Event
from reactor.engine.handler import changes
from reactor.engine.serial import MASK
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.engine.endpoints.link import Link
    from reactor.engine.endpoints.session import Session
    from reactor.engine.interface import ChannelInterface, WireInterface

#: While so many bytes wait to be sent no more transfers are written: they stay where they can be given up.
OUTPUT_LIMIT = 256 * 1024

_LINK_FLOW = Event.LINK_FLOW


class OutgoingWindow:
    """The half of a channel's transfers that goes out.

    next_outgoing_id, remote_incoming_window, outgoing_window: see [2.5.6]. The last one bounds nothing here.
    next_delivery_id: that of the delivery that leaves next.
    queue: deliveries to be sent, in the order of the calls.
    unsettled: deliveries that have left, by delivery-id. Where there are most_unsettled nothing is sent.
    send_blocked: whether a delivery waits because there are so many.
    shares: the queue by link, while all links go one after the other.
    """

    __slots__ = (
        "channel",
        "wire",
        "events",
        "next_outgoing_id",
        "next_delivery_id",
        "remote_incoming_window",
        "outgoing_window",
        "queue",
        "unsettled",
        "most_unsettled",
        "send_blocked",
        "shares",
    )

    def __init__(self, channel: ChannelInterface, session: Session, wire: WireInterface) -> None:
        self.channel = channel
        self.wire = wire
        self.events = channel.events
        # The first ids are the session's to choose, so that a test can start before the wrap.
        self.next_outgoing_id = session.first_outgoing_id
        self.next_delivery_id = session.first_outgoing_id
        self.remote_incoming_window = 0
        self.outgoing_window = session.outgoing_window
        self.queue: deque[Delivery] = NONE_OUTGOING
        self.unsettled: dict[int, Delivery] = {}
        self.most_unsettled = wire.limits.max_unsettled
        self.send_blocked = False
        self.shares: Optional[dict[Link, list[Delivery]]] = None

    def unblock(self) -> None:
        """Deliveries were settled, and others may be sent."""
        if len(self.unsettled) >= self.most_unsettled:
            return
        self.send_blocked = False
        if self.queue:
            self.channel.touch()
        for link in self.channel.attachments.handles_out.values():
            if isinstance(link, Sender) and link.wire_credit > link.unsent:
                self.events.append((Event.LINK_FLOW, link))

    def release(self, link: Sender) -> None:
        """Put deliveries that waited at the link into the queue, before those that are there: as many as have credit,
        and none behind one that takes several frames. The others would only come back."""
        if link.handle_out is None or link.transfer_in_progress is not None:
            return  # it is called again when our attach, or that delivery, has left
        if any(one.id is None and one.fate != LOST for one in link.released):
            return  # they leave first
        link.released = NONE_RELEASED
        waiting = link.waiting
        batch: list[Delivery] = []
        while waiting and len(batch) < link.wire_credit:
            delivery = waiting[0]
            if delivery.fate != LOST and delivery.awaits_transaction:
                break
            waiting.popleft()
            if delivery.fate == LOST:
                continue  # it was given up while it waited
            batch.append(delivery)
            if delivery.partial or delivery.chunks is not None or len(delivery.payload) > self.wire.largest_payload:
                break
        if not batch:
            return
        link.released = frozenset(batch if waiting else ())
        self.queue.extendleft(reversed(batch))
        self.channel.touch()

    def _put_off(self, delivery: Delivery, link: Sender) -> None:
        """A delivery out of the queue cannot leave now: it waits behind the others, or before them if it was released
        and the peer has taken credit back."""
        if delivery not in link.released:
            link.waiting.append(delivery)
            return
        others = self._take_back(link, [delivery, *self.queue])
        self.queue.clear()
        self.queue.extend(others)

    @staticmethod
    def _take_back(link: Sender, queued: list[Delivery]) -> list[Delivery]:
        """What was released of `queued` and has not left waits again, before the others. Returns the rest."""
        released, link.released = link.released, NONE_RELEASED
        back = [delivery for delivery in queued if delivery in released and delivery.id is None]
        link.waiting.extendleft(reversed(back))
        return [delivery for delivery in queued if delivery not in released or delivery.id is not None]

    # -- links that go -----------------------------------------------------------------------------------

    def share_out(self) -> None:
        """All links go, one after the other: share the queue out among them, in one look for all. The caller sets
        `shares` to None when they are gone."""
        self.shares = {}
        for delivery in self.queue:
            self.shares.setdefault(delivery.link, []).append(delivery)
        self.queue.clear()

    def take_queued(self, link: Link) -> list[Delivery]:
        """Take the deliveries of a link that goes out of the queue: those that were released wait at the link again."""
        if self.shares is not None:
            queued = self.shares.pop(link, [])
        else:
            queued = [delivery for delivery in self.queue if delivery.link is link]
            if queued:
                self.queue = deque(delivery for delivery in self.queue if delivery.link is not link)
        return self._take_back(link, queued) if isinstance(link, Sender) and link.released else queued

    # -- transfers ---------------------------------------------------------------------------------------

    def write_transfers(self, out: bytearray) -> None:
        """Send what is queued as far as window, credit and the output's limit allow.

        Most deliveries are complete and fit a frame: they take no call each. Others leave by `_write_slowly`."""
        queue = self.queue
        popleft = queue.popleft
        unsettled = self.unsettled
        channel = self.channel.number
        largest = self.wire.largest_payload
        next_id = self.next_delivery_id
        # The peer's window, and what may be unsettled, `shut` being the part of the former that the latter shuts.
        window, room = self.remote_incoming_window, self.most_unsettled - len(unsettled)
        shut = window - room if window > room else 0
        window -= shut
        before = window
        served: Any = None
        resend = False
        senders: dict[Sender, None] = {}
        while queue and window > 0 and len(out) < OUTPUT_LIMIT:
            delivery = popleft()
            link: Any = delivery.link
            payload = delivery.payload
            fate = delivery.fate
            if link is not served:
                served = link
                resend = link.resend
                senders[link] = None
            if (
                link.wire_credit <= 0
                or (link.waiting and delivery not in link.released)
                or link.transfer_in_progress is not None
                or delivery.partial
                or delivery.chunks is not None
                or delivery.local_state is not EMPTY
                or (length := len(payload)) > largest
                or fate == LOST
            ):
                self.next_delivery_id = next_id
                self.next_outgoing_id = (self.next_outgoing_id + before - window) & MASK
                self.remote_incoming_window = window + shut
                self._write_slowly(delivery, link, out, largest)
                next_id = self.next_delivery_id
                before = window = self.remote_incoming_window - shut
                continue
            tag = delivery.tag_bytes
            key = len(tag) if fate == OPEN else -2 - len(tag)
            if key != link.writer_key:
                if link.handle_out is None:
                    link.waiting.append(delivery)  # for our attach: credit can come before it has left
                    continue
                link.writer_key = key
                link.writer = transfer_writer(channel, link.handle_out, len(tag), fate != OPEN)
            pack, head, tag_field, tail, size = link.writer
            out += pack(size + length, head, next_id, tag_field, tag, tail)
            out += payload
            if not resend:
                delivery.payload = None
            delivery.id = next_id
            if fate == OPEN:
                unsettled[next_id] = delivery
            next_id = (next_id + 1) & MASK
            link.wire_credit -= 1
            link.unsent -= 1
            link.delivery_count = (link.delivery_count + 1) & MASK
            window -= 1
        self.next_delivery_id = next_id
        self.next_outgoing_id = (self.next_outgoing_id + before - window) & MASK
        self.remote_incoming_window = window + shut
        if shut and window <= 0:
            self.send_blocked = True
        for sender in senders:
            if sender.drain_asked and sender.wire_credit <= 0 and sender.transfer_in_progress is None:
                self.channel.flows.links[sender] = None  # the drain's answer: all credit is used up [2.6.7]
            # The application may go on: its messages have left. It is called as by a flow, if any method listens.
            if sender.waiting:
                self.release(sender)  # what was released has left, or will not
            if sender.wire_credit > sender.unsent and sender.unheard != changes[0] and sender.state & LOCAL_ACTIVE:
                self.events.append((_LINK_FLOW, sender))

    def _write_slowly(self, delivery: Delivery, link: Sender, out: bytearray, largest: int) -> None:
        """One delivery that is not of the simple kind: it waits, or one frame of it is written."""
        if delivery.fate == LOST:
            return
        current = link.transfer_in_progress
        unready = link.handle_out is None or link.wire_credit <= 0 or delivery.awaits_transaction
        behind = link.waiting and delivery not in link.released
        if current is not delivery and (current is not None or behind or unready):
            # No attach, credit or transaction yet, or another delivery is under way: frames never mix [2.6.14].
            self._put_off(delivery, link)
            return
        data: Any = delivery.payload
        if delivery.chunks is not None:
            data = b"".join([piece for piece in (data, *delivery.chunks) if piece]) if delivery.chunks else data
            delivery.chunks = None
            if current is delivery:
                delivery.frames = 0  # what of it has left is not here any more
        state = b"\x40"
        if delivery.local_state is not EMPTY:
            state = state_bytes(delivery.local_state, delivery.local_content)
        largest -= len(state) + (4 if delivery.message_format else 0)
        piece, rest = _cut(data, largest)
        more = len(rest) > 0 or delivery.partial
        if not piece and more and not delivery.aborted:
            delivery.payload = b""
            if current is not delivery:  # nothing of it yet; its next byte queues it again, and none waits for that
                delivery.queued = False
                link.unsent -= 1
                link.released -= {delivery}
            return
        first = current is not delivery
        if first:
            delivery.id = self.next_delivery_id
            self.next_delivery_id = (delivery.id + 1) & MASK
            link.wire_credit -= 1
            link.unsent -= 1
            link.delivery_count = (link.delivery_count + 1) & MASK
            if delivery.fate == OPEN:
                self.unsettled[delivery.id] = delivery
        write_transfer(
            out,
            self.channel.number,
            link.handle_out or 0,
            piece,
            delivery.id if first or delivery.aborted else None,
            delivery.tag_bytes,
            settled=delivery.fate != OPEN or delivery.aborted,
            more=more and not delivery.aborted,
            state=state,
            aborted=delivery.aborted,
            resume=link.ledger is not None and link.ledger.resumes(delivery),
            message_format=delivery.message_format,
        )
        self.next_outgoing_id = (self.next_outgoing_id + 1) & MASK
        self.remote_incoming_window -= 1
        delivery.payload = rest
        if more and not delivery.aborted:
            link.transfer_in_progress = delivery
            if len(rest):
                self.queue.append(delivery)  # the others have their turn first
            return
        link.transfer_in_progress = None
        delivery.payload = None
        if link.resend or isinstance(delivery.local_content, FirstOfTransaction):
            delivery.payload = data.obj if isinstance(data, (memoryview, LongPayload)) else data
        delivery.queued = False
        if delivery.aborted and delivery.fate == OPEN:
            delivery.fate = LOST
            link.unsettled -= 1
        if delivery.fate != OPEN:  # settled on the way: its frames have said so
            self.unsettled.pop(delivery.id or 0, None)
        if delivery.local_state is TRANSACTIONAL_STATE:
            self.events.append((Event.DELIVERY_LEFT, delivery))  # the discharge of its transaction may wait for it
        if link.waiting:
            self.release(link)


def _cut(data: Any, largest: int) -> tuple[Any, Any]:
    """The bytes of the next frame, and the rest."""
    if len(data) <= largest:
        return (bytes(data) if type(data) is LongPayload else data), b""
    blocks.expect(len(data))
    if type(data) is LongPayload:
        return data.cut(largest)
    view = memoryview(data)
    return view[:largest], view[largest:]
