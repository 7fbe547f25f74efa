"""Telemetry: the numbers of a container, and their text."""

from __future__ import annotations

import re
import threading
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from reactor import AtMostOnce, Condition, Message, Reject, Release
from reactor.telemetry import Telemetry, labels
from reactor.telemetry.exposition import exposition
from reactor.telemetry.meter import DURATIONS, OTHER, condition_name
from reactor.telemetry.series import Counter, Gauge, Histogram
from reactor.telemetry.serving import serve
from tests.support.stage import Stage, Witness


def samples(text: str) -> dict[str, float]:
    """The samples of a text, by name and labels; without buckets."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#") and "_bucket" not in line:
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def total(telemetry: Telemetry, name: str, *with_labels: str) -> float:
    """The sum of all series of a name that have these labels."""
    numbers = samples(telemetry.prometheus())
    return sum(value for key, value in numbers.items() if re.match(name + r"(\{|$)", key) and all(
        label in key for label in with_labels
    ))  # fmt: skip


class Outcomes(Witness):
    """A server that gives each message the outcome that its body names."""

    def __init__(self) -> None:
        super().__init__(on_message=self.judge)

    def judge(self, event: Any) -> None:
        body = event.message.body
        event.container.loop.clock.advance(0.25)
        if body == "reject":
            raise Reject("no")
        if body == "release":
            raise Release
        if body == "made up":
            event.delivery.local.condition = Condition("x:made-up")
            self.reject(event.delivery)


def test_messages_outcomes_and_latency() -> None:
    stage, telemetry = Stage(Outcomes()), Telemetry()
    client = Witness()
    container = stage.container(client, observers=[telemetry])
    connection = container.connect(stage.url)
    sender = container.create_sender(connection, "jobs")
    for body in ("one", "two", "reject", "made up", "release"):
        sender.send(Message(body))
    stage.run(lambda: client.count("on_settled") == 5)
    place = 'messaging_destination_name="jobs",messaging_operation_name="send",messaging_operation_type="send"'
    place += ',messaging_system="amqp",server_address="server",server_port="5672"'
    sent = "messaging_client_sent_messages_total"
    numbers = samples(telemetry.prometheus())
    assert numbers[f"{sent}{{{place}}}"] == 2
    errors = {name for key in numbers for name in re.findall('error_type="([^"]*)"', key)}
    assert errors == {"amqp-reactor:rejected", OTHER, "modified"}
    assert total(telemetry, sent) == 5
    assert total(telemetry, "messaging_client_operation_duration_seconds_count") == 5
    assert total(telemetry, "messaging_client_operation_duration_seconds_sum") >= 5 * 0.25
    assert total(telemetry, "amqp_client_outcomes_total", 'direction="sent"', 'outcome="rejected"') == 2
    assert total(telemetry, "amqp_client_credit", 'role="sender"') == sender.credit > 0
    assert total(telemetry, "amqp_client_unsettled") == 0
    connection.close()
    stage.run(lambda: client.count("on_connection_closed"))
    assert total(telemetry, "amqp_client_connections") == 0
    assert "amqp_client_credit" not in telemetry.prometheus()


def test_messages_that_come() -> None:
    telemetry = Telemetry()
    stage = Stage()
    server = stage.container(Witness(), observers=[telemetry])
    acceptor = server.listen("amqp://observed:5672")
    client = Witness()
    container = stage.container(client)
    connection = container.connect("amqp://observed:5672")
    sender = container.create_sender(connection, "jobs")
    sender.send(Message("one"))
    sender.send(Message("two"))
    stage.run(lambda: client.count("on_accepted") == 2)
    labels_of_it = 'messaging_destination_name="jobs",messaging_operation_name="receive"'
    labels_of_it += ',messaging_operation_type="receive"'
    numbers = samples(telemetry.prometheus())
    assert numbers[f'messaging_client_consumed_messages_total{{{labels_of_it},messaging_system="amqp"}}'] == 2
    assert total(telemetry, "messaging_process_duration_seconds_count", 'operation_name="process"') == 2
    assert total(telemetry, "amqp_client_outcomes_total", 'direction="received"', 'outcome="accepted"') == 2
    assert "server_address" not in telemetry.prometheus(), "a client's port is one of chance"
    acceptor.close()


def test_messages_at_most_once_count_when_they_are_sent() -> None:
    stage, telemetry = Stage(), Telemetry()
    container = stage.container(Witness(), observers=[telemetry])
    connection = container.connect(stage.url)
    sender = container.create_sender(connection, "jobs", options=AtMostOnce())
    stage.run(lambda: sender.credit)
    sender.send(Message("one"))
    assert total(telemetry, "messaging_client_sent_messages_total") == 1
    stage.run(lambda: stage.server.count("on_message") == 1)
    assert "operation_duration" not in telemetry.prometheus()


def test_connections_losses_and_attempts() -> None:
    stage, telemetry = Stage(), Telemetry()
    client = Witness()
    container = stage.container(client, observers=[telemetry])
    connection = container.connect("amqp://bob:secret@server", allowed_mechs="ANONYMOUS")
    stage.run(lambda: client.count("on_connection_opened"))
    assert total(telemetry, "amqp_client_connections", 'server_address="server"') == 1
    assert total(telemetry, "amqp_client_reconnects_total") == 0
    stage.leave()
    stage.run(lambda: client.count("on_transport_error") == 3)
    assert total(telemetry, "amqp_client_losses_total", 'server_address="server"') == 1
    assert total(telemetry, "amqp_client_failed_attempts_total", 'error_type="proton.pythonio"') == 2
    assert total(telemetry, "amqp_client_connections") == 0
    stage.come_back()
    stage.run(lambda: client.count("on_connection_reconnected"))
    assert total(telemetry, "amqp_client_connects_total") == 2
    assert total(telemetry, "amqp_client_reconnects_total") == 1
    connection.close()
    stage.run(lambda: client.count("on_connection_closed"))
    text = telemetry.prometheus()
    assert "secret" not in text and "bob" not in text


def test_a_message_in_doubt() -> None:
    stage, telemetry = Stage(Witness(auto_accept=False)), Telemetry()
    client = Witness()
    container = stage.container(client, observers=[telemetry])
    connection = container.connect(stage.url, reconnect=False)
    sender = container.create_sender(connection, "jobs")
    sender.send(Message("one"))
    stage.run(lambda: stage.server.count("on_message") == 1)
    assert total(telemetry, "amqp_client_unsettled", 'role="sender"') == 1
    stage.cut()
    stage.run(lambda: client.count("on_in_doubt") == 1)
    assert total(telemetry, "messaging_client_sent_messages_total", 'error_type="in-doubt"') == 1
    assert total(telemetry, "amqp_client_outcomes_total", 'outcome="none"') == 1


def test_the_lag_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, telemetry = Stage(), Telemetry()
    container = stage.container(
        Witness(on_connection_opened=lambda event: stage.clock.advance(2.0)), observers=[telemetry]
    )
    connection = container.connect(stage.url)
    stage.run(lambda: total(telemetry, "amqp_client_loop_lag_seconds_count"))
    assert total(telemetry, "amqp_client_loop_lag_seconds_sum") >= 2
    connection.close()


def test_addresses_without_end_have_one_name() -> None:
    stage, telemetry = Stage(), Telemetry(most_addresses=2)
    client = Witness()
    container = stage.container(client, observers=[telemetry])
    connection = container.connect(stage.url)
    for name in ("a", "b", "c", "d"):
        container.create_sender(connection, name).send(Message("x"))
    stage.run(lambda: client.count("on_accepted") == 4)
    sent = "messaging_client_sent_messages_total"
    assert [total(telemetry, sent, f'destination_name="{name}"') for name in ("a", "b", "c", OTHER)] == [1, 1, 0, 2]


def test_reasons_that_a_peer_makes_up_have_one_name() -> None:
    assert condition_name(Condition("amqp:not-found")) == "amqp:not-found"
    assert condition_name(Condition("x" * 500)) == condition_name(None) == OTHER


def test_without_the_time_of_on_message() -> None:
    stage, telemetry = Stage(), Telemetry(process=False)
    container = stage.container(Witness(), observers=[telemetry])
    acceptor = container.listen("amqp://observed:5672")
    client = Witness()
    other = stage.container(client)
    other.create_sender(other.connect("amqp://observed:5672"), "jobs").send(Message("x"))
    stage.run(lambda: client.count("on_accepted"))
    assert total(telemetry, "messaging_client_consumed_messages_total") == 1
    assert "messaging_process" not in telemetry.prometheus()
    acceptor.close()


def test_several_containers_are_added_up() -> None:
    stage, telemetry = Stage(), Telemetry()
    for number in range(2):
        client = Witness()
        container = stage.container(client, observers=[telemetry])
        container.create_sender(container.connect(stage.url), "jobs").send(Message(number))
        stage.run(lambda: client.count("on_accepted"))  # noqa: B023
    assert total(telemetry, "messaging_client_sent_messages_total") == 2
    assert total(telemetry, "amqp_client_connections") == 2


def test_the_text_of_prometheus() -> None:
    counter, histogram = Counter("a.b.c", "{x}", "One\nline \\ only."), Histogram("d", "s", "Time.", (0.1, 1))
    counter.of((("name", 'a"b\\c\nd'), ("n", 5))).value = 3
    for value in (0.1, 0.5, 7):
        histogram.of(()).add(value)
    gauge = Gauge("e.f", "By", "Size.", lambda: [((), 2.5)])
    assert "".join(exposition([counter, histogram, gauge, Counter("never", "1", "Nothing.")])).splitlines() == [
        "# HELP a_b_c_total One\\nline \\\\ only.",
        "# TYPE a_b_c_total counter",
        'a_b_c_total{name="a\\"b\\\\c\\nd",n="5"} 3',
        "# HELP d_seconds Time.",
        "# TYPE d_seconds histogram",
        'd_seconds_bucket{le="0.1"} 1',
        'd_seconds_bucket{le="1"} 2',
        'd_seconds_bucket{le="+Inf"} 3',
        "d_seconds_sum 7.6",
        "d_seconds_count 3",
        "# HELP e_f_bytes Size.",
        "# TYPE e_f_bytes gauge",
        "e_f_bytes 2.5",
    ]
    assert labels() == ""


def test_the_bounds_are_those_of_the_conventions() -> None:
    assert DURATIONS == (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


def test_serving() -> None:
    telemetry = Telemetry()
    telemetry.connects.of(()).value = 7
    with serve(telemetry, 0) as server:
        with urlopen(server.url, timeout=60) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert b"amqp_client_connects_total 7\n" in answer.read()
        with pytest.raises(HTTPError, match="404") as caught:
            urlopen(server.url + "x", timeout=60)
        caught.value.close()
        with pytest.raises(OSError):
            serve(telemetry, server.port)


def test_numbers_that_no_thread_can_serve_leave_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    servers: list[Any] = []

    def refuse(thread: Any) -> None:
        servers.append(thread._target.__self__)
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            serve(Telemetry(), 0)
    assert [server.socket.fileno() for server in servers] == [-1], "it is closed"
