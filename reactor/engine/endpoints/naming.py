"""Naming: which link is meant by a name, and what follows from two of them having the same [2.6.1].

A container has one link of a name and a direction with another container at a time. So one that is attached anew is
written behind the detach of the one before, and one that the peer attaches anew takes the name from the one before.
Links enter. It knows no wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional

from reactor.codec.definitions import ATTACH
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import LOCAL_ACTIVE, LOCAL_CLOSED, REMOTE_CLOSED, REMOTE_UNINIT
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Event
from reactor.engine.handler import PlanTable
from reactor.errors import FRAME_SIZE_TOO_SMALL, ILLEGAL_STATE, STOLEN, LocalProtocolError

if TYPE_CHECKING:
    from reactor.engine.endpoints.connection import Connection
    from reactor.engine.endpoints.link import Link
    from reactor.engine.wire.handshakes import Handshakes


def namesakes(connection: Connection, name: str, sends: bool) -> Iterator[Link]:
    """The links of a connection with this name and direction, of all its sessions."""
    for session in connection.sessions(0):
        for link in session.named(name):
            if link.is_sender == sends:
                yield link


def check_name_is_free(link: Link) -> None:
    """LocalProtocolError when a link that is open has the name: the peer would take the new one for it, or for a thief.
    One of another session is no obstacle: that is how a link moves."""
    for other in link.session.named(link.name):
        if other is link or other.is_sender != link.is_sender or other.held:
            continue
        if other.state & LOCAL_ACTIVE and not other.state & REMOTE_CLOSED:
            text = "the session has %r open: close it first, or choose another name" % (other,)
            raise LocalProtocolError(ILLEGAL_STATE, text, "link", endpoint=link)


def has_to_wait(link: Link) -> bool:
    """Whether a link that was closed here has the name until its detach, or the end of its session, has left."""
    for other in namesakes(link.connection, link.name, link.is_sender):
        window = other.window
        if other is link or other.handle_out is None or other.detach_sent or window is None or window.end_sent:
            continue
        session = other.session
        if (other.state | session.state) & LOCAL_CLOSED and not session.is_given_up:
            return True
    return False


def find(session: Handshakes, name: str, sends: bool) -> Optional[Link]:
    """Our end of the link that the peer attaches: one of this name that waits for it, of the other role."""
    closed = None
    for link in session.named(name):
        if link.is_sender == sends and link.state & REMOTE_UNINIT:
            if link.handle_out is not None or not link.state & LOCAL_CLOSED:
                return link
            closed = link
    return closed


def steal(connection: Connection, name: str, sends: bool) -> None:
    """The peer attaches a new link of this name: the one that has it is detached, and its application is told why."""
    for link in namesakes(connection, name, sends):
        if link.handle_in is None or (link.state | link.session.state) & (LOCAL_CLOSED | REMOTE_CLOSED):
            continue  # it is about to go, or gone
        condition = Condition(STOLEN, "another link with the name %r was attached" % name)
        link.remote_condition = link.condition = condition
        link.deaf = True
        link.detach()
        connection.emit(Event.LINK_REMOTE_CLOSE, link)


def was_stolen(link: Link) -> bool:
    """Whether a link lost its name to a later one, and has said so. rhea, which closes a link and opens another of the
    name in one turn, forgets the first: its detach never comes, and its handle is the next that is taken."""
    return link.detach_sent and link.condition is not None and link.condition.name == STOLEN


def looks_refused(link: Link) -> bool:
    """Whether the answer to our attach has null for the node that we asked for: refused, says [2.6.3]."""
    asked, answered = link.source, link.remote_source
    if link.is_sender:
        asked, answered = link.target, link.remote_target
    return answered.type == Terminus.UNSPECIFIED and asked.type != Terminus.UNSPECIFIED


def refuse_unanswered(link: Link, handle: int, most: int) -> bytes:
    """The peer has attached the link, and our attach is larger than what it takes: the link is refused, with an
    attach that says no more than that [2.6.3]. Returns that attach."""
    told = bool(link.state & REMOTE_CLOSED)
    text = "the attach that answers for %s takes more than the %d bytes of a frame" % (link.label(), most)
    link.condition = link.remote_condition = Condition(FRAME_SIZE_TOO_SMALL, text)
    link.deaf = True
    link.close()
    if not told:
        link.connection.emit(Event.LINK_REMOTE_CLOSE, link)
    count = 0 if link.is_sender else None
    return encode_composite(ATTACH, [link.name, handle, link.is_receiver, *[None] * 6, count])


def close_again(link: Link) -> None:
    """We have detached the link, and the peer has closed it: that is answered by an attach and a close [2.6.6]. What
    does so is heard of by nobody. A link that has the name by now says enough."""
    session = link.session
    if any(other is not link for other in namesakes(link.connection, link.name, link.is_sender)):
        return
    closer = type(link)(session, link.name)
    closer.plans = PlanTable(None)
    closer.state = LOCAL_CLOSED | REMOTE_UNINIT
    closer.deaf = True
    closer.source, closer.target = link.source, link.target
    closer.properties = link.properties
    session.add(closer)
    link.connection.work_on(closer)
