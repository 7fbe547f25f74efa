"""`amqp-broker status|queues|peek|purge|move`, against a broker in another thread."""

from __future__ import annotations

import json
import socket

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from handlers.broker.__main__ import main
from handlers.broker.commands import operate
from handlers.broker.nodes.policy import Policy
from reactor import Container, DurableSubscription, Message, Reject, symbol
from tests.support.processes import unused_port
from tests.support.tls import file, server_domain


class Fill(MessagingHandler):
    def __init__(self, url, address, messages):
        super().__init__()
        self.url, self.address, self.missing, self.messages = url, address, len(messages), messages

    def on_start(self, event):
        sender = event.container.create_sender(event.container.connect(self.url, reconnect=False), self.address)
        for message in self.messages:
            sender.send(message)

    def on_accepted(self, event):
        self.missing -= 1
        if not self.missing:
            event.connection.close()


class RejectAll(MessagingHandler):
    def __init__(self, url, address, count):
        super().__init__()
        self.url, self.address, self.count = url, address, count

    def on_start(self, event):
        event.container.create_receiver(event.container.connect(self.url, reconnect=False), self.address)

    def on_message(self, event):
        self.count -= 1
        if not self.count:
            event.connection.close()
        raise Reject("not wanted")


@pytest.fixture
def broker():
    with EmbeddedBroker() as broker:
        yield broker


def fill(broker, address, *messages):
    Container(Fill(broker.url, address, [Message(each) if isinstance(each, str) else each for each in messages])).run()


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_queues_in_a_table(broker, capsys):
    fill(broker, "jobs.a", "1", "2")
    fill(broker, "other", "1")
    status, out, err = run(capsys, "queues", "--url", broker.url)
    lines = out.splitlines()
    assert (status, err) == (0, "") and len(lines) == 3
    assert lines[0].split()[:4] == ["NAME", "KIND", "WAITING", "ACQUIRED"]
    assert lines[1].split()[:4] == ["jobs.a", "queue", "2", "0"] and lines[2].startswith("other ")
    status, out, err = run(capsys, "queues", "jobs.*", "--json", "--url", broker.url)
    [row] = json.loads(out)
    assert (status, row["name"], row["waiting"]) == (0, "jobs.a", 2)


class Subscribe(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.url = url

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        event.container.create_receiver(connection, "news", name="reader", options=DurableSubscription())

    def on_link_opened(self, event):
        event.receiver.detach()

    def on_link_remote_detach(self, event):
        event.connection.close()


def test_subscriptions_are_listed_and_ended(capsys):
    with EmbeddedBroker(topics=["news", "empty"]) as broker:
        Container(Subscribe(broker.url), container_id="laptop").run()
        fill(broker, "news", "a", "b")
        status, out, err = run(capsys, "subscriptions", "--url", broker.url)
        heads, row = out.splitlines()
        assert (status, err) == (0, "") and heads.startswith("TOPIC  WAITING") and row.split()[:2] == ["news", "2"]
        status, out, _ = run(capsys, "subscriptions", "news", "--json", "--url", broker.url)
        [found] = json.loads(out)
        assert (status, found["topic"], found["waiting"]) == (0, "news", 2)
        assert run(capsys, "subscriptions", "empty", "--json", "--url", broker.url) == (0, "[]\n", "")
        status, out, err = run(capsys, "unsubscribe", "news", found["name"], "--url", broker.url)
        assert (status, out, err) == (0, f"2 messages ended with the subscription {found['name']}\n", "")
        assert broker.topic("news").depth == 0
        status, _, err = run(capsys, "unsubscribe", "news", found["name"], "--url", broker.url)
        assert status == operate.NOT_DONE and "no subscription" in err
        status, _, err = run(capsys, "subscriptions", "none", "--url", broker.url)
        assert status == operate.NOT_DONE and "no queue or topic 'none'" in err


def test_the_status_of_the_broker(broker, capsys):
    fill(broker, "jobs", "1")
    status, out, _ = run(capsys, "status", "--url", broker.url)
    assert status == 0 and "amqp-reactor broker" in out
    assert {("enqueued", "1"), ("committed", "0")} <= {tuple(line.split()) for line in out.splitlines()}
    status, out, _ = run(capsys, "status", "--json", "--url", broker.url)
    said = json.loads(out)
    assert said["broker"]["depth"] == 1 and len(said["connections"]) == 1


def test_a_look_at_messages(broker, capsys):
    fill(
        broker, "jobs",
        Message({"order": 7}, subject="orders", properties={"n": 1}, annotations={symbol("x-opt-a"): "b"}),
        Message(b"\xff" * 5000, inferred=True, durable=True),
    )  # fmt: skip
    status, out, err = run(capsys, "peek", "jobs", "--url", broker.url)
    assert (status, err) == (0, "")
    for text in ("1: waiting, ", "properties  subject = orders", "application  n = 1", "annotations  x-opt-a = b",
                 'body  {"order": 7}', "2: waiting, ", ", durable", "} ..."):  # fmt: skip
        assert text in out
    status, out, _ = run(capsys, "peek", "jobs", "--json", "--count", 1, "--url", broker.url)
    [row] = json.loads(out)
    assert row["body"] == {"order": 7} and row["properties"] == {"subject": "orders"} and "data" not in row
    status, out, _ = run(capsys, "peek", "jobs", "--offset", 5, "--url", broker.url)
    assert (status, out) == (0, "jobs: no messages\n")
    assert broker.queue("jobs").waiting == 2


def test_a_dead_letter_shows_its_deaths_and_goes_back(capsys):
    with EmbeddedBroker(queues={"jobs": Policy(dead_letter="dead"), "dead": Policy()}) as broker:
        fill(broker, "jobs", "bad", "worse")
        Container(RejectAll(broker.url, "jobs", 2)).run()
        status, out, _ = run(capsys, "peek", "dead", "--url", broker.url)
        assert status == 0 and "death  {" in out and '"queue": "jobs"' in out and "rejected" in out
        _, out, _ = run(capsys, "peek", "dead", "--json", "--url", broker.url)
        assert json.loads(out)[0]["deaths"][0]["reason"] == "rejected"
        assert run(capsys, "move", "dead", "jobs", "--count", 1, "--url", broker.url)[:2] == (
            0, "1 message moved from dead to jobs\n",
        )  # fmt: skip
        assert (broker.queue("dead").depth, broker.queue("jobs").depth) == (1, 1)


def test_a_purge(broker, capsys):
    fill(broker, "jobs", *"abc")
    assert run(capsys, "purge", "jobs", "--count", 2, "--url", broker.url)[:2] == (0, "2 messages removed from jobs\n")
    assert run(capsys, "purge", "jobs", "--json", "--url", broker.url)[1] == '{\n  "messages": 1\n}\n'
    assert broker.queue("jobs").depth == 0


@pytest.mark.parametrize("command", [("peek", "none"), ("purge", "none"), ("move", "none", "jobs")])
def test_no_such_queue(broker, capsys, command):
    status, out, err = run(capsys, *command, "--url", broker.url)
    assert (status, out, err) == (operate.NOT_DONE, "", f"amqp-broker {command[0]}: no queue 'none'\n")
    assert broker.names() == []


def test_a_topic_is_no_queue_and_the_error_shows_that(capsys):
    with EmbeddedBroker(topics=["news"]) as broker:
        status, _, err = run(capsys, "peek", "news", "--url", broker.url)
    assert (status, err) == (operate.NOT_DONE, "amqp-broker peek: no queue 'news': it is a topic\n")


def test_a_broker_whose_certificate_an_authority_of_its_own_has_signed(capsys):
    with EmbeddedBroker(ssl_domain=server_domain()) as broker:
        url = broker.url.replace("127.0.0.1", "localhost")
        status, out, err = run(capsys, "queues", "--url", url)
        assert (status, out) == (operate.NOT_ALLOWED, "") and err.endswith("; with this command: --tls-ca FILE\n")
        assert run(capsys, "queues", "--url", url, "--tls-ca", file("authority.pem"))[0] == 0


@pytest.mark.parametrize(
    ("url", "authority", "said"),
    [
        ("amqps://localhost", "nofile.pem", "nofile.pem"),
        (
            "amqp://alice:s3cret@localhost",
            file("authority.pem"),
            "begins with amqps://, not amqp://alice:***@localhost",
        ),
    ],
)
def test_authorities_that_cannot_be_used(capsys, url, authority, said):
    with pytest.raises(SystemExit) as end:
        main(["status", "--url", url, "--tls-ca", authority])
    assert end.value.code == operate.USAGE and said in capsys.readouterr().err


def test_no_broker(capsys):
    url = f"amqp://127.0.0.1:{unused_port()}"
    status, out, err = run(capsys, "status", "--url", url)
    assert (status, out) == (operate.NO_BROKER, "") and err.count("\n") == 1
    assert err.startswith(f"amqp-broker status: no broker at {url}: ") and "refused" in err


@pytest.mark.parametrize(
    ("password", "permissions", "said"),
    [
        ("secret", {"alice": {"send": ["*"], "receive": ["*"]}}, "manage"),
        ("wrong", {"alice": {"manage": True}}, "alice"),
    ],
)
def test_no_permission(capsys, password, permissions, said):
    with EmbeddedBroker(users={"alice": "secret"}, permissions=permissions) as broker:
        status, out, err = run(capsys, "status", "--url", broker.url, "--user", "alice", "--password", password)
        assert (status, out, broker.names()) == (operate.NOT_ALLOWED, "", [])
    assert err.startswith(f"amqp-broker status: {broker.url} refuses: ") and said in err and err.count("\n") == 1


def test_a_user_with_the_permission_logs_in(capsys, monkeypatch):
    users, permissions = {"alice": "secret"}, {"alice": {"manage": True}}
    monkeypatch.setenv("AMQP_PASSWORD", "secret")
    with EmbeddedBroker(users=users, permissions=permissions) as broker:
        assert run(capsys, "queues", "--url", broker.url, "--user", "alice")[0] == 0
        assert run(capsys, "queues", "--url", broker.url.replace("://", "://alice:secret@"))[0] == 0


def test_no_answer(capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"amqp://127.0.0.1:{silent.getsockname()[1]}"
        status, _, err = run(capsys, "status", "--url", url, "--timeout", "0.2")
    assert (status, err) == (operate.NO_ANSWER, "amqp-broker status: no answer in 0.2 seconds\n")


@pytest.mark.parametrize(
    "arguments", [("peek",), ("peek", "a", "--count", "x"), ("move", "a"), ("queues", "--url", "x:y:z")]
)
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == operate.USAGE and "usage: amqp-broker" in capsys.readouterr().err


@pytest.mark.parametrize("name", operate.PURPOSES)
def test_each_command_teaches(capsys, name):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    out = capsys.readouterr().out
    assert f"amqp-broker {name}" in out.partition("examples:")[2] and "exit status:" in out
