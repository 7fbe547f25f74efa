"""Succession: the transactions of a transacted session, one after the other (rows J5, J6, Q15).

The transactions of a blocking session own one, and those of an awaited one. There is always a transaction, or its
declaration is on its way: when one ends, the next begins by itself. Sends and outcomes wait for it. It belongs to the
thread of its container, and waits for nothing. It knows no frame.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from reactor.engine.endpoints.disposition import ACCEPTED, TRANSACTIONAL_STATE, Disposition, ModifiedDisposition
from reactor.errors import ReactorException, TransactionException, TransactionRolledBack

if TYPE_CHECKING:
    from reactor.container.transactions.transaction import Transaction


class Outcomes(Protocol):
    """The outcomes that the program gives to messages. held: whether they are kept, until there is a transaction."""

    held: bool

    def settle_in_passing(self) -> None: ...
    def take_all(self) -> Any: ...


class SuccessionHost(Protocol):
    """The session of a Succession. pump: has the senders send. rolled_back: has them give up messages that were sent in
    a transaction and have not left. post: has something called in a turn that is to come. changed: calls that wait look
    again."""

    @property
    def session(self) -> Any: ...
    @property
    def container(self) -> Any: ...
    def check(self, name: str) -> None: ...
    def post(self, function: Callable[[], None]) -> None: ...
    def pump(self) -> None: ...
    def rolled_back(self) -> None: ...
    def changed(self) -> None: ...


class Succession:
    """Those of one session, which has begun. refused: why there is none any more."""

    def __init__(self, host: SuccessionHost) -> None:
        self._host = host
        self._outcomes: Outcomes
        self.refused: Optional[str] = None
        self._transaction: Optional[Transaction] = None
        self._ready = False  # it is declared, and its end was not asked for
        self._lost: Optional[str] = None  # why one was rolled back, until commit() or rollback() has said so
        self._ends: dict[Transaction, End] = {}
        self._given: list[Any] = []  # the deliveries with an outcome in it

    def begin(self, outcomes: Outcomes) -> None:
        """Have the first one declared. outcomes: those of the session."""
        self._outcomes = outcomes
        outcomes.held = True
        self.declare()

    @property
    def is_settled(self) -> bool:
        """Whether it can be ended, or is over."""
        return self._ready or self.refused is not None or self._lost is not None

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent in it."""
        return self._ready and self._lost is None

    @property
    def failure(self) -> Optional[ReactorException]:
        """Why nothing can be sent until `commit` or `rollback` was called, or never; None: it can, or waits."""
        if self._lost is not None:
            return TransactionRolledBack("the transaction was rolled back: %s; call rollback()" % self._lost)
        return None if self.refused is None else TransactionException(self.refused)

    def send(self, link: Any, payload: Any) -> Any:
        """Send an encoded message in it; returns the Delivery."""
        assert self._transaction is not None
        return self._transaction.transmit(link, payload)

    def give(self, message: Any, outcome: Any) -> None:
        """Give a message that was taken an outcome in it."""
        if self._lost is not None or self._transaction is None:
            return  # with the transaction it is given back
        self._given.append(message.origin)
        self._transaction.retire(message.origin, outcome)

    def declare(self) -> None:
        """Have the next one declared."""
        try:
            self._host.check("session()")
            self._transaction = self._host.container.declare_transaction(self._host.session, handler=self)
        except ReactorException as error:
            self._refuse(str(error))

    def _refuse(self, why: str) -> None:
        self.refused = why
        self._ready = False
        self._transaction = None
        self._host.pump()  # to fail
        self._host.changed()

    def start_end(self, commits: bool) -> Optional[End]:
        """Commit it or roll it back; the next one begins. None: there is none yet, see `is_settled`."""
        end, taken = End(commits), self._outcomes
        taken.settle_in_passing()
        transaction = self._transaction
        if self.refused is not None:
            end.over(partial(TransactionException, self.refused))
        elif self._lost is not None:
            text, self._lost = "the transaction was rolled back: %s" % self._lost, None
            self._give_back(taken)
            end.over(partial(_rolled_back, text) if commits else None)
            self._outcomes.held = not self._ready
            self._host.pump()
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
            for message in self._outcomes.take_all():
                self.give(message, ACCEPTED)
        else:
            self._give_back(self._outcomes)
        transaction.discharge(not commits)
        if not commits:
            self._host.rolled_back()

    @staticmethod
    def _give_back(taken: Outcomes) -> None:
        for message in taken.take_all():
            message.origin.finish(ModifiedDisposition(True, False))

    def on_transaction_declared(self, event: Any) -> None:
        self._ready, self._outcomes.held = True, False
        self._outcomes.settle_in_passing()
        self._host.pump()
        self._host.changed()

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
        self._ready, self._outcomes.held = False, self._lost is None
        self._host.post(self.declare)  # behind the end of the connection, if that is the reason
        if self._lost is not None:
            self._host.pump()  # to fail
        self._host.changed()


class End:
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
