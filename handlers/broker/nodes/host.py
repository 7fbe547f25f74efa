"""What a queue asks of the broker around it: to keep its messages in a store, and to take those that it gives up.

A broker implements these; a queue without them is complete, in memory.
"""

from __future__ import annotations

from typing import Any, Protocol

from handlers.broker.nodes.entry import Entry


class Keeper(Protocol):
    """A store, as a queue sees it: it hears of the messages that have a number there."""

    def left(self, entry: Entry) -> None: ...
    def counted(self, entry: Entry) -> None: ...
    def rewritten(self, entry: Entry) -> None: ...
    def delayed(self, entry: Entry, due: float) -> None: ...


class Host(Protocol):
    """The broker, as a queue sees it."""

    def bury(self, queue: Any, entry: Entry, outcome: int) -> None:
        """`entry` is about to leave `queue`, and goes to the dead letter address. Its number is the host's then."""
        ...

    def attend(self, queue: Any) -> None:
        """`queue` has a new deadline: `expire` is to be called then. It may be at work."""
        ...

    def emptied(self, queue: Any) -> None:
        """The last message of `queue` is about to leave, and it may end with that. It is at work."""
        ...
