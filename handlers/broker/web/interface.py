"""The broker as its web page sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Protocol

from handlers.broker.access.doors import Doors
from handlers.broker.management.actions import Actions
from handlers.broker.nodes.directory import Directory, Record
from handlers.broker.nodes.statistics import BrokerStatistics, Past


class WatchedBroker(Protocol):
    """A Broker; each name is explained there. All of it belongs to the broker's thread."""

    actions: Actions
    directory: Directory
    doors: Doors
    past: Past
    metrics_nodes: int

    def now(self) -> float: ...
    def overview(self, records: Optional[Sequence[Record]] = None) -> BrokerStatistics: ...
