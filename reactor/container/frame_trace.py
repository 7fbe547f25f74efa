"""The trace of frames on stderr, or in a transport's own tracer: which transports write one, and where it goes."""

from __future__ import annotations

import sys
import weakref
from itertools import count

from reactor import tracing
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable, Optional

    from reactor.engine.public import Transport

#: Numbers the transports of a process in its trace, whichever container they belong to.
_traced = count(1)


def wanted_trace(wanted: Optional[str]) -> str:
    """The trace that the value of the environment variable ``PN_TRACE_FRM`` asks for: "frames", "words" or ""."""
    word = (wanted or "").strip().lower()
    return word if word == "words" else "frames" if word in ("1", "true", "yes", "on") else ""


def trace_with(transport: Transport, wanted: str) -> None:
    """Have `transport` write its frames down when it is asked to trace, and at once where that is wanted: as "frames"
    with all of their fields, or in "words"."""
    transport.trace_maker = _trace_words if wanted == "words" else _trace_frames
    if wanted or transport.trace_flags:
        transport.trace(transport.trace_flags or transport.TRACE_FRM)


def _trace_frames(transport: Transport) -> Callable[[str, bytes], None]:
    return tracing.TextTrace(_writer(weakref.ref(transport)), "0x%x" % next(_traced))


def _trace_words(transport: Transport) -> Callable[[str, bytes], None]:
    return tracing.WordTrace(_writer(weakref.ref(transport)), "0x%x" % next(_traced))


def _writer(ref: Callable[[], Optional[Transport]]) -> Callable[[str], None]:
    """A function that writes a line of the trace of one transport."""

    def write(line: str) -> None:
        transport = ref()
        if transport is None or transport.tracer is None:
            _print(line)
        else:
            transport.tracer(transport, line)

    return write


def _print(line: str) -> None:
    """One line of the trace, in one write: containers in other threads trace too."""
    sys.stderr.write(line + "\n")
