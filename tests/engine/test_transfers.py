"""Messages on their way: whole and in many frames, both ways, interleaved, streamed, aborted, settled half-way."""

from __future__ import annotations

import random
import sys

import pytest

from reactor.codec.message import Message
from reactor.codec.types import Described
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import LOST, Delivery
from reactor.engine.endpoints.disposition import ACCEPTED, REJECTED, FirstOfTransaction
from reactor.engine.endpoints.link import Link
from reactor.engine.events import Event
from reactor.engine.wire.transport import Transport
from reactor.errors import DataException, LocalProtocolError, MessageException
from tests.support.frames import Peer, frame, source, target
from tests.support.pair import PIECES, Pair, bodies, received


@pytest.fixture(params=PIECES, ids=["whole", "bytewise", "by-7"])
def pair(request):
    return Pair(request.param)


@pytest.fixture(params=[True, False], ids=["forth", "back"])
def forth(request):
    return request.param


def small(pair, size=512):
    """Both sides take only small frames."""
    pair.client.transport.max_frame_size = pair.server.transport.max_frame_size = size
    return pair


# -- whole messages ------------------------------------------------------------------------------------------


def test_messages_arrive_in_order_and_equal(pair, forth):
    sender, receiver = pair.way(forth, credit=100)
    for number in range(50):
        sender.send(Message("body %d" % number))
    pair.pump()
    assert bodies(receiver) == ["body %d" % number for number in range(50)]
    assert sender.queued == 0
    assert sender.credit == receiver.credit == 50


def test_what_is_sent_before_the_link_is_open_waits(forth):
    pair = Pair()
    if not forth:
        pair.open()
    connection = (pair.client if forth else pair.server).connection
    session = connection.session()
    sender = session.sender("early")
    with pytest.raises(LocalProtocolError, match="not open"):
        sender.send(Message("too early"))
    session.open()
    sender.open()
    sender.send(Message("one"))
    sender.send(Message("two"))
    assert (sender.queued, sender.credit) == (2, -2)
    connection.open()
    pair.pump()
    receiver = next((pair.server if forth else pair.client).connection.links(0))
    assert receiver.queued == 0
    receiver.flow(1)
    pair.pump()
    assert bodies(receiver) == ["one"]
    receiver.flow(5)
    pair.pump()
    assert bodies(receiver) == ["two"]
    assert sender.queued == 0


def test_sending_on_a_closed_link_raises():
    pair = Pair()
    sender, _ = pair.way(True, 5)
    sender.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        sender.send(Message("x"))
    with pytest.raises(LocalProtocolError, match="closed"):
        sender.delivery("x")


def test_sending_on_a_link_that_the_peer_has_closed_is_in_doubt_at_once():
    pair = Pair(polite=True)
    sender, receiver = pair.way(True, 5)
    pair.client.polite = False
    receiver.close()
    pair.pump()
    sent = sender.send(Message("x"))
    assert pair.client.of(Event.DELIVERY_IN_DOUBT) == [sent]
    assert sender.unsettled == sender.queued == 0


@pytest.mark.parametrize("ends", [["end"], ["close"], ["end", "close"]], ids=" ".join)
def test_a_link_that_is_opened_behind_the_peer_s_end_sends_nothing(ends):
    peer = Peer.client()
    for end in ends:
        peer.say(end)
    sender = peer.session.sender("late")
    sender.open()
    sent = sender.transmit(b"x")
    assert sent.fate == LOST and sender.unsettled == sender.queued == 0
    assert [event.delivery for event in peer.events() if event.type is Event.DELIVERY_IN_DOUBT] == [sent]
    with pytest.raises(LocalProtocolError, match="on a session or a connection that has ended"):
        sender.delivery("x")


def test_empty_messages_are_messages_too(pair, forth):
    sender, receiver = pair.way(forth, 5)
    sender.transmit(b"")
    sender.delivery("streamed")
    assert sender.advance()
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"", b""]


@pytest.mark.parametrize("thing", ["a text", None, 7, {"a": 1}])
def test_what_is_no_message_is_refused_at_the_call(thing):
    pair = Pair()
    sender, _ = pair.way(True, 1)
    with pytest.raises(TypeError, match="Message"):
        sender.send(thing)
    assert sender.queued == 0 and sender.unsettled == 0


@pytest.mark.parametrize("settled", [False, True], ids=["at least once", "at most once"])
@pytest.mark.parametrize("size", [0, 1, 32])
def test_tags_travel(pair, size, settled):
    mode = Link.SND_SETTLED if settled else Link.SND_UNSETTLED
    sender, receiver = pair.way(True, 5, lambda link: setattr(link, "snd_settle_mode", mode))
    raw = bytes(range(200, 200 + size))
    sender.transmit(b"x", raw)
    pair.pump()
    assert receiver.current.tag_bytes == raw
    assert receiver.current.tag.encode("utf-8", "surrogateescape") == raw


def test_tags_of_the_application(pair):
    sender, receiver = pair.way(True, 5)
    sender.tag_generator = iter(["a", b"b", "\u00fc"]).__next__
    for _ in range(3):
        sender.send(Message("x"))
    sender.send(Message("x"), tag="mine")
    pair.pump()
    assert [delivery.tag for delivery, _ in received(receiver)] == ["a", "b", "\u00fc", "mine"]


@pytest.mark.parametrize(("tag", "mistake"), [("x" * 33, ValueError), (5, TypeError), (object(), TypeError)])
def test_tags_that_are_none(tag, mistake):
    pair = Pair()
    sender, _ = pair.way(True, 5)
    for attempt in (lambda: sender.send(Message("x"), tag=tag), lambda: sender.delivery(tag)):
        with pytest.raises(mistake):
            attempt()
    pair.pump()
    assert sender.queued == sender.unsettled == 0
    assert sender.credit == 5


def test_a_message_that_cannot_be_encoded_raises_and_sends_nothing():
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    with pytest.raises((MessageException, DataException)):
        sender.send(Message(object()))
    pair.pump()
    assert (sender.queued, sender.unsettled, sender.credit, receiver.queued) == (0, 0, 5, 0)


# -- many frames ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [440, 451, 452, 512, 5000, 60000])
def test_messages_larger_than_a_frame(pair, forth, size):
    sender, receiver = small(pair).way(forth, 5)
    body = random.Random(size).randbytes(size) if hasattr(random.Random, "randbytes") else bytes(size)
    sender.transmit(body)
    sender.transmit(b"after")
    pair.pump()
    assert [data for _, data in received(receiver)] == [body, b"after"]
    assert sender.credit == receiver.credit == 3


def test_no_frame_is_larger_than_the_peer_takes(forth):
    pair = small(Pair(), 600)
    sender, _ = pair.way(forth, 5)
    name = "client" if forth else "server"
    pair.said(name)
    sender.transmit(bytes(10000), b"t" * 32)
    pair.pump()
    sizes = []
    data = bytes(pair.sent[name])
    frames = pair.said(name)
    assert b"".join(frame.payload for frame in frames) == bytes(10000)
    while data:
        size = 8 if data[:4] == b"AMQP" else int.from_bytes(data[:4], "big")
        sizes.append(size)
        data = data[size:]
    assert max(sizes) <= 600
    assert max(sizes) > 540, "frames are used well"


def test_only_the_first_frame_names_the_delivery():
    pair = small(Pair())
    sender, _ = pair.way(True, 5)
    pair.said("client")
    sender.transmit(bytes(1200))
    pair.pump()
    frames = pair.said("client")
    assert [frame.more or False for frame in frames] == [True, True, False]
    assert frames[0].delivery_id == 0
    assert frames[0].delivery_tag == b"1"
    assert all(frame.delivery_tag is None for frame in frames[1:])


def test_large_messages_of_several_links_take_turns():
    pair = small(Pair())
    ways = [pair.link(f"l{number}", True) for number in range(3)]
    other = pair.client.connection.session()
    other.open()
    ways.append(pair.link_in(other, "other session"))
    for _, receiver in ways:
        receiver.flow(10)
    pair.pump()
    pair.said("client")
    sent = []
    for number, (sender, _) in enumerate(ways):
        sent.append([bytes([number]) * 3000, bytes([number, 1]) * 900])
        for payload in sent[-1]:
            sender.transmit(payload)
    pair.pump()
    assert [[data for _, data in received(receiver)] for _, receiver in ways] == sent
    order = [frame.handle for frame in pair.said("client") if frame.name == "transfer" and frame.channel == 0]
    assert order[:3] == [0, 1, 2], "frames of different links are mixed"


@pytest.mark.parametrize("piece", PIECES)
def test_interleaved_both_ways_over_links_and_sessions(piece):
    pair = small(Pair(piece))
    dice = random.Random(5)
    pair.open()
    ways = []
    for place in range(3):
        session = pair.client.connection.session()
        session.open()
        for number in range(3 * place, 3 * place + 3):
            near, far = pair.link_in(session, f"{number}", number % 3 != 1)
            ways.append((near, far) if near.is_sender else (far, near))
    for _, receiver in ways:
        receiver.flow(1000)
    pair.pump()
    expected = {way: [] for way in ways}
    for _ in range(60 if piece is None else 12):
        way = dice.choice(ways)
        payload = bytes([dice.randrange(256)]) * dice.choice([0, 1, 100, 451, 452, 2000, 7000])
        way[0].transmit(payload)
        expected[way].append(payload)
        if dice.random() < 0.3:
            pair.pump()
    pair.pump()
    for way, payloads in expected.items():
        assert [data for _, data in received(way[1])] == payloads


def test_a_message_of_more_frames_than_the_window_arrives_whole(forth):
    """Whoever waits for all of a message must not stop the rest of it from coming."""
    pair = small(Pair())
    sender, receiver = pair.way(forth, 5)
    payload = bytes(451) * 5000
    sender.transmit(payload)
    pair.pump(20000)
    assert [len(data) for _, data in received(receiver)] == [len(payload)]


def test_events_of_a_message_in_parts():
    pair = small(Pair(1))
    sender, receiver = pair.way(True, 5)
    sender.transmit(bytes(1200))
    pair.pump()
    deliveries = pair.server.of(Event.DELIVERY)
    assert set(deliveries) == {receiver.current}
    assert not receiver.current.partial


def test_partial_is_seen_while_more_is_to_come():
    peer = Peer.server()
    peer.attach(role=False)
    receiver = next(peer.connection.links(0))
    receiver.flow(5)
    receiver.open()
    peer.transfer(b"abc", more=True)
    delivery = receiver.current
    assert delivery.partial
    assert delivery.readable
    assert delivery.pending == 3
    peer.transfer(b"def", None)
    assert not delivery.partial
    assert delivery.pending == 6
    assert delivery.take() == b"abcdef"
    assert not delivery.readable


# -- streaming -----------------------------------------------------------------------------------------------


def test_streaming_a_message_piece_by_piece(pair, forth):
    sender, receiver = pair.way(forth, 5)
    delivery = sender.delivery("t")
    assert sender.current is delivery
    assert delivery.writable
    got = []
    for piece in (b"one ", b"two ", b"three"):
        assert sender.stream(piece) == len(piece)
        pair.pump()
        assert receiver.current.partial
        got.append(receiver.recv(100))
        assert receiver.recv(100) == b""
    assert sender.advance()
    assert sender.current is None
    pair.pump()
    assert not receiver.current.partial
    assert receiver.recv(100) is None
    assert receiver.advance()
    assert receiver.current is None
    assert b"".join(got) == b"one two three"
    assert not delivery.writable
    assert sender.queued == 0


def test_reading_in_small_bites(pair):
    sender, receiver = pair.way(True, 5)
    sender.transmit(b"0123456789")
    sender.transmit(b"next")
    pair.pump()
    assert [receiver.recv(4), receiver.recv(4), receiver.recv(4), receiver.recv(4)] == [b"0123", b"4567", b"89", None]
    assert receiver.advance()
    assert receiver.recv(4) == b"next"


def test_bytes_given_to_send_are_streamed(pair):
    sender, receiver = pair.way(True, 5)
    sender.delivery("t")
    assert sender.send(b"some") == 4
    assert sender.send(bytearray(b"thing")) == 5
    sender.advance()
    pair.pump()
    assert receiver.current.take() == b"something"


def test_streaming_without_a_delivery_raises():
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    with pytest.raises(LocalProtocolError, match="no current delivery"):
        sender.stream(b"x")
    with pytest.raises(LocalProtocolError, match="only a sender"):
        receiver.delivery("t")
    assert not sender.advance()
    assert not receiver.advance()
    assert receiver.recv(10) is None


def test_several_deliveries_are_made_before_any_is_written(pair):
    sender, receiver = pair.way(True, 5)
    first, second = sender.delivery("1"), sender.delivery("2")
    assert sender.current is first
    sender.stream(b"first")
    sender.advance()
    assert sender.current is second
    sender.stream(b"second")
    sender.advance()
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"first", b"second"]


def test_a_message_behind_a_streamed_one_waits_for_it(pair):
    sender, receiver = pair.way(True, 5)
    sender.delivery("streamed")
    sender.stream(b"begin")
    pair.pump()
    sender.transmit(b"waits")
    pair.pump()
    assert receiver.queued == 1
    sender.stream(b" end")
    sender.advance()
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"begin end", b"waits"]
    assert (sender.queued, sender.credit) == (0, 3)


def test_other_links_do_not_wait_for_a_streamed_message(pair):
    sender, _ = pair.way(True, 5)
    other, receiver = pair.link("other")
    receiver.flow(1)
    sender.delivery("t")
    sender.stream(b"begin")
    other.transmit(b"quick")
    pair.pump()
    assert receiver.current.take() == b"quick"


def test_streaming_without_credit_waits(pair):
    sender, receiver = pair.way(True)
    delivery = sender.delivery("t")
    assert not delivery.writable
    sender.stream(b"one")
    sender.stream(b"two")
    pair.pump()
    assert receiver.queued == 0
    receiver.flow(1)
    pair.pump()
    assert receiver.recv(10) == b"onetwo"
    sender.stream(b"three")
    sender.advance()
    pair.pump()
    assert receiver.recv(10) == b"three"


def test_messages_and_streams_keep_their_order_while_there_is_no_credit():
    pair = Pair()
    sender, receiver = pair.way(True)
    sender.transmit(b"1")
    pair.pump()
    sender.transmit(b"2")
    sender.delivery("t")
    sender.stream(b"3")
    sender.advance()
    sender.transmit(b"4")
    receiver.flow(10)
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"1", b"2", b"3", b"4"]


def test_streaming_before_the_link_is_attached():
    pair = Pair()
    session = pair.client.connection.session()
    session.open()
    sender = session.sender("s")
    sender.open()
    sender.delivery("t")
    sender.stream(b"early")
    pair.open()
    receiver = next(pair.server.connection.links(0))
    receiver.flow(1)
    pair.pump()
    sender.stream(b" late")
    sender.advance()
    pair.pump()
    assert receiver.current.take() == b"early late"


def test_advancing_over_a_message_that_is_still_coming_drops_the_rest(pair):
    sender, receiver = small(pair).way(True, 5)
    sender.delivery("dropped")
    sender.stream(b"begin")
    pair.pump()
    delivery = receiver.current
    assert receiver.advance()
    assert receiver.current is None
    sender.stream(bytes(2000))
    sender.advance()
    sender.transmit(b"next")
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"next"]
    delivery.update(REJECTED)
    delivery.settle()
    pair.pump()
    assert [d.remote_state for d in pair.client.of(Event.DELIVERY)] == [REJECTED]
    assert receiver.credit == 3


def test_long_streams_do_not_use_up_the_window(forth):
    """What was read, or dropped, counts as read, also of a message that is still coming."""
    pair = small(Pair())
    sender, receiver = pair.way(forth, 5)
    sender.delivery("t")
    total = 0
    for _ in range(60):
        sender.stream(bytes(451 * 100))
        pair.pump()
        while True:
            data = receiver.recv(1 << 20)
            if not data:
                break
            total += len(data)
    assert total == 451 * 6000
    receiver.advance()
    for _ in range(60):
        sender.stream(bytes(451 * 100))
        pair.pump()
    sender.advance()
    sender.transmit(b"next")
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"next"]


def test_a_message_that_is_rejected_half_way_is_dropped(pair):
    sender, receiver = small(pair).way(True, 5)
    sent = sender.delivery("t")
    sender.stream(b"begin")
    pair.pump()
    delivery = receiver.current
    delivery.update(REJECTED)
    delivery.settle()
    pair.pump()
    assert sent.remote_state is REJECTED
    assert sent.settled
    sender.stream(bytes(3000))
    sender.advance()
    sender.transmit(b"next")
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"next"]
    assert (sender.queued, receiver.credit) == (0, 3)


# -- settled while it is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [False, True], ids=["before it has left", "when some has left"])
def test_settling_completes_what_is_being_written_and_nothing_is_added_to_it(pair, forth, left):
    """As in the original, whose programs settle without `advance()`."""
    sender, receiver = small(pair).way(forth, 5)
    sent = sender.delivery("one")
    sender.stream(b"first")
    if left:
        pair.pump()
    sent.settle()
    assert sender.current is None and not sent.partial
    sender.delivery("two")
    sender.stream(b"second")
    sender.advance()
    pair.pump()
    [(one, first), (two, second)] = received(receiver)
    assert (one.tag, first, two.tag, second) == ("one", b"first", "two", b"second")
    assert one.settled and not two.settled
    assert sender.unsettled == receiver.unsettled == 1
    assert list(sender.session.channel.outgoing.unsettled.values()) != [sent]


def test_settling_one_that_is_not_the_current_one_completes_that_alone(pair):
    sender, receiver = pair.way(True, 5)
    first, second = sender.delivery("one"), sender.delivery("two")
    second.settle()
    assert sender.current is first
    sender.stream(b"first")
    sender.advance()
    assert sender.current is None
    pair.pump()
    assert {d.tag: data for d, data in received(receiver)} == {"one": b"first", "two": b""}


@pytest.mark.parametrize("streamed", [False, True], ids=["nothing written", "b'' written"])
def test_a_delivery_without_bytes_leaves_and_so_do_its_state_and_its_end(pair, forth, streamed):
    sender, receiver = pair.way(forth, 5)
    sent = sender.delivery("empty")
    if streamed:
        sender.stream(b"")
    assert sender.advance()
    pair.pump()
    [(come, data)] = received(receiver)
    assert (come.tag, data) == ("empty", b"")
    sent.update(ACCEPTED)
    pair.pump()
    assert come.remote_state is ACCEPTED
    sent.settle()
    pair.pump()
    assert come.settled and sender.unsettled == 0
    assert not sender.session.channel.outgoing.unsettled


@pytest.mark.parametrize("how", ["pre-settled", "settled by the peer", "open", "lost"])
def test_settling_goes_on_to_the_next_delivery_however_it_was_settled(how):
    pair = Pair()
    sender, receiver = pair.way(True, 5, lambda link: setattr(link, "snd_settle_mode", int(how == "pre-settled")))
    sent = [sender.transmit(b"x") for _ in range(3)]
    pair.pump()
    if how == "settled by the peer":
        for delivery in sent:
            delivery.settle()
        pair.pump()
    elif how == "lost":
        pair.server.transport.close_tail()
    for _ in range(3):
        receiver.current.settle()
    assert receiver.current is None and receiver.credit == 2


def test_what_comes_to_no_end_because_the_wire_is_lost_cannot_be_read_on():
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    sender.delivery("half")
    sender.stream(b"x")
    pair.pump()
    come = receiver.current
    pair.server.transport.close_tail()
    pair.server.transport.unbind()
    assert receiver.current is None and not come.readable
    come.settle()


@pytest.mark.parametrize("piece", PIECES)
def test_a_peer_that_settles_with_its_last_frame(piece):
    peer = Peer.server(piece)
    peer.attach(role=False)
    receiver = next(peer.connection.links(0))
    receiver.flow(5)
    receiver.open()
    peer.transfer(b"abc", more=True)
    peer.transfer(b"def", None, settled=True)
    [(delivery, data)] = received(receiver)
    assert data == b"abcdef"
    assert delivery.settled
    assert receiver.unsettled == 0


def test_a_peer_that_settles_by_disposition_half_way():
    peer = Peer.server()
    peer.attach(role=False)
    receiver = next(peer.connection.links(0))
    receiver.flow(5)
    receiver.open()
    peer.transfer(b"abc", more=True)
    peer.say("disposition", role=False, first=0, settled=True)
    peer.transfer(b"def", None)
    [(delivery, data)] = received(receiver)
    assert data == b"abcdef"
    assert delivery.settled
    assert receiver.unsettled == 0


def test_the_receiver_settles_half_way_and_the_rest_is_still_sent(pair):
    """The peer must get to the end of a delivery to find the next one."""
    sender, receiver = small(pair).way(True, 5)
    sender.delivery("t")
    sender.stream(bytes(600))
    pair.pump()
    receiver.current.update(ACCEPTED)
    receiver.current.settle()
    pair.pump()
    sender.stream(bytes(600))
    sender.advance()
    sender.transmit(b"next")
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"next"]
    assert sender.queued == 0


# -- aborted -------------------------------------------------------------------------------------------------


def test_aborted_before_anything_was_sent(pair, forth):
    sender, receiver = pair.way(forth)
    one = sender.send(Message("one"))
    two = sender.send(Message("two"))
    streamed = sender.delivery("t")
    sender.stream(b"begin")
    one.abort()
    streamed.abort()
    assert one.aborted
    assert (sender.queued, sender.unsettled) == (1, 1)
    receiver.flow(5)
    pair.pump()
    assert [delivery.tag for delivery, _ in received(receiver)] == ["2"]
    assert two.id == 0
    assert (sender.queued, sender.credit, receiver.credit) == (0, 4, 4)


def test_aborted_in_the_middle_of_a_stream(pair, forth):
    sender, receiver = pair.way(forth, 5)
    sent = sender.delivery("t")
    sender.stream(b"begin")
    pair.pump()
    delivery = receiver.current
    sent.abort()
    sent.abort()
    sender.transmit(b"next")
    pair.pump()
    assert delivery.aborted
    assert not delivery.partial
    assert delivery.settled
    assert delivery in pair.side(receiver).of(Event.DELIVERY)
    assert [data for _, data in received(receiver)] == [b"next"]
    assert (sender.queued, sender.unsettled, receiver.unsettled) == (0, 1, 1)
    assert sender.credit == receiver.credit == 3


def test_aborted_while_its_frames_wait_for_the_window():
    pair = small(Pair())
    sender, receiver = pair.way(True, 5)
    pair.server.connection.session_head(0).channel.incoming.incoming_window = 2  # what the client was told is more
    pair.client.connection.session_head(0).channel.outgoing.remote_incoming_window = 2
    sent = sender.transmit(bytes(5000))
    pair.client.transport.pending()
    assert sent.id is not None
    sent.abort()
    sender.transmit(b"next")
    pair.server.connection.session_head(0).channel.flows.announce_window()
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"next"]
    assert sender.queued == 0
    sender.close()
    pair.pump()
    assert receiver in pair.server.of(Event.LINK_REMOTE_CLOSE)


def test_aborting_what_has_left_as_a_whole_changes_nothing(pair):
    sender, receiver = pair.way(True, 5)
    sent = sender.send(Message("gone"))
    pair.pump()
    sent.abort()
    pair.pump()
    delivery = receiver.current
    assert not delivery.aborted
    assert delivery.take()
    delivery.update(ACCEPTED)
    delivery.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED


def test_an_incoming_delivery_cannot_be_aborted():
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    sender.transmit(b"x")
    pair.pump()
    with pytest.raises(LocalProtocolError, match="only its sender"):
        receiver.current.abort()


@pytest.mark.parametrize("settled", [False, True])
def test_a_peer_aborts(settled):
    peer = Peer.server()
    peer.attach(role=False)
    receiver = next(peer.connection.links(0))
    receiver.flow(5)
    receiver.open()
    peer.transfer(b"abc", more=True, settled=settled)
    delivery = receiver.current
    peer.transfer(b"", None, aborted=True)
    assert delivery.aborted
    assert not delivery.partial
    assert delivery.settled
    peer.transfer(b"at once", 1, aborted=True, settled=settled)
    peer.transfer(b"whole", 2)
    assert [event.delivery.aborted for event in peer.events() if event.type is Event.DELIVERY][-1] is False
    while receiver.current is not None and receiver.current.aborted:
        receiver.advance()
    assert receiver.current.take() == b"whole"
    assert receiver.unsettled == 1
    assert receiver.session.channel.incoming.unread_frames == 0


# -- closing while something is queued -----------------------------------------------------------------------


def test_send_close_close_in_one_turn_is_flushed(pair, forth):
    sender, receiver = small(pair).way(forth, 10)
    side = pair.client if forth else pair.server
    sender.transmit(b"small")
    sender.transmit(bytes(3000))
    sender.close()
    side.connection.close()
    pair.pump()
    assert [len(data) for _, data in received(receiver)] == [5, 3000]
    for each in (pair.client, pair.server):
        assert each.transport.closed
        assert each.transport.condition is None


def test_close_waits_for_credit(pair):
    sender, receiver = pair.way(True)
    sender.transmit(b"first")
    sender.transmit(b"second")
    sender.close()
    pair.client.connection.close()
    pair.pump()
    assert pair.server.connection.state & pair.server.connection.REMOTE_ACTIVE
    receiver.flow(1)
    pair.pump()
    assert pair.server.connection.state & pair.server.connection.REMOTE_ACTIVE
    receiver.flow(1)
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"first", b"second"]
    assert pair.client.transport.closed


def test_close_with_an_error_does_not_wait():
    pair = Pair()
    sender, receiver = pair.way(True)
    sent = sender.transmit(b"never")
    sender.condition = "amqp:internal-error"
    sender.close()
    pair.pump()
    assert receiver.remote_condition.name == "amqp:internal-error"
    assert sent in pair.client.of(Event.DELIVERY_IN_DOUBT)


def test_a_half_written_message_is_aborted_by_close(pair):
    sender, receiver = pair.way(True, 5)
    sent = sender.delivery("t")
    sender.stream(b"never finished")
    pair.pump()
    delivery = receiver.current
    sender.close()
    pair.client.connection.close()
    pair.pump()
    assert delivery.aborted
    assert sent.aborted
    assert pair.client.transport.closed


def test_everything_before_the_first_byte(forth):
    """Open, send and close before anything was written: all of it leaves, in that order."""
    pair = Pair()
    pair.server.connection.open()
    side, far = (pair.client, pair.server) if forth else (pair.server, pair.client)
    if not forth:
        pair.client.connection.open()
    session = side.connection.session()
    sender = session.sender("s")
    side.connection.open()
    session.open()
    sender.open()
    sender.transmit(b"hello")
    sender.close()
    session.close()
    side.connection.close()
    pair.pump()
    receiver = far.of(Event.LINK_REMOTE_OPEN)[0]
    assert not side.transport.closed, "it waits for credit"
    receiver.flow(1)
    pair.pump()
    assert [data for _, data in received(receiver)] == [b"hello"]
    assert side.transport.closed


def test_a_peer_that_closes_the_link_gets_nothing_more(forth):
    """Also of what was sent pre-settled and waits for the window."""
    pair = Pair()
    pair.client.polite = pair.server.polite = False
    peer = Peer.client()
    sender = peer.sender(credit=10)
    sender.snd_settle_mode = sender.SND_SETTLED
    peer.flow(10, incoming_window=0)
    for _ in range(3):
        sender.transmit(b"x")
    peer.heard()
    peer.say("detach", handle=0, closed=True)
    peer.flow(None, incoming_window=100)
    assert [frame.name for frame in peer.heard()] == []
    assert sender.queued == 0
    sender.close()
    assert [frame.name for frame in peer.heard()] == ["detach"]


def test_a_session_that_ends_waits_for_what_was_sent(pair):
    sender, receiver = pair.way(True, 1)
    sender.transmit(b"one")
    sender.transmit(b"two")
    sender.session.close()
    pair.pump()
    assert receiver.queued == 1
    receiver.flow(1)
    pair.pump()
    assert pair.server.count(Event.SESSION_REMOTE_CLOSE) == 1
    assert [data for _, data in received(receiver)] == [b"one", b"two"]


def test_outcomes_that_come_while_the_session_ends_are_heard():
    pair = Pair()
    sender, receiver = pair.way(True, 1)
    sent = sender.transmit(b"one")
    pair.pump()
    sender.session.close()
    pair.client.transport.pending()
    receiver.current.update(ACCEPTED)
    receiver.current.settle()
    pair.pump()
    assert sent.remote_state is ACCEPTED
    assert sent not in pair.client.of(Event.DELIVERY_IN_DOUBT)


def test_counts_of_bytes(pair):
    sender, receiver = pair.way(True)
    sender.transmit(bytes(100))
    sender.delivery("t")
    sender.stream(bytes(11))
    assert sender.session.outgoing_bytes == 111
    receiver.flow(5)
    pair.pump()
    assert sender.session.outgoing_bytes == 0
    assert receiver.session.incoming_bytes == 111
    receiver.recv(40)
    assert receiver.session.incoming_bytes == 71


def test_a_delivery_shows_itself():
    pair = Pair()
    sender, receiver = pair.way(True, 1)
    sent = sender.transmit(b"x")
    assert "no outcome yet" in repr(sent)
    pair.pump()
    receiver.current.update(Delivery.RELEASED)
    receiver.current.settle()
    pair.pump()
    assert "RELEASED" in repr(sent)
    assert "sender to q" in repr(sent)


# -- what some peers send, and what is passed over ------------------------------------------------------------


def test_a_pre_settled_message_needs_no_tag():
    """Azure leaves it out: nobody will ever ask for it [2.7.5]."""
    peer = Peer.client()
    receiver = peer.receiver(credit=3)
    peer.say("transfer", 0, b"one", handle=0, delivery_id=0, settled=True)
    peer.say("transfer", 0, b"tw", handle=0, delivery_id=1, settled=True, more=True)
    peer.say("transfer", 0, b"o", handle=0)
    assert [(delivery.tag_bytes, data) for delivery, data in received(receiver)] == [(b"", b"one"), (b"", b"two")]
    assert peer.heard() == []
    peer.say("transfer", 0, b"three", handle=0, delivery_id=2)
    assert peer.heard_one("end").error == "amqp:invalid-field", "who waits for an outcome has to name it"


def test_what_is_resumed_and_not_known_here_is_passed_over():
    """We never say that we have something unsettled, so there is nothing to be resumed [2.7.5, 2.6.13]."""
    peer = Peer.client()
    receiver = peer.receiver(credit=4)
    peer.transfer(b"old", 0, resume=True)
    peer.transfer(b"", 1, resume=True, settled=True, state=Described(0x24, []))
    peer.transfer(b"lo", 2, resume=True, more=True)
    peer.transfer(b"n", None, resume=True, more=True)
    peer.transfer(b"g", None)
    assert peer.event_names() == []
    assert receiver.unsettled == 0 and receiver.credit == 1
    peer.transfer(b"new", 3)
    [(delivery, data)] = received(receiver)
    assert data == b"new" and delivery.id == 3
    assert not [frame for frame in peer.heard() if frame.name in ("detach", "end", "close", "disposition")]


def test_what_is_resumed_and_given_up_makes_room_for_the_next():
    peer = Peer.client()
    receiver = peer.receiver(credit=2)
    peer.transfer(b"lo", 0, resume=True, more=True)
    peer.transfer(b"", None, aborted=True)
    peer.transfer(b"new", 1)
    assert [data for _, data in received(receiver)] == [b"new"]


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_sent_on_credit_that_comes_before_our_attach_can_leave_is_in_doubt_once_the_session_ends(streamed):
    """The peer says begin, attach, flow and end in one piece: nothing of the link can be written any more."""
    peer = Peer(Transport.SERVER)
    peer.connection.open()
    peer.hello().heard()
    number = {"next_outgoing_id": 0, "incoming_window": 100, "outgoing_window": 100}
    ends = {"source": source("q"), "target": target("q")}
    peer.transport.receive(
        frame("begin", **number)
        + frame("attach", name="l", handle=0, role=True, **ends)
        + frame("flow", handle=0, link_credit=5, delivery_count=0, **number)
        + frame("end")
    )
    peer.session.open()
    link = peer.connection.link_head(0)
    link.open()
    if streamed:
        delivery = link.delivery("t")
        link.stream(b"x")
        link.advance()
    else:
        delivery = link.transmit(b"x")
    assert not [said for said in peer.heard() if said.name == "transfer"]
    peer.session.close()
    peer.connection.close()
    peer.say("close")
    assert delivery.fate == LOST


# -- many that wait for credit, or behind one in several frames ---------------------------------------------------


@pytest.mark.parametrize("size, credit", [(10, 10), (3000, 10), (3000, 1000)])
def test_a_message_costs_the_same_however_many_wait_behind_it(size, credit):
    """Short ones wait for credit; those in several frames for one another, too."""
    costs = []
    for number in (100, 400):
        pair = Pair()
        pair.server.transport.max_frame_size = 1024
        sender, receiver = pair.way(True)
        calls = []
        sys.setprofile(lambda frame, event, _: calls.append(None) if event == "call" else None)  # noqa: B023
        try:
            for _ in range(number):
                sender.send(Message(b"x" * size))
            pair.pump()
            while sender.unsent:
                receiver.flow(credit)
                pair.pump()
        finally:
            sys.setprofile(None)
        costs.append(len(calls) / number)
        assert len(received(receiver)) == number
    assert costs[1] < costs[0] * 1.2, costs


def test_what_waits_behind_a_message_of_a_transaction_that_was_given_up_leaves():
    """It waited for its transaction, and timed out; those behind it have credit."""
    pair = Pair()
    sender, receiver = pair.way(True, 10)
    given_up = sender.send(Message("in a transaction"))
    given_up.hold(FirstOfTransaction(None))
    behind = sender.send(Message("behind"))
    pair.pump()
    assert behind.id is None, "the order is kept"
    sender.expire(given_up, Condition("amqp:internal-error", "too late"))
    pair.pump()
    assert behind.id is not None
    later = sender.send(Message("later"))
    pair.pump()
    assert later.id is not None and not sender.waiting
    assert bodies(receiver) == ["behind", "later"]


def test_what_has_left_is_not_kept_for_those_that_wait():
    pair = Pair()
    sender, receiver = pair.way(True)
    for number in range(20):
        sender.send(Message(number))
    receiver.flow(15)
    pair.pump()
    sender.send(Message("one more"))
    pair.pump()
    assert len(sender.waiting) == 6 and not sender.released


def test_a_delivery_without_bytes_yet_holds_up_none_of_those_behind_it():
    pair = Pair()
    sender, receiver = pair.way(True)
    begun, complete = sender.delivery("a"), sender.delivery("b")
    sender.stream(b"")
    sender.complete(complete)
    pair.pump()
    receiver.flow(10)
    pair.pump()
    assert complete.id is not None and begun.id is None


class Waiting:
    """Two senders of one session, and a peer that gives credit, takes it back, and has a small window."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.peer = peer = Peer()
        peer.connection.open()
        session = peer.connection.session()
        session.open()
        self.links = [session.sender("link-%d" % number) for number in range(2)]
        for link in self.links:
            link.open()
        peer.flush()
        peer.hello(max_frame_size=512).begin(incoming_window=0, remote_channel=0)
        for number, link in enumerate(self.links):
            peer.attach(link.name, number)
        peer.heard()
        self.wanted = [[], []]  # what each is to say, in order
        self.came = [[], []]
        self.credit = [0, 0]  # the limit of the delivery-count
        self.frames = self.window = self.sent = 0

    def send(self):
        number = self.random.randrange(2)
        link, size = self.links[number], self.random.choice((3, 3, 3, 2000))
        self.sent += 1
        body = b"%d:" % self.sent + b"x" * size
        if self.random.random() < 0.2 and not link.pending:
            link.delivery("s%d" % self.sent)
            link.stream(body[:2])
            self.peer.flush()
            link.stream(body[2:])
            link.advance()
        else:
            delivery = link.transmit(body)
            if self.random.random() < 0.2:
                delivery.abort()
                return
        self.wanted[number].append(body)

    def flow(self):
        self.hear()  # what has left by the credit of before
        said = b""
        for _ in range(self.random.choice((1, 2))):
            number = self.random.randrange(2)
            self.window = max(self.window, self.frames + self.random.choice((0, 1, 5, 50)))
            self.credit[number] = len(self.came[number]) + self.random.choice((0, 1, 3, 20))
            said += frame(
                "flow", 0, handle=number, delivery_count=len(self.came[number]), next_incoming_id=self.frames,
                link_credit=self.credit[number] - len(self.came[number]), incoming_window=self.window - self.frames,
                next_outgoing_id=0, outgoing_window=1000,
            )  # fmt: skip
        self.peer.say_bytes(said)
        self.hear()

    def hear(self):
        for heard in self.peer.heard():
            if heard.name == "transfer":
                self.frames += 1
                assert self.frames <= self.window
                if heard.delivery_id is not None:
                    self.came[heard.handle].append(b"")
                    assert len(self.came[heard.handle]) <= self.credit[heard.handle]
                self.came[heard.handle][-1] += heard.payload


@pytest.mark.parametrize("seed", range(100))
def test_whatever_waits_leaves_in_order_once_within_credit_and_window(seed):
    waiting = Waiting(seed)
    for _ in range(waiting.random.choice((5, 40))):
        waiting.send() if waiting.random.random() < 0.6 else waiting.flow()
    for _ in range(200):
        if waiting.came == waiting.wanted:
            break
        waiting.flow()
    waiting.hear()
    assert waiting.came == waiting.wanted
    assert [link.unsent for link in waiting.links] == [0, 0]
    assert not any(link.waiting for link in waiting.links)
