"""Outcomes: the disposition performative, both ways [2.7.6]: how deliveries end, and that they are settled.

A disposition of the peer becomes an event per delivery. Those of this side are written once per turn, as one frame per
run of consecutive deliveries that end alike.
"""

from __future__ import annotations

from reactor.codec.decode import ACCEPTED_STATE
from reactor.codec.frames import write_disposition
from reactor.engine.endpoints.delivery import OPEN, SETTLED_BY_PEER, SETTLED_NOW, STATE_CHANGED, Delivery
from reactor.engine.endpoints.disposition import ACCEPTED, EMPTY, TERMINAL, read_state, state_bytes
from reactor.engine.events import Event
from reactor.engine.serial import MASK, serial_difference
from reactor.errors import INVALID_FIELD, RESOURCE_LIMIT_EXCEEDED, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.engine.interface import ChannelInterface

#: How often a delivery may be mentioned before it is settled, on average: a disposition of thirty bytes can mention all
#: that there are. One that mentions fewer than FEW costs no more than any other frame, and is not counted.
MENTIONS, FEW = 8, 256

_NEXT = (1, -MASK)  #: from a number to the one behind it

_DELIVERY = Event.DELIVERY


class Outcomes:
    """The dispositions of a channel.

    due: deliveries with a state or a settlement to be written. in_transaction: whether one of these states is that of a
    transaction, or a link has a ledger: then they are written before any transfer, when its journal is.
    """

    __slots__ = ("channel", "due", "in_transaction", "_mentions_left")

    def __init__(self, channel: ChannelInterface) -> None:
        self.channel = channel
        self.due: list[Delivery] = []
        self.in_transaction = False
        self._mentions_left = MENTIONS * channel.incoming.most_unsettled

    def recv_disposition(
        self,
        receiver: bool,
        first: int,
        last: Optional[int] = None,
        settled: Optional[bool] = False,
        state: Any = None,
        batchable: Optional[bool] = False,
    ) -> None:
        """The peer gives the state of the deliveries first..last, or settles them [2.7.6]."""
        channel = self.channel
        unsettled = channel.outgoing.unsettled if receiver else channel.incoming.unsettled
        outcome: Any = ACCEPTED
        content = None
        if state is not ACCEPTED_STATE:
            outcome, content = read_state(state) if state is not None else (EMPTY, None)
        change = STATE_CHANGED | SETTLED_NOW if settled else STATE_CHANGED
        looked_at = 1
        if last is None or last == first:
            ids: Any = (first,)
        else:
            before = len(unsettled)
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
        events = channel.events
        for number in ids:
            delivery = unsettled.get(number)
            if delivery is None:
                continue  # settled here before the peer's word came: no one waits for it
            known = delivery.remote_state
            if state is None or (known is not EMPTY and ((outcome == known and content is None) or known in TERMINAL)):
                # A state that is repeated in order to settle makes no second event. An outcome stands [3.4].
                if not settled:
                    continue
                delivery.changes |= SETTLED_NOW
            else:
                delivery.remote_state = outcome
                delivery.remote_content = content
                delivery.changes |= change
            if settled:
                delivery.settled = True
                del unsettled[number]
                if not delivery.fate:
                    delivery.fate = SETTLED_BY_PEER
                    link: Any = delivery.link
                    link.unsettled -= 1
                    if link.is_receiver and link.max_unsettled is not None:
                        channel.flows.announce(link)
            if not delivery.noted:
                delivery.noted = True
                events.append((_DELIVERY, delivery))
        if looked_at > FEW:
            self._mentioned(looked_at, before - len(unsettled))
        if settled:
            if channel.outgoing.send_blocked:
                channel.outgoing.unblock()
            if channel.incoming.credit_waits_for_settlement:
                channel.touch()

    def _mentioned(self, number: int, settled: int) -> None:
        """The peer has mentioned so many deliveries in one frame, and settled some. RemoteProtocolError when it goes on
        and on about them."""
        most = MENTIONS * self.channel.incoming.most_unsettled
        self._mentions_left = min(self._mentions_left - number + MENTIONS * settled, most)
        if self._mentions_left < 0:
            text = "dispositions without end: the same deliveries are spoken of again and again, and not settled"
            raise RemoteProtocolError(RESOURCE_LIMIT_EXCEEDED, text, "session")

    def write(self, out: bytearray) -> int:
        """Write one frame for each run of consecutive deliveries that ended alike; returns the number of frames."""
        due, self.due = self.due, []
        channel = self.channel
        run: Any = None  # common to its deliveries: direction, settled, state
        first = last = frames = 0
        state = b""
        link: Any = None
        for delivery in due:
            delivery.queued = False
            number: Any = delivery.id
            if delivery.link is not link:  # it is asked once: most deliveries have the link of the one before
                link = delivery.link
                incoming = link.is_receiver
                unsettled = (channel.incoming if incoming else channel.outgoing).unsettled
                second = incoming and link.rcv_settle_mode and link.settles_second()
                bounded = incoming and link.most_unsettled is not None
            settled = delivery.fate != OPEN
            if settled:
                if number not in unsettled:
                    continue  # the peer settled first
                if second and delivery.local_state in TERMINAL:
                    settled = False  # the outcome is written, and kept until the sender has settled
                else:
                    del unsettled[number]
                if bounded:
                    channel.flows.links[link] = None
            content = delivery.local_content
            kind = (incoming, settled, delivery.local_state or link)
            if kind == run and number - last in _NEXT and content is None:
                last = number
                continue
            if run is not None:
                write_disposition(out, channel.number, run[0], first, last, run[1], state)
                frames += 1
            run = kind
            first = last = number
            state = state_bytes(delivery.local_state, content)
            if incoming and settled and not delivery.local_state:
                state = link.default_state()
            if content is not None:  # no other state has the same content
                write_disposition(out, channel.number, incoming, first, first, settled, state)
                frames += 1
                run = None
        if run is not None:
            write_disposition(out, channel.number, run[0], first, last, run[1], state)
            frames += 1
        return frames
