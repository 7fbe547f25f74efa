"""The blocking API over real sockets: calls return when the peer has answered, or say why it will not."""

from __future__ import annotations

import threading
import time
from math import inf

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import ACCEPTED, MODIFIED, REJECTED, RELEASED, Backoff, Condition, Container, Message, Resend, Session
from reactor.engine.endpoints.disposition import RejectedDisposition
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.errors import (
    ConnectionException,
    DataException,
    LocalProtocolError,
    ReactorException,
    SessionException,
)
from reactor.utils import (
    BlockingConnection,
    ConnectionClosed,
    Empty,
    LinkDetached,
    SendException,
    SyncRequestResponse,
    Timeout,
)
from tests.support.blocking import PATIENCE, Peer, eventually, fill, times_out
from tests.support.processes import unused_port

# -- opening -----------------------------------------------------------------------------------------------------


def test_a_connection_is_open_when_it_is_made(broker, connection):
    assert connection.url == broker.url
    assert broker.overview().connections == 1
    assert repr(connection) == "<BlockingConnection %s open>" % broker.url
    connection.close()
    connection.close()
    assert connection.closed
    eventually(lambda: broker.overview().connections == 0)


def test_nobody_listens():
    with pytest.raises(ConnectionException, match="refused"):
        BlockingConnection("127.0.0.1:%d" % unused_port(), timeout=PATIENCE)


def test_a_peer_that_does_not_answer_is_waited_for_as_long_as_asked():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        with pytest.raises(Timeout, match="opening the connection timed out"):
            BlockingConnection("127.0.0.1:%d" % server.getsockname()[1], timeout=0.1)
        assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize(
    "timeout, error", [("1", TypeError), (True, TypeError), (-1, ValueError), (float("nan"), ValueError)]
)
def test_a_timeout_of_the_wrong_kind(timeout, error):
    with pytest.raises(error, match="timeout is a number of seconds"):
        BlockingConnection("127.0.0.1:1", timeout=timeout)


def test_an_unknown_keyword_is_refused_and_leaves_no_thread():
    before = threading.active_count()
    with pytest.raises(TypeError, match="heartbaet"):
        BlockingConnection("127.0.0.1:1", heartbaet=3)
    assert threading.active_count() == before


# -- sending -----------------------------------------------------------------------------------------------------


def test_Q11_send_returns_the_delivery_when_the_peer_has_taken_it(broker, connection):
    sender = connection.create_sender("jobs")
    delivery = sender.send(Message("sweep"))
    assert delivery.remote_state == ACCEPTED
    assert broker.queue("jobs").depth == 1
    sender.send("cook")  # the body of a message
    assert broker.queue("jobs").depth == 2


def test_Q11_a_message_that_is_not_taken_raises(connection):
    sender = connection.create_sender("small")
    sender.send(Message(1))
    with pytest.raises(
        SendException, match="ended as REJECTED: amqp:resource-limit-exceeded: 'small' is full"
    ) as caught:
        sender.send(Message(2))
    assert caught.value.state == REJECTED and caught.value.condition == "amqp:resource-limit-exceeded"
    assert sender.send(Message(3), error_states=[]).remote_state == REJECTED


def test_Q12_messages_sent_without_waiting_are_bounded_and_have_trackers(broker, connection):
    sender = connection.create_sender("jobs", capacity=10)
    trackers = [sender.send(number, sync=False) for number in range(100)]
    assert sender.unsettled() <= 10 == sender.capacity
    sender.sync()
    assert sender.unsettled() == 0 and sender.available() == 10
    assert all(tracker.settled and tracker.wait() == ACCEPTED for tracker in trackers)
    assert broker.queue("jobs").depth == 100


def test_an_outcome_that_does_not_come():
    with Peer() as peer:
        connection = BlockingConnection(peer.url, timeout=PATIENCE)
        sender = connection.create_sender("jobs", capacity=1)
        with pytest.raises(Timeout, match=r"it has not left, and will not.*: 'jobs' gives no credit"):
            sender.send("no credit", timeout=0.05)
        tracker = sender.send("neither", sync=False)
        with pytest.raises(Timeout, match="no room for another message"):
            sender.send("no room", timeout=0.05)
        assert not tracker.settled
        connection.timeout = 0.05
        with pytest.raises(Timeout, match="closing the connection timed out; 1 message has not left"):
            connection.close()
        assert isinstance(tracker.failure, ReactorException)


def test_a_message_that_is_too_large_is_not_sent():
    with EmbeddedBroker(max_message_size=1000) as broker, BlockingConnection(broker.url) as connection:
        sender = connection.create_sender("jobs")
        with pytest.raises(LocalProtocolError, match="message-size-exceeded"):
            sender.send("x" * 2000)
        sender.send("x")
        assert sender.unsettled() == 0


# -- receiving ---------------------------------------------------------------------------------------------------


def test_receive_waits_and_accept_removes(broker, connection):
    fill(connection, "jobs", "sweep", "cook")
    receiver = connection.create_receiver("jobs")
    assert receiver.receive().body == "sweep"
    assert (receiver.unsettled(), broker.queue("jobs").acquired) == (1, 1)
    receiver.accept()
    message = receiver.receive()
    receiver.release()  # it counts
    with pytest.raises(ReactorException, match="is to be settled"):
        receiver.accept()
    again = receiver.receive()
    assert (again.body, again.delivery_count, again.redelivered, message.redelivered) == ("cook", 1, True, False)
    receiver.reject()
    with pytest.raises(Timeout, match="waiting for a message from 'jobs'"):
        receiver.receive(timeout=0.05)
    receiver.close()
    eventually(lambda: broker.queue("jobs").depth == 0)


def test_Q8_fetch_raises_empty_only_when_the_peer_has_none(connection):
    receiver = connection.create_receiver("jobs")
    with pytest.raises(Empty, match="no message from 'jobs'"):
        receiver.fetch(timeout=0)
    with pytest.raises(Empty):
        receiver.fetch(timeout=0.01)
    assert receiver.link.credit == 0, "what was asked for is given back"
    fill(connection, "jobs", 1, 2)
    assert [receiver.fetch(timeout=0).body, receiver.fetch(timeout=0).body] == [1, 2]
    assert issubclass(Empty, Timeout)


def test_a_drain_is_answered_when_its_message_has_arrived_and_not_when_the_engine_has_read_it(connection, monkeypatch):
    fill(connection, "jobs", "the one")
    receiver = connection.create_receiver("jobs")
    looked = threading.Event()
    arrived = receiver.arrived

    def later(delivery, now):  # the engine has read it, and its event is dispatched, but the message is not kept yet
        if receiver.link.drain_asked:  # else it has come before the drain
            looked.clear()
            connection.changed()
            assert looked.wait(PATIENCE), "the thread that waits for the answer has looked meanwhile"
        arrived(delivery, now)

    check = receiver._attachment.check

    def look(name):
        check(name)
        looked.set()

    monkeypatch.setattr(receiver, "arrived", later)
    monkeypatch.setattr(receiver._attachment, "check", look)
    assert receiver.fetch(timeout=0).body == "the one"


def test_Q9_Q10_a_receiver_with_capacity_gets_messages_ahead(broker, connection):
    fill(connection, "jobs", *range(30))
    receiver = connection.session().receiver("jobs", capacity=10)
    connection.wait(lambda: receiver.available() == 10)
    assert broker.queue("jobs").acquired == 10
    assert [receiver.fetch().body for _ in range(30)] == list(range(30))
    with pytest.raises(Empty):
        receiver.fetch(timeout=0)
    fill(connection, "jobs", "later")
    assert receiver.fetch().body == "later", "the credit that a drain gave back is granted again"


def test_a_receiver_is_iterated_until_it_fails(connection):
    fill(connection, "jobs", *range(3))
    receiver = connection.create_receiver("jobs")
    bodies = []
    for message in receiver:
        bodies.append(message.body)
        message.acknowledge()
        if len(bodies) == 3:
            break
    assert bodies == [0, 1, 2]


def test_a_dynamic_receiver_has_the_address_of_the_peer(connection):
    receiver = connection.create_receiver(dynamic=True)
    fill(connection, receiver.address, "to you")
    assert receiver.receive().body == "to you"


def test_Q14_next_receiver_is_that_of_the_oldest_message(connection):
    session = connection.session()
    first, second = session.receiver("one", capacity=5), session.receiver("two", capacity=5)
    with pytest.raises(Empty):
        session.next_receiver(timeout=0.01)
    fill(connection, "two", "a")
    assert session.next_receiver() is second
    fill(connection, "one", "b")
    connection.wait(first.available)
    assert session.next_receiver() is second
    second.fetch()
    assert session.next_receiver() is first


# -- acknowledgement of a session --------------------------------------------------------------------------------


def test_Q1_acknowledge_settles_what_all_receivers_of_the_session_have_taken(broker, connection):
    fill(connection, "one", 1, 2)
    fill(connection, "two", 3)
    session, other = connection.session(), connection.session()
    one, two = session.receiver("one", capacity=5), session.receiver("two")
    taken = [one.fetch(), two.fetch(), one.fetch()]
    fill(connection, "one", 4)
    session.acknowledge()
    eventually(lambda: broker.queue("one").depth == 1)
    theirs = other.receiver("two")
    fill(connection, "two", 5)
    theirs.fetch()
    session.acknowledge()  # nothing of the other session
    assert broker.queue("two").depth == 1
    assert not session.unsettled
    with pytest.raises(SessionException, match="settled already"):
        session.acknowledge(taken[0])
    with pytest.raises(SessionException, match="settled already"):
        taken[0].acknowledge()
    session.acknowledge()  # nothing is not an error


def test_Q1_one_message_or_all_up_to_it(broker, connection):
    fill(connection, "jobs", *range(5))
    session = connection.session()
    receiver = session.receiver("jobs", capacity=5)
    messages = [receiver.fetch() for _ in range(5)]
    session.acknowledge(messages[3])
    eventually(lambda: broker.queue("jobs").depth == 4)
    session.acknowledge(messages[2], multiple=True)
    assert [message.body for message in session.unsettled] == [4]
    eventually(lambda: broker.queue("jobs").depth == 1)
    with pytest.raises(SessionException, match="none of this session's"):
        connection.session().acknowledge(messages[4])
    with pytest.raises(ValueError, match="ACCEPTED, REJECTED, RELEASED or MODIFIED"):
        session.acknowledge(messages[4], "accepted")
    messages[4].acknowledge(RejectedDisposition(Condition("shop:closed", "come tomorrow")))
    eventually(lambda: broker.queue("jobs").rejected == 1)


@pytest.mark.parametrize("outcome, count", [(RELEASED, 0), (MODIFIED, 0)])
def test_Q1_a_session_gives_back(broker, connection, outcome, count):
    fill(connection, "jobs", 1)
    session = connection.session()
    receiver = session.receiver("jobs")
    receiver.fetch()
    session.acknowledge(outcome=outcome)
    eventually(lambda: broker.queue("jobs").waiting == 1)
    assert receiver.fetch().delivery_count == count


def test_an_acknowledgement_that_does_not_wait(broker, connection):
    fill(connection, "jobs", *range(50))
    session = connection.session()
    receiver = session.receiver("jobs", capacity=50)
    for _ in range(50):
        receiver.fetch().acknowledge(sync=False)
    session.close()
    assert broker.queue("jobs").depth == 0


def test_Q3_what_was_not_acknowledged_comes_again(broker):
    with BlockingConnection(broker.url, timeout=PATIENCE) as connection:
        fill(connection, "jobs", 1)
        assert not connection.create_receiver("jobs").receive().redelivered
    with BlockingConnection(broker.url, timeout=PATIENCE) as connection:
        assert connection.create_receiver("jobs").receive().redelivered


def test_an_outcome_that_cannot_be_sent_ends_nothing_and_the_message_stays_unsettled(broker, connection, caplog):
    fill(connection, "jobs", 1)
    session = connection.session()
    message = session.receiver("jobs").fetch()
    too_long = RejectedDisposition(Condition("shop:closed", "x" * 2_000_000))
    with pytest.raises(DataException, match="does not fit a frame"):
        session.acknowledge(message, too_long)
    session.acknowledge(message, too_long, sync=False)
    eventually(lambda: "was not acknowledged" in caplog.text)
    eventually(lambda: message in session.unsettled)
    session.receiver("jobs").close()
    assert not connection.closed


def test_nothing_is_kept_of_messages_that_were_acknowledged_by_themselves(broker, connection):
    fill(connection, "jobs", *range(5))
    receiver = connection.create_receiver("jobs", credit=5)
    for _ in range(4):
        receiver.receive().acknowledge()
    assert receiver.unsettled() == 0
    receiver.receive()
    receiver.accept()
    eventually(lambda: broker.queue("jobs").depth == 0)


def test_to_wait_for_a_tracker_in_vain_does_not_give_the_message_up():
    with Peer() as peer:
        connection = BlockingConnection(peer.url, timeout=PATIENCE)
        tracker = connection.create_sender("jobs").send("no credit", sync=False)
        with pytest.raises(Timeout, match="waiting for an outcome"):
            tracker.wait(timeout=0.01)
        assert not tracker.settled and tracker.failure is None
        connection.timeout = 0.05
        with pytest.raises(Timeout):
            connection.close()


def test_a_timeout_of_the_wrong_kind_is_found_before_anything_is_done(broker, connection):
    fill(connection, "jobs", 1)
    session = connection.session(transacted=True)
    receiver, sender = session.receiver("jobs", capacity=1), session.sender("results")
    connection.wait(lambda: receiver.available() == 1)
    calls = [receiver.fetch, receiver.receive, session.commit, session.rollback, session.next_receiver, sender.sync]
    for call in [*calls, lambda timeout: sender.send("x", timeout)]:
        for timeout, error in (("1", TypeError), (True, TypeError), (-1, ValueError)):
            with pytest.raises(error, match="timeout is a number of seconds"):
                call(timeout=timeout)
    assert (receiver.available(), sender.unsettled()) == (1, 0)


# -- the end of things -------------------------------------------------------------------------------------------


def test_a_link_that_is_refused():
    with EmbeddedBroker(auto_create=False) as broker, BlockingConnection(broker.url, timeout=PATIENCE) as connection:
        for create in (connection.create_sender, connection.create_receiver):
            with pytest.raises(LinkDetached, match="not-found"):
                create("nowhere")
        assert not connection.closed


@pytest.mark.parametrize("closed", [True, False])
def test_a_link_that_the_peer_ends_wakes_who_waits(closed):
    def end(event):
        link = event.link
        link.condition = Condition("shop:closed")
        link.open()
        link.close() if closed else link.detach()

    with Peer(on_link_opening=end) as peer, BlockingConnection(peer.url, timeout=PATIENCE) as connection:
        with pytest.raises(LinkDetached, match="shop:closed"):
            connection.create_receiver("jobs").receive()


def test_a_connection_that_the_peer_closes_wakes_every_thread_that_waits(broker):
    caught = []
    connection = BlockingConnection(broker.url, timeout=inf)
    receivers = [connection.create_receiver("jobs") for _ in range(3)]

    def wait(receiver):
        with pytest.raises(ConnectionException) as error:
            receiver.receive()
        caught.append(error.value)

    threads = [threading.Thread(target=wait, args=(receiver,)) for receiver in receivers]
    for thread in threads:
        thread.start()
    eventually(lambda: broker.queue("jobs").consumers == 3)
    broker.stop()
    for thread in threads:
        thread.join(PATIENCE)
    assert [type(error) for error in caught] == [ConnectionClosed] * 3
    assert connection.closed and "forced" in str(connection.failure)
    with pytest.raises(ConnectionClosed):
        connection.create_sender("jobs")
    connection.close()


def test_a_connection_that_reconnects_keeps_its_callers_waiting():
    port = unused_port()
    with EmbeddedBroker("127.0.0.1:%d" % port) as first:
        connection = BlockingConnection(first.url, timeout=PATIENCE, reconnect=Backoff(initial=0.01, max_delay=0.05))
        sender = connection.create_sender("jobs", options=Resend())  # the loss may not be known here yet
        receiver = connection.create_receiver("jobs", credit=1)
    with EmbeddedBroker("127.0.0.1:%d" % port):
        tracker = sender.send("over the new wire", sync=False)
        assert receiver.receive().body == "over the new wire"
        assert tracker.wait() == ACCEPTED
        connection.close()


@pytest.mark.parametrize("transacted", (False, True))
def test_between_two_wires_a_session_closes_at_once_and_a_send_says_why_it_has_not_left(transacted):
    backoff = Backoff(initial=0.01, max_delay=0.05)
    with EmbeddedBroker() as first:
        connection = BlockingConnection(first.url, timeout=PATIENCE, reconnect=backoff)
        session = connection.session(transacted=transacted)
        sender = connection.create_sender("jobs")
    eventually(lambda: sender.link.state & Endpoint.REMOTE_UNINIT)
    with pytest.raises(Timeout, match="has not left, and will not: the connection is lost"):
        sender.send("x", timeout=0)
    session.close()  # Timeout where it waits for the peer
    with EmbeddedBroker(first.url) as again, connection:
        assert sender.send("y", timeout=PATIENCE).remote_state == ACCEPTED
        assert again.queue("jobs").depth == 1
        with pytest.raises(SessionException, match="the session is closed"):
            session.sender("jobs")


def test_Q8_a_fetch_whose_time_is_over_while_the_connection_is_away_cannot_say_that_there_is_nothing():
    with EmbeddedBroker() as first:
        connection = BlockingConnection(first.url, timeout=PATIENCE, reconnect=Backoff(initial=0.01, max_delay=0.05))
        receivers = [connection.create_receiver("jobs", credit=credit) for credit in (0, 10)]
    eventually(lambda: connection.away)
    for receiver in receivers:
        for seconds in (0, 0.01):
            with pytest.raises(Timeout, match="the connection is away, and 'jobs' cannot be asked") as caught:
                receiver.fetch(timeout=seconds)
            assert not isinstance(caught.value, Empty)
    with EmbeddedBroker(first.url), connection:
        eventually(lambda: not connection.away)
        for receiver in receivers:
            with pytest.raises(Empty):
                receiver.fetch(timeout=0)


def test_after_close_every_call_says_so(connection):
    sender, receiver = connection.create_sender("jobs"), connection.create_receiver("jobs")
    session = connection.session()
    connection.close()
    for call in (lambda: sender.send("x"), receiver.receive, receiver.fetch, session.acknowledge, connection.session):
        with pytest.raises(ConnectionException, match="is closed"):
            call()
    sender.close()
    receiver.close()
    session.close()


def test_a_closed_link_and_a_closed_session_say_so(connection):
    session = connection.session()
    receiver = session.receiver("jobs")
    receiver.close()
    receiver.close()
    with pytest.raises(ReactorException, match="the link is closed"):
        receiver.receive()
    session.close()
    with pytest.raises(SessionException, match="the session is closed"):
        session.sender("jobs")


def test_a_session_that_the_peer_ends():
    def end(event):
        event.session.condition = Condition("shop:closed", "for today")
        event.session.close()

    with Peer(on_link_opening=end) as peer, BlockingConnection(peer.url, timeout=PATIENCE) as connection:
        session = connection.session()
        with pytest.raises(SessionException, match="shop:closed: for today"):
            session.sender("jobs")
        assert connection.session().session.state & Session.REMOTE_ACTIVE, "the connection goes on"


# -- threads -----------------------------------------------------------------------------------------------------


def test_many_threads_use_one_connection(broker, connection):
    sender = connection.create_sender("jobs")
    receivers = [connection.create_receiver("jobs", credit=5) for _ in range(3)]
    taken: list = []

    def produce(number):
        for index in range(100):
            sender.send((number, index), sync=index % 10 == 0)

    def consume(receiver):
        while True:
            try:
                message = receiver.fetch(timeout=2.0)
            except Empty:
                return
            taken.append(tuple(message.body))
            message.acknowledge(sync=False)

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(3)]
    threads += [threading.Thread(target=consume, args=(receiver,)) for receiver in receivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 3)
    assert sorted(taken) == [(number, index) for number in range(3) for index in range(100)]


def test_a_blocking_call_in_a_handler_is_refused(connection):
    caught = []

    class Handler(MessagingHandler):
        def on_message(self, event):
            try:
                sender.send("from here")
            except ReactorException as error:
                caught.append(error)
            connection.changed()

    sender = connection.create_sender("jobs")
    receiver = connection.create_receiver("jobs", handler=Handler(), credit=1)
    fill(connection, "jobs", "x")
    connection.wait(lambda: bool(caught))
    assert "in a handler would wait for ever" in str(caught[0])
    with pytest.raises(ReactorException, match="go to its handler"):
        receiver.receive()


def test_an_exception_of_a_handler_ends_the_connection_and_is_the_cause(broker):
    class Handler(MessagingHandler):
        def on_message(self, event):
            raise KeyError("lost")

    connection = BlockingConnection(broker.url, timeout=PATIENCE)
    connection.create_receiver("jobs", handler=Handler(), credit=1)
    with BlockingConnection(broker.url, timeout=PATIENCE) as other:
        fill(other, "jobs", "x")
    with pytest.raises(ConnectionException) as caught:
        connection.wait(lambda: False)
    assert isinstance(caught.value.__cause__, KeyError)
    connection.close()


# -- requests ----------------------------------------------------------------------------------------------------


class Responder(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.url = url

    def on_start(self, event):
        self.receiver = event.container.create_receiver(self.url + "/requests")
        self.sender = event.container.create_sender(self.receiver.connection, None)

    def on_message(self, event):
        request = event.message
        for correlation in (None, request.correlation_id):  # one that nobody waits for, and the response
            self.sender.send(Message(request.body.upper(), address=request.reply_to, correlation_id=correlation))


def test_requests_and_responses_of_several_threads(broker, connection):
    container = Container(Responder(broker.url))
    serving = threading.Thread(target=container.run)
    serving.start()
    try:
        client = SyncRequestResponse(connection, "requests")
        assert client.reply_to
        found = {}

        def ask(name):
            request = str if name == "a" else Message  # a body, or a message with it
            found[name] = [client.call(request("%s%d" % (name, number))).body for number in range(20)]

        threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert found == {name: ["%s%d" % (name.upper(), number) for number in range(20)] for name in "abc"}
        assert client.correlation_id == 60
        assert client.response is not None
        client.close()
    finally:
        container.stop()
        serving.join()


def test_a_request_without_an_answer_and_one_without_an_address(connection):
    client = SyncRequestResponse(connection, "requests")
    times_out(lambda timeout: client.call("?", timeout=timeout), "waiting for the response from 'requests' timed out")
    with pytest.raises(ValueError, match="has no address"):
        SyncRequestResponse(connection).call(Message("?"))


def test_a_condition_may_take_locks_of_its_own(connection):
    """It is asked without a lock of the connection's: else two threads could wait for each other."""
    lock, inside = threading.Lock(), threading.Event()

    def condition():
        inside.set()
        with lock:
            return found

    found: list = []
    with lock:
        waiting = threading.Thread(target=connection.wait, args=(condition,))
        waiting.start()
        assert inside.wait(PATIENCE)
        connection.changed()
        found.append("it")
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
