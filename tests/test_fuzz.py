"""A seeded fuzz of everything that reads what others wrote: 100,000 mutated inputs, most of them where one is cheap.

A fifth of them belongs to each run of the suite, the rest to the slow tests.

A failure names its case, and `python -m tests.fuzz --case TARGET/N` makes it again; without a case it goes on for as
long as it is told.
"""

from __future__ import annotations

import os
import sys
from random import Random

import pytest

from tests.fuzz import __main__ as program
from tests.fuzz import campaign, mutate, seeds, targets

#: Python and C calls, counted by sys.setprofile, that one byte of input may cost, and what a case costs anyhow.
CALLS_PER_BYTE = 120
CALLS_PER_CASE = 20_000
#: What one case may hold at its worst, whatever its input promises: the engines, their logs, and little more.
BYTES_PER_CASE = 1_500_000
BYTES_PER_BYTE = 500

#: Other cases for each Python, so that a run over all of them tries more.
FIRST = sys.version_info[1] * 1_000_000
#: A target's cases come in fifths: the first one in each run, those after it as slow tests.
FIFTHS = 12 if os.environ.get("CI") else 5


@pytest.fixture(scope="module", autouse=True)
def loaded():
    seeds.load()


def runs(name, which):
    count = -(-targets.TARGETS[name].suite // 5)
    tally = campaign.run_cases(name, FIRST + which * count, count)
    assert tally.cases == count
    assert tally.fed > 20 * count


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_campaign(name):
    runs(name, 0)


@pytest.mark.slow
@pytest.mark.parametrize("which", range(1, FIFTHS))
@pytest.mark.parametrize("name", targets.TARGETS)
def test_the_rest_of_a_campaign(name, which):
    runs(name, which)


def test_the_suite_runs_a_hundred_thousand_mutated_inputs():
    assert sum(target.suite for target in targets.TARGETS.values()) >= 100_000


@pytest.mark.parametrize("name", targets.TARGETS)
def test_work_is_bounded_by_the_input(name):
    for number in range(40):
        fed, calls = targets.counted(name, number)
        assert calls <= CALLS_PER_CASE + CALLS_PER_BYTE * fed, f"case {name}/{number}"


@pytest.mark.parametrize("name", targets.TARGETS)
def test_memory_is_bounded_by_the_input(name):
    tracemalloc = pytest.importorskip("tracemalloc")  # not on PyPy
    tracemalloc.start()
    try:
        for number in range(20):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            fed = targets.run(name, number)
            peak = tracemalloc.get_traced_memory()[1] - before
            assert peak <= BYTES_PER_CASE + BYTES_PER_BYTE * fed, f"case {name}/{number}"
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_case_is_one_number(name):
    """What a case does depends on nothing but its target and its number, or a failure could not be seen again."""
    fed = [targets.run(name, number) for number in range(20)]
    assert fed == [targets.run(name, number) for number in range(20)]
    assert len(set(fed)) > 1


def test_what_is_invented_is_one_number_too():
    for number in range(40):
        assert mutate.invented(Random(number)) == mutate.invented(Random(number))


def test_a_failure_says_how_to_see_it_again(monkeypatch, capsys):
    def fails(dice):
        raise ValueError("found something")

    monkeypatch.setitem(targets.TARGETS, "url", targets.Target(fails, 1, 1))
    assert program.main(["--seed", "5", "--seconds", "10"]) == 1
    shown = capsys.readouterr()
    assert "seed 5" in shown.out
    assert f"python -m tests.fuzz --case url/{5 * campaign.STRIDE}" in shown.err
    assert "found something" in shown.err


def test_it_says_what_it_did(capsys):
    assert program.main(["--case", "url/7"]) == 0
    assert "case url/7 is fine" in capsys.readouterr().out
    assert program.main(["--seed", "7", "--seconds", "0.2"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "seed 7, for 0.2 seconds"
    assert [line.split()[0] for line in lines] == [*targets.TARGETS, "all"]
    counts = [int(line.split()[1].replace(",", "")) for line in lines]
    assert min(counts) >= 1 and sum(counts[:-1]) == counts[-1]
    assert lines[-1].endswith("; nothing found")


@pytest.mark.parametrize("said", ["7", "nonsense/7", "url/x"])
def test_a_case_that_there_is_not(said, capsys):
    with pytest.raises(SystemExit):
        program.main(["--case", said])
    assert "a case is a target and a number, such as url/17; the targets are transport, " in capsys.readouterr().err
