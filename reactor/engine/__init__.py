"""The engine: AMQP without input or output of its own. Bytes that came, and the time, go in; bytes to send come out.

The layers below AMQP that few connections have, and the needs of servers, are imported with the first of these.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.engine.proxy.layer import ProxyLayer as ProxyLayer
    from reactor.engine.proxy.tunnel import Tunnel as Tunnel
    from reactor.engine.sasl.credentials import Decoy as Decoy
    from reactor.engine.tls.ssl import SSL as SSL
    from reactor.engine.websocket.layer import WebSocketLayer as WebSocketLayer
else:
    __getattr__ = members(
        __name__,
        Decoy="reactor.engine.sasl.credentials",
        ProxyLayer="reactor.engine.proxy.layer",
        SSL="reactor.engine.tls.ssl",
        Tunnel="reactor.engine.proxy.tunnel",
        WebSocketLayer="reactor.engine.websocket.layer",
    )
