"""Workers of other languages and interpreters, and the table beside them: rhea on node, Proton's C++ binding (compiled
here), and this library on PyPy. Each is there where it installs, and left out with the reason where it does not."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable

from tests.benchmarks.rows import COMMANDS, DidNotFinish, Figures, direct, round_trip, worker_in_python
from tests.support import strangers
from tests.support.libraries import OURS

HERE = Path(__file__).parent
CPP, RHEA, PYPY = "Proton C++", "rhea", OURS + " on PyPy"
OPTIONS = {"cpp": CPP, "rhea": RHEA, "pypy": PYPY}
CREDIT = 1000
#: Messages of the first, short run, which says how many fill the time.
FIRST = 5000

Measure = Callable[[int], Figures]


class NotHere(Exception):
    """That worker cannot be run on this machine, for this reason."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cpp", action="store_true", help="beside Proton's C++ (libqpid-proton-cpp12-dev, g++)")
    parser.add_argument("--rhea", action="store_true", help="beside rhea (python -m tests.support.strangers)")
    parser.add_argument("--pypy", action="store_true", help="beside this library on PyPy (pypy3)")


def asked(options: argparse.Namespace) -> list[str]:
    """The names of those that were asked for."""
    return [name for flag, name in OPTIONS.items() if getattr(options, flag)]


def show(names: list[str], runs: int, seconds: float) -> None:
    """Print both tables. What takes part takes turns, so that what disturbs one disturbs the others."""
    with tempfile.TemporaryDirectory() as place:
        there = [name for name in names if _begin(name, Path(place))]
        pairs = [(OURS, OURS), *((name, name) for name in there)]
        pairs += [pair for name in there if name != PYPY for pair in ((OURS, name), (name, OURS))]
        print(f"\nMedian of {runs}, bodies of 100 bytes, credit {CREDIT}, every peer a process of its own, loopback.\n")
        print("| from | to | messages/s (CPU us: sender + receiver) | of the best to itself |\n|---|---|---:|---:|")
        rates = _measured({pair: _direct(*pair) for pair in pairs}, runs, seconds)
        best = max(rates[pair]["rate"] for pair in rates if pair[0] == pair[1])
        for pair, found in rates.items():
            cpu = f"{found['sender'] * 1e6:.1f} + {found['receiver'] * 1e6:.1f}"
            print(f"| {pair[0]} | {pair[1]} | {found['rate']:,.0f} ({cpu}) | {found['rate'] / best:.2f} |")
        print("\n| request and response | p50, p99 in us | messages/s |\n|---|---:|---:|")
        trips = _measured({name: _round_trip(name) for name in (OURS, *there)}, runs, seconds)
        for name, found in trips.items():
            print(f"| {name} | {found['p50'] * 1e6:.0f}, {found['p99'] * 1e6:.0f} | {found['rate']:,.0f} |")


def _direct(sender: str, receiver: str) -> Measure:
    return lambda count: direct(sender, count, CREDIT, to=receiver)


def _round_trip(name: str) -> Measure:
    return lambda count: round_trip(name, count)


def _measured(measures: dict[Any, Measure], runs: int, seconds: float) -> dict[Any, Figures]:
    counts = {key: max(FIRST, int(measure(FIRST)["rate"] * seconds)) for key, measure in measures.items()}
    results: dict[Any, list[Figures]] = {key: [] for key in measures}
    for _ in range(runs):
        for key, measure in measures.items():
            try:
                results[key].append(measure(counts[key]))
            except DidNotFinish as error:
                print(f"{key}: {error}")
    return {
        key: {name: statistics.median(one[name] for one in found) for name in found[0]}
        for key, found in results.items()
        if found
    }


# -- the workers --------------------------------------------------------------------------------------------------


def _begin(name: str, place: Path) -> bool:
    """Make its worker ready, or say why it is not here."""
    try:
        COMMANDS[name] = {CPP: _compiled, RHEA: _in_node, PYPY: _in_pypy}[name](place)
    except NotHere as error:
        print(f"{name} is left out: {error}")
        return False
    return True


def _arguments(role: str, url: str, options: dict[str, Any]) -> list[str]:
    host, _, port = url.rpartition("//")[2].rpartition(":")
    return [role, host, port, *(str(options.get(key, usual)) for key, usual in _USUAL)]


_USUAL = (("count", 0), ("size", 100), ("prefetch", 10))


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
    return lambda library, role, url, options: ["node", str(HERE / "rhea.js"), *_arguments(role, url, options)]


def _in_pypy(place: Path) -> Callable[..., list[str]]:
    pypy = shutil.which("pypy3")
    if pypy is None:
        raise NotHere("there is no pypy3")
    return lambda library, role, url, options: worker_in_python(OURS, role, url, options, pypy)
