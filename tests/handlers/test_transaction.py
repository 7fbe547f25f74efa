"""TransactionHandler and TransactionalClientHandler: the callbacks that there are, and how messages are accepted."""

from __future__ import annotations

from typing import Any

import pytest

from handlers import MessagingHandler, TransactionalClientHandler, TransactionHandler
from handlers.broker import Policy
from reactor import Message
from tests.broker.test_transactions import Party
from tests.support.brokers import BrokerWorld
from tests.support.chapters import CHAPTERS

CALLBACKS = [name for name in vars(TransactionHandler) if name.startswith("on_")]


def test_the_chapter_has_the_callbacks():
    lines = CHAPTERS["handlers/README.md"].text.partition("### Transactions, as in python-qpid-proton")[2].splitlines()
    named = [line.split("`")[1] for line in lines if line.startswith("| `on_transaction_")]
    assert sorted(named) == sorted(CALLBACKS) and len(named) == 5


def test_a_callback_that_is_not_defined_is_unhandled():
    heard: list[Any] = []

    class Client(TransactionalClientHandler):
        def on_unhandled(self, method: str, *args: Any) -> None:
            if "transaction" in method:
                heard.append((method, args[0].transaction))

    world = BrokerWorld()
    party = Party(world)
    transaction = party.container.declare_transaction(party.connection, Client())
    world.quiet()
    assert heard == [("on_transaction_declared", transaction)]


@pytest.mark.parametrize("base", [MessagingHandler, TransactionalClientHandler, object])
def test_any_object_with_the_methods_is_a_handler(base):
    class Own(base):  # type: ignore[misc]
        declared: Any = None

        def on_transaction_declared(self, event: Any) -> None:
            self.declared = event.transaction

    world = BrokerWorld()
    party, own = Party(world), Own()
    assert party.container.declare_transaction(party.connection, own) and own.declared is None
    world.quiet()
    assert own.declared.active


def test_a_misspelt_callback_is_a_warning():
    with pytest.warns(UserWarning, match="did you mean on_transaction_committed"):

        class Client(TransactionalClientHandler):
            def on_transaction_comitted(self, event: Any) -> None:
                """Nearly."""


def test_accept_is_in_a_transaction_or_at_once():
    world = BrokerWorld(queues={"jobs": Policy()})
    party = Party(world)
    assert TransactionalClientHandler.__init__.__defaults__ == (10, False, True, False)
    handler = TransactionalClientHandler()
    party.send("jobs", "a", "b")
    party.receiver("jobs", 2)
    a, b = party.take()
    transaction = party.begin()
    handler.accept(a.delivery)
    handler.accept(b.delivery, transaction)
    world.quiet()
    assert world.node("jobs").acquired == 1
    assert party.abort(transaction) == "aborted" and world.node("jobs").depth == 1


def test_a_message_that_will_not_be_taken_is_warned_about_where_no_method_listens(caplog):
    class Deaf(TransactionalClientHandler):
        def on_transaction_declared(self, event: Any) -> None:
            for body in "ab":
                event.transaction.send(sender, Message(body))

    world = BrokerWorld(queues={"small": Policy(max_length=1, overflow="reject")})
    party = Party(world)
    sender = party.container.create_sender(party.connection, "small", handler=Deaf())
    party.container.declare_transaction(party.connection, Deaf())
    world.quiet()
    [warning] = [record for record in caplog.records if record.name == "handlers.outgoing"]
    assert "message 2 was rejected: amqp:resource-limit-exceeded" in warning.getMessage()
