"""Progress: how much of a long transfer is done, for a function of the program that waits for it.

The service's thread notes the number of bytes; the thread that waits tells them to the function.
"""

from __future__ import annotations

from typing import Callable, Optional

Callback = Callable[[int, Optional[int]], object]
"""Called with the bytes that have left or come, and their number in all; None: that is not known."""

LOOK = 0.05
"""Seconds between two looks at a message that leaves."""


class Progress:
    """The progress of one message. done: bytes. total: of the message; None: not known."""

    def __init__(self, callback: Callback, total: Optional[int]) -> None:
        self.done = 0
        self.total = total
        self._callback = callback
        self._told = 0

    def tell(self) -> None:
        """Call the function, if there is more than it knows."""
        if self.done > self._told:
            self._told = self.done
            self._callback(self.done, self.total)
