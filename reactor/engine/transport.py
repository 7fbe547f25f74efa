"""Transport: bytes in, bytes out, for one connection. The wire itself, without a socket.

Whoever drives it hands over what arrived (`receive`, `close_tail`), takes what is to be sent (`pending`,
`output`, `pop`) and tells the time (`tick`). Here live the protocol headers, the layers before AMQP, the frame
loop with its dispatch table, the negotiated limits and the idle time-outs. What a frame means is the business of
connection, session and window. A peer's error becomes the frame that answers it in one place, `_answer`; any
other exception that escapes here is a bug of ours.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

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
from reactor.codec.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    MIN_MAX_FRAME_SIZE,
    SASL_HEADER,
    check_fields,
    read_header,
    write_frame,
)
from reactor.codec.performatives import decode_composite, encode_composite
from reactor.engine.condition import Condition, as_condition
from reactor.engine.connection import Connection
from reactor.engine.endpoint import LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED
from reactor.engine.events import Event
from reactor.engine.headers import explain_header
from reactor.engine.link import Link
from reactor.engine.sasl import SASL
from reactor.engine.session import Session
from reactor.engine.window import Window
from reactor.errors import (
    FRAME_SIZE_TOO_SMALL,
    FRAMING_ERROR,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    LocalProtocolError,
    RemoteProtocolError,
    TransportException,
)

DEFAULT_MAX_FRAME_SIZE = 65536
DEFAULT_CHANNEL_MAX = 32767
UNLIMITED = 0xFFFFFFFF

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


class Transport:
    """One end of an AMQP connection on one wire.

    mode: CLIENT (default) speaks first; SERVER waits for the client's protocol header.
    max_frame_size: bytes of the largest frame that we take, told in open; default 65,536. Not below 512.
    channel_max: the largest channel number, told in open; default 32,767.
    idle_timeout: seconds without input after which the peer counts as gone; 0 (default) for never. Half of it is
        told to the peer [2.4.5].
    remote_max_frame_size, remote_channel_max, remote_idle_timeout: the peer's, from its open.
    condition: why it failed, or None.
    output: bytes to be sent; the driver sends from its front and calls `pop`.
    recorder: called with ("in" or "out", bytes) for all that passes; None (default) costs nothing.
    tracer: called with (transport, text) by `log`; or None.
    """

    __slots__ = (
        "mode",
        "connection",
        "_condition",
        "output",
        "max_frame_size",
        "channel_max",
        "idle_timeout",
        "remote_max_frame_size",
        "remote_channel_max",
        "remote_idle_timeout",
        "recorder",
        "tracer",
        "trace_flags",
        "frames_input",
        "dirty_windows",
        "_sasl",
        "_auth_required",
        "_reader",
        "_partial",
        "_have",
        "_need",
        "_header_sent",
        "_amqp_out",
        "_opened",
        "_open_sent",
        "_close_sent",
        "_head_done",
        "_head_closed",
        "_tail_closed",
        "_finished",
        "_woken",
        "_windows_in",
        "_windows_out",
        "_heard",
        "_spoke",
        "_hear_by",
        "_speak_by",
        "__dict__",
        "__weakref__",
    )

    CLIENT, SERVER = 1, 2
    TRACE_OFF, TRACE_RAW, TRACE_FRM, TRACE_DRV = 0, 1, 2, 4

    def __init__(self, mode: Optional[int] = None) -> None:
        if mode not in (None, self.CLIENT, self.SERVER):
            raise TransportException("a transport's mode is Transport.CLIENT or Transport.SERVER, not %r" % (mode,))
        self.mode = mode or self.CLIENT
        self.connection: Optional[Connection] = None
        self._condition: Optional[Condition] = None
        self.output = bytearray()
        self.max_frame_size = DEFAULT_MAX_FRAME_SIZE
        self.channel_max = DEFAULT_CHANNEL_MAX
        self.idle_timeout = 0.0
        self.remote_max_frame_size = UNLIMITED
        self.remote_channel_max = DEFAULT_CHANNEL_MAX
        self.remote_idle_timeout = 0.0
        self.recorder: Optional[Callable[[str, bytes], None]] = None
        self.tracer: Optional[Callable[[Transport, str], None]] = None
        self.trace_flags = 0
        self.frames_input = 0
        self.dirty_windows: list[Window] = []
        self._sasl: Optional[SASL] = None
        self._auth_required = False
        self._reader: Callable[[bytes, int, int], int] = self._read_header
        self._partial: list[bytes] = []  # of something that is not complete: pieces, their sum, what it needs
        self._have = 0
        self._need = 0
        self._header_sent = False
        self._amqp_out = False  # our AMQP header is written: frames may follow
        self._opened = False  # the peer's open has come
        self._open_sent = False
        self._close_sent = False
        self._head_done = False  # nothing will be added to the output
        self._head_closed = False
        self._tail_closed = False
        self._finished = False
        self._woken = False
        self._windows_in: dict[int, Window] = {}
        self._windows_out: dict[int, Window] = {}
        self._heard = self._spoke = True
        self._hear_by = self._speak_by = 0.0

    # -- what the application sets and asks --------------------------------------------------------------------

    @property
    def condition(self) -> Optional[Condition]:
        """Why the transport failed, or None."""
        return self._condition

    @condition.setter
    def condition(self, condition: Any) -> None:
        self._condition = as_condition(condition)

    @property
    def closed(self) -> bool:
        """Whether both directions have ended."""
        return self._head_closed and self._tail_closed

    @property
    def authenticated(self) -> bool:
        """Whether the peer went through SASL with success."""
        return self._sasl is not None and self._sasl.outcome == SASL.OK

    @property
    def encrypted(self) -> bool:
        """Whether the wire is encrypted: not yet, TLS is to come."""
        return False

    @property
    def user(self) -> Optional[str]:
        """Who the peer (on a server) or this side (on a client) is, after SASL; None before and without."""
        return self._sasl.user if self._sasl is not None and self._sasl.outcome == SASL.OK else None

    def sasl(self) -> SASL:
        """The SASL layer, which is put in by the first call: a client then insists on it."""
        if self._sasl is None:
            self._sasl = SASL(server=self.mode == self.SERVER)
        return self._sasl

    def require_auth(self, bool: bool) -> None:
        """Whether a peer that does not authenticate by SASL is refused; default False."""
        self._auth_required = bool

    def trace(self, n: int) -> None:
        """Which of TRACE_RAW, TRACE_FRM, TRACE_DRV to trace; whoever listens sets `recorder`."""
        self.trace_flags = n

    def log(self, message: str) -> None:
        """Hand a text to the tracer, if there is one."""
        if self.tracer is not None:
            self.tracer(self, message)

    def bind(self, connection: Connection) -> None:
        """Carry `connection`. TransportException when one of them is bound already."""
        if self.connection is not None or connection.transport is not None:
            raise TransportException("cannot bind %r: it or the transport is bound already" % (connection,))
        self.connection = connection
        connection.transport = self
        for session in connection.sessions(0):
            connection.work[session] = None
            for link in session.links():
                connection.work[link] = None
        connection.emit(Event.CONNECTION_BOUND, connection)
        self._woken = False
        self.wake()
        if self._have:
            self.receive(b"")

    bind_nothrow = bind

    def unbind(self) -> None:
        """Let go of the connection, which can then be bound to another transport and opens everything anew."""
        connection = self.connection
        if connection is None:
            return
        connection.reset()
        connection.transport = None
        self.connection = None
        self._windows_in.clear()
        self._windows_out.clear()
        self.dirty_windows.clear()
        connection.emit(Event.CONNECTION_UNBOUND, connection)

    def wake(self) -> None:
        """There is something to do: queue Event.TRANSPORT, once until the next `pending()`."""
        if not self._woken:
            self._woken = True
            if self.connection is not None:
                self.connection.emit(Event.TRANSPORT, self)

    # -- bytes in --------------------------------------------------------------------------------------------------

    def capacity(self) -> int:
        """How many bytes may be pushed; -1 once the input has ended."""
        return -1 if self._tail_closed else max(self.max_frame_size, DEFAULT_MAX_FRAME_SIZE)

    def push(self, binary: bytes) -> None:
        """Hand over bytes that have come. TransportException once the input has ended."""
        if self._tail_closed:
            raise TransportException("the input has ended: %d bytes come too late" % len(binary))
        self.receive(bytes(binary))

    def receive(self, data: bytes) -> None:
        """Take bytes that have come; what is incomplete is kept. After the end they are dropped."""
        if self._tail_closed or self._finished:
            return
        self._heard = True
        if self.recorder is not None and data:
            self.recorder("in", data)
        if self._have:
            self._partial.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._partial)
            self._partial = []
            self._have = 0
        pos = 0
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
        if self._finished:
            return
        if pos < end:
            self._partial.append(data[pos:] if pos else data)
            self._have = end - pos

    def _read_header(self, data: bytes, pos: int, end: int) -> int:
        """A protocol header: which layer comes next [2.2]."""
        header = data[pos : pos + 8]
        expected: tuple[bytes, ...] = (AMQP_HEADER,)
        if self._sasl is not None and self._sasl.outcome is None:
            expected = (SASL_HEADER,) if self.mode == self.CLIENT or self._auth_required else (SASL_HEADER, AMQP_HEADER)
        elif self.mode == self.SERVER and self._sasl is None:
            expected = (SASL_HEADER,) if self._auth_required else (SASL_HEADER, AMQP_HEADER)
        if not any(known.startswith(header) for known in expected):
            if self.mode == self.SERVER and not self._header_sent:
                self.output += expected[0]  # what would have been right [2.2]
            raise RemoteProtocolError(FRAMING_ERROR, explain_header(header, expected[0]))
        if len(header) < 8:
            self._need = 8
            return pos
        if header == SASL_HEADER:
            sasl = self.sasl()
            if self.connection is not None and not sasl.server:
                sasl.user = sasl.user or self.connection.user
                sasl.password = sasl.password or self.connection.password
                sasl.authorization = sasl.authorization or self.connection.authorization
            if self.mode == self.SERVER:
                self.output += SASL_HEADER
                self._header_sent = True
            sasl.start()
            self._reader = self._read_sasl
        else:
            self._reader = self._read_frames
        self.wake()
        return pos + 8

    def _read_sasl(self, data: bytes, pos: int, end: int) -> int:
        sasl = self.sasl()
        pos = sasl.receive(data, pos, end)
        self.wake()
        if sasl.finished:
            self._reader = self._read_header
        return pos

    def _read_frames(self, data: bytes, pos: int, end: int) -> int:
        """Take all whole frames. This loop runs for every message: it makes four calls for a transfer."""
        if self.connection is None:
            return pos  # not bound yet
        windows = self._windows_in
        largest = self.max_frame_size
        while end - pos >= 8:
            size, offset, kind, channel = read_header(data, pos)
            if size > largest or size < 8 or offset < 2 or offset * 4 > size or kind:
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
                row = _ROWS.get(code)
                if row is None or (code == OPEN) is self._opened:
                    self._unexpected(code)
                check_fields(code, fields)
                if code == TRANSFER:
                    window = windows.get(channel)
                    if window is None:
                        raise self._no_session(code, channel)
                    if not window.deaf:
                        window.recv_transfer(data[at:stop], *fields)
                else:
                    self._dispatch(row, code, channel, fields)  # type: ignore[arg-type]
            except RemoteProtocolError as error:
                self._answer(error, channel)
            if self._finished:
                return end
        return pos

    def _dispatch(self, row: tuple[int, str], code: int, channel: int, fields: list[Any]) -> None:
        whom, name = row
        if whom == _TO_TRANSPORT:
            getattr(self, name)(channel, *fields)
            return
        window = self._windows_in.get(channel)
        if window is None:
            raise self._no_session(code, channel)
        if window.deaf and code != END:
            return  # we have ended, or refused, the session: only its end matters [2.5.5]
        getattr(window if whom == _TO_WINDOW else window.session, name)(*fields)

    def _misframed(self, size: int, offset: int, kind: int) -> None:
        if size > self.max_frame_size:
            text = "a frame of %d bytes; at most %d were agreed on" % (size, self.max_frame_size)
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
        return RemoteProtocolError(
            NOT_ALLOWED, "%s on channel %d, where no session is" % (BY_CODE[code].name, channel)
        )

    # -- performatives that concern the wire -----------------------------------------------------------------------

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
        self.remote_max_frame_size = UNLIMITED if max_frame_size is None else max_frame_size
        self.remote_channel_max = 0xFFFF if channel_max is None else channel_max
        self.remote_idle_timeout = (idle_time_out or 0) / 1000.0  # 0 means none, as brokers send it
        if self.remote_max_frame_size < MIN_MAX_FRAME_SIZE:
            raise RemoteProtocolError(
                FRAME_SIZE_TOO_SMALL, "max-frame-size %d; at least 512 is required" % self.remote_max_frame_size
            )
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
        if remote_channel is None:
            assert self.connection is not None
            session = self.connection.session()
            window = session.window = self.make_window(session)
        else:
            answered = self._windows_out.get(remote_channel)
            if answered is None or answered.remote_channel is not None:
                raise RemoteProtocolError(
                    NOT_ALLOWED, "begin answers channel %d, which waits for no answer" % remote_channel
                )
            window = answered
        window.remote_channel = channel
        self._windows_in[channel] = window
        window.session.recv_begin(remote_channel, *fields)

    def recv_close(self, channel: int, error: Any = None) -> None:
        """The peer closes the connection [2.7.9]; nothing may follow."""
        assert self.connection is not None
        self._finished = True
        self.connection.recv_close(error)
        self.wake()

    def make_window(self, session: Session) -> Window:
        """A channel for a session. LocalProtocolError when none is left."""
        most = min(self.remote_channel_max, self.channel_max)
        channel = next(number for number in range(len(self._windows_out) + 1) if number not in self._windows_out)
        if channel > most:
            raise LocalProtocolError(
                RESOURCE_LIMIT_EXCEEDED, "no channel is left for another session: channel-max is %d" % most, "session"
            )
        window = Window(session, self, channel)
        self._windows_out[channel] = window
        return window

    def release_input(self, window: Window) -> None:
        """The peer has ended the session: its channel may be used again."""
        if window.remote_channel is not None:
            self._windows_in.pop(window.remote_channel, None)

    def release_output(self, window: Window) -> None:
        """Both sides have ended the session: our channel may be used again."""
        self._windows_out.pop(window.channel, None)

    # -- errors ------------------------------------------------------------------------------------------------------

    def _answer(self, error: RemoteProtocolError, channel: Optional[int] = None) -> None:
        """Turn a peer's error into the frame that answers it: detach, end or close, by its scope."""
        condition = Condition(error.condition, error.description, error.info)
        window = None if channel is None else self._windows_in.get(channel)
        endpoint: Any = None
        if error.scope == "link":
            endpoint = error.endpoint
        elif error.scope == "session" and window is not None:
            endpoint = window.session
            window.deaf = True
        if endpoint is None:
            self._end_with(condition)
            return
        # The application sees it as the reason for which the other side went: it is the other side's fault.
        endpoint.remote_condition = condition
        endpoint.condition = condition
        if isinstance(endpoint, Link):
            endpoint.deaf = True
        endpoint.close()

    def _end_with(self, condition: Condition) -> None:
        """Close the connection because of `condition`: say so to the peer, as far as that is possible, and stop."""
        connection = self.connection
        self._finished = True
        self._partial = []
        self._have = 0
        if self._condition is None:
            self._condition = condition
        if connection is not None:
            connection.error = condition
            if self._amqp_out and not self._close_sent and not self._head_done:
                if not self._open_sent:
                    self._write_open(connection)
                self._close_sent = True
                body = encode_composite(CLOSE, [condition.to_wire()])
                write_frame(self.output, 0, body)
                if self.recorder is not None:
                    self.recorder("out", bytes(self.output[-8 - len(body) :]))
            connection.emit(Event.TRANSPORT_ERROR, self)
        if self._sasl is not None:
            self.output += self._sasl.output
            self._sasl.output.clear()
        self._head_done = True
        self.wake()
        self.close_tail()

    def fail(self, name: str, description: str, info: Any = None) -> None:
        """The driver could not read, write or connect: everything ends at once, because of this condition."""
        if self.closed:
            return
        if self._condition is None:
            self._condition = Condition(name, description, info)
            if self.connection is not None:
                self.connection.error = self._condition
                self.connection.emit(Event.TRANSPORT_ERROR, self)
        self._finished = self._head_done = True
        self.output.clear()
        self.close_tail()
        self.close_head()

    def close_tail(self) -> None:
        """The input has ended. Without a close before it the connection is lost."""
        if self._tail_closed:
            return
        self._tail_closed = True
        connection = self.connection
        if not self._finished:
            self._finished = True
            if connection is None or not connection.state & LOCAL_CLOSED or not self._close_sent:
                if self._condition is None:
                    self._condition = Condition(FRAMING_ERROR, self._why_aborted())
                    if connection is not None:
                        connection.error = self._condition
                        connection.emit(Event.TRANSPORT_ERROR, self)
            self._head_done = True
            self.output.clear()
        if connection is not None:
            if not connection.state & REMOTE_CLOSED:
                connection.leave_wire()
            connection.emit(Event.TRANSPORT_TAIL_CLOSED, self)
        self._maybe_closed()
        self.wake()

    def _why_aborted(self) -> str:
        if self._reader == self._read_header:
            text = "connection aborted: the peer hung up without a protocol header"
            if self._have:
                text = "connection aborted: the peer hung up within its protocol header"
            return text
        if self._reader == self._read_sasl:
            return "connection aborted: the peer hung up during SASL; it may refuse the user or the mechanism"
        where = "within a frame" if self._have else "without a close"
        return "connection aborted: the peer hung up %s" % where

    def close_head(self) -> None:
        """The output has ended: all was sent, or nothing can be sent any more."""
        if self._head_closed:
            return
        self._head_done = self._head_closed = True
        self.output.clear()
        if self.connection is not None:
            self.connection.emit(Event.TRANSPORT_HEAD_CLOSED, self)
        self._maybe_closed()

    def _maybe_closed(self) -> None:
        if self.closed and self.connection is not None:
            self.connection.emit(Event.TRANSPORT_CLOSED, self)

    # -- bytes out -----------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """Write what there is to write into `output`; returns its length, or -1 when nothing will ever come."""
        self._woken = False
        if not self._head_done:
            self._flush()
        if not self.output and self._head_done:
            self.close_head()
            return -1
        return len(self.output)

    def peek(self, size: int) -> Optional[bytes]:
        """At most `size` bytes from the front of the output; None when nothing will ever come."""
        return None if self.pending() < 0 else bytes(self.output[:size])

    def pop(self, size: int) -> None:
        """`size` bytes from the front of the output were sent."""
        output = self.output
        if size >= len(output):
            output.clear()
        else:
            del output[:size]
        if (self.dirty_windows and len(output) < DEFAULT_MAX_FRAME_SIZE) or (self._head_done and not output):
            self.wake()

    def _flush(self) -> None:
        """Everything that the turn collected becomes frames: first what opens, then messages and outcomes, then
        what closes."""
        out = self.output
        start = len(out)
        self._write_headers(out)
        connection = self.connection
        if self._amqp_out and connection is not None and not connection.state & LOCAL_UNINIT:
            if not self._open_sent:
                self._write_open(connection)
            if connection.work:
                self._write_opening(connection, out)
            if self.dirty_windows:
                windows, self.dirty_windows = self.dirty_windows, []
                for window in windows:
                    if window.end_sent or window.session.window is not window:
                        window.dirty = False
                    elif window.flush(out):
                        window.dirty = True
                        self.dirty_windows.append(window)
            if connection.work:
                self._write_closing(connection, out)
        if len(out) > start:
            self._spoke = True
            if self.recorder is not None:
                self.recorder("out", bytes(out[start:]))

    def _write_headers(self, out: bytearray) -> None:
        """Our protocol headers, as far as it is their turn. A server answers the client's."""
        if self._amqp_out:
            return
        sasl = self._sasl
        if sasl is not None:
            if self.mode == self.CLIENT and not self._header_sent:
                self._header_sent = True
                out += SASL_HEADER
            if sasl.output:
                out += sasl.output
                sasl.output.clear()
            if self._reader == self._read_frames or sasl.outcome == SASL.OK:
                self._amqp_out = self.mode == self.CLIENT or self._reader == self._read_frames
        else:
            self._amqp_out = self.mode == self.CLIENT or self._reader == self._read_frames
        if self._amqp_out:
            out += AMQP_HEADER

    def _write_open(self, connection: Connection) -> None:
        self._open_sent = True
        fields = connection.open_fields(self.max_frame_size, self.channel_max, self.idle_timeout / 2)
        write_frame(self.output, 0, encode_composite(OPEN, fields))

    def _write_opening(self, connection: Connection, out: bytearray) -> None:
        """Begins, and then attaches; what had to wait stays in the list of work."""
        for endpoint in list(connection.work):
            if isinstance(endpoint, Session):
                self._attempt(endpoint, endpoint.send_begin, out, self)
        for endpoint in list(connection.work):
            if isinstance(endpoint, Link):
                self._attempt(endpoint, endpoint.session.send_attach, endpoint, out)

    def _attempt(self, endpoint: Any, write: Callable[..., bool], *arguments: Any) -> None:
        """Open an endpoint; where that cannot be done the application sees it fail, as if the peer had refused."""
        try:
            write(*arguments)
        except LocalProtocolError as error:
            endpoint.remote_condition = Condition(error.condition, error.description)
            etype = Event.LINK_REMOTE_CLOSE if isinstance(endpoint, Link) else Event.SESSION_REMOTE_CLOSE
            assert self.connection is not None
            self.connection.work.pop(endpoint, None)
            self.connection.emit(etype, endpoint)

    def _write_closing(self, connection: Connection, out: bytearray) -> None:
        """Detaches, ends and the close, each when what was sent before it has left."""
        work = connection.work
        for endpoint in list(work):
            if isinstance(endpoint, Link):
                done = endpoint.session.send_detach(endpoint, out)
                if done and self._is_settled(endpoint):
                    work.pop(endpoint, None)
        for endpoint in list(work):
            if isinstance(endpoint, Session) and endpoint.send_end(out) and self._is_settled(endpoint):
                work.pop(endpoint, None)
        if connection.state & LOCAL_CLOSED and not self._close_sent:
            if connection.holds_back() and not connection.state & REMOTE_CLOSED and connection.condition is None:
                return
            self._close_sent = True
            write_frame(out, 0, connection.close_body())
            self._head_done = True
        work.pop(connection, None)

    @staticmethod
    def _is_settled(endpoint: Any) -> bool:
        """Whether an open that was asked for is on the wire, so that the endpoint needs no further look."""
        if endpoint.state & (LOCAL_UNINIT | LOCAL_CLOSED | REMOTE_CLOSED):
            return True
        if isinstance(endpoint, Link):
            return endpoint.handle_out is not None
        return endpoint.window is not None and bool(endpoint.window.begin_sent)

    # -- time ------------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float:
        """The time is `now`, in monotonic seconds: send a heartbeat if it is due, give up a silent peer.

        Returns when to be called again, 0.0 for never.
        """
        if self._head_done or self.closed:
            return 0.0
        deadlines = []
        if self.idle_timeout:
            if self._heard or not self._hear_by:
                self._heard = False
                self._hear_by = now + self.idle_timeout
            elif now >= self._hear_by:
                self._end_with(
                    Condition(
                        RESOURCE_LIMIT_EXCEEDED,
                        "local-idle-timeout expired: nothing came in for %g seconds" % self.idle_timeout,
                    )
                )
                return 0.0
            deadlines.append(self._hear_by)
        if self.remote_idle_timeout and self._open_sent:
            if self._spoke or not self._speak_by:
                self._spoke = False
                self._speak_by = now + self.remote_idle_timeout / 2
            elif now >= self._speak_by:
                if not self.output:
                    self.output += EMPTY_FRAME
                    if self.recorder is not None:
                        self.recorder("out", EMPTY_FRAME)
                self._speak_by = now + self.remote_idle_timeout / 2
                self.wake()
            deadlines.append(self._speak_by)
        return min(deadlines) if deadlines else 0.0
