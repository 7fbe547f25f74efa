"""Rows of the contracts of other systems, end to end with the embedded broker: what becomes of a message that is
acknowledged twice, late, not at all, or given back. The rows of modes are in tests/container/test_acknowledging.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from reactor import REJECTED, AtMostOnce, LocalProtocolError, Message, ModifiedDisposition
from tests.support.brokers import BrokerWorld, Client


class Party(Client):
    """act: done with each message when it comes."""

    act: Any = None

    def on_message(self, event: Any) -> None:
        super().on_message(event)
        if self.act is not None:
            self.act(event)


@pytest.fixture
def world() -> BrokerWorld:
    return BrokerWorld()


def test_J3_an_acknowledgement_without_a_connection_succeeds_and_the_message_comes_again(world: BrokerWorld) -> None:
    client = Party(world, "one", reconnect=None)
    client.send("jobs", 1, 2)
    client.receiver("jobs", 2)
    first, second = client.take()
    client.vanish()
    first.message.acknowledge()
    assert second.delivery.session.acknowledge(second.delivery) == 1
    world.pass_time(30)
    client.connection.link_head(0).flow(2)
    world.quiet()
    assert [(received.body, received.message.redelivered) for received in client.inbox] == [(1, True), (2, True)]


def test_R5_what_was_not_acknowledged_is_redelivered_when_the_connection_is_lost(world: BrokerWorld) -> None:
    one, two = world.client(), world.client()
    one.send("jobs", 1)
    one.receiver("jobs", 1)
    assert not one.inbox[0].message.redelivered
    one.vanish()
    two.receiver("jobs", 1)
    assert two.inbox[0].message.redelivered


def test_R6_acknowledging_twice_is_an_error_at_the_call_and_closes_nothing(world: BrokerWorld) -> None:
    client = world.client()
    client.send("jobs", 1, 2)
    client.receiver("jobs", 2)
    first, second = client.take()
    first.message.acknowledge()
    with pytest.raises(LocalProtocolError, match="is settled already"):
        first.message.acknowledge()
    with pytest.raises(LocalProtocolError, match=r"<Delivery .*ACCEPTED.*> is settled; it cannot be REJECTED"):
        first.delivery.reject()
    second.message.acknowledge()
    world.quiet()
    assert (world.node("jobs").acknowledged, client.errors) == (2, [])


def test_R3_multiple_acknowledges_all_up_to_and_including(world: BrokerWorld) -> None:
    client = world.client()
    client.send("jobs", 1, 2, 3, 4, 5)
    client.receiver("jobs", 5)
    third = client.inbox[2].delivery
    assert third.session.acknowledge(third, multiple=True) == 3
    assert third.session.acknowledge(client.inbox[4].delivery, REJECTED, multiple=True) == 2, "a nack has multiple, too"
    world.quiet()
    node = world.node("jobs")
    assert (node.depth, node.acknowledged, node.rejected) == (0, 3, 2)


def test_R4_what_is_released_is_back_in_its_place_and_what_is_rejected_is_gone(world: BrokerWorld) -> None:
    client = world.client()
    client.send("jobs", 1, 2, 3)
    receiver = client.receiver("jobs", 2)
    first, second = client.take()
    second.delivery.reject("no")
    first.delivery.release()
    world.quiet()
    receiver.flow(3)
    world.quiet()
    assert client.bodies() == [1, 3]
    assert not client.inbox[0].message.redelivered, "it was not looked at, and is not counted"
    assert world.node("jobs").rejected == 1


def test_R10_modified_is_counted_and_its_annotations_are_merged(world: BrokerWorld) -> None:
    client = world.client()
    client.send("jobs", 1)
    receiver = client.receiver("jobs", 1)
    client.take()[0].delivery.modify(annotations={"x-opt-why": "busy"})
    world.quiet()
    receiver.flow(1)
    world.quiet()
    message = client.inbox[0].message
    assert (message.delivery_count, message.annotations["x-opt-why"]) == (1, "busy")


@pytest.mark.parametrize("asked", [{"acknowledge_mode": "none"}, {"options": AtMostOnce()}])
def test_R2_Q4_automatic_acknowledgement_is_that_of_the_sender(world: BrokerWorld, asked: Any) -> None:
    client = world.client()
    client.send("jobs", 1)
    client.receiver("jobs", 1, **asked)
    assert world.node("jobs").depth == 0, "gone when it was written"
    client.vanish()
    other = world.client()
    other.receiver("jobs", 1)
    assert other.inbox == []


def test_P1_a_message_sent_at_most_once_has_no_outcome(world: BrokerWorld) -> None:
    client = world.client()
    sender = client.sender("jobs", options=AtMostOnce())
    delivery = sender.send(Message(1))
    world.quiet()
    assert (client.outcomes, sender.unsettled, delivery.doubt) == ([], 0, None)
    assert world.node("jobs").depth == 1


def test_P5_messages_that_come_to_a_link_that_was_closed_are_released(world: BrokerWorld) -> None:
    client = Party(world, "one")
    client.send("jobs", 1, 2, 3)
    client.act = lambda event: (event.delivery.accept(), event.receiver.close())
    client.receiver("jobs", 3)
    assert client.bodies() == [1]
    other = world.client()
    other.receiver("jobs", 3)
    assert [(received.body, received.message.redelivered) for received in other.inbox] == [(2, False), (3, False)]


@pytest.mark.parametrize("mode", ["auto", "dups_ok", "client", "individual"])
def test_J7_a_message_that_fails_comes_again_and_is_counted_in_each_mode(world: BrokerWorld, mode: str) -> None:
    """JMS gives it back uncounted, or leaves it: a message that always fails would then come for ever."""
    client = Party(world, "one")
    client.send("jobs", 1)

    def fail(event: Any) -> None:
        raise RuntimeError("it failed")

    client.act = fail
    with pytest.raises(RuntimeError):
        client.receiver("jobs", 1, acknowledge_mode=mode)
    world.quiet()
    other = world.client()
    other.receiver("jobs", 1)
    assert other.inbox[0].message.delivery_count == 1


def test_J8_a_session_of_mode_CLIENT_gives_back_what_it_has_not_acknowledged(world: BrokerWorld) -> None:
    client = world.client()
    client.send("jobs", 1, 2, 3)
    session = client.container.create_session(client.connection, "client")
    client.container.create_receiver(session, "jobs").flow(3)
    world.quiet()
    session.acknowledge(client.inbox[0].delivery)
    session.close()
    world.quiet()
    other = world.client()
    other.receiver("jobs", 3)
    assert [(received.body, received.message.delivery_count) for received in other.inbox] == [(2, 1), (3, 1)]


def test_what_belongs_to_another_session_is_refused(world: BrokerWorld) -> None:
    client = world.client()
    client.send("jobs", 1)
    client.receiver("jobs", 1)
    other = client.container.create_session(client.connection)
    delivery = client.inbox[0].delivery
    for outcome in (REJECTED, ModifiedDisposition()):
        with pytest.raises(LocalProtocolError, match=r"acknowledge\(\): <Delivery .*> is of another session"):
            other.acknowledge(delivery, outcome)
    world.quiet()
    assert world.node("jobs").acquired == 1
