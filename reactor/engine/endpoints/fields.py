"""Fields: values that an application sets on connections, sessions, links and termini, and their form on the wire.

Some values fit their field's type and are invalid all the same: a settle mode of 7, a property with a number for its
key. A peer would close the endpoint for them. So they are refused here, at the call that would send them, by the name
of the attribute. It knows no endpoint.
"""

from __future__ import annotations

from reactor.codec.dicts import SymbolList
from reactor.codec.types import Array, symbol
from reactor.errors import DataException
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any, Optional, Union

    #: Names as the application may give them: one, several, or none.
    Names = Union[None, str, Iterable[str], Array]


def symbol_keys(name: str, entries: Any) -> Optional[dict[Any, Any]]:
    """`entries` with symbols in place of strings for keys: peers refuse other keys [3.5.3]. None for none.
    DataException, with the `name` of the attribute, for a value that is no dict or has other keys."""
    if entries is None:
        return None
    if not isinstance(entries, dict):
        raise DataException("%s is a dict or None, not %r" % (name, entries))
    for key in entries:
        check_key(name, key)
    return as_symbols(entries)


def check_key(name: str, key: Any) -> None:
    """DataException, with the `name` of the attribute, for a key that is neither a symbol nor a str."""
    if not isinstance(key, str):
        raise DataException("the keys of %s are symbols or str, not %r" % (name, key))


def as_symbols(entries: Optional[dict[Any, Any]]) -> Optional[dict[Any, Any]]:
    """`entries` with symbols in place of strings for keys; None for none. Another key, which a peer may have sent,
    stays as it is."""
    if not entries:
        return None
    return {symbol(key) if type(key) is str else key: value for key, value in entries.items()}


def symbol_list(name: str, value: Any) -> Optional[SymbolList]:
    """Names as the application may give them (one, a list, an Array), as symbols; None for none. DataException, with
    the `name` of the attribute, for a value that is no name."""
    if value is None:
        return None
    given = value.elements if isinstance(value, Array) else value
    try:
        return SymbolList(given) or None
    except TypeError:
        raise DataException("%s is a name, a list of names or None, not %r" % (name, value)) from None


def one_of(name: str, value: Any, known: Collection[int]) -> int:
    """`value`, if it is one of `known`; else DataException, with the `name` of the attribute."""
    if type(value) is int and value in known:
        return value
    if not isinstance(value, int) or isinstance(value, bool) or value not in known:
        raise DataException("%s cannot be %r: it is one of %s" % (name, value, ", ".join(map(str, sorted(known)))))
    return value


def link_name(name: Any) -> str:
    """`name`, if it is a str; else TypeError."""
    if not isinstance(name, str):
        raise TypeError("a link's name must be a str, not %r" % (name,))
    return name


def count(name: str, value: Any, largest: int) -> int:
    """`value`, if it is a whole number from 0 to `largest`; else DataException, with the `name` of the attribute."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise DataException("%s cannot be %r: it takes an int from 0 to %d" % (name, value, largest))
    return value


def as_bool(name: str, value: Any) -> bool:
    """TypeError for a value that is neither True nor False: a text such as "no" would mean yes."""
    if not isinstance(value, bool):
        raise TypeError("%s() takes True or False, not %r" % (name, value))
    return value
