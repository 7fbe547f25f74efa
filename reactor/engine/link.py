"""Link, Sender, Receiver: one direction of messages between two termini [2.6].

A link holds what the application wants of it (termini, modes, credit) and what the peer answered, and queues
deliveries. Which transfer leaves when, and what arrives, is the business of the window it is attached through
(window.py). It knows its session, and no frame.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Iterator, Optional, Union

from reactor.codec.performatives import encode_composite
from reactor.codec.types import ulong
from reactor.codec.definitions import ATTACH
from reactor.engine.delivery import LOST, OPEN, PRE_SETTLED, Delivery
from reactor.engine.endpoint import LOCAL_ACTIVE, LOCAL_CLOSE, LOCAL_OPEN, REMOTE_UNINIT, Endpoint
from reactor.engine.events import Event
from reactor.engine.terminus import Terminus, symbol_keys, symbol_list
from reactor.errors import ILLEGAL_STATE, LocalProtocolError

if TYPE_CHECKING:
    from reactor.engine.connection import Connection
    from reactor.engine.session import Session
    from reactor.engine.window import Window

SND_UNSETTLED, SND_SETTLED, SND_MIXED = 0, 1, 2
RCV_FIRST, RCV_SECOND = 0, 1


class Link(Endpoint):
    """What sender and receiver have in common. `session.sender(name)` and `session.receiver(name)` make them.

    name: the link's name; both ends know it by that.
    source, target: what this side asks for; remote_source, remote_target: what the peer said.
    snd_settle_mode: SND_UNSETTLED, SND_SETTLED or SND_MIXED (default). rcv_settle_mode: RCV_FIRST (default) or
        RCV_SECOND. remote_snd_settle_mode, remote_rcv_settle_mode: the peer's.
    max_message_size: bytes of the largest message that this side takes, 0 for no limit (default).
    remote_max_message_size: the peer's.
    properties, remote_properties: dicts with symbol keys, or None.
    offered_capabilities, desired_capabilities: names or lists of them, or None; remote_...: the peer's.
    available: how many messages the sender says it could send, were there credit.
    drain_mode: whether the sender is to use up its credit at once, with messages or without.
    unsettled: how many deliveries are not settled here.
    context: the application's own; nothing here looks at it.
    """

    __slots__ = (
        "session",
        "name",
        "source",
        "target",
        "remote_source",
        "remote_target",
        "snd_settle_mode",
        "rcv_settle_mode",
        "remote_snd_settle_mode",
        "remote_rcv_settle_mode",
        "max_message_size",
        "remote_max_message_size",
        "properties",
        "remote_properties",
        "offered_capabilities",
        "desired_capabilities",
        "remote_offered_capabilities",
        "remote_desired_capabilities",
        "available",
        "drain_mode",
        "unsettled",
        "context",
        "detached",
        "remote_detached",
        "window",
        "handle_out",
        "handle_in",
        "detach_sent",
        "deaf",
        "wire_credit",
        "delivery_count",
        "transfer_in_progress",
        "options",
    )

    SND_UNSETTLED, SND_SETTLED, SND_MIXED = SND_UNSETTLED, SND_SETTLED, SND_MIXED
    RCV_FIRST, RCV_SECOND = RCV_FIRST, RCV_SECOND

    is_sender = False
    is_receiver = False

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session)
        self.session = session
        self.name = name
        self.source = Terminus(Terminus.SOURCE)
        self.target = Terminus(Terminus.TARGET)
        self.remote_source = Terminus(Terminus.UNSPECIFIED)
        self.remote_target = Terminus(Terminus.UNSPECIFIED)
        self.snd_settle_mode = SND_MIXED
        self.rcv_settle_mode = RCV_FIRST
        self.remote_snd_settle_mode = SND_MIXED
        self.remote_rcv_settle_mode = RCV_FIRST
        self.max_message_size = 0
        self.remote_max_message_size = 0
        self.properties: Optional[dict[Any, Any]] = None
        self.remote_properties: Optional[dict[Any, Any]] = None
        self.offered_capabilities: Any = None
        self.desired_capabilities: Any = None
        self.remote_offered_capabilities: Any = None
        self.remote_desired_capabilities: Any = None
        self.available = 0
        self.drain_mode = False
        self.unsettled = 0
        self.context: Any = None
        self.detached = False  # this side detaches instead of closing
        self.remote_detached = False
        # What belongs to the wire, and starts anew with each: how the window knows the link, and the credit.
        self.window: Optional[Window] = None
        self.handle_out: Optional[int] = None
        self.handle_in: Optional[int] = None
        self.detach_sent = False
        self.deaf = False  # what still comes in is passed over: we detached, or the peer broke the rules here
        self.wire_credit = 0
        self.delivery_count = 0
        self.transfer_in_progress: Optional[Delivery] = None  # some of its frames have gone, or come

    # -- life --------------------------------------------------------------------------------------------------

    @property
    def connection(self) -> Connection:
        """The connection of the session."""
        return self.session.connection

    @property
    def transport(self) -> Any:
        """The transport that carries the connection, or None."""
        return self.session.connection.transport

    def open(self) -> None:
        """Attach the link. Raises DataException, naming the field, when something set on it cannot be written,
        and LocalProtocolError when it was closed before."""
        encode_composite(ATTACH, self.attach_fields(0))  # for its error, at the call that caused it
        if self.change(LOCAL_OPEN):
            self._emit(Event.LINK_LOCAL_OPEN)

    def close(self) -> None:
        """Close the link: what is queued leaves first. The peer may free its end, a subscription for one."""
        if self.change(LOCAL_CLOSE):
            self._emit(Event.LINK_LOCAL_CLOSE)

    def detach(self) -> None:
        """Detach the link without closing it: the peer keeps its end if that was made to last [2.6.3]."""
        if self.change(LOCAL_CLOSE):
            self.detached = True
            self._emit(Event.LINK_LOCAL_DETACH)

    def free(self) -> None:
        """Take the link out of its session. Its deliveries are forgotten."""
        self.session.forget(self)

    def _emit(self, etype: Any) -> None:
        connection = self.session.connection
        connection.emit(etype, self)
        connection.work_on(self)

    def next(self, mask: int) -> Optional[Link]:
        """The next link of the connection whose state agrees with `mask`, or None."""
        seen = False
        for link in self.connection.links(0):
            if seen and link.matches(mask):
                return link
            seen = seen or link is self
        return None

    def describe(self) -> str:
        """The link in a few words, for messages to a person."""
        kind, near, far = ("sender to", self.target, self.remote_target)
        if not self.is_sender:
            kind, near, far = ("receiver from", self.source, self.remote_source)
        return "%s %s" % (kind, near.address or far.address or "anonymous node")

    def __repr__(self) -> str:
        return "<%s %r: %s>" % (type(self).__name__, self.name, self.describe())

    # -- deliveries --------------------------------------------------------------------------------------------

    @property
    def current(self) -> Optional[Delivery]:
        """The delivery that is to be written to, or read from, next; None when there is none."""
        raise NotImplementedError

    @property
    def queued(self) -> int:
        """Sender: deliveries that have not left. Receiver: deliveries that were not read."""
        raise NotImplementedError

    @property
    def credit(self) -> int:
        """How many deliveries may still be sent. A receiver counts those that it has not read as not sent."""
        raise NotImplementedError

    def delivery(self, tag: Union[str, bytes]) -> Delivery:
        """A new delivery with this tag, to be written with `stream` and finished with `advance`."""
        raise LocalProtocolError(ILLEGAL_STATE, "only a sender makes deliveries", "link")

    def advance(self) -> bool:
        """Go on to the next delivery: a sender's current one is complete, a receiver's has been read.
        Returns whether there was one."""
        raise NotImplementedError

    @property
    def unsettled_deliveries(self) -> Iterator[Delivery]:
        """The deliveries that are not settled here, oldest first."""
        raise NotImplementedError

    @property
    def unsettled_head(self) -> Optional[Delivery]:
        """The oldest delivery that is not settled here, or None."""
        return next(self.unsettled_deliveries, None)

    # -- the wire ------------------------------------------------------------------------------------------------

    def attach_fields(self, handle: int) -> list[Any]:
        """The fields of our attach [2.7.3]."""
        return [
            self.name,
            handle,
            self.is_receiver,
            self.snd_settle_mode,
            self.rcv_settle_mode,
            self.source.to_wire(),
            self.target.to_wire(),
            None,
            None,
            self.delivery_count if self.is_sender else None,
            ulong(self.max_message_size) if self.max_message_size else None,
            symbol_list(self.offered_capabilities),
            symbol_list(self.desired_capabilities),
            symbol_keys(self.properties),
        ]

    def leave_wire(self) -> None:
        """The wire is gone, or the link on it: nothing that is on its way will ever be heard of again."""
        self.abandon()
        self.window = self.handle_out = self.handle_in = self.transfer_in_progress = None
        self.detach_sent = self.deaf = False
        self.wire_credit = 0

    def abandon(self) -> None:
        """Give up what is unsettled: outcomes will not come, and ours would not arrive."""
        window = self.window
        for delivery in list(self.unsettled_deliveries):
            if window is not None and delivery.id is not None:
                (window.unsettled_out if self.is_sender else window.unsettled_in).pop(delivery.id, None)
            delivery.fate = LOST
            delivery.window = None
            if self.is_sender:
                self.connection.emit(Event.DELIVERY_IN_DOUBT, delivery)
        self.unsettled = 0

    def reset(self) -> None:
        """Be as before the peer was heard of, ready for a new wire."""
        self.leave_wire()
        self.state = self.state & (LOCAL_ACTIVE | self.LOCAL_UNINIT | self.LOCAL_CLOSED) | REMOTE_UNINIT
        self.remote_condition = None
        self.remote_detached = False


class Sender(Link):
    """A link over which this side sends.

    tag_generator: called without arguments for each message, returns its tag (str or bytes of at most 32);
        None, the default, counts from 1.
    """

    __slots__ = ("pending", "waiting", "_queued", "tag_generator", "_tags", "writer", "writer_key", "first_delivery_count")

    is_sender = True

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session, name)
        self.pending: Deque[Delivery] = deque()  # made by delivery(), not yet complete
        self.waiting: Deque[Delivery] = deque()  # complete, but without credit or behind another
        self._queued = 0
        self.tag_generator: Optional[Callable[[], Union[str, bytes]]] = None
        self._tags = 0
        self.writer: Any = None
        self.writer_key = -1
        self.first_delivery_count = 0  # what our attach says

    @property
    def queued(self) -> int:
        return self._queued

    @property
    def credit(self) -> int:
        return self.wire_credit - self._queued

    @property
    def current(self) -> Optional[Delivery]:
        return self.pending[0] if self.pending else None

    @property
    def unsettled_deliveries(self) -> Iterator[Delivery]:
        window = self.window
        if window is not None:
            for delivery in window.unsettled_out.values():
                if delivery.link is self:
                    yield delivery
            for delivery in window.outgoing:
                if delivery.link is self and delivery.id is None and not delivery.fate:
                    yield delivery
        for delivery in self.waiting:
            if delivery.id is None and not delivery.fate:
                yield delivery
        for delivery in self.pending:
            if delivery.id is None and not delivery.queued:
                yield delivery

    def delivery_tag(self) -> Union[str, bytes]:
        """The next delivery tag."""
        if self.tag_generator is not None:
            return self.tag_generator()
        self._tags += 1
        return "%d" % self._tags

    def send(self, obj: Any, tag: Union[str, bytes, None] = None) -> Any:
        """Send a Message and return its Delivery; or write bytes to the current delivery and return their number.

        tag: the delivery's tag; None asks `delivery_tag()`. Without credit the message waits here until there
        is some. Raises LocalProtocolError when the link is closed, MessageException or DataException, naming
        the field, when the message cannot be encoded; nothing is sent then.
        """
        if isinstance(obj, (bytes, bytearray, memoryview)):
            return self.stream(obj)
        if self.pending or not hasattr(obj, "encode"):
            return obj.send(self, tag)
        return self.transmit(obj.encode(), tag)

    def transmit(self, payload: bytes, tag: Union[str, bytes, None] = None) -> Delivery:
        """Send an encoded message as one delivery, and return that. Raises as `send` does."""
        if self.state & (LOCAL_ACTIVE | self.REMOTE_CLOSED) != LOCAL_ACTIVE:
            raise self._not_open()
        if tag is None and self.tag_generator is None:
            self._tags += 1
            raw = b"%d" % self._tags
        else:
            raw = _tag_bytes(self.delivery_tag() if tag is None else tag)
        window = self.window
        delivery = Delivery(self, window, raw, None, payload)
        if self.snd_settle_mode == SND_SETTLED:
            delivery.fate = PRE_SETTLED
        else:
            self.unsettled += 1
        self._queued += 1
        if window is None:
            self.waiting.append(delivery)
        else:
            outgoing = window.outgoing
            if not outgoing:
                window.touch()
            outgoing.append(delivery)
        return delivery

    def _not_open(self) -> LocalProtocolError:
        state = "not open" if self.state & self.LOCAL_UNINIT else "closed"
        return LocalProtocolError(ILLEGAL_STATE, "%r is %s; nothing can be sent over it" % (self, state), "link")

    def delivery(self, tag: Union[str, bytes]) -> Delivery:
        """A new delivery with this tag, to be written with `stream` and finished with `advance`.

        tag: str or bytes of at most 32; ValueError if longer, TypeError if something else.
        """
        if self.state & (LOCAL_ACTIVE | self.REMOTE_CLOSED) != LOCAL_ACTIVE:
            raise self._not_open()
        delivery = Delivery(self, self.window, _tag_bytes(tag), None, b"")
        delivery.partial = True
        self.unsettled += 1
        self.pending.append(delivery)
        return delivery

    def stream(self, data: Union[bytes, bytearray, memoryview]) -> int:
        """Append bytes to the current delivery; returns their number. They may leave before it is complete.

        Raises LocalProtocolError when there is no current delivery.
        """
        delivery = self.current
        if delivery is None:
            raise LocalProtocolError(ILLEGAL_STATE, "%r has no current delivery to write to" % (self,), "link")
        if delivery.chunks is None:
            delivery.chunks = []
        delivery.chunks.append(bytes(data))
        self._enqueue(delivery)
        return len(data)

    def advance(self) -> bool:
        if not self.pending:
            return False
        delivery = self.pending.popleft()
        delivery.partial = False
        if self.snd_settle_mode == SND_SETTLED and delivery.fate == OPEN:
            delivery.fate = PRE_SETTLED
            self.unsettled -= 1
        self._enqueue(delivery)
        return True

    def _enqueue(self, delivery: Delivery) -> None:
        """Have a delivery sent as far as it is written. It is queued once, at its first byte or its end."""
        window = self.window
        if not delivery.queued:
            delivery.queued = True
            self._queued += 1
            if window is None or self.waiting:
                self.waiting.append(delivery)
            else:
                window.outgoing.append(delivery)
        elif delivery is self.transfer_in_progress and window is not None and delivery not in window.outgoing:
            window.outgoing.append(delivery)
        if window is not None:
            window.touch()

    def abort(self, delivery: Delivery) -> None:
        """What Delivery.abort does: a delivery of which nothing has left is dropped, else the peer is told."""
        started = delivery is self.transfer_in_progress
        if delivery.id is not None and not started:
            return  # it has left as a whole
        counted = delivery.queued or not delivery.partial
        if delivery in self.pending:
            self.pending.remove(delivery)
        delivery.partial = False
        delivery.payload, delivery.chunks = b"", None
        if started:
            self._enqueue(delivery)
            return
        if counted:
            self._queued -= 1
        if delivery.fate == OPEN:
            self.unsettled -= 1
        delivery.fate = LOST  # where it is queued, it is passed over

    def offered(self, n: int) -> None:
        """Tell the receiver, with the next flow, that `n` messages are available. ValueError if negative."""
        if n < 0:
            raise ValueError("offered must not be negative: %d" % n)
        self.available = n

    def drained(self) -> int:
        """Give back the credit that is left, when the receiver asked for that (`drain_mode`): there is nothing
        to send. Returns how much it was [2.6.7]."""
        unused = self.credit
        window = self.window
        if not self.drain_mode or unused <= 0 or window is None:
            return 0
        self.delivery_count = (self.delivery_count + unused) & 0xFFFFFFFF
        self.wire_credit -= unused
        window.tell_flow(self)
        return unused

    def abandon(self) -> None:
        super().abandon()
        self.waiting.clear()
        self.pending.clear()
        self._queued = 0
        self.writer_key = -1


class Receiver(Link):
    """A link over which this side receives.

    prefetch: the credit window: whenever half of it is used up it is filled again, once per turn. None (the
        default) leaves credit to `flow`.
    max_unsettled: bounds credit and unsettled deliveries together; None (the default) for no bound.
    auto_accept: whether handlers accept what the application says nothing about; None leaves it to the handler.
    """

    __slots__ = ("incoming", "_prefetch", "_max_unsettled", "auto_accept", "refill_at", "_drained", "received")

    is_receiver = True

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session, name)
        self.incoming: Deque[Delivery] = deque()
        self._prefetch: Optional[int] = None
        self._max_unsettled: Optional[int] = None
        self.auto_accept: Optional[bool] = None
        self.refill_at = -1
        self._drained = 0
        self.received = 0  # bytes of the delivery that is coming in

    @property
    def prefetch(self) -> Optional[int]:
        """See the class. Setting it grants the credit that is missing; ValueError if negative."""
        return self._prefetch

    @prefetch.setter
    def prefetch(self, prefetch: Optional[int]) -> None:
        self._prefetch = _check_count("prefetch", prefetch)
        self._set_refill()

    @property
    def max_unsettled(self) -> Optional[int]:
        """See the class. ValueError if negative."""
        return self._max_unsettled

    @max_unsettled.setter
    def max_unsettled(self, most: Optional[int]) -> None:
        self._max_unsettled = _check_count("max_unsettled", most)
        self._set_refill()

    def _set_refill(self) -> None:
        self.refill_at = -1 if not self._prefetch else self._prefetch // 2
        if self.window is not None:
            self.window.tell_flow(self)

    @property
    def queued(self) -> int:
        return len(self.incoming)

    @property
    def credit(self) -> int:
        return self.wire_credit + len(self.incoming)

    @property
    def current(self) -> Optional[Delivery]:
        return self.incoming[0] if self.incoming else None

    @property
    def unsettled_deliveries(self) -> Iterator[Delivery]:
        if self.window is not None:
            for delivery in self.window.unsettled_in.values():
                if delivery.link is self and not delivery.fate:
                    yield delivery

    def grant(self) -> None:
        """Fill the credit window again, as far as the bounds allow. The window calls it when it writes a flow."""
        if not self._prefetch or self.drain_mode or not self.state & LOCAL_ACTIVE:
            return
        missing = self._prefetch - self.wire_credit - len(self.incoming)
        if self._max_unsettled is not None:
            missing = min(missing, self._max_unsettled - self.unsettled - self.wire_credit)
        if missing > 0:
            self.wire_credit += missing

    def flow(self, n: int) -> None:
        """Grant credit for `n` more messages. ValueError if negative."""
        _check_count("credit", n)
        self.drain_mode = False
        self._add_credit(n)

    def drain(self, n: int) -> None:
        """Grant credit for `n` more messages, and have the sender use up all credit now [2.6.7]: `draining()`
        is true until it has. ValueError if negative."""
        _check_count("credit", n)
        self.drain_mode = True
        self._add_credit(n)

    def _add_credit(self, n: int) -> None:
        if self.wire_credit + n > 0xFFFFFFFF:
            raise ValueError("the credit of a link is at most 4294967295, not %d" % (self.wire_credit + n))
        self.wire_credit += n
        if self.window is not None:
            self.window.tell_flow(self)

    def draining(self) -> bool:
        """Whether a drain was asked for and the sender has not used up or given back all credit."""
        return self.drain_mode and self.wire_credit > 0

    def drained(self) -> int:
        """How much credit the sender gave back unused since this was last asked."""
        drained, self._drained = self._drained, 0
        return drained

    def recv(self, limit: int) -> Optional[bytes]:
        """At most `limit` bytes of the current delivery; b"" when none are there yet, None at its end or when
        there is no delivery."""
        delivery = self.current
        if delivery is None:
            return None
        if delivery.chunks:
            delivery.payload = b"".join([delivery.payload, *delivery.chunks])
            delivery.chunks = None
        data: bytes = delivery.payload[:limit]
        if not data and not delivery.partial:
            return None
        delivery.payload = delivery.payload[len(data) :]
        return data

    def advance(self) -> bool:
        delivery = self.current
        if delivery is None:
            return False
        if delivery.partial:
            self.incoming.popleft()
            delivery.payload, delivery.chunks, delivery.queued = b"", None, True
        else:
            delivery.take()
        return True

    def abandon(self) -> None:
        super().abandon()
        self.received = 0


def _check_count(name: str, value: Any) -> Any:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError("%s must be a number of messages, not %r" % (name, value))
    return value


def _tag_bytes(tag: Union[str, bytes]) -> bytes:
    """A delivery tag is binary of at most 32 bytes [2.8.7]."""
    raw = tag.encode("utf-8", "surrogateescape") if isinstance(tag, str) else tag
    if not isinstance(raw, bytes):
        raise TypeError("a delivery tag must be str or bytes, not %r" % (tag,))
    if len(raw) > 32:
        raise ValueError("a delivery tag has at most 32 bytes: %r" % (tag,))
    return raw
