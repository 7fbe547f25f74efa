"""What every test of the codec asks: are two values the same, and is there an error for bytes that are none."""

from __future__ import annotations

import struct
from typing import Any

from reactor.codec.decode import read_fields, read_value
from reactor.codec.message import Message
from reactor.codec.performatives import decode_composite
from reactor.codec.types import Array, Described, Pairs
from reactor.errors import DECODE_ERROR, DecodeError, RemoteProtocolError


def read_everything(encoded: bytes) -> None:
    """Bytes through every door: each either opens, or says that they are no AMQP."""
    for door in (read_value, read_fields, decode_composite):
        try:
            door(encoded, 0, len(encoded))
        except RemoteProtocolError as e:
            assert e.condition == DECODE_ERROR
    try:
        message = Message.from_bytes(encoded)
        assert repr(message)
        message.check()
        written = message.encode()
        if written != encoded:  # its sections came in another order; nothing of them is lost
            assert sorted(written) == sorted(encoded)
            assert Message.from_bytes(written).encode() == written
    except DecodeError as e:
        assert e.condition == DECODE_ERROR


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, tuple):
        return same(list(one), list(other))
    if isinstance(one, Pairs):
        return same(one.entries, other.entries)
    if isinstance(one, Described):
        return same([one.descriptor, one.value], [other.descriptor, other.value])
    if isinstance(one, Array):
        same_kind = one.type == other.type and same(one.descriptor, other.descriptor)
        return same_kind and same(one.elements, other.elements)
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other)  # a NaN, and a zero with a sign, too
    return bool(one == other)
