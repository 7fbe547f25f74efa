"""OutgoingMessageHandler: credit and outcomes as a sender is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import EndpointStateHandler, OutgoingMessageHandler
from reactor import ACCEPTED, MODIFIED, RECEIVED, REJECTED, RELEASED, Handler, Message, ReceivedDisposition
from tests.support.stage import Stage, Witness

OUTCOMES = [
    (ACCEPTED, "on_accepted"),
    (REJECTED, "on_rejected"),
    (RELEASED, "on_released"),
    (MODIFIED, "on_released"),
]


def scene(on_message: Any = None, client: Any = None, **server: Any) -> tuple[Stage, Any, Any]:
    """A stage, a client, and its sender to a server whose handler does `on_message`."""
    stage = Stage(Witness(on_message=on_message, **server) if on_message else Witness(**server))
    client = Witness() if client is None else client
    container, connection = stage.connect(client)
    sender = container.create_sender(connection, "q")
    stage.run()
    return stage, client, sender


def outcomes(told: list[str]) -> list[str]:
    """What was told of deliveries."""
    names = "on_delivery_updated on_accepted on_rejected on_released on_settled on_in_doubt".split()
    return [name for name in told if name in names]


@pytest.mark.parametrize(("state", "method"), OUTCOMES)
def test_an_outcome_is_updated_then_its_own_method_then_settled(state: Any, method: str) -> None:
    stage, client, sender = scene(lambda event: event.delivery.update(state))
    sent = sender.send(Message("x"))
    stage.run()
    assert outcomes(client.told) == ["on_delivery_updated", method, "on_settled"]
    assert client.last(method).delivery is sent
    assert sent.remote_state is state


def test_an_outcome_without_settlement_is_told_once_though_it_is_said_twice() -> None:
    def think(event: Any) -> None:
        event.delivery.update(ACCEPTED)

    stage, client, sender = scene(think, Witness(auto_settle=False), auto_accept=False)
    sender.send(Message("x"))
    stage.run()
    assert outcomes(client.told) == ["on_delivery_updated", "on_accepted"]
    assert sender.unsettled == 1
    stage.server.last("on_message").delivery.settle()
    stage.run()
    assert outcomes(client.told) == ["on_delivery_updated", "on_accepted", "on_settled"]
    assert sender.unsettled == 0


def test_two_updates_in_one_read_are_each_told_once() -> None:
    stage, client, sender = scene(lambda event: None, auto_accept=False)
    sender.send(Message("x"))
    stage.run()
    delivery = stage.server.last("on_message").delivery
    server_driver = stage.host
    delivery.update(REJECTED)
    server_driver.process()
    delivery.settle()
    server_driver.process()
    stage.run()
    assert outcomes(client.told) == ["on_delivery_updated", "on_rejected", "on_settled"]


def test_a_state_that_is_no_outcome_is_only_an_update() -> None:
    stage, client, sender = scene(lambda event: event.delivery.update(ReceivedDisposition(0, 5)), auto_accept=False)
    sent = sender.send(Message("x"))
    stage.run()
    assert outcomes(client.told) == ["on_delivery_updated"]
    assert sent.remote_state is RECEIVED and sent.remote.section_offset == 5


def test_a_settlement_without_an_outcome_is_only_settled() -> None:
    stage, client, sender = scene(lambda event: event.delivery.settle(), auto_accept=False)
    sender.send(Message("x"))
    stage.run()
    assert outcomes(client.told) == ["on_settled"]


def test_outcomes_come_in_the_order_of_the_messages() -> None:
    stage, client, sender = scene()
    sent = [sender.send(Message(number)) for number in range(25)]
    stage.run()
    assert [event.delivery for event in client.events["on_accepted"]] == sent


def test_sendable_is_told_when_credit_comes_and_again_while_it_lasts() -> None:
    sent = []

    def send_one(event: Any) -> None:
        if len(sent) < 25:
            sent.append(event.sender.send(Message(len(sent))))

    stage, _, _ = scene(client=Witness(on_sendable=send_one))
    stage.run()
    assert len(sent) == 25
    assert all(delivery.remote_state is ACCEPTED for delivery in sent)


def test_sendable_is_not_told_without_credit_nor_on_a_closed_sender() -> None:
    stage, client, sender = scene(prefetch=0)
    assert client.count("on_sendable") == 0
    receiver = stage.server.last("on_link_opened").link
    receiver.flow(1)
    sender.close()
    stage.run()
    assert client.count("on_sendable") == 0


def test_a_subclass_without_a_delegate_is_called_itself() -> None:
    class Own(OutgoingMessageHandler):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[str] = []

        def on_sendable(self, event: Any) -> None:
            if not self.told:
                event.sender.send(Message("x"))
            self.told.append("sendable")

        def on_accepted(self, event: Any) -> None:
            self.told.append("accepted")

    own, root = Own(), Handler()
    root.handlers = [EndpointStateHandler(), own]
    scene(client=root)
    assert own.told == ["sendable", "sendable", "accepted"]


def test_a_delegate_needs_only_the_methods_that_it_cares_for() -> None:
    class Delegate:
        def __init__(self) -> None:
            self.told: list[str] = []

        def on_accepted(self, event: Any) -> None:
            self.told.append("accepted")

    delegate, root = Delegate(), Handler()
    root.handlers = [EndpointStateHandler(), OutgoingMessageHandler(delegate=delegate)]
    stage, _, sender = scene(client=root)
    sender.send(Message("x"))
    stage.run()
    assert delegate.told == ["accepted"]


def test_a_delegate_is_told_of_what_is_in_doubt() -> None:
    class Delegate:
        def __init__(self) -> None:
            self.doubts: list[Any] = []

        def on_in_doubt(self, event: Any) -> None:
            self.doubts.append(event.delivery)

    delegate, root = Delegate(), Handler()
    root.handlers = [EndpointStateHandler(), OutgoingMessageHandler(delegate=delegate)]
    stage, _, sender = scene(client=root, auto_accept=False)
    sent = sender.send(Message("x"))
    stage.run()
    stage.cut()
    stage.run()
    assert delegate.doubts == [sent]
