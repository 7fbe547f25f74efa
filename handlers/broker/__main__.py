"""The program: `python -m handlers.broker`, or `amqp-broker` where the package is installed.

It finds the command that its first argument names, and nothing else: without a name, it serves. A command is a function
of the arguments that follow its name, and returns the exit status.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Callable, NamedTuple, Optional

from handlers.broker.commands import operate, serve, users


class Command(NamedTuple):
    """run: does it, given the arguments after its name; returns the exit status. help: what for, in one line."""

    run: Callable[[list[str]], int]
    help: str


COMMANDS: dict[str, Command] = {}
"""By name, in the order in which `--help` lists them. `serve` is there, too."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a command, and return its exit status. arguments: those of the process, if none are given."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else ""
    if name in COMMANDS:
        return COMMANDS[name].run(given[1:])
    if name and not name.startswith("-"):
        print(f"amqp-broker: no command {name!r}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    return _serve(given)


def _serve(given: list[str]) -> int:
    table = "".join(f"  {name:<15}{command.help}\n" for name, command in COMMANDS.items())
    return serve.run(given, f"commands, each with a --help of its own:\n{table}")


COMMANDS["serve"] = Command(_serve, "serve queues and topics: what is done without a command, too")
COMMANDS["user"] = Command(users.run, "add, change, remove and list the users that --users lets in")
COMMANDS.update((name, Command(run, help)) for name, run, help in operate.commands())


if __name__ == "__main__":
    sys.exit(main())
