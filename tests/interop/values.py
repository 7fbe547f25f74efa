"""Every kind of value that AMQP has, made with the types of either library, and a way to compare them.

The two libraries have classes of the same names; `plain` turns a value of either into built-in Python that says
which type it had.
"""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

UUID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")


def primitives(api: SimpleNamespace) -> dict[str, Any]:
    """Values by a name that says what they are."""
    return {
        "null": None,
        "true": True,
        "false": False,
        "ubyte": api.ubyte(255),
        "ushort": api.ushort(65535),
        "uint 0": api.uint(0),
        "uint small": api.uint(255),
        "uint": api.uint(4294967295),
        "ulong 0": api.ulong(0),
        "ulong small": api.ulong(255),
        "ulong": api.ulong(18446744073709551615),
        "byte": api.byte(-128),
        "short": api.short(-32768),
        "int small": api.int32(-1),
        "int": api.int32(-2147483648),
        "long small": -1,
        "long": -9223372036854775808,
        "float": api.float32(1.5),
        "double": 0.1,
        "infinity": float("-inf"),
        "decimal32": api.decimal32(0x22500001),
        "decimal64": api.decimal64(0x2234000000000001),
        "decimal128": api.decimal128(bytes(range(16))),
        "char": api.char("\N{SNOWMAN}"),
        "timestamp": api.timestamp(1700000000123),
        "uuid": UUID,
        "binary": b"\x00\xff",
        "binary empty": b"",
        "binary long": bytes(range(256)) * 5,
        "string": "gr\u00fc\u00df dich \N{SNOWMAN}",
        "string empty": "",
        "string long": "x" * 1000,
        "symbol": api.symbol("amqp:symbol"),
        "symbol long": api.symbol("s" * 300),
    }


def compounds(api: SimpleNamespace) -> dict[str, Any]:
    """Lists, maps, arrays, described values, and each inside of the others."""
    constants = api.Data
    return {
        "list": [1, "two", None, b"three", api.symbol("four")],
        "list empty": [],
        "list long": list(range(1000)),
        "list nested": [[], [[1]], {"a": [2]}],
        "map": {"a": 1, api.symbol("b"): 2, api.uint(3): "three", UUID: None, 4: True},
        "map empty": {},
        "map nested": {"a": {"b": {"c": [{"d": 1}]}}},
        "described": api.Described(api.symbol("my:type"), [1, 2]),
        "described by number": api.Described(api.ulong(0x123456), "value"),
        # In a list: as a whole body the original encodes it rightly, and decodes it to None.
        "described nested": [api.Described(api.symbol("a"), api.Described(api.symbol("b"), None))],
        "array of int": api.Array(api.UNDESCRIBED, constants.INT, *map(api.int32, (1, 2, 3))),
        "array of long": api.Array(api.UNDESCRIBED, constants.LONG, 1, -2),
        "array of string": api.Array(api.UNDESCRIBED, constants.STRING, "a", "bb"),
        "array of symbol": api.Array(api.UNDESCRIBED, constants.SYMBOL, api.symbol("a"), api.symbol("b")),
        "array of ulong": api.Array(api.UNDESCRIBED, constants.ULONG, *map(api.ulong, (0, 1, 1 << 63))),
        "array of uuid": api.Array(api.UNDESCRIBED, constants.UUID, UUID, UUID),
        "array of bool": api.Array(api.UNDESCRIBED, constants.BOOL, True, False),
        "array empty": api.Array(api.UNDESCRIBED, constants.INT),
        "array described": api.Array(api.symbol("my:type"), constants.UINT, api.uint(1), api.uint(2)),
    }


def identifiers() -> dict[str, Any]:
    """The four kinds of message-id and correlation-id, and none. An int goes as ulong, and comes as some int."""
    return {"ulong": 7, "uuid": UUID, "binary": b"\x01\x02", "string": "id-1", "none": None}


# Names that only one of the libraries uses for the same AMQP type.
_SAME = {"memoryview": "binary", "bytes": "binary", "bytearray": "binary", "PropertyDict": "dict"}
_SAME.update({"AnnotationDict": "dict", "long": "int", "SymbolList": "list"})


def plain(value: Any) -> Any:
    """(type name, built-in value), recursively; equal for equal values of either library."""
    name = type(value).__name__
    kind = _SAME.get(name, name)
    if kind == "dict":
        items = [(plain(key), plain(entry)) for key, entry in value.items()]
        return kind, sorted(items, key=repr)
    if kind == "list":
        return kind, [plain(entry) for entry in value]
    if kind == "Array":
        descriptor = None if type(value.descriptor).__name__ == "Constant" else plain(value.descriptor)
        return kind, descriptor, int(value.type), [plain(entry) for entry in value.elements]
    if kind == "Described":
        return kind, plain(value.descriptor), plain(value.value)
    if kind in ("binary", "decimal128"):
        return kind, bytes(value)
    if isinstance(value, (bool, uuid.UUID)) or value is None:
        return kind, value
    if isinstance(value, int):
        return kind, int(value)
    if isinstance(value, float):
        return kind, float(value)
    if isinstance(value, str):
        return kind, str(value)
    raise TypeError(f"{kind}: {value!r}")
