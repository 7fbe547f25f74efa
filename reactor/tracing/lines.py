"""Recordings as JSON lines: the header, then one record a line. A process that was killed leaves a file that is whole
up to its last line, and any tool for text can search it.

The keys of a record are t, k, p, w, d, b, x, v for its fields in order; `b` is base64, and empty fields are left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Optional

from reactor.tracing.record import VERSION, Record, RecordingError

#: The name of the version in a header, by which a file is known.
MARK = "amqp-reactor"

_TEXTS = {"k": "kind", "p": "program", "w": "wire", "d": "direction", "x": "text"}
_KEYS = {"t", "b", "v", *_TEXTS}


def header_line(header: dict[str, Any]) -> str:
    """The first line of a file, without its newline."""
    return _dump({MARK: VERSION, **header})


def record_line(record: Record) -> str:
    """One record, without its newline. RecordingError where its values are none of JSON's."""
    line: dict[str, Any] = {"t": round(record.at, 6), "k": record.kind}
    if record.program:
        line["p"] = record.program
    if record.wire:
        line["w"] = record.wire
    if record.direction:
        line["d"] = record.direction
    if record.raw:
        line["b"] = base64.b64encode(record.raw).decode("ascii")
    if record.text:
        line["x"] = record.text
    if record.values:
        line["v"] = record.values
    return _dump(line)


def _dump(line: dict[str, Any]) -> str:
    try:
        return json.dumps(line, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordingError("this is none of JSON's values: %s, in %.200r" % (error, line)) from error


def read_lines(data: Iterable[bytes], name: str) -> tuple[dict[str, Any], list[Record]]:
    """The header and the records of the lines `data` of a file `name`.

    A last line that was cut off is left out, and `header["cut"]` has a sentence about it. RecordingError, with file
    and number of the line, for any other line that is none of a recording, and for another version.
    """
    header: Optional[dict[str, Any]] = None
    records: list[Record] = []
    number = 0
    for number, line in enumerate(data, 1):
        try:
            if header is None:
                header = _header(line)
            elif line.strip():
                records.append(_record(line))
                _count_dropped(header, records[-1])
        except _Cut:
            if header is None:
                raise RecordingError("%s: line 1 is cut off: nothing is left of this recording" % name) from None
            sentence = "%s: line %d is cut off: the recording ends with the line before" % (name, number)
            header["cut"] = [*header.get("cut", ()), sentence]
        except ValueError as error:
            raise RecordingError("%s, line %d: %s" % (name, number, error)) from None
    if header is None:
        raise RecordingError("%s is empty: a recording begins with a line such as %s" % (name, header_line({})))
    return header, records


def _count_dropped(header: dict[str, Any], record: Record) -> None:
    """A file begins before it is full: a note says how many records it had no room for."""
    dropped = record.values.get("dropped")
    if record.kind == "note" and isinstance(dropped, int) and isinstance(header.get("dropped", 0), int):
        header["dropped"] = header.get("dropped", 0) + dropped


class _Cut(Exception):
    """A line without its end."""


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if not line.endswith(b"\n"):
            raise _Cut from None
        raise ValueError("this is no JSON: %s" % error) from None
    if not isinstance(value, dict):
        raise ValueError("a JSON object is wanted, not %.60r" % (value,))
    return value


def _no_number(name: str) -> float:
    raise ValueError("%s is no number of JSON" % name)


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = _object(line)
        version = header[MARK]
    except (ValueError, KeyError):
        raise ValueError("no recording begins like this; one begins with a line such as %s" % header_line({})) from None
    if version != VERSION:
        raise ValueError("this recording has version %.40r, and version %d can be read" % (version, VERSION))
    cut = header.get("cut", [])
    if not isinstance(cut, list) or not all(isinstance(each, str) for each in cut):
        raise ValueError("\"cut\" is a list of sentences, not %.60r" % (cut,))
    return header


def _record(line: bytes) -> Record:
    fields = _object(line)
    at = fields.get("t")
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not abs(at) < 1e12:
        raise ValueError('"t", the time, is a number of seconds, not %.60r' % (at,))
    for key, name in _TEXTS.items():
        if not isinstance(fields.get(key, ""), str):
            raise ValueError('"%s", the %s, is a text, not %.60r' % (key, name, fields[key]))
    if not fields.get("k"):
        raise ValueError('"k", the kind, is missing')
    if fields.get("d", "") not in ("", "in", "out"):
        raise ValueError('"d", the direction, is "in" or "out", not %.60r' % (fields["d"],))
    values = fields.get("v", {})
    if not isinstance(values, dict):
        raise ValueError('"v", the values, is an object, not %.60r' % (values,))
    if not fields.keys() <= _KEYS:
        raise ValueError("no record has %s" % ", ".join(sorted(fields.keys() - _KEYS)))
    texts = {name: fields.get(key, "") for key, name in _TEXTS.items()}
    return Record(float(at), raw=_raw(fields.get("b", "")), values=values, **texts)


def _raw(text: Any) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, ValueError):
        raise ValueError('"b", the bytes, is base64, not %.60r' % (text,)) from None
