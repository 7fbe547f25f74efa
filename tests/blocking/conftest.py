"""A broker, and a blocking connection to it."""

from __future__ import annotations

import pytest

from handlers.broker import EmbeddedBroker
from handlers.broker.nodes.policy import Policy
from reactor.utils import BlockingConnection
from tests.support.blocking import PATIENCE


@pytest.fixture
def broker():
    with EmbeddedBroker(queues={"small": Policy(max_length=1, overflow="reject")}) as broker:
        yield broker
    assert not broker.overview().internal_errors


@pytest.fixture
def connection(broker):
    with BlockingConnection(broker.url, timeout=PATIENCE) as connection:
        yield connection
