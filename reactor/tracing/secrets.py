"""Secrets: frames without the passwords and tokens in them, for recordings that people keep and send to one another.

Hidden are the fields of SASL that the wire trace hides, and messages to the node `$cbs`, which are tokens; or to the
node that an application has named for them: our own links with tokens have `$cbs` in their name, too. A token that has
gone so is hidden in the other frames of its wire as well, because a peer may quote it in its reasons. Bytes that are
hidden become asterisks, so that a frame keeps its form. What applications put into other messages is theirs, and stays.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.codec.decode import read_value
from reactor.codec.definitions import ATTACH, BY_CODE, SASL_CHALLENGE, SASL_INIT, SASL_OUTCOME, SASL_RESPONSE, TARGET
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.codec.types import Described

# The secrets of SASL: some mechanisms put the password there in clear text. The salts, nonces and proofs of others
# let a reader try passwords at leisure.
SECRET_FIELDS = {
    (SASL_INIT, "initial-response"),
    (SASL_CHALLENGE, "challenge"),
    (SASL_RESPONSE, "response"),
    (SASL_OUTCOME, "additional-data"),
}
#: The node of claims-based security: its messages are tokens. The names of our own links to such a node, whatever its
#: address, begin with it as well (tokens/at_work.py).
TOKENS = "$cbs"

_ATTACH, _TRANSFER = b"\x00\x53\x12", b"\x00\x53\x14"
_VALUE = b"\x00\x53\x77"

#: Tokens that are remembered of one wire, bytes of a shorter one that could be anything, and of a longer message that
#: is none.
_REMEMBERED, _SHORTEST, _LONGEST = 100, 8, 65536


class Secrets:
    """Hides the secrets of one direction of one wire, part by part, as a Splitter gives them. other: those of the other
    direction, which has the same tokens; None for the first one of the two."""

    __slots__ = ("_links", "_parts", "_tokens")

    def __init__(self, other: Optional[Secrets] = None) -> None:
        self._links: set[tuple[bytes, int]] = set()  # channel and handle of links to $cbs
        self._parts: dict[tuple[bytes, int], bytes] = {}  # of messages over them that have come in part
        self._tokens: dict[bytes, None] = {} if other is None else other._tokens  # the latest last

    def hide(self, part: bytes) -> bytes:
        """The part, or one of the same form without its secrets."""
        if len(part) <= 8:
            return part
        if part[5] == 1:
            return _hide_sasl(part)
        start = part[4] * 4
        if part[start : start + 3] == _ATTACH:
            self._look_at(part, start)
        elif self._links and part[start : start + 3] == _TRANSFER:
            return self._hide_token(part, start)
        if self._tokens and part[start : start + 3] != _TRANSFER:
            for token in self._tokens:
                part = part.replace(token, b"*" * len(token))
        return part

    def _look_at(self, part: bytes, start: int) -> None:
        fields = _fields(part, start, ATTACH)
        if len(fields) < 3 or not isinstance(fields[1], int):
            return
        link = (part[6:8], fields[1])
        self._links.discard(link)
        self._parts.pop(link, None)
        is_sender = not fields[2]
        if is_sender and (str(fields[0]).startswith(TOKENS + "-") or _address(fields) == TOKENS):
            self._links.add(link)

    def _hide_token(self, part: bytes, start: int) -> bytes:
        try:
            _, fields, end = decode_composite(part, start, len(part))
            if (part[6:8], fields[0]) not in self._links:
                return part
        except Exception:  # a frame that nothing can read
            end = start
        else:
            more, aborted = (len(fields) > at and bool(fields[at]) for at in (5, 9))
            self._collect((part[6:8], fields[0]), b"" if aborted else part[end:], more and not aborted)
        return part[:end] + b"*" * (len(part) - end)


    def _collect(self, link: tuple[bytes, int], payload: bytes, more: bool) -> None:
        """Remember the token of a message, when all of it has come."""
        payload = (self._parts.pop(link, b"") + payload) if payload else b""
        if len(payload) > _LONGEST:
            return
        if more:
            self._parts[link] = payload
            return
        token = _value(payload)
        if len(token) >= _SHORTEST:
            self._tokens.pop(token, None)
            self._tokens[token] = None
            if len(self._tokens) > _REMEMBERED:
                del self._tokens[next(iter(self._tokens))]


def _value(payload: bytes) -> bytes:
    """The text in the body of a message, as bytes; none where it is no text."""
    start = payload.rfind(_VALUE)
    try:
        value, _ = read_value(payload, start + len(_VALUE), len(payload)) if start >= 0 else (None, 0)
    except Exception:  # whatever a peer sends
        return b""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b""


def _address(fields: list[Any]) -> Any:
    """That of the target of an attach."""
    target = fields[6] if len(fields) > 6 else None
    if isinstance(target, Described) and target.descriptor == TARGET and target.value:
        return target.value[0]
    return None


def _fields(part: bytes, start: int, wanted: int) -> list[Any]:
    try:
        code, fields, _ = decode_composite(part, start, len(part))
    except Exception:  # whatever a peer sends: it is recorded as it is
        return []
    return fields if code == wanted else []


def _hide_sasl(part: bytes) -> bytes:
    start = part[4] * 4
    try:
        code, values, _ = decode_composite(part, start, len(part))
        fields = BY_CODE[code].fields
        secret = [at for at, field in enumerate(fields[: len(values)]) if (code, field.name) in SECRET_FIELDS]
        for at in secret:
            if values[at] is not None:
                values[at] = b"*" * len(values[at])
        if not secret:
            return part
        body = encode_composite(code, values)
    except Exception:  # no frame of SASL that could be read: it may have a password all the same
        return part[:8] + b"*" * (len(part) - 8)
    return (8 + len(body)).to_bytes(4, "big") + b"\x02" + part[5:8] + body
