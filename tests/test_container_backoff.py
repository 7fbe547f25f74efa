"""Backoff, and what else may be given as `reconnect`."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from reactor import Backoff
from reactor.container.backoff import read_delays


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


@pytest.mark.parametrize("options", [{"initial": -1}, {"factor": 0.5}, {"max_delay": -1}, {"max_tries": -1}])
def test_what_cannot_be_waited_for_is_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="delays"):
        Backoff(**options)


def test_what_reconnect_may_be() -> None:
    class Own:
        def __init__(self) -> None:
            self.resets = 0

        def reset(self) -> None:
            self.resets += 1

        def next(self) -> float:
            return 5.0

    own = Own()
    assert list(read_delays(None)) == list(read_delays(False)) == []
    assert next(read_delays(True)) == 0
    assert list(read_delays([1, 2])) == [1, 2]
    assert list(islice(read_delays(own), 2)) == [5, 5]
    assert own.resets == 1
    with pytest.raises(TypeError, match="seconds, not 7"):
        read_delays(7)
    assert "max_tries=None" in repr(Backoff())
