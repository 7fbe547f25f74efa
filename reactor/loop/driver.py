"""Drivers: they join an engine to the loop. A Driver moves bytes between one transport and one wire, a
ListenerDriver lets wires in at a listener.

The container enters. It knows the loop and the few calls of a transport (`interface.Stream`), and no frame:
all that happens goes to the transport, which queues events about it.
"""

from __future__ import annotations

from reactor.errors import IO_ERROR
from reactor.lazily import TYPE_CHECKING
from reactor.loop.wires import READ, WRITE, reason

if TYPE_CHECKING:
    from collections.abc import Sized
    from typing import Callable

    from reactor.loop.interface import Listener, Stream, Wire
    from reactor.loop.loop import Loop
    from reactor.loop.timers import Timer

#: Bytes that one read takes at most. More would cost fewer turns, and be slower: the bytes of a turn are answered at
#: its end, with new credit among it, and a peer that has used its credit up waits for that with nothing to do.
READ_SIZE = 65536
#: The same while a long message is on its way, which nothing answers before its end.
LONG_READ_SIZE = 4 * READ_SIZE

#: Seconds for a peer to finish after us when both sides have said all that they will. Some never finish, or keep
#: a client with a wrong password waiting; the bytes not read yet are at most the end of their TLS.
BRIEF = 0.25

BURST = 64  #: peers that one listener driver lets in before others have their turn


class Driver:
    """Joins one transport to one wire, from the attempt to connect to the end of both sides.

    The container calls `flush()` for each transport that queued Event.TRANSPORT, after the events of a turn
    were dispatched. Everything else happens by itself:

    * the wire gets connected: the output is sent; it cannot be: `transport.fail(IO_ERROR, why)`;
    * bytes that arrive go to `transport.receive`, one read a turn; their end to `transport.close_tail()`;
    * when the transport has nothing more to send (`pending()` is -1) the wire is finished and `close_head()`
      called; the wire is closed once the peer has finished too, or after `linger` seconds;
    * `transport.tick` is called often enough for the deadline that it gave; below zero it has failed, and the
      wire is let go.

    An exception of the transport (which would be a bug) leaves `ready` or `flush` as it is.

    transport, wire: the two that it joins.
    linger: seconds for the rest to happen once one side has ended: for the peer to finish after us, or to
        take the next piece of our last words. BRIEF seconds at most when both have said all.
    connected: whether there is, or was, a peer at the other end.
    error: why the wire could not be had; None when it could, or while it is not known.
    closed: whether the wire was let go.
    full_since: since when the wire has been full without a break, in seconds of the clock; None: it takes all.
    """

    # Some of these exist for each connection: no closure, no timer and no dict unless it is needed.
    __slots__ = (
        "_interest",  # the wire is watched for it; with WRITE in it the wire is full, or not yet connected
        "_limit",     # bytes that the next read takes at most
        "_lingering", # one side has ended: from here on the deadline is ours
        "_moved",     # whether the peer took anything since the last look; asked when lingering
        "_reading",   # the peer has not finished
        "_timed",     # whether the transport waits for anything but room for its output
        "_timer",     # the deadline of the transport or, when one side has ended, that of lingering
        "_trouble",   # why writing ended, while there may still be something to read
        "_writing",   # we have not finished
        "closed",
        "connected",
        "error",
        "full_since",
        "linger",
        "loop",
        "transport",
        "wire",
    )

    def __init__(self, loop: Loop, transport: Stream, wire: Wire, linger: float = 10.0) -> None:
        self.loop = loop
        self.transport = transport
        self.wire = wire
        self.linger = linger
        self.connected = False
        self.error: OSError | None = None
        self.closed = False
        self.full_since: float | None = None
        self._interest = 0
        self._limit = READ_SIZE
        self._lingering = False
        self._moved = False
        self._reading = True
        self._writing = True
        self._timed = True
        self._timer: Timer | None = None
        self._trouble = ""
        loop.watchers.add(self)
        if not self._look_whether_connected() and not self.closed:
            self._want(WRITE)

    def ready(self, mask: int) -> None:
        """The loop's call: the wire can be read or written."""
        if not self.connected:
            if not self.closed and self._look_whether_connected():
                self._send()
            return
        if mask & READ and self._reading:  # it may have been let go of in this very turn
            self._read()
        if mask & WRITE and self._writing:
            self._send()

    def flush(self, events: Sized = ()) -> bool:
        """Send the bytes of the transport, as far as the wire takes it; the rest follows by itself.

        While the wire is full, or not yet connected, the transport is not even asked: frames that are not written
        out cannot pile up, and its Event.TRANSPORT stays away until it is asked again.

        events: the queue, where handlers have their turn before the next wait. Returns True when it is not empty and
        the bytes, fewer than READ_SIZE, are not sent yet: `flush()` has to be called once more before the wait.
        """
        if self._writing and not self._interest & WRITE:
            return self._send(events)
        return False

    def fail(self, name: str, description: str) -> None:
        """Give up for a reason of one's own (a time-out, for one): `transport.fail`, and the wire is let go."""
        if not self.closed:
            self._let_go()
            self.transport.fail(name, description)

    def close(self) -> None:
        """Let go of the wire at once, whatever is unsent; the transport learns that both its sides ended."""
        if not self.closed:
            self._let_go()
            self.transport.close_head()
            self.transport.close_tail()

    # -- connecting --------------------------------------------------------------------------------------

    def _look_whether_connected(self) -> bool:
        try:
            self.connected = self.wire.connected()
        except OSError as error:
            self.error = error
            self.fail(IO_ERROR, str(error))
        if self.connected:
            self._want(READ)
        return self.connected

    # -- input -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """One read. A peer with more bytes waits for the next turn, after the others."""
        try:
            data = self.wire.read(self._limit)
        except OSError as error:
            self.fail(IO_ERROR, f"read from {self.wire.remote_address}: {reason(error)}")
            return
        if data:
            self._timed = self.transport.receive(data)
            long = len(data) >= READ_SIZE and self.transport.buffered >= READ_SIZE
            self._limit = LONG_READ_SIZE if long else READ_SIZE
            if self._timed:
                self._tick()
            if self._interest & WRITE:
                self._look_whether_it_ended()
            elif self._lingering and not self._writing and self.transport.is_over:
                self._start_lingering()  # its last word has come: there is little to wait for
        elif data is not None:
            self._input_ended()

    def _input_ended(self) -> None:
        self._reading = False
        if self._trouble:
            self.fail(IO_ERROR, self._trouble)  # it ended there, and no last words explain it
            return
        self.transport.close_tail()
        if self._writing:
            self._want(self._interest & WRITE)  # the end of the input would be reported for ever
            self._start_lingering()
            self.flush()
        else:
            self._let_go()

    # -- output ------------------------------------------------------------------------------------------

    def _send(self, events: Sized = ()) -> bool:
        """One write, of all that waits; none, and True, as `flush` has it. WRITE is wanted only while something is left
        over: asking the system to watch for it costs more than the write."""
        transport = self.transport
        size = transport.pending()
        if size > 0:
            if events and size < READ_SIZE:
                return True
            try:
                sent = self.wire.write(transport.output)
            except OSError as error:
                self._output_broke(error)
                return False
            if sent:
                self._moved = True
                if transport.pop(sent):
                    size = transport.pending()  # it has held back, or has nothing more to send at all
                elif sent == size:
                    size = 0
        if size > 0:
            self._want(self._interest | WRITE)
        elif size == 0:
            if self._interest & WRITE:
                self._want(self._interest & ~WRITE)
        else:
            self._output_ended()
            return False
        if self._timed or size:
            self._tick()
        return False

    def _output_ended(self) -> None:
        """All is said. The wire stays until the peer has finished too: closed with something unread, it would
        be reset, and the peer would lose the bytes that it has not read yet."""
        self._writing = False
        self.transport.close_head()
        if self._reading:
            self.wire.finish()
            self._want(READ)
            self._start_lingering()
        else:
            self._let_go()

    def _output_broke(self, error: OSError) -> None:
        """The peer takes nothing more. Its last frames may still be there, and often have the reason."""
        self._trouble = f"write to {self.wire.remote_address}: {reason(error)}"
        if self._reading:
            self._writing = False
            self.transport.close_head()
            self._want(READ)
            self._start_lingering()
        else:
            self.fail(IO_ERROR, self._trouble)

    # -- time --------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Give the transport the time. A deadline that moved away costs nothing: the timer for the earlier one
        is left to come, and asks again."""
        if self._lingering:
            return
        deadline = self.transport.tick(self.loop.now)
        if deadline:
            if deadline < 0:
                self._let_go()
                return
            timer = self._timer
            if timer is None or deadline < timer.at:
                self._plan(deadline)
        elif self._timer is not None:
            self._timer.cancel()  # nothing is waited for any more: turns have no deadline to look at
            self._timer = None

    def _plan(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.timers.schedule(at, self._due)

    def _due(self) -> None:
        self._timer = None
        if not self._lingering:
            self._tick()
            self.flush()
            self._look_whether_it_ended()
        elif self._writing and self._moved:
            self._start_lingering()
        elif self._trouble or self._writing:
            self.fail(IO_ERROR, self._trouble or f"write to {self.wire.remote_address}: {_STALLED}")
        else:
            self.close()

    def _look_whether_it_ended(self) -> None:
        """The engine may have given the peer up by itself. Its last words must not wait for ever for a peer
        that takes nothing."""
        if not self._lingering and not self.closed and self.transport.capacity() < 0:
            self._start_lingering()

    def _start_lingering(self) -> None:
        self._lingering = True
        self._moved = False
        over = not self._writing and self.transport.is_over
        self._plan(self.loop.clock.now() + (min(BRIEF, self.linger) if over else self.linger))

    # -- the wire ----------------------------------------------------------------------------------------

    def _want(self, interest: int) -> None:
        if interest != self._interest:
            if (interest ^ self._interest) & WRITE:
                self.full_since = self.loop.now if interest & WRITE and self.connected else None
            self._interest = interest
            self.loop.network.watch(self.wire, interest, self)

    def _let_go(self) -> None:
        self.closed = True
        self._reading = self._writing = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.wire.close()
        self.loop.watchers.discard(self)


_STALLED = "the peer takes nothing more"


class ListenerDriver:
    """Lets wires in: every peer that waits at a listener, up to BURST a turn.

    admit: called with each wire; it makes a Driver of it. Its exception leaves the turn, the wire is closed.
    pause: seconds to look away for when no wire can be had (the process is out of descriptors, for one). The
        peers wait meanwhile, and the loop does not spin.
    error: why the last wire could not be had, None when it could.
    closed: whether it has stopped listening.
    """

    __slots__ = ("_timer", "admit", "closed", "error", "listener", "loop", "pause")

    def __init__(
        self, loop: Loop, listener: Listener, admit: Callable[[Wire], object], pause: float = 0.25
    ) -> None:
        self.loop = loop
        self.listener = listener
        self.admit = admit
        self.pause = pause
        self.error: OSError | None = None
        self.closed = False
        self._timer: Timer | None = None
        loop.watchers.add(self)
        loop.watch(listener, READ, self)

    def ready(self, mask: int) -> None:
        """The loop's call: a peer waits."""
        for _ in range(BURST):
            if self.closed or self._timer is not None:
                return  # `admit` may close us
            try:
                wire = self.listener.accept()
            except OSError as error:
                self.error = error
                self.loop.unwatch(self.listener)
                self._timer = self.loop.schedule(self.pause, self._look_again)
                return
            if wire is None:
                return
            self.error = None
            try:
                self.admit(wire)
            except BaseException:
                wire.close()
                raise

    def close(self) -> None:
        """Stop listening; the wires that were let in stay."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.listener.close()
        self.loop.watchers.discard(self)

    def _look_again(self) -> None:
        self._timer = None
        self.loop.watch(self.listener, READ, self)
