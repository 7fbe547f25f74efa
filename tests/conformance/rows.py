"""All rows: whoever imports this has filled the table."""

from __future__ import annotations

from tests.conformance import (
    rows_attach,
    rows_connection,
    rows_credit,
    rows_frames,
    rows_links,
    rows_messages,
    rows_sessions,
    rows_states,
    rows_transfers,
    rows_types,
)
from tests.conformance.table import ROWS

MODULES = (
    rows_types,
    rows_connection,
    rows_frames,
    rows_sessions,
    rows_links,
    rows_credit,
    rows_attach,
    rows_transfers,
    rows_messages,
    rows_states,
)

__all__ = ["MODULES", "ROWS"]
