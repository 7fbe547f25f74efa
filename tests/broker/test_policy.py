"""The settings of nodes: as values, in JSON, given to a broker by name and by pattern, and kept in its store."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from handlers.broker import Broker, Policy
from handlers.broker.nodes.policy import PLAIN, Policies
from handlers.broker.nodes.topic import Topic
from handlers.broker.store.interface import AddNode, StoreError
from handlers.broker.store.memory import MemoryStore
from reactor import ACCEPTED
from tests.support.brokers import BrokerWorld

EVERYTHING = {
    "max_length": 1000,
    "max_bytes": 0,
    "overflow": "drop-oldest",
    "ttl": 60,
    "dead_letter": "dead",
    "max_deliveries": 5,
    "retry_delay": 0.5,
    "retry_factor": 3,
    "retry_max": 30,
    "ack_timeout": 1800,
    "duplicate_window": 10,
    "priority": True,
    "groups": True,
    "last_value": "key",
    "single_active": True,
    "exclusive": True,
    "auto_delete": True,
    "durable": False,
}


def test_a_policy_is_the_same_after_it_was_json() -> None:
    policy = Policy.from_json(json.loads(json.dumps(EVERYTHING)))
    assert policy.to_json() == EVERYTHING and list(EVERYTHING) == [field.name for field in fields(Policy)]
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert {name: getattr(policy, name) for name in EVERYTHING} == EVERYTHING


def test_json_has_only_what_is_not_the_default() -> None:
    assert PLAIN.to_json() == {} and Policy.from_json({}) == PLAIN
    assert Policy(ttl=2.5, overflow="hold").to_json() == {"ttl": 2.5}


def test_an_unknown_setting_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no setting 'max_lenght'; there are max_length, max_bytes, .*, durable$"):
        Policy.from_json({"max_lenght": 5})
    with pytest.raises(ValueError, match=r"policy: \[1\] is no object with settings such as \{'max_length': 1000\}"):
        Policy.from_json([1])


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("max_length", 0, "max_length is 0; it is a whole number, at least 1, left out for none"),
        ("max_length", 2.5, "max_length is 2.5; it is a whole number"),
        ("max_length", True, "max_length is True; it is a whole number"),
        ("max_bytes", -1, "max_bytes is -1; it is a whole number, at least 0"),
        ("overflow", "drop", "overflow is 'drop'; it is one of hold, reject, drop-oldest"),
        ("ttl", 0, "ttl is 0; it is a number, at least 0.001"),
        ("ttl", "60", "ttl is '60'; it is a number"),
        ("ttl", float("nan"), "ttl is nan; it is a number"),
        ("retry_delay", float("inf"), "retry_delay is inf; it is a number"),
        ("retry_factor", 0.5, "retry_factor is 0.5; it is a number, at least 1.0"),
        ("retry_factor", None, "retry_factor is a number, 1 for the same delay each time"),
        ("dead_letter", "", "dead_letter is ''; it is a text, left out for none"),
        ("last_value", 7, "last_value is 7; it is a text"),
        ("priority", 1, "priority is 1; it is true or false"),
        ("retry_max", 5, "retry_max is 5; it is at least retry_delay, which is to be given"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(name: str, value: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Policy(**{name: value})


def test_a_longest_delay_is_not_shorter_than_the_first() -> None:
    with pytest.raises(ValueError, match="retry_max is 5; it is at least retry_delay"):
        Policy(retry_delay=6, retry_max=5)
    assert Policy(retry_delay=5, retry_max=5).retry_max == 5


def test_the_first_pattern_that_fits_holds() -> None:
    policies = Policies({"jobs.urgent.*": Policy(ttl=1), "jobs.*": Policy(ttl=2), "[ab]": Policy(ttl=3)})
    names = ["jobs.urgent.x", "jobs.x", "a", "c", "JOBS.x"]
    assert [getattr(policies.of(name), "ttl", None) for name in names] == [1, 2, 3, None, None]


def test_what_is_no_policy_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match=r"the policy of 'jobs' is \{'ttl': 1\}; it is a Policy"):
        Broker(queues={"jobs": {"ttl": 1}})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"the policy of 'jobs\.\*' is 5"):
        Broker(policies={"jobs.*": 5})  # type: ignore[dict-item]


# -- in a broker


def policy_of(world: BrokerWorld, name: str) -> Policy:
    return world.broker.directory.records[name].node.policy


def test_nodes_have_their_own_policy_or_that_of_a_pattern() -> None:
    own, fitting = Policy(max_length=5), Policy(ttl=60)
    world = BrokerWorld(queues={"jobs": own, "x.jobs": own}, topics=["x.news", "news"], policies={"x.*": fitting})
    client = world.client()
    client.sender("x.made")
    client.sender("made")
    names = ["jobs", "x.jobs", "x.news", "news", "x.made", "made"]
    assert [policy_of(world, name) for name in names] == [own, own, fitting, PLAIN, fitting, PLAIN]


@pytest.mark.parametrize("nodes", [["jobs", 3], {"": Policy()}, [None]])
def test_a_name_that_is_no_text(nodes) -> None:
    for option in ("queues", "topics"):
        with pytest.raises(
            ValueError, match=r"the name of a queue or topic is (3|''|None); it is a text, such as 'jobs'"
        ):
            Broker(**{option: nodes})


def test_subscriptions_have_the_policy_of_their_topic() -> None:
    topic = Topic("news", 1000, None, Policy(max_bytes=500, ttl=1))
    subscription = topic.subscribe("news -> a")
    assert subscription.policy is topic.policy and subscription.capacity == 500


def test_bytes_of_a_policy_come_before_those_of_the_broker() -> None:
    world = BrokerWorld(max_queue_bytes=1000, queues={"small": Policy(max_bytes=10), "large": Policy(max_bytes=0)})
    capacity = {name: world.broker.directory.find(name).node.capacity for name in ("small", "large", "other")}
    assert capacity == {"small": 10, "large": float("inf"), "other": 1000}


# -- in a store


def restarted(store: MemoryStore, world: BrokerWorld, **options: Any) -> None:
    world.crash()
    world.options = {"store": store, **options}
    world.start()


def settings(store: MemoryStore) -> dict[str, Any]:
    return {node.name: node.settings for node in store.nodes()}


def test_a_queue_keeps_its_policy_over_a_restart() -> None:
    store = MemoryStore()
    world = BrokerWorld(store=store, policies={"jobs": Policy(max_deliveries=3, dead_letter="dead")})
    world.client().send("jobs", "a", durable=True)
    assert settings(store) == {"jobs": {"max_deliveries": 3, "dead_letter": "dead"}}
    restarted(store, world)
    assert policy_of(world, "jobs") == Policy(max_deliveries=3, dead_letter="dead")
    restarted(store, world, queues=["jobs"])
    assert policy_of(world, "jobs") == Policy(max_deliveries=3, dead_letter="dead")
    assert world.node("jobs").depth == 1


@pytest.mark.parametrize("given", ["queues", "policies"])
def test_a_policy_that_is_given_anew_holds_and_is_kept(given: str) -> None:
    store = MemoryStore()
    world = BrokerWorld(store=store, queues={"jobs": Policy(ttl=5, max_length=7)})
    world.client().send("jobs", "a", durable=True)
    restarted(store, world, **{given: {"jobs": Policy(ttl=100)}})
    assert policy_of(world, "jobs") == Policy(ttl=100) and world.node("jobs").depth == 1
    assert settings(store) == {"jobs": {"ttl": 100}}
    restarted(store, world)
    assert policy_of(world, "jobs") == Policy(ttl=100)


def test_a_queue_that_is_not_durable_is_not_kept() -> None:
    store = MemoryStore()
    world = BrokerWorld(store=store, queues={"jobs": Policy(durable=False)})
    world.client().send("jobs", "a", durable=True)
    assert world.node("jobs").depth == 1 and store.nodes() == [] and list(store.messages()) == []


def test_settings_of_a_later_release_are_refused_in_a_line() -> None:
    store = MemoryStore()
    store.commit([[AddNode(store.new_number(), "queue", "jobs", {"colour": "green"})]])
    with pytest.raises(StoreError, match="a node 'jobs' that this release cannot read: policy: no setting"):
        BrokerWorld(store=store)


def test_a_pattern_that_is_none_is_refused_or_fits_no_name():
    """`fnmatch` raises for it up to Python 3.10, and has it fit nothing from then on."""
    for options in ({"policies": {"[z-a]": Policy(max_length=1)}}, {"topic_prefixes": ["[z-a]"]}):
        try:
            world = BrokerWorld(**options)
        except ValueError as error:
            assert "[z-a]" in str(error)
        else:
            client = world.client()
            client.send("jobs", "a")
            assert client.outcomes == [ACCEPTED] and world.node("jobs").kind == "queue"
