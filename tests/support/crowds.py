"""Two containers over sockets, in this thread: one opens connections with a link each, the other takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional

from handlers import MessagingHandler
from reactor import Container


class Holding(MessagingHandler):
    closed = 0

    def on_start(self, event: Any) -> None:
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_link_opening(self, event: Any) -> None:
        event.link.target.address = event.link.remote_target.address

    def on_connection_closed(self, event: Any) -> None:
        self.closed += 1


class Opening(MessagingHandler):
    opened = closed = 0

    def on_link_opened(self, event: Any) -> None:
        self.opened += 1

    def on_connection_closed(self, event: Any) -> None:
        self.closed += 1


class Crowd:
    """Functions that open and close connections, and return when both ends have."""

    def __init__(self, client: Container, server: Container, opening: Opening, holding: Holding) -> None:
        self._client = client
        self._server = server
        self._opening = opening
        self._holding = holding
        self._connections: list[Any] = []

    def opened(self, count: int, reconnect: Optional[bool] = False) -> Callable[[], None]:
        """Opens `count` more."""

        def act() -> None:
            for _ in range(count):
                connection = self._client.connect(self._holding.acceptor.url, reconnect=reconnect)
                self._client.create_sender(connection, "benchmark")
                self._connections.append(connection)
            self._until(lambda: self._opening.opened >= len(self._connections) + self._opening.closed)

        return act

    def closed(self) -> Callable[[], None]:
        """Closes all."""

        def act() -> None:
            for connection in self._connections:
                connection.close()
            most = len(self._connections) + self._opening.closed
            self._connections.clear()
            self._until(lambda: self._opening.closed >= most and self._holding.closed >= most and not self._wires())

        return act

    def _wires(self) -> int:
        return len(self._client.loop.watchers) + len(self._server.loop.watchers) - 1  # the listener

    def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._client.process()
            self._server.process()
        for _ in range(2):  # the credit of the links, and the ends of the wires
            self._client.process()
            self._server.process()


@contextmanager
def crowd() -> Iterator[Crowd]:
    """A crowd that has opened and closed some already: what is made once for all is there."""
    holding, opening = Holding(), Opening()
    with Container(holding, busy_poll=0) as server, Container(opening, busy_poll=0) as client:
        server.timeout = client.timeout = 0
        server.process()
        both = Crowd(client, server, opening, holding)
        both.opened(3)()
        both.closed()()
        yield both
