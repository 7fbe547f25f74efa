"""`acknowledge(sync=True)` returns when the peer has read it (row Q1), whatever that answers."""

from __future__ import annotations

import pytest

from handlers.broker import EmbeddedBroker
from reactor import Backoff
from reactor.engine.wire.flows import Flows
from reactor.utils import BlockingConnection, Empty
from tests.support.blocking import PATIENCE, eventually, fill
from tests.support.processes import unused_port


@pytest.fixture(params=["flows", "no flows"])
def answers(request, monkeypatch):
    """What the peer answers: a peer like python-qpid-proton passes over what a flow asks for."""
    if request.param == "no flows":
        monkeypatch.setattr(Flows, "ask", lambda flows, link: None)


def test_Q1_sync_waits_until_the_peer_has_read_it(broker, connection, answers):
    fill(connection, "jobs", *range(20))
    session = connection.session()
    receiver = session.receiver("jobs", capacity=20)
    for left in range(19, 0, -1):
        receiver.fetch(timeout=PATIENCE).acknowledge()
        assert broker.queue("jobs").depth == left
    session.acknowledge()  # nothing is left: nothing to wait for


def test_Q1_over_several_receivers(broker, connection, answers):
    fill(connection, "one", 1)
    fill(connection, "two", 2)
    session = connection.session()
    for name in ("one", "two"):
        session.receiver(name).fetch(timeout=PATIENCE)
    session.acknowledge()
    assert broker.queue("one").depth == broker.queue("two").depth == 0


def test_Q1_after_a_drain_whose_answer_is_a_flow_too(broker, connection, answers):
    fill(connection, "jobs", 1)
    session = connection.session()
    receiver = session.receiver("jobs")
    receiver.fetch(timeout=PATIENCE)
    with pytest.raises(Empty):
        receiver.fetch(timeout=0)
    session.acknowledge()
    assert broker.queue("jobs").depth == 0


def test_Q1_the_sessions_that_ask_are_ended(broker, connection, answers):
    fill(connection, "jobs", *range(5))
    receiver = connection.create_receiver("jobs", credit=5)
    for _ in range(5):
        receiver.receive().acknowledge()
    eventually(lambda: len(list(connection.conn.sessions(0))) == 1)


def test_J3_an_acknowledgement_that_is_lost_with_the_connection_is_done():
    port = unused_port()
    backoff = Backoff(initial=0.01, max_delay=0.05)
    with EmbeddedBroker("127.0.0.1:%d" % port) as broker:
        connection = BlockingConnection(broker.url, timeout=PATIENCE, reconnect=backoff)
        fill(connection, "jobs", 1)
        message = connection.create_receiver("jobs").receive()
    message.acknowledge()
    with EmbeddedBroker("127.0.0.1:%d" % port):
        connection.create_sender("jobs").send("it goes on")
        connection.close()
