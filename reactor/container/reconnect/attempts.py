"""Attempts: where a connection is tried next, and after which delay.

The supervisor of a connection enters. It knows addresses and delays, and gets the time; it makes no attempt.
"""

from __future__ import annotations

import itertools

from reactor.container.reconnect.backoff import Backoff, read_delays
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random
    from typing import Optional

    from reactor.container.reconnect.backoff import Reconnect
    from reactor.url import Url


class Step:
    """One attempt. delay: seconds to wait before it. url: where to. hostname: the name to ask for there, in open,
    when the application has given none. redirected: a peer has given the url."""

    __slots__ = ("delay", "url", "hostname", "redirected")

    def __init__(self, delay: float, url: Url, hostname: Optional[str] = None, redirected: bool = False) -> None:
        self.delay = delay
        self.url = url
        self.hostname = hostname
        self.redirected = redirected


#: Seconds that a connection has to last before its loss is one that has nothing to do with those before it. A peer
#: that lets clients in and throws them out again would else be called at once, and at once again.
STABLE = 1.0

_NO_STEPS: Iterator[Step] = iter(())


class _Steps:
    """An attempt at each address after each delay. No generator: each open connection keeps some."""

    __slots__ = ("_addresses", "_at", "_delay", "_delays", "_redirected")

    def __init__(self, delays: Iterator[float], addresses: list[Url], redirected: bool) -> None:
        self._delays = delays
        self._addresses = addresses
        self._redirected = redirected
        self._delay = 0.0
        self._at = 0

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> Step:
        if not self._at:
            self._delay = next(self._delays)
        url = self._addresses[self._at]
        self._at = (self._at + 1) % len(self._addresses)
        return Step(self._delay, url, redirected=self._redirected)


class Attempts:
    """The plan of one connection.

    addresses: where to go, in this order, over and over.
    reconnect: the delays, as `check_reconnect` gives them, or None: each address is tried once, and a connection
        that was lost stays lost.
    random: gives the jitter.
    redirected: a peer has given these addresses.

    upcoming: the next attempt; None when there is none.
    """

    def __init__(
        self, addresses: list[Url], reconnect: Reconnect, random: Random, redirected: bool = False
    ) -> None:
        self.addresses = addresses
        self.reconnect = reconnect
        self.upcoming: Optional[Step] = None
        self._random = random
        self._redirected = redirected
        self._steps: Iterator[Step] = _NO_STEPS
        self._before: tuple[Optional[Step], Iterator[Step]] = (None, self._steps)
        self._until: Optional[float] = None

    def begin(self, now: float) -> None:
        """The connection has never been open: every address is tried at once, and then after each delay."""
        delays = read_delays(self.reconnect, self._random)
        first = next(delays, None)
        rest = delays if not first else itertools.chain((first,), delays)  # a delay of 0 has just been had
        self._steps = self._round(itertools.chain((0.0,), rest))
        self._limit(now)
        self._advance()

    def opened(self) -> None:
        """The connection is open. The attempts after its loss are planned anew."""
        if isinstance(self.reconnect, Backoff):
            self._before = (self.upcoming, self._steps)
        self._steps = self._round(read_delays(self.reconnect, self._random))
        self._advance()

    def lost(self, now: float, lived: float) -> None:
        """The connection is lost that was open for `lived` seconds."""
        self._limit(now)
        if lived < STABLE and isinstance(self.reconnect, Backoff) and self._before[0] is not None:
            self.upcoming, self._steps = self._before  # the connection was not worth the waiting

    def redirect(self, step: Step) -> None:
        """The next attempt is `step`; the others come after it."""
        if self.upcoming is not None:
            self._steps = itertools.chain((self.upcoming,), self._steps)
        self.upcoming = step

    def take(self) -> Optional[Step]:
        """The next attempt, which is to be made now; None when there is none."""
        step = self.upcoming
        self._advance()
        return step

    def in_time(self, now: float) -> bool:
        """Whether there is a next attempt, and it would begin before the time for all attempts is over."""
        return self.upcoming is not None and (self._until is None or now + self.upcoming.delay <= self._until)

    def _round(self, delays: Iterator[float]) -> Iterator[Step]:
        return _Steps(delays, self.addresses, self._redirected)

    def _advance(self) -> None:
        self.upcoming = next(self._steps, None)
        if self.upcoming is None:
            self._steps = _NO_STEPS  # in place of generators at their end

    def _limit(self, now: float) -> None:
        most = self.reconnect.max_time if isinstance(self.reconnect, Backoff) else None
        self._until = None if most is None else now + most
