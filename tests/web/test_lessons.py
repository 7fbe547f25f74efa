"""The page of the lessons in headless Chromium, used as a student would; `tox -e web` runs this.

AMQP_REACTOR_SCREENSHOTS names a folder for a picture of each step, to be looked at.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from examples.lessons.exercises import catalogue as exercises
from examples.lessons.web.server import Server
from tests.support import browser as chromium

if os.environ.get("AMQP_REACTOR_BROWSER") != "required":
    pytest.skip("AMQP_REACTOR_BROWSER is not set, as it is by tox -e web", allow_module_level=True)

#: Waiting for a check of 200 worlds, in steps of the browser's patience.
STEPS = 10


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    reason = chromium.missing()
    assert reason is None, reason
    with chromium.Browser(tmp_path_factory.mktemp("browser")) as window:
        yield window


@pytest.fixture
def page(window):
    """The page; an error in the browser's console is an error of the script, or of the page's security policy."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    window.log()
    window.dark(False)
    window.open(server.url)
    window.wait("#text", "A message's journey")
    yield window
    window.open("about:blank")
    server.shutdown()
    thread.join()
    server.close()
    assert window.log() == []


def picture(page, name):
    """A screenshot, where they are asked for."""
    folder = os.environ.get("AMQP_REACTOR_SCREENSHOTS")
    if folder:
        page.screenshot(Path(folder) / f"lessons-{name}.png")


def choose(page, name):
    page.run(
        "const choice = document.querySelector('#choose'); choice.value = arguments[0];"
        "choice.dispatchEvent(new Event('change'))",
        name,
    )


def click(page, selector):
    """Click, and wait until the answer is there."""
    page.click(selector)
    page.wait_until("no command is under way", lambda: not page.run("return busy"))


def edit(page, old, new):
    page.run(
        "const editor = document.querySelector('#editor');"
        "editor.value = editor.value.replace(arguments[0], arguments[1]);"
        "editor.dispatchEvent(new Event('input'))",
        old,
        new,
    )


def test_the_answer_is_shown_after_the_run_to_those_who_have_given_theirs(page):
    choose(page, "credit")
    click(page, "#run")
    assert page.text("#printed").endswith("worker: got job 6")
    assert page.run("return document.querySelector('#answer').hidden")
    picture(page, "run")
    page.click("#choices label:nth-child(3) input")
    page.wait("#answer", "It is b")
    assert "credit 4" in page.text("#pictures")
    assert page.texts("#choices .right") == ["four"] and page.texts("#choices .wrong") == ["all six"]
    picture(page, "answer")


def test_frame_by_frame_and_event_by_event(page):
    choose(page, "credit")
    times = []
    for button in ("#frame", "#frame", "#event", "#event", "#frame"):
        click(page, button)
        times.append(float(page.text("#pictures figcaption").split()[0]))
    assert times == sorted(times) and 0 < times[-1] < 0.2
    click(page, "#again")
    assert page.text("#pictures figcaption") == "0.000 s"


def test_a_slider_runs_the_program_with_another_value(page):
    choose(page, "credit")
    page.run(
        "const knob = document.querySelector('#knobPREFETCH'); knob.value = 1; knob.dispatchEvent(new Event('input'));"
        "knob.dispatchEvent(new Event('change'))"
    )
    page.wait("#pictures", "credit 1")
    assert "credit 4" not in page.text("#pictures")


def test_a_broker_that_is_killed_and_comes_back(page):
    choose(page, "prefetch")
    for _ in range(12):
        click(page, "#frame")
    click(page, "#program-broker")
    assert page.text("#program-broker") == "restart"
    click(page, "#program-broker")
    assert page.text("#program-broker") == "kill"
    click(page, "#run")
    assert "crashed" in page.text("#pictures")
    picture(page, "killed")


def test_two_pictures_side_by_side(page):
    choose(page, "reconnect")
    click(page, "#compare")
    assert page.texts("#pictures figcaption") == ['LOST = "transfer"', "LOST = disposition"]
    left, right = page.run(
        "return [...document.querySelectorAll('#pictures figure')].map(e => e.getBoundingClientRect().x)"
    )
    assert left < right
    picture(page, "compare")
    page.click("#back")
    assert page.run("return document.querySelector('#working').offsetWidth") > 0


def test_a_mistake_is_told_by_its_line_and_the_original_comes_back(page):
    choose(page, "credit")
    edit(page, "event.message.body", "event.massage")
    click(page, "#run")
    assert "credit.py, line 27, in on_message" in page.text("#error")
    picture(page, "mistake")
    page.click("#original")
    click(page, "#run")
    assert page.run("return document.querySelector('#error').hidden")


def test_names_of_any_kind_are_text(page):
    choose(page, "credit")
    edit(page, 'f"job {number}"', '"<img src=x onerror=alert(1)>"')
    edit(page, 'print("worker: got"', 'print("<b>"')
    click(page, "#run")
    assert "<img src=x" in page.text("#pictures") and "<b>" in page.text("#printed")
    assert not page.run("return document.querySelector('#seeing img, #seeing b')")


def test_an_exercise_is_checked_solved_and_checked_again(page):
    choose(page, "!lose-nothing")
    page.click("#check")
    for step in range(STEPS):
        try:
            page.wait("#report", "In world 1\n")
            break
        except AssertionError:  # a busy machine takes longer than the browser's patience
            assert step < STEPS - 1
    assert "before it was shipped, and the worker was killed" in page.text("#report blockquote")
    assert page.run("return document.querySelectorAll('#worlds .broke').length") == 80
    picture(page, "exercise")
    page.wait_until("no command is under way", lambda: not page.run("return busy"))
    page.click("#solution")
    assert page.run("return document.querySelector('#editor').value") == exercises.solution("lose-nothing")


def test_every_lesson_runs_in_light_and_dark(page):
    for name in page.run("return course.lessons.map(lesson => lesson.name)"):
        choose(page, name)
        click(page, "#run")
        assert page.run("return document.querySelector('#error').hidden"), name
        assert page.run("return document.querySelectorAll('#pictures svg').length") == 1, name
    page.dark()
    picture(page, "dark")
