"""Queues, exchanges and bindings of a RabbitMQ 4 over AMQP itself: requests to `/management`, in the manner of HTTP.

Requests and replies go over two links that have one name and belong together (a link pair), each pre-settled. A path is
percent-encoded; the body of a request is a map, or the null that GET and DELETE want.
"""

from __future__ import annotations

import uuid
from typing import Any, Optional
from urllib.parse import quote

from handlers import MessagingHandler
from reactor import Endpoint, LinkOption, Message, symbol
from tests.support.desk import Desk

NODE = "/management"
#: The client's end of both links, by which RabbitMQ tells that they belong together.
HERE = "$me"


class Paired(LinkOption):
    """One of two links that belong together."""

    def apply(self, link: Any) -> None:
        here, there = (link.source, link.target) if link.is_sender else (link.target, link.source)
        here.address, there.address = HERE, NODE
        link.snd_settle_mode = link.SND_SETTLED
        link.properties = {symbol("paired"): True}


class Replies(MessagingHandler):
    """The replies that nobody has asked for yet, by the request's id."""

    def __init__(self) -> None:
        super().__init__(prefetch=100)
        self.come: dict[Any, Message] = {}

    def on_message(self, event: Any) -> None:
        self.come[event.message.correlation_id] = event.message


class Management:
    """The management of the RabbitMQ at which a desk is."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.replies = Replies()
        session = desk.container.create_session(desk.connection)
        links: dict[str, Any] = {"name": f"management-{uuid.uuid4()}", "options": Paired()}
        self.sender = desk.container.create_sender(session, NODE, **links)
        receiver = desk.container.create_receiver(session, NODE, handler=self.replies, **links)
        # A request that comes before there is credit for its reply ends the session.
        desk.until(lambda: receiver.state & Endpoint.REMOTE_ACTIVE)

    def ask(self, method: str, path: str, body: Optional[Any] = None) -> tuple[int, Any]:
        """(status, body) of the reply."""
        number = str(uuid.uuid4())
        self.sender.send(Message(body, inferred=False, id=number, address=path, subject=method, reply_to=HERE))
        self.desk.until(lambda: number in self.replies.come)
        reply = self.replies.come.pop(number)
        return int(reply.subject), reply.body

    def declare(self, queue: str, kind: str = "classic", **arguments: Any) -> None:
        """Make a queue, which is durable."""
        asked = {"durable": True, "arguments": {"x-queue-type": kind, **arguments}}
        status, said = self.ask("PUT", path("queues", queue), asked)
        assert status == 201, said


def path(*parts: str) -> str:
    return "".join("/" + quote(part, safe="") for part in parts)
