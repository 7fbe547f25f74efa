"""Dicts and lists with the types that AMQP allows: symbol keys for properties and annotations, lists of symbols.

Open to every module; nothing of the wire is known here. They take plain strings and turn them into symbols, so
that ``PropertyDict(product="x")`` is ready for a peer that insists on the type.
"""

from __future__ import annotations

from reactor.codec.types import UNDESCRIBED, Array, Data, symbol, ulong
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Optional, SupportsIndex, TypeVar, Union

    from reactor.codec.types import AnyValue

    #: A dict, or the entries of one.
    Entries = Union[Mapping[AnyValue, AnyValue], Iterable[tuple[AnyValue, AnyValue]]]
    Same = TypeVar("Same", bound="_RestrictedDict")


class _RestrictedDict(dict["AnyValue", "AnyValue"]):
    """A dict that checks and converts its keys.

    e: as for `dict`: a dict, pairs, or None; further keys as keywords.
    raise_on_error: False takes any key as it is, for dicts that come from a peer.
    Raises KeyError for a key that may not be there.
    """

    def __init__(self, e: Optional[Entries] = None, raise_on_error: bool = True, **kwargs: AnyValue) -> None:
        super().__init__({} if e is None else e, **kwargs)
        self.raise_on_error = raise_on_error
        if not all(type(key) is symbol for key in self):
            entries = list(self.items())
            self.clear()
            self.update(entries)

    def _key(self, key: Any) -> Any:
        if type(key) is symbol:
            return key
        if isinstance(key, str):
            return symbol(key)
        if self.raise_on_error and not self._allows(key):
            raise KeyError("invalid non-symbol key: %s: %r" % (type(key), key))
        return key

    def _allows(self, key: Any) -> bool:
        return False

    def __setitem__(self, key: AnyValue, value: AnyValue) -> None:
        super().__setitem__(self._key(key), value)

    def setdefault(self, key: AnyValue, default: AnyValue = None) -> AnyValue:
        return super().setdefault(self._key(key), default)

    def update(self, *args: AnyValue, **kwargs: AnyValue) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self: Same, other: Entries) -> Same:  # type: ignore[override,misc]  # `|` answers a plain dict, as in Proton
        self.update(other)
        return self

    def copy(self: Same) -> Same:
        return type(self)(self, self.raise_on_error)

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, super().__repr__())


class PropertyDict(_RestrictedDict):
    """Properties of a connection, session, link or node: every key is a symbol."""


class AnnotationDict(_RestrictedDict):
    """Annotations of a message: every key is a symbol or a ulong."""

    def _allows(self, key: Any) -> bool:
        return type(key) is ulong


class SymbolList(list[symbol]):
    """A list of symbols, such as capabilities; a single string is a list of one.

    Raises TypeError for anything that is no string, unless `raise_on_error` is False.
    """

    def __init__(self, t: Union[str, Iterable[str], None] = None, raise_on_error: bool = True) -> None:
        super().__init__()
        self.raise_on_error = raise_on_error
        if t is not None:
            self.extend([t] if isinstance(t, str) else t)

    def _symbol(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if type(value) is symbol else symbol(value)
        if self.raise_on_error:
            raise TypeError("Non-symbol type %s: %r" % (type(value), value))
        return value

    def to_array(self) -> Array:
        """The same symbols as an AMQP array, the type of most fields of the protocol."""
        return Array(UNDESCRIBED, Data.SYMBOL, *self)

    def append(self, v: str) -> None:
        super().append(self._symbol(v))

    def extend(self, t: Iterable[str]) -> None:
        super().extend([self._symbol(v) for v in t])

    def insert(self, i: SupportsIndex, v: str) -> None:
        super().insert(i, self._symbol(v))

    def __setitem__(self, i: Any, v: AnyValue) -> None:  # a name, or names for a slice
        super().__setitem__(i, [self._symbol(x) for x in v] if isinstance(i, slice) else self._symbol(v))

    def __add__(self, t: Iterable[str]) -> SymbolList:  # type: ignore[override]  # of names, not of symbols alone
        return SymbolList([*self, *t], self.raise_on_error)

    def __iadd__(self, t: Iterable[str]) -> SymbolList:  # type: ignore[override]  # as above
        self.extend(t)
        return self

    def __repr__(self) -> str:
        return "SymbolList(%s)" % super().__repr__()


def of_symbols(names: Any) -> Optional[SymbolList]:
    """A peer's field of several symbols (none, one or an array) as a list; None stays None."""
    if names is None:
        return None
    return SymbolList(list(names) if isinstance(names, Array) else names, raise_on_error=False)
