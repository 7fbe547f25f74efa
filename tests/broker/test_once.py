"""Receivers at most once at a broker with a store: a message has left the store before it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.broker.store.interface import StoreError
from handlers.broker.store.memory import MemoryStore
from reactor import AtMostOnce, Message, Selector
from tests.support.brokers import BrokerWorld, Client


class Shaky(MemoryStore):
    """Fails while `error` is set."""

    error: Any = None

    def commit(self, groups: Any) -> Any:
        return super().commit(groups) if self.error is None else [self.error] * len(groups)


@pytest.fixture
def world() -> BrokerWorld:
    return BrokerWorld(store=Shaky())


def filled(world: BrokerWorld, *bodies: str) -> Client:
    """A client of a queue with these messages: those in capitals are durable."""
    client = world.client()
    sender = client.sender("jobs")
    for body in bodies:
        sender.send(Message(body, durable=body.isupper()))
    world.quiet()
    return client


def test_nothing_is_sent_that_the_store_still_has(world: BrokerWorld) -> None:
    client = filled(world, "A", "B")
    store = world.options["store"]
    store.error = StoreError("the disk: no")
    receiver = client.receiver("jobs", 10, options=AtMostOnce())
    assert client.bodies() == [] and len(list(store.messages())) == 2
    store.error = None
    world.pass_time(1.5)
    assert client.bodies(receiver) == ["A", "B"] and not list(store.messages())


def test_a_crash_between_loses_a_message_and_never_doubles_it(world: BrokerWorld) -> None:
    client = filled(world, "A", "B")
    client.container.create_receiver(client.connection, "jobs", options=AtMostOnce()).flow(1)
    store = world.options["store"]
    for _ in range(100):
        if len(list(store.messages())) == 1:
            break
        world.stepper.round()
    assert len(list(store.messages())) == 1
    world.crash()
    world.start()
    later = world.client()
    later.receiver("jobs", 10, options=AtMostOnce())
    assert sorted(client.bodies() + later.bodies()) in (["A", "B"], ["B"])


def test_the_order_is_that_of_the_queue_durable_or_not(world: BrokerWorld) -> None:
    client = filled(world, "a", "B", "c", "D", "e")
    receiver = client.receiver("jobs", 4, options=AtMostOnce())
    assert client.bodies() == ["a", "B", "c", "D"] and world.node("jobs").depth == 1
    receiver.flow(3)
    world.quiet()
    assert client.bodies() == ["a", "B", "c", "D", "e"] and receiver.credit == 2
    client.send("jobs", "F", "g", "H", durable=True)
    assert client.bodies()[5:] == ["F", "g"]


def test_a_drain_is_answered_when_all_is_sent(world: BrokerWorld) -> None:
    client = filled(world, "A", "b", "C")
    receiver = client.receiver("jobs", options=AtMostOnce())
    receiver.drain(10)
    world.quiet()
    assert client.bodies() == ["A", "b", "C"] and receiver.credit == 0 and not receiver.draining()


def test_a_flow_that_comes_meanwhile_counts_afterwards(world: BrokerWorld) -> None:
    client = filled(world, "A", "B", "C", "D")
    receiver = client.receiver("jobs", options=AtMostOnce())
    store = world.options["store"]
    store.error = StoreError("the disk: no")
    receiver.flow(1)
    world.quiet()
    receiver.flow(2)
    world.quiet()
    assert client.bodies() == []
    store.error = None
    world.pass_time(1.5)
    assert client.bodies() == ["A", "B", "C"] and receiver.credit == 0


def test_who_leaves_meanwhile_loses_what_it_asked_for(world: BrokerWorld, caplog: pytest.LogCaptureFixture) -> None:
    client = filled(world, "A", "B")
    store = world.options["store"]
    store.error = StoreError("the disk: no")
    receiver = client.receiver("jobs", 1, options=AtMostOnce())
    receiver.close()
    world.quiet()
    store.error = None
    world.pass_time(1.5)
    assert client.bodies() == [] and "one message for it is lost" in caplog.text
    client.receiver("jobs", 5, options=AtMostOnce())
    assert client.bodies() == ["B"]


def test_a_message_that_is_too_large_stays(world: BrokerWorld) -> None:
    client = filled(world, "A" * 500)

    class Small(AtMostOnce):
        def apply(self, link: Any) -> None:
            super().apply(link)
            link.max_message_size = 100

    client.receiver("jobs", 5, options=Small())
    assert client.errors == ["amqp:link:message-size-exceeded"]
    assert world.node("jobs").depth == 1 and len(list(world.options["store"].messages())) == 1


def test_one_that_selects_and_one_whose_time_is_limited(world: BrokerWorld) -> None:
    client = world.client()
    client.send("jobs", "red", durable=True, properties={"colour": "red"}, ttl=50.0)
    client.send("jobs", "blue", durable=True, properties={"colour": "blue"})
    client.receiver("jobs", 5, options=[AtMostOnce(), Selector("colour = 'red'")])
    (red,) = client.take()
    assert red.body == "red" and 0 < red.message.ttl <= 50
    (blue,) = world.options["store"].messages()
    assert blue.body.endswith(b"blue")
