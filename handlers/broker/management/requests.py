"""Links to the management nodes: requests come by one, answers go by the other.

desk.py makes them; node.py and pair.py have the two kinds of requests. A request that cannot be answered is rejected;
all else is accepted, and gets an answer.
"""

from __future__ import annotations

import logging
from typing import Any, Callable

from handlers.broker.interface import BrokerView
from handlers.broker.links import TRANSACTIONAL, BrokerLink
from handlers.broker.nodes.directory import Refused, clipped
from reactor import ACCEPTED, REJECTED, RELEASED, Condition, Message, ReactorException

log = logging.getLogger("handlers.broker")

TOO_LARGE = "amqp:link:message-size-exceeded"

CREDIT = 50
"""Requests under way over one link."""

MOST_ANSWERS = 500
"""Answers that wait for one receiver to take them; requests beyond it are rejected."""

MOST_REQUEST = 256 * 1024
"""Bytes of a request."""

Reply = Callable[[Message], None]


class AnswerLink(BrokerLink):
    """A receiver attached to a management node."""

    def __init__(self, broker: BrokerView, link: Any, address: str) -> None:
        super().__init__(broker, link, None)
        self.address = address

    def where(self) -> str:
        """As BrokerLink.where."""
        return repr(self.address)

    def open(self) -> None:
        """Answers follow."""

    @property
    def names(self) -> tuple[Any, ...]:
        """The addresses by which a request means it."""
        return self.link.remote_target.address, self.link.name

    @property
    def crowded(self) -> bool:
        """Whether it leaves too many answers waiting."""
        return int(self.link.queued) >= MOST_ANSWERS

    def answer_with(self, message: Message) -> None:
        """Send an answer; it waits for the receiver's credit."""
        if self.attached:
            self.link.transmit(bytes(message.encode()))

    def on_delivery(self, event: Any) -> None:
        """The receiver has seen it."""
        if event.context.updated:
            event.context.settle()


class RequestLink(BrokerLink):
    """A sender attached to a management node: the common part of all of these."""

    produces = True

    def __init__(self, broker: BrokerView, link: Any, address: str) -> None:
        super().__init__(broker, link, None)
        self.address = address

    def where(self) -> str:
        """As BrokerLink.where."""
        return repr(self.address)

    def open(self) -> None:
        """Requests may come."""
        self.link.prefetch = CREDIT

    def on_delivery(self, event: Any) -> None:
        """A request, or a part of one."""
        delivery = event.context
        if delivery.payload is None or delivery.partial or delivery.aborted:
            if delivery.aborted:
                delivery.settle()
            return
        payload = delivery.take()
        if not self.attached:
            delivery.settle_with(RELEASED)
            return
        try:
            if delivery.remote_state == TRANSACTIONAL:
                raise Refused("amqp:not-implemented", "a request is no part of a transaction")
            request = Message.from_bytes(payload)
            request.check()
            reply = self.way_back(request)
        except (Refused, ReactorException) as error:
            condition = error.condition if isinstance(error, Refused) else "amqp:decode-error"
            log.warning("request of %s refused: %s", self.describe(), error)
            if not delivery.settled:
                delivery.local.condition = Condition(condition, clipped(str(error)))
                delivery.update(REJECTED)
                delivery.settle()
            return
        if not delivery.settled:
            delivery.settle_with(ACCEPTED)
        self.meet(request, reply)

    def way_back(self, request: Message) -> Reply:
        """By which the answer goes. Refused."""
        raise Refused("amqp:not-implemented", "there is no way back")

    def meet(self, request: Message, reply: Reply) -> None:
        """Do what is asked for, and answer."""

    def readers(self) -> list[AnswerLink]:
        """The receivers of the same connection at this address."""
        links = self.broker.links_of(self.link.connection)
        return [link for link in links if isinstance(link, AnswerLink) and link.address == self.address]


