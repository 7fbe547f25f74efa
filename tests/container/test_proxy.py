"""HTTP proxies as an application has them: options, connect.json, the environment, storms, real sockets."""

from __future__ import annotations

import logging
from typing import Any, Optional

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import ConnectionException, Container, Message
from reactor.blocking.connection import BlockingConnection
from reactor.container.settings.config import read_config
from reactor.container.settings.proxy import Proxies, Proxy, choose_proxies, read_proxy
from reactor.simulation import World, explore
from tests.support import scenarios
from tests.support.proxies import OPENED, HttpProxy, proxy_on_a_socket
from tests.support.stage import Stage, Witness
from tests.support.tls import client_domain, server_domain

# -- the option ----------------------------------------------------------------------------------------------


def parts(proxy: Optional[Proxy]) -> list[Any]:
    return [getattr(proxy, name) for name in Proxy.__slots__]


@pytest.mark.parametrize(
    "text, proxy",
    [
        ("http://proxy:3128", Proxy("proxy", 3128)),
        ("http://proxy", Proxy("proxy", 80)),
        ("proxy:3128", Proxy("proxy", 3128)),
        ("HTTP://Proxy:3128/", Proxy("proxy", 3128)),
        ("http://bob:p%40ss@[::1]:8080", Proxy("::1", 8080, "bob", "p@ss")),
        ("http://bob@proxy:1", Proxy("proxy", 1, "bob")),
    ],
)
def test_texts_that_name_a_proxy(text: str, proxy: Proxy) -> None:
    assert parts(read_proxy("proxy", text)) == parts(proxy)


@pytest.mark.parametrize(
    "text, error",
    [
        ("socks5://proxy:1080", "SOCKS is not known here"),
        ("https://bob:secret@proxy", "TLS to the proxy is not known here"),
        ("ftp://bob:secret@proxy", "that is not known here"),
        ("http://", "with a host and no path"),
        ("http://bob:secret@proxy:1/path", "with a host and no path"),
        ("http://bob:secret@proxy:99999", "the port is neither"),
        ("http://bob:sec/ret@proxy", "cut off|port is neither"),
        ("http://a%3Ab:secret@proxy", "has a colon"),
    ],
)
def test_texts_that_name_none(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error) as caught:
        Container().connect("amqp://broker", proxy=text)
    assert "proxy: " in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [5, b"http://proxy", ("proxy", 1)])
def test_a_proxy_is_a_text_or_a_truth(value: Any) -> None:
    for call in (lambda: Container(proxy=value), lambda: Container().connect("amqp://broker", proxy=value)):
        with pytest.raises(TypeError, match="proxy is as 'http://user:password@proxy:3128'"):
            call()


def test_no_text_of_a_proxy_has_the_password() -> None:
    proxy = Proxy("proxy", 3128, "bob", "secret")
    for text in (repr(proxy), str(proxy), proxy.name, repr(proxy.tunnel("broker", 5672)), f"{proxy}"):
        assert "secret" not in text and "proxy" in text


HTTPS = {"HTTPS_PROXY": "http://upper:1", "ALL_PROXY": "http://all:3", "HTTP_PROXY": "http://wrong:1"}


def test_the_environment_is_asked_when_it_is_wanted() -> None:
    assert choose_proxies(None, environ=HTTPS).always is None
    assert choose_proxies(False, environ=HTTPS).always is None
    assert parts(choose_proxies(True, environ=HTTPS).always) == parts(Proxy("upper", 1))
    assert parts(choose_proxies(True, environ={**HTTPS, "https_proxy": "lower:2"}).always) == parts(Proxy("lower", 2))
    assert parts(choose_proxies(True, environ={**HTTPS, "HTTPS_PROXY": " "}).always) == parts(Proxy("all", 3))
    assert choose_proxies(True, environ={"HTTP_PROXY": "http://web:1"}).always is None
    with pytest.raises(ValueError, match=r"the variable ALL_PROXY: .*SOCKS is not known here"):
        choose_proxies(True, environ={"ALL_PROXY": "socks5h://proxy"})


def test_the_environment_s_proxy_is_not_for_this_machine() -> None:
    proxies = choose_proxies(True, environ={**HTTPS, "NO_PROXY": "inner.example"})
    reached = [host for host in ("localhost", "127.0.0.9", "::1", "a.inner.example", "b") if proxies.choose(host, 1)]
    assert reached == ["b"]
    assert choose_proxies("proxy:1").choose("localhost", 1) is not None


@pytest.mark.parametrize(
    "exceptions, without, by_proxy",
    [
        ("*", ["a", "10.1.2.3", "::1"], []),
        ("shop.example", ["shop.example", "SHOP.example.", "a.shop.example"], ["workshop.example", "example"]),
        (".shop.example", ["shop.example", "a.shop.example"], ["workshop.example"]),
        ("*.shop.example", ["a.shop.example"], ["workshop.example"]),
        ("a, b\tc", ["a", "b", "c", "x.c"], ["d"]),
        ("a:5672", ["a"], []),
        ("a:5671", [], ["a"]),
        ("10.0.0.0/8,fd00::/8", ["10.1.2.3", "fd00::1"], ["11.1.2.3", "fe80::1", "ten"]),
        ("10.1.2.3", ["10.1.2.3"], ["110.1.2.3"]),
        ("[fd00::1]:5672 [fd00::2]:1", ["fd00::1"], ["fd00::2"]),
        ("fd00::3", ["fd00::3"], ["fd00::1"]),
        ("nonsense/8, , .", [], ["a"]),
    ],
)
def test_exceptions(exceptions: str, without: list[str], by_proxy: list[str]) -> None:
    proxies = Proxies(Proxy("proxy", 1), exceptions)
    assert [host for host in without + by_proxy if proxies.choose(host, 5672) is None] == without


def test_connect_json_may_name_one(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "connect.json"
    monkeypatch.chdir(tmp_path)
    for text, proxy in (('"http://bob:secret@proxy:3128"', "http://bob:secret@proxy:3128"), ("true", True)):
        path.write_text('{"host": "broker", "proxy": %s}' % text)
        assert read_config(path).proxy == proxy
    path.write_text('{"proxy": "socks5://bob:secret@proxy"}')
    with pytest.raises(ValueError, match=r"connect.json, line 1: proxy: .*SOCKS") as caught:
        Container().connect()
    assert "secret" not in str(caught.value)
    path.write_text('{"proxy": 3128}')
    with pytest.raises(ValueError, match=r"line 1: proxy: .*true or false is expected"):
        Container().connect()


# -- on a stage ----------------------------------------------------------------------------------------------


class Behind(Stage):
    """A stage with a proxy."""

    def __init__(self, answer: Optional[bytes] = OPENED, user: str = "", chunk: Optional[int] = None) -> None:
        super().__init__(chunk=chunk)
        self.proxy = HttpProxy("proxy", 3128, answer, user)
        self.container(self.proxy)

    def fail(self, proxy: str = "http://proxy:3128", **options: Any) -> tuple[str, Witness]:
        client = Witness()
        self.connect(client, proxy=proxy, **options)
        self.run(lambda: client.count("on_transport_error"))
        transport = client.last("on_transport_error").transport
        return transport.condition.text, client


@pytest.mark.parametrize("url", ["amqp://server:5672", "amqpws://server:5672/amqp"])
@pytest.mark.parametrize("chunk", [None, 1])
def test_a_connection_is_lost_and_made_again(url: str, chunk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Behind, "url", url)
    stage = Behind(chunk=chunk, user="bob:secret")
    client = Witness()
    container, connection = stage.connect(client, None, proxy="http://bob:secret@proxy:3128")
    sender = container.create_sender(connection, "jobs", resend=True)
    stage.run(lambda: sender.credit)
    sender.send(Message("one"))
    stage.run(lambda: client.count("on_accepted") == 1)
    stage.cut()
    stage.run(lambda: client.count("on_connection_reconnected") == 1)
    sender.send(Message("two"))
    stage.run(lambda: client.count("on_accepted") == 2)
    assert stage.server.count("on_message") == 2
    assert stage.proxy.requests == ["server:5672"] * 2
    connection.close()
    stage.run(lambda: client.count("on_connection_closed") == 1)


def test_the_proxy_looks_up_the_name() -> None:
    stage = Behind()
    stage.proxy.places["far.example"] = ("server", 5672)
    client = Witness()
    container = stage.container(client)
    container.connect("amqp://far.example", proxy="http://proxy:3128")
    stage.run(lambda: client.count("on_connection_opened"))
    assert stage.proxy.requests == ["far.example:5672"]


#: answer of the proxy -> what the error says; whether the reason is final for a connection that reconnects
ANSWERS = [
    (b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\n\r\n", "407 Who?: it wants a user and a password", True),
    (b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate, NTLM\r\n\r\n", "wants Negotiate, NTLM, and this side", True),
    (b"HTTP/1.1 403 Filtered\r\nContent-Length: 5\r\n\r\nnever", "it answers 403 Filtered: it does not let", True),
    (b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>", "it answers 502 Bad Gateway: it cannot reach the peer", False),
    (b"HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", "it answers 503 x: it cannot reach", False),
    (b"HTTP/1.1 302 Found\r\nLocation: http://log-in/\r\n\r\n", "it sends us to http://log-in/", False),
    (b"HTTP/1.1 418 \x1b[2J\r\n\r\n", r"it answers 418 \x1b[2J", False),
    (b"HTTP/1.1 101 Switching\r\n\r\n", "it answers 101 Switching", False),
    (b"HTTP/1.1 abc\r\n\r\n", "its answer is no HTTP: 'HTTP/1.1 abc'", False),
    (b"HTTP/2 200\r\n\r\n", "its answer is no HTTP: 'HTTP/2 200'", False),
    (b"HTTP/1.1 500 x\r\nno field\r\n\r\n", "it sends a field of HTTP that is none", False),
    (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS; is this the port of a proxy?", False),
    (b"AMQP\x00\x01\x00\x00", "it speaks AMQP 1.0 without SASL; is this the port", False),
    (b"SSH-2.0-OpenSSH\r\n", "its answer is no HTTP: b'SSH-2.0", False),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000, "has not ended within 16384 bytes", False),
    (b"HTTP/1.1 100 Go on\r\n\r\n" * 1000, "no answer within 16384 bytes", False),
    (b"", "it hung up without an answer", False),
    (b"HTTP/1.1 200 Conn", "it hung up within its answer", False),
]


@pytest.mark.parametrize("answer, text, final", ANSWERS, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("chunk", [None, 7])
def test_a_proxy_that_refuses(answer: bytes, text: str, final: bool, chunk: Any) -> None:
    error, _ = Behind(answer, chunk=chunk).fail()
    assert error.startswith(("amqp:", "proton.")) and text in error
    assert "no tunnel through the proxy http://proxy:3128 to server:5672: " in error


@pytest.mark.parametrize("answer, text, final", ANSWERS[:5], ids=lambda value: repr(value)[:30])
def test_which_refusals_pass(answer: bytes, text: str, final: bool) -> None:
    stage = Behind(answer)
    client = Witness()
    container = stage.container(client)
    connection = container.connect(stage.url, proxy="http://proxy:3128")
    stage.run(lambda: client.count("on_transport_error"))
    if not final:
        stage.proxy.answer = OPENED
        stage.run(lambda: client.count("on_connection_opened"))
        connection.close()
    stage.run()
    assert len(stage.proxy.requests) == (1 if final else 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 Connection established\r\nProxy-agent: tinyproxy\r\n\r\n",
        b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 204 \r\n\r\n",
    ],
)
def test_answers_that_open_a_tunnel(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.proxies.OPENED", answer)
    stage = Behind(answer)
    client = Witness()
    stage.connect(client, proxy="http://proxy:3128")
    stage.run(lambda: client.count("on_connection_opened"))


def test_a_proxy_that_is_not_there() -> None:
    stage = Stage()
    client = Witness()
    stage.connect(client, proxy="http://bob:secret@proxy:3128")
    error = client.last("on_transport_error").transport.condition.text
    assert "no tunnel through the proxy http://bob:***@proxy:3128 to server:5672: cannot" in error


def test_a_broker_to_start_is_not_the_hint_for_a_proxy_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    for proxy in ("http://proxy:3128", False):
        client = Witness()
        stage.container(client).connect("amqp://127.0.0.1", proxy=proxy, reconnect=False)
        stage.run(lambda: client.count("on_transport_error"))  # noqa: B023
        assert ("Start a broker" in caplog.text) is (proxy is False)


@pytest.mark.parametrize(
    "options, seconds", [({"connect_timeout": 2}, 2), ({"open_timeout": 3, "connect_timeout": None}, 3)]
)
def test_a_proxy_that_never_answers(options: Any, seconds: int) -> None:
    stage = Behind(answer=None)
    before = stage.clock.now()
    error, _ = stage.fail(**options)
    assert f"to server:5672: it has not answered within {seconds} s" in error
    assert stage.clock.now() - before == pytest.approx(seconds, abs=0.1)


def test_a_peer_that_says_nothing_behind_a_proxy() -> None:
    stage = Behind()
    silent = HttpProxy("silent", 5672, None)
    stage.container(silent)
    stage.proxy.places["server"] = ("silent", 5672)
    error, _ = stage.fail(open_timeout=3)
    assert "amqp://server:5672, through the proxy http://proxy:3128, has not opened the connection within 3 s" in error


def test_a_wrong_password_shows_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = b"HTTP/1.1 407 Ym9iOnNlY3JldA==\r\nProxy-Authenticate: Basic\r\n\r\n"
    stage = Behind(echo)
    error, _ = stage.fail("http://bob:secret@proxy:3128")
    assert "it answers 407 ***: it refuses the password of 'bob', or the user" in error
    assert stage.proxy.credentials == ["Basic Ym9iOnNlY3JldA=="]
    for text in (caplog.text, error):
        assert "secret" not in text and "Ym9i" not in text and "http://bob:***@proxy:3128" in text


def test_a_password_goes_in_clear_to_this_machine_alone() -> None:
    """localhost is the proxy's own machine, whatever that is."""
    stage = Behind()
    for proxy, alone in (("http://proxy:3128", False), (False, True)):
        client = Witness()
        stage.container(client).connect("amqp://u:p@localhost", proxy=proxy, reconnect=False)
        stage.run(lambda: client.count("on_transport_error"))  # noqa: B023
        assert client.last("on_transport_error").transport.sasl().allow_insecure_mechs is alone


def test_the_container_s_default_and_a_call_without() -> None:
    stage = Behind()
    container = stage.container(Witness(), proxy="http://proxy:3128")
    first, second = container.connect(stage.url), container.connect(stage.url, proxy=False)
    opened = lambda one: one.remote_container is not None  # noqa: E731
    stage.run(lambda: opened(first) and opened(second))
    assert stage.proxy.requests == ["server:5672"]


def test_a_trace_begins_with_amqp(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    stage = Behind()
    client = Witness()
    container = stage.container(client)
    connection = container.connect(stage.url, proxy="http://bob:secret@proxy:3128")
    stage.run(lambda: connection.transport is not None)
    connection.transport.recorder = lambda direction, data: seen.append(bytes(data))
    stage.run(lambda: client.count("on_connection_opened"))
    assert seen[0].startswith(b"AMQP") and not [one for one in seen if b"CONNECT" in one or b"200" in one]


def storm(world: World) -> None:
    """As without a proxy: nothing that was accepted is lost, while wires on both sides of the proxy break."""
    world.start(HttpProxy, "proxy", 3128, name="proxy")
    scenarios.nothing_is_lost_by_its_numbers(world, "amqp://broker:5672")


def test_nothing_is_lost_in_a_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    connect = Container.connect

    def by_proxy(self: Container, *args: Any, **options: Any) -> Any:
        taken.append(1)
        return connect(self, *args, proxy="http://proxy:3128", **options)

    monkeypatch.setattr(Container, "connect", by_proxy)
    assert explore(storm, range(5)) == 5 and taken


# -- real sockets --------------------------------------------------------------------------------------------


class Once(MessagingHandler):
    """Sends one message to `jobs`, takes it, and closes."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__()
        self.url, self.options = url, options
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


@pytest.mark.parametrize("scheme", ["amqp", "amqps", "amqpws", "amqpwss"])
def test_all_schemes_over_real_sockets(scheme: str) -> None:
    sealed = scheme.endswith("s") and scheme != "amqpws"
    options = {"ssl_domain": server_domain()} if sealed else {}
    url = "%s://127.0.0.1:0" % scheme
    with EmbeddedBroker(url, **options) as broker, proxy_on_a_socket("bob:secret") as proxy:
        target = "%s://localhost:%d" % (scheme, broker.port)
        known = {"ssl_domain": client_domain()} if sealed else {}
        client = Once(target, proxy=f"http://bob:secret@127.0.0.1:{proxy.port}", **known)
        Container(client, raise_errors=True).run()
        assert client.taken == ["hello"]
        refused = Once(target, proxy=f"http://bob:wrong@127.0.0.1:{proxy.port}", **known)
        with pytest.raises(ConnectionException, match="it refuses the password of 'bob', or the user"):
            Container(refused, raise_errors=True).run()


def test_the_environment_and_blocking_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker("amqp://127.0.0.1:0") as broker, proxy_on_a_socket() as proxy:
        proxy.places["broker.example"] = ("127.0.0.1", broker.port)
        for name in ("https_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        connection = BlockingConnection("amqp://broker.example", timeout=60, proxy=True)
        try:
            connection.create_sender("jobs").send(Message("x"))
        finally:
            connection.close()
        assert proxy.requests == ["broker.example:5672"]
