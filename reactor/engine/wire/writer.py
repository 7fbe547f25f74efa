"""FrameWriter: the output of a turn, written as bytes: headers, open, begins and attaches, then messages and outcomes,
then detaches, ends and close.

The transport calls `flush` when there is something to write; the writer asks each endpoint that has a change to report.
When it is time for a heartbeat is the business of timeouts.py.
"""

from __future__ import annotations

from reactor.codec.definitions import CLOSE, OPEN
from reactor.codec.frames import AMQP_HEADER, EMPTY_FRAME, SASL_HEADER, write_frame
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.session import Session
from reactor.engine.wire.attachments import attach, detach
from reactor.engine.wire.channel import begin, end
from reactor.engine.wire.stages import (
    AMQP_HEADER_SENT,
    AMQP_HEADING,
    CLOSE_SENT,
    CLOSING,
    EXPECT_AMQP_HEADER,
    EXPECT_OPEN,
    NOTHING_SENT,
    OPEN_SENT,
    OPENING,
    SASL_HEADING,
    Stages,
)
from reactor.errors import INVALID_FIELD, DataException, LocalProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    from reactor.engine.endpoints.connection import Connection
    from reactor.engine.wire.channels import Channels
    from reactor.engine.wire.interface import OwningTransport
    from reactor.engine.wire.layers import Layers


class FrameWriter:
    """Writes the frames of one wire.

    frames_output: how many it has written itself: opens, closes, heartbeats.
    """

    __slots__ = ("frames_output", "_transport", "_server", "_stages", "_layers", "_channels")

    def __init__(
        self, transport: OwningTransport, server: bool, stages: Stages, layers: Layers, channels: Channels
    ) -> None:
        self.frames_output = 0
        self._transport = transport
        self._server = server
        self._stages = stages
        self._layers = layers
        self._channels = channels

    def flush(self) -> None:
        """Everything that the turn collected becomes frames: openings first, then messages and outcomes, closings last.
        Where nothing opens or closes, as in most turns, the transport does the same without it."""
        stages = self._stages
        if stages.output < AMQP_HEADER_SENT:
            self.write_headers()
        out = self._layers.plain
        connection = self._transport.connection
        if AMQP_HEADER_SENT <= stages.output < CLOSE_SENT and connection is not None:
            if not connection.state & LOCAL_UNINIT:
                if stages.output == AMQP_HEADER_SENT:
                    self.write_open(connection)
                self._write_turn(connection, out)
                written = -1
                channels = self._channels
                while channels.waits and written != channels.frames_output and stages.output == OPEN_SENT:
                    written = channels.frames_output  # an attach that waited for a detach follows it
                    self._write_turn(connection, out)

    def _write_turn(self, connection: Connection, out: bytearray) -> None:
        """Openings, messages and outcomes, closings: once."""
        channels = self._channels
        channels.waits = False
        if connection.work:
            connection.prepare()
            self._write_opening(connection, out)
        if channels.dirty:
            dirty, channels.dirty = channels.dirty, []
            for channel in dirty:
                if channel.outcomes.in_transaction:
                    channel.flush_outcomes(out)
            for channel in dirty:
                channel.flush(out)
        if connection.work:
            self._write_closing(connection, out)

    # -- the connection ----------------------------------------------------------------------------------

    def write_headers(self) -> None:
        """Our protocol headers, as far as it is their turn. A server answers the client's."""
        stages, layers = self._stages, self._layers
        if layers.sasl is not None and not self._server and stages.output == NOTHING_SENT:
            stages.said(SASL_HEADING)
            layers.plain += SASL_HEADER
        layers.write_sasl()
        if self._server:
            ready = stages.input >= EXPECT_OPEN
        else:
            ready = layers.sasl is None or stages.input >= EXPECT_AMQP_HEADER
        if ready:
            stages.said(AMQP_HEADING)
            layers.plain += AMQP_HEADER

    def answer_sasl_header(self) -> None:
        """A server's SASL header, which follows the client's."""
        self._stages.said(SASL_HEADING)
        self._layers.plain += SASL_HEADER

    def write_open(self, connection: Connection) -> None:
        """Our open."""
        channels = self._channels
        self._stages.said(OPENING)
        beat = self._transport.idle_timeout / 2
        fields = connection.open_fields(channels.max_frame_size, channels.channel_max, beat)
        write_frame(self._layers.plain, 0, encode_composite(OPEN, fields))
        self.frames_output += 1

    def write_close(self, connection: Connection, condition: Optional[Condition]) -> bool:
        """Our close, for an error or None, and before it our open; returns whether it could be written: not before
        our header, and once."""
        stages = self._stages
        if stages.output == AMQP_HEADER_SENT:
            self.write_open(connection)
        if stages.output != OPEN_SENT:
            return False
        stages.said(CLOSING)
        error = None if condition is None else condition.fitted(self._channels.remote_max_frame_size)
        write_frame(self._layers.plain, 0, encode_composite(CLOSE, [error]))
        self.frames_output += 1
        return True

    def write_heartbeat(self) -> None:
        """An empty frame."""
        self._layers.plain += EMPTY_FRAME
        self.frames_output += 1

    # -- sessions and links ------------------------------------------------------------------------------

    def _write_opening(self, connection: Connection, out: bytearray) -> None:
        """Begins, and then attaches; those that had to wait stay in the list of work."""
        for endpoint in list(connection.work):
            if isinstance(endpoint, Session):
                self._attempt(endpoint, begin, self._channels, out)
        for endpoint in list(connection.work):
            if isinstance(endpoint, Link):
                self._attempt(endpoint, attach, out)

    def _attempt(self, endpoint: Any, write: Callable[..., None], *arguments: Any) -> None:
        """Open an endpoint; where that cannot be done the application sees it fail, as if the peer had refused."""
        try:
            write(endpoint, *arguments)
        except (LocalProtocolError, DataException) as error:
            session = endpoint.session if isinstance(endpoint, Link) else endpoint
            name, text = INVALID_FIELD, str(error)
            if isinstance(error, LocalProtocolError):
                name, text = error.condition, error.description
            session.refuse(endpoint, Condition(name, text))

    def _write_closing(self, connection: Connection, out: bytearray) -> None:
        """Detaches, ends and the close, each when the messages that were sent before it have left."""
        work = connection.work
        for endpoint in list(work):
            if isinstance(endpoint, Link) and detach(endpoint, out):
                work.pop(endpoint, None)
        for endpoint in list(work):
            if isinstance(endpoint, Session) and end(endpoint, out):
                work.pop(endpoint, None)
        if connection.state & LOCAL_CLOSED:
            if connection.holds_back() and not connection.state & REMOTE_CLOSED and connection.condition is None:
                return
            self.write_close(connection, connection.condition)
        work.pop(connection, None)
        if not work:
            work.clear()  # else it keeps the room of all that was in it
