"""Rows of part 1: described types, encodings, and the primitive types. They need no connection."""

from __future__ import annotations

import math
import struct
from typing import Any
from uuid import UUID

from tests.conformance.engine import Codec
from tests.conformance.table import DUTY, IS, MUST, POLICING, TOLERANCE, codec

#: The constructors of each type, by their first octet.
CONSTRUCTORS = {
    "null": "40",
    "boolean": "56 41 42",
    "ubyte": "50",
    "ushort": "60",
    "uint": "70 52 43",
    "ulong": "80 53 44",
    "byte": "51",
    "short": "61",
    "int": "71 54",
    "long": "81 55",
    "float": "72",
    "double": "82",
    "decimal32": "74",
    "decimal64": "84",
    "decimal128": "94",
    "char": "73",
    "timestamp": "83",
    "uuid": "98",
    "binary": "a0 b0",
    "string": "a1 b1",
    "symbol": "a3 b3",
    "list": "45 c0 d0",
    "map": "c1 d1",
    "array": "e0 f0",
}


def is_a(kind: str, data: bytes) -> bool:
    """Whether an encoding is one of this type."""
    return data[0] in bytes.fromhex(CONSTRUCTORS[kind])


def read(section: str, name: str, kind: str, text: str, *cases: tuple[str, Any]) -> None:
    """A row: each of these encodings (hexadecimal) is that value of that type, and stays so when it is written."""

    def show(one: Codec) -> None:
        for encoded, value in cases:
            data = bytes.fromhex(encoded)
            found = one.decode(data)
            assert found == value, f"{encoded} is read as {found!r}"
            assert isinstance(found, bool) == isinstance(value, bool)
            again = one.encode(found)
            assert is_a(kind, again), f"{encoded} is written as {again.hex()}"
            assert one.decode(again) == value

    show.__name__ = name
    codec(section, IS, text)(show)


def write(section: str, name: str, kind: str, text: str, *values: Any) -> None:
    """A row: these values ("ubyte", 5) are written as that type, and read as what they were."""

    def show(one: Codec) -> None:
        for made in values:
            value = getattr(one.types, made[0])(*made[1:]) if isinstance(made, tuple) else made
            data = one.encode(value)
            assert is_a(kind, data), f"{value!r} is written as {data.hex()}"
            assert one.decode(data) == value, f"{value!r} is read as {one.decode(data)!r}"

    show.__name__ = name
    codec(section, IS, text)(show)


def refuse(section: str, name: str, text: str, *encodings: str) -> None:
    """A row: none of these encodings is a value."""

    def show(one: Codec) -> None:
        for encoded in encodings:
            one.refuses(bytes.fromhex(encoded))

    show.__name__ = name
    codec(section, IS, text, POLICING)(show)


def too_large(section: str, name: str, text: str, *values: tuple[str, int]) -> None:
    """A row: these values do not fit their type, and are refused when they are made or written."""

    def show(one: Codec) -> None:
        for kind, number in values:
            try:
                data = one.encode(getattr(one.types, kind)(number))
            except Exception:
                continue
            raise AssertionError(f"{kind} {number} is written as {data.hex()}")

    show.__name__ = name
    codec(section, IS, text, DUTY)(show)


# -- 1.1, 1.2 --------------------------------------------------------------------------------------------------


@codec("1.1.2", IS, "A value may be described: by a symbol, or by a number")
def described(one: Codec) -> None:
    for encoded in ("00a301785401", "00530a5401", "00800000000a00000001a10178"):
        value = one.decode(bytes.fromhex(encoded))
        assert value.value in (1, "x") and value.descriptor in ("x", 10, 0xA00000001)
        assert one.decode(one.encode(value)) == value


@codec("1.1.2", IS, "Who does not know a description reads what is described")
def described_value(one: Codec) -> None:
    value = one.decode(bytes.fromhex("00a303783a79" + "c00401a10161"))  # x:y of a list
    assert value.value == ["a"]


@codec("1.1.2", IS, "What is described may be described itself")
def described_twice(one: Codec) -> None:
    value = one.decode(bytes.fromhex("005301005302a10178"))
    assert (value.descriptor, value.value.descriptor, value.value.value) == (1, 2, "x")


@codec("1.1.2", IS, "A descriptor of another type than symbol or ulong is reserved, and no fault of syntax", TOLERANCE)
def reserved_descriptor(one: Codec) -> None:
    value = one.decode(bytes.fromhex("00a101785401"))
    assert (value.descriptor, value.value) == ("x", 1)


@codec("1.2", IS, "A constructor says how to read what follows; what is none is refused", POLICING)
def unknown_constructor(one: Codec) -> None:
    for octet in (0x01, 0x3F, 0x46, 0x57, 0x75, 0x99, 0xA2, 0xC2, 0xE1, 0xFF):
        one.refuses(bytes((octet,)) + bytes(20))


@codec("1.2", IS, "Numbers are in network order")
def network_order(one: Codec) -> None:
    assert one.decode(bytes.fromhex("700a0b0c0d")) == 0x0A0B0C0D
    assert one.encode(one.types.uint(0x0A0B0C0D)) == bytes.fromhex("700a0b0c0d")


refuse("1.2.1", "cut_fixed", "A value of fixed width that is cut off is refused", "",
       "50", "6000", "700000", "98" + "00" * 15)
refuse("1.2.2", "cut_variable", "A value of variable width that is cut off is refused",
       "a0", "a00201", "a10361", "b000000002", "b10000000361", "a3ff78")
refuse("1.2.3", "cut_compound", "A list or map that is cut off is refused",
       "c0", "c003", "c0030140", "d00000000801", "c10401a1")
refuse("1.2.3", "count_too_large", "A count of items that do not fit the size is refused",
       "c0020540", "d000000005000000ff40", "c1020640", "d0000000057fffffff40")
refuse("1.2.3", "size_too_large", "A size that goes beyond what there is is refused", "c0ff0140",
       "d07fffffff0000000140")
refuse("1.2.4", "cut_array", "An array that is cut off is refused", "e0", "e00502", "e0050250", "f00000000a00000002")
refuse("1.2.4", "array_count", "An array with more elements than fit its size is refused",
       "e003ff5001", "f000000007ffffffff7000")


@codec("1.2.3", IS, "What a list's size leaves behind its items is refused", POLICING)
def rest_in_a_list(one: Codec) -> None:
    one.refuses(bytes.fromhex("c00401404040"))


@codec("1.2.3", IS, "Lists in lists are read to a depth that does no harm", TOLERANCE)
def depth(one: Codec) -> None:
    data = b"\x40"
    for _ in range(20):
        data = b"\xd0" + struct.pack(">II", len(data) + 4, 1) + data
    value = one.decode(data)
    for _ in range(20):
        (value,) = value
    assert value is None


# -- 1.6 primitive types ---------------------------------------------------------------------------------------

read("1.6.1", "null", "null", "Null is 40", ("40", None))
read("1.6.2", "boolean", "boolean", "True is 41 or 56 01, false 42 or 56 00",
     ("41", True), ("42", False), ("5601", True), ("5600", False))
write("1.6.2", "boolean_written", "boolean", "A truth value is written as one", True, False)
read("1.6.3", "ubyte", "ubyte", "ubyte has one octet", ("5000", 0), ("50ff", 255))
write("1.6.3", "ubyte_written", "ubyte", "All of ubyte is written as ubyte", ("ubyte", 0), ("ubyte", 255))
read("1.6.4", "ushort", "ushort", "ushort has two octets", ("600000", 0), ("60ffff", 65535))
write("1.6.4", "ushort_written", "ushort", "All of ushort is written as ushort", ("ushort", 0), ("ushort", 65535))
read("1.6.5", "uint", "uint", "uint has four octets, one, or none for 0",
     ("70ffffffff", 0xFFFFFFFF), ("7000000005", 5), ("52ff", 255), ("5200", 0), ("43", 0))
write("1.6.5", "uint_written", "uint", "All of uint is written as uint",
      ("uint", 0), ("uint", 255), ("uint", 256), ("uint", 0xFFFFFFFF))
read("1.6.6", "ulong", "ulong", "ulong has eight octets, one, or none for 0",
     ("80" + "ff" * 8, 2**64 - 1), ("800000000000000005", 5), ("53ff", 255), ("44", 0))
write("1.6.6", "ulong_written", "ulong", "All of ulong is written as ulong",
      ("ulong", 0), ("ulong", 255), ("ulong", 256), ("ulong", 2**64 - 1))
read("1.6.7", "byte", "byte", "byte is two's complement", ("5180", -128), ("517f", 127), ("51ff", -1))
write("1.6.7", "byte_written", "byte", "All of byte is written as byte", ("byte", -128), ("byte", 127))
read("1.6.8", "short", "short", "short is two's complement", ("618000", -32768), ("617fff", 32767))
write("1.6.8", "short_written", "short", "All of short is written as short", ("short", -32768), ("short", 32767))
read("1.6.9", "int", "int", "int has four octets or one, both with a sign",
     ("7180000000", -(2**31)), ("717fffffff", 2**31 - 1), ("5480", -128), ("547f", 127))
write("1.6.9", "int_written", "int", "All of int is written as int",
      ("int32", -(2**31)), ("int32", -129), ("int32", -128), ("int32", 127), ("int32", 128), ("int32", 2**31 - 1))
read("1.6.10", "long", "long", "long has eight octets or one, both with a sign",
     ("818000000000000000", -(2**63)), ("817fffffffffffffff", 2**63 - 1), ("5580", -128), ("557f", 127))
write("1.6.10", "long_written", "long", "A plain integer is written as long, all of it",
      0, -128, -129, 127, 128, 2**63 - 1, -(2**63))
read("1.6.11", "float", "float", "float is binary32",
     ("723f800000", 1.0), ("72c0000000", -2.0), ("727f800000", math.inf))
write("1.6.11", "float_written", "float", "A float32 is written as float", ("float32", 1.5), ("float32", -0.0))
read("1.6.12", "double", "double", "double is binary64", ("823ff0000000000000", 1.0), ("82fff0000000000000", -math.inf))
write("1.6.12", "double_written", "double", "A plain float is written as double", 0.1, 5e-324, 1.7976931348623157e308)
read("1.6.16", "char", "char", "char is one code point in four octets",
     ("7300000061", "a"), ("730001f600", "\U0001f600"))
write("1.6.16", "char_written", "char", "A char is written as char", ("char", "a"), ("char", "\U0010ffff"))
read("1.6.17", "timestamp", "timestamp", "timestamp counts milliseconds from 1970, before it too",
     ("830000000000000000", 0), ("83ffffffffffffffff", -1), ("830000013169c6ee49", 0x013169C6EE49))
write("1.6.17", "timestamp_written", "timestamp", "A timestamp is written as timestamp",
      ("timestamp", 1311704463521), ("timestamp", -1))
read("1.6.18", "uuid", "uuid", "uuid is its sixteen octets",
     ("98000102030405060708090a0b0c0d0e0f", UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")))
write("1.6.18", "uuid_written", "uuid", "A UUID is written as uuid", UUID(int=1), UUID(int=2**128 - 1))
read("1.6.19", "binary", "binary", "binary is octets behind a size of one octet or four",
     ("a000", b""), ("a0020001", b"\x00\x01"), ("b000000002ff00", b"\xff\x00"))
write("1.6.19", "binary_written", "binary", "Octets are written as binary, short or long", b"", b"x" * 255, b"x" * 256)
read("1.6.20", "string", "string", "string is UTF-8 behind a size of one octet or four",
     ("a100", ""), ("a102c3a9", "\xe9"), ("b100000004f09f9880", "\U0001f600"))
write("1.6.20", "string_written", "string", "Text is written as string, short or long",
      "", "x" * 255, "x" * 256, "\xe9" * 128, "a\x00b")
read("1.6.21", "symbol", "symbol", "symbol is ASCII behind a size of one octet or four",
     ("a30161", "a"), ("b30000000161", "a"), ("a300", ""))
write("1.6.21", "symbol_written", "symbol", "A symbol is written as symbol, short or long",
      ("symbol", "a"), ("symbol", "x" * 255), ("symbol", "x" * 256))
read("1.6.22", "list", "list", "list is the empty one, or items behind size and count",
     ("45", []), ("c00100", []), ("c003015401", [1]), ("d0000000050000000140", [None]), ("c003024040", [None, None]))
write("1.6.22", "list_written", "list", "A list is written as list, with items of any type",
      [], [1, "a", None, [b"x"]], [None] * 300)
read("1.6.23", "map", "map", "map is keys and values in turn",
     ("c10100", {}), ("c10502a1016141", {"a": True}), ("d1000000080000000254015402", {1: 2}))
write("1.6.23", "map_written", "map", "A dict is written as map",
       {}, {"a": 1, "b": {"c": []}}, {n: n for n in range(200)})

refuse("1.6.2", "boolean_octet", "A boolean is 0 or 1", "5602", "56ff")
refuse("1.6.16", "char_range", "A char beyond Unicode, or half of a pair, is refused", "7300110000",
       "73ffffffff", "730000d800")
refuse("1.6.20", "string_utf8", "A string that is no UTF-8 is refused", "a101ff", "a102c328", "a103eda080")
refuse("1.6.21", "symbol_ascii", "A symbol that is no ASCII is refused", "a301e9", "a30180")
refuse("1.6.23", "map_odd", "A map with a key and no value is refused", "c1020140", "c10703540154025403")

too_large("1.6.3", "ubyte_range", "What does not fit ubyte is refused", ("ubyte", 256), ("ubyte", -1))
too_large("1.6.4", "ushort_range", "What does not fit ushort is refused", ("ushort", 65536), ("ushort", -1))
too_large("1.6.5", "uint_range", "What does not fit uint is refused", ("uint", 2**32), ("uint", -1))
too_large("1.6.6", "ulong_range", "What does not fit ulong is refused", ("ulong", 2**64), ("ulong", -1))
too_large("1.6.7", "byte_range", "What does not fit byte is refused", ("byte", 128), ("byte", -129))
too_large("1.6.8", "short_range", "What does not fit short is refused", ("short", 32768), ("short", -32769))
too_large("1.6.9", "int_range", "What does not fit int is refused", ("int32", 2**31), ("int32", -(2**31) - 1))
too_large("1.6.10", "long_range", "What does not fit long is refused", ("int", 2**63), ("int", -(2**63) - 1))


@codec("1.6.11", IS, "A float that is no number stays what it is, bit by bit")
def float_nan(one: Codec) -> None:
    for encoded in ("727fc00000", "72ffc00000"):
        value = one.decode(bytes.fromhex(encoded))
        assert value != value
        assert is_a("float", one.encode(value)) and one.encode(value)[1:3].hex() in ("7fc0", "ffc0")


@codec("1.6.11", IS, "So does one that signals")
def float_signalling_nan(one: Codec) -> None:
    for encoded in ("727fa00000", "72ff800001"):
        assert one.again(bytes.fromhex(encoded)).hex() == encoded


@codec("1.6.12", IS, "A double that is no number stays what it is, bit by bit")
def double_nan(one: Codec) -> None:
    for encoded in ("827ff8000000000000", "82fff8000000000001", "827ff0000000000001"):
        assert one.again(bytes.fromhex(encoded)).hex() == encoded


@codec("1.6.13", IS, "decimal32 is four octets, kept as they are")
def decimal32(one: Codec) -> None:
    assert one.again(bytes.fromhex("7422500abc")).hex() == "7422500abc"


@codec("1.6.14", IS, "decimal64 is eight octets, kept as they are")
def decimal64(one: Codec) -> None:
    assert one.again(bytes.fromhex("842238000000000001")).hex() == "842238000000000001"


@codec("1.6.15", IS, "decimal128 is sixteen octets, kept as they are")
def decimal128(one: Codec) -> None:
    encoded = "94" + "22080000" + "00" * 11 + "07"
    assert one.again(bytes.fromhex(encoded)).hex() == encoded


@codec("1.6.23", IS, "The order of a map's entries is kept")
def map_order(one: Codec) -> None:
    keys = ["z", "a", "m", "b"]
    value = one.decode(one.encode({key: at for at, key in enumerate(keys)}))
    assert list(value) == keys


@codec("1.6.23", IS, "A map with one key twice is invalid", POLICING)
def map_with_a_key_twice(one: Codec) -> None:
    one.refuses(bytes.fromhex("c10904a1016141a1016142"))


@codec("1.6.23", IS, "Keys of two types are two keys, though they look alike", TOLERANCE)
def keys_of_two_types(one: Codec) -> None:
    value = one.decode(bytes.fromhex("c10904a1016141a3016142"))  # the string a, the symbol a
    again = one.encode(value)
    count = again[2] if again[0] == 0xC1 else int.from_bytes(again[5:9], "big")
    assert is_a("map", again) and count == 4, "two entries have become one"


@codec("1.6.24", IS, "array is elements of one type behind size, count and one constructor")
def array(one: Codec) -> None:
    for encoded in ("e00503500a0b0c", "f00000000800000003500a0b0c"):
        value = one.decode(bytes.fromhex(encoded))
        assert list(value.elements if hasattr(value, "elements") else value) == [10, 11, 12]
        assert is_a("array", one.encode(value))


@codec("1.6.24", IS, "An array is written with one constructor, and read as what it was")
def array_written(one: Codec) -> None:
    names = one.types
    value = names.Array(names.UNDESCRIBED, names.Data.INT, 1, 2, 70000)
    data = one.encode(value)
    assert is_a("array", data)
    assert list(one.decode(data).elements) == [1, 2, 70000]


@codec("1.6.24", IS, "An array of symbols of many lengths")
def array_of_symbols(one: Codec) -> None:
    names = one.types
    elements = [names.symbol("a"), names.symbol("b" * 300)]
    value = one.decode(one.encode(names.Array(names.UNDESCRIBED, names.Data.SYMBOL, *elements)))
    assert list(value.elements) == ["a", "b" * 300]


@codec("1.6.24", IS, "An empty array keeps the type of its elements")
def empty_array(one: Codec) -> None:
    data = bytes.fromhex("e0020050")
    assert one.again(data)[-1] == 0x50


@codec("1.6.24", IS, "The elements of an array may be described, by one descriptor")
def array_of_described(one: Codec) -> None:
    value = one.decode(bytes.fromhex("e00702005301500a0b"))
    assert value.descriptor == 1 and list(value.elements) == [10, 11]
    assert one.decode(one.encode(value)) == value


@codec("1.6.24", IS, "Arrays of lists, of arrays, of values without octets")
def odd_arrays(one: Codec) -> None:
    for encoded in ("e00602c001000100", "e0020341", "e00601e003015001"):
        data = bytes.fromhex(encoded)
        assert is_a("array", one.again(data))
        assert one.decode(one.again(data)) == one.decode(data)


@codec("1.6.24", MUST, "An array of values without octets may not promise more than anybody can hold", POLICING)
def endless_array(one: Codec) -> None:
    one.refuses(bytes.fromhex("f000000005ffffffff40"))
