"""Record: one thing that happened in a run. All that is recorded, drawn, taught and kept in files is a list of these.

Recorders, file formats and pictures enter. Plain data: nothing in here knows an engine, a clock or a file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reactor.errors import ReactorException

#: The version of the form of a recording, in its header under the name "amqp-reactor".
VERSION = 1

#: The kinds of records, and what `text` and `values` of each have.
KINDS = {
    "began": "a program began; text: its container id; values: pid, or handler",
    "ended": "a program came to its end",
    "crashed": "a program was killed",
    "restarted": "a program began again",
    "connected": "a wire is up; values: peer, side (client or server), and in worlds other, the wire at the other end",
    "frame": "a frame or a protocol header, in `raw`; values: size, where `raw` is the beginning alone",
    "lost": "a wire ended otherwise than in good order; text: why",
    "closed": "a wire ended in good order",
    "retry": "a connection waits for its next attempt; values: attempt, delay",
    "call": "a method of a handler ran; text: its name; values: handler, seconds, link",
    "timer": "the time of a timer has come; text: of which",
    "held": "a handler held the loop; values: handler, method, seconds",
    "note": "faults and seeds of worlds, and all else; text: in words",
    "summary": "a link over an interval; values: link, role, sent, received, accepted, rejected, released, modified, "
    "credit, queued, unsettled",
}


class RecordingError(ReactorException, ValueError):
    """A recording cannot be read or written: the file, the place in it, and why."""


class Record(NamedTuple):
    """One thing that happened.

    at: seconds since the recording began.
    kind: one of KINDS.
    program: which program (container) of the recording; "" where it is about none.
    wire: which wire, such as "worker#1": the same text for all records of one wire, as one of its ends sees it.
    direction: "in" or "out" for frames, else "".
    raw: the whole frame or protocol header, or its beginning: `values["size"]` is the number of its bytes then.
    text: the part that people read: a method, a reason, a note.
    values: the rest, as JSON knows it. Records share an empty one: it is read, and never changed.
    """

    at: float
    kind: str
    program: str = ""
    wire: str = ""
    direction: str = ""
    raw: bytes = b""
    text: str = ""
    values: dict[str, Any] = {}  # shared, and never changed
