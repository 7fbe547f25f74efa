"""`python -m reactor.check`: what it finds at peers of all kinds, and what it says where a step fails."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from handlers.broker.nodes.policy import Policy
from reactor import Condition, Container, Message
from reactor.check import main
from reactor.utils import BlockingConnection
from tests.support.processes import run, unused_port
from tests.support.proxies import proxy_on_a_socket
from tests.support.tls import file, server_domain

STEPS = ["name", "reach", "open", "receiver", "sender", "send", "receive", "close"]


@pytest.fixture
def broker() -> Any:
    with EmbeddedBroker(queues={"small": Policy(max_length=1, overflow="reject")}) as broker:
        yield broker


def shown_steps(out: str) -> list[str]:
    return [line[:16].strip() for line in out.splitlines() if line[:1].strip()]


@pytest.mark.parametrize("address", [[], ["jobs"]], ids=["dynamic", "queue"])
def test_all_is_well(broker: Any, address: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([broker.url, *address]) == 0
    out, err = capsys.readouterr()
    assert shown_steps(out) == STEPS and not err
    assert "amqp-reactor broker" in out and "SASL: ANONYMOUS" in out and "outcome: ACCEPTED" in out
    assert not address or broker.queue("jobs").depth == 0


def test_quiet_and_json(broker: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([broker.url, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([broker.url, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["steps"]) == STEPS
    assert report["outcome"] == "ACCEPTED" and report["peer"]["product"] == "amqp-reactor broker"
    assert "failed" not in report


def test_messages_of_others_go_back(broker: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with BlockingConnection(broker.url) as connection:
        sender = connection.create_sender("jobs")
        sender.send(Message("of others"))
    assert main([broker.url, "jobs"]) == 0
    assert broker.queue("jobs").depth == 1
    with BlockingConnection(broker.url) as connection:
        message = connection.create_receiver("jobs").receive()
        assert (message.body, message.delivery_count) == ("of others", 0)


def test_an_outcome_that_is_not_accepted(broker: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with BlockingConnection(broker.url) as connection:
        connection.create_sender("small").send(Message("it is full now"))
    assert main([broker.url, "small", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["failed"]["step"] == "send"
    assert report["failed"]["reason"].startswith("the outcome is REJECTED, not ACCEPTED: amqp:resource-limit-exceeded")
    assert list(report["steps"])[-1] == "close"


def test_our_message_goes_to_another_consumer(capsys: pytest.CaptureFixture[str]) -> None:
    with EmbeddedBroker(queues={"jobs": Policy(single_active=True)}) as broker:
        with BlockingConnection(broker.url) as connection:
            connection.create_receiver("jobs", credit=10)
            assert main([broker.url, "jobs", "--timeout", "0.2"]) == 1
    out, err = capsys.readouterr()
    assert err == "FAILED at receive: our message has not come back within 0.2 s\n"
    assert shown_steps(out) == STEPS[:-2] + ["close"]


def test_a_peer_without_dynamic_nodes_is_not_at_fault(capsys: pytest.CaptureFixture[str]) -> None:
    class Peer(MessagingHandler):
        def __init__(self) -> None:
            super().__init__()
            self.listening = threading.Event()

        def on_start(self, event: Any) -> None:
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.listening.set()

        def on_link_opening(self, event: Any) -> None:
            if event.link.remote_source.dynamic:
                event.link.condition = Condition("amqp:not-implemented", "none is made here")
                event.link.close()

    peer = Peer()
    container = Container(peer)
    thread = threading.Thread(target=container.run)
    thread.start()
    try:
        assert peer.listening.wait(60)
        assert main([peer.acceptor.url]) == 0
    finally:
        container.stop()
        thread.join()
    out, err = capsys.readouterr()
    assert shown_steps(out) == ["name", "reach", "open", "no dynamic node", "close"] and not err
    assert "none is made here" in out and "a peer that names no product" in out


def test_tls_and_a_password(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n", encoding="utf-8")
    users = {"alice": "open sesame"}
    with EmbeddedBroker(users=users, ssl_domain=server_domain()) as broker:
        how = [broker.url, "--user", "alice", "--password-file", str(secret), "--ca"]
        assert main([*how, file("authority.pem")]) == 0
        out = capsys.readouterr().out
        assert re.search(r"TLS: TLSv1\.\d \w+\n +SASL: SCRAM-\S+ as alice\n", out)
        assert main([*how, file("stranger.pem")]) == 1
        assert "certificate" in capsys.readouterr().err
        secret.write_text("open barley", encoding="utf-8")
        assert main([*how, file("authority.pem")]) == 1
        assert "amqp:unauthorized-access" in capsys.readouterr().err


def test_a_queue_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with EmbeddedBroker(auto_create=False) as broker:
        assert main([broker.url, "jobs"]) == 1
    out, err = capsys.readouterr()
    assert shown_steps(out) == ["name", "reach", "open", "close"]
    assert err.startswith("FAILED at receiver: ") and "amqp:not-found" in err


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"127.0.0.1:{unused_port()}"]) == 1
    assert capsys.readouterr().err == "FAILED at reach: 127.0.0.1: Connection refused\n"


def test_a_peer_that_never_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert main([f"127.0.0.1:{server.getsockname()[1]}", "--timeout", "0.2"]) == 1
    assert capsys.readouterr().err.startswith("FAILED at open: ")


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["ftp://127.0.0.1"], "the scheme of 'ftp://127.0.0.1' is none of amqp, amqps, amqpws, amqpwss"),
        (["127.0.0.1", "--timeout", "0"], "a number of seconds above 0, not '0'"),
        (["127.0.0.1", "--password-file", "not there"], "the password cannot be read: "),
        (["127.0.0.1", "--ca", "not there"], "not there"),
        (["--user", "me"], "connect.json"),
        (["127.0.0.1", "--json", "--quiet"], "not allowed with"),
    ],
)
def test_mistakes_in_the_options(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def test_as_a_command(broker: Any, tmp_path: Any) -> None:
    status, out, err = run([sys.executable, "-m", "reactor.check", broker.url, "jobs"], tmp_path)
    assert (status, err) == (0, "") and shown_steps(out) == STEPS


def test_by_way_of_a_proxy(broker: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_on_a_socket() as proxy:
        proxy.places["broker.example"] = ("127.0.0.1", broker.port)
        way = "http://127.0.0.1:%d" % proxy.port
        assert main(["amqp://broker.example", "--proxy", way]) == 0
        assert shown_steps(capsys.readouterr().out) == STEPS[2:]
        monkeypatch.setenv("https_proxy", way)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert main(["amqp://broker.example", "--proxy", "environment", "--quiet"]) == 0
        assert proxy.requests == ["broker.example:5672"] * 2
    assert main(["amqp://broker.example", "--proxy", way]) == 1
    assert "FAILED at open: " in capsys.readouterr().err
