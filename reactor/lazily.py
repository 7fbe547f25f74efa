"""Lazily: modules of the standard library, and regular expressions, that most programs never need.

`ssl`, `hashlib` and `json` take longer to import than all of this library. A program that connects in the clear
and without a password touches none of them. `logging` and `uuid` take a sixth of the time of an import, and a program
that nothing goes wrong in logs nothing. Floor 0: open to every module, below

    if TYPE_CHECKING:
        import ssl
    else:
        ssl = Lazily("ssl")

which is the one way to import something later than at the top; modules of our own are never imported so, but by a
package that lists names of its modules (`members`): each of them takes a fifth of a millisecond. What a peer can make
necessary is imported before peers come (`enter`). To compile a regular expression takes as long as to import a module:
those of the passwords, the files and the addresses are compiled when they are first used.
"""

from __future__ import annotations

import re
import sys

#: `typing.TYPE_CHECKING` without `typing`, which takes as long to import as twenty modules of ours; annotations
#: need it at no run time. Type checkers know the name wherever it comes from.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, Callable


def import_module(name: str) -> Any:
    """As that of `importlib`, which would be imported for this alone."""
    __import__(name)
    return sys.modules[name]


class Lazily:
    """Stands for the module `name`, which is imported when something in it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)  # found without this call from now on: TLS asks for names at every read
        return value


_members: dict[str, tuple[Any, list[str]]] = {}  # of each package that has some: itself, and their names


def members(package: str, **modules: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package: its names, each from the module where it is, imported when it is asked for. A
    name of a module of the package is that module."""
    itself = sys.modules[package]
    _members[package] = itself, [*modules]

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError("module %r has no attribute %r" % (package, name))
        module = import_module(modules[name])
        value = module if modules[name] == package + "." + name else getattr(module, name)
        setattr(itself, name, value)  # found without this call from now on
        return value

    return find


def enter(*packages: str) -> None:
    """Import all that these packages import later: for a program that may have no descriptor left for a file when a
    peer needs it."""
    for package in packages:
        itself, names = _members[package]
        for name in names:
            getattr(itself, name)


def enter_all(top: str) -> None:
    """The same for all packages in one that leaves its name to another module: none can be found by it then."""
    entered: set[str] = set()
    while True:
        inner = {name for name in _members if name == top or name.startswith(top + ".")} - entered
        if not inner:
            return
        enter(*sorted(inner))  # they bring others
        entered |= inner


def names_of(package: str) -> Callable[[], list[str]]:
    """The `__dir__` of a package: those of `members` are in its `__all__`, and may not have been imported."""
    itself: Any = sys.modules[package]
    return lambda: sorted({*vars(itself), *itself.__all__})


class _Pattern:
    """Stands for a regular expression, which is compiled when it is first used."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(re.compile(self._text, self._flags), attribute)
        setattr(self, attribute, value)  # found without this call from now on
        return value


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """The regular expression `text`, compiled when it is first used: `re.compile` for the top of a module."""
    return _Pattern(text, flags)  # type: ignore[return-value]
