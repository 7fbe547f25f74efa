"""Throttling of log-ins that fail: passwords cannot be guessed at speed, nor can the work of checking them keep the
broker from its clients.

The doors enter with each attempt, and each failure. A user at one address may fail `most` times at once, and then once
in PAUSE seconds; all users at one address together AT_ONCE times, and then PER_SECOND times a second. What comes beyond
that is answered as a wrong password, and no password is looked at. A user is locked out from the failing address alone.
Addresses of IPv6 count by their networks, of which one host may have all addresses.
"""

from __future__ import annotations

import ipaddress
import logging
from functools import partial
from typing import Callable, Optional

from handlers.broker.access.users import Users
from reactor import ScramSecret

log = logging.getLogger("handlers.broker")

PAUSE = 6.0
"""Seconds after which a user that has failed too often is looked at once more."""

AT_ONCE, PER_SECOND = 100, 10.0
"""Failures of one address, of whatever users: in a burst, and for long. A check of a password in clear takes 10 ms."""

NEWS = 60.0
"""Seconds between two lines of the log about one address that is shut."""

REMEMBERED = 10_000
"""Addresses and users of which it is known that they have failed. The oldest are forgotten."""

LONGEST_USER = 256
"""Characters of a user's name that count."""

NETWORK = 64
"""Bits of the network of an IPv6 address."""


class Buckets:
    """Failures by key, as water in buckets that leak. most: what a bucket holds. leak: of it, per second."""

    def __init__(self, most: float, leak: float) -> None:
        self.most = most
        self.leak = leak
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}  # and of which time, the latest last

    def __len__(self) -> int:
        return len(self._levels)

    def is_full(self, key: tuple[str, str], now: float) -> bool:
        """Whether there is no room for one more."""
        return self._level(key, now) > self.most - 1

    def add(self, key: tuple[str, str], now: float) -> None:
        """One more."""
        level = self._level(key, now) + 1
        self._levels.pop(key, None)
        self._levels[key] = level, now
        if len(self._levels) > REMEMBERED:
            del self._levels[next(iter(self._levels))]

    def _level(self, key: tuple[str, str], now: float) -> float:
        level, then = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - then) * self.leak)


class Throttle:
    """The failures at one broker. most: of one user at one address, at once; 0 for no bound at all."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._users = Buckets(float(most), 1 / PAUSE)
        self._places = Buckets(float(AT_ONCE), PER_SECOND)
        self._told: dict[str, float] = {}  # when an address had a line of the log, the latest last

    def is_shut(self, address: str, user: str, now: float) -> bool:
        """Whether this user, or every user, has failed too often from there."""
        if not self.most:
            return False
        place = network(address)
        return self._places.is_full((place, ""), now) or self._users.is_full((place, user[:LONGEST_USER]), now)

    def failed(self, address: str, user: str, now: float) -> None:
        """A log-in has failed."""
        if not self.most or self.is_shut(address, user, now):
            return
        place = network(address)
        self._places.add((place, ""), now)
        self._users.add((place, user[:LONGEST_USER]), now)
        if self.is_shut(address, user, now) and self._is_news(place, now):
            text = "log-ins of user %.60r from %s have failed too often: for some seconds they fail unlooked at"
            log.warning(text, user, place)

    def _is_news(self, place: str, now: float) -> bool:
        """Whether a line about that address is due: as long as it is tried, one a minute."""
        told = self._told
        if place in told and now < told[place] + NEWS:
            return False
        told.pop(place, None)
        told[place] = now
        if len(told) > REMEMBERED:
            del told[next(iter(told))]
        return True


class Watched(ScramSecret):
    """A verifier that tells of a password in clear that does not match. failed: called then."""

    __slots__ = ("_failed", "_secret")

    def __init__(self, secret: ScramSecret, failed: Callable[[], None]) -> None:
        super().__init__(secret.salt, secret.iterations, secret.stored_key, secret.server_key)
        self._secret = secret
        self._failed = failed

    def matches(self, password: str) -> bool:
        """As ScramSecret.matches."""
        right = self._secret.matches(password)
        if not right:
            self._failed()
        return right


class Shut(ScramSecret):
    """A verifier that no password matches, without a look at it."""

    __slots__ = ()

    def __init__(self, secret: ScramSecret) -> None:
        super().__init__(secret.salt, secret.iterations, secret.stored_key, secret.server_key)

    def matches(self, password: str) -> bool:
        """As ScramSecret.matches."""
        return False


class Attempt:
    """The log-in of one client, which calls it for the verifier of its user. address: of the client. user: as it has
    named itself; "" before that."""

    def __init__(self, throttle: Throttle, users: Users, address: str, now: Callable[[], float]) -> None:
        self._throttle = throttle
        self._users = users
        self._address = address
        self._now = now
        self.user = ""
        self._user: Optional[str] = None  # of a password that does not come in clear

    def __call__(self, mechanism: str, user: str) -> ScramSecret:
        self.user = user
        if self._throttle.is_shut(self._address, user, self._now()):
            return Shut(self._users.nobody(mechanism, user))
        secret = self._users.credentials(mechanism, user)
        if mechanism == "PLAIN":
            return Watched(secret, partial(self._count, user))
        self._user = user
        return secret

    def failed(self) -> None:
        """The client was refused. A password in clear has been counted when it was looked at."""
        if self._user is not None:
            self._count(self._user)
            self._user = None

    def _count(self, user: str) -> None:
        self._throttle.failed(self._address, user, self._now())


def network(address: Optional[str]) -> str:
    """What counts of a peer's address, HOST:PORT or [HOST]:PORT: the host, or the network of an IPv6 one."""
    host = (address or "").rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        known = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, NETWORK), strict=False))
