"""The terms of a message: when its time is over, and before which time no consumer gets it.

Links enter with each message that may have some (`has_terms`). An end comes from the time to live in the header
[3.2.1], the absolute-expiry-time in the properties [3.2.4] and the policy of the node: the earliest holds. A beginning
comes from the annotation `x-opt-delivery-time`, milliseconds since 1970, as JMS has it [AMQP bindings for JMS, 3.2.1.1;
Qpid JMS, Artemis], or `x-opt-delivery-delay`, milliseconds from its arrival on [Artemis].
"""

from __future__ import annotations

from typing import Any, Optional

from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.envelope import Envelope
from handlers.broker.nodes.policy import Policy
from handlers.broker.nodes.sections import ANNOTATIONS, PROPERTIES, TooLarge, opened
from reactor import ReactorException

DELIVERY_TIME, DELIVERY_DELAY = "x-opt-delivery-time", "x-opt-delivery-delay"

LOOKED = 16 * 1024
"""Bytes at the beginning of a message in which its annotations and properties are looked for: to look through all of
every message would cost more than to pass it on."""

# The sections behind annotations and properties, as nearly all senders write their descriptors.
_BODIES = (b"\x00\x53\x75", b"\x00\x53\x77", b"\x00\x53\x74", b"\x00\x53\x76")
# A timestamp of the years until 10889, and the names above.
_TIMESTAMP, _NAMES = b"\x83\x00\x00", b"-delivery-"
_TIME, _DELAY = DELIVERY_TIME.encode(), DELIVERY_DELAY.encode()


def may_have_terms(body: bytes) -> bool:
    """Whether it is worth while to decode `body` for terms of its own."""
    return not body.startswith(_BODIES) and (
        body.find(_TIMESTAMP, 0, LOOKED) >= 0 or body.find(_NAMES, 0, LOOKED) >= 0
    )


def terms(policy: Policy, envelope: Envelope, body: bytes, now: float, today: float) -> tuple[float, float]:
    """When the message expires, and from when on it is delivered, by the broker's clock; 0.0 for never, and at once.

    now: the time by that clock. today: the date, in seconds since 1970. Raises Refused for a beginning that is none.
    """
    ends = [envelope.ttl] if envelope.ttl else []
    if policy.ttl is not None:
        ends.append(policy.ttl)
    wait = 0.0
    if may_have_terms(body):
        absolute, annotations = _own(body)
        if absolute is not None and absolute > 0:  # some of .NET send the year 1 for none: apache/activemq-nms-amqp#8
            ends.append(absolute - today)
        wait = _seconds(annotations, DELIVERY_DELAY)
        begins = _seconds(annotations, DELIVERY_TIME)
        if begins:
            wait = begins - today
    expires = (now + min(ends) or -1.0) if ends else 0.0
    if ends and min(ends) <= 0:
        return expires, expires  # late: no consumer gets it
    return expires, now + wait if wait > 0 else 0.0


def pause_of(annotations: Any, today: float) -> Optional[float]:
    """The seconds that a message is to wait by the annotations of an outcome, as RabbitMQ 4.3 has it (R10); None for
    none. Raises Refused as `terms`."""
    if not annotations or DELIVERY_TIME not in annotations:
        return None
    return max(0.0, _seconds(annotations, DELIVERY_TIME) - today)


def _own(body: bytes) -> tuple[Optional[float], Any]:
    """The absolute-expiry-time and the annotations of a message; none of bytes that are no message. Raises
    Refused for a time to be looked for in too many bytes."""
    try:
        message = opened(body, ANNOTATIONS, PROPERTIES)
        return message.expiry_time, message.annotations or {}
    except TooLarge as error:
        if body.find(_TIME, 0, LOOKED) >= 0 or body.find(_DELAY, 0, LOOKED) >= 0:
            raise Refused("amqp:invalid-field", f"no delivery time is looked for: {error.description}") from None
        return None, {}
    except ReactorException:
        return None, {}


def _seconds(annotations: Any, name: str) -> float:
    value = annotations.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused("amqp:invalid-field", f"the annotation {name} is {value!r}; it is a number of milliseconds")
    return value / 1000
