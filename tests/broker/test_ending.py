"""The end of a broker in good order: what is under way gets its outcome, and nothing new comes in."""

from __future__ import annotations

import re
import signal
import sys

import pytest

from handlers import MessagingHandler
from reactor import ACCEPTED, RELEASED, Container, Copy, Message
from tests.broker.test_main import COMMAND
from tests.support.brokers import BrokerWorld
from tests.support.processes import CHECKOUT, Script

FORCED = "amqp:connection:forced"


@pytest.fixture
def world():
    return BrokerWorld(stop_timeout=10.0)


@pytest.fixture
def client(world):
    return world.client()


def stop(world):
    """Ask it to stop, as a signal does."""
    world.broker.on_shutdown(None)
    world.quiet()


def wait(client, seconds):
    """Let time pass; the broker may stop meanwhile."""
    rung = []

    class Bell:
        def on_timer_task(self, event):
            rung.append(event)

    client.container.schedule(seconds, Bell())
    client.world.stepper.run(lambda: rung)


def ended(client):
    """How the connection of a client was closed."""
    condition = client.connection.remote_condition
    return condition and condition.name


def test_without_clients_it_stops_at_once(world):
    stop(world)
    assert world.broker.acceptors == [] and world.network.listeners == []


def test_idle_clients_hear_at_once_that_they_may_come_back(world, client):
    client.sender("jobs")
    client.receiver("other")
    stop(world)
    wait(client, 0.1)
    assert ended(client) == FORCED
    assert client.connection.remote_condition.description == "the broker is shutting down"


def test_a_consumer_finishes_what_it_holds_and_gets_no_more(world, client):
    client.send("jobs", "a", "b", "c")
    receiver = client.receiver("jobs", credit=2)
    assert client.bodies() == ["a", "b"]
    stop(world)
    receiver.flow(5)
    wait(client, 3)
    assert client.bodies() == ["a", "b"] and ended(client) is None
    for received in client.take():
        received.settle(ACCEPTED if received.body == "a" else RELEASED)
    wait(client, 0.1)
    assert ended(client) == FORCED
    assert (world.node("jobs").depth, world.node("jobs").acknowledged) == (2, 1)


def test_a_producer_has_no_credit_any_more(world, client):
    sender = client.sender("jobs")
    held = client.receiver("jobs", credit=1)
    sender.send(Message("held"))
    world.quiet()
    before = sender.credit
    stop(world)
    assert before > 0 and sender.credit == 0
    sender.send(Message("too late"))
    wait(client, 1)
    assert len(client.outcomes) == 1 and ended(client) is None
    client.take(held)[0].settle()
    wait(client, 0.1)
    assert ended(client) == FORCED and world.node("jobs").depth == 0


def test_the_time_is_bounded_and_held_messages_go_back(world, client, caplog):
    client.send("jobs", "a")
    client.receiver("jobs", credit=1, name="mine")
    stop(world)
    wait(client, 9.9)
    assert ended(client) is None
    wait(client, 0.2)
    assert ended(client) == FORCED and world.node("jobs").depth == 1
    assert "1 links have messages without an outcome, such as link 'mine' of 'client-1'" in caplog.text


def test_new_clients_and_new_links_are_refused_meanwhile(world, client):
    client.send("jobs", "a")
    client.receiver("jobs", credit=1)
    stop(world)
    sender = client.sender("more")
    assert client.errors == ["amqp:link:detach-forced"] and "shutting down" in sender.remote_condition.description
    late = world.client("late")
    assert late.errors and ended(late) is None


def test_one_that_was_about_to_open_is_turned_away(world, client):
    client.send("jobs", "a")
    client.receiver("jobs", credit=1)
    world.broker.ending.begun = True  # its wire was there before
    late = world.client("late")
    assert ended(late) == FORCED


def test_a_drain_is_answered_and_browsers_are_not_waited_for(world, client):
    client.send("jobs", "a", "b")
    client.receiver("jobs", credit=1, options=Copy())
    holder = client.receiver("jobs", credit=1)
    stop(world)
    holder.drain(3)
    wait(client, 0.5)
    assert holder.credit == 0 and ended(client) is None
    client.take(holder)[0].settle()
    wait(client, 0.1)
    assert ended(client) == FORCED


def test_a_producer_that_does_not_confirm_is_waited_for_one_second(world, client):
    silent = world.client("silent")
    silent.sender("jobs")
    silent.freeze()
    stop(world)
    wait(client, 0.9)
    assert ended(client) is None
    wait(client, 0.2)
    assert ended(client) == FORCED


@pytest.mark.parametrize("rounds", range(12))
def test_whatever_is_under_way_no_producer_is_left_in_doubt(rounds, caplog):
    world = BrokerWorld(stop_timeout=10.0)
    producer, consumer = world.client("producer"), world.client("consumer")
    sender = producer.sender("jobs")
    receiver = consumer.receiver("jobs", credit=3)
    for number in range(30):
        sender.send(Message(number))
    for _ in range(rounds):
        world.stepper.round()
    world.broker.on_shutdown(None)
    world.quiet()
    for received in consumer.take(receiver):
        received.settle()
    wait(producer, 2)
    assert ended(producer) == ended(consumer) == FORCED
    node = world.broker.statistics("jobs")
    assert producer.outcomes == [ACCEPTED] * node.enqueued
    assert node.depth == node.enqueued - node.acknowledged and node.acknowledged <= 3
    doubts = re.findall(r"message (\d+) is in doubt", caplog.text)  # the first of those that never left
    assert doubts == ([str(node.enqueued + 1)] if node.enqueued < 30 else [])


def test_without_a_stop_timeout_it_stops_at_once():
    world = BrokerWorld()
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", credit=1)
    stop(world)
    assert ended(client) == FORCED


def test_a_second_wish_changes_nothing(world, client):
    client.send("jobs", "a")
    client.receiver("jobs", credit=1)
    stop(world)
    wait(client, 5)
    stop(world)
    wait(client, 4.9)
    assert ended(client) is None
    wait(client, 0.2)
    assert ended(client) == FORCED


# -- the program ------------------------------------------------------------------------------------------


class Holder(MessagingHandler):
    """Holds a message until the broker has begun to stop, which a refused link shows it."""

    def __init__(self, url, broker, signals):
        super().__init__(auto_accept=False)
        self.url, self.broker, self.signals = url, broker, signals
        self.condition = None

    def on_start(self, event):
        self.connection = event.container.connect(self.url, reconnect=False)
        event.container.create_sender(self.connection, "jobs").send(Message("held"))
        event.container.create_receiver(self.connection, "jobs")

    def on_message(self, event):
        self.delivery = event.delivery
        for number in range(self.signals):
            self.broker.process.send_signal(signal.SIGTERM)
            if not number:
                self.broker.wait_for("Shutting down")
        event.container.create_sender(self.connection, "more")

    def on_link_error(self, event):
        self.accept(self.delivery)

    def on_disconnected(self, event):
        condition = event.connection.remote_condition
        self.condition = "lost" if condition is None else condition.name


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals between processes there")
@pytest.mark.parametrize("signals, status, condition", [(1, 0, FORCED), (2, 1, FORCED)])
def test_sigterm_drains_and_a_second_one_ends_it(signals, status, condition, tmp_path):
    with Script([*COMMAND, "--listen", "amqp://127.0.0.1:0", "--stop-timeout", "60"], CHECKOUT) as broker:
        url = broker.wait_for("Listening on").rpartition(" ")[2]
        client = Holder(url, broker, signals)
        Container(client).run()
        assert broker.finish()[0] == status
    assert client.condition == condition


# -- a bound for each user -----------------------------------------------------------------------------------


def test_connections_of_one_user_are_bounded():
    world = BrokerWorld(users={"alice": "x", "bob": "y"}, anonymous=True, max_connections_per_user=2)
    alice = [world.client(user="alice", password="x") for _ in range(3)]
    assert [client.errors for client in alice] == [[], [], ["amqp:resource-limit-exceeded"]]
    assert "user 'alice' has 2 connections" in alice[2].connection.remote_condition.description
    assert world.client(user="bob", password="y").errors == []
    assert [world.client().errors for _ in range(3)][2] == ["amqp:resource-limit-exceeded"]
    alice[0].connection.close()
    world.quiet()
    assert world.client(user="alice", password="x").errors == []


# -- a consumer that does nothing ----------------------------------------------------------------------------


@pytest.mark.parametrize("stuck", ["holds", "frozen"])
def test_a_stuck_consumer_costs_only_its_credit(stuck):
    world = BrokerWorld()
    slow, quick, producer = world.client("slow"), world.client("quick"), world.client("producer")
    slow.receiver("jobs", credit=5)
    if stuck == "frozen":
        slow.freeze()
    quick.receiver("jobs", credit=1000)
    for number in range(200):
        producer.send("jobs", number)
    node = world.node("jobs")
    assert (node.acquired, node.waiting) == (200, 0)
    assert len(quick.inbox) == 195
    for received in quick.take():
        received.settle()
    world.quiet()
    assert (world.node("jobs").depth, len(producer.outcomes)) == (5, 200)
    other = world.client("other")
    other.send("elsewhere", "x")
    other.receiver("elsewhere", credit=1)
    assert other.bodies() == ["x"]
