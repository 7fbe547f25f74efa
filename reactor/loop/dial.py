"""From a name to a connected socket: lookups away from the loop's thread, and attempts at each address.

Only `sockets` enters. The lookups have threads of their own (aside.py), because the system offers no other way to ask
for a name without waiting for the answer.

Addresses are tried in the order that the system gives them. One that does not answer within `HEAD_START`
seconds goes on being tried, but the next one is started beside it, so that a host with an IPv6 that leads nowhere is
reached by IPv4 at once and not after the two minutes that the system would wait.
"""

from __future__ import annotations

import errno
import socket
from collections import deque

from reactor.lazily import TYPE_CHECKING
from reactor.loop.aside import Aside
from reactor.loop.wires import WRITE, ConnectError, join_address
from reactor.system import HERE

HEAD_START = 0.25  #: seconds for one address to answer in before the next one is tried beside it

if TYPE_CHECKING:
    from typing import Any, Callable, Union

    from reactor.loop.aside import Outcome
    from reactor.loop.poller import Poller
    from reactor.loop.timers import Timer

    AddressInfo = tuple[Any, Any, int, str, Any]  # one row of socket.getaddrinfo
    Found = Union[list[AddressInfo], OSError]


def format_address(address: Any) -> str:
    """``host:port`` of a socket's address; IPv4 seen through an IPv6 socket is shown as IPv4."""
    host: str = address[0]
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return join_address(host, address[1])


def look_up(host: str | None, port: int, flags: int, ask: Callable[..., Any]) -> list[AddressInfo]:
    """getaddrinfo for TCP, with every failure an OSError.

    An ASCII name goes in as bytes: as a string it would pass through the codec "idna", which takes
    milliseconds to import and gains nothing.
    """
    try:
        name: Any = host.encode("ascii") if host and host.isascii() else host or None
        found: list[AddressInfo] = ask(name, port, type=socket.SOCK_STREAM, flags=flags)
    except ValueError as error:  # a label that is too long or empty, a NUL
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from None
    return list(dict.fromkeys(found))


class Resolver:
    """Looks names up in daemon threads, a few at a time; no thread outlives its work.

    limit: the number of threads; names beyond it wait in line, so that one name server that does not answer
    holds up its own name and seldom others.
    ask: socket.getaddrinfo, or its stand-in.
    """

    __slots__ = ("_ask", "_aside")

    def __init__(self, ask: Callable[..., Any], limit: int = 8) -> None:
        self._ask = ask
        self._aside = Aside("amqp-reactor name lookup", limit)

    def look_up(self, host: str, port: int, done: Callable[[Found], None]) -> None:
        """Ask for `host`; `done` is called with the answer, in a thread of the resolver."""

        def answer(outcome: Outcome) -> None:
            found, error = outcome
            if error is not None:
                found = error if isinstance(error, OSError) else OSError(errno.EAGAIN, str(error))
            done(found)

        self._aside.call(lambda: look_up(host, port, 0, self._ask), answer)

    def close(self) -> None:
        """Forget the names that no thread has asked for yet."""
        self._aside.close()


class Dial:
    """An attempt to connect, over all the addresses of a name.

    poller: where the sockets on their way are watched, each with a watcher that advances the dial.
    schedule: schedule(delay, callback) -> Timer.
    done: called once with (socket, its address, None), or (None, "", the error). Not called by `start`
        itself, and not after `cancel`.
    """

    __slots__ = (
        "_addresses",
        "_attempts",
        "_done",
        "_errors",
        "_schedule",
        "_timer",
        "host",
        "poller",
        "port",
    )

    def __init__(
        self,
        host: str,
        port: int,
        poller: Poller,
        schedule: Callable[[float, Callable[[], object]], Timer],
        done: Callable[[socket.socket | None, str, ConnectError | None], None],
    ) -> None:
        self.host = host
        self.port = port
        self.poller = poller
        self._schedule = schedule
        self._done: Callable[[socket.socket | None, str, ConnectError | None], None] | None = done
        self._addresses: deque[AddressInfo] = deque()
        self._attempts: list[_Attempt] = []
        self._errors: list[tuple[str, OSError]] = []
        self._timer: Timer | None = None

    def start(self) -> bool:
        """Begin, if there is no name to look up; otherwise return False, and wait for `found`."""
        if not 0 < self.port < 65536:
            error = OSError(errno.EINVAL, "a port lies between 1 and 65535")
            self._errors.append((join_address(self.host, self.port), error))
            self._timer = self._schedule(0.0, self._try_next)
            return True
        try:
            # Without a host it is this machine that is meant, and there is nothing to look up either.
            flags = socket.AI_NUMERICHOST if self.host else 0
            found = look_up(self.host, self.port, flags, socket.getaddrinfo)
        except OSError:
            return False
        # At once: where thousands are begun in one turn, their peers can be at it meanwhile.
        self._addresses.extend(found)
        if not self._start_one():
            self._timer = self._schedule(0.0, self._try_next)
        return True

    def found(self, found: Found) -> None:
        """The answer to the lookup."""
        if self._done is None:
            return  # cancelled meanwhile
        if isinstance(found, OSError):
            self._errors.append(("", found))
        else:
            self._addresses.extend(found)
        self._try_next()

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        self._done = None
        self._stop_waiting()
        for attempt in self._attempts:
            attempt.close()
        self._attempts.clear()
        self._addresses.clear()

    def won(self, attempt: _Attempt) -> None:
        """An address has answered: the others are given up."""
        self._attempts.remove(attempt)
        done = self._done
        self.cancel()
        if done is not None:
            done(attempt.sock, attempt.address, None)

    def lost(self, attempt: _Attempt, error: OSError) -> None:
        """An address has refused."""
        self._attempts.remove(attempt)
        self._errors.append((attempt.address, error))
        self._try_next()

    def _try_next(self) -> None:
        """Start an attempt at the next address. With none left, and none under way, the dial has failed."""
        self._stop_waiting()
        done = self._done
        if not self._start_one() and not self._attempts and done is not None:
            self.cancel()
            done(None, "", ConnectError(self.host, self.port, self._errors))

    def _start_one(self) -> bool:
        """Start an attempt at the next address that takes one; returns whether there is one."""
        while self._addresses:
            info = self._addresses.popleft()
            try:
                self._attempts.append(_Attempt(self, info))
            except OSError as error:
                self._errors.append((format_address(info[4]), error))
                continue
            if self._addresses:
                self._timer = self._schedule(HEAD_START, self._try_next)
            return True
        return False

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Attempt:
    """A socket on its way to one address, and its own watcher."""

    __slots__ = ("_dial", "address", "sock")

    def __init__(self, dial: Dial, info: AddressInfo) -> None:
        family, kind, protocol, _, address = info
        self._dial = dial
        self.address = format_address(address)
        self.sock = socket.socket(family, kind, protocol)
        try:
            self.sock.setblocking(False)
            code = self.sock.connect_ex(address)
            if code not in HERE.underway:
                raise OSError(code, HERE.explain(code))
            dial.poller.watch(self.sock, WRITE, self)
        except BaseException:
            self.sock.close()
            raise

    def ready(self, mask: int) -> None:
        """There is an answer."""
        sock = self.sock
        if sock.fileno() < 0:
            return  # given up in this very turn
        self._dial.poller.unwatch(sock)
        error = _failure(sock)
        if error is None:
            self._dial.won(self)
        else:
            sock.close()
            self._dial.lost(self, error)

    def close(self) -> None:
        """Give it up."""
        self._dial.poller.unwatch(self.sock)
        self.sock.close()


def _failure(sock: socket.socket) -> OSError | None:
    """Why a socket did not get connected; None: it did."""
    try:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            return OSError(code, HERE.explain(code))
        # A port of this machine without a listener can be given to the attempt itself, which then meets
        # itself in the middle and is "connected". A client that waits for its server to come back runs into
        # that, once in some ten thousand attempts.
        if sock.getpeername() == sock.getsockname():
            return ConnectionRefusedError(errno.ECONNREFUSED, HERE.explain(errno.ECONNREFUSED))
    except OSError as error:
        return error
    return None
