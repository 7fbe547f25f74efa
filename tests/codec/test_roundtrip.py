"""Round trips of values that nobody thought of: whatever can be said comes back as it was said, types included."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.codec.decode import read_value
from reactor.codec.definitions import BY_CODE
from reactor.codec.encode import encode_value
from reactor.codec.message import Message
from reactor.codec.performatives import decode_composite, encode_composite
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
from tests.support.bytes import read_everything, same
from tests.support.properties import needs_hypothesis

hypothesis = needs_hypothesis()
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
quick = settings(max_examples=50, deadline=None, derandomize=True)


def integers(cls: Any) -> Any:
    return st.integers(cls.LOW, cls.HIGH).map(cls)


ascii_text = st.text(st.characters(max_codepoint=127), max_size=300)
text = st.text(max_size=300)
characters = st.characters(exclude_categories=("Cs",)).map(char)
floats = st.floats()
SCALARS: dict[int, Any] = {
    Data.NULL: st.none(),
    Data.BOOL: st.booleans(),
    Data.UBYTE: integers(ubyte),
    Data.BYTE: integers(byte),
    Data.USHORT: integers(ushort),
    Data.SHORT: integers(short),
    Data.UINT: integers(uint),
    Data.INT: integers(int32),
    Data.CHAR: characters,
    Data.ULONG: integers(ulong),
    Data.LONG: st.integers(-(2**63), 2**63 - 1),
    Data.TIMESTAMP: integers(timestamp),
    Data.FLOAT: st.floats(width=32).map(float32),
    Data.DOUBLE: floats,
    Data.DECIMAL32: integers(decimal32),
    Data.DECIMAL64: integers(decimal64),
    Data.DECIMAL128: st.binary(min_size=16, max_size=16).map(decimal128),
    Data.UUID: st.uuids(),
    Data.BINARY: st.binary(max_size=300),
    Data.STRING: text,
    Data.SYMBOL: ascii_text.map(symbol),
}
scalars = st.one_of(*SCALARS.values())
arrays = st.sampled_from(sorted(SCALARS)).flatmap(
    lambda kind: st.builds(
        lambda descriptor, elements: Array(descriptor, kind, *elements),
        st.one_of(st.just(UNDESCRIBED), integers(ulong), ascii_text.map(symbol)),
        st.lists(SCALARS[kind], max_size=5),
    )
)


def as_a_map(entries: Any) -> Any:
    """The entries as they are read: a dict if it can hold all of them, else pairs. No key is there twice."""
    once = list({(type(key), repr(key)): (key, value) for key, value in entries}.values())
    try:
        held = dict(once)
    except TypeError:
        return Pairs(once)
    return held if len(held) == len(once) else Pairs(once)


near = st.one_of(st.integers(0, 1), st.booleans(), st.sampled_from([0.0, -0.0, 1.0, ulong(0), timestamp(1)]))
values = st.recursive(
    st.one_of(scalars, arrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(st.tuples(st.one_of(scalars, near, inner), inner), max_size=5).map(as_a_map),
        st.builds(Described, st.one_of(integers(ulong), ascii_text.map(symbol)), inner),
    ),
    max_leaves=20,
)


#: One of each section, in the specified order.
SECTIONS = [
    bytes([0x00, 0x53, code]) + content
    for code, content in [
        (0x70, encode_value([True])),
        (0x71, encode_value({symbol("d"): 1})),
        (0x72, encode_value({symbol("m"): 1})),
        (0x73, encode_value(["i"])),
        (0x74, encode_value({"k": 1})),
        (0x77, encode_value("b")),
        (0x78, encode_value({symbol("f"): 1})),
    ]
]


@quick
@given(values)
def test_any_value_comes_back_with_its_types(value):
    encoded = encode_value(value)
    again, end = read_value(encoded, 0, len(encoded))
    assert end == len(encoded)
    assert same(again, value)
    assert encode_value(again) == encoded


@quick
@given(st.permutations(SECTIONS), st.lists(st.sampled_from(SECTIONS), max_size=4))
def test_sections_in_any_order_are_read_and_written_in_the_specified_one(order, more):
    encoded = b"".join([*order, *more])
    message = Message.from_bytes(encoded)
    message.check()
    assert (message.id, message.durable, message.instructions, message.annotations) == ("i", True, {"d": 1}, {"m": 1})
    assert (message.properties, message.body, message.footer) == ({"k": 1}, "b", {"f": 1})
    written = message.encode()
    assert written == b"".join(sorted([*order, *more], key=SECTIONS.index))
    message.delivery_count = 2
    message.annotations["new"] = 1
    again = Message.from_bytes(message.encode())
    assert (again.delivery_count, again.durable, again.annotations) == (2, True, {"m": 1, "new": 1})
    assert (again.id, again.instructions, again.properties, again.body) == ("i", {"d": 1}, {"k": 1}, "b")
    assert again.footer == {"f": 1}


@quick
@given(values, st.data())
def test_any_truncation_of_a_value_is_refused(value, data):
    encoded = encode_value(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(RemoteProtocolError):
        read_value(encoded[:cut], 0, cut)
    with pytest.raises(RemoteProtocolError):
        read_value(encoded, 0, cut)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(encoded):
    read_everything(encoded)


@quick
@given(
    st.one_of(values, st.none()),
    st.booleans(),
    st.dictionaries(text, scalars, max_size=3),
    st.dictionaries(ascii_text.map(symbol), values, max_size=3),
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.one_of(text, st.uuids(), st.binary(max_size=20), st.integers(0, 2**64 - 1)),
            "user_id": st.binary(min_size=1, max_size=300),
            "address": text,
            "subject": text,
            "reply_to": text,
            "correlation_id": st.one_of(text, st.uuids(), st.binary(max_size=20), st.integers(0, 2**64 - 1)),
            "content_type": ascii_text.map(symbol),
            "content_encoding": ascii_text.map(symbol),
            "expiry_time": st.integers(-(2**40), 2**40).map(lambda ms: ms / 1000),
            "creation_time": st.integers(-(2**40), 2**40).map(lambda ms: ms / 1000),
            "group_id": text,
            "group_sequence": st.integers(0, 2**32 - 1),
            "reply_to_group_id": text,
            "durable": st.booleans(),
            "priority": st.integers(0, 255),
            "ttl": st.integers(0, 2**32 - 1).map(lambda ms: ms / 1000),
            "first_acquirer": st.booleans(),
            "delivery_count": st.integers(0, 2**32 - 1),
        },
    ),
)
def test_any_message_comes_back(body, inferred, properties, annotations, fields):
    sent = Message(body, inferred=inferred, properties=properties, annotations=annotations, **fields)
    encoded = sent.encode()
    message = Message.from_bytes(encoded)
    assert same(message.body, body)
    assert same(message.properties or {}, properties)  # the section of an empty map is left out
    assert same(dict(message.annotations or {}), annotations)
    for name, value in fields.items():
        assert getattr(message, name) == value, name
    assert message.encode() == encoded
    message.delivery_count = 77
    message.subject = "changed"
    again = Message.from_bytes(message.encode())
    assert (again.delivery_count, again.subject) == (77, "changed")
    assert same(again.body, body)
    assert again.durable == sent.durable
    assert again.reply_to == sent.reply_to


@quick
@given(st.sampled_from(sorted(BY_CODE)), st.lists(values, max_size=14))
def test_composites_of_anything_are_read_or_refused(code, fields):
    encoded = encode_value(Described(ulong(code), fields))
    try:
        _, got, end = decode_composite(encoded, 0, len(encoded))
    except RemoteProtocolError as e:
        assert e.condition == DECODE_ERROR
    else:
        assert end == len(encoded)
        encode_composite(code, got)
