"""The counters of a queue by their names: how its messages left it, and how often they came back.

A topic enters when a subscription ends, and keeps them, so that its own sums only grow; statistics.py reads them.
"""

from __future__ import annotations

from handlers.broker.nodes.node import Queue

OUTCOMES = ("acknowledged", "rejected", "expired", "removed", "displaced", "exhausted", "replaced")
"""The names of ACKNOWLEDGED ... of entry.py, in their order."""


def tally(queue: Queue) -> dict[str, int]:
    """All of `queue` that only grows, but `enqueued`."""
    counted = dict(zip(OUTCOMES, queue.outcomes))
    counted["requeued"] = queue.requeued
    counted["dead_lettered"] = queue.dead_lettered
    counted["undelivered"] = queue.undelivered
    counted["refused"] = 0 if queue.gate is None else queue.gate.refused
    counted["timeouts"] = 0 if queue.leases is None else queue.leases.timeouts
    return counted
