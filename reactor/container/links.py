"""LinkMaker: sessions and links of a container, with their names and options.

The container owns one. It knows links, their settings and options, and nothing of wires.
"""

from __future__ import annotations

import weakref

from reactor.container.agreement import EVERYTHING, insist
from reactor.container.settings.addresses import split_addresses
from reactor.container.settings.options import apply_options
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Link, Receiver, Sender, Session
from reactor.errors import ILLEGAL_STATE, LocalProtocolError
from reactor.lazily import TYPE_CHECKING
from reactor.url import Url

if TYPE_CHECKING:
    from random import Random
    from typing import Any, Optional, TypeVar, Union

    from reactor.container.deadlines import Deadlines
    from reactor.container.interface import LinkHost
    from reactor.container.settings.links import LinkSettings, ReceiverSettings, SenderSettings, SessionSettings

    #: The place of a session or link: a connection, a session, or the url of a peer to connect to.
    Context = Union[Connection, Session, Url, str]
    AnyLink = TypeVar("AnyLink", Sender, Receiver)


class LinkMaker:
    """Makes sessions and links, and remembers the names of links."""

    def __init__(self, container: LinkHost, deadlines: Deadlines) -> None:
        self._container = container
        self._deadlines = deadlines
        # By name and direction: the last one that was made.
        self._named: weakref.WeakValueDictionary[tuple[str, bool], Link] = weakref.WeakValueDictionary()
        self._suffixes: dict[str, int] = {}  # by name without its number: the last number that was given

    def session(self, context: Context, settings: Optional[SessionSettings] = None) -> Session:
        """A new session, opened."""
        session = self._connection_of(context).session()
        if settings is not None:
            settings.apply(session)
        session.open()
        return session

    def sender(self, context: Context, settings: SenderSettings) -> Sender:
        """A new sender, opened."""
        session, path = self._session_of(context)
        target = path if settings.target is None else settings.target
        name = settings.name or self._link_name(session, target, settings.source, True)
        sender = self._named[name, True] = session.sender(name)
        sender.send_timeout = settings.send_timeout
        sender.tag_generator = settings.tag_generator
        sender.resend = session.connection.resend
        self._open(sender, settings, settings.source, target)
        self._deadlines.watch(sender)
        return sender

    def receiver(self, context: Context, settings: ReceiverSettings) -> Receiver:
        """A new receiver, opened."""
        session, path = self._session_of(context)
        source = path if settings.source is None else settings.source
        name = settings.name or self._link_name(session, source, settings.target, False)
        receiver = self._named[name, False] = session.receiver(name)
        receiver.source.dynamic = settings.dynamic
        self._open(receiver, settings, None if settings.dynamic else source, settings.target)
        return receiver

    def _open(self, link: AnyLink, settings: LinkSettings, source: Optional[str], target: Optional[str]) -> None:
        """Open a link, or leave no trace of it when one of its settings is refused."""
        link.attach_timeout, link.close_timeout = settings.attach_timeout, settings.close_timeout
        if settings.strict:
            insist(link, *EVERYTHING)
        link.handler = settings.handler
        try:
            link.source.address = source
            link.target.address = target
            for option in settings.options:
                apply_options(link, option)
            link.open()
        except BaseException:
            link.free()
            raise

    def _connection_of(self, context: Context) -> Connection:
        if isinstance(context, Connection):
            _refuse_closed(context)
            return context
        if isinstance(context, (str, Url)):
            return self._container.connect(context)
        if isinstance(context, Session):
            _refuse_closed(context.connection)
            return context.connection
        raise TypeError("links are made on a Connection, a Session or a url, not on %r" % (context,))

    def _session_of(self, context: Context) -> tuple[Session, Optional[str]]:
        """The session to make a link on, and the address in the url if `context` was one."""
        if isinstance(context, Session):
            _refuse_closed(context)
            return context, None
        connection = self._connection_of(context)
        session: Optional[Session] = connection.__dict__.get("default_session")
        ended = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED  # by the peer: we may be about to answer
        if session is None or session.state & ended:
            session = connection.__dict__["default_session"] = self.session(connection)
        return session, _path(context)

    def _link_name(self, session: Session, first: Optional[str], second: Optional[str], sends: bool) -> str:
        """A name that no other link of the container has [2.6.1]: over another connection to the same peer it would
        take that one over. One in each direction may, but servers made with rhea keep both under their name alone: then
        the second one has its direction in its name."""
        addresses = [address for address in (first, second) if address and isinstance(address, str)]
        name = stem = "-".join([self._container.container_id] + (addresses or [random_uuid(self._container.random)]))
        taken = {link.name: link.is_sender for link in session.connection.links(0)}
        if taken.get(stem, sends) != sends:
            name = stem = stem + ("-sender" if sends else "-receiver")
        if name in taken or self._is_used(name, sends):
            count = self._suffixes.get(stem, 1)  # counted on: thousands of connections may have a link of one address
            while name in taken or self._is_used(name, sends):
                count += 1
                name = "%s-%d" % (stem, count)
            self._suffixes[stem] = count
        return name

    def _is_used(self, name: str, sends: bool) -> bool:
        """Whether a link of this direction that was made here has this name, and is not closed."""
        link = self._named.get((name, sends))
        return link is not None and not (link.state | link.connection.state) & Endpoint.LOCAL_CLOSED


def random_uuid(random: Random) -> str:
    """A random UUID of that source."""
    bits = "%032x" % random.getrandbits(128)
    variant = "89ab"[int(bits[16], 16) & 3]  # [RFC 9562, 5.4]; `uuid` would be imported for this alone
    return "-".join((bits[:8], bits[8:12], "4" + bits[13:16], variant + bits[17:20], bits[20:]))


def _refuse_closed(endpoint: Union[Connection, Session]) -> None:
    """LocalProtocolError when it, or its connection, was closed here: an endpoint that is made there never opens."""
    for one in (endpoint, endpoint.connection):
        if one.state & Endpoint.LOCAL_CLOSED:
            raise LocalProtocolError(ILLEGAL_STATE, "%r is closed; nothing can be opened on it" % (one,))


def _path(context: Any) -> Optional[str]:
    """The address in a url: of several urls, that in the first which has one. With WebSocket, a path is none."""
    if isinstance(context, Url):
        return None if context.uses_websocket else context.path
    if not isinstance(context, str):
        return None
    paths = [_path(Url(url, defaults=False)) for url in split_addresses(context)]
    return next((path for path in paths if path is not None), None)
