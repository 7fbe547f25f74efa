"""The wire trace: every frame as one line, whatever came, and no secret in it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest

from reactor import UNDESCRIBED, Array, Data, Described, Message, char, symbol, timestamp, ubyte
from reactor.codec.definitions import COMPOSITES, OPEN, SASL_CHALLENGE, SASL_INIT, SASL_OUTCOME, SASL_RESPONSE, TRANSFER
from reactor.codec.performatives import encode_composite
from reactor.container.turns import wanted_trace
from reactor.tracing.text import TextTrace, format_composite, format_value
from tests.support.stage import Stage


def frame(body: bytes, channel: int = 0, kind: int = 0) -> bytes:
    """A frame around a body [2.3.1]."""
    return (len(body) + 8).to_bytes(4, "big") + bytes((2, kind)) + channel.to_bytes(2, "big") + body


def trace(*chunks: tuple[str, bytes]) -> list[str]:
    """The lines for what passed."""
    lines: list[str] = []
    recorder = TextTrace(lines.append, "0x1")
    for direction, chunk in chunks:
        recorder(direction, chunk)
    return lines


OPENING = encode_composite(OPEN, ["me", "there", None, 9, None, None, None, ["a", "b"], None, {symbol("x"): 1}])
SENDING = encode_composite(TRANSFER, [3, 7, b"\x01t", 0, None, True]) + b"\x00Sw\xa1\x05hello"


def test_a_frame_is_a_line_with_channel_direction_and_named_fields() -> None:
    assert trace(("out", frame(OPENING))) == [
        '[0x1]: AMQP:FRAME:0 -> @open(16) [container-id="me", hostname="there", channel-max=9, '
        "offered-capabilities=@array[:a, :b], properties={:x=1}]"
    ]


def test_a_payload_is_shown_by_its_size_and_its_beginning() -> None:
    assert trace(("in", frame(SENDING, 5))) == [
        '[0x1]: AMQP:FRAME:5 <- @transfer(20) [handle=3, delivery-id=7, delivery-tag=b"\\x01t", '
        'message-format=0, more=true] (10) "\\x00Sw\\xa1\\x05hello"'
    ]
    (line,) = trace(("in", frame(SENDING + b"x" * 1000)))
    assert "(1010)" in line and line.endswith('"...') and len(line) < 250


def test_headers_and_empty_frames() -> None:
    header = b"AMQP\x00\x01\x00\x00"
    assert trace(("out", b"AMQP\x03\x01\x00\x00" + header), ("in", header + frame(b""))) == [
        "[0x1]: SASL:FRAME: -> SASL 1.0.0",
        "[0x1]: AMQP:FRAME: -> AMQP 1.0.0",
        "[0x1]: AMQP:FRAME: <- AMQP 1.0.0",
        "[0x1]: AMQP:FRAME:0 <- (empty)",
    ]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_chunks_may_be_cut_anywhere(step: int) -> None:
    stream = b"AMQP\x00\x01\x00\x00" + frame(OPENING) + frame(SENDING) * 3
    pieces = [("in", stream[start : start + step]) for start in range(0, len(stream), step)]
    assert trace(*pieces) == trace(("in", stream))
    assert len(trace(*pieces)) == 5


def test_the_directions_are_told_apart() -> None:
    stream = frame(OPENING)
    lines = trace(("in", stream[:9]), ("out", stream[:11]), ("in", stream[9:]), ("out", stream[11:]))
    assert [re.search("<-|->", line).group() for line in lines] == ["<-", "->"]  # type: ignore[union-attr]


def test_every_composite_of_the_specification_can_be_shown() -> None:
    for composite in COMPOSITES:
        text = format_composite(composite.code, [1] * len(composite.fields))
        assert text.startswith("@%s(%d) [" % (composite.name, composite.code))
        shown = [field.name for field in composite.fields]
        assert all(name + "=" in text for name in shown)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (42, "42"),
        (ubyte(3), "3"),
        (timestamp(17), "17"),
        (1.5, "1.5"),
        ("a \"b\"\n", '"a \\"b\\"\\n"'),
        (symbol("plain"), ":plain"),
        (symbol("x:y"), ':"x:y"'),
        (symbol("x\n[0x1]: forged"), ':"x\\n[0x1]: forged"'),
        ("a\r\n\x1b[2J\u2028\x85\ud800b\u00e9", '"a\\r\\n\\x1b[2J\\u2028\\x85\\ud800b\u00e9"'),
        (char("\n"), "\\n"),
        (b"\x00a\xff", 'b"\\x00a\\xff"'),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([1, "a"], '[1, "a"]'),
        ({symbol("k"): [None]}, "{:k=[null]}"),
        (Described(symbol("x:y"), 1), '@:"x:y" 1'),
        (Described(0x24, []), "@accepted(36) []"),
        (Described(0x99, [1]), "@153 [1]"),
        (Array(UNDESCRIBED, Data.INT, 1, 2), "@array[1, 2]"),
        (Array(symbol("d"), Data.INT, 1), "@array:d[1]"),
    ],
)
def test_values_of_all_kinds(value: Any, text: str) -> None:
    assert format_value(value) == text.replace("@array:d", "@array::d")


def test_composites_within_fields_have_their_fields_named() -> None:
    error = Described(0x1D, [symbol("amqp:not-found"), "gone", None])
    text = format_composite(0x16, [0, True, error])
    gone = 'error=@error(29) [condition=:"amqp:not-found", description="gone"]'
    assert text == "@detach(22) [handle=0, closed=true, %s]" % gone


@pytest.mark.parametrize(
    "bad",
    [
        frame(b"\x00\x53\x10\xc0\xff\x05"),
        frame(b"garbage"),
        frame(b"\x00\x53\x99\x45"),
        (9).to_bytes(4, "big") + b"\x01\x00\x00\x00x",
        (9).to_bytes(4, "big") + b"\xff\x00\x00\x00x",
        b"\x00\x00\x00\x00\x02\x00\x00\x00",
        frame(encode_composite(SASL_INIT, ["X"]) + b"more", kind=7),
        b"GET / HTTP/1.1\r\n\r\n" * 3,
    ],
)
def test_what_cannot_be_read_is_shown_as_what_it_is_and_the_trace_goes_on(bad: bytes) -> None:
    trace(("in", bad), ("in", b"x" * 100))
    if bad.startswith(b"GET"):
        return  # its first letters promise a frame that never comes
    lines = trace(("in", bad + frame(OPENING)))
    assert "@open" in lines[-1]


def test_secrets_of_sasl_are_not_shown() -> None:
    lines = trace(
        ("out", frame(encode_composite(SASL_INIT, ["PLAIN", b"\0kim\0secret", "host"]), kind=1)),
        ("out", frame(encode_composite(SASL_RESPONSE, [b"secret"]), kind=1)),
        ("in", frame(encode_composite(SASL_OUTCOME, [0]), kind=1)),
        ("in", frame(encode_composite(SASL_CHALLENGE, [b"r=secret,s=secret,i=4096"]), kind=1)),
        ("in", frame(encode_composite(SASL_OUTCOME, [0, b"v=secret"]), kind=1)),
    )
    assert "secret" not in "".join(lines) and "kim" not in "".join(lines)
    assert "@sasl-init(65) [mechanism=:PLAIN, initial-response=(11 bytes, not shown)" in lines[0]
    assert lines[2] == "[0x1]: SASL:FRAME:0 <- @sasl-outcome(68) [code=0]"
    assert lines[3] == "[0x1]: SASL:FRAME:0 <- @sasl-challenge(66) [challenge=(24 bytes, not shown)]"
    assert lines[4] == "[0x1]: SASL:FRAME:0 <- @sasl-outcome(68) [code=0, additional-data=(8 bytes, not shown)]"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(None, ""), ("", ""), ("0", ""), ("1", "frames"), ("true", "frames"), ("no", ""), (" Words", "words")],
)
def test_the_variable_of_the_environment(value: Any, wanted: str) -> None:
    assert wanted_trace(value) == wanted


def test_a_container_traces_when_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> list[str]:
        stage = Stage(chunk=13)
        container, connection = stage.connect()
        container.create_sender(connection, "q").send(Message("hello"))
        stage.run()
        connection.close()
        stage.finish()
        return capsys.readouterr().err.splitlines()

    assert run() == []
    monkeypatch.setenv("PN_TRACE_FRM", "1")
    lines = run()
    assert all(re.match(r"\[0x[0-9a-f]+\]: (AMQP|SASL):FRAME:\d* (<-|->) ", line) for line in lines)
    assert len({line.partition("]")[0] for line in lines}) == 2  # each end has a name of its own
    for text in ("-> @open", "<- @open", "-> @attach", "-> @transfer", "(18)", "<- @disposition", "-> @close"):
        assert any(text in line for line in lines), text
    sent = [line.partition("-> ")[2] for line in lines if "-> " in line]
    seen = [line.partition("<- ")[2] for line in lines if "<- " in line]
    assert sorted(sent) == sorted(seen)  # each frame is traced where it leaves and where it arrives
