"""Splitter: a stream of bytes, cut again into the protocol headers and frames that were written into it.

Listeners to a wire enter: the text trace, and the simulated network, which injects faults into frames. It looks at
four bytes of each part and knows nothing of its content. Bytes that are no AMQP (TLS, HTTP) are handed out as they
come: a listener must neither fail on them nor keep them.
"""

from __future__ import annotations

#: A first byte from here on is none of a frame's size: that would be 256 MiB. It is TLS (0x16), or text.
_TOO_LARGE = 0x10


class Splitter:
    """Cuts one direction of one wire.

    opaque: whether the bytes are no AMQP that could be read: they then come in the pieces in which they were
        given. Set once, and for good, where neither a header nor a size that a frame can have begins.
    """

    __slots__ = ("_rest", "opaque")

    def __init__(self) -> None:
        self._rest = bytearray()
        self.opaque = False

    @property
    def rest(self) -> bytes:
        """The beginning of a part that is not complete."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes, cut anywhere; returns the parts that are complete now."""
        if self.opaque:
            return [chunk] if chunk else []
        rest = self._rest
        rest += chunk
        parts: list[bytes] = []
        pos, end = 0, len(rest)
        while pos < end:
            first = rest[pos]
            is_header = first >= _TOO_LARGE and b"AMQP".startswith(rest[pos : pos + 4])
            if first >= _TOO_LARGE and not is_header:
                self.opaque = True
                parts.append(bytes(rest[pos:]))
                pos = end
                break
            if end - pos < 8:
                break
            # No frame can be as long as the four letters mean, so they always open a protocol header [2.2].
            size = 8 if is_header else max(8, int.from_bytes(rest[pos : pos + 4], "big"))
            if end - pos < size:
                break
            parts.append(bytes(rest[pos : pos + size]))
            pos += size
        del rest[:pos]
        return parts
