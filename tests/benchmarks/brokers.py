"""Brokers beside each other in one run: ours in memory and with a store, one on python-qpid-proton, and RabbitMQ 4.0.

    python -m tests.benchmarks.brokers [--runs N] [--seconds S] [--only ROW] [--broker NAME] [--place DIRECTORY]

The clients are ours for each of them, in processes of their own. The brokers take turns, and the figures are medians.
Messages are durable where the broker keeps them on a disk: ours with a store, and quorum queues. RabbitMQ takes part
where it can be had (python -m tests.support.later), and Proton's where python-qpid-proton can be imported; its broker
is tests/benchmarks/minimal_broker.py, as the package has none. Beside the producer that waits for each message stands
a bare loop that appends as many bytes to a file and calls fdatasync, run in turn with it, at the same place.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from tests.benchmarks.process import machine
from tests.benchmarks.rows import LIMIT, DidNotFinish, Worker, local_url
from tests.support.desk import Desk
from tests.support.libraries import OURS, THEIRS, version
from tests.support.management import Management
from tests.support.rabbitmq import RabbitMQ, missing

RABBITMQ = "4.0"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Load:
    """What is done to a broker. size: bytes of a body. links: senders, and receivers; queues: theirs together. window:
    messages of a sender without an outcome, 0 for as many as it has credit for. receives: whether anybody does."""

    name: str
    title: str
    size: int = 100
    links: int = 1
    queues: int = 1
    window: int = 0
    receives: bool = True
    first: int = 2000


LOADS = [
    Load("credit", "one sender, one receiver: messages/s"),
    Load("hundred", "the same, 100 without an outcome: messages/s", window=100),
    Load("each", "a sender that waits for each message: messages/s", window=1, receives=False, first=100),
    Load("large", "messages of 1 MB: MB/s", size=MEGABYTE, window=10, first=20),
    Load("crowd", "100 senders, 100 receivers, 50 queues: messages/s", links=100, queues=50),
]


class Own:
    """A broker that is a role of a worker; a new one for each run."""

    durable = False
    place: Optional[Path] = None

    def __init__(self, library: str, role: str) -> None:
        self.library = library
        self.role = role
        self.durable = role == "durable_broker"

    @contextlib.contextmanager
    def serving(self, load: Load) -> Iterator[tuple[str, list[str]]]:
        """Its URL, and the addresses of the queues."""
        url = local_url()
        with Worker(self.library, self.role, url) as broker:
            broker.hear("started")
            yield url, [f"queue-{number}" for number in range(load.queues)]


class Foreign:
    """A RabbitMQ that runs all the time; new queues for each run."""

    def __init__(self, server: RabbitMQ, kind: str) -> None:
        self.server = server
        self.kind = kind
        self.durable = kind == "quorum"

    @contextlib.contextmanager
    def serving(self, load: Load) -> Iterator[tuple[str, list[str]]]:
        """As of Own."""
        names = [str(uuid.uuid4()) for _ in range(load.queues)]
        with Desk(self.server.url, wellness="/queues/well") as desk:
            management = Management(desk)
            for name in names:
                management.declare(name, self.kind)
            yield self.server.url, [f"/queues/{name}" for name in names]
            for name in names:
                management.ask("DELETE", f"/queues/{name}")


def measure(broker: Any, load: Load, count: int) -> float:
    """Messages, or megabytes, per second."""
    count -= count % load.links
    sending = {"size": load.size, "links": load.links, "durable": broker.durable, "window": load.window}
    with contextlib.ExitStack() as stack:
        url, addresses = stack.enter_context(broker.serving(load))
        common = {"count": count, "addresses": addresses}
        receiver = None
        if load.receives:
            receiver = Worker(OURS, "consume", url, prefetch=100, links=load.links, **common)
            stack.enter_context(receiver)
            receiver.hear("started")
        reports = [stack.enter_context(Worker(OURS, "produce", url, **sending, **common)).report()]
        if receiver is not None:
            reports.append(receiver.report())
        seconds = max(report["last"] for report in reports) - min(report["first"] for report in reports)
        return count / seconds * (load.size / 1e6 if load.size >= MEGABYTE else 1)


def bare(place: Optional[Path], count: int, size: int = 200) -> float:
    """How often per second a record is appended to a file there and synced, one after the other."""
    with tempfile.TemporaryFile(dir=place) as file:
        record, number = b"x" * size, file.fileno()
        sync = getattr(os, "fdatasync", os.fsync)
        began = time.monotonic()
        for _ in range(count):
            os.write(number, record)
            sync(number)
        return count / (time.monotonic() - began)


@contextlib.contextmanager
def all_brokers(wanted: list[str]) -> Iterator[dict[str, Any]]:
    """Those that are here, by name."""
    brokers: dict[str, Any] = {"in memory": Own(OURS, "embedded_broker"), "with a store": Own(OURS, "durable_broker")}
    if version(THEIRS):
        brokers["on python-qpid-proton"] = Own(THEIRS, "minimal_broker")
    with contextlib.ExitStack() as stack:
        if not missing(RABBITMQ) and (not wanted or any("RabbitMQ" in name for name in wanted)):
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(RabbitMQ(place, RABBITMQ, schedulers=os.cpu_count() or 1))
            brokers |= {f"RabbitMQ {RABBITMQ} {kind}": Foreign(server, kind) for kind in ("classic", "quorum")}
        yield {name: broker for name, broker in brokers.items() if not wanted or name in wanted}


def line(load: Load, brokers: dict[str, Any], options: argparse.Namespace) -> str:
    """One row: the medians."""
    results: dict[str, list[float]] = {name: [] for name in brokers}
    failed: dict[str, str] = {}
    counts: dict[str, int] = {}
    syncs: list[float] = []
    for turn in range(-1, options.runs):
        for name, broker in brokers.items():
            try:
                if turn < 0:
                    rate = measure(broker, load, load.first) / (load.size / 1e6 if load.size >= MEGABYTE else 1)
                    counts[name] = max(load.links, load.first // 2, int(rate * options.seconds))
                elif name not in failed:
                    results[name].append(measure(broker, load, counts[name]))
            except DidNotFinish as error:
                failed[name] = str(error)
        if load.window == 1 and turn >= 0:
            syncs.append(bare(options.place, 200))
    cells = [failed.get(name) or f"{statistics.median(rates):,.0f}" for name, rates in results.items()]
    sync = f" (bare fdatasync loop: {statistics.median(syncs):,.0f})" if syncs else ""
    return f"| {load.title}{sync} | " + " | ".join(cells) + " |"


def main(arguments: Optional[list[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks.brokers")
    parser.add_argument("--runs", type=int, default=5, help="of which the median (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=[load.name for load in LOADS], help="default: all rows")
    parser.add_argument("--broker", action="append", default=[], help="by the name of its column; default: all")
    parser.add_argument("--place", type=Path, help="where the stores are (default: the system's place for such)")
    options = parser.parse_args(arguments)
    if options.place is not None:
        tempfile.tempdir = os.environ["TMPDIR"] = str(options.place)  # of the workers, too
    with all_brokers(options.broker) as brokers:
        unknown = [name for name in options.broker if name not in brokers]
        if unknown:
            parser.error(f"no broker {unknown[0]!r} here, but {', '.join(brokers)}")
        print(f"{machine()}; median of {options.runs}, each at most {LIMIT:g} s\n")
        print("| | " + " | ".join(brokers) + " |")
        print("|---|" + "---:|" * len(brokers))
        for load in LOADS:
            if not options.only or load.name in options.only:
                print(line(load, brokers, options), flush=True)


if __name__ == "__main__":
    sys.exit(main())
