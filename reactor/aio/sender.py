"""AsyncSender: messages go out, and each send returns with its outcome; many may be under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar

from reactor.aio.attachment import Attachment
from reactor.aio.life import Life, check_timeout, expire
from reactor.aio.transactions import AsyncTransactions, SendLine
from reactor.blocking.succession import outcome_of
from reactor.blocking.waits import checked_capacity
from reactor.codec.message import Message
from reactor.engine.endpoints.disposition import (
    EMPTY,
    RECEIVED,
    REJECTED,
    RELEASED,
    TRANSACTIONAL_STATE,
    DispositionType,
)
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.handler import Handler
from reactor.engine.public import Delivery, Sender
from reactor.errors import ConnectionException, LinkException, SendException, Timeout, TransactionRolledBack

CAPACITY = 1000
"""Messages that may be under way."""

Self = TypeVar("Self", bound="AsyncSender")


class AsyncSender:
    """Sends to one address; `AsyncConnection.sender` and `AsyncSession.sender` make it.

    capacity: the most messages that may wait for their outcome; sends beyond it wait for room, in their order.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: Life,
        capacity: int,
        transactions: Optional[AsyncTransactions] = None,
    ) -> None:
        self.capacity = checked_capacity(capacity, 1)
        self._loop = loop
        self._attachment = Attachment(loop, session, _Outcomes(self))
        self._life = self._attachment.life
        self._transactions = transactions
        if transactions is not None:
            self._line = SendLine(transactions, self._life, lambda: len(self._unsettled) < self.capacity)
        self._unsettled: dict[asyncio.Future[None], Any] = {}  # of a transaction with its delivery
        self._queue: deque[asyncio.Future[None]] = deque()  # sends that wait for room

    async def open(self, make: Callable[[Handler], Any], address: Optional[str]) -> None:
        """Have it attached; `sender()` does it."""
        await self._attachment.open(make, "opening the sender to %r" % (address,))

    @property
    def link(self) -> Sender:
        """The Sender."""
        return self._attachment.link  # type: ignore[no-any-return]

    @property
    def address(self) -> Optional[str]:
        """The address of its target, as the peer has named it."""
        link = self.link
        return link.remote_target.address or link.target.address

    @property
    def unsettled(self) -> int:
        """How many messages wait for their outcome."""
        return len(self._unsettled)

    def __repr__(self) -> str:
        return "<AsyncSender to %r, %d unsettled>" % (self.address, self.unsettled)

    async def send(
        self, message: Any, *, timeout: Optional[float] = None, error_states: Optional[Sequence[DispositionType]] = None
    ) -> Delivery:
        """Send a message, and return its Delivery when it has its outcome, `delivery.remote_state`.

        message: a Message, or what sends itself as one, such as a Batch; anything else is the body of one.
        timeout: seconds to wait for room and for the outcome; None: as long as it takes.
        error_states: the outcomes that raise SendException; None: REJECTED and RELEASED.

        Raises Timeout; LinkDetached or ConnectionException where the link or the connection ends first: the text has
        whether the message has left; LocalProtocolError for a message that the peer would not take. Cancelled, or when
        its time is over, it takes back a message that has not left, which never leaves; one that has left is in doubt.
        The text of the exception, a CancelledError or a Timeout, has which it is.
        """
        payload = None  # of what sends itself
        if isinstance(message, Message) or not hasattr(message, "send"):
            one = message if isinstance(message, Message) else Message(message)
            payload = one.compose() if type(one) is Message else one.encode()
        self._life.check("send()")
        deadline = None if timeout is None else _deadline(self._loop, timeout)
        transactions = self._transactions
        if transactions is not None:
            if payload is None:
                raise TypeError("a transaction sends a Message, or the body of one")
            await self._line.turn(self._loop, deadline)
        elif self._queue or len(self._unsettled) >= self.capacity:
            await self._room(deadline)
        future = self._loop.create_future()
        self._unsettled[future] = None
        alarm = None
        try:
            delivery: Any
            if transactions is not None:
                self._unsettled[future] = delivery = transactions.send(self.link, payload)
            else:
                delivery = self.link.send(message) if payload is None else self.link.transmit(payload)
            if delivery.fate:  # pre-settled, or too late
                if delivery.doubt is not None:
                    raise in_doubt(delivery)
                return delivery  # type: ignore[no-any-return]
            delivery.context = future
            alarm = None if deadline is None else self._loop.call_at(deadline, expire, future)
            await future
        except (asyncio.CancelledError, Timeout) as error:
            text = self._give_up(delivery)
            if isinstance(error, Timeout):
                raise Timeout("the message has no outcome in time: it %s" % text) from None
            error.args = (*error.args, "send() was cancelled: the message %s" % text)
            raise
        finally:
            if alarm is not None:
                alarm.cancel()
            self._make_room(future)
        outcome, why = delivery.remote_state, delivery.remote.condition
        if outcome is TRANSACTIONAL_STATE:  # with the outcome that it has when that is committed
            given = outcome_of(delivery)
            outcome, why = given.type, given.condition
        if outcome in ((REJECTED, RELEASED) if error_states is None else error_states):
            raise SendException(outcome, why and why.name, why and why.text)
        return delivery  # type: ignore[no-any-return]

    async def _room(self, deadline: Optional[float]) -> None:
        future = self._loop.create_future()
        self._queue.append(future)
        alarm = None if deadline is None else self._loop.call_at(deadline, expire, future)
        try:
            await future
            self._life.check("send()")
        except Timeout:
            text = "send(): no room for another message, %d wait for their outcome"
            raise Timeout(text % self.capacity) from None
        except BaseException:
            self._make_room(future)  # it may have been called, and has no use of that
            raise
        finally:
            if alarm is not None:
                alarm.cancel()
            self._unsettled.pop(future, None)  # what follows without a pause puts its own there
            if future in self._queue:
                self._queue.remove(future)

    def _make_room(self, future: asyncio.Future[None]) -> None:
        """That one is over: call those that wait, each with its room kept until it runs."""
        self._unsettled.pop(future, None)
        while self._queue and len(self._unsettled) < self.capacity:
            called = self._queue.popleft()
            if not called.done():
                self._unsettled[called] = None
                called.set_result(None)
        if self._transactions is not None:
            self._line.call_next()
        if self._is_idle():
            self._life.changed()  # flush() may go on

    def _give_up(self, delivery: Any) -> str:
        """Expect no outcome any more; returns the fate of the message."""
        delivery.context = None
        state = delivery.remote_state
        if state is not EMPTY and state is not RECEIVED:  # it came in the moment of the cancellation
            return "has left, and is %s" % (state,)
        if delivery.has_left:
            return "has left, and is in doubt"
        if not delivery.fate:
            delivery.abort()
        link = self.link
        why = "" if link.credit > 0 else ": %r gives no credit, it may be full" % (self.address,)
        if link.state & Endpoint.REMOTE_UNINIT:
            why = ": the connection is lost, and not there again"
        return "has not left, and will not%s" % why

    async def flush(self, *, timeout: Optional[float] = None) -> None:
        """Wait until every message that was sent has its outcome. Raises Timeout after so many seconds."""
        check_timeout(timeout)
        await self._life.until_usable(self._is_idle, "flush()", timeout)

    def _is_idle(self) -> bool:
        return not self._unsettled and not self._queue and (self._transactions is None or not self._line)

    async def close(self) -> None:
        """Close the link, when all that was sent has left. Harmless when repeated."""
        await self._attachment.close()
        self.failed()

    async def detach(self) -> None:
        """Detach it: the peer keeps what it has of a terminus that outlives its links."""
        await self._attachment.close(closing=False)
        self.failed()

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        await self.close()

    def on_end(self, call: Callable[[], object]) -> None:
        """Have it called when it has been closed: for its session."""
        self._life.forget = call

    # -- for its events ----------------------------------------------------------------------------------

    def close_off(self) -> None:
        """The connection is over, and no outcome will come any more."""
        for future in self._unsettled:
            if not future.done():
                future.set_exception(ConnectionException("the connection was closed before the outcome came"))
        self.failed()

    def failed(self) -> None:
        """Sends that wait for room look whether there can be any."""
        if not self._life.usable:
            for future in self._queue:
                if not future.done():
                    future.set_result(None)
        self.pump()

    def rolled_back(self) -> None:
        """The transaction is, by a call: messages that have not left never will."""
        for future, delivery in self._unsettled.items():
            if delivery is not None and delivery.aborted and not future.done():
                future.set_exception(TransactionRolledBack("the message has not left, and its transaction is over"))

    def pump(self) -> None:
        """There is a transaction, or will be none."""
        if self._transactions is not None:
            self._line.call_all()


def in_doubt(delivery: Any) -> Exception:
    """The exception for a message without an outcome for ever."""
    why = delivery.doubt
    text = "" if why is None else ": " + why.text
    if not delivery.has_left:
        return LinkException("the message did not leave%s" % text)
    return ConnectionException("the message has left, and its outcome will never be known%s" % text)


def _deadline(loop: asyncio.AbstractEventLoop, timeout: float) -> Optional[float]:
    seconds = check_timeout(timeout)
    return None if seconds is None else loop.time() + seconds


class _Outcomes(Handler):
    """The events of the sender's deliveries."""

    def __init__(self, owner: AsyncSender) -> None:
        self.owner = owner

    def on_delivery(self, event: Any) -> None:
        delivery = event.context
        state = delivery.remote_state
        if delivery.settled or (state is not EMPTY and state is not RECEIVED):
            delivery.settle()
            future = delivery.context
            if future is not None and not future.done():
                future.set_result(None)

    def on_delivery_in_doubt(self, event: Any) -> None:
        delivery = event.context
        future = delivery.context
        if future is not None and not future.done():
            future.set_exception(in_doubt(delivery))

    def on_link_final(self, event: Any) -> None:
        self.owner.failed()
