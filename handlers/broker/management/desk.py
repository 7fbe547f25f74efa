"""The node `$management`: the links by which requests come and answers go.

attaching.py enters with links to the address. A request is a message with the application properties `operation`,
`type` and `name` (operations.py); its `reply_to` is one of:

* the target address, or the name, of a receiver that the same connection has attached to `$management`;
* the address of a node: of a queue of its own (dynamic), or any other.

The answer has the correlation id of the request, or its message id, and the application properties `statusCode` and
`statusDescription`. A request that cannot be answered is rejected; all else is accepted, and gets an answer.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, NamedTuple

from handlers.broker.interface import BrokerView
from handlers.broker.links import TRANSACTIONAL, BrokerLink
from handlers.broker.management.operations import Answer, Operations, Request
from handlers.broker.nodes.directory import Record, Refused, clipped
from handlers.broker.nodes.envelope import read_envelope
from reactor import ACCEPTED, REJECTED, RELEASED, Condition, LocalProtocolError, Message, ReactorException, int32

log = logging.getLogger("handlers.broker")

ADDRESS = "$management"

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


class ManagementLink(RequestLink):
    """A sender attached to `$management`."""

    def __init__(self, broker: BrokerView, link: Any, operations: Operations) -> None:
        super().__init__(broker, link, ADDRESS)
        self.operations = operations

    def way_back(self, request: Message) -> Reply:
        """As RequestLink.way_back."""
        address = request.reply_to
        if not address:
            raise Refused("amqp:precondition-failed", "the request has no reply_to: nobody would get the answer")
        for reader in self.readers():
            if address in reader.names:
                if reader.crowded:
                    raise Refused("amqp:resource-limit-exceeded", f"{MOST_ANSWERS} answers wait to be taken")
                return reader.answer_with
        record = self.broker.directory.records.get(address)
        if record is None:
            raise Refused("amqp:not-found", f"reply_to is {address!r}: no node, and no receiver of this connection")
        if record.node.full:
            raise Refused("amqp:resource-limit-exceeded", f"the node {address!r} of reply_to is full")
        return lambda message: _put(record, message)

    def meet(self, request: Message, reply: Reply) -> None:
        """As RequestLink.meet."""
        number = request.correlation_id if request.correlation_id is not None else request.id
        address = request.reply_to

        def done(answer: Answer) -> None:
            if answer.status >= 400:
                log.info("request of %s not met: %d %s", self.describe(), answer.status, answer.text)
            try:
                reply(form(answer))
            except LocalProtocolError as error:
                if error.condition != TOO_LARGE:
                    raise
                reply(form(Answer(413, f"{error.description}: ask for less at once")))

        def form(answer: Answer) -> Message:
            properties = {**answer.properties, "statusCode": int32(answer.status), "statusDescription": answer.text}
            return Message(answer.body, address=address, correlation_id=number, properties=properties, inferred=False)

        self.operations.perform(Request(request.properties or {}, request.body), done)


def _put(record: Record, message: Message) -> None:
    payload = bytes(message.encode())
    envelope = read_envelope(payload)
    record.node.put(envelope, payload[envelope.length :])


class Desk(NamedTuple):
    """Where links to the management nodes are attached."""

    broker: BrokerView
    operations: Operations

    def requests(self, link: Any) -> RequestLink:
        """The handler of a sender that attaches to a management node."""
        link.target.address = link.remote_target.address
        link.source.address = link.remote_source.address
        link.max_message_size = MOST_REQUEST
        return ManagementLink(self.broker, link, self.operations)

    def answers(self, link: Any) -> AnswerLink:
        """The handler of a receiver that attaches to a management node."""
        link.source.address = link.remote_source.address
        link.target.address = link.remote_target.address
        return AnswerLink(self.broker, link, ADDRESS)


