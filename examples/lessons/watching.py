"""Watches a world, and keeps a record of each frame, loss and crash."""

from reactor.simulation import Observer
from reactor.tracing.recording import Record, Recording


class Watcher(Observer):
    """Keeps a record of each frame where it was written and where it was read, and of crashes."""

    def __init__(self, world):
        self.world = world
        self.recording = Recording({"clock": "world"})

    def wrote(self, wire, frame):
        self._note(wire, frame, "out")

    def read(self, wire, frame):
        self._note(wire, frame, "in")

    def gone(self, program):
        self.recording.records.append(Record(self.world.now, "crashed", program))

    def _note(self, wire, frame, direction):
        name = wire.node.name
        peer = {"peer": wire.peer.node.name if wire.peer else ""}
        record = Record(self.world.now, "frame", name, f"{name}#{wire.number}", direction, frame.raw, values=peer)
        self.recording.records.append(record)
