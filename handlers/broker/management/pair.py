"""The link pair `/management` of RabbitMQ 4: a sender and a receiver of one name, with the property `paired`.

desk.py enters when a link attaches. The subject of a request is its method, `to` the path, `reply_to` is `$me`; the
answer comes over the receiver, its subject is the status, its correlation id the message id of the request [OASIS: AMQP
Link Pairing 1.0; HTTP over AMQP 1.0, working draft].
"""

from __future__ import annotations

import logging
from typing import Any

from handlers.broker.interface import BrokerView
from handlers.broker.management.http import Asker, HttpOperations
from handlers.broker.management.requests import MOST_ANSWERS, TOO_LARGE, AnswerLink, Reply, RequestLink
from handlers.broker.nodes.directory import Refused
from reactor import LocalProtocolError, Message

log = logging.getLogger("handlers.broker")

ADDRESS = "/management"

HERE = "$me"


class PairLink(RequestLink):
    """The sender of a pair."""

    def __init__(self, broker: BrokerView, link: Any, operations: HttpOperations) -> None:
        super().__init__(broker, link, ADDRESS)
        self.operations = operations

    def way_back(self, request: Message) -> Reply:
        """As RequestLink.way_back: the receiver of the pair, or another one of this connection. Some clients give them
        names of their own."""
        if request.reply_to != HERE:
            raise Refused("amqp:precondition-failed", f"reply_to is {request.reply_to!r}: {HERE!r} is wanted")
        readers = self.readers()
        if not readers:
            raise Refused("amqp:precondition-failed", f"no receiver is attached to {ADDRESS!r}: nobody gets the answer")
        pair: AnswerLink = next((reader for reader in readers if reader.link.name == self.link.name), readers[-1])
        if pair.crowded:
            raise Refused("amqp:resource-limit-exceeded", f"{MOST_ANSWERS} answers wait to be taken")
        return pair.answer_with

    def meet(self, request: Message, reply: Reply) -> None:
        """As RequestLink.meet."""

        def done(status: int, body: Any) -> None:
            if status >= 400:
                asked = request.subject, request.address
                log.info("request of %s, %s %s, not met: %s", self.describe(), *asked, body)
            try:
                reply(form(status, body))
            except LocalProtocolError as error:
                if error.condition != TOO_LARGE:
                    raise
                reply(form(413, error.description))

        def form(status: int, body: Any) -> Message:
            facts: dict[str, Any] = {"http:response": "1.1"}
            number = request.id
            return Message(body, subject=str(status), correlation_id=number, properties=facts, inferred=False)

        asker = Asker(self.link.connection)
        self.operations.perform(request.subject, request.address, request.body, asker, done)
