"""An encoded message as its sections [3.2]: their places, and their content when it is read.

For `message` and `attributes` only. A message keeps its bytes and the spans that `locate` found, and has one section
read when it is first needed. `locate` runs for every message that arrives, read or not, so it steps from constructor to
constructor and decodes nothing.

Of sections that are there several times, each replaces the one before it, as in the original: the last header
is the header. Only several sections of data, or of sequence, are one body. The bytes of all stay together, and
pass through.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from reactor.codec.decode import read_fields, read_value
from reactor.codec.definitions import (
    AMQP_SEQUENCE,
    AMQP_VALUE,
    CODE_OF_SYMBOL,
    DATA,
    FOOTER,
    HEADER,
    PROPERTIES,
)
from reactor.codec.dicts import AnnotationDict
from reactor.codec.performatives import check_fields
from reactor.codec.readers import MAX_DEPTH, body_limits, malformed
from reactor.codec.types import clipped, symbol
from reactor.errors import DecodeError, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Optional, Union

    from reactor.codec.readers import Limits

    #: By code, where a section begins and ends. Messages share them.
    Spans = Mapping[int, tuple[int, int]]

#: Of a message that did not come from a peer.
NO_SPANS: Spans = {}

_unpack_uint = Struct(">I").unpack_from

#: Which sections of a message were assigned to.
HEADER_CHANGED = 1
FIELDS_CHANGED = 2
BODY_CHANGED = 4

#: Stands in a slot for a section that is not decoded yet. Ellipsis, because copies and pickles keep its
#: identity.
UNREAD: Any = ...

#: The types of a body that can only be replaced, not changed from within.
UNCHANGING = frozenset({type(UNREAD), type(None), bool, int, float, str, bytes, symbol})

#: The beginning of most messages: an empty header and empty properties.
PLAIN = b"\x00\x53\x70\x45\x00\x53\x73\x45"
EMPTY_HEADER = PLAIN[:4]
_SHORT_PROPERTIES = PLAIN[:7] + b"\xc0"  # an empty header, and some properties
_PLAIN_HEADER = (0, 4)
_PLAIN_PROPERTIES = (4, 8)

#: Of messages that begin in this way, and whose body is short and the end: how many bytes they have, and where their
#: sections are, by all that stands before the content of the body. The last byte of that is its size: there are only so
#: many.
HEAD = len(PLAIN) + 5
_shapes: dict[bytes, tuple[int, Spans]] = {}
find_shape = _shapes.get

#: The beginning of most bodies: a text, or bytes as a value or as data, whose size has one byte.
_SHORT_TEXT = b"\x00\x53\x77\xa1"
_SHORT_BODIES = frozenset((_SHORT_TEXT, b"\x00\x53\x77\xa0", b"\x00\x53\x75\xa0"))

# By constructor: how many bytes the value takes, constructor included; _SMALL and _LARGE: its size has
# one byte or four; _OTHER: a described value, or no constructor at all.
_SMALL, _LARGE, _OTHER = 0, -1, -2
_WIDTHS = [_OTHER] * 256
for _high, _width in (
    *((0x4, 1), (0x5, 2), (0x6, 3), (0x7, 5), (0x8, 9), (0x9, 17)),
    *((0xA, _SMALL), (0xC, _SMALL), (0xE, _SMALL)),
    *((0xB, _LARGE), (0xD, _LARGE), (0xF, _LARGE)),
):
    _WIDTHS[_high << 4 : (_high << 4) + 16] = [_width] * 16


def _arranged(buf: bytes, parts: list[tuple[int, int, int]]) -> tuple[bytes, Spans]:
    """The same sections (each as its code, begin and end) in the order of [3.2], and where they are then.

    Sections of one code lie together, in the order in which they came. If there are bodies of several kinds, the
    kind of the last one counts, and the others lie before it.
    """
    kind = ([0] + [code for code, _, _ in parts if DATA <= code <= AMQP_VALUE])[-1]
    placed = [
        (code if not DATA <= code <= AMQP_VALUE else AMQP_VALUE if code == kind else DATA, code, start, stop)
        for code, start, stop in parts
    ]
    placed.sort(key=lambda part: part[0])  # stable
    out = bytearray()
    spans: dict[int, tuple[int, int]] = {}
    for _, code, start, stop in placed:
        code = kind if DATA <= code <= AMQP_VALUE else code
        begin = spans[code][0] if code in spans else len(out)
        out += buf[start:stop]
        spans[code] = (begin, len(out))
    return bytes(out), spans


def _descriptor(buf: bytes, pos: int, end: int) -> tuple[int, int]:
    """The code of a section with a descriptor that is not the usual two bytes."""
    if buf[pos] != 0x00:
        raise malformed("0x%02x where a section should begin" % buf[pos])
    descriptor, pos = read_value(buf, pos + 1, end)
    code: Any = CODE_OF_SYMBOL.get(descriptor) if isinstance(descriptor, str) else descriptor
    if not isinstance(code, int) or not HEADER <= code <= FOOTER:
        raise malformed("no section of a message has the descriptor %s" % clipped(descriptor))
    return code, pos


def _behind_descriptor(buf: bytes, pos: int) -> int:
    """The position of the value of the section at `pos`, which `locate` has seen."""
    return pos + 3 if buf[pos + 1] == 0x53 else read_value(buf, pos + 1, len(buf))[1]


def _code(buf: bytes, pos: int) -> int:
    """The code of the section at `pos`, which `locate` has seen."""
    return buf[pos + 2] if buf[pos + 1] == 0x53 else _descriptor(buf, pos, len(buf))[0]


def _behind_described(buf: bytes, pos: int) -> int:
    """The position behind the described value at `pos`: after its descriptor and its content, which may be described,
    too [1.2]."""
    missing, depth = 1, MAX_DEPTH
    while missing:
        width = _WIDTHS[buf[pos]]
        if width > 0:
            pos += width
        elif width == _SMALL:
            pos += 2 + buf[pos + 1]
        elif width == _LARGE:
            pos += 5 + _unpack_uint(buf, pos + 1)[0]
        elif buf[pos] == 0x00 and depth:
            pos += 1
            missing += 2
            depth -= 1
        elif buf[pos] == 0x00:
            raise malformed("values nested deeper than %d levels" % MAX_DEPTH)
        else:
            raise malformed("the unknown constructor 0x%02x" % buf[pos])
        missing -= 1
    return pos


def _truncated() -> DecodeError:
    return DecodeError("a section that promises more bytes than there are")


def locate(buf: bytes) -> tuple[bytes, Spans]:
    """Where each section begins and ends in the bytes of a message; and these bytes, in the order of [3.2].

    Senders write sections in another order than the specified one, and some write one twice. All are taken,
    and put into the order of [3.2] then: each has one span, which holds every section of its code. Raises
    DecodeError.
    """
    end = len(buf)
    spans: dict[int, tuple[int, int]]
    if buf.startswith(_SHORT_PROPERTIES) and end > 8:  # all that they need is said in one byte
        pos = 9 + buf[8]
        spans = {HEADER: _PLAIN_HEADER, PROPERTIES: (4, pos)}
    elif buf.startswith(PLAIN):
        pos = 8
        spans = {HEADER: _PLAIN_HEADER, PROPERTIES: _PLAIN_PROPERTIES}
    elif buf.startswith(EMPTY_HEADER):
        pos = 4
        spans = {HEADER: _PLAIN_HEADER}
    else:
        pos = 0
        spans = {}
    try:
        if buf[pos : pos + 4] in _SHORT_BODIES and pos + 5 + buf[pos + 4] == end:  # and nothing behind it
            spans[buf[pos + 2]] = (pos, end)
            if pos == 8:
                _shapes[buf[:HEAD]] = (end, spans)
            return buf, spans
        last = max(spans, default=HEADER - 1)
        parts: Optional[list[tuple[int, int, int]]] = None  # all sections, once one was out of order
        while pos < end:
            start = pos
            if buf[pos] == 0x00 and buf[pos + 1] == 0x53:
                code = buf[pos + 2]
                pos += 3
            else:
                code, pos = _descriptor(buf, pos, end)
            width = _WIDTHS[buf[pos]]
            if width > 0:
                pos += width
            elif width == _SMALL:
                pos += 2 + buf[pos + 1]
            elif width == _LARGE:
                pos += 5 + _unpack_uint(buf, pos + 1)[0]
            else:
                pos = _behind_described(buf, pos)
            # In the specified order the codes rise; several sections of data or sequence are one body.
            if last < code <= FOOTER:
                spans[code] = (start, pos)
                last = code if code < DATA or code == FOOTER else AMQP_VALUE
            elif code in spans and (code == DATA or code == AMQP_SEQUENCE) and last == AMQP_VALUE:
                spans[code] = (spans[code][0], pos)
            elif HEADER <= code <= FOOTER:
                if parts is None:
                    parts = [(known, *span) for known, span in spans.items()]
                    last = FOOTER + 1  # everything else comes here too
                parts.append((code, start, pos))
            else:
                raise malformed("no section of a message has the descriptor 0x%x" % code)
    except (IndexError, StructError):
        raise _truncated() from None
    except RemoteProtocolError as e:
        raise DecodeError(e.description) from None
    if pos != end:
        raise _truncated()
    return (buf, spans) if parts is None else _arranged(buf, parts)


def long_body_at(buf: Union[bytes, memoryview]) -> Optional[tuple[int, int, int]]:
    """The place of a binary body of 256 bytes or more in a message of which this is the beginning: where its content
    begins, the size of that, and the code of its section. None where that cannot be seen here, or where it would be
    written otherwise."""
    pos = 0
    try:
        while buf[pos] == 0x00 and buf[pos + 1] == 0x53 and HEADER <= buf[pos + 2] <= AMQP_VALUE:
            code, constructor = buf[pos + 2], buf[pos + 3]
            if code >= DATA:
                size: int = _unpack_uint(buf, pos + 4)[0]
                binary = constructor == 0xB0 and code != AMQP_SEQUENCE and size > 255
                return (pos + 8, size, code) if binary else None
            width = _WIDTHS[constructor]
            pos += 3
            if width > 0:
                pos += width
            elif width == _SMALL:
                pos += 2 + buf[pos + 1]
            elif width == _LARGE:
                pos += 5 + _unpack_uint(buf, pos + 1)[0]
            else:
                return None
    except (IndexError, StructError):
        pass
    return None


def taken_apart(pieces: Sequence[Any]) -> Optional[tuple[bytes, bytes, bool]]:
    """A message with a long binary as its body, from its pieces: the other sections, the body, whether that is data.
    None for any other message. Raises DecodeError."""
    found = long_body_at(pieces[0])
    if found is None:
        return None
    at, size, code = found
    parts = [pieces[0][at:], *pieces[1:]]
    behind = sum(map(len, parts)) - size
    if not 0 <= behind <= len(parts[-1]):
        return None
    end = b""
    if behind:
        end = bytes(parts[-1][-behind:])
        parts[-1] = parts[-1][:-behind]
        if any(DATA <= another <= AMQP_VALUE for another in locate(end)[1]):
            return None
    head = bytes(pieces[0][: at - 8])
    return head + end, b"".join([part for part in parts if len(part)]), code == DATA


def read_header(raw: Optional[bytes], spans: Spans) -> list[Any]:
    """The five fields of the header, as they travel. Raises DecodeError."""
    fields = _read_composite(raw, spans, HEADER, 5)
    if fields[1] is not None and fields[1] > 255:
        raise DecodeError("header.priority cannot be %d" % fields[1])
    return fields


def read_properties(raw: Optional[bytes], spans: Spans) -> list[Any]:
    """The thirteen fields of the properties section, as they travel. Raises DecodeError."""
    return _read_composite(raw, spans, PROPERTIES, 13)


def _read_composite(raw: Optional[bytes], spans: Spans, code: int, width: int) -> list[Any]:
    """The fields of a section that is a composite, all of them; of several sections the last one's."""
    if raw is None or code not in spans:
        return [None] * width
    pos, stop = spans[code]
    try:
        while pos < stop:
            pos = pos + 3 if raw[pos + 1] == 0x53 else _behind_descriptor(raw, pos)
            fields, pos = read_fields(raw, pos, stop)
            check_fields(code, fields)
    except RemoteProtocolError as e:
        raise DecodeError(e.description) from None
    return fields + [None] * (width - len(fields))


def read_annotations(raw: Optional[bytes], spans: Spans, code: int) -> Optional[AnnotationDict]:
    """As `read_map`, with symbol keys."""
    section = read_map(raw, spans, code)
    return None if section is None else AnnotationDict(section, raise_on_error=False)


def read_map(raw: Optional[bytes], spans: Spans, code: int) -> Optional[dict[Any, Any]]:
    """The value of a section that is a map, of several sections the last one's; None if it is not there."""
    if raw is None or code not in spans:
        return None
    value: dict[Any, Any]
    pos, stop = spans[code]
    while pos < stop:
        value, pos = _read_section(raw, pos, stop, dict, None)
    return value


def _read_section(
    raw: bytes, pos: int, stop: int, kind: Optional[type], limits: Optional[Limits]
) -> tuple[Any, int]:
    """The value of the section at `pos`, which must be a `kind`, and the position behind it."""
    try:
        value, after = read_value(raw, _behind_descriptor(raw, pos), stop, limits)
    except RemoteProtocolError as e:
        raise DecodeError(e.description) from None
    if kind is not None and type(value) is not kind:
        raise DecodeError("a section of %s holds %s" % (kind.__name__, clipped(value)))
    return value, after


def read_body(raw: bytes, spans: Spans) -> tuple[Any, Optional[list[Any]]]:
    """The body; and the content of each of its sections, if there are several. Raises DecodeError."""
    body: Any = None
    parts: Optional[list[Any]] = None
    if AMQP_VALUE in spans:
        pos, stop = spans[AMQP_VALUE]
        if raw[pos : pos + 4] == _SHORT_TEXT and pos + 5 + raw[pos + 4] == stop:
            try:
                return raw[pos + 5 : stop].decode(), None
            except UnicodeDecodeError:
                pass  # said properly below
        limits = body_limits(stop - pos)
        while pos < stop:  # of several values the last one counts
            body, pos = _read_section(raw, pos, stop, None, limits)
    elif DATA in spans:
        parts = _read_parts(raw, spans, DATA, bytes)
        body = parts[0] if len(parts) == 1 else b"".join(parts)
    elif AMQP_SEQUENCE in spans:
        parts = _read_parts(raw, spans, AMQP_SEQUENCE, list)
        body = parts[0] if len(parts) == 1 else [item for part in parts for item in part]
    return body, parts if parts is not None and len(parts) > 1 else None


def _read_parts(raw: bytes, spans: Spans, code: int, kind: type) -> list[Any]:
    pos, stop = spans[code]
    limits = body_limits(stop - pos) if code == AMQP_SEQUENCE else None
    parts = []
    while pos < stop:
        counts = (raw[pos + 1] == 0x53 and raw[pos + 2] == code) or _code(raw, pos) == code
        part, pos = _read_section(raw, pos, stop, kind if counts else None, limits)
        if counts:
            parts.append(part)
    return parts


def as_it_came(raw: memoryview, spans: Spans, code: int) -> memoryview:
    """The bytes of a section, or none; AMQP_VALUE stands for the body, whatever it is."""
    if code == AMQP_VALUE:
        code = DATA if DATA in spans else AMQP_SEQUENCE if AMQP_SEQUENCE in spans else AMQP_VALUE
    start, stop = spans.get(code, (0, 0))
    return raw[start:stop]
