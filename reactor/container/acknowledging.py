"""Acknowledging: the modes that need a clock, or a transaction: DUPS_OK and TRANSACTED.

The system handler enters when a link is opened here. A receiver of one of these modes gets an acknowledger, which
`IncomingMessageHandler` calls for each message that it does not accept itself. It knows receivers and deliveries,
timers and transactions, and no frame.
"""

from __future__ import annotations

from reactor.engine.endpoints.delivery import OPEN
from reactor.engine.endpoints.disposition import ACCEPTED, EMPTY, TRANSACTIONAL_STATE
from reactor.engine.modes import DUPS_OK, TRANSACTED
from reactor.engine.public import Delivery, Link, Receiver
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.container.interface import TransactionsView
    from reactor.loop.loop import Loop
    from reactor.loop.timers import Timer

#: DUPS_OK accepts so many messages together, or half of the window of credit where that is smaller.
MOST_TOGETHER = 64

#: Seconds after which DUPS_OK accepts what it has: since the first one of them, and since the last.
LONGEST, IDLE = 1.0, 0.1


def opened_here(link: Link, loop: Loop, transactions: TransactionsView) -> None:
    """A link was opened here: give a receiver of these modes its acknowledger."""
    if not isinstance(link, Receiver) or link.acknowledger is not None:
        return
    if link.acknowledge_mode is DUPS_OK:
        link.acknowledger = Together(link, loop)
        link.auto_accept = False
    elif link.acknowledge_mode is TRANSACTED:
        link.acknowledger = InTransaction(link, transactions)


class Together:
    """The acknowledger of DUPS_OK (row J6): accepts several messages together, and later. What is lost with the
    connection before that comes again.

    They are accepted when there are MOST_TOGETHER, when the first is LONGEST old, when none has come for IDLE, and when
    the receiver closes, drains or is paused.
    """

    __slots__ = ("_first", "_last", "_loop", "_timer", "_waiting", "receiver")

    def __init__(self, receiver: Receiver, loop: Loop) -> None:
        self.receiver = receiver
        self._loop = loop
        self._waiting: list[Delivery] = []
        self._first = self._last = 0.0  # when the first and the last of them were processed
        self._timer: Optional[Timer] = None

    def __len__(self) -> int:
        """How many messages wait for their acknowledgement."""
        return len(self._waiting)

    def processed(self, delivery: Delivery) -> None:
        """`on_message` has returned; an outcome that it has given is settled at once."""
        if delivery.fate or delivery.local_state is not EMPTY:
            delivery.settle_with(ACCEPTED)
            return
        waiting = self._waiting
        waiting.append(delivery)
        self._last = self._loop.now
        receiver = self.receiver
        if receiver.paused or receiver.drain_asked or not receiver.may_go_on() or len(waiting) >= self._most():
            self.flush()
        elif self._timer is None:
            self._first = self._last
            self._timer = self._loop.schedule(IDLE, self._due)

    def _most(self) -> int:
        """Fewer than would leave the peer without credit."""
        receiver = self.receiver
        windows = [window for window in (receiver.prefetch, receiver.max_unsettled) if window]
        return max(1, min([MOST_TOGETHER, *(window // 2 for window in windows)]))

    def flush(self) -> None:
        """Accept all that wait."""
        waiting, self._waiting = self._waiting, []
        for delivery in waiting:
            delivery.settle_with(ACCEPTED)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        due = min(self._first + LONGEST, self._last + IDLE)
        if due <= self._loop.now:
            self.flush()
        else:
            self._timer = self._loop.timers.schedule(due, self._due)


class InTransaction:
    """The acknowledger of TRANSACTED (row J6): each message is accepted in the transaction of its session. One that was
    processed while none was active, between two of them, is accepted in the next."""

    __slots__ = ("_transactions", "_waiting", "receiver")

    def __init__(self, receiver: Receiver, transactions: TransactionsView) -> None:
        self.receiver = receiver
        self._transactions = transactions
        self._waiting: list[Delivery] = []

    def processed(self, delivery: Delivery) -> None:
        """`on_message` has returned. TransactionException where no transaction was ever asked for, or several are
        active."""
        if delivery.local_state is TRANSACTIONAL_STATE:
            return
        if delivery.fate or delivery.local_state is not EMPTY:
            delivery.settle_with(ACCEPTED)  # the application has given it an outcome outside of the transaction
            return
        transaction: Any = self._transactions.running(self.receiver.session, self)
        if transaction is None:
            self._waiting.append(delivery)
        else:
            transaction.accept(delivery)

    def begun(self, transaction: Any) -> None:
        """The next transaction is active: it has what was processed before."""
        waiting, self._waiting = self._waiting, []
        for delivery in waiting:
            if delivery.fate == OPEN and delivery.local_state is EMPTY:
                transaction.accept(delivery)

    def flush(self) -> None:
        """Nothing is acknowledged outside of a transaction: what waits for one goes back with the end of the link."""
        self._waiting.clear()
