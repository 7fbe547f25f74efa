"""Change rooms line by line, and look whether a test notices. It breaks the checkout that it runs in."""

from __future__ import annotations

import argparse
import difflib
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cosmic_ray import plugins
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB, use_db

from tests.mutants.equivalents import reason
from tests.mutants.forks import Forks
from tests.mutants.rooms import ROOMS


class Mutant(NamedTuple):
    """source: the module, changed. place: where, and by which operator. change: the lines, those before first."""

    source: str
    place: str
    change: list[str]

    def reason(self, room: str) -> str:
        """Why it is no matter that it lives; "" if it is."""
        original, written = (" ".join(text[1:].strip() for text in self.change if text[0] == sign) for sign in "-+")
        return reason(room, original, written) or ""


def mutants(module: str, most: int, seed: int, lines: Sequence[int]) -> tuple[list[Mutant], int]:
    """At most so many mutants of a module, 0 for all, in the order of its lines; and how many there are. lines: where
    of these; empty for all."""
    original = Path(module).read_text(encoding="utf-8")
    with use_db(":memory:", WorkDB.Mode.create) as database:
        init([Path(module)], database, {})
        specs = [spec for item in database.work_items for spec in item.mutations]
    specs.sort(key=lambda spec: f"{spec.operator_name}{spec.occurrence}{spec.start_pos[0]}")
    chosen = random.Random(seed).sample(specs, most) if 0 < most < len(specs) else specs
    found = []
    if lines:
        chosen = [spec for spec in chosen if spec.start_pos[0] in lines]
    for spec in sorted(chosen, key=lambda spec: (spec.start_pos, spec.operator_name, spec.occurrence)):
        source = mutate_code(original, plugins.get_operator(spec.operator_name)(**spec.operator_args), spec.occurrence)
        diff = difflib.unified_diff(original.splitlines(), (source or original).splitlines(), lineterm="", n=0)
        change = [text for text in diff if re.match(r"[+-](?![+-]{2})", text)]
        assert source and change, spec
        place = f"{module}:{spec.start_pos[0]} ({spec.operator_name.rpartition('/')[2]})"
        found.append(Mutant(source, place, change))
    return found, len(specs)


def examine(name: str, most: int, seed: int, lines: Sequence[int]) -> int:
    """Run the tests of one room on its mutants and say how these ended; returns how many live without an excuse."""
    room = ROOMS[name]
    tests = ["tests/" + re.sub(r"(\w+)$", r"test_\1.py", module) for module in room.tests.split()]
    module = Path(room.module)
    original = module.read_text(encoding="utf-8")
    chosen, there = mutants(room.module, most, seed, lines)
    forks = Forks(tests, module)
    ends: Counter[str] = Counter()
    left = []
    try:
        for mutant in chosen:
            if mutant.reason(name):
                ends["equivalent"] += 1  # it is not run: nobody waits for a test that cannot be
                continue
            module.write_text(mutant.source, encoding="utf-8")
            end = forks.run()
            ends[end] += 1
            if end == "survived":
                left.append(mutant)
    finally:
        module.write_text(original, encoding="utf-8")
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    print(f"{name}: {len(chosen)} of {there} mutants: {told}", flush=True)
    for mutant in left:
        print("\n    ".join([f"  {mutant.place}", *mutant.change]), flush=True)
    return len(left)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=sys.modules[__name__].__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--sample", type=int, default=60, help="mutants of a room, 0 for all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which sample (default: %(default)s)")
    parser.add_argument("--lines", type=int, nargs="+", default=(), metavar="N", help="only those of these lines")
    options = parser.parse_args()
    unknown = set(options.rooms) - set(ROOMS)
    if unknown:
        parser.error(f"no such room: {', '.join(sorted(unknown))}")
    left = sum([examine(name, options.sample, options.seed, options.lines) for name in options.rooms or ROOMS])
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
