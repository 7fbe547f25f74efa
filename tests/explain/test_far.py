"""The other end's view, where the peer is a broker with our management node; and a statement where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.broker import EmbeddedBroker, Policy
from reactor import ACCEPTED, Message
from reactor.explain import __main__ as command
from tests.explain.test_sentences import Goes, of_server
from tests.support.brokers import BrokerWorld

PATIENCE = 2.0


def both_ends(world: Any, container: Any) -> Any:
    """The answer with the views of the peers."""
    told: list[Any] = []
    container.explain_both_ends(told.append, PATIENCE)
    world.quiet()
    [answer] = told
    return answer


def test_the_broker_s_view_is_joined_to_ours() -> None:
    world = BrokerWorld()
    client = world.client()
    receiver = client.receiver("jobs", credit=3)
    client.send("jobs", "a", "b")
    told = both_ends(world, client.container)
    where = "broker:5672: the peer's view: "
    assert where + "queue jobs has 2 messages (0 to be had, 2 held by consumers), 1 consumer, 0 senders: " in str(told)
    assert "all that is in it waits for the outcomes of consumers" in str(told)
    assert where + "our consumer to jobs has 1 of credit, and 2 deliveries unsettled" in told
    for delivery in list(receiver.unsettled_deliveries):
        delivery.finish(ACCEPTED)
    client.sender("jobs")
    assert not both_ends(world, client.container).stuck


def test_a_queue_that_nothing_sends_to() -> None:
    world = BrokerWorld()
    client = world.client()
    client.receiver("jbos", credit=3)
    told = both_ends(world, client.container)
    assert told[0].endswith("0 senders: nothing is in it, and nothing sends to it; is the address right?")
    assert told[0].kind == "far end" and "well" not in told.kinds


def test_a_queue_that_is_full() -> None:
    world = BrokerWorld(policies={"jobs": Policy(max_length=1)})
    client = world.client()
    sender = client.sender("jobs")
    for body in "ab":
        sender.send(Message(body))
        world.quiet()
    assert "it waits for room in jobs" in str(both_ends(world, client.container))


def test_the_question_leaves_no_trace_in_the_answers() -> None:
    world = BrokerWorld()
    client = world.client()
    client.receiver("jobs", credit=3)
    before = client.container.explain()
    both_ends(world, client.container)
    assert client.container.explain() == before
    assert [link.describe() for link in client.connection.links(0)] == ["receiver from jobs"]
    assert client.errors == []


def test_a_broker_that_does_not_answer_is_waited_for_a_while() -> None:
    world = BrokerWorld()
    client = world.client()
    client.receiver("jobs", credit=3)
    world.stepper.containers.remove(world.container)
    told: list[Any] = []
    client.container.explain_both_ends(told.append, PATIENCE)
    world.stepper.run(lambda: told)
    assert "broker:5672: the peer has not answered about itself in time" in told[0]
    world.stepper.add(world.container)
    world.quiet()


def test_a_connection_that_is_lost_meanwhile() -> None:
    world = BrokerWorld()
    client = world.client()
    client.receiver("jobs", credit=3)
    told: list[Any] = []
    client.container.explain_both_ends(told.append, PATIENCE)
    client.vanish()
    world.pass_time(2 * PATIENCE)
    assert "far end unknown" in told[0].kinds


def test_a_peer_without_such_a_node_is_named() -> None:
    stage = of_server()
    container, connection = stage.connect(Goes())
    container.create_receiver(connection, "jobs", prefetch=3)
    stage.run()
    told: list[Any] = []
    container.explain_both_ends(told.append)
    assert ("server:5672: the peer's own view is not known: it names no product, and has no management node of ours"
            in told[0])  # fmt: skip
    assert not told[0].stuck


def test_a_client_that_may_not_manage() -> None:
    world = BrokerWorld(users={"bob": "secret"}, permissions={"bob": {"receive": ["jobs"], "create": ["jobs"]}})
    client = world.client(user="bob", password="secret")
    client.receiver("jobs", credit=3)
    told = both_ends(world, client.container)
    assert "far end unknown" in told.kinds and client.errors == []


def test_the_command_asks_a_broker_about_a_queue(capsys: pytest.CaptureFixture[str]) -> None:
    with EmbeddedBroker() as broker:
        assert command.main([broker.url + "/none", "--timeout", "60"]) == command.STUCK
        assert "the peer has no queue or topic 'none'" in capsys.readouterr().out
    assert command.main([broker.url + "/none", "--timeout", "60"]) == command.NO_ANSWER
