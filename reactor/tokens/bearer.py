"""Bearer: a token for each log-in by OAUTHBEARER or XOAUTH2: `Container.connect(url, tokens=Bearer(provider))`.

The provider is called for each wire, while that is being made, and SASL waits for it. The token proves the user;
nothing is renewed while the connection is open, because SASL speaks at its beginning alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional, Union

from reactor.engine.public import Connection, Transport
from reactor.engine.sasl.mechanisms import TOKEN_MECHANISMS
from reactor.errors import IO_ERROR, TIMED_OUT, UNAUTHORIZED_ACCESS, RemoteProtocolError
from reactor.loop.timers import Timer
from reactor.tokens.provider import (
    Source,
    TokenError,
    ask,
    check_source,
    check_timeout,
    failure_of,
    read_scopes,
    read_token,
    source_name,
)

if TYPE_CHECKING:
    from reactor.container.interface import ConnectionHost
    from reactor.url import Url

#: Seconds for a provider to return a token.
TIMEOUT = 30.0


class Bearer:
    """Tokens for the log-in of a connection, one for each wire.

    provider: a TokenProvider, such as a credential of azure-identity, or a function that is called as `get_token` is.
        A token without an end to its time will do.
    scopes: the arguments of `get_token`: one str or several; none by default.
    timeout: seconds for the provider to return a token; the open_timeout of the connection goes on meanwhile.

    The user, where the mechanism has one, is that of `connect`. Raises TypeError for what is no provider.
    """

    __slots__ = ("source", "scopes", "timeout")

    def __init__(
        self, provider: Source, *, scopes: Union[None, str, Iterable[str]] = None, timeout: float = TIMEOUT
    ) -> None:
        check_source("Bearer()", provider)
        check_timeout("Bearer()", timeout)
        self.source = provider
        self.scopes = read_scopes(scopes)
        self.timeout = float(timeout)

    def begin(self, connection: Connection, host: ConnectionHost, insecure: Optional[bool]) -> BearerAtWork:
        """The tokens of a new connection: for the container."""
        return BearerAtWork(self, host)

    def __repr__(self) -> str:
        return "Bearer(%s)" % source_name(self.source)


class BearerAtWork:
    """The tokens of one connection: see container/interface.py."""

    def __init__(self, settings: Bearer, host: ConnectionHost) -> None:
        self._settings = settings
        self._host = host
        self._transport: Optional[Transport] = None
        self._deadline: Optional[Timer] = None
        self._was_open = False

    def connecting(self, transport: Transport, url: Url, private: bool) -> None:
        """A wire is made: its log-in waits for a token."""
        sasl = transport.sasl()
        sasl.wait_for_token()
        if sasl.allowed is None:
            sasl.allowed_mechs(sorted(TOKEN_MECHANISMS))
        self._transport = transport
        settings = self._settings
        text = "the provider of the token (%s) has returned none within %g s"
        text %= (source_name(settings.source), settings.timeout)
        self._deadline = self._host.loop.schedule(settings.timeout, lambda: self._give_up(TIMED_OUT, text))
        ask(settings.source, settings.scopes, self._host, lambda *outcome: self._answered(transport, *outcome))

    def opened(self) -> None:
        """The peer has opened the connection: the token was good."""
        self._was_open = True

    def lost(self) -> None:
        """The wire is gone: a token that is still to come was for that one."""
        self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()

    ended = lost

    def _answered(self, transport: Transport, answer: Any, error: Optional[BaseException]) -> None:
        if transport is not self._transport:
            return
        try:
            if error is not None:
                raise TokenError(failure_of(error))
            token = read_token(answer, self._host.loop.clock.today(), endless=True)
        except TokenError as failure:
            # A provider that fails at first is set up wrongly; later it may be out of reach, as the peer may.
            name = IO_ERROR if self._was_open else UNAUTHORIZED_ACCESS
            self._give_up(name, "no token: of the provider (%s) %s" % (source_name(self._settings.source), failure))
            return
        if self._deadline is not None:
            self._deadline.cancel()
        if transport.connection is not None:
            transport.connection.conceal = token.hide  # the peer may quote it
        try:
            transport.sasl().bring_token(token.token)
        except RemoteProtocolError as refusal:
            self._give_up(refusal.condition, str(refusal.description))
        else:
            transport.wake()

    def _give_up(self, name: str, text: str) -> None:
        transport = self._transport
        self.lost()
        if transport is not None:
            transport.fail(name, text)
            self._host.drop(transport)
