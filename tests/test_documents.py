"""What four documents promise, with the embedded broker: in memory, and with its messages on the disk."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from handlers.broker import EmbeddedBroker
from tests.support.sentences import Place, Sentences


@pytest.fixture(scope="module", params=["in memory", "durable"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    durable = request.param == "durable"
    store: Optional[Path] = tmp_path_factory.mktemp("documents") / "jobs.store" if durable else None
    numbers = itertools.count()
    with EmbeddedBroker(store=store) as broker:
        yield Place(broker.url, lambda: f"jobs-{next(numbers)}", durable)
    assert not broker.overview().internal_errors


class TestHere(Sentences):
    """Each sentence."""
