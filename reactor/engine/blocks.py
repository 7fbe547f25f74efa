"""Memory of long messages: blocks that come and go with each of them.

The C library of Linux gives a freed block of 128 KiB or more back to the system, and faults every page of the next one
in again: 500 faults for a message of 1 MB, two thirds of its time. It learns: once a larger block was freed, it keeps
those that are smaller. So one larger block is asked for and given back, before the first long message and before a
longer one; none of its pages is touched. Elsewhere this has no effect.
"""

from __future__ import annotations

#: A receiver holds pieces, message and body at the same time, and a few messages come ahead.
AHEAD = 8
#: The C library learns nothing from a block of 32 MiB or more.
MOST = 31 * 1024 * 1024


class Blocks:
    """The longest message so far, of this process: each is known by one comparison.

    expected: its size in bytes.
    gathered_from: bytes from which on the pieces of a message are put together as they come; 0 for never. A container
        knows the system, and sets it where a large block grows without a copy.
    """

    __slots__ = ("expected", "gathered_from")

    def __init__(self) -> None:
        self.expected = 0
        self.gathered_from = 0

    def expect(self, size: int) -> None:
        """Messages of so many bytes come and go from now on: let their memory stay."""
        if size > self.expected:
            self.expected = size
            bytes(min(AHEAD * size, MOST))  # by calloc; a bytearray would write to all of it


blocks = Blocks()
