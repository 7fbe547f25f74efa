"""Values to bytes: every AMQP type, and the writers that the fields of frames and messages are written with.

`write_value` finds the AMQP type by the Python type, for the application; `FIELD_WRITERS` holds a writer for
each type that a field can have, for `performatives` and `message`. Both know no connection and no frame.

Of several encodings the smallest is chosen for every number, string, symbol, binary and boolean, and for the
empty list. Lists and maps with content, and arrays, are written in their 32 bit forms, byte for byte as
Proton writes them: a value that passed through here looks as before, and a list is written in one go, without
knowing its size first. (The lists that frames and sections consist of are small when they fit; see
`write_list`.)

A value that AMQP has no type for, or a number that its type cannot hold, raises DataException.
"""

from __future__ import annotations

from struct import Struct

from reactor.codec.dicts import AnnotationDict, PropertyDict, SymbolList
from reactor.codec.types import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
    Pairs,
    byte,
    char,
    clipped,
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
from reactor.codec.writers import (
    UNWRITABLE,
    nan_bits,
    write_binary,
    write_boolean,
    write_byte,
    write_char,
    write_decimal32,
    write_decimal64,
    write_decimal128,
    write_double,
    write_float,
    write_int,
    write_long,
    write_null,
    write_short,
    write_string,
    write_symbol,
    write_timestamp,
    write_ubyte,
    write_uint,
    write_ulong,
    write_ushort,
    write_uuid,
)
from reactor.errors import DataException
from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable
    from typing import Any

    from reactor.codec.writers import Writer
else:
    uuid = Lazily("uuid")


_pack_float = Struct(">f").pack
_pack_sizes = Struct(">BII").pack
_pack_sizes_into = Struct(">BII").pack_into


def encode_value(value: Any) -> bytes:
    """The encoding of any value. Raises DataException that names the value that cannot be written."""
    out = bytearray()
    write_value(out, value)
    return bytes(out)


def write_value(out: bytearray, value: Any) -> None:
    """Append the encoding of any value to `out`. Raises DataException; `out` is then not to be used."""
    try:
        _WRITERS.get(type(value), _write_other)(out, value)
    except DataException:
        raise
    except RecursionError:
        raise DataException("values nested too deeply, or within themselves") from None
    except UNWRITABLE as e:
        raise DataException("%s cannot be written as AMQP: %s" % (clipped(value), e)) from None


# -- the compound types -----------------------------------------------------------------------------------


def write_sequence(out: bytearray, value: Iterable[Any]) -> None:
    """A list of any values; any iterable will do."""
    items = value if isinstance(value, (list, tuple)) else list(value)
    if not items:
        out.append(0x45)
        return
    start = len(out)
    out += b"\xd0\0\0\0\0\0\0\0\0"
    _write_items(out, items)
    _pack_sizes_into(out, start, 0xD0, len(out) - start - 5, len(items))


def write_map(out: bytearray, value: Any) -> None:
    """A map of any keys and values."""
    start = len(out)
    out += b"\xd1\0\0\0\0\0\0\0\0"
    for key, item in value.items():
        _WRITERS.get(type(key), _write_other)(out, key)
        _WRITERS.get(type(item), _write_other)(out, item)
    _pack_sizes_into(out, start, 0xD1, len(out) - start - 5, 2 * len(value))


def write_annotations(out: bytearray, value: Any) -> None:
    """A map with keys that are symbols, or ulongs: the type of `fields` [2.7] and annotations [3.2.10].

    Plain strings and ints become these: some peers close the connection because of a key of another type.
    """
    start = len(out)
    out += b"\xd1\0\0\0\0\0\0\0\0"
    for key, item in value.items():
        if isinstance(key, str):
            write_symbol(out, key)
        elif isinstance(key, int) and key >= 0 and key is not True and key is not False:
            write_ulong(out, key)
        else:
            raise DataException("the key %s is neither a symbol nor a ulong" % clipped(key))
        _WRITERS.get(type(item), _write_other)(out, item)
    _pack_sizes_into(out, start, 0xD1, len(out) - start - 5, 2 * len(value))


def write_keyed_by_strings(out: bytearray, value: Any) -> None:
    """A map of strings to simple values: application properties [3.2.5]."""
    start = len(out)
    out += b"\xd1\0\0\0\0\0\0\0\0"
    for key, item in value.items():
        if not isinstance(key, str):
            raise DataException("the key %s is not a str" % clipped(key))
        write_string(out, key)
        try:
            _SIMPLE_WRITERS.get(type(item), _write_other_simple)(out, item)
        except UNWRITABLE as e:
            raise DataException("the value of %s: %s" % (clipped(key), e)) from None
    _pack_sizes_into(out, start, 0xD1, len(out) - start - 5, 2 * len(value))


def write_list(out: bytearray, body: bytearray, count: int) -> None:
    """The list of `count` values with the encodings `body`, in the smallest form."""
    if not count:
        out.append(0x45)
    elif len(body) < 255 and count <= 255:
        out += bytes((0xC0, len(body) + 1, count))
        out += body
    else:
        out += _pack_sizes(0xD0, len(body) + 4, count)
        out += body


def write_described(out: bytearray, value: Described) -> None:
    out.append(0x00)
    write_value(out, value.descriptor)
    write_value(out, value.value)


def write_array(out: bytearray, value: Array) -> None:
    """An array: one constructor, then the elements, each in the widest form of its type."""
    start = len(out)
    out += b"\xf0\0\0\0\0\0\0\0\0"
    if value.descriptor is not UNDESCRIBED:
        out.append(0x00)
        write_value(out, value.descriptor)
    write_elements(out, value.type, value.elements)
    _pack_sizes_into(out, start, 0xF0, len(out) - start - 5, len(value.elements))


def _write_items(out: bytearray, items: Iterable[Any]) -> None:
    for item in items:
        _WRITERS.get(type(item), _write_other)(out, item)


def write_elements(out: bytearray, kind: int, elements: Any) -> None:
    """The constructor of an array's elements, and the elements."""
    if kind == Data.DESCRIBED:
        _write_described_elements(out, elements)
        return
    try:
        code, write = _ELEMENT_WRITERS[kind]
    except (KeyError, TypeError):
        raise DataException(
            "%r is not the number of a type, as in Array(UNDESCRIBED, Data.INT, 1, 2)" % (kind,)
        ) from None
    out.append(code)
    for element in elements:
        try:
            write(out, element)
        except UNWRITABLE as e:
            raise DataException(
                "an array of %s cannot hold %s: %s" % (Data.type_names[kind], clipped(element), e)
            ) from None


def _write_described_elements(out: bytearray, elements: Any) -> None:
    """Elements that are Described themselves must agree on descriptor and type: both are written once."""
    if not elements:
        raise DataException("an array of described values without elements has no type; give it a descriptor")
    first = elements[0]
    if not all(type(e) is Described and e.descriptor == first.descriptor for e in elements):
        raise DataException("the elements of an array of described values must have the same descriptor")
    kinds = {type_of(element.value) for element in elements}
    if len(kinds) > 1:
        raise DataException("the elements of an array must be of the same type")
    out.append(0x00)
    write_value(out, first.descriptor)
    write_elements(out, kinds.pop(), [element.value for element in elements])


# -- the elements of arrays: without a constructor, and all of the same width ------------------------------


def _packed(format: str) -> Writer:
    pack = Struct(format).pack

    def write(out: bytearray, value: Any) -> None:
        out += pack(value)

    return write


def _element_null(out: bytearray, value: Any) -> None:
    if value is not None:
        raise DataException("it is not None")


def _element_float(out: bytearray, value: float) -> None:
    out += _pack_float(value) if value == value else nan_bits(value)


def _element_char(out: bytearray, value: str) -> None:
    out += ord(char(value)).to_bytes(4, "big")


def _element_decimal128(out: bytearray, value: bytes) -> None:
    out += decimal128(value)


def _element_uuid(out: bytearray, value: uuid.UUID) -> None:
    out += value.bytes


def _element_binary(out: bytearray, value: bytes) -> None:
    raw = bytes(memoryview(value))
    out += len(raw).to_bytes(4, "big")
    out += raw


def _element_string(out: bytearray, value: str) -> None:
    raw = value.encode()
    out += len(raw).to_bytes(4, "big")
    out += raw


def _element_symbol(out: bytearray, value: str) -> None:
    raw = value.encode("ascii")
    out += len(raw).to_bytes(4, "big")
    out += raw


def _element_list(out: bytearray, value: Any) -> None:
    body = bytearray()
    _write_items(body, value)
    out += _pack_sizes(0, len(body) + 4, len(value))[1:]
    out += body


def _element_map(out: bytearray, value: Any) -> None:
    body = bytearray()
    write_map(body, value)
    out += body[1:]


def _element_array(out: bytearray, value: Array) -> None:
    body = bytearray()
    write_array(body, value)
    out += body[1:]


_ELEMENT_WRITERS: dict[int, tuple[int, Writer]] = {
    Data.NULL: (0x40, _element_null),
    Data.BOOL: (0x56, _packed(">?")),
    Data.UBYTE: (0x50, _packed(">B")),
    Data.BYTE: (0x51, _packed(">b")),
    Data.USHORT: (0x60, _packed(">H")),
    Data.SHORT: (0x61, _packed(">h")),
    Data.UINT: (0x70, _packed(">I")),
    Data.INT: (0x71, _packed(">i")),
    Data.CHAR: (0x73, _element_char),
    Data.ULONG: (0x80, _packed(">Q")),
    Data.LONG: (0x81, _packed(">q")),
    Data.TIMESTAMP: (0x83, _packed(">q")),
    Data.FLOAT: (0x72, _element_float),
    Data.DOUBLE: (0x82, _packed(">d")),
    Data.DECIMAL32: (0x74, _packed(">I")),
    Data.DECIMAL64: (0x84, _packed(">Q")),
    Data.DECIMAL128: (0x94, _element_decimal128),
    Data.UUID: (0x98, _element_uuid),
    Data.BINARY: (0xB0, _element_binary),
    Data.STRING: (0xB1, _element_string),
    Data.SYMBOL: (0xB3, _element_symbol),
    Data.ARRAY: (0xF0, _element_array),
    Data.LIST: (0xD0, _element_list),
    Data.MAP: (0xD1, _element_map),
}


# -- which writer for which value -------------------------------------------------------------------------

#: By Python type: the number of the AMQP type and its writer.
TYPES: dict[type, tuple[int, Writer]] = {
    type(None): (Data.NULL, write_null),
    bool: (Data.BOOL, write_boolean),
    ubyte: (Data.UBYTE, write_ubyte),
    byte: (Data.BYTE, write_byte),
    ushort: (Data.USHORT, write_ushort),
    short: (Data.SHORT, write_short),
    uint: (Data.UINT, write_uint),
    int32: (Data.INT, write_int),
    char: (Data.CHAR, write_char),
    ulong: (Data.ULONG, write_ulong),
    timestamp: (Data.TIMESTAMP, write_timestamp),
    float32: (Data.FLOAT, write_float),
    float: (Data.DOUBLE, write_double),
    decimal32: (Data.DECIMAL32, write_decimal32),
    decimal64: (Data.DECIMAL64, write_decimal64),
    decimal128: (Data.DECIMAL128, write_decimal128),
    int: (Data.LONG, write_long),
    bytes: (Data.BINARY, write_binary),
    bytearray: (Data.BINARY, write_binary),
    memoryview: (Data.BINARY, write_binary),
    symbol: (Data.SYMBOL, write_symbol),
    str: (Data.STRING, write_string),
    Described: (Data.DESCRIBED, write_described),
    Array: (Data.ARRAY, write_array),
    list: (Data.LIST, write_sequence),
    tuple: (Data.LIST, write_sequence),
    dict: (Data.MAP, write_map),
    Pairs: (Data.MAP, write_map),
    PropertyDict: (Data.MAP, write_map),
    AnnotationDict: (Data.MAP, write_map),
    SymbolList: (Data.LIST, write_sequence),
}
_WRITERS: dict[type, Writer] = {cls: writer for cls, (_, writer) in TYPES.items()}
_COMPOUND = frozenset({Data.DESCRIBED, Data.ARRAY, Data.LIST, Data.MAP})
_SIMPLE_WRITERS = {cls: writer for cls, (kind, writer) in TYPES.items() if kind not in _COMPOUND}


def _known_base(value: Any) -> type:
    """The nearest base class of a value that has an AMQP type: an IntEnum is an int, a namedtuple a tuple."""
    for base in type(value).__mro__:
        if base in TYPES:
            return base
    if isinstance(value, uuid.UUID):  # the first one; before, the type was not asked for
        TYPES[uuid.UUID] = (Data.UUID, write_uuid)
        _WRITERS[uuid.UUID] = _SIMPLE_WRITERS[uuid.UUID] = write_uuid
        return uuid.UUID
    raise DataException("%s (%s) has no AMQP type" % (clipped(value), type(value).__name__))


def _write_other(out: bytearray, value: Any) -> None:
    TYPES[_known_base(value)][1](out, value)


def _write_other_simple(out: bytearray, value: Any) -> None:
    kind, write = TYPES[_known_base(value)]
    if kind in _COMPOUND:
        raise DataException("it is %s, and only simple values are allowed [3.2.5]" % clipped(value))
    write(out, value)


def type_of(value: Any) -> int:
    """The number of the AMQP type of a Python object, as in `Data`; DataException for one that has none."""
    return TYPES[_known_base(value)][0]


def _write_message_id(out: bytearray, value: Any) -> None:
    """A message-id [3.2.11]: a str, bytes, a UUID, or a number, which travels as ulong."""
    if isinstance(value, str):
        write_string(out, value)
    elif isinstance(value, int):
        write_ulong(out, value)
    elif isinstance(value, uuid.UUID):
        write_uuid(out, value)
    else:
        write_binary(out, value)


#: By the specification's name of a primitive type: how a field of that type is written.
FIELD_WRITERS: dict[str, Writer] = {
    "boolean": write_boolean,
    "ubyte": write_ubyte,
    "ushort": write_ushort,
    "uint": write_uint,
    "ulong": write_ulong,
    "timestamp": write_timestamp,
    "binary": write_binary,
    "string": write_string,
    "symbol": write_symbol,
    "map": write_map,
    "*": write_value,
    "fields": write_annotations,
    "message-id": _write_message_id,
    "address": write_string,
}
