"""What a peer ends for a reason that passes is lost, and asked for again: connections, sessions and links."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from reactor import Backoff, Condition, Endpoint, Message
from tests.support.stage import Stage, Witness

PASSING = ["amqp:internal-error", "amqp:resource-limit-exceeded", "amqp:link:detach-forced"]


class Scene:
    """A client with a sender, whose server ends what it is told to end, for a reason."""

    def __init__(self, reconnect: Any = True, resend: bool = False, **server: Any) -> None:
        self.stage = Stage(Witness(**server))
        self.client = Witness()
        self.container, self.connection = self.stage.connect(self.client, reconnect)
        self.sender = self.container.create_sender(self.connection, "q", resend=resend)
        self.run()

    def run(self, until: Any = None) -> None:
        self.stage.run(until)

    @property
    def server(self) -> Any:
        return self.stage.server

    def end(self, kind: str, name: str, text: str = "", how: str = "close") -> None:
        """The server ends its newest connection, session or link."""
        theirs = getattr(self.server.last("on_link_opened"), kind)
        theirs.condition = Condition(name, text or None)
        getattr(theirs, how)()

    def opened(self, count: int) -> Any:
        return lambda: self.client.count("on_link_opened") == count

    def count(self, *names: str) -> list[int]:
        return [self.client.count(name) for name in names]


ERRORS = ["on_connection_error", "on_session_error", "on_link_error", "on_link_closed", "on_session_closed"]


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("how", ["close", "detach"])
def test_a_link_that_is_detached_for_a_reason_that_passes_is_attached_again(name: str, how: str) -> None:
    scene = Scene()
    scene.end("link", name, "idle for too long", how)
    scene.run(scene.opened(2))
    sent = scene.sender.send(Message("x"))
    scene.run(lambda: scene.client.count("on_accepted"))
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.count(*ERRORS, "on_connection_opened", "on_session_opened") == [0] * 5 + [1, 1]
    assert list(scene.connection.links(0)) == [scene.sender]


@pytest.mark.parametrize("name", PASSING)
def test_a_session_that_is_ended_for_a_reason_that_passes_is_begun_again_with_its_links(name: str) -> None:
    scene = Scene()
    receiver = scene.container.create_receiver(scene.connection, "r", prefetch=0)
    receiver.flow(3)
    scene.run(scene.opened(2))
    scene.end("session", name, "Something broke")
    scene.run(scene.opened(4))
    scene.run()
    sent = scene.sender.send(Message("x"))
    scene.run(lambda: scene.client.count("on_accepted"))
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.count(*ERRORS, "on_connection_opened", "on_session_opened") == [0] * 5 + [1, 2]
    assert list(scene.connection.links(0)) == [scene.sender, receiver]
    assert receiver.credit == 3 and scene.server.last("on_link_opened").link.credit == 3


@pytest.mark.parametrize("name", PASSING + ["amqp:connection:forced"])
def test_a_connection_that_is_closed_for_a_reason_that_passes_is_made_again(name: str) -> None:
    scene = Scene()
    scene.end("connection", name, "Connection forced: 'the broker is restarted'")
    scene.run(lambda: scene.client.count("on_connection_reconnected"))
    assert scene.count(*ERRORS, "on_connection_closed", "on_transport_error") == [0] * 7
    assert scene.count("on_disconnected", "on_connection_opened", "on_link_opened") == [1, 2, 2]


@pytest.mark.parametrize("kinds", ["link", "session", "link session"])
def test_a_peer_that_ends_one_after_the_other_before_it_closes_the_connection_is_waited_for(
    kinds: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As a planned restart is told by some brokers, all of it in one piece."""
    scene = Scene()
    for kind in [*kinds.split(), "connection"]:
        scene.end(kind, "amqp:connection:forced", "the broker is restarted")
    scene.run(lambda: scene.client.count("on_connection_reconnected"))
    waiting = scene.sender.send(Message("x"))
    scene.run(lambda: scene.client.count("on_accepted"))
    assert scene.client.last("on_accepted").delivery is waiting
    assert scene.count(*ERRORS, "on_connection_closed", "on_in_doubt") == [0] * 7
    assert scene.count("on_connection_opened", "on_session_opened", "on_link_opened") == [2, 2, 2]
    assert list(scene.connection.links(0)) == [scene.sender]
    assert "asked for again" not in caplog.text


@pytest.mark.parametrize("kind", ["link", "session"])
def test_nothing_comes_back_in_a_connection_that_does_not(kind: str) -> None:
    scene = Scene()
    scene.end(kind, "amqp:internal-error")
    scene.end("connection", "amqp:not-allowed")
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.client.count("on_%s_error" % kind) == 1
    assert scene.count("on_connection_opened", "on_disconnected", "on_connection_closed") == [1, 0, 1]


FINAL = ["amqp:not-found", "amqp:unauthorized-access", "amqp:precondition-failed", "example:strange"]


@pytest.mark.parametrize("name", FINAL)
@pytest.mark.parametrize("kind", ["connection", "session", "link"])
def test_a_final_reason_is_told_once_and_nobody_asks_again(kind: str, name: str) -> None:
    scene = Scene()
    scene.end(kind, name)
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.client.count("on_%s_error" % kind) == 1
    assert sum(scene.count("on_connection_error", "on_session_error", "on_link_error")) == 1
    assert scene.count("on_connection_opened", "on_disconnected", "on_connection_closed") == [1, 0, 1]


@pytest.mark.parametrize("kind", ["connection", "session", "link"])
def test_without_reconnect_every_reason_is_final(kind: str) -> None:
    scene = Scene(reconnect=False)
    scene.end(kind, "amqp:internal-error")
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.client.count("on_%s_error" % kind) == 1
    assert scene.count("on_connection_opened", "on_connection_closed") == [1, 1]


@pytest.mark.parametrize("kind", ["session", "link"])
@pytest.mark.parametrize("resend", [True, False])
def test_what_was_sent_is_in_doubt_or_sent_again(kind: str, resend: bool) -> None:
    held: list[Any] = []
    scene = Scene(resend=resend, on_message=lambda event: held.append(event.message.body))
    scene.server.handlers[-2].auto_accept = False
    sent = scene.sender.send(Message("x"))
    scene.run(lambda: held)
    scene.server.handlers[-2].auto_accept = True
    scene.end(kind, "amqp:internal-error")
    scene.run(scene.opened(2))
    scene.run()
    if resend:
        assert held == ["x", "x"] and scene.client.last("on_accepted").delivery is sent
        assert scene.client.count("on_in_doubt") == 0
    else:
        assert held == ["x"] and scene.client.count("on_accepted") == 0
        assert [event.delivery for event in scene.client.events["on_in_doubt"]] == [sent]


@pytest.mark.parametrize("kind", ["session", "link"])
def test_what_is_sent_while_it_is_away_waits(kind: str) -> None:
    refusals = 3

    def refuse(event: Any) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            end = getattr(event, kind)
            end.condition = Condition("amqp:internal-error", "not yet")
            end.close()

    scene = Scene(on_link_opening=refuse)
    sent = scene.sender.send(Message("x"))
    assert scene.client.count("on_link_error") == 0
    scene.run(lambda: scene.client.count("on_accepted"))
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.count(*ERRORS, "on_in_doubt") == [0] * 6


@pytest.mark.parametrize("kind", ["session", "link"])
def test_it_is_asked_for_less_and_less_often_and_given_up_when_the_delays_are_used_up(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    times: list[float] = []

    def refuse(event: Any) -> None:
        times.append(scene_clock().now())
        end = getattr(event, kind)
        end.condition = Condition("amqp:internal-error", "never\n")
        end.close()

    clocks: list[Any] = []
    scene_clock = lambda: clocks[0]  # noqa: E731
    stage = Stage(Witness(on_link_opening=refuse))
    clocks.append(stage.clock)
    client = Witness()
    backoff = Backoff(initial=1, max_tries=5, jitter=0)
    with caplog.at_level(logging.WARNING):
        container, connection = stage.connect(client, backoff)
        sender = container.create_sender(connection, "q")
        sent = sender.send(Message("x"))
        stage.run(lambda: container not in stage.stepper.containers)
    assert [time - times[0] for time in times] == [0, 0, 1, 3, 7, 15]
    assert client.count("on_%s_error" % kind) == 1
    assert [event.delivery for event in client.events["on_in_doubt"]] == [sent]
    told = [record.getMessage() for record in caplog.records if record.name.endswith("comeback")]
    assert len(told) == 1 and "amqp:internal-error: never\\n" in told[0]
    assert told[0].endswith("it is asked for again in 0 s")


@pytest.mark.parametrize("refusals", [1, 2, 3])
def test_links_of_a_session_that_is_refused_come_back_with_it_or_end_with_it(
    refusals: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The peer has answered none of their attaches: each is refused with the session, and not by itself."""
    left = [refusals]

    def refuse(event: Any) -> None:
        if left[0]:
            left[0] -= 1
            event.session.condition = Condition("amqp:internal-error", "no")
            event.session.close()

    scene = Scene([0, 2], on_session_opening=refuse)
    scene.run(lambda: scene.stage.clock.now() >= 1002 or scene.client.count("on_link_opened"))
    scene.run()
    told = [record.getMessage() for record in caplog.records if record.name.endswith("comeback")]
    assert len(told) == 1 and "<Session" in told[0]
    given_up = int(refusals == 3)
    assert scene.count("on_link_opened", "on_session_error", "on_link_error") == [1 - given_up, given_up, given_up]


class Keeping:
    """A handler that closes nothing."""

    def __init__(self) -> None:
        self.doubtful: list[Any] = []

    def on_delivery_in_doubt(self, event: Any) -> None:
        self.doubtful.append(event.delivery)


@pytest.mark.parametrize("kind", ["session", "link"])
def test_what_was_sent_over_what_is_given_up_is_in_doubt_at_once(kind: str) -> None:
    stage = Stage(Witness(on_message=lambda event: None, auto_accept=False))
    client = Keeping()
    container, connection = stage.connect(client, [0])
    sender = container.create_sender(connection, "q", resend=True)
    stage.run()
    sent = []
    for turn in (1, 2):
        end = getattr(stage.server.last("on_link_opened"), kind)
        end.condition = Condition("amqp:internal-error")
        end.close()
        sent.append(sender.send(Message("x")))
        stage.run()
        assert stage.server.count("on_link_opened") == 2
        assert client.doubtful == ([] if turn == 1 else sent)


def test_what_came_back_and_stayed_is_asked_for_at_once_the_next_time() -> None:
    scene = Scene(Backoff(initial=5, jitter=0))
    for number in range(2, 6):
        scene.end("link", "amqp:link:detach-forced")
        before = scene.stage.clock.now()
        scene.run(scene.opened(number))
        assert scene.stage.clock.now() == before
        scene.stage.clock.advance(600)


@pytest.mark.parametrize("kind", ["session", "link"])
def test_what_is_closed_while_it_is_away_is_told_to_be_closed(kind: str) -> None:
    scene = Scene([3600, 3600])
    scene.end(kind, "amqp:internal-error")
    scene.run()
    end = scene.sender if kind == "link" else scene.sender.session
    end.close()
    scene.run()
    assert scene.client.count("on_%s_closed" % kind) == 1
    assert scene.count("on_link_error", "on_session_error", "on_link_opened") == [0, 0, 1]
    assert end.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
    scene.connection.close()
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.client.count("on_connection_closed") == 1


@pytest.mark.parametrize(
    ("kind", "closed"),
    [("link", "link"), ("link", "session"), ("link", "connection"), ("session", "session"), ("session", "connection")],
)
def test_what_is_closed_here_while_the_peer_ends_it_is_over(
    kind: str, closed: str, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(Backoff(initial=5, jitter=0))
    sent = scene.sender.send(Message("x"))
    scene.end(kind, "amqp:internal-error")
    {"link": scene.sender, "session": scene.sender.session, "connection": scene.connection}[closed].close()
    scene.run()
    scene.stage.clock.advance(600)
    scene.run()
    assert scene.count("on_link_opened", "on_%s_error" % kind, "on_%s_closed" % kind) == [1, 1, 1]
    assert [event.delivery for event in scene.client.events["on_in_doubt"]] == [sent]
    assert "again" not in caplog.text
    if closed == "session":
        scene.connection.close()
        scene.run()
    assert scene.container not in scene.stage.stepper.containers


@pytest.mark.parametrize("kind", ["session", "link"])
def test_what_is_closed_here_before_its_end_is_told_is_over(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The end came with a message, and the application closes it when it has that."""
    stage = Stage(Witness(on_link_opened=lambda event: event.sender and event.sender.send(Message("last"))))
    client = Witness(on_message=lambda event: getattr(event, kind).close())
    container, connection = stage.connect(client, True)
    receiver = container.create_receiver(connection, "q", prefetch=0)
    stage.run()
    receiver.flow(1)
    stage.run(lambda: stage.server.last("on_link_opened").link.credit == 1 or client.count("on_message"))
    theirs = getattr(stage.server.last("on_link_opened"), kind)
    theirs.condition = Condition("amqp:internal-error")
    theirs.close()
    stage.run()
    assert client.told.count("on_message") == client.count("on_%s_closed" % kind) == 1
    assert "again" not in caplog.text and stage.server.count("on_link_opened") == 1


def test_a_link_that_waits_while_the_connection_is_lost_is_attached_once() -> None:
    scene = Scene([0.5, 60, 60])
    scene.end("link", "amqp:internal-error")
    scene.run(scene.opened(2))
    scene.end("link", "amqp:internal-error")
    scene.run(lambda: scene.sender.held)
    scene.stage.cut()
    scene.run(scene.opened(3))
    scene.stage.clock.advance(600)
    scene.run()
    assert scene.count("on_link_opened", "on_connection_opened", "on_link_closed") == [3, 2, 0]


@pytest.mark.parametrize(("stays", "waits"), [(0.9, True), (1.0, False), (999.5, False), (1000.0, False)])
def test_what_came_back_has_to_stay_for_a_second(stays: float, waits: bool) -> None:
    scene = Scene(Backoff(initial=5, jitter=0))
    clock = scene.stage.clock
    for number in (2, 3):
        scene.end("link", "amqp:link:detach-forced")
        before = clock.now()
        scene.run(scene.opened(number))
        assert (clock.now() > before) is (waits and number == 3)
        clock.advance(stays)


@pytest.mark.parametrize("kind", ["session", "link"])
def test_a_connection_that_is_lost_meanwhile_brings_all_of_it_back(kind: str) -> None:
    scene = Scene([0.5, 60, 60])
    scene.end(kind, "amqp:internal-error")
    scene.run(lambda: scene.sender.session.held or scene.sender.held)
    sent = scene.sender.send(Message("x"))
    scene.stage.cut()
    scene.run(lambda: scene.client.count("on_accepted"))
    assert scene.client.last("on_accepted").delivery is sent
    scene.stage.clock.advance(600)
    scene.run()
    assert scene.count("on_link_opened", "on_connection_opened") == [2, 2]


def test_a_peer_that_ends_what_it_opened_itself_is_only_answered() -> None:
    scene = Scene(on_connection_opened=lambda event: event.container.create_receiver(event.connection, "mine"))
    scene.run()
    theirs = scene.server.events["on_link_opened"]
    mine = next(event.link for event in theirs if event.link.is_receiver and event.link.source.address == "mine")
    mine.condition = Condition("amqp:internal-error")
    mine.close()
    scene.run()
    assert scene.client.count("on_link_error") == 1
