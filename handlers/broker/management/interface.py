"""The broker as management sees it, and what is common to all that management answers."""

from __future__ import annotations

from typing import Any, Optional, Protocol

from handlers.broker.nodes.directory import Directory
from handlers.broker.nodes.statistics import BrokerStatistics
from reactor import Handler

MOST_ROWS = 1000
"""Rows of one answer. The reader asks again for the following ones: all answers are bounded."""

ROWS = 100
"""Rows of an answer to a reader that names no number."""


class ManagedBroker(Protocol):
    """A Broker, as management sees it; each name is explained there."""

    directory: Directory

    @property
    def alarms(self) -> Any: ...

    @property
    def durability(self) -> Optional[Any]: ...

    @property
    def subscribing(self) -> Any: ...

    def now(self) -> float: ...
    def call(self, timer: Handler, delay: float = 0.0) -> Any: ...
    def connections(self) -> list[Any]: ...
    def links_of(self, connection: Any) -> list[Any]: ...
    def overview(self) -> BrokerStatistics: ...


class Failed(Exception):
    """A request that cannot be met. status: as in HTTP: 400 bad request, 404 not found, 409 conflict ..."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
