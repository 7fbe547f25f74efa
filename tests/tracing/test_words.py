"""The wire trace in words: one line a frame, 80 columns at most."""

from __future__ import annotations

import pytest

from reactor.simulation.wiretap.frames import composite, make_frame
from reactor.tracing.words import WordTrace
from tests.tracing.test_timeline import UP, accepted, credit, transfer


def words(*frames):
    lines = []
    trace = WordTrace(lines.append, "0x1")
    for frame in frames:
        way, raw = frame if isinstance(frame, tuple) else ("out", frame)
        for place in range(0, len(raw), 7):
            trace(way, raw[place : place + 7])
    return lines


def test_a_conversation():
    detach = make_frame("detach", handle=0, closed=True, error=composite("error", condition="a:b", description="why"))
    assert words(*UP, ("in", credit(9)), transfer(0), ("in", accepted(0)), detach) == [
        "[0x1] -> open, by me",
        "[0x1] <- open, by peer",
        "[0x1] -> begin",
        "[0x1] <- begin",
        "[0x1] -> attach (to jobs)",
        "[0x1] <- attach (to jobs), agreed",
        "[0x1] <- credit 9 of jobs",
        "[0x1] -> transfer #0 hello over jobs",
        "[0x1] <- accepted #0",
        "[0x1] -> detach of jobs: a:b: why",
    ]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"AMQP\x03\x01\x00\x00", "header of SASL"),
        (make_frame("empty"), "heartbeat"),
        (make_frame("sasl-init", mechanism="PLAIN", initial_response=b"\0secret"), "sasl-init PLAIN"),
        (accepted(3, 9, state="released"), "released #3-9"),
        (make_frame("disposition", role=True, first=1, state=composite("accepted")), "accepted, not settled, #1"),
        (make_frame("disposition", role=False, first=1, settled=True), "settled #1"),
        (make_frame("close"), "close"),
        (credit(2, drain=True), "credit 2 of ?, drain"),
        (make_frame("flow", incoming_window=5, next_outgoing_id=0, outgoing_window=1), "window 5"),
        (transfer(1, settled=True), "transfer #1 hello settled over ?"),
        (transfer(1, more=True), "transfer #1 hello (a part) over ?"),
        (transfer(1, aborted=True), "transfer #1 aborted over ?"),
        (b"GET / HTTP/1.1\r\n", "that cannot be read: no AMQP frame"),
    ],
)
def test_each_frame(frame, text):
    assert words(frame)[0].endswith(text)


def test_no_line_is_wider_than_eighty_columns_or_two_lines():
    error = composite("error", condition="amqp:internal-error", description="x\n" * 500)
    (line,) = words(make_frame("close", error=error))
    assert (len(line), line[-3:], line.isprintable()) == (80, "...", True)


def test_the_tables_of_handles_do_not_grow():
    trace = WordTrace(lambda line: None)
    for number in range(50):
        trace("out", make_frame("attach", name="L%d" % number, handle=0, role=True, source=composite("source")))
        trace("in", make_frame("attach", name="L%d" % number, handle=0, role=False, source=composite("source")))
        trace("out", make_frame("detach", handle=0, closed=True))
        trace("in", make_frame("detach", handle=0, closed=True))
    assert not [name for name, value in vars(trace).items() if isinstance(value, dict) and len(value) > 2]
