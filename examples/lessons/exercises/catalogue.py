"""The exercises by name, with the files that a student begins with, and those that keep the promise."""

from pathlib import Path

from examples.lessons.exercises.orders import AtMostFive, LoseNothing, Poison, Sigterm
from examples.lessons.exercises.others import AnswerAll, BrokerRestart, Idempotent, NotTwice
from examples.lessons.stage import Broken, load

HERE = Path(__file__).resolve().parent

#: In the order of difficulty.
KINDS = [LoseNothing, NotTwice, AtMostFive, AnswerAll, BrokerRestart, Poison, Sigterm, Idempotent]
BY_NAME = {kind.name: kind for kind in KINDS}


def starter(name):
    """The text of the file that a student begins with."""
    return (HERE / "starters" / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")


def solution(name):
    """The text of a file that keeps the promise."""
    return (HERE / "solutions" / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")


def read(source, file):
    """The exercise that a file is about, and the names in the file."""
    names = load(source, file)
    name = names.get("EXERCISE")
    if name not in BY_NAME:
        said = "has no EXERCISE" if name is None else f"is about {name!r}, which is no exercise"
        raise Broken(f'{file} {said}. It needs a line such as EXERCISE = "poison"; there are {", ".join(BY_NAME)}')
    kind = BY_NAME[name]
    if not isinstance(names.get(kind.wants), type):
        raise Broken(f"{file} has no class {kind.wants}, which the exercise {name} starts")
    return kind, names
