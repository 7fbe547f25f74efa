"""Long messages, which come in pieces: a broker does the same with them as with short ones, byte for byte."""

from __future__ import annotations

import pytest

from reactor import ACCEPTED, MODIFIED, REJECTED, Message
from reactor.engine.blocks import blocks
from reactor.system import HERE
from tests.support.brokers import BrokerWorld

LONG = bytes(range(256)) * 1200
SHORT = LONG[:250]
FULL = {"id": "m1", "annotations": {"x-opt-key": "k"}, "footer": {"x-opt-sum": b"123"}}

HEADER = b"\x00\x53\x70\xc0\x04\x02\x41\x50\x07"
WIDE = b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x70\xd0\x00\x00\x00\x07\x00\x00\x00\x02\x41\x50\x07"
INSTRUCTIONS = b"\x00\x53\x71\xc1\x08\x02\xa3\x03hop\xa1\x01h"
FIELDS = b"\x00\x53\x73\xc0\x04\x01\xa1\x01i"


def data(content):
    size = len(content)
    return b"\x00\x53\x75" + (b"\xa0" + bytes((size,)) if size < 256 else b"\xb0" + size.to_bytes(4, "big")) + content


PAYLOADS = {
    "plain": lambda content: Message(content).encode(),
    "data": lambda content: Message(content, inferred=True, **FULL).encode(),
    "durable": lambda content: Message(content, durable=True, priority=7, **FULL).encode(),
    "a wide header": lambda content: WIDE + FIELDS + data(content),
    "no header": lambda content: FIELDS + data(content),
    "the header behind": lambda content: FIELDS + HEADER + data(content),
    "the header last": lambda content: FIELDS + data(content) + HEADER,
    "instructions": lambda content: HEADER + INSTRUCTIONS + FIELDS + data(content),
    "instructions last": lambda content: HEADER + FIELDS + data(content) + INSTRUCTIONS,
    "two sections": lambda content: HEADER + data(content) + data(content),
    "a header too long": lambda content: b"\x00\x53\x70\xc0\x90" + bytes(0x90) + data(content),
    "a long header": lambda content: b"\x00\x53\x70\xd0\x00\x01\x00\x00" + bytes(0x10000) + data(content),
    "no message": lambda content: b"\x11" + content,
}


@pytest.fixture(params=[True, False], ids=["gathered", "joined"])
def gathered(request, monkeypatch):
    monkeypatch.setattr(HERE, "gathered_from", 100_000 if request.param else 0)
    monkeypatch.setattr(blocks, "gathered_from", 0)  # and back, at the end


def passed(payload, address, message_format=0):
    """The outcome of a message that is sent to an address, and the bytes that come of it."""
    world = BrokerWorld()
    client = world.client()
    sender = client.sender(address)
    delivery = sender.transmit(payload)
    if message_format:
        delivery.in_format(message_format)
    world.quiet()
    receiver = client.receiver("jobs", 1)
    came = [received.message.encode() for received in client.take(receiver)]
    assert not world.broker.overview().internal_errors
    return client.outcomes, came


@pytest.mark.parametrize("message_format", [0, 5])
@pytest.mark.parametrize("name", PAYLOADS)
def test_a_long_message_passes_as_a_short_one(gathered, name, message_format):
    outcomes, came = passed(PAYLOADS[name](SHORT), "jobs", message_format)
    again, long = passed(PAYLOADS[name](LONG), "jobs", message_format)
    assert again == outcomes in ([ACCEPTED], [REJECTED], [])
    short = [raw.replace(SHORT, b"-") for raw in came]
    sizes = (len(LONG).to_bytes(4, "big"), bytes((len(SHORT),)))
    assert [raw.replace(LONG, b"-").replace(b"\xb0" + sizes[0], b"\xa0" + sizes[1]) for raw in long] == short


def test_a_long_message_finds_its_queue_by_its_address(gathered):
    outcomes, came = passed(Message(LONG, address="jobs", **FULL).encode(), None)
    assert outcomes == [ACCEPTED] and Message.from_bytes(came[0]).body == LONG


def test_a_long_message_that_has_failed_comes_again(gathered):
    world = BrokerWorld()
    client = world.client()
    client.send("jobs", LONG, ttl=100.0, **FULL)
    receiver = client.receiver("jobs", 2)
    (first,) = client.take(receiver)
    first.settle(MODIFIED)
    world.quiet()
    (again,) = client.take(receiver)
    assert again.body == first.body == LONG
    assert (again.message.footer, again.message.annotations) == (FULL["footer"], FULL["annotations"])
    assert not again.message.first_acquirer and again.message.ttl > 0


def test_the_receivers_of_a_long_message_have_no_copies_of_it():
    world = BrokerWorld()
    client = world.client()
    client.send("jobs", LONG)
    queue = world.broker.directory.records["jobs"].node
    entry = queue.root.after
    assert client.receiver("jobs")
    (outlet,) = queue.consumers
    payload = outlet.payload(entry)
    assert len(payload) > len(LONG) and any(piece is entry.body for piece in payload.pieces)
