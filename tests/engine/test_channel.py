"""A session on one wire: when the driver is woken for it, what is looked up once for many links, and how it leaves."""

from __future__ import annotations

import gc
import weakref

import pytest

from reactor import Limits
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import LOST
from reactor.engine.events import Event
from reactor.engine.wire.transport import Transport
from tests.support.frames import Peer, error, frame, performative, raw


def types(peer):
    return [event.type for event in peer.events()]


def notices(peer):
    """How often the driver is told that there is something to write."""
    return types(peer).count(Event.TRANSPORT)


def test_the_driver_is_woken_once_until_it_has_come():
    peer = Peer.client()
    receiver = peer.receiver()
    for _ in range(3):
        receiver.flow(1)
        peer.flush()
    assert notices(peer) == 1


def test_the_driver_is_woken_behind_other_events():
    peer = Peer.client()
    receiver = peer.receiver(credit=1)
    peer.transfer(b"x")
    peer.transport.pending()
    for _ in range(3):
        receiver.flow(1)
        peer.flush()
    told = types(peer)
    assert [kind for kind in told if kind in (Event.DELIVERY, Event.TRANSPORT)] == [Event.DELIVERY, Event.TRANSPORT]


def test_a_session_whose_window_is_shut_wakes_the_driver_for_other_things():
    """Messages wait in it, and the application has asked for more credit than may be unsettled."""
    peer = Peer(Transport.CLIENT)
    peer.transport.limits = Limits(max_unsettled=5)
    peer.connection.open()
    peer.connection.session().open()
    peer.flush()
    peer.hello().begin(remote_channel=0)
    receiver = peer.receiver("in", handle=1)
    sender = peer.sender("out")
    peer.flow(10, incoming_window=2)
    assert sender.credit == 5
    for _ in range(3):
        sender.transmit(b"x")
    peer.flush()
    assert [one.name for one in peer.heard()] == ["transfer", "transfer"]
    peer.events()
    receiver.flow(1)
    assert notices(peer) == 1
    assert peer.heard_one("flow").link_credit == 1


@pytest.mark.parametrize("settled", [False, True])
def test_what_comes_between_the_end_of_a_link_and_of_its_session_is_lost_with_that(settled):
    """All in one turn: the deliveries of links that go are looked up once for all."""
    peer = Peer.client()
    first = peer.receiver("first", credit=5)
    second = peer.receiver("second", credit=5, handle=1)
    peer.transfer(b"1", 1)
    peer.transfer(b"2", 2, handle=1)
    first.close()
    peer.flush()
    late = {"handle": 1, "delivery_id": 3, "delivery_tag": b"3", "message_format": 0, "settled": settled}
    peer.say_bytes(
        frame("detach", handle=0, closed=True) + raw(performative("transfer", **late) + b"3") + frame("end")
    )
    assert [delivery.fate == LOST for delivery in second.incoming] == [True, not settled]
    assert first.unsettled == second.unsettled == 0


def test_a_session_that_is_kept_for_later_answers_in_one_frame():
    peer = Peer.client()
    peer.connection.lasting = True
    session = peer.session
    peer.say("end", error=error("amqp:internal-error"))
    before = peer.transport.frames_output
    session.hold()
    assert [one.name for one in peer.heard()] == ["end"]
    assert peer.transport.frames_output - before == 1


def test_a_session_that_no_channel_is_left_for_is_there_until_it_is_closed():
    peer = Peer.client(open={"channel_max": 0})
    session = peer.connection.session()
    session.open()
    peer.flush()
    assert session.remote_condition.name == "amqp:resource-limit-exceeded"
    assert session in list(peer.connection.sessions(0)) and Event.SESSION_FINAL not in types(peer)
    session.close()
    peer.flush()
    assert session not in list(peer.connection.sessions(0)) and Event.SESSION_FINAL not in types(peer)
    session.free()
    assert types(peer)[-1] is Event.SESSION_FINAL
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


def test_a_session_that_waits_for_its_channel_is_begun_and_ended_though_it_was_closed():
    """Few begin before the peer's open, which has the number of its channels."""
    peer = Peer(Transport.CLIENT)
    peer.connection.open()
    sessions = [peer.connection.session() for _ in range(6)]
    for session in sessions:
        session.open()
        session.condition = Condition("x:y", "why")
        session.close()
    peer.flush()
    assert list(peer.connection.sessions(0)) == sessions
    assert Event.SESSION_FINAL not in types(peer)
    before = [one.name for one in peer.heard()].count("begin")
    peer.hello()
    assert before < 6 and before + [one.name for one in peer.heard()].count("begin") == 6


# -- links that go on without their handshake ----------------------------------------------------------------


@pytest.mark.parametrize("whose", ["ours", "the peer's"])
def test_a_link_that_is_kept_for_later_leaves_its_end_on_the_wire_closed(whose):
    """Its handles and its name are free again when both have detached, and no frame about that reaches the link."""
    peer = Peer.client()
    peer.connection.lasting = True
    kept = peer.receiver("link", credit=3)
    other = peer.receiver("other", credit=1, handle=1)
    session = peer.session
    if whose == "the peer's":
        peer.say("detach", handle=0, closed=True, error=error("amqp:internal-error"))
        peer.events()
    session.hold_link(kept)
    detach = peer.heard_one("detach")
    assert (detach.handle, detach.closed) == (0, True)
    if whose == "ours":
        peer.say("detach", handle=0, closed=True)
    assert kept not in [event.context for event in peer.events()] and peer.heard() == []
    assert peer.transport.condition is None and list(session.links()) == [kept, other]
    session.adopt(kept)
    attach, *_ = peer.heard()
    assert (attach.name, attach.fields["name"], attach.handle) == ("attach", "link", 0)
    peer.attach("link", role=False)
    assert (peer.heard_one("flow").link_credit, kept.credit) == (3, 3)
    peer.say("detach", handle=0, closed=True)
    assert types(peer).count(Event.LINK_REMOTE_CLOSE) == 1
