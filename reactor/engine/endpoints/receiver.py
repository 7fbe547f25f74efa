"""Receiver: the end of a link where messages arrive.

Credit is granted here, by `flow` or by the credit window `prefetch`; the channel of its session announces it to
the peer once per turn. It knows no frame.
"""

from __future__ import annotations

from reactor.engine.endpoints.delivery import LOST, Delivery
from reactor.engine.endpoints.disposition import ACCEPTED, EMPTY, MODIFIED, Disposition, state_bytes
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_UNINIT
from reactor.engine.endpoints.link import RCV_SECOND, SND_SETTLED, Link
from reactor.engine.endpoints.queues import NONE_INCOMING
from reactor.engine.modes import AUTO, CLIENT, DUPS_OK, NONE, TRANSACTED, AcknowledgeMode
from reactor.engine.serial import MASK
from reactor.errors import ILLEGAL_STATE, LocalProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator
    from typing import Any, Optional

    from reactor.engine.interface import AcknowledgerInterface, SessionInterface
    from reactor.engine.modes import Mode

_MODIFIED = "amqp:modified:list"

# The stages of a pause: the credit is withdrawn, and the sender has confirmed it.
PAUSED, CONFIRMED = 1, 2

#: One flow for so many messages has no cost that shows. A turn takes in about twice as many small ones:
#: if that were less than half of a large window, its end would bring no new credit, and the sender would stand still
#: for the whole next turn.
OFTEN_ENOUGH = 256

#: The largest link-credit of a flow, a uint [2.7.4].
MOST_CREDIT = 0xFFFFFFFF


class Receiver(Link):
    """A link over which this side receives.

    prefetch: the credit window: whenever half of it, or 256, is used up it is filled again, once per turn, and in the
        middle of one where the peer has used it up. None (the default) leaves credit to `flow`.
    max_unsettled: bounds credit and unsettled deliveries together; None (the default) for no bound.
    auto_accept: whether handlers accept a delivery without an outcome of the application; None: the handler decides.
    acknowledge_mode: an AcknowledgeMode, its name or number, to be set before open; None (the default) leaves it to
        `auto_accept`.
    """

    __slots__ = (
        "incoming",
        "_prefetch",
        "_max_unsettled",
        "_share",
        "most_unsettled",
        "auto_accept",
        "_mode",
        "acknowledger",
        "screen",
        "refill_at",
        "credit_returned",
        "received",
        "paused",
        "told",
        "overdraft",
        "counted",
    )

    is_receiver = True

    def __init__(self, session: SessionInterface, name: str) -> None:
        super().__init__(session, name)
        self.incoming: deque[Delivery] = NONE_INCOMING
        self._prefetch: Optional[int] = None
        self._max_unsettled: Optional[int] = None
        self._share: Optional[int] = None  # its part of the bound of the session
        self.most_unsettled: Optional[int] = None  # the smaller one of these two
        self.auto_accept: Optional[bool] = None
        self._mode: Optional[AcknowledgeMode] = None
        # For messages that handlers do not accept at once, in modes that need the clock or a transaction: the
        # container's.
        self.acknowledger: Optional[AcknowledgerInterface] = None
        self.screen: Optional[Callable[[Any], bool]] = None  # whether handlers get the event of a message
        self.refill_at = -1
        self.credit_returned = 0
        self.paused = 0
        self.received = 0  # bytes of the delivery that is coming in
        # So many deliveries are taken beyond the credit: the largest credit in a flow before the last. RabbitMQ
        # counts messages on their way through itself as not sent, and overruns new credit by as much of the old.
        self.overdraft = 0
        self.told = 0  # the credit in our last flow

    @property
    def delivery_count(self) -> int:
        """The number of the delivery that comes next [2.6.7]. What comes is counted on behind 32 bits."""
        return self.counted & MASK

    @delivery_count.setter
    def delivery_count(self, number: int) -> None:
        self.counted = number

    @property
    def prefetch(self) -> Optional[int]:
        """See the class. Setting it grants the credit that is missing; ValueError if negative."""
        return self._prefetch

    @prefetch.setter
    def prefetch(self, prefetch: Optional[int]) -> None:
        if prefetch is not None and check_count("prefetch", prefetch) > MOST_CREDIT:
            raise ValueError("prefetch is at most %d, not %d" % (MOST_CREDIT, prefetch))
        self.check()
        self._prefetch = prefetch
        self._set_refill()

    @property
    def max_unsettled(self) -> Optional[int]:
        """See the class. ValueError if negative."""
        return self._max_unsettled

    @max_unsettled.setter
    def max_unsettled(self, most: Optional[int]) -> None:
        self.check()
        self._max_unsettled = None if most is None else check_count("max_unsettled", most)
        self._set_refill()

    def set_share(self, share: Optional[int]) -> None:
        """Its part of the bound that all receivers of the session have in common; None: there is none."""
        if share != self._share:
            self._share = share
            self._set_refill()

    @property
    def acknowledge_mode(self) -> Optional[AcknowledgeMode]:
        """See the class. Setting it sets `auto_accept`, and with NONE `snd_settle_mode`. ValueError or TypeError for
        what is no mode, LocalProtocolError once the link was opened."""
        return self._mode

    @acknowledge_mode.setter
    def acknowledge_mode(self, given: Mode) -> None:
        self.check()
        mode = None if given is None else AcknowledgeMode.of(given)
        if mode is not self._mode and not self.state & LOCAL_UNINIT:
            text = "%r was opened with acknowledge_mode %s; it is %s for good" % (self, self._mode, self._mode)
            raise LocalProtocolError(ILLEGAL_STATE, text, "link", endpoint=self)
        self._mode = mode
        # DUPS_OK: at once, where no container puts it off.
        self.auto_accept = None if mode is None else mode in (AUTO, DUPS_OK, NONE)
        if mode is NONE:
            self.snd_settle_mode = SND_SETTLED

    def acknowledge(self, delivery: Delivery, outcome: Any = None) -> None:
        """As `Delivery.acknowledge`."""
        mode = self._mode
        if mode is NONE:
            text = "acknowledge(): %r: with acknowledge_mode NONE its sender has settled it, and hears of no outcome; "
            text += "CLIENT or INDIVIDUAL are for messages that are acknowledged"
            raise LocalProtocolError(ILLEGAL_STATE, text % (delivery,), "link", endpoint=self)
        if mode is TRANSACTED and outcome is not None:
            text = "acknowledge(): %r has its outcome in the transaction of its session: transaction.reject(delivery), "
            text += "release(delivery), or update(delivery, outcome)"
            raise LocalProtocolError(ILLEGAL_STATE, text % (delivery,), "link", endpoint=self)
        if outcome is None and mode in (AUTO, DUPS_OK, TRANSACTED):
            return  # it is acknowledged by itself, as JMS has it
        everything = mode is CLIENT and outcome is None
        self.session.acknowledge(None if everything else delivery, ACCEPTED if outcome is None else outcome)

    def open(self) -> None:
        super().open()
        if self.session.max_unsettled is not None:
            self.session.share_out()

    open.__doc__ = Link.open.__doc__

    def cut_short(self) -> None:
        """Before the link closes outcomes that were put off are given; messages of mode CLIENT that the application has
        taken and not acknowledged go back, as ones that have failed (row J8)."""
        if self.acknowledger is not None:
            self.acknowledger.flush()
        if self._mode is CLIENT:
            for delivery in list(self.unsettled_deliveries):
                if delivery.payload is None and not delivery.partial and delivery.local_state is EMPTY:
                    delivery.modify()
        if self.session.max_unsettled is not None:
            self.session.share_out()

    def _set_refill(self) -> None:
        both = [bound for bound in (self._max_unsettled, self._share) if bound is not None]
        self.most_unsettled = min(both, default=None)
        bounds = [bound for bound in (self._prefetch, self.most_unsettled) if bound is not None]
        least = min(bounds, default=0)
        self.refill_at = max(least // 2, least - OFTEN_ENOUGH) if self._prefetch else -1
        if self.channel is not None:
            self.channel.flows.announce(self)

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
        if self.channel is not None:
            for delivery in self.channel.incoming.unsettled.values():
                if delivery.link is self and not delivery.fate:
                    yield delivery

    def grant(self) -> None:
        """Fill the credit window again, within the bounds. The channel calls it when it writes a flow."""
        if not self._prefetch or self.drain_asked or self.paused or not self.state & LOCAL_ACTIVE:
            return
        missing = self._prefetch - self.wire_credit - len(self.incoming)
        if self.most_unsettled is not None:
            kept = 0 if self.ledger is None else len(self.ledger.deliveries)
            missing = min(missing, self.most_unsettled - self.unsettled - kept - self.wire_credit)
        window = None if self.channel is None else self.channel.incoming
        if window is not None and missing > 0:
            room = window.most_unsettled - len(window.unsettled) - self.wire_credit
            if room < missing:
                missing = room
                window.await_settlement(self)
        if self._share is not None:
            missing = self._within_share(missing)
        if missing > 0:
            self.wire_credit += missing
        if window is not None and self.incoming and self.wire_credit <= self.refill_at:
            window.await_reads(self)

    def is_full(self) -> bool:
        """Whether as many deliveries as the credit window has wait to be read, so that it is not filled again."""
        ready = self.state & LOCAL_ACTIVE and not self.drain_asked and not self.paused
        return bool(ready and self._prefetch and len(self.incoming) >= self._prefetch)

    @property
    def excess(self) -> int:
        """The credit and unsettled deliveries that are more than its part, which has become smaller."""
        return 0 if self._share is None else max(0, self.unsettled + self.wire_credit - self._share)

    def _within_share(self, missing: int) -> int:
        """The part of the credit that is missing which can be granted while others have more than their part. Credit
        that is more than this one's is taken back."""
        self.wire_credit = max(min(self.wire_credit, 0), self.wire_credit - self.excess)
        excess = sum(link.excess for link in self.session.links() if isinstance(link, Receiver) and link is not self)
        if excess and missing > 0 and self.channel is not None:
            self.channel.incoming.await_settlement(self)
        return missing - excess

    def confirm(self) -> None:
        super().confirm()
        if self.channel is not None and (self.wire_credit or self._prefetch):
            self.channel.flows.announce(self)  # credit that was granted before

    def settles_second(self) -> bool:
        """Whether an outcome leaves here unsettled, and the sender settles first [2.8.3]: both ends have chosen
        rcv-settle-mode second. A sender without that mode would never settle."""
        return self.rcv_settle_mode == RCV_SECOND == self.remote_rcv_settle_mode

    def takes_modified(self) -> bool:
        """Whether the peer supports MODIFIED: its source lists its outcomes, or none [3.5.3], and its default outcome
        is one of them although Broker-J does not list it. RabbitMQ, which does not list MODIFIED, ends the session
        on it."""
        outcomes, default = self.remote_source.outcomes, self.remote_source.default_outcome
        if not outcomes or _MODIFIED in outcomes:
            return True
        return default is not None and default.descriptor in (int(MODIFIED), _MODIFIED)

    def default_state(self) -> bytes:
        """The state of a settlement without one: the default outcome in full where the peer's source has one, because
        RabbitMQ ends the session on a bare settlement."""
        default = self.remote_source.default_outcome
        if default is None:
            return b"\x40"
        disposition = Disposition.from_wire(default)
        return state_bytes(disposition.type, disposition)

    def flow(self, n: int) -> None:
        """Grant credit for `n` more messages. ValueError if negative."""
        self._add_credit(n, False)

    def drain(self, n: int) -> None:
        """Grant credit for `n` more messages, and ask the sender to use up all credit now [2.6.7]: `draining()`
        is true until it has. ValueError if negative."""
        self._add_credit(n, True)

    def _add_credit(self, n: int, drain: bool) -> None:
        check_count("credit", n)
        if self.wire_credit + n > MOST_CREDIT:
            raise ValueError("the credit of a link is at most %d, not %d" % (MOST_CREDIT, self.wire_credit + n))
        if self.channel is not None:
            self.channel.flows.announce(self)
        else:
            self.connection.check()
        if drain:
            self.drain_asked, self._drain_stays = True, False
            if self.acknowledger is not None:
                self.acknowledger.flush()
        elif not self._drain_stays:
            self.drain_asked = False
        self.wire_credit += n

    def pause(self) -> None:
        """Withdraw the credit that the sender has, and grant none. Messages that it has sent before it gets that flow
        still come; `is_paused` is true when it has confirmed the flow."""
        self.connection.check()
        if not self.paused:
            self.paused = PAUSED
            if self.acknowledger is not None:
                self.acknowledger.flush()
            if self.channel is not None:
                self.channel.flows.announce(self)

    @property
    def is_paused(self) -> bool:
        """Whether the sender has confirmed that it has no credit."""
        return self.paused == CONFIRMED

    def draining(self) -> bool:
        """Whether a drain was asked for and the sender has not used up or given back all credit."""
        return self.drain_asked and self.wire_credit > 0

    def drained(self) -> int:
        """The credit that the sender has given back unused since the last call."""
        self.connection.check()
        drained, self.credit_returned = self.credit_returned, 0
        return drained

    def recv(self, limit: int) -> Optional[bytes]:
        """At most `limit` bytes of the current delivery; b"" when none are there yet, None at its end or when
        there is no delivery."""
        self.connection.check()
        delivery = self.current
        if delivery is None:
            return None
        if delivery.chunks is not None:
            if delivery.channel is not None:
                delivery.channel.incoming.let_go(delivery.chunks)
            delivery.chunks.finish()
            delivery.payload = b"".join([delivery.payload, *delivery.chunks])
            delivery.chunks = None
        data = bytes(delivery.payload[:limit])
        if not data and not delivery.partial:
            return None
        delivery.payload = memoryview(delivery.payload)[len(data) :]  # no copy of the rest for every read
        if not delivery.payload:
            delivery.has_read()
        return data

    def advance(self) -> bool:
        self.connection.check()
        delivery = self.current
        if delivery is None:
            return False
        delivery.take()
        return True

    # -- the wire ----------------------------------------------------------------------------------------

    def abandon(self, lasting: bool = False) -> None:
        """The peer may send unsettled deliveries again, to any receiver; an outcome set here is lost."""
        if self.ledger is not None:
            self.ledger.park(lasting)
            return
        channel = self.channel
        if channel is not None and (self.unsettled or self.rcv_settle_mode == RCV_SECOND):
            for delivery in channel.unsettled_of(self):
                del channel.incoming.unsettled[delivery.id or 0]
                delivery.fate = delivery.fate or LOST
                delivery.channel = None
        self.unsettled = 0
        self.received = 0

    def leave_wire(self, lasting: bool = False) -> None:
        if self.channel is not None:
            self.channel.incoming.credit_waits_for_reads.pop(self, None)
            self.channel.incoming.credit_waits_for_settlement.pop(self, None)
            for delivery in self.incoming:  # it can still be read, and fills no window
                delivery.has_read()
                delivery.channel = None
        started = self.transfer_in_progress
        if started is not None and started in self.incoming:
            self.incoming.remove(started)  # the rest of it will not come
            started.payload = started.chunks = None
        super().leave_wire(lasting)
        self.available = self.delivery_count = self.overdraft = self.told = 0
        self.paused = self.paused and PAUSED
        # Unused credit is granted again, if another wire comes.
        self.wire_credit = max(0, self.wire_credit) if lasting else 0

    def free(self) -> None:
        self.discarding = True
        for delivery in self.incoming:
            delivery.has_read()
        super().free()


def check_count(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("%s must be a number of messages, not %r" % (name, value))
    return value
