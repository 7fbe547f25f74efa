"""Runs a scenario of a simulated world again, or for the first time.

    python -m reactor.simulation tests.test_worker:survives_a_restart --seed 17 --trace
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
from collections.abc import Sequence
from typing import Optional

from reactor.simulation.world.replay import read_seeds
from reactor.simulation.world.world import World


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run it; an exception of the scenario leaves this."""
    parser = argparse.ArgumentParser(
        prog="python -m reactor.simulation", description="Run a scenario in the simulated world of a seed."
    )
    parser.add_argument("scenario", help="module:function; the function is called with the World")
    parser.add_argument("--seed", default="0", help="17, or several: 17,18 or 0-999 (default: 0)")
    parser.add_argument("--trace", action="store_true", help="print all that happened")
    options = parser.parse_args(arguments)
    scenario = pkgutil.resolve_name(options.scenario)
    for seed in read_seeds(options.seed):
        world = World(seed, keep=None if options.trace else 10_000)
        world.scenario = scenario
        try:
            with world:
                scenario(world)
        finally:
            if options.trace:
                sys.stdout.writelines(line + "\n" for line in world.history.lines())
        print(f"seed {seed}: {world.now:.6f} s, {world.history.count} events, {world.history.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
