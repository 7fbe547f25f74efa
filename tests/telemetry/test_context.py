"""Trace context in messages: read, written, and handed on."""

from __future__ import annotations

import random
from typing import Any, Optional

import pytest

from reactor import Message, symbol
from reactor.telemetry import TraceContext, Traced, Tracing, current_trace, read_trace, write_trace
from reactor.telemetry.context import parse_parent
from tests.support.stage import Stage, Witness

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
BINARY = bytes.fromhex(f"0000{TRACE}01{SPAN}0201")


def with_parent(value: Any, state: Any = None) -> Message:
    return Message("x", properties={"traceparent": value, **({} if state is None else {"tracestate": state})})


@pytest.mark.parametrize(
    "text, flags",
    [(GOOD, 1), (GOOD[:-2] + "00", 0), (GOOD[:-2] + "ff", 255), ("01" + GOOD[2:] + "-more", 1), (BINARY, 1)],
)
def test_what_is_a_parent(text: Any, flags: int) -> None:
    assert parse_parent(text) == (TRACE, SPAN, flags)
    found = read_trace(with_parent(text))
    assert found == TraceContext(TRACE, SPAN, flags) and found.sampled is bool(flags & 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        GOOD.upper(),
        GOOD + "-more",
        GOOD + "\n",
        " " + GOOD,
        "ff" + GOOD[2:],
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-١٢",
        "01" + GOOD[2:] + "-" + "x" * 2000,
        None,
        5,
        BINARY[:-1],
        b"\x01" + BINARY[1:],
        b"\xff" * 29,
        ["00"],
    ],
)
def test_what_is_none(text: Any) -> None:
    assert parse_parent(text) is None
    assert read_trace(with_parent(text)) is None


def test_annotations_go_before_properties() -> None:
    message = with_parent(GOOD)
    other = TraceContext("1" * 32, "2" * 16)
    write_trace(message, other, annotate=True)
    assert message.annotations == {symbol("traceparent"): other.parent}
    assert message.properties == {"traceparent": GOOD}
    assert read_trace(Message.from_bytes(bytes(message.encode()))) == other


@pytest.mark.parametrize(
    "state, passed", [("a=1,b=2", "a=1,b=2"), ("x" * 600, ""), (5, ""), ("a=\n", ""), ("é=1", ""), ("", "")]
)
def test_a_state_is_passed_on(state: Any, passed: str) -> None:
    found = read_trace(with_parent(GOOD, state))
    assert found is not None and found.state == passed
    message = with_parent(GOOD, "old=1")
    write_trace(message, found.child(random.Random(1)))
    assert message.properties.get("tracestate", "") == passed
    assert message.properties["traceparent"].split("-")[1] == TRACE


@pytest.mark.parametrize("ids", [("0" * 32, SPAN), (TRACE, "0" * 16), (TRACE[:5], SPAN), (TRACE.upper(), SPAN)])
def test_ids_are_checked(ids: Any) -> None:
    with pytest.raises(ValueError, match="no trace context"):
        TraceContext(*ids)
    with pytest.raises(ValueError, match="no trace context"):
        TraceContext(TRACE, SPAN, 256)


def test_new_ones_differ_and_children_do_not_begin_anew() -> None:
    source = random.Random(5)
    first, second = TraceContext.new(source), TraceContext.new(source)
    assert first != second and first.sampled and hash(first) != hash(second)
    child = first.child(source)
    assert child.trace_id == first.trace_id and child.span_id != first.span_id
    assert repr(first) == f"<TraceContext {first.parent}>"


def test_a_trace_goes_on_through_a_handler() -> None:
    """A message comes, and those that are sent meanwhile belong to its trace; those sent later begin one."""
    stage = Stage()
    seen: list[Optional[TraceContext]] = []
    traced = Traced(random.Random(7))

    def pass_on(event: Any) -> None:
        seen.append(current_trace())
        if event.message.body == "in":
            senders[0].send(Message("out"))

    client = Witness(on_message=pass_on)
    container = stage.container(client, observers=[Tracing()])
    connection = container.connect(stage.url)
    senders = [container.create_sender(connection, "out", options=traced)]
    acceptor = container.listen("amqp://relay:5672")
    source = stage.container(Witness())
    plain = source.create_sender(source.connect("amqp://relay:5672"), "in")
    plain.send(with_parent(GOOD))
    plain.send(Message("in", properties={"traceparent": GOOD, "kept": 1}))
    plain.send(Message("in"))
    stage.run(lambda: client.count("on_accepted") == 2)
    parent = TraceContext(TRACE, SPAN)
    assert seen == [parent, parent, None] and current_trace() is None
    first, second = [read_trace(event.message) for event in stage.server.events["on_message"]]
    assert first is not None and second is not None
    assert first.trace_id == TRACE and first.span_id != SPAN
    assert second.trace_id != TRACE
    connection.close()
    acceptor.close()


def test_the_message_of_the_application_stays_as_it_is() -> None:
    stage = Stage()
    client = Witness()
    container = stage.container(client)
    sender = container.create_sender(container.connect(stage.url), "jobs", options=Traced())
    own, given = Message("own", properties={"a": 1}), with_parent(GOOD)
    for message in (own, own, given):
        sender.send(message)
    stage.run(lambda: client.count("on_accepted") == 3)
    assert own.properties == {"a": 1} and given.properties == {"traceparent": GOOD}
    came = [event.message.properties for event in stage.server.events["on_message"]]
    parents = [one["traceparent"] for one in came]
    assert len(set(parents)) == 3 and parents[2] == GOOD and came[0]["a"] == 1


def test_a_message_that_cannot_be_sent_stays_as_it_is() -> None:
    stage = Stage()
    container = stage.container(Witness())
    sender = container.create_sender(container.connect(stage.url), "jobs", options=Traced())
    message = Message(object())
    with pytest.raises(Exception, match="object"):
        sender.send(message)
    assert not message.properties
    with pytest.raises(TypeError, match="a sender sends a Message"):
        sender.send("text")


def test_a_message_that_is_not_handed_over_leaves_no_trace_behind() -> None:
    """Its body cannot be decoded: `on_message` is not called."""
    stage = Stage()
    contexts: list[Any] = []
    client = Witness(on_message=lambda event: contexts.append(current_trace()))
    container = stage.container(client, observers=[Tracing()])
    acceptor = container.listen("amqp://relay:5672")
    source = stage.container(Witness())
    sender = source.create_sender(source.connect("amqp://relay:5672"), "in")
    broken = bytes(with_parent(GOOD).encode())
    sender.transmit(broken[:-1] + b"\xff\xff")
    sender.send(Message("good"))
    sender.send(with_parent(GOOD))
    stage.run(lambda: len(contexts) == 2)
    assert contexts == [None, TraceContext(TRACE, SPAN)], "it still looks on"
    acceptor.close()
