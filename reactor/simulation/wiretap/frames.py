"""Frames by name and field: as they pass on a simulated network, and as a scripted peer sends and expects them.

Faults, properties and peers enter. It trusts the codec for bytes and the trace for words, and knows no network.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Optional

from reactor.codec.definitions import BY_CODE, BY_NAME, Field
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.codec.types import Array, Described
from reactor.errors import ReactorException
from reactor.tracing.text import HEADER_LAYERS, describe, format_value

#: Names of parts that are no composite: "header" is a protocol header, "empty" a heartbeat, "unknown" the rest.
HEADER, EMPTY, UNKNOWN = "header", "empty", "unknown"

_SASL_NAMES = frozenset(name for name in BY_NAME if name.startswith("sasl-"))


class Frame:
    """One frame or protocol header, read as far as it is asked.

    raw: its bytes.

    A field of it is an attribute, ``frame.link_credit`` for link-credit: None when it is not there, or null.
    AttributeError for one that the specification does not have.
    """

    __slots__ = ("_read", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._read: Optional[tuple[str, dict[str, Any], bytes]] = None

    @property
    def descriptor(self) -> int:
        """The performative's code, such as 0x14 for transfer; -1 where there is none. Cheap."""
        raw = self.raw
        if len(raw) < 12 or raw[0] >= 0x10:
            return -1
        at = raw[4] * 4
        if raw[at : at + 2] == b"\x00\x53" and at + 2 < len(raw):
            return raw[at + 2]
        composite = BY_NAME.get(self.performative)
        return -1 if composite is None else composite.code

    @property
    def performative(self) -> str:
        """Its name as in the specification; "header", "empty" or "unknown" where there is none."""
        return self._contents()[0]

    @property
    def fields(self) -> dict[str, Any]:
        """The fields by their names in the specification, without nulls."""
        return self._contents()[1]

    @property
    def payload(self) -> bytes:
        """The bytes behind the performative: those of a message, or a part of them."""
        return self._contents()[2]

    @property
    def channel(self) -> int:
        """The channel; 0 for a header."""
        raw = self.raw
        return int.from_bytes(raw[6:8], "big") if len(raw) >= 8 and raw[0] < 0x10 else 0

    @property
    def text(self) -> str:
        """It as a line of the trace shows it."""
        return describe(self.raw)[2]

    def __getattr__(self, name: str) -> Any:
        kind, fields, _ = self._contents()
        field = name.replace("_", "-")
        if field not in fields and not has_field(kind, field):
            raise AttributeError(f"{kind} has no field {field}")
        return fields.get(field)

    def __repr__(self) -> str:
        return f"<Frame {self.text}>"

    def _contents(self) -> tuple[str, dict[str, Any], bytes]:
        if self._read is None:
            self._read = _read(self.raw)
        return self._read


def _read(raw: bytes) -> tuple[str, dict[str, Any], bytes]:
    if raw.startswith(b"AMQP"):
        layer = HEADER_LAYERS.get(raw[4], raw[4]) if len(raw) == 8 else None
        return HEADER, {"layer": layer}, b""
    if len(raw) < 8 or raw[0] >= 0x10:
        return UNKNOWN, {}, b""
    start = raw[4] * 4
    if len(raw) == start:
        return EMPTY, {}, b""
    try:
        code, values, end = decode_composite(raw, start, len(raw))
        composite = BY_CODE[code]
    except (ReactorException, LookupError, ValueError):
        return UNKNOWN, {}, b""
    names = (field.name for field in composite.fields)
    return composite.name, {name: value for name, value in zip(names, values) if value is not None}, raw[end:]


class Composite:
    """A composite within a frame: `composite` makes it."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.name = name
        self.fields = fields

    def __repr__(self) -> str:
        return show(self.name, self.fields)


def composite(name: str, /, **fields: Any) -> Composite:
    """A composite that stands in a field of another one, to be said or to be expected there.

    ``composite("source", address="jobs")``, ``composite("accepted")``, ``composite("error",
    condition="amqp:not-found")``. Expected, it agrees with whatever has these fields, and perhaps others.
    TypeError for a name or a field that the specification does not have.
    """
    check_names(name, fields)
    return Composite(name, fields)


def make_frame(name: str, /, channel: int = 0, payload: bytes = b"", **fields: Any) -> bytes:
    """The bytes of a frame. name: of its performative; "empty" for a heartbeat. fields: with underscores.

    TypeError for a name or a field that the specification does not have, DataException for a value that cannot
    be written there.
    """
    check_names(name, fields)
    body = b"" if name == EMPTY else encode(name, fields)
    kind = 1 if name in _SASL_NAMES else 0
    head = (8 + len(body) + len(payload)).to_bytes(4, "big") + bytes((2, kind)) + channel.to_bytes(2, "big")
    return head + body + payload


def encode(name: str, fields: dict[str, Any]) -> bytes:
    """The bytes of a performative."""
    return encode_composite(BY_NAME[name].code, _values(name, fields))


def _values(name: str, fields: dict[str, Any]) -> list[Any]:
    known = BY_NAME[name].fields
    values: list[Any] = [None] * len(known)
    places = {field.name.replace("-", "_"): place for place, field in enumerate(known)}
    for key, value in fields.items():
        if isinstance(value, Composite):
            value = Described(BY_NAME[value.name].code, _values(value.name, value.fields))
        values[places[key]] = value
    return values


def has_field(name: str, field: str) -> bool:
    """Whether the specification gives that performative such a field, spelled as there."""
    if name == HEADER:
        return field == "layer"
    return name in BY_NAME and any(known.name == field for known in BY_NAME[name].fields)


def check_names(name: str, fields: dict[str, Any]) -> None:
    """Raise TypeError, with a suggestion, for a name or a field that there is not."""
    if name not in BY_NAME and name not in (HEADER, EMPTY):
        raise TypeError(f"there is no performative {name!r}{hint(name, BY_NAME)}")
    for key in fields:
        if not has_field(name, key.replace("_", "-")):
            known = BY_NAME[name].fields if name in BY_NAME else ()
            names = [field.name.replace("-", "_") for field in known]
            raise TypeError(f"{name} has no field {key!r}{hint(key, names)}")


def hint(name: str, known: Iterable[str]) -> str:
    """The nearest known name to an unknown one, as the end of an error's text."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


# -- expected and seen -----------------------------------------------------------------------------------


def differences(expected: dict[str, Any], frame: Frame) -> list[str]:
    """The differences of a frame from the expected one, a line for each field.

    An expected value is a value, None for a field that is not there, a `composite`, or something to call with
    the value, which answers whether it is right. A missing field counts as the specification's default.
    """
    return _compare(frame.performative, expected, frame.fields, "")


def _compare(name: str, expected: dict[str, Any], seen: dict[str, Any], path: str) -> list[str]:
    lines = []
    for key, wanted in expected.items():
        field = key.replace("_", "-")
        value = seen.get(field)
        where = path + field
        if isinstance(wanted, Composite):
            inner = _fields_of(wanted.name, value)
            if inner is not None:
                lines += _compare(wanted.name, wanted.fields, inner, where + ".")
                continue
        elif agrees(_field(name, field), wanted, value):
            continue
        lines.append(f"{where}: expected {show_value(wanted)}, seen {show_value(value)}")
    return lines


def agrees(field: Optional[Field], wanted: Any, value: Any) -> bool:
    """Whether a field's value is as wanted."""
    if callable(wanted):
        return bool(wanted(value))
    if value is None and wanted is not None and field is not None:
        value = False if field.primitive == "boolean" else field.default
    if isinstance(value, Array) and not isinstance(wanted, Array):
        value, wanted = list(value), [wanted] if isinstance(wanted, str) else list(wanted)
    return bool(wanted == value)


def _field(name: str, field: str) -> Optional[Field]:
    known = BY_NAME[name].fields if name in BY_NAME else ()
    return next((one for one in known if one.name == field), None)


def _fields_of(name: str, value: Any) -> Optional[dict[str, Any]]:
    """The fields of a composite within, None when it is not of that name."""
    code = BY_NAME[name].code
    if not isinstance(value, Described) or value.descriptor != code or not isinstance(value.value, list):
        return None
    return dict(zip((field.name for field in BY_NAME[name].fields), value.value))


def show(name: str, fields: dict[str, Any]) -> str:
    """Name and fields as the trace writes them."""
    shown = ", ".join(f"{key.replace('_', '-')}={show_value(value)}" for key, value in fields.items())
    title = name if name in (HEADER, EMPTY) else f"@{name}"
    return f"{title} [{shown}]" if shown else title


def show_value(value: Any) -> str:
    """One value, or the function that checks it."""
    if isinstance(value, Composite):
        return repr(value)
    if callable(value):
        return f"a value that {getattr(value, '__name__', value)} accepts"
    return format_value(value)
