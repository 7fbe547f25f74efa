"""The wire trace: every frame as one line of text, for people (``PN_TRACE_FRM=1``).

A TextTrace listens to the bytes of one connection, both directions, and never speaks: it splits the stream
into protocol headers and frames again, decodes each performative and names its fields. The engine does not
know it; a transport with no `recorder` pays one comparison for it. Nothing in here may fail: bytes that
do not parse are shown raw, because the trace is read exactly when a peer sends such bytes.

The form of the lines is the original's, so that eyes and tools trained on it go on working::

    [0x1]: AMQP:FRAME:0 -> @attach(18) [name="jobs", handle=0, role=false, ...]
    [0x1]: AMQP:FRAME:0 <- @transfer(20) [handle=0, delivery-id=0, delivery-tag=b"1"] (18) "\\x00Sw..."
"""

from __future__ import annotations

from typing import Any, Callable

from reactor.codec.definitions import BY_CODE
from reactor.codec.performatives import decode_composite
from reactor.codec.types import UNDESCRIBED, Array, Described, symbol
from reactor.shown import shown
from reactor.tracing.secrets import SECRET_FIELDS, Secrets
from reactor.tracing.splitter import Splitter

EXCERPT = 64  #: bytes of a payload that are shown
LAYERS = {0: "AMQP", 1: "SASL"}
HEADER_LAYERS = {0: "AMQP", 2: "TLS", 3: "SASL"}
ARROWS = {"in": "<-", "out": "->"}


class TextTrace:
    """A recorder for one transport: call it with the direction and the bytes, in the order of the wire.

    write: receives each finished line, without its newline.
    label: the name of the connection; it stands in brackets at the start of each line.

    Chunks may be cut anywhere; a frame is shown when its last byte has come.
    """

    def __init__(self, write: Callable[[str], None], label: str = "0x0") -> None:
        self.write = write
        self.label = label
        self._splitters = {"in": Splitter(), "out": Splitter()}
        incoming = Secrets()
        self._secrets = {"in": incoming, "out": Secrets(incoming)}

    def __call__(self, direction: str, chunk: bytes) -> None:
        """Take the next bytes that went "in" or "out"."""
        for part in self._splitters[direction].feed(chunk):
            self._line(direction, part)

    def _line(self, direction: str, part: bytes) -> None:
        if part[5:6] == b"\x00":  # the secrets of SASL have a form of their own here
            part = self._secrets[direction].hide(part)
        layer, channel, text = describe(part)
        self.write("[%s]: %s:FRAME:%s %s %s" % (self.label, layer, channel, ARROWS[direction], text))


def describe(part: bytes) -> tuple[str, str, str]:
    """A part from a Splitter: its layer, its channel where it has one, and its text."""
    if part.startswith(b"AMQP") and len(part) == 8:
        return HEADER_LAYERS.get(part[4], "%d" % part[4]), "", format_header(part)
    if len(part) < 8 or part[0] >= 0x10:
        return "RAW", "", "(%d) %s" % (len(part), format_bytes(part))
    return LAYERS.get(part[5], "%d" % part[5]), "%d" % int.from_bytes(part[6:8], "big"), format_frame(part)


def format_header(header: bytes) -> str:
    """A protocol header [2.2], such as ``AMQP 1.0.0`` or ``SASL 1.0.0``."""
    layer = HEADER_LAYERS.get(header[4], "AMQP(protocol %d)" % header[4])
    return "%s %d.%d.%d" % (layer, header[5], header[6], header[7])


def format_frame(frame: bytes) -> str:
    """One whole frame [2.3.1] without its channel: the performative, then the payload if there is one."""
    start = frame[4] * 4
    if len(frame) == start:
        return "(empty)"
    try:
        if not 8 <= start < len(frame):
            raise ValueError("the data offset %d lies outside of the frame" % frame[4])
        code, values, end = decode_composite(frame, start, len(frame))
    except Exception as error:  # whatever a peer sends: the trace goes on and shows it
        return "(malformed: %s) (%d) %s" % (error, len(frame), format_bytes(frame))
    text = format_composite(code, values)
    if end < len(frame):
        text += " (%d) %s" % (len(frame) - end, format_bytes(frame[end:]))
    return text


def format_composite(code: int, values: list[Any]) -> str:
    """A composite with the names of its fields; those that are null are left out."""
    definition = BY_CODE.get(code)
    if definition is None:
        return "@0x%x [%s]" % (code, ", ".join(map(format_value, values)))
    shown = []
    for position, value in enumerate(values):
        if value is None:
            continue
        if position >= len(definition.fields):
            shown.append(format_value(value))
            continue
        name = definition.fields[position].name
        if (code, name) in SECRET_FIELDS:
            size = "%d bytes, " % len(value) if isinstance(value, bytes) else ""
            shown.append("%s=(%snot shown)" % (name, size))
        else:
            shown.append("%s=%s" % (name, format_value(value)))
    return "@%s(%d) [%s]" % (definition.name, code, ", ".join(shown))


def format_value(value: Any) -> str:
    """Any AMQP value, with its type as the original shows it: ``:symbol``, ``"string"``, ``b"binary"``, ``true``."""
    special = _FORMATS.get(type(value))
    if special is not None:
        return special(value)
    if isinstance(value, Described):
        return _format_described(value)
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s=%s" % (format_value(k), format_value(v)) for k, v in value.items())
    if isinstance(value, Array):
        inner = ", ".join(map(format_value, value.elements))
        mark = "" if value.descriptor is UNDESCRIBED else ":%s" % format_value(value.descriptor)
        return "@array%s[%s]" % (mark, inner)
    if isinstance(value, list):
        return "[%s]" % ", ".join(map(format_value, value))
    text = str(value)
    return shown(text, len(text))


def _format_described(value: Described) -> str:
    if isinstance(value.descriptor, int) and isinstance(value.value, list) and value.descriptor in BY_CODE:
        return format_composite(int(value.descriptor), value.value)
    return "@%s %s" % (format_value(value.descriptor), format_value(value.value))


def format_bytes(data: bytes) -> str:
    """The beginning of `data` with everything escaped that is not printable ASCII."""
    more = "..." if len(data) > EXCERPT else ""
    return '"%s"%s' % (_escape(data[:EXCERPT]), more)


def _escape(data: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else "\\x%02x" % b for b in data)


def _format_string(value: str) -> str:
    return '"%s"' % shown(value, len(value)).replace('"', '\\"')


_FORMATS: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "null",
    bool: lambda value: "true" if value else "false",
    symbol: lambda value: ":%s" % value if value.isidentifier() else ":%s" % _format_string(value),
    str: _format_string,
    bytes: lambda value: 'b"%s"' % _escape(value),
}
