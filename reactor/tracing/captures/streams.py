"""Streams: one direction of a captured connection, put together from its segments, and cut into frames.

The reader of captures enters. Segments come twice, in another order, or not at all, and a capture may begin in the
middle: the bytes are put in their order here, and those that are missing are counted. It knows the sizes of frames, and
nothing else of them.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

#: A segment that waits for more than so many others, or bytes, waits in vain: those before it were not captured.
_MOST_WAITING, _MOST_BYTES = 512, 8 << 20
_HALF, _MASK = 1 << 31, 0xFFFFFFFF

#: Bytes of a frame, at most, where a stream is joined in its middle.
_PLAUSIBLE = 1 << 24

Frame = Callable[[int, bytes, int], None]


class Stream:
    """The bytes of one direction in their order.

    frames: takes them. missing: how many bytes are known to be missing.
    """

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.missing = 0
        self._next: Optional[int] = None  # the number of the next byte
        self._waiting: dict[int, tuple[int, bytes, int]] = {}  # by number: time, bytes, missing ones behind them
        self._bytes = 0
        self._latest = 0

    def begin(self, number: int) -> None:
        """The number of the first byte is known: the connection begins."""
        if self._next is None:
            self._next = number & _MASK

    def feed(self, at: int, number: int, data: bytes, missing: int) -> None:
        """A segment was captured. at: when. missing: bytes behind `data` that were cut off."""
        if not data and not missing:
            return
        if self._next is None:
            self._next = number
            self.frames.in_the_middle()
        if self._behind(number + len(data) + missing) <= 0:
            return  # it has come before
        known = self._waiting.get(number)
        if known is None or len(known[1]) + known[2] < len(data) + missing or len(known[1]) < len(data):
            self._bytes += len(data) - (0 if known is None else len(known[1]))
            self._waiting[number] = (at, data, missing)
        self._take()
        if len(self._waiting) > _MOST_WAITING or self._bytes > _MOST_BYTES:
            self._skip()

    def end(self) -> None:
        """The capture is over, or the connection: bytes that wait for missing ones wait no longer."""
        while self._waiting:
            self._skip()
        self.frames.end()

    def _behind(self, number: int) -> int:
        """How far the byte of this number is behind the next one."""
        assert self._next is not None
        distance = (number - self._next) & _MASK
        return distance - (1 << 32) if distance >= _HALF else distance

    def _take(self) -> None:
        """Hand on the next bytes, as far as they are there."""
        while self._waiting:
            number = min(self._waiting, key=self._behind)
            behind = self._behind(number)
            if behind > 0:
                return
            at, data, missing = self._waiting.pop(number)
            at = self._latest = max(at, self._latest)  # it was of no use before those in front of it
            self._bytes -= len(data)
            old = -behind
            if old >= len(data) + missing:
                continue
            missing -= max(0, old - len(data))
            data = data[old:]
            assert self._next is not None
            self._next = (self._next + len(data) + missing) & _MASK
            if data:
                self.frames.feed(at, data)
            if missing:
                self.missing += missing
                self.frames.skip(missing)

    def _skip(self) -> None:
        """Bytes were not captured: go on behind them."""
        number = min(self._waiting, key=self._behind)
        lost = self._behind(number)
        self.missing += lost
        self.frames.skip(lost)
        self._next = number
        self._take()


class Frames:
    """Cuts bytes that may have gaps into frames.

    take: called with a time, the bytes of a frame or header, or their beginning, and its whole size. opaque: called
    with a time and bytes that are no AMQP. unread: bytes that belong to no frame that could be read.
    """

    def __init__(self, take: Frame, opaque: Callable[[int, bytes], None]) -> None:
        self._take = take
        self._opaque = opaque
        self.unread = 0
        self.joined = False
        self._rest = bytearray()
        self._lost = False  # where the next frame begins is not known
        self._is_opaque = False
        self._skip = 0  # bytes of a frame that was cut: it was handed on already

    def in_the_middle(self) -> None:
        """The first byte may be anywhere in a frame."""
        self._lost = True
        self.joined = True

    def feed(self, at: int, data: bytes) -> None:
        """The next bytes."""
        if self._is_opaque:
            self._opaque(at, data)
            return
        if self._skip:
            number = min(self._skip, len(data))
            self._skip -= number
            data = data[number:]
        if self._lost and data:
            if not _begins_like_a_frame(data):
                self.unread += len(data)  # segments mostly begin with a frame: the next one will
                return
            self._lost = False
        self._rest += data
        self._cut(at)

    def _cut(self, at: int) -> None:
        rest, pos = self._rest, 0
        while len(rest) - pos >= 8:
            size = _size(rest, pos)
            if size is None:
                self._is_opaque = True
                self._opaque(at, bytes(rest[pos:]))
                pos = len(rest)
                break
            if len(rest) - pos < size:
                break
            self._take(at, bytes(rest[pos : pos + size]), size)
            pos += size
        del rest[:pos]
        self._at = at

    def skip(self, number: int) -> None:
        """So many bytes are missing."""
        if self._is_opaque or self._lost:
            return
        if self._skip >= number:
            self._skip -= number
            return
        rest = bytes(self._rest)
        self._rest.clear()
        number -= self._skip
        self._skip = 0
        if len(rest) >= 8:
            size = _size(rest, 0) or 8
            if len(rest) + number <= size:
                self._take(self._at, rest, size)
                self._skip = size - len(rest) - number
                return
            self._take(self._at, rest, size)
        else:
            self.unread += len(rest)
        self._lost = True

    def end(self) -> None:
        """No bytes follow."""
        if len(self._rest) >= 8:
            self._take(self._at, bytes(self._rest), _size(self._rest, 0) or len(self._rest))
        else:
            self.unread += len(self._rest)
        self._rest.clear()

    _at = 0


def _size(data: Any, pos: int) -> Optional[int]:
    """The size of the frame or header at `pos`; None where neither begins there."""
    if bytes(data[pos : pos + 4]) == b"AMQP":
        return 8
    size = int.from_bytes(data[pos : pos + 4], "big")
    return max(8, size) if size < 1 << 28 else None


def _begins_like_a_frame(data: bytes) -> bool:
    if data[:4] == b"AMQP":
        return True
    if len(data) < 8:
        return False
    size = int.from_bytes(data[:4], "big")
    if not 8 <= size < _PLAUSIBLE or data[4] != 2 or data[5] > 1:
        return False
    return size == 8 or len(data) < 11 or data[8:10] == b"\x00\x53" or data[8:10] == b"\x00\x80"
