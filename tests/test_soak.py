"""The soak: it runs every scenario, counts, and ends at the first that fails."""

from __future__ import annotations

import logging
import re

import pytest

from tests import soak


@pytest.fixture(autouse=True)
def loud_logs():
    yield
    logging.disable(logging.NOTSET)


def test_it_counts_what_it_looked_at(capsys):
    assert soak.main(["--seconds", "60", "--seeds", "2", "--seed", "40"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "seeds from 40"
    assert [line.partition(":")[0] for line in lines] == [*soak.SCENARIOS, "all"]
    assert all(": 2 seeds (" in line and line.endswith("; none broken") for line in lines[:-1])
    assert f"all: {2 * len(soak.SCENARIOS)} seeds (" in lines[-1]
    lost = [int(count) for count in re.findall(r"(\d+) messages accepted and none lost", "\n".join(lines))]
    assert sum(lost[:-1]) == lost[-1]
    assert re.search(r"[1-9]\d* messages accepted and none lost", lines[0])


def test_it_ends_when_the_time_is_over(capsys):
    assert soak.main(["--seconds", "0", "at_most_once"]) == 0
    assert re.search(r"^at_most_once: 0 seeds \(0\.0/s\)", capsys.readouterr().out, re.M)


def test_it_ends_at_the_first_failure(capsys, monkeypatch):
    def broken(world):
        assert world.seed != 42, "mine"

    monkeypatch.setitem(soak.SCENARIOS, "broken", broken)
    assert soak.main(["--seconds", "60", "--seed", "41", "broken"]) == 1
    told = capsys.readouterr()
    assert "FAILED broken, seed 42: AssertionError: mine" in told.out
    assert "to run it again: " in told.err


def test_scenarios_that_there_are_not(capsys):
    with pytest.raises(SystemExit):
        soak.main(["nonsense"])
    assert "there is no scenario 'nonsense'" in capsys.readouterr().err
