"""The table: every row on amqp-reactor, and beside it on python-qpid-proton when that can be imported; or, with
`--beside PATH`, on the amqp-reactor of another checkout; or, with `--cpp`, `--rhea` and `--pypy`, beside these."""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Optional

from tests.benchmarks import others
from tests.benchmarks.process import machine
from tests.benchmarks.rows import BEFORE, ROWS, TREES, DidNotFinish, Figures, Row
from tests.support.libraries import OURS, THEIRS, version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true", help="one short run of each: to see that it works")
    parser.add_argument("--only", metavar="ROW", action="append", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--runs", type=int, default=5, help="of which the median (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (default: %(default)s)")
    parser.add_argument("--beside", metavar="PATH", type=Path, help="a checkout to compare with, instead of Proton")
    others.add_options(parser)
    options = parser.parse_args()
    unknown = set(options.only or ()) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    runs, seconds = (1, 0.3) if options.quick else (options.runs, options.seconds)

    asked = others.asked(options)
    if asked:
        print(machine())
        others.show(asked, runs, seconds)
        return

    libraries = [library for library in (OURS, THEIRS) if version(library)]
    if options.beside is not None:
        TREES[BEFORE] = options.beside.resolve()
        libraries = [OURS, BEFORE]
    print(machine())
    print(f"\nMedian of {runs}, bodies of 100 bytes, every peer a process of its own, loopback.\n")
    if libraries == [OURS]:
        print(f"{THEIRS} cannot be imported: its column is missing. `tox -e bench` installs it.\n")
    names = [BEFORE if library == BEFORE else f"{library} {version(library)}" for library in libraries]
    print("| | " + " | ".join(names) + " | ratio |")
    print("|---|" + "---:|" * (len(libraries) + 1))
    for row in ROWS:
        if not options.only or row.name in options.only:
            print(line(row, libraries, runs, seconds), flush=True)


def line(row: Row, libraries: list[str], runs: int, seconds: float) -> str:
    """The row of the table. The libraries take turns, so that what disturbs one disturbs the other."""
    taking_part = [library for library in libraries if row.only is None or library != THEIRS]
    results: dict[str, list[Figures]] = {library: [] for library in taking_part}
    failures: dict[str, str] = {}
    counts = {}
    for turn in range(-1, runs):
        for library in taking_part:
            if library in failures:
                continue
            try:
                if turn < 0:
                    counts[library] = how_many(row, library, seconds)
                else:
                    results[library].append(row.measure(library, counts[library]))
            except DidNotFinish as failure:
                failures[library] = str(failure)
    medians = {library: median(figures) for library, figures in results.items() if figures}
    cells = [
        failures.get(library) or (row.show(medians[library]) if library in medians else "-")
        for library in libraries
    ]
    return f"| {row.title} | " + " | ".join(cells) + f" | {ratio(row, medians)} |"


def how_many(row: Row, library: str, seconds: float) -> int:
    """How many messages fill the time of a run."""
    if row.counts:
        return row.counts[OURS if library == BEFORE else library]
    rate = row.measure(library, row.count)["rate"]
    return max(row.count // 2, int(rate * seconds))


def median(results: list[Figures]) -> Figures:
    return {key: statistics.median(figures[key] for figures in results) for key in results[0]}


def ratio(row: Row, medians: dict[str, Figures]) -> str:
    """How many times better ours is, or "-"."""
    ours: Optional[Figures] = medians.get(OURS)
    theirs: Optional[Figures] = medians.get(THEIRS) or medians.get(BEFORE)
    if not row.main or ours is None or theirs is None:
        return "-"
    better = ours[row.main] / theirs[row.main]
    digits = 2 if BEFORE in medians else 1  # of another build there is less to tell apart
    return f"{1 / better if row.less_is_better else better:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
