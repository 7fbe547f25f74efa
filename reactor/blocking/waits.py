"""The numbers of blocking calls: timeouts, which are those of the call, of the connection, or none; and capacities."""

from __future__ import annotations

from math import inf, isnan
from typing import Any, Literal, Optional, Union

Patience = Union[None, Literal[False], float]
"""Seconds that a call waits; None: for ever; False: as long as its connection says."""


def deadline_of(timeout: Patience, usual: Optional[float], now: float) -> Optional[float]:
    """When a wait ends that begins at `now`; None: never. usual: the timeout of the connection.

    TypeError for a timeout that is no number of seconds, ValueError for one that is negative or no number.
    """
    if timeout is False:
        timeout = usual
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        text = "timeout is a number of seconds, None for ever, or False for the connection's, not %r"
        raise TypeError(text % (timeout,))
    if timeout == inf:
        return None
    if isnan(timeout) or timeout < 0:
        raise ValueError("timeout is a number of seconds from 0 on, or None for ever, not %r" % (timeout,))
    return now + timeout


def checked_capacity(capacity: Any, least: int) -> int:
    """`capacity`; ValueError unless it is a number of messages from `least` on."""
    if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < least:
        raise ValueError("capacity is a number of messages from %d on, not %r" % (least, capacity))
    return capacity
