"""Each lesson as its reader meets it: text, question, run, picture, and the same run with another setting."""

from __future__ import annotations

import subprocess
import sys

import pytest

from examples.lessons import __main__ as command
from examples.lessons import catalogue
from examples.lessons.picture import draw
from examples.lessons.reader import Reader, compared
from examples.lessons.stage import Broken, Stage
from tests.support.processes import CHECKOUT

LESSONS = [catalogue.read(name) for name in catalogue.NAMES]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=catalogue.NAMES)


def played(lesson, settings=()):
    stage = Stage(lesson.program, f"{lesson.name}.py", settings)
    stage.run()
    return stage


class Class:
    """A reader that types."""

    def __init__(self, *answers):
        self.answers, self.shown = list(answers), []

    def read(self, lesson, settings=()):
        reader = Reader(bool(self.answers), self.shown.append, lambda prompt: self.answers.pop(0), runs=2)
        reader.show(lesson, dict(settings))
        return "\n".join(self.shown)


@each_lesson
def test_a_lesson_is_whole(lesson):
    assert 5 <= lesson.minutes <= 15
    assert f"  {lesson.right}) " in lesson.question and lesson.question.count(") ") >= 2
    assert lesson.text and lesson.guide and lesson.answer and lesson.change and lesson.compare and lesson.remember
    assert '"""' in lesson.program.splitlines()[0], "it says what happens"


@each_lesson
def test_its_run_is_the_same_each_time_and_another_one_with_the_other_setting(lesson):
    stage, again, other = played(lesson), played(lesson), played(lesson, lesson.other)
    assert stage.world.digest == again.world.digest
    assert stage.printed == again.printed
    assert draw(stage.recording) != draw(other.recording)


@each_lesson
def test_its_pictures_keep_to_80_columns(lesson):
    lines = draw(played(lesson).recording)
    assert len(lines) > 3 and max(map(len, lines)) <= 80
    other = played(lesson, lesson.other)
    assert max(map(len, compared(played(lesson), other, lesson.focus))) <= 80


@each_lesson
def test_the_question_comes_before_the_picture_and_the_answer_behind_it(lesson):
    page = Class("", "x", "", "").read(lesson)
    picture = draw(played(lesson).recording)[0]
    places = [page.index(part) for part in ("a question\n", picture, "The answer\n", "To remember\n")]
    assert places == sorted(places)
    assert f"You said x; it is {lesson.right}." in page


@each_lesson
def test_the_settings_to_be_changed_are_there(lesson):
    names = played(lesson).names
    for name in [*lesson.settings, *lesson.other]:
        assert name in names
    for name in lesson.other:
        assert names[name] != lesson.other[name]


def test_a_right_answer_is_told_so():
    lesson = catalogue.read("credit")
    assert "Yes." in Class("", "b", "").read(lesson)


def test_a_lesson_without_a_reader_does_not_wait(capsys):
    assert command.main(["credit", "--set", "PREFETCH=2"]) == 0
    out = capsys.readouterr().out
    assert "The run with PREFETCH=2" in out and "credit 2" in out
    assert "The same world with PREFETCH=4, as in the lesson, and with PREFETCH=2" in out
    assert "The answer" not in out, "which is about the lesson's own run"


def test_a_list_that_is_cut_off_is_no_error():
    command_line = [sys.executable, "-m", "examples.lessons"]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CHECKOUT) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_the_list_names_every_lesson(capsys):
    assert command.main([]) == 0
    out = capsys.readouterr().out
    assert all(catalogue.read(name).title in out for name in catalogue.NAMES)


def test_a_copy_runs_and_is_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["copy", "credit"]) == 0
    assert command.main(["run", "credit.py", "--set", "PREFETCH=1"]) == 0
    assert "credit 1" in capsys.readouterr().out
    assert command.main(["copy", "credit"]) == 1
    assert "there is a credit.py already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "there is no lesson 'nothing'"),
        (["99"], "there is no lesson '99'"),
        (["run", "missing.py"], "missing.py cannot be read"),
        (["play", "credit"], "is no command"),
        (["credit", "--set", "PREFETSH=1"], "credit.py has no PREFETSH; it has LATENCY, PREFETCH, SECONDS, SEED"),
    ],
)
def test_a_wrong_command_is_one_line(words, said, capsys):
    assert command.main(words) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def scene(world)\n    pass\n", "p.py, line 1: def scene(world)\nSyntaxError: "),
        ("x = 1\n", "p.py has no function scene(world)"),
        ("def scene(world):\n    world.strat(1)\n", "p.py, line 2, in scene: world.strat(1)\nAttributeError: "),
        ("1 / 0\n", "p.py, line 1, in <module>: 1 / 0\nZeroDivisionError: division by zero"),
        (
            "from handlers import MessagingHandler\n\n\n"
            "class Wrong(MessagingHandler):\n    def on_start(self, event):\n"
            "        event.nothing()\n\n\ndef scene(world):\n    world.start(Wrong)\n",
            "p.py, line 6, in on_start: event.nothing()\nAttributeError: ",
        ),
    ],
)
def test_a_mistake_is_shown_by_its_line(source, said):
    with pytest.raises(Broken) as broken:
        Stage(source, "p.py").run()
    assert said in str(broken.value)


def test_steps_lead_to_the_end():
    lesson = catalogue.read("credit")
    stage = Stage(lesson.program, "credit.py")
    counts = []
    while not stage.over:
        stage.step_frame()
        counts.append(len(stage.recording.records))
    assert counts == sorted(counts) and len(counts) > 30
    whole = [line for _, line in played(lesson).printed]
    assert [line for _, line in stage.printed] == whole


def test_one_event_at_a_time():
    stage = Stage(catalogue.read("credit").program, "credit.py")
    for _ in range(20):
        stage.step_event()
    assert not stage.over and stage.now < 0.1


def test_a_program_can_be_killed_and_started_again():
    stage = Stage(catalogue.read("credit").program, "credit.py")
    stage.step_frame()
    stage.kill("producer")
    assert not stage.world.programs["producer"].running
    stage.restart("producer")
    stage.run()
    assert stage.world.programs["producer"].starts == 2
    with pytest.raises(Broken, match="no program is called 'nobody'; there are broker, producer"):
        stage.kill("nobody")


#: The worlds of the table in parts: by mode, the lost numbers of each part, or those that came more than once.
PARTS = [*(range(first, first + 100) for first in range(0, 700, 100)), range(700, 1000)]
COUNTED = {
    "at most once": [(35, 0), (34, 0), (22, 0), (33, 0), (30, 0), (36, 0), (36, 0), (84, 0)],
    "at least once": [(0, 32), (0, 32), (0, 34), (0, 31), (0, 26), (0, 26), (0, 25), (0, 98)],
}


def test_the_table_of_losses_and_duplicates_is_the_sum_of_its_parts():
    text = catalogue.read("guarantees").count[2]
    table = [line.split() for line in text.splitlines() if line.startswith("  at ")]
    assert [" ".join(words[:3]) for words in table] == list(COUNTED)
    for words, parts in zip(table, COUNTED.values()):
        lost, more = map(sum, zip(*parts))
        assert len(parts) == len(PARTS) and [int(word) for word in words[3:]] == [lost, 5000 - lost - more, more]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(len(PARTS)))
@pytest.mark.parametrize("mode", COUNTED)
def test_a_part_of_the_table_is_counted_again(mode, part):
    lesson = catalogue.read("guarantees")
    lost = more = 0
    for seed in PARTS[part]:
        counts = played(lesson, {"MODE": mode, "SEED": seed}).result()
        lost, more = lost + counts["lost"], more + counts["more than once"]
    assert (lost, more) == COUNTED[mode][part]
