"""Attachments: the links of a session on one wire: their handles, and how they attach and detach there [2.6].

The wire calls `attach` and `detach` at each flush for links that have changed, `recv_...` for the frames of the peer.
Where a link goes on without its handshake, a tombstone takes the place of its end on the wire: it has the handles and
the name, answers what has to be answered, and no handler sees it.
"""

from __future__ import annotations

from reactor.codec.definitions import ATTACH, DETACH
from reactor.codec.dicts import of_symbols
from reactor.codec.frames import MIN_MAX_FRAME_SIZE, write_frame
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.endpoint import (
    LOCAL_CLOSED,
    LOCAL_GONE,
    LOCAL_UNINIT,
    REMOTE_CLOSE,
    REMOTE_CLOSED,
    REMOTE_OPEN,
    REMOTE_UNINIT,
)
from reactor.engine.endpoints.link import SND_MIXED, Link
from reactor.engine.endpoints.receiver import Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Event
from reactor.engine.handler import PlanTable
from reactor.engine.serial import MASK, free_number
from reactor.engine.wire import naming
from reactor.errors import (
    FRAME_SIZE_TOO_SMALL,
    FRAMING_ERROR,
    HANDLE_IN_USE,
    INVALID_FIELD,
    LINK_REDIRECT,
    RESOURCE_LIMIT_EXCEEDED,
    UNATTACHED_HANDLE,
    LocalProtocolError,
    RemoteProtocolError,
)
from reactor.lazily import TYPE_CHECKING
from reactor.reasons import passes

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.engine.endpoints.session import Session
    from reactor.engine.interface import ChannelInterface, WireInterface

#: Bytes of an attach that are not its fields: of its frame, and around the map of unsettled deliveries.
MAP_ROOM = 32

#: How many links of a session are attached before the peer has said how many it takes.
FEW_HANDLES = 16


class Attachments:
    """The links that a channel carries.

    handles_out, handles_in: the links by our handles, and by the peer's.
    remote_handle_max: the largest handle that the peer takes.
    """

    __slots__ = ("channel", "session", "wire", "handles_out", "handles_in", "remote_handle_max")

    def __init__(self, channel: ChannelInterface, session: Session, wire: WireInterface) -> None:
        self.channel = channel
        self.session = session
        self.wire = wire
        self.handles_out: dict[int, Link] = {}
        self.handles_in: dict[int, Link] = {}
        self.remote_handle_max = MASK

    def links(self) -> list[Link]:
        """The links that have a handle, each once."""
        return list(dict.fromkeys([*self.handles_out.values(), *self.handles_in.values()]))

    def clear(self) -> None:
        """The channel is gone, and the handles with it."""
        self.handles_out.clear()
        self.handles_in.clear()

    # -- attach ------------------------------------------------------------------------------------------

    def send_attach(self, link: Link, out: bytearray) -> None:
        """Write the link's attach if it is time. LocalProtocolError when no handle is left, or when it is larger than
        the frames that the peer takes."""
        if link.state & LOCAL_UNINIT or link.handle_out is not None or link.detach_sent or link.held:
            return
        channel, wire = self.channel, self.wire
        if not channel.begin_sent or channel.end_sent or self.session.state & REMOTE_CLOSED:
            return
        if naming.has_to_wait(link):
            wire.waits = True
            return
        admission = self.session.connection.admission
        if admission is not None and not admission(link):
            return
        handle = free_number(self.handles_out)
        if handle >= FEW_HANDLES and channel.remote_number is None:
            return  # the peer's begin has the largest handle
        if handle > min(self.remote_handle_max, self.session.largest_handle()):
            raise LocalProtocolError(
                RESOURCE_LIMIT_EXCEEDED, "no handle is left for %r: the session is full" % (link,), "link"
            )
        most = wire.remote_max_frame_size
        fields = link.attach_fields(handle)
        if link.ledger is not None:
            if not wire.opened:
                return  # the map has to fit its frames
            channel.outcomes.in_transaction = True  # from now on its journal is written first
            link.ledger.fill(fields, most - MAP_ROOM - len(encode_composite(ATTACH, fields)))
        body = encode_composite(ATTACH, fields)
        if not wire.opened and 8 + len(body) > MIN_MAX_FRAME_SIZE:
            return  # the peer's open has the size that it takes [2.3.1]
        if 8 + len(body) > most and not link.state & REMOTE_UNINIT:
            body = naming.refuse_unanswered(link, handle, most)  # it cannot be answered as it was meant
        if 8 + len(body) > most:
            raise LocalProtocolError(
                FRAME_SIZE_TOO_SMALL, "%r takes %d bytes to attach; the peer takes %d" % (link, 8 + len(body), most)
            )
        self.handles_out[handle] = link
        link.handle_out = handle
        link.channel = channel
        if isinstance(link, Sender):
            link.first_delivery_count = link.delivery_count
            link.writer_key = -1
        write_frame(out, channel.number, body)
        wire.frames_output += 1
        if isinstance(link, Receiver):
            if link.wire_credit or link.prefetch:
                channel.flows.announce(link)
        elif isinstance(link, Sender):
            for delivery in (*link.pending, *link.waiting):
                delivery.channel = channel
            channel.outgoing.release(link)
            if link.waiting or not self.session.connection.original_ways:
                channel.touch()

    def recv_attach(
        self,
        name: str,
        handle: int,
        role: bool,
        snd_settle_mode: Optional[int] = None,
        rcv_settle_mode: Optional[int] = None,
        source: Any = None,
        target: Any = None,
        unsettled: Optional[dict[Any, Any]] = None,
        incomplete_unsettled: Optional[bool] = None,
        initial_delivery_count: Optional[int] = None,
        max_message_size: Optional[int] = None,
        offered_capabilities: Any = None,
        desired_capabilities: Any = None,
        properties: Optional[dict[Any, Any]] = None,
    ) -> None:
        """The peer attaches a link, or answers our attach [2.7.3]. `role` is the peer's: true for a receiver."""
        channel, session = self.channel, self.session
        if channel.end_sent:
            return  # it will never be answered, and its session's end is on the way
        if handle in self.handles_in:
            if not naming.was_stolen(self.handles_in[handle]):
                text = "attach %r on handle %d, which is in use" % (name, handle)
                raise RemoteProtocolError(HANDLE_IN_USE, text, "session")
            self.recv_detach(handle, True)
        if snd_settle_mode not in (None, 0, 1, 2) or rcv_settle_mode not in (None, 0, 1):
            text = "attach %r with the settle modes %r and %r, which there are not [2.8.2, 2.8.3]"
            raise RemoteProtocolError(INVALID_FIELD, text % (name, snd_settle_mode, rcv_settle_mode), "session")
        most, size = session.largest_handle(), self.wire.frame_size
        if handle > most:
            raise RemoteProtocolError(
                FRAMING_ERROR, "attach %r on handle %d, above handle-max %d" % (name, handle, most)
            )
        link = naming.find(session, name, role)
        session.connection.admit_link(self.wire.limits, size, link is None)
        if link is None:
            naming.steal(session.connection, name, role)
            link = session.sender(name) if role else session.receiver(name)
            link.passive = True
            if snd_settle_mode in (0, 1):
                link.snd_settle_mode = snd_settle_mode  # do as asked, unless the application decides otherwise
            if rcv_settle_mode == 1 and link.is_sender:
                link.rcv_settle_mode = rcv_settle_mode
        link.change(REMOTE_OPEN)
        link.weight = size
        session.weight += size
        self.handles_in[handle] = link
        link.handle_in = handle
        if link.channel is None:
            link.channel = channel
        link.remote_snd_settle_mode = SND_MIXED if snd_settle_mode is None else snd_settle_mode
        link.remote_rcv_settle_mode = rcv_settle_mode or 0
        link.remote_source = Terminus.from_wire(source, Terminus.SOURCE)
        link.remote_target = Terminus.from_wire(target, Terminus.TARGET)
        link.remote_max_message_size = max_message_size or 0
        link.remote_offered_capabilities = of_symbols(offered_capabilities)
        link.remote_desired_capabilities = of_symbols(desired_capabilities)
        link.remote_properties = properties
        link.remote_unsettled = unsettled if isinstance(unsettled, dict) else None
        link.remote_incomplete = bool(incomplete_unsettled)
        if isinstance(link, Receiver):
            # A sender must say where it starts counting; 0 is what is meant when it does not.
            link.delivery_count = (initial_delivery_count or 0) & MASK
        elif isinstance(link, Sender):
            link.measure()
        if link.handle_out is not None and naming.looks_refused(link):
            self.wire.doubt(link)  # the detach with the reason comes next; any other frame means that it is open
        else:
            link.confirm()

    # -- detach ------------------------------------------------------------------------------------------

    def send_detach(self, link: Link, out: bytearray) -> bool:
        """Write the link's detach if it is time; returns whether the link has nothing more to write."""
        channel, session = self.channel, self.session
        if channel.end_sent:
            return True
        if link.handle_out is None or session.is_given_up:
            return bool(session.state & REMOTE_CLOSED)
        if not link.state & LOCAL_CLOSED:
            return True
        if link.is_sender and link.has_more() and not link.state & REMOTE_CLOSED and link.condition is None:
            return False  # what was sent before close() leaves before it
        link.detach_sent = link.discarding = True
        error = None if link.condition is None else link.condition.fitted(self.wire.remote_max_frame_size)
        write_frame(out, channel.number, encode_composite(DETACH, [link.handle_out, not link.detached or None, error]))
        self.wire.frames_output += 1
        self._release(link)
        return True

    def recv_detach(self, handle: int, closed: Optional[bool] = False, error: Any = None) -> None:
        """The peer detaches or closes a link [2.7.7]."""
        link = self.handles_in.get(handle)
        if link is None:
            raise RemoteProtocolError(
                UNATTACHED_HANDLE, "detach of handle %d, which is not attached" % handle, "session"
            )
        connection = self.session.connection
        if link.doubtful and connection.guard is None:
            link.confirm()  # no container: a program that drives the engine by hand is told of each attach
        link.change(REMOTE_CLOSE)
        condition = connection.read_error(error)
        told = link.is_blamed
        link.remote_condition = condition or link.remote_condition  # its own reason says more than the fault does
        # A peer may answer close with a plain detach (RabbitMQ does, every time): what we asked for counts.
        link.remote_detached = not closed and not (link.detach_sent and not link.detached)
        del self.handles_in[handle]
        link.handle_in = None
        if closed and link.detach_sent and link.detached and link.condition is None:
            close_again(link)
        if link.is_sender:
            sent_away = condition is not None and condition.name == LINK_REDIRECT
            comes_back = connection.lasting and (sent_away or passes(condition))
            link.abandon(comes_back)  # a receiver's outcomes may still go before our own detach
        if not told:
            connection.emit(Event.LINK_REMOTE_DETACH if link.remote_detached else Event.LINK_REMOTE_CLOSE, link)
        self._release(link)
        connection.work_on(link)

    def _release(self, link: Link) -> None:
        """Free the handle, and forget the link, once both sides have let go of it."""
        if not link.detach_sent or not link.state & REMOTE_CLOSED:
            return
        if link.handle_out is not None:
            self.handles_out.pop(link.handle_out, None)
        link.leave_wire()
        link.detach_sent = True  # it has had its life on this wire: the work left for it must not attach it again
        self.session.forget(link)

    # -- links that go on without their handshake --------------------------------------------------------

    def leave_tombstone(self, link: Link) -> None:
        """`link` goes on without its end on this wire, if it has one: a tombstone in its place brings the handshake to
        its end. The peer may not have answered an attach or a detach in time."""
        tombstone = self._tombstone(link)
        if tombstone is not None:
            self.session.connection.work_on(tombstone)

    def detach_now(self, link: Link) -> None:
        """As `leave_tombstone`, and the detach is written at once: the peer must not see the name attached again before
        it has seen this end go. It sends the link elsewhere, or has detached it for a reason that passes."""
        tombstone = self._tombstone(link)
        if tombstone is not None:
            if not detach(tombstone, self.wire.plain):
                self.session.connection.work_on(tombstone)
            self.wire.wake()

    def _tombstone(self, link: Link) -> Optional[Link]:
        if self.channel.end_sent or (link.handle_out is None and link.handle_in is None):
            return None
        tombstone = stand_in(link)
        if not link.state & REMOTE_UNINIT:
            tombstone.change(REMOTE_OPEN)
        if link.state & REMOTE_CLOSED:
            tombstone.change(REMOTE_CLOSE)
        tombstone.channel = self.channel
        tombstone.delivery_count = link.delivery_count
        tombstone.detach_sent, tombstone.detached = link.detach_sent, link.detached
        tombstone.handle_out, tombstone.handle_in = link.handle_out, link.handle_in
        if link.handle_out is not None:
            self.handles_out[link.handle_out] = tombstone
        if link.handle_in is not None:
            self.handles_in[link.handle_in] = tombstone
        return tombstone


def attach(link: Link, out: bytearray) -> None:
    """Write the link's attach if it is time. Raises as `Attachments.send_attach` does."""
    channel = link.session.channel
    if channel is not None:
        channel.attachments.send_attach(link, out)


def detach(link: Link, out: bytearray) -> bool:
    """Write the link's detach if it is time; returns whether the link has nothing more to write."""
    session = link.session
    channel = session.channel
    if link.state & LOCAL_UNINIT:
        return True
    if channel is not None and channel.end_sent:
        return True
    if link.detach_sent:
        if link.state & LOCAL_CLOSED and link.state & REMOTE_CLOSED:
            session.forget(link)
        return True
    if channel is None:
        return bool(session.state & REMOTE_CLOSED)
    return channel.attachments.send_detach(link, out)


def close_again(link: Link) -> None:
    """We have detached the link, and the peer has closed it: that is answered by an attach and a close [2.6.6]. A link
    that has the name by now says enough."""
    if any(other is not link for other in naming.namesakes(link.connection, link.name, link.is_sender)):
        return
    closer = stand_in(link)
    closer.properties = link.properties
    link.connection.work_on(closer)


def stand_in(link: Link) -> Link:
    """A link of the same name and kind, closed here from the beginning, that no handler sees."""
    other = type(link)(link.session, link.name)
    other.plans = PlanTable(None)
    other.change(LOCAL_GONE)
    other.discarding = True
    other.source, other.target = link.source, link.target
    link.session.add(other)
    return other
