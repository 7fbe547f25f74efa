"""Books: the meaning of the frames of one connection: sessions, links, deliveries, as both of its ends know them.

The timeline enters. A frame counts twice: at the end that writes it, and later at the one that reads it; `meaning`
finds once which link and which deliveries a frame is about, and `passed` is called for each end. Frames that break the
rules, or that are about parts before the recording began, are counted as far as they make sense: nothing here fails.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Protocol

from reactor.tracing.contents import Content, Label, in_short
from reactor.tracing.curves import Curve
from reactor.tracing.links import Delivery, Link, Passage, error_in_words, state_in_words, terminus_address
from reactor.tracing.wires import Connection, Lane

_MASK = 0xFFFFFFFF

#: Outcomes after which the same message may come again.
_BACK = frozenset(("released", "modified", "lost"))


class Ledger(Protocol):
    """The timeline, as the books of a connection need it."""

    def link(self, name: str, sender: Lane, receiver: Lane, view: str, complete: bool) -> Link:
        """The link of that name, which may have been there on another wire."""

    def mark(self, at: float, kind: str, lane: str, link: int, text: str) -> None:
        """A moment stands out."""

    def miss(self, sentence: str) -> None:
        """Something is not in the recording."""

    def comes(self, delivery: Delivery, label: Label) -> None:
        """A delivery is complete, and may have come before."""

    def returned(self, delivery: Delivery) -> None:
        """A delivery went back, or was lost: its message may come again."""


class _Attachment:
    """A link on one wire. sender: the side that sends. view: the side that knows the curves."""

    __slots__ = ("count", "credit", "current", "link", "open", "sender", "session", "view")

    def __init__(self, link: Link, sender: int, view: int, session: _Session) -> None:
        self.link = link
        self.sender = sender
        self.view = view
        self.session = session
        self.count: Optional[int] = None
        self.credit = 0
        self.open = 0  # deliveries that are not settled
        self.current: Optional[Delivery] = None


class _Session:
    """A session on one wire. The lists have a place for each side of the connection."""

    __slots__ = ("deliveries", "full", "handles", "left", "links", "next_id", "windows")

    def __init__(self) -> None:
        self.links: dict[tuple[str, int], _Attachment] = {}
        self.handles: tuple[dict[int, _Attachment], dict[int, _Attachment]] = ({}, {})
        self.deliveries: tuple[dict[int, Delivery], dict[int, Delivery]] = ({}, {})
        self.next_id: list[Optional[int]] = [None, None]  # of the next transfer of each side
        self.left: list[Optional[int]] = [None, None]  # transfers that each side may still send
        self.full = [False, False]
        self.windows = (Curve("window"), Curve("window"))


class Books:
    """The books of one connection."""

    def __init__(self, connection: Connection, ledger: Ledger) -> None:
        self.connection = connection
        self._ledger = ledger
        self._channels: tuple[dict[int, _Session], dict[int, _Session]] = ({}, {})
        self._attachments: list[_Attachment] = []
        self._unsettled: dict[Delivery, _Attachment] = {}

    def meaning(self, passage: Passage, content: Content, writer: int) -> None:
        """Find the link and the deliveries of a frame of the side `writer`."""
        find = _MEANINGS.get(content.name)
        if find is not None:
            find(self, passage, content, writer)

    def passed(self, passage: Passage, end: int, at: float) -> None:
        """A frame has been written, or read, at that end."""
        count = _COUNTS.get(passage.name)
        if count is not None and passage.data is not None:
            count(self, passage, end, at)

    def ended(self, at: float) -> None:
        """The wire is gone, and all that was unsettled on it is in doubt."""
        for delivery, attachment in list(self._unsettled.items()):
            if delivery.outcome in ("", "received"):
                delivery.outcome = "lost"
            elif attachment.view == attachment.sender:
                delivery.reason = delivery.reason or "the sender did not hear of it"
            self._ledger.returned(delivery)
            attachment.open = 0
        self._unsettled.clear()
        for attachment in self._attachments:
            attachment.link.credit.set(at, 0)
            attachment.link.unsettled.set(at, 0)
        self._attachments.clear()
        for channels in self._channels:
            channels.clear()

    # -- the meaning of a frame -------------------------------------------------------------------------------

    def _session(self, content: Content, writer: int) -> _Session:
        session = self._channels[writer].get(content.channel)
        if session is None:
            self._ledger.miss("%s: the begin of channel %d" % (self.connection.name, content.channel))
            other = self._channels[1 - writer].get(content.channel)  # most peers answer on the same number
            session = self._channels[writer][content.channel] = other or _Session()
        return session

    def _begin(self, passage: Passage, content: Content, writer: int) -> None:
        answers = content.fields.get("remote-channel")
        session = None if answers is None else self._channels[1 - writer].get(answers)
        if session is None:
            session = _Session()
            if answers is not None:
                self._ledger.miss("%s: the begin of channel %d" % (self.connection.name, answers))
                self._channels[1 - writer][answers] = session
        self._channels[writer][content.channel] = session
        session.next_id[writer] = content.fields.get("next-outgoing-id")
        passage.data = (session, writer, content.fields.get("incoming-window"))

    def _end(self, passage: Passage, content: Content, writer: int) -> None:
        self._channels[writer].pop(content.channel, None)
        passage.detail = error_in_words(content.fields.get("error"))

    def _attach(self, passage: Passage, content: Content, writer: int) -> None:
        fields = content.fields
        session = self._session(content, writer)
        sender = 1 - writer if fields["role"] else writer
        name = in_short(fields["name"], 60)
        attachment = session.links.get((name, sender))
        answers = attachment is not None
        if attachment is None:
            attachment = self._attachment(session, name, sender, True)
            session.links[name, sender] = attachment
        link = attachment.link
        link.source = terminus_address(fields.get("source")) or link.source
        link.target = terminus_address(fields.get("target")) or link.target
        session.handles[writer][fields["handle"]] = attachment
        initial = fields.get("initial-delivery-count")
        if initial is not None and writer == sender:
            attachment.count = initial
        passage.link = link
        if answers:
            refused = fields.get("target" if fields["role"] else "source") is None
            passage.detail = "refused" if refused else "agreed"
        else:
            passage.detail = "from %s" % link.source if fields["role"] else "to %s" % link.target

    def _attachment(self, session: _Session, name: str, sender: int, complete: bool) -> _Attachment:
        connection = self.connection
        view = sender if connection.recorded[sender] else 1 - sender
        words = "sender" if view == sender else "receiver"
        link = self._ledger.link(name, connection.lanes[sender], connection.lanes[1 - sender], words, complete)
        link.attaches += 1
        link.windows.append(session.windows[sender])
        attachment = _Attachment(link, sender, view, session)
        self._attachments.append(attachment)
        return attachment

    def _by_handle(self, session: _Session, handle: int, writer: int, sender: int) -> _Attachment:
        """The attachment of a handle; one without a name where its attach is not in the recording."""
        attachment = session.handles[writer].get(handle)
        if attachment is None:
            self._ledger.miss("%s: the attach of handle %d" % (self.connection.name, handle))
            attachment = session.handles[1 - writer].get(handle)  # most peers answer on the same number
            if attachment is None or attachment.link.complete or attachment.sender != sender:
                name = "handle %d of %s" % (handle, self.connection.name)
                attachment = self._attachment(session, name, sender, False)
            session.handles[writer][handle] = attachment
        return attachment

    def _detach(self, passage: Passage, content: Content, writer: int) -> None:
        session = self._session(content, writer)
        attachment = session.handles[writer].pop(content.fields["handle"], None)
        passage.detail = error_in_words(content.fields.get("error"))
        if attachment is None:
            return
        passage.link = attachment.link
        passage.data = attachment
        if attachment not in session.handles[1 - writer].values():
            for key in [key for key, value in session.links.items() if value is attachment]:
                del session.links[key]  # the next one of that name begins anew

    def _flow(self, passage: Passage, content: Content, writer: int) -> None:
        fields = content.fields
        session = self._session(content, writer)
        handle = fields.get("handle")
        attachment = None
        if handle is None:
            passage.word = "window"
            passage.detail = str(fields["incoming-window"])
        else:
            attachment = self._by_handle(session, handle, writer, 1 - writer)
            passage.link = attachment.link
            credit = fields.get("link-credit")
            passage.word = "drain" if fields.get("drain") else "credit"
            passage.detail = "" if credit is None else str(credit)
            if attachment.sender == writer:
                passage.word = "drained" if fields.get("drain") else "state"
        passage.data = (session, attachment, writer, fields)

    def _transfer(self, passage: Passage, content: Content, writer: int) -> None:
        fields = content.fields
        session = self._session(content, writer)
        attachment = self._by_handle(session, fields["handle"], writer, writer)
        delivery = attachment.current
        first = delivery is None
        if delivery is None:
            number = fields.get("delivery-id")
            if number is None:
                self._ledger.miss("%s: the first frame of a delivery" % self.connection.name)
                number = 0
            delivery = Delivery(attachment.link, number, fields.get("delivery-tag") or b"", passage.index)
            attachment.current = delivery
            session.deliveries[writer][number] = delivery
            attachment.link.deliveries.append(delivery)
        delivery.presettled = delivery.presettled or bool(fields.get("settled"))
        delivery.frames += 1
        delivery.size += len(content.payload)
        parts = delivery.parts if delivery.parts is not None else []
        parts.append(content.payload)
        aborted = bool(fields.get("aborted"))
        complete = aborted or not fields.get("more")
        whole = complete and content.whole and not aborted
        if complete:
            attachment.current = None
            delivery.parts = None
            label = Label(b"".join(parts), whole)
            delivery.label = label.text
            if not aborted:
                self._ledger.comes(delivery, label)
        passage.link = attachment.link
        passage.first = passage.last = delivery.number
        passage.word = "aborted" if aborted else "transfer" if complete else "part"
        passage.detail = delivery.label if complete and not aborted else "part %d" % delivery.frames
        passage.data = (session, attachment, delivery, first, complete, aborted)

    def _disposition(self, passage: Passage, content: Content, writer: int) -> None:
        fields = content.fields
        session = self._session(content, writer)
        of_receiver = fields["role"]
        known = session.deliveries[1 - writer if of_receiver else writer]
        first = fields["first"]
        last = fields.get("last")
        last = first if last is None else last
        span = ((last - first) & _MASK) + 1
        if span <= len(known):
            numbers = [number & _MASK for number in range(first, first + span)]
        else:  # a range may have four billion; only known deliveries are looked at
            numbers = [number for number in known if (number - first) & _MASK < span]
        deliveries = [known[number] for number in numbers if number in known]
        settled = bool(fields.get("settled"))
        state, reason = state_in_words(fields.get("state"))
        passage.first, passage.last = first, last
        passage.word = state if of_receiver and state else "settled" if settled else state or "disposition"
        passage.detail = reason
        passage.link = deliveries[0].link if deliveries else None
        passage.data = (deliveries, of_receiver, state, reason, settled)
        if not deliveries:
            self._ledger.miss("%s: deliveries that a disposition is about" % self.connection.name)
        elif settled:
            for number in numbers:
                known.pop(number, None)

    # -- its effects, at one end --------------------------------------------------------------------------

    def _count_begin(self, passage: Passage, end: int, at: float) -> None:
        session, writer, window = passage.data
        sender = 1 - writer
        if window is not None and end == self._view(sender):
            session.left[sender] = window
            session.windows[sender].set(at, window)

    def _view(self, sender: int) -> int:
        return sender if self.connection.recorded[sender] else 1 - sender

    def _count_flow(self, passage: Passage, end: int, at: float) -> None:
        session, attachment, writer, fields = passage.data
        sender = 1 - writer
        if end == self._view(sender):
            self._count_window(session, sender, fields, at)
        if attachment is None or end != attachment.view:
            return
        credit, count = fields.get("link-credit"), fields.get("delivery-count")
        link = attachment.link
        if attachment.sender == writer:
            if fields.get("available") is not None:
                link.available.set(at, fields["available"])
            if count is not None:
                attachment.count = count
                if credit is not None:
                    attachment.credit = credit
        elif credit is not None:
            own = count if attachment.count is None else attachment.count
            seen = 0 if count is None or own is None else (own - count) & _MASK
            attachment.count = own
            attachment.credit = max(0, credit - (seen if seen <= _MASK // 2 else seen - _MASK - 1))
        link.credit.set(at, attachment.credit)
        if fields.get("drain") and attachment.sender != writer:
            self._ledger.mark(at, "drain", passage.source.name, link.number, "drain")

    def _count_window(self, session: _Session, sender: int, fields: dict[str, Any], at: float) -> None:
        base, own = fields.get("next-incoming-id"), session.next_id[sender]
        window = fields["incoming-window"]
        if base is not None and own is not None:
            behind = (own - base) & _MASK  # transfers that its reader has not seen yet
            window = max(0, window - (behind if behind <= _MASK // 2 else 0))
        session.left[sender] = window
        session.full[sender] = session.full[sender] and not window
        session.windows[sender].set(at, window)

    def _count_transfer(self, passage: Passage, end: int, at: float) -> None:
        session, attachment, delivery, first, complete, aborted = passage.data
        writer = attachment.sender
        if end == writer:
            if first:
                delivery.sent = at
            if delivery.presettled and delivery.settled is None:
                delivery.settled = at
        elif complete and not aborted:
            delivery.received = at
        if complete and aborted:
            delivery.outcome = "aborted"
        elif complete and delivery.presettled and not delivery.outcome:
            delivery.outcome = "settled"
        if end != attachment.view:
            return
        link = attachment.link
        if first:
            attachment.count = None if attachment.count is None else (attachment.count + 1) & _MASK
            attachment.credit = max(0, attachment.credit - 1)
            link.credit.set(at, attachment.credit)
            if not delivery.presettled:
                self._unsettled[delivery] = attachment
                self._count_open(attachment, 1, at)
        if complete and (aborted or delivery.presettled) and self._unsettled.pop(delivery, None) is not None:
            self._count_open(attachment, -1, at)
        own, left = session.next_id[writer], session.left[writer]
        session.next_id[writer] = None if own is None else (own + 1) & _MASK
        if left is not None:
            left = session.left[writer] = max(0, left - 1)
            session.windows[writer].set(at, left)
            if left == 0 and not session.full[writer]:
                session.full[writer] = True
                self._ledger.mark(at, "window full", passage.source.name, link.number, "session window full")

    def _count_open(self, attachment: _Attachment, change: int, at: float) -> None:
        attachment.open = max(0, attachment.open + change)
        attachment.link.unsettled.set(at, attachment.open)

    def _count_disposition(self, passage: Passage, end: int, at: float) -> None:
        deliveries, of_receiver, state, reason, settled = passage.data
        written = passage.connection.lanes[end] is passage.source
        done: dict[_Attachment, int] = {}
        for delivery in deliveries:
            if of_receiver and (delivery.decided is None or delivery.outcome in ("", "received", "lost")):
                if delivery.decided is None and (written or passage.sent is None):
                    delivery.decided = at
                delivery.outcome = state or ("settled" if settled else delivery.outcome)
                delivery.reason = reason
                if delivery.outcome in _BACK and not delivery.open:
                    delivery.open = True  # told once
                    self._ledger.returned(delivery)
            if settled and (delivery.settled is None or end == self._view_of(delivery)):
                delivery.settled = at
            if not settled:
                continue
            attachment = self._unsettled.get(delivery)
            if attachment is not None and attachment.view == end:
                del self._unsettled[delivery]
                done[attachment] = done.get(attachment, 0) - 1
        for attachment, change in done.items():
            self._count_open(attachment, change, at)

    def _view_of(self, delivery: Delivery) -> int:
        lanes = self.connection.lanes
        return self._view(0 if lanes[0] is delivery.link.sender else 1)

    def _count_detach(self, passage: Passage, end: int, at: float) -> None:
        attachment = passage.data
        if end == attachment.view:
            attachment.credit = 0
            attachment.link.credit.set(at, 0)


_MEANINGS: dict[str, Callable[[Books, Passage, Content, int], None]] = {
    "begin": Books._begin,
    "attach": Books._attach,
    "flow": Books._flow,
    "transfer": Books._transfer,
    "disposition": Books._disposition,
    "detach": Books._detach,
    "end": Books._end,
}
_COUNTS: dict[str, Callable[[Books, Passage, int, float], None]] = {
    "begin": Books._count_begin,
    "flow": Books._count_flow,
    "transfer": Books._count_transfer,
    "disposition": Books._count_disposition,
    "detach": Books._count_detach,
}
