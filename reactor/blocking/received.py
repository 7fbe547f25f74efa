"""ReceivedMessage: a message that a blocking receiver has taken, with the delivery that it came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

from reactor.codec.message import Message
from reactor.engine.endpoints.disposition import Disposition, DispositionType

if TYPE_CHECKING:
    from reactor.blocking.interface import SessionView

Outcome = Union[Disposition, DispositionType]
"""ACCEPTED, REJECTED, RELEASED, MODIFIED, or a Disposition of one of them."""


class ReceivedMessage(Message):
    """A Message that can be acknowledged.

    delivery: its Delivery. It belongs to the thread that serves the connection: read it, and call nothing.
    session: the session that it came over.
    """

    delivery: Any
    session: SessionView

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before, and that failed: its delivery count is above 0 (JMSRedelivered)."""
        return bool(self.delivery_count)

    def acknowledge(self, outcome: Optional[Outcome] = None, sync: bool = True) -> None:
        """Settle it: `session.acknowledge(message, outcome, sync)`."""
        self.session.acknowledge(self, outcome, sync)
