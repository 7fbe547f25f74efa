"""How soon a client is back at work when its broker was killed and started again.

    python -m tests.benchmarks.recovery [--runs N] [--away SECONDS] [--broker NAME]

One broker serves a client of either library at the same time, with the delays that the library has by itself and with
delays that are the same for both; each sends a message every 20 ms to a queue that it also receives from. The broker
is killed, is away for a while, is started again; what is measured for each client is the time from when the broker
listens again until a message of its is accepted again. That depends on where in its row of delays a client is when the
broker comes back, so the absence is another one in each run. `handlers.broker` is one broker, RabbitMQ another where it
is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from tests.benchmarks.process import machine
from tests.benchmarks.rows import Worker
from tests.support.libraries import OURS, THEIRS, version
from tests.support.processes import Script, unused_port
from tests.support.rabbitmq import RabbitMQ, missing

#: Seconds after which a benchmark that hangs is ended.
LIMIT = 1800.0
#: Seconds that a connection lives before it is lost: after less than that the delays of ours go on where they were.
LIVED = 1.5
SAME = {"initial": 0.1, "factor": 2, "max_delay": 1}
DELAYS: dict[str, Optional[dict[str, float]]] = {"its own delays": None, "0.1, 0.2, 0.4, 0.8, 1, 1 ... s": SAME}


class Embedded:
    """`python -m handlers.broker`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = unused_port()
        self.url = f"amqp://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "handlers.broker", "--listen", self.url]
        self.script = Script(command, self.place, LIMIT)

    def kill(self) -> None:
        self.script.__exit__()

    def __enter__(self) -> Embedded:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.kill()


BROKERS: dict[str, Any] = {"handlers.broker": Embedded, "RabbitMQ": RabbitMQ}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks.recovery")
    parser.add_argument("--runs", type=int, default=11, help="of which the median (default: %(default)s)")
    parser.add_argument("--away", type=float, default=8.0, help="seconds, evenly from 0 on (default: %(default)s)")
    parser.add_argument("--broker", choices=BROKERS, action="append", help="default: all that are here")
    options = parser.parse_args()
    libraries = [library for library in (OURS, THEIRS) if version(library)]
    brokers = options.broker or [name for name in BROKERS if name != "RabbitMQ" or not missing()]
    print(machine())
    print("\nFrom when the broker listens again until a message is accepted again, in ms: median (most)")
    print(f"of {options.runs} runs, in which it is killed and started again after 0 to {options.away:g} s.\n")
    print("| broker | delays | " + " | ".join(f"{name} {version(name)}" for name in libraries) + " |")
    print("|---|---|" + "---:|" * len(libraries))
    for name in brokers:
        absences = [options.away * number / max(1, options.runs - 1) for number in range(options.runs)]
        with tempfile.TemporaryDirectory() as place, BROKERS[name](Path(place)) as broker:
            times = measure(broker, libraries, absences)
        for delays in DELAYS:
            cells = [show(times[library, delays]) for library in libraries]
            print(f"| {name} | {delays} | " + " | ".join(cells) + " |", flush=True)


def measure(broker: Any, libraries: list[str], absences: list[float]) -> dict[tuple[str, str], list[float]]:
    """The seconds of each recovery, by (library, delays)."""
    with contextlib.ExitStack() as stack:
        wait_until_it_listens(broker)
        workers = {
            (library, delays): stack.enter_context(
                Worker(library, "carry", broker.url, LIMIT, address=f"/queue/{number}-{library}", backoff=backoff)
            )
            for library in libraries
            for number, (delays, backoff) in enumerate(DELAYS.items())
        }
        times: dict[tuple[str, str], list[float]] = {key: [] for key in workers}
        for worker in workers.values():
            worker.hear("accepted")
        for away in absences:
            time.sleep(LIVED)
            broker.kill()
            time.sleep(away)
            with started(broker):
                back = wait_until_it_listens(broker)
            for key, worker in workers.items():
                times[key].append(worker.hear("accepted")["accepted"] - back)
    return times


@contextlib.contextmanager
def started(broker: Any) -> Iterator[None]:
    """Start the broker; it listens at some time while this is open."""
    thread = threading.Thread(target=broker.start)
    thread.start()
    yield
    thread.join()


def wait_until_it_listens(broker: Any) -> float:
    """When the broker was seen to listen, to two milliseconds."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", broker.port), 1):
            return time.monotonic()
        time.sleep(0.002)


def show(times: list[float]) -> str:
    return f"{statistics.median(times) * 1e3:,.0f} ({max(times) * 1e3:,.0f})"


if __name__ == "__main__":
    main()
