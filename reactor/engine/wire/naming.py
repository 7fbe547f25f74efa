"""Naming: which link is meant by a name, and what follows from two of them having the same [2.6.1].

A container has one link of a name and a direction with another container at a time. So one that is attached anew is
written behind the detach of the one before, and one that the peer attaches anew takes the name from the one before.
Links enter. It knows no wire.
"""

from __future__ import annotations

from reactor.codec.definitions import ATTACH
from reactor.codec.performatives import encode_composite
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import LOCAL_CLOSED, REMOTE_CLOSED, REMOTE_UNINIT
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.events import Event
from reactor.errors import FRAME_SIZE_TOO_SMALL, STOLEN
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from reactor.engine.endpoints.link import Link
    from reactor.engine.endpoints.session import Session
    from reactor.engine.interface import ConnectionInterface


def namesakes(connection: ConnectionInterface, name: str, sends: bool) -> Iterator[Link]:
    """The links of a connection with this name and direction, of all its sessions."""
    for session in connection.sessions(0):
        for link in session.named(name):
            if link.is_sender == sends:
                yield link


def has_to_wait(link: Link) -> bool:
    """Whether a link that was closed here has the name until its detach, or the end of its session, has left."""
    for other in namesakes(link.connection, link.name, link.is_sender):
        channel = other.channel
        if other is link or other.handle_out is None or other.detach_sent or channel is None or channel.end_sent:
            continue
        session = other.session
        if (other.state | session.state) & LOCAL_CLOSED and not session.is_given_up:
            return True
    return False


def find(session: Session, name: str, sends: bool) -> Optional[Link]:
    """Our end of the link that the peer attaches: one of this name that waits for it, of the other role."""
    closed = None
    for link in session.named(name):
        if link.is_sender == sends and link.state & REMOTE_UNINIT:
            if link.handle_out is not None or not link.state & LOCAL_CLOSED:
                return link
            closed = link
    return closed


def steal(connection: ConnectionInterface, name: str, sends: bool) -> None:
    """The peer attaches a new link of this name: the one that has it is detached, and its application is told why."""
    for link in namesakes(connection, name, sends):
        if link.handle_in is None or (link.state | link.session.state) & (LOCAL_CLOSED | REMOTE_CLOSED):
            continue  # it is about to go, or gone
        condition = Condition(STOLEN, "another link with the name %r was attached" % name)
        link.remote_condition = link.condition = condition
        link.discarding = True
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
    link.discarding = True
    link.close()
    if not told:
        link.connection.emit(Event.LINK_REMOTE_CLOSE, link)
    count = 0 if link.is_sender else None
    return encode_composite(ATTACH, [link.name, handle, link.is_receiver, *[None] * 6, count])
