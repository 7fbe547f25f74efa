"""WebSocket as an application has it: urls, listeners, the browser's origin, a storm, and the broker's options."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import ConnectionException, Container, Message, Url
from reactor.simulation import explore
from tests.support import scenarios
from tests.support.stage import Stage, Witness
from tests.support.tls import client_domain, server_domain


class Once(MessagingHandler):
    """Sends one message to `jobs`, takes it, and closes."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.url = url
        self.options = options
        self.taken: list[Any] = []

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(self.url, reconnect=False, **self.options)
        event.container.create_receiver(connection, "jobs")
        event.container.create_sender(connection, "jobs").send(Message("hello"))

    def on_message(self, event: Any) -> None:
        self.taken.append(event.message.body)
        event.connection.close()

    def on_in_doubt(self, event: Any) -> None:
        """The connection failed: that is what the test is about."""


def failure(url: str, **options: Any) -> str:
    with pytest.raises(ConnectionException) as caught:
        Container(Once(url, **options), raise_errors=True).run()
    return str(caught.value)


def test_urls_of_websocket() -> None:
    plain, sealed = Url("amqpws://host/path"), Url("amqpwss://host")
    assert (plain.port, plain.uses_tls, plain.uses_websocket, plain.path) == (80, False, True, "path")
    assert (sealed.port, sealed.uses_tls, sealed.uses_websocket) == (443, True, True)
    assert [Url(url).uses_tls for url in ("amqp://h", "amqps://h")] == [False, True]
    assert not Url("amqps://h").uses_websocket


@pytest.mark.parametrize("chunk", [None, 1, 1000])
def test_a_connection_is_lost_and_made_again(chunk: Any) -> None:
    class Server(Stage):
        url = "amqpws://server/amqp"

    stage = Server(Witness(), chunk)
    client = Witness()
    container, connection = stage.connect(client, None)
    sender = container.create_sender(connection, "jobs", resend=True)
    stage.run(lambda: sender.credit)
    sender.send(Message("one"))
    stage.run(lambda: client.count("on_accepted") == 1)
    stage.cut()
    stage.run(lambda: client.count("on_connection_reconnected") == 1)
    sender.send(Message("two"))
    stage.run(lambda: client.count("on_accepted") == 2)
    assert stage.server.count("on_message") == 2
    connection.close()
    stage.run()
    assert client.count("on_connection_closed") == 1
    stage.finish()


def test_nothing_is_lost_in_a_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "URL", "amqpws://broker/amqp")
    assert explore(lambda world: scenarios.nothing_is_lost_by_its_numbers(world, scenarios.URL), range(10)) == 10


def test_tls_below_and_a_path() -> None:
    with EmbeddedBroker("amqpwss://127.0.0.1:0/amqp", ssl_domain=server_domain()) as broker:
        assert broker.url == f"amqpwss://127.0.0.1:{broker.port}/amqp"
        client = Once(f"amqpwss://localhost:{broker.port}/amqp", ssl_domain=client_domain())
        Container(client, raise_errors=True).run()
        assert client.taken == ["hello"]


def test_what_goes_wrong_is_named() -> None:
    with EmbeddedBroker("amqpws://127.0.0.1:0/amqp") as broker:
        place = f"127.0.0.1:{broker.port}"
        assert "the server answers 404 Not Found, and not 101: is '/' the right path?" in failure(f"amqpws://{place}")
        assert "the peer speaks HTTP" in failure(f"amqp://{place}")
        assert "SSL Failure" in failure(f"amqpwss://{place}")
    with EmbeddedBroker() as broker:
        assert "and no WebSocket; use amqp:// for it" in failure(f"amqpws://127.0.0.1:{broker.port}")


def answer(port: int, request: str) -> str:
    """The answer of a listener to a request."""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(request.replace("\n", "\r\n").encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(4096)
            if not more:
                break
            data += more
    return data.decode()


REQUEST = """GET / HTTP/1.1
Host: localhost
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Protocol: amqp
"""


def test_web_pages_come_in_when_they_are_named() -> None:
    ready = threading.Event()

    class Server(MessagingHandler):
        def on_start(self, event: Any) -> None:
            self.acceptor = event.container.listen("amqpws://127.0.0.1:0", origins=["https://shop.example"])
            ready.set()

        def on_transport_error(self, event: Any) -> None:
            """A client that says no more than this test has it say."""

    server = Server()
    container = Container(server)
    thread = threading.Thread(target=container.run)
    thread.start()
    try:
        assert ready.wait(60)
        port = server.acceptor.port
        assert answer(port, REQUEST + "Origin: https://shop.example\n\n").startswith("HTTP/1.1 101 ")
        assert answer(port, REQUEST + "\n").startswith("HTTP/1.1 101 "), "no browser"
        assert answer(port, REQUEST + "Origin: https://evil.example\n\n").startswith("HTTP/1.1 403 ")
        assert answer(port, "GET / HTTP/1.1\n\n").startswith("HTTP/1.1 426 ")
    finally:
        container.stop()
        thread.join()


@pytest.mark.parametrize(
    "origins, text",
    [("https://shop.example", "a list"), (["shop.example"], "without a path"), (["https://a/b"], "without a path")],
)
def test_origins_are_checked(origins: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        Container().listen("amqpws://127.0.0.1:0", origins=origins)


def test_origins_are_of_websocket() -> None:
    with pytest.raises(ValueError, match="origins are of WebSocket"):
        Container().listen("amqp://127.0.0.1:0", origins=["https://shop.example"])


def test_a_path_is_no_address() -> None:
    container = Container()
    sender = container.create_sender("amqpws://127.0.0.1:1/amqp", "jobs")
    assert sender.target.address == "jobs"
    other = container.create_receiver("amqpws://127.0.0.1:1/amqp", dynamic=True)
    assert other.source.address is None
    container.close()
