"""Scripts as a user runs them: each in a process of its own, in a directory that is not the checkout's.

No timing is asserted here or by whoever uses it: DEADLINE only keeps a test that hangs from hanging for ever.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
DEADLINE = 100.0


def environment(**extra: str) -> dict[str, str]:
    """The environment of a script: the checkout can be imported, and output is UTF-8 everywhere.

    What is written to a pipe is buffered, whatever the environment of the tests says: so it is for most users, and a
    line that somebody waits for has to be flushed by the script.
    """
    return {**os.environ, "PYTHONUNBUFFERED": "", "PYTHONPATH": str(CHECKOUT), "PYTHONUTF8": "1", **extra}


def example(name: str, way: str) -> list[str]:
    """The command that runs an example, `way` being "module" or "file"."""
    if way == "module":
        return [sys.executable, "-m", f"examples.{name}"]
    return [sys.executable, str(CHECKOUT / "examples" / f"{name}.py")]


class Script:
    """A process whose output is read while it runs. As a context manager it leaves no process behind.

    life: seconds until it is killed, whatever it does. stdin: its input, none by default; PIPE for one that ends when
    we do.
    """

    def __init__(
        self, command: list[str], cwd: Path, life: float = DEADLINE, stdin: int = subprocess.DEVNULL, **extra: str
    ) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(**extra),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.watchdog = threading.Timer(life, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()

    def lines(self) -> Iterator[str]:
        """Each line of the standard output as it comes, without its end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.rstrip("\n")

    def wait_for(self, text: str) -> str:
        """The first line that contains `text`; AssertionError with what came instead when the output ends."""
        seen = []
        for line in self.lines():
            if text in line:
                return line
            seen.append(line)
        assert self.process.stderr is not None
        raise AssertionError(f"no line with {text!r} in {seen}, stderr: {self.process.stderr.read()}")

    def finish(self) -> tuple[int, str, str]:
        """(exit status, the rest of stdout, stderr) once the process has ended by itself."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.process.kill()
        self.process.communicate()
        self.watchdog.cancel()


def run(command: list[str], cwd: Path, **extra: str) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of `command`."""
    with Script(command, cwd, **extra) as script:
        return script.finish()


#: Below those that Linux, macOS and Windows give to whoever asks for any, as the near end of a connection does.
PORTS = range(20000, 32768)
_given: set[int] = set()


def unused_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and which no other program is given by chance: whoever gets it may
    listen on it later. Each call gives another one."""
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):  # no seed: two processes would get the same ports
        if port not in _given:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:  # somebody has it
                    continue
            _given.add(port)
            return port
    raise AssertionError(f"every port of {PORTS} is taken")
