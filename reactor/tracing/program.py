"""The part of a Recorder that looks on at one container: the observer that makes records of its calls.

One for each level: frames, or summaries. They know the engine by the objects that observers are given.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any, Callable, Optional, Protocol

from reactor.engine.endpoints.disposition import ACCEPTED, MODIFIED, REJECTED, RELEASED
from reactor.tracing.record import Record
from reactor.tracing.secrets import Secrets
from reactor.tracing.splitter import Splitter

Label = Callable[[Any], tuple[str, str]]


class RecorderView(Protocol):
    """The recorder, as its parts see it."""

    zero: Optional[float]
    interval: float
    held_limit: float
    frame_bytes: Optional[int]

    def add(self, record: Record) -> None:
        """Keep a record."""

    def flush(self) -> None:
        """Write to the file all that is to be written to it."""


class ProgramRecorder:
    """Records of one program, common to all levels. Its public methods are those of an observer.

    name: of the program. label: gives a wire its name, and that of its other end where that is known.
    """

    def __init__(self, recorder: RecorderView, name: str, clock: Callable[[], float], label: Optional[Label]) -> None:
        self.recorder = recorder
        self.name = name
        self.held_limit = recorder.held_limit
        self._clock = clock
        self.label = label or self._count
        self._numbers = count(1)
        self._wires: dict[Any, RecordedWire] = {}  # by transport
        self._flush_at = 0.0

    def now(self) -> float:
        """Seconds since the recording began."""
        return round(self._clock() - (self.recorder.zero or 0.0), 6)

    def add(self, kind: str, wire: str = "", text: str = "", **values: Any) -> None:
        """Record something about this program, now. values: those that are None are left out."""
        values = {name: value for name, value in values.items() if value is not None}
        self.recorder.add(Record(self.now(), kind, self.name, wire, "", b"", text, values))

    def flush(self) -> None:
        """Record what is summed up."""

    def _count(self, wire: Any) -> tuple[str, str]:
        return "%s#%d" % (self.name, next(self._numbers)), ""

    def _wire_of(self, connection: Any) -> str:
        wire = self._wires.get(getattr(connection, "transport", None))
        return wire.label if wire is not None and wire.has_peer else ""

    # -- the observer ------------------------------------------------------------------------------------

    def began(self, container_id: str, handler: str) -> None:
        """The program begins."""
        self.add("began", text=container_id, handler=handler)

    def wire(self, transport: Any, wire: Any, is_server: bool) -> Optional[Callable[[str, bytes], None]]:
        self._wires[transport] = recorded = RecordedWire(self, wire, is_server)
        return self._tap(recorded)

    def _tap(self, wire: RecordedWire) -> Optional[Callable[[str, bytes], None]]:
        return None

    def connected(self, connection: Any) -> None:
        wire = self._wires.get(connection.transport)
        if wire is not None:
            wire.is_up()

    def closed(self, connection: Any) -> None:
        self._over("closed", connection, None)

    def lost(self, connection: Any, condition: Any) -> None:
        self._over("lost", connection, condition)

    def failed(self, connection: Any, condition: Any) -> None:
        self._over("closed" if condition is None else "lost", connection, condition)

    def _over(self, kind: str, connection: Any, condition: Any) -> None:
        self.flush()
        wire = self._wires.pop(connection.transport, None)
        text, name = "", None
        if condition is not None:
            text, name = str(condition.description or condition.name), str(condition.name)
        if wire is not None and wire.has_peer:
            self.add(kind, wire.label, text, condition=name)
        elif text:
            self.add("note", text=text, condition=name)  # an attempt: there was no wire yet

    def retry(self, connection: Any, attempt: int, delay: float) -> None:
        text = str(connection.connected_address or connection.hostname or "")
        self.add("retry", text=text, attempt=attempt, delay=round(delay, 6))

    def timer(self, task: Any) -> None:
        handler = getattr(task, "handler", None)
        self.add("timer", text="" if handler is None else type(handler).__name__)

    def held(self, text: str, seconds: float) -> None:
        handler, _, method = text.rpartition(".")
        self.add("held", handler=handler, method=method, seconds=round(seconds, 6))

    def turned(self) -> None:
        now = self.now()
        if now >= self._flush_at:
            self._flush_at = now + self.recorder.interval
            self.recorder.flush()

    def ended(self, error: Optional[BaseException]) -> None:
        self.add("ended", text="" if error is None else "%s: %s" % (type(error).__name__, error))
        self.recorder.flush()


class RecordedWire:
    """One wire of a program, as a recorder sees it: its name, and its bytes as frames.

    has_peer: whether there is, or was, a peer at its other end. is_server: whether the wire came in.
    """

    __slots__ = ("_label", "_other", "_parts", "_program", "_secrets", "_wire", "has_peer", "is_server")

    def __init__(self, program: ProgramRecorder, wire: Any, is_server: bool) -> None:
        self._label = self._other = ""
        self._program = program
        self._wire = wire
        self.is_server = is_server
        self.has_peer = False
        self._parts = {"in": Splitter(), "out": Splitter()}
        incoming = Secrets()
        self._secrets = {"in": incoming, "out": Secrets(incoming)}

    @property
    def label(self) -> str:
        """Its name: in a world it has none before there is a peer."""
        if not self._label:
            self._label, self._other = self._program.label(self._wire)
        return self._label

    def is_up(self) -> None:
        """There is a peer at its other end."""
        if not self.has_peer:
            self.has_peer = True
            side = "server" if self.is_server else "client"
            peer, here = str(self._wire.remote_address or ""), str(self._wire.local_address or "")
            label = self.label
            other = self._other or None
            self._program.add("connected", label, peer=peer, here=here or None, side=side, other=other)

    def overhear(self, direction: str, data: bytes) -> None:
        """Bytes pass."""
        self.is_up()
        program = self._program
        splitter = self._parts[direction]
        parts = splitter.feed(data)
        if not parts:
            return
        most = program.recorder.frame_bytes
        now = program.now()
        for part in parts:
            self.frame(now, direction, part, most, splitter.opaque and part is parts[-1])

    def frame(self, now: float, direction: str, part: bytes, most: Optional[int], opaque: bool = False) -> None:
        """Record a frame, or bytes that are none."""
        values: dict[str, Any] = {}
        if not opaque:
            part = self._secrets[direction].hide(part)
        if most is not None and len(part) > most:
            values = {"size": len(part)}
            part = part[:most]
        kind, text = ("note", "%d bytes that are no AMQP" % len(part)) if opaque else ("frame", "")
        name = self._program.name
        self._program.recorder.add(Record(now, kind, name, self.label, direction, part, text, values))


class FramesOfProgram(ProgramRecorder):
    """The level "frames": frames, and the methods of handlers that ran."""

    def _tap(self, wire: RecordedWire) -> Optional[Callable[[str, bytes], None]]:
        if wire.is_server:
            wire.is_up()
        return wire.overhear

    def called(self, handler: Any, method: str, event: Any, seconds: float) -> None:
        delivery = getattr(event, "delivery", None)
        link = getattr(event, "link", None)
        self.add(
            "call",
            self._wire_of(getattr(event, "connection", None)),
            method,
            handler=type(handler).__name__,
            seconds=round(seconds, 6),
            link=None if link is None else link.name,
            delivery=None if delivery is None else delivery.id,
        )


_COUNTED: dict[Any, str] = {ACCEPTED: "accepted", REJECTED: "rejected", RELEASED: "released", MODIFIED: "modified"}


class SummariesOfProgram(ProgramRecorder):
    """The level "summary": counters of links.

    A message costs an `append` when it is sent, when it is received and when its fate is known: they are counted at the
    end of the turn.
    """

    def __init__(self, recorder: RecorderView, name: str, clock: Callable[[], float], label: Optional[Label]) -> None:
        super().__init__(recorder, name, clock, label)
        self._sent: list[Any] = []
        self._received: list[Any] = []
        self._settled: list[Any] = []
        self._counts: dict[Any, dict[str, int]] = {}
        self.sent, self.received, self.settled = self._sent.append, self._received.append, self._settled.append

    def credit(self, link: Any) -> None:
        if link not in self._counts:
            self._counts[link] = {}

    def turned(self) -> None:
        self._count_all()
        super().turned()

    def _count_all(self) -> None:
        for name, deliveries in (("sent", self._sent), ("received", self._received)):
            if deliveries:
                links = Counter([delivery.link for delivery in deliveries])
                deliveries.clear()
                for link, number in links.items():
                    self._add(link, name, number)
        if self._settled:
            fates = [
                (delivery.link, delivery.remote_state if delivery.link.is_sender else delivery.local_state)
                for delivery in self._settled
            ]
            self._settled.clear()
            for (link, state), number in Counter(fates).items():
                if state in _COUNTED:
                    self._add(link, _COUNTED[state], number)

    def _add(self, link: Any, name: str, number: int) -> None:
        counts = self._counts.setdefault(link, {})
        counts[name] = counts.get(name, 0) + number

    def flush(self) -> None:
        self._count_all()
        while self._counts:
            link, counts = self._counts.popitem()
            values: dict[str, Any] = {"link": link.name, "role": "sender" if link.is_sender else "receiver", **counts}
            values.update(credit=link.credit, queued=link.queued, unsettled=link.unsettled)
            self.add("summary", self._wire_of(link.connection), **values)
