"""WireState: all that a transport knows about its wire, in one place; both directions work on it.

The transport is made of two rooms that share this: reader.py takes bytes in, writer.py writes them. Nothing here
reads or writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.limits import UNLIMITED, USUAL, Limits
from reactor.engine.sasl.layer import SASL
from reactor.errors import RemoteProtocolError, TransportException

if TYPE_CHECKING:
    from reactor.engine.endpoints.link import Link
    from reactor.engine.tls.layer import TLSLayer
    from reactor.engine.tls.ssl import SSL
    from reactor.engine.wire.channel import Ledger
    from reactor.engine.wire.transport import Transport
    from reactor.engine.wire.window import Window

DEFAULT_MAX_FRAME_SIZE = 65536
#: How many sessions begin before the peer has said how many it takes.
FEW_CHANNELS = 4


class WireState:
    """The state of one wire, as one end sees it."""

    __slots__ = (
        "mode",
        "connection",
        "_condition",
        "output",
        "plain",
        "tls",
        "frame_limit",
        "_channel_max",
        "_limits",
        "buffered",
        "frame_size",
        "_idle_timeout",
        "open_timeout",
        "write_timeout",
        "remote_max_frame_size",
        "remote_channel_max",
        "remote_idle_timeout",
        "recorder",
        "tracer",
        "trace_flags",
        "trace_maker",
        "_traced",
        "frames_input",
        "frames_output",
        "dirty_windows",
        "doubts",
        "waits",
        "_sasl",
        "_layer",
        "_auth_required",
        "_encryption_required",
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
        "parted",
        "_part_by",
        "_open_by",
        "_move_by",
    )
    CLIENT, SERVER = 1, 2
    TRACE_OFF, TRACE_RAW, TRACE_FRM, TRACE_DRV = 0, 1, 2, 4
    def __init__(self, mode: Optional[int] = None) -> None:
        if mode not in (None, self.CLIENT, self.SERVER):
            raise TransportException("a transport's mode is Transport.CLIENT or Transport.SERVER, not %r" % (mode,))
        self.mode = mode or self.CLIENT
        self.connection: Optional[Connection] = None
        self.parted: Optional[Connection] = None  # the one that was let go of
        self._condition: Optional[Condition] = None
        self.output = bytearray()  # what goes over the wire
        self.plain = self.output  # what the engine writes: another one where TLS lies between
        self.tls: Optional[SSL] = None
        self._limits = USUAL
        self.frame_limit = USUAL.max_frame_size  # bytes of the largest frame that we take
        self._channel_max = USUAL.max_sessions - 1
        self.buffered = 0  # what has come of deliveries that are not complete, as it is counted
        self.frame_size = 0  # of the frame that is being read, where it is no transfer
        self._idle_timeout = 0.0
        self.open_timeout: Optional[float] = None
        self.write_timeout: Optional[float] = None
        self.remote_max_frame_size = UNLIMITED
        self.remote_channel_max = 0xFFFF
        self.remote_idle_timeout = 0.0
        self.recorder: Optional[Callable[[str, bytes], None]] = None
        self.tracer: Optional[Callable[[Transport, str], None]] = None
        self.trace_flags = 0
        self._traced: Any = None  # the recorder that was made for `trace`
        self.trace_maker: Optional[Callable[[], Callable[[str, bytes], None]]] = None
        self.frames_input = 0
        self.frames_output = 0
        self.dirty_windows: list[Ledger] = []
        self.waits = False  # a link's attach waits for a detach that may leave in the same turn
        self.doubts: dict[Link, float] = {}  # links that look refused, and until when they may be; 0.0: not yet known
        self._sasl: Optional[SASL] = None
        self._layer: Optional[TLSLayer] = None  # `tls`, unless the peer turned out to do without
        self._auth_required: Optional[bool] = None  # None: as SASL demands
        self._encryption_required = False
        self._reader: Callable[[bytes, int, int], int] = self._read_header
        self._partial: list[Any] = []  # of something that is not complete: pieces, their sum, what it needs
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
        self._woken = True
        self._windows_in: dict[int, Window] = {}
        self._windows_out: dict[int, Window] = {}
        self._heard = self._spoke = True
        self._hear_by = self._speak_by = self._part_by = self._open_by = self._move_by = 0.0

    # -- what open tells the peer, and cannot be another one afterwards ---------------------------------------

    @property
    def channel_max(self) -> int:
        """See Transport. ValueError for what is no channel number; TransportException when the peer was told."""
        return self._channel_max

    @channel_max.setter
    def channel_max(self, number: int) -> None:
        self.check_untold("channel_max", number, 0xFFFF)
        self._channel_max = number

    @property
    def idle_timeout(self) -> float:
        """See Transport. ValueError for what is no time to wait; TransportException when the peer was told."""
        return self._idle_timeout

    @idle_timeout.setter
    def idle_timeout(self, seconds: float) -> None:
        self.check_untold("idle_timeout", seconds, 2 * UNLIMITED / 1000)
        self._idle_timeout = seconds

    def check_untold(self, name: str, value: Any, largest: float) -> None:
        """Raise for a value that open cannot tell, or that comes too late for it: nobody would keep to it."""
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= largest:
            raise ValueError("%s is a number from 0 to %d, not %r" % (name, largest, value))
        if self._open_sent:
            text = "too late for %s: the peer was told another one by open; set it before, as in on_connection_bound"
            raise TransportException(text % name)

    @property
    def opened(self) -> bool:
        """Whether the peer's open has come, which says what it takes."""
        return self._opened

    def has_channel(self) -> bool:
        """Whether another session may begin already: before the peer's open says how many there can be, few may."""
        return self._opened or len(self._windows_out) < FEW_CHANNELS

    def doubt(self, link: Link) -> None:
        """The peer has attached the link in a way that looks like a refusal. It counts as open when no detach follows
        at once: some peers leave out the terminus that they were asked for, and mean it."""
        link.doubtful = True
        self.doubts[link] = 0.0

    def release_input(self, window: Ledger) -> None:
        """The peer has ended the session: its channel may be used again."""
        if window.remote_channel is not None:
            self._windows_in.pop(window.remote_channel, None)

    def release_output(self, window: Ledger) -> None:
        """Both sides have ended the session: our channel may be used again."""
        self._windows_out.pop(window.channel, None)

    # -- what one room asks of another -------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        """What is taken of the peer, at most (transport.py)."""
        raise NotImplementedError

    @property
    def max_frame_size(self) -> int:
        """What the application sees of `frame_limit` (transport.py)."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether both directions have ended (transport.py)."""
        raise NotImplementedError

    def sasl(self) -> SASL:
        """The SASL layer (transport.py)."""
        raise NotImplementedError

    @property
    def encrypted(self) -> bool:
        """Whether the wire is encrypted (transport.py)."""
        raise NotImplementedError

    def break_down(self) -> None:
        """An exception that is no protocol error ends the connection (transport.py)."""
        raise NotImplementedError

    def close_tail(self) -> None:
        """The input has ended (transport.py)."""
        raise NotImplementedError

    def wake(self) -> None:
        """There is something to write (transport.py)."""
        raise NotImplementedError

    def close_head(self) -> None:
        """The output has ended (transport.py)."""
        raise NotImplementedError

    def _answer(self, error: RemoteProtocolError, channel: Optional[int] = None) -> None:
        """Turn a peer's error into the frame that answers it (transport.py)."""
        raise NotImplementedError

    def _end_with(self, condition: Condition) -> None:
        """Close the connection because of `condition` (transport.py)."""
        raise NotImplementedError

    def fail(self, name: str, description: str, info: Any = None) -> None:
        """Everything ends at once (transport.py)."""
        raise NotImplementedError

    def _read_header(self, data: bytes, pos: int, end: int) -> int:
        """Where input begins (reader.py)."""
        raise NotImplementedError

    def _read_frames(self, data: bytes, pos: int, end: int) -> int:
        """Where input comes to (reader.py)."""
        raise NotImplementedError
