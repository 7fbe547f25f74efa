"""How large a message may be, both ways: what a receiver takes, what a sender is told, and at which byte."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import MessagingHandler
from reactor.codec.message import Message
from reactor.engine.endpoints.delivery import LOST
from reactor.engine.endpoints.disposition import REJECTED
from reactor.engine.endpoints.link import Link
from reactor.engine.events import Event
from reactor.engine.handler import Dispatcher
from reactor.errors import LocalProtocolError
from tests.support.frames import Peer
from tests.support.pair import Pair, received

TOO_LARGE = "amqp:link:message-size-exceeded"


def body(size: int) -> Message:
    """A message of exactly so many bytes as it is encoded."""
    over = len(Message(b"x" * size, inferred=True).encode()) - size
    message = Message(b"x" * (size - over), inferred=True)
    assert len(message.encode()) == size
    return message


# -- what we take --------------------------------------------------------------------------------------------


def limited(most: int) -> tuple[Peer, Any]:
    peer = Peer.client()
    link = peer.session.receiver("link")
    link.max_message_size = most
    link.open()
    link.flow(10)
    peer.flush()
    peer.attach("link", role=False)
    peer.heard()
    return peer, link


@pytest.mark.parametrize("pieces", [[10], [4, 6], [5, 4, 1], [10, 0]])
def test_a_message_of_just_the_size_that_is_taken(pieces):
    """Several of them: each is measured by itself."""
    peer, link = limited(10)
    for number in range(3):
        for piece, size in enumerate(pieces):
            peer.transfer(b"x" * size, None if piece else number, more=piece < len(pieces) - 1)
    assert [data for _, data in received(link)] == [b"x" * 10] * 3
    assert peer.heard() == []


@pytest.mark.parametrize("pieces", [[11], [4, 7], [10, 1]])
def test_one_byte_more_is_too_much(pieces):
    peer, _ = limited(10)
    peer.transfer(b"x" * 10, 0)
    for piece, size in enumerate(pieces):
        peer.transfer(b"x" * size, None if piece else 1, more=piece < len(pieces) - 1)
    assert peer.heard_one("detach").error == TOO_LARGE


def test_an_aborted_message_does_not_count_for_the_next():
    peer, _ = limited(10)
    peer.transfer(b"x" * 8, 0, more=True)
    peer.transfer(b"", None, aborted=True)
    peer.transfer(b"x" * 10, 1)
    assert peer.heard() == []


# -- what we send --------------------------------------------------------------------------------------------


def sending(most: int, forth: bool = True) -> tuple[Pair, Any, Any]:
    """A sender whose receiver takes messages of so many bytes."""
    pair = Pair(polite=False)
    pair.open()
    pair.server.connection.open()
    session = pair.client.connection.session()
    session.open()
    sender = session.sender("link")
    sender.open()
    pair.pump()
    far = pair.server.of(Event.LINK_INIT)[0]
    far.max_message_size = most
    far.session.open()
    far.open()
    far.flow(10)
    pair.pump()
    assert sender.remote_max_message_size == most and sender.credit == 10
    return pair, sender, far


def test_a_message_that_is_too_large_raises_at_the_call_and_nothing_is_sent():
    pair, sender, receiver = sending(1000)
    with pytest.raises(LocalProtocolError, match=r"1001 bytes.*at most 1000") as raised:
        sender.send(body(1001))
    assert raised.value.condition == TOO_LARGE and raised.value.endpoint is sender
    assert sender.queued == sender.unsettled == 0
    sender.send(body(1000))
    pair.pump()
    assert [len(data) for _, data in received(receiver)] == [1000]
    assert receiver.state & Link.LOCAL_ACTIVE and sender.state & Link.REMOTE_ACTIVE


def test_a_streamed_one_too_at_the_byte_that_is_too_much():
    pair, sender, receiver = sending(1000)
    first = sender.delivery("first")
    sender.stream(b"x" * 600)
    pair.pump()
    with pytest.raises(LocalProtocolError, match=r"1001 bytes.*at most 1000"):
        sender.stream(b"x" * 401)
    sender.stream(b"x" * 400)
    sender.advance()
    sender.delivery("second")
    sender.stream(b"y" * 1000)
    pair.pump()
    with pytest.raises(LocalProtocolError, match="1001 bytes"):
        sender.stream(b"y")
    sender.current.abort()
    sender.delivery("third")
    sender.stream(b"z" * 1000)
    sender.advance()
    pair.pump()
    assert first.tag == "first"
    assert [(d.tag, len(data)) for d, data in received(receiver) if not d.aborted] == [("first", 1000), ("third", 1000)]


def test_send_behind_a_delivery_that_is_written_by_hand():
    """It is streamed itself then, and leaves nothing behind that the next one would be added to."""
    _, sender, _ = sending(100)
    sender.delivery("by hand")
    with pytest.raises(LocalProtocolError, match="at most 100"):
        Message("x" * 200).send(sender)
    assert sender.current.tag == "by hand" and len(sender.pending) == 1


@pytest.mark.parametrize("settled", [False, True], ids=["at least once", "at most once"])
def test_what_was_sent_before_the_receiver_said_how_much_it_takes_is_rejected(settled):
    peer = Peer.client()
    sender = peer.session.sender("link")
    sender.snd_settle_mode = Link.SND_SETTLED if settled else Link.SND_UNSETTLED
    sender.open()
    early = [sender.send(body(size)) for size in (100, 101)]
    peer.flush()
    late = [sender.send(body(size)) for size in (99, 102)]
    streamed = sender.delivery("streamed")
    sender.stream(b"x" * 60)
    sender.stream(b"x" * 43)
    peer.events()
    peer.attach("link", max_message_size=100)
    told = [event.delivery for event in peer.events() if event.type is Event.DELIVERY]
    assert set(told) == {early[1], late[1], streamed} and len(told) == 3
    for delivery, size in zip((early[1], late[1], streamed), (101, 102, 103)):
        assert delivery.remote_state is REJECTED and delivery.settled and delivery.updated
        assert delivery.remote.condition.name == TOO_LARGE
        assert "%d bytes" % size in delivery.remote.condition.description
        assert "at most 100" in delivery.remote.condition.description
    assert sender.current is None
    assert sender.queued == 2 and sender.unsettled == (0 if settled else 2)
    peer.flow(10)
    assert [len(frame.payload) for frame in peer.heard() if frame.name == "transfer"] == [100, 99]


def test_what_the_application_has_settled_before_is_rejected_too():
    peer = Peer.client()
    sender = peer.session.sender("link")
    sender.open()
    sent = [sender.send(body(size)) for size in (100, 101)]
    for delivery in sent:
        delivery.settle()
    peer.flush()
    peer.events()
    peer.attach("link", max_message_size=100)
    assert [event.delivery for event in peer.events() if event.type is Event.DELIVERY] == [sent[1]]
    assert sent[1].remote_state is REJECTED and sender.queued == 1 and sender.unsettled == 0
    peer.flow(10)
    assert [len(frame.payload) for frame in peer.heard() if frame.name == "transfer"] == [100]


def test_the_application_is_told_by_on_rejected():
    class Telling(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[str] = []

        def on_rejected(self, event: Any) -> None:
            self.told.append("%s %s" % (event.delivery.tag, event.delivery.remote.condition.name))

        def on_settled(self, event: Any) -> None:
            self.told.append("%s settled" % event.delivery.tag)

    peer = Peer.client()
    sender = peer.session.sender("link")
    sender.open()
    sender.send(body(200))
    peer.flush()
    handler = Telling()
    dispatcher = Dispatcher(peer.collector, None, handler)
    dispatcher.run()
    peer.attach("link", max_message_size=100)
    dispatcher.run()
    assert handler.told == ["1 " + TOO_LARGE, "1 settled"]


# -- what has left in part is not sent again from its middle --------------------------------------------------


def test_what_was_streamed_in_part_is_in_doubt_and_not_sent_again_from_its_middle():
    """The bytes that have left are gone: over another wire its rest would look like a message."""
    pair = Pair(polite=False)
    pair.client.connection.lasting = True
    peer = Peer.client()
    peer.connection.lasting = True
    sender = peer.session.sender("link")
    sender.resend = True
    sender.open()
    peer.flush()
    peer.attach("link")
    peer.flow(10)
    streamed = sender.delivery("streamed")
    sender.stream(b"first ")
    peer.flush()
    sender.stream(b"second")
    peer.flush()
    sender.advance()
    peer.flush()
    whole = sender.transmit(b"whole")
    peer.flush()
    peer.hang_up()
    peer.transport.unbind()
    assert streamed.fate == LOST and streamed.doubt is not None
    assert [event.delivery for event in peer.events() if event.type is Event.DELIVERY_IN_DOUBT] == [streamed]
    assert [delivery.payload for delivery in sender.waiting] == [b"whole"] and whole.id is None
