"""Properties of two engines over any history, as `tests/engine/test_histories.py` has them over seeded ones."""

from __future__ import annotations

from tests.support.antics import Antics
from tests.support.properties import needs_hypothesis

hypothesis = needs_hypothesis()
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
no_checks = list(hypothesis.HealthCheck)


@given(st.lists(st.integers(0, 0xFFFF), max_size=150), st.sampled_from([None, 1, 7]), st.sampled_from([0, 1024]))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=no_checks)
def test_any_history(numbers, piece, capacity):
    Antics(piece, 0, capacity).play(numbers)
