"""Output: what the turn collected, written as bytes: headers, open, begins and attaches, then messages and
outcomes, then what closes; and the heartbeats.

`pending` and `pop` are the driver's; the flush in between asks each endpoint that has something to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from reactor.codec.definitions import OPEN
from reactor.codec.frames import AMQP_HEADER, EMPTY_FRAME, SASL_HEADER, write_frame
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, LOCAL_UNINIT, REMOTE_CLOSED
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.session import Session
from reactor.engine.sasl.layer import SASL
from reactor.engine.tls.layer import TLSLayer
from reactor.engine.wire.state import DEFAULT_MAX_FRAME_SIZE, WireState
from reactor.errors import (
    CONNECTION_FORCED,
    INVALID_FIELD,
    POLICY_ERROR,
    RESOURCE_LIMIT_EXCEEDED,
    TIMED_OUT,
    DataException,
    LocalProtocolError,
)

#: Seconds between two heartbeats, at least: whoever asks for more of them would keep us busy with nothing else.
SHORTEST_BEAT = 0.1

#: Seconds for the peer's close to come after ours, before TLS ends without it.
PATIENCE = 10.0
#: Seconds for the detach to come that says why a link is refused. It is sent together with the attach.
DOUBT = 0.2


class Output(WireState):
    """The half of a transport that writes."""

    __slots__ = ()

    def pending(self) -> int:
        """Write what there is to write into `output`; returns its length, or -1 when nothing will ever come."""
        if self._head_closed:
            return -1  # TLS might say more, and nobody takes it
        if self._woken:  # else nothing has changed since the last time
            self._woken = False
            if not self._head_done and (self._layer is None or self._layer.established):
                try:
                    self._flush()
                except Exception:
                    self.break_down()
                    raise
        if self._layer is not None:
            self._seal(self._layer)
        if not self.output and self._head_done and not self._holds_on():
            self.close_head()
            return -1
        return len(self.output)

    def peek(self, size: int) -> Optional[bytes]:
        """At most `size` bytes from the front of the output; None when nothing will ever come."""
        return None if self.pending() < 0 else bytes(self.output[:size])

    def pop(self, size: int) -> None:
        """`size` bytes from the front of the output were sent."""
        output = self.output
        if self.recorder is not None and self._layer is None:
            self.recorder("out", bytes(output[:size]))
        if size >= len(output):
            output.clear()
        else:
            del output[:size]
        self._move_by = 0.0
        if (self.dirty_windows and len(output) < DEFAULT_MAX_FRAME_SIZE) or (self._head_done and not output):
            self.wake()

    def _seal(self, layer: TLSLayer) -> None:
        """What was written goes through TLS to the wire."""
        if self.recorder is not None and self.plain and layer.established:
            self.recorder("out", bytes(self.plain))
        layer.seal(self.plain, self.output, self._head_done and not self._holds_on())
        if layer.trouble is not None and not self._finished:
            self._answer(layer.trouble)

    def _holds_on(self) -> bool:
        """Whether TLS goes on although we have said our last word.

        It knows no half-close up to version 1.2, and few make use of that of 1.3: a peer that hears that nothing
        follows leaves at once, with its own close unsaid [RFC 5246, 7.2.1]. So that is said when its close has
        come, or does not come.
        """
        layer = self._layer
        return layer is not None and layer.established and not self._finished and self._part_by >= 0

    def _part(self, now: float) -> float:
        """Until when to hold on; 0.0 for not at all."""
        if not self._head_done or not self._holds_on():
            return 0.0
        if not self._part_by:
            self._part_by = now + PATIENCE
        elif now >= self._part_by:
            self._part_by = -1.0
            self.wake()
        return max(self._part_by, 0.0)

    def _flush(self) -> None:
        """Everything that the turn collected becomes frames: first what opens, then messages and outcomes, then
        what closes."""
        out = self.plain
        start = len(out)
        if not self._amqp_out:
            self._write_headers(out)
        connection = self.connection
        if self._amqp_out and connection is not None and not connection.state & LOCAL_UNINIT:
            if not self._open_sent:
                self._write_open(connection)
            self._write_turn(connection, out)
            written = -1
            while self.waits and written != self.frames_output and not self._close_sent:
                written = self.frames_output  # what waited for a detach that has just left follows it
                self._write_turn(connection, out)
        if len(out) > start:
            self._spoke = True

    def _write_turn(self, connection: Connection, out: bytearray) -> None:
        """What opens, what goes through it, what closes."""
        self.waits = False
        if connection.work:
            self._write_opening(connection, out)
        if self.dirty_windows:
            windows, self.dirty_windows = self.dirty_windows, []
            for window in windows:
                session = window.session
                ended = session.remote_condition is not None and session.is_given_up
                if ended or window.end_sent or session.window is not window:
                    window.dirty = False  # a peer that ends a session for an error listens to nothing more
                elif window.flush(out) and not window.dirty:
                    window.dirty = True
                    self.dirty_windows.append(window)
        if connection.work:
            self._write_closing(connection, out)

    def _write_headers(self, out: bytearray) -> None:
        """Our protocol headers, as far as it is their turn. A server answers the client's."""
        if self._encryption_required and self._layer is None and self.mode == self.CLIENT:
            self._end_with(Condition(POLICY_ERROR, "encryption is required, and transport.ssl() was not called"))
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
        write_frame(self.plain, 0, encode_composite(OPEN, fields))
        self.frames_output += 1

    def _write_opening(self, connection: Connection, out: bytearray) -> None:
        """Begins, and then attaches; what had to wait stays in the list of work."""
        for endpoint in list(connection.work):
            if isinstance(endpoint, Session):
                self._attempt(endpoint, endpoint.send_begin, out, self)
        for endpoint in list(connection.work):
            if isinstance(endpoint, Link):
                self._attempt(endpoint, endpoint.session.send_attach, endpoint, out)

    def _attempt(self, endpoint: Any, write: Callable[..., None], *arguments: Any) -> None:
        """Open an endpoint; where that cannot be done the application sees it fail, as if the peer had refused."""
        try:
            write(*arguments)
        except (LocalProtocolError, DataException) as error:
            session = endpoint.session if isinstance(endpoint, Link) else endpoint
            name, text = INVALID_FIELD, str(error)
            if isinstance(error, LocalProtocolError):
                name, text = error.condition, error.description
            session.refuse(endpoint, Condition(name, text))

    def _write_closing(self, connection: Connection, out: bytearray) -> None:
        """Detaches, ends and the close, each when what was sent before it has left."""
        work = connection.work
        for endpoint in list(work):
            if isinstance(endpoint, Link) and endpoint.session.send_detach(endpoint, out):
                work.pop(endpoint, None)
        for endpoint in list(work):
            if isinstance(endpoint, Session) and endpoint.send_end(out):
                work.pop(endpoint, None)
        if connection.state & LOCAL_CLOSED and not self._close_sent:
            if connection.holds_back() and not connection.state & REMOTE_CLOSED and connection.condition is None:
                return
            self._close_sent = True
            write_frame(out, 0, connection.close_body(self.remote_max_frame_size))
            self.frames_output += 1
            self._head_done = True
        work.pop(connection, None)

    # -- time --------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float:
        """The time is `now`, in monotonic seconds: send a heartbeat if it is due, give up a silent peer.

        Returns when to be called again, 0.0 for never, and less than that when the peer has been given up and
        takes nothing: let go of the wire.
        """
        deadlines = []
        parting = 0.0 if self._layer is None else self._part(now)
        if parting:
            deadlines.append(parting)
        if self.doubts:
            deadlines += self._decide(now)
        if self.output or not self._opened:
            waiting = self._wait_for_peer(now)
            if waiting < 0.0:
                return waiting
            if waiting:
                deadlines.append(waiting)
        if self._idle_timeout and not self._finished:  # a peer that never answers our close is silent, too
            if self._heard or not self._hear_by:
                self._heard = False
                self._hear_by = now + self._idle_timeout
            elif now >= self._hear_by:
                self._end_with(
                    Condition(
                        # Who listens lets go of somebody who may well come back; who called says what he missed.
                        CONNECTION_FORCED if self.mode == self.SERVER else RESOURCE_LIMIT_EXCEEDED,
                        "local-idle-timeout expired: nothing came in for %g seconds" % self.idle_timeout,
                    )
                )
                return 0.0
            deadlines.append(self._hear_by)
        if self.remote_idle_timeout and self._open_sent and not self._head_done:
            if self._spoke or not self._speak_by:
                self._spoke = False
                self._speak_by = now + max(self.remote_idle_timeout / 2, SHORTEST_BEAT)
            elif now >= self._speak_by:
                if not self.output:
                    self.plain += EMPTY_FRAME
                    self.frames_output += 1
                self._speak_by = now + max(self.remote_idle_timeout / 2, SHORTEST_BEAT)
                self.wake()
            deadlines.append(self._speak_by)
        return min(deadlines) if deadlines else 0.0

    def _decide(self, now: float) -> list[float]:
        """Links that looked refused, and are not closed in time, are open. Returns when others will be."""
        for link, until in list(self.doubts.items()):
            doubtful = link.doubtful and not link.state & REMOTE_CLOSED
            if doubtful and not until:
                self.doubts[link] = now + DOUBT
            elif not doubtful or now >= until:
                del self.doubts[link]
                if doubtful:
                    link.confirm()
        return list(self.doubts.values())

    def _wait_for_peer(self, now: float) -> float:
        """Give up a peer that takes nothing of what is to be sent, or does not open the connection, in time. As
        `tick`."""
        deadline = 0.0
        if self.output and self.write_timeout is not None and not self.closed:
            self._move_by = self._move_by or now + self.write_timeout
            if now >= self._move_by:
                text = "the peer has read nothing for %g s, and %d bytes wait"
                self.fail(TIMED_OUT, text % (self.write_timeout, len(self.output)))
                return -1.0
            deadline = self._move_by
        if not self._opened and self.open_timeout is not None and not self._finished:
            self._open_by = self._open_by or now + self.open_timeout
            if now >= self._open_by:
                text = "the peer has not opened the connection within %g s" % self.open_timeout
                self._end_with(Condition(RESOURCE_LIMIT_EXCEEDED, text))
                return deadline
            deadline = min(deadline, self._open_by) if deadline else self._open_by
        return deadline
