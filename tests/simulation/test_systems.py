"""Whole systems in one thread: containers as applications have them, over the network in memory."""

from __future__ import annotations

import pytest

from handlers import MessagingHandler
from reactor import Container, Message
from reactor.simulation import MemoryNetwork, NeverHappens, Stepper, World

HOUR = 3600.0


class Server(MessagingHandler):
    """Listens for one peer."""

    def __init__(self):
        super().__init__()
        self.bodies = []
        self.errors = []

    def on_start(self, event):
        self.acceptor = event.container.listen("amqp://:5672")

    def on_connection_opening(self, event):
        self.acceptor.close()

    def on_message(self, event):
        self.bodies.append(event.message.body)

    def on_transport_error(self, event):
        self.errors.append(event.transport.condition)


class Client(MessagingHandler):
    def __init__(self, network, heartbeat=None):
        super().__init__()
        self.network = network
        self.heartbeat = heartbeat
        self.seen = []
        self.errors = []

    def on_start(self, event):
        self.connection = event.container.connect("amqp://localhost:5672", heartbeat=self.heartbeat, reconnect=False)

    def on_connection_opened(self, event):
        self.seen.append("opened")

    def on_connection_closing(self, event):
        self.seen.append("closing")

    def on_transport_error(self, event):
        self.errors.append(event.transport.condition)


class System:
    def __init__(self, network, client, server=None):
        self.network = network
        self.client, self.server = client, server or Server()
        self.containers = {
            name: Container(handler, clock=network.clock, network=network.node(name))
            for name, handler in (("server", self.server), ("client", client))
        }
        self.stepper = Stepper(network, *self.containers.values())

    def open(self):
        self.stepper.run(until=lambda: "opened" in self.client.seen)


@pytest.fixture
def network():
    return MemoryNetwork()


@pytest.mark.parametrize("chunk", [None, 1, [5, 1, 3, 100]])
def test_a_message_is_sent_received_and_accepted(network, chunk):
    class Sending(Client):
        def on_connection_opened(self, event):
            event.container.create_sender(self.connection, "jobs")

        def on_sendable(self, event):
            if "sent" not in self.seen:
                self.seen.append("sent")
                event.sender.send(Message("hello"))

        def on_accepted(self, event):
            self.seen.append("accepted")
            self.connection.close()

    network.split(chunk)
    system = System(network, Sending(network))
    start = network.clock.now()
    system.stepper.run()
    assert system.server.bodies == ["hello"]
    assert system.client.seen == ["sent", "accepted"]
    assert (system.client.errors, system.server.errors) == ([], [])
    assert network.clock.now() == start
    assert (network.wires, network.listeners) == ([], [])


def test_heartbeats_keep_a_silent_connection_for_hours(network):
    system = System(network, Client(network, heartbeat=10.0))
    system.open()
    with pytest.raises(NeverHappens, match="virtual time"):
        system.stepper.run(limit=3 * HOUR)
    assert (system.client.errors, system.server.errors) == ([], [])
    system.client.connection.close()
    system.stepper.run()


def test_a_peer_that_stands_still_is_given_up_in_time(network):
    system = System(network, Client(network, heartbeat=10.0))
    system.open()
    start = network.clock.now()
    system.stepper.containers.remove(system.containers["server"])
    system.stepper.run(until=lambda: system.client.errors)
    assert network.clock.now() == start + 10.0
    assert "idle" in system.client.errors[0].description
    system.stepper.run()
    assert network.clock.now() == start + 20.0


def test_a_cut_is_told_to_both_as_what_it_is(network):
    system = System(network, Client(network))
    system.open()
    for wire in list(network.wires):
        wire.reset()
    system.stepper.run()
    for errors in (system.client.errors, system.server.errors):
        (condition,) = errors
        assert condition.name == "proton.pythonio"
        assert "Connection reset by peer" in condition.description


def test_a_cut_after_the_peers_close_is_no_error(network):
    class Cutting(Client):
        def on_connection_closing(self, event):
            super().on_connection_closing(event)
            for wire in list(self.network.wires):
                wire.reset()

    class Closing(Server):
        def on_connection_opened(self, event):
            event.connection.close()

    system = System(network, Cutting(network), Closing())
    system.stepper.run()
    assert system.client.seen == ["opened", "closing"]
    assert system.client.errors == []


def test_nobody_listens(network):
    client = Client(network)
    container = Container(client, clock=network.clock, network=network.node())
    Stepper(network, container).run()
    (condition,) = client.errors
    assert condition.name == "proton.pythonio"
    assert "cannot connect to localhost:5672: 127.0.0.1:5672: Connection refused" in condition.description


def test_one_container_alone_runs_itself(network):
    seen = []

    class Ticking(MessagingHandler):
        def on_start(self, event):
            event.container.schedule(HOUR, self)

        def on_timer_task(self, event):
            seen.append(network.clock.now())
            if len(seen) < 24:
                event.container.schedule(HOUR, self)

    start = network.clock.now()
    Container(Ticking(), clock=network.clock, network=network.node()).run()
    assert seen == [start + HOUR * count for count in range(1, 25)]


def test_what_is_sent_behind_a_close_that_is_not_known_yet_is_in_doubt():
    """Credit and close come in one read: `on_sendable` is called when the peer will not answer any more."""

    class Sending(MessagingHandler):
        def __init__(self):
            super().__init__()
            self.sent = []
            self.doubtful = []

        def on_start(self, event):
            connection = event.container.connect("amqp://peer:5672", reconnect=False)
            event.container.create_sender(connection, "jobs")

        def on_sendable(self, event):
            if not self.sent:
                self.sent.append(event.sender.send(Message("hello")))

        def on_in_doubt(self, event):
            self.doubtful.append(event.delivery)

    world = World(1, latency=0.01, pieces=0, bandwidth=float("inf"))
    world.peer("peer:5672").open().begin().attach(credit=1).say("close").expect("transfer").expect("close")
    client = world.start(Sending)
    world.settle()
    assert len(client.handler.sent) == 1
    assert client.handler.doubtful == client.handler.sent
