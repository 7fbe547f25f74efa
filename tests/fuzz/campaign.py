"""Running cases. A case is one number: `python -m tests.fuzz --case N` makes it again."""

from __future__ import annotations

import time
from random import Random
from typing import Optional

from tests.fuzz import targets

#: Seeds of neighbouring campaigns must not share cases.
STRIDE = 1_000_003


class Failure(Exception):
    """A case failed; the text says which, and how to see it again."""


def case(number: int) -> int:
    """Run one case; returns the bytes it fed. Failure, from what went wrong, if it does."""
    try:
        return targets.run(Random(number))
    except Exception as error:
        text = f"{type(error).__name__}: {error}; see it again by: python -m tests.fuzz --case {number}"
        raise Failure(text) from error


def campaign(seed: int, cases: Optional[int] = None, seconds: Optional[float] = None) -> tuple[int, int]:
    """Run so many cases, or for so long; returns (cases, bytes)."""
    done = fed = 0
    until = None if seconds is None else time.monotonic() + seconds
    while (cases is None or done < cases) and (until is None or time.monotonic() < until):
        fed += case(seed * STRIDE + done)
        done += 1
    return done, fed
