"""The recording of a World: both ends of every wire, handlers, crashes, faults.

The world owns one where it was asked for one. Each container gets the recorder of its program as an observer; the
frames of scripted peers, which have no container, come by the world's own observation. It changes nothing in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from reactor.simulation.network.clock import VirtualClock
from reactor.simulation.network.wire import MemoryWire
from reactor.simulation.wiretap.events import Observer
from reactor.simulation.wiretap.frames import Frame
from reactor.tracing.program import ProgramRecorder, RecordedWire
from reactor.tracing.recorder import Recorder
from reactor.tracing.recording import Recording


class WorldRecorder(Observer):
    """Records a world.

    recorder: the Recorder; True for one that keeps all.
    """

    def __init__(self, recorder: Union[bool, Recorder], clock: VirtualClock, title: str) -> None:
        self.recorder = Recorder(ring=None, frame_bytes=None) if isinstance(recorder, bool) else recorder
        self.recorder.header["clock"] = "world"
        self.recorder.header["title"] = self.recorder.header["title"] or title
        self._clock = clock
        self._programs: dict[str, ProgramRecorder] = {}
        self._containers: dict[str, Any] = {}  # the last one of each program
        self._over: dict[Any, None] = {}  # containers that have crashed, or are known to have ended
        self._peers: dict[MemoryWire, RecordedWire] = {}
        self._world = self._program("")

    def _program(self, name: str) -> ProgramRecorder:
        found = self._programs.get(name)
        if found is None:
            found = self.recorder.program(name, self._clock.now, self._clock.today(), _label)
            self._programs[name] = found
        return found

    def observers(self, name: str, handlers: Sequence[Any], others: Any) -> list[Any]:
        """The observers of a container that is about to be made: those that it has anyhow, and ours."""
        return [*others, _Start(self, name, ", ".join(type(handler).__name__ for handler in handlers))]

    def begin(self, name: str, container: Any, handler: str) -> ProgramRecorder:
        """A container is made."""
        program = self._program(name)
        if name in self._containers:
            program.add("restarted", text=str(container.container_id), handler=handler)
        else:
            program.began(str(container.container_id), handler)
        self._containers[name] = container
        return program

    def note(self, text: str) -> None:
        """A line of the history of the world."""
        self._world.add("note", text=text)

    def gone(self, program: str) -> None:
        if program in self._containers:
            self._over[self._containers[program]] = None
            self._program(program).add("crashed")

    def wrote(self, wire: MemoryWire, frame: Frame) -> None:
        self._of_peer(wire, "out", frame)

    def read(self, wire: MemoryWire, frame: Frame) -> None:
        self._of_peer(wire, "in", frame)

    def _of_peer(self, wire: MemoryWire, direction: str, frame: Frame) -> None:
        name = wire.node.name
        if name in self._containers:
            return  # its own observer sees more: the frames within TLS, too
        recorded = self._peers.get(wire)
        program = self._program(name)
        if recorded is None:
            recorded = self._peers[wire] = RecordedWire(program, wire, wire.local_address.endswith(":%d" % wire.port))
        recorded.is_up()
        recorded.frame(program.now(), direction, frame.raw, self.recorder.frame_bytes)

    def recording(self, runs: Any) -> Recording:
        """All so far. runs: called with a container, whether it still runs."""
        for name, container in self._containers.items():
            if container not in self._over and not runs(container):
                self._over[container] = None
                self._program(name).add("ended")
        return self.recorder.recording


class _Start:
    """Becomes the recorder of a program when its container is made."""

    def __init__(self, world: WorldRecorder, name: str, handler: str) -> None:
        self._world = world
        self._name = name
        self._handler = handler

    def observer(self, container: Any) -> ProgramRecorder:
        return self._world.begin(self._name, container, self._handler)


def _label(wire: MemoryWire) -> tuple[str, str]:
    """The name of an end of a wire, and that of its other end."""
    if not wire.number:
        return "", ""
    other = "" if wire.peer is None else "%s#%d" % (wire.peer.node.name, wire.number)
    return "%s#%d" % (wire.node.name, wire.number), other
