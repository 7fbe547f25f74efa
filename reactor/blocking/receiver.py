"""BlockingReceiver: messages are taken one by one, and come ahead of that as far as its capacity allows."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.blocking.attachment import Attachment
from reactor.blocking.explained import explained, not_taken
from reactor.blocking.progress import Callback, Progress
from reactor.blocking.received import Outcome, ReceivedMessage
from reactor.blocking.waits import checked_capacity
from reactor.codec.message import Message
from reactor.container.explain.explainer import PATIENCE
from reactor.container.explain.sentences import Explanation
from reactor.container.settings.options import AtMostOnce
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.delivery import LOST
from reactor.engine.endpoints.disposition import (
    ACCEPTED,
    REJECTED,
    RELEASED,
    ModifiedDisposition,
    RejectedDisposition,
)
from reactor.engine.events import Event
from reactor.engine.handler import Handler
from reactor.engine.modes import AcknowledgeMode
from reactor.errors import DecodeError, Empty, ReactorException, Timeout

if TYPE_CHECKING:
    from reactor.blocking.acknowledging import Acknowledgements
    from reactor.blocking.interface import SessionView
    from reactor.blocking.service import Service
    from reactor.blocking.waits import Patience
    from reactor.container.settings.options import Options


Arrived = tuple[float, Any, Any]
"""A message that has come: when, by the container's clock; its bytes, or a LongPayload; its Delivery."""


class BlockingReceiver:
    """Takes messages from one address; `BlockingSession.receiver` and `BlockingConnection.create_receiver` make it.

    link: the Receiver. It belongs to the thread that serves the connection.
    capacity: how many messages may come before they are asked for. acknowledge_mode: an AcknowledgeMode.
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
        mode: AcknowledgeMode,
    ) -> None:
        self._capacity = checked_capacity(capacity, 0)
        self.acknowledge_mode = mode
        self.session = session
        self._acknowledgements: Acknowledgements = session.acknowledgements
        self._service = service
        self._has_handler = handler is not None
        self._arrived: deque[Arrived] = deque()
        self._takers = 0  # threads that wait for a message
        self._is_watched = False  # its messages were waited for with a function for their progress
        self._coming = 0  # bytes of the message that is coming
        self._taken = 0  # since credit was asked for
        self._wanted = 0  # most of them since credit was granted: one that looks once has gone on by then
        self._has_news = False  # messages have arrived in this round
        self._lock = threading.Lock()
        self._drained = True  # the last drain is answered, and its messages have arrived
        self._kept_away = 0  # messages, by the receiver's options
        self._attachment = Attachment(
            session,
            service,
            lambda events: service.container.create_receiver(
                session.session, address, name=name, dynamic=dynamic, options=_options(options, mode), handler=events,
                prefetch=0, auto_accept=False,
            ),
            _Arrivals(self) if handler is None else Handler(),
            handler,
            "opening the receiver from %r" % ("a dynamic node" if dynamic else address,),
        )  # fmt: skip
        if capacity:
            self._ask()

    @property
    def capacity(self) -> int:
        """See the class. It can be set; ValueError for what is no number of messages."""
        return self._capacity

    @capacity.setter
    def capacity(self, capacity: int) -> None:
        self._capacity = checked_capacity(capacity, 0)
        self._ask()

    @property
    def link(self) -> Any:
        return self._attachment.link

    @property
    def connection(self) -> Any:
        """The connection that it belongs to."""
        return self.session.connection

    @property
    def address(self) -> Optional[str]:
        """The address of the source, as the peer has named it; between two wires as it was asked for."""
        return self.link.remote_source.address or self.link.source.address  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "<BlockingReceiver from %r, %d available>" % (self.address, self.available())

    # -- taking ------------------------------------------------------------------------------------------

    def receive(self, timeout: Patience = False, *, progress: Optional[Callback] = None) -> ReceivedMessage:
        """Take the next message, and wait for it.

        timeout: seconds; None: for ever; False (default): the connection's. Raises Timeout when it has passed: the
        message may still come then, for the next call; see `fetch`. LinkDetached or ConnectionException where the link
        or the connection ends.

        progress: called on this thread, while it waits, with the bytes that have come of the message that is coming,
            and None: their number in all is not known. An exception of it leaves the call, and the message comes.
        """
        if self._has_handler:
            raise ReactorException("receive(): the messages of this receiver go to its handler")
        if timeout is not False:
            self.session.connection.deadline(timeout)  # a wrong one is found before a message is taken
        arrived = self._next_admitted()
        if arrived is None:
            arrived = self._await("receive(): waiting for a message from %r", timeout, progress)
        return self._take(arrived)

    def fetch(self, timeout: Patience = None, *, progress: Optional[Callback] = None) -> ReceivedMessage:
        """Take the next message, or raise Empty: the peer had none for us, and has none on its way (row Q8).

        timeout: seconds; None (default): for ever; 0: look once; False: the connection's. progress: as of `receive`.
        Raises Timeout, and not Empty, where the connection is away when it has passed: the peer cannot be asked.
        """
        if self._has_handler:
            raise ReactorException("fetch(): the messages of this receiver go to its handler")
        if timeout is not None:
            self.session.connection.deadline(timeout)
        arrived = self._next_admitted()
        if arrived is None:
            try:
                arrived = self._await("fetch(): waiting for a message from %r", timeout, progress)
            except Timeout:
                arrived = self._drain()
        return self._take(arrived)

    def _next_arrived(self) -> Optional[Arrived]:
        try:
            while True:
                arrived = self._arrived.popleft()
                if arrived[2].fate != LOST:  # else it has gone back, and comes again, here or elsewhere
                    return arrived
        except IndexError:  # another thread may have taken the last one
            return None

    def _next_admitted(self) -> Optional[Arrived]:
        """The next one that the options of the receiver do not keep away."""
        while True:
            arrived = self._next_arrived()
            if arrived is None or self.link.screen is None:
                return arrived
            try:
                admitted = self._service.call(partial(self._admits, arrived), "receive()")
            except BaseException:  # Ctrl-C, or the end of the connection
                self._arrived.appendleft(arrived)
                raise
            if admitted:
                return arrived
            self._kept_away += 1
            self._ask()

    def _await(self, name: str, timeout: Patience, progress: Optional[Callback]) -> Arrived:
        """Wait for a message, with credit for it."""
        watch = None if progress is None else Progress(progress, None)
        self._acknowledgements.flush()
        with self._lock:
            self._takers += 1
            self._wanted = max(self._wanted, self._takers)
        try:
            self._ask()
            arrived = self._await_arrival(name % (self.address,), timeout, lambda: self._is_in_vain(watch))
            assert arrived is not None
            if watch is not None:
                watch.done = len(arrived[1])
                watch.tell()
            return arrived
        finally:
            with self._lock:
                self._takers -= 1

    def _is_in_vain(self, watch: Optional[Progress]) -> bool:
        if watch is not None:
            self._is_watched = True
            watch.done = self._coming
            watch.tell()
        return False

    def _await_arrival(self, name: str, timeout: Patience, in_vain: Callable[[], bool]) -> Optional[Arrived]:
        """Wait for a message, or until there will be none: None."""
        found: list[Optional[Arrived]] = []

        def ready() -> bool:
            over = in_vain()  # before the look: a message that has arrived since then is seen
            arrived = self._next_admitted()
            if arrived is not None or over:
                found.append(arrived)
                return True
            self._attachment.check(name)
            return False

        try:
            self.session.connection.wait(ready, timeout, name)
        except BaseException:
            if found and found[0] is not None:  # Ctrl-C, between its being found and its being returned
                self._arrived.appendleft(found[0])
            raise
        return found[0]

    def _drain(self) -> Arrived:
        """Have the peer send what it has, or give the credit back: then there is nothing on its way. Raises Empty."""
        connection = self.session.connection
        text = "fetch(): waiting for the answer to a drain"
        while True:
            kept_away = self._kept_away
            if not connection.away:
                self._service.call(self._begin_drain, "fetch()")
            arrived = self._await_arrival(text, False, lambda: self._drained or connection.away)
            if arrived is not None:
                return arrived
            if connection.away:
                raise Timeout("fetch(): the connection is away, and %r cannot be asked" % (self.address,)) from None
            if kept_away == self._kept_away:
                raise Empty("no message from %r" % (self.address,)) from None

    def _take(self, arrived: Arrived) -> ReceivedMessage:
        delivery = arrived[2]
        try:
            message: Any = ReceivedMessage.from_bytes(arrived[1])
        except DecodeError as error:  # no receiver can ever read it
            why = RejectedDisposition(Condition(error.condition, str(error)))
            self._service.post(lambda: delivery.finish(why))
            raise
        message.origin, message.session, message.acknowledge_mode = delivery, self.session, self.acknowledge_mode
        self._acknowledgements.taken(message, self.acknowledge_mode)
        if self._takers:
            self._ask()
        elif self._capacity:
            self._taken += 1  # threads may lose one: another asks a little later then
            if self._taken * 2 >= self._capacity:
                self._taken = 0
                self._service.give_way(self._refill)
        return message  # type: ignore[no-any-return]

    def _ask(self) -> None:
        self._service.post(self._refill)

    def available(self) -> int:
        """How many messages have come and were not taken."""
        return len(self._arrived)

    def first_arrival(self) -> float:
        """When the first of these came, by the container's clock."""
        return self._arrived[0][0] if self._arrived else float("inf")

    def explain(self, patience: float = PATIENCE) -> Explanation:
        """Why nothing comes; see `reactor.explain`."""
        first = max(0.0, self._service.now() - self.first_arrival())
        return explained(self.link, patience, *not_taken(repr(self), self.available(), first))

    def unsettled(self) -> int:
        """How many messages were taken and not acknowledged."""
        return len(self._acknowledgements.of_link(self.link))

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
        self.session.check("settle()")
        if not self._acknowledgements.acknowledge_first(self._attachment.link, state):
            raise ReactorException("no message of %r is to be settled" % (self,))

    def check(self, name: str) -> None:
        """Raise the reason why it cannot be used for `name`, if there is one."""
        self._attachment.check(name)

    # -- its end -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the link. Messages that were not taken, and those not settled, go back. Harmless when repeated."""
        self._attachment.end(True)
        self.session.forget(self.link)

    def detach(self) -> None:
        """Detach it: a durable subscription stays."""
        self._attachment.end(False)
        self.session.forget(self.link)

    def __enter__(self) -> BlockingReceiver:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- on the service's thread -------------------------------------------------------------------------

    def lost(self) -> None:
        """See `BlockingSession.lost`. Messages that were not taken come again, unless they are settled, and are none
        here; there is to be credit for them."""
        arrived = self._next_arrived()
        if arrived is not None:
            self._arrived.appendleft(arrived)
        attachment = self._attachment
        if (self._capacity or self._takers) and not (attachment.closing or attachment.failed):
            self._refill()

    def _refill(self) -> None:
        if not self.link.draining():  # else it is looked at again when that is answered
            missing = self._missing()
            if missing:
                self.link.flow(missing)

    def _missing(self) -> int:
        """The credit to be granted."""
        with self._lock:
            wanted, self._wanted = max(self._capacity, self._wanted, self._takers), 0
        credit: int = self.link.credit
        return max(0, wanted - len(self._arrived) - credit)

    def _admits(self, arrived: Arrived) -> bool:
        """Whether the receiver's options let the message through; else it has an outcome now."""
        event: Any = Event(Event.DELIVERY, arrived[2])
        event.container = self._service.container
        try:
            event.message = Message.from_bytes(arrived[1])
        except DecodeError:
            return True  # the taker has the error
        return bool(self.link.screen(event))

    def _begin_drain(self) -> None:
        self._drained = False
        # One that an option has kept away, or that another thread has taken, has used up the credit of this call.
        self.link.drain(max(self._missing(), 1 - len(self._arrived) - self.link.credit))
        self.answered()  # without credit there is nothing to be given back

    def coming(self, size: int) -> None:
        """So much of a message has come."""
        self._coming = size
        if self._is_watched:
            self.session.connection.changed()

    def arrived(self, delivery: Any, now: float) -> None:
        """A message has come."""
        self._coming = 0
        self._arrived.append((now, delivery.take(False), delivery))
        if not self._has_news:
            self._has_news = True
            self._service.at_end_of_round(self._tell)

    def _tell(self) -> None:
        """At the end of a round in which messages have arrived: wake the threads that wait for them, and grant credit
        for those that were taken meanwhile, before a thread has to ask."""
        self._has_news = False
        self._service.wake()
        link = self.link
        if not self._drained:
            self.answered()
        missing = self._capacity - len(self._arrived) - link.credit
        if missing > self._capacity // 4 and self._drained and not self._attachment.closing:
            link.flow(missing)

    def answered(self) -> None:
        """The peer has told of its credit, a message has arrived, or was aborted. The engine knows a drain's end when
        it reads it, and the events of the messages before are still to come then: so it is looked at here."""
        link = self.link
        if not self._drained and not link.draining() and not link.queued:
            self._drained = True
            if self._capacity or self._takers or self._wanted:
                self._refill()  # the credit that was given back
        self.session.connection.changed()

    def release_arrived(self, outcome: Outcome) -> None:
        """Give messages that were not taken this outcome."""
        while True:
            arrived = self._next_arrived()
            if arrived is None:
                return
            arrived[2].finish(outcome)


def _options(options: Options, mode: AcknowledgeMode) -> Options:
    """Those of a receiver of this mode."""
    return options if mode is not AcknowledgeMode.NONE else [AtMostOnce(), *_listed(options)]


def _listed(options: Options) -> list[Any]:
    return [] if options is None else list(options) if isinstance(options, (list, tuple)) else [options]


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
        elif delivery.partial:
            self.owner.coming(delivery.link.received)

    def on_link_flow(self, event: Any) -> None:
        self.owner.answered()
        self.owner.connection.confirmations.flowed(event.link)

    def on_link_remote_close(self, event: Any) -> None:
        self.owner.connection.confirmations.gone(event.link)
        if event.container.will_retry(event.link):
            self.owner.session.lost()

    on_link_remote_detach = on_link_remote_close
