"""BlockingConnection: a connection with calls that return when the peer has answered.

It owns the service that its events come from, and makes the sessions and links. Whatever ends the connection
wakes all threads that wait on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from reactor.blocking.confirming import Confirmations
from reactor.blocking.events import ConnectionEvents
from reactor.blocking.explained import explained
from reactor.blocking.receiver import BlockingReceiver
from reactor.blocking.sender import BlockingSender
from reactor.blocking.service import Service
from reactor.blocking.session import BlockingSession, Mode
from reactor.blocking.waits import Patience, deadline_of
from reactor.container.container import Container
from reactor.container.explain.explainer import PATIENCE
from reactor.container.explain.sentences import Explanation
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.modes import AcknowledgeMode
from reactor.engine.public import Connection
from reactor.errors import ConnectionException, Timeout
from reactor.url import Url

if TYPE_CHECKING:
    from reactor.container.reconnect.backoff import Reconnect
    from reactor.container.settings.addresses import Address
    from reactor.container.settings.options import Options

Result = TypeVar("Result")

DEFAULT_TIMEOUT = 60.0
"""Seconds."""


class BlockingConnection:
    """A connection that is open when it is made. Any thread may use it, and several may at once.

    url, urls: where to connect; a container's connect.json is read when there is neither.
    timeout: seconds that each call waits for the peer, unless it has a `timeout` of its own; None (default) for 60, as
        in the original; `math.inf` for ever.
    container: one that does not run, for its settings; it belongs to this connection from now on.
    ssl_domain, heartbeat: as in `Container.connect`, and so are all other keywords.
    reconnect: None or False (default): a connection that is lost is over, and every call raises
        ConnectionException with the reason. True, or a Backoff or the like: it is made again, and calls wait for that.

    Raises ConnectionException if it cannot be opened, Timeout if the peer does not answer.
    """

    def __init__(
        self,
        url: Optional[Address] = None,
        timeout: Optional[float] = None,
        container: Optional[Container] = None,
        ssl_domain: Any = None,
        heartbeat: Optional[float] = None,
        urls: Optional[Iterable[Address]] = None,
        reconnect: Reconnect = None,
        **kwargs: Any,
    ) -> None:
        deadline_of(timeout, None, 0.0)  # a wrong one is found before anything is made
        self.timeout: float = DEFAULT_TIMEOUT if timeout is None else timeout
        self._failure: Optional[Callable[[], Exception]] = None
        self._closing = False
        self._opened = False  # by the peer
        self.away = False
        self._ended = False  # by the peer, or with the wire
        self._default: Optional[BlockingSession] = None
        self._sessions: list[BlockingSession] = []
        self._service = Service(Container() if container is None else container)
        self.confirmations = Confirmations(self, self._service)
        again = None if reconnect is True else False if reconnect is None else reconnect
        try:
            self.conn: Connection = self._service.call(
                lambda: self._service.container.connect(
                    url,
                    urls=urls,
                    handler=ConnectionEvents(self),
                    reconnect=again,
                    heartbeat=heartbeat,
                    ssl_domain=ssl_domain,
                    **kwargs,
                ),
                "connect()",
            )
            self.wait(lambda: self._opened, msg="opening the connection")
        except BaseException:
            self._service.stop()
            raise

    # -- what it has -------------------------------------------------------------------------------------

    @property
    def url(self) -> Optional[str]:
        """The address that it is connected to, without the password."""
        address = self.conn.connected_address
        return None if address is None else str(Url(address))

    @property
    def closed(self) -> bool:
        """Whether it was closed, by either side, or is lost for good."""
        return self._closing or self._failure is not None

    @property
    def failure(self) -> Optional[Exception]:
        """Why it was lost, or closed by the peer; None while it was not."""
        return None if self._failure is None else self._failure()

    def __repr__(self) -> str:
        state = "closed" if self._closing else "lost" if self._failure is not None else "open"
        return "<BlockingConnection %s %s>" % (self.url, state)

    def explain(self, patience: float = PATIENCE) -> Explanation:
        """Why nothing moves; see `reactor.explain`."""
        return explained(self.conn, patience)

    # -- sessions and links ------------------------------------------------------------------------------

    def session(
        self, acknowledge_mode: Mode = None, transacted: bool = False, name: Optional[str] = None
    ) -> BlockingSession:
        """A new session, begun.

        acknowledge_mode: how the messages that its receivers take are acknowledged: an AcknowledgeMode, its name or its
            number in JMS (row J6). None (default): INDIVIDUAL, by `session.acknowledge()` or `message.acknowledge()` of
            the program, as in qpid.messaging.
        transacted: whether sends and acknowledgements take effect with `session.commit()`: mode TRANSACTED. Raises
            TransactionException where the peer has no transactions.
        name: with one, the open session of that name, if there is one. ValueError where it has another mode.
        """
        known = None if name is None else next((one for one in list(self._sessions) if one.name == name), None)
        if transacted:
            if acknowledge_mode not in (None, AcknowledgeMode.TRANSACTED):
                raise ValueError("session(): a transacted session has no acknowledge mode of another kind")
            acknowledge_mode = AcknowledgeMode.TRANSACTED
        if known is None or known.is_over or known.closed:
            return self._new_session(acknowledge_mode, name)
        if acknowledge_mode is not None and AcknowledgeMode.of(acknowledge_mode) is not known.acknowledge_mode:
            raise ValueError("session(): %r has acknowledge mode %s" % (name, known.acknowledge_mode))
        return known

    def _new_session(self, mode: Mode = None, name: Optional[str] = None) -> BlockingSession:
        session = BlockingSession(self, self._service, mode, name)
        self._sessions.append(session)
        return session

    def create_sender(
        self,
        address: Optional[str],
        handler: Optional[object] = None,
        name: Optional[str] = None,
        options: Options = None,
        *,
        capacity: Optional[int] = None,
    ) -> BlockingSender:
        """A sender of the connection's own session; see `BlockingSession.sender`. handler: gets its events, too."""
        return self._own_session().sender(address, name=name, options=options, handler=handler, capacity=capacity)

    def create_receiver(
        self,
        address: Optional[str] = None,
        credit: Optional[int] = None,
        dynamic: bool = False,
        handler: Optional[object] = None,
        name: Optional[str] = None,
        options: Options = None,
    ) -> BlockingReceiver:
        """A receiver of the connection's own session; see `BlockingSession.receiver`.

        credit: how many messages may come before they are asked for; None or 0 (default): each `receive` asks for one.
        handler: gets its events instead, on the thread that serves the connection; `receive` is not for such a one.
        """
        return self._own_session().receiver(
            address, capacity=credit or 0, dynamic=dynamic, name=name, options=options, handler=handler
        )

    def _own_session(self) -> BlockingSession:
        if self._default is None:
            self._default = self._new_session()
        return self._default

    # -- waiting -----------------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], bool], timeout: Patience = False, msg: Optional[str] = None) -> None:
        """Wait until `condition()` is true; it is asked after each change.

        timeout: seconds; None: for ever; False (default): that of the connection. Raises Timeout with `msg`, and
        ConnectionException when the connection is lost.
        """
        name = msg or "a wait"

        def ready() -> bool:
            if condition():
                return True
            self.check(name)
            return False

        self._service.check_caller(name)
        self._service.wait(ready, self.deadline(timeout), name)

    def run(self) -> None:
        """Wait until the connection is closed or lost; handlers of its links get their events meanwhile."""
        self._service.check_caller("run()")
        self._service.wait(lambda: self.closed, None, "run()")

    def on_thread(self, function: Callable[[Container], Result]) -> Result:
        """Call `function(container)` on the thread that serves the connection, and return its result, or raise its
        exception: for parts of a container that have no blocking form. `conn` is the Connection there."""
        return self._service.call(lambda: function(self._service.container), "on_thread()")

    def deadline(self, timeout: Patience) -> Optional[float]:
        """When a wait that begins now with this `timeout` ends, by the service's clock; None: never."""
        return deadline_of(timeout, self.timeout, self._service.now())

    def check(self, name: str) -> None:
        """Raise the reason why the connection cannot be used for `name`, if there is one."""
        if self._failure is not None:
            raise self._failure()  # one for each thread: an exception collects the places that it passes
        if self._closing:
            raise ConnectionException("%s: the connection is closed" % name)

    def close(self) -> None:
        """Close it, with its sessions and links, and return when the peer has answered. Messages that were sent without
        waiting leave before. Harmless when repeated.

        Raises Timeout, and is closed, when the connection's `timeout` has passed: messages may not have left then.
        """
        self._service.check_caller("close()")
        if self._closing:
            return
        self._closing = True
        try:
            if self._failure is None and not self._service.ended:
                self._service.call(self._begin_close, "close()")
                self._service.wait(
                    lambda: self._failure is not None or self._ended,
                    self.deadline(False),
                    "closing the connection",
                )
        except Timeout as error:
            unsent = sum(sender.unsent() for sender in self._senders())
            have = "message has" if unsent == 1 else "messages have"
            raise Timeout("%s; %d %s not left" % (error, unsent, have)) from None
        finally:
            self._service.stop()
            for sender in self._senders():
                sender.close_off(ConnectionException("the connection was closed before the outcome came"))

    def _begin_close(self) -> None:
        for session in list(self._sessions):
            session.give_back()
        self.conn.close()
        if self.conn.state & Endpoint.REMOTE_UNINIT:  # between two wires
            self._ended = True

    def _senders(self) -> list[BlockingSender]:
        return [sender for session in list(self._sessions) for sender in session.senders()]

    def forget(self, session: BlockingSession) -> None:
        """`session` has ended."""
        if session in self._sessions:
            self._sessions.remove(session)

    def __enter__(self) -> BlockingConnection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- the service's thread ----------------------------------------------------------------------------

    def opened(self) -> None:
        """The peer has opened it."""
        self._opened = True
        self.away = False
        self._service.notify()

    def ended(self) -> None:
        """No more is heard of it."""
        self._ended = True
        self._service.notify()

    def fail(self, reason: Callable[[], Exception]) -> None:
        """It is over; `reason` makes the exception for each call that this ends. A call that has an end of its own
        with that (a commit is in doubt) has it first."""

        def end() -> None:
            if self._failure is None:
                self._failure = reason
            self._service.notify()

        self._service.at_end_of_round(end)

    def lost(self) -> None:
        """The wire is lost; there may be another."""
        for session in list(self._sessions):
            session.lost()
        self.confirmations.lost()

    def changed(self) -> None:
        """Something has changed."""
        self._service.notify()
