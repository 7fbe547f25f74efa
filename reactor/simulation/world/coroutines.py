"""Coroutines as programs of a World: an event loop of asyncio with the time and the turns of the world.

    async def worker(url):
        async with aio.connect(url, reconnect=True) as connection:
            ...

    with World(seed) as world:
        world.start(worker, "amqp://broker:5672")

A World makes one for each start of such a program. `asyncio.sleep`, queues, `wait_for`, `gather` and task groups work
in it, and the containers and connections of `reactor.aio` that are made in it are on the program's machine. One
iteration of the loop is one turn of the program. Nothing is left to chance: a set of tasks has an order, for one. There
is no thread, no descriptor and no name but those of the world. It knows asyncio and the network, and no AMQP.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Coroutine, Sequence
from contextvars import Context
from itertools import count
from random import Random
from typing import Any, Callable, Optional

from reactor.loop.interface import Clock, Watchable, Watcher
from reactor.simulation.network.node import MemoryNode
from reactor.simulation.network.wire import MemoryListener, MemoryWire
from reactor.simulation.wiretap.events import EventGate, EventQueue

Ready = tuple[Watcher, int]


class _Route:
    """A watcher, and the network of the container that it belongs to."""

    __slots__ = ("network", "watcher")

    def __init__(self, network: LoopNode, watcher: Watcher) -> None:
        self.network = network
        self.watcher = watcher

    def ready(self, mask: int) -> None:
        """The loop's call: the container is to have a turn."""
        self.network.ready(self.watcher, mask)


class LoopNode:
    """The network of one container of the loop: a part of the node of its program. See `aio.interface.LoopNetwork`."""

    def __init__(self, loop: WorldLoop, node: MemoryNode, container: Any) -> None:
        self.container = container
        self._loop = loop
        self._node = node
        self._things: dict[int, Watchable] = {}
        self._ready: list[Ready] = []
        self._turn: Optional[Callable[[], None]] = None

    def attach(self, loop: asyncio.AbstractEventLoop, turn: Callable[[], None]) -> None:
        self._turn = turn
        events = EventQueue(self._loop.gate, self._node.name)
        events.extend(self.container.collector.events)
        self.container.collector.events = events
        self._loop.networks[self] = None

    def detach(self) -> None:
        self._turn = None
        self._loop.networks.pop(self, None)

    def deadline(self) -> Optional[float]:
        return None

    def ready(self, watcher: Watcher, mask: int) -> None:
        """Something is ready."""
        self._ready.append((watcher, mask))
        self.wake()

    def call_aside(self, function: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._node.call_aside(function, done)

    def connect(self, host: str, port: int) -> MemoryWire:
        return self._node.connect(host, port)

    def listen(self, host: Optional[str], port: int, backlog: int = 4096) -> MemoryListener:
        return self._node.listen(host, port, backlog)

    def watch(self, thing: Watchable, interest: int, watcher: Watcher) -> None:
        self._node.watch(thing, interest, _Route(self, watcher))
        if interest:
            self._things[id(thing)] = thing
        else:
            self._things.pop(id(thing), None)

    def unwatch(self, thing: Watchable) -> None:
        self._node.unwatch(thing)
        self._things.pop(id(thing), None)

    def wait(self, timeout: Optional[float]) -> Sequence[Ready]:
        ready, self._ready = self._ready, []
        return ready

    def wake(self) -> None:
        if self._turn is not None:
            self._loop.call_soon(self._turn)

    @property
    def wake_descriptor(self) -> int:
        return -1

    def close(self) -> None:
        for thing in list(self._things.values()):
            if isinstance(thing, (MemoryWire, MemoryListener)):
                thing.close()
        self._things.clear()


class _Task(asyncio.Task[Any]):
    """A task by number: sets of tasks have the same order in each run."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], **keywords: Any) -> None:
        self.number = number  # before the task enters a set
        super().__init__(coroutine, **keywords)

    def __hash__(self) -> int:
        return self.number


class _Queues:
    """The events of all containers of a loop, for its turns. program: its name."""

    def __init__(self, loop: WorldLoop, program: str) -> None:
        self.program = program
        self._loop = loop

    def __len__(self) -> int:
        return sum(len(network.container.collector.events) for network in self._loop.networks)


def _let_go(coroutine: Any) -> None:
    """End a coroutine where it is, and at each place where its `finally` waits."""
    for _ in range(100):
        try:
            coroutine.close()
            return
        except RuntimeError:
            continue  # it has waited again, or has raised that and is over
        except BaseException:
            return  # that of a program that is no more


class WorldLoop(asyncio.BaseEventLoop):
    """The event loop of one program, and its turns as a World gives them.

    node: of the program. main: its task; it ends the program, and cancels the other tasks. chances: the source of the
    chances of a container, by its name.
    """

    def __init__(
        self, node: MemoryNode, main: Coroutine[Any, Any, Any], gate: EventGate, chances: Callable[[str], Random]
    ) -> None:
        super().__init__()
        self.node = node
        self.gate = gate
        self.networks: dict[LoopNode, None] = {}
        self.queue = _Queues(self, node.name)
        self.timeout: Any = None
        self._chances = chances
        self._made = count(1)
        self._numbers = count(1)
        self._selector = self  # the interface of BaseEventLoop to its subclasses: `select` and `_process_events`
        self._alarms: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._busy = False
        self._crashed = False
        self._reports: deque[dict[str, Any]] = deque()
        self.set_task_factory(self._make_task)
        self.main: asyncio.Task[Any] = self.create_task(self._run(main))

    async def _run(self, main: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await main
        finally:
            await self._end()

    async def _end(self) -> None:
        """The other tasks end with the first one, as with `asyncio.run`."""
        if not self._crashed:
            others = asyncio.all_tasks(self) - {self.main}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self.shutdown_asyncgens()

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **keywords: Any
    ) -> asyncio.Task[Any]:
        return _Task(next(self._numbers), coroutine, loop=loop, **keywords)

    # -- for containers ----------------------------------------------------------------------------------

    def amqp_world(self, container: Any) -> tuple[Clock, LoopNode, Random]:
        """See `aio.interface.LoopWorld`."""
        network = LoopNode(self, self.node, container)
        return self.node.network.clock, network, self._chances("container %d" % next(self._made))

    def containers(self) -> list[Any]:
        """Those that run on it."""
        return [network.container for network in self.networks]

    # -- turns -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """For `Stepper.add`: there is nothing to announce."""

    def process(self) -> bool:
        """One iteration. Returns whether the program goes on; raises the exception that has left it."""
        for network in list(self.networks):
            if network.container.collector.events:
                network.wake()  # they were behind a gate that was shut
        self._busy = False
        self.stop()  # with this one
        self.run_forever()
        if self._reports:
            raise self._error()
        if self.main.done():
            self._close()
            self.main.result()
            return False
        if not self._busy:
            self.node.network.nap = self._deadline()
        return True

    def _deadline(self) -> float:
        alarms = self._alarms
        while alarms and (alarms[0][2].cancelled() or alarms[0][0] <= self.time()):
            heapq.heappop(alarms)  # the second kind has been called
        return alarms[0][0] if alarms else math.inf

    def crash(self) -> None:
        """It ends where it is. Python runs the `finally` of coroutines that it lets go of: that has no effect on
        others."""
        if self.is_closed():
            return
        self._crashed = True
        tasks = sorted(asyncio.all_tasks(self), key=hash)
        self._close()
        for task in tasks:
            _let_go(task.get_coro())

    def __del__(self) -> None:
        """A world that was left in its middle needs no word about it."""
        self._crashed = True
        if not self.is_closed():
            self.close()

    def _close(self) -> None:
        self._reports.clear()
        for network in list(self.networks):
            network.container.abandon()
        self.close()

    # -- the interface of BaseEventLoop ------------------------------------------------------------------

    def time(self) -> float:
        """The seconds of the world's clock."""
        return self.node.network.clock.now()

    def select(self, timeout: Optional[float]) -> Sequence[Ready]:
        """What is ready on the network. The world waits, and not the loop."""
        return self.node.wait(0)

    def _process_events(self, events: Sequence[Ready]) -> None:
        for watcher, mask in events:
            watcher.ready(mask)

    def _write_to_self(self) -> None:
        self._busy = True

    def call_soon(  # type: ignore[override]  # typeshed has the types of the arguments, too
        self, callback: Callable[..., Any], *arguments: Any, context: Optional[Context] = None
    ) -> asyncio.Handle:
        self._busy = True
        return super().call_soon(callback, *arguments, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., Any], *arguments: Any, context: Optional[Context] = None
    ) -> asyncio.TimerHandle:
        handle = super().call_at(when, callback, *arguments, context=context)
        if when <= self.time():
            self._busy = True
        else:
            heapq.heappush(self._alarms, (when, next(self._numbers), handle))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A failure that no coroutine has caught is one of the program."""
        if not self._crashed:
            self._reports.append(context)

    def _error(self) -> BaseException:
        context = self._reports.popleft()
        error = context.get("exception")
        if isinstance(error, BaseException):
            return error
        return RuntimeError(str(context.get("message")))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """RuntimeError: threads are not of this world."""
        raise RuntimeError("a program of a World has no threads: %r would run in one" % (func,))
