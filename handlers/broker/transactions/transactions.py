"""The transactions of a broker: work comes to them from the links, and is done, or undone, at their discharge.

A transaction belongs to a connection: links of all its sessions may have part in it, and none of another connection.
Messages are in no node before the commit; messages with an outcome stay acquired until then. A commit is done whole or
not at all: with a store, it is one group there, and it is answered when that is on disk. The coordinator's links and
those of messages enter (coordinator.py, links.py, outlets.py).
"""

from __future__ import annotations

import logging
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Callable, Optional

from handlers.broker.interface import BrokerView, DurabilityView
from handlers.broker.net import BrokerTimer
from handlers.broker.nodes.directory import Refused
from handlers.broker.nodes.duplicates import key_of
from handlers.broker.nodes.node import Queue
from handlers.broker.store.interface import Change
from handlers.broker.transactions.work import COMMITTING, OPEN, OVER, Posting, Retirement, Work
from reactor import ACCEPTED, MODIFIED, REJECTED, RELEASED, Condition, Described, Disposition

log = logging.getLogger("handlers.broker")

UNKNOWN_ID = "amqp:transaction:unknown-id"
ROLLBACK = "amqp:transaction:rollback"
TIMEOUT = "amqp:transaction:timeout"

Done = Callable[[Optional[Refused]], None]

#: Outcomes by their names and by their codes [3.4].
OUTCOMES: dict[Any, int] = {int(code): int(code) for code in (ACCEPTED, REJECTED, RELEASED, MODIFIED)}
OUTCOMES.update({f"amqp:{code.name.lower()}:list": int(code) for code in (ACCEPTED, REJECTED, RELEASED, MODIFIED)})


class Transactions:
    """The transactions of one broker that are not over.

    timeout: seconds that one may last. most: how many there may be; most_bytes: of messages that wait in all of them
    together. 0 for no bound. bytes: of these messages now. committed, rolled_back: how many, ever; timed_out:
    how many of the latter by the clock.
    """

    def __init__(self, broker: BrokerView, timeout: float, most: int, most_bytes: int) -> None:
        self.broker = broker
        self.timeout = timeout
        self.most = most
        self.most_bytes = most_bytes
        self.bytes = 0
        self.committed = 0
        self.rolled_back = 0
        self.timed_out = 0
        self._prefix = b""
        self._count = 0
        self._open: dict[tuple[Any, bytes], Work] = {}  # by connection and id
        self._retired: dict[Any, Work] = {}  # by delivery

    def name_with(self, prefix: bytes) -> None:
        """Have all ids begin with `prefix`: a client that comes again after a restart cannot mean another one's."""
        self._prefix = prefix

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """How many are open; how many were committed, rolled back, and rolled back by the clock, ever."""
        return len(self._open), self.committed, self.rolled_back, self.timed_out

    def __len__(self) -> int:
        return len(self._open)

    # -- they begin

    def declare(self, control: Any) -> Work:
        """A new transaction, of the link `control`. Raises Refused."""
        if 0 < self.most <= len(self._open):
            text = f"there are {self.most} transactions, and no more are begun"
            raise Refused("amqp:resource-limit-exceeded", text)
        self._count += 1
        work = Work(self._prefix + self._count.to_bytes(8, "big"), control)
        self._open[control.link.connection, work.id] = work
        if self.timeout:
            timer = BrokerTimer("the time-out of a transaction", lambda: self._time_out(work))
            work.timer = self.broker.call(timer, self.timeout)
        return work

    def of(self, delivery: Any) -> Work:
        """The transaction of a message that has come. Raises Refused."""
        work = self.find(delivery.connection, delivery.remote.id)
        work.partial.pop(delivery, None)
        return work

    def find(self, connection: Any, id: Any) -> Work:
        """The transaction of this id that is not discharged. Raises Refused."""
        if not isinstance(id, bytes):
            raise Refused("amqp:invalid-field", "a transactional state without the id of a transaction")
        work = self._open.get((connection, id))
        if work is None or work.stage != OPEN:
            raise Refused(UNKNOWN_ID, "this connection has no such transaction: it was discharged, or rolled back")
        return work

    def _time_out(self, work: Work) -> None:
        if work.stage == OPEN:
            work.timer = None
            self.timed_out += 1
            self.fail(work, TIMEOUT, f"it was not discharged within {self.timeout:g} s")

    # -- work comes

    def part(self, delivery: Any) -> None:
        """A part of a message in a transaction has come."""
        work = self._open.get((delivery.connection, delivery.remote.id))
        if work is not None and delivery.partial and not delivery.aborted:
            work.partial[delivery] = None
        elif work is not None:
            work.partial.pop(delivery, None)

    def post(self, work: Work, posting: Posting) -> None:
        """A message comes in a transaction. Raises Refused: then it can only be rolled back."""
        if work.condition is not None:
            raise Refused(*work.condition)
        size = posting.size
        if 0 < self.most_bytes < self.bytes + size:
            text = f"more than {self.most_bytes} bytes of messages in transactions"
            raise Refused("amqp:resource-limit-exceeded", text)
        self.bytes += size
        self.broker.pool.bytes += size
        gate = posting.node.gate
        if isinstance(posting.node, Queue) and gate is not None:
            gate.expect(posting.body)
        work.postings.append(posting)

    def refused(self, delivery: Any, error: Condition) -> Optional[Work]:
        """A message in a transaction is refused, so that the transaction as a whole cannot be. Returns it, None where
        there is none."""
        work = self._open.get((delivery.connection, delivery.remote.id))
        if work is None or work.stage != OPEN:
            return None
        self.fail(work, ROLLBACK, f"a message in it was refused: {error.text}")
        return work

    def retire(self, outlet: Any, delivery: Any) -> None:
        """A delivery gets an outcome in a transaction. Raises Refused where the state makes no sense."""
        state = delivery.remote
        work = self.find(delivery.connection, state.id)
        wanted = state.data[1] if len(state.data) > 1 else None
        if not isinstance(wanted, Described) or not isinstance(wanted.descriptor, (int, str)):
            raise Refused("amqp:invalid-field", "a transactional state of a delivery without its outcome")
        code = OUTCOMES.get(wanted.descriptor)
        if code is None:
            raise Refused("amqp:invalid-field", "a transactional state of a delivery with an outcome that is none")
        other = self._retired.get(delivery, work)
        if other is not work:
            work.control.evict(ROLLBACK, "a delivery was given an outcome in two transactions")
            return
        known = work.retirements.get(delivery)
        entry = outlet.held.get(delivery) if known is None else known.entry
        if entry is None:
            return
        outcome = Disposition.from_wire(Described(code, wanted.value))
        work.retirements[delivery] = Retirement(outlet, entry, code, outcome)
        self._retired[delivery] = work
        outlet.held.pop(delivery, None)
        if work.condition is not None:
            self._undo(work)

    # -- they end

    def commit(self, work: Work, done: Done) -> None:
        """Do all of the work, or nothing; `done` is called with None, or the error. Raises Refused."""
        if work.condition is None:
            self._look(work)
        if work.condition is not None:
            condition = work.condition
            self.roll_back(work)
            raise Refused(*condition)
        durability = self.broker.durability
        changes: list[Change] = []
        if durability is not None:
            dead = False
            for retirement in work.retirements.values():
                if retirement.outlet.is_dead_letter(retirement.entry, retirement.state):
                    dead = True
                elif retirement.entry.number:
                    changes += retirement.outlet.changes(retirement.entry, retirement.state, retirement.outcome)
            if changes or dead or any(durability.wants(posting.node, posting.envelope) for posting in work.postings):
                self._write(durability, work, changes, done)
                return
        self._begin_to_end(work)
        self._apply(work, work.postings)
        done(None)

    def _write(self, durability: DurabilityView, work: Work, changes: list[Change], done: Done) -> None:
        """The commit with a store: messages are in their nodes, and outcomes applied, when all is written."""
        self._begin_to_end(work)
        arrivals, added, then = [], [], []
        buried: set[Any] = set()
        try:
            for posting in work.postings:
                self._name_origin(posting)
                node, envelope, body, expires, due, *_ = posting
                arrived = partial(self._arrived, posting)
                group, arrival = durability.prepare(node, envelope, body, expires, arrived, due=due)
                added += group
                arrivals.append(arrival)
            for delivery, retirement in work.retirements.items():
                if retirement.outlet.is_dead_letter(retirement.entry, retirement.state):
                    queue = retirement.outlet.queue
                    group, coming, action = self.broker.dead_letters.prepare(queue, retirement.entry)
                    added += group
                    arrivals += coming
                    then.append(action)
                    buried.add(delivery)
        except Refused as error:
            self._forget_ids(work)
            self.roll_back(work)
            raise Refused(ROLLBACK, f"{error.description} ({error.condition})") from error

        def written(error: Optional[Refused]) -> None:
            if error is not None:
                self._forget_ids(work)
                self.roll_back(work)
                done(Refused(ROLLBACK, f"{error.description} ({error.condition})"))
            else:
                self._apply(work, [], buried)
                for action in then:
                    action()
                done(None)

        durability.together(added + changes, arrivals, written)

    def _begin_to_end(self, work: Work) -> None:
        """From here on it is neither rolled back by its client nor by the clock."""
        self._stop_timer(work)
        self._take_from_room(work)
        work.stage = COMMITTING
        work.postings = [posting for posting in work.postings if self._is_new(posting)]

    def _is_new(self, posting: Posting) -> bool:
        """Whether no message of its id has come in the meantime, where its node looks for duplicates."""
        gate = posting.node.gate
        known: Any = None if gate is None else gate.duplicates
        key = None if known is None else key_of(posting.body)
        if key is not None:
            if key in known:
                known.count += 1
                return False
            known.remember(key)
        return True

    def _forget_ids(self, work: Work) -> None:
        """Its messages do not come: others with their ids are new."""
        for posting in work.postings:
            gate = posting.node.gate
            if gate is not None and gate.duplicates is not None:
                gate.duplicates.forget(key_of(posting.body))

    def _name_origin(self, posting: Posting) -> None:
        if posting.node.asks_origin:
            posting.node.origin = posting.origin

    def _arrived(self, posting: Posting, error: Optional[Refused]) -> None:
        """A message of a committed transaction is in its node; error: that was deleted meanwhile."""
        if error is not None:
            log.warning("a message of a transaction is dropped: %s", error)
            return
        if posting.expires:
            self.broker.alarms.watch(posting.node, posting.expires)
        if posting.node.full:
            posting.full(posting.node)

    def _look(self, work: Work) -> None:
        """Whether all of it can still be done."""
        for posting in work.postings:
            if posting.node.deleted:
                text = f"the {posting.node.kind} {posting.node.name!r} was deleted in the meantime"
                work.condition = (ROLLBACK, text)
        if work.torn:
            work.condition = (ROLLBACK, "it was to be committed with a message in it that has come in part")

    def _apply(self, work: Work, postings: list[Posting], buried: AbstractSet[Any] = frozenset()) -> None:
        """Apply its outcomes, and put these messages into their nodes. buried: the deliveries of
        those that are at their dead letter addresses."""
        self._forget(work)
        self.committed += 1
        for delivery, retirement in work.retirements.items():
            entry, state, outcome = retirement.entry, retirement.state, retirement.outcome
            retirement.outlet.apply(delivery, entry, state, outcome, delivery in buried)
        for posting in postings:
            self._name_origin(posting)
            node, envelope, body, expires, due, *_ = posting
            if due:
                node.put_later(due, envelope, body, expires)
            else:
                node.put(envelope, body, expires)
            self._arrived(posting, None)

    def roll_back(self, work: Work) -> None:
        """Undo all of it. Harmless when repeated."""
        if work.stage != OVER:
            self._undo(work)
            self._forget(work)
            self.rolled_back += 1

    def fail(self, work: Work, condition: str, text: str) -> None:
        """It can only be rolled back, and its work is undone at once. Its client hears of it at the discharge."""
        if work.condition is None:
            log.warning("a transaction of %s is rolled back: %s", work.control.describe(), text)
            work.condition = (condition, text)
            self._stop_timer(work)
            self._undo(work)

    def _forget(self, work: Work) -> None:
        self._stop_timer(work)
        work.stage = OVER
        self._open.pop((work.control.link.connection, work.id), None)
        for delivery in work.retirements:
            self._retired.pop(delivery, None)

    def _undo(self, work: Work) -> None:
        self._take_from_room(work)
        work.postings.clear()
        work.partial.clear()
        retirements, work.retirements = work.retirements, {}
        for delivery, retirement in retirements.items():
            self._retired.pop(delivery, None)
            retirement.outlet.take_back(delivery, retirement.entry)

    def _take_from_room(self, work: Work) -> None:
        """Its messages take no room any more: they come into their nodes, or nowhere. Once."""
        if work.stage != OPEN:
            return
        pool = self.broker.pool
        for posting in work.postings:
            self.bytes -= posting.size
            pool.bytes -= posting.size
            gate = posting.node.gate
            if isinstance(posting.node, Queue) and gate is not None:
                gate.arrived(posting.body)
        if pool.blocked and pool.bytes <= pool.resume_at:
            pool.resume()

    def _stop_timer(self, work: Work) -> None:
        if work.timer is not None:
            work.timer.cancel()
            work.timer = None

