"""Replay: the report of a failed run, and the command that runs it again.

A World enters when something fails in it. This is the one place of the simulation that looks at the real world:
at the command line and the environment, for the command that people shall type.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable, Optional

from reactor.simulation.world.history import History

#: Seeds to be explored instead of those of the program: ``"17"``, ``"17,18"``, ``"0-999"``.
SEEDS = "AMQP_REACTOR_SEEDS"

#: A folder for pictures of runs that fail.
PICTURES = "AMQP_REACTOR_PICTURES"

_SHOWN = 30  # events of the history that a failure shows


def print_failure(
    error: BaseException,
    seed: int,
    now: float,
    history: History,
    scenario: Optional[Callable[[Any], object]],
    draw: Optional[Callable[[], str]] = None,
) -> None:
    """Write to stderr the seed that failed, the end of the history, and the command that runs it again.

    draw: makes a page of the run, for the folder that the environment variable PICTURES names; None: there is none.
    """
    summary = (str(error).splitlines() or [""])[0]
    lines = [f"simulation: seed {seed} failed after {now:.6f} s: {type(error).__name__}: {summary}"]
    lines.append("the last events:")
    lines += [f"  {line}" for line in history.lines(_SHOWN)] or ["  nothing but heartbeats"]
    lines.append(f"to run it again: {command(scenario, seed)}")
    folder = os.environ.get(PICTURES)
    if folder and draw is not None:
        lines.append(_picture(Path(folder), f"{getattr(scenario, '__name__', 'world')}-seed-{seed}.html", draw()))
    sys.stderr.write("\n".join(lines) + "\n")


def _picture(folder: Path, name: str, page: str) -> str:
    """Write a page; returns the line about it."""
    path = folder / re.sub(r"[^\w.-]+", "-", name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        return f"no picture of it: cannot write {path}: {error.strerror} ({PICTURES} names the folder)"
    return f"the picture of it: {path}"


def wants_pictures() -> bool:
    """Whether the environment names a folder for pictures: runs are recorded then."""
    return bool(os.environ.get(PICTURES))


def command(scenario: Optional[Callable[[Any], object]], seed: int) -> str:
    """The command that runs the same again.

    scenario: what `explore` runs; None where a test makes its World by itself, with the seed that it has there.
    """
    place = importable_name(scenario)
    if place is not None:
        return f"python -m reactor.simulation {place} --seed {seed}"
    prefix = "" if scenario is None else f"{SEEDS}={seed} "
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if test:
        return f"{prefix}python -m pytest '{test}'"
    return f"{prefix}python {' '.join(sys.argv)}"


def importable_name(scenario: Optional[Callable[[Any], object]]) -> Optional[str]:
    """``module:name`` of a function that another process can find; None for any other."""
    module = getattr(scenario, "__module__", None)
    name = getattr(scenario, "__qualname__", "<")
    if module == "__main__":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        module = None if spec is None else spec.name
    return None if module is None or "<" in name else f"{module}:{name}"


def chosen_seeds(seeds: Iterable[int]) -> Iterable[int]:
    """`seeds`, unless the environment variable SEEDS names others."""
    said = os.environ.get(SEEDS)
    return seeds if not said else read_seeds(said)


def read_seeds(text: str) -> list[int]:
    """``"17"``, ``"17,18"``, ``"0-999"``, as numbers. ValueError for anything else."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        found += range(int(first), int(last if dash else first) + 1)
    return found
