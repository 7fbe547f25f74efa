"""The actions of an administrator on one broker, and its view (`Actions.view`).

All that manages a broker enters: the node `$management`, the link pair `/management`, the web page. It runs in the
broker's thread. An action that cannot be done raises Failed, with a status as in HTTP. One that may take long goes on
turn by turn, so that clients are served meanwhile, and calls `done` with its result in the end: at once, if it is
short.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable, Optional, Union

from handlers.broker.management.interface import Failed, ManagedBroker
from handlers.broker.management.moving import BATCH, Move
from handlers.broker.management.peeking import CLIP, peek
from handlers.broker.management.view import COUNTERS, View
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.clearing import Sweep
from handlers.broker.nodes.directory import Refused, checked_name
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.policy import CHANGEABLE, Policy
from reactor import Condition

log = logging.getLogger("handlers.broker")

Row = dict[str, Any]
Done = Callable[[Row], None]

NODES = 500
"""Nodes of one turn that are summed up."""

ALL = 1 << 62

STATUSES = {
    "amqp:not-found": 404,
    "amqp:invalid-field": 400,
    "amqp:precondition-failed": 409,
    "amqp:resource-limit-exceeded": 403,
    "amqp:unauthorized-access": 401,
}
"""Of the refusals that links get."""


class Actions:
    """See the module."""

    def __init__(self, broker: ManagedBroker) -> None:
        self.broker = broker
        self.view = View(broker)
        self._exclusive: dict[Any, list[str]] = {}  # queues by the connection that they go with

    # -- nodes

    def create(
        self,
        name: str,
        kind: str = "queue",
        settings: Union[Mapping[str, Any], Policy, None] = None,
    ) -> bool:
        """Make a queue or topic: True; False if it is there. `written` tells when the store has it.

        settings: its policy, or the settings of one, as `Policy.from_json` takes them; of a node that is there, the
        same, or none. Failed: 400 for a name or a setting that cannot be, 409 for a node that is of another kind or has
        other settings.
        """
        if kind not in ("queue", "topic"):
            raise Failed(400, f"no kind {kind!r} of node: queue or topic")
        try:
            checked_name(name)
            policy = settings if isinstance(settings, Policy) else Policy.from_json(settings) if settings else None
        except ValueError as error:
            raise Failed(400, str(error)) from None
        directory = self.broker.directory
        record = directory.records.get(name)
        if record is not None:
            node = record.node
            if node.kind != kind:
                raise Failed(409, f"{name!r} is a {node.kind}, not a {kind}")
            if policy is not None and node.policy != policy:
                raise Failed(409, f"{name!r} has other settings: {node.policy.to_json()}")
            return False
        try:
            directory.declare(name, kind, policy)
        except Refused as refusal:
            raise failed(refusal) from None
        made = directory.records[name]
        if isinstance(made.node, Queue):
            made.node.declared = True
        if self.broker.durability is not None:
            self.broker.durability.declared(made.node)
        return True

    def update(self, name: str, settings: Mapping[str, Any]) -> None:
        """Change settings of the policy of a queue; the others stay. Failed: 404; 400 for a setting that cannot be, or
        a topic; 409 for one that can only be chosen when the queue is made."""
        queue = self.view.queue(name)
        try:
            policy = Policy.from_json({**queue.policy.to_json(), **settings})
        except ValueError as error:
            raise Failed(400, str(error)) from None
        for setting in settings:
            if setting not in CHANGEABLE and getattr(policy, setting) != getattr(queue.policy, setting):
                text = f"{setting!r} is chosen when a queue is made; these can change: {', '.join(sorted(CHANGEABLE))}"
                raise Failed(409, text)
        queue.adopt(policy, self.broker.directory.capacity)
        if self.broker.durability is not None:
            self.broker.durability.updated(queue)
        log.warning("policy of %r changed by management: %s", name, policy.to_json())

    def delete(self, name: str, if_unused: bool = False, if_empty: bool = False) -> Row:
        """Delete a queue or topic with its messages: {"messages": so many}. Its links end with amqp:resource-deleted.

        Failed: 404; 409 if it has links and may only be deleted unused, or messages and may only be deleted empty.
        """
        record = self.view.record(name)
        depth = self.view.node(name)["depth"]
        if if_unused and record.links:
            raise Failed(409, f"{name!r} is in use by {len(record.links)} links")
        if if_empty and depth:
            raise Failed(409, f"{name!r} holds {depth} messages")
        self.broker.directory.delete(record)
        log.warning("%s %r deleted by management, with %d messages", record.node.kind, name, depth)
        return {"messages": depth}

    def unsubscribe(self, topic: str, name: str) -> Row:
        """End a subscription that no receiver is attached to, with its messages: {"messages": so many}.

        Failed: 404; 400 for a queue; 409 while receivers are attached.
        """
        queue = self.view.subscription(topic, name)
        subscription = self.broker.subscribing.book.by_queue[queue]
        if subscription.links:
            raise Failed(409, f"{name!r} is in use by {len(subscription.links)} links")
        depth = queue.depth
        self.broker.subscribing.end(subscription)
        log.warning("subscription %r of %r ended by management, with %d messages", name, topic, depth)
        return {"messages": depth}

    def overview(self, done: Done) -> None:
        """The whole broker, as View.overview: done(row). Many nodes are summed up turn by turn."""
        records = list(self.broker.directory.records.values())
        sums = dict.fromkeys(COUNTERS, 0)

        def go_on(at: int = 0) -> None:
            self.view.add_up(records[at : at + NODES], sums)
            if at + NODES < len(records):
                self.broker.call(BrokerTimer("overview", partial(go_on, at + NODES)))
            else:
                done(self.view.whole(sums))

        go_on()

    # -- messages

    def peek(self, name: str, offset: int = 0, count: int = 10, clip: int = CLIP) -> list[Row]:
        """Messages of a queue from its head on, to look at (peeking.py). Failed: 404; 400 for a topic."""
        if offset < 0 or count < 0 or clip < 0:
            raise Failed(400, f"offset {offset}, count {count}, clip {clip}: numbers from 0 on")
        return peek(self.view.queue(name), self.broker.now(), offset, count, clip)

    def purge(self, name: str, done: Done, count: Optional[int] = None) -> None:
        """Remove the waiting messages of a queue, or `count` from its head: done({"messages": so many}).

        Those that consumers hold stay theirs, and those that come meanwhile stay. Failed: 404; 400 for a topic.
        """
        sweep = Sweep(self.view.queue(name), self._number(count))
        total = 0

        def go_on() -> None:
            nonlocal total
            if not sweep.queue.deleted:
                total += sweep.remove(BATCH)
                if sweep.left:
                    self.broker.call(BrokerTimer(f"purge of {name!r}", go_on))
                    return
                self._consider(name)
            log.warning("%r purged by management: %d messages", name, total)
            done({"messages": total})

        go_on()

    def move(self, name: str, to: str, done: Done, count: Optional[int] = None) -> None:
        """Move the waiting messages of a queue, or `count` from its head, to the end of the queue `to`:
        done({"messages": so many}), with a "reason" where `to` takes no more.

        They begin anew there: no delivery has failed, and what is left of their time to live goes with them. In a store
        each batch is moved whole or not at all. Failed: 404; 400 for a topic, or for one queue twice.
        """
        source, target = self.view.queue(name), self.view.queue(to)
        if source is target:
            raise Failed(400, f"{name!r} is where they are")
        move = Move(self.broker, source, target, self._number(count), partial(self._moved, done))
        move.go_on()

    def _moved(self, done: Done, move: Move) -> None:
        name, to = move.source.name, move.target.name
        self._consider(name)
        log.warning("%d messages moved by management from %r to %r", move.total, name, to)
        row: Row = {"messages": move.total}
        done({**row, "reason": move.reason} if move.reason else row)

    def release(self, name: Optional[str], serial: int) -> Row:
        """Have a consumer of a queue, or of any (None), give back the messages that it holds: {"messages": so many}.
        They wait again, in their places, uncounted, and its outcomes for them mean nothing. Failed: 404."""
        consumer: Any = self.view.consumer(name, serial)
        count = int(consumer.give_back())
        log.warning("%d messages given back by consumer %d, by management", count, serial)
        return {"messages": count}

    # -- connections

    def close_connection(self, number: int, reason: str = "") -> None:
        """Close a connection with amqp:connection:forced. Failed: 404."""
        connection = self.view.connection(number)
        text = reason or "closed by management"
        log.warning("connection %d from %r closed: %s", number, connection.remote_container, text)
        connection.condition = Condition("amqp:connection:forced", text)
        connection.close()

    def keep(self, name: str) -> None:
        """Have a queue in the store from now on, if there is one, and the policy allows. Failed: 404."""
        queue = self.view.queue(name)
        if self.broker.durability is not None and self.view.record(name).lifetime is None:
            self.broker.durability.declared(queue)

    def belongs(self, name: str, connection: Any) -> None:
        """The queue is of this connection alone, and goes with it."""
        self.view.record(name).owner = weakref.ref(connection), connection.remote_container
        self._exclusive.setdefault(connection, []).append(name)

    def connection_ended(self, connection: Any) -> None:
        """Its exclusive queues go. Harmless when repeated."""
        for name in self._exclusive.pop(connection, ()):
            record = self.broker.directory.records.get(name)
            if record is not None and record.owner is not None and record.owner[0]() is connection:
                self.broker.directory.delete(record)

    def written(self, action: Callable[[], Any]) -> None:
        """Call `action` when the store has all changes until now; at once without one."""
        durability = self.broker.durability
        if durability is None:
            action()
        else:
            durability.then(action)

    def _number(self, count: Optional[int]) -> int:
        if count is None:
            return ALL
        if count < 0:
            raise Failed(400, f"count {count}: a number from 0 on, or nothing for all")
        return count

    def _consider(self, name: str) -> None:
        record = self.broker.directory.records.get(name)
        if record is not None:
            self.broker.directory.consider(record)


def failed(refusal: Refused) -> Failed:
    """The refusal of a link, as one of a request."""
    return Failed(STATUSES.get(refusal.condition, 409), refusal.description)
