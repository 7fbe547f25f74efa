"""Seat: one student at the page: takes commands as dicts, runs programs on a stage, and answers with dicts.

The page's server has a process with a Seat for each student (`python -m examples.lessons.web.seat`: a line of JSON for
each command and each answer); the page without a server has one in the browser. Nothing here needs either.
"""

import json
import os
import sys

from examples.lessons import catalogue
from examples.lessons.exercises import catalogue as exercises
from examples.lessons.exercises.inmate import Check
from examples.lessons.limits import SECONDS, TooLong, computing, explain, limit_memory
from examples.lessons.picture import draw, other_ends
from examples.lessons.stage import Broken, Stage
from reactor.tracing.recording import Recording

#: Lines of output that an answer has at most.
MOST_LINES = 2000

#: Columns of pictures in text.
WIDTH = 64

#: Commands: names of methods of Seat.
COMMANDS = "course start step_frame step_event run kill restart compare check show".split()


class Seat:
    """One student. seconds: of computing, for each command."""

    def __init__(self, seconds=SECONDS):
        self.stage = None
        self.seconds = seconds

    def answer(self, command):
        """The answer to one command; an error of the student's program is part of it, as "error"."""
        name = command.get("do")
        if name not in COMMANDS:
            return {"error": f"there is no command {name!r}"}
        try:
            with computing(self.seconds):
                return getattr(self, name)(command)
        except Broken as broken:
            return {**self._state(), "error": str(broken)}
        except TooLong as error:
            self.stage = None
            return {"error": explain(error, command.get("name") or "program.py", self.seconds)}
        except MemoryError:
            self.stage = None
            return {"error": "The program needs more memory than it may have."}

    # -- the course ----------------------------------------------------------------------------------------

    def course(self, command):
        """All lessons and exercises, with their texts and programs."""
        lessons = [catalogue.read(name)._asdict() for name in catalogue.NAMES]
        tasks = [
            {
                "name": kind.name,
                "promise": kind.promise,
                "program": exercises.starter(kind.name),
                "solution": exercises.solution(kind.name),
            }
            for kind in exercises.KINDS
        ]
        return {"lessons": lessons, "exercises": tasks}

    # -- a scene -------------------------------------------------------------------------------------------

    def start(self, command):
        """Set the scene. source, name: the program. settings: for it. Nothing has happened yet."""
        self.stage = None
        self.stage = _stage(command, command.get("settings") or {})
        return self._state()

    def step_frame(self, command):
        return self._go(command, Stage.step_frame)

    def step_event(self, command):
        return self._go(command, Stage.step_event)

    def run(self, command):
        return self._go(command, Stage.run)

    def kill(self, command):
        return self._go(command, lambda stage: stage.kill(command["program"]))

    def restart(self, command):
        return self._go(command, lambda stage: stage.restart(command["program"]))

    def compare(self, command):
        """The same program with two settings: two pictures. other: in place of settings."""
        first = command.get("settings") or {}
        stages = [_stage(command, first), _stage(command, {**first, **command["other"]})]
        for stage in stages:
            stage.run()
        return {"pictures": [_picture(stage, command.get("focus") or ()) for stage in stages]}

    def _go(self, command, step):
        """One step on the stage; where there is none the scene is set first."""
        if self.stage is None:
            self.start(command)
        stage = self.stage
        try:
            step(stage)
        except Broken:
            stage.over = True
            raise
        return self._state()

    def _state(self):
        stage = self.stage
        if stage is None or stage.world is None:
            return {}
        programs = [{"name": name, "running": one.running} for name, one in stage.world.programs.items()]
        return {
            "now": stage.now,
            "over": stage.over,
            "programs": programs,
            "printed": [f"{time:8.3f}  {line}" for time, line in stage.printed[:MOST_LINES]],
            **_picture(stage, ()),
        }

    # -- exercises -----------------------------------------------------------------------------------------

    def check(self, command):
        """An exercise in the worlds of some seeds: which of them broke."""
        check = self._check(command, None)
        worlds = [[seed, check.run_seed(seed) is not None] for seed in range(*command["seeds"])]
        return {"exercise": check.kind.name, "promise": check.kind.promise, "worlds": worlds}

    def show(self, command):
        """The breach in one of them, its storm shrunk, and its picture."""
        found = {}
        self._check(command, found.update).show(command["seed"], WIDTH)
        return found

    def _check(self, command, tell):
        return Check(command["source"], command.get("name") or "program.py", tell, self.seconds)


def _stage(command, settings):
    return Stage(command["source"], command.get("name") or "program.py", settings)


def _picture(stage, focus):
    """focus: the programs in it; empty for all."""
    recording = stage.recording
    if focus:
        ends = other_ends(recording)
        kept = [one for one in recording.records if {one.program, ends.get(one.wire, one.program)} <= {*focus}]
        recording = Recording(recording.header, kept)
    return {"svg": recording.svg(), "text": "\n".join(draw(stage.recording, only=focus))}


def main():
    """Lines of JSON, in and out; the student's prints are no lines of ours."""
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with open(os.devnull, encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)
    limit_memory()
    seat = Seat()
    for line in commands:
        print(json.dumps(seat.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    sys.exit(main())
