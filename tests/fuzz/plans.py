"""Frames of known shapes: the short way says what the long way says, whatever is mutated, or nothing."""

from __future__ import annotations

from random import Random
from typing import Any, Optional

from reactor.codec.decode import read_fields
from reactor.codec.definitions import DISPOSITION, FLOW, TRANSFER
from reactor.codec.frame_plans import KEY, find, plans, remember
from reactor.codec.performatives import check_fields
from reactor.errors import RemoteProtocolError
from tests.fuzz import mutate, seeds

Read = tuple[int, list[Any], int]


def in_short(data: bytes, at: int, stop: int) -> Optional[Read]:
    """Code, fields and end of a performative of a known shape; None for another one. As the frame reader does it."""
    for code, length, read, same, before, after in find(data[at : at + KEY], ()):
        if at + length <= stop:
            values = read(data, at + KEY)
            if values[::2] == same:
                return code, [*before, *values[1::2], *after], at + length
    return None


def at_length(data: bytes, at: int, stop: int) -> Optional[Read]:
    """The same, field by field; None where that is an error, or something that is written once."""
    if data[at : at + 2] != b"\x00\x53" or stop - at <= 3 or data[at + 2] not in (TRANSFER, DISPOSITION, FLOW):
        return None
    try:
        fields, end = read_fields(data, at + 3, stop)
        check_fields(data[at + 2], fields)
    except RemoteProtocolError:
        return None
    return data[at + 2], fields, end


def plan_case(dice: Random) -> int:
    """A few shapes, and frames that are nearly alike."""
    plans.clear()  # those of other cases
    frames = seeds.frames()
    fed = 0
    for _ in range(dice.randrange(1, 6)):
        known = dice.choice(frames)
        for data in (known, *(mutate.mutated_frame(dice, known, frames) for _ in range(4))):
            fed += len(data)
            if len(data) <= 8:
                continue
            short, long = in_short(data, 8, len(data)), at_length(data, 8, len(data))
            if short is not None:
                assert repr(short) == repr(long), data.hex()
            if long is not None:
                code, fields, end = long
                remember(data, 8, end, code, fields)
    assert sum(map(len, plans.values())) <= 5 * 5
    return fed
