"""Ledgers: the unsettled deliveries of a link that outlive its wire, and how they go on over the next one [2.6.13].

A link without a ledger forgets its deliveries with the wire: they come again, or are in doubt. A link with one keeps
them by their tags, shows them in its attach, and compares them with those in the peer's. `Link.keep` gives a link its
ledger, which makes deliveries of its own kind, so that no other link pays for it. A journal, if there is one, hears of
each change that has to outlive the process.

    in the sender's map  | in the receiver's          | what follows
    yes                  | yes, with an outcome       | the outcome is the sender's now; a resumed transfer settles it
    yes                  | yes, without one           | it is transferred again, resumed; the receiver has it already
    yes                  | no                         | it never came: it is transferred as a new one
    no                   | yes                        | the sender has settled: the receiver forgets it
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional, Protocol, Union

from reactor.codec.encode import encode_value
from reactor.codec.types import Described
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import (
    LOST,
    OPEN,
    SETTLED_BY_PEER,
    SETTLED_HERE,
    SETTLED_NOW,
    STATE_CHANGED,
    Delivery,
)
from reactor.engine.endpoints.disposition import (
    EMPTY,
    TERMINAL,
    TRANSACTIONAL_STATE,
    Disposition,
    read_state,
    state_value,
)
from reactor.engine.endpoints.queues import NONE_WAITING
from reactor.engine.events import Event
from reactor.errors import ENDED, ILLEGAL_STATE, NOT_ALLOWED, LocalProtocolError

if TYPE_CHECKING:
    from reactor.engine.endpoints.disposition import DispositionType


class Journal(Protocol):
    """What outlives the process. key: the link there. attached: whether the peer has attached it before."""

    key: str
    attached: bool

    def met(self) -> None:
        """The peer has attached the link: from now on it may know deliveries."""

    def sent(self, tag: bytes, payload: bytes, counted: int) -> None:
        """A delivery was made; `counted` is the last number that was given as a tag."""

    def taken(self, tag: bytes, state: Optional[Described]) -> None:
        """A delivery that came has this outcome."""

    def settled(self, tag: bytes) -> None:
        """A delivery is forgotten."""

    def commit(self) -> None:
        """Keep all that, before a frame leaves."""


class Ledger(ABC):
    """The common part.

    link: the link that has it. journal: see there; None for none.
    stays: whether deliveries are kept for another Link when no other wire will come for this one.
    deliveries: by their tags.
    fresh: whether it began with this attach of the peer's, whose map is not answered then: nothing is known here.
    forgotten: how many deliveries the peer, which had attached the link before, does not know any more; their end is
        not known. The driver of the engine ends the link then.
    """

    __slots__ = ("link", "journal", "stays", "deliveries", "forgotten", "fresh", "incomplete")

    def __init__(self, link: Any, journal: Optional[Journal] = None, stays: bool = False) -> None:
        self.link = link
        self.journal = journal
        self.stays = stays
        self.deliveries: dict[bytes, Any] = {}
        self.forgotten = 0
        self.fresh = stays
        self.incomplete = False  # our map, in our last attach

    @property
    def key(self) -> str:
        """The link in the store, if there is one."""
        return "" if self.journal is None else self.journal.key

    def adopt(self, link: Any) -> None:
        """The deliveries go on over `link`, which is not open yet."""
        before = self.link
        if before is not link and before.ledger is self:
            self.part()
        self.fresh = self.fresh and link is before
        self.link = link
        self.forgotten = 0
        link.ledger = self
        if self.journal is not None:
            link.connection.before_writing += (self.journal.commit,)
        for delivery in self.deliveries.values():
            delivery.link = link
        self._take_up()

    @abstractmethod
    def meet(self) -> None:
        """The peer has attached the link: compare its map with ours."""

    @abstractmethod
    def park(self, lasting: bool) -> None:
        """The wire is gone. `lasting`: whether another one will come for this link."""

    def part(self) -> None:
        """Leave the link, which goes on without, to be adopted by another one."""
        self.park(False)
        self.link.ledger = None

    @abstractmethod
    def restore(self, tag: bytes, value: Any) -> None:
        """A delivery of an earlier process. To be called before `adopt`."""

    @abstractmethod
    def _take_up(self) -> None:
        """Count the deliveries at the new link."""

    @abstractmethod
    def entries(self) -> Iterator[tuple[bytes, Any]]:
        """The tags and states of our map."""

    def fill(self, fields: list[Any], room: int) -> None:
        """Write our map into the fields of our attach. Where it takes more than `room` bytes it is incomplete."""
        chosen: dict[bytes, Any] = {}
        self.incomplete = False
        for tag, state in self.entries():
            room -= len(encode_value(tag)) + len(encode_value(state))
            if room < 0:
                self.incomplete = True
                break
            chosen[tag] = state
        fields[7:9] = [None if self.fresh else chosen, self.incomplete or None]

    def forget(self, delivery: Delivery) -> None:
        """A delivery is settled."""
        if self.deliveries.pop(delivery.tag_bytes, None) is not None and self.journal is not None:
            self.journal.settled(delivery.tag_bytes)

    def _retire(self) -> None:
        """The link is gone for good."""
        connection = self.link.connection
        if self.journal is not None:
            mine = self.journal.commit
            connection.before_writing = tuple(one for one in connection.before_writing if one != mine)

    def _met(self) -> None:
        if self.journal is not None and not self.journal.attached:
            self.journal.met()

    def _knows_nothing(self) -> bool:
        """Whether the peer has lost its end of a link that it had."""
        return self.link.remote_unsettled is None and (self.journal is None or self.journal.attached)


#: The places of two attributes in a Delivery, which are properties here.
_FATE: Any = vars(Delivery)["fate"]
_SETTLED: Any = vars(Delivery)["settled"]


class _Kept(Delivery):
    """A delivery whose ledger hears of its end."""

    __slots__ = ()

    @property
    def fate(self) -> int:
        """As of Delivery."""
        fate: int = _FATE.__get__(self)
        return fate

    @fate.setter
    def fate(self, fate: int) -> None:
        _FATE.__set__(self, fate)
        if fate == SETTLED_HERE or fate == SETTLED_BY_PEER:
            ledger = self.link.ledger
            if ledger is not None:
                ledger.end(self, fate)


class SentDelivery(_Kept):
    """A delivery that is kept until its outcome is known here.

    whole: the message. left: whether the peer may know it.
    """

    __slots__ = ("whole", "left")

    def __init__(self, link: Any, channel: Any, tag: bytes, id: Optional[int], payload: Any) -> None:
        super().__init__(link, channel, tag, id, payload)
        self.whole = payload
        self.left = False
        link.ledger.add(self)

    def update(self, state: Union[Disposition, DispositionType, int, None] = None) -> None:
        """As Delivery.update. A transaction ends with its wire: LocalProtocolError for its state."""
        kind = state.type if isinstance(state, Disposition) else state
        if kind == TRANSACTIONAL_STATE:
            self.abort()
            raise self.link.ledger.refusal(False)
        super().update(state)


class SentLedger(Ledger):
    """The deliveries of a sender, in the order in which they were made.

    resuming: those that the peer knows, and that were not transferred on this wire yet.
    """

    __slots__ = ("resuming",)

    kind = SentDelivery

    def __init__(self, link: Any, journal: Optional[Journal] = None, stays: bool = False) -> None:
        super().__init__(link, journal, stays)
        self.resuming: dict[Delivery, None] = {}

    def adopt(self, link: Any) -> None:
        link.counted = max(link.counted, self.link.counted)  # no tag comes twice
        super().adopt(link)

    def refusal(self, parts: bool) -> LocalProtocolError:
        """The error for a message in parts, which would leave before it is kept, or for one in a transaction."""
        what = "takes each message as a whole: send(Message(...))" if parts else "takes no part in transactions"
        return LocalProtocolError(NOT_ALLOWED, "%r: a link with ExactlyOnce() %s" % (self.link, what), "link")

    def next_tag(self) -> str:
        """The tag of the next delivery: the link counts, and asks here, so that all its deliveries are of this kind."""
        link = self.link
        link.counted += 1
        link.drawn = link.counted
        return "%d" % link.counted

    def end(self, delivery: Delivery, fate: int) -> None:
        """A delivery is settled. One that is to be resumed says so by its transfer."""
        self.forget(delivery)

    def add(self, delivery: SentDelivery) -> None:
        """A new delivery. LocalProtocolError when another one has its tag [2.6.12]."""
        tag = delivery.tag_bytes
        if tag in self.deliveries:
            text = "the tag %r is that of a delivery that is not settled: %r"
            raise LocalProtocolError(NOT_ALLOWED, text % (tag.decode("utf-8", "replace"), self.deliveries[tag]), "link")
        self.deliveries[tag] = delivery
        if self.journal is not None:
            self.journal.sent(tag, delivery.whole, self.link.counted)

    def restore(self, tag: bytes, value: Any) -> None:
        """As of Ledger: the message."""
        journal, self.journal = self.journal, None  # which has it
        delivery = SentDelivery(self.link, None, tag, None, value)
        self.journal = journal
        delivery.left = journal is None or journal.attached

    def _take_up(self) -> None:
        link = self.link
        link.tag_generator = link.tag_generator or self.next_tag
        link.waiting.extend(self.deliveries.values())
        link.unsent += len(self.deliveries)
        link.unsettled += len(self.deliveries)

    def entries(self) -> Iterator[tuple[bytes, Any]]:
        return ((tag, None) for tag, one in self.deliveries.items() if one.left)

    def meet(self) -> None:
        """The peer has attached the link: compare its map with ours."""
        link = self.link
        if self._knows_nothing():
            self.forgotten = sum(one.left for one in self.deliveries.values())
        known = link.remote_unsettled or {}
        for tag, delivery in self.deliveries.items():
            if not delivery.left or tag not in known:
                continue
            self.resuming[delivery] = None
            delivery.chunks = []  # it is no transfer of the simple kind
            outcome, content = read_state(known[tag])
            if outcome not in TERMINAL:
                continue
            delivery.payload = b""  # the transfer has nothing to say but that the outcome is known
            delivery.local_state, delivery.local_content = outcome, content
            if delivery.remote_state not in TERMINAL:
                delivery.remote_state, delivery.remote_content = outcome, content
                delivery.changes |= STATE_CHANGED
                delivery.noted = True
                link.connection.emit(Event.DELIVERY, delivery)
        self._met()

    def resumes(self, delivery: Delivery) -> bool:
        """Whether the first transfer of a delivery, which is written now, resumes it."""
        if delivery not in self.resuming:
            return False
        del self.resuming[delivery]
        return True

    def park(self, lasting: bool) -> None:
        """The wire is gone. `lasting`: whether another one will come for this link."""
        link = self.link
        channel = link.channel
        if channel is not None:
            if link.has_more():
                channel.outgoing.take_queued(link)
            for delivery in channel.unsettled_of(link) if link.unsettled else ():
                del channel.outgoing.unsettled[delivery.id or 0]
                delivery.channel = None
        self.resuming.clear()
        kept = list(self.deliveries.values())
        for delivery in kept:
            delivery.left = delivery.left or delivery.id is not None
            delivery.id = delivery.channel = delivery.chunks = None
            delivery.payload, delivery.frames, delivery.queued = delivery.whole, 1, False
            delivery.local_state, delivery.local_content = EMPTY, None
        link.writer_key = -1
        waits = lasting and not self.forgotten
        link.waiting = deque(kept if waits else ()) or NONE_WAITING
        link.unsent = link.unsettled = len(link.waiting)
        if not waits and not self.stays:
            self._give_up(kept)

    def _give_up(self, kept: list[Any]) -> None:
        """No wire will come for this link: what the journal has may go on over another of its name."""
        self._retire()
        self.deliveries.clear()
        for delivery in kept:
            delivery.note_own_end()
            if delivery.left and self.journal is not None and not self.forgotten:
                text = "the link is gone before there was an outcome; the message is kept for the next link %r"
                delivery.doubt = Condition(ENDED, text % self.link.name)
            delivery.fate = LOST
            self.link.connection.emit(Event.DELIVERY_IN_DOUBT, delivery)

    def drop(self, delivery: Delivery) -> None:
        """A delivery will not leave: it was given up here, or is refused."""
        self.forget(delivery)
        self.resuming.pop(delivery, None)


class TakenDelivery(_Kept):
    """A delivery that came, with an outcome that is kept until the sender has settled."""

    __slots__ = ()

    @property
    def settled(self) -> bool:
        """As of Delivery."""
        settled: bool = _SETTLED.__get__(self)
        return settled

    @settled.setter
    def settled(self, settled: bool) -> None:
        _SETTLED.__set__(self, settled)
        ledger = self.link.ledger
        if settled and ledger is not None:
            ledger.forget(self)


class Arrivals(deque[Any]):
    """The deliveries of a receiver that were not read. They become of the kind that its ledger hears of: so no other
    receiver pays for that."""

    def append(self, delivery: Any) -> None:
        """Add one that has come."""
        delivery.__class__ = TakenDelivery
        super().append(delivery)


class TakenLedger(Ledger):
    """The deliveries of a receiver: those with an outcome and, while there is no wire, those without."""

    __slots__ = ()

    def end(self, delivery: Delivery, fate: int) -> None:
        """A delivery has its outcome, or is settled."""
        if fate == SETTLED_BY_PEER or delivery.local_state not in TERMINAL:
            self.forget(delivery)  # settled here with no outcome, it is that on both sides
            return
        self.deliveries[delivery.tag_bytes] = delivery
        if self.journal is not None:
            self.journal.taken(delivery.tag_bytes, _state(delivery))

    def forget(self, delivery: Delivery) -> None:
        super().forget(delivery)
        link = self.link
        if link.channel is not None and link.most_unsettled is not None:
            link.channel.flows.announce(link)  # there is room for another one

    def restore(self, tag: bytes, value: Any) -> None:
        """As of Ledger: the state."""
        delivery = Delivery(self.link, None, tag, None, None)
        delivery.local_state, delivery.local_content = read_state(value)
        delivery.fate = SETTLED_HERE
        delivery.__class__ = TakenDelivery
        self.deliveries[tag] = delivery

    def _take_up(self) -> None:
        self.link.incoming = Arrivals(self.link.incoming)
        self.link.unsettled += sum(one.fate == OPEN for one in self.deliveries.values())

    def entries(self) -> Iterator[tuple[bytes, Any]]:
        return ((tag, _state(one) if one.fate else None) for tag, one in self.deliveries.items())

    def meet(self) -> None:
        """The peer has attached the link: what is not in its map it has settled."""
        link = self.link
        if self._knows_nothing():
            self.forgotten = sum(one.fate != OPEN for one in self.deliveries.values())
        known = link.remote_unsettled or {}
        if not link.remote_incomplete and not self.forgotten:
            for tag, delivery in list(self.deliveries.items()):
                if tag not in known:
                    self.forget(delivery)
                    self._lose(delivery)
        self._met()

    def lose(self, delivery: Delivery) -> None:
        """The application has not looked at a delivery, and never will: it comes again."""
        if self.deliveries.get(delivery.tag_bytes) is delivery:
            del self.deliveries[delivery.tag_bytes]
            self._lose(delivery)

    def _lose(self, delivery: Delivery) -> None:
        """The sender has given up a delivery, which has no outcome here, or one that means nothing now."""
        if delivery.fate == OPEN:
            delivery.fate = LOST
            self.link.unsettled -= 1

    def park(self, lasting: bool) -> None:
        """The wire is gone. `lasting`: whether another one will come for this link."""
        link = self.link
        channel = link.channel
        for delivery in channel.unsettled_of(link) if channel is not None else ():
            del channel.incoming.unsettled[delivery.id or 0]
            delivery.channel = None
            if delivery.fate:
                continue
            if delivery.partial or delivery.aborted or not (lasting or self.stays):
                delivery.fate = LOST  # it comes again
            else:
                self.deliveries[delivery.tag_bytes] = delivery
        if not lasting and not self.stays:
            self._retire()
            for delivery in self.deliveries.values():
                delivery.fate = delivery.fate or LOST
        link.unsettled = sum(one.fate == OPEN for one in self.deliveries.values())
        link.received = 0

    def resume(self, transfer: Delivery, settled: Any, state: Any) -> None:
        """A resumed transfer has come, as a delivery of its own: it stands for the one that is known here."""
        delivery = self.deliveries.get(transfer.tag_bytes)
        channel = transfer.channel
        if delivery is None or channel is None:
            return
        if settled:
            self.forget(delivery)
            delivery.settled = True
            delivery.changes |= SETTLED_NOW
            if delivery.fate == OPEN:
                delivery.fate = SETTLED_BY_PEER
                self.link.unsettled -= 1
            delivery.noted = True
            self.link.connection.emit(Event.DELIVERY, delivery)
            return
        delivery.id, delivery.channel, delivery.queued = transfer.id, channel, False
        channel.incoming.unsettled[transfer.id or 0] = delivery
        if delivery.fate == OPEN:
            del self.deliveries[delivery.tag_bytes]
            if delivery.local_state is EMPTY:
                return
        if read_state(state)[0] not in TERMINAL:  # else the sender knows
            delivery.queued = True
            channel.touch()
            channel.outcomes.due.append(delivery)


def _state(delivery: Delivery) -> Optional[Described]:
    """Our state of a delivery, for a map."""
    return state_value(delivery.local_state, delivery.local_content)


def ledger_for(link: Any, journal: Optional[Journal], stays: bool) -> Any:
    """A ledger for a link of its kind. LocalProtocolError for a link that has made deliveries already."""
    if link.unsettled or link.queued:
        text = "%r has deliveries already: a ledger is for a link that is not open"
        raise LocalProtocolError(ILLEGAL_STATE, text % (link,), "link")
    return (SentLedger if link.is_sender else TakenLedger)(link, journal, stays)
