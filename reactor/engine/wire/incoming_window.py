"""IncomingWindow: the transfers that a peer sends within a session: ids, window, and unsettled deliveries.

Deliveries and events come of them. The window is counted in frames, and stays shut while the application does not read.
This is the hot path of receiving. It writes nothing.
"""

from __future__ import annotations

from reactor.engine.blocks import blocks
from reactor.engine.endpoints.delivery import (
    LOST,
    PRE_SETTLED,
    SETTLED_BY_PEER,
    SETTLED_NOW,
    Delivery,
)
from reactor.engine.endpoints.disposition import read_state
from reactor.engine.endpoints.endpoint import REMOTE_UNINIT
from reactor.engine.endpoints.queues import NOTHING
from reactor.engine.events import Event
from reactor.engine.serial import MASK
from reactor.engine.wire.pieces import PIECE_COST, Pieces
from reactor.errors import (
    ERRANT_LINK,
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    TRANSFER_LIMIT_EXCEEDED,
    UNATTACHED_HANDLE,
    WINDOW_VIOLATION,
    RemoteProtocolError,
)
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional, Union

    from reactor.engine.endpoints.link import Link
    from reactor.engine.endpoints.receiver import Receiver
    from reactor.engine.endpoints.session import Session
    from reactor.engine.interface import ChannelInterface, WireInterface

_DELIVERY = Event.DELIVERY


class IncomingWindow:
    """The half of a channel's transfers that comes in.

    next_incoming_id, incoming_window: see [2.5.6].
    incoming_limit: frames of the window while all are read. renew_at: the size at which it is announced anew.
    counts_bytes: whether the window is as large as the bytes that are not read leave room for, as in the original, and
        a smaller capacity shrinks it at once. overrun: frames that may come beyond it: they were under way then.
    counts_every_frame: whether a frame that continues an unread message counts as unread, too; else such a message
        counts as one until it is complete.
    unread_frames: the number of frames that have come and that the application has not read.
    buffered: the cost of incomplete deliveries: their bytes, and PIECE_COST for each frame.
    unsettled: deliveries by delivery-id. Where there are most_unsettled no credit is given.
    window_waits_for_reads: whether the window, or a link's credit, is to be announced when the application has read.
    credit_waits_for_reads, credit_waits_for_settlement: receivers with credit that is not full because deliveries are
        not read, and because deliveries are not settled.
    """

    __slots__ = (
        "channel",
        "session",
        "wire",
        "events",
        "handles",
        "incoming_window",
        "_window_end",
        "incoming_limit",
        "overrun",
        "counts_bytes",
        "renew_at",
        "counts_every_frame",
        "unread_frames",
        "buffered",
        "unsettled",
        "most_unsettled",
        "window_waits_for_reads",
        "credit_waits_for_reads",
        "credit_waits_for_settlement",
        "_late",
    )

    def __init__(self, channel: ChannelInterface, session: Session, wire: WireInterface) -> None:
        self.channel = channel
        self.session = session
        self.wire = wire
        self.events = channel.events
        self.handles = channel.attachments.handles_in
        self.incoming_window = 0
        self._window_end = 0
        self.unread_frames = 0
        self.buffered = 0
        self.unsettled: dict[int, Delivery] = {}
        self.most_unsettled = wire.limits.max_unsettled
        self.window_waits_for_reads = False
        self.credit_waits_for_reads: dict[Receiver, None] = NOTHING
        self.credit_waits_for_settlement: dict[Receiver, None] = NOTHING
        self.overrun = 0
        self._late = 0  # transfers that came on a session that was ended here
        self.measure()

    # -- the window --------------------------------------------------------------------------------------

    @property
    def next_incoming_id(self) -> int:
        """The number of the transfer that comes next: of the window's end, less the window."""
        return (self._window_end - self.incoming_window) & MASK

    @next_incoming_id.setter
    def next_incoming_id(self, number: int) -> None:
        self._window_end = number + self.incoming_window

    def _set_window(self, frames: int) -> None:
        self._window_end += frames - self.incoming_window
        self.incoming_window = frames

    def measure(self) -> None:
        """Take the window's size from the session, before begin announces it."""
        self.resize()
        self._set_window(self.incoming_limit)

    def resize(self) -> None:
        """Take the window's size anew. The announced window stands: a smaller one is announced when that is used up, a
        larger one now."""
        self.incoming_limit = self.session.incoming_frames(self.wire)
        self.renew_at = self.incoming_limit // 2
        self.counts_bytes = self.session.incoming_capacity > 0 and self.session.connection.original_ways
        # Without a capacity of the application's a message in many frames counts as one: an application that waits for
        # all of it must not stop the rest of it from coming.
        self.counts_every_frame = self.session.incoming_capacity > 0
        if not self.channel.begin_sent or self.session.state & REMOTE_UNINIT:
            return  # the peer's begin has the number from which it counts [2.7.4]
        room = self._room()
        if room < self.incoming_window and self.counts_bytes:
            self.overrun += self.incoming_window - room
            self._set_window(room)
            self.renew_at = room // 2
            self.window_waits_for_reads = self.window_waits_for_reads or room <= self.renew_at
            self.channel.flows.announce_window()
        elif room > self.incoming_window:
            self.channel.flows.announce_window()

    def _room(self) -> int:
        """The frames that may come, so far as the application has read. In bytes what has come is counted by a look at
        each message, once for many frames."""
        frame = self.wire.max_frame_size
        if not self.counts_bytes or not frame:
            return self.incoming_limit - self.unread_frames
        unread = self.session.incoming_bytes
        return max(0, self.session.incoming_capacity - unread) // frame if unread else self.incoming_limit

    def _renew_in_bytes(self) -> None:
        if self.incoming_window < 0:  # frames that were under way when it became smaller
            self.overrun += self.incoming_window
            self._set_window(0)
        self._set_window(max(self.incoming_window, self._room()))
        # Messages may be smaller than frames: it is opened again on the way to nothing.
        self.renew_at = self.incoming_window // 2

    def await_reads(self, link: Receiver) -> None:
        """The credit of the receiver is filled when the application has read."""
        self.credit_waits_for_reads = self.credit_waits_for_reads or {}
        self.credit_waits_for_reads[link] = None
        self.window_waits_for_reads = True

    def await_settlement(self, link: Receiver) -> None:
        """The credit of the receiver is filled when deliveries were settled."""
        self.credit_waits_for_settlement = self.credit_waits_for_settlement or {}
        self.credit_waits_for_settlement[link] = None

    def make_room(self, link: Receiver) -> None:
        """The application has read, and the window or the link's credit has waited for that."""
        if self.incoming_window <= self.renew_at:
            self.channel.flows.announce_window()
        if link in self.credit_waits_for_reads and link.wire_credit + len(link.incoming) <= link.refill_at:
            del self.credit_waits_for_reads[link]
            self.channel.flows.announce(link)

    def renew(self) -> None:
        """Open the window again, as far as the application has read: it is about to be announced."""
        room = self.incoming_limit - self.unread_frames
        if self.counts_bytes:
            self._renew_in_bytes()
        elif room > self.incoming_window:
            self._set_window(room)
        self.window_waits_for_reads = self.incoming_window <= self.renew_at or bool(self.credit_waits_for_reads)

    # -- transfers ---------------------------------------------------------------------------------------

    def recv_transfer(
        self,
        payload: Union[bytes, memoryview],
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
        link: Any = self.handles.get(handle)
        if link is None:
            raise _session_error(UNATTACHED_HANDLE, "transfer on handle %d, which is not attached" % handle)
        incoming_window = self.incoming_window - 1
        if incoming_window <= self.renew_at:
            if incoming_window < 0 and incoming_window < -self.overrun:
                raise _session_error(WINDOW_VIOLATION, "transfer without room in the incoming window")
            if incoming_window == self.renew_at:
                self.channel.flows.announce_window()
        self.incoming_window = incoming_window
        if link.discarding:
            self._passed_over(link)
            return  # in flight while we detached [2.6.5]
        if link.is_sender:
            raise _link_error(NOT_ALLOWED, "transfer on %s to its sender", link)
        delivery = link.transfer_in_progress
        if delivery is None:
            if tag is None or delivery_id is None or delivery_id >> 32:
                if not settled or delivery_id is None or delivery_id >> 32:
                    raise _session_error(INVALID_FIELD, "the first transfer of a delivery lacks its id or its tag")
                tag = b""  # Azure leaves it out, and a settled delivery needs none
            if delivery_id in self.unsettled and link.wire_credit > -link.overdraft:
                raise _session_error(INVALID_FIELD, "delivery-id %d is in use by an unsettled delivery" % delivery_id)
            credit = link.wire_credit - 1
            if credit <= link.refill_at:
                if credit < 0 and credit < -link.overdraft:
                    raise _link_error(TRANSFER_LIMIT_EXCEEDED, "transfer on %s without credit", link)
                if credit == link.refill_at:
                    self.channel.flows.announce(link)
            link.wire_credit = credit
            link.counted += 1
            delivery = Delivery(link, self.channel, tag, delivery_id, payload)
            if resume:
                self._resume(link, delivery, settled, state, bool(more and not aborted))
                return
            self.unread_frames += 1
            link.incoming.append(delivery)
            if settled:
                delivery.settled = True
                delivery.fate = PRE_SETTLED
            else:
                self.unsettled[delivery_id] = delivery
                link.unsettled += 1
            if (
                more or aborted or state is not None or message_format
                or (link.max_message_size and len(payload) > link.max_message_size)
            ):  # fmt: skip
                self._recv_first(delivery, payload, message_format, more and not aborted)
                self._recv_more(link, delivery, payload, more, state, aborted)
            self.events.append((_DELIVERY, delivery))
            return
        if delivery_id is not None and delivery_id != delivery.id:
            raise _session_error(INVALID_FIELD, "delivery %d begins before %r is complete" % (delivery_id, delivery.id))
        if delivery.fate == LOST:
            self._pass_over(link, delivery, bool(more and not aborted))
            return
        if delivery.payload is not None:  # else it was dropped here, and the rest of it is passed over
            self.hold(delivery, payload, True)
        if settled and not delivery.fate:
            self._finish_by_peer(delivery, self.unsettled)
        self._recv_more(link, delivery, payload, more, state, aborted)
        if not delivery.noted and (not self.events or self.events[-1][1] is not delivery):
            delivery.noted = True
            self.events.append((_DELIVERY, delivery))

    def _recv_first(self, delivery: Delivery, payload: Any, message_format: Optional[int], more: Any) -> None:
        """The first transfer of a delivery that is not of the simple kind."""
        if message_format:
            delivery.message_format = message_format
        if more:
            if not self.counts_every_frame:  # it counts when it is complete: until then its rest must come
                self.unread_frames -= 1
                delivery.frames = 0
            self.hold(delivery, payload)

    def _resume(self, link: Receiver, transfer: Delivery, settled: Any, state: Any, more: bool) -> None:
        """A delivery is resumed: one that is known here has come as a whole, and another one is ignored [2.7.5]."""
        if link.ledger is not None:
            link.ledger.resume(transfer, settled, state)
        self._pass_over(link, transfer, more)

    @staticmethod
    def _pass_over(link: Receiver, delivery: Delivery, more: bool) -> None:
        """The transfers of this delivery are passed over."""
        delivery.fate = LOST
        delivery.payload = None
        delivery.partial = more
        link.transfer_in_progress = delivery if more else None

    def _passed_over(self, link: Any) -> None:
        """A transfer on a link that was detached here. More than can have been in flight are no accident [2.8.17]."""
        link.passed_over += 1
        if link.passed_over > 2 * self.incoming_limit + self.overrun:
            text = "%d transfers on %s, which was detached" % (link.passed_over, link.label())
            raise RemoteProtocolError(ERRANT_LINK, text, "session")

    def recv_late(self) -> None:
        """A transfer on a session that was ended here: as many may be in flight as the window allows, and that may
        just have been renewed."""
        self._late += 1
        if self._late > 2 * self.incoming_limit + self.overrun:
            raise RemoteProtocolError(WINDOW_VIOLATION, "transfers without end on a session that was ended")

    def _recv_more(
        self, link: Receiver, delivery: Delivery, payload: Union[bytes, memoryview], more: Any, state: Any, aborted: Any
    ) -> None:
        """The rest of a transfer that is not of the simple kind: it has parts before or behind it, a state, or a limit
        of size."""
        link.received += len(payload)
        if state is not None:
            delivery.remote_state, delivery.remote_content = read_state(state)
        if aborted:
            # Its bytes are dropped, and it counts as settled [2.7.5].
            delivery.aborted = True
            if delivery.payload is not None:
                if self.session.connection.original_ways:
                    self._empty(delivery)
                else:
                    delivery.take(False)
            self._finish_by_peer(delivery, self.unsettled)
            more = False
        if 0 < link.max_message_size < link.received:
            size, link.received = link.received, 0
            raise RemoteProtocolError(
                MESSAGE_SIZE_EXCEEDED,
                "%d bytes or more on %s, which takes %d" % (size, link.label(), link.max_message_size),
                "link",
                endpoint=link,
            )
        delivery.partial = bool(more)
        link.transfer_in_progress = delivery if more else None
        if not more:
            link.received = 0
            if delivery.chunks is not None:
                self._completed(delivery, delivery.chunks)

    def _empty(self, delivery: Delivery) -> None:
        """Drop the bytes of a delivery that was aborted, and leave it in its place."""
        if delivery.chunks is not None:
            self.let_go(delivery.chunks)
            delivery.chunks = None
        delivery.payload = b""

    def _completed(self, delivery: Delivery, pieces: Any) -> None:
        """The rest of it has come: from now on the window counts its unread frames."""
        blocks.expect(pieces.cost)
        self.let_go(pieces)
        pieces.finish()
        if not self.counts_every_frame:
            frames = 1 + pieces.frames
            self.unread_frames += frames - delivery.frames
            delivery.frames = frames

    def _finish_by_peer(self, delivery: Delivery, unsettled: dict[int, Delivery]) -> None:
        delivery.settled = True
        delivery.changes |= SETTLED_NOW
        if not delivery.fate:
            delivery.fate = SETTLED_BY_PEER
            delivery.link.unsettled -= 1
            if delivery.id is not None:
                unsettled.pop(delivery.id, None)

    # -- incomplete deliveries ---------------------------------------------------------------------------

    def hold(self, delivery: Delivery, payload: Union[bytes, memoryview], continues: bool = False) -> None:
        """A piece has come of a delivery that takes several frames; `continues` when it is not the first one.
        RemoteProtocolError for the link, the session or the connection when that is more than its limit."""
        if continues and self.counts_every_frame:
            self.unread_frames += 1
            delivery.frames += 1
        if delivery.chunks is None:
            delivery.chunks = Pieces()
        cost = len(payload) + PIECE_COST
        wire = self.wire
        limits = wire.limits
        delivery.chunks.cost += cost
        self.buffered += cost
        wire.buffered += cost
        link = delivery.link
        if 0 < limits.max_buffered_delivery_bytes < delivery.chunks.cost:
            self.let_go(delivery.chunks)
            delivery.take(False)
            text = "a message of more than %d bytes on %s" % (limits.max_buffered_delivery_bytes, link.label())
            raise RemoteProtocolError(MESSAGE_SIZE_EXCEEDED, text, "link", endpoint=link)
        if 0 < limits.max_buffered_session_bytes < self.buffered:
            text = "more than %d bytes of messages that are not complete" % limits.max_buffered_session_bytes
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text, "session")
        if 0 < limits.max_buffered_connection_bytes < wire.buffered:
            text = "more than %d bytes of messages that are not complete" % limits.max_buffered_connection_bytes
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text)
        if continues:
            delivery.chunks.add(payload)
            delivery.payload = delivery.chunks.gather(delivery.payload)

    def let_go(self, pieces: Pieces) -> None:
        """The pieces of a delivery are complete, read or dropped. Harmless when repeated."""
        self.buffered -= pieces.cost
        self.wire.buffered -= pieces.cost
        pieces.cost = 0

    def let_all_go(self) -> None:
        """The channel is gone: incomplete deliveries stay so."""
        self.wire.buffered -= self.buffered
        self.buffered = 0


def _session_error(condition: str, text: str) -> RemoteProtocolError:
    return RemoteProtocolError(condition, text, "session")


def _link_error(condition: str, text: str, link: Link) -> RemoteProtocolError:
    return RemoteProtocolError(condition, text % link.label(), "link", endpoint=link)
