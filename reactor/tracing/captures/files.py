"""Files: the packets in a file of pcap or pcapng, and files of pcapng.

Readers and writers of captures enter. It knows the two formats (draft-ietf-opsawg-pcap and -pcapng), in both orders of
bytes, and nothing of the packets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, Optional

from reactor.tracing.record import RecordingError

SECTION, INTERFACE, SIMPLE, NAMES, ENHANCED = 0x0A0D0D0A, 1, 3, 4, 6
_MAGIC = 0x1A2B3C4D
COMMENT, IF_NAME, USER_APPLICATION = 1, 2, 4
_IF_TSRESOL, _IF_TSOFFSET = 9, 14

#: The first four bytes of a file of pcap, read in each order -> the order, and parts of a second.
_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 10**6), b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\x3c\x4d": (">", 10**9), b"\x4d\x3c\xb2\xa1": ("<", 10**9),
}  # fmt: skip

#: Bytes of one packet or block: more is none.
_LARGEST = 64 << 20


class Packet(NamedTuple):
    """A captured packet. at: seconds since 1970, as a number of millionths. size: on the link. comment: of the file."""

    at: int
    link: int
    data: bytes
    size: int
    comment: str = ""


class Capture:
    """The packets of a file, which are read as one asks for them.

    cut: sentences about missing parts. comment: of the file. names: of addresses, as the file has them.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.cut: list[str] = []
        self.comment = ""
        self.names: dict[bytes, str] = {}
        self._data = data
        self._name = name

    def packets(self) -> Iterator[Packet]:
        """The packets, in the order of the file. RecordingError where it is none."""
        data = self._data
        if data[:4] in _PCAP and len(data) >= 24:
            return self._pcap(*_PCAP[data[:4]])
        if data[:4] == b"\x0a\x0d\x0d\x0a":
            return self._pcapng()
        what = "is empty" if not data else "is no capture: one of pcap or pcapng begins in another way"
        if data[:4] in _PCAP:
            what = "is cut off within its header"
        raise RecordingError("%s %s" % (self._name, what))

    def _cut_off(self, what: str) -> None:
        self.cut.append("%s: %s" % (self._name, what))

    def _pcap(self, order: str, parts: int) -> Iterator[Packet]:
        data = self._data
        link = int(struct.unpack_from(order + "I", data, 20)[0]) & 0xFFFF
        at = 24
        while at < len(data):
            if len(data) - at < 16:
                self._cut_off("the header of the last packet is cut off")
                return
            seconds, fraction, length, size = struct.unpack_from(order + "IIII", data, at)
            at += 16
            if length > _LARGEST:
                raise RecordingError("%s, byte %d: a packet of %d bytes is none" % (self._name, at, length))
            packet = data[at : at + length]
            if len(packet) < length:
                self._cut_off("the last packet is cut off")
            yield Packet(seconds * 10**6 + fraction * 10**6 // parts, link, packet, max(size, len(packet)))
            at += length

    def _pcapng(self) -> Iterator[Packet]:
        data, at, order = self._data, 0, "<"
        interfaces: list[tuple[int, int, int, int]] = []  # link type, parts of a second, offset, snap length
        while at < len(data):
            if len(data) - at < 12:
                self._cut_off("the last block is cut off")
                return
            if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                order, interfaces = self._order(at), []
            kind, length = struct.unpack_from(order + "II", data, at)
            if length < 12 or length % 4 or length > _LARGEST:
                raise RecordingError("%s, byte %d: a block of %d bytes is none" % (self._name, at, length))
            if len(data) - at < length:
                self._cut_off("the last block is cut off")
                return
            body = data[at + 8 : at + length - 4]
            if kind == SECTION:
                self.comment = self.comment or _option(body[16:], order, COMMENT)
            elif kind == INTERFACE and len(body) >= 8:
                interfaces.append(_interface(body, order))
            elif kind == NAMES:
                self.names.update(_names(body, order))
            elif kind in (ENHANCED, SIMPLE):
                packet = _packet(kind, body, order, interfaces)
                if packet is None:
                    raise RecordingError("%s, byte %d: a packet of no interface of the file" % (self._name, at))
                yield packet
            at += length

    def _order(self, at: int) -> str:
        magic = self._data[at + 8 : at + 12]
        for order in "<>":
            if magic == struct.pack(order + "I", _MAGIC):
                return order
        raise RecordingError("%s, byte %d: no section of pcapng begins like this" % (self._name, at))


def _interface(body: bytes, order: str) -> tuple[int, int, int, int]:
    link, snap = struct.unpack_from(order + "H2xI", body)
    parts, offset = 10**6, 0
    for code, value in _options(body[8:], order):
        if code == _IF_TSRESOL and len(value) == 1:
            exponent = value[0] & 0x7F
            parts = (2 if value[0] & 0x80 else 10) ** min(exponent, 63)
        elif code == _IF_TSOFFSET and len(value) == 8:
            offset = int(struct.unpack(order + "q", value)[0])
    return link, parts, offset, snap


def _packet(kind: int, body: bytes, order: str, interfaces: list[tuple[int, int, int, int]]) -> Optional[Packet]:
    if kind == SIMPLE:  # it has neither a time nor a length of its own
        if not interfaces or len(body) < 4:
            return None
        link, _, _, snap = interfaces[0]
        size = int(struct.unpack_from(order + "I", body)[0])
        return Packet(0, link, body[4 : 4 + min(size, snap or size)], size)
    if len(body) < 20:
        return None
    number, high, low, length, size = struct.unpack_from(order + "IIIII", body)
    if number >= len(interfaces):
        return None
    link, parts, offset, _ = interfaces[number]
    at = (high << 32 | low) * 10**6 // parts + offset * 10**6
    data = body[20 : 20 + length]
    comment = _option(body[20 + length + -length % 4 :], order, COMMENT)
    return Packet(at, link, data, max(size, len(data)), comment)


def _options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while len(data) - at >= 4:
        code, length = struct.unpack_from(order + "HH", data, at)
        if not code:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def _option(data: bytes, order: str, wanted: int) -> str:
    found = next((value for code, value in _options(data, order) if code == wanted), b"")
    return found.decode("utf-8", "replace")


def _names(body: bytes, order: str) -> dict[bytes, str]:
    """The names of a block of them: of addresses of IPv4 and IPv6."""
    found = {}
    for code, value in _options(body, order):
        length = {1: 4, 2: 16}.get(code)
        if length is not None and len(value) > length:
            found[value[:length]] = value[length:].split(b"\x00")[0].decode("utf-8", "replace")
    return found


# -- writing ------------------------------------------------------------------------------------------------


def section_block(application: str, comment: str) -> bytes:
    """The block that begins a file."""
    head = struct.pack("<IHHq", _MAGIC, 1, 0, -1)
    return _block(SECTION, head + _written({USER_APPLICATION: application, COMMENT: comment}))


def interface_block(link: int, name: str) -> bytes:
    """The block of an interface; its packets have times in millionths of a second."""
    return _block(INTERFACE, struct.pack("<HHI", link, 0, 0) + _written({IF_NAME: name}))


def names_block(names: dict[bytes, str]) -> bytes:
    """The block with the names of addresses of IPv4."""
    body = b""
    for address, name in names.items():
        value = address + name.encode("utf-8", "replace")[:200] + b"\x00"
        body += struct.pack("<HH", 1, len(value)) + _padded(value)
    return _block(NAMES, body + b"\x00" * 4)


def packet_block(at: int, data: bytes, size: int, comment: str = "") -> bytes:
    """The block of a packet of the first interface."""
    head = struct.pack("<IIIII", 0, at >> 32 & 0xFFFFFFFF, at & 0xFFFFFFFF, len(data), size)
    return _block(ENHANCED, head + _padded(data) + (_written({COMMENT: comment}) if comment else b""))


def _written(options: dict[int, str]) -> bytes:
    body = b""
    for code, text in options.items():
        value = text.encode("utf-8", "replace")[:0xFFFF]
        body += struct.pack("<HH", code, len(value)) + _padded(value)
    return body + b"\x00" * 4


def _padded(data: bytes) -> bytes:
    return data + b"\x00" * (-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
