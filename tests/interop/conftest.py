"""The two libraries, and a broker of either side, as fixtures."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.libraries import OURS, THEIRS, load
from tests.support.rabbitmq import VERSIONS, RabbitMQ, need


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The original leaves its listening sockets to the garbage collector. Ours are watched everywhere else."""
    for item in items:
        if "interop" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves behind is collected before the next one begins."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def ours() -> SimpleNamespace:
    return load(OURS)


@pytest.fixture(scope="session")
def theirs() -> SimpleNamespace:
    return load(THEIRS)


@pytest.fixture(params=["ours to theirs", "theirs to ours"])
def direction(request: pytest.FixtureRequest, ours: SimpleNamespace, theirs: SimpleNamespace) -> tuple[Any, Any]:
    """(the sending library, the receiving library)."""
    return (ours, theirs) if request.param == "ours to theirs" else (theirs, ours)


@pytest.fixture(params=["sender listens", "receiver listens"])
def sender_listens(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "sender listens")


@pytest.fixture(params=["our broker", "their broker"])
def broker(request: pytest.FixtureRequest, theirs: SimpleNamespace) -> Iterator[str]:
    """The URL of a broker of either side: ours is the embedded one, theirs the minimal one over their library."""
    if request.param == "our broker":
        from handlers.broker import EmbeddedBroker

        with EmbeddedBroker() as embedded:
            yield embedded.url
    else:
        from tests.benchmarks.rows import Worker, local_url

        url = local_url()
        with Worker(THEIRS, "minimal_broker", url) as process:
            process.hear("started")
            yield url


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A RabbitMQ that nobody kills."""
    need()
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session", params=VERSIONS[1:])
def rabbitmq4(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A RabbitMQ of a version that speaks AMQP 1.0 by itself, that nobody kills."""
    need(request.param)
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq4"), request.param) as server:
        yield server
