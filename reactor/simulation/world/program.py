"""Programs of a World: each runs on a machine of its own, crashes, stands still, and is started again.

A World starts them (`world.start`). A program is made by a factory, so that there can be another one when it is
started again: nothing of the old one is left then, except its store. It knows containers and the
network; of handlers it knows nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Optional

from reactor.container.explain.sentences import Explanation, Sentence
from reactor.simulation.network.node import MemoryNode
from reactor.simulation.world.coroutines import WorldLoop
from reactor.simulation.world.interface import WorldView

_SAME: Any = object()


def explained(programs: Mapping[str, Program]) -> Explanation:
    """Why nothing moves in these programs: each sentence with the name of its program before it."""
    told = [(name, sentence) for name, program in programs.items() for sentence in program.explain()]
    return Explanation.of(Sentence(sentence.kind, "%s: %s" % (name, sentence)) for name, sentence in told)


class Program:
    """One program. The attributes are those of the incarnation that runs, or that ran last.

    name: of the program, and of its machine on the network.
    handler: made by the factory. container: runs the handler.
    result: what it has returned, where it is a coroutine.
    store: handed to the factory as `store=`, unless it is None; it outlives a crash.
    starts: how often it was started.
    """

    def __init__(
        self,
        world: WorldView,
        name: str,
        factory: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        store: Any,
        options: Optional[Mapping[str, Any]],
    ) -> None:
        self.name = name
        self.store = store
        self.starts = 0
        self.handler: Any = None
        self.container: Any  # a Container; of a coroutine, its event loop
        self.node: MemoryNode
        self._world = world
        self._factory = factory
        self._args = args
        self._kwargs = kwargs
        self._options = dict(options or {})
        self._down = False
        self._loop: Optional[WorldLoop] = None
        self._start()

    @property
    def result(self) -> Any:
        """What the coroutine has returned; raises what has left it. RuntimeError as long as it runs, or when it has
        crashed, and for a program of handlers."""
        if self._loop is None or not self._loop.main.done():
            raise RuntimeError(f"{self.name} has no result: it is no coroutine that has come to its end")
        return self._loop.main.result()

    @property
    def running(self) -> bool:
        """Whether it runs, or stands still: it has not crashed, and has not come to its end."""
        return self._world.turns.runs(self.container)

    def crash(self, silent: bool = False) -> None:
        """It ends where it is: no handler is called. Harmless when it does not run.

        Its system closes its wires, which its peers see as an end or as a reset. silent: the machine goes down
        with it: peers hear nothing, and an attempt to connect gets no answer, until `restart()`.
        """
        if self._world.turns.end(self, silent):
            self._world.count_fault(f"{self.name} {'goes down' if silent else 'crashes'}")

    def restart(self, store: Any = _SAME) -> None:
        """Start it again: the factory makes another handler, for another container.

        store: another one than it had; None for none. Raises RuntimeError as long as it runs, or when it was
        started with a handler instead of a factory.
        """
        if self.running:
            raise RuntimeError(f"{self.name} is running: crash it before")
        if not callable(self._factory):
            raise RuntimeError(f"{self.name} was started with a handler; to restart it, start it with a factory")
        if store is not _SAME:
            self.store = store
        if self._down:
            self._down = False
            self._world.network.turn_off(self.name, False)
        self._start()

    def end_coroutine(self) -> None:
        """The world's call, at its end: a coroutine that still runs is let go of."""
        if self._loop is not None:
            self._loop.crash()

    def pause(self) -> None:
        """It stands still, as if its process had been stopped: bytes for it pile up."""
        self._world.turns.pause(self.container, True)

    def resume(self) -> None:
        """It goes on where it stood."""
        self._world.turns.pause(self.container, False)

    def stop_reading(self) -> None:
        """It goes on, but does not read any more from the wires that it has now."""
        self._set_deaf(True)

    def start_reading(self) -> None:
        """It reads again."""
        self._set_deaf(False)

    def explain(self, patience: float = 0.0) -> Explanation:
        """Why nothing moves in it; see `reactor.explain`."""
        if not self.running:
            text = "the program does not run: it has crashed, or has come to its end"
            return Explanation.of([Sentence("not running", text)])
        containers = [self.container] if self._loop is None else self._loop.containers()
        return Explanation.of(sentence for one in containers for sentence in one.explain(patience))

    def let_go(self, silent: bool) -> None:
        """The world's call: all that it had on the network is given up."""
        self.node.dying = True
        self.end_coroutine()
        network = self._world.network
        own = [wire for wire in (*network.wires, *network.dialing) if wire.node is self.node]
        for wire in own:
            if silent:
                wire.vanish()
            else:
                wire.close()
        if silent:
            self._down = True
            network.turn_off(self.name)  # its listeners stay, and do not answer
        else:
            self.node.close()
        network.nodes.remove(self.node)
        self._world.tell_gone(self.name)

    def _start(self) -> None:
        self.starts += 1
        world = self._world
        world.note(f"{self.name} starts{' again' if self.starts > 1 else ''}")
        handler = self._factory
        if callable(handler):
            kwargs = self._kwargs if self.store is None else {**self._kwargs, "store": self.store}
            handler = handler(*self._args, **kwargs)
        coroutine = handler if asyncio.iscoroutine(handler) else None
        self.handler = None if coroutine is not None else handler
        self.node = world.network.node(self.name, self.name)
        if coroutine is not None:
            self.container = self._loop = world.run_coroutine(self.node, coroutine, f"{self.name} {self.starts}")
            return
        handlers = handler if isinstance(handler, (list, tuple)) else (handler,)
        self.container = world.run_on(self.node, handlers, f"{self.name} {self.starts}", self._options)

    def _set_deaf(self, deaf: bool) -> None:
        for wire in self._world.network.wires:
            if wire.node is self.node:
                wire.deaf = deaf
                self.node.stir(wire)

    def __repr__(self) -> str:
        return f"<Program {self.name}, {'running' if self.running else 'not running'}>"
