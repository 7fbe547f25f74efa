"""Claims in worlds where the node answers late, or oddly: renewal goes on, nothing crashes, no token is shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Backoff, Message
from reactor.errors import UNAUTHORIZED_ACCESS
from reactor.simulation import World
from reactor.tokens import Claims
from reactor.tokens.claim import Claim
from reactor.tokens.requests import Reply
from tests.support.service_bus import ServiceBus
from tests.tokens.test_claims import Client, cut, error_of, jwt_scene, key, start
from tests.tokens.test_claims import Provider as Credential


def answer_late(bus: ServiceBus, number: int, seconds: float) -> None:
    """The answer with that number takes so long."""
    real: Any = bus.reply
    answers: list[Any] = []

    def reply(*answer: Any) -> None:
        answers.append(answer)
        if len(answers) == number:
            bus.later(seconds, lambda: real(*answer))
        else:
            real(*answer)

    bus.reply = reply  # type: ignore[method-assign]


@pytest.mark.parametrize("late", [1, 25])
def test_a_renewal_that_falls_due_while_the_peer_has_the_token_is_made_after_its_answer(late: float) -> None:
    """The token of 100 s is put over another wire after 60; its renewal is due after 80."""
    with World(seed=13) as world:
        client = Client(Claims(key(lifetime=100)), reconnect=Backoff(initial=0.1))
        bus = start(world, client, idle=None)
        answer_late(bus, 2, late)
        world.run_until(lambda: len(client.opened) == 2)
        world.run_for(57)
        cut(world)
        world.run_for(940)
        assert 12 <= len(bus.tokens.taken) <= 14 and len(client.opened) == 4
        assert (bus.detached, client.errors) == ([], [])


class Owner:
    """The claims of a connection as far as one claim needs them, with a node that the test answers for."""

    where = "here"
    is_open = True

    def __init__(self, world: World) -> None:
        self.loop = world.container(MessagingHandler(), name="client").loop
        self.random = world.random
        self.settings = Claims(key(lifetime=100))
        self.links = self
        self.is_ready = True
        self.requests: list[Any] = []
        self.asked = 0

    def request(self, message: Message, done: Any) -> str:
        self.requests.append(done)
        return str(len(self.requests))

    def drop(self, number: str) -> None:
        """Nothing is kept."""

    def ask(self, audience: str, done: Any) -> None:
        self.asked += 1
        done(self.settings.source.token_at(self.loop.clock.today(), audience), None)  # type: ignore[union-attr]

    def exposure(self) -> str:
        return ""

    def needs(self, audience: str) -> bool:
        return True

    def sends(self, token: Any) -> None:
        """No reason is read."""

    def accepted(self) -> None:
        """No link waits."""


def test_a_token_whose_time_comes_before_the_links_to_the_node_are_there_is_replaced() -> None:
    with World(seed=13) as world:
        owner = Owner(world)
        claim = Claim("jobs", owner)  # type: ignore[arg-type]
        claim.begin()
        owner.requests.pop()(Reply(202, ""))
        world.run_for(60)
        claim.lost()
        owner.is_ready = False
        claim.begin()  # the same token waits for the links
        world.run_for(25)
        assert (owner.asked, owner.requests) == (1, [])
        owner.is_ready = True
        claim.ready()
        assert owner.asked == 2
        owner.requests.pop()(Reply(202, ""))
        assert claim.accepted
        world.run_for(85)
        assert owner.asked == 3


def test_a_peer_that_answers_nothing_is_given_up_however_short_tokens_are() -> None:
    """Their renewals do not begin its time anew."""
    with World(seed=13) as world:
        client = Client(Claims(key(lifetime=10), timeout=15))
        bus = start(world, client)
        bus.tokens.mute = True
        begun = world.clock.now()
        assert "$cbs has not answered put-token within 15 s" in error_of(world, client).description
        assert world.clock.now() - begun < 20


def test_a_put_that_was_given_up_is_not_kept() -> None:
    """Nor is its token, which the request holds."""
    with World(seed=13) as world:
        provider = Credential()
        bus, client = jwt_scene(world, provider, Client(Claims(provider, timeout=10)), idle=None)
        world.run_until(lambda: len(client.opened) == 2)
        bus.tokens.mute = True
        world.run_for(3000)
        claims: Any = client.connection.admission.__self__  # type: ignore[attr-defined]
        assert bus.tokens.asked > 3 and len(claims.links._waiting) <= 1


@pytest.mark.parametrize("number", ["1" * 5000, "x", "", 1, b"1", None])
def test_an_answer_to_nothing_that_was_asked_is_left_alone(number: Any) -> None:
    with World(seed=13) as world:
        client = Client(Claims(key(), timeout=5))
        bus = start(world, client)
        real: Any = bus.reply

        def reply(link: Any, address: Any, message: Any) -> None:
            message.correlation_id = number
            real(link, address, message)

        bus.reply = reply  # type: ignore[method-assign]
        assert "has not answered put-token" in error_of(world, client).description


@pytest.mark.parametrize("end", [float("inf"), 1e20, 10**400], ids=["inf", "float", "int"])
def test_a_token_without_an_end_that_could_be_is_an_error_of_its_provider(end: Any) -> None:
    with World(seed=13) as world:
        _, client = jwt_scene(world, Credential(SimpleNamespace(token="secret", expires_on=end)))
        condition = error_of(world, client)
        assert condition.name == UNAUTHORIZED_ACCESS
        assert "seconds since 1970 are wanted" in condition.description and "secret" not in condition.description


@pytest.mark.parametrize("before", ["", "x" * 490])
@pytest.mark.parametrize("token", ["secret-and-long-token", 'a\\"secret"'])
def test_a_token_that_a_refusal_quotes_is_hidden_before_the_text_is_cut(before: str, token: str) -> None:
    with World(seed=13) as world:
        bus, client = jwt_scene(world, Credential(SimpleNamespace(token=token, expires_on=2e10)))
        bus.tokens.refuse = lambda audience, token: (401, before + token)
        condition = error_of(world, client)
        assert "401 " in condition.description and "secret" not in condition.description


def test_a_token_that_stands_as_the_name_of_an_error_is_hidden() -> None:
    with World(seed=13) as world:
        bus, client = jwt_scene(world, Credential(SimpleNamespace(token="secret", expires_on=2e10)))
        real: Any = bus.reply

        def reply(link: Any, address: Any, message: Any) -> None:
            message.properties = {"status-code": 401, "error-condition": "unknown:secret"}
            real(link, address, message)

        bus.reply = reply  # type: ignore[method-assign]
        assert "secret" not in repr(error_of(world, client))
