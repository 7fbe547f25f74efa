"""What several tests of the explanations need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of the user's for sockets. Its name is short: the path of a socket has about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="ar", dir="/tmp" if os.path.isdir("/tmp") else None) as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield Path(name)
