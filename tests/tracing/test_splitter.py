"""The splitter: the parts that were written come out again, whatever the pieces they arrive in."""

from __future__ import annotations

import pytest

from reactor.tracing.splitter import Splitter
from reactor.tracing.text import TextTrace

HEADER = b"AMQP\x00\x01\x00\x00"
EMPTY = b"\x00\x00\x00\x08\x02\x00\x00\x00"
FRAME = b"\x00\x00\x00\x0c\x02\x00\x00\x05\x00\x53\x18\x45"
HELLO = b"\x16\x03\x01\x00\x05hello"  # how TLS begins


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 9, 100])
def test_parts_come_out_as_they_were_written(size):
    written = [HEADER, EMPTY, FRAME, FRAME, HEADER]
    stream = b"".join(written)
    splitter = Splitter()
    parts = []
    for start in range(0, len(stream), size):
        parts += splitter.feed(stream[start : start + size])
    assert parts == written
    assert splitter.rest == b"" and not splitter.opaque


def test_a_part_that_is_not_complete_waits():
    splitter = Splitter()
    assert splitter.feed(FRAME[:9]) == []
    assert splitter.rest == FRAME[:9]
    assert splitter.feed(FRAME[9:] + EMPTY[:1]) == [FRAME]
    assert splitter.rest == EMPTY[:1]
    assert splitter.feed(b"") == []


def test_a_size_that_no_frame_can_have_counts_as_eight():
    assert Splitter().feed(b"\x00\x00\x00\x03\x02\x00\x00\x00" + EMPTY) == [b"\x00\x00\x00\x03\x02\x00\x00\x00", EMPTY]


@pytest.mark.parametrize("noise", [HELLO, b"GET / HTTP/1.1\r\n", b"AMQX", b"\xff" * 20])
@pytest.mark.parametrize("before", [b"", HEADER, b"AMQP\x02\x01\x00\x00"])
def test_what_is_no_amqp_is_handed_on_as_it_comes(before, noise):
    splitter = Splitter()
    assert splitter.feed(before + noise) == [*filter(None, [before]), noise]
    assert splitter.opaque
    assert splitter.feed(FRAME[:5]) == [FRAME[:5]]
    assert splitter.feed(b"") == []
    assert splitter.rest == b""


def test_the_text_trace_shows_it_and_keeps_nothing():
    lines = []
    trace = TextTrace(lines.append, "0x1")
    trace("out", b"AMQP\x02\x01\x00\x00")
    trace("out", HELLO)
    trace("out", b"\x00\x01")
    assert lines == [
        "[0x1]: TLS:FRAME: -> TLS 1.0.0",
        '[0x1]: RAW:FRAME: -> (10) "\\x16\\x03\\x01\\x00\\x05hello"',
        '[0x1]: RAW:FRAME: -> (2) "\\x00\\x01"',
    ]
