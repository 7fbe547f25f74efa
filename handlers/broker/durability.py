"""Durability: the part of a broker that has a store. A message that asks for it is accepted when it is on disk.

The links enter with messages, and the queues with changes of them. All changes of one turn of the container are
committed together, at the start of the next turn: one sync of the disk and, as the outcomes leave together too, one
disposition. Until then a message is in no queue, so that no consumer has a message which a crash may undo; later ones
for its queue wait behind it, durable or not.

Queues are kept, but not dynamic ones. A queue is written in one group with its first durable message: with each, until
one of them is written.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

from handlers.broker.interface import BrokerView
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.directory import Node, Refused
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.envelope import Envelope, read_envelope
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import Policy
from handlers.broker.store.interface import (
    AddMessage,
    AddNode,
    CountMessage,
    Group,
    RemoveMessage,
    RemoveNode,
    RewriteMessage,
    Store,
    StoreError,
)
from reactor import DecodeError

log = logging.getLogger("handlers.broker")


RETRY = 1.0
"""Seconds until changes that could not be written are tried again, if nothing else is to be written before."""


class Arrival(NamedTuple):
    """A message on its way into a queue. expires: by the broker's clock. done: called with None when it is there, with
    the error when it could not be written."""

    queue: Queue
    envelope: Envelope
    body: bytes
    expires: float
    number: int
    done: Callable[[Optional[Refused]], None]


class Durability:
    """Commits to one store."""

    def __init__(self, broker: BrokerView, store: Store) -> None:
        self.broker = broker
        self.store = store
        self._groups: list[Group] = []
        self._arrivals: list[tuple[int, Arrival]] = []  # with the index of the group, -1 for none
        self._expected: set[Queue] = set()  # the queues of these
        self._after: list[Callable[[], None]] = []
        self._nodes: dict[int, AddNode] = {}  # not written yet
        self._task: Any = None  # the next commit
        self._late = False  # it waits for RETRY seconds

    # -- the start

    def restore(self) -> None:
        """Bring back the queues, with their policies, and their messages. A policy that was given for this start holds,
        and is kept. Raises StoreError if the store cannot be read."""
        directory, now, today = self.broker.directory, self.broker.now(), self.broker.today()
        queues: dict[int, Queue] = {}
        for stored in self.store.nodes():
            try:
                policy = Policy.from_json(stored.settings)
            except ValueError as error:
                text = f"the store has a node {stored.name!r} that this release cannot read: {error}"
                raise StoreError(text) from None
            node = directory.restore(stored.name, stored.kind, policy)
            if isinstance(node, Queue):
                self._keep(node, stored.number)
                if node.policy != policy:
                    self._change(_node(node))
                queues[stored.number] = node
            else:
                log.warning("%r was a %s and is a %s now: its messages are left out", node.name, stored.kind, node.kind)
        count = 0
        for message in self.store.messages():
            queue = queues.get(message.queue)
            if queue is None:
                continue
            expires = (now + message.expires / 1000 - today or -1.0) if message.expires else 0.0
            try:
                envelope = read_envelope(message.header)
            except DecodeError:  # it was read once: the file has changed
                log.error("message %d of %r cannot be read, left out", message.number, queue.name)
                continue
            queue.restore(envelope, message.body, expires, message.number, message.failures)
            count += 1
        for queue in queues.values():
            self.broker.alarms.watch(queue, 0.0)
        if queues:
            log.info("%d queues and %d messages from the store", len(queues), count)

    # -- messages come

    def wants(self, node: Node, envelope: Envelope) -> bool:
        """Whether a message has to wait for the next commit before it is in `node`."""
        if not isinstance(node, Queue):
            return False
        if node.keeper is None:
            if not node.policy.durable:
                return False
            record = self.broker.directory.records.get(node.name)
            if not envelope.durable or record is None or record.node is not node or record.lifetime is not None:
                return False
        return envelope.durable or node in self._expected

    def put(
        self, queue: Queue, envelope: Envelope, body: bytes, expires: float, done: Callable[[Optional[Refused]], None]
    ) -> None:
        """Have the message in `queue` with the next commit; `done` is called then. Raises Refused."""
        number, index = 0, -1
        if envelope.durable:
            try:
                if queue.keeper is None:
                    self._keep(queue, self.store.new_number())
                    self._nodes[queue.number] = _node(queue)
                number = self.store.new_number()
            except StoreError as error:
                raise refusal(error) from error
            index = len(self._groups)
            until = round((self.broker.today() + expires - self.broker.now()) * 1000) if expires else 0
            message = AddMessage(number, queue.number, envelope.header, body, until)
            node = self._nodes.get(queue.number)
            self._groups.append([message] if node is None else [node, message])
        self._arrivals.append((index, Arrival(queue, envelope, body, expires, number, done)))
        self._expected.add(queue)
        if queue.gate is not None:
            queue.gate.expect(body)
        self._wait()

    def then(self, action: Callable[[], None]) -> None:
        """Call `action` after the next commit."""
        self._after.append(action)
        self._wait()

    # -- the changes of queues

    def left(self, entry: Entry) -> None:
        """`entry` has left its queue."""
        self._change(RemoveMessage(entry.number))

    def counted(self, entry: Entry) -> None:
        """One more delivery of `entry` has failed."""
        self._change(CountMessage(entry.number, entry.delivery_count))

    def rewritten(self, entry: Entry) -> None:
        """`entry` has another body."""
        self._change(RewriteMessage(entry.number, entry.body))

    def closed(self, queue: Queue) -> None:
        """`queue` was deleted."""
        self._nodes.pop(queue.number, None)
        self._change(RemoveNode(queue.number))

    # -- commits

    def commit(self) -> None:
        """Write all changes that have come together, and call the waiting senders."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        groups, arrivals, after = self._groups, self._arrivals, self._after
        self._groups, self._arrivals, self._after = [], [], []
        self._expected.clear()
        outcomes = self.store.commit(groups) if groups else []
        for group, outcome in zip(groups, outcomes):
            first = group[0]
            if outcome is None and isinstance(first, AddNode):
                self._nodes.pop(first.number, None)
        self._again(groups, outcomes, {index for index, _ in arrivals})
        for index, arrival in arrivals:
            self._arrive(arrival, outcomes[index] if index >= 0 else None)
        if self._groups:
            self._after = after + self._after  # some of these wait for changes that are not written
            return
        for action in after:
            action()

    def _again(self, groups: list[Group], outcomes: Sequence[Optional[StoreError]], arrivals: set[int]) -> None:
        """Changes of old messages that could not be written are tried again; new messages are refused instead."""
        failed = [outcome for outcome in outcomes if outcome is not None]
        if not failed:
            return
        log.error("%d of %d changes are not in the store: %s", len(failed), len(groups), failed[0])
        self._groups += [
            group for at, group in enumerate(groups) if outcomes[at] is not None and at not in arrivals
        ]
        if self._groups:
            self._wait(RETRY)

    def _arrive(self, arrival: Arrival, error: Optional[StoreError]) -> None:
        queue = arrival.queue
        if queue.gate is not None:
            queue.gate.arrived(arrival.body)
        if error is not None:
            arrival.done(refusal(error))
        elif queue.deleted:
            arrival.done(Refused("amqp:resource-deleted", f"the queue {queue.name!r} was deleted"))
        else:
            queue.put(arrival.envelope, arrival.body, arrival.expires, arrival.number)
            arrival.done(None)

    def _keep(self, queue: Queue, number: int) -> None:
        queue.keeper = self
        queue.number = number

    def _change(self, change: Any) -> None:
        self._groups.append([change])
        self._wait()

    def _wait(self, delay: float = 0.0) -> None:
        if self._task is not None:
            if delay or not self._late:
                return
            self._task.cancel()
        self._late = delay > 0
        self._task = self.broker.call(BrokerTimer("the commit", self.commit), delay)


def _node(queue: Queue) -> AddNode:
    return AddNode(queue.number, queue.kind, queue.name, queue.policy.to_json())


def refusal(error: StoreError) -> Refused:
    """The answer to a sender of a message that could not be written."""
    log.error("a message is refused: %s", error)
    if error.full:
        return Refused("amqp:resource-limit-exceeded", "the broker has no room to keep the message")
    return Refused("amqp:internal-error", "the broker cannot keep the message")
