"""Timeouts: all that a wire waits for, and how long: input, the peer's open, room for our output, its close; and when
a heartbeat is due [2.4.5].

The transport hands over the time (`tick`). Nothing here asks for it, or sleeps: `tick` returns when to be called again.
"""

from __future__ import annotations

from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import REMOTE_CLOSED
from reactor.engine.wire.stages import CLOSE_SENT, EXPECT_FRAMES, FINISHED, OPEN_SENT, Stages
from reactor.errors import CONNECTION_FORCED, RESOURCE_LIMIT_EXCEEDED, TIMED_OUT
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional

    from reactor.engine.wire.channels import Channels
    from reactor.engine.wire.ending import Ending
    from reactor.engine.wire.layers import Layers
    from reactor.engine.wire.reader import FrameReader
    from reactor.engine.wire.writer import FrameWriter

#: Seconds between two heartbeats, at least: a peer that asks for more of them would keep us busy with nothing else.
SHORTEST_BEAT = 0.1
#: Seconds for the peer's close to come after ours, before TLS ends without it.
PATIENCE = 10.0
#: Seconds for the detach to come with the reason for which a link is refused. It is sent together with the attach.
DOUBT = 0.2


class Timeouts:
    """The timeouts of one wire. All are in seconds.

    idle: without input, after which the peer counts as gone; 0 for never.
    open: for the peer's open to come. write: for the peer to take something of the output. None for no limit.
    move_by: until when it has to take something; 0.0: not known yet, as after it has.
    """

    __slots__ = (
        "idle",
        "open",
        "write",
        "_server",
        "_stages",
        "_layers",
        "_channels",
        "_reader",
        "_writer",
        "_ending",
        "_hear_by",
        "_speak_by",
        "_part_by",
        "_open_by",
        "_spoken",
        "move_by",
    )

    def __init__(
        self,
        server: bool,
        stages: Stages,
        layers: Layers,
        channels: Channels,
        reader: FrameReader,
        writer: FrameWriter,
        ending: Ending,
    ) -> None:
        self.idle = 0.0
        self.open: Optional[float] = None
        self.write: Optional[float] = None
        self._server = server
        self._stages = stages
        self._layers = layers
        self._channels = channels
        self._reader = reader
        self._writer = writer
        self._ending = ending
        self._hear_by = self._speak_by = self._part_by = self._open_by = self.move_by = 0.0
        self._spoken = 0  # frames that were written until the last look

    def tick(self, now: float) -> float:
        """See Transport."""
        stages, channels = self._stages, self._channels
        remote = channels.remote_idle_timeout
        if not self.idle and not remote and not channels.doubts and self._layers.sealing is None:
            if self._layers.output or stages.input < EXPECT_FRAMES:
                return self._wait_for_peer(now)
            channels.timed = False
            return 0.0
        deadlines = []
        parting = 0.0 if self._layers.sealing is None else self._part(now)
        if parting:
            deadlines.append(parting)
        if self._channels.doubts:
            deadlines += self._decide(now)
        if self._layers.output or stages.input < EXPECT_FRAMES:
            waiting = self._wait_for_peer(now)
            if waiting < 0.0:
                return waiting
            if waiting:
                deadlines.append(waiting)
        if self.idle and stages.input < FINISHED:  # a peer that never answers our close is silent, too
            if self._reader.heard or not self._hear_by:
                self._reader.heard = False
                self._hear_by = now + self.idle
            elif now >= self._hear_by:
                # A server lets go of a client that may well come back; a client names the reason.
                name = CONNECTION_FORCED if self._server else RESOURCE_LIMIT_EXCEEDED
                text = "local-idle-timeout expired: nothing came in for %g seconds" % self.idle
                self._ending.end_with(Condition(name, text))
                return 0.0
            deadlines.append(self._hear_by)
        if remote and stages.output == OPEN_SENT:
            spoken = self._writer.frames_output + self._channels.frames_output
            if spoken != self._spoken or not self._speak_by:
                self._spoken = spoken
                self._speak_by = now + max(remote / 2, SHORTEST_BEAT)
            elif now >= self._speak_by:
                if not self._layers.output:
                    self._writer.write_heartbeat()
                    self._spoken += 1
                self._speak_by = now + max(remote / 2, SHORTEST_BEAT)
                self._channels.notify()
            deadlines.append(self._speak_by)
        return min(deadlines) if deadlines else 0.0

    # -- the peer's open, and room for our output --------------------------------------------------------

    def _wait_for_peer(self, now: float) -> float:
        """Give up a peer that takes nothing of the output, or does not open the connection, in time. As
        `tick`."""
        stages, size = self._stages, len(self._layers.output)
        deadline = 0.0
        if size and self.write is not None and not self._ending.is_complete:
            self.move_by = self.move_by or now + self.write
            if now >= self.move_by:
                text = "the peer has read nothing for %g s, and %d bytes wait"
                self._ending.fail(TIMED_OUT, text % (self.write, size))
                return -1.0
            deadline = self.move_by
        if stages.input < EXPECT_FRAMES and self.open is not None:
            self._open_by = self._open_by or now + self.open
            if now >= self._open_by:
                text = "the peer has not opened the connection within %g s" % self.open
                self._ending.end_with(Condition(RESOURCE_LIMIT_EXCEEDED, text))
                return deadline
            deadline = min(deadline, self._open_by) if deadline else self._open_by
        return deadline

    # -- the peer's close --------------------------------------------------------------------------------

    def holds_on(self) -> bool:
        """Whether TLS, or WebSocket, goes on although we have said our last word.

        TLS knows no half-close up to version 1.2, and few make use of that of 1.3: a peer that hears that nothing
        follows leaves at once, with its own close unsaid [RFC 5246, 7.2.1]. So that is said when its close has
        come, or does not come. WebSocket knows none either [RFC 6455, 5.5.1].
        """
        return self._layers.is_sealed() and self._stages.input < FINISHED and self._part_by >= 0

    def _part(self, now: float) -> float:
        """Until when to hold on; 0.0 for not at all."""
        if self._stages.output < CLOSE_SENT or not self.holds_on():
            return 0.0
        if not self._part_by:
            self._part_by = now + PATIENCE
        elif now >= self._part_by:
            self._part_by = -1.0
            self._channels.wake()
        return max(self._part_by, 0.0)

    # -- links that look refused -------------------------------------------------------------------------

    def _decide(self, now: float) -> list[float]:
        """Links that looked refused, and are not closed in time, are open. Returns when others will be."""
        for link, until in list(self._channels.doubts.items()):
            doubtful = link.doubtful and not link.state & REMOTE_CLOSED
            if doubtful and not until:
                self._channels.doubts[link] = now + DOUBT
            elif not doubtful or now >= until:
                del self._channels.doubts[link]
                if doubtful:
                    link.confirm()
        return list(self._channels.doubts.values())
