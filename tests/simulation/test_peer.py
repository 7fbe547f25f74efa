"""A scripted peer: it says what the script says, and shows expected beside seen when the other one does otherwise."""

from __future__ import annotations

import logging

import pytest

from handlers import MessagingHandler
from reactor import Message
from reactor.simulation import NeverHappens, ScriptFailed, World, composite

URL = "amqp://peer:5672"


@pytest.fixture(autouse=True)
def quiet_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Client(MessagingHandler):
    def __init__(self, sends=1, receives=False):
        super().__init__()
        self.sends = sends
        self.receives = receives
        self.told = []
        self.bodies = []

    def on_start(self, event):
        self.connection = event.container.connect(URL, reconnect=False)
        make = event.container.create_receiver if self.receives else event.container.create_sender
        self.link = make(self.connection, "jobs", name="link")

    def on_sendable(self, event):
        while self.sends and event.sender.credit:
            event.sender.send(Message("hello"))
            self.sends -= 1

    def on_message(self, event):
        self.bodies.append(event.message.body)

    def on_accepted(self, event):
        self.told.append("accepted")

    def on_link_error(self, event):
        self.told.append(event.link.remote_condition.name)
        event.connection.close()

    def on_transport_error(self, event):
        self.told.append(event.transport.condition.description)

    def on_disconnected(self, event):
        self.told.append("disconnected")
        if len(self.told) < 3:
            self.on_start(event)


@pytest.fixture
def world():
    return World(1)


def test_a_whole_conversation(world):
    peer = world.peer("peer:5672")
    peer.open(container_id="me").begin().attach(credit=1)
    peer.expect("transfer", handle=0, settled=False, payload=lambda payload: b"hello" in payload)
    peer.answer("disposition", role=True, first=0, settled=True, state=composite("accepted"))
    peer.close()
    client = world.start(Client)
    world.run_until(lambda: client.handler.told == ["accepted"])
    assert client.handler.connection.remote_container == "me"
    client.handler.connection.close()
    world.run_until()
    assert peer.done and not client.running
    assert [frame.performative for frame in peer.heard][-2:] == ["transfer", "close"]


def test_a_peer_that_sends(world):
    peer = world.peer("peer:5672").open().begin().attach(max_message_size=None)
    peer.expect("flow", link_credit=10)
    message = Message("from the peer").encode()
    peer.say("transfer", handle=0, delivery_id=0, delivery_tag=b"a", message_format=0, payload=message)
    peer.expect("disposition", first=0, settled=True, state=composite("accepted"))
    client = world.start(Client, receives=True)
    world.run_until(lambda: peer.done)
    assert client.handler.bodies == ["from the peer"]


def test_a_peer_that_refuses(world):
    peer = world.peer("peer:5672").open().begin()
    peer.expect("attach", role=False, target=composite("target", address="jobs"))
    peer.answer("attach", name=lambda seen: seen.name, handle=0, role=True)
    peer.say("detach", handle=0, closed=True, error=composite("error", condition="amqp:not-found"))
    peer.ignore("detach").close()
    client = world.start(Client)
    world.run_until(lambda: client.handler.told)
    assert client.handler.told == ["amqp:not-found"]
    world.run_until(lambda: peer.done)


def test_what_is_seen_is_shown_beside_what_was_expected(world, capsys):
    peer = world.peer("peer:5672").open().begin()
    peer.expect("attach", name="other", role=True, source=composite("source", address="jobs"))
    world.start(Client)
    with pytest.raises(ScriptFailed) as caught:
        world.run_until(lambda: peer.done)
    first, expected, seen, *rest = str(caught.value).splitlines()
    assert first.startswith("<peer at peer:5672, step 5 of 5: @attach [")
    assert "test_peer.py:" in first
    assert expected == '  expected: @attach [name="other", role=true, source=@source [address="jobs"]]'
    assert seen.startswith('  seen:     @attach(18) [name="link", handle=0, role=false, ')
    assert rest[:3] == [
        '  name: expected "other", seen "link"',
        "  role: expected true, seen false",
        '  source.address: expected "jobs", seen null',
    ]
    assert rest[3] == "frames sent (->) and received (<-) before:"
    assert "  -> @begin(17) [remote-channel=0, " in str(caught.value)
    assert "to run it again" in capsys.readouterr().err


def test_another_frame_than_the_expected_one(world):
    peer = world.peer("peer:5672").open().expect("attach")
    world.start(Client)
    with pytest.raises(ScriptFailed, match="a frame of attach is expected, begin is seen"):
        world.run_until(lambda: peer.done)


@pytest.mark.parametrize(
    "options, line",
    [
        ({"channel": 5}, "channel: expected 5, seen 0"),
        ({"payload": b"x"}, 'payload: expected "x", seen "'),
        ({"payload": str}, "payload: expected str, seen"),
    ],
)
def test_channel_and_payload_are_compared_too(world, options, line):
    if options.get("payload") is str:
        options = {"payload": lambda payload: False}
        line = "payload: expected <lambda>, seen"
    peer = world.peer("peer:5672").open().begin().attach(credit=1).expect("transfer", **options)
    world.start(Client)
    with pytest.raises(ScriptFailed) as caught:
        world.run_until(lambda: peer.done)
    assert line in str(caught.value)


def test_a_wire_that_ends_instead(world):
    peer = world.peer("peer:5672").open().begin().expect("attach").expect("end")
    client = world.start(Client)
    world.run_until(lambda: client.handler.connection.state & client.handler.connection.REMOTE_ACTIVE)
    world.settle()
    client.crash()
    with pytest.raises(ScriptFailed, match=r"seen:     the (end of the wire|wire is lost)"):
        world.run_until(lambda: peer.done)


def test_the_end_can_be_expected(world):
    peer = world.peer("peer:5672").open().ignore("begin", "attach").expect_end()
    client = world.start(Client)
    world.settle()
    assert not peer.done
    client.crash()
    world.run_until(lambda: peer.done)
    other = world.peer("other:5672").open().expect_end()
    world.start(Client(), name="again")
    with pytest.raises(NeverHappens):
        world.run_until(lambda: other.done, limit=1)


def test_a_frame_instead_of_the_end(world):
    peer = world.peer("peer:5672").open().expect_end()
    world.start(Client)
    with pytest.raises(ScriptFailed, match="expected: the end of the wire"):
        world.run_until(lambda: peer.done)


@pytest.mark.parametrize("leave", ["hang_up", "cut", "connection"])
def test_several_connections_after_each_other(world, leave):
    peer = world.peer("peer:5672").open()
    getattr(peer, leave)()
    peer.open().begin().attach()
    client = world.start(Client)
    world.run_until(lambda: peer.done)
    assert client.handler.told[-1] == "disconnected"
    assert len([frame for frame in peer.heard if frame.performative == "open"]) == 2


def test_a_peer_that_finishes_and_goes_on_listening(world):
    peer = world.peer("peer:5672").open().finish().ignore("begin", "attach").expect_end()
    client = world.start(Client, sends=0)
    world.run_until(lambda: client.handler.told)
    assert "hung up" in client.handler.told[0]
    world.run_until(lambda: peer.done)


def test_bytes_that_are_no_frame(world):
    peer = world.peer("peer:5672").open().say_bytes(b"\x00\x00\x00\x03\x02\x00\x00\x00")
    peer.ignore("begin", "attach").expect("close", error=composite("error", condition="amqp:connection:framing-error"))
    world.start(Client)
    world.run_until(lambda: peer.done)


def test_pauses_and_actions(world):
    times = []
    peer = world.peer("peer:5672").expect("open").pause(5.0).then(lambda: times.append(world.now))
    peer.say("open", container_id="slow")
    client = world.start(Client)
    world.run_until(lambda: client.handler.connection.remote_container == "slow")
    assert 5.0 <= times[0] <= world.now < 8.0


def test_a_peer_that_connects(world):
    class Server(MessagingHandler):
        def on_start(self, event):
            event.container.listen("amqp://server:5672")

    world.start(Server)
    peer = world.peer("server:5672", connect=True)
    peer.say("open", container_id="peer", hostname="server").expect("open").say("close").expect("close")
    world.run_until(lambda: peer.done)


def test_a_peer_that_cannot_connect(world):
    peer = world.peer("server:5672", connect=True).expect("open")
    with pytest.raises(ScriptFailed, match="seen:     cannot connect to server:5672: Connection refused"):
        world.run_until(lambda: peer.done)


def test_nothing_by_itself(world):
    peer = world.peer("peer:5672")
    peer.automatic = False
    peer.expect("header", layer="SASL").say("header", layer="SASL")
    peer.say("sasl-mechanisms", sasl_server_mechanisms=["ANONYMOUS"])
    peer.expect("sasl-init", mechanism="ANONYMOUS", hostname="peer").answer("sasl-outcome", code=1)
    client = world.start(Client)
    world.run_until(lambda: client.handler.told)
    assert peer.done and "auth" in client.handler.told[0].lower()


def test_heartbeats_are_passed_over_and_can_be_expected_and_said(world):
    peer = world.peer("peer:5672").open(idle_time_out=2000).begin().attach().say("empty").expect("empty")
    peer.pause(10.0).ignore("flow").close()
    client = world.start(Client)
    world.run_until(lambda: len(peer.heard) > 10)
    client.handler.connection.close()
    world.run_until(lambda: peer.done)


def test_a_script_can_be_continued(world):
    peer = world.peer("peer:5672").open()
    world.start(Client)
    world.run_until(lambda: peer.done)
    assert repr(peer) == "<peer at peer:5672, the script is over>"
    peer.begin()
    assert not peer.done
    world.run_until(lambda: peer.done)
    assert peer.seen.performative == "begin"


def test_what_the_script_waits_for_is_told_when_it_never_comes(world):
    peer = world.peer("peer:5672").expect("open").expect("begin").expect("end")
    world.start(Client, sends=0)
    with pytest.raises((NeverHappens, ScriptFailed)) as caught:
        world.run_until(lambda: peer.done, limit=10)
    assert "@end" in str(caught.value) or "@begin" in str(caught.value)


@pytest.mark.parametrize("write", ["expect", "say"])
def test_names_are_checked_when_the_script_is_written(world, write):
    with pytest.raises(TypeError, match="did you mean 'container_id'"):
        getattr(world.peer("peer:5672"), write)("open", container="x")


def test_who_comes_while_another_one_is_there_has_to_wait(world):
    peer = world.peer("peer:5672").open()
    first = world.start(Client, name="first")
    world.run_until(lambda: peer.done)
    second = world.start(Client, name="second")
    world.run_for(10.0)
    assert second.handler.told == []
    peer.connection().open(container_id="again")
    world.run_until(lambda: peer.done)
    world.settle()
    assert second.handler.connection.remote_container == "again" or first.handler.told


def test_a_peer_says_much_to_somebody_who_reads_little():
    small = World(1, capacity=1000, latency=0.001, pieces=0)
    payload = Message("x" * 5000).encode()
    peer = small.peer("peer:5672").open().begin().attach().expect("flow")
    for number in range(5):
        peer.say("transfer", handle=0, delivery_id=number, delivery_tag=b"t", message_format=0, payload=payload)
    peer.hang_up()
    client = small.start(Client, receives=True)
    client.stop_reading()
    small.run_for(1.0)
    small.run_until(lambda: peer.done)
    assert len(client.handler.bodies) >= 4


def test_a_wire_that_is_lost_while_the_peer_speaks(world):
    peer = world.peer("peer:5672").open().ignore("begin", "attach").pause(5.0).say("close").expect_end()
    world.start(Client, sends=0)
    world.run_for(3.0)
    world.cut("peer")
    world.run_until(lambda: peer.done)
