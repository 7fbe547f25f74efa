"""Screens: options of a receiver that keep messages away from `on_message`, and give them an outcome instead.

`create_receiver(options=...)` takes them; for a receiver that a peer has asked for, `apply` them in `on_link_opening`.
They know messages and deliveries. `IncomingMessageHandler` calls them, in the order in which they were given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from reactor.container.settings.keywords import check_seconds
from reactor.container.settings.options import ReceiverOption
from reactor.engine.endpoints.disposition import (
    REJECTED,
    TERMINAL,
    Disposition,
    DispositionType,
    ModifiedDisposition,
)
from reactor.engine.endpoints.receiver import check_count
from reactor.engine.public import Delivery, Receiver
from reactor.lazily import Lazily
from reactor.loop.loggers import log_fields, logger
from reactor.shown import shown

if TYPE_CHECKING:
    import logging

    from reactor.codec.types import AnyValue
else:
    logging = Lazily("logging")

log = logger(__name__)

Outcome = Union[Disposition, DispositionType, int]


class Screen(ReceiverOption):
    """A receiver's screen. outcome: of messages that it keeps away.

    None (default): MODIFIED, with delivery-failed and undeliverable-here, as JMS has it; REJECTED for a peer that takes
    no MODIFIED, and would send a message again and again that is released. ValueError for a state that is no outcome.
    """

    def __init__(self, outcome: Optional[Outcome] = None) -> None:
        kind = outcome.type if isinstance(outcome, Disposition) else outcome
        if outcome is not None and kind not in TERMINAL:
            raise ValueError("an outcome is ACCEPTED, REJECTED, RELEASED or MODIFIED, not %r" % (outcome,))
        self.outcome = outcome
        self.kept_away = 0  #: the number of messages

    def apply(self, receiver: Receiver) -> None:
        before, own = receiver.screen, self.admits
        receiver.screen = own if before is None else _both(before, own)

    def admits(self, event: AnyValue) -> bool:
        """Whether `on_message` is called with `event.message`; if not, the delivery has its outcome."""
        why = self.reason(event)
        if why is None:
            return True
        self.kept_away += 1
        delivery = event.delivery
        if not delivery.fate:
            delivery.finish(self._outcome(delivery))
        if log.isEnabledFor(logging.INFO):
            tag, link = shown(delivery.tag), delivery.link
            text = "%s: %s: message %s was kept away: %s"
            log.info(text, link.connection.describe(), link.describe(), tag, why, extra=log_fields(delivery))
        return False

    def reason(self, event: AnyValue) -> Optional[str]:
        """Why the message is kept away; None: it is not. Subclasses say."""
        return None

    def _outcome(self, delivery: Delivery) -> Outcome:
        if self.outcome is None and not delivery.link.takes_modified():  # type: ignore[attr-defined]  # a receiver
            return REJECTED
        return ModifiedDisposition(True, True) if self.outcome is None else self.outcome


def _both(first: Callable[[Any], bool], second: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda event: first(event) and second(event)


class RedeliveryPolicy(Screen):
    """Messages that have failed too often do not come to `on_message` (row J9).

    max_redeliveries: so many times a message may come again: with 0 it comes once. Its delivery count decides, which
        brokers raise for MODIFIED with delivery-failed, and most for a lost connection; not for RELEASED. ValueError
        if negative.
    outcome: of those that have come more often; see Screen.
    """

    def __init__(self, max_redeliveries: int, outcome: Optional[Outcome] = None) -> None:
        super().__init__(outcome)
        self.max_redeliveries = check_count("max_redeliveries", max_redeliveries)

    def reason(self, event: AnyValue) -> Optional[str]:
        count = event.message.delivery_count
        if count <= self.max_redeliveries:
            return None
        return "it was delivered %d times before, and %d are allowed" % (count, self.max_redeliveries)


class LocalExpiry(Screen):
    """Messages that have expired on their way, or while they waited here, do not come to `on_message` (row J12).

    One has expired when its `expiry_time` is over; without that, when its `ttl` is over since its `creation_time`. A
    message with neither does not expire here. A time before 1970 is none: programs of .NET send the year 1 where there
    is none (apache/activemq-nms-amqp#8). The container's date decides (`Container.today`).

    leeway: seconds by which the clocks of sender and receiver may differ (0). ValueError if negative.
    outcome: of those that have expired; see Screen.
    """

    def __init__(self, leeway: float = 0.0, outcome: Optional[Outcome] = None) -> None:
        super().__init__(outcome)
        check_seconds("leeway", leeway)
        self.leeway = leeway

    def reason(self, event: AnyValue) -> Optional[str]:
        message = event.message
        expiry = message.expiry_time
        if expiry <= 0 and message.ttl and message.creation_time > 0:
            expiry = message.creation_time + message.ttl
        if expiry <= 0:
            return None
        late = event.container.today() - expiry - self.leeway
        return "it has expired %.3g s ago" % late if late > 0 else None


__all__ = ["LocalExpiry", "RedeliveryPolicy", "Screen"]

