"""Rows of composite types [1.4], shown by performatives."""

from __future__ import annotations

from reactor.codec.types import UNDESCRIBED, Array, Data, symbol
from tests.conformance.table import IS, MAY, MUST, POLICING, TOLERANCE, row
from tests.conformance.talk import AMQP, Talk, frame, raw

OPEN = b"\x00\x53\x10"


def opened(talk: Talk, fields: bytes, count: int) -> Talk:
    """The peer's open is this list of fields."""
    talk.engine.open()
    talk.turn()
    return talk.bytes(AMQP + raw(OPEN + b"\xc0" + bytes((len(fields) + 1, count)) + fields))


@row("1.4", IS, "A composite is a described list, each field in its place")
def described_list(talk: Talk) -> None:
    talk.open()
    part = talk.parts()[1]
    assert part[8:11] == OPEN and part[11] in (0xC0, 0xD0)


@row("1.4", MAY, "Nulls at the end may be left out, or be there", TOLERANCE)
def nulls_at_the_end(talk: Talk) -> None:
    opened(talk, b"\xa1\x01p" + b"\x40" * 4, 5)
    assert talk.engine.connection.remote_container == "p"
    talk.lives()


@row("1.4", IS, "A null stands for the default of its field")
def null_is_the_default(talk: Talk) -> None:
    opened(talk, b"\xa1\x01p\x40\x40\x40", 4)
    transport = talk.engine.transport
    assert talk.engine.connection.remote_container == "p"
    assert transport.remote_channel_max in (65535, 32767) and transport.remote_max_frame_size in (0, 0xFFFFFFFF)


@row("1.4", MUST, "A field that has to be there may not be null", POLICING)
def mandatory_null(talk: Talk) -> None:
    opened(talk, b"\x40\xa1\x01h", 2)
    talk.refused_anyhow()


@row("1.4", MUST, "A field that has to be there may not be left out", POLICING)
def mandatory_left_out(talk: Talk) -> None:
    talk.engine.open()
    talk.bytes(AMQP + raw(OPEN + b"\x45"))
    talk.refused_anyhow()


@row("1.4", MUST, "A field has the type that is its own", POLICING)
def other_type(talk: Talk) -> None:
    opened(talk, b"\xa1\x01p\x40\xa1\x01x", 3)
    talk.refused_anyhow()


@row("1.4", IS, "A number may be written in any of its forms", TOLERANCE)
def any_form(talk: Talk) -> None:
    opened(talk, b"\xa1\x01p\x40\x70\x00\x00\x10\x00\x60\x00\x05", 4)
    assert talk.engine.transport.remote_max_frame_size == 4096
    assert talk.engine.transport.remote_channel_max == 5
    talk.lives()


@row("1.4", IS, "A field of many values may be one value by itself", TOLERANCE)
def one_of_many(talk: Talk) -> None:
    talk.open(offered_capabilities=symbol("a"))
    assert list(talk.engine.connection.remote_offered_capabilities) == ["a"]


@row("1.4", IS, "A field of many values may be an array of them")
def many(talk: Talk) -> None:
    talk.open(offered_capabilities=Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b")))
    assert list(talk.engine.connection.remote_offered_capabilities) == ["a", "b"]


@row("1.4", IS, "An empty array is as no value", TOLERANCE)
def none_of_many(talk: Talk) -> None:
    talk.open(offered_capabilities=Array(UNDESCRIBED, Data.SYMBOL))
    assert not list(talk.engine.connection.remote_offered_capabilities or ())
    talk.lives()


@row("1.4", IS, "Fields behind the last one that is known are refused, or passed over", TOLERANCE)
def more_fields(talk: Talk) -> None:
    opened(talk, b"\xa1\x01p" + b"\x40" * 9 + b"\x41", 11)
    assert talk.engine.connection.remote_container == "p" or talk.all("close")


@row("1.4", MUST, "Several values that the application sets are written as an array")
def many_are_written(talk: Talk) -> None:
    names = talk.engine.library
    value = names.Array(names.UNDESCRIBED, names.Data.SYMBOL, names.symbol("a"), names.symbol("b"))
    said = talk.open(mine={"offered_capabilities": value}).offered_capabilities
    assert list(getattr(said, "elements", said)) == ["a", "b"]
    assert b"\xe0" in talk.parts()[1] or b"\xf0" in talk.parts()[1]


@row("1.4", IS, "A field that is true or false may be written in any of its forms", TOLERANCE)
def any_truth(talk: Talk) -> None:
    talk.session()
    talk.bytes(raw(b"\x00\x53\x12\xc0\x07\x03\xa1\x01l\x43\x56\x01"))
    assert talk.happened("link_remote_open")
    talk.lives()


@row("1.4", IS, "A default may be written, or left out", TOLERANCE)
def defaults_may_be_written(talk: Talk) -> None:
    link = talk.sender(2, snd_settle_mode=2, rcv_settle_mode=0, incomplete_unsettled=False)
    talk.bytes(frame("detach", handle=0, closed=False))
    assert talk.happened("link_remote_detach") == [link]
