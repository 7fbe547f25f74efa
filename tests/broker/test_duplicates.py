"""Messages that are sent again: known by their ids, accepted, and dropped."""

from __future__ import annotations

from uuid import UUID

import pytest

from handlers.broker import Policy
from handlers.broker.nodes.duplicates import Duplicates, key_of
from handlers.broker.nodes.gate import Overflow, let_in
from handlers.broker.nodes.node import Queue
from handlers.broker.store.interface import ForgetId, RememberId, RemoveNode, StoreError
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import ACCEPTED, REJECTED, Message, ulong
from tests.support.brokers import BrokerWorld


def body(identity):
    return bytes(Message("x", id=identity).encode())


# -- the node alone


def test_the_last_ids_are_known():
    known = Duplicates(3)
    for number, key in enumerate([b"a", b"b", b"c", b"d"], 1):
        known.remember(key, number)
    assert [key in known for key in (b"a", b"b", b"c", b"d", None)] == [False, True, True, True, False]
    assert len(known) == 3 and known.evicted == [1]
    known.forget(b"b")
    known.forget(None)
    assert b"b" not in known and len(known) == 2


def test_ids_of_different_types_are_different():
    identity = UUID(int=7)
    keys = [key_of(body(one)) for one in ("7", ulong(7), identity, b"7", identity.bytes, str(identity), "n7")]
    assert len(set(keys)) == len(keys) and None not in keys
    assert key_of(body("7")) == key_of(body("7"))
    assert key_of(body(None)) is None and key_of(b"\x00\x53\x73\xff") is None


def test_a_message_that_has_come_before_is_not_let_in_even_where_the_queue_is_full():
    queue = Queue("q", 0, None, Policy(duplicate_window=10, max_length=1, overflow="reject"))
    assert let_in(queue.gate, None, body("a"))
    queue.put(None, body("a"))
    assert not let_in(queue.gate, None, body("a")) and queue.gate.duplicates.count == 1
    for _ in range(2):  # what was refused has not come
        with pytest.raises(Overflow):
            let_in(queue.gate, None, body("b"))
    queue.settle(queue.root.after)
    assert let_in(queue.gate, None, body("b")) and not let_in(queue.gate, None, body("a"))


# -- in a broker


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    memory = MemoryStore()
    return (lambda: memory) if request.param == "memory" else (lambda: SqliteStore(tmp_path / "store"))


def test_a_store_remembers_ids_until_they_or_their_queue_go(store):
    one = store()
    one.commit([[RememberId(5, 1, b"a"), RememberId(6, 1, b"\x00"), RememberId(7, 2, b"c")]])
    one.commit([[ForgetId(5), ForgetId(99)]])
    assert one.ids() == [RememberId(6, 1, b"\x00"), RememberId(7, 2, b"c")]
    one.commit([[RemoveNode(1)]])
    one.close()
    again = store()
    assert again.ids() == [RememberId(7, 2, b"c")]
    again.close()


def test_a_duplicate_is_accepted_dropped_and_counted():
    world = BrokerWorld(queues={"jobs": Policy(duplicate_window=2)})
    client = world.client()
    for identity in ("a", "a", "b", "a", "c", "a"):
        client.send("jobs", identity, id=identity)
    client.send("jobs", "without")
    client.send("jobs", "without")
    assert client.outcomes == [ACCEPTED] * 8
    assert client.bodies(client.receiver("jobs", 10)) == ["a", "b", "c", "a", "without", "without"]
    assert world.node("jobs").duplicates == 2


def test_a_topic_knows_its_duplicates():
    world = BrokerWorld(topics={"news": Policy(duplicate_window=5)})
    client = world.client()
    receivers = [client.receiver("news", 5) for _ in range(2)]
    client.send("news", "a", id="a")
    client.send("news", "a", id="a")
    assert [client.bodies(receiver) for receiver in receivers] == [["a"], ["a"]]
    assert world.node("news").duplicates == 1


def restarted(world, store):
    world.crash()
    world.options["store"] = store()
    world.start()
    return world.client()


def test_ids_are_known_after_a_crash_as_far_as_the_window_goes(store):
    world = BrokerWorld(queues={"jobs": Policy(duplicate_window=3)}, store=store())
    client = world.client()
    for identity in "abcde":
        client.send("jobs", identity, id=identity, durable=True)
    client.send("jobs", "light", id="light")
    client.receiver("jobs", 3)
    for received in client.take():
        received.settle()
    world.quiet()
    for _ in range(2):
        client = restarted(world, store)
        for identity in "de":
            client.send("jobs", identity, id=identity, durable=True)
        assert client.outcomes == [ACCEPTED] * 2
        assert world.node("jobs").depth == 2 and world.node("jobs").duplicates == 2
    client.send("jobs", "a", id="a", durable=True)
    assert world.node("jobs").depth == 3
    world.broker.close()


def test_ids_of_a_queue_that_looks_for_them_no_more_leave_the_store():
    store = MemoryStore()
    world = BrokerWorld(queues={"jobs": Policy(duplicate_window=3)}, store=store)
    world.client().send("jobs", "a", id="a", durable=True)
    assert [one.key for one in store.ids()] == [b"sa"]
    world.options["queues"] = {"jobs": Policy()}
    restarted(world, lambda: store)
    assert store.ids() == []


class Failing(MemoryStore):
    fails = False

    def commit(self, groups):
        return [StoreError("no room", full=True)] * len(groups) if self.fails else super().commit(groups)


def test_a_message_that_was_not_kept_may_come_again():
    store = Failing()
    world = BrokerWorld(queues={"jobs": Policy(duplicate_window=3)}, store=store)
    client = world.client()
    store.fails = True
    client.send("jobs", "a", id="a", durable=True)
    store.fails = False
    client.send("jobs", "a", id="a", durable=True)
    assert client.outcomes == [REJECTED, ACCEPTED] and world.node("jobs").depth == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_duplicate_has_the_outcome_of_the_first_that_is_still_on_its_way_to_the_disk(fails):
    store = Failing()
    world = BrokerWorld(queues={"jobs": Policy(duplicate_window=3)}, store=store)
    client = world.client()
    sender = client.sender("jobs")
    store.fails = fails
    for _ in range(3):
        sender.send(Message("a", id="a", durable=True))
    world.quiet()
    assert client.outcomes == [REJECTED if fails else ACCEPTED] * 3
    assert world.node("jobs").depth == (0 if fails else 1) and world.node("jobs").duplicates == 2


def test_a_dead_letter_is_no_duplicate():
    policy = Policy(duplicate_window=5)
    world = BrokerWorld(queues={"jobs": Policy(dead_letter="dead", duplicate_window=5), "dead": policy})
    client = world.client()
    client.send("dead", "a", id="a")
    client.send("jobs", "a", id="a")
    client.receiver("jobs", 1)
    client.take()[0].settle(REJECTED)
    world.quiet()
    assert world.node("dead").depth == 2
