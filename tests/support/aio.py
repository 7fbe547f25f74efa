"""What tests on event loops have in common: loops of several kinds, and runs that leave nothing behind."""

from __future__ import annotations

import asyncio
import gc

import pytest

from reactor import Timeout

try:
    import uvloop
except ImportError:  # it is there in `tox -e uvloop`
    uvloop = None

PATIENCE = 60.0


class WithoutReaders(asyncio.SelectorEventLoop):
    """A loop that watches no descriptors for others, as Windows' proactor loop."""

    def add_reader(self, fd, callback, *args):
        raise NotImplementedError

    def add_writer(self, fd, callback, *args):
        raise NotImplementedError


def kinds():
    """The loops of this system, by name."""
    found = {"default": asyncio.new_event_loop, "without readers": WithoutReaders}
    if uvloop is not None:
        found["uvloop"] = uvloop.new_event_loop
    return found


async def times_out(call, text):
    """Check that `await call(timeout)` raises Timeout with this text. When the time is over in a stage before that one,
    it was too short for this machine, and is doubled."""
    timeout = 0.02
    while True:
        with pytest.raises(Timeout) as caught:
            await call(timeout)
        if text in str(caught.value):
            return
        timeout *= 2
        assert timeout < PATIENCE, str(caught.value)


def run(program, make=asyncio.new_event_loop):
    """Run `program()`, a coroutine, on a loop of its own. Fails where that reports what nothing has caught: a task that
    was destroyed, an exception that was never retrieved."""
    loop = make()
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    try:
        result = loop.run_until_complete(asyncio.wait_for(program(), PATIENCE))
        rest = asyncio.all_tasks(loop)
        assert not rest, f"left behind: {rest}"
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    gc.collect()
    assert not reports, reports
    return result
