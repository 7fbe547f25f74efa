"""Where the time of a round trip goes, by function: of this library, and of the build before.

    python -m tests.benchmarks.turns [--against PATH] [--seconds 3] [--runs 3] [--top 16]

Two processes ask and answer over a socket; a timer looks a thousand times a second which function runs, or waits in the
system. That is time as it passes, with little of its own; beside it stand the bytecodes of Python of a turn, which are
exact. A name is that of the function and its room; what moved to another room is another line.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import CodeType
from typing import Any, Optional

from tests.benchmarks.process import machine
from tests.benchmarks.roles import ROLES
from tests.benchmarks.rows import BEFORE, LIMIT, TREES, local_url, module
from tests.support.libraries import OURS, load
from tests.support.processes import CHECKOUT

NAME = "tests.benchmarks.turns"
SIDES = {"request": "asking", "respond": "answering"}
EVERY = 0.00097  #: seconds between two looks: no multiple of anything else
WARM = 1.0

#: Function to a figure: microseconds or bytecodes of a turn.
Shares = dict[str, float]


def main(arguments: Optional[list[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog=f"python -m {NAME}")
    parser.add_argument("--against", metavar="PATH", type=Path, help="a checkout to compare with")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="in turns; the time is that of all (default: %(default)s)")
    parser.add_argument("--top", type=int, default=16, help="functions of each side (default: %(default)s)")
    parser.add_argument("--count", action="store_true", help="the bytecodes alone, as JSON")
    parser.add_argument("--side", nargs=2, metavar=("ROLE", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        side(*options.side)
    elif options.count:
        print(json.dumps(counted()))
    else:
        libraries = [OURS]
        if options.against is not None:
            TREES[BEFORE] = options.against.resolve()
            libraries.append(BEFORE)
        compare(libraries, options.runs, options.seconds, options.top)


def compare(libraries: list[str], runs: int, seconds: float, top: int) -> None:
    """Print both tables: of those that ask and of those that answer."""
    print(machine())
    looks: dict[tuple[str, str], Counter[str]] = {}
    trips: Counter[str] = Counter()
    took: dict[str, float] = dict.fromkeys(libraries, 0.0)
    for _ in range(runs):  # in turns: what disturbs one disturbs the other
        for library in libraries:
            for role, said in looked(library, seconds).items():
                looks.setdefault((library, role), Counter()).update(said["looks"])
                if role == "request":
                    trips[library] += said["trips"]
                    took[library] += said["took"]
    codes = {library: counts_of(library) for library in libraries}
    for role, title in SIDES.items():
        blocks = []
        for library in libraries:
            each = took[library] * 1e6 / trips[library]
            seen = looks[library, role]
            times = {name: each * count / sum(seen.values()) for name, count in seen.items()}
            steps = codes[library].get(title, {})
            blocks.append((library, each, times, steps))
        print("\n" + "\n".join(table(title, blocks, top)))


def table(title: str, blocks: list[tuple[str, float, Shares, Shares]], top: int) -> list[str]:
    """The functions of either build side by side, those that take longest first."""
    lines = ["| " + " | ".join(f"{library}, {title} | us | bytecodes" for library, *_ in blocks) + " |"]
    lines.append("|" + "---|---:|---:|" * len(blocks))
    ranked = [sorted(times, key=lambda name, of=times: (-of[name], name)) for _, _, times, _ in blocks]  # type: ignore[misc]
    for place in range(min(top, max(map(len, ranked)))):
        cells = []
        for (_, _, times, steps), order in zip(blocks, ranked):
            if place < len(order):
                name = order[place]
                cells += [f"`{name}`", f"{times[name]:.1f}", f"{steps[name]:.0f}" if name in steps else "-"]
            else:
                cells += ["", "", ""]
        lines.append("| " + " | ".join(cells) + " |")
    for text, rest in (("all others", True), ("a round trip", False)):
        cells = []
        for (_, _, times, steps), order in zip(blocks, ranked):
            left = order[top:] if rest else order
            unseen = sum(steps.values()) - sum(steps.get(name, 0) for name in order) if rest else 0
            of_steps = sum(steps.get(name, 0) for name in left) + unseen if rest else sum(steps.values())
            cells += [text, f"{sum(times[name] for name in left):.1f}", f"{of_steps:,.0f}" if steps else "-"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


# -- time, by looking -------------------------------------------------------------------------------------------------


def looked(library: str, seconds: float) -> dict[str, dict[str, Any]]:
    """What either process was found doing for so long, and how many round trips there were."""
    url = local_url()
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        processes = {}
        for role in ("respond", "request"):
            command = [*module(library, NAME), "--side", role, url]
            process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            if not process.stdout.readline():
                raise SystemExit(f"{role} of {library} did not start: see above")
            processes[role] = process
        time.sleep(WARM)
        for process in processes.values():
            tell(process, "look")
        time.sleep(seconds)
        for role, process in processes.items():
            tell(process, "stop")
            assert process.stdout is not None
            found[role] = json.loads(process.stdout.readline() or "{}")
            if not found[role]:
                raise SystemExit(f"{role} of {library} did not finish: see above")
    return found


def tell(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(word + "\n")
    process.stdin.flush()


def side(role: str, url: str) -> None:
    """One of the processes: it says when it is ready, looks from one word to the next, and says what it saw."""
    api = load(OURS)
    looks: Counter[CodeType] = Counter()
    options = {"count": 10**9, "size": 100} if role == "request" else {}
    handler = ROLES[role](api, url, lambda **_: print("ready", flush=True), **options)

    def look(_number: int, frame: Any) -> None:
        looks[frame.f_code] += 1

    def serve() -> None:
        sys.stdin.readline()
        before, began = trips_of(handler), time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
        sys.stdin.readline()
        while role == "request" and trips_of(handler) == before:
            time.sleep(EVERY)  # others have the processor: one round trip there must be, to divide by
        signal.setitimer(signal.ITIMER_REAL, 0)
        took, trips = time.monotonic() - began, trips_of(handler) - before
        # Both go on until both have said it, and are ended: that the other one is gone is nothing to complain of.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        print(json.dumps({"looks": named(dict(looks)), "trips": trips, "took": took}), flush=True)

    signal.signal(signal.SIGALRM, look)
    threading.Thread(target=serve, daemon=True).start()
    threading.Timer(LIMIT, os._exit, (1,)).start()
    api.Container(handler).run()


def trips_of(handler: Any) -> int:
    """How many answers have come; 0 at the side that answers."""
    return len(getattr(handler, "times", ()))


def named(figures: dict[CodeType, Any]) -> dict[str, Any]:
    """By "function, room" instead of by code."""
    found: Counter[str] = Counter()
    for code, figure in figures.items():
        function = getattr(code, "co_qualname", code.co_name)
        found[f"{function}, {Path(code.co_filename).stem}"] += figure
    return dict(found)


# -- bytecodes, counted -----------------------------------------------------------------------------------------------


def counted() -> dict[str, Any]:
    """The bytecodes of a turn that asks and of one that answers, in this process: all, and by function."""
    from tests.support.steps import TRIPS, ends, turns

    with ends() as (client, server, _):
        ask, answer = turns(client, server)

    def each(steps: Counter[CodeType]) -> Shares:
        return {name: count / TRIPS for name, count in named(dict(steps)).items()}

    return {
        "ask": sum(ask.values()) / TRIPS,
        "answer": sum(answer.values()) / TRIPS,
        "functions": {"asking": each(ask), "answering": each(answer)},
    }


def counts_of(library: str) -> dict[str, Shares]:
    """By side; empty where this Python counts other things than the time was taken of."""
    command = [*module(library, NAME), "--count"]
    result = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT)
    found: dict[str, Shares] = json.loads(result.stdout)["functions"]
    return found


if __name__ == "__main__":
    main()
