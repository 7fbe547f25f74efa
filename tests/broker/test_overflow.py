"""Queues with a most of messages or bytes: no credit, a rejection, or the oldest message makes room."""

from __future__ import annotations

import logging

import pytest

from handlers.broker import Policy
from handlers.broker.nodes.entry import ACKNOWLEDGED, DISPLACED, ENTRY_COST
from handlers.broker.nodes.gate import Overflow
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.topic import Topic
from handlers.broker.store.memory import MemoryStore
from reactor import ACCEPTED, REJECTED, Message, Selector, symbol
from tests.broker.test_node import Filler, Looker, Reader, fill
from tests.support.brokers import BrokerWorld

EXCEEDED = "amqp:resource-limit-exceeded"


def queue_with(**settings):
    return Queue("q", 0, None, Policy(**settings))


def left(queue):
    """The texts in a queue, in order."""
    return Looker(queue, 1000).log


# -- the node alone: hold


def test_a_producer_waits_at_the_most_of_messages_and_goes_on_at_half_of_it():
    queue, filler = queue_with(max_length=4), Filler()
    assert [queue.put(None, text) for text in (b"a", b"b", b"c", b"d")] == [True, True, True, False]
    assert queue.full
    queue.block(filler)
    reader = Reader(queue, 4)
    reader.accept("a")
    assert not queue.full and not filler.resumed
    reader.accept("b")
    assert filler.resumed == 1


# -- drop-oldest


def test_the_oldest_message_makes_room_for_a_new_one():
    queue = queue_with(max_length=3, overflow="drop-oldest")
    for number in range(7):
        assert queue.put(None, b"%d" % number) and not queue.full
    assert left(queue) == ["4", "5", "6"]
    assert queue.outcomes[DISPLACED] == 4 and queue.depth == 3 and queue.bytes == 3 * (ENTRY_COST + 1)


def test_the_oldest_messages_make_room_for_a_large_one():
    queue = queue_with(max_bytes=3 * ENTRY_COST + 100, overflow="drop-oldest")
    fill(queue, "a", "b", "c", "d" * 90, "e" * 10_000, "f")
    assert left(queue) == ["f"]
    assert queue.outcomes[DISPLACED] == 5


def test_a_message_larger_than_the_queue_is_kept_until_the_next_comes():
    queue = queue_with(max_bytes=10, overflow="drop-oldest")
    fill(queue, "a" * 100)
    assert left(queue) == ["a" * 100] and queue.outcomes[DISPLACED] == 0


def test_messages_with_consumers_stay_and_the_newest_comes_in():
    queue = queue_with(max_length=2, overflow="drop-oldest")
    reader = Reader(queue, 2)
    fill(queue, "a", "b", "c", "d")
    assert reader.log == ["a", "b"] and left(queue) == ["d"] and queue.outcomes[DISPLACED] == 1
    reader.release("a")
    reader.accept("b")
    fill(queue, "e", "f")
    assert left(queue) == ["e", "f"]
    assert queue.outcomes[DISPLACED] == 3 and queue.outcomes[ACKNOWLEDGED] == 1


def test_dropped_messages_leave_nothing_behind():
    queue = queue_with(max_length=5, overflow="drop-oldest")
    for number in range(10_000):
        queue.put(None, b"%d" % number, 1e9)
    assert len(queue.index.fresh) <= 12 and len(queue.deadlines) <= 1100


# -- reject


def test_a_full_queue_lets_no_message_in():
    queue = queue_with(max_length=2, overflow="reject")
    for _ in range(2):
        queue.gate.admit(None, b"x")
        assert queue.put(None, b"x")
    assert not queue.full  # its producers do not wait
    with pytest.raises(Overflow, match=r"^'q' is full: 2 messages, the most are 2$") as caught:
        queue.gate.admit(None, b"x")
    assert caught.value.first
    with pytest.raises(Overflow) as caught:
        queue.gate.admit(None, b"x")
    assert not caught.value.first and queue.gate.refused == 2
    queue.settle(queue.root.after)
    queue.gate.admit(None, b"x")


def test_bytes_and_messages_that_are_under_way_count():
    queue = queue_with(max_bytes=2 * ENTRY_COST, overflow="reject")
    queue.put(None, b"x")
    queue.gate.admit(None, b"y")
    queue.gate.expect(b"y")
    with pytest.raises(Overflow, match="'q' is full: 1202 bytes, the most are 1200"):
        queue.gate.admit(None, b"z")
    queue.gate.arrived(b"y")
    queue.gate.admit(None, b"z")


def test_a_topic_lets_in_what_each_subscription_that_wants_it_lets_in():
    class Green:
        text = "green"

        def selects(self, entry):
            return entry.body == b"green"

    topic = Topic("news", 0, None, Policy(max_length=2, overflow="reject"))
    topic.gate.admit(None, b"x")  # for no subscription
    all_of_it = topic.subscribe("all")
    green = topic.subscribe("green", Green())
    for body in (b"red", b"red"):
        topic.gate.admit(None, body)
        topic.put(None, body)
    with pytest.raises(Overflow, match="'all' is full"):
        topic.gate.admit(None, b"red")
    all_of_it.settle(all_of_it.root.after)
    for body in (b"green", b"green"):
        green.put(None, body)
    topic.gate.admit(None, b"red")
    with pytest.raises(Overflow, match="'green' is full"):
        topic.gate.admit(None, b"green")


# -- in a broker


def test_senders_are_rejected_with_the_reason(caplog):
    world = BrokerWorld(queues={"jobs": Policy(max_length=2, overflow="reject")})
    client = world.client()
    with caplog.at_level(logging.WARNING, "handlers.broker"):
        client.send("jobs", *range(5))
    assert client.outcomes == [ACCEPTED, ACCEPTED, REJECTED, REJECTED, REJECTED]
    condition = client.conditions[-1]
    assert condition.name == EXCEEDED and condition.description == "'jobs' is full: 2 messages, the most are 2"
    assert condition.info == {symbol("queue"): "jobs", symbol("reason"): symbol("maxlen")}
    node = world.node("jobs")
    assert (node.depth, node.refused, world.broker.refused) == (2, 3, 3)
    assert len(caplog.records) == 1  # not for each of them
    client.receiver("jobs", 1)
    client.take()[0].settle()
    client.send("jobs", "again")
    assert client.outcomes[-1] == ACCEPTED


def test_messages_for_the_disk_do_not_pass_the_bound_together():
    world = BrokerWorld(queues={"jobs": Policy(max_length=3, overflow="reject")}, store=MemoryStore())
    client = world.client()
    sender = client.sender("jobs")
    for number in range(8):
        sender.send(Message(number, durable=number % 2 == 0))
    world.quiet()
    assert client.outcomes.count(ACCEPTED) == 3 and client.outcomes.count(REJECTED) == 5
    assert world.node("jobs").depth == 3


def test_the_oldest_of_the_disk_is_dropped_for_good(caplog):
    store = MemoryStore()
    world = BrokerWorld(queues={"jobs": Policy(max_length=2, overflow="drop-oldest")}, store=store)
    client = world.client()
    client.send("jobs", *range(5), durable=True)
    assert client.outcomes == [ACCEPTED] * 5
    assert world.node("jobs").displaced == 3 and len(list(store.messages())) == 2
    assert caplog.messages == ["'jobs' is full: its oldest messages are dropped"]
    world.crash()
    world.start()
    client = world.client()
    assert client.bodies(client.receiver("jobs", 10)) == [3, 4]


def test_held_producers_pass_a_small_bound_by_little():
    world = BrokerWorld(queues={"jobs": Policy(max_length=4)})
    client = world.client()
    sender = client.sender("jobs")
    for number in range(100):
        sender.send(Message(number))
    world.quiet()
    assert world.node("jobs").depth == 4
    receiver = client.receiver("jobs", 100)
    while client.inbox:
        for received in client.take():
            received.settle()
        world.quiet()
    assert client.outcomes == [ACCEPTED] * 100 and world.node("jobs").acknowledged == 100
    assert receiver.credit == 0


def test_a_subscription_that_is_full_refuses_for_its_topic_unless_it_does_not_want_the_message():
    world = BrokerWorld(topics={"news": Policy(max_length=1, overflow="reject")})
    client = world.client()
    client.receiver("news")
    client.receiver("news", options=Selector("colour = 'green'"))
    client.send("news", "a", properties={"colour": "red"})
    client.send("news", "b", properties={"colour": "green"})
    assert client.outcomes == [ACCEPTED, REJECTED] and world.node("news").refused == 1
