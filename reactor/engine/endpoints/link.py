"""Link: one direction of messages between two termini [2.6]; its two ends are in sender.py and receiver.py.

A link holds the wishes of the application (termini, modes, credit) and the peer's answers, and queues deliveries. The
channel that it is attached through (wire/channel.py) writes and reads the transfers. It knows its session, and no
frame.
"""

from __future__ import annotations

from abc import abstractmethod

from reactor.codec.definitions import ATTACH, FLOW
from reactor.codec.long_payload import joined
from reactor.codec.performatives import encode_composite
from reactor.engine import endpoints
from reactor.engine.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSE,
    LOCAL_CLOSED,
    LOCAL_OPEN,
    LOCAL_UNINIT,
    REMOTE_CLOSED,
    REMOTE_GONE,
    REMOTE_UNINIT,
    WIRE_LOST,
    Endpoint,
)
from reactor.engine.endpoints.fields import count, one_of, symbol_keys, symbol_list
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Event
from reactor.errors import ILLEGAL_STATE, LocalProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.listing import ListedAbstract
from reactor.shown import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Optional, Union

    from reactor.codec.dicts import SymbolList
    from reactor.codec.types import AnyValue
    from reactor.engine.endpoints.condition import Condition
    from reactor.engine.endpoints.delivery import Delivery
    from reactor.engine.endpoints.fields import Names
    from reactor.engine.endpoints.ledger import Journal, Ledger
    from reactor.engine.interface import ChannelInterface, ConnectionInterface, SessionInterface

SND_UNSETTLED, SND_SETTLED, SND_MIXED = 0, 1, 2
RCV_FIRST, RCV_SECOND = 0, 1
_SND_MODES, _RCV_MODES = (0, 1, 2), (0, 1)


class Link(Endpoint, ListedAbstract):
    """The common part of sender and receiver. `session.sender(name)` and `session.receiver(name)` make them.

    name: the link's name; both ends know it by that.
    source, target: those of our attach; remote_source, remote_target: those of the peer's.
    snd_settle_mode: SND_UNSETTLED, SND_SETTLED or SND_MIXED (default). rcv_settle_mode: RCV_FIRST (default) or
        RCV_SECOND. remote_snd_settle_mode, remote_rcv_settle_mode: the peer's.
    max_message_size: bytes of the largest message that this side takes, 0 for no limit (default).
    remote_max_message_size: the peer's.
    properties, remote_properties: dicts with symbol keys, or None.
    offered_capabilities, desired_capabilities: names or lists of them, or None; remote_...: the peer's.
    available: the messages that the sender could send if it had the credit; at a receiver, as of the peer's flow.
    attach_timeout: seconds within which the peer is to answer, each time the link is attached; None (default) for no
        limit. close_timeout: the same for closing it. The driver of the engine keeps the time.
    drain_mode: whether the sender is to use up its credit at once, with messages or without. A receiver sets
        it, by a flow; a sender's is that of the receiver's last flow.
    flow_properties: the properties of the peer's last flow for the link, a dict with symbol keys, or None.
    unsettled: the number of deliveries that are not settled here.
    remote_unsettled: the map in the peer's attach, of the states of its unsettled deliveries by their tags; None for a
        peer that resumes nothing [2.7.3].
    context: the application's own; the engine does not read it.
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
        "drain_asked",
        "flow_properties",
        "_drain_stays",
        "unsettled",
        "context",
        "detached",
        "remote_detached",
        "channel",
        "handle_out",
        "handle_in",
        "detach_sent",
        "discarding",
        "passed_over",
        "doubtful",
        "wire_credit",
        "delivery_count",
        "transfer_in_progress",
        "passive",
        "weight",
        "born",
        "attached_at",
        "attach_timeout",
        "close_timeout",
        "ledger",
        "remote_unsettled",
        "remote_incomplete",
    )

    SND_UNSETTLED, SND_SETTLED, SND_MIXED = SND_UNSETTLED, SND_SETTLED, SND_MIXED
    RCV_FIRST, RCV_SECOND = RCV_FIRST, RCV_SECOND

    is_sender = False
    joined = staticmethod(joined)  # the parts of a payload for `transmit`: those of a long one are not copied
    is_receiver = False

    def __init__(self, session: SessionInterface, name: str) -> None:
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
        self.properties: Optional[dict[AnyValue, AnyValue]] = None
        self.remote_properties: Optional[dict[AnyValue, AnyValue]] = None
        self.offered_capabilities: Names = None
        self.desired_capabilities: Names = None
        self.remote_offered_capabilities: Optional[SymbolList] = None
        self.remote_desired_capabilities: Optional[SymbolList] = None
        self.available = 0
        self.drain_asked = False
        self.flow_properties: Optional[dict[AnyValue, AnyValue]] = None
        self._drain_stays = False  # set by `drain_mode`, not by `drain(n)`: `flow(n)` does not end it
        self.unsettled = 0
        self.attach_timeout: Optional[float] = None
        self.close_timeout: Optional[float] = None
        self.context: AnyValue = None
        self.detached = False  # this side detaches instead of closing
        self.remote_detached = False
        # The state of the wire, which starts anew with each: the handles of the link, and the credit.
        self.channel: Optional[ChannelInterface] = None
        self.handle_out: Optional[int] = None
        self.handle_in: Optional[int] = None
        self.detach_sent = False
        self.discarding = False  # frames that still arrive are passed over: we detached, or the peer broke the rules
        self.passed_over = 0  # transfers that arrived all the same
        self.doubtful = False  # attached by the peer in a way that looks like a refusal
        self.wire_credit = 0
        self.delivery_count = 0
        self.transfer_in_progress: Optional[Delivery] = None  # some of its frames have gone, or come
        self.attached_at = 0.0  # by the peer, in seconds of the clock of the engine's driver, which sets it
        self.born = session.connection.count_link()
        self.weight = 0  # bytes of the peer's attach
        self.ledger: Any = None  # of deliveries that outlive the wire; None: none does
        self.remote_unsettled: Optional[dict[AnyValue, AnyValue]] = None
        self.remote_incomplete = False  # the peer's map is not all that it has
        self.passive = False  # made by the peer's attach: gone with the wire, unless the peer attaches it again

    @property
    def drain_mode(self) -> bool:
        """See the class."""
        return self.drain_asked

    @drain_mode.setter
    def drain_mode(self, drain: bool) -> None:
        self.check()
        self.drain_asked = self._drain_stays = bool(drain)
        if self.channel is not None and self.is_receiver:
            self.channel.flows.announce(self)

    # -- life --------------------------------------------------------------------------------------------

    @property
    def connection(self) -> ConnectionInterface:
        """The connection of the session."""
        return self.session.connection

    @property
    def transport(self) -> Any:
        """The transport that carries the connection, or None."""
        return self.session.connection.transport

    def open(self) -> None:
        """Attach the link. Raises DataException, with the name of the field, when a value cannot be written, and
        LocalProtocolError when it was closed before, or when another link of its session has its name and
        direction, and is open on both sides or about to be [2.6.1]."""
        if not self._is_plain():
            encode_composite(ATTACH, self.attach_fields(0))  # for its error, at the call that caused it
        if self.state & LOCAL_UNINIT and not self.passive:
            self._check_name()
        if self.change(LOCAL_OPEN):
            self._emit(Event.LINK_LOCAL_OPEN)

    def _is_plain(self) -> bool:
        """Whether its attach has nothing that might not be written, as with most: names, and modes that there are."""
        one_of("snd_settle_mode", self.snd_settle_mode, _SND_MODES)
        one_of("rcv_settle_mode", self.rcv_settle_mode, _RCV_MODES)
        if self.max_message_size or self.properties is not None or not self.name.isascii():
            return False
        names = self.offered_capabilities is not None or self.desired_capabilities is not None
        return not names and self.source.is_plain() and self.target.is_plain()

    def _check_name(self) -> None:
        """LocalProtocolError when an open link has the name: the peer would take the new one for it, or for a thief. A
        link of another session is no obstacle: a link moves in this way."""
        for other in self.session.named(self.name):
            if other is self or other.is_sender != self.is_sender or other.held:
                continue
            if other.state & LOCAL_ACTIVE and not other.state & REMOTE_CLOSED:
                text = "the session has %r open: close it first, or choose another name" % (other,)
                raise LocalProtocolError(ILLEGAL_STATE, text, "link", endpoint=self)

    def close(self) -> None:
        """Close the link: queued deliveries leave first. The peer may free its end, such as a subscription."""
        if self.condition is not None:
            self.condition.check()
        if self.passive and self.state & LOCAL_UNINIT:
            # Refused: the answer has null where a node would be [2.6.3].
            self.source, self.target = Terminus(Terminus.UNSPECIFIED), Terminus(Terminus.UNSPECIFIED)
        if self.change(LOCAL_CLOSE):
            self.cut_short()
            self._emit(Event.LINK_LOCAL_CLOSE)
            if self.connection.is_between_wires():
                self.session.bury_link(self)

    def detach(self) -> None:
        """Detach the link without closing it: the peer keeps its end if its expiry policy allows it [2.6.3]."""
        if self.condition is not None:
            self.condition.check()
        if self.change(LOCAL_CLOSE):
            self.cut_short()
            self.detached = True
            self._emit(Event.LINK_LOCAL_DETACH)
            if self.connection.is_between_wires():
                self.session.bury_link(self)

    def send_flow_properties(self, properties: dict[AnyValue, AnyValue]) -> None:
        """Tell the peer these properties of the link's state, by a flow in this turn [2.7.4]: its `flow_properties`.

        properties: keys are symbols, or str that become symbols; DataException for what cannot be written. Nothing
        happens while the link has no wire, and they do not come again on the next one.
        """
        checked = symbol_keys("flow properties", properties)
        encode_composite(FLOW, [0, 0, 0, 0, 0, 0, 0, 0, False, False, checked])  # for its error, at this call
        if self.channel is None:
            self.connection.check()
        elif checked:
            self.channel.flows.carry(self, checked)
            self.channel.flows.announce(self)

    def ask_for_flow(self) -> None:
        """Ask the peer for a flow of this link, by one in this turn: `on_link_flow` follows, behind all that the peer
        has read before [2.7.4, echo]. Not all peers answer: python-qpid-proton does not, nor what is made with it.
        Nothing happens while the link has no wire."""
        if self.channel is None:
            self.connection.check()
        else:
            self.channel.flows.ask(self)

    def may_go_on(self) -> bool:
        """Whether it is open here, and its session and connection were not closed here."""
        session = self.session
        ended = (self.state | session.state | session.connection.state) & LOCAL_CLOSED
        return bool(self.state & LOCAL_ACTIVE and not ended)

    def fail(self, condition: Condition) -> None:
        """The link is not available (any more): the application sees it as if the peer had closed it with `condition`.
        Deliveries sent over it are in doubt. On the wire it is closed as soon as the peer lets it."""
        if self.state & REMOTE_CLOSED:
            return
        if self.channel is not None:
            self.channel.attachments.leave_tombstone(self)
        self.leave_wire()
        self.detach_sent = True  # it has had its life on this wire
        self.change(REMOTE_GONE)
        if not self.is_blamed:
            self.remote_condition = condition
            self.connection.emit(Event.LINK_REMOTE_CLOSE, self)
        self.connection.work_on(self)

    def is_attaching(self) -> bool:
        """Whether our attach has no answer of the peer yet."""
        return bool(self.state & LOCAL_ACTIVE and (self.state & REMOTE_UNINIT or self.doubtful))

    def end_unanswered(self) -> None:
        """Its session or connection has ended, and no answer of the peer will come: the application sees it closed, for
        the reason in `remote_condition`."""
        self.change(REMOTE_GONE)
        self.detach_sent = True  # as far as the peer is concerned
        self.connection.emit(Event.LINK_REMOTE_CLOSE, self)
        self.connection.work_on(self)

    def confirm(self) -> None:
        """The peer has attached the link, and it is not refused."""
        self.doubtful = False
        if self.ledger is not None:
            self.ledger.meet()
        self.connection.emit(Event.LINK_REMOTE_OPEN, self)

    def cut_short(self) -> None:
        """The link is about to close: give up a half-written delivery, which will never be complete."""

    def free(self) -> None:
        """Take the link out of its session. Its deliveries are forgotten. LINK_FINAL is its last event."""
        connection = self.connection
        connection.check()
        if connection.original_ways:
            for delivery in list(self.unsettled_deliveries):
                delivery.settle()
        if self.session.take_out(self) or connection.release(self):
            connection.emit(Event.LINK_FINAL, self)

    def _emit(self, etype: Any) -> None:
        connection = self.session.connection
        connection.emit(etype, self)
        connection.changed(self)

    def next(self, mask: int) -> Optional[Link]:
        """The next link of the connection in a state of `mask`, or None."""
        seen = False
        link: Link
        for link in self.connection.links(0):
            if seen and link.matches(mask):
                return link
            seen = seen or link is self
        return None

    def label(self) -> str:
        """The link in a few words that are true on both sides, for texts that go to the peer: a receiver here is a
        sender there."""
        ends = (self.target, self.remote_target, self.source, self.remote_source)
        if not self.is_sender:
            ends = ends[2:] + ends[:2]
        node = next((" (%s)" % shown(end.address, 100) for end in ends if end.address), "")
        return "link %s%s" % (quoted(self.name), node)

    def describe(self) -> str:
        """The link in a few words, for messages to a person."""
        ends = (self.target, self.remote_target, self.source, self.remote_source)
        kind = "sender to"
        if not self.is_sender:
            kind, ends = "receiver from", ends[2:] + ends[:2]
        return "%s %s" % (kind, next((shown(end.address, 100) for end in ends if end.address), "an anonymous node"))

    def __repr__(self) -> str:
        return "<%s %s: %s>" % (type(self).__name__, quoted(self.name), self.describe())

    # -- deliveries --------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def current(self) -> Optional[Delivery]:
        """The delivery that is to be written to, or read from, next; None when there is none."""

    @property
    @abstractmethod
    def queued(self) -> int:
        """Sender: deliveries that have not left. Receiver: deliveries that were not read."""

    @property
    @abstractmethod
    def credit(self) -> int:
        """The deliveries that may still be sent. A receiver counts unread ones as not sent."""

    def delivery(self, tag: Union[str, bytes]) -> Delivery:
        """A new delivery with this tag, to be written with `stream` and finished with `advance`."""
        raise LocalProtocolError(ILLEGAL_STATE, "only a sender makes deliveries", "link")

    @abstractmethod
    def advance(self) -> bool:
        """Go on to the next delivery: a sender's current one is complete, a receiver's has been read.
        Returns whether there was one."""

    @property
    @abstractmethod
    def unsettled_deliveries(self) -> Iterator[Delivery]:
        """The deliveries that are not settled here, oldest first. A receiver's are those that came over the present
        wire, also the ones that `on_message` has not seen yet; a sender's are also those that have not left."""

    @property
    def unsettled_head(self) -> Optional[Delivery]:
        """The oldest delivery that is not settled here, or None."""
        return next(self.unsettled_deliveries, None)

    # -- the wire ----------------------------------------------------------------------------------------

    def attach_fields(self, handle: int) -> list[Any]:
        """The fields of our attach [2.7.3]."""
        return [
            self.name,
            handle,
            self.is_receiver,
            one_of("snd_settle_mode", self.snd_settle_mode, _SND_MODES),
            one_of("rcv_settle_mode", self.rcv_settle_mode, _RCV_MODES),
            self.source.to_wire(),
            self.target.to_wire(),
            None,
            None,
            self.delivery_count if self.is_sender else None,
            count("max_message_size", self.max_message_size, 0xFFFFFFFFFFFFFFFF) or None,
            symbol_list("offered_capabilities", self.offered_capabilities),
            symbol_list("desired_capabilities", self.desired_capabilities),
            symbol_keys("properties", self.properties),
        ]

    def leave_wire(self, lasting: bool = False) -> None:
        """The wire is gone, or the link on it: no answer to its frames will ever come.

        lasting: whether another wire will come, and unsent deliveries may wait for it.
        """
        self.abandon(lasting)
        self.channel = self.handle_out = self.handle_in = self.transfer_in_progress = None
        self.detach_sent = self.discarding = self.doubtful = False
        self.passed_over = 0

    @abstractmethod
    def abandon(self, lasting: bool = False) -> None:
        """Give up unsettled deliveries: no outcome will come, and ours would not arrive. `lasting`: see leave_wire."""

    def has_more(self) -> bool:
        """Whether the link, closed here, has frames left for another wire."""
        return False

    def keep(
        self,
        ledger: Optional[Ledger] = None,
        journal: Optional[Journal] = None,
        stays: bool = False,
        kept: Iterable[tuple[bytes, AnyValue]] = (),
    ) -> Ledger:
        """Keep unsettled deliveries when the wire is lost, and resume them over the next one [2.6.13]. To be called
        before `open`; returns the ledger.

        ledger: that of the link that had the name before, with its deliveries; None for a new one, with this journal
        (see ledger.py). stays: whether it is for another link of the name when this one is gone. kept: of an earlier
        process: the tags with the messages that a sender has sent, or with the states that a receiver has given.
        """
        if ledger is None:
            ledger = self.ledger = endpoints.ledger_for(self, journal, stays)
            for tag, value in kept:
                self.ledger.restore(tag, value)
        ledger.adopt(self)
        if not self.state & REMOTE_UNINIT:
            ledger.meet()
        return ledger

    def reset(self, lasting: bool = False) -> None:
        """Return to the state before the peer's attach, ready for a new wire. `lasting`: see leave_wire."""
        self.leave_wire(lasting)
        self.change(WIRE_LOST)
        self.remote_condition = None
        self.remote_detached = self.held = False
        self.weight = 0
        # The peer's attach is void: above all, an address that it had made for us (dynamic).
        self.remote_source = Terminus(Terminus.UNSPECIFIED)
        self.remote_target = Terminus(Terminus.UNSPECIFIED)
