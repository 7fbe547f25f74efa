"""Sections of a message, written; and the values that its attributes take.

For `message` only. Errors name the attribute.
"""

from __future__ import annotations

from collections.abc import Mapping

from reactor.codec.performatives import write_composite
from reactor.codec.sections import PLAIN
from reactor.codec.types import clipped, decimal128
from reactor.codec.writers import UNWRITABLE
from reactor.errors import DataException, DecodeError, MessageException
from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import difflib
    from typing import Any, Callable
else:
    difflib = Lazily("difflib")

if TYPE_CHECKING:
    Write = Callable[[Any, bytearray], None]  #: appends a section of a message
    Content = Callable[[Any], Any]  #: the value of a section of a message

# The body of a message without one: [3.2] wants a section, and brokers refuse messages that have none.
NO_BODY = b"\x00\x53\x77\x40"

# Everything before the characters of a message that is only a short text, by its length.
TEXTS = tuple(PLAIN + bytes((0x00, 0x53, 0x77, 0xA1, n)) for n in range(256))


def is_data(body: Any) -> bool:
    """Whether a body with `inferred` travels as data."""
    return isinstance(body, (bytes, bytearray, memoryview)) and not isinstance(body, decimal128)


def mapping(name: str, value: Any) -> Any:
    """The dict for an attribute that is a map, or None. MessageException names the attribute."""
    if value is None or isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    raise MessageException("Message.%s cannot be %s: it takes a dict or None" % (name, clipped(value)))


def parts_of(name: str, kind: type, value: Any) -> list[Any]:
    """The sections of a body, each as its own `kind`. A number would make bytes too, of as many zeros."""
    try:
        return [kind(memoryview(part) if kind is bytes else part) for part in value]
    except TypeError:
        raise MessageException(
            "Message.%s cannot be %s: it takes a list of %s" % (name, clipped(value), kind.__name__)
        ) from None


def write_fields_section(out: bytearray, code: int, fields: list[Any]) -> None:
    """Append a section that is a composite. MessageException names the field that cannot be encoded."""
    try:
        write_composite(out, code, fields)
    except DataException as e:
        raise MessageException(str(e)) from None


def write_map_section(
    out: bytearray, prefix: bytes, name: str, value: Any, write: Callable[[bytearray, Any], None]
) -> None:
    """Append a section that is a map, or nothing for None. prefix: its descriptor. name: the attribute, for errors."""
    if value is None:
        return
    out += prefix
    try:
        write(out, value)
    except UNWRITABLE as e:
        raise MessageException("Message.%s cannot be sent: %s" % (name, e)) from None


def described(message: Any, defaults: dict[str, Any], size: int) -> str:
    """A message with its attributes that are not at their defaults. size: of the bytes that came."""
    try:
        message.check()
        parts = [] if message.body is None else [clipped(message.body)]
        for name in defaults:
            value = getattr(message, name)
            if name != "body" and value != defaults[name]:
                parts.append("%s=%s" % (name, clipped(value)))
    except DecodeError as e:
        return "<Message of %d bytes that cannot be decoded: %s>" % (size, e.description)
    return "Message(%s)" % ", ".join(parts)


def unknown_attribute(name: str, attributes: tuple[str, ...]) -> TypeError:
    """The error for a keyword that is none of the attributes of a message."""
    near = difflib.get_close_matches(name, attributes, 1)
    return TypeError("Message has no attribute %r%s" % (name, "; did you mean %r?" % near[0] if near else ""))
