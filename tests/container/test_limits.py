"""Limits end to end: a container listens, a scripted peer wants more than it gets, an honest client goes on.

What the peer is told, and what the application is; in a simulated world, so that time passes when it has to.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, NamedTuple

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker, EmbeddedBroker
from handlers.broker.__main__ import main
from reactor import Container, Limits, Message, symbol
from reactor.simulation import ScriptedPeer, World, composite
from tests.broker.test_main import COMMAND
from tests.support.frames import AMQP, frame, performative, raw, source, target
from tests.support.processes import CHECKOUT, run
from tests.support.stage import Witness

URL = "amqp://server:5672"
WINDOWS = {"incoming_window": 100, "outgoing_window": 100}
BEGIN = {"next_outgoing_id": 0, **WINDOWS}
LONG = {symbol("x"): "x" * 600}
RESOURCES, FRAMING = "amqp:resource-limit-exceeded", "amqp:connection:framing-error"


@pytest.fixture(autouse=True)
def quiet_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Server(Witness):
    def __init__(self, **options: Any) -> None:
        methods = {name: options.pop(name) for name in list(options) if name.startswith("on_")}
        super().__init__(on_session_error=lambda event: None, on_link_error=lambda event: None, **methods)
        self.options = options
        self.on_start = self._listen

    def _listen(self, event: Any) -> None:
        event.container.listen(URL, **self.options)


class Honest(MessagingHandler):
    """Sends a message now and then, and counts what was accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted = 0

    def on_start(self, event: Any) -> None:
        self.sender = event.container.create_sender(event.container.connect(URL, reconnect=False), "jobs")
        event.container.schedule(0.5, self)

    def on_timer_task(self, event: Any) -> None:
        self.sender.send(Message("x" * 100))
        event.container.schedule(0.5, self)

    def on_accepted(self, event: Any) -> None:
        self.accepted += 1


def because(condition: str) -> Any:
    return composite("error", condition=symbol(condition))


def opened(peer: ScriptedPeer) -> ScriptedPeer:
    return peer.say("open", container_id="peer").expect("open").ignore("flow", "begin", "attach", "detach")


def begun(peer: ScriptedPeer, channel: int = 0, **fields: Any) -> ScriptedPeer:
    return peer.say("begin", channel, **BEGIN, **fields).expect("begin", channel)


def attach(peer: ScriptedPeer, name: str = "link", handle: int = 0, channel: int = 0, **fields: Any) -> ScriptedPeer:
    ends = {"source": composite("source", address="q"), "target": composite("target", address="q")}
    return peer.say(
        "attach", channel, name=name, handle=handle, role=False, initial_delivery_count=0, **ends, **fields
    )


def transfer(peer: ScriptedPeer, number: Any, size: int, handle: int = 0, channel: int = 0) -> ScriptedPeer:
    first = {} if number is None else {"delivery_id": number, "delivery_tag": b"%d" % number}
    return peer.say("transfer", channel, payload=b"x" * size, handle=handle, more=True, **first)


class Case(NamedTuple):
    """limits: of the server. script: what the peer does. frame, condition: what ends, and why. told: whom of the
    application."""

    limits: dict[str, Any]
    script: Callable[[ScriptedPeer], Any]
    frame: str
    condition: str
    told: str


def many_sessions(peer: ScriptedPeer) -> None:
    opened(peer)
    for channel in range(3):
        peer.say("begin", channel, **BEGIN)


def sessions_never_answered(peer: ScriptedPeer) -> None:
    opened(peer)
    peer.say_bytes(b"".join(2000 * [frame("begin", **BEGIN) + frame("end")]))


def many_links(peer: ScriptedPeer) -> None:
    begun(opened(peer))
    for number in range(3):
        attach(begun(peer, number + 1), "link%d" % number, channel=number + 1)


def handle_above(peer: ScriptedPeer) -> None:
    attach(begun(opened(peer)), handle=2)


def long_properties(peer: ScriptedPeer) -> None:
    begun(opened(peer))
    for number in range(4):
        attach(peer, "link%d" % number, number, properties=LONG)


def long_sessions(peer: ScriptedPeer) -> None:
    opened(peer)
    for number in range(4):
        peer.say("begin", number, properties=LONG, **BEGIN)


def message_without_end(peer: ScriptedPeer) -> None:
    peer = attach(begun(opened(peer))).expect("attach").expect("flow")
    for number in (0, None, None):
        transfer(peer, number, 400)


def fragments_without_end(peer: ScriptedPeer) -> None:
    peer = attach(begun(opened(peer))).expect("attach").expect("flow")
    transfer(peer, 0, 1)
    for _ in range(20):
        transfer(peer, None, 1)


def messages_without_end(peer: ScriptedPeer) -> None:
    begun(opened(peer))
    for handle in range(3):
        attach(peer, "link%d" % handle, handle).expect("attach").expect("flow")
        transfer(peer, handle, 400, handle)


def messages_without_end_everywhere(peer: ScriptedPeer) -> None:
    opened(peer)
    for channel in range(3):
        attach(begun(peer, channel), "link%d" % channel, 0, channel).expect("attach").expect("flow")
        transfer(peer, 0, 400, 0, channel)


def no_credit(peer: ScriptedPeer) -> None:
    peer = attach(begun(opened(peer))).expect("attach").expect("flow")
    for number in range(20):
        peer.say(
            "transfer", 0, payload=b"\0Sw\xa1\1x", handle=0, delivery_id=number, delivery_tag=b"%d" % number
        )


def long_frame(peer: ScriptedPeer) -> None:
    opened(peer).say_bytes(raw(bytes(65529)))


CASES = {
    "a long open": Case(
        {"max_open_size": 600},
        lambda peer: peer.say("open", container_id="peer", properties=LONG).expect("open"),
        "close", FRAMING, "on_transport_error",
    ),
    "a long frame": Case({}, long_frame, "close", FRAMING, "on_transport_error"),
    "many sessions": Case({"max_sessions": 2}, many_sessions, "close", FRAMING, "on_transport_error"),
    "sessions that are begun and ended": Case({}, sessions_never_answered, "close", RESOURCES, "on_transport_error"),
    "many links": Case({"max_links": 2}, many_links, "end", RESOURCES, "on_session_error"),
    "a high handle": Case({"max_links": 2}, handle_above, "close", FRAMING, "on_transport_error"),
    "links with long properties": Case(
        {"max_endpoint_bytes": 2000}, long_properties, "end", RESOURCES, "on_session_error"
    ),
    "sessions with long properties": Case(
        {"max_endpoint_bytes": 2000}, long_sessions, "close", RESOURCES, "on_transport_error"
    ),
    "a message without end": Case(
        {"max_buffered_delivery_bytes": 1000},
        message_without_end, "detach", "amqp:link:message-size-exceeded", "on_link_error",
    ),
    "a message without end, byte by byte": Case(
        {"max_buffered_delivery_bytes": 1000},
        fragments_without_end, "detach", "amqp:link:message-size-exceeded", "on_link_error",
    ),
    "messages without end": Case(
        {"max_buffered_session_bytes": 1000, "max_frame_size": 512},
        messages_without_end, "end", RESOURCES, "on_session_error",
    ),
    "messages without end in many sessions": Case(
        {"max_buffered_connection_bytes": 1000},
        messages_without_end_everywhere, "close", RESOURCES, "on_transport_error",
    ),
    "messages without credit": Case(
        {}, no_credit, "detach", "amqp:link:transfer-limit-exceeded", "on_link_error"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_wants_more_is_told_so_the_application_too_and_the_others_go_on(case: Case):
    with World(1, latency=0.001, bandwidth=float("inf"), pieces=0) as world:
        server = world.start(Server, limits=Limits(**case.limits), name="server").handler
        honest = world.start(Honest).handler
        world.run_until(lambda: honest.accepted == 2)
        peer = world.peer("server:5672", connect=True)
        case.script(peer)
        peer.ignore(*{"detach", "disposition", "end"} - {case.frame})
        peer.expect(case.frame, error=because(case.condition))
        if case.frame == "detach":
            peer.answer("detach", handle=0, closed=True)
        elif case.frame == "end":
            peer.answer("end")
        world.run_until(lambda: peer.done and server.count(case.told))
        event = server.last(case.told)
        endpoint = {"close": event.transport, "end": event.session, "detach": event.link}[case.frame]
        condition = endpoint.condition if case.frame == "close" else endpoint.remote_condition
        assert condition.name == case.condition
        assert sum(server.count("on_%s_error" % kind) for kind in ("transport", "connection", "session", "link")) == 1
        so_far = honest.accepted
        world.run_until(lambda: honest.accepted == so_far + 3)


# -- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begins", ["silent", "header", "sasl", "tls"])
def test_a_peer_that_does_not_open_is_let_go_in_time(begins):
    with World(2, latency=0.001) as world:
        server = world.start(Server, open_timeout=5, name="server").handler
        honest = world.start(Honest).handler
        world.run_until(lambda: honest.accepted == 1)
        peer = world.peer("server:5672", connect=True)
        peer.automatic = False
        if begins == "header":
            peer.say("header", layer="AMQP").expect("header", layer="AMQP").expect("open")
            peer.expect("close", error=because(RESOURCES))
        elif begins == "sasl":
            peer.say("header", layer="SASL").expect("header", layer="SASL").expect("sasl-mechanisms")
        elif begins == "tls":
            peer.say_bytes(b"\x16").pause(1)
        started = world.now
        peer.expect_end()
        world.run_until(lambda: peer.done, 30)
        assert 4.9 < world.now - started < 5.2
        condition = server.last("on_transport_error").transport.condition
        assert condition.name == RESOURCES
        assert "within 5 s" in condition.description
        so_far = honest.accepted
        world.run_until(lambda: honest.accepted == so_far + 3)


def test_thirty_seconds_are_enough_where_nobody_says_otherwise():
    with World(2, latency=0.001) as world:
        world.start(Server, name="server")
        peer = world.peer("server:5672", connect=True).pause(29).say("open", container_id="late").expect("open")
        other = world.peer("server:5672", connect=True).expect("open").expect("close", error=because(RESOURCES))
        started = world.now
        world.run_until(lambda: other.done)
        assert peer.done
        assert 30 <= world.now - started < 30.2


def send_all(event: Any) -> None:
    """Send as much as there is credit for."""
    while event.sender.credit > 0:
        event.sender.send(Message(b"x" * 1000))


def test_a_peer_that_reads_nothing_is_given_up_in_time_and_little_is_kept_for_it():
    window = {"incoming_window": 2**31 - 1, "outgoing_window": 9, "next_outgoing_id": 0}
    said = AMQP + frame("open", container_id="glutton") + frame("begin", **window)
    said += raw(performative("attach", handle=0, role=True, source=source("q"), target=target("q"), name="l"))
    said += frame("flow", next_incoming_id=0, handle=0, delivery_count=0, link_credit=2**32 - 1, **window)
    with World(3, latency=0.001, capacity=65536) as world:
        server = world.start(Server, on_sendable=send_all, write_timeout=7, name="server").handler
        honest = world.start(Honest).handler
        world.run_until(lambda: honest.accepted == 1)
        wire = world.network.node("glutton", "glutton").connect("server", 5672)
        world.run_until(wire.connected)
        assert wire.write(said) == len(said)
        world.run_until(lambda: server.count("on_sendable") > 0)
        started = world.now
        sender = server.last("on_sendable").sender
        transport = server.last("on_sendable").transport
        world.run_until(lambda: honest.accepted == 5)
        assert sender.queued <= 2048 and len(transport.output) < 300_000
        world.run_until(lambda: server.count("on_transport_error") == 1)
        assert world.now - started < 7.5
        assert transport.condition.name == "amqp-reactor:timed-out"
        assert "has read nothing for 7 s" in transport.condition.description
        world.run_until(lambda: server.count("on_disconnected") == 1, 1)
        so_far = honest.accepted
        world.run_until(lambda: honest.accepted == so_far + 3)


class Uploading(Witness):
    def __init__(self) -> None:
        super().__init__(on_sendable=lambda event: event.sender.send(Message(b"x" * 100_000)))
        self.on_start = self._connect

    def _connect(self, event: Any) -> None:
        event.container.create_sender(event.container.connect(URL, reconnect=False, write_timeout=3), "q")


def test_a_client_gives_up_a_server_that_reads_nothing():
    with World(4, latency=0.001, capacity=65536) as world:
        server = world.start(Server, name="server")
        client = world.start(Uploading).handler
        world.run_until(lambda: client.count("on_accepted") > 3)
        server.stop_reading()
        started = world.now
        world.run_until(lambda: client.count("on_disconnected") == 1)
        assert 3 <= world.now - started < 4
        assert client.last("on_transport_error").transport.condition.name == "amqp-reactor:timed-out"
        assert client.count("on_in_doubt") > 0


def test_a_server_that_is_slow_to_read_is_not_given_up():
    with World(4, latency=0.001, capacity=65536) as world:
        server = world.start(Server, name="server")
        client = world.start(Uploading).handler
        world.run_until(lambda: client.count("on_accepted") > 3)
        for _ in range(5):
            server.stop_reading()
            world.run_for(2)
            server.start_reading()
            world.run_for(0.5)
        so_far = client.count("on_accepted")
        world.run_until(lambda: client.count("on_accepted") > so_far)
        assert client.count("on_transport_error") == 0


# -- options ---------------------------------------------------------------------------------------------


def test_a_client_bounds_its_server_too():
    with World(5, latency=0.001) as world:
        peer = world.peer("peer:5672").expect("open", max_frame_size=1024, channel_max=4)
        peer.answer("open", container_id="peer").begin().expect("attach")
        attach(peer).expect("flow")
        peer.say("transfer", payload=b"x" * 400, handle=0, delivery_id=0, delivery_tag=b"0", more=True)
        peer.say("transfer", payload=b"x" * 700, handle=0, more=True)
        peer.expect("detach", error=because("amqp:link:message-size-exceeded"))
        peer.answer("detach", handle=0, closed=True)
        limits = Limits(max_sessions=5, max_frame_size=1024, max_buffered_delivery_bytes=1000)
        client = Witness(on_link_error=lambda event: None)
        container = world.container(client)
        container.create_receiver(container.connect("peer:5672", limits=limits), "q", name="link")
        world.run_until(lambda: client.count("on_link_error"))
        assert client.last("on_link_error").link.remote_condition.name == "amqp:link:message-size-exceeded"


def test_the_call_goes_before_the_container():
    with World(6, latency=0.001) as world:
        container = world.container(MessagingHandler())
        container.limits = Limits(max_sessions=10, max_frame_size=2048)
        for number, (options, channels, size) in enumerate([
            ({}, 9, 2048),
            ({"limits": Limits(max_sessions=3)}, 2, 65536),
            ({"max_frame_size": 4096}, 9, 4096),
            ({"max_frame_size": 0}, 9, None),
        ]):  # fmt: skip
            peer = world.peer("peer%d:5672" % number).expect("open")
            container.connect(peer.address, reconnect=False, **options)
            world.run_until(lambda peer=peer: peer.done)
            assert (peer.seen.channel_max, peer.seen.max_frame_size) == (channels, size)


@pytest.mark.parametrize("name", ["open_timeout", "write_timeout"])
@pytest.mark.parametrize("call", ["connect", "listen"])
def test_what_is_no_time_is_refused_at_the_call(name, call):
    for wrong in (-1, "5", True):
        with pytest.raises(ValueError, match=name):
            getattr(Container(), call)("amqp://127.0.0.1:0", **{name: wrong})


@pytest.mark.parametrize("call", ["connect", "listen"])
def test_what_are_no_limits_is_refused_at_the_call(call):
    with pytest.raises(TypeError, match="limits"):
        getattr(Container(), call)("amqp://127.0.0.1:0", limits={"max_links": 1})


def test_options_of_the_broker():
    with pytest.raises(ValueError, match=r"max_message_size is 1000.*max_buffered_delivery_bytes allows 999"):
        Broker("amqp://127.0.0.1:0", max_message_size=1000, limits=Limits(max_buffered_delivery_bytes=999))
    with World(7, latency=0.001) as world:
        world.start(Broker, URL, limits=Limits(max_links=3), open_timeout=2, name="server")
        late = world.peer("server:5672", connect=True).pause(1)
        begun(opened(late)).then(lambda: None)
        mute = world.peer("server:5672", connect=True).expect("open").expect("close", error=because(RESOURCES))
        started = world.now
        world.run_until(lambda: late.done and mute.done)
        assert late.seen.handle_max == 2
        assert world.now - started < 2.2


def test_an_embedded_broker_takes_them():
    with EmbeddedBroker(limits=Limits(max_links=1), open_timeout=1.0, write_timeout=2.0) as broker:
        (acceptor,) = broker._broker.acceptors
        assert (acceptor.limits.max_links, acceptor.open_timeout, acceptor.write_timeout) == (1, 1.0, 2.0)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--limit", "max_lnks=1"], "no limit 'max_lnks'; there are max_frame_size, "),
        (["--limit", "max_links"], "not a size: ''"),
        (["--limit", "max_links=0"], "max_links is a number from 1 to 4294967295, not 0"),
        (["--limit", "max_buffered_delivery_bytes=1M"], "max_message_size is 104857600"),
        (["--open-timeout", "soon"], "invalid float value: 'soon'"),
    ],
)
def test_what_the_program_refuses(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_the_program_says_what_it_takes():
    assert "--limit NAME=NUMBER" in run([*COMMAND, "--help"], CHECKOUT)[1]


#: Each limit: its default, the least and the most that it can be (None for no bound), and whether 0 is for no limit.
EDGES = {
    "max_frame_size": (65_536, 512, 0xFFFFFFFF, True),
    "max_open_size": (16_384, 512, 0xFFFFFFFF, True),
    "max_sasl_size": (131_072, 512, 0xFFFFFFFF, True),
    "max_sasl_rounds": (16, 1, 0xFFFFFFFF, False),
    "max_sessions": (256, 1, 65_536, False),
    "max_links": (4_096, 1, 0xFFFFFFFF, False),
    "max_endpoint_bytes": (2_097_152, 512, None, True),
    "max_unsettled": (65_536, 1, 0xFFFFFFFF, False),
    "max_buffered_delivery_bytes": (104_857_600, 1, None, True),
    "max_buffered_session_bytes": (134_217_728, 1, None, True),
    "max_buffered_connection_bytes": (268_435_456, 1, None, True),
}


def test_all_limits_have_their_edges_here():
    assert set(EDGES) == set(Limits.__slots__)


@pytest.mark.parametrize("name", EDGES)
def test_a_limit_has_its_default_and_its_edges(name):
    default, least, most, zero = EDGES[name]
    assert getattr(Limits(), name) == default
    for value in [least, *([most] if most else [1 << 70]), *([0] if zero else [])]:
        assert getattr(Limits(**{name: value}), name) == value
    beyond = [least - 1] if least > 1 or not zero else []
    for value in [*beyond, *([most + 1] if most else []), -1, True, False, 600.0, "9"]:
        with pytest.raises(ValueError, match=f"^{name} is a number from {least} "):
            Limits(**{name: value})
