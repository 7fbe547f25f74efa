"""`python -m reactor.help`: every topic of every chapter, in the checkout and where a wheel puts them."""

from __future__ import annotations

import pydoc
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reactor import help as pages
from tests.support.chapters import CHAPTERS
from tests.support.processes import CHECKOUT, environment, run

TOPICS = [topic for chapter in pages.CHAPTERS for topic in pages.read_topics(chapter)]
COLUMNS = 100


def test_every_chapter_is_a_topic() -> None:
    notes = {"CHANGELOG.md", *(path for path in CHAPTERS if path.startswith("tests/") and path != "tests/README.md")}
    assert set(pages.CHAPTERS.values()) == CHAPTERS.keys() - notes


def test_every_heading_is_a_topic_and_no_two_have_one_name() -> None:
    names = [topic.name for topic in TOPICS]
    assert len(names) == len(set(names))
    for chapter, path in pages.CHAPTERS.items():
        assert {chapter, *CHAPTERS[path].anchors[1:]} <= set(names)


def test_the_list_has_the_chapters_and_their_second_headings() -> None:
    lines = pages.contents().splitlines()
    assert [line.split()[0] for line in lines if line[:1].strip() and "Topics" not in line] == list(pages.CHAPTERS)
    assert [line.strip() for line in lines if line.startswith("    ")] == [t.name for t in TOPICS if t.level == 2]


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.level < 3], ids=lambda topic: topic.name)
def test_a_topic_is_shown_whole_and_fits_the_terminal(topic: pages.Topic) -> None:
    lines = list(pages.render(topic.text, COLUMNS))
    shown = "".join("".join(lines).split())
    for word in topic.title.split():
        assert pages.plain(word) in shown
    for line in lines:
        assert len(line) <= COLUMNS or line.startswith("    ") or len(line.split()) == 1
        assert "](" not in line or line.startswith("    ")


def test_code_is_shown_as_it_stands() -> None:
    text = "Before\nit.\n\n<!-- program: a.py -->\n```python\n# no heading\nprint('|')\n\n* b\n```\nBehind it."
    shown = ["Before it.", "", "    # no heading", "    print('|')", "", "    * b", "Behind it.", ""]
    assert list(pages.render(text, 80)) == shown


def test_a_table_is_wrapped_and_keeps_words_whole() -> None:
    text = "| name | meaning |\n|---|---|\n| `a_long_name` | one two three four |\n| `x \\| y` | [link](a.md) |"
    shown = ["name           meaning", "-------------  ---------", "`a_long_name`  one two", "               three"]
    assert list(pages.render(text, 24)) == [*shown, "               four", "`x | y`        link", ""]


def test_a_table_without_a_head_has_no_line() -> None:
    assert list(pages.render("| | |\n|---|---|\n| a | b |", 80)) == ["a  b", ""]


def test_the_beginning_of_a_word_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert pages.main(["flow", "contr"]) == 0
    assert capsys.readouterr().out.startswith("## Flow control\n")


@pytest.mark.parametrize(
    ("wanted", "near"),
    [("acknowlegement", "acknowledgement"), ("recconect", "reconnect"), ("cridentials heartbeat", None),
     ("rabbit", "rabbitmq-by-version"), ("heartbeat", "deadlines"), ("??", None)],
)
def test_a_misspelt_topic_names_the_nearest(wanted: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pages.main([wanted]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith(f"no topic {wanted!r}")
    assert near is None or near in shown.err
    assert (near is None) == ("the nearest" not in shown.err)


def test_a_terminal_gets_a_pager_and_a_pipe_does_not(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    paged: list[str] = []
    monkeypatch.setattr(pydoc, "pager", paged.append)
    pages.main(["threads"])
    assert not paged and capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    pages.main(["threads"])
    assert len(paged) == 1 and not capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reactor.help", "using"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    assert process.stdout.readline() == b"# Using amqp-reactor\n"
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait(60) == 0


# -- where a wheel puts it -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel leaves in a directory, beside files of another project. (`tox -e package` has a real one.)"""
    place = tmp_path_factory.mktemp("site")
    for package in ("reactor", "handlers"):
        shutil.copytree(CHECKOUT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    for other in ("README.md", "tests/README.md", "examples/README.md"):
        (place / other).parent.mkdir(exist_ok=True)
        (place / other).write_text("# Another project\n", encoding="utf-8")
    lessons = place / "share" / "doc" / "amqp-reactor" / "examples" / "README.md"
    lessons.parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / "examples" / "README.md", lessons)
    info = place / "amqp_reactor-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: amqp-reactor\nVersion: 0.0.0\n\n# Start\n", "utf-8")
    (info / "RECORD").write_text(f"{lessons.relative_to(place).as_posix()},,\n", encoding="utf-8")
    return place


def installed_help(place: Path, *topic: str) -> tuple[int, str, str]:
    return run([sys.executable, "-m", "reactor.help", *topic], place, PYTHONPATH=str(place))


@pytest.mark.parametrize(
    ("topic", "begin"),
    [("broker", "# The embedded broker"), ("start", "# Start"), ("lessons", "# Lessons")],
)
def test_an_installed_package_shows(topic: str, begin: str, installed: Path) -> None:
    status, shown, error = installed_help(installed, topic)
    assert (status, error) == (0, "")
    assert shown.startswith(begin)


def test_an_installed_package_names_the_place_of_what_it_has_not(installed: Path) -> None:
    said = (1, "", "tests/README.md is not installed; it stands in the source distribution\n")
    assert installed_help(installed, "development") == said
    status, shown, _ = installed_help(installed)
    assert status == 0 and "development      in the source distribution, tests/README.md" in shown
    assert "Another project" not in shown


def test_a_copy_without_metadata_names_the_place_of_the_readme(installed: Path, tmp_path: Path) -> None:
    for package in ("reactor", "handlers"):
        shutil.copytree(installed / package, tmp_path / package)
    said = (1, "", "README.md is not installed; it stands in the source distribution\n")
    assert run([sys.executable, "-S", "-m", "reactor.help", "start"], tmp_path, PYTHONPATH=str(tmp_path)) == said
