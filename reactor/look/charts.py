"""Charts: for each link its curves over one axis of time, with marks for the moments that stand out, as HTML.

Each curve has a strip of its own, with its own scale: a credit of 1000 beside 3 unsettled deliveries would hide them.
The path of a strip holds its values as they are, so that the script of the page can read them from there.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from reactor.look.diagram import COLOURS, link_in_words
from reactor.tracing.contents import clip
from reactor.tracing.curves import Curve, Mark, thinned
from reactor.tracing.links import Link
from reactor.tracing.timeline import Timeline, seconds

#: Units of the axis of time, from its begin to its end.
WIDTH = 1_000_000

#: Points of all curves together, links, marks of a link, and characters of a mark, at most.
_POINTS, _LINKS, _MARKS, _TEXT = 30_000, 50, 30, 100

_SIGNS = {
    "lost": "\u2715",
    "crashed": "\u2715",
    "restarted": "\u25b6",
    "retry": "\u21bb",
    "held": "\u25a0",
    "drain": "\u25bd",
    "window full": "\u25ae",
}


def charts(timeline: Timeline, numbers: dict[int, int]) -> str:
    """The strips of all links. numbers: those of links in the diagram."""
    links = [link for link in timeline.links if link.curves]
    links.sort(key=lambda link: numbers.get(link.number, 1 << 30))
    parts = []
    most = max(60, _POINTS // max(1, sum(len(link.curves) for link in links[:_LINKS])))
    for link in links[:_LINKS]:
        parts.append(_link(timeline, link, numbers.get(link.number, 0), most))
    if len(links) > _LINKS:
        parts.append('<p class="empty">%d more links have no room here.</p>' % (len(links) - _LINKS))
    if not links:
        parts.append('<p class="empty">No link had credit or deliveries.</p>')
    return "".join(parts)


def _link(timeline: Timeline, link: Link, number: int, most: int) -> str:
    ends = {link.sender.name, link.receiver.name}
    marks = [mark for mark in timeline.marks if mark.kind in _SIGNS and _is_about(mark, link, ends)]
    about = (dot(number) if number else "", html.escape(link_in_words(link)), link.view)
    heading = "<h3>%s%s <small>as the %s knows it</small></h3>" % about
    strips = "".join(_strip(timeline, curve, most) for curve in link.curves)
    return '<div class="link">%s%s%s</div>' % (heading, _marks(timeline, marks), strips)


def _is_about(mark: Mark, link: Link, ends: set[str]) -> bool:
    if mark.link >= 0:
        return mark.link == link.number
    return mark.lane in ends and (not mark.peer or mark.peer in ends)


def _marks(timeline: Timeline, marks: list[Mark]) -> str:
    if not marks:
        return ""
    shown = "".join(_mark(timeline, mark) for mark in marks[:_MARKS])
    more = "%d more" % (len(marks) - _MARKS) if len(marks) > _MARKS else ""
    label = '<span class="lab">events <b>%s</b></span>' % more
    return '<div class="strip marks">%s<div class="track">%s</div></div>' % (label, shown)


def _mark(timeline: Timeline, mark: Mark) -> str:
    place = _place(timeline, mark.at)
    text = html.escape(clip("%s s, %s: %s" % (seconds(mark.at), mark.lane, mark.text), _TEXT))
    kind = mark.kind.replace(" ", "-")
    left = "%d.%04d" % divmod(place, WIDTH // 100)
    parts = (kind, place, left, text, _SIGNS[mark.kind])
    return '<i class="m %s" data-x="%d" style="left:%s%%" role="img" title="%s">%s</i>' % parts


def _strip(timeline: Timeline, curve: Curve, most: int) -> str:
    highest = max(1, int(curve.highest))
    label = '<span class="lab">%s <b>%s</b></span>' % (curve.name, number(highest))
    path = '<path d="%s" vector-effect="non-scaling-stroke"/>' % "".join(_path(timeline, curve, highest, most))
    box = 'viewBox="0 0 %d %d" preserveAspectRatio="none"' % (WIDTH, highest)
    about = 'role="img" aria-label="%s: at most %d"' % (curve.name, highest)
    view = '<svg class="track %s" %s %s>%s</svg>' % (curve.name, box, about, path)
    return '<div class="strip">%s%s<output></output></div>' % (label, view)


def _path(timeline: Timeline, curve: Curve, highest: int, most: int) -> Iterator[str]:
    """Steps, from the baseline and back to it."""
    x = -1
    yield "M0 %d" % highest
    for at, value in thinned(curve.points, most):
        place = _place(timeline, at)
        if place != x:
            yield "H%d" % place
            x = place
        yield "V%d" % (highest - int(value))
    yield "H%dV%d" % (WIDTH, highest)


def _place(timeline: Timeline, at: float) -> int:
    span = timeline.end - timeline.begin
    return max(0, min(WIDTH, int((at - timeline.begin) / span * WIDTH))) if span > 0 else 0


def number(value: int) -> str:
    """With separators."""
    return f"{value:,}"


def dot(number: int) -> str:
    """The number of a link, in its colour."""
    return '<span class="dot" style="background:var(--c%d)">%d</span>' % ((number - 1) % COLOURS, number)
