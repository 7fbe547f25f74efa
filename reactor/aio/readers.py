"""The network on event loops that watch descriptors: those of Unix, uvloop, and Windows' selector loop.

It is the network of sockets, with the loop in place of a poller of its own: no thread, and one call into the system
for a turn.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Optional

from reactor.loop.interface import Clock, Watcher
from reactor.loop.sockets import SocketNetwork
from reactor.loop.wires import READ, WRITE


class LoopPoller:
    """Descriptors, watched by `loop.add_reader` and `loop.add_writer`; those watched before `attach` from then on."""

    __slots__ = ("_loop", "_ready", "_turn", "_watched")

    def __init__(self) -> None:
        self._watched: dict[int, tuple[Any, int, Watcher]] = {}
        self._ready: list[tuple[Watcher, int]] = []
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._turn: Callable[[], None] = _nothing

    def attach(self, loop: asyncio.AbstractEventLoop, turn: Callable[[], None]) -> None:
        """Begin. turn: called for each descriptor that is ready."""
        self._loop, self._turn = loop, turn
        for number, (_, interest, _) in list(self._watched.items()):
            self._apply(number, 0, interest)

    def detach(self) -> None:
        """Watch nothing any more. Harmless when repeated."""
        for number, (_, interest, _) in list(self._watched.items()):
            self._apply(number, interest, 0)
        self._loop, self._turn = None, _nothing

    def watch(self, thing: Any, interest: int, watcher: Watcher) -> None:
        number = thing if isinstance(thing, int) else thing.fileno()
        if number < 0:
            raise ValueError("it is closed: %r" % (thing,))
        known, before, _ = self._watched.get(number, (thing, 0, watcher))
        if known is not thing:  # it was closed while it was watched, and the system gave its number out again
            self._apply(number, before, 0)
            before = 0
        self._apply(number, before, interest)
        self._watched[number] = (thing, interest, watcher)

    def unwatch(self, thing: Any) -> None:
        number = thing if isinstance(thing, int) else _number(thing)
        numbers = [number] if number >= 0 else [n for n, (known, _, _) in self._watched.items() if known is thing]
        for number in numbers:
            if number in self._watched:
                self._apply(number, self._watched.pop(number)[1], 0)

    def wait(self, timeout: float) -> list[tuple[Watcher, int]]:
        """Those that were ready since the last call. It never waits."""
        ready, self._ready = self._ready, []
        return ready

    def fileno(self) -> int:
        return -1  # the loop's own is not told

    def watched(self) -> list[Any]:
        return [thing for thing, _, _ in self._watched.values()]

    def close(self) -> None:
        self.detach()
        self._watched.clear()
        self._ready.clear()

    def _apply(self, number: int, before: int, interest: int) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        gone, new = before & ~interest, interest & ~before
        if gone & READ:
            loop.remove_reader(number)
        if gone & WRITE:
            loop.remove_writer(number)
        if new & READ:
            loop.add_reader(number, self._is_ready, number, READ)
        if new & WRITE:
            loop.add_writer(number, self._is_ready, number, WRITE)

    def _is_ready(self, number: int, mask: int) -> None:
        entry = self._watched.get(number)
        if entry is not None:
            self._ready.append((entry[2], mask))
            self._turn()


def _nothing() -> None:
    pass


def _number(thing: Any) -> int:
    try:
        return int(thing.fileno())
    except ValueError:
        return -1


class ReaderNetwork(SocketNetwork):
    """The network of sockets, on an event loop."""

    __slots__ = ("_poller",)

    def __init__(self, clock: Clock) -> None:
        self._poller = LoopPoller()
        super().__init__(clock, poller=self._poller)

    def works_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the loop watches descriptors: Windows' proactor loop does not."""
        number = self.wake_descriptor
        try:
            loop.add_reader(number, _nothing)
        except NotImplementedError:
            return False
        loop.remove_reader(number)
        return True

    def attach(self, loop: asyncio.AbstractEventLoop, turn: Callable[[], None]) -> None:
        """See `interface.LoopNetwork`."""
        self._poller.attach(loop, turn)

    def detach(self) -> None:
        """See `interface.LoopNetwork`."""
        self._poller.detach()
