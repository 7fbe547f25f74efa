"""The attributes of a message that are fields of its header and its properties: the values that may be assigned,
the fields that travel, and the values that are read.

For `message` only. A field is kept as it travels (milliseconds, symbols, None for not set); the attribute is
made from it when it is read, and checked when it is assigned, so that the error names the line that is wrong.
"""

from __future__ import annotations

import math

from reactor.codec.origin import Origin
from reactor.codec.sections import FIELDS_CHANGED, HEADER_CHANGED, read_header, read_properties
from reactor.codec.types import clipped, symbol, timestamp, ulong
from reactor.errors import MessageException
from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.listing import Listed

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping
    from typing import Any, Callable, Optional, Protocol, TypeVar, Union

    from reactor.codec.sections import Spans
    from reactor.codec.types import AnyValue
else:
    uuid = Lazily("uuid")


if TYPE_CHECKING:
    Read = TypeVar("Read", covariant=True)
    Written = TypeVar("Written", contravariant=True)

    #: The name of a message.
    MessageId = Union[str, int, "uuid.UUID", bytes, None]

    class Attribute(Protocol[Read, Written]):
        """An attribute below, for type checkers: the type that it reads as, and the types that it takes. An attribute
        that is never None takes None for its default."""

        def __get__(self, message: Any, owner: Any) -> Read: ...

        def __set__(self, message: Any, value: Written) -> None: ...


class Kind:
    """A kind of attribute: `to_wire` makes the field from the assigned value, `to_python` the answer from
    the field.

    expected: the values that `to_wire` takes, for the error message.
    default: the answer when the field is not set.
    exact: values of this very type travel as they are.
    """

    def __init__(
        self,
        expected: str,
        default: Any,
        to_wire: Callable[[Any], Any],
        to_python: Optional[Callable[[Any], Any]] = None,
        exact: Optional[type] = None,
    ) -> None:
        self.expected = expected
        self.default = default
        self.to_wire = to_wire
        self.to_python = to_python
        self.exact = exact

    def field(self, name: str, value: Any) -> Any:
        """The field for an assigned value. Raises MessageException that names the attribute."""
        if value is None:
            return None
        try:
            return self.to_wire(value)
        except (TypeError, ValueError, OverflowError, AttributeError):
            raise MessageException(
                "Message.%s cannot be %s: it takes %s" % (name, clipped(value), self.expected)
            ) from None


def in_header(name: str, position: int, kind: Kind, doc: str) -> Any:
    """The attribute `name`, which is the field at `position` of the header section."""
    default, to_python, exact = kind.default, kind.to_python, kind.exact

    def get(message: Any) -> Any:
        value = (message.header_fields or message.load_header())[position]
        if value is None:
            return default
        return to_python(value) if to_python is not None else value

    def set(message: Any, value: Any) -> None:
        field = value if type(value) is exact else kind.field(name, value)
        (message.header_fields or message.load_header())[position] = field
        message.changed |= HEADER_CHANGED

    return property(get, set, doc=doc)


def in_properties(name: str, position: int, kind: Kind, doc: str) -> Any:
    """The attribute `name`, which is the field at `position` of the properties section."""
    default, to_python, exact = kind.default, kind.to_python, kind.exact

    def get(message: Any) -> Any:
        value = (message.property_fields or message.load_properties())[position]
        if value is None:
            return default
        return to_python(value) if to_python is not None else value

    def set(message: Any, value: Any) -> None:
        field = value if type(value) is exact else kind.field(name, value)
        (message.property_fields or message.load_properties())[position] = field
        message.changed |= FIELDS_CHANGED

    return property(get, set, doc=doc)


def _flag(value: Any) -> Optional[bool]:
    return True if value else None  # false is the default of an absent field


def _integer(value: Any, highest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    if not 0 <= value <= highest:
        raise ValueError
    return int(value)


def _priority(value: Any) -> Optional[int]:
    number = _integer(value, 0xFF)
    return None if number == 4 else number


def _count(value: Any) -> Optional[int]:
    return _integer(value, 0xFFFFFFFF) or None


def _milliseconds(value: Any) -> Optional[int]:
    if value == math.inf:
        return None  # for ever, which is the default
    return _integer(round(value * 1000), 0xFFFFFFFF) or None


def _moment(value: Any) -> Optional[timestamp]:
    milliseconds = round(value * 1000)
    if not -(2**63) <= milliseconds < 2**63:
        raise ValueError
    return timestamp(milliseconds) if milliseconds else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return str(value)


def _name(value: Any) -> symbol:
    if not isinstance(value, str) or not value.isascii():
        raise TypeError
    return symbol(value)


def _octets(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError
    return bytes(value)


def _message_id(value: Any) -> Any:
    if type(value) is int and 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        return value  # as nearly every correlation id; it is written as ulong
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, uuid.UUID):
        return value
    if isinstance(value, int):
        return ulong(_integer(value, 0xFFFFFFFFFFFFFFFF))
    return _octets(value)


def _plain_id(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value


FLAG = Kind("True or False", False, _flag)
PRIORITY = Kind("an int from 0 to 255", 4, _priority)
COUNT = Kind("an int from 0 to 2**32 - 1", 0, _count)
SECONDS = Kind("seconds, from 0 to 4294967.295", 0.0, _milliseconds, lambda ms: ms / 1000)
MOMENT = Kind("seconds since 1970-01-01 UTC", 0.0, _moment, lambda ms: ms / 1000)
TEXT = Kind("a str or None", None, _text, exact=str)
NAME = Kind("a str of ASCII characters or None", None, _name)
OCTETS = Kind("bytes, or a str that becomes UTF-8", b"", _octets, exact=bytes)
MESSAGE_ID = Kind(
    "a str, a UUID, bytes, an int from 0 to 2**64 - 1, or None", None, _message_id, _plain_id, exact=str
)


#: The keywords, in the order in which `repr` shows them.
ATTRIBUTES = (
    "id", "address", "subject", "body", "properties", "inferred",
    "durable", "priority", "ttl", "first_acquirer", "delivery_count",
    "user_id", "reply_to", "correlation_id", "content_type", "content_encoding",
    "expiry_time", "creation_time", "group_id", "group_sequence", "reply_to_group_id",
    "instructions", "annotations", "footer", "data_sections", "sequence_sections",
)


class FieldAttributes(Origin, Listed):
    """The attributes of a message that travel in its header [3.2.1] and its properties [3.2.4]."""

    __slots__ = (
        "header_fields",  # the five fields as they travel, or None: not decoded, or nothing set
        "property_fields",  # the same for the thirteen of the properties section
    )
    _raw: Optional[bytes]
    _spans: Spans
    header_fields: Optional[list[AnyValue]]
    property_fields: Optional[list[AnyValue]]

    def load_header(self) -> list[AnyValue]:
        """The fields of the header, decoded now."""
        self.header_fields = fields = read_header(self._raw, self._spans)
        return fields

    def load_properties(self) -> list[AnyValue]:
        """The fields of the properties section, decoded now."""
        self.property_fields = fields = [None] * 13 if self._raw is None else read_properties(self._raw, self._spans)
        return fields

    if TYPE_CHECKING:  # Message takes keywords as they come, and refuses the unknown ones

        def __init__(
            self,
            body: AnyValue = None,
            *,
            id: MessageId = None,
            address: Optional[str] = None,
            subject: Optional[str] = None,
            properties: Optional[Mapping[str, AnyValue]] = None,
            inferred: bool = False,
            durable: bool = False,
            priority: Optional[int] = None,
            ttl: Optional[float] = None,
            first_acquirer: bool = False,
            delivery_count: Optional[int] = None,
            user_id: Union[bytes, str, None] = None,
            reply_to: Optional[str] = None,
            correlation_id: MessageId = None,
            content_type: Optional[str] = None,
            content_encoding: Optional[str] = None,
            expiry_time: Optional[float] = None,
            creation_time: Optional[float] = None,
            group_id: Optional[str] = None,
            group_sequence: Optional[int] = None,
            reply_to_group_id: Optional[str] = None,
            instructions: Optional[Mapping[AnyValue, AnyValue]] = None,
            annotations: Optional[Mapping[AnyValue, AnyValue]] = None,
            footer: Optional[Mapping[AnyValue, AnyValue]] = None,
            data_sections: Iterable[bytes] = (),
            sequence_sections: Iterable[Iterable[AnyValue]] = (),
        ) -> None: ...

    durable: Attribute[bool, Optional[bool]] = in_header(
        "durable", 0, FLAG, "True: the message survives a restart of its broker. Default False."
    )
    priority: Attribute[int, Optional[int]] = in_header(
        "priority", 1, PRIORITY, "0 to 255, the higher the sooner. Default 4."
    )
    ttl: Attribute[float, Optional[float]] = in_header(
        "ttl", 2, SECONDS, "How long it is worth delivering, in seconds. Default 0.0: for ever, as None and infinity."
    )
    first_acquirer: Attribute[bool, Optional[bool]] = in_header(
        "first_acquirer", 3, FLAG, "True: no other receiver has acquired the message before. Default False."
    )
    delivery_count: Attribute[int, Optional[int]] = in_header(
        "delivery_count", 4, COUNT, "How many deliveries of the message have failed. Default 0."
    )
    id: Attribute[MessageId, MessageId] = in_properties(
        "id", 0, MESSAGE_ID, "Names the message: a str, an int (it travels as ulong), a UUID, bytes, or None."
    )
    user_id: Attribute[bytes, Union[bytes, str, None]] = in_properties(
        "user_id", 1, OCTETS, "The user that made the message, as bytes; a str becomes UTF-8. Default empty."
    )
    address: Attribute[Optional[str], Optional[str]] = in_properties(
        "address", 2, TEXT, "Where the message is meant to go: the field `to`. A str or None."
    )
    subject: Attribute[Optional[str], Optional[str]] = in_properties(
        "subject", 3, TEXT, "The subject of the message. A str or None."
    )
    reply_to: Attribute[Optional[str], Optional[str]] = in_properties(
        "reply_to", 4, TEXT, "Where answers go. A str or None."
    )
    correlation_id: Attribute[MessageId, MessageId] = in_properties(
        "correlation_id", 5, MESSAGE_ID, "The id of the message that this one belongs to; the types of `id`."
    )
    content_type: Attribute[Optional[symbol], Optional[str]] = in_properties(
        "content_type", 6, NAME, "The MIME type of a data body. A symbol or None."
    )
    content_encoding: Attribute[Optional[symbol], Optional[str]] = in_properties(
        "content_encoding", 7, NAME, "How a data body is encoded, as gzip. A symbol or None."
    )
    expiry_time: Attribute[float, Optional[float]] = in_properties(
        "expiry_time", 8, MOMENT, "When the message expires, in seconds since 1970 UTC. Default 0.0: never."
    )
    creation_time: Attribute[float, Optional[float]] = in_properties(
        "creation_time", 9, MOMENT, "When it was made, in seconds since 1970 UTC. Default 0.0: unknown."
    )
    group_id: Attribute[Optional[str], Optional[str]] = in_properties(
        "group_id", 10, TEXT, "The group that the message belongs to. A str or None."
    )
    group_sequence: Attribute[int, Optional[int]] = in_properties(
        "group_sequence", 11, COUNT, "Its position within the group, 0 to 2**32 - 1. Default 0."
    )
    reply_to_group_id: Attribute[Optional[str], Optional[str]] = in_properties(
        "reply_to_group_id", 12, TEXT, "The group that answers belong to. A str or None."
    )
