"""Confirmations: whether the peer has read our outcomes (row Q1).

A receiver's outcome settles, and nothing comes back [2.7.6]. So the peer is asked for something that it answers in
order: a flow with `echo` [2.7.4], which python-qpid-proton and what is made with it pass over, or the begin of a
session that is ended at once, which every peer answers. A connection begins with both, and goes on with the flow alone
where that was answered. All of this happens on the service's thread; a connection owns one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional

from reactor.engine.endpoints.endpoint import Endpoint
from reactor.errors import ReactorException

if TYPE_CHECKING:
    from reactor.blocking.interface import ConnectionView
    from reactor.blocking.service import Service
    from reactor.loop.timers import Timer

PATIENCE = 1.0
"""Seconds until a peer that has answered flows before is asked by a session, too."""


class Confirmation:
    """What one call waits for. links: those that the peer has sent no flow of. done: whether it has read the outcomes.

    by_flow: whether the next flow of each link is the answer: while one drains it may be that of the drain.
    """

    def __init__(self, links: Iterable[Any]) -> None:
        self.links = set(links)
        self.by_flow = not any(link.draining() for link in self.links)
        self.done = False
        self.timer: Optional[Timer] = None  # until the peer is asked by a session


class Confirmations:
    """Those of one connection."""

    def __init__(self, connection: ConnectionView, service: Service) -> None:
        self._connection = connection
        self._service = service
        self._open: dict[Confirmation, None] = {}
        self._answers_flows = False

    def ask(self, links: Iterable[Any]) -> Confirmation:
        """The outcomes of these links are to leave in this turn."""
        confirmation = Confirmation(link for link in links if link.channel is not None)
        if not confirmation.links:  # the wire is lost, and the outcomes with it: the messages come again (row J3)
            confirmation.done = True
            return confirmation
        self._open[confirmation] = None
        if confirmation.by_flow:
            for link in confirmation.links:
                link.ask_for_flow()
        if confirmation.by_flow and self._answers_flows:
            confirmation.timer = self._service.later(PATIENCE, lambda: self._probe(confirmation))
        else:
            # Behind the outcomes: these leave at the end of the round.
            self._service.at_end_of_round(lambda: self._probe(confirmation))
        return confirmation

    def flowed(self, link: Any) -> None:
        """A flow of the link has come."""
        if self._open and self._answered(link, [one for one in self._open if one.by_flow]):
            self._answers_flows = True

    def gone(self, link: Any) -> None:
        """The link has ended: what was not read comes again."""
        if self._open:
            self._answered(link, [*self._open])

    def lost(self) -> None:
        """The wire is lost."""
        self._done([*self._open])

    def _answered(self, link: Any, confirmations: list[Confirmation]) -> bool:
        asked = [one for one in confirmations if link in one.links]
        for confirmation in asked:
            confirmation.links.discard(link)
        self._done([one for one in asked if not one.links])
        return bool(asked)

    def _done(self, confirmations: Iterable[Confirmation]) -> None:
        for confirmation in confirmations:
            confirmation.done = True
            if confirmation.timer is not None:
                confirmation.timer.cancel()
            self._open.pop(confirmation, None)
        self._connection.changed()

    def _probe(self, confirmation: Confirmation) -> None:
        if confirmation.done:
            return
        self._answers_flows = False  # as far as is known
        asked = [*self._open]
        session: Any = self._connection.conn.session()
        session.handler = _Probe(lambda: self._done(asked))
        try:
            session.open()
        except ReactorException:  # the connection is over, or has no channel left: all is done that can be
            session.free()
            self._done(asked)


class _Probe:
    """The handler of a session that is begun to be ended."""

    def __init__(self, done: Any) -> None:
        self.done = done

    def on_session_remote_open(self, event: Any) -> None:
        event.session.close()
        self.done()

    def on_session_remote_close(self, event: Any) -> None:
        if event.session.state & Endpoint.LOCAL_ACTIVE:
            event.session.close()
        self.done()
