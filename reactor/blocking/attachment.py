"""Attachment: the life of a link, from its attach to its end, for threads that wait for these.

Blocking senders and receivers own one. It is the handler of the link; the events of messages and credit it hands on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.blocking.events import LinkEvents
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.handler import Handler
from reactor.errors import LinkException, ReactorException

if TYPE_CHECKING:
    from reactor.blocking.interface import SessionView
    from reactor.blocking.service import Service


class Attachment:
    """A link on a session, attached when this is made. LinkDetached where the peer refuses it.

    make: makes the link, with this handler, on the service's thread. owner: gets `on_delivery`, `on_link_flow`
    and the like. name: of the call, for errors.
    """

    def __init__(
        self,
        session: SessionView,
        service: Service,
        make: Callable[[Any], Any],
        owner: Handler,
        delegate: Optional[object],
        name: str,
    ) -> None:
        self.session = session
        self._service = service
        self._failure: Optional[Callable[[], Exception]] = None
        self._closing = False
        self._attached = False  # by the peer
        self._ended = False  # by the peer, or with the wire
        events = LinkEvents(self)
        events.handlers = [owner] if delegate is None else [owner, delegate]
        self.link: Any = service.call(lambda: make(events), name)
        try:
            session.connection.wait(lambda: self._is_answered(name), msg=name)
        except ReactorException:
            self.abandon()
            raise

    def _is_answered(self, name: str) -> bool:
        self.check(name)
        return self._attached

    def check(self, name: str) -> None:
        """Raise the reason why the link cannot be used for `name`, if there is one."""
        if self._failure is not None:
            raise self._failure()
        self.session.check(name)
        if self._closing:
            raise LinkException("%s: the link is closed" % name)

    @property
    def closing(self) -> bool:
        """Whether it was closed by a call."""
        return self._closing

    @property
    def failed(self) -> bool:
        """Whether the peer has detached it."""
        return self._failure is not None

    def abandon(self) -> None:
        """Close it without waiting: it has not come to be."""
        self._closing = True
        link = self.link
        self._service.post(lambda: link.close() if link.state & Endpoint.LOCAL_ACTIVE else None)

    def end(self, closing: bool) -> None:
        """Close or detach it, and wait for the peer. Harmless when it has ended."""
        if self._closing or self.failed:
            return
        try:
            self.session.check("close()")
        except ReactorException:
            self._closing = True
            return  # it has ended with its session
        self._closing = True
        self._service.call(self.link.close if closing else self.link.detach, "close()")
        self.session.connection.wait(lambda: self._ended or self.failed or self.session.is_over, msg="closing a link")

    def attached(self) -> None:
        """On the service's thread: the peer has attached it, and does not refuse it. It may lack something that is
        insisted on, and be closed in the same round."""

        def end() -> None:
            self._attached = True
            self.session.connection.changed()

        self._service.at_end_of_round(end)

    def ended(self) -> None:
        """On the service's thread: no more is heard of it."""
        self._ended = True
        self.session.connection.changed()

    def fail(self, reason: Callable[[], Exception]) -> None:
        """On the service's thread: the peer has ended it."""
        if self._failure is None:
            self._failure = reason
        self.session.connection.changed()
