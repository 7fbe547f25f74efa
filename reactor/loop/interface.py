"""The world as the loop sees it: a clock and a network, as protocols and nothing else.

The drivers of engines know these names alone, so that real sockets (`reactor.loop.sockets`) and the world in
a box (`reactor.simulation`) are two drivers of one system. It is for type checkers and
for programs with a network of their own, which find the names of `wires` here, too.

The rules that hold for every implementation:

* One thread uses a network, the one that calls `wait`. Only `wake` may be called from another one.
* Nothing here blocks but `wait`, and `listen` for as long as it takes to look up a local name.
* Readiness is a level, not an edge: bytes that are not taken are reported again by the next `wait`.
* An exception that leaves `wait` (Ctrl-C) loses nothing: call it again, or close everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Protocol, Union

from reactor.loop.wires import READ as READ
from reactor.loop.wires import WRITE as WRITE
from reactor.loop.wires import ConnectError as ConnectError

Buffer = Union[bytes, bytearray, memoryview]


class Clock(Protocol):
    """Time that never goes back, and the date."""

    def now(self) -> float:
        """Seconds since some moment in the past that means nothing."""
        ...

    def today(self) -> float:
        """Seconds since 1970-01-01 UTC, for times that outlive the process. Its owner may set it back."""
        ...


class Watcher(Protocol):
    """Is called when something watched is ready."""

    def ready(self, mask: int) -> None:
        """Act on it. mask: READ, WRITE or both.

        May be called once more after `unwatch` or `close` when both happened in the same turn: a watcher that
        has finished ignores it.
        """
        ...


class Watchable(Protocol):
    """A thing that can be watched: a Wire, a Listener, or any object with a descriptor of its own."""

    def fileno(self) -> int: ...


class Wire(Watchable, Protocol):
    """A stream of bytes to one peer. Nothing in it ever blocks.

    An attempt to connect is watched for WRITE; `connected()` is then its result.
    """

    @property
    def local_address(self) -> str:
        """``host:port`` of this end (``[::1]:5672`` for IPv6), "" where not known."""
        ...

    @property
    def remote_address(self) -> str:
        """``host:port`` of the peer as it was reached; before that, as it was asked for."""
        ...

    def connected(self) -> bool:
        """True: ready for use. False: still looking up the name, or waiting for an address to answer.

        Raises ConnectError when no address is left to try.
        """
        ...

    def read(self, limit: int) -> bytes | None:
        """At most `limit` bytes; None: nothing now; b"": the peer has finished. OSError: the wire is lost."""
        ...

    def write(self, data: Buffer) -> int:
        """How many bytes of `data` were taken, 0 when the wire is full. OSError: the wire is lost."""
        ...

    def finish(self) -> None:
        """Nothing more will be written: the peer reads b"" after the last bytes. Reading goes on.

        Harmless when repeated, and on a wire that is lost.
        """
        ...

    def close(self) -> None:
        """Let go of it at once, unwatched. Bytes taken by `write` are still delivered where that can be
        done. Harmless when repeated, and in the middle of an attempt to connect."""
        ...


class Listener(Watchable, Protocol):
    """A place where wires arrive. Watched for READ."""

    @property
    def port(self) -> int:
        """The port, as the system chose it where 0 was asked for."""
        ...

    @property
    def address(self) -> str:
        """``host:port`` as bound."""
        ...

    def accept(self) -> Wire | None:
        """The next wire, connected; None: no peer waits now.

        Raises OSError when it cannot be had, as when the process has no descriptor left (EMFILE): the peer
        goes on waiting, so look away for a while before asking again (`reactor.loop.driver.ListenerDriver` does).
        """
        ...

    def close(self) -> None:
        """Stop listening. Harmless when repeated."""
        ...


class Network(Protocol):
    """Where wires come from, and the one place where a turn of the loop waits."""

    def connect(self, host: str, port: int) -> Wire:
        """A wire to the peer, at once; the attempt goes on behind it.

        The name is looked up away from this thread; each of its addresses is tried in order, and the first
        that answers wins. Never raises: the result is that of `Wire.connected`.
        """
        ...

    def listen(self, host: str | None, port: int, backlog: int = 4096) -> Listener:
        """Listen on a host, or on every address of this machine when it is empty or None (IPv6 and IPv4).

        port: 0 lets the system choose. backlog: how many peers may wait to be accepted; the system may cut
        it. Raises OSError, naming the address.
        """
        ...

    def watch(self, thing: Watchable, interest: int, watcher: Watcher) -> None:
        """Report `thing` to `watcher` while it is ready for `interest`; replaces an earlier interest.

        interest: READ, WRITE, both, or 0, which is the same as `unwatch`.
        """
        ...

    def unwatch(self, thing: Watchable) -> None:
        """Report it no more. Harmless when it is not watched."""
        ...

    def wait(self, timeout: float | None) -> Sequence[tuple[Watcher, int]]:
        """The watchers, each with the interest that it is ready for; may be empty at any time, after a `wake` for one.

        timeout: seconds to wait for at most, 0 to look only, None for as long as it takes. The network may
        add watchers of its own, for its own housekeeping: call `ready(mask)` of each.
        """
        ...

    def call_aside(self, function: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Make a call that may take long, away from the thread of the loop.

        function: its value is the result; a coroutine that it returns is run to its end. done: called with
        (result, None) or (None, exception), in any thread, at once perhaps.
        """
        ...

    def wake(self) -> None:
        """Make the `wait` that goes on, or else the next one, return at once. From any thread, and from a
        signal handler. Harmless after `close`."""
        ...

    @property
    def wake_descriptor(self) -> int:
        """The descriptor to which a byte is written by `wake`, for `signal.set_wakeup_fd`; -1: there is none."""
        ...

    def close(self) -> None:
        """Close the listeners, the wires that are watched or being connected, and the descriptors of the network
        itself. Descriptors of others stay open. Harmless when repeated."""
        ...


class Stream(Protocol):
    """An engine as a Driver sees it (`reactor.engine.wire.transport.Transport` in real life).

    After `close_tail()` or `fail()`, `pending()` comes to -1 once `output` is drained.
    """

    output: bytearray

    @property
    def closed(self) -> bool: ...

    @property
    def is_over(self) -> bool:
        """Whether the last frame of the peer has come: only the end of the wire may still come from it."""
        ...

    @property
    def buffered(self) -> int:
        """Bytes of messages that have come in part."""
        ...

    def receive(self, data: bytes) -> Any:
        """False when `tick` would have nothing to say, until the next call of this, as long as no output is left."""
        ...

    def close_tail(self) -> None: ...

    def capacity(self) -> int:
        """-1 once the input has ended, by `close_tail` or by a decision of the engine's own."""
        ...

    def pending(self) -> int: ...

    def pop(self, size: int) -> Any:
        """True when `pending()` has news: more output, or its end."""
        ...

    def close_head(self) -> None: ...

    def tick(self, now: float) -> float: ...

    def fail(self, name: str, description: str) -> Any: ...
