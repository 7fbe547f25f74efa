"""Message: the unit that applications send and receive, and the sections that it travels in [3.2].

Handlers, brokers and applications enter here. Of links it knows the two calls that `send` and `recv` make.

A received message is its bytes until it is read: `from_bytes` finds the places of the sections, and each is
decoded when one of its attributes is first touched. A section that was not changed is never encoded again: `encode`
takes those sections from the bytes that came, so that a broker can raise a delivery-count and pass everything
else on as it is, including encodings that this library would not have chosen.
"""

from __future__ import annotations

from reactor.codec.attributes import ATTRIBUTES, FieldAttributes
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
from reactor.codec.encode import (
    encode_value,
    write_annotations,
    write_keyed_by_strings,
    write_sequence,
    write_value,
)
from reactor.codec.long_payload import LONG_BODY, LONG_KINDS, LongPayload, from_pieces, joined, long_content
from reactor.codec.section_writers import (
    NO_BODY,
    TEXTS,
    described,
    is_data,
    mapping,
    parts_of,
    unknown_attribute,
    write_fields_section,
    write_map_section,
)
from reactor.codec.sections import (
    BODY_CHANGED,
    EMPTY_HEADER,
    FIELDS_CHANGED,
    HEAD,
    HEADER_CHANGED,
    NO_SPANS,
    PLAIN,
    UNCHANGING,
    UNREAD,
    as_it_came,
    find_shape,
    locate,
    read_annotations,
    read_body,
    read_map,
)
from reactor.codec.writers import write_binary
from reactor.errors import DataException, DecodeError, MessageException, ProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.listing import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Optional, Union

    from reactor.codec.interface import IncomingDelivery, OutgoingDelivery, ReceivingLink, SendingLink
    from reactor.codec.section_writers import Content, Write
    from reactor.codec.types import AnyValue


class Message(FieldAttributes):
    """A message: a body, and its sections.

    body: None, bool, int, float, str, bytes, UUID, list, tuple, dict, `Array`, `Described`, or a type of
        `reactor.codec.types`. It travels as an amqp-value section, unless `inferred` is set.
    Every other attribute can be given by keyword; an unknown one is a TypeError that suggests the nearest.

    A value that cannot travel raises MessageException that names the attribute: at the assignment where the attribute
    alone shows it, else at `encode`. A message from a peer with a section that is not AMQP raises DecodeError (a
    MessageException) when that section is first looked at, or at `check`.
    """

    DEFAULT_PRIORITY = 4

    __slots__ = (
        "_raw",  # the bytes that came from a peer, or None
        "_spans",  # the places of their sections
        "changed",  # the sections that were assigned to
        "_instructions", "_annotations", "_properties", "_body",  # UNREAD as long as they are not decoded
        "_parts",  # the sections that the body consists of, if there are several
        "_inferred",  # None: not looked at
        "_footer",  # UNREAD as long as it is not decoded
        "__weakref__",
        "__dict__",  # attributes that the application adds
    )  # fmt: skip
    changed: int
    _instructions: Optional[dict[Any, Any]]
    _annotations: Optional[dict[Any, Any]]
    _properties: Optional[dict[str, Any]]
    _footer: Optional[dict[Any, Any]]
    _body: Any
    _parts: Optional[list[Any]]
    _inferred: Optional[bool]

    if not TYPE_CHECKING:  # for type checkers the keywords stand in FieldAttributes, each with its type

        def __init__(self, body: AnyValue = None, **kwargs: Any) -> None:
            self._raw = self.header_fields = self.property_fields = self._parts = None
            self._spans = NO_SPANS
            self._instructions = self._annotations = self._properties = self._footer = None
            self._inferred = False
            self.changed = 0
            self._body = body
            for name, value in kwargs.items():
                if name not in ATTRIBUTES:
                    raise unknown_attribute(name, ATTRIBUTES)
                setattr(self, name, value)

    # -- bytes --------------------------------------------------------------------------------------------

    @classmethod
    def from_bytes(cls, payload: Union[bytes, LongPayload]) -> Message:
        """The message that these bytes, the payload of a delivery, encode.

        Only the kinds and the sizes of the sections are looked at; see `check`. Raises DecodeError.
        """
        if type(payload) is not bytes:
            return from_pieces(cls, payload)  # type: ignore[no-any-return]
        self = cls.__new__(cls)
        shape = find_shape(payload[:HEAD])
        if shape is None or shape[0] != len(payload):
            self._raw, self._spans = locate(payload)
        else:
            self._raw, self._spans = payload, shape[1]
        self.header_fields = self.property_fields = self._parts = self._inferred = None
        self._instructions = self._annotations = self._properties = self._body = self._footer = UNREAD
        self.changed = 0
        return self

    def check(self) -> None:
        """Decode every section now. Raises DecodeError if one of them cannot be."""
        if self._raw is not None:
            if self.header_fields is None:
                self.load_header()
            if self.property_fields is None:
                self.load_properties()
            for name in ("instructions", "annotations", "properties", "body", "footer"):
                getattr(self, name)

    def load_body(self) -> None:
        """Have the body decoded, if it is not yet. Raises DecodeError."""
        if self._body is UNREAD:
            self._body, self._parts = read_body(self._raw, self._spans)  # type: ignore[arg-type]  # it has its bytes

    def decode(self, data: bytes) -> None:
        """Become the message that `data` encodes; no attribute keeps its value. Raises DecodeError."""
        message = Message.from_bytes(data)
        message.check()
        for slot in (*FieldAttributes.__slots__, *Message.__slots__[:-2]):
            setattr(self, slot, getattr(message, slot))

    def clear(self) -> None:
        """Become an empty message."""
        Message.__init__(self)

    def encode(self) -> bytes:
        """The bytes of this message, as they are sent.

        A message that came from a peer and was not changed gives the very bytes that came, with the sections
        in the order of [3.2]; when parts of it were changed, only the sections of these are encoded anew.
        Raises MessageException that names the attribute that cannot be encoded.
        """
        return bytes(self.compose())

    def compose(self) -> Union[bytes, LongPayload]:
        """As `encode`; a long body is not copied."""
        if self._raw is not None:
            return self._encode_received()
        body = self._body
        if self.header_fields is self.property_fields is None and self._instructions is self._annotations is None:
            if type(body) is str and self._properties is self._footer is None:
                try:
                    text = body.encode()
                    return TEXTS[len(text)] + text
                except (IndexError, UnicodeEncodeError):
                    pass  # too long for the small form, or wrong: both are dealt with below
            out = bytearray(PLAIN)
        else:
            out = bytearray(EMPTY_HEADER)
            if self.header_fields is not None:
                out = bytearray()
                self._write_header(out)
            if self._instructions:  # an empty section says nothing, and is left out
                self._write_instructions(out)
            if self._annotations:
                self._write_annotations(out)
            self._write_fields(out)
        if self._properties:
            self._write_properties(out)
        if type(body) in LONG_KINDS and len(body) >= LONG_BODY and self._parts is None:
            content = long_content(out, body, bool(self._inferred))
            if content is not None:
                footer = bytearray()
                if self._footer:
                    self._write_footer(footer)
                return LongPayload(out, content, footer)
        self._write_body(out)
        if self._footer:
            self._write_footer(out)
        return bytes(out)

    def _encode_received(self) -> Union[bytes, LongPayload]:
        raw = self._raw
        assert raw is not None
        if self._instructions is self._annotations is self._properties is self._footer is UNREAD:
            if not self.changed and type(self._body) in UNCHANGING:
                return raw
            if self.changed == HEADER_CHANGED and self._body is UNREAD:
                out = bytearray()
                self._write_header(out)
                rest = memoryview(raw)[self._spans.get(HEADER, (0, 0))[1] :]
                return bytes(out) + rest if len(rest) < LONG_BODY else LongPayload(out, rest)
        touched = {
            HEADER: self.changed & HEADER_CHANGED,
            DELIVERY_ANNOTATIONS: self._instructions is not UNREAD,
            MESSAGE_ANNOTATIONS: self._annotations is not UNREAD,
            PROPERTIES: self.changed & FIELDS_CHANGED,
            APPLICATION_PROPERTIES: self._properties is not UNREAD,
            AMQP_VALUE: self.changed & BODY_CHANGED or type(self._body) not in UNCHANGING,
            FOOTER: self._footer is not UNREAD,
        }
        whole = memoryview(raw)
        parts: list[Any] = []
        for section in _SECTIONS:
            came = as_it_came(whole, self._spans, section[0])
            if touched[section[0]]:
                self._write_again(parts, came, *section)
            else:
                parts.append(came)
        return joined(*parts)

    def _write_again(self, parts: list[Any], came: memoryview, code: int, write: Write, content: Content) -> None:
        """A section that may have been changed. A dict may only have been read: its encoding decides."""
        out = bytearray()
        if came:
            try:
                if encode_value(content(self)) == encode_value(content(Message.from_bytes(self._raw or b""))):
                    parts.append(came)
                    return
            except (DataException, DecodeError):
                pass  # there is nothing to compare with: write it, and raise if it cannot be written
        elif code == AMQP_VALUE and self._parts is None:
            long = long_content(out, self._body, self.inferred)
            if long is not None:
                parts += (out, long)
                return
        write(self, out)
        parts.append(out)

    # -- links --------------------------------------------------------------------------------------------

    def send(
        self, sender: SendingLink[OutgoingDelivery], tag: Union[str, bytes, None] = None
    ) -> OutgoingDelivery:
        """Send this message as the next delivery of `sender`; answers the delivery. tag: None for the sender's next."""
        payload = self.encode()
        delivery = sender.delivery(tag or sender.delivery_tag())
        try:
            sender.stream(payload)
        except ProtocolError:  # it is larger than the receiver takes: nothing of it shall be in the way of the next
            delivery.abort()
            raise
        sender.advance()
        if sender.snd_settle_mode == sender.SND_SETTLED:
            delivery.settle()
        return delivery

    def recv(self, link: ReceivingLink[IncomingDelivery]) -> Optional[IncomingDelivery]:
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

    # -- the sections that are maps -----------------------------------------------------------------------

    @property
    def instructions(self) -> Optional[dict[AnyValue, AnyValue]]:
        """The delivery annotations [3.2.2], for the next hop only: a dict with symbol keys, or None."""
        if self._instructions is UNREAD:
            self._instructions = read_annotations(self._raw, self._spans, DELIVERY_ANNOTATIONS)
        return self._instructions

    @instructions.setter
    def instructions(self, value: Optional[Mapping[AnyValue, AnyValue]]) -> None:
        self._instructions = mapping("instructions", value)

    @property
    def annotations(self) -> Optional[dict[AnyValue, AnyValue]]:
        """The message annotations [3.2.3], for the infrastructure: a dict with symbol keys, or None."""
        if self._annotations is UNREAD:
            self._annotations = read_annotations(self._raw, self._spans, MESSAGE_ANNOTATIONS)
        return self._annotations

    @annotations.setter
    def annotations(self, value: Optional[Mapping[AnyValue, AnyValue]]) -> None:
        self._annotations = mapping("annotations", value)

    @property
    def properties(self) -> Optional[dict[str, AnyValue]]:
        """The application's own properties [3.2.5]: a dict with str keys, or None."""
        if self._properties is UNREAD:
            self._properties = read_map(self._raw, self._spans, APPLICATION_PROPERTIES)
        return self._properties

    @properties.setter
    def properties(self, value: Optional[Mapping[str, AnyValue]]) -> None:
        self._properties = mapping("properties", value)

    @property
    def footer(self) -> Optional[dict[AnyValue, AnyValue]]:
        """Facts that are only known after the body, as signatures [3.2.9]: a dict with symbol keys, or None."""
        if self._footer is UNREAD:
            self._footer = read_annotations(self._raw, self._spans, FOOTER)
        return self._footer

    @footer.setter
    def footer(self, value: Optional[Mapping[AnyValue, AnyValue]]) -> None:
        self._footer = mapping("footer", value)

    # -- the body [3.2.6], [3.2.7], [3.2.8] ---------------------------------------------------------------

    @property
    def body(self) -> AnyValue:
        """The content. Several data sections are one bytes here, several sequences one list."""
        if self._body is UNREAD:
            self.load_body()
        return self._body

    @body.setter
    def body(self, value: AnyValue) -> None:
        if self._inferred is None:
            self._inferred = self.inferred
        self._body = value
        self._parts = None
        self.changed |= BODY_CHANGED

    @property
    def inferred(self) -> bool:
        """True: the type of the body decides its section: bytes travel as data, a list or tuple as
        amqp-sequence.

        False, the default, makes every body an amqp-value. Of a message from a peer it is the form that came.
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
        return list(self._whole_parts()) if self.inferred and is_data(self.body) else []

    @data_sections.setter
    def data_sections(self, value: Iterable[bytes]) -> None:
        parts = parts_of("data_sections", bytes, value)
        self.body = b"".join(parts) if parts else None
        self._parts = parts
        self._inferred = True

    @property
    def sequence_sections(self) -> list[list[AnyValue]]:
        """The values of each amqp-sequence section, in order; empty if the body is of another kind.

        Assigning sets `body` to all of them together, and `inferred`.
        """
        sections = self._whole_parts() if self.inferred and isinstance(self.body, (list, tuple)) else []
        return [list(section) for section in sections]

    @sequence_sections.setter
    def sequence_sections(self, value: Iterable[Iterable[AnyValue]]) -> None:
        parts = parts_of("sequence_sections", list, value)
        self.body = [item for part in parts for item in part] if parts else None
        self._parts = parts
        self._inferred = True

    def _whole_parts(self) -> list[Any]:
        """The sections that make up the body, which may have been changed from within since it was read."""
        parts, body = self._parts, self._body
        if parts is None or (isinstance(body, list) and body != [item for part in parts for item in part]):
            return [body]
        return parts

    # -- writing sections: each appends its section, or nothing ------------------------------------------

    def _write_header(self, out: bytearray) -> None:
        fields = self.header_fields
        if fields is None and self._raw is not None:
            fields = self.load_header()
        if fields is None:
            out += EMPTY_HEADER
        else:
            write_fields_section(out, HEADER, fields)

    def _write_instructions(self, out: bytearray) -> None:
        write_map_section(out, b"\x00\x53\x71", "instructions", self.instructions, write_annotations)

    def _write_annotations(self, out: bytearray) -> None:
        write_map_section(out, b"\x00\x53\x72", "annotations", self.annotations, write_annotations)

    def _write_fields(self, out: bytearray) -> None:
        fields = self.property_fields
        if fields is None and self._raw is not None:
            fields = self.load_properties()
        if fields is None:
            out += PLAIN[4:]
            return
        if fields[10] is not None and fields[11] is None:
            fields = [*fields[:11], 0, fields[12]]  # a member of a group has a place in it
        write_fields_section(out, PROPERTIES, fields)

    def _write_properties(self, out: bytearray) -> None:
        write_map_section(out, b"\x00\x53\x74", "properties", self.properties, write_keyed_by_strings)

    def _write_body(self, out: bytearray) -> None:
        body = self.body
        if body is None:
            out += NO_BODY
            return
        inferred = type(body) is not str and self.inferred  # a text is the same either way
        try:
            if inferred and isinstance(body, (list, tuple)):
                for part in self._whole_parts():
                    out += b"\x00\x53\x76"
                    write_sequence(out, part)
            elif inferred and is_data(body):
                for part in self._whole_parts():
                    out += b"\x00\x53\x75"
                    write_binary(out, part)
            else:
                out += b"\x00\x53\x77"
                write_value(out, body)
        except DataException as e:
            raise MessageException("Message.body cannot be sent: %s" % e) from None

    def _write_footer(self, out: bytearray) -> None:
        write_map_section(out, b"\x00\x53\x78", "footer", self.footer, write_annotations)

    def __repr__(self) -> str:
        return described(self, _DEFAULTS, len(self._raw or b""))


#: The sections in their order: their writers and their values. AMQP_VALUE stands for the body.
_SECTIONS: tuple[tuple[int, Write, Content], ...] = (
    (HEADER, Message._write_header, lambda m: m.header_fields or m.load_header()),
    (DELIVERY_ANNOTATIONS, Message._write_instructions, lambda m: m.instructions),
    (MESSAGE_ANNOTATIONS, Message._write_annotations, lambda m: m.annotations),
    (PROPERTIES, Message._write_fields, lambda m: m.property_fields or m.load_properties()),
    (APPLICATION_PROPERTIES, Message._write_properties, lambda m: m.properties),
    (AMQP_VALUE, Message._write_body, lambda m: [m.body, m.inferred, m.data_sections, m.sequence_sections]),
    (FOOTER, Message._write_footer, lambda m: m.footer),
)

_DEFAULTS = {name: getattr(Message(), name) for name in ATTRIBUTES[:-2]}
listed(Message, *ATTRIBUTES, "DEFAULT_PRIORITY from_bytes check clear decode encode recv send",
       "delivery redelivered acknowledge")
