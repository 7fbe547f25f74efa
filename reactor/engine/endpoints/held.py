"""The lists and maps of a terminus: Python's own, with the methods of Data as well, as the original hands them out.

Applications use them as a list or a dict. Programs for the original use them as a cursor: each method of Data is there.
It works on a Data with the present content, and what it writes becomes the content. Termini own them.
"""

from __future__ import annotations

from reactor import codec
from reactor.codec.types import UNDESCRIBED, Array, Data, symbol
from reactor.engine.endpoints.fields import check_key
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Optional

    from reactor.codec.dicts import Entries
    from reactor.codec.types import AnyValue

#: Methods of Data that change it, beside those that put.
_CHANGES = ("clear", "copy", "decode")


class Cursor:
    """A Data that follows the content of a list or map, and the other way round.

    read: answers the content as one value, None for none. write: takes such a value.
    """

    __slots__ = ("_data", "_read", "_shape", "_write")

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self._read = read
        self._write = write
        self._data = codec.Data()
        self._shape: Any = None

    def at(self) -> codec.Data:
        """The Data, with the present content."""
        content = self._read()
        if content != self._shape:
            was_read = self._data.type() is not None
            self._data = codec.Data()
            if content is not None:
                self._data.put_object(content)
                if not was_read:
                    self._data.rewind()
            self._shape = content
        return self._data

    def is_inside(self) -> bool:
        """Whether the program has entered the value, to write or read its elements."""
        return self.at().depth > 0

    def attribute(self, name: str) -> Any:
        """The attribute of Data of that name; a method that writes also changes the content."""
        data = self.at()
        value = getattr(data, name)
        if not callable(value) or not (name.startswith("put_") or name in _CHANGES):
            return value

        def call(*arguments: Any) -> Any:
            answer = value(*arguments)
            copy = codec.Data()
            copy.copy(data)
            copy.next()
            self._write(copy.get_object())
            self._shape = self._read()
            return answer

        return call


class Values(list["AnyValue"]):
    """A list of values with the methods of Proton's Data as well: put_object and its kin.

    listed: whether an array or a list was put: a single value is written as an array then, and as itself otherwise.
        [1.4] takes both for the same; RabbitMQ 4.3 reads the capability temporary-queue from an array alone.
    """

    __slots__ = ("_cursor", "listed")

    def __init__(self, values: Iterable[AnyValue] = ()) -> None:
        super().__init__(values)
        self._cursor: Optional[Cursor] = None
        self.listed: bool = getattr(values, "listed", False)

    def put_object(self, value: AnyValue) -> None:
        """Append `value`: a symbol, or a list or array of them."""
        if self._cursor is not None and self._cursor.is_inside():
            self._cursor.attribute("put_object")(value)
        elif isinstance(value, (Array, list, tuple)):
            self.extend(value)
            self.listed = True
        else:
            self.append(value)

    put_sequence = put_object
    put_py_array = put_object

    def put_symbol(self, value: str) -> None:
        """Append a symbol."""
        self.put_object(symbol(value))

    def copy(self, src: Optional[Values] = None) -> list[AnyValue]:
        """A list of the values; or, with `src`, become a copy of that."""
        if src is not None:
            self[:] = src
            self.listed = src.listed
        return list(self)

    def get_object(self) -> AnyValue:
        """None when empty, the value when one was put, else an Array of them. Of a program that has entered the array:
        the present element."""
        if self._cursor is not None and self._cursor.is_inside():
            return self._cursor.at().get_object()
        return self._content()

    def _content(self) -> AnyValue:
        if not self:
            return None
        return self[0] if len(self) == 1 and not self.listed else Array(UNDESCRIBED, Data.SYMBOL, *self)

    def _take(self, content: AnyValue) -> None:
        several = isinstance(content, (Array, list))
        self[:] = content if several else [] if content is None else [content]
        self.listed = several

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(codec.Data, name):
            raise AttributeError("a list of a terminus has no attribute %r" % name)
        if self._cursor is None:
            self._cursor = Cursor(self._content, self._take)
        return self._cursor.attribute(name)


class Map(dict["AnyValue", "AnyValue"]):
    """A dict with the methods of Proton's Data as well: put_dict and put_object. DataException for a key that is
    neither a symbol nor a str; one made of a peer's field keeps any key."""

    __slots__ = ("_cursor",)

    def __init__(self, entries: Entries = ()) -> None:
        super().__init__(entries)
        self._cursor: Optional[Cursor] = None

    def __setitem__(self, key: AnyValue, value: AnyValue) -> None:
        check_key("filters and properties", key)
        super().__setitem__(key, value)

    def put_dict(self, entries: Entries) -> None:
        """Add `entries`."""
        for key, value in dict(entries).items():
            self[key] = value

    def put_object(self, value: AnyValue) -> None:
        """Add the entries of a dict. Of a program that has entered the map: put a key or a value."""
        if self._cursor is not None and self._cursor.is_inside():
            self._cursor.attribute("put_object")(value)
        else:
            self.put_dict(value)

    def copy(self, src: Optional[Map] = None) -> dict[AnyValue, AnyValue]:
        """A dict of the entries; or, with `src`, become a copy of that."""
        if src is not None:
            self._take(dict(src))
        return dict(self)

    def get_dict(self) -> dict[AnyValue, AnyValue]:
        """The entries as a plain dict."""
        return dict(self)

    def get_object(self) -> AnyValue:
        """The entries as a plain dict, None when there are none. Of a program that has entered the map: the present key
        or value."""
        if self._cursor is not None and self._cursor.is_inside():
            return self._cursor.at().get_object()
        return self._content()

    def _content(self) -> Optional[dict[AnyValue, AnyValue]]:
        return dict(self) or None

    def _take(self, content: AnyValue) -> None:
        self.clear()
        if isinstance(content, dict):
            self.update(content)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(codec.Data, name):
            raise AttributeError("a map of a terminus has no attribute %r" % name)
        if self._cursor is None:
            self._cursor = Cursor(self._content, self._take)
        return self._cursor.attribute(name)
