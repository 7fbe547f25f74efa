"""LinkRedirects: links of one connection that peers send elsewhere [2.8.18], and the connections made for them.

The supervisor of the connection has one. It knows links and the settings of the connection, and makes no wire.
"""

from __future__ import annotations

from reactor.container.reconnect.redirects import Followed, info_of, is_same_place, where_to
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.errors import LINK_REDIRECT
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import log_fields, logger
from reactor.shown import shown

if TYPE_CHECKING:
    from reactor.container.interface import ConnectionHost, Family
    from reactor.container.reconnect.attempts import Step
    from reactor.container.reconnect.connector import Connector
    from reactor.container.settings.connect import ConnectSettings
    from reactor.engine.public import Connection, Link, Session

log = logger(__name__)


class LinkRedirects:
    """The redirects of the links of one connection.

    family: this connection with those that were made for its links, and for theirs: one list for all of them.
    """

    def __init__(
        self,
        connection: Connection,
        settings: ConnectSettings,
        connector: Connector,
        host: ConnectionHost,
        family: Family,
    ) -> None:
        self.family = family
        self._connection = connection
        self._settings = settings
        self._connector = connector
        self._host = host

    @property
    def is_first(self) -> bool:
        """Whether the application has made this connection, not a redirect."""
        return self.family[0][1] is self._connection

    def will_redirect(self, link: Link) -> bool:
        """Whether the link, which the peer has detached, is attached where the peer sends it."""
        condition = link.remote_condition
        if condition is None or condition.name != LINK_REDIRECT or self._settings.delays is None:
            return False
        if not link.state & Endpoint.LOCAL_ACTIVE or not self._connection.state & Endpoint.LOCAL_ACTIVE:
            return False
        somewhere = where_to(condition, self._connector.url) or info_of(condition).get("address")
        return bool(somewhere) and _followed_by(link).may_follow(self._host.loop.now)

    def redirect(self, link: Link) -> None:
        """Attach the link where the peer sends it: to another address, or over another connection. The close of one
        connection of the family closes the others."""
        condition = link.remote_condition
        _followed_by(link).follow(self._host.loop.now)
        present = self._connector.url
        address, step = info_of(condition).get("address"), where_to(condition, present)
        if isinstance(address, str):
            (link.target if link.is_sender else link.source).address = address
        if step is None or (present is not None and is_same_place(step.url, present)):
            session = link.session
        else:
            session = self._branch(step)
        where = shown(address) if step is None else step.url.redacted
        text, fields = "%s: %s is redirected to %s", log_fields(link, condition)
        log.info(text, self._connection.describe(), link.describe(), where, extra=fields)
        session.adopt(link)

    def _branch(self, step: Step) -> Session:
        """A session on another connection, like this one, to another peer."""
        mine = self._connection
        for settings, there in self.family:
            if there is not mine and is_same_place(settings.addresses[0], step.url):
                for session in there.sessions(Endpoint.LOCAL_ACTIVE) if there.state & Endpoint.LOCAL_ACTIVE else ():
                    if session.handler is None:  # else it is one for tokens, or of a part that wants its events
                        return session
        connection = self._host.connection(mine.handler)
        for name in ("container", "offered_capabilities", "desired_capabilities", "properties"):
            setattr(connection, name, getattr(mine, name))
        self._host.supervise(connection, self._settings.redirected_to(step.url, step.hostname), self.family)
        session = connection.session()
        session.open()
        return session


def _followed_by(link: Link) -> Followed:
    followed: Followed = link.__dict__.setdefault("redirects", Followed())
    return followed
