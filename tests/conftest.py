"""For all tests: one that hangs ends the run, and shows where it hung."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import sys

import pytest

#: Seconds. No test waits for time to pass; the slowest of them starts processes on a slow machine.
PATIENCE = 240
_stderr = pytest.StashKey[int]()
_interrupt = pytest.StashKey[object]()
_left_out = pytest.StashKey[int]()


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests that are marked as slow, too")


def pytest_configure(config):
    config.addinivalue_line("markers", "internal_errors: the broker is made to fail, and shall go on")
    config.addinivalue_line("markers", "slow: takes seconds, alone or with its like; --slow runs it, and -m slow")
    # A copy of the real stream: while a test runs, descriptor 2 belongs to pytest's capture.
    config.stash[_stderr] = os.dup(sys.__stderr__.fileno())
    # A script's background job has SIGINT ignored, and what is ignored stays so in the processes that it starts; what
    # is handled does not. Tests interrupt themselves and those.
    config.stash[_interrupt] = signal.signal(signal.SIGINT, signal.default_int_handler)
    # So it is with SIGHUP below nohup: a broker would not read its users again.
    hang_up = getattr(signal, "SIGHUP", None)  # there is none on Windows
    if hang_up is not None and signal.getsignal(hang_up) is signal.SIG_IGN:
        signal.signal(hang_up, lambda number, frame: None)


def pytest_unconfigure(config):
    signal.signal(signal.SIGINT, config.stash[_interrupt])
    os.close(config.stash[_stderr])


def pytest_collection_modifyitems(config, items):
    """Leave out the slow tests, unless an option or the name of a test asks for them."""
    if config.option.slow or config.option.markexpr or any("::" in argument for argument in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.stash[_left_out] = len(slow)
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_collection_finish():
    """What the modules hold is there to the end: the garbage collector need not look at it in each test."""
    gc.collect()
    getattr(gc, "freeze", int)()  # not on PyPy


def pytest_terminal_summary(terminalreporter, config):
    count = config.stash.get(_left_out, 0)
    if count:
        terminalreporter.write_line(f"{count} slow tests were left out: `tox -e slow` or `pytest -m slow` runs them")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Pytest has a plugin that shows it; where Python is 3.9 that one cannot also end the run."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=item.config.stash[_stderr])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


class Caught(logging.Handler):
    """What the safety net of brokers has logged in this process."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record.getMessage() + "\n" + logging.Formatter().formatException(record.exc_info))


@pytest.fixture(autouse=True)
def no_internal_errors_of_brokers(request):
    """The broker goes on when one of its handlers fails; a test does not."""
    caught = Caught()
    net = logging.getLogger("handlers.broker.net")
    net.addHandler(caught)
    yield
    net.removeHandler(caught)
    if request.node.get_closest_marker("internal_errors") is None:
        assert caught.records == []
