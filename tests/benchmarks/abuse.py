"""What it costs to be attacked: CPU and memory of a broker, listener or client at 1, 2, 4 and 8 times the input.

    python -m tests.benchmarks.abuse
    python -m tests.benchmarks.abuse --checkout ../before

One table: for each attack what the largest input cost, with which power of the input the CPU grows, and whether that
is within bounds: at most linear, and at most half a second for 64 KiB. With a checkout of another version its figures
stand in front.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import NamedTuple, Optional

from tests.benchmarks.attacks import ATTACKS, PATIENCE, Attack, TooLong, Victim
from tests.benchmarks.process import machine
from tests.support.processes import CHECKOUT

#: Powers of the input that noise alone can make of a linear cost.
STEEPEST = 1.2
#: Seconds of CPU for 64 KiB.
DEAREST = 0.5
#: Seconds that are too few to say how they grow.
NOISE = 0.1


class Cost(NamedTuple):
    """What one attack took: bytes that were sent, seconds of CPU, bytes of memory; no CPU if it had no end."""

    sent: int
    cpu: Optional[float]
    memory: int = 0


def cost(attack: Attack, checkout: Path, factor: int, divisor: int = 1) -> Cost:
    with Victim(checkout, attack.role, attack.argument) as victim:
        try:
            sent = attack.run(victim, max(1, attack.size * factor // divisor))
            return Cost(sent, *victim.spent())
        except TooLong:
            return Cost(0, None)


def costs_of(attack: Attack, checkout: Path, factors: list[int], divisor: int) -> list[Cost]:
    """At each size, up to one that had no end."""
    costs = []
    for factor in factors:
        costs.append(cost(attack, checkout, factor, divisor))
        if costs[-1].cpu is None:
            break
    return costs


def exponent(costs: list[Cost]) -> Optional[float]:
    """The slope of log CPU over log input, from where it can be told from noise; None where that is nowhere."""
    points = [(math.log(one.sent), math.log(one.cpu)) for one in costs if one.cpu and one.cpu > NOISE / 4]
    if len(points) < 2 or max(one.cpu or 0 for one in costs) < NOISE or len({x for x, _ in points}) < 2:
        return None
    x0, y0 = (sum(values) / len(points) for values in zip(*points))
    return sum((x - x0) * (y - y0) for x, y in points) / sum((x - x0) ** 2 for x, _ in points)


def verdict(costs: list[Cost]) -> str:
    if any(one.cpu is None for one in costs):
        return "no end"
    power, last = exponent(costs), costs[-1]
    assert last.cpu is not None
    wrong = []
    if power is not None and power > STEEPEST:
        wrong.append("steep")
    if last.cpu * min(1.0, 65536 / last.sent) > DEAREST:
        wrong.append("dear")
    return ", ".join(wrong) or "ok"


def cells(costs: list[Cost]) -> list[str]:
    last, power = costs[-1], exponent(costs)
    if last.cpu is None:
        return [f"> {PATIENCE:.0f} s", "-", "-", "no end"]
    grows = "-" if power is None else f"{power:.1f}"
    return [f"{last.cpu:.2f} s", f"{last.memory / 2**20:.0f} MB", grows, verdict(costs)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], prog="python -m tests.benchmarks.abuse")
    parser.add_argument("--checkout", metavar="PATH", type=Path, help="another version, to stand in front")
    parser.add_argument("--only", metavar="WORD", action="append", help="attacks whose name has it")
    parser.add_argument("--quick", action="store_true", help="a tenth of the input: to see that it works")
    parser.add_argument("--factors", metavar="N,N", default="1,2,4,8", help="sizes (default: %(default)s)")
    options = parser.parse_args()
    factors = [int(factor) for factor in options.factors.split(",")]
    attacks = [one for one in ATTACKS if not options.only or any(word in one.name for word in options.only)]
    if not attacks:
        parser.error("no attack has such a name: " + "; ".join(one.name for one in ATTACKS))
    trees = [*([options.checkout.resolve()] if options.checkout else []), CHECKOUT]
    columns = ["CPU", "memory", "power", "verdict"]
    names = ["before: ", ""] if options.checkout else [""]
    print(machine() + "\n")
    print("| attack, at its largest | sent | " + " | ".join(name + one for name in names for one in columns) + " |")
    print("|---|---:|" + "---:|---:|---:|---|" * len(trees))
    for attack in attacks:
        results = [costs_of(attack, tree, factors, 10 if options.quick else 1) for tree in trees]
        sent = max(one.sent for costs in results for one in costs)
        shown = [f"{sent:,}", *(cell for costs in results for cell in cells(costs))]
        print(f"| {attack.name} | " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
