"""Lines of the log about log-ins that fail: the first ones of a while, and then how many more there were.

A client that guesses passwords, or that was set up wrongly and comes back at once, would else fill the log. The broker
enters, with each failure. What may be tried at all is the business of throttle.py.
"""

from __future__ import annotations

import logging
from typing import Any, Callable

from handlers.broker.access.throttle import LONGEST_USER, network

log = logging.getLogger("handlers.broker")

WHILE = 60.0
"""Seconds in which failures are counted together."""

OF_USER, OF_ADDRESS, OF_ALL = 5, 20, 100
"""Lines of a while: of one user at one address, of all users at one address, and of all."""

NAMED = 3
"""Addresses that have their number in the line about those that were left out."""

MOST_ADDRESSES = 1000
"""Addresses whose failures are counted apart; those of others together."""

OTHERS = "others"


class Failures:
    """The log-ins that have failed at one broker.

    now: the clock. later: has a function called after so many seconds; returns that which can be cancelled.
    """

    def __init__(self, now: Callable[[], float], later: Callable[[Callable[[], None], float], Any]) -> None:
        self._now = now
        self._later = later
        self._began = float("-inf")
        self._lines: dict[tuple[str, ...], int] = {}  # of this while, by address and user, by address, and of all
        self._left_out: dict[str, int] = {}  # by address
        self._timer: Any = None

    def admits(self, address: str, user: str) -> bool:
        """Whether a failure of `user`, from `address` (HOST:PORT), has a line of its own; if not, it is counted."""
        now = self._now()
        if now >= self._began + WHILE:
            self.tell()
            self._began = now
            self._lines.clear()
        place, lines = network(address), self._lines
        bounds = {(place, user[:LONGEST_USER]): OF_USER, (place,): OF_ADDRESS, (): OF_ALL}
        if all(lines.get(key, 0) < most for key, most in bounds.items()):
            for key in bounds:
                lines[key] = lines.get(key, 0) + 1
            return True
        if place not in self._left_out and len(self._left_out) >= MOST_ADDRESSES:
            place = OTHERS
        self._left_out[place] = self._left_out.get(place, 0) + 1
        if self._timer is None:
            self._timer = self._later(self.tell, self._began + WHILE - now)
        return False

    def tell(self) -> None:
        """Have a line about those that were left out, if there are any."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left_out, self._left_out = self._left_out, {}
        if left_out:
            numbers = sorted(left_out.items(), key=lambda each: (each[0] == OTHERS, -each[1]))
            places = ["%d from %s" % (number, place or "nowhere") for place, number in numbers[:NAMED]]
            rest = sum(number for _, number in numbers[NAMED:])
            places += ["%d from %s" % (rest, OTHERS)] if rest else []
            text = "%d more log-ins have failed within %g s, each without a line: %s"
            log.warning(text, sum(left_out.values()), WHILE, ", ".join(places))
