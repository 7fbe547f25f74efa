"""The types of a composite's fields are checked once for each combination: what they do not show is looked at each
time."""

from __future__ import annotations

import pytest

from reactor.codec import performatives
from reactor.codec.definitions import ATTACH, BEGIN, OPEN, SOURCE, TARGET
from reactor.codec.performatives import check_fields
from reactor.codec.types import UNDESCRIBED, Array, Data, Described, symbol
from reactor.errors import RemoteProtocolError


@pytest.fixture(autouse=True)
def nothing_known():
    for shapes in performatives._SHAPES.values():
        shapes.clear()


def attach(**changes):
    fields = dict(name="link", handle=0, role=True, snd=0, rcv=0, source=Described(SOURCE, ["a"]))
    return list({**fields, "target": Described(TARGET, ["b"]), **changes}.values())


@pytest.mark.parametrize(
    "right, wrong",
    [
        (attach(), attach(snd=256)),
        (attach(), attach(rcv=70000)),
        (attach(), attach(source=Described(TARGET, ["a"]))),
        (attach(), attach(target=Described(SOURCE, ["b"]))),
        (attach(), attach(source=Described(SOURCE, [1]))),
        (attach(), attach(source=Described(symbol("other"), ["a"]))),
    ],
)
def test_an_attach(right, wrong):
    for _ in range(3):
        check_fields(ATTACH, list(right))
        with pytest.raises(RemoteProtocolError):
            check_fields(ATTACH, list(wrong))


def test_a_number_of_16_bits():
    for _ in range(2):
        check_fields(BEGIN, [0xFFFF, 0, 1, 1])
        with pytest.raises(RemoteProtocolError):
            check_fields(BEGIN, [0x10000, 0, 1, 1])


def test_an_array_of_something_else():
    names = Array(UNDESCRIBED, Data.SYMBOL, symbol("a"))
    numbers = Array(UNDESCRIBED, Data.INT, 1)
    for _ in range(2):
        check_fields(OPEN, ["c", *[None] * 6, names])
        with pytest.raises(RemoteProtocolError):
            check_fields(OPEN, ["c", *[None] * 6, numbers])


def test_nulls_at_the_end_that_are_too_many_are_dropped_each_time():
    for _ in range(2):
        fields = ["c"] + [None] * 12
        check_fields(OPEN, fields)
        assert len(fields) == 10


def test_a_peer_that_invents_shapes_finds_a_bound():
    values = (None, "x", symbol("x"))
    for number in range(3**5):
        given = [values[number // 3**place % 3] for place in range(5)]
        fields = ["c", *[None] * 6, *given[:2]]
        check_fields(OPEN, fields)
        check_fields(ATTACH, attach()[:5] + [Described(SOURCE, [])] + [None] * 5 + given[:2])
    assert all(len(shapes) <= performatives._MAX_RARE_SHAPES for shapes in (performatives._SHAPES[OPEN],))
