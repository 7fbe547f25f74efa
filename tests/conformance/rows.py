"""All rows: whoever imports this has filled the table."""

from __future__ import annotations

from tests.conformance import rows_connection
from tests.conformance.table import ROWS

MODULES = (rows_connection,)

__all__ = ["MODULES", "ROWS"]
