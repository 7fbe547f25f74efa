"""The habits of brokers in transactions, and several transactions at once, by scripted peers: more of
test_transactions.py."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import Condition, Message, TransactionException, TransactionRolledBack
from reactor.simulation import World, composite
from tests.support.coordinators import ID, Play, in_transaction


@pytest.fixture
def world() -> Any:
    with World(seed=1) as world:
        yield world


@pytest.mark.parametrize("commits", [True, False], ids=["commit", "work"])
def test_qpidd_and_broker_j_detach_the_coordinator_for_an_unknown_id(world, commits):
    play = Play(world)
    sender = play.sender()
    transaction = play.active()
    error = composite("error", condition="amqp:transaction:unknown-id", description="no such transaction")
    if commits:
        play.control("discharge", ID, False)
    else:
        play.peer.expect("transfer", state=in_transaction())
    play.peer.say("detach", handle=1, closed=True, error=error).expect("detach", handle=1)
    transaction.commit() if commits else transaction.send(sender, Message("a"))
    play.run()
    assert play.client.told == ["declared", "commit failed" if commits else "aborted"]
    assert transaction.condition == Condition("amqp:transaction:unknown-id", "no such transaction")
    with pytest.raises(TransactionRolledBack, match="no such transaction"):
        transaction.commit()
    play.coordinator()
    play.declared(b"txn-2")
    again = play.container.declare_transaction(play.connection)
    play.run()
    assert again.active, "over another link"


@pytest.mark.parametrize("outcome", [None, 0x24], ids=["ActiveMQ", "Broker-J"])
def test_brokers_that_settle_no_acknowledgement_of_a_transaction_that_is_rolled_back(world, outcome):
    """The receiver still holds the message, and gives it back."""
    play = Play(world)
    play.receiver("a")
    transaction = play.active()
    [delivery] = play.client.deliveries
    play.peer.expect("disposition", settled=False, state=in_transaction(0x24))
    if outcome is not None:  # Broker-J tells what it will be
        play.peer.say("disposition", role=False, first=0, settled=False, state=in_transaction(outcome))
    transaction.accept(delivery)
    play.run()
    play.control("discharge", ID, True)
    play.outcome(composite("accepted"), first=1)
    play.peer.expect("disposition", first=0, settled=True, state=composite("released"))
    transaction.abort()
    play.run()
    assert play.client.told == ["declared", "aborted"]


# -- several at once ------------------------------------------------------------------------------------------


def test_several_transactions_have_their_sends_and_acknowledgements_over_the_same_links(world):
    play = Play(world)
    jobs = play.sender()
    play.receiver("a", "b")
    others = play.sender()
    play.coordinator()
    play.declared(b"1")
    play.declared(b"2")
    one = play.container.declare_transaction(play.connection)
    two = play.container.declare_transaction(play.connection, settle_before_discharge=True)
    play.run()
    assert (one.id, two.id) == (b"1", b"2")
    first, second = play.client.deliveries
    for work in (
        lambda: one.send(jobs, Message("x")),
        lambda: two.send(jobs, Message("y")),
        lambda: two.send(others, Message("z")),
    ):
        id = b"1" if not play.client.told[2:] else b"2"
        play.client.told.append("sent")
        play.peer.expect("transfer", state=in_transaction(id=id))
        work()
        play.run()
    play.peer.expect("disposition", first=0, settled=False, state=in_transaction(0x24, b"1"))
    play.peer.expect("disposition", first=1, settled=True, state=in_transaction(0x24, b"2"))
    one.accept(first)
    two.accept(second)
    play.run()
    play.control("discharge", b"2", False)
    play.outcome(composite("accepted"))
    two.commit()
    play.run()
    assert one.active and not two.active
    with pytest.raises(TransactionException, match="has ended>; declare another one"):
        two.commit()
    play.control("discharge", b"1", True)
    play.outcome(composite("accepted"))
    play.peer.expect("disposition", first=0, settled=True, state=composite("released"))
    one.abort()
    play.run()
    assert play.client.told == ["declared"] * 2 + ["sent"] * 3 + ["committed", "aborted"]
