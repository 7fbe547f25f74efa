"""Sequence: a timeline as the rows of a sequence diagram, from top to bottom, with equal things folded.

Drawings enter, and the text of terminals. A row is one frame, or a run of equal ones: "accepted #0-499". Where much
happens a Group stands for many rows: it has a summary, a row for each kind of thing in it, and can be unfolded, step
by step. So a recording of any size has a picture of a page or two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional, Union

from reactor.tracing.curves import Mark
from reactor.tracing.links import Link, Passage
from reactor.tracing.timeline import Timeline
from reactor.tracing.wires import Connection, Lane

#: Frames by which a connection comes up: one row, until it is unfolded.
_SETUP = frozenset(
    "header open begin sasl-mechanisms sasl-init sasl-challenge sasl-response sasl-outcome".split()
)

#: Words of frames that come again and again. All others begin a new part of the picture.
_ROUTINE = frozenset("transfer part accepted released rejected modified received settled credit window state".split())

#: Marks that do.
_REPEATED = frozenset(("window full", "retry", "held"))

#: Several of them that differ.
_TOGETHER = {"retry": "waits to reconnect", "held": "held the loop"}

#: Words whose rows have the numbers of deliveries.
_NUMBERED = frozenset("transfer part aborted accepted released rejected modified received settled disposition".split())

#: From so many equal rows on, one behind the other, they are one.
_RUN = 4

#: Rows of one part of the picture at most; more become a Group.
_PLAIN = 24

#: Parts into which a Group unfolds at most, and rows of its summary.
_PARTS = 16
_KINDS = 12

#: Ranges of numbers that are shown at most: "#0-99, 120-499".
_RANGES = 3


_Ranges = list[tuple[int, int]]


class Row:
    """One line of the diagram: a frame, several equal ones, or a mark.

    at, until: seconds of the first and of the last. source, target: lanes; of a mark the same one, or None for all.
    word: as of a Passage; "mark" for marks. title, detail: for people. tone: "", "good", "warn" or "bad".
    count: how many frames. both: whether frames go both ways. lost: written and never read. link: or None.
    ranges: first and last delivery-ids. index: of the record of the first frame, or -1. last_index: of the last one.
    """

    __slots__ = (
        "at", "both", "connection", "count", "detail", "index", "last_index", "link", "lost", "mark", "ranges",
        "source", "target", "title_text", "until", "word",
    )  # fmt: skip

    def __init__(self, at: float, source: Optional[Lane], target: Optional[Lane], word: str) -> None:
        self.at = self.until = at
        self.source = source
        self.target = target
        self.word = word
        self.title_text = ""
        self.detail = ""
        self.count = 1
        self.both = False
        self.lost = False
        self.link: Optional[Link] = None
        self.connection: Optional[Connection] = None
        self.mark: Optional[Mark] = None
        self.ranges: Optional[_Ranges] = []
        self.index = self.last_index = -1

    @property
    def key(self) -> tuple[object, ...]:
        """Rows of one key can be folded."""
        link = -1 if self.link is None else self.link.number
        if self.mark is not None:
            text = "" if self.mark.kind in _REPEATED else self.mark.text
            return ("mark", self.mark.kind, self.mark.lane, text)
        return (self.source, self.target, link, self.word, self.lost)

    @property
    def title(self) -> str:
        """The word with its numbers: "#0-499", "accepted #7", "credit 10"."""
        times = " x%d" % self.count if self.count > 1 else ""
        if self.title_text:
            return self.title_text + times * (self.mark is not None)
        if self.word == "attach":
            return "attach (%s)%s" % (self.detail, times) if self.detail else "attach" + times
        if self.word not in _NUMBERED:
            return self.word + (" " + self.detail if self.detail and self.is_short else "") + times
        numbers = self.numbers
        if self.word == "transfer":
            return numbers or "%d messages" % self.count
        if self.word == "part":
            return (numbers or "messages") + " in parts" + times
        return "%s %s" % (self.word, numbers) if numbers else self.word + times

    @property
    def is_short(self) -> bool:
        """Whether the detail is a number that belongs to the word."""
        return self.word in ("credit", "window", "drain", "state", "drained")

    @property
    def more(self) -> str:
        """The text behind the title, where there is room for it."""
        return "" if self.is_short or self.word == "attach" else self.detail

    @property
    def numbers(self) -> str:
        """The delivery-ids: "#0-499"; "" where they are too many ranges."""
        if not self.ranges:
            return ""
        spans = ("%d" % first if first == last else "%d-%d" % (first, last) for first, last in self.ranges)
        return "#" + ", ".join(spans)

    @property
    def tone(self) -> str:
        """How it is to be looked at."""
        if self.lost or self.word in ("rejected", "aborted", "unreadable"):
            return "bad"
        if self.mark is not None:
            if self.mark.kind in ("lost", "crashed"):
                return "bad"
            return "" if self.mark.kind in ("note", "began", "restarted") else "warn"
        if self.word in ("released", "modified") or (self.detail and self.word in ("close", "end", "detach")):
            return "warn"
        if self.word == "attach" and self.detail == "refused":
            return "bad"
        return "good" if self.word == "accepted" else ""

    def follows(self, other: Row) -> bool:
        """Whether this row goes on where the other one ends."""
        if self.key != other.key:
            return False
        if self.word not in _NUMBERED:
            return self.detail == other.detail
        return _first(self.ranges) >= 0 and _first(self.ranges) == _last(other.ranges) + 1

    def absorb(self, other: Row) -> None:
        """Take in a later row of the same key."""
        self.until = max(self.until, other.until)
        self.count += other.count
        self.last_index = other.last_index
        self.ranges = _joined(self.ranges, other.ranges)
        if self.mark is not None and self.title_text != other.title_text:
            self.title_text = _TOGETHER.get(self.mark.kind, self.mark.kind)
        if self.detail != other.detail:
            if self.is_short and self.detail and other.detail:
                self.detail = _span(self.detail, other.detail)
            elif self.word == "transfer" and other.detail:
                self.detail = "%s ... %s" % (self.detail.partition(" ... ")[0], other.detail.rpartition(" ... ")[2])
            else:
                self.detail = ""

    def copy(self) -> Row:
        """Another one, to absorb others."""
        other = Row(self.at, self.source, self.target, self.word)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other.ranges = None if self.ranges is None else list(self.ranges)
        return other


def _first(ranges: Optional[_Ranges]) -> int:
    return ranges[0][0] if ranges else -1


def _last(ranges: Optional[_Ranges]) -> int:
    return ranges[-1][1] if ranges else -1


def _joined(one: Optional[_Ranges], other: Optional[_Ranges]) -> Optional[_Ranges]:
    """The ranges of both; None where they are too many to be shown."""
    if one is None or other is None:
        return None
    ranges = list(one)
    for first, last in other:
        if ranges and ranges[-1][1] + 1 == first:
            ranges[-1] = (ranges[-1][0], last)
        elif not (ranges and ranges[-1] == (first, last)):
            ranges.append((first, last))
    return ranges if len(ranges) <= _RANGES else None


def _span(one: str, other: str) -> str:
    """Numbers, and ranges of them, as one range."""
    parts = one.split("-") + other.split("-")
    if not all(part.isdigit() for part in parts):
        return other
    numbers = [int(part) for part in parts]
    return "%d-%d" % (min(numbers), max(numbers))


class Group:
    """Many rows, folded. rows: all of them. summary: a row for each kind of thing in it. title: for people."""

    __slots__ = ("rows", "summary", "title")

    def __init__(self, rows: Sequence[Row], title: str = "", summary: Optional[list[Row]] = None) -> None:
        self.rows = rows
        self.title = title or f"{len(rows):,} steps"
        self.summary = summarized(rows) if summary is None else summary

    @property
    def at(self) -> float:
        """Seconds of its first row."""
        return self.rows[0].at

    @property
    def until(self) -> float:
        """Seconds of its last row."""
        return max(row.until for row in self.rows)

    def children(self) -> list[Node]:
        """Its next level: rows, or smaller groups."""
        return _parted(self.rows)


Node = Union[Row, Group]


def sequence(timeline: Timeline, everything: bool = False) -> list[Node]:
    """The diagram of a timeline, folded.

    everything: each frame is a row of its own, heartbeats and the coming up of connections, too.
    """
    rows = _rows(timeline, everything)
    if everything:
        return list(rows)
    nodes, rest = _connects(rows)
    return _folded(_merged(nodes, rest))


def _rows(timeline: Timeline, everything: bool) -> list[Row]:
    """A row for each frame and mark, in order of time."""
    rows = [_of_passage(each) for each in timeline.passages if everything or each.name != "empty"]
    rows += [_of_mark(mark, timeline.lanes) for mark in timeline.marks if mark.kind not in ("drain", "began")]
    rows.sort(key=lambda row: row.at)  # stable: marks come behind the frames of their moment
    return rows


def _of_passage(passage: Passage) -> Row:
    row = Row(passage.at, passage.source, passage.target, passage.word)
    row.detail = passage.detail or (passage.problem if passage.problem else "")
    row.link = passage.link
    row.connection = passage.connection
    row.lost = passage.lost
    row.index = row.last_index = passage.index
    if passage.first >= 0:
        row.ranges = [(passage.first, passage.last)]
    if passage.name == "empty":
        row.word = "heartbeat"
    return row


def _of_mark(mark: Mark, lanes: Sequence[Lane]) -> Row:
    lane = next((lane for lane in lanes if lane.name == mark.lane), None)
    row = Row(mark.at, lane, lane, "mark")
    row.title_text = mark.text
    row.mark = mark
    return row


def _connects(rows: list[Row]) -> tuple[list[Group], list[Row]]:
    """The frames by which each connection comes up, as a Group each; and all other rows."""
    of: dict[Connection, list[Row]] = {}
    rest: list[Row] = []
    begun: dict[Connection, int] = {}
    for row in rows:
        connection = row.connection
        if connection is None or row.word not in _SETUP or row.lost or begun.get(connection, 0) >= 2:
            rest.append(row)
            continue
        of.setdefault(connection, []).append(row)
        if row.word == "begin":
            begun[connection] = begun.get(connection, 0) + 1
    return [_connect(found) for found in of.values()], rest


def _connect(rows: list[Row]) -> Group:
    summary = rows[0].copy()
    summary.word = "connect"
    words = [row.word for row in rows]
    mechanism = next((row.detail for row in rows if row.word == "sasl-init"), "")
    failed = next((row.detail for row in rows if row.word == "sasl-outcome" and row.detail != "ok"), "")
    reached = ", ".join(word for word in ("open", "begin") if word in words) or "protocol header"
    summary.title_text = "connect: " + failed if failed else "connect (%s)" % mechanism if mechanism else "connect"
    summary.detail = "" if failed else reached
    summary.both = len({row.source for row in rows}) > 1
    summary.count = len(rows)
    summary.until = rows[-1].until
    summary.last_index = rows[-1].last_index
    return Group(rows, "the connection comes up", [summary])


def _merged(groups: Iterable[Group], rows: Iterable[Row]) -> list[Node]:
    nodes: list[Node] = [*groups, *rows]
    nodes.sort(key=lambda node: node.at)  # stable: a connection comes up before its frames
    return nodes


def _folded(nodes: list[Node]) -> list[Node]:
    """The parts of the picture: routine is folded between two things that are not."""
    found: list[Node] = []
    routine: list[Row] = []
    for node in nodes:
        if isinstance(node, Row) and (node.word in _ROUTINE or (node.mark and node.mark.kind in _REPEATED)):
            routine.append(node)
            continue
        found += _routine(routine)
        routine = []
        found.append(node)
    found += _routine(routine)
    if len(found) > 5 * _PLAIN:
        return _parted([row for node in found for row in (node.rows if isinstance(node, Group) else (node,))])
    return found


def _routine(rows: list[Row]) -> list[Node]:
    runs = folded_runs(rows)
    return list(runs) if len(runs) <= _PLAIN else [Group(runs)]


def folded_runs(rows: Sequence[Row]) -> list[Row]:
    """The same rows; from so many equal ones on, one behind the other, they are one."""
    found: list[Row] = []
    start = 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and rows[stop].follows(rows[stop - 1]):
            stop += 1
        if stop - start >= _RUN:
            one = rows[start].copy()
            for row in rows[start + 1 : stop]:
                one.absorb(row)
            found.append(one)
        else:
            found += rows[start:stop]
        start = stop
    return found


def _parted(rows: Sequence[Row]) -> list[Node]:
    """Rows, or about sixteen groups of them where they are many."""
    if len(rows) <= 2 * _PLAIN:
        return list(rows)
    size = max(_PLAIN, -(-len(rows) // _PARTS))
    return [Group(rows[start : start + size]) for start in range(0, len(rows), size)]


def summarized(rows: Iterable[Row]) -> list[Row]:
    """A row for each kind of thing, in the order of their beginning."""
    kinds: dict[tuple[object, ...], Row] = {}
    for row in rows:
        known = kinds.get(row.key)
        if known is None:
            kinds[row.key] = row.copy()
        else:
            known.absorb(row)
    found = list(kinds.values())
    if len(found) <= _KINDS:
        return found
    # Those that stand out first, then the most frequent ones; the rest as one.
    chosen = sorted(found, key=lambda row: (row.tone not in ("bad", "warn"), -row.count))[: _KINDS - 1]
    places = {id(row) for row in chosen}
    kept = [row for row in found if id(row) in places]
    others = [row for row in found if id(row) not in places]
    rest = Row(others[0].at, None, None, "more")
    rest.count = sum(row.count for row in others)
    rest.until = max(row.until for row in others)
    rest.title_text = "%d frames of %d other kinds" % (rest.count, len(others))
    return [*kept, rest]
