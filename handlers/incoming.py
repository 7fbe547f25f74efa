"""Incoming messages: a delivery becomes `on_message`, and the application's decision becomes its outcome.

This is one half of the acknowledgement contract (reactor/ACKNOWLEDGEMENT.md); the other half, what an update
means and when it is too late for one, is the delivery's own. IncomingMessageHandler is on the hot path: it is
one Python call around `on_message`, and whatever it needs it looks up without one. It knows deliveries and
messages, and nothing of frames, credit or connections.
"""

from __future__ import annotations

from reactor import (
    ACCEPTED,
    MODIFIED,
    REJECTED,
    RELEASED,
    Condition,
    Delivery,
    DispositionType,
    Endpoint,
    Event,
    Handler,
    Message,
    Reject,
    Release,
)
from reactor.engine.endpoints.delivery import SETTLED_NOW
from reactor.engine.endpoints.disposition import TRANSACTIONAL_STATE
from reactor.engine.events import defined, is_coroutine, run_later
from reactor.engine.handler import INCOMING
from reactor.errors import DECODE_ERROR, NOT_IMPLEMENTED, REJECTED_BY_APPLICATION, DataException, DecodeError
from reactor.lazily import TYPE_CHECKING
from reactor.loop.loggers import log_fields, logger
from reactor.shown import shown

from .endpoint import call, condition_text, link_text, tell

if TYPE_CHECKING:
    from typing import Any, Optional, Union

log = logger(__name__)

LOCAL_CLOSED = Endpoint.LOCAL_CLOSED

LONGEST_REASON = 65536  #: bytes of a frame with the reason of a rejection


def take_changes(event: Any, delivery: Any) -> int:
    """The changes by the peer's update that `event` is about: STATE_CHANGED, SETTLED_NOW, or both.

    Two updates of one read make two events; the first is about both, and the second about nothing. Of
    several handlers each sees the same changes.
    """
    changes: int = delivery.changes
    if changes:
        delivery.changes = 0
        event.changes = changes
        return changes
    return event.__dict__.get("changes", 0)  # type: ignore[no-any-return]  # it was put there


def rejection(error: Reject, transport: Any) -> Condition:
    """The condition of a Reject that was raised with an argument: as much of it as fits a frame."""
    why = error.args[0]
    if isinstance(why, Condition):
        return why
    frame = 0 if transport is None else min(transport.remote_max_frame_size, LONGEST_REASON)
    text = str(error).encode("utf-8", "replace")[: max(frame - 128, 0)].decode("utf-8", "ignore")
    return Condition(REJECTED_BY_APPLICATION, text)


class Acking:
    """The acknowledgement of a delivery, in one call each."""

    def accept(self, delivery: Delivery) -> None:
        """It was processed: ACCEPTED and settled."""
        self.settle(delivery, ACCEPTED)

    def reject(self, delivery: Delivery) -> None:
        """No receiver can ever process it: REJECTED and settled. `delivery.local.condition` may have the
        reason."""
        self.settle(delivery, REJECTED)

    def release(
        self, delivery: Delivery, delivered: bool = True, failed: bool = True, undeliverable: bool = False
    ) -> None:
        """It was not processed and may be tried again, here or elsewhere.

        delivered: True: it was tried and counts: MODIFIED. False: it was never looked at: RELEASED, which
            raises no delivery count, and the two arguments below mean nothing.
        failed: the attempt failed, so the delivery count goes up (delivery-failed, True).
        undeliverable: do not send it to this receiver again (undeliverable-here, False).
        """
        if delivered:
            local = delivery.local
            local.failed, local.undeliverable = failed, undeliverable
            self.settle(delivery, MODIFIED)
        else:
            self.settle(delivery, RELEASED)

    def settle(self, delivery: Delivery, state: Union[DispositionType, int, None] = None) -> None:
        """Settle, with `state` as the outcome; with None whatever was said before stands.

        Raises LocalProtocolError when the delivery has been settled with another outcome.
        """
        if state is not None:
            delivery.update(state)
        delivery.settle()


class _GiveBack:
    """Settles a delivery when it has been kept long enough."""

    def __init__(self, delivery: Any) -> None:
        self.delivery = delivery

    def on_timer_task(self, event: Event) -> None:
        self.delivery.settle_with(MODIFIED)


class IncomingMessageHandler(Handler, Acking):
    """Calls `on_message`, `on_settled` and `on_aborted` for incoming deliveries.

    auto_accept: a delivery that `on_message` neither settles nor gives an outcome is ACCEPTED and settled when it
        returns; an outcome that it gave is settled. With False both stay until the application settles, at
        any time. A receiver's own `auto_accept` comes first, unless it is None.
    delegate: the object with those methods; without one they are looked for on this object: override them in a
        subclass.
    retry_delay: seconds for which a message that has failed is kept before it is given back to a peer that takes no
        MODIFIED, and so counts no failures; default 1.

    Leaving `on_message` by `raise Reject` makes it REJECTED, with the text of the exception if it has one; by
    `raise Release` MODIFIED with delivery-failed; by any other exception MODIFIED with delivery-failed too, and
    the exception goes on, out of `run()`. An outcome that was given before stands in each case.

    A message with a body that cannot be decoded is REJECTED with ``amqp:decode-error``, reported by
    `on_decode_error`, and `on_message` is not called. The other sections are decoded when they are first
    touched; a fault there has the same end when it leaves `on_message`.
    """

    retry_delay: float = 1.0

    def __init__(self, auto_accept: bool = True, delegate: object = None) -> None:
        self.delegate = delegate
        self.auto_accept = auto_accept
        # The object to call: the delegate itself, so that a message costs no call in between; but a subclass that
        # has an on_message of its own, or a delegate that has none, is reached through this object.
        own = type(self).on_message is not IncomingMessageHandler.on_message
        self._target: Any = self if own or not hasattr(delegate, "on_message") else delegate
        if is_coroutine(getattr(self._target, "on_message", None)):
            self.__dict__["on_delivery"] = self.on_delivery_later  # chosen once: others pay nothing for it

    @INCOMING
    def on_delivery(self, event: Event) -> None:
        """The engine's event: bytes came, or the peer changed or settled something."""
        delivery = event.context
        link = delivery.link
        if link.is_sender:
            return
        # One that was aborted has no payload.
        if delivery.payload is None or delivery.partial or delivery.remote_state is TRANSACTIONAL_STATE:
            self._no_message(event, delivery)
            return
        if (link.state | link.session.state | link.session.connection.state) & LOCAL_CLOSED:
            # After a close the application expects no message, and could not acknowledge it.
            delivery.take()
            delivery.settle_with(RELEASED)
            return
        try:
            event.message = message = Message.from_bytes(delivery.take(False))
            message.origin = delivery
            message.load_body()  # for its error: no call for a body that cannot be decoded
            if link.screen is None or link.screen(event):
                self._target.on_message(event)
        except BaseException as error:
            self._failed(event, delivery, error)
        else:
            auto_accept = link.auto_accept
            if self.auto_accept if auto_accept is None else auto_accept:
                delivery.settle_with(ACCEPTED)
            elif link.acknowledger is not None:
                link.acknowledger.processed(delivery)

    @INCOMING
    def on_delivery_later(self, event: Event) -> None:
        """As on_delivery, of an `on_message` that is a coroutine: its end brings the outcome."""
        delivery = event.context
        link = delivery.link
        closed = (link.state | link.session.state | link.session.connection.state) & LOCAL_CLOSED
        absent = delivery.payload is None or delivery.partial or delivery.remote_state is TRANSACTIONAL_STATE
        if link.is_sender or closed or absent:
            type(self).on_delivery(self, event)
            return
        try:
            event.message = message = Message.from_bytes(delivery.take(False))
            message.origin = delivery
            message.load_body()
            if link.screen is None or link.screen(event):
                if run_later(self._target.on_message(event), event, self.finished):
                    return
        except BaseException as error:
            self._failed(event, delivery, error)
        else:
            self.finished(event, None)

    def finished(self, event: Event, error: Optional[BaseException]) -> None:
        """The coroutine of on_message has returned, or was left by `error`."""
        delivery = event.context
        auto_accept = delivery.link.auto_accept
        if error is not None:
            self._failed(event, delivery, error)
        elif self.auto_accept if auto_accept is None else auto_accept:
            delivery.settle_with(ACCEPTED)
        elif delivery.link.acknowledger is not None:
            delivery.link.acknowledger.processed(delivery)

    def _no_message(self, event: Event, delivery: Any) -> None:
        if delivery.remote_state is TRANSACTIONAL_STATE and delivery.payload is not None and not delivery.aborted:
            if not delivery.partial:
                self._refuse(delivery)
        elif delivery.aborted:
            if delivery.payload is not None:
                delivery.take()
            tell(self.on_aborted, event)
            delivery.settle()
        elif take_changes(event, delivery) & SETTLED_NOW:
            tell(self.on_settled, event)  # the engine has settled it, too; later frames of it are not dropped

    @staticmethod
    def _refuse(delivery: Any) -> None:
        """A message of a transaction, which its sender may roll back: there are none here. One that came settled
        can have no outcome, so that the link has to end."""
        why = Condition(NOT_IMPLEMENTED, "a message in a transaction; there are no transactions here")
        text, fields = "delivery %s of link %s was rejected: %s", log_fields(delivery, why)
        log.error(text, delivery.tag, delivery.link.name, why.description, extra=fields)
        delivery.take()
        if delivery.fate:
            delivery.link.condition = why
            delivery.link.close()
        else:
            delivery.local.condition = why
            delivery.settle_with(REJECTED)

    def _failed(self, event: Event, delivery: Any, error: BaseException) -> None:
        """on_message was left by `error`, or was not reached."""
        if isinstance(error, Reject):
            try:
                if error.args and not delivery.local_state and delivery.local.condition is None:
                    delivery.local.condition = rejection(error, event.transport)
                delivery.settle_with(REJECTED)
                return
            except DataException as unwritable:  # the condition that it was raised with
                delivery.local.condition = None
                error = unwritable
        if isinstance(error, DecodeError) and self._undecodable(event.message):
            if not delivery.local_state:
                delivery.local.condition = Condition(DECODE_ERROR, error.description)
            delivery.settle_with(REJECTED)
            tell(self.on_decode_error, event)
        else:
            if not delivery.local_state:
                delivery.local.failed = True
            if delivery.local_state or delivery.fate or delivery.link.takes_modified() or event.container is None:
                delivery.settle_with(MODIFIED)
            else:
                # RELEASED raises no count: the peer would send it again at once, and so for ever.
                event.container.schedule(self.retry_delay, _GiveBack(delivery))
            if not isinstance(error, Release):
                raise error

    @staticmethod
    def _undecodable(message: Optional[Message]) -> bool:
        """Whether the message at hand is at fault, and not another one that the application decoded."""
        if message is None:
            return True
        try:
            message.check()
        except DecodeError:
            return True
        return False

    # -- the application's methods: the delegate's, unless a subclass overrides them ---------------------

    def on_message(self, event: Event) -> None:
        """A message came: `event.message`, to be acknowledged by `event.delivery`."""
        call(self.delegate, "on_message", event)

    def on_settled(self, event: Event) -> None:
        """The peer settled a delivery before, or after, we did: nothing more will be said about it."""
        call(self.delegate, "on_settled", event)

    def on_aborted(self, event: Event) -> None:
        """The sender gave a message up when it had sent a part of it; there is nothing to acknowledge."""
        call(self.delegate, "on_aborted", event)

    def on_decode_error(self, event: Event) -> None:
        """A message could not be decoded and was rejected; `event.delivery.local.condition` has the reason."""
        if defined(self.delegate, "on_decode_error") is not None:
            call(self.delegate, "on_decode_error", event)
        else:
            delivery = event.delivery
            text = condition_text(delivery.local.condition)
            where, tag = event.connection.describe(), shown(delivery.tag)
            line, fields = "%s: delivery %s of %s was rejected: %s", log_fields(delivery, delivery.local.condition)
            log.error(line, where, tag, link_text(event.link), text, extra=fields)
