"""The fixture `amqp_broker` for pytest: a broker for each test.

pytest loads this module where the package is installed (the entry point `pytest11`), and nothing else imports it: the
one room that needs more than the standard library, and only where pytest is there to ask for it. It knows
EmbeddedBroker and its log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.broker.embedded import EmbeddedBroker

MARKER = "amqp_broker(**options): options of the fixture amqp_broker, those of EmbeddedBroker: queues, store ..."


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def amqp_broker(request: pytest.FixtureRequest) -> Iterator[EmbeddedBroker]:
    """An EmbeddedBroker that runs during the test; `amqp_broker.url` is where to connect.

    `@pytest.mark.amqp_broker(queues=["jobs"], store="jobs.store")` gives it options, those of EmbeddedBroker; a mark of
    the test comes before those of its class and its module. A relative name of a `store` is one in `tmp_path`.

    The test fails with an error at its end if the broker had an internal error, or if its thread has failed.
    """
    options = _options(request)
    errors = _InternalErrors()
    log = logging.getLogger("handlers.broker.net")
    log.addHandler(errors)
    try:
        with EmbeddedBroker(**options) as broker:
            yield broker
        count = broker.overview().internal_errors
    finally:
        log.removeHandler(errors)
    if count:
        pytest.fail("\n".join([f"internal errors of the broker: {count}", *errors.texts]), pytrace=False)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("amqp_broker"))):  # the closest is the last, and holds
        if mark.args:
            raise TypeError(f"the mark amqp_broker takes options by name, such as queues=['jobs'], not {mark.args!r}")
        options.update(mark.kwargs)
    store = options.get("store")
    if isinstance(store, (str, Path)):
        options["store"] = request.getfixturevalue("tmp_path") / store  # an absolute one stays as it is
    return options


class _InternalErrors(logging.Handler):
    """Keeps the log of internal errors, with their tracebacks."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))
