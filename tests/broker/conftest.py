"""Fixtures of the tests of the broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from handlers.broker.nodes import backlog
from handlers.broker.store.sqlite import SqliteStore


@pytest.fixture(params=["entries", "folded"])
def folding(request: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Queues as they are, and queues that fold all but their first messages (backlog.py): nobody can tell."""
    if request.param == "folded":
        monkeypatch.setattr(backlog, "FRONT", 1)
        monkeypatch.setattr(backlog, "UNFOLDED", 2)
    return bool(request.param == "folded")


@pytest.fixture(autouse=True)
def _stores_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A world that is over leaves its broker as it is; the file of its store is closed all the same."""
    stores: list[SqliteStore] = []
    opening = SqliteStore.__init__

    def opened(self: SqliteStore, *arguments: Any, **options: Any) -> None:
        opening(self, *arguments, **options)
        stores.append(self)

    monkeypatch.setattr(SqliteStore, "__init__", opened)
    yield
    for store in stores:
        store.close()
