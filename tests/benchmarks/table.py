"""Everything in one run: this library, the build before it, the original, and the peers of other languages.

    python -m tests.benchmarks --table [--against PATH] [--into FILE] [--runs 7] [--seconds 0.7] [--only ROW]

Prints Markdown. The same goes to FILE after each row, so that a run that is ended has lost only what it had not come
to; progress goes to stderr. A row that fails says so, and the others go on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

from tests.benchmarks import others
from tests.benchmarks.process import machine
from tests.benchmarks.rows import BEFORE, LIMIT, QUIET, ROWS, TREES, Row, Worker, module
from tests.benchmarks.taking_turns import measured, ratio
from tests.support.libraries import OURS, THEIRS, version
from tests.support.processes import CHECKOUT

#: The rows in their order, each with what is measured of ours.
ORDER = {
    "round-trip": (OURS, QUIET),
    "floor": (OURS,),
    "floor-40": (OURS,),
    "direct-10": (OURS, QUIET),
    "direct-1000": (OURS,),
    "presettled": (OURS,),
    "one-by-one": (OURS,),
    "large": (OURS,),
    "tls-large": (OURS,),
    "import": (OURS,),
    "embedded": (OURS,),
    "broker": (OURS,),
    "connections": (OURS,),
}
#: Rows whose runs are so short that so many times as many can be had.
MORE = {"import": 3}
#: Rows of another kind, by name.
TURN, QUEUED, PEERS, PEER_TRIPS = "turn", "queued", "peers", "peer-trips"
NAMES = [*ORDER, TURN, QUEUED, PEERS, PEER_TRIPS]

DEPTHS = (100_000, 1_000_000)
#: Seconds until a process of a run is ended: nothing takes a tenth of it, and a few of these must not eat up the time.
PATIENCE = 30.0

Lines = Iterator[list[str]]


class Table:
    """What is to be measured, and against which."""

    def __init__(self, against: Optional[Path], runs: int, seconds: float, warm: int, only: list[str]) -> None:
        self.runs, self.seconds, self.warm = runs, seconds, warm
        self.names = [name for name in NAMES if name in (only or NAMES)]
        self.columns = [OURS]
        if against is not None:
            TREES[BEFORE] = against.resolve()
            self.columns.append(BEFORE)
        if version(THEIRS):
            self.columns.append(THEIRS)
        else:
            print(f"{THEIRS} cannot be imported: its column is missing", file=sys.stderr)

    def pieces(self) -> Lines:
        """The table in lines, a piece for each row or table as soon as it is there."""
        yield self.head()
        rows = {row.name: row for row in ROWS}
        for name in self.names:
            if name in ORDER:
                yield self.row(rows[name])
        for name, piece in ((TURN, self.turn), (QUEUED, self.queued)):
            if name in self.names:
                yield piece()
        if PEERS in self.names or PEER_TRIPS in self.names:
            with others.begun(list(others.OPTIONS.values())) as there:
                for name, table in ((PEERS, others.directs), (PEER_TRIPS, others.trips)):
                    if name in self.names:
                        yield ["", *table(there, self.runs, self.seconds, self.warm)]

    def head(self) -> list[str]:
        titles = {OURS: f"{OURS}, {commit(CHECKOUT)}", THEIRS: f"{THEIRS} {version(THEIRS)}"}
        if BEFORE in self.columns:
            titles[BEFORE] = f"before, {commit(TREES[BEFORE])}"
        names = [titles[column] + (" | ratio" if column != OURS else "") for column in self.columns]
        rule = "|---|---:|" + "---:|---:|" * (len(self.columns) - 1)
        about = f"{machine()}; median of {self.runs} (import: {self.runs * MORE['import']}), of {self.seconds} s each."
        return [about, "", "| | " + " | ".join(names) + " |", rule]

    def line(self, title: str, cells: dict[str, str], ratios: dict[str, str]) -> str:
        """A line of the table. Both by column; "-" where there is none."""
        text = [cells.get(OURS, "-")]
        for column in self.columns[1:]:
            text += [cells.get(column, "-"), ratios.get(column, "-")]
        return f"| {title} | " + " | ".join(text) + " |"

    def row(self, row: Row) -> list[str]:
        ours = ORDER[row.name]
        alone = row.name.startswith("floor")
        beside = [name for name in self.columns[1:] if not alone and (row.only is None or name != THEIRS)]
        taken = measured(row, [*ours, *beside], self.runs * MORE.get(row.name, 1), self.seconds)
        cells = {name: it.show(row.show) for name, it in taken.items()}
        return [
            self.line(
                row.title if one == OURS else "the same with `busy_poll=0`",
                {**cells, OURS: cells[one]},
                {name: ratio(row, taken[one], taken[name], 1 if name == THEIRS else 2) for name in beside},
            )
            for one in ours
        ]

    def turn(self) -> list[str]:
        """Bytecodes of a turn: exact, so that once is enough."""
        return self.counted(
            "tests.benchmarks.turns",
            ["--count"],
            [
                ("bytecodes of a turn that asks", "ask", "{:,.0f}"),
                ("bytecodes of a turn that answers", "answer", "{:,.0f}"),
            ],
        )

    def queued(self) -> list[str]:
        """Memory of messages in a queue of the broker: exact to a percent, so that once is enough."""
        lines = []
        for depth in DEPTHS:
            title = f"memory of each of {depth:,} messages queued in the broker, body of 100 bytes included: bytes"
            lines += self.counted("tests.benchmarks.broker_costs", ["--one", str(depth)], [(title, "memory", "{:.0f}")])
        return lines

    def counted(self, name: str, arguments: list[str], rows: list[tuple[str, str, str]]) -> list[str]:
        """Lines of figures that a module prints, of ours and of the build before: less is better."""
        found: dict[str, dict[str, float]] = {}
        failed: dict[str, str] = {}
        for column in self.columns:
            if column == THEIRS:
                continue
            try:
                command = [*module(column, name), *arguments]
                result = subprocess.run(
                    command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT
                )
                found[column] = json.loads(result.stdout)
            except (subprocess.SubprocessError, ValueError) as error:
                failed[column] = f"failed: {error}"
                print(f"{name}: {error}", file=sys.stderr)
        lines = []
        for title, key, form in rows:
            cells = {**failed, **{column: form.format(figures[key]) for column, figures in found.items()}}
            both = {BEFORE: f"{found[BEFORE][key] / found[OURS][key]:.2f}"} if {OURS, BEFORE} <= set(found) else {}
            lines.append(self.line(title, cells, both))
        return lines


def commit(tree: Path) -> str:
    """What a checkout is at, in short; "not a checkout" where git does not know."""
    try:
        command = ["git", "-C", str(tree), "describe", "--always", "--dirty"]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    except (subprocess.CalledProcessError, OSError):
        return "not a checkout"


def show(table: Table, into: Optional[Path], say: Callable[[str], None] = print) -> None:
    """Say the table, and write it to `into` as it grows."""
    Worker.limit = PATIENCE
    began = time.monotonic()
    lines: list[str] = []
    for piece in table.pieces():
        lines += piece
        for line in piece:
            say(line)
        sys.stdout.flush()
        if into is not None:
            into.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{time.monotonic() - began:.0f} s: {piece[-1][:100]}", file=sys.stderr, flush=True)
