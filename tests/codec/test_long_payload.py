"""A long message in pieces: the same bytes as in one row, and its body is not copied."""

from __future__ import annotations

import pytest

from reactor.codec.long_payload import LONG_BODY, LongPayload
from reactor.codec.message import Message
from reactor.errors import MessageException

LONG = bytes(range(256)) * (LONG_BODY // 256)
TEXT = "long " * LONG_BODY
SIZE = len(LONG).to_bytes(4, "big")

FULL = {
    "id": "m1",
    "durable": True,
    "instructions": {"x-opt-hop": 1},
    "annotations": {"x-opt-key": "k"},
    "properties": {"app": "a"},
    "footer": {"x-opt-sum": b"123"},
}


def in_one_row(section, **attributes):
    """The bytes of a message of these attributes, with another section in the place of its body."""
    message = Message("short", **attributes)
    return message.encode().replace(b"\x00\x53\x77\xa1\x05short", section)


@pytest.mark.parametrize("attributes", [{}, {"subject": "s"}, FULL], ids=["plain", "subject", "all"])
@pytest.mark.parametrize("inferred", [False, True])
def test_a_long_binary_body_is_sent_as_it_is(attributes, inferred):
    message = Message(LONG, inferred=inferred, **attributes)
    payload = message.compose()
    assert [piece for piece in payload.pieces if piece is LONG]
    section = (b"\x00\x53\x75\xb0" if inferred else b"\x00\x53\x77\xb0") + SIZE + LONG
    assert message.encode() == bytes(payload) == in_one_row(section, inferred=inferred, **attributes)
    again = Message.from_bytes(message.encode())
    assert again.body == LONG and again.inferred is inferred and again.footer == attributes.get("footer")


def test_a_long_text_is_encoded_once():
    message = Message(TEXT, **FULL)
    raw = TEXT.encode()
    assert raw in message.compose().pieces
    assert message.encode() == in_one_row(b"\x00\x53\x77\xb1" + len(raw).to_bytes(4, "big") + raw, **FULL)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_body_that_can_change_is_copied(kind):
    source = bytearray(LONG)
    payload = Message(kind(source)).compose()
    source[:] = bytes(len(source))
    assert bytes(payload).endswith(SIZE + LONG)


def test_a_shorter_body_and_one_of_several_sections_are_one_row():
    assert type(Message(LONG[:-1]).compose()) is bytes
    message = Message()
    message.data_sections = [LONG, LONG]
    section = b"\x00\x53\x75\xb0" + SIZE + LONG
    assert message.compose() == in_one_row(section + section)


def test_a_long_text_that_is_no_unicode_is_named():
    with pytest.raises(MessageException, match=r"Message\.body cannot be sent"):
        Message("\ud800" * LONG_BODY).compose()


def test_a_long_message_that_came_is_passed_on_with_another_header():
    raw = in_one_row(b"\x00\x53\x77\xb0" + SIZE + LONG, **FULL)
    message = Message.from_bytes(raw)
    assert message.compose() is raw
    message.delivery_count = 3
    expected = in_one_row(b"\x00\x53\x77\xb0" + SIZE + LONG, **FULL, delivery_count=3)
    assert message.encode() == expected
    assert type(message.compose()) is LongPayload
    message.annotations = {"x-opt-key": "other"}
    changed = {**FULL, "annotations": {"x-opt-key": "other"}, "delivery_count": 3}
    assert message.encode() == in_one_row(b"\x00\x53\x77\xb0" + SIZE + LONG, **changed)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
def test_a_payload_is_cut_anywhere(size):
    whole = LongPayload(b"abc", b"", bytearray(b"de"), memoryview(b"fghi"))
    pieces, rest = [], whole
    while rest:
        assert rest.obj is whole
        piece, rest = rest.cut(size)
        pieces.append(bytes(piece))
    assert b"".join(pieces) == bytes(whole) == b"abcdefghi" and len(whole) == 9
    assert all(len(piece) == size for piece in pieces[:-1])
