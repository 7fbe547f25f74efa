"""A storm: for a while things go wrong at times and in ways that are drawn from the seed, and then they are well.

A World makes it (`world.storm`). It has only the faults of networks, machines and processes: no
frame is forged, lost or overtaken within a wire that stands. It knows the world from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Callable, Optional

from reactor.simulation.wiretap.faults import Fault
from reactor.simulation.world.interface import ProgramView, WorldView


class Storm:
    """Faults at random for so many seconds.

    kinds, every, crashing: see `World.storm`.
    happened: how often each kind did.
    """

    def __init__(
        self,
        world: WorldView,
        seconds: float,
        kinds: Optional[Iterable[str]],
        every: float,
        crashing: Sequence[ProgramView],
    ) -> None:
        self.world = world
        self.every = every
        self.crashing = list(crashing)
        self.happened: dict[str, int] = {}
        self._random = world.source("storm")
        self._end = world.clock.now() + seconds
        known = dict(KINDS)
        if not self.crashing:
            del known["crash"], known["power"]
        for kind in kinds or ():
            if kind not in KINDS:
                raise ValueError(f"there is no fault {kind!r}; there are {', '.join(KINDS)}")
        self._kinds = [known[kind] for kind in (known if kinds is None else kinds) if kind in known]
        self._waiting: list[Fault] = []
        world.after(seconds, self._finish)
        self._plan()

    @property
    def over(self) -> bool:
        """Whether all is well again."""
        return self.world.clock.now() >= self._end

    def _plan(self) -> None:
        wait = self._random.expovariate(1.0 / self.every)
        if self.world.clock.now() + wait < self._end:
            self.world.after(wait, self._strike)

    def _strike(self) -> None:
        kind = self._random.choice(self._kinds)
        if kind(self):
            name = kind.__name__.lstrip("_")
            self.happened[name] = self.happened.get(name, 0) + 1
        self._plan()

    def _finish(self) -> None:
        """Faults that have not happened by now do not happen."""
        for fault in self._waiting:
            fault.cancel()

    def _program(self) -> Optional[ProgramView]:
        running = [program for program in self.world.programs.values() if program.running]
        return self._random.choice(running) if running else None

    def _calm(self, action: Callable[[], object]) -> None:
        """Have a fault end before the storm does."""
        left = self._end - self.world.clock.now()
        self.world.after(min(left, self._random.expovariate(1.0 / (2 * self.every))), action)

    # -- the faults: each returns whether it happened ------------------------------------------------------

    def _cut(self) -> bool:
        """A wire is reset."""
        wires = self.world.wires()
        if wires:
            wire = self._random.choice(wires)
            self.world.count_fault(f"storm: wire {wire.number} cut")
            wire.reset()
        return bool(wires)

    def _cut_behind(self) -> bool:
        """A wire is reset behind one of the next frames."""
        fault = self.world.when(nth=self._random.randint(1, 20)).cut(lost=self._random.random() < 0.5)
        self._waiting.append(fault)
        return True

    def _half_close(self) -> bool:
        """One direction of a wire ends."""
        wires = self.world.wires()
        if wires:
            wire: Any = self._random.choice(wires)
            end = self._random.choice([wire, wire.peer])
            self.world.count_fault(f"storm: wire {wire.number} ends at {end.node.name}")
            end.finish()
        return bool(wires)

    def _partition(self) -> bool:
        """A machine is out of reach for a while."""
        program = self._program()
        if program is not None:
            self.world.partition(program.name)
            self._calm(self.world.heal)
        return program is not None

    def _pause(self) -> bool:
        """A program stands still for a while."""
        program = self._program()
        if program is not None:
            self.world.count_fault(f"storm: {program.name} stands still")
            program.pause()
            self._calm(program.resume)
        return program is not None

    def _deafen(self) -> bool:
        """A program reads nothing for a while."""
        program = self._program()
        if program is not None:
            self.world.count_fault(f"storm: {program.name} stops reading")
            program.stop_reading()
            self._calm(program.start_reading)
        return program is not None

    def _refuse(self) -> bool:
        """A machine refuses every connect, for a while."""
        return self._hide(self.world.network.refuse, "refuses")

    def _lookup(self) -> bool:
        """A name cannot be looked up for a while."""
        return self._hide(self.world.network.fail_lookup, "cannot be looked up")

    def _hide(self, hide: Callable[..., None], fault: str) -> bool:
        hosts = sorted({listener.node.name for listener in self.world.network.listeners})
        if hosts:
            host = self._random.choice(hosts)
            self.world.count_fault(f"storm: {host} {fault}")
            hide(host)
            self._calm(lambda: hide(host, False))
        return bool(hosts)

    def _crash(self, silent: bool = False) -> bool:
        """A program crashes, and is started again later."""
        running = [program for program in self.crashing if program.running]
        if running:
            program = self._random.choice(running)
            program.crash(silent)
            self._calm(program.restart)
        return bool(running)

    def _power(self) -> bool:
        """A machine goes down, with its program, and comes back later."""
        return self._crash(silent=True)


#: The faults of a storm, by the names that `World.storm` knows.
KINDS: dict[str, Callable[[Storm], bool]] = {
    "cut": Storm._cut,
    "cut behind": Storm._cut_behind,
    "half-close": Storm._half_close,
    "partition": Storm._partition,
    "pause": Storm._pause,
    "deafen": Storm._deafen,
    "refuse": Storm._refuse,
    "lookup": Storm._lookup,
    "crash": Storm._crash,
    "power": Storm._power,
}
