"""All rows: whoever imports this has filled the table."""

from __future__ import annotations

from tests.conformance import rows_connection, rows_credit, rows_frames, rows_links, rows_sessions
from tests.conformance.table import ROWS

MODULES = (rows_connection, rows_frames, rows_sessions, rows_links, rows_credit)

__all__ = ["MODULES", "ROWS"]
