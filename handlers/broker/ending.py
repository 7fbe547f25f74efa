"""The end of a broker in good order: nothing new is taken in, and what is under way goes on to its outcome.

The broker enters when it is asked to stop. Producers get their credit withdrawn, consumers get no further messages, and
new links are refused. When no message is without its outcome, or the time is over, every connection is closed with
amqp:connection:forced: a client may come back. Messages that have no outcome then wait in their queues.
"""

from __future__ import annotations

import logging

from handlers.broker.interface import EndingHost
from handlers.broker.net import BrokerTimer
from reactor import Condition

log = logging.getLogger("handlers.broker")

SHUTTING_DOWN = "the broker is shutting down"

CONFIRMATION = 1.0
"""Seconds for a producer to confirm that it has no credit any more. Not every client does."""

PERIOD = 0.02
"""Seconds until it is looked again whether all is done."""


class Ending:
    """The end of one broker. begun: it is near; no link is let in any more."""

    def __init__(self, broker: EndingHost) -> None:
        self.broker = broker
        self.begun = False
        self._patient = self._finished = False
        self._deadline = self._confirm_by = 0.0

    def begin(self, seconds: float) -> None:
        """Take nothing in any more, and stop after so many seconds at most. Another call may only shorten it."""
        if self.begun:
            self._deadline = min(self._deadline, self.broker.now() + seconds)
            self.look()
            return
        self.begun, self._patient = True, seconds > 0
        self.broker.stop_listening()
        now = self.broker.now()
        self._deadline, self._confirm_by = now + seconds, now + min(CONFIRMATION, seconds)
        for connection in self.broker.connections():
            connection.condition = Condition("amqp:connection:forced", SHUTTING_DOWN)  # however it is closed
            if self._patient:
                for link in self.broker.links_of(connection):
                    link.halt()
        self.look()

    def look(self) -> None:
        """Go on, if nothing is under way any more."""
        if self._finished:
            return
        now = self.broker.now()
        confirming = now < self._confirm_by
        links = [link for connection in self.broker.connections() for link in self.broker.links_of(connection)]
        busy = [link for link in links if link.is_busy(confirming)]
        if busy and now < self._deadline:
            self.broker.call(BrokerTimer("end of the broker", self.look), PERIOD)
            return
        if busy and self._patient:
            log.warning("%d links have messages without an outcome, such as %s", len(busy), busy[0].describe())
        self._finished = True
        self.broker.finish()
