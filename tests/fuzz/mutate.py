"""How it is mutated: bits, bytes, lengths, halves of two things put together, and plain garbage."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from reactor.codec.definitions import ARCHETYPES, BY_CODE, BY_NAME, Field
from reactor.codec.performatives import encode_composite
from reactor.codec.types import Described, symbol, ulong
from reactor.errors import DataException
from tests.support.frames import raw

#: Bytes that mean much in AMQP: constructors, limits of sizes, descriptors of performatives and states.
TELLING = bytes.fromhex("00405354414243444550517080a0a1a3b0b1b3c0c1d0d1e0f0ff7f8010111213141516171824252627")


def garbage(dice: Random, most: int = 300) -> bytes:
    """Any bytes at all, or only telling ones."""
    size = dice.randrange(most)
    if dice.random() < 0.5:
        return bytes(dice.choice(TELLING) for _ in range(size))
    return dice.getrandbits(8 * size).to_bytes(size, "big")


def mutated(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """`data` changed once, or a few times."""
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        data = _once(dice, data, others)
    return data


def _once(dice: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    if not data:
        return garbage(dice, 20)
    at = dice.randrange(len(data))
    how = dice.randrange(9)
    if how == 0:
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    if how == 1:
        return data[:at] + bytes([dice.choice(TELLING)]) + data[at + 1 :]
    if how == 2:
        return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
    if how == 3:
        return data[:at]
    if how == 4:
        return data[:at] + data[at + dice.randrange(1, 9) :]
    if how == 5:
        return data[:at] + garbage(dice, 9) + data[at:]
    if how == 6:
        end = at + dice.randrange(1, 30)
        return data[:end] + data[at:end] * dice.choice((1, 1, 2, 20)) + data[end:]
    if how == 7:
        other = dice.choice(others)
        return data[:at] + other[dice.randrange(len(other) + 1) :]
    wide = dice.choice((b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00"))
    return data[:at] + wide + data[at + 4 :]


def mutated_frame(dice: Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """A frame with its body changed; most often its size is put right again, so that the body is looked at."""
    if dice.random() < 0.15:
        return mutated(dice, frame, others)
    body = mutated(dice, frame[8:], [other[8:] for other in dice.sample(others, 3)])
    size = 8 + len(body)
    return size.to_bytes(4, "big") + frame[4:8] + body


def in_pieces(dice: Random, data: bytes) -> list[bytes]:
    """`data` as it may come off a wire."""
    step = dice.choice((len(data), len(data), 1, 7, 100)) or 1
    return [data[start : start + step] for start in range(0, len(data), step)]


# -- frames that are right in form and make no sense -----------------------------------------------------------

#: How often each performative is invented: what needs a session comes while there is one.
PERFORMATIVES = (
    ["transfer"] * 12
    + ["flow"] * 8
    + ["disposition"] * 6
    + ["attach"] * 4
    + ["detach"] * 2
    + ["begin"] * 2
    + ["end"]
    + ["open", "close"]
)
#: How often an optional field is there, where half of the time would lead nowhere.
OFTEN = {"delivery-id": 0.8, "delivery-tag": 0.9, "aborted": 0.1, "error": 0.3, "more": 0.4, "state": 0.3, "last": 0.3}
STATES = (0x23, 0x24, 0x25, 0x26, 0x27, 0x33, 0x34)
#: Where any described value may stand, and some that nobody would put there.
ODD_WELCOME = ("source", "target", "delivery-state", "outcome")
ODD = (
    Described([], []),
    Described({}, None),
    Described(Described(ulong(1), 2), 3),
    Described(symbol("x:y"), "z"),
    Described(ulong(0x24), {"a": 1}),
    Described(ulong(0x27), [True, True, {"a": [1]}]),
    Described(ulong(1 << 60), [None] * 5),
    Described(2.5, b""),
)
UINTS = (0, 0, 1, 1, 2, 3, 5, 100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def invented(dice: Random) -> bytes:
    """A frame whose fields have the types of the specification and any values; rarely one that has not."""
    while True:
        name = dice.choice(PERFORMATIVES)
        if name in ("open", "close") and dice.random() < 0.9:
            continue
        payload = bytes(dice.choice((0, 1, 20, 400))) if name == "transfer" else b""
        try:
            body = encode_composite(BY_NAME[name].code, _fields(dice, BY_NAME[name].fields))
        except DataException:
            continue
        return raw(body + payload, dice.choice((1, 7)) if dice.random() < 0.02 else 0)


def _fields(dice: Random, fields: Sequence[Field]) -> list[Any]:
    values = []
    for field in fields:
        there = OFTEN.get(field.name, 0.998 if field.mandatory else 0.5)
        values.append(_value(dice, field) if dice.random() < there else None)
    return values[: dice.randrange(len(values) + 1)] if dice.random() < 0.03 else values


def _value(dice: Random, field: Field) -> Any:
    if field.name == "handle":
        return dice.choice((2, 40000)) if dice.random() < 0.02 else int(dice.random() < 0.7)
    if field.name == "delivery-id":
        return dice.randrange(200)
    if field.name in ("first", "last"):
        return dice.randrange(20) if dice.random() < 0.9 else 0xFFFFFFFF
    if field.name == "name":
        return dice.choice(("s", "r", "x", "y"))
    if field.name in ("incoming-window", "link-credit"):
        return dice.choice((0, 1, 5, 20, 0x7FFFFFFF, 0xFFFFFFFF))
    kind = field.primitive
    if field.multiple:
        return [symbol("a")] * dice.randrange(3)
    if field.requires in ODD_WELCOME and dice.random() < 0.1:
        return dice.choice(ODD)
    codes: Any = STATES if field.requires in ("delivery-state", "outcome") else ARCHETYPES.get(field.requires or kind)
    if codes or kind in BY_NAME:
        codes = codes or (BY_NAME[kind].code,)
        code = dice.choice(sorted(codes))
        return Described(code, _fields(dice, BY_CODE[code].fields))
    return {
        "boolean": dice.random() < 0.5,
        "ubyte": dice.choice((0, 1, 2, 255)),
        "ushort": dice.choice((0, 1, 2, 65535)),
        "uint": dice.choice(UINTS),
        "ulong": ulong(dice.choice(UINTS)),
        "string": dice.choice(("", "q", "x" * 300)),
        "symbol": symbol(dice.choice(("a", "amqp:not-found", "never"))),
        "binary": bytes(dice.choice((0, 1, 32, 33))),
        "map": {symbol("k"): "v"},
    }.get(kind, "any")
