"""Columns: a sequence diagram as lines of text, for terminals, logs and README files.

A lane is a column; where they are too many for the width, a row names its lanes instead. The same recording gives the
same text with every version of Python.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Optional

from reactor.tracing.contents import clip
from reactor.tracing.sequence import Group, Node, Row, sequence
from reactor.tracing.timeline import Timeline
from reactor.tracing.wires import Lane

#: Columns of the time, and of the bracket around a group.
_LEFT = 11

#: From one lane to the next, at least; with less room a row names its lanes.
_GAP = 14

#: Box drawing, and its likeness where only ASCII can be shown.
_ASCII = str.maketrans("│─┌├└┄", "|-,|`.")


def draw(timeline: Timeline, width: int = 80, ascii_only: bool = False, everything: bool = False) -> str:
    """The diagram of a timeline, its lines ended by newlines.

    width: columns, 40 at least. ascii_only: without box drawing and letters beyond ASCII. everything: each frame
    is a row of its own.
    """
    if width < 40:
        raise ValueError("a sequence diagram needs 40 columns, not %d" % width)
    nodes = sequence(timeline, everything)
    lines = list(_Drawing(timeline, width, nodes).lines(nodes))
    lines += ["! " + each for sentence in timeline.missing for each in _wrapped("not seen: " + sentence, width - 2)]
    text = "".join(line.rstrip() + "\n" for line in lines)
    if ascii_only:
        text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
    return text


class _Drawing:
    def __init__(self, timeline: Timeline, width: int, nodes: Sequence[Node]) -> None:
        self._width = width
        self._title = timeline.title
        self._lanes = list(timeline.lanes)
        self._last: Optional[str] = None
        used = _used(nodes)
        self._lanes = [lane for lane in self._lanes if lane in used]
        count = len(self._lanes)
        gap = 0 if count < 2 else (width - _LEFT - 13) // (count - 1)
        self._named = count > 1 and gap < _GAP
        self._gap = gap
        self._at = {lane: _LEFT + 5 + place * gap for place, lane in enumerate(self._lanes)}

    def lines(self, nodes: Sequence[Node]) -> Iterator[str]:
        if self._title:
            yield clip(self._title, self._width)
        if not self._lanes:
            yield "nothing was recorded"
            return
        if not self._named:
            yield self._heads()
        for node in nodes:
            if isinstance(node, Row):
                yield self._line(node, " ")
                continue
            rows = node.summary
            for place, row in enumerate(rows):
                one = len(rows) == 1
                yield self._line(row, " " if one else "┌" if not place else "└" if place == len(rows) - 1 else "│")

    def _heads(self) -> str:
        cells = _Cells(self._width)
        room = max(8, self._gap - 2) if len(self._lanes) > 1 else self._width - _LEFT
        for lane in self._lanes:
            name = clip(lane.name, room)
            start = self._at[lane] - _columns(name) // 2
            cells.put(max(0, min(start, self._width - _columns(name))), name)
        return str(cells)

    def _line(self, row: Row, bracket: str) -> str:
        time = ("%.3f" if row.at < 1000 else "%.1f") % row.at
        shown = time if time != self._last else ""
        self._last = time
        head = "%8s %s" % (shown, bracket)
        if self._named:
            return _fitted(head + " " + _in_words(row), self._width)
        cells = _Cells(self._width)
        cells.put(0, head)
        for lane in self._lanes:
            cells.put(self._at[lane], "│")
        if row.source is None or row.target is None:
            cells.put(_LEFT, _fitted("** " + row.title, self._width - _LEFT))
        elif row.source is row.target:
            self._mark(cells, row)
        else:
            self._arrow(cells, row)
        return str(cells)

    def _mark(self, cells: _Cells, row: Row) -> None:
        assert row.source is not None
        at = self._at[row.source]
        text = "** " + row.title
        size = _columns(text)
        start = at if at + size <= self._width else max(_LEFT, self._width - size)
        cells.put(start, _fitted(text, self._width - start))

    def _arrow(self, cells: _Cells, row: Row) -> None:
        assert row.source is not None and row.target is not None
        one, other = sorted((self._at[row.source], self._at[row.target]))
        forth = self._at[row.source] < self._at[row.target]
        line = ["─"] * (other - one - 1)
        if row.lost:
            # It ends in the middle of nowhere.
            gone = 3
            line[-gone if forth else 0 : None if forth else gone] = ["x", " ", " "] if forth else [" ", " ", "x"]
        else:
            if forth or row.both:
                line[-1] = ">"
            if not forth or row.both:
                line[0] = "<"
        cells.put(one + 1, "".join(line))
        room = other - one - 7
        text = row.title
        if row.more and _columns(text) + 1 + _columns(row.more) <= room:
            text += " " + row.more
        elif row.more and row.count == 1 and room - _columns(text) > 7:
            text = _fitted(text + " " + row.more, room)
        text = _fitted(text, room)
        cells.put(one + 1 + (other - one - 1 - _columns(text) - 2) // 2, " " + text + " ")


def _used(nodes: Sequence[Node]) -> set[Lane]:
    found: set[Optional[Lane]] = set()
    for node in nodes:
        for row in node.rows if isinstance(node, Group) else (node,):
            found |= {row.source, row.target}
    found.discard(None)
    return {lane for lane in found if lane is not None}


def _in_words(row: Row) -> str:
    """A row with its lanes by name."""
    more = " " + row.more if row.more else ""
    if row.source is None or row.target is None:
        return "** " + row.title
    if row.source is row.target:
        return "%s ** %s" % (row.source.name, row.title)
    arrow = "<->" if row.both else "-x " if row.lost else "->"
    return "%s %s %s: %s%s" % (row.source.name, arrow, row.target.name, row.title, more)


class _Cells:
    """One line, into which texts are put at columns. A wide character takes two."""

    def __init__(self, width: int) -> None:
        self._cells = [" "] * width

    def put(self, at: int, text: str) -> None:
        for sign in text:
            size = _wide(sign)
            if size == 0:
                if at > 0:
                    self._cells[at - 1] += sign
                continue
            if at + size > len(self._cells):
                return
            self._cells[at : at + size] = [sign, ""][:size]
            at += size

    def __str__(self) -> str:
        return "".join(self._cells)


def _wide(sign: str) -> int:
    if sign < "\u0300":
        return 1
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _columns(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_wide, text))


def _fitted(text: str, room: int) -> str:
    """At most so many columns."""
    if _columns(text) <= room:
        return text
    if room < 4:
        return "." * max(0, room)
    while _columns(text) > room - 3:
        text = text[:-1]
    return text + "..."


def _wrapped(text: str, room: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        word = _fitted(word, room)
        if line and _columns(line) + 1 + _columns(word) > room:
            lines.append(line)
            line = "  " + word if room > 10 else word
        else:
            line = line + " " + word if line else word
    return [*lines, line]
