"""A browser for all tests of pages, where one is asked for (`tox -e web`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import browser as chromium


@pytest.fixture(scope="session")
def window(tmp_path_factory):
    reason = chromium.missing()
    assert reason is None, reason
    with chromium.Browser(tmp_path_factory.mktemp("browser")) as window:
        yield window


@pytest.fixture
def page(window):
    """The browser; what its console says at the end is an error: of the script, or of the page's security policy."""
    window.log()
    window.dark(False)
    yield window
    window.open("about:blank")
    assert window.log() == []


@pytest.fixture
def picture(page):
    """A function that takes a screenshot, where they are asked for."""

    def take(name):
        folder = os.environ.get("AMQP_REACTOR_SCREENSHOTS")
        if folder:
            page.screenshot(Path(folder) / f"{name}.png")

    return take
