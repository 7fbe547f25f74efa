"""Telemetry: metrics, traces and log fields by the conventions of OpenTelemetry, for any container.

`Telemetry` counts, and writes the numbers as Prometheus reads them; `Traced` and `Tracing` carry trace context in
messages. Both look on as observers of a container. OpenTelemetry itself is not needed; where it is installed,
`reactor.telemetry.opentelemetry` hands all of it on.
"""

from __future__ import annotations

from reactor.loop.loggers import log_fields
from reactor.telemetry.context import TraceContext, Traced, Tracing, current_trace, read_trace, write_trace
from reactor.telemetry.exposition import CONTENT_TYPE, group, labels
from reactor.telemetry.meter import Telemetry

__all__ = [
    "CONTENT_TYPE",
    "Telemetry",
    "TraceContext",
    "Traced",
    "Tracing",
    "current_trace",
    "group",
    "labels",
    "log_fields",
    "read_trace",
    "write_trace",
]
