"""Messages on their way into the store, and from there into their queues: plain data that durability.py keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional, Protocol

from handlers.broker.nodes.directory import Node, Refused
from handlers.broker.nodes.envelope import Envelope
from handlers.broker.nodes.gate import Gate
from handlers.broker.nodes.node import Queue

Done = Callable[[Optional[Refused]], None]
"""Called with None when a message is there, with the error when it could not be written."""


class Sender(Protocol):
    """An Intake, as its plain messages see it. expected: how many of them are on their way."""

    expected: int

    def confirm(self, delivery: Any, queue: Queue, room: bool) -> None:
        """The message is on disk and in its queue. room: as `put` of the queue returns it."""
        ...

    def deny(self, delivery: Any, refused: Refused) -> None:
        """The message is nowhere."""
        ...


class Plain(NamedTuple):
    """A message for a queue that is in the store and looks at nothing of it, with no terms of its own: most are. It has
    no `done`, which would be a function for each."""

    queue: Queue
    envelope: Envelope
    body: bytes
    number: int
    sender: Sender
    delivery: Any


class Arrival(NamedTuple):
    """A message on its way into a queue. expires, due: by the broker's clock. done: see Done; where it insists, it is
    tried again instead. copies: the subscriptions that get it, with the numbers there."""

    queue: Node
    envelope: Envelope
    body: bytes
    expires: float
    number: int
    done: Done
    due: float = 0.0
    insists: bool = False
    copies: Sequence[tuple[Queue, int]] = ()

    def gates(self) -> list[Gate]:
        """The gates that hold a place for it."""
        queues = (self.queue,) if isinstance(self.queue, Queue) else [copy for copy, _ in self.copies]
        return [one.gate for one in queues if one.gate is not None]


class Together(NamedTuple):
    """Messages that arrive as a whole. done: as in Arrival."""

    arrivals: Sequence[Arrival]
    done: Done
