"""The time of messages: when they expire, when they may be delivered, and when they are tried again."""

from __future__ import annotations

import pytest

from handlers.broker import Policy
from handlers.broker.nodes.backlog import FRONT
from handlers.broker.nodes.delays import AT_ONCE
from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.entry import ACKNOWLEDGED, ENTRY_COST, EXPIRED, REMOVED
from handlers.broker.nodes.envelope import read_envelope
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import PLAIN
from handlers.broker.nodes.terms import LOOKED, may_have_terms, terms
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    AtMostOnce,
    Copy,
    Message,
    ModifiedDisposition,
    Selector,
    symbol,
    timestamp,
)
from tests.broker.test_node import Looker, Reader, fill
from tests.support.brokers import BrokerWorld

NOW, TODAY = 100.0, 1_000_000.0


def queue_with(**settings):
    return Queue("q", 0, None, Policy(**settings))


def terms_of(message, policy=PLAIN):
    payload = bytes(message.encode())
    envelope = read_envelope(payload)
    return terms(policy, envelope, payload[envelope.length :], NOW, TODAY)


def annotated(**annotations):
    return {symbol(f"x-opt-delivery-{name}"): value for name, value in annotations.items()}


# -- the terms of a message


@pytest.mark.parametrize(
    ("message", "ttl", "expires"),
    [
        (Message("x"), None, 0.0),
        (Message("x", ttl=5.0), None, NOW + 5),
        (Message("x"), 7.0, NOW + 7),
        (Message("x", ttl=5.0), 7.0, NOW + 5),
        (Message("x", ttl=9.0), 7.0, NOW + 7),
        (Message("x", expiry_time=TODAY + 3), None, NOW + 3),
        (Message("x", expiry_time=TODAY + 3, ttl=5.0), 7.0, NOW + 3),
        (Message("x", expiry_time=TODAY + 8, ttl=5.0), 7.0, NOW + 5),
        (Message("x", creation_time=TODAY), None, 0.0),
        (Message("x", creation_time=TODAY, expiry_time=-62135596800.0), None, 0.0),  # DateTime.MinValue of .NET
        (Message("x", expiry_time=-1.0), None, 0.0),
        (Message("x", creation_time=TODAY, expiry_time=0.0, ttl=5.0), 7.0, NOW + 5),
    ],
)
def test_the_earliest_end_holds(message, ttl, expires):
    assert terms_of(message, Policy(ttl=ttl)) == (expires, 0.0)


def test_a_message_that_comes_late_is_for_no_consumer():
    assert terms_of(Message("x", expiry_time=TODAY - 50)) == (NOW - 50, NOW - 50)
    assert terms_of(Message("x", expiry_time=TODAY - NOW)) == (-1.0, -1.0)  # 0.0 would be never


def test_the_beginning_is_a_date_or_a_delay():
    at = timestamp(round((TODAY + 30) * 1000))
    assert terms_of(Message("x", annotations=annotated(time=at))) == (0.0, NOW + 30)
    assert terms_of(Message("x", annotations=annotated(time=int(at)))) == (0.0, NOW + 30)
    assert terms_of(Message("x", annotations=annotated(delay=2500))) == (0.0, NOW + 2.5)
    assert terms_of(Message("x", annotations=annotated(time=5))) == (0.0, 0.0)  # long ago
    assert terms_of(Message("x", annotations=annotated(delay=0))) == (0.0, 0.0)
    assert terms_of(Message("x", ttl=60.0, annotations=annotated(delay=2500))) == (NOW + 60, NOW + 2.5)


@pytest.mark.parametrize("value", ["soon", -1, True, 1.5, None])
def test_a_beginning_that_is_none_is_refused(value):
    with pytest.raises(Refused, match=r"the annotation x-opt-delivery-time is .*; it is a number of milliseconds"):
        terms_of(Message("x", annotations=annotated(time=value)))


def test_most_messages_are_not_decoded():
    def body(message):
        payload = bytes(message.encode())
        return payload[read_envelope(payload).length :]

    assert not may_have_terms(body(Message(b"x" * 100, inferred=True)))
    assert not may_have_terms(body(Message("-delivery-", id="abc", subject="s")) [:20])
    assert may_have_terms(body(Message("x", expiry_time=TODAY)))
    assert may_have_terms(body(Message("x", annotations=annotated(delay=1))))
    assert not may_have_terms(b"\x00\x53\x73" + b"x" * LOOKED + b"-delivery-")


def test_bytes_that_are_no_message_have_no_terms():
    body = b"\x00\x53\x72\xff-delivery-"
    assert may_have_terms(body) and terms(PLAIN, read_envelope(body), body, NOW, TODAY) == (0.0, 0.0)


@pytest.mark.parametrize("after", ["the end", "a restart"])
def test_a_due_message_joins_a_long_queue_without_unfolding_it(after):
    queue = queue_with()
    fill(queue, *map(str, range(3 * FRONT)))
    if after == "a restart":
        queue.restore(None, b"due", 0.0, 7, 2, 5.0)
    else:
        queue.put_later(5.0, None, b"due")
    queue.put_later(5.0, None, b"late", 5.0)
    folded = len(queue.backlog)
    assert folded == 2 * FRONT
    assert queue.expire(5.0) == queue.outcomes[EXPIRED] == 1
    assert len(queue.backlog) == folded + 1 and (queue.depth, len(queue.delays)) == (3 * FRONT + 1, 0)
    *_, last = queue.backlog.entries()
    restarted = after == "a restart"
    assert (last.body, last.redelivered, last.delivery_count) == (b"due", restarted, 2 if restarted else 0)
    assert last.number == (7 if restarted else 0)


def test_messages_that_are_due_come_in_some_at_a_time():
    queue = queue_with()
    for number in range(AT_ONCE + 3):
        queue.put_later(5.0, None, b"%d" % number)
    assert queue.expire(5.0) == 0 and queue.waiting == AT_ONCE and queue.deadline == 5.0
    assert queue.expire(5.0) == 0 and queue.waiting == AT_ONCE + 3 and queue.deadline is None
    assert queue.depth == AT_ONCE + 3


def test_what_waits_for_its_next_try_keeps_its_end_when_those_of_the_consumed_are_forgotten():
    queue = queue_with(retry_delay=10.0)
    reader = Reader(queue, 3000)
    fill(queue, "a", expires=50.0)
    reader.release("a", failed=True)
    assert queue.expire(1.0) == 0 and queue.waiting == 0
    for number in range(1500):
        fill(queue, str(number), expires=60.0)
        reader.accept(str(number))
    assert len(queue.deadlines) < 1100
    queue.grant(reader, 0)
    assert queue.expire(20.0) == 0 and queue.waiting == 1
    assert queue.expire(50.0) == queue.outcomes[EXPIRED] == 1 and queue.depth == 0


# -- the node alone: delivery later


def test_a_message_comes_in_when_it_is_due_behind_those_that_are_there():
    queue = Queue("q")
    reader = Reader(queue, 10)
    queue.put_later(5.0, None, b"later")
    queue.put_later(3.0, None, b"sooner")
    fill(queue, "now")
    assert reader.log == ["now"] and queue.deadline == 3.0
    assert (queue.depth, queue.waiting, queue.bytes) == (3, 0, 3 * ENTRY_COST + len("laternowsooner"))
    assert queue.expire(2.9) == 0 and reader.log == ["now"]
    queue.expire(3.0)
    assert reader.log == ["now", "sooner"] and queue.deadline == 5.0
    queue.expire(10.0)
    assert reader.log == ["now", "sooner", "later"] and queue.deadline is None and queue.enqueued == 3
    for text in "now", "sooner", "later":
        reader.accept(text)
    assert (queue.depth, queue.bytes, queue.pool.bytes) == (0, 0, 0)


def test_a_message_that_expires_before_it_is_due_is_for_no_consumer():
    queue = Queue("q")
    reader = Reader(queue, 10)
    queue.put_later(5.0, None, b"x", 2.0)
    assert queue.deadline == 2.0 and queue.expire(2.0) == 1
    assert queue.outcomes[EXPIRED] == 1 and reader.log == [] and queue.bytes == queue.pool.bytes == queue.depth == 0
    assert Looker(queue, 5).log == []


def test_a_queue_with_messages_for_later_is_full_with_them():
    queue = queue_with(max_length=2)
    assert queue.put_later(5.0, None, b"x")
    assert not queue.put_later(6.0, None, b"x") and queue.full


# -- the node alone: tried again later


def test_a_failed_message_waits_longer_each_time():
    queue = queue_with(retry_delay=2.0, retry_factor=3.0, retry_max=10.0)
    reader, now = Reader(queue, 10), 0.0
    fill(queue, "a")
    for seconds in (2.0, 6.0, 10.0, 10.0):
        reader.release("a", failed=True)
        assert queue.deadline == 0.0  # at once: it is to hear the time
        queue.expire(now)
        assert queue.deadline == now + seconds and queue.waiting == 0
        queue.expire(now + seconds - 0.1)
        assert not reader.held
        now += seconds
        queue.expire(now)
        assert list(reader.held) == ["a"]
    reader.accept("a")
    assert queue.outcomes[ACKNOWLEDGED] == 1 and queue.deadline is None


def test_a_released_message_waits_the_first_delay_and_keeps_its_place():
    queue = queue_with(retry_delay=2.0)
    reader = Reader(queue, 1)
    fill(queue, "a", "b", "c")
    reader.release("a")
    queue.expire(0.0)
    queue.grant(reader, 1)
    assert reader.log == ["a", "b"]
    queue.expire(2.0)
    queue.grant(reader, 2)
    assert reader.log == ["a", "b", "a", "c"]


def test_what_another_consumer_is_to_try_does_not_wait():
    queue = queue_with(retry_delay=2.0)
    one, two = Reader(queue, 1), Reader(queue)
    fill(queue, "a")
    one.release("a", again=False)
    queue.grant(two, 1)
    assert two.log == ["a"]


def test_what_a_lost_consumer_has_not_tried_does_not_wait():
    class Untried(Reader):
        def was_tried(self, key):
            return key == "a"

    queue = queue_with(retry_delay=2.0)
    lost = Untried(queue, 2)
    fill(queue, "a", "b")
    queue.leave(lost)
    reader = Reader(queue, 2)
    assert reader.log == ["b"]
    queue.expire(0.0)
    queue.expire(2.0)
    assert reader.log == ["b", "a"] and reader.counts() == {"a": 1, "b": 0}


def test_a_waiting_message_can_expire_be_removed_or_be_selected_meanwhile():
    queue = queue_with(retry_delay=9.0)
    reader = Reader(queue, 3)
    fill(queue, "a", expires=5.0)
    fill(queue, "b", "c")
    entry = reader.held["b"]
    for text in "a", "b", "c":
        reader.release(text)
    queue.expire(0.0)
    assert queue.expire(5.0) == 1 and queue.outcomes[EXPIRED] == 1
    queue.settle(entry, REMOVED)
    assert queue.deadline == 9.0 and queue.depth == 1
    queue.expire(9.0)
    assert list(reader.held) == [] and Reader(queue, 5).log == ["c"]


def test_the_longest_delay_is_a_year_where_there_is_no_other():
    policy = Policy(retry_delay=1.0, retry_factor=10.0)
    assert policy.pause(0) == policy.pause(1) == 1.0 and policy.pause(3) == 100.0
    assert policy.pause(50) == policy.pause(10_000) == 366 * 86400


# -- in a broker


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    """Opens one store again and again."""
    memory = MemoryStore()
    return (lambda: memory) if request.param == "memory" else (lambda: SqliteStore(tmp_path / "store"))


def restarted(world, store, seconds=0.0):
    world.crash()
    world.network.clock.advance(seconds)
    world.options["store"] = store()
    world.start()
    return world.client()


def test_a_delayed_message_is_delivered_when_it_is_time():
    world = BrokerWorld()
    client = world.client()
    receiver = client.receiver("jobs", 10)
    client.send("jobs", "later", annotations=annotated(delay=5000))
    at = timestamp(round((world.container.today() + 3) * 1000))
    client.send("jobs", "sooner", annotations=annotated(time=at))
    client.send("jobs", "now")
    assert client.outcomes == [ACCEPTED] * 3 and client.bodies(receiver) == ["now"]
    node = world.node("jobs")
    assert (node.depth, node.delayed, node.waiting) == (3, 2, 0)
    world.pass_time(3.1)
    assert client.bodies(receiver) == ["now", "sooner"]
    world.pass_time(2.0)
    assert client.bodies(receiver) == ["now", "sooner", "later"] and world.node("jobs").delayed == 0


def test_the_broker_says_that_it_delays():
    client = BrokerWorld().client()
    assert "DELAYED_DELIVERY" in client.connection.remote_offered_capabilities


def test_a_delay_goes_on_over_a_crash(store):
    world = BrokerWorld(store=store())
    client = world.client()
    client.send("jobs", "later", durable=True, annotations=annotated(delay=10_000))
    client.send("jobs", "expires", durable=True, ttl=8.0, annotations=annotated(delay=10_000))
    client = restarted(world, store, 4.0)
    receiver = client.receiver("jobs", 10)
    assert client.bodies(receiver) == [] and world.node("jobs").delayed == 2
    world.pass_time(5.0)
    assert client.bodies(receiver) == [] and world.node("jobs").expired == 1
    world.pass_time(2.0)
    assert client.bodies(receiver) == ["later"]
    client = restarted(world, store)
    assert client.bodies(client.receiver("jobs", 10)) == ["later"]
    world.broker.close()


def test_a_message_waits_before_it_is_tried_again_also_over_a_crash(store):
    world = BrokerWorld(queues={"jobs": Policy(retry_delay=10.0)}, store=store())
    client = world.client()
    client.send("jobs", "a", durable=True)
    client.receiver("jobs", 5)
    (one,) = client.take()
    one.delivery.local.failed = True
    one.settle(MODIFIED)
    world.pass_time(1.0)
    assert client.bodies() == [] and world.node("jobs").delayed == 1
    client = restarted(world, store, 4.0)
    receiver = client.receiver("jobs", 5)
    assert client.bodies(receiver) == [] and world.node("jobs").delayed == 1
    world.pass_time(4.0)
    assert client.bodies(receiver) == []
    world.pass_time(2.0)
    assert [(one.body, one.message.delivery_count) for one in client.inbox] == [("a", 1)]
    world.broker.close()


def test_a_receiver_that_drains_does_not_wait_for_delayed_messages():
    world = BrokerWorld(queues={"jobs": Policy(retry_delay=10.0)})
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1)
    client.take()[0].settle(RELEASED)
    world.quiet()
    receiver.drain(5)
    world.quiet()
    assert receiver.credit == 0 and client.bodies() == []


def test_the_queue_has_a_time_to_live_for_all_its_messages():
    world = BrokerWorld(queues={"jobs": Policy(ttl=10.0, dead_letter="dead")}, topics={"news": Policy(ttl=5.0)})
    client = world.client()
    client.receiver("news")
    client.send("jobs", "a")
    client.send("jobs", "b", ttl=3.0)
    client.send("news", "c")
    world.pass_time(4.0)
    assert (world.node("jobs").depth, world.node("dead").depth, world.node("news").depth) == (1, 1, 1)
    world.pass_time(7.0)
    assert (world.node("jobs").depth, world.node("dead").depth, world.node("news").depth) == (0, 2, 0)
    assert world.node("jobs").expired == 2 and world.node("news").expired == 1


def test_a_message_that_comes_after_its_absolute_end_is_accepted_and_for_no_consumer():
    world = BrokerWorld(queues={"jobs": Policy(dead_letter="dead")})
    client = world.client()
    receiver = client.receiver("jobs", 10)
    today = world.container.today()
    client.send("jobs", "late", expiry_time=today - 5)
    client.send("jobs", "soon", expiry_time=today + 5)
    assert client.bodies(receiver) == ["soon"] and client.outcomes == [ACCEPTED] * 2
    node = world.node("jobs")
    assert (node.expired, node.dead_lettered, node.depth) == (1, 1, 1)


def test_a_queue_of_dead_letters_can_bring_them_back_after_a_while():
    world = BrokerWorld(
        queues={"jobs": Policy(dead_letter="later"), "later": Policy(ttl=10.0, dead_letter="jobs")},
        store=MemoryStore(),
    )
    client = world.client()
    client.send("jobs", "a", durable=True)
    client.receiver("jobs", 10)
    for _ in range(3):
        client.take()[0].settle(REJECTED)
        world.quiet()
        assert client.bodies() == [] and world.node("later").depth == 1
        world.pass_time(11.0)
        assert client.bodies() == ["a"]


def test_a_selecting_consumer_gets_delayed_messages_too():
    world = BrokerWorld(queues={"jobs": Policy(retry_delay=5.0)})
    client = world.client()
    receiver = client.receiver("jobs", 5, options=Selector("colour = 'green'"))
    client.send("jobs", "a", properties={"colour": "green"}, annotations=annotated(delay=1000))
    client.send("jobs", "b", properties={"colour": "red"})
    world.pass_time(1.5)
    client.take(receiver)[0].settle(RELEASED)
    world.quiet()
    assert client.bodies(receiver) == []
    world.pass_time(6.0)
    assert client.bodies(receiver) == ["a"]


def test_a_beginning_that_is_none_is_refused_by_the_broker():
    world = BrokerWorld()
    client = world.client()
    client.send("jobs", "a", annotations=annotated(time="soon"))
    assert client.outcomes == [REJECTED] and client.conditions[0].name == "amqp:invalid-field"


def test_a_consumer_can_name_the_time_of_the_next_attempt():
    world = BrokerWorld(store=MemoryStore())
    client = world.client()
    receiver = client.receiver("jobs", 10)
    client.send("jobs", "a", durable=True)
    for value in (timestamp(round((world.container.today() + 5) * 1000)), "soon"):
        (one,) = client.take(receiver)
        one.delivery.local.annotations = annotated(time=value)
        one.settle(MODIFIED)
        world.quiet()
        if value != "soon":
            assert client.bodies() == [] and world.node("jobs").delayed == 1
            world.pass_time(4.0)
            assert client.bodies() == []
            world.pass_time(2.0)
    assert client.bodies(receiver) == ["a"]  # the second one is no time: at once
    assert client.inbox[0].message.annotations[symbol("x-opt-delivery-time")] == "soon"


FAR = 2**63 - 1
"""Milliseconds: the last timestamp that there is, and more than a date of a store can be."""


@pytest.mark.parametrize("name", ["time", "delay"])
def test_a_beginning_that_never_comes_is_no_fault_of_other_messages(name, store):
    world = BrokerWorld(queues=["jobs"], store=store())
    odd, other = world.client(), world.client()
    sender = other.sender("jobs")
    late = odd.sender("jobs")
    late.send(Message("never", durable=True, annotations=annotated(**{name: FAR})))
    sender.send(Message("now", durable=True))  # written with the same commit
    world.quiet()
    assert odd.outcomes == other.outcomes == [ACCEPTED]
    assert world.broker.overview().internal_errors == 0
    client = restarted(world, store)
    client.receiver("jobs", credit=2)
    assert client.bodies() == ["now"] and world.node("jobs").depth == 2


def test_a_pause_that_never_ends_is_no_fault(store):
    world = BrokerWorld(queues=["jobs"], store=store())
    client = world.client()
    client.send("jobs", "again", durable=True)
    client.receiver("jobs", credit=2)
    state = ModifiedDisposition(failed=True, annotations=annotated(time=FAR))
    client.take()[0].settle(state)
    client.send("jobs", "next", durable=True)
    assert client.outcomes == [ACCEPTED, ACCEPTED] and client.bodies() == ["next"]
    assert world.broker.overview().internal_errors == 0
    client = restarted(world, store)
    client.receiver("jobs", credit=2)
    assert client.bodies() == ["next"]


@pytest.mark.parametrize("policy", [Policy(ttl=60 * 86400.0), Policy(ttl=1e300), PLAIN])
def test_an_end_that_no_header_has_room_for(policy, store):
    """A time to live in a header is of 49 days at most."""
    world = BrokerWorld(queues={"jobs": policy}, store=store())
    client = world.client()
    today = world.broker.today()
    client.send("jobs", "x", durable=True, expiry_time=today + 60 * 86400.0 if policy is PLAIN else None)
    assert client.outcomes == [ACCEPTED]
    client = restarted(world, store)
    receiver = client.receiver("jobs", credit=1)
    assert client.errors == [] and client.bodies() == ["x"]
    assert not client.inbox[0].message.ttl
    client.take()[0].settle(RELEASED)
    client.receiver("jobs", credit=1, options=Copy())
    receiver.close()
    client.receiver("jobs", credit=1, options=AtMostOnce())
    assert client.errors == [] and client.bodies()[-1] == "x"
    assert world.broker.overview().internal_errors == 0
