"""Flows: the flow performative, both ways [2.7.4]: windows of the session, credit of a link and the use that was made
of it.

Links and windows note that a flow is due. It is written once per turn, however often its content changed.
"""

from __future__ import annotations

from reactor.codec.definitions import FLOW
from reactor.codec.frames import write_flow, write_frame, write_session_flow
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.endpoint import REMOTE_UNINIT
from reactor.engine.endpoints.queues import NOTHING
from reactor.engine.endpoints.receiver import CONFIRMED, PAUSED, Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.events import Event
from reactor.engine.serial import MASK, serial_difference
from reactor.errors import UNATTACHED_HANDLE, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.codec.types import AnyValue
    from reactor.engine.endpoints.link import Link
    from reactor.engine.interface import ChannelInterface

_LINK_FLOW = Event.LINK_FLOW


class Flows:
    """The flows of a channel.

    links: the links with a flow to be written, each once, in order.
    properties: those that the next flow of a link carries; of one in `echoes` perhaps none.
    echoes: the links whose next flow asks for a flow of the peer.
    window_due: whether a flow of the session is due, unless that of a link carries its windows already.
    """

    __slots__ = ("channel", "links", "properties", "echoes", "window_due")

    def __init__(self, channel: ChannelInterface) -> None:
        self.channel = channel
        self.links: dict[Link, None] = {}
        self.properties: dict[Link, dict[AnyValue, AnyValue]] = NOTHING
        self.echoes: dict[Link, None] = NOTHING
        self.window_due = False

    def announce_window(self) -> None:
        """Have a flow with the windows written."""
        self.channel.touch()
        self.window_due = True

    def announce(self, link: Link) -> None:
        """Have a flow of the link written, with its credit, or with the use that was made of it.

        A receiver's is written once the peer has attached the link, and the link is not in doubt: only then are the
        numbers known from which the peer counts deliveries and transfers [2.7.4]. A drain of the peer's may come before
        our attach has left.
        """
        if link.is_sender or (
            link.handle_out is not None and (link.handle_in is not None or self._early(link)) and not link.doubtful
        ):
            self.channel.touch()
            self.links[link] = None

    def awaited(self) -> bool:
        """Whether the flow of a receiver is due whose peer has used up its credit and gets some: a part of what has
        come was handled, and the rest was not."""
        for link in self.links:
            if link.wire_credit <= 0 and isinstance(link, Receiver) and 0 < len(link.incoming) < (link.prefetch or 0):
                link.grant()
                if link.wire_credit > 0:
                    return True
        return False

    def put_off(self) -> None:
        """Leave out the flows of receivers of which nothing was handled: they are due when that is."""
        for link in tuple(self.links):
            if link.wire_credit <= 0 and isinstance(link, Receiver) and link.is_full() and link not in self.properties:
                del self.links[link]
                self.channel.incoming.await_reads(link)

    def _early(self, link: Link) -> bool:
        """Whether a flow may come before the peer's attach, as the original writes it: the session has begun, and the
        count of deliveries is left out."""
        session = link.session
        return session.connection.original_ways and not session.state & REMOTE_UNINIT

    def ask(self, link: Link) -> None:
        """Have a flow of the link written that asks for one of the peer."""
        self.echoes = self.echoes or {}
        self.echoes[link] = None
        self.carry(link, {})
        self.announce(link)

    def carry(self, link: Link, properties: dict[AnyValue, AnyValue]) -> None:
        """Have the next flow of the link carry these properties; if there are none, those that it carries already."""
        if properties or link not in self.properties:
            self.properties = self.properties or {}
            self.properties[link] = properties

    def write(self, out: bytearray) -> int:
        """Write the flows that are due; returns the number of frames."""
        channel = self.channel
        incoming, outgoing = channel.incoming, channel.outgoing
        frames = 0
        links, self.links = self.links, {}
        for link in links:
            if link.handle_out is None:
                if link.channel is channel and link.is_sender:
                    self.links[link] = None  # when our attach has left
                continue
            if link.detach_sent or link.handle_in is None:
                if link.detach_sent or not self._early(link):
                    continue
                self.carry(link, {})
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
                credit = link.wire_credit
                link.count_given_back()
                available = max(link.available, link.queued)
            self.window_due = False
            incoming.renew()
            if link in self.properties:
                self._write_with_properties(out, link, max(0, credit), available, echo)
                frames += 1
                continue
            write_flow(
                out,
                channel.number,
                incoming.next_incoming_id,
                incoming.incoming_window,
                outgoing.next_outgoing_id,
                outgoing.outgoing_window,
                link.handle_out,
                link.delivery_count,
                max(0, credit),
                available,
                link.drain_asked,
                echo,
            )
            frames += 1
        if self.window_due:
            self.window_due = False
            incoming.renew()
            frames += 1
            write_session_flow(
                out,
                channel.number,
                incoming.next_incoming_id,
                incoming.incoming_window,
                outgoing.next_outgoing_id,
                outgoing.outgoing_window,
            )
        return frames

    def _write_with_properties(self, out: bytearray, link: Link, credit: int, available: int, echo: bool) -> None:
        incoming, outgoing = self.channel.incoming, self.channel.outgoing
        fields: list[AnyValue] = [
            incoming.next_incoming_id,
            incoming.incoming_window,
            outgoing.next_outgoing_id,
            outgoing.outgoing_window,
            link.handle_out,
            link.delivery_count if link.handle_in is not None else None,
            credit,
            available,
            link.drain_asked,
            echo or link in self.echoes,
            self.properties.pop(link, None) or None,
        ]
        self.echoes.pop(link, None)
        write_frame(out, self.channel.number, encode_composite(FLOW, fields))

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
        """The peer announces its windows, and the credit of one link or the use of it [2.7.4]."""
        channel = self.channel
        outgoing = channel.outgoing
        # What has left since the peer wrote this is not in its window any more [2.5.6].
        channel.incoming.next_incoming_id = next_outgoing_id
        base = channel.session.first_outgoing_id if next_incoming_id is None else next_incoming_id
        outgoing.remote_incoming_window = incoming_window - serial_difference(outgoing.next_outgoing_id, base)
        if outgoing.queue:
            channel.touch()
        if handle is None:
            if echo:
                self.announce_window()
            return
        link = channel.attachments.handles_in.get(handle)
        if link is None:
            raise RemoteProtocolError(UNATTACHED_HANDLE, "flow on handle %d, which is not attached" % handle, "session")
        if link.discarding:
            return
        if link.doubtful:
            link.confirm()
        link.flow_properties = properties
        if isinstance(link, Sender):
            self._recv_credit(link, delivery_count, link_credit, bool(drain))
        elif isinstance(link, Receiver):
            if delivery_count is not None:
                used = serial_difference(delivery_count, link.delivery_count)
                if used > 0:  # credit was given back, by a drain
                    used = min(used, max(0, link.wire_credit))
                    link.wire_credit -= used
                    link.credit_returned += used
                    link.delivery_count = delivery_count & MASK
            if link.paused and link_credit == 0:
                link.paused = CONFIRMED
            if available is not None:
                link.available = available
            if link.drain_asked and link.wire_credit <= 0 and link.prefetch:
                link.drain_asked = False
                self.announce(link)
        if echo:
            self.announce(link)
        channel.events.append((_LINK_FLOW, link))

    def _recv_credit(self, link: Sender, count: Optional[int], credit: Optional[int], drain: bool) -> None:
        link.drain_asked = drain
        if credit is None:
            return
        if link.handle_out is None:
            count = None  # our attach, with the number from which we count, has not left
        # The receiver counts from where it has seen us; what is on its way to it has used up credit already.
        # Without a count it has seen nothing yet [2.6.7].
        if count is None:
            count = link.delivery_count if link.handle_out is None else link.first_delivery_count
        used = serial_difference(link.delivery_count, count) + link.given_back_early
        link.wire_credit = min(max(0, credit - used), MASK)
        if drain and link.wire_credit == 0:
            self.announce(link)  # messages have used it up: that is the answer
        if link.waiting:
            self.channel.outgoing.release(link)
