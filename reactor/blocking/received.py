"""ReceivedMessage: a message that a blocking receiver has taken, with the delivery that it came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

from reactor.codec.message import Message
from reactor.engine.endpoints.disposition import Disposition, DispositionType
from reactor.engine.modes import AcknowledgeMode

if TYPE_CHECKING:
    from reactor.blocking.interface import SessionView

Outcome = Union[Disposition, DispositionType]
"""ACCEPTED, REJECTED, RELEASED, MODIFIED, or a Disposition of one of them."""


class ReceivedMessage(Message):
    """A Message that can be acknowledged.

    delivery: its Delivery. It belongs to the thread that serves the connection: read it, and call nothing.
    session: the session that it came over. acknowledge_mode: that of its receiver.
    """

    delivery: Any
    origin: Any
    session: SessionView
    acknowledge_mode: AcknowledgeMode

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before, and that failed: its delivery count is above 0 (JMSRedelivered)."""
        return bool(self.delivery_count)

    def acknowledge(self, outcome: Optional[Outcome] = None, sync: bool = True) -> None:
        """Acknowledge it, as its mode says (row J6). INDIVIDUAL: it alone, as `session.acknowledge(message)`. CLIENT:
        all messages that the session has taken and not acknowledged; another outcome than ACCEPTED is for it alone.
        AUTO and DUPS_OK have accepted it, and a transaction will when it is committed: nothing happens.

        outcome: None for ACCEPTED; in a transaction, that which it has when that is committed. sync: as in
        `session.acknowledge`. Raises SessionException where its sender has settled it (NONE), where it is settled
        already (INDIVIDUAL), and for another outcome than the mode gives.
        """
        self.session.acknowledge_in_mode(self, outcome, sync)
