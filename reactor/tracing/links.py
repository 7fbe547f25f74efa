"""Links, deliveries and passages: the parts of a timeline, as plain data that fill up while a recording is read."""

from __future__ import annotations

from typing import Any, Optional

from reactor.codec.types import Described
from reactor.tracing.contents import in_short
from reactor.tracing.curves import Curve
from reactor.tracing.wires import Connection, Lane

#: The names of delivery states [3.4], [4.5], by code.
STATES = {
    0x23: "received",
    0x24: "accepted",
    0x25: "rejected",
    0x26: "released",
    0x27: "modified",
    0x33: "declared",
    0x34: "in a transaction",
}


class Link:
    """One link by its name: it may have gone over several wires, one after the other.

    sender, receiver: the lanes of its ends. name: as in its attach. source, target: addresses, "" where not known.
    number: its place in the timeline. view: the end that knows the curves: "sender" or "receiver".
    deliveries: in the order in which they were sent. complete: whether its attach is in the recording.
    """

    __slots__ = (
        "attaches", "available", "complete", "credit", "deliveries", "name", "number", "queued", "receiver", "sender",
        "source", "target", "unsettled", "view", "windows",
    )  # fmt: skip

    def __init__(self, number: int, name: str, sender: Lane, receiver: Lane, view: str, complete: bool) -> None:
        self.number = number
        self.name = name
        self.sender = sender
        self.receiver = receiver
        self.view = view
        self.complete = complete
        self.source = ""
        self.target = ""
        self.attaches = 0
        self.deliveries: list[Delivery] = []
        self.credit = Curve("credit")
        self.unsettled = Curve("unsettled")
        self.available = Curve("available")
        self.queued = Curve("queued")
        self.windows: list[Curve] = []  # of the sessions that it had, one after the other

    @property
    def address(self) -> str:
        """The node that it is about: where messages come from, or where they go; else its name."""
        return self.source or self.target or self.name

    @property
    def all_curves(self) -> list[Curve]:
        """Those of the link itself, empty ones, too."""
        return [self.credit, self.unsettled, self.queued, self.available]

    @property
    def curves(self) -> list[Curve]:
        """Those that were ever anything but 0; the window only where it was once full."""
        found = [curve for curve in self.all_curves if curve]
        if any(value <= 0 for curve in self.windows for _, value in curve.points):
            window = Curve("window")
            window.points = [point for curve in self.windows for point in curve.points]
            found.append(window)
        return found

    def __repr__(self) -> str:
        return "<Link %s, %s to %s>" % (self.name, self.sender.name, self.receiver.name)


class Delivery:
    """One delivery over one wire.

    number: its delivery-id. tag: its delivery-tag. label: its message in short. size: bytes of the message.
    sent: when its first frame was written. received: when its last frame was read. outcome: "accepted", "rejected",
    "released", "modified", "settled" (sent settled, or settled without a state), "aborted", "lost" (with its wire)
    or "". reason: of a rejection. decided: when the receiver gave the outcome. settled: when the sender's side had it
    settled, else when the receiver's had. Times are None where they are not in the recording.
    redelivered: how often the same message came before, by its header or in this recording.
    """

    __slots__ = (
        "decided", "frame", "frames", "label", "link", "number", "open", "outcome", "parts", "presettled", "reason",
        "received", "redelivered", "sent", "settled", "size", "tag",
    )  # fmt: skip

    def __init__(self, link: Link, number: int, tag: bytes, frame: int) -> None:
        self.link = link
        self.number = number
        self.tag = tag
        self.frame = frame
        self.frames = 0
        self.label = ""
        self.size = 0
        self.sent: Optional[float] = None
        self.received: Optional[float] = None
        self.decided: Optional[float] = None
        self.settled: Optional[float] = None
        self.outcome = ""
        self.reason = ""
        self.redelivered = 0
        self.presettled = False
        self.open = False
        self.parts: Optional[list[bytes]] = []

    @property
    def latency(self) -> Optional[float]:
        """Seconds from the first frame written to the last one read; None where one of them is not known."""
        return None if self.sent is None or self.received is None else self.received - self.sent

    def touches(self, begin: float, end: float) -> bool:
        """Whether any of its times lies within these."""
        times = (self.sent, self.received, self.decided, self.settled)
        known = [time for time in times if time is not None]
        return bool(known) and min(known) <= end and max(known) >= begin

    def __repr__(self) -> str:
        return "<Delivery %d of %s, %s>" % (self.number, self.link.name, self.outcome or "unsettled")


class Passage:
    """One frame on its way: written at one end, read at the other.

    index: of its record. sent, read: when; None where that end was not recorded, or it never came. source, target:
    lanes. name: of the performative. word: its meaning, such as "accepted"; frames of equal words can
    be folded. detail: the rest for people. link: or None. first, last: delivery-ids that it is about, or -1.
    lost: it was written and never read, though the other end was recorded. problem: why it cannot be read, or "".
    """

    __slots__ = (
        "connection", "data", "detail", "first", "index", "last", "link", "lost", "name", "problem", "read", "sent",
        "source", "target", "word",
    )  # fmt: skip

    def __init__(self, index: int, connection: Connection, writer: int, name: str) -> None:
        self.index = index
        self.connection = connection
        self.source = connection.lanes[writer]
        self.target = connection.lanes[1 - writer]
        self.name = name
        self.word = name
        self.detail = ""
        self.link: Optional[Link] = None
        self.first = -1
        self.last = -1
        self.sent: Optional[float] = None
        self.read: Optional[float] = None
        self.lost = False
        self.problem = ""
        self.data: Any = None  # for the books, when it is read

    @property
    def at(self) -> float:
        """When it was written, else when it was read."""
        return self.sent if self.sent is not None else self.read if self.read is not None else 0.0

    def __repr__(self) -> str:
        return "<Passage %s %s, %s to %s>" % (self.word, self.detail, self.source.name, self.target.name)


def state_in_words(state: Any) -> tuple[str, str]:
    """A delivery state as its name and, of a rejection, its reason."""
    if not isinstance(state, Described):
        return "", ""
    word = STATES.get(state.descriptor, "") if isinstance(state.descriptor, int) else ""
    values = state.value if isinstance(state.value, list) else []
    if word == "in a transaction":
        inner = state_in_words(values[1])[0] if len(values) > 1 else ""
        return ("%s in a transaction" % inner).strip(), ""
    if word == "modified" and len(values) > 0 and values[0]:
        return word, "delivery failed"
    if word == "rejected" and values:
        return word, error_in_words(values[0])
    return word or in_short(state.descriptor), ""


def error_in_words(error: Any) -> str:
    """An error as its condition and description."""
    if not isinstance(error, Described) or not isinstance(error.value, list) or not error.value:
        return ""
    condition, description = [*error.value, None][:2]
    return in_short(condition, 60) + (": " + in_short(description, 120) if description else "")


def terminus_address(terminus: Any) -> str:
    """The address of a source or a target; the coordinator of transactions by its name."""
    if not isinstance(terminus, Described) or not isinstance(terminus.value, list):
        return ""
    if terminus.descriptor == 0x30:
        return "(transactions)"
    address = terminus.value[0] if terminus.value else None
    if address is None:
        return "(dynamic)" if len(terminus.value) > 4 and terminus.value[4] else ""
    return in_short(address, 60)
