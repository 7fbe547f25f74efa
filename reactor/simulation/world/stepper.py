"""A hand that steps several containers through one network, in one thread, turn by turn.

Programs and their tests enter. It knows `start()`, `process()` and `timeout` of a container, and of the network
the time for which a node would wait; it knows no engine.
"""

from __future__ import annotations

import linecache
import math
import os
from collections.abc import Callable, Iterable
from typing import Any, Optional, Protocol

from reactor.errors import Timeout
from reactor.simulation.network.network import MemoryNetwork

_ENDLESS = 1_000_000  # rounds, after which it is clear that a container never rests


class Steppable(Protocol):
    """A container, as far as it concerns us."""

    timeout: Any  # how long `process` may wait; seconds, or None for as long as it takes

    def start(self) -> None: ...

    def process(self) -> bool:
        """One turn. Returns whether there is, or may be, anything left to do."""
        ...


class NeverHappens(Timeout):
    """The condition did not come true: the text shows the state of all wires and containers."""


class Stepper:
    """Steps containers round-robin; when all of them would wait, the clock jumps to the first deadline.

    network: the network of the containers' nodes.
    containers: in the order in which they have their turns. One that has nothing left to do is taken out;
        one that a test takes out stands still, as if its process had stopped, until it is put back.
    rounds: how many there were. began: when, by the clock.
    """

    def __init__(self, network: MemoryNetwork, *containers: Steppable) -> None:
        self.network = network
        self.containers: list[Steppable] = []
        self.rounds = 0
        self.began = network.clock.now()
        for container in containers:
            self.add(container)

    def add(self, container: Steppable) -> None:
        """Start a container, and step it from now on."""
        container.timeout = None
        container.start()
        self.containers.append(container)

    def order(self) -> Iterable[Steppable]:
        """The containers that have a turn in the next round, in order."""
        return list(self.containers)

    def turn(self, container: Steppable) -> bool:
        """One turn of one of them. Returns whether it goes on."""
        return container.process()

    def name(self, container: Steppable) -> str:
        """Its name, for people."""
        return repr(container)

    def round(self) -> Optional[float]:
        """One turn of each, after the arrivals on the network. Returns the first deadline if all would wait
        until then (infinity: there is none), and None if a container has something to do."""
        network = self.network
        self.rounds += 1
        earliest: Optional[float] = math.inf
        network.land()
        network.stepped = {}
        try:
            for container in self.order():
                network.begin_turn()
                if container not in self.containers:
                    continue  # it was taken out in the turn of another one
                if not self.turn(container):
                    if container in self.containers:
                        self.containers.remove(container)
                elif network.nap is None:
                    earliest = None
                elif earliest is not None:
                    earliest = min(earliest, network.nap)
            if earliest is None or not network.quiet:
                return None
        finally:
            network.stepped = None
        due = network.due
        if due is not None and due <= network.clock.now():
            return None
        return earliest if due is None else min(earliest, due)

    def run(
        self, until: Optional[Callable[[], object]] = None, limit: float = 3600.0, rounds: int = _ENDLESS
    ) -> None:
        """Step until `until()` is true; without it, until every container has nothing left to do.

        limit: how many seconds of the virtual clock it may take. rounds: how many turns. NeverHappens is
        raised beyond that, and as soon as nothing can ever happen any more.
        """
        clock = self.network.clock
        end = clock.now() + limit
        last = self.rounds + rounds
        deadline: Optional[float] = None
        goal = "the end" if until is None else describe(until)
        while not (until() if until is not None else not self.containers):
            if not self.containers and self.network.due is None:
                raise NeverHappens(self._report(goal, "every container has finished"))
            if deadline == math.inf:
                raise NeverHappens(self._report(goal, "every container waits, and none has a deadline"))
            if deadline is not None and deadline > end:
                raise NeverHappens(self._report(goal, f"{limit} s of virtual time were not enough"))
            if self.rounds >= last:
                raise NeverHappens(self._report(goal, f"{rounds} rounds were not enough"))
            if deadline is not None:
                clock.advance_to(deadline)
            deadline = self.round()

    def run_for(self, seconds: float) -> None:
        """Step until so much time has passed."""
        clock = self.network.clock
        end = clock.now() + seconds
        last = self.rounds + _ENDLESS
        while True:
            deadline = self.round()
            if deadline is not None:
                if deadline > end:
                    break
                clock.advance_to(deadline)
            self._bound(last)
        clock.advance_to(end)

    def settle(self) -> None:
        """Step until nothing is under way on the network and every container waits, for a deadline or for ever."""
        last = self.rounds + _ENDLESS
        while True:
            deadline = self.round()
            if deadline is not None:
                if not self.network.under_way:
                    return
                self.network.clock.advance_to(deadline)
            self._bound(last)

    def _bound(self, last: int) -> None:
        if self.rounds > last:
            raise NeverHappens(self._report("the time", f"{_ENDLESS} rounds were not enough"))

    def _report(self, goal: str, why: str) -> str:
        network = self.network
        when = f"at {network.clock.now() - self.began:.3f} s, after {self.rounds} rounds"
        lines = [f"{goal} was not reached: {why} ({when})"]
        lines += [f"  still running: {self.name(container)}" for container in self.containers]
        lines += [f"  wire {wire!r}" for wire in network.wires]
        lines += [f"  listening: {listener.address}" for listener in network.listeners]
        lines += [f"  connecting: {wire.node.name} to {wire.remote_address}" for wire in network.dialing]
        lines += [f"  could not connect: {failure}" for failure in network.failures]
        return "\n".join(lines)


def describe(condition: Any) -> str:
    """A condition, for people: a lambda by the line that it stands in."""
    name = getattr(condition, "__qualname__", repr(condition))
    code = getattr(condition, "__code__", None)
    if "<lambda>" not in name or code is None:
        return f"the condition {name}"
    line = linecache.getline(code.co_filename, code.co_firstlineno).strip()
    return f"the condition at {os.path.basename(code.co_filename)}:{code.co_firstlineno} ({line})"


def run(
    network: MemoryNetwork,
    *containers: Steppable,
    until: Optional[Callable[[], object]] = None,
    limit: float = 3600.0,
) -> None:
    """Start containers and step them: `Stepper.run`, in one call."""
    Stepper(network, *containers).run(until, limit)
