"""The node `$management`: requests by the names of AMQP Management.

desk.py enters when a link attaches. A request is a message with the application properties `operation`, `type` and
`name` (operations.py); its `reply_to` is one of:

* the target address, or the name, of a receiver that the same connection has attached to `$management`;
* the address of a node: of a queue of its own (dynamic), or any other.

The answer has the correlation id of the request, or its message id, and the application properties `statusCode` and
`statusDescription`.
"""

from __future__ import annotations

import logging
from typing import Any

from handlers.broker.interface import BrokerView
from handlers.broker.management.operations import Answer, Operations, Request
from handlers.broker.management.requests import MOST_ANSWERS, TOO_LARGE, Reply, RequestLink
from handlers.broker.nodes.directory import Record, Refused
from handlers.broker.nodes.envelope import read_envelope
from handlers.broker.nodes.names import node_name
from reactor import LocalProtocolError, Message, int32

log = logging.getLogger("handlers.broker")

ADDRESS = "$management"


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
        record = self.broker.directory.records.get(node_name(address))
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


