"""Random well-formed clients against the broker: it never ends, nothing fails inside, and what they held is free again.

These are seeded. `tests/broker/test_any_clients.py` has more, and makes a failure small.
BROKER_CLIENTS_SECONDS says for how long more of them are to be run (0); each is told of by its seed.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time

import pytest

from handlers.broker.links import BrokerLink
from handlers.broker.nodes.directory import ON_CLOSE, ON_NO_LINKS
from handlers.broker.nodes.topic import Topic
from reactor import ACCEPTED
from tests.support.brokers import BrokerWorld
from tests.support.wild import run

SECONDS = float(os.environ.get("BROKER_CLIENTS_SECONDS", "0"))
BOUNDS = [{}, {"max_queue_bytes": 4000}, {"max_total_bytes": 20_000, "max_partial_bytes": 2000, "max_nodes": 6}]


def numbers(seed: int, length: int = 2500) -> list[int]:
    source = random.Random(seed)
    return [source.randrange(1 << 16) for _ in range(length)]


def live(steps: list[int]) -> None:
    """A history, and what has to hold after it."""
    options = BOUNDS[steps[0] % len(BOUNDS)] if steps else {}
    world = BrokerWorld(topic_prefixes=["topic/"], **options)
    broker = world.broker
    run(world, steps)
    assert broker.internal_errors == 0
    world.pass_time(1)
    assert world.container in world.stepper.containers, "it goes on"
    came_back(world)
    if "max_nodes" not in options:
        client = world.client()
        client.send("fresh", "hello")
        client.receiver("fresh", 1)
        assert client.bodies() == ["hello"] and client.outcomes == [ACCEPTED]
    assert broker.internal_errors == 0


def came_back(world: BrokerWorld) -> None:
    """Nobody is there: nothing of anybody is kept but messages in queues that stay, and they all wait."""
    broker = world.broker
    assert broker.overview()[:2] == (0, 0) and broker.attaching.named == {}
    assert broker.bounds.partial == 0 and broker.bounds._seen == {}
    assert len(world.container.loop.watchers) == 1, "its listener"
    queues = []
    for record in broker.directory.records.values():
        assert not record.links and record.lifetime not in (ON_CLOSE, ON_NO_LINKS)
        assert not isinstance(record.node, Topic) or not record.node.subscriptions
        queues += [] if isinstance(record.node, Topic) else [record.node]
    for queue in queues:
        assert queue.acquired == 0 and queue.waiting == queue.depth == len(list(queue.backlog.entries()))
        assert queue.bytes == sum(entry.size for entry in queue.backlog.entries())
        assert not queue.consumers and not queue._serials and not queue.turns.ring and not queue._looking
        assert not queue._blocked
    assert broker.pool.bytes == sum(queue.bytes for queue in queues) and not broker.pool.blocked
    assert set(broker.alarms._set) <= set(queues)
    if sys.implementation.name == "cpython":  # others free a cycle when they like
        gc.collect()
        left = [thing for thing in gc.get_objects() if isinstance(thing, BrokerLink) and thing.broker is broker]
        assert left == []


@pytest.mark.parametrize("seed", [0, 1, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8)]])
@pytest.mark.usefixtures("folding")
def test_seeded_clients(seed: int) -> None:
    live(numbers(seed))


@pytest.mark.skipif(not SECONDS, reason="BROKER_CLIENTS_SECONDS is not set")
def test_for_as_long_as_is_asked() -> None:
    end = time.monotonic() + SECONDS
    seed = 1000
    while time.monotonic() < end:
        try:
            live(numbers(seed, 4000))
        except BaseException:
            print(f"seed {seed}")
            raise
        seed += 1
