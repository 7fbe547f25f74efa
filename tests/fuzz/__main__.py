"""python -m tests.fuzz [--seconds N] [--seed S] [--case N]: fuzz for a while, or see one case again."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Optional

from tests.fuzz.campaign import Failure, campaign, case


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--seed", type=int, help="where to begin (another one each time)")
    parser.add_argument("--case", type=int, help="run this case alone, with its traceback")
    options = parser.parse_args(arguments)
    if options.case is not None:
        fed = case(options.case)
        print(f"case {options.case} is fine: {fed} bytes")
        return 0
    seed = int(time.time()) if options.seed is None else options.seed
    print(f"seed {seed}, for {options.seconds:g} seconds", flush=True)
    try:
        done, fed = campaign(seed, seconds=options.seconds)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{done} cases, {fed} bytes: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
