"""What a process of a benchmark measures of itself."""

from __future__ import annotations

import time


class Span:
    """From the first message to the last: on the clock that processes share, and in CPU time of this one."""

    def __init__(self) -> None:
        self.first = self.last = 0.0
        self.cpu = 0.0

    def start(self) -> None:
        self.first = time.monotonic()
        self.cpu = time.process_time()

    def stop(self) -> None:
        self.last = time.monotonic()
        self.cpu = time.process_time() - self.cpu

    def report(self) -> dict[str, float]:
        return {"first": self.first, "last": self.last, "cpu": self.cpu}
