"""Protocol headers that are not the expected one, explained: most often the peer is something else altogether.

The transport enters; nothing else is known here.
"""

from __future__ import annotations

_NAMES = {
    b"AMQP\x00\x01\x00\x00": "AMQP 1.0 without SASL",
    b"AMQP\x02\x01\x00\x00": "AMQP 1.0 with TLS",
    b"AMQP\x03\x01\x00\x00": "AMQP 1.0 with SASL",
}


def explain_header(header: bytes, expected: bytes) -> str:
    """What the peer sent instead of the protocol header `expected`, and what that probably means."""
    wanted = _NAMES.get(expected, "AMQP 1.0")
    known = _NAMES.get(header)
    if known is not None:
        return "the peer wants %s, this side %s" % (known, wanted)
    if header.startswith(b"AMQP"):
        version = ".".join(str(part) for part in header[5:8])
        return "the peer speaks AMQP in a version that is not 1.0.0 (it answered %s); this side %s" % (version, wanted)
    if header[:1] in (b"\x15", b"\x16") and header[1:2] == b"\x03":
        return "the peer speaks TLS; this side %s without encryption" % wanted
    if header.startswith((b"HTTP", b"GET ", b"POST", b"HEAD", b"PUT ")):
        return "the peer speaks HTTP; this side %s" % wanted
    return "this is no AMQP protocol header: %r" % header
