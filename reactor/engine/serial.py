"""Serial numbers: ids of 32 bits that wrap round [2.8.10], and the choice of the next handle or channel.

A ground room: it does not know the things that are numbered.
"""

from __future__ import annotations

from reactor.lazily import TYPE_CHECKING

MASK = 0xFFFFFFFF
HALF = 0x80000000


if TYPE_CHECKING:
    from collections.abc import Container, Sized
    from typing import Optional, Protocol

    class Numbers(Container[int], Sized, Protocol):
        """The numbers in use: a dict by number, or a set."""


def serial_difference(a: int, b: int) -> int:
    """How far `a` is ahead of `b`, negative when it is behind, for serial numbers of 32 bits [RFC 1982]."""
    difference = (a - b) & MASK
    return difference - 0x100000000 if difference >= HALF else difference


def free_number(taken: Numbers) -> int:
    """The handle for another link: the next one where all are in use, else one from a gap."""
    size = len(taken)
    return size if size not in taken else next(number for number in range(size) if number not in taken)


def next_number(taken: Numbers, last: int, most: int) -> Optional[int]:
    """The channel for another session: the first free one behind `last`, from 0 on again behind `most`. None where all
    are in use. So one that has just been given up stays free for as long as it can: RabbitMQ 4.0 falls silent when a
    session begins at once on the channel of one that has ended with an error."""
    number = last + 1
    for _ in range(len(taken) + 1):
        if number > most:
            number = 0
        if number not in taken:
            return number
        number += 1
    return None
