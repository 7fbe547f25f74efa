"""The memory of long messages stays where it is."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from reactor.engine.blocks import MOST, Blocks

FAULTS = """
import resource
from reactor import Message
from tests.support.pair import Pair, received

pair = Pair()
sender, receiver = pair.way(True)
body = b"x" * 1_000_000


def carry(number):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(number):
        receiver.flow(1)
        sender.send(Message(body))
        pair.sent["client"].clear()
        pair.pump()
        for delivery, raw in received(receiver):
            assert len(Message.from_bytes(raw).body) == len(body)
            delivery.settle()
        pair.pump()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / number


carry(5)
print(carry(20))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="an interpreter with an allocator of its own")
def test_a_long_message_does_not_fault_its_memory_in_again():
    """In a process of its own, which has seen no larger block. Without it there are 700 for each message here."""
    result = subprocess.run(
        [sys.executable, "-c", FAULTS], stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    assert float(result.stdout) < 100


def test_a_block_is_asked_for_when_a_message_is_longer_than_any_before(monkeypatch):
    asked = []
    monkeypatch.setattr("reactor.engine.blocks.bytes", asked.append, raising=False)
    blocks = Blocks()
    for size in (100_000, 100_000, 50_000, 1_000_000, 100_000_000):
        blocks.expect(size)
    assert asked == [800_000, 8_000_000, MOST]
    assert blocks.expected == 100_000_000
