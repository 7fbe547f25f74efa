"""Turns: the order of turns in a World, and their end.

A World enters. A Stepper that draws the order anew for each round, lets the idle rest, can
stop in the middle of a round, and from which programs are taken when they crash or stand still, also in a turn of
their own.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any, Optional

from reactor.container.container import Container
from reactor.simulation.network.network import MemoryNetwork
from reactor.simulation.network.node import MemoryNode
from reactor.simulation.wiretap.events import EventGate
from reactor.simulation.world.interface import ProgramView
from reactor.simulation.world.stepper import Stepper


class _Slot:
    """A container or peer that has turns.

    rest: until when it would wait, where it had nothing to do. lasting: it keeps its slot when it has come to its
    end, because a test may give it something to do again.
    """

    __slots__ = ("lasting", "node", "queue", "rest", "timers")

    def __init__(self, container: Any, lasting: bool) -> None:
        self.lasting = lasting
        is_program = isinstance(container, Container)
        self.node: MemoryNode = container.loop.network if is_program else container.node
        self.timers = container.loop.timers if is_program else None
        self.queue: Any = container.collector.events if is_program else getattr(container, "queue", ())
        self.rest: Optional[float] = None

    def deadline(self) -> Optional[float]:
        """Until when it has nothing to do; None when it has, or may have. Others may have acted on it since
        its turn: events in its queue and its timers count."""
        rest = self.rest
        if rest is None or self.node.stirring or len(self.queue):
            return None
        alarm = None if self.timers is None else self.timers.deadline()
        return rest if alarm is None else min(rest, alarm)


class Turns(Stepper):
    """See `Stepper`; it also knows the programs that run.

    gate: lets the events of the programs through.
    """

    def __init__(self, network: MemoryNetwork, random: Random, gate: EventGate) -> None:
        super().__init__(network)
        self.random = random
        self.gate = gate
        self._slots: dict[Any, _Slot] = {}
        self._current: Any = None
        self._paused: list[Any] = []
        self._ending: list[tuple[ProgramView, bool]] = []  # those that crashed in their own turn

    def name(self, container: Any) -> str:
        return self._slots[container].node.name

    def round(self) -> Optional[float]:
        network = self.network
        self.rounds += 1
        network.land()
        network.answer()
        ready = [container for container in self.containers if self._wants_turn(container)]
        if len(ready) > 1:
            self.random.shuffle(ready)
        network.stepped = {}
        busy = False
        try:
            for container in ready:
                if not self.gate.left:
                    return None
                if container in self.containers:  # and was not taken out in the turn of another one
                    busy = self._give_turn(container) or busy
        finally:
            network.stepped = None
        return None if busy else self._next_deadline()

    def begin(self, container: Any, lasting: bool = False) -> None:
        """Start a container or a peer, and give it its first turn at once where that can be done, so that it
        listens before its clients are started."""
        self._slots[container] = _Slot(container, lasting)
        self.add(container)
        if self._current is None and self.gate.left:
            before, self.network.stepped = self.network.stepped, {}
            try:
                self._give_turn(container)
            finally:
                self.network.stepped = before

    def wake_all(self) -> None:
        """None of them rests: a test may have acted on any of them."""
        for slot in self._slots.values():
            slot.rest = None

    # -- programs ------------------------------------------------------------------------------------------

    def over(self) -> bool:
        """Whether every program has come to its end; containers that only serve others do not count."""
        return not self._paused and all(self._slots[container].lasting for container in self.containers)

    def runs(self, container: Any) -> bool:
        """Whether it has its turns, or would have them if it did not stand still."""
        return container in self.containers or container in self._paused

    def end(self, program: ProgramView, silent: bool) -> bool:
        """Take a program out, for good. Returns whether it was in."""
        container: Any = program.container
        if not self.runs(container):
            return False
        self._remove(container)
        if container is self._current:
            program.node.dying = True  # the rest of this turn has no effect on others
            self._ending.append((program, silent))
        else:
            program.let_go(silent)
        return True

    def pause(self, container: Any, paused: bool) -> None:
        """Let it stand still, or go on."""
        if paused and container in self.containers:
            self._take_out(container)
            self._paused.append(container)
        elif not paused and container in self._paused:
            self._paused.remove(container)
            self.containers.append(container)

    def _remove(self, container: Any) -> None:
        self._take_out(container)
        self._slots.pop(container, None)

    def _take_out(self, container: Any) -> None:
        for some in (self.containers, self._paused):
            if container in some:
                some.remove(container)

    # -- one turn ------------------------------------------------------------------------------------------

    def _wants_turn(self, container: Any) -> bool:
        deadline = self._slots[container].deadline()
        return deadline is None or deadline <= self.network.clock.now()

    def _give_turn(self, container: Any) -> bool:
        """Returns whether it has more to do."""
        network, slot = self.network, self._slots[container]
        network.begin_turn()
        slot.rest = None
        self._current = container
        try:
            goes_on = container.process()
        finally:
            self._current = None
            for program, silent in self._ending:
                program.let_go(silent)
            self._ending.clear()
        queue = slot.queue
        name = getattr(queue, "program", None)
        if name is not None:
            for observer in self.gate.observers:
                observer.turned(name, container)
        slot.rest = network.nap
        if not goes_on and not len(queue):  # events behind a shut gate have yet to happen
            slot.rest = math.inf
            if not slot.lasting:
                self._remove(container)
        return slot.rest is None

    def _next_deadline(self) -> Optional[float]:
        if self.network.answerable:
            return None
        earliest = math.inf if self.network.due is None else self.network.due
        for container in self.containers:
            deadline = self._slots[container].deadline()
            if deadline is None:
                return None
            earliest = min(earliest, deadline)
        return None if earliest <= self.network.clock.now() else earliest
