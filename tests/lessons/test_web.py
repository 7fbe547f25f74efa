"""The server of the page, asked by HTTP: for whom it works, for whom not, and what it does for several at once."""

from __future__ import annotations

import http.client
import json
import threading

import pytest

from examples.lessons import catalogue
from examples.lessons.web import server as serving
from examples.lessons.web.seat import Seat

#: Ends a test that would never end; nothing is judged by it.
DEADLINE = 600.0

PROGRAM = catalogue.read("credit").program
MINE = {"source": PROGRAM, "name": "credit.py", "settings": {}}


@pytest.fixture
def server():
    server = serving.Server(patience=DEADLINE)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.close()


def request(server, method, path, body=None, **headers):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=DEADLINE)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def ask(server, command, **headers):
    """Status, and the answer in JSON or in text."""
    headers = {"X_Token": server.token, **headers}
    status, _, text = request(server, "POST", "/command", json.dumps({"seat": "a", **command}), **headers)
    return status, json.loads(text) if status == 200 else text


def test_the_page_and_its_parts(server):
    status, headers, text = request(server, "GET", "/?token=" + server.token)
    assert status == 200 and "<title>Lessons about messaging</title>" in text
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert server.url.startswith(f"http://127.0.0.1:{server.server_port}/?token=")
    for part, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        status, headers, _ = request(server, "GET", "/" + part)
        assert status == 200 and headers["Content-Type"].startswith(kind) and part in text


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "said"),
    [
        ("GET", "/", {}, 403, "the token is missing or wrong"),
        ("GET", "/?token=wrong", {}, 403, "the token is missing or wrong"),
        ("POST", "/command", {}, 403, "the token is missing or wrong"),
        ("POST", "/command", {"X_Token": "wrong"}, 403, "the token is missing or wrong"),
        ("POST", "/command", {"X_Token": "\u00e4"}, 403, "the token is missing or wrong"),
        ("GET", "/page.js", {"Host": "lessons.example.com"}, 403, "this page is for 127.0.0.1 alone"),
        ("GET", "/../server.py", {}, 404, "there is nothing here"),
        ("GET", "/seat.py", {}, 404, "there is nothing here"),
    ],
)
def test_who_is_refused(server, method, path, headers, status, said):
    found, _, text = request(server, method, path, "{}" if method == "POST" else None, **headers)
    assert found == status and said in text and text.count("\n") == 1


def test_a_foreign_name_for_this_machine_is_refused_with_the_token_too(server):
    status, text = ask(server, {"do": "course"}, Host=f"rebound.example.com:{server.server_port}")
    assert status == 403 and "127.0.0.1 alone" in text


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/elsewhere", "{}", {}, 404),
        ("/command", "no JSON", {}, 400),
        ("/command", "[]", {}, 400),
        ("/command", '{"do": "course"}', {}, 400),
        ("/command", None, {"Content_Length": str(serving.MOST_BYTES + 1)}, 413),
        ("/command", None, {"Content_Length": "many"}, 411),
    ],
)
def test_what_is_no_command(server, path, body, headers, status):
    assert request(server, "POST", path, body, X_Token=server.token, **headers)[0] == status


def test_a_scene_step_by_step_in_a_process_of_its_own(server):
    status, answer = ask(server, {"do": "start", **MINE, "settings": {"PREFETCH": 2}})
    assert status == 200 and answer["now"] == 0.0 and not answer["over"]
    answer = ask(server, {"do": "step_frame"})[1]
    assert 0 < answer["now"] < 0.1
    answer = ask(server, {"do": "run"})[1]
    assert answer["over"] and "credit 2" in answer["text"] and answer["svg"].startswith("<svg")
    assert answer["printed"][-1].endswith("worker: got job 6")
    assert [one["name"] for one in answer["programs"]] == ["broker", "producer", "worker"]


def test_two_at_once_have_a_world_each(server):
    answers = {}

    def learn(seat, prefetch):
        ask(server, {"do": "start", **MINE, "settings": {"PREFETCH": prefetch}, "seat": seat})
        answers[seat] = ask(server, {"do": "run", "seat": seat})[1]

    threads = [threading.Thread(target=learn, args=pair) for pair in (("a", 1), ("b", 3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "credit 1" in answers["a"]["text"] and "credit 3" not in answers["a"]["text"]
    assert "credit 3" in answers["b"]["text"]


@pytest.mark.slow
def test_a_program_that_ends_its_process_ends_no_other(server):
    wrong = {"do": "start", **MINE, "source": "import os\n\n\ndef scene(world):\n    os._exit(3)\n"}
    assert ask(server, wrong)[1] == {"error": "The process of the program has ended. Does it call exit()?"}
    assert ask(server, {"do": "start", **MINE})[1]["now"] == 0.0


@pytest.mark.slow
def test_a_program_that_sleeps_is_given_up():
    process = serving.Process(patience=1.0)
    sleeps = {"do": "start", "source": "import time\n\n\ndef scene(world):\n    time.sleep(1000)\n"}
    try:
        assert process.ask(sleeps)["error"].startswith("No answer within 1 s")
    finally:
        process.end()


@pytest.mark.slow
def test_there_are_so_many_seats_and_no_more(server, monkeypatch):
    monkeypatch.setattr(serving, "MOST_SEATS", 2)
    for seat in "abc":
        assert ask(server, {"do": "start", **MINE, "seat": seat})[0] == 200
    assert ask(server, {"do": "run", "seat": "c", **MINE})[1]["over"]
    first = ask(server, {"do": "step_frame", "seat": "a", **MINE})[1]
    assert first["now"] < 0.1, "it begins anew: its process was ended for another one"


# -- the seat ------------------------------------------------------------------------------------------------


def test_every_lesson_and_exercise_comes_with_the_course():
    course = Seat(DEADLINE).answer({"do": "course"})
    assert [one["name"] for one in course["lessons"]] == catalogue.NAMES
    assert len(course["exercises"]) == 8
    json.dumps(course)


def test_a_kill_and_a_restart_between_steps():
    seat = Seat(DEADLINE)
    seat.answer({"do": "start", **MINE})
    for _ in range(8):
        seat.answer({"do": "step_event"})
    answer = seat.answer({"do": "kill", "program": "producer"})
    assert {"name": "producer", "running": False} in answer["programs"]
    answer = seat.answer({"do": "restart", "program": "producer"})
    assert {"name": "producer", "running": True} in answer["programs"]
    assert "producer crashes" in seat.answer({"do": "run"})["text"]


def test_a_comparison_has_two_pictures_of_the_programs_that_matter():
    answer = Seat(DEADLINE).answer({"do": "compare", **MINE, "other": {"PREFETCH": 1}, "focus": ["broker", "worker"]})
    one, other = answer["pictures"]
    assert "credit 4" in one["text"] and "credit 1" in other["text"]
    assert "producer" not in one["text"] and "producer" not in one["svg"]


def test_a_mistake_in_the_editor_is_told():
    seat = Seat(DEADLINE)
    assert "credit.py, line 1" in seat.answer({"do": "start", **MINE, "source": "def"})["error"]
    assert "there is no command" in seat.answer({"do": "nothing"})["error"]
    wrong = PROGRAM.replace('print("worker: got", event.message.body)', "event.nothing()")
    answer = seat.answer({"do": "run", **MINE, "source": wrong})
    assert "in on_message: event.nothing()" in answer["error"] and answer["over"] and answer["text"]


def test_an_exercise_in_portions():
    seat = Seat(DEADLINE)
    mine = {"source": seat.answer({"do": "course"})["exercises"][0]["program"], "name": "lose_nothing.py"}
    answer = seat.answer({"do": "check", **mine, "seeds": [0, 3]})
    assert answer["worlds"] == [[0, False], [1, True], [2, False]]
    shown = seat.answer({"do": "show", **mine, "seed": 1})
    assert "before it was shipped" in shown["breach"] and max(map(len, shown["picture"])) <= 64
