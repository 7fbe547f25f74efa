"""Frames of known shapes: the short way says what the long way says, whatever is mutated, or nothing."""

from __future__ import annotations

from random import Random
from typing import Any, Optional

from reactor.codec.decode import read_fields
from reactor.codec.definitions import DISPOSITION, FLOW, TRANSFER
from reactor.codec.frame_plans import CHANGING, KEYED, SAME, find, plans, remember
from reactor.codec.performatives import check_fields
from reactor.errors import RemoteProtocolError
from tests.fuzz import mutate, seeds

Read = tuple[int, list[Any], int]


def in_short(data: bytes, at: int, stop: int) -> Optional[Read]:
    """Code, fields and end of a performative of a known shape; None for another one. As the frame reader does it: with
    the frame's header, which is written here."""
    frame = (stop - at + 8).to_bytes(4, "big") + b"\x02\x00\x00\x07" + data[at:stop]
    for code, length, read, same, before, after in find(frame[8:KEYED], ()):
        if length > len(frame):
            continue
        values = read(frame)
        end = at + length - 8
        if code == TRANSFER:
            size, form, number, beginning, handle, *changing = values
            if (form, beginning, *changing[SAME]) == same:
                assert (size, number) == (len(frame), 7)
                return code, [handle - before, *changing[CHANGING], *after], end
        elif values[SAME] == same:
            number, *fields = values[CHANGING]
            assert number == 7
            return code, [*before, *fields, *after], end
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


def as_taken(fields: list[Any]) -> list[Any]:
    """The fields of a transfer as the receiver takes them: what is not there is as what says nothing."""
    handle, number, tag, message_format, settled, more, mode, state, resume, aborted = [*fields, *[None] * 10][:10]
    return [handle, number, tag, message_format or 0, *map(bool, (settled, more, resume, aborted)), mode, state]


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
                assert long is not None, data.hex()
                if short[0] == TRANSFER:
                    short, long = ((code, as_taken(fields), end) for code, fields, end in (short, long))
                assert repr(short) == repr(long), data.hex()
            if long is not None:
                code, fields, end = long
                remember(data, 8, end, code, fields)
    assert sum(map(len, plans.values())) <= 5 * 5
    return fed
