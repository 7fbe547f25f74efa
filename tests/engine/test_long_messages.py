"""Messages that are too long to be copied: they leave in pieces, as the same bytes."""

from __future__ import annotations

import pytest

from reactor.codec.long_payload import LONG_BODY, LongPayload
from reactor.codec.message import Message
from reactor.engine.endpoints.delivery import LOST
from reactor.errors import MESSAGE_SIZE_EXCEEDED, LocalProtocolError
from tests.support.frames import Peer
from tests.support.pair import Pair, received

LONG = bytes(range(256)) * (LONG_BODY // 256 + 1)
FULL = {"id": "m1", "durable": True, "annotations": {"x-opt-key": "k"}, "footer": {"x-opt-sum": b"123"}}


def sending(**attach):
    """A sender with credit, in front of a peer that is written by hand."""
    peer = Peer.client()
    peer.connection.lasting = True
    peer.connection.session_head(0)
    sender = peer.session.sender("link")
    sender.open()
    peer.flush()
    peer.attach("link", **attach)
    return peer, sender


def written(peer):
    """The payload of all transfers since the last look."""
    return b"".join(one.payload for one in peer.heard() if one.name == "transfer")


@pytest.mark.parametrize("piece", [None, 1000, 70_001])
@pytest.mark.parametrize("size", [512, 65_536, 1 << 20])
@pytest.mark.parametrize("forth", [True, False])
def test_a_long_message_arrives_byte_for_byte(piece, size, forth):
    pair = Pair(piece)
    pair.client.transport.max_frame_size = pair.server.transport.max_frame_size = size
    sender, receiver = pair.way(forth, credit=10)
    messages = [Message(LONG, **FULL), Message("short"), Message(LONG.decode("latin-1")), Message(LONG, inferred=True)]
    for message in messages:
        sender.send(message)
    pair.pump()
    arrived = [raw for _, raw in received(receiver)]
    assert arrived == [message.encode() for message in messages]
    assert sender.queued == 0


def test_what_the_application_changes_after_the_call_does_not_leave():
    pair = Pair()
    sender, receiver = pair.way(True)
    body = bytearray(LONG)
    sender.send(Message(body))
    body[:] = bytes(len(body))
    receiver.flow(1)
    pair.pump()
    assert [Message.from_bytes(raw).body for _, raw in received(receiver)] == [LONG]


def test_a_long_message_that_waits_is_the_body_of_the_application():
    pair = Pair()
    sender, _ = pair.way(True)
    delivery = sender.send(Message(LONG))
    assert any(piece is LONG for piece in delivery.payload.pieces)


def test_a_long_message_that_is_given_up_half_way_is_aborted():
    peer, sender = sending()
    peer.flow(5, incoming_window=1)
    delivery = sender.send(Message(LONG))
    assert 0 < len(written(peer)) < len(LONG)
    delivery.abort()
    peer.flow(5, incoming_window=9)
    assert [one.aborted for one in peer.heard() if one.name == "transfer"] == [True]
    assert not delivery.payload


@pytest.mark.parametrize("window", [1, 100], ids=["half-way", "whole"])
def test_a_long_message_leaves_again_from_its_beginning(window):
    peer, sender = sending()
    sender.resend = True
    peer.flow(5, incoming_window=window)
    message = Message(LONG, **FULL)
    delivery = sender.send(message)
    begun = written(peer)
    assert message.encode().startswith(begun) and (len(begun) == len(message.encode())) is (window == 100)
    peer.transport.fail("x:y", "broken")
    peer.transport.unbind()
    assert delivery.fate != LOST
    assert bytes(delivery.payload) == message.encode()
    assert [one.payload for one in sender.waiting] == [delivery.payload]


def test_a_long_message_that_is_too_long_for_its_receiver_is_refused():
    peer, sender = sending(max_message_size=LONG_BODY)
    peer.flow(1)
    with pytest.raises(LocalProtocolError) as caught:
        sender.send(Message(LONG))
    assert caught.value.condition == MESSAGE_SIZE_EXCEEDED
    assert not sender.queued


def test_a_payload_in_pieces_is_handed_over_as_one():
    pair = Pair()
    sender, receiver = pair.way(True, credit=1)
    sender.transmit(LongPayload(b"\x00\x53\x77", b"\xb0", len(LONG).to_bytes(4, "big"), LONG))
    pair.pump()
    assert [Message.from_bytes(raw).body for _, raw in received(receiver)] == [LONG]
