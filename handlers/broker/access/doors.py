"""The doors of a broker: by which mechanisms clients come in at a listener, as which users, with which permissions.

The broker enters when it listens, links when they attach. A door is only left open on this machine, or when the program
asks for that: `anonymous`.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Callable, Optional
from urllib.parse import quote

from handlers.broker.access.permissions import CREATE, DYNAMIC, MANAGE, Permissions
from handlers.broker.access.throttle import Attempt, Throttle
from handlers.broker.access.users import Users, UserSource
from handlers.broker.nodes.directory import Refused
from reactor import SSLDomain, Url

log = logging.getLogger("handlers.broker")

NAMELESS = "anonymous"
"""The user of a client that proves no name."""

Permit = Callable[[str, bool], None]
"""Called with the name of a node, and whether it would be made; raises Refused."""

ADVICE = "give users (--users FILE), or client certificates over TLS (--tls-require-client-cert), or let every client \
in (--anonymous)"


class AccessError(ValueError):
    """Clients cannot be let in as the settings have it. The text has a remedy."""


class Doors:
    """The doors of one broker, as its settings have them.

    users: the users of SCRAM and PLAIN; None for none. permissions: None (default): a client that is let in may do all.
    anonymous: whether clients without a user are let in; None (default): where there are no users, on this machine.
    ssl_domain: of `amqps` listeners. urls: where the broker is going to listen. AccessError if no client could come in
    there, or if every client could without having been asked for. max_failed_logins: see throttle.py.
    """

    def __init__(
        self,
        users: Optional[UserSource] = None,
        permissions: Optional[Mapping[str, Any]] = None,
        anonymous: Optional[bool] = None,
        ssl_domain: Optional[SSLDomain] = None,
        urls: Iterable[str] = (),
        max_failed_logins: int = 0,
    ) -> None:
        self.users = None if users is None else Users(users)
        self.permissions = None if permissions is None else Permissions(permissions)
        self.throttle = Throttle(max_failed_logins)
        self.anonymous = anonymous
        self.ssl_domain = ssl_domain
        places = [Url(url) for url in urls]
        if ssl_domain is not None and places and not any(place.uses_tls for place in places):
            raise AccessError("TLS is set up, and none of the addresses begins with amqps://")
        for place in places:
            sealed = place.uses_tls
            if any(_distance(place.host or "")) and (ssl_domain is not None or not sealed):
                self._mechanisms(place.host or "", sealed)  # else it is known later

    def reload(self, users: Optional[UserSource], permissions: Optional[Mapping[str, Any]]) -> list[str]:
        """Take these users and permissions from now on, of the same kinds as before; returns what was done, for the
        log. Raises ValueError for those that cannot be, and then all stays. Clients that are connected stay, and links
        that are attached."""
        if (users is None) != (self.users is None) or (permissions is None) != (self.permissions is None):
            raise AccessError("users or permissions that were not there before, or no longer, need a restart")
        table = None if permissions is None else Permissions(permissions)
        told = []
        if self.users is not None and users is not None:
            self.users.reload(users)
            told.append(f"{len(self.users)} users")
        if table is not None:
            self.permissions = table
            told.append("permissions")
        return told

    # -- listening

    def open(self, container: Any, url: str, bounds: Mapping[str, Any]) -> Any:
        """Listen at `url`; returns the acceptor. AccessError as above: a name may be that of any address."""
        sealed = Url(url).uses_tls
        if sealed and self.ssl_domain is None:
            self.ssl_domain = container.ssl.server
        acceptor = container.listen(url, ssl_domain=self.ssl_domain if sealed else None, **bounds)
        try:
            names = self._mechanisms(acceptor.address.rpartition(":")[0], sealed)
        except AccessError:
            acceptor.close()
            raise
        acceptor.allowed_mechs = names
        if self.users is not None:
            acceptor.credentials = self.users.credentials
        elif "PLAIN" in names:
            acceptor.authenticator = _no_check
        log.info("%s: %s", acceptor.url, self.describe(names))
        return acceptor

    def describe(self, names: Sequence[str]) -> str:
        """Which clients are let in where these mechanisms are offered, in a sentence."""
        if self.users is None and "PLAIN" in names:
            return "every client on this machine may connect: users and passwords are not checked"
        others = [name for name in names if name != "ANONYMOUS"]
        if len(others) == len(names):
            return f"clients log in by {', '.join(names)}"
        also = f"; others log in by {', '.join(others)}" if others else ": users and passwords are not checked"
        return f"every client that can reach it may connect{also}"

    def foresee(self, url: str) -> str:
        """`describe` for a place where the broker is going to listen, without a look at the names of hosts."""
        place = Url(url)
        local = "127.0.0.1" if place.host == "localhost" else place.host or ""
        return self.describe(self._mechanisms(local, place.uses_tls))

    def _mechanisms(self, host: str, sealed: bool) -> list[str]:
        """The mechanisms that are offered at an address; AccessError if that is none, or open without a wish."""
        near, far = _distance(host)
        certified = sealed and self._certified
        names = ["EXTERNAL"] if certified else []
        if self.users is not None:
            scram = self.users.mechanisms
            if sealed:
                names += [f"{name}-PLUS" for name in scram]
            names += scram
            if near or sealed:
                names.append("PLAIN")
        if self.anonymous:
            names.append("ANONYMOUS")
        opened = self.users is None and not certified and self.anonymous is not False
        if opened and (near or (not far and self.anonymous is None)):
            # Some clients do not take ANONYMOUS once they are given a user.
            return ["ANONYMOUS", "PLAIN", "EXTERNAL"] if near else ["ANONYMOUS"]
        if names:
            return names
        if self.users is not None:
            raise AccessError(f"no client could log in at {host}: the users have no kind of verifier in common")
        why = "every client that can reach it could connect" if opened else "no client could connect"
        raise AccessError(f"to listen at {host or 'all addresses'}: {why}; {ADVICE}")

    def watch(self, transport: Any, address: str, now: Callable[[], float]) -> None:
        """A client comes in from there, and its failures count from now on. Before its SASL begins."""
        if self.users is not None:
            transport.sasl().credentials = Attempt(self.throttle, self.users, address, now)

    def failed(self, transport: Any) -> str:
        """A client could not log in. Returns the user that it wanted to be; "" where it has named none."""
        attempt = transport.sasl().credentials
        if not isinstance(attempt, Attempt):
            return ""
        attempt.failed()
        return attempt.user

    # -- its user

    @property
    def _certified(self) -> bool:
        """Whether clients show certificates."""
        return self.ssl_domain is not None and self.ssl_domain.verifies

    def user(self, connection: Any) -> str:
        """The user of a client that is let in; NAMELESS where no proof was asked for."""
        transport = connection.transport
        if transport is None:
            return NAMELESS
        sasl = transport.sasl()
        if transport.authenticated:
            unproved = sasl.mech == "ANONYMOUS" or (sasl.mech == "PLAIN" and sasl.authenticator is _no_check)
            return NAMELESS if unproved else transport.user or NAMELESS
        return sasl.external or NAMELESS  # SASL may be left out where a certificate is all that counts

    def identity(self, connection: Any) -> str:
        """The name of a client's container, to which its links and subscriptions belong; "" if it has none. Where there
        are users it is of the form user@container: a client cannot take those of another user by its container id."""
        container = str(connection.remote_container or "")
        user = self.user(connection)
        if not container or (user == NAMELESS and self.users is None and not self._certified):
            return container
        return f"{quote(user, safe=' ,=')}@{container}"

    def introduce(self, connection: Any) -> str:
        """A client in a few words, for the log: its address, user, mechanism and TLS."""
        transport = connection.transport
        mech = transport.sasl().mech if transport.authenticated else None
        version = transport.tls.protocol_name() if transport.tls is not None else None
        how = f"by {mech}" if mech else "without SASL"
        return f"{connection.connected_address}: user {self.user(connection)!r} {how}, {version or 'no TLS'}"

    # -- its permissions

    def permit(self, connection: Any, permission: str) -> Optional[Permit]:
        """The check of a link that sends or receives, by the name of its node. None: all is permitted."""
        if self.permissions is None:
            return None
        return partial(self._check, self.permissions, self.user(connection), permission)

    def _check(self, permissions: Permissions, user: str, permission: str, name: str, made: bool) -> None:
        if not permissions.may(user, permission, name):
            to = "to" if permission == "send" else "from"
            raise Refused("amqp:unauthorized-access", f"user {user!r} may not {permission} {to} {name!r}")
        if made and not permissions.may(user, CREATE, name):
            text = f"there is no {name!r}, and user {user!r} may not create it"
            raise Refused("amqp:unauthorized-access", text)

    def require(self, connection: Any, *choices: str) -> None:
        """Refused, unless the client has one of these permissions somewhere: "send" or "receive" for a coordinator."""
        if self.permissions is None:
            return
        user = self.user(connection)
        if not any(self.permissions.has(user, permission) for permission in choices):
            text = f"user {user!r} does not have the permission {' or '.join(choices)}"
            raise Refused("amqp:unauthorized-access", text)

    def require_dynamic(self, connection: Any) -> None:
        """Refused, unless the client may have dynamic nodes."""
        self.require(connection, DYNAMIC)

    def require_manage(self, connection: Any) -> None:
        """Refused, unless the client may look into the broker and change it."""
        self.require(connection, MANAGE)


def _distance(host: str) -> tuple[bool, bool]:
    """Whether an address is reached from this machine alone, and whether from others. A name is neither: it is that of
    a simulated network, or is looked up first."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False, host == ""
    return address.is_loopback, not address.is_loopback


def _no_check(mechanism: str, user: str, password: str) -> bool:
    """There are no users: every name and password is taken."""
    return True
