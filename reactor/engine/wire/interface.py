"""Interface: the transport, and how it ends, as the parts that it owns see them.

A transport makes its parts, and hands itself to those that have to know it. The wire as a channel
sees it is in reactor/engine/interface.py.
"""

from __future__ import annotations

from typing import Any, Optional, Protocol

from reactor.engine.endpoints.condition import Condition
from reactor.engine.endpoints.connection import Connection
from reactor.engine.wire.taps import Taps
from reactor.errors import RemoteProtocolError


class EndingInterface(Protocol):
    """How a wire ends; see ending.py."""

    def answer(self, error: RemoteProtocolError, channel: Optional[int] = None) -> None:
        """Turn the peer's error into the frame that answers it."""

    def end_with(self, condition: Condition) -> None:
        """Close the connection because of `condition`."""

    def recv_close(self, error: Any = None) -> None:
        """The peer closes the connection."""


class OwningTransport(Protocol):
    """A transport, for the parts that it owns; see transport.py."""

    connection: Optional[Connection]
    taps: Taps

    @property
    def ending(self) -> EndingInterface:
        """The part that ends it."""

    @property
    def idle_timeout(self) -> float:
        """Seconds without input after which the peer counts as gone; 0 for never."""
