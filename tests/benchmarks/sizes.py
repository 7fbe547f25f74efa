"""Costs against size: messages of 100 bytes to 100 MB, links of a connection, connections, messages in a queue.

    python -m tests.benchmarks.sizes [--quick] [--only messages|links|connections|queue]

Prints the time of each unit, as a table and as bars, and how much it grows from where it is least to the largest size,
with what the logarithm of the size would allow. Beside messages stands their floor, of sockets alone (`bare`): above
32 MB the C library takes fresh memory of the system for each body, page by page, and nothing in Python can avoid that.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import statistics
import subprocess
import sys
import time
from typing import Any, Callable, Optional

from handlers import MessagingHandler
from reactor import Container, Message
from tests.benchmarks.broker_costs import apart
from tests.benchmarks.process import allow_many_files, machine
from tests.benchmarks.rows import LIMIT, connections, direct
from tests.support.libraries import OURS
from tests.support.processes import CHECKOUT

Points = dict[int, float]
WIDTH = 40


class Answering(MessagingHandler):
    """Takes whatever comes."""

    def on_start(self, event: Any) -> None:
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_link_opening(self, event: Any) -> None:
        event.link.target.address = event.link.remote_target.address

    def on_message(self, event: Any) -> None:
        self.body = event.message.body


class Opening(MessagingHandler):
    """Opens so many links at once, and sends a message over each."""

    def __init__(self, url: str, links: int) -> None:
        super().__init__()
        self.url, self.links, self.accepted = url, links, 0

    def on_start(self, event: Any) -> None:
        connection = event.container.connect(self.url, reconnect=False)
        for number in range(self.links):
            event.container.create_sender(connection, "address", name=str(number))

    def on_sendable(self, event: Any) -> None:
        sender = event.sender
        if sender.context is None:
            sender.context = sender.send(Message("x" * 100))

    def on_accepted(self, event: Any) -> None:
        self.accepted += 1
        if self.accepted == self.links:
            event.connection.close()


def links(count: int) -> float:
    """Seconds for each link of one connection: to open it, to send one message, to close it; both ends in this
    thread."""
    gc.collect()  # what the runs before have left
    answering = Answering()
    server = Container(answering)
    server.timeout = 0
    server.process()
    opening = Opening(answering.acceptor.url, count)
    with server, Container(opening) as client:
        client.timeout = 0
        began = time.perf_counter()
        while client.process():
            server.process()
        took = time.perf_counter() - began
    assert opening.accepted == count
    return took / count


def count_of(size: int) -> int:
    """How many messages of so many bytes are measured."""
    return max(12, min(20_000, 200_000_000 // max(size, 10_000)))


def messages(size: int) -> float:
    """Seconds for each message of so many bytes, from process to process."""
    return 1 / direct(OURS, count_of(size), prefetch=10, size=size)["rate"]


def connected(count: int) -> float:
    """Seconds for each connection with a link, of so many that are opened at once."""
    return connections(OURS, count)["took"] / count


def bare(size: int) -> float:
    """Seconds for each message of so many bytes with sockets alone."""
    command = [sys.executable, "-m", "tests.benchmarks.bare", str(size), str(count_of(size))]
    result = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=True)
    return 1 / float(json.loads(result.stdout)["rate"])


def queued(depth: int) -> float:
    """Seconds for each message that is put into a queue of the broker of that depth, taken and settled."""
    figures = apart("--one", str(depth))
    return figures["put"] + figures["take"]


CURVES: dict[str, tuple[str, Callable[[int], float], tuple[int, ...]]] = {
    "messages": ("bytes of a message", messages, tuple(10**power for power in range(2, 9))),
    "links": ("links of a connection", links, (1, 10, 100, 1000, 4000)),
    "connections": ("connections", connected, (1, 10, 100, 1000, 2000)),
    "queue": ("messages in a queue", queued, (1000, 10_000, 100_000, 1_000_000)),
}


def plot(title: str, values: Points) -> str:
    """The table with bars."""
    most = max(values.values())
    lines = [f"{title:>24} | us each |"]
    for at, value in values.items():
        digits = 1 if most > 1e-3 else 2 if most > 1e-5 else 3
        lines.append(f"{at:>24,} | {value * 1e6:>7,.{digits}f} | " + "#" * max(1, round(WIDTH * value / most)))
    return "\n".join(lines)


def growth(values: Points) -> str:
    """How much a unit costs at the largest size, for what it costs where it costs least."""
    least, last = min(values, key=lambda at: values[at]), max(values)
    if least == last:
        return f"least at {last:,}"
    allowed = math.log(last) / math.log(max(2, least))
    grown = f"{values[last] / values[least]:.2f} times from {least:,} to {last:,}"
    return f"{grown}; the logarithm would allow {allowed:.2f}"


def by_kilobyte(points: Points) -> Points:
    return {size: value / (size / 1000) for size, value in points.items()}


def main(arguments: Optional[list[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks.sizes")
    parser.add_argument("--quick", action="store_true", help="the smaller half of each, once: to see that it works")
    parser.add_argument("--only", choices=CURVES)
    parser.add_argument("--runs", type=int, default=3, help="of which the median (default: %(default)s)")
    parser.add_argument("--no-collector", action="store_true", help="with --only links: Python's collector is off")
    options = parser.parse_args(arguments)
    if options.no_collector:
        if options.only != "links":
            parser.error("--no-collector is for --only links, which are measured in this process")
        gc.disable()
    allow_many_files()
    print(machine())
    for name, (title, measure, sizes) in CURVES.items():
        if options.only not in (None, name):
            continue
        runs = 1 if options.quick else options.runs
        chosen = sizes[: len(sizes) // 2] if options.quick else sizes
        points = {size: statistics.median(measure(size) for _ in range(runs)) for size in chosen}
        print("\n" + plot(title, points))
        if name == "messages":
            points = by_kilobyte(points)
            print("\n" + plot("the same, for each KB", points))
            floor = by_kilobyte({size: statistics.median(bare(size) for _ in range(runs)) for size in chosen})
            print(growth(points) + "\n\n" + plot("sockets, for each KB", floor) + "\n" + growth(floor))
            points = {size: points[size] / floor[size] for size in chosen}
            print("\nmessages, for that floor:", ", ".join(f"{size:,}: {over:.2f}" for size, over in points.items()))
        print(growth(points))


if __name__ == "__main__":
    main()
