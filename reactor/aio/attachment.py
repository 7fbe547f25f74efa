"""Attachment: the life of a link, from its attach to its end. Senders and receivers own one."""

from __future__ import annotations

from typing import Any, Callable

from reactor.aio.life import Life
from reactor.blocking.events import LinkEvents
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.handler import Handler
from reactor.errors import LinkException


class Attachment:
    """A link of a session, and its handler. owner: gets `on_delivery`, `on_link_flow` and the like."""

    def __init__(self, loop: Any, session: Life, owner: Handler) -> None:
        self.life = Life(loop, "the link", LinkException, session)
        self.events = LinkEvents(self)
        self.events.handlers = [owner]
        self.link: Any = None

    async def open(self, make: Callable[[Handler], Any], name: str) -> None:
        """Have it attached. make: makes the link, with this handler. LinkDetached where the peer refuses it."""
        self.life.check(name)
        self.link = make(self.events)
        try:
            await self.life.until_usable(lambda: self.life.opened, name)
        except BaseException:
            self.abandon()
            raise

    def abandon(self, closing: bool = True) -> None:
        """Close or detach it, without waiting for the peer."""
        self.life.closing = True
        if self.link.state & Endpoint.LOCAL_ACTIVE:
            if closing:
                self.link.close()
            else:
                self.link.detach()
        self.life.end()

    async def close(self, closing: bool = True) -> None:
        """Close or detach it, and wait for the peer. Harmless when it has ended."""
        life = self.life
        if not life.usable:
            life.closing = True
            life.end()
            return
        life.closing = True
        if closing:
            self.link.close()
        else:
            self.link.detach()
        life.changed()
        try:
            await life.until(lambda: life.over or life.failure is not None or not life.outer_usable, "close()")
        finally:
            life.end()  # when it was cancelled, too: no later call waits for the peer

    # -- for its events ----------------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """Whether it was closed by a call."""
        return self.life.closing

    def attached(self) -> None:
        """The peer has attached it, and does not refuse it."""
        self.life.opened = True
        self.life.changed()

    def ended(self) -> None:
        """No more is heard of it."""
        self.life.over = True
        self.life.changed()

    def fail(self, reason: Callable[[], Exception]) -> None:
        """The peer has ended it."""
        self.life.fail(reason)
