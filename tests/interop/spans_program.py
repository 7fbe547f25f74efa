"""A program for python-qpid-proton with spans: what it sees of them, and all of them at its end. The first argument is
an address."""

from __future__ import annotations

import sys
from typing import Any

import proton.tracing
from jaeger_client.reporter import InMemoryReporter
from jaeger_client.sampler import ConstSampler
from proton import Message, symbol
from proton.handlers import MessagingHandler, Reject
from proton.reactor import Container

COUNT = 3
tracer = proton.tracing.init_tracer("a service")
tracer.reporter, tracer.sampler = InMemoryReporter(), ConstSampler(True)


class Both(MessagingHandler):
    def __init__(self) -> None:
        super().__init__()
        self.sent = self.settled = self.received = 0

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(sys.argv[1])
        event.container.create_receiver(connection, "jobs")
        event.container.create_sender(connection, "jobs")

    def on_sendable(self, event: Any) -> None:
        while self.sent < COUNT:
            message = Message(self.sent, annotations={symbol("x-mine"): 1} if self.sent else None)
            self.sent += 1
            delivery = event.sender.send(message)
            assert list(message.annotations)[-1:] == ["x-opt-qpid-tracestate"]
            assert delivery.span.operation_name == "amqp-delivery-send"

    def on_message(self, event: Any) -> None:
        self.received += 1
        assert tracer.active_span.operation_name == "amqp-delivery-receive"
        self.end(event)
        if self.received == COUNT:
            raise Reject

    def on_settled(self, event: Any) -> None:
        self.settled += 1
        self.end(event)

    def end(self, event: Any) -> None:
        if self.received >= COUNT and self.settled == COUNT:
            event.connection.close()


Container(Both()).run()
assert proton.tracing.get_tracer() is tracer and proton.tracing.__all__ == ["get_tracer", "init_tracer"]
spans = sorted(tracer.reporter.get_spans(), key=lambda span: (span.operation_name, span.start_time))
sends = [span for span in spans if span.operation_name == "amqp-delivery-send"]
for span in spans:
    tags = sorted((tag.key, tag.vStr) for tag in span.tags if tag.key != "error")
    logs = [[(field.key, field.vStr) for field in log.fields] for log in span.logs if span in sends]
    parents = [number for number, send in enumerate(sends) if send.context.span_id == span.context.parent_id]
    print(span.operation_name, tags, logs, parents)
print([any(tag.key == "error" for tag in span.tags) for span in spans])
