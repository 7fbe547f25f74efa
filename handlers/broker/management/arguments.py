"""The arguments of RabbitMQ's queues (`x-max-length` ...), as policies of ours, and back.

Arguments that choose how a cluster keeps a queue have no meaning here, and are taken. Others that are not known are
refused: a queue that is not as asked for would be a surprise later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional
from urllib.parse import quote, unquote

from handlers.broker.management.interface import Failed
from handlers.broker.nodes.names import EXCHANGES
from handlers.broker.nodes.policy import DROP_OLDEST, REJECT, Policy

TYPES = ("classic", "quorum")

_OVERFLOWS = {"drop-head": DROP_OLDEST, "reject-publish": REJECT}

_OF_CLUSTERS = frozenset({
    "x-queue-type", "x-queue-mode", "x-queue-version", "x-queue-leader-locator", "x-quorum-initial-group-size",
    "x-quorum-target-group-size", "x-dead-letter-strategy",
})  # fmt: skip
"""They are no settings of a policy."""


def policy_of(arguments: Mapping[str, Any], **flags: bool) -> Policy:
    """The policy that a queue with these arguments has. flags: of Policy. Failed: 400; 409 for an unknown one."""
    settings: dict[str, Any] = dict(flags)
    for name, value in arguments.items():
        read = _READERS.get(name)
        if read is not None:
            settings.update(read(name, value))
        elif name not in _OF_CLUSTERS:
            raise Failed(409, f"invalid arg '{name}': this broker has no such queues")
    kind = arguments.get("x-queue-type", "classic")
    if kind not in TYPES:
        raise Failed(409, f"x-queue-type is {kind!r}: this broker has {' and '.join(TYPES)} queues")
    bounded = "max_length" in settings or "max_bytes" in settings
    if bounded and "overflow" not in settings:
        settings["overflow"] = DROP_OLDEST  # as there
    dead = dead_letter_address(arguments.get("x-dead-letter-exchange"), arguments.get("x-dead-letter-routing-key"))
    try:
        return Policy(dead_letter=dead, **settings)
    except ValueError as error:
        raise Failed(400, str(error)) from None


def arguments_of(policy: Policy, kind: str) -> dict[str, Any]:
    """The arguments of a queue with this policy."""
    arguments: dict[str, Any] = {"x-queue-type": kind}
    for name, value in (
        ("x-max-length", policy.max_length),
        ("x-max-length-bytes", policy.max_bytes),
        ("x-message-ttl", None if policy.ttl is None else round(policy.ttl * 1000)),
        ("x-delivery-limit", None if policy.max_deliveries is None else policy.max_deliveries - 1),
        ("x-single-active-consumer", policy.single_active or None),
        ("x-overflow", {DROP_OLDEST: "drop-head", REJECT: "reject-publish"}.get(policy.overflow)),
    ):
        if value is not None:
            arguments[name] = value
    if policy.dead_letter is not None:
        exchange, key = "", policy.dead_letter
        if key.startswith(EXCHANGES):
            exchange, slash, rest = key[len(EXCHANGES) :].partition("/")
            key = unquote(rest) if slash else ""
        arguments["x-dead-letter-exchange"] = unquote(exchange)
        if key:
            arguments["x-dead-letter-routing-key"] = key
    if policy.priority:
        arguments["x-max-priority"] = 10
    return arguments


def dead_letter_address(exchange: Any, key: Any) -> Optional[str]:
    """Where dead letters go: to an exchange, with this key or with the subject of each; or, for the exchange "", to the
    queue `key`. None for nowhere. Failed (400)."""
    for name, value in (("x-dead-letter-exchange", exchange), ("x-dead-letter-routing-key", key)):
        if value is not None and not isinstance(value, str):
            raise Failed(400, f"{name} is {value!r}: a text is wanted")
    if exchange is None:
        if key is not None:
            raise Failed(409, "x-dead-letter-routing-key is of no use without x-dead-letter-exchange")
        return None
    if not exchange:
        if not key:
            raise Failed(409, "for the exchange '' a x-dead-letter-routing-key names the queue")
        return str(key)
    return EXCHANGES + quote(exchange, safe="") + ("" if key is None else "/" + quote(key, safe=""))


def _number(name: str, value: Any, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Failed(400, f"{name} is {value!r}: a number from {least} on is wanted")
    return int(value)


def _limit(name: str, value: Any) -> dict[str, Any]:
    """A limit of N lets a message fail N times and be delivered once more; -1 is for no limit."""
    number = _number(name, value, -1)
    return {"max_deliveries": None if number < 0 else number + 1}


def _overflow(name: str, value: Any) -> dict[str, Any]:
    if value not in _OVERFLOWS:
        raise Failed(400, f"{name} is {value!r}: one of {', '.join(_OVERFLOWS)} is wanted")
    return {"overflow": _OVERFLOWS[value]}


def _flag(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, bool):
        raise Failed(400, f"{name} is {value!r}: true or false is wanted")
    return {"single_active": value}


_READERS: dict[str, Callable[[str, Any], dict[str, Any]]] = {
    "x-max-length": lambda name, value: {"max_length": _number(name, value, 1)},
    "x-max-length-bytes": lambda name, value: {"max_bytes": _number(name, value)},
    "x-message-ttl": lambda name, value: {"ttl": _number(name, value, 1) / 1000},
    "x-overflow": _overflow,
    "x-delivery-limit": _limit,
    "x-deliver-limit": _limit,  # so rabbitmq-amqp-python-client 1.0 writes it
    "x-single-active-consumer": _flag,
    "x-max-priority": lambda name, value: {"priority": _number(name, value) > 0},
    "x-dead-letter-exchange": lambda name, value: {},
    "x-dead-letter-routing-key": lambda name, value: {},
}

