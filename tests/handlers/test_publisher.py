"""Publisher: a bound on messages without an outcome, and outcomes in the order of sending."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import Publisher
from reactor import AtMostOnce, Endpoint, LocalProtocolError, Message
from tests.support.stage import Stage, Witness


class Feed(Publisher):
    """Sends numbers as long as there is room, `most` of them."""

    def __init__(self, capacity: int = 3, most: int = 0) -> None:
        super().__init__(capacity)
        self.most = most
        self.sent: list[Any] = []
        self.outcomes: list[tuple[Any, str]] = []
        self.rooms = 0

    def on_room(self) -> None:
        self.rooms += 1
        while self.available() and len(self.sent) < self.most:
            self.post()

    def post(self) -> Any:
        delivery = self.send(Message(len(self.sent)))
        self.sent.append(delivery)
        return delivery

    def on_outcome(self, delivery: Any) -> None:
        state = "in doubt" if delivery.doubt is not None else delivery.remote_state.name
        self.outcomes.append((self.sent.index(delivery), state))


class Scene:
    """A server that keeps messages until it is told what to do, and a publisher."""

    def __init__(self, feed: Any = None, credit: int = 10, **options: Any) -> None:
        self.held: dict[Any, Any] = {}
        self.server = Witness(credit, False, on_message=self._hold)
        self.stage = Stage(self.server)
        self.feed = Feed() if feed is None else feed
        self.container, self.connection = self.stage.connect(reconnect=None)
        self.sender = self.feed.open(self.container, self.connection, "q", **options)
        self.stage.run()

    def _hold(self, event: Any) -> None:
        self.held[event.message.body] = event.delivery

    def end(self, number: int, how: str = "accept") -> None:
        getattr(self.held.pop(number), how)()
        self.stage.run()


def test_R8_no_more_than_the_capacity_are_without_an_outcome() -> None:
    scene = Scene(Feed(3, 10))
    assert sorted(scene.held) == [0, 1, 2]
    assert (scene.feed.unsettled(), scene.feed.available()) == (3, 0)
    scene.end(0)
    assert sorted(scene.held) == [1, 2, 3]
    scene.feed.capacity = 5
    scene.end(1)
    assert sorted(scene.held) == [2, 3, 4, 5, 6]


def test_R8_outcomes_come_in_the_order_of_sending() -> None:
    scene = Scene(Feed(5, 5))
    for number, how in ((3, "accept"), (1, "reject"), (2, "release")):
        scene.end(number, how)
    assert scene.feed.outcomes == []
    assert scene.feed.unsettled() == 5
    scene.end(0, "modify")
    assert scene.feed.outcomes == [(0, "MODIFIED"), (1, "REJECTED"), (2, "RELEASED"), (3, "ACCEPTED")]
    assert (scene.feed.unsettled(), scene.feed.available()) == (1, 4)
    scene.end(4)
    assert scene.feed.outcomes[4:] == [(4, "ACCEPTED")]


def test_Q12_more_than_the_capacity_is_an_error_and_nothing_is_sent() -> None:
    scene = Scene()
    for _ in range(3):
        scene.feed.post()
    with pytest.raises(LocalProtocolError, match=r"send\(\): 3 messages of .*: wait for on_room"):
        scene.feed.post()
    scene.stage.run()
    assert sorted(scene.held) == [0, 1, 2]
    assert scene.sender.unsettled == 3


def test_messages_wait_for_credit_within_the_capacity() -> None:
    scene = Scene(credit=0)
    for _ in range(3):
        scene.feed.post()
    scene.stage.run()
    assert (scene.held, scene.feed.unsettled(), scene.feed.available()) == ({}, 3, 0)
    (receiver,) = [link for link in scene.stage.host.connections()[0].links(0) if link.is_receiver]
    receiver.flow(2)
    scene.stage.run()
    assert sorted(scene.held) == [0, 1]


def test_there_is_no_room_without_credit() -> None:
    scene = Scene(Feed(4, 4), credit=0)
    assert (scene.feed.rooms, scene.feed.available()) == (0, 4)


def test_what_is_lost_is_reported_in_its_place() -> None:
    scene = Scene(Feed(3, 3))
    scene.end(1)
    scene.stage.cut()
    scene.stage.run()
    assert scene.feed.outcomes == [(0, "in doubt"), (1, "ACCEPTED"), (2, "in doubt")]


def test_Q13_with_resend_it_is_sent_again_and_reported_once() -> None:
    scene = Scene(Feed(2, 2), resend=True)
    scene.stage.cut()
    scene.held.clear()
    scene.stage.run(lambda: len(scene.held) == 2)
    assert scene.feed.outcomes == []
    scene.end(1)
    scene.end(0)
    assert scene.feed.outcomes == [(0, "ACCEPTED"), (1, "ACCEPTED")]


def test_a_send_timeout_is_an_outcome() -> None:
    scene = Scene(Feed(2, 2), send_timeout=5)
    scene.stage.stepper.run_for(6)
    assert scene.feed.outcomes == [(0, "in doubt"), (1, "in doubt")]
    assert scene.feed.available() == 2


def test_messages_that_are_sent_settled_wait_for_nothing() -> None:
    scene = Scene(Feed(2, 6), options=AtMostOnce())
    assert len(scene.held) == 6
    assert scene.feed.outcomes == [(number, "EMPTY") for number in range(6)]


def test_the_sender_closes_when_all_is_confirmed() -> None:
    scene = Scene(Feed(3, 3))
    scene.feed.close()
    scene.stage.run()
    assert scene.sender.state & Endpoint.LOCAL_ACTIVE
    with pytest.raises(LocalProtocolError, match=r"send\(\): call open\(\) again: it is closed"):
        scene.feed.send(Message("late"))
    for number in range(3):
        scene.end(number)
    assert scene.sender.state & Endpoint.LOCAL_CLOSED
    assert scene.feed.rooms == 1
    scene.feed.most = 0
    assert scene.feed.open(scene.container, scene.connection, "q") is not scene.sender


def test_a_publisher_without_messages_closes_at_once() -> None:
    scene = Scene()
    scene.feed.close()
    assert scene.sender.state & Endpoint.LOCAL_CLOSED


def test_it_is_opened_once() -> None:
    scene = Scene()
    with pytest.raises(LocalProtocolError, match=r"open\(\): this publisher has "):
        scene.feed.open(scene.container, scene.connection, "q")
    with pytest.raises(LocalProtocolError, match=r"send\(\): call open\(\) first"):
        Publisher().send(Message("early"))


def test_an_application_may_send_in_on_outcome() -> None:
    class Echo(Feed):
        def on_outcome(self, delivery: Any) -> None:
            super().on_outcome(delivery)
            if len(self.sent) < 5:
                self.post()

    scene = Scene(Echo(1, 1))
    for number in range(5):
        scene.end(number)
    assert [number for number, _ in scene.feed.outcomes] == list(range(5))


@pytest.mark.parametrize("wrong", [0, -1, "10", 2.5, True])
def test_the_capacity_is_checked(wrong: Any) -> None:
    with pytest.raises(ValueError, match="capacity"):
        Publisher(wrong)
