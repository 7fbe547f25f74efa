"""The documentation in the terminal: ``python -m reactor.help [TOPIC]``.

The chapters are Markdown files beside the code that they describe, and are installed with it. A topic is a chapter, or
a heading in one. Chapters that a wheel has elsewhere or not at all (the README, the lessons, development) come
from the checkout, else from the metadata of the installed package. It knows files and text, and nothing of AMQP.
"""

from __future__ import annotations

import difflib
import os
import pydoc
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, Optional

DISTRIBUTION = "amqp-reactor"
ROOT = Path(__file__).resolve().parent.parent

#: Topic of each chapter -> its file.
CHAPTERS = {
    "start": "README.md",
    "using": "reactor/README.md",
    "acknowledgement": "reactor/ACKNOWLEDGEMENT.md",
    "failures": "reactor/FAILURES.md",
    "blocking-calls": "reactor/blocking/README.md",
    "asyncio": "reactor/aio/README.md",
    "security": "reactor/SECURITY.md",
    "tokens": "reactor/tokens/README.md",
    "in-production": "reactor/PRODUCTION.md",
    "lessons": "examples/README.md",
    "migration": "handlers/README.md",
    "broker": "handlers/broker/README.md",
    "telemetry": "reactor/telemetry/README.md",
    "testing": "reactor/simulation/README.md",
    "looking": "reactor/tracing/README.md",
    "explain": "reactor/explain/README.md",
    "architecture": "reactor/ARCHITECTURE.md",
    "development": "tests/README.md",
}

#: Columns of a terminal of unknown width, and of text that is easy to read; those of a table's column
#: in which words are not cut shorter.
USUAL_WIDTH, GREATEST_WIDTH = 100, 120
LEAST_COLUMN = 10

_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
_HEADING = re.compile(r"^(#{1,3}) (.+)$")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
_CELLS = re.compile(r"((?:`[^`]*`|\\\||[^|`])*)\|")


class Topic(NamedTuple):
    """A chapter or a part of it. level: 1 for the chapter itself. text: Markdown."""

    name: str
    title: str
    level: int
    text: str


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Show the topic that the arguments name, or the list of them; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(words):
        return _show("usage: python -m reactor.help [TOPIC]\n\nWithout a topic, the list of them.\n")
    if not words:
        return _show(contents())
    topics = {topic.name: topic for chapter in CHAPTERS for topic in read_topics(chapter)}
    text, names = " ".join(words), list(dict.fromkeys([*topics, *CHAPTERS]))
    found = find(text, names)
    if len(found) != 1:
        near = found or nearest(text, names) or mentioning(text, topics.values())
        hint = "; the nearest: %s" % ", ".join(near) if near else ""
        print("no topic %r%s. The list of all: python -m reactor.help" % (text, hint), file=sys.stderr)
        return 2
    if found[0] not in topics:
        print("%s is not installed; it stands in the source distribution" % CHAPTERS[found[0]], file=sys.stderr)
        return 1
    columns = min(shutil.get_terminal_size((USUAL_WIDTH, 24)).columns, GREATEST_WIDTH)
    return _show("\n".join(render(topics[found[0]].text, columns)) + "\n")


def contents() -> str:
    """The topics, by chapter."""
    lines = ["Topics, for: python -m reactor.help TOPIC", ""]
    for chapter, file in CHAPTERS.items():
        topics = list(read_topics(chapter))
        if not topics:
            lines.append("%-16s in the source distribution, %s" % (chapter, file))
        for topic in topics:
            if topic.level == 1:
                lines.append("%-16s %s" % (topic.name, plain(topic.title)))
            elif topic.level == 2:
                lines.append("    " + topic.name)
    return "\n".join(lines) + "\n"


# -- where the chapters are ------------------------------------------------------------------------------


def read_chapter(chapter: str) -> Optional[str]:
    """The Markdown of a chapter; None where it is not installed."""
    file = ROOT / CHAPTERS[chapter]
    # Beside an installed package, README.md, examples and tests may be those of another project.
    if CHAPTERS[chapter].startswith(("reactor/", "handlers/")) or _is_checkout():
        return file.read_text(encoding="utf-8") if file.is_file() else None
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None
    if chapter == "start":
        return (installed.read_text("METADATA") or "").partition("\n\n")[2]
    for path in installed.files or ():
        if path.as_posix().endswith("share/doc/%s/%s" % (DISTRIBUTION, CHAPTERS[chapter])):
            return Path(str(path.locate())).read_text(encoding="utf-8")
    return None


def _is_checkout() -> bool:
    project = ROOT / "pyproject.toml"
    return project.is_file() and 'name = "%s"' % DISTRIBUTION in project.read_text(encoding="utf-8")


def read_topics(chapter: str) -> Iterator[Topic]:
    """The chapter, and its parts of the second and third level."""
    text = read_chapter(chapter)
    if text is None:
        return
    lines = text.splitlines()
    quiet = _FENCED.sub(lambda block: "\n" * block.group().count("\n"), text).splitlines()
    heads = [(at, found) for at, found in enumerate(map(_HEADING.match, quiet)) if found is not None]
    for number, (at, found) in enumerate(heads):
        level, title = len(found.group(1)), found.group(2)
        end = next((later for later, other in heads[number + 1 :] if len(other.group(1)) <= level), len(lines))
        name = chapter if level == 1 else slug(title)
        yield Topic(name, title, level, "\n".join(lines[at:end]))


def slug(title: str) -> str:
    """A heading as a topic, which is its anchor in the page, too."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def find(text: str, names: Sequence[str]) -> list[str]:
    """The topic of that name, alone; else each with words that begin so: `tls` is enough for `tls-and-sasl`."""
    wanted = slug(text)
    parts = [part for part in wanted.split("-") if part]
    if wanted in names:
        return [wanted]
    begin = [name for name in names if all(any(word.startswith(part) for word in name.split("-")) for part in parts)]
    return begin if parts else []


def nearest(text: str, names: Sequence[str]) -> list[str]:
    """Up to three topics that are spelt nearly so, or have a word that is."""
    wanted = slug(text)
    words = sorted({word for name in names for word in name.split("-")})
    close = {word for part in wanted.split("-") for word in difflib.get_close_matches(part, words, 2, 0.75)}
    whole = difflib.get_close_matches(wanted, names, 3, 0.6)
    return whole or [name for name in names if close & set(name.split("-"))][:3]


def mentioning(text: str, topics: Iterable[Topic]) -> list[str]:
    """Up to three topics that have this word or phrase in their text, the one with the most of it first."""
    counts = {topic.name: topic.text.lower().count(text.lower()) for topic in topics if topic.level == 2}
    return sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])[:3]


# -- Markdown as plain text ------------------------------------------------------------------------------


def render(markdown: str, columns: int) -> Iterator[str]:
    """Lines of text, wrapped to so many columns; programs and outputs as they are, indented."""
    code = False
    table: list[str] = []
    paragraph: list[str] = []
    for line in [*markdown.splitlines(), ""]:
        if table and (code or not line.startswith("|")):
            yield from _table(table, columns)
            table.clear()
        if paragraph and (code or not line or line.startswith(("|", "#", "* ", "```", "<!--"))):
            yield from _wrap(" ".join(paragraph), columns)
            paragraph.clear()
        if line.startswith("```"):
            code = not code
        elif code:
            yield "    " + line if line else ""
        elif line.startswith("|"):
            table.append(line)
        elif line.startswith("#"):
            yield plain(line)
        elif not line:
            yield ""
        elif not line.startswith("<!--"):
            paragraph.append(line.strip())


def plain(text: str) -> str:
    """The text without the signs that only a browser needs."""
    text = _LINK.sub(lambda link: link.expand(r"\1 <\2>") if "://" in link.group(2) else link.group(1), text)
    return text.replace("**", "").replace("\\|", "|")


def _wrap(text: str, columns: int) -> list[str]:
    hang = "  " if text.startswith("* ") else ""
    return textwrap.wrap(plain(text), columns, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)


def _table(lines: Sequence[str], columns: int) -> Iterator[str]:
    """A table with its cells wrapped, so that it fits."""
    rows = [[plain(cell.strip()) for cell in _CELLS.findall(line[1:])] for line in lines]
    head, rows = rows[0], rows[2:]  # the line between them is drawn anew
    rows = [(row + [""] * len(head))[: len(head)] for row in rows]
    sizes = _sizes(list(zip(head, *rows)), columns - 2 * (len(head) - 1))
    if any(head):
        rows = [head, ["-" * size for size in sizes], *rows]
    for row in rows:
        cells = [textwrap.wrap(cell, size, break_on_hyphens=False) or [""] for cell, size in zip(row, sizes)]
        for at in range(max(map(len, cells))):
            line = [(cell[at] if at < len(cell) else "").ljust(size) for cell, size in zip(cells, sizes)]
            yield "  ".join(line).rstrip()


def _sizes(table: Sequence[Sequence[str]], room: int) -> list[int]:
    """How wide each column is: its longest word at least where there is room, and a share of the rest by need."""
    natural = [max(map(len, column)) for column in table]
    if sum(natural) <= room:
        return natural
    least = [max(len(word) for cell in column for word in cell.split() or [""]) for column in table]
    while sum(least) > room and max(least) > LEAST_COLUMN:  # the longest words are cut
        least[least.index(max(least))] -= 1
    spare = max(0, room - sum(least))
    wish = [size - smallest for size, smallest in zip(natural, least)]
    return [smallest + spare * more // sum(wish) for smallest, more in zip(least, wish)]


def _show(text: str) -> int:
    """To a terminal a page at a time, else all of it."""
    if sys.stdout.isatty():
        pydoc.pager(text)
        return 0
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the interpreter would complain of it when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
