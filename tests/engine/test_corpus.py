"""Recorded conversations with real brokers, each side in turn done again by an engine of ours: it hears all that
the other side said, whole and byte by byte, finds no fault in it, and sees the same messages and errors."""

from __future__ import annotations

import pytest

from reactor.engine.endpoints.condition import Condition
from tests.support import corpus
from tests.support.frames import read
from tests.support.replay import Player, whole

PLAYS = [(peer, number, pieces) for peer in corpus.PEERS for number, pieces in corpus.connections(peer)]
REFUSED = {("qpidd", 9), ("rabbitmq", 9)}  # a wrong password


def recorded(pieces, side):
    """What `side` said, up to its close: (frames, bodies of complete messages, errors)."""
    frames, bodies, errors, parts = [], [], [], {}
    for part in whole(b"".join(data for who, data in pieces if who == side)):
        if part[:4] == b"AMQP" or part[5] != 0:
            continue
        [frame] = read(part)
        frames.append(frame)
        if frame.name == "transfer":
            key = frame.channel, frame.handle
            body = parts.pop(key, b"") + frame.payload
            if frame.more:
                parts[key] = body
            elif not frame.aborted:
                bodies.append(body)
        elif frame.name in ("detach", "end", "close") and frame.error is not None:
            errors.append(Condition.from_wire(frame.fields["error"]).name)
        if frame.name == "close":
            break
    return frames, bodies, errors


@pytest.mark.parametrize("piece", [None, 1, 13], ids=["whole", "bytewise", "by-13"])
@pytest.mark.parametrize("side", ["client", "broker"])
@pytest.mark.parametrize("peer", corpus.PEERS)
def test_every_recorded_conversation(peer, side, piece):
    other = "broker" if side == "client" else "client"
    for name, number, pieces in PLAYS:
        if name != peer:
            continue
        where = f"{peer}, connection {number}, done by our {side}"
        frames, bodies, errors = recorded(pieces, other)
        player = Player(side, pieces, piece).play()
        if (peer, number) in REFUSED:
            assert player.transport.condition.name == "amqp:unauthorized-access", where
            continue
        assert player.transport.condition is None, where
        assert player.transport.frames_input == len(frames), where
        assert player.bodies == bodies, where
        assert [condition for _, condition in player.errors] == errors, where
        read(bytes(player.log))  # what we said is well-formed, too
        for what in ("open", "begin", "attach", "end", "close"):
            heard = {"begin": "session_remote_open", "attach": "link_remote_open", "end": "session_remote_close"}.get(
                what, f"connection_remote_{what}"
            )
            said = [frame for frame in frames if frame.name == what]
            if what == "attach":  # an attach with null for its node is a refusal, and no opening
                said = [frame for frame in said if frame.source is not None and frame.target is not None]
                assert player.seen.count(f"pn_{heard}") >= len(said) - 1, where
            else:
                assert player.seen.count(f"pn_{heard}") == len(said), where


def test_a_link_that_rabbitmq_refuses_by_an_end_is_told_so():
    """It ends the session, and answers no attach: who waits for one hears why."""
    refusals = 0
    for peer, number, pieces in PLAYS:
        if peer != "rabbitmq" or (peer, number) in REFUSED:
            continue
        asked, _, _ = recorded(pieces, "client")
        answered, _, ends = recorded(pieces, "broker")
        names = {frame.name for frame in answered}
        done = {frame.fields["name"] for frame in answered if frame.name == "attach"}
        waiting = [frame.fields["name"] for frame in asked if frame.name == "attach"]
        waiting = [name for name in waiting if name not in done]
        if not waiting or "end" not in names or not ends:
            continue
        player = Player("client", pieces).play()
        assert player.refused == [(name, ends[0]) for name in waiting], (peer, number)
        refusals += 1
    assert refusals > 5


@pytest.mark.parametrize("peer", corpus.PEERS)
def test_the_corpus_is_what_it_is_said_to_be(peer):
    """Should it ever be cut, the test above would pass with nothing to prove."""
    plays = [pieces for name, _, pieces in PLAYS if name == peer]
    names = {frame.name for pieces in plays for side in ("client", "broker") for frame in recorded(pieces, side)[0]}
    assert names >= {"open", "begin", "attach", "flow", "transfer", "disposition", "detach", "close"}
    assert len(plays) > 50
