"""Packets: the bytes of a link with TCP in them, to a segment and back.

Readers and writers of captures enter. It knows the headers of Ethernet, of Linux's and BSD's loopback, IPv4, IPv6 and
TCP (RFC 791, 8200, 9293; link types as on www.tcpdump.org/linktypes.html), and nothing of the bytes behind them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional, Union

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

ETHERNET = 1

#: Link types -> the length of their header, and where in it the protocol stands as an Ethernet type.
_WITH_TYPE = {ETHERNET: (14, 12), 113: (16, 14), 276: (20, 0)}
#: Link types with an address family of four bytes, or with nothing, before the packet of IP.
_WITH_FAMILY, _BARE = {0, 108}, {12, 14, 101, 228, 229}

LINK_TYPES = frozenset([*_WITH_TYPE, *_WITH_FAMILY, *_BARE])

_IPV4, _IPV6, _VLANS, _TCP = 0x0800, 0x86DD, (0x8100, 0x88A8, 0x9100), 6
#: IPv6: headers between its own and that of TCP, each with its length in its second byte.
_EXTENSIONS, _FRAGMENT = (0, 43, 60, 135), 44

Address = tuple[bytes, int]


class Segment(NamedTuple):
    """A segment of TCP.

    source, target: IP address and port. sequence, acknowledged: the numbers. flags: FIN, SYN, RST, PSH, ACK. data: the
    bytes that were captured. missing: how many more it had.
    """

    source: Address
    target: Address
    sequence: int
    acknowledged: int
    flags: int
    data: bytes
    missing: int = 0


def read_segment(link: int, packet: bytes, size: int) -> Union[Segment, str, None]:
    """The segment in a packet; None for a packet of another kind; a text for one that cannot be used, and why.

    size: of the packet on the link; it was cut off where that is more than its bytes.
    """
    at = _network_layer(link, packet)
    if at is None or at >= len(packet):
        return None
    version = packet[at] >> 4
    if version == 4:
        return _read_ipv4(packet, at, size)
    return _read_ipv6(packet, at, size) if version == 6 else None


def _network_layer(link: int, packet: bytes) -> Optional[int]:
    """Where the header of IP begins; None: there is none."""
    if link in _BARE:
        return 0
    if link in _WITH_FAMILY:
        return 4
    length, at = _WITH_TYPE[link]
    kind = int.from_bytes(packet[at : at + 2], "big")
    while kind in _VLANS:
        kind = int.from_bytes(packet[length + 2 : length + 4], "big")
        length += 4
    return length if kind in (_IPV4, _IPV6) else None


def _read_ipv4(packet: bytes, at: int, size: int) -> Union[Segment, str, None]:
    if len(packet) < at + 20:
        return None
    length = (packet[at] & 15) * 4
    total, fragment = struct.unpack_from(">H2xH", packet, at + 2)
    if length < 20 or packet[at + 9] != _TCP:
        return None
    if fragment & 0x3FFF:
        return "a packet of IP in fragments"
    # Where the system's network card cuts segments the length may be 0: it is that of the whole packet then.
    end = at + total if total else size
    return _read_tcp(packet, at + length, min(end, size), packet[at + 12 : at + 16], packet[at + 16 : at + 20])


def _read_ipv6(packet: bytes, at: int, size: int) -> Union[Segment, str, None]:
    if len(packet) < at + 40:
        return None
    length, following = struct.unpack_from(">HB", packet, at + 4)
    end = at + 40 + length if length else size
    source, target = packet[at + 8 : at + 24], packet[at + 24 : at + 40]
    at += 40
    while following in _EXTENSIONS:
        if len(packet) < at + 8:
            return None
        following, at = packet[at], at + 8 + packet[at + 1] * 8
    if following == _FRAGMENT:
        return "a packet of IP in fragments"
    return _read_tcp(packet, at, min(end, size), source, target) if following == _TCP else None


def _read_tcp(packet: bytes, at: int, end: int, source: bytes, target: bytes) -> Union[Segment, str, None]:
    if len(packet) < at + 20:
        return "a packet that was cut off within its headers" if end >= at + 20 else None
    source_port, target_port, sequence, acknowledged, length, flags = struct.unpack_from(">HHIIBB", packet, at)
    start = at + (length >> 4) * 4
    if length >> 4 < 5 or start > end:
        return None
    data = packet[start:end]
    missing = end - start - len(data)
    return Segment((source, source_port), (target, target_port), sequence, acknowledged, flags, data, missing)


def write_segment(segment: Segment, number: int) -> tuple[bytes, int]:
    """The packet of a segment over IPv4, as on an Ethernet, and its size with the bytes that are missing.

    number: the identification in the header of IP. The checksums are right, those of missing bytes aside.
    """
    options = b"\x02\x04\xff\xd7\x01\x03\x03\x0e" if segment.flags & SYN else b""  # the largest segment; window * 2**14
    length = 20 + len(options)
    size = len(segment.data) + segment.missing
    source, target = segment.source, segment.target
    tcp = struct.pack(">HHII", source[1], target[1], segment.sequence, segment.acknowledged)
    tcp += struct.pack(">BBHHH", length << 2, segment.flags, 0xFFFF, 0, 0)
    tcp += options
    pseudo = source[0] + target[0] + struct.pack(">BBH", 0, _TCP, length + size)
    tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp + segment.data)) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length + size, number & 0xFFFF, 0x4000, 64, _TCP, 0)
    ip += source[0] + target[0]
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    ethernet = b"\x02\x00" + target[0] + b"\x02\x00" + source[0] + b"\x08\x00"
    return ethernet + ip + tcp + segment.data, len(ethernet) + 20 + length + size


def checksum(data: bytes) -> int:
    """That of RFC 1071: the complement of the sum in ones' complement of 16 bits."""
    if len(data) % 2:
        data += b"\x00"
    total: int = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address_text(address: Address) -> str:
    """``host:port``, and ``[host]:port`` for IPv6."""
    host, port = address
    if len(host) == 4:
        return "%s:%d" % (".".join(map(str, host)), port)
    if host[:12] == b"\x00" * 10 + b"\xff\xff":
        return address_text((host[12:], port))
    groups = [int.from_bytes(host[at : at + 2], "big") for at in range(0, 16, 2)]
    return "[%s]:%d" % (_compressed(groups), port)


def _compressed(groups: list[int]) -> str:
    """An address of IPv6 in its short form (RFC 5952): the longest run of zeros is left out."""
    runs = []
    for start in range(8):
        length = 0
        while start + length < 8 and groups[start + length] == 0:
            length += 1
        runs.append((length, -start))
    length, start = max(runs)
    words = ["%x" % group for group in groups]
    if length < 2:
        return ":".join(words)
    return ":".join(words[:-start]) + "::" + ":".join(words[length - start :])
