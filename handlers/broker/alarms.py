"""The timers of queues with messages that expire: one for each queue, for the first message to expire.

Links enter when a message with a time to live has come, and the broker when a queue goes. It knows when, and of queues
only that.
"""

from __future__ import annotations

import logging
from typing import Any

from handlers.broker.interface import BrokerView
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.directory import Node
from handlers.broker.nodes.node import Queue
from handlers.broker.nodes.topic import Topic

log = logging.getLogger("handlers.broker")


class Alarms:
    """When to look for expired messages."""

    def __init__(self, broker: BrokerView) -> None:
        self.broker = broker
        self._set: dict[Queue, tuple[float, Any]] = {}

    def watch(self, node: Node, expires: float) -> None:
        """A message with a time to live has come to `node`: be there when it ends."""
        for queue in node.subscriptions if isinstance(node, Topic) else (node,):
            self.attend(queue)

    def attend(self, queue: Queue) -> None:
        """`queue` may have a new deadline."""
        alarm, deadline = self._set.get(queue), queue.deadline
        if deadline is not None and (alarm is None or deadline < alarm[0]):
            if alarm is not None:
                alarm[1].cancel()
            self._set_alarm(queue)

    def unwatch(self, queue: Queue) -> None:
        """`queue` is gone."""
        alarm = self._set.pop(queue, None)
        if alarm is not None:
            alarm[1].cancel()

    def _set_alarm(self, queue: Queue, least: float = 0.0) -> None:
        deadline = queue.deadline
        if deadline is None:
            self._set.pop(queue, None)
        else:
            delay = max(least, deadline - self.broker.now())
            timer = BrokerTimer(f"expiry of {queue.name!r}", lambda: self.expire(queue))
            self._set[queue] = deadline, self.broker.call(timer, delay)

    def expire(self, queue: Queue) -> None:
        """Drop the messages beyond their time, and come back for the rest."""
        try:
            dropped = queue.expire(self.broker.now())
        except Exception:
            self._set_alarm(queue, 1.0)  # not again at once: it may fail again
            raise
        self._set_alarm(queue)
        if dropped:
            log.info("%d messages of %r expired, %s", dropped, queue.name, queue.policy.fate)
        directory = self.broker.directory
        record = directory.records.get(queue.name)
        if record is not None and record.node is queue:
            directory.consider(record)
