"""proton.tracing: spans of opentracing for messages, by the packages opentracing and jaeger_client.

To import that module is to switch them on, as with the original: from then on each sender that is made begins a span
for each message, which its outcome ends, and its context goes with the message; each MessagingHandler that is
made has a span around its `on_message`. A program that does not import it pays nothing. The two packages are looked up
then. Programs of today have reactor.telemetry.opentelemetry.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Optional

import reactor.blocking.session as blocking_room
import reactor.engine.endpoints.session as session_room
from reactor import Message, symbol
from reactor.as_proton import ours
from reactor.blocking.sender import BlockingSender
from reactor.engine.endpoints.sender import Sender
from reactor.engine.events import is_coroutine
from reactor.lazily import Lazily

jaeger_client: Any = Lazily("jaeger_client")
opentracing: Any = Lazily("opentracing")
tags: Any = Lazily("opentracing.ext.tags")
propagation: Any = Lazily("opentracing.propagation")

#: The annotation with the context of a message, a map of strings. The original's programs look for it.
TRACE_STATE = symbol("x-opt-qpid-tracestate")
#: Seconds in which the last spans can leave the process at its end.
PATIENCE = 5.0
LOOKS = 500

_COMPONENT = "proton-message-tracing"


class Tracer:
    """The process's tracer, and the names of the packages.

    Raises ImportError where one of them is not installed.
    """

    def __init__(self) -> None:
        try:
            self._new_config = jaeger_client.Config
            self._global_tracer = opentracing.global_tracer
            self._format = propagation.Format.TEXT_MAP
        except ImportError as error:
            text = "proton tracing requires opentracing and jaeger_client modules"
            raise ImportError(text, name=error.name) from error
        self._tracer: Any = None

    def get_tracer(self) -> Any:
        """The tracer of this process. Where there is none yet, one is made, with the program's name for its service."""
        return self.init_tracer(os.path.basename(sys.argv[0] or "interactive-session"))

    def init_tracer(self, service_name: str) -> Any:
        """Make the tracer of this process: jaeger_client's, set up by its environment variables; or return the one that
        is there. service_name: of the process, for the readers of its spans."""
        if self._tracer is None:
            self._new_config(config={}, service_name=service_name, validate=True).initialize_tracer()
            self._tracer = self._global_tracer()
            atexit.register(self._end)
        return self._tracer

    def _end(self) -> None:
        """The process ends: spans that are over leave it first, where their reader takes them."""
        end, nothing = self._tracer.close(), Event()
        for _ in range(LOOKS):  # its callbacks may need a loop that runs no more
            if end.done():
                break
            nothing.wait(PATIENCE / LOOKS)

    def start_send(self, sender: Any, message: Message) -> Any:
        """Begin the span of a message that is about to be sent, and write its context into that."""
        tracer = self.get_tracer()
        kind, address = tags.SPAN_KIND_PRODUCER, sender.target.address
        span = tracer.start_span("amqp-delivery-send", tags=self._of_link(sender, kind, address))
        context: dict[str, str] = {}
        tracer.inject(span, self._format, context)
        message.annotations = {**(message.annotations or {}), TRACE_STATE: context}
        return span

    def around_message(self, event: Any) -> Any:
        """The span of a message that has come, as a context manager."""
        tracer = self.get_tracer()
        link, annotations = event.receiver, event.message.annotations or {}
        known = self._of_link(link, tags.SPAN_KIND_CONSUMER, link.source.address)
        fields = annotations.get(TRACE_STATE)
        parent = None
        if isinstance(fields, dict) and all(isinstance(text, str) for pair in fields.items() for text in pair):
            try:
                parent = tracer.extract(self._format, fields)
            except (opentracing.InvalidCarrierException, opentracing.SpanContextCorruptedException):
                parent = None  # a peer may have written anything: a trace of its own begins
        name = "amqp-delivery-receive"
        return tracer.start_active_span(name, child_of=parent, tags=known, ignore_active_span=parent is None)

    @staticmethod
    def _of_link(link: Any, kind: str, address: Optional[str]) -> dict[str, Any]:
        connection = link.connection
        return {
            tags.SPAN_KIND: kind,
            tags.MESSAGE_BUS_DESTINATION: address,
            tags.PEER_ADDRESS: connection.connected_address,
            tags.PEER_HOSTNAME: connection.hostname,
            tags.COMPONENT: _COMPONENT,
        }


def _finish(delivery: Any) -> None:
    """End the span of a message that was sent."""
    span = delivery.__dict__.get("span")
    if span is not None:
        state = delivery.remote_state
        name = getattr(state, "name", str(state))
        span.set_tag("delivery-terminal-state", name)
        span.log_kv({"event": "delivery settled", "state": name})
        span.finish()


@contextmanager
def _ends_by_error(span: Any) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        span.set_tag("error", True)
        span.log_kv({"event": "error", "error.object": error})
        span.finish()
        raise


def traced(tracer: Tracer) -> dict[str, type]:
    """The classes that take the places of Sender and of a MessagingHandler's parts for messages, by name."""
    handlers = ours.package("handlers")

    class TracedSender(Sender):
        """A sender with a span for each message, `span` of its delivery."""

        __slots__ = ()

        def send(self, obj: Any, tag: Any = None) -> Any:
            if not isinstance(obj, Message):
                return super().send(obj, tag)
            span = tracer.start_send(self, obj)
            with _ends_by_error(span):
                delivery = super().send(obj, tag)
            delivery.__dict__["span"] = span
            span.set_tag("delivery-tag", delivery.tag)
            if delivery.fate:
                _finish(delivery)  # nothing more is heard of it
            return delivery

    class TracedBlockingSender(BlockingSender):
        """A BlockingSender with a span for each message, from `send()` to its return."""

        def send(self, msg: Any, *arguments: Any, **keywords: Any) -> Any:
            message = msg if isinstance(msg, Message) else Message(msg)
            span = tracer.start_send(self.link, message)
            with _ends_by_error(span):
                sent = super().send(message, *arguments, **keywords)
            span.finish()
            return sent

    class Incoming(handlers.IncomingMessageHandler):  # type: ignore[misc, name-defined]  # a module made at run time
        """An IncomingMessageHandler with a span around `on_message`."""

        def __new__(cls, auto_accept: bool = True, delegate: Optional[object] = None) -> Any:
            # A coroutine has its outcome when it ends, and is not within a span.
            waits = is_coroutine(getattr(delegate, "on_message", None))
            return handlers.IncomingMessageHandler(auto_accept, delegate) if waits else super().__new__(cls)

        def on_message(self, event: Any) -> None:
            with tracer.around_message(event):
                super().on_message(event)

    class Outgoing(handlers.OutgoingMessageHandler):  # type: ignore[misc, name-defined]  # a module made at run time
        """An OutgoingMessageHandler that ends the spans of sent messages."""

        def on_settled(self, event: Any) -> None:
            _finish(event.delivery)
            super().on_settled(event)

        def on_delivery_in_doubt(self, event: Any) -> None:
            _finish(event.delivery)
            super().on_delivery_in_doubt(event)

    return {
        "Sender": TracedSender,
        "BlockingSender": TracedBlockingSender,
        "IncomingMessageHandler": Incoming,
        "OutgoingMessageHandler": Outgoing,
    }


def switch_on() -> dict[str, Any]:
    """Senders, and the parts of MessagingHandlers, have spans when they are made from now on. Returns the names of the
    original's module.

    Raises ImportError where the packages are not installed.
    """
    tracer = Tracer()
    found: dict[str, Any] = traced(tracer)
    vars(session_room)["Sender"] = found["Sender"]
    vars(blocking_room)["BlockingSender"] = found.pop("BlockingSender")
    parts = vars(vars(ours.package("handlers"))["messaging"])
    for name in ("IncomingMessageHandler", "OutgoingMessageHandler"):
        parts[name] = found[name]
    found.update(get_tracer=tracer.get_tracer, init_tracer=tracer.init_tracer)
    return found
