"""Limits: what a peer can make one connection keep, and what it is told when it wants more."""

from __future__ import annotations

import pytest

from reactor import Connection, Limits, Transport
from reactor.codec.definitions import SASL_RESPONSE
from reactor.codec.types import symbol
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED
from reactor.engine.endpoints.sender import MOST_AHEAD
from reactor.engine.events import Event
from reactor.engine.limits import USUAL
from reactor.engine.wire.incoming_window import PIECE_COST
from reactor.errors import (
    FRAMING_ERROR,
    MESSAGE_SIZE_EXCEEDED,
    RESOURCE_LIMIT_EXCEEDED,
    TIMED_OUT,
    RemoteProtocolError,
)
from tests.support.frames import AMQP, SASL, Peer, frame, raw, read, source, split, target
from tests.support.pair import PIECES, Pair
from tests.support.sasl import frame as sasl_frame


def limited(mode=Transport.SERVER, piece=None, **limits):
    """A peer of an engine with these limits; nothing is said yet."""
    peer = Peer(mode, piece)
    peer.transport.limits = Limits(**limits)
    peer.connection.open()
    return peer


def served(piece=None, **limits):
    """The same, with the connection and session 0 open on both sides."""
    peer = limited(piece=piece, **limits)
    peer.hello().begin()
    peer.session.open()
    peer.heard()
    peer.events()
    return peer


def answer(peer):
    """Open and close what the peer opened and closed, and tell which events that took."""
    names = []
    for event in peer.events():
        names.append(event.type.name)
        context = event.context
        if event.type.name.endswith("_remote_open") and context.state & LOCAL_UNINIT:
            context.open()
        elif event.type.name.endswith(("_remote_close", "_remote_detach")) and not context.state & LOCAL_CLOSED:
            context.close()
    peer.flush()
    return names


def closed_by(peer, condition):
    """The engine has closed the connection because of this, said so, and its application knows."""
    close = peer.heard()[-1]
    assert (close.name, close.error) == ("close", condition)
    assert peer.transport.condition.name == condition
    assert "pn_transport_error" in peer.event_names()
    assert peer.transport.capacity() < 0, "nothing more is heard of it"


# -- the limits themselves -----------------------------------------------------------------------------------


def test_each_has_a_default_and_is_checked():
    assert Limits().max_frame_size == 65536
    assert repr(Limits()) == "Limits()"
    assert repr(Limits(max_links=3)) == "Limits(max_links=3)"
    for name in Limits.__slots__:
        for wrong in (-1, 2**33 if name.startswith("max_s") and "size" not in name else -5, 1.5, "1", None, True):
            with pytest.raises(ValueError, match=name):
                Limits(**{name: wrong})
    for name in ("max_links", "max_sessions", "max_unsettled", "max_sasl_rounds"):
        with pytest.raises(ValueError, match=name):
            Limits(**{name: 0})
    with pytest.raises(ValueError, match="from 512 to 4294967295, or 0 for no limit"):
        Limits(max_frame_size=511)
    with pytest.raises(TypeError, match="max_lnks"):
        Limits(max_lnks=1)


def test_they_cannot_be_changed_but_replaced():
    limits = Limits(max_links=3)
    with pytest.raises(AttributeError, match="replace"):
        limits.max_links = 4
    other = limits.replace(max_sessions=2)
    assert (other.max_links, other.max_sessions, limits.max_sessions) == (3, 2, 256)


def test_a_transport_takes_them():
    transport = Transport()
    transport.limits = Limits(max_frame_size=1024, max_sessions=3, max_buffered_delivery_bytes=7)
    assert (transport.max_frame_size, transport.channel_max) == (1024, 2)
    assert transport.max_buffered_delivery_bytes == 7
    transport.max_buffered_delivery_bytes = 70
    assert transport.limits.max_buffered_delivery_bytes == 70
    assert transport.max_frame_size == 1024
    with pytest.raises(ValueError, match="max_buffered_delivery_bytes"):
        transport.max_buffered_delivery_bytes = -1


# -- frames, before open and after ---------------------------------------------------------------------------


def open_of(size):
    """An open in a frame of exactly so many bytes."""
    text = "x" * (size - len(frame("open", container_id="x" * 256)) + 256)
    made = frame("open", container_id=text)
    assert len(made) == size
    return made


@pytest.mark.parametrize("piece", PIECES)
def test_an_open_may_be_longer_than_the_specification_s_512_bytes_but_not_of_any_length(piece):
    peer = limited(piece=piece)
    peer.say_bytes(AMQP + open_of(16384))
    assert peer.transport.condition is None
    peer.say("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1, properties={symbol("a"): "x" * 60000})
    assert peer.transport.condition is None, "after open the size that was told holds"
    peer = limited(piece=piece)
    peer.say_bytes(AMQP + open_of(16385)[:8])
    closed_by(peer, FRAMING_ERROR)
    assert "16384 are taken before open" in peer.transport.condition.description


def test_a_long_frame_right_behind_the_open_is_no_part_of_it():
    peer = limited()
    long = {symbol("a"): "x" * 60000}
    begin = frame("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1, properties=long)
    peer.say_bytes(AMQP + frame("open", container_id="c") + begin)
    assert peer.transport.condition is None
    assert peer.session.remote_properties["a"] == "x" * 60000


@pytest.mark.parametrize("size", [512, 4096])
def test_the_size_of_an_open_is_an_option(size):
    peer = limited(max_open_size=size)
    peer.say_bytes(AMQP + open_of(size))
    assert peer.transport.condition is None
    peer = limited(max_open_size=size)
    peer.say_bytes(AMQP + raw() + open_of(size + 1))  # a heartbeat before it makes no difference
    closed_by(peer, FRAMING_ERROR)
    peer = limited(max_open_size=0)
    peer.say_bytes(AMQP + open_of(65536))
    assert peer.transport.condition is None, "0: what holds after open"


def test_the_size_of_a_frame_is_an_option_and_told():
    peer = limited(max_frame_size=1024)
    peer.hello()
    assert peer.heard_one("open").max_frame_size == 1024
    peer.say_bytes(raw(size=1025))
    closed_by(peer, FRAMING_ERROR)


def test_what_comes_in_bytes_one_by_one_takes_no_more_than_it_has():
    tracemalloc = pytest.importorskip("tracemalloc")  # not on PyPy

    peer = served()
    start = raw(size=65536)
    tracemalloc.start()
    try:
        peer.transport.receive(start)
        for _ in range(30000):
            peer.transport.receive(bytes(bytearray(b"ab")))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 150_000, used


# -- SASL ----------------------------------------------------------------------------------------------------


def test_a_sasl_exchange_is_bounded_in_all():
    peer = limited(max_sasl_size=1000)
    sasl = peer.transport.sasl()
    sasl.authenticator = lambda *given: True
    peer.say_bytes(SASL)
    said = len(peer.log)
    peer.say_bytes(sasl_frame(SASL_RESPONSE, b"x" * 1200))
    assert peer.transport.condition.name == RESOURCE_LIMIT_EXCEEDED
    assert "1000 bytes" in peer.transport.condition.description
    assert len(peer.log) == said, "there is nobody yet to say an AMQP close to"
    assert peer.transport.capacity() < 0


def test_challenges_are_counted_as_told():
    transport = Transport()
    transport.limits = Limits(max_sasl_rounds=2)
    sasl = transport.sasl()
    sasl._count_round()
    sasl._count_round()
    with pytest.raises(RemoteProtocolError, match="2 rounds"):
        sasl._count_round()


# -- sessions and links --------------------------------------------------------------------------------------


def test_so_many_sessions_and_no_more():
    peer = limited(max_sessions=3)
    peer.hello()
    assert peer.heard_one("open").channel_max == 2
    for channel in range(3):
        peer.begin(channel)
    assert peer.transport.condition is None
    peer.begin(3)
    closed_by(peer, FRAMING_ERROR)  # [2.7.1] told it


def test_sessions_that_are_begun_and_ended_and_never_answered_come_to_an_end():
    """A peer that does not read: nothing that answers it leaves, so nothing of it is forgotten."""
    peer = limited()
    peer.hello()
    many = b"".join(
        frame("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1) + frame("end") for _ in range(1000)
    )
    peer.transport.receive(many)
    assert peer.transport.condition.name == RESOURCE_LIMIT_EXCEEDED
    assert len(list(peer.connection.sessions(0))) <= USUAL.max_sessions + 1
    closed_by(peer, RESOURCE_LIMIT_EXCEEDED)


def test_so_many_links_and_no_more_in_all_sessions():
    peer = limited(max_links=4)
    peer.hello().begin(0).begin(1)
    for session in peer.connection.sessions(0):
        session.open()
    assert [heard.handle_max for heard in peer.heard() if heard.name == "begin"] == [3, 3]
    for number in range(4):
        peer.attach("link%d" % number, number // 2, channel=number % 2)
    assert peer.transport.condition is None
    peer.events()
    peer.attach("one too many", 3, channel=1)
    end = peer.heard_one("end")
    assert (end.channel, end.error) == (1, RESOURCE_LIMIT_EXCEEDED)
    first, second = peer.connection.sessions(0)
    assert second.remote_condition.name == RESOURCE_LIMIT_EXCEEDED, "the application sees whose fault it was"
    assert first.state & LOCAL_ACTIVE and not first.state & REMOTE_CLOSED
    assert peer.transport.condition is None, "the connection goes on"
    peer.say("end", 1)
    answer(peer)
    peer.heard()
    peer.attach("again", 2)
    assert peer.transport.condition is None
    assert len(list(first.links())) == 3


def test_a_handle_above_what_was_told_closes_the_connection():
    peer = served(max_links=4)
    peer.attach("l", 4)
    closed_by(peer, FRAMING_ERROR)  # [2.7.2]


def test_links_that_come_and_go_and_are_never_answered_come_to_an_end():
    peer = served(max_links=50)
    for number in range(60):
        name = "link%d" % number
        peer.transport.receive(
            frame("attach", name=name, handle=0, role=True, source=source("q"), target=target("q"))
            + frame("detach", handle=0, closed=True)
        )
    assert peer.session.remote_condition.name == RESOURCE_LIMIT_EXCEEDED
    assert len(list(peer.session.links())) == 50
    assert peer.heard_one("end").error == RESOURCE_LIMIT_EXCEEDED


def test_links_that_come_and_go_and_are_answered_go_on_for_ever():
    peer = served(max_links=3, max_endpoint_bytes=1000)
    for number in range(100):
        peer.attach("link%d" % number)
        answer(peer)
        peer.say("detach", handle=0, closed=True)
        answer(peer)
    assert peer.transport.condition is None
    assert peer.session.state & LOCAL_ACTIVE and not peer.session.state & REMOTE_CLOSED
    assert list(peer.session.links()) == []


def test_sessions_that_come_and_go_and_are_answered_go_on_for_ever():
    peer = limited(max_sessions=2, max_endpoint_bytes=1000)
    peer.hello()
    for _ in range(100):
        peer.begin(properties={symbol("p"): "x" * 500})
        answer(peer)
        peer.say("end")
        answer(peer)
    assert peer.transport.condition is None
    assert list(peer.connection.sessions(0)) == []


def test_what_links_are_told_of_with_is_bounded():
    peer = served(max_endpoint_bytes=10_000)
    for number in range(9):
        peer.attach("link%d" % number, number, properties={symbol("p"): "x" * 1000})
    assert peer.session.state & LOCAL_ACTIVE
    peer.attach("last", 9, properties={symbol("p"): "x" * 1000})
    assert peer.heard_one("end").error == RESOURCE_LIMIT_EXCEEDED
    assert "10000 bytes" in peer.session.remote_condition.description
    assert peer.transport.condition is None


def test_what_sessions_are_told_of_with_is_bounded():
    peer = limited(max_endpoint_bytes=10_000)
    peer.hello()
    for number in range(9):
        peer.begin(number, properties={symbol("p"): "x" * 1000})
    assert peer.transport.condition is None
    peer.begin(9, properties={symbol("p"): "x" * 1000})
    closed_by(peer, RESOURCE_LIMIT_EXCEEDED)


def test_what_a_link_was_told_of_with_is_forgotten_with_its_wire():
    peer = served()
    peer.connection.lasting = True
    link = peer.sender(properties={symbol("p"): "x" * 1000})
    session = peer.connection.session()
    session.open()
    assert peer.session.weight > 1000 and link.weight > 1000
    peer.transport.close_tail()
    peer.transport.unbind()
    assert link.weight == 0 and session.weight == 0


# -- what is not settled -------------------------------------------------------------------------------------


def test_no_more_is_sent_than_may_be_unsettled():
    peer = served(max_unsettled=3)
    link = peer.sender(credit=1000)
    assert link.credit == 3
    sent = [link.transmit(b"%d" % number) for number in range(5)]
    assert [heard.payload for heard in peer.heard()] == [b"0", b"1", b"2"]
    assert link.credit == -2
    assert peer.session.channel.outgoing.unsettled.keys() == {0, 1, 2}
    peer.events()
    peer.say("disposition", role=True, first=0, settled=True)
    assert [heard.payload for heard in peer.heard()] == [b"3"]
    peer.events()
    peer.say("disposition", role=True, first=1, last=3, settled=True)
    assert [heard.payload for heard in peer.heard()] == [b"4"]
    assert link.credit == 2
    assert "pn_link_flow" in peer.event_names(), "the application is told to go on"
    assert sent[4].has_left


def test_nobody_is_told_to_go_on_whose_credit_is_used_up_by_what_waits():
    peer = served(max_unsettled=2)
    link = peer.sender(credit=3)
    for _ in range(5):
        link.transmit(b"x")
    peer.heard()
    peer.events()
    peer.say("disposition", role=True, first=0, settled=True)
    assert "pn_link_flow" not in peer.event_names()


def test_the_application_goes_on_when_something_is_settled_that_it_waited_for():
    peer = served(max_unsettled=2)
    link = peer.sender(credit=1000)
    while link.credit > 0:
        link.transmit(b"x")
    assert len([heard for heard in peer.heard() if heard.name == "transfer"]) == 2
    peer.events()
    assert link.credit == 0
    peer.say("disposition", role=True, first=0, settled=True)
    assert "pn_link_flow" in peer.event_names()
    assert link.credit == 1


@pytest.mark.parametrize("how", ["settle", "expire", "abandon"])
def test_what_is_settled_here_makes_room_too(how):
    peer = served(max_unsettled=2)
    link = peer.sender(credit=1000)
    first = link.transmit(b"0")
    for number in range(1, 4):
        link.transmit(b"%d" % number)
    assert len([heard for heard in peer.heard() if heard.name == "transfer"]) == 2
    if how == "settle":
        first.settle()
    elif how == "expire":
        link.expire(first, TIMED_OUT)
    else:
        peer.say("detach", handle=0, closed=True)
        other = peer.sender("other", credit=10)
        other.transmit(b"another")
        assert [heard.payload for heard in peer.heard() if heard.name == "transfer"] == [b"another"]
        return
    assert [heard.payload for heard in peer.heard() if heard.name == "transfer"] == [b"2"]


def test_what_is_sent_settled_needs_no_room_and_is_not_stuck():
    peer = served(max_unsettled=4)
    link = peer.session.sender("settled")
    link.snd_settle_mode = link.SND_SETTLED
    link.open()
    peer.flush()
    peer.attach("settled", role=True).flow(1000)
    peer.heard()
    for number in range(50):
        link.transmit(b"%d" % number)
    assert len([heard for heard in peer.heard() if heard.name == "transfer"]) == 50


def test_a_receiver_that_grants_four_billion_is_not_taken_at_its_word():
    """Who sends while there is credit would never come to an end."""
    peer = served()
    link = peer.sender(credit=0xFFFFFFFF)
    sent = 0
    while link.credit > 0:
        link.transmit(b"x" * 1000)
        sent += 1
    assert sent == MOST_AHEAD
    transport = peer.transport
    transport.pending()
    assert 250_000 < len(transport.output) < 300_000, "and this does not read"
    fields = {"incoming_window": 0xFFFFFFFF, "outgoing_window": 1, "handle": 0, "link_credit": 0xFFFFFFFF}
    for _ in range(100):
        transport.receive(frame("flow", next_incoming_id=0, next_outgoing_id=0, delivery_count=0, echo=True, **fields))
        while link.credit > 0:
            link.transmit(b"x" * 1000)
            sent += 1
    assert sent <= MOST_AHEAD + 300
    transport.pending()
    assert len(transport.output) < 300_000


def test_a_receiver_that_reads_all_gets_all_that_it_granted():
    pair = Pair()
    sender, receiver = pair.way(True, 10_000)
    left = 10_000
    for _ in range(100):
        while sender.credit > 0:
            sender.transmit(b"x")
            left -= 1
        pair.pump()
        while receiver.current is not None:
            receiver.current.take()
    assert left == 0
    assert receiver.wire_credit == sender.credit == 0


def test_no_more_credit_is_given_than_may_be_unsettled():
    pair = Pair(bind=False)
    pair.server.transport.limits = Limits(max_unsettled=6)
    pair.client.bind()
    pair.server.bind()
    sender, receiver = pair.way(True)
    receiver.prefetch = 4
    pair.pump()
    held = []
    for _ in range(20):
        while sender.credit > 0:
            sender.transmit(b"x")
        pair.pump()
        while receiver.current is not None:
            held.append(receiver.current)
            receiver.current.take()
        pair.pump()
    assert len(held) == 6
    assert len(receiver.session.channel.incoming.unsettled) == 6
    held[0].settle()
    held[1].settle()
    pair.pump()
    assert sender.credit == 2, "as many again as were settled"
    sender.transmit(b"x")
    pair.client.connection.session_head(0)
    for delivery in held[2:]:
        delivery.settle()
    pair.pump()
    assert sender.credit == 3, "the window of credit is full again: one has come and was not read"


def test_a_sender_that_settles_makes_room_for_its_own():
    peer = served(max_unsettled=2)
    link = peer.receiver()
    link.prefetch = 2
    peer.heard()
    peer.transfer(b"a", 0).transfer(b"b", 1)
    for delivery in list(link.incoming):
        delivery.take()
    peer.heard()
    assert link.wire_credit == 0
    peer.say("disposition", role=False, first=0, last=1, settled=True)
    peer.heard()
    assert link.wire_credit == 2


# -- what is not complete ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_message_without_end_ends_its_link(size):
    peer = served(max_buffered_delivery_bytes=10_000)
    link = peer.receiver(credit=10)
    for count in range(10_000):
        peer.transfer(b"x" * size, 0 if not count else None, more=True)
        if link.state & LOCAL_CLOSED:
            break
    assert count <= 10_000 // (size + PIECE_COST) + 1
    detach = peer.heard_one("detach")
    assert (detach.error, detach.closed) == (MESSAGE_SIZE_EXCEEDED, True)
    assert link.remote_condition.name == MESSAGE_SIZE_EXCEEDED
    assert "10000 bytes" in link.remote_condition.description
    assert link.queued == 0 and peer.transport.buffered == 0, "nothing of it is kept"
    peer.transfer(b"x" * size, None, more=True)
    assert peer.transport.condition is None, "the others go on"


def test_a_long_message_may_come_where_the_limit_allows_it():
    peer = served(max_buffered_delivery_bytes=200_000)
    link = peer.receiver(credit=10)
    for count in range(3):
        peer.transfer(b"x" * 60_000, 0 if not count else None, more=count < 2)
    assert len(link.current.take()) == 180_000
    assert peer.transport.buffered == peer.session.channel.incoming.buffered == 0


def incomplete(peer, link, size, number=0, channel=0):
    """The beginning of a message."""
    handle = link.handle_in
    peer.transfer(b"x" * size, number, handle, channel, more=True)


def test_beginnings_without_end_end_their_session():
    peer = served(max_buffered_session_bytes=100_000)
    for handle in range(3):
        link = peer.session.receiver("link%d" % handle)
        link.flow(1)
        link.open()
        peer.flush()
        peer.attach(link.name, handle, role=False)
        peer.heard()
        incomplete(peer, link, 40_000, handle)
    end = peer.heard_one("end")
    assert end.error == RESOURCE_LIMIT_EXCEEDED
    assert "100000 bytes" in peer.session.remote_condition.description
    assert peer.transport.condition is None
    peer.say("end")
    answer(peer)
    assert peer.transport.buffered == 0, "it went with its session"


def test_beginnings_without_end_in_many_sessions_close_the_connection():
    peer = limited(max_buffered_connection_bytes=100_000)
    peer.hello()
    for channel in range(3):
        peer.begin(channel)
        session = list(peer.connection.sessions(0))[-1]
        session.open()
        link = session.receiver("link%d" % channel)
        link.flow(1)
        link.open()
        peer.flush()
        peer.attach(link.name, 0, role=False, channel=channel)
        incomplete(peer, link, 40_000, 0, channel)
    closed_by(peer, RESOURCE_LIMIT_EXCEEDED)


@pytest.mark.parametrize("how", ["complete", "aborted", "read", "dropped", "settled", "detached", "ended", "freed"])
def test_what_was_held_is_let_go(how):
    peer = served()
    link = peer.receiver(credit=10)
    peer.transfer(b"x" * 1000, 0, more=True).transfer(b"x" * 1000, None, more=True)
    window = peer.session.channel.incoming
    assert window.buffered == peer.transport.buffered == 2 * (1000 + PIECE_COST)
    delivery = link.current
    if how == "complete":
        peer.transfer(b"", None)
        assert len(delivery.take()) == 2000
    elif how == "aborted":
        peer.transfer(b"", None, aborted=True)
    elif how == "read":
        assert len(link.recv(10_000)) == 2000
        peer.transfer(b"y" * 7, None, more=True)
        assert peer.transport.buffered == 7 + PIECE_COST, "what comes counts anew"
        assert link.recv(100) == b"y" * 7
        peer.transfer(b"z", None)
        assert link.recv(100) == b"z" and link.recv(100) is None
    elif how == "dropped":
        link.advance()
    elif how == "settled":
        delivery.settle()
    elif how == "detached":
        peer.say("detach", handle=0, closed=True)
        link.close()
        peer.heard()
    elif how == "ended":
        peer.say("end")
        peer.session.close()
        peer.heard()
    else:
        link.free()
    assert window.buffered == peer.transport.buffered == 0


def test_after_what_was_dropped_the_rest_of_it_is_not_kept():
    peer = served()
    link = peer.receiver(credit=10)
    incomplete(peer, link, 1000)
    link.advance()
    for _ in range(10):
        peer.transfer(b"x" * 1000, None, more=True)
    assert peer.transport.buffered == 0


def test_a_window_of_one_frame_lets_a_long_message_come():
    pair = Pair(bind=False)
    pair.server.transport.limits = Limits(max_buffered_session_bytes=100_000)
    pair.client.bind()
    pair.server.bind()
    sender, receiver = pair.way(True, 10)
    assert receiver.session.channel.incoming.incoming_limit == 1
    sender.transmit(b"x" * 90_000)
    sender.transmit(b"y" * 90_000)
    pair.pump()
    assert receiver.current.take() == b"x" * 90_000
    pair.pump()
    assert receiver.current.take() == b"y" * 90_000
    pair.pump()
    assert receiver.session.channel.incoming.unread_frames == 0
    assert receiver.session.channel.incoming.incoming_window == 1


def test_the_window_is_as_large_as_what_may_be_held_of_a_session():
    peer = limited(max_buffered_session_bytes=1_000_000)
    peer.hello().begin()
    peer.session.open()
    assert peer.heard()[-1].incoming_window == 1_000_000 // 65536
    peer = limited(max_buffered_session_bytes=1)
    peer.hello().begin()
    peer.session.open()
    assert peer.heard()[-1].incoming_window == 1
    assert Limits().max_buffered_session_bytes // Limits().max_frame_size == 2048


def test_what_is_complete_and_not_read_is_held_back_by_the_window():
    """As honest as it may be, a peer cannot send more than the application is ready to read."""
    pair = Pair(bind=False)
    pair.server.transport.limits = Limits(max_buffered_session_bytes=16 * 65536)
    pair.client.bind()
    pair.server.bind()
    sender, receiver = pair.way(True, 100)
    for _ in range(20):
        sender.transmit(b"x" * 250_000)
    pair.pump()
    held = receiver.session.incoming_bytes
    assert 1_000_000 <= held <= 40 * 65536, held
    assert pair.server.transport.condition is None
    taken = 0
    while taken < 20:
        while receiver.current is not None and not receiver.current.partial:
            assert len(receiver.current.take()) == 250_000
            taken += 1
        pair.pump()
    assert pair.server.transport.buffered == 0


@pytest.mark.parametrize("piece", PIECES)
def test_transfers_that_do_not_stop_end_first_the_link_then_the_session_then_the_connection(piece):
    peer = served(piece=piece, max_buffered_session_bytes=10 * 65536)
    peer.receiver(credit=1)
    more = [frame("transfer", handle=0, delivery_id=n, delivery_tag=b"t", payload=b"x") for n in range(200)]
    peer.say_bytes(more[0] + more[1])
    assert peer.heard_one("detach").error == "amqp:link:transfer-limit-exceeded"
    for one in more[2:22]:
        peer.say_bytes(one)
    assert [heard.name for heard in peer.heard() if heard.name != "flow"] == [], "they may have been in flight"
    peer.say_bytes(more[22])
    assert peer.heard_one("end").error == "amqp:session:errant-link"
    assert peer.transport.condition is None
    for number in range(23, 200):
        peer.say_bytes(more[number])
        if peer.transport.condition is not None:
            break
    assert number < 60
    closed_by(peer, "amqp:session:window-violation")


# -- a peer that does not read -------------------------------------------------------------------------------


def test_questions_that_are_never_read_the_answers_of_are_answered_once():
    peer = served()
    link = peer.receiver(credit=5)
    asked = frame("flow", next_incoming_id=0, incoming_window=10, next_outgoing_id=0, outgoing_window=1, echo=True)
    of_link = frame("flow", next_incoming_id=0, incoming_window=10, next_outgoing_id=0, outgoing_window=1, handle=0,
                    delivery_count=0, link_credit=0, echo=True)  # fmt: skip
    for _ in range(1000):
        peer.transport.receive(asked + of_link)
    assert [heard.name for heard in peer.heard()] == ["flow"]
    assert link.credit == 5


def test_a_peer_that_takes_nothing_is_given_up_in_time():
    peer = served()
    transport = peer.transport
    transport.write_timeout = 5
    assert transport.tick(100) == 0.0, "nothing waits"
    peer.sender(credit=10).transmit(b"x" * 1000)
    transport.pending()
    assert transport.tick(101) == 106
    transport.pop(1)
    assert transport.tick(104) == 109, "it takes something"
    assert transport.tick(108.9) == 109
    assert transport.tick(109) < 0.0
    assert transport.condition.name == TIMED_OUT
    assert "nothing for 5 s" in transport.condition.description
    assert transport.closed and transport.pending() == -1
    assert "pn_transport_error" in peer.event_names()


def test_without_a_limit_of_time_nobody_is_given_up():
    peer = served()
    peer.sender(credit=10).transmit(b"x")
    peer.transport.pending()
    for now in (1, 1000, 1_000_000):
        assert peer.transport.tick(now) == 0.0
    assert peer.transport.condition is None


@pytest.mark.parametrize("said", [b"", b"AMQ", AMQP, SASL, AMQP + open_of(1000)[:500]])
def test_a_peer_that_never_opens_is_given_up_in_time(said):
    peer = limited()
    transport = peer.transport
    transport.sasl().allowed_mechs("ANONYMOUS")
    transport.open_timeout = 3
    peer.say_bytes(said)
    assert transport.tick(10) == 13
    assert transport.tick(12) == 13
    transport.receive(b"")
    transport.tick(13)
    assert transport.condition.name == RESOURCE_LIMIT_EXCEEDED
    assert "within 3 s" in transport.condition.description
    assert transport.capacity() < 0
    peer.flush()
    if said[:5] == AMQP[:5]:
        assert [heard.name for heard in read(b"".join(split(bytes(peer.log))))] == ["open", "close"]


def test_a_peer_that_opens_is_heard_for_as_long_as_it_likes():
    peer = limited()
    peer.transport.open_timeout = 3
    assert peer.transport.tick(10) == 13
    peer.hello()
    assert peer.transport.tick(20) == 0.0
    assert peer.transport.condition is None
    assert Event.TRANSPORT_ERROR not in [event.type for event in peer.events()]


@pytest.mark.parametrize("most", [1, 300])
def test_a_session_takes_so_many_links_and_no_more(most):
    limits = Limits(max_links=most)
    connection = Connection()
    session = connection.session()
    for number in range(most - 1):
        session.receiver(str(number))
    connection.admit_link(limits, 10, True)
    session.receiver("the last one")
    connection.admit_link(limits, 10, False)
    with pytest.raises(RemoteProtocolError, match="more than %d links" % most):
        connection.admit_link(limits, 10, True)


def test_a_bound_of_one_byte_is_a_bound():
    peer = served(max_buffered_session_bytes=1)
    link = peer.receiver(credit=5)
    peer.transfer(b"xx", 0, more=True)
    assert link.session.remote_condition.name == "amqp:resource-limit-exceeded"
