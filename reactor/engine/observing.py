"""Hooks: the calls of a connection to its observers. The container makes them; endpoints and channels see them as a
protocol of interface.py.
"""

from __future__ import annotations

from reactor.engine.wire.flows import Flows
from reactor.engine.wire.observed import ObservedFlows, ObservedOutcomes
from reactor.engine.wire.outcomes import Outcomes
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional

    from reactor.engine.interface import ChannelInterface
    from reactor.engine.wire.observed import Hook


class Hooks:
    """The calls of a connection to its observers, and the parts of its channels that make them.

    sent: for each delivery that was handed to a sender. settled: for each received one when its settlement is written.
    credit: for each link with another credit. None: nothing is called.
    """

    __slots__ = ("credit", "sent", "settled")

    def __init__(self, sent: Optional[Hook], settled: Optional[Hook], credit: Optional[Hook]) -> None:
        self.sent = sent
        self.settled = settled
        self.credit = credit

    def flows(self, channel: ChannelInterface) -> Flows:
        """The flows of a new channel."""
        return Flows(channel) if self.credit is None else ObservedFlows(channel, self.credit)

    def outcomes(self, channel: ChannelInterface) -> Outcomes:
        """The outcomes of a new channel."""
        return Outcomes(channel) if self.settled is None else ObservedOutcomes(channel, self.settled)
