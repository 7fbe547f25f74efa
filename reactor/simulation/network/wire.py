"""Wires and listeners in memory, with the manners of TCP.

The network makes them, loops hold them by `interface`. A full wire takes nothing. Bytes that were written before the
end arrive before it. An end of one direction leaves the other open. A write to a peer that has gone resets the wire,
and so does an end that closes with bytes unread. Where the network has conditions, bytes travel by pipes and take
their time; else they arrive at once. They know no engine.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import Optional

from reactor.loop.interface import Buffer
from reactor.loop.timers import Timer
from reactor.loop.wires import READ, WRITE, ConnectError, join_address
from reactor.simulation.network.interface import NodeView
from reactor.simulation.network.pipe import Pipe
from reactor.tracing.splitter import Splitter

HERE = frozenset(["", "localhost", "127.0.0.1", "::1"])


def place_of(host: str) -> str:
    """One name for all names of this machine."""
    return "localhost" if host in HERE else host


class MemoryListener:
    """See `interface.Listener`.

    off: the machine is down, and does not answer.
    """

    def __init__(self, node: NodeView, place: str, port: int, address: str, backlog: int) -> None:
        self.node = node
        self.place = place
        self.port = port
        self.address = address
        self.backlog = backlog
        self.off = False
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
        """A client connects."""
        self._waiting.append(client.join(self.node))
        self.node.stir(self)

    def accept(self) -> Optional[MemoryWire]:
        if self.exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        self.node.unwatch(self)
        self.node.network.remove(self)
        while self._waiting:
            self._waiting.popleft().reset()


class MemoryWire:
    """One end of a wire: see `interface.Wire`.

    peer: the other end, None before it is connected.
    number: the same at both ends, and of no other wire; 0 before it is connected.
    pipe: carries the bytes that are written here; None where that takes no time.
    deaf: as long as it is set nothing is read here: bytes pile up, until the wire is full.
    answer_at: when an attempt to connect can be answered, in seconds of the clock.
    patience: the timer that ends the attempt without an answer, or None.
    """

    def __init__(self, node: NodeView, host: str, port: int) -> None:
        self.node = node
        self.host = host
        self.port = port
        self.local_address = ""
        self.remote_address = join_address(host or "localhost", port)
        self.peer: Optional[MemoryWire] = None
        self.number = 0
        self.pipe: Optional[WirePipe] = None
        self.closed = False
        self.answer_at = 0.0
        self.patience: Optional[Timer] = None
        self.deaf = False
        self._error: Optional[ConnectError] = None
        self._arrived = bytearray()
        self._splitter: Optional[Splitter] = None  # of the bytes that are read, where there are witnesses
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
        if (self.deaf and not self._reset) or self.node.dying:
            return None
        if arrived:
            size = self.node.network.next_chunk(limit)
            data = bytes(arrived[:size])
            del arrived[:size]
            peer.node.stir(peer)  # there is room again
            self._tell_witnesses(data)
            return data
        if self._reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return b"" if self._ended else None

    def write(self, data: Buffer) -> int:
        peer = self._open()
        if self._reset or self._finished:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self.node.dying:
            return len(data)
        size = min(len(data), self._room())
        if self.pipe is not None:
            if size > 0:
                self.pipe.write(bytes(memoryview(data)[:size]))
            return max(0, size)
        if peer.closed:  # it is taken, and the peer's system answers with a reset
            self._lose()
            return len(data)
        if size > 0:
            peer.arrive(bytes(memoryview(data)[:size]))
        return max(0, size)

    def finish(self) -> None:
        if self.peer is not None and not self._finished and not self._reset:
            self._finished = True
            if self.pipe is not None:
                self.pipe.finish()
            else:
                self.peer.arrive_end()

    def close(self) -> None:
        if self.closed:
            return
        if self._arrived:
            self._refuse()
        self.finish()
        self._leave()

    # -- as the network and tests see it ---------------------------------------------------------------------

    def reset(self) -> None:
        """Cut it: both ends read the bytes that have arrived, and then find it lost. Bytes under way are lost."""
        self._lose()
        if self.peer is not None:
            self.peer._lose()

    def vanish(self) -> None:
        """The machine goes down: the peer hears nothing more, not even that. Bytes that left before still arrive."""
        self._finished = True
        self._leave()

    def join(self, node: NodeView) -> MemoryWire:
        """Connect it, to a new end at `node`."""
        network = self.node.network
        other = MemoryWire(node, self.host, self.port)
        other.local_address = self.remote_address = self.answering_address
        self.local_address = other.remote_address = join_address("127.0.0.1", network.free_port())
        self.peer, other.peer = other, self
        self.number = other.number = network.next_wire()
        if network.conditions is not None:
            self.pipe, other.pipe = Pipe(self, other), Pipe(other, self)
        network.add(self, other)
        self.node.stir(self)
        return other

    def failed(self, address: str, error: OSError) -> None:
        """It cannot be connected."""
        self._error = ConnectError(self.host, self.port, [(address, error)])
        self.node.stir(self)

    def end_patience(self) -> None:
        """The attempt to connect has come to an end."""
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None

    def arrive(self, data: bytes) -> None:
        """Bytes of the peer have come."""
        if self.closed:
            self._refuse()
        else:
            self._arrived += data
            self.node.stir(self)

    def arrive_end(self) -> None:
        """The peer will write no more."""
        self._ended = True
        self.node.stir(self)

    @property
    def answering_address(self) -> str:
        """The address that its host's name leads to."""
        return join_address("127.0.0.1" if self.host in HERE else self.host, self.port)

    @property
    def readiness(self) -> int:
        if self._error is not None or self._reset:
            return READ | WRITE
        if self.peer is None:
            return 0
        mask = READ if (self._arrived or self._ended) and not self.deaf else 0
        if self._room() > 0 or (self.peer.closed and self.pipe is None):
            mask |= WRITE
        return mask

    def _room(self) -> int:
        """How many bytes may still be under way to the peer, or lie there unread."""
        assert self.peer is not None
        taken = len(self.peer._arrived) + (0 if self.pipe is None else self.pipe.size)
        return self.node.network.capacity - taken

    def _refuse(self) -> None:
        """There is no reader here any more: the peer learns so, in time."""
        if self.pipe is not None and not self._reset:
            self.pipe.break_off()
        else:
            self.reset()

    def _leave(self) -> None:
        self.closed = True
        self.end_patience()
        self.node.unwatch(self)
        self.node.network.remove(self)

    def _lose(self) -> None:
        self._reset = True
        if self.pipe is not None:
            self.pipe.lose()
        self.node.stir(self)

    def _tell_witnesses(self, data: bytes) -> None:
        witness = self.node.network.witness
        if witness is not None:
            if self._splitter is None:
                self._splitter = Splitter()
            for part in self._splitter.feed(data):
                witness(self, part)

    def _open(self) -> MemoryWire:
        if self.closed or self.peer is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self.peer

    def __repr__(self) -> str:
        states = (self.closed, "closed"), (self._reset, "reset"), (self._finished, "finished"), (True, "open")
        state = next(name for true, name in states if true)
        where = f"{self.node.name}: {self.local_address} to {self.remote_address}"
        return f"<{where}, {state}, {len(self._arrived)} bytes unread>"


WirePipe = Pipe[MemoryWire]
