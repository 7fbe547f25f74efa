"""Frame plans: transfers, dispositions and flows of a shape that was read before are read by one Struct.

The frame reader enters. A peer writes the frames of a link alike, up to some numbers and the tag. The first one is read
field by field; its plan has the bytes that stay the same, to compare, and the places of those that change. Whatever
differs from them is read field by field as well: a plan adds nothing to what is understood, and forgives nothing. It
knows no state.
"""

from __future__ import annotations

from struct import Struct

from reactor.codec.decode import ACCEPTED_STATE, RELEASED_STATE
from reactor.codec.definitions import DISPOSITION, FLOW, TRANSFER
from reactor.codec.frames import PLAIN_FORM
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable

    #: One shape: the code; how many bytes there are from the frame's header to the last field; a reader of a frame; of
    #: what it returns, the parts that stay the same.
    #:
    #: Of a disposition or a flow there are behind these the fields before those that change, and those behind them.
    #: What the reader returns is by turns what stays SAME, and what is CHANGING: the channel, and these fields.
    #:
    #: Of a transfer the handle, the delivery-id and the delivery-tag change; the reader returns the frame's size, form
    #: and channel, the beginning, the handle, and by turns bytes that stay the same and the other two. The last two of
    #: the plan are a number to take off the handle; and the message-format, whether it is settled, and whether there is
    #: more. Its other fields say nothing.
    Plan = tuple[int, int, Callable[..., tuple[Any, ...]], tuple[bytes, ...], Any, Any]

SAME, CHANGING = slice(None, None, 2), slice(1, None, 2)

#: How many bytes of a performative a plan is found by: descriptor; constructor, size and count of the list; and the
#: constructor of the first field, which tells a handle of 0 from others, and the two roles apart.
KEY = 7
KEYED = 8 + KEY  #: where they end in a frame

#: The fields that may change, all of them uint or binary: any value is right that the constructor can hold. Of the
#: others (a ubyte may have come as a wider number) only the very value that was checked is known to be right.
_MAY_CHANGE = {
    TRANSFER: frozenset(range(3)),  # handle, delivery-id, delivery-tag
    DISPOSITION: frozenset((1, 2)),  # first, last
    FLOW: frozenset(range(8)),  # ids, windows, handle, delivery-count, link-credit, available
}

# A peer can invent as many shapes as it likes: so many are kept of one key, and so many keys. Then all are forgotten,
# in one step, because other threads read frames, too.
_MOST_ALIKE, _MOST = 4, 256

_NOTHING = (None, False, 0)
_PLAIN = PLAIN_FORM.to_bytes(2, "big")

#: All of them, by their keys.
plans: dict[bytes, tuple[Plan, ...]] = {}

#: The plans of a key, given another answer for none.
find = plans.get


def remember(buf: bytes, pos: int, end: int, code: int, fields: list[Any]) -> None:
    """Make a plan of the performative at `pos`, which was read and checked: its fields end at `end`. Most frames of
    other shapes, those with maps among them, have none."""
    changing = _MAY_CHANGE.get(code)
    key = buf[pos : pos + KEY]
    if changing is None or not key.startswith(b"\x00\x53") or key[3] != 0xC0 or key[5] != len(fields):
        return
    if code == TRANSFER and (len(fields) < 3 or fields[1] is None):
        return  # it goes on with a delivery
    size = 8 + end - pos
    pieces, same = ["6sH"], [size.to_bytes(4, "big") + _PLAIN]  # the header: size and form, channel
    first = last = -1  # of the fields that change: they are neighbours
    at, start = pos + KEY - 1, pos  # the next field; where the part begins that stays the same
    for index, value in enumerate(fields):
        constructor = buf[at]
        piece, width = "", 0
        if index in changing:
            if constructor == 0x52:
                piece, width = "B", 1
            elif constructor == 0x70:
                piece, width = "I", 4
            elif constructor == 0xA0:
                at += 1
                width = buf[at]
                piece = "%ds" % width
        if piece:
            if last not in (-1, index - 1):
                return
            first, last = (index if first < 0 else first), index
            same.append(buf[start : at + 1])
            pieces += ["%ds" % len(same[-1]), piece]
            at = start = at + 1 + width
        elif 0x40 <= constructor <= 0x43:
            at += 1
        elif value is ACCEPTED_STATE or value is RELEASED_STATE:
            if buf[at : at + 4] not in (b"\x00\x53\x24\x45", b"\x00\x53\x26\x45"):
                return
            at += 4
        elif code == TRANSFER and index == 3 and constructor in (0x52, 0x70):  # the format stays the same
            at += 2 if constructor == 0x52 else 5
        else:
            return
    if first < 0 or at != end:
        return
    same.append(buf[start:end])
    pieces.append("%ds" % (end - start))
    before: Any = tuple(fields[:first])
    after = tuple(fields[last + 1 :])
    if code == TRANSFER:
        message_format, settled, more, *others = (*after, None, None, None)
        if first > 1 or last != 2 or any(field not in _NOTHING for field in others[:5]):
            return
        pieces[0], same[0] = "I2sH", _PLAIN
        before = 0
        if first:  # a handle of 0 has no bytes of its own: its constructor is read, and taken off again
            before = key[-1]
            same[1:2] = key[:-1], same[1][KEY:]
            pieces[1:2] = "%ds" % (KEY - 1), "B", "%ds" % len(same[2])
        after = (message_format or 0, settled, more)
    plan = (code, size, Struct(">" + "".join(pieces)).unpack_from, tuple(same), before, after)
    alike = plans.get(key, ())
    if not alike and len(plans) >= _MOST:
        plans.clear()
    plans[key] = (*alike, plan) if len(alike) < _MOST_ALIKE else (plan,)
