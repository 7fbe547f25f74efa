"""Incoming: what a peer sends within a session: transfers, outcomes, flow.

The transport calls the method of each performative with its fields; deliveries and events come of it. This is
the hot path of receiving. It writes nothing.
"""

from __future__ import annotations

from typing import Any, Optional, Union

from reactor.engine.endpoints.delivery import (
    LOST,
    PRE_SETTLED,
    SETTLED_BY_PEER,
    SETTLED_NOW,
    STATE_CHANGED,
    Delivery,
)
from reactor.engine.endpoints.disposition import EMPTY, TERMINAL, read_state
from reactor.engine.endpoints.receiver import CONFIRMED, Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.events import Event
from reactor.engine.wire.channel import FEW, MASK, Ledger, serial_difference
from reactor.errors import (
    ERRANT_LINK,
    INVALID_FIELD,
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    TRANSFER_LIMIT_EXCEEDED,
    UNATTACHED_HANDLE,
    WINDOW_VIOLATION,
    RemoteProtocolError,
)

_DELIVERY = Event.DELIVERY
_LINK_FLOW = Event.LINK_FLOW


class Incoming(Ledger):
    """The half of a window that listens."""

    __slots__ = ()

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
            self._passed_over(link)
            return  # in flight while we detached; the peer learns from the detach [2.6.5]
        if link.is_sender:
            raise RemoteProtocolError(NOT_ALLOWED, "transfer on %s to its sender" % link.label(), "link", endpoint=link)
        delivery = link.transfer_in_progress
        if delivery is None:
            if delivery_id is None or tag is None or not 0 <= delivery_id <= MASK:
                if not settled or delivery_id is None or not 0 <= delivery_id <= MASK:
                    raise RemoteProtocolError(
                        INVALID_FIELD, "the first transfer of a delivery lacks its id or its tag", "session"
                    )
                tag = b""  # Azure leaves it out, and nobody will ever ask for it
            credit = link.wire_credit - 1
            if credit < 0 and credit < -link.overdraft:
                raise RemoteProtocolError(
                    TRANSFER_LIMIT_EXCEEDED, "transfer on %s without credit" % link.label(), "link", endpoint=link
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
            if resume:
                self._pass_over(link, delivery, bool(more and not aborted))
                return
            self.unread_frames += 1
            link.incoming.append(delivery)
            if settled:
                delivery.settled = True
                delivery.fate = PRE_SETTLED
            else:
                self.unsettled_in[delivery_id] = delivery
                link.unsettled += 1
            if more and not aborted:
                if not self.counts_every_frame:  # it counts when it is complete: its rest must not be held back
                    self.unread_frames -= 1
                    delivery.frames = 0
                self.hold(delivery, len(payload))
            if more or aborted or state is not None or link.max_message_size:
                self._recv_more(link, delivery, payload, more, state, aborted)
            self.events.append((_DELIVERY, delivery))
            return
        if delivery_id is not None and delivery_id != delivery.id:
            raise RemoteProtocolError(
                INVALID_FIELD, "delivery %d begins before %d is complete" % (delivery_id, delivery.id or 0), "session"
            )
        if delivery.fate == LOST:
            self._pass_over(link, delivery, bool(more and not aborted))
            return
        if delivery.payload is not None:  # else nobody will read it: what is still to come of it is passed over
            if self.counts_every_frame:
                self.unread_frames += 1
                delivery.frames += 1
            self.hold(delivery, len(payload))
            delivery.chunks.append(payload)
        if settled and not delivery.fate:
            self._finish_by_peer(delivery, self.unsettled_in)
        self._recv_more(link, delivery, payload, more, state, aborted)
        if not delivery.noted:
            events = self.events
            if not events or events[-1][1] is not delivery:
                delivery.noted = True
                events.append((_DELIVERY, delivery))

    @staticmethod
    def _pass_over(link: Receiver, delivery: Delivery, more: bool) -> None:
        """A delivery is resumed, and we know of none that was begun: what comes of it is ignored [2.7.5]."""
        delivery.fate = LOST
        delivery.payload = None
        delivery.partial = more
        link.transfer_in_progress = delivery if more else None

    def _passed_over(self, link: Any) -> None:
        """A transfer on a link that was detached here. More than can have been in flight are no accident [2.8.17]."""
        link.passed_over += 1
        if link.passed_over > 2 * self.incoming_limit:
            text = "%d transfers on %s, which was detached" % (link.passed_over, link.label())
            raise RemoteProtocolError(ERRANT_LINK, text, "session")

    def recv_late(self) -> None:
        """A transfer on a session that was ended here: as many may be in flight as the window allows, and that may
        just have been renewed."""
        self.late += 1
        if self.late > 2 * self.incoming_limit:
            raise RemoteProtocolError(WINDOW_VIOLATION, "transfers without end on a session that was ended")

    def _recv_more(
        self, link: Receiver, delivery: Delivery, payload: Union[bytes, memoryview], more: Any, state: Any, aborted: Any
    ) -> None:
        """What most transfers do not have: parts to come, parts before, a state, a limit of size."""
        link.received += len(payload)
        if state is not None:
            delivery.remote_state, delivery._remote = read_state(state)
        if aborted:
            # What came of it is dropped, and it counts as settled [2.7.5].
            delivery.aborted = True
            if delivery.payload is not None:
                delivery.take()
            self._finish_by_peer(delivery, self.unsettled_in)
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

    def _completed(self, delivery: Delivery, pieces: Any) -> None:
        """Nobody has to wait for the rest of it any more: what was not read is held back by the window."""
        self.let_go(pieces)
        if not self.counts_every_frame:
            frames = 1 + len(pieces)
            self.unread_frames += frames - delivery.frames
            delivery.frames = frames

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
        before, looked_at = len(unsettled), 1
        if last is None or last == first:
            ids: Any = (first,)
        else:
            span = serial_difference(last, first) + 1
            if span < 1:
                raise RemoteProtocolError(
                    INVALID_FIELD, "a disposition of deliveries %d to %d, which is backwards" % (first, last), "session"
                )
            looked_at = min(span, before)
            if span <= before:
                ids = [(first + offset) & MASK for offset in range(span)]
            else:
                # A range may promise four billion; only what is there is looked at.
                ids = [number for number in unsettled if (number - first) & MASK < span]
        events = self.events
        for number in ids:
            delivery = unsettled.get(number)
            if delivery is None:
                continue  # settled here before the peer's word came: nobody waits for it
            known = delivery.remote_state
            if state is None or (known is not EMPTY and ((outcome == known and content is None) or known in TERMINAL)):
                # What is said again, to settle, is no news: nobody is told of it twice. An outcome stands [3.4].
                if not settled:
                    continue
                delivery.changes |= SETTLED_NOW
            else:
                delivery.remote_state = outcome
                delivery._remote = content
                delivery.changes |= change
            if settled:
                delivery.settled = True
                del unsettled[number]
                if not delivery.fate:
                    delivery.fate = SETTLED_BY_PEER
                    link: Any = delivery.link
                    link.unsettled -= 1
                    if link.is_receiver and link.max_unsettled is not None:
                        self.tell_flow(link)
            if not delivery.noted:
                delivery.noted = True
                events.append((_DELIVERY, delivery))
        if looked_at > FEW:
            self.spoken_of(looked_at, before - len(unsettled))
        if settled:
            if self.choked:
                self.unchoke()
            if self.held_back:
                self.touch()

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
        self.next_incoming_id = next_outgoing_id
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
        if link.doubtful:
            link.confirm()
        if isinstance(link, Sender):
            self._recv_credit(link, delivery_count, link_credit, bool(drain))
        elif isinstance(link, Receiver):
            if delivery_count is not None:
                used = serial_difference(delivery_count, link.delivery_count)
                if used > 0:  # credit was given back, by a drain
                    used = min(used, max(0, link.wire_credit))
                    link.wire_credit -= used
                    link._drained += used
                    link.delivery_count = delivery_count & MASK
            if link.paused and link_credit == 0:
                link.paused = CONFIRMED
            if available is not None:
                link.available = available
            if link._drain_mode and link.wire_credit <= 0 and link.prefetch:
                link._drain_mode = False
                self.tell_flow(link)
        if echo:
            self.tell_flow(link)
        self.events.append((_LINK_FLOW, link))

    def _recv_credit(self, link: Sender, count: Optional[int], credit: Optional[int], drain: bool) -> None:
        link._drain_mode = drain
        if credit is None:
            return
        if link.handle_out is None:
            count = None  # our attach, which says where we count from, has not left
        # The receiver counts from where it has seen us; what is on its way to it has used up credit already.
        # Without a count it has seen nothing yet [2.6.7].
        if count is None:
            count = link.delivery_count if link.handle_out is None else link.first_delivery_count
        used = serial_difference(link.delivery_count, count) + link._given_back
        link.wire_credit = min(max(0, credit - used), MASK)
        if drain and link.wire_credit == 0:
            self.tell_flow(link)  # messages have used it up: that is the answer
        if link.waiting and link.wire_credit > 0 and link.transfer_in_progress is None:
            self.release(link)
