"""Watches a world, and keeps a record of each frame, loss and crash: the recording that pictures are drawn from."""

from reactor.simulation import Observer
from reactor.tracing.recording import Record, Recording

#: The code of the performative [2.7.9].
CLOSE = 0x18

#: Records at most: what comes behind them is counted, and not kept.
MOST = 20_000


class Watcher(Observer):
    """Keeps the records of a world. See `reactor.tracing` for their kinds."""

    def __init__(self, world):
        self.world = world
        self.recording = Recording({"clock": "world"})
        self._wires = {}  # those that are open: whether a close has passed
        self._known = set()  # programs that were seen

    def wrote(self, wire, frame):
        self._frame(wire, frame, "out")

    def read(self, wire, frame):
        self._frame(wire, frame, "in")

    def turned(self, program, container):
        if program not in self._known:
            self._known.add(program)
            crashed = any(one.kind == "crashed" and one.program == program for one in self.recording.records)
            self._keep(Record(self.world.now, "restarted" if crashed else "began", program))
        for wire in [wire for wire in self._wires if wire.closed]:
            self._end(wire)

    def gone(self, program):
        self._known.discard(program)
        for wire in [wire for wire in self._wires if wire.node.name == program]:
            del self._wires[wire]
        self._keep(Record(self.world.now, "crashed", program))

    def _frame(self, wire, frame, direction):
        name, peer = wire.node.name, "" if wire.peer is None else wire.peer.node.name
        if wire not in self._wires:
            self._wires[wire] = False
            other = {} if wire.peer is None else {"other": _label(wire.peer)}
            self._keep(Record(self.world.now, "connected", name, _label(wire), values={"peer": peer, **other}))
        if frame.descriptor == CLOSE:
            self._wires[wire] = True
        raw, values = frame.raw, {"peer": peer}
        self._keep(Record(self.world.now, "frame", name, _label(wire), direction, raw, values=values))

    def _end(self, wire):
        closed = self._wires.pop(wire)
        self._keep(Record(self.world.now, "closed" if closed else "lost", wire.node.name, _label(wire)))

    def _keep(self, record):
        if len(self.recording.records) < MOST:
            self.recording.records.append(record)
        else:
            self.recording.header["dropped"] += 1


def _label(wire):
    return f"{wire.node.name}#{wire.number}"
