"""Transport: bytes in, bytes out, for one connection. The wire itself, without a socket.

Its driver hands over the bytes that arrived (`receive`, `close_tail`), takes those that are to be sent (`pending`,
`output`, `pop`) and passes the time on (`tick`). The work is done by the parts that it owns, which are put together
here. An exception that escapes from here, and is no error of the call, is our bug.
"""

from __future__ import annotations

from reactor import engine
from reactor.codec.frames import MIN_MAX_FRAME_SIZE
from reactor.engine.endpoints.condition import Condition, as_condition
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED
from reactor.engine.endpoints.fields import as_bool
from reactor.engine.events import Event
from reactor.engine.limits import UNLIMITED, USUAL, Limits
from reactor.engine.sasl.layer import SASL
from reactor.engine.wire.channels import Channels
from reactor.engine.wire.ending import Ending
from reactor.engine.wire.layers import Layers
from reactor.engine.wire.reader import FrameReader
from reactor.engine.wire.stages import AMQP_HEADER_SENT, CLOSE_SENT, ENDED, ENDED_CLOSED, FINISHED, OPEN_SENT, Stages
from reactor.engine.wire.taps import Taps
from reactor.engine.wire.timeouts import Timeouts
from reactor.engine.wire.writer import FrameWriter
from reactor.errors import POLICY_ERROR, TransportException
from reactor.lazily import TYPE_CHECKING
from reactor.listing import Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Optional, Union

    from reactor.codec.types import AnyValue
    from reactor.engine.endpoints.connection import Connection
    from reactor.engine.endpoints.link import Link
    from reactor.engine.tls.domain import SSLDomain, SSLSessionDetails
    from reactor.engine.tls.ssl import SSL
    from reactor.engine.wire.layers import Sealing
    from reactor.engine.wire.taps import Tap


class Transport(Listed):
    """One end of an AMQP connection on one wire.

    mode: CLIENT (default) speaks first; SERVER waits for the client's protocol header.
    max_frame_size: bytes of the largest frame that we take, announced in open; default 65,536. A size below 512
        counts as 512 [2.3.1]; 0 is for frames of any size.
    channel_max: the largest channel number, announced in open; default 255, and never more than 32,767.
    limits: how much is taken of the peer, at most. To be set before anything is written; it sets the two above.
    max_buffered_delivery_bytes: that one of the limits.
    idle_timeout: seconds without input after which the peer counts as gone; 0 (default) for never. Half of it is
        announced to the peer [2.4.5].
    open_timeout: seconds for the peer's open to come, counted from the first `tick`; None (default) for no limit.
    write_timeout: seconds for the peer to take something of the output; None (default) for no limit.
    remote_max_frame_size, remote_channel_max, remote_idle_timeout: the peer's, from its open.
    frames_input, frames_output: how many frames have come and were written, heartbeats too.
    condition: why it failed, or None.
    tls: TLS on this wire (`ssl()`), or None.
    output: bytes to be sent; the driver sends from its front and calls `pop`.
    recorder: called with ("in" or "out", bytes) for all that passes, as it is without TLS; or None (default).
    tracer: called with (transport, text) by `log`, and with each line of a trace of frames; or None.
    """

    __slots__ = (
        "mode",
        "connection",
        "parted",
        "output",
        "taps",
        "tracer",
        "trace_flags",
        "trace_maker",
        "stages",
        "layers",
        "channels",
        "writer",
        "reader",
        "ending",
        "timeouts",
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
        self.parted: Optional[Connection] = None  # the one that was let go of
        self.taps = Taps()
        self.tracer: Optional[Callable[[Transport, str], None]] = None
        self.trace_flags = 0
        self.trace_maker: Optional[Callable[[Any], Tap]] = None
        # The parts, each with those that it needs.
        server = self.mode == self.SERVER
        self.stages = stages = Stages()
        self.layers = layers = Layers(stages, server)
        self.channels = channels = Channels(self, stages, layers)
        self.writer = writer = FrameWriter(self, server, stages, layers, channels)
        self.reader = reader = FrameReader(self, server, stages, layers, channels, writer)
        self.ending = ending = Ending(self, stages, layers, channels, reader, writer)
        self.timeouts = Timeouts(server, stages, layers, channels, reader, writer, ending)
        self.output = layers.output

    # -- settings and questions of applications -----------------------------------------------------------

    @property
    def condition(self) -> Optional[Condition]:
        """Why the transport failed, or None."""
        return self.ending.condition

    @condition.setter
    def condition(self, condition: Union[Condition, str, None]) -> None:
        self.ending.condition = as_condition(condition)

    @property
    def max_frame_size(self) -> int:
        """See the class. ValueError for a size that there is not; TransportException after open."""
        return self.channels.max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        self._check_untold("max_frame_size", size, UNLIMITED)
        self.channels.frame_limit = max(size, MIN_MAX_FRAME_SIZE) if size else UNLIMITED

    @property
    def channel_max(self) -> int:
        """See the class. ValueError for a number that no channel can have; TransportException after open."""
        return self.channels.channel_max

    @channel_max.setter
    def channel_max(self, number: int) -> None:
        self._check_untold("channel_max", number, 0xFFFF)
        self.channels.channel_max = min(int(number), 0x7FFF)

    @property
    def limits(self) -> Limits:
        """See the class."""
        return self.channels.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.channels.limits = limits
        self.max_frame_size = limits.max_frame_size
        self.channel_max = limits.max_sessions - 1
        if self.layers.sasl is not None:
            self.layers.sasl.limits = limits

    @property
    def max_buffered_delivery_bytes(self) -> int:
        """See the class."""
        return self.channels.limits.max_buffered_delivery_bytes

    @max_buffered_delivery_bytes.setter
    def max_buffered_delivery_bytes(self, size: int) -> None:
        self.channels.limits = self.channels.limits.replace(max_buffered_delivery_bytes=size)

    @property
    def idle_timeout(self) -> float:
        """See the class. ValueError for a number that is no time to wait; TransportException after open."""
        return self.timeouts.idle

    @idle_timeout.setter
    def idle_timeout(self, seconds: float) -> None:
        self._check_untold("idle_timeout", seconds, 2 * UNLIMITED / 1000)
        self.timeouts.idle = float(seconds)

    @property
    def remote_max_frame_size(self) -> int:
        """See the class."""
        return self.channels.remote_max_frame_size

    @property
    def remote_channel_max(self) -> int:
        """See the class."""
        return self.channels.remote_channel_max

    @property
    def buffered(self) -> int:
        """Bytes of deliveries that are not complete, as the limits count them."""
        return self.channels.buffered

    @property
    def remote_idle_timeout(self) -> float:
        """See the class."""
        return self.channels.remote_idle_timeout

    @property
    def open_timeout(self) -> Optional[float]:
        """See the class."""
        return self.timeouts.open

    @open_timeout.setter
    def open_timeout(self, seconds: Optional[float]) -> None:
        self.timeouts.open = seconds

    @property
    def write_timeout(self) -> Optional[float]:
        """See the class."""
        return self.timeouts.write

    @write_timeout.setter
    def write_timeout(self, seconds: Optional[float]) -> None:
        self.timeouts.write = seconds

    def _check_untold(self, name: str, value: Any, largest: float) -> None:
        """Raise for a value that open cannot carry, or that comes too late for it: the peer would not keep to it."""
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= largest:
            raise ValueError("%s is a number from 0 to %d, not %r" % (name, largest, value))
        if self.stages.output >= OPEN_SENT:
            text = "too late for %s: the peer was told another one by open; set it before, as in on_connection_bound"
            raise TransportException(text % name)

    @property
    def frames_input(self) -> int:
        """See the class."""
        return self.reader.frames_input

    @property
    def frames_output(self) -> int:
        """See the class."""
        return self.writer.frames_output + self.channels.frames_output

    @property
    def closed(self) -> bool:
        """Whether both directions have ended."""
        return self.ending.is_complete

    @property
    def is_over(self) -> bool:
        """Whether the peer has said its last word: it has closed the connection, or has let this client not in."""
        if self.stages.input < FINISHED:
            return False
        return self.ending.condition is None or (self.layers.is_refused() and self.mode == self.CLIENT)

    # -- SASL and TLS ------------------------------------------------------------------------------------

    @property
    def authenticated(self) -> bool:
        """Whether the peer went through SASL with success."""
        return self.layers.is_authenticated()

    @property
    def encrypted(self) -> bool:
        """Whether the bytes on the wire are encrypted: from the end of the TLS handshake on."""
        return self.layers.is_encrypted()

    @property
    def user(self) -> Optional[str]:
        """The name of the peer (on a server) or of this side (on a client), after SASL; None before and without."""
        sasl = self.layers.sasl
        early = self.channels.original_ways and self.mode == self.CLIENT
        return sasl.user if sasl is not None and (early or sasl.outcome == SASL.OK) else None

    @property
    def tls(self) -> Optional[SSL]:
        """See the class."""
        return self.layers.tls

    def sasl(self) -> SASL:
        """The SASL layer, which is put in by the first call: a client then insists on it."""
        return self.layers.put_in_sasl(self.channels.limits)

    def ssl(
        self, domain: Optional[SSLDomain] = None, session_details: Optional[SSLSessionDetails] = None
    ) -> SSL:
        """TLS on this wire, which is put in by the first call: it has to come before anything is said.

        domain: the requirements; None: those of a new SSLDomain of this side. session_details: the name under
        which a client's session is kept, to be resumed by a later connection. Both are fixed by the first call.
        The same as ``SSL(transport, domain, session_details)``, and raises the same.
        """
        return engine.SSL(self, domain, session_details)

    def secure(self, layer: SSL) -> None:
        """Have this layer between the transport and the wire. SSL calls it; SSLException when it is too late."""
        self.layers.put_in_tls(layer)

    def require_auth(self, bool: bool) -> None:
        """Whether a server refuses a client that leaves SASL out. Unless this is called it does so as soon as it asks
        for a password, a token, or mechanisms of which ANONYMOUS is none; see SASLSettings.demanded. TypeError for a
        value that is no bool."""
        self.layers.auth_required = as_bool("require_auth", bool)

    def require_encryption(self, bool: bool) -> None:
        """Whether a wire without TLS is refused, with amqp:connection:policy-error; default False. TypeError
        for a value that is no bool."""
        self.layers.encryption_required = as_bool("require_encryption", bool)

    # -- tracing -----------------------------------------------------------------------------------------

    @property
    def recorder(self) -> Optional[Tap]:
        """See the class."""
        return self.taps.recorder

    @recorder.setter
    def recorder(self, recorder: Optional[Tap]) -> None:
        self.taps.set_recorder(recorder)

    def trace(self, n: int) -> None:
        """Write the frames that pass, each as a line, to `tracer`, else to stderr: TRACE_FRM or TRACE_RAW; TRACE_OFF
        ends that. Without a container nothing is written. A `recorder` is used in place of this."""
        self.trace_flags = n
        self.taps.trace(n & (self.TRACE_RAW | self.TRACE_FRM) > 0, self.trace_maker, self)

    def log(self, message: str) -> None:
        """Hand a text to the tracer, if there is one, after "TRACE: ", as the original does."""
        if self.tracer is not None:
            self.tracer(self, "TRACE: " + message)

    # -- the connection ----------------------------------------------------------------------------------

    def bind(self, connection: Connection) -> None:
        """Carry `connection`. TransportException when one of them is bound already."""
        if self.connection is not None or connection.transport is not None:
            raise TransportException("cannot bind %r: it or the transport is bound already" % (connection,))
        if connection.user and self.layers.sasl is None and self.mode == self.CLIENT:
            self.sasl()  # a user is there to log in with, as in the original
        self.connection = connection
        connection.transport = self
        connection.work.update(dict.fromkeys(connection.sessions(0)))
        links: list[Link] = sorted(connection.links(0), key=lambda link: link.born)
        connection.work.update(dict.fromkeys(links))
        connection.emit(Event.CONNECTION_BOUND, connection)
        self.channels.woken = False
        self.wake()
        try:
            self.reader.resume()
        except Exception:
            self.ending.break_down()
            raise

    bind_nothrow = bind

    def unbind(self) -> None:
        """Let go of the connection, which can then be bound to another transport and opens everything anew."""
        connection = self.connection
        if connection is None:
            return
        if not connection.state & LOCAL_CLOSED:
            connection.reset()
        else:
            # A closed connection stays as it ended, for questions. Messages that were sent too late are in doubt.
            connection.give_up()
            for session in connection.sessions(0):
                if session.channel is not None:
                    session.channel.close()
        self.connection, self.parted, connection.transport = None, connection, None
        self.channels.clear()
        if not connection.unbound() and not self.closed:
            connection.emit(Event.TRANSPORT, self)  # its driver has nothing to wait for

    def answer_close(self) -> None:
        """Answer the peer's close on this wire alone: the connection stays as it is, for another one."""
        if self.connection is not None and self.writer.write_close(self.connection, None):
            self.wake()

    # -- calls of the driver ----------------------------------------------------------------------------

    def capacity(self) -> int:
        """How many bytes may be pushed; -1 once the input has ended."""
        return -1 if self.stages.input == ENDED else max(self.max_frame_size, USUAL.max_frame_size)

    def push(self, binary: bytes) -> None:
        """Hand over bytes that have come. TransportException once the input has ended."""
        if self.stages.input == ENDED:
            raise TransportException("the input has ended: %d bytes come too late" % len(binary))
        self.channels.pushed(self.receive, bytes(binary))

    def receive(self, data: bytes) -> bool:
        """Take bytes that have come; an incomplete frame is kept. After the end they are dropped. Returns whether
        `tick` is to be called even where no output is left: most transports wait for nothing."""
        if self.stages.input >= FINISHED:
            return True
        try:
            tls = self.layers.sealing
            if tls is None:
                self.reader.receive(data)
            else:
                self._receive_sealed(tls, data)
        except Exception:
            self.ending.break_down()
            raise
        return self.channels.timed

    def _receive_sealed(self, tls: Sealing, data: bytes) -> None:
        """Take bytes that TLS has sealed: their content goes on as if it had come in the clear."""
        stages = self.stages
        self.reader.heard = True
        data, news = self.layers.unseal(tls, data)
        tls = self.layers.sealing or tls
        if news:
            self.wake()
        if data:
            self.reader.receive(data)
        if tls.trouble is not None and stages.input < FINISHED:
            self.ending.answer(tls.trouble)
        elif tls.ended:
            self.ending.close_tail()

    def pending(self) -> int:
        """Write the frames of this turn into `output`; returns its length, or -1 when nothing will ever come."""
        stages, channels, tls = self.stages, self.channels, self.layers.sealing
        if stages.output >= ENDED_CLOSED:
            return -1  # TLS might have more, and the wire takes nothing
        if channels.woken:  # else nothing has changed since the last time
            channels.woken = False
            connection = self.connection
            try:
                if stages.output != OPEN_SENT or connection is None or connection.work or (tls and not tls.established):
                    self._flush(tls is None or tls.established)
                else:  # nothing opens or closes: as the writer's `flush` does it, with fewer calls
                    out = self.layers.plain
                    dirty, channels.dirty = channels.dirty, []
                    for channel in dirty:
                        if channel.outcomes.in_transaction:
                            channel.flush_outcomes(out)
                    for channel in dirty:
                        channel.flush(out)
            except Exception:
                self.ending.break_down()
                raise
        if tls is not None:
            self._seal(tls)
        if not self.output and stages.output >= CLOSE_SENT and not self.timeouts.holds_on():
            self.ending.close_head()
            return -1
        return len(self.output)

    def _flush(self, ready: bool) -> None:
        """Write what there is to write, at any stage. ready: whether TLS, if there is any, takes it."""
        if self.stages.output < AMQP_HEADER_SENT and self.layers.lacks_encryption():
            self.ending.end_with(Condition(POLICY_ERROR, "encryption is required, and transport.ssl() was not called"))
        if ready and self.stages.output < CLOSE_SENT:
            self.writer.flush()

    def _seal(self, tls: Sealing) -> None:
        """The output goes through TLS to the wire."""
        stages, layers = self.stages, self.layers
        if self.taps.all is not None and layers.plain and tls.established:
            self.taps.all("out", bytes(layers.plain))
        tls.seal(layers.plain, self.output, stages.output >= CLOSE_SENT and not self.timeouts.holds_on())
        if tls.trouble is not None and stages.input < FINISHED:
            self.ending.answer(tls.trouble)

    def peek(self, size: int) -> Optional[bytes]:
        """At most `size` bytes from the front of the output; None when nothing will ever come."""
        return None if self.pending() < 0 else bytes(self.output[:size])

    def pop(self, size: int) -> bool:
        """`size` bytes from the front of the output were sent. Returns whether `pending()` has more, or has the end."""
        output = self.output
        if self.taps.all is not None and self.layers.sealing is None:
            self.taps.all("out", bytes(output[:size]))
        if size >= len(output):
            output.clear()
        else:
            del output[:size]
        self.timeouts.move_by = 0.0  # the peer has taken something
        if (self.channels.dirty and len(output) < USUAL.max_frame_size) or (
            not output and self.stages.output >= CLOSE_SENT
        ):
            self.wake()
            self.ending.emptied()
            return True
        return False

    def tick(self, now: float) -> float:
        """The time is `now`, in monotonic seconds: send a heartbeat if it is due, give up a silent peer.

        Returns when to be called again, 0.0 for never, and less than that when the peer has been given up and
        takes nothing: let go of the wire.
        """
        return self.timeouts.tick(now)

    def wake(self) -> None:
        """There is something to do: queue Event.TRANSPORT, once until the next `pending()`."""
        self.channels.wake()

    # -- the end -----------------------------------------------------------------------------------------

    def close_tail(self) -> None:
        """The input has ended. Without a close before it the connection is lost."""
        self.ending.close_tail()

    def close_head(self) -> None:
        """The output has ended: all was sent, or nothing can be sent any more."""
        self.ending.close_head()

    def fail(self, name: str, description: str, info: Optional[Mapping[AnyValue, AnyValue]] = None) -> None:
        """The driver could not read, write or connect: everything ends at once, because of this condition; unless
        the peer's close has come, after which nothing that happens to the wire is news."""
        self.ending.fail(name, description, info)
