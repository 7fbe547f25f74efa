"""Reasons: whether what a peer gives as its reason for ending something is final, or passes.

The one place that decides that. Floor 0: everybody may enter. A reason that passes makes a loss of a close, an end or
a detach: what was lost is asked for again. A final one would only be met again, and somebody has to do something about
it: the application is told.
"""

from __future__ import annotations

from typing import Any

from reactor.errors import (
    CONNECTION_FORCED,
    DETACH_FORCED,
    INTERNAL_ERROR,
    INVALID_FIELD,
    POLICY_ERROR,
    RESOURCE_LIMIT_EXCEEDED,
    RESOURCE_LOCKED,
    UNAUTHORIZED_ACCESS,
)

#: Reasons that pass by themselves: a restart, a stand-still, a busy peer, somebody else who has it now. The last four
#: are Azure's, for the same. Every other name is final, those that nobody here knows, too: only the program that made
#: one up can say what it means, and the application may know that program; to try again what is not understood would
#: hide it from both.
PASSING = frozenset(
    (
        INTERNAL_ERROR,
        RESOURCE_LIMIT_EXCEEDED,
        RESOURCE_LOCKED,
        CONNECTION_FORCED,
        DETACH_FORCED,
        "com.microsoft:server-busy",
        "com.microsoft:timeout",
        "com.microsoft:operation-cancelled",
        "com.microsoft:container-close",
    )
)

#: What this side finds wrong with a wire, and would only find again: the password, the certificate, that there is no
#: TLS. Everything else that befalls a wire passes.
UNTRUSTED = frozenset((UNAUTHORIZED_ACCESS, POLICY_ERROR))


def passes(condition: Any, was_open: bool = False) -> bool:
    """Whether the reason that a peer gave passes. None, which is no reason, does not: the peer meant to end it.

    was_open: of a connection: the peer has opened it before. Who allows one connection for each container-id refuses
        the one that is made after a loss for as long as it holds the lost one for alive.
    """
    if condition is None:
        return False
    if was_open and condition.name == INVALID_FIELD and isinstance(condition.info, dict):
        return bool(condition.info.get("invalid-field") == "container-id")
    return condition.name in PASSING
