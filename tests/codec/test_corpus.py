"""Every frame and every message of the recorded exchanges is read, and written again."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.codec.decode import read_value
from reactor.codec.definitions import BY_CODE, DECLARE, DECLARED, DISCHARGE, TRANSACTIONAL_STATE, TRANSFER
from reactor.codec.encode import encode_value
from reactor.codec.message import Message
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.codec.types import Described
from tests.support import corpus

ATTRIBUTES = (
    "durable priority ttl first_acquirer delivery_count instructions annotations id user_id address subject "
    "reply_to correlation_id content_type content_encoding expiry_time creation_time group_id group_sequence "
    "reply_to_group_id properties footer"
).split()

TRANSACTIONS = {DECLARE, DISCHARGE, DECLARED, TRANSACTIONAL_STATE}


def significant(value: Any) -> Any:
    """Fields without the nulls behind the last one that says something, at every level."""
    if isinstance(value, Described) and isinstance(value.value, list):
        return Described(value.descriptor, significant(value.value))
    if isinstance(value, list):
        value = [significant(item) for item in value]
        while value and value[-1] is None:
            value.pop()
    return value


def has_transaction(fields: list[Any]) -> bool:
    return any(isinstance(field, Described) and field.descriptor in TRANSACTIONS for field in fields)


def messages(peer: str):
    """Side and bytes of every message, put together from its transfers."""
    parts: dict[Any, bytes] = {}
    for frame in corpus.frames(peer):
        if frame.type != 0:
            continue
        code, fields, end = decode_composite(frame.body, 0, len(frame.body))
        if code != TRANSFER:
            continue
        key = (frame.connection, frame.side, frame.channel, fields[0])
        parts[key] = parts.get(key, b"") + frame.body[end:]
        more, aborted = (fields[5:6] or [False])[0], (fields[9:10] or [False])[0]
        if aborted:
            del parts[key]
        elif not more:
            yield frame.side, parts.pop(key)


@pytest.mark.parametrize("peer", corpus.PEERS)
def test_every_frame_says_the_same_when_it_is_written_again(peer):
    seen = set()
    for frame in corpus.frames(peer):
        code, fields, _ = decode_composite(frame.body, 0, len(frame.body))
        encoded = encode_composite(code, fields)
        code_again, again, end = decode_composite(encoded, 0, len(encoded))
        assert (code_again, significant(again)) == (code, significant(fields))
        assert end == len(encoded)
        seen.add(BY_CODE[code].name)
    expected = "open begin attach flow transfer disposition detach close sasl-mechanisms sasl-init sasl-outcome"
    assert seen >= set(expected.split())


@pytest.mark.parametrize("peer", corpus.PEERS)
def test_what_the_original_sent_is_written_again_byte_for_byte(peer):
    for frame in corpus.frames(peer):
        if frame.side == "client":
            code, fields, end = decode_composite(frame.body, 0, len(frame.body))
            # The original writes the states of transactions in the large form of a list.
            if not has_transaction(fields):
                assert encode_composite(code, fields).hex() == frame.body[:end].hex()


@pytest.mark.parametrize("peer", corpus.PEERS)
def test_every_message_is_read_and_unchanged_written_byte_for_byte(peer):
    count = 0
    for _, encoded in messages(peer):
        message = Message.from_bytes(encoded)
        assert message.encode() == encoded
        message.check()
        assert message.encode() == encoded
        assert "cannot be decoded" not in repr(message)
        count += 1
    assert count > 900


@pytest.mark.parametrize("peer", corpus.PEERS)
def test_every_message_of_the_original_is_written_byte_for_byte_from_its_attributes(peer):
    nothing = Message()
    for side, encoded in messages(peer):
        if side != "client":
            continue
        received = Message.from_bytes(encoded)
        made = Message(received.body, inferred=received.inferred)
        for name in ATTRIBUTES:
            value = getattr(received, name)
            if value != getattr(nothing, name):
                setattr(made, name, value)
        no_body = b"\x00\x53\x77\x40" if received.body is None else b""  # which the original leaves out
        assert made.encode().hex() == (encoded + no_body).hex()
        again = Message.from_bytes(made.encode())
        for name in [*ATTRIBUTES, "body"]:
            assert getattr(again, name) == getattr(received, name), name


@pytest.mark.parametrize("peer", corpus.PEERS)
def test_every_value_in_an_amqp_value_is_written_again_as_it_came(peer):
    count = 0
    for side, encoded in messages(peer):
        position = encoded.rfind(b"\x00\x53\x77")
        if side == "client" and position >= 0 and encoded.startswith(b"\x00\x53\x70"):
            value, end = read_value(encoded, position + 3, len(encoded))
            if end == len(encoded):
                assert encode_value(value) == encoded[position + 3 :]
                count += 1
    assert count > 100
