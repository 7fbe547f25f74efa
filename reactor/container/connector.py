"""Connector: how one outgoing connection gets to its peer.

It knows the addresses to try and what the application asked for (identity, heart-beat, frame size), and
makes a transport and a wire for each attempt. A Connection lives through all of them. What happens after a
connection that was up is lost is decided here too, so that the container need not know.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Optional, Union

from reactor.container.backoff import Reconnect, read_delays
from reactor.engine.connection import Connection
from reactor.engine.endpoint import Endpoint
from reactor.engine.exchange import NONCE_SIZE
from reactor.engine.tls_domain import SSLDomain
from reactor.engine.transport import Transport
from reactor.url import Url

if TYPE_CHECKING:  # the container makes them; the types go round, the imports do not
    from reactor.container.container import Container

log = logging.getLogger(__name__)

Address = Union[str, Url]


class Connector:
    """Makes the wire of one connection.

    addresses: where to go, tried in turn until one lets the connection be opened.
    reconnect: delays between one round through the addresses and the next, as in `Container.connect`.
    heartbeat: seconds within which the peer is to be heard of, or None.
    max_frame_size: the largest frame that the peer may send, or None for the engine's own limit.
    sasl_enabled, allowed_mechs, allow_insecure_mechs, user, password: as in `Container.connect`.
    virtual_host: what to ask for in `open`; None asks for the host of the address.
    ssl_domain: what TLS is to be like at an address that asks for it; None for what it is by default.
    sni: the name for TLS to ask for; None asks for that of `open`.
    """

    def __init__(
        self, container: Container, connection: Connection, addresses: Iterable[Url], reconnect: Reconnect = None
    ) -> None:
        self.container = container
        self.connection = connection
        self.addresses = list(addresses)
        self.reconnect = reconnect
        self.heartbeat: Optional[float] = None
        self.max_frame_size: Optional[int] = None
        self.sasl_enabled = True
        self.allowed_mechs: Any = None
        self.allow_insecure_mechs: Optional[bool] = None
        self.user: Optional[str] = None
        self.password: Optional[str] = None
        self.virtual_host: Optional[str] = None
        self.ssl_domain: Optional[SSLDomain] = None
        self.sni: Optional[str] = None
        self.url: Optional[Url] = None
        self._plan = self._first_plan()

    @property
    def reconnects(self) -> bool:
        """Whether a connection that is lost is made again."""
        return self.reconnect is not None and self.reconnect is not False

    def _first_plan(self) -> Iterator[tuple[float, Url]]:
        """How long to wait and where to go, attempt by attempt, until the connection is open for once."""
        yield from ((0.0, url) for url in self.addresses)
        delays = read_delays(self.reconnect)
        first = next(delays, None)
        rest = delays if not first else itertools.chain((first,), delays)  # a delay of 0 has just been had
        yield from ((delay, url) for delay in rest for url in self.addresses)

    def _next_plan(self) -> Iterator[tuple[float, Url]]:
        """The same for a connection that was open and is lost."""
        return ((delay, url) for delay in read_delays(self.reconnect) for url in self.addresses)

    def attempt(self) -> bool:
        """Try the next address, at once or in a while. Returns False when there is nothing left to try."""
        delay, self.url = next(self._plan, (0.0, None))
        if self.url is None:
            return False
        if delay > 0:
            log.info("trying %s in %g s", self.url.redacted, delay)
            self.container.loop.schedule(delay, self._connect)
        else:
            self._connect()
        return True

    def _connect(self) -> None:
        url, connection = self.url, self.connection
        if url is None or not connection.state & Endpoint.LOCAL_ACTIVE:
            self.container.forget(connection)  # it was closed while we waited
            return
        log.info("connecting to %s", url.redacted)
        host, port = url.host or "localhost", int(url.port or Url.Port(url.scheme or Url.AMQP))
        connection.hostname = self.virtual_host or host
        transport = Transport(Transport.CLIENT)
        if self.heartbeat is not None:
            transport.idle_timeout = self.heartbeat
        if self.max_frame_size is not None:
            transport.max_frame_size = self.max_frame_size
        if url.scheme == Url.AMQPS:
            transport.ssl(self.ssl_domain).peer_hostname = self.sni or connection.hostname
        if self.sasl_enabled:
            self._identify(transport, url, host, port)
        connection.connected_address = url.redacted
        transport.bind(connection)
        self.container.drive(transport, self.container.loop.network.connect(host, port))

    def _identify(self, transport: Transport, url: Url, host: str, port: int) -> None:
        """Say who we are: what the application said goes before what stands in the address."""
        sasl = transport.sasl()
        sasl.user = self.user or url.username
        sasl.password = self.password or url.password
        if self.allowed_mechs:
            sasl.allowed_mechs(self.allowed_mechs)
        sasl.hostname, sasl.port = self.connection.hostname, port
        sasl.nonce = partial(self.container.random.randbytes, NONCE_SIZE)
        insecure = self.allow_insecure_mechs
        # A password in clear text is for this machine's own ears, unless somebody says otherwise.
        sasl.allow_insecure_mechs = is_loopback(host) if insecure is None else insecure

    def opened(self) -> None:
        """The peer has opened the connection; from now on to lose it is another matter."""
        self._plan = self._next_plan()
        log.info("connected to %s", self.connection.connected_address)

    def ended(self) -> None:
        """The transport is closed: try again, or give the connection up."""
        connection = self.connection
        if not connection.state & Endpoint.LOCAL_ACTIVE:
            log.info("disconnected from %s", connection.connected_address)
        elif not self.attempt():
            log.info("disconnected from %s, for good", connection.connected_address)
            connection.close()


def read_address(address: Address) -> Url:
    """An address to connect to. Raises ValueError or TypeError when it is none."""
    return Url(address, defaults=False)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    return host == "localhost" or host == "::1" or host.startswith("127.")
