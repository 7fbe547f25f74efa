"""History: the events of a simulated network, in order: every frame as it was written, and the faults.

A World writes it and people read it; two runs are the same when their histories are, byte for byte. Bytes are
kept as they were and made readable only for a reader, for a history is nearly always thrown away.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from struct import Struct
from typing import Optional, Union

from reactor.tracing.text import describe

_TIME = Struct(">d")


class History:
    """The events of a run.

    keep: how many of the last ones are kept to be read; None for all. The digest is that of all in any case.
    """

    def __init__(self, keep: Optional[int] = None) -> None:
        self.count = 0
        self._events: deque[tuple[float, str, Union[bytes, str]]] = deque(maxlen=keep)
        self._hash = hashlib.sha256()

    def frame(self, at: float, label: str, part: bytes) -> None:
        """A frame was written. label: its sender, its receiver and the wire. at: seconds since the beginning."""
        self.count += 1
        self._events.append((at, label, part))
        self._hash.update(_TIME.pack(at) + label.encode() + part)

    def note(self, at: float, text: str) -> None:
        """Something else happened."""
        self.count += 1
        self._events.append((at, "", text))
        self._hash.update(_TIME.pack(at) + text.encode())

    @property
    def digest(self) -> str:
        """A fingerprint of all that happened: equal for equal runs."""
        return self._hash.hexdigest()

    def lines(self, last: Optional[int] = None) -> Iterator[str]:
        """The kept events, for people: a line for each, or for the `last` ones besides heartbeats."""
        events = list(self._events)
        if last is not None:
            events = [event for event in events if not _is_heartbeat(event[2])]
            events = events[max(0, len(events) - last) :]
        for at, label, event in events:
            if isinstance(event, str):
                yield "%12.6f ** %s" % (at, event)
                continue
            _, channel, text = describe(event)
            yield "%12.6f %s%s %s" % (at, label, ":" + channel if channel else "", text)


def _is_heartbeat(event: Union[bytes, str]) -> bool:
    """An hour of them hides all other events."""
    return isinstance(event, bytes) and len(event) == 8 and not event.startswith(b"AMQP")
