"""The start of a broker that has a store: its nodes come back, with their policies, and the messages in them.

Durability enters, once, and owns it no longer than that. A policy that was given for this start holds, and is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Optional

from handlers.broker.interface import BrokerView
from handlers.broker.nodes.envelope import kept_envelope
from handlers.broker.nodes.host import Keeper
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import Policy
from handlers.broker.store.interface import AddNode, Change, ForgetId, RememberId, Store, StoreError
from reactor import DecodeError

log = logging.getLogger("handlers.broker")


DECLARED = "declared"
"""The key, beside the settings of a policy, of a queue that management has made: it stays, also without messages."""


class Restoring:
    """One start. keeper: that of the queues from now on."""

    def __init__(self, broker: BrokerView, store: Store, keeper: Keeper) -> None:
        self.broker = broker
        self.store = store
        self.keeper = keeper
        self._queues: dict[int, Queue] = {}  # by number
        self._changes: list[Change] = []

    def run(self) -> list[Change]:
        """Bring back all that is in the store; returns the changes that follow from it. Raises StoreError if the store
        cannot be read."""
        for stored in self.store.nodes():
            try:
                queue = self._node(stored)
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                why = str(error) if isinstance(error, ValueError) else repr(error)
                text = f"the store has a node {stored.name!r} that this release cannot read: {why}"
                raise StoreError(text) from None
            if queue is not None:
                queue.keeper, queue.number = self.keeper, stored.number
                self._queues[stored.number] = queue
        ids, resuming = self.store.ids(), self.broker.resuming
        resuming.begin_restore(ids, self._queues.values())
        count = self._messages()
        resuming.end_restore()
        for one in ids:
            if not resuming.knows(one):
                self._id(one)
        for each in self._queues.values():
            self.broker.alarms.watch(each, 0.0)
        if self._queues:
            log.info("%d queues and %d messages from the store", len(self._queues), count)
        return self._changes

    def _node(self, stored: AddNode) -> Optional[Queue]:
        """A node, or a part of an exchange; returns the queue that has its messages, None for none."""
        directory = self.broker.directory
        if stored.kind in ("exchange", "binding"):
            directory.exchanges.restore(*stored)
            return None
        if stored.kind == "terminus":
            self.broker.resuming.restore(stored)
            return None
        if stored.kind == "subscription":
            return self.broker.subscribing.restore(stored)
        settings: Any = stored.settings
        declared = isinstance(settings, Mapping) and settings.get(DECLARED) is True
        if declared:
            settings = {name: value for name, value in settings.items() if name != DECLARED}
        policy = Policy.from_json(settings)
        node = directory.restore(stored.name, stored.kind, policy, declared)
        if not isinstance(node, Queue):
            log.warning("%r was a %s and is a %s now: its messages are left out", node.name, stored.kind, node.kind)
            return None
        if node.policy != policy:
            self._changes.append(record_of(node, stored.number))
        return node

    def _messages(self) -> int:
        """All messages, of which there may be millions; returns how many are in their queues."""
        queues, count = self._queues, 0
        now, today = self.broker.now(), self.broker.today()
        last: Any = None  # most headers are that of the message before
        envelope: Any = None
        for number, where, header, body, expires, failures, due in self.store.messages():
            queue = queues.get(where)
            if queue is None:
                continue
            try:
                if type(header) is not bytes or type(body) is not bytes:
                    raise TypeError("it is no bytes")
                if header != last:
                    envelope, last = kept_envelope(header), header
                until = (now + expires / 1000 - today or -1.0) if expires else 0.0
                since = max(0.0, now + due / 1000 - today) if due and due > today * 1000 else 0.0
                queue.restore(envelope, body, until, number, failures, since)
                count += 1
            except DecodeError:  # it was read once: the file has changed
                log.error("message %d of %r cannot be read, left out", number, queue.name)
            except (ValueError, TypeError) as error:
                text = f"the store is damaged: message {number} of {queue.name!r}: {error!r}"
                raise StoreError(text) from None
        return count

    def _id(self, one: RememberId) -> None:
        known = self._queues[one.queue].gate if one.queue in self._queues else None
        if known is None or known.duplicates is None:
            self._changes.append(ForgetId(one.number))
        else:
            known.duplicates.remember(one.key, one.number)


def record_of(queue: Queue, number: int = 0) -> AddNode:
    """A queue as the store has it. number: by default that of the queue."""
    settings = queue.policy.to_json()
    if queue.declared:
        settings[DECLARED] = True
    return AddNode(number or queue.number, queue.kind, queue.name, settings)
