"""DuplicateFilter: `on_message` sees each message id once."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import DuplicateFilter, MessagingHandler
from reactor import AtMostOnce, Message, RedeliveryPolicy, Reject, Release
from reactor.engine.endpoints.receiver import Receiver
from reactor.simulation import World
from tests.support.stage import Stage, Witness


class Orders(DuplicateFilter, MessagingHandler):
    """Does what the test says with each message."""

    def __init__(self, auto_accept: bool = True, mode: Any = None, options: Any = None) -> None:
        super().__init__(auto_accept=auto_accept)
        self.events: list[Any] = []
        self.again: list[Any] = []
        self.act: Any = lambda event: None
        self.mode = mode
        self.options = options

    def on_link_opening(self, event: Any) -> None:
        if event.receiver:
            event.receiver.acknowledge_mode = self.mode
            if self.options is not None:
                self.options.apply(event.receiver)

    def on_message(self, event: Any) -> None:
        self.events.append(event)
        self.act(event)

    def on_duplicate(self, event: Any) -> None:
        self.again.append(event.message.body)

    @property
    def bodies(self) -> list[Any]:
        return [event.message.body for event in self.events]


class Scene:
    def __init__(self, handler: Any = None, **options: Any) -> None:
        self.orders = Orders(**options) if handler is None else handler
        self.stage = Stage(self.orders)
        self.client = Witness()
        self.container, self.connection = self.stage.connect(self.client, reconnect=None)
        self.sender = self.container.create_sender(self.connection, "q")
        self.stage.run()
        self.sent: list[Any] = []

    def send(self, *numbers: Any, **attributes: Any) -> list[str]:
        """Send messages with these ids; the outcomes of all that were sent."""
        self.sent += [self.sender.send(Message("order %s" % number, id=number, **attributes)) for number in numbers]
        self.stage.run()
        return [delivery.remote_state.name for delivery in self.sent]


@pytest.mark.parametrize("identity", [7, "seven", b"7"])
def test_P2_a_message_that_comes_again_is_accepted_and_not_seen(identity: Any) -> None:
    scene = Scene()
    assert scene.send(identity, identity) == ["ACCEPTED"] * 2
    assert scene.orders.bodies == ["order %s" % identity]
    assert scene.orders.again == scene.orders.bodies
    assert scene.orders.duplicates == 1


def test_messages_without_an_id_always_come() -> None:
    scene = Scene()
    scene.send(None, None)
    assert len(scene.orders.bodies) == 2


@pytest.mark.parametrize("end", [Reject("no"), Release("later"), "modify", "release"])
def test_a_message_that_was_not_accepted_comes_again(end: Any) -> None:
    scene = Scene()

    def act(event: Any) -> None:
        if len(scene.orders.events) == 1:
            if isinstance(end, Exception):
                raise end
            getattr(event.delivery, end)()

    scene.orders.act = act
    scene.send(1)
    assert scene.send(1, 1)[1:] == ["ACCEPTED", "ACCEPTED"]
    assert len(scene.orders.bodies) == 2
    assert scene.orders.duplicates == 1


def test_a_second_copy_of_one_that_is_worked_on_is_accepted() -> None:
    scene = Scene(auto_accept=False)
    assert scene.send(1, 1) == ["EMPTY", "ACCEPTED"]
    scene.orders.events[0].delivery.release()
    assert scene.send(1)[0] == "RELEASED"
    assert len(scene.orders.bodies) == 2, "it is given back, and so comes again"


@pytest.mark.parametrize("mode", ["client", "individual", "dups_ok", "auto"])
def test_it_works_in_each_mode(mode: str) -> None:
    scene = Scene(mode=mode)
    scene.send(1, 1, 2)
    assert scene.orders.bodies == ["order 1", "order 2"]
    if mode == "client":
        scene.orders.events[0].message.acknowledge()
    elif mode == "individual":
        for event in scene.orders.events:
            event.message.acknowledge()
    scene.stage.stepper.run_for(1)
    assert [delivery.remote_state.name for delivery in scene.sent] == ["ACCEPTED"] * 3


def test_it_works_for_messages_that_come_settled() -> None:
    scene = Scene()
    scene.sender = scene.container.create_sender(scene.connection, "q", options=AtMostOnce())
    scene.send(1, 1)
    assert scene.orders.bodies == ["order 1"]


def test_P2_what_was_sent_again_after_a_loss_is_known() -> None:
    scene = Scene()
    scene.sender = scene.container.create_sender(scene.connection, "q", name="orders", resend=True)
    scene.send(1)
    assert scene.orders.bodies == ["order 1"]
    assert scene.client.count("on_in_doubt") == 0


def test_acceptance_after_a_loss_counts_when_the_message_comes_again() -> None:
    """The peer has not heard of it, and sends the message again, to the same receiver."""
    other = Witness(0)
    stage = Stage(other)
    orders = Orders(auto_accept=False)
    container = stage.container(orders)
    connection = container.connect(stage.url)
    receiver = container.create_receiver(connection, "q")

    def post() -> None:
        (sender,) = [link for link in stage.host.connections()[-1].links(0) if link.is_sender]
        sender.send(Message("order 1", id=1))
        stage.run()

    stage.run()
    post()
    stage.cut()
    stage.run(lambda: other.count("on_link_opened") == 2)
    orders.events[0].delivery.accept()
    post()
    assert (orders.bodies, orders.again) == (["order 1"], ["order 1"])
    assert receiver.unsettled == 0


def test_what_was_lost_before_it_was_accepted_comes_again() -> None:
    other = Witness(0)
    stage = Stage(other)
    orders = Orders(auto_accept=False)
    container = stage.container(orders)
    container.create_receiver(container.connect(stage.url), "q")
    for losses in range(2):
        stage.run(lambda losses=losses: other.count("on_link_opened") == losses + 1)  # type: ignore[misc]
        (sender,) = [link for link in stage.host.connections()[-1].links(0) if link.is_sender]
        sender.send(Message("order 1", id=1))
        stage.run()
        stage.cut()
    assert orders.bodies == ["order 1"] * 2


def test_ids_are_kept_for_a_time() -> None:
    scene = Scene()
    scene.send(1)
    scene.stage.stepper.run_for(599)
    scene.send(1)
    assert scene.orders.duplicates == 1
    scene.stage.stepper.run_for(2)
    scene.send(1)
    assert scene.orders.bodies == ["order 1"] * 2


def test_as_many_are_kept_as_there_may_be() -> None:
    scene = Scene()
    scene.orders.duplicate_count = 3
    scene.send(1, 2, 3, 4, 1, 4)
    assert scene.orders.bodies == ["order %d" % number for number in (1, 2, 3, 4, 1)]


def test_each_receiver_has_its_own() -> None:
    """Two subscriptions get the same message, and both are meant."""
    scene = Scene()
    scene.send(1)
    scene.sender = scene.container.create_sender(scene.connection, "other")
    scene.send(1)
    assert scene.orders.bodies == ["order 1"] * 2


def test_it_goes_together_with_a_policy() -> None:
    scene = Scene(options=RedeliveryPolicy(0))
    scene.send(1, delivery_count=1)
    scene.send(1, 1)
    assert scene.orders.bodies == ["order 1"]


def test_the_order_of_the_bases_is_checked() -> None:
    with pytest.raises(TypeError, match=r"DuplicateFilter stands before .*class Wrong\(DuplicateFilter, ...\)"):

        class Wrong(MessagingHandler, DuplicateFilter):
            pass


def test_receivers_without_a_filter_have_no_screen() -> None:
    scene = Scene(handler=Witness())
    (receiver,) = [link for link in scene.stage.host.connections()[0].links(0) if isinstance(link, Receiver)]
    assert receiver.screen is None


@pytest.mark.parametrize("name, value", [
    ("duplicate_count", 0), ("duplicate_count", -1), ("duplicate_count", "10"),
    ("duplicate_seconds", 0), ("duplicate_seconds", -1.0), ("duplicate_seconds", None), ("duplicate_seconds", "1"),
])  # fmt: skip
def test_a_setting_that_would_find_no_duplicate_is_refused_when_the_handler_is_made(name, value):
    handler = type("Orders", (DuplicateFilter, MessagingHandler), {name: value})
    with pytest.raises(ValueError, match=name):
        handler()


def test_a_setting_that_is_changed_later_is_refused_with_the_next_receiver():
    class Orders(DuplicateFilter, MessagingHandler):
        def __init__(self):
            super().__init__()
            self.duplicate_count = "10"

        def on_start(self, event):
            event.container.create_receiver("amqp://nowhere/jobs")

    with World(1) as world, pytest.raises(ValueError, match="duplicate_count must be a number of messages, not '10'"):
        world.start(Orders)
        world.settle()
