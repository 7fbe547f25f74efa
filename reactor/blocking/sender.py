"""BlockingSender: messages go out, and their outcomes come back, one after the other or many at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Optional

from reactor.blocking.attachment import Attachment
from reactor.blocking.explained import explained, without_outcome
from reactor.blocking.progress import LOOK, Callback, Progress
from reactor.blocking.succession import outcome_of
from reactor.blocking.waits import checked_capacity
from reactor.codec.message import Message
from reactor.container.explain.explainer import PATIENCE
from reactor.container.explain.sentences import Explanation
from reactor.engine.endpoints.disposition import EMPTY, RECEIVED, REJECTED, RELEASED, DispositionType
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.handler import Handler
from reactor.errors import (
    ConnectionException,
    LinkException,
    ReactorException,
    SendException,
    Timeout,
    TransactionRolledBack,
)

if TYPE_CHECKING:
    from reactor.blocking.interface import SessionView
    from reactor.blocking.service import Service
    from reactor.blocking.waits import Patience
    from reactor.container.settings.options import Options

CAPACITY = 1000
"""Messages that may wait for their outcome."""


class Tracker:
    """A message that was sent without waiting, and its outcome.

    delivery: its Delivery; None until it is handed to the link. It belongs to the thread that serves the connection.
    settled: whether nothing more will be heard of it.
    failure: why its outcome will never be known, or why it could not be sent; or None.
    """

    __slots__ = ("_sender", "delivery", "failure", "settled")

    def __init__(self, sender: BlockingSender) -> None:
        self._sender = sender
        self.delivery: Any = None
        self.settled = False
        self.failure: Optional[Exception] = None

    @property
    def state(self) -> Any:
        """ACCEPTED, REJECTED, RELEASED, MODIFIED, or an empty state while there is no outcome. In a transaction: that
        which it has when that is committed."""
        return EMPTY if self.delivery is None else outcome_of(self.delivery).type

    def wait(self, timeout: Patience = False) -> Any:
        """Wait for the outcome, and return its state. timeout: as in `BlockingSender.send`. Raises `failure` when there
        is one, and Timeout: the message is still on its way then, and can be waited for again."""
        self._sender.await_settled(self, timeout)
        if self.failure is not None:
            raise self.failure
        return self.state


class BlockingSender:
    """Sends to one address; `BlockingSession.sender` and `BlockingConnection.create_sender` make it.

    link: the Sender. It belongs to the thread that serves the connection.
    capacity: the most messages that may wait for their outcome; it can be set.
    subject: of messages without one; None: they keep none.
    """

    def __init__(
        self,
        session: SessionView,
        service: Service,
        address: Optional[str],
        capacity: Optional[int],
        name: Optional[str],
        options: Options,
        handler: Optional[object],
        subject: Optional[str] = None,
    ) -> None:
        self.capacity = CAPACITY if capacity is None else capacity
        self.subject = subject
        self.session = session
        self._service = service
        self._unsettled: dict[Tracker, None] = {}
        self._outbox: deque[tuple[Any, Tracker]] = deque()
        self._attachment = Attachment(
            session,
            service,
            lambda events: service.container.create_sender(
                session.session, address, name=name, options=options, handler=events
            ),
            _Outcomes(self),
            handler,
            "opening the sender to %r" % (address,),
        )

    @property
    def link(self) -> Any:
        return self._attachment.link

    @property
    def capacity(self) -> int:
        return self._capacity

    @capacity.setter
    def capacity(self, capacity: int) -> None:
        self._capacity = checked_capacity(capacity, 1)

    @property
    def connection(self) -> Any:
        """The connection that it belongs to."""
        return self.session.connection

    def __repr__(self) -> str:
        return "<BlockingSender to %r, %d unsettled>" % (self.link.target.address, self.unsettled())

    def explain(self, patience: float = PATIENCE) -> Explanation:
        """Why nothing leaves; see `reactor.explain`."""
        return explained(self.link, patience, *without_outcome(repr(self), self.unsettled(), self.capacity))

    # -- sending -----------------------------------------------------------------------------------------

    def send(
        self,
        msg: Any,
        timeout: Patience = False,
        error_states: Optional[Sequence[DispositionType]] = None,
        *,
        sync: bool = True,
        progress: Optional[Callback] = None,
    ) -> Any:
        """Send a message, and wait for its outcome.

        msg: a Message; anything else is the body of one (row Q11).
        timeout: seconds to wait for room and for the outcome; None: for ever; False (default): the connection's.
        error_states: the outcomes that raise SendException; None: REJECTED and RELEASED.
        sync: False: return at once when there is room (`capacity`), with a Tracker; else its Delivery is returned.
        progress: called on this thread, while it waits, with the bytes of the message that have left, and their number
            in all. An exception of it leaves `send`, and the message goes on.

        Raises Timeout; LinkDetached or ConnectionException where the link or the connection ends first, and
        LocalProtocolError for a message that the peer would not take: those are not sent.
        """
        if timeout is not False:
            self.session.connection.deadline(timeout)  # a wrong one is found before anything is sent
        payload = self._encoded(msg)
        self._attachment.check("send()")
        unsettled = self._unsettled
        if len(unsettled) >= self.capacity:
            self._await_room(timeout)
        tracker = Tracker(self)
        unsettled[tracker] = None
        self._outbox.append((payload, tracker))
        self._service.post(self.pump)
        if not sync:
            return tracker
        watch = None if progress is None else Progress(progress, len(payload))
        if watch is not None:
            self._service.post(lambda: self._watch(tracker, watch))
        self._await_own(tracker, timeout, watch)
        if tracker.failure is not None:
            raise tracker.failure
        if watch is not None:
            watch.done = len(payload)
            watch.tell()
        delivery = tracker.delivery
        outcome = outcome_of(delivery)
        if outcome.type in ((REJECTED, RELEASED) if error_states is None else error_states):
            why = outcome.condition
            raise SendException(outcome.type, why and why.name, why and why.text)
        return delivery

    def _encoded(self, msg: Any) -> Any:
        """As bytes, or as a LongPayload."""
        message = msg if isinstance(msg, Message) else Message(msg)
        encode = message.compose if type(message) is Message else message.encode  # of a class with another one
        if self.subject is None or message.subject is not None:
            return encode()
        message.subject = self.subject
        try:
            return encode()
        finally:
            message.subject = None

    def _await_room(self, timeout: Patience) -> None:
        text = "send(): no room for another message, %d wait for their outcome" % self.capacity
        self._wait(lambda: len(self._unsettled) < self.capacity, timeout, text)

    def await_settled(self, tracker: Tracker, timeout: Patience, watch: Optional[Progress] = None) -> None:
        """Wait until nothing more will be heard of a message. Raises Timeout."""

        def ready() -> bool:
            if watch is not None:
                watch.tell()
            return tracker.settled

        self._wait(ready, timeout, "waiting for an outcome")

    def _await_own(self, tracker: Tracker, timeout: Patience, watch: Optional[Progress]) -> None:
        """As `await_settled`, for the message of `send`: when it is over, so is the message."""
        try:
            self.await_settled(tracker, timeout, watch)
        except Timeout:
            text = self._service.call(lambda: self._give_up(tracker), "send()")
            if text is not None:
                raise Timeout("the message has no outcome: it %s" % text) from None

    def _wait(self, ready: Any, timeout: Patience, name: str) -> None:
        def done() -> bool:
            if ready():
                return True
            self._attachment.check(name)
            return False

        self.session.connection.wait(done, timeout, name)

    def sync(self, timeout: Patience = False) -> None:
        """Wait until every message that was sent has its outcome. timeout: as in `send`."""
        self._wait(lambda: not self._unsettled, timeout, "sync()")

    def unsettled(self) -> int:
        """How many messages wait for their outcome."""
        return len(self._unsettled)

    def available(self) -> int:
        """How many more can be sent without waiting for room."""
        return max(0, self.capacity - len(self._unsettled))

    def unsent(self) -> int:
        """How many of them have not left."""
        waiting = list(self._unsettled)
        return sum(tracker.delivery is None or not tracker.delivery.has_left for tracker in waiting)

    def close_off(self, failure: Exception) -> None:
        """The connection is over, and its thread has ended: no outcome will come any more."""
        for tracker in list(self._unsettled):
            self.settled(tracker, failure)

    def close(self) -> None:
        """Close the link, when all that was sent has left; see `sync`. Harmless when repeated."""
        self._end(True)

    def detach(self) -> None:
        """Detach it: the peer keeps what it has of a terminus that outlives its links."""
        self._end(False)

    def _end(self, closing: bool) -> None:
        self._attachment.end(closing)
        if not self._unsettled:  # else the end of the session is the end of those
            self.session.forget(self.link)

    def __enter__(self) -> BlockingSender:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- on the service's thread -------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what waits; in a transaction, if there is one."""
        outbox, link, transactions = self._outbox, self.link, self.session.transactions
        transmit = link.transmit
        if transactions is not None:
            if not transactions.is_open:
                self._fail_all(transactions)
                return
            transmit = partial(transactions.send, link)
        while outbox:
            payload, tracker = outbox.popleft()
            try:
                tracker.delivery = delivery = transmit(payload)
            except ReactorException as error:
                self.settled(tracker, error)
                continue
            if delivery.fate:  # pre-settled, or too late
                doubt = delivery.doubt
                self.settled(tracker, None if doubt is None else in_doubt(delivery))
            else:
                delivery.context = tracker

    def _fail_all(self, transactions: Any) -> None:
        """There is no transaction to send in: wait for one, or for none."""
        outbox = self._outbox
        while outbox and transactions.failure is not None:
            self.settled(outbox.popleft()[1], transactions.failure)

    def rolled_back(self) -> None:
        """The transaction is, by a call: messages that have not left never will."""
        for tracker in list(self._unsettled):
            if tracker.delivery is not None and tracker.delivery.aborted:
                self.settled(tracker, TransactionRolledBack("the message has not left, and its transaction is over"))

    def _watch(self, tracker: Tracker, watch: Progress) -> None:
        """Look at how much of the message has left, until there is no more to be heard of it."""
        if tracker.settled:
            return
        if tracker.delivery is not None and watch.total is not None:
            watch.done = watch.total - tracker.delivery.pending
            self.session.connection.changed()
        self._service.later(LOOK, lambda: self._watch(tracker, watch))

    def settled(self, tracker: Tracker, failure: Optional[Exception] = None) -> None:
        """Nothing more will be heard of it."""
        if not tracker.settled:
            tracker.failure = failure
            tracker.settled = True
            self._unsettled.pop(tracker, None)
            self.session.connection.changed()

    def _give_up(self, tracker: Tracker) -> Optional[str]:
        """Expect nothing more of it; returns what has become of it and why, or None: its outcome has just come."""
        if tracker.settled:
            return None
        link, delivery = self._attachment.link, tracker.delivery
        left = delivery is not None and delivery.has_left
        if delivery is not None and not left:
            delivery.abort()
        self.settled(tracker, Timeout("no outcome within the timeout of send()"))
        if left:
            return "has left, and is in doubt"
        why = "" if link.credit > 0 else ": %r gives no credit, it may be full" % (link.target.address,)
        if link.state & Endpoint.REMOTE_UNINIT:
            why = ": the connection is lost, and not there again"
        return "has not left, and will not%s" % why


def in_doubt(delivery: Any) -> Exception:
    """The exception for a message without an outcome for ever."""
    why = delivery.doubt
    text = "" if why is None else ": " + why.text
    if not delivery.has_left:
        return LinkException("the message did not leave%s" % text)
    return ConnectionException("the message has left, and its outcome will never be known%s" % text)


class _Outcomes(Handler):
    """The events of the sender's deliveries."""

    def __init__(self, owner: BlockingSender) -> None:
        self.owner = owner

    def on_delivery(self, event: Any) -> None:
        delivery = event.context
        tracker = delivery.context
        if not isinstance(tracker, Tracker):
            return
        state = delivery.remote_state
        if delivery.settled or (state is not EMPTY and state is not RECEIVED):
            delivery.settle()
            self.owner.settled(tracker)

    def on_delivery_in_doubt(self, event: Any) -> None:
        delivery = event.context
        if isinstance(delivery.context, Tracker):
            self.owner.settled(delivery.context, in_doubt(delivery))
