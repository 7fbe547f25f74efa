"""The suite: `python -m tests`, which is `pytest` in two processes at once, for the two cores that most machines have.

With arguments it is `pytest` with these. Each process has the tests of some folders and files; what the second one says
follows when the first has ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

SECOND = {"broker", "blocking", "interop", "lessons", "look", "test_readme.py"}
"""Folders and files of the second process: about half of the time."""


def parts() -> tuple[list[str], list[str]]:
    """What each process runs: every folder and file with tests, once."""
    there = [path for path in sorted(HERE.iterdir()) if _has_tests(path)]
    halves: tuple[list[str], list[str]] = ([], [])
    for path in there:
        halves[path.name in SECOND].append(str(path.relative_to(HERE.parent)))
    return halves


def _has_tests(path: Path) -> bool:
    return path.match("test_*.py") or (path.is_dir() and any(path.rglob("test_*.py")))


def main(arguments: list[str]) -> int:
    """Run them; returns the exit status: 0 when all is well in both."""
    command = [sys.executable, "-m", "pytest"]
    if arguments:
        return subprocess.run([*command, *arguments], check=False).returncode
    first, second = parts()
    with tempfile.TemporaryFile() as said:
        options = ["-o", "cache_dir=.pytest_cache/second"]
        beside = subprocess.Popen([*command, *options, *second], stdout=said, stderr=subprocess.STDOUT)
        try:
            status = subprocess.run([*command, *first], check=False).returncode
            other = beside.wait()
        finally:
            beside.kill()
            beside.wait()
        sys.stdout.flush()
        said.seek(0)
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    return status or other


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
