"""Frames by name and field: read, written, compared, and refused when the specification does not have them."""

from __future__ import annotations

import pytest

from reactor import UNDESCRIBED, Array, Data, Described, symbol
from reactor.errors import DataException
from reactor.simulation import Frame, composite
from reactor.simulation.wiretap.frames import agrees, differences, make_frame

HEADER = Frame(b"AMQP\x03\x01\x00\x00")


def test_a_frame_is_read_by_the_names_of_the_specification():
    frame = Frame(make_frame("transfer", channel=5, payload=b"hello", handle=1, delivery_id=7, more=True))
    assert (frame.performative, frame.channel, frame.payload, frame.descriptor) == ("transfer", 5, b"hello", 0x14)
    assert frame.fields == {"handle": 1, "delivery-id": 7, "more": True}
    assert (frame.handle, frame.delivery_id, frame.settled) == (1, 7, None)
    with pytest.raises(AttributeError, match="transfer has no field link-credit"):
        frame.link_credit  # noqa: B018
    assert frame.text == '@transfer(20) [handle=1, delivery-id=7, more=true] (5) "hello"'
    assert repr(frame) == f"<Frame {frame.text}>"


def test_the_name_of_a_link_is_a_field_like_any_other():
    frame = Frame(make_frame("attach", name="jobs", handle=0, role=True))
    assert (frame.performative, frame.name) == ("attach", "jobs")


def test_what_is_no_performative_has_a_name_too():
    assert (HEADER.performative, HEADER.layer, HEADER.descriptor) == ("header", "SASL", -1)
    empty = Frame(make_frame("empty", channel=3))
    assert (empty.performative, empty.fields, empty.channel) == ("empty", {}, 3)
    for raw in (b"\x16\x03\x01\x00\x01\x00\x00\x00x", b"abc", b"\x00\x00\x00\x0c\x02\x00\x00\x00oops"):
        frame = Frame(raw)
        assert (frame.performative, frame.fields, frame.payload) == ("unknown", {}, b"")
    assert Frame(b"AMQP").performative == "header"


def test_a_performative_with_a_symbol_for_its_descriptor_is_known_too():
    body = b"\x00\xa3\x0famqp:close:list\x45"
    frame = Frame((8 + len(body)).to_bytes(4, "big") + b"\x02\x00\x00\x00" + body)
    assert (frame.performative, frame.descriptor) == ("close", 0x18)


def test_sasl_frames_are_of_their_own_type():
    frame = Frame(make_frame("sasl-outcome", code=0))
    assert (frame.raw[5], frame.code) == (1, 0)


def test_composites_stand_in_fields():
    frame = Frame(make_frame("attach", name="x", handle=0, role=False, target=composite("target", address="jobs")))
    assert frame.target == Described(0x29, ["jobs"])
    assert repr(composite("error", condition="amqp:not-found")) == '@error [condition="amqp:not-found"]'


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"name": "x", "role": False},
        {"target": composite("target")},
        {"target": composite("target", address="jobs", durable=0, dynamic=False)},
        {"target": composite("target", address=lambda address: address.startswith("j"))},
        {"snd_settle_mode": 2},
        {"source": None},
        {"incomplete_unsettled": False},
        {"offered_capabilities": ["a", "b"]},
        {"desired_capabilities": "c"},
        {"properties": {symbol("k"): 1}},
    ],
)
def test_what_is_as_expected(expected):
    fields = {"offered_capabilities": ["a", "b"], "desired_capabilities": "c", "properties": {symbol("k"): 1}}
    raw = make_frame("attach", name="x", handle=0, role=False, target=composite("target", address="jobs"), **fields)
    assert differences(expected, Frame(raw)) == []


@pytest.mark.parametrize(
    "expected, line",
    [
        ({"name": "y"}, 'name: expected "y", seen "x"'),
        ({"handle": None}, "handle: expected null, seen 0"),
        ({"source": composite("source")}, "source: expected @source, seen null"),
        ({"target": composite("source")}, 'target: expected @source, seen @target(41) [address="jobs"]'),
        ({"target": composite("target", address="x")}, 'target.address: expected "x", seen "jobs"'),
        ({"role": lambda role: role}, "role: expected a value that <lambda> accepts, seen false"),
        ({"snd_settle_mode": 1}, "snd-settle-mode: expected 1, seen null"),
    ],
)
def test_what_is_otherwise_is_told(expected, line):
    frame = Frame(make_frame("attach", name="x", handle=0, role=False, target=composite("target", address="jobs")))
    assert differences({"handle": 0, **expected}, frame) == [line]


def test_several_symbols_agree_as_a_list_or_alone():
    array = Array(UNDESCRIBED, Data.SYMBOL, symbol("a"))
    assert agrees(None, "a", array) and agrees(None, ["a"], array) and agrees(None, array, array)
    assert not agrees(None, "b", array)


@pytest.mark.parametrize(
    "name, fields, error",
    [
        ("atach", {}, "there is no performative 'atach'; did you mean 'attach'?"),
        ("attach", {"nmae": "x"}, "attach has no field 'nmae'; did you mean 'name'?"),
        ("empty", {"handle": 0}, "empty has no field 'handle'"),
    ],
)
def test_names_that_there_are_not(name, fields, error):
    for make in (make_frame, composite):
        with pytest.raises(TypeError) as caught:
            make(name, **fields)
        assert str(caught.value) == error


def test_values_that_cannot_be_written():
    with pytest.raises(DataException, match=r"transfer\.handle"):
        make_frame("transfer", handle="x")
