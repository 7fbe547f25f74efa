"""What busy polling gains and costs, where a processor is free for it and where none is.

    python -m tests.benchmarks.polling [--against PATH] [--runs 3] [--seconds 1] [--only WORDS]

`busy_poll=0`, the default and, with `--against`, the default of another checkout take turns in each run; the median of
the runs is shown. Busy programs, where a row has them, are Python processes that never rest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Callable

from tests.benchmarks.process import machine
from tests.benchmarks.rows import BEFORE, QUIET, TREES, DidNotFinish, Figures, Worker, direct, listening, round_trip
from tests.benchmarks.taking_turns import in_turns
from tests.support.libraries import OURS

Measure = Callable[[str, float], Figures]
Show = Callable[[Figures], str]

#: Round trips, and messages, of a second: enough to measure by on any machine.
TRIPS, MESSAGES = 5_000, 20_000


@contextmanager
def one_processor() -> Iterator[None]:
    """Processes that are started meanwhile share one."""
    if not hasattr(os, "sched_setaffinity"):
        raise DidNotFinish("this system binds no process to a processor")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def busy_programs(number: int) -> Iterator[None]:
    """So many processes that never rest, all the while."""
    with ExitStack() as stack:
        for _ in range(number):
            program = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(program.kill)
        yield


def trips(library: str, seconds: float) -> Figures:
    return round_trip(library, int(TRIPS * seconds))


def messages(library: str, seconds: float) -> Figures:
    return direct(library, int(MESSAGES * seconds), 10)


def on_one(measure: Measure) -> Measure:
    def measured(library: str, seconds: float) -> Figures:
        with one_processor():
            return measure(library, seconds)

    return measured


def among(number: int, measure: Measure) -> Measure:
    def measured(library: str, seconds: float) -> Figures:
        with busy_programs(number):
            return measure(library, seconds)

    return measured


def pairs(number: int) -> Measure:
    def measured(library: str, seconds: float) -> Figures:
        with ThreadPoolExecutor(number) as threads:
            figures = list(threads.map(lambda _: trips(library, seconds), range(number)))
        return {"rate": sum(each["rate"] for each in figures)}

    return measured


def paced(rate: int) -> Measure:
    def measured(library: str, seconds: float) -> Figures:
        count = max(10, int(rate * seconds))
        with listening(library, "receive", prefetch=10, count=count) as (receiver, url):
            with Worker(library, "pace", url, count=count, size=100, rate=rate) as sender:
                sent, received = sender.report(), receiver.report()
        rate_reached = count / (sent["last"] - sent["first"])
        return {"sender": sent["cpu"] / count, "receiver": received["cpu"] / count, "rate": rate_reached}

    return measured


def show_trip(figures: Figures) -> str:
    both = figures["cpu"] + figures["responder"]
    return f"{figures['p50'] * 1e6:,.0f} / {figures['p99'] * 1e6:,.0f} ({both * 1e6:,.0f})"


def show_rate(figures: Figures) -> str:
    return f"{figures['rate']:,.0f}"


def show_cpu(figures: Figures) -> str:
    return f"{figures['sender'] * 1e6:,.0f} + {figures['receiver'] * 1e6:,.0f} ({figures['rate']:,.0f}/s)"


TRIP = "round trip: p50 / p99 us (CPU us of both)"
DIRECT = "prefetch 10: messages/s"
ROWS: dict[str, tuple[Measure, Show]] = {
    TRIP: (trips, show_trip),
    DIRECT: (messages, show_rate),
    f"both processes on one processor, {TRIP}": (on_one(trips), show_trip),
    f"both processes on one processor, {DIRECT}": (on_one(messages), show_rate),
    "2 pairs at once: round trips/s": (pairs(2), show_rate),
    "8 pairs at once: round trips/s": (pairs(8), show_rate),
    "100 messages/s: CPU us a message, sender + receiver": (paced(100), show_cpu),
    "1,000 messages/s": (paced(1_000), show_cpu),
    "5,000 messages/s": (paced(5_000), show_cpu),
    f"beside 1 busy program, {TRIP}": (among(1, trips), show_trip),
    f"beside 4 busy programs, {TRIP}": (among(4, trips), show_trip),
    f"beside 4 busy programs, {DIRECT}": (among(4, messages), show_rate),
}


def of(measure: Measure, library: str, seconds: float, _: int) -> Figures:
    """Once; how many messages there are goes by the time."""
    return measure(library, seconds)


def at_real_time() -> bool:
    """Whether this process, and so its busy programs, goes before all others until it sleeps."""
    return hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="what busy polling gains and costs")
    parser.add_argument("--against", type=Path, help="another checkout, such as the build before")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a run, about")
    parser.add_argument("--only", default="", help="the rows with these words")
    options = parser.parse_args()
    if at_real_time():
        parser.error("at real-time priority its busy programs would leave the processors to nothing else: without chrt")
    libraries = [QUIET, OURS]
    if options.against is not None:
        TREES[BEFORE] = options.against.resolve()
        libraries.insert(1, BEFORE)
    chosen = {title: row for title, row in ROWS.items() if options.only in title}
    if not chosen:
        parser.error(f"no row has these words: {options.only}; there are: " + "; ".join(ROWS))
    print(f"{machine()}; median of {options.runs}, of about {options.seconds:g} s each.\n")
    heads = {QUIET: "`busy_poll=0`", BEFORE: "before", OURS: "default"}
    print("| | " + " | ".join(heads[library] for library in libraries) + " |")
    print("|---|" + "---:|" * len(libraries))
    for title, (measure, show) in chosen.items():
        measures = {library: partial(of, measure, library, options.seconds) for library in libraries}
        taken = in_turns(measures, lambda _: 0, options.runs)
        print(f"| {title} | " + " | ".join(taken[library].show(show) for library in libraries) + " |", flush=True)


if __name__ == "__main__":
    main()
