"""The claims of one connection: links wait until the token for their address is accepted.

`Claims.begin` makes it for each connection; the engine asks it before each attach, and the supervisor of the connection
tells it about the wires. It holds the links to `$cbs` and a Claim for each audience.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Optional

from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.public import Connection, Link, Transport
from reactor.errors import INVALID_FIELD, LocalProtocolError
from reactor.loop.loop import Loop
from reactor.shown import shown
from reactor.tokens.claim import Claim
from reactor.tokens.provider import ask
from reactor.tokens.requests import RequestLinks
from reactor.url import Url

if TYPE_CHECKING:
    from reactor.container.interface import ConnectionHost
    from reactor.tokens.interface import ClaimsSettings
    from reactor.tokens.provider import Answered, Token


#: Tokens that are kept, to be found in the reasons of the peer.
REMEMBERED = 100


class ClaimsAtWork:
    """The claims of one connection.

    settings: as the application has asked for them. links: those to the `$cbs` node.
    """

    def __init__(
        self, settings: ClaimsSettings, connection: Connection, host: ConnectionHost, insecure: Optional[bool]
    ) -> None:
        self.settings = settings
        self.random: Random = host.random
        self.loop: Loop = host.loop
        self._host = host
        self._connection = connection
        self._insecure = insecure
        self._url = Url("", defaults=False)
        self._private = False
        self._claims: dict[str, Claim] = {}
        # Whatever the node: by this name traces and recordings know what to hide (tracing/secrets.py).
        self.links = RequestLinks(connection, settings.node, host.loop, host.random, self, "$cbs")
        connection.admission = self.admit
        connection.conceal = self.conceal
        self._sent: dict[str, Token] = {}  # by their texts, the latest last

    # -- the wires ---------------------------------------------------------------------------------------

    def connecting(self, transport: Transport, url: Url, private: bool) -> None:
        """A wire to `url` is made. private: it stays on this machine."""
        self._url = url
        self._private = private

    @property
    def is_open(self) -> bool:
        """Whether the peer has opened the connection, on the present wire."""
        return bool(self._connection.state & Endpoint.REMOTE_ACTIVE)

    def opened(self) -> None:
        """The peer has opened the connection."""
        for claim in self._claims.values():
            claim.opened()

    def lost(self) -> None:
        """The wire is gone. The peer forgets all tokens with it [1, "The tokens are ... anchored on the current
        connection"].

        [1] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide
        """
        self.links.forget()
        for claim in self._claims.values():
            claim.lost()

    def ended(self) -> None:
        """The connection has no wire any more, and will have none."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()
        self._sent.clear()
        self.links.stop()

    # -- links that wait ---------------------------------------------------------------------------------

    def admit(self, link: Link) -> bool:
        """Whether a link may be attached now; it is asked again when a token has been accepted."""
        if link.passive or link.session is self.links.session:
            return True
        audience = self._audience_of(link)
        if audience is None:
            return True
        claim = self._claim(audience)
        if not claim.accepted and not claim.wanted:
            claim.wanted = True
            self.loop.schedule(0, claim.begin)  # later: frames are being written now
        return claim.accepted

    def _claim(self, audience: str) -> Claim:
        claim = self._claims.get(audience)
        if claim is None:
            claim = self._claims[audience] = Claim(audience, self)
        return claim

    def _audience_of(self, link: Link) -> Optional[str]:
        try:
            return self.settings.audience_of(self._url, link)
        except Exception as error:
            text = "the audience of %r: %s" % (link, shown("%s: %s" % (type(error).__name__, error)))
            raise LocalProtocolError(INVALID_FIELD, text, "link") from error

    def needs(self, audience: str) -> bool:
        """Whether a link on the present wire needs the claim."""
        if not self.is_open:
            return False
        if self.settings.fixed_audience == audience:
            return True
        for link in self._connection.links(0):
            over = link.state & Endpoint.LOCAL_CLOSED and link.state & Endpoint.REMOTE_CLOSED
            if link.session is self.links.session or link.passive or over:
                continue
            if self._audience_of(link) == audience:
                return True
        return False

    def drop(self, audience: str) -> None:
        """No link needs the claim any more."""
        claim = self._claims.pop(audience, None)
        if claim is not None:
            claim.close()

    # -- for claims --------------------------------------------------------------------------------------

    @property
    def where(self) -> str:
        """The peer, for a person."""
        return self._connection.describe()

    def exposure(self) -> str:
        """Why a token cannot be sent over the present wire; "" when it can."""
        if self._url.uses_tls or (self._private if self._insecure is None else self._insecure):
            return ""
        return "%s would get it in clear text; use amqps://, or allow_insecure_mechs=True" % self._url.redacted

    def ask(self, audience: str, done: Answered) -> None:
        """Have the provider called."""
        scopes = self.settings.scopes or (audience,)
        ask(self.settings.source, scopes, self._host, done)

    def sends(self, token: Token) -> None:
        """The peer gets a token, and may quote it."""
        self._sent.pop(token.token, None)
        self._sent[token.token] = token
        if len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def conceal(self, text: str) -> str:
        """A text of the peer without the tokens that it has had."""
        for token in self._sent.values():
            text = token.hide(text)
        return text

    def accepted(self) -> None:
        """The peer has accepted a token: links that waited for it are attached."""
        transport: Any = self._connection.transport
        if transport is not None:
            transport.wake()

    def refuse(self, condition: Condition) -> None:
        """There is no token, and there will be none: the connection ends for that."""
        connection = self._connection
        for claim in self._claims.values():
            claim.close()
        if connection.state & Endpoint.LOCAL_ACTIVE:
            transport: Any = connection.transport
            connection.fail(condition)
            if transport is not None:
                self._host.drop(transport, True)  # the peer's own close would be news without a reason
            return
        for link in connection.links(0):  # it closes as soon as these are done
            if link.session is not self.links.session and link.handle_out is None:
                link.fail(condition)

    # -- the links to the node ---------------------------------------------------------------------------

    def ready(self) -> None:
        """The peer has attached both links to the node."""
        for claim in list(self._claims.values()):
            claim.ready()
        if self.settings.fixed_audience is not None:
            claim = self._claim(self.settings.fixed_audience)
            claim.begin()

    def interrupted(self) -> None:
        """The links to the node have gone, and come back: the questions that they have lost are asked again."""
        for claim in self._claims.values():
            claim.interrupted()

    def refused(self, condition: Condition) -> None:
        """The peer has no such node."""
        text = "the peer has no node %r for tokens: %s; leave tokens= out, or is it another node?"
        self.refuse(Condition(condition.name, text % (self.settings.node, shown(condition.text))))
