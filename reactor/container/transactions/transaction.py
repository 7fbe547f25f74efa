"""Transaction: work over the links of a connection that takes effect as a whole, or not at all [4.2-4.4].

It is the application's: it marks deliveries, and is ended over the control link that it is given (control.py),
which has the answers. It knows deliveries, and no frame. It does not outlive its control link, and so not its
wire: the peer has rolled it back then.
"""

from __future__ import annotations

from reactor.codec.message import Message
from reactor.codec.types import Described, symbol
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import LOST, OPEN, PRE_SETTLED, SETTLED_BY_PEER
from reactor.engine.endpoints.disposition import (
    ACCEPTED,
    DECLARED,
    EMPTY,
    REJECTED,
    RELEASED,
    TERMINAL,
    TRANSACTIONAL_STATE,
    Disposition,
    DispositionType,
    FirstOfTransaction,
    ModifiedDisposition,
    TransactionalDisposition,
)
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.events import DELIVERY_SCOPE, Event, EventType, compile_plan
from reactor.engine.public import Connection, Delivery, Receiver, Sender
from reactor.errors import (
    TRANSACTION_ROLLBACK,
    TransactionException,
    TransactionRolledBack,
)
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import log_fields, logger

if TYPE_CHECKING:
    from typing import Any, Optional, Union

    from reactor.codec.long_payload import LongPayload
    from reactor.codec.types import AnyValue
    from reactor.container.interface import TransactionHost

log = logger(__name__)

DECLARING, ACTIVE, DISCHARGING, OVER = range(4)
"""The stages of a transaction."""


def _event_type(name: str) -> EventType:
    return EventType(name, method="on_" + name, scope=DELIVERY_SCOPE)


TRANSACTION_DECLARED = _event_type("transaction_declared")
TRANSACTION_COMMITTED = _event_type("transaction_committed")
TRANSACTION_ABORTED = _event_type("transaction_aborted")
TRANSACTION_DECLARE_FAILED = _event_type("transaction_declare_failed")
TRANSACTION_COMMIT_FAILED = _event_type("transaction_commit_failed")


class Transaction:
    """Messages sent and outcomes given that take effect together, when it is committed, or not at all.

    `Container.declare_transaction` makes one; it can be used when `on_transaction_declared` has been called, until
    `commit` or `abort` is. TransactionException for a use outside of that time.

    txn_ctrl: the control link, a Sender. handler: gets `on_transaction_...`, with the transaction as
        `event.transaction`; None: the handler of the connection, or those of the container.
    id: the transaction's id, bytes that the peer has chosen; None until it is declared. When the connection is lost and
        made again there is another one, if the peer can have done nothing of it: nothing was done in it, or one message
        was sent that has no outcome. That is sent again then. Any other transaction is rolled back [J5].
    failed: whether it was to be rolled back: `abort()` was called.
    settle_before_discharge: whether the deliveries of `accept`, `release` and `reject` are settled at once. False
        (default): when the transaction is discharged; those of one that was rolled back are RELEASED then.
    condition: why it could not be declared or committed, or was rolled back, if not by `abort()`; or None.
    in_doubt: whether its end is not known: the connection was lost between the request to commit and the answer.
    """

    def __init__(self, txn_ctrl: Sender, handler: Optional[object], settle_before_discharge: bool = False) -> None:
        self.txn_ctrl = txn_ctrl
        self.handler = handler
        self.settle_before_discharge = bool(settle_before_discharge)
        self.id: Optional[bytes] = None
        self.failed = False
        self.condition: Optional[Condition] = None
        self.in_doubt = False
        control: Any = txn_ctrl.handler
        self._container: TransactionHost = control.container
        self._stage = DECLARING
        self._pending: list[Delivery] = []  # with an outcome in this transaction, and not settled here
        self._unsent: dict[Delivery, None] = {}  # sent in it, and not on the wire yet
        self._torn: Optional[str] = None  # a part of it is lost
        self._begun = 0  # messages sent and outcomes given in it
        self._first: Optional[Delivery] = None  # the message that is all of it
        self._held: dict[Delivery, Disposition] = {}  # outcomes that wait until it is declared again
        self._was_declared = False
        self._discharge: Optional[Delivery] = None
        self._declare: Delivery
        self.declare()

    @property
    def connection(self) -> Connection:
        """The connection that it belongs to."""
        return self.txn_ctrl.connection

    @property
    def active(self) -> bool:
        """Whether messages can be sent, and outcomes given, in it."""
        return self._stage == ACTIVE

    @property
    def is_ending(self) -> bool:
        """Whether its end has been asked for, and waits for the answer."""
        return self._discharge is not None and self._stage == DISCHARGING

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self._stage == OVER

    def __repr__(self) -> str:
        stage = ("is not declared yet", "is active", "is being discharged", "has ended")[self._stage]
        name = "" if self.id is None else " %r" % (self.id,)
        return "<Transaction%s of %s %s>" % (name, self.connection.describe(), stage)

    # -- its work

    def send(self, sender: Sender, msg: Message, tag: Union[str, bytes, None] = None) -> Delivery:
        """Send a message in this transaction: it is there for receivers when that is committed. Returns its Delivery.

        Its state is TRANSACTIONAL_STATE when the peer has taken it, with the outcome that it will have then; some peers
        (qpidd) answer with the plain outcome. `on_rejected` and `on_released` are called for those that the peer will
        not take. Raises TransactionException where the transaction is not active, and for a sender of another
        connection; else as `Sender.send`.
        """
        self._check("send", sender.connection)
        if sender.ledger is not None:
            raise sender.ledger.refusal(False)
        if not isinstance(msg, Message):
            raise TypeError("a transaction sends a Message, not %r" % (msg,))
        return self._sent(sender.send(msg, tag))

    def transmit(self, sender: Sender, payload: Union[bytes, LongPayload]) -> Delivery:
        """As `send`, of an encoded message: `Sender.transmit`."""
        self._check("send", sender.connection)
        if sender.ledger is not None:
            raise sender.ledger.refusal(False)
        return self._sent(sender.transmit(payload))

    def _sent(self, delivery: Any) -> Delivery:
        self._count()
        if delivery.fate != LOST:
            # As `update` does; but a message that is pre-settled has this state as well.
            if self._begun == 1:
                self._first = delivery
                delivery.hold(FirstOfTransaction(self.id))
            else:
                delivery.hold(TransactionalDisposition(self.id))
        delivery.__dict__["transaction"] = self
        self._unsent[delivery] = None
        return delivery  # type: ignore[no-any-return]

    def _count(self) -> None:
        """Something more is done in it."""
        self._begun += 1
        self._stays()

    def _stays(self) -> None:
        """It cannot begin again."""
        if self._first is not None:
            self._first.hold(TransactionalDisposition(self.id))
            self._first = None

    def accept(self, delivery: Delivery) -> None:
        """A received message was processed: ACCEPTED when the transaction is committed."""
        self.retire(delivery, ACCEPTED)

    def reject(self, delivery: Delivery) -> None:
        """A received message can never be processed: REJECTED when the transaction is committed.
        `delivery.local.condition` may have the reason."""
        given = delivery.local_content
        self.retire(delivery, REJECTED if given is None or given.condition is None else _of(given, REJECTED))

    def release(
        self, delivery: Delivery, delivered: bool = True, failed: bool = True, undeliverable: bool = False
    ) -> None:
        """A received message may be tried again, here or elsewhere, when the transaction is committed. The arguments
        are those of `MessagingHandler.release`."""
        if delivered and isinstance(delivery.link, Receiver) and delivery.link.takes_modified():
            self.retire(delivery, ModifiedDisposition(failed, undeliverable))
        else:
            self.retire(delivery, RELEASED)

    def update(self, delivery: Delivery, state: Union[Disposition, DispositionType, int, None] = None) -> None:
        """Have a received message end as `state` when the transaction is committed: ACCEPTED, REJECTED, RELEASED,
        MODIFIED, or a Disposition of these. It is not settled by this, neither now nor then. None does nothing.

        Raises TransactionException where the transaction is not active, for a delivery of another connection, and for
        one that this side has sent; ValueError for a state that is no outcome; else as `Delivery.update`.
        """
        if state is None:
            return
        self._check("update", delivery.connection)
        if delivery.link.is_sender:
            raise TransactionException("%r was sent from here: its receiver gives the outcome" % (delivery,))
        kind = state.type if isinstance(state, Disposition) else state
        if kind not in TERMINAL:
            raise ValueError("an outcome is ACCEPTED, REJECTED, RELEASED or MODIFIED, not %r" % (state,))
        content = TransactionalDisposition(self.id, state)
        if delivery.fate == LOST:
            # Its peer gives it to a receiver again: what goes with its outcome must not happen.
            self._torn = "the outcome of a message was given in it that had come over a connection or link that is lost"
        elif self.id is None and delivery.fate == OPEN:
            delivery.hold(content)
            self._held[delivery] = content
        else:
            delivery.update(content)
        self._count()

    def retire(self, delivery: Delivery, state: Union[Disposition, DispositionType]) -> None:
        """As `update`; and it is settled, as by `accept`. Raises as `update` does."""
        self.update(delivery, state)
        if self.settle_before_discharge and delivery not in self._held:
            delivery.settle()
        else:
            self._pending.append(delivery)

    @property
    def _id(self) -> bytes:
        if self.id is None:
            raise TransactionException("%r: wait for on_transaction_declared" % (self,))
        return self.id

    def _check(self, name: str, connection: Connection) -> None:
        if self._stage == DECLARING:
            raise TransactionException("%s(): %r: wait for on_transaction_declared" % (name, self))
        if self._stage != ACTIVE:
            why = "" if self.condition is None else ": " + self.condition.text
            text = "%s(): %r%s; declare another one" % (name, self, why)
            raise (TransactionRolledBack if self.condition is not None else TransactionException)(text)
        if connection is not self.connection:
            raise TransactionException("%s(): %r is none of %s" % (name, self, connection.describe()))

    # -- its beginning and its end

    def declare(self) -> None:
        """Ask the peer for the transaction. It is done when the Transaction is made; TransactionException when it is
        done again."""
        if hasattr(self, "_declare"):
            raise TransactionException("%r was declared before" % (self,))
        self._declare = self._control("amqp:declare:list", [None])

    def commit(self) -> None:
        """Have all its work take effect: `on_transaction_committed` follows, or `on_transaction_commit_failed`, and
        nothing of it has happened. TransactionException where it is not active."""
        self.discharge(False)

    def abort(self) -> None:
        """Have all its work undone: `on_transaction_aborted` follows. TransactionException where it is not active."""
        self.discharge(True)

    def discharge(self, failed: bool) -> None:
        """End it: `commit()` where `failed` is False, else `abort()`."""
        self._check("abort" if failed else "commit", self.connection)
        self.failed = bool(failed)
        self._stage = DISCHARGING
        if failed:
            for delivery in [*self._unsent]:
                delivery.abort()
            self._unsent.clear()
        self._go()

    def _go(self) -> None:
        """Send the discharge, if all has left: what comes behind it would be in no transaction."""
        if self.id is None:
            return  # it is being declared again
        if self._torn is not None and not self.failed:
            self.condition = Condition(TRANSACTION_ROLLBACK, self._torn)
        if self.condition is not None or not self._unsent:
            self._stays()
            fail = self.failed or self.condition is not None
            self._discharge = self._control("amqp:discharge:list", [self._id, fail])

    def _control(self, descriptor: str, fields: list[AnyValue]) -> Delivery:
        # The descriptors are symbols: the broker among the examples of python-qpid-proton knows no others.
        delivery = self.txn_ctrl.send(Message(Described(symbol(descriptor), fields)))
        delivery.__dict__["transaction"] = self  # as in the original
        return delivery

    # -- the answers

    def left(self, delivery: Delivery) -> None:
        """A message of it is on the wire, or never will be: a discharge waits for the last one."""
        if delivery in self._unsent:
            del self._unsent[delivery]
            given_up = delivery.aborted and delivery.doubt is None  # by the application
            if not given_up and delivery.fate in (LOST, SETTLED_BY_PEER):
                self._torn = "a message that was sent in it did not leave"
            if given_up and delivery is self._first:
                self._first, self._begun = None, 0
            if self._stage == DISCHARGING and self._discharge is None:
                self._go()

    def handle_outcome(self, event: Event) -> None:
        """The peer has answered to the declaration or the discharge."""
        delivery = event.delivery
        state = delivery.remote_state
        delivery.settle()
        if delivery is self._declare and self.id is None and self._stage != OVER:
            if state is DECLARED and delivery.remote.id is not None:
                self._declared(delivery.remote.id)
            else:
                self.end(_reason(delivery, "the peer has declared no transaction"))
        elif self._stage == DISCHARGING and delivery is self._discharge:
            if state is REJECTED:
                self.end(_reason(delivery, "the peer has rolled it back"))
            else:
                self._over(not self.failed and self.condition is None)

    def _declared(self, id: bytes) -> None:
        self.id = id
        if not self._was_declared:
            self._was_declared = True
            self._stage = ACTIVE
            self._tell(TRANSACTION_DECLARED)
            return
        held, self._held = self._held, {}
        for delivery in self._unsent:
            if delivery.local_content is not None:
                delivery.local_content.data = [id]
                delivery.resume()
        for delivery, content in held.items():
            content.data[0] = id
            delivery.resume()
            if delivery.fate == LOST:
                self._torn = "a message whose outcome was given in it came over a connection that is lost"
            if self.settle_before_discharge and delivery in self._pending:
                self._pending.remove(delivery)
                delivery.settle()
        if self._stage == DISCHARGING:
            self._go()

    def begin_again(self) -> bool:
        """The wire is lost, and another one will come: be declared anew over that, if the peer can have done nothing of
        it [J5]. Returns whether."""
        if self._stage == DECLARING:
            return True  # the declaration waits
        if self._stage == OVER or self._torn is not None or self._held:
            return False
        if self._stage == DISCHARGING and self.id is not None:
            return False
        first = self._first
        if self._begun and (first is None or not _waits(first)):
            return False
        if self.id is not None:
            self.id = None
            if first is not None:
                first.hold(FirstOfTransaction(None))
                self._unsent[first] = None
            self.declare_again()
        return True

    def declare_again(self) -> None:
        """The declaration was lost with the wire."""
        self._declare = self._control("amqp:declare:list", [None])

    def end(self, why: Condition, in_doubt: bool = False) -> None:
        """It cannot go on: it was not declared, or the peer has rolled it back; in_doubt: or has committed it."""
        if self._stage == OVER:
            return
        declared, sent = self._was_declared, self._discharge is not None and self._discharge.id is not None
        wanted = self._stage == DISCHARGING and not self.failed and self.condition is None
        self.in_doubt = in_doubt and wanted and sent
        if self.condition is None and not self.failed:
            self.condition = why
        self._drop(why)
        if declared:
            self._over(False)
        else:
            self._stage = OVER
            self._tell(TRANSACTION_DECLARE_FAILED)

    def _over(self, committed: bool) -> None:
        wanted = self._stage == DISCHARGING and not self.failed
        self._stage = OVER
        self._unsent.clear()
        pending, self._pending = self._pending, []
        if self._discharge is not None and self._discharge.id is None:
            self._discharge.abort()  # the next wire has no such transaction
        kind = TRANSACTION_COMMIT_FAILED if wanted else TRANSACTION_ABORTED
        try:
            self._tell(TRANSACTION_COMMITTED if committed else kind)
        finally:
            for delivery in pending:
                self._finish(delivery, committed)

    def _drop(self, why: Condition) -> None:
        """What has not left does not leave: the peer has no such transaction."""
        for delivery in filter(_waits, [*self._unsent]):
            if delivery.fate == OPEN:
                sender: Any = delivery.link
                sender.expire(delivery, why)
            else:
                delivery.abort()
        for delivery in self._held:
            delivery.queued = False
            if delivery.fate != OPEN:  # settled by its handler
                delivery.local_state, delivery.local_content = RELEASED, None
                delivery.resume()
            elif delivery not in self._pending:
                delivery.local_state, delivery.local_content = EMPTY, None
        self._held.clear()

    def _finish(self, delivery: Delivery, committed: bool) -> None:
        """A delivery has its outcome, or waits for another one: it is RELEASED, unless the application has given one
        in the meantime."""
        given = delivery.local_content
        if delivery.fate != OPEN or given is None or delivery.local_state is not TRANSACTIONAL_STATE:
            return
        if given.id != self.id:
            return  # it is of the next transaction now
        outcome = given.data[1] if isinstance(given.data, list) else None
        if committed and isinstance(outcome, Described):
            delivery.local_content = None
            # As itself: the peer does not know the transaction any more.
            delivery.update(Disposition.from_wire(outcome))
        else:
            delivery.local_content = None
            delivery.update(RELEASED)
        delivery.settle()

    def _tell(self, kind: EventType) -> None:
        """Call the method of `kind`. Where none listens, the log has the reason, if there is one."""
        event = Event(kind, self._discharge or self._declare)
        event.container = self._container
        event.__dict__["transaction"] = self
        handler = self.handler
        if handler is None:
            handler = self.txn_ctrl.session.handler or self.connection.handler or self._container.handler
        if compile_plan(handler, kind.method):
            event.dispatch(handler)
        elif self.condition is not None:
            self._unheard(kind, self.condition)

    def _unheard(self, kind: EventType, why: Condition) -> None:
        link, connection = self.txn_ctrl, self.connection
        if (link.state | link.session.state | connection.state) & Endpoint.LOCAL_CLOSED:
            return  # an application that closes does not ask for it
        gone = connection.error is not None or connection.state & Endpoint.REMOTE_CLOSED
        if gone and kind is not TRANSACTION_COMMIT_FAILED:
            return  # that is reported as the end of the connection
        what = "a transaction was rolled back"
        if kind is TRANSACTION_DECLARE_FAILED:
            what = "no transaction can be declared"
        elif kind is TRANSACTION_COMMIT_FAILED:
            what = "the commit of a transaction is in doubt" if self.in_doubt else "a transaction was not committed"
        text = "%s: %s: %s" % (connection.describe(), what, why.text)
        log.error("%s; no %s listens for it", text, kind.method, extra=log_fields(link, why))
        if kind is TRANSACTION_DECLARE_FAILED:
            self._container.note_failure(connection, TransactionException(text))
            connection.close()


def _of(given: Disposition, kind: DispositionType) -> Disposition:
    outcome = Disposition(kind)
    given.apply_to(outcome)
    outcome.type = kind
    return outcome


def _waits(delivery: Delivery) -> bool:
    """Whether a message has not left, and will."""
    return not delivery.has_left and delivery.fate in (OPEN, PRE_SETTLED)


def _reason(delivery: Any, otherwise: str) -> Condition:
    condition: Optional[Condition] = delivery.remote.condition
    return condition if condition is not None else Condition(TRANSACTION_ROLLBACK, otherwise)
