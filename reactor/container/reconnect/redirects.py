"""Redirects: where a peer sends a connection or a link instead, and for how long that is believed.

The supervisor of a connection enters. It knows conditions and addresses, and follows none.
"""

from __future__ import annotations

from reactor.container.reconnect.attempts import Step
from reactor.hosts import is_loopback, may_be_this_machine
from reactor.lazily import TYPE_CHECKING
from reactor.url import Url

if TYPE_CHECKING:
    from typing import Any, Optional

    from reactor.engine.endpoints.condition import Condition

#: How often in a row a connection or a link goes where it is sent.
MAX_REDIRECTS = 5
#: Seconds without a redirect after which the next one is not in a row with those before.
PATIENCE = 10.0


def info_of(condition: Optional[Condition]) -> dict[Any, Any]:
    """The info of a condition, beside its name; its keys are symbols."""
    return condition.info if condition is not None and isinstance(condition.info, dict) else {}


def where_to(condition: Optional[Condition], present: Optional[Url]) -> Optional[Step]:
    """The address in a redirect [2.8.16, 2.8.18]; None when there is none, or none that can be gone to.

    present: where the connection goes now: scheme, user and password are its own. So TLS is not given up on the way.
        Only this machine sends a client to this machine: another one may want it to talk to servers in here.
    """
    info = info_of(condition)
    hostname, port = info.get("hostname"), info.get("port")
    host = info.get("network-host") or hostname
    if present is None or not isinstance(host, str) or not host:
        return None
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536):
        return None
    if may_be_this_machine(host) and not is_loopback(present.host or "localhost"):
        return None
    default = Url.Port(present.scheme or Url.AMQP)
    try:
        url = Url(present, defaults=False, host=host, port=default if port is None else port, path=None)
    except ValueError:  # a host that is none
        return None
    return Step(0.0, url, hostname if isinstance(hostname, str) else None, redirected=True)


def is_same_place(one: Url, other: Url) -> bool:
    """Whether two addresses are one peer's."""
    ports = [int(url.port or Url.Port(url.scheme or Url.AMQP)) for url in (one, other)]
    return (one.host or "localhost") == (other.host or "localhost") and ports[0] == ports[1]


class Followed:
    """How often something was redirected in a row."""

    __slots__ = ("_count", "_last")

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0

    def may_follow(self, now: float) -> bool:
        """Whether another redirect is followed."""
        return self._count < MAX_REDIRECTS or now - self._last > PATIENCE

    def follow(self, now: float) -> None:
        """Another one is followed."""
        self._count = 1 if now - self._last > PATIENCE else self._count + 1
        self._last = now
