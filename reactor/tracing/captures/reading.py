"""A capture as a Recording: its connections, each as its client saw it.

Connections of AMQP are those with port 5672 at one end, or with AMQP's header at the beginning. Which programs they
belong to no capture has: the client's address stands for one, unless the file has a name for it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Optional

from reactor.tracing.captures.files import Capture, Packet
from reactor.tracing.captures.packets import (
    ACK,
    FIN,
    LINK_TYPES,
    RST,
    SYN,
    Address,
    Segment,
    address_text,
    read_segment,
)
from reactor.tracing.captures.streams import Frames, Stream
from reactor.tracing.lines import MARK
from reactor.tracing.record import Record
from reactor.tracing.secrets import Secrets

PORT = 5672

#: Sentences about missing parts, at most.
_SENTENCES = 20


class _Connection:
    """One connection: its two ends, client first, and the records that it made."""

    def __init__(self, reader: _Reader, client: Address, server: Address, number: int) -> None:
        self.reader = reader
        self.client = client
        self.server = server
        self.program = reader.capture.names.get(client[0], address_text(client))
        self.wire = "%s#%d" % (self.program, number)
        self.side, self.other = "client", ""
        self.began: Optional[int] = None
        self.over = False
        self.finished: set[str] = set()
        self.streams: dict[str, Stream] = {}
        incoming = Secrets()
        for direction, secrets in (("out", Secrets(incoming)), ("in", incoming)):
            frames = Frames(partial(self._frame, direction, secrets), partial(self._opaque, direction))
            self.streams[direction] = Stream(frames)

    def take(self, at: int, direction: str, segment: Segment, comment: str) -> None:
        """A segment of this connection, from the client ("out") or to it."""
        stream = self.streams[direction]
        if self.began is None:
            self._begin(at, comment)
        if segment.flags & SYN:
            stream.begin(segment.sequence + 1)
        data = segment.data
        if segment.flags & RST:  # bytes in it are a text of the system
            self._end(at, "lost", "reset by %s" % address_text(segment.source))
            return
        stream.feed(at, segment.sequence, data, segment.missing)
        if segment.flags & FIN:
            self.finished.add(direction)
            if len(self.finished) == 2:
                self._end(at, "closed", "")

    def _begin(self, at: int, comment: str) -> None:
        self.began = at
        server = self.reader.capture.names.get(self.server[0])
        peer = address_text(self.server) if server is None else "%s:%d" % (server, self.server[1])
        known = _known(comment)
        if known:
            self.program, self.wire = known.get("program", self.program), known.get("wire", self.wire)
            self.side, self.other = known.get("side", self.side), known.get("other", "")
            peer = known.get("peer", peer)
        values = {"peer": peer, "side": self.side}
        if self.other:
            values["other"] = self.other
        self.reader.add(at, "connected", self, values=values)

    def _end(self, at: int, kind: str, text: str) -> None:
        if not self.over:
            self.over = True
            self.finish()
            self.reader.add(at, kind, self, text=text)

    def finish(self) -> None:
        """No segment follows: the rest is handed on, and missing parts are named."""
        for direction, stream in self.streams.items():
            stream.end()
            where = "from the client" if direction == "out" else "from the server"
            if stream.frames.joined and self.began is not None:
                self.reader.say("%s begins in the middle: the bytes before, %s, are missing" % (self.wire, where))
            if stream.missing:
                self.reader.say("%s: %d bytes %s were not captured" % (self.wire, stream.missing, where))
            if stream.frames.unread:
                text = "%s: %d bytes %s belong to frames that are not complete"
                self.reader.say(text % (self.wire, stream.frames.unread, where))

    def _direction(self, direction: str) -> str:
        if self.side == "client":
            return direction
        return "in" if direction == "out" else "out"

    def _frame(self, direction: str, secrets: Secrets, at: int, part: bytes, size: int) -> None:
        whole = len(part) == size
        raw = secrets.hide(part) if whole or len(part) > 8 else part
        values = {} if whole else {"size": size}
        self.reader.add(at, "frame", self, self._direction(direction), raw, values=values)

    def _opaque(self, direction: str, at: int, data: bytes) -> None:
        text = "%d bytes that are no AMQP" % len(data)
        self.reader.add(at, "note", self, self._direction(direction), data[:64], text)


class _Reader:
    """Reads one capture."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.zero: Optional[int] = None
        self._records: list[tuple[int, Record]] = []
        self._said: list[str] = []
        self._connections: dict[frozenset[Address], _Connection] = {}
        self._all: list[_Connection] = []
        self._links: set[int] = set()

    def add(
        self, at: int, kind: str, connection: _Connection, direction: str = "", raw: bytes = b"", text: str = "",
        values: Optional[dict[str, Any]] = None,
    ) -> None:  # fmt: skip
        """A record of a connection, at a time of the capture."""
        record = Record(0.0, kind, connection.program, connection.wire, direction, raw, text, values or {})
        self._records.append((at, record))

    def say(self, sentence: str) -> None:
        """Something is missing."""
        self._said.append(sentence)

    def read(self) -> tuple[dict[str, Any], list[Record]]:
        for packet in self.capture.packets():
            self._packet(packet)
        for connection in self._all:
            if not connection.over:
                connection.finish()
        header = self._header()
        begin = _micros(header.get("began"))
        first = min((at for at, _ in self._records), default=0)
        zero = first if begin is None else begin
        header.setdefault("began", zero / 1e6)
        self._records.sort(key=lambda each: each[0])
        records = [Record((at - zero) / 1e6, *record[1:]) for at, record in self._records]
        said = list(dict.fromkeys([*self.capture.cut, *self._said]))
        if len(said) > _SENTENCES:
            said[_SENTENCES:] = ["and %d more of these" % (len(said) - _SENTENCES)]
        if said:
            header["cut"] = said
        return header, records

    def _header(self) -> dict[str, Any]:
        known = _known(self.capture.comment)
        if MARK not in known:
            return {"title": self.capture.comment} if self.capture.comment else {}
        kept = {name: known[name] for name in ("clock", "title") if isinstance(known.get(name), str)}
        dropped = known.get("dropped")
        began = known.get("began")
        if isinstance(dropped, int) and not isinstance(dropped, bool):
            kept["dropped"] = dropped
        if began is None or (isinstance(began, (int, float)) and not isinstance(began, bool) and abs(began) < 1e12):
            kept["began"] = began
        return kept

    def _packet(self, packet: Packet) -> None:
        if packet.link not in LINK_TYPES:
            if packet.link not in self._links:
                self._links.add(packet.link)
                self.say("packets of link type %d cannot be read" % packet.link)
            return
        segment = read_segment(packet.link, packet.data, packet.size)
        if segment is None:
            return
        if isinstance(segment, str):
            self.say("%s was left out" % segment)
            return
        ends = frozenset((segment.source, segment.target))
        connection = self._connections.get(ends)
        is_new = segment.flags & SYN and not segment.flags & ACK
        if connection is not None and connection.over and (is_new or segment.data):
            connection = None if is_new else connection
        if connection is None:
            if not _is_amqp(segment):
                return
            connection = self._connect(segment, ends)
        if not connection.over:
            direction = "out" if segment.source == connection.client else "in"
            connection.take(packet.at, direction, segment, packet.comment)

    def _connect(self, segment: Segment, ends: frozenset[Address]) -> _Connection:
        client, server = segment.source, segment.target
        if segment.flags & (SYN | ACK) == SYN | ACK or (not segment.flags & SYN and client[1] == PORT != server[1]):
            client, server = server, client
        self._all.append(_Connection(self, client, server, len(self._all) + 1))
        self._connections[ends] = self._all[-1]
        return self._all[-1]


def _is_amqp(segment: Segment) -> bool:
    """Whether a connection is to be read: by its port, or by its first bytes."""
    return PORT in (segment.source[1], segment.target[1]) or segment.data[:4] == b"AMQP"


def _known(comment: str) -> dict[str, Any]:
    """The values that a comment of ours has."""
    if not comment.startswith("{"):
        return {}
    try:
        found = json.loads(comment)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    names = ("program", "wire", "side", "other", "peer", "text")
    return {name: value for name, value in found.items() if name not in names or isinstance(value, str)}


def _micros(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else round(seconds * 10**6)


def read_capture(data: bytes, name: str) -> tuple[dict[str, Any], list[Record]]:
    """The header and the records of a capture `name`, with the bytes `data`. RecordingError where it is none."""
    return _Reader(Capture(data, name)).read()
