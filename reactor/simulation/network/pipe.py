"""Pipes: the bytes under way on the wires of a network that takes time, and the times of their arrival.

The network enters, and the wires: a wire that is written to hands its bytes to the pipe towards its peer. Each
pipe keeps the order of its bytes, as TCP does, under all faults. It knows wires, and of bytes only that they may be
cut into frames, for faults that concern one.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, Optional, TypeVar

from reactor.simulation.network.conditions import Conditions
from reactor.simulation.network.interface import EndView
from reactor.tracing.splitter import Splitter

End = TypeVar("End", bound=EndView)

_END = "end"  # nothing more will be written
_RESET = "reset"  # the wire is lost

_SLOWEST_PIECE = 0.05  # seconds: a write that takes longer arrives piece by piece, and its peer hears of it meanwhile


class Pipe(Generic[End]):
    """One direction of a wire.

    source, sink: the ends of the wire.
    size: bytes that are under way.
    muted: further writes of the source are swallowed.
    """

    __slots__ = (
        "_delay",   # of the write that is being taken
        "_broken",  # nothing can follow, not even that
        "_ended",   # no bytes can follow
        "_free_at", # when all bytes so far have left, where there is a bandwidth
        "_last",    # when the last of it arrives
        "_queue",   # (time of arrival, bytes or mark, the frame that ends with them)
        "_splitter",
        "muted",
        "sink",
        "size",
        "source",
    )

    def __init__(self, source: End, sink: End) -> None:
        self.source = source
        self.sink = sink
        self.size = 0
        self.muted = False
        self._queue: deque[tuple[float, Any, Optional[bytes]]] = deque()
        self._splitter = Splitter()
        self._delay = self._free_at = self._last = 0.0
        self._ended = self._broken = False

    def write(self, data: bytes) -> None:
        """Take bytes of the source. Where the network is inspected they go on frame by frame, each when it
        is complete."""
        self._draw_delay()
        inspect = self.source.node.network.inspect
        if inspect is None:
            self.put(data, False)
        else:
            for part in self._splitter.feed(data):
                inspect(self, part)

    def put(self, part: bytes, whole: bool = True) -> None:
        """Send bytes on their way, behind those under way. whole: they are, or end, a frame."""
        if self._ended:
            return
        conditions, now = self._conditions(), self.source.node.network.clock.now()
        bandwidth = None if conditions is None else conditions.bandwidth
        self.size += len(part)
        if bandwidth is None:
            self._append(now + self._delay, part, part if whole else None)
            return
        self._free_at = max(now, self._free_at)
        step = max(1, int(bandwidth * _SLOWEST_PIECE))
        for start in range(0, len(part), step):
            piece = part[start : start + step]
            self._free_at += len(piece) / bandwidth
            is_last = whole and start + step >= len(part)
            self._append(self._free_at + self._delay, piece, part if is_last else None)

    def finish(self) -> None:
        """The source writes no more: its peer sees the end behind the bytes under way."""
        if not self._ended:
            rest = self._splitter.rest
            if rest and not self.muted:
                self.put(rest, False)
            self._append(self._draw_delay(), _END, None)
            self._ended = True

    def break_off(self) -> None:
        """Behind the bytes under way the wire is lost, to both ends."""
        if not self._broken:
            self._append(self._draw_delay(), _RESET, None)
            self._ended = self._broken = True

    def lose(self) -> None:
        """The wire is lost: bytes under way do not arrive."""
        self._queue.clear()
        self._ended = self._broken = True
        self.size = 0

    def land(self) -> None:
        """Hand the sink the bytes that are due."""
        network = self.source.node.network
        queue, now = self._queue, network.clock.now()
        while queue and queue[0][0] <= now:
            if network.admitted == 0 or network.is_parted(self.source.node.machine, self.sink.node.machine):
                network.strand(self)
                return
            _, part, frame = queue.popleft()
            if part is _RESET:
                self.sink.reset()
                return
            if part is _END:
                self.sink.arrive_end()
                continue
            self.size -= len(part)
            self.sink.arrive(part)
            self.source.node.stir(self.source)  # there is room again
            if frame is not None:
                network.count_frame(frame)
        if queue:
            network.schedule(queue[0][0], self.land)

    @property
    def empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._queue

    def resume(self) -> None:
        """Bytes that could not land are on their way again."""
        if self._queue:
            network = self.source.node.network
            network.schedule(max(self._queue[0][0], network.clock.now()), self.land)

    def _draw_delay(self) -> float:
        """Draw the latency, once for all bytes of a write; returns the time of arrival of bytes that leave now."""
        conditions = self._conditions()
        self._delay = conditions.delay() if conditions is not None else 0.0
        return self.source.node.network.clock.now() + self._delay

    def _conditions(self) -> Optional[Conditions]:
        network = self.source.node.network
        return network.conditions_between(self.source.node.machine, self.sink.node.machine)

    def _append(self, at: float, part: Any, frame: Optional[bytes]) -> None:
        network = self.source.node.network
        self._last = at = max(at, self._last, network.clock.now())
        if not self._queue:
            network.schedule(at, self.land)
        self._queue.append((at, part, frame))
