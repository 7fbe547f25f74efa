"""A lesson in a terminal: text, program, question, run, picture, answer, and the same run with another setting."""

import sys
import textwrap

from examples.lessons import catalogue
from examples.lessons.picture import beside, draw
from examples.lessons.stage import Stage

WIDTH = 80
RUNS = 50


class Reader:
    """Shows lessons. waits: whether it asks, and waits for the Enter key, between the parts.
    runs: in how many worlds it counts."""

    def __init__(self, waits, write=print, ask=input, runs=RUNS):
        self.waits, self.write, self.ask, self.runs = waits, write, ask, runs

    def show(self, lesson, settings):
        """The whole lesson; or, with settings for its program in place of those that stand there, that run beside the
        lesson's own."""
        self.heading(f"Lesson {lesson.number}: {lesson.title} ({lesson.minutes} minutes)")
        given = "" if settings else self.prepare(lesson)
        stage = Stage(lesson.program, f"{lesson.name}.py", settings)
        stage.run()
        self.heading("The run with" + shown(settings) if settings else "The run")
        self.output(stage)
        self.picture(stage)
        if settings:
            self.compare_with_own(lesson, stage, settings)
            return
        self.heading("The answer")
        if given:
            self.write("Yes." if given == lesson.right else f"You said {given}; it is {lesson.right}.")
        else:
            self.write(f"It is {lesson.right}.\n")
        self.prose(lesson.answer)
        if lesson.count:
            self.go_on("many runs, counted")
            self.count(*lesson.count)
        self.go_on("the same again, with another setting")
        self.compare(lesson, stage)
        self.heading("Now you")
        self.prose(lesson.change)
        name = (lesson.settings or ["LATENCY"])[0]
        self.write(f"    python -m examples.lessons {lesson.name} --set {name}=...")
        self.write(f"    python -m examples.lessons copy {lesson.name}     and change the copy as you like")
        self.heading("To remember")
        self.prose(lesson.remember)

    def prepare(self, lesson):
        """All that comes before the run. Returns the answer to its question."""
        self.prose(lesson.text)
        self.go_on("the program")
        self.heading(f"The program: examples/lessons/programs/{lesson.name}.py")
        self.write(lesson.program)
        self.prose(lesson.guide)
        self.heading("Before it runs: a question")
        self.prose(lesson.question)
        return self.choose()

    def compare_with_own(self, lesson, stage, settings):
        """The lesson's own run beside one with other settings."""
        own = Stage(lesson.program, f"{lesson.name}.py", {})
        own.run()
        before = {name: own.names[name] for name in settings if name in own.names}
        self.heading("The same world with" + shown(before) + ", as in the lesson, and with" + shown(settings))
        for line in compared(own, stage, lesson.focus):
            self.write(line)
        self.write("")

    def compare(self, lesson, stage):
        """Counterfactual: the same seed with other settings."""
        other = Stage(lesson.program, f"{lesson.name}.py", lesson.other)
        other.run()
        before = {name: stage.names[name] for name in lesson.other}
        self.heading("The same world with" + shown(before) + ", and with" + shown(lesson.other))
        for line in compared(stage, other, lesson.focus):
            self.write(line)
        self.write("")
        self.prose(lesson.compare)

    def count(self, name, lines, text):
        """Runs of one scene in many worlds, with other settings in each line, and their results in sum."""
        self.heading(f"{self.runs} worlds")
        self.prose(text)
        lesson = catalogue.read(name)
        for number, settings in enumerate(lines):
            total = {}
            for seed in range(self.runs):
                stage = Stage(lesson.program, f"{name}.py", {**settings, "SEED": seed})
                stage.run()
                for key, count in stage.result().items():
                    total[key] = total.get(key, 0) + count
            if not number:
                self.write(" " * 20 + "".join(f"{key:>16}" for key in total))
            words = ", ".join(map(str, settings.values()))
            self.write(f"{words:20}" + "".join(f"{count:16}" for count in total.values()))
        self.write("")

    def run(self, source, name, settings):
        """Any program: its output and its picture."""
        stage = Stage(source, name, settings)
        stage.run()
        self.output(stage)
        self.picture(stage)

    def output(self, stage):
        for time, line in stage.printed:
            self.write(f"{time:7.3f} {line}")
        self.write("")

    def picture(self, stage):
        for line in draw(stage.recording):
            self.write(line)
        self.write("")

    def heading(self, text):
        self.write(f"\n{text}\n{'=' * len(text)}\n")

    def prose(self, text):
        """Paragraphs; lines that are indented stay as they are."""
        for paragraph in text.split("\n\n"):
            if paragraph.startswith(" "):
                self.write(paragraph)
            else:
                self.write(textwrap.fill(" ".join(paragraph.split()), WIDTH))
            self.write("")

    def choose(self):
        """The letter that was given; "" where there is nobody to ask."""
        return self.ask("Your answer: ").strip().lower()[:1] if self.waits else ""

    def go_on(self, to):
        if self.waits:
            self.ask(f"[Enter: {to}] ")


def compared(one, other, focus):
    """The pictures of two runs: side by side, where they are narrow enough."""
    if len(focus) == 2:
        half = WIDTH // 2 - 1
        return beside(draw(one.recording, half, focus), draw(other.recording, half, focus), half)
    return [*draw(one.recording, WIDTH, focus), "", *draw(other.recording, WIDTH, focus)]


def shown(settings):
    """Settings as the end of a title."""
    return "".join(f" {name}={value}" for name, value in settings.items())


def is_terminal():
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()
