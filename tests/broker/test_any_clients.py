"""Any clients against the broker, as `tests/broker/test_random_clients.py` has seeded ones."""

from __future__ import annotations

from tests.broker.test_random_clients import live
from tests.support.properties import needs_hypothesis

hypothesis = needs_hypothesis()
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
no_checks = list(hypothesis.HealthCheck)


@settings(max_examples=10, deadline=None, database=None, suppress_health_check=no_checks)
@given(st.lists(st.integers(0, (1 << 16) - 1), min_size=30, max_size=400))
def test_any_clients(steps: list[int]) -> None:
    live(steps)
