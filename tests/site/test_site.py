"""The site that `python -m examples.lessons --static` writes: its worker in Node, its page in Chromium where that is.

`tox -e site` runs this: AMQP_REACTOR_PYODIDE is the npm package `pyodide` then (tests/support/pyodide.py).
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from examples.lessons import catalogue
from examples.lessons.exercises import catalogue as exercises
from examples.lessons.web.seat import Seat
from examples.lessons.web.static import NEEDED, write_site
from tests.support import browser as chromium
from tests.support import pyodide

if os.environ.get("AMQP_REACTOR_PYODIDE") != "required":
    pytest.skip("AMQP_REACTOR_PYODIDE is not set, as it is by tox -e site", allow_module_level=True)
if pyodide.missing():
    pytest.skip(pyodide.missing(), allow_module_level=True)

#: Those with the most of the library in them.
LESSONS = ["credit", "redelivery", "reconnect", "guarantees", "transactions"]

RUNNER = Path(__file__).with_name("run.mjs")
DEADLINE = 300.0

#: Waiting for Python in the browser, in steps of the browser's patience.
STEPS = 6


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place = tmp_path_factory.mktemp("site")
    files, where = write_site(place, str(pyodide.package()))
    assert where == "./pyodide/" and {f"pyodide/{name}" for name in NEEDED} <= set(files)
    return place


def in_node(site, commands):
    """The answers of the site's worker."""
    done = subprocess.run(
        ["node", str(RUNNER), str(site)],
        input="".join(json.dumps(command) + "\n" for command in commands),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=DEADLINE,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lessons_have_the_same_run_there_as_here(site):
    commands = []
    for name in LESSONS:
        lesson = catalogue.read(name)
        commands.append({"do": "start", "source": lesson.program, "name": f"{name}.py", "settings": {}})
        commands.append({"do": "run"})
    solution = {"source": exercises.solution("poison"), "name": "poison.py"}
    commands.append({"do": "check", **solution, "seeds": [0, 2]})
    commands.append({"do": "start", "source": "def scene(world):\n    1 / 0\n", "name": "wrong.py", "settings": {}})
    here = Seat(seconds=60.0)
    for command, there in zip(commands, in_node(site, commands)):
        assert there == here.answer(command)
    assert there["error"].startswith("wrong.py, line 2, in scene: 1 / 0")


def test_the_page_runs_python_in_the_browser(site, tmp_path):
    if chromium.missing():
        pytest.skip(chromium.missing())

    class Files(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with chromium.Browser(tmp_path) as page:
            page.open(f"http://127.0.0.1:{server.server_port}/#credit")
            wait(page, "#text", "Credit")
            page.click("#run")
            wait(page, "#printed", "worker: got job 6")
            assert "credit 4" in page.text("#pictures")
            folder = os.environ.get("AMQP_REACTOR_SCREENSHOTS")
            if folder:
                page.screenshot(Path(folder) / "lessons-site.png")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait(page, selector, text):
    """Python is ten megabytes to load."""
    for step in range(STEPS):
        try:
            return page.wait(selector, text)
        except AssertionError:
            if step == STEPS - 1:
                raise
    return None
