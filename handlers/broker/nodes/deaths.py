"""Dead letters: the annotations of a message that leaves its queue for a dead letter address, and the cycles in them.

They are those of RabbitMQ 4, so that its tools and clients read them: `x-opt-deaths`, an array of maps, the newest
first, one for each pair of queue and reason; `x-first-death-*` and `x-last-death-*` with reason, queue and exchange
[github.com/rabbitmq/rabbitmq-server, deps/rabbit/src/mc.erl and mc_amqp.erl, rabbitmq.com/docs/dlx; R14]. The exchange
is "" for a queue, and the topic for a subscription; the routing keys are the queue, or the subject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from handlers.broker.nodes.entry import DISPLACED, EXHAUSTED, EXPIRED, REJECTED
from handlers.broker.nodes.sections import ANNOTATIONS, PROPERTIES, opened
from reactor import UNDESCRIBED, Array, Data, ReactorException, symbol, timestamp, uint, ulong

REASONS = {REJECTED: "rejected", EXPIRED: "expired", DISPLACED: "maxlen", EXHAUSTED: "delivery_limit"}
"""RabbitMQ's name of each outcome of an entry that makes it a dead letter."""

DEATHS = symbol("x-opt-deaths")

Death = dict[Any, Any]


class Grave:
    """A queue, as the annotations name it. topic: of a subscription, else ""."""

    __slots__ = ("queue", "topic")

    def __init__(self, queue: str, topic: str = "") -> None:
        self.queue = queue
        self.topic = topic


def dead_letter(payload: bytes, grave: Grave, reason: str, now: float) -> tuple[bytes, list[Death]]:
    """The bytes of a dead letter, and all deaths of it, the newest first. now: seconds since 1970.

    It has no time to live any more [rabbitmq.com/docs/dlx], nor has it been delivered. Bytes that are no message stay
    as they are, and a message with too much in its annotations or properties: it has no deaths, for all that is known.
    """
    try:
        message = opened(payload, ANNOTATIONS, PROPERTIES)
        ttl = message.ttl
        subject = message.subject
        annotations: dict[Any, Any] = dict(message.annotations or {})
        deaths = _recorded(annotations.get(DEATHS), grave, reason, now, ttl, subject)
        last = {"reason": reason, "queue": grave.queue, "exchange": grave.topic}
        if DEATHS not in annotations:
            annotations.update({symbol(f"x-first-death-{name}"): value for name, value in last.items()})
        annotations.update({symbol(f"x-last-death-{name}"): value for name, value in last.items()})
        annotations[DEATHS] = Array(UNDESCRIBED, Data.MAP, *deaths)
        message.annotations = annotations
        message.ttl = None
        message.delivery_count = None
        return bytes(message.encode()), deaths
    except (ReactorException, AttributeError, TypeError, ValueError):
        return payload, []


def is_cycle(target: str, deaths: Sequence[Mapping[Any, Any]]) -> bool:
    """Whether a dead letter has come to `target` before, and no consumer has rejected it since: it would go round for
    ever [mc.erl, is_cycle_v2; R14]."""
    for death in deaths:
        if death.get("reason") == "rejected":
            return False
        if death.get("queue") == target:
            return True
    return False


def _recorded(
    before: Any, grave: Grave, reason: str, now: float, ttl: Optional[float], subject: Optional[str]
) -> list[Death]:
    """The deaths so far, which any client can have made up, and the new one."""
    known = [dict(death) for death in before if isinstance(death, Mapping)] if isinstance(before, Array) else []
    at = timestamp(round(now * 1000))
    for index, death in enumerate(known):
        if death.get("queue") == grave.queue and death.get("reason") == reason:
            count = death.get("count")
            death[symbol("count")] = ulong(count + 1 if isinstance(count, int) and 0 <= count < 2**63 else 1)
            death[symbol("last-time")] = at
            del known[index]
            return [death, *known]
    new: Death = {symbol("ttl"): uint(min(round(ttl * 1000), 2**32 - 1))} if ttl else {}
    new[symbol("queue")] = grave.queue
    new[symbol("reason")] = symbol(reason)
    new[symbol("count")] = ulong(1)
    new[symbol("first-time")] = new[symbol("last-time")] = at
    new[symbol("exchange")] = grave.topic
    new[symbol("routing-keys")] = Array(UNDESCRIBED, Data.STRING, (subject or "") if grave.topic else grave.queue)
    return [new, *known]
