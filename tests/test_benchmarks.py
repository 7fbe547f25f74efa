"""The benchmarks run, and print a table; what stands in it is nobody's business here."""

from __future__ import annotations

import re
import sys

import pytest

from tests.benchmarks.rows import ROWS
from tests.support.processes import CHECKOUT, run

BENCHMARKS = [sys.executable, "-m", "tests.benchmarks", "--runs", "1", "--seconds", "0.01"]


@pytest.mark.parametrize("name", ["direct-10", "tls", "embedded"])
def test_a_row_of_the_table(name: str) -> None:
    (row,) = [row for row in ROWS if row.name == name]
    status, out, err = run([*BENCHMARKS, "--only", row.name], CHECKOUT)
    assert (status, err) == (0, "")
    header, rule, line = [text for text in out.splitlines() if text.startswith("|")]
    assert header.startswith("| | amqp-reactor")
    assert set(rule) == {"|", "-", ":"}
    title, ours = line.strip("| ").split(" | ")[:2]
    assert title == row.title
    assert re.search(r"\d", ours), line


def test_the_table_of_recoveries() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.recovery", "--runs", "1", "--broker", "handlers.broker"]
    status, out, err = run(command, CHECKOUT)
    assert (status, err) == (0, "")
    header, _, *lines = [text for text in out.splitlines() if text.startswith("|")]
    assert header.startswith("| broker | delays | amqp-reactor")
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"[\d,]+ \([\d,]+\)", line.strip("| ").split(" | ")[2]), line


def test_an_unknown_row_is_refused_with_the_known_ones() -> None:
    status, _, err = run([*BENCHMARKS, "--only", "nonsense"], CHECKOUT)
    assert status == 2
    assert "no such row: nonsense" in err
