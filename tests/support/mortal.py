"""Runs an example that is killed, or that has its broker killed, at one step of what it exchanges with its peer:

    python -m tests.support.mortal STEP PID MODULE ARGUMENTS...

The steps are counted from 0: before each write to a socket, after it, and after each read that got something. At step
STEP the process PID is killed as by `kill -9`; 0 stands for this one. With fewer steps the program comes to its end.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from typing import Any

from reactor.loop.sockets import SocketWire

#: Windows has one way to kill, whatever the signal.
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def arm(last: int, victim: int) -> None:
    """Have `victim` killed at step `last`."""
    steps = 0
    write, read = SocketWire.write, SocketWire.read

    def step() -> None:
        nonlocal steps
        if steps == last:
            os.kill(victim, KILL)
        steps += 1

    def mortal_write(self: SocketWire, data: Any) -> int:
        step()
        written = write(self, data)
        step()
        return written

    def mortal_read(self: SocketWire, limit: int) -> Any:
        data = read(self, limit)
        if data:
            step()
        return data

    SocketWire.write, SocketWire.read = mortal_write, mortal_read  # type: ignore[method-assign]


if __name__ == "__main__":
    _, last, victim, module, *arguments = sys.argv
    arm(int(last), int(victim) or os.getpid())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
