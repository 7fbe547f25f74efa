"""Conditions: the time that bytes take from one machine to another.

Networks hold them, and pipes read them. They know nothing else.
"""

from __future__ import annotations

from random import Random
from typing import Optional


class Conditions:
    """The latency and bandwidth between two machines.

    random: where delays are drawn from.
    latency: the least and the most seconds from one end of a wire to the other; drawn for each write,
        which never overtakes another. A connection is made after two of them.
    bandwidth: bytes per second in each direction of each wire; None for no bound.
    patience: seconds after which an unanswered attempt to connect has failed.
    """

    __slots__ = ("bandwidth", "latency", "patience", "random")

    def __init__(
        self,
        random: Random,
        latency: tuple[float, float] = (0.0, 0.0),
        bandwidth: Optional[float] = None,
        patience: float = 127.0,
    ) -> None:
        least, most = latency
        if not 0 <= least <= most:
            raise ValueError(f"latency is the least and the most seconds, and not {latency}")
        if bandwidth is not None and bandwidth <= 0:
            raise ValueError(f"bandwidth is bytes per second, and not {bandwidth}")
        self.random = random
        self.latency = latency
        self.bandwidth = bandwidth
        self.patience = patience

    def delay(self) -> float:
        """Seconds for the next write to get to the other end."""
        least, most = self.latency
        return least if least == most else self.random.uniform(least, most)

    def __repr__(self) -> str:
        rate = "" if self.bandwidth is None else f", {self.bandwidth:g} bytes/s"
        return f"<Conditions: {self.latency[0]:g} to {self.latency[1]:g} s{rate}>"
