"""Comeback: sessions and links that a peer has ended for a reason that passes, and that are asked for again.

The supervisor of a connection has one. An endpoint that is asked for again answers the peer at once, and then waits
its time, as the attempts of a connection do; the messages sent over it wait with it. It knows no frame, and decides
nothing about reasons (reasons.py).
"""

from __future__ import annotations

from reactor.container.reconnect.attempts import STABLE, Attempts
from reactor.container.reconnect.backoff import Backoff, read_delays
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Link, Sender, Session
from reactor.lazily import TYPE_CHECKING, Lazily
from reactor.loop.loggers import log_fields, logger
from reactor.reasons import passes

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from typing import Any, Optional

    from reactor.container.interface import ConnectionHost
    from reactor.loop.timers import Timer
else:
    logging = Lazily("logging")

log = logger(__name__)


class _Patience:
    """The delays of one session or link. upcoming: the next one, in seconds; None when there is none."""

    __slots__ = ("delays", "upcoming", "opened_at", "told", "timer")

    def __init__(self, delays: Iterator[float]) -> None:
        self.delays = delays
        self.upcoming: Optional[float] = next(delays, None)
        self.opened_at: Optional[float] = None
        self.told = False
        self.timer: Optional[Timer] = None


class Comeback:
    """The sessions and links of one connection that are to come back.

    returns: whether the connection, which the peer has closed, comes back itself.
    """

    def __init__(
        self, connection: Connection, attempts: Attempts, host: ConnectionHost, returns: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._attempts = attempts
        self._host = host
        self._returns = returns
        self._patience: dict[Endpoint, _Patience] = {}

    def will_retry(self, endpoint: Any) -> bool:
        """Whether `endpoint`, which the peer has ended, is asked for again."""
        connection = self._connection
        if not connection.lasting or not connection.state & Endpoint.LOCAL_ACTIVE:
            return False
        if not endpoint.state & Endpoint.LOCAL_ACTIVE:
            return False
        if connection.state & Endpoint.REMOTE_CLOSED and not self._returns():
            return False
        if not endpoint.state & Endpoint.REMOTE_CLOSED:
            return False
        if isinstance(endpoint, Link):
            if endpoint.session.state & Endpoint.REMOTE_CLOSED:
                return self.will_retry(endpoint.session)  # it went with its session, and comes back with it
            if not endpoint.session.state & Endpoint.LOCAL_ACTIVE:
                return False
        if endpoint.is_blamed or endpoint.passive or not passes(endpoint.remote_condition):
            return False
        if endpoint.channel is None or (isinstance(endpoint, Link) and endpoint.handle_out is None):
            return False  # it never got to the peer: this side has refused it
        return self._patience_of(endpoint).upcoming is not None

    def opened(self, endpoint: Any) -> None:
        """The peer has opened it."""
        patience = self._patience.get(endpoint)
        if patience is not None:
            patience.opened_at = self._host.loop.now

    def ended(self, endpoint: Any) -> None:
        """The peer has ended it, and the handlers know: ask for it again, or give up the messages sent over it."""
        if not self.will_retry(endpoint):
            self._patience.pop(endpoint, None)
            if isinstance(endpoint, Sender) and endpoint.state & Endpoint.REMOTE_CLOSED:
                endpoint.abandon()
            elif isinstance(endpoint, Session) and endpoint.state & Endpoint.REMOTE_CLOSED:
                for link in endpoint.links():
                    if isinstance(link, Sender):
                        link.abandon()
            return
        if isinstance(endpoint, Link) and endpoint.session.state & Endpoint.REMOTE_CLOSED:
            return
        if self._connection.state & Endpoint.REMOTE_CLOSED:
            return  # a peer that stops ends one after the other: it comes back with its connection
        patience = self._patience_of(endpoint)
        delay = patience.upcoming or 0.0
        patience.upcoming = next(patience.delays, None)
        condition = endpoint.remote_condition
        text = "%s: %s: the peer has ended it: %s; it is asked for again in %.3g s"
        log.log(
            logging.DEBUG if patience.told else logging.WARNING,
            text,
            endpoint.connection.describe(),
            endpoint.describe() if isinstance(endpoint, Link) else repr(endpoint),
            condition.text,
            delay,
            extra=log_fields(endpoint, condition, delay=delay),
        )
        patience.told = True
        if isinstance(endpoint, Session):
            endpoint.hold()
        else:
            endpoint.session.hold_link(endpoint)
        if delay > 0:
            patience.timer = self._host.loop.schedule(delay, lambda: self._ask(endpoint))
        else:
            self._ask(endpoint)

    def closed_here(self, endpoint: Any) -> None:
        """The application has closed it. If no frame about it is left to be sent, it is over."""
        if not endpoint.held:
            self._forget(endpoint)
            return
        if endpoint.bury() if isinstance(endpoint, Session) else endpoint.session.bury_link(endpoint):
            self._forget(endpoint)

    def clear(self) -> None:
        """The wire is gone: all of them come back with the next one, or never."""
        for endpoint in list(self._patience):
            self._forget(endpoint)

    def _forget(self, endpoint: Endpoint) -> None:
        patience = self._patience.pop(endpoint, None)
        if patience is not None and patience.timer is not None:
            patience.timer.cancel()

    def _ask(self, endpoint: Any) -> None:
        patience = self._patience.get(endpoint)
        if patience is not None:
            patience.timer = None
        if isinstance(endpoint, Session):
            endpoint.resume()
            links = list(endpoint.links())
        elif endpoint.session.held:
            return  # it comes with its session
        else:
            endpoint.session.adopt(endpoint)
            links = [endpoint]
        for link in links:
            self._host.deadlines.opened_here(link)

    def _patience_of(self, endpoint: Endpoint) -> _Patience:
        """Begun anew when it was there for a while: it was worth the waiting then."""
        patience, now = self._patience.get(endpoint), self._host.loop.now
        lasted = patience is not None and patience.opened_at is not None and now - patience.opened_at >= STABLE
        if patience is None or lasted:
            reconnect: Any = self._attempts.reconnect
            if not isinstance(reconnect, (Backoff, list, tuple)):
                reconnect = Backoff()  # one that counts for itself counts the attempts of the connection
            told = patience is not None and patience.told
            patience = self._patience[endpoint] = _Patience(read_delays(reconnect, self._host.random))
            patience.told = told  # some peers detach each link that is idle, every few minutes
        return patience
