"""A short, seeded fuzz of everything that reads what others wrote; `python -m tests.fuzz` goes on for longer.

A failure names its case, and `python -m tests.fuzz --case N` makes it again.
"""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest

from tests.fuzz import __main__ as program
from tests.fuzz import campaign, mutate, seeds, targets

#: What one case may hold at its worst, whatever its input promises: the engines, their logs, and little more.
BYTES_PER_CASE = 1_500_000
BYTES_PER_BYTE = 500


@pytest.mark.parametrize("seed", range(8))
def test_a_campaign(seed):
    done, fed = campaign.campaign(seed, cases=250)
    assert done == 250
    assert fed > 10_000


def test_work_is_bounded_by_the_input():
    for number in range(250):
        fed, calls = targets.counted(Random(number))
        assert calls <= targets.CALLS_PER_CASE + targets.CALLS_PER_BYTE * fed, f"case {number}"


def test_memory_is_bounded_by_the_input():
    seeds.frames(), seeds.messages(), seeds.sasl()
    tracemalloc.start()
    try:
        for number in range(150):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            fed = targets.run(Random(number))
            peak = tracemalloc.get_traced_memory()[1] - before
            assert peak <= BYTES_PER_CASE + BYTES_PER_BYTE * fed, f"case {number}"
    finally:
        tracemalloc.stop()


def test_a_case_is_one_number():
    """What a case does depends on nothing but its number, or a failure could not be seen again."""
    for number in range(40):
        assert targets.run(Random(number)) == targets.run(Random(number))
        assert mutate.invented(Random(number)) == mutate.invented(Random(number))


def test_a_failure_says_how_to_see_it_again(monkeypatch, capsys):
    def fails(dice):
        raise ValueError("found something")

    monkeypatch.setattr(targets, "run", fails)
    assert program.main(["--seed", "5", "--seconds", "1"]) == 1
    shown = capsys.readouterr()
    assert "seed 5" in shown.out
    assert f"python -m tests.fuzz --case {5 * campaign.STRIDE}" in shown.err
    assert "found something" in shown.err


def test_it_says_what_it_did(capsys):
    assert program.main(["--case", "7"]) == 0
    assert program.main(["--seed", "7", "--seconds", "0"]) == 0
    assert "case 7 is fine" in capsys.readouterr().out
