"""A network in memory: names, ports and wires, and nothing left to chance.

Programs and their tests enter, and loops through `interface`; it knows no engine and no socket. Without more
ado all nodes of a MemoryNetwork are one machine, as it were: they share the ports and the names, and every name
leads to it. Nodes that are given machines of their own are reached by the names of those, and by any name that
is no machine's. Each container gets a node of its own.

A connect without a listener is refused; wires are explained in wire.py. Where the network has conditions, bytes and
attempts to connect take their time (pipe.py); else they arrive at once.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Callable, Optional, Union

from reactor.loop.timers import Timer, Timers
from reactor.simulation.network.clock import VirtualClock
from reactor.simulation.network.conditions import Conditions
from reactor.simulation.network.interface import NetworkView
from reactor.simulation.network.node import MemoryNode
from reactor.simulation.network.wire import MemoryListener, MemoryWire, WirePipe, place_of

_EPHEMERAL = 49152  # the first port for a listener that asks for none
_PATIENCE = 10_000  # waits of one node, while another has something to do and does not do it


class MemoryNetwork:
    """The common ground of nodes: clock, ports, names, wires.

    clock: a new VirtualClock by default.
    chunk: see `split`.
    capacity: how many bytes a wire holds in one direction before it is full.
    conditions: how long bytes take; None (default): no time. To be set before the first wire is made.
    nodes: in the order in which they were made, as are the others:
    wires: the ends of the wires that are open.
    dialing: the wires that are not answered yet.
    listeners: those that are open.
    machines: the names of all machines that there ever were.
    stepped: set by a Stepper: those that it steps, as they come to wait; None when there is no Stepper. `wait`
        then notes how long it would wait, and returns.
    nap: until when the last `wait` would have waited (infinity: for ever), None: not at all.

    For observers and faults (those of a World), where there are conditions:
    inspect: called with a pipe and each whole frame or header that is written to it, which it hands on to
        `pipe.put`, or not.
    witness: called with a wire and each whole frame or header that is read from it.
    note: called with a line about every other event.
    admitted: how many frames may still land; None for any number. landed: the last of those that were admitted.
    """

    def __init__(
        self,
        clock: Optional[VirtualClock] = None,
        chunk: Union[int, Iterable[int], None] = None,
        capacity: int = 262144,
        conditions: Optional[Conditions] = None,
    ) -> None:
        self.clock = VirtualClock() if clock is None else clock
        self.capacity = capacity
        self.conditions = conditions
        self.nodes: list[MemoryNode] = []
        self.wires: list[MemoryWire] = []
        self.dialing: list[MemoryWire] = []
        self.listeners: list[MemoryListener] = []
        self.stepped: Optional[dict[MemoryNode, None]] = None
        self.nap: Optional[float] = None
        self.inspect: Optional[Callable[[WirePipe, bytes], None]] = None
        self.witness: Optional[Callable[[MemoryWire, bytes], None]] = None
        self.note: Callable[[str], None] = _ignore
        self.admitted: Optional[int] = None
        self.landed = b""
        self._agenda = Timers()
        self._stranded: dict[WirePipe, None] = {}  # those with something due that cannot land
        self._parted: list[tuple[str, str]] = []
        self._ways: list[tuple[tuple[str, str], Conditions]] = []
        self._failures: dict[str, str] = {}  # nodes that failed to connect the last time, and the reason
        self.machines: set[str] = set()
        self._off: set[str] = set()
        self._unknown: set[str] = set()
        self._silent: set[str] = set()
        self._refusing: set[str] = set()
        self._last_port = _EPHEMERAL - 1
        self._last_wire = 0
        self._impatience = 0
        self._chunk: Union[int, Iterator[int], None]
        self.split(chunk)

    # -- for tests that set the scene ----------------------------------------------------------------------

    def node(self, name: str = "", machine: str = "") -> MemoryNode:
        """A place on the network for one container. name: for messages. machine: see the module."""
        node = MemoryNode(self, name or f"node {len(self.nodes) + 1}", machine)
        self.nodes.append(node)
        self.machines.add(machine)
        return node

    def split(self, chunk: Union[int, Iterable[int], None]) -> None:
        """How much one read gives at most, from now on. None: all there is; a number; or numbers that are
        taken in turn: over and over when they are a sequence, as far as they go when they are an iterator."""
        if chunk is None or isinstance(chunk, int):
            self._chunk = chunk
        else:
            self._chunk = itertools.cycle(chunk) if isinstance(chunk, Sequence) else iter(chunk)

    def fail_lookup(self, host: str, fails: bool = True) -> None:
        """From now on the name is unknown (or, with False, is known again)."""
        (self._unknown.add if fails else self._unknown.discard)(host)

    def silence(self, host: str, silent: bool = True) -> None:
        """From now on that host does not answer, not even with a refusal (or, with False, again).

        An attempt that is under way when the silence ends is answered then.
        """
        (self._silent.add if silent else self._silent.discard)(host)

    def refuse(self, host: str, refuses: bool = True) -> None:
        """From now on that host refuses every connect, listener or not (or, with False, no more)."""
        (self._refusing.add if refuses else self._refusing.discard)(host)

    def part(self, one: str, other: str) -> None:
        """From now on nothing gets from one machine to the other, and neither sees it: bytes under way
        wait, and so do attempts to connect. "" stands for every machine but the other one."""
        self._parted.append((one, other))
        self.note(f"partition between {one or 'all others'} and {other or 'all others'}")

    def heal(self) -> None:
        """Everything gets everywhere again, bytes that have waited too."""
        if self._parted:
            self._parted.clear()
            self.note("partitions healed")
            self.unstrand()

    def set_way(self, one: str, other: str, conditions: Conditions) -> None:
        """From now on bytes take their time by these conditions between two machines. "" as in `part`."""
        self._ways.insert(0, ((one, other), conditions))

    def turn_off(self, machine: str, off: bool = True) -> None:
        """The machine is down: nothing answers there (or, with False, it is up again, with no memory)."""
        for listener in list(self.listeners):
            if listener.node.machine == machine:
                listener.off = off
                if not off:
                    listener.close()
        (self._off.add if off else self._off.discard)(machine)
        self.unstrand()

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way: no attempt to connect, no event that a node has not seen. Nodes that the
        Stepper leaves alone, as if they had crashed, do not count. Bytes that have yet to arrive do not either: see
        `due`."""
        nodes = self.nodes if self.stepped is None else self.stepped
        return not self.answerable and not any(node.stirring for node in nodes)

    @property
    def answerable(self) -> bool:
        """Whether an attempt to connect can be answered now."""
        return not all(map(self._unanswered, self.dialing))

    @property
    def due(self) -> Optional[float]:
        """When something arrives, or is planned, the next time; None: nothing does."""
        return self._agenda.deadline()

    @property
    def failures(self) -> list[str]:
        """The nodes that failed to connect the last time, the addresses, and the reasons."""
        return [f"{attempt}: {why}" for attempt, why in self._failures.items()]

    @property
    def under_way(self) -> bool:
        """Whether anything has yet to arrive, and will: bytes, or the answer to an attempt to connect."""
        now = self.clock.now()
        if any(wire.answer_at > now for wire in self.dialing):
            return True
        ends = [end for wire in self.wires for end in (wire, wire.peer) if end is not None and end.pipe is not None]
        return any(not end.pipe.empty and end.pipe not in self._stranded for end in ends if end.pipe is not None)

    # -- time ----------------------------------------------------------------------------------------------

    def schedule(self, at: float, action: Callable[[], object]) -> Timer:
        """Have `action` called between two turns at that time, in seconds of the clock."""
        return self._agenda.schedule(at, action)

    def land(self) -> None:
        """Have everything happen that is due. A Stepper calls it, or the node that waits where there is none."""
        self._agenda.run(self.clock.now())

    def pass_time(self, node: MemoryNode, timeout: Optional[float]) -> None:
        """A node has nothing to do for so long. It is the only one that is driven, by its own `run()`: time
        passes for it. A Stepper sees to it where there are more."""
        due, now = self.due, self.clock.now()
        left = math.inf if timeout is None else timeout
        if not self.quiet:
            self._impatience += 1
            if self._impatience > _PATIENCE:
                idle = ", ".join(other.name for other in self.nodes if other.stirring)
                raise RuntimeError(f"{node.name} waits for ever for {idle}, which nothing runs: use a Stepper")
        elif timeout is None and due is None:
            raise RuntimeError(f"{node.name} waits for ever: it has no deadline, and all is quiet")
        else:
            self._impatience = 0
            self.clock.advance(left if due is None else min(left, max(0.0, due - now)))
        self.land()

    # -- for pipes -----------------------------------------------------------------------------------------

    def is_parted(self, source: str, sink: str) -> bool:
        """Whether nothing gets from one machine to the other."""
        if sink in self._off:
            return True
        if not self._parted or source == sink:
            return False
        return any(_divides(pair, source, sink) for pair in self._parted)

    def conditions_between(self, one: str, other: str) -> Optional[Conditions]:
        """How long bytes take from one machine to the other."""
        for pair, conditions in self._ways:
            if _divides(pair, one, other):
                return conditions
        return self.conditions

    def strand(self, pipe: WirePipe) -> None:
        """The bytes that are due on the pipe cannot land."""
        self._stranded[pipe] = None

    def unstrand(self) -> None:
        """Perhaps it can."""
        stranded, self._stranded = self._stranded, {}
        for pipe in stranded:
            pipe.resume()

    def count_frame(self, frame: bytes) -> None:
        """A frame has landed."""
        if self.admitted is not None:
            self.admitted -= 1
            self.landed = frame

    # -- for nodes -----------------------------------------------------------------------------------------

    def next_chunk(self, limit: int) -> int:
        """How much the next read gives."""
        chunk = self._chunk
        if chunk is None:
            return limit
        return min(limit, max(1, chunk if isinstance(chunk, int) else next(chunk, limit)))

    def next_wire(self) -> int:
        """The number of another wire."""
        self._last_wire += 1
        return self._last_wire

    def add(self, *ends: MemoryWire) -> None:
        """A wire has been made."""
        self.wires += ends

    def remove(self, thing: Union[MemoryWire, MemoryListener]) -> None:
        """A wire or a listener has been closed."""
        for things in (self.wires, self.dialing, self.listeners):
            if thing in things:
                things.remove(thing)  # type: ignore[arg-type]

    def owned_by(self, node: MemoryNode) -> list[Union[MemoryWire, MemoryListener]]:
        """The attempts to connect and the listeners of a node."""
        things: list[Union[MemoryWire, MemoryListener]] = [*self.dialing, *self.listeners]
        return [thing for thing in things if thing.node is node]

    def admit(self, listener: MemoryListener) -> None:
        """A node listens. OSError when its address is taken."""
        for other in self.listeners:
            same = other.place == listener.place or "*" in (other.place, listener.place)
            machine = other.node.machine == listener.node.machine
            if same and machine and other.port == listener.port and not other.off:
                why = os.strerror(errno.EADDRINUSE)
                raise OSError(errno.EADDRINUSE, f"cannot listen on {listener.address}: {why}")
        self.listeners.append(listener)

    def begin_turn(self) -> None:
        """Another container has its turn: whether it waits is not known yet."""
        self.nap = None

    def free_port(self) -> int:
        """The next port without a listener."""
        taken = {listener.port for listener in self.listeners}
        while True:
            self._last_port = self._last_port + 1 if self._last_port < 65535 else _EPHEMERAL
            if self._last_port not in taken:
                return self._last_port

    def dial(self, wire: MemoryWire) -> None:
        """Begin to connect a wire."""
        self.dialing.append(wire)
        conditions = self.conditions_between(wire.node.machine, wire.host)
        if conditions is not None:
            now = self.clock.now()
            wire.answer_at = now + conditions.delay() + conditions.delay()
            self.schedule(wire.answer_at, _nothing)
            wire.patience = self.schedule(now + conditions.patience, lambda: self._give_up(wire))

    def answer(self) -> None:
        """Settle the attempts to connect. That happens when a node waits and not when it connects, as in the
        real world: a listener that is made in the same turn is found."""
        for wire in list(self.dialing):
            if self._unanswered(wire):
                continue
            self.dialing.remove(wire)
            wire.end_patience()
            listener = self._find(wire)
            if wire.host in self._unknown:
                self._fail(wire, OSError(errno.ENOENT, "Name or service not known"), "")
            elif not 0 < wire.port < 65536:
                self._fail(wire, OSError(errno.EINVAL, "a port lies between 1 and 65535"), wire.remote_address)
            elif listener is None or wire.host in self._refusing:
                refused = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
                self._fail(wire, refused, wire.answering_address)
            else:
                listener.arrive(wire)
                self._failures.pop(f"{wire.node.name} to {wire.remote_address}", None)
                where = f"{wire.node.name} to {listener.node.name}, at {wire.remote_address}"
                self.note(f"wire {wire.number} made, {where}")

    def _fail(self, wire: MemoryWire, error: OSError, address: str) -> None:
        wire.failed(address, error)
        self.note(f"{wire.node.name} cannot connect to {wire.remote_address}: {error.strerror}")
        self._failures[f"{wire.node.name} to {wire.remote_address}"] = str(error.strerror)

    def _unanswered(self, wire: MemoryWire) -> bool:
        host, machine = wire.host, wire.node.machine
        if host in self._silent or self.clock.now() < wire.answer_at or self.is_parted(machine, host):
            return True
        listener = self._find(wire)
        if listener is None:
            return False
        return listener.off or listener.full or self.is_parted(machine, listener.node.machine)

    def _give_up(self, wire: MemoryWire) -> None:
        """The attempt was not answered for so long."""
        if wire in self.dialing:
            self.dialing.remove(wire)
            error = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            self._fail(wire, error, wire.answering_address)

    def _find(self, wire: MemoryWire) -> Optional[MemoryListener]:
        """The listener there: on the same machine before any other."""
        found: Optional[MemoryListener] = None
        for listener in self.listeners:
            if listener.port == wire.port and self._leads_to(wire.host, listener):
                if listener.node.machine == wire.node.machine:
                    return listener
                found = found or listener
        return found

    def _leads_to(self, host: str, listener: MemoryListener) -> bool:
        if listener.place != "*":
            return listener.place == place_of(host)
        machine = listener.node.machine
        return not machine or host == machine or host not in self.machines


def _divides(pair: tuple[str, str], one: str, other: str) -> bool:
    """Whether that partition lies between two machines."""
    a, b = pair
    return (a in ("", one) and b in ("", other)) or (a in ("", other) and b in ("", one))


def _ignore(line: str) -> None:
    """For networks without observers."""


def _nothing() -> None:
    """Only the time is of interest."""


if TYPE_CHECKING:
    _network: type[NetworkView] = MemoryNetwork
