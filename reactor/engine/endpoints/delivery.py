"""Delivery: one message in transit, its outcome and its settlement.

Made once per message, so it is all slots and plain flags. It knows its link and the channel that it came or went
on. When that is lost with its wire, `channel` becomes None, and a later update or settlement by the application
changes nothing, because the peer has forgotten the delivery too. The acknowledgement contract
(reactor/ACKNOWLEDGEMENT.md) is kept here and in wire/outcomes.py.
"""

from __future__ import annotations

from reactor.codec.long_payload import joined
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import (
    ACCEPTED,
    EMPTY,
    MODIFIED,
    RECEIVED,
    REJECTED,
    RELEASED,
    TERMINAL,
    TRANSACTIONAL_STATE,
    Disposition,
    DispositionType,
    FirstOfTransaction,
    ModifiedDisposition,
    RejectedDisposition,
    state_bytes,
)
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED
from reactor.errors import ENDED, ILLEGAL_STATE, REJECTED_BY_APPLICATION, DataException, LocalProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.listing import Listed

if TYPE_CHECKING:
    from typing import Any, Optional, Union

    from reactor.codec.long_payload import LongPayload
    from reactor.codec.types import AnyValue
    from reactor.engine.interface import ChannelInterface

# How a delivery was finished on this side.
OPEN, SETTLED_HERE, SETTLED_BY_PEER, PRE_SETTLED, LOST = range(5)

# The bits of `changes`: the effect of an update by the peer.
STATE_CHANGED, SETTLED_NOW = 1, 2


class Delivery(Listed):
    """A message in transit over a link.

    link: the link.
    settled: whether the peer has settled it: it has forgotten it, or never kept it.
    local_state, remote_state: our state and the peer's: a DispositionType, EMPTY while there is none.
    partial: whether more of the message is to come.
    aborted: whether the sender gave the message up half-way.
    fate: how it was finished here: OPEN while it is not, else SETTLED_HERE, SETTLED_BY_PEER, PRE_SETTLED, LOST.
    changes: the effect of the peer's last update: STATE_CHANGED, SETTLED_NOW, or both.
    message_format: the format of the message, by its number; 0 (default) is that of the specification [2.8.11].
    """

    message_format: int = 0
    context: AnyValue = None  # rarely set: as the one above, in the __dict__
    aborted: bool = False

    __slots__ = (
        "link",
        "channel",
        "id",
        "tag_bytes",
        "payload",
        "chunks",
        "local_state",
        "remote_state",
        "local_content",
        "remote_content",
        "settled",
        "fate",
        "changes",
        "partial",
        "queued",
        "frames",
        "noted",
        "observed",  # set by observers alone
        "_doubt",
        "__dict__",
    )

    ACCEPTED = ACCEPTED
    REJECTED = REJECTED
    RELEASED = RELEASED
    MODIFIED = MODIFIED
    RECEIVED = RECEIVED

    def __init__(
        self, link: Any, channel: Optional[ChannelInterface], tag: bytes, id: Optional[int], payload: Any
    ) -> None:
        self.link = link
        self.channel = channel
        self.id = id
        self.tag_bytes = tag
        self.payload: Any = payload
        self.chunks: Any = None
        self.local_state: Union[DispositionType, int] = EMPTY
        self.remote_state: Union[DispositionType, int] = EMPTY
        self.local_content: Optional[Disposition] = None
        self.remote_content: Optional[Disposition] = None
        self.settled = False
        self.fate = OPEN
        self.changes = 0
        self.partial = False
        self.queued = False
        self.frames = 1
        self.noted = False  # the event of an update waits in the queue: a second one would add nothing

    # -- its properties ----------------------------------------------------------------------------------

    @property
    def tag(self) -> str:
        """The delivery tag as text; bytes that are no UTF-8 come as surrogate escapes. `tag_bytes` has them raw."""
        return self.tag_bytes.decode("utf-8", "surrogateescape")

    @property
    def session(self) -> Any:
        """The session of the link."""
        return self.link.session

    @property
    def connection(self) -> Any:
        """The connection of the link."""
        return self.link.session.connection

    @property
    def transport(self) -> Any:
        """The transport that carries the connection, or None."""
        return self.link.session.connection.transport

    @property
    def readable(self) -> bool:
        """Whether it is incoming and has bytes that were not read, or has come to its end unread."""
        return self.payload is not None and not self.link.is_sender

    @property
    def writable(self) -> bool:
        """Whether it is the outgoing delivery that bytes can be written to now."""
        link = self.link
        return link.is_sender and link.current is self and link.credit > 0

    @property
    def pending(self) -> int:
        """The number of bytes that have come and were not read, or were written and not sent."""
        size = len(self.payload) if self.payload is not None else 0
        if self.id is not None and self.link.is_sender and self is not self.link.transfer_in_progress:
            return 0  # it has left; its bytes are kept for another wire
        return size + sum(map(len, self.chunks)) if self.chunks else size

    @property
    def updated(self) -> bool:
        """Whether the peer has changed the state or has settled since `clear()`."""
        return bool(self.changes)

    def clear(self) -> None:
        """Forget that it was updated."""
        self.changes = 0

    @property
    def local(self) -> Disposition:
        """Our state with its content. Fill `condition`, `failed`, `annotations` ... in before update()."""
        if self.local_content is None:
            self.local_content = Disposition(self.local_state)
        return self.local_content

    @local.setter
    def local(self, local: Disposition) -> None:
        if not isinstance(local, Disposition):
            raise TypeError("local must be a disposition, not %r" % (local,))
        self.local_content = local

    @property
    def remote(self) -> Disposition:
        """The peer's state with its content."""
        if self.remote_content is None:
            self.remote_content = Disposition(self.remote_state)
        return self.remote_content

    @property
    def has_left(self) -> bool:
        """Whether it is outgoing and the wire has taken some of its bytes: the peer may have seen it."""
        return self.link.is_sender and self.id is not None

    @property
    def doubt(self) -> Optional[Condition]:
        """The reason why a delivery in doubt gets no outcome: its timeout, or the reason for the end of the link, the
        session or the connection; ``amqp-reactor:ended`` where that end came without one. None for a delivery that is
        not in doubt."""
        said: Optional[Condition] = getattr(self, "_doubt", None)
        if said is not None or self.fate != LOST or self.aborted or self.remote_state in TERMINAL:
            return said
        link, connection = self.link, self.link.session.connection
        ends = (("link", link), ("session", link.session), ("connection", connection))
        why: Optional[Condition] = next((end.remote_condition for _, end in ends if end.remote_condition), None)
        if why is not None or connection.error is not None:
            return why or connection.error
        for name, end in ends:
            if end.state & REMOTE_CLOSED:
                return Condition(ENDED, "the peer has closed the %s, and gave no reason" % name)
            if end.state & LOCAL_CLOSED:
                return Condition(ENDED, "the %s was closed here before there was an outcome" % name)
        return Condition(ENDED, "the connection was lost before there was an outcome")

    @doubt.setter
    def doubt(self, condition: Condition) -> None:
        self._doubt = condition

    def note_own_end(self) -> None:
        """Keep the reason for the lack of an outcome, if this side has closed the link, its session or the connection
        and the peer gave no reason: once the peer has answered the close, the states do not show the first one."""
        link, connection = self.link, self.link.session.connection
        ends = (("link", link), ("session", link.session), ("connection", connection))
        if connection.error is not None or any(end.remote_condition is not None for _, end in ends):
            return
        for name, end in ends:
            if end.state & LOCAL_CLOSED:
                self.doubt = Condition(ENDED, "the %s was closed here before there was an outcome" % name)
                return

    @property
    def unsettled_next(self) -> Optional[Delivery]:
        """The next delivery of the link that is not settled here, or None."""
        following = list(self.link.unsettled_deliveries)
        at = following.index(self) + 1 if self in following else len(following)
        return following[at] if at < len(following) else None

    # -- its outcome and settlement ----------------------------------------------------------------------

    def update(self, state: Union[Disposition, DispositionType, int, None] = None) -> None:
        """Set the local state: ACCEPTED, REJECTED, RELEASED, MODIFIED, another type, or a disposition with its
        content; None stands for the state in `local`. It is sent at the end of the turn; until settlement another
        state may replace it. For a peer that lists its outcomes without MODIFIED, MODIFIED becomes RELEASED.

        Nothing happens when the connection it came on is lost (the peer delivers it again), when the peer has
        settled it, or when a pre-settled delivery is ACCEPTED. Raises LocalProtocolError when it was settled here
        with another outcome, or is pre-settled and the state is not ACCEPTED; DataException when the content cannot
        be encoded, and TypeError for an object that is no state.
        """
        if state is None:
            state = self.local.type
        elif isinstance(state, Disposition):
            self.local_content = state
            state = state.type
        elif state.__class__ is not DispositionType:
            if not isinstance(state, int):
                raise TypeError("the state of a delivery is one like ACCEPTED, or a Disposition, not %r" % (state,))
            state = DispositionType.or_int(state)
        if self.fate:
            if self.fate == PRE_SETTLED:
                late = state != ACCEPTED  # its sender takes that for granted
            else:
                late = self.fate == SETTLED_HERE and state != self.local_state
            if late:
                raise LocalProtocolError(ILLEGAL_STATE, "%r is settled; it cannot be %s" % (self, _name(state)), "link")
            if self.fate == LOST and self.local_state is EMPTY and not self.link.is_sender:
                self.local_state = state  # for this side to know, when the message comes again
            return
        if state is MODIFIED and not self._takes_modified():
            state, self.local_content = RELEASED, None
        if self.local_content is not None:
            self._check_content(state, self.local_content)
        self._tell()
        self.local_state = state
        if state is TRANSACTIONAL_STATE and self.channel is not None:
            self.channel.outcomes.in_transaction = True

    def acknowledge(self, outcome: Union[Disposition, DispositionType, int, None] = None) -> None:
        """Acknowledge a message that came as the acknowledge mode of its receiver says (row J6). CLIENT: all messages
        that the application has taken over this session and that are not settled. INDIVIDUAL, and where there is no
        mode: this one. AUTO, DUPS_OK, TRANSACTED: nothing happens, for that is done when `on_message` returns.

        outcome: None for ACCEPTED in that way; another one is for this message alone.

        LocalProtocolError with mode NONE, for a delivery that is settled, for one that was sent from here, and for an
        outcome with TRANSACTED; ValueError for a state that is no outcome.
        """
        if self.link.is_sender:
            text = "acknowledge(): %r was sent from here: its receiver gives the outcome"
            raise LocalProtocolError(ILLEGAL_STATE, text % (self,), "link")
        self.link.acknowledge(self, outcome)

    def accept(self) -> None:
        """It was processed: ACCEPTED, and settled.

        This and the next three are for messages that came, and raise LocalProtocolError for one that was sent from
        here; else as `update`.
        """
        self.finish(ACCEPTED)

    def reject(self, condition: Union[Condition, str, None] = None) -> None:
        """No receiver can ever process it: REJECTED, and settled.

        condition: the reason, a Condition or the text of one named ``amqp-reactor:rejected``; None: that in `local`.
        """
        if isinstance(condition, str):
            condition = Condition(REJECTED_BY_APPLICATION, condition)
        self.finish(REJECTED if condition is None else RejectedDisposition(condition))

    def release(self) -> None:
        """It was not looked at, and goes back: RELEASED, and settled."""
        self.finish(RELEASED)

    def modify(
        self, failed: bool = True, undeliverable: bool = False, annotations: Optional[dict[AnyValue, AnyValue]] = None
    ) -> None:
        """It goes back, changed: MODIFIED, and settled. The arguments are those of ModifiedDisposition."""
        self.finish(ModifiedDisposition(failed, undeliverable, annotations))

    def finish(self, state: Union[Disposition, DispositionType, int]) -> None:
        """Give a message that came this outcome, and settle it."""
        if self.link.is_sender:
            text = "%r was sent from here: its receiver gives the outcome"
            raise LocalProtocolError(ILLEGAL_STATE, text % (self,), "link")
        self.update(state)
        self.settle()

    def settle(self) -> None:
        """Forget the delivery, and send the settlement to the peer. Bytes that were not read are dropped; a delivery
        that is still being written is complete with that, and takes no more bytes."""
        link = self.link
        if not self.fate:
            self._tell()
            self.fate = SETTLED_HERE
            link.unsettled -= 1
            if link.is_sender and self.partial:
                link.complete(self)
        if self.payload is not None and not link.is_sender:
            self.take(False)

    def settle_with(self, state: DispositionType) -> None:
        """Settle with `state`, unless the application has set an outcome or has settled: that stands."""
        if self.fate:
            return
        if self.local_state is EMPTY or self.local_state is RECEIVED:  # which is no outcome
            if state is MODIFIED and not self._takes_modified():
                state, self.local_content = RELEASED, None
            if self.local_content is not None:
                self._check_content(state, self.local_content)
            self.local_state = state
        self.fate = SETTLED_HERE
        self.link.unsettled -= 1
        channel = self.channel
        if channel is not None and not self.queued:
            self.queued = True
            if not channel.dirty:
                channel.touch()
            channel.outcomes.due.append(self)

    def _check_content(self, state: Union[DispositionType, int], content: Disposition) -> None:
        """Raise DataException for content that cannot be sent: here, where the application can still catch it."""
        size = len(state_bytes(state, content))
        if self.channel is not None and size > self.channel.wire.largest_payload:
            raise DataException("%s with %d bytes does not fit a frame of the peer's" % (_name(state), size))

    def _takes_modified(self) -> bool:
        link = self.link
        return bool(link.is_sender or link.takes_modified())

    def _tell(self) -> None:
        """Have the state sent with the next flush. An outgoing delivery that has not left carries it itself."""
        if self.queued:
            return
        channel = self.channel
        if channel is None or self.id is None:
            self.link.session.connection.check()
            return
        if not channel.dirty:
            channel.touch()
        self.queued = True
        channel.outcomes.due.append(self)

    def abort(self) -> None:
        """Give up a message that is being sent: the peer drops the bytes that it has received [2.6.14].

        Raises LocalProtocolError for an incoming delivery.
        """
        link = self.link
        if not link.is_sender:
            raise LocalProtocolError(ILLEGAL_STATE, "%r is incoming; only its sender can abort it" % (self,), "link")
        if not self.aborted and self.fate != LOST:
            link.abort(self)

    @property
    def awaits_transaction(self) -> bool:
        """Whether it is in a transaction that the peer has not declared yet."""
        content = self.local_content
        return self.local_state is TRANSACTIONAL_STATE and content is not None and content.data == [None]

    @property
    def ends_with_wire(self) -> bool:
        """Whether it is of a transaction that the next wire does not have: all but the first message of one, of which
        the peer has not spoken."""
        if self.local_state is not TRANSACTIONAL_STATE:
            return False
        first = isinstance(self.local_content, FirstOfTransaction)
        return not first or self.remote_state is not EMPTY or self.settled

    def hold(self, content: Disposition) -> None:
        """Be in a transaction that is not declared yet: neither the message nor its outcome leaves before `resume`, nor
        what is sent over the link after it. The id is to be filled in before that."""
        if not self.link.is_sender:
            self._check_content(TRANSACTIONAL_STATE, content)
            self.queued = True
        self.local_state, self.local_content = TRANSACTIONAL_STATE, content

    def resume(self) -> None:
        """The state that it has now can leave."""
        link, channel = self.link, self.link.channel
        if not link.is_sender:
            self.queued = False
            if self.channel is not None:
                self.channel.outcomes.in_transaction = True
                self._tell()
        elif channel is not None:
            channel.outgoing.release(link)

    def in_format(self, message_format: int) -> None:
        """A delivery that has just been made, to be sent, has its message in this format [2.7.5, message-format]."""
        self.message_format = message_format
        self.chunks = []  # the writer takes its time for one of another kind

    def start_again(self, payload: Union[bytes, LongPayload]) -> None:
        """Become a delivery that has not left: it goes over another wire."""
        self.id = self.channel = None
        self.payload = payload
        self.chunks = [] if self.message_format else None
        self.remote_state = EMPTY
        self.remote_content = None
        self.changes = 0
        self.queued = False

    # -- the message's bytes -----------------------------------------------------------------------------

    def take(self, as_one: bool = True) -> bytes:
        """The whole payload of a complete incoming delivery, as bytes; the link goes on to the next one. Once only.

        Of a delivery that is not complete it takes the bytes that have come, and the rest is dropped when it comes.
        as_one: False where it may be a LongPayload, with its pieces not joined: for `Message.from_bytes`.
        """
        payload: bytes = self.payload
        if self.chunks is not None:
            chunks = self.chunks
            if self.channel is not None:
                self.channel.incoming.let_go(chunks)
            chunks.finish()
            chunks.insert(0, payload)
            payload = b"".join(chunks) if as_one else joined(*chunks)  # type: ignore[assignment]
            self.chunks = None
        elif type(payload) is not bytes:
            payload = bytes(payload)
        self.payload = None
        incoming = self.link.incoming
        if incoming[0] is self:
            incoming.popleft()
        else:
            incoming.remove(self)
        channel = self.channel
        if channel is not None:
            window = channel.incoming
            window.unread_frames -= self.frames
            if window.window_waits_for_reads:
                window.make_room(self.link)
        return payload

    def has_read(self) -> None:
        """Make room for other bytes: all that have come so far were read."""
        if self.channel is None:
            return
        window = self.channel.incoming
        if self.chunks is not None:
            window.let_go(self.chunks)
        if self.frames:
            window.unread_frames -= self.frames
            self.frames = 0
            if window.window_waits_for_reads:
                window.make_room(self.link)

    def __repr__(self) -> str:
        state = self.remote_state if self.link.is_sender else self.local_state
        told = _name(state) if state is not EMPTY else "no outcome yet"
        if self.fate:
            told += ", " + ("settled", "settled", "settled by the peer", "pre-settled", "connection lost")[self.fate]
        tag = self.tag if self.tag.isprintable() else repr(self.tag_bytes)
        return "<Delivery %s of %s: %s>" % (tag, self.link.describe(), told)


def _name(state: Union[DispositionType, int]) -> str:
    return state.name if isinstance(state, DispositionType) else "state %#x" % state
