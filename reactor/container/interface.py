"""The container as its rooms see it: protocols, and nothing else.

A room that is owned by another one, and has to call back, gets one of these. So no two rooms import each other, and
the needs of each are written down: a source of events cannot close a connection, a supervisor cannot run a handler.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from reactor.container.deadlines import Deadlines
from reactor.container.settings.connect import ConnectSettings
from reactor.container.settings.ssl_config import SSLConfig
from reactor.container.threads import OwningThread
from reactor.engine.events import EventBase
from reactor.engine.public import Connection, Sender, Transport
from reactor.loop.driver import Driver
from reactor.loop.interface import Wire
from reactor.loop.loop import Loop
from reactor.url import Url

if TYPE_CHECKING:
    from reactor.codec.types import AnyValue
    from reactor.engine.sasl.exchange import Nonce

#: Connections that belong together, each with the settings of its supervisor: the first one was made by the
#: application, the others for links that peers have redirected.
Family = list[tuple[ConnectSettings, Connection]]


class TurnHost(Protocol):
    """The container of Turns."""

    runs_coroutines: bool

    @property
    def timeout(self) -> Optional[float]: ...
    @property
    def rescue(self) -> Optional[Callable[[Exception, AnyValue], bool]]: ...


class SourceHost(Protocol):
    """The container of a Task, a Selectable or an EventInjector."""

    @property
    def loop(self) -> Loop: ...
    @property
    def owner(self) -> OwningThread: ...

    def post(self, event: EventBase, handler: Any = None) -> None:
        """Dispatch the event in this turn or the next: to `handler`, or to the container's own handlers."""
        ...

    def wakeup(self) -> None:
        """End the wait of the loop. From any thread."""
        ...


class Injected(Protocol):
    """A source that other threads fill: an EventInjector."""

    @property
    def closed(self) -> bool: ...
    def take(self) -> Any:
        """The next event, or None."""
        ...


class AcceptorHost(Protocol):
    """The container of an Acceptor."""

    @property
    def loop(self) -> Loop: ...
    @property
    def owner(self) -> OwningThread: ...
    @property
    def random(self) -> Random: ...
    @property
    def ssl(self) -> SSLConfig: ...
    def connection(self, handler: Any = None) -> Connection:
        """A new Connection, with its events for `handler`, or to the container's own handlers."""
        ...


class LinkHost(Protocol):
    """The container of a LinkMaker."""

    @property
    def container_id(self) -> str: ...
    @property
    def random(self) -> Random: ...
    def connect(self, url: Any) -> Connection:
        """A new connection to the peer."""
        ...


class TransactionHost(Protocol):
    """The container of Transactions."""

    @property
    def handler(self) -> object: ...
    def create_sender(self, context: Any, target: Any, *, handler: Any, options: Any) -> Sender:
        """A new sender, opened."""
        ...

    def will_reconnect(self, connection: Connection) -> bool:
        """Whether the connection is made again when its present wire has ended."""
        ...

    def will_retry(self, endpoint: Any) -> bool:
        """Whether a session or link that the peer has ended is asked for again."""
        ...

    def note_failure(self, connection: Optional[Connection], error: BaseException) -> None:
        """The connection ends because of `error`."""
        ...


class TransactionsView(Protocol):
    """Transactions, as the connections see them."""

    def lost(self, connection: Connection, for_good: bool) -> None:
        """The connection has no wire any more; for_good: nor will it have another one."""
        ...

    def ended(self, session: Any) -> None:
        """The session has ended."""
        ...

    def left(self, delivery: Any) -> None:
        """A delivery has left, or never will."""
        ...

    def running(self, session: Any, acknowledger: Any) -> Any:
        """The active transaction of a session, or of its connection; None while there is none, and then
        `acknowledger.begun(transaction)` is called when there is."""
        ...


class RunHost(Protocol):
    """The container of Running."""

    def waiting_for(self) -> list[str]:
        """The events that it waits for."""
        ...

    def listen_for_questions(self) -> object:
        """Answer other processes until the end of the run."""
        ...


class ExplainerView(Protocol):
    """The explainer of the container, as the parts see it that note something in it."""

    def refused(self, link: Any) -> None:
        """The peer has ended the link."""
        ...


class TokensAtWork(Protocol):
    """The tokens of one connection, as its supervisor sees them."""

    def connecting(self, transport: Transport, url: Url, private: bool) -> None:
        """A wire to `url` is made, and nothing has been written. private: it stays on this machine."""
        ...

    def opened(self) -> None:
        """The peer has opened the connection."""
        ...

    def lost(self) -> None:
        """The wire is gone."""
        ...

    def ended(self) -> None:
        """The connection has no wire any more, and will have none."""
        ...


class Tokens(Protocol):
    """The value of the keyword `tokens` of `connect`: see reactor.tokens."""

    def begin(self, connection: Connection, host: ConnectionHost, insecure: Optional[bool]) -> TokensAtWork:
        """The tokens of a connection that is about to be opened. insecure: whether they may go in clear text; None:
        on this machine only."""
        ...


class ConnectionHost(Protocol):
    """The connections of the container, as the supervisor of one of them sees them."""

    @property
    def loop(self) -> Loop: ...
    @property
    def random(self) -> Random: ...
    @property
    def nonce(self) -> Nonce: ...
    @property
    def deadlines(self) -> Deadlines: ...

    def connection(self, handler: Any = None) -> Connection:
        """A new Connection, with its events for `handler`, or to the container's own handlers."""
        ...

    def supervise(self, connection: Connection, settings: ConnectSettings, family: Optional[Family] = None) -> None:
        """Open the connection and keep it; `family`: of the connection that it is made for."""
        ...

    def call_aside(self, function: Callable[[], Any], done: Callable[[Any, Any], None]) -> None:
        """Call `function` away from the container's thread, and `done` in it, with its result and exception."""
        ...

    def drive(self, transport: Transport, wire: Wire) -> Driver:
        """Have the transport exchange its bytes over the wire."""
        ...

    def will_try(self, connection: Connection, attempt: int, delay: float) -> None:
        """The connection is tried again in `delay` seconds; so many attempts have failed."""
        ...

    def drop(self, transport: Transport, politely: bool = False) -> None:
        """Close the wire of the transport, if it has one, at once. politely: with the bytes that can be written."""
        ...

    def forget(self, connection: Connection) -> None:
        """The connection has ended: nothing more is done for it."""
        ...

    def note_failure(self, connection: Connection, error: BaseException) -> None:
        """The connection has ended because of `error`, and no handler has been called that could have gone on."""
        ...
