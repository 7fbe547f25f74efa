"""Exposition: numbers in the text form of Prometheus, version 0.0.4.

See prometheus.io/docs/instrumenting/exposition_formats: for each metric a HELP, a TYPE and its samples in one group;
backslash, quotation mark and line feed in a label are escaped; each line ends with a line feed. Names and units are
those of OpenTelemetry, turned into Prometheus's as OpenTelemetry has it
(opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics): dots become underscores, the unit and, of
a counter, `_total` are at the end. The broker's metrics are written by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Union

from reactor.telemetry.series import Attributes, Counter, Gauge, Histogram, Instrument, Spread

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: Units of UCUM by their names in Prometheus.
_UNITS = {"s": "seconds", "By": "bytes"}


def group(name: str, kind: str, text: str) -> str:
    """The two lines before the samples of a metric. kind: "counter", "gauge" or "histogram"."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def labels(*pairs: tuple[str, Union[str, int]]) -> str:
    """The labels of a sample, in braces; "" for none."""
    return "{%s}" % ",".join(f'{name.replace(".", "_")}="{_escaped(value)}"' for name, value in pairs) if pairs else ""


def _escaped(value: Union[str, int]) -> str:
    text = value if isinstance(value, str) else str(value)
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def prometheus_name(instrument: Instrument) -> str:
    """Its name in Prometheus."""
    name, unit = instrument.name.replace(".", "_"), _UNITS.get(instrument.unit)
    if unit and not name.endswith(unit):
        name += "_" + unit
    return name + "_total" if instrument.kind == "counter" else name


def exposition(instruments: Iterable[Instrument]) -> Iterator[str]:
    """The lines, in pieces. An instrument without a series has none."""
    for instrument in instruments:
        name = prometheus_name(instrument)
        samples: list[str] = []
        if isinstance(instrument, Counter):
            samples = [f"{name}{labels(*key)} {count.value}\n" for key, count in list(instrument.series.items())]
        elif isinstance(instrument, Gauge):
            samples = [f"{name}{labels(*key)} {value}\n" for key, value in instrument.read()]
        elif isinstance(instrument, Histogram):
            samples = [line for key, one in list(instrument.series.items()) for line in _spread(name, key, one)]
        if samples:
            yield group(name, instrument.kind, instrument.text)
            yield "".join(samples)


def _spread(name: str, key: Attributes, spread: Spread) -> Iterator[str]:
    counts, bounds = list(spread.counts), spread.bounds
    total = 0
    for bound, count in zip([*bounds, float("inf")], counts):
        total += count
        shown = "+Inf" if bound == float("inf") else f"{bound:g}"
        yield f"{name}_bucket{labels(*key, ('le', shown))} {total}\n"
    yield f"{name}_sum{labels(*key)} {spread.sum}\n"
    yield f"{name}_count{labels(*key)} {total}\n"
