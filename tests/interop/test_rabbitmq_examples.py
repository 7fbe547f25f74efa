"""The examples at RabbitMQ 3 and 4: the same programs, with the address of a queue that is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes import CHECKOUT, example, run
from tests.support.rabbitmq import VERSIONS, RabbitMQ, need


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    need(request.param)
    with RabbitMQ(tmp_path_factory.mktemp("examples"), request.param) as server:
        yield server


def said(name: str, *arguments: str) -> list[str]:
    """The lines that an example prints."""
    status, out, err = run([*example(name, "module"), *arguments], CHECKOUT)
    assert (status, err) == (0, ""), out + err
    return out.splitlines()


def test_messages_are_sent_and_received(server: RabbitMQ) -> None:
    address = f"{server.url}/{server.address('durable')}"
    assert said("simple_send", "-a", address, "-m", "250") == ["250 of 250 messages were accepted"]
    received = said("simple_recv", "-a", address, "-m", "250")
    assert received == [str({"sequence": number}) for number in range(1, 251)]


def test_one_message_by_address(server: RabbitMQ) -> None:
    said("send", server.url, server.address("quorum"), "hello")
    assert "RECEIVE: Received message 'hello'" in said("receive", server.url, server.address("quorum"), "1")


def test_threads_share_the_work(server: RabbitMQ) -> None:
    address = f"{server.url}/{server.address('durable')}"
    said("simple_send", "-a", address, "-m", "20")
    out = said("thread_pool", "-a", address, "-m", "20", "-s", "0.01")
    assert len(set(out)) == 20, out


def test_a_client_that_wants_an_address_of_its_own_is_told_that_there_is_none(server: RabbitMQ) -> None:
    """No RabbitMQ has dynamic sources for AMQP 1.0: replies go to a queue with a name there."""
    status, out, err = run([*example("client", "module"), "-a", f"{server.url}/{server.address('well')}"], CHECKOUT)
    assert status == 1 and "amqp:not-implemented" in out + err and "Dynamic source" in out + err
