"""The store, as a broker sees it: plain data.

A store keeps nodes (queues, topics, subscriptions) and the durable messages in them. Changes come in groups: each
group is written whole or not at all, and a commit takes many groups at once, so that one turn of the broker costs
one sync of the disk. The broker's own thread enters, alone.

Numbers are the store's names: `new_number` gives one that was never used. Messages of a queue stand in the order of
their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional, Protocol, Union


class StoreError(Exception):
    """A store cannot be opened, or a group cannot be written. full: whether there is no room, which may pass."""

    def __init__(self, text: str, full: bool = False) -> None:
        super().__init__(text)
        self.full = full


class AddNode(NamedTuple):
    """A node, in the place of one of its number: the number, its kind ("queue", "topic", "subscription"), its name, and
    settings that JSON can hold."""

    number: int
    kind: str
    name: str
    settings: Mapping[str, Any]


class RemoveNode(NamedTuple):
    """The node of this number goes, with all its messages, and the ids that it remembers."""

    number: int


class AddMessage(NamedTuple):
    """A message at the end of a queue. header: its first section as it came, or nothing; a message-format other than 0
    stands before it, as `Envelope.kept` has it. body: all that follows.

    expires, due: the end of its time, and its beginning; milliseconds since 1970, 0 for never and at once.
    """

    number: int
    queue: int
    header: bytes
    body: bytes
    expires: int
    due: int = 0


class RemoveMessage(NamedTuple):
    """The message of this number has left its queue."""

    number: int


class CountMessage(NamedTuple):
    """So many deliveries of the message have failed."""

    number: int
    failures: int


class DelayMessage(NamedTuple):
    """The message is not delivered before that date, in milliseconds since 1970."""

    number: int
    due: int


class RewriteMessage(NamedTuple):
    """The message goes on with another body."""

    number: int
    body: bytes


class RememberId(NamedTuple):
    """The message of this number came into a queue under this id, as bytes."""

    number: int
    queue: int
    key: bytes


class ForgetId(NamedTuple):
    """The id of the message of this number is not remembered any more."""

    number: int


Change = Union[
    AddNode,
    RemoveNode,
    AddMessage,
    RemoveMessage,
    CountMessage,
    DelayMessage,
    RewriteMessage,
    RememberId,
    ForgetId,
]
Group = Sequence[Change]


class StoredMessage(NamedTuple):
    """A message as it comes out of a store."""

    number: int
    queue: int
    header: bytes
    body: bytes
    expires: int
    failures: int
    due: int = 0


class Store(Protocol):
    """Keeps nodes and messages."""

    def new_number(self) -> int:
        """A number for a node or message to be added, larger than all before."""
        ...

    def nodes(self) -> list[AddNode]:
        """All nodes, in the order of their numbers."""
        ...

    def messages(self) -> Iterator[StoredMessage]:
        """All messages, in the order of their numbers. Raises StoreError when they cannot be read."""
        ...

    def ids(self) -> list[RememberId]:
        """All ids that are remembered, in the order of their numbers."""
        ...

    def commit(self, groups: Sequence[Group]) -> Sequence[Optional[StoreError]]:
        """Write these groups, in their order. When it returns, they are safe from a crash of process and machine.

        Returns the result of each: None, or the error because of which nothing of that group was written. A change
        of something that is not there changes nothing.
        """
        ...

    def close(self) -> None:
        """Let go of the file. Doing so twice is harmless."""
        ...
