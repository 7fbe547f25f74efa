"""The tests of a room, run again and again: each time in a fork of this process, which has imported all that is slow.

The project itself is imported in the fork, so that a mutant is whole: constants, classes and defaults of arguments are
those of its source. The tests that have noticed other mutants go first.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import pytest

#: Imported before the forks.
SLOW = "asyncio hypothesis hypothesis.stateful ipaddress logging sqlite3 ssl unittest.mock xml.dom.minidom"
#: A mutant may take so many times the CPU time that the tests take without it: more is a loop.
PATIENCE = 4
#: Bytes: one that collects without end is stopped before the machine is.
MEMORY = 3 << 30
#: Of pytest, which would warn that it comes too late to rewrite what is imported already.
OPTIONS = "-q -x -p no:cacheprovider -p no:randomly -W ignore::pytest.PytestAssertRewriteWarning".split()
#: Where the last run's output is.
OUTPUT = Path("mutant.log")
#: How many of the tests that noticed other mutants go first.
KEEN = 30


class Watching:
    """A plugin: the keen tests go first, the long ones last. It writes to the pipe which test has failed, and how long
    each took where that is not known."""

    def __init__(self, keen: Sequence[str], seconds: Mapping[str, float], pipe: int) -> None:
        self.keen = {test: place for place, test in enumerate(keen)}
        self.seconds = seconds
        self.pipe = pipe
        self.took: dict[str, float] = {}
        self.failed: Optional[str] = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        last = len(self.keen)
        items.sort(key=lambda item: (self.keen.get(item.nodeid, last), self.seconds.get(item.nodeid, 0.0)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.took[report.nodeid] = self.took.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed = report.nodeid

    def pytest_sessionfinish(self) -> None:
        with os.fdopen(self.pipe, "w") as pipe:
            json.dump([self.failed, {} if self.failed or self.seconds else self.took], pipe)


class Forks:
    """tests: paths. module: the one that changes between runs; nothing of the project may be imported here but this
    package. RuntimeError when the tests fail without a change."""

    def __init__(self, tests: Sequence[str], module: Path) -> None:
        for name in SLOW.split():
            importlib.import_module(name)
        self._tests = tests
        self._keen: list[str] = []
        self._took: dict[str, float] = {}
        self._seconds = 600.0
        if self.run() != "survived":
            raise RuntimeError("these tests fail without a mutant:\n" + OUTPUT.read_text(encoding="utf-8"))
        self._seconds = PATIENCE * self._spent
        # Python takes it for the module while size and second are the same.
        for compiled in (module.parent / "__pycache__").glob(f"{module.stem}.*"):
            compiled.unlink()

    def run(self) -> str:
        """How the tests end: survived, killed, or timed out."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reading)
            self._in_the_fork(writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status, usage = os.wait4(pid, 0)
        self._spent = usage.ru_utime + usage.ru_stime
        test, took = json.loads(said or "[null, {}]")
        self._took = self._took or took
        if test:
            self._keen = [test, *(other for other in self._keen if other != test)][:KEEN]
        if os.WIFSIGNALED(status):
            return "timed out" if os.WTERMSIG(status) == signal.SIGXCPU else "killed"
        return "survived" if os.WEXITSTATUS(status) == 0 else "killed"

    def _in_the_fork(self, pipe: int) -> None:
        status = 1
        try:
            sys.dont_write_bytecode = bool(self._took)
            resource.setrlimit(resource.RLIMIT_CPU, (int(self._seconds) + 1, int(self._seconds) + 3))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            plugin = Watching(self._keen, self._took, pipe)
            status = pytest.main([*OPTIONS, *self._tests], [plugin])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(int(status))
