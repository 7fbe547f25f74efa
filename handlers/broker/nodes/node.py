"""The queues of a broker as plain data, and the turns that consumers take.

Nothing here knows of connections, links, frames or clocks: a message is an opaque envelope and body, a
consumer is something with credit and a `deliver` method, time is a number that the caller brings. That is
why every rule of delivery can be tested in memory, and why there can be a store underneath (host.py) without
the links above noticing.

Costs: every operation is O(1), or O(log n) in the messages that came back or carry a deadline. The messages
of a queue form one linked list in the order of their arrival, whether they are waiting or being worked on;
that list defines "in its original place". Beside it stands the index of those that wait (index.py). The newest ones of
a long queue stand behind the list, and get there as it runs out (backlog.py).

Consumers that select have views of the queue (views.py). They come before the others, which take anything. Among equals
those of a higher priority come first (turns.py).

A queue is first in, first out, unless its policy has another order (ranking.py, groups.py, last_value.py).
"""

from __future__ import annotations

import logging
from typing import Any, Optional

from handlers.broker.nodes.backlog import NEW, Backlog, front_of
from handlers.broker.nodes.browsing import move, spot_before
from handlers.broker.nodes.consumer import Browser, Consumer
from handlers.broker.nodes.deadlines import Deadlines
from handlers.broker.nodes.delays import Delays, end_delays, park
from handlers.broker.nodes.entry import (
    ACKNOWLEDGED,
    ACQUIRED,
    DELAYED,
    ENTRY_COST,
    EXHAUSTED,
    EXPIRED,
    GONE,
    REPLACED,
    WAITING,
    Entry,
)
from handlers.broker.nodes.gate import Gate, drop_oldest, gate_of
from handlers.broker.nodes.host import Host, Keeper
from handlers.broker.nodes.index import Index
from handlers.broker.nodes.indexes import index_of
from handlers.broker.nodes.last_value import LastValues
from handlers.broker.nodes.leases import leases_of
from handlers.broker.nodes.policy import DROP_OLDEST, HOLD, PLAIN, Policy
from handlers.broker.nodes.pool import Pool, Producer
from handlers.broker.nodes.turns import SingleActive, Turns
from handlers.broker.nodes.views import View

log = logging.getLogger("handlers.broker")


class Queue:
    """Messages in order, competing consumers in turn.

    name: for reports. capacity: bytes that it holds before its producers have to wait, 0 for no
    bound; they may go on when it is half empty again. pool: the room that it shares with other queues. policy: its
    settings; a `max_bytes` there comes before `capacity`.

    `put` reports whether there is room for more. It never refuses: messages that were under way when the
    bound was reached are kept, so it is the credit of the producers that bounds a queue, not their loss. By its policy
    it may have a gate, which refuses before (gate.py), or drop its oldest messages.
    """

    kind = "queue"
    asks_origin = is_kept = False  # as of Topic
    ends_empty = False  # whether it may end with its last message, or its topic
    origin: Optional[str] = None

    def __init__(self, name: str, capacity: int = 0, pool: Optional[Pool] = None, policy: Policy = PLAIN) -> None:
        self.name = name
        self.policy = policy
        self.topic = ""  # that it is a subscription of
        self.host: Optional[Host] = None
        self.keeper: Optional[Keeper] = None
        self.number = 0  # in the store
        self.declared = False  # by management, and so for longer than its messages
        self.deleted = False
        self.capacity = (capacity if policy.max_bytes is None else policy.max_bytes) or float("inf")
        self.pool = Pool() if pool is None else pool
        self.resume_at = self.capacity / 2
        self.most = policy.max_length or float("inf")  # messages, as capacity is of bytes
        self.gate: Optional[Gate] = gate_of(policy, self)
        self.depth = 0  # waiting, acquired and delayed
        self.acquired = 0
        self.bytes = 0
        self.enqueued = 0
        self.requeued = 0
        self.outcomes = [0] * 7
        self.dead_lettered = 0
        self.undelivered = 0  # dead letters that their address has not taken
        self.consumers: set[Consumer] = set()
        # The list is a ring: the first entry follows the root, the last one precedes it.
        self.root = Entry(0, None, b"", 0.0)
        self.root.before = self.root.after = self.root
        self.index: Index = index_of(policy)
        self.backlog = Backlog(self.root, self.index)
        self.front = front_of(policy)
        self.latest = LastValues(policy.last_value) if policy.last_value is not None else None
        self.deadlines = Deadlines()
        self.delays = Delays()
        self.leases = leases_of(policy)
        self._serials: set[int] = set()  # of the consumers
        self.turns = Turns(self)
        self.active = SingleActive() if policy.single_active else None
        self._looking: dict[Browser, None] = {}  # browsers with credit
        self._views: dict[str, View] = self.index.views
        self._blocked: dict[Producer, None] = {}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r}: {self.waiting} waiting, {self.acquired} acquired>"

    @property
    def waiting(self) -> int:
        """Messages to be had."""
        return self.depth - self.acquired - len(self.delays)

    @property
    def full(self) -> bool:
        """Whether producers have to wait."""
        return self.pool.full or (self.policy.overflow == HOLD and self.over)

    @property
    def over(self) -> bool:
        """Whether it has reached a bound of its own."""
        return self.bytes >= self.capacity or self.depth >= self.most

    @property
    def deadline(self) -> Optional[float]:
        """When `expire` has something to do; None for never."""
        times = self.delays.next, self.deadlines.next, None if self.leases is None else self.leases.next
        return min((time for time in times if time is not None), default=None)

    # -- messages come

    def put(self, envelope: Any, body: bytes, expires: float = 0.0, number: int = 0) -> bool:
        """Append a message and give it to the consumer that has its turn. False: enough for now, `block`.

        expires: the time from which on no consumer shall get it, 0 for never. number: that of the store.
        """
        if self.backlog.growing:
            return self._put_behind(envelope, body, expires, number)
        self.enqueued = place = self.enqueued + 1
        entry = Entry(place, envelope, body, expires, number)
        if self.latest is not None:
            self.latest.came(self, entry)
        root = self.root
        last = entry.before = root.before
        entry.after = root
        last.after = root.before = entry
        if root.spot is not None:
            move(root.spot, entry)
        size = entry.size
        pool = self.pool
        self.depth += 1
        self.bytes += size
        pool.bytes += size
        if expires:
            self.deadlines.watch(entry, self.depth)
        ring = self.turns.ring
        if self._views or self.index.grouped:
            self.index.fresh.append(entry)
            self.turns.pump()
        elif ring:
            # Hungry consumers mean that nothing is waiting which they could have had: this one is next.
            consumer = ring[0]
            if consumer.credit == 1:
                ring.popleft()
                consumer.hungry = False
            elif len(ring) > 1:
                ring.rotate(-1)
            consumer.credit -= 1
            entry.state = ACQUIRED
            self.acquired += 1
            consumer.deliver(entry)
        else:
            fresh = self.index.fresh
            fresh.append(entry)
            if len(fresh) >= self.front and not self._looking:
                self.backlog.begin(place)
        if self._looking and entry.state != GONE:
            for browser in list(self._looking):
                self._browse(browser)
        if self.bytes < self.capacity and self.depth < self.most:
            return pool.bytes < pool.capacity
        if self.policy.overflow == DROP_OLDEST:
            drop_oldest(self)
        return not self.full

    def put_later(self, due: float, envelope: Any, body: bytes, expires: float = 0.0, number: int = 0) -> bool:
        """As `put`, for a message that comes in when `due` has passed. If it has expired by then, it is discarded."""
        park(self, Entry(0, envelope, body, expires, number), due)
        return not self.full

    def restore(self, envelope: Any, body: bytes, expires: float, number: int, failures: int, due: float = 0.0) -> None:
        """Append a message that was here before a restart. It may have been delivered then: it is no first delivery."""
        if due:
            entry = Entry(0, envelope, body, expires, number)
            entry.again(failures)
            park(self, entry, due)
        elif self.backlog.growing:
            self._put_behind(envelope, body, expires, number, failures)
        else:
            self.put(envelope, body, expires, number)
            self.root.before.again(failures)

    def _put_behind(self, envelope: Any, body: bytes, expires: float, number: int, failures: int = NEW) -> bool:
        """Put into the backlog: nobody waits for it."""
        self.enqueued += 1
        if expires:
            entry = Entry(self.enqueued, envelope, body, expires, number)
            if failures != NEW:
                entry.again(failures)
            self.backlog.add_entry(entry)
            self.deadlines.watch(entry, self.depth)
        else:
            self.backlog.rows.extend((envelope, body, number, failures))
        size = len(body) + ENTRY_COST
        pool = self.pool
        self.depth += 1
        self.bytes += size
        pool.bytes += size
        if self.bytes < self.capacity and self.depth < self.most:
            return pool.bytes < pool.capacity
        return not self.full

    def block(self, producer: Producer) -> None:
        """`producer` gives no credit until its `resume()` is called, which happens at half the capacity."""
        if self.over:
            self._blocked[producer] = None
        else:
            self.pool.blocked[producer] = None

    def forget(self, producer: Producer) -> None:
        """`producer` is gone: it does not wait here any more. For the pool it may still."""
        self._blocked.pop(producer, None)

    # -- consumers come and go

    def join(self, consumer: Consumer) -> None:
        """`consumer` takes part from now on; it gets nothing before it is granted credit."""
        self.consumers.add(consumer)
        self._serials.add(consumer.serial)
        if isinstance(consumer, Browser):
            consumer.spot = spot_before(self.root.after)
        elif consumer.selection is not None:
            text = consumer.selection.text
            consumer.view = view = self._views.get(text) or View(self, consumer.selection)
            self._views[text] = view
            view.members += 1
        if consumer.priority:
            self.turns.rank(consumer)
        if self.active is not None and not consumer.browsing:
            self.active.join(consumer)

    def leave(self, consumer: Consumer) -> None:
        """`consumer` is gone: the entries that it held wait again, each in its place, the attempt counted as failed."""
        if consumer not in self.consumers:
            return
        self.consumers.remove(consumer)
        self._serials.discard(consumer.serial)
        if isinstance(consumer, Browser):
            self._looking.pop(consumer, None)
            consumer.spot = None
            return
        view = consumer.view
        if consumer.hungry:
            (self.turns if view is None else view).ring.remove(consumer)
            consumer.hungry = False
        if view is not None:
            view.members -= 1
            if not view.members:
                del self._views[view.selection.text]
        consumer.credit = 0
        held, consumer.held = consumer.held, {}
        self.index.left(consumer)
        for key, entry in held.items():
            tried = consumer.was_tried(key)
            self._put_back(entry, tried, None, tried)
        self.turns.pump()
        following = self.active.leave(consumer) if self.active is not None else None
        if following is not None:
            following.activated()
            self.grant(following, following.credit)

    def grant(self, consumer: Consumer, credit: int) -> None:
        """`consumer` takes `credit` messages from now on (not: more), and gets the waiting ones at once."""
        consumer.credit = credit
        if self.active is not None and self.active.consumer is not consumer and not consumer.browsing:
            return  # remembered until it is the one
        if isinstance(consumer, Browser):
            if credit > 0 and consumer.spot is not None:
                self._looking[consumer] = None
                self._browse(consumer)
            else:
                self._looking.pop(consumer, None)
        else:
            self.turns.grant(consumer)

    # -- messages go, or come back

    def settle(self, entry: Entry, outcome: int = ACKNOWLEDGED) -> None:
        """`entry` leaves the queue for good. Doing so twice is harmless."""
        if entry.state == GONE:
            return
        if entry.state == ACQUIRED:
            self.acquired -= 1
            entry.state = GONE
        elif entry.state == DELAYED:
            self.delays.lose(entry)
            entry.state = GONE
        else:
            entry.state = GONE
            (self.index if entry.after is not entry else self.backlog).lose(entry)
        before, after = entry.before, entry.after
        before.after = after
        after.before = before
        if entry.spot is not None:
            move(entry.spot, after)
        del entry.before, entry.after  # no cycles: its memory goes with the last reference to it
        if entry.number and self.keeper is not None:
            self.keeper.left(entry)
        if self.latest is not None:
            self.latest.gone(entry)
        if self.ends_empty and self.depth == 1 and self.host is not None:
            self.host.emptied(self)
        if entry.aside:
            entry.body = b""  # which an index may have for long
        self.outcomes[outcome] += 1
        self.depth -= 1
        size = entry.size
        pool = self.pool
        self.bytes -= size
        pool.bytes -= size
        if self._blocked and self.bytes <= self.resume_at and self.depth <= self.most / 2:
            self._resume()
        if pool.blocked and pool.bytes <= pool.resume_at:
            pool.resume()

    def discard(self, entry: Entry, outcome: int) -> None:
        """`entry` leaves the queue, and no consumer has accepted it. It goes to the dead letter address, if any."""
        if self.policy.dead_letter is not None and self.host is not None and entry.state != GONE:
            self.host.bury(self, entry, outcome)
        self.settle(entry, outcome)

    def release(
        self,
        entry: Entry,
        failed: bool = False,
        refused_by: Optional[Consumer] = None,
        pause: Optional[float] = None,
    ) -> None:
        """`entry` waits again, in its place. failed: the attempt counts. refused_by: it must not get it again. pause:
        seconds until it is to be had. None: those of the policy; none where only one consumer refuses it."""
        if refused_by is not None and entry.state == ACQUIRED:
            entry.refuse(refused_by.serial, self._serials)
        self._put_back(entry, failed, refused_by, failed or refused_by is None, pause)
        self.turns.pump()

    def rewrite(self, entry: Entry, body: bytes) -> None:
        """`entry` goes on with another body."""
        if entry.state != GONE:
            longer = len(body) - len(entry.body)
            self.bytes += longer
            self.pool.bytes += longer
            entry.size += longer
            entry.body = body
            if entry.number and self.keeper is not None:
                self.keeper.rewritten(entry)

    def expire(self, now: float) -> int:
        """Drop the waiting entries beyond their time; held ones are dropped if they come back. Returns their number.
        Delayed ones are to be had when it is time. Those that consumers have held too long come back."""
        dropped = 0
        if self.leases is not None:
            self.leases.take_back(self, now)
        for entry in self.deadlines.passed(now):
            if entry.state in (WAITING, DELAYED):
                self.discard(entry, EXPIRED)
                dropped += 1
            elif entry.state == ACQUIRED:
                entry.overdue = True
        self.index.sweep()
        if len(self.delays):
            late, back = end_delays(self, now)
            dropped += late
            if back:
                self.turns.pump()
        return dropped

    def pick(self, entry: Entry) -> None:
        """A view takes `entry`, from wherever it stands."""
        self.index.set_aside(entry)
        entry.state = ACQUIRED
        self.acquired += 1
        self.index.sweep()

    def wake(self, consumer: Consumer) -> None:
        """Read on for a consumer that was asked to `rest`."""
        if consumer not in self.consumers:
            return
        if isinstance(consumer, Browser):
            if consumer in self._looking:
                self._browse(consumer)
        elif consumer.view is not None:
            consumer.view.pump()

    def adopt(self, policy: Policy, capacity: int = 0) -> None:
        """Go on by another policy: one that differs in settings of CHANGEABLE alone. Its time to live is that of new
        messages."""
        self.policy = policy
        self.capacity = (capacity if policy.max_bytes is None else policy.max_bytes) or float("inf")
        self.resume_at = self.capacity / 2
        self.most = policy.max_length or float("inf")
        self.front = front_of(policy)
        if self.gate is None:
            self.gate = gate_of(policy, self)
        else:
            self.gate.policy = policy
        while self.front > self.depth and self.backlog.growing and self.backlog.unfold():
            pass  # its rules may need all entries
        if policy.overflow == DROP_OLDEST and self.over:
            drop_oldest(self)
        self._resume()

    def close(self) -> None:
        """The queue is deleted: no consumer is served any more, and no producer waits for room."""
        self.deleted = True
        self.turns.ring.clear()
        self._looking.clear()
        self._views.clear()
        self.backlog.clear()
        self.consumers.clear()
        self._serials.clear()
        pool, self.pool = self.pool, Pool()
        pool.bytes -= self.bytes
        self._resume()
        if pool.blocked and pool.bytes <= pool.resume_at:
            pool.resume()

    # -- inside

    def _put_back(
        self, entry: Entry, failed: bool, refuser: Optional[Consumer], waits: bool, pause: Optional[float] = None
    ) -> None:
        if entry.state != ACQUIRED:
            return
        entry.redelivered = True  # acquired it was, whether it counts or not
        if failed:
            entry.delivery_count += 1
            if entry.delivery_count >= (self.policy.max_deliveries or float("inf")):
                text = "%r: message %d has failed %d times, %s"
                log.warning(text, self.name, entry.place, entry.delivery_count, self.policy.fate)
                self.discard(entry, EXHAUSTED)
                return
            if entry.number and self.keeper is not None:
                self.keeper.counted(entry)
        if entry.overdue:
            self.discard(entry, EXPIRED)
            return
        if self.latest is not None and self.latest.is_old(entry):
            self.settle(entry, REPLACED)
            return
        self.acquired -= 1
        self.requeued += 1
        if pause is None and waits and self.policy.retry_delay is not None:
            pause = self.policy.pause(entry.delivery_count)
        if pause is not None:
            entry.state = DELAYED
            self.delays.wait(entry, pause)
            if self.host is not None:
                self.host.attend(self)
            return
        entry.state = WAITING
        self.index.give_back(entry, refuser)

    def _browse(self, browser: Browser) -> None:
        if browser.spot is not None:
            more = self.backlog.show(browser)
            if browser.credit <= 0:
                self._looking.pop(browser, None)
            elif more:
                browser.rest()

    def _resume(self) -> None:
        blocked, self._blocked = self._blocked, {}
        for producer in blocked:
            producer.resume()
