"""A network in memory: wires, listeners and names with the manners of TCP, and nothing left to chance.

Programs and their tests enter, and loops through `interface`; it knows no engine and no socket. All nodes
of a MemoryNetwork are one machine, as it were: they share the ports and the names, and every name leads to
it. Each container gets a node of its own.

What it does as the real one: a connect that nobody listens for is refused, a full wire takes nothing, what
was written before the end arrives before the end, an end of one direction leaves the other open, who writes to
a peer that has gone is reset, and who goes with something unread resets the peer.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Optional, Union

from reactor.loop.interface import READ, WRITE, Buffer, ConnectError, Network, Owner, Watchable, join_address
from reactor.simulation.clock import VirtualClock

Ready = tuple[Owner, int]

_EPHEMERAL = 49152  # the first port that is given to whoever asks for none
_HERE = frozenset(["", "localhost", "127.0.0.1", "::1"])
_EVERYWHERE = frozenset(["", "0.0.0.0", "::"])
_PATIENCE = 10_000  # waits of one node, while another has something to do and does not do it


class MemoryNetwork:
    """What the nodes share: clock, ports, names, wires.

    clock: a new VirtualClock by default.
    chunk: see `split`.
    capacity: how many bytes a wire holds in one direction before it is full.
    nodes: in the order in which they were made, as are the others:
    wires: the ends of the wires that are open.
    dialing: the wires that nobody has answered yet.
    listeners: those that are open.
    stepped: set by a Stepper: those that it steps, as they come to wait; None when there is no Stepper. `wait`
        then notes how long it would wait, and returns.
    nap: until when the last `wait` would have waited (infinity: for ever), None: not at all.
    """

    def __init__(
        self,
        clock: Optional[VirtualClock] = None,
        chunk: Union[int, Iterable[int], None] = None,
        capacity: int = 262144,
    ) -> None:
        self.clock = VirtualClock() if clock is None else clock
        self.capacity = capacity
        self.nodes: list[MemoryNode] = []
        self.wires: list[MemoryWire] = []
        self.dialing: list[MemoryWire] = []
        self.listeners: list[MemoryListener] = []
        self.stepped: Optional[dict[MemoryNode, None]] = None
        self.nap: Optional[float] = None
        self._unknown: set[str] = set()
        self._silent: set[str] = set()
        self._last_port = _EPHEMERAL - 1
        self._impatience = 0
        self._chunk: Union[int, Iterator[int], None]
        self.split(chunk)

    # -- for whoever sets the scene ------------------------------------------------------------------------

    def node(self, name: str = "") -> MemoryNode:
        """A place on the network for one container. name: for messages."""
        node = MemoryNode(self, name or f"node {len(self.nodes) + 1}")
        self.nodes.append(node)
        return node

    def split(self, chunk: Union[int, Iterable[int], None]) -> None:
        """How much one read gives at most, from now on. None: all there is; a number; or numbers that are
        taken in turn: over and over when they are a sequence, as far as they go when they are an iterator."""
        if chunk is None or isinstance(chunk, int):
            self._chunk = chunk
        else:
            self._chunk = itertools.cycle(chunk) if isinstance(chunk, Sequence) else iter(chunk)

    def fail_lookup(self, host: str, fails: bool = True) -> None:
        """From now on the name is unknown (or, with False, is known again)."""
        (self._unknown.add if fails else self._unknown.discard)(host)

    def silence(self, host: str, silent: bool = True) -> None:
        """From now on nobody at that host answers, not even with a refusal (or, with False, again).

        An attempt that is under way when the silence ends is answered then.
        """
        (self._silent.add if silent else self._silent.discard)(host)

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way: no attempt to connect, nothing that anybody has not been told. Whoever
        is left alone by the Stepper, as if it had crashed, does not count."""
        nodes = self.nodes if self.stepped is None else self.stepped
        return all(map(self._unanswered, self.dialing)) and not any(node.stirring for node in nodes)

    # -- for nodes -----------------------------------------------------------------------------------------

    def next_chunk(self, limit: int) -> int:
        """How much the next read gives."""
        chunk = self._chunk
        if chunk is None:
            return limit
        return min(limit, max(1, chunk if isinstance(chunk, int) else next(chunk, limit)))

    def begin_turn(self) -> None:
        """Another container has its turn: whether it waits is not known yet."""
        self.nap = None

    def free_port(self) -> int:
        """The next port that nobody listens on."""
        taken = {listener.port for listener in self.listeners}
        while True:
            self._last_port = self._last_port + 1 if self._last_port < 65535 else _EPHEMERAL
            if self._last_port not in taken:
                return self._last_port

    def answer(self) -> None:
        """Settle the attempts to connect. That happens when somebody waits and not when somebody connects,
        as in the real world: whoever starts to listen in the same turn is found."""
        for wire in list(self.dialing):
            if self._unanswered(wire):
                continue
            self.dialing.remove(wire)
            listener = self._find(wire)
            if wire.host in self._unknown:
                wire.failed("", OSError(errno.ENOENT, "Name or service not known"))
            elif not 0 < wire.port < 65536:
                wire.failed(wire.remote_address, OSError(errno.EINVAL, "a port lies between 1 and 65535"))
            elif listener is None:
                refused = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
                wire.failed(wire.answering_address, refused)
            else:
                listener.arrive(wire)

    def _unanswered(self, wire: MemoryWire) -> bool:
        listener = self._find(wire)
        return wire.host in self._silent or (listener is not None and listener.full)

    def _find(self, wire: MemoryWire) -> Optional[MemoryListener]:
        for listener in self.listeners:
            if listener.port == wire.port and listener.place in ("*", _place(wire.host)):
                return listener
        return None

    def pass_time(self, node: MemoryNode, timeout: Optional[float]) -> None:
        """A node has nothing to do for so long. It is the only one that is driven, by its own `run()`: time
        passes for it. A Stepper sees to it where there are more."""
        if not self.quiet:
            self._impatience += 1
            if self._impatience > _PATIENCE:
                idle = ", ".join(other.name for other in self.nodes if other.stirring)
                raise RuntimeError(f"{node.name} waits for ever for {idle}, which nobody runs: use a Stepper")
        elif timeout is None:
            raise RuntimeError(f"{node.name} waits for ever: it has no deadline, and all is quiet")
        else:
            self._impatience = 0
            self.clock.advance(timeout)


class MemoryNode:
    """The network as one container sees it: see `interface.Network`.

    name: for messages.
    """

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self.network = network
        self.name = name
        self._watched: dict[int, tuple[Watchable, int, Owner]] = {}
        # Who may be ready: whatever changed is put here, and stays as long as it is ready. An idle wire
        # costs nothing, and the order is that in which things happened.
        self._stirred: dict[int, Watchable] = {}
        self._poked: dict[int, tuple[Watchable, int]] = {}  # see poke
        self._woken = False

    def connect(self, host: str, port: int) -> MemoryWire:
        wire = MemoryWire(self, host, port)
        self.network.dialing.append(wire)
        return wire

    def listen(self, host: Optional[str], port: int, backlog: int = 4096) -> MemoryListener:
        place = "*" if (host or "") in _EVERYWHERE else _place(host or "")
        port = port or self.network.free_port()
        address = join_address("0.0.0.0" if place == "*" else host or "", port)
        for other in self.network.listeners:
            if other.port == port and (other.place == place or "*" in (other.place, place)):
                why = os.strerror(errno.EADDRINUSE)
                raise OSError(errno.EADDRINUSE, f"cannot listen on {address}: {why}")
        listener = MemoryListener(self, place, port, address, backlog)
        self.network.listeners.append(listener)
        return listener

    def watch(self, thing: Watchable, interest: int, owner: Owner) -> None:
        if not interest:
            self.unwatch(thing)
        else:
            self._watched[id(thing)] = (thing, interest, owner)
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

    def wake(self) -> None:
        self._woken = True

    def close(self) -> None:
        watched = [thing for thing, _, _ in self._watched.values()]
        for thing in [*watched, *self.network.dialing, *self.network.listeners]:
            if isinstance(thing, (MemoryWire, MemoryListener)) and thing.node is self:
                thing.close()
        self._watched.clear()
        self._stirred.clear()

    def poke(self, thing: Watchable, mask: int) -> None:
        """Say, for a test, that a descriptor of somebody else is ready for `mask` from now on; 0: no more."""
        self._poked[id(thing)] = (thing, mask)
        self.stir(thing)

    def stir(self, thing: Watchable) -> None:
        """Something has changed about it."""
        if id(thing) in self._watched:
            self._stirred[id(thing)] = thing

    @property
    def stirring(self) -> bool:
        """Whether the next `wait` has something to tell."""
        return self._woken or bool(self._ready())

    def _ready(self) -> list[Ready]:
        ready: list[Ready] = []
        for key, thing in list(self._stirred.items()):
            _, interest, owner = self._watched[key]
            if isinstance(thing, (MemoryWire, MemoryListener)):
                mask = thing.readiness & interest
            else:
                mask = self._poked.get(key, (thing, 0))[1] & interest
            if mask:
                ready.append((owner, mask))
            else:
                del self._stirred[key]
        return ready


class MemoryListener:
    """See `interface.Listener`."""

    def __init__(self, node: MemoryNode, place: str, port: int, address: str, backlog: int) -> None:
        self.node = node
        self.place = place
        self.port = port
        self.address = address
        self.backlog = backlog
        self.exhausted = False  # for tests: `accept` raises EMFILE as long as this is set
        self._waiting: deque[MemoryWire] = deque()

    def fileno(self) -> int:
        return -1

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self.backlog

    @property
    def readiness(self) -> int:
        return READ if self._waiting else 0

    def arrive(self, client: MemoryWire) -> None:
        """Somebody connects."""
        self._waiting.append(client.join(self.node))
        self.node.stir(self)

    def accept(self) -> Optional[MemoryWire]:
        if self.exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        self.node.unwatch(self)
        if self in self.node.network.listeners:
            self.node.network.listeners.remove(self)
        while self._waiting:
            self._waiting.popleft().reset()


class MemoryWire:
    """One end of a wire: see `interface.Wire`.

    peer: the other end, None before it is connected.
    """

    def __init__(self, node: MemoryNode, host: str, port: int) -> None:
        self.node = node
        self.host = host
        self.port = port
        self.local_address = ""
        self.remote_address = join_address(host or "localhost", port)
        self.peer: Optional[MemoryWire] = None
        self.closed = False
        self._error: Optional[ConnectError] = None
        self._arrived = bytearray()
        self._ended = False     # the peer has finished
        self._finished = False  # this end has finished
        self._reset = False     # the wire is lost

    # -- as the loop sees it ---------------------------------------------------------------------------------

    def fileno(self) -> int:
        return -1

    def connected(self) -> bool:
        if self._error is not None:
            raise self._error
        return self.peer is not None

    def read(self, limit: int) -> Optional[bytes]:
        peer = self._open()
        arrived = self._arrived
        if arrived:
            size = self.node.network.next_chunk(limit)
            data = bytes(arrived[:size])
            del arrived[:size]
            peer.node.stir(peer)  # there is room again
            return data
        if self._reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return b"" if self._ended else None

    def write(self, data: Buffer) -> int:
        peer = self._open()
        if self._reset or self._finished:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if peer.closed:  # it is taken, and the peer's system answers that there is nobody
            self._lose()
            return len(data)
        size = min(len(data), self.node.network.capacity - len(peer._arrived))
        if size > 0:
            peer._arrived += memoryview(data)[:size]
            peer.node.stir(peer)
        return max(0, size)

    def finish(self) -> None:
        if self.peer is not None and not self._finished and not self._reset:
            self._finished = True
            self.peer._ended = True
            self.peer.node.stir(self.peer)

    def close(self) -> None:
        if self.closed:
            return
        if self._arrived:
            self.reset()
        self.finish()
        self.closed = True
        self.node.unwatch(self)
        for wires in (self.node.network.wires, self.node.network.dialing):
            if self in wires:
                wires.remove(self)

    # -- as the network and tests see it ---------------------------------------------------------------------

    def reset(self) -> None:
        """Cut it: both ends read what has arrived, and then find it lost."""
        self._lose()
        if self.peer is not None:
            self.peer._lose()

    def join(self, node: MemoryNode) -> MemoryWire:
        """Connect it, to a new end at `node`."""
        network = self.node.network
        other = MemoryWire(node, self.host, self.port)
        other.local_address = self.remote_address = self.answering_address
        self.local_address = other.remote_address = join_address("127.0.0.1", network.free_port())
        self.peer, other.peer = other, self
        network.wires += [self, other]
        self.node.stir(self)
        return other

    def failed(self, address: str, error: OSError) -> None:
        """It cannot be connected."""
        self._error = ConnectError(self.host, self.port, [(address, error)])
        self.node.stir(self)

    @property
    def answering_address(self) -> str:
        """The address that its host's name leads to."""
        return join_address("127.0.0.1" if self.host in _HERE else self.host, self.port)

    @property
    def readiness(self) -> int:
        if self._error is not None or self._reset:
            return READ | WRITE
        peer = self.peer
        if peer is None:
            return 0
        mask = READ if self._arrived or self._ended else 0
        if peer.closed or len(peer._arrived) < self.node.network.capacity:
            mask |= WRITE
        return mask

    def _lose(self) -> None:
        self._reset = True
        self.node.stir(self)

    def _open(self) -> MemoryWire:
        if self.closed or self.peer is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self.peer

    def __repr__(self) -> str:
        states = (self.closed, "closed"), (self._reset, "reset"), (self._finished, "finished"), (True, "open")
        state = next(name for true, name in states if true)
        where = f"{self.node.name}: {self.local_address} to {self.remote_address}"
        return f"<{where}, {state}, {len(self._arrived)} bytes unread>"


def _place(host: str) -> str:
    """One name for every way to say "this machine"."""
    return "localhost" if host in _HERE else host


if TYPE_CHECKING:
    _node: type[Network] = MemoryNode
