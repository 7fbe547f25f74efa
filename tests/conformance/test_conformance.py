"""Every row of the table holds on our engine, but for those that are named with their reason."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from tests.conformance.decisions import DECISIONS, EXCEPTIONS
from tests.conformance.ours import Ours
from tests.conformance.report import groups, label
from tests.conformance.rows import ROWS
from tests.conformance.table import CODEC, DUTY, KINDS, MUST, Row, try_row
from tests.support.processes import CHECKOUT, environment

NAMED = {**EXCEPTIONS, **DECISIONS}
CASES = [pytest.param(row, role, id=f"{row.id}-{role}") for row in ROWS for role in row.roles]


@pytest.mark.parametrize(("row", "role"), CASES)
def test_a_row_holds(row: Row, role: str) -> None:
    if row.id in NAMED:
        return  # looked at below
    fault = try_row(row, role, Ours)
    if fault is not None:
        raise AssertionError(f"[{row.section}] {row.strength}: {row.text}") from fault.reason


@pytest.mark.parametrize("name", sorted(NAMED))
def test_what_is_named_as_not_holding_does_not_hold(name: str) -> None:
    row = {row.id: row for row in ROWS}[name]
    assert NAMED[name], "it has a reason"
    assert any(try_row(row, role, Ours) for role in row.roles), f"{name} holds: take it off the list"


def test_exceptions_are_our_duties_and_decisions_are_not() -> None:
    by_id = {row.id: row for row in ROWS}
    for name in EXCEPTIONS:
        assert (by_id[name].strength, by_id[name].kind) == (MUST, DUTY), name
    for name in DECISIONS:
        assert (by_id[name].strength, by_id[name].kind) != (MUST, DUTY), name


def test_rows_have_names_of_their_own_and_known_sections() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert {row.group for row in ROWS} == set(groups())


class Nobody(Ours):
    """An engine that hears nothing, says nothing and tells nothing."""

    def receive(self, data: bytes) -> None:
        pass

    def take(self) -> bytes:
        super().take()
        return b""

    def events(self) -> list[tuple[str, Any]]:
        super().events()
        return []


def test_no_row_holds_on_an_engine_that_does_nothing() -> None:
    """Each can fail. (What the codec's rows say is octets by octets.)"""
    held = [
        f"{row.id}-{role}" for row in ROWS for role in row.roles if role != CODEC and not try_row(row, role, Nobody)
    ]
    assert not held


def test_the_architecture_chapter_shows_this_table() -> None:
    chapter = (CHECKOUT / "reactor" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- conformance -->\n(.*?)<!-- /conformance -->", chapter, re.S)
    assert found is not None
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.group(1).split("\n")[2:] if line]
    assert [line[0] for line in shown] == [label(group) for group in [*groups(), None]]
    for group, line in zip([*groups(), None], shown):
        for kind, cell in zip(KINDS, line[1:4]):
            rows = [row for row in ROWS if group in (None, row.group) and row.kind == kind]
            held = [row for row in rows if row.id not in NAMED]
            told = f"{len(held)}/{len(rows)}" if rows else ""
            assert cell == told, f"{line[0]}: copy what `python -m tests.conformance` prints"


def test_the_command_prints_the_table_and_says_by_its_status_whether_all_is_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance"], cwd=CHECKOUT, env=environment(), capture_output=True, text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{len(ROWS)} rows") and "| all |" in done.stdout
