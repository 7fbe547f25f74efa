"""Session: a container of links, as the application holds it [2.5].

It holds the wishes of the application and survives the wire. The state of the wire (ids, windows, handles) is its
`channel`, made when the session begins on a wire and dropped with it (wire/channel.py).
"""

from __future__ import annotations

from reactor.codec.definitions import BEGIN
from reactor.codec.message import Message
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.delivery import SETTLED_HERE, Delivery
from reactor.engine.endpoints.disposition import ACCEPTED, TERMINAL, TRANSACTIONAL_STATE, Disposition, DispositionType
from reactor.engine.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSE,
    LOCAL_CLOSED,
    LOCAL_GONE,
    LOCAL_OPEN,
    REMOTE_CLOSE,
    REMOTE_CLOSED,
    REMOTE_GONE,
    REMOTE_OPEN,
    REMOTE_UNINIT,
    WIRE_LOST,
    Endpoint,
)
from reactor.engine.endpoints.fields import link_name, symbol_keys, symbol_list
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.queues import NOTHING
from reactor.engine.endpoints.receiver import Receiver, check_count
from reactor.engine.endpoints.sender import Sender
from reactor.engine.events import Event, EventType
from reactor.engine.modes import NONE, AcknowledgeMode
from reactor.errors import ILLEGAL_STATE, LocalProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.reasons import passes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Optional, Union

    from reactor.codec.dicts import SymbolList
    from reactor.codec.types import AnyValue
    from reactor.engine.endpoints.condition import Condition
    from reactor.engine.endpoints.fields import Names
    from reactor.engine.interface import ChannelInterface, ConnectionInterface, WireInterface
    from reactor.engine.modes import Mode

#: So many links are looked through for a name.
FEW_LINKS = 8
#: Frames that a peer may send before our answer, when the application sets no `incoming_capacity`.
DEFAULT_WINDOW = 2048
#: The largest handle of ours, and of the peer's: handles begin at 0, so a session has at most one link more.
DEFAULT_HANDLE_MAX = 0x7FFF


class Session(Endpoint):
    """A session of a connection. `connection.session()` makes it.

    incoming_capacity: bytes that may come in without being read; it bounds the incoming window. A larger one, set
        when the session has begun, goes to the peer at once; a smaller one when the present window is used up. A
        message larger than that has to be read while it comes in. 0, the default, bounds the window to 2,048 frames,
        or fewer (`Limits.max_buffered_session_bytes`). Frames that continue an unread message do not count then
        before it is complete.
    outgoing_window: frames, for our begin; default 2,048.
    properties, offered_capabilities, desired_capabilities: for our begin; or None.
    remote_properties, remote_offered_capabilities, remote_desired_capabilities: those of the peer's begin.
    handle_max: the largest handle that either side may use; default 32,767, and never more than the transport's
        limits allow.
    first_outgoing_id: the first transfer and delivery id; default 0.
    acknowledge_mode: that of receivers which are made on it from now on: an AcknowledgeMode, its name or number; None
        (the default) for none. ValueError or TypeError for what is no mode.
    prefetch: that of receivers which are made on it from now on; None (the default) leaves credit to `flow`.
    max_unsettled: bounds credit and unsettled deliveries of all its receivers together: each has an equal part, and at
        least 1 (row R7); None (the default) for no bound. ValueError if negative.
    """

    __slots__ = (
        "connection",
        "channel",
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
        "_mode",
        "prefetch",
        "_max_unsettled",
        "passive",
        "weight",
    )

    def __init__(self, connection: ConnectionInterface) -> None:
        super().__init__(connection)
        self.connection = connection
        self.channel: Optional[ChannelInterface] = None
        self._links: dict[Link, None] = {}
        self._names: dict[str, list[Link]] = NOTHING  # the same by name, as a peer attaches them, where they are many
        self._incoming_capacity = 0
        self.outgoing_window = 0x7FFFFFFF if connection.original_ways else DEFAULT_WINDOW
        self.properties: Optional[dict[AnyValue, AnyValue]] = None
        self.offered_capabilities: Names = None
        self.desired_capabilities: Names = None
        self.remote_properties: Optional[dict[AnyValue, AnyValue]] = None
        self.remote_offered_capabilities: Optional[SymbolList] = None
        self.remote_desired_capabilities: Optional[SymbolList] = None
        self.handle_max = DEFAULT_HANDLE_MAX
        self.first_outgoing_id = 0
        self.context: AnyValue = None
        self._mode: Optional[AcknowledgeMode] = None
        self.prefetch: Optional[int] = None
        self._max_unsettled: Optional[int] = None
        self.passive = False  # begun by the peer: gone with the wire
        self.weight = 0  # bytes of the peer's begin, and of its attaches for the present links

    # -- the application's side --------------------------------------------------------------------------

    @property
    def incoming_capacity(self) -> int:
        """Bytes that may come in without being read; see the class."""
        return self._incoming_capacity

    @incoming_capacity.setter
    def incoming_capacity(self, size: int) -> None:
        self._incoming_capacity = size
        if self.channel is not None:
            self.channel.incoming.resize()

    @property
    def acknowledge_mode(self) -> Optional[AcknowledgeMode]:
        """The mode of the receivers that are made on it; see the class."""
        return self._mode

    @acknowledge_mode.setter
    def acknowledge_mode(self, mode: Mode) -> None:
        self._mode = None if mode is None else AcknowledgeMode.of(mode)

    @property
    def max_unsettled(self) -> Optional[int]:
        """The bound that its receivers have in common; see the class."""
        return self._max_unsettled

    @max_unsettled.setter
    def max_unsettled(self, most: Optional[int]) -> None:
        self._max_unsettled = None if most is None else check_count("max_unsettled", most)
        self.share_out()

    def share_out(self) -> None:
        """Give each receiver its part of `max_unsettled`: one has come or gone, or the number has changed."""
        receivers = [link for link in self._links if isinstance(link, Receiver) and link.may_go_on()]
        if self._max_unsettled is not None and receivers:
            part, rest = divmod(self._max_unsettled, len(receivers))
            for number, receiver in enumerate(receivers):
                receiver.set_share(max(1, part + (number < rest)))
        else:
            for receiver in receivers:
                receiver.set_share(None)

    @property
    def transport(self) -> Any:
        """The transport that carries the connection, or None."""
        return self.connection.transport

    def open(self) -> None:
        """Begin the session. Raises DataException, with the name of the field, when a value cannot be written, and
        LocalProtocolError when it was closed before."""
        encode_composite(BEGIN, self.begin_fields(None))  # for its error, at the call that caused it
        if self.change(LOCAL_OPEN):
            self._emit(Event.SESSION_LOCAL_OPEN)

    def acknowledge(
        self,
        delivery: Union[Delivery, Message, None] = None,
        outcome: Union[Disposition, DispositionType, int] = ACCEPTED,
        multiple: bool = False,
    ) -> int:
        """Settle messages that came over this session, whatever receiver they came to (rows Q1, J3).

        delivery: this one, or that of this message; None: all that were read and are not settled.
        outcome: ACCEPTED by default; REJECTED, RELEASED, MODIFIED, or a Disposition of one.
        multiple: `delivery` and all that came before it, in the order of their coming (row R1).

        Returns the number of messages. Raises LocalProtocolError for a delivery that is settled, was sent from here, or
        is of another session, and for a message that has come over no link; ValueError for a state that is no outcome.
        TypeError for what is neither. Nothing is settled then.
        """
        kind = outcome.type if isinstance(outcome, Disposition) else outcome
        if kind not in TERMINAL:
            raise ValueError("an outcome is ACCEPTED, REJECTED, RELEASED or MODIFIED, not %r" % (outcome,))
        named = self._delivery_of(delivery) if isinstance(delivery, Message) else delivery
        if named is None or multiple:
            if named is not None:
                self._check_own(named)
            unsettled = [] if self.channel is None else list(self.channel.incoming.unsettled.values())
            chosen = [one for one in unsettled if not one.fate and one.payload is None and not one.partial]
            chosen = [one for one in chosen if one.local_state is not TRANSACTIONAL_STATE]  # its transaction ends it
            if named is not None:
                chosen = chosen[: chosen.index(named) + 1] if named in chosen else []
        else:
            self._check_own(named)
            chosen = [named]
        for one in chosen:
            one.finish(outcome)
        return len(chosen)

    @staticmethod
    def _delivery_of(message: Message) -> Delivery:
        if message.delivery is None:
            text = "acknowledge(): %r has come over no link"
            raise LocalProtocolError(ILLEGAL_STATE, text % (message,), "session")
        return message.origin  # type: ignore[return-value]  # the one delivery that a message knows

    def _check_own(self, delivery: Delivery) -> None:
        why = ""
        if not isinstance(delivery, Delivery):
            raise TypeError("acknowledge(): a Delivery or a message that came is named, not %r" % (delivery,))
        if delivery.link.session is not self:
            why = "is of another session"
        elif delivery.link.is_sender:
            why = "was sent from here: its receiver gives the outcome"
        elif delivery.fate == SETTLED_HERE:
            why = "is settled already"
        elif delivery.link.acknowledge_mode is NONE:
            why = "came settled: with acknowledge_mode NONE its sender hears of no outcome"
        if why:
            raise LocalProtocolError(ILLEGAL_STATE, "acknowledge(): %r %s" % (delivery, why), "session")

    def close(self) -> None:
        """End the session, with its links. Sent deliveries leave first."""
        if self.condition is not None:
            self.condition.check()
        if self.change(LOCAL_CLOSE):
            for link in self._links:
                link.cut_short()
            self._emit(Event.SESSION_LOCAL_CLOSE)
            if self.connection.is_between_wires():
                self.bury()

    def free(self) -> None:
        """Take the session out of its connection; its links go with it. SESSION_FINAL is its last event."""
        connection = self.connection
        connection.check()
        for link in self.links():
            link.free()
        if connection.take_out(self) or connection.release(self):
            connection.emit(Event.SESSION_FINAL, self)

    def _emit(self, etype: Any) -> None:
        self.connection.emit(etype, self)
        self.connection.changed(self)

    def sender(self, name: str) -> Sender:
        """A new sender of this name, to be opened. TypeError when the name is not a str."""
        self.connection.check()
        sender = Sender(self, link_name(name))
        self.add(sender)
        self.connection.emit(Event.LINK_INIT, sender)
        return sender

    def receiver(self, name: str) -> Receiver:
        """A new receiver of this name, to be opened. TypeError when the name is not a str."""
        self.connection.check()
        receiver = Receiver(self, link_name(name))
        if self._mode is not None:
            receiver.acknowledge_mode = self._mode
        if self.prefetch is not None:
            receiver.prefetch = self.prefetch
        self.add(receiver)
        self.connection.emit(Event.LINK_INIT, receiver)
        return receiver

    def add(self, link: Link) -> None:
        """Count `link` among the links of this session."""
        self._links[link] = None
        if self._names or len(self._links) > FEW_LINKS:
            for one in (link,) if self._names else self._links:
                self._names = self._names or {}
                self._names.setdefault(one.name, []).append(one)

    def links(self) -> Iterator[Link]:
        """The links of this session, oldest first."""
        return iter(list(self._links))

    def named(self, name: str) -> list[Link]:
        """The links of this name, oldest first."""
        return self._names.get(name, []) if self._names else [link for link in self._links if link.name == name]

    @property
    def link_count(self) -> int:
        """The number of links."""
        return len(self._links)

    def forget(self, link: Link) -> None:
        """A link has ended: take it out."""
        if self.take_out(link):
            self.connection.part(link)

    def take_out(self, link: Link) -> bool:
        """Take a link out without an event; returns whether it was there."""
        if self._links.pop(link, self) is not None:
            return False
        self.weight -= link.weight
        link.weight = 0
        if self._names:
            namesakes = self._names[link.name]
            namesakes.remove(link)
            if not namesakes:
                del self._names[link.name]
        return True

    def next(self, mask: int) -> Optional[Session]:
        """The next session of the connection in a state of `mask`, or None."""
        seen = False
        session: Session
        for session in self.connection.sessions(0):
            if seen and session.matches(mask):
                return session
            seen = seen or session is self
        return None

    @property
    def incoming_bytes(self) -> int:
        """Bytes that have arrived and were not read."""
        return sum(d.pending for link in self._links if isinstance(link, Receiver) for d in link.incoming)

    @property
    def outgoing_bytes(self) -> int:
        """Bytes that were written by the application and have not left."""
        there = dict.fromkeys(self.channel.outgoing.queue) if self.channel is not None else {}
        for link in self._links:
            if isinstance(link, Sender):
                there.update(dict.fromkeys((*link.waiting, *link.pending)))
        return sum(delivery.pending for delivery in there)

    # -- the wire ----------------------------------------------------------------------------------------

    def incoming_frames(self, wire: Optional[WireInterface] = None) -> int:
        """The incoming window when nothing is unread, in frames."""
        if self._incoming_capacity:
            frame = wire.max_frame_size if wire is not None else 0
            return max(1, self._incoming_capacity // (frame or self._incoming_capacity))
        most = 0 if wire is None else wire.limits.max_buffered_session_bytes
        if wire is None or not most or not wire.max_frame_size:
            return DEFAULT_WINDOW
        return max(1, min(DEFAULT_WINDOW, most // wire.max_frame_size))

    def largest_handle(self) -> int:
        """The handle-max of our begin; it holds for both sides."""
        transport = self.connection.transport
        return self.handle_max if transport is None else min(self.handle_max, transport.limits.max_links - 1)

    def begin_fields(self, remote_channel: Optional[int]) -> list[Any]:
        """The fields of our begin [2.7.2]."""
        channel = self.channel
        return [
            remote_channel,
            self.first_outgoing_id,
            channel.incoming.incoming_window if channel is not None else self.incoming_frames(),
            self.outgoing_window,
            self.largest_handle(),
            symbol_list("offered_capabilities", self.offered_capabilities),
            symbol_list("desired_capabilities", self.desired_capabilities),
            symbol_keys("properties", self.properties),
        ]

    def holds_back(self) -> bool:
        """Whether a sent delivery has not left, and could."""
        return any(link.is_sender and link.has_more() and not link.state & REMOTE_CLOSED for link in self._links)

    def refuse(self, endpoint: Union[Session, Link], condition: Condition) -> None:
        """This session, or a link of it, cannot be opened on this wire: the application sees it as if the peer had
        refused it. Deliveries sent over it will not leave."""
        if isinstance(endpoint, Link) and not endpoint.state & REMOTE_UNINIT:
            # The peer has attached it and waits for our attach: no smaller answer than the session's end is left.
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
            self.end_link(link)
        self.connection.emit(Event.SESSION_REMOTE_CLOSE, self)

    def end_link(self, link: Link) -> None:
        """The peer has ended the session: no answer for its links will come any more. An attach without an answer
        counts as refused, for the session's reason: some peers refuse in no other way. A detach counts as answered."""
        if link.state & LOCAL_ACTIVE and not link.state & REMOTE_CLOSED and link.remote_condition is None:
            link.remote_condition = self.remote_condition
        link.abandon(self.connection.lasting and passes(self.remote_condition))
        if not link.is_attaching() and not link.state & LOCAL_CLOSED:
            return  # it was in use: the session's own event is enough
        if link.state & REMOTE_CLOSED or self.state & LOCAL_CLOSED:
            return
        link.end_unanswered()

    # -- another wire ------------------------------------------------------------------------------------

    def reset(self, lasting: bool = False) -> None:
        """Return to the state before the peer's begin, ready for a new wire. Endpoints closed here, or made by the
        peer, are not made again. `lasting`: whether unsent deliveries may wait for the new wire."""
        if self.channel is not None:
            self.channel.close(lasting)
        if self.bury():
            return
        self.change(WIRE_LOST)
        self.remote_condition = None
        for link in self.links():
            if not self.bury_link(link):
                link.reset(lasting)
        self.weight = 0
        self.held = False

    def hold(self) -> None:
        """The peer has ended the session for a reason that passes: answer, and keep it with its links, and their
        unsent deliveries, until `resume`."""
        if self.channel is not None:
            self.channel.answer_end()
        self.reset(True)
        self.held = True

    def resume(self) -> None:
        """Begin the session again that `hold` has kept, with its links."""
        self.held = False
        for endpoint in (self, *self.links()):
            self.connection.work_on(endpoint)

    def bury(self) -> bool:
        """Without a wire: forget the session if it has nothing to send over the next one."""
        if not self.passive and (not self.state & LOCAL_CLOSED or self.holds_back()):
            return False
        self._die(self, Event.SESSION_REMOTE_CLOSE)
        self.connection.forget(self)
        return True

    def bury_link(self, link: Link) -> bool:
        """Without a wire: forget the link if it has nothing to send over the next one."""
        if not link.passive and (not link.state & LOCAL_CLOSED or link.has_more()):
            return False
        self._die(link, Event.LINK_REMOTE_CLOSE)
        self.forget(link)
        return True

    @staticmethod
    def hold_link(link: Link) -> None:
        """The peer has detached `link`: answer, and keep it, with its unsent deliveries, until a session adopts it."""
        if link.channel is not None:
            link.channel.attachments.detach_now(link)
        link.reset(True)
        link.held = True

    def adopt(self, link: Link) -> None:
        """Attach `link` anew, here, to its present source and target. From now on it is a link of this session; perhaps
        it was before. Its unsent deliveries leave over the new attachment."""
        if not link.held:
            self.hold_link(link)
        old = link.session
        link.held = False
        if old is not self:
            old.take_out(link)
            old.connection.work.pop(link, None)
            link.session = link.parent = self
            link.born = self.connection.count_link()
            self.add(link)
        self.connection.work_on(link)

    def _die(self, endpoint: Endpoint, etype: EventType) -> None:
        """The endpoint has ended with the wire, and no answer will come. If the application has closed it, the
        event of the peer's close is its answer."""
        told = bool(endpoint.state & REMOTE_CLOSED) or endpoint.is_blamed
        asked = bool(endpoint.state & LOCAL_CLOSED)
        endpoint.change(LOCAL_GONE)
        endpoint.change(REMOTE_GONE)
        self.connection.work.pop(endpoint, None)
        if asked and not told:
            self.connection.emit(etype, endpoint)

    def __repr__(self) -> str:
        where = "" if self.channel is None else " on channel %d" % self.channel.number
        return "<Session%s of %r>" % (where, self.connection)
