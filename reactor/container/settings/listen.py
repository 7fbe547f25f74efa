"""ListenSettings: all that one listener was asked to be, in one value.

`Container.listen()` makes it of its keywords and of the container's own attributes; the Acceptor reads it for each
connection that comes in. An Acceptor's attributes are those of its settings, and may be set.
"""

from __future__ import annotations

from reactor.container.settings.addresses import read_address
from reactor.lazily import TYPE_CHECKING
from reactor.url import Url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Optional, Protocol

    from reactor.container.settings.ssl_config import SSLConfig
    from reactor.engine.limits import Limits
    from reactor.engine.sasl.credentials import Credentials
    from reactor.engine.sasl.exchange import Authenticator, TokenOwner
    from reactor.engine.tls.domain import SSLDomain

    class ListenDefaults(Protocol):
        """The attributes of a container that stand in for keywords of `listen` that are not given."""

        ssl: SSLConfig
        open_timeout: Optional[float]
        write_timeout: Optional[float]
        limits: Limits


class ListenSettings:
    """The keywords of `Container.listen()`:

    url: the place, as ``"amqp://127.0.0.1:5672"``; without a host, all addresses of this machine; port 0 lets the
        system choose (`acceptor.port`). ``amqps`` is with TLS, ``amqpws`` with WebSocket, ``amqpwss`` with both; a path
        is then the only one that is taken, as in ``"amqpws://127.0.0.1:8080/amqp"``.
    ssl_domain: the settings of TLS, whatever the scheme; None for `container.ssl.server` with ``amqps`` and
        ``amqpwss``, and for no TLS else.
    origins: the web pages that may come in by WebSocket, as their browsers name them (``["https://shop.example"]``);
        none by default. Clients that are no browsers come in without.
    handler: gets the events of connections that come in here; None leaves them to the container's.
    authenticator: called as (mechanism, user, password); returns whether to let that user in by a password that comes
        in clear. credentials: called as (mechanism, user); returns that user's password, or better a ScramSecret;
        None for an unknown user. Without either, no mechanism with a password is offered; without `credentials`, only
        PLAIN is.
    token_owner: called as (mechanism, token); returns the name of the user that has the token, or None; without it no
        mechanism with a token is offered.
    allowed_mechs: the mechanisms to offer; None for all that make sense. With it, or any of the three above, a client
        that leaves SASL out is refused, unless it names ANONYMOUS. Over TLS, too; only where nothing but EXTERNAL can
        be meant a certificate that was verified is enough by itself.
    open_timeout: seconds for a peer to open its connection, TLS and SASL included; then it is let go.
    write_timeout, limits: as in `connect`. None for the container's own.
    """

    __slots__ = (
        "allowed_mechs",
        "authenticator",
        "credentials",
        "handler",
        "host",
        "limits",
        "open_timeout",
        "origins",
        "path",
        "port",
        "ssl_domain",
        "token_owner",
        "websocket",
        "write_timeout",
    )

    def __init__(self, given: Mapping[str, Any], defaults: ListenDefaults) -> None:
        """given: the arguments of `listen`, each checked by itself."""
        place = read_address(given["url"])
        self.ssl_domain: Optional[SSLDomain] = given["ssl_domain"]
        if place.uses_tls or self.ssl_domain is not None:
            self.ssl_domain = defaults.ssl.of_server(self.ssl_domain)
            place.scheme = place.scheme or Url.AMQPS
        self.host = place.host
        self.port = int(place.port if place.port is not None else Url.Port(place.scheme or Url.AMQP))
        self.websocket = place.uses_websocket
        self.path = "/" + place.path if place.path and self.websocket else ""
        self.origins = frozenset(given["origins"] or ())
        if self.origins and not self.websocket:
            raise ValueError("origins are of WebSocket: listen at amqpws://... or amqpwss://...")
        self.handler: Any = given["handler"]
        self.authenticator: Optional[Authenticator] = given["authenticator"]
        self.credentials: Optional[Credentials] = given["credentials"]
        self.token_owner: Optional[TokenOwner] = given["token_owner"]
        self.allowed_mechs: Any = given["allowed_mechs"]
        if self.allowed_mechs is not None and not _names(self.allowed_mechs):  # for every client, or for none?
            raise ValueError("allowed_mechs names no mechanism; None offers all that make sense")
        open_timeout: Optional[float] = given["open_timeout"]
        self.open_timeout = defaults.open_timeout if open_timeout is None else open_timeout
        write_timeout: Optional[float] = given["write_timeout"]
        self.write_timeout = defaults.write_timeout if write_timeout is None else write_timeout
        self.limits: Limits = given["limits"] or defaults.limits


def _names(mechs: Any) -> list[str]:
    return mechs.split() if isinstance(mechs, str) else list(mechs)
