"""The file of users: a line for each verifier of a password, and never a password.

    alice SCRAM-SHA-256$10000:<salt>$<stored key>:<server key>

The broker reads it, and `amqp-broker user` changes it. A name comes first and may have spaces; the verifier is that of
ScramSecret [RFC 5803]. A line may be empty, or a comment that begins with `#`; both stay when the file is changed. The
file is replaced as a whole: a reader sees the old one or the new one. Only its owner can read it.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Union

from reactor import ScramSecret
from reactor.system import HERE

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-1")
"""For each of these a new user gets a verifier: between them they suit every client that has SCRAM."""

ITERATIONS = 10_000
"""Of a new verifier. A thief of the file pays them for each guess; so does the broker for each log-in by PLAIN, in its
only thread: 10,000 take some 10 ms."""

LEAST_ITERATIONS, MOST_ITERATIONS = 4096, 1_000_000
"""With fewer, passwords are guessed too cheaply [RFC 7677 section 4]; clients do not do more."""

SALT_SIZE = 16

RESERVED = {"anonymous": "is the name of clients without a user", "*": "means all users in permissions"}

Verifiers = dict[str, dict[str, ScramSecret]]
"""By user and by mechanism."""


class UsersError(ValueError):
    """A file of users cannot be read, or a user cannot be had so. The text names the place, and no secret."""


def user_name(name: str) -> str:
    """The name in the form in which it is stored. Raises UsersError for one that no user can have."""
    try:
        prepared = ScramSecret.prepared(name)
    except ValueError as error:
        raise UsersError(f"the name {name!r} cannot be used: {error}") from None
    if prepared in RESERVED:
        raise UsersError(f"the name {name!r} cannot be used: it {RESERVED[prepared]}")
    if prepared.startswith("#") or prepared != prepared.strip():
        raise UsersError(f"the name {name!r} cannot be used: it begins with '#', or begins or ends with a space")
    return prepared


def check_iterations(number: int) -> int:
    """`number`, or UsersError."""
    if not LEAST_ITERATIONS <= number <= MOST_ITERATIONS:
        raise UsersError(f"{number} iterations; there are to be {LEAST_ITERATIONS:,} to {MOST_ITERATIONS:,}")
    return number


def verifier(text: str) -> ScramSecret:
    """The verifier that a text stands for. Raises UsersError, which does not quote it."""
    try:
        secret = ScramSecret.parse(text)
    except ValueError:
        raise UsersError("the verifier is not of the form SCRAM-SHA-256$10000:salt$stored:server") from None
    check_iterations(secret.iterations)
    return secret


def derive(password: str, salts: Sequence[bytes], iterations: int = ITERATIONS) -> dict[str, ScramSecret]:
    """The verifiers of a password. salts: one for each of MECHANISMS. Raises UsersError."""
    if not password:
        raise UsersError("the password is empty")
    try:
        made = {
            name: ScramSecret.derive(name, password, salt, check_iterations(iterations))
            for name, salt in zip(MECHANISMS, salts)
        }
    except UsersError:
        raise
    except ValueError as error:
        raise UsersError(f"the password cannot be used: {error}") from None
    return made


def read_users(path: Union[str, os.PathLike[str]]) -> Verifiers:
    """All users of the file. Raises UsersError, which names the file and the line."""
    return _parse(path, _lines(path))


def is_shared(path: Union[str, os.PathLike[str]]) -> bool:
    """Whether others than the owner may read the file, or write it."""
    return HERE.posix and bool(stat.S_IMODE(os.stat(path).st_mode) & 0o077)


def _lines(path: Union[str, os.PathLike[str]]) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UsersError(f"the file of users {os.fspath(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsersError(f"the file of users {os.fspath(path)!r} is no text in UTF-8") from None
    return lines if lines[-1] else lines[:-1]


def _is_entry(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _parse(path: Union[str, os.PathLike[str]], lines: Sequence[str]) -> Verifiers:
    users: Verifiers = {}
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines, 1):
        if not _is_entry(line):
            continue
        try:
            name, mark, text = line.rstrip().rpartition(" ")
            if not mark:
                raise UsersError("a line has a name, a space and a verifier")
            prepared = user_name(name)
            if prepared != name:
                raise UsersError(f"the name {name!r} is stored as {prepared!r} (RFC 4013)")
            secret = verifier(text)
            first = seen.setdefault((name, secret.mechanism), number)
            if first != number:
                raise UsersError(f"user {name!r} has its {secret.mechanism} in line {first} already")
        except UsersError as error:
            raise UsersError(f"{os.fspath(path)}:{number}: {error}") from None
        users.setdefault(name, {})[secret.mechanism] = secret
    return users


class UserFile:
    """The file as it is changed. Changes of two processes at once do not mix: the second is refused.

    path: where it is; `change` makes it where there is none.
    """

    def __init__(self, path: Union[str, os.PathLike[str]]) -> None:
        self.path = Path(os.path.realpath(path))
        self._new = self.path.with_name(f"{self.path.name}.new")

    def names(self) -> dict[str, list[str]]:
        """Each user, with the mechanisms that it has a verifier for."""
        return {name: list(secrets) for name, secrets in read_users(self.path).items()}

    def change(self, name: str, secrets: dict[str, ScramSecret], there: bool) -> None:
        """Give user `name` these verifiers and no others; with none, it is removed.

        there: whether it has to be there before. UsersError if it is otherwise, for a file that cannot be read, and
        while another process changes it; OSError if it cannot be written.
        """
        try:
            handle = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            text = f"{self._new} is there: another command changes the users. If it was killed, remove that file"
            raise UsersError(text) from None
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as new:
                lines = _lines(self.path) if there or self.path.exists() else []
                if (name in _parse(self.path, lines)) is not there:
                    raise UsersError(f"there is no user {name!r}" if there else f"there is a user {name!r} already")
                kept = [line for line in lines if not _is_entry(line) or line.rstrip().rpartition(" ")[0] != name]
                added = [f"{name} {secret.export()}" for secret in secrets.values()]
                new.writelines(f"{line}\n" for line in kept + added)
                self._keep_owner(new.fileno())
                new.flush()
                os.fsync(new.fileno())
            os.replace(self._new, self.path)
        except BaseException:
            self._new.unlink()
            raise

    def _keep_owner(self, handle: int) -> None:
        """A file that root changes stays that of the broker's user."""
        if sys.platform != "win32" and self.path.exists():
            before, now = self.path.stat(), os.fstat(handle)
            if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
                os.chown(handle, before.st_uid, before.st_gid)
