"""Watching: every container of this process is recorded, as it is made, without a word in the program.

Containers of the real world are one recording. Each simulated world has a time of its own, and so a recording: the
picture is that of the last one, where the program has no real connections.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.container.observing import everywhere
from reactor.simulation.network.clock import VirtualClock
from reactor.tracing.recorder import Recorder
from reactor.tracing.recording import Recording

#: Records that are kept: the newest ones.
RING = 400_000


class Watching:
    """An observer of all containers that are made from now on. title: of the recording."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._real = Recorder(ring=RING, title=title)
        self._world: Optional[Recorder] = None
        self._clock: Optional[VirtualClock] = None
        self.worlds = 0
        everywhere.append(self)

    def observer(self, container: Any) -> Any:
        """The container's call; see `reactor.tracing.observer.Observer`."""
        clock = container.loop.clock
        if not isinstance(clock, VirtualClock):
            return self._real.observer(container)
        if self._world is None or clock is not self._clock:
            self.worlds += 1
            self._clock = clock
            self._world = Recorder(ring=RING, title=self._title)
            self._world.header["clock"] = "world"
        return self._world.observer(container)

    def stop(self) -> Recording:
        """Watch no container that is made from now on, and return the recording."""
        if self in everywhere:
            everywhere.remove(self)
        real = self._real.recording
        if self._world is None or any(record.kind == "frame" for record in real.records):
            return real
        return self._world.recording
