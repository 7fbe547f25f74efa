"""Connections that come to nothing, and what the application is told: the likely cause, in words.

The contract, one line each: what the peer is or does, and the words that must be in the condition of
`on_transport_error`. Most of them are proved in more depth elsewhere; here is what a user meets, through a container.
"""

from __future__ import annotations

from random import Random
from typing import Any, Callable, Optional

import pytest

from reactor.errors import FRAMING_ERROR, IO_ERROR, UNAUTHORIZED_ACCESS
from reactor.loop.driver import Driver, ListenerDriver
from reactor.simulation.network.conditions import Conditions
from tests.support.stage import Stage, Witness
from tests.support.streams import ScriptedStream
from tests.support.tls import client_domain, server_domain

Setting = Callable[[Stage], Any]


def speaks(data: bytes, hang_up: bool = True) -> Setting:
    """A server that says this to everybody, whatever it is told."""

    def set_up(stage: Stage) -> None:
        loop = stage.host.loop

        def admit(wire: Any) -> None:
            stream = ScriptedStream()
            stream.say(data)
            if hang_up:
                stream.finish()
            Driver(loop, stream, wire).flush()

        ListenerDriver(loop, loop.network.listen("server", 6000), admit)

    return set_up


def listens(**options: Any) -> Setting:
    return lambda stage: stage.host.listen("amqp://server:6000", **options)


def listens_with_tls(certificate: str = "server", **options: Any) -> Setting:
    return lambda stage: stage.host.listen("amqps://server:6000", server_domain(certificate, **options))


def nothing(stage: Stage) -> None:
    """Nobody is there."""


def silent(stage: Stage) -> None:
    """Whatever is sent to the server's machine is lost; the system waits for two minutes, and gives up."""
    stage.network.conditions = Conditions(Random(1))
    stage.network.silence("server")


def told(setting: Setting, url: str = "amqp://server:6000", **options: Any) -> Any:
    """The condition that a client is told when it connects to `url` in that setting."""
    stage = Stage()
    setting(stage)
    reasons: list[Any] = []
    client = Witness(on_transport_error=lambda event: reasons.append(event.transport.condition))
    connection = stage.container(client).connect(url, ssl_domain=client_domain(), reconnect=False, **options)
    stage.run(lambda: client.count("on_disconnected"))
    assert client.count("on_disconnected") == len(reasons) == 1
    assert connection.error is reasons[0]
    return reasons[0]


TLS, AMQP = "amqps://server:6000", "amqp://server:6000"
HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
OLD_AMQP = b"AMQP\x00\x00\x09\x01"
ALERT = b"\x15\x03\x03\x00\x02\x02\x46"
PASSWORD = "amqp://kim:a-secret@localhost:6000"

CAUSES: dict[str, tuple[Setting, str, str, list[str]]] = {
    "a port with TLS, without": (listens_with_tls(), AMQP, FRAMING_ERROR, ["TLS", "amqps://"]),
    "the same, of another make": (speaks(ALERT), AMQP, FRAMING_ERROR, ["TLS", "amqps://"]),
    "the same, of a silent make": (speaks(b""), AMQP, FRAMING_ERROR, ["hung up", "amqps://"]),
    "a port without TLS, with": (listens(), TLS, FRAMING_ERROR, ["without TLS", "amqp://"]),
    "the same, of a silent make ": (speaks(b""), TLS, FRAMING_ERROR, ["hung up instead of beginning TLS", "amqp://"]),
    "an HTTP server": (speaks(HTTP), AMQP, FRAMING_ERROR, ["HTTP", "5672"]),
    "an HTTP server, with TLS": (speaks(HTTP), TLS, FRAMING_ERROR, ["HTTP"]),
    "AMQP 0-9-1": (speaks(OLD_AMQP), AMQP, FRAMING_ERROR, ["AMQP 0-9-1", "not 1.0.0", "rabbitmq_amqp1_0"]),
    "AMQP 0-9-1, with TLS": (speaks(OLD_AMQP), TLS, FRAMING_ERROR, ["AMQP 0-9-1", "without TLS"]),
    "something else": (speaks(b"220 mail.example\r\n"), AMQP, FRAMING_ERROR, ["no AMQP protocol header", "220 mail"]),
    "something else, with TLS": (speaks(b"220 mail.example\r\n"), TLS, FRAMING_ERROR, ["not TLS", "220 mail"]),
    "an expired certificate": (listens_with_tls("expired"), TLS, UNAUTHORIZED_ACCESS, ["server", "expired"]),
    "a certificate of another name": (
        listens_with_tls("elsewhere"),
        TLS,
        UNAUTHORIZED_ACCESS,
        ["not for the name 'server'", "sni="],
    ),
    "an unknown authority": (
        listens_with_tls("stranger"),
        TLS,
        UNAUTHORIZED_ACCESS,
        ["authority that is not known here", "set_trusted_ca_db"],
    ),
    "a certificate signed by itself": (
        listens_with_tls("self-signed"),
        TLS,
        UNAUTHORIZED_ACCESS,
        ["signed by itself", "set_trusted_ca_db"],
    ),
    "a client without a certificate": (
        listens_with_tls(verify=True),
        TLS,
        UNAUTHORIZED_ACCESS,
        ["demands a certificate", "set_credentials"],
    ),
    "a wrong password": (
        lambda stage: stage.host.listen("localhost:6000", authenticator=lambda *given: False, allowed_mechs="PLAIN"),
        PASSWORD,
        UNAUTHORIZED_ACCESS,
        ["'kim'", "password"],
    ),
    "no mechanism in common": (
        listens(allowed_mechs="ANONYMOUS"),
        "amqp://kim:a-secret@server:6000?PLAIN",
        UNAUTHORIZED_ACCESS,
        ["no mechanism in common", "ANONYMOUS", "PLAIN"],
    ),
    "a password in the clear": (
        listens(authenticator=lambda *given: True, allowed_mechs="PLAIN"),
        "amqp://kim:a-secret@server:6000",
        UNAUTHORIZED_ACCESS,
        ["amqps://", "allow_insecure_mechs"],
    ),
    "a name that is unknown": (
        lambda stage: stage.network.fail_lookup("nowhere"),
        "amqp://nowhere",
        IO_ERROR,
        ["cannot look up nowhere", "not known"],
    ),
    "nobody listens": (nothing, AMQP, IO_ERROR, ["server:6000", "refused"]),
    "nobody answers": (silent, AMQP, IO_ERROR, ["server:6000", "timed out"]),
    "a frame that is too large": (
        speaks(b"AMQP\x00\x01\x00\x00\x00\x02\x00\x00\x02\x00\x00\x00", hang_up=False),
        "amqp://server:6000?no sasl",
        FRAMING_ERROR,
        ["a frame of 131072 bytes", "16384"],
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_the_likely_cause_is_named(case: str) -> None:
    setting, url, name, words = CAUSES[case]
    url, _, extra = url.partition("?")
    options: dict[str, Any] = {}
    if extra == "PLAIN":
        options = {"allowed_mechs": "PLAIN"}
    elif extra:
        options = {"sasl_enabled": False}
    condition = told(setting, url, **options)
    assert condition.name == name
    for word in words:
        assert word in condition.description
    assert "a-secret" not in condition.description


@pytest.mark.parametrize("piece", [None, 1])
def test_it_is_named_however_the_bytes_come(piece: Optional[int]) -> None:
    for case in ("an HTTP server", "AMQP 0-9-1", "the same, of another make"):
        setting, url, _, words = CAUSES[case]
        stage = Stage(chunk=piece)
        setting(stage)
        client = Witness()
        connection = stage.container(client).connect(url, reconnect=False)
        stage.run()
        for word in words:
            assert word in connection.error.description
