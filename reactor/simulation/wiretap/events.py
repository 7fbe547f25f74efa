"""The observers of a World, and the gate through which its events go one by one.

A World puts an EventQueue into each of its containers, in place of the plain queue of a Collector: an event that
is taken out of it is on its way to the handlers. It knows events, and nothing of their contexts.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple, Optional

from reactor.engine.events import EventType
from reactor.simulation.network.wire import MemoryWire
from reactor.simulation.wiretap.frames import Frame

Item = tuple[EventType, Any]


class Seen(NamedTuple):
    """An event on its way to the handlers.

    program: the name of the program. method: the name of the handlers' method, such as ``"on_link_flow"``. context:
    the subject: a Link, a Delivery ...
    """

    program: str
    method: str
    context: Any


class Observer:
    """Sees the events of a run. Subclasses choose the methods; each is called before a program acts on the event."""

    def wrote(self, wire: MemoryWire, frame: Frame) -> None:
        """A whole frame or protocol header was written to a wire, at this end of it."""

    def read(self, wire: MemoryWire, frame: Frame) -> None:
        """A whole frame or protocol header was read from a wire, at this end of it."""

    def happened(self, seen: Seen) -> None:
        """An event goes to the handlers of a program."""

    def turned(self, program: str, container: Any) -> None:
        """A program has had a turn."""

    def gone(self, program: str) -> None:
        """A program has crashed."""

    def check(self) -> None:
        """The run is over. Raise AssertionError if anything is not as it should be."""


class EventGate:
    """Lets events through, shows them to the observers, and can be set to let only so many through.

    left: how many may still pass; -1 for any number.
    last: the last one that did.
    """

    __slots__ = ("last", "left", "observers")

    def __init__(self, observers: list[Observer]) -> None:
        self.left = -1
        self.last: Optional[Seen] = None
        self.observers = observers

    def passing(self, program: str, item: Item) -> None:
        """An event goes through."""
        self.last = seen = Seen(program, item[0].method, item[1])
        if self.left > 0:
            self.left -= 1
        for observer in self.observers:
            observer.happened(seen)


class EventQueue(deque[Item]):
    """The queue of one container. While its gate is shut it looks empty to the dispatcher."""

    __slots__ = ("gate", "program")

    def __init__(self, gate: EventGate, program: str) -> None:
        super().__init__()
        self.gate = gate
        self.program = program

    def __bool__(self) -> bool:
        return len(self) > 0 and self.gate.left != 0

    def popleft(self) -> Item:
        item = super().popleft()
        gate = self.gate
        if gate.left >= 0 or gate.observers:
            gate.passing(self.program, item)
        return item
