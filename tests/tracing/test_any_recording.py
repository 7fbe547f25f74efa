"""Recordings that no run has made: whatever is written comes back."""

from __future__ import annotations

from reactor.tracing.record import KINDS
from reactor.tracing.recording import Record, Recording
from tests.support.properties import needs_hypothesis

hypothesis = needs_hypothesis()
given, settings, st = hypothesis.given, hypothesis.settings, hypothesis.strategies
no_checks = list(hypothesis.HealthCheck)

HEADER = {"clock": "world", "began": 1.5, "title": "a title", "dropped": 3}

texts = st.text(max_size=5)
records = st.builds(
    Record,
    st.integers(0, 10**10).map(lambda n: n / 10**6),
    st.sampled_from(sorted(KINDS)), texts, texts, st.sampled_from(["", "in", "out"]), st.binary(max_size=9), texts,
    st.dictionaries(texts, st.one_of(st.none(), texts, st.booleans(), st.integers(), st.lists(st.integers()))),
)  # fmt: skip


@given(st.lists(records, max_size=4))
@settings(deadline=None, derandomize=True, suppress_health_check=no_checks)
def test_any_recording_comes_back(tmp_path_factory, those):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    Recording(HEADER, those).write(path)
    assert Recording.read(path) == Recording(HEADER, those)
