"""At most once from a store: the outlet of a receiver whose messages are sent settled.

A message that is sent first and removed from the store afterwards would be sent again if the broker crashed between. So
it leaves the queue and the store, and is sent after the commit: a crash may lose it, which at most once allows. See
outlets.py for the others.
"""

from __future__ import annotations

import logging
from typing import Any

from handlers.broker.interface import BrokerView
from handlers.broker.nodes.directory import Record
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.node import Queue
from handlers.broker.outlets import LateOutlet, Outlet
from handlers.broker.patience import PatientOutlet
from handlers.broker.resuming import ResumedOutlet
from reactor import Link, LocalProtocolError

log = logging.getLogger("handlers.broker")


class OnceOutlet(LateOutlet):
    """Messages of a queue, sent settled when the store has let go of them, and those behind them."""

    def deliver(self, entry: Entry) -> None:
        """Send one message, a durable one later."""
        durability = self.broker.durability
        if durability is None or not (entry.number or self.pending):
            super().deliver(entry)
            return
        payload = self.payload(entry)
        if 0 < self.link.remote_max_message_size < len(payload):
            super().deliver(entry)  # it is not sent, and stays
            return
        self.queue.settle(entry)
        self.pending += 1
        durability.then(lambda: self._send(payload, entry.envelope.format))

    def _send(self, payload: Any, message_format: int) -> None:
        self.pending -= 1
        try:
            if self.attached:
                delivery = self.link.transmit(payload)
                if message_format:
                    delivery.in_format(message_format)
            else:
                log.warning("%s left, and one message for it is lost: it asked for each at most once", self.describe())
        except LocalProtocolError as error:  # the peer has just closed the link
            log.warning("one message for %s is lost: %s", self.describe(), error.description)
        except Exception as error:  # not the fault of the others that wait for the commit
            self.broker.net.strike(self, error)
        self.go_on()


def outlet(broker: BrokerView, link: Any, record: Record, queue: Queue, selection: Any = None) -> Outlet:
    """The outlet for a receiver of `queue`."""
    stay = broker.resuming.stay_for(link)
    if stay is not None:
        return ResumedOutlet(broker, link, record, queue, selection, stay)
    kind: type[Outlet] = Outlet
    if link.remote_snd_settle_mode != Link.SND_SETTLED:
        kind = Outlet if queue.leases is None else PatientOutlet
    elif broker.durability is not None:
        kind = OnceOutlet
    return kind(broker, link, record, queue, selection)
