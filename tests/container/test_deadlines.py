"""Deadlines of links and of what is sent over them: what is told when a peer does not answer in time."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from reactor import ACCEPTED, Handler, Message
from reactor.errors import TIMED_OUT
from tests.support.stage import Stage, Witness


class Mute(Handler):
    """A server that opens connections and sessions, and leaves the rest unanswered; or does it when told to."""

    def __init__(self) -> None:
        self.links: list[Any] = []
        self.told: list[str] = []

    def on_connection_remote_open(self, event: Any) -> None:
        event.connection.open()

    def on_session_remote_open(self, event: Any) -> None:
        event.session.open()

    def on_link_remote_open(self, event: Any) -> None:
        self.links.append(event.link)
        self.told.append("attach")

    def on_link_remote_close(self, event: Any) -> None:
        self.told.append("detach")

    def on_connection_remote_close(self, event: Any) -> None:
        self.told.append("close")

    def attach(self) -> None:
        """Answer the last attach."""
        link = self.links[-1]
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.open()


class Scene:
    def __init__(self, server: Any = None, reconnect: Any = False, **options: Any) -> None:
        self.server = Mute() if server is None else server
        self.stage = Stage(self.server)
        self.client = Witness(on_link_error=lambda event: None)
        self.container, self.connection = self.stage.connect(self.client, reconnect, **options)
        self.start = self.stage.clock.now()

    def run(self, until: Any = None) -> None:
        self.stage.run(until)

    def wait(self, seconds: float) -> None:
        """Let time pass, and what is due in it happen."""
        over: list[Any] = []

        class Later:
            def on_timer_task(self, event: Any) -> None:
                over.append(event)

        self.stage.host.schedule(seconds, Later())
        self.run(lambda: over)
        self.run()

    @property
    def passed(self) -> float:
        return round(self.stage.clock.now() - self.start, 6)


def condition(client: Witness) -> Any:
    return client.last("on_link_error").link.remote_condition


CREATE: list[Callable[..., Any]] = [
    lambda scene, **options: scene.container.create_sender(scene.connection, "q", **options),
    lambda scene, **options: scene.container.create_receiver(scene.connection, "q", **options),
]


# -- attaching -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("create", CREATE)
def test_J18_a_link_that_is_not_attached_in_time_fails(create: Any) -> None:
    scene = Scene()
    link = create(scene, attach_timeout=5)
    scene.run(lambda: scene.client.count("on_link_closed"))
    assert scene.passed == 5
    assert condition(scene.client).name == TIMED_OUT
    assert "q within 5 s" in condition(scene.client).description
    assert scene.client.count("on_link_error") == 1
    assert list(scene.connection.links(0)) != [link]
    scene.run()
    assert scene.server.told == ["attach", "detach"], "the peer is told that nobody waits any more"


@pytest.mark.parametrize("create", CREATE)
def test_an_answer_that_comes_too_late_is_told_to_nobody(create: Any) -> None:
    scene = Scene()
    create(scene, attach_timeout=5)
    scene.run(lambda: scene.client.count("on_link_closed"))
    scene.run()
    before = list(scene.client.told)
    scene.server.attach()
    scene.server.links[-1].close()
    scene.run()
    assert scene.client.told == before
    assert list(scene.connection.links(0)) == []
    again = create(scene, attach_timeout=5)
    scene.run()
    scene.server.attach()
    scene.run()
    assert scene.client.last("on_link_opened").link is again


@pytest.mark.parametrize("create", CREATE)
def test_what_is_attached_in_time_is_left_alone(create: Any) -> None:
    scene = Scene(Witness())
    create(scene, attach_timeout=5, close_timeout=5)
    scene.wait(60)
    assert scene.client.count("on_link_opened") == 1 and scene.client.count("on_link_error") == 0
    scene.connection.close()
    scene.stage.finish()
    assert scene.passed == 60


def test_what_was_sent_over_a_link_that_fails_is_in_doubt() -> None:
    scene = Scene()
    sender = scene.container.create_sender(scene.connection, "q", attach_timeout=5)
    sent = sender.send(Message("x"))
    scene.run(lambda: scene.client.count("on_in_doubt"))
    assert scene.client.last("on_in_doubt").delivery is sent
    assert sent.doubt.name == TIMED_OUT and not sent.has_left


def test_where_there_is_no_connection_yet_the_time_does_not_run() -> None:
    stage = Stage()
    stage.acceptor.close()
    client = Witness()
    container = stage.container(client)
    container.create_sender(container.connect(stage.url, reconnect=[10] * 6), "q", attach_timeout=5)
    stage.run(lambda: client.count("on_transport_error") == 4)
    stage.come_back()
    stage.run(lambda: client.count("on_link_opened"))
    assert client.count("on_link_error") == 0


def test_each_attachment_has_its_time() -> None:
    scene = Scene(reconnect=True)
    scene.container.create_sender(scene.connection, "q", attach_timeout=5)
    scene.run()
    scene.server.attach()
    scene.wait(60)
    scene.stage.cut()
    scene.run(lambda: scene.client.count("on_connection_opened") == 2)
    lost = scene.passed
    scene.run(lambda: scene.client.count("on_link_error"))
    assert scene.passed == lost + 5


def test_a_loss_ends_the_wait() -> None:
    scene = Scene()
    scene.container.create_sender(scene.connection, "q", attach_timeout=5)
    scene.run()
    scene.stage.leave()
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.passed == 0
    assert scene.client.count("on_link_error") == 0


# -- closing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("create", CREATE)
@pytest.mark.parametrize("way", ["close", "detach"])
def test_J18_a_link_that_is_not_closed_in_time_fails_and_is_closed(create: Any, way: str) -> None:
    scene = Scene()
    link = create(scene, close_timeout=5)
    scene.run()
    scene.server.attach()
    scene.run()
    getattr(link, way)()
    scene.run(lambda: scene.client.count("on_link_closed"))
    assert scene.passed == 5
    assert condition(scene.client).name == TIMED_OUT and "closed" in condition(scene.client).description
    assert scene.client.count("on_link_error") == 1
    before = list(scene.client.told)
    scene.server.links[-1].close()
    scene.run()
    if way == "detach":  # it was detached, and is closed: that is said by an attach and a close [2.6.6]
        scene.server.attach()
        scene.server.links[-1].close()
        scene.run()
    assert scene.client.told == before
    assert list(scene.connection.links(0)) == []


def test_a_sender_that_cannot_get_rid_of_its_messages_is_closed_in_time() -> None:
    scene = Scene()
    sender = scene.container.create_sender(scene.connection, "q", close_timeout=5)
    scene.run()
    scene.server.attach()
    sent = sender.send(Message("there is no credit"))
    sender.close()
    scene.run(lambda: scene.client.count("on_link_closed"))
    scene.run()
    assert scene.client.last("on_in_doubt").delivery is sent
    assert scene.server.told == ["attach", "detach"]


def test_a_connection_that_is_not_closed_in_time_fails_and_is_closed() -> None:
    scene = Scene(reconnect=True, close_timeout=5)
    scene.connection.close()
    scene.run(lambda: scene.container not in scene.stage.stepper.containers)
    assert scene.passed == 5
    assert scene.server.told == ["close"]
    told = scene.client.last("on_connection_error").connection.remote_condition
    assert told.name == TIMED_OUT and "5 s" in told.description
    assert scene.client.count("on_connection_closed") == 1
    assert scene.client.count("on_transport_error") == scene.client.count("on_disconnected") == 0


def test_a_connection_that_is_closed_in_time_is_closed() -> None:
    scene = Scene(Witness(), close_timeout=5)
    scene.connection.close()
    scene.stage.finish()
    assert scene.passed == 0
    assert scene.client.count("on_connection_closed") == 1 and scene.client.count("on_connection_error") == 0


# -- sending ---------------------------------------------------------------------------------------------------


class Sending(Scene):
    """The server grants so much credit, and says nothing about what it gets."""

    def __init__(self, credit: int = 10, reconnect: Any = False, size: int = 1, **options: Any) -> None:
        server = Witness(0, False, on_link_opened=lambda event: event.link.flow(credit))
        super().__init__(server, reconnect)
        self.sender = self.container.create_sender(self.connection, "q", **options)
        self.run()

    @property
    def doubtful(self) -> list[Any]:
        return [event.delivery for event in self.client.events.get("on_in_doubt", [])]


def test_J18_a_message_without_an_outcome_in_time_is_in_doubt() -> None:
    scene = Sending(send_timeout=5)
    first = scene.sender.send(Message("one"))
    scene.wait(3)
    second = scene.sender.send(Message("two"))
    scene.run(lambda: scene.doubtful)
    assert scene.passed == 5 and scene.doubtful == [first]
    assert (first.doubt.name, first.doubt.description) == (TIMED_OUT, "no outcome within 5 s")
    assert first.has_left
    scene.run(lambda: len(scene.doubtful) == 2)
    assert scene.passed == 8 and scene.doubtful == [first, second]
    assert scene.sender.unsettled == 0


def test_an_outcome_that_comes_too_late_is_told_to_nobody() -> None:
    scene = Sending(send_timeout=5)
    scene.sender.send(Message("one"))
    scene.run(lambda: scene.doubtful)
    scene.server.accept(scene.server.last("on_message").delivery)
    scene.run()
    assert scene.client.count("on_accepted") == scene.client.count("on_settled") == 0
    later = scene.sender.send(Message("two"))
    scene.run()
    scene.server.accept(scene.server.last("on_message").delivery)
    scene.run()
    assert scene.client.last("on_accepted").delivery is later


def test_a_message_that_has_an_outcome_in_time_is_left_alone() -> None:
    scene = Sending(send_timeout=5)
    sent = scene.sender.send(Message("one"))
    scene.run()
    scene.server.last("on_message").delivery.update(ACCEPTED)
    scene.wait(60)
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.doubtful == []


def test_a_message_that_gets_no_credit_in_time_is_not_sent_any_more() -> None:
    scene = Sending(credit=0, send_timeout=5)
    first = scene.sender.send(Message("one"))
    scene.wait(3)
    scene.sender.send(Message("two"))
    scene.run(lambda: scene.doubtful)
    assert scene.doubtful == [first] and not first.has_left
    assert first.doubt.description == "not sent within 5 s"
    assert scene.sender.queued == 1
    scene.server.last("on_link_opened").link.flow(5)
    scene.run()
    assert [event.message.body for event in scene.server.events["on_message"]] == ["two"]


def test_half_a_message_is_aborted_when_its_time_is_over() -> None:
    scene = Sending(send_timeout=5)
    scene.sender.delivery("half")
    scene.sender.stream(b"\x00Sw\xa1\x05he")
    scene.run(lambda: scene.doubtful)
    scene.run()
    assert scene.server.count("on_aborted") == 1 and scene.server.count("on_message") == 0
    assert scene.sender.unsettled == scene.sender.queued == 0
    scene.sender.send(Message("next"))
    scene.run()
    assert scene.server.last("on_message").message.body == "next"


def test_the_time_runs_on_while_there_is_no_connection() -> None:
    scene = Sending(reconnect=True, send_timeout=5, resend=True)
    left = scene.sender.send(Message("left"))
    scene.run()
    scene.stage.leave()
    scene.wait(2)
    waiting = scene.sender.send(Message("waiting"))
    scene.run(lambda: scene.doubtful)
    assert scene.passed == 5 and scene.doubtful == [left]
    scene.stage.come_back()
    scene.run(lambda: len(scene.server.events["on_message"]) == 2)
    scene.run()
    assert scene.server.last("on_message").message.body == "waiting"
    scene.server.accept(scene.server.last("on_message").delivery)
    scene.run()
    assert [event.delivery for event in scene.client.events["on_accepted"]] == [waiting]


def test_J2_messages_are_sent_again_until_their_time_is_over() -> None:
    scene = Sending(reconnect=True, send_timeout=60, resend=True)
    sent = scene.sender.send(Message("x"))
    for loss in (1, 2, 3):
        scene.run()
        scene.wait(10)
        scene.stage.cut()
        scene.run(lambda loss=loss: scene.client.count("on_connection_reconnected") == loss)
    scene.run()
    assert len(scene.server.events["on_message"]) == 4
    scene.run(lambda: scene.doubtful)
    assert scene.passed == 60 and scene.doubtful == [sent]


def test_a_container_whose_work_is_done_does_not_wait_for_deadlines() -> None:
    scene = Sending(send_timeout=600)
    for number in range(3):
        scene.sender.send(Message(number))
    scene.run()
    for event in scene.server.events["on_message"][:2]:
        scene.server.accept(event.delivery)
    scene.run()
    scene.sender.close()
    scene.run()
    scene.connection.close()
    scene.stage.finish()
    assert scene.passed == 0


def test_deadlines_of_what_is_done_are_not_kept() -> None:
    scene = Sending(credit=100_000, send_timeout=600)
    stuck = scene.sender.send(Message("the server sleeps on this one"))
    scene.run()
    clock = scene.sender.watch.__self__
    for _ in range(20):
        for number in range(100):
            scene.sender.send(Message(number))
        scene.run()
        for event in scene.server.events["on_message"]:
            if event.delivery is not scene.server.events["on_message"][0].delivery:
                scene.server.accept(event.delivery)
        scene.run()
        del scene.server.events["on_message"][1:]
    assert len(clock) < 600 and not stuck.settled
    clock.prune()
    assert len(clock) == 1
    assert len(scene.container.loop.timers) == 1


# -- where they are said ---------------------------------------------------------------------------------------


def test_the_container_says_how_long_where_the_call_does_not() -> None:
    stage = Stage()
    container = stage.container()
    assert container.attach_timeout is container.send_timeout is container.close_timeout is None
    container.attach_timeout, container.send_timeout, container.close_timeout = 1, 2, 3
    connection = container.connect(stage.url)
    sender = container.create_sender(connection, "q")
    assert (sender.attach_timeout, sender.send_timeout, sender.close_timeout) == (1, 2, 3)
    sender = container.create_sender(connection, "q", attach_timeout=4, send_timeout=5, close_timeout=6)
    assert (sender.attach_timeout, sender.send_timeout, sender.close_timeout) == (4, 5, 6)
    receiver = container.create_receiver(connection, "q", close_timeout=0)
    assert (receiver.attach_timeout, receiver.close_timeout) == (1, 0)


@pytest.mark.parametrize("value", [-1, "soon", True, float("nan")])
def test_what_is_no_time_is_refused_at_the_call(value: Any) -> None:
    stage = Stage()
    container = stage.container()
    with pytest.raises(ValueError, match="connect_timeout"):
        container.connect(stage.url, connect_timeout=value)
    connection = container.connect(stage.url)
    for name in ("attach_timeout", "send_timeout", "close_timeout"):
        with pytest.raises(ValueError, match=name):
            container.create_sender(connection, "q", **{name: value})
    assert list(connection.links(0)) == []
