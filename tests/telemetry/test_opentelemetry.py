"""OpenTelemetry's own SDK gets numbers and spans, prometheus_client reads the text: `tox -e telemetry` runs this."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Message, Reject
from reactor.telemetry import Telemetry, read_trace
from tests.support.stage import Stage, Witness
from tests.telemetry.test_context import GOOD, SPAN, TRACE, with_parent

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk: tox -e telemetry has it")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from reactor.telemetry.opentelemetry import SendSpans, Spans, export


def judge(event: Any) -> None:
    if event.message.body == "reject":
        raise Reject


def test_its_sdk_collects_the_numbers() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    telemetry = Telemetry()
    export(telemetry, provider)
    stage = Stage(Witness(on_message=judge))
    client = Witness()
    container = stage.container(client, observers=[telemetry])
    sender = container.create_sender(container.connect(stage.url), "jobs")
    for body in ("one", "two", "reject"):
        sender.send(Message(body))
    stage.run(lambda: client.count("on_settled") == 3)
    data = reader.get_metrics_data()
    assert data is not None
    found = {metric.name: metric for one in data.resource_metrics[0].scope_metrics for metric in one.metrics}
    sent = found["messaging.client.sent.messages"]
    assert sent.unit == "{message}" and sum(point.value for point in sent.data.data_points) == 3
    good = next(point for point in sent.data.data_points if "error.type" not in point.attributes)
    assert dict(good.attributes) == {
        "messaging.destination.name": "jobs",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.system": "amqp",
        "server.address": "server",
        "server.port": 5672,
    }
    duration = found["messaging.client.operation.duration"]
    assert duration.unit == "s" and sum(point.count for point in duration.data.data_points) == 3
    assert duration.data.data_points[0].explicit_bounds == telemetry.operation_duration.bounds
    assert found["amqp.client.connections"].data.data_points[0].value == 1
    provider.shutdown()


@pytest.fixture
def spans() -> Any:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, provider
    provider.shutdown()


def test_spans_of_both_sides_are_one_trace(spans: Any) -> None:
    exporter, provider = spans
    stage = Stage()
    server = stage.container(Witness(on_message=judge), observers=[Spans(provider)])
    acceptor = server.listen("amqp://traced:5672")
    client = Witness()
    container = stage.container(client, observers=[Spans(provider)])
    sender = container.create_sender(container.connect("amqp://traced:5672"), "jobs", options=SendSpans(provider))
    message = Message("one", id="m1")
    sender.send(message)
    sender.send(Message("reject"))
    stage.run(lambda: client.count("on_settled") == 2)
    assert not message.properties
    finished = exporter.get_finished_spans()
    sends = [span for span in finished if span.name == "send jobs"]
    processes = [span for span in finished if span.name == "process jobs"]
    assert len(sends) == len(processes) == 2
    for send, process in zip(sends, processes):
        assert send.kind is SpanKind.PRODUCER and process.kind is SpanKind.CONSUMER
        assert process.parent.span_id == send.context.span_id and process.context.trace_id == send.context.trace_id
    assert sends[0].attributes["messaging.message.id"] == "m1"
    assert sends[0].status.status_code is StatusCode.UNSET
    assert sends[1].status.status_code is StatusCode.ERROR and sends[1].attributes["error.type"] == "rejected"
    acceptor.close()


def test_a_context_of_the_application_s_own_stays(spans: Any) -> None:
    exporter, provider = spans
    stage = Stage()
    client = Witness()
    container = stage.container(client, observers=[Spans(provider)])
    sender = container.create_sender(container.connect(stage.url), "jobs", options=SendSpans(provider))
    sender.send(with_parent(GOOD))
    stage.run(lambda: client.count("on_settled") == 1)
    came = read_trace(stage.server.last("on_message").message)
    assert came is not None and came.parent == GOOD
    (span,) = exporter.get_finished_spans()
    assert span.kind is SpanKind.CLIENT
    assert [(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in span.links] == [(TRACE, SPAN)]


def test_a_message_that_cannot_be_sent_ends_its_span(spans: Any) -> None:
    exporter, provider = spans
    stage = Stage()
    container = stage.container(Witness())
    sender = container.create_sender(container.connect(stage.url), "jobs", options=SendSpans(provider))
    with pytest.raises(Exception, match="object"):
        sender.send(Message(object()))
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_prometheus_s_own_parser_reads_the_numbers() -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus_client: tox -e telemetry has it")
    stage, telemetry = Stage(), Telemetry()
    client = Witness()
    container = stage.container(client, observers=[telemetry])
    for name in ("jobs", 'a"b\\c\nd'):
        container.create_sender(container.connect(stage.url), name).send(Message("x"))
    stage.run(lambda: client.count("on_accepted") == 2)
    families = {family.name: family for family in parser.text_string_to_metric_families(telemetry.prometheus())}
    sent = families["messaging_client_sent_messages"]
    assert sent.type == "counter"
    assert {sample.labels["messaging_destination_name"] for sample in sent.samples} == {"jobs", 'a"b\\c\nd'}
    duration = families["messaging_client_operation_duration_seconds"]
    assert duration.type == "histogram" and all(family.documentation for family in families.values())
    assert [sample.value for sample in duration.samples if sample.name.endswith("_count")] == [1.0, 1.0]
    assert families["amqp_client_connections"].type == "gauge"
