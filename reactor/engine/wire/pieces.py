"""The pieces of a delivery that takes several frames, until it is complete or read.

The incoming window enters. They are views of the input, joined once at the end. Of a long delivery that costs twice its
memory, fresh from the system each time, and so its pieces are put together as they come: the C library of Linux lets a
large block grow without a copy. Elsewhere it copies, and they are joined at the end.
"""

from __future__ import annotations

from io import BytesIO

from reactor.codec.sections import long_body_at
from reactor.engine.blocks import blocks
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional, Union

#: The cost of a piece of a message beside its bytes. Counted, so that a flood of empty ones is bounded, too.
PIECE_COST = 64


class Content(BytesIO):
    """Pieces that are put together as they come: they count like a piece."""

    def __len__(self) -> int:
        return self.tell()


class Pieces(list["Any"]):
    """The pieces of a delivery, but for the first. Before its bytes are joined, `finish` is to be called.

    cost: as in `IncomingWindow.buffered`. frames: how many pieces have come.
    """

    __slots__ = ("_body_size", "_content", "cost", "frames")

    def __init__(self) -> None:
        super().__init__()
        self.cost = 0
        self.frames = 0
        self._content: Optional[Content] = None  # all behind the first piece, once they are put together
        self._body_size = 0  # how much of it is the body, if that is known

    def add(self, piece: Union[bytes, memoryview]) -> None:
        """The next one."""
        self.frames += 1
        if self._content is None:
            self.append(piece)
        else:
            self._content.write(piece)

    def gather(self, first: Union[bytes, memoryview]) -> Union[bytes, memoryview]:
        """Put them together from now on, if there are enough. Returns the first piece, without the bytes of a long
        body: these then begin what is put together, and so it needs no further copy to be a body."""
        if self._content is not None or not 0 < blocks.gathered_from <= self.cost:
            return first
        content = self._content = Content()
        body = long_body_at(first)
        if body is not None:
            at, self._body_size, _ = body
            content.write(first[at:])
            first = bytes(first[:at])
        for piece in self:
            content.write(piece)
        self[:] = [content]
        return first

    def finish(self) -> None:
        """What was put together is a piece again: the delivery is complete, or it is read."""
        content, size = self._content, self._body_size
        if content is None:
            return
        self._content = None
        end = b""
        if 0 < size < content.tell():
            content.seek(size)
            end = content.read()
            content.truncate(size)
        self[:] = [content.getvalue(), end] if end else [content.getvalue()]  # its own memory, and no copy of it
