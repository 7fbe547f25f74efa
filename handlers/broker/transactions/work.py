"""A transaction as plain data: the messages and outcomes that wait for its discharge.

It knows no link and no clock; the rules of its end are those of transactions.py.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

from handlers.broker.nodes.entry import ENTRY_COST, Entry

OPEN, COMMITTING, OVER = range(3)
"""The stages of a transaction."""


class Posting(NamedTuple):
    """A message that its node gets with the commit. expires, due: by the broker's clock. origin: the container that
    has sent it. full: called when the node has no room for more."""

    node: Any
    envelope: Any
    body: bytes
    expires: float
    due: float
    origin: Optional[str]
    full: Callable[[Any], None]

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.body) + ENTRY_COST


class Retirement(NamedTuple):
    """The outcome that a delivered message gets with the commit. outlet: the link that it went out by. state: ACCEPTED,
    REJECTED, RELEASED or MODIFIED; outcome: its content."""

    outlet: Any
    entry: Entry
    state: int
    outcome: Any


class Work:
    """One transaction.

    id: its name on the wire. control: the link that it was declared over; it ends with that.
    postings: in the order of their coming. retirements: by delivery. partial: deliveries in it of which only a part
    has come. condition: why it can only be rolled back: a condition and a text; None while it can be committed.
    timer: of its time-out.
    """

    def __init__(self, id: bytes, control: Any) -> None:
        self.id = id
        self.control = control
        self.stage = OPEN
        self.postings: list[Posting] = []
        self.retirements: dict[Any, Retirement] = {}
        self.partial: dict[Any, None] = {}
        self.condition: Optional[tuple[str, str]] = None
        self.timer: Any = None

    @property
    def torn(self) -> bool:
        """Whether a message in it has come in part, and the rest may follow."""
        return any(delivery.partial and not delivery.aborted for delivery in self.partial)

    def __repr__(self) -> str:
        size = f"{len(self.postings)} messages and {len(self.retirements)} outcomes"
        return f"<transaction {self.id.hex()}: {size}>"
