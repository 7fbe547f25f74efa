"""Timeline: a recording as a model: lanes, links by name, deliveries, curves, marks. All pictures draw from it.

The records are gone through once, in their order. A recording may be a part of a run: its beginning may have been
dropped, one side of a connection may be all there is, and frames may be cut off or broken. `missing` has that in
sentences; nothing in here fails for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Optional

from reactor.shown import shown
from reactor.tracing.books import Books
from reactor.tracing.contents import Content, Label, in_short
from reactor.tracing.curves import Mark
from reactor.tracing.links import Delivery, Link, Passage, error_in_words
from reactor.tracing.record import Record
from reactor.tracing.wires import Connection, End, Lane, Wires

_SASL_OUTCOMES = {0: "ok", 1: "authentication failed", 2: "system error", 3: "system error", 4: "system error, for now"}

#: Frames that are read before they are recorded as written, at most.
_EARLY = 256

#: The ends of such notes.
_KNOWN = (" starts", " starts again", " crashes", " goes down")

#: Sentences of one kind, at most.
_SENTENCES = 12


class Timeline:
    """The model of one recording.

    lanes: the programs, from left to right. links, deliveries: in the order of their beginning. passages: every frame,
    in the order in which frames were written. marks: moments that stand out. missing: sentences about the parts of the
    run that are not in the recording. records: its source. end: seconds of the last record.
    """

    def __init__(self, records: Sequence[Record], header: Optional[dict[str, Any]] = None) -> None:
        header = header or {}
        self.records = records
        self.title = shown(header.get("title") or "", 200)
        self.links: list[Link] = []
        self.passages: list[Passage] = []
        self.marks: list[Mark] = []
        self.missing: list[str] = []
        self.end = records[-1].at if records else 0.0
        self.begin = records[0].at if records else 0.0
        self._by_name: dict[tuple[str, Lane, Lane], Link] = {}
        self._returned: dict[tuple[str, str, object], int] = {}
        self._identities: dict[Delivery, object] = {}
        self._gaps: dict[str, int] = {}
        self._latest: dict[tuple[str, str], Link] = {}  # by a program at one end of it, and its name
        self._waiting: dict[Link, int] = {}  # messages that have arrived and did not come to their handler yet
        self._wires = Wires(records)
        self._roads = {connection: _Road(connection, self) for connection in self._wires.connections}
        self._say_what_was_dropped(header)
        for index, record in enumerate(records):
            end = self._wires.of_record[index]
            if record.kind == "frame" and end is not None:
                self._roads[end.connection].frame(index, record, end)
            else:
                self._other(record, end)
        self._finish()

    @property
    def lanes(self) -> list[Lane]:
        """The programs, from left to right."""
        return self._wires.lanes

    @property
    def deliveries(self) -> list[Delivery]:
        """All deliveries, in the order of their first frames."""
        found = [delivery for link in self.links for delivery in link.deliveries]
        found.sort(key=lambda delivery: delivery.frame)
        return found

    def cut(self, begin: Optional[float], until: Optional[float]) -> None:
        """Look at a part alone: from a second, until another one; None for its own begin and end. All is known of links
        and deliveries that was known before."""
        if begin is None and until is None:
            return
        self.begin = self.begin if begin is None else begin
        self.end = max(self.begin, self.end if until is None else until)
        self.passages = [each for each in self.passages if self.begin <= each.at <= self.end]
        self.marks = [mark for mark in self.marks if self.begin <= mark.at <= self.end]
        first, last = self.begin, self.end
        for link in self.links:
            link.deliveries = [each for each in link.deliveries if each.touches(first, last)]
            for curve in (*link.all_curves, *link.windows):
                curve.cut(first, last)
        self.missing.append("this is the part from %.3f to %.3f s" % (self.begin, self.end))

    # -- for the books ------------------------------------------------------------------------------------------

    def link(self, name: str, sender: Lane, receiver: Lane, view: str, complete: bool) -> Link:
        """The link of that name; a new one where there was none."""
        key = (name, sender, receiver)
        link = self._by_name.get(key)
        if link is None:
            link = self._by_name[key] = Link(len(self.links), name, sender, receiver, view, complete)
            self.links.append(link)
        self._latest[sender.name, name] = self._latest[receiver.name, name] = link
        return link

    def mark(self, at: float, kind: str, lane: str, link: int, text: str, peer: str = "") -> None:
        """A moment stands out."""
        self.marks.append(Mark(at, kind, lane, link, text, peer))

    def miss(self, sentence: str) -> None:
        """Something is not in the recording."""
        self._gaps[sentence] = self._gaps.get(sentence, 0) + 1

    def comes(self, delivery: Delivery, label: Label) -> None:
        """A delivery is complete."""
        link = delivery.link
        self._waiting[link] = self._waiting.get(link, 0) + 1
        delivery.redelivered = label.tries
        if label.identity is not None:
            self._identities[delivery] = label.identity
            before = self._returned.pop((link.sender.name, link.address, label.identity), 0)
            delivery.redelivered = max(label.tries, before)

    def returned(self, delivery: Delivery) -> None:
        """A delivery went back, or was lost."""
        identity = self._identities.get(delivery)
        if identity is not None:
            link = delivery.link
            self._returned[link.sender.name, link.address, identity] = delivery.redelivered + 1

    # -- records ------------------------------------------------------------------------------------------------

    def _other(self, record: Record, end: Optional[End]) -> None:
        kind = record.kind
        lane = end.lane.name if end is not None else record.program
        text = shown(record.text, 160)
        values = record.values
        if kind in ("lost", "closed") and end is not None:
            if kind == "lost":
                peer = end.connection.lanes[1 - end.side].name
                self.mark(record.at, "lost", lane, -1, "connection lost" + (": " + text if text else ""), peer)
            self._roads[end.connection].ended(record.at, end)
        elif kind == "retry":
            delay = _number(values.get("delay"))
            wait = "" if delay is None else ", next in %s s" % seconds(delay)
            self.mark(record.at, kind, lane, -1, "attempt %s%s" % (in_short(values.get("attempt", "?")), wait))
        elif kind == "held":
            place = ".".join(in_short(values[key]) for key in ("handler", "method") if values.get(key))
            held = _number(values.get("seconds")) or 0.0
            self.mark(record.at, kind, lane, -1, "held the loop %s s%s" % (seconds(held), place and ": " + place))
        elif kind in ("crashed", "restarted"):
            self.mark(record.at, kind, lane, -1, kind)
            for road in self._roads.values():
                road.crashed(record.at, lane)
        elif kind == "note":
            if record.program or not self._is_known(text):
                self.mark(record.at, kind, lane, -1, text)
        elif kind == "call" and text == "on_message":
            self._handles(record)
        elif kind == "summary":
            self._sum_up(record)

    def _is_known(self, note: str) -> bool:
        """Whether a note of a world is about something that has a record of its own."""
        if note.startswith("seed ") or (note.startswith("wire ") and " made, " in note):
            return True
        if not (note.endswith(_KNOWN) or " cannot connect to " in note):
            return False
        return any(note.startswith(lane.name + " ") for lane in self.lanes)

    def _link_of(self, record: Record) -> Optional[Link]:
        name = record.values.get("link")
        return self._latest.get((record.program, in_short(name, 60))) if isinstance(name, str) else None

    def _handles(self, record: Record) -> None:
        """A message has come to its handler: those behind it wait in the receiver."""
        link = self._link_of(record)
        if link is not None and link.receiver.name == record.program:
            waiting = self._waiting[link] = max(0, self._waiting.get(link, 0) - 1)
            link.queued.set(record.at, waiting)

    def _sum_up(self, record: Record) -> None:
        """Counters of a link: where frames were not recorded, they are all that is known."""
        link = self._link_of(record)
        values = record.values
        name = values.get("link")
        if link is None and isinstance(name, str) and record.program:
            own, peer = self._wires.program(record.program), self._wires.program("peer of %s" % record.program, False)
            sends = values.get("role") == "sender"
            view = "sender" if sends else "receiver"
            lanes = (own, peer) if sends else (peer, own)
            link = self.link(in_short(name, 60), *lanes, view, True)
        if link is None:
            return
        for curve in (link.credit, link.queued, link.unsettled):
            value = _number(values.get(curve.name))
            if value is not None and (curve is link.queued or not link.deliveries):
                curve.set(record.at, value)

    # -- the end ------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        for road in self._roads.values():
            road.finish()
        self.passages.sort(key=lambda passage: (passage.at, passage.index))
        self.marks.sort(key=lambda mark: mark.at)
        for passage in self.passages:
            passage.data = None
        self._identities.clear()
        self._order_lanes()
        for sentence, count in list(self._gaps.items())[:_SENTENCES]:
            self.missing.append("%s is not in the recording%s" % (sentence, _times(count)))
        if len(self._gaps) > _SENTENCES:
            self.missing.append("... and %d more parts of that kind" % (len(self._gaps) - _SENTENCES))
        broken = [passage for passage in self.passages if passage.problem]
        for name in dict.fromkeys(passage.connection.name for passage in broken):
            of_it = [passage for passage in broken if passage.connection.name == name]
            self.missing.append("%s: %s cannot be read: %s" % (name, _frames(len(of_it)), of_it[0].problem))
        views = {connection.name: connection for connection in self._wires.connections if not all(connection.recorded)}
        if views and self.passages:
            shown_names = ", ".join(list(views)[:4]) + (" and others" if len(views) > 4 else "")
            self.missing.append("only one end was recorded of %s: times at the other end are not known" % shown_names)

    def _say_what_was_dropped(self, header: dict[str, Any]) -> None:
        dropped = _number(header.get("dropped"))
        if dropped:
            self.missing.append("the beginning: %d records were dropped, because there was no room" % dropped)
        cut = header.get("cut")
        if isinstance(cut, list):
            self.missing += [shown(sentence, 300) for sentence in cut[:_SENTENCES]]

    def _order_lanes(self) -> None:
        """A program that others meet at stands in the middle; senders stand left of it, receivers right. Of two that do
        both, the one that has connected stands left."""
        lanes = self._wires.lanes
        peers: dict[Lane, set[Lane]] = {lane: set() for lane in lanes}
        for connection in self._wires.connections:
            one, other = connection.lanes
            peers[one].add(other)
            peers[other].add(one)
        sends = {link.sender for link in self.links}
        receives = {link.receiver for link in self.links}
        hub = max(lanes, key=lambda lane: len(peers[lane]), default=None)
        if hub is not None and len(peers[hub]) >= 2:
            left: list[Lane] = []
            right: list[Lane] = []
            for lane in lanes:
                if lane is hub:
                    continue
                both = (lane in sends) == (lane in receives)
                side = left if (len(left) <= len(right) if both else lane in sends) else right
                side.append(lane)
            lanes[:] = [*left, hub, *right]
        else:
            servers = self._wires.servers()
            lanes.sort(key=lambda lane: ((lane in receives) - (lane in sends), lane in servers))  # stable
        for index, lane in enumerate(lanes):
            lane.index = index


class _Road:
    """The frames of one connection, matched at both ends."""

    def __init__(self, connection: Connection, timeline: Timeline) -> None:
        self._connection = connection
        self._timeline = timeline
        self._books = Books(connection, timeline)
        self._both = all(connection.recorded)
        self._under_way: tuple[deque[Passage], deque[Passage]] = (deque(), deque())
        # Two threads record as they come to it: a frame may be read before it is recorded as written.
        self._early: tuple[deque[Passage], deque[Passage]] = (deque(maxlen=_EARLY), deque(maxlen=_EARLY))
        self._open = {end for end in connection.ends if end is not None}

    def frame(self, index: int, record: Record, end: End) -> None:
        """A frame was written, or read, at that end."""
        side = end.side
        writes = record.direction != "in"
        writer = side if writes else 1 - side
        at = record.at
        passage = None
        if self._both:
            passage = self._taken((self._early if writes else self._under_way)[writer], record.raw)
        if passage is None:
            passage = self._new(index, record, writer)
            if self._both:
                (self._under_way if writes else self._early)[writer].append(passage)
        if writes:
            at = passage.sent = at if passage.read is None else min(at, passage.read)
        else:
            passage.read = at
        self._books.passed(passage, side, at)

    def _taken(self, waiting: deque[Passage], raw: bytes) -> Optional[Passage]:
        """The frame that one end has seen, and the other one sees now. One that was dropped stays behind."""
        records = self._timeline.records
        for place, passage in enumerate(waiting):
            if records[passage.index].raw == raw:
                del waiting[place]
                return passage
        return None

    def _new(self, index: int, record: Record, writer: int) -> Passage:
        content = Content(record.raw)
        passage = Passage(index, self._connection, writer, content.name)
        passage.problem = content.problem
        passage.word, passage.detail = _words(content)
        self._books.meaning(passage, content, writer)
        self._timeline.passages.append(passage)
        return passage

    def ended(self, at: float, end: End) -> None:
        """The wire has ended, at that end."""
        self._open.discard(end)
        if not self._open:  # until then the other end goes on to write
            self._books.ended(at)
        for passage in self._under_way[1 - end.side]:  # nothing is read here any more
            passage.lost = True
        self._under_way[1 - end.side].clear()

    def crashed(self, at: float, program: str) -> None:
        """A program is gone, and its end of the wire with it."""
        for end in [end for end in self._open if end.lane.name == program]:
            self.ended(at, end)

    def finish(self) -> None:
        """The recording has ended: a frame with others behind it that arrived did not get through."""
        for waiting in self._under_way:
            for passage in waiting:
                passage.lost = self._timeline.end - passage.at > 60 or not self._open


def _words(content: Content) -> tuple[str, str]:
    """A frame that is about no link, in words."""
    name, fields = content.name, content.fields
    if name == "header":
        return name, str(fields.get("layer"))
    if name == "open":
        return name, in_short(fields.get("container-id"), 40)
    if name == "sasl-mechanisms":
        found = fields.get("sasl-server-mechanisms")
        return name, " ".join(in_short(each) for each in getattr(found, "elements", [found]))
    if name == "sasl-init":
        return name, in_short(fields.get("mechanism"))
    if name == "sasl-outcome":
        return name, _SASL_OUTCOMES.get(fields.get("code") or 0, "?")
    if name in ("close", "end", "detach"):
        return name, error_in_words(fields.get("error"))
    return name, ""


def seconds(value: float) -> str:
    """Seconds with as many digits as they are worth, the same with every version of Python."""
    if value >= 100:
        return "%.0f" % value
    return ("%.3f" if value < 1 else "%.1f") % value


def _number(value: Any) -> Optional[float]:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _times(count: int) -> str:
    return "" if count == 1 else " (%d times)" % count


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else "%d frames" % count
