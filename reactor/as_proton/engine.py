"""The endpoints of programs that drive the engine by hand: Connection, with the original's ways; and SASL.

What such a program expects of the order of events, of counters and of windows is the original's. A container's
connections are its own, and keep our ways.
"""

from __future__ import annotations

import reactor
from reactor.listing import Listing


class _OfEither(Listing):
    """Programs ask whether something is a Connection of either kind."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])


class Connection(reactor.Connection, metaclass=_OfEither):
    """reactor.Connection, with the original's ways."""

    def __init__(self) -> None:
        super().__init__()
        self.original_ways = True


class SASL(reactor.SASL, metaclass=_OfEither):
    """reactor.SASL. Made on a transport, it is that one."""

    @staticmethod
    def extended() -> bool:
        """Whether there is a Cyrus SASL to be configured: never, as in the original's wheels. Programs that ask go the
        way without it."""
        return False
