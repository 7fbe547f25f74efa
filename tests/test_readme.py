"""The documents, held against the code: their programs and commands are run, and the output is compared.

Comments in a chapter, which no reader of the page sees, say what a block is:

    <!-- program: NAME -->     a complete program; <!-- output: NAME --> is what it prints. `NAME in DIRECTORY`
                               is run there, else it is in an empty one
    <!-- service: NAME -->     a program that runs until it is told to end, run by test_production.py
    <!-- tests: NAME -->       tests for pytest, which are run by it and pass
    <!-- console -->           lines that begin with $ are commands, the others are what they print; it may
                               say: with a broker, without a broker, trace; in a directory, which is empty but
                               for the files that the chapter marks as <!-- file: NAME -->
    <!-- modules -->           every module of the packages, by directory
    <!-- benchmarks -->        a table of figures, up to <!-- /benchmarks -->

Ports and UUIDs are other ones each time; everything else must be as it stands there.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Optional

import pytest

import handlers
import reactor
from handlers.broker import EmbeddedBroker
from handlers.broker.__main__ import COMMANDS
from handlers.broker.transactions.coordinator import CAPABILITIES
from reactor import errors
from reactor import help as pages
from reactor.utils import BlockingConnection
from tests.support.chapters import CHAPTERS, Block, Chapter
from tests.support.one_process import run_each
from tests.support.processes import CHECKOUT, environment, unused_port
from tests.support.sources import per_thousand
from tests.test_house import LANGUAGE_BOUNDS

README = CHAPTERS["README.md"]
FAILURES = CHAPTERS["reactor/FAILURES.md"]
ARCHITECTURE = CHAPTERS["reactor/ARCHITECTURE.md"]
BROKER = CHAPTERS["handlers/broker/README.md"]
LESSONS = CHAPTERS["examples/README.md"]
DEVELOPMENT = CHAPTERS["tests/README.md"]
ALL = "\n".join(chapter.text for chapter in CHAPTERS.values())

#: Ends what would never end; nothing is judged by it.
DEADLINE = 100.0

#: Commands with two sides, each of which prints: which of two lines is first depends on how the wire cuts the bytes.
TWO_SIDES = {"python3 -m examples.helloworld", "python3 -m examples.acknowledge"}

#: The marks of blocks of Python, each of which is run: `service` by test_production.py, `file` by a console beside it.
RUN = {"program", "service", "tests", "file"}

#: The chapter whose parts the README does not name one by one: itself.
OWN_TOPICS = {"start"}

#: The README is read in ten minutes.
LINES_OF_THE_README = 350

PROGRAMS = [(chapter, name) for chapter in CHAPTERS.values() for name in chapter.marked("program")]
CONSOLES = [
    (chapter, block) for chapter in CHAPTERS.values() for block in chapter.blocks if block.language == "console"
]


# -- running ---------------------------------------------------------------------------------------------


def run(command: list[str], directory: Path, typed: str = "", **extra: str) -> tuple[int, str]:
    """Its status, and all that it printed. typed: its input."""
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment(PYTHONUNBUFFERED="1", **extra),
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=DEADLINE,
    )
    return done.returncode, done.stdout


def plain(text: str) -> list[str]:
    """Its lines, without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r" --listen amqp://127\.0\.0\.1:\d+", "", text)  # said where the port is not the usual one
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text).splitlines()


class Step(NamedTuple):
    """A command of a console block, and what it prints."""

    command: str
    output: str


def steps(console: str) -> list[Step]:
    parts = re.split(r"^\$ (.+)\n", console, flags=re.M)
    assert parts[0] == "" and len(parts) > 1, f"a console block begins with a command: {console!r}"
    return [Step(*pair) for pair in zip(parts[1::2], parts[2::2])]


def carry_out(step: Step, port: Optional[int], directory: Path = CHECKOUT) -> tuple[int, str]:
    """Run a command as it stands there, with this interpreter, and `port` for the usual one. It may have an input:
    `echo INPUT | python3 ...`."""
    words = shlex.split(step.command)
    extra, typed = {}, ""
    if words[0] == "echo":
        typed = f"{words[1]}\n"
        assert words[2] == "|"
        del words[:3]
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        extra[name] = value
    assert words[0] == "python3"
    words[0] = sys.executable
    if port is not None:
        words = [f"{word}:{port}" if word == "amqp://127.0.0.1" else word for word in words]
    return run(words, directory, typed, **extra)


def title(value: object) -> str:
    """How a case is called: a chapter by its path, a console by its first command."""
    return steps(value.text)[0].command if isinstance(value, Block) else str(value)


@pytest.mark.parametrize(("chapter", "name"), PROGRAMS, ids=title)
def test_a_program_prints_what_its_chapter_says(chapter: Chapter, name: str, tmp_path: Path) -> None:
    text, output = chapter.marked("program")[name], chapter.marked("output")
    name, _, place = name.partition(" in ")
    program = tmp_path / name
    program.write_text(text, encoding="utf-8")
    status, printed = run([sys.executable, "-W", "error", str(program)], CHECKOUT / place if place else tmp_path)
    assert plain(printed) == plain(output[name])
    assert status == 0


SUITES = [(chapter, name) for chapter in CHAPTERS.values() for name in chapter.marked("tests")]


@pytest.mark.parametrize(("chapter", "name"), SUITES, ids=title)
def test_tests_that_a_chapter_shows_pass(chapter: Chapter, name: str, tmp_path: Path) -> None:
    text = chapter.marked("tests")[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    plugin = ["-p", "handlers.broker.pytest_plugin"]  # its entry point is there only where the package is installed
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *plugin]
    status, printed = run(command, tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert status == 0, printed
    assert f"{text.count('def test_')} passed" in printed


@pytest.mark.parametrize("chapter", CHAPTERS.values(), ids=title)
def test_every_program_has_its_output(chapter: Chapter) -> None:
    assert [name.partition(" in ")[0] for name in chapter.marked("program")] == list(chapter.marked("output"))


def test_no_program_is_left_out() -> None:
    """A block of Python without a mark would be run by no test."""
    unmarked = [
        (chapter, block.text)
        for chapter in CHAPTERS.values()
        for block in chapter.blocks
        if block.language == "python" and block.mark.partition(": ")[0] not in RUN
    ]
    assert PROGRAMS and not unmarked


@pytest.mark.parametrize(("chapter", "block"), [row for row in CONSOLES if row[1].mark == "console"], ids=title)
def test_a_command_prints_what_its_chapter_says(chapter: Chapter, block: Block) -> None:
    for step in steps(block.text):
        status, printed = carry_out(step, None)
        if step.command in TWO_SIDES:
            assert sorted(plain(printed)) == sorted(plain(step.output))
        else:
            assert plain(printed) == plain(step.output)
        assert status == 0


def consoles(kind: str) -> list[Step]:
    """The steps of all blocks of this kind, in any chapter."""
    found = [step for _, block in CONSOLES if block.mark == f"console: {kind}" for step in steps(block.text)]
    assert found, f"no console {kind}"
    return found


def test_commands_that_need_a_broker_print_what_their_chapter_says() -> None:
    with EmbeddedBroker() as broker:
        for step in consoles("with a broker"):
            status, printed = carry_out(step, broker.port)
            assert plain(printed) == plain(step.output)
            assert status == 0


def test_commands_without_a_broker_print_what_their_chapter_says() -> None:
    for step in consoles("without a broker"):
        status, printed = carry_out(step, unused_port())
        assert plain(printed) == plain(step.output)
        assert status == 1


def test_the_trace_has_the_lines_that_its_chapter_shows() -> None:
    for step in consoles("trace"):
        status, printed = carry_out(step, None)
        assert status == 0
        shown = [line for line in plain(step.output) if line != "..."]
        assert [line for line in plain(printed) if line in shown] == shown


@pytest.mark.parametrize("chapter", CHAPTERS.values(), ids=title)
def test_commands_in_a_directory_print_what_their_chapter_says(chapter: Chapter, tmp_path: Path) -> None:
    for name, text in chapter.marked("file").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for of, block in CONSOLES:
        if of is chapter and block.mark == "console: in a directory":
            for step in steps(block.text):
                status, printed = carry_out(step, None, tmp_path)
                assert plain(printed) == plain(step.output)
                assert status == 0


def test_every_console_block_is_run() -> None:
    kinds = {"console", "console: with a broker", "console: without a broker", "console: trace"}
    kinds |= {"console: in a directory", "console: of a running program"}  # this one by tests/explain
    assert {block.mark for _, block in CONSOLES} == kinds


# -- pages and links -------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert README.text.count("\n") <= LINES_OF_THE_README


def test_it_begins_with_exactly_two_commands() -> None:
    first = README.blocks[0]
    job, tests = first.text.splitlines()
    assert first.language == "sh"
    assert job == "python3 -m examples.helloworld"
    assert tests.endswith(" -m tox -e py")


LINKS = [(chapter, target) for chapter in CHAPTERS.values() for target in chapter.links if "://" not in target]


@pytest.mark.parametrize(("chapter", "target"), LINKS, ids=title)
def test_a_link_leads_somewhere(chapter: Chapter, target: str) -> None:
    path, _, anchor = target.partition("#")
    place = (chapter.file.parent / path).resolve() if path else chapter.file
    assert place.exists()
    assert CHECKOUT in place.parents
    if anchor:
        assert anchor in CHAPTERS[place.relative_to(CHECKOUT).as_posix()].anchors


def test_the_language_of_the_chapters_is_plain() -> None:
    prose = "\n".join(chapter.prose for chapter in CHAPTERS.values() if chapter.path != "CHANGELOG.md")
    for family, (words, bound) in LANGUAGE_BOUNDS.items():
        assert per_thousand(re.sub(r"`[^`]*`", "", prose), words) <= bound, family


@pytest.mark.parametrize("chapter", CHAPTERS.values(), ids=title)
def test_no_anchor_is_there_twice(chapter: Chapter) -> None:
    if chapter.path != "CHANGELOG.md":  # whose parts have the same headings in each version, and no links to them
        assert len(set(chapter.anchors)) == len(chapter.anchors)


def test_the_readme_leads_to_every_chapter() -> None:
    reached, waiting = {"README.md"}, ["README.md"]
    while waiting:
        chapter = CHAPTERS[waiting.pop()]
        targets = {(chapter.file.parent / target.partition("#")[0]).resolve() for target in chapter.links}
        found = {path for path in CHAPTERS if CHECKOUT / path in targets} - reached
        reached |= found
        waiting += found
    assert reached == CHAPTERS.keys()


def test_the_readme_names_the_topics_by_which_help_shows_them() -> None:
    """In a package index the words of a link are all that is left of it."""
    topics = set()
    for words, target in re.findall(r"\[([\w-]+)\]\(([^)\s]+\.md(?:#[\w-]+)?)\)", README.section("Chapters")):
        path, _, anchor = target.partition("#")
        assert words == (anchor or next(name for name, file in pages.CHAPTERS.items() if file == path))
        topics.add(words)
    second = {t.name for c in pages.CHAPTERS for t in pages.read_topics(c) if t.level == 2 and c not in OWN_TOPICS}
    assert topics >= second | pages.CHAPTERS.keys() - {"start"}


# -- names -----------------------------------------------------------------------------------------------


def test_every_example_is_listed() -> None:
    scripts = {path.stem for path in (CHECKOUT / "examples").glob("*.py")}
    scripts = {name for name in scripts if "__main__" in (CHECKOUT / "examples" / f"{name}.py").read_text("utf-8")}
    assert set(re.findall(r"\]\((\w+)\.py\)", LESSONS.text)) == scripts


def modules_on_disk() -> set[str]:
    found = {path for top in ("reactor", "handlers") for path in (CHECKOUT / top).rglob("*.py")}
    return {path.relative_to(CHECKOUT).as_posix() for path in found if path.name != "__init__.py"}


def listed_modules() -> list[str]:
    (block,) = [block for block in ARCHITECTURE.blocks if block.mark == "modules"]
    directory, found = "", []
    for line in block.text.splitlines():
        word = line.split()[0]
        if line.startswith(" "):
            assert len(line.split()) > 1, f"{word} is listed without a word about it"
            found.append(directory + word)
        else:
            directory = word
    return found


def test_the_architecture_lists_the_modules_that_there_are() -> None:
    listed = listed_modules()
    assert len(listed) == len(set(listed))
    assert set(listed) - modules_on_disk() == set(), "listed, and not there"
    assert modules_on_disk() - set(listed) == set(), "there, and not listed: say in ARCHITECTURE.md what it is for"


def mistakes() -> list[tuple[str, str]]:
    """The calls that the chapter says to be wrong, and what comes of them; of those that can be called so."""
    rows = re.findall(r"^\| `((?:connect|send)\(.*?\))` \| `(.*?)` \|$", FAILURES.section("Errors"), re.M)
    return [(call, said) for call, said in rows if "..." not in call]


@pytest.mark.parametrize(("call", "said"), mistakes())
def test_a_mistake_raises_what_the_chapter_says(call: str, said: str) -> None:
    container = reactor.Container()
    sender = container.create_sender("amqp://127.0.0.1/jobs")
    names = {"connect": container.connect, "send": sender.send, "Message": reactor.Message}
    with pytest.raises(Exception) as caught:
        eval(call, names)
    assert f"{type(caught.value).__name__}: {caught.value}" == said


def test_there_are_mistakes() -> None:
    assert len(mistakes()) >= 3


@pytest.mark.parametrize("symbol", sorted(set(re.findall(r"\bamqp:[a-z][a-z:-]+[a-z]\b(?!/)", ALL))))
def test_a_condition_exists(symbol: str) -> None:
    known = {value for name, value in vars(errors).items() if name.isupper()}
    assert symbol in known | {*CAPABILITIES}, "nor is it a capability of a coordinator"


def methods_that_are_called() -> set[str]:
    handler = handlers.MessagingHandler
    classes = (handlers.TransactionalClientHandler, handlers.DuplicateFilter, handlers.Publisher, BlockingConnection)
    names = {name for cls in classes for name in dir(cls) if name.startswith("on_")}
    names |= set(re.findall(r"`(on_\w+)[`(]", str(handler.__doc__)))
    return names | {etype.method for etype in vars(reactor.Event).values() if isinstance(etype, reactor.EventType)}


@pytest.mark.parametrize("method", sorted(set(re.findall(r"\bon_[a-z]+(?:_[a-z]+)*\b", ALL))))
def test_a_method_exists(method: str) -> None:
    own = set(re.findall(r"ApplicationEvent\(\"(\w+)\"", ALL))
    assert method in methods_that_are_called() or method[3:] in own


@pytest.mark.parametrize("name", sorted(set(re.findall(r"from (?:reactor|handlers) import ([\w, ]+)", ALL))))
def test_imported_names_exist(name: str) -> None:
    public = {*reactor.__all__, *handlers.__all__, "aio"}  # the last one is a package
    assert set(re.findall(r"\w+", name)) <= public


def test_options_of_the_broker_are_those_of_the_broker() -> None:
    there = set()
    helps = [["-m", "handlers.broker", command, "--help"] for command in COMMANDS]
    for _, said, _ in run_each(helps, CHECKOUT, environment()):
        there |= set(re.findall(r"--[a-z][a-z-]+", said.partition("examples:")[0])) - {"--help"}
    assert set(re.findall(r"--[a-z][a-z-]+", BROKER.text)) - {"--help"} == there


def test_environments_of_tox_are_there() -> None:
    ini = (CHECKOUT / "tox.ini").read_text(encoding="utf-8")
    for name in re.findall(r"tox -e (\w+)", DEVELOPMENT.text):
        factor = re.search(rf"^    {name}: ", ini, re.M)  # a line of [testenv] for environments of this name
        assert name == "py" or factor or f"[testenv:{name}]" in ini


def test_benchmarks_have_their_place() -> None:
    chapter = DEVELOPMENT.section("Benchmarks, as measured")
    assert re.search(r"^<!-- benchmarks -->\n.*?^<!-- /benchmarks -->$", chapter, re.M | re.S)
