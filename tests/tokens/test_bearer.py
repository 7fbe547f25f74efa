"""OAUTHBEARER with a token for each wire: the provider is called anew, fails, is slow, or answers too late."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Backoff
from reactor.errors import IO_ERROR, TIMED_OUT, UNAUTHORIZED_ACCESS
from reactor.loop.aside import outcome_of
from reactor.simulation import World
from reactor.tokens import Bearer

URL = "amqp://bus:5672"


class Server(MessagingHandler):
    """Lets in those that have one of its tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.owners = {"good": "ann"}
        self.seen: list[tuple[str, str]] = []
        self.users: list[Any] = []

    def on_start(self, event: Any) -> None:
        self.container = event.container
        self.acceptor = event.container.listen(URL, token_owner=self.owner)

    def owner(self, mechanism: str, token: str) -> Any:
        self.seen.append((mechanism, token))
        return self.owners.get(token)

    def on_connection_opened(self, event: Any) -> None:
        self.users.append(event.transport.user)


class Client(MessagingHandler):
    def __init__(self, tokens: Any, **options: Any) -> None:
        super().__init__()
        self.options = {"tokens": tokens, "allow_insecure_mechs": True, "reconnect": Backoff(initial=1), **options}
        self.errors: list[Any] = []
        self.opened = 0

    def on_start(self, event: Any) -> None:
        self.container = event.container
        self.connection = event.container.connect(URL, **self.options)

    def on_connection_opened(self, event: Any) -> None:
        self.opened += 1

    def has_opened_after(self, count: int) -> bool:
        return self.opened > count

    def on_transport_error(self, event: Any) -> None:
        self.errors.append(event.transport.condition)


class Provider:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []

    def get_token(self, *scopes: str) -> Any:
        self.asked.append(scopes)
        answer = self.answers.pop(0) if self.answers else "good"
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def world():
    with World(seed=8) as world:
        yield world


def start(world: World, client: Client) -> Server:
    server = Server()
    world.start(server, name="bus")
    world.start(client, name="client")
    return server


def test_a_token_is_asked_for_at_each_connect(world: World) -> None:
    provider = Provider("good", SimpleNamespace(token="second", expires_on=2e10), "good")
    client = Client(Bearer(provider, scopes="api://bus"), user="ann")
    server = start(world, client)
    server.owners["second"] = "ann"
    world.run_until(lambda: client.opened == 1)
    for _ in range(2):
        before = client.opened
        for wire in list(world.network.wires):
            wire.reset()
        world.run_until(partial(client.has_opened_after, before))
    assert provider.asked == [("api://bus",)] * 3 and server.users == ["ann"] * 3
    assert server.seen == [("OAUTHBEARER", "good"), ("OAUTHBEARER", "second"), ("OAUTHBEARER", "good")]


def test_a_refused_token_is_final(world: World) -> None:
    client = Client(Bearer(Provider("secret-token")))
    start(world, client)
    world.run_until(lambda: client.errors)
    (condition,) = client.errors
    assert condition.name == UNAUTHORIZED_ACCESS
    assert "the server refused user None or the token" in condition.description
    assert "secret" not in condition.description and "secret" not in repr(client.connection)
    world.run_for(100)
    assert len(client.errors) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (OSError("no route"), "it raised OSError: no route"),
        (None, "it returned NoneType"),
        (SimpleNamespace(token="secret", expires_on=5), "it returned a token that ended"),
    ],
)
def test_a_provider_that_fails_at_first_is_final(world: World, answer: Any, why: str) -> None:
    provider = Provider(answer)
    client = Client(Bearer(provider))
    start(world, client)
    world.run_until(lambda: client.errors)
    (condition,) = client.errors
    assert condition.name == UNAUTHORIZED_ACCESS
    assert f"no token: of the provider (Provider) {why}" in condition.description
    world.run_for(100)
    assert len(provider.asked) == 1 and "secret" not in condition.description


def test_a_provider_that_fails_later_is_asked_again_at_the_next_attempt(world: World) -> None:
    provider = Provider("good", OSError("no route"), OSError("no route"))
    client = Client(Bearer(provider))
    start(world, client)
    world.run_until(lambda: client.opened == 1)
    for wire in list(world.network.wires):
        wire.reset()
    world.run_until(lambda: client.opened == 2)
    assert len(provider.asked) == 4 and [error.name for error in client.errors].count(IO_ERROR) == 3


class Later:
    """A network whose calls aside end when the test says so."""

    def __init__(self, world: World, container: Any) -> None:
        self.calls: list[Any] = []
        self.world = world
        self.container = container
        container.loop.network.call_aside = lambda function, done: self.calls.append((function, done))

    def end(self, number: int = 0) -> None:
        function, done = self.calls.pop(number)
        done(outcome_of(function))
        self.container.wakeup()


def test_the_log_in_waits_for_a_slow_provider_and_the_loop_does_not(world: World) -> None:
    server = Server()
    world.start(server, name="bus")
    handler = Client(Bearer(Provider()))
    container = world.container(name="client")
    later = Later(world, container)
    handler.container = container
    connection = container.connect(URL, handler=handler, **handler.options)
    ticks: list[Any] = []

    class Tick:
        def on_timer_task(self, event: Any) -> None:
            ticks.append(event)

    container.schedule(5, Tick())
    world.run_for(10)
    assert ticks and handler.opened == 0 and server.seen == []
    later.end()
    world.run_until(lambda: handler.opened)
    assert server.users == ["ann"] and connection.transport is not None


def test_a_provider_that_returns_nothing_in_time_is_given_up(world: World) -> None:
    handler = Client(Bearer(Provider(), timeout=7), reconnect=False)
    world.start(Server(), name="bus")
    container = world.container(name="client")
    later = Later(world, container)
    handler.container = container
    container.connect(URL, handler=handler, **handler.options)
    world.run_until(lambda: handler.errors)
    (condition,) = handler.errors
    assert (condition.name, condition.description) == (
        TIMED_OUT, "the provider of the token (Provider) has returned none within 7 s"
    )
    later.end()
    world.run_for(1)
    assert handler.opened == 0 and len(handler.errors) == 1, "it came too late"


def test_a_token_for_a_wire_that_is_gone_is_not_used(world: World) -> None:
    handler = Client(Bearer(Provider("old", "good")))
    server = Server()
    world.start(server, name="bus")
    container = world.container(name="client")
    later = Later(world, container)
    handler.container = container
    container.connect(URL, handler=handler, **handler.options)
    world.run_for(1)
    for wire in list(world.network.wires):
        wire.reset()
    world.run_until(lambda: len(later.calls) == 2)
    later.end()
    world.run_for(1)
    assert handler.opened == 0
    later.end()
    world.run_until(lambda: handler.opened)
    assert server.seen == [("OAUTHBEARER", "good")]


def test_a_server_without_the_mechanism_is_named(world: World) -> None:
    server = Server()
    server.on_start = lambda event: event.container.listen(URL)  # type: ignore[method-assign]
    world.start(server, name="bus")
    client = Client(Bearer(Provider()))
    world.start(client, name="client")
    world.run_until(lambda: client.errors)
    assert "OAUTHBEARER" in client.errors[0].description


def test_a_token_goes_to_another_machine_only_where_it_cannot_be_overheard(world: World) -> None:
    client = Client(Bearer(Provider()), allow_insecure_mechs=None)
    server = start(world, client)
    world.run_until(lambda: client.errors)
    assert "the token" in client.errors[0].description and server.seen == []
