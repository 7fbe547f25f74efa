"""Acknowledge modes of blocking sessions and receivers: those of JMS (row J6), and the usual one, of qpid.messaging."""

from __future__ import annotations

import threading

import pytest

from handlers.broker import EmbeddedBroker
from reactor import (
    REJECTED,
    RELEASED,
    AcknowledgeMode,
    AtLeastOnce,
    Backoff,
    Condition,
    Container,
    LocalExpiry,
    Message,
    ModifiedDisposition,
    RedeliveryPolicy,
)
from reactor.blocking import acknowledging
from reactor.errors import DecodeError, ReactorException, SessionException
from reactor.utils import BlockingConnection, Empty, Timeout
from tests.support.blocking import PATIENCE, Peer, eventually, fill

FAILED = ModifiedDisposition(failed=True, undeliverable=False)


def take(connection, mode, *bodies, capacity=0):
    fill(connection, "jobs", *bodies)
    session = connection.session(mode)
    receiver = session.receiver("jobs", capacity=capacity)
    return session, receiver, [receiver.fetch(timeout=PATIENCE) for _ in bodies]


def test_J6_a_mode_is_a_member_a_name_or_a_number_and_the_usual_one_is_individual(connection):
    for mode in (AcknowledgeMode.CLIENT, "client", "CLIENT_ACKNOWLEDGE", 2):
        assert connection.session(mode).acknowledge_mode is AcknowledgeMode.CLIENT
    assert connection.session().acknowledge_mode is AcknowledgeMode.INDIVIDUAL
    assert connection.create_receiver("jobs").acknowledge_mode is AcknowledgeMode.INDIVIDUAL
    for mode in ("clinet", 7):
        with pytest.raises(ValueError, match="acknowledge_mode is one of AUTO"):
            connection.session(mode)


def test_J6_AUTO_accepts_each_message_when_it_is_taken(broker, connection):
    session, _, (message, _) = take(connection, "AUTO", 1, 2)
    eventually(lambda: broker.queue("jobs").depth == 0)
    message.acknowledge()  # as in JMS it is ignored
    session.acknowledge()
    with pytest.raises(SessionException, match="ACCEPTED already, by the acknowledge mode AUTO"):
        session.acknowledge(message)
    with pytest.raises(SessionException, match="ACCEPTED already"):
        message.acknowledge(REJECTED)


def test_J6_CLIENT_acknowledges_all_that_the_session_has_taken(broker, connection):
    fill(connection, "one", 1, 2)
    fill(connection, "two", 3, 4)
    session = connection.session(2)
    one, two = session.receiver("one", capacity=5), session.receiver("two")
    one.fetch()
    two.fetch().acknowledge()
    eventually(lambda: broker.queue("one").depth == broker.queue("two").depth == 1)
    last = one.fetch()
    last.acknowledge(REJECTED)
    eventually(lambda: broker.queue("one").rejected == 1)
    last.acknowledge()  # nothing is left
    assert not session.unsettled


def test_J6_CLIENT_gives_another_outcome_to_the_message_alone(broker, connection):
    session, _receiver, (first, second, third) = take(connection, "client", 1, 2, 3)
    second.acknowledge(REJECTED)
    eventually(lambda: broker.queue("jobs").rejected == 1)
    assert list(session.unsettled) == [first, third]
    with pytest.raises(SessionException, match="settled already"):
        second.acknowledge(RELEASED)
    third.acknowledge()
    eventually(lambda: broker.queue("jobs").depth == 0)
    assert broker.queue("jobs").rejected == 1


def test_J8_a_CLIENT_session_gives_back_what_it_has_taken_as_failed_and_the_rest_as_it_was(broker, connection):
    fill(connection, "jobs", 1, 2)
    with connection.session("CLIENT") as session:
        receiver = session.receiver("jobs", capacity=2)
        connection.wait(lambda: receiver.available() == 2)
        receiver.fetch()
    receiver = connection.create_receiver("jobs")
    assert {(message.body, message.delivery_count) for message in (receiver.fetch(), receiver.fetch())} == {
        (1, 1),
        (2, 0),
    }


def test_J8_a_connection_that_closes_does_so_for_its_CLIENT_sessions(broker, connection):
    with BlockingConnection(broker.url, timeout=PATIENCE) as other:
        take(other, "CLIENT", 1)
    message = connection.create_receiver("jobs").fetch(timeout=PATIENCE)
    assert message.delivery_count == 1 and message.redelivered


def test_J6_DUPS_OK_accepts_several_at_a_time(broker, connection, monkeypatch):
    monkeypatch.setattr(acknowledging, "DELAY", 1000.0)
    session, receiver, messages = take(connection, "DUPS_OK", *range(10), capacity=10)
    assert broker.queue("jobs").acknowledged == 0
    with pytest.raises(SessionException, match="by the acknowledge mode DUPS_OK"):
        session.acknowledge(messages[0])
    with pytest.raises(Empty):
        receiver.fetch(timeout=0)  # before it waits
    eventually(lambda: broker.queue("jobs").acknowledged == 10)
    session.close()
    take(connection, "DUPS_OK", *range(200), capacity=100)
    eventually(lambda: broker.queue("jobs").depth < acknowledging.BATCH)


@pytest.mark.parametrize("end", ["acknowledge", "close", "delay"])
def test_J6_DUPS_OK_leaves_nothing_for_long(broker, connection, end):
    session, _, _ = take(connection, "DUPS_OK", 1, 2)
    if end != "delay":
        getattr(session, end)()
    eventually(lambda: broker.queue("jobs").acknowledged == 2)


def test_J6_INDIVIDUAL_acknowledges_one_message(broker, connection):
    session, _, (first, second) = take(connection, 101, 1, 2)
    second.acknowledge()
    eventually(lambda: broker.queue("jobs").acknowledged == 1)
    with pytest.raises(SessionException, match="settled already"):
        second.acknowledge()
    assert list(session.unsettled) == [first]


@pytest.mark.parametrize("mode", ["NONE", 100, 257])
def test_J6_NONE_is_settled_by_the_sender(broker, connection, mode):
    session, receiver, (message,) = take(connection, mode, 1)
    assert message.delivery.settled and receiver.unsettled() == 0
    eventually(lambda: broker.queue("jobs").depth == 0)
    session.acknowledge()
    for acknowledge in (message.acknowledge, lambda: session.acknowledge(message)):
        with pytest.raises(SessionException, match="its sender has settled it"):
            acknowledge()


def test_a_receiver_may_have_a_mode_of_its_own(broker, connection):
    fill(connection, "jobs", 1)
    fill(connection, "news", 2)
    session = connection.session()
    jobs, news = session.receiver("jobs"), session.receiver("news", acknowledge_mode="AUTO")
    news.fetch()
    message = jobs.fetch()
    assert list(session.unsettled) == [message]
    eventually(lambda: broker.queue("news").depth == 0)
    with pytest.raises(ValueError, match="a receiver of a session in mode INDIVIDUAL cannot be TRANSACTED"):
        session.receiver("jobs", acknowledge_mode=0)


def test_J9_a_blocking_receiver_keeps_away_what_has_failed_too_often(broker, connection):
    fill(connection, "jobs", "bad", "good", "better")
    connection.create_receiver("jobs").fetch().acknowledge(FAILED)
    for capacity in (0, 10):
        policy = RedeliveryPolicy(0, REJECTED)
        receiver = connection.create_receiver("jobs", credit=capacity, options=[AtLeastOnce(), policy])
        message = receiver.fetch(timeout=PATIENCE)
        assert message.body == ("better" if capacity else "good")
        message.acknowledge()
        assert policy.kept_away == (not capacity)
        receiver.close()
    eventually(lambda: broker.queue("jobs").depth == 0 and broker.queue("jobs").rejected == 1)


def test_J9_a_drain_that_brings_only_what_is_kept_away_asks_again(broker, connection):
    fill(connection, "jobs", "bad", "worse", "good")
    first = connection.create_receiver("jobs")
    failed = [first.fetch(), first.fetch()]
    for message in failed:
        message.acknowledge(FAILED)
    policy = RedeliveryPolicy(0)
    receiver = connection.create_receiver("jobs", options=policy)
    assert receiver.fetch(timeout=0).body == "good"
    with pytest.raises(Empty):
        receiver.fetch(timeout=0)
    assert policy.kept_away == 2
    assert receiver.unsettled() == 1


def test_J12_a_message_that_expires_while_it_waits_is_not_taken(broker, monkeypatch):
    container = Container()
    now = container.today()
    with BlockingConnection(broker.url, timeout=PATIENCE, container=container) as connection:
        sender = connection.create_sender("jobs")
        for body, expiry in (("stale", now + 60), ("fresh", now + 6000)):
            sender.send(Message(body, expiry_time=expiry))
        receiver = connection.create_receiver("jobs", credit=10, options=LocalExpiry())
        eventually(lambda: receiver.available() == 2)
        monkeypatch.setattr(container, "today", lambda: now + 100)
        assert receiver.receive().body == "fresh"


def test_a_message_that_cannot_be_read_is_the_takers_error_whatever_the_options_keep_away():
    states = []

    def on_link_opening(event):
        event.sender.source.address = "jobs"

    def on_sendable(event):
        sender = event.sender
        if not states:
            states.append(None)
            sender.delivery("broken")
            sender.send(b"\xff\xff")
            sender.advance()

    def on_rejected(event):
        states.append(event.delivery.remote_state)

    methods = {"on_link_opening": on_link_opening, "on_sendable": on_sendable, "on_rejected": on_rejected}
    with Peer(**methods) as peer, BlockingConnection(peer.url, timeout=PATIENCE) as connection:
        policy = RedeliveryPolicy(0)
        receiver = connection.create_receiver("jobs", options=policy)
        with pytest.raises(DecodeError):
            receiver.fetch(timeout=PATIENCE)
        eventually(lambda: states == [None, REJECTED])
        assert policy.kept_away == 0


def test_empty_is_all_that_a_traceback_shows(connection):
    with pytest.raises(Empty) as caught:
        connection.create_receiver("jobs").fetch(timeout=0)
    assert caught.value.__suppress_context__


def test_a_peer_that_settles_messages_itself_leaves_nothing_to_acknowledge():
    def on_link_opening(event):
        sender = event.sender
        sender.source.address = "jobs"
        sender.open()

    def on_sendable(event):
        delivery = event.sender.send(message)
        delivery.settle()

    message = Message("x")
    with Peer(on_link_opening=on_link_opening, on_sendable=on_sendable) as peer:
        with BlockingConnection(peer.url, timeout=PATIENCE) as connection:
            session = connection.session()
            receiver = session.receiver("jobs")
            taken = receiver.receive()
            session.acknowledge()
            assert taken.body == "x" and not session.unsettled


def test_a_session_is_found_again_by_its_name(connection):
    session = connection.session("AUTO", name="mine")
    assert connection.session(name="mine") is session is connection.session("auto", name="mine")
    with pytest.raises(ValueError, match="'mine' has acknowledge mode AUTO"):
        connection.session("CLIENT", name="mine")
    session.close()
    assert connection.session("CLIENT", name="mine") is not session


# -- several threads at one receiver ------------------------------------------------------------------------------


def test_threads_that_wait_at_one_receiver_get_a_message_each(broker, connection):
    receiver = connection.create_receiver("jobs")
    bodies = []
    threads = [threading.Thread(target=lambda: bodies.append(receiver.receive().body)) for _ in range(5)]
    for thread in threads:
        thread.start()
    fill(connection, "jobs", *range(5))
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(bodies) == [0, 1, 2, 3, 4]


def test_a_thread_waits_on_while_another_drains(connection):
    receiver = connection.create_receiver("jobs")
    bodies = []
    waiting = threading.Thread(target=lambda: bodies.append(receiver.receive().body))
    waiting.start()
    for _ in range(20):
        with pytest.raises(Empty):
            receiver.fetch(timeout=0)
    fill(connection, "jobs", "for who waits")
    waiting.join(PATIENCE)
    assert bodies == ["for who waits"]


def test_receive_that_looks_once_asks_for_a_message(connection):
    fill(connection, "jobs", "x")
    receiver = connection.create_receiver("jobs")
    with pytest.raises(Timeout):
        receiver.receive(timeout=0)
    connection.wait(lambda: receiver.available() == 1)
    assert receiver.receive(timeout=0).body == "x"


def test_Q9_capacity_can_be_set(connection):
    fill(connection, "jobs", *range(5))
    receiver = connection.create_receiver("jobs")
    receiver.capacity = 3
    connection.wait(lambda: receiver.available() == 3)
    with pytest.raises(ValueError, match="capacity is a number of messages"):
        receiver.capacity = -1


# -- messages that have come, and were not taken ------------------------------------------------------------------


@pytest.mark.parametrize("ends", ("receiver", "session", "connection"))
@pytest.mark.parametrize("mode", ("auto", "client", "individual"))
def test_what_was_not_taken_before_a_close_goes_back_and_is_not_given_out_after_it(broker, mode, ends):
    with BlockingConnection(broker.url, timeout=PATIENCE) as connection:
        fill(connection, "jobs", 1, 2, 3)
        session = connection.session(mode)
        receiver = session.receiver("jobs", capacity=3)
        eventually(lambda: receiver.available() == 3)
        {"receiver": receiver, "session": session, "connection": connection}[ends].close()
        for take in (receiver.fetch, receiver.receive):
            with pytest.raises(ReactorException, match="is closed"):
                take(timeout=0)
        eventually(lambda: broker.queue("jobs").depth == 3)


def test_what_its_sender_has_settled_can_be_taken_after_a_close(broker, connection):
    fill(connection, "jobs", 1, 2)
    receiver = connection.session("none").receiver("jobs", capacity=2)
    eventually(lambda: receiver.available() == 2)
    receiver.close()
    assert [receiver.fetch(timeout=0).body for _ in range(2)] == [1, 2], "nobody else will get them"
    with pytest.raises(ReactorException, match="is closed"):
        receiver.fetch(timeout=0)


@pytest.mark.parametrize("mode", ("auto", "individual", "transacted"))
def test_what_was_not_taken_before_a_loss_comes_once(tmp_path, mode):
    backoff = Backoff(initial=0.01, max_delay=0.05)
    with EmbeddedBroker(store=str(tmp_path / "store")) as broker:
        connection = BlockingConnection(broker.url, timeout=PATIENCE, reconnect=backoff)
        fill(connection, "jobs", *(Message(number, durable=True) for number in range(3)))
        session = connection.session(mode)
        receiver = session.receiver("jobs", capacity=3)
        eventually(lambda: receiver.available() == 3)
    eventually(lambda: receiver.available() == 0)
    with EmbeddedBroker(broker.url, store=str(tmp_path / "store")) as broker, connection:
        assert session.next_receiver(timeout=PATIENCE) is receiver
        assert [receiver.fetch(timeout=PATIENCE).body for _ in range(3)] == [0, 1, 2]
        with pytest.raises(Empty):
            receiver.fetch(timeout=0)
        session.commit() if mode == "transacted" else session.acknowledge()
        eventually(lambda: broker.queue("jobs").depth == 0)


def test_a_session_keeps_nothing_of_closed_links(connection):
    session = connection.session()
    for _ in range(2):
        with session.sender("jobs") as sender, session.receiver("jobs", capacity=1) as receiver:
            sender.send("x")
            eventually(lambda: receiver.available() == 1)
            assert session.next_receiver(timeout=0) is receiver
            assert session.senders() == [sender]
        assert session.senders() == []
        with pytest.raises(Empty):
            session.next_receiver(timeout=0)
        with session.receiver("jobs") as receiver:
            receiver.fetch(timeout=PATIENCE).acknowledge()


@pytest.mark.parametrize("ends", ("link", "session"))
def test_what_was_not_taken_before_an_end_that_passes_comes_once(ends):
    senders = []

    def give(event):
        senders.append(event.sender)
        for number in range(2):
            event.sender.send(Message([len(senders), number]))

    def end():
        ended = senders[0] if ends == "link" else senders[0].session
        ended.condition = Condition("amqp:resource-limit-exceeded", "for a moment")
        ended.close()

    with Peer(on_link_opened=give, on_in_doubt=lambda event: None) as peer:
        backoff = Backoff(initial=0.01, max_delay=0.05)
        with BlockingConnection(peer.url, timeout=PATIENCE, reconnect=backoff) as connection:
            session = connection.session("auto")
            receiver = session.receiver("jobs", capacity=2)
            eventually(lambda: receiver.available() == 2)
            peer.container.call_soon_threadsafe(end)
            eventually(lambda: len(senders) == 2)
            assert session.next_receiver(timeout=PATIENCE) is receiver
            assert [receiver.fetch(timeout=PATIENCE).body for _ in range(2)] == [[2, 0], [2, 1]]
