"""Session: a container of links, as the application holds it [2.5].

It holds what the application wants and survives the wire; what the wire needs (ids, windows, handles) is its
`window`, made when the session begins on a wire and dropped with it. The handshakes are in handshakes.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

from reactor.codec.definitions import BEGIN
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.endpoint import (
    LOCAL_ACTIVE,
    LOCAL_CLOSE,
    LOCAL_CLOSED,
    LOCAL_OPEN,
    LOCAL_UNINIT,
    REMOTE_CLOSED,
    REMOTE_UNINIT,
    Endpoint,
)
from reactor.engine.endpoints.link import Link
from reactor.engine.endpoints.receiver import Receiver
from reactor.engine.endpoints.sender import Sender
from reactor.engine.events import Event, EventType
from reactor.engine.wire.handshakes import Handshakes
from reactor.engine.wire.husk import shed

if TYPE_CHECKING:
    pass


class Session(Handshakes):
    """A session of a connection. `connection.session()` makes it.

    incoming_capacity: bytes that may come in without being read; it bounds the incoming window. Set when the session
        has begun, a larger one is told at once, a smaller one when what was told before is used up. A message larger
        than that has to be read while it comes in. 0, the default, bounds the window to 2,048 frames, or fewer
        (`Limits.max_buffered_session_bytes`), where those that continue an unread message do not count before it is
        complete.
    outgoing_window: frames, told to the peer; default 2,048.
    properties, offered_capabilities, desired_capabilities: told to the peer; or None.
    remote_properties, remote_offered_capabilities, remote_desired_capabilities: what the peer told.
    handle_max: the largest handle that either side may use; default 32,767, and never more than the transport's
        limits allow.
    first_outgoing_id: the first transfer and delivery id; default 0.
    """

    __slots__ = ()

    # -- the application's side --------------------------------------------------------------------------

    @property
    def transport(self) -> Any:
        """The transport that carries the connection, or None."""
        return self.connection.transport

    def open(self) -> None:
        """Begin the session. Raises DataException, naming the field, when something set on it cannot be
        written, and LocalProtocolError when it was closed before."""
        encode_composite(BEGIN, self.begin_fields(None))  # for its error, at the call that caused it
        if self.change(LOCAL_OPEN):
            self._emit(Event.SESSION_LOCAL_OPEN)

    def close(self) -> None:
        """End the session, and all that is in it. What was sent leaves first."""
        if self.condition is not None:
            self.condition.check()
        if self.change(LOCAL_CLOSE):
            for link in self._links:
                link.cut_short()
            self._emit(Event.SESSION_LOCAL_CLOSE)
            if self.connection.is_between_wires():
                self.bury()

    def free(self) -> None:
        """Take the session out of its connection; its links go with it."""
        self.connection.check()
        self.connection.forget(self)

    def _emit(self, etype: Any) -> None:
        self.connection.emit(etype, self)
        self.connection.work_on(self)

    def sender(self, name: str) -> Sender:
        """A new sender of this name, to be opened. TypeError when the name is not a str."""
        self.connection.check()
        sender = Sender(self, _checked_name(name))
        self.add(sender)
        self.connection.emit(Event.LINK_INIT, sender)
        return sender

    def receiver(self, name: str) -> Receiver:
        """A new receiver of this name, to be opened. TypeError when the name is not a str."""
        self.connection.check()
        receiver = Receiver(self, _checked_name(name))
        self.add(receiver)
        self.connection.emit(Event.LINK_INIT, receiver)
        return receiver

    def add(self, link: Link) -> None:
        """Count `link` among the links of this session."""
        self._links[link] = None
        self._names.setdefault(link.name, []).append(link)

    def links(self) -> Iterator[Link]:
        """The links of this session, oldest first."""
        return iter(list(self._links))

    def forget(self, link: Link) -> None:
        """Take a link out; LINK_FINAL is the last that is heard of it."""
        if self._take_out(link):
            self.connection.emit(Event.LINK_FINAL, link)

    def _take_out(self, link: Link) -> bool:
        if link not in self._links:
            return False
        del self._links[link]
        self.weight -= link.weight
        link.weight = 0
        namesakes = self._names[link.name]
        namesakes.remove(link)
        if not namesakes:
            del self._names[link.name]
        return True

    def next(self, mask: int) -> Optional[Session]:
        """The next session of the connection whose state agrees with `mask`, or None."""
        seen = False
        for session in self.connection.sessions(0):
            if seen and session.matches(mask):
                return session
            seen = seen or session is self
        return None

    @property
    def incoming_bytes(self) -> int:
        """Bytes that have come and were not read."""
        return sum(d.pending for link in self._links if isinstance(link, Receiver) for d in link.incoming)

    @property
    def outgoing_bytes(self) -> int:
        """Bytes that were written by the application and have not left."""
        there = dict.fromkeys(self.window.outgoing) if self.window is not None else {}
        for link in self._links:
            if isinstance(link, Sender):
                there.update(dict.fromkeys((*link.waiting, *link.pending)))
        return sum(delivery.pending for delivery in there)

    # -- another wire ------------------------------------------------------------------------------------

    def reset(self, lasting: bool = False) -> None:
        """Be as before the peer was heard of, ready for a new wire. What was closed here, or made by the peer, is
        not made again. `lasting`: whether what has not left may wait for the new wire."""
        if self.window is not None:
            self.window.close(lasting)
        if self.bury():
            return
        self.state = self.state & (LOCAL_ACTIVE | LOCAL_UNINIT | LOCAL_CLOSED) | REMOTE_UNINIT
        self.remote_condition = None
        for link in self.links():
            if not self.bury_link(link):
                link.reset(lasting)
        self.weight = 0
        self.held = False

    def hold(self) -> None:
        """The peer has ended the session for a reason that passes: answer, and keep it with its links, and what they
        have not sent, until `resume`."""
        window = self.window
        if window is not None:
            self.send_answer(window)
        self.reset(True)
        self.held = True

    def resume(self) -> None:
        """Begin the session again that `hold` has kept, with its links."""
        self.held = False
        for endpoint in (self, *self.links()):
            self.connection.work_on(endpoint)

    def bury(self) -> bool:
        """Without a wire: forget the session if nothing is to be said about it over the next one."""
        if not self.passive and (not self.state & LOCAL_CLOSED or self.holds_back()):
            return False
        self._die(self, Event.SESSION_REMOTE_CLOSE)
        self.connection.forget(self)
        return True

    def bury_link(self, link: Link) -> bool:
        """Without a wire: forget the link if nothing is to be said about it over the next one."""
        if not link.passive and (not link.state & LOCAL_CLOSED or link.has_more()):
            return False
        self._die(link, Event.LINK_REMOTE_CLOSE)
        self.forget(link)
        return True

    @staticmethod
    def hold_link(link: Link) -> None:
        """The peer has detached `link`: answer, and keep it, with what it has not sent, until a session adopts it."""
        old = link.session
        husk = shed(link)
        if husk is not None and link.window is not None:
            # At once: the peer must not see the name attached again before it has seen this end go.
            out = link.window.transport.plain
            if not old.send_detach(husk, out):
                old.connection.work_on(husk)
            link.window.transport.wake()
        link.reset(True)
        link.held = True

    def adopt(self, link: Link) -> None:
        """Attach `link` anew, here, to whatever its source and target say now: this session's link from now on, and
        perhaps already before. What it has not sent is sent over the new attachment."""
        if not link.held:
            self.hold_link(link)
        old = link.session
        link.held = False
        if old is not self:
            old._take_out(link)
            old.connection.work.pop(link, None)
            link.session = link.parent = self
            link.born = self.connection.count_link()
            self.add(link)
        self.connection.work_on(link)

    def _die(self, endpoint: Endpoint, etype: EventType) -> None:
        """It has ended with the wire: there is nobody any more who would answer. Whoever closed it is told so."""
        told = bool(endpoint.state & REMOTE_CLOSED) or endpoint.is_blamed
        asked = bool(endpoint.state & LOCAL_CLOSED)
        endpoint.state = LOCAL_CLOSED | REMOTE_CLOSED
        self.connection.work.pop(endpoint, None)
        if asked and not told:
            self.connection.emit(etype, endpoint)

    def __repr__(self) -> str:
        where = "" if self.window is None else " on channel %d" % self.window.channel
        return "<Session%s of %r>" % (where, self.connection)


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError("a link's name must be a str, not %r" % (name,))
    return name
