"""Blocking calls at RabbitMQ 3.10, 4.0 and 4.3: each call ends, whatever the server leaves out of its answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from reactor import ACCEPTED, TransactionException
from reactor.utils import BlockingConnection, Empty
from tests.support.desk import Desk
from tests.support.management import Management
from tests.support.rabbitmq import VERSIONS, RabbitMQ, need

PATIENCE = 60


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    need(request.param)
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), request.param) as server:
        yield server


@pytest.fixture
def connection(server: RabbitMQ) -> Iterator[BlockingConnection]:
    with BlockingConnection(server.url, timeout=PATIENCE) as connection:
        yield connection


@pytest.fixture
def address(server: RabbitMQ) -> str:
    name = str(uuid.uuid4())
    if not server.later:
        return f"/queue/{name}"
    with Desk(server.url) as desk:
        Management(desk).declare(name)
    return server.address(name)


def test_there_and_back_and_every_close_ends(connection: BlockingConnection, address: str) -> None:
    sender = connection.create_sender(address)
    assert sender.send("one").remote_state == ACCEPTED
    trackers = [sender.send(number, sync=False) for number in range(50)]
    sender.sync()
    assert all(tracker.state == ACCEPTED for tracker in trackers)
    session = connection.session()
    receiver = session.receiver(address, capacity=20)
    first = receiver.receive()
    assert first.body == "one"
    first.acknowledge()
    assert [receiver.receive().body for _ in range(50)] == list(range(50))
    session.acknowledge()
    for end in (receiver, sender, session):
        end.close()  # RabbitMQ answers a close with a detach that is none


@pytest.mark.parametrize("mode", ["AUTO", "CLIENT", "DUPS_OK", "INDIVIDUAL", "NONE"])
def test_J6_modes(connection: BlockingConnection, address: str, mode: str) -> None:
    sender = connection.create_sender(address)
    for number in range(5):
        sender.send(number)
    with connection.session(mode) as session:
        receiver = session.receiver(address, capacity=5)
        messages = [receiver.receive() for _ in range(5)]
        if mode == "INDIVIDUAL":
            session.acknowledge()
        elif mode == "CLIENT":
            messages[-1].acknowledge()
    sender.send("last")
    assert connection.create_receiver(address).receive().body == "last"


def test_Q8_fetch_says_that_there_is_none(server: RabbitMQ, connection: BlockingConnection, address: str) -> None:
    if not server.later:
        pytest.skip("a classic queue of 3.10 does not survive a drain")
    receiver = connection.create_receiver(address)
    with pytest.raises(Empty):
        receiver.fetch(timeout=0)
    connection.create_sender(address).send("x")
    assert receiver.fetch().body == "x"


def test_Q15_it_has_no_transactions(connection: BlockingConnection, address: str) -> None:
    with pytest.raises(TransactionException, match="not-implemented"):
        connection.session(transacted=True)
    assert connection.create_sender(address).send("the connection goes on").remote_state == ACCEPTED
