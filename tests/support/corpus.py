"""The recorded exchanges of `tests/corpus`, as connections, frames and messages."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
PEERS = ("qpidd", "rabbitmq")


class Frame(NamedTuple):
    """A frame with a body: of which side of which connection, and its bytes behind the frame header."""

    peer: str
    connection: int
    side: str
    type: int
    channel: int
    body: bytes


def connections(peer: str) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    """The number of each connection, and the pieces that its two sides sent, in order."""
    with gzip.open(CORPUS / ("%s.jsonl.gz" % peer), "rt") as lines:
        for line in lines:
            record = json.loads(line)
            yield record["connection"], [(side, bytes.fromhex(piece)) for side, piece in record["bytes"]]


def streams(peer: str) -> Iterator[tuple[int, str, bytes]]:
    """Everything that one side of a connection sent: connection, side, bytes."""
    for number, pieces in connections(peer):
        for side in ("client", "broker"):
            yield number, side, b"".join(piece for sender, piece in pieces if sender == side)


def frames(peer: str) -> Iterator[Frame]:
    """Every frame that has a body; protocol headers and empty frames are left out."""
    for number, side, stream in streams(peer):
        pos = 0
        while pos + 8 <= len(stream):
            if stream.startswith(b"AMQP", pos):
                pos += 8
                continue
            size = int.from_bytes(stream[pos : pos + 4], "big")
            offset = 4 * stream[pos + 4]
            channel = int.from_bytes(stream[pos + 6 : pos + 8], "big")
            body = stream[pos + offset : pos + size]
            if body and pos + size <= len(stream):
                yield Frame(peer, number, side, stream[pos + 5], channel, body)
            pos += size
