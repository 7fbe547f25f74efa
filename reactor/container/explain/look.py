"""Look: the state of a container at one moment, as the rooms that explain it ask for it.

They get one, and change nothing. A connection that is no container's has none of these answers: then they are None.
"""

from __future__ import annotations

import os

from reactor.container.explain.sentences import Sentence, lasting
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.lazily import TYPE_CHECKING

#: The context of sessions by which the peer is asked for its own view: they are no part of the application.
FAR = "amqp-reactor: the peer's view"

_ACTIVE = Endpoint.REMOTE_ACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Optional
    from weakref import ref

    from reactor.container.connections import Connections
    from reactor.container.explain.samples import Samples
    from reactor.container.reconnect.supervisor import ConnectionSupervisor
    from reactor.container.turns import Turns
    from reactor.loop.driver import Driver

    #: A link that the peer has closed with a reason: its connection, which is not kept for that; its name; when; the
    #: words.
    Refusal = tuple["ref[Any]", str, float, str]


class Look:
    """One moment. stopping: whether the container takes nothing in any more."""

    def __init__(
        self,
        turns: Optional[Turns] = None,
        connections: Optional[Connections] = None,
        samples: Optional[Samples] = None,
        refused: Iterable[Refusal] = (),
        stopping: bool = False,
    ) -> None:
        self.stopping = stopping
        self._refused = refused
        self.now = None if turns is None else turns.loop.clock.now()
        self._turns = turns
        self._connections = connections
        self._samples = samples

    def supervisor(self, connection: Any) -> Optional[ConnectionSupervisor]:
        """The supervisor of an outgoing connection of the container."""
        return None if self._connections is None else self._connections.supervisor_of(connection)

    def driver(self, connection: Any) -> Optional[Driver]:
        """The driver of its wire."""
        return None if self._turns is None else self._turns.drivers.get(connection.transport)

    def ago(self, time: Optional[float]) -> Optional[float]:
        """How many seconds ago that was; None where it is not known."""
        return None if not time or self.now is None else max(0.0, self.now - time)

    def unmoved(self, link: Any) -> Optional[float]:
        """For how many seconds, at least, nothing has moved over a link; None where no look was made before."""
        return None if self._samples is None else self.ago(self._samples.since(link))

    def retries(self, endpoint: Any) -> bool:
        """Whether a session or link that the peer has ended is asked for again."""
        return self._connections is not None and self._connections.will_retry(endpoint)

    def refusals(self, connection: Any) -> list[Sentence]:
        """The links of a connection that the peer has closed with a reason, and that none of their address has come
        after. Where others go on it is no obstacle: the application may know."""
        told = []
        there = {link.describe() for link in connection.links(Endpoint.LOCAL_ACTIVE) if link.state & _ACTIVE}
        kind = "was refused" if there else "refused"
        for of, name, time, text in self._refused:
            if of() is connection and name not in there:
                ago = self.ago(time)
                told.append(Sentence(kind, "%s%s" % (text, ", %s ago" % lasting(ago) if ago else "")))
        return told

    def handler_of(self, link: Any) -> Any:
        """The handler that gets the events of a link."""
        for endpoint in (link, link.session, link.connection):
            if endpoint.handler is not None:
                return endpoint.handler
        return None if self._turns is None else self._turns.handler


def place_of(handler: Any, name: str) -> str:
    """Where the method `name` of a handler, or of one of its children, stands: "worker.py:31, Worker.on_message".
    It costs nothing before it is asked for. "" where there is none."""
    for one in _tree(handler):
        method = getattr(one, name, None)
        function: Any = getattr(method, "__func__", method)
        code = getattr(function, "__code__", None)
        if code is not None and not is_ours(getattr(function, "__module__", "")):
            return "%s:%d, %s" % (os.path.basename(code.co_filename), code.co_firstlineno, function.__qualname__)
    return ""


def is_ours(module: str) -> bool:
    """Whether a module is of this library, and not of the application."""
    return module.partition(".")[0] in ("reactor", "handlers") or module.startswith("amqp_reactor_")


def _tree(handler: Any, depth: int = 0) -> Iterator[Any]:
    if handler is None or depth > 8:
        return
    yield handler
    children = getattr(handler, "handlers", None)
    for child in children if isinstance(children, list) else ():
        yield from _tree(child, depth + 1)
