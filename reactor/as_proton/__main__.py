"""Runs a program for python-qpid-proton on this library: python -m reactor.as_proton program.py [arguments]."""

from __future__ import annotations

import argparse
import io
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Optional

from reactor.as_proton import install
from reactor.as_proton.ours import give_way


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run a program as `python program.py ...` or `python -m module ...` does. arguments: those of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m reactor.as_proton",
        usage="%(prog)s [--instead] (program.py | -m module) [arguments]",
        description="Run a program for python-qpid-proton on amqp-reactor, unmodified.",
    )
    parser.add_argument("--instead", action="store_true", help="also where python-qpid-proton is installed")
    parser.add_argument("-m", dest="module", action="store_true", help="the program is a module, as with python -m")
    parser.add_argument("program", help="the file of the program, or the name of the module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the arguments of the program")
    given = parser.parse_args(arguments)
    try:
        install(instead=given.instead)
    except ImportError as error:
        parser.exit(2, "%s: %s\n" % (parser.prog, error))
    if given.module:
        _make_way(os.getcwd(), [given.program, *given.arguments])
        runpy.run_module(given.program, run_name="__main__", alter_sys=True)
        return
    try:
        with io.open_code(given.program) as file:
            code = compile(file.read(), given.program, "exec", dont_inherit=True)
    except OSError as error:
        parser.exit(2, "%s: cannot open %r: %s\n" % (parser.prog, given.program, error.strerror))
    _make_way(str(Path(given.program).resolve().parent), [given.program, *given.arguments])
    program = ModuleType("__main__")
    vars(program).update(__file__=given.program, __builtins__=__builtins__)
    sys.modules["__main__"] = program  # pickled objects and unittest.main() look there
    exec(code, vars(program))


def _make_way(folder: str, arguments: list[str]) -> None:
    """Let modules be looked for in `folder` first, and those of the program's own that are called like our packages be
    found under these names."""
    sys.argv[:] = arguments
    if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, folder)  # -I, -P: Python has put nothing there
    else:
        sys.path[0] = folder  # it was the current folder, or that of the command `amqp-as-proton`
    for name in ("handlers", "reactor"):
        give_way(name)


if __name__ == "__main__":
    main()
