"""Explore: the same scenario in many worlds, each of another seed.

Tests enter here, and `python -m reactor.simulation`, which runs one of them again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator
from typing import Any, Callable, Optional

from reactor.simulation.world.replay import chosen_seeds
from reactor.simulation.world.world import World


def explore(
    scenario: Callable[[World], object],
    seeds: Iterable[int] = range(100),
    finished: Optional[Callable[[World], object]] = None,
) -> int:
    """Run `scenario(world)` in the world of each seed, and return how many there were.

    At the end of each the properties are checked that its scenario had watched. The first failure ends it: the
    seed, the last events and the command that runs it again go to stderr, and the exception leaves this. The
    environment variable AMQP_REACTOR_SEEDS (``"17"``, ``"0-999"``) names other seeds.

    finished: called with each world after its end, to count the events in it.
    """
    if isinstance(seeds, int):
        raise TypeError(f"explore() takes the seeds, such as range({seeds}), and not how many there are")
    count = 0
    for seed in chosen_seeds(seeds):
        with World(seed) as world:
            world.scenario = scenario
            outcome: Any = scenario(world)
            if isinstance(outcome, (Awaitable, Iterator)):
                getattr(outcome, "close", int)()  # else its end is a warning, at whatever time that comes
                raise TypeError(f"{scenario} is called and never awaited or iterated: it must be an ordinary function")
        if finished is not None:
            finished(world)
        count += 1
    return count
