"""Transactions with the embedded broker: the programs of python-qpid-proton's examples, on either library."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.broker import EmbeddedBroker
from tests.interop.original import ORIGINAL
from tests.interop.roles import Players, role
from tests.support.libraries import OURS, THEIRS, load


@pytest.fixture(params=[OURS, THEIRS])
def api(request: pytest.FixtureRequest) -> SimpleNamespace:
    return ORIGINAL if request.param == THEIRS else load(OURS)


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


def tx_send(api: SimpleNamespace, total: int, batch: int, aborted: tuple[int, ...] = ()) -> Any:
    """Sends in batches, each in a transaction; those of the batches `aborted` are rolled back."""

    class TxSend(role(api), api.TransactionHandler):  # type: ignore[misc,name-defined]
        def connected(self, connection: Any) -> None:
            self.connection = connection
            self.transaction: Any = None
            self.sent = self.batches = 0
            self.ends: list[str] = []
            self.sender = self.container.create_sender(connection, "jobs")
            self.container.declare_transaction(connection, handler=self)

        def on_transaction_declared(self, event: Any) -> None:
            self.transaction = event.transaction
            self.send()

        def on_sendable(self, event: Any) -> None:
            if event.sender == self.sender:
                self.send()

        def send(self) -> None:
            while self.transaction is not None and self.sender.credit and self.sent < total:
                self.sent += 1
                self.transaction.send(self.sender, api.Message(id=self.sent, body=self.sent))
                if self.sent % batch == 0:
                    transaction, self.transaction = self.transaction, None
                    transaction.abort() if self.batches in aborted else transaction.commit()
                    self.batches += 1

        def on_transaction_committed(self, event: Any) -> None:
            self.go_on("committed")

        def on_transaction_aborted(self, event: Any) -> None:
            self.go_on("aborted")

        def go_on(self, end: str) -> None:
            self.ends.append(end)
            if self.sent < total:
                self.container.declare_transaction(self.connection, handler=self)
            else:
                self.connection.close()

    return TxSend


def tx_recv(api: SimpleNamespace, total: int, batch: int, aborted: tuple[int, ...] = (), early: bool = False) -> Any:
    """Receives in batches, each in a transaction; those of the batches `aborted` are rolled back."""

    class TxRecv(role(api, prefetch=0, auto_accept=False), api.TransactionHandler):  # type: ignore[misc,name-defined]
        def connected(self, connection: Any) -> None:
            self.connection = connection
            self.transaction: Any = None
            self.bodies: list[Any] = []
            self.ends: list[str] = []
            self.receiver = self.container.create_receiver(connection, "jobs")
            self.declare()

        def declare(self) -> None:
            self.container.declare_transaction(self.connection, handler=self, settle_before_discharge=early)

        def on_transaction_declared(self, event: Any) -> None:
            self.transaction = event.transaction
            self.receiver.flow(batch)

        def on_message(self, event: Any) -> None:
            self.bodies.append(event.message.body)
            self.transaction.accept(event.delivery)
            if len(self.bodies) % batch == 0:
                batches = len(self.bodies) // batch - 1
                self.transaction.abort() if batches in aborted else self.transaction.commit()

        def on_transaction_committed(self, event: Any) -> None:
            self.go_on("committed")

        def on_transaction_aborted(self, event: Any) -> None:
            self.go_on("aborted")

        def go_on(self, end: str) -> None:
            self.ends.append(end)
            if len(self.bodies) < total:
                self.declare()
            else:
                self.connection.close()

    return TxRecv


def test_tx_send(api: SimpleNamespace, broker: EmbeddedBroker) -> None:
    sender = tx_send(api, 9, 3, aborted=(1,))(broker.url)
    Players(sender).run()
    assert sender.ends == ["committed", "aborted", "committed"]
    assert broker.queue("jobs").depth == 6
    receiver = tx_recv(api, 6, 6)(broker.url)
    Players(receiver).run()
    assert receiver.bodies == [1, 2, 3, 7, 8, 9] and broker.queue("jobs").depth == 0


@pytest.mark.parametrize("early", [False, True], ids=["settled with the discharge", "settled before it"])
def test_tx_recv(api: SimpleNamespace, broker: EmbeddedBroker, early: bool) -> None:
    Players(tx_send(api, 6, 6)(broker.url)).run()
    receiver = tx_recv(api, 9, 3, aborted=(1,), early=early)(broker.url)
    Players(receiver).run()
    assert receiver.ends == ["committed", "aborted", "committed"]
    assert receiver.bodies[:3] == [1, 2, 3] and sorted(receiver.bodies[6:]) == [4, 5, 6]
    assert (broker.queue("jobs").depth, broker.queue("jobs").acknowledged) == (0, 6)


def test_a_client_that_goes_rolls_back(api: SimpleNamespace, broker: EmbeddedBroker) -> None:
    class Leaves(tx_send(api, 5, 10)):  # type: ignore[misc]
        def on_delivery(self, event: Any) -> None:
            if event.sender == self.sender and self.sent == 5:
                self.connection.close()

    Players(Leaves(broker.url)).run()
    assert broker.queue("jobs").depth == 0


def test_a_commit_that_the_broker_refuses(api: SimpleNamespace, broker: EmbeddedBroker) -> None:
    class Fails(tx_send(api, 2, 2)):  # type: ignore[misc]
        def on_transaction_declared(self, event: Any) -> None:
            event.transaction.id = b"unknown"
            event.transaction.commit()

        def on_transaction_commit_failed(self, event: Any) -> None:
            self.ends.append(event.delivery.remote.condition.name)
            self.connection.close()

    sender = Fails(broker.url)
    Players(sender).run()
    assert sender.ends == ["amqp:transaction:unknown-id"]
