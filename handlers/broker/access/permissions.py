"""The permissions of users, as plain data: a table by user, permission and address.

    {"alice": {"send": ["jobs", "news.*"], "receive": ["results"], "create": ["jobs"]},
     "ops": {"manage": true},
     "*": {"receive": ["news.*"], "dynamic": true}}

The doors enter. It knows no client; the name `*` is for all users, and a user has the permissions of both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from typing import Any, Callable

SEND, RECEIVE, CREATE = ADDRESSED = ("send", "receive", "create")
DYNAMIC, MANAGE = FLAGS = ("dynamic", "manage")

EVERY_USER = "*"

MOST_PATTERN = 1024
"""Characters. No address is longer."""


class PermissionsError(ValueError):
    """A table of permissions cannot be had so. The text names the place."""


class Permissions:
    """A table of permissions: by user; then by permission: patterns of addresses, or whether it is given.

    send, receive, create: patterns as in file names (`*`, `?`, `[abc]`), of the addresses to which the user may send,
    from which it may receive, and which it may make by the first link to them. dynamic: whether it may have nodes with
    addresses of their own. manage: whether it may look into the broker and change it.
    """

    def __init__(self, table: Any) -> None:
        if not isinstance(table, Mapping):
            raise PermissionsError(f"permissions: {table!r} is no object with users")
        self._patterns: dict[tuple[str, str], list[Callable[[str], Any]]] = {}
        self._flags: set[tuple[str, str]] = set()
        for user, given in table.items():
            if not isinstance(user, str) or not user:
                raise PermissionsError(f"permissions: {user!r} is no name of a user")
            if not isinstance(given, Mapping):
                raise PermissionsError(f"permissions.{user}: {given!r} is no object such as {{'send': ['jobs']}}")
            for name, value in given.items():
                self._add(f"permissions.{user}.{name}", user, name, value)

    def _add(self, place: str, user: str, name: str, value: Any) -> None:
        if name in ADDRESSED:
            if not isinstance(value, (list, tuple)):
                raise PermissionsError(f"{place}: {value!r} is no list of patterns such as ['jobs', 'news.*']")
            self._patterns[user, name] = [_pattern(f"{place}[{at}]", text) for at, text in enumerate(value)]
        elif name in FLAGS:
            if not isinstance(value, bool):
                raise PermissionsError(f"{place}: {value!r} is neither true nor false")
            if value:
                self._flags.add((user, name))
        else:
            raise PermissionsError(f"{place}: no such permission; there are {', '.join(ADDRESSED + FLAGS)}")

    def may(self, user: str, permission: str, address: str) -> bool:
        """Whether `user` has one of the permissions with patterns, for this address."""
        for name in (user, EVERY_USER):
            for matches in self._patterns.get((name, permission), ()):
                if matches(address):
                    return True
        return False

    def has(self, user: str, permission: str) -> bool:
        """Whether `user` has a permission without patterns; of one with patterns, whether it has it anywhere."""
        keys = (user, permission), (EVERY_USER, permission)
        return any(key in self._flags or self._patterns.get(key) for key in keys)


def _pattern(place: str, text: Any) -> Callable[[str], Any]:
    if not isinstance(text, str) or not 0 < len(text) <= MOST_PATTERN:
        raise PermissionsError(f"{place}: {str(text)[:40]!r} is no pattern: a text of 1 to {MOST_PATTERN} characters")
    if "[" in re.sub(r"\[!?.[^\]]*\]", "", text, flags=re.DOTALL):
        raise PermissionsError(f"{place}: {text!r} has a '[' without ']'; for the character itself, write '[[]'")
    try:
        return re.compile(translate(text)).match
    except re.error as error:  # a range that ends before it begins, up to Python 3.10
        raise PermissionsError(f"{place}: the pattern {text!r} cannot be used: {error}") from None
