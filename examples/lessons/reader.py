"""A lesson in a terminal: text, program, question, run, picture, answer, and the same run with another setting."""

import sys
import textwrap

from examples.lessons.picture import beside, draw
from examples.lessons.stage import Stage

WIDTH = 80


class Reader:
    """Shows lessons. waits: whether it asks, and waits for the Enter key, between the parts."""

    def __init__(self, waits, write=print, ask=input):
        self.waits, self.write, self.ask = waits, write, ask

    def show(self, lesson, settings):
        """The whole lesson. settings: for its program, in place of those that stand there."""
        self.heading(f"Lesson {lesson.number}: {lesson.title} ({lesson.minutes} minutes)")
        self.prose(lesson.text)
        self.go_on("the program")
        self.heading(f"The program: examples/lessons/programs/{lesson.name}.py")
        self.write(lesson.program)
        self.prose(lesson.guide)
        self.heading("Before it runs: a question")
        self.prose(lesson.question)
        given = self.choose()
        stage = Stage(lesson.program, f"{lesson.name}.py", settings)
        stage.run()
        self.heading("The run with" + shown(settings) if settings else "The run")
        self.output(stage)
        self.picture(stage)
        self.heading("The answer")
        if given:
            self.write("Yes." if given == lesson.right else f"It is {lesson.right}.")
        elif not settings:
            self.write(f"It is {lesson.right}.\n")
        self.prose(lesson.answer)
        self.go_on("the same again, with another setting")
        self.compare(lesson, stage)
        self.heading("Now you")
        self.prose(lesson.change)
        name = (lesson.settings or ["LATENCY"])[0]
        self.write(f"    python -m examples.lessons {lesson.name} --set {name}=...")
        self.write(f"    python -m examples.lessons copy {lesson.name}     and change the copy as you like")
        self.heading("To remember")
        self.prose(lesson.remember)

    def compare(self, lesson, stage):
        """Counterfactual: the same seed with other settings."""
        other = Stage(lesson.program, f"{lesson.name}.py", lesson.other)
        other.run()
        before = {name: stage.names[name] for name in lesson.other}
        self.heading("The same world with" + shown(before) + ", and with" + shown(lesson.other))
        half = WIDTH // 2 - 1
        lines = [draw(one.recording, half, lesson.focus) for one in (stage, other)]
        for line in beside(*lines, half):
            self.write(line)
        self.write("")
        self.prose(lesson.compare)

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


def shown(settings):
    """Settings as the end of a title."""
    return "".join(f" {name}={value}" for name, value in settings.items())


def is_terminal():
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()
