"""AsyncConnection: a connection with calls that are awaited.

    connection = await aio.connect("amqp://localhost")
    sender = await connection.sender("jobs")
    await sender.send(Message("the first one"))

It owns a container on the running event loop, and makes the sessions and links.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from reactor.aio.container import AsyncContainer
from reactor.aio.life import Life, check_timeout
from reactor.aio.opening import Opening
from reactor.aio.receiver import PREFETCH, AsyncReceiver, give_back
from reactor.aio.requests import AsyncRequests
from reactor.aio.sender import CAPACITY, AsyncSender
from reactor.aio.session import AsyncSession
from reactor.blocking.events import ConnectionEvents
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection
from reactor.errors import ConnectionException, Timeout
from reactor.url import Url

if TYPE_CHECKING:
    from reactor.container.reconnect.backoff import Reconnect
    from reactor.container.settings.addresses import Address
    from reactor.container.settings.options import Options

Self = TypeVar("Self", bound="AsyncConnection")

CLOSE_TIMEOUT = 10.0
"""Seconds to wait for the peer's answer to a close."""


def connect(
    url: Optional[Address] = None,
    *,
    urls: Optional[Iterable[Address]] = None,
    reconnect: Reconnect = None,
    timeout: Optional[float] = None,
    container_id: Optional[str] = None,
    **keywords: Any,
) -> Opening[AsyncConnection]:
    """A connection, open: ``await connect(url)``, or ``async with connect(url) as connection``, which closes it.

    url, urls: where to connect; a container's connect.json is read when there is neither.
    reconnect: None or False (default): a connection that is lost is over, and every call raises ConnectionException
        with the reason. True, or a Backoff or the like: it is made again, and calls wait for that.
    timeout: seconds until it has to be open; None: as long as it takes, which the keywords of `Container.connect` bound
        for each attempt. container_id: as of a Container. All other keywords are those of `Container.connect`.

    Raises ConnectionException if it cannot be opened, Timeout if that takes longer.
    """

    async def make() -> AsyncConnection:
        check_timeout(timeout)
        connection = AsyncConnection(AsyncContainer(container_id=container_id))
        await connection.open(dict(keywords, url=url, urls=urls), reconnect, timeout)
        return connection

    return Opening(make)


class AsyncConnection:
    """A connection of the running event loop; `connect` makes it. conn: the Connection. away: whether it is lost, and
    is being made again.

    Its default session has the links that `sender` and `receiver` make. Use from another event loop or from another
    thread raises RuntimeError.
    """

    conn: Connection

    def __init__(self, container: AsyncContainer) -> None:
        self.container = container
        self._life = Life(container.event_loop, "the connection", ConnectionException)
        self._sessions: dict[AsyncSession, None] = {}
        self._default: Optional[AsyncSession] = None
        self.away = self._parting = False
        self._making = asyncio.Lock()
        container.ended = self._container_ended

    async def open(self, keywords: dict[str, Any], reconnect: Reconnect, timeout: Optional[float]) -> None:
        """Have it opened; `connect` does it."""
        again = None if reconnect is True else False if reconnect is None else reconnect
        self.container.begin()
        try:
            self.conn = self.container.connect(handler=ConnectionEvents(self), reconnect=again, **keywords)
            await self._life.until_usable(lambda: self._life.opened, "opening the connection", timeout)
        except BaseException:
            self.container.let_go()
            raise

    # -- its parts ---------------------------------------------------------------------------------------

    @property
    def url(self) -> Optional[str]:
        """The address that it is connected to, without the password."""
        address = self.conn.connected_address
        return None if address is None else str(Url(address))

    @property
    def closed(self) -> bool:
        """Whether it was closed, by either side, or is lost for good."""
        return not self._life.usable

    @property
    def failure(self) -> Optional[Exception]:
        """Why it was lost, or closed by the peer; None while it was not."""
        return self._life.failure

    def __repr__(self) -> str:
        state = "closed" if self._life.closing else "lost" if self.closed else "open"
        return "<AsyncConnection %s %s>" % (self.url, state)

    def session(self, *, transacted: bool = False) -> Opening[AsyncSession]:
        """A new session, begun. To be awaited, or entered by ``async with``.

        transacted: whether sends and outcomes take effect together, with `session.commit()` or at the end of a block of
            `session.transaction()`. Raises TransactionException where the peer has no transactions.
        """
        return Opening(lambda: self._new_session(transacted))

    async def _new_session(self, transacted: bool = False) -> AsyncSession:
        session = AsyncSession(self.container, self._life, transacted)
        self._sessions[session] = None
        session.life.forget = lambda: self._sessions.pop(session, None)
        await session.begin(self.conn)
        return session

    async def _own_session(self) -> AsyncSession:
        async with self._making:
            if self._default is None or not self._default.life.usable:
                self._default = await self._new_session()
            return self._default

    def sender(
        self,
        address: Optional[str] = None,
        *,
        capacity: int = CAPACITY,
        name: Optional[str] = None,
        options: Options = None,
        **keywords: Any,
    ) -> Opening[AsyncSender]:
        """A sender of the connection's own session; see `AsyncSession.sender`."""

        async def make() -> AsyncSender:
            session = await self._own_session()
            return await session.sender(address, capacity=capacity, name=name, options=options, **keywords)

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
        """A receiver of the connection's own session; see `AsyncSession.receiver`."""

        async def make() -> AsyncReceiver:
            session = await self._own_session()
            return await session.receiver(
                address, prefetch=prefetch, dynamic=dynamic, name=name, options=options, **keywords
            )

        return Opening(make)

    def requests(self, address: Optional[str] = None) -> Opening[AsyncRequests]:
        """Requests to `address`, with a dynamic address for their responses; None: each request has its own,
        `message.address`. To be awaited, or entered by ``async with``."""

        async def make() -> AsyncRequests:
            receiver = await self.receiver(dynamic=True)
            try:
                return AsyncRequests(address, await self.sender(address), receiver)
            except BaseException:
                await receiver.close()
                raise

        return Opening(make)

    async def close(self, timeout: Optional[float] = CLOSE_TIMEOUT) -> None:
        """Close it, with its sessions and links, and return when the peer has answered. Messages that were sent leave
        before; those that were not taken go back. Harmless when repeated.

        timeout: seconds for the peer; Timeout is raised when they have passed, and it is closed then, too.

        Where its event loop is closed already, the peer hears nothing but the end of the wire.
        """
        life = self._life
        if self.container.event_loop.is_closed():
            life.closing = True
            self.container.let_go()
            return
        if self._parting:  # another call is at it
            await life.until(lambda: not self._parting, "closing the connection", timeout)
            return
        self._parting = True
        try:
            if life.usable:
                await give_back([one for session in self._sessions for one in session.receivers()], life)
            usable, life.closing = life.usable, True
            if usable:
                self.conn.close()
                if self.conn.state & Endpoint.REMOTE_UNINIT:  # between two wires
                    life.over = True
                self._changed()
                await life.until(lambda: life.over or life.failure is not None, "closing the connection", timeout)
        except Timeout as error:
            raise Timeout("%s; the peer has not answered" % error) from None
        finally:
            life.closing, self._parting = True, False
            self.container.let_go()
            self._changed()
            self._close_off()

    async def wait_closed(self) -> None:
        """Wait until it is closed or lost; raises the reason when that was not this side."""
        await self._life.until(lambda: self.closed, "wait_closed()")
        if self.failure is not None:
            raise self.failure

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        await self.close()

    # -- for its events ----------------------------------------------------------------------------------

    def opened(self) -> None:
        """The peer has opened it."""
        self.away = False
        self._life.opened = True
        self._life.changed()

    def ended(self) -> None:
        """No more is heard of it."""
        self._life.over = True
        self._changed()

    def fail(self, reason: Callable[[], Exception]) -> None:
        """It is over; `reason` makes the exception for each call."""
        if not self._life.closing:
            self._life.fail(reason)
        self.ended()

    def lost(self) -> None:
        """The wire is lost; there may be another."""
        for session in list(self._sessions):
            session.lost()

    def _changed(self) -> None:
        self._life.changed()
        for session in list(self._sessions):
            session.changed()

    def _close_off(self) -> None:
        for session in list(self._sessions):
            session.close_off()

    def _container_ended(self, error: BaseException) -> None:
        def reason() -> Exception:
            failure = ConnectionException("the connection has failed: %s" % (error,))
            failure.__cause__ = error
            return failure

        self.fail(reason)
        self._close_off()
