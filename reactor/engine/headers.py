"""Protocol headers that are not the expected one, explained: most often the peer speaks another protocol.

The transport and TLS enter; nothing else is known here.
"""

from __future__ import annotations

_WITH_SASL, _WITHOUT_SASL = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"

_NAMES = {
    _WITHOUT_SASL: "AMQP 1.0 without SASL",
    b"AMQP\x02\x01\x00\x00": "AMQP 1.0 with TLS",
    _WITH_SASL: "AMQP 1.0 with SASL",
    b"AMQP\x00\x00\x09\x01": "AMQP 0-9-1",
    b"AMQP\x01\x01\x00\x09": "AMQP 0-9",
    b"AMQP\x01\x01\x00\x0a": "AMQP 0-10",
    b"AMQP\x01\x01\x08\x00": "AMQP 0-8",
}

# The first bytes of other protocols that are met where AMQP was expected.
_BEGINNINGS = {
    b"\x16\x03": "TLS",
    b"\x15\x03": "TLS",
    b"HTTP": "HTTP",
    b"GET ": "HTTP",
    b"POST": "HTTP",
    b"HEAD": "HTTP",
    b"PUT ": "HTTP",
}


def name_protocol(opening: bytes) -> str:
    """The protocol that begins with these bytes, of which eight are enough; "" for an unknown one."""
    if opening.startswith(b"AMQP"):
        version = ".".join(str(part) for part in opening[5:8])
        return _NAMES.get(opening[:8]) or ("AMQP in version %s" % version if version else "AMQP")
    return next((name for start, name in _BEGINNINGS.items() if opening.startswith(start)), "")


def is_unclear(opening: bytes) -> bool:
    """Whether more bytes are needed to name the protocol."""
    if opening.startswith(b"AMQP"):
        return len(opening) < 8
    return any(len(opening) < len(start) and start.startswith(opening) for start in (b"AMQP", *_BEGINNINGS))


def explain_header(header: bytes, expected: bytes, server: bool) -> str:
    """The protocol that the peer sent instead of the header `expected`, its probable cause, and the remedy.

    server: this side is the server, and the peer its client.
    """
    wanted = _NAMES[expected]
    name = name_protocol(header)
    if not name:
        return "this is no AMQP protocol header: %r" % header
    if header == _WITHOUT_SASL and not server:
        hint = "sasl_enabled=False leaves SASL out"
    elif header == _WITHOUT_SASL:
        hint = "this server requires SASL; the client has to log in, or to choose ANONYMOUS where that is offered"
    elif header == _WITH_SASL and not server:
        hint = "leave sasl_enabled=False out"
    elif header in _NAMES and "1.0" in name:
        hint = ""
    elif header.startswith(b"AMQP"):
        name += ", which is not 1.0.0 and another protocol"
        hint = "" if server else "a broker that can do both needs AMQP 1.0 switched on (RabbitMQ: rabbitmq_amqp1_0)"
    elif name == "TLS":
        hint = "it should use amqp://, or this server listen with ssl_domain=" if server else "use amqps://"
    else:
        hint = "" if server else "is this the right port? (AMQP has 5672, or 5671 with TLS)"
    return "the peer speaks %s, this side %s%s" % (name, wanted, "; " + hint if hint else "")
