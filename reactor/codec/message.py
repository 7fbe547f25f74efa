"""Message: what the application sends and receives, and the sections that it travels in [3.2].

Handlers, brokers and applications enter here; nothing of links and connections is known, apart from the two calls
that `send` and `recv` make.

A received message is its bytes until somebody looks: `from_bytes` finds out where the sections are, and each is
decoded when one of its attributes is first touched. What was not changed is never encoded again: `encode` takes
those sections from the bytes that came, so that a broker can raise a delivery-count and pass everything else on as
it is, including encodings that this library would not have chosen.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional
from uuid import UUID

from reactor.codec import attributes
from reactor.codec.attributes import BODY_CHANGED, FIELDS_CHANGED, HEADER_CHANGED, in_header, in_properties
from reactor.codec.decode import read_fields, read_value
from reactor.codec.definitions import (
    AMQP_SEQUENCE,
    AMQP_VALUE,
    APPLICATION_PROPERTIES,
    DATA,
    DELIVERY_ANNOTATIONS,
    FOOTER,
    HEADER,
    MESSAGE_ANNOTATIONS,
    PROPERTIES,
)
from reactor.codec.dicts import AnnotationDict
from reactor.codec.encode import (
    clipped,
    write_annotations,
    write_binary,
    write_keyed_by_strings,
    write_sequence,
    write_value,
)
from reactor.codec.performatives import check_fields, write_composite
from reactor.codec.sections import Spans, behind_descriptor, locate
from reactor.codec.types import symbol
from reactor.errors import DataException, DecodeError, MessageException, RemoteProtocolError

_UNREAD: Any = ...
"""Stands in a slot whose section has not been decoded. Ellipsis, because copies and pickles keep its identity."""

#: The types of a body that can only be replaced, not changed from within.
_UNCHANGING = frozenset({type(_UNREAD), type(None), bool, int, float, str, bytes, UUID, symbol})

_EMPTY_HEADER = b"\x00\x53\x70\x45"
_EMPTY_PROPERTIES = b"\x00\x53\x73\x45"
# Everything before the characters of a message that is only a short text, by its length.
_TEXT = tuple(_EMPTY_HEADER + _EMPTY_PROPERTIES + bytes((0x00, 0x53, 0x77, 0xA1, n)) for n in range(256))


class Message:
    """A message: a body, and what is said about it.

    body: None, bool, int, float, str, bytes, UUID, list, tuple, dict, `Array`, `Described`, or a type of
        `reactor.codec.types`. It travels as an amqp-value section, unless `inferred` says otherwise.
    Every other attribute can be given by keyword; an unknown one is a TypeError that suggests the nearest.

    A value that cannot travel raises MessageException that names the attribute: at the assignment where the
    attribute alone can tell, else at `encode`. A message from a peer whose section is not AMQP raises
    DecodeError (a MessageException) when that section is first looked at, or at `check`.
    """

    DEFAULT_PRIORITY = 4

    __slots__ = (
        "_raw",  # the bytes that came, or None
        "_spans",  # by section code: where in _raw it begins and ends; several data sections count as one
        "_changed",  # which sections were assigned to
        "_header",  # the five fields as they travel, or None: not decoded, or nothing set
        "_fields",  # the same for the thirteen of the properties section
        "_instructions",
        "_annotations",
        "_properties",
        "_body",
        "_parts",  # the sections that the body consists of, if there are several
        "_inferred",
        "_footer",
        "__weakref__",
    )
    _raw: Optional[bytes]
    _spans: Spans
    _header: Optional[list[Any]]
    _fields: Optional[list[Any]]
    _instructions: Optional[dict[Any, Any]]
    _annotations: Optional[dict[Any, Any]]
    _properties: Optional[dict[str, Any]]
    _footer: Optional[dict[Any, Any]]
    _parts: Optional[list[Any]]
    _inferred: Optional[bool]

    def __init__(self, body: Any = None, **kwargs: Any) -> None:
        self._raw = self._header = self._fields = self._parts = None
        self._instructions = self._annotations = self._properties = self._footer = None
        self._inferred = False
        self._changed = 0
        self._body = body
        for name, value in kwargs.items():
            if name not in _ATTRIBUTES:
                raise _unknown_attribute(name)
            setattr(self, name, value)

    # -- bytes --------------------------------------------------------------------------------------------

    @classmethod
    def from_bytes(cls, payload: bytes) -> Message:
        """The message that these bytes, the payload of a delivery, encode.

        Only the order and the sizes of the sections are looked at; see `check`. Raises DecodeError.
        """
        self = cls.__new__(cls)
        self._receive(payload if type(payload) is bytes else bytes(payload))
        return self

    def _receive(self, payload: bytes) -> None:
        self._raw = payload
        self._spans = locate(payload)
        self._header = self._fields = self._parts = self._inferred = None
        self._instructions = self._annotations = self._properties = self._body = self._footer = _UNREAD
        self._changed = 0

    def check(self) -> None:
        """Decode every section now. Raises DecodeError if one of them cannot be."""
        if self._raw is not None:
            if self._header is None:
                self._load_header()
            if self._fields is None:
                self._load_fields()
            for name in ("instructions", "annotations", "properties", "body", "footer"):
                getattr(self, name)

    def decode(self, data: bytes) -> None:
        """Become the message that `data` encodes; nothing of what was before is left. Raises DecodeError."""
        message = Message.from_bytes(bytes(data))
        message.check()
        self._receive(bytes(data))

    def clear(self) -> None:
        """Become an empty message."""
        Message.__init__(self)

    def encode(self) -> bytes:
        """The bytes of this message: what is sent.

        A message that came from a peer and was not changed gives the very bytes that came; when parts of it were
        changed, only the sections of these are encoded anew.
        Raises MessageException that names what cannot be encoded.
        """
        if self._raw is not None:
            return self._encode_received()
        if self._header is None and self._fields is None and self._annotations is None:
            body = self._body
            if (
                type(body) is str
                and self._properties is None
                and self._instructions is None
                and self._footer is None
            ):
                try:
                    text = body.encode()
                    return _TEXT[len(text)] + text
                except (IndexError, UnicodeEncodeError):
                    pass  # too long for the small form, or wrong: both are dealt with below
        out = bytearray()
        for _, write in _SECTIONS:
            write(self, out)
        return bytes(out)

    def _encode_received(self) -> bytes:
        raw = self._raw
        assert raw is not None
        if not self._changed and (
            self._instructions is self._annotations is self._properties is self._footer is _UNREAD
            and type(self._body) in _UNCHANGING
        ):
            return raw
        pristine: Optional[Message] = None
        touched = {
            HEADER: self._changed & HEADER_CHANGED,
            DELIVERY_ANNOTATIONS: self._instructions is not _UNREAD,
            MESSAGE_ANNOTATIONS: self._annotations is not _UNREAD,
            PROPERTIES: self._changed & FIELDS_CHANGED,
            APPLICATION_PROPERTIES: self._properties is not _UNREAD,
            AMQP_VALUE: self._changed & BODY_CHANGED or type(self._body) not in _UNCHANGING,
            FOOTER: self._footer is not _UNREAD,
        }
        out = bytearray()
        before: bytes | bytearray
        for code, write in _SECTIONS:
            before = self._received_section(code)
            if touched[code]:
                after = bytearray()
                write(self, after)
                # Who was handed a dict may have changed it, or only read it: the encodings tell.
                pristine = pristine or Message.from_bytes(raw)
                if not before or after != pristine._written_again(write):
                    before = after
            out += before
        return bytes(out)

    def _received_section(self, code: int) -> bytes:
        assert self._raw is not None
        start, stop = self._spans.get(_body_code(self._spans) if code == AMQP_VALUE else code, (0, 0))
        return self._raw[start:stop]

    def _written_again(self, write: Callable[[Message, bytearray], None]) -> Optional[bytearray]:
        out = bytearray()
        try:
            write(self, out)
        except MessageException:
            return None
        return out

    # -- links --------------------------------------------------------------------------------------------

    def send(self, sender: Any, tag: Optional[Any] = None) -> Any:
        """Send this message as the next delivery of `sender`; answers the delivery.

        tag: the delivery's tag, by default the sender's next.
        """
        payload = self.encode()
        delivery = sender.delivery(tag or sender.delivery_tag())
        sender.stream(payload)
        sender.advance()
        if sender.snd_settle_mode == sender.SND_SETTLED:
            delivery.settle()
        return delivery

    def recv(self, link: Any) -> Optional[Any]:
        """Become the message of the current delivery of `link`, a receiver, and go on to its next.

        Answers the delivery, or None if there is no complete one. A delivery that its sender has settled is
        settled here too. Raises DecodeError.
        """
        if link.is_sender:
            return None
        delivery = link.current
        if not delivery or delivery.partial:
            return None
        payload = link.recv(delivery.pending) or b""
        link.advance()
        if link.remote_snd_settle_mode == link.SND_SETTLED:
            delivery.settle()
        self.decode(payload)
        return delivery

    # -- header and properties [3.2.1], [3.2.4] -------------------------------------------------------------

    def _load_header(self) -> list[Any]:
        self._header = fields = self._composite(HEADER, 5)
        if fields[1] is not None and fields[1] > 255:
            raise DecodeError("header.priority cannot be %d" % fields[1])
        return fields

    def _load_fields(self) -> list[Any]:
        self._fields = fields = self._composite(PROPERTIES, 13)
        return fields

    def _composite(self, code: int, width: int) -> list[Any]:
        if self._raw is None or code not in self._spans:
            return [None] * width
        start, stop = self._spans[code]
        try:
            fields, _ = read_fields(self._raw, behind_descriptor(self._raw, start), stop)
            check_fields(code, fields)
        except RemoteProtocolError as e:
            raise DecodeError(e.description) from None
        return fields + [None] * (width - len(fields))

    durable: bool = in_header(
        "durable", 0, attributes.FLAG,
        "True: the message survives a restart of whoever holds it. Default False.",
    )
    priority: int = in_header(
        "priority", 1, attributes.PRIORITY,
        "0 to 255, the higher the sooner. Default 4.",
    )
    ttl: float = in_header(
        "ttl", 2, attributes.SECONDS,
        "How long the message is worth delivering, in seconds. Default 0.0: for ever.",
    )
    first_acquirer: bool = in_header(
        "first_acquirer", 3, attributes.FLAG,
        "True: nobody else has acquired the message before. Default False.",
    )
    delivery_count: int = in_header(
        "delivery_count", 4, attributes.COUNT,
        "How many deliveries of the message have failed. Default 0.",
    )
    id: Any = in_properties(
        "id", 0, attributes.MESSAGE_ID,
        "Names the message: a str, an int (it travels as ulong), a UUID, bytes, or None.",
    )
    user_id: bytes = in_properties(
        "user_id", 1, attributes.OCTETS,
        "Who made the message, as bytes; a str becomes UTF-8. Default empty.",
    )
    address: Optional[str] = in_properties(
        "address", 2, attributes.TEXT,
        "Where the message is meant to go: the field `to`. A str or None.",
    )
    subject: Optional[str] = in_properties(
        "subject", 3, attributes.TEXT,
        "What the message is about. A str or None.",
    )
    reply_to: Optional[str] = in_properties(
        "reply_to", 4, attributes.TEXT,
        "Where answers go. A str or None.",
    )
    correlation_id: Any = in_properties(
        "correlation_id", 5, attributes.MESSAGE_ID,
        "The id of the message that this one belongs to; the types of `id`.",
    )
    content_type: Optional[symbol] = in_properties(
        "content_type", 6, attributes.NAME,
        "The MIME type of a data body. A symbol or None.",
    )
    content_encoding: Optional[symbol] = in_properties(
        "content_encoding", 7, attributes.NAME,
        "How a data body is encoded, as gzip. A symbol or None.",
    )
    expiry_time: float = in_properties(
        "expiry_time", 8, attributes.MOMENT,
        "When the message expires, in seconds since 1970 UTC. Default 0.0: never.",
    )
    creation_time: float = in_properties(
        "creation_time", 9, attributes.MOMENT,
        "When the message was made, in seconds since 1970 UTC. Default 0.0: not told.",
    )
    group_id: Optional[str] = in_properties(
        "group_id", 10, attributes.TEXT,
        "The group that the message belongs to. A str or None.",
    )
    group_sequence: int = in_properties(
        "group_sequence", 11, attributes.COUNT,
        "The position of the message within its group, 0 to 2**32 - 1. Default 0.",
    )
    reply_to_group_id: Optional[str] = in_properties(
        "reply_to_group_id", 12, attributes.TEXT,
        "The group that answers belong to. A str or None.",
    )

    # -- the sections that are maps -----------------------------------------------------------------------

    @property
    def instructions(self) -> Optional[dict[Any, Any]]:
        """The delivery annotations [3.2.2], for the next hop only: a dict with symbol keys, or None."""
        if self._instructions is _UNREAD:
            self._instructions = self._annotation_section(DELIVERY_ANNOTATIONS)
        return self._instructions

    @instructions.setter
    def instructions(self, value: Optional[Mapping[Any, Any]]) -> None:
        self._instructions = _mapping("instructions", value)

    @property
    def annotations(self) -> Optional[dict[Any, Any]]:
        """The message annotations [3.2.3], for the infrastructure: a dict with symbol keys, or None."""
        if self._annotations is _UNREAD:
            self._annotations = self._annotation_section(MESSAGE_ANNOTATIONS)
        return self._annotations

    @annotations.setter
    def annotations(self, value: Optional[Mapping[Any, Any]]) -> None:
        self._annotations = _mapping("annotations", value)

    @property
    def properties(self) -> Optional[dict[str, Any]]:
        """The application's own properties [3.2.5]: a dict with str keys, or None."""
        if self._properties is _UNREAD:
            self._properties = self._section(APPLICATION_PROPERTIES, dict)
        return self._properties

    @properties.setter
    def properties(self, value: Optional[Mapping[str, Any]]) -> None:
        self._properties = _mapping("properties", value)

    @property
    def footer(self) -> Optional[dict[Any, Any]]:
        """What can only be known when the body is, such as signatures [3.2.9]: a dict with symbol keys, or None."""
        if self._footer is _UNREAD:
            self._footer = self._annotation_section(FOOTER)
        return self._footer

    @footer.setter
    def footer(self, value: Optional[Mapping[Any, Any]]) -> None:
        self._footer = _mapping("footer", value)

    def _annotation_section(self, code: int) -> Optional[AnnotationDict]:
        section = self._section(code, dict)
        return None if section is None else AnnotationDict(section, raise_on_error=False)

    def _section(self, code: int, kind: type) -> Any:
        """The decoded value of a section that is there once at most; None if it is not there."""
        if self._raw is None or code not in self._spans:
            return None
        start, stop = self._spans[code]
        return self._read_section(start, stop, kind)[0]

    def _read_section(self, pos: int, stop: int, kind: type) -> tuple[Any, int]:
        assert self._raw is not None
        try:
            value, after = read_value(self._raw, behind_descriptor(self._raw, pos), stop)
        except RemoteProtocolError as e:
            raise DecodeError(e.description) from None
        if not isinstance(value, kind):
            raise DecodeError("a section of %s holds %s" % (kind.__name__, clipped(value)))
        return value, after

    # -- the body [3.2.6], [3.2.7], [3.2.8] ---------------------------------------------------------------

    @property
    def body(self) -> Any:
        """What the message is for. Several data sections are one bytes here, several sequences one list."""
        if self._body is _UNREAD:
            self._load_body()
        return self._body

    @body.setter
    def body(self, value: Any) -> None:
        if self._inferred is None:
            self._inferred = self.inferred
        self._body = value
        self._parts = None
        self._changed |= BODY_CHANGED

    @property
    def inferred(self) -> bool:
        """True: the type of the body tells its section: bytes travel as data, a list or tuple as amqp-sequence.

        False, the default, makes every body an amqp-value. For a message from a peer it tells what came.
        """
        if self._inferred is None:
            self._inferred = AMQP_SEQUENCE in self._spans or DATA in self._spans
        return self._inferred

    @inferred.setter
    def inferred(self, value: bool) -> None:
        if bool(value) != self.inferred:
            body = self.body
            self._inferred = bool(value)
            self.body = body

    @property
    def data_sections(self) -> list[bytes]:
        """The bytes of each data section, in order; empty if the body is of another kind.

        Assigning sets `body` to all of them together, and `inferred`.
        """
        return list(self._whole_parts()) if self.inferred and isinstance(self.body, _BINARY) else []

    @data_sections.setter
    def data_sections(self, value: Iterable[bytes]) -> None:
        parts = [bytes(memoryview(part)) for part in value]
        self.body = b"".join(parts) if parts else None
        self._parts = parts
        self._inferred = True

    @property
    def sequence_sections(self) -> list[list[Any]]:
        """The values of each amqp-sequence section, in order; empty if the body is of another kind.

        Assigning sets `body` to all of them together, and `inferred`.
        """
        sections = self._whole_parts() if self.inferred and isinstance(self.body, (list, tuple)) else []
        return [list(section) for section in sections]

    @sequence_sections.setter
    def sequence_sections(self, value: Iterable[Iterable[Any]]) -> None:
        parts = [list(part) for part in value]
        self.body = [item for part in parts for item in part] if parts else None
        self._parts = parts
        self._inferred = True

    def _load_body(self) -> None:
        raw, spans = self._raw, self._spans
        assert raw is not None
        if AMQP_VALUE in spans:
            pos, stop = spans[AMQP_VALUE]
            self._body = self._read_section(pos, stop, object)[0]
        elif DATA in spans or AMQP_SEQUENCE in spans:
            code, kind = (DATA, bytes) if DATA in spans else (AMQP_SEQUENCE, list)
            pos, stop = spans[code]
            parts = []
            while pos < stop:
                part, pos = self._read_section(pos, stop, kind)
                parts.append(part)
            if len(parts) == 1:
                self._body = parts[0]
            else:
                self._parts = parts
                self._body = b"".join(parts) if code == DATA else [item for part in parts for item in part]
        else:
            self._body = None

    def _whole_parts(self) -> list[Any]:
        """The sections that make up the body, which may have been changed from within since it was read."""
        parts, body = self._parts, self._body
        if parts is None or (isinstance(body, list) and body != [item for part in parts for item in part]):
            return [body]
        return parts

    # -- writing sections: each appends what there is to say, or nothing -----------------------------------

    def _write_header(self, out: bytearray) -> None:
        fields = self._header
        if fields is None and self._raw is not None:
            fields = self._load_header()
        if fields is None:
            out += _EMPTY_HEADER
        else:
            write_composite(out, HEADER, fields)

    def _write_instructions(self, out: bytearray) -> None:
        _write_map(out, b"\x00\x53\x71", "instructions", self.instructions, write_annotations)

    def _write_annotations(self, out: bytearray) -> None:
        _write_map(out, b"\x00\x53\x72", "annotations", self.annotations, write_annotations)

    def _write_fields(self, out: bytearray) -> None:
        fields = self._fields
        if fields is None and self._raw is not None:
            fields = self._load_fields()
        if fields is None:
            out += _EMPTY_PROPERTIES
            return
        if fields[10] is not None and fields[11] is None:
            fields = [*fields[:11], 0, fields[12]]  # a member of a group has a place in it
        write_composite(out, PROPERTIES, fields)

    def _write_properties(self, out: bytearray) -> None:
        _write_map(out, b"\x00\x53\x74", "properties", self.properties, write_keyed_by_strings)

    def _write_body(self, out: bytearray) -> None:
        body = self.body
        if body is None:
            return
        try:
            if not self.inferred or not isinstance(body, (bytes, bytearray, memoryview, list, tuple)):
                out += b"\x00\x53\x77"
                write_value(out, body)
            elif isinstance(body, (list, tuple)):
                for part in self._whole_parts():
                    out += b"\x00\x53\x76"
                    write_sequence(out, part)
            else:
                for part in self._whole_parts():
                    out += b"\x00\x53\x75"
                    write_binary(out, part)
        except DataException as e:
            raise MessageException("Message.body cannot be sent: %s" % e) from None

    def _write_footer(self, out: bytearray) -> None:
        _write_map(out, b"\x00\x53\x78", "footer", self.footer, write_annotations)

    # -- for people ---------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        try:
            self.check()
            parts = [] if self.body is None else [clipped(self.body)]
            for name in _DEFAULTS:
                value = getattr(self, name)
                if name != "body" and value != _DEFAULTS[name]:
                    parts.append("%s=%s" % (name, clipped(value)))
        except DecodeError as e:
            return "<Message of %d bytes that cannot be decoded: %s>" % (len(self._raw or b""), e.description)
        return "Message(%s)" % ", ".join(parts)


_BINARY = (bytes, bytearray, memoryview)

#: The sections in their order, and how each is written. The body counts as AMQP_VALUE, whatever it is.
_SECTIONS: tuple[tuple[int, Callable[[Message, bytearray], None]], ...] = (
    (HEADER, Message._write_header),
    (DELIVERY_ANNOTATIONS, Message._write_instructions),
    (MESSAGE_ANNOTATIONS, Message._write_annotations),
    (PROPERTIES, Message._write_fields),
    (APPLICATION_PROPERTIES, Message._write_properties),
    (AMQP_VALUE, Message._write_body),
    (FOOTER, Message._write_footer),
)

#: What can be given by keyword, in the order in which `repr` shows it.
_ATTRIBUTES = (
    "id", "address", "subject", "body", "properties", "inferred",
    "durable", "priority", "ttl", "first_acquirer", "delivery_count",
    "user_id", "reply_to", "correlation_id", "content_type", "content_encoding", "expiry_time", "creation_time",
    "group_id", "group_sequence", "reply_to_group_id",
    "instructions", "annotations", "footer", "data_sections", "sequence_sections",
)
_DEFAULTS = {name: getattr(Message(), name) for name in _ATTRIBUTES[:-2]}


def _unknown_attribute(name: str) -> TypeError:
    near = difflib.get_close_matches(name, _ATTRIBUTES, 1)
    return TypeError("Message has no attribute %r%s" % (name, "; did you mean %r?" % near[0] if near else ""))


def _body_code(spans: Spans) -> int:
    return DATA if DATA in spans else AMQP_SEQUENCE if AMQP_SEQUENCE in spans else AMQP_VALUE


def _mapping(name: str, value: Any) -> Any:
    if value is None or isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    raise MessageException("Message.%s cannot be %s: it takes a dict or None" % (name, clipped(value)))


def _write_map(
    out: bytearray, prefix: bytes, name: str, value: Any, write: Callable[[bytearray, Any], None]
) -> None:
    if value is None:
        return
    out += prefix
    try:
        write(out, value)
    except DataException as e:
        raise MessageException("Message.%s cannot be sent: %s" % (name, e)) from None
