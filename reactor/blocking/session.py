"""BlockingSession: links of one session, and the messages that they have taken and not acknowledged.

Acknowledgements are of the session, as in qpid.messaging (rows Q1, Q3): the messages of all its receivers stand here in
the order of their being taken.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.blocking.receiver import BlockingReceiver
from reactor.blocking.sender import BlockingSender
from reactor.container.settings.options import Options
from reactor.engine.endpoints.disposition import ACCEPTED, Disposition, DispositionType
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.errors import Empty, ReactorException, SessionException, Timeout

if TYPE_CHECKING:
    from reactor.blocking.interface import ConnectionView
    from reactor.blocking.received import Outcome, ReceivedMessage
    from reactor.blocking.service import Service
    from reactor.blocking.waits import Patience

log = logging.getLogger(__name__)


class BlockingSession:
    """A session that is begun when it is made; `BlockingConnection.session` makes one.

    session: the Session. unsettled: the messages that were taken and not acknowledged, in the order of their taking.
    """

    def __init__(self, connection: ConnectionView, service: Service, name: Optional[str] = None) -> None:
        self._connection = connection
        self.name = name
        self.unsettled: dict[ReceivedMessage, None] = {}
        self._service = service
        self._failure: Optional[Callable[[], Exception]] = None
        self._closing = False
        self._receivers: list[BlockingReceiver] = []
        self._outcomes: deque[tuple[ReceivedMessage, Outcome]] = deque()
        self.session: Any = service.call(self._begin, "session()")
        connection.wait(
            lambda: self.failed or bool(self.session.state & Endpoint.REMOTE_ACTIVE), msg="opening a session"
        )
        self.check("session()")

    @property
    def connection(self) -> Any:
        """The BlockingConnection that it belongs to."""
        return self._connection

    def _begin(self) -> Any:
        self.connection.check("session()")
        session = self.connection.conn.session()
        session.handler = _SessionEvents(self)
        session.open()
        return session

    # -- links -------------------------------------------------------------------------------------------

    def sender(
        self,
        address: Optional[str],
        *,
        capacity: Optional[int] = None,
        name: Optional[str] = None,
        options: Options = None,
        handler: Optional[object] = None,
    ) -> BlockingSender:
        """A sender to `address`, attached; None: each message has its address in `message.address`.

        capacity: the most messages that may wait for their outcome; `send` waits for room (row Q12). None: 1,000.
        name, options: as in `Container.create_sender`. handler: gets the events of the link, too.
        Raises LinkDetached where the peer refuses it.
        """
        self.check("sender()")
        sender = BlockingSender(self, self._service, address, capacity, name, options, handler)
        self.connection.add(sender)
        return sender

    def receiver(
        self,
        address: Optional[str] = None,
        *,
        capacity: int = 0,
        dynamic: bool = False,
        name: Optional[str] = None,
        options: Options = None,
        handler: Optional[object] = None,
    ) -> BlockingReceiver:
        """A receiver from `address`, attached; with `dynamic`, from a node that the peer makes.

        capacity: how many messages may come before they are asked for; more are asked for when half of them are taken.
            0 (default): each `fetch` asks for one (row Q9).
        name, options, handler: as in `sender`. Raises LinkDetached where the peer refuses it.
        """
        self.check("receiver()")
        receiver = BlockingReceiver(self, self._service, address, capacity, dynamic, name, options, handler)
        self._receivers.append(receiver)
        return receiver

    def next_receiver(self, timeout: Patience = None) -> BlockingReceiver:
        """The receiver of this session with the oldest message that was not taken (row Q14).

        timeout: seconds; None (default): for ever; False: as long as the connection's. Raises Empty when it has passed.
        """
        found: list[BlockingReceiver] = []

        def ready() -> bool:
            self.check("next_receiver()")
            waiting = [receiver for receiver in self._receivers if receiver.available()]
            found[:] = [min(waiting, key=lambda receiver: receiver.first_arrival())] if waiting else []
            return bool(found)

        try:
            self.connection.wait(ready, timeout, "next_receiver()")
        except Timeout:
            raise Empty("no receiver of the session has a message") from None
        return found[0]

    def forget(self, receiver: BlockingReceiver) -> None:
        """`receiver` is closed."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    # -- acknowledgement ---------------------------------------------------------------------------------

    def acknowledge(
        self,
        message: Optional[ReceivedMessage] = None,
        outcome: Optional[Outcome] = None,
        sync: bool = True,
        multiple: bool = False,
    ) -> None:
        """Settle messages that were taken over this session (row Q1).

        message: this one; None: all that are not settled, of all receivers.
        outcome: ACCEPTED when None; REJECTED, RELEASED, MODIFIED, or a Disposition with its details.
        sync: whether to return when it is written to the peer (True), or at once.
        multiple: `message` and all that were taken before it.

        Raises SessionException for a message that is acknowledged already, or is none of this session.
        """
        self.check("acknowledge()")
        given: Outcome = ACCEPTED if outcome is None else outcome
        kind = given.type if isinstance(given, Disposition) else given
        if not isinstance(kind, DispositionType) or kind.name not in ("ACCEPTED", "REJECTED", "RELEASED", "MODIFIED"):
            raise ValueError("an outcome is ACCEPTED, REJECTED, RELEASED or MODIFIED, not %r" % (outcome,))
        for chosen in self._chosen(message, multiple):
            self.unsettled.pop(chosen, None)
            self._outcomes.append((chosen, given))
        if sync:
            error = self._service.call(self._settle, "acknowledge()")
            if error is not None:
                raise error
        else:
            self._service.post(self._settle_in_passing)

    def _chosen(self, message: Optional[ReceivedMessage], multiple: bool) -> list[ReceivedMessage]:
        taken = list(self.unsettled)
        if message is None:
            return taken
        if message not in self.unsettled:
            other = getattr(message, "session", None)
            why = "it is settled already" if other is self else "it is none of this session's"
            raise SessionException("acknowledge(%r): %s" % (message, why))
        return taken[: taken.index(message) + 1] if multiple else [message]

    def _settle(self) -> Optional[ReactorException]:
        """On the service's thread: give the outcomes. Returns an error: its message is unsettled, as it was before."""
        outcomes, failed = self._outcomes, None
        while outcomes:
            message, outcome = outcomes.popleft()
            try:
                message.delivery.finish(outcome)
            except ReactorException as error:
                self.unsettled[message] = None
                failed = error
        return failed

    def _settle_in_passing(self) -> None:
        error = self._settle()
        if error is not None:
            log.error("%s: a message was not acknowledged: %s", self.session.connection.describe(), error)

    # -- its end -----------------------------------------------------------------------------------------

    @property
    def failed(self) -> bool:
        """Whether the peer has ended it."""
        return self._failure is not None

    def check(self, name: str) -> None:
        """Raise the reason why it cannot be used for `name`, if there is one."""
        self.connection.check(name)
        if self._failure is not None:
            raise self._failure()
        if self._closing:
            raise SessionException("%s: the session is closed" % name)

    def close(self) -> None:
        """End it, with its links. Messages that were not acknowledged go back to the peer. Harmless when repeated."""
        if self._closing or self.failed or self.connection.closed:
            return
        self._closing = True
        self._service.call(self.session.close, "close()")
        self.connection.wait(
            lambda: not self.session.state & Endpoint.REMOTE_ACTIVE or self.failed, msg="closing a session"
        )

    def __enter__(self) -> BlockingSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def fail(self, reason: Callable[[], Exception]) -> None:
        """On the service's thread: the peer has ended it."""
        if self._failure is None:
            self._failure = reason
        self.connection.changed()


class _SessionEvents:
    """The handler of the session."""

    def __init__(self, owner: BlockingSession) -> None:
        self.owner = owner

    def on_session_remote_open(self, event: Any) -> None:
        self.owner.connection.changed()

    def on_session_remote_close(self, event: Any) -> None:
        session = event.session
        if event.container.will_retry(session):
            return
        if session.state & Endpoint.LOCAL_ACTIVE:
            condition = session.remote_condition
            why = "by the peer" if condition is None else "because of " + condition.text
            self.owner.fail(lambda: SessionException("session of %s ended %s" % (session.connection.describe(), why)))
            session.close()
        self.owner.connection.changed()
