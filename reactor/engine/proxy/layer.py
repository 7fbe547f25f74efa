"""ProxyLayer: the tunnel through an HTTP proxy, until it is open.

The transport enters, as it does with TLS and WebSocket, which go above it: the proxy sees their bytes, and nothing in
them. As soon as the tunnel is open this layer is out of the way. It knows no AMQP frame, socket or clock.
"""

from __future__ import annotations

from typing import Optional

from reactor.engine.headers import is_unclear, name_protocol
from reactor.engine.http import LARGEST_HEAD, Refusal, find_end
from reactor.engine.proxy.tunnel import Tunnel, TunnelRefused
from reactor.errors import FRAMING_ERROR, RemoteProtocolError


class ProxyLayer:
    """The beginning of one wire of a client, which leads to a proxy.

    tunnel: the request to the proxy, and its answer.

    absent: the tunnel is open: all further bytes belong to the layer above, or to the engine.
    ended: never: whether anything follows is for those above to know.
    trouble: why it cannot go on; or None.
    """

    #: No byte of the engine passes while this layer is there.
    established = False
    ended = False

    def __init__(self, tunnel: Tunnel) -> None:
        self.tunnel = tunnel
        self.absent = False
        self.trouble: Optional[RemoteProtocolError] = None
        self._asked = False
        self._head = b""  # of the answer, while it is not complete
        self._heard = 0  # bytes
        self._finished = False

    @property
    def has_to_say(self) -> bool:
        """Whether the request is still to be sent."""
        return not self._asked and not self._finished

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the proxy; returns those behind its answer. See `absent` and `trouble`."""
        if self.trouble is not None:
            return b""
        self._heard += len(data)
        self._head += data
        try:
            self._look_at(self._head)
            while True:
                end = find_end(self._head)
                if not end:
                    break
                head, self._head = self._head[:end], self._head[end:]
                if self.tunnel.read_answer(head):
                    self.absent = True
                    data, self._head = self._head, b""
                    return data
            if self._heard >= LARGEST_HEAD:
                raise Refusal("no answer within %d bytes" % LARGEST_HEAD)
        except Refusal as refusal:
            self.give_up(FRAMING_ERROR, "it sends %s" % refusal)
        except TunnelRefused as refused:
            self.give_up(refused.condition, str(refused))
        return b""

    def _look_at(self, head: bytes) -> None:
        """Another protocol is known by its first bytes, and so the wait for its end is spared."""
        if not head.startswith(b"HTTP/"[: len(head)]):
            if is_unclear(head):
                return
            name = name_protocol(head)
            what = "it speaks %s" % name if name not in ("", "HTTP") else "its answer is no HTTP: %r" % head[:16]
            raise TunnelRefused(FRAMING_ERROR, "%s; is this the port of a proxy?" % what)

    def hung_up(self) -> str:
        """The wire has ended: this is always an error here. Returns the text for it."""
        where = "within its answer" if self._heard else "without an answer"
        return self.tunnel.explain("it hung up %s; some do so where they do not let a client in" % where)

    def seal(self, plain: bytearray, output: bytearray, last: bool) -> None:
        """Put the request into `output`, once. The bytes of the engine in `plain` wait for the tunnel."""
        if self.has_to_say:
            output += self.tunnel.write_request()
            self._asked = True
        if last:
            self._finished = True
        if self._finished:
            plain.clear()

    def break_off(self) -> None:
        """Nothing more is sent."""
        self._finished = True

    def give_up(self, condition: str, text: str) -> None:
        """The tunnel cannot be had."""
        self._finished = True
        self.trouble = RemoteProtocolError(condition, self.tunnel.explain(text))
