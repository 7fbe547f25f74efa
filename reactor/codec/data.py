"""Data: a cursor over AMQP values, as python-qpid-proton has it.

Values are a forest of nodes. The cursor stands on a node, or before the first one of a level: `next` and `prev` go
along a level, `enter` and `exit` into a list, map, array or described value and out of it. `put_...` writes the node
behind the cursor and stands on it; `get_...` reads the node under it. Only applications enter: the library itself reads
and writes values as Python objects, by `decode` and `encode`, and so does this room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Optional, Union

from reactor.codec import types
from reactor.codec.decode import read_value
from reactor.codec.encode import TYPES, type_of
from reactor.codec.nodes import Node, as_array, as_described, as_dict, as_object, copies, encode_node, format_node
from reactor.codec.types import UNDESCRIBED, Array, Described, clipped, int32, symbol, timestamp
from reactor.errors import DataException, RemoteProtocolError
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import uuid

    from reactor.codec.types import AnyValue
else:
    uuid = Lazily("uuid")

_COMPOUND = (types.Data.DESCRIBED, types.Data.ARRAY, types.Data.LIST, types.Data.MAP)


class Data(types.Data):
    """A cursor over any AMQP values; and the numbers of AMQP's types, as `Array` takes them.

    It begins without values, before the first. Python objects go in by `put_object` and come out by `get_object`; the
    other methods name the AMQP type. A method that reads another type than that of the value answers the zero of its
    type, or None. A number that its type cannot hold, and an object without an AMQP type, raise DataException.

    capacity: taken, and without effect: it grows by itself.
    """

    __slots__ = ("_base", "_index", "_parent", "_root")

    put_mappings: dict[type, Callable[[AnyValue, AnyValue], None]] = {}
    get_mappings: dict[int, Callable[[AnyValue], AnyValue]] = {}

    def __init__(self, capacity: int = 16) -> None:
        self._root = Node(None, 0)
        self._parent, self._index = self._root, -1
        self._base = (self._root, -1)

    # -- the cursor --------------------------------------------------------------------------------------

    def _node(self) -> Optional[Node]:
        return self._parent.children[self._index] if 0 <= self._index < len(self._parent.children) else None

    def clear(self) -> None:
        """Forget all values."""
        self.__init__()  # type: ignore[misc]  # as new

    def rewind(self) -> None:
        """Go before the first value: of all, or, after `narrow`, of the narrowed view."""
        self._parent, self._index = self._base

    def narrow(self) -> None:
        """Make the present place the one that `rewind` returns to."""
        self._base = (self._parent, self._index)

    def widen(self) -> None:
        """Undo `narrow`: `rewind` goes before the first of all values again."""
        self._base = (self._root, -1)

    def next(self) -> Optional[int]:
        """Go to the next value of this level and answer its type. None, and no move, when there is none."""
        if self._index + 1 >= len(self._parent.children):
            return None
        self._index += 1
        return self.type()

    def prev(self) -> Optional[int]:
        """Go to the value before and answer its type. None, and no move, when there is none."""
        if self._index <= 0:
            return None
        self._index -= 1
        return self.type()

    def enter(self) -> bool:
        """Go into the present value, before its first element. False when there is no present value."""
        node = self._node()
        if node is None:
            return False
        self._parent, self._index = node, -1
        return True

    def exit(self) -> bool:
        """Go out, to the value that was entered. False on the outermost level."""
        node = self._parent
        if node.parent is None:
            return False
        self._parent, self._index = node.parent, node.position
        return True

    @property
    def depth(self) -> int:
        """The number of values that were entered and not left."""
        depth, node = 0, self._parent
        while node.parent is not None:
            depth, node = depth + 1, node.parent
        return depth

    def lookup(self, name: str) -> bool:
        """Within a map: look for the key `name`, a string or symbol, behind the cursor, and go to its value."""
        while self.next() is not None:
            node = self._node()
            if node is not None and node.kind in (self.STRING, self.SYMBOL) and node.value == name:
                return self.next() is not None
            self.next()
        return False

    def type(self) -> Optional[int]:
        """The type of the present value, one of the constants; None when there is none."""
        node = self._node()
        return None if node is None else node.kind

    def is_described(self) -> bool:
        """Whether the present value is a described one."""
        return self.type() == self.DESCRIBED

    def is_null(self) -> bool:
        """Whether the present value is null. No present value is none."""
        return self.type() == self.NULL

    # -- all of it ---------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The encoding of all values, one behind the other. DataException where one cannot be written."""
        out = bytearray()
        for node in self._root.children:
            encode_node(out, node)
        return bytes(out)

    def encoded_size(self) -> int:
        """The number of bytes that `encode` makes."""
        return len(self.encode())

    def decode(self, encoded: bytes) -> int:
        """Put the first value that `encoded` has; answers the number of its bytes. DataException for bytes that are
        none."""
        raw = bytes(encoded)
        try:
            value, after = read_value(raw, 0, len(raw))
        except RemoteProtocolError as error:
            raise DataException("these bytes are no value: %s" % error) from None
        self.put_object(value)
        if self._parent.kind == self.DESCRIBED and len(self._parent.children) > 1:
            self.exit()  # it is complete; the original leaves it, too
        return after

    def copy(self, src: Data) -> None:
        """Become a copy of the values of `src`, or of those that `rewind` leads to in its narrowed view."""
        self.clear()
        level, before = src._base
        self._root.children = copies(level.children[before + 1 :], self._root)

    def format(self) -> str:
        """The values as text, such as ``[1, "a"], {:key=true}``."""
        return ", ".join(map(format_node, self._root.children))

    def dump(self) -> None:
        """Print the values, and the place of the cursor."""
        print("%s at level %d, number %d" % (self.format(), self.depth, self._index))

    def __repr__(self) -> str:
        return "Data(%s)" % self.format()

    # -- writing -----------------------------------------------------------------------------------------

    def _put(self, kind: int, value: Any) -> Node:
        siblings = self._parent.children
        self._index += 1
        if self._index == len(siblings):
            siblings.append(Node(self._parent, self._index))
        node = siblings[self._index]
        node.fill(kind, value)
        return node

    def _put_number(self, kind: int, cls: Callable[[Any], Any], value: Any) -> None:
        if not isinstance(value, (int, float) if cls in (float, types.float32) else int):
            raise DataException("%s takes a number, not %s" % (self.type_name(kind), clipped(value)))
        self._put(kind, cls(value))

    def _put_text(self, kind: int, cls: Callable[[Any], Any], value: Any) -> None:
        if not isinstance(value, str):
            raise DataException("%s takes a str, not %s" % (self.type_name(kind), clipped(value)))
        self._put(kind, cls(value))

    def put_list(self) -> None:
        """Put an empty list; `enter` it to put its elements, and `exit`."""
        self._put(self.LIST, None)

    def put_map(self) -> None:
        """Put an empty map; `enter` it to put keys and values in turn, and `exit`."""
        self._put(self.MAP, None)

    def put_array(self, described: bool, element_type: int) -> None:
        """Put an empty array; `enter` it to put, if it is `described`, the descriptor, then the elements."""
        node = self._put(self.ARRAY, None)
        node.described, node.element = bool(described), element_type

    def put_described(self) -> None:
        """Put a described value; `enter` it to put the descriptor and the value, and `exit`."""
        self._put(self.DESCRIBED, None)

    def put_null(self) -> None:
        """Put null."""
        self._put(self.NULL, None)

    def put_bool(self, b: Union[bool, int]) -> None:
        """Put a boolean."""
        self._put(self.BOOL, bool(b))

    def put_ubyte(self, ub: Union[types.ubyte, int]) -> None:
        """Put an ubyte."""
        self._put_number(self.UBYTE, types.ubyte, ub)

    def put_byte(self, b: Union[types.byte, int]) -> None:
        """Put a byte."""
        self._put_number(self.BYTE, types.byte, b)

    def put_ushort(self, us: Union[types.ushort, int]) -> None:
        """Put an ushort."""
        self._put_number(self.USHORT, types.ushort, us)

    def put_short(self, s: Union[types.short, int]) -> None:
        """Put a short."""
        self._put_number(self.SHORT, types.short, s)

    def put_uint(self, ui: Union[types.uint, int]) -> None:
        """Put an uint."""
        self._put_number(self.UINT, types.uint, ui)

    def put_int(self, i: Union[int32, int]) -> None:
        """Put an int of 32 bits."""
        self._put_number(self.INT, int32, i)

    def put_char(self, c: Union[types.char, str]) -> None:
        """Put a char."""
        self._put_text(self.CHAR, types.char, c)

    def put_ulong(self, ul: Union[types.ulong, int]) -> None:
        """Put an ulong."""
        self._put_number(self.ULONG, types.ulong, ul)

    def put_long(self, i64: int) -> None:
        """Put a long."""
        self._put_number(self.LONG, lambda value: int(timestamp(value)), i64)  # the same range

    def put_timestamp(self, t: Union[timestamp, int]) -> None:
        """Put a timestamp: milliseconds since 1970."""
        self._put_number(self.TIMESTAMP, timestamp, t)

    def put_float(self, f: Union[types.float32, float, int]) -> None:
        """Put a float of 32 bits."""
        self._put_number(self.FLOAT, types.float32, f)

    def put_double(self, d: Union[float, int]) -> None:
        """Put a double."""
        self._put_number(self.DOUBLE, float, d)

    def put_decimal32(self, d: Union[types.decimal32, int]) -> None:
        """Put a decimal of 32 bits, by its bits."""
        self._put_number(self.DECIMAL32, types.decimal32, d)

    def put_decimal64(self, d: Union[types.decimal64, int]) -> None:
        """Put a decimal of 64 bits, by its bits."""
        self._put_number(self.DECIMAL64, types.decimal64, d)

    def put_decimal128(self, d: Union[types.decimal128, bytes]) -> None:
        """Put a decimal of 128 bits, by its 16 bytes."""
        self._put(self.DECIMAL128, types.decimal128(d))

    def put_uuid(self, u: uuid.UUID) -> None:
        """Put a UUID."""
        if not isinstance(u, uuid.UUID):
            raise DataException("uuid takes a uuid.UUID, not %s" % clipped(u))
        self._put(self.UUID, u)

    def put_binary(self, b: Union[bytes, bytearray, memoryview]) -> None:
        """Put bytes."""
        if not isinstance(b, (bytes, bytearray, memoryview)):
            raise DataException("binary takes bytes, not %s" % clipped(b))
        self._put(self.BINARY, bytes(b))

    def put_memoryview(self, mv: memoryview) -> None:
        """Put the bytes of a memoryview."""
        self.put_binary(mv)

    def put_string(self, s: str) -> None:
        """Put a string."""
        self._put_text(self.STRING, str, s)

    def put_symbol(self, s: Union[str, symbol]) -> None:
        """Put a symbol: ASCII."""
        if not str(s).isascii():
            raise DataException("a symbol is ASCII, and %s is not" % clipped(s))
        self._put_text(self.SYMBOL, symbol, s)

    def put_dict(self, d: AnyValue) -> None:
        """Put a map with the entries of a dict, or of `Pairs`."""
        self.put_map()
        self._put_within(item for pair in d.items() for item in pair)

    def put_sequence(self, s: Iterable[AnyValue]) -> None:
        """Put a list of the elements of any iterable."""
        self.put_list()
        self._put_within(s)

    def put_py_described(self, d: Described) -> None:
        """Put a Described."""
        self.put_described()
        self._put_within((d.descriptor, d.value))

    def put_py_array(self, a: Array) -> None:
        """Put an Array."""
        described = a.descriptor is not UNDESCRIBED
        self.put_array(described, a.type)
        self.enter()
        if described:
            self.put_object(a.descriptor)
        put = _PUT_BY_TYPE.get(a.type, _PUT_BY_TYPE[self.DESCRIBED])
        for element in a.elements:
            put(self, element)
        self.exit()

    def _put_within(self, values: Iterable[AnyValue]) -> None:
        self.enter()
        for value in values:
            self.put_object(value)
        self.exit()

    def put_object(self, obj: AnyValue) -> None:
        """Put any object that has an AMQP type, by the type of Python. DataException for any other."""
        put = self.put_mappings.get(type(obj))
        if put is None:
            put = _PUT_BY_TYPE[type_of(obj)]
        put(self, obj)

    # -- reading -----------------------------------------------------------------------------------------

    def _get(self, kind: int, zero: Any) -> Any:
        node = self._node()
        return node.value if node is not None and node.kind == kind else zero

    def _children(self, kind: int) -> list[Node]:
        node = self._node()
        return node.children if node is not None and node.kind == kind else []

    def get_list(self) -> int:
        """The number of elements of the present list; 0 for any other value."""
        return len(self._children(self.LIST))

    def get_map(self) -> int:
        """The number of keys and values together of the present map; 0 for any other value."""
        return len(self._children(self.MAP))

    def get_array(self) -> tuple[int, bool, Optional[int]]:
        """Of the present array: the number of elements, whether they are described, their type."""
        node = self._node()
        if node is None or node.kind != self.ARRAY:
            return 0, False, None
        return max(len(node.children) - node.described, 0), node.described, node.element

    def get_bool(self) -> bool:
        """The boolean; else False."""
        return bool(self._get(self.BOOL, False))

    def get_ubyte(self) -> types.ubyte:
        """The ubyte; else 0."""
        return types.ubyte(self._get(self.UBYTE, 0))

    def get_byte(self) -> types.byte:
        """The byte; else 0."""
        return types.byte(self._get(self.BYTE, 0))

    def get_ushort(self) -> types.ushort:
        """The ushort; else 0."""
        return types.ushort(self._get(self.USHORT, 0))

    def get_short(self) -> types.short:
        """The short; else 0."""
        return types.short(self._get(self.SHORT, 0))

    def get_uint(self) -> types.uint:
        """The uint; else 0."""
        return types.uint(self._get(self.UINT, 0))

    def get_int(self) -> int32:
        """The int of 32 bits; else 0."""
        return int32(self._get(self.INT, 0))

    def get_char(self) -> types.char:
        """The char; else the one of number 0."""
        return types.char(self._get(self.CHAR, "\0"))

    def get_ulong(self) -> types.ulong:
        """The ulong; else 0."""
        return types.ulong(self._get(self.ULONG, 0))

    def get_long(self) -> int:
        """The long; else 0."""
        return int(self._get(self.LONG, 0))

    def get_timestamp(self) -> timestamp:
        """The timestamp; else 0."""
        return timestamp(self._get(self.TIMESTAMP, 0))

    def get_float(self) -> types.float32:
        """The float of 32 bits; else 0."""
        return types.float32(self._get(self.FLOAT, 0))

    def get_double(self) -> float:
        """The double; else 0."""
        return float(self._get(self.DOUBLE, 0))

    def get_decimal32(self) -> types.decimal32:
        """The bits of the decimal of 32 bits; else 0."""
        return types.decimal32(self._get(self.DECIMAL32, 0))

    def get_decimal64(self) -> types.decimal64:
        """The bits of the decimal of 64 bits; else 0."""
        return types.decimal64(self._get(self.DECIMAL64, 0))

    def get_decimal128(self) -> types.decimal128:
        """The bytes of the decimal of 128 bits; else 16 zeros."""
        return types.decimal128(self._get(self.DECIMAL128, bytes(16)))

    def get_uuid(self) -> Optional[uuid.UUID]:
        """The UUID; else None."""
        found: Optional[uuid.UUID] = self._get(self.UUID, None)
        return found

    def get_binary(self) -> bytes:
        """The bytes; else none."""
        return bytes(self._get(self.BINARY, b""))

    def get_string(self) -> str:
        """The string; else an empty one."""
        return str(self._get(self.STRING, ""))

    def get_symbol(self) -> symbol:
        """The symbol; else an empty one."""
        return symbol(self._get(self.SYMBOL, ""))

    def get_dict(self) -> AnyValue:
        """The present map as a dict, or as `Pairs` where no dict can hold it; None when there is no present value."""
        node = self._node()
        return None if node is None else as_dict(node.children if node.kind == self.MAP else [])

    def get_sequence(self) -> Optional[list[AnyValue]]:
        """The present list as a list; None when there is no present value."""
        node = self._node()
        return None if node is None else [as_object(one) for one in node.children]

    def get_py_described(self) -> Optional[Described]:
        """The present described value as a Described; None when there is no present value."""
        node = self._node()
        return None if node is None else as_described(node)

    def get_py_array(self) -> Optional[Array]:
        """The present array as an Array; None for any other value."""
        node = self._node()
        return as_array(node) if node is not None and node.kind == self.ARRAY else None

    def get_object(self) -> AnyValue:
        """The present value as a Python object; None when there is none."""
        node = self._node()
        return None if node is None else as_object(node)


_SCALARS = {number: name for number, name in Data.type_names.items() if number != Data.NULL and number not in _COMPOUND}

#: By the number of a type: how a Python object of it is put.
_PUT_BY_TYPE: dict[int, Callable[[Data, Any], None]] = {
    Data.NULL: lambda data, value: data.put_null(),
    Data.DESCRIBED: Data.put_py_described,
    Data.ARRAY: Data.put_py_array,
    Data.LIST: Data.put_sequence,
    Data.MAP: Data.put_dict,
    **{number: vars(Data)["put_" + name] for number, name in _SCALARS.items()},
}

Data.put_mappings = {cls: _PUT_BY_TYPE[kind] for cls, (kind, _) in TYPES.items()}
Data.get_mappings = {
    Data.NULL: lambda data: None,
    Data.DESCRIBED: Data.get_py_described,
    Data.ARRAY: Data.get_py_array,
    Data.LIST: Data.get_sequence,
    Data.MAP: Data.get_dict,
    **{number: vars(Data)["get_" + name] for number, name in _SCALARS.items()},
}
