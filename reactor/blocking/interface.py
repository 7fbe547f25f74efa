"""The connection and the session of blocking links, as those see them: the arrows back end here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

if TYPE_CHECKING:
    from reactor.blocking.waits import Patience
    from reactor.engine.public import Connection


class ConnectionView(Protocol):
    """A BlockingConnection."""

    conn: Connection
    confirmations: Any

    @property
    def closed(self) -> bool: ...
    def forget(self, session: Any) -> None: ...
    def wait(self, condition: Callable[[], bool], timeout: Patience = False, msg: Optional[str] = None) -> None: ...
    def check(self, name: str) -> None: ...
    def deadline(self, timeout: Patience) -> Optional[float]: ...
    def changed(self) -> None: ...


class SessionView(Protocol):
    """A BlockingSession."""

    session: Any
    acknowledgements: Any
    transactions: Any

    @property
    def connection(self) -> ConnectionView: ...
    @property
    def is_over(self) -> bool: ...
    def check(self, name: str) -> None: ...
    def forget(self, link: Any) -> None: ...
    def acknowledge(self, message: Any = None, outcome: Any = None, sync: bool = True) -> None: ...
    def acknowledge_in_mode(self, message: Any, outcome: Any, sync: bool) -> None: ...
