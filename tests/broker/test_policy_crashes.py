"""Queues with policies on a store that fails, of a broker that crashes: nothing accepted is lost, or doubled."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from handlers.broker import Policy
from handlers.broker.store.interface import StoreError
from handlers.broker.store.memory import MemoryStore
from reactor import ACCEPTED, MODIFIED, REJECTED, RELEASED, Message, symbol
from tests.support.brokers import BrokerWorld

JOBS = [
    {"dead_letter": "dead", "max_deliveries": 2, "retry_delay": 1.0},
    {"dead_letter": "dead", "ttl": 5.0, "ack_timeout": 3.0},
    {"dead_letter": "dead", "max_length": 3, "overflow": "drop-oldest", "duplicate_window": 5},
    {"dead_letter": "dead", "max_length": 4, "overflow": "reject", "max_deliveries": 1, "duplicate_window": 5},
]
DEAD = [{}, {"ttl": 4.0, "dead_letter": "jobs"}, {"max_length": 5}]


class Disk(MemoryStore):
    """A store that fails now and then, and in which no message may ever be twice."""

    def __init__(self, chance):
        super().__init__()
        self.chance = chance
        self.steady = False

    def commit(self, groups):
        fails = [not self.steady and self.chance.random() < 0.1 for _ in groups]
        super().commit([group for group, failing in zip(groups, fails) if not failing])
        twice = [text for text, times in Counter(self.texts()).items() if times > 1]
        assert not twice, f"in the store twice: {twice}"
        return [StoreError("no luck", self.chance.random() < 0.5) if failing else None for failing in fails]

    def texts(self):
        return [Message.from_bytes(message.header + message.body).body for message in self.messages()]


class Play:
    """One run. sent: the texts that were accepted; done: those that a consumer has accepted."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.disk = Disk(self.chance)
        jobs, dead = self.chance.choice(JOBS), self.chance.choice(DEAD)
        self.world = BrokerWorld(queues={"jobs": Policy(**jobs), "dead": Policy(**dead)}, store=self.disk)
        self.sent, self.done, self.lost, self.count = set(), set(), 0, 0
        self.begin()

    def begin(self):
        self.client = self.world.client()
        self.receiver = self.client.receiver("jobs", self.chance.choice([1, 3, 10]))

    def send(self):
        self.count += 1
        text = f"m{self.count}"
        options = {"annotations": {symbol("x-opt-delivery-delay"): 2000}} if self.chance.random() < 0.2 else {}
        before = len(self.client.outcomes)
        for _ in range(self.chance.choice([1, 1, 2]) if self.deduplicates else 1):
            self.client.send("jobs", text, durable=True, id=text, **options)
        if ACCEPTED in self.client.outcomes[before:]:
            self.sent.add(text)

    @property
    def deduplicates(self):
        return self.world.options["queues"]["jobs"].duplicate_window is not None

    def settle(self):
        for received in self.client.take():
            state = self.chance.choice([ACCEPTED, REJECTED, RELEASED, MODIFIED, MODIFIED, None])
            if state is None:
                continue  # it holds it
            received.delivery.local.failed = state == MODIFIED
            if state == ACCEPTED:
                self.done.add(received.body)
            received.settle(state)
        self.world.quiet()
        self.receiver.flow(2)

    def crash(self):
        self.lost += sum(self.world.node(name).undelivered for name in ("jobs", "dead"))
        self.world.crash()
        self.world.network.clock.advance(self.chance.random() * 3)
        self.world.start()
        self.begin()

    def run(self, steps):
        for _ in range(steps):
            self.chance.choices([self.send, self.settle, self.wait, self.crash], [6, 4, 3, 1])[0]()
            assert self.world.broker.internal_errors == 0
        self.disk.steady = True
        self.world.pass_time(3.0)
        self.lost += sum(self.world.node(name).undelivered for name in ("jobs", "dead"))

    def wait(self):
        self.world.pass_time(self.chance.random() * 2)


@pytest.mark.parametrize("seed", range(60))
def test_what_was_accepted_is_in_one_queue_until_it_is_done(seed):
    play = Play(seed)
    play.run(60)
    kept = set(play.disk.texts())
    missing = play.sent - play.done - kept
    # A dead letter in a circle in which no consumer rejects it, or for a full queue, is dropped, and counted.
    assert len(missing) <= play.lost, f"{missing} are lost, and {play.lost} are counted"
    before = len(play.disk.texts())
    play.world.crash()
    play.world.start()
    # Messages that consumers held are back, and may be too many for a queue that drops its oldest.
    nodes = [play.world.node(name) for name in ("jobs", "dead")]
    assert sum(node.depth + node.undelivered for node in nodes) == before
    assert play.world.broker.internal_errors == 0
