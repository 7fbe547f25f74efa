"""Sender: the end of a link that messages leave from.

The application enters by `send`; its messages are queued in the channel of the session, in the order of the calls,
or here while there is no credit or no wire. It knows no frame.
"""

from __future__ import annotations

from collections import deque

from reactor.codec.long_payload import LongPayload
from reactor.codec.message import Message
from reactor.engine.endpoints import delivery as fates
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import LOST, OPEN, PRE_SETTLED, SETTLED_BY_PEER, SETTLED_HERE, Delivery
from reactor.engine.endpoints.disposition import REJECTED, TERMINAL, TRANSACTIONAL_STATE, RejectedDisposition
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED
from reactor.engine.endpoints.link import SND_SETTLED, Link
from reactor.engine.endpoints.queues import NONE_PENDING, NONE_WAITING
from reactor.engine.endpoints.tags import GivenTags, tag_bytes
from reactor.engine.events import Event
from reactor.errors import ILLEGAL_STATE, MESSAGE_SIZE_EXCEEDED, LocalProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Optional, Union

    from reactor.engine.interface import SessionInterface

#: A receiver can grant four billion. An application that sends while there is credit shall come to an end of that, and
#: get an event to go on when some has left: no transfer window is larger than that, as a rule.
MOST_AHEAD = 2048

NONE_RELEASED: frozenset[Delivery] = frozenset()

_OPEN_BITS = LOCAL_ACTIVE | LOCAL_CLOSED | REMOTE_CLOSED


class Sender(Link):
    """A link over which this side sends.

    tag_generator: called without arguments for each message, returns its tag (str or bytes of at most 32);
        None, the default, counts from 1.
    send_timeout: seconds within which the outcome of a delivery is to come; None (default) for no limit. The
        driver of the engine keeps the time.
    watch: called with each new delivery; or None.
    resend: whether a message that has left and has no outcome when the wire is lost is sent again, over the next
        one, with the same Delivery: it may then come twice. False, the default: it is in doubt. To be set before open.
    """

    __slots__ = (
        "pending",
        "waiting",
        "released",
        "unsent",
        "tag_generator",
        "_given",
        "counted",
        "drawn",
        "writer",
        "writer_key",
        "first_delivery_count",
        "resend",
        "send_timeout",
        "watch",
        "_streamed",
        "given_back_early",
        "unheard",
        "stranded",
    )

    is_sender, kind, until_close = True, Delivery, False  # or it takes messages while a close waits for those of others

    def __init__(self, session: SessionInterface, name: str) -> None:
        super().__init__(session, name)
        self.pending: deque[Delivery] = NONE_PENDING  # made by delivery(), not yet complete
        self.waiting: deque[Delivery] = NONE_WAITING  # complete, but without credit or behind another
        self.released: frozenset[Delivery] = NONE_RELEASED  # in the queue, before those that wait
        self.unsent = self.stranded = 0  # the second: those that can never leave, which the original goes on counting
        self.tag_generator: Optional[Callable[[], Union[str, bytes]]] = None
        self.counted = 0  # the last number that was given as a tag
        self.drawn = 0  # the last one that delivery_tag() has given, until it is used
        self._given: Optional[GivenTags] = None
        self.writer: Any = None
        self.writer_key = -1
        self.first_delivery_count = 0  # the initial-delivery-count of our attach
        self.resend = False
        self.send_timeout: Optional[float] = None
        self.watch: Optional[Callable[[Delivery], None]] = getattr(session.connection.hooks, "sent", None)
        self._streamed: tuple[Optional[Delivery], int] = (None, 0)  # bytes that were written to it
        self.unheard = -1  # the number of `changes` when no method heard that it may go on
        self.given_back_early = 0  # credit: our attach, with the initial-delivery-count, has not left yet

    @property
    def queued(self) -> int:
        return self.unsent + self.stranded + (self.transfer_in_progress is not None)

    @property
    def credit(self) -> int:
        """The number of deliveries that can be sent now: the receiver's credit, but no more at a time than is sensible
        to have waiting, nor than may be unsettled in the session."""
        credit, channel = self.wire_credit, self.channel
        if credit > MOST_AHEAD:
            credit = MOST_AHEAD
        if channel is not None:
            outgoing = channel.outgoing
            if credit > outgoing.most_unsettled - len(outgoing.unsettled):
                credit = outgoing.most_unsettled - len(outgoing.unsettled)
                outgoing.send_blocked = True
        return credit - self.unsent

    @property
    def current(self) -> Optional[Delivery]:
        return self.pending[0] if self.pending else None

    @property
    def unsettled_deliveries(self) -> Iterator[Delivery]:
        outgoing = None if self.channel is None else self.channel.outgoing
        for delivery in () if outgoing is None else outgoing.unsettled.values():
            if delivery.link is self and not delivery.fate:
                yield delivery
        for delivery in (*(() if outgoing is None else outgoing.queue), *self.waiting):
            if delivery.link is self and delivery.id is None and not delivery.fate:
                yield delivery
        for delivery in self.pending:
            if delivery.id is None and not delivery.queued and not delivery.fate:
                yield delivery

    def delivery_tag(self) -> Union[str, bytes]:
        """The next delivery tag."""
        self.connection.check()
        if self.tag_generator is not None:
            return self.tag_generator()
        self.counted += 1
        self.drawn = self.counted
        return "%d" % self.counted

    def send(self, obj: Any, tag: Union[str, bytes, None] = None) -> Any:
        """Send a Message and return its Delivery; or write bytes to the current delivery and return their number.

        tag: the delivery's tag; None asks `delivery_tag()`. Without credit the message waits here until there
        is some; on a link that the peer has closed it is in doubt at once. Raises LocalProtocolError when the
        link, its session or its connection was closed here, or lost, when another unsettled delivery has the
        tag [2.6.12], or when the message is larger than the receiver takes (`remote_max_message_size`); a message
        sent before that size was known is REJECTED here, with the same reason. MessageException or DataException,
        naming the field, when the message cannot be encoded. Nothing is sent then.
        """
        if type(obj) is Message and not self.pending:  # as nearly always
            return self.transmit(obj.compose(), tag)
        if isinstance(obj, (bytes, bytearray, memoryview)):
            return self.stream(obj)
        if not hasattr(obj, "send") or isinstance(obj, type):  # a str has an encode too: that gives no message
            raise TypeError("a sender sends a Message, not %r: send(Message(...))" % (obj,))
        if self.pending or not hasattr(obj, "encode"):
            return obj.send(self, tag)
        return self.transmit(obj.encode(), tag)

    def transmit(self, payload: Union[bytes, LongPayload], tag: Union[str, bytes, None] = None) -> Delivery:
        """Send an encoded message as one delivery, and return that. Raises as `send` does."""
        channel = self.channel
        if channel is None:
            self.connection.check()
        elif not channel.dirty:
            channel.touch()
        session = self.session  # a closed endpoint takes no more
        if (self.state | (session.state | session.connection.state) & LOCAL_CLOSED) & _OPEN_BITS != LOCAL_ACTIVE or (
            channel is None and self._is_over()
        ):
            if not self.until_close or self._ended & REMOTE_CLOSED or (self.state | session.state) & LOCAL_CLOSED:
                if self.state & LOCAL_UNINIT or self._ended & LOCAL_CLOSED or not self._ended & REMOTE_CLOSED:
                    raise self._not_open()
                return self._too_late(tag)
        if self.remote_max_message_size and len(payload) > self.remote_max_message_size:
            raise self._too_large(len(payload))
        if tag is None and self.tag_generator is None:
            self.counted += 1
            delivery = Delivery(self, channel, b"%d" % self.counted, None, payload)
        else:
            delivery = self._tagged(self.delivery_tag() if tag is None else tag, payload)
        if self.snd_settle_mode == SND_SETTLED:
            delivery.fate = PRE_SETTLED
        else:
            self.unsettled += 1
        self.unsent += 1
        if channel is None:
            self.waiting.append(delivery)
        else:
            channel.outgoing.queue.append(delivery)
        if self.watch is not None:
            self.watch(delivery)
        return delivery

    def _too_large(self, size: int) -> LocalProtocolError:
        text = "a message of %d bytes, and %r takes at most %d: send less in one"
        return LocalProtocolError(
            MESSAGE_SIZE_EXCEEDED, text % (size, self, self.remote_max_message_size), "link", endpoint=self
        )

    def measure(self) -> None:
        """Apply the max-message-size of the peer: a larger message that waits here is REJECTED, for it must not leave
        [2.7.3]."""
        most, channel = self.remote_max_message_size, self.channel
        if not most:
            return
        queue = [] if channel is None else channel.outgoing.queue
        queued = [one for one in queue if one.link is self and one.id is None]
        for delivery in dict.fromkeys([*self.waiting, *queued, *self.pending]):
            size = len(delivery.payload or b"") + sum(map(len, delivery.chunks or ()))
            if size <= most:
                continue
            for waits in (self.waiting, self.pending, queue):
                if delivery in waits:
                    waits.remove(delivery)
            if delivery.queued or not delivery.partial:
                self.unsent -= 1
            self._refuse(delivery, Condition(MESSAGE_SIZE_EXCEEDED, self._too_large(size).description))
        if channel is not None:
            channel.outgoing.release(self)

    def _refuse(self, delivery: Delivery, why: Condition) -> None:
        """Reject a delivery in place of the peer: it has not left and never will."""
        if delivery.fate == OPEN:
            self.unsettled -= 1
        delivery.fate = SETTLED_BY_PEER
        delivery.settled = True
        delivery.partial = False
        delivery.payload = delivery.chunks = None
        delivery.remote_state, delivery.remote_content = REJECTED, RejectedDisposition(why)
        delivery.changes = fates.STATE_CHANGED | fates.SETTLED_NOW
        self.connection.emit(Event.DELIVERY, delivery)
        if delivery.local_state is TRANSACTIONAL_STATE:
            self.connection.emit(Event.DELIVERY_LEFT, delivery)

    def _tagged(self, tag: Union[str, bytes], payload: Union[bytes, LongPayload]) -> Delivery:
        """A delivery with a tag that the application has chosen. LocalProtocolError when another one has it."""
        if self._given is None:
            self._given = GivenTags()
        given, raw = self._given, tag_bytes(tag)
        given.claim(self, raw)
        kept = payload if self.ledger is None else bytes(payload)  # in the ledger
        delivery: Delivery = (self.ledger or self).kind(self, self.channel, raw, None, kept)
        given.keep(self, delivery)
        return delivery

    def _too_late(self, tag: Union[str, bytes, None]) -> Delivery:
        """The peer has closed the link, its session or the connection, and the application may not know yet: that is
        no mistake of its own. The message does not leave; its delivery is in doubt at once."""
        delivery = Delivery(self, None, tag_bytes(self.delivery_tag() if tag is None else tag), None, b"")
        delivery.fate = LOST
        self.connection.emit(Event.DELIVERY_IN_DOUBT, delivery)
        return delivery

    @property
    def _ended(self) -> int:
        """The sides that have closed the link, session or connection: LOCAL_CLOSED, REMOTE_CLOSED, and other bits."""
        return self.state | self.session.state | self.session.connection.state

    def _is_over(self) -> bool:
        """Whether the peer has ended the session or the connection, so that nothing will ever leave."""
        session = self.session
        return bool((session.state | session.connection.state) & REMOTE_CLOSED)

    def _not_open(self) -> LocalProtocolError:
        state = "not open" if self.state & LOCAL_UNINIT else "closed"
        if self.state & (LOCAL_ACTIVE | REMOTE_CLOSED) == LOCAL_ACTIVE:
            state = "on a session or a connection that has ended"
        return LocalProtocolError(ILLEGAL_STATE, "%r is %s; nothing can be sent over it" % (self, state), "link")

    def delivery(self, tag: Union[str, bytes]) -> Delivery:
        """A new delivery with this tag, to be written with `stream` and finished with `advance`. On a link that is not
        open yet it waits until that is.

        tag: str or bytes of at most 32; ValueError if longer, TypeError if something else, LocalProtocolError if
        another unsettled delivery has it [2.6.12].
        """
        self.connection.check()
        ended = self._ended & LOCAL_CLOSED or (self.channel is None and self._is_over())
        if ended or self.state & REMOTE_CLOSED:
            raise self._not_open()
        if self.ledger is not None:
            raise self.ledger.refusal(True)
        delivery = self._tagged(tag, b"")
        delivery.partial = True
        self.unsettled += 1
        self.pending.append(delivery)
        if self.watch is not None:
            self.watch(delivery)
        return delivery

    def stream(self, data: Union[bytes, bytearray, memoryview]) -> int:
        """Append bytes to the current delivery; returns their number. They may leave before it is complete.

        Raises LocalProtocolError when there is no current delivery, or when it becomes larger than the receiver takes
        (`abort` it then); TypeError for an object that is not bytes.
        """
        self.connection.check()
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError("stream() takes bytes, not %r" % (data,))
        delivery = self.current
        if delivery is None:
            raise LocalProtocolError(ILLEGAL_STATE, "%r has no current delivery to write to" % (self,), "link")
        streamed, size = self._streamed
        size = len(data) + (size if streamed is delivery else 0)
        if 0 < self.remote_max_message_size < size:
            raise self._too_large(size)
        self._streamed = (delivery, size)
        if delivery.chunks is None:
            delivery.chunks = []
        delivery.chunks.append(bytes(data))
        self._enqueue(delivery)
        return len(data)

    def advance(self) -> bool:
        self.connection.check()
        if not self.pending:
            return False
        self.complete(self.pending[0])
        return True

    def complete(self, delivery: Delivery) -> None:
        """Complete a delivery that was made by `delivery()`: all of it is written."""
        self.pending.remove(delivery)
        if self._streamed[0] is delivery:
            self._streamed = (None, 0)
        if not delivery.queued:
            delivery.chunks = []  # it has no bytes, and leaves like a delivery that is written in parts
        delivery.partial = False
        if self.snd_settle_mode == SND_SETTLED and delivery.fate == OPEN:
            delivery.fate = PRE_SETTLED
            self.unsettled -= 1
        self._enqueue(delivery)

    def _enqueue(self, delivery: Delivery) -> None:
        """Have a delivery sent as far as it is written. It is queued once, at its first byte or its end."""
        channel = self.channel
        if not delivery.queued:
            delivery.queued = True
            self.unsent += 1
            (self.waiting if channel is None else channel.outgoing.queue).append(delivery)
        elif delivery is self.transfer_in_progress and channel is not None and delivery not in channel.outgoing.queue:
            channel.outgoing.queue.append(delivery)
        if channel is not None:
            channel.touch()

    def abort(self, delivery: Delivery) -> None:
        """Drop a delivery of which nothing has left; abort one that has left in part, by a transfer [2.6.14]."""
        self.connection.check()
        started = delivery is self.transfer_in_progress
        if delivery.id is not None and not started:
            return  # it has left as a whole
        counted = delivery.queued or not delivery.partial
        if delivery in self.pending:
            self.pending.remove(delivery)
        delivery.aborted = True
        delivery.partial = False
        delivery.payload, delivery.chunks = b"", None
        channel = self.channel
        if started:
            if channel is not None and delivery not in channel.outgoing.queue:
                channel.outgoing.queue.append(delivery)
        else:
            self.unsent -= counted
            self._lose(delivery)
        if channel is not None:
            channel.touch()  # where nothing is left to send, a detach may have waited for that

    def _lose(self, delivery: Delivery) -> None:
        """Mark a delivery that will not leave: the queues pass it over."""
        if self.ledger is not None:
            self.ledger.drop(delivery)
        self.unsettled -= delivery.fate == OPEN
        delivery.fate = LOST
        if delivery.local_state is TRANSACTIONAL_STATE:
            self.connection.emit(Event.DELIVERY_LEFT, delivery)  # it never will
        if self.waiting and self.channel is not None:
            self.channel.outgoing.release(self)  # what was behind it may have credit

    def expire(self, delivery: Delivery, condition: Condition) -> None:
        """Wait no longer for the outcome of a delivery, if it has none: it is in doubt because of `condition`. If it
        has not left it never will; a later outcome is passed over."""
        if delivery.fate != OPEN or delivery.remote_state in TERMINAL:
            return
        delivery.doubt = condition
        channel = self.channel
        self.abort(delivery)
        if not delivery.aborted and channel is not None:
            channel.outgoing.unsettled.pop(delivery.id or 0, None)
            self._lose(delivery)
            if channel.outgoing.send_blocked:
                channel.outgoing.unblock()
        self.connection.emit(Event.DELIVERY_IN_DOUBT, delivery)

    def cut_short(self) -> None:
        for delivery in list(self.pending):
            self.abort(delivery)

    def offered(self, n: int) -> None:
        """Announce to the receiver, with the next flow, that `n` messages are available. ValueError if negative."""
        self.connection.check()
        number: Any = n
        if not isinstance(number, int) or isinstance(number, bool) or n < 0:
            raise ValueError("offered must be a number of messages, not %r" % (n,))
        self.available = n

    def drained(self) -> int:
        """Give back the credit that is left, when the receiver asked for that (`drain_mode`): there is nothing
        to send. Returns the credit that was left [2.6.7]."""
        self.connection.check()
        unused = self.wire_credit - self.unsent
        channel = self.channel
        if not self.drain_asked or unused <= 0 or channel is None:
            return 0
        if self.handle_out is None:
            self.given_back_early += unused
        else:
            self.delivery_count = (self.delivery_count + unused) & 0xFFFFFFFF
        self.wire_credit -= unused
        channel.flows.announce(self)
        return unused

    # -- the wire ----------------------------------------------------------------------------------------

    def has_more(self) -> bool:
        return self.unsent > 0 or self.transfer_in_progress is not None

    def abandon(self, lasting: bool = False) -> None:
        """The outcomes of sent deliveries will not come: these are in doubt, or leave again (`resend`). Unsent ones
        wait for the next wire if there will be one, in the order of the calls, and are in doubt if not."""
        if self.ledger is not None:
            self.ledger.park(lasting)
            return
        channel = self.channel
        again: list[Delivery] = []
        doubtful: list[Delivery] = []
        # Many links may go at once, and most are idle: those do not search the deliveries of all.
        queued = channel.outgoing.take_queued(self) if channel is not None and self.has_more() else []
        unsent = list(self.waiting)
        if channel is not None:
            started = self.transfer_in_progress
            unsent += [delivery for delivery in queued if delivery.id is None]
            sent = channel.unsettled_of(self) if self.unsettled else []
            for delivery in sent:
                del channel.outgoing.unsettled[delivery.id or 0]
            if started is not None and started.fate == PRE_SETTLED:
                sent.append(started)
            for delivery in sent:
                whole = self._whole(delivery) if lasting else None
                if delivery.aborted or delivery.fate in (SETTLED_HERE, SETTLED_BY_PEER):
                    delivery.fate = delivery.fate or LOST
                    continue  # the application awaits no outcome
                if delivery.remote_state in TERMINAL:
                    delivery.fate, delivery.channel = LOST, None  # the outcome is known, and had its event
                elif whole is not None:
                    delivery.start_again(whole)
                    again.append(delivery)
                else:
                    doubtful.append(delivery)
        unsent = [delivery for delivery in unsent if delivery.fate != LOST]
        unwritten = [delivery for delivery in self.pending if delivery.id is None and not delivery.queued]
        if not lasting:
            self.stranded += len(unsent) if self.connection.original_ways else 0
            doubtful += unsent + unwritten
            unsent = unwritten = []
        else:
            doubtful += [delivery for delivery in unsent if delivery.ends_with_wire]
            unsent = [delivery for delivery in unsent if not delivery.ends_with_wire]
        for delivery in doubtful:
            delivery.note_own_end()
            delivery.fate, delivery.channel = LOST, None
            self.connection.emit(Event.DELIVERY_IN_DOUBT, delivery)
        for delivery in (*unsent, *unwritten):
            delivery.channel = None
        self.waiting = deque(again + unsent) or NONE_WAITING
        self.pending = deque(one for one in self.pending if one.id is None and one.fate != LOST) or NONE_PENDING
        self.unsent = len(self.waiting)
        self.unsettled = sum(delivery.fate == OPEN for delivery in (*self.waiting, *unwritten))
        self.writer_key, self.transfer_in_progress = -1, None

    def _whole(self, delivery: Delivery) -> Union[bytes, LongPayload, None]:
        """All bytes of a delivery that has left, or None: it must not leave again, or its beginning is gone."""
        payload: Any = delivery.payload
        if payload is None or delivery.partial or delivery.aborted or not delivery.frames or delivery.ends_with_wire:
            return None
        if delivery is self.transfer_in_progress:
            # The peer has not received all of it, and so has not processed it.
            return payload.obj  # type: ignore[no-any-return]  # the bytes
        return payload if self.resend or delivery.local_state is TRANSACTIONAL_STATE else None

    def count_given_back(self) -> None:
        """Our attach has left: the credit that was given back before counts from now on."""
        self.delivery_count = (self.delivery_count + self.given_back_early) & 0xFFFFFFFF
        self.given_back_early = 0

    def leave_wire(self, lasting: bool = False) -> None:
        super().leave_wire(lasting)
        self.wire_credit = self.given_back_early = 0
        self.drain_asked = False
        self.writer_key = -1  # the writer knows the old handle
        self.released = NONE_RELEASED
