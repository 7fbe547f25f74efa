"""proton.tracing, with stand-ins for the packages opentracing and jaeger_client.

Each test is a process of its own, for spans change classes for all of it; -S keeps the real packages away, which
tests/interop/test_dropin.py has.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from handlers.broker import EmbeddedBroker
from tests.support.processes import CHECKOUT, run

RUN = [sys.executable, "-S", "-m", "reactor.as_proton"]

OPENTRACING = '''
import itertools

class InvalidCarrierException(Exception):
    pass

class SpanContextCorruptedException(Exception):
    pass

class Span:
    """A span that prints its end."""
    numbers = itertools.count(1)

    def __init__(self, name, tags):
        self.name, self.tags, self.number = name, dict(tags), next(self.numbers)

    def set_tag(self, name, value):
        self.tags[name] = value

    def log_kv(self, fields):
        self.tags.update(fields)

    def finish(self):
        tags = [f"{name}={value}" for name, value in self.tags.items() if name not in ("peer", "host")]
        print("end", self.number, self.name, *tags)

    def __enter__(self):
        tracer.active_span = self

    def __exit__(self, *error):
        tracer.active_span = None
        self.finish()

class Tracer:
    active_span = None

    def start_span(self, name, tags):
        return Span(name, tags)

    def start_active_span(self, name, child_of, tags, ignore_active_span):
        print("parent", child_of, ignore_active_span)
        return Span(name, tags)

    def inject(self, span, format, fields):
        fields["span"] = str(span.number)

    def extract(self, format, fields):
        if "span" not in fields:
            raise SpanContextCorruptedException
        return fields["span"]

    def close(self):
        print("closed")
        return self

    def done(self):
        return True

tracer = Tracer()

def global_tracer():
    return tracer
'''
JAEGER = """
class Config:
    def __init__(self, config, service_name, validate):
        print("service", service_name)

    def initialize_tracer(self):
        pass
"""
TAGS = """
SPAN_KIND, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER = "kind", "producer", "consumer"
MESSAGE_BUS_DESTINATION, PEER_ADDRESS, PEER_HOSTNAME, COMPONENT = "to", "peer", "host", "component"
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with the stand-ins."""
    for name, text in {
        "opentracing/__init__": OPENTRACING,
        "opentracing/ext/__init__": "",
        "opentracing/ext/tags": TAGS,
        "opentracing/propagation": "class Format:\n    TEXT_MAP = 'text'\n",
        "jaeger_client": JAEGER,
    }.items():
        file = tmp_path / "packages" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path / "packages"


def said(text: str, packages: Path, *arguments: str) -> list[str]:
    """What a program prints that has a `handlers.py` and a `reactor.py` beside it."""
    folder = packages.parent / "app"
    folder.mkdir()
    for name, content in {"program": text, "handlers": "", "reactor": ""}.items():
        (folder / f"{name}.py").write_text(content, encoding="utf-8")
    path = os.pathsep.join([str(CHECKOUT), str(packages)])
    status, out, err = run([*RUN, str(folder / "program.py"), *arguments], packages.parent, PYTHONPATH=path)
    assert status == 0, out + err
    return out.splitlines()


BOTH = """
import sys
import proton.tracing
import handlers, reactor
from proton import Message, symbol
from proton.handlers import MessagingHandler, Reject
from proton.reactor import Container
tracer = proton.tracing.init_tracer("a service")
assert tracer is proton.tracing.get_tracer() is proton.tracing.init_tracer("another")

class Both(MessagingHandler):
    sent, left = False, 2

    def on_start(self, event):
        connection = event.container.connect(sys.argv[1])
        event.container.create_receiver(connection, "jobs")
        self.sender = event.container.create_sender(connection, "jobs")

    def on_sendable(self, event):
        if not self.sent:
            self.sent = True
            event.sender.send(message)
            print("context", sorted(message.annotations.items()))

    def on_message(self, event):
        print("message", event.message.body, tracer.active_span.name)
        self.one_of_two(event)

    def on_settled(self, event):
        print("settled", event.delivery.span.name)
        self.one_of_two(event)

    def one_of_two(self, event):
        self.left -= 1
        if not self.left:
            event.connection.close()

message = Message("text", annotations={symbol("x-mine"): 1})
Container(Both()).run()
"""


def test_a_message_has_a_span_until_its_outcome_and_one_around_on_message(packages: Path) -> None:
    with EmbeddedBroker() as broker:
        service, context, *rest, closed = said(BOTH, packages, f"127.0.0.1:{broker.port}")
    assert (service, closed) == ("service a service", "closed")
    annotations = [("symbol('x-mine')", "1"), ("symbol('x-opt-qpid-tracestate')", "{'span': '1'}")]
    assert context == "context [%s]" % ", ".join("(%s, %s)" % pair for pair in annotations)
    both = "component=proton-message-tracing"
    received = "end 2 amqp-delivery-receive kind=consumer to=jobs " + both
    sent = f"end 1 amqp-delivery-send kind=producer to=jobs {both} delivery-tag=1 delivery-terminal-state=ACCEPTED"
    sender = [f"{sent} event=delivery settled state=ACCEPTED", "settled amqp-delivery-send"]
    receiver = ["parent 1 False", "message text amqp-delivery-receive", received]
    assert [line for line in rest if line in sender] == sender  # the two come in either order
    assert [line for line in rest if line not in sender] == receiver


BLOCKING = """
import sys
import proton.tracing
from proton import Message
from proton.utils import BlockingConnection

connection = BlockingConnection(sys.argv[1])
sender = connection.create_sender("jobs")
sender.send(Message("text"))
try:
    sender.send(Message(object()))
except Exception as error:
    print(type(error).__name__)
receiver = connection.create_receiver("jobs")
print(receiver.receive(timeout=30).annotations)
receiver.accept()
connection.close()
"""


def test_blocking_calls_give_each_message_a_span_as_well(packages: Path) -> None:
    with EmbeddedBroker() as broker:
        service, *rest = said(BLOCKING, packages, f"127.0.0.1:{broker.port}")
    assert service == "service program.py"  # nobody has named one
    assert rest[0] == "end 1 amqp-delivery-send kind=producer to=jobs component=proton-message-tracing"
    assert rest[1].startswith("end 2 amqp-delivery-send") and " error=True event=error error.object=" in rest[1]
    context = "AnnotationDict({symbol('x-opt-qpid-tracestate'): {'span': '1'}})"
    assert rest[2:] == ["MessageException", context, "closed"]


FOREIGN = """
import sys
from proton import Message, symbol
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Container

class Plain(MessagingHandler):
    def on_start(self, event):
        self.connection = event.container.connect(sys.argv[1])
        sender = event.container.create_sender(self.connection, "jobs", options=AtMostOnce())
        key = symbol("x-opt-qpid-tracestate")
        for context in 5, {"span": 7}, {"other": "text"}, {"span": "9"}:
            sender.send(Message("text", annotations={key: context}))
        import proton.tracing
        event.container.create_sender(self.connection, "there", options=AtMostOnce()).send(Message("no outcome"))
        event.container.create_receiver(self.connection, "jobs", handler=Receiving(self.connection))

class Receiving(MessagingHandler):
    def __init__(self, connection):
        super().__init__()
        self.left, self.connection = 4, connection

    def on_message(self, event):
        self.left -= 1
        if not self.left:
            self.connection.close()

Container(Plain()).run()
"""


def test_a_context_that_is_none_begins_a_trace_and_what_has_no_outcome_ends_at_once(packages: Path) -> None:
    with EmbeddedBroker() as broker:
        lines = said(FOREIGN, packages, f"127.0.0.1:{broker.port}")
    assert lines[1].startswith("end 1 amqp-delivery-send kind=producer to=there")
    parents = [line for line in lines if line.startswith("parent")]
    assert parents == ["parent None True", "parent None True", "parent None True", "parent 9 False"]


ABSENT = """
import proton
for name in "proton.tracing", "proton._tracing":
    try:
        __import__(name)
    except ImportError as error:
        print(error.name, "|", error)
print(hasattr(proton, "tracing"))
"""


@pytest.mark.parametrize("name", ["opentracing", "jaeger_client"])
def test_without_one_of_the_packages_the_import_fails_as_there(name: str, packages: Path) -> None:
    (packages / "jaeger_client.py").rename(packages / "another.py")
    if name == "opentracing":
        (packages / "another.py").rename(packages / "jaeger_client.py")
        (packages / "opentracing").rename(packages / "another")
    text = f"{name} | proton tracing requires opentracing and jaeger_client modules"
    assert said(ABSENT, packages) == [text, text, "False"]
