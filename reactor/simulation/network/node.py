"""A node: the network in memory, as one container sees it.

The network makes them, and loops hold them as their `interface.Network`. It knows the watchers
of each wire and listener, and the ones that may be ready.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional

from reactor.loop.aside import outcome_of
from reactor.loop.interface import Network, Watchable, Watcher
from reactor.loop.wires import join_address
from reactor.simulation.network.interface import NetworkView
from reactor.simulation.network.wire import MemoryListener, MemoryWire, place_of

Ready = tuple[Watcher, int]

_EVERYWHERE = frozenset(["", "0.0.0.0", "::"])


class MemoryNode:
    """The network as one container sees it: see `interface.Network`.

    name: for messages. machine: see `MemoryNetwork.node`.
    dying: its program is being ended in the middle of a turn: its further writes go nowhere.
    """

    def __init__(self, network: NetworkView, name: str, machine: str = "") -> None:
        self.network = network
        self.name = name
        self.machine = machine
        self.dying = False
        self._watched: dict[int, tuple[Watchable, int, Watcher]] = {}
        # Things that may be ready: each change puts one here, and it stays as long as it is ready. An idle wire
        # costs nothing, and the order is that in which things happened.
        self._stirred: dict[int, Watchable] = {}
        self._poked: dict[int, tuple[Watchable, int]] = {}  # see poke
        self._woken = False

    def connect(self, host: str, port: int) -> MemoryWire:
        wire = MemoryWire(self, host, port)
        self.network.dial(wire)
        return wire

    def listen(self, host: Optional[str], port: int, backlog: int = 4096) -> MemoryListener:
        place = "*" if (host or "") in _EVERYWHERE else place_of(host or "")
        port = port or self.network.free_port()
        address = join_address("0.0.0.0" if place == "*" else host or "", port)
        listener = MemoryListener(self, place, port, address, backlog)
        self.network.admit(listener)
        return listener

    def watch(self, thing: Watchable, interest: int, watcher: Watcher) -> None:
        if not interest:
            self.unwatch(thing)
        else:
            self._watched[id(thing)] = (thing, interest, watcher)
            self.stir(thing)

    def unwatch(self, thing: Watchable) -> None:
        self._watched.pop(id(thing), None)
        self._stirred.pop(id(thing), None)

    def wait(self, timeout: Optional[float]) -> Sequence[Ready]:
        network = self.network
        network.begin_turn()
        if network.stepped is not None:
            network.stepped[self] = None
        network.answer()
        ready = self._ready()
        woken, self._woken = self._woken, False
        if ready or woken or timeout == 0:
            return ready
        if network.stepped is None:
            network.pass_time(self, timeout)
            return self._ready()
        network.nap = math.inf if timeout is None else network.clock.now() + timeout
        return ready

    def call_aside(self, function: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """At once: a thread would have a time of its own."""
        done(outcome_of(function))

    def wake(self) -> None:
        self._woken = True

    @property
    def wake_descriptor(self) -> int:
        return -1

    def close(self) -> None:
        watched = [thing for thing, _, _ in self._watched.values()]
        for thing in [*watched, *self.network.owned_by(self)]:
            if isinstance(thing, (MemoryWire, MemoryListener)) and thing.node is self:
                thing.close()
        self._watched.clear()
        self._stirred.clear()

    def poke(self, thing: Watchable, mask: int) -> None:
        """For a test: a descriptor of another kind is ready for `mask` from now on; 0: no more."""
        self._poked[id(thing)] = (thing, mask)
        self.stir(thing)

    def stir(self, thing: Watchable) -> None:
        """Something has changed about it."""
        if id(thing) in self._watched:
            self._stirred[id(thing)] = thing

    @property
    def stirring(self) -> bool:
        """Whether the next `wait` has an answer at once."""
        return self._woken or bool(self._stirred and self._ready())

    def _ready(self) -> list[Ready]:
        ready: list[Ready] = []
        for key, thing in list(self._stirred.items()):
            _, interest, watcher = self._watched[key]
            if isinstance(thing, (MemoryWire, MemoryListener)):
                mask = thing.readiness & interest
            else:
                mask = self._poked.get(key, (thing, 0))[1] & interest
            if mask:
                ready.append((watcher, mask))
            else:
                del self._stirred[key]
        return ready


if TYPE_CHECKING:
    _node: type[Network] = MemoryNode
