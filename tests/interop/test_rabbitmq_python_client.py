"""RabbitMQ's own Python client at the embedded broker: its management, publishers and consumers, unmodified.

It refuses servers of another name, so the broker has that of RabbitMQ here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.broker import EmbeddedBroker
from reactor import RELEASED

try:
    import rabbitmq_amqp_python_client as rabbitmq
    from rabbitmq_amqp_python_client.qpid.proton.utils import SendException
except ImportError as error:
    if os.environ.get("AMQP_REACTOR_INTEROP") == "required":
        raise
    text = f"{error}; `tox -e interop` installs rabbitmq-amqp-python-client"
    pytest.skip(text, allow_module_level=True)

PRODUCT = "RabbitMQ 4.1.0"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(product=PRODUCT) as broker:
        yield broker


@pytest.fixture
def connection(broker: EmbeddedBroker) -> Iterator[Any]:
    environment = rabbitmq.Environment(uri=broker.url)
    connection = environment.connection()
    connection.dial()
    yield connection
    connection.close()


@pytest.fixture
def management(connection: Any) -> Iterator[Any]:
    management = connection.management()
    yield management
    management.close()


class Enough(Exception):
    """All messages that a test waits for have come."""


class Reader(rabbitmq.AMQPMessagingHandler):  # type: ignore[misc]
    """Reads so many messages, and judges each."""

    def __init__(self, count: int, judge: str = "accept") -> None:
        super().__init__()
        self.count, self.judge = count, judge
        self.bodies: list[bytes] = []
        self.annotations: list[Any] = []

    def on_amqp_message(self, event: Any) -> None:
        self.bodies.append(bytes(event.message.body))
        self.annotations.append(dict(event.message.annotations))
        getattr(self.delivery_context, self.judge)(event)
        if len(self.bodies) == self.count:
            raise Enough


def publish(connection: Any, address: str, *bodies: bytes) -> list[Any]:
    """Publish messages with these bodies; their outcomes by name."""
    publisher = connection.publisher(address)
    outcomes = []
    for body in bodies:
        try:
            outcomes.append(publisher.publish(rabbitmq.Message(body=body)).remote_state.name)
        except SendException as error:
            assert str(error) == str(int(RELEASED))
            outcomes.append("RELEASED")
    publisher.close()
    return outcomes


def read(connection: Any, queue: str, count: int, judge: str = "accept") -> Reader:
    reader = Reader(count, judge)
    consumer = connection.consumer(rabbitmq.AddressHelper.queue_address(queue), message_handler=reader)
    with pytest.raises(Enough):
        consumer.run()
    consumer.close()
    return reader


def test_queues_are_declared_looked_at_purged_and_deleted(
    broker: EmbeddedBroker, connection: Any, management: Any
) -> None:
    management.declare_queue(rabbitmq.QuorumQueueSpecification(name="jobs / 1", max_len=10, deliver_limit=3))
    info = management.queue_info("jobs / 1")
    assert (info.name, info.queue_type, info.is_durable) == ("jobs / 1", rabbitmq.QueueType.quorum, True)
    assert info.arguments["x-max-length"] == 10 and info.arguments["x-delivery-limit"] == 3
    assert publish(connection, rabbitmq.AddressHelper.queue_address("jobs / 1"), b"a", b"b") == ["ACCEPTED"] * 2
    assert management.queue_info("jobs / 1").message_count == 2 == broker.queue("jobs / 1").depth
    assert management.purge_queue("jobs / 1") == 2
    management.delete_queue("jobs / 1")
    assert "jobs / 1" not in broker.names()
    with pytest.raises(rabbitmq.ValidationCodeException, match="404"):
        management.queue_info("jobs / 1")


def test_a_queue_with_other_settings_is_refused(management: Any) -> None:
    management.declare_queue(rabbitmq.ClassicQueueSpecification(name="jobs", is_auto_delete=False))
    management.declare_queue(rabbitmq.ClassicQueueSpecification(name="jobs", is_auto_delete=False))
    with pytest.raises(rabbitmq.ValidationCodeException, match="ErrPreconditionFailed"):
        management.declare_queue(rabbitmq.ClassicQueueSpecification(name="jobs", max_len=5))


@pytest.mark.parametrize(
    ("kind", "key", "fits", "other"),
    [
        (rabbitmq.ExchangeType.topic, "orders.#", "orders.eu.new", "invoices"),
        (rabbitmq.ExchangeType.direct, "orders/1", "orders/1", "orders"),
        (rabbitmq.ExchangeType.fanout, "", "anything", None),
    ],
)
def test_messages_are_routed_by_an_exchange(
    connection: Any, management: Any, kind: Any, key: str, fits: str, other: Any
) -> None:
    management.declare_exchange(rabbitmq.ExchangeSpecification(name="sales", exchange_type=kind))
    management.declare_queue(rabbitmq.QuorumQueueSpecification(name="jobs"))
    binding = rabbitmq.ExchangeToQueueBindingSpecification(
        source_exchange="sales", destination_queue="jobs", binding_key=key
    )
    path = management.bind(binding)
    assert publish(connection, rabbitmq.AddressHelper.exchange_address("sales", fits), b"hello") == ["ACCEPTED"]
    if other is not None:
        assert publish(connection, rabbitmq.AddressHelper.exchange_address("sales", other), b"no") == ["RELEASED"]
    reader = read(connection, "jobs", 1)
    assert reader.bodies == [b"hello"]
    assert reader.annotations == [{"x-exchange": "sales", "x-routing-key": fits}]
    management.unbind(path)
    assert publish(connection, rabbitmq.AddressHelper.exchange_address("sales", fits), b"hello") == ["RELEASED"]
    management.delete_exchange("sales")
    management.delete_queue("jobs")


def test_a_publisher_without_an_address_names_that_of_each_message(connection: Any, management: Any) -> None:
    management.declare_queue(rabbitmq.ClassicQueueSpecification(name="jobs"))
    publisher = connection.publisher()
    message = rabbitmq.Message(body=b"hello")
    message = rabbitmq.AddressHelper.message_to_address_helper(message, rabbitmq.AddressHelper.queue_address("jobs"))
    assert publisher.publish(message).remote_state.name == "ACCEPTED"
    publisher.close()
    assert read(connection, "jobs", 1).bodies == [b"hello"]


def test_outcomes_of_a_consumer(broker: EmbeddedBroker, connection: Any, management: Any) -> None:
    management.declare_exchange(
        rabbitmq.ExchangeSpecification(name="dlx", exchange_type=rabbitmq.ExchangeType.fanout)
    )
    for name, dead in (("jobs", "dlx"), ("dead", None)):
        management.declare_queue(rabbitmq.QuorumQueueSpecification(name=name, dead_letter_exchange=dead))
    management.bind(
        rabbitmq.ExchangeToQueueBindingSpecification(source_exchange="dlx", destination_queue="dead", binding_key="")
    )
    publish(connection, rabbitmq.AddressHelper.queue_address("jobs"), b"a")
    assert read(connection, "jobs", 1, "requeue").bodies == [b"a"]
    assert read(connection, "jobs", 1, "discard").bodies == [b"a"]
    (annotations,) = read(connection, "dead", 1).annotations
    assert annotations["x-first-death-reason"] == "rejected" and annotations["x-first-death-queue"] == "jobs"
    assert broker.queue("jobs").depth == broker.queue("dead").depth == 0


def test_a_broker_under_its_own_name_is_refused_by_the_client() -> None:
    with EmbeddedBroker() as broker:
        connection = rabbitmq.Environment(uri=broker.url).connection()
        with pytest.raises(rabbitmq.ValidationCodeException, match="non-RabbitMQ server"):
            connection.dial()
