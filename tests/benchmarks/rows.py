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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from tests.support.libraries import OURS, THEIRS
from tests.support.processes import CHECKOUT, unused_port

Figures = dict[str, float]

#: The library of another checkout, such as the build before; TREES says where it lies.
BEFORE = OURS + " before"
TREES = {OURS: CHECKOUT, THEIRS: CHECKOUT}
#: Ours, without busy polling.
QUIET = OURS + ", busy_poll=0"

# Nothing is judged by this: it ends a run that would never end.
LIMIT = 120.0


Command = Callable[[str, str, str, dict[str, Any]], list[str]]

#: How the workers of other languages and interpreters are started: by library, role, URL and options.
COMMANDS: dict[str, Command] = {}


def worker_in_python(
    library: str, role: str, url: str, options: dict[str, Any], python: str = sys.executable
) -> list[str]:
    """The command of a worker of ours, also of another checkout, or of python-qpid-proton."""
    named = library if library == THEIRS else OURS
    task = {"library": named, "role": role, "url": url, **options}
    if library == QUIET:
        task["busy_poll"] = 0
    return [*module(library, "tests.benchmarks.worker", python), json.dumps(task)]


def module(library: str, name: str, python: str = sys.executable) -> list[str]:
    """The command that runs a module of these benchmarks on that library."""
    elsewhere = ["-m", "tests.benchmarks.tree", str(TREES[BEFORE])] if library == BEFORE else ["-m"]
    return [python, *elsewhere, name]


class DidNotFinish(Exception):
    """A worker ended, or had to be ended, before it had said what was asked."""


class Worker:
    """A process of a benchmark, seen from the one that started it.

    limit: seconds until it is ended, whatever it does.
    """

    limit = LIMIT

    def __init__(self, library: str, role: str, url: str, limit: Optional[float] = None, **options: Any) -> None:
        self.role = role
        self.ending = False
        self.process = subprocess.Popen(
            COMMANDS.get(library, worker_in_python)(library, role, url, options),
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds = limit or self.limit
        self.expired = False
        self.watchdog = threading.Timer(self.seconds, self.expire)
        self.watchdog.daemon = True
        self.watchdog.start()

    def expire(self) -> None:
        self.expired = True
        self.process.kill()

    def hear(self, key: str) -> dict[str, Any]:
        """The next line that has `key`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if key in said:
                return said
        raise self.failed()

    def failed(self) -> DidNotFinish:
        """Why nothing more comes from it: it took too long, or failed by itself."""
        status = self.process.wait()
        if self.expired:
            return DidNotFinish(f"{self.role} did not finish in {self.seconds:g} s, and was ended")
        return DidNotFinish(f"{self.role} did not finish: it ended with status {status}")

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
            raise self.failed() from error
        return self.hear("cpu")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: Any) -> None:
        if self.ending:
            self.process.wait()  # it closes its connection in good order; the watchdog is still there
        self.watchdog.cancel()
        self.process.kill()
        self.process.communicate()


def together(sender: Figures, receiver: Figures, count: int, size: int, warm: int = 0) -> Figures:
    """Rates from the first message to the last thing that happened, CPU per message of each side. warm: messages before
    those that count; the receiver says when they are over, and the sender which one it began with."""
    first = receiver["first"] if warm else min(sender["first"], receiver["first"])
    seconds = max(sender["last"], receiver["last"]) - first
    rate = (count - warm) / seconds
    return {
        "rate": rate,
        "bytes": rate * size,
        "sender": sender["cpu"] / (count - sender.get("began", 0)),
        "receiver": receiver["cpu"] / (count - warm),
    }


def local_url(scheme: str = "amqp") -> str:
    # With TLS by name: the original does not find an address in a certificate.
    host = "localhost" if scheme == "amqps" else "127.0.0.1"
    return f"{scheme}://{host}:{unused_port()}"


@contextmanager
def listening(library: str, role: str, scheme: str = "amqp", **options: Any) -> Iterator[tuple[Worker, str]]:
    """A worker that listens, and where. Another program can take the port before: so it is tried three times."""
    for attempt in range(3):
        url = local_url(scheme)
        with Worker(library, role, url, **options) as worker:
            try:
                worker.hear("started")
            except DidNotFinish:
                if worker.expired or attempt == 2:
                    raise
                continue
            yield worker, url
            return


def direct(
    library: str,
    count: int,
    prefetch: int,
    size: int = 100,
    scheme: str = "amqp",
    to: str = "",
    warm: int = 0,
    **options: bool,
) -> Figures:
    """From `library` to another one, or to itself. warm: messages before those that count."""
    sent = {"count": warm + count, "size": size, "warm": warm}
    with listening(to or library, "receive", scheme, prefetch=prefetch, **sent) as (receiver, url):
        with Worker(library, "send", url, **sent, **options) as sender:
            return together(sender.report(), receiver.report(), warm + count, size, warm)


def through_broker(library: str, count: int, role: str, size: int = 100, durable: bool = False) -> Figures:
    with listening(library, role) as (broker, url):
        with Worker(library, "receive", url, count=count, prefetch=100, listen=False) as receiver:
            receiver.hear("started")
            before = broker.measure()
            # Named where it is asked for: the worker of an older checkout may not know it.
            kept = {"durable": True} if durable else {}
            with Worker(library, "send", url, count=count, size=size, **kept) as sender:
                figures = together(sender.report(), receiver.report(), count, size)
            figures["broker"] = (broker.measure()["cpu"] - before["cpu"]) / count
            return figures


def round_trip(library: str, count: int, to: str = "", warm: int = 0) -> Figures:
    """`library` asks itself, or another one. warm: round trips before those that count."""
    with listening(to or library, "respond") as (responder, url):
        with Worker(library, "request", url, count=warm + count, size=100, warm=warm) as requester:
            requester.hear("started")
            before = responder.measure()
            report = requester.report()
            report["responder"] = (responder.measure()["cpu"] - before["cpu"]) / (warm + count)
            report["rate"] = count / (report["last"] - report["first"])
            report["cpu"] /= count
            return report


def blocking(library: str, count: int, role: str, credit: int = 100) -> Figures:
    """Blocking calls of either library: sends to our broker, receives from a peer that sends as fast as it can."""
    peer: tuple[str, dict[str, Any]] = ("embedded_broker", {})
    options: dict[str, Any] = {"size": 100}
    if role == "blocking_receive":
        peer, options = ("feed", {"count": count, "size": 100}), {"credit": credit}
    with listening(OURS, peer[0], **peer[1]) as (_, url):
        with Worker(library, role, url, count=count, **options) as worker:
            report = worker.report()
    return {"rate": count / (report["last"] - report["first"]), "cpu": report["cpu"] / count}


def floor(library: str, count: int, work: float = 0.0) -> Figures:
    """A round trip without AMQP and without a library, in two processes. work: seconds of it in each turn."""
    command = [sys.executable, "-m", "tests.benchmarks.floor", str(count), str(work)]
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
    with listening(library, "hold") as (holder, url):
        with Worker(library, "open_many", url, count=count) as opener:
            opener.hear("started")
            before = holder.measure()
            report = opener.report(last=False)
            after = holder.measure()
            return {
                "count": count,
                "took": report["took"],
                "each": report["took"] / count,
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
        "floor-40",
        "the floor, where each of the two works for 40 us a turn: p50 / p99 us",
        lambda library, count: floor(library, count, 40e-6),
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
        main="each",
        less_is_better=True,
        counts={OURS: 2000, THEIRS: 50},
    ),
]
