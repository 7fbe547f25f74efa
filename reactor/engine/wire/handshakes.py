"""Handshakes: how a session and its links begin and end on a wire: begin, attach, detach, end, both ways [2.5, 2.6].

The transport calls: `send_...` at each flush for what has changed, `recv_...` for what the peer said. What the
application does is in session.py, transfers and flow are the window's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional, Union

from reactor.codec.definitions import ATTACH, BEGIN, DETACH, END
from reactor.codec.dicts import SymbolList, of_symbols
from reactor.codec.frames import MIN_MAX_FRAME_SIZE, write_frame
from reactor.codec.performatives import encode_composite
from reactor.codec.types import AnyValue
from reactor.engine.endpoints import naming
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSED,
    LOCAL_UNINIT,
    REMOTE_CLOSE,
    REMOTE_CLOSED,
    REMOTE_OPEN,
    REMOTE_UNINIT,
    Endpoint,
)
from reactor.engine.endpoints.fields import Names, symbol_keys, symbol_list
from reactor.engine.endpoints.link import SND_MIXED, Link
from reactor.engine.endpoints.receiver import Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Event
from reactor.engine.wire.channel import free_number
from reactor.engine.wire.window import Window
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
from reactor.reasons import passes

if TYPE_CHECKING:
    from reactor.engine.endpoints.connection import Connection
    from reactor.engine.wire.channels import Channels

#: How many frames a peer may send before we answer, when the application sets no `incoming_capacity`.
DEFAULT_WINDOW = 2048
#: The largest handle of ours, and of the peer's: a session has at most so many links less one each way.
DEFAULT_HANDLE_MAX = 0x7FFF

#: How many links of a session are attached before the peer has said how many it takes.
FEW_HANDLES = 16


class Handshakes(Endpoint):
    """The part of a session that talks. See Session for what its attributes mean."""

    __slots__ = (
        "connection",
        "window",
        "_links",
        "_names",
        "_incoming_capacity",
        "outgoing_window",
        "properties",
        "offered_capabilities",
        "desired_capabilities",
        "remote_properties",
        "remote_offered_capabilities",
        "remote_desired_capabilities",
        "handle_max",
        "first_outgoing_id",
        "context",
        "passive",
        "weight",
    )

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.connection = connection
        self.window: Optional[Window] = None
        self._links: dict[Link, None] = {}
        self._names: dict[str, list[Link]] = {}  # the same by name, because a peer names the link it attaches
        self._incoming_capacity = 0
        self.outgoing_window = DEFAULT_WINDOW
        self.properties: Optional[dict[AnyValue, AnyValue]] = None
        self.offered_capabilities: Names = None
        self.desired_capabilities: Names = None
        self.remote_properties: Optional[dict[AnyValue, AnyValue]] = None
        self.remote_offered_capabilities: Optional[SymbolList] = None
        self.remote_desired_capabilities: Optional[SymbolList] = None
        self.handle_max = DEFAULT_HANDLE_MAX
        self.first_outgoing_id = 0
        self.context: AnyValue = None
        self.passive = False  # begun by the peer: gone with the wire
        self.weight = 0  # bytes of the peer's begin, and of the attaches of the links that are there

    def sender(self, name: str) -> Sender:
        """A new sender of this name (session.py)."""
        raise NotImplementedError

    def receiver(self, name: str) -> Receiver:
        """A new receiver of this name (session.py)."""
        raise NotImplementedError

    def add(self, link: Link) -> None:
        """Count a link among those of this session (session.py)."""
        raise NotImplementedError

    def links(self) -> Iterator[Link]:
        """The links, oldest first (session.py)."""
        raise NotImplementedError

    def forget(self, link: Link) -> None:
        """Take a link out (session.py)."""
        raise NotImplementedError

    def close(self) -> None:
        """End the session (session.py)."""
        raise NotImplementedError

    def named(self, name: str) -> list[Link]:
        """The links of this name, oldest first."""
        return self._names.get(name, [])

    @property
    def link_count(self) -> int:
        """How many links there are."""
        return len(self._links)

    def incoming_frames(self, transport: Optional[Channels] = None) -> int:
        """The incoming window when nothing is unread, in frames."""
        if self._incoming_capacity:
            frame = transport.max_frame_size if transport is not None else 0
            return max(1, self._incoming_capacity // (frame or self._incoming_capacity))
        most = 0 if transport is None else transport.limits.max_buffered_session_bytes
        if transport is None or not most or not transport.max_frame_size:
            return DEFAULT_WINDOW
        return max(1, min(DEFAULT_WINDOW, most // transport.max_frame_size))

    @property
    def incoming_capacity(self) -> int:
        """Bytes that may come in without being read; see Session."""
        return self._incoming_capacity

    @incoming_capacity.setter
    def incoming_capacity(self, size: int) -> None:
        self._incoming_capacity = size
        if self.window is not None:
            self.window.resize()

    def largest_handle(self) -> int:
        """What is told to the peer, and holds for both sides."""
        transport = self.connection.transport
        return self.handle_max if transport is None else min(self.handle_max, transport.limits.max_links - 1)

    # -- what is written ---------------------------------------------------------------------------------

    def begin_fields(self, remote_channel: Optional[int]) -> list[Any]:
        """The fields of our begin [2.7.2]."""
        window = self.window
        return [
            remote_channel,
            self.first_outgoing_id,
            window.incoming_window if window is not None else self.incoming_frames(),
            self.outgoing_window,
            self.largest_handle(),
            symbol_list("offered_capabilities", self.offered_capabilities),
            symbol_list("desired_capabilities", self.desired_capabilities),
            symbol_keys("properties", self.properties),
        ]

    def send_begin(self, out: bytearray, transport: Channels) -> None:
        """Write our begin if it is time. LocalProtocolError when no channel is left."""
        if self.state & LOCAL_UNINIT or self.held:
            return
        window = self.window
        if window is None:
            if self.state & REMOTE_CLOSED or not transport.has_channel():
                return  # it has had its life on this wire; or the peer's open says whether there are so many
            window = self.window = transport.make_window(self)
        if not window.begin_sent:
            window.begin_sent = True
            window.measure()
            write_frame(out, window.channel, encode_composite(BEGIN, self.begin_fields(window.remote_channel)))
            window.transport.frames_output += 1

    def send_attach(self, link: Link, out: bytearray) -> None:
        """Write the link's attach if it is time. LocalProtocolError when no handle is left, or when it is larger than
        the frames that the peer takes."""
        if link.state & LOCAL_UNINIT or link.handle_out is not None or link.detach_sent or link.held:
            return
        window = self.window
        if window is None or not window.begin_sent or window.end_sent or self.state & REMOTE_CLOSED:
            return
        if naming.has_to_wait(link):
            window.transport.waits = True
            return
        handle = free_number(window.handles_out)
        if handle >= FEW_HANDLES and window.remote_channel is None:
            return  # the peer's begin says whether there are so many
        if handle > min(window.remote_handle_max, self.largest_handle()):
            raise LocalProtocolError(
                RESOURCE_LIMIT_EXCEEDED, "no handle is left for %r: the session is full" % (link,), "link"
            )
        body = encode_composite(ATTACH, link.attach_fields(handle))
        most = window.transport.remote_max_frame_size
        if not window.transport.opened and 8 + len(body) > MIN_MAX_FRAME_SIZE:
            return  # the peer's open says whether it takes so much [2.3.1]
        if 8 + len(body) > most and not link.state & REMOTE_UNINIT:
            body = naming.refuse_unanswered(link, handle, most)  # it cannot be answered as it was meant
        if 8 + len(body) > most:
            raise LocalProtocolError(
                FRAME_SIZE_TOO_SMALL, "%r takes %d bytes to attach; the peer takes %d" % (link, 8 + len(body), most)
            )
        window.handles_out[handle] = link
        link.handle_out = handle
        link.window = window
        if isinstance(link, Sender):
            link.first_delivery_count = link.delivery_count
            link.writer_key = -1
        write_frame(out, window.channel, body)
        window.transport.frames_output += 1
        if isinstance(link, Receiver):
            if link.wire_credit or link.prefetch:
                window.tell_flow(link)
        elif isinstance(link, Sender):
            for delivery in link.pending:
                delivery.window = window
            window.release(link)

    def send_detach(self, link: Link, out: bytearray) -> bool:
        """Write the link's detach if it is time; returns whether the link has nothing more to write."""
        window = self.window
        if link.state & LOCAL_UNINIT or (window is not None and window.end_sent):
            return True
        if link.detach_sent:
            if link.state & LOCAL_CLOSED and link.state & REMOTE_CLOSED:
                self.forget(link)
            return True
        if window is None or link.handle_out is None or self.is_given_up:
            return bool(self.state & REMOTE_CLOSED)
        if not link.state & LOCAL_CLOSED:
            return True
        if link.queued and link.is_sender and not link.state & REMOTE_CLOSED and link.condition is None:
            return False  # what was sent before close() leaves before it
        link.detach_sent = link.deaf = True
        error = None if link.condition is None else link.condition.fitted(window.transport.remote_max_frame_size)
        write_frame(out, window.channel, encode_composite(DETACH, [link.handle_out, not link.detached or None, error]))
        window.transport.frames_output += 1
        self._release(link)
        return True

    def send_end(self, out: bytearray) -> bool:
        """Write our end if it is time; returns whether the session has nothing more to write."""
        window = self.window
        if window is None:
            if self.state & LOCAL_CLOSED and self.state & REMOTE_CLOSED:
                self.connection.forget(self)
            return bool(self.state & (LOCAL_UNINIT | REMOTE_CLOSED))
        if not self.state & LOCAL_CLOSED or window.end_sent:
            return True
        if self.condition is None and not self.state & REMOTE_CLOSED and self.holds_back():
            return False
        window.end_sent = True
        # What is on its way is still heard, outcomes above all, unless it is what we end for [2.5.5].
        window.deaf = window.deaf or self.condition is not None
        error = None if self.condition is None else self.condition.fitted(window.transport.remote_max_frame_size)
        write_frame(out, window.channel, encode_composite(END, [error]))
        window.transport.frames_output += 1
        if self.state & REMOTE_CLOSED:
            self._leave()
        return True

    def holds_back(self) -> bool:
        """Whether something was sent that has not left, and could."""
        return any(link.queued and link.is_sender and not link.state & REMOTE_CLOSED for link in self._links)

    # -- what comes in -----------------------------------------------------------------------------------

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
        self.change(REMOTE_OPEN)
        window = self.window
        assert window is not None
        window.next_incoming_id = next_outgoing_id & 0xFFFFFFFF
        window.remote_incoming_window = incoming_window
        window.resize()  # the application may have changed it meanwhile
        if handle_max is not None:
            window.remote_handle_max = handle_max
        window.transport.wake()  # for the attaches that waited for this
        self.remote_offered_capabilities = of_symbols(offered_capabilities)
        self.remote_desired_capabilities = of_symbols(desired_capabilities)
        self.remote_properties = properties
        self.connection.emit(Event.SESSION_REMOTE_OPEN, self)

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
        window = self.window
        assert window is not None
        if window.end_sent:
            return  # it will never be answered, and its session's end is on the way
        if handle in window.handles_in:
            if not naming.was_stolen(window.handles_in[handle]):
                text = "attach %r on handle %d, which is in use" % (name, handle)
                raise RemoteProtocolError(HANDLE_IN_USE, text, "session")
            self.recv_detach(handle, True)
        if snd_settle_mode not in (None, 0, 1, 2) or rcv_settle_mode not in (None, 0, 1):
            text = "attach %r with the settle modes %r and %r, which there are not [2.8.2, 2.8.3]"
            raise RemoteProtocolError(INVALID_FIELD, text % (name, snd_settle_mode, rcv_settle_mode), "session")
        most, size = self.largest_handle(), window.transport.frame_size
        if handle > most:
            raise RemoteProtocolError(
                FRAMING_ERROR, "attach %r on handle %d, above handle-max %d" % (name, handle, most)
            )
        link = naming.find(self, name, role)
        window.transport.limits.admit_link(self.connection, size, link is None)
        if link is None:
            naming.steal(self.connection, name, role)
            link = self.sender(name) if role else self.receiver(name)
            link.passive = True
            if snd_settle_mode in (0, 1):
                link.snd_settle_mode = snd_settle_mode  # do as asked, unless the application decides otherwise
            if rcv_settle_mode == 1 and link.is_sender:
                link.rcv_settle_mode = rcv_settle_mode
        link.change(REMOTE_OPEN)
        link.weight = size
        self.weight += size
        window.handles_in[handle] = link
        link.handle_in = handle
        if link.window is None:
            link.window = window
        link.remote_snd_settle_mode = SND_MIXED if snd_settle_mode is None else snd_settle_mode
        link.remote_rcv_settle_mode = rcv_settle_mode or 0
        link.remote_source = Terminus.from_wire(source, Terminus.SOURCE)
        link.remote_target = Terminus.from_wire(target, Terminus.TARGET)
        link.remote_max_message_size = max_message_size or 0
        link.remote_offered_capabilities = of_symbols(offered_capabilities)
        link.remote_desired_capabilities = of_symbols(desired_capabilities)
        link.remote_properties = properties
        if isinstance(link, Receiver):
            # A sender must say where it starts counting; 0 is what is meant when it does not.
            link.delivery_count = (initial_delivery_count or 0) & 0xFFFFFFFF
        elif isinstance(link, Sender):
            link.measure()
        if link.handle_out is not None and naming.looks_refused(link):
            window.transport.doubt(link)  # the detach that says why comes next; anything else says that it is open
        else:
            link.confirm()

    def recv_detach(self, handle: int, closed: Optional[bool] = False, error: Any = None) -> None:
        """The peer detaches or closes a link [2.7.7]."""
        window = self.window
        assert window is not None
        link = window.handles_in.get(handle)
        if link is None:
            raise RemoteProtocolError(
                UNATTACHED_HANDLE, "detach of handle %d, which is not attached" % handle, "session"
            )
        link.change(REMOTE_CLOSE)
        condition = Condition.from_wire(error)
        told = link.is_blamed
        link.remote_condition = condition or link.remote_condition  # its own reason says more than the fault does
        # A peer may answer close with a plain detach (RabbitMQ does, every time): what we asked for counts.
        link.remote_detached = not closed and not (link.detach_sent and not link.detached)
        del window.handles_in[handle]
        link.handle_in = None
        if closed and link.detach_sent and link.detached and link.condition is None:
            naming.close_again(link)
        if link.is_sender:
            sent_away = condition is not None and condition.name == LINK_REDIRECT
            comes_back = self.connection.lasting and (sent_away or passes(condition))
            link.abandon(comes_back)  # a receiver's outcomes may still go before our own detach
        if not told:
            self.connection.emit(Event.LINK_REMOTE_DETACH if link.remote_detached else Event.LINK_REMOTE_CLOSE, link)
        self._release(link)
        self.connection.work_on(link)

    def _release(self, link: Link) -> None:
        """Free the handle, and forget the link, once both sides have let go of it."""
        window = self.window
        if window is None or not link.detach_sent or not link.state & REMOTE_CLOSED:
            return
        if link.handle_out is not None:
            window.handles_out.pop(link.handle_out, None)
        link.leave_wire()
        link.detach_sent = True  # it has had its life on this wire: the work left for it must not attach it again
        self.forget(link)

    def recv_end(self, error: Any = None) -> None:
        """The peer ends the session [2.7.8]: with it every link in it."""
        self.change(REMOTE_CLOSE)
        condition = Condition.from_wire(error)
        told = self.is_blamed
        self.remote_condition = condition or self.remote_condition  # as in `recv_detach`
        window = self.window
        assert window is not None
        window.transport.release_input(window)
        window.part()
        for link in self.links():
            self._end_link(link)
        window.parted = None
        if not told:
            self.connection.emit(Event.SESSION_REMOTE_CLOSE, self)
        if window.end_sent:
            self._leave()
        self.connection.work_on(self)

    def _end_link(self, link: Link) -> None:
        """The peer has ended the session: nobody will answer for its links any more. Whoever waits for the answer to
        an attach is told that it is refused, for the session's reason: some peers refuse in no other way. Whoever
        waits for that to a detach has been heard."""
        if link.state & LOCAL_ACTIVE and not link.state & REMOTE_CLOSED and link.remote_condition is None:
            link.remote_condition = self.remote_condition
        link.abandon(self.connection.lasting and passes(self.remote_condition))
        if not link.is_attaching() and not link.state & LOCAL_CLOSED:
            return  # it was in use: that its session has ended says all
        if link.state & REMOTE_CLOSED or self.state & LOCAL_CLOSED:
            return
        link.end_unanswered()

    def refuse(self, endpoint: Union[Handshakes, Link], condition: Condition) -> None:
        """This session, or a link of it, cannot be opened on this wire: the application sees it as if the peer
        had refused, and what was sent over it will not leave."""
        if isinstance(endpoint, Link) and not endpoint.state & REMOTE_UNINIT:
            # The peer has attached it and waits for our attach: it can be told no less than this.
            endpoint.abandon()
            endpoint.detach_sent = True  # it will have no handle here
            self.condition = condition
            self.close()
            return
        for what in (REMOTE_OPEN, REMOTE_CLOSE):
            endpoint.change(what)
        endpoint.remote_condition = condition
        if isinstance(endpoint, Link):
            endpoint.detach_sent = True
            endpoint.abandon()
            self.connection.emit(Event.LINK_REMOTE_CLOSE, endpoint)
            return
        for link in self.links():
            link.abandon()
            self._end_link(link)
        self.connection.emit(Event.SESSION_REMOTE_CLOSE, self)

    def send_answer(self, window: Window) -> None:
        """The peer has ended the session on this wire: end it here as well. It is not forgotten."""
        transport = window.transport
        if not window.end_sent:
            window.end_sent = True
            write_frame(transport.plain, window.channel, encode_composite(END, [None]))
            transport.frames_output += 1
            transport.wake()
        transport.release_output(window)

    def _leave(self) -> None:
        """Both ends have gone out: the channel is free."""
        window = self.window
        if window is not None:
            window.transport.release_output(window)
            window.close()
        self.connection.forget(self)
