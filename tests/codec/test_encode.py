"""Writing: the encoding that is chosen, and what is refused."""

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from uuid import UUID

import pytest

from reactor.codec.decode import read_value
from reactor.codec.encode import encode_value
from reactor.codec.readers import body_limits
from reactor.codec.types import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
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
from reactor.errors import DataException

CHOSEN = [
    (None, "40"),
    (True, "41"),
    (False, "42"),
    (ubyte(0), "5000"),
    (ushort(1), "600001"),
    (uint(0), "43"),
    (uint(1), "5201"),
    (uint(255), "52ff"),
    (uint(256), "7000000100"),
    (ulong(0), "44"),
    (ulong(1), "5301"),
    (ulong(255), "53ff"),
    (ulong(256), "800000000000000100"),
    (byte(-1), "51ff"),
    (short(-1), "61ffff"),
    (int32(0), "5400"),
    (int32(127), "547f"),
    (int32(128), "7100000080"),
    (int32(-128), "5480"),
    (int32(-129), "71ffffff7f"),
    (0, "5500"),
    (127, "557f"),
    (128, "810000000000000080"),
    (-128, "5580"),
    (-129, "81ffffffffffffff7f"),
    (float32(1.5), "723fc00000"),
    (1.5, "823ff8000000000000"),
    (decimal32(1), "7400000001"),
    (decimal64(1), "840000000000000001"),
    (decimal128(b"\x01" * 16), "94" + "01" * 16),
    (char("x"), "7300000078"),
    (timestamp(-1), "83ffffffffffffffff"),
    (UUID(int=1), "98" + "00" * 15 + "01"),
    (b"", "a000"),
    (b"a" * 255, "a0ff" + "61" * 255),
    (b"a" * 256, "b000000100" + "61" * 256),
    (bytearray(b"a"), "a00161"),
    pytest.param(memoryview(b"a"), "a00161", id="memoryview"),
    pytest.param(memoryview(b"abcdef")[::2], "a003616365", id="memoryview in steps"),
    ("", "a100"),
    ("a" * 255, "a1ff" + "61" * 255),
    ("a" * 256, "b100000100" + "61" * 256),
    ("ä" * 127 + "a", "a1ff" + "c3a4" * 127 + "61"),
    ("ä" * 128, "b100000100" + "c3a4" * 128),
    (symbol("a" * 255), "a3ff" + "61" * 255),
    (symbol("a" * 256), "b300000100" + "61" * 256),
    ([], "45"),
    ((), "45"),
    ([1], "d0000000060000000155" + "01"),
    ({}, "d10000000400000000"),
    ({"a": None}, "d10000000800000002a1016140"),
    (Described(ulong(0x24), []), "00532445"),
    (Array(UNDESCRIBED, Data.UINT, 1, 2), "f00000000d00000002700000000100000002"),
    (Array(UNDESCRIBED, Data.NULL), "f0000000050000000040"),
    (Array(UNDESCRIBED, Data.BINARY, bytearray(b"a")), "f00000000a00000001b00000000161"),
    (Array(UNDESCRIBED, Data.DESCRIBED, Described("d", 1), Described("d", 2)),
     "f0000000190000000200a10164" + "81" + "0000000000000001" + "0000000000000002"),
]  # fmt: skip


@pytest.mark.parametrize("value, encoded", CHOSEN, ids=lambda v: repr(v)[:40])
def test_the_encoding_that_is_chosen(value, encoded):
    assert encode_value(value).hex() == encoded


class Colour(enum.IntEnum):
    RED = 1


def test_a_subclass_is_written_as_its_base():
    Point = namedtuple("Point", "x y")
    assert encode_value(Colour.RED) == encode_value(1)
    assert encode_value(Point(1, 2)) == encode_value([1, 2])
    assert encode_value(OrderedDict(a=1)) == encode_value({"a": 1})
    assert encode_value(type("Name", (symbol,), {})("a")) == encode_value(symbol("a"))


@pytest.mark.parametrize(
    "value, complaint",
    [
        (2**63, "does not fit a long.*ulong"),
        (-(2**63) - 1, "does not fit a long"),
        (10**5000, "does not fit a long"),
        pytest.param(object(), "object.*has no AMQP type", id="object"),
        ({1, 2}, "set.*has no AMQP type"),
        ([1, [2, {"a": 1j}]], "1j .*has no AMQP type"),
        (symbol("ä"), "symbol.*ascii"),
        ("\ud800", "surrogates"),
        (Array(UNDESCRIBED, 99, 1), "99 is not the number of a type"),
        (Array(UNDESCRIBED, [], 1), "not the number of a type"),
        (Array(UNDESCRIBED, Data.UBYTE, 1, 256), "an array of ubyte cannot hold 256"),
        (Array(UNDESCRIBED, Data.STRING, 1), "an array of string cannot hold 1"),
        (Array(UNDESCRIBED, Data.SYMBOL, "ä"), "an array of symbol cannot hold 'ä'"),
        (Array(UNDESCRIBED, Data.NULL, 1), "an array of null cannot hold 1"),
        (Array(UNDESCRIBED, Data.CHAR, "ab"), "an array of char cannot hold 'ab'"),
        (Array(UNDESCRIBED, Data.DECIMAL128, b"a"), "an array of decimal128 cannot hold b'a'"),
        (Array(UNDESCRIBED, Data.UUID, 5), "an array of uuid cannot hold 5"),
        (Array(UNDESCRIBED, Data.LIST, 5), "an array of list cannot hold 5"),
        (Array(UNDESCRIBED, Data.MAP, 5), "an array of map cannot hold 5"),
        (Array(UNDESCRIBED, Data.ARRAY, [1]), "an array of array cannot hold"),
        (Array(UNDESCRIBED, Data.DESCRIBED), "without elements has no type"),
        (Array(UNDESCRIBED, Data.DESCRIBED, Described(1, 2), Described(2, 2)), "the same descriptor"),
        (Array(UNDESCRIBED, Data.DESCRIBED, Described(1, 2), 5), "the same descriptor"),
        (Array(UNDESCRIBED, Data.DESCRIBED, Described(1, 2), Described(1, "a")), "of the same type"),
    ],
    ids=lambda v: clipped(v) if not isinstance(v, str) else None,
)
def test_what_cannot_be_written_is_named(value, complaint):
    with pytest.raises(DataException, match="(?s)" + complaint) as failed:
        encode_value(value)
    assert len(str(failed.value)) < 300


def test_what_contains_itself_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(DataException, match="nested too deeply"):
        encode_value(value)


@pytest.mark.parametrize("kind, values", [
    (Data.NULL, [None]),
    (Data.BOOL, [True, False]),
    (Data.UBYTE, [ubyte(0), ubyte(255)]),
    (Data.BYTE, [byte(-128), byte(127)]),
    (Data.USHORT, [ushort(0), ushort(2**16 - 1)]),
    (Data.SHORT, [short(-(2**15)), short(2**15 - 1)]),
    (Data.UINT, [uint(0), uint(2**32 - 1)]),
    (Data.INT, [int32(-(2**31)), int32(2**31 - 1)]),
    (Data.CHAR, [char("a"), char("\U0010ffff")]),
    (Data.ULONG, [ulong(0), ulong(2**64 - 1)]),
    (Data.LONG, [-(2**63), 2**63 - 1]),
    (Data.TIMESTAMP, [timestamp(-1), timestamp(2**62)]),
    (Data.FLOAT, [float32(0.5), float32(-1)]),
    (Data.DOUBLE, [0.1, -1e300]),
    (Data.DECIMAL32, [decimal32(5)]),
    (Data.DECIMAL64, [decimal64(5)]),
    (Data.DECIMAL128, [decimal128(bytes(range(16)))]),
    (Data.UUID, [UUID(int=5)]),
    (Data.BINARY, [b"", b"a" * 300]),
    (Data.STRING, ["", "ä" * 300]),
    (Data.SYMBOL, [symbol(""), symbol("a" * 300)]),
    (Data.LIST, [[], [1, [2]], ["a"] * 300]),
    (Data.MAP, [{}, {"a": {"b": 1}}]),
    (Data.ARRAY, [Array(UNDESCRIBED, Data.INT, int32(1)), Array(symbol("d"), Data.STRING)]),
])  # fmt: skip
@pytest.mark.parametrize("descriptor", [UNDESCRIBED, symbol("d"), ulong(5)], ids=repr)
@pytest.mark.parametrize("count", [0, 1, 300])
def test_arrays_of_every_type_come_back(kind, values, descriptor, count):
    array = Array(descriptor, kind, *(values * count)[:count])
    encoded = encode_value(array)
    again, end = read_value(encoded, 0, len(encoded), body_limits(len(encoded)))
    assert end == len(encoded)
    assert again == array
    assert [type(element) for element in again] == [type(element) for element in array]
    assert encode_value(again) == encoded
