"""Messages on their way from one queue to another, a batch in each turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

from handlers.broker.management.interface import ManagedBroker
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.clearing import Sweep
from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.entry import REMOVED, Entry
from handlers.broker.nodes.gate import Overflow
from handlers.broker.nodes.node import Queue

BATCH = 1000
"""Messages of one turn. Another client waits ten milliseconds for them, at most."""


class Move:
    """One move. total: messages that have been moved. reason: why it has ended before all were; "" for none. done:
    called with it at its end."""

    def __init__(
        self, broker: ManagedBroker, source: Queue, target: Queue, count: int, done: Callable[[Any], None]
    ) -> None:
        self.broker = broker
        self.source = source
        self.target = target
        self.total = 0
        self.reason = ""
        self._sweep = Sweep(source, count)
        self._done = done

    def go_on(self) -> None:
        """The next batch."""
        source, target = self.source, self.target
        if source.deleted or target.deleted:
            self.reason = f"the queue {(source if source.deleted else target).name!r} was deleted"
        elif target.full:
            self.reason = f"{target.name!r} is full"
        if self.reason:
            self._done(self)
            return
        entries = self._admitted(self._sweep.next(BATCH))
        durability = self.broker.durability
        if durability is None or not any(entry.number or entry.envelope.durable for entry in entries):
            self._arrive(entries, [0] * len(entries))
            return
        for entry in entries:
            source.pick(entry)  # no consumer has it while it is written
        try:
            durability.transfer(entries, target, lambda numbers: self._arrive(entries, numbers))
        except Refused as refused:
            self.reason = refused.description
            for entry in entries:
                self._forget(entry)
                source.release(entry)
            self._done(self)

    def _admitted(self, entries: list[Entry]) -> list[Entry]:
        """Those for which the target has room."""
        gate = self.target.gate
        if gate is None:
            return entries
        for at, entry in enumerate(entries):
            try:
                gate.admit(entry.envelope, entry.body)
            except Overflow as full:
                self.reason = str(full)
                return entries[:at]
            gate.expect(entry.body)
        return entries

    def _forget(self, entry: Entry) -> None:
        if self.target.gate is not None:
            self.target.gate.arrived(entry.body)

    def _arrive(self, entries: Sequence[Entry], numbers: Sequence[int]) -> None:
        source, target = self.source, self.target
        for entry, number in zip(entries, numbers):
            self._forget(entry)
            body, envelope, expires = entry.body, entry.envelope, entry.expires
            if target.deleted:
                source.release(entry)
                continue
            entry.number = 0  # the store has moved it
            source.settle(entry, REMOVED)
            target.put(envelope, body, expires, number)
            self.total += 1
            if expires:
                self.broker.alarms.watch(target, expires)
        source.index.sweep()
        if self._sweep.left and not self.reason:
            self.broker.call(BrokerTimer(f"move from {source.name!r} to {target.name!r}", self.go_on))
        else:
            self._done(self)
