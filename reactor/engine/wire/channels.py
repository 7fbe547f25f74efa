"""Channels: the sessions on one wire, by channel number, and the wire as their channels see it [2.5.1, 2.7.1, 2.7.2].

The reader finds the channel of a frame here, and hands over open and begin; the writer asks which channels have
something to write. Here are the things that all of them share: the limits, the numbers in the peer's open, the bytes
that they hold together. The life of one channel is in channel.py.
"""

from __future__ import annotations

from reactor.codec.frames import MIN_MAX_FRAME_SIZE, TRANSFER_OVERHEAD
from reactor.codec.long_payload import LONG_BODY
from reactor.engine.endpoints.queues import NOTHING
from reactor.engine.events import Event, EventType
from reactor.engine.limits import UNLIMITED, USUAL
from reactor.engine.serial import next_number
from reactor.engine.wire.channel import Channel
from reactor.engine.wire.stages import EXPECT_FRAMES, OPENING, Stages
from reactor.errors import (
    FRAMING_ERROR,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    LocalProtocolError,
    RemoteProtocolError,
)
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from reactor.engine.endpoints.link import Link
    from reactor.engine.endpoints.session import Session
    from reactor.engine.wire.interface import OwningTransport
    from reactor.engine.wire.layers import Layers

#: How many sessions begin before the peer has said how many it takes.
FEW_CHANNELS = 4
#: No frame carries more of a message than this, however large the peer's frames may be, so that links take turns.
LARGEST_PAYLOAD = LONG_BODY


class Channels:
    """The sessions on one wire.

    incoming, outgoing: their channels by the peer's number, and by ours.
    limits: how much is taken of the peer, at most. frame_limit: bytes of the largest frame that we take.
    channel_max: the largest channel number.
    remote_max_frame_size, remote_channel_max, remote_idle_timeout: the peer's, from its open.
    buffered: bytes of deliveries that are not complete, in all sessions together, as the limits count them.
    frame_size: bytes of the frame that is being read, where it is no transfer. frames_output: how many frames the
        channels have written.
    dirty: the channels that have messages, outcomes or flow to write. waits: a link's attach waits for a detach
        that may leave in the same turn.
    reading: whether bytes are read that were pushed by hand.
    woken: whether the driver knows that there is something to write. notice: the event by which it learns of that.
    largest_payload: how many bytes of a message one frame can carry to the peer; its delivery's state is among them.
    doubts: links that look refused, and until when they may be; 0.0: not yet known.
    timed: whether `tick` may have something to say, room for the output aside. Most wires wait for nothing once they
        are open.
    """

    __slots__ = (
        "incoming",
        "outgoing",
        "limits",
        "frame_limit",
        "channel_max",
        "remote_max_frame_size",
        "remote_channel_max",
        "remote_idle_timeout",
        "buffered",
        "frame_size",
        "frames_output",
        "dirty",
        "waits",
        "woken",
        "reading",
        "notice",
        "largest_payload",
        "doubts",
        "timed",
        "_last",
        "_transport",
        "_stages",
        "_layers",
    )

    def __init__(self, transport: OwningTransport, stages: Stages, layers: Layers) -> None:
        self.incoming: dict[int, Channel] = {}
        self.outgoing: dict[int, Channel] = {}
        self.limits = USUAL
        self.frame_limit = USUAL.max_frame_size
        self.channel_max = USUAL.max_sessions - 1
        self.remote_max_frame_size = UNLIMITED
        self.remote_channel_max = 0xFFFF
        self.remote_idle_timeout = 0.0
        self.buffered = 0
        self.frame_size = 0
        self.frames_output = 0
        self.dirty: list[Channel] = []
        self.waits = False
        self.woken = True
        self.reading = False
        self.notice: tuple[EventType, Any] = (Event.TRANSPORT, transport)
        self.largest_payload = LARGEST_PAYLOAD
        self.doubts: dict[Link, float] = NOTHING
        self.timed = True
        self._last = -1  # the number of ours that was taken last
        self._transport = transport
        self._stages = stages
        self._layers = layers

    # -- the wire, as a channel sees it ------------------------------------------------------------------

    @property
    def max_frame_size(self) -> int:
        """Bytes of the largest frame that we take; 0 for frames of any size."""
        return 0 if self.frame_limit == UNLIMITED else self.frame_limit

    @property
    def opened(self) -> bool:
        """Whether the peer's open has come, with the limits of the peer."""
        return self._stages.input >= EXPECT_FRAMES

    @property
    def plain(self) -> bytearray:
        """Where frames are written to."""
        return self._layers.plain

    @property
    def original_ways(self) -> bool:
        """Whether the connection is one with the original's ways."""
        connection = self._transport.connection
        return connection is not None and connection.original_ways

    def wake(self) -> None:
        """There is something to write: queue Event.TRANSPORT, once until that is done. A program that drives the engine
        by hand looks by itself after each push and tick: it gets an event for its own calls alone."""
        if not self.woken:
            connection = self._transport.connection
            if connection is None or connection.guard is None:
                self.woken = True
                return
            connection.guard()  # an event loop learns of it by this; where it raises the next call has to wake it
            self.woken = True
            connection.emit(Event.TRANSPORT, self._transport)

    def peer_waits(self) -> bool:
        """Whether the peer has used up the credit of a receiver, and gets more with what is to be written: it has
        nothing to do until then. Not where something closes: the outcomes of all that has come go before that."""
        connection = self._transport.connection
        if connection is None or connection.work:
            return False
        for channel in self.dirty:
            if channel.flows.links and channel.flows.awaited():
                for one in self.dirty:
                    one.flows.put_off()
                return True
        return False

    def pushed(self, receive: Callable[[bytes], object], data: bytes) -> None:
        """Read bytes that were pushed by hand: a program for the original gets no event for their effects."""
        self.reading = self.original_ways
        self.woken = self.woken or self.reading
        try:
            receive(data)
        finally:
            self.reading = False

    def notify_by_hand(self) -> None:
        """As `wake`. A program for the original gets an event in any case: SASL has gone on by itself."""
        connection = self._transport.connection
        if self.original_ways and connection is not None:
            connection.emit(Event.TRANSPORT, self._transport)
        self.wake()

    def notify(self) -> None:
        """As `wake`, with an event for a program that drives the engine by hand, too."""
        connection = self._transport.connection
        if not self.woken and connection is not None and connection.guard is None:
            connection.emit(Event.TRANSPORT, self._transport)
        self.wake()

    def doubt(self, link: Link) -> None:
        """The peer has attached the link in a way that looks like a refusal. It counts as open when no detach follows
        at once: some peers leave out the terminus that they were asked for, and mean it."""
        link.doubtful = True
        self.doubts = self.doubts or {}
        self.doubts[link] = 0.0
        self.timed = True

    # -- numbers -----------------------------------------------------------------------------------------

    def has_channel(self) -> bool:
        """Whether another session may begin already: before the peer's open, which has the largest number, few may."""
        return self.opened or len(self.outgoing) < FEW_CHANNELS

    def make_channel(self, session: Session) -> Channel:
        """A channel for a session. LocalProtocolError when none is left."""
        most = min(self.remote_channel_max, self.channel_max)
        number = next_number(self.outgoing, self._last, most)
        if number is None:
            raise LocalProtocolError(
                RESOURCE_LIMIT_EXCEEDED, "no channel is left for another session: channel-max is %d" % most, "session"
            )
        self._last = number
        channel = self.outgoing[number] = Channel(session, self, number)
        return channel

    def release_input(self, channel: Channel) -> None:
        """The peer has ended the session: its channel may be used again."""
        if channel.remote_number is not None:
            self.incoming.pop(channel.remote_number, None)

    def release_output(self, channel: Channel) -> None:
        """Both sides have ended the session: our channel may be used again."""
        self.outgoing.pop(channel.number, None)

    def clear(self) -> None:
        """The connection has left this wire: there is no session on it any more."""
        self.incoming.clear()
        self.outgoing.clear()
        self.dirty.clear()

    # -- open and begin ---------------------------------------------------------------------------------

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
        connection = self._transport.connection
        assert connection is not None
        self._stages.heard(OPENING)
        # Every peer takes frames of 512 bytes, whatever its open has [2.3.1].
        self.remote_max_frame_size = UNLIMITED if max_frame_size is None else max(max_frame_size, MIN_MAX_FRAME_SIZE)
        self.largest_payload = min(self.remote_max_frame_size - TRANSFER_OVERHEAD, LARGEST_PAYLOAD)
        self.remote_channel_max = 0xFFFF if channel_max is None else channel_max
        self.remote_idle_timeout = (idle_time_out or 0) / 1000.0  # 0 means none, as brokers send it
        connection.recv_open(container_id, hostname, offered_capabilities, desired_capabilities, properties)
        self.wake()

    def recv_begin(self, number: int, remote_channel: Optional[int] = None, *fields: Any) -> None:
        """The peer begins a session, or answers our begin [2.7.2]."""
        connection = self._transport.connection
        assert connection is not None
        if number in self.incoming:
            raise RemoteProtocolError(NOT_ALLOWED, "begin on channel %d, where a session is" % number)
        if number > self.channel_max:
            raise RemoteProtocolError(
                FRAMING_ERROR, "begin on channel %d, above channel-max %d" % (number, self.channel_max)
            )
        if connection.doubtful is not None:
            connection.believe(connection.doubtful)  # it goes on all the same
        connection.admit_session(self.limits, self.frame_size)
        if remote_channel is None:
            session = connection.session()
            session.passive = True
            try:
                channel = session.channel = self.make_channel(session)
            except LocalProtocolError as error:  # the peer knows how many it can have, by its own open
                raise RemoteProtocolError(error.condition, error.description) from None
        else:
            answered = self.outgoing.get(remote_channel)
            if answered is None or answered.remote_number is not None:
                raise RemoteProtocolError(
                    NOT_ALLOWED, "begin answers channel %d, which waits for no answer" % remote_channel
                )
            channel = answered
        channel.remote_number = number
        channel.session.weight += self.frame_size
        self.incoming[number] = channel
        channel.recv_begin(remote_channel, *fields)
