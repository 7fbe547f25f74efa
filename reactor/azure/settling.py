"""Locks and outcomes of Azure Service Bus, and the time at which a message is to appear.

A message that is not settled when it comes is locked, and its delivery-tag is the lock token: a UUID of 16 bytes in
the order of .NET [1, the note on lock tokens; 2, `lock_token`]. Outcomes mean: ACCEPTED complete, MODIFIED abandon, or
defer where it is undeliverable here, REJECTED to the dead-letter queue [2].

[1] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-request-response
[2] azure-sdk-for-python, sdk/servicebus/azure-servicebus/azure/servicebus: _common/message.py, and
    _transport/_pyamqp_transport.py (settle_message_via_receiver_link)
[3] https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide, "Message annotations"
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Union

from reactor.codec.message import Message
from reactor.codec.types import symbol, timestamp
from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.disposition import MODIFIED, REJECTED
from reactor.engine.public import Delivery
from reactor.lazily import Lazily

if TYPE_CHECKING:
    import uuid
else:
    uuid = Lazily("uuid")

DEAD_LETTER = "com.microsoft:dead-letter"
SCHEDULED = "x-opt-scheduled-enqueue-time"

#: A point in time: seconds since 1970-01-01 UTC, or a datetime with a time zone.
When = Union[float, datetime]


def lock_token(delivery: Delivery) -> uuid.UUID:
    """The lock token of a message that has come. ValueError for a delivery-tag that is none: of another peer, or of a
    message that came settled."""
    tag = delivery.tag_bytes
    if len(tag) != 16:
        raise ValueError("the delivery-tag %r is no lock token: that is a UUID of 16 bytes" % (tag,))
    return uuid.UUID(bytes_le=tag)


def tag_of(token: uuid.UUID) -> bytes:
    """The delivery-tag that is this lock token."""
    return token.bytes_le


def abandon(delivery: Delivery) -> None:
    """Give the message back: its lock ends, and it comes again, with a higher delivery-count."""
    delivery.local.failed = True
    delivery.update(MODIFIED)
    delivery.settle()


def defer(delivery: Delivery) -> None:
    """Set the message aside: it comes to no receiver any more, and is had by its sequence number (`receive_deferred`),
    which is its annotation ``x-opt-sequence-number``."""
    delivery.local.failed = True
    delivery.local.undeliverable = True
    delivery.update(MODIFIED)
    delivery.settle()


def dead_letter(delivery: Delivery, reason: str = "", description: str = "") -> None:
    """Send the message to the dead-letter queue. reason, description: for its reader."""
    info = {symbol("DeadLetterReason"): reason, symbol("DeadLetterErrorDescription"): description}
    delivery.local.condition = Condition(DEAD_LETTER, description or reason or None, info)
    delivery.update(REJECTED)
    delivery.settle()


def scheduled(message: Message, when: When) -> Message:
    """The message, to appear in its queue or topic at that time [3]; returns it. Its sender learns no sequence number:
    `schedule` gives that, and `cancel_scheduled` takes the message back by it."""
    annotations = dict(message.annotations or {})
    annotations[symbol(SCHEDULED)] = timestamp(round(seconds_of(when) * 1000))
    message.annotations = annotations
    return message


def seconds_of(when: When) -> float:
    """A point in time in seconds since 1970-01-01 UTC. ValueError for a datetime without a time zone."""
    if not isinstance(when, datetime):
        return float(when)
    if when.tzinfo is None:
        raise ValueError("the datetime has no time zone: use datetime.now(timezone.utc), for one")
    return when.timestamp()
