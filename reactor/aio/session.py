"""AsyncSession: a session, and the links that it makes."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from reactor.aio.life import Life
from reactor.aio.opening import Opening
from reactor.aio.receiver import PREFETCH, AsyncReceiver, give_back
from reactor.aio.sender import CAPACITY, AsyncSender
from reactor.blocking.events import SessionEvents
from reactor.container.settings.options import Options
from reactor.engine.public import Session
from reactor.errors import SessionException

if TYPE_CHECKING:
    from reactor.aio.container import AsyncContainer

Self = TypeVar("Self", bound="AsyncSession")


class AsyncSession:
    """Links of one session; `AsyncConnection.session` makes it. session: the Session."""

    session: Session

    def __init__(self, container: AsyncContainer, connection: Life) -> None:
        self._container = container
        self.life = Life(container.event_loop, "the session", SessionException, connection)
        self._links: dict[Union[AsyncSender, AsyncReceiver], None] = {}

    async def begin(self, connection: Any) -> None:
        """Have it begun; `session()` does it."""
        self.life.check("session()")
        self.session = connection.session()
        self.session.handler = SessionEvents(self)
        self.session.open()
        try:
            await self.life.until_usable(lambda: self.life.opened, "opening a session")
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
            sender = AsyncSender(self._container.event_loop, self.life, capacity)
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
            receiver = AsyncReceiver(self._container.event_loop, self.life, prefetch)
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

    async def close(self) -> None:
        """End it, with its links, and wait for the peer. Messages that were not taken go back. Harmless when
        repeated."""
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
