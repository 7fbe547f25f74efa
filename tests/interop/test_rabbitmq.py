"""Our clients at RabbitMQ, which refuses, fails and forgets in ways of its own; none of them may make a client hang.

One server serves all these tests; those that kill theirs are in test_rabbitmq_killed.py. What is seen here is played to
an application by a scripted peer in test_peer_habits.py, and to the engine in test_engine_peers.py, for machines that
have no RabbitMQ.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from reactor import (
    ACCEPTED,
    AtMostOnce,
    Delivery,
    DurableSubscription,
    LinkOption,
    Message,
    Reject,
    Release,
    SSLDomain,
    symbol,
)
from reactor.errors import INTERNAL_ERROR, INVALID_FIELD, NOT_IMPLEMENTED, TIMED_OUT, UNAUTHORIZED_ACCESS
from tests.support.desk import Desk
from tests.support.rabbitmq import RabbitMQ
from tests.support.tls import client_domain


@pytest.fixture
def queue() -> str:
    """The address of a queue that is nobody else's: attaching to it declares it."""
    return f"/queue/{uuid.uuid4()}"


@pytest.fixture
def desk(rabbitmq: RabbitMQ):
    with Desk(rabbitmq.url) as desk:
        yield desk


# -- messages and outcomes -----------------------------------------------------------------------------------


def test_messages_come_and_go(desk: Desk, queue: str) -> None:
    bodies = ["text", b"bytes", 7, True, {"key": symbol("value")}, ["one"], "x" * 300_000, None]
    sender = desk.container.create_sender(desk.connection, queue)
    sent = [sender.send(Message(body, durable=True)) for body in bodies]
    desk.container.create_receiver(desk.connection, queue)
    desk.until("on_accepted", len(bodies), "on_message", len(bodies))
    assert {delivery.remote_state for delivery in sent} == {ACCEPTED}
    received = desk.client.events["on_message"]
    assert [event.message.body for event in received] == bodies
    assert all(event.message.first_acquirer and event.message.delivery_count == 0 for event in received)


def test_every_outcome_and_the_session_lives(desk: Desk, queue: str) -> None:
    """Point 15: it takes accepted, rejected and released, says so, and ends the session on anything else."""
    said: list[str] = []

    def judge(event: Any) -> None:
        body, delivery = event.message.body, event.delivery
        said.append(body)
        if said.count(body) > 1:
            return  # what came back is accepted
        if body == "reject":
            raise Reject("no such work")
        if body == "raise release":
            raise Release
        if body == "modify":
            delivery.local.annotations = {"x-opt-why": "because"}
            delivery.local.undeliverable = True
            delivery.update(Delivery.MODIFIED)
        elif body == "release":
            desk.client.release(delivery)
        elif body == "release undelivered":
            desk.client.release(delivery, delivered=False)
        elif body == "settle":
            delivery.settle()  # without an outcome
        elif body == "update":
            delivery.update(Delivery.ACCEPTED)

    bodies = ["accept", "reject", "raise release", "modify", "release", "release undelivered", "settle", "update"]
    desk.client.judge = judge
    sender = desk.container.create_sender(desk.connection, queue)
    for body in bodies:
        sender.send(Message(body))
    desk.container.create_receiver(desk.connection, queue)
    again = ["raise release", "modify", "release", "release undelivered", "settle"]
    desk.until("on_message", len(bodies) + len(again))
    assert said[: len(bodies)] == bodies
    assert sorted(said[len(bodies) :]) == sorted(again), "RabbitMQ's default for no outcome is released"
    assert not any(event.message.first_acquirer for event in desk.client.events["on_message"][len(bodies) :])
    desk.is_well()


def test_an_exception_in_on_message_releases_it(desk: Desk, queue: str) -> None:
    def judge(event: Any) -> None:
        if event.message.first_acquirer:
            raise ValueError("not today")

    desk.client.judge = judge
    desk.container.create_sender(desk.connection, queue).send(Message("x"))
    desk.container.create_receiver(desk.connection, queue)
    with pytest.raises(ValueError, match="not today"):
        desk.until("on_message", 1)
    desk.until("on_message", 2)
    desk.client.judge = lambda event: None
    desk.is_well()


def test_credit_is_kept_to_the_letter(desk: Desk, queue: str) -> None:
    """Points 5 and 8: a flow without a delivery-count is credit; one that repeats ours, or has no handle, is not."""
    sender = desk.container.create_sender(desk.connection, queue)
    receiver = desk.container.create_receiver(desk.connection, queue, prefetch=0)
    for number in range(20):
        sender.send(Message(number))
    desk.until("on_accepted", 20)
    for credit, total in ((3, 3), (7, 10)):
        receiver.flow(credit)
        desk.until("on_message", total)
        desk.turn()
    assert [event.message.body for event in desk.client.events["on_message"]] == list(range(10))
    assert receiver.credit == 0
    desk.is_well()


def test_more_than_its_session_window(desk: Desk, queue: str) -> None:
    """65,535 frames: it tells by a flow without a handle, at half of them, that there is room again."""
    total = 70_000
    counted = [0]

    def send(event: Any) -> None:
        while event.sender.credit > 0 and counted[0] < total:
            event.sender.send(Message(counted[0]))
            counted[0] += 1

    desk.client.sendable = send
    desk.container.create_sender(desk.connection, queue)
    desk.until("on_accepted", total)
    assert counted[0] == total
    desk.is_well()


def test_pre_settled_both_ways(desk: Desk, queue: str) -> None:
    sender = desk.container.create_sender(desk.connection, queue, options=AtMostOnce())
    for number in range(10):
        sender.send(Message(number))
    desk.container.create_receiver(desk.connection, queue, options=AtMostOnce())
    desk.until("on_message", 10)
    received = desk.client.events["on_message"]
    assert [event.message.body for event in received] == list(range(10))
    assert all(event.delivery.settled for event in received)
    assert desk.client.count("on_settled") == 0
    desk.is_well()


def test_small_frames_and_many_sessions(rabbitmq: RabbitMQ, queue: str) -> None:
    with Desk(rabbitmq.url, max_frame_size=512) as desk:
        for number in range(20):
            session = desk.container.create_session(desk.connection)
            desk.container.create_sender(session, f"{queue}-{number}").send(Message("x" * 20_000))
            desk.container.create_receiver(session, f"{queue}-{number}")
        desk.until("on_message", 20, "on_accepted", 20)
        assert {len(event.message.body) for event in desk.client.events["on_message"]} == {20_000}
        desk.is_well()


def test_heartbeats_both_ways(rabbitmq: RabbitMQ, queue: str) -> None:
    with Desk(rabbitmq.url, heartbeat=2) as desk:
        over: list[Any] = []

        class Later:
            def on_timer_task(self, event: Any) -> None:
                over.append(event)

        desk.container.schedule(5, Later())  # more than two of those it asked for
        desk.until(lambda: over)
        desk.is_well()


# -- closing and refusing ------------------------------------------------------------------------------------


def test_a_close_is_answered_by_a_detach_that_does_not_say_closed(desk: Desk, queue: str) -> None:
    """Point 1: every time; it counts as the answer to what was asked for."""
    links = [
        desk.container.create_sender(desk.connection, queue, close_timeout=10),
        desk.container.create_receiver(desk.connection, queue, close_timeout=10),
    ]
    desk.until("on_link_opened", 2)
    for link in links:
        link.close()
    desk.until("on_link_closed", 2)
    assert desk.client.count("on_link_error") == 0
    assert not any(link.remote_detached for link in links)
    desk.is_well()


class Second(LinkOption):
    """Asks for what RabbitMQ does not have."""

    def apply(self, link: Any) -> None:
        link.rcv_settle_mode = link.RCV_SECOND


def test_what_came_ahead_goes_to_others_when_the_session_of_the_closed_link_ends(desk: Desk, queue: str) -> None:
    """What was on its way to a link that is closed meanwhile it keeps back as long as there is the session."""
    sender = desk.container.create_sender(desk.connection, queue)
    for number in range(10):
        sender.send(Message(number))
    desk.until("on_accepted", 10)
    session = desk.container.create_session(desk.connection)
    desk.client.judge = lambda event: event.receiver.close()
    desk.container.create_receiver(session, queue, close_timeout=20)
    desk.until("on_link_closed", 1)
    assert desk.client.count("on_message") < 10
    desk.client.judge = lambda event: None
    session.close()
    desk.container.create_receiver(desk.connection, queue)
    desk.until("on_message", 10)
    assert sorted(event.message.body for event in desk.client.events["on_message"]) == list(range(10))
    desk.is_well()


REFUSED = {
    "sender to nowhere": (INVALID_FIELD, lambda c, on: c.create_sender(on, "no/such/address")),
    "receiver from nowhere": (INVALID_FIELD, lambda c, on: c.create_receiver(on, "no/such/address")),
    "dynamic source": (NOT_IMPLEMENTED, lambda c, on: c.create_receiver(on, None, dynamic=True)),
    "anonymous relay": (INVALID_FIELD, lambda c, on: c.create_sender(on, None)),
    "settle mode second": (NOT_IMPLEMENTED, lambda c, on: c.create_receiver(on, "/queue/a", options=Second())),
    "durable on a queue that is not": (
        "amqp:precondition-failed",
        lambda c, on: c.create_receiver(on, "/queue/a", options=DurableSubscription()),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_attach_is_told_although_the_session_ends_instead(desk: Desk, what: str) -> None:
    """Point 2: no attach, no detach. Links on other sessions do not notice, and others can be made at once."""
    condition, create = REFUSED[what]
    desk.container.create_receiver(desk.connection, "/queue/a")  # which makes it, not durable
    desk.until("on_link_opened", 1)
    session = desk.container.create_session(desk.connection)
    link = create(desk.container, session)
    sent = [link.send(Message("never", address="/queue/a"))] if link.is_sender else []
    desk.until("on_session_closed", 1)
    assert [event.link for event in desk.client.events["on_link_error"]] == [link]
    assert link.remote_condition.name == session.remote_condition.name == condition
    assert desk.client.count("on_session_error") == desk.client.count("on_link_closed") == 1
    assert [event.delivery for event in desk.client.events.get("on_in_doubt", [])] == sent
    desk.is_well()


def test_transactions_are_refused_at_the_declaration(desk: Desk) -> None:
    """It has none over AMQP 1.0, and ends the session of the link to its coordinator."""
    failed: list[Any] = []
    desk.client.on_transaction_declare_failed = failed.append
    session = desk.container.create_session(desk.connection)
    transaction = desk.container.declare_transaction(session)
    desk.until(lambda: failed)
    assert failed[0].transaction is transaction and transaction.condition.name == NOT_IMPLEMENTED
    desk.is_well()


def test_everything_on_the_session_of_a_refused_link_has_an_end(desk: Desk, queue: str) -> None:
    used = desk.container.create_sender(desk.connection, queue, send_timeout=20)
    desk.container.create_receiver(desk.connection, queue)
    desk.until("on_sendable", 1)
    bad = desk.container.create_sender(desk.connection, "no/such/address", attach_timeout=20)
    behind = desk.container.create_receiver(desk.connection, queue, attach_timeout=20)
    sent = [sender.send(Message("x")) for sender in (used, bad, used, bad)]
    desk.until("on_session_closed", 1)
    ends = [event.delivery for name in ("on_accepted", "on_in_doubt") for event in desk.client.events.get(name, [])]
    assert sorted(map(id, ends)) == sorted(map(id, sent)), "each once"
    assert [event.link for event in desk.client.events["on_link_error"]] == [bad, behind]
    desk.is_well()


# -- what it does not survive --------------------------------------------------------------------------------


def test_draining_a_classic_queue_ends_the_session(desk: Desk, queue: str) -> None:
    receiver = desk.container.create_receiver(desk.connection, queue, prefetch=0)
    receiver.drain(5)
    desk.until("on_session_closed", 1)
    assert receiver.session.remote_condition.name == INTERNAL_ERROR
    assert desk.client.count("on_session_error") == 1
    desk.is_well()


def test_draining_a_quorum_queue_works(desk: Desk) -> None:
    address = "/amq/queue/quorum"
    sender = desk.container.create_sender(desk.connection, address)
    for number in range(3):
        sender.send(Message(number))
    desk.until("on_accepted", 3)
    receiver = desk.container.create_receiver(desk.connection, address, prefetch=0)
    receiver.drain(10)
    desk.until(lambda: not receiver.draining())
    desk.until("on_message", 3)
    assert receiver.drained() == 7
    desk.is_well()


def test_what_it_cannot_read_costs_the_connection_three_seconds_later(desk: Desk, queue: str) -> None:
    """Point 4: a list of two in amqp-value, and delivery-annotations: silence, and then it is gone without a close."""
    connections = [desk.container.connect(desk.url, reconnect=False) for _ in range(2)]
    fatal = [Message([1, 2]), Message("x", instructions={symbol("x-opt-a"): 1})]
    sent = [
        desk.container.create_sender(connection, queue).send(message) for connection, message in zip(connections, fatal)
    ]
    desk.until("on_disconnected", 2)
    assert {event.delivery for event in desk.client.events["on_in_doubt"]} == set(sent)
    assert desk.client.count("on_in_doubt") == desk.client.count("on_transport_error") == 2
    assert all(delivery.doubt is not None for delivery in sent)
    desk.is_well()


def test_a_message_that_it_dies_of_is_not_sent_for_ever(desk: Desk, queue: str) -> None:
    """`resend` sends it again each time; `send_timeout` is what ends that. Others go through when it is over."""
    connection = desk.container.connect(desk.url)
    sender = desk.container.create_sender(connection, queue, resend=True, send_timeout=5)
    fatal = sender.send(Message([1, 2]))
    desk.until("on_in_doubt", 1)
    assert desk.client.count("on_disconnected") >= 1
    assert fatal.doubt is not None and fatal.doubt.name == TIMED_OUT
    fine = sender.send(Message("fine"))
    desk.until("on_accepted", 1)
    assert desk.client.last("on_accepted").delivery is fine
    assert desk.client.count("on_in_doubt") == 1
    connection.close()
    desk.until("on_connection_closed", 1)


# -- who we are ----------------------------------------------------------------------------------------------


def test_a_bad_password_takes_three_seconds_and_is_no_time_out(desk: Desk) -> None:
    """Point 20. The connection is kept for ever otherwise; nobody tries the same password again."""
    desk.container.connect(desk.url, user="alice", password="guess")
    desk.until("on_transport_closed", 1)
    condition = desk.client.last("on_transport_error").transport.condition
    assert condition.name == UNAUTHORIZED_ACCESS
    assert "[mech=PLAIN]: the server refused user 'alice' or the password" in condition.description
    for _ in range(5):
        desk.turn()
    assert desk.client.count("on_transport_error") == 1
    desk.is_well()


@pytest.mark.parametrize("mechanism", ["ANONYMOUS", "PLAIN"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
def test_logging_in(rabbitmq: RabbitMQ, mechanism: str, tls: bool, queue: str) -> None:
    options: dict[str, Any] = {"ssl_domain": client_domain()} if tls else {}
    if mechanism == "PLAIN":
        options.update(user="alice", password="secret")
    with Desk(rabbitmq.tls_url if tls else rabbitmq.url, **options) as desk:
        desk.until("on_connection_opened", 1)
        transport = desk.client.last("on_connection_opened").transport
        assert transport.sasl().mech == mechanism
        assert bool(transport.encrypted) is tls
        desk.sends_and_receives(queue)


def test_logging_in_with_a_certificate(rabbitmq: RabbitMQ, queue: str) -> None:
    """EXTERNAL, which it offers where TLS is: the user is the common name of the certificate."""
    with Desk(rabbitmq.tls_url, ssl_domain=client_domain("client"), allowed_mechs="EXTERNAL") as desk:
        desk.until("on_connection_opened", 1)
        transport = desk.client.last("on_connection_opened").transport
        assert transport.sasl().mech == "EXTERNAL"
        assert transport.ssl().remote_subject == "CN=localhost"
        desk.sends_and_receives(queue)


def test_without_a_certificate_there_is_no_external(rabbitmq: RabbitMQ) -> None:
    with Desk(rabbitmq.tls_url, ssl_domain=client_domain(), allowed_mechs="EXTERNAL", open_timeout=20) as desk:
        desk.until("on_transport_closed", 1)
        assert desk.client.last("on_transport_error").transport.condition.name == UNAUTHORIZED_ACCESS


def test_a_server_of_an_unknown_authority_is_not_trusted(rabbitmq: RabbitMQ) -> None:
    with Desk(rabbitmq.tls_url, ssl_domain=SSLDomain(SSLDomain.MODE_CLIENT)) as desk:
        desk.until("on_transport_closed", 1)
        condition = desk.client.last("on_transport_error").transport.condition
        assert "signed by an authority that is not known here" in condition.description


def test_the_wrong_port_either_way(rabbitmq: RabbitMQ) -> None:
    for url in (rabbitmq.tls_url.replace("amqps", "amqp"), rabbitmq.url.replace("amqp", "amqps")):
        with Desk(url, ssl_domain=client_domain() if url.startswith("amqps") else None, open_timeout=20) as desk:
            desk.until("on_transport_closed", 1)
            assert "TLS" in desk.client.last("on_transport_error").transport.condition.description


