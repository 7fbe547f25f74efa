"""Reasons: whether the condition with which a peer ends an endpoint is final, or passes; and in words.

The one place that decides that. Floor 0: open to every module. A reason that passes makes a loss of a close, an end or
a detach: the endpoint is asked for again. A final one would only be met again: the application gets an error event,
because a person has to act.
"""

from __future__ import annotations

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
from reactor.lazily import TYPE_CHECKING
from reactor.shown import shown

if TYPE_CHECKING:
    from typing import Any

#: Reasons that pass by themselves: a restart, a stand-still, a busy peer, another holder. The last four are
#: Azure's, for the same; reactor/azure/conditions.py has their sources. Every other name is final, unknown ones too:
#: the program that made one up alone knows its meaning, and the application may know that program; a retry would
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

#: Causes that this side would only find again: the password, the certificate, the missing TLS. Every other loss of a
#: wire passes.
UNTRUSTED = frozenset((UNAUTHORIZED_ACCESS, POLICY_ERROR))


def passes(condition: Any, was_open: bool = False) -> bool:
    """Whether the reason that a peer gave passes. None, which is no reason, does not: the peer meant to end it.

    was_open: of a connection: the peer has opened it before. A peer that allows one connection for each container-id
        refuses the one after a loss for as long as it takes the lost one for alive.
    """
    if condition is None:
        return False
    if was_open and condition.name == INVALID_FIELD and isinstance(condition.info, dict):
        return bool(condition.info.get("invalid-field") == "container-id")
    return condition.name in PASSING


def ended(endpoint: Any) -> tuple[str, str]:
    """How a link, session or connection has ended that the peer has closed."""
    word = "detached" if getattr(endpoint, "remote_detached", False) else "closed"
    if endpoint.remote_condition is not None and not endpoint.is_blamed:
        return "refused", "was %s by the peer%s" % (word, reason_of(endpoint))
    if endpoint.remote_condition is not None:
        return "refused", "was closed here for a fault of the peer%s" % reason_of(endpoint)
    return "ended", "was %s by the peer, which gave no reason" % word


def reason_of(endpoint: Any) -> str:
    """The peer's reason, after a colon; "" where it gave none."""
    condition = endpoint.remote_condition
    if condition is None:
        return ""
    return ": %s" % shown(": ".join(part for part in (condition.name, condition.description) if part))
