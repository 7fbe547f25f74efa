"""Several programs, one after the other, in one process: it starts and imports once, where each would for itself.

As a script: its argument is a list, as JSON, of [the words of a command line], each a file or `-m` and a module, and
their arguments. It prints a list of [exit status, stdout, stderr]. What a program does when it ends as a process, such
as in its threads or with sockets that are still open, cannot be seen this way.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def run_each(commands: list[list[str]], cwd: Path, environment: dict[str, str]) -> list[tuple[int, str, str]]:
    """(exit status, stdout, stderr) of each command; a command is what follows `python`."""
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(commands)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=200,
        check=True,
    )
    return [(status, out, err) for status, out, err in json.loads(done.stdout)]


def run(words: list[str]) -> tuple[int, str, str]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if words[0] == "-m":
                sys.path[0] = os.getcwd()
                sys.argv = words[1:]
                runpy.run_module(words[1], run_name="__main__", alter_sys=True)
            else:
                sys.path[0] = os.path.dirname(words[0])
                sys.argv = words
                runpy.run_path(words[0], run_name="__main__")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except Exception:
            status = 1
            traceback.print_exc()
    return status, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    print(json.dumps([run(words) for words in json.loads(sys.argv[1])]))
