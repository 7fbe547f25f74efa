"""Messages of a queue to look at, as plain data. Nothing is taken, nothing changes."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from itertools import islice
from math import isfinite
from typing import Any, Optional
from uuid import UUID

from handlers.broker.management.interface import MOST_ROWS
from handlers.broker.nodes.entry import ACQUIRED, Entry
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.sections import DATA, MOST_READ, VALUE, spans_of
from reactor import Array, Described, Message, ReactorException, timestamp

CLIP = 4096
"""Bytes of a body that are shown."""

MOST_CLIP = 64 * 1024

NOTHING = b"\x00\x53\x77\x40"
"""A body of null."""

MOST_ANSWER = 1024 * 1024
"""Bytes of all messages of one answer, about: it ends before the asked number then."""

MOST_STEPS = 1_000_000
"""Messages that are passed over to come to `offset`."""

FIELDS = ("id", "user_id", "address", "subject", "reply_to", "correlation_id", "content_type", "content_encoding",
          "expiry_time", "creation_time", "group_id", "group_sequence", "reply_to_group_id")  # fmt: skip
"""The properties [3.2.4] by their names as attributes of Message."""

_IDS = ("id", "correlation_id")  # 0 is one, too


def peek(queue: Queue, now: float, offset: int = 0, count: int = 10, clip: int = CLIP) -> list[dict[str, Any]]:
    """`count` messages from the head of `queue`, after `offset` others, whether they wait or are acquired.

    now: the broker's time. clip: bytes of a body that are shown, at most MOST_CLIP. Each row has:

    place: its number in the queue. state: "waiting" or "acquired". bytes: its whole size.
    delivery_count, redelivered, durable, priority; expires_in: seconds, None for never.
    properties, application_properties, annotations: dicts, as AMQP values.
    body: its value, None where it is no message or longer than `clip`. data: the first bytes of the body section.
    clipped: whether there is more of it.
    error: why a part cannot be shown, or None.
    """
    clip = max(0, min(clip, MOST_CLIP))
    rows: list[dict[str, Any]] = []
    taken, start = 0, min(max(offset, 0), MOST_STEPS)
    for entry in islice(queue.backlog.entries(), start, start + max(0, min(count, MOST_ROWS))):
        row = row_of(entry, now, clip)
        taken += row.pop("cost")
        rows.append(row)
        if taken >= MOST_ANSWER:
            break
    return rows


def row_of(entry: Entry, now: float, clip: int) -> dict[str, Any]:
    """One message. cost: bytes that its row takes, about."""
    payload = entry.envelope.header + entry.body
    row: dict[str, Any] = {
        "place": entry.place,
        "state": "acquired" if entry.state == ACQUIRED else "waiting",
        "bytes": len(payload),
        "delivery_count": entry.delivery_count,
        "redelivered": entry.redelivered,
        "durable": entry.envelope.durable,
        "priority": Message.DEFAULT_PRIORITY,
        "expires_in": max(0.0, entry.expires - now) if entry.expires else None,
        "properties": {},
        "application_properties": {},
        "annotations": {},
        "body": None,
        "data": payload[:clip],
        "clipped": len(payload) > clip,
        "error": None,
    }
    cost = clip + 500
    try:
        rest = _without_body(payload)
        if len(rest) > MOST_READ:
            row["error"] = f"{len(rest)} bytes beside its body: more than are shown"
        else:
            cost += len(rest)
            _decode(row, payload, rest, clip)
    except (ReactorException, ValueError) as error:  # whatever a client sends is passed on, if it is no message too
        row["error"] = f"not an AMQP message: {error}"
    row["cost"] = cost
    return row


def _without_body(payload: bytes) -> bytes:
    """The sections before and after the body, with a body of null between them: four bytes."""
    spans = spans_of(payload)
    before = b"".join(payload[start:stop] for code, start, stop in spans if code < DATA)
    return before + NOTHING + b"".join(payload[start:stop] for code, start, stop in spans if code > VALUE)


def _decode(row: dict[str, Any], payload: bytes, rest: bytes, clip: int) -> None:
    message = Message.from_bytes(rest)
    row["priority"] = message.priority
    row["delivery_count"] += message.delivery_count or 0
    fields = ((name, getattr(message, name)) for name in FIELDS)
    row["properties"] = {name: value for name, value in fields if value or (value is not None and name in _IDS)}
    row["application_properties"] = dict(message.properties or {})
    row["annotations"] = {str(key): value for key, value in (message.annotations or {}).items()}
    before = len(rest) - 4
    body = payload[before:] if payload.startswith(rest[:before]) else payload
    row["data"] = body[:clip]
    row["clipped"] = len(body) > clip
    if not row["clipped"]:
        row["body"] = Message.from_bytes(payload).body


def plain(value: Any) -> Any:
    """An AMQP value as JSON holds it: text, numbers, lists, dicts with text for keys. Bytes that are text become text,
    others {"base64": ...}; times become ISO 8601 in UTC."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if isfinite(value) else str(float(value))
    if isinstance(value, timestamp):
        return _moment(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _octets(bytes(value))
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Described):
        return {"descriptor": plain(value.descriptor), "value": plain(value.value)}
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (list, tuple, Array)):
        return [plain(item) for item in value]
    return str(value)


def _octets(data: bytes) -> Any:
    try:
        text: Optional[str] = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and all(character.isprintable() or character in "\n\r\t" for character in text):
        return text
    return {"base64": base64.b64encode(data).decode()}


def _moment(value: int) -> Any:
    try:
        return datetime.fromtimestamp(value / 1000, timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):  # no year of the calendar
        return int(value)


