"""The connection is lost in a transaction: each line of the AMQ JMS book about that (row J5), by scripted peers.

The same with a broker, cut at each frame, is in tests/broker/test_transaction_loss.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from reactor import ACCEPTED, Message, TransactionException, TransactionRolledBack
from reactor.simulation import World, composite
from tests.support.coordinators import ID, Play, in_transaction

SECOND = b"txn-2"


@pytest.fixture
def world() -> Any:
    with World(seed=1) as world:
        yield world


def lost(world: Any, credit: int = 1, **options: Any) -> Any:
    """(play, sender, transaction): a transaction that is declared; its connection is made again when it is lost."""
    play = Play(world, reconnect=[0.1, 0.1, 0.1], **options)
    sender = play.sender(credit=credit)
    return play, sender, play.active()


def again(play: Play, attaches: int = 2) -> None:
    """The connection is back."""
    play.peer.open().begin()
    for _ in range(attaches):
        play.peer.attach(credit=10)


def committed(play: Play, transaction: Any, id: bytes = SECOND) -> None:
    play.control("discharge", id, False)
    play.outcome(composite("accepted"))
    transaction.commit()
    play.run()
    assert play.client.told[-1] == "committed" and transaction.condition is None


# -- a producer with an uncommitted transaction ------------------------------------------------------------


@pytest.mark.parametrize("has_left", [True, False])
@pytest.mark.parametrize("resend", [True, False])
def test_J5_a_send_that_is_the_first_of_its_transaction_goes_on_after_the_reconnect(world, has_left, resend):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    sender = play.sender(credit=int(has_left), resend=resend)
    transaction = play.active()
    if has_left:
        play.peer.expect("transfer", state=in_transaction())
    else:
        play.peer.say("flow", next_incoming_id=1, incoming_window=9, next_outgoing_id=0, outgoing_window=9)
    play.peer.cut()
    delivery = transaction.send(sender, Message("a"))
    again(play)
    play.declared(SECOND)
    play.peer.expect("transfer", state=in_transaction(id=SECOND), settled=False)
    play.outcome(in_transaction(0x24, SECOND))
    play.run()
    assert play.client.told == ["declared", "lost"], "nothing else is said"
    assert transaction.active and transaction.id == SECOND
    assert delivery.remote.outcome_type == ACCEPTED and delivery.doubt is None
    committed(play, transaction)


def test_J5_the_message_waits_until_there_is_a_transaction_and_so_do_those_behind_it(world):
    play, sender, transaction = lost(world)
    play.peer.expect("transfer", state=in_transaction()).cut()
    first = transaction.send(sender, Message("a"))
    again(play)
    play.control("declare", None)
    play.run()
    behind = sender.send(Message("b"))
    world.run_for(5)
    assert not first.has_left and not behind.has_left and sender.queued == 2
    play.outcome(composite("declared", txn_id=SECOND))
    play.peer.expect("transfer", state=in_transaction(id=SECOND))
    play.peer.expect("transfer", state=None)
    play.run()
    assert first.has_left and behind.has_left


def test_J5_what_is_sent_first_while_there_is_no_connection_is_in_the_next_transaction(world):
    play, sender, transaction = lost(world)
    play.peer.cut()
    world.run_until(lambda: "lost" in play.client.told)
    assert transaction.active and transaction.id is None
    sent = [transaction.send(sender, Message(body)) for body in "ab"]
    transaction.commit()
    again(play)
    play.declared(SECOND)
    for _ in sent:
        play.peer.expect("transfer", state=in_transaction(id=SECOND))
    play.control("discharge", SECOND, False)
    play.outcome(composite("accepted"))
    play.run()
    assert play.client.told == ["declared", "lost", "committed"]


def test_J5_a_large_message_that_was_cut_in_two_goes_on_as_a_whole(world):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    play.peer = world.peer("small:5672").ignore("flow")
    play.connection = play.container.connect("amqp://small:5672", reconnect=[0.1, 0.1, 0.1])
    play.peer.open(max_frame_size=512).begin()
    sender = play.sender()
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction(), more=True).cut()
    transaction.send(sender, Message(b"x" * 1200))
    play.peer.open(max_frame_size=512).begin().attach(credit=10).attach(credit=10)
    play.declared(SECOND)
    for more in (True, True, None):
        play.peer.expect(
            "transfer", state=in_transaction(id=SECOND), more=lambda seen, more=more: bool(seen) == bool(more)
        )
    play.run()
    committed(play, transaction)


@pytest.mark.parametrize("earlier", ["a send under way", "a send with an outcome", "an acknowledgement"])
def test_J5_with_earlier_work_in_it_the_transaction_has_failed(world, earlier):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    sender = play.sender(credit=10)
    play.receiver("m")
    transaction = play.active()
    if earlier == "an acknowledgement":
        play.peer.expect("disposition", state=in_transaction(0x24))
        transaction.accept(play.client.deliveries[0])
    else:
        play.peer.expect("transfer", state=in_transaction())
        transaction.send(sender, Message("a"))
        if earlier == "a send with an outcome":
            play.outcome(in_transaction(0x24))
    play.run()
    if earlier != "a send with an outcome":
        play.peer.expect("transfer", state=in_transaction())
        transaction.send(sender, Message("b"))
    play.peer.cut()
    again(play, 3)
    play.run()
    world.run_for(5)
    assert play.client.told.count("aborted") == 1 and not transaction.in_doubt
    assert transaction.condition is not None and sender.queued == 0
    for late in (transaction.commit, lambda: transaction.send(sender, Message("c"))):
        with pytest.raises(TransactionRolledBack, match="declare another one"):
            late()


def test_J5_what_is_resent_by_the_user_goes_into_the_next_transaction(world):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    sender = play.sender(credit=10)
    transaction = play.active()
    for _ in "ab":
        play.peer.expect("transfer", state=in_transaction())
    play.peer.cut()
    sent = [transaction.send(sender, Message(body)) for body in "ab"]
    again(play)
    play.declared(SECOND)
    following = []

    def resend(event: Any) -> None:
        following.append(play.container.declare_transaction(play.connection))

    play.client.on_transaction_aborted = resend
    play.run()
    assert [delivery.doubt is not None for delivery in sent] == [True, True]
    for body in "ab":
        play.peer.expect("transfer", state=in_transaction(id=SECOND))
        following[0].send(sender, Message(body))
    play.run()
    committed(play, following[0])


def test_J5_a_transaction_without_work_goes_on(world):
    play, sender, transaction = lost(world)
    play.peer.cut()
    again(play)
    play.declared(SECOND)
    play.run()
    play.peer.expect("transfer", state=in_transaction(id=SECOND))
    transaction.send(sender, Message("a"))
    play.run()
    committed(play, transaction)
    assert play.client.told == ["declared", "lost", "committed"]


def test_J5_losses_may_follow_each_other_before_the_transaction_is_declared_again(world):
    play, sender, transaction = lost(world)
    play.peer.expect("transfer", state=in_transaction()).cut()
    transaction.send(sender, Message("a"))
    play.peer.open().cut()
    again(play)
    play.control("declare", None)
    play.peer.cut()
    again(play)
    play.declared(SECOND)
    play.peer.expect("transfer", state=in_transaction(id=SECOND))
    play.run()
    assert play.client.told == ["declared", "lost", "lost", "lost"]
    committed(play, transaction)


def test_J5_a_transaction_that_cannot_begin_again_has_failed(world):
    play, sender, transaction = lost(world)
    play.peer.expect("transfer", state=in_transaction()).cut()
    delivery = transaction.send(sender, Message("a"))
    again(play)
    play.control("declare", None)
    error = composite("error", condition="amqp:resource-limit-exceeded", description="too many")
    play.outcome(composite("rejected", error=error))
    play.run()
    assert play.client.told == ["declared", "lost", "aborted", "in doubt"]
    assert transaction.condition.name == "amqp:resource-limit-exceeded" == delivery.doubt.name
    assert sender.queued == 0 and not delivery.has_left
    with pytest.raises(TransactionRolledBack, match="too many"):
        transaction.commit()


def test_J5_a_connection_that_does_not_come_back_ends_it(world):
    play = Play(world)
    sender = play.sender(credit=1)
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction()).cut()
    transaction.send(sender, Message("a"))
    play.run()
    assert play.client.told.count("aborted") == 1 and play.client.told.count("in doubt") == 1
    with pytest.raises(TransactionRolledBack):
        transaction.commit()


def test_J5_an_abort_after_the_loss_undoes_the_transaction_that_is_declared_again(world):
    play, sender, transaction = lost(world)
    play.peer.expect("transfer", state=in_transaction()).cut()
    delivery = transaction.send(sender, Message("a"))
    world.run_until(lambda: "lost" in play.client.told)
    transaction.abort()
    again(play)
    play.declared(SECOND)
    play.control("discharge", SECOND, True)
    play.outcome(composite("accepted"))
    play.run()
    assert play.client.told == ["declared", "lost", "aborted"] and transaction.condition is None
    assert sender.queued == 0 and not delivery.has_left


def test_J5_a_send_that_the_user_gave_up_before_it_left_is_no_work(world):
    play, sender, transaction = lost(world, credit=0)
    transaction.send(sender, Message("a")).abort()
    play.run()
    play.peer.cut()
    again(play)
    play.declared(SECOND)
    play.peer.expect("transfer", state=in_transaction(id=SECOND), payload=bytes(Message("b").encode()))
    world.run_until(lambda: "lost" in play.client.told)
    transaction.send(sender, Message("b"))
    play.run()
    committed(play, transaction)


# -- a producer, or a consumer, with a pending commit --------------------------------------------------------


@pytest.mark.parametrize("work", ["a send", "an acknowledgement"])
def test_J5_a_pending_commit_is_reported_as_rolled_back_and_in_doubt(world, work):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    sender = play.sender()
    play.receiver("m")
    transaction = play.active()
    if work == "a send":
        play.peer.expect("transfer", state=in_transaction())
        transaction.send(sender, Message("a"))
    else:
        play.peer.expect("disposition", state=in_transaction(0x24))
        transaction.accept(play.client.deliveries[0])
    play.control("discharge", ID, False)
    play.peer.cut()
    transaction.commit()
    again(play, 3)
    play.run()
    world.run_for(5)
    assert play.client.told.count("commit failed") == 1 and transaction.in_doubt
    assert sender.queued == 0, "it is not sent again"
    with pytest.raises(TransactionRolledBack, match="has ended"):
        transaction.commit()


# -- a consumer with an uncommitted transaction ----------------------------------------------------------------


def test_J5_pending_acknowledgements_are_dropped(world):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    play.receiver("m")
    transaction = play.active()
    play.peer.expect("disposition", settled=False, state=in_transaction(0x24)).cut()
    transaction.accept(play.client.deliveries[0])
    again(play)
    play.run()
    world.run_for(5)
    assert play.client.told == ["declared", "lost", "aborted"]
    assert play.peer.seen.performative == "attach", "nothing is said about it over the next connection"
    with pytest.raises(TransactionRolledBack):
        transaction.commit()


def test_J5_an_acknowledgement_of_a_message_of_the_lost_connection_fails_its_transaction(world):
    """The broker gives that message to a receiver again: were its copy committed, there would be two."""
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    sender = play.sender()
    play.receiver("m")
    transaction = play.active()
    play.peer.cut()
    again(play, 3)
    play.declared(SECOND)
    play.run()
    play.peer.expect("transfer", state=in_transaction(id=SECOND))
    transaction.send(sender, Message("copy of m"))
    transaction.accept(play.client.deliveries[0])
    play.control("discharge", SECOND, True)
    play.outcome(composite("accepted"))
    transaction.commit()
    play.run()
    assert play.client.told == ["declared", "lost", "commit failed"] and not transaction.in_doubt
    assert "over a connection or link that is lost" in transaction.condition.description


def come(play: Play, number: int = 0) -> None:
    play.peer.say(
        "transfer",
        handle=0,
        delivery_id=number,
        delivery_tag=b"%d" % number,
        payload=bytes(Message("m").encode()),
    )


@pytest.mark.parametrize("early", [False, True], ids=["settled with the discharge", "settled before it"])
def test_J5_an_outcome_that_is_given_before_the_transaction_is_declared_again_waits_for_that(world, early):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    play.receiver()
    transaction = play.active(settle_before_discharge=early)
    play.peer.cut()
    again(play)
    come(play)
    play.client.on_message = lambda event: play.client.accept(event.delivery, transaction)
    play.control("declare", None)
    play.run()
    world.run_for(5)
    play.outcome(composite("declared", txn_id=SECOND))
    play.peer.expect("disposition", first=0, settled=early, state=in_transaction(0x24, SECOND))
    play.run()
    play.control("discharge", SECOND, False)
    play.outcome(composite("accepted"))
    if not early:
        play.peer.expect("disposition", first=0, settled=True, state=composite("accepted"))
    transaction.commit()
    play.run()
    assert play.client.told == ["declared", "lost", "committed"]


@pytest.mark.parametrize("end", ["refused", "lost again"])
def test_J5_an_outcome_that_waits_is_dropped_with_its_transaction(world, end):
    play = Play(world, reconnect=[0.1, 0.1, 0.1])
    play.receiver()
    transaction = play.active()
    play.peer.cut()
    again(play)
    come(play)
    play.client.on_message = lambda event: play.client.accept(event.delivery, transaction)
    play.control("declare", None)
    if end == "refused":
        play.outcome(composite("rejected"))
        play.peer.expect("disposition", first=0, settled=True, state=composite("released"))
    else:
        play.peer.cut()
        again(play)
    play.run()
    world.run_for(5)
    assert play.client.told[-1] == "aborted" and not transaction.active
    with pytest.raises(TransactionException):
        transaction.commit()
