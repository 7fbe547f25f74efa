"""The log-in to the page: where the broker has users, they log in here, too.

It is HTTP's Basic authentication [RFC 7617]: the page is on this machine alone, so that no password leaves it. With
permissions, a user needs that to manage. Log-ins that fail count with those of AMQP (access/throttle.py). The requests
enter, in threads of their own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from typing import Any, Optional

from handlers.broker.access.doors import NAMELESS
from handlers.broker.access.permissions import MANAGE
from handlers.broker.web.bridge import Bridge
from handlers.broker.web.interface import WatchedBroker
from reactor import ScramSecret

HERE = "127.0.0.1:0"
"""The address of all readers of the page, as far as the throttle is concerned."""

CHALLENGE = 'Basic realm="amqp-broker", charset="UTF-8"'

MOST_PROVED = 100
"""Log-ins that are remembered: to look at a password takes long on purpose, and a page asks often."""


class Denied(Exception):
    """The request is not for this user. status: 401, log in; or 403, without the permission."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Login:
    """The log-in of one page, by the users and permissions of `broker`."""

    def __init__(self, broker: WatchedBroker, bridge: Bridge) -> None:
        self._doors = broker.doors
        self._now = broker.now
        self._bridge = bridge
        self._lock = threading.Lock()
        self._proved: dict[bytes, None] = {}

    def check(self, header: Optional[str]) -> None:
        """Denied, unless a request with this Authorization may be answered. From any thread but the broker's."""
        user, password = _read(header)
        secret: Optional[ScramSecret]
        secret, shut, permitted, user = self._bridge.ask(self._look_up, user)
        if secret is not None and not self._proves(secret, user, password, shut):
            raise Denied(401, "log in as a user of the broker")
        if not permitted:
            raise Denied(403, f"user {user!r} does not have the permission {MANAGE}")

    def _proves(self, secret: ScramSecret, user: str, password: Optional[str], shut: bool) -> bool:
        if password is None:
            return False
        words = "\0".join((secret.export(), user, password)).encode("utf-8", "surrogatepass")
        mark = hashlib.sha256(words).digest()
        with self._lock:  # one at a time: to try passwords shall not keep the machine busy
            if mark in self._proved:
                return True
            if shut:
                return False
            if not secret.matches(password):
                self._bridge.ask(self._failed, user)
                return False
            if len(self._proved) >= MOST_PROVED:
                self._proved.clear()
            self._proved[mark] = None
            return True

    # -- in the broker's thread

    def _look_up(self, user: Optional[str]) -> Any:
        """The verifier, whether no password is looked at, whether the user may manage, and the user's name."""
        users, permissions = self._doors.users, self._doors.permissions
        name, secret, shut = NAMELESS, None, False
        if users is not None:
            try:
                name = ScramSecret.prepared(user or NAMELESS)
            except ValueError:
                name = NAMELESS
            secret = users.credentials("PLAIN", name)
            shut = self._doors.throttle.is_shut(HERE, name, self._now())
        return secret, shut, permissions is None or permissions.has(name, MANAGE), name

    def _failed(self, user: str) -> None:
        self._doors.throttle.failed(HERE, user, self._now())


def _read(header: Optional[str]) -> tuple[Optional[str], Optional[str]]:
    """User and password; None for both where there are none."""
    kind, _, text = (header or "").partition(" ")
    if kind.lower() != "basic":
        return None, None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None, None
    return (user, password) if colon else (None, None)
