"""Transactions of a client, with peers by script: the habits of brokers, and the ends that a transaction can have.

The same with the embedded broker is in tests/broker/test_transactions.py.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handlers import MessagingHandler, TransactionHandler
from reactor import (
    ACCEPTED,
    AtMostOnce,
    Backoff,
    Condition,
    Delivery,
    Message,
    RejectedDisposition,
    TransactionException,
    TransactionRolledBack,
)
from reactor.simulation import World, composite
from tests.support.coordinators import ID, TO_COORDINATOR, Play, given, in_transaction


@pytest.fixture
def world() -> Any:
    with World(seed=1) as world:
        yield world


# -- declaring ---------------------------------------------------------------------------------------------


def test_P4_a_transaction_can_be_used_when_it_is_declared(world):
    play = Play(world)
    play.coordinator()
    transaction = play.container.declare_transaction(play.connection)
    play.run()
    assert not transaction.active and transaction.id is None
    with pytest.raises(TransactionException, match="wait for on_transaction_declared"):
        transaction.commit()
    play.declared()
    play.run()
    assert play.client.told == ["declared"] and play.client.transactions == [transaction]
    assert transaction.active and transaction.id == ID


def test_a_handler_of_its_own_gets_the_events(world):
    class Own(TransactionHandler):
        told: list[Any] = []

        def on_transaction_declared(self, event: Any) -> None:
            self.told.append(event.transaction)

    play = Play(world)
    transaction = play.active(handler=Own())
    assert Own.told == [transaction] and play.client.told == []


@pytest.mark.parametrize("reason", [Condition("amqp:resource-limit-exceeded", "too many"), None], ids=repr)
def test_a_rejected_declaration(world, reason):
    play = Play(world)
    play.coordinator()
    play.control("declare", None)
    error = {} if reason is None else {"error": composite("error", condition=reason.name, description="too many")}
    play.outcome(composite("rejected", **error))
    transaction = play.container.declare_transaction(play.connection)
    play.run()
    assert play.client.told == ["declare failed"]
    assert transaction.condition.name == ("amqp:transaction:rollback" if reason is None else reason.name)
    with pytest.raises(TransactionRolledBack, match=r"has ended.*declare another"):
        transaction.commit()


def test_an_answer_that_declares_nothing(world):
    play = Play(world)
    play.coordinator()
    play.control("declare", None)
    play.outcome(composite("accepted"))
    transaction = play.container.declare_transaction(play.connection)
    play.run()
    assert play.client.told == ["declare failed"] and "declared no transaction" in transaction.condition.description


@pytest.mark.parametrize("reconnect", [False, Backoff()])
def test_a_session_that_is_closed_before_the_answer_ends_its_declaration_and_nothing_else(world, reconnect):
    """Not even where the connection would be made again: it was not lost."""
    play = Play(world, reconnect=reconnect)
    session = play.container.create_session(play.connection)
    transaction = play.container.declare_transaction(session)
    play.coordinator()
    play.control("declare", None)
    play.run()
    session.close()
    play.peer.expect("end").say("end")
    play.run()
    assert transaction.is_over and play.client.told == ["declare failed"]
    play.container.create_sender(play.connection, "jobs").send(Message("work"))
    play.peer.begin().attach(credit=1).expect("transfer", payload=Message("work").encode())
    play.run()


def refuse(play: Play, session: bool) -> None:
    error = composite("error", condition="amqp:not-implemented", description="no transactions")
    play.peer.expect("attach", **TO_COORDINATOR)
    if session:  # as RabbitMQ
        play.peer.say("end", error=error).expect("end")
        return
    seen = {key: (lambda frame, key=key: getattr(frame, key)) for key in ("name", "handle")}
    play.peer.answer("attach", **seen, role=True)
    play.peer.say("detach", handle=0, closed=True, error=error).expect("detach")


@pytest.mark.parametrize("session", [False, True], ids=["the link", "the session, as RabbitMQ"])
def test_a_peer_without_transactions_says_so_at_the_declaration(world, session):
    play = Play(world)
    refuse(play, session)
    first = play.container.declare_transaction(play.connection)
    second = play.container.declare_transaction(play.connection)
    play.run()
    assert [told for told in play.client.told if told != "session error"] == ["declare failed"] * 2
    for transaction in (first, second):
        assert transaction.condition == Condition("amqp:not-implemented", "no transactions")
        with pytest.raises(TransactionException, match="no transactions"):
            transaction.abort()


def test_a_refusal_that_no_method_hears_of_is_logged_and_ends_the_connection(world, caplog):
    play = Play(world, client=MessagingHandler())
    refuse(play, False)
    play.container.declare_transaction(play.connection)
    play.peer.expect("close").say("close").hang_up()
    play.run()
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "no transaction can be declared: amqp:not-implemented: no transactions" in record.getMessage()
    assert "no on_transaction_declare_failed listens" in record.getMessage()
    assert isinstance(play.container.ended_by, TransactionException)


def test_another_link_is_made_for_the_next_transaction(world):
    play = Play(world)
    refuse(play, False)
    play.container.declare_transaction(play.connection)
    play.run()
    transaction = play.active()
    assert play.client.told == ["declare failed", "declared"] and transaction.active


# -- work --------------------------------------------------------------------------------------------------


def test_a_message_carries_the_transaction_and_its_outcome_is_provisional(world):
    play = Play(world)
    sender = play.sender()
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction(), settled=False)
    play.outcome(in_transaction(0x24))
    delivery = transaction.send(sender, Message("a"))
    play.run()
    assert delivery.remote.outcome_type == ACCEPTED and delivery.settled
    assert play.client.told == ["declared"], "it is accepted when it is committed"
    play.control("discharge", ID, False)
    play.outcome(composite("accepted"))
    transaction.commit()
    play.run()
    assert play.client.told == ["declared", "committed"]


def test_each_frame_of_a_large_message_carries_the_transaction(world):
    play = Play(world)
    play.peer = world.peer("small:5672").ignore("flow")
    play.connection = play.container.connect("amqp://small:5672", reconnect=False)
    play.peer.open(max_frame_size=512).begin()
    sender = play.sender()
    transaction = play.active()
    for _ in range(2):
        play.peer.expect("transfer", state=in_transaction(), more=True)
    play.peer.expect("transfer", state=in_transaction())
    transaction.send(sender, Message(b"x" * 1200))
    play.run()


def test_a_pre_settled_message_carries_the_transaction_too(world):
    play = Play(world)
    sender = play.sender(options=AtMostOnce())
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction(), settled=True)
    transaction.send(sender, Message("a"))
    play.control("discharge", ID, False)
    transaction.commit()
    play.run()


@pytest.mark.parametrize("code, name", [(0x25, "rejected"), (0x26, "released"), (0x27, "released")])
def test_a_message_that_the_peer_will_not_take_is_reported(world, code, name):
    play = Play(world)
    sender = play.sender()
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction())
    play.outcome(in_transaction(code))
    transaction.send(sender, Message("a"))
    play.run()
    assert play.client.told == ["declared", name]


@pytest.mark.parametrize("apart", [False, True], ids=["on one session", "on two sessions"])
def test_outcomes_leave_before_the_discharge_of_the_same_turn(world, apart):
    """The writer of a turn has messages first, else."""
    play = Play(world)
    play.receiver("a")
    context = play.connection
    if apart:
        play.peer.begin()
        context = play.container.create_session(play.connection)
    play.coordinator()
    play.declared()
    transaction = play.container.declare_transaction(context)
    play.run()
    play.peer.expect("disposition", channel=0, state=in_transaction(0x24))
    play.control("discharge", ID, False)
    transaction.accept(play.client.deliveries[0])
    transaction.commit()
    play.run()


@pytest.mark.parametrize("early", [False, True])
def test_outcomes_are_given_in_the_transaction(world, early):
    play = Play(world)
    play.receiver("a", "b", "c", "d")
    transaction = play.active(settle_before_discharge=early)
    one, two, three, four = play.client.deliveries
    for number, outcome in enumerate([0x24, 0x25, 0x26, 0x27]):
        play.peer.expect("disposition", first=number, settled=early, state=given(outcome))
    play.client.accept(one, transaction)
    two.local.condition = Condition("app:broken", "it is broken")
    transaction.reject(two)
    transaction.release(three, delivered=False)
    transaction.release(four)
    play.run()
    play.control("discharge", ID, False)
    play.outcome(composite("accepted"))
    if not early:  # the peer settles none of them
        for number, name in enumerate(["accepted", "rejected", "released", "modified"]):
            play.peer.expect("disposition", first=number, settled=True, state=composite(name))
    transaction.commit()
    play.run()
    assert all(delivery.fate for delivery in play.client.deliveries)


def test_the_reason_of_a_rejection_goes_with_it(world):
    play = Play(world)
    play.receiver("a")
    transaction = play.active()
    wanted = lambda state: state.value[1].value[0].value[0] == "app:broken"  # noqa: E731
    play.peer.expect("disposition", state=wanted)
    transaction.update(play.client.deliveries[0], RejectedDisposition(Condition("app:broken")))
    play.run()


def test_what_was_not_settled_goes_back_when_it_is_aborted(world):
    play = Play(world)
    play.receiver("a")
    transaction = play.active()
    play.peer.expect("disposition", first=0, settled=False, state=in_transaction(0x24))
    transaction.accept(play.client.deliveries[0])
    play.run()
    play.control("discharge", ID, True)
    play.outcome(composite("accepted"))
    play.peer.expect("disposition", first=0, settled=True, state=composite("released"))
    transaction.abort()
    play.run()
    assert play.client.told == ["declared", "aborted"] and transaction.failed and transaction.condition is None


def test_a_delivery_of_an_aborted_transaction_can_go_on_in_another_one(world):
    play = Play(world)
    play.receiver("a")
    transaction = play.active()
    other = play.container.declare_transaction(play.connection)
    play.declared(b"txn-2")
    play.run()
    [delivery] = play.client.deliveries
    play.client.on_transaction_aborted = lambda event: other.accept(delivery)
    play.peer.expect("disposition", state=in_transaction(0x24))
    transaction.accept(delivery)
    play.run()
    play.control("discharge", ID, True)
    play.outcome(composite("accepted"))
    play.peer.expect("disposition", settled=False, state=in_transaction(0x24, b"txn-2"))
    transaction.abort()
    play.run()


# -- the habits of brokers ---------------------------------------------------------------------------------


def test_qpidd_answers_with_a_plain_target_and_plain_outcomes_and_uses_an_id_again(world):
    play = Play(world)
    sender = play.sender()
    play.receiver("a")
    play.coordinator(target=composite("target"))
    play.declared()
    first = play.container.declare_transaction(play.connection)
    play.run()
    play.peer.expect("disposition", state=in_transaction(0x24))
    play.peer.expect("transfer", state=in_transaction())
    play.outcome(composite("accepted"))
    play.peer.say("disposition", role=False, first=0, settled=True, state=composite("accepted"))
    first.send(sender, Message("a"))
    first.accept(play.client.deliveries[0])
    play.run()
    play.control("discharge", ID, False)
    play.outcome(composite("accepted"))
    first.commit()
    play.run()
    assert play.client.told == ["declared", "accepted", "committed"]
    play.declared()
    second = play.container.declare_transaction(play.connection)
    play.run()
    assert second.id == first.id and second.active and not first.active
    with pytest.raises(TransactionException, match="has ended"):
        first.send(sender, Message("b"))


def test_activemq_settles_acknowledgements_when_it_commits(world):
    play = Play(world)
    play.receiver("a")
    transaction = play.active()
    [delivery] = play.client.deliveries
    play.peer.expect("disposition", settled=False, state=in_transaction(0x24))
    transaction.accept(delivery)
    play.run()
    play.control("discharge", ID, False)
    play.peer.say("disposition", role=False, first=0, settled=True, state=composite("accepted"))
    play.outcome(composite("accepted"), first=1)
    transaction.commit()
    play.run()
    assert delivery.settled and play.client.told[-1] == "committed"
    assert play.peer.seen.performative == "transfer", "nothing more is said about it"


@pytest.mark.parametrize("closes", [False, True], ids=["ActiveMQ", "Artemis"])
def test_a_connection_that_is_closed_for_an_unknown_id(world, closes):
    play = Play(world)
    sender = play.sender()
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction())
    if closes:
        play.peer.say("close", error=composite("error", condition="amqp:transaction:unknown-id")).expect("close")
        play.peer.hang_up()
    else:
        play.peer.cut()
    transaction.send(sender, Message("a"))
    play.run()
    assert play.client.told.count("in doubt") == 1 and play.client.told.count("aborted") == 1
    if closes:
        assert transaction.condition.name == "amqp:transaction:unknown-id"
    with pytest.raises(TransactionRolledBack):
        transaction.commit()


def test_broker_j_gives_its_coordinator_a_credit_of_one(world):
    play = Play(world)
    play.coordinator(credit=1)
    first = play.container.declare_transaction(play.connection)
    second = play.container.declare_transaction(play.connection)
    play.declared(b"1")
    play.grant(1, 1)
    play.declared(b"2")
    play.run()
    assert (first.id, second.id) == (b"1", b"2")
    second.commit()
    first.abort()
    play.grant(1, 2)
    play.control("discharge", b"2", False)
    play.outcome(composite("accepted"))
    play.grant(1, 3)
    play.control("discharge", b"1", True)
    play.outcome(composite("accepted"))
    play.run()
    assert play.client.told == ["declared", "declared", "committed", "aborted"]
    assert play.client.transactions[2:] == [second, first]


# -- its end -----------------------------------------------------------------------------------------------


def test_a_commit_that_the_peer_rejects(world):
    play = Play(world)
    play.receiver("a")
    transaction = play.active()
    play.peer.expect("disposition", state=in_transaction(0x24))
    transaction.accept(play.client.deliveries[0])
    play.run()
    play.control("discharge", ID, False)
    error = composite("error", condition="amqp:transaction:timeout", description="too late")
    play.outcome(composite("rejected", error=error))
    play.peer.expect("disposition", first=0, settled=True, state=composite("released"))
    transaction.commit()
    play.run()
    assert play.client.told == ["declared", "commit failed"]
    assert transaction.condition == Condition("amqp:transaction:timeout", "too late") and not transaction.in_doubt


def test_the_discharge_waits_for_messages_without_credit(world):
    play = Play(world)
    sender = play.sender(credit=0)
    transaction = play.active()
    transaction.send(sender, Message("a"))
    transaction.send(sender, Message("b"))
    transaction.commit()
    world.run_for(5)
    assert play.peer.done
    windows = {"next_incoming_id": 0, "incoming_window": 1000, "next_outgoing_id": 0, "outgoing_window": 1000}
    play.peer.say("flow", handle=0, delivery_count=0, link_credit=2, **windows)
    for _ in range(2):
        play.peer.expect("transfer", handle=0, state=in_transaction())
    play.control("discharge", ID, False)
    play.outcome(composite("accepted"))
    play.run()
    assert play.client.told == ["declared", "committed"]


def test_an_abort_drops_the_messages_without_credit(world):
    play = Play(world)
    sender = play.sender(credit=0)
    transaction = play.active()
    transaction.send(sender, Message("a"))
    play.control("discharge", ID, True)
    play.outcome(composite("accepted"))
    transaction.abort()
    play.run()
    assert play.client.told == ["declared", "aborted"] and sender.queued == 0


def test_a_message_that_cannot_leave_rolls_the_transaction_back(world):
    play = Play(world)
    sender = play.sender(credit=0)
    transaction = play.active()
    transaction.send(sender, Message("a"))
    transaction.commit()
    play.peer.say("detach", handle=0, closed=True).ignore("detach")
    play.control("discharge", ID, True)
    play.outcome(composite("accepted"))
    play.run()
    assert play.client.told == ["declared", "in doubt", "commit failed"]
    assert transaction.condition.name == "amqp:transaction:rollback" and not transaction.in_doubt


def test_the_loss_of_the_connection_aborts_it(world):
    play = Play(world, reconnect=[0.1])
    sender = play.sender(credit=1)
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction()).cut()
    sent = [transaction.send(sender, Message(body)) for body in "ab"]
    play.peer.open().begin().attach(credit=10).attach(credit=10)
    play.run()
    assert play.client.told.count("aborted") == 1 and play.client.told.count("in doubt") == 2
    assert transaction.condition is not None and sender.queued == 0
    assert all(delivery.doubt is not None for delivery in sent)
    world.run_for(5)
    with pytest.raises(TransactionRolledBack, match="declare another one"):
        transaction.send(sender, Message("c"))
    play.declared(b"txn-2")
    again = play.container.declare_transaction(play.connection)
    play.run()
    assert again.active, "over the same link, which is attached again"


@pytest.mark.parametrize("resend", [False, True])
def test_a_commit_without_an_answer_is_in_doubt(world, resend):
    play = Play(world, reconnect=[0.1])
    sender = play.sender(resend=resend)
    transaction = play.active()
    play.peer.expect("transfer", state=in_transaction())
    transaction.send(sender, Message("a"))
    play.control("discharge", ID, False)
    play.peer.cut()
    transaction.commit()
    play.peer.open().begin().attach(credit=10).attach(credit=10)
    play.run()
    world.run_for(5)
    assert play.client.told.count("commit failed") == 1 and play.client.told.count("in doubt") == 1
    assert transaction.in_doubt and transaction.condition is not None


def test_a_commit_that_has_not_left_is_rolled_back_without_doubt(world):
    play = Play(world, reconnect=[0.1])
    sender = play.sender(credit=0)
    transaction = play.active()
    transaction.send(sender, Message("a"))
    transaction.commit()
    play.peer.cut()
    play.peer.open().begin().attach(credit=10).attach(credit=10)
    play.run()
    world.run_for(5)
    assert play.client.told.count("commit failed") == 1 and not transaction.in_doubt


def test_the_peer_ends_the_link_to_its_coordinator(world):
    play = Play(world)
    transaction = play.active()
    error = composite("error", condition="amqp:transaction:rollback", description="out of memory")
    play.peer.say("detach", handle=0, closed=True, error=error).expect("detach")
    play.run()
    assert play.client.told == ["declared", "aborted"] and transaction.condition.description == "out of memory"


def test_a_loss_that_no_method_hears_of_is_logged(world, caplog):
    play = Play(world, client=MessagingHandler())
    transaction = play.active()
    play.peer.say("detach", handle=0, closed=True).expect("detach")
    play.run()
    assert not transaction.active
    [record] = [record for record in caplog.records if record.name.startswith("reactor.container.transactions")]
    assert "a transaction was rolled back" in record.getMessage()
    assert "no on_transaction_aborted listens" in record.getMessage()


# -- bad use -----------------------------------------------------------------------------------------------


def test_bad_use(world):
    play = Play(world)
    sender = play.sender()
    play.receiver("a")
    transaction = play.active()
    [delivery] = play.client.deliveries
    other = play.container.connect("amqp://peer:5672", reconnect=False)
    stranger = play.container.create_sender(other, "jobs")
    with pytest.raises(TransactionException, match="is none of"):
        transaction.send(stranger, Message("a"))
    with pytest.raises(TypeError, match="sends a Message"):
        transaction.send(sender, "a")
    with pytest.raises(ValueError, match="an outcome is"):
        transaction.update(delivery, Delivery.RECEIVED)
    with pytest.raises(TypeError, match="on a Connection or a Session"):
        play.container.declare_transaction("amqp://peer:5672")
    with pytest.raises(TransactionException, match="declared before"):
        transaction.declare()
    with pytest.raises(TransactionException, match="was sent from here"):
        transaction.accept(sender.send(Message("a")))
    transaction.abort()
    for use in (transaction.commit, transaction.abort, lambda: transaction.accept(delivery)):
        with pytest.raises(TransactionException, match="is being discharged>; declare another one"):
            use()
    assert delivery.local_state == 0
