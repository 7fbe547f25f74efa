"""SessionTransactions: the transactions of a transacted blocking session, one after the other (rows J5, J6, Q15).

The session owns one. There is always a transaction, or its declaration is on its way: when one ends, the next begins by
itself. Sends and outcomes wait for it. It declares and ends transactions on the service's thread, and knows no frame.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.engine.endpoints.disposition import (
    ACCEPTED,
    TRANSACTIONAL_STATE,
    Disposition,
    ModifiedDisposition,
)
from reactor.errors import ReactorException, Timeout, TransactionException, TransactionRolledBack

if TYPE_CHECKING:
    from reactor.blocking.acknowledging import Acknowledgements
    from reactor.blocking.interface import SessionView
    from reactor.blocking.service import Service
    from reactor.container.transactions.transaction import Transaction


class SessionTransactions:
    """Those of one session, which has begun. begin: have the first one declared.

    pump: has the senders of the session send what they hold.
    """

    def __init__(self, session: SessionView, service: Service, pump: Callable[[], None]) -> None:
        self._session = session
        self._service = service
        self._pump = pump
        self._acknowledgements: Acknowledgements
        self._transaction: Optional[Transaction] = None
        self._ready = False  # it is declared, and its end was not asked for
        self._lost: Optional[str] = None  # why one was rolled back, until commit() or rollback() has said so
        self._refused: Optional[str] = None  # why there is none any more
        self._ends: dict[Transaction, _End] = {}
        self._given: list[Any] = []  # the deliveries with an outcome in it

    # -- calls -------------------------------------------------------------------------------------------

    def begin(self, acknowledgements: Acknowledgements) -> None:
        """Have the first one declared. TransactionException, with the reason, where the peer has none."""
        self._acknowledgements = acknowledgements
        acknowledgements.held = True
        self._service.call(self._declare, "session()")
        self._session.connection.wait(self._is_settled, msg="session(): waiting for a transaction")
        if self._refused is not None:
            raise TransactionException("session(): %s" % self._refused)

    def end(self, commits: bool, timeout: Any) -> None:
        """Commit it or roll it back; the next one begins."""
        name = "commit()" if commits else "rollback()"
        connection = self._session.connection
        end: Optional[_End] = None
        while end is None:  # another thread may be faster
            connection.wait(lambda: self._may_go_on(name), timeout, name)
            end = self._service.call(lambda: self._begin_end(commits), name)
        begun = end
        try:
            connection.wait(lambda: begun.is_over or self._may_wait(name), timeout, name)
        except Timeout:
            if not self._service.call(lambda: begun.give_up(), name):
                raise Timeout("%s: the peer has not answered yet, and the end is in doubt" % name) from None
        if end.failure is not None:
            raise end.failure()

    def _may_go_on(self, name: str) -> bool:
        return self._is_settled() or self._may_wait(name)

    def _may_wait(self, name: str) -> bool:
        self._session.check(name)
        return False

    def _is_settled(self) -> bool:
        return self._ready or self._refused is not None or self._lost is not None

    # -- on the service's thread -------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent in it."""
        return self._ready and self._lost is None

    @property
    def failure(self) -> Optional[ReactorException]:
        """Why nothing can be sent until `commit` or `rollback` was called, or never; None: it can, or waits."""
        if self._lost is not None:
            return TransactionRolledBack("the transaction was rolled back: %s; call rollback()" % self._lost)
        return None if self._refused is None else TransactionException(self._refused)

    def send(self, link: Any, payload: bytes) -> Any:
        """Send an encoded message in it; returns the Delivery."""
        assert self._transaction is not None
        return self._transaction.transmit(link, payload)

    def give(self, message: Any, outcome: Any) -> None:
        """Give a message that was taken an outcome in it."""
        if self._lost is not None or self._transaction is None:
            return  # with the transaction it is given back
        self._given.append(message.origin)
        self._transaction.retire(message.origin, outcome)

    def _declare(self) -> None:
        try:
            self._session.check("session()")
            container = self._service.container
            self._transaction = container.declare_transaction(self._session.session, handler=self)
        except ReactorException as error:
            self._refuse(str(error))

    def _refuse(self, why: str) -> None:
        self._refused = why
        self._ready = False
        self._transaction = None
        self._pump()  # to fail
        self._session.connection.changed()

    def _begin_end(self, commits: bool) -> Optional[_End]:
        end, taken = _End(commits), self._acknowledgements
        taken.settle_in_passing()
        transaction = self._transaction
        if self._refused is not None:
            end.over(partial(TransactionException, self._refused))
        elif self._lost is not None:
            text, self._lost = "the transaction was rolled back: %s" % self._lost, None
            self._give_back(taken)
            end.over(partial(_rolled_back, text) if commits else None)
            self._acknowledgements.held = not self._ready
            self._pump()
        elif transaction is None or not self._ready:
            return None
        else:
            self._ends[transaction] = end
            self._ready, taken.held = False, True
            try:
                self._discharge(transaction, commits)
            except ReactorException as error:  # the connection is closed, and its end not told yet
                self._ends.pop(transaction, None)
                end.over(partial(_rolled_back, "the transaction was rolled back: %s" % error) if commits else None)
        return end

    def _discharge(self, transaction: Transaction, commits: bool) -> None:
        if commits:
            for message in self._acknowledgements.take_all():
                self.give(message, ACCEPTED)
        else:
            self._give_back(self._acknowledgements)
        transaction.discharge(not commits)

    @staticmethod
    def _give_back(taken: Acknowledgements) -> None:
        for message in taken.take_all():
            message.origin.finish(ModifiedDisposition(True, False))

    def on_transaction_declared(self, event: Any) -> None:
        self._ready, self._acknowledgements.held = True, False
        self._acknowledgements.settle_in_passing()
        self._pump()
        self._session.connection.changed()

    def on_transaction_declare_failed(self, event: Any) -> None:
        self._refuse("the peer has declared no transaction: %s" % event.transaction.condition.text)

    def on_transaction_committed(self, event: Any) -> None:
        self._given.clear()  # each is settled with its outcome
        self._over(event.transaction, None)

    def on_transaction_commit_failed(self, event: Any) -> None:
        self._over(event.transaction, event.transaction.condition.text, event.transaction.in_doubt)

    def on_transaction_aborted(self, event: Any) -> None:
        why = event.transaction.condition
        self._over(event.transaction, None if why is None else why.text)

    def _over(self, transaction: Transaction, why: Optional[str], in_doubt: bool = False) -> None:
        given, self._given = self._given, []
        for delivery in given:
            if not delivery.fate:  # the attempt has failed, and counts
                delivery.finish(ModifiedDisposition(True, False))
        end = self._ends.pop(transaction, None)
        failure = None
        if why is not None and (end is None or end.commits):
            text = "the transaction is in doubt: %s" if in_doubt else "the transaction was rolled back: %s"
            failure = partial(_rolled_back, text % why, in_doubt)
        if end is not None:
            end.over(failure)
        if failure is not None and (end is None or end.given_up):
            self._lost = why
        self._transaction = None
        self._ready, self._acknowledgements.held = False, self._lost is None
        self._service.post(self._declare)  # behind the end of the connection, if that is the reason
        if self._lost is not None:
            self._pump()  # to fail
        self._session.connection.changed()


class _End:
    """A commit or rollback, and how it went. failure: makes the exception; None: there is none."""

    def __init__(self, commits: bool) -> None:
        self.commits = commits
        self.is_over = False
        self.given_up = False
        self.failure: Optional[Callable[[], Exception]] = None

    def over(self, failure: Optional[Callable[[], Exception]]) -> None:
        """It went so."""
        self.failure = failure
        self.is_over = True

    def give_up(self) -> bool:
        """The call waits no longer. Returns whether it was over before."""
        self.given_up = not self.is_over
        return self.is_over


def _rolled_back(text: str, in_doubt: bool = False) -> TransactionRolledBack:
    error = TransactionRolledBack(text)
    error.in_doubt = in_doubt
    return error


def outcome_of(delivery: Any) -> Any:
    """The Disposition of a message that was sent: in a transaction, the one that it will have."""
    remote = delivery.remote
    if delivery.remote_state is TRANSACTIONAL_STATE:
        data = remote.data
        if isinstance(data, list) and len(data) > 1 and data[1] is not None:
            return Disposition.from_wire(data[1])
        return Disposition(ACCEPTED)
    return remote
