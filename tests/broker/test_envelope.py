"""The envelope: the header is found in every form it may have, and only the header changes on the way."""

from __future__ import annotations

import pytest

from handlers.broker.nodes import envelope as room
from handlers.broker.nodes.envelope import read_envelope
from reactor import Message
from reactor.errors import DecodeError

BODY = b"\x00\x53\x77\xa1\x02hi"
NO_PROPERTIES = b"\x00\x53\x73\x45"


def onward(payload, failures=0, ttl=None, first=True):
    """The message as it would leave the broker."""
    envelope = read_envelope(payload)
    return Message.from_bytes(envelope.again(failures, ttl, first) + payload[envelope.length :])


def test_a_first_delivery_says_so_and_changes_nothing_else():
    payload = Message("hi", durable=True, priority=7, subject="s").encode()
    envelope = read_envelope(payload)
    assert envelope.durable and envelope.ttl == 0.0
    sent = envelope.first + payload[envelope.length :]
    assert sent.endswith(payload[envelope.length :])
    message = Message.from_bytes(sent)
    assert (message.durable, message.priority, message.first_acquirer) == (True, 7, True)
    assert (message.delivery_count, message.subject, message.body) == (0, "s", "hi")


def test_a_redelivery_counts_on_top_of_what_the_sender_said():
    payload = Message("hi", delivery_count=2, first_acquirer=True).encode()
    message = onward(payload, failures=3, first=False)
    assert (message.delivery_count, message.first_acquirer, message.body) == (5, False, "hi")


def test_the_time_to_live_becomes_what_is_left_of_it():
    payload = Message("hi", ttl=5.0).encode()
    assert read_envelope(payload).ttl == 5.0
    assert onward(payload, ttl=1.25).ttl == 1.25
    assert onward(payload, ttl=-3.0).ttl > 0, "none at all would mean for ever"


@pytest.mark.parametrize("descriptor", [
    b"\x00\x53\x70",
    b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x70",
    b"\x00\xa3\x10amqp:header:list",
    b"\x00\xb3\x00\x00\x00\x10amqp:header:list",
])  # fmt: skip
@pytest.mark.parametrize("fields", [
    b"\xc0\x04\x03\x41\x40\x52\x09"[:3] + b"\x41\x40\x40",
    b"\xd0\x00\x00\x00\x07\x00\x00\x00\x03\x41\x40\x40",
])  # fmt: skip
def test_every_form_of_a_header_is_understood(descriptor, fields):
    header = descriptor + fields
    assert read_envelope(header + BODY).length == len(header)
    message = onward(header + BODY, failures=1, first=False)
    assert message.durable and message.delivery_count == 1 and message.body == "hi"


@pytest.mark.parametrize("payload", [BODY, NO_PROPERTIES + BODY, b""])
def test_a_message_without_a_header_gets_one(payload):
    envelope = read_envelope(payload)
    assert envelope.length == 0 and envelope.first
    assert onward(payload, failures=1, first=False).delivery_count == 1
    assert onward(payload).first_acquirer


def test_an_empty_header_is_one():
    payload = b"\x00\x53\x70\x45" + BODY
    assert read_envelope(payload).length == 4
    assert onward(payload).body == "hi"


@pytest.mark.parametrize("payload", [
    b"\x00\x53\x70",
    b"\x00\x53\x70\xc0",
    b"\x00\x53\x70\xc0\x09\x01",
    b"\x00\x53\x70\xd0\x00\x00",
    b"\x00\x53\x70\xd0\xff\xff\xff\xff\x00\x00\x00\x01",
    b"\x00\x53\x70\xa1\x02hi",
    b"\x00\x53\x70\xc0\x03\x01\xa1\x00",
])  # fmt: skip
def test_what_is_no_header_is_a_decode_error(payload):
    with pytest.raises(DecodeError):
        read_envelope(payload)
    with pytest.raises(DecodeError):
        read_envelope(payload)


def test_equal_headers_are_read_once_and_made_up_ones_are_forgotten():
    first = read_envelope(Message("a", priority=1).encode())
    assert read_envelope(Message("b", priority=1).encode()) is first
    for number in range(3 * room._KEEP):
        read_envelope(Message("a", delivery_count=number + 1000).encode())
    assert len(room._known) <= room._KEEP
