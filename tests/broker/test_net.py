"""The safety net: whatever a handler of the broker raises ends a link or a connection, and the broker goes on."""

from __future__ import annotations

import logging

import pytest

from handlers.broker import Broker
from handlers.broker.nodes.node import Queue
from reactor import Condition, Container, Copy, Message
from reactor.engine.wire.reader import FrameReader
from reactor.engine.wire.writer import FrameWriter
from reactor.simulation import MemoryNetwork, Stepper
from tests.support.brokers import BrokerWorld

pytestmark = pytest.mark.internal_errors


@pytest.fixture
def world():
    return BrokerWorld()


def fails(error=None):
    def fail(*arguments):
        raise error or ZeroDivisionError("on purpose")

    return fail


def handler_of(world, node, number=0):
    return list(world.broker.directory.records[node].links)[number]


def goes_on(world, errors=1):
    """Somebody else is served as always; returns what was caught."""
    assert world.broker.internal_errors == errors == world.broker.overview().internal_errors
    other = world.client()
    other.send("elsewhere", "hello")
    other.receiver("elsewhere", 1)
    assert other.bodies() == ["hello"] and other.errors == []
    other.connection.close()
    world.quiet()
    assert world.broker.internal_errors == errors


@pytest.mark.parametrize("error", [ZeroDivisionError("on purpose"), MemoryError(), RecursionError()])
def test_a_link_whose_handler_fails_is_closed_and_what_it_held_waits_again(world, error, caplog):
    client, other = world.client(), world.client()
    client.send("jobs", "a", "b")
    receiver = client.receiver("jobs", 2)
    node = world.broker.directory.records["jobs"].node
    node.settle = fails(error)
    client.take()[0].settle()
    world.quiet()
    del node.settle
    assert client.errors == ["amqp:internal-error"] and "log" in receiver.remote_condition.description
    logged = [record for record in caplog.records if record.exc_info]
    assert len(logged) == 1 and logged[0].exc_info[1] is error and logged[0].levelno == logging.ERROR
    assert world.node("jobs").consumers == 0 and world.broker.overview().links == 0
    other.receiver("jobs", 5)
    assert other.bodies() == ["a", "b"]
    goes_on(world)


def test_an_attach_that_fails_is_refused(world, monkeypatch):
    client = world.client()
    monkeypatch.setattr(world.broker.directory, "find", fails())
    sender = client.sender("jobs")
    monkeypatch.undo()
    assert client.errors == ["amqp:internal-error"] and sender.remote_target.address is None
    client.send("jobs", "the connection is of use")
    assert world.node("jobs").depth == 1
    goes_on(world)


def test_a_connection_that_fails_is_closed_and_what_its_links_held_waits_again(world, monkeypatch):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 2)
    monkeypatch.setattr(world.broker, "_note_error", fails())
    session = client.connection.session()
    session.open()
    world.quiet()
    session.condition = Condition("app:reason")
    session.close()
    world.quiet()
    assert client.errors == ["amqp:internal-error"]
    assert (world.node("jobs").waiting, world.node("jobs").consumers) == (1, 0)
    assert world.broker.overview().connections == 0
    goes_on(world)


def test_what_fails_when_a_connection_is_lost_leaves_nothing_behind(world, monkeypatch):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 2)
    monkeypatch.setattr(world.broker, "_release", fails())
    client.vanish()
    monkeypatch.undo()
    assert (world.node("jobs").waiting, world.node("jobs").consumers) == (1, 0)
    assert world.broker.overview()[:2] == (0, 0)
    goes_on(world)


def test_a_consumer_that_fails_while_a_producer_is_served_is_the_one_that_is_ended(world, monkeypatch):
    producer, consumer = world.client(), world.client()
    consumer.receiver("jobs", 10)
    sender = producer.sender("jobs")
    monkeypatch.setattr(handler_of(world, "jobs").link, "transmit", fails(), raising=False)
    sender.send(Message("a"))
    sender.send(Message("b"))
    world.quiet()
    monkeypatch.undo()
    assert consumer.errors == ["amqp:internal-error"] and consumer.bodies() == []
    assert producer.errors == [] and len(producer.outcomes) == 2
    assert (world.node("jobs").waiting, world.node("jobs").consumers) == (2, 0)
    goes_on(world)


def test_a_browser_that_fails_is_ended(world, monkeypatch):
    producer, consumer = world.client(), world.client()
    producer.send("jobs", "a")
    browser = consumer.receiver("jobs", options=Copy())
    monkeypatch.setattr(handler_of(world, "jobs").link, "transmit", fails(), raising=False)
    browser.flow(2)
    world.quiet()
    assert consumer.errors == ["amqp:internal-error"] and world.node("jobs").consumers == 0
    goes_on(world)


def test_a_timer_that_fails_comes_again(world, monkeypatch):
    client = world.client()
    client.send("jobs", "a", ttl=5)
    client.send("jobs", "b", ttl=10)
    monkeypatch.setattr(Queue, "expire", fails())
    world.pass_time(6)
    monkeypatch.undo()
    world.pass_time(6)
    assert world.node("jobs").depth == 0
    goes_on(world, errors=2)


@pytest.mark.parametrize(("part", "where"), [(FrameReader, "receive"), (FrameWriter, "flush")])
def test_what_fails_while_bytes_are_read_or_written_closes_that_connection(world, monkeypatch, part, where):
    client, other = world.client(), world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 2)
    other.send("other", "b")
    theirs = next(c for c in world.broker.connections() if c.remote_container == "client-1").transport
    usual = getattr(part, where)

    def fail(it, *arguments):
        if it._transport is theirs:
            raise MemoryError
        return usual(it, *arguments)

    monkeypatch.setattr(part, where, fail)
    client.sender("anything")
    other.receiver("other", 1)
    monkeypatch.undo()
    assert set(client.errors) == {"amqp:internal-error"}, "the connection's, and the waiting link's"
    assert other.bodies() == ["b"] and other.errors == []
    assert (world.node("jobs").waiting, world.node("jobs").consumers) == (1, 0)
    goes_on(world)


def test_what_is_no_peers_doing_is_raised():
    network = MemoryNetwork()
    broker = Broker("amqp://broker")
    container = Container(broker, network=network.node(), clock=network.clock)
    broker.on_shutdown = fails()
    stepper = Stepper(network, container)
    stepper.round()
    assert not broker.net.catch(OSError("of the network itself"), None)
    container.schedule(1, type("Mine", (), {"on_timer_task": fails()})())
    with pytest.raises(ZeroDivisionError):
        stepper.run_for(2)
    assert broker.internal_errors == 0


def test_who_runs_the_container_may_have_a_net_of_his_own():
    network = MemoryNetwork()
    container = Container(Broker("amqp://broker"), network=network.node(), clock=network.clock)
    container.rescue = mine = lambda error, event: False
    container.process()
    assert container.rescue is mine
