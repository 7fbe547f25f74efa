"""AsyncTransactions: the transactions of a transacted session, for calls that are awaited (rows J5, J6, Q15).

The session owns one, and it a Succession: when one transaction ends, the next begins by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Callable, Optional

from reactor.aio.life import Life, check_timeout, expire
from reactor.blocking.succession import End, Succession
from reactor.engine.endpoints.delivery import LOST, OPEN
from reactor.engine.endpoints.disposition import ModifiedDisposition
from reactor.errors import SessionException, Timeout, TransactionException


class AsyncTransactions:
    """Those of one session. container: that of its connection. life: of the session. pump: has its senders look
    whether there is a transaction. rolled_back: has them end sends that have not left.

    held: whether outcomes are kept here, until there is a transaction.
    """

    def __init__(
        self, container: Any, life: Life, pump: Callable[[], None], rolled_back: Callable[[], None]
    ) -> None:
        self.container = container
        self.pump = pump
        self.rolled_back = rolled_back
        self.session: Any = None
        self.held = False
        self._loop = container.event_loop
        self._life = life
        self._succession = Succession(self)
        self._outcomes: list[tuple[Any, Any]] = []  # (message, outcome)

    async def begin(self, session: Any) -> None:
        """Have the first one declared, over a Session. TransactionException, with the reason, where the peer has none.
        """
        self.session = session
        self._succession.begin(self)
        try:
            await self._life.until_usable(lambda: self._succession.is_settled, "session(): waiting for a transaction")
        except SessionException as error:  # ended for this, as by RabbitMQ
            raise TransactionException("session(): %s" % error) from error
        if self._succession.refused is not None:
            raise TransactionException("session(): %s" % self._succession.refused)

    # -- what is in it -----------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a message can be sent."""
        return self._succession.is_open

    @property
    def failure(self) -> Optional[Exception]:
        """Why nothing can be sent; None: it can, or waits."""
        return self._succession.failure

    def send(self, link: Any, payload: Any) -> Any:
        """Send an encoded message: where `is_open`."""
        return self._succession.send(link, payload)

    def give(self, message: Any, outcome: Any) -> None:
        """Give a message its outcome in the transaction; in the next one, where that is not declared yet."""
        delivery = message.origin
        if delivery.fate not in (OPEN, LOST):
            delivery.finish(outcome)  # it is settled: as outside of transactions
        elif self._succession.failure is not None:
            _give_back(message)  # with the transaction
        elif self.held:
            self._outcomes.append((message, outcome))
        else:
            self._succession.give(message, outcome)

    # -- its end -----------------------------------------------------------------------------------------

    async def end(self, commits: bool, timeout: Optional[float] = None) -> None:
        """Commit it, or roll it back; the next one begins."""
        name = "commit()" if commits else "rollback()"
        seconds = check_timeout(timeout)
        deadline = None if seconds is None else self._loop.time() + seconds
        end: Optional[End] = None
        while end is None:  # another call may be faster
            await self.settled(name, deadline)
            end = self._succession.start_end(commits)
        begun = end
        try:
            await self._until(lambda: begun.is_over, name, deadline)
        except Timeout:
            if not end.give_up():
                raise Timeout("%s: the peer has not answered yet, and the end is in doubt" % name) from None
        except asyncio.CancelledError as error:
            state = "is in doubt"
            if end.give_up():
                state = "has failed" if end.failure is not None else "was committed" if commits else "was rolled back"
            error.args = (*error.args, "%s was cancelled: the transaction %s" % (name, state))
            raise
        if end.failure is not None:
            raise end.failure()

    async def settled(self, name: str, deadline: Optional[float] = None) -> None:
        """Wait until there is one, or there will be none."""
        await self._until(lambda: self._succession.is_settled, name, deadline)

    async def _until(self, ready: Callable[[], bool], name: str, deadline: Optional[float]) -> None:
        left = None if deadline is None else max(deadline - self._loop.time(), 0.0)
        await self._life.until_usable(ready, name, left)

    def leave(self) -> None:
        """Roll it back, without waiting for the peer."""
        if not self._life.usable:
            return  # the peer does it
        end = self._succession.start_end(False)
        if end is None:  # nothing was sent in it, for it is not declared
            for message in self.take_all():
                _give_back(message)
        else:
            end.give_up()

    # -- for the succession ------------------------------------------------------------------------------

    def check(self, name: str) -> None:
        """Raise the reason why the session cannot be used, if there is one."""
        self._life.check(name)

    def post(self, function: Callable[[], None]) -> None:
        """Have it called in a turn that is to come."""
        self.container.call_soon_threadsafe(function)

    def changed(self) -> None:
        """Calls that wait look again."""
        self._life.changed()

    def settle_in_passing(self) -> None:
        """Give the outcomes that were kept, if there is a transaction."""
        while self._outcomes and not self.held:
            message, outcome = self._outcomes.pop(0)
            self._succession.give(message, outcome)

    def take_all(self) -> list[Any]:
        """The messages with an outcome that was kept, no more."""
        messages = [message for message, _ in self._outcomes]
        self._outcomes.clear()
        return messages


class TransactionBlock:
    """``async with session.transaction()``: the transaction is committed at the end of the block, and rolled back where
    an exception leaves it."""

    def __init__(self, transactions: AsyncTransactions) -> None:
        self._transactions = transactions

    async def __aenter__(self) -> None:
        self._transactions.check("transaction()")

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if error is not None:
            self._transactions.leave()  # the exception is for the program, and soon
            return
        try:
            await self._transactions.settled("commit()")
        except BaseException:
            self._transactions.leave()
            raise
        await self._transactions.end(True)


class SendLine:
    """Sends of one sender that wait for a transaction, and for room, in their order. life: of the sender."""

    def __init__(self, transactions: AsyncTransactions, life: Life, has_room: Callable[[], bool]) -> None:
        self._transactions = transactions
        self._life = life
        self._has_room = has_room
        self._waiting: deque[_Ticket] = deque()

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._waiting)

    async def turn(self, loop: asyncio.AbstractEventLoop, deadline: Optional[float]) -> None:
        """Wait until the next one can be sent. Raises the reason why that will never be."""
        if not self._waiting and self._may_go():
            return
        ticket = _Ticket()
        self._waiting.append(ticket)
        try:
            while self._waiting[0] is not ticket or not self._may_go():
                ticket.future = loop.create_future()
                alarm = None if deadline is None else loop.call_at(deadline, expire, ticket.future)
                try:
                    await ticket.future
                except Timeout:
                    raise Timeout("send(): waiting for a transaction, or for room, timed out") from None
                finally:
                    if alarm is not None:
                        alarm.cancel()
        finally:
            self._waiting.remove(ticket)
            self.call_next()

    def _may_go(self) -> bool:
        self._life.check("send()")
        failure = self._transactions.failure
        if failure is not None:
            raise failure
        return self._transactions.is_open and self._has_room()

    def call_next(self) -> None:
        """There is room, or the first one has left: the next one looks."""
        if self._waiting:
            self._waiting[0].wake()

    def call_all(self) -> None:
        """There is a transaction, or will be none."""
        for ticket in self._waiting:
            ticket.wake()


class _Ticket:
    """The place of a send."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: Optional[asyncio.Future[None]] = None

    def wake(self) -> None:
        """Have it look again."""
        if self.future is not None and not self.future.done():
            self.future.set_result(None)


def _give_back(message: Any) -> None:
    """It was tried, and not processed."""
    message.origin.finish(ModifiedDisposition(True, False))
