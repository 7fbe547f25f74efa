"""The lessons: their order, their texts and their programs, read from the files beside this one.

A text has parts. A line `== NAME and more` begins one; before the first there are the title, the minutes and the text
itself. Paragraphs are separated by empty lines.
"""

from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent

#: In the order of teaching.
NAMES = "journey events credit prefetch outcomes guarantees redelivery backpressure reconnect request topics".split()
NAMES += ["transactions"]


class Lesson(NamedTuple):
    """One lesson.

    number, name, title, minutes: how it is listed. text: to be read first. program: source of its scene.
    guide: about the program. question: to be answered before the run. right: the letter of the answer. answer: why.
    settings: names in the program that are worth a change. change: a task with them.
    other: settings of the counterfactual. focus: the programs in its pictures; empty for all. compare: about these
    pictures. count: where many runs are counted: of which lesson, settings of each line, text; else None.
    remember: the lesson in a sentence or two.
    """

    number: int
    name: str
    title: str
    minutes: int
    text: str
    program: str
    guide: str
    question: str
    right: str
    answer: str
    settings: list
    change: str
    other: dict
    focus: list
    compare: str
    count: object
    remember: str


def value(text):
    """A number, where it is one. In words an underscore stands for a space."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {"True": True, "False": False, "None": None}.get(text, text.replace("_", " "))


def settings(words):
    """NAME=VALUE ... as a dict, and the words that are none of these."""
    pairs = [word.split("=", 1) for word in words if "=" in word]
    return {name: value(text) for name, text in pairs}, [word for word in words if "=" not in word]


def parse(number, name, text, program):
    """A lesson, from its text."""
    head, *rest = text.split("\n== ")
    title, minutes, *body = head.splitlines()
    parts = {}
    for part in rest:
        line, _, content = part.partition("\n")
        kind, *words = line.split()
        parts[kind] = words, content.strip("\n")
    other, focus = settings(parts["other"][0])
    return Lesson(
        number,
        name,
        title,
        int(minutes.split()[1]),
        "\n".join(body).strip("\n"),
        program,
        parts["program"][1],
        parts["predict"][1],
        parts["answer"][0][0],
        parts["answer"][1],
        parts["change"][0],
        parts["change"][1],
        other,
        focus,
        parts["other"][1],
        counted(*parts["count"]) if "count" in parts else None,
        parts["remember"][1],
    )


def counted(words, text):
    """Of the part `count`."""
    name, *lines = words
    return name, [settings([line])[0] for line in lines], text


def read(name):
    """The lesson of that name."""
    text = (HERE / "texts" / f"{name}.txt").read_text(encoding="utf-8")
    program = (HERE / "programs" / f"{name}.py").read_text(encoding="utf-8")
    return parse(NAMES.index(name) + 1, name, text, program)


def find(word):
    """The lesson of that number or name; None without one."""
    if word.isdecimal() and 0 < int(word) <= len(NAMES):
        word = NAMES[int(word) - 1]
    return read(word) if word in NAMES else None
