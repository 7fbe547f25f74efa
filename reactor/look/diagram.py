"""Diagram: the rows of a sequence diagram as SVG, with a lane for each program and a track for each link in it.

Pages and notebooks enter. The picture has its style and colours in it, for light and for dark, and nothing from
elsewhere; all texts of peers are escaped. The same recording gives the same bytes with every version of Python.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

from reactor.tracing.links import Link
from reactor.tracing.sequence import Group, Node, Row, sequence
from reactor.tracing.timeline import Timeline
from reactor.tracing.wires import Lane

#: Pixels: the height of a row, the place of its line and of its text, the column of times, from track to track.
ROW, LINE, TEXT, TIMES, TRACK = 26, 20, 14, 74, 22

#: Pixels of the head, and of a line of the legend.
HEAD, LEGEND = 62, 20

#: Links of one program that have a track of their own; with more they share one.
_TRACKS = 6

#: Colours of links, again from the first one after the last.
COLOURS = 8

_OUTCOMES = frozenset("accepted released rejected modified received settled disposition".split())
_FLOWS = frozenset("credit drain drained state window".split())
_QUIET = frozenset("connect header open begin end close heartbeat window state more".split())

#: Names of colours, in the light, in the dark and on paper. Those of links differ for the colour-blind, too, and every
#: one stands beside a number.
LIGHT = (
    "--ink:#1d2430;--soft:#5d6878;--rule:#d5dae2;--paper:#fff;--box:#eef1f6;--mark:#0b5fc0;--good:#1c7443;"
    "--warn:#8f5200;--bad:#b3261e;--c0:#2f6db5;--c1:#a6541a;--c2:#2f7a4a;--c3:#7a4fa3;--c4:#7d6608;--c5:#a83a68;"
    "--c6:#20777e;--c7:#596577"
)
DARK = (
    "--ink:#e7eaef;--soft:#9da8b6;--rule:#3a424d;--paper:#171b20;--box:#252c35;--mark:#79b8ff;--good:#62cf92;"
    "--warn:#efb562;--bad:#ff8d83;--c0:#7db4f0;--c1:#e9a064;--c2:#72c795;--c3:#bf98e6;--c4:#d6bd55;--c5:#ee8fb4;"
    "--c6:#66c5cc;--c7:#a5b1c2"
)
_SHAPES = """
.aq text{fill:var(--ink)}.aq .t,.aq .q .w,.aq .s{fill:var(--soft)}.aq .t,.aq .n{font-variant-numeric:tabular-nums}
.aq .t{font-size:11px}.aq .name{font-weight:600;font-size:13.5px}
.aq .box{fill:var(--box);stroke:var(--rule)}.aq .box.u{stroke-dasharray:4 3}
.aq .life{stroke:var(--rule);stroke-width:1.5}.aq .l{fill:none;stroke-width:1.6}
.aq .o .l{stroke-dasharray:6 4}.aq .f .l{stroke-dasharray:2 3}
.aq .w{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}.aq .w.p{stroke:none}
.aq .good .w{fill:var(--good)}.aq .warn .w{fill:var(--warn)}.aq .bad .w{fill:var(--bad)}
.aq .bad .l{stroke:var(--bad)}.aq .bad .h{fill:var(--bad)}
.aq .pill{fill:var(--paper);stroke:var(--soft)}.aq .warn .pill{stroke:var(--warn)}.aq .bad .pill{stroke:var(--bad)}
.aq .brace{fill:none;stroke:var(--soft)}.aq .dot text{fill:var(--paper);font-size:10.5px;font-weight:700}
.aq .hit{fill:transparent}.aq .fold .bar{fill:var(--box)}.aq .fold .w{stroke:none;font-weight:600;fill:var(--soft)}
.aq .kq .l{stroke:var(--soft)}.aq .kq .h{fill:var(--soft)}
"""


def colours(selector: str) -> str:
    """The style rules that name the colours, for elements of a selector: by the reader's system, and for paper."""
    dark = "@media (prefers-color-scheme:dark){%s{%s}}" % (selector, DARK)
    return "%s{%s}\n%s\n@media print{%s{%s}}\n" % (selector, LIGHT, dark, selector, LIGHT)


def style() -> str:
    """The style of a diagram, without its colours."""
    font = 'font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif'
    links = "".join(
        ".aq .k%d .l{stroke:var(--c%d)}.aq .k%d .h,.aq .k%d circle{fill:var(--c%d)}\n" % (each, each, each, each, each)
        for each in range(COLOURS)
    )
    return ".aq{%s;background:var(--paper)}" % font + links + _SHAPES


class Item(NamedTuple):
    """One line of the picture: a row, or the head of a group that can be unfolded: its title, or its only row.

    parent: the number of the group that it is in, or -1. summary: whether it is shown while that group is folded, and
    not while it is unfolded. level: how deep it is. group: its number, or -1 for a row. whole: whether all of the group
    can be unfolded.
    """

    row: Optional[Row]
    parent: int
    summary: bool
    level: int
    group: int = -1
    title: str = ""
    at: float = 0.0
    until: float = 0.0
    whole: bool = True


def picture(timeline: Timeline, everything: bool = False) -> str:
    """The diagram of a timeline as a document of SVG. everything: each frame is a row of its own."""
    nodes = sequence(timeline, everything)
    return Diagram(timeline, nodes).svg(folded(nodes))


def folded(nodes: Sequence[Node]) -> list[Item]:
    """The lines of a picture in which nothing can be unfolded."""
    items: list[Item] = []
    for number, node in enumerate(nodes):
        rows = [node] if isinstance(node, Row) else node.summary
        parent = number if isinstance(node, Group) and len(rows) > 1 else -1
        items += [Item(row, parent, True, 0) for row in rows]
    return items


def unfoldable(nodes: Sequence[Node], most: int) -> list[Item]:
    """The lines of a picture with groups that unfold, as deep as so many lines allow: the upper levels come first."""
    children: dict[int, list[Node]] = {}
    level: list[Group] = [node for node in nodes if isinstance(node, Group)]
    left = most - len(nodes)
    while level:
        below: list[Group] = []
        for group in level:
            found = group.children()
            size = len(found) + sum(len(node.summary) for node in found if isinstance(node, Group))
            if size > left:
                continue
            left -= size
            children[id(group)] = found
            below += [node for node in found if isinstance(node, Group)]
        level = below
    items: list[Item] = []
    _unfold(items, nodes, children, -1, 0)
    return items


def _unfold(items: list[Item], nodes: Sequence[Node], children: dict[int, list[Node]], parent: int, level: int) -> None:
    for node in nodes:
        if isinstance(node, Row):
            items.append(Item(node, parent, False, level))
            continue
        number = len(items)
        below = children.get(id(node))
        one = len(node.summary) == 1
        row = node.summary[0] if one else None
        items.append(Item(row, parent, False, level, number, node.title, node.at, node.until, below is not None))
        if not one:
            items += [Item(row, number, True, level + 1) for row in node.summary]
        if below is not None:
            _unfold(items, below, children, number, level + 1)


class Diagram:
    """The places of lanes and tracks, and the drawing of lines."""

    def __init__(self, timeline: Timeline, nodes: Sequence[Node]) -> None:
        used = {lane for node in nodes for row in (node.rows if isinstance(node, Group) else [node])
                for lane in (row.source, row.target)}  # fmt: skip
        self.title = timeline.title
        self.lanes = [lane for lane in timeline.lanes if lane in used]
        shown = {row.link.number for node in nodes for row in (node.rows if isinstance(node, Group) else [node])
                 if row.link is not None}  # fmt: skip
        self.links = [link for link in timeline.links if link.number in shown]
        self.links.sort(key=lambda link: (link.sender.index, link.receiver.index, link.number))
        self.numbers = {link.number: place + 1 for place, link in enumerate(self.links)}
        self._tracks: dict[tuple[Lane, int], float] = {}
        self._edges: dict[Lane, tuple[float, float]] = {}
        self._boxes: dict[Lane, tuple[float, float]] = {}
        self.width = self._place()

    def _place(self) -> int:
        count = len(self.lanes)
        gap = 236 if count <= 4 else 190 if count <= 7 else 130
        right = float(TIMES)
        for lane in self.lanes:
            own = [link for link in self.links if lane in (link.sender, link.receiver)]
            own.sort(key=lambda link: (self._other(link, lane).index > lane.index, self.numbers[link.number]))
            shared = len(own) > _TRACKS or len(own) < 2
            span = 0 if shared else TRACK * (len(own) - 1)
            box = max(96.0, span + 36.0, 8.0 * len(lane.name) + 26)
            left = right
            if self._boxes:
                left = max(right + 24, self._edges[self._before(lane)][1] + gap - (box - span) / 2)
            first = left + (box - span) / 2
            self._boxes[lane] = (left, box)
            self._edges[lane] = (first, first + span)
            for place, link in enumerate(own):
                self._tracks[lane, link.number] = first + (0 if shared else TRACK * place)
            right = left + box
        return int(max(right + 24, 420))

    def _before(self, lane: Lane) -> Lane:
        return self.lanes[self.lanes.index(lane) - 1]

    @staticmethod
    def _other(link: Link, lane: Lane) -> Lane:
        return link.receiver if link.sender is lane else link.sender

    def svg(self, items: Sequence[Item]) -> str:
        """A document of its own, in which nothing moves."""
        top = HEAD + (26 if self.title else 0)
        bottom = top + ROW * len(items)
        height = bottom + 14 + (LEGEND * (len(self.links) + 1) if self.links else 0)
        about = self.title or "Sequence diagram"
        parts = [
            '<svg xmlns="http://www.w3.org/2000/svg" class="aq" role="img" viewBox="0 0 %d %d" width="%d" height="%d" '
            'style="max-width:100%%;height:auto"><title>%s</title><style>%s</style>'
            % (self.width, height, self.width, height, _escape(about), colours(".aq") + style()),
            '<rect width="100%" height="100%" style="fill:var(--paper)"/>',
        ]
        if self.title:
            parts.append('<text class="name" x="12" y="20">%s</text>' % _escape(self.title))
        inner = self.lives(bottom - top + HEAD + 6) + self.heads()
        parts.append('<g transform="translate(0,%d)">%s</g>' % (top - HEAD, inner))
        last = ""
        for place, item in enumerate(items):
            time = _time(item.row.at) if item.row is not None else ""
            parts.append(self.line(item, top + ROW * place, time if time != last else ""))
            last = time
        parts += self._braces(items, top)
        parts += self._legend(bottom + 22)
        if not items:
            parts.append('<text class="s" x="12" y="%d">nothing was recorded</text>' % (top + 14))
        return "".join(parts) + "</svg>"

    def page(self, items: Sequence[Item]) -> str:
        """An element for a page, where a script unfolds its groups: every line knows its group."""
        height = HEAD + ROW * sum(item.parent < 0 or item.summary for item in items) + 10
        parts = [
            '<svg class="aq" viewBox="0 0 %d %d" width="%d" height="%d" role="group" aria-label="Sequence diagram" '
            'data-row="%d" data-head="%d" data-tail="10">' % (self.width, height, self.width, height, ROW, HEAD),
            self.lives(height - 4),
        ]
        last, y = "", HEAD
        for item in items:
            shown = item.parent < 0 or (item.summary and items[item.parent].parent < 0)
            at = item.at if item.row is None else item.row.at
            time = _time(at)
            parts.append(self._unfolding(item, y, time if time != last or item.group >= 0 else "", shown))
            last = time
            y += ROW if shown else 0
        if not items:
            parts.append('<text class="s" x="12" y="%d">nothing was recorded</text>' % (HEAD + 14))
        ground = '<rect class="ground" width="%d" height="%d"/>' % (self.width, HEAD)
        parts.append('<g class="heads">%s%s</g>' % (ground, self.heads()))
        return "".join(parts) + "</svg>"

    def _unfolding(self, item: Item, y: int, time: str, shown: bool) -> str:
        row = item.row
        more = ' tabindex="-1" role="button"'
        if item.parent >= 0:
            more += ' data-p="%d"' % item.parent + (' data-s="1"' if item.summary else "")
        if item.group >= 0:
            more += ' data-g="%d"' % item.group + ("" if item.whole else ' data-c="1"')
        if row is not None and row.index >= 0:
            more += ' data-i="%d"' % row.index
            more += ' data-j="%d"' % row.last_index if row.last_index != row.index else ""
        if row is not None and row.link is not None:
            more += ' data-l="%d"' % self.numbers[row.link.number]
        if not shown:
            more += ' style="display:none"'
        inner = "".join(
            '<path class="level" d="M%d 0v%d"/>' % (TIMES - 8 + 4 * level, ROW) for level in range(min(item.level, 5)))
        if item.group >= 0:
            inner += '<text class="tri" x="%d" y="%d">\u25b8</text>' % (TIMES - 4 + 4 * min(item.level, 5), TEXT + 2)
        if row is not None:
            return self.line(item, y, time, more, inner)
        title = "%s, %s to %s s" % (item.title, _time(item.at), _time(item.until))
        if not item.whole:
            title += " (no room)"
        hit = '<title>%s</title><rect class="hit bar" width="%d" height="%d"/>' % (_escape(title), self.width, ROW)
        when = _when(time)
        place = (TIMES + 12 + 4 * min(item.level, 5), TEXT + 3, _escape(title))
        text = '<text class="w" x="%d" y="%d">%s</text>' % place
        return '<g class="r fold" transform="translate(0,%d)"%s>%s%s%s%s</g>' % (y, more, hit, when, inner, text)

    def lives(self, bottom: int) -> str:
        """The lines below the names of lanes, one for each track. bottom: where they end."""
        tracks = {x for lane in self.lanes for x in self._edges[lane]} | set(self._tracks.values())
        return "".join('<path class="life" d="M%s 34V%d"/>' % (_number(x), bottom) for x in sorted(tracks))

    def heads(self) -> str:
        """The names of lanes, and the numbers of links."""
        parts = []
        for lane in self.lanes:
            left, box = self._boxes[lane]
            kind = "box" if lane.recorded else "box u"
            place = (kind, _number(left), _number(box))
            parts.append('<rect class="%s" x="%s" y="6" width="%s" height="28" rx="7"/>' % place)
            about = "" if lane.recorded else "<title>a peer that was not recorded itself</title>"
            parts.append(_text("name", left + box / 2, 25, lane.name, about))
            own: dict[float, list[Link]] = {}
            for link in self.links:
                if (lane, link.number) in self._tracks:
                    own.setdefault(self._tracks[lane, link.number], []).append(link)
            for x, links in own.items():
                if len(links) == 1:
                    parts.append(self._dot(links[0], x, 48))
        return "".join(parts)

    def _dot(self, link: Link, x: float, y: float) -> str:
        number = self.numbers[link.number]
        circle = '<circle cx="%s" cy="%s" r="8.5"/>' % (_number(x), _number(y))
        return '<g class="dot k%d">%s%s</g>' % ((number - 1) % COLOURS, circle, _text("n", x, y + 3.8, str(number)))

    def _legend(self, y: int) -> Iterator[str]:
        for place, link in enumerate(self.links):
            at = y + LEGEND * place
            yield self._dot(link, 24, at)
            yield '<text x="40" y="%d">%s</text>' % (at + 4, _escape(link_in_words(link)))

    def _braces(self, items: Sequence[Item], top: int) -> Iterator[str]:
        """A brace before the rows of each group that is shown folded."""
        start = 0
        while start < len(items):
            stop = start + 1
            parent = items[start].parent
            while stop < len(items) and items[stop].parent == parent and parent >= 0:
                stop += 1
            if parent >= 0:
                place = (TIMES - 4, top + ROW * start + 5, top + ROW * stop - 4)
                yield '<path class="brace" d="M%d %dh-5V%dh5"/>' % place
            start = stop

    def line(self, item: Item, y: int, time: str, more: str = "", also: str = "") -> str:
        """One line at its place. time: its text in the column of times. more, also: attributes and parts of the
        element."""
        row = item.row
        assert row is not None
        link = row.link
        colour = "kq" if link is None or row.word in _QUIET else "k%d" % ((self.numbers[link.number] - 1) % COLOURS)
        shape = "o" if row.word in _OUTCOMES else "f" if row.word in _FLOWS else ""
        quiet = "q" if row.word in _QUIET else ""
        kinds = " ".join(each for each in ("r", colour, shape, quiet, row.tone) if each)
        hit = '<rect class="hit" width="%d" height="%d"/>' % (self.width, ROW)
        inner = "<title>%s</title>%s" % (_escape(in_words(row)), hit)
        inner += _when(time) + also
        if row.source is None or row.target is None:
            inner += '<text class="w" x="%d" y="%d">%s</text>' % (TIMES, TEXT, _escape(row.title))
        elif row.source is row.target:
            inner += self._mark(row, row.source)
        else:
            inner += self._arrow(row, row.source, row.target)
        return '<g class="%s" transform="translate(0,%d)"%s>%s</g>' % (kinds, y, more, inner)

    def _mark(self, row: Row, lane: Lane) -> str:
        first, last = self._edges[lane]
        middle = (first + last) / 2
        least = float(TIMES - 4)  # the time stands left of it
        text = _clipped(row.title, self.width - least - 34)
        size = 1.04 * _pixels(text) + 22
        left = max(least, min(middle - size / 2, self.width - size - 4))
        pill = '<rect class="pill" x="%s" y="3" width="%s" height="20" rx="10"/>' % (_number(left), _number(size))
        return pill + _text("w p", left + size / 2, 17, text)

    def _arrow(self, row: Row, source: Lane, target: Lane) -> str:
        forth = source.index < target.index
        begin, end = self._ends(row, source, target)
        if row.lost:
            end += -26 if forth else 26
        step = 8 if forth else -8
        parts = ['<path class="l" d="M%s %dH%s"/>' % (_number(begin), LINE, _number(end - step / 2))]
        if row.lost:
            parts.append('<path class="l" d="M%s %dl8 8m-8 0l8 -8"/>' % (_number(end - 4), LINE - 4))
        else:
            parts.append(_head(end, step))
            if row.both:
                parts.append(_head(begin, -step))
        room = abs(end - begin) - 20
        text = row.title
        if row.more and _pixels(text + "  " + row.more) <= room:
            text += "  " + row.more
        elif row.more and row.count == 1 and room - _pixels(text) > 60:
            text = _clipped(text + "  " + row.more, room)
        parts.append(_text("w", (begin + end) / 2, TEXT, _clipped(text, room)))
        return "".join(parts)

    def _ends(self, row: Row, source: Lane, target: Lane) -> tuple[float, float]:
        forth = source.index < target.index
        begin, end = self._edges[source][1 if forth else 0], self._edges[target][0 if forth else 1]
        if row.link is not None:
            begin = self._tracks.get((source, row.link.number), begin)
            end = self._tracks.get((target, row.link.number), end)
        return begin, end


def _when(time: str) -> str:
    return '<text class="t" x="%d" y="%d" text-anchor="end">%s</text>' % (TIMES - 14, TEXT, time) if time else ""


def _text(kinds: str, x: float, y: float, text: str, inner: str = "") -> str:
    """A text with its middle at that place."""
    place = (kinds, _number(x), _number(y), inner, _escape(text))
    return '<text class="%s" x="%s" y="%s" text-anchor="middle">%s%s</text>' % place


def _head(end: float, step: int) -> str:
    return '<path class="h" d="M%s %dl%d -4.5v9z"/>' % (_number(end), LINE, -step - (1 if step > 0 else -1))


def link_in_words(link: Link) -> str:
    """A link for a legend: the node that it is about, and its ends."""
    return "%s: %s to %s" % (link.address, link.sender.name, link.receiver.name)


def in_words(row: Row) -> str:
    """A row as a sentence: for screen readers, and below the pointer."""
    text = row.title + (" " + row.more if row.more else "")
    span = _time(row.at) if row.until <= row.at or row.count == 1 else "%s to %s" % (_time(row.at), _time(row.until))
    where = ""
    if row.source is not None and row.target is not None:
        joint = " and " if row.both else " to "
        where = row.source.name + (joint + row.target.name if row.target is not row.source else "") + ": "
    lost = ", never read" if row.lost else ""
    about = " on " + row.link.address if row.link is not None else ""
    return "%s s, %s%s%s%s" % (span, where, text, about, lost)


def _time(at: float) -> str:
    return ("%.3f" if at < 1000 else "%.1f") % at


def _number(value: float) -> str:
    """A coordinate, the same with every version of Python."""
    return ("%.1f" % value).rstrip("0").rstrip(".")


def _escape(text: str) -> str:
    return html.escape(text, quote=True)


def _pixels(text: str) -> float:
    """About how wide a text is, rather too much."""
    return sum(map(_width, text))


def _width(sign: str) -> float:
    if sign >= "\u1100":
        return 12.5
    return 7.4 if sign.isupper() or sign in "mwMW@#_" else 4.2 if sign in " .,:;il|'()" else 6.7


def _clipped(text: str, room: float) -> str:
    if _pixels(text) <= room:
        return text
    while text and _pixels(text) > room - 12:
        text = text[:-1]
    return text + "..." if text else ""
