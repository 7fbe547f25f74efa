"""Series: counters, gauges and histograms as plain data.

Telemetry enters, to count, and the exporters, to read. One thread counts; others may read at any time: each number is
right by itself. It knows no messaging and no format.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Optional, Union

#: Attributes of one series: names, as OpenTelemetry has them with dots, and values, in the order of the names.
Attributes = tuple[tuple[str, Union[str, int]], ...]


def attributes(**given: object) -> Attributes:
    """Attributes by keyword, where two underscores stand for a dot; those that are None or "" are left out."""
    found = {name.replace("__", "."): value for name, value in given.items() if value is not None and value != ""}
    return tuple((name, value if isinstance(value, int) else str(value)) for name, value in sorted(found.items()))


class Instrument:
    """Something that is counted or measured, with a series for each set of attributes.

    name: with dots, as OpenTelemetry has it. unit: by UCUM, "s", or in braces. text: what it is, in one line.
    """

    kind = ""

    def __init__(self, name: str, unit: str, text: str) -> None:
        self.name = name
        self.unit = unit
        self.text = text

    def __repr__(self) -> str:
        return "<%s %s>" % (type(self).__name__, self.name)


class Count:
    """One series of a counter. value: it only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Counter(Instrument):
    """Counts. series: by attributes."""

    kind = "counter"

    def __init__(self, name: str, unit: str, text: str) -> None:
        super().__init__(name, unit, text)
        self.series: dict[Attributes, Count] = {}

    def of(self, given: Attributes) -> Count:
        """The series of these attributes."""
        found = self.series.get(given)
        if found is None:
            found = self.series[given] = Count()
        return found


class Gauge(Instrument):
    """Goes up and down: it is asked for when somewhere it is read. read: gives (attributes, value) of each series."""

    kind = "gauge"

    def __init__(
        self, name: str, unit: str, text: str, read: Callable[[], Iterable[tuple[Attributes, float]]]
    ) -> None:
        super().__init__(name, unit, text)
        self.read = read


class Spread:
    """One series of a histogram. counts: of the values up to each bound, the last one of those above all; sum: of all
    values. forward: called with each value; or None."""

    __slots__ = ("bounds", "counts", "forward", "sum")

    def __init__(self, bounds: Sequence[float], forward: Optional[Callable[[float], object]] = None) -> None:
        self.bounds = bounds
        self.forward = forward
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """One value more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
        if self.forward is not None:
            self.forward(value)


class Histogram(Instrument):
    """Values by size. bounds: the upper ends of the buckets, each included. series: by attributes.

    forward: called with the attributes of a new series, returns a function that gets each of its values; or None. For
    exporters to which values are handed one by one.
    """

    kind = "histogram"

    def __init__(self, name: str, unit: str, text: str, bounds: Sequence[float]) -> None:
        super().__init__(name, unit, text)
        self.bounds = tuple(bounds)
        self.series: dict[Attributes, Spread] = {}
        self.forward: Optional[Callable[[Attributes], Callable[[float], object]]] = None

    def of(self, given: Attributes) -> Spread:
        """The series of these attributes."""
        found = self.series.get(given)
        if found is None:
            forward = None if self.forward is None else self.forward(given)
            found = self.series[given] = Spread(self.bounds, forward)
        return found
