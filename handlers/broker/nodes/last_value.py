"""Last-value queues: of the messages with one value of an application property the newest alone stays.

A Queue enters, and owns one of these where its policy says so. A message that a consumer holds is not taken from it; it
is dropped when it comes back after a newer one. Messages without the property are not compared.
"""

from __future__ import annotations

from typing import Any

from handlers.broker.nodes.entry import DELAYED, REPLACED, WAITING, Entry
from handlers.broker.nodes.envelope import property_of


class LastValues:
    """See the module. name: of the property."""

    __slots__ = ("name", "_newest", "_values")

    def __init__(self, name: str) -> None:
        self.name = name
        self._newest: dict[Any, Entry] = {}
        self._values: dict[Entry, Any] = {}

    def __len__(self) -> int:
        return len(self._values)

    def came(self, queue: Any, entry: Entry) -> None:
        """`entry` comes into `queue`: an older one of its value leaves."""
        value = property_of(entry.body, self.name)
        if value is None:
            return
        older = self._newest.get(value)
        self._newest[value] = entry
        self._values[entry] = value
        if older is not None and older.state in (WAITING, DELAYED):
            queue.settle(older, REPLACED)
            queue.index.sweep()

    def is_old(self, entry: Entry) -> bool:
        """Whether `entry`, which comes back, has been followed by a newer one."""
        value = self._values.get(entry)
        if value is not None:
            return self._newest.get(value) is not entry
        value = property_of(entry.body, self.name)
        if value is None:
            return False
        if value in self._newest:
            return True
        self._newest[value] = entry  # it was delayed since before a restart
        self._values[entry] = value
        return False

    def gone(self, entry: Entry) -> None:
        """`entry` has left the queue."""
        value = self._values.pop(entry, None)
        if value is not None and self._newest.get(value) is entry:
            del self._newest[value]
