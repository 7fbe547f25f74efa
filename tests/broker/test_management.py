"""Management as plain data and actions, over a broker and its clients in a world."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers.broker.management.interface import MOST_ROWS, Failed
from handlers.broker.management.peeking import plain
from handlers.broker.nodes.sections import MOST_READ
from handlers.broker.store.interface import StoreError
from handlers.broker.store.memory import MemoryStore
from reactor import (
    ACCEPTED,
    Array,
    Copy,
    Data,
    Described,
    Message,
    ModifiedDisposition,
    Selector,
    symbol,
    timestamp,
    uint,
)
from tests.support.brokers import BrokerWorld, Capability


class Failing(MemoryStore):
    """A store that can write nothing for a while."""

    failing = False

    def commit(self, groups):
        return [StoreError("no room", full=True) for _ in groups] if self.failing else super().commit(groups)


@pytest.fixture
def world():
    return BrokerWorld()


def done() -> tuple[list[dict[str, Any]], Any]:
    results: list[dict[str, Any]] = []
    return results, results.append


@pytest.mark.parametrize("changed", [False, True])
def test_a_queue_that_was_made_by_management_stays_also_when_it_is_empty_after_a_restart(changed):
    world = BrokerWorld(store=MemoryStore())
    world.broker.actions.create("declared", settings={"max_length": 5})
    client = world.client()
    client.send("on demand", "a", durable=True)
    world.crash()
    world.start()
    if changed:
        world.broker.actions.update("declared", {"max_length": 7})
        world.quiet()
        world.crash()
        world.start()
    world.broker.actions.purge("on demand", lambda row: None)
    world.quiet()
    world.broker.directory._tidy()
    assert world.broker.names() == ["declared"]
    world.quiet()
    world.crash()
    world.start()
    assert world.broker.names() == ["declared"]
    assert world.broker.actions.view.node("declared")["policy"] == {"max_length": 7 if changed else 5}
    assert world.broker.actions.delete("declared") == {"messages": 0}
    world.quiet()
    world.crash()
    world.start()
    assert world.broker.names() == []


# -- the view


def test_queues_are_listed_by_name_a_page_at_a_time(world):
    client = world.client()
    for name in ("b", "a", "c.1", "c.2"):
        client.send(name, "x")
    view = world.broker.actions.view
    assert [row["name"] for row in view.queues()["items"]] == ["a", "b", "c.1", "c.2"]
    page = view.queues(offset=1, count=2)
    assert [row["name"] for row in page["items"]] == ["b", "c.1"] and page["total"] == 4 and page["offset"] == 1
    assert [row["name"] for row in view.queues("c.*")["items"]] == ["c.1", "c.2"]
    assert view.queues(offset=10)["items"] == [] and view.queues(count=0)["items"] == []
    with pytest.raises(Failed, match="numbers from 0 on"):
        view.queues(offset=-1)


def test_no_page_is_longer_than_the_bound(world):
    for number in range(MOST_ROWS + 5):
        world.broker.actions.create(f"q{number}")
    page = world.broker.actions.view.queues(count=10**9)
    assert len(page["items"]) == MOST_ROWS and page["total"] == MOST_ROWS + 5


def test_a_queue_shows_its_depth_counters_and_links(world):
    client = world.client()
    client.send("jobs", "a", "b", "c")
    receiver = client.receiver("jobs", credit=2)
    client.take(receiver)[0].settle()
    world.quiet()
    row = world.broker.actions.view.node("jobs")
    numbers = (row["depth"], row["waiting"], row["acquired"], row["enqueued"], row["acknowledged"], row["consumers"])
    assert numbers == (2, 1, 1, 3, 1, 1)
    assert (row["dynamic"], row["lifetime"], row["stored"]) == (False, None, False)


def test_a_dynamic_queue_shows_its_lifetime(world):
    client = world.client()
    receiver = client.receiver(None, dynamic=True)
    row = world.broker.actions.view.node(receiver.remote_source.address)
    assert row["dynamic"] and row["lifetime"] == "amqp:delete-on-close:list"


def test_a_topic_shows_its_subscriptions(world):
    client = world.client("subscriber")
    client.receiver("news", name="all", options=Capability("topic"))
    client.receiver("news", name="some", options=[Capability("topic"), Selector("a = 1")])
    client.send("news", "x")
    view = world.broker.actions.view
    rows = view.subscriptions("news")["items"]
    assert [(row["name"], row["depth"], row["selector"]) for row in rows] == [
        ("news -> subscriber/all", 1, None),
        ("news -> subscriber/some", 0, "a = 1"),
    ]
    assert view.node("news")["subscriptions"] == 2
    assert [row["name"] for row in view.topics()["items"]] == ["news"] and not view.queues()["items"]
    assert [row["name"] for row in view.nodes()["items"]] == ["news"]
    client.send("jobs", "x")
    with pytest.raises(Failed, match="subscriptions are of topics"):
        view.subscriptions("jobs")


def test_consumers_show_their_credit_and_what_they_hold(world):
    client = world.client("worker")
    client.send("jobs", "a", "b", "c")
    client.receiver("jobs", credit=10, name="takes")
    client.receiver("jobs", name="looks", options=[Copy(), Selector("a = 1")])
    rows = world.broker.actions.view.consumers("jobs")["items"]
    assert [(row["name"], row["role"], row["credit"], row["unsettled"]) for row in rows] == [
        ("takes", "consumer", 7, 3),
        ("looks", "browser", 0, 0),
    ]
    assert rows[0]["container"] == "worker" and rows[1]["selector"] == "a = 1"
    assert rows[0]["serial"] != rows[1]["serial"]


def test_a_producer_shows_the_queue_that_holds_it_back():
    world = BrokerWorld(max_queue_bytes=1000)
    client = world.client()
    sender = client.sender("jobs")
    for body in "abc":
        sender.send(Message(body))
    world.quiet()
    [row] = world.broker.actions.view.producers("jobs")["items"]
    assert (row["role"], row["node"], row["held_back_by"]) == ("producer", "jobs", "jobs")


def test_connections_sessions_and_links(world):
    one, two = world.client("one"), world.client("two")
    one.receiver("jobs")
    two.sender("jobs")
    two.container.create_sender(two.container.create_session(two.connection), "other")
    world.quiet()
    view = world.broker.actions.view
    rows = view.connections()["items"]
    assert [(row["container"], row["links"], row["consumers"], row["producers"]) for row in rows] == [
        ("one", 1, 1, 0),
        ("two", 2, 0, 2),
    ]
    number = rows[1]["number"]
    assert number != rows[0]["number"] and rows[1]["sessions"] == 2 and rows[1]["user"] == "anonymous"
    assert [row["links"] for row in view.sessions(number)["items"]] == [1, 1]
    assert [row["node"] for row in view.links(number)["items"]] == ["jobs", "other"]
    assert view.links()["total"] == 3
    one.vanish()
    assert [row["number"] for row in view.connections()["items"]] == [number]
    with pytest.raises(Failed, match="no connection 99"):
        view.links(99)


def test_the_overview_sums_up_the_counters(world):
    client = world.client()
    client.send("a", 1, 2)
    client.send("b", 3)
    row = world.broker.actions.view.overview()
    assert (row["enqueued"], row["depth"], row["nodes"], row["connections"]) == (3, 3, 2, 1)


def test_the_overview_of_many_nodes_takes_turns(world, monkeypatch):
    monkeypatch.setattr("handlers.broker.management.actions.NODES", 3)
    for number in range(7):
        world.client().send(f"q{number}", "a")
    results, note = done()
    world.broker.actions.overview(note)
    assert not results
    world.quiet()
    [row] = results
    assert row == world.broker.actions.view.overview() and row["enqueued"] == 7


def test_all_of_the_view_is_json(world):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", credit=1)
    view = world.broker.actions.view
    pages = view.queues(), view.consumers("jobs"), view.connections(), view.links(), view.sessions(1), view.overview()
    assert json.loads(json.dumps(pages)) == list(pages)


# -- nodes


def test_a_node_is_made_once_and_is_of_one_kind(world):
    actions = world.broker.actions
    assert actions.create("jobs") and not actions.create("jobs") and actions.create("news", "topic")
    with pytest.raises(Failed, match="'jobs' is a queue, not a topic") as conflict:
        actions.create("jobs", "topic")
    assert conflict.value.status == 409
    for name, kind in (("", "queue"), ("x" * 2000, "queue"), ("x", "stream")):
        with pytest.raises(Failed) as bad:
            actions.create(name, kind)
        assert bad.value.status == 400


def test_a_node_too_many_is_refused():
    world = BrokerWorld(max_nodes=1, queues=["one"])
    with pytest.raises(Failed, match="and all in use") as refused:
        world.broker.actions.create("two")
    assert refused.value.status == 403


def test_a_deleted_queue_ends_its_links(world):
    client = world.client()
    client.send("jobs", "a", "b")
    client.receiver("jobs")
    assert world.broker.actions.delete("jobs") == {"messages": 2}
    world.quiet()
    assert client.errors == ["amqp:resource-deleted"] and "jobs" not in world.broker.names()
    with pytest.raises(Failed) as missing:
        world.broker.actions.delete("jobs")
    assert missing.value.status == 404


def test_a_queue_in_use_or_with_messages_may_be_spared(world):
    client = world.client()
    actions = world.broker.actions
    client.send("jobs", "a")
    with pytest.raises(Failed, match="holds 1 messages"):
        actions.delete("jobs", if_empty=True)
    client.receiver("jobs")
    with pytest.raises(Failed, match="in use by 1 links"):
        actions.delete("jobs", if_unused=True)
    assert world.broker.names() == ["jobs"]


# -- messages


def test_a_purge_spares_what_consumers_hold(world):
    client = world.client()
    client.send("jobs", *range(5))
    receiver = client.receiver("jobs", credit=1)
    results, note = done()
    world.broker.actions.purge("jobs", note)
    assert results == [{"messages": 4}]
    node = world.node("jobs")
    assert (node.depth, node.acquired, node.removed, node.bytes > 0) == (1, 1, 4, True)
    client.take(receiver)[0].settle(ACCEPTED)
    world.quiet()
    assert (world.node("jobs").depth, world.node("jobs").bytes) == (0, 0)
    client.send("jobs", "later")
    receiver.flow(1)
    world.quiet()
    assert client.bodies(receiver) == ["later"]


def test_a_long_purge_goes_on_turn_by_turn_and_spares_newcomers(world, monkeypatch):
    monkeypatch.setattr("handlers.broker.management.actions.BATCH", 3)
    client = world.client()
    client.send("jobs", *range(8))
    sender = client.sender("jobs")
    results, note = done()
    world.broker.actions.purge("jobs", note)
    assert not results and world.node("jobs").depth == 5
    sender.send(Message("new"))
    world.quiet()
    assert results == [{"messages": 8}] and world.node("jobs").depth == 1


def test_a_purge_of_some(world):
    client = world.client()
    client.send("jobs", *range(5))
    results, note = done()
    world.broker.actions.purge("jobs", note, 2)
    receiver = client.receiver("jobs", credit=10)
    assert results == [{"messages": 2}] and client.bodies(receiver) == [2, 3, 4]
    with pytest.raises(Failed, match="or nothing for all"):
        world.broker.actions.purge("jobs", note, -1)


def test_a_queue_that_is_deleted_meanwhile_ends_its_purge(world, monkeypatch):
    monkeypatch.setattr("handlers.broker.management.actions.BATCH", 3)
    world.client().send("jobs", *range(8))
    results, note = done()
    world.broker.actions.purge("jobs", note)
    world.broker.actions.delete("jobs")
    world.quiet()
    assert results == [{"messages": 3}]


def test_a_purge_lets_producers_go_on():
    world = BrokerWorld(max_queue_bytes=1000)
    client = world.client()
    sender = client.sender("jobs")
    for body in "abc":
        sender.send(Message(body))
    world.quiet()
    _, note = done()
    assert sender.credit < 10
    world.broker.actions.purge("jobs", note)
    world.quiet()
    assert not world.broker.actions.view.producers("jobs")["items"][0]["held_back_by"]


def test_a_purged_store_stays_purged(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    world.client().send("jobs", *range(5), durable=True)
    _, note = done()
    world.broker.actions.purge("jobs", note, 3)
    world.quiet()
    world.crash()
    world.start()
    assert world.node("jobs").depth == 2


def test_peeking_takes_nothing(world):
    client = world.client()
    client.send("jobs", "a", "b", "c")
    client.receiver("jobs", credit=1)
    rows = world.broker.actions.peek("jobs")
    assert [(row["body"], row["state"], row["place"]) for row in rows] == [
        ("a", "acquired", 1), ("b", "waiting", 2), ("c", "waiting", 3),
    ]  # fmt: skip
    assert [row["body"] for row in world.broker.actions.peek("jobs", offset=1, count=1)] == ["b"]
    assert world.broker.actions.peek("jobs", offset=9) == [] == world.broker.actions.peek("jobs", count=0)
    assert (world.node("jobs").depth, world.node("jobs").waiting) == (3, 2)


def test_a_peeked_message_shows_its_parts(world):
    client = world.client()
    message = dict(
        id="m1", subject="greeting", properties={"n": 1}, annotations={symbol("x-opt-a"): "b"}, durable=True, ttl=60,
        priority=7,
    )  # fmt: skip
    client.send("jobs", {"hello": ["world"]}, **message)
    [row] = world.broker.actions.peek("jobs")
    assert row["body"] == {"hello": ["world"]} and row["properties"] == {"id": "m1", "subject": "greeting"}
    assert row["application_properties"] == {"n": 1} and row["annotations"] == {"x-opt-a": "b"}
    assert (row["durable"], row["priority"], row["delivery_count"], row["clipped"]) == (True, 7, 0, False)
    assert 59 < row["expires_in"] <= 60 and row["error"] is None


def test_a_long_body_is_clipped_and_its_properties_are_shown(world):
    client = world.client()
    client.send("jobs", b"z" * 100_000, subject="large", properties={"n": 1}, inferred=True)
    [row] = world.broker.actions.peek("jobs", clip=50)
    assert row["clipped"] and row["body"] is None and row["data"].endswith(b"zzz") and len(row["data"]) == 50
    assert row["properties"]["subject"] == "large" and row["bytes"] > 100_000


def test_long_sections_are_not_shown(world):
    client = world.client()
    client.send("jobs", "x", properties={"long": "y" * (MOST_READ + 1)})
    [row] = world.broker.actions.peek("jobs", clip=50)
    assert "more than are shown" in row["error"] and len(row["data"]) == 50


def test_the_messages_of_one_answer_are_bounded(world, monkeypatch):
    monkeypatch.setattr("handlers.broker.management.peeking.MOST_ANSWER", 2000)
    world.client().send("jobs", *range(10))
    assert 0 < len(world.broker.actions.peek("jobs", clip=500)) < 4


def test_bytes_that_are_no_message_are_shown_all_the_same(world):
    client = world.client()
    sender = client.sender("jobs")
    sender.transmit(b"\x00\x53\x75\xa0\x05ab")
    world.quiet()
    [row] = world.broker.actions.peek("jobs")
    assert "not an AMQP message" in row["error"] and row["data"] == b"\x00\x53\x75\xa0\x05ab"


def test_a_topic_is_neither_peeked_nor_purged(world):
    actions = world.broker.actions
    actions.create("news", "topic")
    for ask in (lambda: actions.peek("news"), lambda: actions.purge("news", print)):
        with pytest.raises(Failed, match="'news' is a topic") as wrong:
            ask()
        assert wrong.value.status == 400


def test_what_a_consumer_holds_is_given_back_uncounted(world):
    stuck, other = world.client("stuck"), world.client("other")
    stuck.send("jobs", "a", "b")
    held = stuck.receiver("jobs", credit=2)
    [row] = world.broker.actions.view.consumers("jobs")["items"]
    assert world.broker.actions.release("jobs", row["serial"]) == {"messages": 2}
    world.quiet()
    receiver = other.receiver("jobs", credit=2)
    assert other.bodies(receiver) == ["a", "b"]
    assert all(not received.message.delivery_count for received in other.inbox)
    for received in stuck.take(held):
        assert received.delivery.settled  # the broker has settled it
    for received in other.take(receiver):
        received.settle()
    world.quiet()
    node = world.node("jobs")
    assert (node.depth, node.acknowledged, node.requeued) == (0, 2, 2)
    with pytest.raises(Failed, match="no consumer 999999"):
        world.broker.actions.release("jobs", 999999)


def test_a_connection_is_closed_and_its_messages_wait_again(world):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", credit=1)
    [row] = world.broker.actions.view.connections()["items"]
    world.broker.actions.close_connection(row["number"], "maintenance")
    world.quiet()
    assert client.connection.remote_condition.name == "amqp:connection:forced"
    assert client.connection.remote_condition.description == "maintenance"
    assert world.node("jobs").waiting == 1 and not world.broker.connections()
    with pytest.raises(Failed) as gone:
        world.broker.actions.close_connection(row["number"])
    assert gone.value.status == 404


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (symbol("a"), "a"),
        (uint(7), 7),
        (b"text\n", "text\n"),
        (b"\xff\x00", {"base64": "/wA="}),
        (timestamp(0), "1970-01-01T00:00:00+00:00"),
        (timestamp(1 << 62), 1 << 62),
        ({1: (True, None)}, {"1": [True, None]}),
        (Described(symbol("d"), [1]), {"descriptor": "d", "value": [1]}),
        (Array(symbol("d"), Data.INT, 1, 2), [1, 2]),
        (float("nan"), "nan"),
        (1.5, 1.5),
    ],
)
def test_amqp_values_as_json(value, shown):
    assert plain(value) == shown
    assert json.loads(json.dumps(plain(value))) == shown


# -- moving


def moved(world: BrokerWorld, *arguments: Any) -> dict[str, Any]:
    results, note = done()
    source, target, *count = arguments
    world.broker.actions.move(source, target, note, *count)
    world.quiet()
    [result] = results
    return result


def test_messages_move_in_order_to_the_end_of_a_queue(world):
    client = world.client()
    client.send("dead", "a", "b", "c", ttl=60)
    client.send("jobs", "first")
    assert moved(world, "dead", "jobs", 2) == {"messages": 2}
    receiver = client.receiver("jobs", credit=10)
    assert client.bodies(receiver) == ["first", "a", "b"]
    assert (world.node("dead").depth, world.node("dead").removed, world.node("jobs").enqueued) == (1, 2, 3)
    assert 59 < client.inbox[1].message.ttl <= 60
    world.pass_time(61)
    assert world.node("dead").expired == 1


def test_a_moved_message_begins_anew(world):
    client = world.client()
    client.send("dead", "a")
    receiver = client.receiver("dead", credit=1)
    client.take(receiver)[0].settle(ModifiedDisposition(failed=True))
    receiver.close()
    world.quiet()
    client.sender("jobs")
    moved(world, "dead", "jobs")
    receiver = client.receiver("jobs", credit=1)
    assert client.inbox[0].message.delivery_count == 0 and client.inbox[0].message.first_acquirer


def test_what_consumers_hold_is_not_moved(world):
    client = world.client()
    client.send("jobs", "a", "b", "c")
    client.receiver("jobs", credit=1)
    world.broker.actions.create("other")
    assert moved(world, "jobs", "other") == {"messages": 2}
    assert (world.node("jobs").acquired, world.node("jobs").depth) == (1, 1)


def test_a_move_wakes_the_consumers_of_its_target(world):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("other", credit=1)
    moved(world, "jobs", "other")
    assert client.bodies(receiver) == ["a"]


def test_a_long_move_goes_on_turn_by_turn(world, monkeypatch):
    monkeypatch.setattr("handlers.broker.management.moving.BATCH", 3)
    client = world.client()
    client.send("jobs", *range(10))
    world.broker.actions.create("other")
    assert moved(world, "jobs", "other") == {"messages": 10}
    receiver = client.receiver("other", credit=20)
    assert client.bodies(receiver) == list(range(10))


def test_a_move_to_nowhere(world):
    actions = world.broker.actions
    world.client().send("jobs", "a")
    actions.create("news", "topic")
    for target, status in (("jobs", 400), ("none", 404), ("news", 400)):
        with pytest.raises(Failed) as failed:
            actions.move("jobs", target, print)
        assert failed.value.status == status


def test_a_full_queue_takes_no_more(world):
    world.client().send("jobs", *range(5))
    world.broker.actions.create("small", settings={"max_length": 2, "overflow": "reject"})
    result = moved(world, "jobs", "small")
    assert result["messages"] == 2 and "'small' is full" in result["reason"]
    assert (world.node("jobs").waiting, world.node("small").depth) == (3, 2)
    assert moved(world, "jobs", "small")["messages"] == 0


def test_a_queue_deleted_meanwhile_ends_a_move(world, monkeypatch):
    monkeypatch.setattr("handlers.broker.management.moving.BATCH", 3)
    world.client().send("jobs", *range(8))
    world.broker.actions.create("other")
    results, note = done()
    world.broker.actions.move("jobs", "other", note)
    world.broker.actions.delete("other")
    world.quiet()
    assert results == [{"messages": 3, "reason": "the queue 'other' was deleted"}]
    assert world.node("jobs").waiting == 5


def test_a_move_in_a_store_survives_whole(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    client = world.client()
    client.send("dead", *range(4), durable=True)
    client.send("dead", "volatile")
    world.broker.actions.create("jobs")
    assert moved(world, "dead", "jobs") == {"messages": 5}
    assert (world.node("jobs").waiting, world.node("dead").depth) == (5, 0)
    world.crash()
    world.start()
    assert (world.node("jobs").depth, world.node("dead").depth) == (4, 0)
    again = world.client()
    receiver = again.receiver("jobs", credit=10)
    assert again.bodies(receiver) == [0, 1, 2, 3]


def test_a_crash_before_the_commit_leaves_a_move_undone(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    world.client().send("dead", *range(4), durable=True)
    world.broker.actions.create("jobs")
    world.quiet()
    results, note = done()
    world.broker.actions.move("dead", "jobs", note)
    assert not results and world.node("dead").acquired == 4
    world.crash()
    world.start()
    assert (world.node("jobs").depth, world.node("dead").depth) == (0, 4)


def test_a_move_that_cannot_be_written_is_tried_again():
    store = Failing()
    world = BrokerWorld(store=store)
    world.client().send("dead", *range(3), durable=True)
    world.broker.actions.create("jobs")
    world.quiet()
    store.failing = True
    results, note = done()
    world.broker.actions.move("dead", "jobs", note)
    world.quiet()
    assert not results and (world.node("dead").acquired, world.node("jobs").depth) == (3, 0)
    store.failing = False
    world.pass_time(2)
    assert results == [{"messages": 3}] and (world.node("dead").depth, world.node("jobs").depth) == (0, 3)
    world.crash()
    world.start()
    assert (world.node("dead").depth, world.node("jobs").depth) == (0, 3)
