"""The network on event loops that watch no descriptors, such as Windows' proactor loop: over the loop's own transports.

Bytes that have come wait here until a turn takes them, and bytes that are written wait in the loop's transport, each up
to a bound. Readiness is reported as that of descriptors is: as long as there is something to read, or room to write.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from typing import Any, Callable, Optional

from reactor.loop.aside import Aside
from reactor.loop.dial import format_address
from reactor.loop.interface import Buffer, Clock, Watchable, Watcher
from reactor.loop.sockets import listening_sockets
from reactor.loop.wires import READ, WRITE, ConnectError, join_address, reason

_MUCH = 262144  # bytes that wait to be read: the peer has to wait then

Ready = tuple[Watcher, int]


class StreamWire(asyncio.Protocol):
    """A wire over a transport of the loop, or an attempt at one: see `loop.interface.Wire`."""

    def __init__(self, network: StreamNetwork, remote_address: str) -> None:
        self.remote_address = remote_address
        self.local_address = ""
        self.error: Optional[ConnectError] = None
        self.task: Optional[asyncio.Task[None]] = None
        self._network = network
        self._transport: Any = None
        self._received = bytearray()
        self._ended = self._full = self._paused = self._closed = False
        self._failure: Optional[OSError] = None

    # -- the loop's calls --------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        if self._closed:
            transport.abort()
            return
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                pass  # the peer has gone already: the first read will show it
        self.local_address = _address(transport.get_extra_info("sockname"))
        self.remote_address = _address(transport.get_extra_info("peername")) or self.remote_address
        self._network.stir(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) >= _MUCH and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._network.stir(self)

    def eof_received(self) -> bool:
        self._ended = True
        self._network.stir(self)
        return True  # this side goes on

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._network.stir(self)

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._ended = True
        self._full = False
        if isinstance(error, OSError):
            self._failure = error
        self._network.stir(self)

    # -- the wire ----------------------------------------------------------------------------------------

    @property
    def readiness(self) -> int:
        """READ, WRITE, both, or 0."""
        if self._transport is None:
            return WRITE if self.error is not None else 0
        reads = READ if self._received or self._ended or self._failure is not None else 0
        return reads if self._full else reads | WRITE

    def fileno(self) -> int:
        return -1

    def connected(self) -> bool:
        if self.error is not None:
            raise self.error
        return self._transport is not None

    def read(self, limit: int) -> Optional[bytes]:
        received = self._received
        if received:
            data = bytes(received[:limit])
            del received[:limit]
            if self._paused and len(received) < _MUCH:
                self._paused = False
                if not self._transport.is_closing():
                    self._transport.resume_reading()
            return data
        if self._failure is not None:
            raise self._failure
        return b"" if self._ended else None

    def write(self, data: Buffer) -> int:
        if self._failure is not None:
            raise self._failure
        if self._transport.is_closing():
            raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self._full:
            return 0
        self._transport.write(bytes(data))
        return len(data)

    def finish(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def close(self) -> None:
        self._closed = True
        self._network.forget(self)
        if self.task is not None:
            self.task.cancel()
        if self._transport is not None:
            self._transport.close()

    def failed(self, error: ConnectError) -> None:
        """The attempt to connect has failed."""
        self.error = error
        self._network.stir(self)


class StreamListener:
    """Listening sockets, served by the loop: see `loop.interface.Listener`."""

    def __init__(self, network: StreamNetwork, sockets: list[socket.socket]) -> None:
        self.address = format_address(sockets[0].getsockname())
        self.port: int = sockets[0].getsockname()[1]
        self.waiting: list[StreamWire] = []
        self._network = network
        self._sockets = sockets
        self._servers: list[Any] = []
        self._closed = False
        self.task = network.start(self._serve())

    async def _serve(self) -> None:
        for sock in self._sockets:
            server = await asyncio.get_running_loop().create_server(self._admit, sock=sock)
            if self._closed:
                server.close()
            self._servers.append(server)

    def _admit(self) -> StreamWire:
        return _Admitted(self)

    @property
    def network(self) -> StreamNetwork:
        """That which it is of."""
        return self._network

    @property
    def readiness(self) -> int:
        """READ while a peer waits."""
        return READ if self.waiting else 0

    def arrived(self, wire: StreamWire) -> None:
        """A peer waits."""
        self.waiting.append(wire)
        self._network.stir(self)

    def fileno(self) -> int:
        return -1

    def accept(self) -> Optional[StreamWire]:
        return self.waiting.pop(0) if self.waiting else None

    def close(self) -> None:
        self._closed = True
        self._network.forget(self)
        self.task.cancel()
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()
        for wire in self.waiting:
            wire.close()
        self.waiting.clear()


class _Admitted(StreamWire):
    """A wire that has come in at a listener."""

    def __init__(self, listener: StreamListener) -> None:
        super().__init__(listener.network, "")
        self._listener = listener

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._listener.arrived(self)


class StreamNetwork:
    """See `interface.LoopNetwork`. Descriptors of the application's own cannot be watched here."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._aside = Aside("amqp-reactor call aside")
        self._watched: dict[Any, tuple[int, Watcher]] = {}
        self._turn: Optional[Callable[[], None]] = None
        self._called: Optional[asyncio.Handle] = None
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, loop: asyncio.AbstractEventLoop, turn: Callable[[], None]) -> None:
        self._turn = turn
        self._call()

    def detach(self) -> None:
        self._turn = None
        if self._called is not None:
            self._called.cancel()
            self._called = None

    def deadline(self) -> Optional[float]:
        return None

    def start(self, coroutine: Any) -> asyncio.Task[None]:
        """Run something of a wire or a listener."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def stir(self, thing: Any) -> None:
        """Something has changed about it."""
        interest, _ = self._watched.get(thing, (0, None))
        if interest & thing.readiness:
            self._call()

    def forget(self, thing: Any) -> None:
        """It is closed."""
        self._watched.pop(thing, None)

    def _call(self) -> None:
        if self._called is None and self._turn is not None and not self._loop.is_closed():
            self._called = self._loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._called = None
        if self._turn is not None:
            self._turn()
            if any(interest & thing.readiness for thing, (interest, _) in self._watched.items()):
                self._call()  # a level, and not an edge

    def connect(self, host: str, port: int) -> StreamWire:
        wire = StreamWire(self, join_address(host or "localhost", port))
        wire.task = self.start(self._dial(wire, host or "localhost", port))
        return wire

    async def _dial(self, wire: StreamWire, host: str, port: int) -> None:
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as failure:  # ValueError: no host name, as in dial.look_up
            unknown = failure if isinstance(failure, OSError) else socket.gaierror(socket.EAI_NONAME, str(failure))
            wire.failed(ConnectError(host, port, [("", unknown)]))
            return
        attempts: list[tuple[str, OSError]] = []
        for family, _, protocol, _, address in found:
            sock: Optional[socket.socket] = None
            try:
                sock = socket.socket(family, socket.SOCK_STREAM, protocol)
                sock.setblocking(False)
                await self._loop.sock_connect(sock, address)
                await self._loop.create_connection(lambda: wire, sock=sock)
                return
            except OSError as error:
                attempts.append((format_address(address), OSError(error.errno, os.strerror(error.errno or 0))))
                if sock is not None:
                    sock.close()
            except BaseException:
                if sock is not None:
                    sock.close()
                raise
        wire.failed(ConnectError(host, port, attempts))

    def listen(self, host: Optional[str], port: int, backlog: int = 4096) -> StreamListener:
        try:
            if not 0 <= port < 65536:
                raise OSError(errno.EINVAL, "a port lies between 0 and 65535")
            return StreamListener(self, listening_sockets(host, port, backlog))
        except OSError as error:
            why = f"cannot listen on {join_address(host or '', port)}: {reason(error)}"
            raise OSError(error.errno or errno.EINVAL, why) from None

    def watch(self, thing: Watchable, interest: int, watcher: Watcher) -> None:
        if not isinstance(thing, (StreamWire, StreamListener)):
            raise OSError(errno.EOPNOTSUPP, "this event loop watches no descriptors")
        if interest:
            self._watched[thing] = (interest, watcher)
            self.stir(thing)
        else:
            self.forget(thing)

    def unwatch(self, thing: Watchable) -> None:
        self.forget(thing)

    def wait(self, timeout: Optional[float]) -> Sequence[Ready]:
        return [
            (watcher, interest & thing.readiness)
            for thing, (interest, watcher) in self._watched.items()
            if interest & thing.readiness
        ]

    def call_aside(self, function: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._aside.call(function, done)

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._call)
        except RuntimeError:
            pass  # the loop is closed: nothing is left to wake

    @property
    def wake_descriptor(self) -> int:
        return -1

    def close(self) -> None:
        self._aside.close()
        if self._loop.is_closed():
            return  # its transports close their sockets when they are let go of, and can do no more
        for thing in list(self._watched):
            thing.close()
        for task in list(self._tasks):
            task.cancel()


def _address(found: Any) -> str:
    return format_address(found) if isinstance(found, tuple) else ""
