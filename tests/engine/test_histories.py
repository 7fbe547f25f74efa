"""Properties of two engines over random histories: whatever the applications do and however the bytes are cut, all
that is sent arrives once, equal and in order, every delivery is settled once, and both sides agree in the end.

These are seeded. `tests/engine/test_any_history.py` has more, and makes a failure small.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.support.antics import Antics


@pytest.mark.parametrize("seed", range(120))
def test_a_seeded_history(seed):
    dice = Random(seed)
    antics = Antics(dice.choice((None, 1, 7, 50)), dice.choice((0, 0xFFFFFFFE, 0x7FFFFFF0)), dice.choice((0, 1024)))
    antics.play([dice.randrange(1 << 16) for _ in range(dice.choice((50, 300, 900)))])
