"""Draining: how a container stops without leaving anything half-done.

`Container.stop(drain=seconds)` enters. Nothing new is taken in: no peer is let in, and receivers take their credit
back. Deliveries in flight go on to their end; then the connections are closed, and when they are, or when the time is
over, the container stops. It knows links by their counters, and no frame.
"""

from __future__ import annotations

import threading

from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Delivery, Receiver, Sender
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Optional

    from reactor.container.connections import Connections
    from reactor.container.turns import Turns
    from reactor.loop.timers import Timer

#: Seconds for a peer to confirm that it has no credit any more. Not every peer does.
CONFIRMATION = 1.0


class Leftover:
    """The work that a container has left undone when it stopped. It is complete once `done`, which it is when `run()`
    returns; false when there is nothing.

    received: deliveries that came and were not settled: the peer gives them to another receiver, or here again.
    sent: deliveries that were sent, or were to be, and have no outcome.
    """

    def __init__(self) -> None:
        self.received: list[Delivery] = []
        self.sent: list[Delivery] = []
        self._done = threading.Event()

    @property
    def done(self) -> bool:
        """Whether the container has stopped."""
        return self._done.is_set()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait, in another thread than the container's, until the container has stopped; `timeout` seconds at most.
        Returns whether it has."""
        return self._done.wait(timeout)

    def add(self, connection: Connection) -> None:
        """Take in the unfinished deliveries of a connection that is about to be closed."""
        for link in connection.links(0):
            if isinstance(link, Sender):
                _extend(self.sent, link.unsettled_deliveries)
            elif isinstance(link, Receiver):
                _extend(self.received, _unfinished(link))

    def finish(self) -> None:
        """The container has stopped."""
        self._done.set()

    def __bool__(self) -> bool:
        return bool(self.received or self.sent)

    def __repr__(self) -> str:
        state = "" if self.done else ", not done yet"
        return "<Leftover: %d received, %d sent%s>" % (len(self.received), len(self.sent), state)


class Drain:
    """One stop of a container, from the wish to the end."""

    def __init__(self, turns: Turns, connections: Connections, left: Leftover, seconds: float) -> None:
        self.seconds = seconds
        self.left = left
        self._turns = turns
        self._connections = connections
        self._deadline: Optional[Timer] = None
        self._confirm_by = 0.0
        self._closing = False

    def begin(self) -> None:
        """Take nothing in any more."""
        loop = self._turns.loop
        self._turns.close_listeners()
        self._confirm_by = loop.clock.now() + min(CONFIRMATION, self.seconds)
        loop.timers.schedule(self._confirm_by, lambda: None)  # it is looked again then
        self._deadline = loop.schedule(self.seconds, self._time_is_over)
        self._turns.look_after(self.look)
        self.look()

    def look(self) -> None:
        """Go on, if the awaited end has come."""
        connections = self._connections.all()
        if not self._closing:
            at_work = [connection for connection in connections if self._is_at_work(connection)]
            if at_work:
                return
            self._close(connections)
        if not self._connections.all():
            self._stop()

    def _is_at_work(self, connection: Connection) -> bool:
        confirming = self._turns.loop.clock.now() < self._confirm_by
        busy = False
        for link in connection.links(Endpoint.LOCAL_ACTIVE):
            if isinstance(link, Receiver):
                link.pause()
                waits = confirming and not link.is_paused and bool(link.state & Endpoint.REMOTE_ACTIVE)
                busy = busy or waits or link.queued > 0 or link.unsettled > 0 or link.transfer_in_progress is not None
            else:
                busy = busy or link.queued > 0 or link.unsettled > 0
        return busy

    def _close(self, connections: list[Connection]) -> None:
        self._closing = True
        for connection in connections:
            self.left.add(connection)
            connection.close()

    def _time_is_over(self) -> None:
        """Unfinished deliveries are left; so are peers that do not answer our close."""
        if not self._closing:
            self._close(self._connections.all())
        self._connections.drop_all()
        self._stop()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._turns.look_after(None)
        self._turns.end()


def _extend(known: list[Delivery], more: Iterable[Delivery]) -> None:
    there = set(map(id, known))
    known += (delivery for delivery in more if id(delivery) not in there)


def _unfinished(receiver: Receiver) -> Iterator[Delivery]:
    yield from receiver.unsettled_deliveries
    for delivery in receiver.incoming:
        if delivery.fate:  # settled when it came, and not read
            yield delivery
