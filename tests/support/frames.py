"""A peer made by hand: frames by name and field, said to one engine, and what the engine answers, read back.

What two engines of ours would never do to each other is done with this: bad input, and the habits of other
implementations. It trusts the codec and knows nothing of the engine but a transport's bytes.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple, Optional

from reactor.codec.definitions import BY_CODE, BY_NAME
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.codec.types import Described
from reactor.engine.endpoints.connection import Connection
from reactor.engine.events import Collector, Event
from reactor.engine.wire.transport import Transport

AMQP = b"AMQP\x00\x01\x00\x00"
TLS = b"AMQP\x02\x01\x00\x00"
SASL = b"AMQP\x03\x01\x00\x00"


class Frame(NamedTuple):
    """One frame: a performative's name (``"empty"`` for a heartbeat) and its fields by name, without nulls."""

    name: str
    channel: int
    fields: dict[str, Any]
    payload: bytes = b""

    def __getattr__(self, name: str) -> Any:
        """A field, None when it is not there; `link_credit` for link-credit."""
        field = name.replace("_", "-")
        if self.name not in BY_NAME or all(known.name != field for known in BY_NAME[self.name].fields):
            raise AttributeError(f"{self.name} has no field {field}")
        return self.fields.get(field)

    @property
    def error(self) -> Optional[str]:
        """The condition's name in a detach, end or close."""
        error = self.fields.get("error")
        return None if error is None else str(error.value[0])


def raw(body: bytes = b"", channel: int = 0, kind: int = 0, offset: int = 2, size: Optional[int] = None) -> bytes:
    """A frame around any bytes, its header as told."""
    return struct.pack(">IBBH", 8 + len(body) if size is None else size, offset, kind, channel) + body


def performative(name: str, /, **fields: Any) -> bytes:
    """The bytes of a performative; field names have underscores."""
    composite = BY_NAME[name]
    places = [field.name.replace("-", "_") for field in composite.fields]
    values: list[Any] = [None] * len(places)
    for key, value in fields.items():
        values[places.index(key)] = value
    return encode_composite(composite.code, values)


def frame(name: str, /, channel: int = 0, payload: bytes = b"", **fields: Any) -> bytes:
    """A whole frame."""
    return raw(performative(name, **fields) + payload, channel)


def source(address: Optional[str] = None, *more: Any) -> Described:
    return Described(0x28, [address, *more])


def target(address: Optional[str] = None, *more: Any) -> Described:
    return Described(0x29, [address, *more])


def error(condition: str, description: Optional[str] = None) -> Described:
    return Described(0x1D, [condition, description])


def split(data: bytes) -> list[bytes]:
    """Protocol headers and frames, each by itself. What is incomplete at the end is an error."""
    parts = []
    while data:
        size = 8 if data[:4] == b"AMQP" else struct.unpack(">I", data[:4])[0]
        assert 8 <= size <= len(data), f"an incomplete frame at the end: {data[:40]!r}"
        parts.append(data[:size])
        data = data[size:]
    return parts


def read(data: bytes) -> list[Frame]:
    """All frames in `data`, protocol headers left out; each is a whole and well-formed performative."""
    frames = []
    for part in split(data):
        if part[:4] == b"AMQP":
            continue
        _, offset, _, channel = struct.unpack(">IBBH", part[:8])
        if len(part) == 8:
            frames.append(Frame("empty", channel, {}))
            continue
        code, values, pos = decode_composite(part, offset * 4, len(part))
        names = (field.name for field in BY_CODE[code].fields)
        fields = {name: value for name, value in zip(names, values) if value is not None}
        frames.append(Frame(BY_CODE[code].name, channel, fields, part[pos:]))
    return frames


class Peer:
    """One engine, and a peer that says to it what the test says.

    mode: the engine's. piece: how many bytes are handed over at a time; None for all.
    """

    def __init__(self, mode: int = Transport.CLIENT, piece: Optional[int] = None) -> None:
        self.piece = piece
        self.collector = Collector()
        self.connection = Connection()
        self.connection.container = "engine"
        self.connection.collect(self.collector)
        self.transport = Transport(mode)
        self.transport.bind(self.connection)
        self.log = bytearray()  # all that the engine said
        self._unread = bytearray()

    # -- said to the engine ------------------------------------------------------------------------------

    def say_bytes(self, data: bytes) -> Peer:
        step = self.piece or len(data) or 1
        for start in range(0, len(data), step):
            self.transport.receive(data[start : start + step])
            self.flush()
        return self

    def say(self, name: str, /, channel: int = 0, payload: bytes = b"", **fields: Any) -> Peer:
        return self.say_bytes(frame(name, channel, payload, **fields))

    def hang_up(self) -> Peer:
        self.transport.close_tail()
        self.flush()
        return self

    def hello(self, **fields: Any) -> Peer:
        """The protocol header and an open."""
        return self.say_bytes(AMQP).say("open", **{"container_id": "peer", **fields})

    def begin(self, channel: int = 0, **fields: Any) -> Peer:
        known = {"next_outgoing_id": 0, "incoming_window": 1000, "outgoing_window": 1000}
        return self.say("begin", channel, **{**known, **fields})

    def attach(self, name: str = "link", handle: int = 0, role: bool = True, channel: int = 0, **fields: Any) -> Peer:
        """`role` as on the wire: true when the peer is the receiver."""
        known: dict[str, Any] = {"source": source("q"), "target": target("q")}
        if not role:
            known["initial_delivery_count"] = 0
        return self.say("attach", channel, name=name, handle=handle, role=role, **{**known, **fields})

    def flow(self, credit: Optional[int] = None, handle: Optional[int] = 0, channel: int = 0, **fields: Any) -> Peer:
        known: dict[str, Any] = {
            "next_incoming_id": 0,
            "incoming_window": 1000,
            "next_outgoing_id": 0,
            "outgoing_window": 1000,
        }
        if credit is not None:
            known.update(handle=handle, link_credit=credit, delivery_count=0)
        return self.say("flow", channel, **{**known, **fields})

    def transfer(
        self, payload: bytes = b"", number: Optional[int] = 0, handle: int = 0, channel: int = 0, **fields: Any
    ) -> Peer:
        if number is not None:
            fields = {"delivery_id": number, "delivery_tag": b"%d" % number, "message_format": 0, **fields}
        return self.say("transfer", channel, payload, handle=handle, **fields)

    # -- heard from the engine ---------------------------------------------------------------------------

    def flush(self) -> None:
        transport = self.transport
        while transport.pending() > 0:
            data = bytes(transport.output)
            transport.pop(len(data))
            self.log += data
            self._unread += data

    def heard(self) -> list[Frame]:
        """The frames that the engine has written since this was last asked."""
        self.flush()
        data, self._unread = bytes(self._unread), bytearray()
        return read(data)

    def heard_one(self, name: str) -> Frame:
        """The only frame of that name among those."""
        found = [frame for frame in self.heard() if frame.name == name]
        assert len(found) == 1, f"{len(found)} frames of {name}"
        return found[0]

    def events(self) -> list[Event]:
        """The events since this was last asked."""
        events = []
        while (event := self.collector.peek()) is not None:
            events.append(event)
            self.collector.pop()
        return events

    def event_names(self) -> list[str]:
        return [event.type.name for event in self.events() if event.type is not Event.TRANSPORT]

    # -- usual beginnings --------------------------------------------------------------------------------

    @classmethod
    def server(cls, piece: Optional[int] = None, **fields: Any) -> Peer:
        """The engine is a server whose connection and session 0 are open on both sides."""
        peer = cls(Transport.SERVER, piece)
        peer.connection.open()
        peer.hello(**fields).begin()
        session = peer.connection.session_head(0)
        assert session is not None
        session.open()
        peer.heard()
        peer.events()
        return peer

    @classmethod
    def client(cls, piece: Optional[int] = None, open: Optional[dict[str, Any]] = None, **begin: Any) -> Peer:
        """The engine is a client whose connection and session 0 are open on both sides."""
        peer = cls(Transport.CLIENT, piece)
        peer.connection.open()
        peer.connection.session().open()
        peer.flush()
        peer.hello(**(open or {})).begin(remote_channel=0, **begin)
        peer.heard()
        peer.events()
        return peer

    @property
    def session(self) -> Any:
        """The oldest session that is there."""
        return self.connection.session_head(0)

    def sender(self, name: str = "link", credit: int = 0, **attach: Any) -> Any:
        """A sender of the engine, attached by both sides on handle 0, with credit."""
        link = self.session.sender(name)
        link.target.address = "q"
        link.open()
        self.flush()
        self.attach(name, role=True, **attach)
        if credit:
            self.flow(credit)
        self.heard()
        self.events()
        return link

    def receiver(self, name: str = "link", credit: int = 0, **attach: Any) -> Any:
        """A receiver of the engine, attached by both sides on handle 0, with credit."""
        link = self.session.receiver(name)
        link.source.address = "q"
        if credit:
            link.flow(credit)
        link.open()
        self.flush()
        self.attach(name, role=False, **attach)
        self.heard()
        self.events()
        return link
