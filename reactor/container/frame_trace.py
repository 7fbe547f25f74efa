"""The trace of frames on stderr, or in a transport's own tracer."""

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


def trace_frames(transport: Transport) -> Callable[[str, bytes], None]:
    """Writes the frames of `transport` with all of their fields."""
    return tracing.TextTrace(_writer(weakref.ref(transport)), "0x%x" % next(_traced))


def trace_words(transport: Transport) -> Callable[[str, bytes], None]:
    """Writes them in words."""
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
