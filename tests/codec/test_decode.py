"""Reading: every constructor, and every way in which bytes can be wrong."""

from __future__ import annotations

import math
import random
import sys
from uuid import UUID

import pytest

from reactor.codec.decode import ACCEPTED_STATE, RELEASED_STATE, read_fields, read_value
from reactor.codec.encode import encode_value
from reactor.codec.message import Message
from reactor.codec.readers import FEW, MAX_EMPTY_ELEMENTS_OF_BODY
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
from reactor.errors import DECODE_ERROR, DecodeError, RemoteProtocolError
from tests.support.bytes import same


def b(text: str) -> bytes:
    """Bytes written as hex, with spaces where they help."""
    return bytes.fromhex(text)


def read(encoded: bytes):
    """The value, which must end where the bytes end, wherever in a buffer they lie."""
    value, end = read_value(encoded, 0, len(encoded))
    assert end == len(encoded)
    padded = b"\xff\xff\xff" + encoded + b"\x00\x45\xa1"
    assert read_value(padded, 3, 3 + len(encoded)) == (value, 3 + len(encoded)) or value != value
    return value


UUID7 = UUID("00112233-4455-6677-8899-aabbccddeeff")
LONG = "00000100 " + "61" * 256

EVERY_CONSTRUCTOR = [
    ("40", None),
    ("41", True),
    ("42", False),
    ("56 01", True),
    ("56 00", False),
    ("50 00", ubyte(0)),
    ("50 ff", ubyte(255)),
    ("60 ffff", ushort(65535)),
    ("70 ffffffff", uint(2**32 - 1)),
    ("52 ff", uint(255)),
    ("43", uint(0)),
    ("80 ffffffffffffffff", ulong(2**64 - 1)),
    ("53 ff", ulong(255)),
    ("44", ulong(0)),
    ("51 80", byte(-128)),
    ("51 7f", byte(127)),
    ("61 8000", short(-32768)),
    ("71 80000000", int32(-(2**31))),
    ("54 80", int32(-128)),
    ("81 8000000000000000", -(2**63)),
    ("55 80", -128),
    ("55 7f", 127),
    ("72 3fc00000", float32(1.5)),
    ("82 3ff8000000000000", 1.5),
    ("74 01020304", decimal32(0x01020304)),
    ("84 0102030405060708", decimal64(0x0102030405060708)),
    ("94 000102030405060708090a0b0c0d0e0f", decimal128(bytes(range(16)))),
    ("73 000000e4", char("ä")),
    ("73 0001f600", char("\U0001f600")),
    ("83 ffffffffffffffff", timestamp(-1)),
    ("83 0000017480000000", timestamp(0x17480000000)),
    ("98 00112233445566778899aabbccddeeff", UUID7),
    ("a0 00", b""),
    ("a0 02 00ff", b"\x00\xff"),
    ("b0 00000002 00ff", b"\x00\xff"),
    ("b0 " + LONG, b"a" * 256),
    ("a1 00", ""),
    ("a1 02 c3a4", "ä"),
    ("b1 00000002 c3a4", "ä"),
    ("b1 " + LONG, "a" * 256),
    ("a3 02 6162", symbol("ab")),
    ("b3 00000002 6162", symbol("ab")),
    ("b3 " + LONG, symbol("a" * 256)),
    ("45", []),
    ("c0 01 00", []),
    ("c0 04 02 41 5501", [True, 1]),
    ("d0 00000004 00000000", []),
    ("d0 00000007 00000002 41 5501", [True, 1]),
    ("c1 01 00", {}),
    ("c1 06 02 a10161 5501", {"a": 1}),
    ("d1 00000009 00000002 a10161 5501", {"a": 1}),
    ("c0 09 03 c0 02 01 40 c1 01 00 45", [[None], {}, []]),
    ("00 a3 01 64 5501", Described(symbol("d"), 1)),
    ("00 53 24 45", Described(ulong(0x24), [])),
    ("00 80 0000468c00000004 a1 01 78", Described(ulong(0x468C00000004), "x")),
    ("00 00 a1 01 78 41 00 41 42", Described(Described("x", True), Described(True, False))),
]


@pytest.mark.parametrize("encoded, value", EVERY_CONSTRUCTOR, ids=lambda v: v[:12] if type(v) is str else "")
def test_every_constructor(encoded, value):
    got = read(b(encoded))
    assert got == value
    assert type(got) is type(value)


ARRAYS = [
    ("e0 02 00 a1", Array(UNDESCRIBED, Data.STRING)),
    ("f0 00000005 00000000 71", Array(UNDESCRIBED, Data.INT)),
    ("e0 04 02 51 ff 01", Array(UNDESCRIBED, Data.BYTE, byte(-1), byte(1))),
    ("f0 0000000d 00000002 71 00000001 ffffffff", Array(UNDESCRIBED, Data.INT, int32(1), int32(-1))),
    ("e0 06 02 a1 01 61 01 62", Array(UNDESCRIBED, Data.STRING, "a", "b")),
    ("e0 06 01 b3 00000000", Array(UNDESCRIBED, Data.SYMBOL, symbol(""))),
    ("e0 02 03 40", Array(UNDESCRIBED, Data.NULL, None, None, None)),
    ("e0 02 02 41", Array(UNDESCRIBED, Data.BOOL, True, True)),
    ("e0 02 02 42", Array(UNDESCRIBED, Data.BOOL, False, False)),
    ("e0 02 02 43", Array(UNDESCRIBED, Data.UINT, uint(0), uint(0))),
    ("e0 02 02 44", Array(UNDESCRIBED, Data.ULONG, ulong(0), ulong(0))),
    ("e0 02 02 45", Array(UNDESCRIBED, Data.LIST, [], [])),
    ("e0 04 02 56 01 00", Array(UNDESCRIBED, Data.BOOL, True, False)),
    ("e0 06 02 c0 01 00 01 00", Array(UNDESCRIBED, Data.LIST, [], [])),
    ("e0 07 01 c1 04 02 5501 41", Array(UNDESCRIBED, Data.MAP, {1: True})),
    ("e0 07 01 e0 04 02 50 01 02", Array(UNDESCRIBED, Data.ARRAY, Array(UNDESCRIBED, Data.UBYTE, 1, 2))),
    ("e0 06 01 00 a3 01 64 40", Array(symbol("d"), Data.NULL, None)),
    ("e0 08 02 00 a3 01 64 50 05 06", Array(symbol("d"), Data.UBYTE, ubyte(5), ubyte(6))),
    ("e0 06 00 00 a3 01 64 50", Array(symbol("d"), Data.UBYTE)),
    ("e0 09 01 00 53 05 00 53 06 55 07", Array(ulong(5), Data.DESCRIBED, Described(ulong(6), 7))),
]


@pytest.mark.parametrize("encoded, value", ARRAYS, ids=lambda v: v if type(v) is str else "")
def test_arrays(encoded, value):
    got = read(b(encoded))
    assert got == value
    assert [type(element) for element in got] == [type(element) for element in value]


def test_a_list_is_a_new_one_each_time():
    first = read(b"\x45")
    first.append(1)
    assert read(b"\x45") == []


@pytest.mark.parametrize(
    "encoded, entries",
    [
        ("c1 0a 06 5301 41 5501 42 41 5502", [(ulong(1), True), (1, False), (True, 2)]),
        ("c1 0e 04 5500 41 83 0000000000000000 42", [(0, True), (timestamp(0), False)]),
        ("c1 09 04 a10161 41 a30161 42", [("a", True), (symbol("a"), False)]),
        ("c1 0b 04 a10161 41 73 00000061 42", [("a", True), (char("a"), False)]),
        ("c1 15 04 82 0000000000000000 41 82 8000000000000000 42", [(0.0, True), (-0.0, False)]),
        ("c1 03 02 45 41", [([], True)]),
        ("c1 05 02 c10100 41", [({}, True)]),
        ("c1 07 02 00 5301 5302 41", [(Described(ulong(1), ulong(2)), True)]),
        ("c1 06 02 e0020140 41", [(Array(UNDESCRIBED, Data.NULL, None), True)]),
    ],
    ids=["numbers", "times", "symbols", "chars", "zeros", "a list", "a map", "a described value", "an array"],
)
def test_a_map_that_no_dict_can_hold_comes_as_pairs_and_goes_as_it_came(encoded, entries):
    value = read(b(encoded))
    assert type(value) is Pairs
    assert same([list(entry) for entry in value], [list(entry) for entry in entries])
    assert [math.copysign(1, k) for k, _ in value if type(k) is float] == [1, -1][: 2 * ("82" in encoded)]
    assert same(read(encode_value(value)), value)


def uuids_of_one_hash(count):
    return [UUID(int=1 + k * (2**61 - 1)) for k in range(count)]


def numbers_whose_ways_meet(count):
    """Longs chosen against the table of CPython's dict: the first half takes the places 0, 1, 6, 31 ... that a key
    of 0 would be tried at one after the other, and all others, which are different numbers, come to 0 as well."""
    size = 8
    while 2 * size // 3 < count:
        size *= 2
    chain, place = [], 0
    for _ in range(count // 2):
        chain.append(place)
        place = (place * 5 + 1) % size
    order = {place: at for at, place in enumerate(chain)}
    others = []
    for number in range(size, size * 4096):
        place, perturb = number % size, number
        while place in order and perturb:
            perturb >>= 5
            place = (place * 5 + perturb + 1) % size
        if order.get(place, count) < count // 8:
            others.append(number)
            if len(chain) + len(others) == count:
                break
    return chain + others


@pytest.mark.parametrize("keys", [
    pytest.param(uuids_of_one_hash(200), id="uuids"),
    pytest.param(numbers_whose_ways_meet(400), id="longs"),
    pytest.param([*uuids_of_one_hash(200), *map(str, range(200))], id="among strings"),
    pytest.param([float(2 ** (61 * k)) for k in range(16)] * 1 + uuids_of_one_hash(120), id="floats"),
])  # fmt: skip
def test_keys_that_collide_are_not_put_into_a_dict(keys):
    value = read(encode_value(Pairs((key, True) for key in keys)))
    assert type(value) is Pairs
    assert [key for key, _ in value] == keys


@pytest.mark.parametrize("keys", [
    range(5000),
    [k << 32 for k in range(5000)],
    [timestamp(1700000000000 + 1000 * k) for k in range(5000)],
    [k / 8 for k in range(5000)],
    [UUID(int=random.Random(k).getrandbits(128)) for k in range(2000)],
    uuids_of_one_hash(FEW),
], ids=["counted", "multiples", "seconds", "floats", "uuids", "few"])  # fmt: skip
def test_keys_as_they_occur_are_put_into_a_dict(keys):
    value = dict.fromkeys(keys, True)
    assert same(read(encode_value(value)), value)


def test_the_same_key_twice_is_no_map_however_many_there_are():
    keys = uuids_of_one_hash(200)
    with pytest.raises(RemoteProtocolError, match="the same key twice"):
        read(encode_value(Pairs((key, True) for key in [*keys, keys[77]])))
    with pytest.raises(RemoteProtocolError, match="the same key twice"):
        read(b("c1 09 06 5501 41 41 42 5501 43"))


# -- fields -----------------------------------------------------------------------------------------------


def test_fields_are_plain_where_it_is_cheap():
    fields, end = read_fields(b("c0 17 0a 43 52ff 7000000100 6001f4 5002 41 42 40 a00178 a10179"), 0, 25)
    assert end == 25
    assert fields == [0, 255, 256, 500, 2, True, False, None, b"x", "y"]
    assert [type(f) for f in fields] == [int] * 5 + [bool, bool, type(None), bytes, str]


def test_other_fields_keep_their_type():
    fields, _ = read_fields(b("d0 00000015 00000004 a30161 5305 830000000000000001 c10100"), 0, 26)
    assert fields == [symbol("a"), ulong(5), timestamp(1), {}]
    assert [type(f) for f in fields] == [symbol, ulong, timestamp, dict]


def test_no_fields():
    for encoded in ("45", "c0 01 00", "d0 00000004 00000000"):
        encoded = b(encoded)
        assert read_fields(encoded, 0, len(encoded)) == ([], len(encoded))


@pytest.mark.parametrize(
    "state",
    ["00 53 25 45", "00 53 25 c0 01 00", "00 80 0000000000000025 d0 00000004 00000000"]
    + ["00 a3 12 616d71703a72656a65637465643a6c697374 45"],
)
def test_a_composite_among_fields_is_its_code_and_its_fields(state):
    encoded = b(state)
    encoded = bytes((0xC0, len(encoded) + 1, 1)) + encoded
    (value,), _ = read_fields(encoded, 0, len(encoded))
    assert value == Described(0x25, [])
    assert type(value.descriptor) is int


@pytest.mark.parametrize(
    "state, constant",
    [("00 53 24 45", ACCEPTED_STATE), ("00 53 24 c0 01 00", ACCEPTED_STATE), ("00 53 26 45", RELEASED_STATE)]
    + [("00 a3 12 616d71703a61636365707465643a6c697374 45", ACCEPTED_STATE)],
)
def test_the_common_outcomes_are_always_the_same_object(state, constant):
    encoded = b(state)
    encoded = bytes((0xC0, len(encoded) + 1, 1)) + encoded
    (value,), _ = read_fields(encoded, 0, len(encoded))
    assert value is constant


def test_composites_within_composites():
    # transactional-state with a rejected that has an error that has an info map
    error = b("00 53 1d c0 0c 03 a30161 40 c10502a3016241")
    rejected = b("00 53 25 c0") + bytes((len(error) + 1, 1)) + error
    state = b("00 53 34 c0") + bytes((len(rejected) + 4, 2)) + b("a00174") + rejected
    encoded = b"\xc0" + bytes((len(state) + 1, 1)) + state
    (value,), _ = read_fields(encoded, 0, len(encoded))
    assert value == Described(0x34, [b"t", Described(0x25, [Described(0x1D, [symbol("a"), None, {"b": True}])])])


def test_a_state_that_no_definition_knows_keeps_its_descriptor():
    encoded = b("c0 0a 01 00 a3 01 64 c0 03 01 5305")
    (value,), _ = read_fields(encoded, 0, len(encoded))
    assert value == Described(symbol("d"), [ulong(5)])
    assert type(value.descriptor) is symbol


# -- what is wrong ----------------------------------------------------------------------------------------

MALFORMED = {
    "nothing": "",
    "an unknown constructor": "01",
    "an unknown constructor of a known width": "5f 00",
    "a truncated ubyte": "50",
    "a truncated ushort": "60 00",
    "a truncated uint": "70 000000",
    "a truncated ulong": "80 00000000000000",
    "a truncated int": "71 0000",
    "a truncated float": "72 0000",
    "a truncated double": "82 00",
    "a truncated char": "73 0000",
    "a truncated decimal32": "74 00",
    "a truncated decimal128": "94 0001",
    "a truncated uuid": "98 0001",
    "a truncated timestamp": "83 00",
    "a boolean of 2": "56 02",
    "a char beyond Unicode": "73 00110000",
    "a char that is half a pair": "73 0000d800",
    "a binary without its size": "a0",
    "a truncated binary": "a0 02 00",
    "a truncated large binary": "b0 00000002 00",
    "a binary of four gigabytes": "b0 ffffffff 00",
    "a truncated string": "a1 02 61",
    "a string of four gigabytes": "b1 ffffffff 61",
    "a string that is not UTF-8": "a1 01 ff",
    "a large string that is not UTF-8": "b1 00000001 ff",
    "a string with a surrogate": "a1 03 eda080",
    "a symbol that is not ASCII": "a3 02 c3a4",
    "a large symbol that is not ASCII": "b3 00000002 c3a4",
    "a list without its size": "c0",
    "a list without its count": "c0 01",
    "a list smaller than its count": "c0 00 00",
    "a list that ends too early": "c0 03 03 40 40",
    "a list with too small a count": "c0 03 01 40 40",
    "a list with too small a size": "c0 02 02 40 40",
    "a list longer than what is there": "c0 05 01 40",
    "a list whose last value runs over its end": "c0 03 01 a1 05 61 62 63 64 65",
    "a list of four billion": "d0 ffffffff ffffffff 40",
    "a list that counts four billion": "d0 00000005 ffffffff 40",
    "a large list smaller than its count": "d0 00000003 00000000",
    "a map with a key alone": "c1 03 01 a1 00",
    "a map with a key twice": "c1 09 04 a10161 40 a10161 41",
    "a map of four billion": "d1 ffffffff fffffffe",
    "an array without elements' constructor": "e0 01 00",
    "an array of an unknown constructor": "e0 02 01 01",
    "an array with too many elements": "e0 03 02 50 01",
    "an array with too few elements": "e0 04 01 50 01 02",
    "an array that counts four billion": "f0 00000005 ffffffff 50",
    "an array of four billion nulls": "f0 00000005 ffffffff 40",
    "an array of four billion empty lists": "f0 00000005 ffffffff 45",
    "an array of four gigabytes": "f0 ffffffff 00000001 50",
    "an array of a described nothing": "e0 03 01 00 40",
    "a descriptor alone": "00 53 24",
    "a described nothing": "00",
}


@pytest.mark.parametrize("encoded", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_values(encoded):
    encoded = b(encoded)
    with pytest.raises(RemoteProtocolError) as failed:
        read_value(encoded, 0, len(encoded))
    assert failed.value.condition == DECODE_ERROR
    assert failed.value.description
    # The same where more bytes follow, which belong to somebody else.
    with pytest.raises(RemoteProtocolError):
        read_value(encoded + b"\x40" * 64, 0, len(encoded))
    # The same among fields, and in a list.
    listed = b"\xd0" + (len(encoded) + 4).to_bytes(4, "big") + b"\0\0\0\1" + encoded
    with pytest.raises(RemoteProtocolError):
        read_fields(listed, 0, len(listed))
    with pytest.raises(RemoteProtocolError):
        read_value(listed, 0, len(listed))


@pytest.mark.parametrize("encoded", ["", "40", "c1 01 00", "c0", "c0 00 00", "c0 01", "d0 00000004", "c0 05 01 40"])
def test_what_is_no_list_of_fields(encoded):
    encoded = b(encoded)
    with pytest.raises(RemoteProtocolError):
        read_fields(encoded, 0, len(encoded))


def test_an_empty_list_behind_the_end_is_not_read():
    with pytest.raises(RemoteProtocolError):
        read_fields(b"\x45\x45", 1, 1)


def test_a_composite_with_another_value_than_a_list_is_malformed():
    encoded = b("c0 06 01 00 53 24 a100")
    with pytest.raises(RemoteProtocolError, match="a list was expected"):
        read_fields(encoded, 0, len(encoded))


NESTS = {
    "lists": lambda inner: b"\xd0" + (len(inner) + 4).to_bytes(4, "big") + b"\0\0\0\1" + inner,
    "maps": lambda inner: b"\xd1" + (len(inner) + 5).to_bytes(4, "big") + b"\0\0\0\2\x40" + inner,
    "descriptors": lambda inner: b"\x00\x40" + inner,
    "descriptors of descriptors": lambda inner: b"\x00" + inner + b"\x40",
    "arrays": lambda inner: b"\xf0" + (len(inner) + 4).to_bytes(4, "big") + b"\0\0\0\1" + inner,
    "composites": lambda inner: b"\x00\x53\x25\xd0" + (len(inner) + 4).to_bytes(4, "big") + b"\0\0\0\1" + inner,
}


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS.keys())
@pytest.mark.parametrize("depth", [65, 300, 5000])
def test_nesting_is_bounded(nest, depth):
    encoded = b"\x40"
    for _ in range(depth):
        encoded = nest(encoded)
    before = sys.getrecursionlimit()
    with pytest.raises(RemoteProtocolError, match=r"nested deeper|descriptors"):
        read_value(encoded, 0, len(encoded))
    listed = NESTS["lists"](encoded)
    with pytest.raises(RemoteProtocolError):
        read_fields(listed, 0, len(listed))
    assert sys.getrecursionlimit() == before


def test_nesting_within_reason_is_read():
    encoded = b"\x40"
    for _ in range(60):
        encoded = NESTS["lists"](encoded)
    value = read(encoded)
    for _ in range(60):
        (value,) = value
    assert value is None


def listed(*values):
    body = b"".join(values)
    return b"\xd0" + (len(body) + 4).to_bytes(4, "big") + len(values).to_bytes(4, "big") + body


def empty_elements(count, constructor=0x40):
    return b"\xf0\x00\x00\x00\x05" + count.to_bytes(4, "big") + bytes([constructor])


@pytest.mark.parametrize("constructor", range(0x40, 0x46))
def test_elements_without_bytes_are_few_over_a_whole_value_or_frame(constructor):
    array = empty_elements(64, constructor)
    for read_all in (read_value, read_fields):
        arrays, _ = read_all(listed(*[array] * 4), 0, len(listed(*[array] * 4)))
        assert [len(a) for a in arrays] == [64] * 4
        with pytest.raises(RemoteProtocolError, match="take no bytes"):
            read_all(listed(*[array] * 5), 0, len(listed(*[array] * 5)))


def test_elements_without_bytes_in_a_body_are_as_many_as_its_bytes_allow():
    def room(size):
        return MAX_EMPTY_ELEMENTS_OF_BODY + size

    for section in (b"\x00\x53\x77", b"\x00\x53\x76"):
        padding = b"\xb0\x00\x00\xff\xff" + b"x" * 0xFFFF
        size = len(section + listed(padding, empty_elements(1)))
        message = Message.from_bytes(section + listed(padding, empty_elements(room(size))))
        assert len(message.body[1]) == room(size)
        message = Message.from_bytes(section + listed(padding, empty_elements(room(size) + 1)))
        with pytest.raises(DecodeError, match="take no bytes"):
            message.check()
    # However many sections a body has, it has one allowance.
    sequence = b"\x00\x53\x76" + listed(empty_elements(200))
    assert len(Message.from_bytes(sequence * 5).body) == 5
    with pytest.raises(DecodeError, match="take no bytes"):
        Message.from_bytes(sequence * 6).check()
    for section in (b"\x00\x53\x71", b"\x00\x53\x72", b"\x00\x53\x74", b"\x00\x53\x78"):
        entries = b"\xa3\x01k" + empty_elements(257)
        many = section + b"\xd1" + (len(entries) + 4).to_bytes(4, "big") + b"\x00\x00\x00\x02" + entries
        with pytest.raises(DecodeError, match="take no bytes"):
            Message.from_bytes(many).check()


def test_elements_with_many_descriptors_count_as_elements_without_bytes():
    def described(count, descriptors):
        body = b"\x00\x53\x01" * descriptors + b"\x50" + b"x" * count
        return b"\xf0" + (len(body) + 4).to_bytes(4, "big") + count.to_bytes(4, "big") + body

    assert len(read(described(5000, 1))) == 5000
    assert read(described(128, 3))[0] == Described(ulong(1), Described(ulong(1), ord("x")))
    with pytest.raises(RemoteProtocolError, match="several descriptors"):
        read(described(129, 3))


@pytest.mark.parametrize("encoded", [
    "72 7fa00000", "72 ff800001", "72 7fc00000", "72 ffc00001", "82 7ff0000000000001", "82 fff8000000000001",
    "f0 0000000d 00000002 72 7f800001 3f800000",
])  # fmt: skip
def test_a_nan_stays_the_nan_that_it_is(encoded):
    assert encode_value(read_value(b(encoded), 0, len(b(encoded)))[0]) == b(encoded)


def test_a_nan_of_a_double_that_has_no_room_in_a_float_stays_a_nan():
    assert encode_value(float32(read(b("82 7ff0000000000001")))) == b("72 7fc00000")


@pytest.mark.parametrize("encoded", MALFORMED.values(), ids=MALFORMED.keys())
def test_nothing_is_allocated_for_a_promise(encoded):
    encoded = b(encoded)
    tracemalloc = pytest.importorskip("tracemalloc")  # not on PyPy
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            read_value(encoded, 0, len(encoded))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
