"""AsyncReceiver: messages are taken one by one, or by ``async for``, and come ahead as far as `prefetch` allows.

Messages that have come wait in the engine's own queue, and count against the credit until they are taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar

from reactor.aio.attachment import Attachment
from reactor.aio.life import Life, check_timeout
from reactor.aio.received import ReceivedMessage, TransactedMessage
from reactor.aio.transactions import AsyncTransactions
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import LOST
from reactor.engine.endpoints.disposition import RELEASED, RejectedDisposition
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.endpoints.queues import NONE_INCOMING
from reactor.engine.handler import Handler
from reactor.engine.public import Receiver
from reactor.errors import DecodeError, Timeout

CONFIRMATION = 1.0
"""Seconds for the peer to confirm that it has no credit any more."""

PREFETCH = 100
"""Messages that may come ahead."""

Self = TypeVar("Self", bound="AsyncReceiver")


class AsyncReceiver:
    """Takes messages from one address; `AsyncConnection.receiver` and `AsyncSession.receiver` make it.

    prefetch: how many messages may come before they are taken; 0: each `receive` asks for one.

    ``async for message in receiver`` ends when the receiver, or its session or connection, is closed on this side; it
    raises as `receive` does when the peer ends them, or they are lost.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: Life,
        prefetch: int,
        transactions: Optional[AsyncTransactions] = None,
    ) -> None:
        self.prefetch = prefetch
        self._loop = loop
        self._attachment = Attachment(loop, session, _Arrivals(self))
        self._life = self._attachment.life
        self._kind = ReceivedMessage if transactions is None else TransactedMessage
        self._transactions = transactions
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._incoming: deque[Any] = deque()  # the link's own
        self.attached_again: Callable[[], object] = _nothing  # called after each attach, but for the first one

    async def open(self, make: Callable[[Handler], Any], address: Optional[str]) -> None:
        """Have it attached; `receiver()` does it."""
        await self._attachment.open(make, "opening the receiver from %r" % (address,))
        link = self._attachment.link
        if link.incoming is NONE_INCOMING:
            link.incoming = deque()
        self._incoming = link.incoming

    @property
    def link(self) -> Receiver:
        """The Receiver."""
        return self._attachment.link  # type: ignore[no-any-return]

    @property
    def address(self) -> Optional[str]:
        """The address of its source, as the peer has named it: that of a dynamic node, for one."""
        return self.link.remote_source.address

    @property
    def available(self) -> int:
        """How many messages have come and were not taken."""
        return sum(not delivery.partial and delivery.fate != LOST for delivery in self._incoming)

    def __repr__(self) -> str:
        return "<AsyncReceiver from %r, %d available>" % (self.address, self.available)

    # -- taking ------------------------------------------------------------------------------------------

    async def receive(self, timeout: Optional[float] = None) -> ReceivedMessage:
        """Take the next message, and wait for it.

        timeout: seconds; None (default): as long as it takes. Raises Timeout when it has passed; LinkDetached or
        ConnectionException where the link or the connection ends. A call that is cancelled, or timed out, takes no
        message: the next one gets it. With ``prefetch=0`` the credit is given back, and a message that comes all the
        same while no call waits is RELEASED.
        """
        message = self._next()
        if message is not None:
            return message
        deadline = None
        if timeout is not None:
            seconds = check_timeout(timeout)
            deadline = None if seconds is None else self._loop.time() + seconds
        while True:
            self._life.check("receive()")
            if deadline is not None and self._loop.time() >= deadline:
                raise Timeout("receive(): waiting for a message from %r timed out" % (self.address,))
            await self._arrival(deadline)
            message = self._next()
            if message is not None:
                return message

    def __aiter__(self: Self) -> Self:
        return self

    async def __anext__(self) -> ReceivedMessage:
        message = self._next()
        if message is not None:
            return message
        try:
            return await self.receive()
        except Exception:
            if self._life.closed_here:
                raise StopAsyncIteration from None
            raise

    def _next(self) -> Optional[ReceivedMessage]:
        incoming = self._incoming
        while incoming:
            delivery = incoming[0]
            if delivery.partial or delivery.aborted:
                return None  # the rest, or the event of its end, is to come
            payload = delivery.take(False)
            if delivery.fate == LOST:
                continue  # it comes again, here or elsewhere
            try:
                message: Any = self._kind.from_bytes(payload)
            except DecodeError as error:  # no receiver can ever read it
                delivery.finish(RejectedDisposition(Condition(error.condition, str(error))))
                raise
            message.origin = delivery
            if self._transactions is not None:
                message.transactions = self._transactions
            return message  # type: ignore[no-any-return]
        return None

    async def _arrival(self, deadline: Optional[float]) -> None:
        """Wait for a message, or another change."""
        future = self._loop.create_future()
        self._waiters.append(future)
        self.refill()
        alarm = None if deadline is None else self._loop.call_at(deadline, _ring, future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.arrived()  # it was called for a message that another one may take
            raise
        finally:
            if alarm is not None:
                alarm.cancel()
            if future in self._waiters:
                self._waiters.remove(future)
                self._give_credit_back()

    def refill(self) -> None:
        """Without prefetch there is credit for each call that waits."""
        link = self._attachment.link
        if not self.prefetch and self._life.usable and not link.draining():
            missing = len(self._waiters) - link.credit
            if missing > 0:
                link.flow(missing)

    def _give_credit_back(self) -> None:
        link = self._attachment.link
        if not self.prefetch and self._life.usable and link.credit > len(self._waiters) and not link.draining():
            link.drain(0)

    async def close(self) -> None:
        """Close the link. Messages that were not taken go back, RELEASED. Harmless when repeated."""
        await self._close(True)

    async def detach(self) -> None:
        """Detach it: a durable subscription stays."""
        await self._close(False)

    async def _close(self, closing: bool) -> None:
        try:
            await give_back([self], self._life)
        except BaseException:  # cancelled: it is not to stay open, and paused
            self._attachment.abandon(closing)
            self.changed()
            raise
        await self._attachment.close(closing)
        self.changed()

    def check(self, name: str) -> None:
        """Raise the reason why it cannot be used for `name`, if there is one."""
        self._life.check(name)

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        await self.close()

    def on_end(self, call: Callable[[], object]) -> None:
        """Have it called when it has been closed: for its session."""
        self._life.forget = call

    # -- for its events, and its session -----------------------------------------------------------------

    def arrived(self) -> None:
        """A message has come: a call that waits takes it."""
        waiters = self._waiters
        while waiters:
            future = waiters.popleft()
            if not future.done():
                future.set_result(None)
                return
        if not self.prefetch and self._life.usable:
            self.release_arrived()

    def changed(self) -> None:
        """All calls that wait look again."""
        for future in list(self._waiters):
            if not future.done():
                future.set_result(None)
        self._waiters.clear()

    def lost(self) -> None:
        """The wire is lost; there may be another. Messages that were not taken come again, and there is to be credit
        for them."""
        for delivery in [one for one in self._incoming if one.fate == LOST]:
            delivery.take()
        self.refill()

    def pause(self) -> None:
        """Take the credit back, if messages have come that were not taken."""
        if self._incoming and self._life.usable:
            self._attachment.link.pause()

    @property
    def is_quiet(self) -> bool:
        """Whether the peer has heard that there is no credit, or will not."""
        link = self._attachment.link
        return not link.paused or link.is_paused or not self._life.usable or bool(link.state & Endpoint.REMOTE_UNINIT)

    def flowed(self) -> None:
        """The peer has told of its credit."""
        self.refill()
        self._life.changed()

    def release_arrived(self) -> None:
        """Give messages that were not taken back."""
        for delivery in list(self._incoming):
            if not delivery.partial and not delivery.aborted:
                delivery.take()
                delivery.settle_with(RELEASED)


async def give_back(receivers: Iterable[AsyncReceiver], life: Life) -> None:
    """Have messages that were not taken go back: when the peer has no credit to send them here again."""
    receivers = list(receivers)
    for receiver in receivers:
        receiver.pause()
    try:
        await life.until(lambda: all(receiver.is_quiet for receiver in receivers), "close()", CONFIRMATION)
    except Timeout:
        pass  # the messages are counted as sent once more
    finally:
        for receiver in receivers:
            receiver.release_arrived()


def _nothing() -> None:
    pass


def _ring(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Arrivals(Handler):
    """The events of the receiver's deliveries."""

    def __init__(self, owner: AsyncReceiver) -> None:
        self.owner = owner

    def on_delivery(self, event: Any) -> None:
        delivery = event.context
        if delivery.aborted:
            if delivery.payload is not None:
                delivery.take()
            delivery.settle()
            self.owner.arrived()  # those behind it can be taken
        elif delivery.payload is not None and not delivery.partial:
            self.owner.arrived()

    def on_link_remote_open(self, event: Any) -> None:
        self.owner.attached_again()

    def on_link_flow(self, event: Any) -> None:
        self.owner.flowed()

    def on_link_remote_close(self, event: Any) -> None:
        if event.container.will_retry(event.link):
            self.owner.lost()
        self.owner.changed()

    on_link_remote_detach = on_link_remote_close

    def on_link_final(self, event: Any) -> None:
        self.owner.changed()
