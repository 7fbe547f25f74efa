"""Backoff, and what else may be given as `reconnect`."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import pytest

from reactor import Backoff
from reactor.container.reconnect.backoff import check_reconnect, read_delays


@pytest.mark.parametrize(
    ("options", "delays"),
    [
        ({}, [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]),
        ({"initial": 1, "factor": 3, "max_delay": 20}, [0, 1, 3, 9, 20, 20, 20, 20, 20, 20]),
        ({"max_tries": 3}, [0, 0.1, 0.2]),
    ],
)
def test_the_delays_are_the_originals(options: Any, delays: list[float]) -> None:
    backoff = Backoff(**options)
    assert list(islice(backoff, 10)) == delays
    assert list(islice(backoff, 10)) == delays, "each time from the beginning"


@pytest.mark.parametrize(
    ("name", "value"),
    [("initial", -1), ("factor", 0.5), ("max_delay", -1), ("max_tries", -1), ("jitter", 2), ("max_time", -1)],
)
def test_what_cannot_be_waited_for_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match="delays"):
        Backoff(**{name: value})


def test_chance_shortens_delays_and_never_lengthens_them() -> None:
    delays = list(islice(read_delays(Backoff(jitter=0.25), Random(1)), 200))
    for delay, longest in zip(delays, Backoff()):
        assert longest * 0.75 <= delay <= longest
    assert len(set(delays[20:])) > 100
    assert list(islice(read_delays(Backoff(jitter=0), Random(1)), 4)) == [0, 0.1, 0.2, 0.4]
    assert all(0 <= delay <= 10 for delay in islice(read_delays(Backoff(jitter=1), Random(1)), 50))


def test_what_reconnect_may_be() -> None:
    class Own:
        def __init__(self) -> None:
            self.resets = 0

        def reset(self) -> None:
            self.resets += 1

        def next(self) -> float:
            return 5.0

    def read(reconnect: Any) -> list[float]:
        return list(islice(read_delays(check_reconnect(reconnect), Random(1)), 2))

    own = Own()
    assert read(False) == []
    for default in (None, True):
        assert isinstance(check_reconnect(default), Backoff)
    assert read([1, 2]) == read((1, 2, 3)) == [1, 2]
    assert own.resets == 0
    assert read(own) == [5, 5]
    assert own.resets == 1
    for wrong in (7, "soon", object()):
        with pytest.raises(TypeError, match="a list of seconds, not"):
            check_reconnect(wrong)
    assert "max_tries=None" in repr(Backoff())


@pytest.mark.parametrize("delay", ["soon", -1, float("nan"), True])
def test_a_delay_of_somebody_s_own_is_looked_at_when_it_is_given(delay: Any) -> None:
    class Own:
        def next(self) -> Any:
            return delay

    for given in (Own(), iter([delay])):
        with pytest.raises(ValueError, match="the delays of reconnect are seconds"):
            next(read_delays(check_reconnect(given), Random(1)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("initial", "1"), ("max_delay", float("nan")), ("max_tries", 1.5), ("max_time", "x"), ("jitter", None)],
)
def test_what_is_no_number_is_named(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match="%s of a Backoff is a number, not" % name):
        Backoff(**options)
