"""The web page over real sockets, as a browser and as an intruder ask for it; the page itself is in tests/interop."""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import socket
import sys
import threading
import urllib.request
from contextlib import contextmanager, suppress
from urllib.parse import urlencode, urlsplit

import pytest

from handlers import MessagingHandler
from handlers.broker import Broker, EmbeddedBroker
from handlers.broker.access import throttle
from handlers.broker.commands import serve
from handlers.broker.web import requests, sampling, server
from handlers.broker.web.address import is_own_host, parse_address
from handlers.broker.web.bridge import Bridge, Unanswered
from handlers.broker.web.page import Page
from handlers.broker.web.watching import BadRequest, Choice, parse_choice
from reactor import Container, Message, ScramSecret
from tests.support import tls
from tests.support.processes import Script, run

HOSTILE = ["<script>alert(1)</script>", "__proto__", 'a"b\\c\nd', "\u202egnp.exe", "data: x\n\nevent: y", "é/ü"]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Users see a change after a second."""
    monkeypatch.setattr(sampling, "INTERVAL", 0.1)


@pytest.fixture(autouse=True)
def no_internal_errors(request, caplog):
    """A page that fails goes on; a test does not."""
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelname == "ERROR"]
    assert errors == [] or request.node.get_closest_marker("internal_errors")


@pytest.fixture
def broker():
    with EmbeddedBroker(web=True, queues=["jobs", *HOSTILE], topics=["news"]) as broker:
        yield broker
        assert broker.overview().internal_errors == 0


def ask(broker, path, method="GET", body=None, **headers):
    """(status, headers, text) of a request; an underscore in the name of a header stands for a hyphen."""
    connection = http.client.HTTPConnection(urlsplit(broker.web_url).netloc, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def token_of(broker):
    return re.search(r'name="broker-token" content="(\w+)"', ask(broker, "/")[2]).group(1)


def act(broker, path, body, **headers):
    """The status and the JSON, or the text, of an action."""
    headers = {"X_Broker_Token": token_of(broker), "Content_Type": "application/json", **headers}
    status, _, text = ask(broker, path, "POST", body if isinstance(body, str) else json.dumps(body), **headers)
    return status, json.loads(text) if status == 200 else text


class Fill(MessagingHandler):
    """Sends messages, and waits until they are accepted."""

    def __init__(self, url, address, count, **attributes):
        super().__init__()
        self.url, self.address, self.left, self.attributes = url, address, count, attributes

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        sender = event.container.create_sender(connection, self.address)
        for number in range(self.left):
            sender.send(Message(f"<b>{number}</b>", **self.attributes))

    def on_accepted(self, event):
        self.left -= 1
        if not self.left:
            event.connection.close()


def fill(broker, address, count, **attributes):
    Container(Fill(broker.url, address, count, **attributes)).run()


class Hold(MessagingHandler):
    """Takes messages and settles none; `held` is set when it has so many."""

    def __init__(self, url, address, count):
        super().__init__(prefetch=count, auto_accept=False)
        self.url, self.address, self.left, self.held, self.states = url, address, count, threading.Event(), []

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(connection, self.address)

    def on_message(self, event):
        self.left -= 1
        if not self.left:
            self.held.set()


@contextmanager
def holding(broker, address, count):
    """A consumer in a thread of its own."""
    handler = Hold(broker.url, address, count)
    container = Container(handler, container_id="holder")
    thread = threading.Thread(target=container.run)
    thread.start()
    try:
        assert handler.held.wait(30)
        yield
    finally:
        container.stop()
        thread.join(30)


class Events:
    """A stream of events, read one by one."""

    def __init__(self, broker, **parameters):
        self.connection = http.client.HTTPConnection(urlsplit(broker.web_url).netloc, timeout=30)
        self.connection.request("GET", "/events?" + urlencode(parameters))
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["Content-Type"] == "text/event-stream"

    def next(self):
        """(name, data) of the next event; None at the end."""
        lines = []
        while True:
            line = self.answer.readline().decode()
            if line in ("", "\n"):
                break
            lines.append(line.rstrip("\n"))
        if not lines:
            return None
        fields = dict(line.split(": ", 1) for line in lines)
        return fields["event"], json.loads(fields["data"])

    def until(self, name, condition):
        """The data of the first event of this name that meets the condition."""
        while True:
            event = self.next()
            assert event is not None, f"the stream has ended before {name}"
            if event[0] == name and condition(event[1]):
                return event[1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.answer.close()
        self.connection.close()


# -- where it listens


@pytest.mark.parametrize("web, address", [
    (True, ("127.0.0.1", 0)), ("127.0.0.1:8080", ("127.0.0.1", 8080)), ("8080", ("127.0.0.1", 8080)),
    (":8080", ("127.0.0.1", 8080)), ("localhost:0", ("127.0.0.1", 0)), ("[::1]:8080", ("::1", 8080)),
    ("127.0.0.2", ("127.0.0.2", 0)),
])  # fmt: skip
def test_an_address_of_this_machine(web, address):
    assert parse_address(web) == address


@pytest.mark.parametrize("web", ["0.0.0.0:8080", "192.168.1.2:8080", "[::]:8080", "example.com:80", "localhost.evil:1"])
def test_an_address_that_others_reach_is_refused(web):
    with pytest.raises(ValueError, match="on this machine alone"):
        Broker(web=web)


@pytest.mark.parametrize("web", ["127.0.0.1:x", "127.0.0.1:99999", "http://127.0.0.1", "u@127.0.0.1:1", "[::1", "a b"])
def test_what_is_no_address_is_refused(web):
    with pytest.raises(ValueError):
        Broker(web=web)


@pytest.mark.parametrize("header, own", [
    ("localhost", True), ("localhost:8080", True), ("LOCALHOST:1", True), ("127.0.0.1:9", True), ("[::1]:9", True),
    ("evil.example", False), ("127.0.0.1.evil.example", False), ("localhost.evil.example", False), ("", False),
    ("evil@127.0.0.1", False), ("127.0.0.1/x", False), ("127.0.0.1:x", False), ("192.168.0.1", False), ("[::1", False),
])  # fmt: skip
def test_which_hosts_are_this_machine(header, own):
    assert is_own_host(header) is own


def test_a_broker_without_it_has_no_threads_of_it():
    with EmbeddedBroker() as broker:
        assert broker.web_url == ""
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("amqp-broker-web")]


def test_a_port_in_use_is_raised_where_it_was_asked_for():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"the web page cannot listen on 127.0.0.1:{port}"):
            EmbeddedBroker(web=f"127.0.0.1:{port}").start()


def test_it_listens_on_ipv6_too():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with EmbeddedBroker(web="[::1]:0") as broker:
        assert broker.web_url.startswith("http://[::1]:")
        assert ask(broker, "/")[0] == 200


# -- the page


def test_the_page_is_one_answer_that_loads_nothing(broker):
    status, headers, text = ask(broker, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
    assert "/*" + "script*/" not in text and "--token--" not in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"


def test_its_script_makes_no_markup_of_text():
    text = Page().render("x").decode()
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "style="):
        assert name not in text


def test_two_brokers_have_two_tokens(broker):
    with EmbeddedBroker(web=True) as other:
        assert token_of(broker) != token_of(other)


def test_a_head_has_no_body(broker):
    for path in ("/", "/metrics", "/events"):
        status, _, text = ask(broker, path, "HEAD")
        assert (status, text) == (200, "")


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/nothing", 404), ("GET", "/../etc/passwd", 404), ("GET", "//evil.example/", 404), ("GET", "/purge", 405),
    ("POST", "/", 405), ("POST", "/nothing", 404), ("PUT", "/", 501), ("DELETE", "/jobs", 501), ("OPTIONS", "/", 501),
])  # fmt: skip
def test_what_is_not_there(broker, method, path, status):
    got, headers, _ = ask(broker, path, method)
    assert got == status and headers["Content-Type"].startswith("text/plain")


# -- events


def test_a_stream_begins_with_all_of_its_page(broker):
    with Events(broker) as events:
        overview = events.until("overview", lambda data: True)
        assert (overview["nodes"], overview["connections"], overview["depth"]) == (len(HOSTILE) + 2, 0, 0)
        nodes = events.until("nodes", lambda data: True)
        assert nodes["order"]["names"] == sorted(["jobs", "news", *HOSTILE])
        assert nodes["rows"]["news"]["kind"] == "topic" and set(nodes["rows"]) == set(nodes["order"]["names"])


def test_then_it_has_the_changes_alone(broker):
    with Events(broker) as events:
        events.until("nodes", lambda data: data["rows"].get("news", {}).get("in") == 0.0)  # the first one has no rates
        fill(broker, "jobs", 3)
        changed = events.until("nodes", lambda data: data["rows"].get("jobs", {}).get("depth") == 3)
        assert set(changed["rows"]) == {"jobs"} and "order" not in changed


def test_rates_are_per_second(broker):
    with Events(broker) as events:
        events.until("nodes", lambda data: True)
        fill(broker, "jobs", 50)
        row = events.until("nodes", lambda data: data["rows"].get("jobs", {}).get("in"))["rows"]["jobs"]
        assert 0 < row["in"] <= 50 / (0.9 * sampling.INTERVAL) and row["out"] == 0.0


def test_of_many_queues_a_stream_has_one_page():
    with EmbeddedBroker(web=True, queues=[f"q{number:05d}" for number in range(10_000)]) as broker:
        with Events(broker, page=3, rows=20) as events:
            nodes = events.until("nodes", lambda data: True)
            assert nodes["order"]["names"] == [f"q{number:05d}" for number in range(60, 80)]
            assert (nodes["order"]["start"], nodes["order"]["found"], nodes["order"]["all"]) == (60, 10_000, 10_000)
            assert len(nodes["rows"]) == 20
        with Events(broker, text="Q0999", rows=200, page=900) as events:
            order = events.until("nodes", lambda data: True)["order"]
            assert order["names"] == [f"q{number:05d}" for number in range(9990, 10_000)] and order["start"] == 0


def test_the_order_is_the_reader_s(broker):
    fill(broker, "jobs", 2)
    fill(broker, "é/ü", 1)
    with Events(broker, sort="depth", descending=1, rows=3) as events:
        names = events.until("nodes", lambda data: True)["order"]["names"]
        assert names == ["jobs", "é/ü", min(HOSTILE)]  # those with as many are by name
    with Events(broker, sort="name", descending=1, rows=1) as events:
        assert events.until("nodes", lambda data: True)["order"]["names"] == [max(HOSTILE)]
    with Events(broker, sort="kind", descending=1, rows=1) as events:
        assert events.until("nodes", lambda data: True)["order"]["names"] == ["news"]


def test_one_queue_in_detail_has_its_consumers_with_credit_and_unsettled_messages(broker):
    fill(broker, "jobs", 3)
    with holding(broker, "jobs", 3), Events(broker, node="jobs", connections=0) as events:
        node = events.until("node", lambda data: data["consuming"]["total"] == 1)
        (consumer,) = node["consuming"]["items"]
        assert (consumer["container"], consumer["unsettled"]) == ("holder", 3) and consumer["credit"] >= 0
        assert (node["waiting"], node["acquired"], node["kind"]) == (0, 3, "queue")
        connections = events.until("connections", lambda data: data["total"] == 1)
        assert connections["items"][0]["container"] == "holder"


def test_a_queue_that_goes_is_shown_as_gone(broker):
    with Events(broker, node="never") as events:
        assert events.until("node", lambda data: True) == {"name": "never", "gone": True, "in": None, "out": None}


def test_dead_letters_are_counted_where_a_policy_sends_them():
    from handlers.broker.nodes.policy import Policy

    queues = {"jobs": Policy(dead_letter="jobs.dead"), "jobs.dead": Policy()}
    with EmbeddedBroker(web=True, queues=queues) as broker:
        fill(broker, "jobs.dead", 2)
        with Events(broker) as events:
            overview = events.until("overview", lambda data: True)
            assert (overview["dead_letters"], overview["dead_letter_queues"]) == (2, 1)
            rows = events.until("nodes", lambda data: True)["rows"]
            assert rows["jobs.dead"]["takes_dead_letters"] and rows["jobs"]["dead_letter"] == "jobs.dead"


@pytest.mark.parametrize("query, choice", [
    ("", Choice()),
    ("text=JOBS&sort=depth&descending=1&page=2&rows=10", Choice("jobs", "depth", True, 2, 10)),
    ("rows=100000", Choice(rows=200)),
    ("node=a%20b&connections=1", Choice(node="a b", connections=1)),
])  # fmt: skip
def test_the_parameters_of_a_stream(query, choice):
    assert parse_choice(query) == choice


@pytest.mark.parametrize("query", [
    "page=-1", "page=x", "page=1e3", "page=" + "9" * 30, "sort=constructor", "unknown=1", "text=" + "x" * 2000,
    "node=%ff", "&".join(f"a{n}=1" for n in range(50)), "rows=٣",
])  # fmt: skip
def test_parameters_that_have_no_meaning(query, broker):
    with pytest.raises(BadRequest):
        parse_choice(query)
    assert ask(broker, "/events?" + (query if query.isascii() else "rows=%D9%A3"))[0] == 400


def test_there_are_so_many_streams_at_most(broker, monkeypatch):
    monkeypatch.setattr(server, "MOST_STREAMS", 2)
    with EmbeddedBroker(web=True) as small:
        with Events(small), Events(small):
            status, _, text = ask(small, "/events")
            assert status == 503 and "pages are open" in text


def test_a_place_is_free_again_when_a_reader_has_gone(monkeypatch):
    monkeypatch.setattr(server, "MOST_STREAMS", 1)
    monkeypatch.setattr(requests, "HEARTBEAT", 0.0)  # a stream that has nothing to write does not notice
    with EmbeddedBroker(web=True) as broker:
        for _ in range(2):
            for _ in range(300):  # until the broker has noticed
                with suppress(AssertionError):
                    with Events(broker) as events:
                        assert events.next()
                    break
                threading.Event().wait(0.05)
            else:
                pytest.fail("the place of a reader that has gone is not free")


# -- messages and actions


def test_messages_are_looked_at_and_stay(broker):
    fill(broker, "jobs", 25, subject="<i>", properties={"n": 1})
    status, headers, text = ask(broker, "/messages?node=jobs&offset=20")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    messages = json.loads(text)["messages"]
    assert [message["body"] for message in messages] == [f"<b>{number}</b>" for number in range(20, 25)]
    assert messages[0]["properties"]["subject"] == "<i>" and messages[0]["state"] == "waiting"
    assert len(json.loads(ask(broker, "/messages?node=jobs")[2])["messages"]) == 20
    assert broker.queue("jobs").waiting == 25


@pytest.mark.parametrize("query, status", [("node=never", 404), ("node=news", 400), ("node=jobs&offset=x", 400),
                                           ("", 404)])  # fmt: skip
def test_messages_that_cannot_be_had(broker, query, status):
    assert ask(broker, f"/messages?{query}")[0] == status


def test_a_purge_removes_what_waits(broker):
    fill(broker, "jobs", 5)
    assert act(broker, "/purge", {"node": "jobs"}) == (200, {"messages": 5})
    assert broker.queue("jobs").depth == 0 and broker.queue("jobs").removed == 5


@pytest.mark.parametrize("name", HOSTILE)
def test_a_queue_of_any_name_can_be_purged(broker, name):
    fill(broker, name, 1)
    assert act(broker, "/purge", {"node": name}) == (200, {"messages": 1})


def test_a_release_gives_back_what_a_consumer_holds(broker):
    fill(broker, "jobs", 3)
    with holding(broker, "jobs", 3):
        with Events(broker, node="jobs") as events:
            (consumer,) = events.until("node", lambda data: data["acquired"] == 3)["consuming"]["items"]
        assert act(broker, "/release", {"node": "jobs", "consumer": consumer["serial"]}) == (200, {"messages": 3})
        assert act(broker, "/release", {"node": "jobs", "consumer": 999_999})[0] == 404
    assert broker.queue("jobs").requeued >= 3


@pytest.mark.parametrize("path, body, status", [
    ("/purge", {"node": "never"}, 404), ("/purge", {"node": "news"}, 400), ("/purge", {}, 400),
    ("/purge", {"node": 1}, 400),
    ("/purge", "[]", 400), ("/purge", "{", 400), ("/purge", "[" * 5000, 400), ("/purge", "", 400),
    ("/release", {"node": "jobs", "consumer": "1"}, 400), ("/release", {"node": "jobs"}, 400),
    ("/purge", "x" * (requests.MOST_BODY + 1), 413),
])  # fmt: skip
def test_actions_that_cannot_be_done(broker, path, body, status):
    assert act(broker, path, body)[0] == status


# -- intruders


def test_an_action_needs_the_token_of_the_page(broker):
    fill(broker, "jobs", 1)
    for token in ("", "x", "ü".encode().decode("latin-1"), token_of(broker)[:-1]):
        assert act(broker, "/purge", {"node": "jobs"}, X_Broker_Token=token)[0] == 403
    assert ask(broker, "/purge", "POST", '{"node": "jobs"}', Content_Type="text/plain")[0] == 403
    assert broker.queue("jobs").depth == 1


@pytest.mark.parametrize("path", ["/", "/events", "/messages?node=jobs", "/metrics"])
def test_a_name_that_only_leads_here_is_refused(broker, path):
    """DNS rebinding: a page of evil.example whose name has become 127.0.0.1 reads with its own name as Host."""
    port = urlsplit(broker.web_url).port
    assert ask(broker, path, Host=f"evil.example:{port}")[0] == 403
    assert ask(broker, path, "HEAD", Host=f"localhost:{port}")[0] == 200  # as a tunnel has it


def test_a_request_without_a_host_is_refused(broker):
    assert raw(broker, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403 ")
    twice = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert raw(broker, twice).startswith(b"HTTP/1.1 403 ")


def test_pages_of_other_sites_get_nothing(broker):
    fill(broker, "jobs", 1)
    for site in ("cross-site", "same-site"):
        for path in ("/events", "/messages?node=jobs", "/metrics"):
            assert ask(broker, path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")[0] == 403
        assert ask(broker, "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="cors")[0] == 403
        assert ask(broker, "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")[0] == 200  # a link that a user follows
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert act(broker, "/purge", {"node": "jobs"}, Origin=origin)[0] == 403
    assert "Access-Control-Allow-Origin" not in ask(broker, "/messages?node=jobs", Origin=broker.web_url[:-1])[1]
    assert act(broker, "/purge", {"node": "jobs"}, Origin=broker.web_url[:-1]) == (200, {"messages": 1})


def test_an_address_that_is_none_is_a_bad_request_and_no_error_of_the_page(broker, caplog):
    for request in (b"GET http://[x HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[x\r\n\r\n"):  # fmt: skip
        assert raw(broker, request).startswith(b"HTTP/1.1 400 ")
    assert "internal error" not in caplog.text


# -- users


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_users_of_the_broker_log_in():
    with EmbeddedBroker(web=True, users={"alice": "s3crët", "bob": "x"}, queues=["jobs"]) as broker:
        for path in ("/", "/metrics", "/events", "/messages?node=jobs"):
            status, headers, text = ask(broker, path)
            assert status == 401 and headers["WWW-Authenticate"].startswith('Basic realm="amqp-broker"')
            assert "jobs" not in text and "broker-token" not in text
        assert ask(broker, "/purge", "POST", "{}")[0] == 401
        wrong = [("alice", "wrong"), ("alice", ""), ("eve", "s3crët"), ("", ""), ("bob", "s3crët"), ("\u0007", "x")]
        for user, password in wrong:
            assert ask(broker, "/", **basic(user, password))[0] == 401
        for header in ("Basic", "Basic =", "Basic YQ==", "Bearer YQ==", "Basic /w=="):
            assert ask(broker, "/", Authorization=header)[0] == 401
        for _ in range(2):
            assert ask(broker, "/metrics", **basic("alice", "s3crët"))[0] == 200
        assert ask(broker, "/", **basic("bob", "x"))[0] == 200


def test_a_user_needs_the_permission_to_manage():
    permissions = {"alice": {"manage": True}, "*": {"send": ["jobs"]}}
    with EmbeddedBroker(web=True, users={"alice": "a", "bob": "b"}, permissions=permissions) as broker:
        assert ask(broker, "/", **basic("alice", "a"))[0] == 200
        status, _, text = ask(broker, "/", **basic("bob", "b"))
        assert status == 403 and "'bob' does not have the permission manage" in text
        assert ask(broker, "/", **basic("bob", "a"))[0] == 401


def test_without_users_the_nameless_one_needs_it():
    with EmbeddedBroker(web=True, permissions={"*": {"send": ["*"]}}) as broker:
        assert ask(broker, "/")[0] == 403


def test_a_reader_that_guesses_is_not_looked_at(monkeypatch):
    looked = []
    matches = ScramSecret.matches

    def watched(self, password):
        looked.append(password)
        return matches(self, password)

    monkeypatch.setattr(ScramSecret, "matches", watched)
    monkeypatch.setattr(throttle, "PAUSE", 1e9)  # however long this takes
    with EmbeddedBroker(web=True, users={"alice": "s3cret", "bob": "other"}, max_failed_logins=2) as broker:
        assert ask(broker, "/", **basic("alice", "s3cret"))[0] == 200
        statuses = [ask(broker, "/", **basic("alice", f"guess {number}"))[0] for number in range(4)]
        assert statuses == [401] * 4 and looked == ["s3cret", "guess 0", "guess 1"]
        assert ask(broker, "/", **basic("alice", "s3cret"))[0] == 200, "a page that is open stays so"
        assert ask(broker, "/", **basic("bob", "other"))[0] == 200


def test_where_clients_log_in_by_certificate_alone_there_is_no_page():
    domain = tls.server_domain(verify=True)
    with pytest.raises(ValueError, match="log in by certificates"):
        Broker(["amqps://127.0.0.1:0"], web=True, ssl_domain=domain)
    assert Broker(["amqps://127.0.0.1:0"], web=True, ssl_domain=domain, users={"a": "b"}).web is not None


# -- bounds


def raw(broker, data):
    """The whole answer to these bytes."""
    parts = urlsplit(broker.web_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                return answer.read()
        except OSError:  # it has not read all
            return b""


def test_a_request_of_any_length_ends_soon(broker):
    host = b"Host: localhost\r\n"
    for request in (
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: y\r\n" * 100_000 + b"\r\n",
        b"\0" * 100_000,
        b"\r\n\r\n",
        b"",
    ):
        assert not raw(broker, request).startswith(b"HTTP/1.1 200 "), request[:100]
    assert ask(broker, "/")[0] == 200


@pytest.mark.parametrize("headers", [b"", b"Content-Length: -1\r\n", b"Content-Length: 99999999999\r\n",
                                     b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"])  # fmt: skip
def test_a_body_without_an_honest_length_is_refused(broker, headers):
    head = b"POST /purge HTTP/1.1\r\nHost: localhost\r\nX-Broker-Token: " + token_of(broker).encode() + b"\r\n"
    assert raw(broker, head + headers + b"\r\n{}").split()[1] in (b"411", b"413")


def test_a_request_that_does_not_come_to_its_end_is_given_up(monkeypatch):
    monkeypatch.setattr(requests, "TIME_TO_ASK", 0.2)
    with EmbeddedBroker(web=True) as broker:
        parts = urlsplit(broker.web_url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: local")
            assert connection.recv(100) == b""


def test_there_are_so_many_connections_at_most(monkeypatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    with EmbeddedBroker(web=True) as broker:
        parts = urlsplit(broker.web_url)
        waiting = [socket.create_connection((parts.hostname, parts.port), timeout=30) for _ in range(3)]
        try:
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                ask(broker, "/")
        finally:
            for connection in waiting:
                connection.close()


def test_pages_are_read_while_clients_work(broker):
    found, stop = [], threading.Event()

    def read(path):
        while not stop.is_set():
            found.append(ask(broker, path)[0])

    paths = ["/metrics", "/messages?node=jobs", "/", "/metrics"]
    threads = [threading.Thread(target=read, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    try:
        with Events(broker, node="jobs", connections=0) as events:
            for _ in range(5):
                fill(broker, "jobs", 200)
                fill(broker, "news", 20)
            events.until("nodes", lambda data: data["rows"].get("jobs", {}).get("depth") == 1000)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert found and set(found) == {200}


@pytest.mark.internal_errors
def test_a_page_that_fails_is_answered_and_logged(broker, monkeypatch, caplog):
    monkeypatch.setattr(Page, "render", lambda *arguments: 1 / 0)
    status, _, text = ask(broker, "/")
    assert status == 500 and "internal error" in text and "ZeroDivisionError" not in text
    assert "internal error of the web page, at 'GET / HTTP/1.1'" in caplog.text and "ZeroDivisionError" in caplog.text
    assert ask(broker, "/metrics")[0] == 200


# -- the command line

COMMAND = [sys.executable, "-m", "handlers.broker", "--listen", "amqp://127.0.0.1:0"]


@pytest.mark.parametrize("way", ["option", "option with an address", "configuration"])
def test_the_program_shows_where_it_is(way, tmp_path):
    (tmp_path / "broker.json").write_text('{"web": true}', encoding="utf-8")
    options = {"option": ["--web"], "option with an address": ["--web", "localhost:0"]}
    with Script([*COMMAND, *options.get(way, ["--config", "broker.json"])], tmp_path) as script:
        url = script.wait_for("The web page is at ").rpartition(" ")[2]
        script.wait_for("Listening on")
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert b"<title>amqp-broker</title>" in answer.read()
        if sys.platform != "win32":
            script.process.send_signal(signal.SIGTERM)
            assert script.finish()[0] == 0


def test_a_signal_ends_the_wait_of_the_container_also_where_it_does_not_interrupt_it():
    """It may go to a thread of the web page, or come in the moment before the wait."""
    rung = []

    class Bell(serve._Bell):
        def on_selectable_readable(self, event):
            super().on_selectable_readable(event)
            rung.append(event)

    container = Container()
    container.timeout = 5
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    bell = Bell()
    try:
        container.selectable(bell)
        container.process()  # it is watched from now on
        signal.raise_signal(signal.SIGTERM)  # before the wait
        container.process()
        assert len(rung) == 1
    finally:
        bell.close()
        signal.signal(signal.SIGTERM, before)
        container.stop()
        container.run()


@pytest.mark.parametrize("options, said", [
    (["--web", "0.0.0.0:0"], "on this machine alone"), (["--web", "127.0.0.1:x"], "no address of a web page"),
])  # fmt: skip
def test_the_program_refuses_what_cannot_be(options, said, tmp_path):
    status, out, err = run([*COMMAND, *options], tmp_path)
    assert (status, out) == (2, "") and said in err


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run([*COMMAND, "--web", f"127.0.0.1:{port}"], tmp_path)
    assert status == 1 and len(err.splitlines()) == 1
    assert f"the web page cannot listen on 127.0.0.1:{port}" in err


# -- the end


def test_the_end_of_the_broker_ends_all_threads_and_streams():
    broker = EmbeddedBroker(web=True).start()
    parts = urlsplit(broker.web_url)
    idle = socket.create_connection((parts.hostname, parts.port), timeout=30)
    with Events(broker) as events, idle:
        assert events.next()
        broker.stop()
        while events.next() is not None:
            pass
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("amqp-broker-web")]
    with pytest.raises(OSError):
        socket.create_connection((parts.hostname, parts.port), timeout=30)
    broker.stop()


class Turns:
    """A container that carries out functions when it is asked to."""

    def __init__(self):
        self.waiting = []
        self.came = threading.Event()

    def call_soon_threadsafe(self, function, *arguments):
        self.waiting.append((function, arguments))
        self.came.set()


def asked(bridge, results, *question):
    """A thread that asks; its result or its exception goes to `results`."""

    def run():
        try:
            results.append(bridge.ask(*question))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_question_is_answered_in_the_broker_s_thread():
    turns, results = Turns(), []
    bridge = Bridge(turns)
    thread = asked(bridge, results, lambda a: (a, threading.current_thread()), 7)
    assert turns.came.wait(30)
    function, arguments = turns.waiting.pop()
    function(*arguments)
    thread.join(30)
    assert results == [(7, threading.current_thread())]


def test_what_the_answer_raises_is_raised_where_it_was_asked_for():
    turns, results = Turns(), []
    thread = asked(Bridge(turns), results, lambda: 1 / 0)
    assert turns.came.wait(30)
    function, arguments = turns.waiting.pop()
    function(*arguments)
    thread.join(30)
    assert isinstance(results[0], ZeroDivisionError)


def test_a_question_to_a_broker_that_stops_is_not_waited_for():
    turns, results = Turns(), []
    bridge = Bridge(turns)
    thread = asked(bridge, results, print)
    assert turns.came.wait(30)
    bridge.close()
    thread.join(30)
    assert isinstance(results[0], Unanswered)
    with pytest.raises(Unanswered, match="has stopped"):
        bridge.ask(print)
    with pytest.raises(Unanswered, match="within 0 s"):
        Bridge(Turns()).begin(lambda done: None, patience=0.01)
