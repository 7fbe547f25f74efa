"""Tests by hypothesis stand in modules of their own: `tox -e properties` runs them, and without it they are skipped."""

from __future__ import annotations

from typing import Any

import pytest


def needs_hypothesis() -> Any:
    """The package. Where it is not installed, the module that calls this is skipped."""
    __tracebackhide__ = True  # the line of the skip is the module's
    return pytest.importorskip("hypothesis", reason="hypothesis is not installed; `tox -e properties` runs this module")
