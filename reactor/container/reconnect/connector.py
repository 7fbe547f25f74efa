"""Connector: the wires of one outgoing connection, one after the other.

It reads the settings of the connection (identity, heart-beat, frame size, TLS), and makes a transport and a wire for
each attempt. A Connection lives through all of them. The supervisor decides about the place and the time.
"""

from __future__ import annotations

from reactor.engine.public import Connection, Transport
from reactor.hosts import is_loopback
from reactor.lazily import TYPE_CHECKING
from reactor.url import Url

if TYPE_CHECKING:
    from typing import Optional

    from reactor.container.interface import ConnectionHost, TokensAtWork
    from reactor.container.settings.connect import ConnectSettings
    from reactor.container.settings.proxy import Proxy
    from reactor.loop.driver import Driver


class Connector:
    """Makes the wires of one connection.

    url: the address of the present wire, or of the last one. proxy: by way of which it goes there, or None.
    """

    def __init__(
        self,
        connection: Connection,
        settings: ConnectSettings,
        host: ConnectionHost,
        tokens: Optional[TokensAtWork] = None,
    ) -> None:
        self.url: Optional[Url] = None
        self.proxy: Optional[Proxy] = None
        self._connection = connection
        self._settings = settings
        self._host = host
        self._tokens = tokens

    def connect(self, url: Url, hostname: Optional[str] = None, redirected: bool = False) -> Driver:
        """Make a wire to `url`, and have it carry the connection.

        hostname: the name to ask for in `open`, where neither the application nor the address gives it.
        redirected: a peer has named the address, not the application.
        """
        self.url = url
        connection, settings = self._connection, self._settings
        host, port = url.host or "localhost", int(url.port or Url.Port(url.scheme or Url.AMQP))
        proxy = self.proxy = None if settings.proxies is None else settings.proxies.choose(host, port)
        # The zone of an IPv6 address means something on this machine only [RFC 6874].
        asked = (hostname or host.partition("%")[0]) if settings.virtual_host is None else settings.virtual_host
        connection.hostname = asked or None
        transport = Transport(Transport.CLIENT)
        transport.limits = settings.limits
        transport.write_timeout = settings.write_timeout
        if settings.heartbeat is not None:
            transport.idle_timeout = settings.heartbeat
        if settings.max_frame_size is not None:
            transport.max_frame_size = settings.max_frame_size
        if url.uses_tls:
            transport.ssl(settings.ssl_domain).peer_hostname = settings.sni or asked or host
        if url.uses_websocket:
            name = "[%s]" % host if ":" in host else host
            if port != Url.Port(url.scheme or ""):
                name += ":%d" % port
            transport.layers.put_in_websocket(self._host.random.randbytes, name, "/" + (url.path or ""))
        # To a proxy "localhost" is its own machine.
        private = not redirected and proxy is None and is_loopback(host)
        if settings.sasl_enabled:
            self._identify(transport, url, port, private)
        if self._tokens is not None:
            self._tokens.connecting(transport, url, private)
        if proxy is not None:
            transport.layers.put_in_proxy(proxy.tunnel(host, port))
            host, port = proxy.host, proxy.port
        shown = url.redacted
        connection.connected_address = "amqp:" + shown if shown.startswith("//") else shown
        transport.bind(connection)
        return self._host.drive(transport, self._host.loop.network.connect(host, port))

    def _identify(self, transport: Transport, url: Url, port: int, private: bool) -> None:
        """Name the user: the one of the settings goes before the one in the address.

        private: the application itself has chosen this machine.
        """
        sasl, settings = transport.sasl(), self._settings
        sasl.user = settings.user or url.username
        sasl.password = settings.password or url.password
        if settings.allowed_mechs:
            sasl.allowed_mechs(settings.allowed_mechs)
        sasl.hostname, sasl.port = self._connection.hostname or url.host or "localhost", port
        sasl.nonce = self._host.nonce
        insecure = settings.allow_insecure_mechs
        # A password in clear text is for this machine's own ears, unless the application allows more. A client that a
        # peer, which may be any peer, has sent here has not chosen this machine: that peer may want to have the
        # password shown to another.
        sasl.allow_insecure_mechs = private if insecure is None else insecure
