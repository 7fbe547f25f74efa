"""ExactlyOnce() with the blocking API, across a restart of the broker, which has a store."""

from __future__ import annotations

import pytest

from handlers.broker import EmbeddedBroker
from reactor import ACCEPTED, Backoff, ExactlyOnce, LocalProtocolError, Message, UnsettledFile, UnsettledMemory
from reactor.utils import BlockingConnection
from tests.support.blocking import PATIENCE, eventually
from tests.support.processes import unused_port

SOON = Backoff(initial=0.01, max_delay=0.05)


@pytest.fixture
def start(tmp_path):
    """Starts the broker, with the same port and store each time."""
    port = unused_port()

    def start():
        return EmbeddedBroker("127.0.0.1:%d" % port, store=tmp_path / "broker")

    return start


def connect(broker, name):
    return BlockingConnection(broker.url, timeout=PATIENCE, reconnect=SOON, container_id=name)


def test_P3_blocking_links_go_on_when_the_broker_is_started_again(start):
    """What was sent while it was away leaves afterwards; a message that was held is accepted afterwards, once."""
    with start() as broker:
        giving, taking = connect(broker, "giver"), connect(broker, "taker")
        sender = giving.create_sender("jobs", name="link", options=ExactlyOnce(UnsettledMemory()))
        receiver = taking.create_receiver("jobs", credit=10, name="link", options=ExactlyOnce(UnsettledMemory()))
        assert sender.send(Message(1, durable=True)).remote_state == ACCEPTED
        first = receiver.receive()
    tracker = sender.send(Message(2, durable=True), sync=False)
    with start() as broker:
        assert tracker.wait() == ACCEPTED
        second = receiver.receive()
        assert (first.body, second.body, second.redelivered) == (1, 2, False)
        for message in (first, second):
            message.acknowledge()
        eventually(lambda: broker.queue("jobs").depth == 0)
        for number in range(3, 30):
            sender.send(Message(number, durable=True))
        assert [receiver.receive().body for _ in range(3, 30)] == list(range(3, 30))
        giving.close()
        taking.close()
        assert not broker.overview().internal_errors


def test_P3_blocking_programs_go_on_with_their_files_when_all_are_started_again(start, tmp_path):
    for round in range(3):
        with start() as broker, UnsettledFile(tmp_path / "giver") as kept, connect(broker, "giver") as connection:
            sender = connection.create_sender("jobs", name="link", options=ExactlyOnce(kept))
            for number in range(3):
                sender.send(Message(3 * round + number, durable=True))
    bodies = []
    while len(bodies) < 9:
        with start() as broker, UnsettledFile(tmp_path / "taker") as kept, connect(broker, "taker") as connection:
            receiver = connection.create_receiver("jobs", credit=1, name="link", options=ExactlyOnce(kept))
            for _ in range(3):
                message = receiver.receive()
                bodies.append(message.body)
                message.acknowledge()
            if len(bodies) == 9:
                eventually(lambda: broker.queue("jobs").depth == 0)
            assert not broker.overview().internal_errors
    assert sorted(bodies) == list(range(9)), "each once"


def test_a_blocking_session_with_transactions_refuses_it_and_sends_nothing(start):
    with start() as broker, connect(broker, "client") as connection:
        with connection.session(transacted=True) as session:
            sender = session.sender("jobs", options=ExactlyOnce())
            with pytest.raises(LocalProtocolError, match=r"ExactlyOnce\(\) takes no part in transactions"):
                sender.send("work")
            session.commit()
        assert broker.queue("jobs").depth == 0
