"""The classes for AMQP's types: ordinary values with a name, that refuse what they cannot hold."""

from __future__ import annotations

import copy
import pickle

import pytest

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
    long,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from reactor.errors import DataException

RANGES = [
    (ubyte, 0, 2**8 - 1),
    (ushort, 0, 2**16 - 1),
    (uint, 0, 2**32 - 1),
    (ulong, 0, 2**64 - 1),
    (byte, -(2**7), 2**7 - 1),
    (short, -(2**15), 2**15 - 1),
    (int32, -(2**31), 2**31 - 1),
    (timestamp, -(2**63), 2**63 - 1),
    (decimal32, 0, 2**32 - 1),
    (decimal64, 0, 2**64 - 1),
]


@pytest.mark.parametrize("cls, low, high", RANGES, ids=lambda v: getattr(v, "__name__", None))
def test_an_integer_holds_its_range_and_no_more(cls, low, high):
    assert cls(low) == low
    assert cls(high) == high
    for wrong in (low - 1, high + 1):
        with pytest.raises(DataException, match="%s cannot hold %d" % (cls.__name__, wrong)):
            cls(wrong)


def test_values_behave_as_their_base():
    assert ulong(5) + 1 == 6
    assert {ulong(5): "x"}[5] == "x"
    assert symbol("a") == "a"
    assert {symbol("a"): 1}["a"] == 1
    assert float32(1.5) * 2 == 3.0
    assert decimal128(b"x" * 16) == b"x" * 16
    assert long is int


def test_repr_tells_the_type_and_str_does_not():
    assert repr(ulong(5)) == "ulong(5)"
    assert repr(symbol("a")) == "symbol('a')"
    assert repr(char("a")) == "char('a')"
    assert repr(float32(1)) == "float32(1.0)"
    assert repr(decimal128(b"x" * 16)) == "decimal128(b'xxxxxxxxxxxxxxxx')"
    assert "%s %s %s" % (timestamp(5), symbol("a"), float32(1)) == "5 a 1.0"
    assert "%d" % uint(3) == f"{uint(3)}" == "3"


@pytest.mark.parametrize("wrong", ["", "ab", "\ud800", 12])
def test_a_char_is_one_unicode_character(wrong):
    with pytest.raises(DataException, match="char takes one"):
        char(wrong)


def test_a_decimal128_is_sixteen_bytes():
    with pytest.raises(DataException, match="16 bytes, not 3"):
        decimal128(b"abc")


def test_described():
    value = Described(symbol("a"), [1])
    assert value == Described("a", [1])
    assert value != Described("a", [2])
    assert value != "a"
    assert repr(value) == "Described(symbol('a'), [1])"
    with pytest.raises(TypeError):
        hash(value)


def test_array():
    array = Array(UNDESCRIBED, Data.INT, 1, 2)
    assert list(array) == [1, 2]
    assert len(array) == 2
    assert array[1] == 2
    assert array == Array(UNDESCRIBED, Data.INT, 1, 2)
    assert array != Array(UNDESCRIBED, Data.LONG, 1, 2)
    assert array != Array(symbol("d"), Data.INT, 1, 2)
    assert array != [1, 2]
    assert repr(array) == "Array(UNDESCRIBED, Data.INT, 1, 2)"
    assert repr(Array(UNDESCRIBED, 99)) == "Array(UNDESCRIBED, 99)"


def test_the_numbers_of_the_types():
    assert (Data.NULL, Data.INT, Data.MAP) == (1, 8, 25)
    assert Data.type_name(Data.ULONG) == "ulong"
    assert len(Data.type_names) == 25


@pytest.mark.parametrize(
    "value",
    [ulong(5), symbol("a"), char("a"), float32(0.5), decimal128(b"x" * 16), Described(symbol("a"), [1])]
    + [Array(UNDESCRIBED, Data.INT, int32(1)), UNDESCRIBED],
    ids=repr,
)
def test_copies_and_pickles_are_the_same(value):
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert again == value
        assert type(again) is type(value)
    assert pickle.loads(pickle.dumps(UNDESCRIBED)) is UNDESCRIBED
