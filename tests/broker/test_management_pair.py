"""The link pair `/management`: RabbitMQ 4's requests on queues, exchanges and bindings, in a world."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from handlers.broker.management.arguments import arguments_of, policy_of
from handlers.broker.management.interface import Failed
from handlers.broker.nodes.policy import Policy
from reactor import REJECTED, LinkOption, Message, symbol
from tests.support.brokers import BrokerWorld, Client


class Paired(LinkOption):
    """One of two links that belong together."""

    def __init__(self, paired: bool = True) -> None:
        self.paired = paired

    def apply(self, link: Any) -> None:
        here = link.source if link.is_sender else link.target
        here.address = "$me"
        link.snd_settle_mode = link.SND_SETTLED
        if self.paired:
            link.properties = {symbol("paired"): True}


class Manager:
    """A client with a link pair."""

    def __init__(self, world: BrokerWorld, client: Optional[Client] = None) -> None:
        self.world = world
        self.client = client or world.client("manager")
        self.receiver = self.client.receiver("/management", 100, name="pair", options=Paired())
        self.sender = self.client.sender("/management", name="pair", options=Paired())
        self.number = 0

    def ask(self, method: Any, path: Any, body: Any = None) -> tuple[int, Any]:
        self.number += 1
        message = Message(body, inferred=False, id=self.number, address=path, subject=method, reply_to="$me")
        self.sender.send(message)
        self.world.quiet()
        [received] = self.client.take(self.receiver)
        answer = received.message
        assert answer.correlation_id == self.number and answer.properties == {"http:response": "1.1"}
        return int(answer.subject), answer.body

    def queue(self, name: str, **arguments: Any) -> tuple[int, Any]:
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        return self.ask("PUT", f"/queues/{name}", {"arguments": given})


@pytest.fixture
def world():
    return BrokerWorld()


@pytest.fixture
def manager(world):
    return Manager(world)


def test_links_without_the_property_are_refused(world):
    client = world.client()
    client.sender("/management")
    client.receiver("/management", options=Paired(False))
    assert client.errors == ["amqp:precondition-failed"] * 2 and not world.broker.names()


def test_the_answer_of_an_attach_says_that_it_is_paired(manager):
    assert manager.sender.remote_properties == manager.receiver.remote_properties == {"paired": True}
    assert "LINK_PAIR_V1_0" in manager.client.connection.remote_offered_capabilities


def test_a_queue_is_declared_looked_at_and_deleted(world, manager):
    status, body = manager.queue("jobs%2F1", x_queue_type="quorum", x_max_length=10)
    assert (status, body["name"], body["type"], body["durable"]) == (201, "jobs/1", "quorum", True)
    assert manager.queue("jobs%2F1", x_queue_type="quorum", x_max_length=10)[0] == 200
    world.client().send("/queues/jobs%2F1", "a", "b")
    world.client().receiver("jobs/1")
    status, body = manager.ask("GET", "/queues/jobs%2F1")
    assert (status, body["message_count"], body["consumer_count"]) == (200, 2, 1)
    assert body["arguments"] == {"x-queue-type": "quorum", "x-max-length": 10, "x-overflow": "drop-head"}
    assert (body["vhost"], body["leader"], list(body["replicas"])) == ("/", "amqp-reactor", ["amqp-reactor"])
    assert manager.ask("DELETE", "/queues/jobs%2F1") == (200, {"message_count": 2})
    assert manager.ask("DELETE", "/queues/jobs%2F1") == (200, {"message_count": 0})
    assert manager.ask("GET", "/queues/jobs%2F1") == (404, "no queue or topic 'jobs/1'")


def test_a_queue_with_other_arguments_is_another(manager):
    manager.queue("jobs", x_max_length=10)
    for arguments in ({}, {"x_max_length": 11}, {"x_max_length": 10, "x_queue_type": "quorum"}):
        status, text = manager.queue("jobs", **arguments)
        assert status == 409 and "inequivalent arg" in text and "'jobs'" in text
    assert manager.ask("PUT", "/queues/jobs", {"durable": False})[0] == 409


def test_a_queue_is_purged(world, manager):
    manager.queue("jobs")
    world.client().send("jobs", *range(5))
    assert manager.ask("DELETE", "/queues/jobs/messages") == (200, {"message_count": 5})
    assert manager.ask("DELETE", "/queues/none/messages")[0] == 404


def test_an_exclusive_queue_goes_with_its_connection(world, manager):
    assert manager.ask("PUT", "/queues/mine", {"exclusive": True})[1]["exclusive"] is True
    other = world.client("other")
    other.receiver("mine")
    assert other.errors == ["amqp:unauthorized-access"]
    manager.client.receiver("mine")
    manager.sender.close()
    world.quiet()
    assert "mine" in world.broker.names()
    manager.client.vanish()
    assert "mine" not in world.broker.names()


def test_bindings_route_until_they_are_removed(world, manager):
    manager.queue("jobs")
    assert manager.ask("PUT", "/exchanges/x", {"type": "topic"}) == (204, None)
    assert manager.ask("PUT", "/exchanges/x", {"type": "topic"}) == (204, None)
    binding = {"source": "x", "destination_queue": "jobs", "binding_key": "a.#", "arguments": {}}
    for _ in range(2):
        assert manager.ask("POST", "/bindings", binding) == (204, None)
    client = world.client()
    client.send("/exchanges/x/a.b", "hello")
    assert world.node("jobs").depth == 1
    status, rows = manager.ask("GET", "/bindings?src=x&dstq=jobs&key=a.%23")
    location = "/bindings/src=x;dstq=jobs;key=a.%23;args="
    assert (status, rows) == (200, [{**binding, "location": location}])
    assert manager.ask("GET", "/bindings?src=x&dstq=jobs&key=b") == (200, [])
    for _ in range(2):
        assert manager.ask("DELETE", location) == (204, None)
    assert manager.ask("GET", "/bindings?src=x&dstq=jobs&key=a.%23") == (200, [])


def test_an_exchange_is_bound_to_another(world, manager):
    manager.queue("jobs")
    for name, kind in (("x", "fanout"), ("y", "direct")):
        manager.ask("PUT", f"/exchanges/{name}", {"type": kind})
    assert manager.ask("POST", "/bindings", {"source": "x", "destination_exchange": "y"})[0] == 204
    assert manager.ask("POST", "/bindings", {"source": "y", "destination_queue": "jobs", "binding_key": "k"})[0] == 204
    world.client().send("/exchanges/x/k", "a")
    assert world.node("jobs").depth == 1
    assert manager.ask("GET", "/bindings?src=x&dste=y&key=")[1][0]["destination_exchange"] == "y"
    assert manager.ask("DELETE", "/exchanges/y") == (204, None) == manager.ask("DELETE", "/exchanges/y")
    assert manager.ask("GET", "/bindings?src=x&dste=y&key=") == (200, [])


def test_all_of_it_survives_a_crash(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    manager = Manager(world)
    manager.queue("jobs", x_max_length=10)
    manager.ask("PUT", "/exchanges/x", {"type": "direct"})
    manager.ask("PUT", "/exchanges/light", {"type": "direct", "durable": False})
    manager.ask("POST", "/bindings", {"source": "x", "destination_queue": "jobs", "binding_key": "k"})
    world.crash()
    world.start()
    again = Manager(world, world.client("again"))
    assert again.queue("jobs", x_max_length=10)[0] == 200
    assert again.ask("PUT", "/exchanges/x", {"type": "fanout"})[0] == 409
    assert again.ask("PUT", "/exchanges/light", {"type": "fanout"})[0] == 204
    assert len(again.ask("GET", "/bindings?src=x&dstq=jobs&key=k")[1]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("PUT", "/queues/", {}, 400, "empty name"),
        ("PUT", "/queues/amq.x", {}, 403, "reserved prefix"),
        ("PUT", "/queues/a%0Ab", {}, 400, "in one line"),
        ("PUT", "/queues/" + "x" * 1025, {}, 400, "at most 1024"),
        ("PUT", "/queues/q", None, 400, "no map of queue properties"),
        ("PUT", "/queues/q", {"durable": 1}, 400, "bad queue property 'durable'"),
        ("PUT", "/queues/q", {"colour": "green"}, 400, "bad queue property 'colour'"),
        ("PUT", "/queues/q", {"arguments": {"x-colour": 1}}, 409, "invalid arg 'x-colour'"),
        ("PUT", "/queues/q", {"arguments": {"x-max-length": "ten"}}, 400, "x-max-length is 'ten'"),
        ("PUT", "/queues/q", {"arguments": {"x-queue-type": "stream"}}, 409, "classic and quorum"),
        ("PUT", "/exchanges/x", {"type": "headers"}, 400, "invalid exchange type 'headers'"),
        ("PUT", "/exchanges/x", {"internal": True}, 400, "no internal exchanges"),
        ("PUT", "/exchanges/x", {"arguments": {"a": 1}}, 400, "no arguments of exchanges"),
        ("PUT", "/exchanges/", {}, 403, "empty name"),
        ("PUT", "/exchanges/amq.topic", {"type": "direct"}, 409, "inequivalent arg 'type'"),
        ("DELETE", "/exchanges/amq.topic", None, 403, "always there"),
        ("POST", "/bindings", {"source": "none", "destination_queue": "q"}, 404, "no exchange 'none'"),
        ("POST", "/bindings", {"source": "", "destination_queue": "q"}, 403, "default exchange"),
        ("POST", "/bindings", {"source": "amq.topic", "destination_queue": "none"}, 404, "'none'"),
        ("POST", "/bindings", {"source": "amq.topic", "destination_exchange": "none"}, 404, "'none'"),
        ("POST", "/bindings", {"source": "amq.topic"}, 400, "one of destination_queue"),
        ("POST", "/bindings", {"source": "amq.topic", "arguments": {"a": 1}}, 400, "no arguments of bindings"),
        ("DELETE", "/bindings/nonsense", None, 400, "bad binding path segment"),
        ("GET", "/bindings?src=x", None, 400, "are wanted"),
        ("GET", "/queues/q", {"a": 1}, 400, "has no body"),
        ("PUT", "/auth/tokens", b"token", 404, "no PUT '/auth/tokens' here"),
        ("DELETE", "/queues/q/others", None, 404, "here"),
        ("GET", "nonsense", None, 404, "here"),
        (None, None, None, 404, "here"),
    ],
)
def test_a_bad_request_gets_an_answer(manager, method, path, body, status, text):
    answer = manager.ask(method, path, body)
    assert answer[0] == status and text in answer[1]
    assert manager.ask("GET", "/bindings?src=x&dstq=q&key=")[0] == 200


def test_requests_without_a_way_back_are_rejected(world):
    client = world.client()
    sender = client.sender("/management", options=Named())
    for reply_to in ("$me", "elsewhere"):
        sender.send(Message(None, subject="GET", address="/queues/q", id=1, reply_to=reply_to))
    world.quiet()
    assert client.outcomes == [REJECTED, REJECTED] and "no receiver" in client.conditions[0].description


class Named(Paired):
    """Not settled: it hears of the outcomes."""

    def apply(self, link: Any) -> None:
        link.properties = {symbol("paired"): True}


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        ({}, Policy()),
        ({"x-max-length": 5}, Policy(max_length=5, overflow="drop-oldest")),
        ({"x-max-length-bytes": 5, "x-overflow": "reject-publish"}, Policy(max_bytes=5, overflow="reject")),
        ({"x-message-ttl": 1500}, Policy(ttl=1.5)),
        ({"x-delivery-limit": 3}, Policy(max_deliveries=4)),
        ({"x-delivery-limit": -1}, Policy()),
        ({"x-single-active-consumer": True, "x-max-priority": 5}, Policy(single_active=True, priority=True)),
        ({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}, Policy(dead_letter="dead")),
        ({"x-dead-letter-exchange": "d/x"}, Policy(dead_letter="/exchanges/d%2Fx")),
        ({"x-dead-letter-exchange": "x", "x-dead-letter-routing-key": "k/1"}, Policy(dead_letter="/exchanges/x/k%2F1")),
        ({"x-queue-leader-locator": "balanced", "x-quorum-initial-group-size": 3}, Policy()),
    ],
)
def test_arguments_are_policies(arguments, policy):
    assert policy_of(arguments) == policy
    assert policy_of(arguments_of(policy, "classic")) == policy


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-overflow": "hold"}, {"x-single-active-consumer": 1}, {"x-message-ttl": 0}, {"x-max-length": True},
        {"x-dead-letter-exchange": 5}, {"x-dead-letter-exchange": ""}, {"x-dead-letter-routing-key": "k"},
        {"x-max-length": 1 << 70, "x-delivery-limit": -2},
    ],
)  # fmt: skip
def test_arguments_that_cannot_be(arguments):
    with pytest.raises(Failed) as failed:
        policy_of(arguments)
    assert failed.value.status in (400, 409)


def test_a_queue_that_is_made_and_deleted_at_once(tmp_path):
    world = BrokerWorld(store=tmp_path / "store")
    manager = Manager(world)
    for number, method in enumerate(("PUT", "DELETE")):
        body = {} if method == "PUT" else None
        request = Message(body, inferred=False, id=number, address="/queues/q", subject=method, reply_to="$me")
        manager.sender.send(request)
    world.quiet()
    assert [received.message.subject for received in manager.client.take()] == ["201", "200"]
    assert world.broker.names() == [] and world.broker.internal_errors == 0
