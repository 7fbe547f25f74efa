"""Workers of other languages and interpreters, and the table beside them: rhea on node, Proton's C++ binding (compiled
here), and this library on PyPy. Each is there where it installs, and left out with the reason where it does not."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

from tests.benchmarks.rows import COMMANDS, direct, latency, per_second, round_trip, worker_in_python
from tests.benchmarks.taking_turns import Measure, Taken, in_turns
from tests.support import strangers
from tests.support.libraries import OURS

HERE = Path(__file__).parent
CPP, RHEA, PYPY = "Proton C++", "rhea", OURS + " on PyPy"
OPTIONS = {"cpp": CPP, "rhea": RHEA, "pypy": PYPY}
CREDIT = 1000
#: Messages before those that count: the same for all, and enough for those that compile on the way. TRIPS: so much of
#: it in round trips.
WARM, TRIPS = 100_000, 0.03
#: Messages, and round trips, of the run that says how many fill the time: at least so many.
FIRST, FIRST_TRIPS = 1_000, 100


class NotHere(Exception):
    """That worker cannot be run on this machine, for this reason."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cpp", action="store_true", help="beside Proton's C++ (libqpid-proton-cpp12-dev, g++)")
    parser.add_argument("--rhea", action="store_true", help="beside rhea (python -m tests.support.strangers)")
    parser.add_argument("--pypy", action="store_true", help="beside this library on PyPy (pypy3)")
    warm = "messages before those that count, there (default: %(default)s)"
    parser.add_argument("--warm", type=int, metavar="N", default=WARM, help=warm)


def asked(options: argparse.Namespace) -> list[str]:
    """The names of those that were asked for."""
    return [name for flag, name in OPTIONS.items() if getattr(options, flag)]


def show(names: list[str], runs: int, seconds: float, warm: int) -> None:
    """Print both tables."""
    with begun(names) as there:
        print(f"\nMedian of {runs}, bodies of 100 bytes, credit {CREDIT}, every peer a process of its own, loopback.\n")
        print("\n".join(directs(there, runs, seconds, warm)) + "\n", flush=True)
        print("\n".join(trips(there, runs, seconds, warm)))


def pairs(there: list[str]) -> list[tuple[str, str]]:
    """Each to itself; ours to each other one that is another implementation, and back."""
    strange = [name for name in there if name != PYPY]
    return [(name, name) for name in (OURS, *there)] + [
        pair for name in strange for pair in ((OURS, name), (name, OURS))
    ]


def directs(there: list[str], runs: int, seconds: float, warm: int) -> list[str]:
    """The table of messages from one process to another."""

    def measure(sender: str, receiver: str) -> Measure:
        return lambda count: direct(sender, count, CREDIT, to=receiver, warm=warm)

    taken = _in_turns({pair: measure(*pair) for pair in pairs(there)}, max(FIRST, warm // 10), runs, seconds)
    rates = {pair: it.median["rate"] for pair, it in taken.items() if it.median}
    best = max((rate for (one, other), rate in rates.items() if one == other), default=0.0)
    lines = ["| from | to | messages/s (CPU us: sender + receiver) | of the best to itself |", "|---|---|---:|---:|"]
    for pair, it in taken.items():
        share = f"{rates[pair] / best:.2f}" if pair in rates else "-"
        lines.append(f"| {pair[0]} | {pair[1]} | {it.show(per_second)} | {share} |")
    return lines


def trips(there: list[str], runs: int, seconds: float, warm: int) -> list[str]:
    """The table of requests and responses."""

    def measure(asking: str, answering: str) -> Measure:
        return lambda count: round_trip(asking, count, to=answering, warm=int(warm * TRIPS))

    first = max(FIRST_TRIPS, int(warm * TRIPS) // 5)
    taken = _in_turns({pair: measure(*pair) for pair in pairs(there)}, first, runs, seconds)
    lines = ["| asks | answers | round trip: p50 / p99 us | round trips/s |", "|---|---|---:|---:|"]
    for (asking, answering), it in taken.items():
        rate = f"{it.median['rate']:,.0f}" if it.median else "-"
        lines.append(f"| {asking} | {answering} | {it.show(latency)} | {rate} |")
    return lines


def _in_turns(
    measures: dict[tuple[str, str], Measure], first: int, runs: int, seconds: float
) -> dict[tuple[str, str], Taken]:
    return in_turns(measures, lambda pair: max(first, int(measures[pair](first)["rate"] * seconds)), runs)


# -- the workers --------------------------------------------------------------------------------------------------


@contextmanager
def begun(names: list[str]) -> Iterator[list[str]]:
    """Those whose workers are ready; says on stderr why others are not here."""
    with tempfile.TemporaryDirectory() as place:
        yield [name for name in names if _begin(name, Path(place))]


def _begin(name: str, place: Path) -> bool:
    try:
        COMMANDS[name] = {CPP: _compiled, RHEA: _in_node, PYPY: _in_pypy}[name](place)
    except NotHere as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return False
    return True


def _arguments(role: str, url: str, options: dict[str, Any]) -> list[str]:
    host, _, port = url.rpartition("//")[2].rpartition(":")
    return [role, host, port, *(str(options.get(key, usual)) for key, usual in _USUAL)]


_USUAL = (("count", 0), ("size", 100), ("prefetch", 10), ("warm", 0))


def _compiled(place: Path) -> Callable[..., list[str]]:
    program = place / "proton"
    if shutil.which("g++") is None:
        raise NotHere("there is no g++")
    command = ["g++", "-O2", "-std=c++11", "-o", str(program), str(HERE / "proton.cpp")]
    command += ["-lqpid-proton-cpp", "-lpthread"]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise NotHere("it does not compile (libqpid-proton-cpp12-dev): " + result.stderr.strip().split("\n")[0])
    return lambda library, role, url, options: [str(program), *_arguments(role, url, options)]


def _in_node(place: Path) -> Callable[..., list[str]]:
    why = strangers.missing("rhea")
    if why:
        raise NotHere(why)
    os.environ["AMQP_REACTOR_STRANGERS"] = str(strangers.folder())
    # There is a core for each process at most, and none for the threads of V8's collector: at real-time priority, on a
    # machine in use, the program waits for them in a loop, and is up to twenty times as slow.
    program = ["node", "--single-threaded-gc", str(HERE / "rhea.js")]
    return lambda library, role, url, options: [*program, *_arguments(role, url, options)]


def _in_pypy(place: Path) -> Callable[..., list[str]]:
    pypy = shutil.which("pypy3")
    if pypy is None:
        raise NotHere("there is no pypy3")
    return lambda library, role, url, options: worker_in_python(OURS, role, url, options, pypy)
