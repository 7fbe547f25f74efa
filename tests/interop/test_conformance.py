"""The table of the specification runs on the original, too: every row gives an answer, whatever that is."""

from __future__ import annotations

import subprocess
import sys

from tests.conformance.rows import ROWS
from tests.interop.original import ORIGINAL
from tests.support.libraries import THEIRS
from tests.support.processes import CHECKOUT, environment


def test_the_table_runs_on_the_original_and_reports() -> None:
    assert ORIGINAL.library == THEIRS
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance", "--faults"], cwd=CHECKOUT, env=environment(), capture_output=True,
        text=True, timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    head, _, total = (line for line in done.stdout.split("\n") if line.startswith(("| section", "|---", "| all")))
    assert THEIRS in head
    cells = [cell.strip() for cell in total.strip("|").split("|")][4:]
    assert sum(int(cell.split("/")[1]) for cell in cells) == len(ROWS)
    assert f"{THEIRS} " in done.stdout and "what does not hold" in done.stdout
