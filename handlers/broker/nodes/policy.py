"""The settings of a node, as one value: checked when it is made, and with a form in JSON.

Programs and configuration files make them, nodes have one each, and a store keeps them. Nothing here acts on a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Optional, Union

from handlers.broker.nodes.names import RESERVED, node_name

HOLD, REJECT, DROP_OLDEST = "hold", "reject", "drop-oldest"

OVERFLOWS = (HOLD, REJECT, DROP_OLDEST)
"""The answers of a full queue: no credit for its producers; new messages are rejected; the oldest ones make room."""


LONGEST = 366 * 86400.0
"""Seconds. The longest delay of a message that has failed, where its policy has no bound."""


@dataclass(frozen=True)
class Policy:
    """The settings of a queue; of a topic, those of each subscription. None: there is no such bound or rule.

    max_length: messages that it holds. max_bytes: bytes of these; None (default) for the broker's `max_queue_bytes`,
    0 for no bound. overflow: when it is full: "hold" (default) gives producers no credit; "reject" rejects new messages
    with amqp:resource-limit-exceeded; "drop-oldest" drops the oldest ones that no consumer holds.

    ttl: seconds that a message may wait, from its arrival on. dead_letter: the address of messages that were rejected,
    expired, dropped for a newer one or delivered too often; None: they are dropped. max_deliveries: failed deliveries
    of one message, after which it is not delivered again.

    retry_delay: seconds that a released or failed message waits before its next delivery. retry_factor: of the delay
    after each further failure; default 2.0. retry_max: the longest delay, in seconds; None: a year.

    ack_timeout: seconds that a consumer may hold a message without an outcome. duplicate_window: how many message ids
    it remembers: a message with one of these is accepted and dropped.

    priority: whether the messages are ordered by the priority in their header. groups: whether those of one group-id go
    to one consumer. last_value: the application property by which only the newest message of each value stays.
    single_active: whether one consumer alone gets messages, and the others wait to follow it. exclusive: whether it may
    have one consumer alone. auto_delete: whether it goes with its last link. durable: whether a store keeps it; default
    True.

    ValueError for a value that cannot be; the text names it.
    """

    max_length: Optional[int] = None
    max_bytes: Optional[int] = None
    overflow: str = HOLD
    ttl: Optional[float] = None
    dead_letter: Optional[str] = None
    max_deliveries: Optional[int] = None
    retry_delay: Optional[float] = None
    retry_factor: float = 2.0
    retry_max: Optional[float] = None
    ack_timeout: Optional[float] = None
    duplicate_window: Optional[int] = None
    priority: bool = False
    groups: bool = False
    last_value: Optional[str] = None
    single_active: bool = False
    exclusive: bool = False
    auto_delete: bool = False
    durable: bool = True

    def __post_init__(self) -> None:
        for name in ("max_length", "max_deliveries", "duplicate_window"):
            self._number(name, 1, int)
        self._number("max_bytes", 0, int)
        for name in ("ttl", "retry_delay", "retry_max", "ack_timeout"):
            self._number(name, 0.001, float)
        if self.retry_factor is None:
            raise ValueError("policy: retry_factor is a number, 1 for the same delay each time")
        self._number("retry_factor", 1.0, float)
        for name in ("priority", "groups", "single_active", "exclusive", "auto_delete", "durable"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"policy: {name} is {getattr(self, name)!r}; it is true or false")
        for name in ("dead_letter", "last_value"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise ValueError(f"policy: {name} is {value!r}; it is a text, left out for none")
        if self.dead_letter is not None and node_name(self.dead_letter) in RESERVED:
            text = f"policy: dead_letter is {self.dead_letter!r}, which is the broker's own and holds no messages"
            raise ValueError(f"{text}; it is the address of a queue, a topic or an exchange")
        if self.overflow not in OVERFLOWS:
            raise ValueError(f"policy: overflow is {self.overflow!r}; it is one of {', '.join(OVERFLOWS)}")
        if self.retry_max is not None and (self.retry_delay is None or self.retry_max < self.retry_delay):
            text = f"policy: retry_max is {self.retry_max:g}; it is at least retry_delay, which is to be given"
            raise ValueError(text)

    @property
    def fate(self) -> str:
        """For the log: the end of messages that leave the queue unaccepted."""
        return "dropped" if self.dead_letter is None else f"sent to {self.dead_letter!r}"

    def pause(self, failures: int) -> float:
        """Seconds that a message waits which has failed so often."""
        first, longest = self.retry_delay or 0.0, LONGEST if self.retry_max is None else self.retry_max
        try:
            return min(first * self.retry_factor ** max(0, failures - 1), longest)
        except OverflowError:
            return longest

    def _number(self, name: str, least: float, kind: type) -> None:
        value = getattr(self, name)
        if value is None:
            return
        known = isinstance(value, (int, kind)) and not isinstance(value, bool)
        if not known or not least <= value < float("inf"):
            number = "a whole number" if kind is int else "a number"
            raise ValueError(f"policy: {name} is {value!r}; it is {number}, at least {least}, left out for none")

    @classmethod
    def from_json(cls, mapping: Any) -> Policy:
        """The policy that a JSON object describes: the keys are the names of the attributes, each may be left out."""
        if not isinstance(mapping, Mapping):
            raise ValueError(f"policy: {mapping!r} is no object with settings such as {{'max_length': 1000}}")
        known = [field.name for field in fields(cls)]
        for key in mapping:
            if key not in known:
                raise ValueError(f"policy: no setting {key!r}; there are {', '.join(known)}")
        return cls(**mapping)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads: the settings that are not the default."""
        plain = asdict(PLAIN)
        return {name: value for name, value in asdict(self).items() if value != plain[name]}


CHANGEABLE = frozenset({"max_length", "max_bytes", "overflow", "ttl", "dead_letter", "max_deliveries", "retry_delay",
                        "retry_factor", "retry_max"})  # fmt: skip
"""Settings that a queue can change while it has messages and consumers."""

PLAIN = Policy()
"""All settings as they are by default."""

Names = Union[Iterable[str], Mapping[str, Policy]]
"""Names of nodes, with their policies or without."""


class Policies:
    """Which policy a new node gets. patterns: by the pattern of its name, as in file names (`*`, `?`, `[abc]`); the
    first that fits holds."""

    def __init__(self, patterns: Optional[Mapping[str, Policy]] = None) -> None:
        self._patterns = dict(patterns or {})
        self._names: dict[str, Policy] = {}
        for pattern, policy in self._patterns.items():
            checked(checked_pattern(pattern), policy)

    def remember(self, name: str, policy: Policy) -> None:
        """The policy for this one name, which comes before the patterns."""
        self._names[name] = policy

    def of(self, name: str) -> Optional[Policy]:
        """The policy for this name; None where no pattern fits."""
        if name in self._names:
            return self._names[name]
        return next((policy for pattern, policy in self._patterns.items() if fnmatchcase(name, pattern)), None)


def checked_pattern(pattern: str) -> str:
    """`pattern`, if it is one of names; ValueError for one with a range that ends before it begins, such as `[z-a]`:
    up to Python 3.10 `fnmatch` would raise at each name."""
    try:
        fnmatchcase("", pattern)
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} cannot be used: {error}") from None
    return pattern


def named(nodes: Names) -> list[tuple[str, Optional[Policy]]]:
    """The names of nodes, each with its policy or None. ValueError for a name that is no text, or empty."""
    if isinstance(nodes, Mapping):
        found: list[tuple[str, Optional[Policy]]] = [(name, checked(name, policy)) for name, policy in nodes.items()]
    else:
        found = [(name, None) for name in ([nodes] if isinstance(nodes, str) else nodes)]
    for name, _ in found:
        if not name or not isinstance(name, str):
            raise ValueError(f"the name of a queue or topic is {name!r}; it is a text, such as 'jobs'")
    return found


def checked(name: str, policy: Any) -> Policy:
    """`policy`, if it is one; ValueError names the node, or the pattern, that it was given for."""
    if not isinstance(policy, Policy):
        raise ValueError(f"the policy of {name!r} is {policy!r}; it is a Policy, such as Policy(max_length=1000)")
    return policy
