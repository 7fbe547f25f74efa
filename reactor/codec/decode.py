"""Bytes to values: the one way in for everything that a peer, or a stored message, encodes.

`read_value` reads any value with its AMQP type, for the application. `read_fields` reads the fields of a
performative or of a message section, for the engine: plain ints and bools, because a wrapper for each number of
each frame would cost more than the number. Both know no connection and no frame.

Whatever is wrong with the bytes ends in the one `RemoteProtocolError` of `amqp:decode-error`. The readers do not
check each step against the end of their input: a read behind it raises IndexError or struct.error, which the two
doors translate, and a value that ran over the end of its list is seen because the list did not end where it said.
Nothing is allocated by a size or a count before the bytes for it are known to be there, and nesting is bounded.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Any, Callable, Optional
from uuid import UUID

from reactor.codec.definitions import ACCEPTED, BY_CODE, CODE_OF_SYMBOL, RELEASED
from reactor.codec.types import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from reactor.errors import DECODE_ERROR, RemoteProtocolError

#: How deep lists, maps, arrays and described values may be nested: far more than anybody needs, far less than
#: Python's own stack.
MAX_DEPTH = 64
#: How many elements without bytes (null, true, 0, an empty list) the arrays of one value may hold together:
#: four bytes can promise four billion of them.
MAX_EMPTY_ELEMENTS = 65536



class Settling(Described):
    """The type of the two constants below, so that a look at the type tells that nothing else is in them."""

    __slots__ = ()


#: The delivery states that end nearly every delivery. `read_fields` answers these very objects, so that they can
#: be recognised with `is`; nobody may change them.
ACCEPTED_STATE = Settling(ACCEPTED, [])
RELEASED_STATE = Settling(RELEASED, [])

Limits = list[int]  # levels of nesting left, elements without bytes left
Reader = Callable[[bytes, int, int, Limits], tuple[Any, int]]

_MALFORMED = (IndexError, StructError, UnicodeDecodeError)

_unpack_ushort = Struct(">H").unpack_from
_unpack_uint = Struct(">I").unpack_from
_unpack_ulong = Struct(">Q").unpack_from
_unpack_short = Struct(">h").unpack_from
_unpack_int = Struct(">i").unpack_from
_unpack_long = Struct(">q").unpack_from
_unpack_float = Struct(">f").unpack_from
_unpack_double = Struct(">d").unpack_from
_unpack_pair = Struct(">II").unpack_from

# What comes off the wire is in range already: no need to go through the constructors that check it.
_new_int = int.__new__
_new_str = str.__new__
_UBYTES = tuple(_new_int(ubyte, n) for n in range(256))
_UINTS = tuple(_new_int(uint, n) for n in range(256))
_ULONGS = tuple(_new_int(ulong, n) for n in range(256))


def malformed(description: str) -> RemoteProtocolError:
    """The error for bytes that are not AMQP."""
    return RemoteProtocolError(DECODE_ERROR, description)


def read_value(buf: bytes, pos: int, end: int) -> tuple[Any, int]:
    """Read the value whose constructor is at `pos`; nothing at or behind `end` belongs to it.

    Answers the value and the position behind it. Types without a Python type of their own come as the classes of
    `reactor.codec.types`; long as int, double as float, string as str, binary as bytes.
    Raises RemoteProtocolError (amqp:decode-error).
    """
    try:
        value, after = _READERS[buf[pos]](buf, pos + 1, end, [MAX_DEPTH, MAX_EMPTY_ELEMENTS])
    except _MALFORMED as e:
        raise _explained(e) from None
    if after > end:
        raise _truncated()
    return value, after


def read_fields(buf: bytes, pos: int, end: int, limits: Optional[Limits] = None) -> tuple[list[Any], int]:
    """Read the list whose constructor is at `pos`, as the fields of a composite.

    Answers the fields and the position behind them. Integers up to 32 bits and booleans are plain int and bool.
    A nested composite is ``Described(code, fields)``, whether its descriptor was the number or the symbol;
    ``Described(0x24, [])`` is always `ACCEPTED_STATE` and ``Described(0x26, [])`` `RELEASED_STATE`. Maps and
    arrays in fields hold values as `read_value` makes them.
    Raises RemoteProtocolError (amqp:decode-error).
    """
    try:
        code = buf[pos]
        if code == 0xC0:
            stop = pos + 2 + buf[pos + 1]
            count = buf[pos + 2]
            pos += 3
        elif code == 0x45:
            if pos >= end:
                raise _truncated()
            return [], pos + 1
        elif code == 0xD0:
            size, count = _unpack_pair(buf, pos + 1)
            stop = pos + 5 + size
            pos += 9
        else:
            raise malformed("a list was expected, not the constructor 0x%02x" % code)
        if stop > end or count > stop - pos:
            raise _truncated()
        fields: list[Any] = []
        append = fields.append
        # This loop runs for every frame. The order of the tests is the order of what frames are made of.
        while count:
            count -= 1
            code = buf[pos]
            pos += 1
            if code == 0x52 or code == 0x50:
                append(buf[pos])
                pos += 1
            elif code == 0x43:
                append(0)
            elif code == 0x42:
                append(False)
            elif code == 0x41:
                append(True)
            elif code == 0x40:
                append(None)
            elif code == 0xA0:
                after = pos + 1 + buf[pos]
                append(buf[pos + 1 : after])
                pos = after
            elif code == 0x70:
                append(_unpack_uint(buf, pos)[0])
                pos += 4
            elif code == 0x00:
                if buf[pos : pos + 3] == b"\x53\x24\x45":
                    append(ACCEPTED_STATE)
                    pos += 3
                else:
                    value, pos = _read_composite(buf, pos, stop, limits or [MAX_DEPTH, MAX_EMPTY_ELEMENTS])
                    append(value)
            elif code == 0xA1:
                after = pos + 1 + buf[pos]
                append(buf[pos + 1 : after].decode())
                pos = after
            elif code == 0xA3:
                after = pos + 1 + buf[pos]
                append(_new_str(symbol, buf[pos + 1 : after], "ascii"))
                pos = after
            elif code == 0x60:
                append(_unpack_ushort(buf, pos)[0])
                pos += 2
            elif code == 0x56:
                flag, pos = _read_boolean(buf, pos, stop, [])
                append(flag)
            else:
                value, pos = _READERS[code](buf, pos, stop, limits or [MAX_DEPTH, MAX_EMPTY_ELEMENTS])
                append(value)
    except _MALFORMED as e:
        raise _explained(e) from None
    if pos != stop:
        raise malformed("a list of %d bytes more or less than its size says" % abs(stop - pos))
    return fields, pos


def _read_composite(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Described, int]:
    """A described value among fields; `pos` is at its descriptor."""
    _enter(limits)
    descriptor, pos = _READERS[buf[pos]](buf, pos + 1, end, limits)
    code = CODE_OF_SYMBOL.get(descriptor) if isinstance(descriptor, str) else descriptor
    if type(code) in (int, ulong) and code in BY_CODE:
        fields, pos = read_fields(buf, pos, end, limits)
        if not fields and code == ACCEPTED:
            value: Described = ACCEPTED_STATE
        elif not fields and code == RELEASED:
            value = RELEASED_STATE
        else:
            value = Described(int(code), fields)
    else:
        content, pos = _READERS[buf[pos]](buf, pos + 1, end, limits)
        value = Described(descriptor, content)
    limits[0] += 1
    return value, pos


# -- the readers: one for each constructor; `pos` is behind the constructor -------------------------------
#
# `end` is where the surrounding value stops. A reader may read behind it as long as the position that it answers
# tells: whoever surrounds it compares.


def _constant(value: Any) -> Reader:
    return lambda buf, pos, end, limits: (value, pos)


def _read_boolean(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[bool, int]:
    octet = buf[pos]
    if octet > 1:
        raise malformed("a boolean of 0x%02x" % octet)
    return octet == 1, pos + 1


def _read_ubyte(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
    return _UBYTES[buf[pos]], pos + 1


def _read_smalluint(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
    return _UINTS[buf[pos]], pos + 1


def _read_smallulong(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
    return _ULONGS[buf[pos]], pos + 1


def _read_byte(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
    return _new_int(byte, (buf[pos] ^ 0x80) - 0x80), pos + 1


def _read_smallint(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
    return _new_int(int32, (buf[pos] ^ 0x80) - 0x80), pos + 1


def _read_smalllong(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[int, int]:
    return (buf[pos] ^ 0x80) - 0x80, pos + 1


def _read_long(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[int, int]:
    return _unpack_long(buf, pos)[0], pos + 8


def _read_double(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[float, int]:
    return _unpack_double(buf, pos)[0], pos + 8


def _integer(cls: type[int], unpack: Callable[..., tuple[Any, ...]], width: int) -> Reader:
    return lambda buf, pos, end, limits: (_new_int(cls, unpack(buf, pos)[0]), pos + width)


def _read_float(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[float, int]:
    return float32(_unpack_float(buf, pos)[0]), pos + 4


def _read_decimal128(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[bytes, int]:
    return decimal128(_take(buf, pos, pos + 16, end)), pos + 16


def _read_uuid(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[UUID, int]:
    return UUID(bytes=_take(buf, pos, pos + 16, end)), pos + 16


def _read_char(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    number = _unpack_uint(buf, pos)[0]
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise malformed("a char of 0x%x, which is no Unicode character" % number)
    return char(chr(number)), pos + 4


def _read_binary8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[bytes, int]:
    after = pos + 1 + buf[pos]
    return buf[pos + 1 : after], after


def _read_binary32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[bytes, int]:
    after = pos + 4 + _unpack_uint(buf, pos)[0]
    return _take(buf, pos + 4, after, end), after


def _read_string8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 1 + buf[pos]
    return buf[pos + 1 : after].decode(), after


def _read_string32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 4 + _unpack_uint(buf, pos)[0]
    return _take(buf, pos + 4, after, end).decode(), after


def _read_symbol8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 1 + buf[pos]
    return _new_str(symbol, buf[pos + 1 : after], "ascii"), after


def _read_symbol32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 4 + _unpack_uint(buf, pos)[0]
    return _new_str(symbol, _take(buf, pos + 4, after, end), "ascii"), after


def _read_described(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Described, int]:
    _enter(limits)
    descriptor, pos = _READERS[buf[pos]](buf, pos + 1, end, limits)
    value, pos = _READERS[buf[pos]](buf, pos + 1, end, limits)
    limits[0] += 1
    return Described(descriptor, value), pos


def _read_list8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[list[Any], int]:
    stop = pos + 1 + buf[pos]
    return _read_items(buf, pos + 2, stop, end, buf[pos + 1], limits), stop


def _read_list32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[list[Any], int]:
    size, count = _unpack_pair(buf, pos)
    stop = pos + 4 + size
    return _read_items(buf, pos + 8, stop, end, count, limits), stop


def _read_map8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[dict[Any, Any], int]:
    stop = pos + 1 + buf[pos]
    return _paired(_read_items(buf, pos + 2, stop, end, buf[pos + 1], limits)), stop


def _read_map32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[dict[Any, Any], int]:
    size, count = _unpack_pair(buf, pos)
    stop = pos + 4 + size
    return _paired(_read_items(buf, pos + 8, stop, end, count, limits)), stop


def _read_items(buf: bytes, pos: int, stop: int, end: int, count: int, limits: Limits) -> list[Any]:
    """The `count` values of a list or map that lie from `pos` to exactly `stop`."""
    if stop > end or count > stop - pos:
        raise _truncated()
    _enter(limits)
    items: list[Any] = []
    append = items.append
    # Strings and small numbers inline: they are most of what application properties are made of.
    while count:
        count -= 1
        code = buf[pos]
        pos += 1
        if code == 0xA1:
            after = pos + 1 + buf[pos]
            append(buf[pos + 1 : after].decode())
            pos = after
        elif code == 0xA3:
            after = pos + 1 + buf[pos]
            append(_new_str(symbol, buf[pos + 1 : after], "ascii"))
            pos = after
        elif code == 0x55:
            append((buf[pos] ^ 0x80) - 0x80)
            pos += 1
        elif code == 0x41:
            append(True)
        elif code == 0x42:
            append(False)
        else:
            value, pos = _READERS[code](buf, pos, stop, limits)
            append(value)
    if pos != stop:
        raise malformed("a compound value of %d bytes more or less than its size says" % abs(stop - pos))
    limits[0] += 1
    return items


def _paired(items: list[Any]) -> dict[Any, Any]:
    """The map of alternating keys and values."""
    if len(items) % 2:
        raise malformed("a map with a key that has no value")
    keys = items[::2]
    try:
        result = dict(zip(keys, items[1::2]))
    except TypeError:
        raise malformed("a map with a list, a map, an array or a described value for a key") from None
    if len(result) != len(keys):
        # Keys that only Python thinks equal (ulong 1, long 1, true) are legal: the last of them wins. The same
        # key twice is not a map [1.6.23].
        seen = {(type(key), key) for key in keys}
        if len(seen) != len(keys):
            raise malformed("a map with the same key twice")
    return result


def _read_array8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Array, int]:
    stop = pos + 1 + buf[pos]
    return _read_elements(buf, pos + 2, stop, end, buf[pos + 1], limits), stop


def _read_array32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Array, int]:
    size, count = _unpack_pair(buf, pos)
    stop = pos + 4 + size
    return _read_elements(buf, pos + 8, stop, end, count, limits), stop


def _read_elements(buf: bytes, pos: int, stop: int, end: int, count: int, limits: Limits) -> Array:
    """The array whose element constructor is at `pos`, up to exactly `stop`."""
    if stop > end:
        raise _truncated()
    _enter(limits)
    descriptors: list[Any] = []
    code = buf[pos]
    while code == 0x00:  # the elements are described; or described values that are described, and so on
        if len(descriptors) >= limits[0]:
            raise malformed("more than %d descriptors for the elements of an array" % len(descriptors))
        descriptor, pos = _READERS[buf[pos + 1]](buf, pos + 2, stop, limits)
        descriptors.append(descriptor)
        code = buf[pos]
    pos += 1
    kind = _TYPE_OF_CODE.get(code)
    if kind is None:
        raise malformed("an array of elements with the unknown constructor 0x%02x" % code)
    if code in _WITHOUT_BYTES:
        limits[1] -= count
        if limits[1] < 0:
            raise malformed("more than %d array elements that take no bytes" % MAX_EMPTY_ELEMENTS)
    elif count > stop - pos:
        raise _truncated()
    read = _READERS[code]
    elements = []
    for _ in range(count):
        value, pos = read(buf, pos, stop, limits)
        elements.append(value)
    if pos != stop:
        raise malformed("an array of %d bytes more or less than its size says" % abs(stop - pos))
    for descriptor in descriptors[:0:-1]:
        kind, elements = Data.DESCRIBED, [Described(descriptor, element) for element in elements]
    limits[0] += 1
    return Array(descriptors[0] if descriptors else UNDESCRIBED, kind, *elements)


# -- what every reader needs ------------------------------------------------------------------------------


def _take(buf: bytes, pos: int, after: int, end: int) -> bytes:
    """The bytes from `pos` to `after`, which must be there."""
    if after > end:
        raise _truncated()
    return buf[pos:after]


def _enter(limits: Limits) -> None:
    """Go one level down, if that is still allowed."""
    if limits[0] <= 0:
        raise malformed("values nested deeper than %d levels" % MAX_DEPTH)
    limits[0] -= 1


def _truncated() -> RemoteProtocolError:
    return malformed("a value that promises more bytes than there are")


def _explained(e: Exception) -> RemoteProtocolError:
    """What the exceptions of Python mean when they come from reading bytes."""
    if isinstance(e, UnicodeDecodeError):
        return malformed("a %s that is not %s" % ("symbol" if e.encoding == "ascii" else "string", e.encoding))
    return _truncated()


def _unknown(code: int) -> Reader:
    def read(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
        raise malformed("the unknown constructor 0x%02x" % code)

    return read


#: By constructor: the type (a number of `Data`) and how to read it. [1.6]
_CONSTRUCTORS: dict[int, tuple[int, Reader]] = {
    0x00: (Data.DESCRIBED, _read_described),
    0x40: (Data.NULL, _constant(None)),
    0x41: (Data.BOOL, _constant(True)),
    0x42: (Data.BOOL, _constant(False)),
    0x43: (Data.UINT, _constant(_UINTS[0])),
    0x44: (Data.ULONG, _constant(_ULONGS[0])),
    0x45: (Data.LIST, lambda buf, pos, end, limits: ([], pos)),  # a new list each time: it can be changed
    0x50: (Data.UBYTE, _read_ubyte),
    0x51: (Data.BYTE, _read_byte),
    0x52: (Data.UINT, _read_smalluint),
    0x53: (Data.ULONG, _read_smallulong),
    0x54: (Data.INT, _read_smallint),
    0x55: (Data.LONG, _read_smalllong),
    0x56: (Data.BOOL, _read_boolean),
    0x60: (Data.USHORT, _integer(ushort, _unpack_ushort, 2)),
    0x61: (Data.SHORT, _integer(short, _unpack_short, 2)),
    0x70: (Data.UINT, _integer(uint, _unpack_uint, 4)),
    0x71: (Data.INT, _integer(int32, _unpack_int, 4)),
    0x72: (Data.FLOAT, _read_float),
    0x73: (Data.CHAR, _read_char),
    0x74: (Data.DECIMAL32, _integer(decimal32, _unpack_uint, 4)),
    0x80: (Data.ULONG, _integer(ulong, _unpack_ulong, 8)),
    0x81: (Data.LONG, _read_long),
    0x82: (Data.DOUBLE, _read_double),
    0x83: (Data.TIMESTAMP, _integer(timestamp, _unpack_long, 8)),
    0x84: (Data.DECIMAL64, _integer(decimal64, _unpack_ulong, 8)),
    0x94: (Data.DECIMAL128, _read_decimal128),
    0x98: (Data.UUID, _read_uuid),
    0xA0: (Data.BINARY, _read_binary8),
    0xA1: (Data.STRING, _read_string8),
    0xA3: (Data.SYMBOL, _read_symbol8),
    0xB0: (Data.BINARY, _read_binary32),
    0xB1: (Data.STRING, _read_string32),
    0xB3: (Data.SYMBOL, _read_symbol32),
    0xC0: (Data.LIST, _read_list8),
    0xC1: (Data.MAP, _read_map8),
    0xD0: (Data.LIST, _read_list32),
    0xD1: (Data.MAP, _read_map32),
    0xE0: (Data.ARRAY, _read_array8),
    0xF0: (Data.ARRAY, _read_array32),
}
_READERS: tuple[Reader, ...] = tuple(
    _CONSTRUCTORS[code][1] if code in _CONSTRUCTORS else _unknown(code) for code in range(256)
)
_TYPE_OF_CODE = {code: kind for code, (kind, _) in _CONSTRUCTORS.items() if code != 0x00}
_WITHOUT_BYTES = frozenset({0x40, 0x41, 0x42, 0x43, 0x44, 0x45})
