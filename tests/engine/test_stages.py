"""Stages of the wire: every input by every stage, each way, and nothing sets a stage past the tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reactor
from reactor.engine.wire import stages as room
from reactor.engine.wire.reader import ENDING, ROWS
from reactor.engine.wire.stages import INPUT, OUTPUT, Stages
from reactor.engine.wire.transport import Transport
from reactor.errors import FRAMING_ERROR, NOT_ALLOWED, LocalProtocolError, RemoteProtocolError
from tests.support.frames import AMQP, SASL, Peer, frame

INPUTS = "SASL_HEADING AMQP_HEADING SASL_DONE OPENING CLOSING FAILING ENDING".split()

# The tables as pictures: a row is a stage, a column an input, a dot means: not allowed.
INPUT_PICTURE = """
                       SASL_HEADING  AMQP_HEADING  SASL_DONE           OPENING        CLOSING   FAILING   ENDING
    EXPECT_HEADER      EXPECT_SASL   EXPECT_OPEN   .                   .              .         FINISHED  ENDED
    EXPECT_SASL        .             .             EXPECT_AMQP_HEADER  .              .         FINISHED  ENDED
    EXPECT_AMQP_HEADER .             EXPECT_OPEN   .                   .              .         FINISHED  ENDED
    EXPECT_OPEN        .             .             .                   EXPECT_FRAMES  FINISHED  FINISHED  ENDED
    EXPECT_FRAMES      .             .             .                   .              FINISHED  FINISHED  ENDED
    FINISHED           .             .             .                   .              .         FINISHED  ENDED
    ENDED              .             .             .                   .              .         ENDED     .
"""
OUTPUT_PICTURE = """
                     SASL_HEADING     AMQP_HEADING     SASL_DONE OPENING   CLOSING    FAILING        ENDING
    NOTHING_SENT     SASL_HEADER_SENT AMQP_HEADER_SENT .         .         .          STOPPED        ENDED_UNCLOSED
    SASL_HEADER_SENT .                AMQP_HEADER_SENT .         .         .          STOPPED        ENDED_UNCLOSED
    AMQP_HEADER_SENT .                .                .         OPEN_SENT .          STOPPED        ENDED_UNCLOSED
    OPEN_SENT        .                .                .         .         CLOSE_SENT STOPPED        ENDED_UNCLOSED
    CLOSE_SENT       .                .                .         .         .          CLOSE_SENT     ENDED_CLOSED
    STOPPED          .                .                .         .         .          STOPPED        ENDED_UNCLOSED
    ENDED_CLOSED     .                .                .         .         .          ENDED_CLOSED   .
    ENDED_UNCLOSED   .                .                .         .         .          ENDED_UNCLOSED .
"""


def cells(picture):
    head, *rows = [line.split() for line in picture.strip("\n").splitlines()]
    return [(row[0], what, after) for row in rows for what, after in zip(head, row[1:])]


def walk(picture):
    return pytest.mark.parametrize("before, what, after", cells(picture), ids=lambda word: word.lower())


@walk(INPUT_PICTURE)
def test_every_input_by_every_stage_of_the_input(before, what, after):
    check(Stages.heard, "input", RemoteProtocolError, before, what, after)


@walk(OUTPUT_PICTURE)
def test_every_input_by_every_stage_of_the_output(before, what, after):
    check(Stages.said, "output", LocalProtocolError, before, what, after)


def check(move, name, refusal, before, what, after):
    stages = Stages()
    setattr(stages, name, getattr(room, before))
    if after == ".":
        with pytest.raises(refusal, match=getattr(room, what)):
            move(stages, getattr(room, what))
        after = before
    else:
        move(stages, getattr(room, what))
    assert getattr(stages, name) == getattr(room, after)


@pytest.mark.parametrize("table, picture", [(INPUT, INPUT_PICTURE), (OUTPUT, OUTPUT_PICTURE)])
def test_the_pictures_show_all_that_there_is(table, picture):
    shown = cells(picture)
    assert {what for _, what, _ in shown} == set(INPUTS)
    there = {stage for stage, _ in table} | set(table.values())
    assert {getattr(room, stage) for stage, _, _ in shown} == there == set(range(len(there)))


@pytest.mark.parametrize("table", [INPUT, OUTPUT])
def test_a_stage_never_goes_back_and_each_is_reached(table):
    assert all(after >= before for (before, _), after in table.items())
    reached = {0}
    for _ in table:
        reached |= {after for (before, _), after in table.items() if before in reached}
    assert reached == {stage for stage, _ in table}


def test_nothing_sets_a_stage_past_the_tables():
    top = Path(reactor.__file__).parent
    setting = re.compile(r"stages\.(input|output)\b\s*[-+|&]?=(?!=)|stages\.(input|output)\s*,.*[^=!<>]=[^=]")
    found = [
        f"{path}: {line.strip()}"
        for path in top.rglob("*.py")
        if path.name != "stages.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if setting.search(line)
    ]
    assert not found


# -- performatives: the rows of the dispatch table, as a peer sees them ----------------------------------

#: What makes an engine of each side reach a stage.
SAID = {
    "EXPECT_HEADER": [],
    "EXPECT_SASL": [SASL],
    "EXPECT_OPEN": [AMQP],
    "EXPECT_FRAMES": [AMQP, frame("open", container_id="peer")],
    "FINISHED": [AMQP, frame("open", container_id="peer"), frame("close")],
}
LEAST = {
    "open": {"container_id": "peer"},
    "begin": {"next_outgoing_id": 0, "incoming_window": 1, "outgoing_window": 1},
    "attach": {"name": "link", "handle": 0, "role": True},
    "flow": {"incoming_window": 1, "next_outgoing_id": 0, "outgoing_window": 1},
    "transfer": {"handle": 0},
    "disposition": {"role": True, "first": 0},
    "detach": {"handle": 0},
    "end": {},
    "close": {},
}


def codes():
    return {name: code for code, name in zip(ROWS, LEAST)}


def test_the_rows_are_the_performatives():
    assert [row.method for row in ROWS.values()] == ["recv_" + name for name in LEAST]


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("stage", SAID)
def test_every_performative_by_every_stage(stage, name):
    peer = Peer(Transport.SERVER)
    for said in SAID[stage]:
        peer.say_bytes(said)
    reached = peer.transport.stages.input
    assert reached == getattr(room, stage) or (stage == "FINISHED" and reached == room.ENDED)
    frames, condition = peer.transport.frames_input, peer.transport.condition
    peer.say(name, **LEAST[name])
    condition = peer.transport.condition
    legal = reached in ROWS[codes()[name]].stages
    if reached >= room.FINISHED:
        assert condition is None and peer.transport.frames_input == frames, "it is not even looked at"
    elif reached < room.EXPECT_OPEN:
        assert condition is not None and condition.name == FRAMING_ERROR
    elif not legal:
        assert condition.name == NOT_ALLOWED and "open" in condition.description
    else:
        # On a channel without a session most of them are wrong for a reason of their own.
        assert condition is None or "where no session is" in condition.description


def test_a_close_is_legal_where_the_table_of_stages_has_it():
    closing = {before for before, what in INPUT if what == room.CLOSING}
    opening = {before for before, what in INPUT if what == room.OPENING}
    assert {stage for row in ROWS.values() if row.target == ENDING for stage in row.stages} < closing
    assert set(ROWS[codes()["open"]].stages) == opening
