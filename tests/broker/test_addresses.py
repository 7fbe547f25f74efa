"""What a client may attach to: nodes on demand, topics, dynamic nodes, the relay, and how a refusal looks."""

from __future__ import annotations

import pytest

from reactor import (
    ACCEPTED,
    REJECTED,
    RELEASED,
    AtMostOnce,
    Condition,
    Copy,
    Described,
    DynamicNodeProperties,
    Endpoint,
    Filter,
    Message,
    Terminus,
    symbol,
    ulong,
)
from tests.support.brokers import BrokerWorld, Capability, SourceFields


@pytest.fixture
def world():
    return BrokerWorld()


def refused(link):
    """Whether the peer attached without a terminus and then detached."""
    near = link.remote_source if link.is_receiver else link.remote_target
    return near.type == Terminus.UNSPECIFIED and bool(link.state & Endpoint.REMOTE_CLOSED)


# -- the connection


def test_the_broker_introduces_itself(world):
    connection = world.client().connection
    assert "ANONYMOUS-RELAY" in connection.remote_offered_capabilities
    assert connection.remote_properties["product"] == "amqp-reactor broker"
    assert connection.remote_container == "the-broker"
    assert connection.transport.remote_idle_timeout == 30.0


def test_no_idle_timeout_when_none_is_wanted():
    connection = BrokerWorld(idle_timeout=0).client().connection
    assert connection.transport.remote_idle_timeout == 0


def test_who_connects_and_says_nothing_is_not_kept(world):
    wire = world.network.node().connect("broker", 5672)
    world.quiet()
    assert wire.peer is not None and not wire.peer.closed
    world.pass_time(75.0)
    assert wire.peer.closed


def test_a_connection_that_falls_silent_loses_its_messages(world):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 1)
    assert world.node("jobs").acquired == 1
    client.freeze()
    world.pass_time(61.0)
    assert (world.node("jobs").acquired, world.node("jobs").waiting) == (0, 1)


@pytest.mark.parametrize("what", ["link", "session", "connection"])
def test_a_client_that_closes_with_a_reason_is_left_in_peace(world, what, caplog):
    caplog.set_level("INFO", "handlers.broker")
    client, other = world.client(), world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1)
    endpoint = {"link": receiver, "session": receiver.session, "connection": client.connection}[what]
    endpoint.condition = Condition("app:tired", "enough")
    endpoint.close()
    world.quiet()
    assert world.node("jobs").waiting == 1 and client.errors == other.errors == []
    assert not client.connection.remote_condition
    assert "app:tired" in caplog.text
    other.receiver("jobs", 1)
    assert other.bodies() == ["a"]


# -- nodes on demand


def test_attaching_makes_the_queue(world):
    client = world.client()
    sender = client.sender("one")
    receiver = client.receiver("two")
    assert world.broker.names() == ["one", "two"]
    assert sender.remote_target.address == "one" and receiver.remote_source.address == "two"
    assert "queue" in sender.remote_target.capabilities and "queue" in receiver.remote_source.capabilities


def test_no_nodes_on_demand_when_that_is_off():
    world = BrokerWorld(auto_create=False, queues=["jobs"], topics=["news"])
    client = world.client()
    link = client.sender("other")
    assert refused(link) and client.errors == ["amqp:not-found"]
    assert "'other'" in link.remote_condition.description
    assert refused(client.receiver("other")) and client.errors == ["amqp:not-found"] * 2
    client.send("jobs", "a")
    client.receiver("jobs", 1)
    client.receiver("news", 1)
    assert client.bodies() == ["a"] and world.node("news").kind == "topic"
    assert client.receiver(None, dynamic=True).remote_source.address


def test_a_whole_url_as_address_means_its_path(world):
    client = world.client()
    sender = client.sender("amqps://localhost/q.uamqp")
    assert sender.remote_target.address == "amqps://localhost/q.uamqp"
    assert world.broker.names() == ["q.uamqp"]


def test_a_receiver_without_address_is_refused(world):
    client = world.client()
    link = client.receiver(None)
    assert refused(link) and client.errors == ["amqp:invalid-field"]


def test_a_refusal_leaves_session_and_connection_alone():
    world = BrokerWorld(auto_create=False, queues=["jobs"])
    client = world.client()
    client.sender("other")
    client.send("jobs", "a")
    assert client.outcomes == [ACCEPTED]


def test_the_wrong_kind_of_node_is_refused(world):
    client = world.client()
    client.sender("jobs")
    link = client.receiver("jobs", options=Capability("topic"))
    assert refused(link) and client.errors == ["amqp:precondition-failed"]
    assert "queue" in link.remote_condition.description
    client.sender("news", options=Capability("topic"))
    assert refused(client.receiver("news", options=Capability("queue")))


def test_a_filter_that_is_not_applied_is_not_echoed(world):
    client = world.client()
    receiver = client.receiver("jobs", options=Filter({symbol("x"): Described(symbol("y"), "z")}))
    assert not receiver.remote_source.filter and receiver.remote_source.address == "jobs"


def test_many_idle_queues_are_forgotten_and_those_in_use_are_not(world):
    world.broker.directory._tidy_at = 50
    client = world.client()
    client.send("full", "a")
    held = client.sender("held")
    session = held.session
    for number in range(100):
        link = session.sender(f"link {number}")
        link.target.address = f"q{number}"
        link.open()
        world.quiet()
        link.close()
        world.quiet()
    names = world.broker.names()
    assert len(names) < 60 and "full" in names and "held" in names


# -- topics


def test_each_subscriber_gets_its_copy(world):
    one, two, publisher = world.client(), world.client(), world.client()
    one.receiver("news", 10, options=Capability("topic"))
    two.receiver("news", 10)
    publisher.send("news", "a", "b")
    assert one.bodies() == two.bodies() == ["a", "b"]
    one.take()[0].settle(ACCEPTED)
    world.quiet()
    node = world.node("news")
    assert (node.kind, node.enqueued, node.acknowledged, node.depth, node.consumers) == ("topic", 2, 1, 3, 2)


def test_a_message_nobody_subscribed_to_is_accepted_and_dropped(world):
    client = world.client()
    sender = client.sender("news", options=Capability("topic"))
    sender.send(Message("a"))
    world.quiet()
    assert client.outcomes == [ACCEPTED] and world.node("news").dropped == 1
    client.receiver("news", 5)
    assert client.bodies() == []


def test_prefixes_make_topics():
    world = BrokerWorld(topic_prefixes=["topic/", "t."])
    client = world.client()
    assert "topic" in client.receiver("topic/news").remote_source.capabilities
    assert "topic" in client.sender("t.x").remote_target.capabilities
    assert "queue" in client.sender("queue/x").remote_target.capabilities
    assert "queue" in client.sender("topic/but-no", options=Capability("queue")).remote_target.capabilities


@pytest.mark.parametrize("how", ["close", "detach", "vanish"])
def test_a_subscription_ends_with_its_link(world, how):
    client, publisher = world.client(), world.client()
    receiver = client.receiver("news", 10, options=[Capability("topic"), SourceFields(expiry_policy=0)])
    if how == "vanish":
        client.vanish()
    else:
        getattr(receiver, how)()
        world.quiet()
    publisher.send("news", "a")
    node = world.node("news")
    assert (node.consumers, node.dropped, node.depth) == (0, 1, 0)


def test_a_subscribers_outcomes_are_its_own(world):
    client = world.client()
    one = client.receiver("news", 1, options=Capability("topic"), name="one")
    two = client.receiver("news", 1, name="two")
    client.send("news", "a")
    client.take(one)[0].settle(REJECTED)
    client.take(two)[0].delivery.update(RELEASED)
    one.flow(1)
    two.flow(1)
    world.quiet()
    assert client.bodies(one) == [] and [r.message.delivery_count for r in client.take(two)] == [0]




def test_the_slowest_subscriber_holds_back_the_publisher():
    world = BrokerWorld(max_queue_bytes=20_000)
    quick, slow, publisher = world.client(), world.client(), world.client()
    quick.receiver("news", 1000, options=[Capability("topic"), AtMostOnce()])
    late = slow.receiver("news", options=AtMostOnce())
    sender = publisher.sender("news")
    for number in range(100):
        sender.send(Message(number))
    world.quiet()
    assert 0 < len(quick.bodies()) < 100 and sender.queued > 0
    late.flow(1000)
    world.quiet()
    assert quick.bodies() == slow.bodies() == list(range(100))


def test_a_publisher_goes_on_when_the_slow_subscriber_leaves():
    world = BrokerWorld(max_queue_bytes=5000)
    slow, publisher = world.client(), world.client()
    slow.receiver("news", options=Capability("topic"))
    sender = publisher.sender("news")
    for number in range(100):
        sender.send(Message(number))
    world.quiet()
    assert sender.queued > 0
    slow.vanish()
    assert sender.queued == 0 and len(publisher.outcomes) == 100


def test_messages_of_topics_expire_for_each_subscriber(world):
    client = world.client()
    one = client.receiver("news", options=Capability("topic"), name="one")
    client.receiver("news", 1, name="two")
    client.send("news", "a", ttl=5.0)
    world.pass_time(6.0)
    one.flow(1)
    world.quiet()
    assert client.bodies(one) == [] and world.node("news").expired == 1


# -- dynamic nodes


def test_request_and_response_over_a_dynamic_queue(world):
    client, server = world.client(), world.client()
    replies = client.receiver(None, 5, dynamic=True)
    address = replies.remote_source.address
    assert replies.remote_source.dynamic and address.startswith("the-broker/")
    client.send("requests", "hello", reply_to=address)
    server.receiver("requests", 1)
    request = server.inbox[0].message
    relay = server.sender(None)
    relay.send(Message(request.body.upper(), address=request.reply_to))
    world.quiet()
    assert client.bodies(replies) == ["HELLO"]


def test_dynamic_addresses_are_never_given_twice(world):
    client = world.client()
    addresses = [client.receiver(None, dynamic=True, name=f"r{n}").remote_source.address for n in range(3)]
    assert len(set(addresses)) == 3


@pytest.mark.parametrize("how", ["close", "detach", "vanish", "close connection"])
def test_a_dynamic_queue_goes_with_its_creator(world, how):
    client, other = world.client(), world.client()
    receiver = client.receiver(None, dynamic=True)
    address = receiver.remote_source.address
    sender = other.sender(address)
    sender.send(Message("a"))
    world.quiet()
    if how == "vanish":
        client.vanish()
    elif how == "close connection":
        client.connection.close()
    else:
        getattr(receiver, how)()
    world.quiet()
    assert address not in world.broker.names()
    assert other.errors == ["amqp:resource-deleted"]
    assert refused(other.sender(address, name="again")) and other.errors[1:] == ["amqp:not-found"]


def test_a_message_under_way_to_a_node_that_goes_is_given_back(world):
    client, other = world.client(), world.client()
    receiver = client.receiver(None, dynamic=True)
    sender = other.sender(receiver.remote_source.address)
    receiver.close()
    sender.send(Message("late"))
    world.quiet()
    assert other.errors == ["amqp:resource-deleted"] and other.outcomes in ([], [RELEASED])
    other.send("jobs", "a")
    assert world.node("jobs").depth == 1


def test_a_dynamic_target(world):
    client = world.client()
    session = client.connection.session()
    session.open()
    sender = session.sender("dynamic")
    sender.target.dynamic = True
    sender.open()
    world.quiet()
    address = sender.remote_target.address
    assert sender.remote_target.dynamic and address
    sender.send(Message("a"))
    client.receiver(address, 1)
    assert client.bodies() == ["a"]


def test_a_dynamic_topic(world):
    client = world.client()
    first = client.receiver(None, 5, dynamic=True, options=Capability("temporary-topic"))
    assert list(first.remote_source.capabilities) == ["topic", "temporary-topic"]
    address = first.remote_source.address
    client.receiver(address, 5, name="second")
    client.send(address, "a")
    assert client.bodies() == ["a", "a"]


@pytest.mark.parametrize("policy, code", [
    (symbol("amqp:delete-on-close:list"), 0x2B),
    (ulong(0x2C), 0x2C),
    (ulong(0x2D), 0x2D),
    (symbol("amqp:delete-on-no-links-or-messages:list"), 0x2E),
    (None, 0x2B),
])  # fmt: skip
def test_the_lifetime_is_granted_and_kept(world, policy, code):
    client, other = world.client(), world.client()
    wanted = {} if policy is None else {symbol("lifetime-policy"): Described(policy, [])}
    receiver = client.receiver(None, dynamic=True, options=DynamicNodeProperties(wanted))
    granted = receiver.remote_source.properties["lifetime-policy"].descriptor
    names = {
        0x2B: "amqp:delete-on-close:list",
        0x2C: "amqp:delete-on-no-links:list",
        0x2D: "amqp:delete-on-no-messages:list",
        0x2E: "amqp:delete-on-no-links-or-messages:list",
    }
    assert granted in (code, names[code])
    address = receiver.remote_source.address
    sender = other.sender(address)
    sender.send(Message("a"))
    world.quiet()
    receiver.close()
    world.quiet()
    assert (address in world.broker.names()) == (code != 0x2B)
    sender.close()
    world.quiet()
    assert (address in world.broker.names()) == (code in (0x2D, 0x2E))
    if code in (0x2D, 0x2E):
        last = client.receiver(address, 1)
        client.take()[0].settle(ACCEPTED)
        world.quiet()
        last.close()
        world.quiet()
        assert address not in world.broker.names()


def dynamic(client, code, *options, **more):
    wanted = {symbol("lifetime-policy"): Described(ulong(code), [])}
    return client.receiver(None, dynamic=True, options=[DynamicNodeProperties(wanted), *options], **more)


def test_a_node_that_lives_by_its_messages_ends_with_the_last_though_others_are_attached(world):
    client, other = world.client(), world.client()
    creator = dynamic(client, 0x2D)
    address = creator.remote_source.address
    other.send(address, "a", "b")
    reader = client.receiver(address, 1)
    client.take(reader)[0].settle(ACCEPTED)
    world.quiet()
    creator.close()
    world.quiet()
    assert address in world.broker.names() and reader.state & Endpoint.REMOTE_ACTIVE
    reader.flow(1)
    world.quiet()
    client.take(reader)[0].settle(ACCEPTED)
    world.quiet()
    assert address not in world.broker.names()
    assert reader.remote_condition.name == "amqp:resource-deleted" and world.broker.internal_errors == 0


@pytest.mark.parametrize("code", [0x2D, 0x2E])
def test_the_last_message_of_a_node_without_links_may_expire_or_be_purged(world, code):
    client = world.client()
    for way in ("expiry", "purge"):
        creator = dynamic(client, code)
        address = creator.remote_source.address
        client.send(address, "a", ttl=5.0)
        creator.close()
        world.quiet()
        assert address in world.broker.names()
        if way == "expiry":
            world.pass_time(6.0)
        else:
            node = world.broker.directory.records[address].node
            node.settle(node.root.after)
            world.quiet()
        assert address not in world.broker.names()


def test_a_dynamic_topic_that_lives_by_its_messages(world):
    client = world.client()
    creator = dynamic(client, 0x2D, Capability("temporary-topic"))
    assert set(creator.remote_source.capabilities) == {"topic", "temporary-topic"}
    address = creator.remote_source.address
    reader = client.receiver(address, 1)
    client.send(address, "a")
    creator.close()
    world.quiet()
    assert address in world.broker.names()
    client.take(reader)[0].settle(ACCEPTED)
    world.quiet()
    assert address not in world.broker.names()


# -- the anonymous relay


def test_each_message_goes_where_it_says(world):
    client = world.client()
    client.receiver("news", 1, options=Capability("topic"))
    relay = client.sender(None)
    for address in ("one", "two", "one", "news"):
        relay.send(Message(address, address=address))
    world.quiet()
    assert client.outcomes == [ACCEPTED] * 4
    assert (world.node("one").depth, world.node("two").depth) == (2, 1) and client.bodies() == ["news"]


def test_where_nothing_can_be_delivered_the_message_is_rejected_and_the_link_goes_on():
    world = BrokerWorld(auto_create=False, queues=["jobs"])
    client = world.client()
    relay = client.sender(None)
    relay.send(Message("a", address="nowhere"))
    relay.send(Message("b"))
    relay.send(Message("c", address="jobs"))
    world.quiet()
    assert client.outcomes == [REJECTED, REJECTED, ACCEPTED]
    assert [c and c.name for c in client.conditions] == ["amqp:not-found", "amqp:precondition-failed", None]
    assert world.broker.refused == 2


def test_a_dead_reply_address_does_not_come_back_to_life(world):
    client, server = world.client(), world.client()
    receiver = client.receiver(None, dynamic=True)
    address = receiver.remote_source.address
    relay = server.sender(None)
    receiver.close()
    world.quiet()
    relay.send(Message("late", address=address))
    world.quiet()
    assert server.outcomes == [REJECTED] and address not in world.broker.names()


def test_a_presettled_message_to_nowhere_is_counted(world):
    client = world.client()
    relay = client.sender(None, options=AtMostOnce())
    relay.send(Message("a"))
    world.quiet()
    assert client.errors == [] and world.broker.refused == 1


def test_a_relay_waits_while_the_queue_it_fills_is_full():
    world = BrokerWorld(max_queue_bytes=10_000)
    client = world.client()
    relay = client.sender(None)
    for number in range(100):
        relay.send(Message(number, address="jobs"))
    world.quiet()
    assert relay.queued > 0 and world.node("jobs").depth < 100
    client.receiver("jobs", 1000, options=AtMostOnce())
    assert client.bodies() == list(range(100)) and relay.queued == 0


def test_a_target_without_any_terminus_is_a_relay_too(world):
    client = world.client()
    session = client.connection.session()
    session.open()
    sender = session.sender("relay")
    sender.target.type = Terminus.UNSPECIFIED
    sender.open()
    world.quiet()
    sender.send(Message("a", address="jobs"))
    world.quiet()
    assert client.outcomes == [ACCEPTED] and world.node("jobs").depth == 1


def test_a_copy_of_a_topic_is_an_ordinary_subscription(world):
    client = world.client()
    client.receiver("news", 5, options=[Capability("topic"), Copy()])
    client.send("news", "a")
    assert client.bodies() == ["a"]


# -- shutting down


def test_shutting_down_tells_the_clients_and_ends_the_container(world):
    client = world.client()
    client.send("jobs", "a")
    world.broker.shut_down()
    world.stepper.run(limit=10.0)
    assert client.connection.remote_condition.name == "amqp:connection:forced"
    assert world.container not in world.stepper.containers


def test_shutting_down_does_not_wait_long_for_who_does_not_answer(world):
    client = world.client()
    client.freeze()
    before = world.network.clock.now()
    world.broker.shut_down(patience=2.0)
    world.stepper.run(limit=10.0)
    assert world.network.clock.now() - before <= 2.1
