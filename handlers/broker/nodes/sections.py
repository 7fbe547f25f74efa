"""The sections of a message by their places and sizes, so that a broker decodes none that would cost too much.

A section of a megabyte takes a second to decode, during which no other client is served; a body is passed on as it
came. Rooms enter that need a field of a message: they name the sections that have it, and get the message to read it
from, or TooLarge. Values are stepped over, not decoded.
"""

from __future__ import annotations

from reactor import DecodeError, Message

INSTRUCTIONS, ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE = range(0x71, 0x78)
"""Codes of sections [3.2]."""

MOST_READ = 64 * 1024
"""Bytes of the sections that are decoded for one purpose. Azure Service Bus takes no message with more beside its body
[learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas]."""

MOST_SECTIONS = 1000
"""Sections of one message. A body may come in many [3.2.6]; each is a step."""

MOST_DESCRIBED = 1000
"""Descriptors before one value, which may itself be described [1.2]."""

_NAMES = {
    b"amqp:header:list": 0x70,
    b"amqp:delivery-annotations:map": 0x71,
    b"amqp:message-annotations:map": 0x72,
    b"amqp:properties:list": 0x73,
    b"amqp:application-properties:map": 0x74,
    b"amqp:data:binary": 0x75,
    b"amqp:amqp-sequence:list": 0x76,
    b"amqp:amqp-value:*": 0x77,
    b"amqp:footer:map": 0x78,
}
"""The symbolic descriptors of sections."""

# The bytes of a value behind its constructor, by the high half of that [1.2]; or how many bytes its size has.
_FIXED = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_SIZED = {0xA: 1, 0xB: 4, 0xC: 1, 0xD: 4, 0xE: 1, 0xF: 4}

Span = tuple[int, int, int]


class TooLarge(DecodeError):
    """A message that is not looked into: what is asked for stands in too many bytes."""


def spans_of(payload: bytes) -> list[Span]:
    """Each section as its code, its begin and its end, in the order in which they came. DecodeError for bytes that are
    no message, TooLarge for too many sections."""
    spans: list[Span] = []
    pos, end = 0, len(payload)
    try:
        while pos < end:
            if len(spans) == MOST_SECTIONS:
                raise TooLarge(f"a message of more than {MOST_SECTIONS} sections")
            start = pos
            code, pos = _descriptor(payload, pos)
            pos = _behind(payload, pos)
            spans.append((code, start, pos))
    except IndexError:
        raise _no_message() from None
    if pos > end:
        raise _no_message()
    return spans


def opened(payload: bytes, *wanted: int) -> Message:
    """The message in `payload`, to read fields of the `wanted` sections of it. Raises DecodeError; TooLarge where these
    take more than MOST_READ bytes."""
    if len(payload) > MOST_READ:
        size = sum(stop - start for code, start, stop in spans_of(payload) if code in wanted)
        if size > MOST_READ:
            raise TooLarge(f"{size} bytes in its annotations or properties; the broker reads {MOST_READ}")
    return Message.from_bytes(payload)


def without(payload: bytes, unwanted: int) -> bytes:
    """`payload` without the sections of this code. Raises DecodeError."""
    spans = spans_of(payload)
    return b"".join(payload[start:stop] for code, start, stop in spans if code != unwanted)


def _descriptor(payload: bytes, pos: int) -> tuple[int, int]:
    """The code of the section at `pos`, and where its value begins."""
    form = payload[pos + 1]
    if payload[pos] != 0x00:
        raise _no_message()
    if form == 0x53:
        code, after = payload[pos + 2], pos + 3
    elif form == 0x80:
        after = pos + 10
        code = int.from_bytes(payload[pos + 2 : after], "big")
    else:
        after = _behind(payload, pos + 1)
        code = _NAMES.get(payload[pos + (3 if form == 0xA3 else 6) : after], 0)
    if not 0x70 <= code <= 0x78:
        raise _no_message()
    return code, after


def _behind(payload: bytes, pos: int) -> int:
    """The place behind the value at `pos`. Raises IndexError, where there is none."""
    described = 0
    missing = 1
    while missing:
        form = payload[pos]
        if form == 0x00:  # a descriptor and a value follow
            missing += 1
            described += 1
            if described > MOST_DESCRIBED:
                raise TooLarge(f"more than {MOST_DESCRIBED} descriptors before one value")
            pos += 1
            continue
        high = form >> 4
        if high in _FIXED:
            pos += 1 + _FIXED[high]
        elif high in _SIZED:
            width = _SIZED[high]
            size = payload[pos + 1 : pos + 1 + width]
            pos += 1 + width + int.from_bytes(size, "big") if len(size) == width else len(payload) + 1
        else:
            raise _no_message()
        missing -= 1
    return pos


def _no_message() -> DecodeError:
    return DecodeError("the bytes are no message")
