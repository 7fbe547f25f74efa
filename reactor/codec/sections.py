"""Where the sections of an encoded message are [3.2]: their order and sizes, and nothing of what is in them.

For `message`. This runs for every message that arrives, whether or not anybody looks at it, so it steps from
constructor to constructor and decodes nothing.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Any

from reactor.codec.decode import malformed, read_value
from reactor.codec.definitions import (
    AMQP_SEQUENCE,
    AMQP_VALUE,
    APPLICATION_PROPERTIES,
    CODE_OF_SYMBOL,
    DATA,
    DELIVERY_ANNOTATIONS,
    FOOTER,
    HEADER,
    MESSAGE_ANNOTATIONS,
    PROPERTIES,
)
from reactor.codec.encode import clipped
from reactor.errors import DecodeError, RemoteProtocolError

Spans = dict[int, tuple[int, int]]

_unpack_uint = Struct(">I").unpack_from

# The sections come in this order, each at most once; only data and amqp-sequence may be repeated, and a body is of
# one kind.
_PLACE = {
    HEADER: 1,
    DELIVERY_ANNOTATIONS: 2,
    MESSAGE_ANNOTATIONS: 3,
    PROPERTIES: 4,
    APPLICATION_PROPERTIES: 5,
    DATA: 6,
    AMQP_SEQUENCE: 6,
    AMQP_VALUE: 6,
    FOOTER: 7,
}

# By constructor: how many bytes the value takes, constructor included; _SMALL and _LARGE: what its size, of one
# byte or four, says; _OTHER: a described value, or no constructor at all.
_SMALL, _LARGE, _OTHER = 0, -1, -2
_WIDTHS = [_OTHER] * 256
for _high, _width in ((0x4, 1), (0x5, 2), (0x6, 3), (0x7, 5), (0x8, 9), (0x9, 17)):
    _WIDTHS[_high << 4 : (_high << 4) + 16] = [_width] * 16
for _high, _width in ((0xA, _SMALL), (0xB, _LARGE), (0xC, _SMALL), (0xD, _LARGE), (0xE, _SMALL), (0xF, _LARGE)):
    _WIDTHS[_high << 4 : (_high << 4) + 16] = [_width] * 16


def locate(buf: bytes) -> Spans:
    """By section code: where the section begins and ends in `buf`. Several data or sequence sections count as one.

    Raises DecodeError.
    """
    spans: Spans = {}
    pos = last = 0
    end = len(buf)
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
                _, pos = read_value(buf, pos, end)
            place = _PLACE.get(code, 0)
            if place > last:
                spans[code] = (start, pos)
                last = place
            elif code in spans and (code == DATA or code == AMQP_SEQUENCE) and last == place:
                spans[code] = (spans[code][0], pos)
            else:
                raise _misplaced(code)
    except (IndexError, StructError):
        raise DecodeError("a section that promises more bytes than there are") from None
    except DecodeError:
        raise
    except RemoteProtocolError as e:
        raise DecodeError(e.description) from None
    if pos != end:
        raise DecodeError("a section that promises more bytes than there are")
    return spans


def behind_descriptor(buf: bytes, pos: int) -> int:
    """The position of the value of the section at `pos`, which `locate` has seen."""
    return pos + 3 if buf[pos + 1] == 0x53 else read_value(buf, pos + 1, len(buf))[1]


def _descriptor(buf: bytes, pos: int, end: int) -> tuple[int, int]:
    """The code of a section whose descriptor is not the usual two bytes."""
    if buf[pos] != 0x00:
        raise malformed("0x%02x where a section should begin" % buf[pos])
    descriptor, pos = read_value(buf, pos + 1, end)
    code: Any = CODE_OF_SYMBOL.get(descriptor) if isinstance(descriptor, str) else descriptor
    if not isinstance(code, int) or code not in _PLACE:
        raise malformed("no section of a message has the descriptor %s" % clipped(descriptor))
    return code, pos


def _misplaced(code: int) -> DecodeError:
    if code not in _PLACE:
        return DecodeError("no section of a message has the descriptor 0x%x" % code)
    return DecodeError("the section 0x%x is repeated, out of order, or beside a body of another kind" % code)
