"""Type checkers read programs of users: right ones without an error, wrong ones with one at each marked line.

A wrong line ends in ``# error: assignment reportAssignmentType``: the rules that mypy and pyright name there, in that
order; several of one checker are joined by commas, and one of them is enough. Neither checker is needed to use or to
test the library: where one is missing its tests are skipped, unless AMQP_REACTOR_TYPING is "required".
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = sorted([*HERE.glob("right_*.py"), *HERE.glob("wrong_*.py")])
MARK = re.compile(r"# error: (\S+) (\S+)$")

#: (line, rule, text): what a checker says about a program.
Errors = list[tuple[int, str, str]]


def run(module: str, *arguments: str) -> str:
    if importlib.util.find_spec(module) is None:
        text = f"{module} is not installed: tox -e typing brings it"
        assert os.environ.get("AMQP_REACTOR_TYPING") != "required", text
        pytest.skip(text)
    command = [sys.executable, "-m", module, *arguments, *(str(path) for path in PROGRAMS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def by_program(found: Iterable[tuple[str, int, str, str]]) -> dict[str, Errors]:
    errors: dict[str, Errors] = {path.name: [] for path in PROGRAMS}
    for path, line, rule, text in found:
        assert Path(path).name in errors, f"{path}:{line}: {text} [{rule}]"
        errors[Path(path).name].append((line, rule, text))
    return errors


@pytest.fixture(scope="session")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Errors]:
    cache = str(tmp_path_factory.mktemp("mypy"))
    shown = run("mypy", "--strict", "--config-file=", "--no-error-summary", "--cache-dir", cache)
    lines = [re.fullmatch(r"(.+?):(\d+): error: (.*)  \[([\w-]+)\]", line) for line in shown.splitlines()]
    return by_program((found[1], int(found[2]), found[4], found[3]) for found in lines if found)


@pytest.fixture(scope="session")
def pyright() -> dict[str, Errors]:
    said: Any = json.loads(run("pyright", "--outputjson"))
    return by_program(
        (one["file"], one["range"]["start"]["line"] + 1, one.get("rule", ""), one["message"])
        for one in said["generalDiagnostics"]
        if one["severity"] == "error"
    )


@pytest.fixture(params=["mypy", "pyright"])
def checker(request: pytest.FixtureRequest) -> tuple[int, dict[str, Errors]]:
    """Which rule of a mark is its own, and what it has found."""
    return ("mypy", "pyright").index(request.param), request.getfixturevalue(request.param)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_each_wrong_line_is_an_error_and_no_right_one(checker: tuple[int, dict[str, Errors]], path: Path) -> None:
    which, found = checker
    marks = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark = MARK.search(line)
        assert (mark is not None) == ("# error" in line), f"{path.name}:{number}: the mark cannot be read"
        if mark is not None:
            marks[number] = set(mark.groups()[which].split(","))
    errors = found[path.name]
    wrong = [(line, f"{text} [{rule}]") for line, rule, text in errors if rule not in marks.get(line, ())]
    unexpected = [f"{path.name}:{line}: {text}" for line, text in wrong]
    unseen = [f"{path.name}:{line}: no error" for line in sorted(marks.keys() - {line for line, _, _ in errors})]
    assert unexpected + unseen == []


def test_there_are_programs_of_both_kinds_and_all_wrong_ones_are_marked() -> None:
    for path in PROGRAMS:
        assert ("# error" in path.read_text(encoding="utf-8")) == path.name.startswith("wrong_"), path.name
    assert {path.name.partition("_")[0] for path in PROGRAMS} == {"right", "wrong"}
