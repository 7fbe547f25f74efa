"""Input: bytes that arrive, taken apart: protocol headers, SASL, and the frame loop with its dispatch table.

What a frame means is the business of connection, session and window; performatives that concern the wire itself
(open, begin, close) are handled here. A peer's error is raised as RemoteProtocolError and answered by `_answer`,
the one place that turns it into a frame.
"""

from __future__ import annotations

from typing import Any, Optional

from reactor.codec.decode import read_fields
from reactor.codec.definitions import (
    ATTACH,
    BEGIN,
    BY_CODE,
    CLOSE,
    DETACH,
    DISPOSITION,
    END,
    FLOW,
    OPEN,
    TRANSFER,
)
from reactor.codec.frames import AMQP_HEADER, MIN_MAX_FRAME_SIZE, SASL_HEADER, read_header
from reactor.codec.performatives import check_fields, decode_composite
from reactor.engine.headers import explain_header, is_unclear
from reactor.engine.limits import UNLIMITED
from reactor.engine.tls.layer import TLSLayer
from reactor.engine.wire.channel import free_number
from reactor.engine.wire.handshakes import Handshakes
from reactor.engine.wire.state import DEFAULT_MAX_FRAME_SIZE, WireState
from reactor.engine.wire.window import Window
from reactor.errors import (
    FRAMING_ERROR,
    NOT_ALLOWED,
    POLICY_ERROR,
    RESOURCE_LIMIT_EXCEEDED,
    LocalProtocolError,
    RemoteProtocolError,
    TransportException,
)

#: From how many bytes on a payload is not copied out of what was read before its message is complete; unless that
#: is so many times as large: it would all be kept for it.
LONG_PIECE, KEPT = 16384, 20
#: Below so many bytes what has come of something that is not complete is put together: a list of bytes one by one
#: would take many times their room.
SHORT_PIECE = 512

_CLOSE_HEAD = bytes((0x00, 0x53, CLOSE))

# Who handles which performative. `open` comes first and once [2.4.1]; all others come after it.
_TO_TRANSPORT, _TO_SESSION, _TO_WINDOW = range(3)
_ROWS: dict[int, tuple[int, str]] = {
    OPEN: (_TO_TRANSPORT, "recv_open"),
    BEGIN: (_TO_TRANSPORT, "recv_begin"),
    ATTACH: (_TO_SESSION, "recv_attach"),
    FLOW: (_TO_WINDOW, "recv_flow"),
    TRANSFER: (_TO_WINDOW, "recv_transfer"),
    DISPOSITION: (_TO_WINDOW, "recv_disposition"),
    DETACH: (_TO_SESSION, "recv_detach"),
    END: (_TO_SESSION, "recv_end"),
    CLOSE: (_TO_TRANSPORT, "recv_close"),
}


class Input(WireState):
    """The half of a transport that listens."""

    __slots__ = ()

    def capacity(self) -> int:
        """How many bytes may be pushed; -1 once the input has ended."""
        return -1 if self._tail_closed else max(self.max_frame_size, DEFAULT_MAX_FRAME_SIZE)

    def push(self, binary: bytes) -> None:
        """Hand over bytes that have come. TransportException once the input has ended."""
        if self._tail_closed:
            raise TransportException("the input has ended: %d bytes come too late" % len(binary))
        self.receive(bytes(binary))

    def receive(self, data: bytes, unsealed: bool = False) -> None:
        """Take bytes that have come; what is incomplete is kept. After the end they are dropped.

        unsealed: they have come through TLS already; the engine's own to say.
        """
        try:
            if self._layer is not None and not unsealed:
                self._unseal(self._layer, data)
            elif self._accepts():
                self._receive(data)
        except Exception:
            self.break_down()
            raise

    def _receive(self, data: bytes) -> None:
        self._heard = True
        if self.recorder is not None and data:
            self.recorder("in", data)
        pos = 0
        if self._have:
            missing = self._need - self._have
            if len(data) < missing:
                self._keep(data)
                return
            if missing > 0:
                # What was begun is completed by itself, so that the rest, which may be long, is not copied.
                self._consume(self._begun(data[:missing]), 0)
                pos = missing
            if self._have or not pos:
                data, pos = self._begun(data[pos:]), 0
        self._consume(data, pos)

    def _keep(self, data: bytes) -> None:
        """What was begun goes on, and is not complete."""
        self._have += len(data)
        if len(data) >= SHORT_PIECE:
            self._partial.append(data)
        elif isinstance(self._partial[-1], bytearray):
            self._partial[-1] += data
        else:
            self._partial.append(bytearray(data))

    def _begun(self, data: bytes) -> bytes:
        """What was kept, and `data` behind it."""
        data = b"".join([*self._partial, data])
        self._partial = []
        self._have = 0
        return data

    def _consume(self, data: bytes, pos: int) -> None:
        """Read `data` from `pos` on, and keep what is not complete."""
        if not self._accepts():
            return
        end = len(data)
        self._need = 0
        try:
            while pos < end:
                reader = self._reader
                pos = reader(data, pos, end)
                if reader == self._reader:
                    break
        except RemoteProtocolError as error:
            self._answer(error)
            return
        if pos < end and self._accepts():
            self._partial.append(data[pos:] if pos else data)
            self._have = end - pos

    def _unseal(self, layer: TLSLayer, data: bytes) -> None:
        """Take bytes that TLS has sealed: what they hold goes on as if it had come in the clear."""
        if not self._accepts():
            return
        self._heard = True
        already = layer.established
        data = layer.receive(data)
        if layer.absent:
            self._layer = None
            self.output += self.plain
            self.plain = self.output
        elif layer.has_to_say or layer.established is not already:
            self._tell_sasl()
            self.wake()
        if data:
            self.receive(data, True)
        if layer.trouble is not None and self._accepts():
            self._answer(layer.trouble)
        elif layer.ended:
            self.close_tail()

    def _tell_sasl(self) -> None:
        """What TLS knows of the wire is for SASL to use."""
        layer, sasl = self._layer, self._sasl
        if layer is not None and layer.established and sasl is not None:
            sasl.secure = True
            sasl.external = sasl.external or layer.identity
            sasl.channel_bindings = layer.channel_bindings

    def _accepts(self) -> bool:
        """Whether input still means anything."""
        return not (self._finished or self._tail_closed)

    def _read_header(self, data: bytes, pos: int, end: int) -> int:
        """A protocol header: which layer comes next [2.2]."""
        header = data[pos : pos + 8]
        if self._encryption_required and not self.encrypted:
            raise RemoteProtocolError(POLICY_ERROR, "the peer is not encrypted, and has to be: it should use amqps://")
        expected: tuple[bytes, ...] = (AMQP_HEADER,)
        if self.mode == self.SERVER:
            if self._sasl is None or self._sasl.outcome is None:
                expected = (SASL_HEADER,) if self._authenticates() else (SASL_HEADER, AMQP_HEADER)
        elif self._sasl is not None and self._sasl.outcome is None:
            expected = (SASL_HEADER,)
        known = any(one.startswith(header) for one in expected)
        if not known and not is_unclear(header):
            if self.mode == self.SERVER and not self._header_sent:
                self.plain += expected[0]  # what would have been right [2.2]
            raise RemoteProtocolError(FRAMING_ERROR, explain_header(header, expected[0], self.mode == self.SERVER))
        if len(header) < 8:
            self._need = 8 if known else len(header) + 1
            return pos
        if header == SASL_HEADER:
            sasl = self.sasl()
            if self.connection is not None and not sasl.server:
                sasl.user = sasl.user or self.connection.user
                sasl.password = sasl.password or self.connection.password
                sasl.authorization = sasl.authorization or self.connection.authorization
            if self.mode == self.SERVER:
                self.plain += SASL_HEADER
                self._header_sent = True
            sasl.start()
            self._reader = self._read_sasl
        else:
            self._reader = self._read_frames
        self.wake()
        return pos + 8

    def _authenticates(self) -> bool:
        """Whether a client has to go through SASL."""
        if self._auth_required is None:
            return self._sasl is not None and self._sasl.demanded
        return self._auth_required

    def _read_sasl(self, data: bytes, pos: int, end: int) -> int:
        sasl = self.sasl()
        pos = sasl.receive(data, pos, end)
        self.wake()
        if sasl.finished:
            self._reader = self._read_header
        elif end - pos >= 8:
            self._need = int.from_bytes(data[pos : pos + 4], "big")  # a frame, so far as it has come
        return pos

    def _read_frames(self, data: bytes, pos: int, end: int) -> int:
        """Take all whole frames. This loop runs for every message: it makes four calls for a transfer."""
        if self.connection is None:
            self._need = UNLIMITED  # not bound yet
            return pos
        windows = self._windows_in
        largest = self.frame_limit if self._opened else self._opening_limit()
        while end - pos >= 8:
            size, offset, kind, channel = read_header(data, pos)
            if size > largest or size < 8 or kind or (offset != 2 and not 8 <= offset * 4 <= size):
                self._misframed(size, offset, kind)
            stop = pos + size
            if stop > end:
                self._need = size
                break
            at = pos + offset * 4
            pos = stop
            self.frames_input += 1
            if at == stop:
                continue  # a heartbeat
            try:
                if data[at : at + 2] == b"\x00\x53" and stop - at > 3:
                    code = data[at + 2]
                    fields, at = read_fields(data, at + 3, stop)
                else:
                    code, fields, at = decode_composite(data, at, stop)
                if code not in _ROWS or (code == OPEN) is self._opened:
                    self._unexpected(code)
                check_fields(code, fields)
                if code == TRANSFER or code == DISPOSITION:
                    window = windows.get(channel)
                    if window is None:
                        raise self._no_session(code, channel)
                    if window.deaf:
                        if code == TRANSFER:
                            window.recv_late()
                        continue  # only its end matters, as in `_dispatch`
                    if code == DISPOSITION:
                        window.recv_disposition(*fields)
                    else:
                        # Short pieces are cut out. Long ones are looked at where they lie, until they are joined.
                        length = stop - at
                        if length < LONG_PIECE or length * KEPT < end:
                            payload: Any = data[at:stop]
                        else:
                            payload = memoryview(data)[at:stop]
                        window.recv_transfer(payload, *fields)
                else:
                    self.frame_size = size
                    self._dispatch(code, channel, fields)
                    if code == OPEN:
                        largest = self.frame_limit
            except RemoteProtocolError as error:
                self._answer_or_hear(error, channel, data[pos:end])
            if self._finished:
                return end
        return pos

    def _answer_or_hear(self, error: RemoteProtocolError, channel: int, rest: bytes) -> None:
        """A fault of the peer's. Where it ends the connection, and the peer has closed that in the same breath, its own
        reason says more than the fault does: a refusal often stands behind an open that is odd."""
        if error.scope == "connection" or (error.scope == "session" and channel not in self._windows_in):
            pos = 0
            while len(rest) - pos >= 8:
                size, offset, kind, _ = read_header(rest, pos)
                if kind or size < 8 or size > len(rest) - pos or not 8 <= offset * 4 <= size:
                    break
                at, pos = pos + offset * 4, pos + size
                if rest[at : at + 3] != _CLOSE_HEAD:
                    continue
                try:
                    code, fields, _ = decode_composite(rest, at, pos)
                    check_fields(code, fields)
                except RemoteProtocolError:
                    break
                if fields and fields[0] is not None:
                    self.recv_close(0, *fields)
                    return
        self._answer(error, channel)

    def _dispatch(self, code: int, channel: int, fields: list[Any]) -> None:
        whom, name = _ROWS[code]
        if whom == _TO_TRANSPORT:
            getattr(self, name)(channel, *fields)
            return
        window = self._windows_in.get(channel)
        if window is None:
            raise self._no_session(code, channel)
        if window.deaf and code != END:
            return  # we have ended, or refused, the session: only its end matters [2.5.5]
        getattr(window if whom == _TO_WINDOW else window.session, name)(*fields)

    def _opening_limit(self) -> int:
        """The size of frames before open, which can be longer than the 512 bytes that are allowed [2.4.1]."""
        return min(self.frame_limit, self._limits.max_open_size or UNLIMITED)

    def _misframed(self, size: int, offset: int, kind: int) -> None:
        if not self._opened and size > self._opening_limit():
            text = "a frame of %d bytes; at most %d are taken before open" % (size, self._opening_limit())
        elif size > self.frame_limit:
            text = "a frame of %d bytes; at most %d were agreed on" % (size, self.frame_limit)
        elif kind:
            text = "a frame of type %d, where AMQP's type 0 was expected" % kind
        else:
            text = "a frame of %d bytes with a data offset of %d words" % (size, offset)
        raise RemoteProtocolError(FRAMING_ERROR, text)

    def _unexpected(self, code: int) -> None:
        if code not in _ROWS:
            composite = BY_CODE.get(code)
            text = "a frame with %s, which is no performative" % (composite.name if composite else "%#x" % code)
        elif code == OPEN:
            text = "a second open"
        else:
            text = "%s before open" % BY_CODE[code].name
        raise RemoteProtocolError(NOT_ALLOWED, text)

    def _no_session(self, code: int, channel: int) -> RemoteProtocolError:
        if channel > self.channel_max:
            text = "%s on channel %d, above channel-max %d" % (BY_CODE[code].name, channel, self.channel_max)
            return RemoteProtocolError(FRAMING_ERROR, text)
        return RemoteProtocolError(
            NOT_ALLOWED, "%s on channel %d, where no session is" % (BY_CODE[code].name, channel)
        )

    # -- performatives that concern the wire -------------------------------------------------------------

    def recv_open(
        self,
        channel: int,
        container_id: str,
        hostname: Optional[str] = None,
        max_frame_size: Optional[int] = None,
        channel_max: Optional[int] = None,
        idle_time_out: Optional[int] = None,
        outgoing_locales: Any = None,
        incoming_locales: Any = None,
        offered_capabilities: Any = None,
        desired_capabilities: Any = None,
        properties: Optional[dict[Any, Any]] = None,
    ) -> None:
        """The peer opens the connection [2.7.1]."""
        assert self.connection is not None
        self._opened = True
        # Everybody takes frames of 512 bytes, whatever is said [2.3.1].
        self.remote_max_frame_size = UNLIMITED if max_frame_size is None else max(max_frame_size, MIN_MAX_FRAME_SIZE)
        self.remote_channel_max = 0xFFFF if channel_max is None else channel_max
        self.remote_idle_timeout = (idle_time_out or 0) / 1000.0  # 0 means none, as brokers send it
        self._spoke = True
        self.connection.recv_open(
            container_id, hostname, offered_capabilities, desired_capabilities, properties
        )
        self.wake()

    def recv_begin(self, channel: int, remote_channel: Optional[int] = None, *fields: Any) -> None:
        """The peer begins a session, or answers our begin [2.7.2]."""
        if channel in self._windows_in:
            raise RemoteProtocolError(NOT_ALLOWED, "begin on channel %d, where a session is" % channel)
        if channel > self.channel_max:
            raise RemoteProtocolError(
                FRAMING_ERROR, "begin on channel %d, above channel-max %d" % (channel, self.channel_max)
            )
        assert self.connection is not None
        if self.connection.doubtful is not None:
            self.connection.believe(self.connection.doubtful)  # it goes on all the same
        self._limits.admit_session(self.connection, self.frame_size)
        if remote_channel is None:
            session = self.connection.session()
            session.passive = True
            try:
                window = session.window = self.make_window(session)
            except LocalProtocolError as error:  # the peer knows how many it can have: it told us itself
                raise RemoteProtocolError(error.condition, error.description) from None
        else:
            answered = self._windows_out.get(remote_channel)
            if answered is None or answered.remote_channel is not None:
                raise RemoteProtocolError(
                    NOT_ALLOWED, "begin answers channel %d, which waits for no answer" % remote_channel
                )
            window = answered
        window.remote_channel = channel
        window.session.weight += self.frame_size
        self._windows_in[channel] = window
        window.session.recv_begin(remote_channel, *fields)

    def recv_close(self, channel: int, error: Any = None) -> None:
        """The peer closes the connection [2.7.9]; nothing may follow."""
        assert self.connection is not None
        self._finished = True
        self.connection.recv_close(error)
        self.close_tail()

    def make_window(self, session: Handshakes) -> Window:
        """A channel for a session. LocalProtocolError when none is left."""
        most = min(self.remote_channel_max, self.channel_max)
        channel = free_number(self._windows_out)
        if channel > most:
            raise LocalProtocolError(
                RESOURCE_LIMIT_EXCEEDED, "no channel is left for another session: channel-max is %d" % most, "session"
            )
        window = Window(session, self, channel)
        self._windows_out[channel] = window
        return window
