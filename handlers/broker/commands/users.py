"""`amqp-broker user`: the users of a broker, in a file of verifiers.

A password is asked for on a terminal, and read from the standard input in a script; it is in no argument, which other
users of the machine can see.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from random import SystemRandom

from handlers.broker.access.userfile import (
    ITERATIONS,
    MECHANISMS,
    SALT_SIZE,
    UserFile,
    UsersError,
    check_iterations,
    derive,
    user_name,
)

DESCRIPTION = """\
The users that a broker with --users FILE lets in. The file has no passwords: a verifier for each of SCRAM-SHA-256 and
SCRAM-SHA-1 stands for one, and nobody can log in with it. A broker that runs notices a change at the next log-in.
"""

EXAMPLES = """\
examples:
  amqp-broker user add alice --file users
      asks for the password twice; the file is made if need be
  pwgen -s 20 1 | tee secret | amqp-broker user add robot --file users
      in a script, the password is the first line of the standard input
  amqp-broker user change alice --file users
  amqp-broker user remove alice --file users
  amqp-broker user list --file users
"""


def run(arguments: Sequence[str]) -> int:
    """Do it; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.name is None) is not (options.action == "list"):
        parser.error("list takes no name" if options.name is not None else f"{options.action} takes the NAME of a user")
    try:
        _do(options)
    except (UsersError, OSError) as error:
        print(f"amqp-broker user: {error}", file=sys.stderr)
        return 1
    return 0


def _do(options: argparse.Namespace) -> None:
    file = UserFile(options.file)
    if options.action == "list":
        for name, mechanisms in file.names().items():
            print(f"{name}  {' '.join(mechanisms)}")
        return
    name = user_name(options.name)
    if options.action == "remove":
        file.change(name, {}, there=True)
        print(f"user {name!r} removed; connections that are open stay")
        return
    salts = [SystemRandom().randbytes(SALT_SIZE) for _ in MECHANISMS]
    secrets = derive(_password(name), salts, options.iterations)
    file.change(name, secrets, there=options.action == "change")
    print(f"user {name!r} {'changed' if options.action == 'change' else 'added'}")


def _password(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("The same again: ") != password:
        raise UsersError("these were two different passwords")
    return password


def _iterations(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"no number: {text!r}")
    try:
        return check_iterations(int(text))
    except UsersError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="amqp-broker user",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    help = "add a user, change its password, remove it, or list all of them"
    parser.add_argument("action", choices=("add", "change", "remove", "list"), help=help)
    parser.add_argument("name", metavar="NAME", nargs="?", help="of the user; for list, none")
    parser.add_argument("--file", metavar="FILE", required=True, help="the file of users; add makes it if need be")
    help = f"of a new password: work for each guess of a thief, and for each log-in ({ITERATIONS})"
    parser.add_argument("--iterations", metavar="NUMBER", type=_iterations, default=ITERATIONS, help=help)
    return parser
