"""Connector: how one outgoing connection gets to its peer.

It knows what the application asked for (identity, heart-beat, frame size, TLS), and makes a transport and a wire for
each attempt. A Connection lives through all of them. Where to go, and when, the supervisor decides (supervisor.py).
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Optional, Union

from reactor.engine.limits import USUAL
from reactor.engine.public import Connection, Transport
from reactor.engine.sasl.exchange import NONCE_SIZE
from reactor.engine.tls.domain import SSLDomain
from reactor.hosts import is_loopback
from reactor.loop.driver import Driver
from reactor.shown import shown
from reactor.url import Url

if TYPE_CHECKING:  # the container makes them; the types go round, the imports do not
    from reactor.container.container import Container

Address = Union[str, Url]


class Connector:
    """Makes the wire of one connection.

    heartbeat: seconds within which the peer is to be heard of, or None.
    limits: how much is taken of the peer, at most. max_frame_size: the largest frame that it may send, or None for
        that of the limits.
    write_timeout: seconds for the peer to take something of what is to be sent, or None.
    sasl_enabled, allowed_mechs, allow_insecure_mechs, user, password: as in `Container.connect`.
    virtual_host: what to ask for in `open`; None asks for the host of the address, "" for nothing.
    ssl_domain: what TLS is to be like at an address that asks for it; None for what it is by default.
    sni: the name for TLS to ask for; None asks for that of `open`.
    url: where the present wire goes, or the last one went.
    """

    def __init__(self, container: Container, connection: Connection) -> None:
        self.container = container
        self.connection = connection
        self.heartbeat: Optional[float] = None
        self.max_frame_size: Optional[int] = None
        self.limits = USUAL
        self.write_timeout: Optional[float] = None
        self.sasl_enabled = True
        self.allowed_mechs: Any = None
        self.allow_insecure_mechs: Optional[bool] = None
        self.user: Optional[str] = None
        self.password: Optional[str] = None
        self.virtual_host: Optional[str] = None
        self.ssl_domain: Optional[SSLDomain] = None
        self.sni: Optional[str] = None
        self.url: Optional[Url] = None

    def connect(self, url: Url, hostname: Optional[str] = None, redirected: bool = False) -> Driver:
        """Make a wire to `url`, and have it carry the connection.

        hostname: what to ask for in `open`, where neither the application nor the address shall say that.
        redirected: a peer has said where to go, not the application.
        """
        self.url = url
        connection = self.connection
        host, port = url.host or "localhost", int(url.port or Url.Port(url.scheme or Url.AMQP))
        # The zone of an IPv6 address means something on this machine only [RFC 6874].
        asked = (hostname or host.partition("%")[0]) if self.virtual_host is None else self.virtual_host
        connection.hostname = asked or None
        transport = Transport(Transport.CLIENT)
        transport.limits = self.limits
        transport.write_timeout = self.write_timeout
        if self.heartbeat is not None:
            transport.idle_timeout = self.heartbeat
        if self.max_frame_size is not None:
            transport.max_frame_size = self.max_frame_size
        if url.scheme == Url.AMQPS:
            transport.ssl(self.ssl_domain).peer_hostname = self.sni or asked or host
        if self.sasl_enabled:
            self._identify(transport, url, port, not redirected and is_loopback(host))
        connection.connected_address = url.redacted
        transport.bind(connection)
        return self.container.drive(transport, self.container.loop.network.connect(host, port))

    def _identify(self, transport: Transport, url: Url, port: int, private: bool) -> None:
        """Say who we are: what the application said goes before what stands in the address.

        private: the application itself has chosen this machine.
        """
        sasl = transport.sasl()
        sasl.user = self.user or url.username
        sasl.password = self.password or url.password
        if self.allowed_mechs:
            sasl.allowed_mechs(self.allowed_mechs)
        sasl.hostname, sasl.port = self.connection.hostname or url.host or "localhost", port
        sasl.nonce = partial(self.container.random.randbytes, NONCE_SIZE)
        insecure = self.allow_insecure_mechs
        # A password in clear text is for this machine's own ears, unless somebody says otherwise. Who is sent here by
        # a peer, which may be anybody, has not chosen it: that one may want to have the password shown to another.
        sasl.allow_insecure_mechs = private if insecure is None else insecure


def read_address(address: Address) -> Url:
    """An address to connect to, or to listen at. Raises ValueError or TypeError when it is none, or says more than an
    address can: what it asks for behind a question mark would not be done, and nobody would know."""
    url = Url(address, defaults=False)
    if url.rest:
        names = re.findall(r"[?&;]([^=&;#?]+)", url.rest) or [url.rest[0]]  # no values: they may be secrets
        url.rest = ""
        raise ValueError(
            "%s goes with settings in its text (%s), which mean nothing here: give them as keywords of the call, "
            "such as heartbeat=5" % (url.redacted, ", ".join(map(shown, names)))
        )
    return url
