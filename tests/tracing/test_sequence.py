"""The sequence diagram: what is folded, and its drawing as text."""

from __future__ import annotations

import pytest

from reactor.simulation.wiretap.frames import composite
from reactor.tracing.columns import draw
from reactor.tracing.recording import Record
from reactor.tracing.sequence import Group, Row, sequence
from reactor.tracing.timeline import Timeline
from tests.support.recordings import recorded
from tests.tracing.test_timeline import OPEN, UP, accepted, credit, frames, transfer


def drawn(recording, **options):
    return draw(Timeline(recording.records, recording.header), **options)


def titles(nodes):
    return [row.title for node in nodes for row in (node.summary if isinstance(node, Group) else [node])]


def of(*sent, **options):
    return sequence(Timeline(frames(*UP, *sent)), **options)


THREE = """\
3 jobs
             sender                      broker                     receiver
   0.020        │                           │<── connect (ANONYMOUS) ──>│
                │<── connect (ANONYMOUS) ──>│                           │
   0.060        │                           │<── attach (from jobs) ────│
                │──── attach (to jobs) ────>│                           │
   0.070        │                           │───── attach (agreed) ────>│
                │<──── attach (agreed) ─────│                           │
                │<─────── credit 10 ────────│                           │
   0.080        │──────── #0 job 0 ────────>│                           │
                │──────── #1 job 1 ────────>│                           │
                │──────── #2 job 2 ────────>│                           │
                │                           │<─────── credit 10 ────────│
   0.090        │<───── accepted #0-2 ──────│                           │
                │<────── credit 1000 ───────│                           │
                │                           │──────── #0 job 0 ────────>│
                │                           │──────── #1 job 1 ────────>│
                │                           │──────── #2 job 2 ────────>│
   0.100        │                           │<───── accepted #0-2 ──────│
"""


def test_a_small_run_is_shown_frame_by_frame():
    assert drawn(recorded(3)) == THREE


def test_the_same_run_in_ascii():
    text = drawn(recorded(3), ascii_only=True)
    assert text.isascii()
    assert "|<----- accepted #0-2 ------|" in text


def test_the_same_recording_gives_the_same_text_and_a_large_one_fits_a_screen():
    first, second = drawn(recorded(2000)), drawn(recorded(2000))
    assert first == second
    assert "#0-1999" in first and "accepted #0-1999" in first
    assert len(first.splitlines()) < 24
    assert max(map(len, first.splitlines())) <= 80


def test_everything_is_a_row_for_each_frame():
    recording = recorded(3)
    rows = sequence(Timeline(recording.records), everything=True)
    assert len(rows) == sum(record.kind == "frame" and record.direction == "out" for record in recording.records)
    assert [row.title for row in rows[:2]] == ["header", "header"]


def test_a_connection_that_comes_up_is_one_row_and_unfolds():
    first = of()[0]
    assert isinstance(first, Group)
    assert [row.title for row in first.summary] == ["connect"]
    assert [row.title for row in first.children()] == ["open", "open", "begin", "begin"]


def test_four_equal_things_are_one_row_and_three_are_three():
    assert titles(of(("in", credit(9)), *map(transfer, range(3))))[-3:] == ["#0", "#1", "#2"]
    folded = of(("in", credit(9)), *map(transfer, range(4)))[-1]
    assert (folded.title, folded.more, folded.count) == ("#0-3", "hello", 4)


def test_a_gap_in_the_numbers_is_shown():
    many = [each for number in range(40) for each in (transfer(number), ("in", accepted(number)))]
    many += [each for number in range(50, 60) for each in (transfer(number), ("in", accepted(number)))]
    group = of(("in", credit(99)), *many)[-1]
    assert titles([group]) == ["credit 99", "#0-39, 50-59", "accepted #0-39, 50-59"]
    assert sum(row.count for row in group.rows) == 101


def test_outcomes_that_are_no_acceptance_stand_out_in_a_large_run():
    many = [each for number in range(200) for each in (transfer(number), ("in", accepted(number)))]
    many[101] = ("in", accepted(50, state="rejected", error=composite("error", condition="amqp:not-allowed")))
    group = of(("in", credit(999)), *many)[-1]
    assert [(row.title, row.tone) for row in group.summary][-1] == ("rejected #50", "bad")


def test_a_group_unfolds_step_by_step_into_all_of_its_rows():
    many = [each for number in range(3000) for each in (transfer(number), ("in", accepted(number)))]
    group = of(("in", credit(9999)), *many)[-1]

    def leaves(node):
        return 1 if isinstance(node, Row) else sum(map(leaves, node.children()))

    def widest(node):
        return 0 if isinstance(node, Row) else max(len(node.children()), *map(widest, node.children()))

    assert leaves(group) == 6001
    assert widest(group) <= 48


def test_thousands_of_different_things_are_folded_too():
    records = [Record(float(number), "crashed", "p%d" % (number % 300)) for number in range(3000)]
    nodes = sequence(Timeline(records))
    assert len(nodes) <= 48
    assert len(draw(Timeline(records)).splitlines()) < 300


def test_what_is_lost_ends_before_the_other_lane():
    up = Record(0.0, "connected", "me", "me#1", values={"other": "you#1"})
    other = Record(0.0, "connected", "you", "you#1", values={"other": "me#1"})
    sent = Record(1.0, "frame", "me", "me#1", "out", transfer(0))
    lost = Record(2.0, "lost", "me", "me#1", text="reset")
    gone = Record(2.0, "lost", "you", "you#1", text="reset")
    text = draw(Timeline([up, other, sent, lost, gone]))
    assert "x  │" in text
    assert "** connection lost: reset" in text


def test_many_lanes_are_named_in_each_row():
    records = []
    for number in range(9):
        name = "worker %d" % number
        records.append(Record(1.0, "connected", name, name + "#1", values={"peer": "broker"}))
        records.append(Record(2.0, "frame", name, name + "#1", "out", OPEN))
        records.append(Record(3.0, "crashed", name))
    text = draw(Timeline(records))
    assert "worker 3 -> broker: connect open" in text
    assert "worker 3 ** crashed" in text


@pytest.mark.parametrize("body", ["日本語" * 20, "e\u0301" * 60, "\u202eabc\x1b[31m", "x" * 200, "a\nb", "</script>"])
def test_no_text_of_a_peer_breaks_the_lines(body):
    raw = body.encode()
    payload = b"\x00\x53\x77\xb1" + len(raw).to_bytes(4, "big") + raw
    text = draw(Timeline(frames(*UP, ("in", credit(9)), transfer(0, payload))))
    assert len(text.splitlines()) == 8
    assert text.replace("\n", "").isprintable()


def test_nothing_recorded_is_said():
    assert draw(Timeline([])) == "nothing was recorded\n"


def test_what_is_missing_stands_below():
    text = draw(Timeline(frames(*UP)[3:], {"dropped": 3}))
    assert "! not seen: the beginning: 3 records were dropped, because there was no room\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_too_few_columns_are_an_error():
    with pytest.raises(ValueError, match="40 columns"):
        draw(Timeline([]), width=39)


def test_attempts_to_reconnect_are_folded_where_they_are_many():
    records = [Record(float(number), "retry", "me", values={"attempt": number, "delay": 1.0}) for number in range(60)]
    (group,) = sequence(Timeline(records))
    assert titles([group]) == ["waits to reconnect x60"]
    few = sequence(Timeline(records[:2]))
    assert titles(few) == ["attempt 0, next in 1.0 s", "attempt 1, next in 1.0 s"]
