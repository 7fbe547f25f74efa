"""The cost of telemetry: CPU time per message with observers and without: ``python -m tests.benchmarks.telemetry``.

Two containers in one process, over a network in memory: no socket and no scheduler comes between. The time is that of
both sides together, a sender and a receiver, with an outcome for each message; both have the observers.
"""

from __future__ import annotations

import gc
from statistics import median
from time import process_time
from typing import Any

from handlers import MessagingHandler
from reactor import Message
from reactor.telemetry import Telemetry, Traced, Tracing
from tests.support.stage import Stage

MESSAGES, TURNS = 20_000, 7

KINDS: dict[str, Any] = {
    "off": (list, ()),
    "Telemetry(process=False)": (lambda: [Telemetry(process=False)], ()),
    "Telemetry()": (lambda: [Telemetry()], ()),
    "Tracing() and Traced()": (lambda: [Tracing()], Traced()),
}


class Receiver(MessagingHandler):
    """Takes all."""

    def __init__(self) -> None:
        super().__init__(prefetch=1000)

    def on_message(self, event: Any) -> None:
        """It is accepted when this returns."""


class Sender(MessagingHandler):
    """Sends while there is credit."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.accepted = 0

    def on_sendable(self, event: Any) -> None:
        while event.sender.credit and self.sent < MESSAGES:
            event.sender.send(Message("x" * 100))
            self.sent += 1

    def on_accepted(self, event: Any) -> None:
        self.accepted += 1


def measure(observers: Any, options: Any) -> float:
    """CPU us per message."""
    stage, sender = Stage(), Sender()
    stage.container(Receiver(), observers=observers()).listen("amqp://there")
    container = stage.container(sender, observers=observers())
    container.create_sender(container.connect("amqp://there"), "jobs", options=options or None)
    gc.collect()
    began = process_time()
    stage.run(lambda: sender.accepted == MESSAGES)
    return (process_time() - began) / MESSAGES * 1e6


def main() -> None:
    """Print the table."""
    times: dict[str, list[float]] = {name: [] for name in KINDS}
    for _ in range(TURNS):
        for name, (observers, options) in KINDS.items():
            times[name].append(measure(observers, options))
    off = median(times["off"])
    for name, found in times.items():
        print("| %-26s | %5.1f | %+5.0f %% |" % (name, median(found), (median(found) / off - 1) * 100))


if __name__ == "__main__":
    main()
