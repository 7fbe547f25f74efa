"""Programs take turns, so that what disturbs one disturbs the others: only one run compares."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from tests.benchmarks.rows import DidNotFinish, Figures, Row
from tests.support.libraries import OURS, THEIRS

#: Measures once, with so many messages.
Measure = Callable[[int], Figures]

FAILURES = (DidNotFinish, subprocess.SubprocessError, OSError, ArithmeticError, LookupError, ValueError)
#: How often one may fail before it is left out of the turns that are left.
PATIENCE = 2


@dataclass
class Taken:
    """What one of them came to: the figures of each run, and why others are missing."""

    runs: list[Figures] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def median(self) -> Optional[Figures]:
        """Of each figure; None where no run has come to its end."""
        if not self.runs:
            return None
        return {name: statistics.median(run[name] for run in self.runs) for name in self.runs[0]}

    def show(self, text: Callable[[Figures], str]) -> str:
        """The figures as text, with the runs that failed, if any."""
        median = self.median
        if median is None:
            return "failed: " + (self.failures[-1] if self.failures else "no run")
        return text(median) + (f" ({len(self.failures)} failed)" if self.failures else "")


def in_turns(measures: dict[Any, Measure], how_many: Callable[[Any], int], runs: int) -> dict[Any, Taken]:
    """Each of `measures` `runs` times, in turns. how_many: the messages for one of them, which may measure as well."""
    taken = {name: Taken() for name in measures}
    counts: dict[Any, int] = {}
    for turn in range(-1, runs):
        for name, measure in measures.items():
            it = taken[name]
            if len(it.failures) >= PATIENCE:
                continue
            try:
                if name not in counts:
                    counts[name] = how_many(name)
                if turn >= 0:
                    it.runs.append(measure(counts[name]))
            except FAILURES as error:
                why = str(error) or type(error).__name__
                it.failures.append(why)
                print(f"{name}: {why}", file=sys.stderr, flush=True)
    return taken


def measured(row: Row, libraries: list[str], runs: int, seconds: float) -> dict[str, Taken]:
    """A row of the table for each of these libraries."""

    def once(library: str) -> Measure:
        return lambda count: row.measure(library, count)

    def how_many(library: str) -> int:
        """How many messages fill the time of a run."""
        if row.counts:
            return row.counts[library if library == THEIRS else OURS]
        return max(row.count // 2, int(row.measure(library, row.count)["rate"] * seconds))

    return in_turns({library: once(library) for library in libraries}, how_many, runs)


def ratio(row: Row, ours: Taken, theirs: Optional[Taken], digits: int) -> str:
    """How many times better ours is, or "-"."""
    if not row.main or theirs is None or ours.median is None or theirs.median is None:
        return "-"
    better = ours.median[row.main] / theirs.median[row.main]
    return f"{1 / better if row.less_is_better else better:.{digits}f}"
