"""The rules of the suite itself: pytest alone is needed, and nothing is left out in silence."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.__main__ import parts
from tests.support.processes import CHECKOUT, environment

TESTS = sorted((CHECKOUT / "tests").rglob("*.py"))
ASKS = CHECKOUT / "tests" / "support" / "properties.py"
SAMPLE = """
import pytest

@pytest.mark.slow
def test_of_seconds():
    pass

@pytest.mark.slow
def test_of_minutes():
    pass

def test_of_milliseconds():
    pass
"""


def called(node: ast.AST) -> set[str]:
    """The plain names that are called below a node."""
    return {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


def test_hypothesis_is_asked_for_in_one_way():
    """That way skips the module by its name, and names the environment that runs it."""
    imports = re.compile(r"^\s*(import|from) hypothesis\b", re.M)
    assert [path for path in TESTS if imports.search(path.read_text(encoding="utf-8"))] == []


def test_a_module_that_needs_hypothesis_holds_nothing_else():
    """Without the package all of the module is skipped: a test that does without it would not run."""
    modules = [path for path in TESTS if "needs_hypothesis()" in path.read_text(encoding="utf-8") and path != ASKS]
    modules.remove(Path(__file__))
    assert modules
    for path in modules:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        tests = [node for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
        plain = [test.name for test in tests if not any("given" in called(each) for each in test.decorator_list)]
        assert tests and not plain, f"{path.name}: {plain} stand without `given`"


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "test_sample.py"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def run(*words: object) -> str:
    """The last lines of a run with the suite's own conftest."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", *map(str, words)]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_slow_tests_are_left_out_and_counted(sample):
    shown = run(sample)
    assert "1 passed, 2 deselected" in shown
    assert "2 slow tests were left out: `tox -e slow` or `pytest -m slow` runs them" in shown


@pytest.mark.parametrize(
    "words, passed",
    [(["--slow"], "3 passed"), (["-m", "slow"], "2 passed"), (["::test_of_seconds"], "1 passed")],
    ids=["--slow", "-m slow", "by name"],
)
def test_slow_tests_run_when_they_are_asked_for(sample, words, passed):
    place = f"{sample}{words.pop()}" if words[0].startswith("::") else sample
    shown = run(*words, place)
    assert passed in shown and "left out" not in shown


def test_two_processes_share_all_tests():
    first, second = parts()
    shared = [CHECKOUT / name for name in (*first, *second)]
    assert len(shared) == len(set(shared)) and first and second
    held = [file for path in shared for file in ([path] if path.is_file() else path.rglob("test_*.py"))]
    assert sorted(held) == sorted((CHECKOUT / "tests").rglob("test_*.py"))


def test_the_suite_with_arguments_is_pytest_with_these():
    command = [sys.executable, "-m", "tests", "-q", "-p", "no:cacheprovider", "tests/test_suite.py::test_of_no_name"]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 4 and "not found" in ran.stdout + ran.stderr
