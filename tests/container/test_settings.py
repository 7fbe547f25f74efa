"""Nothing that can be set is accepted and ignored: it works, or says at once why it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Connection, SSLDomain, Transport, TransportException
from tests.support.stage import Stage, Witness


@pytest.mark.parametrize(
    "name, right, wrong",
    [
        ("max_frame_size", 4096, [-1, 1 << 32, "4096", True, None]),
        ("channel_max", 7, [-1, 65536, "7", False, None]),
        ("idle_timeout", 5.5, [-1, float("nan"), float("inf"), "5", True, None]),
    ],
)
def test_what_open_tells_is_checked_and_cannot_be_set_when_it_was_told(name: str, right: Any, wrong: Any) -> None:
    transport = Transport()
    for value in wrong:
        with pytest.raises(ValueError, match=name):
            setattr(transport, name, value)
    setattr(transport, name, right)
    transport.bind(connection := Connection())
    connection.open()
    setattr(transport, name, right)
    assert transport.pending() > 0
    with pytest.raises(TransportException, match=f"too late for {name}.*on_connection_bound"):
        setattr(transport, name, right)
    assert getattr(transport, name) == right


@pytest.mark.parametrize("tracer", [True, False])
def test_a_transport_traces_when_it_is_told_to(tracer: bool, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []

    def bound(event: Any) -> None:
        if tracer:
            event.transport.tracer = lambda transport, text: lines.append(text)
        event.transport.trace(Transport.TRACE_FRM)

    def opened(event: Any) -> None:
        event.transport.log("seen")
        event.transport.trace(Transport.TRACE_OFF)
        event.connection.close()

    stage = Stage()
    client = Witness(on_connection_opened=opened)
    client.on_connection_bound = bound  # type: ignore[attr-defined]
    stage.connect(client)
    told = "\n".join(lines) if tracer else capsys.readouterr().err
    assert "@open" in told and "@close" not in told
    assert lines.count("TRACE: seen") == int(tracer) == lines[-1:].count("TRACE: seen"), "its own lines have no prefix"
    assert not capsys.readouterr().err


def test_a_recorder_of_ones_own_stays() -> None:
    heard: list[Any] = []

    def bound(event: Any) -> None:
        event.transport.recorder = lambda *given: heard.append(given)
        event.transport.trace(Transport.TRACE_FRM)
        event.transport.trace(Transport.TRACE_OFF)

    client = Witness()
    client.on_connection_bound = bound  # type: ignore[attr-defined]
    Stage().connect(client)
    assert heard


def test_how_a_domain_verifies_is_said_by_its_method_alone() -> None:
    domain = SSLDomain(SSLDomain.MODE_SERVER)
    for name, value in (("verify_mode", SSLDomain.VERIFY_PEER), ("mode", SSLDomain.MODE_CLIENT)):
        with pytest.raises(AttributeError):
            setattr(domain, name, value)
    assert not domain.verifies


def test_what_lets_secrets_out_or_others_in_takes_a_bool() -> None:
    transport = Transport(Transport.SERVER)
    for wrong in ("no", "", 0, 1, None):
        with pytest.raises(TypeError, match="True or False"):
            transport.sasl().allow_insecure_mechs = wrong
        with pytest.raises(TypeError, match="True or False"):
            transport.require_auth(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="True or False"):
            transport.require_encryption(wrong)  # type: ignore[arg-type]
    assert transport.sasl().allow_insecure_mechs is False


def test_a_connection_that_says_who_it_is_logs_in() -> None:
    for user, header in ((None, b"AMQP\x00\x01\x00\x00"), ("kim", b"AMQP\x03\x01\x00\x00")):
        connection = Connection()
        connection.user, connection.password = user, "secret"
        transport = Transport()
        transport.bind(connection)
        connection.open()
        assert transport.peek(transport.pending())[:8] == header
    server = Transport(Transport.SERVER)
    server.bind(connection := Connection())
    connection.user = "kim"
    server.push(b"AMQP\x00\x01\x00\x00")
    assert server.condition is None


def test_the_zone_of_an_address_stays_on_this_machine() -> None:
    stage = Stage()
    stage.host.listen("amqp://[fe80::1%25eth0]:1")
    stage.container().connect("amqp://[fe80::1%25eth0]:1")
    stage.run()
    assert stage.server.last("on_connection_opened").connection.remote_hostname == "fe80::1"
