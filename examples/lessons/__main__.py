"""Teaches messaging in twelve lessons, each with a program, a question, and a picture of the run that just happened.

    python -m examples.lessons                      the list of lessons and exercises
    python -m examples.lessons 3                    a lesson, by number or name
    python -m examples.lessons credit --set PREFETCH=1
    python -m examples.lessons copy credit          its program as a file of your own
    python -m examples.lessons run credit.py        your own program: output and picture
    python -m examples.lessons copy poison          the file with which an exercise begins
    python -m examples.lessons check poison.py      does it keep its promise, in 200 stormy worlds?
    python -m examples.lessons --web                all of this as a page in your browser
    python -m examples.lessons --static DIR         that page as a site of plain files, with Python in the browser

Every program runs in a simulated world: its clock jumps over the waiting, and the same seed gives the same run.
"""

import argparse
import os
import sys
import textwrap
from pathlib import Path

from examples.lessons import catalogue
from examples.lessons.exercises import catalogue as exercises
from examples.lessons.exercises.checking import check
from examples.lessons.reader import Reader, is_terminal
from examples.lessons.stage import Broken
from examples.lessons.web.server import serve
from examples.lessons.web.static import ELSEWHERE, CannotWrite, write_site


class Wrong(Exception):
    """The command cannot be carried out. The text is for its user."""


def list_lessons():
    """What there is."""
    print("Lessons: python -m examples.lessons NUMBER\n")
    for name in catalogue.NAMES:
        lesson = catalogue.read(name)
        print(f"  {lesson.number:2}  {lesson.name:14} {lesson.title} ({lesson.minutes} minutes)")
    print("\nExercises: python -m examples.lessons copy NAME, and then check NAME.py\n")
    for name, kind in exercises.BY_NAME.items():
        print(textwrap.fill(kind.promise, 80, initial_indent=f"  {name:18}", subsequent_indent=" " * 20))


def copy(name):
    """The program of a lesson, or the beginning of an exercise, as a file in the present directory."""
    if name in exercises.BY_NAME:
        path, text, verb = Path(f"{name.replace('-', '_')}.py"), exercises.starter(name), "check"
    else:
        lesson = find(name)
        path, text, verb = Path(f"{lesson.name}.py"), lesson.program, "run"
    if path.exists():
        raise Wrong(f"there is a {path} already: remove it, or go to another directory")
    path.write_text(text, encoding="utf-8")
    print(f"{path} is yours. Next: python -m examples.lessons {verb} {path}")


def find(name):
    lesson = catalogue.find(name)
    if lesson is None:
        names = catalogue.NAMES
        raise Wrong(f"there is no lesson {name!r}; there are {', '.join(names)}, or 1 to {len(names)}")
    return lesson


def read_file(name):
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"{name} cannot be read: {error}") from error


def carry_out(options):
    words, settings = options.words, catalogue.settings(options.set)[0]
    reader = Reader(is_terminal() and not options.all)
    if options.web:
        serve(options.port)
    elif options.static:
        files, place = write_site(options.static, options.pyodide)
        print(f"{options.static} has {len(files)} files. Python comes from {place}; nothing else is needed.")
    elif not words:
        list_lessons()
    elif words[0] == "copy" and len(words) == 2:
        copy(words[1])
    elif words[0] == "run" and len(words) == 2:
        reader.run(read_file(words[1]), Path(words[1]).name, settings)
    elif words[0] == "check" and len(words) == 2:
        read_file(words[1])
        return 0 if check(words[1], options.seed) else 1
    elif len(words) == 1:
        reader.show(find(words[0]), settings)
    else:
        raise Wrong(f"{' '.join(words)!r} is no command; see python -m examples.lessons --help")
    return 0


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m examples.lessons", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="LESSON | copy NAME | run FILE | check FILE")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="for capital names of the program")
    parser.add_argument("--seed", metavar="N or N-M", help="of the worlds of a check (0-199)")
    parser.add_argument("--web", action="store_true", help="serve the lessons as a page, on 127.0.0.1 alone")
    parser.add_argument("--static", metavar="DIR", help="write that page as a site of plain files")
    parser.add_argument(
        "--pyodide",
        default=ELSEWHERE,
        metavar="WHERE",
        help="of that site: address or directory (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=0, help="of that page (any that is free)")
    parser.add_argument("--all", action="store_true", help="do not wait between the parts of a lesson")
    options = parser.parse_args(arguments)
    try:
        status = carry_out(options)
        sys.stdout.flush()
        return status
    except (Wrong, Broken, CannotWrite) as wrong:
        print(wrong, file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough; at its exit Python would write the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
