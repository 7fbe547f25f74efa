"""The connection and the session of blocking links, as those see them: the arrows back end here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

if TYPE_CHECKING:
    from reactor.blocking.received import Outcome, ReceivedMessage
    from reactor.blocking.waits import Patience


class ConnectionView(Protocol):
    """A BlockingConnection."""

    def wait(self, condition: Callable[[], bool], timeout: Patience = False, msg: Optional[str] = None) -> None: ...
    def check(self, name: str) -> None: ...
    def deadline(self, timeout: Patience) -> Optional[float]: ...
    def changed(self) -> None: ...


class SessionView(Protocol):
    """A BlockingSession."""

    session: Any
    unsettled: dict[ReceivedMessage, None]

    @property
    def connection(self) -> ConnectionView: ...
    def check(self, name: str) -> None: ...
    def acknowledge(
        self, message: Optional[ReceivedMessage] = None, outcome: Optional[Outcome] = None, sync: bool = True
    ) -> None: ...
