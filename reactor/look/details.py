"""Details: a recorded frame field by field, its message section by section, as plain data for the script of a page.

A frame may be of any size and from any peer, so each text is clipped, and so is the number of entries. The secrets of
SASL are not shown, and neither are the bytes of its frames.
"""

from __future__ import annotations

from typing import Any

from reactor.codec.definitions import BY_CODE, HEADER, PROPERTIES, SECTIONS
from reactor.codec.types import Described
from reactor.errors import ReactorException
from reactor.tracing.contents import Content, clip, in_short, sections_of
from reactor.tracing.record import Record
from reactor.tracing.secrets import SECRET_FIELDS

#: Characters of a value, entries of a map, bytes of a frame that are shown; how deep composites lie in each other.
_VALUE, _ENTRIES, _BYTES, _DEPTH = 300, 40, 160, 4

_NAMES = {**{section.code: section.name for section in SECTIONS}, HEADER: "header", PROPERTIES: "properties"}
_SECRETS = {(BY_CODE[code].name, field) for code, field in SECRET_FIELDS}


def frame_details(record: Record) -> dict[str, Any]:
    """A frame: n its name, c its channel, z its size, p a problem, f its fields, m the sections of its message, b its
    bytes in hexadecimal, x how many of them are not shown."""
    raw = record.raw
    content = Content(raw)
    size = record.values.get("size")
    found: dict[str, Any] = {"n": content.name, "z": size if isinstance(size, int) else len(raw)}
    if content.name != "header":
        found["c"] = content.channel
    if content.problem or not content.whole:
        found["p"] = content.problem or "the recording has the beginning of this frame alone"
    fields = [[name, _value(content.name, name, value)] for name, value in content.fields.items() if value is not None]
    if fields:
        found["f"] = fields
    if content.payload:
        found["m"] = _message(content)
    if not content.name.startswith("sasl-"):
        found["b"] = raw[:_BYTES].hex()
        if len(raw) > _BYTES:
            found["x"] = len(raw) - _BYTES
    return found


def _value(composite: str, field: str, value: Any, depth: int = 0) -> Any:
    if (composite, field) in _SECRETS:
        return "(not shown)"
    if isinstance(value, Described) and isinstance(value.value, list) and depth < _DEPTH:
        known = BY_CODE.get(value.descriptor) if isinstance(value.descriptor, int) else None
        if known is not None:
            pairs = [(each.name, inner) for each, inner in zip(known.fields, value.value) if inner is not None]
            return {"n": known.name, "f": [[name, _value(known.name, name, inner, depth + 1)] for name, inner in pairs]}
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return in_short(value, _VALUE)


def _message(content: Content) -> list[Any]:
    """The sections: of each its name, and its entries or its value."""
    fields = content.fields
    if fields.get("more"):
        return [["part", "%d bytes of a message of several frames" % len(content.payload)]]
    try:
        sections = sections_of(content.payload)
    except (ReactorException, ValueError, LookupError, RecursionError) as error:
        return [["part", "%d bytes: %s" % (len(content.payload), clip(str(error), 120))]]
    return [[_NAMES.get(code, "0x%x" % code), _section(code, value)] for code, value in sections]


def _section(code: int, value: Any) -> Any:
    if code in BY_CODE and isinstance(value, list):
        pairs = [(field.name, each) for field, each in zip(BY_CODE[code].fields, value) if each is not None]
        return [[name, _text(each)] for name, each in pairs]
    if isinstance(value, dict):
        entries = [[in_short(key, 80), _text(each)] for key, each in list(value.items())[:_ENTRIES]]
        if len(value) > _ENTRIES:
            entries.append(["...", "%d more" % (len(value) - _ENTRIES)])
        return entries
    return _text(value)
