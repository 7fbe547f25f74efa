"""Runs a program for python-qpid-proton on this library: python -m reactor.as_proton program.py [arguments]."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Optional

from reactor.as_proton import install
from reactor.as_proton.ours import give_way
from reactor.look.program import Program


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
    try:
        program = Program(given.program, given.arguments, given.module)
    except OSError as error:
        parser.exit(2, "%s: cannot open %r: %s\n" % (parser.prog, given.program, error.strerror))
    program.take_place()
    for name in ("handlers", "reactor"):
        give_way(name)  # to the program's own modules of these names
    program.run()


if __name__ == "__main__":
    main()
