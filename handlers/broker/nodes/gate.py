"""The gate of a queue or topic: what its policy asks of a message before it comes in.

A node has one only where its policy needs it; for the others a message costs one comparison. Links enter, before they
put a message into the node; those that have to wait for a store hold a place meanwhile (`expect`).
"""

from __future__ import annotations

import logging
from typing import Any, Optional, Protocol

from handlers.broker.nodes.duplicates import Duplicates, key_of
from handlers.broker.nodes.entry import DELAYED, DISPLACED, ENTRY_COST, WAITING
from handlers.broker.nodes.policy import REJECT, Policy

log = logging.getLogger("handlers.broker")


class Crowd(Protocol):
    """A queue, as its gate sees it."""

    name: str
    capacity: float
    most: float
    bytes: int
    depth: int


class Overflow(Exception):
    """A queue is full, and its policy is to refuse. The text is for the sender. queue: its name. first: whether it has
    let a message in since the last one."""

    def __init__(self, text: str, queue: str, first: bool) -> None:
        super().__init__(text)
        self.queue = queue
        self.first = first


class Gate:
    """The gate of one queue. refused: how many messages it has turned away.

    duplicates: the ids of the last messages; None where the policy does not ask for it.
    expected: messages that it has let in and that are not in the queue yet; expected_bytes: their size.
    """

    def __init__(self, policy: Policy, queue: Crowd) -> None:
        self.policy = policy
        self.duplicates = duplicates_of(policy)
        self.queue = queue
        self.refused = 0
        self.expected = 0
        self.expected_bytes = 0
        self._closed = False

    def admit(self, envelope: Any, body: bytes) -> None:
        """Let a message in. Raises Overflow."""
        if self.policy.overflow == REJECT:
            queue = self.queue
            for has, most, unit in (
                (queue.depth + self.expected, queue.most, "messages"),
                (queue.bytes + self.expected_bytes, queue.capacity, "bytes"),
            ):
                if has >= most:
                    self.refused += 1
                    first, self._closed = not self._closed, True
                    raise Overflow(f"{queue.name!r} is full: {has} {unit}, the most are {most}", queue.name, first)
            self._closed = False

    def expect(self, body: bytes) -> None:
        """A message that was let in waits for the store."""
        self.expected += 1
        self.expected_bytes += len(body) + ENTRY_COST

    def arrived(self, body: bytes) -> None:
        """It waits no more."""
        self.expected = max(0, self.expected - 1)  # it may have set out before there was this gate
        self.expected_bytes = max(0, self.expected_bytes - len(body) - ENTRY_COST)


class TopicGate:
    """The gate of a topic: a message comes in where each subscription that wants it lets it in. Its ids are in
    memory."""

    def __init__(self, topic: Any) -> None:
        self.duplicates = duplicates_of(topic.policy)
        self.topic = topic

    def admit(self, envelope: Any, body: bytes) -> None:
        """As Gate.admit."""
        for subscription in self.topic.wanting(envelope, body):
            subscription.gate.admit(envelope, body)


def let_in(gate: Any, envelope: Any, body: bytes, remember: bool = True) -> bool:
    """As its `admit`, for a message from a sender. False: it has come before, and is not to be put. remember: whether
    it comes for certain: one of a transaction is remembered when that is committed."""
    known: Optional[Duplicates] = gate.duplicates
    key = None if known is None else key_of(body)
    if known is not None and key is not None and key in known:
        known.count += 1
        return False
    gate.admit(envelope, body)
    if remember and known is not None and key is not None:
        known.remember(key)
    return True


def duplicates_of(policy: Policy) -> Optional[Duplicates]:
    """The ids that a node of this policy remembers, none so far; None where it does not."""
    return Duplicates(policy.duplicate_window) if policy.duplicate_window else None


def drop_oldest(queue: Any) -> None:
    """Make room in a queue that is over its bounds, down to its newest message, which always comes in. Those with
    consumers stay."""
    entry, newest = queue.root.after, queue.root.before
    while entry is not newest and (queue.depth > queue.most or queue.bytes > queue.capacity):
        following = entry.after
        if entry.state in (WAITING, DELAYED):
            if not queue.outcomes[DISPLACED]:  # not for each of them
                log.warning("%r is full: its oldest messages are %s", queue.name, queue.policy.fate)
            queue.discard(entry, DISPLACED)
        entry = following
    queue.index.sweep()


def gate_of(policy: Policy, queue: Any) -> Optional[Gate]:
    """The gate that `queue` needs for its policy, or None."""
    return Gate(policy, queue) if has_gate(policy) else None


def has_gate(policy: Policy) -> bool:
    """Whether a policy asks something of a message before it comes in."""
    return policy.overflow == REJECT or policy.ttl is not None or policy.duplicate_window is not None
