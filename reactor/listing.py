"""`dir()` and `help()` of the classes that applications hold list the names that applications use.

A connection, a link or a delivery has about twice as many attributes as an application needs. The rest is for the many
rooms of the engine, and has no underscore because a name with one belongs to a single class. So the names for
applications are lists of their own: `dir()` shows them, and every other name works as before. Only `dir()` pays for
that. A class that an application derives from one of these shows its own names, too.
"""

from __future__ import annotations

from abc import ABCMeta

from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

_listed: dict[type, frozenset[str]] = {}


class Listing(type):
    """The metaclass of the classes that list the names that applications use."""

    def __dir__(cls) -> list[str]:
        return sorted(_names(cls))


class Listed(metaclass=Listing):
    """A base for the classes that list the names that applications use."""

    __slots__ = ()

    def __dir__(self) -> Iterable[str]:
        return sorted(_names(type(self)) | getattr(self, "__dict__", {}).keys())


class _AbstractListing(Listing, ABCMeta):
    """Of both kinds."""


class ListedAbstract(Listed, metaclass=_AbstractListing):
    """The same for classes with abstract methods."""

    __slots__ = ()


def listed(cls: type, *names: str) -> frozenset[str]:
    """Have `cls` list these names, each of which may be several with spaces between, and return them. They stand for
    all that it inherits, too."""
    _listed[cls] = found = frozenset(" ".join(names).split())
    return found


def _names(cls: type) -> set[str]:
    names = {name for name in type.__dir__(cls) if name.startswith("__")}
    covered: set[type] = set()
    for base in cls.__mro__:
        if base in covered:
            continue
        if base in _listed:
            names |= _listed[base]
            covered.update(base.__mro__)
        else:
            names |= vars(base).keys()
    return names


def absent(why: str) -> property:
    """A name of the original that is not there: AttributeError with the reason, when it is read or set."""

    def refuse(*_: object) -> NoReturn:
        raise AttributeError(why)

    return property(refuse, refuse)
