"""The message ids that a queue has seen last, so that a message which is sent again is taken once.

A sender that has not heard the outcome of a message sends it again, with the same id [3.2.4]. A gate enters (gate.py).
In a store each id stands under the number of its message, so that it is known after a restart if the message was kept.
"""

from __future__ import annotations

from typing import Optional
from uuid import UUID

from handlers.broker.nodes.sections import PROPERTIES, opened
from reactor import ReactorException


class Duplicates:
    """The last ids of one queue. window: how many. count: messages that have come again.

    evicted: numbers, in the store, of ids that it has forgotten since; the store empties it.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.count = 0
        self.evicted: list[int] = []
        self._numbers: dict[bytes, int] = {}  # the oldest first; 0: in memory alone

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, key: Optional[bytes]) -> bool:
        return key in self._numbers

    def remember(self, key: bytes, number: int = 0) -> None:
        """A message with this id has come; the oldest ids give way. number: of the message, in the store."""
        self._numbers[key] = number
        while len(self._numbers) > self.window:
            number = self._numbers.pop(next(iter(self._numbers)))
            if number:
                self.evicted.append(number)

    def forget(self, key: Optional[bytes]) -> None:
        """The message with this id was not kept: it may come again."""
        if key is not None:
            self._numbers.pop(key, None)


def key_of(body: bytes) -> Optional[bytes]:
    """The message id in `body`, as bytes; None if it has none, or is no message, or one that is
    not looked into. Ids of different types are different
    ones [3.2.11 - 3.2.14]."""
    try:
        identity = opened(body, PROPERTIES).id
    except ReactorException:
        return None
    if identity is None:
        return None
    if isinstance(identity, str):
        return b"s" + identity.encode()
    if isinstance(identity, UUID):
        return b"u" + identity.bytes
    if isinstance(identity, int):
        return b"n%d" % identity
    return b"b" + bytes(identity)
