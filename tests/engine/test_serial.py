"""Numbers of a wire: which handle and which channel is taken next. How ids wrap round is in test_flow.py."""

from __future__ import annotations

import pytest

from reactor.engine.serial import free_number, next_number


@pytest.mark.parametrize(
    ("taken", "free"), [(set(), 0), ({0}, 1), ({0, 1, 2}, 3), ({1}, 0), ({0, 2}, 1), ({0, 1, 7}, 3), ({0, 3, 2}, 1)]
)
def test_a_handle_comes_from_a_gap_when_there_is_one_below_the_next(taken, free):
    assert free_number(taken) == free
    assert free_number(dict.fromkeys(taken)) == free


@pytest.mark.parametrize(
    ("taken", "last", "most", "number"),
    [
        (set(), -1, 0, 0),
        (set(), 0, 0, 0),
        ({0}, 0, 0, None),
        (set(), 0, 2, 1),
        (set(), 2, 2, 0),
        ({0}, 2, 2, 1),
        ({0, 1}, 1, 2, 2),
        ({0, 1}, 2, 2, 2),
        ({2, 0}, 0, 2, 1),
        ({0, 1, 2}, 1, 2, None),
        ({1, 2, 3}, 0, 3, 0),
        (set(), 9, 2, 0),  # the peer takes fewer than were begun before its open
        ({0, 2, 3}, 3, 1, 1),
        ({0, 1, 2, 3}, 3, 1, None),
    ],
)
def test_a_channel_is_the_next_free_one_behind_the_last(taken, last, most, number):
    assert next_number(taken, last, most) == number


@pytest.mark.parametrize("most", range(5))
def test_every_channel_is_found_from_everywhere(most):
    for bits in range(2 ** (most + 1)):
        taken = {number for number in range(most + 1) if bits >> number & 1}
        for last in range(-1, most + 1):
            order = [*range(last + 1, most + 1), *range(last + 1)]
            assert next_number(taken, last, most) == next((number for number in order if number not in taken), None)
