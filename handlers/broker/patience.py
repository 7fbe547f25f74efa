"""The outlet of a queue with a bound on the time that a consumer may hold a message (nodes/leases.py).

A message that is held too long goes back to its queue, as RabbitMQ 4.3 does it [rabbitmq.com/docs/consumers, R11]: the
receiver hears a disposition with state released, and gets no further message until it has settled that one; its late
outcome means nothing. See outlets.py for the others.
"""

from __future__ import annotations

import logging
from typing import Any

from handlers.broker.interface import BrokerView
from handlers.broker.nodes.directory import Record
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.node import Queue
from handlers.broker.outlets import Outlet
from reactor import RELEASED

log = logging.getLogger("handlers.broker")


class PatientOutlet(Outlet):
    """Messages of a queue, each for a bounded time."""

    def __init__(self, broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any = None) -> None:
        super().__init__(broker, link, record, queue, selection)
        self._late: set[Any] = set()  # deliveries that the receiver is to settle first

    def deliver(self, entry: Entry) -> None:
        """As Outlet.deliver; the time begins."""
        super().deliver(entry)
        if self.queue.leases is not None:
            self.queue.leases.begin(self.queue, entry, self, self.broker.now())

    def give_up(self, entry: Entry) -> bool:
        """`entry` is held too long. Returns whether it is held at all."""
        delivery = next((key for key, held in self.held.items() if held is entry), None)
        if delivery is None or not self.was_tried(delivery):
            return False
        text = "%s has held message %d of %r for more than %g seconds: it goes to others"
        log.warning(text, self.describe(), entry.place, self.queue.name, self.queue.policy.ack_timeout)
        del self.held[delivery]
        self._late.add(delivery)
        delivery.update(RELEASED)
        self.queue.grant(self, 0)
        return True

    def on_link_flow(self, event: Any) -> None:
        """As Outlet.on_link_flow; a receiver with something to settle gets nothing, and knows it if it drains."""
        if not self._late:
            super().on_link_flow(event)
        elif self.attached and self.link.drain_mode:
            self.link.drained()

    def drained(self) -> None:
        """As Outlet.drained."""
        if not self._late:
            super().drained()

    def on_delivery(self, event: Any) -> None:
        """As Outlet.on_delivery; a late outcome has no effect but this: the receiver gets messages again."""
        delivery = event.context
        if delivery not in self._late:
            super().on_delivery(event)
        elif delivery.settled or delivery.remote_state is not None:
            self._late.discard(delivery)
            delivery.settle()
            if not self._late:
                self.on_link_flow(event)
