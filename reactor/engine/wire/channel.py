"""Channel: a session on one wire: how it begins and ends there, and the order in which a turn is written [2.5].

It dies with the wire, and a new one is made when the session begins on another. Its parts have a performative or two
each: attachments.py (attach, detach), incoming_window.py and outgoing_window.py (transfer, one direction each),
outcomes.py (disposition), flows.py (flow). They note what is to be written, and `flush` writes it at the end of the
turn. What the application wants of the session is in endpoints/session.py.
"""

from __future__ import annotations

from reactor.codec.definitions import BEGIN, END
from reactor.codec.dicts import of_symbols
from reactor.codec.frames import write_frame
from reactor.codec.performatives import encode_composite
from reactor.engine.blocks import blocks
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSE, REMOTE_CLOSED, REMOTE_OPEN
from reactor.engine.endpoints.queues import NOTHING
from reactor.engine.events import Event, EventType
from reactor.engine.serial import MASK
from reactor.engine.wire.attachments import Attachments
from reactor.engine.wire.flows import Flows
from reactor.engine.wire.incoming_window import IncomingWindow
from reactor.engine.wire.outcomes import Outcomes
from reactor.engine.wire.outgoing_window import OUTPUT_LIMIT, OutgoingWindow
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from typing import Any, Optional

    from reactor.engine.endpoints.delivery import Delivery
    from reactor.engine.endpoints.link import Link
    from reactor.engine.endpoints.session import Session
    from reactor.engine.interface import WireInterface


class Channel:
    """A session on one wire; `session.channel` while it is there.

    number, remote_number: the channel that we send on, and the one that the peer sends on; None before its begin.
    discarding: the session has ended here because of an error, or is refused: what still comes in is passed over until
        the peer's end [2.5.5].
    dirty: whether the wire is asked to call `flush`.
    """

    __slots__ = (
        "session",
        "wire",
        "events",
        "number",
        "remote_number",
        "begin_sent",
        "end_sent",
        "discarding",
        "dirty",
        "attachments",
        "incoming",
        "outgoing",
        "outcomes",
        "flows",
        "_unsettled_by_link",
    )

    def __init__(self, session: Session, wire: WireInterface, number: int) -> None:
        self.session = session
        self.wire = wire
        self.events = session.connection.event_queue()
        self.number = number
        self.remote_number: Optional[int] = None
        self.begin_sent = False
        self.end_sent = False
        self.discarding = False
        self.dirty = False
        hooks = session.connection.hooks
        self.flows: Flows = Flows(self) if hooks is None else hooks.flows(self)
        self.attachments = Attachments(self, session, wire)
        self.incoming = IncomingWindow(self, session, wire)
        self.outgoing = OutgoingWindow(self, session, wire)
        self.outcomes: Outcomes = Outcomes(self) if hooks is None else hooks.outcomes(self)
        self._unsettled_by_link: dict[bool, tuple[int, dict[Link, list[Delivery]]]] = NOTHING  # see `unsettled_of`

    def report_to(self, events: deque[tuple[EventType, Any]]) -> None:
        """Append events to this queue from now on."""
        self.events = self.incoming.events = self.outgoing.events = events

    # -- the turn ----------------------------------------------------------------------------------------

    def touch(self) -> None:
        """Something is to be written: have the wire call `flush`."""
        if not self.dirty:
            guard = self.session.connection.guard
            if guard is not None:
                guard()
            self.dirty = True
            wire = self.wire
            wire.dirty.append(self)
            # wire.wake(), without two calls that would come with each turn
            if not wire.woken or (guard is None and not wire.reading):
                wire.woken = True
                events = self.events
                if not events or events[-1] != wire.notice:
                    events.append(wire.notice)

    def flush_outcomes(self, out: bytearray) -> None:
        """Write the outcomes, before any transfer: one of those may discharge the transaction that they are in."""
        session = self.session
        self.outcomes.in_transaction = session.connection.prepare()
        if self.end_sent or session.channel is not self:
            return
        if session.remote_condition is None or not session.is_given_up:
            self.wire.frames_output += self.outcomes.write(out)

    def flush(self, out: bytearray) -> None:
        """Write all that the turn collected. Where some must wait until `out` was sent the channel stays dirty."""
        self.dirty = False
        session = self.session
        if self.end_sent or session.channel is not self:
            return
        if session.remote_condition is not None and session.is_given_up:
            return  # a peer that ends a session for an error listens to nothing more
        if self._unsettled_by_link:
            self._unsettled_by_link.clear()
        outgoing, outcomes, flows = self.outgoing, self.outcomes, self.flows
        first = outgoing.next_outgoing_id
        if outgoing.queue:
            outgoing.write_transfers(out)
        frames = (outgoing.next_outgoing_id - first) & MASK
        if outcomes.due:
            frames += outcomes.write(out)
            if outgoing.send_blocked:
                outgoing.unblock()
        incoming = self.incoming
        if incoming.credit_waits_for_settlement and len(incoming.unsettled) < incoming.most_unsettled:
            flows.links.update(dict.fromkeys(incoming.credit_waits_for_settlement))
            incoming.credit_waits_for_settlement.clear()
        if flows.links or flows.window_due:
            frames += flows.write(out)
        self.wire.frames_output += frames
        if outgoing.queue and outgoing.remote_incoming_window > 0 and not self.dirty:
            room = outgoing.send_blocked and len(outgoing.unsettled) < outgoing.most_unsettled
            if room or len(out) >= OUTPUT_LIMIT:
                blocks.expect(OUTPUT_LIMIT)
                self.dirty = True
                self.wire.dirty.append(self)

    # -- begin and end -----------------------------------------------------------------------------------

    def send_begin(self, out: bytearray) -> None:
        """Write our begin, if it was not written yet."""
        if not self.begin_sent:
            self.begin_sent = True
            self.incoming.measure()
            write_frame(out, self.number, encode_composite(BEGIN, self.session.begin_fields(self.remote_number)))
            self.wire.frames_output += 1

    def recv_begin(
        self,
        remote_channel: Optional[int],
        next_outgoing_id: int,
        incoming_window: int,
        outgoing_window: int,
        handle_max: Optional[int] = None,
        offered_capabilities: Any = None,
        desired_capabilities: Any = None,
        properties: Optional[dict[Any, Any]] = None,
    ) -> None:
        """The peer begins the session, or answers our begin [2.7.2]."""
        session = self.session
        session.change(REMOTE_OPEN)
        self.incoming.next_incoming_id = next_outgoing_id & MASK
        self.outgoing.remote_incoming_window = incoming_window
        self.incoming.resize()  # the application may have changed it meanwhile
        if handle_max is not None:
            self.attachments.remote_handle_max = handle_max
        self.wire.wake()  # for the attaches that waited for this
        session.remote_offered_capabilities = of_symbols(offered_capabilities)
        session.remote_desired_capabilities = of_symbols(desired_capabilities)
        session.remote_properties = properties
        session.connection.emit(Event.SESSION_REMOTE_OPEN, session)

    def send_end(self, out: bytearray) -> bool:
        """Write our end if it is time; returns whether the session has nothing more to write."""
        session = self.session
        if not session.state & LOCAL_CLOSED or self.end_sent:
            return True
        condition, ended = session.condition, session.state & REMOTE_CLOSED
        if condition is None and not ended and session.holds_back():
            return False
        self.end_sent = True
        # What is on its way is still heard, outcomes above all, unless it is what we end for [2.5.5].
        self.discarding = self.discarding or condition is not None
        error = None if condition is None else condition.fitted(self.wire.remote_max_frame_size)
        write_frame(out, self.number, encode_composite(END, [error]))
        self.wire.frames_output += 1
        if ended:
            self._leave()
        return True

    def recv_end(self, error: Any = None) -> None:
        """The peer ends the session [2.7.8]: with it every link in it."""
        session = self.session
        session.change(REMOTE_CLOSE)
        condition = session.connection.read_error(error)
        told = session.is_blamed
        session.remote_condition = condition or session.remote_condition  # its own reason says more than the fault
        self.wire.release_input(self)
        self.outgoing.share_out()
        for link in session.links():
            session.end_link(link)
        self.outgoing.shares = None
        if not told:
            session.connection.emit(Event.SESSION_REMOTE_CLOSE, session)
        if self.end_sent:
            self._leave()
        session.connection.work_on(session)

    def answer_end(self) -> None:
        """The peer has ended the session on this wire: end it here as well. The session is not forgotten."""
        wire = self.wire
        if not self.end_sent:
            self.end_sent = True
            write_frame(wire.plain, self.number, encode_composite(END, [None]))
            wire.frames_output += 1
            wire.wake()
        wire.release_output(self)

    def _leave(self) -> None:
        """Both ends have gone out: the channel is free."""
        self.wire.release_output(self)
        self.close()
        self.session.connection.forget(self.session)

    def close(self, lasting: bool = False) -> None:
        """The wire is gone, or the session on it: deliveries are lost or in doubt, links have no handles.

        lasting: whether another wire will come, and what has not left may wait for it.
        """
        self.outgoing.share_out()
        for link in self.attachments.links():
            link.leave_wire(lasting)
        self.outgoing.shares = None
        self.attachments.clear()
        self.outgoing.queue.clear()
        self.incoming.let_all_go()
        self.outcomes.due.clear()
        self.flows.links.clear()
        self._unsettled_by_link.clear()
        self.session.channel = None

    def unsettled_of(self, link: Link) -> list[Delivery]:
        """The deliveries of a link that are not settled. Many links may go at once: all deliveries are looked through
        once for all of them, until others come or the turn ends."""
        incoming = link.is_receiver
        if incoming:
            unsettled, latest = self.incoming.unsettled, self.incoming.next_incoming_id
        else:
            unsettled, latest = self.outgoing.unsettled, self.outgoing.next_delivery_id
        known = self._unsettled_by_link.get(incoming)
        if known is None or known[0] != latest:
            known = (latest, {})
            self._unsettled_by_link = self._unsettled_by_link or {}
            self._unsettled_by_link[incoming] = known
            for delivery in unsettled.values():
                known[1].setdefault(delivery.link, []).append(delivery)
        return [one for one in known[1].pop(link, ()) if unsettled.get(one.id or 0) is one]


def begin(session: Session, wire: WireInterface, out: bytearray) -> None:
    """Write the session's begin if it is time. LocalProtocolError when no channel is left."""
    if session.state & LOCAL_UNINIT or session.held:
        return
    channel = session.channel
    if channel is None:
        if session.state & REMOTE_CLOSED or not wire.has_channel():
            return  # it has had its life on this wire; or the peer's open has the largest number
        channel = session.channel = wire.make_channel(session)
    channel.send_begin(out)


def end(session: Session, out: bytearray) -> bool:
    """Write the session's end if it is time; returns whether the session has nothing more to write."""
    if session.channel is not None:
        return session.channel.send_end(out)
    if session.state & LOCAL_CLOSED and session.state & REMOTE_CLOSED:
        session.connection.forget(session)
    return bool(session.state & (LOCAL_UNINIT | REMOTE_CLOSED))
