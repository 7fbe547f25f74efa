"""Durability: the part of a broker that has a store. A message that asks for it is accepted when it is on disk.

The links enter with messages, and the queues with changes of them. All changes of one turn of the container are
committed together, at the start of the next turn: one sync of the disk and, as the outcomes leave together too, one
disposition. Until then a message is in no queue, so that no consumer has a message which a crash may undo; later ones
for its queue wait behind it, durable or not.

Queues are kept, but not dynamic ones. A queue is written in one group with its first durable message: with each, until
one of them is written. A topic is not kept, but its durable subscriptions are: each is written before the answer to its
attach, and a durable message for several of them in one group.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional, Union

from handlers.broker.arrivals import Arrival, Done, Plain, Sender, Together
from handlers.broker.interface import BrokerView
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.directory import Node, Refused
from handlers.broker.nodes.duplicates import key_of
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.envelope import Envelope
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.topic import Topic
from handlers.broker.restoring import Restoring, record_of
from handlers.broker.store.interface import (
    AddMessage,
    AddNode,
    Change,
    CountMessage,
    DelayMessage,
    ForgetId,
    Group,
    RememberId,
    RemoveMessage,
    RemoveNode,
    RewriteMessage,
    Store,
    StoreError,
)

log = logging.getLogger("handlers.broker")


RETRY = 1.0
"""Seconds until changes that could not be written are tried again, if nothing else is to be written before."""


LATEST = float(2**52)
"""Seconds since 1970. A date for the store is of 63 bits, in milliseconds; a peer may name any later one."""


class Durability:
    """Commits to one store."""

    def __init__(self, broker: BrokerView, store: Store) -> None:
        self.broker = broker
        self.store = store
        self._groups: list[Group] = []
        self._arrivals: list[tuple[int, Union[Plain, Arrival, Together]]] = []  # with the index of the group, or -1
        self._expected: set[Node] = set()  # where to
        self._after: list[Callable[[], None]] = []
        self._nodes: dict[int, AddNode] = {}  # not written yet
        self._task: Any = None  # the next commit
        self._late = False  # it waits for RETRY seconds

    def restore(self) -> None:
        """Bring back what the store has. Raises StoreError if it cannot be read."""
        for change in Restoring(self.broker, self.store, self).run():
            self._change(change)
        self.broker.directory.exchanges.keeper = self

    # -- messages come

    def wants(self, node: Node, envelope: Envelope) -> bool:
        """Whether a message has to wait for the next commit before it is in `node`."""
        if not isinstance(node, Queue):
            kept = envelope.durable and node.is_stored
            return kept or node in self._expected
        if node.keeper is None:
            if not node.policy.durable:
                return False
            record = self.broker.directory.records.get(node.name)
            if not envelope.durable or record is None or record.node is not node or record.lifetime is not None:
                return False
        return envelope.durable or node in self._expected

    def put(
        self,
        queue: Node,
        envelope: Envelope,
        body: bytes,
        expires: float,
        done: Done,
        replaces: int = 0,
        due: float = 0.0,
    ) -> None:
        """Have the message in `queue` with the next commit; `done` is called then. Raises Refused.

        replaces: the number of the message that it takes the place of, in another queue: one group. It has been
        accepted once, so it is not refused when it cannot be written: it is tried until it can.
        """
        changes, arrival = self.prepare(queue, envelope, body, expires, done, replaces, due)
        self._arrivals.append((len(self._groups) if changes else -1, arrival))
        if changes:
            self._groups.append(changes)
        self._expect(arrival)
        self._wait()

    def put_plain(self, sender: Sender, delivery: Any, queue: Node, envelope: Envelope, body: bytes) -> bool:
        """As `put`, for a durable message without terms. Returns False, having done nothing, where it takes more than
        that: `put` does it."""
        if not isinstance(queue, Queue) or queue.keeper is None or queue.gate is not None:
            return False
        if queue.number in self._nodes:
            return False
        try:
            number = self.store.new_number()
        except StoreError:
            return False
        self._arrivals.append((len(self._groups), Plain(queue, envelope, body, number, sender, delivery)))
        self._groups.append((AddMessage(number, queue.number, envelope.kept, body, 0, 0),))
        self._expected.add(queue)
        sender.expected += 1
        if self._task is None or self._late:
            self._wait()
        return True

    def together(self, changes: list[Change], arrivals: Sequence[Arrival], done: Done) -> None:
        """Write these changes as a whole with the next commit, and have the arrivals in their nodes, of which they have
        the changes (see `prepare`). `done` is called then; with an error, nothing of it has happened."""
        self._arrivals.append((len(self._groups) if changes else -1, Together(arrivals, done)))
        if changes:
            self._groups.append(changes)
        for arrival in arrivals:
            self._expect(arrival)
        self._wait()

    def _remembered(self, queue: Queue, number: int, body: bytes) -> list[Change]:
        """The id of a message, where its queue looks for duplicates; those that it has forgotten for it go."""
        known = None if queue.gate is None else queue.gate.duplicates
        key = None if known is None else key_of(body)
        if known is None or key is None:
            return []
        known.remember(key, number)
        evicted, known.evicted = known.evicted, []
        return [RememberId(number, queue.number, key), *(ForgetId(one) for one in evicted)]

    def prepare(
        self,
        node: Node,
        envelope: Envelope,
        body: bytes,
        expires: float,
        done: Done,
        replaces: int = 0,
        due: float = 0.0,
    ) -> tuple[list[Change], Arrival]:
        """The changes by which a message is in the store, and its arrival, as for `put`. Raises Refused."""
        number = 0
        until, since = self._date(expires), self._date(due)
        group: list[Change] = []
        copies: list[tuple[Queue, int]] = []
        try:
            if not isinstance(node, Queue):  # all subscriptions that are kept have the message, or none
                for queue in node.targets(envelope, body, expires):
                    number = 0
                    if envelope.durable and queue.keeper is not None:
                        number = self.store.new_number()
                        until = self._date(node.expiry(queue, expires))
                        group.append(AddMessage(number, queue.number, envelope.kept, body, until, since))
                    copies.append((queue, number))
                number = 0
            elif envelope.durable and (node.keeper is not None or self.wants(node, envelope)):
                if node.keeper is None:
                    self._keep(node, self.store.new_number())
                    self._nodes[node.number] = record_of(node)
                number = self.store.new_number()
                unknown = self._nodes.get(node.number)
                if unknown is not None:
                    group.append(unknown)
                group.append(AddMessage(number, node.number, envelope.kept, body, until, since))
                if not replaces:
                    group += self._remembered(node, number, body)
        except StoreError as error:
            raise refusal(error) from error
        if replaces:
            group.append(RemoveMessage(replaces))
        return group, Arrival(node, envelope, body, expires, number, done, due, replaces > 0, copies)

    def _expect(self, arrival: Arrival) -> None:
        self._expected.add(arrival.queue)
        for gate in arrival.gates():
            gate.expect(arrival.body)

    def _date(self, time: float) -> int:
        """The date for the store, of a time by the broker's clock; 0 for none."""
        return round(min(self.broker.today() + time - self.broker.now(), LATEST) * 1000) if time else 0

    def keep(self, queue: Queue, kind: str, settings: Mapping[str, Any], instead: int = 0) -> None:
        """Have `queue` in the store from now on; instead: the number of the node that it replaces. Raises Refused."""
        if queue.keeper is not None:
            self._change(AddNode(queue.number, kind, queue.name, settings))
            return
        try:
            number = self.store.new_number()
            group: list[Change] = [RemoveNode(instead)] if instead else []
            outcome = self.store.commit([[*group, AddNode(number, kind, queue.name, settings)]])[0]
        except StoreError as error:
            raise refusal(error) from error
        if outcome is not None:
            raise refusal(outcome)
        self._keep(queue, number)

    def transfer(self, entries: Sequence[Entry], target: Queue, action: Callable[[Sequence[int]], None]) -> None:
        """Have messages of another queue in `target`, and no longer there, with the next commit, in one group. action:
        called then, with their numbers. Raises Refused. They were accepted once: what cannot be written is tried until
        it can."""
        group: list[Change] = []
        numbers = []
        try:
            lasting = self._lasts(target) and any(entry.envelope.durable for entry in entries)
            if lasting and target.keeper is None:
                self._keep(target, self.store.new_number())
                group.append(record_of(target))
            for entry in entries:
                number = self.store.new_number() if lasting and entry.envelope.durable else 0
                numbers.append(number)
                if number:
                    until = self._date(entry.expires)
                    group.append(AddMessage(number, target.number, entry.envelope.kept, entry.body, until))
                if entry.number:
                    group.append(RemoveMessage(entry.number))
        except StoreError as error:
            raise refusal(error) from error
        if group:
            self._groups.append(group)
        self.then(lambda: action(numbers))

    def _lasts(self, queue: Queue) -> bool:
        """Whether `queue` is kept, or will be with its first durable message."""
        if queue.keeper is not None:
            return True
        record = self.broker.directory.records.get(queue.name)
        return queue.policy.durable and record is not None and record.node is queue and record.lifetime is None

    def then(self, action: Callable[[], None]) -> None:
        """Call `action` after the next commit."""
        self._after.append(action)
        if self._task is None or self._late:
            self._wait()

    # -- the changes of queues

    def left(self, entry: Entry) -> None:
        """`entry` has left its queue."""
        self._groups.append((RemoveMessage(entry.number),))
        if self._task is None or self._late:
            self._wait()

    def removed(self, number: int) -> None:
        """The message of this number is in no queue any more."""
        self._change(RemoveMessage(number))

    def counted(self, entry: Entry) -> None:
        """One more delivery of `entry` has failed."""
        self._change(CountMessage(entry.number, entry.delivery_count))

    def delayed(self, entry: Entry, due: float) -> None:
        """`entry` is not delivered before that time."""
        self._change(DelayMessage(entry.number, self._date(due)))

    def rewritten(self, entry: Entry) -> None:
        """`entry` has another body."""
        self._change(RewriteMessage(entry.number, entry.body))

    def declared(self, node: Node) -> None:
        """`node` was made to stay: it is kept from now on, with messages or without."""
        if isinstance(node, Queue) and node.keeper is None and node.policy.durable:
            self._keep(node, self.store.new_number())
            self._change(record_of(node))

    def updated(self, queue: Queue) -> None:
        """`queue` has another policy."""
        if queue.keeper is not None:
            self._nodes.pop(queue.number, None)
            self._change(record_of(queue))

    def record(self, kind: str, name: str, settings: Mapping[str, Any]) -> int:
        """As Keeper.record of the exchanges. Raises Refused."""
        try:
            number = self.store.new_number()
        except StoreError as error:
            raise refusal(error) from error
        self._change(AddNode(number, kind, name, settings))
        return number

    def erase(self, number: int) -> None:
        """As Keeper.erase of the exchanges."""
        self._change(RemoveNode(number))

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
        if self._nodes:
            for group, outcome in zip(groups, outcomes):
                first = group[0]
                if outcome is None and isinstance(first, AddNode):
                    self._nodes.pop(first.number, None)
        if outcomes.count(None) < len(outcomes):
            self._again(groups, outcomes, {index for index, _ in arrivals})
        for index, arrival in arrivals:
            error = outcomes[index] if index >= 0 else None
            if isinstance(arrival, Plain):
                queue, envelope, body, number, sender, delivery = arrival
                if error is None and not queue.deleted:
                    sender.confirm(delivery, queue, queue.put(envelope, body, 0.0, number))
                else:
                    sender.deny(delivery, _deleted(queue) if error is None else refusal(error))
            elif isinstance(arrival, Together):
                self._arrive_together(arrival, error)
            elif error is not None and arrival.insists and not arrival.queue.deleted:
                self._arrivals.append((len(self._groups), arrival))
                self._groups.append(groups[index])
                self._expected.add(arrival.queue)
                self._wait(RETRY)
            else:
                self._arrive(arrival, error)
        if self._groups:
            self._after = after + self._after  # some of these wait for changes that are not written
            return
        for action in after:
            action()

    def _again(self, groups: list[Group], outcomes: Sequence[Optional[StoreError]], arrivals: set[int]) -> None:
        """Changes of old messages that could not be written are tried again; new messages are refused instead."""
        failed = [outcome for outcome in outcomes if outcome is not None]
        log.error("%d of %d changes are not in the store: %s", len(failed), len(groups), failed[0])
        self._groups += [
            group for at, group in enumerate(groups) if outcomes[at] is not None and at not in arrivals
        ]
        if self._groups:
            self._wait(RETRY)

    def _arrive(self, arrival: Arrival, error: Optional[StoreError]) -> None:
        queue = arrival.queue
        for gate in arrival.gates():
            gate.arrived(arrival.body)
        if error is not None:
            arrival.done(refusal(error))
        elif queue.deleted:
            arrival.done(_deleted(queue))
        elif isinstance(queue, Topic):
            for copy, number in arrival.copies:
                if not copy.deleted:
                    expires = queue.expiry(copy, arrival.expires)
                    self._put_into(copy, arrival, expires, number)
                    if expires:
                        self.broker.alarms.watch(copy, expires)
            arrival.done(None)
        else:
            self._put_into(queue, arrival, arrival.expires, arrival.number)
            arrival.done(None)

    def _put_into(self, queue: Queue, arrival: Arrival, expires: float, number: int) -> None:
        envelope, body = arrival.envelope, arrival.body
        if arrival.due:
            queue.put_later(arrival.due, envelope, body, expires, number)
        else:
            queue.put(envelope, body, expires, number)

    def _arrive_together(self, together: Together, error: Optional[StoreError]) -> None:
        if error is not None:
            for arrival in together.arrivals:
                for gate in arrival.gates():
                    gate.arrived(arrival.body)
            together.done(refusal(error))
            return
        for arrival in together.arrivals:
            self._arrive(arrival, None)
        together.done(None)

    def _keep(self, queue: Queue, number: int) -> None:
        queue.keeper = self
        queue.number = number

    def _change(self, change: Any) -> None:
        self._groups.append((change,))
        if self._task is None or self._late:
            self._wait()

    def _wait(self, delay: float = 0.0) -> None:
        if self._task is not None:
            if delay or not self._late:
                return
            self._task.cancel()
        self._late = delay > 0
        self._task = self.broker.call(BrokerTimer("the commit", self.commit), delay)


def _deleted(node: Node) -> Refused:
    return Refused("amqp:resource-deleted", f"the {node.kind} {node.name!r} was deleted")


def refusal(error: StoreError) -> Refused:
    """The answer to a sender of a message that could not be written."""
    log.error("a message is refused: %s", error)
    if error.full:
        return Refused("amqp:resource-limit-exceeded", "the broker has no room to keep the message")
    return Refused("amqp:internal-error", "the broker cannot keep the message")
