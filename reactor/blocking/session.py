"""BlockingSession: links of one session, and the messages that they have taken and not acknowledged.

Acknowledgements are of the session, as in qpid.messaging (rows Q1, Q3): acknowledging.py has the messages of all its
receivers, in the order of their taking.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from reactor.blocking.acknowledging import Acknowledgements
from reactor.blocking.addresses import Place, read_source, read_target
from reactor.blocking.events import SessionEvents
from reactor.blocking.explained import explained
from reactor.blocking.receiver import BlockingReceiver
from reactor.blocking.sender import BlockingSender
from reactor.blocking.succession import Succession
from reactor.blocking.transacted import SessionTransactions
from reactor.container.explain.explainer import PATIENCE
from reactor.container.explain.sentences import Explanation
from reactor.engine.endpoints.disposition import ACCEPTED, RELEASED, ModifiedDisposition
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.modes import AcknowledgeMode
from reactor.errors import (
    NOT_IMPLEMENTED,
    PRECONDITION_FAILED,
    AssertionFailed,
    Empty,
    LinkDetached,
    SessionException,
    Timeout,
    TransactionException,
)

if TYPE_CHECKING:
    from reactor.blocking.confirming import Confirmation
    from reactor.blocking.interface import ConnectionView
    from reactor.blocking.received import Outcome, ReceivedMessage
    from reactor.blocking.service import Service
    from reactor.blocking.waits import Patience
    from reactor.container.settings.options import Options

Mode = Union[AcknowledgeMode, str, int, None]
"""An AcknowledgeMode, its name, or its number in JMS; None: the usual one."""


class BlockingSession:
    """A session that is begun when it is made; `BlockingConnection.session` makes one.

    session: the Session. acknowledge_mode: of its receivers, an AcknowledgeMode.
    """

    def __init__(
        self,
        connection: ConnectionView,
        service: Service,
        acknowledge_mode: Mode = None,
        name: Optional[str] = None,
    ) -> None:
        usual = AcknowledgeMode.INDIVIDUAL
        self.acknowledge_mode = usual if acknowledge_mode is None else AcknowledgeMode.of(acknowledge_mode)
        self._connection = connection
        self.name = name
        self._service = service
        self._failure: Optional[Callable[[], Exception]] = None
        self._closing = False
        self._begun = False  # by the peer
        self._ended = False  # by the peer, or with the wire
        self._receivers: list[BlockingReceiver] = []
        self._senders: list[BlockingSender] = []
        self.transactions: Optional[Succession] = None
        self._transacted: Optional[SessionTransactions] = None
        give = _give
        if self.acknowledge_mode is AcknowledgeMode.TRANSACTED:
            self._transacted = SessionTransactions(self, service, self._pump, self._rolled_back)
            self.transactions = self._transacted.succession
            give = self.transactions.give
        self.acknowledgements = Acknowledgements(self, service, give)
        self.session: Any = service.call(self._begin, "session()")
        connection.wait(lambda: self.failed or self._begun, msg="opening a session")
        self.check("session()")
        if self._transacted is not None:
            try:
                self._transacted.begin(self.acknowledgements)
            except TransactionException:
                self.close()
                raise

    @property
    def unsettled(self) -> dict[ReceivedMessage, None]:
        """The messages that were taken and not acknowledged, in the order of their taking."""
        return self.acknowledgements.unsettled

    @property
    def connection(self) -> Any:
        """The BlockingConnection that it belongs to."""
        return self._connection

    def explain(self, patience: float = PATIENCE) -> Explanation:
        """Why nothing moves; see `reactor.explain`."""
        return explained(self.session, patience)

    def _begin(self) -> Any:
        self.connection.check("session()")
        session = self.connection.conn.session()
        session.handler = SessionEvents(self)
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

        address: of a node; with options behind a semicolon, as in qpid.messaging: ``"jobs/red; {create: always}"``.

        capacity: the most messages that may wait for their outcome; `send` waits for room (row Q12). None: 1,000.
        name, options: as in `Container.create_sender`. handler: gets the events of the link, too.
        Raises LinkDetached where the peer refuses it, NotFound where it has no such node; MalformedAddress or
        InvalidOption for an address with options that are none, AssertionFailed where the node is not as they say.
        """
        self.check("sender()")
        place = read_target(address)
        with _asserting(place):
            sender = BlockingSender(
                self, self._service, place.address, capacity, name or place.name,
                place.with_options(options), handler, place.subject,
            )  # fmt: skip
        self._senders.append(sender)
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
        acknowledge_mode: Mode = None,
    ) -> BlockingReceiver:
        """A receiver from `address`, attached; with `dynamic`, from a node that the peer makes.

        address: as of `sender`; ``"#; {}"`` is a node that the peer makes.

        capacity: how many messages may come before they are asked for; more are asked for when half of them are taken.
            0 (default): each `fetch` asks for one (row Q9).
        name, options, handler: as in `sender`.
        acknowledge_mode: None (default): that of the session. A receiver of a transacted session has no other.
        Raises as `sender`.
        """
        self.check("receiver()")
        place = read_source(address)
        mode = place.mode or self.acknowledge_mode
        if acknowledge_mode is not None:
            mode = AcknowledgeMode.of(acknowledge_mode)
        if mode is not self.acknowledge_mode and AcknowledgeMode.TRANSACTED in (mode, self.acknowledge_mode):
            raise ValueError("a receiver of a session in mode %s cannot be %s" % (self.acknowledge_mode, mode))
        with _asserting(place):
            receiver = BlockingReceiver(
                self, self._service, place.address, capacity, dynamic or place.dynamic, name or place.name,
                place.with_options(options), handler, mode,
            )  # fmt: skip
        self._receivers.append(receiver)
        return receiver

    def next_receiver(self, timeout: Patience = None) -> BlockingReceiver:
        """The receiver of this session with the oldest message that was not taken (row Q14).

        timeout: seconds; None (default): for ever; False: as long as the connection's. Raises Empty when it has passed.
        """
        found: list[BlockingReceiver] = []

        def ready() -> bool:
            self.check("next_receiver()")
            waiting = [receiver for receiver in list(self._receivers) if receiver.available()]
            found[:] = [min(waiting, key=lambda receiver: receiver.first_arrival())] if waiting else []
            return bool(found)

        try:
            self.connection.wait(ready, timeout, "next_receiver()")
        except Timeout:
            raise Empty("no receiver of the session has a message") from None
        return found[0]

    def senders(self) -> list[BlockingSender]:
        """Those that are not closed."""
        return list(self._senders)

    def forget(self, link: Any) -> None:
        """`link` is closed."""
        links: Any
        for links in (self._receivers, self._senders):
            for one in list(links):
                if one.link is link:
                    links.remove(one)

    # -- transactions ------------------------------------------------------------------------------------

    def commit(self, timeout: Patience = False) -> None:
        """Commit the transaction of a transacted session: the messages that were sent since the last one are there, and
        those that were taken are accepted, or have the outcome that they were given; the next transaction begins (rows
        J6, Q15).

        timeout: seconds; None: for ever; False (default): the connection's. Raises TransactionRolledBack: nothing of it
        has happened (`in_doubt`: or all of it, when the connection was lost meanwhile); TransactionException where the
        session is not transacted; Timeout.
        """
        self._transactions("commit()").end(True, timeout)

    def rollback(self, timeout: Patience = False) -> None:
        """Roll it back: messages that were sent since the last one are nowhere, those that were taken go back as
        MODIFIED, delivery-failed, and come again; the next transaction begins. timeout, errors: as of `commit`."""
        self._transactions("rollback()").end(False, timeout)

    def _transactions(self, name: str) -> SessionTransactions:
        self.check(name)
        if self._transacted is None:
            text = "%s: the session is not transacted, its mode is %s: connection.session(transacted=True)"
            raise TransactionException(text % (name, self.acknowledge_mode))
        return self._transacted

    def _pump(self) -> None:
        for sender in self.senders():
            sender.pump()

    def _rolled_back(self) -> None:
        for sender in self.senders():
            sender.rolled_back()

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
        sync: whether to return when the peer has read it (True), or at once; in a transaction it is at once: nothing
            takes effect before the commit.
        multiple: `message` and all that were taken before it.

        Raises SessionException for a message that is acknowledged already, or is none of this session; Timeout when the
        connection's has passed: the messages are acknowledged as far as this side goes.
        """
        self.check("acknowledge()")
        self._give(self.acknowledgements.acknowledge(message, outcome, multiple), sync)

    def acknowledge_in_mode(self, message: ReceivedMessage, outcome: Optional[Outcome], sync: bool) -> None:
        """`message.acknowledge()`."""
        self.check("acknowledge()")
        self._give(self.acknowledgements.of_message(message, outcome), sync)

    def _give(self, messages: Optional[list[ReceivedMessage]], sync: bool) -> None:
        if not messages:
            return
        if not sync or self.transactions is not None:
            self._service.post_soon(self.acknowledgements.settle_in_passing)
            return
        confirmation = self._service.call(lambda: self._give_and_ask(messages), "acknowledge()")
        self.connection.wait(
            lambda: confirmation.done or self.failed, msg="acknowledge(): waiting until the peer has read it"
        )

    def _give_and_ask(self, messages: list[ReceivedMessage]) -> Confirmation:
        error = self.acknowledgements.settle()
        if error is not None:
            raise error
        confirmation: Confirmation = self.connection.confirmations.ask({one.origin.link for one in messages})
        return confirmation

    # -- its end -----------------------------------------------------------------------------------------

    @property
    def failed(self) -> bool:
        """Whether the peer has ended it."""
        return self._failure is not None

    @property
    def is_over(self) -> bool:
        """Whether no more is heard of it, or of its links."""
        return self._ended or self.failed

    def check(self, name: str) -> None:
        """Raise the reason why it cannot be used for `name`, if there is one."""
        self.connection.check(name)
        if self._failure is not None:
            raise self._failure()
        if self._closing:
            raise SessionException("%s: the session is closed" % name)

    @property
    def closed(self) -> bool:
        """Whether it was closed here."""
        return self._closing

    def close(self) -> None:
        """End it, with its links. Messages that were not acknowledged go back to the peer; in mode CLIENT those that
        were taken count as failed, MODIFIED (row J8). Harmless when repeated."""
        if self._closing or self.failed or self.connection.closed:
            return
        self._closing = True
        self._service.call(self._end, "close()")
        self.connection.wait(lambda: self.is_over, msg="closing a session")
        self.connection.forget(self)

    def _end(self) -> None:
        self.give_back()
        self.session.close()
        if self.session.state & Endpoint.REMOTE_UNINIT:  # between two wires
            self._ended = True

    def give_back(self) -> None:
        """On the service's thread: give the outcomes that are left, and messages that nothing will be heard of."""
        self.acknowledgements.flush()
        self.acknowledgements.settle_in_passing()
        if self.acknowledge_mode is AcknowledgeMode.CLIENT:
            self.acknowledgements.give_all(ModifiedDisposition(True, False), list(self.unsettled))
            for receiver in list(self._receivers):
                receiver.release_arrived(RELEASED)

    def __enter__(self) -> BlockingSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def begun(self) -> None:
        """On the service's thread: the peer has begun it."""
        self._begun = True
        self.connection.changed()

    def ended(self) -> None:
        """On the service's thread: no more is heard of it."""
        self._ended = True
        self.connection.changed()

    def lost(self) -> None:
        """On the service's thread: the wire is lost, or the peer has ended a link, or all, that is asked for again."""

        def end() -> None:
            for receiver in list(self._receivers):
                receiver.lost()
            self.connection.changed()

        self._service.at_end_of_round(end)

    def fail(self, reason: Callable[[], Exception]) -> None:
        """On the service's thread: the peer has ended it."""

        def end() -> None:
            if self._failure is None:
                self._failure = reason
            self.connection.changed()

        self._service.at_end_of_round(end)


@contextmanager
def _asserting(place: Place) -> Iterator[None]:
    """The peer's answer is to be as the address says."""
    try:
        yield
    except LinkDetached as error:
        if place.asserts and error.condition in (NOT_IMPLEMENTED, PRECONDITION_FAILED):
            raise AssertionFailed(str(error)) from None
        raise


def _give(message: ReceivedMessage, outcome: Outcome) -> None:
    delivery = message.origin
    if outcome is ACCEPTED:
        delivery.settle_with(ACCEPTED)
    else:
        delivery.finish(outcome)
