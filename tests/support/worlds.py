"""Two worlds with one manner, so that a scenario runs in both: sockets on loopback, and a network in memory.

Time is virtual in both: what waits for a deadline waits until the test moves the clock.
"""

from __future__ import annotations

from typing import Callable, Optional

from reactor.loop.driver import Driver, ListenerDriver
from reactor.loop.interface import Network, Wire
from reactor.loop.loop import Loop
from reactor.loop.sockets import SocketNetwork
from reactor.simulation import MemoryNetwork, VirtualClock
from tests.support.streams import ScriptedStream

#: Turns after which something that has not happened never will. A turn waits a little where there are sockets.
PATIENCE = 3000


class World:
    """Loops over networks of one kind. Close it at the end."""

    kind = ""
    host = "127.0.0.1"

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.loops: list[Loop] = []

    def network(self) -> Network:
        raise NotImplementedError

    def loop(self) -> Loop:
        loop = Loop(self.clock, self.network())
        self.loops.append(loop)
        return loop

    def turn(self) -> None:
        """A turn of each loop."""
        for loop in self.loops:
            loop.turn(0)

    def spin(self, until: Callable[[], object], turns: int = PATIENCE) -> None:
        """Turn until something has happened."""
        for _ in range(turns):
            if until():
                return
            self.turn()
        assert until(), "it never happened"

    def close(self) -> None:
        for loop in self.loops:
            loop.close()


class SocketWorld(World):
    kind = "sockets"

    def network(self) -> SocketNetwork:
        return SocketNetwork(self.clock)

    def turn(self) -> None:
        # The first loop waits for the system to do its part, a millisecond at most: whatever comes ends it.
        for number, loop in enumerate(self.loops):
            loop.turn(0 if number else 0.001)


class MemoryWorld(World):
    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryNetwork(self.clock)

    def network(self) -> Network:
        return self.memory.node()


WORLDS = [SocketWorld, MemoryWorld]


class Pair:
    """A client and a server, each a loop with a driver, joined by a wire."""

    def __init__(self, world: World, client: Optional[ScriptedStream] = None, connect: bool = True) -> None:
        self.world = world
        self.client_loop, self.server_loop = world.loop(), world.loop()
        self.accepted: list[Driver] = []
        self.listener = self.server_loop.network.listen(world.host, 0)
        self.listening = ListenerDriver(self.server_loop, self.listener, self.admit)
        self.client_stream = client or ScriptedStream()
        wire = self.client_loop.network.connect(world.host, self.listener.port)
        self.client = Driver(self.client_loop, self.client_stream, wire)
        if connect:
            world.spin(lambda: self.client.connected and self.accepted)

    def admit(self, wire: Wire) -> None:
        self.accepted.append(Driver(self.server_loop, ScriptedStream(), wire))

    @property
    def server(self) -> Driver:
        return self.accepted[0]

    @property
    def server_stream(self) -> ScriptedStream:
        stream = self.server.transport
        assert isinstance(stream, ScriptedStream)
        return stream
