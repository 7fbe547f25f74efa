"""A look at all nodes of a broker from another thread, in slices.

Each slice is one function in the broker's thread, over the bridge: its numbers are of one moment, and the clients wait
for some milliseconds at most, however many nodes there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple, Optional

from handlers.broker.nodes.statistics import COUNTERS, BrokerStatistics, NodeStatistics, statistics
from handlers.broker.web.bridge import Bridge
from handlers.broker.web.interface import WatchedBroker

SLICE = 500
"""Nodes of one slice: about 5 ms."""


class Node(NamedTuple):
    """A queue or topic. dynamic: it was made for a client, and goes with it. dead_letter: where its messages go that
    come to nothing."""

    numbers: NodeStatistics
    dynamic: bool
    dead_letter: Optional[str]


class Picture(NamedTuple):
    """A broker. counters: the sums over all nodes, those that are gone too; they only grow. cost: seconds of the
    CPU of the broker's thread that it took."""

    broker: BrokerStatistics
    counters: dict[str, int]
    nodes: list[Node]
    cost: float


class Survey:
    """Takes pictures; from any thread but the broker's."""

    def __init__(self, broker: WatchedBroker, bridge: Bridge) -> None:
        self._broker = broker
        self._bridge = bridge
        self._lock = threading.Lock()
        self._cost = 0.0
        self._highest = dict.fromkeys(COUNTERS, 0)

    def take(self) -> Picture:
        """A picture of this moment. Raises Unanswered."""
        with self._lock:
            self._cost = 0.0
            broker, counters, names = self._bridge.ask(self._begin)
            nodes: list[Node] = []
            for start in range(0, len(names), SLICE):
                nodes += self._bridge.ask(self._slice, names[start : start + SLICE])
            depth = taken = 0
            for node in nodes:
                depth += node.numbers.depth
                taken += node.numbers.bytes
                for name in COUNTERS:
                    counters[name] += getattr(node.numbers, name)
            for name in COUNTERS:
                # A node that has gone between two slices is in neither sum, until the next picture.
                self._highest[name] = counters[name] = max(counters[name], self._highest[name])
            sums = {"nodes": len(nodes), "depth": depth, "bytes": taken}
            return Picture(BrokerStatistics(**{**broker.to_dict(), **sums}), counters, nodes, self._cost)

    # -- in the broker's thread

    def _begin(self) -> tuple[BrokerStatistics, dict[str, int], list[str]]:
        broker = self._broker
        return broker.overview(()), dict(broker.past.sums), list(broker.directory.records)

    def _slice(self, names: Iterable[str]) -> list[Node]:
        began = time.thread_time()
        records = self._broker.directory.records
        found = []
        for name in names:
            record = records.get(name)
            if record is not None:
                dynamic, policy = record.lifetime is not None, record.node.policy
                found.append(Node(statistics(name, record), dynamic, policy.dead_letter))
        self._cost += time.thread_time() - began
        return found
