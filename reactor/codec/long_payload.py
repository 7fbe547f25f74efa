"""A long message in pieces: its body stays where it is, between the bytes before and behind it.

Message and the engine's windows enter. A copy of a long body costs more than all else that is done with the message:
above 32 MB its memory is fresh from the system each time, and every page of it is a fault.
"""

from __future__ import annotations

from struct import Struct

from reactor.codec.sections import taken_apart
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional, Union

#: Bytes from which on a body is not copied. No transfer that the engine writes is longer, so that such a message always
#: leaves in several.
LONG_BODY = 256 * 1024
#: The types of a body that is not copied: nothing changes a value of them.
LONG_KINDS = frozenset({bytes, str})

_MOST = 0xFFFFFFFF  #: bytes of a binary or a string [1.6]
_size = Struct(">I").pack


class LongPayload:
    """The bytes of one message, as the buffers that make it up.

    pieces: buffers of bytes, none of them empty, that nothing changes from now on.
    obj: the payload that this is the rest of, or itself: as of a memoryview.
    """

    __slots__ = ("_size", "_whole", "pieces")

    def __init__(self, *pieces: Union[bytes, bytearray, memoryview], whole: Optional[LongPayload] = None) -> None:
        self.pieces = tuple(piece for piece in pieces if piece)
        self._size = sum(map(len, self.pieces))
        self._whole = whole

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def obj(self) -> LongPayload:
        return self if self._whole is None else self._whole

    def cut(self, size: int) -> tuple[Any, LongPayload]:
        """The first `size` bytes, and the rest. Only where two pieces meet they are copied."""
        first, *others = self.pieces
        if len(first) > size:
            view = memoryview(first)
            return view[:size], LongPayload(view[size:], *others, whole=self.obj)
        taken: list[Any] = [first]
        size -= len(first)
        while size and others:
            view = memoryview(others[0])
            taken.append(view[:size])
            others[0] = view[size:]
            size -= len(taken[-1])
            if not others[0]:
                del others[0]
        return b"".join(taken), LongPayload(*others, whole=self.obj)


def joined(*pieces: Union[bytes, bytearray, memoryview]) -> Union[bytes, LongPayload]:
    """The pieces of a message, as one where it is not long."""
    payload = LongPayload(*pieces)
    return payload if len(payload) >= LONG_BODY else bytes(payload)


def from_pieces(kind: Any, payload: Any) -> Any:
    """The message of such a class that a buffer or a LongPayload encodes. A long binary is put together as a body, and
    not twice."""
    apart = taken_apart(payload.pieces) if type(payload) is LongPayload else None
    if apart is None:
        return kind.from_bytes(bytes(payload))
    message = kind.from_bytes(apart[0])
    message.body, message.inferred = apart[1:]
    return message


def long_content(out: bytearray, body: Any, inferred: bool) -> Optional[bytes]:
    """The content of the section of a body that is long, which is not copied; the beginning of the section is appended
    to `out`. None for any other body, and nothing is appended."""
    kind = type(body)
    if kind is bytes:
        content = body
    elif kind is str:
        try:
            content = body.encode()
        except UnicodeEncodeError:
            return None  # the writer of all other bodies raises the error
    else:
        return None
    if not LONG_BODY <= len(content) <= _MOST:
        return None
    constructor = b"\xb1" if kind is str else b"\xb0"
    out += (b"\x00\x53\x75" if inferred and kind is bytes else b"\x00\x53\x77") + constructor + _size(len(content))
    return content  # type: ignore[no-any-return]
