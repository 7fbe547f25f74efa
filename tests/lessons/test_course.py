"""The chapter's course: its pictures are those of real runs, and its two hours are two hours."""

from __future__ import annotations

import re

import pytest

from examples.lessons import catalogue
from examples.lessons.exercises import catalogue as exercises
from tests.lessons import course

PICTURES = [mark for mark in course.marks() if mark.startswith("picture")]
CHECKS = [mark for mark in course.marks() if mark.startswith("check")]


def test_five_lessons_have_a_picture():
    assert len({mark.split()[1] for mark in PICTURES}) == 5 and len(CHECKS) == 1


@pytest.mark.parametrize("mark", PICTURES)
def test_a_picture_is_that_of_a_run(mark):
    assert course.drawn(mark) == course.shown(mark), "python -m tests.lessons.course draws it again"


@pytest.mark.slow
@pytest.mark.parametrize("mark", CHECKS)
def test_a_report_is_that_of_a_check(mark):
    assert course.drawn(mark) == course.shown(mark), "python -m tests.lessons.course writes it again"


def test_the_course_names_every_lesson_and_exercise_and_takes_two_hours():
    text = course.CHAPTER.read_text(encoding="utf-8")
    for name in catalogue.NAMES:
        assert f"](lessons/texts/{name}.txt)" in text
    for name in exercises.BY_NAME:
        assert f"`{name}`" in text
    begins = [int(minute) for minute in re.findall(r"^\| (\d+) \|", text, re.M)]
    assert begins == sorted(begins) and begins[0] == 0 and 100 <= begins[-1] < 120
    rows = re.findall(r"^\| (\d+) \| (.*) \|", text, re.M)
    for (begin, lessons), (end, _) in zip(rows, [*rows[1:], ("125", "")]):
        minutes = sum(catalogue.find(number).minutes for number in re.findall(r"(?<!\d)(\d+) \[", lessons))
        assert minutes <= int(end) - int(begin) + 2, lessons
