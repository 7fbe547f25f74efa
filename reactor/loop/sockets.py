"""The real network: non-blocking sockets, and one poller for whatever is watched.

The loop enters, through `interface` alone. It knows no engine. A turn is one call into the system and one list.
"""

from __future__ import annotations

import errno
import socket
from collections import deque

from reactor.lazily import TYPE_CHECKING
from reactor.loop.aside import Aside
from reactor.loop.busy_poll import busily
from reactor.loop.clock import MonotonicClock
from reactor.loop.dial import Dial, Resolver, format_address, look_up
from reactor.loop.poller import make_poller
from reactor.loop.timers import Timer, Timers
from reactor.loop.wires import READ, ConnectError, join_address, reason
from reactor.system import HERE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Callable

    from reactor.loop.dial import Found
    from reactor.loop.interface import Buffer, Clock, Watchable, Watcher
    from reactor.loop.poller import Poller


class SocketWire:
    """A TCP connection, or an attempt at one: see `interface.Wire`."""

    __slots__ = ("_network", "dial", "error", "remote_address", "sock")

    def __init__(self, network: SocketNetwork, sock: socket.socket | None, remote_address: str) -> None:
        self._network = network
        self.sock = sock
        self.remote_address = remote_address
        self.dial: Dial | None = None
        self.error: ConnectError | None = None

    @property
    def local_address(self) -> str:
        try:
            return format_address(self.sock.getsockname()) if self.sock is not None else ""
        except OSError:
            return ""

    def fileno(self) -> int:
        return -1 if self.sock is None else self.sock.fileno()

    def connected(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.sock is not None

    def read(self, limit: int) -> bytes | None:
        if self.sock is None:
            raise _not_connected()
        try:
            return self.sock.recv(limit)
        except BlockingIOError:
            return None

    def write(self, data: Buffer) -> int:
        if self.sock is None:
            raise _not_connected()
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def finish(self) -> None:
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the peer was faster

    def close(self) -> None:
        self._network.unwatch(self)
        dial, self.dial = self.dial, None
        if dial is not None:
            dial.cancel()
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()

    def dialed(self, sock: socket.socket | None, address: str, error: ConnectError | None) -> None:
        """The result of the attempt to connect."""
        self.dial = None
        self.error = error
        if sock is not None:
            self.sock = _tune(sock)
            self.remote_address = address
        self._network.settled(self)


class SocketListener:
    """Listening sockets, one for each address of the host, under one port: see `interface.Listener`."""

    __slots__ = ("_network", "address", "port", "sockets")

    def __init__(self, network: SocketNetwork, sockets: list[socket.socket]) -> None:
        self._network = network
        self.sockets = sockets
        self.address = format_address(sockets[0].getsockname())
        self.port: int = sockets[0].getsockname()[1]

    def fileno(self) -> int:
        return self.sockets[0].fileno() if self.sockets else -1

    def accept(self) -> SocketWire | None:
        for sock in self.sockets:
            while True:
                try:
                    peer, address = sock.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno in HERE.gave_up:
                        continue
                    raise
                return SocketWire(self._network, _tune(peer), format_address(address))
        return None

    def close(self) -> None:
        self._network.unwatch(self)
        self._network.listeners.discard(self)
        sockets, self.sockets = self.sockets, []
        for sock in sockets:
            sock.close()


class SocketNetwork:
    """Sockets, names and descriptors of this machine: see `interface.Network`.

    clock: for the time to try the next address of a name.
    busy_poll: seconds to look again before a wait; see `busy_poll.BusyPoller`.
    ask: a stand-in for socket.getaddrinfo.
    poller: another one than the best of this system.
    """

    __slots__ = (
        "_answers",
        "_aside",
        "_clock",
        "_dialing",
        "_failed",
        "_longest_wait",
        "_resolver",
        "_timers",
        "_waker",
        "listeners",
        "poller",
    )

    def __init__(
        self,
        clock: Clock | None = None,
        ask: Callable[..., Any] = socket.getaddrinfo,
        busy_poll: float = 0.0,
        poller: Poller | None = None,
    ) -> None:
        self._clock: Clock = MonotonicClock() if clock is None else clock
        self._longest_wait = HERE.longest_wait
        self.poller: Poller = busily(make_poller(), busy_poll, self._clock.now) if poller is None else poller
        self._timers = Timers()
        self._resolver = Resolver(ask)
        self._aside = Aside("amqp-reactor call aside")
        self._answers: deque[tuple[Dial, Found]] = deque()  # filled by the threads of the resolver
        # Wires without a descriptor, and their watchers: those that are being dialled, and those
        # with an attempt that has failed, which are ready until they are looked at.
        self._dialing: dict[SocketWire, tuple[Watcher, int] | None] = {}
        self._failed: dict[SocketWire, tuple[Watcher, int]] = {}
        self.listeners: set[SocketListener] = set()  # those that are open
        self._waker = _Waker(self._take_answers)
        self.poller.watch(self._waker, READ, self._waker)

    def connect(self, host: str, port: int) -> SocketWire:
        wire = SocketWire(self, None, join_address(host or "localhost", port))
        wire.dial = dial = Dial(host, port, self.poller, self._schedule, wire.dialed)
        self._dialing[wire] = None
        if not dial.start():
            # An answer belongs to a dial, so that one which was given up is never mixed up with a new one.
            self._resolver.look_up(host, port, lambda found: self._answer(dial, found))
        return wire

    def listen(self, host: str | None, port: int, backlog: int = 4096) -> SocketListener:
        try:
            if not 0 <= port < 65536:
                raise OSError(errno.EINVAL, "a port lies between 0 and 65535")
            listener = SocketListener(self, listening_sockets(host, port, backlog))
        except OSError as error:
            why = f"cannot listen on {join_address(host or '', port)}: {reason(error)}"
            raise OSError(error.errno or errno.EINVAL, why) from None
        self.listeners.add(listener)
        return listener

    def watch(self, thing: Watchable, interest: int, watcher: Watcher) -> None:
        if isinstance(thing, SocketWire) and thing.sock is None:
            if thing.dial is not None:
                self._dialing[thing] = (watcher, interest)
            elif thing.error is not None and interest:
                self._failed[thing] = (watcher, interest)
        elif not interest:
            self.unwatch(thing)
        elif isinstance(thing, SocketListener):
            for sock in thing.sockets:
                self.poller.watch(sock, interest, watcher)
        else:
            self.poller.watch(thing, interest, watcher)

    def unwatch(self, thing: Watchable) -> None:
        if isinstance(thing, SocketWire) and thing.sock is None:
            self._failed.pop(thing, None)
            self._dialing.pop(thing, None)
        elif isinstance(thing, SocketListener):
            for sock in thing.sockets:
                self.poller.unwatch(sock)
        else:
            self.poller.unwatch(thing)

    def wait(self, timeout: float | None) -> Sequence[tuple[Watcher, int]]:
        if timeout is None or timeout > self._longest_wait:
            timeout = self._longest_wait
        if self._timers.heap or self._failed:
            return self._wait_for_dials(timeout)
        return self.poller.wait(timeout)

    def _wait_for_dials(self, timeout: float) -> Sequence[tuple[Watcher, int]]:
        """The same while wires are being dialled, or one has failed."""
        deadline = self._timers.deadline()
        if self._failed:
            timeout = 0
        elif deadline is not None:
            timeout = min(max(0.0, deadline - self._clock.now()), timeout)
        ready = self.poller.wait(timeout)
        ready.extend(self._failed.values())
        if deadline is not None:
            self._timers.run(self._clock.now())
        return ready

    def fileno(self) -> int:
        """A descriptor for another loop: it can be read while `wait` would return at once; -1 where there is none."""
        return self.poller.fileno()

    def deadline(self) -> float | None:
        """When `wait` has something to do that no descriptor reports, in seconds of the clock; None for never."""
        return self._clock.now() if self._failed else self._timers.deadline()

    def call_aside(self, function: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._aside.call(function, done)

    def wake(self) -> None:
        self._waker.wake()

    @property
    def wake_descriptor(self) -> int:
        return self._waker.descriptor()

    def close(self) -> None:
        self._resolver.close()
        self._aside.close()
        wires = [thing for thing in self.poller.watched() if isinstance(thing, SocketWire)]  # others stay open
        for wire in [*self._dialing, *self._failed, *wires]:
            wire.close()
        for listener in list(self.listeners):
            listener.close()
        self._timers.clear()
        self._waker.close()
        self.poller.close()

    def settled(self, wire: SocketWire) -> None:
        """An attempt to connect has ended: from now on the wire is ready, or its socket is watched."""
        watched = self._dialing.pop(wire, None)
        if watched is not None:
            self.watch(wire, watched[1], watched[0])

    def _schedule(self, delay: float, callback: Callable[[], object]) -> Timer:
        return self._timers.schedule(self._clock.now() + delay, callback)

    def _answer(self, dial: Dial, found: Found) -> None:
        """A thread of the resolver leaves its answer."""
        self._answers.append((dial, found))
        self.wake()

    def _take_answers(self) -> None:
        while self._answers:
            dial, found = self._answers.popleft()
            dial.found(found)


class _Waker:
    """A pair of sockets: a byte written to the one makes the other ready, which ends a wait on every system.

    Each `wake` writes: a flag for "it was woken already" saves a call and can be lost, between two
    threads or to a Ctrl-C between two lines.
    """

    __slots__ = ("_far", "_near", "_woken")

    def __init__(self, woken: Callable[[], None]) -> None:
        self._woken = woken
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)

    def fileno(self) -> int:
        return self._near.fileno()

    def descriptor(self) -> int:
        """That to which `wake` writes."""
        return self._far.fileno()

    def wake(self) -> None:
        try:
            self._far.send(b"\0")
        except OSError:
            pass  # full: it will wake up anyway; or closed: nothing is left to wake

    def ready(self, mask: int) -> None:
        try:
            self._near.recv(65536)
        except OSError:
            pass
        self._woken()

    def close(self) -> None:
        self._near.close()
        self._far.close()


def _tune(sock: socket.socket) -> socket.socket:
    """A socket as wires have them: it never blocks, and it sends bytes when they are written."""
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        pass  # the peer has gone already: the first read will show it
    return sock


def _not_connected() -> OSError:
    return OSError(errno.ENOTCONN, HERE.explain(errno.ENOTCONN))


def listening_sockets(host: str | None, port: int, backlog: int) -> list[socket.socket]:
    """Sockets that listen on every address of a host, or on every address of this machine."""
    if host:
        found = look_up(host, port, socket.AI_PASSIVE, socket.getaddrinfo)
        for _ in range(8 if port == 0 and len(found) > 1 else 0):
            try:
                return _listen_on(found, port, backlog)
            except OSError as error:  # the port that was free on the first address is taken on another
                if error.errno != errno.EADDRINUSE:
                    raise
        return _listen_on(found, port, backlog)
    if socket.has_ipv6:
        try:
            return [_bind(socket.AF_INET6, ("::", port), backlog, dual=True)]
        except OSError as error:
            if error.errno not in HERE.no_address:
                raise
    return [_bind(socket.AF_INET, ("0.0.0.0", port), backlog)]


def _listen_on(found: Sequence[Any], port: int, backlog: int) -> list[socket.socket]:
    """A socket for each address, all on one port. An address that this machine lacks is passed over."""
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, address in found:
            if port == 0 and sockets:
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            try:
                sockets.append(_bind(family, address, backlog))
            except OSError as error:
                if error.errno not in HERE.no_address:
                    raise
                missing = error
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    if not sockets:
        raise missing or OSError(errno.EADDRNOTAVAIL, HERE.explain(errno.EADDRNOTAVAIL))
    return sockets


def _bind(family: int, address: tuple[Any, ...], backlog: int, dual: bool = False) -> socket.socket:
    """One listening socket. dual: an IPv6 one takes IPv4 peers too."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        HERE.claim(sock)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
