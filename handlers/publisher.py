"""Publisher: sends with confirms. So many messages may wait for their outcome, and outcomes are reported in the order
of sending.

It is the handler of its sender, and an application subclasses it or sets its methods. It knows deliveries and credit.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Optional, Union

from reactor import Connection, Container, Delivery, Event, Message, Sender, Session, Url
from reactor.engine.endpoints.delivery import OPEN
from reactor.engine.endpoints.disposition import TERMINAL
from reactor.engine.endpoints.endpoint import Endpoint
from reactor.engine.endpoints.receiver import check_count
from reactor.errors import ILLEGAL_STATE, LocalProtocolError

from .messaging import MessagingHandler

if TYPE_CHECKING:
    from reactor.codec.types import AnyValue


class Publisher(MessagingHandler):
    """Sends messages to one address, and gathers their outcomes (rows Q12, R8).

    capacity: how many messages may be without a reported outcome (1,000). It may be changed at any time. ValueError if
        it is no number of messages above 0.

    `open` makes the sender, `on_room` is the place to `send`, `on_outcome` reports what became of each message. Other
    callbacks are those of MessagingHandler, for this link.
    """

    def __init__(self, capacity: int = 1000) -> None:
        super().__init__(prefetch=0)
        if check_count("capacity", capacity) < 1:
            raise ValueError("capacity is 1 message at least")
        self.capacity = capacity
        self.sender: Optional[Sender] = None
        self._waiting: deque[Delivery] = deque()
        self._reporting = self._closing = False

    def open(
        self, container: Container, context: Union[Connection, Session, Url, str], target: Optional[str] = None,
        **keywords: AnyValue,
    ) -> Sender:
        """Make the sender: `container.create_sender(context, target, handler=self, **keywords)`. LocalProtocolError
        when it has one that is open."""
        if self.sender is not None and self.sender.state & Endpoint.LOCAL_ACTIVE:
            text = "open(): this publisher has %r: close that first, or make another Publisher"
            raise LocalProtocolError(ILLEGAL_STATE, text % (self.sender,), "link")
        self._closing = False
        self.sender = container.create_sender(context, target, handler=self, **keywords)
        return self.sender

    # -- sending -----------------------------------------------------------------------------------------

    def unsettled(self) -> int:
        """How many messages were sent and have no reported outcome. One with an outcome is reported when all that were
        sent before it have theirs."""
        return len(self._waiting)

    def available(self) -> int:
        """How many messages may be sent now: the capacity without those that are unsettled."""
        return max(0, self.capacity - len(self._waiting))

    def send(self, message: Message, tag: Union[str, bytes, None] = None) -> Delivery:
        """Send a message, and return its Delivery; it waits while the peer grants no credit. LocalProtocolError where
        nothing is available, and before `open` or after `close`; else as `Sender.send`. Nothing is sent then."""
        if self.sender is None or self._closing:
            text = "send(): call %s" % ("open() first" if self.sender is None else "open() again: it is closed")
            raise LocalProtocolError(ILLEGAL_STATE, text, "link")
        if not self.available():
            text = "send(): %d messages of %r wait for their outcome, and that is the capacity: wait for on_room"
            raise LocalProtocolError(ILLEGAL_STATE, text % (len(self._waiting), self.sender), "link")
        delivery = self.sender.send(message, tag)
        self._waiting.append(delivery)
        return delivery

    def close(self) -> None:
        """Close the sender as soon as each message has its outcome; nothing more can be sent."""
        self._closing = True
        if self.sender is not None and not self._waiting:
            self.sender.close()

    # -- for the application -----------------------------------------------------------------------------

    def on_room(self) -> None:
        """The peer has granted credit, and `available()` is above 0: messages can be sent. It is called again for each
        credit and for each outcome, as long as that is so."""

    def on_outcome(self, delivery: Delivery) -> None:
        """What became of a message, in the order of sending: `delivery.remote_state` is ACCEPTED, REJECTED, RELEASED or
        MODIFIED, and `delivery.remote` has its reason. It is none of these where there will be no outcome:
        `delivery.doubt` has the reason, or the message was sent pre-settled."""

    # -- events ------------------------------------------------------------------------------------------

    def on_sendable(self, event: Event) -> None:
        self._report()

    def on_settled(self, event: Event) -> None:
        self._report()

    on_accepted = on_rejected = on_released = on_in_doubt = on_settled

    def _report(self) -> None:
        if self._reporting:
            return  # an application that sends in on_outcome
        waiting = self._waiting
        self._reporting = True
        try:
            while waiting and (waiting[0].remote_state in TERMINAL or waiting[0].fate != OPEN):
                self.on_outcome(waiting.popleft())
        finally:
            self._reporting = False
        sender = self.sender
        if sender is None or not sender.may_go_on():
            return
        if self._closing:
            self.close()
        elif sender.credit > 0 and self.available():
            self.on_room()
