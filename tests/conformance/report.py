"""Held and checked, per section and kind: what a run of the table found, as a table of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from tests.conformance.engine import Engine
from tests.conformance.table import KINDS, ROWS, Fault, Row, try_all

#: The sections that are counted, by their name.
GROUPS = {
    "1.1": "Types",
    "1.2": "Encodings",
    "1.3": "Notation of fields",
    "1.4": "Composites",
    "1.6": "Primitive types",
    "2.2": "Protocol header",
    "2.3": "Frames",
    "2.4": "Connections",
    "2.5": "Sessions",
    "2.6": "Links",
    "2.7": "Performatives",
    "2.8": "Definitions",
    "3.2": "Messages",
    "3.4": "Delivery states",
    "3.5": "Sources and targets",
    "4.4": "Transactional work",
    "4.5": "Coordination",
    "5.1": "Security layers",
    "5.2": "TLS",
    "5.3": "SASL",
}


class Count(NamedTuple):
    """How many rows held, of how many that were run."""

    held: int
    checked: int

    def __str__(self) -> str:
        return f"{self.held}/{self.checked}" if self.checked else ""


class Result:
    """One engine's run."""

    def __init__(self, engine: type[Engine]) -> None:
        self.name = engine.name
        self.rows: list[tuple[Row, list[Fault]]] = list(try_all(engine))

    @property
    def faults(self) -> list[Fault]:
        """Every fault, in the order of the table."""
        return [fault for _, faults in self.rows for fault in faults]

    def count(self, group: Optional[str] = None, kind: Optional[str] = None) -> Count:
        """How many rows of a section and a kind held, in all of their roles."""
        chosen = [
            not faults for one, faults in self.rows if group in (None, one.group) and kind in (None, one.kind)
        ]
        return Count(sum(chosen), len(chosen))


def groups() -> list[str]:
    """The sections that have rows, in order."""
    return [group for group in GROUPS if any(one.group == group for one in ROWS)]


def write_table(results: Iterable[Result]) -> str:
    """A line for each section: held and checked of each kind, one engine beside the other."""
    results = list(results)
    heads = [f"{result.name}: {KINDS[0]}" if kind == KINDS[0] else kind for result in results for kind in KINDS]
    lines = ["| section | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for group in [*groups(), None]:
        cells = [str(result.count(group, kind)) for result in results for kind in KINDS]
        lines.append(f"| {label(group)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def label(group: Optional[str]) -> str:
    """What a line is called; None: the sum of all."""
    return "all" if group is None else f"[{group}] {GROUPS[group]}"


def write_faults(result: Result) -> str:
    """What did not hold, a line each."""
    return "\n".join(
        f"  {fault.row.id} ({fault.role}, {fault.row.strength}, {fault.row.kind}): {fault.row.text}\n"
        f"      {type(fault.reason).__name__}: {fault.reason}"
        for fault in result.faults
    )
