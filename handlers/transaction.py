"""The handlers of transactions: the methods by which an application hears of them, and MessagingHandler with these.

The events come from the transactions themselves (reactor/container/transactions): nothing is derived here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from reactor import Delivery, Event, Transaction

from .messaging import MessagingHandler, declared

if TYPE_CHECKING:
    from .messaging import Answer


class TransactionHandler:
    """What becomes of transactions, for `Container.declare_transaction`. `event.transaction` is the Transaction.

    Any object with these methods will do. Where one is missing that the application should have, the event is logged
    as an error; a transaction that could not be declared then closes the connection as well.
    """

    @declared
    def on_transaction_declared(self, event: Event) -> Answer:
        """The transaction is there: messages can be sent and acknowledged in it."""

    @declared
    def on_transaction_committed(self, event: Event) -> Answer:
        """All that was done in the transaction has taken effect."""

    @declared
    def on_transaction_aborted(self, event: Event) -> Answer:
        """The transaction was rolled back: because of `abort()`; or because the connection or the peer's coordinator is
        gone, and `event.transaction.condition` has the reason. Not for a connection that is made again, if the peer can
        have done nothing of it: it goes on, `Transaction.id`. Received messages of it that are not settled are
        RELEASED when this returns, unless it gives them another outcome, such as one in another transaction."""

    @declared
    def on_transaction_declare_failed(self, event: Event) -> Answer:
        """There is no transaction: `event.transaction.condition` has the reason. A peer without transactions refuses
        the link to its coordinator, or (RabbitMQ) ends the session."""

    @declared
    def on_transaction_commit_failed(self, event: Event) -> Answer:
        """The transaction was not committed but rolled back, and `event.transaction.condition` has the reason; or that
        is not known, where `event.transaction.in_doubt` is true: the connection was lost before the answer came."""


class TransactionalClientHandler(MessagingHandler, TransactionHandler):
    """MessagingHandler for applications with transactions. It accepts nothing by itself: `auto_accept` is False."""

    def __init__(
        self,
        prefetch: int = 10,
        auto_accept: bool = False,
        auto_settle: bool = True,
        peer_close_is_error: bool = False,
    ) -> None:
        super().__init__(prefetch, auto_accept, auto_settle, peer_close_is_error)

    def accept(self, delivery: Delivery, transaction: Optional[Transaction] = None) -> None:
        """It was processed: ACCEPTED when `transaction` is committed; ACCEPTED and settled at once where that is
        None."""
        if transaction is not None:
            transaction.accept(delivery)
        else:
            super().accept(delivery)
