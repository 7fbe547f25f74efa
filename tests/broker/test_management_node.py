"""The node `$management`: requests and answers over AMQP, in a world."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import pytest

from handlers.broker.management import requests
from handlers.broker.management.operations import ATTRIBUTES, NODE
from reactor import ACCEPTED, REJECTED, Copy, DurableSubscription, LinkOption, LocalProtocolError, Message
from tests.support.brokers import BrokerWorld, Capability, Client


class Reply(NamedTuple):
    status: int
    text: str
    body: Any
    properties: dict[str, Any]


class To(LinkOption):
    """The target address of a receiver, by which requests mean it."""

    def __init__(self, address: Optional[str]) -> None:
        self.address = address

    def apply(self, link: Any) -> None:
        link.target.address = self.address


class Manager:
    """A client of `$management`, with a dynamic queue for its answers."""

    def __init__(self, world: BrokerWorld, client: Optional[Client] = None) -> None:
        self.world = world
        self.client = client or world.client("manager")
        self.sender = self.client.sender("$management")
        self.receiver = self.client.receiver(None, dynamic=True, credit=1000)
        self.number = 0

    def ask(self, operation: Any, kind: Optional[str] = NODE, body: Any = None, **arguments: Any) -> Reply:
        self.number += 1
        properties = {"operation": operation, "type": kind, **arguments}
        properties = {name: value for name, value in properties.items() if value is not None}
        address = self.receiver.remote_source.address
        self.sender.send(Message(body, id=self.number, reply_to=address, properties=properties, inferred=False))
        self.world.quiet()
        [received] = self.client.take(self.receiver)
        received.settle()
        message = received.message
        assert message.correlation_id == self.number and message.address == address
        return Reply(message.properties["statusCode"], message.properties["statusDescription"], message.body,
                     message.properties)  # fmt: skip

    def failure(self, *arguments: Any, **more: Any) -> tuple[int, str]:
        reply = self.ask(*arguments, **more)
        assert reply.body is None
        return reply.status, reply.text


@pytest.fixture
def world():
    return BrokerWorld()


@pytest.fixture
def manager(world):
    return Manager(world)


# -- the node's own operations


def test_types_and_their_parents(manager):
    reply = manager.ask("GET-TYPES", name="self")
    assert reply.status == 200 and reply.body["queue"] == ["node"] and reply.body["connection"] == []
    assert manager.ask("GET-TYPES", entityType="node").body == {"node": [], "queue": ["node"], "topic": ["node"]}


def test_operations_with_their_arguments(manager):
    body = manager.ask("GET-OPERATIONS", entityType="queue").body
    assert list(body) == ["queue"] and body["queue"]["PURGE"] == ["name", "identity", "count"]
    assert set(manager.ask("GET-OPERATIONS").body[NODE]) == {
        "QUERY", "GET-TYPES", "GET-ATTRIBUTES", "GET-OPERATIONS", "GET-ANNOTATIONS", "GET-MGMT-NODES",
    }  # fmt: skip


def test_attributes_annotations_and_other_nodes(manager):
    assert "depth" in manager.ask("GET-ATTRIBUTES", entityType="queue").body["queue"]
    assert manager.ask("GET-ANNOTATIONS", entityType="queue").body == {"queue": []}
    assert manager.ask("GET-MGMT-NODES").body == []


@pytest.mark.parametrize("kind", [kind for kind in ATTRIBUTES if kind != NODE])
def test_each_entity_has_the_attributes_of_its_type(world, manager, kind):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs")
    client.receiver("news", options=Capability("topic"))
    client.sender("jobs")
    node = {"subscription": "news"}.get(kind)
    number = 1 if kind == "session" else None
    reply = manager.ask("QUERY", entityType=kind, node=node, connection=number, offset=1 if kind == "node" else 0)
    names, row = reply.body["attributeNames"], reply.body["results"][0]
    assert names == manager.ask("GET-ATTRIBUTES", entityType=kind).body[kind]
    missing = {name for name, value in zip(names, row) if value is None}
    assert missing <= {"lifetime", "selector", "held_back_by"}
    entity = dict(zip(names, row))
    assert entity["identity"].startswith(entity["type"] + ":")


def test_a_query_of_chosen_attributes_a_page_at_a_time(world, manager):
    for name in ("jobs.a", "jobs.b", "other"):
        world.client().send(name, "x")
    body = {"attributeNames": ["name", "depth", "nonsense"]}
    reply = manager.ask("QUERY", body=body, entityType="queue", pattern="jobs.*", offset=1, count=5)
    assert reply.body == {"attributeNames": body["attributeNames"], "results": [["jobs.b", 1, None]]}
    assert (reply.properties["count"], reply.properties["total"], reply.properties["offset"]) == (1, 2, 1)


def test_consumers_of_one_queue(world, manager):
    client = world.client("worker")
    client.receiver("jobs", credit=3)
    client.receiver("jobs", options=Copy())
    client.receiver("other")
    body = {"attributeNames": ["container", "role", "credit"]}
    reply = manager.ask("QUERY", body=body, entityType="consumer", node="jobs")
    assert reply.body["results"] == [["worker", "consumer", 3], ["worker", "browser", 0]]


# -- entities


def test_a_queue_is_made_read_and_deleted(world, manager):
    made = manager.ask("CREATE", "queue", {"max_length": 10}, name="jobs")
    assert (made.status, made.text, made.body["identity"]) == (201, "Created", "queue:jobs")
    assert made.body["policy"] == {"max_length": 10}
    assert manager.ask("CREATE", "queue", {"max_length": 10}, name="jobs").status == 200
    assert manager.ask("CREATE", "queue", name="jobs").status == 200
    assert manager.ask("READ", "queue", name="jobs").body["depth"] == 0
    assert manager.ask("READ", "queue", identity="queue:jobs").body["name"] == "jobs"
    world.client().send("jobs", "a")
    gone = manager.ask("DELETE", "queue", name="jobs")
    assert (gone.status, gone.body, gone.properties["messages"]) == (204, {}, 1)
    assert manager.failure("READ", "queue", name="jobs") == (404, "no queue 'jobs'")


def test_a_topic_is_made_and_is_no_queue(manager):
    assert manager.ask("CREATE", "topic", name="news").status == 201
    assert manager.ask("READ", "topic", name="news").body["subscriptions"] == 0
    assert manager.failure("READ", "queue", name="news")[0] == 404
    assert manager.failure("CREATE", "queue", name="news") == (409, "'news' is a topic, not a queue")
    assert manager.failure("CREATE", "queue", name="$management")[0] == 400


def test_a_setting_that_is_none_is_named(manager):
    status, text = manager.failure("CREATE", "queue", {"colour": "green"}, name="jobs")
    assert status == 400 and "no setting 'colour'; there are max_length" in text
    manager.ask("CREATE", "queue", {"ttl": 5}, name="jobs")
    assert manager.failure("CREATE", "queue", {"ttl": 6}, name="jobs")[0] == 409


def test_a_queue_is_purged_and_peeked_and_has_stats(world, manager):
    world.client().send("jobs", "a", "b", "c", subject="s")
    rows = manager.ask("PEEK", "queue", name="jobs", count=2).body
    assert [(row["body"], row["properties"]) for row in rows] == [("a", {"subject": "s"}), ("b", {"subject": "s"})]
    assert manager.ask("PURGE", "queue", name="jobs", count=1).body == {"messages": 1}
    assert manager.ask("PURGE", "queue", name="jobs").body == {"messages": 2}
    stats = manager.ask("STATS", "queue", name="jobs").body
    assert (stats["enqueued"], stats["removed"], stats["depth"]) == (3, 3, 0)
    assert manager.ask("STATS", "broker", name="broker").body["removed"] == 3


def test_a_consumer_gives_back_and_a_connection_is_closed(world, manager):
    client = world.client("stuck")
    client.send("jobs", "a")
    client.receiver("jobs", credit=1)
    [[serial, number]] = manager.ask(
        "QUERY", body={"attributeNames": ["serial", "connection"]}, entityType="consumer", node="jobs"
    ).body["results"]  # fmt: skip
    assert manager.ask("RELEASE", "consumer", name=str(serial)).body == {"messages": 1}
    assert manager.ask("READ", "connection", name=str(number)).body["container"] == "stuck"
    assert manager.ask("DELETE", "connection", name=str(number), reason="out").status == 204
    assert client.connection.remote_condition.description == "out"
    assert manager.failure("READ", "connection", name="x")[0] == 404


def test_a_created_queue_is_there_after_a_crash(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    assert Manager(world).ask("CREATE", "queue", {"max_length": 7}, name="jobs").status == 201
    world.crash()
    world.start()
    again = Manager(world, world.client("again"))
    assert again.ask("READ", "queue", name="jobs").body["policy"] == {"max_length": 7}
    assert again.ask("DELETE", "queue", name="jobs").status == 204
    world.crash()
    world.start()
    assert "jobs" not in world.broker.names()


def test_the_policy_of_a_queue_is_changed(world, manager):
    manager.ask("CREATE", "queue", {"max_length": 3, "ttl": 60}, name="jobs")
    client = world.client()
    client.send("jobs", *range(5))
    sender = client.sender("jobs")
    assert sender.credit == 0
    updated = manager.ask("UPDATE", "queue", {"max_length": 100}, name="jobs")
    assert updated.status == 200 and updated.body["policy"] == {"max_length": 100, "ttl": 60}
    assert sender.credit > 0 and world.node("jobs").depth == 5
    manager.ask("UPDATE", "queue", {"max_length": 2, "overflow": "drop-oldest"}, name="jobs")
    assert [row["body"] for row in manager.ask("PEEK", "queue", name="jobs").body] == [3, 4]
    manager.ask("UPDATE", "queue", {"overflow": "reject"}, name="jobs")
    sender.send(Message("no"))
    world.quiet()
    assert client.outcomes[-1] == REJECTED
    assert manager.ask("UPDATE", "queue", {"max_length": None, "ttl": None}, name="jobs").body["policy"] == {
        "overflow": "reject"
    }  # fmt: skip


def test_a_long_queue_drops_its_oldest_when_that_becomes_its_policy(world, manager):
    sender = world.client().sender("jobs")
    for number in range(3000):
        sender.send(Message(number))
    world.quiet()
    manager.ask("UPDATE", "queue", {"max_length": 2, "overflow": "drop-oldest"}, name="jobs")
    assert [row["body"] for row in manager.ask("PEEK", "queue", name="jobs").body] == [2998, 2999]


def test_some_settings_are_chosen_once(manager):
    manager.ask("CREATE", "queue", {"priority": True}, name="jobs")
    status, text = manager.failure("UPDATE", "queue", {"priority": False}, name="jobs")
    assert status == 409 and "'priority' is chosen when a queue is made" in text
    assert manager.failure("UPDATE", "queue", {"colour": 1}, name="jobs")[0] == 400
    assert manager.ask("UPDATE", "queue", {"priority": True, "ttl": 5}, name="jobs").status == 200


def test_a_changed_policy_is_kept(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    manager = Manager(world)
    manager.ask("CREATE", "queue", {"ttl": 60}, name="jobs")
    manager.ask("UPDATE", "queue", {"ttl": 30}, name="jobs")
    world.crash()
    world.start()
    assert Manager(world, world.client("again")).ask("READ", "queue", name="jobs").body["policy"] == {"ttl": 30}


def test_exchanges_are_listed(manager):
    body = {"attributeNames": ["name", "kind", "bindings"]}
    rows = manager.ask("QUERY", body=body, entityType="exchange").body["results"]
    assert rows == [["amq.direct", "direct", 0], ["amq.fanout", "fanout", 0], ["amq.topic", "topic", 0]]


# -- bad requests


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ((None, NODE), 400, "'operation' is missing"),
        ((7, NODE), 400, "'operation' is 7"),
        (("EXPLODE", "queue"), 501, "no operation 'EXPLODE' of 'queue'; there are CREATE, DELETE"),
        (("REGISTER", NODE), 501, "no operation 'REGISTER'"),
        (("READ", "stream"), 404, "no type 'stream'; there are broker"),
        (("READ", "queue"), 400, "neither `name` nor `identity`"),
        (("CREATE", "queue"), 400, "'name' is missing"),
        (("CREATE", "queue", [1]), 400, "no map with texts for keys"),
    ],
)
def test_a_bad_request_gets_an_answer(manager, arguments, status, text):
    arguments = list(arguments)
    name = "jobs" if len(arguments) > 2 else None
    answer = manager.failure(*arguments, name=name)
    assert answer[0] == status and text in answer[1]


@pytest.mark.parametrize(
    ("operation", "arguments", "text"),
    [
        ("QUERY", {"entityType": "queue", "offset": "x"}, "'offset' is 'x'"),
        ("QUERY", {"entityType": "queue", "count": -1}, "'count' is -1"),
        ("QUERY", {"entityType": "queue", "count": True}, "'count' is True"),
        ("QUERY", {"entityType": "queue", "body": {"attributeNames": [1]}}, "no list of texts"),
        ("QUERY", {"entityType": "subscription"}, "'node' is missing"),
        ("QUERY", {"entityType": "session"}, "of which `connection`"),
    ],
)
def test_a_bad_query_gets_an_answer(manager, operation, arguments, text):
    status, said = manager.failure(operation, NODE, arguments.pop("body", None), **arguments)
    assert status == 400 and text in said


def test_a_subscription_that_is_given_up_is_ended_by_its_name(world, manager):
    client = world.client("laptop")
    receiver = client.receiver("news", name="sub", options=[Capability("topic"), DurableSubscription()])
    reply = manager.ask("QUERY", body={"attributeNames": ["name"]}, entityType="subscription", node="news")
    [[name]] = reply.body["results"]
    ended = {"name": name, "node": "news"}
    assert manager.failure("DELETE", "subscription", **ended) == (409, f"{name!r} is in use by 1 links")
    receiver.detach()
    world.client().send("news", "unheard")
    assert manager.ask("READ", "topic", name="news").body["depth"] == 1
    reply = manager.ask("DELETE", "subscription", **ended)
    assert (reply.status, reply.properties["messages"]) == (204, 1)
    assert manager.failure("DELETE", "subscription", **ended)[0] == 404
    assert manager.ask("QUERY", entityType="subscription", node="news").body["results"] == []
    world.client().send("jobs", "a")
    assert manager.failure("DELETE", "subscription", name="x", node="jobs") == (
        400, "'jobs' is a queue: subscriptions are of topics",
    )  # fmt: skip


def test_names_that_are_not_there(manager):
    assert manager.failure("QUERY", entityType="nonsense")[0] == 404
    assert manager.failure("QUERY", entityType="subscription", node="none") == (404, "no queue or topic 'none'")
    assert manager.failure("READ", "queue", identity="topic:news")[0] == 404
    assert manager.failure("RELEASE", "consumer", name="99999999")[0] == 404


def test_a_request_without_a_way_back_is_rejected(world, manager):
    client = manager.client
    for message in (
        Message(None, properties={"operation": "GET-TYPES", "type": NODE}),
        Message(None, properties={"operation": "GET-TYPES", "type": NODE}, reply_to="no-such-node"),
    ):
        manager.sender.send(message)
    world.quiet()
    assert client.outcomes[-2:] == [REJECTED, REJECTED]
    assert "no reply_to" in client.conditions[-2].description and client.conditions[-1].name == "amqp:not-found"
    assert "no-such-node" not in world.broker.names() and manager.ask("GET-MGMT-NODES").status == 200


def test_bytes_that_are_no_message_are_rejected(world, manager):
    manager.sender.transmit(b"\x00\x53\x77\xa1\x05ab")
    world.quiet()
    assert manager.client.outcomes == [REJECTED] and manager.client.conditions[0].name == "amqp:decode-error"
    assert manager.ask("GET-MGMT-NODES").status == 200


def test_a_request_has_a_largest_size(world, manager):
    assert manager.sender.remote_max_message_size == requests.MOST_REQUEST
    monster = Message("x" * (requests.MOST_REQUEST + 1), reply_to="a")
    with pytest.raises(LocalProtocolError, match="takes at most 262144"):
        manager.sender.send(monster)


# -- ways back


@pytest.mark.parametrize("reply_to", ["my-answers", "the-link"])
def test_answers_over_a_receiver_at_the_node(world, reply_to):
    client = world.client()
    receiver = client.receiver("$management", credit=10, name="the-link", options=To("my-answers"))
    assert receiver.remote_source.address == "$management"
    sender = client.sender("$management")
    properties = {"operation": "GET-MGMT-NODES", "type": NODE}
    sender.send(Message(None, correlation_id="c", id="i", reply_to=reply_to, properties=properties))
    world.quiet()
    [received] = client.take(receiver)
    assert received.message.correlation_id == "c" and received.message.properties["statusCode"] == 200
    received.settle()
    world.quiet()
    assert client.outcomes == [ACCEPTED] and not list(receiver.unsettled_deliveries)


def test_a_receiver_of_another_connection_gets_no_answer(world):
    one, two = world.client(), world.client()
    receiver = one.receiver("$management", credit=10, options=To("mine"))
    sender = two.sender("$management")
    sender.send(Message(None, reply_to="mine", properties={"operation": "GET-MGMT-NODES"}))
    world.quiet()
    assert two.outcomes == [REJECTED] and not one.take(receiver)


def test_answers_that_are_not_taken_are_bounded(world, monkeypatch):
    monkeypatch.setattr(requests, "MOST_ANSWERS", 2)
    client = world.client()
    client.receiver("$management", options=To("mine"))
    sender = client.sender("$management")
    for _ in range(3):
        sender.send(Message(None, reply_to="mine", properties={"operation": "GET-MGMT-NODES"}))
    world.quiet()
    assert client.outcomes == [ACCEPTED, ACCEPTED, REJECTED]
    assert client.conditions[-1].name == "amqp:resource-limit-exceeded"


def test_an_answer_that_is_too_large_for_its_receiver_is_shorter(world):
    class Small(To):
        def apply(self, link):
            super().apply(link)
            link.max_message_size = 500

    client = world.client()
    client.send("jobs", *(["x" * 100] * 20))
    receiver = client.receiver("$management", credit=5, options=Small("mine"))
    sender = client.sender("$management")
    sender.send(Message(None, reply_to="mine", properties={"operation": "PEEK", "type": "queue", "name": "jobs"}))
    world.quiet()
    [received] = client.take(receiver)
    assert received.message.properties["statusCode"] == 413
    assert "ask for less" in received.message.properties["statusDescription"]


def test_the_address_is_no_node(world):
    client = world.client()
    client.send("$management", "x")
    relay = client.sender(None)
    relay.send(Message("x", address="$management"))
    world.quiet()
    assert client.outcomes == [REJECTED, REJECTED] and client.conditions[-1].name == "amqp:not-allowed"
    assert not world.broker.names()


def test_a_whole_url_leads_to_the_node(world):
    client = world.client()
    sender = client.sender("amqp://broker/$management")
    assert sender.state and not client.errors and not world.broker.names()


def test_a_request_on_a_closed_connection_does_no_harm(world, manager, monkeypatch):
    monkeypatch.setattr("handlers.broker.management.actions.BATCH", 2)
    world.client().send("jobs", *range(9))
    properties = {"operation": "PURGE", "type": "queue", "name": "jobs"}
    reader = manager.client.receiver("$management", options=To("mine"))
    manager.sender.send(Message(None, reply_to="mine", properties=properties))
    manager.client.container.do_work(0)
    manager.client.vanish()
    assert reader is not None and world.broker.internal_errors == 0


def test_a_pattern_that_is_none_finds_nothing_or_is_named(manager):
    """`fnmatch` raises for it up to Python 3.10."""
    reply = manager.ask("QUERY", entityType="queue", pattern="[z-a]")
    assert reply.status == 400 or (reply.status == 200 and reply.body["results"] == [])
    assert manager.world.broker.internal_errors == 0
