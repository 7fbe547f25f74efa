"""Properties of two engines over random histories: whatever the applications do and however the bytes are cut, all
that is sent arrives once, equal and in order, every delivery is settled once, and both sides agree in the end.

The seeded histories need nothing installed; with hypothesis there are more, and a failure is made small.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.support.antics import Antics

try:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
except ImportError:  # the seeded histories below do without
    given = None


@pytest.mark.parametrize("seed", range(120))
def test_a_seeded_history(seed):
    dice = Random(seed)
    antics = Antics(dice.choice((None, 1, 7, 50)), dice.choice((0, 0xFFFFFFFE, 0x7FFFFFF0)), dice.choice((0, 1024)))
    antics.play([dice.randrange(1 << 16) for _ in range(dice.choice((50, 300, 900)))])


if given is not None:

    @given(st.lists(st.integers(0, 0xFFFF), max_size=150), st.sampled_from([None, 1, 7]), st.sampled_from([0, 1024]))
    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def test_any_history(numbers, piece, capacity):
        Antics(piece, 0, capacity).play(numbers)
