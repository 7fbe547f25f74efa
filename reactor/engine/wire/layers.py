"""Layers: the layers between the frames and the wire: a proxy's tunnel, TLS around all bytes, WebSocket within it, SASL
before AMQP.

The transport enters, and its reader and writer. TLS and WebSocket seal the output and open the input (`unseal`). The
knowledge that TLS has of the wire (the certificate, the channel bindings) is handed to SASL. Which protocol header is
expected depends on both.
It knows no frame and no connection; the inside of the layers is in tls/ and sasl/.
"""

from __future__ import annotations

from reactor import engine
from reactor.codec.frames import AMQP_HEADER, SASL_HEADER
from reactor.engine.sasl.layer import SASL
from reactor.engine.wire.stages import ENDED, EXPECT_AMQP_HEADER, NOTHING_SENT, Stages
from reactor.errors import FRAMING_ERROR, SSLException
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable, Optional, Union

    from reactor.engine.limits import Limits
    from reactor.engine.proxy.layer import ProxyLayer
    from reactor.engine.proxy.tunnel import Tunnel
    from reactor.engine.tls.layer import TLSLayer
    from reactor.engine.tls.ssl import SSL
    from reactor.engine.websocket.layer import WebSocketLayer

    Sealing = Union["TLSLayer", "WebSocketLayer", "ProxyLayer"]


class Layers:
    """The layers of one wire.

    output: bytes for the wire. plain: bytes that the engine has written; the same object where no TLS lies between.
    sasl: the SASL layer, or None. tls: TLS as the application has set it, or None. sealing: the uppermost layer between
        the engine and the wire: WebSocket, or TLS; None without, or once the peer has turned out to do without.
    auth_required: whether a server insists on SASL; None, the default: as SASL demands. encryption_required: whether a
        wire without TLS is refused.
    """

    __slots__ = (
        "output",
        "plain",
        "sasl",
        "tls",
        "sealing",
        "above",
        "auth_required",
        "encryption_required",
        "_stages",
        "_server",
        "_proxy",
    )

    def __init__(self, stages: Stages, server: bool) -> None:
        self._stages = stages
        self._server = server
        self.output = bytearray()
        self.plain = self.output
        self.sasl: Optional[SASL] = None
        self.tls: Optional[SSL] = None
        self.sealing: Optional[Sealing] = None
        self.above: Optional[Sealing] = None
        self.auth_required: Optional[bool] = None
        self.encryption_required = False
        self._proxy: Optional[ProxyLayer] = None  # until its tunnel is open

    # -- SASL --------------------------------------------------------------------------------------------

    def put_in_sasl(self, limits: Limits) -> SASL:
        """The SASL layer, which is put in by the first call."""
        if self.sasl is None:
            self.sasl = SASL(server=self._server)
            self.sasl.limits = limits
            self._inform_sasl()
        return self.sasl

    def is_authenticated(self) -> bool:
        """Whether the peer went through SASL with success."""
        return self.sasl is not None and self.sasl.outcome == SASL.OK

    def is_refused(self) -> bool:
        """Whether SASL has ended without success."""
        return self.sasl is not None and self.sasl.outcome not in (None, SASL.OK)

    def expected_headers(self) -> tuple[bytes, ...]:
        """The protocol headers that the peer may send now, the best one first [2.2]."""
        if self._stages.input == EXPECT_AMQP_HEADER:
            return (AMQP_HEADER,)
        if not self._server:
            return (AMQP_HEADER,) if self.sasl is None else (SASL_HEADER,)
        required = self.auth_required
        if required is None:
            required = self.sasl is not None and self.sasl.demanded
        return (SASL_HEADER,) if required else (SASL_HEADER, AMQP_HEADER)

    def best_header(self) -> bytes:
        """The header of a server for a peer that has sent none of AMQP: with SASL, unless it never was mentioned and so
        a program by hand drives the transport."""
        return self.expected_headers()[0] if self.sasl is not None or self.auth_required is not None else AMQP_HEADER

    def write_sasl(self) -> None:
        """The output of SASL joins that of the engine."""
        if self.sasl is not None and self.sasl.output:
            self.plain += self.sasl.output
            self.sasl.output.clear()

    # -- TLS ---------------------------------------------------------------------------------------------

    def put_in_tls(self, tls: SSL) -> None:
        """Have TLS between the engine and the wire. SSLException when something was said, or heard, without."""
        if self.output or self._stages.output != NOTHING_SENT or self._stages.input == ENDED:
            raise SSLException("too late for TLS: the transport has begun without")
        if self.sealing is not None:
            raise SSLException("too late for TLS: WebSocket is there, and TLS goes below it")
        self.tls = self.sealing = tls
        self.plain = bytearray()

    def is_encrypted(self) -> bool:
        """Whether the bytes on the wire are encrypted: from the end of the TLS handshake on."""
        return self.tls is not None and self.tls.established

    def lacks_encryption(self) -> bool:
        """Whether a client must not write anything, for want of TLS."""
        return self.encryption_required and (self.tls is None or self.tls.absent) and not self._server

    # -- WebSocket ---------------------------------------------------------------------------------------

    def put_in_websocket(
        self, randbytes: Callable[[int], bytes], host: str = "", path: str = "", origins: Iterable[str] = ()
    ) -> None:
        """Have WebSocket between the engine and the wire, or TLS where that is: before anything is said. For the
        arguments see WebSocketLayer."""
        self.sealing = engine.WebSocketLayer(self._server, randbytes, host, path, origins)
        self.sealing.tls = self.tls
        self.plain = bytearray()

    # -- a proxy -----------------------------------------------------------------------------------------

    def put_in_proxy(self, tunnel: Tunnel) -> None:
        """Have a client begin with the tunnel of a proxy: after the layers that go through it, and before anything is
        said."""
        self._proxy = engine.ProxyLayer(tunnel)
        self.above, self.sealing = self.sealing, self._proxy
        self.plain = bytearray()

    @property
    def waits_for_proxy(self) -> bool:
        """Whether the tunnel of a proxy is wanted, and is not open."""
        return self._proxy is not None

    def explain(self, text: str) -> str:
        """Why the wire has failed: with the proxy, where that is as far as it came."""
        return text if self._proxy is None else self._proxy.tunnel.explain(text)

    def _open_tunnel(self, layer: ProxyLayer, data: bytes) -> tuple[bytes, bool]:
        """The tunnel is open: the layer above comes into its place."""
        if self.output:  # of which a trace would show the secret as if AMQP had sent it
            layer.give_up(FRAMING_ERROR, "it answers before it has read the request")
            return b"", True
        self._proxy = None
        self.sealing, self.above = self.above, None
        if self.sealing is None:
            self.plain, plain = self.output, self.plain
            self.output += plain
        elif data:
            data, _ = self.unseal(self.sealing, data)
        return data, True

    # -- both --------------------------------------------------------------------------------------------

    def is_sealed(self) -> bool:
        """Whether there is a layer that ends in both directions at once, and it is at work."""
        return self.sealing is not None and self.sealing.established

    def unseal(self, layer: Sealing, data: bytes) -> tuple[bytes, bool]:
        """Take bytes from the wire; returns their content, and whether the layer itself has something to send, or lets
        the engine begin to."""
        before = layer.established
        data = layer.receive(data)
        if layer.absent:
            if self._proxy is not None:
                return self._open_tunnel(self._proxy, data)
            self.sealing = None
            self.output += self.plain
            self.plain = self.output
            return data, False
        if not layer.has_to_say and layer.established is before:
            return data, False
        self._inform_sasl()
        return data, True

    def discard(self) -> None:
        """Drop the output: it will not be sent."""
        if self.sealing is not None:
            self.sealing.break_off()
            self.plain.clear()
        self.output.clear()

    def _inform_sasl(self) -> None:
        """Hand the knowledge of TLS about the wire to SASL."""
        tls, sasl = self.tls, self.sasl
        if tls is not None and tls.established and sasl is not None:
            sasl.secure = True
            sasl.external = sasl.external or tls.identity
            sasl.channel_bindings = tls.channel_bindings
