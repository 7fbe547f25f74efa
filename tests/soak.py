"""The scenarios of simulated worlds, over as many seeds as there is time for.

    python -m tests.soak --seconds 600

Each seed is another storm over another network (tests/support/scenarios.py). The first run that breaks a property
ends it with status 1, and says how to run that one again. It begins where it is told, or at a number that the
clock gives, so that every soak goes over other seeds.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any, Optional

from reactor.simulation import World, explore
from tests.support.scenarios import SCENARIOS


class Tally:
    """What one scenario has come to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seeds = 0
        self.faults = 0
        self.events = 0
        self.virtual = 0.0
        self.seconds = 0.0
        self.checked: dict[str, int] = {}

    def run(self, seed: int) -> None:
        """One seed."""
        began = time.perf_counter()
        explore(SCENARIOS[self.name], [seed], finished=self.note)
        self.seconds += time.perf_counter() - began
        self.seeds += 1

    def note(self, world: World) -> None:
        """What the world of a seed says at its end."""
        self.faults += world.faults
        self.events += world.history.count
        self.virtual += world.now
        for observer in world.observers:
            for what, count in figures(observer).items():
                self.checked[what] = self.checked.get(what, 0) + count

    def add(self, other: Tally) -> None:
        """What another one has come to, too."""
        for name in ("seeds", "faults", "events", "virtual", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for what, count in other.checked.items():
            self.checked[what] = self.checked.get(what, 0) + count

    def __str__(self) -> str:
        rate = self.seeds / self.seconds if self.seconds else 0.0
        checked = ", ".join(f"{count:,} {what}" for what, count in self.checked.items())
        return (
            f"{self.name}: {self.seeds:,} seeds ({rate:.1f}/s), {self.faults:,} faults, {self.events:,} events, "
            f"{self.virtual / 3600:.1f} h of their time; {checked}; none broken"
        )


def figures(observer: Any) -> dict[str, int]:
    """How much a property has looked at, in words."""
    kind = type(observer).__name__
    found = {}
    if kind == "NothingLost":
        found["messages accepted and none lost"] = len(observer.accepted)
    elif kind == "EverySendEndsOnce":
        found["sends ended once"] = observer.checked
        found["of them in doubt"] = observer.doubtful
    elif hasattr(observer, "checked"):
        words = {"CreditNeverNegative": "within their credit", "SettledOnce": "settled once"}
        found[f"deliveries {words.get(kind, 'at most once')}"] = observer.checked
    return found


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Simulated worlds, many of them.")
    parser.add_argument("--seconds", type=float, default=600.0, help="for how long (default: 600)")
    parser.add_argument("--seed", type=int, help="the first seed (default: another one each time)")
    parser.add_argument("--seeds", type=int, help="how many seeds at most, of each scenario (default: no bound)")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(SCENARIOS)} (default: all)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"there is no scenario {unknown[0]!r}")
    logging.disable(logging.CRITICAL)
    tallies = [Tally(name) for name in options.scenarios or SCENARIOS]
    first = int(time.time()) * 1000 if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    seed = first
    while time.monotonic() < end and (options.seeds is None or seed - first < options.seeds):
        for tally in tallies:
            try:
                tally.run(seed)
            except Exception as error:
                print(f"FAILED {tally.name}, seed {seed}: {type(error).__name__}: {error}")
                return 1
        seed += 1
    print(f"seeds from {first}")
    total = Tally("all")
    for tally in tallies:
        print(tally)
        total.add(tally)
    print(total)
    return 0


if __name__ == "__main__":
    sys.exit(main())
