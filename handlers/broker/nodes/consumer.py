"""Consumers take messages from a queue, browsers look at them: the face that a queue sees, and its notes on each."""

from __future__ import annotations

from typing import Any, Callable, Optional

from handlers.broker.nodes.browsing import Spot
from handlers.broker.nodes.entry import Entry, serials


class Consumer:
    """Takes messages from a queue while it has credit. The link above derives from this.

    deliver: takes an entry: it keeps the entry in `held` until the outcome is known, or settles it at once.
    rest: called after many entries were read in vain: it has `queue.wake(self)` called after others had their turn.
    Subclasses have both.

    credit: the number of messages that it takes now; the queue counts it down.
    held: the acquired and unsettled entries, in order of delivery, under the keys that `deliver` chose.
    selection: the messages that it wants, by `selects(entry)`, and by the same `text` as others; None for any.
    priority: consumers of a higher one come first while they have credit; default 0.
    """

    deliver: Callable[[Entry], None]
    rest: Callable[[], None]
    browsing = False
    selection: Any = None
    priority = 0

    def __init__(self) -> None:
        self.credit = 0
        self.held: dict[Any, Entry] = {}
        self.serial = next(serials)
        self.hungry = False
        self.refuses_below = 0  # it has refused all picky entries of a lower place ...
        self.caught_up = 0  # ... as of this change of theirs
        self.view: Any = None  # the queue's, of this selection

    def activated(self) -> None:
        """Of several at a queue with a single active consumer, it is the one from now on."""

    def idle(self) -> None:
        """Others rested on its behalf, and now there is nothing more for it."""

    def give_up(self, entry: Entry) -> bool:
        """It has held `entry` too long, and is to hold it no more. False: it does not, or cannot."""
        return False

    def was_tried(self, key: Any) -> bool:
        """Whether the entry under `key` may have reached an application: then its loss is a failed attempt."""
        return True


class Browser(Consumer):
    """Looks at the waiting messages of a queue, each once, and takes none.

    A message that another consumer held while the browser went past is not shown to it later.
    """

    browsing = True

    def __init__(self) -> None:
        super().__init__()
        self.spot: Optional[Spot] = None
