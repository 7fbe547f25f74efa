"""What all clients together may make a broker keep, whatever they send; and who is let in to what."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker, EmbeddedBroker
from handlers.broker.__main__ import main
from handlers.broker.bounds import Bounds
from reactor import ACCEPTED, Container, Limits, Message
from tests.support.brokers import BrokerWorld, Capability


@pytest.fixture
def world():
    return BrokerWorld()


# -- bytes


@pytest.mark.parametrize("attributes", [
    {}, {"durable": True, "priority": 9}, {"annotations": {f"x-opt-{n}": n for n in range(50)}},
    {"properties": {f"k{n}": "v" * 10 for n in range(50)}},
], ids=["bare", "header", "annotations", "properties"])  # fmt: skip
def test_a_queue_counts_what_it_takes(world, attributes):
    client = world.client()
    sender = client.sender("jobs")
    payloads = [bytes(Message("x", ttl=1000 + n, **attributes).encode()) for n in range(250)]
    for payload in payloads[:100]:
        sender.transmit(payload)
    world.quiet()
    client.outcomes.clear()
    before = world.node("jobs").bytes
    tracemalloc = pytest.importorskip("tracemalloc")  # not on PyPy
    tracemalloc.start()
    try:
        for start in range(100, 250, 50):
            for payload in payloads[start : start + 50]:
                sender.transmit(payload)
            world.quiet()
            client.outcomes.clear()
            client.conditions.clear()
        taken = sum(trace.size for trace in tracemalloc.take_snapshot().traces)
    finally:
        tracemalloc.stop()
    assert world.node("jobs").depth == 250
    counted = world.node("jobs").bytes - before
    assert taken < 1.5 * counted, (taken, counted)


def test_queues_share_a_pool():
    world = BrokerWorld(max_total_bytes=10_000)
    client = world.client()
    first = client.sender("one")
    while client.container.process() and first.credit > 0 and world.broker.pool.bytes < 10_000:
        first.send(Message("x" * 1000))
        world.quiet()
    assert world.broker.pool.full and world.broker.overview().bytes == world.broker.pool.bytes
    late = client.sender("two")
    assert late.credit == 0, "another queue, and no room"
    late.send(Message("y"))
    receiver = client.receiver("one", 2)
    for received in client.take(receiver):
        received.settle()
    world.quiet()
    assert late.credit <= 0 and world.node("two").depth == 0, "not half of it is free"
    receiver.flow(6)
    world.quiet()
    for received in client.take(receiver):
        received.settle()
    world.quiet()
    assert world.node("two").depth == 1


def test_what_a_deleted_queue_held_is_room_again():
    world = BrokerWorld()
    client, other = world.client(), world.client()
    replies = client.receiver(None, 3, dynamic=True)
    sender = other.sender(replies.remote_source.address)
    for _ in range(5):
        sender.send(Message("x" * 100))
    subscriber = client.receiver("news", 1, options=Capability("topic"), name="news")
    other.send("news", "a", "b")
    world.quiet()
    assert world.broker.pool.bytes > 0 and subscriber.credit == 0
    client.vanish()
    assert world.broker.pool.bytes == 0 == world.broker.overview().bytes


def test_who_leaves_while_he_waits_for_room_is_forgotten():
    world = BrokerWorld(max_total_bytes=3000)
    client, other = world.client(), world.client()
    client.send("full", "x" * 4000)
    other.receiver("news", options=Capability("topic"))
    late = client.sender("news")
    assert late.credit == 0 and len(world.broker.pool.blocked) == 1
    other.vanish()  # and with it the subscription for which the sender had to wait
    client.vanish()
    assert world.broker.pool.full and not world.broker.pool.blocked


def test_messages_that_come_in_part_are_bounded_over_all_connections():
    world = BrokerWorld(max_partial_bytes=1_000_000)
    clients = [world.client() for _ in range(4)]
    begun = b"\x00\x53\x75\xb0" + (400_000).to_bytes(4, "big") + bytes(300_000)
    for number, client in enumerate(clients):
        sender = client.sender(f"q{number}")
        sender.delivery("tag")
        sender.stream(begun)
        world.quiet()
    assert [client.errors for client in clients] == [[], [], [], ["amqp:resource-limit-exceeded"]]
    assert sum(c.transport.buffered for c in world.broker.connections()) < 1_000_000
    clients[0].vanish()
    again = clients[3].sender("again")
    again.delivery("tag")
    again.stream(begun)
    world.quiet()
    assert len(clients[3].errors) == 1, "there is room again"
    again.stream(bytes(100_000))
    again.advance()
    world.quiet()
    assert world.node("again").depth == 1
    for client in clients[1:]:
        client.vanish()
    assert world.broker.bounds.partial == 0


# -- numbers


def test_there_are_so_many_connections():
    world = BrokerWorld(max_connections=2)
    one, two = world.client(), world.client()
    three = world.client()
    assert three.errors == ["amqp:resource-limit-exceeded"] and one.errors == two.errors == []
    one.connection.close()
    world.quiet()
    four = world.client()
    four.send("jobs", "a")
    assert four.errors == [] and four.outcomes == [ACCEPTED]


def test_those_who_come_at_once_share_the_places_that_are_left():
    world = BrokerWorld(max_connections=3)
    first = world.client()
    world.quiet, quiet = (lambda: None), world.quiet
    crowd = [world.client() for _ in range(4)]
    world.quiet = quiet
    world.quiet()
    assert first.errors == [] and world.broker.overview().connections == 3
    assert sorted(client.errors for client in crowd) == [[], [], *2 * [["amqp:resource-limit-exceeded"]]]


def test_there_are_so_many_nodes_and_those_without_use_make_room():
    world = BrokerWorld(max_nodes=3, queues=["declared"])
    client = world.client()
    client.send("full", "a")
    used = client.sender("used")
    assert client.errors == []
    client.sender("more")
    assert client.errors == ["amqp:resource-limit-exceeded"]
    used.close()
    for number in range(200):
        client.errors.clear()
        client.sender("more", name=f"again-{number}")
        if not client.errors:
            break
    assert number <= 101 and sorted(world.broker.names()) == ["declared", "full", "more"]


def test_one_connection_has_so_many_nodes_made():
    world = BrokerWorld(max_nodes_per_connection=3, queues=["declared", "other"])
    client, other = world.client(), world.client()
    client.send("declared", "there before")
    client.send("full", "a")
    client.send(None, "b", address="relayed")
    used = client.receiver(None, dynamic=True)
    assert client.errors == [] and client.outcomes == [ACCEPTED] * 3
    client.sender("more")
    client.receiver(None, name="again", dynamic=True)
    assert client.errors == ["amqp:resource-limit-exceeded"] * 2
    client.send(None, "c", address="relayed too")
    assert client.conditions[3].name == "amqp:resource-limit-exceeded"
    text = "no node 'relayed too': this connection has had 3 made, and all are in use"
    assert client.conditions[3].description == text
    client.send("full", "what is there is not made")
    other.send("more", "another connection")
    used.close()
    world.quiet()
    client.sender("at last", name="at last")
    assert client.errors == ["amqp:resource-limit-exceeded"] * 2 and client.outcomes[4] == ACCEPTED
    assert sorted(world.broker.names()) == ["at last", "declared", "full", "more", "other", "relayed"]
    client.vanish()
    again = world.client()
    again.send("one", "x")
    assert again.errors == []


def test_a_connection_at_its_bound_has_unused_nodes_forgotten_now_and_then(monkeypatch):
    world = BrokerWorld(max_nodes_per_connection=2)
    directory = world.broker.directory
    tidied = []
    tidy = directory._tidy
    monkeypatch.setattr(directory, "_tidy", lambda: (tidied.append(1), tidy()))
    client = world.client()
    for number in range(10):
        client.sender(f"unused-{number}").close()
        world.quiet()
    assert client.errors == [] and len(world.broker.names()) <= 2
    client.send("full", "a")
    client.send("full too", "a")
    tidied.clear()
    for number in range(150):
        client.sender("more", name=f"more-{number}")
    assert client.errors == ["amqp:resource-limit-exceeded"] * 150 and len(tidied) == 2


def test_the_options_of_the_program():
    with pytest.raises(SystemExit):
        main(["--max-connections", "many"])
    assert Broker().bounds.max_connections == 2000 and Broker(limits=Limits()).directory.most == 20_000


# -- credit, and no room for what it would bring


def test_no_credit_for_a_full_queue_whatever_size_the_messages_under_way_have():
    world = BrokerWorld(max_queue_bytes=20_000)
    client = world.client()
    sender = client.sender("jobs")
    for size in (2400, 2400, 2400, 2400, 2400, 2400, 2400, 5000):  # the queue is full, and a larger one comes
        sender.send(Message("x" * size))
    world.quiet()
    link = next(iter(world.broker.directory.records["jobs"].links)).link
    assert world.node("jobs").bytes > 20_000 and link.prefetch == 0
    left = sender.wire_credit
    for _ in range(left + 3):
        sender.send(Message("x"))
    world.quiet()
    assert sender.wire_credit == 0 and len(client.outcomes) == 8 + left, "it is not given again"


def test_a_topic_with_two_slow_subscribers_waits_for_both():
    world = BrokerWorld(max_queue_bytes=10_000)
    slow, slower, producer = world.client(), world.client(), world.client()
    one = slow.receiver("news", 3, options=Capability("topic"))
    two = slower.receiver("news", 3, options=Capability("topic"))
    sender = producer.sender("news")
    for number in range(100):
        sender.send(Message(str(number) + "x" * 1000))
    world.quiet()
    handler = next(link for link in world.broker.directory.records["news"].links if link.produces)
    assert handler.waits_for is not None and sender.queued > 0
    enqueued = world.node("news").enqueued
    for _ in range(30):
        one.flow(5)
        world.quiet()
        for received in slow.take():
            received.settle()
        world.quiet()
    assert world.node("news").enqueued == enqueued, "the other one has no room"
    assert world.broker.directory.records["news"].node.full and handler.link.prefetch == 0
    queued = sender.queued
    assert queued > 0
    for _ in range(40):
        two.flow(5)
        one.flow(5)
        world.quiet()
        for received in slow.take() + slower.take():
            received.settle()
        world.quiet()
    assert sender.queued == 0


# -- who receives what


def test_addresses_of_dynamic_nodes_cannot_be_guessed_and_belong_to_their_connection(world):
    client, thief = world.client(), world.client()
    replies = client.receiver(None, 1, dynamic=True)
    address = replies.remote_source.address
    token = address.partition("/")[2]
    assert len(token) == 32 and set(token) <= set("0123456789abcdef") and len(set(token)) > 3
    thief.receiver(address, 5)
    assert thief.errors == ["amqp:unauthorized-access"]
    thief.send(address, "an answer")
    assert client.bodies() == ["an answer"] and thief.bodies() == []
    again = client.receiver(address, 1, name="second")
    assert again.remote_source.address == address, "of the same connection"


# -- coming again


@pytest.mark.parametrize("how", ["receiver", "sender"])
def test_who_comes_again_takes_over_the_link_of_his_ghost(world, how):
    ghost = world.client("worker")
    world.client("producer").send("jobs", "a", "b")
    if how == "receiver":
        ghost.receiver("jobs", 2, name="mine")
    else:
        ghost.sender("jobs", name="mine")
    ghost.freeze()
    back = world.client("worker")
    if how == "receiver":
        back.receiver("jobs", 5, name="mine")
        assert back.bodies() == ["a", "b"] and world.node("jobs").consumers == 1
    else:
        sender = back.sender("jobs", name="mine")
        sender.send(Message("c"))
        world.quiet()
        assert back.outcomes == [ACCEPTED] and world.node("jobs").producers == 1
    assert back.errors == []


def test_the_one_that_is_taken_over_is_told(world):
    first, other = world.client("worker"), world.client("another")
    first.receiver("jobs", 1, name="mine")
    other.receiver("jobs", 1, name="mine")
    assert first.errors == [], "of another container"
    first.sender("jobs", name="mine")
    assert first.errors == [], "the other direction"
    second = world.client("worker")
    second.receiver("jobs", 1, name="mine")
    assert first.errors == ["amqp:link:stolen"] and second.errors == []
    second.connection.close()
    world.quiet()
    third = world.client("worker")
    third.receiver("jobs", 1, name="mine")
    assert second.errors == third.errors == [] and first.errors == ["amqp:link:stolen"]
    for client in (third, other, first):
        client.connection.close()
    world.quiet()
    assert world.broker.attaching.named == {}


def test_a_link_that_is_attached_anew_on_the_same_connection_is_taken_over_too(world, monkeypatch):
    client = world.client("worker")
    client.send("jobs", "a")
    old = client.receiver("jobs", 1, name="mine")
    client.take()
    # A peer that is not so careful.
    monkeypatch.setattr("reactor.engine.endpoints.link.Link._check_name", lambda link: None)
    client.receiver("jobs", 1, name="mine")
    assert client.bodies() == ["a"] and client.errors == ["amqp:link:stolen"]
    assert world.node("jobs").consumers == 1 and old.remote_condition.name == "amqp:link:stolen"


# -- good-byes


@pytest.mark.parametrize("what", ["connection", "session", "links"])
def test_who_leaves_with_a_sender_to_his_own_dynamic_queue_gets_no_error(world, what):
    client = world.client()
    replies = client.receiver(None, 1, dynamic=True)
    sender = client.sender(replies.remote_source.address)
    if what == "connection":
        client.connection.close()
    elif what == "session":
        replies.session.close()
    else:
        replies.close()
        sender.close()
    world.quiet()
    assert client.errors == [] and world.broker.names() == []
    assert sender.remote_condition is None


def test_who_was_silent_is_told_so_and_may_come_back():
    world = BrokerWorld(idle_timeout=10)
    client = world.client()
    said = []
    client.on_disconnected = lambda event: said.append(event.connection.remote_condition)
    world.stepper.containers.remove(client.container)
    world.pass_time(10.5)
    world.stepper.containers.append(client.container)
    world.quiet()
    [condition] = said
    assert condition.name == "amqp:connection:forced" and "nothing came in for 10 seconds" in condition.description


# -- who is let in


class Knock(MessagingHandler):
    """Connects, and tells as whom it was let in."""

    def __init__(self, url, **options):
        super().__init__()
        self.url, self.options, self.mechanism = url, options, None

    def on_start(self, event):
        event.container.connect(self.url, reconnect=False, **self.options)

    def on_connection_opened(self, event):
        self.mechanism = event.transport.sasl().mech
        event.connection.close()


@pytest.mark.parametrize("options, mechanism", [
    ({}, "ANONYMOUS"),
    ({"user": "guest", "password": "guest"}, "PLAIN"),
    ({"user": "anybody", "password": "whatever", "allowed_mechs": "PLAIN"}, "PLAIN"),
])  # fmt: skip
def test_on_loopback_anybody_is_let_in_as_he_wants(options, mechanism):
    with EmbeddedBroker() as broker:
        client = Knock(broker.url, **options)
        Container(client).run()
    assert client.mechanism == mechanism


def test_elsewhere_no_password_is_asked_for():
    try:
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", 0))
    except OSError:
        pytest.skip("there is no other address here")
    with EmbeddedBroker("amqp://0.0.0.0:0", anonymous=True) as broker:
        client = Knock(f"amqp://127.0.0.1:{broker.port}")
        Container(client).run()
        [acceptor] = broker._broker.acceptors
    assert client.mechanism == "ANONYMOUS" and acceptor.authenticator is None


# -- what is counted -------------------------------------------------------------------------------------


class Wired:
    """A connection over which so many bytes of messages have come that are not complete."""

    def __init__(self, size=0):
        self.transport = SimpleNamespace(buffered=size)


@pytest.mark.parametrize("most, there", [(1, 1), (1, 2), (3, 3), (3, 4), (0, 9)])
def test_connections_are_counted_up_to_the_bound(most, there):
    bounds = Bounds(most, 0)
    for _ in range(there):
        bounds.came(Wired())
    assert bounds.crowded is (0 < most < there)


@pytest.mark.parametrize("most, sizes, too_much", [(100, [60, 40], False), (100, [60, 41], True), (0, [60, 41], False)])
def test_bytes_are_counted_up_to_the_bound(most, sizes, too_much):
    bounds = Bounds(0, most)
    connections = [Wired(size) for size in sizes]
    for connection in connections:
        bounds.came(connection)
    assert [bounds.too_much(connection) for connection in connections] == [False, too_much]
    assert bounds.partial == sum(sizes)
    for _ in range(2):
        bounds.gone(connections[0])
        assert bounds.partial == sizes[1]
    connections[1].transport = None  # its wire is lost, and what had come over it
    assert not bounds.too_much(connections[1]) and bounds.partial == 0


def test_what_others_have_given_up_meanwhile_does_not_count():
    bounds = Bounds(0, 100)
    one, other = Wired(90), Wired(20)
    for connection in (one, other):
        bounds.came(connection)
    assert not bounds.too_much(one)
    one.transport.buffered = 80
    assert not bounds.too_much(other) and bounds.partial == 100, "just as much as may be kept"
    one.transport.buffered = 81
    assert not bounds.too_much(other), "of the first one it is not known yet"
    other.transport.buffered = 21
    assert bounds.too_much(other) and bounds.partial == 102
