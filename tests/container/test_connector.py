"""Connecting: addresses in turn, refusals and losses as an application is told of them, and who we say we are.

Connections that are made again are in test_supervisor.py.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from reactor import Endpoint, Message, Url
from reactor.errors import FRAMING_ERROR, IO_ERROR, RESOURCE_LIMIT_EXCEEDED, UNAUTHORIZED_ACCESS
from tests.support.stage import Stage, Witness

END = [
    "on_transport_error",
    "on_transport_tail_closed",
    "on_transport_head_closed",
    "on_transport_closed",
    "on_disconnected",
]
FAILED = END[:-1]  #: an attempt, when there is another one


def condition(client: Witness) -> Any:
    """Why the last attempt, or the connection, failed."""
    return client.last("on_transport_error").transport.condition


def attempt(stage: Stage, **options: Any) -> tuple[Witness, Any, Any]:
    """A client that connects, and when it was told why it could not: that reason."""
    reasons: list[Any] = []
    client = Witness(on_transport_error=lambda event: reasons.append(event.transport.condition))
    connection = stage.container(client).connect(**{"url": stage.url, "reconnect": False, **options})
    stage.run()
    return client, connection, reasons


# -- attempts that fail ------------------------------------------------------------------------------------


def test_a_refused_connection_is_told_with_address_and_reason_and_ends() -> None:
    stage = Stage()
    client, connection, (reason,) = attempt(stage, url="amqp://server:7777")
    assert client.told == ["on_start", *END]
    assert reason.name == IO_ERROR
    assert "server:7777" in reason.description and "refused" in reason.description
    assert connection.state & Endpoint.LOCAL_CLOSED
    stage.finish()


def test_a_name_that_is_unknown_is_a_failed_attempt_and_no_exception() -> None:
    stage = Stage()
    stage.network.fail_lookup("nowhere")
    client, _, (reason,) = attempt(stage, url="amqp://nowhere")
    assert client.told == ["on_start", *END]
    assert reason.name == IO_ERROR and "nowhere" in reason.description


def test_addresses_are_tried_in_turn_until_one_lets_us_in() -> None:
    stage = Stage()
    urls = ["amqp://server:7777", "amqp://server:7778", stage.url, "amqp://server:7779"]
    client, connection, reasons = attempt(stage, url=None, urls=urls)
    assert client.told == ["on_start", *FAILED, *FAILED, "on_connection_opened"]
    assert [reason.description.count(":777") for reason in reasons] == [1, 1]
    assert connection.connected_address == stage.url
    assert connection.state & Endpoint.REMOTE_ACTIVE


def test_when_no_address_lets_us_in_the_connection_is_closed() -> None:
    stage = Stage()
    client, connection, reasons = attempt(stage, url=None, urls=["amqp://server:7777", "amqp://server:7778"])
    assert len(reasons) == 2
    assert client.told == ["on_start", *FAILED, *END]
    assert connection.state & Endpoint.LOCAL_CLOSED


def test_links_made_before_are_attached_at_the_address_that_lets_us_in() -> None:
    stage = Stage()
    client = Witness()
    container = stage.container(client)
    connection = container.connect(urls=["amqp://server:7777", stage.url])
    sender = container.create_sender(connection, "q")
    stage.run()
    assert sender.state & Endpoint.REMOTE_ACTIVE
    sender.send(Message("x"))
    stage.run()
    assert stage.server.count("on_message") == client.count("on_accepted") == 1


def test_what_was_sent_before_an_attempt_that_fails_is_in_doubt_and_not_forgotten() -> None:
    stage = Stage()
    client = Witness()
    container = stage.container(client)
    connection = container.connect("amqp://server:7777", reconnect=False)
    sent = container.create_sender(connection, "q").send(Message("x"))
    stage.run()
    assert [event.delivery for event in client.events["on_in_doubt"]] == [sent]


def test_a_connection_that_the_application_closes_is_not_tried_any_further() -> None:
    stage = Stage()
    client = Witness(on_transport_error=lambda event: event.connection.close())
    stage.container(client).connect(urls=["amqp://server:7777", stage.url])
    stage.run()
    assert client.count("on_transport_error") == 1
    assert stage.server.count("on_connection_opening") == 0
    stage.finish()


def test_a_connection_that_is_closed_before_the_attempt_still_ends() -> None:
    stage = Stage()
    container = stage.container(Witness())
    container.connect(stage.url).close()
    stage.run()
    stage.finish()


# -- connections that are lost -----------------------------------------------------------------------------


def test_a_connection_that_breaks_is_lost_and_told_once() -> None:
    stage = Stage()
    client = Witness()
    _, connection = stage.connect(client)
    stage.cut()
    stage.run()
    assert client.told[-5:] == END
    assert condition(client).name == IO_ERROR and "server:5672" in condition(client).description
    assert stage.server.count("on_disconnected") == 1
    assert connection.state & Endpoint.LOCAL_CLOSED
    stage.finish()


def test_a_peer_that_hangs_up_without_a_close_is_a_loss() -> None:
    stage = Stage()
    client = Witness()
    stage.connect(client)
    wire = next(wire for wire in stage.network.wires if wire.node is stage.network.nodes[0])
    wire.finish()
    stage.run()
    assert condition(client).name == FRAMING_ERROR and "hung up" in condition(client).description
    assert client.count("on_disconnected") == 1


def test_Q16_a_peer_that_falls_silent_is_given_up_after_the_heartbeat() -> None:
    stage = Stage()
    client = Witness()
    stage.connect(client, heartbeat=10)
    stage.stepper.containers.remove(stage.host)  # it does nothing any more, and not even says so
    start = stage.clock.now()
    stage.run(lambda: client.count("on_disconnected"))
    assert condition(client).name == RESOURCE_LIMIT_EXCEEDED
    assert 10 <= stage.clock.now() - start <= 21


def test_heartbeats_keep_an_idle_connection() -> None:
    stage = Stage()
    client = Witness()
    container, _ = stage.connect(client, heartbeat=10)
    done: list[float] = []

    class Later:
        def on_timer_task(self, event: Any) -> None:
            done.append(stage.clock.now())

    container.schedule(600, Later())
    stage.run(lambda: done)
    assert client.count("on_disconnected") == 0


# -- who we say we are -------------------------------------------------------------------------------------


class Guarded(Stage):
    """A stage whose server lets in those who know the password."""

    def __init__(self) -> None:
        super().__init__()
        self.acceptor.close()
        self.asked: list[tuple[str, str]] = []
        self.host.listen(self.url, authenticator=self.check, allowed_mechs="PLAIN")
        self.acceptor = self.host.listen("amqp://localhost:5673", authenticator=self.check)

    def check(self, mechanism: str, user: str, password: str) -> bool:
        self.asked.append((user, password))
        return password == "right"


@pytest.mark.parametrize(
    "given",
    [
        {"url": "amqp://kim:right@server"},
        {"user": "kim", "password": "right"},
        {"url": "amqp://someone:wrong@server", "user": "kim", "password": "right"},
    ],
)
def test_user_and_password_come_from_the_url_or_before_it_from_the_call(given: Any) -> None:
    stage = Guarded()
    _, connection, _ = attempt(stage, allow_insecure_mechs=True, **given)
    assert stage.asked == [("kim", "right")]
    assert connection.state & Endpoint.REMOTE_ACTIVE
    assert stage.server.last("on_connection_opened").transport.user == "kim"


def test_user_and_password_of_the_container_are_the_default() -> None:
    stage = Guarded()
    container = stage.container()
    container.user, container.password, container.allow_insecure_mechs = "kim", "right", True
    container.connect(stage.url)
    stage.run()
    assert stage.asked == [("kim", "right")]


def test_a_wrong_password_is_a_refusal_that_says_so_and_ends() -> None:
    stage = Guarded()
    client, _, reasons = attempt(stage, url="amqp://kim:wrong@server", allow_insecure_mechs=True)
    (reason,) = reasons
    assert reason.name == UNAUTHORIZED_ACCESS and "kim" in reason.description
    assert "wrong" not in reason.description
    assert client.count("on_disconnected") == 1


def test_a_password_goes_in_clear_text_to_this_machine_only() -> None:
    stage = Guarded()
    _, _, (reason,) = attempt(stage, url="amqp://kim:right@server")
    assert reason.name == UNAUTHORIZED_ACCESS and "allow_insecure_mechs" in reason.description
    assert stage.asked == []
    _, connection, reasons = attempt(stage, url="amqp://kim:right@localhost:5673")
    assert reasons == [] and connection.state & Endpoint.REMOTE_ACTIVE
    _, _, (reason,) = attempt(stage, url="amqp://kim:right@localhost:5673", allow_insecure_mechs=False)
    assert reason.name == UNAUTHORIZED_ACCESS


def test_sasl_can_be_left_out() -> None:
    stage = Stage()
    container = stage.container()
    connection = container.connect(stage.url, sasl_enabled=False)
    stage.run()
    assert connection.state & Endpoint.REMOTE_ACTIVE
    assert connection.transport is not None and not connection.transport.authenticated


def test_passwords_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    stage = Guarded()
    caplog.set_level("DEBUG")
    attempt(stage, url="amqp://kim:right@server", allow_insecure_mechs=True)
    assert "server" in caplog.text and "right" not in caplog.text


@pytest.mark.parametrize("ends", [["tail", "head"], ["head", "tail"], ["tail"], ["head"]], ids="-".join)
def test_a_handler_that_closes_the_transport_lets_go_of_the_wire(ends: list[str]) -> None:
    """How programs of the original drop a connection without a word."""

    def drop(event: Any) -> None:
        for end in ends:
            getattr(event.transport, "close_" + end)()

    stage = Stage(Witness(on_connection_opened=drop))
    client = Witness()
    stage.connect(client)
    stage.run()
    assert client.told[-len(END) :] == END
    assert condition(client).name == FRAMING_ERROR
    assert stage.server.count("on_disconnected") == 1
    assert not stage.network.wires


# -- what cannot be meant ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"heartbeat": value} for value in ("5", -1, float("nan"), 10**12)]
    + [{"max_frame_size": value} for value in ("4096", -1, 2**32, 4096.5)]
    + [{"reconnect": value} for value in (["soon"], [-1], [0, float("nan")], "yes", 5)]
    + [{"allowed_mechs": value} for value in (5, [5])]
    + [{"user": 5}, {"password": b"secret"}, {"sni": 5}],
    ids=repr,
)
def test_a_value_that_cannot_be_meant_is_refused_at_the_call_and_leaves_no_connection(options: Any) -> None:
    stage = Stage()
    container = stage.container(Witness())
    with pytest.raises((TypeError, ValueError), match=next(iter(options))) as refusal:
        container.connect(stage.url, **options)
    assert "secret" not in str(refusal.value)
    stage.run()
    assert not stage.network.wires


def test_listen_refuses_mechanisms_that_are_no_names() -> None:
    with pytest.raises(TypeError, match="allowed_mechs"):
        Stage().host.listen("amqp://server:5673", allowed_mechs=5)


# -- where a password goes, and what an address cannot say -------------------------------------------------------


@pytest.mark.parametrize("host, private", [("127.0.0.1", True), ("localhost", True), ("127.evil.example", False)])
def test_a_password_goes_in_clear_to_literal_loopback_addresses_alone(host: str, private: bool) -> None:
    asked: list[Any] = []
    stage = Stage()
    stage.host.listen(f"amqp://{host}:1", authenticator=lambda *given: not asked.append(given), allowed_mechs="PLAIN")
    client = Witness()
    stage.container(client).connect(f"amqp://kim:secret@{host}:1", reconnect=False)
    stage.run()
    assert asked == ([("PLAIN", "kim", "secret")] if private else [])
    assert client.count("on_connection_opened") == private


@pytest.mark.parametrize("call", [lambda one, url: one.connect(url), lambda one, url: one.listen(url)])
@pytest.mark.parametrize("make", [str, Url])
def test_settings_in_an_address_are_not_dropped_in_silence(call: Any, make: Any) -> None:
    for rest, names in (("?heartbeat=5", "heartbeat"), ("?user=kim&password=secret", "user, password"), ("#f", "#")):
        for path in ("", "/", "/%2F"):
            told = re.escape(f"{path} goes with settings in its text ({names})")
            with pytest.raises(ValueError, match=told) as caught:
                call(Stage().container(), make(f"amqp://h{path}{rest}"))
            assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="settings"):
        Stage().container().create_sender("amqp://h/q?x=1")
