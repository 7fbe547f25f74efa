"""A store in memory: the specification of the others, and for tests. It forgets all when the process ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Optional

from handlers.broker.store.interface import (
    AddMessage,
    AddNode,
    Change,
    CountMessage,
    DelayMessage,
    ForgetId,
    Group,
    RememberId,
    RemoveMessage,
    RemoveNode,
    RewriteMessage,
    StoredMessage,
    StoreError,
)


class MemoryStore:
    """A Store. A broker that is started again with the same object finds all that it had committed."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._nodes: dict[int, AddNode] = {}
        self._messages: dict[int, StoredMessage] = {}
        self._ids: dict[int, RememberId] = {}

    def new_number(self) -> int:
        """As Store.new_number."""
        return next(self._numbers)

    def nodes(self) -> list[AddNode]:
        """As Store.nodes."""
        return [self._nodes[number] for number in sorted(self._nodes)]

    def messages(self) -> Iterator[StoredMessage]:
        """As Store.messages."""
        for number in sorted(self._messages):
            yield self._messages[number]

    def ids(self) -> list[RememberId]:
        """As Store.ids."""
        return [self._ids[number] for number in sorted(self._ids)]

    def commit(self, groups: Sequence[Group]) -> Sequence[Optional[StoreError]]:
        """As Store.commit; nothing here can fail."""
        for group in groups:
            for change in group:
                self._apply(change)
        return [None] * len(groups)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _apply(self, change: Change) -> None:
        messages = self._messages
        if isinstance(change, AddMessage):
            messages[change.number] = StoredMessage(*change[:5], failures=0, due=change.due)
        elif isinstance(change, RemoveMessage):
            messages.pop(change.number, None)
        elif isinstance(change, CountMessage):
            if change.number in messages:
                number, queue, header, body, expires, _, due = messages[change.number]
                messages[number] = StoredMessage(number, queue, header, body, expires, change.failures, due)
        elif isinstance(change, DelayMessage):
            if change.number in messages:
                messages[change.number] = StoredMessage(*messages[change.number][:6], due=change.due)
        elif isinstance(change, RewriteMessage):
            if change.number in messages:
                number, queue, header, _, expires, failures, due = messages[change.number]
                messages[number] = StoredMessage(number, queue, header, change.body, expires, failures, due)
        elif isinstance(change, RememberId):
            self._ids[change.number] = change
        elif isinstance(change, ForgetId):
            self._ids.pop(change.number, None)
        elif isinstance(change, AddNode):
            self._nodes[change.number] = change
        elif isinstance(change, RemoveNode):
            self._nodes.pop(change.number, None)
            self._ids = {n: one for n, one in self._ids.items() if one.queue != change.number}
            self._messages = {n: message for n, message in messages.items() if message.queue != change.number}
