"""The parts of a channel of a connection with observers: each does the work of its base, and calls them.

A connection without observers has the bases, and pays nothing. Observers look on: their arguments are the
engine's own, and they change nothing of it.
"""

from __future__ import annotations

from reactor.engine.endpoints.delivery import OPEN
from reactor.engine.wire.flows import Flows
from reactor.engine.wire.outcomes import Outcomes
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from reactor.engine.interface import ChannelInterface

    Hook = Callable[[Any], None]


class ObservedFlows(Flows):
    """Flows, with a call for each link with another credit by a flow, either way."""

    __slots__ = ("_credit",)

    def __init__(self, channel: ChannelInterface, credit: Hook) -> None:
        super().__init__(channel)
        self._credit = credit

    def write(self, out: bytearray) -> int:
        receivers = [link for link in self.links if link.is_receiver]
        frames = super().write(out)
        for link in receivers:
            self._credit(link)
        return frames

    def recv_flow(  # its signature is the performative
        self, next_incoming_id: Any, incoming_window: Any, next_outgoing_id: Any, outgoing_window: Any,
        handle: Optional[int] = None, *rest: Any,
    ) -> None:  # fmt: skip
        super().recv_flow(next_incoming_id, incoming_window, next_outgoing_id, outgoing_window, handle, *rest)
        link = None if handle is None else self.channel.attachments.handles_in.get(handle)
        if link is not None and link.is_sender:
            self._credit(link)


class ObservedOutcomes(Outcomes):
    """Outcomes, with a call for each received delivery when its settlement is written."""

    __slots__ = ("_settled",)

    def __init__(self, channel: ChannelInterface, settled: Hook) -> None:
        super().__init__(channel)
        self._settled = settled

    def write(self, out: bytearray) -> int:
        settled = self._settled
        for delivery in self.due:
            if delivery.fate != OPEN and delivery.link.is_receiver and delivery.id in self.channel.incoming.unsettled:
                settled(delivery)
        return super().write(out)
