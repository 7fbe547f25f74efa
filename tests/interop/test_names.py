"""tests/data/original-names.txt is what the original's names are, made anew where it is installed."""

from __future__ import annotations

from importlib.metadata import version as version_of
from pathlib import Path

import pytest

from tests.interop.original import ORIGINAL
from tests.support import original_names

LIST = Path(__file__).resolve().parents[1] / "data" / "original-names.txt"


def test_the_list_of_names_is_that_of_the_installed_release() -> None:
    version = version_of("python-qpid-proton")
    if not version.startswith("0.40."):
        pytest.skip(f"the list is of 0.40, and {version} is installed")
    assert ORIGINAL.Message.__module__.startswith("proton")
    assert list(original_names.lines()) == LIST.read_text(encoding="utf-8").splitlines()
