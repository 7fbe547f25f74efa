"""Page: a recording as one self-contained page of HTML: sequence diagram, frames by field, charts, table.

Nothing is loaded from elsewhere, and the page's own policy forbids it. All texts of peers are escaped, or reach the
page as data that its script writes as text. Each part has a bound of bytes, so that a run of any size makes a page of
3 MB at most; a part that did not find room says so where it is missed.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactor.lazily import Lazily
from reactor.look.charts import charts, dot, number
from reactor.look.details import frame_details
from reactor.look.diagram import Diagram, Item, colours, link_in_words, style, unfoldable
from reactor.look.specification import glossary
from reactor.look.table import MOST, table
from reactor.tracing.contents import clip
from reactor.tracing.sequence import sequence
from reactor.tracing.timeline import Timeline, seconds

if TYPE_CHECKING:
    import hashlib
    import json
else:
    hashlib = Lazily("hashlib")
    json = Lazily("json")

#: Lines of the diagram, most of them folded at first, and bytes of the details of frames.
_LINES, _DETAILS = 900, 600_000

#: Bytes of the table, and links that are named in it.
_TABLE, _NAMED = 800_000, 1000

#: Links that have a button.
_BUTTONS = 24

_FOLDER = Path(__file__).resolve().parent


def page(timeline: Timeline, everything: bool = False) -> str:
    """The page of a timeline. everything: each frame is a row of its own, as far as there is room."""
    nodes = sequence(timeline, everything)
    dropped = max(0, len(nodes) - _LINES)
    nodes = nodes[:_LINES]
    diagram = Diagram(timeline, nodes)
    items = unfoldable(nodes, _LINES)
    title = timeline.title or "A run of AMQP"
    parts = {
        "title": html.escape(title),
        "facts": html.escape(facts(timeline)),
        "missing": "".join("<li>%s</li>" % html.escape(each) for each in _missing(timeline, dropped)),
        "buttons": "".join(_buttons(diagram)),
        "diagram": diagram.page(items),
        "charts": charts(timeline, diagram.numbers),
        "data": _data(timeline, diagram, items),
        "style": colours(":root") + style() + _read("page.css"),
        "script": _read("page.js"),
    }
    digest = hashlib.sha256(parts["script"].encode()).digest()
    parts["hash"] = base64.b64encode(digest).decode("ascii")
    text = _read("page.html")
    pieces = text.split("{{")
    found = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        found += [parts[name], rest]
    return "".join(found)


def frame(text: str, title: str, height: int = 640) -> str:
    """A page within another one, as notebooks show it: it cannot reach out of its frame."""
    look = "width:100%%;height:%dpx;border:1px solid #8888" % height
    parts = (html.escape(title), look, html.escape(text))
    return '<iframe title="%s" sandbox="allow-scripts" style="%s" srcdoc="%s"></iframe>' % parts


def facts(timeline: Timeline) -> str:
    """How much of everything there is, in one line."""
    deliveries = timeline.deliveries
    outcomes: dict[str, int] = {}
    for delivery in deliveries:
        outcome = delivery.outcome or "unsettled"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    order = sorted(outcomes, key=lambda outcome: (-outcomes[outcome], outcome))
    detail = ", ".join("%s %s" % (number(outcomes[each]), each) for each in order)
    again = sum(1 for delivery in deliveries if delivery.redelivered)
    facts = [
        _count(len(timeline.lanes), "program"),
        _count(len(timeline.links), "link"),
        _count(len(deliveries), "delivery", "deliveries") + (" (%s)" % detail if detail else ""),
        _count(len(timeline.passages), "frame"),
        seconds(timeline.end - timeline.begin) + " s",
    ]
    if again:
        facts.insert(3, "%s redelivered" % number(again))
    return "  ·  ".join(facts)


def _count(count: int, one: str, many: str = "") -> str:
    return "%s %s" % (number(count), one if count == 1 else many or one + "s")


def _missing(timeline: Timeline, dropped: int) -> Iterator[str]:
    yield from timeline.missing
    if dropped:
        yield "%s rows of the diagram have no room here: look at a part, with --from and --until" % number(dropped)


def _buttons(diagram: Diagram) -> Iterator[str]:
    for link in diagram.links[:_BUTTONS]:
        place = diagram.numbers[link.number]
        parts = (place, dot(place), html.escape(link_in_words(link)))
        yield '<button type="button" class="chip" data-link="%d" aria-pressed="false">%s%s</button>' % parts


def _data(timeline: Timeline, diagram: Diagram, items: Sequence[Item]) -> str:
    """The data for the script."""
    links = [[diagram.numbers.get(link.number, 0), clip(link_in_words(link), 80)] for link in timeline.links[:_NAMED]]
    data = {
        "begin": int(timeline.begin * 1_000_000),
        "span": int((timeline.end - timeline.begin) * 1_000_000),
        "links": links,
        "spec": glossary(),
        "frames": _frames(timeline, items),
        "table": _table(timeline),
    }
    return _dumped(data)


def _table(timeline: Timeline) -> dict[str, Any]:
    """The table, with as many rows as there is room for."""
    most = MOST
    while True:
        found = table(timeline, most)
        size = len(_dumped(found))
        if size <= _TABLE or most < 100:
            return found
        most = min(len(found["rows"]), most) * _TABLE // size * 9 // 10


def _dumped(data: Any) -> str:
    """JSON that no text in it can end."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _frames(timeline: Timeline, items: Sequence[Item]) -> dict[str, Any]:
    """The details of the frames that the diagram names, those of the upper levels first, as far as there is room."""
    found: dict[str, Any] = {}
    left = _DETAILS
    for item in sorted(items, key=lambda item: item.level):  # stable
        if item.row is None:
            continue
        for index in dict.fromkeys((item.row.index, item.row.last_index)):
            if index < 0 or str(index) in found:
                continue
            record = timeline.records[index]
            details = frame_details(record)
            details["t"] = int(record.at * 1_000_000 + 0.5)
            details["w"] = "%s %s" % (record.wire, record.direction)
            left -= len(_dumped(details))
            if left < 0:
                return found
            found[str(index)] = details
    return found


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
