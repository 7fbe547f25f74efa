"""Transport: bytes in, bytes out, for one connection. The wire itself, without a socket.

Whoever drives it hands over what arrived (`receive`, `close_tail`), takes what is to be sent (`pending`,
`output`, `pop`) and tells the time (`tick`). Input is in reader.py, output in writer.py; here is what the
application sets, and how a wire ends. A peer's error becomes the frame that answers it in one place, `_answer`;
any other exception that escapes here is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

from reactor.codec.definitions import CLOSE
from reactor.codec.frames import MIN_MAX_FRAME_SIZE, write_frame
from reactor.codec.performatives import encode_composite
from reactor.codec.types import AnyValue
from reactor.engine.endpoints.condition import Condition, as_condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED
from reactor.engine.endpoints.link import Link
from reactor.engine.events import Event
from reactor.engine.limits import UNLIMITED, Limits
from reactor.engine.sasl.layer import SASL
from reactor.engine.tls.domain import SSLDomain, SSLSessionDetails
from reactor.engine.tls.ssl import SSL
from reactor.engine.wire.reader import Input
from reactor.engine.wire.writer import Output
from reactor.errors import FRAMING_ERROR, INTERNAL_ERROR, RemoteProtocolError, SSLException, TransportException


class Transport(Input, Output):
    """One end of an AMQP connection on one wire.

    mode: CLIENT (default) speaks first; SERVER waits for the client's protocol header.
    max_frame_size: bytes of the largest frame that we take, told in open; default 65,536. What is below 512
        counts as 512 [2.3.1]; 0 is for frames of any size.
    channel_max: the largest channel number, told in open; default 255.
    limits: what is taken of the peer, at most. To be set before anything is said; it sets the two above.
    max_buffered_delivery_bytes: that one of the limits.
    idle_timeout: seconds without input after which the peer counts as gone; 0 (default) for never. Half of it is
        told to the peer [2.4.5].
    open_timeout: seconds for the peer's open to come, counted from the first `tick`; None (default) for no limit.
    write_timeout: seconds for the peer to take something of what is to be sent; None (default) for no limit.
    remote_max_frame_size, remote_channel_max, remote_idle_timeout: the peer's, from its open.
    frames_input, frames_output: how many frames have come and were written, heartbeats too.
    condition: why it failed, or None.
    tls: TLS on this wire (`ssl()`), or None.
    output: bytes to be sent; the driver sends from its front and calls `pop`.
    recorder: called with ("in" or "out", bytes) for all that passes, as it is without TLS; None (default) costs
        nothing.
    tracer: called with (transport, text) by `log`; or None.
    """

    __slots__ = ("__dict__", "__weakref__")

    # -- what the application sets and asks --------------------------------------------------------------

    @property
    def condition(self) -> Optional[Condition]:
        """Why the transport failed, or None."""
        return self._condition

    @condition.setter
    def condition(self, condition: Union[Condition, str, None]) -> None:
        self._condition = as_condition(condition)

    @property
    def max_frame_size(self) -> int:
        """See the class."""
        return 0 if self.frame_limit == UNLIMITED else self.frame_limit

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        self.check_untold("max_frame_size", size, UNLIMITED)
        self.frame_limit = max(size, MIN_MAX_FRAME_SIZE) if size else UNLIMITED

    @property
    def limits(self) -> Limits:
        """See the class."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        self.max_frame_size = limits.max_frame_size
        self.channel_max = limits.max_sessions - 1
        if self._sasl is not None:
            self._sasl.limits = limits

    @property
    def max_buffered_delivery_bytes(self) -> int:
        """See the class."""
        return self._limits.max_buffered_delivery_bytes

    @max_buffered_delivery_bytes.setter
    def max_buffered_delivery_bytes(self, size: int) -> None:
        self._limits = self._limits.replace(max_buffered_delivery_bytes=size)

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
        """Whether what goes over the wire is encrypted: from the end of the TLS handshake on."""
        return self._layer is not None and self._layer.established

    @property
    def user(self) -> Optional[str]:
        """Who the peer (on a server) or this side (on a client) is, after SASL; None before and without."""
        return self._sasl.user if self._sasl is not None and self._sasl.outcome == SASL.OK else None

    def sasl(self) -> SASL:
        """The SASL layer, which is put in by the first call: a client then insists on it."""
        if self._sasl is None:
            self._sasl = SASL(server=self.mode == self.SERVER)
            self._sasl.limits = self._limits
            self._tell_sasl()
        return self._sasl

    def ssl(
        self, domain: Optional[SSLDomain] = None, session_details: Optional[SSLSessionDetails] = None
    ) -> SSL:
        """TLS on this wire, which is put in by the first call: it has to come before anything is said.

        domain: what to insist on; None: what a new SSLDomain of this side does. session_details: the name under
        which a client's session is kept, to be resumed by a later connection. Both are the first call's to say.
        The same as ``SSL(transport, domain, session_details)``, and raises the same.
        """
        return SSL(self, domain, session_details)

    def secure(self, layer: SSL) -> None:
        """Have this layer between the transport and the wire. SSL calls it; SSLException when it is too late."""
        if self.output or self._header_sent or self._amqp_out or self._tail_closed:
            raise SSLException("too late for TLS: the transport has begun without")
        self.tls = self._layer = layer
        self.plain = bytearray()

    def require_auth(self, bool: bool) -> None:
        """Whether a server refuses a client that leaves SASL out. Unless this is called it does so as soon as it asks
        for a password, a token, or mechanisms of which ANONYMOUS is none; see SASLSettings.demanded. TypeError for what
        is no bool."""
        self._auth_required = as_bool("require_auth", bool)

    def require_encryption(self, bool: bool) -> None:
        """Whether a wire without TLS is refused, with amqp:connection:policy-error; default False. TypeError
        for what is no bool."""
        self._encryption_required = as_bool("require_encryption", bool)

    def trace(self, n: int) -> None:
        """Write down what passes: with TRACE_FRM or TRACE_RAW as frames, one in a line, to `tracer`, or to stderr where
        there is none; TRACE_OFF ends that. A transport that no container drives has nobody who writes: set `recorder`
        there, which is used in place of this wherever it is set."""
        self.trace_flags = n
        if not n & (self.TRACE_RAW | self.TRACE_FRM):
            if self.recorder is self._traced:
                self.recorder = None
        elif self.recorder is None and self.trace_maker is not None:
            self.recorder = self._traced = self.trace_maker()

    def log(self, message: str) -> None:
        """Hand a text to the tracer, if there is one."""
        if self.tracer is not None:
            self.tracer(self, message)

    def bind(self, connection: Connection) -> None:
        """Carry `connection`. TransportException when one of them is bound already."""
        if self.connection is not None or connection.transport is not None:
            raise TransportException("cannot bind %r: it or the transport is bound already" % (connection,))
        if connection.user and self._sasl is None and self.mode == self.CLIENT:
            self.sasl()  # who says who he is means to log in, as in the original
        self.connection = connection
        connection.transport = self
        connection.work.update(dict.fromkeys(connection.sessions(0)))
        links: list[Link] = sorted(connection.links(0), key=lambda link: link.born)
        connection.work.update(dict.fromkeys(links))
        connection.emit(Event.CONNECTION_BOUND, connection)
        self._woken = False
        self.wake()
        if self._have:
            self._need = 0
            self.receive(b"", True)

    bind_nothrow = bind

    def unbind(self) -> None:
        """Let go of the connection, which can then be bound to another transport and opens everything anew."""
        connection = self.connection
        if connection is None:
            return
        if not connection.state & LOCAL_CLOSED:
            connection.reset()
        else:
            # What was closed stays as it ended: people ask it afterwards how that was. What was sent too late
            # is in doubt as all the rest is.
            connection.give_up()
            for session in connection.sessions(0):
                if session.window is not None:
                    session.window.close()
        connection.transport = None
        self.connection, self.parted = None, connection
        self._windows_in.clear()
        self._windows_out.clear()
        self.dirty_windows.clear()
        connection.emit(Event.CONNECTION_UNBOUND, connection)
        if not self.closed:
            connection.emit(Event.TRANSPORT, self)  # whoever drives it has nothing to wait for

    def wake(self) -> None:
        """There is something to do: queue Event.TRANSPORT, once until the next `pending()`."""
        if not self._woken:
            self._woken = True
            if self.connection is not None:
                self.connection.emit(Event.TRANSPORT, self)
    def answer_close(self) -> None:
        """Answer the peer's close on this wire alone: the connection stays as it is, for another one."""
        connection = self.connection
        if connection is None or not self._amqp_out or self._close_sent or self._head_done:
            return
        if not self._open_sent:
            self._write_open(connection)
        self._close_sent = self._head_done = True
        write_frame(self.plain, 0, encode_composite(CLOSE, [None]))
        self.frames_output += 1
        self.wake()

    @property
    def is_over(self) -> bool:
        """Whether the peer has said its last word: it has closed the connection, or has let this client not in."""
        if not self._finished:
            return False
        refused = self._sasl is not None and self._sasl.outcome not in (None, SASL.OK)
        return self._condition is None or (refused and self.mode == Transport.CLIENT)

    # -- errors ------------------------------------------------------------------------------------------

    def _answer(self, error: RemoteProtocolError, channel: Optional[int] = None) -> None:
        """Turn a peer's error into the frame that answers it: detach, end or close, by its scope."""
        condition = Condition(error.condition, error.description, error.info)
        connection: Any = self.connection
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
        # The application sees it as the reason for which the other side went: it is the other side's fault. It is
        # told so now, because such a peer may never answer.
        told = bool(endpoint.state & REMOTE_CLOSED)
        endpoint.remote_condition = condition
        endpoint.condition = condition
        etype = Event.SESSION_REMOTE_CLOSE
        if isinstance(endpoint, Link):
            endpoint.deaf = True
            etype = Event.LINK_REMOTE_CLOSE
        endpoint.close()
        if not told:
            connection.emit(etype, endpoint)

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
            if self._reader == self._read_frames and not self._amqp_out:
                self._write_headers(self.plain)  # it speaks AMQP: it can be told
            if self._amqp_out and not self._close_sent and not self._head_done:
                if not self._open_sent:
                    self._write_open(connection)
                self._close_sent = True
                body = encode_composite(CLOSE, [condition.fitted(self.remote_max_frame_size)])
                write_frame(self.plain, 0, body)
                self.frames_output += 1
            connection.emit(Event.TRANSPORT_ERROR, self)
        if self._sasl is not None:
            self.plain += self._sasl.output
            self._sasl.output.clear()
        self._head_done = True
        self.wake()
        self.close_tail()

    def break_down(self) -> None:
        """An exception that is no protocol error has come out of reading or writing: a bug of ours, or no memory. What
        was read or written by half cannot be gone on with: the connection ends."""
        self._head_done = self._head_done or self._finished
        if not self._finished:
            self._end_with(Condition(INTERNAL_ERROR, "an internal error, of which the other side's log tells"))

    def fail(self, name: str, description: str, info: Optional[Mapping[AnyValue, AnyValue]] = None) -> None:
        """The driver could not read, write or connect: everything ends at once, because of this condition; unless
        the peer's close has come, after which nothing that happens to the wire is news."""
        if self.closed:
            return
        if self._condition is None and not self._finished:
            self._condition = Condition(name, description, info)
            if self.connection is not None:
                self.connection.error = self._condition
                self.connection.emit(Event.TRANSPORT_ERROR, self)
        self._finished = self._head_done = True
        self._discard()
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
            self._discard()
        if connection is not None:
            if not connection.state & REMOTE_CLOSED:
                connection.leave_wire()
            connection.emit(Event.TRANSPORT_TAIL_CLOSED, self)
        self._maybe_closed()
        self.wake()

    def _why_aborted(self) -> str:
        text = "" if self._layer is None else self._layer.hung_up()
        if text:
            return text
        if self._reader == self._read_header:
            text = "connection aborted: the peer hung up without a protocol header"
            if self._have:
                text = "connection aborted: the peer hung up within its protocol header"
            elif self.mode == self.CLIENT and self._layer is None:
                text += "; a server that insists on TLS may do that: try amqps://"
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
        self._discard()
        if self.connection is not None:
            self.connection.emit(Event.TRANSPORT_HEAD_CLOSED, self)
        self._maybe_closed()

    def _discard(self) -> None:
        """What is unsent stays unsent."""
        if self._layer is not None:
            self._layer.break_off()
            self.plain.clear()
        self.output.clear()

    def _maybe_closed(self) -> None:
        if self.closed and self.connection is not None:
            self.connection.emit(Event.TRANSPORT_CLOSED, self)


def as_bool(name: str, value: Any) -> bool:
    """TypeError for what is neither True nor False: a text such as "no" would say yes."""
    if not isinstance(value, bool):
        raise TypeError("%s() takes True or False, not %r" % (name, value))
    return value
