"""Rows of the message format [3.2]: sections, their order, their fields."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from reactor.codec.decode import read_value
from reactor.codec.encode import encode_value
from reactor.codec.types import Described, symbol, timestamp, ubyte, uint, ulong
from tests.conformance.engine import Codec
from tests.conformance.table import IS, MUST, POLICING, SHOULD, TOLERANCE, codec

HEADER, DELIVERY, ANNOTATIONS, PROPERTIES, APPLICATION = 0x70, 0x71, 0x72, 0x73, 0x74
DATA, SEQUENCE, VALUE, FOOTER = 0x75, 0x76, 0x77, 0x78


def section(code: int, value: Any) -> bytes:
    """A section as it is written."""
    return encode_value(Described(ulong(code), value))


BODY = section(VALUE, "x")


def sections(data: bytes) -> list[tuple[int, Any]]:
    """The sections of an encoded message, in their order."""
    found, position = [], 0
    while position < len(data):
        value, position = read_value(data, position, len(data))
        found.append((int(value.descriptor), value.value))
    return found


def said(one: Codec, body: Any = "x", **fields: Any) -> dict[int, Any]:
    """The sections of a message with these fields, as the engine writes it."""
    return dict(sections(written(one, body, **fields)))


def written(one: Codec, body: Any = "x", **fields: Any) -> bytes:
    """A message with these fields, as the engine writes it."""
    message = one.types.Message(body)
    for name, value in fields.items():
        setattr(message, name, value)
    return bytes(message.encode())


def at(fields: Any, place: int) -> Any:
    """A field of a list that may be short."""
    return fields[place] if len(fields) > place else None


# -- 3.2 -------------------------------------------------------------------------------------------------------


@codec("3.2", MUST, "Sections are written in their order, each at most once")
def order(one: Codec) -> None:
    names = one.types
    annotations = {names.symbol("x-opt-i"): 1}
    data = written(
        one, durable=True, instructions=annotations, annotations=annotations, subject="s", properties={"k": 1}
    )
    assert [code for code, _ in sections(data)] == [HEADER, DELIVERY, ANNOTATIONS, PROPERTIES, APPLICATION, VALUE]


@codec("3.2", MUST, "A message has a body, also when it is None")
def body_of_none(one: Codec) -> None:
    assert said(one, None).get(VALUE, "no section") is None


@codec("3.2", MUST, "The body is of one kind: data, or sequences, or one value")
def one_kind(one: Codec) -> None:
    for body in ("text", b"octets", [1, 2], {"k": 1}, 5):
        kinds = [code for code, _ in sections(written(one, body)) if code in (DATA, SEQUENCE, VALUE)]
        assert len(kinds) == 1


@codec("3.2", IS, "A message may be its body alone")
def body_alone(one: Codec) -> None:
    assert one.message(BODY).body == "x"


@codec("3.2", IS, "Sections are read in whatever order they come", TOLERANCE)
def any_order(one: Codec) -> None:
    properties = section(PROPERTIES, [None, None, None, "s"])
    application = section(APPLICATION, {"k": 1})
    annotations = section(ANNOTATIONS, {symbol("x-opt-a"): 1})
    footer = section(FOOTER, {symbol("x-opt-f"): 1})
    delivery = section(DELIVERY, {symbol("x-opt-d"): 1})
    for data in (
        properties + application + footer + BODY,
        properties + application + annotations + BODY,
        section(HEADER, [True]) + annotations + properties + BODY + delivery,
    ):
        message = one.message(data)
        assert message.subject == "s" and message.body == "x"


@codec("3.2", IS, "A message without a body is read: it has none", TOLERANCE)
def no_body(one: Codec) -> None:
    message = one.message(section(PROPERTIES, [None, None, None, "s"]))
    assert message.subject == "s" and message.body is None


@codec("3.2", IS, "What is no section is refused", POLICING)
def no_section(one: Codec) -> None:
    for data in (encode_value("x"), section(0x10, ["p"]), BODY[:-1], section(HEADER, "no list") + BODY):
        try:
            message = one.message(data)
        except Exception:
            continue
        raise AssertionError(f"{data.hex()} is taken for {message!r}")


@codec("3.2", MUST, "The bare message stays as it is, octet for octet, when it is sent on")
def bare_message(one: Codec) -> None:
    bare = (
        b"\x00\x53\x73\xd0\x00\x00\x00\x0b\x00\x00\x00\x02\x40\xb0\x00\x00\x00\x01u"  # wide where narrow would do
        + b"\x00\x80" + bytes(7) + b"\x77\xb1\x00\x00\x00\x01x"
    )
    message = one.message(section(HEADER, [False]) + bare)
    message.delivery_count = 1
    data = bytes(message.encode())
    assert data.endswith(bare), data.hex()


@codec("3.2", IS, "Sections may be named by their symbols", TOLERANCE)
def named_by_symbol(one: Codec) -> None:
    assert one.message(encode_value(Described(symbol("amqp:amqp-value:*"), "x"))).body == "x"


# -- 3.2.1 header ----------------------------------------------------------------------------------------------


@codec("3.2.1", MUST, "Without a header its fields are at their defaults")
def default_header(one: Codec) -> None:
    message = one.message(BODY)
    assert (message.durable, message.priority, message.ttl) == (False, 4, 0)
    assert (message.first_acquirer, message.delivery_count) == (False, 0)


@codec("3.2.1", IS, "A header may be empty, or short")
def short_header(one: Codec) -> None:
    assert one.message(section(HEADER, []) + BODY).priority == 4
    assert one.message(section(HEADER, [True]) + BODY).durable is True


@codec("3.2.1", IS, "Each field of the header is read")
def header_is_read(one: Codec) -> None:
    message = one.message(section(HEADER, [True, ubyte(9), uint(5000), True, uint(3)]) + BODY)
    assert (message.durable, message.priority, message.ttl) == (True, 9, 5.0)
    assert (message.first_acquirer, message.delivery_count) == (True, 3)


@codec("3.2.1", IS, "Each field of the header is written, in its type")
def header_is_written(one: Codec) -> None:
    fields = said(one, durable=True, priority=9, ttl=5, first_acquirer=True, delivery_count=3)[HEADER]
    assert fields == [True, 9, 5000, True, 3]
    assert [type(value).__name__ for value in fields[1:3]] == ["ubyte", "uint"]


@codec("3.2.1", IS, "What is at its default need not be written")
def plain_header(one: Codec) -> None:
    fields = said(one).get(HEADER, [])
    assert not at(fields, 0) and at(fields, 1) in (None, 4) and not at(fields, 2) and not at(fields, 4)


# -- 3.2.2, 3.2.3 annotations ----------------------------------------------------------------------------------


@codec("3.2.2", IS, "Delivery-annotations are read and written")
def delivery_annotations(one: Codec) -> None:
    assert dict(one.message(section(DELIVERY, {symbol("x-opt-d"): 5}) + BODY).instructions) == {"x-opt-d": 5}
    assert said(one, instructions={one.types.symbol("x-opt-d"): 5})[DELIVERY] == {"x-opt-d": 5}


@codec("3.2.2", IS, "Left out they are none")
def no_delivery_annotations(one: Codec) -> None:
    assert not one.message(BODY).instructions


@codec("3.2.3", IS, "Message-annotations are read and written")
def message_annotations(one: Codec) -> None:
    assert dict(one.message(section(ANNOTATIONS, {symbol("x-opt-a"): "v"}) + BODY).annotations) == {"x-opt-a": "v"}
    assert said(one, annotations={one.types.symbol("x-opt-a"): "v"})[ANNOTATIONS] == {"x-opt-a": "v"}


@codec("3.2.3", MUST, "They go on when the message is sent on")
def annotations_go_on(one: Codec) -> None:
    message = one.message(section(ANNOTATIONS, {symbol("x-opt-a"): "v"}) + BODY)
    assert dict(sections(bytes(message.encode())))[ANNOTATIONS] == {"x-opt-a": "v"}


@codec("3.2.3", IS, "Left out they are none")
def no_message_annotations(one: Codec) -> None:
    assert not one.message(BODY).annotations


# -- 3.2.4 properties ------------------------------------------------------------------------------------------

_ID = UUID(int=7)
_FIELDS = [ulong(5), b"me", "to", "subject", "back", "correlation", symbol("text/plain"), symbol("gzip"),
           timestamp(1600000000123), timestamp(1500000000000), "group", uint(3), "other"]
_NAMES = ("id", "user_id", "address", "subject", "reply_to", "correlation_id", "content_type", "content_encoding",
          "expiry_time", "creation_time", "group_id", "group_sequence", "reply_to_group_id")
_VALUES = (5, b"me", "to", "subject", "back", "correlation", "text/plain", "gzip", 1600000000.123, 1500000000.0,
           "group", 3, "other")


@codec("3.2.4", IS, "Each of the properties is read")
def properties_are_read(one: Codec) -> None:
    message = one.message(section(PROPERTIES, _FIELDS) + BODY)
    for name, value in zip(_NAMES, _VALUES):
        found = getattr(message, name)
        if name.endswith("_time"):
            assert abs(found - value) < 0.0015, f"{name}: {found!r}"
        else:
            assert (bytes(found) if name == "user_id" else found) == value, f"{name}: {found!r}"


@codec("3.2.4", IS, "Each of the properties is written, in its type")
def properties_are_written(one: Codec) -> None:
    values = dict(zip(_NAMES, _VALUES))
    values["id"] = one.types.ulong(5)
    fields = said(one, **values)[PROPERTIES]
    for place, (found, value) in enumerate(zip(fields, _FIELDS)):
        assert type(found) is type(value), f"{_NAMES[place]} is a {type(found).__name__}"
        assert abs(found - value) <= 1 if _NAMES[place].endswith("_time") else found == value


@codec("3.2.4", IS, "Properties may be short, or have nulls")
def short_properties(one: Codec) -> None:
    message = one.message(section(PROPERTIES, [None, None, "to"]) + BODY)
    assert (message.id, message.address, message.subject) == (None, "to", None)


@codec("3.2.4", SHOULD, "Properties that are not set are not written")
def no_properties(one: Codec) -> None:
    assert all(value in (None, b"") for value in said(one).get(PROPERTIES, []))


# -- 3.2.5 application-properties ------------------------------------------------------------------------------


@codec("3.2.5", IS, "Application-properties are read: strings to simple values of any type")
def application_properties(one: Codec) -> None:
    values = {"a": 1, "b": "two", "c": None, "d": True, "e": b"5", "f": 6.5, "g": _ID}
    found = dict(one.message(section(APPLICATION, values) + BODY).properties)
    assert {key: bytes(value) if key == "e" else value for key, value in found.items()} == values


@codec("3.2.5", IS, "Application-properties are written, with strings as keys")
def application_properties_written(one: Codec) -> None:
    found = said(one, properties={"a": 1, "b": "two"})[APPLICATION]
    assert found == {"a": 1, "b": "two"} and all(type(key) is str for key in found)


@codec("3.2.5", MUST, "No list, map or array is written as a value of application-properties")
def simple_values(one: Codec) -> None:
    for value in ([1], {"k": 1}):
        try:
            found = said(one, properties={"a": value})
        except Exception:
            continue
        raise AssertionError(f"{found[APPLICATION]} is written")


@codec("3.2.5", IS, "A peer's list or map there is read", TOLERANCE)
def peers_values(one: Codec) -> None:
    message = one.message(section(APPLICATION, {"a": [1], "b": {"k": 1}}) + BODY)
    assert message.body == "x" and dict(message.properties)["a"] == [1]


# -- 3.2.6 to 3.2.9 the body, the footer -----------------------------------------------------------------------


@codec("3.2.6", IS, "A data section is octets")
def data_is_read(one: Codec) -> None:
    assert bytes(one.message(section(DATA, b"\x00\xff")).body) == b"\x00\xff"


@codec("3.2.6", IS, "Octets are written as a data section, where that is what is meant")
def data_is_written(one: Codec) -> None:
    assert said(one, b"\x00\xff", inferred=True)[DATA] == b"\x00\xff"


@codec("3.2.6", IS, "Several data sections are one message")
def many_data(one: Codec) -> None:
    message = one.message(section(DATA, b"a") + section(DATA, b"b"))
    assert b"a" in bytes(message.body) and (
        bytes(message.body) == b"ab" or [code for code, _ in sections(bytes(message.encode()))] == [DATA, DATA]
    )


@codec("3.2.7", IS, "A sequence section is a list of values")
def sequence_is_read(one: Codec) -> None:
    assert list(one.message(section(SEQUENCE, [1, "a"])).body) == [1, "a"]


@codec("3.2.7", IS, "A list is written as a sequence section, where that is what is meant")
def sequence_is_written(one: Codec) -> None:
    assert said(one, [1, "a"], inferred=True)[SEQUENCE] == [1, "a"]


@codec("3.2.8", IS, "A value section is one value of any type")
def value_is_read(one: Codec) -> None:
    for value in ("x", 5, None, True, [1], {"k": "v"}, 6.5, _ID, symbol("s")):
        assert one.message(section(VALUE, value)).body == value


@codec("3.2.8", IS, "A value is written as one")
def value_is_written(one: Codec) -> None:
    for value in ("x", 5, True, [1], {"k": "v"}, 6.5, _ID):
        assert said(one, value)[VALUE] == value


@codec("3.2.9", IS, "A footer is read, and goes on when the message is sent on")
def footer(one: Codec) -> None:
    message = one.message(BODY + section(FOOTER, {symbol("x-opt-f"): 1}))
    assert message.body == "x"
    assert dict(sections(bytes(message.encode())))[FOOTER] == {"x-opt-f": 1}


# -- 3.2.10 annotations, 3.2.11 to 3.2.15 ----------------------------------------------------------------------


@codec("3.2.10", MUST, "The keys of annotations are symbols, whatever text they were set by")
def annotation_keys(one: Codec) -> None:
    names = one.types
    found = said(one, annotations={names.symbol("x-opt-a"): 1}, instructions={names.symbol("x-opt-b"): 2})
    assert all(type(key) is symbol for key in [*found[ANNOTATIONS], *found[DELIVERY]])


@codec("3.2.10", IS, "Keys that are numbers are read, and stay numbers", TOLERANCE)
def numbers_as_keys(one: Codec) -> None:
    message = one.message(section(ANNOTATIONS, {ulong(5): "v"}) + BODY)
    assert dict(message.annotations) == {5: "v"}
    assert dict(sections(bytes(message.encode())))[ANNOTATIONS] == {ulong(5): "v"}


@codec("3.2.10", IS, "Annotations that begin with x-opt- may be passed over by who does not know them", TOLERANCE)
def optional_annotations(one: Codec) -> None:
    annotations = section(ANNOTATIONS, {symbol("x-opt-who-knows"): Described(symbol("a:b"), [1])})
    assert one.message(annotations + BODY).body == "x"


def _an_id(number: str, name: str, text: str, value: Any) -> None:
    def show(one: Codec) -> None:
        message = one.message(section(PROPERTIES, [value, None, None, None, None, value]) + BODY)
        for found in (message.id, message.correlation_id):
            assert (bytes(found) if isinstance(value, bytes) else found) == value
        again = dict(sections(bytes(message.encode())))[PROPERTIES]
        assert type(again[0]) is type(value) and again[0] == value

    show.__name__ = name
    codec(number, IS, text)(show)


_an_id("3.2.11", "id_is_ulong", "An id may be a ulong, and stays one", ulong(2**63))
_an_id("3.2.12", "id_is_uuid", "An id may be a uuid, and stays one", _ID)
_an_id("3.2.13", "id_is_binary", "An id may be octets, and stays them", b"\x00\xff")
_an_id("3.2.14", "id_is_string", "An id may be a string, and stays one", "id-1")


@codec("3.2.11", MUST, "An id of another type is not written")
def id_of_another_type(one: Codec) -> None:
    for value in (6.5, [1], {"k": 1}):
        try:
            found = said(one, id=value)
        except Exception:
            continue
        raise AssertionError(f"{at(found[PROPERTIES], 0)!r} is written")


@codec("3.2.15", IS, "Addresses are strings")
def addresses(one: Codec) -> None:
    fields = said(one, address="to", reply_to="back")[PROPERTIES]
    assert (type(fields[2]), type(fields[4])) == (str, str)
