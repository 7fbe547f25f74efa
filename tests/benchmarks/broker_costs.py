"""What a queued message costs the broker: calls, time and memory, at depths from a thousand to a million.

    python -m tests.benchmarks.broker_costs [--depths 1000,10000,...] [--durable 1000000] [--place DIRECTORY]

A queue alone, without links: `put`, and a consumer that takes and settles. Each depth has a process of its own. The
calls are exact, and so is the memory to a percent; the times are the best of several stretches of messages, of which
each is 1,000 long, put and taken while the queue is that deep. Last, a broker with so many durable messages in its
store: their memory, and the time from the start of its process until it listens.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

from handlers.broker import Broker
from handlers.broker.nodes.consumer import Consumer
from handlers.broker.nodes.entry import Entry
from handlers.broker.nodes.envelope import read_envelope
from handlers.broker.nodes.node import Queue
from handlers.broker.store.interface import AddMessage, AddNode
from handlers.broker.store.sqlite import SqliteStore
from reactor import Message
from reactor.simulation import MemoryNetwork
from tests.benchmarks.process import machine, memory
from tests.support.processes import CHECKOUT, Script, unused_port

DEPTHS = "1000,10000,100000,1000000"
STRETCH = 1000
TRIES = 20
LIMIT = 600.0


class Taker(Consumer):
    """Takes messages, and settles them at once."""

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self.queue = queue
        queue.join(self)

    def deliver(self, entry: Entry) -> None:
        self.queue.settle(entry)


def message(number: int, durable: bool = False) -> bytes:
    """Bytes of a message that no other shares, with a body of 100 bytes."""
    return bytes(Message(f"{number:0100}", durable=durable).encode())


def put(queue: Queue, payload: bytes) -> None:
    """As a link does."""
    envelope = read_envelope(payload)
    queue.put(envelope, payload[envelope.length :])


def queued(depth: int) -> dict[str, float]:
    """The figures of one depth, in this process."""
    queue = Queue("q")
    taker = Taker(queue)
    put(queue, message(0))
    gc.collect()
    before = memory()
    for number in range(1, depth):
        put(queue, message(number))
    gc.collect()
    used = (memory() - before) / depth
    times: dict[str, list[float]] = {"put": [], "take": []}
    for _ in range(TRIES):
        payloads = [message(number) for number in range(STRETCH)]
        began = time.perf_counter()
        for payload in payloads:
            put(queue, payload)
        middle = time.perf_counter()
        queue.grant(taker, STRETCH)
        times["take"].append(time.perf_counter() - middle)
        times["put"].append(middle - began)
    return {
        "memory": used,
        "put": min(times["put"]) / STRETCH,
        "take": min(times["take"]) / STRETCH,
        "calls to put": calls(lambda: [put(queue, message) for message in payloads]) / STRETCH,
        "calls to take": calls(lambda: queue.grant(taker, STRETCH)) / STRETCH,
    }


def calls(work: Any) -> int:
    """The Python calls of `work`."""
    made = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal made
        made += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


def fill(path: Path, count: int) -> None:
    """A store with so many durable messages in one queue, as a broker would have written it."""
    store = SqliteStore(path)
    number = store.new_number()
    store.commit([[AddNode(number, "queue", "jobs", {})]])
    for start in range(0, count, 10_000):
        groups = []
        for index in range(start, min(start + 10_000, count)):
            payload = message(index, durable=True)
            envelope = read_envelope(payload)
            body = payload[envelope.length :]
            groups.append([AddMessage(store.new_number(), number, envelope.header, body, 0)])
        store.commit(groups)
    store.close()


def restored(path: Path) -> dict[str, float]:
    """What the messages of a store cost a broker that has started with it, in this process."""
    from reactor import Container

    gc.collect()
    before = memory()
    network = MemoryNetwork()
    broker = Broker("amqp://broker:5672", store=path, max_queue_bytes=0, max_total_bytes=0)
    container = Container(broker, network=network.node(), clock=network.clock)
    container.start()
    container.process()
    gc.collect()
    depth = broker.statistics("jobs").depth
    return {"memory": (memory() - before) / depth, "depth": depth}


def started(place: Path, path: Path) -> float:
    """Seconds until `python -m handlers.broker` listens with this store."""
    url = f"amqp://127.0.0.1:{unused_port()}"
    began = time.perf_counter()
    command = [sys.executable, "-m", "handlers.broker", "--listen", url, "--store", str(path)]
    with Script(command, place, LIMIT) as script:
        script.wait_for("Listening on")
        return time.perf_counter() - began


def apart(*arguments: str) -> dict[str, float]:
    """The figures of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.broker_costs", *arguments]
    result = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT)
    figures: dict[str, float] = json.loads(result.stdout)
    return figures


def main(arguments: Optional[list[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks.broker_costs")
    parser.add_argument("--depths", default=DEPTHS, help="default: %(default)s")
    parser.add_argument("--durable", type=int, default=1_000_000, help="messages (default: %(default)s; 0: none)")
    parser.add_argument("--place", type=Path, help="where the store is made (default: the system's place for such)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--restored", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one or options.restored:
        print(json.dumps(queued(options.one) if options.one else restored(options.restored)))
        return
    print(machine())
    print("\n| messages in the queue | put: calls, us | take and settle: calls, us | bytes each in memory |")
    print("|---:|---:|---:|---:|")
    for depth in map(int, options.depths.split(",")):
        it = apart("--one", str(depth))
        put_cell = f"{it['calls to put']:.2f}, {it['put'] * 1e6:.2f}"
        take_cell = f"{it['calls to take']:.2f}, {it['take'] * 1e6:.2f}"
        print(f"| {depth:,} | {put_cell} | {take_cell} | {it['memory']:.0f} |", flush=True)
    if options.durable:
        with tempfile.TemporaryDirectory(dir=options.place) as name:
            place = Path(name)
            path = place / "costs.store"
            fill(path, options.durable)
            size = path.stat().st_size / options.durable
            it = apart("--restored", str(path))
            seconds = started(place, path)
        print(
            f"\n{it['depth']:,.0f} durable messages: {it['memory']:.0f} bytes each in memory, {size:.0f} in the file; "
            f"{seconds:.1f} s from the start of the process until the broker listens"
        )


if __name__ == "__main__":
    main()
