"""One writer for each primitive type of AMQP [1.6]: the constructor and the value, in the smallest encoding.

Only `encode` enters, which is the door for all others. A writer appends to a bytearray; for a value that its type
cannot hold it raises one of `UNWRITABLE`, and the caller, which knows the field of the value, names it.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from reactor.codec.types import char, clipped, decimal128
from reactor.errors import DataException
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from typing import Any, Callable

    Writer = Callable[[bytearray, Any], None]

_pack_code_ushort = Struct(">BH").pack
_pack_code_uint = Struct(">BI").pack
_pack_code_ulong = Struct(">BQ").pack
_pack_code_short = Struct(">Bh").pack
_pack_code_int = Struct(">Bi").pack
_pack_code_long = Struct(">Bq").pack
_pack_code_float = Struct(">Bf").pack
_pack_code_double = Struct(">Bd").pack
_pack_double = Struct(">d").pack

# The first two bytes of everything that fits the small encodings, ready made.
_SMALL_UINT = (b"\x43", *(bytes((0x52, n)) for n in range(1, 256)))
_SMALL_ULONG = (b"\x44", *(bytes((0x53, n)) for n in range(1, 256)))
_SMALL_BINARY = tuple(bytes((0xA0, n)) for n in range(256))
_SMALL_STRING = tuple(bytes((0xA1, n)) for n in range(256))
_SMALL_SYMBOL = tuple(bytes((0xA3, n)) for n in range(256))

#: Python's exceptions when a value does not fit its writer.
UNWRITABLE = (TypeError, ValueError, OverflowError, AttributeError, StructError, RecursionError,
DataException)


def write_null(out: bytearray, value: None) -> None:
    out.append(0x40)


def write_boolean(out: bytearray, value: Any) -> None:
    out.append(0x41 if value else 0x42)


def write_ubyte(out: bytearray, value: int) -> None:
    out += bytes((0x50, value))


def write_ushort(out: bytearray, value: int) -> None:
    out += _pack_code_ushort(0x60, value)


def write_uint(out: bytearray, value: int) -> None:
    out += _SMALL_UINT[value] if 0 <= value <= 255 else _pack_code_uint(0x70, value)


def write_ulong(out: bytearray, value: int) -> None:
    out += _SMALL_ULONG[value] if 0 <= value <= 255 else _pack_code_ulong(0x80, value)


def write_byte(out: bytearray, value: int) -> None:
    if not -128 <= value <= 127:
        raise DataException("%r does not fit a byte: -128 to 127" % (value,))
    out += bytes((0x51, value & 0xFF))


def write_short(out: bytearray, value: int) -> None:
    out += _pack_code_short(0x61, value)


def write_int(out: bytearray, value: int) -> None:
    out += bytes((0x54, value & 0xFF)) if -128 <= value <= 127 else _pack_code_int(0x71, value)


def write_long(out: bytearray, value: int) -> None:
    if -128 <= value <= 127:
        out += bytes((0x55, value & 0xFF))
        return
    try:
        out += _pack_code_long(0x81, value)
    except StructError:
        raise DataException(
            "the int %s does not fit a long (64 bits with sign); "
            "reactor.ulong holds numbers up to 2**64 - 1" % clipped(value)
        ) from None


def write_float(out: bytearray, value: float) -> None:
    out += _pack_code_float(0x72, value) if value == value else b"\x72" + nan_bits(value)


def nan_bits(value: float) -> bytes:
    """The 32 bits of a NaN: Python would make each a quiet one."""
    bits = int.from_bytes(_pack_double(value), "big")
    payload = bits >> 29 & 0x7FFFFF or 0x400000  # none at all would be infinity
    return (bits >> 32 & 0x80000000 | 0x7F800000 | payload).to_bytes(4, "big")


def write_double(out: bytearray, value: float) -> None:
    out += _pack_code_double(0x82, value)


def write_char(out: bytearray, value: str) -> None:
    out += _pack_code_uint(0x73, ord(char(value)))


def write_timestamp(out: bytearray, value: int) -> None:
    out += _pack_code_long(0x83, value)


def write_decimal32(out: bytearray, value: int) -> None:
    out += _pack_code_uint(0x74, value)


def write_decimal64(out: bytearray, value: int) -> None:
    out += _pack_code_ulong(0x84, value)


def write_decimal128(out: bytearray, value: bytes) -> None:
    out.append(0x94)
    out += decimal128(value)


def write_uuid(out: bytearray, value: uuid.UUID) -> None:
    out.append(0x98)
    out += value.bytes


def write_binary(out: bytearray, value: Any) -> None:
    if not isinstance(value, bytes):
        if not isinstance(value, (bytearray, memoryview)):
            raise DataException("it is not bytes but %s" % type(value).__name__)
        value = bytes(value)
    size = len(value)
    out += _SMALL_BINARY[size] if size <= 255 else _pack_code_uint(0xB0, size)
    out += value


def write_string(out: bytearray, value: str) -> None:
    raw = value.encode()
    size = len(raw)
    out += _SMALL_STRING[size] if size <= 255 else _pack_code_uint(0xB1, size)
    out += raw


def write_symbol(out: bytearray, value: str) -> None:
    raw = value.encode("ascii")
    size = len(raw)
    out += _SMALL_SYMBOL[size] if size <= 255 else _pack_code_uint(0xB3, size)
    out += raw
