"""Stopping: at once, or when what is in flight is done; and what is reported to be left."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from reactor import ACCEPTED, AtMostOnce, Container, Endpoint, Message
from tests.support.stage import Stage, Witness


class Scene:
    """A client with a receiver and a sender; the server sends while it may, and accepts what it is told to."""

    def __init__(self, reconnect: Any = False, credit: int = 10, **options: Any) -> None:
        self.fed = 0
        self.server = Witness(
            0,
            False,
            on_sendable=self.feed,
            on_link_opened=lambda event: event.receiver and event.receiver.flow(credit),
        )
        self.stage = Stage(self.server)
        self.client = Witness(**options)
        self.container, self.connection = self.stage.connect(self.client, reconnect)
        self.sender = self.container.create_sender(self.connection, "jobs")
        self.stage.run()
        self.start = self.stage.clock.now()

    def receiver(self, **options: Any) -> Any:
        receiver = self.container.create_receiver(self.connection, "q", **options)
        self.stage.run()
        return receiver

    def feed(self, event: Any) -> None:
        while event.sender.credit > 0:
            self.fed += 1
            event.sender.send(Message(self.fed))

    def over(self) -> bool:
        return self.container not in self.stage.stepper.containers

    def later(self, seconds: float, act: Any) -> None:
        class Later:
            def on_timer_task(self, event: Any) -> None:
                act()

        self.container.schedule(seconds, Later())

    @property
    def passed(self) -> float:
        return round(self.stage.clock.now() - self.start, 6)


def test_stopping_at_once_reports_when_it_is_done() -> None:
    scene = Scene()
    left = scene.container.stop()
    assert not left.done and "not done" in repr(left)
    scene.stage.run(scene.over)
    assert left.done and not left
    assert scene.passed == 0


def test_with_nothing_in_flight_it_closes_at_once_and_says_so() -> None:
    scene = Scene()
    scene.later(1000, lambda: None)
    left = scene.container.stop(drain=60)
    scene.stage.run(scene.over)
    assert scene.passed == 0
    assert left.done and not left and (left.received, left.sent) == ([], [])
    assert scene.client.count("on_connection_closed") == scene.server.count("on_connection_closed") == 1
    assert scene.client.count("on_disconnected") == scene.client.count("on_transport_error") == 0
    assert not scene.container.loop.busy


def test_what_is_in_flight_goes_on_to_its_end() -> None:
    scene = Scene(auto_accept=False)
    receiver = scene.receiver(max_unsettled=5)
    sent = [scene.sender.send(Message(number)) for number in range(3)]
    scene.stage.run()
    assert receiver.unsettled == 5
    left = scene.container.stop(drain=60)
    scene.stage.run()
    assert scene.connection.state & Endpoint.LOCAL_ACTIVE and not left.done

    def work() -> None:
        delivery = next(iter(receiver.unsettled_deliveries), None)
        if delivery is not None:
            scene.client.accept(delivery)
            scene.later(2, work)

    scene.later(2, work)
    scene.stage.run(lambda: receiver.unsettled == 0)
    scene.stage.run()
    assert not left.done
    for event in scene.server.events["on_message"]:
        scene.server.accept(event.delivery)
    scene.stage.run(scene.over)
    assert left.done and not left
    assert scene.passed == 10
    assert [event.delivery for event in scene.client.events["on_accepted"]] == sent
    assert scene.server.count("on_accepted") == scene.fed == 5, "none was asked for any more"


@pytest.mark.parametrize("options", [{"prefetch": 4}, {"prefetch": 0}, {"options": AtMostOnce()}])
def test_nothing_more_is_taken_in(options: Any) -> None:
    scene = Scene()
    scene.server.on_sendable = lambda event: None
    receiver = scene.receiver(**options)
    if options.get("prefetch") == 0:
        receiver.flow(4)
        scene.stage.run()
    theirs = scene.server.last("on_link_opened").link
    assert theirs.credit >= 4
    scene.sender.send(Message("holds it up"))
    scene.stage.run()
    left = scene.container.stop(drain=60)
    scene.stage.run()
    assert theirs.credit == 0
    receiver.flow(3)
    scene.stage.run()
    assert theirs.credit == 0, "whatever the application asks for"
    for event in scene.server.events["on_message"]:
        scene.server.accept(event.delivery)
    scene.stage.run(scene.over)
    assert left.done and not left


def test_what_was_sent_before_the_peer_heard_of_it_is_still_handled() -> None:
    scene = Scene()
    scene.server.on_sendable = lambda event: None
    scene.receiver(options=AtMostOnce())
    theirs = scene.server.last("on_link_opened").link
    for number in range(5):
        theirs.send(Message(number))  # on their way when we stop
    left = scene.container.stop(drain=60)
    scene.stage.run(scene.over)
    assert [event.message.body for event in scene.client.events["on_message"]] == [0, 1, 2, 3, 4]
    assert not left and scene.passed == 0


def test_nobody_is_let_in_any_more() -> None:
    scene = Scene()
    scene.sender.send(Message("holds it up"))
    scene.container.listen("amqp://client:1")
    scene.stage.run()
    scene.container.stop(drain=60)
    scene.stage.run()
    late = Witness()
    scene.stage.container(late).connect("amqp://client:1", reconnect=False)
    scene.stage.run()
    assert late.count("on_transport_error") == 1
    assert scene.connection.state & Endpoint.REMOTE_ACTIVE


def test_what_is_not_done_in_time_is_left_and_reported() -> None:
    scene = Scene(credit=2, auto_accept=False)
    receiver = scene.receiver(max_unsettled=3)
    sent = [scene.sender.send(Message(number)) for number in range(4)]
    scene.stage.run()
    scene.client.accept(next(iter(receiver.unsettled_deliveries)))
    left = scene.container.stop(drain=10)
    scene.stage.run(scene.over)
    assert scene.passed == 10
    assert left.done and left
    assert [event.delivery for event in scene.client.events["on_message"]][1:3] == left.received[:2]
    assert left.sent == sent
    assert [event.delivery for event in scene.client.events["on_in_doubt"]] == sent, "and told"
    assert "4 sent" in repr(left)
    assert scene.server.count("on_disconnected") + scene.server.count("on_connection_closed") == 1


def test_a_peer_that_does_not_answer_the_close_holds_it_up_no_longer_than_that() -> None:
    scene = Scene()
    scene.stage.stepper.containers.remove(scene.stage.host)
    left = scene.container.stop(drain=10)
    scene.stage.run(scene.over)
    assert scene.passed == 10 and left.done and not left


def test_while_there_is_no_connection_what_waits_for_it_is_waited_for() -> None:
    scene = Scene(reconnect=[3] * 20)
    scene.stage.leave()
    scene.stage.run()
    sent = scene.sender.send(Message("x"))
    left = scene.container.stop(drain=60)
    scene.later(7, scene.stage.come_back)
    scene.server.on_message = lambda event: scene.server.accept(event.delivery)
    scene.stage.run(scene.over)
    assert scene.client.last("on_accepted").delivery is sent
    assert scene.passed == 9 and not left


def test_a_connection_that_does_not_come_back_in_time_is_given_up() -> None:
    scene = Scene(reconnect=True)
    scene.stage.leave()
    scene.stage.run()
    sent = scene.sender.send(Message("x"))
    left = scene.container.stop(drain=20)
    scene.stage.run(scene.over)
    assert scene.passed == 20 and left.sent == [sent]
    assert scene.client.last("on_in_doubt").delivery is sent


def test_stopping_at_once_goes_before_stopping_in_time() -> None:
    scene = Scene()
    scene.sender.send(Message("x"))
    scene.stage.run()
    left = scene.container.stop(drain=60)
    scene.stage.run()
    assert scene.container.stop() is left
    scene.stage.run(scene.over)
    assert scene.passed == 0 and left.done


def test_it_can_run_again() -> None:
    scene = Scene()
    first = scene.container.stop(drain=5)
    scene.stage.run(scene.over)
    scene.connection = scene.container.connect(Stage.url)
    scene.stage.stepper.add(scene.container)
    sender = scene.container.create_sender(scene.connection, "q")
    scene.stage.run()
    sender.send(Message("x"))
    scene.stage.run()
    second = scene.container.stop(drain=5)
    assert second is not first
    scene.stage.run(scene.over)
    assert len(second.sent) == 1 and not first


@pytest.mark.parametrize("value", [-1, "now", True])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="drain"):
        Container().stop(drain=value)


def test_another_thread_waits_for_the_end() -> None:
    class Worker(MessagingHandler):
        def __init__(self, url: str) -> None:
            super().__init__(auto_accept=False)
            self.url = url
            self.busy = threading.Event()
            self.deliveries: list[Any] = []

        def on_start(self, event: Any) -> None:
            connection = event.container.connect(self.url)
            sender = event.container.create_sender(connection, "jobs")
            for number in range(10):
                sender.send(Message(number))
            event.container.create_receiver(connection, "jobs", max_unsettled=3)

        def on_message(self, event: Any) -> None:
            self.deliveries.append(event.delivery)
            if len(self.deliveries) == 3:
                self.busy.set()

        def finish(self) -> None:
            for delivery in self.deliveries:
                delivery.update(ACCEPTED)
                delivery.settle()

    with EmbeddedBroker() as broker:
        worker = Worker(broker.url)
        container = Container(worker)
        thread = threading.Thread(target=container.run)
        thread.start()
        assert worker.busy.wait(60)
        left = container.stop(drain=60)
        assert not left.wait(0)
        container.call_soon_threadsafe(worker.finish)
        assert left.wait(60) and not left
        thread.join(60)
        assert broker.queue("jobs").depth == 7


@pytest.mark.parametrize("drain", [None, 5])
def test_who_stops_it_gets_the_end_of_this_run_and_not_of_the_next(drain: Any) -> None:
    """The container's thread may be quicker than the return of the call in another one."""
    container = Scene().container
    container.loop.network.wake = container.close  # type: ignore[method-assign]
    assert container.stop(drain).done


def test_stopping_at_once_reports_what_is_left_too() -> None:
    scene = Scene(auto_accept=False)
    receiver = scene.receiver(max_unsettled=10)
    scene.stage.run()
    sent = [scene.sender.send(Message("x")) for _ in range(3)]
    left = scene.container.stop()
    scene.stage.run()
    assert left.done and left.sent == sent
    assert [delivery.link for delivery in left.received] == [receiver] * 10
    assert not scene.container.stop(), "it is not told again"


def test_who_waits_is_told_when_it_ends_by_itself() -> None:
    """The call in another thread comes when the last turn is over."""
    lefts: list[Any] = []

    class Late:
        def on_reactor_final(self, event: Any) -> None:
            lefts.append(event.container.stop())
            assert not lefts[0].done

    Container(Late()).run()
    assert lefts[0].done and not lefts[0]
