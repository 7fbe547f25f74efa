"""The directory alone: what an address means, which nodes are made, and when they go."""

from __future__ import annotations

import pytest

from handlers.broker.nodes.directory import (
    ON_CLOSE,
    ON_NO_LINKS,
    ON_NO_LINKS_OR_MESSAGES,
    ON_NO_MESSAGES,
    Directory,
    Refused,
)
from handlers.broker.nodes.names import node_name


def directory(auto_create=True, prefixes=()):
    gone = []
    made = Directory(0, auto_create, prefixes, lambda record: gone.append(record.node.name))
    made.name_dynamic_nodes("me/", lambda: "%032d" % len(made.records))
    made.gone = gone
    return made


def kinds(made):
    return {name: record.node.kind for name, record in made.records.items()}


def test_the_same_address_is_the_same_node():
    made = directory()
    assert made.find("a") is made.find("a")
    assert made.find("a") is not made.find("b")


@pytest.mark.parametrize("address, name", [
    ("jobs", "jobs"),
    ("amqp://host:5672/jobs", "jobs"),
    ("amqps://host/a/b", "a/b"),
    ("amqp://host", "amqp://host"),
    ("topic://news", "topic://news"),
    ("/queue/a", "/queue/a"),
])  # fmt: skip
def test_names(address, name):
    assert node_name(address) == name


def test_the_kind_of_a_new_node():
    made = directory(prefixes=["t/"])
    made.declare("declared", "topic")
    made.find("t/a")
    made.find("t/b", ["queue"])
    made.find("c", ["topic", "something-else"])
    made.find("d")
    assert kinds(made) == {"declared": "topic", "t/a": "topic", "t/b": "queue", "c": "topic", "d": "queue"}


@pytest.mark.parametrize("address, capabilities, condition", [
    (None, [], "amqp:invalid-field"),
    ("", [], "amqp:invalid-field"),
    ("unknown", [], "amqp:not-found"),
    ("me/7", [], "amqp:not-found"),
    ("known", ["topic"], "amqp:precondition-failed"),
])  # fmt: skip
def test_refusals(address, capabilities, condition):
    made = directory(auto_create=False)
    made.declare("known", "queue")
    with pytest.raises(Refused) as caught:
        made.find(address, capabilities)
    assert caught.value.condition == condition and caught.value.description


def test_an_address_of_a_dynamic_node_is_never_made_on_demand():
    made = directory()
    name = made.make_dynamic([], ON_CLOSE).node.name
    assert made.find(name).node.name == name
    made.delete(made.records[name])
    with pytest.raises(Refused, match="creator"):
        made.find(name)


def test_who_made_it_takes_it_along():
    made = directory()
    record = made.make_dynamic([], ON_CLOSE)
    record.creator = "creator"
    made.attach(record, "creator")
    made.attach(record, "other")
    made.detach(record, "other")
    assert not made.gone
    made.detach(record, "creator")
    assert made.gone == [record.node.name] and not made.records
    made.delete(record)
    assert len(made.gone) == 1


def test_it_goes_with_the_last_link():
    made = directory()
    record = made.make_dynamic([], ON_NO_LINKS)
    made.attach(record, "a")
    made.attach(record, "b")
    record.node.put(None, b"")
    made.detach(record, "a")
    assert not made.gone
    made.detach(record, "b")
    assert made.gone


def test_it_goes_with_the_last_message_when_nobody_is_there():
    made = directory()
    record = made.make_dynamic([], ON_NO_LINKS_OR_MESSAGES)
    record.node.put(None, b"", 5.0)
    made.attach(record, "a")
    made.detach(record, "a")
    assert not made.gone
    record.node.expire(6.0)
    made.consider(record)
    assert made.gone


def test_it_goes_with_the_last_message_once_its_creator_is_gone():
    made = directory()
    record = made.make_dynamic([], ON_NO_MESSAGES)
    record.creator = "a"
    made.attach(record, "a")
    made.attach(record, "b")
    made.consider(record)
    assert not made.gone, "it has had no message, and its creator is there"
    record.node.put(None, b"", 5.0)
    assert made.emptied(record.node.name) is None
    made.detach(record, "a")
    assert not made.gone
    record.node.expire(6.0)
    assert made.emptied(record.node.name) is record
    made.consider(record)
    assert made.gone


@pytest.mark.parametrize(
    "name, kind",
    [("a.events", "topic"), ("events", "queue"), ("log.1", "topic"), ("log.12", "queue"), ("t/x", "topic")],
)
def test_topics_by_prefix_and_by_pattern(name, kind):
    assert directory(prefixes=["*.events", "log.?", "t/"]).find(name).node.kind == kind


def test_a_node_made_on_demand_stays():
    made = directory()
    record = made.find("a")
    made.attach(record, "x")
    made.detach(record, "x")
    assert not made.gone and made.find("a") is record
