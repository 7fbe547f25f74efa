"""BlockingManagement: operations of an entity over a blocking connection, each returned with its result."""

from __future__ import annotations

from typing import Any, Optional

from reactor.azure.management import TIMEOUT, Management
from reactor.azure.operations import Operation
from reactor.blocking.connection import BlockingConnection


class BlockingManagement:
    """Asks one entity for operations, and waits. Several threads may at once.

    connection: a BlockingConnection. entity: its address, such as ``"jobs"``. timeout: seconds for each answer.
    """

    def __init__(self, connection: BlockingConnection, entity: str, timeout: float = TIMEOUT) -> None:
        self._connection = connection
        self._management: Management = connection.on_thread(
            lambda container: Management(container, connection.conn, entity, timeout)
        )

    def ask(self, operation: Operation) -> Any:
        """The result of an operation. Raises ManagementError; DecodeError for an answer that cannot be read;
        ConnectionException when the connection is lost."""
        answers: list[tuple[Any, Optional[Exception]]] = []

        def done(result: Any, error: Optional[Exception]) -> None:
            answers.append((result, error))
            self._connection.changed()

        self._connection.on_thread(lambda container: self._management.ask(operation, done))
        self._connection.wait(lambda: bool(answers), None, "%s at %r" % (operation.name, self._management.entity))
        result, error = answers[0]
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Close its links."""
        self._connection.on_thread(lambda container: self._management.close())
