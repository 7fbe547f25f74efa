"""Watching: every container of this process is recorded, as it is made, without a word in the program.

Containers of the real world are one recording. Each simulated world has a time of its own, and so a recording of its
own: one of them is kept, by its number, or the last one. The picture is that of the real world, where it has frames and
no number was given. The recording has a sentence about those that were left out.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.container.running import everywhere
from reactor.simulation.network.clock import VirtualClock
from reactor.tracing.recorder import Recorder
from reactor.tracing.recording import Recording

#: Records that are kept: the newest ones.
RING = 400_000


class Watching:
    """An observer of all containers that are made from now on.

    title: of the recording. world: the number of the simulated world that is wanted, from 1 on; None: see above.
    """

    def __init__(self, title: str, world: Optional[int] = None) -> None:
        self._title = title
        self._wanted = world
        self._real = Recorder(ring=RING, title=title)
        self._world: Optional[Recorder] = None
        self._kept = 0  # the number of its world
        self._numbers: dict[VirtualClock, int] = {}  # of all worlds, by their clocks
        everywhere.append(self)

    @property
    def worlds(self) -> int:
        """The number of simulated worlds so far."""
        return len(self._numbers)

    def observer(self, container: Any) -> Any:
        """The container's call; see `reactor.tracing.observer.Observer`."""
        clock = container.loop.clock
        if not isinstance(clock, VirtualClock):
            return self._real.observer(container)
        number = self._numbers.setdefault(clock, self.worlds + 1)
        if number > self._kept and self._wanted in (None, number):
            self._kept = number
            self._world = Recorder(ring=RING, title=self._title)
            self._world.header["clock"] = "world"
        return None if self._world is None or number != self._kept else self._world.observer(container)

    def stop(self) -> Recording:
        """Watch no container that is made from now on, and return the recording."""
        if self in everywhere:
            everywhere.remove(self)
        real = self._real.recording
        is_real = any(record.kind == "frame" for record in real.records)
        if self._world is None or (is_real and self._wanted is None):
            return self._noted(real, is_real, "the real connections")
        return self._noted(self._world.recording, is_real, "world %d" % self._kept)

    def _noted(self, recording: Recording, is_real: bool, part: str) -> Recording:
        """The same, with a sentence about the others."""
        worlds = self.worlds
        sentence = ""
        if self._wanted is not None and self._world is None:
            sentence = "there is no world %d: the program has made %d" % (self._wanted, worlds)
        elif worlds + is_real > 1:
            made = ("%d simulated worlds" % worlds if worlds > 1 else "a simulated world", "real connections")
            text = "this is %s of a program that has made %s: --world NUMBER shows another world"
            sentence = text % (part, " and ".join(made[: 1 + is_real]))
        if sentence:
            recording.header["cut"] = [*recording.header.get("cut", ()), sentence]
        return recording
