"""Trace context in messages: where a message comes from, across programs [W3C Trace Context, level 1].

The field `traceparent` stands in the application properties, as the publisher writes it, for no intermediary may change
those [3.2.5]; an intermediary writes its own into the message annotations, which are read first. So has it the W3C's
draft for AMQP (w3c.github.io/trace-context-amqp), on which OpenTelemetry's conventions for messaging rely. That draft
has the field in binary, and the libraries in use (Azure's, OpenTelemetry's propagators) write it as text: here text is
written, and both are read.

`Traced` writes it into all that a sender sends, and `Tracing` has the context of the message that is being handled at
hand; a message that `on_message` sends so goes on with the trace of the one that came. It needs no OpenTelemetry.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from random import Random, SystemRandom
from typing import Any, Optional, Union

from reactor.codec.message import Message
from reactor.codec.types import symbol
from reactor.container.settings.options import SenderOption
from reactor.engine.endpoints.sender import Sender as EngineSender
from reactor.engine.public import Sender
from reactor.errors import DecodeError
from reactor.lazily import pattern
from reactor.tracing.observer import Observer

PARENT, STATE = "traceparent", "tracestate"

#: A peer's state is passed on, and not understood. [3.3.1.5] asks for 512 characters at least.
LONGEST_STATE = 512

SAMPLED = 1

_FORM = pattern(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.A | re.S)
_STATE = pattern(r"[ -~]+", re.A)


class TraceContext:
    """A place in a trace.

    trace_id: 32 hexadecimal digits in lower case, the same in all of a trace. span_id: 16 of them. flags: 0 to 255;
    bit 0: it is sampled. state: of the systems that it has come through, to be passed on; or "".

    Raises ValueError for ids that are none.
    """

    __slots__ = ("flags", "span_id", "state", "trace_id")

    def __init__(self, trace_id: str, span_id: str, flags: int = SAMPLED, state: str = "") -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.state = state
        if not 0 <= flags <= 255 or parse_parent(self.parent) is None:
            raise ValueError("no trace context: %r, %r, %r" % (trace_id, span_id, flags))

    @staticmethod
    def new(random: Optional[Random] = None) -> TraceContext:
        """The beginning of a trace, sampled. random: gives the ids; that of the system by default."""
        source = _SYSTEM if random is None else random
        return _known_good("%032x" % _not_zero(source, 128), "%016x" % _not_zero(source, 64), SAMPLED, "")

    def child(self, random: Optional[Random] = None) -> TraceContext:
        """The next place in the same trace."""
        source = _SYSTEM if random is None else random
        return _known_good(self.trace_id, "%016x" % _not_zero(source, 64), self.flags, self.state)

    @property
    def parent(self) -> str:
        """As it stands in a message, in version 00."""
        return "00-%s-%s-%02x" % (self.trace_id, self.span_id, self.flags)

    @property
    def sampled(self) -> bool:
        """Whether it is recorded upstream."""
        return bool(self.flags & SAMPLED)

    def __repr__(self) -> str:
        return "<TraceContext %s>" % self.parent

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TraceContext):
            return NotImplemented
        return self.parent == other.parent and self.state == other.state

    def __hash__(self) -> int:
        return hash(self.parent)


_SYSTEM = SystemRandom()


def _known_good(trace_id: str, span_id: str, flags: int, state: str) -> TraceContext:
    """A context of ids that are sound."""
    context = TraceContext.__new__(TraceContext)
    context.trace_id, context.span_id, context.flags, context.state = trace_id, span_id, flags, state
    return context


def _not_zero(random: Random, bits: int) -> int:
    """A number that is an id: all zeros is none [3.2.2]."""
    return random.getrandbits(bits) or 1


def parse_parent(given: Any) -> Optional[tuple[str, str, int]]:
    """(trace id, span id, flags) of a traceparent, as text or in its binary form; None for anything else. Of a later
    version of the text the part is read that is the same [3.2.2, 4.3]."""
    if isinstance(given, bytes):
        given = _as_text(given)
    found = _FORM.fullmatch(given) if isinstance(given, str) and len(given) <= 1024 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return trace_id, span_id, int(flags, 16)


def _as_text(binary: bytes) -> str:
    """The binary form as text: version 0, then three fields with numbers (w3c.github.io/trace-context-binary)."""
    if len(binary) != 29 or (binary[0], binary[1], binary[18], binary[27]) != (0, 0, 1, 2):
        return ""
    return "00-%s-%s-%02x" % (binary[2:18].hex(), binary[19:27].hex(), binary[28])


def read_trace(message: Message) -> Optional[TraceContext]:
    """The trace context of a message that has come; None where there is none, or what there is is none: a peer may have
    written anything."""
    for fields in (message.annotations, message.properties):
        if isinstance(fields, dict):
            found = parse_parent(fields.get(PARENT))
            if found is not None:
                state = fields.get(STATE)
                if not isinstance(state, str) or len(state) > LONGEST_STATE or _STATE.fullmatch(state) is None:
                    state = ""
                return _known_good(*found, state)
    return None


def write_trace(message: Message, context: TraceContext, annotate: bool = False) -> None:
    """Write a trace context into a message that is to be sent.

    annotate: into its annotations, as an intermediary does, which must not change the properties; False: into these.
    """
    if annotate:
        message.annotations = fields = dict(message.annotations or {})
        name: Any = symbol
    else:
        message.properties = fields = dict(message.properties or {})
        name = str
    fields[name(PARENT)] = context.parent
    if context.state:
        fields[name(STATE)] = context.state
    else:
        fields.pop(STATE, None)


_current: ContextVar[Optional[TraceContext]] = ContextVar("reactor.telemetry.trace", default=None)


def current_trace() -> Optional[TraceContext]:
    """The trace context of the message that is being handled, where `Tracing` looks on; else None."""
    return _current.get()


class Tracing(Observer):
    """Has the trace context of each message at hand while `on_message` runs: `current_trace()`. An observer of the
    container."""

    def __init__(self) -> None:
        self._within = False  # a message that has a context

    def observer(self, container: Any) -> Tracing:
        """The part of one container."""
        return type(self)()

    def received(self, delivery: Any) -> None:
        """See Observer: `on_message` is next."""
        try:
            context = read_trace(message_of(delivery))
        except DecodeError:
            context = None  # it is rejected, or its handler finds that out
        if context is not None or self._within:
            _current.set(context)
            self._within = context is not None

    def called(self, handler: Any, method: str, event: Any, seconds: float) -> None:
        """See Observer: what follows is about other things."""
        if self._within and method == "on_message":
            _current.set(None)
            self._within = False

    def turned(self) -> None:
        """See Observer: there may have been no `on_message`."""
        if self._within:
            _current.set(None)
            self._within = False


def message_of(delivery: Any) -> Message:
    """The message of a delivery that has come, to look at: nothing is taken. DecodeError for bytes that are none."""
    payload = bytes(delivery.payload)
    return Message.from_bytes(payload + b"".join(delivery.chunks) if delivery.chunks else payload)


class Traced(SenderOption):
    """Each message of a sender has a trace context: the next one in the trace of the message that is being handled
    (see `Tracing`), else the beginning of a new one. One that a message has already stays: it comes from elsewhere.
    The Message of the application is as before when it is sent; what a transacted blocking session sends has none.

    random: gives the ids; that of the system by default.
    """

    def __init__(self, random: Optional[Random] = None) -> None:
        self._random = random

    def apply(self, sender: Sender) -> None:
        """See SenderOption."""
        # By another class: senders without this option pay nothing for it.
        sender.__class__ = TracedSender  # type: ignore[assignment]  # of the same layout
        sender.__dict__["traced"] = self

    def send(self, sender: Sender, message: Message, go: Callable[[], Any]) -> Any:
        """Send `message` by `go()`."""
        if read_trace(message) is not None:
            return go()
        current = current_trace()
        context = TraceContext.new(self._random) if current is None else current.child(self._random)
        before = message.properties
        write_trace(message, context)
        try:
            return go()
        finally:
            message.properties = before


class TracedSender(EngineSender):
    """A sender with the option `Traced`."""

    __slots__ = ()

    def send(self, obj: Any, tag: Union[str, bytes, None] = None) -> Any:
        """See Sender."""
        plain = super().send
        if not isinstance(obj, Message):
            return plain(obj, tag)
        return self.__dict__["traced"].send(self, obj, lambda: plain(obj, tag))
