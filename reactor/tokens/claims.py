"""Claims: tokens for claims-based security, as `Container.connect(url, tokens=Claims(provider))` takes them.

Before a link is attached a token for its address is brought to the node `$cbs` of the peer; it is renewed before its
time is over, and brought anew over each new wire. Azure Service Bus and Event Hubs let no link in otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from reactor.engine.public import Connection, Link
from reactor.tokens.at_work import ClaimsAtWork
from reactor.tokens.provider import Source, check_source, check_timeout, read_scopes, source_name

if TYPE_CHECKING:
    from reactor.codec.types import AnyValue
    from reactor.container.interface import ConnectionHost
    from reactor.url import Url

#: Seconds for a provider to return a token, and for the peer to answer for it.
TIMEOUT = 30.0

Audience = Union[None, str, Callable[[Link], Optional[str]]]


class Claims:
    """Tokens for the links of a connection, brought to its `$cbs` node.

    provider: a TokenProvider, such as SharedAccessKey or a credential of azure-identity; or a function that is called
        as `get_token` is.
    audience: the name under which the peer has the right of a link: None (default) for ``sb://HOST/ADDRESS``; a text
        for all links, such as ``sb://HOST/`` for a whole namespace; or a function of the link, which returns None for
        one that needs no token.
    scopes: the arguments of `get_token`: one str or several; None (default) for the audience. Providers of Microsoft
        Entra want ``"https://servicebus.azure.net/.default"``.
    kind: the type of the tokens; None (default): as Token has it.
    node: the address of the node.
    timeout: seconds for the provider to return a token, for the peer to answer for it, and to try again when a token
        has ended and no other is to be had.

    Raises TypeError for what is no provider, and for values of another type.
    """

    __slots__ = ("source", "audience", "scopes", "kind", "node", "timeout")

    def __init__(
        self,
        provider: Source,
        *,
        audience: Audience = None,
        scopes: Union[None, str, Iterable[str]] = None,
        kind: Optional[str] = None,
        node: str = "$cbs",
        timeout: float = TIMEOUT,
    ) -> None:
        check_source("Claims()", provider)
        if not (audience is None or isinstance(audience, str) or callable(audience)):
            raise TypeError("Claims(): audience is a str, a function of the link, or None, not %r" % (audience,))
        check_timeout("Claims()", timeout)
        self.source = provider
        self.audience = audience
        self.scopes = read_scopes(scopes)
        self.kind = kind
        self.node = node
        self.timeout = float(timeout)

    def begin(self, connection: Connection, host: ConnectionHost, insecure: Optional[bool]) -> ClaimsAtWork:
        """The claims of a new connection: for the container."""
        return ClaimsAtWork(self, connection, host, insecure)

    @property
    def fixed_audience(self) -> Optional[str]:
        """The audience of all links, where they have one."""
        return self.audience if isinstance(self.audience, str) else None

    def audience_of(self, url: Url, link: Link) -> Optional[str]:
        """The audience of a link; None for one that needs no token: the coordinator of transactions, a dynamic node."""
        if callable(self.audience):
            found: AnyValue = self.audience(link)
            if found is not None and not isinstance(found, str):
                raise TypeError("audience() returns a str or None, not %r" % (found,))
            return found
        if self.audience is not None:
            return self.audience
        address: Any = (link.target if link.is_sender else link.source).address
        if not address or not isinstance(address, str):
            return None
        # The right to an entity is that to its $management, too: azure-sdk-for-python, sdk/servicebus/azure-servicebus/
        # azure/servicebus/_base_handler.py, asks for it under the name of the entity.
        entity = address.strip("/")
        if entity.endswith("/$management"):
            entity = entity[: -len("/$management")]
        return "sb://%s/%s" % (url.host or "localhost", entity)

    def __repr__(self) -> str:
        return "Claims(%s)" % source_name(self.source)
