"""WebSocket below AMQP, for networks that let nothing else through [RFC 6455; the OASIS binding of AMQP to it].

It is imported with the first connection that goes through it.
"""

from reactor.lazily import TYPE_CHECKING, members

if TYPE_CHECKING:
    from reactor.engine.websocket.layer import WebSocketLayer as WebSocketLayer
else:
    __getattr__ = members(__name__, WebSocketLayer="reactor.engine.websocket.layer")
