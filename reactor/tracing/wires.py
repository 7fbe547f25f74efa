"""Wires: the ends of connections in a recording, which two belong together, and the program that has each.

The timeline enters. Every program of a recording is a lane of the picture, and so is every peer that was not
recorded itself. Worlds name both ends of a wire; elsewhere the two `open` frames show which ends belong together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional

from reactor.codec.definitions import OPEN
from reactor.shown import shown
from reactor.tracing.contents import Content, clip
from reactor.tracing.record import Record

#: Characters of the name of a lane at most.
NAME = 32


class Lane:
    """One program, as a column of the picture.

    name: as people know it. recorded: whether its own view is in the recording. index: its place, from the left.
    """

    __slots__ = ("index", "name", "recorded")

    def __init__(self, name: str, recorded: bool) -> None:
        self.name = name
        self.recorded = recorded
        self.index = 0

    def __repr__(self) -> str:
        return "<Lane %s>" % self.name


class End:
    """One end of a connection that was recorded.

    wire: its name in the records. lane: the program that holds it. connection: which it belongs to, and side its place
    there, 0 or 1. opens: the `open` frames by direction.
    """

    __slots__ = ("connection", "lane", "opens", "other", "over", "peer", "role", "side", "wire")

    def __init__(self, wire: str, lane: Lane) -> None:
        self.wire = wire
        self.lane = lane
        self.peer = ""
        self.role = ""
        self.other = ""
        self.opens: dict[str, bytes] = {}
        self.over = False
        self.connection: Connection
        self.side = 0


class Connection:
    """Two ends, of which one at least was recorded.

    lanes: of both sides. recorded: which of them were. name: of the wire, for people.
    """

    __slots__ = ("ends", "lanes", "name", "recorded")

    def __init__(self, one: End, other: Optional[End], lane: Lane) -> None:
        self.ends = (one, other)
        self.lanes = (one.lane, lane)
        self.recorded = (True, other is not None)
        self.name = one.wire
        one.connection = self
        if other is not None:
            other.connection = self
            other.side = 1


class Wires:
    """The lanes and the connections of records. of_record: for each record the end that it is about, or None."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.lanes: list[Lane] = []
        self.connections: list[Connection] = []
        self._programs: dict[str, Lane] = {}
        self._ends: list[End] = []
        self.of_record = self._find(records)
        self._join()

    def program(self, name: str, recorded: bool = True) -> Lane:
        """The lane of a program of the recording."""
        lane = self._programs.get(name)
        if lane is None:
            lane = self._programs[name] = Lane(_fit(name), recorded)
            self.lanes.append(lane)
        lane.recorded = lane.recorded or recorded
        return lane

    def servers(self) -> set[Lane]:
        """The lanes to which others connect, as far as that is known."""
        ends = [end for end in self._ends if end.role in ("client", "server")]
        return {end.connection.lanes[end.side if end.role == "server" else 1 - end.side] for end in ends}

    def _find(self, records: Iterable[Record]) -> list[Optional[End]]:
        open_now: dict[tuple[str, str], End] = {}
        found: list[Optional[End]] = []
        for record in records:
            program = record.program or record.wire.partition("#")[0]
            if not record.wire:
                if program:
                    self.program(program)
                found.append(None)
                continue
            key = (program, record.wire)
            end = open_now.get(key)
            if end is None or (end.over and record.kind == "connected"):
                end = open_now[key] = End(record.wire, self.program(program))
                self._ends.append(end)
            found.append(end)
            if record.kind == "frame":
                raw = record.raw
                if raw[8:11] == b"\x00\x53\x10" and record.direction not in end.opens:
                    end.opens[record.direction] = raw
            elif record.kind == "connected":
                values = record.values
                end.peer, end.role, end.other = (_text(values.get(key)) for key in ("peer", "side", "other"))
            elif record.kind in ("lost", "closed"):
                end.over = True
        return found

    def _join(self) -> None:
        """Find the two ends of each connection, and a lane for each end that was not recorded."""
        by_name: dict[str, list[End]] = {}
        by_opens: dict[tuple[bytes, bytes], list[End]] = {}
        for end in self._ends:
            by_name.setdefault(end.wire, []).append(end)
            if len(end.opens) == 2:
                by_opens.setdefault((end.opens["out"], end.opens["in"]), []).append(end)
        joined: set[End] = set()
        pairs: list[tuple[End, Optional[End]]] = []
        for end in self._ends:
            if end in joined:
                continue
            candidates = [other for other in by_name.get(end.other, ()) if other.other == end.wire] if end.other else []
            if not candidates and len(end.opens) == 2:
                candidates = by_opens.get((end.opens["in"], end.opens["out"]), [])
            other = next((other for other in candidates if other not in joined and other is not end), None)
            joined.add(end)
            if other is not None:
                joined.add(other)
                self._part(end, other)
            pairs.append((end, other))
        containers: dict[str, Lane] = {}
        for end in self._ends:
            containers.setdefault(_container(end.opens.get("out")), end.lane)
        for end, other in pairs:
            lane = other.lane if other is not None else self._peer(end, containers)
            self.connections.append(Connection(end, other, lane))

    def _part(self, one: End, other: End) -> None:
        """A program that is connected to itself has two lanes."""
        if one.lane is other.lane:
            server = one if one.role == "server" and other.role != "server" else other
            server.lane = self.program(server.lane.name + " (server)")

    def _peer(self, end: End, containers: dict[str, Lane]) -> Lane:
        """The lane of a peer that was not recorded: by its container-id, else by its address."""
        container = _container(end.opens.get("in"))
        if container and container in containers and containers[container] is not end.lane:
            return containers[container]
        host = end.other.partition("#")[0] or end.peer
        if host in self._programs:
            return self._programs[host]
        name = container if container and len(container) <= NAME - 8 else ""
        if end.role != "server" or not container:
            name = name or host or "peer of " + end.wire
        lane = self.program(name or "client " + container[:8], recorded=False)
        if container:
            containers[container] = lane
        return lane


def _container(raw: Optional[bytes]) -> str:
    """The container-id of an open frame."""
    if raw is None or raw[8:11] != bytes((0, 0x53, OPEN)):
        return ""
    return _text(Content(raw).fields.get("container-id"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _fit(name: str) -> str:
    return clip(shown(name, 4 * NAME), NAME) or "?"
