"""For all tests: one that hangs ends the run, and shows where it hung."""

from __future__ import annotations

import faulthandler
import os
import sys

import pytest

#: Seconds. No test waits for time to pass; the slowest of them starts processes on a slow machine.
PATIENCE = 120
_stderr = pytest.StashKey[int]()


def pytest_configure(config):
    # A copy of the real stream: while a test runs, descriptor 2 belongs to pytest's capture.
    config.stash[_stderr] = os.dup(sys.__stderr__.fileno())


def pytest_unconfigure(config):
    os.close(config.stash[_stderr])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Pytest has a plugin that shows it; where Python is 3.9 that one cannot also end the run."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=item.config.stash[_stderr])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
