"""Running cases. A case is a target and a number: `python -m tests.fuzz --case url/17` makes it again."""

from __future__ import annotations

import time
from typing import NamedTuple

from tests.fuzz import seeds, targets

#: Seeds of neighbouring campaigns must not share cases.
STRIDE = 1_000_003


class Failure(Exception):
    """A case failed; the text says which, and how to see it again."""


class Tally(NamedTuple):
    """What became of one target: cases that were run, the bytes that they fed, the seconds that they took."""

    cases: int = 0
    fed: int = 0
    seconds: float = 0.0


def case(name: str, number: int) -> int:
    """Run one case; returns the bytes it fed. Failure, from what went wrong, if it does."""
    try:
        return targets.run(name, number)
    except Exception as error:
        text = f"{type(error).__name__}: {error}; see it again by: python -m tests.fuzz --case {name}/{number}"
        raise Failure(text) from error


def run_cases(name: str, first: int, count: int) -> Tally:
    """Run so many cases of one target, from that number on."""
    began = time.perf_counter()
    fed = 0
    for number in range(first, first + count):
        fed += case(name, number)
    return Tally(count, fed, time.perf_counter() - began)


def campaign(seed: int, seconds: float) -> dict[str, Tally]:
    """Run cases of every target for so long, each for its share of the time, and one of each at least."""
    seeds.load()
    done = {name: Tally() for name in targets.TARGETS}
    until = time.monotonic() + seconds
    while time.monotonic() < until or not all(tally.cases for tally in done.values()):
        name = min(done, key=lambda one: done[one].seconds / targets.TARGETS[one].share)
        so_far = done[name]
        more = run_cases(name, seed * STRIDE + so_far.cases, 1)
        done[name] = Tally(*map(sum, zip(so_far, more)))
    return done
