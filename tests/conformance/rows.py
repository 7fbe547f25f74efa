"""All rows: whoever imports this has filled the table."""

from __future__ import annotations

from tests.conformance import (  # noqa: F401
    rows_attach,
    rows_composites,
    rows_connection,
    rows_credit,
    rows_definitions,
    rows_deliveries,
    rows_dispositions,
    rows_flow,
    rows_frames,
    rows_links,
    rows_messages,
    rows_sasl,
    rows_sessions,
    rows_states,
    rows_tls,
    rows_transactions,
    rows_transfers,
    rows_types,
    rows_windows,
)
from tests.conformance.table import ROWS

ROWS.sort(key=lambda one: [int(number) for number in one.section.split(".")])

__all__ = ["ROWS"]
