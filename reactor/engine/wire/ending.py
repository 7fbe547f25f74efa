"""Ending: how a wire ends: by the peer's close, by an error of either side, by the end of its bytes.

A peer's error becomes the frame that answers it in one place, `answer`: a detach, an end or a close, by its scope. The
transport enters, for its driver and the application, and the other parts. The events of the end are queued here.
"""

from __future__ import annotations

from reactor.codec.frames import AMQP_HEADER
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED
from reactor.engine.endpoints.link import Link
from reactor.engine.events import Event
from reactor.engine.wire.stages import (
    AMQP_HEADER_SENT,
    AMQP_HEADING,
    CLOSE_SENT,
    CLOSING,
    ENDED,
    ENDED_CLOSED,
    ENDING,
    EXPECT_OPEN,
    FAILING,
    FINISHED,
    OPEN_SENT,
    Stages,
)
from reactor.errors import FRAMING_ERROR, INTERNAL_ERROR, RemoteProtocolError
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Optional

    from reactor.codec.types import AnyValue
    from reactor.engine.wire.channels import Channels
    from reactor.engine.wire.interface import OwningTransport
    from reactor.engine.wire.layers import Layers
    from reactor.engine.wire.reader import FrameReader
    from reactor.engine.wire.writer import FrameWriter


class Ending:
    """The end of one wire. condition: why it has failed, or None."""

    __slots__ = ("condition", "_transport", "_stages", "_layers", "_channels", "_reader", "_writer")

    def __init__(
        self,
        transport: OwningTransport,
        stages: Stages,
        layers: Layers,
        channels: Channels,
        reader: FrameReader,
        writer: FrameWriter,
    ) -> None:
        self.condition: Optional[Condition] = None
        self._transport = transport
        self._stages = stages
        self._layers = layers
        self._channels = channels
        self._reader = reader
        self._writer = writer

    @property
    def is_complete(self) -> bool:
        """Whether both directions have ended."""
        return self._stages.output >= ENDED_CLOSED and self._stages.input == ENDED

    # -- AMQP's own --------------------------------------------------------------------------------------

    def recv_close(self, error: Any = None) -> None:
        """The peer closes the connection [2.7.9]; nothing may follow."""
        connection = self._transport.connection
        assert connection is not None
        self._stages.heard(CLOSING)
        connection.recv_close(error)
        self.close_tail()

    def answer(self, error: RemoteProtocolError, channel: Optional[int] = None) -> None:
        """Turn a peer's error into the frame that answers it: detach, end or close, by its scope."""
        condition = Condition(error.condition, error.description, error.info)
        connection: Any = self._transport.connection
        carrier = None if channel is None else self._channels.incoming.get(channel)
        endpoint: Any = None
        if error.scope == "link":
            endpoint = error.endpoint
        elif error.scope == "session" and carrier is not None:
            endpoint = carrier.session
            carrier.discarding = True
        if endpoint is None:
            self.end_with(condition)
            return
        # The application sees it as the reason for which the other side went: it is the other side's fault. It is
        # informed now, because such a peer may never answer.
        informed = bool(endpoint.state & REMOTE_CLOSED)
        endpoint.remote_condition = condition
        endpoint.condition = condition
        etype = Event.SESSION_REMOTE_CLOSE
        if isinstance(endpoint, Link):
            endpoint.discarding = True
            etype = Event.LINK_REMOTE_CLOSE
        endpoint.close()
        if not informed:
            connection.emit(etype, endpoint)

    def end_with(self, condition: Condition) -> None:
        """Close the connection because of `condition`: inform the peer, as far as that is possible, and stop."""
        connection, stages = self._transport.connection, self._stages
        speaks_amqp = stages.input >= EXPECT_OPEN
        stages.heard(FAILING)
        self._reader.drop()
        if self.condition is None:
            self.condition = condition
        if connection is not None:
            connection.error = condition
            if (speaks_amqp or self._channels.original_ways) and stages.output < AMQP_HEADER_SENT:
                self._writer.write_headers()  # it understands a close
            refused = self._refuses()
            self._writer.write_close(connection, condition)
            if refused:
                self.close_tail()
            connection.emit(Event.TRANSPORT_ERROR, self._transport)
        elif stages.output < OPEN_SENT:
            self._introduce()
            self._writer.write_close(Connection(), condition)
        self._layers.write_sasl()
        stages.said(FAILING)
        self._channels.wake()
        self.close_tail()

    def _refuses(self) -> bool:
        """Whether a server refuses a client by SASL, which a program for the original hears of as of the end of the
        input, and an error after that."""
        sasl = self._layers.sasl
        if sasl is None or not self._channels.original_ways:
            return False
        return sasl.server and self._stages.output < OPEN_SENT

    def _introduce(self) -> None:
        """There is no connection that could be closed: the answer is our header, an open and a close, as programs that
        drive a transport by hand know it of the original."""
        layers = self._layers
        if layers.sasl is None and layers.tls is None and self._stages.output < AMQP_HEADER_SENT:
            self._stages.said(AMQP_HEADING)
            if layers.plain[-8:] != AMQP_HEADER:  # a server's reader has answered by it
                layers.plain += AMQP_HEADER

    def break_down(self) -> None:
        """An exception that is no protocol error has come out of reading or writing: a bug of ours, or no memory. A
        frame that was read or written by half cannot be gone on with: the connection ends."""
        if self._stages.input >= FINISHED:
            self._stages.said(FAILING)
        else:
            self.end_with(Condition(INTERNAL_ERROR, "an internal error, of which the other side's log tells"))

    def fail(self, name: str, description: str, info: Optional[Mapping[AnyValue, AnyValue]] = None) -> None:
        """The driver could not read, write or connect: everything ends at once, because of this condition; unless
        the peer's close has come, after which nothing that happens to the wire is news."""
        if self.is_complete:
            return
        connection, stages = self._transport.connection, self._stages
        if self.condition is None and stages.input < FINISHED:
            self.condition = Condition(name, self._layers.explain(description), info)
            if connection is not None:
                connection.error = self.condition
                connection.emit(Event.TRANSPORT_ERROR, self._transport)
        stages.heard(FAILING)
        stages.said(FAILING)
        self._layers.discard()
        self.close_tail()
        self.close_head()

    def close_tail(self) -> None:
        """The input has ended. Without a close before it the connection is lost."""
        connection, stages = self._transport.connection, self._stages
        before = stages.input
        if before == ENDED:
            return
        if before < FINISHED and connection is None and self.condition is None and stages.output < OPEN_SENT:
            self.end_with(Condition(FRAMING_ERROR, self._reader.explain_end(before)))
            return
        stages.heard(ENDING)
        if before < FINISHED:
            closed = connection is not None and connection.state & LOCAL_CLOSED
            if not (closed and stages.output in (CLOSE_SENT, ENDED_CLOSED)) and self.condition is None:
                self.condition = Condition(FRAMING_ERROR, self._reader.explain_end(before))
                if connection is not None:
                    connection.error = self.condition
                    connection.emit(Event.TRANSPORT_ERROR, self._transport)
            stages.said(FAILING)
            self._layers.discard()
        if connection is not None:
            if not connection.state & REMOTE_CLOSED:
                connection.leave_wire()
            connection.emit(Event.TRANSPORT_TAIL_CLOSED, self._transport)
        self._maybe_closed()
        self._channels.wake()

    def close_head(self) -> None:
        """The output has ended: all was sent, or nothing can be sent any more."""
        if self._stages.output >= ENDED_CLOSED:
            return
        self._stages.said(ENDING)
        self._layers.discard()
        connection = self._transport.connection
        if connection is not None:
            connection.emit(Event.TRANSPORT_HEAD_CLOSED, self._transport)
        self._maybe_closed()

    def emptied(self) -> None:
        """All output was taken, and nothing follows: for a program for the original that is the end of it, without
        another call."""
        if self._channels.original_ways and not self._layers.output and not self._layers.is_sealed():
            self.close_head()

    def _maybe_closed(self) -> None:
        connection = self._transport.connection
        if self.is_complete and connection is not None:
            connection.emit(Event.TRANSPORT_CLOSED, self._transport)
