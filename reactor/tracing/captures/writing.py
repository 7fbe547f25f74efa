"""A Recording as a capture: for each connection the packets of a TCP connection that would have carried its frames.

Each program gets an address, with its name beside it; the server has port 5672. Where both ends of a connection were
recorded, the frames are those that the client has written and read. Calls of handlers, timers and notes are left out:
a capture has no place for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from reactor.tracing.captures.files import interface_block, names_block, packet_block, section_block
from reactor.tracing.captures.packets import ACK, ETHERNET, FIN, PSH, RST, SYN, Address, Segment, write_segment
from reactor.tracing.record import Record

PORT = 5672

#: Bytes of a packet: with the headers they fit the largest length of IP.
_LARGEST = 65_000
_FIRST_PORT = 49152


class _Wire:
    """A connection to be written.

    name: the wire. side: of the program that has it. sent: the bytes so far, by direction.
    """

    def __init__(self, record: Record, addresses: _Addresses, number: int) -> None:
        self.name = record.wire
        self.program = record.program
        self.side = "client"
        self.values: dict[str, Any] = {}
        if record.kind == "connected":
            self.values = record.values
            self.side = "server" if record.values.get("side") == "server" else "client"
        here = addresses.of(record.program)
        other = str(self.values.get("other") or "")
        peer = other.rpartition("#")[0] or str(self.values.get("peer") or "").rpartition(":")[0]
        there = addresses.of(peer or "peer of %s" % record.wire)
        port = _FIRST_PORT + number % 16000
        ours, theirs = (here, port), (there, PORT)
        if self.side == "server":
            ours, theirs = (here, PORT), (there, port)
        self.ends: dict[str, tuple[Address, Address]] = {"out": (ours, theirs), "in": (theirs, ours)}
        self.next = {"out": 1, "in": 1}
        self.is_open = True

    def comment(self) -> str:
        """For the first packet: all that no header has."""
        values = {"program": self.program, "wire": self.name, "side": self.side}
        values.update((name, self.values[name]) for name in ("other", "peer") if self.values.get(name))
        return json.dumps(values)

    def segment(self, direction: str, flags: int, data: bytes = b"", missing: int = 0) -> Segment:
        """The next segment in this direction."""
        other = "in" if direction == "out" else "out"
        sequence = self.next[direction]
        acknowledged = self.next[other] if flags & ACK else 0
        self.next[direction] = (sequence + len(data) + missing + bool(flags & (SYN | FIN))) & 0xFFFFFFFF
        source, target = self.ends[direction]
        return Segment(source, target, sequence, acknowledged, flags, data, missing)

    def handshake(self) -> Iterator[Segment]:
        """The three segments that begin it."""
        client, server = ("out", "in") if self.side == "client" else ("in", "out")
        self.next = {"out": 0, "in": 0}
        yield self.segment(client, SYN)
        yield self.segment(server, SYN | ACK)
        yield self.segment(client, ACK)

    def frame(self, direction: str, raw: bytes, size: int) -> Iterator[Segment]:
        """The segments of a frame."""
        for start in range(0, max(size, 1), _LARGEST):
            end = min(size, start + _LARGEST)
            data = raw[start:end]
            yield self.segment(direction, PSH | ACK, data, end - start - len(data))

    def end(self, kind: str) -> Iterator[Segment]:
        """The segments that end it."""
        self.is_open = False
        if kind == "lost":
            yield self.segment("in", RST | ACK)
            return
        yield self.segment("out", FIN | ACK)
        yield self.segment("in", FIN | ACK)
        yield self.segment("out", ACK)


class _Addresses:
    """An address for each name."""

    def __init__(self) -> None:
        self.names: dict[str, bytes] = {}

    def of(self, name: str) -> bytes:
        """The address of a name."""
        number = len(self.names) + 1
        return self.names.setdefault(name, bytes([10, number >> 16 & 255, number >> 8 & 255, number & 255]))


def write_capture(header: dict[str, Any], records: Iterable[Record]) -> Iterator[bytes]:
    """The bytes of a file of pcapng, in pieces."""
    records = list(records)
    passed_over = _second_ends(records)
    kept = {name: header.get(name) for name in ("amqp-reactor", "clock", "began", "title", "dropped")}
    addresses = _Addresses()
    wires: dict[tuple[str, str], _Wire] = {}
    began = round((header.get("began") or 0.0) * 10**6)
    blocks: list[bytes] = []
    number = count = 0
    for record in records:
        if not record.wire or record.kind not in ("connected", "frame", "lost", "closed"):
            continue
        key = (record.program, record.wire)
        if key in passed_over:
            continue
        at = began + round(record.at * 10**6)
        wire = wires.get(key)
        comment = ""
        segments: list[Segment] = []
        if wire is None or (not wire.is_open and record.kind == "connected"):
            wire = wires[key] = _Wire(record, addresses, count)
            count += 1
            comment = wire.comment()
            segments += wire.handshake()
        if record.kind == "frame" and record.raw and wire.is_open:
            size = _size(record)
            segments += wire.frame(record.direction or "out", record.raw, size)
        elif record.kind in ("lost", "closed") and wire.is_open:
            segments += wire.end(record.kind)
        for segment in segments:
            number += 1
            packet, size = write_segment(segment, number)
            blocks.append(packet_block(at, packet, size, comment))
            comment = ""
    yield section_block("amqp-reactor", json.dumps(kept))
    yield interface_block(ETHERNET, "recorded by amqp-reactor")
    yield names_block({address: name for name, address in addresses.names.items()})
    yield from blocks


def _size(record: Record) -> int:
    size: Optional[Any] = record.values.get("size")
    return size if isinstance(size, int) and len(record.raw) <= size < 1 << 28 else len(record.raw)


def _second_ends(records: list[Record]) -> set[tuple[str, str]]:
    """The servers' ends of connections with both ends recorded: their frames are those of the clients' ends."""
    connected = [record for record in records if record.kind == "connected" and record.values.get("other")]
    names = {record.wire for record in connected}
    return {
        (record.program, record.wire)
        for record in connected
        if record.values.get("side") == "server" and record.values["other"] in names
    }
