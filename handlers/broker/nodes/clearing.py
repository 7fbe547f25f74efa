"""Messages taken out of a queue by an administrator: a few at a time, as a long queue takes time that others wait for.

Management enters. A Sweep stands in the queue as a browser does: its place holds while messages come and go.
"""

from __future__ import annotations

from handlers.broker.nodes.browsing import spot_before
from handlers.broker.nodes.entry import REMOVED, WAITING, Entry
from handlers.broker.nodes.node import Queue


class Sweep:
    """One walk over the waiting messages of a queue, from its head on. left: how many it still takes, at most those
    that wait now: it ends, however many come meanwhile."""

    def __init__(self, queue: Queue, count: int) -> None:
        self.queue = queue
        self.left = min(count, queue.waiting)
        self._spot = spot_before(queue.root.after)

    def next(self, looks: int) -> list[Entry]:
        """The next waiting messages, after a look at no more than so many. `left` is 0 at the end of the queue."""
        root, backlog = self.queue.root, self.queue.backlog
        entry = backlog.stands(self._spot)
        found: list[Entry] = []
        while entry is not root and looks and len(found) < self.left:
            if entry.state == WAITING:
                found.append(entry)
            looks -= 1
            entry = backlog.after(entry)
        self.left = 0 if entry is root else self.left - len(found)
        self._spot = spot_before(entry)
        return found

    def remove(self, looks: int) -> int:
        """Remove the next waiting messages, which count as `removed`. Returns their number."""
        found = self.next(looks)
        for entry in found:
            self.queue.settle(entry, REMOVED)
        self.queue.index.sweep()
        return len(found)
