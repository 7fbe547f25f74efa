"""Stores for simulated worlds: in memory, as disks that outlive a broker, and with what may go wrong with a disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Optional

from handlers.broker.store.interface import AddNode, Group, StoreError
from handlers.broker.store.memory import MemoryStore
from reactor.simulation import World


class Unsteady(MemoryStore):
    """A store that fails now and then, in some groups of a commit or in all."""

    def __init__(self, random: Any) -> None:
        super().__init__()
        self.random = random
        self.steady = False

    def commit(self, groups: Sequence[Group]) -> Sequence[Optional[StoreError]]:
        """As MemoryStore.commit, of the groups that are written."""
        if self.steady or self.random.random() < 0.8:
            return super().commit(groups)
        written = [self.random.random() < 0.5 for _ in groups]
        super().commit([group for group, kept in zip(groups, written) if kept])
        return [None if kept else StoreError("no luck", self.random.random() < 0.5) for kept in written]


class Fatal(MemoryStore):
    """A store whose broker crashes in a commit: when so many groups are written, of this commit or of none.

    broker: its program, which is started again some time later. In what is left of its last turn it writes nothing: a
    process that has ended does not either. deaths: how often that happened.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.random = world.source("store")
        self.broker: Any = None
        self.steady = False
        self.deaths = 0
        self._ended = False
        self._left = self._draw()

    def _draw(self) -> int:
        return int(self.random.choice([1, 3, 10, 30]) * (0.5 + self.random.random()))

    def nodes(self) -> list[AddNode]:
        """As MemoryStore.nodes: the broker is back."""
        self._ended = False
        return super().nodes()

    def commit(self, groups: Sequence[Group]) -> Sequence[Optional[StoreError]]:
        """As MemoryStore.commit, unless it comes to its end in the middle."""
        if self._ended:
            return [StoreError("the process has ended") for _ in groups]
        if self.steady or len(groups) < self._left:
            self._left -= len(groups)
            return super().commit(groups)
        super().commit(groups[: self._left])
        self._left = self._draw()
        self._ended = True
        self.deaths += 1
        self.broker.crash(silent=self.random.random() < 0.3)
        self.world.after(self.random.choice([0.0, 0.2, 3.0]), self.broker.restart)
        return [None for _ in groups]


class FailsAt(MemoryStore):
    """A store that fails at the groups with these numbers, the first being 0. full: whether it says that there is no
    room. failed: the kinds of change that were in those groups."""

    def __init__(self, numbers: set[int], full: bool) -> None:
        super().__init__()
        self.numbers = numbers
        self.full = full
        self.failed: Counter[str] = Counter()
        self._count = 0

    def commit(self, groups: Sequence[Group]) -> Sequence[Optional[StoreError]]:
        """As MemoryStore.commit, of the groups that are written."""
        outcomes: list[Optional[StoreError]] = []
        for group in groups:
            if self._count in self.numbers:
                self.failed.update(type(change).__name__ for change in group)
                outcomes.append(StoreError("the disk", self.full))
            else:
                outcomes += super().commit([group])
            self._count += 1
        return outcomes
