"""OutgoingMessageHandler: credit and outcomes as a sender is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import EndpointStateHandler, OutgoingMessageHandler
from reactor import (
    ACCEPTED,
    MODIFIED,
    RECEIVED,
    REJECTED,
    RELEASED,
    Condition,
    Handler,
    LocalProtocolError,
    Message,
    ReceivedDisposition,
)
from reactor.engine.handler import Dispatcher
from tests.support.frames import Peer
from tests.support.pair import Pair
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


def test_after_the_connection_is_closed_here_nothing_can_be_sent_and_nobody_is_asked_to() -> None:
    """Called again it would be told that there is credit, and what it sends would never leave."""
    errors: list[str] = []
    sent: list[Any] = []

    def once(event: Any) -> None:
        sent.append(event.sender.send(Message("x")))
        event.connection.close()
        for again in (lambda: event.sender.send(Message("y")), lambda: event.sender.delivery("z")):
            try:
                again()
            except LocalProtocolError as error:
                errors.append(error.condition)

    client = Witness(on_sendable=once)
    stage = Stage(Witness())
    container, connection = stage.connect(client)
    container.create_sender(connection, "q")
    stage.run()
    assert client.count("on_sendable") == 1
    assert errors == ["amqp:illegal-state"] * 2
    [delivery] = sent
    assert client.count("on_in_doubt") + client.count("on_accepted") == 1
    if client.count("on_in_doubt"):
        assert delivery.doubt.name == "amqp-reactor:ended" and "closed" in delivery.doubt.description


@pytest.mark.parametrize("what", ["link", "session", "connection"])
@pytest.mark.parametrize("by", ["here", "the peer"])
def test_the_side_that_closed_first_is_the_reason_for_a_doubt(what: str, by: str) -> None:
    """The other side has answered the close when the application asks."""
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    sent = sender.transmit(b"x")
    pair.pump()
    for link in (sender, receiver) if by == "here" else (receiver, sender):
        {"link": link, "session": link.session, "connection": link.connection}[what].close()
        pair.pump()
    expected = {
        "here": f"the {what} was closed here before there was an outcome",
        "the peer": f"the peer has closed the {what}, and gave no reason",
    }
    assert sent.doubt is not None and sent.doubt.description == expected[by]


@pytest.mark.parametrize("what", ["link", "session", "connection"])
def test_a_reason_of_the_peer_s_own_goes_before_a_close_here(what: str) -> None:
    pair = Pair()
    sender, receiver = pair.way(True, 5)
    sent = sender.transmit(b"x")
    pair.pump()
    ends = [{"link": link, "session": link.session, "connection": link.connection}[what] for link in (sender, receiver)]
    ends[1].condition = Condition("amqp:internal-error", "the disk is full")
    for end in ends:
        end.close()
    pair.pump()
    assert sent.doubt is not None and sent.doubt.description == "the disk is full"


@pytest.mark.parametrize("what", ["link", "session", "connection", "lost"])
@pytest.mark.parametrize("by", ["here", "the peer"])
def test_there_is_always_a_reason_for_a_doubt(what: str, by: str) -> None:
    pair = Pair()
    sender, _ = pair.way(True, 5)
    sent = sender.transmit(b"x")
    pair.pump()
    near = pair.client if by == "here" else pair.server
    if what == "lost":
        pair.client.transport.close_tail()
        pair.client.transport.unbind()
    else:
        link = near.connection.link_head(0)
        assert link is not None
        {"link": link, "session": link.session, "connection": link.connection}[what].close()
        pair.pump()
    assert sent.doubt is not None and sent.doubt.description
    if what != "lost":
        assert sent.doubt.name == "amqp-reactor:ended" and what in sent.doubt.description


def test_on_sendable_that_raised_is_called_again() -> None:
    """The credit is there as before; nothing else would tell of it until there is more."""
    calls: list[int] = []

    def fail_once(event: Any) -> None:
        calls.append(event.sender.credit)
        if len(calls) == 1:
            raise ZeroDivisionError
        event.sender.close()

    peer = Peer.client()
    peer.sender()
    dispatcher = Dispatcher(peer.collector, None, Witness(prefetch=0, on_sendable=fail_once))
    peer.flow(3)
    with pytest.raises(ZeroDivisionError):
        dispatcher.run()
    dispatcher.run()
    assert calls == [3, 3]
    dispatcher.run()
    assert calls == [3, 3]


@pytest.mark.parametrize("what", ["link", "session", "connection"])
def test_on_link_flow_that_raised_is_not_called_again_for_what_was_closed_meanwhile(what: str) -> None:
    calls: list[Any] = []

    class Failing:
        def on_link_flow(self, event: Any) -> None:
            calls.append(event.link)
            {"link": event.link, "session": event.session, "connection": event.connection}[what].close()
            raise ZeroDivisionError

    peer = Peer.client()
    peer.sender()
    dispatcher = Dispatcher(peer.collector, None, Failing())
    peer.flow(3)
    with pytest.raises(ZeroDivisionError):
        dispatcher.run()
    dispatcher.run()
    assert len(calls) == 1
