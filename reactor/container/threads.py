"""Threads: which one a container belongs to, and how the others speak to it.

The runner enters. It knows threads and frames of Python's stack, and nothing of AMQP.

A container is not locked: its objects may be touched by one thread only, the one that runs it. A call from another
thread raises an error that names both. The calls for each message are not checked one by one, because that would cost
more than the rest of the call; it is checked when something is written for the first time in a turn, before anything
is changed. While the container waits, which is when other threads get to run, that is at every call.
"""

from __future__ import annotations

import sys
import threading

from reactor.engine.events import EventBase, EventType
from reactor.lazily import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable, Optional

_CALL = EventType("call")
_OURS = ("reactor.", "handlers.", "amqp_reactor_")  # the last one: reactor.as_proton.ours


class PostedCall(EventBase):
    """An event that is a call of a function, whatever the handler."""

    __slots__ = ("_arguments", "function")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__(_CALL)
        self.function = function
        self._arguments = arguments

    def dispatch(self, handler: Any, type: Optional[EventType] = None) -> None:
        self.function(*self._arguments)

    def __repr__(self) -> str:
        return "PostedCall(%r)" % (self.function,)


class OwningThread:
    """The thread that something belongs to.

    ident: of the thread; None: it belongs to none yet, and any thread may touch it.
    busy: whether the thread is at it now, so that no other can take it over.
    """

    __slots__ = ("busy", "ident")

    def __init__(self) -> None:
        self.ident: Optional[int] = None
        self.busy = False

    def enter(self) -> bool:
        """The calling thread goes to work on it. Returns the value for `busy` when it pauses. RuntimeError when
        another one is at it."""
        ident = threading.get_ident()
        before = self.busy
        if before and self.ident != ident:
            raise RuntimeError(self._complaint())
        self.ident = ident
        self.busy = True
        return before

    def leave(self) -> None:
        """The thread has no more to do with it."""
        self.busy = False
        self.ident = None

    def check(self) -> None:
        """RuntimeError, naming the call, unless the calling thread is the one that it belongs to."""
        if self.ident is not None and self.ident != threading.get_ident():
            raise RuntimeError(self._complaint())

    def _complaint(self) -> str:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        owner = names.get(self.ident, "another one")
        return "%s in thread %r; its container belongs to %r: hand it over by container.call_soon_threadsafe()" % (
            _called(),
            threading.current_thread().name,
            owner,
        )


class LoopThread(OwningThread):
    """The thread of an event loop, which other things have, too.

    touched: called when something of the container is touched while the thread is not at it: a turn is to come.
    """

    __slots__ = ("touched",)

    def __init__(self) -> None:
        super().__init__()
        self.touched: Optional[Callable[[], None]] = None

    def check(self) -> None:
        super().check()
        if self.touched is not None and not self.busy:
            self.touched()


def _called() -> str:
    """The call that came in from outside, as its author reads it."""
    frame: Any = sys._getframe(1)
    name = "?"
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        owner = frame.f_locals.get("self")
        name = frame.f_code.co_name
        if owner is not None:
            name = "%s.%s" % (type(owner).__name__, name)
        frame = frame.f_back
    return name + "()"
