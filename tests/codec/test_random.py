"""Seeded chance: values that nobody thought of come back, and bytes that nobody would send are refused."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from reactor.codec.decode import read_value
from reactor.codec.definitions import BY_CODE
from reactor.codec.encode import encode_value
from reactor.codec.message import Message
from reactor.codec.types import (
    UNDESCRIBED,
    Array,
    Data,
    Described,
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
from tests.support import corpus
from tests.support.bytes import read_everything, same


def seeds() -> list[bytes]:
    """Frames' bodies to begin with: some of each kind of every side of the recorded exchanges."""
    kept: dict[Any, list[bytes]] = {}
    for peer in corpus.PEERS:
        for frame in corpus.frames(peer):
            same = kept.setdefault((peer, frame.side, frame.body[:3]), [])
            if len(same) < 10 and frame.body not in same:
                same.append(frame.body)
    return [body for bodies in kept.values() for body in bodies]


def mutated(chance: random.Random, bodies: list[bytes]) -> bytes:
    body = bytearray(chance.choice(bodies))
    for _ in range(chance.randint(1, 4)):
        kind = chance.randrange(5)
        where = chance.randrange(len(body) + 1)
        if kind == 0 and body:
            body[where % len(body)] ^= 1 << chance.randrange(8)
        elif kind == 1 and body:
            body[where % len(body)] = chance.choice((0x00, 0x40, 0x45, 0xC0, 0xD0, 0xE0, 0xF0, 0xFF, where & 0xFF))
        elif kind == 2:
            del body[where:]
        elif kind == 3:
            other = chance.choice(bodies)
            start = chance.randrange(len(other))
            body[where:where] = other[start : start + chance.randrange(40)]
        else:
            del body[where : where + chance.randrange(8)]
    return bytes(body)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_frames_are_read_or_refused(seed):
    chance = random.Random(seed)
    bodies = seeds()
    for _ in range(1500):
        read_everything(mutated(chance, bodies))


@pytest.mark.parametrize("seed", range(4))
def test_garbage_is_read_or_refused(seed):
    chance = random.Random(seed)
    codes = [0x00, *range(0x40, 0x46), *range(0x50, 0x57), 0x60, 0x61, *range(0x70, 0x75), *range(0x80, 0x85)]
    codes += [0x94, 0x98, 0xA0, 0xA1, 0xA3, 0xB0, 0xB1, 0xB3, 0xC0, 0xC1, 0xD0, 0xD1, 0xE0, 0xF0, *BY_CODE]
    for _ in range(3000):
        size = chance.randrange(40)
        read_everything(bytes(chance.choice((chance.choice(codes), chance.randrange(256))) for _ in range(size)))
        read_everything(b"\x00\x53" + bytes(chance.choice(codes) for _ in range(size)))


def test_every_truncation_of_a_frame_is_read_or_refused():
    for body in seeds()[::5]:
        for size in range(min(len(body), 200)):
            read_everything(body[:size])


# -- values -----------------------------------------------------------------------------------------------

WIDTHS = (0, 1, 7, 8, 15, 16, 31, 32, 63, 64)


def number(chance: random.Random, cls: Any, low: int, high: int) -> Any:
    """A number of the type: often one at which an encoding changes."""
    edge = (1 << chance.choice(WIDTHS)) * chance.choice((1, -1)) + chance.randint(-1, 1)
    return cls(edge if low <= edge <= high else chance.randint(low, high))


def words(chance: random.Random, alphabet: str) -> str:
    return "".join(chance.choices(alphabet, k=chance.choice((0, 1, 5, 254, 255, 256, 300))))


INTEGERS = {
    Data.UBYTE: ubyte, Data.BYTE: byte, Data.USHORT: ushort, Data.SHORT: short, Data.UINT: uint, Data.INT: int32,
    Data.ULONG: ulong, Data.TIMESTAMP: timestamp, Data.DECIMAL32: decimal32, Data.DECIMAL64: decimal64,
}  # fmt: skip
OTHERS: dict[int, Any] = {
    Data.NULL: lambda chance: None,
    Data.BOOL: lambda chance: chance.random() < 0.5,
    Data.CHAR: lambda chance: char(chr(chance.choice((0, 65, 0xE4, 0xD7FF, 0xE000, 0x10FFFF)))),
    Data.LONG: lambda chance: number(chance, int, -(2**63), 2**63 - 1),
    Data.FLOAT: lambda chance: float32(chance.choice((0.0, -0.5, 1.5, 2.0**100))),
    Data.DOUBLE: lambda chance: chance.uniform(-1e9, 1e9),
    Data.DECIMAL128: lambda chance: decimal128(bytes(chance.randrange(256) for _ in range(16))),
    Data.UUID: lambda chance: UUID(int=chance.getrandbits(128)),
    Data.BINARY: lambda chance: words(chance, "\x00\xff").encode("latin-1"),
    Data.STRING: lambda chance: words(chance, "aä€\U0001f600"),
    Data.SYMBOL: lambda chance: symbol(words(chance, "a:-")),
}
KINDS = [*INTEGERS, *OTHERS]


def scalar(chance: random.Random, kind: int) -> Any:
    cls = INTEGERS.get(kind)
    return OTHERS[kind](chance) if cls is None else number(chance, cls, cls.LOW, cls.HIGH)


def anything(chance: random.Random, depth: int = 4) -> Any:
    shape = chance.randrange(8) if depth else 0
    if shape == 1:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(5))]
    if shape == 2:
        kind = chance.choice((Data.STRING, Data.SYMBOL, Data.UUID, Data.LONG))
        return {scalar(chance, kind): anything(chance, depth - 1) for _ in range(chance.randrange(5))}
    if shape == 3:
        return Described(scalar(chance, chance.choice((Data.ULONG, Data.SYMBOL))), anything(chance, depth - 1))
    if shape == 4:
        descriptor = chance.choice((UNDESCRIBED, scalar(chance, Data.SYMBOL)))
        kind = chance.choice(KINDS)
        return Array(descriptor, kind, *(scalar(chance, kind) for _ in range(chance.randrange(5))))
    return scalar(chance, chance.choice(KINDS))


@pytest.mark.parametrize("seed", range(4))
def test_any_value_comes_back_with_its_types(seed):
    chance = random.Random(seed)
    for _ in range(400):
        value = anything(chance)
        encoded = encode_value(value)
        again, end = read_value(encoded, 0, len(encoded))
        assert end == len(encoded)
        assert same(again, value)
        assert encode_value(again) == encoded


@pytest.mark.parametrize("seed", range(4))
def test_any_body_comes_back_whatever_else_is_changed(seed):
    chance = random.Random(seed)
    for _ in range(100):
        body = anything(chance)
        message = Message.from_bytes(Message(body, inferred=chance.random() < 0.5, properties={"a": 1}).encode())
        message.delivery_count = 7
        again = Message.from_bytes(message.encode())
        assert same(again.body, body)
        assert (again.delivery_count, again.properties) == (7, {"a": 1})
