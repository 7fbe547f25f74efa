"""The table: every row on amqp-reactor, and beside it on python-qpid-proton when that can be imported; or, with
`--against PATH`, on the amqp-reactor of another checkout; or, with `--cpp`, `--rhea` and `--pypy`, beside these; or,
with `--table`, beside all of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Optional

from tests.benchmarks import others, table
from tests.benchmarks.process import machine
from tests.benchmarks.rows import BEFORE, ROWS, TREES, Row
from tests.benchmarks.taking_turns import measured, ratio
from tests.support.libraries import OURS, THEIRS, version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true", help="one short run of each: to see that it works")
    parser.add_argument("--only", metavar="ROW", action="append", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--runs", type=int, help="of which the median (default: 5; of --table: 7)")
    parser.add_argument("--seconds", type=float, help="of each run (default: 2; of --table: 0.7)")
    parser.add_argument(
        "--against", "--beside", metavar="PATH", type=Path, help="a checkout to compare with, such as the build before"
    )
    others.add_options(parser)
    parser.add_argument("--table", action="store_true", help="all of them in one table, in a quarter of an hour")
    parser.add_argument("--into", metavar="FILE", type=Path, help="with --table: written after each row")
    options = parser.parse_args()
    known = table.NAMES if options.table else [row.name for row in ROWS]
    unknown = set(options.only or ()) - set(known)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    usual = (7, 0.7) if options.table else (5, 2.0)
    runs, seconds = (1, 0.3) if options.quick else (options.runs or usual[0], options.seconds or usual[1])
    if options.table:
        table.show(table.Table(options.against, runs, seconds, options.warm, options.only or []), options.into)
        return
    print(machine())
    asked = others.asked(options)
    if asked:
        others.show(asked, runs, seconds, options.warm)
    else:
        compare(options.against, options.only or [row.name for row in ROWS], runs, seconds)


def compare(against: Optional[Path], chosen: list[str], runs: int, seconds: float) -> None:
    """Print the table beside the original, or beside another checkout."""
    libraries = [library for library in (OURS, THEIRS) if version(library)]
    if against is not None:
        TREES[BEFORE] = against.resolve()
        libraries = [OURS, BEFORE]
    print(f"\nMedian of {runs}, bodies of 100 bytes, every peer a process of its own, loopback.\n")
    if libraries == [OURS]:
        print(f"{THEIRS} cannot be imported: its column is missing. `tox -e bench` installs it.\n")
    names = [BEFORE if library == BEFORE else f"{library} {version(library)}" for library in libraries]
    print("| | " + " | ".join(names) + " | ratio |")
    print("|---|" + "---:|" * (len(libraries) + 1))
    for row in ROWS:
        if row.name in chosen:
            print(line(row, libraries, runs, seconds), flush=True)


def line(row: Row, libraries: list[str], runs: int, seconds: float) -> str:
    """The row of the table."""
    taken = measured(row, [name for name in libraries if row.only is None or name != THEIRS], runs, seconds)
    cells = [taken[name].show(row.show) if name in taken else "-" for name in libraries]
    theirs = taken.get(BEFORE) or taken.get(THEIRS)
    # Of another build there is less to tell apart.
    better = ratio(row, taken[OURS], theirs, 2 if BEFORE in taken else 1)
    return f"| {row.title} | " + " | ".join(cells) + f" | {better} |"


if __name__ == "__main__":
    sys.exit(main())
