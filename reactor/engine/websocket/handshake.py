"""Handshake: the HTTP request by which a client asks for WebSocket, and its answer [RFC 6455, 4].

The layer enters. Heads of HTTP are read in reactor/engine/http.py. It knows no frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Optional

from reactor.engine.http import END, Refusal, read_head, tokens
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import base64
    import hashlib
else:
    base64 = Lazily("base64")
    hashlib = Lazily("hashlib")

SUBPROTOCOL = "amqp"
"""The subprotocol of AMQP 1.0, as IANA has it registered."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
}


class Opening:
    """What a client asks for, or a server takes.

    host: of the Host field, a client's. path: of the request; for a server "" takes any. origins: of web pages that may
    come in, as their browser names them (`https://shop.example`); a client that is no browser names none.
    """

    __slots__ = ("host", "origins", "path")

    def __init__(self, host: str = "", path: str = "", origins: Iterable[str] = ()) -> None:
        self.host = host
        self.path = path
        self.origins = frozenset(origins)


def accept_of(key: str) -> str:
    """The answer to a key."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID).digest()).decode()


# -- a client ------------------------------------------------------------------------------------------------


def write_request(opening: Opening, nonce: bytes) -> tuple[bytes, str]:
    """A request, and its key. nonce: 16 random bytes."""
    key = base64.b64encode(nonce).decode()
    lines = (
        "GET %s HTTP/1.1" % (opening.path or "/"),
        "Host: %s" % opening.host,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: %s" % key,
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: %s" % SUBPROTOCOL,
    )
    return "\r\n".join(lines).encode("latin-1") + END, key


def read_answer(head: bytes, opening: Opening, key: str) -> None:
    """Refusal unless the server takes the request that was made with `key`."""
    status_line, fields = read_head(head)
    version, _, rest = status_line.partition(" ")
    number, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not number.isdecimal():
        raise Refusal("the server's answer is no HTTP: %r" % status_line[:40])
    if number != "101":
        text = "the server answers %s %s, and not 101" % (number, reason)
        if number.startswith("3"):
            text += "; it sends us to %s" % _shown(fields.get("location"))
        elif number == "404":
            text += ": is %r the right path?" % (opening.path or "/")
        raise Refusal(text)
    if not _is_upgrade(fields):
        raise Refusal("the server answers 101, and not for WebSocket")
    if fields.get("sec-websocket-accept") != accept_of(key):
        raise Refusal("the server's Sec-WebSocket-Accept is not that of our key: something between us has answered")
    protocol = fields.get("sec-websocket-protocol")
    if protocol != SUBPROTOCOL:
        raise Refusal("the server does not speak AMQP there: its subprotocol is %s, not amqp" % _shown(protocol))
    if "sec-websocket-extensions" in fields:
        raise Refusal("the server uses an extension that was not asked for")


# -- a server ------------------------------------------------------------------------------------------------


def read_request(head: bytes, opening: Opening) -> str:
    """The key of a client's request. Refusal, with a status, for one that is not taken."""
    request, fields = read_head(head)
    words = request.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refusal("the request is no HTTP/1.1", 400)
    method, path, _ = words
    if method != "GET":
        raise Refusal("WebSocket is asked for by GET", 405)
    if opening.path and path.partition("?")[0] != opening.path:
        raise Refusal("nothing is at this path", 404)
    if not _is_upgrade(fields) or fields.get("sec-websocket-version") != "13":
        raise Refusal("here is AMQP 1.0 over WebSocket, version 13", 426)
    origin = fields.get("origin")
    if origin is not None and origin not in opening.origins:
        raise Refusal("web pages of %s are not let in" % _shown(origin), 403)
    if SUBPROTOCOL not in tokens(fields.get("sec-websocket-protocol", "")):
        raise Refusal("the subprotocol here is amqp, and it was not asked for", 400)
    key = fields.get("sec-websocket-key", "")
    try:
        sound = len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        sound = False
    if not sound:
        raise Refusal("Sec-WebSocket-Key is not of 16 bytes in base64", 400)
    return key


def write_answer(key: str) -> bytes:
    """The answer to a request that is taken."""
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: %s" % accept_of(key),
        "Sec-WebSocket-Protocol: %s" % SUBPROTOCOL,
    )
    return "\r\n".join(lines).encode("latin-1") + END


def write_refusal(refusal: Refusal) -> bytes:
    """The answer to a request that is not taken, with the reason as its text."""
    text = str(refusal).encode("ascii", "replace") + b"\n"
    lines = [
        "HTTP/1.1 %d %s" % (refusal.status, _REASONS[refusal.status]),
        "Connection: close",
        "Content-Type: text/plain",
        "Content-Length: %d" % len(text),
    ]
    if refusal.status == 426:
        lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    if refusal.status == 405:
        lines.append("Allow: GET")
    return "\r\n".join(lines).encode("latin-1") + END + text


# -- both ----------------------------------------------------------------------------------------------------


def _is_upgrade(fields: dict[str, str]) -> bool:
    connection = [token.lower() for token in tokens(fields.get("connection", ""))]
    upgrade = [token.lower() for token in tokens(fields.get("upgrade", ""))]
    return "upgrade" in connection and "websocket" in upgrade


def _shown(value: Optional[str]) -> str:
    return "none" if value is None else repr(value[:100])
