"""Queues as their clients see them: turns, outcomes, what comes back, browsing, draining, expiry, room."""

from __future__ import annotations

import pytest

from reactor import (
    ACCEPTED,
    MODIFIED,
    RECEIVED,
    REJECTED,
    RELEASED,
    AtMostOnce,
    Condition,
    Copy,
    Described,
    Link,
    Message,
    ModifiedDisposition,
    RejectedDisposition,
    symbol,
    ulong,
)
from tests.support.brokers import BrokerWorld


@pytest.fixture
def world():
    return BrokerWorld()


class ReceiverWith:
    """A link option that sets attributes of the link, or of its source."""

    def __init__(self, source=None, **link):
        self.link, self.source = link, source or {}

    def test(self, link):
        return True

    def apply(self, link):
        for name, value in self.link.items():
            setattr(link, name, value)
        for name, value in self.source.items():
            setattr(link.source, name, value)


# -- storing and forwarding


def test_a_message_waits_for_its_receiver(world):
    client = world.client()
    client.send("jobs", "hello")
    assert client.outcomes == [ACCEPTED]
    assert world.node("jobs").depth == 1
    receiver = client.receiver("jobs", 5)
    assert client.bodies() == ["hello"]
    client.take()[0].settle(ACCEPTED)
    world.quiet()
    node = world.node("jobs")
    assert (node.depth, node.enqueued, node.acknowledged, node.consumers) == (0, 1, 1, 1)
    assert receiver.credit == 4


def test_a_receiver_that_waits_gets_it_at_once(world):
    client = world.client()
    client.receiver("jobs", 1)
    client.send("jobs", "hello")
    assert client.bodies() == ["hello"]


def test_bytes_are_passed_on_as_they_came_but_for_the_header(world):
    client = world.client()
    message = Message(
        {"list": [1, ulong(2), None], "bytes": b"\x00\xff"},
        id=ulong(7),
        subject="s",
        properties={"a": 1.5},
        annotations={symbol("x-opt-a"): symbol("b")},
        instructions={symbol("hop"): 1},
        durable=True,
        priority=9,
    )
    sender = client.sender("jobs")
    sender.send(message)
    client.receiver("jobs", 1)
    got = client.inbox[0].message
    assert got.first_acquirer and not message.first_acquirer
    got.first_acquirer = False
    message.instructions = None  # they are for one hop, and this was it
    assert bytes(got.encode()) == bytes(message.encode())


@pytest.mark.parametrize("where", ["first", "last"])
def test_delivery_annotations_end_here_wherever_they_stand(world, where):
    client = world.client()
    sender = client.sender("jobs")
    header, instructions = b"\x00\x53\x70\xc0\x02\x01\x41", b"\x00\x53\x71\xc1\x07\x02\xa3\x03hop\x41"
    body = b"\x00\x53\x77\xa1\x05hello"
    sender.transmit(header + (instructions + body if where == "first" else body + instructions))
    sender.transmit(b"\x00\x53\x75\xa0\x03\x00\x53\x71")  # looks like some, and is a body
    client.receiver("jobs", 2)
    entries = [received.message for received in client.inbox]
    assert [message.instructions for message in entries] == [None, None]
    assert [message.body for message in entries] == ["hello", b"\x00\x53\x71"] and entries[0].durable


def test_a_header_behind_other_sections_is_the_header_all_the_same(world):
    client = world.client()
    sender = client.sender("jobs")
    fields, header = b"\x00\x53\x73\xc0\x04\x01\xa1\x01i", b"\x00\x53\x70\xc0\x02\x01\x41"
    sender.transmit(fields + header + b"\x00\x53\x77\xa1\x02hi")
    sender.transmit(b"\x00\x53\x75\xa0\x03\x00\x53\x70")  # looks like one, and is a body
    receiver = client.receiver("jobs", 2)
    first, second = client.take(receiver)
    assert (first.message.durable, first.message.first_acquirer, first.message.delivery_count) == (True, True, 0)
    assert (second.body, second.message.durable) == (b"\x00\x53\x70", False)
    first.delivery.local.failed = True
    first.settle(MODIFIED)
    second.settle()
    world.quiet()
    receiver.flow(1)
    world.quiet()
    again = client.inbox[-1].message
    assert (again.durable, again.first_acquirer, again.delivery_count) == (True, False, 1)
    assert (again.id, again.body) == ("i", "hi")


def test_a_body_that_is_no_amqp_is_not_the_brokers_business(world):
    client = world.client()
    sender = client.sender("jobs")
    sender.transmit(b"\x00\x53\x77\xff\xff")
    world.quiet()
    assert client.outcomes == [ACCEPTED] and world.node("jobs").depth == 1


def test_a_header_that_is_none_is_rejected(world):
    client = world.client()
    sender = client.sender("jobs")
    sender.transmit(b"\x00\x53\x70\xc0\x09\x01")
    sender.send(Message("good"))
    world.quiet()
    assert client.outcomes == [REJECTED, ACCEPTED]
    assert client.conditions[0].name == "amqp:decode-error"
    assert world.node("jobs").depth == 1


def test_many_messages_and_large_ones(world):
    client = world.client()
    receiver = client.receiver("jobs", 300)
    sender = client.sender("jobs")
    for number in range(200):
        sender.send(Message(number))
    sender.send(Message("x" * 1_000_000))
    world.quiet()
    assert client.bodies()[:200] == list(range(200))
    assert len(client.bodies()[200]) == 1_000_000
    assert len(client.outcomes) == 201 and receiver.credit == 99


# -- turns


def test_consumers_on_different_connections_take_turns(world):
    one, two, producer = world.client(), world.client(), world.client()
    one.receiver("jobs", 10)
    two.receiver("jobs", 10)
    producer.send("jobs", *range(6))
    assert (one.bodies(), two.bodies()) == ([0, 2, 4], [1, 3, 5])


def test_credit_is_kept_exactly(world):
    client = world.client()
    client.send("jobs", *range(20))
    receiver = client.receiver("jobs", 3)
    assert client.bodies() == [0, 1, 2]
    receiver.flow(7)
    world.quiet()
    assert client.bodies() == list(range(10))


def test_who_has_no_credit_does_not_hold_up_the_others(world):
    one, two = world.client(), world.client()
    one.receiver("jobs", 1)
    two.receiver("jobs", 10)
    one.send("jobs", *range(4))
    assert (one.bodies(), two.bodies()) == ([0], [1, 2, 3])


# -- outcomes


def test_R4_released_comes_back_in_its_place_uncounted(world):
    client = world.client()
    client.send("jobs", "a", "b")
    receiver = client.receiver("jobs", 1)
    client.take()[0].settle(RELEASED)
    receiver.flow(2)
    world.quiet()
    assert client.bodies() == ["a", "b"]
    assert (client.inbox[0].message.delivery_count, client.inbox[0].message.first_acquirer) == (0, False)
    assert client.inbox[1].message.first_acquirer


def test_modified_counts_only_when_it_says_failed(world):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1)
    for failed, count in ((True, 1), (False, 1), (True, 2)):
        received = client.take()[0]
        received.settle(ModifiedDisposition(failed=failed))
        receiver.flow(1)
        world.quiet()
        assert client.inbox[0].message.delivery_count == count
        assert not client.inbox[0].message.first_acquirer


def test_a_count_that_the_sender_brought_goes_on_from_there(world):
    client = world.client()
    client.send("jobs", "a", delivery_count=3)
    receiver = client.receiver("jobs", 1)
    assert client.inbox[0].message.delivery_count == 3
    client.take()[0].settle(MODIFIED)  # a bare modified has not failed
    receiver.flow(1)
    world.quiet()
    assert client.inbox[0].message.delivery_count == 3
    client.take()[0].settle(ModifiedDisposition(failed=True))
    receiver.flow(1)
    world.quiet()
    assert client.inbox[0].message.delivery_count == 4


def test_modified_annotations_are_merged_and_the_rest_is_untouched(world):
    client = world.client()
    client.send("jobs", "a", annotations={symbol("x-opt-a"): 1, symbol("x-opt-b"): 2}, subject="s")
    receiver = client.receiver("jobs", 1)
    client.take()[0].settle(ModifiedDisposition(annotations={symbol("x-opt-b"): 3, symbol("x-opt-c"): "new"}))
    receiver.flow(1)
    world.quiet()
    message = client.inbox[0].message
    assert message.annotations == {"x-opt-a": 1, "x-opt-b": 3, "x-opt-c": "new"}
    assert (message.body, message.subject) == ("a", "s")


def test_modified_annotations_on_a_message_that_had_none(world):
    client = world.client()
    client.send("jobs", {"k": [1, 2]})
    receiver = client.receiver("jobs", 1)
    client.take()[0].settle(ModifiedDisposition(annotations={symbol("x-opt-c"): "new"}))
    receiver.flow(1)
    world.quiet()
    assert client.inbox[0].message.annotations == {"x-opt-c": "new"}
    assert client.bodies() == [{"k": [1, 2]}]


def test_undeliverable_here_goes_to_another_link_only(world):
    client = world.client()
    client.send("jobs", "a", "b")
    refuser = client.receiver("jobs", 1)
    client.take()[0].settle(ModifiedDisposition(failed=True, undeliverable=True))
    refuser.flow(5)
    world.quiet()
    assert client.bodies(refuser) == ["b"]
    other = client.receiver("jobs", 5, name="other")
    assert client.bodies(other) == ["a"] and client.take(other)[0].message.delivery_count == 1


def test_rejected_is_dropped_counted_and_logged(world, caplog):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1)
    client.take()[0].settle(RejectedDisposition(Condition("app:bad", "no such customer")))
    receiver.flow(1)
    world.quiet()
    node = world.node("jobs")
    assert client.bodies() == [] and (node.depth, node.rejected) == (0, 1)
    assert "app:bad: no such customer" in caplog.text


def test_an_outcome_without_settling_is_settled_by_the_broker(world):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 1)
    received = client.inbox[0]
    received.delivery.update(ACCEPTED)
    world.quiet()
    assert received.delivery.settled and world.node("jobs").acknowledged == 1


def test_received_is_no_outcome(world):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 1)
    client.inbox[0].delivery.update(RECEIVED)
    world.quiet()
    assert world.node("jobs").acquired == 1
    client.inbox[0].settle(ACCEPTED)
    world.quiet()
    assert world.node("jobs").acknowledged == 1


def test_settled_without_an_outcome_counts_as_accepted(world):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 1)
    client.take()[0].settle(None)
    world.quiet()
    assert (world.node("jobs").depth, world.node("jobs").acknowledged) == (0, 1)


@pytest.mark.parametrize("outcome, count", [
    (Described(ulong(0x26), []), 0),
    (Described(ulong(0x27), [True]), 1),
    (Described(ulong(0x27), []), 0),
])  # fmt: skip
def test_settled_without_an_outcome_is_what_the_source_says_it_is(world, outcome, count):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1, options=ReceiverWith(source={"default_outcome": outcome}))
    client.take()[0].settle(None)
    receiver.flow(1)
    world.quiet()
    assert client.bodies() == ["a"] and client.inbox[0].message.delivery_count == count


# -- what comes back from those who leave


@pytest.mark.parametrize("how", ["close", "detach", "end", "close connection", "vanish"])
def test_R5_Q3_unsettled_messages_of_who_leaves_come_back_counted_in_their_place(world, how):
    leaver, other = world.client(), world.client()
    leaver.send("jobs", *"abc")
    receiver = leaver.receiver("jobs", 2)
    leaver.take()[0].settle(ACCEPTED)
    world.quiet()
    if how == "close":
        receiver.close()
    elif how == "detach":
        receiver.detach()
    elif how == "end":
        receiver.session.close()
    elif how == "close connection":
        leaver.connection.close()
    else:
        leaver.vanish()
    world.quiet()
    assert world.node("jobs").consumers == 0
    other.receiver("jobs", 5)
    assert other.bodies() == ["b", "c"]
    assert [r.message.delivery_count for r in other.inbox] == [1, 0]
    assert [r.message.first_acquirer for r in other.inbox] == [False, True]


def test_who_leaves_in_the_same_breath_as_another_sends(world):
    """The engine has read both frames before the broker hears of the first."""
    client = world.client()
    sender = client.sender("jobs")
    receiver = client.receiver("jobs", 5)
    sender.send(Message("a"))
    receiver.close()
    world.quiet()
    client.receiver("jobs", 5, name="again")
    assert client.bodies() == ["a"] and client.inbox[0].message.delivery_count == 0
    assert client.errors == []


def test_what_never_left_does_not_count_as_tried(world):
    """The session's window is closed: the messages are acquired, and still with the broker."""
    leaver, other = world.client(), world.client()
    session = leaver.connection.session()
    session.incoming_capacity = 40_000
    session.open()
    leaver.send("jobs", *("x" * 10_000 for _ in range(20)))
    leaver.on_message = lambda event: None
    receiver = session.receiver("slow")
    receiver.source.address = "jobs"
    receiver.handler = object()  # nobody reads
    receiver.open()
    receiver.flow(20)
    world.quiet()
    assert world.node("jobs").acquired == 20
    leaver.vanish()
    other.receiver("jobs", 20)
    counts = [r.message.delivery_count for r in other.inbox]
    assert len(counts) == 20 and counts[0] == 1 and counts[-1] == 0 and counts == sorted(counts, reverse=True)


# -- modes


def test_presettled_by_the_sender(world):
    client = world.client()
    sender = client.sender("jobs", options=AtMostOnce())
    sender.send(Message("a"))
    world.quiet()
    assert client.outcomes == [] and world.node("jobs").depth == 1
    assert sender.remote_snd_settle_mode == Link.SND_SETTLED


@pytest.mark.parametrize("half_way", [False, True])
def test_what_is_settled_before_it_is_complete_is_taken(world, half_way):
    client = world.client()
    sender = client.sender("jobs", options=None if half_way else AtMostOnce())
    delivery = sender.delivery("tag")
    sender.stream(b"\x00\x53\x75\xb0" + (300_000).to_bytes(4, "big") + bytes(100_000))
    world.quiet()
    sender.stream(bytes(200_000))
    (delivery.settle if half_way else sender.advance)()
    world.quiet()
    assert world.node("jobs").depth == 1


def test_R2_Q4_presettled_for_the_receiver(world):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1, options=AtMostOnce())
    assert client.inbox[0].delivery.settled and world.node("jobs").depth == 0
    assert receiver.remote_snd_settle_mode == Link.SND_SETTLED
    client.vanish()
    assert world.node("jobs").depth == 0


@pytest.mark.parametrize("mode", [Link.SND_UNSETTLED, Link.SND_SETTLED, Link.SND_MIXED])
def test_the_senders_mode_is_echoed(world, mode):
    client = world.client()
    assert client.receiver("jobs", options=ReceiverWith(snd_settle_mode=mode)).remote_snd_settle_mode == mode


def test_a_receiver_that_settles_second_is_settled_first(world):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1, options=ReceiverWith(rcv_settle_mode=Link.RCV_SECOND))
    assert receiver.remote_rcv_settle_mode == Link.RCV_SECOND
    received = client.inbox[0]
    received.delivery.update(ACCEPTED)
    world.quiet()
    assert received.delivery.settled and world.node("jobs").depth == 0


@pytest.mark.parametrize("outcome", [ACCEPTED, REJECTED, RELEASED, MODIFIED])
def test_a_receiver_that_settles_second_hears_its_outcome_with_that(world, outcome):
    client = world.client()
    client.send("jobs", "a")
    client.receiver("jobs", 1, options=ReceiverWith(rcv_settle_mode=Link.RCV_SECOND))
    delivery = client.inbox[0].delivery
    delivery.update(outcome)
    world.quiet()
    assert delivery.settled and delivery.remote_state == outcome


def test_a_sender_that_asks_for_second_is_answered_first_and_settled(world):
    client = world.client()
    sender = client.sender("jobs", options=ReceiverWith(rcv_settle_mode=Link.RCV_SECOND))
    assert sender.remote_rcv_settle_mode == Link.RCV_FIRST
    delivery = sender.send(Message("a"))
    world.quiet()
    assert delivery.settled and client.outcomes == [ACCEPTED] and world.node("jobs").depth == 1
    sender.send(Message("b"))
    world.quiet()
    assert sender.unsettled == 0 and world.node("jobs").depth == 2


# -- draining and browsing


def test_J14_draining_an_empty_queue_is_answered(world):
    client = world.client()
    receiver = client.receiver("jobs")
    receiver.drain(10)
    world.quiet()
    assert not receiver.draining() and receiver.credit == 0 and client.bodies() == []


def test_draining_gives_what_is_there_and_returns_the_rest(world):
    client = world.client()
    client.send("jobs", *range(3))
    receiver = client.receiver("jobs")
    receiver.drain(10)
    world.quiet()
    assert client.bodies() == [0, 1, 2] and not receiver.draining() and receiver.credit == 0
    client.send("jobs", "later")
    assert client.bodies() == [0, 1, 2]
    receiver.flow(1)
    world.quiet()
    assert client.bodies() == [0, 1, 2, "later"]


def test_the_sender_tells_how_many_are_there(world):
    client = world.client()
    client.send("jobs", *range(5))
    receiver = client.receiver("jobs")
    receiver.drain(2)
    world.quiet()
    assert client.bodies() == [0, 1]


def test_Q7_browsing_shows_what_is_there_and_takes_nothing(world):
    client = world.client()
    client.send("jobs", *range(3))
    browser = client.receiver("jobs", options=Copy())
    assert browser.remote_source.distribution_mode == browser.source.DIST_MODE_COPY
    browser.drain(10)
    world.quiet()
    assert client.bodies(browser) == [0, 1, 2] and not browser.draining()
    for received in client.take(browser):
        received.settle(ACCEPTED)
    world.quiet()
    assert world.node("jobs").depth == 3
    client.receiver("jobs", 10, name="consumer")
    assert client.bodies() == [0, 1, 2]
    assert all(r.message.first_acquirer for r in client.inbox)


@pytest.mark.parametrize("outcome", [RELEASED, REJECTED, MODIFIED, None])
def test_Q7_no_outcome_of_a_browser_means_anything(world, outcome):
    client = world.client()
    client.send("jobs", "a")
    browser = client.receiver("jobs", 5, options=Copy())
    client.take()[0].settle(outcome)
    world.quiet()
    browser.close()
    world.quiet()
    node = world.node("jobs")
    assert (node.depth, node.rejected, node.requeued, node.consumers) == (1, 0, 0, 0)


def test_browsers_see_redelivered_messages_as_such(world):
    client = world.client()
    client.send("jobs", "a")
    consumer = client.receiver("jobs", 1)
    client.take()[0].settle(ModifiedDisposition(failed=True))
    world.quiet()
    consumer.close()
    client.receiver("jobs", 1, options=Copy(), name="browser")
    assert client.inbox[0].message.delivery_count == 1 and not client.inbox[0].message.first_acquirer


# -- expiry


def test_a_message_expires_in_its_queue(world, caplog):
    caplog.set_level("INFO", "handlers.broker")
    client = world.client()
    client.send("jobs", "short", ttl=5.0)
    client.send("jobs", "long", ttl=50.0)
    client.send("jobs", "ever")
    world.pass_time(5.1)
    assert (world.node("jobs").depth, world.node("jobs").expired) == (2, 1)
    assert "1 messages of 'jobs' expired" in caplog.text
    world.pass_time(45.0)
    assert world.node("jobs").depth == 1
    client.receiver("jobs", 5)
    assert client.bodies() == ["ever"]


def test_a_shorter_time_to_live_that_comes_later_is_kept_too(world):
    client = world.client()
    client.send("jobs", "long", ttl=50.0)
    client.send("jobs", "short", ttl=5.0)
    world.pass_time(6.0)
    client.receiver("jobs", 5)
    assert client.bodies() == ["long"]


def test_the_receiver_is_told_how_long_is_left(world):
    client = world.client()
    client.send("jobs", "a", ttl=10.0)
    world.pass_time(4.0)
    client.receiver("jobs", 1)
    assert client.inbox[0].message.ttl == pytest.approx(6.0, abs=0.01)


def test_what_a_consumer_holds_expires_when_it_is_given_back(world):
    client = world.client()
    client.send("jobs", "a", "b", ttl=5.0)
    receiver = client.receiver("jobs", 2)
    world.pass_time(6.0)
    accepted, released = client.take()
    accepted.settle(ACCEPTED)
    released.settle(RELEASED)
    receiver.flow(2)
    world.quiet()
    node = world.node("jobs")
    assert client.bodies() == [] and (node.acknowledged, node.expired, node.depth) == (1, 1, 0)


# -- room


def test_a_full_queue_stops_its_senders_until_it_is_half_empty():
    world = BrokerWorld(max_queue_bytes=100_000)
    producer, consumer = world.client(), world.client()
    sender = producer.sender("jobs")
    for number in range(300):
        sender.send(Message(f"{number:03}" + "x" * 1000))
    world.quiet()
    node = world.node("jobs")
    assert 100_000 <= node.bytes <= 200_000, "what was under way is kept, and no more comes"
    assert sender.queued > 0 and sender.credit <= 0
    receiver = consumer.receiver("jobs", 1000)
    while len(consumer.outcomes) < 300 and consumer.inbox:
        for received in consumer.take():
            received.settle(ACCEPTED)
            consumer.outcomes.append(received.body[:3])
        world.quiet()
    assert consumer.outcomes == [f"{number:03}" for number in range(300)]
    assert len(producer.outcomes) == 300 and receiver.credit > 0


def test_a_sender_that_comes_to_a_full_queue_waits():
    world = BrokerWorld(max_queue_bytes=2000)
    client = world.client()
    client.send("jobs", "x" * 3000)
    late = client.sender("jobs")
    assert late.credit == 0
    late.send(Message("y"))
    world.quiet()
    assert world.node("jobs").depth == 1
    client.receiver("jobs", 1)
    client.take()[0].settle(ACCEPTED)
    world.quiet()
    assert world.node("jobs").depth == 1 and late.queued == 0


def test_the_larger_the_messages_the_less_credit():
    world = BrokerWorld(max_queue_bytes=1_000_000)
    small, large = world.client(), world.client()
    credits = []
    for client, size in ((small, 10), (large, 50_000)):
        client.receiver(f"q{size}", 1000)
        sender = client.sender(f"q{size}")
        sender.send(Message("x" * size))
        world.quiet()
        for _ in range(20):
            sender.send(Message("x" * size))
            world.quiet()
        credits.append(sender.credit)
    assert credits[0] > 100 and credits[1] <= 10


def test_one_full_queue_does_not_stop_another():
    world = BrokerWorld(max_queue_bytes=2000)
    client = world.client()
    client.send("full", "x" * 3000)
    client.send("other", "y")
    assert world.node("other").depth == 1


def test_a_message_that_is_too_large_ends_its_link():
    world = BrokerWorld(max_message_size=1000)
    client = world.client()
    sender = client.sender("jobs")
    assert sender.remote_max_message_size == 1000
    sender.remote_max_message_size = 0  # one who does not look
    sender.transmit(b"\x00\x53\x75\xb0" + (5000).to_bytes(4, "big") + bytes(5000))
    world.quiet()
    assert client.errors == ["amqp:link:message-size-exceeded"] and world.node("jobs").depth == 0
    client.send("jobs", "small")
    assert world.node("jobs").depth == 1


@pytest.mark.parametrize("browse", [False, True])
def test_a_receiver_for_which_a_message_is_too_large_is_told_so_and_the_message_waits(world, browse):
    client, other = world.client(), world.client()
    client.send("jobs", "x" * 5000)
    small = ReceiverWith(max_message_size=1000)
    client.receiver("jobs", 10, options=[small, Copy()] if browse else small)
    world.quiet()
    assert client.errors == ["amqp:link:message-size-exceeded"] and client.inbox == []
    assert world.node("jobs").depth == 1
    other.receiver("jobs", 10)
    world.quiet()
    assert [received.message.body for received in other.inbox] == ["x" * 5000]
    assert other.inbox[0].message.delivery_count == 0


def test_an_aborted_message_is_none(world):
    client = world.client()
    sender = client.sender("jobs")
    delivery = sender.delivery("tag")
    sender.stream(b"\x00\x53\x75\xb0" + (500_000).to_bytes(4, "big") + bytes(100_000))
    world.quiet()
    delivery.abort()
    world.quiet()
    sender.send(Message("whole"))
    world.quiet()
    client.receiver("jobs", 5)
    assert client.bodies() == ["whole"] and client.errors == []


# -- consumers that take more than they read


def test_a_consumer_that_reads_nothing_is_handed_no_more_than_a_little_of_a_long_queue(world):
    reader, other = world.client(), world.client()
    session = reader.connection.session()
    session.incoming_capacity = 40_000
    session.open()
    other.send("jobs", *(str(number) + "x" * 30_000 for number in range(50)))
    receiver = session.receiver("slow")
    receiver.source.address = "jobs"
    receiver.handler = object()  # nobody reads
    receiver.open()
    receiver.flow(1_000_000)
    world.quiet()
    assert 8 <= world.node("jobs").acquired <= 12
    bodies = []
    while receiver.current is not None:
        while receiver.current is not None:
            delivery = receiver.current
            bodies.append(Message.from_bytes(delivery.take()).body)
            delivery.update(ACCEPTED)
            delivery.settle()
        world.quiet()
    assert [body.rstrip("x") for body in bodies] == [str(number) for number in range(50)], "all comes as it reads"
    assert world.node("jobs").depth == 0


@pytest.mark.parametrize("browses", [False, True])
def test_a_long_queue_is_drained_to_its_end_before_credit_is_given_back(world, browses):
    reader, other = world.client(), world.client()
    other.send("jobs", *(str(number) + "x" * 30_000 for number in range(50)))
    receiver = reader.receiver("jobs", options=Copy() if browses else None)
    receiver.drain(60)
    world.quiet()
    assert [body.rstrip("x") for body in reader.bodies()] == [str(number) for number in range(50)]
    assert not receiver.draining()
    assert receiver.drained() == 10


def test_an_address_that_is_too_long_is_refused(world):
    client = world.client()
    client.sender("x" * 1024)
    assert client.errors == []
    client.sender("x" * 1025)
    assert client.errors == ["amqp:invalid-field"]


@pytest.mark.parametrize("credit", [1, 10], ids=["used-up", "left"])
@pytest.mark.parametrize("end", ["receiver", "detach", "session", "connection"])
def test_R4_released_in_the_last_words_of_a_receiver_is_no_attempt_that_failed(world, end, credit):
    client, other = world.client(), world.client()
    client.send("jobs", "first", "second")
    receiver = client.receiver("jobs", credit)
    held = client.take()
    for received in held:
        received.settle(RELEASED)
    last_words = {
        "receiver": receiver.close, "detach": receiver.detach,
        "session": receiver.session.close, "connection": client.connection.close,
    }  # fmt: skip
    last_words[end]()
    world.quiet()
    assert not client.inbox, "a link that closes gets no more"
    other.receiver("jobs", 10)
    seen = [(received.body, received.message.delivery_count) for received in other.inbox]
    assert len(held) == min(credit, 2) and seen == [("first", 0), ("second", 0)]

