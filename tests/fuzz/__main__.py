"""python -m tests.fuzz [--seconds N] [--seed S] [--case TARGET/N]: fuzz for a while, or see one case again."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Optional

from tests.fuzz.campaign import Failure, Tally, campaign, case
from tests.fuzz.targets import TARGETS


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--seed", type=int, help="where to begin (another one each time)")
    parser.add_argument("--case", help="run this case alone, such as url/17, with its traceback")
    options = parser.parse_args(arguments)
    if options.case is not None:
        name, _, number = options.case.partition("/")
        if name not in TARGETS or not number.isdecimal():
            parser.error(f"a case is a target and a number, such as url/17; the targets are {', '.join(TARGETS)}")
        print(f"case {options.case} is fine: {case(name, int(number))} bytes")
        return 0
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"seed {seed}, for {options.seconds:g} seconds", flush=True)
    try:
        done = campaign(seed, options.seconds)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    for name, tally in done.items():
        print(f"{name:10} {line(tally)}")
    print(f"{'all':10} {line(Tally(*map(sum, zip(*done.values()))))}; nothing found")
    return 0


def line(tally: Tally) -> str:
    rate = tally.cases / tally.seconds if tally.seconds else 0.0
    return f"{tally.cases:>12,} cases {tally.fed:>15,} bytes {rate:>9,.0f} cases/s"


if __name__ == "__main__":
    sys.exit(main())
