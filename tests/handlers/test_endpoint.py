"""EndpointStateHandler: what an application is told of connections, sessions and links, and what is done for it."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import EndpointStateHandler
from reactor import Condition, Endpoint, symbol
from reactor.errors import CONNECTION_FORCED, MESSAGE_SIZE_EXCEEDED, NOT_FOUND, UNATTACHED_HANDLE
from reactor.simulation import World, composite
from tests.support.stage import Stage, Witness


def about(kind: str, told: list[str]) -> list[str]:
    """What was told about connections, sessions or links, without the prefix."""
    return [name[len("on_" + kind) + 1 :] for name in told if name.startswith("on_%s_" % kind)]


class Scene:
    """A client with a sender, and its server."""

    def __init__(self, server: Any = None, client: Any = None) -> None:
        self.stage = Stage(server)
        self.server = self.stage.server
        self.client = Witness() if client is None else client
        container, self.connection = self.stage.connect(self.client)
        self.sender = container.create_sender(self.connection, "q")
        self.stage.run()

    def endpoint(self, kind: str) -> Any:
        """The server's end of the client's connection, session or link."""
        return getattr(self.server.last("on_link_opened"), kind)

    def close(self, kind: str, condition: Any = None) -> None:
        """The server closes its end."""
        endpoint = self.endpoint(kind)
        endpoint.condition = condition
        endpoint.close()
        self.stage.run()


KINDS = ["connection", "session", "link"]


def test_opening_and_opened_are_told_in_the_order_of_the_original() -> None:
    stage = Stage()
    client = Witness()
    container = stage.container(client)
    container.create_sender(container.connect(stage.url), "q")
    stage.run()
    assert stage.server.told[1:] == [
        "on_connection_opening",
        "on_session_opening",
        "on_link_opening",
        "on_connection_opened",
        "on_session_opened",
        "on_link_opened",
    ]
    assert client.told[1:] == [
        "on_connection_opened",
        "on_session_opened",
        "on_link_opened",
        "on_sendable",
    ]


def test_in_opening_this_side_is_not_open_yet() -> None:
    states = []
    server = Witness(on_link_opening=lambda event: states.append(event.link.state))
    Scene(server)
    assert states == [Endpoint.LOCAL_UNINIT | Endpoint.REMOTE_ACTIVE]


def test_what_is_set_in_opening_is_told_to_the_peer() -> None:
    def name_target(event: Any) -> None:
        event.link.target.address = "elsewhere"

    scene = Scene(Witness(on_link_opening=name_target))
    assert scene.sender.remote_target.address == "elsewhere"


def test_a_link_that_is_closed_in_opening_is_refused_with_its_condition() -> None:
    def refuse(event: Any) -> None:
        event.link.condition = Condition(NOT_FOUND, "no such place")
        event.link.close()

    client = Witness(on_link_error=lambda event: None)
    scene = Scene(Witness(on_link_opening=refuse), client)
    assert about("link", client.told) == ["opened", "error", "closed"]
    assert scene.sender.remote_condition == Condition(NOT_FOUND, "no such place")
    assert scene.connection.state & Endpoint.LOCAL_ACTIVE


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_peer_closes_is_closing_then_closed(kind: str) -> None:
    scene = Scene()
    scene.close(kind)
    assert about(kind, scene.client.told) == ["opened", "closing", "closed"]
    assert about(kind, scene.server.told) == ["opening", "opened", "closed"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_peer_closes_with_a_condition_is_an_error_then_closed(kind: str) -> None:
    scene = Scene()
    scene.close(kind, Condition("my:reason", "boom"))
    assert about(kind, scene.client.told) == ["opened", "error", "closed"]
    event = scene.client.last("on_%s_error" % kind)
    assert getattr(event, kind).remote_condition == Condition("my:reason", "boom")


@pytest.mark.parametrize("kind", KINDS)
def test_peer_close_is_error_tells_error_instead_of_closing(kind: str) -> None:
    client = Witness(peer_close_is_error=True, **{"on_%s_error" % kind: lambda event: None})
    scene = Scene(client=client)
    scene.close(kind)
    assert about(kind, client.told) == ["opened", "error", "closed"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_peer_closes_after_us_is_just_closed(kind: str) -> None:
    client = Witness(peer_close_is_error=True)
    scene = Scene(client=client)
    getattr(scene.sender, kind, scene.sender).close()
    scene.stage.run()
    assert about(kind, client.told) == ["opened", "closed"]
    assert about(kind, scene.server.told) == ["opening", "opened", "closing", "closed"]


def test_closed_is_told_once_when_both_sides_close_at_the_same_time() -> None:
    scene = Scene()
    scene.endpoint("link").close()
    scene.sender.close()
    scene.stage.run()
    assert about("link", scene.client.told) == ["opened", "closed"]
    assert about("link", scene.server.told) == ["opening", "opened", "closed"]


def test_the_default_of_a_link_or_session_error_closes_the_connection_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for kind in ("session", "link"):
        caplog.clear()
        scene = Scene()
        scene.close(kind, Condition("my:reason", "boom"))
        assert about("connection", scene.client.told) == ["opened", "closed"]
        (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert kind in message and "my:reason" in message and "boom" in message


def test_a_connection_closed_by_force_is_a_loss_and_no_error() -> None:
    scene = Scene()
    scene.close("connection", Condition(CONNECTION_FORCED, "going down"))
    assert scene.client.count("on_connection_error") == 0
    assert scene.client.count("on_disconnected") == 1
    assert about("connection", scene.client.told) == ["opened", "closed"]


def test_a_detach_is_answered_with_a_detach_and_told_to_nobody() -> None:
    scene = Scene()
    scene.endpoint("link").detach()
    scene.stage.run()
    assert about("link", scene.client.told) == ["opened"]
    assert scene.sender.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
    assert scene.sender.detached


def test_a_detach_with_a_condition_is_an_error() -> None:
    client = Witness(on_link_error=lambda event: None)
    scene = Scene(client=client)
    link = scene.endpoint("link")
    link.condition = Condition("my:reason")
    link.detach()
    scene.stage.run()
    assert about("link", client.told) == ["opened", "error", "closed"]


def test_the_end_of_a_lost_connection_is_told_once_and_after_the_reason() -> None:
    scene = Scene()
    scene.stage.cut()
    scene.stage.run()
    end = scene.client.told[scene.client.told.index("on_transport_error") :]
    assert end == [
        "on_transport_error",
        "on_transport_tail_closed",
        "on_transport_head_closed",
        "on_transport_closed",
        "on_disconnected",
    ]


def test_a_regular_end_is_no_loss() -> None:
    scene = Scene()
    scene.connection.close()
    scene.stage.run()
    for who in (scene.client, scene.server):
        assert who.count("on_transport_closed") == 1
        assert who.count("on_disconnected") == who.count("on_transport_error") == 0


def test_a_subclass_without_a_delegate_is_told_itself() -> None:
    told = []

    class Own(EndpointStateHandler):
        def on_connection_opening(self, event: Any) -> None:
            told.append("opening")

        def on_connection_opened(self, event: Any) -> None:
            told.append("opened")

    stage = Stage(Own())
    _, connection = stage.connect()
    assert told == ["opening", "opened"]
    assert connection.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


def test_without_anybody_to_tell_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    container = stage.container(EndpointStateHandler())
    connection = container.connect(stage.url)
    container.create_sender(connection, "q")
    stage.run()
    for kind in ("link", "session", "connection"):
        caplog.clear()
        endpoint = getattr(stage.server.last("on_link_opened"), kind)
        endpoint.condition = Condition("my:" + kind)
        endpoint.close()
        stage.run()
        assert "my:" + kind in caplog.text


def test_a_delegate_without_a_method_has_its_on_unhandled_called() -> None:
    class Rest:
        def __init__(self) -> None:
            self.told: list[str] = []

        def on_unhandled(self, method: str, event: Any) -> None:
            self.told.append(method)

    rest = Rest()
    stage = Stage(EndpointStateHandler(delegate=rest))
    stage.connect()
    assert rest.told == ["on_connection_opening", "on_connection_opened"]


def test_questions_about_a_state() -> None:
    scene = Scene()
    ask = EndpointStateHandler
    link = scene.sender
    assert ask.is_local_open(link) and ask.is_remote_open(link)
    assert not (ask.is_local_closed(link) or ask.is_remote_closed(link) or ask.is_local_uninitialised(link))
    scene.close("link")
    assert ask.is_local_closed(link) and ask.is_remote_closed(link)
    assert not (ask.is_local_open(link) or ask.is_remote_open(link))


def test_nothing_is_opened_within_what_was_refused() -> None:
    """A client sends begin and attach ahead; a server that refuses the session does not attach the link."""

    def refuse(event: Any) -> None:
        event.session.condition = Condition("amqp:not-allowed", "not today")
        event.session.close()

    stage = Stage(Witness(on_session_opening=refuse))
    client = Witness()
    container, connection = stage.connect(client)
    container.create_sender(connection, "q")
    stage.run()
    assert client.count("on_session_error") == 1
    assert client.count("on_link_opened") == client.count("on_sendable") == 0
    assert stage.server.count("on_link_opening") == 0


@pytest.mark.parametrize("answer", [None, "bare", "with a reason of its own"])
@pytest.mark.parametrize("kind", ["session", "link"])
def test_what_the_peer_did_wrong_is_told_at_once_and_once(kind: str, answer: Any) -> None:
    """Whoever breaks the rules may never answer our end or detach."""
    world = World(1)
    peer = world.peer("peer:5672").open().begin().attach()
    if kind == "link":
        peer.expect("flow").say("transfer", handle=0, delivery_id=0, delivery_tag=b"t", payload=b"x" * 100)
        peer.expect("detach")
    else:
        peer.say("transfer", handle=99, delivery_id=0, delivery_tag=b"t", payload=b"x")
        peer.ignore("flow").expect("end")
    name, fields = ("detach", {"handle": 0, "closed": True}) if kind == "link" else ("end", {})
    if answer is not None:
        error = None if answer == "bare" else composite("error", condition=symbol("peer:own"), description="no")
        peer.pause(5).say(name, channel=0, error=error, **fields)
    client = Witness(**{"on_%s_error" % kind: lambda event: None})

    def start(event: Any) -> None:
        connection = event.container.connect("amqp://peer:5672", reconnect=False)
        receiver = event.container.create_receiver(connection, "q", close_timeout=30)
        receiver.max_message_size = 10

    client.on_start = start  # type: ignore[method-assign]
    program = world.start(lambda: client)
    world.run_until(lambda: client.count("on_%s_closed" % kind))
    assert world.now < 3
    assert about(kind, client.told) == ["opened", "error", "closed"]
    condition = getattr(client.last("on_%s_error" % kind), kind).remote_condition
    assert condition.name == {"link": MESSAGE_SIZE_EXCEEDED, "session": UNATTACHED_HANDLE}[kind]
    world.run_for(60)
    assert about(kind, client.told) == ["opened", "error", "closed"]
    assert peer.done and program.handler is client


@pytest.mark.parametrize("what", ["error", "closing"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_that_closes_is_answered_although_the_method_for_that_raises(kind: str, what: str) -> None:
    def fail(event: Any) -> None:
        raise ZeroDivisionError

    scene = Scene(client=Witness(**{"on_%s_%s" % (kind, what): fail}))
    with pytest.raises(ZeroDivisionError):
        scene.close(kind, Condition("my:reason") if what == "error" else None)
    scene.stage.run()
    assert scene.server.count("on_%s_closed" % kind) == 1
    assert about(kind, scene.client.told) == ["opened", what, "closed"]


def test_a_peer_that_detaches_is_answered_although_the_method_for_that_raises() -> None:
    def fail(event: Any) -> None:
        raise ZeroDivisionError

    scene = Scene(client=Witness(on_link_error=fail))
    link = scene.endpoint("link")
    link.condition = Condition("my:reason")
    link.detach()
    with pytest.raises(ZeroDivisionError):
        scene.stage.run()
    scene.stage.run()
    assert scene.sender.state == link.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


def test_a_link_of_a_session_that_was_ended_with_an_error_in_the_same_piece_does_not_open() -> None:
    stage = Stage()
    _, connection = stage.connect()
    session = connection.session()
    session.open()
    session.sender("x").open()
    session.condition = Condition("my:reason")
    session.close()
    stage.run()
    told = [name for name in stage.server.told if "link" in name or "session" in name]
    assert told == ["on_session_opening", "on_link_opening", "on_session_error", "on_session_closed"]


@pytest.mark.parametrize("reconnect", [False, True])
@pytest.mark.parametrize("name", ["amqp:not-allowed", None])
def test_a_connection_that_the_peer_closes_tells_the_links_that_wait_for_their_attach(
    reconnect: bool, name: Any
) -> None:
    def refuse(event: Any) -> None:
        event.connection.condition = None if name is None else Condition(name)
        event.connection.close()

    stage, client = Stage(Witness(on_session_opening=refuse)), Witness()
    container, connection = stage.connect(client, reconnect)
    link = container.create_receiver(connection, "q")
    stage.run()
    first = "on_link_closing" if name is None else "on_link_error"
    assert [one for one in client.told if "link" in one] == [first, "on_link_closed"]
    assert (link.remote_condition and link.remote_condition.name) == name
    assert client.told.index(first) < client.told.index("on_connection_closed")


def test_a_connection_that_comes_back_tells_them_nothing() -> None:
    def refuse_once(event: Any) -> None:
        if stage.server.count("on_session_opening") == 1:
            event.connection.condition = Condition("amqp:internal-error")
            event.connection.close()

    stage, client = Stage(Witness(on_session_opening=refuse_once)), Witness()
    container, connection = stage.connect(client, True)
    container.create_receiver(connection, "q")
    stage.run(lambda: client.count("on_link_opened"))
    assert [one for one in client.told if "link" in one] == ["on_link_opened"]
    assert client.count("on_connection_opened") == 2
