"""SessionTransactions: the transactions of a transacted blocking session, for its calls (rows J5, J6, Q15).

The session owns one, and it a Succession, which is touched on the service's thread alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.blocking.succession import End, Outcomes, Succession
from reactor.errors import Timeout, TransactionException

if TYPE_CHECKING:
    from reactor.blocking.interface import SessionView
    from reactor.blocking.service import Service


class SessionTransactions:
    """Those of one session, which has begun. begin: have the first one declared.

    pump: has the senders of the session send the messages that they hold. rolled_back: has them give up those that have
        not left. succession: the transactions.
    """

    def __init__(
        self, session: SessionView, service: Service, pump: Callable[[], None], rolled_back: Callable[[], None]
    ) -> None:
        self._view = session
        self._service = service
        self.pump = pump
        self.rolled_back = rolled_back
        self.succession = Succession(self)

    def begin(self, acknowledgements: Outcomes) -> None:
        """Have the first one declared. TransactionException, with the reason, where the peer has none."""
        self._service.call(lambda: self.succession.begin(acknowledgements), "session()")
        self._view.connection.wait(lambda: self.succession.is_settled, msg="session(): waiting for a transaction")
        if self.succession.refused is not None:
            raise TransactionException("session(): %s" % self.succession.refused)

    def end(self, commits: bool, timeout: Any) -> None:
        """Commit it or roll it back; the next one begins."""
        name = "commit()" if commits else "rollback()"
        connection = self._view.connection
        end: Optional[End] = None
        while end is None:  # another thread may be faster
            connection.wait(lambda: self.succession.is_settled or self._may_wait(name), timeout, name)
            end = self._service.call(lambda: self.succession.start_end(commits), name)
        begun = end
        try:
            connection.wait(lambda: begun.is_over or self._may_wait(name), timeout, name)
        except Timeout:
            if not self._service.call(lambda: begun.give_up(), name):
                raise Timeout("%s: the peer has not answered yet, and the end is in doubt" % name) from None
        if end.failure is not None:
            raise end.failure()

    def _may_wait(self, name: str) -> bool:
        self._view.check(name)
        return False

    # -- for the succession, on the service's thread -----------------------------------------------------

    @property
    def session(self) -> Any:
        """The Session."""
        return self._view.session

    @property
    def container(self) -> Any:
        """That of the service."""
        return self._service.container

    def check(self, name: str) -> None:
        """Raise the reason why the session cannot be used, if there is one."""
        self._view.check(name)

    def post(self, function: Callable[[], None]) -> None:
        """Have it called later."""
        self._service.post(function)

    def changed(self) -> None:
        """Calls that wait look again."""
        self._view.connection.changed()
