"""The rows of the table: which processes play together, and what is taken from their reports.

A row measures one library once: `row.measure(library, count)` returns named figures. How often and in which
order is decided elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from tests.support.libraries import OURS, THEIRS
from tests.support.processes import CHECKOUT, unused_port

Figures = dict[str, float]

#: The library of another checkout, such as the build before; TREES says where it lies.
BEFORE = OURS + " before"
TREES = {OURS: CHECKOUT, THEIRS: CHECKOUT}

# Nothing is judged by this: it ends a run that would never end.
LIMIT = 120.0


Command = Callable[[str, str, str, dict[str, Any]], list[str]]

#: How the workers of other languages and interpreters are started: by library, role, URL and options.
COMMANDS: dict[str, Command] = {}


def worker_in_python(
    library: str, role: str, url: str, options: dict[str, Any], python: str = sys.executable
) -> list[str]:
    """The command of a worker of ours, or of python-qpid-proton."""
    named = library if library == THEIRS else OURS
    task = {"library": named, "role": role, "url": url, **options}
    return [python, "-m", "tests.benchmarks.worker", json.dumps(task)]


class DidNotFinish(Exception):
    """A worker ended, or had to be ended, before it had said what was asked."""


class Worker:
    """A process of a benchmark, seen from the one that started it."""

    def __init__(self, library: str, role: str, url: str, limit: float = LIMIT, **options: Any) -> None:
        self.role = role
        self.ending = False
        self.process = subprocess.Popen(
            COMMANDS.get(library, worker_in_python)(library, role, url, options),
            cwd=TREES.get(library, CHECKOUT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.watchdog = threading.Timer(limit, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()

    def hear(self, key: str) -> dict[str, Any]:
        """The next line that has `key`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if key in said:
                return said
        raise DidNotFinish(f"{self.role} did not finish")

    def report(self, last: bool = True) -> Figures:
        """What it measured. last: it has nothing else to do, and ends by itself."""
        report: Figures = self.hear("report")["report"]
        self.ending = last
        return report

    def measure(self) -> Figures:
        """Its CPU time and memory now."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("measure\n")
            self.process.stdin.flush()
        except OSError as error:
            raise DidNotFinish(f"{self.role} did not finish") from error
        return self.hear("cpu")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: Any) -> None:
        if self.ending:
            self.process.wait()  # it closes its connection in good order; the watchdog is still there
        self.watchdog.cancel()
        self.process.kill()
        self.process.communicate()


def together(sender: Figures, receiver: Figures, count: int, size: int) -> Figures:
    """Rates from the first message to the last thing that happened, CPU per message of each side."""
    seconds = max(sender["last"], receiver["last"]) - min(sender["first"], receiver["first"])
    return {
        "rate": count / seconds,
        "bytes": count * size / seconds,
        "sender": sender["cpu"] / count,
        "receiver": receiver["cpu"] / count,
    }


def local_url(scheme: str = "amqp") -> str:
    # With TLS by name: the original does not find an address in a certificate.
    host = "localhost" if scheme == "amqps" else "127.0.0.1"
    return f"{scheme}://{host}:{unused_port()}"


def direct(
    library: str, count: int, prefetch: int, size: int = 100, scheme: str = "amqp", to: str = "", **options: bool
) -> Figures:
    """From `library` to another one, or to itself."""
    url = local_url(scheme)
    with Worker(to or library, "receive", url, count=count, prefetch=prefetch) as receiver:
        receiver.hear("started")
        with Worker(library, "send", url, count=count, size=size, **options) as sender:
            return together(sender.report(), receiver.report(), count, size)


def through_broker(library: str, count: int, role: str, size: int = 100, durable: bool = False) -> Figures:
    url = local_url()
    with Worker(library, role, url) as broker:
        broker.hear("started")
        with Worker(library, "receive", url, count=count, prefetch=100, listen=False) as receiver:
            receiver.hear("started")
            before = broker.measure()
            # Named where it is asked for: the worker of an older checkout may not know it.
            kept = {"durable": True} if durable else {}
            with Worker(library, "send", url, count=count, size=size, **kept) as sender:
                figures = together(sender.report(), receiver.report(), count, size)
            figures["broker"] = (broker.measure()["cpu"] - before["cpu"]) / count
            return figures


def round_trip(library: str, count: int) -> Figures:
    url = local_url()
    with Worker(library, "respond", url) as responder:
        responder.hear("started")
        with Worker(library, "request", url, count=count, size=100) as requester:
            requester.hear("started")
            before = responder.measure()
            report = requester.report()
            report["responder"] = (responder.measure()["cpu"] - before["cpu"]) / count
            report["rate"] = count / (report["last"] - report["first"])
            report["cpu"] /= count
            return report


def blocking(library: str, count: int, role: str, credit: int = 100) -> Figures:
    """Blocking calls of either library: sends to our broker, receives from a peer that sends as fast as it can."""
    url = local_url()
    peer: tuple[str, dict[str, Any]] = ("embedded_broker", {})
    options: dict[str, Any] = {"size": 100}
    if role == "blocking_receive":
        peer, options = ("feed", {"count": count, "size": 100}), {"credit": credit}
    with Worker(OURS, peer[0], url, **peer[1]) as other:
        other.hear("started")
        with Worker(library, role, url, count=count, **options) as worker:
            report = worker.report()
    return {"rate": count / (report["last"] - report["first"]), "cpu": report["cpu"] / count}


def floor(library: str, count: int) -> Figures:
    """A round trip without AMQP and without a library, in two processes."""
    command = [sys.executable, "-m", "tests.benchmarks.floor", str(count)]
    result = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, timeout=LIMIT)
    if result.returncode:
        raise DidNotFinish("floor did not finish")
    figures: Figures = json.loads(result.stdout)
    return figures


IMPORTING = """
import sys, time
from tests.benchmarks.process import memory
began = time.perf_counter()
{statement}
took = time.perf_counter() - began
print(took, memory())
"""

STATEMENTS = {True: "import reactor, handlers", False: "import proton, proton.handlers, proton.reactor"}


def importing(library: str, count: int) -> Figures:
    """What a fresh process pays for the import: the second one, for the first one has to compile."""
    command = [sys.executable, "-c", IMPORTING.format(statement=STATEMENTS[library != THEIRS])]
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(2):
            result = subprocess.run(
                command, cwd=TREES[library], env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
    took, resident = result.stdout.split()
    return {"took": float(took), "memory": float(resident)}


def connections(library: str, count: int) -> Figures:
    url = local_url()
    with Worker(library, "hold", url) as holder:
        holder.hear("started")
        with Worker(library, "open_many", url, count=count) as opener:
            opener.hear("started")
            before = holder.measure()
            report = opener.report(last=False)
            after = holder.measure()
            return {
                "count": count,
                "took": report["took"],
                "opener": report["bytes"] / count,
                "holder": (after["memory"] - before["memory"]) / count,
            }


def per_second(figures: Figures) -> str:
    return f"{figures['rate']:,.0f} ({figures['sender'] * 1e6:.1f} + {figures['receiver'] * 1e6:.1f})"


def per_second_of_one(figures: Figures) -> str:
    return f"{figures['rate']:,.0f} ({figures['cpu'] * 1e6:.1f})"


def per_second_and_broker(figures: Figures) -> str:
    cpu = " + ".join(f"{figures[side] * 1e6:.1f}" for side in ("sender", "broker", "receiver"))
    return f"{figures['rate']:,.0f} ({cpu})"


def megabytes(figures: Figures) -> str:
    return f"{figures['bytes'] / 1e6:,.0f}"


def latency(figures: Figures) -> str:
    return f"{figures['p50'] * 1e6:,.0f} / {figures['p99'] * 1e6:,.0f}"


def start_up(figures: Figures) -> str:
    return f"{figures['took'] * 1e3:.0f} ms, {figures['memory'] / 1e6:.0f} MB"


def kept(figures: Figures) -> str:
    sizes = f"{figures['opener'] / 1e3:.0f} + {figures['holder'] / 1e3:.0f} KB each"
    return f"{figures['count']:,.0f} in {figures['took']:.1f} s, {sizes}"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    measure: runs it once for a library with so many messages.
    show: the figures as text.
    main: the figure whose ratio between the libraries is printed; "" for none.
    count: messages of the run that finds out how many fit into the time of the others.
    counts: instead, how many for each library, where a row has no time to fill.
    only: the one library that has it; None, the default: both.
    """

    name: str
    title: str
    measure: Callable[[str, int], Figures]
    show: Callable[[Figures], str]
    main: str = "rate"
    less_is_better: bool = False
    count: int = 2000
    counts: dict[str, int] = field(default_factory=dict)
    only: Optional[str] = None


MEGABYTE = 1_000_000

ROWS = [
    Row(
        "direct-1000",
        "direct, prefetch 1000: messages/s (CPU us per message: sender + receiver)",
        lambda library, count: direct(library, count, prefetch=1000),
        per_second,
    ),
    Row(
        "direct-10",
        "direct, default prefetch 10: messages/s (CPU us)",
        lambda library, count: direct(library, count, prefetch=10),
        per_second,
    ),
    Row(
        "one-by-one",
        "direct, one message in each `on_sendable`, prefetch 1000: messages/s (CPU us)",
        lambda library, count: direct(library, count, prefetch=1000, one_by_one=True),
        per_second,
    ),
    Row(
        "presettled",
        "direct, pre-settled, prefetch 1000: messages/s (CPU us)",
        lambda library, count: direct(library, count, prefetch=1000, presettled=True),
        per_second,
    ),
    Row(
        "tls",
        "direct with TLS, prefetch 1000: messages/s (CPU us)",
        lambda library, count: direct(library, count, prefetch=1000, scheme="amqps"),
        per_second,
    ),
    Row(
        "tls-large",
        "messages of 1 MB with TLS: MB/s",
        lambda library, count: direct(library, count, prefetch=10, size=MEGABYTE, scheme="amqps"),
        megabytes,
        main="bytes",
        count=20,
    ),
    Row(
        "round-trip",
        "request and response, round trip: p50 / p99 us",
        round_trip,
        latency,
        main="p50",
        less_is_better=True,
        count=500,
    ),
    Row(
        "floor",
        "the floor of a round trip, sockets and `selectors` alone: p50 / p99 us",
        floor,
        latency,
        main="p50",
        less_is_better=True,
        count=500,
        only=OURS,
    ),
    Row(
        "large",
        "messages of 1 MB: MB/s",
        lambda library, count: direct(library, count, prefetch=10, size=MEGABYTE),
        megabytes,
        main="bytes",
        count=20,
    ),
    Row(
        "broker",
        "through the same minimal broker: messages/s (CPU us: sender + broker + receiver)",
        lambda library, count: through_broker(library, count, "minimal_broker"),
        per_second_and_broker,
    ),
    Row(
        "embedded",
        "through `handlers.broker`: messages/s (CPU us: sender + broker + receiver)",
        lambda library, count: through_broker(library, count, "embedded_broker"),
        per_second_and_broker,
        only=OURS,
    ),
    Row(
        "durable",
        "through `handlers.broker --store`, durable: messages/s (CPU us: sender + broker + receiver)",
        lambda library, count: through_broker(library, count, "durable_broker", durable=True),
        per_second_and_broker,
        only=OURS,
    ),
    Row(
        "blocking-send",
        "blocking calls: `send` with an outcome for each: messages/s (CPU us)",
        lambda library, count: blocking(library, count, "blocking_send"),
        per_second_of_one,
        count=500,
    ),
    Row(
        "blocking-receive",
        "blocking calls: `receive` with credit 100, and `accept`: messages/s (CPU us)",
        lambda library, count: blocking(library, count, "blocking_receive"),
        per_second_of_one,
        count=500,
    ),
    Row(
        "blocking-receive-1000",
        "the same with credit 1000",
        lambda library, count: blocking(library, count, "blocking_receive", 1000),
        per_second_of_one,
        count=500,
    ),
    Row(
        "import",
        "import: time, resident memory of the process",
        importing,
        start_up,
        main="took",
        less_is_better=True,
        counts={OURS: 1, THEIRS: 1},
    ),
    Row(
        "connections",
        "connections with a link each: how many in what time, memory (client + server)",
        connections,
        kept,
        main="",
        counts={OURS: 2000, THEIRS: 50},
    ),
]
