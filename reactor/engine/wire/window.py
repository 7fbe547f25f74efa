"""Window: a session on one wire. It holds what dies with the wire, and is made anew with the next one.

What it counts is in channel.py, what arrives is handled in incoming_window.py, what leaves is written by
outgoing_window.py; the handshakes (begin, attach, detach, end) are the session's own.
"""

from __future__ import annotations

from reactor.engine.wire.incoming_window import Incoming
from reactor.engine.wire.outgoing_window import Outgoing


class Window(Incoming, Outgoing):
    """A session's state on one wire; `session.window` while it is there."""

    __slots__ = ()

    def close(self, lasting: bool = False) -> None:
        """The wire is gone, or the session on it: deliveries are lost or in doubt, links have no handles.

        lasting: whether another wire will come, and what has not left may wait for it.
        """
        links = list(dict.fromkeys([*self.handles_out.values(), *self.handles_in.values()]))
        self.part()
        for link in links:
            link.leave_wire(lasting)
        self.parted = None
        self.handles_out.clear()
        self.handles_in.clear()
        self.outgoing.clear()
        self.transport.buffered -= self.buffered
        self.buffered = 0
        self.acks.clear()
        self.shares.clear()
        self.flows.clear()
        self.session.window = None
