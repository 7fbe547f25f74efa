"""Program: a file or a module, run as `python program.py` and `python -m module` run it, within this process.

`sys.argv`, `sys.path` and `__main__` are those of the program; its exceptions and its `SystemExit` leave `run`.
"""

from __future__ import annotations

import io
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Optional


class Program:
    """A program that can be run, once.

    name: its file, or its module. arguments: those behind it. module: whether it is a module.

    OSError where the file cannot be read, SyntaxError where it is no Python.
    """

    def __init__(self, name: str, arguments: Sequence[str], module: bool = False) -> None:
        self._name = name
        self._path = os.path.abspath(name)  # as in `__file__` of __main__, since Python 3.9
        self._arguments = list(arguments)
        self._code: Optional[CodeType] = None
        if not module:
            with io.open_code(self._path) as file:
                self._code = compile(file.read(), self._path, "exec", dont_inherit=True)

    def take_place(self) -> None:
        """From now on the process looks like one of the program's own."""
        folder = os.getcwd() if self._code is None else str(Path(self._path).resolve().parent)
        sys.argv[:] = [self._name, *self._arguments]
        if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
            sys.path.insert(0, folder)  # -I, -P: Python has put nothing there
        else:
            sys.path[0] = folder  # it was the current folder, or that of a command

    def run(self) -> None:
        """Run it to its end."""
        if self._code is None:
            runpy.run_module(self._name, run_name="__main__", alter_sys=True)
            return
        main = ModuleType("__main__")
        vars(main).update(__file__=self._path, __builtins__=__builtins__)
        sys.modules["__main__"] = main  # pickled objects and unittest.main() look there
        exec(self._code, vars(main))
