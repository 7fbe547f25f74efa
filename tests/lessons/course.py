"""The pictures in the chapter of the examples: drawn from runs, written into it, and held against it.

    python -m tests.lessons.course        writes them

A comment above a block says what it shows: `picture: LESSON`, `picture: LESSON compared`, `check: EXERCISE`.
"""

from __future__ import annotations

import re

from examples.lessons import catalogue
from examples.lessons.exercises import catalogue as exercises
from examples.lessons.exercises.checking import Report
from examples.lessons.exercises.inmate import Check
from examples.lessons.picture import draw
from examples.lessons.reader import compared
from examples.lessons.stage import Stage
from tests.support.processes import CHECKOUT

CHAPTER = CHECKOUT / "examples" / "README.md"

BLOCK = re.compile(r"(<!-- (?P<mark>(?:picture|check): [^\n]*?) -->\n```text\n)(?P<text>.*?)(```\n)", re.S)


def marks() -> list[str]:
    """Of all blocks that are drawn."""
    return [found["mark"] for found in BLOCK.finditer(CHAPTER.read_text(encoding="utf-8"))]


def shown(mark: str) -> str:
    """The block as it stands in the chapter."""
    (text,) = [one["text"] for one in BLOCK.finditer(CHAPTER.read_text(encoding="utf-8")) if one["mark"] == mark]
    return text


def drawn(mark: str) -> str:
    """The same from a run."""
    kind, name, *how = mark.replace(":", "").split()
    lines = check(name) if kind == "check" else picture(name, how == ["compared"])
    return "".join(line.rstrip() + "\n" for line in lines)


def picture(name: str, both: bool) -> list[str]:
    lesson = catalogue.read(name)
    stages = [Stage(lesson.program, f"{name}.py", settings) for settings in ({}, lesson.other)]
    for stage in stages:
        stage.run()
    return compared(*stages, lesson.focus) if both else draw(stages[0].recording)


def check(name: str) -> list[str]:
    """The report of a check of the file to begin with, for the worlds that the chapter says."""
    lines: list[str] = []
    file = f"{name.replace('-', '_')}.py"
    report = Report(file, lines.append)
    Check(exercises.starter(name), file, report.take, 60.0).all(range(50))
    return "\n".join(lines).splitlines()


def main() -> None:
    text = CHAPTER.read_text(encoding="utf-8")
    text = BLOCK.sub(lambda found: found[1] + drawn(found["mark"]) + found[4], text)
    CHAPTER.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
