"""What a receiver keeps away from `on_message`: messages that have failed too often, and those that have expired."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import (
    RELEASED,
    LocalExpiry,
    Message,
    ModifiedDisposition,
    RedeliveryPolicy,
    RejectedDisposition,
    symbol,
)
from reactor.engine.endpoints.condition import Condition
from tests.support.brokers import BrokerWorld
from tests.support.stage import Stage, Witness


class Scene:
    """A server that gets messages over one link, with these options at its receiver."""

    def __init__(self, *options: Any, auto_accept: bool = True) -> None:
        self.bodies: list[Any] = []
        self.server = Witness(10, auto_accept, on_link_opening=self._refine, on_message=self._take)
        self.options = options
        self.stage = Stage(self.server)
        self.container, self.connection = self.stage.connect()
        self.sender = self.container.create_sender(self.connection, "q")
        self.stage.run()

    def _refine(self, event: Any) -> None:
        for option in self.options:
            option.apply(event.receiver)

    def _take(self, event: Any) -> None:
        self.bodies.append(event.message.body)

    def send(self, *messages: Message) -> list[str]:
        """The outcomes of these messages."""
        sent = [self.sender.send(message) for message in messages]
        self.stage.run()
        self.outcomes = [delivery.remote for delivery in sent]
        return [delivery.remote_state.name for delivery in sent]


# -- redelivery --------------------------------------------------------------------------------------------------


def test_J9_a_message_that_has_failed_too_often_is_kept_away() -> None:
    policy = RedeliveryPolicy(2)
    scene = Scene(policy)
    states = scene.send(*(Message(count, delivery_count=count) for count in range(5)))
    assert scene.bodies == [0, 1, 2]
    assert states == ["ACCEPTED"] * 3 + ["MODIFIED"] * 2
    assert (scene.outcomes[3].failed, scene.outcomes[3].undeliverable) == (True, True)
    assert policy.kept_away == 2


def test_J9_none_may_come_again_with_0() -> None:
    scene = Scene(RedeliveryPolicy(0))
    scene.send(Message("new"), Message("again", delivery_count=1))
    assert scene.bodies == ["new"]


@pytest.mark.parametrize(
    "outcome", [RELEASED, RejectedDisposition(Condition("shop:poison")), ModifiedDisposition(failed=True)]
)
def test_J9_the_outcome_can_be_chosen(outcome: Any) -> None:
    scene = Scene(RedeliveryPolicy(0, outcome))
    name = getattr(outcome, "type", outcome).name
    assert scene.send(*(Message(n, delivery_count=1) for n in range(2))) == [name] * 2
    if name == "REJECTED":
        assert [remote.condition.name for remote in scene.outcomes] == ["shop:poison"] * 2


@pytest.mark.parametrize("auto_accept", [True, False])
def test_what_is_kept_away_is_settled_whatever_the_handler_does(auto_accept: bool) -> None:
    scene = Scene(RedeliveryPolicy(0), auto_accept=auto_accept)
    assert scene.send(Message(1, delivery_count=1)) == ["MODIFIED"]


def test_a_message_that_came_settled_is_kept_away_without_an_outcome() -> None:
    scene = Scene(RedeliveryPolicy(0))
    scene.sender.snd_settle_mode = scene.sender.SND_SETTLED
    assert scene.send(Message(1, delivery_count=1)) == ["EMPTY"]
    assert scene.bodies == []


def test_a_peer_that_takes_no_MODIFIED_gets_REJECTED_for_it_would_send_a_released_message_again() -> None:
    scene = Scene(RedeliveryPolicy(0))
    (receiver,) = [link for link in scene.stage.host.connections()[0].links(0) if link.is_receiver]
    receiver.remote_source.outcomes.put_object([symbol("amqp:accepted:list"), symbol("amqp:rejected:list")])
    assert scene.send(Message(1, delivery_count=1)) == ["REJECTED"]


def test_J9_the_embedded_broker_and_a_policy_end_a_message_that_always_fails() -> None:
    world = BrokerWorld()
    client = world.client()
    client.send("jobs", "poison")
    client.receiver("jobs", 10, options=RedeliveryPolicy(2, RejectedDisposition()))
    tried = 0
    while client.inbox:
        tried += 1
        client.take()[0].settle(ModifiedDisposition(failed=True))
        world.quiet()
    assert tried == 3, "once, and twice again"
    assert world.node("jobs").rejected == 1


# -- expiry ------------------------------------------------------------------------------------------------------


def test_J12_an_expired_message_is_kept_away() -> None:
    scene = Scene(LocalExpiry())
    now = scene.container.today()
    states = scene.send(
        Message("late", expiry_time=now - 1),
        Message("in time", expiry_time=now + 1),
        Message("no end"),
        Message("old", creation_time=now - 10, ttl=9),
        Message("young", creation_time=now - 10, ttl=11),
        Message("of unknown age", ttl=1),
        Message("told", creation_time=now - 10, ttl=1, expiry_time=now + 1),
    )
    assert scene.bodies == ["in time", "no end", "young", "of unknown age", "told"]
    assert [state == "MODIFIED" for state in states] == [True, False, False, True, False, False, False]
    assert scene.outcomes[0].undeliverable


def test_J12_a_time_before_1970_is_none() -> None:
    scene = Scene(LocalExpiry())
    year_1 = -62135596800.0  # DateTime.MinValue of .NET
    scene.send(
        Message("never", expiry_time=year_1),
        Message("of unknown age", expiry_time=year_1, creation_time=year_1, ttl=1),
        Message("old", expiry_time=year_1, creation_time=scene.container.today() - 10, ttl=9),
    )
    assert scene.bodies == ["never", "of unknown age"]


def test_J12_clocks_may_differ() -> None:
    scene = Scene(LocalExpiry(leeway=5))
    now = scene.container.today()
    scene.send(Message("a little", expiry_time=now - 4), Message("more", expiry_time=now - 6))
    assert scene.bodies == ["a little"]


def test_screens_go_together() -> None:
    policy, expiry = RedeliveryPolicy(0), LocalExpiry(outcome=RELEASED)
    scene = Scene(policy, expiry)
    now = scene.container.today()
    states = scene.send(
        Message("both", expiry_time=now - 1, delivery_count=1),
        Message("late", expiry_time=now - 1),
        Message("again", delivery_count=1),
        Message("good"),
    )
    assert scene.bodies == ["good"]
    assert states == ["MODIFIED", "RELEASED", "MODIFIED", "ACCEPTED"]
    assert (policy.kept_away, expiry.kept_away) == (2, 1)


@pytest.mark.parametrize("wrong", ["accepted", 0x23, 0, True])
def test_an_outcome_is_one_of_four(wrong: Any) -> None:
    with pytest.raises(ValueError, match="an outcome is ACCEPTED, REJECTED, RELEASED or MODIFIED, not"):
        RedeliveryPolicy(5, wrong)


def test_numbers_are_checked() -> None:
    for wrong in (-1, "5", 2.5, True, None):
        with pytest.raises(ValueError, match="max_redeliveries must be a number of messages"):
            RedeliveryPolicy(wrong)  # type: ignore[arg-type]
    for wrong in (-1, "5", True, float("nan")):
        with pytest.raises(ValueError, match="leeway is a number of seconds"):
            LocalExpiry(wrong)  # type: ignore[arg-type]
