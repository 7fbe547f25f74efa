"""Consumers that hold a message too long: it goes to others, and the late outcome does no harm."""

from __future__ import annotations

from handlers.broker import Policy
from handlers.broker.nodes.node import Queue
from handlers.broker.store.memory import MemoryStore
from reactor import ACCEPTED, MODIFIED, REJECTED, RELEASED
from tests.broker.test_node import Reader, fill
from tests.support.brokers import BrokerWorld


class Timed(Reader):
    """A consumer that hears the time from the test."""

    now = 0.0

    def deliver(self, entry):
        super().deliver(entry)
        self.queue.leases.begin(self.queue, entry, self, self.now)

    def give_up(self, entry):
        return self.held.pop(entry.body.decode(), None) is not None


# -- the node alone


def test_a_message_that_is_held_too_long_goes_to_another_consumer():
    queue = Queue("q", 0, None, Policy(ack_timeout=10.0))
    slow, other = Timed(queue, 2), Timed(queue)
    fill(queue, "a")
    slow.now = 4.0
    fill(queue, "b")
    assert queue.deadline == 10.0
    queue.expire(9.9)
    assert queue.leases.timeouts == 0
    queue.expire(10.0)
    assert queue.leases.timeouts == 1 and queue.waiting == 1 and queue.deadline == 14.0
    other.now = 10.0
    queue.grant(other, 5)
    assert other.log == ["a"] and other.counts() == {"a": 0} and other.held["a"].redelivered
    other.accept("a")
    other.now = 14.0
    queue.expire(14.0)
    assert other.log == ["a", "b"] and queue.leases.timeouts == 2
    queue.expire(20.0)
    assert queue.leases.timeouts == 2 and queue.deadline == 24.0  # that of "b", with the other


def test_messages_that_are_settled_in_time_are_forgotten():
    queue = Queue("q", 0, None, Policy(ack_timeout=10.0))
    reader = Timed(queue, 5000)
    for number in range(5000):
        fill(queue, str(number))
        reader.accept(str(number))
    assert len(queue.leases) <= 1001
    queue.expire(10.0)
    assert queue.leases.timeouts == 0 and queue.deadline is None


def test_a_message_that_a_consumer_got_again_has_its_time_anew():
    queue = Queue("q", 0, None, Policy(ack_timeout=10.0))
    reader = Timed(queue, 2)
    fill(queue, "a")
    reader.now = 6.0
    reader.release("a")
    assert reader.log == ["a", "a"]
    queue.expire(10.0)
    assert queue.leases.timeouts == 0 and queue.deadline == 16.0


# -- in a broker


def test_R11_the_slow_receiver_hears_of_it_and_gets_nothing_until_it_has_settled(caplog):
    world = BrokerWorld(queues={"jobs": Policy(ack_timeout=30.0)})
    slow, other = world.client(), world.client()
    receiver = slow.receiver("jobs", 10)
    slow.send("jobs", "a")
    (held,) = slow.take()
    world.pass_time(31.0)
    assert held.delivery.remote_state == RELEASED and not held.delivery.settled
    assert "has held message 1 of 'jobs' for more than 30 seconds: it goes to others" in caplog.text
    assert world.node("jobs").timeouts == 1 and world.node("jobs").waiting == 1
    slow.send("jobs", "b")
    assert slow.bodies() == []
    other.receiver("jobs", 1)
    (again,) = other.take()
    assert again.body == "a" and again.message.delivery_count == 0 and not again.message.first_acquirer
    held.settle(ACCEPTED)  # late: the message is with the other
    world.quiet()
    assert world.node("jobs").acknowledged == 0 and slow.bodies(receiver) == ["b"]
    again.settle(ACCEPTED)
    world.quiet()
    assert world.node("jobs").acknowledged == 1


def test_late_outcomes_of_all_kinds_do_no_harm():
    for state in (ACCEPTED, REJECTED, RELEASED, MODIFIED, None):
        world = BrokerWorld(queues={"jobs": Policy(ack_timeout=30.0, dead_letter="dead")}, store=MemoryStore())
        client = world.client()
        receiver = client.receiver("jobs", 1)
        client.send("jobs", "a", durable=True)
        (held,) = client.take()
        world.pass_time(31.0)
        held.settle(state)
        receiver.flow(1)
        world.quiet()
        assert client.bodies(receiver) == ["a"] and world.node("jobs").depth == 1
        client.take()[0].settle()
        world.quiet()
        node = world.node("jobs")
        assert (node.acknowledged, node.rejected, node.depth, world.broker.internal_errors) == (1, 0, 0, 0)


def test_a_receiver_that_settles_in_time_keeps_its_messages():
    world = BrokerWorld(queues={"jobs": Policy(ack_timeout=30.0)})
    client = world.client()
    client.receiver("jobs", 10)
    for number in range(5):
        client.send("jobs", number)
        world.pass_time(20.0)
        client.take()[0].settle()
    world.pass_time(100.0)
    assert world.node("jobs").acknowledged == 5 and world.node("jobs").timeouts == 0


def test_a_slow_receiver_that_drains_or_leaves_is_answered():
    world = BrokerWorld(queues={"jobs": Policy(ack_timeout=30.0)})
    client = world.client()
    receiver = client.receiver("jobs", 1)
    client.send("jobs", "a")
    world.pass_time(31.0)
    receiver.drain(5)
    world.quiet()
    assert receiver.credit == 0 and client.bodies() == ["a"]
    receiver.close()
    world.quiet()
    assert world.node("jobs").waiting == 1 and world.broker.internal_errors == 0
    assert client.bodies(client.receiver("jobs", 1)) == ["a"]
