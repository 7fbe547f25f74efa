"""The forest of values that Data is a cursor over: its nodes, and the nodes as bytes, as Python objects and as text.

It knows no cursor. Only data.py enters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional

from reactor.codec.encode import write_elements, write_value
from reactor.codec.types import UNDESCRIBED, Array, Data, Described, Pairs


class Node:
    """A value, or a compound one with those below it. position: among its siblings."""

    __slots__ = ("children", "described", "element", "kind", "parent", "position", "value")

    def __init__(self, parent: Optional[Node], position: int) -> None:
        self.parent = parent
        self.position = position
        self.fill(Data.NULL, None)

    def fill(self, kind: int, value: Any) -> None:
        """Become another value; the ones below are gone."""
        self.kind = kind
        self.value = value
        self.described = False
        self.element: Optional[int] = None
        self.children: list[Node] = []


def copies(nodes: Iterable[Node], parent: Node) -> list[Node]:
    """Nodes like these, for another parent."""
    made = []
    for position, node in enumerate(nodes):
        copy = Node(parent, position)
        copy.fill(node.kind, node.value)
        copy.described, copy.element = node.described, node.element
        copy.children = copies(node.children, copy)
        made.append(copy)
    return made


def as_object(node: Node) -> Any:
    if node.kind == Data.LIST:
        return [as_object(one) for one in node.children]
    if node.kind == Data.MAP:
        return as_dict(node.children)
    if node.kind == Data.DESCRIBED:
        return as_described(node)
    if node.kind == Data.ARRAY:
        return as_array(node)
    return node.value


def as_dict(children: list[Node]) -> Any:
    values = [as_object(one) for one in children]
    pairs = list(zip(values[::2], values[1::2] + [None]))
    try:
        found = dict(pairs)
    except TypeError:
        return Pairs(pairs)
    return found if len(found) == len(pairs) else Pairs(pairs)


def as_described(node: Node) -> Described:
    descriptor, value = ([as_object(one) for one in node.children] + [None, None])[:2]
    return Described(descriptor, value)


def as_array(node: Node) -> Array:
    values = [as_object(one) for one in node.children]
    descriptor: Any = UNDESCRIBED
    if node.described:
        descriptor, values = (values[0], values[1:]) if values else (None, [])
    return Array(descriptor, node.element or Data.NULL, *values)


def encode_node(out: bytearray, node: Node) -> None:
    if node.kind in (Data.LIST, Data.MAP):
        if node.kind == Data.LIST and not node.children:
            out.append(0x45)
            return
        body = bytearray()
        for one in node.children:
            encode_node(body, one)
        out.append(0xD0 if node.kind == Data.LIST else 0xD1)
        out += (len(body) + 4).to_bytes(4, "big") + len(node.children).to_bytes(4, "big") + body
    elif node.kind == Data.DESCRIBED:
        out.append(0x00)
        for one in node.children:
            encode_node(out, one)
    elif node.kind == Data.ARRAY:
        array = as_array(node)
        body = bytearray()
        if node.described and node.children:
            body.append(0x00)
            encode_node(body, node.children[0])
        write_elements(body, array.type, array.elements)
        out += b"\xf0" + (len(body) + 4).to_bytes(4, "big") + len(array).to_bytes(4, "big") + body
    else:
        write_value(out, node.value)


# -- nodes as text -------------------------------------------------------------------------------------------


def format_node(node: Node) -> str:
    parts = map(format_node, node.children)
    if node.kind == Data.LIST:
        return "[%s]" % ", ".join(parts)
    if node.kind == Data.MAP:
        return "{%s}" % "".join(_map_parts(parts))
    if node.kind == Data.DESCRIBED:
        return "@" + " ".join(parts)
    if node.kind == Data.ARRAY:
        return "@PN_%s[%s]" % (Data.type_name(node.element or Data.NULL).upper(), ", ".join(parts))
    return _FORMATS.get(node.kind, str)(node.value)


def _map_parts(parts: Iterable[str]) -> Iterator[str]:
    for number, part in enumerate(parts):
        yield ("" if not number else "=" if number % 2 else ", ") + part


def _quoted(raw: bytes) -> str:
    shown = (chr(one) if 0x20 <= one < 0x7F and one not in b'"\\' else "\\x%02x" % one for one in raw)
    return '"%s"' % "".join(shown)


def _format_symbol(value: str) -> str:
    plain = all(one.isalnum() or one in "-_.:" for one in value) and value
    return ":" + (value if plain else _quoted(value.encode()))


_FORMATS: dict[int, Callable[[Any], str]] = {
    Data.NULL: lambda value: "null",
    Data.BOOL: lambda value: "true" if value else "false",
    Data.FLOAT: lambda value: "%g" % value,
    Data.DOUBLE: lambda value: "%g" % value,
    Data.DECIMAL32: lambda value: "D32(%d)" % value,
    Data.DECIMAL64: lambda value: "D64(%d)" % value,
    Data.DECIMAL128: lambda value: "D128(%s)" % bytes(value).hex(),
    Data.UUID: lambda value: "UUID(%s)" % value,
    Data.BINARY: lambda value: "b" + _quoted(value),
    Data.STRING: lambda value: _quoted(value.encode()),
    Data.SYMBOL: _format_symbol,
}
