"""Conditions: the network of a world, as it was asked for, or as it is drawn from the seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any, Callable, Optional

from reactor.simulation.network.conditions import Conditions
from reactor.simulation.network.network import MemoryNetwork

#: The conditions of a network that a test does not set.
DRAWN: dict[str, tuple[Any, ...]] = {
    "latency": ((0.0, 0.0), (0.0002, 0.001), (0.005, 0.02), (0.01, 0.15), (0.0, 0.5)),
    "bandwidth": (math.inf, math.inf, math.inf, 1e6, 50_000.0),
    "pieces": (0, 2000, 100, 10),
    "capacity": (262144, 262144, 65536, 4096),
}


def make_network(
    source: Callable[[str], Random], latency: Any, bandwidth: float, pieces: int, capacity: int
) -> MemoryNetwork:
    """The network of a world. source: gives it chances of its own, by a name."""
    if pieces < 0 or capacity < 1:
        raise ValueError(f"pieces and capacity are bytes, and not {pieces} and {capacity}")
    conditions = Conditions(source("network"), span_of(latency), bound_of(bandwidth))
    network = MemoryNetwork(capacity=capacity, conditions=conditions)
    if pieces:
        network.split(_draw_pieces(source("pieces"), pieces, capacity))
    return network


def span_of(latency: Any) -> tuple[float, float]:
    """The least and the most of it."""
    if isinstance(latency, (int, float)):
        return latency, latency
    if isinstance(latency, str) or len(latency) != 2:
        raise ValueError(f"latency is seconds, or the least and the most of them, and not {latency!r}")
    least, most = latency
    return least, most


def bound_of(bandwidth: float) -> Optional[float]:
    """Bytes per second; None for no bound."""
    return None if bandwidth == math.inf else bandwidth


def _draw_pieces(random: Random, most: int, all_there_is: int) -> Iterator[int]:
    while True:
        yield random.randint(1, most) if random.random() < 0.3 else all_there_is
