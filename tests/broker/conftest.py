"""Fixtures of the tests of the broker."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.broker.nodes import backlog


@pytest.fixture(params=["entries", "folded"])
def folding(request: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Queues as they are, and queues that fold all but their first messages (backlog.py): nobody can tell."""
    if request.param == "folded":
        monkeypatch.setattr(backlog, "FRONT", 1)
        monkeypatch.setattr(backlog, "UNFOLDED", 2)
    return bool(request.param == "folded")
