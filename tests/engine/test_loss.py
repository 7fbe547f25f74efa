"""When the wire breaks, falls silent, or is replaced: idle time-outs by invented times, loss at every point,
and a connection that goes on over another transport."""

from __future__ import annotations

from collections import deque

import pytest

from reactor.codec.message import Message
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import ACCEPTED
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, REMOTE_ACTIVE
from reactor.engine.events import Event
from reactor.engine.wire.transport import Transport
from reactor.errors import LocalProtocolError, TransportException
from tests.support.frames import AMQP, Peer, frame
from tests.support.pair import PIECES, Pair, Side, bodies, received

OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE


# -- idle time-outs ------------------------------------------------------------------------------------------


def idle(ours=0.0, theirs=0, mode=Transport.CLIENT):
    peer = Peer(mode)
    peer.transport.idle_timeout = ours
    peer.connection.open()
    peer.flush()
    peer.hello(**({"idle_time_out": theirs} if theirs else {}))
    peer.heard()
    peer.events()
    return peer


def test_a_peer_that_wants_to_hear_from_us_all_the_time_hears_ten_times_a_second():
    """[2.4.5] has no least time-out; a thousand heartbeats a second for each peer would be all that we do."""
    peer = idle(theirs=1)
    assert peer.transport.remote_idle_timeout == 0.001
    now, beats = 100.0, 0
    peer.transport.tick(now)
    for _ in range(30):
        now = peer.transport.tick(now)
        beats += len([frame for frame in peer.heard() if frame.name == "empty"])
    assert beats >= 28 and now >= 102.9


def test_without_time_outs_there_is_no_deadline():
    peer = idle()
    assert peer.transport.tick(1000.0) == 0.0
    assert peer.transport.tick(9e9) == 0.0
    assert peer.heard() == []


@pytest.mark.parametrize("mode", [Transport.CLIENT, Transport.SERVER])
def test_a_silent_peer_is_given_up(mode):
    peer = idle(ours=10, mode=mode)
    transport = peer.transport
    assert transport.tick(100.0) == 110.0
    assert transport.tick(105.0) == 110.0
    assert transport.tick(109.9) == 110.0
    assert transport.condition is None
    assert transport.tick(110.0) == 0.0
    forced = mode == Transport.SERVER  # such a client may come back
    name = "amqp:connection:forced" if forced else "amqp:resource-limit-exceeded"
    assert transport.condition.name == name
    assert "local-idle-timeout expired" in transport.condition.description
    names = peer.event_names()
    assert names.index("pn_transport_error") < names.index("pn_transport_tail_closed")
    assert peer.heard_one("close").error == name
    assert transport.pending() == -1
    assert "pn_transport_closed" in peer.event_names()


def test_anything_that_comes_puts_it_off():
    peer = idle(ours=10)
    transport = peer.transport
    assert transport.tick(100.0) == 110.0
    transport.receive(b"\x00\x00\x00\x08\x02\x00\x00\x00")
    assert transport.tick(109.0) == 119.0
    transport.receive(b"\x00")
    assert transport.tick(119.0) == 129.0, "a part of a frame is a sign of life too"
    assert transport.tick(128.0) == 129.0
    transport.tick(129.0)
    assert transport.condition is not None


def test_half_of_it_is_told_so_that_the_peer_is_in_time():
    peer = Peer()
    peer.transport.idle_timeout = 10
    peer.connection.open()
    assert peer.heard_one("open").idle_time_out == 5000


def test_heartbeats_are_sent_in_time():
    peer = idle(theirs=8000)
    transport = peer.transport
    assert transport.remote_idle_timeout == 8.0
    assert transport.tick(100.0) == 104.0
    assert transport.tick(103.0) == 104.0
    assert peer.heard() == []
    assert transport.tick(104.0) == 108.0
    assert [frame.name for frame in peer.heard()] == ["empty"]
    deadline = 108.0
    for _ in range(5):
        deadline = transport.tick(deadline)
        assert [frame.name for frame in peer.heard()] == ["empty"]
    assert transport.condition is None


def test_what_is_sent_anyway_spares_a_heartbeat():
    peer = idle(theirs=8000)
    transport = peer.transport
    assert transport.tick(100.0) == 104.0
    peer.connection.session().open()
    assert [frame.name for frame in peer.heard()] == ["begin"]
    assert transport.tick(103.0) == 107.0
    assert transport.tick(104.0) == 107.0
    assert peer.heard() == []


def test_a_heartbeat_wakes_the_driver():
    peer = idle(theirs=2000)
    peer.transport.tick(10.0)
    peer.transport.tick(11.0)
    assert [event.type for event in peer.events()] == [Event.TRANSPORT]
    assert peer.transport.pending() == 8


def test_no_heartbeats_pile_up_behind_what_is_stuck():
    peer = idle(theirs=2000)
    transport = peer.transport
    transport.tick(10.0)
    for second in range(11, 30):
        transport.tick(float(second))
    assert transport.pending() == 8


def test_both_deadlines_the_earlier_counts():
    peer = idle(ours=3, theirs=100000)
    assert peer.transport.tick(50.0) == 53.0
    peer = idle(ours=300, theirs=10000)
    assert peer.transport.tick(50.0) == 55.0


def test_a_peer_that_never_opens_is_given_up_too():
    peer = Peer()
    peer.transport.idle_timeout = 5
    peer.connection.open()
    assert peer.transport.tick(1.0) == 6.0
    peer.transport.tick(6.0)
    assert peer.transport.condition.name == "amqp:resource-limit-exceeded"


def test_a_peer_that_never_answers_our_close_is_given_up_too():
    peer = idle(ours=5)
    peer.connection.close()
    peer.flush()
    deadline = peer.transport.tick(10.0)
    assert deadline == 15.0
    peer.transport.tick(deadline)
    assert peer.transport.closed
    assert peer.transport.condition.name == "amqp:resource-limit-exceeded"


def test_no_heartbeat_after_close():
    peer = idle(theirs=2000)
    peer.connection.close()
    peer.heard()
    peer.transport.tick(10.0)
    peer.transport.tick(20.0)
    assert peer.transport.pending() in (0, -1)


def test_an_idle_time_out_of_zero_is_none():
    peer = Peer()
    peer.connection.open()
    peer.hello(idle_time_out=0)
    assert peer.transport.remote_idle_timeout == 0
    assert peer.transport.tick(5.0) == 0.0


def test_nothing_to_tick_when_closed():
    peer = idle(ours=5, theirs=5000)
    peer.transport.tick(1.0)
    peer.hang_up()
    assert peer.transport.tick(100.0) == 0.0


# -- how a wire ends -----------------------------------------------------------------------------------------


def test_a_peer_that_hangs_up_without_a_close():
    peer = idle()
    peer.hang_up()
    assert peer.transport.condition.name == "amqp:connection:framing-error"
    assert "connection aborted" in peer.transport.condition.description
    names = peer.event_names()
    expected = ["pn_transport_error", "pn_transport_tail_closed", "pn_transport_head_closed", "pn_transport_closed"]
    assert [name for name in names if name in expected] == expected
    assert peer.transport.closed
    assert peer.connection.error is peer.transport.condition


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "without a protocol header"),
        (AMQP[:5], "within its protocol header"),
        (AMQP, "without a close"),
        (AMQP + frame("open", container_id="x")[:-3], "within a frame"),
    ],
)
def test_where_it_hung_up_is_told(said, told):
    peer = Peer()
    peer.connection.open()
    peer.say_bytes(said).hang_up()
    assert told in peer.transport.condition.description


def test_after_both_closes_hanging_up_is_no_error():
    peer = idle()
    peer.connection.close()
    peer.heard()
    peer.say("close")
    peer.hang_up()
    assert peer.transport.condition is None
    assert peer.transport.closed


def test_a_peer_that_hangs_up_instead_of_answering_close():
    peer = idle()
    peer.connection.close()
    peer.heard()
    peer.hang_up()
    assert peer.transport.closed
    assert peer.transport.condition is None, "it was over on our side"


def test_what_the_driver_tells_of_the_network():
    peer = idle()
    peer.transport.fail("proton.pythonio", "connection reset", {"errno": 104})
    condition = peer.transport.condition
    assert (condition.name, condition.description) == ("proton.pythonio", "connection reset")
    assert peer.transport.closed
    names = peer.event_names()
    assert names[0] == "pn_transport_error"
    assert names[-1] == "pn_transport_closed"
    peer.transport.fail("again", "is no news")
    assert peer.transport.condition is condition
    assert peer.events() == []
    assert peer.transport.pending() == -1


def test_input_after_the_end():
    peer = idle()
    peer.transport.close_tail()
    assert peer.transport.capacity() == -1
    with pytest.raises(TransportException):
        peer.transport.push(b"x")
    peer.transport.receive(b"dropped")
    peer.transport.close_tail()


def test_frames_behind_a_close_are_passed_over():
    peer = idle()
    peer.say_bytes(frame("close") + frame("begin", next_outgoing_id=0, incoming_window=1, outgoing_window=1))
    assert "pn_session_remote_open" not in peer.event_names()
    assert peer.transport.condition is None


# -- loss at every point -------------------------------------------------------------------------------------


def story(pair):
    """A session, links both ways, messages with and without outcomes; every step is a point to be lost at."""
    pair.client.connection.open()
    yield
    session = pair.client.connection.session()
    session.open()
    yield
    sender = session.sender("s")
    sender.open()
    receiver = session.receiver("r")
    receiver.prefetch = 5
    receiver.open()
    yield
    for number in range(4):
        sender.send(Message("m%d" % number))
    yield
    for link in pair.server.connection.links(0):
        if link.is_receiver:
            link.flow(3)
        else:
            link.send(Message("reply"))
    yield
    for link in pair.server.connection.links(0):
        if link.is_receiver and link.current:
            delivery = link.current
            delivery.update(ACCEPTED)
            delivery.settle()
    yield
    sender.delivery("half")
    sender.stream(b"half-written")
    yield
    sender.close()
    yield
    session.close()
    yield
    pair.client.connection.close()


@pytest.mark.parametrize("how", ["hang up", "fail"])
@pytest.mark.parametrize("pumped", [True, False], ids=["after the bytes moved", "before"])
@pytest.mark.parametrize("point", range(9))
def test_loss_at_every_point(point, pumped, how):
    pair = Pair()
    steps = story(pair)
    for _ in range(point + 1):
        next(steps)
        if pumped:
            pair.pump()
    sent = [event.context for event in pair.client.seen if event.type is Event.DELIVERY]
    for side in (pair.client, pair.server):
        if how == "fail":
            side.transport.fail("x:y", "broken")
        else:
            side.transport.close_tail()
            side.transport.pending()
        side.take()
        assert side.transport.closed
        assert side.transport.pending() == -1
        assert side.names().count("pn_transport_closed") == 1
        for link in side.connection.links(0):
            assert link.unsettled == 0
            assert list(link.unsettled_deliveries) == []
    doubtful = pair.client.of(Event.DELIVERY_IN_DOUBT)
    assert len(doubtful) == len(set(doubtful))
    assert not any(delivery.settled for delivery in doubtful)
    del sent


def test_sends_after_the_loss_are_refused_or_in_doubt():
    """Nothing that was taken from the application is silently dropped."""
    pair = Pair()
    sender, _ = pair.way(True, 5)
    pair.client.transport.close_tail()
    pair.client.take()
    try:
        delivery = sender.send(Message("late"))
    except LocalProtocolError:
        return
    pair.client.transport.unbind()
    assert delivery in pair.client.of(Event.DELIVERY_IN_DOUBT)


# -- another transport ---------------------------------------------------------------------------------------


def rewire(pair):
    """The client's connection goes on over a new wire to a new server."""
    pair.client.transport.unbind()
    pair.client.transport = Transport(Transport.CLIENT)
    pair.server = Side(Transport.SERVER, "server")
    pair.server.polite = True
    pair.server.bind()
    pair.client.bind()


@pytest.mark.parametrize("piece", PIECES)
def test_a_connection_goes_on_over_another_transport(piece):
    pair = Pair(piece)
    sender, _ = pair.way(True, 5)
    back, _ = pair.link("back", False)
    back.prefetch = 3
    sender.send(Message("lost"))
    pair.pump()
    pair.client.transport.fail("x:y", "broken")
    pair.client.take()
    assert pair.client.connection.state & REMOTE_ACTIVE
    rewire(pair)
    assert sender.state & LOCAL_ACTIVE
    assert not sender.state & REMOTE_ACTIVE
    pair.pump()
    assert pair.client.connection.state == sender.session.state == sender.state == back.state == OPEN
    names = pair.client.names()
    assert names.count("pn_connection_unbound") == 1
    assert names.count("pn_connection_bound") == 2
    assert names.count("pn_connection_remote_open") == 2
    far = {link.name: link for link in pair.server.connection.links(0)}
    assert far["back"].credit == 3, "the credit window is granted anew"
    far["forth"].flow(5)
    sender.send(Message("again"))
    far["back"].send(Message("back"))
    pair.pump()
    assert bodies(far["forth"]) == ["again"]
    assert bodies(back) == ["back"]


def test_what_had_come_of_a_message_does_not_count_for_those_of_the_new_wire():
    whole = Message("just as large as it may be").encode()
    pair = Pair()
    back, far = pair.link("back", False)
    back.max_message_size = len(whole)
    back.prefetch = 3
    pair.pump()
    far.delivery("half")
    far.stream(whole[:10])
    pair.pump()
    assert back.current.pending == 10
    pair.client.transport.fail("x:y", "broken")
    pair.client.take()
    rewire(pair)
    pair.pump()
    next(pair.server.connection.links(0)).transmit(whole)
    pair.pump()
    assert bodies(back) == ["just as large as it may be"]
    assert back.remote_condition is None


def test_what_was_closed_does_not_come_back():
    pair = Pair()
    sender, _ = pair.way(True, 5)
    other, _ = pair.link("other")
    pair.client.connection.session().open()
    pair.pump()
    closed = list(pair.client.connection.sessions(0))[1]
    sender.close()
    closed.close()
    pair.client.transport.fail("x:y", "broken")
    pair.client.take()
    rewire(pair)
    pair.pump()
    assert [link.name for link in pair.server.connection.links(0)] == ["other"]
    assert len(list(pair.server.connection.sessions(0))) == 1
    assert sender not in list(pair.client.connection.links(0))
    assert closed not in list(pair.client.connection.sessions(0))
    assert other.state == OPEN


def test_ids_begin_anew_with_the_wire():
    pair = Pair()
    sender, _ = pair.way(True, 5)
    for _ in range(3):
        sender.send(Message("x"))
    pair.pump()
    pair.client.transport.fail("x:y", "broken")
    rewire(pair)
    pair.pump()
    far = next(pair.server.connection.links(0))
    far.flow(2)
    pair.pump()
    sent = sender.send(Message("y"))
    pair.pump()
    assert sent.id == 0
    assert sender.credit == 1
    assert bodies(far) == ["y"]


def test_sent_while_there_is_no_wire():
    pair = Pair()
    sender, _ = pair.way(True, 5)
    pair.client.transport.fail("x:y", "broken")
    pair.client.transport.unbind()
    pair.client.take()
    sender.send(Message("patient"))
    assert sender.queued == 1
    pair.client.transport = Transport(Transport.CLIENT)
    pair.server = Side(Transport.SERVER, "server")
    pair.server.polite = True
    pair.server.bind()
    pair.client.bind()
    pair.pump()
    far = next(pair.server.connection.links(0))
    far.flow(1)
    pair.pump()
    assert bodies(far) == ["patient"]


def test_old_deliveries_say_nothing_on_the_new_wire():
    pair = Pair()
    receiver, sender = pair.link("l", False)
    receiver.flow(5)
    pair.pump()
    sender.transmit(b"old")
    pair.pump()
    [(old, _)] = received(receiver)
    pair.client.transport.fail("x:y", "broken")
    rewire(pair)
    receiver.flow(5)
    pair.pump()
    far = next(pair.server.connection.links(0))
    new = far.transmit(b"new")
    pair.pump()
    old.update(ACCEPTED)
    old.settle()
    pair.pump()
    assert not new.settled
    assert new.id == old.id == 0


def test_a_closed_connection_stays_as_it_ended_when_it_is_unbound():
    pair = Pair().open()
    pair.client.connection.close()
    pair.pump()
    before = pair.client.connection.state
    pair.client.transport.unbind()
    assert pair.client.connection.state == before
    assert pair.client.connection.transport is None
    assert pair.client.transport.connection is None
    pair.client.transport.unbind()


def test_bytes_that_came_before_the_bind_are_not_lost():
    pair = Pair(bind=False)
    pair.client.bind()
    pair.client.connection.open()
    size = pair.client.transport.pending()
    data = pair.client.transport.peek(size)
    for number in range(len(data)):
        pair.server.transport.push(data[number : number + 1])
    pair.client.transport.pop(size)
    assert pair.server.transport.pending() == 8, "the protocol header alone"
    pair.server.bind()
    pair.pump()
    assert pair.client.connection.state == pair.server.connection.state == OPEN


class Walked(dict):
    """A dict that counts how often all of it is looked through."""

    walks = 0

    def values(self):
        self.walks += 1
        return super().values()

    def items(self):
        self.walks += 1
        return super().items()


@pytest.mark.parametrize("forth", [True, False])
@pytest.mark.parametrize("way", ["end", "wire"])
def test_many_links_are_lost_in_one_look_at_what_is_not_settled(forth, way):
    pair = Pair()
    ways = []
    for number in range(40):
        near, far = pair.link("%d" % number, forth)
        ways.append((near, far) if forth else (far, near))
    for sender, receiver in ways:
        receiver.flow(1)
        pair.pump()
        sender.transmit(b"x")
    pair.pump()
    channel = ways[0][0 if forth else 1].channel
    window = channel.outgoing if forth else channel.incoming
    table = window.unsettled = Walked(window.unsettled)
    if way == "end":
        channel.recv_end()
    else:
        pair.client.connection.recv_close()
    assert table.walks == 1 and not table


class WalkedQueue(deque):
    """A deque that counts how often all of it is looked through."""

    walks = 0

    def __iter__(self):
        self.walks += 1
        return super().__iter__()


@pytest.mark.parametrize("lasting", [True, False])
@pytest.mark.parametrize("way", ["end", "close", "wire"])
def test_many_senders_are_lost_in_one_look_at_what_has_not_left(lasting, way):
    pair = Pair()
    senders = []
    for number in range(40):
        near, far = pair.link("%d" % number, True)
        far.flow(2)
        senders.append(near)
    pair.pump()
    pair.client.connection.lasting = lasting
    sent = {sender: [sender.transmit(b"x"), sender.transmit(b"y")] for sender in senders}
    channel = senders[0].channel
    queue = channel.outgoing.queue = WalkedQueue(channel.outgoing.queue)
    assert len(queue) == 80
    if way == "end":
        channel.recv_end(Condition("amqp:internal-error").fitted(512) if lasting else None)
    elif way == "close":
        pair.client.connection.recv_close()
    else:
        channel.close(lasting)
    assert queue.walks == 1 and not queue
    assert all(list(sender.waiting) == (sent[sender] if lasting else []) for sender in senders)
    doubtful = pair.client.of(Event.DELIVERY_IN_DOUBT)
    assert set(doubtful) == (set() if lasting else {one for two in sent.values() for one in two})
