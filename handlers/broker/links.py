"""The links of a broker: each is the handler of one link of the library, and its place at a node.

    Intake     messages come in for one node            (a sender attached to a target)
    Relay      messages come in for the node of their `to`  (a sender without a target address)
    Outlet     messages go out and are acquired         (a receiver attached to a source)
    Viewer     messages go out as copies to look at     (a receiver with distribution-mode copy)

This is the hot path: a message passes `Intake.on_delivery` and `Outlet.deliver`, its outcome passes
`Outlet.on_delivery`. They take the engine's own events, one call each, and work with payloads, not messages.
The node of a link was decided before, in attaching.py; the rules of delivery are those of node.py.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from handlers.broker.interface import BrokerView, DurabilityView
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.consumer import Browser, Consumer
from handlers.broker.nodes.directory import Record, Refused, clipped
from handlers.broker.nodes.entry import ACKNOWLEDGED, Entry
from handlers.broker.nodes.entry import REJECTED as DROPPED
from handlers.broker.nodes.envelope import (
    HEADER,
    INSTRUCTIONS,
    LAST_BYTES,
    annotated,
    header_first,
    read_envelope,
    without_instructions,
)
from handlers.broker.nodes.node import Queue
from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    Condition,
    DecodeError,
    Endpoint,
    Handler,
    Link,
    LocalProtocolError,
    Message,
)

log = logging.getLogger("handlers.broker")

TOO_LARGE = "amqp:link:message-size-exceeded"

FIRST_CREDIT = 10
"""Credit of a new producer, before the size of its messages is known."""

MOST_CREDIT = 1000

TRANSACTIONAL = 0x34
"""The state of a delivery in a transaction [4.5.8]."""

MOST_ANNOTATED = 16 * 1024
"""Bytes by which the annotations of outcomes may lengthen one message."""

MOST_AHEAD = 256 * 1024
"""Bytes of messages that wait to be written to one receiver, about: each is a copy. More follows when they left."""


class BrokerLink(Handler):
    """The common part: coming to a node, and leaving it exactly once."""

    produces = False  # whether messages come in by it

    def __init__(self, broker: BrokerView, link: Any, record: Optional[Record]) -> None:
        self.broker = broker
        self.link = link
        self.record = record
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
            log.info("%s closed: %s", self.describe(), self.link.remote_condition)
        self.leave()
        self.answer(self.link.close)

    def on_link_remote_detach(self, event: Any) -> None:
        """As a close: no terminus of this broker outlives its link."""
        self.leave()
        if self.link.state & Endpoint.LOCAL_ACTIVE:
            self.answer(self.link.detach)

    def answer(self, end: Callable[[], None]) -> None:
        """Answer the peer that has ended the link: by `end`, when it has no outcome to wait for."""
        end()

    def leave(self) -> None:
        """Give up the place at the node; harmless when repeated."""
        if self.attached:
            self.attached = False
            if log.isEnabledFor(logging.INFO):
                log.info("%s left %s", self.describe(), self.where())
            self.broker.forget_link(self)
            self.let_go()
            if self.record is not None:
                self.broker.directory.detach(self.record, self)

    def let_go(self) -> None:
        """The part of leaving that each kind of link has for itself."""

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

    def __init__(self, broker: BrokerView, link: Any, record: Optional[Record]) -> None:
        super().__init__(broker, link, record)
        self.node = None if record is None else record.node
        self.largest = 0
        self.window = FIRST_CREDIT
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
        payload = delivery.take()
        if not self.attached:
            delivery.settle_with(RELEASED)  # it was under way when the link was ended from this side
            return
        size = len(payload)
        node = self.node
        try:
            if delivery.remote_state == TRANSACTIONAL:
                raise Refused("amqp:not-implemented", "this broker has no transactions")
            envelope = read_envelope(payload)
            if not envelope.length and HEADER in payload:
                payload = header_first(payload)
                envelope = read_envelope(payload)
            if node is None:
                node = self.route(payload)
        except (DecodeError, Refused) as error:
            self._refuse(delivery, error)
            return
        body = payload[envelope.length :]
        if body.find(INSTRUCTIONS, -LAST_BYTES) >= 0 or body.startswith(INSTRUCTIONS):
            body = without_instructions(body)
        expires = self.broker.now() + envelope.ttl if envelope.ttl else 0.0
        durability = self.broker.durability
        if durability is not None and durability.wants(node, envelope):
            self._put_later(durability, delivery, node, envelope, body, expires)
            room = True
        else:
            room = node.put(envelope, body, expires)
            delivery.settle_with(ACCEPTED)
            if expires:
                self.broker.alarms.watch(node, expires)
        if size > self.largest:
            self._measured(size)
        if not room:
            self._hold(node)

    def _put_later(
        self, durability: DurabilityView, delivery: Any, node: Any, envelope: Any, body: bytes, expires: float
    ) -> None:
        """The outcome follows when the message is in the store."""

        def done(refused: Optional[Refused]) -> None:
            self.expected -= 1
            if refused is not None:
                self._refuse(delivery, refused)
            else:
                delivery.settle_with(ACCEPTED)
                if expires:
                    self.broker.alarms.watch(node, expires)
                if node.full and self.attached:
                    self._hold(node)
            if self.end is not None and not self.expected:
                self.end()

        try:
            durability.put(node, envelope, body, expires, done)
            self.expected += 1
        except Refused as refused:
            self._refuse(delivery, refused)

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
        if delivery.aborted:
            delivery.settle()
        elif delivery.partial and self.broker.bounds.too_much(self.link.connection):
            delivery.settle()  # its bytes so far are dropped
            most = self.broker.bounds.max_partial_bytes
            self.evict("amqp:resource-limit-exceeded", f"more than {most} bytes of messages that are not complete")

    def _refuse(self, delivery: Any, error: Any) -> None:
        condition = error.condition if isinstance(error, Refused) else "amqp:decode-error"
        self.broker.refused += 1
        log.warning("message of %s refused: %s: %s", self.describe(), condition, str(error))
        if not delivery.settled:
            delivery.local.condition = Condition(condition, clipped(str(error)))
            delivery.update(REJECTED)
            delivery.settle()

    def _measured(self, size: int) -> None:
        """Credit in proportion to the size of messages: those under way shall fit a quarter of a queue."""
        self.largest = size
        senders = 1 if self.record is None else len(self.record.links)
        room = self.broker.capacity or float("inf")
        window = max(1, int(min(MOST_CREDIT, room // (4 * senders * max(size, 256)))))
        if window != self.window:
            self.window = window
            if self.waits_for is None:
                self.link.prefetch = window

    def _hold(self, node: Any) -> None:
        """The node is full: no more credit until it has room. Messages under way are still taken."""
        if self.waits_for is None:
            self.waits_for = node
            self.link.prefetch = 0
            log.info("%r is full: %s has to wait", node.name, self.describe())
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
    """The anonymous terminus: each message has its node in `to` (ANONYMOUS-RELAY)."""

    def route(self, payload: bytes) -> Any:
        """The node of the message's `to`; Refused without one, or when it cannot be had."""
        address = Message.from_bytes(payload).address
        if not address:
            raise Refused("amqp:precondition-failed", "the link has no address, nor has the message in `to`")
        return self.broker.directory.find(address).node


class Outlet(BrokerLink, Consumer):
    """Messages of a queue or subscription, acquired until their outcome comes."""

    def __init__(self, broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any = None) -> None:
        BrokerLink.__init__(self, broker, link, record)
        Consumer.__init__(self)
        self.queue = queue
        self.selection = selection
        self.presettled = link.remote_snd_settle_mode == Link.SND_SETTLED
        self.resting = False

    def open(self) -> None:
        """Take part; messages follow with the receiver's first credit."""
        self.queue.join(self)

    def deliver(self, entry: Entry) -> None:
        """Send one message."""
        envelope = entry.envelope
        try:
            if entry.redelivered or entry.expires:
                ttl = entry.expires - self.broker.now() if entry.expires else None
                head = envelope.again(entry.delivery_count, ttl, not entry.redelivered)
            else:
                head = envelope.first
            delivery = self.link.transmit(head + entry.body)
        except LocalProtocolError as error:
            self.held[entry] = entry  # the peer has just closed the link: its event comes later in this turn
            self.close_for(error)
            return
        except Exception as error:  # not the fault of the other clients that the queue serves
            self.held[entry] = entry
            self.broker.net.strike(self, error)
            return
        if self.presettled:
            self.queue.settle(entry)
        else:
            self.held[delivery] = entry

    def close_for(self, error: LocalProtocolError) -> None:
        """A message could not be sent: a receiver for which it is too large gets that as the reason of the close."""
        if error.condition == TOO_LARGE and self.link.condition is None:
            log.warning("%s is closed: %s", self.describe(), error.description)
            self.link.condition = Condition(error.condition, error.description)
            self.link.close()

    def was_tried(self, key: Any) -> bool:
        """Whether the message has left: one that still waits for the session's window was not delivered."""
        return getattr(key, "id", None) is not None

    def on_link_flow(self, event: Any) -> None:
        """The receiver changed its credit, or asks to use it up."""
        if not self.attached:
            return
        link = self.link
        queue = self.queue
        credit = link.credit
        if queue.bytes > MOST_AHEAD:  # however much credit it has: it may not be reading
            credit = min(credit, max(1, MOST_AHEAD * queue.depth // queue.bytes) - link.queued)
        queue.grant(self, credit)
        if self.selection is None:
            link.offered(queue.waiting)
        self.drained()

    def drained(self) -> None:
        """Give back the rest of the credit, if the receiver drains and there are no more messages."""
        link, queue = self.link, self.queue
        resting = self.resting or (self.view is not None and self.view.resting)
        if link.drain_mode and not resting and (self.credit or not queue.waiting):
            link.drained()
            queue.grant(self, link.credit)

    def rest(self) -> None:
        """Much was read in vain: go on in another turn."""
        if not self.resting:
            self.resting = True
            self.broker.call(BrokerTimer(f"rest of {self.describe()}", self.wake))

    def wake(self) -> None:
        """Go on."""
        self.resting = False
        if self.attached:
            self.queue.wake(self)
            self.drained()

    def idle(self) -> None:
        """There is nothing more that it could have."""
        self.drained()

    def on_delivery(self, event: Any) -> None:
        """The outcome of a message, or its settlement."""
        delivery = event.context
        state = delivery.remote_state
        held = self.held  # an entry is held until all is done: should that fail, it waits again
        if state == ACCEPTED:
            entry = held.get(delivery)
            if entry is None or not entry.number or self.broker.durability is None:
                delivery.settle()
            else:
                self.broker.durability.then(delivery.settle)  # when the store has heard that it is gone
            if entry is not None:
                self.queue.settle(entry)
                del held[delivery]
        elif delivery.settled or state in (REJECTED, RELEASED, MODIFIED, TRANSACTIONAL):
            entry = held.get(delivery)
            delivery.settle()
            if entry is not None:
                self._not_accepted(entry, state, delivery.remote)
                held.pop(delivery, None)

    def _not_accepted(self, entry: Entry, state: Any, outcome: Any) -> None:
        queue = self.queue
        if state == RELEASED:
            queue.release(entry)
        elif state == REJECTED:
            why = outcome.condition
            reason = why.text if why is not None else "no reason given"
            link = self.describe()
            log.warning("%r: message %d rejected by %s, dropped: %s", queue.name, entry.place, link, reason)
            queue.settle(entry, DROPPED)
        elif state == MODIFIED:
            if outcome.annotations:
                self._annotate(entry, outcome.annotations)
            queue.release(entry, bool(outcome.failed), self if outcome.undeliverable else None)
        elif state == TRANSACTIONAL:
            queue.release(entry)
            self.evict("amqp:not-implemented", "this broker has no transactions")
        else:
            self._settled_silently(entry)

    def _settled_silently(self, entry: Entry) -> None:
        """Settled without an outcome: the default-outcome of the receiver's source [3.5.3], else accepted."""
        outcome = self.link.remote_source.default_outcome
        code = getattr(outcome, "descriptor", None)
        if code in (RELEASED, MODIFIED):
            fields = outcome.value if isinstance(outcome.value, list) else []
            self.queue.release(entry, code == MODIFIED and bool(fields and fields[0]))
        else:
            self.queue.settle(entry, DROPPED if code == REJECTED else ACKNOWLEDGED)

    def _annotate(self, entry: Entry, annotations: Any) -> None:
        """Merge into the message's annotations [3.4.5]; where that cannot be, it goes on as it is."""
        body = annotated(entry.body, annotations)
        longer = 0 if body is None else len(body) - len(entry.body)
        if body is None or entry.grown + longer > MOST_ANNOTATED:
            text = "%r: message %d goes on without the annotations of %s"
            log.info(text, self.queue.name, entry.place, self.describe())
            return
        entry.grown += longer
        self.queue.rewrite(entry, body)

    def let_go(self) -> None:
        """Held messages wait again; a subscription ends."""
        self.queue.leave(self)
        record = self.record
        if record is not None and record.node is not self.queue:
            record.node.unsubscribe(self.queue)  # type: ignore[union-attr]  # a queue of its own: a topic's
            self.broker.alarms.unwatch(self.queue)


class Viewer(Outlet, Browser):
    """Copies of the waiting messages of a queue. Outcomes of them mean nothing, and nothing is taken."""

    def __init__(self, broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any = None) -> None:
        Outlet.__init__(self, broker, link, record, queue, selection)
        self.spot = None

    def deliver(self, entry: Entry) -> None:
        """Send a copy."""
        try:
            head = entry.envelope.first
            if entry.redelivered or entry.expires:
                ttl = entry.expires - self.broker.now() if entry.expires else None
                head = entry.envelope.again(entry.delivery_count, ttl, not entry.redelivered)
            self.link.transmit(head + entry.body)
        except LocalProtocolError as error:  # as above
            self.close_for(error)
        except Exception as error:
            self.broker.net.strike(self, error)

    def on_delivery(self, event: Any) -> None:
        """The receiver has seen it."""
        if event.context.updated:
            event.context.settle()
