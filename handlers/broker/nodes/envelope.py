"""The envelope of a message: the fields of its header, and the header that it goes on with.

A broker passes messages through. Of the bytes it receives it must understand the header alone [3.2.1], and
this is the only room that knows where a header ends; the meaning of the fields is left to Message. Of the rest the
annotations are its business: those of the delivery end here [3.2.2], those of outcomes are merged [3.4.5].
Producers send the same few headers over and over, so the result for one is kept under its bytes, and a
message costs one look-up.
"""

from __future__ import annotations

from typing import Any, Optional
from uuid import UUID

from handlers.broker.nodes.sections import ANNOTATIONS, APPLICATION_PROPERTIES, PROPERTIES, opened, without
from handlers.broker.nodes.sections import INSTRUCTIONS as INSTRUCTIONS_CODE
from reactor import DecodeError, Message, ReactorException, symbol

#: How nearly every header begins.
HEADER = b"\x00\x53\x70"
# A header begins with its descriptor, in one of the forms that a peer may choose [1.5, 3.2.1] ...
_USUAL = b"\x00\x53\x70"
_FORMS = (
    _USUAL,
    b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x70",
    b"\x00\xa3\x10amqp:header:list",
    b"\x00\xb3\x00\x00\x00\x10amqp:header:list",
)
# ... and goes on as a list: empty, with a size of one byte, with a size of four.
_LIST0, _LIST8, _LIST32 = b"\x45", b"\xc0", b"\xd0"

_MARK = b"\x01"  # of a header that a store keeps with its message-format; sections begin with 0

INSTRUCTIONS = b"\x00\x53\x71"
"""How delivery annotations begin. They are looked for behind the header, and in the last bytes: there is a client that
writes them last. To look through all of every message would cost more than to pass it on."""

LAST_BYTES = 1024

LONGEST_HEADER = 100
"""Bytes. Its five fields need no more; a longer one would be kept, and cost more than its bytes."""

LONGEST_BEGIN = 256
"""Bytes in which a header ends that is not too long, with its descriptor."""

LONG_BODY = 256 * 1024
"""Bytes. A longer body goes to its receivers without a copy for each."""

MOST_COUNTED = 0xFFFFFFFF  # the largest delivery count

LONGEST_TTL = 0xFFFFFFFF / 1000
"""Seconds, some 49 days. A header has no room for a longer time [3.2.1]; a policy and an absolute-expiry-time have."""

_KEEP = 500
_known: dict[bytes, Envelope] = {}


class Envelope:
    """A header. Shared by all messages that came with the same one.

    length: how many bytes of the message it is; 0 when there was none.
    durable: whether the sender asked for the message to survive a restart. priority: default 4.
    ttl: seconds that the message may live from its arrival on, 0.0 for ever.
    header: the bytes that it was read from. kept: those that a store keeps of it.
    format: the message-format; 0 for that of the specification [2.7.5]. A batch has another one, and goes on with it.
    first: the header of a first delivery: that of the sender, with first-acquirer set.
    """

    __slots__ = ("length", "durable", "priority", "ttl", "first", "format", "header", "kept", "_count")

    def __init__(self, header: bytes, message_format: int = 0) -> None:
        message = Message.from_bytes(header)
        self.length = len(header)
        self.durable = bool(message.durable)
        self.priority: int = message.priority
        self.ttl: float = message.ttl or 0.0
        self.header = header
        self.format = message_format
        self.kept = _marked(header, message_format) if message_format else header
        self._count: int = message.delivery_count or 0
        self.first = self.again(0, None, True)

    def again(self, failures: int, ttl: Optional[float], first: bool) -> bytes:
        """The header of one certain delivery.

        failures: failed attempts here, which count on top of those in the header. ttl: seconds that are
        left, None for that of the header; more than LONGEST_TTL are left out. first: no consumer has had the message
        before.
        """
        message = Message.from_bytes(self.header)
        message.first_acquirer = first
        message.delivery_count = min(self._count + failures, MOST_COUNTED)
        if ttl is not None and ttl <= LONGEST_TTL:
            message.ttl = max(ttl, 0.001)  # a ttl of nothing would mean: for ever
        header = bytes(message.encode())
        return header[: _measure(header)]


def read_envelope(payload: bytes, message_format: int = 0) -> Envelope:
    """The envelope of the message in `payload`, which came in this format; DecodeError if its header is none.

    The message behind it is `payload[envelope.length:]`; INSTRUCTIONS in it are to be taken out.
    """
    start = payload[:4]
    if start == b"\x00\x53\x70\x45":
        length = 4
    elif start == b"\x00\x53\x70\xc0" and len(payload) > 4:
        length = 5 + payload[4]
    elif payload.startswith(_FORMS):
        length = _measure(payload)
    else:
        length = 0
    header = payload[:length]
    envelope = _known.get(_marked(header, message_format) if message_format else header)
    return _learn(header, length, message_format) if envelope is None else envelope


def kept_envelope(kept: bytes) -> Envelope:
    """The envelope of which a store has kept this; DecodeError where that is none."""
    if not kept.startswith(_MARK):
        return read_envelope(kept)
    if len(kept) < 5:
        raise DecodeError("a message-format of less than four bytes")
    return read_envelope(kept[5:], int.from_bytes(kept[1:5], "big"))


def _marked(header: bytes, message_format: int) -> bytes:
    return _MARK + message_format.to_bytes(4, "big") + header


def _learn(header: bytes, length: int, message_format: int) -> Envelope:
    if length > LONGEST_HEADER:
        raise DecodeError(f"a header of {length} bytes; its fields take {LONGEST_HEADER} at most")
    if len(header) < length:
        raise DecodeError("the header of the message promises more bytes than there are")
    envelope = Envelope(header, message_format)
    if len(_known) >= _KEEP:
        _known.clear()  # a sender makes up headers; those in use are back in no time
    _known[envelope.kept] = envelope
    return envelope


def header_first(payload: bytes) -> bytes:
    """`payload` with its sections in the specified order: some senders write the header behind others. Bytes
    that are no message stay as they are."""
    try:
        return bytes(opened(payload).encode())
    except ReactorException:
        return payload


def without_instructions(body: bytes) -> bytes:
    """`body` without its delivery annotations, which are for one hop [3.2.2]. Bytes that are no
    message stay as they are."""
    try:
        return without(body, INSTRUCTIONS_CODE)
    except ReactorException:
        return body


def annotated(body: bytes, annotations: Any) -> Optional[bytes]:
    """`body` with the annotations of an outcome merged into its own [3.4.5]; None when that cannot be: it is no
    message, its own are too large, or they are no annotations, which have symbols for keys. The bare message stays as
    it is."""
    try:
        message = opened(body, ANNOTATIONS)
        merged: dict[Any, Any] = dict(message.annotations or {})
        for key, value in annotations.items():
            if not isinstance(key, str):
                return None
            merged[symbol(key)] = value
        message.annotations = merged
        return bytes(message.encode())
    except (ReactorException, AttributeError, TypeError, ValueError):
        return None


def group_of(body: bytes) -> Optional[str]:
    """The group-id of a message [3.2.4]; None for none, or among too many bytes. The body itself is not decoded."""
    try:
        return opened(body, PROPERTIES).group_id or None
    except ReactorException:
        return None


def property_of(body: bytes, name: str) -> Optional[tuple[str, Any]]:
    """The application property of this name, with its kind, so that 1 is not True, nor the text "1": a key that can be
    compared. None for none, or for a value that is neither a number, a text, bytes nor an id."""
    try:
        value = (opened(body, APPLICATION_PROPERTIES).properties or {}).get(name)
    except ReactorException:
        return None
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, (int, float)):
        return "number", value
    if isinstance(value, str):
        return "text", str(value)
    return (type(value).__name__, value) if isinstance(value, (bytes, UUID)) else None


def _measure(payload: bytes) -> int:
    """How long the header is with which `payload` begins; 0 if it begins with something else."""
    at = next((len(form) for form in _FORMS if payload.startswith(form)), 0)
    if not at:
        return 0
    code, size = payload[at : at + 1], payload[at + 1 : at + 5]
    if code == _LIST0:
        return at + 1
    if code == _LIST8 and size:
        return at + 2 + size[0]
    if code == _LIST32 and len(size) == 4:
        return at + 5 + int.from_bytes(size, "big")
    raise DecodeError("the header of the message is not a list")
