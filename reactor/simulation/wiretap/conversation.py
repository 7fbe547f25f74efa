"""Conversations: the books of the two ends of each wire: links, credit, deliveries.

Properties enter: they need the meaning of a frame (a transfer used credit), and not its bytes. The books of
an end are kept by the frames that it wrote and read, in that order, so they hold the knowledge of that end, and
nothing of the engine under test. Frames that break the rules are passed over: they are the
engine's business.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from reactor.codec.definitions import ATTACH, BEGIN, DETACH, DISPOSITION, END, FLOW, TRANSFER
from reactor.codec.types import Described
from reactor.simulation.network.wire import MemoryWire
from reactor.simulation.wiretap.events import Observer
from reactor.simulation.wiretap.frames import Frame

_MASK = 0xFFFFFFFF


class WireLink:
    """A link, as one end of a wire knows it.

    sends: whether this end sends over it. credit: how many deliveries the sender may still send, as far as this
    end knows; None before the first flow. lowered: the credit after a flow that has taken some back: it holds from the
    sender's next flow on, as transfers may be on their way to the wire.
    """

    __slots__ = ("count", "credit", "current", "lowered", "name", "sends")

    def __init__(self, name: str, sends: bool) -> None:
        self.name = name
        self.sends = sends
        self.credit: Optional[int] = None
        self.lowered: Optional[int] = None
        self.count = 0
        self.current: Optional[WireDelivery] = None  # some of its frames have passed


class WireDelivery:
    """A delivery, as one end of a wire knows it.

    number: its delivery-id. outgoing: whether this end sends it. payload: all of it, once it is complete.
    presettled: sent settled. aborted: given up by its sender.
    settled_here, settled_there: whether this end, and whether the other one, has said that it is settled.
    """

    __slots__ = (
        "aborted",
        "link",
        "number",
        "outgoing",
        "parts",
        "payload",
        "presettled",
        "settled_here",
        "settled_there",
    )

    def __init__(self, link: WireLink, number: int, outgoing: bool) -> None:
        self.link = link
        self.number = number
        self.outgoing = outgoing
        self.parts: list[bytes] = []
        self.payload = b""
        self.presettled = False
        self.aborted = False
        self.settled_here = False
        self.settled_there = False


class Property(Observer):
    """A rule for every run: an Observer that also sees the meaning of frames. See properties.py."""

    def credit_used(self, end: WireEnd, link: WireLink) -> None:
        """This end begins a delivery; the rest of the credit is in `link.credit`."""

    def sent(self, end: WireEnd, delivery: WireDelivery) -> None:
        """This end has written the last frame of a delivery."""

    def received(self, end: WireEnd, delivery: WireDelivery) -> None:
        """This end has read the last frame of a delivery."""

    def disposed(self, end: WireEnd, delivery: WireDelivery, said: bool, state: Optional[int], settled: bool) -> None:
        """A delivery was given a state, or settled. said: by this end; else by the other one. state: its code."""

    def disposed_unknown(self, end: WireEnd, number: int) -> None:
        """This end speaks of a delivery that it has neither sent nor received."""


class _Session:
    """The books of one session."""

    __slots__ = ("deliveries", "handles", "links")

    def __init__(self) -> None:
        self.links: dict[tuple[str, bool], WireLink] = {}
        #: By direction, True for the numbers of this end.
        self.handles: dict[bool, dict[int, WireLink]] = {True: {}, False: {}}
        self.deliveries: dict[bool, dict[int, WireDelivery]] = {True: {}, False: {}}


class WireEnd:
    """One end of a wire.

    program, peer: the names of the programs here and at the other end. wire: the number of the wire.
    """

    def __init__(self, wire: MemoryWire, listeners: list[Property]) -> None:
        assert wire.peer is not None
        self.program = wire.node.name
        self.peer = wire.peer.node.name
        self.wire = wire.number
        self._listeners = listeners
        self._sessions: dict[bool, dict[int, _Session]] = {True: {}, False: {}}

    def __str__(self) -> str:
        return f"{self.program}, on its wire {self.wire} to {self.peer}"

    def passed(self, frame: Frame, said: bool) -> None:
        """A frame was written here (said), or read."""
        keep = _KEEPERS.get(frame.descriptor)
        if keep is not None and frame.fields:
            keep(self, frame, said)

    def _session(self, frame: Frame, said: bool) -> Optional[_Session]:
        return self._sessions[said].get(frame.channel)

    def _begin(self, frame: Frame, said: bool) -> None:
        answers = frame.remote_channel
        session = _Session() if answers is None else self._sessions[not said].get(answers)
        if session is not None:
            self._sessions[said][frame.channel] = session

    def _end(self, frame: Frame, said: bool) -> None:
        self._sessions[said].pop(frame.channel, None)

    def _attach(self, frame: Frame, said: bool) -> None:
        session = self._session(frame, said)
        if session is None:
            return
        sends = frame.role is not said  # role is true for the frames of a receiver
        key = (frame.name, sends)
        link = session.links.get(key)
        if link is None:
            link = session.links[key] = WireLink(frame.name, sends)
        session.handles[said][frame.handle] = link
        if frame.initial_delivery_count is not None:
            link.count = frame.initial_delivery_count

    def _detach(self, frame: Frame, said: bool) -> None:
        session = self._session(frame, said)
        link = None if session is None else session.handles[said].pop(frame.handle, None)
        if session is not None and link is not None and link not in session.handles[not said].values():
            session.links.pop((link.name, link.sends), None)  # the next one of that name begins anew

    def _flow(self, frame: Frame, said: bool) -> None:
        session = self._session(frame, said)
        link = None if session is None else session.handles[said].get(frame.handle)
        if link is None or frame.link_credit is None:
            return
        if link.sends is said:  # the flow of the sender has its count
            if frame.delivery_count is not None:
                link.credit, link.count, link.lowered = frame.link_credit, frame.delivery_count, None
        else:
            seen = 0 if frame.delivery_count is None else (link.count - frame.delivery_count) & _MASK
            credit = frame.link_credit - (seen if seen <= _MASK // 2 else seen - _MASK - 1)
            if said or link.credit is None or credit >= link.credit:
                link.credit, link.lowered = credit, None
            else:
                link.lowered = credit

    def _transfer(self, frame: Frame, said: bool) -> None:
        session = self._session(frame, said)
        link = None if session is None else session.handles[said].get(frame.handle)
        if session is None or link is None:
            return
        delivery = link.current
        if delivery is None:
            if frame.delivery_id is None:
                return
            delivery = link.current = WireDelivery(link, frame.delivery_id, said)
            session.deliveries[said][frame.delivery_id] = delivery
            link.count = (link.count + 1) & _MASK
            link.credit = (link.credit or 0) - 1
            if link.lowered is not None:
                link.lowered -= 1
            if said:
                for listener in self._listeners:
                    listener.credit_used(self, link)
        if frame.settled:
            delivery.presettled = delivery.settled_here = delivery.settled_there = True
        delivery.parts.append(frame.payload)
        if frame.aborted:
            delivery.aborted = delivery.settled_here = delivery.settled_there = True
        if frame.more and not frame.aborted:
            return
        link.current = None
        delivery.payload = b"".join(delivery.parts)
        delivery.parts = []
        if not delivery.aborted:
            for listener in self._listeners:
                (listener.sent if said else listener.received)(self, delivery)

    def _disposition(self, frame: Frame, said: bool) -> None:
        session = self._session(frame, said)
        if session is None:
            return
        # A disposition of the receiver is about deliveries of the other end: ours, when the peer wrote it.
        known = session.deliveries[frame.role is not said]
        state = frame.state.descriptor if isinstance(frame.state, Described) else None
        last = frame.first if frame.last is None else frame.last
        span = ((last - frame.first) & _MASK) + 1
        if said and span == 1 and frame.first not in known:
            for listener in self._listeners:
                listener.disposed_unknown(self, frame.first)
        if span <= len(known):
            numbers = [number & _MASK for number in range(frame.first, frame.first + span)]
        else:  # a range may have four billion; only known deliveries are looked at
            numbers = [number for number in known if (number - frame.first) & _MASK < span]
        for number in numbers:
            delivery = known.get(number)
            if delivery is None:
                continue
            for listener in self._listeners:
                listener.disposed(self, delivery, said, state, bool(frame.settled))
            if frame.settled and said:
                delivery.settled_here = True
            elif frame.settled:
                delivery.settled_there = True


_KEEPERS: dict[int, Callable[[WireEnd, Frame, bool], None]] = {
    BEGIN: WireEnd._begin,
    ATTACH: WireEnd._attach,
    FLOW: WireEnd._flow,
    TRANSFER: WireEnd._transfer,
    DISPOSITION: WireEnd._disposition,
    DETACH: WireEnd._detach,
    END: WireEnd._end,
}


class Conversations(Observer):
    """Keeps the books of every end of every wire, and calls the properties."""

    def __init__(self, listeners: list[Property]) -> None:
        self._listeners = listeners
        self._ends: dict[Any, WireEnd] = {}

    def wrote(self, wire: MemoryWire, frame: Frame) -> None:
        self._end_of(wire).passed(frame, True)

    def read(self, wire: MemoryWire, frame: Frame) -> None:
        self._end_of(wire).passed(frame, False)

    def _end_of(self, wire: MemoryWire) -> WireEnd:
        end = self._ends.get(wire)
        if end is None:
            for closed in [other for other in self._ends if other.closed]:
                del self._ends[closed]
            end = self._ends[wire] = WireEnd(wire, self._listeners)
        return end
