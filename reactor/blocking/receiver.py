"""BlockingReceiver: messages are taken one by one, and come ahead of that as far as its capacity allows."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Optional

from reactor.blocking.attachment import Attachment
from reactor.blocking.received import Outcome, ReceivedMessage
from reactor.blocking.waits import checked_capacity
from reactor.container.settings.options import Options
from reactor.engine.endpoints.disposition import ACCEPTED, REJECTED, RELEASED, ModifiedDisposition
from reactor.engine.handler import Handler
from reactor.errors import Empty, ReactorException, Timeout

if TYPE_CHECKING:
    from reactor.blocking.interface import SessionView
    from reactor.blocking.service import Service
    from reactor.blocking.waits import Patience


class BlockingReceiver:
    """Takes messages from one address; `BlockingSession.receiver` and `BlockingConnection.create_receiver` make it.

    link: the Receiver. It belongs to the thread that serves the connection.
    capacity: how many messages may come before they are asked for.
    """

    def __init__(
        self,
        session: SessionView,
        service: Service,
        address: Optional[str],
        capacity: int,
        dynamic: bool,
        name: Optional[str],
        options: Options,
        handler: Optional[object],
    ) -> None:
        self.capacity = checked_capacity(capacity, 0)
        self.session = session
        self._service = service
        self._has_handler = handler is not None
        self._arrived: deque[tuple[float, bytes, Any]] = deque()
        self._asked = False  # a request for more is on its way to the service
        self._drained = True  # the last drain is answered, and its messages have arrived
        self._attachment = Attachment(
            session,
            service,
            lambda events: service.container.create_receiver(
                session.session, address, name=name, dynamic=dynamic, options=options, handler=events, prefetch=0,
                auto_accept=False,
            ),
            _Arrivals(self) if handler is None else Handler(),
            handler,
            "opening the receiver from %r" % ("a dynamic node" if dynamic else address,),
        )  # fmt: skip
        if capacity:
            service.post(self._refill)

    @property
    def link(self) -> Any:
        return self._attachment.link

    @property
    def connection(self) -> Any:
        """The connection that it belongs to."""
        return self.session.connection

    @property
    def address(self) -> Optional[str]:
        """The address of the source, as the peer has named it."""
        return self.link.remote_source.address  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "<BlockingReceiver from %r, %d available>" % (self.address, self.available())

    # -- taking ------------------------------------------------------------------------------------------

    def receive(self, timeout: Patience = False) -> ReceivedMessage:
        """Take the next message, and wait for it.

        timeout: seconds; None: for ever; False (default): the connection's. Raises Timeout when it has passed: the
        message may still come then, for the next call; see `fetch`. LinkDetached or ConnectionException where the link
        or the connection ends.
        """
        if self._has_handler:
            raise ReactorException("receive(): the messages of this receiver go to its handler")
        if not self._arrived:
            self._ask()
            self._await_message(timeout, "receive(): waiting for a message from %r" % (self.address,))
        return self._take()

    def fetch(self, timeout: Patience = None) -> ReceivedMessage:
        """Take the next message, or raise Empty: the peer had none for us, and has none on its way (row Q8).

        timeout: seconds; None (default): for ever; 0: look once; False: the connection's.
        """
        if self._has_handler:
            raise ReactorException("fetch(): the messages of this receiver go to its handler")
        if not self._arrived:
            self._ask()
            try:
                self._await_message(timeout, "fetch()")
            except Timeout:
                self._drain()
        return self._take()

    def _await_message(self, timeout: Patience, name: str) -> None:
        def arrived() -> bool:
            if self._arrived:
                return True
            self._attachment.check(name)
            return False

        self.session.connection.wait(arrived, timeout, name)

    def _drain(self) -> None:
        """Have the peer send what it has, or give the credit back: then there is nothing on its way."""
        self._service.call(self._begin_drain, "fetch()")

        def answered() -> bool:
            self._attachment.check("fetch()")
            return bool(self._arrived) or self._drained

        self.session.connection.wait(answered, False, "fetch(): waiting for the answer to a drain")
        if self.capacity:
            self._ask()  # the credit that was given back
        if not self._arrived:
            raise Empty("no message from %r" % (self.address,))

    def _take(self) -> ReceivedMessage:
        _, payload, delivery = self._arrived.popleft()
        message = ReceivedMessage.from_bytes(payload)
        assert isinstance(message, ReceivedMessage)
        message.delivery, message.session = delivery, self.session
        if not delivery.fate:
            self.session.unsettled[message] = None
        if self.capacity and len(self._arrived) <= self.capacity // 2:
            self._ask()
        return message

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._service.post(self._refill)

    def available(self) -> int:
        """How many messages have come and were not taken."""
        return len(self._arrived)

    def first_arrival(self) -> float:
        """When the first of these came, by the container's clock."""
        return self._arrived[0][0] if self._arrived else float("inf")

    def unsettled(self) -> int:
        """How many messages were taken and not acknowledged."""
        return len(self._mine())

    def _mine(self) -> list[ReceivedMessage]:
        """Those, in the order of their taking."""
        return [message for message in list(self.session.unsettled) if message.delivery.link is self.link]

    def __iter__(self) -> BlockingReceiver:
        return self

    def __next__(self) -> ReceivedMessage:
        return self.fetch()

    # -- acknowledgement, in the order of taking ---------------------------------------------------------

    def accept(self) -> None:
        """ACCEPTED and settled: the first of the messages taken that is not."""
        self.settle(ACCEPTED)

    def reject(self) -> None:
        """REJECTED and settled, as `accept`."""
        self.settle(REJECTED)

    def release(self, delivered: bool = True) -> None:
        """As `accept`; delivered: True: the attempt has failed and counts, MODIFIED; False: RELEASED."""
        self.settle(ModifiedDisposition(True, False) if delivered else RELEASED)

    def settle(self, state: Optional[Outcome] = None) -> None:
        """Settle the first of the messages taken that is not; None: as ACCEPTED. ReactorException if there is none."""
        mine = self._mine()
        if not mine:
            raise ReactorException("no message of %r is to be settled" % (self,))
        self.session.acknowledge(mine[0], state, sync=False)

    def check(self, name: str) -> None:
        """Raise the reason why it cannot be used for `name`, if there is one."""
        self._attachment.check(name)

    # -- its end -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the link. Messages that were not taken, and those not settled, go back. Harmless when repeated."""
        self._attachment.end(True)

    def detach(self) -> None:
        """Detach it: a durable subscription stays."""
        self._attachment.end(False)

    def __enter__(self) -> BlockingReceiver:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- on the service's thread -------------------------------------------------------------------------

    def _refill(self) -> None:
        self._asked = False
        link = self.link
        missing = max(self.capacity, 1) - len(self._arrived) - link.credit
        if missing > 0 and not link.draining():
            link.flow(missing)

    def _begin_drain(self) -> None:
        self._drained = False
        self.link.drain(0)

    def arrived(self, delivery: Any, now: float) -> None:
        """A message has come."""
        self._arrived.append((now, delivery.take(), delivery))
        self.session.connection.changed()

    def answered(self) -> None:
        """The peer has told of its credit, or has aborted a message. The engine knows a drain's end when it reads it,
        and the events of the messages before are still to come then: so it is looked at here, behind them."""
        if not self.link.draining():
            self._drained = True
        self.session.connection.changed()


class _Arrivals(Handler):
    """The events of the receiver's deliveries."""

    def __init__(self, owner: BlockingReceiver) -> None:
        self.owner = owner

    def on_delivery(self, event: Any) -> None:
        delivery = event.context
        if delivery.aborted:
            delivery.settle()
            self.owner.answered()
        elif delivery.payload is not None and not delivery.partial:
            self.owner.arrived(delivery, event.container.now)

    def on_link_flow(self, event: Any) -> None:
        self.owner.answered()
