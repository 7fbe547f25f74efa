"""Bytes to values: the one way in for everything that a peer, or a stored message, encodes.

`read_value` reads any value with its AMQP type, for the application. `read_fields` reads the fields of a
performative or of a message section, for the engine: plain ints and bools, because a wrapper for each number
of each frame would cost more than the number. Both know no connection and no frame.

Whatever is wrong with the bytes ends in the one `RemoteProtocolError` of `amqp:decode-error`. The readers do
not check each step against the end of their input: a read behind it raises IndexError or struct.error, which
the two doors translate, and a value that ran over the end of its list is seen because the list did not end
where it said.
"""

from __future__ import annotations

from struct import Struct

from reactor.codec.definitions import ACCEPTED, BY_CODE, CODE_OF_SYMBOL, RELEASED
from reactor.codec.readers import (
    MALFORMED,
    MAX_DEPTH,
    MAX_EMPTY_ELEMENTS,
    READERS,
    SMALL_ULONGS,
    enter,
    explained,
    malformed,
    truncated,
)
from reactor.codec.types import Described, ulong
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.codec.readers import Limits


class Settling(Described):
    """The type of the two constants below, so that a look at the type shows that nothing else is in them."""

    __slots__ = ()


class Long(int):
    """A long among fields, where a plain int is an unsigned number of 32 bits at most."""


#: The delivery states that end nearly every delivery. `read_fields` answers these very objects, so that they
#: can be recognised with `is`; they must not be changed.
ACCEPTED_STATE = Settling(ACCEPTED, [])
RELEASED_STATE = Settling(RELEASED, [])

_unpack_ushort = Struct(">H").unpack_from
_unpack_uint = Struct(">I").unpack_from
_unpack_pair = Struct(">II").unpack_from
_NULL_TRUE_FALSE_ZERO = (None, True, False, 0)


def read_value(buf: bytes, pos: int, end: int, limits: Optional[Limits] = None) -> tuple[Any, int]:
    """Read the value with its constructor at `pos`; nothing at or behind `end` belongs to it.

    Answers the value and the position behind it. Types without a Python type of their own come as the classes
    of `reactor.codec.types`; long as int, double as float, string as str, binary as bytes, a map that no dict
    can hold as `Pairs`. `limits`: those of a body, or the rest that others have left of them. Raises
    RemoteProtocolError (amqp:decode-error).
    """
    try:
        value, after = READERS[buf[pos]](buf, pos + 1, end, limits or [MAX_DEPTH, MAX_EMPTY_ELEMENTS])
    except MALFORMED as e:
        raise explained(e) from None
    if after > end:
        raise truncated()
    return value, after


def read_fields(buf: bytes, pos: int, end: int, limits: Optional[Limits] = None) -> tuple[list[Any], int]:
    """Read the list with its constructor at `pos`, as the fields of a composite.

    Answers the fields and the position behind them. Unsigned numbers up to 32 bits and booleans are plain int
    and bool. A nested composite is ``Described(code, fields)``, whether its descriptor was the number or the
    symbol; ``Described(0x24, [])`` is always `ACCEPTED_STATE` and ``Described(0x26, [])`` `RELEASED_STATE`.
    Maps and arrays in fields hold values as `read_value` makes them. Raises RemoteProtocolError
    (amqp:decode-error).
    """
    try:
        code = buf[pos]
        if code == 0xC0:
            stop = pos + 2 + buf[pos + 1]
            count = buf[pos + 2]
            pos += 3
        elif code == 0x45:
            if pos >= end:
                raise truncated()
            return [], pos + 1
        elif code == 0xD0:
            size, count = _unpack_pair(buf, pos + 1)
            stop = pos + 5 + size
            pos += 9
        else:
            raise malformed("a list was expected, not the constructor 0x%02x" % code)
        if stop > end or count > stop - pos:
            raise truncated()
        fields: list[Any] = []
        # This loop runs for every frame: the order of the tests follows the frequency of the types in frames.
        while pos < stop:
            code = buf[pos]
            pos += 1
            if code == 0x40:
                fields.append(None)
            elif code < 0x44:
                if code > 0x40:
                    fields.append(_NULL_TRUE_FALSE_ZERO[code - 0x40])
                elif buf[pos - 1 : pos + 3] == b"\x00\x53\x24\x45":
                    fields.append(ACCEPTED_STATE)
                    pos += 3
                elif code == 0x00:
                    limits = limits or [MAX_DEPTH, MAX_EMPTY_ELEMENTS]
                    state, pos = _read_composite(buf, pos, stop, limits)
                    fields.append(state)
                else:
                    raise malformed("the unknown constructor 0x%02x" % code)
            elif code == 0x52 or code == 0x50:
                fields.append(buf[pos])
                pos += 1
            elif code == 0x70:
                fields.append(_unpack_uint(buf, pos)[0])
                pos += 4
            elif code == 0xA0:
                start = pos + 1
                pos = start + buf[pos]
                fields.append(buf[start:pos])
            elif code == 0xA1:
                start = pos + 1
                pos = start + buf[pos]
                fields.append(buf[start:pos].decode())
            elif code == 0x53:
                fields.append(SMALL_ULONGS[buf[pos]])
                pos += 1
            elif code == 0x60:
                fields.append(_unpack_ushort(buf, pos)[0])
                pos += 2
            else:
                limits = limits or [MAX_DEPTH, MAX_EMPTY_ELEMENTS]  # one for all fields together
                value, pos = READERS[code](buf, pos, stop, limits)
                fields.append(value if type(value) is not int else Long(value))
    except MALFORMED as e:
        raise explained(e) from None
    if pos != stop or len(fields) != count:
        raise malformed("a list whose size or count is not that of its fields")
    return fields, pos


def _read_composite(buf: bytes, pos: int, end: int, limits: Limits) -> tuple[Described, int]:
    """A described value among fields; `pos` is at its descriptor."""
    enter(limits)
    descriptor, pos = READERS[buf[pos]](buf, pos + 1, end, limits)
    code = CODE_OF_SYMBOL.get(descriptor) if isinstance(descriptor, str) else descriptor
    if type(code) in (int, ulong) and code in BY_CODE:
        fields, pos = read_fields(buf, pos, end, limits)
        if not fields and code == ACCEPTED:
            value: Described = ACCEPTED_STATE
        elif not fields and code == RELEASED:
            value = RELEASED_STATE
        else:
            value = Described(int(code), fields)
    else:
        content, pos = READERS[buf[pos]](buf, pos + 1, end, limits)
        value = Described(descriptor, content)
    limits[0] += 1
    return value, pos
