"""Claims-based security in worlds: links wait for their token, it is renewed for days, refusals name the claim."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import MessagingHandler
from reactor import Backoff, Condition, Endpoint, Message, symbol
from reactor.errors import NOT_FOUND, TIMED_OUT, UNAUTHORIZED_ACCESS
from reactor.simulation import World, composite
from reactor.tokens import Bearer, Claims, SharedAccessKey
from reactor.tracing import Recorder
from tests.support.service_bus import ServiceBus, entity_of

URL = "amqp://bus:5672"
KEY = "c2VjcmV0IGtleSBvZiB0aGUgYnVz"


class Client(MessagingHandler):
    """Sends, receives, and writes down what comes."""

    def __init__(self, tokens: Any, addresses: tuple[str, ...] = ("jobs",), **options: Any) -> None:
        super().__init__()
        self.tokens = tokens
        self.addresses = addresses
        self.options = options
        self.senders: list[Any] = []
        self.received: list[Any] = []
        self.errors: list[Any] = []
        self.opened: list[str] = []
        self.doubtful: list[Any] = []

    def on_start(self, event: Any) -> None:
        options = {"allow_insecure_mechs": True, "tokens": self.tokens, **self.options}
        self.container = event.container
        self.connection = event.container.connect(URL, **options)
        for address in self.addresses:
            event.container.create_receiver(self.connection, address)
            self.senders.append(event.container.create_sender(self.connection, address))

    def on_link_opened(self, event: Any) -> None:
        self.opened.append(event.link.name)

    def on_message(self, event: Any) -> None:
        self.received.append(event.message.body)

    def on_in_doubt(self, event: Any) -> None:
        self.doubtful.append(event.delivery)

    def on_connection_error(self, event: Any) -> None:
        self.errors.append(event.connection.remote_condition)

    def on_session_error(self, event: Any) -> None:
        self.errors.append(event.session.remote_condition)

    def on_link_error(self, event: Any) -> None:
        self.errors.append(event.link.remote_condition)


def key(**options: Any) -> SharedAccessKey:
    return SharedAccessKey("all", KEY, **options)


@pytest.fixture
def world():
    with World(seed=13) as world:
        yield world


def start(world: World, client: Client, **options: Any) -> ServiceBus:
    bus = ServiceBus(URL, **options)
    bus.keys["all"] = KEY
    world.start(bus, name="bus")
    world.start(client, name="client")
    return bus


def test_links_wait_for_their_token_and_then_carry_messages(world: World) -> None:
    client = Client(Claims(key()), ("jobs", "mails"))
    bus = start(world, client)
    world.run_until(lambda: len(client.opened) == 4)
    for sender in client.senders:
        sender.send(Message("one"))
    world.run_until(lambda: len(client.received) == 2)
    assert [taken[:2] for taken in bus.tokens.taken] == [
        ("sb://bus/jobs", "servicebus.windows.net:sastoken"),
        ("sb://bus/mails", "servicebus.windows.net:sastoken"),
    ]
    assert (bus.cbs_pairs, bus.detached, client.errors) == (1, [], [])
    assert bus.attached.index("jobs") >= 2, "the links to $cbs come first"


def test_tokens_are_renewed_for_days(world: World) -> None:
    client = Client(Claims(key()))
    bus = start(world, client, idle=None)
    world.run_until(lambda: len(client.opened) == 2)
    world.run_for(3 * 24 * 3600)
    client.senders[0].send(Message("still there"))
    world.run_until(lambda: client.received)
    assert len(bus.tokens.taken) == 1 + 3 * 24 * 3600 // 2880
    assert (bus.detached, client.errors, len(client.opened)) == ([], [], 2)


class Provider:
    """A credential as azure-identity has them: its answers are given beforehand, and then made."""

    def __init__(self, *answers: Any, lifetime: float = 3600.0) -> None:
        self.answers = list(answers)
        self.lifetime = lifetime
        self.asked: list[tuple[str, ...]] = []
        self.bus: Any = None
        self.today: Any = None

    def get_token(self, *scopes: str, **options: Any) -> Any:
        self.asked.append(scopes)
        answer = self.answers.pop(0) if self.answers else "good"
        if isinstance(answer, Exception):
            raise answer
        if answer != "good":
            return answer
        end = self.today() + self.lifetime
        token = f"token-{len(self.asked)}"
        self.bus.jwts[token] = end
        return SimpleNamespace(token=token, expires_on=end)


def jwt_scene(world: World, provider: Provider, client: Any = None, **options: Any) -> tuple[ServiceBus, Client]:
    client = client or Client(Claims(provider, scopes="https://bus/.default"))
    bus = start(world, client, **options)
    provider.bus, provider.today = bus, world.clock.today
    return bus, client


def error_of(world: World, client: Client) -> Any:
    world.run_until(lambda: client.errors)
    return client.errors[0]


def test_a_jwt_is_asked_for_with_its_scopes(world: World) -> None:
    provider = Provider()
    bus, client = jwt_scene(world, provider)
    world.run_until(lambda: len(client.opened) == 2)
    assert provider.asked == [("https://bus/.default",)]
    assert bus.tokens.taken[0][:2] == ("sb://bus/jobs", "jwt")


def test_a_coroutine_is_run_to_its_end(world: World) -> None:
    provider = Provider()

    class Async:
        async def get_token(self, *scopes: str) -> Any:
            return provider.get_token(*scopes)

    bus, client = jwt_scene(world, provider, Client(Claims(Async())))
    world.run_until(lambda: len(client.opened) == 2)
    assert len(bus.tokens.taken) == 1


def test_one_audience_for_all_links_is_put_before_any_link(world: World) -> None:
    client = Client(Claims(key(), audience="sb://bus/"), ())
    bus = start(world, client)
    world.run_for(3600)
    assert {taken[0] for taken in bus.tokens.taken} == {"sb://bus/"} and bus.dropped == []
    client.container.create_sender(client.connection, "mails")
    world.run_until(lambda: client.opened)
    assert client.errors == []


def test_an_audience_may_be_made_of_the_link(world: World) -> None:
    made: list[str] = []

    def audience(link: Any) -> Any:
        made.append(link.name)
        return "sb://bus/" + ((link.target if link.is_sender else link.source).address or "")

    client = Client(Claims(key(), audience=audience))
    start(world, client)
    world.run_until(lambda: len(client.opened) == 2)
    assert made

    def wrong(link: Any) -> Any:
        return 7

    other = Client(Claims(key(), audience=wrong), ("jobs",))
    world.start(other, name="other")
    assert "audience() returns a str or None, not 7" in error_of(world, other).description


def test_a_management_node_needs_the_token_of_its_entity(world: World) -> None:
    client = Client(Claims(key()), ("jobs", "jobs/$management"))
    bus = start(world, client)
    world.run_until(lambda: len(client.opened) == 4)
    assert [taken[0] for taken in bus.tokens.taken] == ["sb://bus/jobs"]


def test_a_claim_that_no_link_needs_any_more_is_not_renewed(world: World) -> None:
    client = Client(Claims(key()), ("jobs", "mails"))
    bus = start(world, client, idle=None)
    world.run_until(lambda: len(client.opened) == 4)
    for link in list(client.connection.links(0)):
        if "mails" in link.name:
            link.close()
    world.run_for(4 * 3600)
    names = [taken[0] for taken in bus.tokens.taken]
    assert (names.count("sb://bus/jobs"), names.count("sb://bus/mails")) == (6, 1)
    client.container.create_sender(client.connection, "mails")
    world.run_until(lambda: len(client.opened) == 5)
    assert bus.tokens.taken[-1][0] == "sb://bus/mails" and client.errors == []


# -- refusals ------------------------------------------------------------------------------------------------


def test_a_refusal_names_the_claim_and_the_remedy(world: World) -> None:
    client = Client(Claims(SharedAccessKey("all", "another key")))
    bus = start(world, client)
    condition = error_of(world, client)
    assert condition.name == UNAUTHORIZED_ACCESS
    assert condition.description == (
        "the peer has refused the token for 'sb://bus/jobs': 401 InvalidSignature: The token has an invalid signature."
        "; is it the key or the identity of this peer, and are the clocks right?"
    )
    assert condition.info == {"audience": "sb://bus/jobs", "status-code": 401}
    bus.acceptor.close()
    world.run_until()
    assert "jobs" not in bus.attached, "no link was attached without its token"
    assert client.container.ended_by is not None and "sb://bus/jobs" in str(client.container.ended_by)


@pytest.mark.parametrize(
    ("status", "name", "remedy"),
    [
        (403, UNAUTHORIZED_ACCESS, "Send for a sender, Listen for a receiver"),
        (404, NOT_FOUND, "is the address that of a queue"),
        (400, UNAUTHORIZED_ACCESS, "is the type of the token one that the peer knows"),
        (418, UNAUTHORIZED_ACCESS, "a teapot"),
    ],
)
def test_each_status_has_its_remedy(world: World, status: int, name: str, remedy: str) -> None:
    client = Client(Claims(key()))
    bus = start(world, client)
    bus.tokens.refuse = lambda audience, token: (status, "a teapot")
    condition = error_of(world, client)
    assert (condition.name, condition.info["status-code"]) == (name, status)
    assert remedy in condition.description and bus.tokens.asked == 1, "it is not tried again"


def test_a_provider_that_fails_before_the_peer_has_answered_the_open_is_asked_again(world: World) -> None:
    provider = Provider("good", OSError("away"), OSError("away"), lifetime=30)
    _, client = jwt_scene(world, provider, Client(Claims(provider), reconnect=Backoff(initial=1)))
    world.run_until(lambda: len(client.opened) == 2)
    cut(world)
    world.run_until(lambda: len(client.opened) == 4)
    assert len(provider.asked) == 4 and client.errors == []


def test_a_busy_peer_is_asked_again(world: World) -> None:
    client = Client(Claims(key()))
    bus = start(world, client)
    bus.tokens.refuse = lambda audience, token: (503, "busy") if bus.tokens.asked < 4 else None
    world.run_until(lambda: len(client.opened) == 2)
    assert bus.tokens.asked == 4 and client.errors == []


def test_a_peer_that_stays_busy_is_given_up_in_time(world: World) -> None:
    client = Client(Claims(key(), timeout=19))
    bus = start(world, client)
    bus.tokens.refuse = lambda audience, token: (503, "busy")
    condition = error_of(world, client)
    assert "put-token for 'sb://bus/jobs' has failed: 503 busy" in condition.description
    assert 3 < bus.tokens.asked < 8


def test_a_node_that_never_answers_is_given_up_in_time(world: World) -> None:
    client = Client(Claims(key(), timeout=15))
    bus = start(world, client)
    bus.tokens.mute = True
    begun = world.clock.now()
    condition = error_of(world, client)
    assert condition.name == TIMED_OUT
    assert condition.description == "the token for 'sb://bus/jobs': $cbs has not answered put-token within 15 s"
    assert 15 <= world.clock.now() - begun < 20


def test_the_container_says_what_it_waits_for(world: World) -> None:
    client = Client(Claims(key()))
    bus = start(world, client)
    bus.tokens.mute = True
    world.run_for(10)
    waits = client.container.waiting_for()
    assert "bus:5672: receiver from jobs waits for its token" in waits
    assert "bus:5672: sender to jobs waits for its token" in waits


def test_a_node_that_attaches_no_link_is_given_up_in_time(world: World) -> None:
    world.peer("bus:5672").ignore("flow", "attach").open().begin().begin()
    client = Client(Claims(key(), timeout=15), reconnect=False)
    world.start(client, name="client")
    condition = error_of(world, client)
    assert condition.description == (
        "the token for 'sb://bus/jobs': the peer has not attached the links to $cbs within 15 s"
    )


def test_a_peer_without_the_node_is_an_error_that_says_so(world: World) -> None:
    none = composite("error", condition="amqp:not-found", description="no node '$cbs'")
    peer = world.peer("bus:5672").ignore("flow", "attach", "begin", "end", "detach").open().begin()
    peer.expect("attach").answer("attach", name=lambda seen: seen.name, handle=0, role=True)
    peer.answer("detach", handle=0, closed=True, error=none).close()
    client = Client(Claims(key()), reconnect=False)
    world.start(client, name="client")
    condition = error_of(world, client)
    assert condition.name == NOT_FOUND
    assert "the peer has no node '$cbs' for tokens: amqp:not-found: no node '$cbs'" in condition.description


# -- providers that fail -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (OSError("no route to the identity"), "it raised OSError: no route to the identity"),
        (None, "it returned NoneType, and a token is"),
        (SimpleNamespace(token="", expires_on=1), "it returned a token that is empty"),
        (SimpleNamespace(token="secret", expires_on=-100), "it returned a token that ended"),
        ("secret", "it returned a text without an end to its time"),
    ],
)
def test_a_provider_that_fails_at_first_is_an_error_at_once(world: World, answer: Any, why: str) -> None:
    provider = Provider(answer)
    _, client = jwt_scene(world, provider)
    condition = error_of(world, client)
    assert condition.name == UNAUTHORIZED_ACCESS and len(provider.asked) == 1
    assert condition.description.startswith("no token for 'sb://bus/jobs': of the provider (Provider) " + why)
    assert "secret" not in condition.description


def test_a_provider_that_fails_later_is_asked_again_until_the_token_has_ended(world: World) -> None:
    provider = Provider("good", *(OSError("away") for _ in range(5)))
    bus, client = jwt_scene(world, provider, idle=None)
    world.run_until(lambda: len(client.opened) == 2)
    world.run_for(2 * 3600)
    assert client.errors == [] and bus.detached == [] and len(bus.tokens.taken) == 3


def test_a_provider_that_fails_for_good_ends_the_connection_after_the_token(world: World) -> None:
    provider = Provider("good", *(OSError("away") for _ in range(100)))
    _, client = jwt_scene(world, provider, idle=None)
    world.run_until(lambda: len(client.opened) == 2)
    begun = world.clock.now()
    world.run_until(lambda: client.errors, limit=5000)
    assert 3540 <= world.clock.now() - begun <= 3640
    names = {error.name for error in client.errors}
    assert names == {UNAUTHORIZED_ACCESS} and len(provider.asked) > 10


def test_a_token_that_is_refused_when_it_comes_again_is_replaced(world: World) -> None:
    """The key was changed while the wire was away: the one in the cache is of no use."""
    provider = Provider()
    options: dict[str, Any] = {"reconnect": Backoff(initial=1)}
    bus, client = jwt_scene(world, provider, Client(Claims(provider), **options))
    world.run_until(lambda: len(client.opened) == 2)
    bus.jwts.clear()
    cut(world)
    world.run_until(lambda: len(client.opened) == 4)
    assert len(provider.asked) == 2 and client.errors == []


# -- wires that are lost -------------------------------------------------------------------------------------


def cut(world: World) -> None:
    for wire in list(world.network.wires):
        wire.reset()


def test_over_another_wire_the_token_is_put_again_and_not_asked_for(world: World) -> None:
    provider = Provider()
    bus, client = jwt_scene(world, provider, Client(Claims(provider), reconnect=Backoff(initial=1)))
    world.run_until(lambda: len(client.opened) == 2)
    for _ in range(5):
        client.opened.clear()
        cut(world)
        world.run_until(lambda: len(client.opened) == 2)
    assert len(provider.asked) == 1 and len(bus.tokens.taken) == 6
    world.run_for(3600)
    assert len(provider.asked) == 2, "its renewal was planned when it came"


def test_messages_wait_for_the_token_over_a_new_wire(world: World) -> None:
    client = Client(Claims(key()), reconnect=Backoff(initial=1))
    bus = start(world, client)
    world.run_until(lambda: len(client.opened) == 2)
    cut(world)
    bus.tokens.refuse = lambda audience, token: (503, "busy") if bus.tokens.asked < 4 else None
    world.run_until(lambda: not client.connection.state & Endpoint.REMOTE_ACTIVE)
    client.senders[0].send(Message("between wires"))
    world.run_until(lambda: client.received)
    assert client.received == ["between wires"] and client.doubtful == []


def test_a_close_waits_for_what_was_sent_and_that_for_its_token(world: World) -> None:
    client = Client(Claims(key()))
    bus = start(world, client)
    world.run_until(lambda: client.senders)
    client.senders[0].send(Message("last words"))
    client.connection.close()
    world.run_until(lambda: bus.entities and bus.entity("jobs").messages)
    assert client.errors == [] and client.doubtful == []


def test_a_close_without_a_token_comes_to_its_end(world: World) -> None:
    client = Client(Claims(SharedAccessKey("all", "another key")))
    bus = start(world, client)
    world.run_until(lambda: client.senders)
    client.senders[0].send(Message("last words"))
    client.connection.close()
    world.run_until(lambda: client.doubtful)
    bus.acceptor.close()
    world.run_until()


def test_a_close_at_any_moment_is_no_error() -> None:
    """Also where the peer answers it before the links to the node are known to be attached."""
    for steps in range(2, 40):
        with World(seed=13) as world:
            client = Client(Claims(key()), reconnect=False)
            start(world, client)
            for _ in range(steps):
                world.step()
            client.connection.close()
            world.run_until(lambda: not client.connection.state & Endpoint.LOCAL_ACTIVE)  # noqa: B023
            world.run_for(40)
            assert client.errors == []


def test_a_connection_that_has_ended_has_no_token_fetched(world: World) -> None:
    provider = Provider()
    client = Client(Claims(provider, scopes="x"), ())
    start(world, client)
    world.run_until(lambda: client.connection.state & Endpoint.REMOTE_ACTIVE)
    sender = client.container.create_sender(client.connection, "jobs")
    claims: Any = client.connection.admission.__self__
    assert not claims.admit(sender), "its token is asked for in the next turn"
    claims.ended()
    client.connection.admission = lambda link: False  # none is written any more
    world.run_for(60)
    assert provider.asked == []


def test_a_provider_that_failed_long_ago_has_its_time_over_a_new_wire(world: World) -> None:
    provider = Provider("good", *(OSError("away") for _ in range(3)), lifetime=100)
    bus, client = jwt_scene(world, provider, Client(Claims(provider), reconnect=Backoff(initial=1)))
    world.run_until(lambda: len(client.opened) == 2)
    world.run_until(lambda: len(provider.asked) == 2)
    cut(world)
    world.network.silence("bus")
    world.run_for(3600)
    world.network.silence("bus", False)
    world.run_until(lambda: len(client.opened) == 4)
    assert client.errors == [] and len(bus.tokens.taken) == 2


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_a_storm_over_renewals_loses_no_claim(seed: int) -> None:
    """Wires break at times that are drawn, for hours, while tokens of five minutes are renewed."""
    with World(seed=seed, pieces=0) as world:
        client = Client(Claims(key(lifetime=300)), reconnect=Backoff(initial=0.5, max_delay=20))
        bus = start(world, client)
        world.run_until(lambda: len(client.opened) == 2)
        for _ in range(15):
            world.run_for(world.random.uniform(1, 900))
            cut(world)
        world.run_for(120)
        client.senders[0].send(Message("after the storm"))
        world.run_until(lambda: client.received)
        assert client.errors == [] and len(bus.tokens.taken) > 20
        assert not [reason for reason in bus.detached if "unauthorized" in reason]


# -- secrets -------------------------------------------------------------------------------------------------


def test_a_token_does_not_go_in_clear_text_to_another_machine(world: World) -> None:
    client = Client(Claims(key()), allow_insecure_mechs=None)
    bus = start(world, client)
    condition = error_of(world, client)
    text = "the token for 'sb://bus/jobs' was not sent: amqp://bus:5672 would get it in clear text"
    assert text in condition.description
    assert bus.tokens.asked == 0


def test_no_secret_is_shown(world: World, caplog: Any, monkeypatch: Any, capsys: Any) -> None:
    """In no log, no trace, no repr and no error; also where the peer quotes the token."""
    monkeypatch.setenv("PN_TRACE_FRM", "1")
    caplog.set_level(logging.DEBUG)
    provider = Provider()
    provider.answers = [SimpleNamespace(token="very-secret-token", expires_on=2e10)]
    bus, client = jwt_scene(world, provider)
    bus.tokens.refuse = lambda audience, token: (401, f"the token {token} is not known")
    condition = error_of(world, client)
    assert "the token (token not shown) is not known" in condition.description
    out, err = capsys.readouterr()
    assert "@attach" in err and "@transfer" in err
    shown = "".join([out, err, caplog.text, repr(condition), repr(client.connection), str(client.container.ended_by)])
    assert "very-secret" not in shown and "c2VjcmV0" not in shown


@pytest.mark.parametrize("condition", ["amqp:not-found", "com.microsoft:server-busy"], ids=["for-good", "passing"])
@pytest.mark.parametrize("end", ["$cbs", "jobs", "session", "connection"])
def test_no_secret_is_shown_that_the_peer_quotes_when_it_ends_something(
    world: World, end: str, condition: str, caplog: Any, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("PN_TRACE_FRM", "1")
    caplog.set_level(logging.DEBUG)
    recorder = Recorder(ring=None)
    provider = Provider()
    provider.answers = [SimpleNamespace(token="very-secret-token", expires_on=2e10)] * 9
    client, bus = Client(Claims(provider, scopes="x")), ServiceBus(URL)
    world.start(bus, name="bus")
    world.start(client, name="client", options={"observers": [recorder]})
    provider.today = world.clock.today
    bus.jwts["very-secret-token"] = 2e10
    world.run_until(lambda: len(client.opened) == 2)
    links = next(iter(bus.authorized)).links(0)
    link = next(link for link in links if (entity_of(link) == "$cbs") == (end != "jobs"))
    ends: dict[str, Any] = {"session": link.session, "connection": link.connection}
    endpoint = ends.get(end, link)
    said = {symbol("key"): ["very-secret-token", b"very-secret-token"]}
    endpoint.condition = Condition(condition, "the token very-secret-token is not known", said)
    endpoint.close()
    world.run_for(5)
    client.container.stop()
    out, err = capsys.readouterr()
    shown = "".join([out, err, caplog.text, *map(repr, client.errors), str(client.container.ended_by)])
    shown += repr([record.raw for record in recorder.recording.records])
    assert "(token not shown) is not known" in shown and "***** is not known" in shown
    assert "very-secret" not in shown


def test_no_secret_is_shown_after_a_log_in_with_it(world: World, caplog: Any) -> None:
    class Server(MessagingHandler):
        def on_start(self, event: Any) -> None:
            event.container.listen(URL, token_owner=lambda mechanism, token: "bob")

        def on_connection_opened(self, event: Any) -> None:
            event.connection.condition = Condition("amqp:unauthorized-access", "very-secret-token has ended")
            event.connection.close()

    client = Client(Bearer(lambda: "very-secret-token"), ())
    world.start(Server(), name="server")
    world.start(client, name="client")
    assert "(token not shown) has ended" in error_of(world, client).description
    assert "very-secret" not in caplog.text


def test_the_keyword_takes_no_provider_as_it_is() -> None:
    client = Client(SharedAccessKey("all", KEY))
    with World(seed=1) as world:
        with pytest.raises(TypeError, match=r"tokens is Claims\(provider\) or Bearer.*, not SharedAccessKey"):
            world.start(client, name="client")
