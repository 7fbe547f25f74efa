"""The claims of a connection, and its container, as the parts below them see them: protocols, and nothing else."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from reactor.codec.message import Message
from reactor.engine.endpoints.condition import Condition
from reactor.engine.public import Link
from reactor.loop.loop import Loop

if TYPE_CHECKING:
    from reactor.tokens.provider import Answered, Token
    from reactor.tokens.requests import Reply
    from reactor.url import Url

class ClaimsSettings(Protocol):
    """That which an application has asked for: see claims.Claims."""

    @property
    def source(self) -> Any: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def kind(self) -> Optional[str]: ...
    @property
    def node(self) -> str: ...
    @property
    def timeout(self) -> float: ...
    @property
    def fixed_audience(self) -> Optional[str]:
        """The audience of all links, where they have one."""
        ...

    def audience_of(self, url: Url, link: Link) -> Optional[str]:
        """The audience of a link, or None."""
        ...


class RequestsView(Protocol):
    """The links to the node, as a claim sees them."""

    @property
    def is_ready(self) -> bool: ...
    def request(self, request: Message, done: Callable[[Reply], None]) -> str:
        """Send a request; `done` is called with the reply. Returns its id."""
        ...

    def drop(self, number: str) -> None:
        """The reply to the request with that id is not waited for any more."""
        ...


class ClaimOwner(Protocol):
    """The claims of a connection, as one of them sees them: see at_work.ClaimsAtWork."""

    @property
    def settings(self) -> ClaimsSettings: ...
    @property
    def links(self) -> RequestsView: ...
    @property
    def loop(self) -> Loop: ...
    @property
    def random(self) -> Random: ...
    @property
    def where(self) -> str: ...
    @property
    def is_open(self) -> bool: ...
    def needs(self, audience: str) -> bool:
        """Whether a link on the present wire needs the claim."""
        ...

    def drop(self, audience: str) -> None:
        """No link needs the claim any more."""
        ...

    def exposure(self) -> str:
        """Why a token cannot be sent over the present wire; "" when it can."""
        ...

    def ask(self, audience: str, done: Answered) -> None:
        """Have the provider called."""
        ...

    def sends(self, token: Token) -> None:
        """The peer gets a token, and may quote it."""
        ...

    def accepted(self) -> None:
        """The peer has accepted a token."""
        ...

    def refuse(self, condition: Condition) -> None:
        """There is no token, and there will be none."""
        ...
