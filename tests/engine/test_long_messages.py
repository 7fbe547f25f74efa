"""Messages that are too long to be copied: they leave in pieces, as the same bytes."""

from __future__ import annotations

import pytest

from reactor.codec.long_payload import LONG_BODY, LongPayload
from reactor.codec.message import Message
from reactor.engine.blocks import blocks
from reactor.engine.endpoints.delivery import LOST
from reactor.errors import MESSAGE_SIZE_EXCEEDED, DecodeError, LocalProtocolError
from tests.engine.test_limits import served
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


# -- a long delivery that comes in ----------------------------------------------------------------------------

PARTS = [b"\x00\x53\x70\x45", b"\x00\x53\x73\x45"]


@pytest.fixture(params=[True, False], ids=["gathered", "joined"])
def gathered(request, monkeypatch):
    """From 100,000 bytes on, as on Linux from 4 MB on; or never, as elsewhere."""
    monkeypatch.setattr(blocks, "gathered_from", 100_000 if request.param else 0)
    return request.param


def receiving(**limits):
    peer = served(**limits)
    return peer, peer.receiver(credit=10)


def come(peer, raw, number=0, size=30_000, more=False):
    """A delivery in transfers of that size."""
    for at in range(0, len(raw), size):
        last = at + size >= len(raw)
        peer.transfer(raw[at : at + size], None if at else number, more=more or not last)


MESSAGES = {
    "value": Message(LONG),
    "data": Message(LONG, inferred=True),
    "text": Message(LONG.decode("latin-1")),
    "all sections": Message(LONG, **FULL, properties={"a": 1}, instructions={"x-opt-b": 2}),
    "list": Message(list(range(100_000))),
    "long annotation": Message(LONG, annotations={"x-opt-a": "a" * 70_000}),
}


def several(number):
    message = Message()
    message.data_sections = [LONG] * number
    return message


MESSAGES["two sections"] = several(2)


@pytest.mark.parametrize("size", [7_000, 30_000, 65_000])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_delivery_in_pieces_is_the_message_that_was_sent(gathered, name, size):
    peer, receiver = receiving()
    message = MESSAGES[name]
    raw = message.encode()
    come(peer, raw, 0, size)
    come(peer, raw, 1, size)
    first, second = receiver.incoming
    assert first.pending == second.pending == len(raw)
    assert first.take() == raw
    came = Message.from_bytes(second.take(False))
    assert came.body == message.body and came.inferred is message.inferred
    assert (came.footer, came.annotations, came.id) == (message.footer, message.annotations, message.id)
    assert came.data_sections == message.data_sections
    came.check()
    assert came.encode() == raw, "it is passed on as it came"
    assert peer.transport.buffered == 0


def test_a_long_body_is_put_together_once(gathered):
    peer, receiver = receiving()
    come(peer, Message(LONG, **FULL).encode())
    payload = receiver.current.take(False)
    assert type(payload) is LongPayload
    assert any(bytes(piece) == LONG for piece in payload.pieces) is gathered
    if gathered:
        body = next(piece for piece in payload.pieces if len(piece) == len(LONG))
        assert Message.from_bytes(payload).body is body


def test_a_message_that_came_in_pieces_is_passed_on_with_another_header(gathered):
    peer, receiver = receiving()
    come(peer, Message(LONG, **FULL).encode())
    came = Message.from_bytes(receiver.current.take(False))
    came.delivery_count = 2
    assert came.encode() == Message(LONG, **FULL, delivery_count=2).encode()
    came.body = "short"
    assert came.encode() == Message("short", **FULL, delivery_count=2).encode()


@pytest.mark.parametrize("wrong", [-1, 1, 1000])
def test_a_body_of_another_size_than_it_says_is_an_error(gathered, wrong):
    peer, receiver = receiving()
    raw = b"\x00\x53\x75\xb0" + (len(LONG) + wrong).to_bytes(4, "big") + LONG
    come(peer, raw, 0)
    come(peer, raw, 1)
    first, second = receiver.incoming
    assert first.take() == raw
    with pytest.raises(DecodeError):
        Message.from_bytes(second.take(False))


def test_a_long_delivery_is_read_while_it_comes(gathered):
    peer, receiver = receiving()
    raw = Message(LONG, **FULL).encode()
    come(peer, raw[:200_000], more=True)
    assert receiver.current.pending == 200_000
    assert receiver.recv(10) == raw[:10]
    assert receiver.recv(1_000_000) == raw[10:200_000] and receiver.recv(1) == b""
    for at in range(200_000, len(raw), 10_000):
        peer.transfer(raw[at : at + 10_000], None, more=at + 10_000 < len(raw))
    assert receiver.recv(1_000_000) == raw[200_000:] and receiver.recv(1) is None


@pytest.mark.parametrize("how", ["aborted", "settled", "taken", "lost"])
def test_a_long_delivery_that_is_dropped_half_way_keeps_no_memory(gathered, how):
    peer, receiver = receiving()
    raw = Message(LONG).encode()
    come(peer, raw[:200_000], more=True)
    delivery = receiver.current
    assert peer.transport.buffered >= 200_000
    if how == "aborted":
        peer.transfer(b"", None, aborted=True)
        if receiver.current is not None:
            delivery.settle()
    elif how == "settled":
        delivery.settle()
    elif how == "taken":
        assert delivery.take() == raw[:200_000]
    else:
        peer.transport.fail("x:y", "broken")
        peer.transport.unbind()
    assert delivery.chunks is None and not delivery.payload
    assert how == "lost" or peer.transport.buffered == 0
    if how in ("settled", "taken"):
        come(peer, b"".join(PARTS), None)
        assert delivery.chunks is None and peer.transport.buffered == 0
    if how != "lost":
        peer.transfer(b"next", 1)
        assert receiver.current.take() == b"next"


def test_the_bounds_hold_for_what_is_gathered(gathered):
    peer, receiver = receiving(max_buffered_delivery_bytes=180_000)
    come(peer, Message(LONG).encode()[:200_000], more=True)
    assert "detach" in [one.name for one in peer.heard()]
    assert receiver.current is None and peer.transport.buffered == 0
