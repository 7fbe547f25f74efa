"""Sections that are too large are not decoded: the work is counted in Python calls, so that no load can change it."""

from __future__ import annotations

import logging
import struct
import sys
from types import FrameType
from typing import Any, Callable

import pytest

from handlers.broker import Policy
from handlers.broker.dead_letters import READ_AT_ONCE
from handlers.broker.management.peeking import row_of
from handlers.broker.nodes.deaths import Grave, dead_letter
from handlers.broker.nodes.duplicates import key_of
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.envelope import (
    annotated,
    group_of,
    header_first,
    property_of,
    read_envelope,
    without_instructions,
)
from handlers.broker.nodes.exchange import Binding
from handlers.broker.nodes.sections import (
    ANNOTATIONS,
    APPLICATION_PROPERTIES,
    MOST_READ,
    MOST_SECTIONS,
    PROPERTIES,
    TooLarge,
    opened,
    spans_of,
    without,
)
from handlers.broker.nodes.selection import Selection
from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    DecodeError,
    Message,
    symbol,
)
from tests.support.brokers import BrokerWorld

PAIRS = 12_000

BODY = b"\x00\x53\x77\xa1\x02hi"

DELAY = b"\xa3\x14x-opt-delivery-delay\x54\x05"


def section(code: int, key: bytes = b"\xa3", first: bytes = b"") -> bytes:
    """A section with a map of many entries, of nine bytes each."""
    entries = first + b"".join(b"%c\x05%05d\x54\x01" % (key, number) for number in range(PAIRS))
    count = 2 * PAIRS + (2 if first else 0)
    return b"\x00\x53%c\xd1" % code + struct.pack(">II", len(entries) + 4, count) + entries


def fields() -> bytes:
    """Properties of far more fields than there are."""
    return b"\x00\x53\x73\xd0" + struct.pack(">II", 100_004, 100_000) + b"\x40" * 100_000


def calls(action: Callable[[], Any]) -> int:
    """How many functions it calls."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    except DecodeError:
        pass
    finally:
        sys.setprofile(before)
    return count


LARGE = {
    "annotations": section(0x72) + BODY,
    "annotations with a delay": section(0x72, first=b"\xa3\x05delay\x54\x05") + BODY,
    "instructions": section(0x71) + BODY,
    "properties": fields() + BODY,
    "application properties": section(0x74, b"\xa1") + BODY,
    "footer": BODY + section(0x78),
    "a described body": b"\x00\x53\x77\x00\x53\x01\xd0" + struct.pack(">II", 100_004, 100_000) + b"\x40" * 100_000,
    "bodies": b"\x00\x53\x75\xa0\x00" * 20_000,
    "annotations again and again": b"\x00\x53\x73\x45\x00\x53\x72\xc1\x01\x00" * 10_000 + BODY,
    "descriptors of a descriptor": b"\x00\x53\x77" + b"\x00" * 100_000 + b"\x40" * 100_001,
}

READING: dict[str, Callable[[bytes], Any]] = {
    "dead letter": lambda body: dead_letter(body, Grave("q"), "rejected", 0.0),
    "outcome": lambda body: annotated(body, {"x": 1}),
    "for one hop": without_instructions,
    "order": header_first,
    "id": key_of,
    "group": group_of,
    "property": lambda body: property_of(body, "x"),
    "selector": lambda body: Selection("x = 1").selects(Entry(1, read_envelope(b""), body, 0.0)),
    "look": lambda body: row_of(Entry(1, read_envelope(b""), body, 0.0), 1.0, 4096),
}


@pytest.mark.parametrize("reading", READING)
@pytest.mark.parametrize("large", LARGE)
def test_no_section_is_decoded_that_costs_too_much(large, reading):
    calls(lambda: READING[reading](BODY))  # whatever is done once
    assert calls(lambda: READING[reading](LARGE[large])) < 12 * MOST_SECTIONS


@pytest.mark.parametrize(
    "message",
    [
        Message("x"),
        Message(b"x" * 300, inferred=True, id="7", properties={"a": 1}),
        Message([1, 2], inferred=True, annotations={symbol("x-a"): "b"}, footer={symbol("f"): 1}),
        Message({"a": [1, {"b": 2}]}, instructions={symbol("i"): 1}, ttl=5.0),
    ],
)
def test_sections_are_found_by_their_places(message):
    payload = bytes(message.encode())
    spans = spans_of(payload)
    assert [start for _, start, _ in spans] == [0, *(stop for _, _, stop in spans[:-1])]
    assert spans[-1][2] == len(payload)
    assert [payload[start + 2] for _, start, _ in spans] == [code for code, _, _ in spans]


@pytest.mark.parametrize(
    ("payload", "codes"),
    [
        (b"", []),
        (b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x73\x45" + BODY, [0x73, 0x77]),
        (b"\x00\xa3\x10amqp:data:binary\xa0\x01x", [0x75]),
        (b"\x00\xb3\x00\x00\x00\x10amqp:data:binary\xb0\x00\x00\x00\x01x", [0x75]),
        (b"\x00\x53\x77\x00\x53\x01\x00\x53\x02\xc0\x01\x00\x00\x53\x78\xc1\x01\x00", [0x77, 0x78]),
        (b"\x00\x53\x77\x00\x00\x53\x01\x53\x02\x40", [0x77]),
        (b"\x00\x53\x77\x98" + b"u" * 16, [0x77]),
    ],
)
def test_every_form_of_a_section_is_stepped_over(payload, codes):
    assert [code for code, _, _ in spans_of(payload)] == codes
    Message.from_bytes(payload)  # which finds the same


@pytest.mark.parametrize(
    "payload",
    [
        b"x", b"\x00", b"\x00\x53", b"\x00\x53\x77", b"\x00\x53\x79\x40", b"\x00\x53\x77\xa1", b"\x00\x53\x77\xa1\x09x",
        b"\x00\x53\x77\xb1\x00\x00", b"\x00\x53\x77\x00", b"\x00\x53\x77\x01", b"\x00\xa3\x04name\x40", b"\x00\x40\x40",
        b"\x00\x80\x00\x00", b"\x00\x53\x77\xd0\xff\xff\xff\xff",
    ],
)  # fmt: skip
def test_bytes_that_are_no_message_have_no_sections(payload):
    with pytest.raises(DecodeError):
        spans_of(payload)
    with pytest.raises(DecodeError):
        Message.from_bytes(payload).check()


def test_a_section_of_the_largest_size_is_read_and_one_byte_more_is_not():
    def payload(size):
        data = b"\xa3\x01k\xb0" + struct.pack(">I", size - 20) + b"v" * (size - 20)
        return b"\x00\x53\x72\xd1" + struct.pack(">II", len(data) + 4, 2) + data + BODY

    assert spans_of(payload(MOST_READ))[0][2] == MOST_READ
    assert len(opened(payload(MOST_READ), ANNOTATIONS).annotations["k"]) == MOST_READ - 20
    with pytest.raises(TooLarge, match=f"{MOST_READ + 1} bytes in its annotations or properties"):
        opened(payload(MOST_READ + 1), PROPERTIES, ANNOTATIONS)
    assert opened(payload(MOST_READ + 1), PROPERTIES, APPLICATION_PROPERTIES).id is None


def test_sections_are_taken_out_wherever_they_are():
    first, last = b"\x00\x53\x71\xc1\x01\x00", b"\x00\x53\x71\xc1\x07\x02\xa3\x03hop\x41"
    assert without(first + BODY + last, 0x71) == BODY
    assert without(BODY, 0x71) == BODY


# -- end to end


def large_message(first: bytes = b"") -> bytes:
    return b"\x00\x53\x70\xc0\x02\x01\x41" + section(0x72, first=first) + BODY


def send(client, address, payload):
    sender = client.sender(address)
    sender.transmit(payload)
    client.world.quiet()
    sender.close()


def dealt(client, address, state):
    receiver = client.receiver(address, 1)
    [received] = client.take(receiver)
    received.settle(state)
    client.world.quiet()
    receiver.close()
    client.world.quiet()
    return received.message


def test_a_dead_letter_with_large_annotations_goes_on_as_it_is_and_the_log_says_so_once(caplog):
    world = BrokerWorld(queues={"jobs": Policy(dead_letter="dead"), "dead": Policy()})
    client = world.client()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            send(client, "jobs", large_message())
            dealt(client, "jobs", REJECTED)
    assert world.node("dead").depth == world.node("jobs").dead_lettered == 2
    annotations = dealt(client, "dead", ACCEPTED).annotations
    assert len(annotations) == PAIRS and "x-opt-deaths" not in annotations
    told = [record.getMessage() for record in caplog.records if "without x-opt-deaths" in record.getMessage()]
    assert told == [
        "'jobs': message 1 goes to 'dead' without x-opt-deaths: it is no message, or its annotations and properties "
        "have more than 65536 bytes; further ones are not named"
    ]


def test_a_dead_letter_that_cannot_be_marked_goes_to_no_address_that_would_send_it_on():
    policies = {"jobs": Policy(dead_letter="dead", ttl=1.0), "dead": Policy(dead_letter="jobs")}
    world = BrokerWorld(queues=policies)
    send(world.client(), "jobs", large_message())
    world.pass_time(2.0)
    assert (world.node("jobs").depth, world.node("dead").depth) == (0, 0)


def test_many_dead_letters_are_read_in_turns(monkeypatch):
    world = BrokerWorld(queues={"jobs": Policy(dead_letter="dead"), "dead": Policy()})
    letters = world.broker.dead_letters
    client = world.client()
    client.send("jobs", *("x" * 60_000 for _ in range(20)))
    turns = []
    deliver = letters.deliver

    def noted(*arguments):
        before = len(letters._letters)
        deliver(*arguments)
        turns.append(before - len(letters._letters))

    monkeypatch.setattr(letters, "deliver", noted)
    receiver = client.receiver("jobs", 20)
    for received in client.take(receiver):
        received.settle(REJECTED)
    world.quiet()
    assert sum(turns) == world.node("dead").depth == 20
    assert max(turns) == READ_AT_ONCE // 60_000 + 1


def test_a_delay_among_too_many_annotations_is_refused():
    world = BrokerWorld()
    client = world.client()
    send(client, "jobs", large_message(DELAY))
    assert client.outcomes == [REJECTED] and world.node("jobs").depth == 0
    assert client.conditions[0].name == "amqp:invalid-field"
    assert "no delivery time is looked for" in client.conditions[0].description
    send(client, "jobs", large_message(b"\xa3\x04time\x83\x00\x00\x01\x8b\x00\x00\x00\x00"))
    assert client.outcomes == [REJECTED, ACCEPTED] and world.node("jobs").depth == 1


def test_the_annotations_of_an_outcome_are_left_out_where_there_are_too_many():
    world = BrokerWorld()
    client = world.client()
    send(client, "jobs", large_message())
    receiver = client.receiver("jobs", 1)
    [received] = client.take(receiver)
    received.delivery.local.annotations = {symbol("x-mine"): 1}
    received.settle(MODIFIED)
    world.quiet()
    receiver.flow(1)
    world.quiet()
    [again] = client.take(receiver)
    assert len(again.message.annotations) == PAIRS


def test_a_key_among_too_many_properties_is_refused_rather_than_taken_for_none():
    world = BrokerWorld(queues=["all"])
    world.broker.directory.exchanges.bind(Binding("amq.topic", "all", False, "#"))
    client = world.client()
    send(client, "/exchanges/amq.topic", fields() + BODY)
    send(client, None, fields() + BODY)
    assert client.outcomes == [REJECTED, REJECTED]
    assert [condition.name for condition in client.conditions] == ["amqp:invalid-field"] * 2
    send(client, "/exchanges/amq.topic", bytes(Message("x", subject="k").encode()))
    assert client.outcomes[2] == ACCEPTED and RELEASED not in client.outcomes and world.node("all").depth == 1


def test_many_selectors_decode_a_message_once():
    message = Message("x", properties={f"k{number}": number for number in range(1000)})
    payload = bytes(message.encode())
    envelope = read_envelope(payload)
    body = payload[envelope.length :]
    selections = [Selection(f"k{number} = {number}") for number in range(100)]
    alone = calls(lambda: selections[0].selects(Entry(1, envelope, body, 0.0)))
    entry = Entry(1, envelope, body, 0.0)
    selected = []
    assert calls(lambda: selected.extend(one.selects(entry) for one in selections)) < alone + 100 * 60
    assert selected == [True] * 100
    assert not Selection("k5 = 6").selects(entry)


def test_a_message_that_has_changed_is_looked_at_again():
    def bodies(*numbers):
        for number in numbers:
            payload = bytes(Message("x", properties={"k": number}).encode())
            yield payload[read_envelope(payload).length :]

    one, two = bodies(1, 2)
    entry, first, tried = Entry(1, read_envelope(b""), one, 0.0), Selection("k = 1"), Selection("JMSXDeliveryCount = 3")
    assert first.selects(entry) and not tried.selects(entry)
    entry.body = two
    assert not first.selects(entry)
    entry.again(2)
    assert tried.selects(entry)
    entry.delivery_count = 3
    assert not tried.selects(entry)
    entry.body = b"no message"
    assert not first.selects(entry) and not first.selects(entry)
