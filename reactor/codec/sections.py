"""An encoded message as its sections [3.2]: their places, and their content when it is read.

For `message` and `attributes` only. `Sections` is the part of a message that remembers the bytes, and decodes
one section when it is first needed. Its `_locate` runs for every message that arrives, read or not,
so it steps from constructor to constructor and decodes nothing.

Of sections that are there several times, each replaces the one before it, as in the original: the last header
is the header. Only several sections of data, or of sequence, are one body. The bytes of all stay together, and
pass through.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Any, Optional, cast

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
from reactor.codec.readers import Limits, body_limits, malformed
from reactor.codec.types import clipped
from reactor.errors import DecodeError, RemoteProtocolError

Spans = dict[int, tuple[int, int]]

_unpack_uint = Struct(">I").unpack_from

#: Which sections of a message were assigned to.
HEADER_CHANGED = 1
FIELDS_CHANGED = 2
BODY_CHANGED = 4

#: Stands in a slot for a section that is not decoded yet. Ellipsis, because copies and pickles keep its
#: identity.
UNREAD: Any = ...

#: The beginning of most messages: an empty header and empty properties.
PLAIN = b"\x00\x53\x70\x45\x00\x53\x73\x45"
_EMPTY_HEADER = PLAIN[:4]
_PLAIN_HEADER = (0, 4)
_PLAIN_PROPERTIES = (4, 8)

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
    spans: Spans = {}
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
    """The position of the value of the section at `pos`, which `_locate` has seen."""
    return pos + 3 if buf[pos + 1] == 0x53 else read_value(buf, pos + 1, len(buf))[1]


def _code(buf: bytes, pos: int) -> int:
    """The code of the section at `pos`, which `_locate` has seen."""
    return buf[pos + 2] if buf[pos + 1] == 0x53 else _descriptor(buf, pos, len(buf))[0]


def _truncated() -> DecodeError:
    return DecodeError("a section that promises more bytes than there are")


class Sections:
    """The bytes that a message came as, and its parts, as far as they have been decoded.

    A message that did not come from a peer has no bytes, and nothing in it is `UNREAD`.
    """

    __slots__ = (
        "_raw",  # the bytes that came, or None
        "_spans",  # the places that `_locate` found
        "_changed",  # the sections that were assigned to
        "_header",  # the five fields as they travel, or None: not decoded, or nothing set
        "_fields",  # the same for the thirteen of the properties section
        "_instructions",
        "_annotations",
        "_properties",
        "_body",
        "_parts",  # the sections that the body consists of, if there are several
        "_inferred",  # None: not looked at
        "_footer",
        "__weakref__",
        "__dict__",  # attributes that the application adds
    )
    _raw: Optional[bytes]
    _spans: Spans
    _changed: int
    _header: Optional[list[Any]]
    _fields: Optional[list[Any]]
    _instructions: Optional[dict[Any, Any]]
    _annotations: Optional[dict[Any, Any]]
    _properties: Optional[dict[str, Any]]
    _footer: Optional[dict[Any, Any]]
    _body: Any
    _parts: Optional[list[Any]]
    _inferred: Optional[bool]

    def _locate(self, buf: bytes) -> None:
        """Take `buf` for the bytes that came, and find out where each section begins and ends in it.

        Senders write sections in another order than the specified one, and some write one twice. All are taken,
        and put into the order of [3.2] then: each has one span, which holds every section of its code. Raises
        DecodeError.
        """
        end = len(buf)
        if buf.startswith(PLAIN):
            spans = {HEADER: _PLAIN_HEADER, PROPERTIES: _PLAIN_PROPERTIES}
            pos = 8
            last = PROPERTIES
        elif buf.startswith(_EMPTY_HEADER):
            spans = {HEADER: _PLAIN_HEADER}
            pos = 4
            last = HEADER
        else:
            spans = {}
            pos = 0
            last = HEADER - 1
        parts: Optional[list[tuple[int, int, int]]] = None  # all sections, once one was out of order
        limits: Optional[Limits] = None
        try:
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
                    limits = limits or body_limits(end)
                    _, pos = read_value(buf, pos, end, limits)
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
        if parts is not None:
            buf, spans = _arranged(buf, parts)
        self._raw = buf
        self._spans = spans

    def _load_header(self) -> list[Any]:
        fields = self._read_fields(HEADER, 5)
        if fields[1] is not None and fields[1] > 255:
            raise DecodeError("header.priority cannot be %d" % fields[1])
        self._header = fields
        return fields

    def _load_fields(self) -> list[Any]:
        self._fields = fields = self._read_fields(PROPERTIES, 13)
        return fields

    def _read_fields(self, code: int, width: int) -> list[Any]:
        """The fields of a section that is a composite, all of them; of several sections the last one's."""
        if self._raw is None or code not in self._spans:
            return [None] * width
        pos, stop = self._spans[code]
        try:
            while pos < stop:
                fields, pos = read_fields(self._raw, _behind_descriptor(self._raw, pos), stop)
                check_fields(code, fields)
        except RemoteProtocolError as e:
            raise DecodeError(e.description) from None
        return fields + [None] * (width - len(fields))

    def _read_annotations(self, code: int) -> Optional[AnnotationDict]:
        section = self._read_map(code)
        return None if section is None else AnnotationDict(section, raise_on_error=False)

    def _read_map(self, code: int) -> Optional[dict[Any, Any]]:
        """The value of a section that is a map, of several sections the last one's; None if it is not there."""
        if self._raw is None or code not in self._spans:
            return None
        pos, stop = self._spans[code]
        while pos < stop:
            value, pos = self._read_section(pos, stop, dict, None)
        return cast("dict[Any, Any]", value)

    def _read_section(
        self, pos: int, stop: int, kind: Optional[type], limits: Optional[Limits]
    ) -> tuple[Any, int]:
        """The value of the section at `pos`, which must be a `kind`, and the position behind it."""
        assert self._raw is not None
        try:
            value, after = read_value(self._raw, _behind_descriptor(self._raw, pos), stop, limits)
        except RemoteProtocolError as e:
            raise DecodeError(e.description) from None
        if kind is not None and type(value) is not kind:
            raise DecodeError("a section of %s holds %s" % (kind.__name__, clipped(value)))
        return value, after

    def _load_body(self) -> Any:
        raw, spans = self._raw, self._spans
        assert raw is not None
        if AMQP_VALUE in spans:
            pos, stop = spans[AMQP_VALUE]
            # A short text: most bodies are.
            if raw[pos + 1] == 0x53 and raw[pos + 3] == 0xA1 and pos + 5 + raw[pos + 4] == stop:
                try:
                    self._body = body = raw[pos + 5 : stop].decode()
                    return body
                except UnicodeDecodeError:
                    pass  # said properly below
            limits = body_limits(stop - pos)
            while pos < stop:  # of several values the last one counts
                body, pos = self._read_section(pos, stop, None, limits)
            self._body = body
        elif DATA in spans:
            parts = self._read_parts(DATA, bytes)
            self._body = parts[0] if len(parts) == 1 else b"".join(parts)
        elif AMQP_SEQUENCE in spans:
            parts = self._read_parts(AMQP_SEQUENCE, list)
            self._body = parts[0] if len(parts) == 1 else [item for part in parts for item in part]
        else:
            self._body = None
        return self._body

    def _read_parts(self, code: int, kind: type) -> list[Any]:
        raw = self._raw
        assert raw is not None
        pos, stop = self._spans[code]
        limits = body_limits(stop - pos) if code == AMQP_SEQUENCE else None
        parts = []
        while pos < stop:
            counts = (raw[pos + 1] == 0x53 and raw[pos + 2] == code) or _code(raw, pos) == code
            part, pos = self._read_section(pos, stop, kind if counts else None, limits)
            if counts:
                parts.append(part)
        self._parts = parts if len(parts) > 1 else None
        return parts

    def _as_it_came(self, code: int) -> bytes:
        """The bytes of a section, or none; AMQP_VALUE stands for the body, whatever it is."""
        spans, raw = self._spans, self._raw
        assert raw is not None
        if code == AMQP_VALUE:
            code = DATA if DATA in spans else AMQP_SEQUENCE if AMQP_SEQUENCE in spans else AMQP_VALUE
        start, stop = spans.get(code, (0, 0))
        return raw[start:stop]
