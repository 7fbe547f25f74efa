"""The words by which messages are acknowledged: of a delivery, and of a session for all its receivers."""

from __future__ import annotations

import pytest

from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import ACCEPTED, MODIFIED, RECEIVED, REJECTED, RELEASED, ModifiedDisposition
from reactor.errors import REJECTED_BY_APPLICATION, LocalProtocolError
from tests.support.pair import Pair, received


def two_links(count):
    """(pair, what was sent, what has come): `count` messages in turn over two links of a session, in their order."""
    pair = Pair()
    ways = [pair.link("a"), pair.link("b")]
    for _, receiver in ways:
        receiver.flow(count)
    pair.pump()
    sent = [ways[number % 2][0].transmit(b"%d" % number) for number in range(count)]
    pair.pump()
    come = sorted((d for _, receiver in ways for d, _ in received(receiver)), key=lambda delivery: delivery.id)
    pair.said("server")
    return pair, sent, come


def states(deliveries):
    return [delivery.remote_state.name for delivery in deliveries]


# -- a delivery --------------------------------------------------------------------------------------------------


def test_the_words_of_a_delivery_end_it():
    pair, sent, come = two_links(6)
    come[0].accept()
    come[1].reject("no such order")
    come[2].reject(Condition("shop:closed", "come tomorrow"))
    come[3].release()
    come[4].modify(undeliverable=True, annotations={"x-opt-why": "tired"})
    come[5].reject()
    pair.pump()
    assert states(sent) == ["ACCEPTED", "REJECTED", "REJECTED", "RELEASED", "MODIFIED", "REJECTED"]
    assert all(delivery.settled for delivery in sent)
    assert sent[1].remote.condition == Condition(REJECTED_BY_APPLICATION, "no such order")
    assert sent[2].remote.condition == Condition("shop:closed", "come tomorrow")
    assert sent[5].remote.condition is None
    modified = sent[4].remote
    assert (modified.failed, modified.undeliverable, modified.annotations) == (True, True, {"x-opt-why": "tired"})


def test_the_same_word_twice_is_one_and_another_one_is_an_error():
    _, _, come = two_links(1)
    come[0].accept()
    come[0].accept()
    for word in (come[0].reject, come[0].release, come[0].modify):
        with pytest.raises(LocalProtocolError, match="is settled; it cannot be"):
            word()


def test_a_message_that_was_sent_has_its_outcome_from_the_receiver():
    _, sent, _ = two_links(1)
    for word in (sent[0].accept, sent[0].reject, sent[0].release, sent[0].modify):
        with pytest.raises(LocalProtocolError, match="was sent from here"):
            word()


# -- a session ---------------------------------------------------------------------------------------------------


def test_Q1_nothing_named_is_everything_read_and_unsettled_of_all_receivers_in_one_frame():
    pair, sent, come = two_links(10)
    assert come[0].session.acknowledge() == 10
    pair.pump()
    [frame] = [frame for frame in pair.said("server") if frame.name == "disposition"]
    assert (frame.first, frame.last, frame.settled) == (0, 9, True)
    assert states(sent) == ["ACCEPTED"] * 10
    assert come[0].session.acknowledge() == 0


def test_Q1_one_named_is_that_one():
    pair, sent, come = two_links(4)
    session = come[0].session
    assert session.acknowledge(come[2], REJECTED) == 1
    come[1].accept()
    assert session.acknowledge(outcome=ModifiedDisposition(True, True)) == 2
    pair.pump()
    assert states(sent) == ["MODIFIED", "ACCEPTED", "REJECTED", "MODIFIED"]
    assert sent[0].remote.undeliverable


def test_R1_R3_multiple_is_all_up_to_it_in_the_order_of_arrival():
    pair, sent, come = two_links(6)
    session = come[0].session
    come[1].release()
    assert session.acknowledge(come[3], multiple=True) == 3
    pair.pump()
    assert [delivery.settled for delivery in sent] == [True] * 4 + [False] * 2
    assert states(sent[:4]) == ["ACCEPTED", "RELEASED", "ACCEPTED", "ACCEPTED"]


def test_what_was_not_read_is_not_acknowledged():
    pair = Pair()
    sender, receiver = pair.way(True, 2)
    sent = [sender.transmit(b"1"), sender.transmit(b"2")]
    pair.pump()
    receiver.current.take()
    assert receiver.session.acknowledge() == 1
    pair.pump()
    assert [delivery.settled for delivery in sent] == [True, False]


@pytest.mark.parametrize("multiple", [True, False])
def test_what_cannot_be_acknowledged_raises_and_settles_nothing(multiple):
    pair, sent, come = two_links(3)
    session = come[0].session
    come[0].accept()
    with pytest.raises(LocalProtocolError, match=r"acknowledge\(\): .* is settled already"):
        session.acknowledge(come[0], multiple=multiple)
    with pytest.raises(LocalProtocolError, match="is of another session"):
        session.acknowledge(sent[1], multiple=multiple)
    with pytest.raises(LocalProtocolError, match="was sent from here"):
        sent[1].session.acknowledge(sent[1], multiple=multiple)
    for state in (RECEIVED, 0, None, "accepted"):
        with pytest.raises(ValueError, match="an outcome is"):
            session.acknowledge(come[1], state, multiple)
    pair.pump()
    assert states(sent) == ["ACCEPTED", "EMPTY", "EMPTY"]


@pytest.mark.parametrize("outcome", [ACCEPTED, RELEASED, MODIFIED])
def test_after_the_loss_of_the_wire_there_is_nothing_to_acknowledge(outcome):
    pair, _, come = two_links(2)
    session = come[0].session
    pair.server.transport.close_tail()
    pair.server.transport.close_head()
    pair.server.take()
    assert session.acknowledge(outcome=outcome) == 0
    assert session.acknowledge(come[0], outcome) == 1, "its sender has it again, and does not hear of it"


def test_dir_shows_the_words():
    _, _, come = two_links(1)
    assert {"accept", "reject", "release", "modify"} <= set(dir(come[0]))
    assert "acknowledge" in dir(come[0].session) and "send_flow_properties" in dir(come[0].link)
