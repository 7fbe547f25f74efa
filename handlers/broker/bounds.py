"""Bounds over all connections together: their number, and the bytes of incomplete messages; and of times to wait.

The broker enters when connections come and go, and links when a message has come in part. It knows connections and
their transports, and nothing that is in them.
"""

from __future__ import annotations

from typing import Any, Optional

from handlers.broker.nodes.directory import Maker

LONGEST_TIME = 8_589_934
"""Seconds, some 99 days: the longest idle timeout of which twice has room in an open [2.7.1]."""


def check_times(**times: Optional[float]) -> None:
    """ValueError unless each of these is a time to wait, in seconds. None: of the library's choice."""
    for name, seconds in times.items():
        if seconds is not None and not 0 <= seconds <= LONGEST_TIME:
            raise ValueError(f"{name} is {seconds!r}; it is a number of seconds, from 0 to {LONGEST_TIME}")


class Bounds:
    """The connections of one broker, and the messages that have come in part over them.

    max_connections: how many there may be. most_of_user: how many of one user. max_partial_bytes: of messages that are
    not complete. 0 for no bound.
    partial: bytes of these, as far as is known: a client may have given up a message since.
    """

    def __init__(self, max_connections: int, max_partial_bytes: int, most_of_user: int = 0) -> None:
        self.max_connections = max_connections
        self.most_of_user = most_of_user
        self.max_partial_bytes = max_partial_bytes
        self.partial = 0
        self._seen: dict[Any, int] = {}
        self._makers: dict[Any, Maker] = {}

    def came(self, connection: Any) -> None:
        """A client connects."""
        self._seen[connection] = 0

    def gone(self, connection: Any) -> None:
        """The wire of `connection` has ended. Harmless when repeated."""
        self.partial -= self._seen.pop(connection, 0)
        self._makers.pop(connection, None)

    def maker(self, connection: Any) -> Maker:
        """As the directory counts its nodes."""
        maker = self._makers.get(connection)
        if maker is None:
            maker = self._makers[connection] = Maker()
        return maker

    @property
    def crowded(self) -> bool:
        """Whether there is one connection more than there may be."""
        return 0 < self.max_connections < len(self._seen)

    def too_much(self, connection: Any) -> bool:
        """Whether the bytes that have now come over `connection` are more than may be kept."""
        self._weigh(connection)
        if 0 < self.max_partial_bytes < self.partial:
            for other in self._seen:
                self._weigh(other)
            return self.max_partial_bytes < self.partial
        return False

    def _weigh(self, connection: Any) -> None:
        transport = connection.transport
        size = 0 if transport is None else transport.buffered
        if connection in self._seen:
            self.partial += size - self._seen[connection]
            self._seen[connection] = size
