"""Transacted blocking sessions: what is sent and taken takes effect as a whole, or not at all (rows J5, J6, Q15)."""

from __future__ import annotations

import threading

import pytest

from handlers.broker import EmbeddedBroker
from reactor import (
    ACCEPTED,
    REJECTED,
    Backoff,
    Condition,
    DeclaredDisposition,
    RejectedDisposition,
    Terminus,
    TransactionException,
    TransactionRolledBack,
)
from reactor.errors import ConnectionException, SendException
from reactor.utils import BlockingConnection, Timeout
from tests.support.blocking import PATIENCE, Peer, eventually, fill, times_out
from tests.support.processes import unused_port


@pytest.fixture
def session(connection):
    with connection.session(transacted=True) as session:
        yield session


def test_Q15_what_is_sent_is_there_when_it_is_committed(broker, session):
    sender = session.sender("jobs")
    assert sender.send(1).remote_state and broker.queue("jobs").depth == 0
    tracker = sender.send(2, sync=False)
    assert tracker.wait() == ACCEPTED
    session.commit()
    assert broker.queue("jobs").depth == 2
    sender.send(3)
    session.rollback()
    session.commit()  # nothing is in it
    assert broker.queue("jobs").depth == 2
    sender.send(4)
    session.commit()
    assert broker.queue("jobs").depth == 3


def test_Q15_what_is_taken_is_accepted_when_it_is_committed(broker, connection, session):
    fill(connection, "one", 1, 2)
    fill(connection, "two", 3)
    one, two = session.receiver("one", capacity=5), session.receiver("two")
    first = one.fetch(timeout=PATIENCE)
    first.acknowledge()  # the commit does
    two.fetch(timeout=PATIENCE)
    assert broker.queue("one").depth == 2
    session.commit()
    assert (broker.queue("one").depth, broker.queue("two").depth) == (1, 0)
    assert not session.unsettled


def test_Q15_an_outcome_of_its_own_is_part_of_the_transaction(broker, connection, session):
    fill(connection, "jobs", 1, 2)
    receiver = session.receiver("jobs", capacity=2)
    receiver.fetch(timeout=PATIENCE).acknowledge(RejectedDisposition(Condition("shop:closed")))
    session.acknowledge(receiver.fetch(timeout=PATIENCE))
    assert (broker.queue("jobs").depth, broker.queue("jobs").rejected) == (2, 0)
    session.commit()
    assert (broker.queue("jobs").depth, broker.queue("jobs").rejected) == (0, 1)


def test_Q15_a_rollback_gives_back_what_was_taken_as_failed(broker, connection, session):
    fill(connection, "jobs", 1, 2, 3)
    receiver, sender = session.receiver("jobs"), session.sender("results")
    acknowledged = receiver.fetch(timeout=PATIENCE)
    session.acknowledge(acknowledged)
    receiver.fetch(timeout=PATIENCE)
    sender.send("result", sync=False)
    session.rollback()
    eventually(lambda: broker.queue("jobs").waiting == 3)
    assert broker.queue("results").depth == 0
    again = [receiver.fetch(timeout=PATIENCE) for _ in range(3)]
    assert [(one.body, one.redelivered) for one in again] == [(1, True), (2, True), (3, False)]
    session.commit()
    assert broker.queue("jobs").depth == 0


def test_Q15_a_session_that_closes_rolls_back(broker, connection):
    fill(connection, "jobs", 1)
    with connection.session("TRANSACTED") as session:
        session.sender("results").send("result")
        session.receiver("jobs").fetch(timeout=PATIENCE)
    assert broker.queue("results").depth == 0
    eventually(lambda: broker.queue("jobs").waiting == 1)


def test_several_transacted_sessions_of_one_connection(broker, connection):
    one, two = connection.session(transacted=True), connection.session(0)
    one.sender("jobs").send(1)
    two.sender("jobs").send(2)
    one.commit()
    assert broker.queue("jobs").depth == 1
    two.rollback()
    assert broker.queue("jobs").depth == 1


def test_a_message_that_is_not_taken_raises_at_once(broker, session):
    sender = session.sender("small")
    sender.send(1)
    try:
        sender.send(2)
    except SendException as error:  # else the commit is refused
        assert error.state == REJECTED
        session.rollback()
    else:
        with pytest.raises(TransactionRolledBack):
            session.commit()
    assert broker.queue("small").depth == 0


def test_Q15_to_commit_outside_of_a_transaction_is_an_error(connection):
    session = connection.session()
    for call in (session.commit, session.rollback):
        with pytest.raises(TransactionException, match="is not transacted, its mode is INDIVIDUAL"):
            call()
    with pytest.raises(ValueError, match="no acknowledge mode of another kind"):
        connection.session("AUTO", transacted=True)


def test_threads_that_commit_and_send_at_once(broker, connection, session):
    sender = session.sender("jobs")

    def work():
        for number in range(20):
            sender.send(number, sync=False)
            session.commit()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    session.commit()
    assert broker.queue("jobs").depth == 60


# -- losses -------------------------------------------------------------------------------------------------------


@pytest.fixture
def port():
    return unused_port()


def broker_at(port):
    return EmbeddedBroker("127.0.0.1:%d" % port)


def connected(port):
    backoff = Backoff(initial=0.01, max_delay=0.05)
    return BlockingConnection("127.0.0.1:%d" % port, timeout=PATIENCE, reconnect=backoff)


def lost_with_two_sent(port):
    """(A connection that is lost, its session with two messages in its transaction, their sender.)"""
    with broker_at(port):
        connection = connected(port)
        session = connection.session(transacted=True)
        sender = session.sender("jobs")
        sender.send(1)
        sender.send(2)
    return connection, session, sender


def test_J5_a_transaction_with_work_in_it_is_rolled_back_when_the_connection_is_lost(port):
    connection, session, sender = lost_with_two_sent(port)
    with broker_at(port) as broker, connection:
        with pytest.raises(TransactionRolledBack) as caught:
            session.commit()
        assert not caught.value.in_doubt
        assert broker.queue("jobs").depth == 0
        sender.send("in the next one")
        session.commit()
        assert broker.queue("jobs").depth == 1


def test_J5_after_a_loss_sends_fail_until_the_program_has_heard_of_it(port):
    connection, session, sender = lost_with_two_sent(port)
    with broker_at(port) as broker, connection:
        with pytest.raises(TransactionRolledBack):
            sender.send(3)
        session.rollback()
        sender.send(4)
        session.commit()
        assert broker.queue("jobs").depth == 1


def test_J5_a_message_taken_before_the_loss_rolls_the_transaction_back(port):
    with broker_at(port) as broker:
        connection = connected(port)
        fill(connection, "jobs", 1)
        session = connection.session(transacted=True)
        receiver, sender = session.receiver("jobs"), session.sender("results")
        receiver.fetch(timeout=PATIENCE)
    with broker_at(port) as broker, connection:
        connection.create_sender("any").send("the connection is back")
        with pytest.raises(TransactionRolledBack):
            sender.send("result")
            session.commit()
        assert broker.queue("results").depth == 0


def test_J5_a_transaction_without_work_goes_on(port):
    with broker_at(port):
        connection = connected(port)
        session = connection.session(transacted=True)
        sender = session.sender("jobs")
        sender.send(1)
        session.commit()
    with broker_at(port) as broker, connection:
        sender.send("first in the new one")
        session.commit()
        assert broker.queue("jobs").depth == 1


def test_a_connection_that_is_lost_for_good_ends_the_session():
    with EmbeddedBroker() as broker:
        connection = BlockingConnection(broker.url, timeout=PATIENCE)
        session = connection.session(transacted=True)
        session.sender("jobs").send(1)
    with pytest.raises((ConnectionException, TransactionRolledBack)):
        session.commit()
    connection.close()


class Coordinator(Peer):
    """A peer with transactions, which does something else when one is discharged."""

    def __init__(self, discharged):
        super().__init__(discharged=discharged, declared=0)

    def on_link_opening(self, event):
        link = event.link
        if link.is_receiver:
            link.target.type = link.remote_target.type
            link.target.address = link.remote_target.address
            link.auto_accept = False
            link.open()
            link.flow(100)

    def on_message(self, event):
        delivery = event.delivery
        if delivery.link.remote_target.type != Terminus.COORDINATOR:
            return
        if "declare:" in str(event.message.body.descriptor):
            self.declared += 1
            delivery.update(DeclaredDisposition(b"%d" % self.declared))
            delivery.settle()
        else:
            self.discharged(event)


def drop(event):
    event.connection.transport.unbind()


def refuse(event):
    event.delivery.update(RejectedDisposition(Condition("amqp:transaction:rollback", "not today")))
    event.delivery.settle()


def test_J5_a_pending_commit_is_in_doubt_when_the_connection_is_lost():
    with Coordinator(drop) as peer:
        connection = BlockingConnection(peer.url, timeout=PATIENCE)
        session = connection.session(transacted=True)
        with pytest.raises(TransactionRolledBack, match="in doubt") as caught:
            session.commit()
        assert caught.value.in_doubt
        connection.close()


def test_a_commit_that_the_peer_refuses_has_its_reason_and_the_next_transaction_begins():
    with Coordinator(refuse) as peer, BlockingConnection(peer.url, timeout=PATIENCE) as connection:
        session = connection.session(transacted=True)
        for _ in range(2):
            with pytest.raises(TransactionRolledBack, match="rolled back: amqp:transaction:rollback: not today"):
                session.commit()
        session.rollback()


def test_a_commit_without_an_answer_ends_with_its_deadline():
    with Coordinator(lambda event: None) as peer, BlockingConnection(peer.url, timeout=PATIENCE) as connection:
        session = connection.session(transacted=True)
        times_out(session.commit, "the end is in doubt")
        with pytest.raises(Timeout):
            session.commit(timeout=0.05)


@pytest.mark.parametrize("ends", ["link", "session"])
def test_a_peer_without_transactions_says_so_when_the_session_is_made(ends):
    def on_link_opening(event):
        if event.link.remote_target.type != Terminus.COORDINATOR:
            return
        what = event.link if ends == "link" else event.session  # as RabbitMQ
        what.condition = Condition("amqp:not-implemented", "no transactions here")
        what.close()

    with Peer(on_link_opening=on_link_opening) as peer:
        with BlockingConnection(peer.url, timeout=PATIENCE) as connection:
            with pytest.raises(TransactionException, match=r"session\(\):.*no transactions here"):
                connection.session(transacted=True)
            connection.session()


class Stingy(Coordinator):
    """A peer that gives credit to nobody but the sender of its coordinator."""

    def on_link_opening(self, event):
        link = event.link
        link.target.type = link.remote_target.type
        link.target.address = link.remote_target.address
        link.auto_accept = False
        link.open()
        if link.remote_target.type == Terminus.COORDINATOR:
            link.flow(100)


def test_a_rollback_ends_sends_that_have_not_left():
    with Stingy(lambda event: event.delivery.accept()) as peer:
        with BlockingConnection(peer.url, timeout=PATIENCE) as connection:
            session = connection.session(transacted=True)
            tracker = session.sender("jobs").send(1, sync=False)
            session.rollback()
            with pytest.raises(TransactionRolledBack, match="the message has not left, and its transaction is over"):
                tracker.wait()
