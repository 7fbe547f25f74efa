"""OpenTelemetry: the numbers and traces of containers, handed to its API. Needs the package `opentelemetry-api`; where
they go is the business of the SDK and its exporters, which the application sets up.

A program that wants it imports this module; no other module of this library does. Spans, their names, kinds and
attributes are those of opentelemetry.io/docs/specs/semconv/messaging/messaging-spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Optional

from opentelemetry import context as contexts  # type: ignore[import-not-found, unused-ignore]
from opentelemetry import metrics, propagate, trace  # type: ignore[import-not-found, unused-ignore]

from reactor.codec.message import Message
from reactor.engine.public import Sender
from reactor.errors import DecodeError
from reactor.telemetry.context import Traced, Tracing, message_of, read_trace
from reactor.telemetry.meter import SYSTEM, Telemetry, address_of, error_of
from reactor.telemetry.series import Attributes, Counter, Gauge, Histogram

SCOPE = "amqp-reactor"

_ADDRESS = "messaging.destination.name"


def export(telemetry: Telemetry, meter_provider: Any = None) -> None:
    """Have OpenTelemetry collect the numbers of `telemetry`. Before its containers run: a histogram hands on what comes
    from now on.

    meter_provider: None for the one that is set for the process.
    """
    meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
    for instrument in telemetry.instruments:
        name, unit, text = instrument.name, instrument.unit, instrument.text
        if isinstance(instrument, Counter):
            meter.create_observable_counter(name, [_counts(instrument)], unit, text)
        elif isinstance(instrument, Gauge):
            meter.create_observable_up_down_counter(name, [_levels(instrument)], unit, text)
        elif isinstance(instrument, Histogram):
            _forward(meter, instrument)


def _counts(counter: Counter) -> Callable[[Any], Iterable[Any]]:
    def read(options: Any) -> Iterable[Any]:
        return [metrics.Observation(count.value, dict(key)) for key, count in list(counter.series.items())]

    return read


def _levels(gauge: Gauge) -> Callable[[Any], Iterable[Any]]:
    def read(options: Any) -> Iterable[Any]:
        return [metrics.Observation(value, dict(key)) for key, value in gauge.read()]

    return read


def _forward(meter: Any, histogram: Histogram) -> None:
    try:
        target = meter.create_histogram(
            histogram.name,
            histogram.unit,
            histogram.text,
            explicit_bucket_boundaries_advisory=list(histogram.bounds),
        )
    except TypeError:  # before 1.29 there was no such advice
        target = meter.create_histogram(histogram.name, histogram.unit, histogram.text)

    def forward(key: Attributes) -> Callable[[float], object]:
        given = dict(key)
        return lambda value: target.record(value, given)

    histogram.forward = forward
    for key, spread in list(histogram.series.items()):
        spread.forward = forward(key)


class Spans(Tracing):
    """An observer: a span "process ADDRESS" around each `on_message`, in the trace of the message; and the end of those
    that `SendSpans` begins, when the outcome is known.

    tracer_provider: None for the one that is set for the process.
    """

    def __init__(self, tracer_provider: Any = None) -> None:
        super().__init__()
        self._provider = tracer_provider
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._span: Any = None
        self._token: Any = None

    def observer(self, container: Any) -> Spans:
        """The part of one container."""
        return type(self)(self._provider)

    def received(self, delivery: Any) -> None:
        """See Observer: `on_message` is next."""
        self._end()
        fields = {}
        try:
            message = message_of(delivery)
            context = read_trace(message)
            found = _attributes("process", address_of(delivery.link), message, delivery.payload)
        except DecodeError:
            return  # it is rejected, or its handler finds that out
        if context is not None:
            fields = {"traceparent": context.parent, "tracestate": context.state}
        address = address_of(delivery.link)
        self._span = self._tracer.start_span(
            ("process " + address).strip(),
            context=propagate.extract(fields, context=contexts.Context()),
            kind=trace.SpanKind.CONSUMER,
            attributes=found,
        )
        self._token = contexts.attach(trace.set_span_in_context(self._span))

    def called(self, handler: Any, method: str, event: Any, seconds: float) -> None:
        """See Observer."""
        if method == "on_message":
            self._end()

    def turned(self) -> None:
        """See Observer."""
        self._end()

    def settled(self, delivery: Any) -> None:
        """See Observer."""
        span = delivery.__dict__.pop("span", None)
        if span is not None:
            error = "" if delivery.remote_state == delivery.ACCEPTED else error_of(delivery, delivery.remote_state)
            if error:
                span.set_attribute("error.type", error)
                span.set_status(trace.Status(trace.StatusCode.ERROR, error))
            span.end()

    def _end(self) -> None:
        if self._span is not None:
            contexts.detach(self._token)
            self._span.end()
            self._span = self._token = None


class SendSpans(Traced):
    """A link option for senders: a span "send ADDRESS" for each message, from `send()` to its outcome; its context
    goes with the message. Give the container `Spans()` as an observer, too: it ends them.

    tracer_provider: None for the one that is set for the process.
    """

    def __init__(self, tracer_provider: Any = None) -> None:
        super().__init__()
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)

    def send(self, sender: Sender, message: Message, go: Callable[[], Any]) -> Any:
        """Send `message` by `go()`."""
        address = address_of(sender)
        given = read_trace(message)
        links = []
        if given is not None:  # a context of the application's own: it stays, and is named
            fields = {"traceparent": given.parent, "tracestate": given.state}
            made = trace.get_current_span(propagate.extract(fields, context=contexts.Context())).get_span_context()
            links = [trace.Link(made)]
        span = self._tracer.start_span(
            ("send " + address).strip(),
            kind=trace.SpanKind.CLIENT if links else trace.SpanKind.PRODUCER,
            attributes=_attributes("send", address, message, None),
            links=links,
        )
        before = message.properties
        try:
            if given is None:
                fields = {}
                propagate.inject(fields, context=trace.set_span_in_context(span))
                message.properties = {**(before or {}), **fields}
            delivery = go()
        except Exception as error:
            span.record_exception(error)
            span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
            span.end()
            raise
        finally:
            if given is None:
                message.properties = before
        if delivery.fate:
            span.end()
        else:
            delivery.__dict__["span"] = span
        return delivery


def _attributes(operation: str, address: str, message: Message, payload: Optional[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }
    if address:
        found[_ADDRESS] = address
    if message.id is not None:
        found["messaging.message.id"] = str(message.id)
    if message.correlation_id is not None:
        found["messaging.message.conversation_id"] = str(message.correlation_id)
    if payload is not None:
        found["messaging.message.envelope.size"] = len(payload)
    return found
