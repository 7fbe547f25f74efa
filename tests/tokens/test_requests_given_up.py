"""Requests to a node that gives no credit: one that was given up does not leave when the credit comes."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Message
from reactor.azure import Management, peek
from reactor.simulation import World
from reactor.tokens import Claims
from tests.tokens.test_claims import URL, key


class Node(MessagingHandler):
    """A peer whose nodes answer each request with 404; put-token with 202. credit: for requests, at an attach."""

    def __init__(self, credit: int = 0) -> None:
        super().__init__(prefetch=0)
        self.credit = credit
        self.requests: list[Any] = []
        self.links: list[Any] = []  # on which requests come
        self.replies: dict[Any, Any] = {}  # by session

    def on_start(self, event: Any) -> None:
        event.container.listen(URL)

    def on_link_opening(self, event: Any) -> None:
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)
        if event.link.is_receiver:
            self.links.append(event.link)
            event.link.flow(self.credit)
        else:
            self.replies[event.link.session] = event.link

    def on_message(self, event: Any) -> None:
        self.requests.append(event.message.properties["operation"])
        status = 202 if event.message.properties["operation"] == "put-token" else 404
        said = {"statusCode": status, "status-code": status}
        self.replies[event.link.session].send(Message(None, correlation_id=event.message.id, properties=said))


class Asks(MessagingHandler):
    """A client with one Management; what becomes of its questions."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []

    def on_start(self, event: Any) -> None:
        self.connection = event.container.connect(URL)
        self.management = Management(event.container, self.connection, "jobs", timeout=5)

    def ask(self, name: str) -> None:
        def done(result: Any, error: Any) -> None:
            self.ends.append("%s: %s" % (name, "answered" if error is None or error.status else error))

        self.management.ask(peek(0, 1), done)


@pytest.fixture
def scene() -> Any:
    with World(seed=13) as world:
        node, client = Node(), Asks()
        world.start(node, name="bus")
        world.start(client, name="client")
        world.run_until(lambda: len(node.links) == 1)
        world.run_for(1)
        yield world, node, client


def test_a_request_that_was_given_up_is_not_sent_when_the_credit_comes(scene: Any) -> None:
    world, node, client = scene
    client.ask("one")
    world.run_for(6)
    [end] = client.ends
    assert "no answer within 5 s" in end
    client.ask("two")
    node.links[0].flow(10)
    world.run_until(lambda: len(client.ends) == 2)
    world.run_for(10)
    assert client.ends[1] == "two: answered" and len(node.requests) == 1, "the first one holds up no other"


def test_requests_that_were_given_up_leave_room_for_others_behind_them(scene: Any) -> None:
    world, node, client = scene
    for name in ("one", "two", "three"):
        client.ask(name)
    world.run_for(6)
    client.ask("four")
    node.links[0].flow(1)
    world.run_until(lambda: len(client.ends) == 4)
    assert client.ends[3] == "four: answered" and len(node.requests) == 1


def test_a_request_that_was_lost_with_the_wire_is_not_sent_over_the_next_one(scene: Any) -> None:
    world, node, client = scene
    client.ask("one")
    world.run_for(1)
    node.credit = 10
    world.cut("client", "bus")
    world.run_until(lambda: len(node.links) == 2)
    world.run_for(10)
    assert len(client.ends) == 1 and "was lost before the answer" in client.ends[0] and not node.requests
    client.ask("two")
    world.run_until(lambda: len(client.ends) == 2)
    assert client.ends[1] == "two: answered" and len(node.requests) == 1


def test_a_token_is_brought_once_however_often_it_was_tried() -> None:
    class Client(MessagingHandler):
        def on_start(self, event: Any) -> None:
            claims = Claims(key(lifetime=100), audience="sb://bus/", timeout=5)
            self.connection = event.container.connect(URL, tokens=claims, allow_insecure_mechs=True)
            event.container.create_sender(self.connection, "jobs")

    with World(seed=13) as world:
        node, client = Node(credit=1), Client()
        world.start(node, name="bus")
        world.start(client, name="client")
        world.run_until(lambda: node.requests)
        world.run_for(80 + 15)  # the renewal is due after 80 s, and is tried again and again
        assert len(node.requests) == 1
        node.links[0].flow(10)
        world.run_for(10)
        assert len(node.requests) == 2
