"""Acceptor: a place where peers connect to this container."""

from __future__ import annotations

from functools import partial

from reactor.engine.public import Transport
from reactor.engine.sasl.credentials import Decoy
from reactor.engine.sasl.exchange import NONCE_SIZE
from reactor.lazily import TYPE_CHECKING, enter
from reactor.loop.driver import ListenerDriver
from reactor.url import Url

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from reactor.container.interface import AcceptorHost
    from reactor.container.settings.listen import ListenSettings
    from reactor.engine.tls.domain import SSLDomain
    from reactor.loop.interface import Wire


class _Setting:
    """One of the settings of an acceptor, as an attribute of its own: it holds for connections that come in later."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, acceptor: Any, owner: type) -> Any:
        return self if acceptor is None else getattr(acceptor.settings, self._name)

    def __set__(self, acceptor: Any, value: Any) -> None:
        setattr(acceptor.settings, self._name, value)


class Acceptor:
    """Listens; `Container.listen` makes it. Its attributes may be set: that holds for connections that come in later.

    handler: sees the events of the connections that come in; None leaves them to the container's.
    authenticator: called as (mechanism, user, password), answers whether that password is right; None
        (default) offers no mechanism that needs one.
    credentials: called as (mechanism, user), gives that user's password or ScramSecret, None for an unknown
        user; None (default) knows no user.
    token_owner: called as (mechanism, token), gives the name of the user that has the token, None for a token
        that is not valid; None (default) takes no tokens.
    allowed_mechs: the SASL mechanisms that are offered; None for all that make sense.
    open_timeout: seconds for a peer to open its connection, all included; None for no limit. write_timeout: seconds
        for a peer to take some of the bytes that wait for it; None for no limit.
    limits: how much is taken of a peer, at most.
    """

    handler = _Setting()
    authenticator = _Setting()
    credentials = _Setting()
    token_owner = _Setting()
    allowed_mechs = _Setting()
    open_timeout = _Setting()
    write_timeout = _Setting()
    limits = _Setting()

    def __init__(
        self, container: AcceptorHost, settings: ListenSettings, drive: Callable[[Transport, Wire, bool], object]
    ) -> None:
        # Not when a peer comes: peers can have taken all descriptors by then.
        enter("reactor.engine", "reactor.engine.sasl", "reactor.engine.tls", "reactor.container.explain")
        listener = container.loop.network.listen(settings.host, settings.port)
        self.container = container
        self.settings = settings
        self._drive = drive
        self._nonce = partial(container.random.randbytes, NONCE_SIZE)
        self._decoy = Decoy(self._nonce())
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
        """The url to connect to from this machine, such as ``"amqp://127.0.0.1:5672"``."""
        host = self._address.rpartition(":")[0]
        if host in ("0.0.0.0", "[::]", ""):
            host = "127.0.0.1"
        plain = self.settings.ssl_domain is None or self.settings.ssl_domain.takes_unsecured
        if self.settings.websocket:
            return "%s://%s:%d%s" % (Url.AMQPWS if plain else Url.AMQPWSS, host, self._port, self.settings.path)
        return "%s://%s:%d" % (Url.AMQP if plain else Url.AMQPS, host, self._port)

    def set_ssl_domain(self, ssl_domain: Optional[SSLDomain]) -> None:
        """The settings of TLS for peers that come from now on; None for no TLS. SSLException for the domain of
        a client, or without a certificate."""
        self.container.owner.check()
        self.settings.ssl_domain = None if ssl_domain is None else self.container.ssl.of_server(ssl_domain)

    def close(self) -> None:
        """Listen no more; the connections that came in stay. Harmless when repeated."""
        self.container.owner.check()
        self._driver.close()

    def _admit(self, wire: Wire) -> None:
        """A peer has connected."""
        settings = self.settings
        connection = self.container.connection(settings.handler)
        transport = Transport(Transport.SERVER)
        transport.limits = settings.limits
        transport.open_timeout, transport.write_timeout = settings.open_timeout, settings.write_timeout
        if settings.ssl_domain is not None:
            transport.ssl(settings.ssl_domain)
        if settings.websocket:
            layers, randbytes = transport.layers, self.container.random.randbytes
            layers.put_in_websocket(randbytes, path=settings.path, origins=settings.origins)
        sasl = transport.sasl()
        sasl.authenticator = settings.authenticator
        sasl.credentials = settings.credentials
        sasl.token_owner = settings.token_owner
        sasl.decoy = self._decoy
        sasl.nonce = self._nonce
        if settings.allowed_mechs:
            sasl.allowed_mechs(settings.allowed_mechs)
        connection.connected_address = wire.remote_address
        transport.bind(connection)
        self._drive(transport, wire, True)

    def __repr__(self) -> str:
        return "<Acceptor at %s%s>" % (self._address, ", closed" if self._driver.closed else "")
