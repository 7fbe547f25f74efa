"""The endpoints of programs that drive the engine by hand: Connection, with the original's ways.

What such a program expects of the order of events, of counters and of windows is the original's. A container's
connections are its own, and keep our ways.
"""

from __future__ import annotations

import reactor
from reactor.listing import Listing


class _AnyConnection(Listing):
    """Programs ask whether something is a Connection of either kind."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, reactor.Connection)


class Connection(reactor.Connection, metaclass=_AnyConnection):
    """reactor.Connection, with the original's ways."""

    def __init__(self) -> None:
        super().__init__()
        self.original_ways = True
