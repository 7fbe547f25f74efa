"""Recorded exchanges with real brokers, in which something is changed; and their frames, each by itself.

In an exchange one side is played by an engine of ours, which does what that side did then (tests/support/replay.py);
what the other side said is mutated in a few places. So the engine is deep in a conversation that makes sense when
it hears what does not.
"""

from __future__ import annotations

from random import Random
from typing import Any, Optional

from reactor.codec.performatives import decode_composite, encode_composite
from reactor.errors import DataException, LocalProtocolError, RemoteProtocolError, TransportException
from reactor.simulation import Frame
from reactor.tracing.splitter import Splitter
from reactor.tracing.text import describe
from tests.fuzz import mutate, seeds
from tests.fuzz.holds import check
from tests.support import replay


class Player(replay.Player):
    """Goes on when there is nothing to be done any more of what its side did."""

    def _act(self, frame: Any) -> None:
        try:
            super()._act(frame)
        except (LocalProtocolError, TransportException):
            pass  # it is too late for that, and the engine said so
        except (LookupError, AttributeError, StopIteration) as error:
            if not _is_the_players(error):
                raise


def _is_the_players(error: BaseException) -> bool:
    """Whether it is the player that misses something, such as a link that was never attached."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == replay.__file__


def exchange_case(dice: Random) -> int:
    """A recorded conversation that takes another turn."""
    cut, places = dice.choice(seeds.exchanges())
    side = dice.choice(("client", "broker"))
    other = "broker" if side == "client" else "client"
    pieces: seeds.Pieces = list(cut)
    for _ in range(dice.choice((1, 1, 2, 4))):
        at = dice.choice(places[other])
        pieces[at] = (other, _changed(dice, pieces, at, places[other]))
    player = Player(side, cut, dice.choice((None, None, None, 7)))
    player.pieces = [(who, data) for who, data in pieces if data]
    player.play()
    player.transport.close_tail()
    player.connection.close()
    player.flush()
    player.look()
    check(player.transport, player.connection, bytes(player.log))
    assert player.transport.closed
    player.transport.unbind()
    return sum(len(data) for who, data in pieces if who == other)


def _changed(dice: Random, pieces: seeds.Pieces, at: int, places: tuple[int, ...]) -> bytes:
    """What comes instead of one frame: another one, two, none, or the same, damaged."""
    part = pieces[at][1]
    how = dice.randrange(10)
    if how == 0:
        return b""
    if how == 1:
        return part + part
    if how == 2:
        return pieces[dice.choice(places)][1]
    if how == 3:
        return part + mutate.invented(dice)
    if part.startswith(b"AMQP"):
        return mutate.mutated(dice, part, (part, b"HTTP/1.1 400 "))
    return mutate.mutated_frame(dice, part, seeds.frames())


def frame_case(dice: Random) -> int:
    """A frame by itself: the trace shows whatever it is, and what can be decoded can be written, and
    reads as what is written the same again."""
    frames = seeds.frames()
    part = mutate.mutated_frame(dice, dice.choice(frames), frames)
    for shown in Splitter().feed(part):
        assert "\n" not in describe(shown)[2]
        seen = Frame(shown)
        assert seen.fields == {} or seen.performative != "unknown"
    said = _composite(part, part[4] * 4 if len(part) > 8 else 8)
    if said is not None:
        try:
            written = encode_composite(*said)
        except DataException as error:  # maps are read with keys of any type
            assert "is neither a symbol nor a ulong" in str(error)
            return len(part)
        again = _composite(written, 0)
        assert again is not None and encode_composite(*again) == written
    return len(part)


def _composite(data: bytes, start: int) -> Optional[tuple[int, list[Any]]]:
    """What is there, None when that is no performative."""
    try:
        code, values, end = decode_composite(data, start, len(data))
    except RemoteProtocolError as error:
        assert error.condition == "amqp:decode-error"
        return None
    assert end <= len(data)
    return code, values
