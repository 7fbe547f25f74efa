"""Open, begin, attach, detach, end, close between two engines: who sees what, in which order, however the bytes
are cut; what is negotiated; channels and handles that come back into use, and that run out."""

from __future__ import annotations

import pytest

from reactor.codec.types import symbol
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_ACTIVE, REMOTE_CLOSED
from reactor.engine.events import Event
from reactor.engine.limits import Limits
from reactor.engine.wire.transport import Transport
from reactor.errors import DataException, LocalProtocolError, TransportException
from tests.support.frames import Peer, frame, split
from tests.support.pair import PIECES, Pair

OPEN = LOCAL_ACTIVE | REMOTE_ACTIVE
CLOSED = LOCAL_CLOSED | REMOTE_CLOSED


@pytest.fixture(params=PIECES, ids=["whole", "bytewise", "by-7"])
def pair(request):
    return Pair(request.param)


# -- connections ---------------------------------------------------------------------------------------------


def test_a_connection_opens_on_both_sides(pair):
    pair.client.connection.hostname = "broker.example"
    pair.open()
    client, server = pair.client.connection, pair.server.connection
    assert client.state == server.state == OPEN
    assert (client.remote_container, server.remote_container) == ("server", "client")
    assert server.remote_hostname == "broker.example"
    assert pair.client.count(Event.CONNECTION_REMOTE_OPEN) == pair.server.count(Event.CONNECTION_REMOTE_OPEN) == 1


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_connection_closes_from_either_side(pair, first):
    pair.open()
    side = getattr(pair, first)
    side.connection.close()
    pair.pump()
    for each in (pair.client, pair.server):
        assert each.connection.state == CLOSED
        assert each.transport.closed
        assert each.transport.condition is None
        names = each.names()
        assert names.count("pn_connection_remote_close") == 1
        assert names[-1] == "pn_transport_closed" or "pn_transport_closed" in names
        assert "pn_transport_error" not in names


def test_both_close_at_once(pair):
    pair.open()
    pair.client.connection.close()
    pair.server.connection.close()
    pair.pump()
    assert pair.client.connection.state == pair.server.connection.state == CLOSED
    assert pair.client.transport.closed
    assert pair.server.transport.closed
    assert pair.client.transport.condition is None


def test_a_connection_closes_with_a_reason(pair):
    pair.open()
    pair.server.connection.condition = Condition("amqp:connection:forced", "going down", {symbol("in"): 5})
    pair.server.connection.close()
    pair.pump()
    told = pair.client.connection.remote_condition
    assert (told.name, told.description, told.info) == ("amqp:connection:forced", "going down", {"in": 5})
    assert pair.server.connection.remote_condition is None
    assert pair.client.transport.condition is None, "the wire itself did not fail"


def test_opening_and_closing_in_one_turn(pair):
    pair.client.connection.open()
    pair.client.connection.close()
    pair.pump()
    assert pair.client.connection.state == pair.server.connection.state == CLOSED
    assert pair.client.transport.condition is None


def test_properties_and_capabilities_of_a_connection(pair):
    near, far = pair.client.connection, pair.server.connection
    near.properties = {"product": "test", symbol("version"): 3}
    near.offered_capabilities = "one"
    near.desired_capabilities = ["ANONYMOUS-RELAY", symbol("two")]
    far.offered_capabilities = [symbol("a"), symbol("b")]
    pair.open()
    assert far.remote_properties == {"product": "test", "version": 3}
    assert all(isinstance(key, symbol) for key in far.remote_properties)
    assert list(far.remote_offered_capabilities) in (["one"], [symbol("one")])
    assert list(far.remote_desired_capabilities) == ["ANONYMOUS-RELAY", "two"]
    assert list(near.remote_offered_capabilities) == ["a", "b"]
    assert near.remote_desired_capabilities is None
    assert near.remote_properties is None


def test_everything_is_said_in_one_burst(pair):
    """Open, begin, attach, flow and a message go out before the peer has answered anything."""
    connection = pair.client.connection
    connection.open()
    session = connection.session()
    session.open()
    receiver = session.receiver("r")
    receiver.flow(5)
    receiver.open()
    sender = session.sender("s")
    sender.open()
    sender.transmit(b"waits for credit")
    pair.client.transport.pending()
    pair.pump()
    assert receiver.state == sender.state == session.state == OPEN
    far = {link.name: link for link in pair.server.connection.links(0)}
    assert far["r"].credit == 5
    assert sender.queued == 1
    far["s"].flow(1)
    pair.pump()
    assert far["s"].current.take() == b"waits for credit"


def test_the_server_may_speak_first_when_its_connection_is_open(pair):
    pair.server.connection.open()
    assert pair.server.transport.pending() == 0, "it answers the client's header, not before"
    pair.client.connection.open()
    pair.pump()
    assert pair.client.connection.state == OPEN


# -- sessions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_session_begins_and_ends_from_either_side(pair, first):
    pair.open()
    near, far = (pair.client, pair.server) if first == "client" else (pair.server, pair.client)
    session = near.connection.session()
    session.open()
    pair.pump()
    other = far.connection.session_head(0)
    assert session.state == other.state == OPEN
    session.condition = Condition("amqp:resource-deleted")
    session.close()
    pair.pump()
    assert session.state == other.state == CLOSED
    assert other.remote_condition.name == "amqp:resource-deleted"
    assert session.remote_condition is None
    assert list(near.connection.sessions(0)) == list(far.connection.sessions(0)) == []


def test_properties_and_capabilities_of_a_session(pair):
    pair.open()
    session = pair.client.connection.session()
    session.properties = {"a": 1}
    session.offered_capabilities = ["x", "y"]
    session.desired_capabilities = "z"
    session.open()
    pair.pump()
    other = pair.server.connection.session_head(0)
    assert other.remote_properties == {"a": 1}
    assert list(other.remote_offered_capabilities) == ["x", "y"]
    assert "z" in other.remote_desired_capabilities


def test_many_sessions_each_with_links(pair):
    pair.open()
    sessions = [pair.client.connection.session() for _ in range(20)]
    for number, session in enumerate(sessions):
        session.open()
        for name in ("a%d" % number, "b%d" % number):
            session.sender(name).open()
            session.receiver(name).open()
    pair.pump()
    others = list(pair.server.connection.sessions(0))
    assert len(others) == 20
    assert all(len(list(other.links())) == 4 for other in others)
    for other in others:
        for link in other.links():
            if link.is_receiver:
                link.flow(1)
    pair.pump()
    for number, session in enumerate(sessions):
        next(link for link in session.links() if link.is_sender and link.name[0] == "b").transmit(b"%d" % number)
    pair.pump()
    found = [link.current.take() for other in others for link in other.links() if link.is_receiver and link.current]
    assert found == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize(("stays", "numbers"), [(False, [0, 1, 2, 0, 1]), (True, [1, 2, 1, 2, 1])])
def test_channels_come_back_into_use_as_late_as_can_be(pair, stays, numbers):
    """RabbitMQ 4.0.5 falls silent when a session begins at once on the channel of one that has ended with an error."""
    pair.server.transport.channel_max = 2
    pair.open()
    if stays:
        pair.client.connection.session().open()
        pair.pump()
    seen = []
    for _ in numbers:
        session = pair.client.connection.session()
        session.open()
        pair.pump()
        seen.append(session.channel.number)
        session.close()
        pair.pump()
        session.free()
    assert seen == numbers
    pair.pump()
    assert pair.client.count(Event.SESSION_FINAL) == 5
    assert [one for one in pair.server.connection.sessions(0) if one.state & one.REMOTE_CLOSED] == []


def test_channels_run_out(pair):
    pair.server.transport.channel_max = 2
    pair.open()
    sessions = [pair.client.connection.session() for _ in range(4)]
    for session in sessions:
        session.open()
    pair.pump()
    assert [session.state & REMOTE_ACTIVE != 0 for session in sessions] == [True, True, True, False]
    last = sessions[3]
    assert last.remote_condition.name == "amqp:resource-limit-exceeded"
    assert last in pair.client.of(Event.SESSION_REMOTE_CLOSE), "the application must see it fail"
    assert pair.client.connection.state == OPEN
    assert last not in list(pair.client.connection.sessions(0)), "the polite application closed it"
    sessions[1].close()
    pair.pump()
    another = pair.client.connection.session()
    another.open()
    pair.pump()
    assert another.state == OPEN
    assert another.channel.number == 1


def test_a_session_opened_and_closed_in_one_turn_is_begun_and_ended(pair):
    pair.open()
    session = pair.client.connection.session()
    session.open()
    session.close()
    pair.pump()
    assert list(pair.client.connection.sessions(0)) == []
    assert list(pair.server.connection.sessions(0)) == []


# -- links ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", [True, False], ids=["sender", "receiver"])
@pytest.mark.parametrize("first", ["client", "server"])
def test_a_link_closes_from_either_side(pair, sender, first):
    near, far = pair.link("l", sender)
    assert near.state == far.state == OPEN
    assert near.is_sender is sender
    assert far.is_sender is not sender
    one, other = (near, far) if first == "client" else (far, near)
    one.condition = Condition("amqp:link:detach-forced", "enough")
    one.close()
    pair.pump()
    assert one.state == other.state == CLOSED
    assert other.remote_condition.description == "enough"
    assert not other.remote_detached
    assert other in pair.side(other).of(Event.LINK_REMOTE_CLOSE)
    assert one in pair.side(one).of(Event.LINK_REMOTE_CLOSE)
    assert list(one.session.links()) == list(other.session.links()) == []


@pytest.mark.parametrize("sender", [True, False], ids=["sender", "receiver"])
def test_detach_is_not_close(pair, sender):
    near, far = pair.link("l", sender)
    near.detach()
    pair.pump()
    assert far in pair.server.of(Event.LINK_REMOTE_DETACH)
    assert far not in pair.server.of(Event.LINK_REMOTE_CLOSE)
    assert far.remote_detached
    assert near.state == CLOSED


def test_detach_is_answered_by_detach():
    """Each side says for itself whether it closes."""
    pair = Pair(polite=False)
    pair.open()
    pair.server.connection.open()
    session = pair.client.connection.session()
    session.open()
    near = session.sender("l")
    near.open()
    pair.pump()
    far = next(iter(pair.server.connection.links(0)))
    far.session.open()
    far.open()
    pair.pump()
    near.detach()
    pair.pump()
    far.detach()
    pair.pump()
    assert near in pair.client.of(Event.LINK_REMOTE_DETACH)
    assert near not in pair.client.of(Event.LINK_REMOTE_CLOSE)


def test_a_link_of_the_same_name_after_a_detach(pair):
    for _ in range(4):
        near, _ = pair.link("durable", False)
        near.detach()
        pair.pump()
    assert pair.server.count(Event.LINK_REMOTE_DETACH) == 4


def test_handles_come_back_into_use(pair):
    pair.open()
    session = pair.client.connection.session()
    session.open()
    kept, _ = pair.link_in(session, "kept")
    for number in range(5):
        near, far = pair.link_in(session, f"l{number}", number % 2 == 0)
        assert (near.handle_out, far.handle_in) == (1, 1)
        near.close()
        pair.pump()
        assert near.handle_out is None
    assert kept.state == OPEN
    assert list(session.links()) == [kept]
    assert list(session.channel.attachments.handles_out) == list(session.channel.attachments.handles_in) == [0]


def test_handles_run_out(pair):
    pair.open()
    session = pair.client.connection.session()
    session.handle_max = 2
    session.open()
    links = [session.sender(f"l{number}") for number in range(4)]
    for link in links:
        link.open()
    pair.pump()
    assert [link.state & REMOTE_ACTIVE != 0 for link in links] == [True, True, True, False]
    assert links[3].remote_condition.name == "amqp:resource-limit-exceeded"
    assert links[3] in pair.client.of(Event.LINK_REMOTE_CLOSE)
    assert links[3] not in list(session.links()), "the polite application closed it: nothing is left of it"
    links[0].close()
    pair.pump()
    late = session.receiver("late")
    late.open()
    pair.pump()
    assert late.state == OPEN
    assert late.handle_out == 0


def test_the_peer_s_handle_max_counts():
    peer = Peer.client(handle_max=0)
    first = peer.session.sender("first")
    second = peer.session.sender("second")
    first.open()
    second.open()
    assert [frame.fields["name"] for frame in peer.heard()] == ["first"]
    assert "pn_link_remote_close" in peer.event_names()
    assert second.remote_condition.name == "amqp:resource-limit-exceeded"


@pytest.mark.parametrize("size", [512, 513])
def test_before_the_peer_s_open_no_attach_is_larger_than_every_peer_takes(size):
    """[2.3.1] The peer may take more; its open has the size."""
    peer = Peer(Transport.CLIENT)
    peer.connection.open()
    peer.connection.session().open()
    for name in ("short", "l" * 300):
        peer.session.sender(name).open()
    peer.flush()
    known = len(split(bytes(peer.log))[-1])
    assert [one.name for one in peer.heard()] == ["open", "begin", "attach", "attach"]
    peer.session.sender("m" * (300 + size - known)).open()
    assert [one.name for one in peer.heard()] == (["attach"] if size == 512 else [])
    peer.hello().begin(remote_channel=0)
    assert [one.name for one in peer.heard()] == ([] if size == 512 else ["attach"])
    assert len(split(bytes(peer.log))[-1]) == size


@pytest.mark.parametrize("whose", ["ours", "the peer's"])
def test_nothing_is_attached_in_a_session_that_has_ended(whose):
    peer = Peer.client()
    session = peer.session
    link = session.sender("late")
    if whose == "ours":
        session.close()
    else:
        peer.say("end")
    peer.heard()
    link.open()
    assert peer.heard() == []


@pytest.mark.parametrize("closed", [False, True])
def test_a_link_waits_for_its_session_s_channel(closed):
    """Few sessions begin before the peer's open, which has the number of its channels."""
    peer = Peer(Transport.CLIENT)
    peer.connection.open()
    for _ in range(6):
        session = peer.connection.session()
        session.open()
        link = session.sender("link")
        link.open()
        if closed:
            link.close()
    expected = ["begin", "attach", "detach"][: 3 if closed else 2]
    count = dict.fromkeys(expected, 0)
    for one in peer.heard():
        count[one.name] = count.get(one.name, 0) + 1
    assert set(count.values()) != {6}
    peer.hello()
    for one in peer.heard():
        count[one.name] += 1
    assert [count[name] for name in expected] == [6] * len(expected)


def test_a_link_that_no_handle_is_left_for_is_there_until_it_is_closed():
    peer = Peer.client(handle_max=0)
    peer.session.sender("first").open()
    second = peer.session.sender("second")
    second.open()
    peer.flush()
    assert second.remote_condition.name == "amqp:resource-limit-exceeded"
    assert second in list(peer.session.links()) and "pn_link_final" not in peer.event_names()
    second.close()
    peer.flush()
    assert second not in list(peer.session.links()) and "pn_link_final" not in peer.event_names()
    second.free()
    assert peer.event_names()[-1] == "pn_link_final", "by hand the program frees it"


def test_a_link_that_is_given_up_before_it_has_an_answer_of_ours_is_attached_and_closed():
    """Nobody ever opened our end of it: the peer gets an answer all the same, and the handle comes back into use."""
    peer = Peer.server()
    peer.attach("first")
    [link] = peer.connection.links(0)
    link.fail(Condition("example:gone"))
    assert [(one.name, one.handle) for one in peer.heard()] == [("attach", 0), ("detach", 0)]
    peer.attach("second", handle=1)
    next(iter(link.session.named("second"))).open()
    assert peer.heard_one("attach").handle == 1
    peer.say("detach", handle=0, closed=True)
    peer.attach("third", handle=2)
    next(iter(link.session.named("third"))).open()
    assert peer.heard_one("attach").handle == 0


def test_a_link_that_is_given_up_behind_the_end_of_its_session_leaves_nothing_there():
    peer = Peer.client()
    link = peer.sender()
    session = link.session
    session.close()
    assert peer.heard_one("end").error is None
    link.fail(Condition("example:gone"))
    assert link.remote_condition.name == "example:gone"
    assert [one for one in session.links() if one is not link] == []
    peer.say("end")
    assert peer.heard() == [] and list(peer.connection.sessions(0)) == []


def test_a_link_that_was_closed_here_is_there_until_the_peer_has_closed_it():
    """However often it is looked at meanwhile."""
    peer = Peer.client()
    link = peer.sender()
    link.close()
    assert peer.heard_one("detach").closed
    peer.connection.work_on(link)
    peer.flush()
    assert list(link.session.links()) == [link] and "pn_link_final" not in peer.event_names()
    peer.say("detach", handle=0, closed=True)
    assert list(link.session.links()) == [] and peer.event_names()[-1] == "pn_link_remote_close"
    link.free()
    assert peer.event_names()[-1] == "pn_link_final"


def test_a_link_that_is_closed_behind_the_peer_s_end_is_no_work_any_more():
    """It has nothing to write, before our own end as well as behind it, and is not looked at again."""
    peer = Peer.client()
    used = peer.sender()
    session = used.session
    peer.say("end")
    late = session.sender("late")
    late.open()
    late.close()
    peer.flush()
    assert late not in peer.connection.work
    session.close()
    assert [one.name for one in peer.heard()] == ["end"]
    used.close()
    peer.flush()
    assert not peer.connection.work and peer.heard() == []


def test_links_both_ways_under_one_name(pair):
    out, _ = pair.link("same", True)
    back, _ = pair.link("same", False)
    assert out.state == back.state == OPEN
    out.close()
    pair.pump()
    assert back.state == OPEN


def test_both_sides_attach_the_same_link_at_once(pair):
    pair.open()
    session = pair.client.connection.session()
    session.open()
    pair.pump()
    far_session = pair.server.connection.session_head(0)
    near, far = session.sender("meet"), far_session.receiver("meet")
    near.open()
    far.open()
    pair.pump()
    assert near.state == far.state == OPEN
    assert list(session.links()) == [near]
    assert list(far_session.links()) == [far]


def test_a_link_opened_and_closed_in_one_turn_leaves_nothing_behind(pair):
    pair.open()
    session = pair.client.connection.session()
    session.open()
    pair.pump()
    link = session.sender("brief")
    link.open()
    link.close()
    pair.pump()
    assert list(session.links()) == []
    assert list(pair.server.connection.links(0)) == []


def test_a_link_is_refused_by_attaching_and_closing_it():
    """The way of a server: it attaches, then closes with a condition; here without ever opening its end."""
    pair = Pair(polite=False)
    pair.client.connection.open()
    pair.server.connection.open()
    session = pair.client.connection.session()
    session.open()
    link = session.receiver("l")
    link.flow(5)
    link.open()
    pair.pump()
    far = next(iter(pair.server.connection.links(0)))
    far.session.open()
    far.condition = Condition("amqp:not-found", "no such node")
    far.close()
    pair.pump()
    assert link.remote_condition.name == "amqp:not-found"
    names = [event.type.name for event in pair.client.seen if event.context is link]
    assert names[-2:] == ["pn_link_remote_open", "pn_link_remote_close"]
    attach = next(frame for frame in pair.said("server") if frame.name == "attach")
    assert attach.source is attach.target is None
    link.close()
    pair.pump()
    assert list(session.links()) == list(far.session.links()) == []


def test_everything_closes_in_one_turn_and_everybody_hears_of_it(pair):
    link, _ = pair.link()
    link.close()
    link.session.close()
    pair.client.connection.close()
    pair.pump()
    for side in (pair.client, pair.server):
        for etype in (Event.LINK_REMOTE_CLOSE, Event.SESSION_REMOTE_CLOSE, Event.CONNECTION_REMOTE_CLOSE):
            assert side.count(etype) == 1, etype
        assert side.transport.condition is None


def test_ending_a_session_takes_its_links_along(pair):
    sender, _ = pair.link("s", True)
    receiver, _ = pair.link("r", False)
    other = pair.client.connection.session()
    other.open()
    survivor, _ = pair.link_in(other, "survivor")
    sender.session.close()
    pair.pump()
    assert sender.channel is receiver.channel is None
    sender.free()
    receiver.free()
    pair.pump()
    assert pair.client.count(Event.LINK_FINAL) == 2
    assert survivor.state == OPEN
    assert list(pair.client.connection.links(0)) == [survivor]


def test_properties_capabilities_modes_and_limits_of_a_link(pair):
    def setup(link):
        link.properties = {"p": [1, 2]}
        link.offered_capabilities = ["a", "b"]
        link.desired_capabilities = symbol("c")
        link.max_message_size = 1 << 40
        link.snd_settle_mode = link.SND_SETTLED
        link.rcv_settle_mode = link.RCV_SECOND

    near, far = pair.link("l", True, setup)
    assert far.remote_properties == {"p": [1, 2]}
    assert list(far.remote_offered_capabilities) == ["a", "b"]
    assert "c" in far.remote_desired_capabilities
    assert far.remote_max_message_size == 1 << 40
    assert (far.remote_snd_settle_mode, far.remote_rcv_settle_mode) == (1, 1)
    assert near.remote_max_message_size == 0


# -- negotiation ---------------------------------------------------------------------------------------------


def test_limits_of_the_wire_are_told(pair):
    client, server = pair.client.transport, pair.server.transport
    client.max_frame_size, server.max_frame_size = 512, 4096
    client.channel_max, server.channel_max = 7, 70
    client.idle_timeout, server.idle_timeout = 10, 30.5
    pair.open()
    assert (client.remote_max_frame_size, server.remote_max_frame_size) == (4096, 512)
    assert (client.remote_channel_max, server.remote_channel_max) == (70, 7)
    assert (client.remote_idle_timeout, server.remote_idle_timeout) == (15.25, 5), "half of it is told [2.4.5]"


def test_a_peer_that_names_no_limits_has_the_specification_s():
    peer = Peer(Transport.CLIENT)
    peer.connection.open()
    peer.hello()
    transport = peer.transport
    assert transport.remote_max_frame_size == 0xFFFFFFFF
    assert transport.remote_channel_max == 0xFFFF
    assert transport.remote_idle_timeout == 0


def test_no_frame_of_less_than_512_can_be_asked_for():
    transport = Transport()
    transport.max_frame_size = 100
    assert transport.max_frame_size == 512


def test_zero_asks_for_frames_of_any_size():
    peer = Peer(Transport.SERVER)
    peer.transport.limits = Limits(max_frame_size=0, max_open_size=0)
    peer.connection.open()
    peer.hello(properties={symbol("long"): "x" * 200000})
    assert peer.connection.remote_properties["long"] == "x" * 200000
    assert peer.heard_one("open").max_frame_size in (None, 0xFFFFFFFF)


def test_an_open_that_names_everything():
    peer = Peer(Transport.CLIENT)
    peer.transport.idle_timeout = 3
    peer.connection.hostname = "h"
    peer.connection.open()
    heard = peer.heard_one("open")
    assert heard.container_id == "engine"
    assert heard.hostname == "h"
    assert heard.max_frame_size == 65536
    assert heard.channel_max == 255
    assert heard.idle_time_out == 1500


# -- what the application does at the wrong time or with wrong values ----------------------------------------


def test_bad_values_are_told_at_the_call_and_nothing_is_written():
    pair = Pair()
    pair.open()
    pair.said("client")
    connection = pair.client.connection
    session = connection.session()
    session.properties = {"x": object()}
    with pytest.raises(DataException, match=r"begin\.properties"):
        session.open()
    session.properties = None
    session.open()
    pair.pump()
    pair.said("client")
    for name, value in [
        ("max_message_size", -1),
        ("properties", {"x": 1 << 70}),
        ("snd_settle_mode", 300),
        ("desired_capabilities", [5]),
    ]:
        link = session.sender("l" + name)
        setattr(link, name, value)
        with pytest.raises(DataException, match="(attach.)?%s (cannot be|is)" % name):
            link.open()
        link.free()
    pair.pump()
    assert pair.said("client") == []


def test_a_bad_value_in_an_open():
    pair = Pair()
    pair.client.connection.container = 5
    with pytest.raises(DataException, match=r"open\.container-id"):
        pair.client.connection.open()


@pytest.mark.parametrize("name", [None, 5, b"bytes"])
def test_a_link_s_name_is_a_str(name):
    session = Pair().client.connection.session()
    with pytest.raises(TypeError):
        session.sender(name)
    with pytest.raises(TypeError):
        session.receiver(name)


def test_what_was_closed_does_not_open_again():
    pair = Pair()
    link, _ = pair.link()
    link.close()
    link.session.close()
    pair.pump()
    for endpoint in (link, link.session):
        with pytest.raises(LocalProtocolError, match="closed"):
            endpoint.open()


def test_one_transport_one_connection():
    pair = Pair()
    with pytest.raises(TransportException):
        pair.client.transport.bind(pair.server.connection)
    with pytest.raises(TransportException):
        Transport().bind(pair.client.connection)
    with pytest.raises(TransportException):
        Transport(mode=3)


def test_a_handle_from_a_gap():
    pair = Pair().open()
    session = pair.client.connection.session()
    session.open()
    links = [pair.link_in(session, f"l{number}")[0] for number in range(5)]
    for number in (1, 3):
        links[number].close()
    pair.pump()
    more = [pair.link_in(session, f"m{number}")[0].handle_out for number in range(3)]
    assert sorted(more) == [1, 3, 5]


# -- the end of a wire without a socket -----------------------------------------------------------------------


@pytest.mark.parametrize("first", ["client", "server"])
def test_when_both_have_said_close_the_transports_are_closed(first):
    """As in the original: nobody has to hang up before."""
    pair = Pair()
    pair.link()
    side, other = (pair.client, pair.server) if first == "client" else (pair.server, pair.client)
    side.polite = other.polite = False
    side.connection.close()
    pair.pump()
    assert not side.transport.closed and not other.transport.closed
    other.connection.close()
    pair.pump()
    names = ["pn_connection_remote_close", "pn_transport_tail_closed", "pn_transport_closed"]
    for end in (side, other):
        assert end.transport.closed and end.transport.capacity() == end.transport.pending() == -1
        assert [name for name in end.names() if name in names] == names
        assert end.transport.condition is None
        with pytest.raises(TransportException):
            end.transport.push(b"more")


def test_what_comes_behind_a_close_is_not_looked_at():
    peer = Peer.client()
    peer.say_bytes(frame("close") + b"\0\0\0\1rubbish")
    peer.hang_up()
    assert peer.transport.condition is None and peer.transport.capacity() == -1


def test_the_links_of_a_session_that_no_channel_is_left_for_are_closed_for_its_reason(pair):
    pair.server.transport.channel_max = 0
    pair.open()
    pair.client.connection.session().open()
    session = pair.client.connection.session()
    session.open()
    link = session.receiver("l")
    link.open()
    pair.pump()
    assert pair.client.of(Event.LINK_REMOTE_CLOSE) == [link]
    assert link.remote_condition == session.remote_condition
    assert link.remote_condition.name == "amqp:resource-limit-exceeded"
    types = [event.type for event in pair.client.seen]
    assert types.index(Event.LINK_REMOTE_CLOSE) < types.index(Event.SESSION_REMOTE_CLOSE)


def test_what_the_peer_is_told_of_a_link_is_true_on_its_side(pair):
    sender, receiver = pair.way(True, 5, lambda link: None)
    assert sender.label() == receiver.label() == "link 'forth' (q)"
    receiver.max_message_size = 10
    sender.transmit(b"x" * 11)
    pair.pump()
    text = sender.remote_condition.description
    assert "link 'forth' (q)" in text and "eceiver" not in text
