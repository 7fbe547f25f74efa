"""Data, the cursor over values: where it goes, what it writes and reads; tests/interop/test_data.py has it beside the
original."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from reactor import (
    UNDESCRIBED,
    Array,
    Data,
    DataException,
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
from reactor.codec.encode import encode_value

VALUES: list[Any] = [
    None, True, ubyte(1), byte(-1), ushort(3), short(-4), uint(5), int32(-6), char("x"), ulong(7), -8, timestamp(9),
    float32(1.5), 2.25, decimal32(1), decimal64(2), decimal128(bytes(16)), UUID(int=5), b"\0", "text", symbol("name"),
    Described(symbol("d"), [1]), Array(UNDESCRIBED, Data.INT, 1, 2), Array(symbol("x"), Data.ULONG, 1),
    Array(UNDESCRIBED, Data.LIST, [1], [2]), [1, ["a"]], [], {"a": {symbol("b"): 1}}, {},
    Pairs([(1, "a"), (True, "b")]),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_object_goes_in_and_comes_out_and_its_bytes_are_those_of_the_codec(value: Any) -> None:
    data = Data()
    data.put_object(value)
    assert data.get_object() == value
    assert data.encode() == encode_value(value) and data.encoded_size() == len(encode_value(value))
    other = Data()
    assert other.decode(data.encode()) == data.encoded_size()
    assert other.get_object() == value and other.type() == data.type()


#: By the name of the type: a value, and the answer for another value.
SCALARS: dict[str, tuple[Any, Any]] = {
    "bool": (True, False), "ubyte": (ubyte(1), 0), "byte": (byte(-1), 0), "ushort": (ushort(1), 0),
    "short": (short(-1), 0), "uint": (uint(1), 0), "int": (int32(-1), 0), "char": (char("x"), "\0"),
    "ulong": (ulong(1), 0), "long": (-1, 0), "timestamp": (timestamp(1), 0), "float": (float32(1.5), 0),
    "double": (1.5, 0), "decimal32": (decimal32(1), 0), "decimal64": (decimal64(1), 0),
    "decimal128": (decimal128(b"x" * 16), bytes(16)), "uuid": (UUID(int=1), None), "binary": (b"x", b""),
    "string": ("x", ""), "symbol": (symbol("x"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_a_scalar_is_put_and_got_by_the_name_of_its_type(name: str) -> None:
    value, zero = SCALARS[name]
    data = Data()
    assert getattr(data, f"get_{name}")() == zero
    getattr(data, f"put_{name}")(value)
    got = getattr(data, f"get_{name}")()
    assert got == value and type(got) is type(value)
    assert data.type() == getattr(Data, name.upper()) and Data.type_name(data.type()) == name
    data.put_null()
    assert getattr(data, f"get_{name}")() == zero


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("int", 2**40), ("int", "x"), ("ubyte", -1), ("long", 2**63), ("timestamp", 1.5), ("string", b"x"),
        ("symbol", "é"), ("char", "ab"), ("char", 5), ("decimal128", b"1"), ("uuid", "x"), ("binary", "text"),
        ("object", object()),
    ],
)  # fmt: skip
def test_a_value_that_is_none_of_the_type_is_refused_and_nothing_is_put(name: str, value: Any) -> None:
    data = Data()
    with pytest.raises(DataException):
        getattr(data, f"put_{name}")(value)
    assert data.encode() == b"" and data.type() is None


def filled() -> Data:
    """A list, a map and a string."""
    data = Data()
    data.put_list()
    assert data.enter()
    data.put_int(1)
    data.put_string("x")
    assert data.exit()
    data.put_map()
    data.enter()
    data.put_symbol("k")
    data.put_ulong(3)
    data.exit()
    data.put_string("end")
    data.rewind()
    return data


def test_the_cursor_goes_along_into_and_out() -> None:
    data = filled()
    assert (data.type(), data.prev(), data.enter(), data.exit()) == (None, None, False, False)
    assert data.next() == Data.LIST and data.get_list() == 2
    assert data.enter() and data.type() is None
    assert data.next() == Data.INT and data.get_int() == 1
    assert data.next() == Data.STRING and data.next() is None
    assert data.get_string() == "x", "it stays at the last one"
    assert data.exit() and data.type() == Data.LIST
    assert data.next() == Data.MAP and data.get_map() == 2 and data.get_dict() == {symbol("k"): 3}
    assert data.prev() == Data.LIST and data.prev() is None and data.type() == Data.LIST


def test_a_put_writes_over_what_is_behind_the_cursor() -> None:
    data = filled()
    data.put_string("instead of the list")
    assert data.format() == '"instead of the list", {:k=3}, "end"'


def test_a_key_is_looked_up_behind_the_cursor_in_a_map() -> None:
    data = Data()
    data.put_dict({"a": 1, 5: "a", symbol("b"): "c"})
    assert not data.lookup("a"), "the map was not entered"
    data.enter()
    assert data.lookup("b") and data.get_object() == "c"
    assert not data.lookup("a"), "it is before the cursor"
    data.exit()
    data.enter()
    assert not data.lookup("c"), "a value is no key"


def test_a_narrowed_view_is_rewound_to_its_beginning() -> None:
    data = filled()
    data.next()
    data.enter()
    data.narrow()
    data.next()
    data.rewind()
    assert data.next() == Data.INT
    copy = Data()
    copy.copy(data)
    assert copy.format() == '1, "x"' and copy.next() == Data.INT
    data.widen()
    data.rewind()
    assert data.next() == Data.LIST


def test_a_copy_is_its_own() -> None:
    data, copy = filled(), Data()
    copy.put_null()
    copy.copy(data)
    data.clear()
    assert data.format() == "" and data.next() is None
    assert copy.format() == '[1, "x"], {:k=3}, "end"'


def test_arrays_and_described_values_by_hand() -> None:
    data = Data()
    data.put_array(True, Data.INT)
    data.enter()
    data.put_symbol("d")
    data.put_int(1)
    data.put_int(2)
    data.exit()
    assert data.get_array() == (2, True, Data.INT)
    assert data.get_py_array() == Array(symbol("d"), Data.INT, 1, 2)
    data.put_described()
    data.enter()
    data.put_ulong(7)
    data.put_list()
    data.exit()
    assert data.is_described() and data.get_py_described() == Described(ulong(7), [])
    assert data.get_py_array() is None and data.get_array() == (0, False, None)


def test_the_second_value_that_is_decoded_completes_a_described_one() -> None:
    data = Data()
    data.put_described()
    data.enter()
    data.decode(encode_value(symbol("d")))
    data.decode(encode_value("value"))
    assert data.type() == Data.DESCRIBED and data.get_object() == Described(symbol("d"), "value")


@pytest.mark.parametrize("encoded", [b"", b"\xa1\x05ab", b"\x01", b"\xc0\x03\x02T\x01"])
def test_bytes_that_are_no_value_are_refused(encoded: bytes) -> None:
    with pytest.raises(DataException, match="these bytes are no value"):
        Data().decode(encoded)


def test_an_array_of_described_values_is_written_as_one_with_a_descriptor() -> None:
    data, other = Data(), Data()
    data.put_object(Array(UNDESCRIBED, Data.DESCRIBED, Described(symbol("e"), "f")))
    other.decode(data.encode())
    assert other.get_object() == Array(symbol("e"), Data.STRING, "f")


def test_an_array_does_not_take_another_type() -> None:
    data = Data()
    data.put_array(False, Data.INT)
    data.enter()
    data.put_string("no")
    with pytest.raises(DataException, match="an array of int cannot hold 'no'"):
        data.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (-8, "-8"), (2.25, "2.25"), (1.0, "1"), (decimal32(1), "D32(1)"),
        (decimal64(2), "D64(2)"), (decimal128(b"\x01" * 16), "D128(" + "01" * 16 + ")"), (char("x"), "x"),
        (UUID(int=5), "UUID(00000000-0000-0000-0000-000000000005)"), (b'bin\0"', 'b"bin\\x00\\x22"'),
        ("str\n", '"str\\x0a"'), (symbol("sym"), ":sym"), (symbol("sy m"), ':"sy m"'), ([], "[]"),
        ({"a": {symbol("b"): 1}, "c": 2}, '{"a"={:b=1}, "c"=2}'), (Described(symbol("d"), [1]), "@:d [1]"),
        (Array(symbol("x"), Data.ULONG, 1), "@PN_ULONG[:x, 1]"), (Array(UNDESCRIBED, Data.INT), "@PN_INT[]"),
    ],
)  # fmt: skip
def test_values_as_text(value: Any, text: str) -> None:
    data = Data(capacity=64)
    data.put_object(value)
    assert data.format() == text and repr(data) == f"Data({text})"


def test_a_dump_has_the_place_of_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    data = filled()
    data.next()
    data.enter()
    data.next()
    data.dump()
    assert capsys.readouterr().out == '[1, "x"], {:k=3}, "end" at level 1, number 0\n'
