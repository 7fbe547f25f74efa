"""The types of AMQP that Python has no word for, under the names that Proton gave them.

Open to every module; this module knows bytes only by name. A Python int is an AMQP long, a float a double,
a str a string, bytes are binary, and None, bool, list, dict and `uuid.UUID` have their own AMQP types. For the
rest of the type system [1.6] there is one class here for each type. They are ordinary ints, floats, strs and
bytes with a type's name: they compare, hash and calculate like their base, and `repr` shows their type.
"""

from __future__ import annotations

from reactor.errors import DataException
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, SupportsIndex, TypeVar, Union

    AnyValue = Any
    """Any value: of AMQP, such as the body of a message, or of the application's own, such as the context of a link.
    A type checker lets everything pass where this stands. It stands only where everything may come."""

    Integer = TypeVar("Integer", bound="_Integer")


def clipped(value: object, limit: int = 60) -> str:
    """The `repr` of a value, short enough for an error message, and never an error itself."""
    try:
        text = repr(value)
    except Exception:  # an int of 5,000 digits has no repr; a foreign class may do anything
        text = "<%s>" % type(value).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."


class _Named:
    """`repr` shows the type: the difference between ``ulong(1)`` and ``1`` matters to a peer."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, super().__repr__())


class _OutOfRange(DataException, AssertionError):
    pass


class _Integer(_Named, int):
    """An int that refuses a value out of its type's range: at once, not later on the wire. The error is an
    AssertionError, too, which is that of the original."""

    __slots__ = ()
    LOW = 0
    HIGH = 0

    def __new__(cls: type[Integer], value: Union[float, str, bytes] = 0) -> Integer:
        number = int.__new__(cls, value)
        if cls.LOW <= number <= cls.HIGH:
            return number
        raise _OutOfRange(
            "%s cannot hold %s: it goes from %d to %d" % (cls.__name__, clipped(value), cls.LOW, cls.HIGH)
        )

    __str__ = int.__repr__


class ubyte(_Integer):
    """An integer from 0 to 255."""

    __slots__ = ()
    HIGH = 0xFF


class ushort(_Integer):
    """An integer from 0 to 2**16 - 1."""

    __slots__ = ()
    HIGH = 0xFFFF


class uint(_Integer):
    """An integer from 0 to 2**32 - 1."""

    __slots__ = ()
    HIGH = 0xFFFFFFFF


class ulong(_Integer):
    """An integer from 0 to 2**64 - 1."""

    __slots__ = ()
    HIGH = 0xFFFFFFFFFFFFFFFF


class byte(_Integer):
    """An integer from -128 to 127."""

    __slots__ = ()
    LOW = -0x80
    HIGH = 0x7F


class short(_Integer):
    """An integer from -2**15 to 2**15 - 1."""

    __slots__ = ()
    LOW = -0x8000
    HIGH = 0x7FFF


class int32(_Integer):
    """An integer from -2**31 to 2**31 - 1: the type that AMQP calls int."""

    __slots__ = ()
    LOW = -0x80000000
    HIGH = 0x7FFFFFFF


class timestamp(_Integer):
    """A point in time: milliseconds since 1970-01-01 UTC, as a signed 64 bit integer."""

    __slots__ = ()
    LOW = -0x8000000000000000
    HIGH = 0x7FFFFFFFFFFFFFFF


class decimal32(_Integer):
    """An IEEE 754 decimal of 32 bits, kept as the integer that its bits make: AMQP only carries it."""

    __slots__ = ()
    HIGH = 0xFFFFFFFF


class decimal64(_Integer):
    """An IEEE 754 decimal of 64 bits, kept as the integer that its bits make."""

    __slots__ = ()
    HIGH = 0xFFFFFFFFFFFFFFFF


long = int
"""The 64 bit signed integer of AMQP: the type of Python's int."""


class float32(_Named, float):
    """A number that travels as an IEEE 754 float of 32 bits; Python's float travels as a double."""

    __slots__ = ()
    __str__ = float.__repr__


class decimal128(_Named, bytes):
    """An IEEE 754 decimal of 128 bits: its 16 bytes."""

    __slots__ = ()

    def __new__(cls, value: bytes) -> decimal128:
        if len(value) != 16:
            raise DataException("decimal128 takes 16 bytes, not %d" % len(value))
        return bytes.__new__(cls, value)


class symbol(_Named, str):
    """A word from a constrained domain, in ASCII: names of capabilities, conditions, annotation keys."""

    __slots__ = ()

class char(_Named, str):
    """A single Unicode character."""

    __slots__ = ()

    def __new__(cls, value: object) -> char:
        text = str(value)
        if len(text) != 1 or "\ud800" <= text <= "\udfff":
            raise DataException("char takes one Unicode character, not %s" % clipped(value))
        return str.__new__(cls, text)

class Constant:
    """A value that is only ever compared by identity, and prints as its name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name  # a copy, or an unpickled one, must be the same object


UNDESCRIBED = Constant("UNDESCRIBED")
"""The `descriptor` of an `Array` of elements that have none."""


class Described:
    """A value with a descriptor, which gives its meaning [1.3].

    descriptor: usually a `symbol` or a `ulong`, but any value may serve.
    value: any value.
    """

    __slots__ = ("descriptor", "value")

    def __init__(self, descriptor: AnyValue, value: AnyValue) -> None:
        self.descriptor = descriptor
        self.value = value

    def __repr__(self) -> str:
        return "Described(%r, %r)" % (self.descriptor, self.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Described):
            return bool(self.descriptor == other.descriptor and self.value == other.value)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it holds lists and dicts, which can change


class Array:
    """Values that are all of one type, which is written once [1.6.24]; iterates over its elements.

    descriptor: the descriptor that every element has, or `UNDESCRIBED`.
    type: the elements' type, one of the constants of `Data`: ``Array(UNDESCRIBED, Data.INT, 1, 2, 3)``.
    elements: a tuple.

    An array of symbols is equal to a list of the same ones: a peer's capabilities come as a SymbolList.
    """

    __slots__ = ("descriptor", "type", "elements")

    def __init__(self, descriptor: AnyValue, type: int, *elements: AnyValue) -> None:
        self.descriptor = descriptor
        self.type = type
        self.elements = elements

    def __iter__(self) -> Iterator[AnyValue]:
        return iter(self.elements)

    def __len__(self) -> int:
        return len(self.elements)

    def __getitem__(self, index: Union[SupportsIndex, slice]) -> AnyValue:
        return self.elements[index]

    def __repr__(self) -> str:
        kind = Data.type_names.get(self.type)
        head = "Array(%r, %s" % (self.descriptor, "Data." + kind.upper() if kind else repr(self.type))
        return ", ".join([head, *map(repr, self.elements)]) + ")"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Array):
            return bool(
                self.descriptor == other.descriptor
                and self.type == other.type
                and self.elements == other.elements
            )
        if isinstance(other, list) and self.type == Data.SYMBOL and self.descriptor is UNDESCRIBED:
            return len(other) == len(self.elements) and all(map(_same_symbol, self.elements, other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it may hold what can change


def _same_symbol(one: object, other: object) -> bool:
    return isinstance(other, symbol) and one == other


class Pairs:
    """A map that no dict can hold [1.6.23]: its entries, in their order, as pairs of a key and a value.

    A received map is a dict, unless entries would be lost in it, because Python cannot hash a key (a list, map,
    array or described value) or thinks two keys equal (true, 1 and 1.0; a symbol and a string); or unless its
    keys are chosen so that a large dict of them would take very long. To send such a map make one:
    ``Pairs([(1, "a"), (True, "b")])``. Nothing is looked up in it; it iterates over its pairs.

    entries: a tuple of tuples of two.
    """

    __slots__ = ("entries",)

    def __init__(self, entries: Iterable[tuple[AnyValue, AnyValue]] = ()) -> None:
        self.entries = tuple([(key, value) for key, value in entries])

    def items(self) -> tuple[tuple[AnyValue, AnyValue], ...]:
        """The pairs, as `dict.items` has them."""
        return self.entries

    def __iter__(self) -> Iterator[tuple[AnyValue, AnyValue]]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: Union[SupportsIndex, slice]) -> AnyValue:
        return self.entries[index]

    def __repr__(self) -> str:
        return "Pairs(%r)" % list(self.entries)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Pairs):
            return self.entries == other.entries
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it may hold what can change


class Data:
    """The numbers of AMQP's types, as `Array` takes them."""

    NULL = 1
    BOOL = 2
    UBYTE = 3
    BYTE = 4
    USHORT = 5
    SHORT = 6
    UINT = 7
    INT = 8
    CHAR = 9
    ULONG = 10
    LONG = 11
    TIMESTAMP = 12
    FLOAT = 13
    DOUBLE = 14
    DECIMAL32 = 15
    DECIMAL64 = 16
    DECIMAL128 = 17
    UUID = 18
    BINARY = 19
    STRING = 20
    SYMBOL = 21
    DESCRIBED = 22
    ARRAY = 23
    LIST = 24
    MAP = 25

    type_names: dict[int, str] = {}

    @classmethod
    def type_name(cls, number: int) -> str:
        """The name of the type with this number, as ``"ulong"``."""
        return cls.type_names[number]


Data.type_names = {number: name.lower() for name, number in vars(Data).items() if name.isupper()}
