"""The contracts of qpid.messaging (Q), Qpid JMS (J), RabbitMQ (R) and Proton (P): the table of the chapter on
acknowledgement has each of them, with a test that has its name; and those that no other file has.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from handlers.broker.nodes.policy import Policy
from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    AtLeastOnce,
    AtMostOnce,
    LocalProtocolError,
    Message,
    ModifiedDisposition,
)
from tests.support.brokers import BrokerWorld
from tests.support.chapters import CHAPTERS, in_code
from tests.support.processes import CHECKOUT
from tests.support.stage import Stage, Witness

IDS = [
    *(f"Q{number}" for number in range(1, 19)),
    *(f"J{number}" for number in range(1, 20)),
    *(f"R{number}" for number in (*range(1, 13), 16)),
    *(f"P{number}" for number in range(1, 8)),
]

CHAPTER = CHAPTERS["reactor/ACKNOWLEDGEMENT.md"]
ROWS = CHAPTER.table("contracts")
SENTENCES = CHAPTER.table("sentences")


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """The names of all tests of the suite."""
    return {name for path in Path(CHECKOUT, "tests").rglob("*.py") for name in names_in(path)}


def names_in(path: Path) -> list[str]:
    return re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.M)


# -- the tables --------------------------------------------------------------------------------------------


def test_each_contract_has_one_row() -> None:
    assert [row[0] for row in ROWS] == IDS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_contract_is_kept_by_a_test_with_its_name_or_is_not_offered(row: list[str], tests: set[str]) -> None:
    name, promise, here, kept_by = row
    assert promise and here
    if here.startswith("Not offered: "):
        assert len(here) > len("Not offered: ") + 10, "the reason"
        assert set(in_code(kept_by)) <= tests
        return
    named = in_code(kept_by)
    assert named and set(named) <= tests
    assert all(is_of(test, name) for test in named)


def is_of(test: str, name: str) -> bool:
    """Whether a test has this row's id in its name."""
    return name in test.split("_")


@pytest.mark.parametrize("row", SENTENCES, ids=lambda row: row[0] + ": " + row[1][:40])
def test_a_sentence_of_a_document_is_kept_by_tests_or_told_apart(row: list[str], tests: set[str]) -> None:
    _, sentence, here, kept_by = row
    assert sentence and here
    assert in_code(kept_by) and set(in_code(kept_by)) <= tests


def test_every_document_has_its_sentences() -> None:
    assert {row[0] for row in SENTENCES} == {"MRG 7.3.3", "AMQ Python 9", "AMQ JMS 8", "RabbitMQ"}


# -- reliability of links ----------------------------------------------------------------------------------


@pytest.fixture
def world() -> BrokerWorld:
    return BrokerWorld()


def test_Q4_acknowledgement_of_an_unreliable_link_is_implicit_and_no_other_outcome_is_possible(world):
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 1, options=AtMostOnce())
    [received] = client.take(receiver)
    assert world.node("jobs").depth == 0, "it is gone with the transfer"
    received.settle(ACCEPTED)
    for outcome in (RELEASED, REJECTED, MODIFIED):
        with pytest.raises(LocalProtocolError, match="is settled; it cannot be"):
            received.delivery.update(outcome)
    client.vanish()
    assert world.node("jobs").depth == 0


def test_P1_a_message_sent_at_most_once_has_no_outcome(world):
    client = world.client()
    delivery = client.sender("jobs", options=AtMostOnce()).send(Message("a"))
    world.quiet()
    assert client.outcomes == [] and delivery.remote_state == 0 and world.node("jobs").depth == 1


def test_P2_a_message_sent_at_least_once_has_an_outcome_and_stays_until_it_is_accepted(world):
    client = world.client()
    sender = client.sender("jobs", options=AtLeastOnce())
    assert (sender.remote_snd_settle_mode, sender.remote_rcv_settle_mode) == (sender.SND_UNSETTLED, sender.RCV_FIRST)
    sender.send(Message("a"))
    world.quiet()
    assert client.outcomes == [ACCEPTED]
    client.receiver("jobs", 1, options=AtLeastOnce())
    client.vanish()
    other = world.client()
    receiver = other.receiver("jobs", 1)
    [again] = other.take(receiver)
    assert again.message.delivery_count == 1
    again.settle(ACCEPTED)
    world.quiet()
    assert world.node("jobs").depth == 0


# -- senders -------------------------------------------------------------------------------------------------


def test_R8_each_message_has_one_outcome_whatever_it_is():
    world = BrokerWorld(queues={"small": Policy(max_length=2, overflow="reject")})
    client = world.client()
    sender = client.sender("small")
    sent = [sender.send(Message(number)) for number in range(5)]
    world.quiet()
    assert [delivery.remote_state for delivery in sent] == client.outcomes == [ACCEPTED] * 2 + [REJECTED] * 3
    assert all(delivery.settled for delivery in sent) and sender.unsettled == 0


def test_J17_send_waits_for_nothing_and_the_outcome_comes_later(world):
    client = world.client()
    sender = client.sender("jobs")
    delivery = sender.send(Message("a"))
    assert not delivery.has_left and client.outcomes == []
    world.quiet()
    assert delivery.remote_state == ACCEPTED and client.outcomes == [ACCEPTED]


def test_J16_a_body_that_is_a_serialized_object_stays_bytes(world):
    """There is nothing to allow or deny: no class is ever made of a message."""
    pickled = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
    client = world.client()
    for kind in ("application/x-java-serialized-object", "application/python-pickle"):
        client.sender("jobs").send(Message(pickled, content_type=kind, inferred=True))
    receiver = client.receiver("jobs", 2)
    assert client.bodies(receiver) == [pickled, pickled]


def test_J19_the_settings_of_a_connection_are_in_its_open():
    stage = Stage(Witness())
    stage.connect(virtual_host="there", max_frame_size=1234, allowed_mechs=["ANONYMOUS"])
    connection = stage.server.last("on_connection_opened").connection
    assert connection.remote_hostname == "there" and connection.transport.remote_max_frame_size == 1234
    assert connection.transport.sasl().mech == "ANONYMOUS"


# -- outcomes that consumers give ------------------------------------------------------------------------------

#: (the outcome, what it is then: None for gone, or the delivery-count; its annotations; whether it comes here again)
OUTCOMES: dict[str, Any] = {
    "accepted": (ACCEPTED, None, {}, False),
    "rejected": (REJECTED, None, {}, False),
    "released": (RELEASED, 0, {}, True),
    "modified": (MODIFIED, 0, {}, True),
    "modified, failed": (ModifiedDisposition(True, False, {"x-why": "because"}), 1, {"x-why": "because"}, True),
    "modified, undeliverable here": (ModifiedDisposition(True, True), 1, {}, False),
}


@pytest.mark.parametrize(("outcome", "count", "annotations", "here"), OUTCOMES.values(), ids=OUTCOMES)
def test_R10_outcomes_of_a_consumer(world, outcome, count, annotations, here):
    first, second = world.client(), world.client()
    first.send("jobs", "a")
    receiver = first.receiver("jobs", 1)
    [received] = first.take(receiver)
    received.settle(outcome)
    receiver.flow(1)
    world.quiet()
    again = first.take(receiver)
    assert len(again) == here
    if not again:
        again = second.take(second.receiver("jobs", 1))
    assert len(again) == world.node("jobs").depth == (count is not None)
    for received in again:
        assert received.message.delivery_count == count
        assert dict(received.message.annotations or {}) == annotations


def test_R12_only_failures_count_for_the_limit():
    world = BrokerWorld(queues={"jobs": Policy(max_deliveries=2)})
    client = world.client()
    client.send("jobs", "a")
    receiver = client.receiver("jobs", 10)
    for outcome in [RELEASED] * 3 + [MODIFIED] * 3 + [ModifiedDisposition(True)]:
        [received] = client.take(receiver)
        received.settle(outcome)
        world.quiet()
    [received] = client.take(receiver)
    assert received.message.delivery_count == 1 and world.node("jobs").depth == 1
    received.settle(ModifiedDisposition(True))
    world.quiet()
    assert not client.take(receiver) and world.node("jobs").depth == 0
