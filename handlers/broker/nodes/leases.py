"""The messages of a queue that consumers hold, and since when: so that it takes back those that are held too long.

A Queue whose policy has an `ack_timeout` owns one. Consumers begin a lease for each message that they get. A lease of
a message that has gone, or has come back, stays here until its time, or until such are the most.
"""

from __future__ import annotations

from typing import Any, Optional

from handlers.broker.nodes.entry import ACQUIRED, Entry
from handlers.broker.nodes.policy import Policy


class Leases:
    """See the module. seconds: how long a message may be held. timeouts: how many were taken back."""

    __slots__ = ("seconds", "timeouts", "_since")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.timeouts = 0
        self._since: dict[Entry, tuple[float, Any]] = {}  # with the consumer; the longest held first

    def __len__(self) -> int:
        return len(self._since)

    @property
    def next(self) -> Optional[float]:
        """When the first one ends; None if there is none."""
        for since, _ in self._since.values():
            return since + self.seconds
        return None

    def begin(self, queue: Any, entry: Entry, consumer: Any, now: float) -> None:
        """`consumer` has `entry` of `queue` from now on."""
        leases = self._since
        leases.pop(entry, None)
        leases[entry] = now, consumer
        if len(leases) > 2 * queue.acquired + 1000:
            self._since = {one: lease for one, lease in leases.items() if one.state == ACQUIRED}
        if len(leases) == 1 and queue.host is not None:
            queue.host.attend(queue)

    def take_back(self, queue: Any, now: float) -> None:
        """Have the consumers of `queue` give up what they have held too long: it waits again, uncounted (R12)."""
        late = []
        for entry, (since, consumer) in self._since.items():
            if since + self.seconds > now:
                break
            late.append((entry, consumer))
        for entry, consumer in late:
            self._since.pop(entry, None)
            if entry.state == ACQUIRED and consumer.give_up(entry):
                self.timeouts += 1
                queue.release(entry)


def leases_of(policy: Policy) -> Optional[Leases]:
    """The leases of a queue of this policy, or None."""
    return None if policy.ack_timeout is None else Leases(policy.ack_timeout)
