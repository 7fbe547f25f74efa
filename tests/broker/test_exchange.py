"""Exchanges and their bindings: routing as plain data, against a model, and over AMQP."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from handlers.broker.nodes.exchange import DIRECT, FANOUT, TOPIC, Binding, Exchange, Exchanges
from handlers.broker.nodes.label import label_of
from handlers.broker.nodes.node import Queue
from reactor import ACCEPTED, REJECTED, RELEASED, Message, symbol
from tests.broker.test_transactions import Party
from tests.support.brokers import BrokerWorld


def fits(pattern, key):
    """The rule, as a regular expression over words."""
    parts = [{"*": r"\.[^.]*", "#": r"(\.[^.]*)*"}.get(word, re.escape("." + word)) for word in pattern.split(".")]
    return re.fullmatch("".join(parts), "." + key) is not None


def bound(kind, *keys):
    exchange = Exchange("x", kind, {})
    for key in keys:
        exchange.add(Binding("x", key, False, key), 0)
    return exchange


def keys_for(exchange, key):
    return sorted(binding.key for binding in exchange.fitting(key))


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a.b", "a.b", True), ("a.b", "a.c", False), ("a.*", "a.b", True), ("a.*", "a", False), ("a.*", "a.b.c", False),
        ("#", "", True), ("#", "a.b.c", True), ("a.#", "a", True), ("a.#", "a.b.c", True), ("a.#", "b", False),
        ("#.c", "c", True), ("#.c", "a.b.c", True), ("a.#.c", "a.c", True), ("a.#.#.c", "a.b.c", True),
        ("*.*", "a", False), ("", "", True), ("*", "", True), ("a.b", "a.#", False),
        ("#.*", "a", True), ("#.b", "#", False),
    ],
)  # fmt: skip
def test_a_topic_binding(pattern, key, expected):
    assert bool(keys_for(bound(TOPIC, pattern), key)) is expected


def test_topic_bindings_against_their_rule():
    chance = random.Random(7)
    words = ["a", "b", "*", "#"]
    patterns = {".".join(chance.choices(words, k=chance.randint(1, 5))) for _ in range(120)}
    exchange = bound(TOPIC, *patterns)
    kept = sorted(patterns)
    for removed in [None, *chance.sample(kept, 40)]:
        if removed is not None:
            exchange.remove(Binding("x", removed, False, removed))
            kept.remove(removed)
        for length in range(1, 5):
            for key in map(".".join, itertools.product("abc", repeat=length)):
                assert keys_for(exchange, key) == [pattern for pattern in kept if fits(pattern, key)], key


def test_a_key_of_very_many_words_fits_no_binding():
    exchange = bound(TOPIC, "#", "#.a.#.b")
    assert keys_for(exchange, "." * 1023) == keys_for(exchange, "x") == ["#"]
    assert keys_for(exchange, "." * 1025) == []


def test_nothing_is_left_of_bindings_that_are_removed():
    exchange = bound(TOPIC, "a.b.c", "a.#", "#")
    for key in ("a.b.c", "a.#", "#"):
        exchange.remove(Binding("x", key, False, key))
    assert not exchange._tree.steps and not exchange.bindings
    exchange = bound(DIRECT, "a")
    exchange.remove(Binding("x", "a", False, "a"))
    assert not exchange._by_key


def test_direct_and_fanout():
    assert keys_for(bound(DIRECT, "a", "b"), "a") == ["a"] and keys_for(bound(DIRECT, "a.#"), "a.b") == []
    assert keys_for(bound(FANOUT, "a", "b"), "c") == ["a", "b"]


def test_many_signs_cost_no_more_than_their_words():
    exchange = bound(TOPIC, ".".join(["#"] * 30 + ["z"]))
    assert keys_for(exchange, ".".join(["a"] * 100)) == []


def test_the_cost_is_that_of_the_bindings_that_fit():
    exchange = bound(TOPIC, *(f"a.{number}" for number in range(10_000)))
    looked = []

    class Looking(dict):
        def get(self, key, default=None):
            looked.append(key)
            return super().get(key, default)

    exchange._tree.steps = Looking(exchange._tree.steps)
    exchange._tree.steps["a"].steps = Looking(exchange._tree.steps["a"].steps)
    assert keys_for(exchange, "a.77") == ["a.77"] and len(looked) < 10


def test_exchanges_in_a_ring_route_once():
    queues = {name: Queue(name) for name in ("q", "r")}
    exchanges = Exchanges(queues.get)
    for name in ("one", "two"):
        exchanges.declare(name, FANOUT, {})
    for source, destination in (("one", "two"), ("two", "one"), ("two", "q"), ("one", "q")):
        exchanges.bind(Binding(source, destination, destination != "q", ""))
    assert exchanges.queues(exchanges.named["one"], "") == [queues["q"]]
    exchanges.delete("two")
    assert list(exchanges.named["one"].bindings) == [Binding("one", "q", False, "")]
    exchanges.forget("q")
    assert exchanges.queues(exchanges.named["one"], "") == [] and not exchanges.is_bound("q")


def test_an_exchange_that_deletes_itself_goes_with_its_last_binding():
    exchanges = Exchanges({"q": Queue("q")}.get)
    exchanges.declare("x", DIRECT, {"auto_delete": True})
    exchanges.bind(Binding("x", "q", False, "k"))
    assert exchanges.unbind(Binding("x", "q", False, "k")) and "x" not in exchanges.named
    assert not exchanges.unbind(Binding("x", "q", False, "k"))


# -- over AMQP


@pytest.fixture
def world():
    return BrokerWorld()


def bind(world, exchange, queue, key="", kind=TOPIC):
    exchanges = world.broker.directory.exchanges
    if exchange not in exchanges.named:
        exchanges.declare(exchange, kind, {})
    world.broker.actions.create(queue)
    world.broker.actions.keep(queue)
    exchanges.bind(Binding(exchange, queue, False, key))
    world.quiet()


def test_R9_a_message_goes_to_each_queue_once(world):
    for key in ("a.*", "#", "a.b"):
        bind(world, "x", "one", key)
    bind(world, "x", "two", "a.#")
    client = world.client()
    client.send("/exchanges/x/a.b", "hello")
    assert client.outcomes == [ACCEPTED]
    assert (world.node("one").depth, world.node("two").depth) == (1, 1)


def test_R9_what_no_queue_takes_is_released_and_without_a_key_the_subject_is_the_key(world):
    bind(world, "x", "one", "a.*")
    client = world.client()
    client.send("/exchanges/x", "yes", subject="a.b")
    client.send("/exchanges/x", "no", subject="b")
    client.send("/exchanges/x", "no")
    assert client.outcomes == [ACCEPTED, RELEASED, RELEASED] and world.node("one").depth == 1


def test_names_are_percent_encoded(world):
    bind(world, "x/1", "q/1", "k/ä", DIRECT)
    client = world.client()
    client.send("/exchanges/x%2F1/k%2F%C3%A4", "hello")
    receiver = client.receiver("/queues/q%2F1", credit=1)
    assert client.bodies(receiver) == ["hello"] and receiver.remote_source.address == "/queues/q%2F1"
    assert world.broker.names() == ["q/1"]


def test_an_anonymous_sender_routes_each_message(world):
    bind(world, "x", "one", "k", DIRECT)
    client = world.client()
    relay = client.sender(None)
    for address in ("/exchanges/x/k", "/exchanges/x/other", "/exchanges/none/k", "/queues/two"):
        relay.send(Message("hello", address=address))
    world.quiet()
    assert client.outcomes == [ACCEPTED, RELEASED, REJECTED, ACCEPTED]
    assert (world.node("one").depth, world.node("two").depth) == (1, 1)


def test_an_exchange_that_is_not_there_is_refused(world):
    client = world.client()
    client.sender("/exchanges/none/k")
    client.receiver("/exchanges/amq.topic")
    assert client.errors == ["amqp:not-found", "amqp:not-implemented"]


def test_a_deleted_exchange_routes_nowhere(world):
    bind(world, "x", "one", "k")
    client = world.client()
    sender = client.sender("/exchanges/x/k")
    world.broker.directory.exchanges.delete("x")
    sender.send(Message("a"))
    world.quiet()
    assert client.outcomes == [RELEASED]


def test_a_full_queue_holds_back_the_senders_to_its_exchange():
    world = BrokerWorld(max_queue_bytes=1000)
    bind(world, "x", "one", "k")
    client = world.client()
    sender = client.sender("/exchanges/x/k")
    for body in "abc":
        sender.send(Message(body))
    world.quiet()
    [row] = [row for row in world.broker.actions.view.links()["items"] if row["role"] == "producer"]
    assert row["held_back_by"] == "/exchanges/x"
    receiver = client.receiver("one", credit=10)
    for received in client.take(receiver):
        received.settle()
    world.quiet()
    [row] = [row for row in world.broker.actions.view.links()["items"] if row["role"] == "producer"]
    assert row["held_back_by"] is None


def test_R9_a_queue_that_refuses_has_the_message_rejected(world):
    world.broker.actions.create("small", settings={"max_length": 1, "overflow": "reject"})
    bind(world, "x", "small", "k")
    client = world.client()
    client.send("/exchanges/x/k", "a", "b")
    assert client.outcomes == [ACCEPTED, REJECTED]
    assert client.conditions[-1].info[symbol("queue")] == "small"


def test_each_queue_has_its_own_time_to_live(world):
    world.broker.actions.create("short", settings={"ttl": 1})
    bind(world, "x", "short", "#")
    bind(world, "x", "long", "#")
    world.client().send("/exchanges/x/k", "a")
    world.pass_time(2)
    assert (world.node("short").expired, world.node("long").depth) == (1, 1)


def test_dead_letters_go_through_an_exchange(world):
    world.broker.actions.create("jobs", settings={"dead_letter": "/exchanges/dlx/k", "ttl": 1})
    bind(world, "dlx", "dead", "k")
    world.client().send("jobs", "a")
    world.pass_time(2)
    assert (world.node("jobs").depth, world.node("dead").depth) == (0, 1)


def test_dead_letters_that_come_back_by_an_exchange_are_dropped(world, caplog):
    world.broker.actions.create("jobs", settings={"dead_letter": "/exchanges/dlx/k", "ttl": 1})
    bind(world, "dlx", "jobs", "k")
    world.client().send("jobs", "a")
    world.pass_time(5)
    assert world.node("jobs").depth == 0 and "it has been there before" in caplog.text


def test_bindings_and_durable_messages_survive(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    bind(world, "x", "one", "k", DIRECT)
    bind(world, "x", "two", "k", DIRECT)
    bind(world, "amq.fanout", "one")
    bind(world, "x", "gone", "k", DIRECT)
    world.broker.directory.exchanges.unbind(Binding("x", "gone", False, "k"))
    client = world.client()
    client.send("/exchanges/x/k", "a", durable=True)
    assert client.outcomes == [ACCEPTED]
    world.crash()
    world.start()
    assert (world.node("one").depth, world.node("two").depth, world.node("gone").depth) == (1, 1, 0)
    client = world.client()
    client.send("/exchanges/x/k", "b")
    client.send("/exchanges/amq.fanout", "c", ttl=5, durable=True)
    assert (world.node("one").depth, world.node("two").depth, world.node("gone").depth) == (3, 2, 0)
    world.pass_time(6)
    assert world.node("one").expired == 1
    world.broker.directory.exchanges.delete("x")
    world.broker.actions.delete("one")
    world.quiet()
    world.crash()
    world.start()
    exchanges = world.broker.directory.exchanges
    assert "x" not in exchanges.named and not exchanges.named["amq.fanout"].bindings


def test_a_bound_queue_is_not_forgotten_among_many(monkeypatch):
    monkeypatch.setattr("handlers.broker.nodes.directory.MANY", 5)
    world = BrokerWorld()
    world.broker.directory.find("bound")
    world.broker.directory.exchanges.bind(Binding("amq.topic", "bound", False, "#"))
    for number in range(20):
        world.broker.directory.find(f"q{number}")
    assert "bound" in world.broker.names()


@pytest.mark.parametrize(
    ("address", "exchange", "key"),
    [
        ("/queues/q%2F1", "", "q/1"),
        ("/exchanges/x/k", "x", "k"),
        ("/exchanges/x", "x", "s"),
        ("/exchanges/x/", "x", ""),
    ],
)
def test_messages_to_such_addresses_have_a_label(world, address, exchange, key):
    bind(world, "x", "q/1", "#")
    client = world.client()
    client.send(address, "hello", subject="s")
    client.send(address, "again", subject="s", annotations={symbol("x-opt-a"): 1})
    receiver = client.receiver("q/1", credit=2)
    one, two = (received.message.annotations for received in client.take(receiver))
    assert one == {"x-exchange": exchange, "x-routing-key": key}
    assert two == {"x-opt-a": 1, "x-exchange": exchange, "x-routing-key": key}


def test_other_messages_have_none(world):
    assert label_of("q") is None and label_of(None) is None and label_of("/other/q") is None
    client = world.client()
    client.send("q", "a")
    receiver = client.receiver("/queues/q", credit=1)
    assert client.take(receiver)[0].message.annotations is None


def test_bytes_that_are_no_message_get_no_label():
    label = label_of("/exchanges/x")
    assert label is not None and label.on(b"\x00\x53\x99") == b"\x00\x53\x99"


def test_an_exchange_has_a_name_for_permissions():
    permissions = {"*": {"send": ["/exchanges/sales"], "receive": ["*"], "create": ["*"]}}
    world = BrokerWorld(permissions=permissions)
    bind(world, "sales", "one", "k")
    bind(world, "stock", "one", "k")
    client = world.client()
    client.send("/exchanges/sales/k", "a")
    assert client.outcomes == [ACCEPTED]
    client.sender("/exchanges/stock/k")
    client.sender("/exchanges/none/k")
    client.sender("/queues/one")
    assert client.errors == ["amqp:unauthorized-access"] * 3
    relay = client.sender(None)
    relay.send(Message("b", address="/exchanges/stock/k"))
    world.quiet()
    assert client.outcomes == [ACCEPTED, REJECTED] and world.node("one").depth == 1


# -- in a transaction


@pytest.mark.parametrize("durable", [False, True])
def test_messages_of_a_transaction_are_routed_when_it_is_committed(tmp_path, durable):
    world = BrokerWorld(store=tmp_path / "store")
    for key in "ab":
        bind(world, "x", f"queue-{key}", key, DIRECT)
    party = Party(world)
    senders = [party.sender(f"/exchanges/x/{key}") for key in "ab"] + [party.sender("/exchanges/x")]
    transaction = party.begin()
    for sender in senders:
        for subject in "ab":
            party.post(transaction, sender, sender.target.address, durable=durable, subject=subject)
    assert world.node("queue-a").depth == world.node("queue-b").depth == 0
    assert party.commit(transaction) == "committed"
    assert (world.node("queue-a").depth, world.node("queue-b").depth) == (3, 3)


def test_a_message_without_a_way_spoils_its_transaction(world):
    bind(world, "x", "one", "k", DIRECT)
    party = Party(world)
    sender = party.sender("/exchanges/x")
    transaction = party.begin()
    party.post(transaction, sender, "a", subject="k")
    party.post(transaction, sender, "b", subject="other")
    assert party.commit(transaction) == "commit failed: amqp:transaction:rollback"
    assert world.node("one").depth == 0


def test_an_exchange_deleted_meanwhile_rolls_back(world):
    bind(world, "x", "one", "k", DIRECT)
    party = Party(world)
    sender = party.sender("/exchanges/x/k")
    transaction = party.begin()
    party.post(transaction, sender, "a")
    world.broker.directory.exchanges.delete("x")
    assert party.commit(transaction) == "commit failed: amqp:transaction:rollback"


def test_a_message_with_a_key_that_is_too_long_is_released_or_refused(world):
    bind(world, "amq.topic", "all", "#")
    client = world.client()
    client.send("/exchanges/amq.topic", "a", subject="." * 1025)
    client.send(None, "b", address="/exchanges/amq.topic/" + "." * 1025)
    client.send(None, "c", address="/exchanges/amq.topic/" + "." * 1_000_000)
    client.send("/exchanges/amq.topic", "d", subject="." * 1024)
    assert client.outcomes == [RELEASED, RELEASED, REJECTED, ACCEPTED]
    assert client.conditions[2].name == "amqp:invalid-field" and world.node("all").depth == 1
