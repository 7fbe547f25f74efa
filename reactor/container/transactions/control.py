"""The control links of a container, over which transactions are declared and discharged [4.2, 4.3].

The container owns one `Transactions`, which makes a control link for each connection or session that is asked for a
transaction; the system handler calls it at their end. It knows links, and nothing of the work in transactions.
"""

from __future__ import annotations

from reactor.codec.types import symbol
from reactor.container import transactions
from reactor.container.settings.options import SenderOption
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import EMPTY
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.endpoints.terminus import Terminus
from reactor.engine.public import Connection, Delivery, Link, Sender, Session
from reactor.errors import ENDED, TransactionException
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional, Union

    from reactor.container.interface import TransactionHost
    from reactor.container.transactions.transaction import Transaction

    #: What a transaction is declared on: its links have part in it.
    Scope = Union[Connection, Session]

_ENDED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


class Control:
    """The handler of one control link.

    open: the transactions that are not over. waiting: acknowledgers that get the next one.
    """

    def __init__(self, container: TransactionHost) -> None:
        self.container = container
        self.link: Sender
        self.open: dict[Transaction, None] = {}
        self.waiting: dict[Any, None] = {}

    @property
    def has_ended(self) -> bool:
        """Whether no transaction can be declared over it any more."""
        link = self.link
        return bool((link.state | link.session.state | link.connection.state) & _ENDED)

    def lost(self, for_good: bool) -> None:
        """The link is gone, and the peer has rolled back the transactions, but for a commit that is under way.
        Declarations that have not left wait for the next wire, unless it is gone for good."""
        self._end([one for one in self.open if for_good or one.id is not None])

    def lost_wire(self) -> None:
        """The same, of the wire; there will be another one. Transactions of which the peer can have done nothing begin
        anew."""
        self._end([one for one in [*self.open] if not one.begin_again()])

    def _end(self, transactions: list[Transaction]) -> None:
        why = _why(self.link)
        for transaction in transactions:
            transaction.end(why, in_doubt=True)
            self.open.pop(transaction, None)

    def closed_here(self) -> None:
        """The application has closed the link, or its session. A discharge that waits to be written still leaves, and
        has its answer, or is in doubt."""
        why = Condition(ENDED, "the link to the coordinator was closed here, and the transaction ended with it")
        for transaction in [*self.open]:
            if not transaction.is_ending:
                transaction.end(why)
                self.open.pop(transaction, None)

    def on_delivery(self, event: Any) -> None:
        delivery = event.context
        if delivery.remote_state is not EMPTY or delivery.settled:
            delivery.transaction.handle_outcome(event)
            self._tidy(delivery.transaction)
            if self.waiting and delivery.transaction.active:
                waiting, self.waiting = self.waiting, {}
                for acknowledger in waiting:
                    acknowledger.begun(delivery.transaction)

    def on_delivery_in_doubt(self, event: Any) -> None:
        delivery = event.context
        transaction = delivery.transaction
        if transaction.id is None and not transaction.is_over and self.container.will_reconnect(self.link.connection):
            transaction.declare_again()
        else:
            transaction.end(delivery.doubt, in_doubt=True)
        self._tidy(transaction)

    def _tidy(self, transaction: Transaction) -> None:
        if transaction.is_over:
            self.open.pop(transaction, None)

    def on_link_remote_close(self, event: Any) -> None:
        """The peer refuses transactions, or ends all of them."""
        again = self.container.will_retry(self.link)
        self.lost(not again)
        if not again and self.link.state & Endpoint.LOCAL_ACTIVE:
            self.link.close()

    on_link_remote_detach = on_link_remote_close

    def on_link_local_close(self, event: Any) -> None:
        self.closed_here()

    on_link_local_detach = on_link_local_close


class Transactions:
    """The control links of one container."""

    def __init__(self, container: TransactionHost) -> None:
        self._container = container
        self._controls: dict[Scope, Control] = {}

    def declare(self, context: Scope, handler: Optional[object], settle_before_discharge: bool) -> Transaction:
        """As Container.declare_transaction."""
        if not isinstance(context, (Connection, Session)):
            raise TypeError("a transaction is declared on a Connection or a Session, not on %r" % (context,))
        control = self._controls.get(context)
        if control is None or control.has_ended:
            control = Control(self._container)
            control.link = self._container.create_sender(context, None, handler=control, options=_ToCoordinator())
            self._controls[context] = control
        transaction = transactions.Transaction(control.link, handler, settle_before_discharge)
        control.open[transaction] = None
        return transaction

    def running(self, session: Session, acknowledger: Any) -> Optional[Transaction]:
        """The active transaction of a session, or of its connection; None while there is none, and then
        `acknowledger.begun(transaction)` is called when there is. TransactionException where none was declared, or
        several are active."""
        found = (self._controls.get(session), self._controls.get(session.connection))
        controls = [control for control in found if control is not None]
        active = [transaction for control in controls for transaction in control.open if transaction.active]
        if len(active) > 1:
            text = "acknowledge_mode TRANSACTED: %r has %d active transactions, and a message is of one: "
            raise TransactionException(text % (session, len(active)) + "use mode None and transaction.accept(delivery)")
        if not controls:
            text = "acknowledge_mode TRANSACTED: no transaction was declared on %r: call "
            raise TransactionException(text % (session,) + "declare_transaction(session) before messages come")
        for control in controls:
            if not active:
                control.waiting[acknowledger] = None
        return active[0] if active else None

    @staticmethod
    def left(delivery: Delivery) -> None:
        """A delivery has left, or never will. If it is one of a transaction, that may wait for it."""
        transaction: Optional[Transaction] = delivery.__dict__.get("transaction")
        if transaction is not None:
            transaction.left(delivery)

    def lost(self, connection: Connection, for_good: bool) -> None:
        """A connection has no wire any more; for_good: nor will it have another one."""
        for context, control in [*self._controls.items()]:
            if connection is context.connection:
                if for_good:
                    del self._controls[context]
                    control.lost(for_good)
                else:
                    control.lost_wire()

    def ended(self, session: Session) -> None:
        """A session has ended here, or its peer has ended it."""
        for context, control in [*self._controls.items()]:
            if session is not control.link.session:
                continue
            if session.state & Endpoint.LOCAL_CLOSED:
                del self._controls[context]
                control.closed_here()
            else:
                again = self._container.will_retry(session)
                if not again:
                    del self._controls[context]
                control.lost(not again)


class _ToCoordinator(SenderOption):
    """Makes a sender one to the coordinator of transactions [4.5.1]."""

    def apply(self, sender: Sender) -> None:
        sender.target.type = Terminus.COORDINATOR
        sender.target.capabilities.put_object(symbol("amqp:local-transactions"))
        outcomes = ("accepted", "rejected", "released", "modified")
        sender.source.outcomes.put_object([symbol("amqp:%s:list" % name) for name in outcomes])
        sender.resend = False  # a transaction dies with its wire, and so do the requests about it
        sender.snd_settle_mode = Link.SND_UNSETTLED  # each has an outcome [4.2]


def _why(link: Sender) -> Condition:
    """Why the control link is gone."""
    for end in (link, link.session, link.connection):
        if end.remote_condition is not None:
            return end.remote_condition
    error: Optional[Condition] = link.connection.error
    return error or Condition(ENDED, "the link to the coordinator is gone, and the transaction with it")
