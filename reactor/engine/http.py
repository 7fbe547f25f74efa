"""HTTP: the little of it that WebSocket and proxies take: one head each way, of bounded size [RFC 9112].

The layers of WebSocket and of proxies enter. It knows no body, and no frame.
"""

from __future__ import annotations

LARGEST_HEAD = 16384
"""Bytes of a request or an answer, up to its empty line."""

END = b"\r\n\r\n"


class Refusal(Exception):
    """The exchange fails. status: that of the answer, which a server gives; 0 on a client."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def find_end(head: bytes) -> int:
    """Where the head ends: behind its empty line; 0 while that has not come. Refusal for one that is too long."""
    end = head.find(END, 0, LARGEST_HEAD)
    if end < 0 and len(head) >= LARGEST_HEAD:
        raise Refusal("a head of HTTP that has not ended within %d bytes" % LARGEST_HEAD, 431)
    return end + len(END) if end >= 0 else 0


def read_head(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line, and the fields by their names in lower case; a field that comes again is a list of both."""
    first, *lines = head[: -len(END)].decode("latin-1").split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\r" in line:
            raise Refusal("a field of HTTP that is none", 400)
        name, value = name.lower(), value.strip(" \t")
        fields[name] = "%s, %s" % (fields[name], value) if name in fields else value
    return first, fields


def tokens(value: str) -> list[str]:
    """The items of a list with commas."""
    return [token.strip() for token in value.split(",")]
