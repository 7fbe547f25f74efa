"""The users of a broker, and the verifiers by which their passwords are checked.

The doors enter, which give `credentials` to the listeners. A user that does not exist is answered as one that does:
with a salt, iterations and work like theirs. Passwords that a program gives are replaced by verifiers at once.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Mapping
from random import SystemRandom
from typing import Any, Callable, Optional, Union

from handlers.broker.access.userfile import (
    ITERATIONS,
    MECHANISMS,
    SALT_SIZE,
    UsersError,
    Verifiers,
    derive,
    is_shared,
    read_users,
    user_name,
    verifier,
)
from reactor import ScramSecret

log = logging.getLogger("handlers.broker")

KEY_SIZES = {"SCRAM-SHA-512": 64, "SCRAM-SHA-256": 32, "SCRAM-SHA-1": 20}
"""Bytes of the keys of each mechanism, strongest first."""

UserSource = Union[str, os.PathLike[str], Mapping[str, Any]]


class Users:
    """The users of a file, or of a mapping.

    source: the path of a file (userfile.py), which is read again when it has changed, at the next log-in; or a mapping
        of names to a ScramSecret, its text, a list of these, or a password. UsersError for one that cannot be had.
    chance: gives so many random bytes.
    """

    def __init__(self, source: UserSource, chance: Callable[[int], bytes] = SystemRandom().randbytes) -> None:
        if not isinstance(source, (str, os.PathLike, Mapping)):
            raise UsersError(f"users: a file, or passwords by name such as {{'alice': 's3cret'}}, not {source!r}")
        self._chance = chance
        self._key = chance(32)
        self.reload(source)

    def reload(self, source: UserSource) -> None:
        """Have these users from now on. UsersError for those that cannot be: then they stay as they are."""
        if isinstance(source, Mapping):
            known = {user_name(name): _verifiers(name, given, self._chance) for name, given in source.items()}
            self.path: Optional[str] = None
            self._seen: Any = None
        else:
            path = os.fspath(source)
            seen = _stamp(path)
            known = read_users(path)
            if is_shared(path):
                log.warning("others may read the file of users %r: chmod 600", path)
            self.path, self._seen = path, seen
        self._known = known
        self._shapes = _shapes(known)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def mechanisms(self) -> list[str]:
        """Those of SCRAM for which every user has a verifier: a client takes the strongest that is offered."""
        if not self._known:
            return list(MECHANISMS)
        return [name for name in KEY_SIZES if all(name in secrets for secrets in self._known.values())]

    def credentials(self, mechanism: str, user: str) -> ScramSecret:
        """The verifier by which `user` logs in, for a listener. No password fits that of a user that does not exist."""
        self.refresh()
        found = _best(self._known.get(user, {}), mechanism)
        nobody = self._nobody(mechanism, user)  # in any case: the time shall not show which users exist
        return nobody if found is None else found

    def nobody(self, mechanism: str, user: str) -> ScramSecret:
        """What a user that does not exist gets."""
        self.refresh()
        return self._nobody(mechanism, user)

    def refresh(self) -> None:
        """Read the file again, if it has changed. One that cannot be read is logged, and the users stay as they are."""
        if self.path is None:
            return
        stamp = _stamp(self.path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._known = read_users(self.path)
        except UsersError as error:
            log.error("%s; the users stay as they were", error)
            return
        self._shapes = _shapes(self._known)
        log.warning("the file of users %r has changed: %d users from now on", self.path, len(self))

    def _nobody(self, mechanism: str, user: str) -> ScramSecret:
        """A verifier like those of the others. It is the same at each attempt, as theirs are."""
        name = mechanism if mechanism in KEY_SIZES else next(iter(self.mechanisms), MECHANISMS[0])
        shapes = self._shapes.get(name) or [(SALT_SIZE, ITERATIONS)]
        salt_size, iterations = shapes[int.from_bytes(self._bytes(f"shape {user}", 8), "big") % len(shapes)]
        size = KEY_SIZES[name]
        salt = self._bytes(f"salt {name} {user}", salt_size)
        return ScramSecret(salt, iterations, self._bytes(f"keys {user}", size), self._bytes(f"more {user}", size))

    def _bytes(self, text: str, size: int) -> bytes:
        """Bytes that only this broker can know, of any number."""
        made = b""
        while len(made) < size:
            made += hmac.digest(self._key, f"{len(made)} {text}".encode("utf-8", "surrogatepass"), "sha256")
        return made[:size]


def _stamp(path: str) -> Any:
    """It differs when the file was replaced."""
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino


def _best(secrets: Mapping[str, ScramSecret], mechanism: str) -> Optional[ScramSecret]:
    """The verifier for a mechanism; for PLAIN, the strongest."""
    if mechanism in KEY_SIZES:
        return secrets.get(mechanism)
    return next((secrets[name] for name in KEY_SIZES if name in secrets), None)


def _shapes(known: Verifiers) -> dict[str, list[tuple[int, int]]]:
    """Sizes of salts, and iterations, as they occur: by mechanism."""
    shapes: dict[str, list[tuple[int, int]]] = {}
    for secrets in known.values():
        for name, secret in secrets.items():
            shapes.setdefault(name, []).append((len(secret.salt), secret.iterations))
    return shapes


def _verifiers(name: str, given: Any, chance: Callable[[int], bytes]) -> dict[str, ScramSecret]:
    """The verifiers that a program gives for a user, as `Users` takes them."""
    if isinstance(given, str) and not given.startswith("SCRAM-SHA-"):
        return derive(given, [chance(SALT_SIZE) for _ in MECHANISMS])
    found: dict[str, ScramSecret] = {}
    for one in given if isinstance(given, (list, tuple)) else [given]:
        try:
            if not isinstance(one, (str, ScramSecret)):
                raise UsersError(f"a ScramSecret, its text or a password, not {type(one).__name__}")
            secret = verifier(one.export() if isinstance(one, ScramSecret) else one)
        except UsersError as error:
            raise UsersError(f"user {name!r}: {error}") from None
        if found.setdefault(secret.mechanism, secret) is not secret:
            raise UsersError(f"user {name!r} has two verifiers for {secret.mechanism}")
    if not found:
        raise UsersError(f"user {name!r} has no verifier")
    return found
