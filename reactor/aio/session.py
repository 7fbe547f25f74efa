"""AsyncSession: a session, and the links that it makes."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from reactor.aio.life import Life
from reactor.aio.opening import Opening
from reactor.aio.receiver import PREFETCH, AsyncReceiver, give_back
from reactor.aio.sender import CAPACITY, AsyncSender
from reactor.aio.transactions import AsyncTransactions, TransactionBlock
from reactor.blocking.events import SessionEvents
from reactor.engine.public import Session
from reactor.errors import SessionException, TransactionException

if TYPE_CHECKING:
    from reactor.aio.container import AsyncContainer
    from reactor.container.settings.options import Options

Self = TypeVar("Self", bound="AsyncSession")


class AsyncSession:
    """Links of one session; `AsyncConnection.session` makes it. session: the Session. transacted: see there."""

    session: Session

    def __init__(self, container: AsyncContainer, connection: Life, transacted: bool = False) -> None:
        self._container = container
        self.life = Life(container.event_loop, "the session", SessionException, connection)
        self._transactions: Optional[AsyncTransactions] = None
        if transacted:
            self._transactions = AsyncTransactions(container, self.life, self._pump, self._rolled_back)
        self._links: dict[Union[AsyncSender, AsyncReceiver], None] = {}

    async def begin(self, connection: Any) -> None:
        """Have it begun; `session()` does it."""
        self.life.check("session()")
        self.session = connection.session()
        self.session.handler = SessionEvents(self)
        self.session.open()
        try:
            await self.life.until_usable(lambda: self.life.opened, "opening a session")
            if self._transactions is not None:
                await self._transactions.begin(self.session)
        except BaseException:
            self.life.closing = True
            self.session.close()
            self.life.end()
            raise

    def sender(
        self,
        address: Optional[str] = None,
        *,
        capacity: int = CAPACITY,
        name: Optional[str] = None,
        options: Options = None,
        **keywords: Any,
    ) -> Opening[AsyncSender]:
        """A sender to `address`, attached; None: each message has its address in `message.address`. To be awaited, or
        entered by ``async with``.

        capacity: see AsyncSender; 1,000. All else is as in `Container.create_sender`.
        Raises LinkDetached where the peer refuses it, NotFound where it has no such node.
        """

        async def make() -> AsyncSender:
            self.life.check("sender()")
            sender = AsyncSender(self._container.event_loop, self.life, capacity, self._transactions)
            await sender.open(
                lambda events: self._container.create_sender(
                    self.session, address, name=name, options=options, handler=events, **keywords
                ),
                address,
            )
            self._keep(sender)
            return sender

        return Opening(make)

    def receiver(
        self,
        address: Optional[str] = None,
        *,
        prefetch: int = PREFETCH,
        dynamic: bool = False,
        name: Optional[str] = None,
        options: Options = None,
        **keywords: Any,
    ) -> Opening[AsyncReceiver]:
        """A receiver from `address`, attached, or from a node that the peer makes (`dynamic`). To be awaited, or
        entered by ``async with``.

        prefetch: see AsyncReceiver; 100. All else, `max_unsettled` among it, is as in `Container.create_receiver`.
        Raises as `sender`.
        """

        async def make() -> AsyncReceiver:
            self.life.check("receiver()")
            receiver = AsyncReceiver(self._container.event_loop, self.life, prefetch, self._transactions)
            await receiver.open(
                lambda events: self._container.create_receiver(
                    self.session, address, name=name, dynamic=dynamic, options=options, handler=events,
                    prefetch=prefetch, auto_accept=False, **keywords,
                ),
                "a dynamic node" if dynamic else address,
            )  # fmt: skip
            self._keep(receiver)
            return receiver

        return Opening(make)

    async def commit(self, *, timeout: Optional[float] = None) -> None:
        """Commit the transaction of a transacted session: the messages that were sent since the last one are there, and
        those that were given an outcome have it; the next transaction begins (rows J6, Q15).

        timeout: seconds; None: as long as it takes. Raises TransactionRolledBack: nothing of it has happened
        (`in_doubt`: or all of it, when the connection was lost meanwhile); TransactionException where the session is
        not transacted; Timeout. Where it is cancelled, the text of the CancelledError has the state of the transaction.
        """
        await self._transacted("commit()").end(True, timeout)

    async def rollback(self, *, timeout: Optional[float] = None) -> None:
        """Roll it back: messages that were sent since the last one are nowhere, those that were given an outcome go
        back as MODIFIED, delivery-failed, and come again; the next transaction begins. timeout, errors: as of
        `commit`."""
        await self._transacted("rollback()").end(False, timeout)

    def transaction(self) -> TransactionBlock:
        """``async with session.transaction()``: `commit` at the end of the block. An exception that leaves it rolls
        back, without waiting for the peer. TransactionException where the session is not transacted."""
        return TransactionBlock(self._transacted("transaction()"))

    def _transacted(self, name: str) -> AsyncTransactions:
        self.life.check(name)
        if self._transactions is None:
            raise TransactionException("%s: the session is not transacted: connection.session(transacted=True)" % name)
        return self._transactions

    async def close(self) -> None:
        """End it, with its links, and wait for the peer. Messages that were not taken go back; a transaction is rolled
        back. Harmless when repeated."""
        life = self.life
        try:
            try:
                if life.usable:
                    await give_back(self.receivers(), life)
            finally:  # when it was cancelled, too: its receivers are not to stay open, and paused
                usable, life.closing = life.usable, True
                if usable:
                    self.session.close()
            if usable:
                life.changed()
                await life.until(lambda: life.over or not life.outer_usable, "close()")
        finally:
            self.changed()
            life.end()

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        await self.close()

    # -- for its events, and its connection --------------------------------------------------------------

    def receivers(self) -> list[AsyncReceiver]:
        """Those that it has made."""
        return [link for link in self._links if isinstance(link, AsyncReceiver)]

    def _pump(self) -> None:
        for link in list(self._links):
            if isinstance(link, AsyncSender):
                link.pump()

    def _rolled_back(self) -> None:
        for link in list(self._links):
            if isinstance(link, AsyncSender):
                link.rolled_back()

    def _keep(self, link: Union[AsyncSender, AsyncReceiver]) -> None:
        self._links[link] = None
        link.on_end(lambda: self._links.pop(link, None))

    def close_off(self) -> None:
        """The connection is over: sends that wait for an outcome wait no more."""
        for link in list(self._links):
            if isinstance(link, AsyncSender):
                link.close_off()

    def changed(self) -> None:
        """Its state, or that of its connection, is another one: calls that wait look again."""
        self.life.changed()
        for link in list(self._links):
            if isinstance(link, AsyncReceiver):
                link.changed()
            else:
                link.failed()

    def begun(self) -> None:
        """The peer has begun it."""
        self.life.opened = True
        self.life.changed()

    def lost(self) -> None:
        """The wire is lost, or the peer has ended the session, which is asked for again."""
        for link in self._links:
            if isinstance(link, AsyncReceiver):
                link.lost()

    def ended(self) -> None:
        """No more is heard of it."""
        self.life.over = True
        self.changed()

    def fail(self, reason: Callable[[], Exception]) -> None:
        """The peer has ended it."""
        self.life.fail(reason)
        self.changed()
