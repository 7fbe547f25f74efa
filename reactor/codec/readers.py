"""One reader for each constructor of AMQP [1.6], and the table of them.

Only `decode` enters, which is the door for all others. A reader is called with the position behind the
constructor and answers the value and the position behind that. `end` is where the surrounding value stops: a
reader may read behind it, as long as the position that it answers shows it. The surrounding reader compares.

Nothing is allocated by a size or a count before the bytes for it are known to be there, and nesting is
bounded.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from reactor.codec.types import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    Pairs,
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
from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import uuid
    from typing import Any, Callable
else:
    uuid = Lazily("uuid")


#: How deep lists, maps, arrays and described values may be nested: far more than any application needs, far less
#: than Python's own stack.
MAX_DEPTH = 64
#: How many elements without bytes (null, true, 0, an empty list) the arrays of one frame, or of one section of
#: a message, may hold together: four bytes can promise four billion of them.
MAX_EMPTY_ELEMENTS = 256
#: How many a body may hold, however short it is; it may hold one more for each of its bytes.
MAX_EMPTY_ELEMENTS_OF_BODY = 1024
#: Up to so many entries a map is a dict whatever its keys are: that they collide costs little then.
FEW = 64
#: How many places of a dict's table each key may be tried at, on average, before the map is not made a dict.
PATIENCE = 32

if TYPE_CHECKING:
    Limits = list[int]  # levels of nesting left, elements without bytes left
    Reader = Callable[[bytes, int, int, Limits], tuple[Any, int]]

#: Python's exceptions for missing or wrong bytes; `explained` puts them in the words of AMQP.
MALFORMED = (IndexError, StructError, UnicodeDecodeError)

_unpack_ushort = Struct(">H").unpack_from
_unpack_uint = Struct(">I").unpack_from
_unpack_ulong = Struct(">Q").unpack_from
_unpack_short = Struct(">h").unpack_from
_unpack_int = Struct(">i").unpack_from
_unpack_long = Struct(">q").unpack_from
_unpack_float = Struct(">f").unpack_from
_unpack_double = Struct(">d").unpack_from
_unpack_pair = Struct(">II").unpack_from

# Values off the wire are in range already: the constructors that check are not needed.
_new_int = int.__new__
_new_str = str.__new__
_UBYTES = tuple(_new_int(ubyte, n) for n in range(256))
_UINTS = tuple(_new_int(uint, n) for n in range(256))
SMALL_ULONGS = tuple(_new_int(ulong, n) for n in range(256))


def body_limits(size: int) -> Limits:
    """The limits for a body of so many bytes: work and memory stay in proportion to the size."""
    return [MAX_DEPTH, MAX_EMPTY_ELEMENTS_OF_BODY + size]


def malformed(description: str) -> RemoteProtocolError:
    """The error for bytes that are not AMQP."""
    return RemoteProtocolError(DECODE_ERROR, description)


def take(buf: bytes, pos: int, after: int, end: int) -> bytes:
    """The bytes from `pos` to `after`, which must be there."""
    if after > end:
        raise truncated()
    return buf[pos:after]


def enter(limits: Limits) -> None:
    """Go one level down, if that is still allowed."""
    if limits[0] <= 0:
        raise malformed("values nested deeper than %d levels" % MAX_DEPTH)
    limits[0] -= 1


def truncated() -> RemoteProtocolError:
    return malformed("a value that promises more bytes than there are")


def explained(e: Exception) -> RemoteProtocolError:
    """The meaning of Python's exceptions when they come from reading bytes."""
    if isinstance(e, UnicodeDecodeError):
        return malformed("a %s that is not %s" % ("symbol" if e.encoding == "ascii" else "string", e.encoding))
    return truncated()


# -- fixed and variable width ----------------------------------------------------------------------------


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
    return SMALL_ULONGS[buf[pos]], pos + 1


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
    value = _unpack_float(buf, pos)[0]
    if value != value:
        # Python makes every NaN a quiet one on the way to a double: move the bits by hand.
        bits = _unpack_uint(buf, pos)[0]
        wide = (bits & 0x80000000) << 32 | 0x7FF << 52 | (bits & 0x7FFFFF) << 29
        value = _unpack_double(wide.to_bytes(8, "big"))[0]
    return float32(value), pos + 4


def _read_decimal128(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[bytes, int]:
    return decimal128(take(buf, pos, pos + 16, end)), pos + 16


def _read_uuid(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[uuid.UUID, int]:
    return uuid.UUID(bytes=take(buf, pos, pos + 16, end)), pos + 16


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
    return take(buf, pos + 4, after, end), after


def _read_string8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 1 + buf[pos]
    return buf[pos + 1 : after].decode(), after


def _read_string32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 4 + _unpack_uint(buf, pos)[0]
    return take(buf, pos + 4, after, end).decode(), after


def _read_symbol8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 1 + buf[pos]
    return _new_str(symbol, buf[pos + 1 : after], "ascii"), after


def _read_symbol32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[str, int]:
    after = pos + 4 + _unpack_uint(buf, pos)[0]
    return _new_str(symbol, take(buf, pos + 4, after, end), "ascii"), after


def _read_described(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Described, int]:
    enter(limits)
    descriptor, pos = READERS[buf[pos]](buf, pos + 1, end, limits)
    value, pos = READERS[buf[pos]](buf, pos + 1, end, limits)
    limits[0] += 1
    return Described(descriptor, value), pos


def _read_list8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[list[Any], int]:
    stop = pos + 1 + buf[pos]
    return _read_items(buf, pos + 2, stop, end, buf[pos + 1], limits), stop


def _read_list32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[list[Any], int]:
    size, count = _unpack_pair(buf, pos)
    stop = pos + 4 + size
    return _read_items(buf, pos + 8, stop, end, count, limits), stop


def _read_map8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
    stop = pos + 1 + buf[pos]
    return _paired(_read_items(buf, pos + 2, stop, end, buf[pos + 1], limits)), stop


def _read_map32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Any, int]:
    size, count = _unpack_pair(buf, pos)
    stop = pos + 4 + size
    return _paired(_read_items(buf, pos + 8, stop, end, count, limits)), stop


def _read_items(buf: bytes, pos: int, stop: int, end: int, count: int, limits: Limits) -> list[Any]:
    """The `count` values of a list or map that lie from `pos` to exactly `stop`."""
    if stop > end or count > stop - pos:
        raise truncated()
    enter(limits)
    items: list[Any] = []
    # Strings and small numbers inline: most application properties are such.
    while pos < stop:
        code = buf[pos]
        pos += 1
        if code == 0xA1:
            start = pos + 1
            pos = start + buf[pos]
            items.append(buf[start:pos].decode())
        elif code == 0xA3:
            start = pos + 1
            pos = start + buf[pos]
            items.append(_new_str(symbol, buf[start:pos], "ascii"))
        elif code == 0x55:
            items.append((buf[pos] ^ 0x80) - 0x80)
            pos += 1
        else:
            value, pos = READERS[code](buf, pos, stop, limits)
            items.append(value)
    if pos != stop or len(items) != count:
        raise malformed("a list or map whose size or count is not that of its values")
    limits[0] += 1
    return items


def _paired(items: list[Any]) -> Any:
    """The map of alternating keys and values: a dict, or `Pairs` where a dict would lose entries or time."""
    if len(items) % 2:
        raise malformed("a map with a key that has no value")
    keys = items[::2]
    try:
        if len(keys) > FEW and not _SALTED.issuperset(map(type, keys)) and _crowded(list(map(hash, keys))):
            return _pairs_of(items, keys)
        result = dict(zip(keys, items[1::2]))
    except TypeError:  # a key that is a list, a map, an array or described
        return Pairs(zip(keys, items[1::2]))
    return result if len(result) == len(keys) else _pairs_of(items, keys)


def _pairs_of(items: list[Any], keys: list[Any]) -> Pairs:
    """Entries with keys that only Python thinks equal (ulong 1, long 1, true), or that collide. The same key twice
    is not a map [1.6.23]."""
    if len({(type(key), repr(key)) for key in keys}) != len(keys):
        raise malformed("a map with the same key twice")
    return Pairs(zip(keys, items[1::2]))


#: Keys with hashes that no peer can choose: Python mixes them with a secret, or there are only three of them.
_SALTED = frozenset({str, symbol, char, bytes, decimal128, bool, type(None)})


def _crowded(hashes: list[int]) -> bool:
    """Whether a dict of keys with these hashes would try too many places for each of them.

    The hashes of numbers and UUIDs are plain arithmetic: a peer can choose keys which all belong at one place, or
    with ways through the table that meet, and each then costs as much as all before it. So the places are looked at
    first, as CPython and PyPy do, in the table that the dict will have, and in the next larger one, which a copy
    may have.
    """
    bits = 3
    while (2 << bits) // 3 < len(hashes):
        bits += 1
    for size in (1 << bits, 2 << bits):
        mask, taken, tries = size - 1, bytearray(size), PATIENCE * len(hashes)
        for number in hashes:
            place = number & mask
            perturb = number & 0xFFFFFFFFFFFFFFFF
            while taken[place]:
                tries -= 1
                perturb >>= 5
                place = (place * 5 + perturb + 1) & mask
            taken[place] = 1
            if tries < 0:
                return True
    return False


def _read_array8(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Array, int]:
    stop = pos + 1 + buf[pos]
    return _read_elements(buf, pos + 2, stop, end, buf[pos + 1], limits), stop


def _read_array32(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Array, int]:
    size, count = _unpack_pair(buf, pos)
    stop = pos + 4 + size
    return _read_elements(buf, pos + 8, stop, end, count, limits), stop


def _read_elements(buf: bytes, pos: int, stop: int, end: int, count: int, limits: Limits) -> Array:
    """The array with its element constructor at `pos`, up to exactly `stop`."""
    if stop > end:
        raise truncated()
    enter(limits)
    descriptors: list[Any] = []
    code = buf[pos]
    while code == 0x00:  # the elements are described; or described values that are described, and so on
        if len(descriptors) >= limits[0]:
            raise malformed("more than %d descriptors for the elements of an array" % len(descriptors))
        descriptor, pos = READERS[buf[pos + 1]](buf, pos + 2, stop, limits)
        descriptors.append(descriptor)
        code = buf[pos]
    pos += 1
    kind = _TYPE_OF_CODE.get(code)
    if kind is None:
        raise malformed("an array of elements with the unknown constructor 0x%02x" % code)
    if code in _WITHOUT_BYTES:
        limits[1] -= count
        if limits[1] < 0:
            raise malformed("too many array elements that take no bytes")
    elif count > stop - pos:
        raise truncated()
    if len(descriptors) > 1:  # each but the first makes a Described of each element
        limits[1] -= count * (len(descriptors) - 1)
        if limits[1] < 0:
            raise malformed("too many array elements with several descriptors")
    read = READERS[code]
    elements = []
    for _ in range(count):
        value, pos = read(buf, pos, stop, limits)
        elements.append(value)
    if pos != stop:
        raise malformed("an array whose size is not that of its elements")
    for descriptor in descriptors[:0:-1]:
        kind, elements = Data.DESCRIBED, [Described(descriptor, element) for element in elements]
    limits[0] += 1
    return Array(descriptors[0] if descriptors else UNDESCRIBED, kind, *elements)


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
    0x44: (Data.ULONG, _constant(SMALL_ULONGS[0])),
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
READERS: tuple[Reader, ...] = tuple(
    _CONSTRUCTORS[code][1] if code in _CONSTRUCTORS else _unknown(code) for code in range(256)
)
_TYPE_OF_CODE = {code: kind for code, (kind, _) in _CONSTRUCTORS.items() if code != 0x00}
_WITHOUT_BYTES = frozenset({0x40, 0x41, 0x42, 0x43, 0x44, 0x45})
