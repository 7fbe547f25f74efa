"""Dead letters: what becomes of messages that leave their queue unaccepted, the words on them, and their store."""

from __future__ import annotations

import pytest

from handlers.broker import Policy
from handlers.broker.dead_letters import AT_ONCE
from handlers.broker.nodes.deaths import Grave, dead_letter, is_cycle
from handlers.broker.nodes.envelope import read_envelope
from handlers.broker.nodes.exchange import Binding
from handlers.broker.store.interface import StoreError
from handlers.broker.store.memory import MemoryStore
from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    UNDESCRIBED,
    Array,
    Condition,
    Data,
    Message,
    symbol,
    timestamp,
    ulong,
)
from tests.support.brokers import BrokerWorld


def world_with(store=None, **policies):
    options = {} if store is None else {"store": store}
    return BrokerWorld(queues={name: Policy(**settings) for name, settings in policies.items()}, **options)


def dealt(client, address, state, count=1, failed=False):
    """Take messages, and settle them with this outcome."""
    receiver = client.receiver(address, count)
    for received in client.take(receiver):
        received.delivery.local.failed = failed
        received.settle(state)
    client.world.quiet()
    receiver.close()
    client.world.quiet()


def buried(client, address="dead", credit=10):
    """The messages that a receiver finds at the dead letter address, as (body, reasons)."""
    receiver = client.receiver(address, credit)
    return [
        (one.body, [str(death["reason"]) for death in one.message.annotations[symbol("x-opt-deaths")]])
        for one in client.take(receiver)
    ]


# -- the words on them


def test_the_annotations_of_a_dead_letter_are_those_of_rabbitmq():
    message = Message("x", subject="green", ttl=5.0, durable=True, annotations={symbol("x-mine"): 7})
    payload, deaths = dead_letter(bytes(message.encode()), Grave("jobs"), "expired", 1234.5)
    letter = Message.from_bytes(payload)
    death = {
        "queue": "jobs",
        "reason": symbol("expired"),
        "count": ulong(1),
        "first-time": timestamp(1_234_500),
        "last-time": timestamp(1_234_500),
        "exchange": "",
        "routing-keys": Array(UNDESCRIBED, Data.STRING, "jobs"),
        "ttl": 5000,
    }
    assert letter.annotations == {
        "x-mine": 7,
        "x-opt-deaths": Array(UNDESCRIBED, Data.MAP, death),
        "x-first-death-reason": "expired",
        "x-first-death-queue": "jobs",
        "x-first-death-exchange": "",
        "x-last-death-reason": "expired",
        "x-last-death-queue": "jobs",
        "x-last-death-exchange": "",
    }
    assert all(type(key) is symbol for key in letter.annotations["x-opt-deaths"][0])
    assert letter.durable and not letter.ttl and letter.body == "x" and letter.subject == "green"
    assert deaths == [death]


def test_the_newest_death_comes_first_and_the_same_again_is_counted():
    payload = bytes(Message("x", subject="green").encode())
    payload, _ = dead_letter(payload, Grave("news -> a", "news"), "rejected", 1.0)
    payload, _ = dead_letter(payload, Grave("dead"), "expired", 2.0)
    payload, deaths = dead_letter(payload, Grave("news -> a", "news"), "rejected", 3.0)
    rows = [(death["queue"], death["reason"], death["count"], death["first-time"]) for death in deaths]
    assert rows == [("news -> a", "rejected", 2, 1000), ("dead", "expired", 1, 2000)]
    assert deaths[0]["last-time"] == 3000 and deaths[0]["exchange"] == "news"
    assert list(deaths[0]["routing-keys"]) == ["green"]
    annotations = Message.from_bytes(payload).annotations
    assert annotations["x-first-death-queue"] == annotations["x-last-death-queue"] == "news -> a"
    assert annotations["x-first-death-exchange"] == "news"


@pytest.mark.parametrize("made_up", [5, "x", [{"queue": "jobs"}], Array(UNDESCRIBED, Data.INT, 1, 2), {"a": 1}])
def test_deaths_that_a_client_has_made_up_do_no_harm(made_up):
    payload = bytes(Message("x", annotations={symbol("x-opt-deaths"): made_up}).encode())
    payload, deaths = dead_letter(payload, Grave("jobs"), "maxlen", 1.0)
    assert [death["reason"] for death in deaths] == ["maxlen"]
    count = Array(UNDESCRIBED, Data.MAP, {symbol("queue"): "jobs", symbol("reason"): "maxlen", symbol("count"): "many"})
    payload = bytes(Message("x", annotations={symbol("x-opt-deaths"): count}).encode())
    payload, deaths = dead_letter(payload, Grave("jobs"), "maxlen", 1.0)
    assert deaths[0]["count"] == 1


def test_bytes_that_are_no_message_stay_as_they_are():
    assert dead_letter(b"\x00\x53\x75\xa0\x05abc", Grave("q"), "expired", 1.0) == (b"\x00\x53\x75\xa0\x05abc", [])


def test_a_cycle_needs_the_same_queue_and_no_rejection_since():
    def deaths(*rows):
        return [{"queue": queue, "reason": reason} for queue, reason in rows]

    assert not is_cycle("dead", [])
    assert not is_cycle("dead", deaths(("jobs", "expired")))
    assert is_cycle("jobs", deaths(("jobs", "expired")))
    assert is_cycle("jobs", deaths(("dead", "expired"), ("jobs", "maxlen"), ("x", "rejected")))
    assert not is_cycle("jobs", deaths(("dead", "expired"), ("jobs", "rejected")))
    assert not is_cycle("jobs", deaths(("dead", "rejected"), ("jobs", "expired")))


# -- in a broker


def test_R4_a_rejected_message_goes_to_the_dead_letter_address(caplog):
    world = world_with(jobs={"dead_letter": "dead"})
    client = world.client()
    client.send("jobs", "a", "b")
    receiver = client.receiver("jobs", 1)
    (one,) = client.take()
    one.delivery.local.condition = Condition("x:bad", "it cannot be")
    one.settle(REJECTED)
    world.quiet()
    assert "'jobs': message 1 rejected by link" in caplog.text and "sent to 'dead': x:bad: it cannot be" in caplog.text
    assert buried(client) == [("a", ["rejected"])]
    node = world.node("jobs")
    assert (node.rejected, node.dead_lettered, node.undelivered, node.depth) == (1, 1, 0, 1)
    assert receiver.credit == 0


def test_an_expired_message_goes_there_without_its_time_to_live():
    world = world_with(jobs={"dead_letter": "dead"})
    client = world.client()
    client.send("jobs", "a", ttl=5.0)
    world.pass_time(6.0)
    world.pass_time(1000.0)
    assert world.node("jobs").expired == 1 and world.node("dead").depth == 1
    client.receiver("dead", 1)
    (one,) = client.take()
    assert not one.message.ttl and one.message.annotations[symbol("x-opt-deaths")][0]["ttl"] == 5000


def test_a_message_that_makes_room_goes_there():
    world = world_with(jobs={"dead_letter": "dead", "max_length": 2, "overflow": "drop-oldest"})
    client = world.client()
    client.send("jobs", 1, 2, 3, 4)
    assert buried(client) == [(1, ["maxlen"]), (2, ["maxlen"])]


def test_R12_a_message_that_fails_too_often_goes_to_the_dead_letter_address(caplog):
    world = world_with(jobs={"dead_letter": "dead", "max_deliveries": 3})
    client = world.client()
    client.send("jobs", "a")
    for _ in range(2):
        dealt(client, "jobs", MODIFIED, failed=True)
        dealt(client, "jobs", RELEASED)  # which does not count
    assert world.node("jobs").depth == 1
    dealt(client, "jobs", MODIFIED, failed=True)
    assert buried(client) == [("a", ["delivery_limit"])]
    assert world.node("jobs").exhausted == 1 and "message 1 has failed 3 times, sent to 'dead'" in caplog.text
    client.receiver("dead")
    assert world.node("dead").depth == 1


def test_a_consumer_that_is_lost_has_failed():
    world = world_with(jobs={"max_deliveries": 2})
    world.client().send("jobs", "a")
    for depth in (1, 0):
        client = world.client()
        client.receiver("jobs", 1)
        client.vanish()
        assert world.node("jobs").depth == depth
    assert world.node("jobs").exhausted == 1 and world.node("jobs").dead_lettered == 0


def test_the_attempts_begin_anew_at_the_dead_letter_address():
    world = world_with(jobs={"dead_letter": "dead", "max_deliveries": 1}, dead={"max_deliveries": 2})
    client = world.client()
    client.send("jobs", "a")
    dealt(client, "jobs", MODIFIED, failed=True)
    client.receiver("dead", 1)
    (one,) = client.take()
    assert one.message.delivery_count == 0 and one.message.first_acquirer
    one.delivery.local.failed = True
    one.settle(MODIFIED)
    world.quiet()
    assert world.node("dead").depth == 1


def test_a_subscription_has_dead_letters_of_its_own():
    world = BrokerWorld(topics={"news": Policy(dead_letter="dead")})
    client = world.client()
    receiver = client.receiver("news", 1)
    client.send("news", "a", subject="weather")
    client.take(receiver)[0].settle(REJECTED)
    world.quiet()
    client.receiver("dead", 1)
    (one,) = client.take()
    assert one.message.annotations["x-first-death-exchange"] == "news"
    assert list(one.message.annotations["x-opt-deaths"][0]["routing-keys"]) == ["weather"]
    assert world.node("news").dead_lettered == 1


# -- addresses that do not take them


@pytest.mark.parametrize(
    ("dead", "text"),
    [
        (None, "no node 'dead'"),
        ({"max_length": 1, "overflow": "reject"}, "'dead' is full"),
    ],
)
def test_a_dead_letter_that_is_not_taken_is_logged_counted_and_dropped(dead, text, caplog):
    policies = {"jobs": Policy(dead_letter="dead"), **({} if dead is None else {"dead": Policy(**dead)})}
    store = MemoryStore()
    world = BrokerWorld(queues=policies, auto_create=False, store=store)
    client = world.client()
    if dead is not None:
        client.send("dead", "first", durable=True)
    client.send("jobs", "a", durable=True)
    dealt(client, "jobs", REJECTED)
    node = world.node("jobs")
    assert (node.rejected, node.dead_lettered, node.undelivered, node.depth) == (1, 0, 1, 0)
    assert f"'jobs': message 1, rejected, is dropped: 'dead': {text}" in caplog.text
    assert [message.body for message in store.messages() if b"a" in message.body[-1:]] == []


def test_a_message_does_not_go_round_by_itself(caplog):
    world = world_with(jobs={"dead_letter": "dead"}, dead={"dead_letter": "jobs"})
    client = world.client()
    client.send("jobs", "a", ttl=1.0)
    world.pass_time(2.0)
    dealt(client, "dead", REJECTED)  # by a consumer: once more
    assert world.node("jobs").depth == 1
    dealt(client, "jobs", REJECTED)
    assert world.node("dead").depth == 1
    assert "been there before" not in caplog.text
    itself = world_with(jobs={"dead_letter": "jobs"})
    itself.client().send("jobs", "a", ttl=1.0)
    itself.pass_time(2.0)
    node = itself.node("jobs")
    assert (node.expired, node.undelivered, node.depth) == (1, 1, 0)
    assert "'jobs': it has been there before, and no consumer has rejected it since" in caplog.text


# -- in the store


class Watched(MemoryStore):
    """A store that can fail, and remembers the messages after each commit."""

    def __init__(self):
        super().__init__()
        self.fails = False
        self.seen = []

    def commit(self, groups):
        if self.fails:
            return [StoreError("no room", full=True) for _ in groups]
        outcomes = super().commit(groups)
        names = {node.number: node.name for node in self.nodes()}
        self.seen.append([names[message.queue] for message in self.messages()])
        return outcomes


def test_a_dead_letter_is_in_one_of_its_queues_after_every_commit():
    store = Watched()
    world = world_with(store, jobs={"dead_letter": "dead", "max_deliveries": 1})
    client = world.client()
    client.send("jobs", "a", durable=True)
    dealt(client, "jobs", MODIFIED, failed=True)
    assert store.seen[0] == ["jobs"] and store.seen[-1] == ["dead"]
    assert all(len(queues) == 1 for queues in store.seen)
    world.crash()
    world.start()
    assert world.node("jobs").depth == 0
    assert buried(world.client()) == [("a", ["delivery_limit"])]


def test_a_crash_before_the_commit_leaves_it_where_it_was():
    store = Watched()
    world = world_with(store, jobs={"dead_letter": "dead"})
    client = world.client()
    client.send("jobs", "a", "b", durable=True)
    store.fails = True
    dealt(client, "jobs", REJECTED)
    assert (world.node("jobs").depth, world.node("dead").depth) == (1, 0)
    world.crash()
    store.fails = False
    world.start()
    assert (world.node("jobs").depth, world.node("dead").depth) == (2, 0)


def test_a_dead_letter_that_the_disk_has_no_room_for_is_tried_until_it_has():
    store = Watched()
    world = world_with(store, jobs={"dead_letter": "dead"})
    client = world.client()
    client.send("jobs", "a", durable=True)
    store.fails = True
    dealt(client, "jobs", REJECTED)
    world.pass_time(5.0)
    assert world.node("dead").depth == 0
    store.fails = False
    world.pass_time(2.0)
    assert world.node("dead").depth == 1 and world.node("jobs").dead_lettered == 1
    world.crash()
    world.start()
    assert (world.node("jobs").depth, world.node("dead").depth) == (0, 1)


def test_a_dead_letter_without_a_number_in_the_store_is_tried_again():
    store = Watched()
    world = world_with(store, jobs={"dead_letter": "dead"})
    client = world.client()
    client.send("jobs", "a", durable=True)
    give, store.new_number = store.new_number, lambda: (_ for _ in ()).throw(StoreError("no room", full=True))
    dealt(client, "jobs", REJECTED)
    assert world.node("dead").depth == 0 and store.seen[-1] == ["jobs"]
    store.new_number = give
    world.pass_time(2.0)
    assert world.node("dead").depth == 1 and store.seen[-1] == ["dead"]


def test_a_dead_letter_for_a_node_that_is_not_kept_leaves_the_store():
    store = Watched()
    world = world_with(store, jobs={"dead_letter": "dead"}, dead={"durable": False})
    client = world.client()
    client.send("jobs", "a", durable=True)
    dealt(client, "jobs", REJECTED)
    assert world.node("dead").depth == 1 and store.seen[-1] == []


def test_a_broker_that_stops_takes_its_dead_letters_along():
    store = Watched()
    world = world_with(store, jobs={"dead_letter": "dead"})
    client = world.client()
    client.send("jobs", "a", durable=True)
    queue = world.broker.directory.records["jobs"].node
    queue.discard(queue.root.after, 1)
    world.broker.shut_down()
    assert store.seen[-1] == ["dead"]
    assert client.outcomes == [ACCEPTED]


def test_a_topic_can_be_the_dead_letter_address():
    store = Watched()
    world = BrokerWorld(queues={"jobs": Policy(dead_letter="dead")}, topics=["dead"], store=store)
    client = world.client()
    client.send("jobs", "a", "b", durable=True)
    dealt(client, "jobs", REJECTED)
    assert world.node("jobs").undelivered == 1 and store.seen[-1] == ["jobs"]
    receiver = client.receiver("dead", 10)
    dealt(client, "jobs", REJECTED)
    assert client.bodies(receiver) == ["b"] and store.seen[-1] == []
    assert world.node("jobs").dead_lettered == 1


def test_many_dead_letters_take_several_turns_and_keep_their_order():
    world = world_with(jobs={"dead_letter": "dead", "ttl": 5.0})
    queue = world.broker.directory.records["jobs"].node
    envelope = read_envelope(b"")
    for number in range(3 * AT_ONCE + 1):
        queue.put(envelope, bytes(Message(number).encode()), world.broker.now() + 5.0)
    world.broker.alarms.watch(queue, 1.0)
    world.pass_time(6.0)
    client = world.client()
    receiver = client.receiver("dead", 5000)
    assert client.bodies(receiver) == list(range(3 * AT_ONCE + 1))
    assert world.node("jobs").dead_lettered == 3 * AT_ONCE + 1


@pytest.mark.parametrize("garbage", [b"\x00\x53\x72\xff\xff", bytes(Message("cut").encode())[:-1]])
@pytest.mark.parametrize("ring", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "/exchanges/amq.fanout"}])
def test_bytes_that_are_no_message_do_not_go_round(garbage, ring, caplog):
    """They have no annotations by which to know that they have been there."""
    settings = {"max_length": 1, "overflow": "drop-oldest"}
    world = world_with(**{name: {"dead_letter": to, **settings} for name, to in ring.items()})
    world.broker.directory.exchanges.bind(Binding("amq.fanout", "a", False, ""))
    client = world.client()
    sender = client.sender("a")
    for _ in range(3):
        sender.transmit(garbage)
    world.quiet()
    assert client.outcomes == [ACCEPTED] * 3 and (world.node("a").depth, world.node("a").enqueued) == (1, 3)
    assert "it is no message that could be marked, and 'a' would send it on" in caplog.text or "b" in ring


def test_bytes_that_are_no_message_come_to_a_queue_where_they_stay():
    world = world_with(a={"dead_letter": "b", "max_length": 1, "overflow": "drop-oldest"}, b={})
    client = world.client()
    sender = client.sender("a")
    for _ in range(2):
        sender.transmit(b"\x00\x53\x72\xff\xff")
    world.quiet()
    assert world.node("a").depth == world.node("b").depth == 1


def test_bytes_that_are_no_message_and_were_rejected_come_to_a_queue_for_another_try():
    world = world_with(a={"dead_letter": "b"}, b={"dead_letter": "a", "ttl": 1.0})
    client = world.client()
    client.sender("a").transmit(bytes(Message("cut").encode())[:-1])
    world.quiet()
    client.receiver("a", 1)  # the library rejects what it cannot decode
    world.quiet()
    assert world.node("a").rejected == 1 and (world.node("a").depth, world.node("b").depth) == (0, 1)
    world.pass_time(2.0)
    assert (world.node("a").depth, world.node("b").depth) == (0, 0)  # it would go round
