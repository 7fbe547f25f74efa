"""The links of a broker by which messages go out: each is the handler of one link of the library.

    Outlet     messages are acquired                    (a receiver attached to a source)
    Viewer     messages are copies to look at           (a receiver with distribution-mode copy)

See links.py; the rules of delivery are those of node.py.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Optional

from handlers.broker.interface import BrokerView
from handlers.broker.links import TRANSACTIONAL, BrokerLink
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.consumer import Browser, Consumer
from handlers.broker.nodes.directory import Record, Refused
from handlers.broker.nodes.entry import REJECTED as DROPPED
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.envelope import LONG_BODY, annotated
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.terms import pause_of
from handlers.broker.store.interface import Change, CountMessage, RemoveMessage
from reactor import ACCEPTED, MODIFIED, REJECTED, RELEASED, Condition, Link, LocalProtocolError, symbol
from reactor.telemetry import log_fields

log = logging.getLogger("handlers.broker")

TOO_LARGE = "amqp:link:message-size-exceeded"

ACTIVE = symbol("rabbitmq:active")

MOST_ANNOTATED = 16 * 1024
"""Bytes by which the annotations of outcomes may lengthen one message."""

MOST_AHEAD = 256 * 1024
"""Bytes of messages that wait to be written to one receiver, about: each is a copy. More follows when they left."""


class Outlet(BrokerLink, Consumer):
    """Messages of a queue or subscription, acquired until their outcome comes."""

    def __init__(self, broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any = None) -> None:
        BrokerLink.__init__(self, broker, link, record)
        Consumer.__init__(self)
        self.queue = queue
        self.selection = selection
        self.presettled = link.remote_snd_settle_mode == Link.SND_SETTLED
        self.second = link.remote_rcv_settle_mode == Link.RCV_SECOND
        self.resting = False
        self.informed = False  # of being the active one, or not
        self.halted = False  # the broker is about to end
        self.subscription: Any = None  # at a topic, that of the queue
        self.looks_up = False  # attached without a source, to find the subscription

    def open(self) -> None:
        """Take part; messages follow with the receiver's first credit."""
        self.queue.join(self)

    def deliver(self, entry: Entry) -> None:
        """Send one message."""
        try:
            if entry.redelivered or entry.expires or len(entry.body) > LONG_BODY:
                delivery = self.link.transmit(self.payload(entry))
            else:
                delivery = self.link.transmit(entry.envelope.first + entry.body)  # as most are, with a call less
            if entry.envelope.format:
                delivery.in_format(entry.envelope.format)
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

    def payload(self, entry: Entry) -> Any:
        """A message as it is sent now: its header tells of earlier deliveries, and of the time that is left. The body
        of a long one is not copied."""
        head = entry.envelope.first
        if entry.redelivered or entry.expires:
            ttl = entry.expires - self.broker.now() if entry.expires else None
            head = entry.envelope.again(entry.delivery_count, ttl, not entry.redelivered)
        return self.link.joined(head, entry.body) if len(entry.body) > LONG_BODY else head + entry.body

    def close_for(self, error: LocalProtocolError) -> None:
        """A message could not be sent: a receiver for which it is too large gets that as the reason of the close."""
        if error.condition == TOO_LARGE and self.link.condition is None:
            log.warning("%s is closed: %s", self.describe(), error.description, extra=log_fields(self.link))
            self.link.condition = Condition(error.condition, error.description)
            self.link.close()

    def was_tried(self, key: Any) -> bool:
        """Whether the message has left: one that still waits for the session's window was not delivered."""
        return getattr(key, "id", None) is not None

    def halt(self) -> None:
        """As BrokerLink.halt."""
        self.halted = True
        self.queue.grant(self, 0)

    def is_busy(self, confirming: bool) -> bool:
        """As BrokerLink.is_busy."""
        return bool(self.link.queued or self.link.unsettled)

    def on_link_flow(self, event: Any) -> None:
        """The receiver changed its credit, or asks to use it up."""
        if not self.attached:
            return
        link = self.link
        if link.flow_properties is not None and "txn-id" in link.flow_properties:  # [4.4.3]
            self.evict("amqp:not-implemented", "this broker acquires no messages in transactions")
            return
        if self.halted:
            if link.drain_mode:
                link.drained()
            return
        queue = self.queue
        if queue.active is not None and not self.informed:
            self.activated()
        credit = link.credit
        if queue.bytes > MOST_AHEAD:  # however much credit it has: it may not be reading
            credit = min(credit, max(1, MOST_AHEAD * queue.depth // queue.bytes) - link.queued)
        queue.grant(self, credit)
        if self.selection is None:
            link.offered(queue.waiting)
        self.drained()

    def activated(self) -> None:
        """Tell the receiver whether it is the single active one: with its first credit, and when it becomes it (R16;
        rabbitmq.com/docs/consumers, Consumer Activity Notification)."""
        self.informed = True
        active = self.queue.active
        if active is not None:
            self.link.send_flow_properties({ACTIVE: active.consumer is self})

    def drained(self) -> None:
        """Give back the rest of the credit, if the receiver drains and there are no more messages."""
        link, queue = self.link, self.queue
        resting = self.resting or (self.view is not None and self.view.resting)
        if link.drain_mode and not resting and (self.credit or not queue.waiting):
            link.drained()
            queue.grant(self, link.credit)

    def give_back(self) -> int:
        """Messages that were sent wait again, uncounted. They are settled as released; an outcome that follows means
        nothing. Returns their number."""
        given = [(key, entry) for key, entry in self.held.items() if self.was_tried(key)]
        for delivery, _ in given:
            del self.held[delivery]
            delivery.update(RELEASED)
            delivery.settle()
        for _, entry in given:
            self.queue.release(entry)
        return len(given)

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
        settle = partial(_settle_second, delivery) if self.second else delivery.settle
        if state == ACCEPTED:
            entry = held.get(delivery)
            if entry is None or not entry.number or self.broker.durability is None:
                settle()
            else:
                self.broker.durability.then(settle)  # when the store has heard that it is gone
            if entry is not None:
                self.queue.settle(entry)
                del held[delivery]
        elif delivery.settled or state in (REJECTED, RELEASED, MODIFIED, TRANSACTIONAL):
            if state == TRANSACTIONAL:
                self._retire(delivery)
                return
            entry = held.get(delivery)
            settle()
            if entry is not None:
                self._not_accepted(entry, state, delivery.remote)
                held.pop(delivery, None)

    def _not_accepted(self, entry: Entry, state: Any, outcome: Any) -> None:
        queue = self.queue
        if state == RELEASED:
            queue.release(entry)
        elif state == REJECTED:
            self._say_rejected(entry, outcome)
            queue.discard(entry, DROPPED)
        elif state == MODIFIED:
            pause = None
            if outcome.annotations:
                self._annotate(entry, outcome.annotations)
                pause = self._pause(outcome.annotations)
            queue.release(entry, bool(outcome.failed), self if outcome.undeliverable else None, pause)
        else:
            self._settled_silently(entry)

    def _say_rejected(self, entry: Entry, outcome: Any) -> None:
        why = outcome.condition
        reason = why.text if why is not None else "no reason given"
        text = "%r: message %d rejected by %s, %s: %s"
        log.warning(text, self.queue.name, entry.place, self.describe(), self.queue.policy.fate, reason)

    def _retire(self, delivery: Any) -> None:
        """An outcome in a transaction: the message stays acquired until that is discharged."""
        try:
            self.broker.transactions.retire(self, delivery)
        except Refused as error:
            self.evict(error.condition, error.description)

    def changes(self, entry: Entry, state: int, outcome: Any) -> list[Change]:
        """The changes of the store with which `entry`, of the store, gets an outcome; not those of a dead letter."""
        if state == ACCEPTED or (state == REJECTED and self.queue.policy.dead_letter is None):
            return [RemoveMessage(entry.number)]
        if state == MODIFIED and outcome.failed:
            return [CountMessage(entry.number, entry.delivery_count + 1)]
        return []

    def is_dead_letter(self, entry: Entry, state: int) -> bool:
        """Whether `entry`, of the store, goes to a dead letter address with this outcome."""
        dead_letter = self.queue.policy.dead_letter
        return state == REJECTED and entry.number > 0 and dead_letter is not None and not self.queue.deleted

    def apply(self, delivery: Any, entry: Entry, state: int, outcome: Any, buried: bool = False) -> None:
        """The transaction in which `entry` got its outcome is committed. buried: it is at its dead letter address by
        now, and no more in the store under its number."""
        delivery.settle()
        if buried:
            entry.number = 0
            self._say_rejected(entry, outcome)
            self.queue.settle(entry, DROPPED)
            return
        if state == ACCEPTED:
            if self.broker.durability is not None:
                entry.number = 0  # it is out of the store
            self.queue.settle(entry)
        else:
            self._not_accepted(entry, state, outcome)

    def take_back(self, delivery: Any, entry: Entry) -> None:
        """That transaction is rolled back. The receiver has the message as before [4.4.2]; it waits again, as one that
        was tried, if the receiver has settled it or has gone."""
        if self.attached and not delivery.settled:
            self.held[delivery] = entry
        else:
            self.queue.release(entry, True)

    def _settled_silently(self, entry: Entry) -> None:
        """Settled without an outcome: the default-outcome of the receiver's source [3.5.3], else accepted."""
        outcome = self.link.remote_source.default_outcome
        code = getattr(outcome, "descriptor", None)
        if code in (RELEASED, MODIFIED):
            fields = outcome.value if isinstance(outcome.value, list) else []
            self.queue.release(entry, code == MODIFIED and bool(fields and fields[0]))
        else:
            if code == REJECTED:
                self.queue.discard(entry, DROPPED)
            else:
                self.queue.settle(entry)

    def _pause(self, annotations: Any) -> Optional[float]:
        try:
            return pause_of(annotations, self.broker.today())
        except Refused as refusal:
            log.info("%s asks for a delay, and gets none: %s", self.describe(), refusal)
            return None

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
        """Held messages wait again; a subscription may end."""
        self.queue.leave(self)
        if self.subscription is None:
            return
        self.broker.subscribing.leave(self.subscription, self, self.closed)
        if self.closed and self.looks_up and not self.subscription.ended:
            text = "the subscription goes on: it has other receivers"  # to end it was the purpose
            self.link.condition = Condition("amqp:resource-locked", text)


def _settle_second(delivery: Any) -> None:
    """Settle with the outcome of a receiver that settles second [2.6.12]. The client of Azure Service Bus takes any
    other state for a failure, also none [azure.servicebus, ServiceBusReceiver.complete_message]."""
    state = delivery.remote_state
    if state in (ACCEPTED, REJECTED, RELEASED, MODIFIED) and not delivery.settled:
        delivery.update(state)
    delivery.settle()


class LateOutlet(Outlet):
    """An Outlet that sends some messages after the commit of a store, and what is behind them later still.

    pending: how many wait for it.
    """

    def __init__(self, broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any = None) -> None:
        super().__init__(broker, link, record, queue, selection)
        self.pending = 0
        self._flowed = False  # the receiver has changed its credit meanwhile

    def go_on(self) -> None:
        """A message has waited: behind the last one all goes on."""
        if not self.pending:
            flowed, self._flowed = self._flowed, False
            if flowed:
                super().on_link_flow(None)
            else:
                self.drained()

    def on_link_flow(self, event: Any) -> None:
        """As Outlet.on_link_flow, when all is sent that the credit so far was used for."""
        if self.pending:
            self._flowed = True
        else:
            super().on_link_flow(event)

    def drained(self) -> None:
        """As Outlet.drained, when all is sent."""
        if not self.pending:
            super().drained()


class Viewer(Outlet, Browser):
    """Copies of the waiting messages of a queue. Outcomes of them mean nothing, and nothing is taken."""

    def __init__(self, broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any = None) -> None:
        Outlet.__init__(self, broker, link, record, queue, selection)
        self.spot = None

    def deliver(self, entry: Entry) -> None:
        """Send a copy."""
        try:
            delivery = self.link.transmit(self.payload(entry))
            if entry.envelope.format:
                delivery.in_format(entry.envelope.format)
        except LocalProtocolError as error:  # as above
            self.close_for(error)
        except Exception as error:
            self.broker.net.strike(self, error)

    def is_busy(self, confirming: bool) -> bool:
        """Copies are not waited for."""
        return False

    def on_delivery(self, event: Any) -> None:
        """The receiver has seen it."""
        if event.context.updated:
            event.context.settle()
