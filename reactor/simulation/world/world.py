"""World: programs, their network and their time in a box, where every run can be repeated.

    with World(seed) as world:
        broker = world.start(Broker, "amqp://broker:5672")
        worker = world.start(Worker, "amqp://broker:5672")
        world.when("disposition", nth=3, sender="broker").cut()
        world.run_until(lambda: worker.handler.done == 10, limit=60)

Tests enter here. Everything that might be otherwise in the real world is drawn from the seed: the time
that bytes take, the pieces into which they are cut, the order of turns, the ids of containers. Time stands still
while a program has something to do, and then jumps to the next deadline.

TLS is the exception: it has chances of its own, so its bytes are other ones each time, and no fault
and no property sees the frames in them.

This module brings its neighbours together: programs, the network, faults, peers, properties.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from random import Random
from types import TracebackType
from typing import Any, Callable, Optional, Union

from reactor.container.container import Container
from reactor.container.explain.sentences import Explanation
from reactor.simulation.network.conditions import Conditions
from reactor.simulation.network.node import MemoryNode
from reactor.simulation.network.wire import MemoryWire, WirePipe
from reactor.simulation.wiretap.conversation import Conversations, Property
from reactor.simulation.wiretap.events import EventGate, EventQueue, Observer, Seen
from reactor.simulation.wiretap.faults import Fault, Faults
from reactor.simulation.wiretap.frames import Frame, hint
from reactor.simulation.wiretap.peer import ScriptedPeer
from reactor.simulation.world.conditions import DRAWN, bound_of, make_network, span_of
from reactor.simulation.world.coroutines import WorldLoop
from reactor.simulation.world.history import History
from reactor.simulation.world.program import Program, explained
from reactor.simulation.world.recording import WorldRecorder
from reactor.simulation.world.replay import print_failure, wants_pictures
from reactor.simulation.world.storm import Storm
from reactor.simulation.world.turns import Turns
from reactor.tracing.recorder import Recorder
from reactor.tracing.recording import Recording


class World:
    """Programs and their network, with all chances drawn from one seed.

    seed: equal seeds give equal runs, byte for byte, in any process.
    latency: seconds from one machine to another, or the least and the most of them; drawn for each write.
    bandwidth: bytes per second in each direction of each wire; infinity for no bound.
    pieces: now and then a read gives no more than so many bytes, as drawn; 0 for always all that there is.
    capacity: how many bytes a wire holds in one direction.
    keep: how many events of its history are kept to be read; None for all.
    record: whether the run is recorded, from both ends of each wire (False); a Recorder for other bounds than none.

    Each of these that is None is drawn from the seed. In a `with` statement a failure prints the seed, the end of the
    history and the command that runs it again, and an end without a failure checks the properties that are watched.

    random: for choices of the test's own. clock, network: for all that has no method here, such as
    `network.fail_lookup(name)`, `network.refuse(name)` and `network.silence(name)`.
    programs: by name, those that were started. scenario: the function that `explore` runs here, if it does.
    observers: see `watch`.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        latency: Union[float, tuple[float, float], None] = None,
        bandwidth: Optional[float] = None,
        pieces: Optional[int] = None,
        capacity: Optional[int] = None,
        keep: Optional[int] = 10_000,
        record: Union[bool, Recorder] = False,
    ) -> None:
        if not isinstance(seed, int):
            raise TypeError(f"a seed is a whole number, and not {seed!r}")
        self.seed = seed
        self.random = self.source("test")
        self.programs: dict[str, Program] = {}
        self.scenario: Optional[Callable[[World], object]] = None
        self.history = History(keep)
        draw = self.source("conditions")
        drawn = {name: draw.choice(kinds) for name, kinds in DRAWN.items()}
        said = {"latency": latency, "bandwidth": bandwidth, "pieces": pieces, "capacity": capacity}
        chosen: dict[str, Any] = {name: drawn[name] if value is None else value for name, value in said.items()}
        self.network = make_network(self.source, **chosen)
        self.network.inspect = self._inspect
        self.network.witness = self._witness
        self.network.note = self.note
        self.clock = self.network.clock
        self._began = self.clock.now()
        self._faults = Faults(self.network.schedule, self.note)
        self.observers: list[Observer] = []
        self._books: Optional[list[Property]] = None  # those that follow the conversations
        self._gate = EventGate(self.observers)
        self._recorder: Optional[WorldRecorder] = None
        if record is not False or wants_pictures():
            self._recorder = WorldRecorder(record or True, self.clock, "seed %d" % seed)
            self.observers.append(self._recorder)
        self.turns = Turns(self.network, self.source("turns"), self._gate)
        self._entered = False
        self._told: Optional[BaseException] = None
        self._broken: Optional[Exception] = None  # raised by an observer, into a program that may have caught it
        self.note("seed %d: %s" % (seed, ", ".join(f"{name} {value}" for name, value in chosen.items())))

    def source(self, name: str) -> Random:
        """A source of chances of its own, drawn from the seed and the name: a draw from one does not change
        another."""
        return Random(f"{self.seed}/{name}")

    # -- programs ----------------------------------------------------------------------------------------

    def start(
        self,
        factory: Any,
        *args: Any,
        name: Optional[str] = None,
        store: Any = None,
        options: Optional[Mapping[str, Any]] = None,
        **kwargs: Any,
    ) -> Program:
        """Start a program: a container with the handler, or the list of handlers, that `factory(*args, **kwargs)`
        makes; or the coroutine that it makes. A handler may be given instead; it can then not be started again.

        name: of the program and of its machine, by which others reach its listeners; made from the
            factory's name by default.
        store: handed to the factory as `store=`, at each start; None for none.
        options: of the Container.
        """
        name = name or self._name(factory if callable(factory) else type(factory))
        if name in self.programs:
            raise ValueError(f"there is a program {name!r} already")
        program = Program(self, name, factory, args, kwargs, store, options)
        self.programs[name] = program
        return program

    def container(self, *handlers: Any, name: Optional[str] = None, **options: Any) -> Container:
        """A Container that runs in this world, on a machine of its own, to be used from outside of handlers: it
        goes on whenever it is given something to do. options: those of Container."""
        name = name or self._name(Container)
        return self.run_on(self.network.node(name, name), handlers, name, options, lasting=True)

    def peer(self, address: str, *, connect: bool = False, name: Optional[str] = None) -> ScriptedPeer:
        """A peer that follows a script. address: ``host:port`` to listen at, or to connect to."""
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdecimal():
            raise ValueError(f"the address of a peer is host:port, such as 'peer:5672', and not {address!r}")
        name = name or (self._unused("peer") if connect else self._unused(host or "peer"))
        peer = ScriptedPeer(self.network.node(name, name), address, connect)
        self.turns.begin(peer, lasting=True)
        return peer

    def _name(self, factory: Any) -> str:
        return self._unused(getattr(factory, "__name__", "program").strip("<>").lower())

    def _unused(self, stem: str) -> str:
        taken = {node.name for node in self.network.nodes} | set(self.programs)
        return next(name for name in _numbered(stem) if name not in taken)

    def explain(self, patience: float = 0.0) -> Explanation:
        """Why nothing moves in the programs that were started; see `reactor.explain`."""
        return explained(self.programs)

    # -- time --------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds since this world began."""
        return self.clock.now() - self._began

    def run_until(self, condition: Optional[Callable[[], object]] = None, limit: float = 3600.0) -> None:
        """Let everything happen until the condition is true; without one until every program has come to its end.

        limit: how many seconds of the world's time it may take. NeverHappens is raised when they are over, and
        as soon as nothing can happen any more. An exception of a handler leaves this.
        """
        if condition is not None and not callable(condition):
            raise TypeError(f"run_until() takes a function, such as lambda: worker.done, and not {condition!r}")
        with self._telling():
            self.turns.run(condition or self.turns.over, limit)

    def run_for(self, seconds: float) -> None:
        """Let so much time pass, with all that happens in it."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        with self._telling():
            self.turns.run_for(seconds)

    def settle(self) -> None:
        """Let everything happen that is under way, until every program waits: for a timer, or for ever."""
        with self._telling():
            self.turns.settle()

    def step(self) -> None:
        """One round: arrivals, then a turn for each program. If no program had anything to do, time jumps to the
        next moment at which one has."""
        with self._telling():
            deadline = self.turns.round()
            if deadline is not None and deadline != math.inf:
                self.clock.advance_to(deadline)

    def step_event(self, limit: float = 3600.0) -> Seen:
        """Go on until one event of the engine has gone to the handlers of its program, and return it. Its
        effects wait for the next step. limit: as in `run_until`."""
        gate = self._gate
        gate.left = 1
        try:
            self.run_until(lambda: not gate.left, limit)
        finally:
            gate.left = -1
        assert gate.last is not None
        return gate.last

    def step_frame(self, limit: float = 3600.0) -> Frame:
        """Go on until one frame, or protocol header, has got to the other end of its wire, and return it: it comes
        alone, and every program had a turn then. limit: as in `run_until`."""
        network = self.network
        network.admitted = 1
        try:
            self.run_until(lambda: not network.admitted, limit)
        finally:
            network.admitted = None
            network.unstrand()
        return Frame(network.landed)

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Have `action` called in so many seconds, between two turns: `broker.restart`, for instance."""
        self.network.schedule(self.clock.now() + seconds, action)

    # -- faults ------------------------------------------------------------------------------------------

    def when(
        self,
        performative: Optional[str] = None,
        /,
        nth: int = 1,
        count: Optional[int] = 1,
        sender: Optional[str] = None,
        receiver: Optional[str] = None,
        **fields: Any,
    ) -> Fault:
        """A fault of frames: choose it by the methods of the Fault that is returned.

            world.when("attach", nth=2).cut()
            world.when("disposition", nth=3, sender="broker").drop()
            flows = world.when("flow", link_credit=lambda credit: credit > 0).hold()

        performative: "open" ... "close", "header", "empty" for heartbeats; None for any. nth, count: of those that
        are meant, how many come before, counted from 1, and to how many it happens; None to all that follow.
        sender, receiver: names of programs; None for any. fields: those that matter, as in ScriptedPeer.expect.
        """
        return self._faults.add(Fault(self._faults, performative, nth, count, sender, receiver, fields))

    def wires(self, one: Optional[str] = None, other: Optional[str] = None) -> list[MemoryWire]:
        """The wires that are open now, each by its end at `one`, a program's name; None for any. other: at the
        other end. A wire can be cut (`wire.reset()`) or closed in one direction (`wire.finish()`). ValueError for
        an unknown name."""
        self._check_names(one, other)
        found: dict[int, MemoryWire] = {}
        for wire in self.network.wires:
            if wire.peer is not None and one in (None, wire.node.name) and other in (None, wire.peer.node.name):
                found.setdefault(wire.number, wire)
        return list(found.values())

    def cut(self, one: Optional[str] = None, other: Optional[str] = None) -> int:
        """Reset those wires; returns how many."""
        wires = self.wires(one, other)
        for wire in wires:
            self.count_fault(f"wire {wire.number} cut")
            wire.reset()
        return len(wires)

    def partition(self, one: str, other: str = "") -> None:
        """From now on nothing gets from one program's machine to the other's, or to any, and neither sees it.
        ValueError for an unknown name."""
        self._check_names(one, other)
        self._faults.injected += 1
        self.network.part(one, other)

    def heal(self) -> None:
        """Every partition ends: bytes under way arrive after all."""
        self.network.heal()

    def between(
        self,
        one: str,
        other: str = "",
        *,
        latency: Union[float, tuple[float, float], None] = None,
        bandwidth: Optional[float] = None,
    ) -> None:
        """From now on bytes take their time in this way between the machines of two programs, or of one and all
        others. latency, bandwidth: as of a World; None for the present ones. ValueError for an unknown name."""
        self._check_names(one, other)
        usual = self.network.conditions
        assert usual is not None
        span = usual.latency if latency is None else span_of(latency)
        bound = usual.bandwidth if bandwidth is None else bound_of(bandwidth)
        self.network.set_way(one, other, Conditions(usual.random, span, bound, usual.patience))
        self.note(f"between {one or 'all others'} and {other or 'all others'}: latency {span}, bandwidth {bound}")

    def storm(
        self,
        seconds: float,
        kinds: Optional[Iterable[str]] = None,
        every: float = 1.0,
        crashing: Sequence[Program] = (),
    ) -> Storm:
        """From now on and for so long things go wrong, at times and in ways that are drawn from the seed; then all
        is well again.

        kinds: of "cut", "cut behind" (a frame), "half-close", "partition", "pause", "deafen", "refuse", "lookup",
        "crash" and "power"; None for all. every: seconds from one to the next, on the average. crashing: the
        programs that may crash, and are started again.
        """
        return Storm(self, seconds, kinds, every, crashing)

    def count_fault(self, text: str) -> None:
        """Something was done to the programs on purpose: it is counted, and noted in the history."""
        self._faults.injected += 1
        self.note(text)

    @property
    def faults(self) -> int:
        """How many faults there were so far: of frames, cuts, partitions, crashes."""
        return self._faults.injected

    # -- observers ---------------------------------------------------------------------------------------

    def watch(self, *observers: Observer) -> None:
        """Have observers, properties for instance, look on. To be called before the first program is started."""
        for observer in observers:
            if not isinstance(observer, Observer):
                raise TypeError(f"watch() takes observers, such as SettledOnce(), and not {observer!r}")
        if self.network.nodes:
            raise RuntimeError("watch() comes before the first program: an observer has to see all of it")
        if self._books is None and any(isinstance(observer, Property) for observer in observers):
            self._books = []
            self.observers.append(Conversations(self._books))
        for observer in observers:
            self.observers.append(observer)
            if isinstance(observer, Property) and self._books is not None:
                self._books.append(observer)

    def check(self) -> None:
        """Have all observers check the run. AssertionError when a property does not hold; ValueError
        when a fault waited for frames of a program that there never was."""
        with self._telling():
            if self._broken is not None:
                raise self._broken
            for fault in self._faults.waiting:
                self._check_names(fault.sender, fault.receiver)
            for observer in self.observers:
                observer.check()

    def note(self, text: str) -> None:
        """A line of its own for the history."""
        self.history.note(self.now, text)
        if self._recorder is not None:
            self._recorder.note(text)

    @property
    def recording(self) -> Recording:
        """All that has happened so far. RuntimeError for a world that is not recorded."""
        if self._recorder is None:
            raise RuntimeError("this world is not recorded: World(seed, record=True) is")
        return self._recorder.recording(self.turns.runs)

    def trace(self) -> str:
        """The history, for people: a line for each frame that was written, and for each note."""
        return "".join(line + "\n" for line in self.history.lines())

    @property
    def digest(self) -> str:
        """A fingerprint of all that happened: equal runs have equal ones."""
        return self.history.digest

    def __enter__(self) -> World:
        self._entered = True
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._entered = False
        try:
            if error is None:
                self.check()
            else:
                self._tell(error)
        finally:
            for program in self.programs.values():
                program.end_coroutine()

    def _repr_html_(self) -> Optional[str]:
        """For notebooks: the page of its run so far; None for a world that is not recorded."""
        return None if self._recorder is None else self.recording._repr_html_()

    def _repr_svg_(self) -> Optional[str]:
        """The sequence diagram alone; None for a world that is not recorded."""
        return None if self._recorder is None else self.recording.svg()

    def __repr__(self) -> str:
        return f"<World of seed {self.seed}, at {self.now:.6f} s>"

    # -- for its programs --------------------------------------------------------------------------------

    def run_on(
        self, node: MemoryNode, handlers: Sequence[Any], name: str, options: Mapping[str, Any], lasting: bool = False
    ) -> Container:
        """A container of this world, at a node, started. name: the source of its chances. lasting: whether
        it is kept when it has come to its end."""
        world = {"clock": self.clock, "network": node, "random": self.source(name), **options}
        if self._recorder is not None:
            world["observers"] = self._recorder.observers(node.name, handlers, options.get("observers", ()))
        container = Container(*handlers, **world)
        container.collector.events = EventQueue(self._gate, node.name)
        self.turns.begin(container, lasting)
        return container

    def run_coroutine(self, node: MemoryNode, coroutine: Any, name: str) -> WorldLoop:
        """A coroutine, as a program at a node, started. name: the source of its chances."""
        self.turns.begin(loop := WorldLoop(node, coroutine, self._gate, lambda part: self.source(f"{name} {part}")))
        return loop

    def tell_gone(self, program: str) -> None:
        """A program has crashed."""
        for observer in self.observers:
            observer.gone(program)

    # -- inside ------------------------------------------------------------------------------------------

    def _check_names(self, *names: Optional[str]) -> None:
        """Raise ValueError for an unknown name: a fault of it would have no effect."""
        for name in names:
            if name and name not in self.network.machines:
                known = ", ".join(sorted(self.network.machines - {""})) or "none yet"
                raise ValueError(f"no program is called {name!r}{hint(name, self.network.machines)} (there is {known})")

    def _inspect(self, pipe: WirePipe, part: bytes) -> None:
        """A frame is written."""
        source = pipe.source
        label = f"{source.node.name} > {pipe.sink.node.name} #{source.number}"
        self.history.frame(self.now, label, part)
        frame = Frame(part)
        try:
            for observer in self.observers:
                observer.wrote(source, frame)
        except Exception as error:
            self._broken = self._broken or error
            raise
        self._faults.pass_on(pipe, frame)

    def _witness(self, wire: MemoryWire, part: bytes) -> None:
        """A frame is read."""
        if self.observers:
            frame = Frame(part)
            try:
                for observer in self.observers:
                    observer.read(wire, frame)
            except Exception as error:
                self._broken = self._broken or error
                raise

    @contextmanager
    def _telling(self) -> Iterator[None]:
        self.turns.wake_all()
        try:
            yield
        except Exception as error:
            self._tell(error)
            raise

    def _tell(self, error: BaseException) -> None:
        """Once for each failure; in a `with` statement only for an exception that leaves it."""
        if error is not self._told and not self._entered:
            self._told = error
            draw = None if self._recorder is None else lambda: self.recording.html()
            print_failure(error, self.seed, self.now, self.history, self.scenario, draw)


def _numbered(stem: str) -> Iterator[str]:
    """A name, and the same with numbers behind it."""
    yield stem
    for number in count(2):
        yield f"{stem}-{number}"
