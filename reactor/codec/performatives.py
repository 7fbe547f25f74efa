"""Composites to bytes and back, by the tables of `definitions`: performatives, termini, states, SASL frames.

The engine enters here, and `message` for its sections. A composite is its code and the plain list of its
field values in the order of the specification; a composite within is ``Described(code, values)``. This module
knows the types of fields, and nothing of the states in which a frame is allowed.
"""

from __future__ import annotations

from itertools import repeat
from operator import is_not

from reactor.codec.decode import read_fields, read_value
from reactor.codec.definitions import (
    ARCHETYPES,
    BEGIN,
    BY_CODE,
    BY_NAME,
    CLOSE,
    CODE_OF_SYMBOL,
    DISPOSITION,
    FLOW,
    HEADER,
    OPEN,
    PROPERTIES,
    SASL_MECHANISMS,
    SASL_OUTCOME,
    TRANSFER,
    Composite,
    Field,
)
from reactor.codec.encode import FIELD_WRITERS, write_list, write_value
from reactor.codec.readers import malformed
from reactor.codec.types import UNDESCRIBED, Array, Data, Described, clipped, symbol, timestamp, ulong
from reactor.codec.writers import UNWRITABLE
from reactor.errors import DataException, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING, Lazily

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from typing import Any

    from reactor.codec.writers import Writer
else:
    uuid = Lazily("uuid")


# -- encoding ---------------------------------------------------------------------------------------------


def encode_composite(code: int, values: Sequence[Any]) -> bytes:
    """The composite with this code and these field values: descriptor and list, in the smallest form.

    None stands for a field that is not there, and is cut off at the end. A field of several symbols takes a
    str, a list, a tuple or an `Array`; a composite field takes ``Described(code, values)``. Raises
    DataException that names composite and field.
    """
    key: tuple[Any, ...] = ()
    if code in ALIKE and _UNCHANGING.issuperset(map(type, values)):
        key = (code, *values, *map(type, values))  # the types, too: True is equal to 1
        known = _encoded.get(key)
        if known is not None:
            return known
    out = bytearray()
    write_composite(out, code, values)
    data = bytes(out)
    if key:
        _keep(_encoded, key, data)
    return data


def write_composite(out: bytearray, code: int, values: Sequence[Any]) -> None:
    """Append the bytes of `encode_composite`."""
    try:
        prefix, plans = _ENCODERS[code]
    except KeyError:
        raise DataException("0x%x is not the code of a composite type" % code) from None
    filled = tuple(map(is_not, values, repeat(None)))
    count, steps = plans.get(filled) or _plan(code, filled)
    body = bytearray()
    try:
        for index, nulls, write in steps:
            body += nulls
            write(body, values[index])
    except UNWRITABLE as e:
        raise _blamed(BY_CODE[code], values, e) from None
    out += prefix
    write_list(out, body, count)


def _plan(code: int, filled: tuple[bool, ...]) -> Plan:
    """How a composite is written of which these fields are set. Remembered: composites of one kind are much alike."""
    composite, plans = BY_CODE[code], _ENCODERS[code][1]
    count = max((index for index, is_set in enumerate(filled, 1) if is_set), default=0)
    if count > len(composite.fields):
        raise DataException("%s has %d fields, not %d" % (composite.name, len(composite.fields), count))
    steps, done = [], 0
    for index, field in enumerate(composite.fields[:count]):
        if filled[index]:
            steps.append((index, b"\x40" * (index - done), _WRITER_OF[field]))
            done = index + 1
    if len(plans) >= _MOST_PLANS:
        plans.clear()
    plan = plans[filled] = (count, tuple(steps))
    return plan


def _blamed(composite: Composite, values: Sequence[Any], error: Exception) -> DataException:
    """The same error again, with the name of the first field that cannot be written."""
    for field, value in zip(composite.fields, values):
        try:
            if value is not None:
                _WRITER_OF[field](bytearray(), value)
        except UNWRITABLE as e:
            return DataException(
                "%s.%s cannot be %s: %s" % (composite.name, field.name, _shown(composite, value), e)
            )
    return DataException("%s: %s" % (composite.name, error))


def _write_nested(out: bytearray, value: Any) -> None:
    """A composite, or anything else described, within a composite."""
    if not isinstance(value, Described):
        raise DataException("a Described was expected")
    code = value.descriptor
    if type(code) in (int, ulong) and code in _ENCODERS:  # a number of another type names none of them
        if not isinstance(value.value, (list, tuple)):
            raise DataException("a composite has a list of fields")
        write_composite(out, code, value.value)
    elif type(code) is int:
        write_value(out, Described(ulong(code), value.value))
    else:
        write_value(out, value)


def _write_any(out: bytearray, value: Any) -> None:
    if isinstance(value, Described):
        _write_nested(out, value)
    else:
        write_value(out, value)


def _write_symbols(out: bytearray, value: Any) -> None:
    """A field of several symbols [1.4]: a name is written as itself, a list of them as an array, also of one, as the
    original does, and an empty list as null."""
    if isinstance(value, str):
        _write_symbol(out, value)
        return
    if not isinstance(value, Array):
        names = list(value)
        if not all(isinstance(name, str) for name in names):
            raise DataException("only names (str or symbol) may be in it")
        if not names:
            out.append(0x40)
            return
        value = Array(UNDESCRIBED, Data.SYMBOL, *names)
    write_value(out, value)


_write_symbol = FIELD_WRITERS["symbol"]


def _writer_of(field: Field) -> Writer:
    if field.multiple:
        return _write_symbols
    if field.primitive in BY_NAME:
        return _write_nested
    if field.requires in ("source", "target", "delivery-state", "outcome"):
        return _write_nested
    if field.requires in FIELD_WRITERS:
        return FIELD_WRITERS[field.requires]
    if field.type in ("fields", "node-properties", "filter-set"):
        return FIELD_WRITERS["fields"]
    return _write_any if field.primitive == "*" else FIELD_WRITERS[field.primitive]


_WRITER_OF: dict[Field, Writer] = {
    field: _writer_of(field) for composite in BY_CODE.values() for field in composite.fields
}

if TYPE_CHECKING:
    #: How many fields there are with the nulls between them; and of each that is set its index, the nulls before it,
    #: and how it is written.
    Plan = tuple[int, tuple[tuple[int, bytes, Writer], ...]]

# By code: the descriptor, and the plans of the composites that were written, by which of their fields were set.
_ENCODERS: dict[int, tuple[bytes, dict[tuple[bool, ...], Plan]]] = {
    code: (bytes((0x00, 0x53, code)), {}) for code in BY_CODE
}
_MOST_PLANS = 64


# -- composites that are alike ----------------------------------------------------------------------------

#: A container writes these alike on each of its connections, and so do its peers. They are remembered as a whole, where
#: nothing can change their values. None of them has a secret.
ALIKE = frozenset((OPEN, BEGIN, CLOSE, SASL_MECHANISMS, SASL_OUTCOME))
_encoded: dict[tuple[Any, ...], bytes] = {}
_decoded: dict[bytes, tuple[Any, ...]] = {}
# A peer can invent as many as it likes: so many are kept, and of so many bytes.
_MOST_ALIKE, _LONGEST_ALIKE = 64, 256
_UNCHANGING = frozenset((type(None), bool, int, str, symbol))


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    if len(known) >= _MOST_ALIKE:
        known.clear()  # in one step: other threads read it, too
    known[key] = value


# -- decoding ---------------------------------------------------------------------------------------------


def decode_composite(buf: bytes, pos: int, end: int) -> tuple[int, list[Any], int]:
    """Read the composite with its descriptor at `pos`, and check its fields against its definition.

    Answers its code, its fields (as `read_fields` makes them, short lists stay short) and the position behind
    it. Each field has the type of its definition, or is None where that is allowed; a number in a wider
    type than the definition's is accepted if it fits, as is a string for a symbol. Raises RemoteProtocolError
    (amqp:decode-error).
    """
    try:
        if buf[pos] == 0x00 and buf[pos + 1] == 0x53:
            code: Any = buf[pos + 2]
            if code in ALIKE:
                return _decode_alike(code, buf, pos, end)
            pos += 3
        else:
            code, pos = _read_descriptor(buf, pos, end)
    except IndexError:
        raise malformed("a composite that ends in its descriptor") from None
    if code not in BY_CODE:
        raise malformed("no composite type has the descriptor %s" % clipped(code))
    fields, pos = read_fields(buf, pos, end)
    check_fields(code, fields)
    return code, fields, pos


def _decode_alike(code: int, buf: bytes, pos: int, end: int) -> tuple[int, list[Any], int]:
    """The same of one that may have come before."""
    data = bytes(buf[pos:end])
    known = _decoded.get(data)
    if known is not None:
        return code, list(known), end
    fields, after = read_fields(buf, pos + 3, end)
    check_fields(code, fields)
    if after == end and len(data) <= _LONGEST_ALIKE and _UNCHANGING.issuperset(map(type, fields)):
        _keep(_decoded, data, tuple(fields))
    return code, fields, after


def _read_descriptor(buf: bytes, pos: int, end: int) -> tuple[Any, int]:
    """A descriptor other than the usual two bytes: the code if it is a symbol that has one, else itself."""
    if pos >= end or buf[pos] != 0x00:
        raise malformed("a described list was expected")
    descriptor, pos = read_value(buf, pos + 1, end)
    if isinstance(descriptor, str):
        return CODE_OF_SYMBOL.get(descriptor, descriptor), pos
    if type(descriptor) is ulong:
        return int(descriptor), pos
    raise malformed("no composite type has the descriptor %s" % clipped(descriptor))


def check_fields(code: int, fields: list[Any]) -> None:
    """Hold fields against their definition, in place. Raises RemoteProtocolError (amqp:decode-error)."""
    known = _SHAPES[code].get(tuple(map(type, fields)))
    if known is not None:
        if known:
            for position, field in known:
                _check_content(BY_CODE[code], field, fields[position])
        return
    composite, shapes = BY_CODE[code], _SHAPES[code]
    while len(fields) > len(composite.fields) and fields[-1] is None:
        fields.pop()
    if len(fields) > len(composite.fields):
        raise malformed("%s with %d fields; it has %d" % (composite.name, len(fields), len(composite.fields)))
    cacheable = True
    inside: list[tuple[int, Field]] = []
    for position, field in enumerate(composite.fields):
        value = fields[position] if position < len(fields) else None
        if value is None:
            if field.mandatory:
                raise malformed("%s without its mandatory field %s" % (composite.name, field.name))
            continue
        kind, highest = _EXPECTED[field]
        if kind is not None and type(value) is not kind:
            fields[position] = _converted(composite, field, kind, highest, value)
            cacheable = False
        else:
            _check_content(composite, field, value)
            # The type of these does not show whether they are right.
            narrow = highest in _NARROW and code not in _OFTEN
            if narrow or (kind is None and type(value) in (Described, Array)):
                inside.append((position, field))
    if cacheable and len(shapes) < (_MAX_SHAPES if code in _OFTEN else _MAX_RARE_SHAPES):
        shapes[tuple(map(type, fields))] = tuple(inside)


def _check_content(composite: Composite, field: Field, value: Any) -> None:
    """Whether a field of the right type has a number, a composite or an array that may be there."""
    kind, highest = _EXPECTED[field]
    if kind is None:
        _check_other(composite, field, value)
    elif highest and value > highest:
        raise _wrong(composite, field, value)


def _converted(composite: Composite, field: Field, kind: Any, highest: int, value: Any) -> Any:
    """A value of a neighbouring type, as peers send it, in the type of the field."""
    if isinstance(value, int) and issubclass(kind, int) and bool not in (kind, type(value)):
        try:
            if not highest or 0 <= value <= highest:
                return kind(value)
        except DataException:
            pass
    elif isinstance(value, str) and issubclass(kind, str) and value.isascii():
        return kind(value)
    raise _wrong(composite, field, value)


def _check_other(composite: Composite, field: Field, value: Any) -> None:
    """A field that holds one type of several."""
    if field.multiple:
        if isinstance(value, str):
            return
        if isinstance(value, Array) and value.descriptor is UNDESCRIBED and value.type == Data.SYMBOL:
            return
    elif field.requires in _IDENTITIES:
        if isinstance(value, _IDENTITIES[field.requires]) and not isinstance(value, bool):
            return
        if field.requires == "message-id" and isinstance(value, uuid.UUID):
            return
    elif field.primitive == "*" and field.requires not in _DESCRIBED:
        return
    elif isinstance(value, Described):
        code = value.descriptor
        known = type(code) is int and code in BY_CODE
        if known:
            check_fields(code, value.value)
        allowed = ARCHETYPES.get(field.requires or field.primitive)
        if allowed is None or (known and code in allowed):
            return
    raise _wrong(composite, field, value)


def _wrong(composite: Composite, field: Field, value: Any) -> RemoteProtocolError:
    return malformed("%s.%s cannot be %s" % (composite.name, field.name, _shown(composite, value)))


def _shown(composite: Composite, value: Any) -> str:
    """A value in an error message; the values of a log-in stay out of every log."""
    return type(value).__name__ if composite.name.startswith("sasl") else clipped(value)


def _expectation(field: Field) -> tuple[Any, int]:
    if field.multiple:
        return None, 0
    return _SIMPLE.get(field.primitive), _HIGHEST.get(field.primitive, 0)


_SIMPLE: dict[str, type] = {
    "boolean": bool,
    "ubyte": int,
    "ushort": int,
    "uint": int,
    "ulong": ulong,
    "timestamp": timestamp,
    "binary": bytes,
    "string": str,
    "symbol": symbol,
    "map": dict,
}
_HIGHEST = {"ubyte": 0xFF, "ushort": 0xFFFF, "uint": 0xFFFFFFFF, "ulong": 0xFFFFFFFFFFFFFFFF}
_IDENTITIES: dict[str, Any] = {"address": str, "message-id": (int, str, bytes), "txn-id": bytes}
_DESCRIBED = ("source", "target", "delivery-state", "outcome")
_EXPECTED: dict[Field, tuple[Any, int]] = {field: _expectation(field) for field in _WRITER_OF}

# Which types the fields of a frame or section may have is decided once for each combination that is met, and
# remembered, with the fields that must be looked into: the check of the next one costs one look-up, and these. There
# are only so many combinations of types that pass. (A ubyte cannot be told from a uint in this way. In what comes with
# messages it is not looked into: of a transfer it is the settle mode, which the link has agreed on already; of a header
# `message` looks itself.)
_OFTEN = frozenset((FLOW, TRANSFER, DISPOSITION, HEADER, PROPERTIES))
_SHAPES: dict[int, dict[tuple[type, ...], tuple[tuple[int, Field], ...]]] = {code: {} for code in BY_CODE}
_MAX_SHAPES, _MAX_RARE_SHAPES = 256, 32
_NARROW = (0xFF, 0xFFFF)
