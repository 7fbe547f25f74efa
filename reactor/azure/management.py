"""Management: requests to the node `$management` of an entity, over a container.

One pair of links for each entity and connection. It knows operations as data (operations.py).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional

from reactor.azure.operations import Operation
from reactor.codec.message import Message
from reactor.codec.types import uint
from reactor.container.container import Container
from reactor.engine.endpoints.condition import Condition
from reactor.engine.public import Connection
from reactor.errors import DecodeError, ReactorException
from reactor.loop.timers import Timer
from reactor.reasons import PASSING
from reactor.shown import shown
from reactor.tokens.requests import Reply, RequestLinks

#: Called with the result and None, or with None and the exception.
Done = Callable[[Any, Optional[Exception]], None]

#: Seconds for the answer to a request, and how much sooner the service is to give up.
TIMEOUT, SOONER = 60.0, 1.0


class ManagementError(ReactorException):
    """An entity has refused an operation, or has not answered.

    status: as in HTTP; 0 where there is no answer. condition: such as ``"com.microsoft:message-not-found"``, or "".
    passes: whether the same may succeed later.
    """

    def __init__(self, text: str, status: int = 0, condition: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.condition = condition
        self.passes = status in (408, 429) or status >= 500 or condition in PASSING


class Management:
    """Asks one entity for operations.

    container, connection: over which. entity: its address, such as ``"jobs"`` or ``"news/Subscriptions/mine"``.
    timeout: seconds for each answer.
    """

    def __init__(self, container: Container, connection: Connection, entity: str, timeout: float = TIMEOUT) -> None:
        self.entity = entity
        self.timeout = timeout
        self._loop = container.loop
        self._sent: dict[int, _Asked] = {}
        self._waiting: list[_Asked] = []
        self._number = 0
        self._over: Optional[Condition] = None
        node = entity.rstrip("/") + "/$management"
        self._links = RequestLinks(connection, node, container.loop, container.random, self)

    def ask(self, operation: Operation, done: Done) -> None:
        """Ask for an operation. `done(result, None)` is called with its result, or `done(None, error)` with a
        ManagementError, or a DecodeError for an answer that cannot be read."""
        if self._over is not None:
            raise self._ended(self._over)
        self._number += 1
        asked = _Asked(self._number, operation, done)
        text = "%s at %s: no answer within %g s" % (operation.name, self.entity, self.timeout)
        asked.deadline = self._loop.schedule(self.timeout, lambda: self._finish(asked, None, ManagementError(text)))
        self._waiting.append(asked)
        self.ready()

    def close(self) -> None:
        """Close the links. Requests without an answer have none: they fail."""
        self._links.close()
        self.refused(Condition("amqp-reactor:ended", "the links were closed here"))

    # -- the links ---------------------------------------------------------------------------------------

    def ready(self) -> None:
        """The links are there: send the requests that waited for it."""
        if not self._links.is_ready:
            return
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            self._sent[asked.number] = asked
            seconds = max(self.timeout - SOONER, self.timeout / 2)
            properties = {"operation": asked.operation.name, "com.microsoft:server-timeout": uint(int(seconds * 1000))}
            request = Message(asked.operation.body, properties=properties)
            asked.request = self._links.request(request, partial(self._answered, asked))

    def interrupted(self) -> None:
        """The links have gone, and come back. The entity may have done what it was asked for."""
        for asked in list(self._sent.values()):
            text = "%s at %s: the link was lost before the answer" % (asked.operation.name, self.entity)
            self._finish(asked, None, ManagementError(text))

    def refused(self, condition: Condition) -> None:
        """The entity has no such node."""
        self._over = condition
        for asked in [*self._sent.values(), *self._waiting]:
            self._finish(asked, None, self._ended(condition))

    def _ended(self, condition: Condition) -> ManagementError:
        return ManagementError("$management of %s: %s" % (self.entity, condition.text), 0, condition.name)

    def _answered(self, asked: _Asked, reply: Reply) -> None:
        operation = asked.operation
        if reply.status == 200 or (reply.status in (202, 204) and operation.may_be_empty):
            body = None if reply.message is None or reply.status != 200 else reply.message.body
            try:
                result = operation.read(body)
            except DecodeError as error:
                self._finish(asked, None, error)
            else:  # an error of the application's `done` is its own
                self._finish(asked, result, None)
            return
        text = "%s at %s was refused: %s" % (operation.name, self.entity, shown(reply.text))
        self._finish(asked, None, ManagementError(text, reply.status, reply.condition))

    def _finish(self, asked: _Asked, result: Any, error: Optional[Exception]) -> None:
        if asked.deadline is None:
            return  # it is over
        asked.deadline.cancel()
        asked.deadline = None
        self._sent.pop(asked.number, None)
        self._links.drop(asked.request)
        if asked in self._waiting:
            self._waiting.remove(asked)
        asked.done(result, error)

    def __repr__(self) -> str:
        return "<Management of %r>" % self.entity


class _Asked:
    """One request. request: the id of its message, once that is sent. deadline: None when it is over."""

    __slots__ = ("number", "operation", "done", "request", "deadline")

    def __init__(self, number: int, operation: Operation, done: Done) -> None:
        self.number = number
        self.operation = operation
        self.done = done
        self.request = ""
        self.deadline: Optional[Timer] = None
