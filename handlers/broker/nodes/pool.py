"""Room for messages that queues share, and the producers that wait for it.

Queues enter, and the directory that makes them. It counts bytes, and knows no message.
"""

from __future__ import annotations

from typing import Protocol


class Producer(Protocol):
    """A link that fills a node, as the node sees it."""

    def resume(self) -> None:
        """There is room again: called once for each `block()`."""


class Pool:
    """Room that queues share.

    capacity: bytes that all of them hold before their producers have to wait, 0 for no bound; they may go on when half
    of it is free. bytes: those that they hold now.
    """

    def __init__(self, capacity: int = 0) -> None:
        self.capacity = capacity or float("inf")
        self.resume_at = self.capacity / 2
        self.bytes = 0
        self.blocked: dict[Producer, None] = {}

    @property
    def full(self) -> bool:
        """Whether producers have to wait."""
        return self.bytes >= self.capacity

    def forget(self, producer: Producer) -> None:
        """`producer` is gone: it does not wait any more."""
        self.blocked.pop(producer, None)

    def resume(self) -> None:
        """There is room again: producers that wait look for themselves whether there is some for them."""
        blocked, self.blocked = self.blocked, {}
        for producer in blocked:
            producer.resume()
