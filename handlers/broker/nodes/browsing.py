"""Where the browsers of a queue stand, in a way that costs a queue nothing however many stand there.

A Queue enters. All that stand before one entry share a spot; when the entry goes, the spot moves on with them, and
joins the one that is there. A browser that is asked to go on looks its spot up.
"""

from __future__ import annotations

from typing import Any, Optional

LOOKS = 1000
"""Messages that a view or a browser looks at in one go."""


class Spot:
    """A place in a queue: before `entry`, which is the queue's root at its end; or that of the spot it has joined."""

    __slots__ = ("entry", "joined")

    def __init__(self, entry: Any) -> None:
        self.entry = entry
        self.joined: Optional[Spot] = None
        entry.spot = self


def spot_before(entry: Any) -> Spot:
    """The spot of those that are to see `entry` next."""
    spot: Optional[Spot] = entry.spot
    return Spot(entry) if spot is None else spot


def move(spot: Spot, entry: Any) -> None:
    """The browsers at `spot` are to see `entry` next."""
    spot.entry.spot = None
    other = entry.spot
    if other is None:
        spot.entry = entry
        entry.spot = spot
    else:
        spot.joined = other
        spot.entry = None


def settled(spot: Spot) -> Spot:
    """The spot that `spot` is now; the caller shall remember that one. The way there becomes short for all."""
    last = spot
    while last.joined is not None:
        last = last.joined
    while spot is not last:
        following = spot.joined
        spot.joined = last
        assert following is not None
        spot = following
    return last
