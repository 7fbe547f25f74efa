"""Subscriptions: how long one lives without a receiver, who shares it, how it is found again, what is kept."""

from __future__ import annotations

import random

import pytest

from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.envelope import read_envelope
from handlers.broker.nodes.policy import Policy
from handlers.broker.nodes.selection import Selection
from handlers.broker.nodes.subscriptions import (
    CONNECTION,
    DURABLE,
    EXCLUSIVE,
    LINK,
    NEVER,
    SESSION,
    VOLATILE,
    Key,
    Subscriptions,
    Terms,
    key_of,
)
from handlers.broker.nodes.topic import Topic
from handlers.broker.store.interface import StoreError
from handlers.broker.store.memory import MemoryStore
from handlers.broker.store.sqlite import SqliteStore
from reactor import (
    ACCEPTED,
    REJECTED,
    RELEASED,
    AtMostOnce,
    Described,
    DurableSubscription,
    Endpoint,
    Filter,
    Message,
    Selector,
    Terminus,
    symbol,
    ulong,
)
from tests.support.brokers import BrokerWorld, Capability, SourceFields

TOPIC = Capability("topic")
NO_LOCAL = symbol("apache.org:no-local-filter:list")


@pytest.fixture
def world():
    return BrokerWorld(topics=["news", "other"])


def refused(link, condition):
    """Whether the peer attached without a terminus and then detached for that reason."""
    assert link.remote_condition is not None and link.remote_condition.name == condition
    return link.remote_source.type == Terminus.UNSPECIFIED and bool(link.state & Endpoint.REMOTE_CLOSED)


def durable(client, name="sub", credit=10, address="news", *options):
    return client.receiver(address, credit, name=name, options=[DurableSubscription(), *options])


class NoSource:
    """A link option: the attach has no source at all."""

    def __init__(self, *desired):
        self.desired = desired

    def apply(self, link):
        link.source.type = Terminus.UNSPECIFIED
        link.desired_capabilities = [symbol(one) for one in self.desired]

    def test(self, link):
        return True


# -- plain data


@pytest.mark.parametrize(
    "name, shared, scope, durable, key",
    [
        ("sub", False, False, True, ("me", "sub", EXCLUSIVE)),
        ("sub|2", False, False, False, ("me", "sub|2", EXCLUSIVE)),
        ("sub", True, False, True, ("me", "sub", DURABLE)),
        ("sub|2", True, False, True, ("me", "sub", DURABLE)),
        ("sub|global", True, True, True, (None, "sub", DURABLE)),
        ("sub|global7", True, True, True, (None, "sub", DURABLE)),
        ("sub|volatile1", True, False, False, ("me", "sub", VOLATILE)),
        ("sub|global-volatile3", True, True, False, (None, "sub", VOLATILE)),
        ("|odd", True, False, True, ("me", "|odd", DURABLE)),
        ("sub", False, True, True, (None, "sub", EXCLUSIVE)),
    ],
)
def test_the_names_of_links_of_one_subscription(name, shared, scope, durable, key):
    assert key_of("me", name, shared, scope, durable) == key


def test_when_the_time_of_each_policy_begins():
    book, topic = Subscriptions(), Topic("news")
    begins = {}
    for policy in (LINK, SESSION, CONNECTION, NEVER):
        made, _ = book.take(key_of("me", str(policy), False, False, False), topic, Terms(expiry=policy, timeout=5))
        begins[policy] = [made.expires_after(event) for event in (LINK, SESSION, CONNECTION)]
    assert begins == {
        LINK: [5.0, 5.0, 5.0],
        SESSION: [None, 5.0, 5.0],
        CONNECTION: [None, None, 5.0],
        NEVER: [None, None, None],
    }


def test_another_topic_or_selector_is_another_subscription():
    book, one, two = Subscriptions(), Topic("one"), Topic("two")
    key = key_of("me", "sub", False, False, True)
    red, again, blue = Selection("colour = 'red'"), Selection("colour = 'red'"), Selection("colour = 'blue'")
    first, replaced = book.take(key, one, Terms(red, durability=2))
    assert replaced is None and book.take(key, one, Terms(again, durability=1)) == (first, None)
    assert first.terms.durability == 1 and first.terms.selection is red
    second, replaced = book.take(key, one, Terms(blue, durability=2))
    assert replaced is first and second is not first
    book.end(first)
    assert book.by_key == {key: second} and one.subscriptions == [second.queue]
    third, replaced = book.take(key, two, Terms(blue, durability=2))
    assert replaced is second
    book.end(second)
    book.end(second)
    assert one.subscriptions == [] and two.subscriptions == [third.queue] and list(book.idle) == [third]


def test_a_shared_subscription_in_use_is_not_replaced():
    book, topic = Subscriptions(), Topic("news")
    key = key_of("me", "sub", True, False, True)
    shared, _ = book.take(key, topic, Terms(expiry=NEVER))
    book.join(shared, "a link")
    with pytest.raises(Refused) as refusal:
        book.take(key, topic, Terms(Selection("a = 1"), expiry=NEVER))
    assert refusal.value.condition == "amqp:precondition-failed"
    book.leave(shared, "a link")
    assert book.take(key, topic, Terms(Selection("a = 1"), expiry=NEVER))[1] is shared


@pytest.mark.parametrize("shared", [True, False])
def test_a_durable_name_is_shared_or_it_is_not(shared):
    book, topic = Subscriptions(), Topic("news")
    book.take(key_of("me", "sub", shared, False, True), topic, Terms(expiry=NEVER))
    with pytest.raises(Refused):
        book.take(key_of("me", "sub", not shared, False, True), topic, Terms(expiry=NEVER))
    book.take(key_of("you", "sub", not shared, False, True), topic, Terms(expiry=NEVER))
    book.take(key_of("me", "sub|volatile1", True, False, False), topic, Terms(expiry=LINK))
    assert len(book.by_key) == 3


def test_subscriptions_without_a_receiver_are_bounded():
    book, topic = Subscriptions(2), Topic("news")
    for name in ("a", "b", "c"):
        one, _ = book.take(Key("me", name, EXCLUSIVE), topic, Terms())
        book.join(one, name)
    for name in ("a", "b"):
        book.leave(book.by_key[Key("me", name, EXCLUSIVE)], name)
    with pytest.raises(Refused) as refusal:
        book.take(Key("me", "d", EXCLUSIVE), topic, Terms())
    assert refusal.value.condition == "amqp:resource-limit-exceeded"
    assert book.take(Key("me", "a", EXCLUSIVE), topic, Terms())[1] is None, "it is there"


def test_a_topic_keeps_messages_from_the_container_that_does_not_want_its_own():
    topic = Topic("news")
    mine, all_of_them = topic.subscribe("mine", None, "me"), topic.subscribe("all")
    assert topic.asks_origin
    for origin in ("me", "you", None):
        topic.origin = origin
        topic.put(read_envelope(b""), b"x")
    assert (mine.depth, all_of_them.depth, topic.depth) == (2, 3, 5)
    topic.unsubscribe(mine)
    assert not topic.asks_origin


# -- how long it lives


def test_a_durable_subscription_keeps_what_comes_while_its_receiver_is_away(world):
    client, publisher = world.client("me"), world.client()
    receiver = durable(client)
    assert receiver.remote_source.expiry_policy == Terminus.EXPIRE_NEVER
    assert receiver.remote_source.durability == Terminus.NONDURABLE, "there is no store"
    publisher.send("news", "a")
    assert client.bodies() == ["a"]
    client.take()[0].settle()
    receiver.detach()
    world.quiet()
    publisher.send("news", "b")
    client.connection.close()
    world.quiet()
    publisher.send("news", "c")
    assert world.node("news").depth == 2
    client = world.client("me")
    receiver = durable(client)
    assert client.bodies() == ["b", "c"]
    receiver.close()
    world.quiet()
    publisher.send("news", "d")
    assert world.node("news").depth == 0 and world.node("news").dropped == 1
    assert world.broker.subscribing.book.by_key == {} and world.broker.overview().internal_errors == 0


def test_it_belongs_to_the_container_and_the_link_name(world):
    client, publisher = world.client("me"), world.client()
    durable(client).detach()
    world.quiet()
    publisher.send("news", "a")
    other = world.client("you")
    durable(other)
    durable(client, "sub2")
    assert other.bodies() == client.bodies() == []
    durable(client)
    assert client.bodies() == ["a"]


def expires(world, client, policy, timeout=0):
    fields = SourceFields(expiry_policy=policy, timeout=timeout)
    session = client.connection.session()
    session.open()
    receiver = client.container.create_receiver(session, "news", name="mine", options=fields)
    world.quiet()
    assert (receiver.remote_source.expiry_policy, receiver.remote_source.timeout) == (policy, timeout)
    return receiver, session


def alive(world):
    return bool(world.broker.subscribing.book.by_key)


@pytest.mark.parametrize("timeout", [0, 30])
@pytest.mark.parametrize("policy", [LINK, SESSION, CONNECTION, NEVER])
def test_the_expiry_policies(world, policy, timeout):
    client = world.client("me")
    receiver, session = expires(world, client, policy, timeout)
    ends = [lambda: receiver.detach(), lambda: session.close(), lambda: client.connection.close()]
    for event, end in enumerate(ends):
        world.pass_time(100.0)
        assert alive(world)
        end()
        world.quiet()
        if event == policy:
            break
    if policy != NEVER and timeout:
        assert alive(world)
        world.pass_time(29.0)
        assert alive(world)
        world.pass_time(2.0)
    assert alive(world) == (policy == NEVER)
    world.pass_time(1000.0)
    assert alive(world) == (policy == NEVER)
    book = world.broker.subscribing.book
    assert len(book.idle) == len(book.by_key) and world.broker.internal_errors == 0


@pytest.mark.parametrize("policy", [LINK, SESSION, CONNECTION])
def test_who_vanishes_has_ended_link_session_and_connection(world, policy):
    client = world.client("me")
    expires(world, client, policy, 10)
    client.vanish()
    world.pass_time(9.0)
    assert alive(world)
    world.pass_time(2.0)
    assert not alive(world)


def test_who_comes_back_in_time_stops_the_clock(world):
    client = world.client("me")
    receiver, _ = expires(world, client, LINK, 10)
    receiver.detach()
    world.pass_time(9.0)
    world.client().send("news", "a")
    receiver, _ = expires(world, client, LINK, 10)
    receiver.flow(1)
    world.pass_time(100.0)
    assert client.bodies() == ["a"] and alive(world)
    receiver.detach()
    world.pass_time(9.0)
    assert alive(world)
    world.pass_time(2.0)
    assert not alive(world)


class Small:
    """A link option: a receiver that takes small messages alone."""

    def apply(self, link):
        link.max_message_size = 500

    def test(self, link):
        return True


def test_a_link_that_the_broker_closes_takes_no_subscription_with_it(world):
    client = world.client("me")
    receiver = durable(client, "sub", 10, "news", Small())
    world.client().send("news", "x" * 1000)
    assert receiver.remote_condition.name == "amqp:link:message-size-exceeded"
    assert receiver.state & Endpoint.LOCAL_CLOSED and alive(world)
    durable(client)
    assert client.bodies() == ["x" * 1000]


def test_a_subscription_is_taken_over_with_what_its_receiver_held(world):
    client = world.client("me")
    durable(client)
    world.client().send("news", "a")
    second = world.client("me")
    durable(second)
    assert client.errors == ["amqp:link:stolen"] and second.bodies() == ["a"]
    second.vanish()
    third = world.client("me")
    durable(third)
    assert [one.message.delivery_count for one in third.take()] == [2]


def test_another_selector_or_topic_replaces_it(world):
    client, publisher = world.client("me"), world.client()
    durable(client).detach()
    world.quiet()
    publisher.send("news", "a", properties={"n": 1})
    durable(client, "sub", 10, "news", Selector("n = 1"))
    assert client.bodies() == []
    publisher.send("news", "b", properties={"n": 1})
    publisher.send("news", "c", properties={"n": 2})
    assert client.bodies() == ["b"] and len(world.broker.directory.records["news"].node.subscriptions) == 1
    client.connection.close()
    world.quiet()
    client = world.client("me")
    durable(client, "sub", 10, "other")
    assert world.broker.directory.records["news"].node.subscriptions == []
    publisher.send("other", "d")
    assert client.bodies() == ["d"]


def test_a_topic_with_subscriptions_is_not_forgotten_and_takes_them_along(world):
    world = BrokerWorld(max_nodes=2)
    client = world.client("me")
    client.receiver("news", name="sub", options=[TOPIC, DurableSubscription()]).detach()
    world.quiet()
    client.sender("a").close()
    world.quiet()
    client.sender("b")
    assert world.broker.names() == ["news", "b"]
    world.broker.directory.delete(world.broker.directory.records["news"])
    assert not alive(world)


def test_a_topic_that_deletes_itself_goes_when_its_last_subscription_expires():
    world = BrokerWorld(topics={"news": Policy(auto_delete=True)})
    client = world.client("me")
    receiver, _ = expires(world, client, LINK, 10)
    receiver.detach()
    world.pass_time(9.0)
    assert world.broker.names() == ["news"]
    world.pass_time(2.0)
    assert world.broker.names() == []


# -- looking it up


def test_a_source_of_null_finds_the_subscription(world):
    client = world.client("me")
    durable(client, "sub", 0, "news", Selector("n = 1")).detach()
    world.quiet()
    world.client().send("news", "a", properties={"n": 1})
    found = client.receiver(None, 10, name="sub", options=NoSource())
    source = found.remote_source
    assert (source.address, source.expiry_policy) == ("news", Terminus.EXPIRE_NEVER)
    assert [one.value for one in source.filter.values()] == ["n = 1"] and "topic" in source.capabilities
    assert client.bodies() == ["a"], "it is the link that it was"
    found.detach()
    world.quiet()
    assert alive(world)
    client.receiver(None, name="sub", options=NoSource()).close()
    world.quiet()
    assert not alive(world) and client.errors == []


@pytest.mark.parametrize("name", ["sub", "nothing", "sub|2"])
def test_a_source_of_null_and_nothing_to_find(world, name):
    client = world.client("me")
    durable(world.client("you"))
    receiver = client.receiver(None, name=name, options=NoSource())
    assert refused(receiver, "amqp:not-found") and client.connection.state & Endpoint.REMOTE_ACTIVE


def test_a_queue_keeps_nothing_to_be_found(world):
    client = world.client("me")
    receiver = client.receiver("jobs", name="sub", options=DurableSubscription())
    assert receiver.remote_source.expiry_policy == Terminus.EXPIRE_WITH_LINK
    assert receiver.remote_source.durability == 0
    receiver.detach()
    world.quiet()
    assert refused(client.receiver(None, name="sub", options=NoSource()), "amqp:not-found")


# -- sharing


def shared(client, name="sub", *more, credit=10, address="news", expiry=Terminus.EXPIRE_WITH_LINK):
    options = [Capability("shared"), SourceFields(expiry_policy=expiry), *more]
    return client.receiver(address, credit, name=name, options=options)


def test_receivers_that_share_take_turns(world):
    client, publisher = world.client("me"), world.client()
    one, two = shared(client, "sub|volatile1"), shared(client, "sub|volatile2")
    plain = client.receiver("news", 10, name="plain")
    assert "shared" in one.remote_source.capabilities and "global" not in one.remote_source.capabilities
    publisher.send("news", *"abcd")
    assert (client.bodies(one), client.bodies(two), client.bodies(plain)) == (["a", "c"], ["b", "d"], list("abcd"))
    one.close()
    world.quiet()
    publisher.send("news", "e")
    assert client.bodies(two) == ["b", "d", "a", "c", "e"], "what it held goes to the other"
    two.close()
    world.quiet()
    assert len(world.broker.subscribing.book.by_key) == 1


def test_containers_do_not_share_unless_it_is_global(world):
    me, you, publisher = world.client("me"), world.client("you"), world.client()
    shared(me, "own"), shared(you, "own")
    mine, yours = shared(me, "all|global1", Capability("global")), shared(you, "all|global1", Capability("global"))
    assert {"shared", "global", "topic"} <= set(map(str, mine.remote_source.capabilities))
    publisher.send("news", "a", "b")
    assert len(me.bodies()) == len(you.bodies()) == 3
    assert sorted(me.bodies(mine) + you.bodies(yours)) == ["a", "b"]
    assert me.errors == you.errors == []


def test_a_shared_durable_subscription_stays_when_all_have_detached_and_ends_with_the_last_close(world):
    client, publisher = world.client("me"), world.client()
    one = shared(client, "sub", expiry=Terminus.EXPIRE_NEVER)
    two = shared(client, "sub|2", expiry=Terminus.EXPIRE_NEVER)
    one.detach()
    two.detach()
    world.quiet()
    publisher.send("news", "a")
    one = shared(client, "sub|3", expiry=Terminus.EXPIRE_NEVER)
    assert client.bodies() == ["a"]
    two = shared(client, "sub|4", expiry=Terminus.EXPIRE_NEVER)
    one.close()
    world.quiet()
    publisher.send("news", "b")
    assert client.bodies(two) == ["a", "b"]
    two.close()
    world.quiet()
    assert not alive(world)


def test_who_asks_for_another_selector_while_it_is_shared_is_refused(world):
    client = world.client("me")
    shared(client, "sub", Selector("n = 1"))
    assert shared(client, "sub|2", Selector("n = 1")).state & Endpoint.REMOTE_ACTIVE
    assert refused(shared(client, "sub|3"), "amqp:precondition-failed")
    assert refused(shared(client, "sub|4", Selector("n = 1"), address="other"), "amqp:precondition-failed")


@pytest.mark.parametrize("scope", ["container", "global"])
def test_unsubscribing_as_qpid_jms_does_it(world, scope):
    everywhere = scope == "global"
    name, more = ("sub|global", [Capability("global")]) if everywhere else ("sub", [])
    client = world.client("me")
    receiver = shared(client, name, *more, expiry=Terminus.EXPIRE_NEVER)
    other = world.client("you" if everywhere else "me")
    option = NoSource("shared", "global") if everywhere else NoSource()
    link_name = "sub|global" if everywhere else "sub|9"
    lookup = other.receiver(None, name=link_name, options=option)
    assert lookup.remote_source.address == "news"
    lookup.close()
    world.quiet()
    assert alive(world) and other.errors == ["amqp:resource-locked"], "the receiver is still there"
    receiver.detach()
    world.quiet()
    other.receiver(None, name=link_name, options=option).close()
    world.quiet()
    assert not alive(world)


def test_an_exclusive_global_subscription_has_one_receiver(world):
    me, you = world.client("me"), world.client("you")
    receiver = durable(me, "sub", 10, "news", Capability("global"))
    assert "global" in receiver.remote_source.capabilities and "shared" not in receiver.remote_source.capabilities
    assert refused(durable(you, "sub", 10, "news", Capability("global")), "amqp:resource-locked")
    receiver.detach()
    world.quiet()
    world.client().send("news", "a")
    durable(you, "sub", 10, "news", Capability("global"))
    assert you.bodies() == ["a"]


def test_a_queue_is_not_shared(world):
    receiver = world.client().receiver("jobs", options=Capability("shared"))
    assert list(receiver.remote_source.capabilities) == ["queue"]


def test_who_has_no_name_cannot_come_back(world):
    client, other = world.client("a"), world.client("b")
    for connection in world.broker.connections():
        connection.remote_container = ""
    receiver = durable(client)
    assert receiver.remote_source.expiry_policy == Terminus.EXPIRE_WITH_LINK
    durable(other)
    world.client().send("news", "a")
    assert client.bodies() == other.bodies() == ["a"]
    receiver.detach()
    world.quiet()
    assert len(world.broker.subscribing.book.by_key) == 1


# -- no-local


@pytest.mark.parametrize("descriptor", [NO_LOCAL, ulong(0x0000468C00000003)])
def test_no_local_leaves_out_the_messages_of_its_own_container(world, descriptor):
    client, other = world.client("me"), world.client("you")
    mine = Filter({symbol("no-local"): Described(descriptor, "NoLocalFilter{}")})
    receiver = client.receiver("news", 10, name="mine", options=mine)
    client.receiver("news", 10, name="all")
    assert receiver.remote_source.filter == {symbol("no-local"): Described(descriptor, "NoLocalFilter{}")}
    client.send("news", "a")
    other.send("news", "b")
    client.send(None, "c", address="news")
    world.client("me").send("news", "d")
    assert client.bodies(receiver) == ["b"] and len(client.bodies()) == 5


def test_a_queue_does_not_apply_no_local(world):
    option = Filter({symbol("no-local"): Described(NO_LOCAL, [])})
    assert world.client().receiver("jobs", options=option).remote_source.filter == {}
    receiver = shared(world.client(), "sub", option)
    assert receiver.remote_source.filter == {}, "nor does a subscription that others have too"


# -- the store


class Kept:
    """A broker and its store, which is opened again for each start."""

    def __init__(self, open_it):
        self.open_it = open_it
        self.world = BrokerWorld(topic_prefixes=["news", "other"], store=open_it())

    def restart(self):
        """The broker crashes and starts again."""
        self.world.crash()
        self.world.options["store"] = self.open_it()
        self.world.start()


@pytest.fixture(params=["memory", "sqlite"])
def kept(request, tmp_path):
    memory = MemoryStore()
    kept = Kept((lambda: memory) if request.param == "memory" else (lambda: SqliteStore(tmp_path / "store")))
    yield kept
    kept.world.broker.close()


def test_a_durable_subscription_and_its_durable_messages_survive_a_crash(kept):
    world = kept.world
    me, you, publisher = world.client("me"), world.client("you"), world.client()
    receiver = durable(me)
    assert receiver.remote_source.durability == Terminus.DELIVERIES
    durable(you, "sub", 10, "news", Selector("n = 1"))
    publisher.send("news", "a", "b", durable=True)
    publisher.send("news", "lost", properties={"n": 1})
    publisher.send("news", "c", durable=True, properties={"n": 1})
    assert publisher.outcomes == [ACCEPTED] * 4
    assert me.bodies() == ["a", "b", "lost", "c"] and you.bodies() == ["lost", "c"]
    me.take()[0].settle()
    world.quiet()
    kept.restart()
    assert world.node("news").kind == "topic" and world.node("news").depth == 3
    me, you = world.client("me"), world.client("you")
    durable(me), durable(you, "sub", 10, "news", Selector("n = 1"))
    assert me.bodies() == ["b", "c"] and you.bodies() == ["c"]
    assert [one.message.first_acquirer for one in me.inbox] == [False, False]
    world.client().send("news", "d", durable=True)
    assert me.bodies() == ["b", "c", "d"] and you.bodies() == ["c"]


def test_a_subscription_that_was_closed_or_replaced_is_not_there_after_a_crash(kept):
    client = kept.world.client("me")
    durable(client, "one").close()
    durable(client, "two").detach()
    kept.world.quiet()
    kept.world.client().send("news", "a", durable=True)
    durable(client, "two", 10, "news", Selector("n = 1"))
    kept.restart()
    assert kept.world.node("news").depth == 0
    assert [key.name for key in kept.world.broker.subscribing.book.by_key] == ["two"]
    client = kept.world.client("me")
    found = client.receiver(None, 10, name="two", options=NoSource())
    assert [one.value for one in found.remote_source.filter.values()] == ["n = 1"]


def test_shared_durable_subscriptions_survive_and_are_shared_again(kept):
    world = kept.world
    capabilities = [Capability("shared"), Capability("global"), DurableSubscription()]
    world.client("me").receiver("news", name="sub|global", options=capabilities)
    world.client().send("news", "a", "b", durable=True)
    kept.restart()
    me, you = world.client("me"), world.client("you")
    me.receiver("news", 1, name="sub|global", options=capabilities)
    you.receiver("news", 1, name="sub|global2", options=capabilities)
    assert me.bodies() == ["a"] and you.bodies() == ["b"]


def test_a_time_of_life_begins_again_with_the_broker(kept):
    world = kept.world
    fields = SourceFields(durability=1, expiry_policy=Terminus.EXPIRE_WITH_LINK, timeout=50)
    receiver = world.client("me").receiver("news", name="sub", options=fields)
    assert receiver.remote_source.durability == 1
    kept.restart()
    world.pass_time(49.0)
    assert alive(world)
    world.pass_time(2.0)
    assert not alive(world)
    kept.restart()
    assert not alive(world)


def test_a_receiver_that_comes_back_may_change_how_long_it_lives(kept):
    client = kept.world.client("me")
    fields = SourceFields(durability=1, expiry_policy=Terminus.EXPIRE_WITH_LINK, timeout=50)
    client.receiver("news", name="sub", options=fields).detach()
    kept.world.quiet()
    durable(client)
    kept.restart()
    kept.world.pass_time(1000.0)
    assert alive(kept.world)
    client = kept.world.client("me")
    assert client.receiver("news", name="sub").remote_source.durability == 0
    kept.restart()
    assert not alive(kept.world)


def test_a_subscription_that_is_full_refuses_also_what_waits_for_the_store(kept):
    world = kept.world
    world.crash()
    world.options.update(topics={"news": Policy(max_length=2, overflow="reject")}, store=kept.open_it())
    world.start()
    client, publisher = world.client("me"), world.client()
    durable(client, "sub", 0)
    sender = publisher.sender("news")
    for body in "abcd":
        sender.send(Message(body, durable=True))
    world.quiet()
    assert publisher.outcomes.count(ACCEPTED) == 2 == publisher.outcomes.count(REJECTED)
    assert world.node("news").depth == 2


def test_no_durability_is_promised_for_what_cannot_come_back(kept):
    client = kept.world.client("me")
    fields = SourceFields(durability=2)
    assert client.receiver("news", name="a", options=fields).remote_source.durability == 0
    dynamic = client.receiver(None, name="b", dynamic=True, options=[TOPIC, DurableSubscription()])
    assert dynamic.remote_source.durability == 0
    assert dynamic.remote_source.expiry_policy == Terminus.EXPIRE_WITH_LINK
    kept.restart()
    assert not alive(kept.world)


def test_a_topic_that_is_not_kept_has_no_durable_subscriptions():
    store = MemoryStore()
    world = BrokerWorld(topics={"news": Policy(durable=False)}, store=store)
    receiver = durable(world.client("me"))
    world.client().send("news", "a", durable=True)
    assert receiver.remote_source.durability == 0 and store.nodes() == [] and list(store.messages()) == []


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_each_subscription_gets_what_was_accepted_while_it_was_there(seed):
    """Subscribers come, detach, vanish and close, publishers send, the broker crashes: no accepted message is missing,
    and none that was accepted comes again. Each keeps its order, but for those that were given back."""
    rng = random.Random(seed)
    store = MemoryStore()
    world = BrokerWorld(topics=["news"], store=store)
    owed, clients, links = {}, {}, {}  # by subscription: the bodies that are to come; its client; its receiver
    publisher, made = world.client("publisher"), 0

    def forget(name):
        links.pop(name, None)
        clients.pop(name, None)

    for _ in range(60):
        act, name = rng.randrange(12), rng.choice("abc")
        if act < 4:
            made += 1
            publisher.outcomes.clear()
            publisher.send("news", made, durable=True)
            assert publisher.outcomes == [ACCEPTED]
            for bodies in owed.values():
                bodies.append(made)
        elif act < 6 and name not in links:
            clients[name] = world.client(name)
            links[name] = durable(clients[name], "sub", rng.randrange(1, 4))
            owed.setdefault(name, [])
        elif act < 9 and name in links:
            for received in clients[name].take():
                assert received.body in owed[name], (seed, name, received.body)
                if rng.randrange(3):
                    received.settle()
                    owed[name].remove(received.body)
                else:
                    received.settle(RELEASED)
            links[name].flow(rng.randrange(1, 4))
            world.quiet()
        elif act == 9 and name in links:
            end = rng.choice([links[name].detach, clients[name].vanish, clients[name].connection.close])
            end()
            world.quiet()
            forget(name)
        elif act == 10 and name in links and not rng.randrange(4):
            links[name].close()
            world.quiet()
            forget(name)
            del owed[name]
        elif act == 11 and not rng.randrange(3):
            world.crash()
            world.start()
            links.clear()
            clients.clear()
            publisher = world.client("publisher")
    for client in clients.values():
        client.vanish()
    assert {key.container for key in world.broker.subscribing.book.by_key} == set(owed), seed
    for name, bodies in owed.items():
        client = world.client(name)
        durable(client, "sub", 1000)
        assert client.bodies() == bodies, (seed, name)
    assert world.broker.internal_errors == 0


def test_the_order_of_durable_and_other_messages_of_a_turn_is_kept(kept):
    world = kept.world
    client, publisher = world.client("me"), world.client()
    durable(client)
    sender = publisher.sender("news")
    for body, is_durable in (("a", True), ("b", False), ("c", True), ("d", False)):
        sender.send(Message(body, durable=is_durable))
    world.quiet()
    assert client.bodies() == ["a", "b", "c", "d"] and publisher.outcomes == [ACCEPTED] * 4


def test_a_presettled_receiver_of_a_kept_subscription_empties_the_store(kept):
    client = kept.world.client("me")
    durable(client, "sub", 10, "news", AtMostOnce())
    kept.world.client().send("news", "a", durable=True)
    assert client.bodies() == ["a"]
    kept.restart()
    assert kept.world.node("news").depth == 0 and alive(kept.world)


class Failing(MemoryStore):
    """A store that has no room for some changes."""

    fails = False

    def commit(self, groups):
        if self.fails:
            return [StoreError("no room", full=True) for _ in groups]
        return super().commit(groups)


def test_a_subscription_that_cannot_be_written_is_refused_and_the_old_one_stays():
    store = Failing()
    world = BrokerWorld(topics=["news"], store=store)
    client, publisher = world.client("me"), world.client()
    durable(client).detach()
    world.quiet()
    publisher.send("news", "a", durable=True)
    store.fails = True
    assert refused(durable(client, "new"), "amqp:resource-limit-exceeded")
    assert refused(durable(client, "sub", 10, "news", Selector("n = 1")), "amqp:resource-limit-exceeded")
    publisher.send("news", "b", durable=True)
    assert publisher.outcomes[-1] == REJECTED
    assert publisher.conditions[-1].name == "amqp:resource-limit-exceeded"
    store.fails = False
    durable(client)
    assert client.bodies() == ["a"] and len(world.broker.subscribing.book.by_key) == 1


def test_a_topic_that_has_become_a_queue_leaves_its_subscriptions_out(caplog):
    store = MemoryStore()
    world = BrokerWorld(topics=["news"], store=store)
    durable(world.client("me"))
    world.crash()
    world.options.update(topics=[], queues=["news"])
    world.start()
    assert not alive(world) and "left out" in caplog.text


def test_a_store_with_a_subscription_that_cannot_be_read(caplog):
    store = MemoryStore()
    world = BrokerWorld(topics=["news"], store=store)
    durable(world.client("me"), "sub", 10, "news", Selector("n = 1"))
    (node,) = store.nodes()
    store._nodes[node.number] = node._replace(settings={**node.settings, "filters": [["selector", 1, "n ="]]})
    store._nodes[99] = node._replace(number=99, settings={})
    world.crash()
    world.start()
    assert "left out" in caplog.text and world.broker.internal_errors == 0
