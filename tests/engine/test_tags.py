"""Tags of deliveries: no two that are not settled have the same [2.6.12]."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import ACCEPTED, LocalProtocolError, Message
from tests.support.pair import Pair, received

SAME = "the tag '%s' is that of a delivery that is not settled"


def way(credit: int = 100) -> tuple[Pair, Any, Any]:
    pair = Pair()
    sender, receiver = pair.way(True, credit)
    return pair, sender, receiver


def accept_all(pair: Pair, receiver: Any) -> None:
    pair.pump()
    for delivery, _ in received(receiver):
        delivery.update(ACCEPTED)
        delivery.settle()
    pair.pump()


@pytest.mark.parametrize("again", ["send", "delivery"])
@pytest.mark.parametrize("first", ["send", "delivery"])
def test_a_tag_is_not_given_twice(first: str, again: str) -> None:
    pair, sender, receiver = way()

    def make(way: str) -> Any:
        return sender.send(Message("x"), tag="a") if way == "send" else sender.delivery(b"a")

    made = make(first)
    sender.advance()
    before = (sender.queued, sender.unsettled)
    with pytest.raises(LocalProtocolError, match=SAME % "a"):
        make(again)
    assert (sender.queued, sender.unsettled) == before
    pair.pump()
    with pytest.raises(LocalProtocolError, match=SAME % "a"):
        make(again)
    accept_all(pair, receiver)
    assert made.settled
    assert make(again).tag == "a", "it is free again"


@pytest.mark.parametrize("how", ["settled here", "pre-settled", "aborted", "lost"])
def test_a_tag_is_free_when_its_delivery_is_done_with(how: str) -> None:
    pair, sender, _ = way()
    if how == "pre-settled":
        sender.snd_settle_mode = sender.SND_SETTLED
    delivery = sender.send(Message("x"), tag="a")
    if how == "settled here":
        pair.pump()
        delivery.settle()
    elif how == "aborted":
        delivery.abort()
    elif how == "lost":
        sender.abandon(False)
    assert sender.send(Message("y"), tag="a").tag == "a"


def test_a_number_that_was_counted_is_not_free_either() -> None:
    pair, sender, receiver = way()
    for _ in range(3):
        sender.send(Message("x"))
    with pytest.raises(LocalProtocolError, match=SAME % "2"):
        sender.send(Message("y"), tag="2")
    with pytest.raises(LocalProtocolError, match=SAME % "3"):
        sender.delivery(b"3")
    assert sender.send(Message("y"), tag="02").tag == "02", "which is another"
    accept_all(pair, receiver)
    assert sender.send(Message("y"), tag="2").tag == "2"


def test_counting_passes_over_what_was_chosen() -> None:
    _, sender, _ = way()
    given = ("2", None, "7", "5", None, "9" * 18, None, "9" * 20, None)
    tags = [sender.send(Message("x"), tag=tag).tag for tag in given]
    assert len(set(tags)) == len(tags)
    assert tags == ["2", "3", "7", "5", "8", "9" * 18, "1" + "0" * 18, "9" * 20, "1" + "0" * 17 + "1"]
    assert len({delivery.tag for delivery in sender.unsettled_deliveries}) == len(tags)


def test_a_tag_that_was_asked_for_is_used() -> None:
    _, sender, _ = way()
    sender.send(Message("x"))
    for number in range(2, 5):
        assert sender.delivery(sender.delivery_tag()).tag == str(number)
        sender.advance()
    with pytest.raises(LocalProtocolError):
        sender.delivery("4")


def test_nothing_is_kept_of_tags_that_are_free_again() -> None:
    pair, sender, receiver = way()
    for number in range(1000):
        receiver.flow(1)
        sender.send(Message("x"), tag="tag-%d" % number)
        accept_all(pair, receiver)
    assert len(sender._given._given) <= 65
