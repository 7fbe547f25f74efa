"""Deadlines: of peers that do not answer for a link, or give no outcome of a message, in time.

The system handler calls it for links, and links call it for each message sent. It knows the loop's clock and timers,
and of the engine that a link can `fail` and a delivery can `expire`. A timer is pending only while an answer or an
outcome is to come, so that a container whose work is done is not kept running.
"""

from __future__ import annotations

from collections import deque

from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import OPEN, Delivery
from reactor.engine.endpoints.disposition import TERMINAL
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Link, Sender
from reactor.errors import TIMED_OUT
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from reactor.loop.loop import Loop
    from reactor.loop.timers import Timer


class Deadlines:
    """The deadlines of all links of a container."""

    __slots__ = ("_attaching", "_closing", "_loop", "_sending")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._attaching: dict[Link, Timer] = {}
        self._closing: dict[Link, Timer] = {}
        self._sending: dict[Sender, SendDeadlines] = {}

    def watch(self, sender: Sender) -> None:
        """Keep the time of messages sent over `sender`, if it has a `send_timeout`."""
        if sender.send_timeout is not None and sender not in self._sending:
            self._sending[sender] = SendDeadlines(sender, sender.send_timeout, self._loop)

    def opened_here(self, link: Link) -> None:
        """The application has opened a link; where there is no connection yet the time does not run."""
        if isinstance(link, Sender):
            self.watch(link)
        if link.connection.state & Endpoint.REMOTE_ACTIVE:
            self._attach(link)

    def connected(self, connection: Connection) -> None:
        """The peer has opened the connection: now it is asked for the links."""
        for link in connection.links(Endpoint.LOCAL_ACTIVE):
            self._attach(link)

    def _attach(self, link: Link) -> None:
        seconds = link.attach_timeout
        if seconds is not None and link.state & Endpoint.REMOTE_UNINIT:
            text = "the peer has not attached %s within %g s" % (link.describe(), seconds)
            self._start(self._attaching, link, seconds, text)

    def answered(self, link: Link) -> None:
        """The peer has attached, detached or closed the link."""
        self._stop(self._attaching, link)
        if link.state & Endpoint.REMOTE_CLOSED:
            self._stop(self._closing, link)

    def closed_here(self, link: Link) -> None:
        """The application has closed or detached the link."""
        self._stop(self._attaching, link)
        seconds = link.close_timeout
        if seconds is not None and not link.state & Endpoint.REMOTE_CLOSED:
            text = "the peer has not closed %s within %g s" % (link.describe(), seconds)
            self._start(self._closing, link, seconds, text)

    def over(self, link: Link) -> None:
        """Nothing more will be heard of the link."""
        self._stop(self._attaching, link)
        self._stop(self._closing, link)
        sends = self._sending.pop(link, None) if isinstance(link, Sender) else None
        if sends is not None:
            sends.stop()

    def disconnected(self, connection: Optional[Connection]) -> None:
        """The wire of a connection is gone, or the connection is."""
        for pending in (self._attaching, self._closing):
            for link in [link for link in pending if link.connection is connection]:
                self._stop(pending, link)
        for sends in self._sending.values():
            sends.prune()

    def clear(self) -> None:
        """Keep no deadline any more."""
        for link in (*self._attaching, *self._closing, *self._sending):
            self.over(link)

    def _start(self, pending: dict[Link, Timer], link: Link, seconds: float, text: str) -> None:
        def fail() -> None:
            del pending[link]
            if pending is self._attaching and not link.state & Endpoint.REMOTE_UNINIT:
                return  # the answer has come, and its event is next
            link.fail(Condition(TIMED_OUT, text))

        if link not in pending:
            pending[link] = self._loop.schedule(seconds, fail)

    @staticmethod
    def _stop(pending: dict[Link, Timer], link: Link) -> None:
        timer = pending.pop(link, None)
        if timer is not None:
            timer.cancel()


class SendDeadlines:
    """The deadlines of messages sent over one sender: all have the same time, so the oldest is due first, and one
    timer does for all.

    seconds: within which the outcome of a message is to come.
    """

    __slots__ = ("_loop", "_next", "_queue", "_timer", "seconds", "sender")

    def __init__(self, sender: Sender, seconds: float, loop: Loop) -> None:
        self.sender = sender
        self.seconds = seconds
        self._loop = loop
        self._queue: deque[tuple[float, Delivery]] = deque()
        self._timer: Optional[Timer] = None
        self._next: Optional[Callable[[Any], None]] = sender.watch  # that of observers
        sender.watch = self.add

    def __len__(self) -> int:
        """How many deliveries are kept: those that wait, and some that are done."""
        return len(self._queue)

    def add(self, delivery: Delivery) -> None:
        """It was sent now."""
        if self._next is not None:
            self._next(delivery)
        queue = self._queue
        queue.append((self._loop.clock.now() + self.seconds, delivery))
        while not is_waiting(queue[0][1]) and len(queue) > 1:
            queue.popleft()
        if len(queue) > 256 and len(queue) > 2 * self.sender.unsettled:
            self.prune()  # those behind one that waits long are done
        if self._timer is None:
            self._plan()

    def prune(self) -> None:
        """Forget deliveries with an outcome; where all have one, no time is kept."""
        self._queue = deque(entry for entry in self._queue if is_waiting(entry[1]))
        if not self._queue:
            self.stop()

    def stop(self) -> None:
        """Keep no deadline any more."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self) -> None:
        callback: Callable[[], Any] = self._due
        self._timer = self._loop.timers.schedule(self._queue[0][0], callback)

    def _due(self) -> None:
        self._timer = None
        queue, now = self._queue, self._loop.now
        while queue and (not is_waiting(queue[0][1]) or queue[0][0] <= now):
            delivery = queue.popleft()[1]
            text = "no outcome within %g s" if delivery.has_left else "not sent within %g s"
            self.sender.expire(delivery, Condition(TIMED_OUT, text % self.seconds))
        if queue:
            self._plan()


def is_waiting(delivery: Delivery) -> bool:
    """Whether the outcome of a delivery may still come."""
    return delivery.fate == OPEN and delivery.remote_state not in TERMINAL
