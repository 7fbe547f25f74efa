"""Contents: one recorded frame as name and fields, and the message that it carries as a short label.

The timeline enters for every frame of a recording. Recordings come from rings, files and captures: a frame may be the
beginning of one, or no AMQP at all, and that is an answer here and never an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from reactor.codec.decode import read_value
from reactor.codec.definitions import AMQP_VALUE, BY_CODE, DATA, DELIVERY_ANNOTATIONS, HEADER, PROPERTIES
from reactor.codec.performatives import decode_composite
from reactor.codec.sections import locate, read_body, read_header, read_properties
from reactor.errors import ReactorException
from reactor.shown import shown
from reactor.tracing.text import HEADER_LAYERS, format_value

if TYPE_CHECKING:
    from reactor.codec.sections import Spans

#: Names of frames without a performative: a protocol header, a heartbeat, and all that cannot be read.
PROTOCOL_HEADER, EMPTY, UNREADABLE = "header", "empty", "unreadable"

#: Characters of a label at most.
LABEL = 28

_NAMES = {code: tuple(field.name for field in composite.fields) for code, composite in BY_CODE.items()}
_NO_FIELDS: dict[str, Any] = {}


class Content:
    """The content of one frame.

    name: its performative, or one of the three names above. fields: by their names in the specification; None for one
    that is not there. payload: the bytes behind the performative. whole: whether all of the frame was recorded.
    problem: why it cannot be read, or "".
    """

    __slots__ = ("channel", "fields", "name", "payload", "problem", "whole")

    def __init__(self, raw: bytes) -> None:
        self.channel = 0
        self.fields = _NO_FIELDS
        self.payload = b""
        self.problem = ""
        self.whole = True
        if raw.startswith(b"AMQP"):
            self.name = PROTOCOL_HEADER
            self.whole = len(raw) >= 8
            self.fields = {"layer": HEADER_LAYERS.get(raw[4], raw[4]) if len(raw) > 4 else None}
        elif len(raw) < 8 or raw[0] >= 0x10:
            self.name = UNREADABLE
            self.problem = "no AMQP frame"
        else:
            self.name = EMPTY
            self.channel = int.from_bytes(raw[6:8], "big")
            self.whole = int.from_bytes(raw[:4], "big") <= len(raw)
            start = raw[4] * 4
            if len(raw) != start:
                self._read(raw, start)

    def _read(self, raw: bytes, start: int) -> None:
        try:
            if not 8 <= start < len(raw):
                raise ValueError("the data offset %d lies outside of the frame" % raw[4])
            code, values, end = decode_composite(raw, start, len(raw))
            self.name = BY_CODE[code].name
            self.fields = dict(zip(_NAMES[code], values))
            self.payload = raw[end:]
        except (ReactorException, ValueError, LookupError, RecursionError) as error:
            self.name = UNREADABLE
            self.problem = "cut off" if not self.whole else shown(str(error), 200)


class Label:
    """A message in a few characters, and with an identity.

    text: its body where that is short, else its id, else the beginning of its body. identity: the same for the same
    message when it is sent again: its id, or all of it. tries: the delivery-count in its header [3.2.1].
    """

    __slots__ = ("identity", "text", "tries")

    def __init__(self, payload: bytes, whole: bool = True) -> None:
        self.text = ""
        self.tries = 0
        self.identity: object = None
        try:
            payload, spans = locate(payload)
            self.tries = read_header(payload, spans)[4] or 0
            message_id = read_properties(payload, spans)[0]
            if message_id is not None:
                self.identity = (type(message_id).__name__, message_id)
            elif whole:
                self.identity = hash(_bare(payload, spans))
            self.text = _body(payload, spans, message_id)
        except (ReactorException, ValueError, LookupError, RecursionError):
            self.text = "%d bytes" % len(payload) if payload else ""


def _bare(payload: bytes, spans: Spans) -> bytes:
    """The bytes that do not change on the way [3.2]."""
    start = max((spans[code][1] for code in (HEADER, DELIVERY_ANNOTATIONS) if code in spans), default=0)
    return payload[start:]


def _body(payload: bytes, spans: Spans, message_id: Any) -> str:
    first = _value(payload, spans)
    if first is None and message_id is None:
        return "null" if AMQP_VALUE in spans else "empty"
    text = in_short(first, 4 * LABEL)
    if message_id is not None and (first is None or len(text) > LABEL):
        return "id " + in_short(message_id, LABEL - 3)
    return clip(text, LABEL)


def _value(payload: bytes, spans: Spans) -> Any:
    """The body; of a large one its size alone."""
    code = next((code for code in spans if DATA <= code <= AMQP_VALUE), None)
    if code is None:
        return None
    start, stop = spans[code]
    if stop - start > 4096:
        if code == AMQP_VALUE and payload[start : start + 4] == b"\x00\x53\x77\xb1":  # a long text
            return payload[start + 8 : start + 8 + LABEL].decode("utf-8", "replace") + "..."
        return "%d bytes" % (stop - start)
    return read_body(payload, spans)[0]


def in_short(value: Any, size: int = LABEL) -> str:
    """A value of a message as people write it, clipped to so many characters."""
    if isinstance(value, bytes):
        try:
            value = value.decode("ascii")
        except UnicodeDecodeError:
            return clip("0x" + value.hex(), size)
    if isinstance(value, str):
        # Clipped before and after: an escape is longer than its character.
        return clip(shown(value[: size + 1], 10 * size + 20), size)
    return clip(format_value(value), size)


def clip(text: str, size: int) -> str:
    """At most so many characters; three dots stand for the rest."""
    return text if len(text) <= size else text[: max(0, size - 3)] + "..."


def sections_of(payload: bytes) -> list[tuple[int, Any]]:
    """The sections of a message in order, each as its code and its value; raises DecodeError."""
    payload, spans = locate(payload)
    found: list[tuple[int, Any]] = []
    for code, (start, stop) in spans.items():
        if code == HEADER:
            found.append((code, read_header(payload, spans)))
        elif code == PROPERTIES:
            found.append((code, read_properties(payload, spans)))
        elif DATA <= code <= AMQP_VALUE:
            found.append((code, read_body(payload, spans)[0]))
        else:
            described: Optional[Any] = read_value(payload, start, stop)[0]
            found.append((code, getattr(described, "value", described)))
    return found
