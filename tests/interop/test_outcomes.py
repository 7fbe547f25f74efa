"""Every outcome that one side gives is the outcome that the other side sees."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from tests.interop.original import Direction
from tests.interop.roles import direct, receiving, sending

ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27


def judged(
    direction: Direction,
    sender_listens: bool,
    judge: Callable[[Any, Any], None],
    bodies: list[Any],
    options: Any = None,
    **receiver_options: Any,
) -> tuple[Any, Any]:
    """(sender, receiver) after the receiver has judged a message with each of the bodies."""
    sender_api, receiver_api = direction

    def sender(url: str, listen: bool) -> Any:
        one = sending(sender_api)(url, listen)
        one.messages = [sender_api.Message(body) for body in bodies]
        one.options = options
        return one

    def receiver(url: str, listen: bool) -> Any:
        one = receiving(receiver_api, **receiver_options)(url, listen)
        one.judge = judge
        return one

    return direct(sender, receiver, sender_listens)


def accept(role: Any, event: Any) -> None:
    role.accept(event.delivery)


def reject(role: Any, event: Any) -> None:
    role.reject(event.delivery)


def reject_with_condition(role: Any, event: Any) -> None:
    api = role.api
    event.delivery.local.condition = api.Condition("my:reason", "no good", {api.symbol("key"): "value"})
    role.reject(event.delivery)


def release(role: Any, event: Any) -> None:
    role.release(event.delivery, delivered=False)


def modify(role: Any, event: Any) -> None:
    local = event.delivery.local
    local.failed = True
    local.undeliverable = True
    local.annotations = {role.api.symbol("x-opt-note"): "tried"}
    role.settle(event.delivery, role.api.Delivery.MODIFIED)


def modify_failed_only(role: Any, event: Any) -> None:
    event.delivery.local.failed = True
    role.settle(event.delivery, role.api.Delivery.MODIFIED)


def settle(role: Any, event: Any) -> None:
    role.settle(event.delivery)


CASES = {
    "accept": (accept, {"state": ACCEPTED}, ["accepted"]),
    "reject": (reject, {"state": REJECTED}, ["rejected"]),
    "reject with condition": (
        reject_with_condition,
        {"state": REJECTED, "condition": ("my:reason", "no good", {"key": "value"})},
        ["rejected"],
    ),
    "release": (release, {"state": RELEASED}, ["released"]),
    "modify": (
        modify,
        {"state": MODIFIED, "failed": True, "undeliverable": True, "annotations": {"x-opt-note": "tried"}},
        ["released"],
    ),
    "modify, failed only": (
        modify_failed_only,
        {"state": MODIFIED, "failed": True, "undeliverable": False, "annotations": {}},
        ["released"],
    ),
    "settle without a state": (settle, {"state": 0}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_outcome(case: str, direction: Direction, sender_listens: bool) -> None:
    judge, outcome, calls = CASES[case]
    sender, _ = judged(direction, sender_listens, judge, ["a", "b"], auto_accept=False)
    assert sender.outcomes == [outcome] * 2
    assert sender.calls == calls * 2


def test_accepted_by_default(direction: Direction, sender_listens: bool) -> None:
    sender, receiver = judged(direction, sender_listens, lambda role, event: None, list(range(100)))
    assert sender.outcomes == [{"state": ACCEPTED}] * 100
    assert [message.body for message in receiver.messages] == list(range(100))


def test_raising_reject_and_release(direction: Direction, sender_listens: bool) -> None:
    def judge(role: Any, event: Any) -> None:
        if event.message.body != "good":
            raise getattr(role.api, event.message.body)()

    sender, _ = judged(direction, sender_listens, judge, ["good", "Reject", "Release"])
    assert [outcome["state"] for outcome in sender.outcomes] == [ACCEPTED, REJECTED, MODIFIED]


def test_outcomes_in_another_order_than_the_messages(direction: Direction, sender_listens: bool) -> None:
    kept: list[Any] = []

    def judge(role: Any, event: Any) -> None:
        kept.append(event.delivery)
        if len(kept) == 4:
            first, second, third, fourth = kept
            role.release(third, delivered=False)
            role.accept(fourth)
            role.reject(first)
            role.accept(second)

    sender, _ = judged(direction, sender_listens, judge, list("abcd"), auto_accept=False)
    assert [outcome["state"] for outcome in sender.outcomes] == [REJECTED, ACCEPTED, RELEASED, ACCEPTED]


def test_the_receiver_updates_and_the_sender_settles(direction: Direction, sender_listens: bool) -> None:
    """update() alone: the sender hears the state of an unsettled delivery, settles, and the receiver hears that."""
    sender_api, receiver_api = direction

    class Sender(sending(sender_api, auto_settle=False)):  # type: ignore[misc]
        def on_accepted(self, event: Any) -> None:
            assert not event.delivery.settled
            event.delivery.settle()

        def on_settled(self, event: Any) -> None:
            raise AssertionError("the receiver did not settle first")

    class Receiver(receiving(receiver_api, auto_accept=False)):  # type: ignore[misc]
        settled = 0

        def on_message(self, event: Any) -> None:
            event.delivery.update(receiver_api.Delivery.ACCEPTED)

        def on_settled(self, event: Any) -> None:
            event.delivery.settle()
            self.settled += 1
            if self.settled == 3:
                event.connection.close()

    def sender(url: str, listen: bool) -> Any:
        one = Sender(url, listen)
        one.messages = [sender_api.Message(number) for number in range(3)]
        return one

    _, receiver = direct(sender, Receiver, sender_listens)
    assert receiver.settled == 3


def test_pre_settled_messages_arrive_settled_and_have_no_outcome(
    direction: Direction, sender_listens: bool
) -> None:
    sender_api, receiver_api = direction

    def sender(url: str, listen: bool) -> Any:
        one = sending(sender_api)(url, listen)
        one.messages = [sender_api.Message(number) for number in range(50)]
        one.options = sender_api.AtMostOnce()
        one.close_when_sent = True
        return one

    def receiver(url: str, listen: bool) -> Any:
        one = receiving(receiver_api, prefetch=100)(url, listen)
        one.options = receiver_api.AtMostOnce()
        return one

    sent, received = direct(sender, receiver, sender_listens)
    assert [message.body for message in received.messages] == list(range(50))
    assert {delivery["settled"] for delivery in received.deliveries} == {True}
    assert sent.calls == []
