"""The documents as the tests read them: chapters, their blocks, headings and links.

A comment above a block, which no reader of the page sees, says what the block is; tests/test_readme.py lists the kinds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import CHECKOUT

FENCE = re.compile(r"^(?:<!-- ([^\n]*?) -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block: its language, its text, and the comment above it."""

    language: str
    text: str
    mark: str


def slug(title: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def split_row(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def in_code(cell: str) -> list[str]:
    """What a cell has between backticks."""
    return re.findall(r"`([^`]+)`", cell)


class Chapter:
    """One document. path: from the checkout, with slashes."""

    def __init__(self, path: Path) -> None:
        self.file = path
        self.path = path.relative_to(CHECKOUT).as_posix()
        self.text = path.read_text(encoding="utf-8")
        #: Without the fenced blocks, in which a # is no heading and brackets are no link.
        self.prose = FENCE.sub("", self.text)
        self.blocks = [Block(language, text, mark or "") for mark, language, text in FENCE.findall(self.text)]
        self.headings = re.findall(r"^#+ (.+)$", self.prose, re.M)
        self.anchors = [slug(title) for title in self.headings]
        self.links = sorted(set(LINK.findall(self.prose)))

    def marked(self, kind: str) -> dict[str, str]:
        """The blocks marked `kind: NAME`, by name."""
        begin = f"{kind}: "
        return {block.mark[len(begin) :]: block.text for block in self.blocks if block.mark.startswith(begin)}

    def section(self, title: str) -> str:
        """The text below a heading, up to the next one of its level."""
        found = re.search(rf"^(#+) {re.escape(title)}$\n(.*?)(?=^\1 |\Z)", self.text, re.M | re.S)
        assert found is not None, f"{self.path}: no section {title!r}"
        return found.group(2)

    def table(self, name: str) -> list[list[str]]:
        """The cells of the table marked `table: NAME`, without its head, and without rows that only divide it."""
        found = re.search(rf"^<!-- table: {name} -->\n((?:\|.*\n)+)", self.text, re.M)
        assert found is not None, f"{self.path}: no table {name!r}"
        rows = [split_row(line) for line in found.group(1).splitlines()[2:]]
        return [row for row in rows if not row[0].startswith("**")]

    def __repr__(self) -> str:
        return self.path


def read_chapters() -> dict[str, Chapter]:
    """All of them, by path. The README comes first."""
    places = [path for top in ("reactor", "handlers", "examples", "tests") for path in (CHECKOUT / top).rglob("*.md")]
    chapters = [Chapter(path) for path in [CHECKOUT / "README.md", *sorted(places), CHECKOUT / "CHANGELOG.md"]]
    return {chapter.path: chapter for chapter in chapters}


CHAPTERS = read_chapters()
