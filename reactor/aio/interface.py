"""The network of a container that an event loop of asyncio drives, and a loop that brings its own world.

An AsyncContainer enters. Protocols, and nothing else.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, Callable, Optional, Protocol

from reactor.loop.interface import Clock, Network


class LoopNetwork(Network, Protocol):
    """A Network that never waits: instead it calls, as soon as `wait` has an answer."""

    def attach(self, loop: asyncio.AbstractEventLoop, turn: Callable[[], None]) -> None:
        """Begin: from now on `turn` is called on `loop` whenever `wait` has an answer."""
        ...

    def detach(self) -> None:
        """Call no more. Harmless when repeated, and after the loop was closed."""
        ...

    def deadline(self) -> Optional[float]:
        """When `wait` has something to do by itself; None: it waits for others."""
        ...


class LoopWorld(Protocol):
    """An event loop with a world of its own: a simulated one."""

    def amqp_world(self, container: Any) -> tuple[Clock, LoopNetwork, Random]:
        """The clock, a network and the chances of one more container of this loop."""
        ...


class CoroutineHost(Protocol):
    """The container of Coroutines."""

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop: ...
    def coroutine_failed(self, error: BaseException, event: Any) -> None:
        """An exception has left a method that was called with `event`."""
        ...

    def coroutines_ended(self) -> None:
        """None runs any more."""
        ...
