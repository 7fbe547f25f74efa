"""The links of a broker, and those by which messages come in: each is the handler of one link of the library.

    Intake     messages come in for one node            (a sender attached to a target)
    Relay      messages come in for the node of their `to`  (a sender without a target address)

Outlets, by which messages go out, are in outlets.py. This is the hot path: a message passes `Intake.on_delivery` and
`Outlet.deliver`, its outcome passes `Outlet.on_delivery`. They take the engine's own events, one call each, and work
with payloads, not messages.
The node of a link was decided before, in attaching.py; the rules of delivery are those of node.py.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from handlers.broker.interface import BrokerView, DurabilityView
from handlers.broker.nodes.directory import Record, Refused, clipped
from handlers.broker.nodes.duplicates import key_of
from handlers.broker.nodes.envelope import (
    HEADER,
    INSTRUCTIONS,
    LAST_BYTES,
    LONGEST_BEGIN,
    header_first,
    read_envelope,
    without_instructions,
)
from handlers.broker.nodes.exchange import Unrouted
from handlers.broker.nodes.gate import Overflow, let_in
from handlers.broker.nodes.label import Label, label_of
from handlers.broker.nodes.policy import HOLD, PLAIN
from handlers.broker.nodes.sections import PROPERTIES, TooLarge, opened
from handlers.broker.nodes.terms import may_have_terms, terms
from handlers.broker.transactions.work import Posting
from reactor import (
    ACCEPTED,
    REJECTED,
    RELEASED,
    Condition,
    DecodeError,
    Endpoint,
    Handler,
    RejectedDisposition,
    TransactionalDisposition,
    symbol,
)
from reactor.telemetry import log_fields

log = logging.getLogger("handlers.broker")

FIRST_CREDIT = 10
"""Credit of a new producer, before the size of its messages is known."""

MOST_CREDIT = 1000

TRANSACTIONAL = 0x34
"""The state of a delivery in a transaction [4.5.8]."""


class BrokerLink(Handler):
    """The common part: coming to a node, and leaving it exactly once."""

    produces = False  # whether messages come in by it
    closed = False  # whether the peer has closed it, rather than detached or lost it

    def __init__(self, broker: BrokerView, link: Any, record: Optional[Record]) -> None:
        self.broker = broker
        self.link = link
        self.record = record
        self.identity = broker.doors.identity(link.connection)  # of its container
        self.key: Any = None  # by which it is known if it comes again over another connection
        self.attached = True
        self.struck = False  # it has failed, and is about to be ended (net.py)

    def describe(self) -> str:
        """Its name and its peer, for the log."""
        return f"link {self.link.name!r} of {self.link.connection.remote_container!r}"

    def where(self) -> str:
        """Its node, for the log."""
        return "each message's own address" if self.record is None else repr(self.record.node.name)

    def on_link_remote_close(self, event: Any) -> None:
        """The peer closes its end: everything it held waits again."""
        if self.link.remote_condition is not None:
            fields = log_fields(self.link, self.link.remote_condition)
            log.info("%s closed: %s", self.describe(), self.link.remote_condition, extra=fields)
        self.closed = bool(self.link.state & Endpoint.LOCAL_ACTIVE)  # else it answers our close
        self.leave()
        self.answer(self.link.close)

    def on_link_remote_detach(self, event: Any) -> None:
        """The link is gone; its terminus may outlive it (subscribing.py)."""
        self.leave()
        if self.link.state & Endpoint.LOCAL_ACTIVE:
            self.answer(self.link.detach)

    def begin(self) -> None:
        """The link is about to be attached: the last word in the answer."""

    def open(self) -> None:
        """The link is attached."""

    def answer(self, end: Callable[[], None]) -> None:
        """Answer the peer that has ended the link: by `end`, when it has no outcome to wait for."""
        end()

    def leave(self) -> None:
        """Give up the place at the node; harmless when repeated."""
        if self.attached:
            self.attached = False
            if log.isEnabledFor(logging.INFO):
                log.info("%s left %s", self.describe(), self.where(), extra=log_fields(self.link))
            self.broker.forget_link(self)
            self.let_go()
            if self.record is not None:
                self.broker.directory.detach(self.record, self)

    def let_go(self) -> None:
        """The part of leaving that each kind of link has for itself."""

    def halt(self) -> None:
        """The broker is about to end: no further message comes or goes by the link."""
        if self.produces:
            self.link.pause()

    def is_busy(self, confirming: bool) -> bool:
        """Whether a message of it is under way. confirming: it counts, too, that the peer may still use its credit."""
        link = self.link
        return self.produces and bool(link.queued or link.unsettled or (confirming and not link.is_paused))

    def evict(self, condition: str, description: str) -> None:
        """End the link from this side."""
        self.leave()
        link = self.link
        if (link.state | link.session.state | link.connection.state) & Endpoint.REMOTE_CLOSED:
            return  # the peer has ended it in the meantime, and needs no reason
        link.condition = Condition(condition, description)
        link.close()


class Intake(BrokerLink):
    """Messages for one node. Their producer waits for credit while the node is full."""

    produces = True
    tagged = False  # whether the store has the tag of each message, too

    def __init__(self, broker: BrokerView, link: Any, record: Optional[Record]) -> None:
        super().__init__(broker, link, record)
        self.node = None if record is None else record.node
        self.largest = 0
        self.window = min(FIRST_CREDIT, self._share())
        self.label: Optional[Label] = None
        self.waits_for: Any = None  # the node that is full
        self.expected = 0  # outcomes that follow with the next commit
        self.end: Optional[Callable[[], None]] = None

    def open(self) -> None:
        """Give the first credit, if there is room."""
        node = self.node
        if node is not None and node.full:
            self._hold(node)
        else:
            self.link.prefetch = self.window

    def on_delivery(self, event: Any) -> None:
        """A message, or a part of one, or the sender's settling of one."""
        delivery = event.context
        if delivery.payload is None or delivery.partial or delivery.aborted:
            self._no_message(delivery)
            return
        payload: Any = delivery.take(False)
        if not self.attached:
            delivery.settle_with(RELEASED)  # it was under way when the link was ended from this side
            return
        size = len(payload)
        # A long one may be in pieces: they are joined once, behind the header.
        begin = payload if type(payload) is bytes else bytes(payload.cut(LONGEST_BEGIN)[0])
        node, work = self.node, None
        try:
            if delivery.remote_state == TRANSACTIONAL:
                work = self.broker.transactions.of(delivery)
            if delivery.message_format:
                envelope = read_envelope(begin, delivery.message_format)
            else:
                envelope = read_envelope(begin)
                if not envelope.length:
                    begin = payload = bytes(payload)
                    if HEADER in payload:
                        begin = payload = header_first(payload)
                        envelope = read_envelope(payload)
            if node is None:
                node = self.route(bytes(payload))
            body = begin[envelope.length :] if begin is payload else bytes(payload.cut(envelope.length)[1])
            if body.find(INSTRUCTIONS, -LAST_BYTES) >= 0 or body.startswith(INSTRUCTIONS):
                body = without_instructions(body)
            if self.label is not None:
                body = self.label.on(body)
            if node.asks_origin:
                node.origin = self.identity
            expires = due = 0.0
            if envelope.ttl or node.gate is not None or may_have_terms(body):
                expires, due = terms(node.policy, envelope, body, self.broker.now(), self.broker.today())
            fresh = node.gate is None or let_in(node.gate, envelope, body, work is None)
        except (DecodeError, Refused, Overflow, Unrouted) as error:
            self._refuse(delivery, error)
            return
        if work is not None:
            posting = Posting(node, envelope, body, expires, due, self.identity, self._hold)
            self._post(work, delivery, posting if fresh else None)
            return
        durability = self.broker.durability
        if not fresh:
            self._drop(delivery, node, body)
            room = True
        elif (
            durability is not None
            and envelope.durable
            and not (self.tagged or expires or due)
            and durability.put_plain(self, delivery, node, envelope, body)
        ):
            room = True
        elif durability is not None and durability.wants(node, envelope):
            self.put_later(durability, delivery, node, envelope, body, expires, due)
            room = True
        else:
            room = node.put_later(due, envelope, body, expires) if due else node.put(envelope, body, expires)
            delivery.settle_with(ACCEPTED)
            if expires:
                self.broker.alarms.watch(node, expires)
        if size > self.largest:
            self._measured(size)
        if not room:
            self._hold(node)

    def _post(self, work: Any, delivery: Any, posting: Optional[Posting]) -> None:
        """The message waits for the commit of its transaction. The outcome that it has then is its outcome now. None
        for one that has come before."""
        if posting is not None:
            try:
                self.broker.transactions.post(work, posting)
            except Refused as error:
                self._refuse(delivery, error)
                return
            if posting.size > self.largest:
                self._measured(posting.size)
            if posting.node.full:
                self._hold(posting.node)
        if not delivery.settled:
            delivery.update(TransactionalDisposition(work.id, ACCEPTED))
            delivery.settle()

    def put_later(
        self,
        durability: DurabilityView,
        delivery: Any,
        node: Any,
        envelope: Any,
        body: bytes,
        expires: float,
        due: float,
    ) -> None:
        """The outcome follows when the message is in the store."""

        def done(refused: Optional[Refused]) -> None:
            self.expected -= 1
            if refused is not None:
                self._forget(node, body)
                self._refuse(delivery, refused)
            else:
                delivery.settle_with(ACCEPTED)
                if expires:
                    self.broker.alarms.watch(node, expires)
                if node.full:
                    self._hold(node)
            if self.end is not None and not self.expected:
                self.end()

        try:
            durability.put(node, envelope, body, expires, done, 0, due)
            self.expected += 1
        except Refused as refused:
            self._forget(node, body)
            self._refuse(delivery, refused)

    def confirm(self, delivery: Any, queue: Any, room: bool) -> None:
        """As Sender.confirm."""
        self.expected -= 1
        delivery.settle_with(ACCEPTED)
        if not room:
            self._hold(queue)
        if self.end is not None and not self.expected:
            self.end()

    def deny(self, delivery: Any, refused: Refused) -> None:
        """As Sender.deny."""
        self.expected -= 1
        self._refuse(delivery, refused)
        if self.end is not None and not self.expected:
            self.end()

    def is_busy(self, confirming: bool) -> bool:
        """As BrokerLink.is_busy."""
        return self.expected > 0 or super().is_busy(confirming)

    def _forget(self, node: Any, body: bytes) -> None:
        if node.gate is not None and node.gate.duplicates is not None:
            node.gate.duplicates.forget(key_of(body))

    def _drop(self, delivery: Any, node: Any, body: bytes) -> None:
        """The message has come before. It is accepted when the first one is safe, which may be on its way there."""

        def settle() -> None:
            self.expected -= 1
            if key_of(body) in node.gate.duplicates:
                if log.isEnabledFor(logging.INFO):
                    fields = log_fields(delivery)
                    log.info("%r: a message of %s has come before, dropped", node.name, self.describe(), extra=fields)
                delivery.settle_with(ACCEPTED)
            else:
                self._refuse(delivery, Refused("amqp:internal-error", "the first message of this id was not kept"))
            if self.end is not None and not self.expected:
                self.end()

        self.expected += 1
        if self.broker.durability is None:
            settle()
        else:
            self.broker.durability.then(settle)

    def answer(self, end: Callable[[], None]) -> None:
        """As BrokerLink.answer: a peer may send and close in one breath, and hears of all that it has sent."""
        if self.expected:
            self.end = end
        else:
            end()

    def route(self, payload: bytes) -> Any:
        """The node that a message is for: here that of the link."""
        return self.node

    def _no_message(self, delivery: Any) -> None:
        if delivery.remote_state == TRANSACTIONAL:
            self.broker.transactions.part(delivery)
        if delivery.aborted:
            delivery.settle()
        elif delivery.partial and self.broker.bounds.too_much(self.link.connection):
            delivery.settle()  # its bytes so far are dropped
            most = self.broker.bounds.max_partial_bytes
            self.evict("amqp:resource-limit-exceeded", f"more than {most} bytes of messages that are not complete")

    def _refuse(self, delivery: Any, error: Any) -> None:
        if isinstance(error, Unrouted) and delivery.remote_state != TRANSACTIONAL:
            self.broker.refused += 1  # the sender may have another way for it (R9)
            if log.isEnabledFor(logging.INFO):
                log.info("message of %s released: %s", self.describe(), error, extra=log_fields(delivery))
            delivery.settle_with(RELEASED)
            return
        if isinstance(error, TooLarge):
            error = Refused("amqp:invalid-field", error.description)
        condition = error.condition if isinstance(error, Refused) else "amqp:decode-error"
        info = None
        if isinstance(error, Unrouted):
            condition = "amqp:not-found"
        elif isinstance(error, Overflow):
            condition = "amqp:resource-limit-exceeded"
            # Which queue, and why, under the names that RabbitMQ 4 has for it (R9).
            info = {symbol("queue"): clipped(error.queue), symbol("reason"): symbol("maxlen")}
        self.broker.refused += 1
        if (not isinstance(error, Overflow) or error.first) and log.isEnabledFor(logging.WARNING):
            fields = log_fields(delivery, condition)
            log.warning("message of %s refused: %s: %s", self.describe(), condition, str(error), extra=fields)
        why = Condition(condition, clipped(str(error)), info)
        if delivery.remote_state == TRANSACTIONAL:
            self._refuse_in_transaction(delivery, why)
        elif not delivery.settled:
            delivery.local.condition = why
            delivery.update(REJECTED)
            delivery.settle()

    def _refuse_in_transaction(self, delivery: Any, why: Condition) -> None:
        """The transaction fails as a whole. Where there is none, a message that was sent settled ends the link: nothing
        else would show that it is lost."""
        id = delivery.remote.id
        work = self.broker.transactions.refused(delivery, why)
        if not isinstance(id, bytes) or (work is None and delivery.settled):
            self.evict(why.name, why.description or "")
        elif not delivery.settled:
            rejected = RejectedDisposition(why)
            delivery.update(rejected if work is None else TransactionalDisposition(id, rejected))
            delivery.settle()

    def _measured(self, size: int) -> None:
        """Credit in proportion to the size of messages: those under way shall fit a quarter of a queue."""
        self.largest = size
        room = self.broker.capacity or float("inf")
        senders = 1 if self.record is None else len(self.record.links)
        window = max(1, int(min(MOST_CREDIT, self._share(), room // (4 * senders * max(size, 256)))))
        if window != self.window:
            self.window = window
            if self.waits_for is None:
                self.link.prefetch = window

    def _share(self) -> int:
        """Messages under way that fit a quarter of the node, where its policy is to hold back its producers."""
        policy = PLAIN if self.record is None else self.record.node.policy
        if self.record is None or policy.max_length is None or policy.overflow != HOLD:
            return MOST_CREDIT
        return max(1, policy.max_length // (4 * max(1, len(self.record.links))))

    def _hold(self, node: Any) -> None:
        """The node is full: no more credit until it has room. Messages under way are still taken."""
        if self.waits_for is None and self.attached:
            self.waits_for = node
            self.link.prefetch = 0
            if log.isEnabledFor(logging.INFO):
                log.info("%r is full: %s has to wait", node.name, self.describe(), extra=log_fields(self.link))
            node.block(self)

    def let_go(self) -> None:
        """It waits for room no longer."""
        if self.waits_for is not None:
            self.waits_for.forget(self)
            self.broker.pool.forget(self)  # also where the queue that had it wait has gone
            self.waits_for = None

    def resume(self) -> None:
        """The node has room again."""
        node, self.waits_for = self.waits_for, None
        if node is None or not self.attached:
            return
        if node.full:
            self._hold(node)
        else:
            self.link.prefetch = self.window


class Relay(Intake):
    """The anonymous terminus: each message has its node in `to` (ANONYMOUS-RELAY).

    permit: checks the node of each message; None: all are permitted.
    """

    def __init__(self, broker: BrokerView, link: Any, permit: Optional[Callable[[str, bool], None]] = None) -> None:
        super().__init__(broker, link, None)
        self.permit = permit
        self.maker = broker.bounds.maker(link.connection)

    def route(self, payload: bytes) -> Any:
        """The node of the message's `to`; Refused without one, or when it cannot be had."""
        address = opened(payload, PROPERTIES).address
        if not address:
            raise Refused("amqp:precondition-failed", "the link has no address, nor has the message in `to`")
        self.label = label_of(address)
        return self.broker.directory.find(address, (), self.permit, self.maker).node
