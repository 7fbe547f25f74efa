"""A client of the node `$management`, for commands and scripts: one request at a time, and its answer.

    with ManagementClient("amqp://127.0.0.1") as management:
        for queue in management.query("queue"):
            print(queue["name"], queue["depth"])
        management.ask("PURGE", "queue", name="jobs")

It runs a container of its own while it waits for an answer, and no longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional

from handlers import MessagingHandler
from reactor import Condition, Container, LinkOption, Message, Url

NODE = "$management"

TYPE = "org.amqp.management"

UNREACHED, REFUSED, SILENT = "unreached", "refused", "silent"
"""Why there is no answer: no broker was reached; the client may not come in, or not manage; none came in time."""


class ManagementError(Exception):
    """A request that was not met. status: of the answer, as in HTTP; 0 where none came, and `why` says why."""

    def __init__(self, text: str, status: int = 0, why: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.why = why


class Reply(NamedTuple):
    """body: of the answer. properties: its application properties."""

    body: Any
    properties: dict[str, Any]


class _ReplyTo(LinkOption):
    """The target of the receiver, by which requests mean it."""

    def __init__(self, address: str) -> None:
        self.address = address

    def apply(self, link: Any) -> None:
        link.target.address = self.address


class _Notes(MessagingHandler):
    """What comes of a connection: answers by the number of the request, or the error that ended it."""

    def __init__(self) -> None:
        super().__init__(prefetch=10)
        self.replies: dict[Any, Message] = {}
        self.error: Optional[ManagementError] = None
        self.opened = False
        self.closed = False

    def on_message(self, event: Any) -> None:
        self.replies[event.message.correlation_id] = event.message

    def on_connection_opened(self, event: Any) -> None:
        self.opened = True

    def on_rejected(self, event: Any) -> None:
        self._fail(REFUSED, event.delivery.remote.condition)

    def on_link_error(self, event: Any) -> None:
        self._fail(REFUSED, event.link.remote_condition)

    on_session_error = on_link_error

    def on_connection_error(self, event: Any) -> None:
        self._fail(REFUSED, event.connection.remote_condition)

    def on_transport_error(self, event: Any) -> None:
        condition = event.transport.condition
        unauthorized = condition is not None and condition.name == "amqp:unauthorized-access"
        self._fail(REFUSED if unauthorized or self.opened else UNREACHED, condition)

    def on_transport_closed(self, event: Any) -> None:
        self.closed = True
        self._fail(UNREACHED, None)

    def _fail(self, why: str, condition: Optional[Condition]) -> None:
        if self.error is None:
            text = "the connection has ended" if condition is None else condition.description or condition.name
            self.error = ManagementError(text, why=why)


class ManagementClient:
    """See the module. url: of the broker. timeout: seconds for each answer. options: those of `Container.connect`.

    It connects when it is made. ManagementError, if it cannot; ValueError for a url that is none.
    """

    def __init__(self, url: str = "amqp://127.0.0.1", timeout: float = 10.0, **options: Any) -> None:
        self.url = Url(url)
        self.timeout = timeout
        self._notes = _Notes()
        self._asked = 0
        self._container = Container(self._notes)
        self._connection = self._container.connect(url, **{"reconnect": False, "connect_timeout": timeout, **options})
        self._here = f"management-{self._container.container_id}"
        self._receiver = self._container.create_receiver(self._connection, NODE, options=_ReplyTo(self._here))
        self._sender = self._container.create_sender(self._connection, NODE)
        try:
            self._until(lambda: self._sender.credit)
        except ManagementError:
            self.close()
            raise

    def ask(self, operation: str, kind: str = TYPE, body: Any = None, **arguments: Any) -> Reply:
        """The answer to one request: `operation` on an entity of this kind. arguments: `name` and others; None stands
        for none. ManagementError, if it was not met."""
        self._asked += 1
        number = str(self._asked)
        properties = {"operation": operation, "type": kind}
        properties.update((name, value) for name, value in arguments.items() if value is not None)
        self._sender.send(Message(body, id=number, reply_to=self._here, properties=properties, inferred=False))
        self._until(lambda: number in self._notes.replies)
        answer = self._notes.replies.pop(number)
        facts = dict(answer.properties or {})
        status = int(facts.get("statusCode", 0))
        if not 200 <= status < 300:
            raise ManagementError(str(facts.get("statusDescription", "")), status)
        return Reply(answer.body, facts)

    def query(self, kind: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """All entities of this kind, each with its attributes, a page at a time. ManagementError."""
        offset, total = 0, 1
        while offset < total:
            body, facts = self.ask("QUERY", entityType=kind, offset=offset, count=500, **arguments)
            for row in body["results"]:
                yield dict(zip(body["attributeNames"], row))
            offset, total = offset + max(1, facts["count"]), facts["total"]

    def close(self) -> None:
        """Close the connection. Harmless when repeated."""
        notes = self._notes
        self._connection.close()
        deadline = self._container.mark() + self.timeout
        while not notes.closed and self._container.mark() < deadline:
            self._container.do_work(0.1)
        notes.closed = True
        self._container.stop()
        self._container.run()

    def _until(self, done: Callable[[], Any]) -> None:
        deadline = self._container.mark() + self.timeout
        while not done():
            if self._notes.error is not None:
                raise self._notes.error
            left = deadline - self._container.mark()
            if left <= 0:
                raise ManagementError(f"no answer in {self.timeout:g} seconds", why=SILENT)
            self._container.do_work(min(left, 0.1))

    def __enter__(self) -> ManagementClient:
        return self

    def __exit__(self, *why: Any) -> None:
        self.close()
