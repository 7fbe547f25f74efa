"""Acceptor: a place where peers connect to this container."""

from __future__ import annotations

from functools import partial
from typing import Any, Optional

from reactor.engine.limits import USUAL
from reactor.engine.public import Transport
from reactor.engine.sasl.credentials import Decoy
from reactor.engine.sasl.exchange import NONCE_SIZE
from reactor.engine.tls.domain import SSLDomain
from reactor.loop.driver import ListenerDriver
from reactor.loop.interface import Listener, Wire
from reactor.url import Url


class Acceptor:
    """Listens; `Container.listen` makes it.

    handler: sees the events of the connections that come in; None leaves them to the container's.
    authenticator: called as (mechanism, user, password), answers whether that password is right; None
        (default) offers no mechanism that needs one.
    credentials: called as (mechanism, user), gives that user's password or ScramSecret, None for a user that
        there is not; None (default) knows nobody.
    token_owner: called as (mechanism, token), gives the name of the user whose token it is, None for a token
        that is not valid; None (default) takes no tokens.
    allowed_mechs: the SASL mechanisms that are offered; None for all that make sense.
    open_timeout: seconds for a peer to open its connection, all included; None for no limit. write_timeout: seconds
        for a peer to take something of what is to be sent; None for no limit.
    limits: how much is taken of a peer, at most.
    """

    def __init__(self, container: Any, listener: Listener) -> None:
        self.container = container
        self.handler: Any = None
        self.authenticator: Any = None
        self.credentials: Any = None
        self.token_owner: Any = None
        self.allowed_mechs: Any = None
        self.open_timeout: Optional[float] = None
        self.write_timeout: Optional[float] = None
        self.limits = USUAL
        self._ssl_domain: Optional[SSLDomain] = None
        self._decoy = Decoy(container.random.randbytes(NONCE_SIZE))
        self._listener = listener
        self._port = listener.port
        self._address = listener.address
        self._driver = ListenerDriver(container.loop, listener, self._admit)

    @property
    def port(self) -> int:
        """The port, as the system chose it where 0 was asked for."""
        return self._port

    @property
    def address(self) -> str:
        """``host:port`` as bound."""
        return self._address

    @property
    def url(self) -> str:
        """What to connect to from this machine, such as ``"amqp://127.0.0.1:5672"``."""
        host = self._address.rpartition(":")[0]
        if host in ("0.0.0.0", "[::]", ""):
            host = "127.0.0.1"
        plain = self._ssl_domain is None or self._ssl_domain.takes_unsecured
        return "%s://%s:%d" % (Url.AMQP if plain else Url.AMQPS, host, self._port)

    def set_ssl_domain(self, ssl_domain: Optional[SSLDomain]) -> None:
        """What TLS is to be like for those who come from now on; None for no TLS. SSLException for the domain of
        a client, or without a certificate."""
        self.container.owner.check()
        self._ssl_domain = None if ssl_domain is None else self.container.ssl.of_server(ssl_domain)

    def close(self) -> None:
        """Listen no more; the connections that came in stay. Harmless when repeated."""
        self.container.owner.check()
        self._driver.close()

    def _admit(self, wire: Wire) -> None:
        """A peer has connected."""
        connection = self.container.connection(self.handler)
        transport = Transport(Transport.SERVER)
        transport.limits = self.limits
        transport.open_timeout, transport.write_timeout = self.open_timeout, self.write_timeout
        if self._ssl_domain is not None:
            transport.ssl(self._ssl_domain)
        sasl = transport.sasl()
        sasl.authenticator = self.authenticator
        sasl.credentials = self.credentials
        sasl.token_owner = self.token_owner
        sasl.decoy = self._decoy
        sasl.nonce = partial(self.container.random.randbytes, NONCE_SIZE)
        if self.allowed_mechs:
            sasl.allowed_mechs(self.allowed_mechs)
        connection.connected_address = wire.remote_address
        transport.bind(connection)
        self.container.drive(transport, wire)

    def __repr__(self) -> str:
        return "<Acceptor at %s%s>" % (self._address, ", closed" if self._driver.closed else "")
