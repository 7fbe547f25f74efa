"""The first flow of a receiver: it waits for the peer's attach, which says from where is counted [2.7.4]; and links
that look refused and are not."""

from __future__ import annotations

import random

import pytest

from reactor.engine.events import Event
from tests.support.frames import Peer, error, source
from tests.support.pair import PIECES, Pair, received

#: Where a peer may begin to count: RabbitMQ 4.0 does at the third and fourth.
STARTS = [0, 1, 2**32 - 4, 2**32 - 5, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]


def flows(peer):
    return [frame for frame in peer.heard() if frame.name == "flow"]


def grant(receiver, how):
    if how == "flow":
        receiver.flow(10)
    elif how == "drain":
        receiver.drain(10)
    else:
        receiver.prefetch = 10
        if how == "max_unsettled":
            receiver.max_unsettled = 10


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("how", ["flow", "drain", "prefetch", "max_unsettled"])
@pytest.mark.parametrize("start", STARTS)
def test_credit_is_counted_from_where_the_peer_begins(start, how, piece):
    peer = Peer(piece=piece)
    peer.connection.open()
    session = peer.connection.session()
    session.open()
    receiver = session.receiver("link")
    receiver.source.address = "q"
    grant(receiver, how)
    receiver.open()
    assert [frame.name for frame in peer.heard()] == ["open", "begin", "attach"]
    peer.hello().begin(remote_channel=0, next_outgoing_id=start)
    assert flows(peer) == []
    peer.attach(role=False, initial_delivery_count=start)
    (flow,) = flows(peer)
    assert (flow.next_incoming_id, flow.delivery_count, flow.link_credit) == (start, start, 10)
    assert flow.drain is (how == "drain")
    for number in range(10):
        peer.transfer(b"x", (start + number) & 0xFFFFFFFF)
    assert receiver.queued == 10 and receiver.wire_credit == 0


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("start", STARTS)
def test_a_larger_window_is_told_when_the_peer_has_begun(start, piece):
    """Before, next-incoming-id must not be set [2.7.4]: the flow waits for the answer to the begin."""
    peer = Peer(piece=piece)
    peer.connection.open()
    session = peer.connection.session()
    session.incoming_capacity = 65536
    session.open()
    assert peer.heard()[-1].incoming_window == 1
    session.incoming_capacity = 3 * 65536
    peer.hello()
    assert peer.heard() == []
    peer.begin(remote_channel=0, next_outgoing_id=start)
    (flow,) = flows(peer)
    assert (flow.next_incoming_id, flow.incoming_window) == (start, 3)


def test_sessions_and_links_may_count_from_anywhere():
    random_ = random.Random(7)
    for _ in range(60):
        pair = Pair(random_.choice(PIECES))
        pair.open()
        session = pair.client.connection.session()
        session.first_outgoing_id = random_.choice([random_.getrandbits(32), *STARTS])
        session.open()
        receiver = session.receiver("link")
        receiver.source.address = "q"
        receiver.prefetch = random_.randrange(1, 20)
        if random_.random() < 0.5:
            receiver.max_unsettled = random_.randrange(1, 20)
        receiver.open()
        pair.client.transport.pending()
        pair.move(pair.client, pair.server, "client")
        for event in pair.server.take():
            if event.type is Event.LINK_REMOTE_OPEN:
                event.link.delivery_count = random_.choice([random_.getrandbits(32), *STARTS])
        pair.pump()
        sender = next(pair.server.connection.links(0))
        for number in range(50):
            sender.transmit(b"%d" % number)
        got = []
        for _ in range(60):
            pair.pump()
            for delivery, data in received(receiver):
                got.append(data)
                delivery.settle()
        assert got == [b"%d" % number for number in range(50)]
        assert pair.client.count(Event.LINK_REMOTE_CLOSE) == pair.client.count(Event.SESSION_REMOTE_CLOSE) == 0


def test_no_credit_goes_to_a_link_that_is_refused():
    peer = Peer.client()
    receiver = peer.session.receiver("link")
    receiver.source.address = "q"
    receiver.prefetch = 10
    receiver.open()
    peer.heard()
    peer.attach(role=False, source=None).say("detach", handle=0, closed=True, error=error("amqp:not-found"))
    assert peer.event_names()[-2:] == ["pn_link_remote_open", "pn_link_remote_close"]
    receiver.close()
    assert [frame.name for frame in peer.heard()] == ["detach"]


def test_a_drain_again_over_each_wire():
    """What was granted and not used is granted again, and counted from where the new peer begins."""
    first = Peer.client()
    receiver = first.receiver(credit=5)
    first.connection.lasting = True
    first.transport.unbind()
    second = Peer()
    second.transport.unbind()
    second.transport = type(second.transport)()
    second.connection = first.connection
    second.transport.bind(first.connection)
    second.hello().begin(remote_channel=0, next_outgoing_id=2**32 - 4)
    assert [frame.name for frame in second.heard()] == ["open", "begin", "attach"]
    second.attach(role=False, initial_delivery_count=2**32 - 5)
    (flow,) = flows(second)
    assert (flow.next_incoming_id, flow.delivery_count, flow.link_credit) == (2**32 - 4, 2**32 - 5, 5)
    assert receiver.wire_credit == 5


@pytest.mark.parametrize("sends", [True, False])
def test_a_null_terminus_that_is_meant(sends):
    peer = Peer.client()
    link = peer.session.sender("link") if sends else peer.session.receiver("link")
    link.source.address = link.target.address = "q"
    if not sends:
        link.prefetch = 10
    link.open()
    peer.heard()
    peer.attach(role=sends, source=None, target=None)
    assert "pn_link_remote_open" not in peer.event_names() and peer.heard() == []
    assert peer.transport.tick(100.0) == pytest.approx(100.2)
    assert peer.transport.tick(100.1) == pytest.approx(100.2)
    assert "pn_link_remote_open" not in peer.event_names()
    assert peer.transport.tick(100.2) == 0.0
    assert peer.event_names() == ["pn_link_remote_open"]
    assert [flow.link_credit for flow in flows(peer)] == ([] if sends else [10])


def test_a_frame_of_the_link_ends_the_doubt():
    peer = Peer.client()
    sender = peer.session.sender("link")
    sender.target.address = "q"
    sender.open()
    peer.flush()
    peer.attach(role=True, target=None).flow(5)
    assert peer.event_names()[-2:] == ["pn_link_remote_open", "pn_link_flow"]
    peer.transport.tick(1.0)
    assert peer.transport.tick(2.0) == 0.0 and peer.event_names() == []


def test_the_end_of_a_link_in_doubt_is_told_and_nothing_else():
    peer = Peer.client()
    sender = peer.session.sender("link")
    sender.target.address = "q"
    sender.open()
    peer.flush()
    peer.attach(role=True, target=None)
    peer.transport.tick(1.0)
    peer.say("detach", handle=0, closed=True, error=error("amqp:not-found"))
    peer.transport.tick(2.0)
    assert peer.event_names()[-1] == "pn_link_remote_close" and sender.remote_condition.name == "amqp:not-found"
    assert "pn_link_remote_open" not in peer.event_names()


def test_the_window_is_told_again_at_its_half():
    peer = Peer.client()
    receiver = peer.receiver(credit=3000, source=source("q"))
    limit = receiver.channel.incoming.incoming_limit
    for number in range(limit // 2):
        assert flows(peer) == []
        peer.transfer(b"x", number)
        received(receiver)
    (flow,) = flows(peer)
    assert flow.handle is None and flow.incoming_window == limit - 1
