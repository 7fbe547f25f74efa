"""WebSocketLayer: WebSocket between the engine and the wire, or between the engine and TLS.

The transport enters, as it does with TLS, and sees the same few calls. It owns the handshake, the frames and the end; a
TLS layer that lies below is held by it, so that the engine has one layer to speak to. It knows no AMQP frame, socket or
clock; random bytes are given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable, Optional

from reactor.engine.headers import is_unclear, name_protocol
from reactor.engine.http import Refusal, find_end
from reactor.engine.tls.layer import TLSLayer
from reactor.engine.websocket.framing import (
    BINARY,
    CLOSE,
    GOING_AWAY,
    NORMAL,
    PING,
    PONG,
    Control,
    FrameParser,
    FramingTrouble,
    close_content,
    read_close,
    write_frame,
)
from reactor.engine.websocket.handshake import (
    Opening,
    read_answer,
    read_request,
    write_answer,
    write_refusal,
    write_request,
)
from reactor.errors import FRAMING_ERROR, RemoteProtocolError


class WebSocketLayer:
    """WebSocket on one wire.

    server: whether this side is the server. randbytes: gives so many random bytes. host, path: that a client asks for.
    path: for a server the only one that it takes, "" for any. origins: of the web pages that a server lets in.

    tls: the layer below; None for none. ended: the peer has said that nothing more will follow.
    trouble: why it cannot go on, to be answered after the bytes before it; or None.
    """

    #: A server that may do without TLS is known by the layer below; without WebSocket it does not do.
    absent = False

    def __init__(
        self,
        server: bool,
        randbytes: Callable[[int], bytes],
        host: str = "",
        path: str = "",
        origins: Iterable[str] = (),
    ) -> None:
        self.server = server
        self.tls: Optional[TLSLayer] = None
        self.ended = False
        self.trouble: Optional[RemoteProtocolError] = None
        self._opening = Opening(host, path, origins)
        self._randbytes = randbytes
        self._open = False  # the handshake is done
        self._key = ""  # of the request; on a client from its writing on
        self._head = b""  # of the peer, while it is not complete
        self._parser = FrameParser(server)
        self._controls = bytearray()  # an answer to the handshake, and control frames
        self._pong: Optional[bytes] = None  # the content of the last ping, unanswered
        self._finished = False  # our output: the end is said, or nothing more can be
        self._content = bytearray()  # for the layer below

    @property
    def established(self) -> bool:
        """Whether both handshakes, of TLS and of WebSocket, are done."""
        return self._open and (self.tls is None or self.tls.established)

    @property
    def has_to_say(self) -> bool:
        """Whether this layer, or the one below, has something to send: `seal` takes it along."""
        if self._controls or self._pong is not None:
            return True
        if not self.server and not self._key and (self.tls is None or self.tls.established):
            return True  # the request
        return self.tls is not None and self.tls.has_to_say

    # -- input -------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the wire; returns their content, which may be empty. See `trouble` and `ended`."""
        if self.trouble is not None or self.ended:
            return b""
        tls = self.tls
        if tls is not None:
            data = tls.receive(data)
            if tls.absent:
                self.tls = None
        content = b""
        try:
            if not self._open:
                data = self._read_head(data)
            if self._open and data:
                content = self._read_frames(data)
        except Refusal as refusal:
            if self.server:
                self._controls += write_refusal(refusal)
            self._give_up("the handshake failed: %s" % refusal)
        except FramingTrouble as trouble:
            self._close(trouble.code, str(trouble))
            self._give_up("the peer has sent %s" % trouble)
        if tls is not None and tls.trouble is not None and self.trouble is None:
            self.trouble = tls.trouble
        if tls is not None and tls.ended:
            self.ended = True
        return content

    def _read_head(self, data: bytes) -> bytes:
        """Take bytes of the handshake; returns those behind it."""
        head = self._head = self._head + data
        self._look_at(head)
        end = find_end(head)
        if not end:
            return b""
        self._head = b""
        if self.server:
            self._controls += write_answer(read_request(head[:end], self._opening))
        else:
            read_answer(head[:end], self._opening, self._key)
        self._open = True
        return head[end:]

    def _look_at(self, head: bytes) -> None:
        """Another protocol is known by its first bytes."""
        if is_unclear(head):
            return
        name = name_protocol(head)
        if name not in ("", "HTTP"):
            scheme = "amqpwss" if name == "TLS" else "amqp" if self.tls is None else "amqps"
            hint = "it should use %s://, or this server listen for that" if self.server else "use %s:// for it"
            raise Refusal("the peer speaks %s, and no WebSocket; %s" % (name, hint % scheme), 400)
        if not head[:1].isalpha():
            raise Refusal("this is no HTTP: %r" % head[:8], 400)

    def _read_frames(self, data: bytes) -> bytes:
        controls: list[Control] = []
        content = self._parser.receive(data, controls)
        for opcode, sent in controls:
            if opcode == PING:
                self._pong = sent
            elif opcode == CLOSE:
                code, reason = read_close(sent)
                self._close(code, "")
                self.ended = True
                if code not in (NORMAL, GOING_AWAY):
                    self._give_up("the peer has closed it with code %d%s" % (code, ": " + reason if reason else ""))
        return content

    def hung_up(self) -> str:
        """The wire has ended. Returns why that is an error of this layer, or "" when it is none."""
        text = "" if self.tls is None else self.tls.hung_up()
        if text or self._open:
            return text  # AMQP itself marks when it is complete
        return "WebSocket: the %s hung up during the handshake" % ("client" if self.server else "server")

    # -- output ------------------------------------------------------------------------------------------

    def seal(self, plain: bytearray, output: bytearray, last: bool) -> None:
        """Move bytes from `plain` to `output`, in frames; before the handshake is done they have to wait.

        last: nothing will follow. The peer hears that, unless this layer itself has failed.
        """
        tls = self.tls
        below = output if tls is None else self._content
        if not self.server and not self._key and self.trouble is None and (tls is None or tls.established):
            request, self._key = write_request(self._opening, self._randbytes(16))
            below += request
        self._write(plain, below, last)
        if tls is not None:
            tls.seal(below, output, last or (self._finished and self.trouble is not None))
            if tls.trouble is not None and self.trouble is None:
                self.trouble = tls.trouble
            if not self.server and not self._key and tls.established and self.trouble is None:
                self.seal(plain, output, last)  # the handshake of TLS was over with this

    def _write(self, plain: bytearray, below: bytearray, last: bool) -> None:
        if self._controls:
            below += self._controls
            self._controls.clear()
        if self._finished:
            plain.clear()
            self._pong = None
            return
        if self._pong is not None:
            pong, self._pong = self._pong, None
            write_frame(below, PONG, pong, self._mask())
        if self._open and plain:
            write_frame(below, BINARY, bytes(plain), self._mask())
            plain.clear()
        if last:
            if self._open:
                write_frame(below, CLOSE, close_content(NORMAL), self._mask())
            self._finished = True

    def break_off(self) -> None:
        """Output that was sealed is not going to be sent: nothing after it can be, either."""
        self._finished = True
        self._controls.clear()
        self._content.clear()
        if self.tls is not None:
            self.tls.break_off()

    def _close(self, code: int, reason: str) -> None:
        """Our close frame, which is our last one [5.5.1]."""
        if not self._finished and self._open:
            write_frame(self._controls, CLOSE, close_content(code, reason), self._mask())
        self._finished = True

    def _mask(self) -> Optional[bytes]:
        return None if self.server else self._randbytes(4)

    def _give_up(self, text: str) -> None:
        self._finished = True  # but for the answer, which is in the buffer already
        if self.trouble is None:
            self.trouble = RemoteProtocolError(FRAMING_ERROR, "WebSocket: " + text)
