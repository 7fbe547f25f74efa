"""A transport that does what a test tells it: `interface.Stream` without any protocol."""

from __future__ import annotations

from typing import Optional


class ScriptedStream:
    """Says what `say` put into it, and keeps what it is told.

    received: all that arrived. pieces: the sizes of the reads it came in.
    told: what else happened, in order: "tail", "head", ("fail", name, description).
    deadlines: what `tick` answers in turn, the last one again and again. ticks: the times it was told.
    """

    def __init__(self, deadlines: Optional[list[float]] = None) -> None:
        self.output = bytearray()
        self.received = bytearray()
        self.pieces: list[int] = []
        self.told: list[object] = []
        self.deadlines = deadlines or [0.0]
        self.ticks: list[float] = []
        self.asked = 0
        self.is_over = False
        self.buffered = 0
        self._unsaid: list[bytes] = []
        self._finished = False

    def say(self, data: bytes) -> None:
        self._unsaid.append(data)

    def finish(self) -> None:
        """Nothing will follow what was said."""
        self._finished = True

    @property
    def failure(self) -> Optional[tuple[str, str]]:
        return next((told[1:] for told in self.told if isinstance(told, tuple)), None)

    @property
    def closed(self) -> bool:
        return self.failure is not None or {"tail", "head"} <= set(self.told)

    def receive(self, data: bytes) -> bool:
        self.received += data
        self.pieces.append(len(data))
        return True

    def close_tail(self) -> None:
        if "tail" not in self.told:
            self.told.append("tail")

    def capacity(self) -> int:
        return -1 if "tail" in self.told or self.failure else 65536

    def close_head(self) -> None:
        if "head" not in self.told:
            self.told.append("head")

    def pending(self) -> int:
        self.asked += 1
        if self.failure or "head" in self.told:
            return -1
        while self._unsaid:
            self.output += self._unsaid.pop(0)
        if not self.output and self._finished:
            return -1
        return len(self.output)

    def pop(self, size: int) -> bool:
        assert 0 < size <= len(self.output)
        del self.output[:size]
        return not self.output and (self._finished or bool(self._unsaid))

    def tick(self, now: float) -> float:
        self.ticks.append(now)
        return self.deadlines.pop(0) if len(self.deadlines) > 1 else self.deadlines[0]

    def fail(self, name: str, description: str) -> None:
        self.told.append(("fail", name, description))
