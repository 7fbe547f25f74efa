"""Framing: WebSocket frames to bytes and back [RFC 6455, 5].

The layer enters. AMQP is one stream of bytes, and its own frames begin and end anywhere in those of WebSocket: so the
content of binary frames goes on as it comes, and none is kept until it is whole. Control frames, which are short, are.
It knows no AMQP.
"""

from __future__ import annotations

from struct import Struct
from typing import Optional

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

FINAL, MASKED = 0x80, 0x80

LONGEST_CONTROL = 125
"""Bytes in a control frame [5.5]."""

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_TEXT = 1000, 1001, 1002, 1003, 1007
"""Codes of a close frame [7.4.1]."""

_SHORT, _LONG = Struct(">H"), Struct(">Q")


class FramingTrouble(Exception):
    """The peer breaks the rules. code: for the close frame that answers it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


Control = tuple[int, bytes]
"""A control frame: CLOSE, PING or PONG, and its content."""


def masked(content: bytes, key: bytes, start: int = 0) -> bytes:
    """`content` with the mask of `key`, or without it again [5.3]. start: the offset of `content` in its frame."""
    size = len(content)
    turned = key[start % 4 :] + key[: start % 4]
    mask = (turned * (size // 4 + 1))[:size]
    return (int.from_bytes(content, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


def write_frame(output: bytearray, opcode: int, content: bytes, key: Optional[bytes]) -> None:
    """Append a frame, which is the first and the last of its message. key: four bytes, for a client; None: a server."""
    size, mask = len(content), 0 if key is None else MASKED
    output.append(FINAL | opcode)
    if size <= LONGEST_CONTROL:
        output.append(mask | size)
    elif size < 65536:
        output.append(mask | 126)
        output += _SHORT.pack(size)
    else:
        output.append(mask | 127)
        output += _LONG.pack(size)
    if key is None:
        output += content
    else:
        output += key
        output += masked(content, key)


class FrameParser:
    """Reads the frames of the peer. server: this side is the server, and the frames of its client are masked [5.1]."""

    def __init__(self, server: bool) -> None:
        self._server = server
        self._begun = b""  # of a header, or of a control frame
        self._opcode = BINARY
        self._left = 0  # bytes of the content of a binary frame that are still to come
        self._key = b""
        self._offset = 0
        self._within = False  # a message that is in several frames

    def receive(self, data: bytes, controls: list[Control]) -> bytes:
        """Take bytes from the peer; returns the content of binary frames, and appends control frames to `controls`.
        After a close frame nothing is read. FramingTrouble for a frame that must not be."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        pieces = []
        pos, end = 0, len(data)
        while pos < end:
            if self._left:
                piece = data[pos : pos + self._left]
                pos += len(piece)
                self._left -= len(piece)
                pieces.append(masked(piece, self._key, self._offset) if self._key else piece)
                self._offset += len(piece)
                continue
            header = self._read_header(data, pos, end)
            if header is None:
                break
            size, start = header
            if self._opcode < CLOSE:
                self._left, self._offset, pos = size, 0, start
                continue
            if end - start < size:
                break
            content = data[start : start + size]
            pos = start + size
            controls.append((self._opcode, masked(content, self._key) if self._key else content))
            if self._opcode == CLOSE:
                return b"".join(pieces)
        self._begun = data[pos:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_header(self, data: bytes, pos: int, end: int) -> Optional[tuple[int, int]]:
        """The size of the content, and where it begins; None: more bytes are needed."""
        if end - pos < 2:
            return None
        first, second = data[pos], data[pos + 1]
        opcode, size = first & 0x0F, second & 0x7F
        self._check(first, opcode, second, size)
        start = pos + 2
        if size == 126:
            if end - start < 2:
                return None
            size = _SHORT.unpack_from(data, start)[0]
            start += 2
            if size <= LONGEST_CONTROL:
                raise FramingTrouble(PROTOCOL_ERROR, "a size of %d in two bytes more than it needs" % size)
        elif size == 127:
            if end - start < 8:
                return None
            size = _LONG.unpack_from(data, start)[0]
            start += 8
            if size < 65536 or size >> 63:
                raise FramingTrouble(PROTOCOL_ERROR, "a size of %d in eight bytes" % size)
        key = b""
        if self._server:
            if end - start < 4:
                return None
            key = data[start : start + 4]
            start += 4
        self._key, self._opcode = key, opcode
        if opcode < CLOSE:
            self._within = not first & FINAL
        return size, start

    def _check(self, first: int, opcode: int, second: int, size: int) -> None:
        """FramingTrouble for a frame that must not begin so."""
        if first & 0x70:
            raise FramingTrouble(PROTOCOL_ERROR, "a frame with reserved bits: no extension was agreed upon")
        if bool(second & MASKED) is not self._server:
            text = "a client's frame without a mask" if self._server else "a server's frame with a mask"
            raise FramingTrouble(PROTOCOL_ERROR, text)
        if opcode in (CLOSE, PING, PONG):
            if size > LONGEST_CONTROL or not first & FINAL:
                raise FramingTrouble(PROTOCOL_ERROR, "a control frame in pieces, or of more than 125 bytes")
        elif opcode == TEXT:
            raise FramingTrouble(UNSUPPORTED_DATA, "a text frame: AMQP is in binary ones")
        elif opcode not in (CONTINUATION, BINARY):
            raise FramingTrouble(PROTOCOL_ERROR, "a frame of the unknown kind %d" % opcode)
        elif (opcode == CONTINUATION) is not self._within:
            text = "a new message within another one" if self._within else "a continuation of no message"
            raise FramingTrouble(PROTOCOL_ERROR, text)


def close_content(code: int, reason: str = "") -> bytes:
    """The content of a close frame. reason: cut where a control frame ends."""
    text = reason.encode()[: LONGEST_CONTROL - 2].decode(errors="ignore")
    return _SHORT.pack(code) + text.encode()


def read_close(content: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; the code is NORMAL where there is none. FramingTrouble for what is neither."""
    if not content:
        return NORMAL, ""
    if len(content) == 1:
        raise FramingTrouble(PROTOCOL_ERROR, "a close frame with half a code")
    code = _SHORT.unpack_from(content)[0]
    if not (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) and not 3000 <= code <= 4999:
        raise FramingTrouble(PROTOCOL_ERROR, "a close frame with the code %d, which no peer may send" % code)
    try:
        return code, content[2:].decode()
    except UnicodeDecodeError:
        raise FramingTrouble(INVALID_TEXT, "a close frame with a reason that is no UTF-8") from None
