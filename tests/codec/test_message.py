"""Message: what the application sees of it, what travels, and what is refused."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from types import MappingProxyType
from uuid import UUID

import pytest

from reactor.codec.dicts import SymbolList
from reactor.codec.message import Message
from reactor.codec.types import UNDESCRIBED, Array, Data, Described, symbol, timestamp, ulong
from reactor.errors import DECODE_ERROR, DecodeError, MessageException, RemoteProtocolError

DEFAULTS = {
    "id": None,
    "user_id": b"",
    "address": None,
    "subject": None,
    "reply_to": None,
    "correlation_id": None,
    "content_type": None,
    "content_encoding": None,
    "expiry_time": 0.0,
    "creation_time": 0.0,
    "group_id": None,
    "group_sequence": 0,
    "reply_to_group_id": None,
    "durable": False,
    "priority": 4,
    "ttl": 0.0,
    "first_acquirer": False,
    "delivery_count": 0,
    "inferred": False,
    "instructions": None,
    "annotations": None,
    "properties": None,
    "body": None,
    "footer": None,
    "data_sections": [],
    "sequence_sections": [],
}

EVERYTHING = {
    "id": "id",
    "user_id": b"me",
    "address": "to",
    "subject": "what",
    "reply_to": "back",
    "correlation_id": UUID(int=7),
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "expiry_time": 1700000000.5,
    "creation_time": 1600000000.123,
    "group_id": "group",
    "group_sequence": 3,
    "reply_to_group_id": "other",
    "durable": True,
    "priority": 9,
    "ttl": 1.5,
    "first_acquirer": True,
    "delivery_count": 2,
    "instructions": {"i": 1},
    "annotations": {"a": [1, "two"]},
    "properties": {"p": "q", "n": None},
    "footer": {"f": b"signature"},
    "body": {"k": ["v", 1.5]},
}


def trip(message: Message) -> Message:
    """The message as its receiver gets it."""
    return Message.from_bytes(message.encode())


def b(text: str) -> bytes:
    return bytes.fromhex(text)


# -- attributes -------------------------------------------------------------------------------------------


def test_an_empty_message_has_the_defaults_before_and_after_the_trip():
    for message in (Message(), trip(Message()), Message.from_bytes(b"")):
        assert {name: getattr(message, name) for name in DEFAULTS} == DEFAULTS
    assert Message.DEFAULT_PRIORITY == 4


@pytest.mark.parametrize("name", EVERYTHING)
def test_an_attribute_can_be_given_assigned_sent_and_taken_away(name):
    value = EVERYTHING[name]
    given, assigned = Message(**{name: value}), Message()
    setattr(assigned, name, value)
    assert given.encode() == assigned.encode()
    for message in (given, assigned, trip(given)):
        assert getattr(message, name) == value
        for other in set(DEFAULTS) - {name, "group_sequence"}:
            assert getattr(message, other) == DEFAULTS[other], other
        setattr(message, name, None)
        assert getattr(message, name) == DEFAULTS[name]
        assert getattr(trip(message), name) == DEFAULTS[name]


def test_all_attributes_together():
    message = trip(Message(**EVERYTHING))
    assert {name: getattr(message, name) for name in EVERYTHING} == EVERYTHING
    assert type(message.content_type) is symbol
    assert {type(key) for key in (*message.annotations, *message.instructions, *message.footer)} == {symbol}
    assert {type(key) for key in message.properties} == {str}


def test_clear_takes_everything_away():
    for message in (Message(**EVERYTHING), trip(Message(**EVERYTHING))):
        message.clear()
        assert {name: getattr(message, name) for name in DEFAULTS} == DEFAULTS
        assert message.encode() == Message().encode()


@pytest.mark.parametrize("number", [0, 5, 2**64 - 1, ulong(5)])
def test_a_number_as_id_travels_as_ulong_and_is_a_plain_int(number):
    message = trip(Message(id=number, correlation_id=number))
    assert (message.id, message.correlation_id) == (number, number)
    assert type(message.id) is type(message.correlation_id) is int
    assert type(Message(id=number).id) is int


def test_times_are_in_seconds_and_travel_in_milliseconds():
    message = Message(ttl=0.57, expiry_time=1.2345, creation_time=-1)
    assert (message.ttl, message.expiry_time, message.creation_time) == (0.57, 1.234, -1.0)
    assert isinstance(trip(Message(ttl=2)).ttl, float)


def test_a_member_of_a_group_has_a_place_in_it():
    assert trip(Message(group_id="g")).group_sequence == 0
    assert b("a1 01 67 43") in Message(group_id="g").encode()


def test_mappings_of_all_kinds_are_taken():
    message = Message(properties=MappingProxyType({"a": 1}), annotations=OrderedDict(b=2))
    assert trip(message).properties == {"a": 1}
    assert trip(message).annotations == {"b": 2}


def test_annotation_keys_are_symbols_or_ulongs_on_the_wire():
    message = trip(Message(annotations={"s": 1, 7: 2, ulong(8): 3}))
    assert [(type(k), k) for k in message.annotations] == [(symbol, "s"), (ulong, 7), (ulong, 8)]


# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, hint",
    [("adress", "address"), ("ID", None), ("propertys", "properties"), ("reply", "reply_to"), ("xyzzy", None)],
)
def test_an_unknown_keyword_is_named_and_the_nearest_suggested(name, hint):
    with pytest.raises(TypeError, match="Message has no attribute '%s'" % name) as failed:
        Message(**{name: 1})
    assert (hint is None) == ("did you mean" not in str(failed.value))
    assert hint is None or "did you mean '%s'?" % hint in str(failed.value)


def test_an_application_may_keep_something_of_its_own_on_a_message():
    message = Message("x")
    message.order = 7  # type: ignore[attr-defined]
    assert message.order == 7 and Message.from_bytes(message.encode()).body == "x"  # type: ignore[attr-defined]


REFUSED = {
    "id": [1.5, -1, 2**64, True, [1], object()],
    "correlation_id": [1.5, -1, 2**64],
    "user_id": [5, ["a"]],
    "address": [5, b"q", ["q"]],
    "subject": [5, b"s"],
    "reply_to": [5],
    "content_type": [5, "ä", b"text/plain"],
    "content_encoding": [5, "ä"],
    "expiry_time": ["soon", 1e300, float("nan"), float("inf")],
    "creation_time": ["now"],
    "group_id": [5],
    "group_sequence": [-1, 2**32, "1", 1.0],
    "reply_to_group_id": [5],
    "priority": [-1, 256, "high", 3.7, True],
    "ttl": [-1, 2**32, "x", float("nan")],
    "delivery_count": [-1, 2**32, "x"],
    "instructions": [5, [1], "ab"],
    "annotations": [5, [1], "ab"],
    "properties": [5, [("a", 1)]],
    "footer": [5],
}


@pytest.mark.parametrize("name, value", [(name, value) for name in REFUSED for value in REFUSED[name]])
def test_a_bad_value_is_refused_at_the_assignment(name, value):
    message = Message(**EVERYTHING)
    before = message.encode()
    with pytest.raises(MessageException, match=r"Message\.%s cannot be " % name):
        setattr(message, name, value)
    assert message.encode() == before
    with pytest.raises(MessageException, match=r"Message\.%s cannot be " % name):
        Message(**{name: value})


@pytest.mark.parametrize(
    "fields, complaint",
    [
        ({"body": object()}, "Message.body cannot be sent: <object.*has no AMQP type"),
        ({"body": 2**63}, "Message.body cannot be sent: the int .* does not fit a long"),
        ({"body": "\ud800"}, "Message.body cannot be sent: .*surrogates"),
        ({"body": "\ud800" * 300}, "Message.body cannot be sent: .*surrogates"),
        ({"body": [object()], "inferred": True}, "Message.body cannot be sent"),
        ({"properties": {1: 1}}, "Message.properties cannot be sent: the key 1 is not a str"),
        ({"properties": {"a": object()}}, "Message.properties cannot be sent: the value of 'a': <object.*has no"),
        ({"properties": {"a": 2**63}}, "Message.properties cannot be sent: the value of 'a': the int"),
        ({"properties": {"a": [1]}}, "Message.properties cannot be sent: the value of 'a': it is .1., and only simple"),
        ({"properties": {"a": {}}}, "Message.properties .* only simple values are allowed .3.2.5."),
        ({"properties": {"a": (1, 2)}}, "Message.properties .* only simple values are allowed"),
        ({"properties": {"a": Array(UNDESCRIBED, Data.INT, 1)}}, "Message.properties .* only simple values"),
        ({"properties": {"a": Described(symbol("d"), 1)}}, "Message.properties .* only simple values"),
        ({"properties": {"a": SymbolList("s")}}, "Message.properties .* only simple values"),
        ({"annotations": {1.5: 1}}, "Message.annotations cannot be sent: the key 1.5 is neither a symbol"),
        ({"annotations": {-1: 1}}, "Message.annotations cannot be sent: the key -1 is neither a symbol"),
        ({"annotations": {"ä": 1}}, "Message.annotations cannot be sent: .ascii. codec"),
        ({"instructions": {True: 1}}, "Message.instructions cannot be sent: the key True is neither"),
        ({"subject": "\ud800"}, "properties.subject cannot be .*surrogates"),
        ({"footer": {"a": {1}}}, "Message.footer cannot be sent: .1. .* has no AMQP type"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_only_encoding_can_tell_is_refused_by_encode(fields, complaint):
    message = Message(**fields)
    with pytest.raises(MessageException, match="(?s)" + complaint):
        message.encode()
    received = trip(Message("x", annotations={"a": 1}, properties={"b": 2}))
    for name, value in fields.items():
        setattr(received, name, value)
    with pytest.raises(MessageException, match="(?s)" + complaint):
        received.encode()


# -- bodies -----------------------------------------------------------------------------------------------

BODIES = [
    None, True, 0, 1.5, "", "text", "t" * 300, "ä", b"", b"bytes", symbol("s"), ulong(5), timestamp(5), UUID(int=5),
    [], [1, [2]], {}, {"a": {"b": []}}, Described(symbol("d"), 1), Array(UNDESCRIBED, Data.LONG, 1, 2),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=repr)
@pytest.mark.parametrize("inferred", [False, True])
def test_every_body_comes_back(body, inferred):
    message = trip(Message(body, inferred=inferred))
    assert message.body == body
    assert type(message.body) is type(body)
    assert message.inferred == (inferred and isinstance(body, (bytes, list)))


def test_inferred_tells_the_section():
    assert Message(b"x").encode().endswith(b("00 53 77 a0 01 78"))
    assert Message(b"x", inferred=True).encode().endswith(b("00 53 75 a0 01 78"))
    assert Message([1], inferred=True).encode().endswith(b("00 53 76 d0 00000006 00000001 55 01"))
    assert Message((1,), inferred=True).encode() == Message([1], inferred=True).encode()
    assert Message("x", inferred=True).encode() == Message("x").encode()


def test_other_kinds_of_bytes():
    for body in (bytearray(b"x"), memoryview(b"x")):
        assert trip(Message(body)).body == b"x"
        assert trip(Message(body, inferred=True)).body == b"x"
        assert trip(Message(body, inferred=True)).data_sections == [b"x"]


def test_an_explicit_null_is_no_body():
    message = Message.from_bytes(b("00 53 77 40"))
    assert message.body is None
    assert message.encode() == b("00 53 77 40")


def test_several_data_sections():
    encoded = b("00 53 75 a0 01 61 00 53 75 a0 00 00 53 75 b0 00000002 62 63")
    message = Message.from_bytes(encoded)
    assert message.body == b"abc"
    assert message.data_sections == [b"a", b"", b"bc"]
    assert message.sequence_sections == []
    assert message.inferred
    assert message.encode() == encoded
    message.subject = "changed"
    assert trip(message).data_sections == [b"a", b"", b"bc"]
    message.data_sections = [b"abc", b""]
    assert trip(message).data_sections == [b"abc", b""]
    message.body = b"d"
    assert trip(message).data_sections == [b"d"]


def test_several_sequence_sections():
    encoded = b("00 53 76 c0 02 01 41 00 53 76 45 00 53 76 c0 03 02 41 42")
    message = Message.from_bytes(encoded)
    assert message.body == [True, True, False]
    assert message.sequence_sections == [[True], [], [True, False]]
    assert message.data_sections == []
    assert message.inferred
    assert message.encode() == encoded
    message.body.append("more")
    assert trip(message).sequence_sections == [[True, True, False, "more"]]


def test_sections_can_be_assigned():
    message = Message(data_sections=[b"a", bytearray(b"b")])
    assert (message.body, message.inferred) == (b"ab", True)
    assert trip(message).data_sections == [b"a", b"b"]
    message.sequence_sections = [[1], (2, 3)]
    assert (message.body, message.inferred) == ([1, 2, 3], True)
    assert trip(message).sequence_sections == [[1], [2, 3]]
    message.data_sections = []
    assert trip(message).body is None
    with pytest.raises(MessageException, match=r"Message\.data_sections"):
        message.data_sections = ["text"]
    with pytest.raises(MessageException, match=r"Message\.sequence_sections"):
        message.sequence_sections = [5]


def test_changing_inferred_changes_the_section():
    message = trip(Message(b"x"))
    message.inferred = True
    assert message.encode() == Message(b"x", inferred=True).encode()
    message.inferred = False
    assert message.encode() == Message(b"x").encode()


# -- received messages ------------------------------------------------------------------------------------

# All sections, none as this library would write them: lists and maps in small and large forms, nulls at the ends,
# defaults spelled out, descriptors in full and as a symbol.
FOREIGN = {
    "header": b("00 53 70 d0 0000000a 00000005 42 50 04 40 42 43"),
    "instructions": b("00 80 0000000000000071 c1 05 02 a3 01 69 41"),
    "annotations": b("00 53 72 c1 08 02 b3 00000001 61 41"),
    "fields": b("00 53 73 c0 0c 06 b1 00000001 41 40 40 40 40 40"),
    "properties": b("00 53 74 c1 07 02 a1 01 70 60 0005"),
    "body": b("00 a3 11") + b"amqp:amqp-value:*" + b("c1 05 02 a1 01 6b 42"),
    "footer": b("00 53 78 c1 01 00"),
}
FOREIGN_BYTES = b"".join(FOREIGN.values())


def changed_sections(message: Message) -> set[str]:
    """Which sections of the foreign message are not as they came."""
    encoded = message.encode()
    return {name for name, section in FOREIGN.items() if section not in encoded}


def test_a_foreign_message_is_read():
    message = Message.from_bytes(FOREIGN_BYTES)
    message.check()
    assert (message.durable, message.priority, message.delivery_count) == (False, 4, 0)
    assert (message.instructions, message.annotations, message.footer) == ({"i": True}, {"a": True}, {})
    assert (message.id, message.properties, message.body) == ("A", {"p": 5}, {"k": False})


def test_what_nobody_touched_is_the_very_bytes():
    assert Message.from_bytes(FOREIGN_BYTES).encode() is FOREIGN_BYTES


def test_what_was_only_read_is_the_same_bytes():
    message = Message.from_bytes(FOREIGN_BYTES)
    message.check()
    assert {name: getattr(message, name) for name in DEFAULTS}
    assert message.encode() == FOREIGN_BYTES


@pytest.mark.parametrize("name, value, section", [
    ("delivery_count", 5, "header"),
    ("first_acquirer", True, "header"),
    ("durable", True, "header"),
    ("priority", 9, "header"),
    ("ttl", 1, "header"),
    ("instructions", {"x": 1}, "instructions"),
    ("instructions", None, "instructions"),
    ("annotations", {"x": 1}, "annotations"),
    ("id", 5, "fields"),
    ("reply_to", "back", "fields"),
    ("properties", {"x": 1}, "properties"),
    ("properties", None, "properties"),
    ("body", "x", "body"),
    ("body", None, "body"),
    ("footer", {"x": 1}, "footer"),
])  # fmt: skip
def test_what_was_assigned_is_written_and_the_rest_is_as_it_came(name, value, section):
    for read_before in (False, True):
        message = Message.from_bytes(FOREIGN_BYTES)
        if read_before:
            message.check()
        setattr(message, name, value)
        assert changed_sections(message) == {section}
        again = trip(message)
        for other in DEFAULTS:
            expected = value if other == name else getattr(Message.from_bytes(FOREIGN_BYTES), other)
            assert getattr(again, other) == expected, other


@pytest.mark.parametrize("name", ["instructions", "annotations", "properties", "body", "footer"])
def test_what_was_changed_from_within_is_written_and_the_rest_is_as_it_came(name):
    message = Message.from_bytes(FOREIGN_BYTES)
    getattr(message, name)["new"] = 1
    assert changed_sections(message) == {name}
    assert getattr(trip(message), name)["new"] == 1


def test_assigning_what_is_there_already_changes_nothing():
    message = Message.from_bytes(FOREIGN_BYTES)
    for name in ("id", "properties", "annotations", "body"):
        setattr(message, name, getattr(message, name))
    assert message.encode() == FOREIGN_BYTES


def test_a_value_of_another_type_is_a_change_even_if_python_thinks_it_equal():
    message = trip(Message({"a": 1}))
    message.body["a"] = True
    assert trip(message).body["a"] is True


def test_sections_that_were_not_there_can_be_added():
    message = Message.from_bytes(b("00 53 77 41"))
    message.durable = True
    message.annotations = {"a": 1}
    message.subject = "s"
    again = trip(message)
    assert (again.durable, again.annotations, again.subject, again.body) == (True, {"a": 1}, "s", True)


def test_keys_that_only_a_peer_would_send_pass_through():
    encoded = b("00 53 72 c1 0b 02 82 3ff8000000000000 41")
    message = Message.from_bytes(encoded)
    assert message.annotations == {1.5: True}
    assert message.encode() == encoded


def test_fields_of_a_neighbouring_type_are_taken():
    encoded = b("00 53 73 c0 17 07 55 05 40 a3 01 71 40 40 81 0000000000000007 a1 03 782f79")
    message = Message.from_bytes(encoded)
    assert (message.id, message.address, message.correlation_id, message.content_type) == (5, "q", 7, "x/y")
    assert type(message.id) is int
    assert type(message.content_type) is symbol


DATA_D, DATA_E = b("00 53 75 a0 01 64"), b("00 53 75 a0 01 65")
SEQUENCE_1, SEQUENCE_2 = b("00 53 76 c0 03 01 55 01"), b("00 53 76 c0 03 01 55 02")
VALUE_B, VALUE_C = b("00 53 77 a1 01 62"), b("00 53 77 a1 01 63")
HEADER, PLAIN_FIELDS = b("00 53 70 c0 02 01 41"), b("00 53 73 45")
NOTES = b("00 53 72 c1 05 02 a3 01 6d 41")
FOOTER = b("00 53 78 c1 05 02 a3 01 66 41")


def test_sections_that_real_clients_write_in_an_order_of_their_own():
    properties = b("00 53 74 c1 05 02 a1 01 6b 41")
    instructions = b("00 53 71 c1 05 02 a3 01 64 41")
    for name, sent, written in [
        ("rhea", HEADER + FOOTER + VALUE_B, HEADER + VALUE_B + FOOTER),
        ("amqp10", HEADER + PLAIN_FIELDS + NOTES + properties + FOOTER + DATA_D,
         HEADER + NOTES + PLAIN_FIELDS + properties + DATA_D + FOOTER),
        ("azure", HEADER + NOTES + PLAIN_FIELDS + properties + DATA_D + instructions,
         HEADER + instructions + NOTES + PLAIN_FIELDS + properties + DATA_D),
        ("the properties first", PLAIN_FIELDS + HEADER + VALUE_B, HEADER + PLAIN_FIELDS + VALUE_B),
    ]:  # fmt: skip
        message = Message.from_bytes(sent)
        assert message.encode() == written, name
        assert Message.from_bytes(written).encode() == written, name
        assert message.durable is True
        assert message.body == ("b" if VALUE_B in sent else b"d")
        assert message.annotations == ({"m": True} if NOTES in sent else None)
        assert message.footer == ({"f": True} if FOOTER in sent else None)
        assert message.properties == ({"k": True} if properties in sent else None)
        assert message.instructions == ({"d": True} if instructions in sent else None)
        message.annotations = {"new": 1}
        again = trip(message)
        assert (again.annotations, again.durable, again.body) == ({"new": 1}, True, message.body)


@pytest.mark.parametrize("sections, body, written", [
    ([DATA_D, DATA_E], b"de", [DATA_D, DATA_E]),
    ([DATA_D, FOOTER, DATA_E], b"de", [DATA_D, DATA_E, FOOTER]),
    ([SEQUENCE_1, NOTES, SEQUENCE_2], [1, 2], [NOTES, SEQUENCE_1, SEQUENCE_2]),
    ([VALUE_B, VALUE_C], "c", [VALUE_B, VALUE_C]),
    ([DATA_D, VALUE_B], "b", [DATA_D, VALUE_B]),
    ([VALUE_B, DATA_D], b"d", [VALUE_B, DATA_D]),
    ([DATA_D, SEQUENCE_1, SEQUENCE_2], [1, 2], [DATA_D, SEQUENCE_1, SEQUENCE_2]),
    ([SEQUENCE_1, VALUE_B, SEQUENCE_2], [1, 2], [VALUE_B, SEQUENCE_1, SEQUENCE_2]),
    ([DATA_D, VALUE_B, DATA_E], b"de", [VALUE_B, DATA_D, DATA_E]),
])  # fmt: skip
def test_of_several_bodies_the_last_kind_counts_and_all_pass_through(sections, body, written):
    message = Message.from_bytes(b"".join(sections))
    message.check()
    assert message.body == body
    assert message.encode() == b"".join(written)
    assert trip(message).body == body
    message.durable = True
    assert message.encode() == HEADER + b"".join(written)
    assert len(message.data_sections) == (isinstance(body, bytes) and len(body))
    assert len(message.sequence_sections) == (isinstance(body, list) and len(body))
    message.body = "new"
    again = message.encode()
    assert trip(message).body == "new" and not any(one in again for one in (DATA_D, SEQUENCE_1, VALUE_B))


def test_of_a_section_that_comes_twice_the_last_counts_and_both_pass_through():
    later = b("00 53 72 c1 05 02 a3 01 6e 42")
    header = b("00 53 70 c0 04 02 40 50 07")
    fields = b("00 53 73 c0 04 01 a1 01 69")
    message = Message.from_bytes(HEADER + PLAIN_FIELDS + NOTES + VALUE_B + later + header + fields)
    assert (message.durable, message.priority, message.annotations, message.id) == (False, 7, {"n": False}, "i")
    assert message.encode() == HEADER + header + NOTES + later + PLAIN_FIELDS + fields + VALUE_B
    message.priority = 9
    assert message.encode().endswith(NOTES + later + PLAIN_FIELDS + fields + VALUE_B)
    assert (trip(message).priority, trip(message).annotations) == (9, {"n": False})
    message.annotations["more"] = 1
    assert trip(message).annotations == {"n": False, "more": 1}
    assert NOTES not in message.encode()


def test_a_message_without_a_body_is_written_with_a_null():
    for message in (Message(), Message(inferred=True), Message(subject="s"), Message(data_sections=[])):
        assert message.encode().endswith(b("00 53 77 40"))
        assert trip(message).body is None


def test_what_was_received_without_a_body_goes_on_without_one():
    for encoded in (HEADER, HEADER + NOTES, HEADER + FOOTER, b""):
        message = Message.from_bytes(encoded)
        message.check()
        assert message.body is None and not message.inferred
        assert message.encode() == encoded
        message.delivery_count = 1
        message.annotations = {"x": 1}
        assert b("00 53 77") not in message.encode()
        message.body = None
        assert b("00 53 77 40") in message.encode()


def test_application_properties_of_a_peer_that_are_not_simple_are_read_and_pass_through():
    encoded = b("00 53 74 c1 0b 04 a1 01 61 45 a1 01 62 c1 01 00") + VALUE_B
    message = Message.from_bytes(encoded)
    assert message.properties == {"a": [], "b": {}}
    message.subject = "changed"
    assert message.encode().endswith(encoded)
    message.properties["c"] = 1
    with pytest.raises(MessageException, match=r"the value of 'a': it is \[\], and only simple values are allowed"):
        message.encode()


@pytest.mark.parametrize("name, code", [
    ("instructions", "71"), ("annotations", "72"), ("properties", "74"), ("footer", "78"),
])  # fmt: skip
def test_sections_that_are_maps_no_dict_can_hold_are_refused_when_looked_at(name, code):
    encoded = b("00 53" + code + "c1 09 04 a10161 41 a30161 42")
    message = Message.from_bytes(encoded)
    with pytest.raises(DecodeError, match="a section of dict holds Pairs"):
        getattr(message, name)
    assert message.encode() == encoded


def test_annotations_with_a_null_for_a_key_are_refused_by_encode():
    message = trip(Message("x", annotations={"a": 1}))
    dict.__setitem__(message.annotations, None, 1)  # as from an outcome of a peer
    with pytest.raises(MessageException, match="the key None is neither a symbol nor a ulong"):
        message.encode()


BROKEN = {
    "no section": b("41"),
    "a descriptor alone": b("00"),
    "half a descriptor": b("00 53"),
    "a section without a value": b("00 53 77"),
    "a section of another specification": b("00 53 10 45"),
    "a section with another symbol": b("00 a3 01 78 45"),
    "a section with a string for a descriptor": b("00 a1 01 78 45"),
    "a section cut short": b("00 53 75 a0 05 61"),
    "a large section cut short": b("00 53 75 b0 00000005 61"),
    "a section of four gigabytes": b("00 53 75 b0 ffffffff 61"),
    "a section without its size": b("00 53 75 a0"),
    "a described value cut short": b("00 53 77 00 53"),
    "bytes behind the last section": b("00 53 77 41 41"),
}


@pytest.mark.parametrize("encoded", BROKEN.values(), ids=BROKEN.keys())
def test_bytes_that_are_no_message_are_refused_at_once(encoded):
    with pytest.raises(DecodeError) as failed:
        Message.from_bytes(encoded)
    assert isinstance(failed.value, MessageException)
    assert isinstance(failed.value, RemoteProtocolError)
    assert (failed.value.condition, failed.value.scope) == (DECODE_ERROR, "link")
    message = Message("before")
    with pytest.raises(DecodeError):
        message.decode(encoded)
    assert message.body == "before"


BROKEN_WITHIN = {
    "durable": b("00 53 70 a1 00"),
    "priority": b("00 53 70 c0 05 02 40 60 0100"),
    "ttl": b("00 53 70 c0 05 03 40 40 a100"),
    "delivery_count": b("00 53 70 c0 08 06 40 40 40 40 40 5201"),
    "instructions": b("00 53 71 45"),
    "annotations": b("00 53 72 c1 02 01 40"),
    "id": b("00 53 73 c0 02 01 41"),
    "subject": b("00 53 73 c0 06 04 40 40 40 a0 00"),
    "address": b("00 53 73 c0 05 03 40 40 5505"),
    "content_type": b("00 53 73 c0 09 07 40 40 40 40 40 40 a0 00"),
    "properties": b("00 53 74 c1 07 02 a1 01 ff 60 0005"),
    "body": b("00 53 77 a1 01 ff"),
    "data_sections": b("00 53 75 a1 00"),
    "sequence_sections": b("00 53 76 c1 01 00"),
    "footer": b("00 53 78 40"),
    "inferred": b("00 53 77 5f 00"),
}


@pytest.mark.parametrize("name", BROKEN_WITHIN)
def test_a_section_that_cannot_be_decoded_is_refused_when_it_is_looked_at(name):
    encoded = BROKEN_WITHIN[name]
    message = Message.from_bytes(encoded)
    assert message.encode() == encoded
    with pytest.raises(DecodeError) as failed:
        getattr(message, "body" if name == "inferred" else name)
    assert (failed.value.condition, failed.value.scope) == (DECODE_ERROR, "link")
    with pytest.raises(DecodeError):
        message.check()
    with pytest.raises(DecodeError):
        Message().decode(encoded)
    assert repr(message).startswith("<Message of %d bytes that cannot be decoded: " % len(encoded))
    # What is broken can be replaced, and everything else be used.
    message.body = "new"
    assert trip(message).body == "new"


def test_a_priority_that_is_too_high_is_refused_each_time():
    for _ in range(3):
        with pytest.raises(DecodeError, match="priority cannot be 300"):
            Message.from_bytes(b("00 53 70 c0 07 02 40 70 0000012c")).priority  # noqa: B018


# -- decode, copies, repr, links --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_decode_replaces_everything(kind):
    message = Message("old", subject="old", properties={"old": 1})
    message.decode(kind(Message("new", id=5).encode()))
    assert (message.body, message.id, message.subject, message.properties) == ("new", 5, None, None)
    assert Message.from_bytes(kind(Message("new").encode())).body == "new"


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_say_the_same(make):
    for message in (Message(**EVERYTHING), trip(Message(**EVERYTHING)), Message.from_bytes(FOREIGN_BYTES)):
        again = make(message)
        assert again.encode() == message.encode()
        assert {n: getattr(again, n) for n in DEFAULTS} == {n: getattr(message, n) for n in DEFAULTS}


def test_repr_shows_what_is_set():
    assert repr(Message()) == "Message()"
    assert repr(Message("hi", id=5, durable=True)) == "Message('hi', id=5, durable=True)"
    assert repr(trip(Message("hi", properties={"a": 1}))) == "Message('hi', properties={'a': 1})"
    long = repr(Message("x" * 1000, subject="s"))
    assert long.startswith("Message('xxx")
    assert long.endswith("..., subject='s')")
    assert len(long) < 100


class Endpoint:
    """What `send` and `recv` need of a link."""

    SND_SETTLED = 1
    snd_settle_mode = remote_snd_settle_mode = 0
    is_sender = True
    partial = False

    def __init__(self, payload: bytes = b"") -> None:
        self.payload = payload
        self.calls: list[object] = []
        self.current = self if payload else None
        self.pending = len(payload)

    def delivery_tag(self) -> str:
        return "next"

    def delivery(self, tag: object) -> Endpoint:
        self.calls.append(tag)
        return self

    def stream(self, data: bytes) -> None:
        self.calls.append(data)

    def advance(self) -> None:
        self.calls.append("advance")

    def settle(self) -> None:
        self.calls.append("settle")

    def recv(self, limit: int) -> bytes:
        return self.payload[:limit]


def test_send_writes_a_delivery():
    message = Message("hi")
    sender = Endpoint()
    assert message.send(sender) is sender
    assert message.send(sender, tag="own") is sender
    assert sender.calls == ["next", message.encode(), "advance", "own", message.encode(), "advance"]


def test_send_settles_where_everything_is_sent_settled():
    sender = Endpoint()
    sender.snd_settle_mode = Endpoint.SND_SETTLED
    Message("hi").send(sender)
    assert sender.calls[-1] == "settle"


def test_a_message_that_cannot_be_encoded_leaves_the_link_alone():
    sender = Endpoint()
    with pytest.raises(MessageException):
        Message(object()).send(sender)
    assert sender.calls == []


def test_recv_takes_the_current_delivery():
    receiver = Endpoint(Message("hi", id=5).encode())
    receiver.is_sender = False
    message = Message("old", subject="old")
    assert message.recv(receiver) is receiver
    assert (message.body, message.id, message.subject) == ("hi", 5, None)
    assert receiver.calls == ["advance"]
    receiver.remote_snd_settle_mode = Endpoint.SND_SETTLED
    message.recv(receiver)
    assert receiver.calls == ["advance", "advance", "settle"]


def test_recv_takes_nothing_where_there_is_nothing():
    message = Message("old")
    assert message.recv(Endpoint(b"x")) is None  # a sender
    empty = Endpoint()
    empty.is_sender = False
    assert message.recv(empty) is None
    unfinished = Endpoint(b"x")
    unfinished.is_sender, unfinished.partial = False, True
    assert message.recv(unfinished) is None
    assert message.body == "old"
