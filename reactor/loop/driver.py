"""Drivers: what joins an engine to the loop. A Driver moves bytes between one transport and one wire, a
Porter lets wires in at a listener.

The container enters. It knows the loop and the eight calls of a transport (`interface.Stream`), and no frame:
whatever it learns it tells the transport, which queues events about it.
"""

from __future__ import annotations

from typing import Callable, Optional

from reactor.loop.interface import Listener, Stream, Wire
from reactor.loop.loop import Loop


class Driver:
    """Joins one transport to one wire, from the attempt to connect to the end of both sides.

    The container calls `flush()` for each transport that queued Event.TRANSPORT, after the events of a turn
    were dispatched. Everything else happens by itself:

    * the wire gets connected: the output is sent; it cannot be: `transport.fail("proton.pythonio", why)`;
    * what arrives goes to `transport.receive`, one read a turn; its end to `transport.close_tail()`;
    * when the transport has no more to say (`pending()` is -1) the wire is finished and `close_head()`
      called; the wire is closed once the peer has finished too, or after `linger` seconds;
    * `transport.tick` is called often enough for the deadline that it gave.

    transport, wire: what it joins.
    linger: seconds that the peer has for finishing after us (and we after the peer).
    """

    __slots__ = ("loop", "transport", "wire", "linger")

    def __init__(self, loop: Loop, transport: Stream, wire: Wire, linger: float = 5.0) -> None: ...

    @property
    def closed(self) -> bool:
        """Whether the wire was let go."""
        ...

    @property
    def connected(self) -> bool:
        """Whether there is, or was, a peer at the other end."""
        ...

    def ready(self, mask: int) -> None:
        """The loop's call: the wire can be read or written."""

    def flush(self) -> None:
        """Send what the transport has to say, as far as the wire takes it; the rest follows by itself."""

    def fail(self, name: str, description: str) -> None:
        """Give up for a reason of one's own (a time-out): `transport.fail`, and the wire is let go."""

    def close(self) -> None:
        """Let go of the wire at once, whatever is unsent; the transport learns that both its sides ended."""


class Porter:
    """Lets wires in: every peer that waits at a listener, up to `burst` a turn.

    admit: called with each wire; it makes a Driver of it.
    pause: seconds to look away for when the process can take no more.
    """

    __slots__ = ("loop", "listener", "admit", "pause")

    def __init__(
        self, loop: Loop, listener: Listener, admit: Callable[[Wire], object], pause: float = 0.25
    ) -> None: ...

    @property
    def closed(self) -> bool: ...

    #: The error of the last time when the process could take no more, None when all is well.
    error: Optional[OSError]

    def ready(self, mask: int) -> None:
        """The loop's call: somebody waits."""

    def close(self) -> None:
        """Stop listening; the wires that were let in stay."""
