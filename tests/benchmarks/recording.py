"""What recording costs: messages a second with a Recorder and without one, side by side.

    python -m tests.benchmarks.recording [--runs 5] [--messages 20000]

Two containers in this process, a sender and a receiver at prefetch 1000 with a network in memory between them: what is
measured is the processor time of both, so that other programs on the machine count for little. The kinds take turns in
each run, and the median of the runs is shown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Optional

from handlers import MessagingHandler
from reactor import Container, Message
from reactor.loop.clock import MonotonicClock
from reactor.simulation import MemoryNetwork
from reactor.tracing import Recorder

BODY = "x" * 100

Kinds = dict[str, Callable[[], Optional[Recorder]]]


class Sends(MessagingHandler):
    """Sends so many messages."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = self.left = number
        self.accepted = 0

    def on_start(self, event: Any) -> None:
        event.container.create_sender("amqp://there:5672/jobs")

    def on_sendable(self, event: Any) -> None:
        sender = event.sender
        while self.left and sender.credit:
            sender.send(Message(BODY))
            self.left -= 1

    def on_accepted(self, event: Any) -> None:
        self.accepted += 1


class Receives(MessagingHandler):
    """Takes them."""

    def __init__(self) -> None:
        super().__init__(prefetch=1000)

    def on_start(self, event: Any) -> None:
        event.container.listen("there:5672")

    def on_message(self, event: Any) -> None:
        pass


def seconds(number: int, recorder: Optional[Recorder]) -> float:
    """The processor time of so many messages."""
    network = MemoryNetwork()
    observers = [] if recorder is None else [recorder]
    sends = Sends(number)
    containers = [
        Container(handler, clock=MonotonicClock(), network=network.node(), observers=observers)
        for handler in (Receives(), sends)
    ]
    for container in containers:
        container.timeout = 0
    began = time.process_time()
    while sends.accepted < number:
        for container in containers:
            container.process()
    took = time.process_time() - began
    for container in containers:
        container.stop()
        container.run()
    return took


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="what recording costs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=20_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        kinds: Kinds = {
            "off": lambda: None,
            "summary": lambda: Recorder(level="summary"),
            "summary, to a file": lambda: Recorder(level="summary", file=path),
            "frames": lambda: Recorder(),
            "frames, to a file": lambda: Recorder(file=path),
        }
        taken: dict[str, list[float]] = {kind: [] for kind in kinds}
        seconds(options.messages // 10, None)  # warm
        for _ in range(options.runs):
            for kind, make in kinds.items():
                taken[kind].append(seconds(options.messages, make()))
    off = statistics.median(taken["off"])
    print("| recording | microseconds a message, both sides | of the throughput without |")
    print("|---|---|---|")
    for kind, times in taken.items():
        median = statistics.median(times)
        print("| %s | %.2f | %.0f %% |" % (kind, median / options.messages * 1e6, off / median * 100))


if __name__ == "__main__":
    main()
