"""Our clients at RabbitMQ 4.0 and 4.3, which speak AMQP 1.0 by themselves, and differ from 3.10 and from each other.

What handlers/README.md says of them in its table is shown here.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from reactor import (
    ACCEPTED,
    REJECTED,
    RELEASED,
    UNDESCRIBED,
    Array,
    Data,
    Delivery,
    LinkOption,
    LocalProtocolError,
    Message,
    Reject,
    Release,
    symbol,
)
from reactor.errors import NOT_FOUND, RESOURCE_LIMIT_EXCEEDED, UNAUTHORIZED_ACCESS
from tests.support.desk import Desk
from tests.support.management import Management, path
from tests.support.rabbitmq import RabbitMQ
from tests.support.tls import client_domain

WELLNESS = "/queues/well"
TOTAL = 3000


@pytest.fixture
def desk(rabbitmq4: RabbitMQ) -> Iterator[Desk]:
    with Desk(rabbitmq4.url, wellness=WELLNESS) as desk:
        yield desk


def made(desk: Desk, kind: str = "classic", **arguments: Any) -> str:
    """The address of a queue that is nobody else's."""
    queue = str(uuid.uuid4())
    Management(desk).declare(queue, kind, **arguments)
    return f"/queues/{queue}"


# -- messages and outcomes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_three_thousand_each_way_with_all_outcomes(desk: Desk, kind: str) -> None:
    """What is not accepted or rejected comes back, and nothing else does."""
    address = made(desk, kind)
    numbers = iter(range(TOTAL))
    said: Counter[int] = Counter()

    def send(event: Any) -> None:
        while event.sender.credit > 0:
            number = next(numbers, None)
            if number is None:
                return
            event.sender.send(Message(number, durable=True))

    def judge(event: Any) -> None:
        number, delivery = event.message.body, event.delivery
        said[number] += 1
        if said[number] > 1 or number % 6 == 0:
            return  # accepted
        if number % 6 == 1:
            raise Reject("no such work")
        if number % 6 == 2:
            raise Release
        if number % 6 == 3:
            delivery.local.annotations = {"x-opt-why": "because"}
            delivery.local.failed = True
            delivery.update(Delivery.MODIFIED)
        elif number % 6 == 4:
            desk.client.release(delivery, delivered=False)
        else:
            desk.client.release(delivery)

    desk.client.judge, desk.client.sendable = judge, send
    desk.container.create_sender(desk.connection, address)
    desk.container.create_receiver(desk.connection, address, prefetch=100)
    desk.until("on_accepted", TOTAL, "on_message", TOTAL + TOTAL * 4 // 6)
    desk.client.sendable = lambda event: None
    desk.turn()
    assert said == {number: 1 if number % 6 < 2 else 2 for number in range(TOTAL)}
    assert desk.client.count("on_session_error") == desk.client.count("on_link_error") == 0
    desk.client.judge = lambda event: None
    desk.is_well()


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_what_it_counts_and_keeps_of_a_message_that_came_back(rabbitmq4: RabbitMQ, desk: Desk, kind: str) -> None:
    def judge(event: Any) -> None:
        if event.message.first_acquirer:
            event.delivery.local.annotations = {"x-opt-why": "because"}
            event.delivery.local.failed = True
            event.delivery.update(Delivery.MODIFIED)

    desk.client.judge = judge
    address = made(desk, kind)
    desk.container.create_sender(desk.connection, address).send(Message("x", durable=True))
    desk.container.create_receiver(desk.connection, address)
    desk.until("on_message", 2)
    again = desk.client.last("on_message").message
    counted = kind == "quorum" or rabbitmq4.version != "4.0"
    assert again.delivery_count == (1 if counted else 0)
    assert ("x-opt-why" in (again.annotations or {})) is (kind == "quorum")


@pytest.mark.parametrize("body", [None, "text", b"bytes", 7, {"key": "value"}, ["a", "list"], "x" * 300_000])
def test_a_body_comes_back_as_it_went(desk: Desk, body: Any) -> None:
    """Without one, too: a message without a body section ends the session of 4.0 and the link of 4.3."""
    address = made(desk)
    desk.container.create_sender(desk.connection, address).send(Message(body, durable=True))
    desk.container.create_receiver(desk.connection, address)
    desk.until("on_message", 1, "on_accepted", 1)
    assert desk.client.last("on_message").message.body == body


def test_what_is_routed_nowhere_is_released(desk: Desk) -> None:
    delivery = desk.container.create_sender(desk.connection, "/exchanges/amq.direct/nowhere").send(Message("x"))
    desk.until("on_released", 1)
    assert delivery.remote_state == RELEASED
    desk.is_well()


def test_what_a_queue_that_is_full_refuses_is_rejected(desk: Desk) -> None:
    address = made(desk, "classic", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    sender = desk.container.create_sender(desk.connection, address)
    sent = [sender.send(Message(number)) for number in range(10)]
    desk.until(lambda: all(delivery.remote_state for delivery in sent))
    assert {delivery.remote_state for delivery in sent} == {ACCEPTED, REJECTED}


def test_a_message_over_its_size_is_refused_here_and_costs_nothing(desk: Desk) -> None:
    sender = desk.container.create_sender(desk.connection, WELLNESS)
    desk.until("on_sendable", 1)
    size = sender.remote_max_message_size
    assert size == 16 * 1024 * 1024
    with pytest.raises(LocalProtocolError, match=f"{size}"):
        sender.send(Message(b"x" * (size + 1)))
    desk.is_well()


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["sender", "receiver"])
def test_an_address_that_is_not_there(rabbitmq4: RabbitMQ, desk: Desk, role: str) -> None:
    """4.0 ends the session, 4.3 the link alone; nothing is declared by attaching."""
    session, spare = (desk.container.create_session(desk.connection) for _ in range(2))
    desk.until("on_session_opened", 2)
    link = getattr(desk.container, f"create_{role}")(session, "/queues/nowhere")
    sent = [link.send(Message("never"))] if role == "sender" else []
    desk.until("on_link_error", 1)
    desk.turn()
    assert [event.link for event in desk.client.events["on_link_error"]] == [link]
    assert link.remote_condition.name == NOT_FOUND
    assert desk.client.count("on_session_error") == (1 if rabbitmq4.version == "4.0" else 0)
    assert [event.delivery for event in desk.client.events.get("on_in_doubt", [])] == sent
    desk.sends_and_receives(WELLNESS, spare)  # see the dynamic address below


def test_transactions_are_refused_at_the_declaration(desk: Desk) -> None:
    failed: list[Any] = []
    desk.client.on_transaction_declare_failed = failed.append
    session, spare = (desk.container.create_session(desk.connection) for _ in range(2))
    desk.until("on_session_opened", 2)
    transaction = desk.container.declare_transaction(session)
    desk.until(lambda: failed)
    assert transaction.condition.name == "amqp:not-implemented" and not transaction.active
    desk.sends_and_receives(WELLNESS, spare)


@pytest.mark.parametrize("how", ["/queue/nowhere", "/amq/queue/well", "nowhere"])
def test_an_address_of_rabbitmq_3(rabbitmq4: RabbitMQ, desk: Desk, how: str) -> None:
    session = desk.container.create_session(desk.connection)
    desk.container.create_receiver(session, how)
    if rabbitmq4.version == "4.0":
        desk.until("on_link_opened", 1)
    else:
        desk.until("on_link_error", 1)
    desk.is_well()


def test_a_wrong_password(desk: Desk) -> None:
    desk.container.connect(desk.url, user="alice", password="guess", reconnect=[0.1])
    desk.until("on_transport_closed", 1)
    condition = desk.client.last("on_transport_error").transport.condition
    assert condition.name == UNAUTHORIZED_ACCESS
    assert "the server refused user 'alice' or the password" in condition.description
    for _ in range(5):
        desk.turn()
    assert desk.client.count("on_transport_error") == 1, "nobody tries the same password again"
    desk.is_well()


@pytest.mark.parametrize("mechanism", ["ANONYMOUS", "PLAIN", "EXTERNAL"])
def test_logging_in_over_tls(rabbitmq4: RabbitMQ, mechanism: str) -> None:
    options: dict[str, Any] = {"allowed_mechs": mechanism}
    if mechanism == "PLAIN":
        options.update(user="alice", password="secret")
    domain = client_domain("client" if mechanism == "EXTERNAL" else None)
    with Desk(rabbitmq4.tls_url, ssl_domain=domain, **options) as desk:
        desk.until("on_connection_opened", 1)
        assert desk.client.last("on_connection_opened").transport.sasl().mech == mechanism
        desk.sends_and_receives(WELLNESS)


def test_connections_that_its_operator_closes_come_back(rabbitmq4: RabbitMQ) -> None:
    """It says amqp:internal-error, "Connection forced", as in a planned stop; the receiver goes on."""
    with Desk(rabbitmq4.url, wellness=WELLNESS, reconnect=[0.1]) as desk:
        address = made(desk)
        sender = desk.container.create_sender(desk.connection, address)
        desk.container.create_receiver(desk.connection, address)
        sender.send(Message("before"))
        desk.until("on_message", 1)
        rabbitmq4.control("close_all_connections", "maintenance")
        desk.until("on_connection_reconnected", 1)
        sender.send(Message("after"))
        desk.until("on_message", 2)
        assert desk.client.last("on_message").message.body == "after"
        assert desk.client.count("on_connection_closed") == desk.client.count("on_in_doubt") == 0


# -- many, and at once ---------------------------------------------------------------------------------------


def test_three_hundred_links_made_at_once(desk: Desk) -> None:
    """It takes handles to 255: two sessions have room for them."""
    address = made(desk)
    first, second = (desk.container.create_session(desk.connection) for _ in range(2))
    for number in range(300):
        session = first if number < 150 else second
        desk.container.create_receiver(session, address, prefetch=1)
    desk.until("on_link_opened", 301)
    assert desk.client.count("on_link_error") == desk.client.count("on_session_error") == 0
    desk.is_well()


def test_more_links_than_a_session_takes(desk: Desk) -> None:
    """handle-max is 255: what fits is of use, the rest is told so here and never leaves."""
    links = [desk.container.create_receiver(desk.connection, WELLNESS, prefetch=0) for _ in range(300)]
    desk.until("on_link_opened", 256, "on_link_error", 44)
    assert [event.link for event in desk.client.events["on_link_error"]] == links[256:]
    assert {link.remote_condition.name for link in links[256:]} == {RESOURCE_LIMIT_EXCEEDED}
    assert desk.client.count("on_session_error") == 0
    desk.is_well()


def test_more_sessions_than_a_connection_takes(rabbitmq4: RabbitMQ) -> None:
    """channel-max is 63."""
    with Desk(rabbitmq4.url) as desk:
        for _ in range(100):
            desk.container.create_receiver(desk.container.create_session(desk.connection), WELLNESS, prefetch=0)
        desk.until("on_link_opened", 64, "on_session_error", 36)
        conditions = {event.session.remote_condition.name for event in desk.client.events["on_session_error"]}
        assert conditions == {RESOURCE_LIMIT_EXCEEDED}
        assert desk.client.count("on_session_opened") == 64
        assert desk.client.count("on_disconnected") == 0


# -- management, and what is made by attaching ---------------------------------------------------------------


def test_its_management_over_a_link_pair(desk: Desk) -> None:
    management = Management(desk)
    queue, exchange = f"jobs/{uuid.uuid4()} %", f"ex-{uuid.uuid4()}"
    management.declare(queue, "quorum")
    status, told = management.ask("GET", path("queues", queue))
    assert (status, told["name"], told["type"], told["durable"]) == (200, queue, "quorum", True)
    made = {"type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    assert management.ask("PUT", path("exchanges", exchange), made)[0] == 204
    bound = {"source": exchange, "destination_queue": queue, "binding_key": "a.*", "arguments": {}}
    assert management.ask("POST", "/bindings", bound)[0] == 204
    sender = desk.container.create_sender(desk.connection, path("exchanges", exchange, "a.b"))
    for number in range(5):
        sender.send(Message(number, durable=True))
    desk.until("on_accepted", 5)
    status, told = management.ask("DELETE", path("queues", queue) + "/messages")
    assert (status, told["message_count"]) == (200, 5), "purged"
    sender.send(Message("last", durable=True))
    desk.container.create_receiver(desk.connection, path("queues", queue))
    desk.until("on_message", 1)
    assert desk.client.last("on_message").message.body == "last"
    assert management.ask("DELETE", path("queues", queue))[0] == 200
    assert management.ask("DELETE", path("exchanges", exchange))[0] == 204
    assert management.ask("GET", path("queues", queue))[0] == 404
    desk.is_well()


class Temporary(LinkOption):
    """Asks for a queue that is there as long as the link."""

    def apply(self, link: Any) -> None:
        link.source.capabilities.put_object(Array(UNDESCRIBED, Data.SYMBOL, symbol("temporary-queue")))


def test_a_dynamic_address_for_replies(rabbitmq4: RabbitMQ, desk: Desk) -> None:
    """Of 4.3 alone, and only for who asks for a `temporary-queue` by an array of capabilities."""
    session, spare = (desk.container.create_session(desk.connection) for _ in range(2))
    desk.until("on_session_opened", 2)
    receiver = desk.container.create_receiver(session, None, dynamic=True, options=Temporary())
    if rabbitmq4.version == "4.0":
        desk.until("on_link_error", 1)
        # Not on a new one: 4.0 can lose a session that begins at once on the channel of one that it has ended.
        desk.sends_and_receives(WELLNESS, spare)
        return
    desk.until("on_link_opened", 1)
    address = receiver.remote_source.address
    assert address
    desk.container.create_sender(desk.connection, address).send(Message("reply"))
    desk.until("on_message", 1)
    assert desk.client.last("on_message").message.body == "reply"
    desk.is_well()
