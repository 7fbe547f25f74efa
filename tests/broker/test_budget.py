"""What a message costs the broker, counted in Python calls, so that no load on the machine can change it."""

from __future__ import annotations

import gc
import sys
from types import FrameType
from typing import Any

import pytest

from handlers.broker.nodes.envelope import read_envelope
from handlers.broker.nodes.node import Queue
from handlers.broker.store.memory import MemoryStore
from reactor import ACCEPTED, Message
from tests.support.brokers import BrokerWorld

BUDGET = 16  # receive it, store it, send it, hear its outcome, settle both ways

DURABLE = 11  # more, with a store in memory

MOST_BYTES = 250  # of a message that waits in a long queue, with its body of 100 bytes


class Counting:
    """Stands for the broker's container among those that are stepped, and counts the calls of its turns."""

    timeout = None

    def __init__(self, container: Any) -> None:
        self.container = container
        self.calls = 0

    def start(self) -> None:
        self.container.start()

    def process(self) -> bool:
        sys.setprofile(self.count)
        try:
            return bool(self.container.process())
        finally:
            sys.setprofile(None)

    def count(self, frame: FrameType, event: str, argument: Any) -> None:
        self.calls += event == "call"


def calls_per_message(messages: int, durable: bool = False) -> float:
    world = BrokerWorld(store=MemoryStore() if durable else None)
    consumer, producer = world.client(), world.client()
    consumer.on_message = lambda event: event.delivery.settle_with(ACCEPTED)  # type: ignore[method-assign]
    receiver = consumer.receiver("jobs")
    receiver.prefetch = 1000
    sender = producer.sender("jobs")
    message = Message("x" * 100, durable=durable)
    sender.send(message)  # credit grows with the first one
    world.quiet()
    counting = Counting(world.container)
    world.stepper.containers[world.stepper.containers.index(world.container)] = counting
    for _ in range(messages):
        sender.send(message)
    world.quiet()
    assert len(producer.outcomes) == messages + 1 and world.node("jobs").acknowledged == messages + 1
    return counting.calls / messages


def test_a_message_passes_within_the_budget() -> None:
    assert calls_per_message(2000) <= BUDGET


def test_a_durable_message_passes_within_the_budget() -> None:
    assert calls_per_message(2000, durable=True) <= BUDGET + DURABLE


def test_a_message_of_a_long_queue_waits_within_its_bytes() -> None:
    tracemalloc = pytest.importorskip("tracemalloc", reason="there is no tracemalloc here")
    queue, number = Queue("jobs"), 20_000
    gc.collect()
    tracemalloc.start()
    for count in range(number):
        payload = bytes(Message(f"{count:0100}", durable=True).encode())
        envelope = read_envelope(payload)
        queue.put(envelope, payload[envelope.length :], 0.0, 10**9 + count)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert queue.depth == number and used / number <= MOST_BYTES
